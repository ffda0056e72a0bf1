//! The admin API: users, service users, teams and datastores over HTTP, at `/v1/admin`.
//!
//! Reads come from the live directory, and show what the policies let the caller see. Each change is one order to the
//! one writer, with the token's principal as the actor; its answer comes when the change is live.

mod asked;
mod call;
mod change;
mod list;
mod merge;
mod refusal;
mod retired;
mod routes;
mod shape;
mod sight;

use std::sync::Arc;

use arc_swap::Guard;
use axum::Router;
use hyper::StatusCode;

use super::problem::ProblemDocument;
use super::service::Limits;
use crate::store::{Generation, Live, Writer};

pub use routes::{ADMIN_ROUTES, AdminRoute};

/// What all requests share.
#[derive(Debug)]
struct Admin {
    live: Arc<Live>,
    writer: Writer,
    /// How deep a body may nest.
    json_depth_max: usize,
    /// Entries that are looked at for one page of a list.
    looks_max: usize,
}

/// The routes of the admin API, over what is live, through the one writer.
pub fn admin_routes(live: Arc<Live>, writer: Writer, limits: &Limits) -> Router {
    let admin = Admin {
        live,
        writer,
        json_depth_max: limits.json_depth_max,
        looks_max: limits.search_looks_max,
    };
    routes::router(Arc::new(admin))
}

impl Admin {
    /// What is live. One request reads from one generation.
    fn generation(&self) -> Result<Arc<Generation>, ProblemDocument> {
        Guard::into_inner(self.live.current()).ok_or_else(|| {
            let detail = "no policies have loaded yet: see /status";
            ProblemDocument::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "nothing is live", detail)
        })
    }
}
