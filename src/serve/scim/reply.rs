//! Answers of directory sync.

use axum::body::Body;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde_json::Value;

use crate::scim::{Problem, ScimType};
use crate::store::Refusal;

const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Option<Value>,
    /// For what was made.
    pub(super) location: Option<String>,
    /// The version of what is shown.
    pub(super) etag: Option<String>,
    /// For 405.
    pub(super) allow: Option<&'static str>,
}

impl Reply {
    pub(super) fn new(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            ..Self::default()
        }
    }

    pub(super) fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            ..Self::default()
        }
    }

    pub(super) fn problem(problem: &Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, problem.body())
    }

    pub(super) fn not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::problem(&Problem::new(405, format!("only {allow} are supported here")))
        }
    }

    pub(super) fn into_response(self) -> Response {
        let body = self.body.map(|body| body.to_string()).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status != StatusCode::NO_CONTENT && self.status != StatusCode::NOT_MODIFIED {
            headers.insert(header::CONTENT_TYPE, SCIM_JSON);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let texts = [
            (header::LOCATION, self.location),
            (header::ETAG, self.etag.map(|tag| format!("W/\"{tag}\""))),
        ];
        for (name, text) in texts {
            if let Some(Ok(value)) = text.map(|text| HeaderValue::from_str(&text)) {
                headers.insert(name, value);
            }
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// What a caller is told of an order that was not carried out.
///
/// 401 and 403 stop the whole job of an identity provider, so only what the policies deny is 403.
pub(super) fn refused(refusal: Refusal) -> Problem {
    let message = refusal.to_string();
    match refusal {
        Refusal::Denied(_) => Problem::new(403, message),
        // A name that was somebody else's.
        Refusal::Rule { rule: "R9", .. } => Problem::of(ScimType::Uniqueness, message),
        Refusal::Claimed { .. } => Problem::of(
            ScimType::Uniqueness,
            "tokens of a former account of this name would be good for the new one: an Admin has to revoke them first",
        ),
        Refusal::Rule { .. } | Refusal::Uneditable(_) => Problem::new(409, message),
        Refusal::NotFound(_) | Refusal::NotRetired(_) => Problem::new(404, "there is no such resource"),
        Refusal::Exists(_) => Problem::of(ScimType::Uniqueness, message),
        Refusal::Stale { .. } => Problem::new(412, "the resource has changed meanwhile"),
        Refusal::Invalid { .. } => Problem::of(ScimType::InvalidValue, message),
        Refusal::Broken(_) => {
            tracing::warn!(%message, "a SCIM write waits for the root to be mended");
            Problem::new(503, "the files of the root have a fault: see /status")
        }
        Refusal::Io(_) => {
            tracing::error!(%message, "a SCIM write could not be written");
            Problem::new(500, "the change could not be written")
        }
        Refusal::Contended(_) | Refusal::Busy => Problem::new(503, message),
    }
}
