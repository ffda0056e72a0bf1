//! Answers.

use std::borrow::Cow;

use http_body_util::{Either, Full};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

/// The most headers whose room is used again.
const HEADERS_KEPT_MAX: usize = 32;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The body of an answer: ours, or what axum made.
pub(super) type Body = Either<Full<Bytes>, axum::body::Body>;

/// Why a request was not answered: a status and words for the caller.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) message: Cow<'static, str>,
    /// Methods, for 405.
    allow: Option<&'static str>,
    /// Whether a token is wanted, and whether there was one.
    wants_token: Option<bool>,
    /// Whether it may be otherwise in a second.
    passes: bool,
    /// Whether the connection cannot go on, since what follows on it is unknown.
    close: bool,
}

impl Problem {
    /// A problem of any kind but 405.
    pub(super) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            allow: None,
            wants_token: None,
            passes: false,
            close: false,
        }
    }

    /// 405, with the methods that there are.
    pub(super) fn not_allowed(message: impl Into<Cow<'static, str>>, allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
        }
    }

    /// 503, for what will pass.
    pub(super) fn try_later(message: &'static str) -> Self {
        Self {
            passes: true,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    /// 401. `had_one` says whether the request brought something that should have been a token.
    pub(super) fn unauthorized(message: impl Into<Cow<'static, str>>, had_one: bool) -> Self {
        Self {
            wants_token: Some(had_one),
            ..Self::new(StatusCode::UNAUTHORIZED, message)
        }
    }

    /// The same, for what may be otherwise in a second.
    pub(super) fn that_passes(mut self) -> Self {
        self.passes = true;
        self
    }

    /// The same, as the last answer of its connection.
    pub(super) fn and_close(mut self) -> Self {
        self.close = true;
        self
    }

    /// `{"error":{"status":400,"message":"…"}}`
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = b"{\"error\":".to_vec();
        write_error(&mut body, self.status, &self.message);
        body.push(b'}');
        body
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = json(self.status, self.body().into());
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(had_one) = self.wants_token {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(if had_one {
                    "Bearer realm=\"gatepost\", error=\"invalid_token\""
                } else {
                    "Bearer realm=\"gatepost\""
                }),
            );
        }
        if self.passes {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// `{"status":400,"message":"…"}`
pub(super) fn write_error(body: &mut Vec<u8>, status: StatusCode, message: &str) {
    body.extend_from_slice(b"{\"status\":");
    body.extend_from_slice(status.as_str().as_bytes());
    body.extend_from_slice(b",\"message\":");
    // Writing a string to memory does not fail.
    let _ = serde_json::to_writer(&mut *body, message);
    body.push(b'}');
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: Bytes) -> Response<Body> {
    json_in(HeaderMap::new(), status, body)
}

/// A JSON answer whose headers take the place of others, unless these take much room: hyper keeps it for the next
/// request of the connection.
pub(super) fn json_in(mut headers: HeaderMap, status: StatusCode, body: Bytes) -> Response<Body> {
    headers.clear();
    if headers.capacity() > HEADERS_KEPT_MAX {
        headers = HeaderMap::new();
    }
    headers.insert(header::CONTENT_TYPE, JSON);
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
