//! The listener of those who change things. Every request on it has a token; its routes are nowhere else, and those of
//! the decision listener are not here.

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::response::IntoResponse;
use futures_util::FutureExt;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tower::ServiceExt;

use super::guard::{Head, Hosts};
use super::listen::Listener;
use super::problem::ProblemDocument;
use super::reply::{self, Body, Problem};
use super::service::{REQUEST_ID, Service};
use super::tally::add;
use crate::callers::Scope;

/// Where the admin API begins.
pub(super) const ADMIN: &str = "/v1/admin/";

/// Where directory sync begins.
pub(super) const SCIM: &str = "/scim/v2";

/// What is served to those who change things, and where.
#[derive(Debug, Default)]
pub struct Management {
    /// Where.
    pub listeners: Vec<Listener>,
    /// What. A request that comes to it has a [`Caller`](crate::callers::Caller) among its extensions, and all of its
    /// body.
    pub routes: Router,
}

/// How problems are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    AsProblem,
    AsScim,
}

/// What a path wants.
fn wanted(path: &str) -> Option<(Scope, Told)> {
    let scim = path.strip_prefix(SCIM).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match (scim, path.starts_with(ADMIN)) {
        (true, _) => Some((Scope::Scim, Told::AsScim)),
        (_, true) => Some((Scope::Admin, Told::AsProblem)),
        _ => None,
    }
}

/// The id of a request, for its answer and the audit trail.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

impl RequestId {
    /// The caller's own, or a new one.
    fn of(head: &Head<'_>) -> Self {
        let own = head.request_id.and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
        Self(own.map_or_else(random_id, str::to_owned))
    }
}

/// 16 hexadecimal digits. They are no secret, so a system without random numbers has other troubles than these.
fn random_id() -> String {
    let mut bytes = [0; 8];
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Service {
    /// Answers one request of the management listener.
    pub(super) async fn manage(
        &self,
        routes: &Router,
        hosts: &Hosts,
        mut request: Request<Incoming>,
    ) -> Response<Body> {
        let wanted = wanted(request.uri().path());
        let told = wanted.map_or(Told::AsProblem, |(_, told)| told);
        let head = Head::of(request.headers());
        let id = RequestId::of(&head);
        let checked = head
            .check(request.uri(), hosts)
            .inspect_err(|_| add(&self.tally.refused))
            // Who has no token learns of no route.
            .and_then(|()| self.callers.check(&head, wanted.map_or(Scope::Admin, |(scope, _)| scope)));
        let ready = match checked {
            Ok(caller) => {
                let body = self.body_within(request.body_mut(), self.limits.admin_body_bytes_max).await;
                body.map(|body| (caller, body))
            }
            Err(problem) => Err(problem),
        };
        let mut response = match ready {
            Ok((caller, (body, _room))) => {
                let (mut parts, _) = request.into_parts();
                parts.extensions.insert(caller);
                parts.extensions.insert(id.clone());
                let request = Request::from_parts(parts, axum::body::Body::from(body));
                match AssertUnwindSafe(routes.clone().oneshot(request)).catch_unwind().await {
                    Ok(Ok(response)) => response.map(Either::Right),
                    Ok(Err(never)) => match never {},
                    Err(_) => {
                        add(&self.tally.panics);
                        tracing::error!("a change broke off inside; this is a mistake in gatepost");
                        tell(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error"), told, &id)
                    }
                }
            }
            Err(problem) => tell(problem, told, &id),
        };
        if let Ok(id) = HeaderValue::from_str(&id.0) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

/// The answer where there is no route.
pub(super) async fn nothing_here(request: axum::extract::Request) -> axum::response::Response {
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let detail = "there is nothing here: see docs/openapi.json for what there is";
    let mut problem = ProblemDocument::new(StatusCode::NOT_FOUND, "no-route", "there is no such path", detail);
    problem.of_request(id.as_deref());
    problem.into_response()
}

/// A problem of the listener's own, as those want it who asked.
fn tell(problem: Problem, told: Told, id: &RequestId) -> Response<Body> {
    let (status, message) = (problem.status, problem.message.clone());
    let headers = problem.into_response().into_parts().0.headers;
    let mut response = match told {
        Told::AsProblem => {
            let (kind, title) = match status {
                StatusCode::UNAUTHORIZED => ("unauthorized", "no good token"),
                StatusCode::FORBIDDEN if message.contains("scope") => ("scope", "the token is good for other things"),
                StatusCode::TOO_MANY_REQUESTS => ("too-many-failures", "too many requests without a good token"),
                StatusCode::INTERNAL_SERVER_ERROR => ("mistake", "a mistake in gatepost"),
                StatusCode::SERVICE_UNAVAILABLE => ("busy", "too much is under way"),
                StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "the body is too large"),
                _ => ("request", "the request cannot be read"),
            };
            let mut document = ProblemDocument::new(status, kind, title, message);
            document.of_request(Some(&id.0));
            document.into_response().map(Either::Right)
        }
        Told::AsScim => {
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": status.as_str(),
                "detail": message,
            });
            let mut response = reply::json(status, body.to_string().into());
            let scim = HeaderValue::from_static("application/scim+json");
            response.headers_mut().insert(hyper::header::CONTENT_TYPE, scim);
            response
        }
    };
    for (name, value) in &headers {
        if !response.headers().contains_key(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}
