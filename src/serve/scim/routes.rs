//! Which path means what.

use std::borrow::Cow;

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::reply::Reply;
use super::search::search;
use super::{Call, Scim, groups, users};
use crate::scim::{
    Page, Problem, Type, list, resource_type, resource_types, schema_document, schema_documents,
    service_provider_config,
};

const LIST: &str = "GET, HEAD, POST";
const ONE: &str = "GET, HEAD, PUT, PATCH, DELETE";

/// Answers a request for a path below `/scim/v2`.
pub(super) async fn answer(scim: &Scim, call: &Call) -> Result<Reply, Problem> {
    let path = call.uri.path().strip_prefix("/scim/v2").unwrap_or_default().trim_matches('/');
    // Clients write the colons of a URN as `%3A`.
    let parts = path.split('/').map(|part| percent_decode_str(part).decode_utf8());
    let parts: Vec<Cow<'_, str>> =
        parts.collect::<Result<_, _>>().map_err(|_| Problem::new(404, "there is nothing here"))?;
    let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
    match parts.as_slice() {
        ["Users", rest @ ..] => resources(scim, call, Type::User, rest).await,
        ["Groups", rest @ ..] => resources(scim, call, Type::Group, rest).await,
        ["ServiceProviderConfig" | "ResourceTypes" | "Schemas", ..] => discovery(scim, call, &parts),
        ["Me" | "Bulk", ..] | [".search"] => {
            Err(Problem::new(501, "this is not supported: see /ServiceProviderConfig"))
        }
        _ => Err(Problem::new(404, "there is nothing here")),
    }
}

async fn resources(scim: &Scim, call: &Call, kind: Type, rest: &[&str]) -> Result<Reply, Problem> {
    // The writer asks about writes.
    if call.is_read() || rest == [".search"] {
        scim.check_sight(call)?;
    }
    match (rest, kind) {
        ([], _) if call.is_read() => search(scim, call, kind, call.asked(kind)?).await,
        ([], Type::User) if call.method == Method::POST => users::create(scim, call).await,
        ([], Type::Group) if call.method == Method::POST => groups::create(scim, call).await,
        ([], _) => Ok(Reply::not_allowed(LIST)),
        ([".search"], _) if call.method == Method::POST => search(scim, call, kind, call.searched(kind)?).await,
        ([".search"], _) => Ok(Reply::not_allowed("POST")),
        ([id], Type::User) => match call.method {
            Method::GET | Method::HEAD => scim.show(call, kind, id, StatusCode::OK),
            Method::PUT => users::replace(scim, call, id).await,
            Method::PATCH => users::patch(scim, call, id).await,
            Method::DELETE => users::delete(scim, call, id).await,
            _ => Ok(Reply::not_allowed(ONE)),
        },
        ([id], Type::Group) => match call.method {
            Method::GET | Method::HEAD => scim.show(call, kind, id, StatusCode::OK),
            Method::PUT => groups::replace(scim, call, id).await,
            Method::PATCH => groups::patch(scim, call, id).await,
            Method::DELETE => groups::delete(scim, call, id).await,
            _ => Ok(Reply::not_allowed(ONE)),
        },
        _ => Err(Problem::new(404, "there is nothing here")),
    }
}

/// What the server says of itself. It cannot be filtered (RFC 7644, section 4).
fn discovery(scim: &Scim, call: &Call, parts: &[&str]) -> Result<Reply, Problem> {
    if !call.is_read() {
        return Ok(Reply::not_allowed("GET, HEAD"));
    }
    if call.asked(Type::User)?.filter.is_some() {
        return Err(Problem::new(403, "this cannot be filtered"));
    }
    let base = scim.base(call);
    let all = |documents: Vec<Value>| {
        let page = Page {
            start: 1,
            count: documents.len(),
        };
        Some(list(documents.len(), page, documents))
    };
    let document = match parts {
        ["ServiceProviderConfig"] => Some(service_provider_config(&base)),
        ["ResourceTypes"] => all(resource_types(&base)),
        ["ResourceTypes", name] => {
            let kinds = [Type::User, Type::Group];
            kinds.into_iter().find(|kind| kind.name() == *name).map(|kind| resource_type(&base, kind))
        }
        ["Schemas"] => all(schema_documents(&base)),
        ["Schemas", id] => schema_document(&base, id),
        _ => None,
    };
    match document {
        Some(document) => Ok(Reply::new(StatusCode::OK, document)),
        None => Err(Problem::new(404, "there is nothing here")),
    }
}
