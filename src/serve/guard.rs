//! What a request's head says about who sent it.
//!
//! A page in a browser can make the browser ask a server on loopback, under a name that its author owns (DNS rebinding)
//! or without reading the answer. No browser may ask here: `Host` must be one of ours, and the headers that only
//! browsers send are refused.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode, Uri};

use super::listen::Address;
use super::reply::Problem;

/// The names that a listener answers to.
#[derive(Clone, Debug)]
pub enum Hosts {
    /// Any one name: nothing but this machine's own processes can reach a Unix socket.
    Any,
    /// Just these, in any case.
    Only(Vec<String>),
}

impl Hosts {
    /// The names of an address: its own, loopback's, and those that were configured.
    pub fn of(address: &Address, configured: &[String]) -> Self {
        let Address::Tcp(socket) = address else { return Self::Any };
        let port = socket.port();
        let mut names: Vec<String> =
            ["127.0.0.1", "localhost", "[::1]"].iter().map(|name| format!("{name}:{port}")).collect();
        names.push(socket.to_string());
        if port == 80 {
            names.extend(["127.0.0.1", "localhost", "[::1]"].map(str::to_owned));
        }
        names.extend(configured.iter().cloned());
        names.dedup();
        Self::Only(names)
    }

    fn has(&self, name: &[u8]) -> bool {
        match self {
            Self::Any => !name.is_empty(),
            // Nearly always it is the very name.
            Self::Only(names) => {
                names.iter().any(|known| known.as_bytes() == name)
                    || names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
            }
        }
    }
}

/// The headers that matter, found in one pass.
#[derive(Debug, Default)]
pub(super) struct Head<'h> {
    host: Option<&'h HeaderValue>,
    hosts: usize,
    browser: Option<&'static str>,
    overrides_method: bool,
    pub(super) request_id: Option<&'h HeaderValue>,
    pub(super) authorization: Option<&'h HeaderValue>,
    pub(super) authorizations: usize,
    content_type: Option<&'h HeaderValue>,
    content_types: usize,
    is_encoded: bool,
}

impl<'h> Head<'h> {
    pub(super) fn of(headers: &'h HeaderMap) -> Self {
        let mut head = Self::default();
        for (name, value) in headers {
            head.take(name, value);
        }
        head
    }

    fn take(&mut self, name: &HeaderName, value: &'h HeaderValue) {
        match name.as_str() {
            "host" => {
                self.host = Some(value);
                self.hosts += 1;
            }
            "content-type" => {
                self.content_type = Some(value);
                self.content_types += 1;
            }
            "authorization" => {
                self.authorization = Some(value);
                self.authorizations += 1;
            }
            "content-encoding" => self.is_encoded = true,
            "x-request-id" if self.request_id.is_none() => self.request_id = Some(value),
            "origin" => self.browser = Some("Origin"),
            "sec-fetch-site" => self.browser = Some("Sec-Fetch-Site"),
            "x-http-method-override" | "x-http-method" | "x-method-override" => self.overrides_method = true,
            _ => {}
        }
    }

    /// Whether the request may go on to its route.
    pub(super) fn check(&self, uri: &Uri, hosts: &Hosts) -> Result<(), Problem> {
        let host = match (self.hosts, self.host) {
            (1, Some(host)) => host.as_bytes(),
            (0, _) => return Err(Problem::new(StatusCode::BAD_REQUEST, "the Host header is missing")),
            _ => return Err(Problem::new(StatusCode::BAD_REQUEST, "more than one Host header")),
        };
        let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
        let is_other_scheme = uri.scheme_str().is_some_and(|scheme| scheme != "http");
        if is_other_scheme || !hosts.has(host) || authority.is_some_and(|authority| !hosts.has(authority)) {
            return Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this Host is none of ours: ask under the address that gatepost listens on, or add the name to \
                 `allowed_hosts`",
            ));
        }
        if let Some(header) = self.browser {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                format!("requests from browsers are refused, and only browsers send {header}"),
            ));
        }
        if self.overrides_method {
            return Err(Problem::not_allowed("methods cannot be overridden", "GET, POST"));
        }
        Ok(())
    }

    /// Whether the body is said to be JSON.
    pub(super) fn check_json(&self) -> Result<(), Problem> {
        let problem = |message: &'static str| Err(Problem::new(StatusCode::BAD_REQUEST, message));
        if self.is_encoded {
            return problem("Content-Encoding: not supported, send the body as it is");
        }
        match (self.content_types, self.content_type) {
            (1, Some(value)) if is_json(value.as_bytes()) => Ok(()),
            (0, _) => problem("Content-Type: required, and must be application/json"),
            (1, _) => problem("Content-Type: must be application/json"),
            _ => problem("Content-Type: more than one"),
        }
    }
}

/// `application/json`, in any case, with or without parameters.
fn is_json(value: &[u8]) -> bool {
    if value == b"application/json" {
        return true;
    }
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// The problem of a path that there is not; of a method that no route has, whatever the path.
pub(super) fn nothing_here(method: &Method) -> Problem {
    match *method {
        Method::TRACE | Method::CONNECT | Method::HEAD | Method::OPTIONS => {
            Problem::not_allowed(format!("the method {method} is not supported"), "GET, POST")
        }
        _ => Problem::new(
            StatusCode::NOT_FOUND,
            "there is nothing here: see /.well-known/authzen-configuration for what there is",
        ),
    }
}
