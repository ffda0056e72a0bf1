//! The servers that are compared, each in a process of its own.
//!
//! A server prints the addresses that it listens on, one a line, and serves until its standard input ends.

use std::io;
use std::path::Path;
use std::time::Duration;

use gatepost::app::{self, Settings, World};
use gatepost::serve::Address;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Nothing but HTTP: reads the body and always answers the same.
pub(crate) fn bare() {
    runtime().block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        println!("{}", listener.local_addr().expect("its address"));
        tokio::spawn(accept_all(listener));
        end_of_input().await;
    });
}

/// A sidecar over the built-in model, on a port and on a Unix socket.
pub(crate) fn gatepost(socket: &str) {
    let mut settings = Settings {
        listen: vec![
            Address::Tcp(([127, 0, 0, 1], 0).into()),
            socket.parse().expect("the address of a socket"),
        ],
        ..Settings::default()
    };
    settings.serve.explains = true;
    app::start_logging(settings.log_format, &settings.log).expect("a filter of logs");
    runtime().block_on(async {
        let running = app::run(World::BuiltIn, &settings).await.expect("a sidecar");
        for address in &running.addresses {
            println!("{address}");
        }
        end_of_input().await;
        running.shut_down().await;
    });
}

/// A sidecar over the files of a root as they are at the start, on a port.
pub(crate) fn root(root: &Path) {
    let settings = Settings {
        listen: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
        events: false,
        sweep: Duration::from_secs(86_400),
        ..Settings::default()
    };
    app::start_logging(settings.log_format, &settings.log).expect("a filter of logs");
    runtime().block_on(async {
        let running = app::run(World::Root(root.to_owned()), &settings).await.expect("a sidecar");
        let mut published = running.live.subscribe();
        published.wait_for(|number| *number > 0).await.expect("a loader");
        for address in &running.addresses {
            println!("{address}");
        }
        end_of_input().await;
        running.shut_down().await;
    });
}

/// As `gatepost serve` makes it, with `worker_threads = 1`.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_stack_size(8 << 20)
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn accept_all(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        tokio::spawn(async move {
            // The other side may hang up when it likes.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(allow)).await;
        });
    }
}

async fn allow(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"decision\":true}")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Waits until whoever started this process is done with it, or gone.
async fn end_of_input() {
    let (ended, waiting) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        // However it ends, it has ended; dropping the sender says so.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(ended);
    });
    let _ = waiting.await;
}
