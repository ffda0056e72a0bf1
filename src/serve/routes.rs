//! What is served, and where.

use super::authzen::{
    CONFIGURATION, EVALUATION, EVALUATIONS, SEARCH_ACTION, SEARCH_RESOURCE, SEARCH_SUBJECT, Searched,
};
use super::service::Ask;
use crate::callers::Scope;

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The one method that it has.
    pub method: &'static str,
    /// The whole path.
    pub path: &'static str,
    pub(super) to: To,
}

impl Route {
    /// What a token has to be good for where tokens are wanted.
    pub(super) fn scope(&self) -> Scope {
        match self.to {
            To::Asked(Asked::Search(_)) => Scope::Search,
            To::Asked(Asked::Explanation) => Scope::Explain,
            To::Asked(Asked::Decision(_)) | To::Operation => Scope::Decide,
        }
    }
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// Ours, from a body.
    Asked(Asked),
    /// axum's router.
    Operation,
}

/// What a body asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Decision(Ask),
    Search(Searched),
    /// Why a decision is what it is.
    Explanation,
}

/// Where explanations are asked for.
pub(super) const EXPLAIN: &str = "/v1/explain";

const fn post(path: &'static str, asked: Asked) -> Route {
    Route {
        method: "POST",
        path,
        to: To::Asked(asked),
    }
}

const fn get(path: &'static str) -> Route {
    Route {
        method: "GET",
        path,
        to: To::Operation,
    }
}

/// All routes, those in front that are asked most. There may be no explanations (`explain.enabled`).
pub const ROUTES: &[Route] = &[
    post(EVALUATION, Asked::Decision(Ask::One)),
    post(EVALUATIONS, Asked::Decision(Ask::Batch)),
    post(SEARCH_SUBJECT, Asked::Search(Searched::Subject)),
    post(SEARCH_RESOURCE, Asked::Search(Searched::Resource)),
    post(SEARCH_ACTION, Asked::Search(Searched::Action)),
    post(EXPLAIN, Asked::Explanation),
    get(CONFIGURATION),
    get("/healthz"),
    get("/readyz"),
    get("/status"),
];
