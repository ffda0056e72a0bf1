//! One connection to a sidecar, for one request at a time.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;

use crate::serve::Address;

/// The variable that has the token for a sidecar which wants one.
pub(super) const TOKEN: &str = "GATEPOST_TOKEN";

/// For one answer to a `GET`.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Which listener of a sidecar is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Listener {
    Decisions,
    Admin,
}

/// The address in a URL, or an address as `wait` takes it.
pub(super) fn address(url: &str, listener: Listener) -> Result<Address, String> {
    let (example, routes) = match listener {
        Listener::Decisions => ("http://127.0.0.1:8180", "AuthZEN"),
        Listener::Admin => ("http://127.0.0.1:8181", "the admin API"),
    };
    let wrong = |why: &str| format!("--url: {why}; write `{example}` or `unix:/path/to.sock`");
    if url.starts_with("https://") {
        return Err(wrong("a sidecar has no TLS"));
    }
    let host = match url.strip_prefix("http://") {
        Some(rest) => rest.strip_suffix('/').unwrap_or(rest),
        None => url,
    };
    if !host.starts_with("unix:") && host.contains('/') {
        return Err(wrong(&format!(
            "`{url}` has a path, and the routes of {routes} stand at the top"
        )));
    }
    host.parse().map_err(|_| wrong(&format!("`{url}` is no address of a sidecar")))
}

/// The same of an option that may be left out.
pub(super) fn address_of(url: Option<&str>, listener: Listener) -> Result<Option<Address>, String> {
    url.map(|url| address(url, listener)).transpose()
}

/// For one answer to a change, which waits for its turn and until it is live.
const CHANGE_MAX: Duration = Duration::from_secs(60);

/// Bytes of one answer: a page of a search may have a million results.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// One connection.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    /// What questions bring, as a header.
    token: Option<String>,
    driver: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Line {
    /// Connects.
    pub(super) async fn open(address: &Address) -> Result<Self, String> {
        let words = |error: std::io::Error| error.to_string();
        match address {
            Address::Tcp(socket) => {
                let stream = TcpStream::connect(socket).await.map_err(words)?;
                stream.set_nodelay(true).map_err(words)?;
                Self::on(stream, socket.to_string()).await
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(words)?;
                Self::on(stream, "localhost".to_owned()).await
            }
        }
    }

    async fn on<S>(stream: S, host: String) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connected = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = connected.map_err(|error| error.to_string())?;
        let driver = tokio::spawn(connection).abort_handle();
        let token = std::env::var(TOKEN).ok().map(|token| token.trim().to_owned());
        Ok(Self {
            sender,
            host,
            token: token.filter(|token| !token.is_empty()).map(|token| format!("Bearer {token}")),
            driver,
        })
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Response<Bytes>, String> {
        let request = Request::get(path).header(header::HOST, &self.host).body(Full::default());
        let sent = self.send(request.map_err(|error| error.to_string())?);
        tokio::time::timeout(ANSWER_MAX, sent)
            .await
            .unwrap_or_else(|_| Err("it does not answer".to_owned()))
    }

    pub(super) async fn post(&mut self, path: &str, body: Bytes) -> Result<Response<Bytes>, String> {
        let mut request = Request::post(path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string());
        self.send(request?).await
    }

    /// A request of any kind, and its answer within its time.
    pub(super) async fn request(
        &mut self,
        method: &Method,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<Response<Bytes>, String> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let sent = self.send(request.body(Full::new(body)).map_err(|error| error.to_string())?);
        tokio::time::timeout(CHANGE_MAX, sent)
            .await
            .unwrap_or_else(|_| Err("it does not answer".to_owned()))
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String> {
        let words = |error: hyper::Error| format!("the connection was lost: {error}");
        self.sender.ready().await.map_err(words)?;
        let answer = self.sender.send_request(request).await.map_err(words)?;
        let (parts, body) = answer.into_parts();
        let whole = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let whole = whole.map_err(|error| format!("the answer was not taken: {error}"))?;
        Ok(Response::from_parts(parts, whole.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_sidecars_are_read_and_others_explained() {
        for (url, read) in [
            ("http://127.0.0.1:8180", "127.0.0.1:8180"),
            ("http://localhost:8180/", "127.0.0.1:8180"),
            ("http://[::1]:8180", "[::1]:8180"),
            ("127.0.0.1:8180", "127.0.0.1:8180"),
            ("unix:/run/gatepost.sock", "unix:/run/gatepost.sock"),
        ] {
            assert_eq!(address(url, Listener::Decisions).expect(url).to_string(), read);
        }
        for (url, why) in [
            ("https://127.0.0.1:8180", "no TLS"),
            ("http://127.0.0.1:8180/access/v1/evaluation", "has a path"),
            ("http://127.0.0.1", "no address"),
            ("", "no address"),
            ("unix:", "no address"),
        ] {
            let told = address(url, Listener::Decisions).expect_err(url);
            assert!(told.contains(why) && told.contains("unix:/path/to.sock"), "{told}");
        }
    }
}
