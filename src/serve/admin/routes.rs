//! What the admin API serves, and where.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use hyper::StatusCode;

use super::call::Call;
use super::{Admin, change, list, retired};
use crate::callers::Caller;
use crate::directory::Kind;
use crate::serve::management::RequestId;
use crate::serve::problem::ProblemDocument;

/// One route of the admin API.
#[derive(Clone, Copy, Debug)]
pub struct AdminRoute {
    /// The method.
    pub method: &'static str,
    /// The path, with a name in braces where an id stands.
    pub path: &'static str,
    does: Does,
}

/// What a route does.
#[derive(Clone, Copy, Debug)]
enum Does {
    List(Kind),
    Create(Kind),
    Show(Kind),
    Merge(Kind),
    Delete(Kind),
    Deactivate(Kind),
    Reactivate(Kind),
    /// An account of this kind comes to a team.
    Join(Kind),
    Leave(Kind),
    /// A datastore of this kind comes to a team.
    Assign(Kind),
    Unassign(Kind),
    /// The ids that were somebody's.
    Retired,
    /// A retired id of a user may be given again.
    Release,
}

const fn route(method: &'static str, path: &'static str, does: Does) -> AdminRoute {
    AdminRoute { method, path, does }
}

/// All routes of the admin API.
#[rustfmt::skip]
pub const ADMIN_ROUTES: &[AdminRoute] = &[
    route("GET", "/v1/admin/users", Does::List(Kind::User)),
    route("POST", "/v1/admin/users", Does::Create(Kind::User)),
    route("GET", "/v1/admin/users/{id}", Does::Show(Kind::User)),
    route("PATCH", "/v1/admin/users/{id}", Does::Merge(Kind::User)),
    route("DELETE", "/v1/admin/users/{id}", Does::Delete(Kind::User)),
    route("POST", "/v1/admin/users/{id}/deactivate", Does::Deactivate(Kind::User)),
    route("POST", "/v1/admin/users/{id}/reactivate", Does::Reactivate(Kind::User)),
    route("GET", "/v1/admin/retired-users", Does::Retired),
    route("DELETE", "/v1/admin/retired-users/{id}", Does::Release),
    route("GET", "/v1/admin/service-users", Does::List(Kind::ServiceUser)),
    route("POST", "/v1/admin/service-users", Does::Create(Kind::ServiceUser)),
    route("GET", "/v1/admin/service-users/{id}", Does::Show(Kind::ServiceUser)),
    route("PATCH", "/v1/admin/service-users/{id}", Does::Merge(Kind::ServiceUser)),
    route("DELETE", "/v1/admin/service-users/{id}", Does::Delete(Kind::ServiceUser)),
    route("POST", "/v1/admin/service-users/{id}/deactivate", Does::Deactivate(Kind::ServiceUser)),
    route("POST", "/v1/admin/service-users/{id}/reactivate", Does::Reactivate(Kind::ServiceUser)),
    route("GET", "/v1/admin/teams", Does::List(Kind::Team)),
    route("POST", "/v1/admin/teams", Does::Create(Kind::Team)),
    route("GET", "/v1/admin/teams/{id}", Does::Show(Kind::Team)),
    route("PATCH", "/v1/admin/teams/{id}", Does::Merge(Kind::Team)),
    route("DELETE", "/v1/admin/teams/{id}", Does::Delete(Kind::Team)),
    route("PUT", "/v1/admin/teams/{id}/users/{member}", Does::Join(Kind::User)),
    route("DELETE", "/v1/admin/teams/{id}/users/{member}", Does::Leave(Kind::User)),
    route("PUT", "/v1/admin/teams/{id}/service-users/{member}", Does::Join(Kind::ServiceUser)),
    route("DELETE", "/v1/admin/teams/{id}/service-users/{member}", Does::Leave(Kind::ServiceUser)),
    route("PUT", "/v1/admin/teams/{id}/datastores/{member}", Does::Assign(Kind::Datastore)),
    route("DELETE", "/v1/admin/teams/{id}/datastores/{member}", Does::Unassign(Kind::Datastore)),
    route("PUT", "/v1/admin/teams/{id}/enrichment-datastores/{member}", Does::Assign(Kind::EnrichmentDatastore)),
    route("DELETE", "/v1/admin/teams/{id}/enrichment-datastores/{member}", Does::Unassign(Kind::EnrichmentDatastore)),
    route("GET", "/v1/admin/datastores", Does::List(Kind::Datastore)),
    route("POST", "/v1/admin/datastores", Does::Create(Kind::Datastore)),
    route("GET", "/v1/admin/datastores/{id}", Does::Show(Kind::Datastore)),
    route("PATCH", "/v1/admin/datastores/{id}", Does::Merge(Kind::Datastore)),
    route("DELETE", "/v1/admin/datastores/{id}", Does::Delete(Kind::Datastore)),
    route("GET", "/v1/admin/enrichment-datastores", Does::List(Kind::EnrichmentDatastore)),
    route("POST", "/v1/admin/enrichment-datastores", Does::Create(Kind::EnrichmentDatastore)),
    route("GET", "/v1/admin/enrichment-datastores/{id}", Does::Show(Kind::EnrichmentDatastore)),
    route("PATCH", "/v1/admin/enrichment-datastores/{id}", Does::Merge(Kind::EnrichmentDatastore)),
    route("DELETE", "/v1/admin/enrichment-datastores/{id}", Does::Delete(Kind::EnrichmentDatastore)),
];

