//! Problem documents (RFC 9457): why a request that would change something was not carried out.

use std::ops::{Deref, DerefMut};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What of a request's id stands in a URN as it is.
const IN_URN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// A problem document.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ProblemDocument(Box<ProblemMembers>);

/// What a problem document says. It is large, and rare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProblemMembers {
    /// Its kind, a URN: `urn:gatepost:problem:rule`. docs/admin.md lists them.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words, the same for all of it.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What happened, and what to do.
    pub detail: String,
    /// The rule of the access model that refuses: `R10`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The members of the body that are wrong, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The request, a URN: `urn:gatepost:request:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Whatever else a kind tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
    /// Whether it may be otherwise in a second.
    #[serde(skip)]
    pub passes: bool,
}

/// One member of a body that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// How many mistakes of a body are told.
const ERRORS_MAX: usize = 20;

impl ProblemDocument {
    /// A problem of a kind, which is the last part of its URN.
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemMembers {
            kind: format!("urn:gatepost:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            rule: None,
            errors: Vec::new(),
            instance: None,
            more: serde_json::Map::new(),
            passes: false,
        }))
    }

    /// 400: a request that cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request", "the request cannot be read", detail)
    }

    /// 422: a body of which some members are wrong.
    pub fn invalid(mut errors: Vec<FieldProblem>) -> Self {
        let untold = errors.len().saturating_sub(ERRORS_MAX);
        errors.truncate(ERRORS_MAX);
        if untold > 0 {
            errors.push(FieldProblem {
                pointer: String::new(),
                detail: format!("and {untold} more"),
            });
        }
        let told: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
        let detail = told.join("; ");
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "the body says what cannot be",
            detail.strip_prefix(": ").unwrap_or(&detail),
        );
        problem.errors = errors;
        problem
    }

    /// One more member.
    pub fn tell(&mut self, name: &str, value: Value) {
        self.more.insert(name.to_owned(), value);
    }

    /// Says which request it is of.
    pub fn of_request(&mut self, id: Option<&str>) {
        self.instance = id.map(|id| format!("urn:gatepost:request:{}", utf8_percent_encode(id, IN_URN)));
    }
}

impl Deref for ProblemDocument {
    type Target = ProblemMembers;

    fn deref(&self) -> &ProblemMembers {
        &self.0
    }
}

impl DerefMut for ProblemDocument {
    fn deref_mut(&mut self) -> &mut ProblemMembers {
        &mut self.0
    }
}

impl IntoResponse for ProblemDocument {
    fn into_response(self) -> Response {
        // Texts and numbers are JSON.
        let mut response = Response::new(Body::from(serde_json::to_vec(&self).unwrap_or_default()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.passes {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
