//! Problem documents (RFC 9457): why a request that would change something was not carried out.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde::Serialize;
use serde_json::Value;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A problem document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProblemDocument {
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
    /// Whatever else a kind tells.
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

/// One member of a body that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// A JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl ProblemDocument {
    /// A problem of a kind, which is the last part of its URN.
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:gatepost:problem:{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            rule: None,
            errors: Vec::new(),
            more: serde_json::Map::new(),
        }
    }
}

impl IntoResponse for ProblemDocument {
    fn into_response(self) -> Response {
        // Texts and numbers are JSON.
        let mut response = Response::new(Body::from(serde_json::to_vec(&self).unwrap_or_default()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        response
    }
}