/// The path of a kind's list.
pub(super) fn collection(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "/v1/admin/users",
        Kind::ServiceUser => "/v1/admin/service-users",
        Kind::Team => "/v1/admin/teams",
        Kind::Datastore => "/v1/admin/datastores",
        Kind::EnrichmentDatastore => "/v1/admin/enrichment-datastores",
    }
}

pub(super) fn router(admin: Arc<Admin>) -> Router {
    let mut router = Router::new();
    for route in ADMIN_ROUTES {
        let filter = match route.method {
            "GET" => MethodFilter::GET,
            "PUT" => MethodFilter::PUT,
            "PATCH" => MethodFilter::PATCH,
            "DELETE" => MethodFilter::DELETE,
            _ => MethodFilter::POST,
        };
        let does = route.does;
        let handler = move |State(admin): State<Arc<Admin>>, request: Request| handle(admin, does, request);
        router = router.route(route.path, on(filter, handler));
    }
    router.method_not_allowed_fallback(not_allowed).with_state(admin)
}

async fn not_allowed(request: Request) -> Response {
    let detail = format!("the method {} is not supported here", request.method());
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut problem = ProblemDocument::new(status, "method", "there is no such method here", detail);
    problem.of_request(request.extensions().get::<RequestId>().map(|id| id.0.as_str()));
    problem.into_response()
}

async fn handle(admin: Arc<Admin>, does: Does, request: Request) -> Response {
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    match answer(&admin, does, request).await {
        Ok(response) => response,
        Err(mut problem) => {
            problem.of_request(request_id.as_deref());
            problem.into_response()
        }
    }
}

async fn answer(admin: &Admin, does: Does, request: Request) -> Result<Response, ProblemDocument> {
    let (mut parts, body) = request.into_parts();
    let ids = RawPathParams::from_request_parts(&mut parts, &()).await;
    let ids = ids.map_err(|error| ProblemDocument::bad_request(error.body_text()))?;
    let ids = ids.iter().map(|(_, id)| id.to_owned()).collect();
    // Whoever mounts these routes puts it there.
    let Some(caller) = parts.extensions.remove::<Caller>() else {
        let detail = "a token is wanted: `Authorization: Bearer …`";
        return Err(ProblemDocument::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "no good token",
            detail,
        ));
    };
    let request_id = parts.extensions.remove::<RequestId>().map(|id| id.0);
    // It is all there, and within its limit.
    let body = axum::body::to_bytes(body, usize::MAX).await;
    let body = body.map_err(|_| ProblemDocument::bad_request("the body broke off"))?;
    let call = Call {
        caller,
        request_id,
        headers: parts.headers,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        ids,
        body,
    };
    let wants_body = matches!(does, Does::Create(_) | Does::Merge(_) | Does::Assign(_));
    if !wants_body && !matches!(call.body.trim_ascii(), b"" | b"{}") {
        let message = "this request says everything in its path and query: a body would be passed over";
        return Err(ProblemDocument::bad_request(message));
    }
    match does {
        Does::List(kind) => list::list(admin, &call, kind).await,
        Does::Show(kind) => list::show(admin, &call, kind),
        Does::Create(kind) => change::create(admin, &call, kind).await,
        Does::Merge(kind) => change::merge(admin, &call, kind).await,
        Does::Delete(kind) => change::delete(admin, &call, kind).await,
        Does::Deactivate(kind) => change::activate(admin, &call, kind, false).await,
        Does::Reactivate(kind) => change::activate(admin, &call, kind, true).await,
        Does::Join(kind) => change::join(admin, &call, kind).await,
        Does::Leave(kind) => change::leave(admin, &call, kind).await,
        Does::Assign(kind) => change::assign(admin, &call, kind).await,
        Does::Unassign(kind) => change::unassign(admin, &call, kind).await,
        Does::Retired => retired::list(admin, &call),
        Does::Release => change::release(admin, &call).await,
    }
}
