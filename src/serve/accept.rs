//! Connections, from `accept` to their end.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connections::{Admitted, Order};
use super::framing::Strict;
use super::guard::Hosts;
use super::listen::{Address, Listener};
use super::management::{Management, nothing_here};
use super::quiet::quiet;
use super::service::{Limits, ServeSettings, Service};
use super::tally::add;
use crate::store::Live;

/// Files that connections may not use up: the loader, logs and health checks need some.
const FILES_RESERVED: usize = 64;

/// What a listener is for, and the names that it answers to.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) hosts: Hosts,
    pub(super) opens: Opens,
}

/// What a listener is for.
#[derive(Debug)]
pub(super) enum Opens {
    /// Decisions, and what stands beside them.
    Decisions,
    /// Changes, with a token.
    Management(Router),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// What its connections share.
    pub service: Arc<Service>,
    stop: watch::Sender<bool>,
    done: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Stops accepting, lets requests under way end within their time, and ends.
    pub async fn shut_down(self) {
        self.stop.send_replace(true);
        // The task ends by itself, or has already ended.
        let _ = self.done.await;
    }
}

/// Serves what is live on all listeners.
///
/// # Errors
/// The system has no random numbers.
pub fn serve(listeners: Vec<Listener>, live: Arc<Live>, settings: &ServeSettings) -> io::Result<Server> {
    serve_all(listeners, Management::default(), live, settings)
}

/// Serves what is live on all listeners, and lets those with a token change it on listeners of their own.
///
/// # Errors
/// The system has no random numbers.
pub fn serve_all(
    listeners: Vec<Listener>,
    management: Management,
    live: Arc<Live>,
    settings: &ServeSettings,
) -> io::Result<Server> {
    let base = listeners.iter().find_map(|listener| match listener.address() {
        Address::Tcp(address) => Some(format!("http://{address}")),
        Address::Unix(_) => None,
    });
    let base = base.unwrap_or_else(|| "http://localhost".to_owned());
    let service = Service::new(live, settings, &base, connections_max(&settings.limits))?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let decisions = listeners.into_iter().map(|listener| (listener, Opens::Decisions));
    let routes = &management.routes.fallback(nothing_here);
    let managing = management
        .listeners
        .into_iter()
        .map(|listener| (listener, Opens::Management(routes.clone())));
    for (listener, opens) in decisions.chain(managing) {
        let door = Arc::new(Door {
            hosts: Hosts::of(&listener.address(), &settings.allowed_hosts),
            opens,
        });
        let stopped = stopped.clone();
        tasks.spawn(accept_all(listener, service.clone(), door, stopped));
    }
    let timekeeper = tokio::spawn(service.connections.clone().keep_time(service.patience()));
    let drained = service.clone();
    let done = tokio::spawn(async move {
        while tasks.join_next().await.is_some() {}
        drained.connections.drain();
        let limit = drained.limits.drain_timeout;
        if tokio::time::timeout(limit, drained.connections.empty()).await.is_err() {
            tracing::warn!(
                open = drained.connections.len(),
                "connections are still open after {} s, and are cut",
                limit.as_secs()
            );
        }
        timekeeper.abort();
    });
    Ok(Server { service, stop, done })
}

/// The configured cap, or what the process may have open.
fn connections_max(limits: &Limits) -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    limits.connections_max.min(files.saturating_sub(FILES_RESERVED)).max(1)
}

async fn accept_all(listener: Listener, service: Arc<Service>, door: Arc<Door>, mut stopped: watch::Receiver<bool>) {
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // Out of files or memory: the connection waits in the backlog, and so do we.
                if !is_of_the_connection(&error) {
                    tracing::warn!(%error, "cannot accept connections at the moment");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                continue;
            }
        };
        let Some(admitted) = service.connections.admit() else {
            add(&service.tally.connections_refused);
            continue;
        };
        match stream {
            Stream::Tcp(stream) => tokio::spawn(connection(stream, service.clone(), door.clone(), admitted)),
            Stream::Unix(stream) => tokio::spawn(connection(stream, service.clone(), door.clone(), admitted)),
        };
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn accept(listener: &Listener) -> io::Result<Stream> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            // An answer is one small write; waiting for more to send would only delay it.
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Listener::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
    }
}

/// Whether it was the connection that failed, and not accepting.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::InvalidInput
    )
}

async fn connection<S>(stream: S, service: Arc<Service>, door: Arc<Door>, admitted: Admitted)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let own = &*admitted.connection;
    let io = TokioIo::new(Strict::new(stream, own));
    let limits = service.limits;
    let (service, door) = (&service, &*door);
    let served = http1::Builder::new()
        .max_headers(limits.headers_max)
        .max_buf_size(limits.header_bytes_max.max(8 << 10))
        // Answers are short: one copy into one buffer costs less than two buffers to write.
        .writev(false)
        .serve_connection(io, service_fn(move |request| service.respond(door, own, request)));
    let mut served = pin!(served);
    let mut known = Order::None;
    let mut task = Waker::noop().clone();
    let mut waker = task.clone();
    poll_fn(|cx| {
        // A task has the same waker all its life, as a rule.
        if !task.will_wake(cx.waker()) {
            task.clone_from(cx.waker());
            waker = quiet(&task);
            own.wake_with_orders(&task);
        }
        loop {
            // What went wrong with a connection is its caller's to see.
            if served.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return Poll::Ready(());
            }
            match own.ordered() {
                Order::Close => return Poll::Ready(()),
                order if order == known => return Poll::Pending,
                order => known = order,
            }
            if known == Order::Drain {
                served.as_mut().graceful_shutdown();
            }
        }
    })
    .await;
}
