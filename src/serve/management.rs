//! The listener of those who change things. Every request on it has a token; its routes are nowhere else, and those of
//! the decision listener are not here.

use axum::Router;
use axum::response::IntoResponse;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tower::ServiceExt;

use super::guard::Head;
use super::listen::Listener;
use super::problem::ProblemDocument;
use super::reply::{self, Body, Problem};
use super::service::Service;
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

impl Service {
    /// Answers one request of the management listener.
    pub(super) async fn manage(&self, routes: &Router, mut request: Request<Incoming>) -> Response<Body> {
        let wanted = wanted(request.uri().path());
        let told = wanted.map_or(Told::AsProblem, |(_, told)| told);
        let ready = async {
            let head = Head::of(request.headers());
            // Who has no token learns of no route.
            let (scope, _) = wanted.unwrap_or((Scope::Admin, Told::AsProblem));
            let caller = self.callers.check(&head, scope)?;
            let body = self.body_within(request.body_mut(), self.limits.admin_body_bytes_max).await?;
            Ok((caller, body))
        };
        let (caller, body) = match ready.await {
            Ok(ready) => ready,
            Err(problem) => return tell(problem, told),
        };
        let (mut parts, _) = request.into_parts();
        parts.extensions.insert(caller);
        let request = Request::from_parts(parts, axum::body::Body::from(body));
        match routes.clone().oneshot(request).await {
            Ok(response) => response.map(Either::Right),
            Err(never) => match never {},
        }
    }
}

/// A problem of the listener's own, as those want it who asked.
fn tell(problem: Problem, told: Told) -> Response<Body> {
    let (status, message) = (problem.status, problem.message.clone());
    let headers = problem.into_response().into_parts().0.headers;
    let mut response = match told {
        Told::AsProblem => {
            let (kind, title) = match status {
                StatusCode::UNAUTHORIZED => ("unauthorized", "no good token"),
                StatusCode::FORBIDDEN => ("scope", "the token is good for other things"),
                StatusCode::TOO_MANY_REQUESTS => ("too-many-failures", "too many requests without a good token"),
                StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "the body is too large"),
                _ => ("request", "the request could not be read"),
            };
            ProblemDocument::new(status, kind, title, message).into_response().map(Either::Right)
        }
        Told::AsScim => {
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": status.as_str(),
                "detail": message,
            });
            let mut response = reply::json(status, body.to_string().into());
            let scim = hyper::header::HeaderValue::from_static("application/scim+json");
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
