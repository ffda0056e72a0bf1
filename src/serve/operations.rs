//! For operators: is it alive, is it ready, what does it do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use serde_json::{Value, json};

use super::authzen::CONFIGURATION;
use super::service::Service;
use crate::engine::Fault;
use crate::store::{Generation, Watching};

/// The routes that are operations.
pub(super) fn router(service: &Arc<Service>) -> Router {
    Router::new()
        .route("/healthz", on(MethodFilter::GET, healthz))
        .route("/readyz", on(MethodFilter::GET, readyz))
        .route("/status", on(MethodFilter::GET, status))
        .route(CONFIGURATION, on(MethodFilter::GET, configuration))
        .with_state(service.clone())
}

/// The process lives.
async fn healthz() -> Response {
    json_response(StatusCode::OK, &json!({ "status": "ok" }))
}

/// A generation has loaded. Once true, it stays true.
async fn readyz(State(service): State<Arc<Service>>) -> Response {
    match service.live.current().as_ref() {
        Some(generation) => json_response(
            StatusCode::OK,
            &json!({ "status": "ready", "revision": generation.snapshot.revision() }),
        ),
        None => json_response(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "status": "loading", "help": "see /status for what keeps it" }),
        ),
    }
}

/// What is live, what is refused, and what was counted.
async fn status(State(service): State<Arc<Service>>) -> Response {
    let status = service.live.status();
    let tally = &service.tally;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let erring: Value = tally
        .erring()
        .into_iter()
        .map(|(policy, erring)| (policy, json!({ "count": erring.count, "last": erring.message })))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let pending = status.pending.as_ref().map(|pending| {
        json!({
            "since": unix_seconds(pending.since),
            "count": pending.faults.len(),
            "faults": pending.faults.iter().take(20).map(Fault::to_json).collect::<Vec<_>>(),
        })
    });
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "live": service.live.current().as_ref().map(|generation| live(generation)),
        "pending": pending,
        "callers": service.callers.fault().map(|fault| json!({ "fault": fault })),
        "scim": { "mass_deactivations": service.alarm.raised() },
        "loading": {
            "loads": status.loads,
            "failures": status.failures,
            "last_sweep_age_ms": status.last_sweep.map(|at| millis(at.elapsed())),
            "watching": match &status.watching {
                Watching::Events => json!({ "by": "events and sweeps" }),
                Watching::Never => json!({ "by": "nothing: this model is built in" }),
                Watching::Sweeps(reason) => json!({ "by": "sweeps", "reason": reason }),
            },
        },
        "requests": {
            "allowed": count(&tally.allowed),
            "denied": count(&tally.denied),
            "explained": count(&tally.explained),
            "explanations_refused": count(&tally.explanations_refused),
            "problems": count(&tally.problems),
            "refused": count(&tally.refused),
            "panics": count(&tally.panics),
        },
        "searches": {
            "running": count(&tally.searches.running),
            "answered": count(&tally.searches.answered),
            "partial": count(&tally.searches.partial),
            "refused": count(&tally.searches.refused),
            "abandoned": count(&tally.searches.abandoned),
        },
        "comparisons": {
            "compared": count(&tally.comparisons.compared),
            "disagreements": count(&tally.comparisons.disagreements),
            "passed_over": count(&tally.comparisons.passed_over),
            "denied": tally.comparisons.distrusted().iter().map(|kind| json!({
                "principal_type": kind.principal, "action": kind.action, "resource_type": kind.resource,
            })).collect::<Vec<_>>(),
        },
        "connections": {
            "open": service.connections.len(),
            "max": service.connections_max,
            "refused": count(&tally.connections_refused),
        },
        "policy_errors": erring,
    });
    json_response(StatusCode::OK, &body)
}

fn live(generation: &Generation) -> Value {
    let counts = generation.snapshot.counts();
    json!({
        "revision": generation.snapshot.revision(),
        "generation": generation.number,
        "loaded_at": unix_seconds(generation.loaded_at),
        "age_ms": millis(generation.loaded_at.elapsed().unwrap_or_default()),
        "load_took_ms": millis(generation.load_took),
        "policies": counts.policies,
        "templates": counts.templates,
        "actions": counts.actions,
        "entities": counts.entities,
        "entities_by_type": counts.entities_by_type,
        "warnings": generation.warnings.iter().take(20).map(Fault::to_json).collect::<Vec<_>>(),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// AuthZEN's metadata (9).
async fn configuration(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    static TOLD: std::sync::Once = std::sync::Once::new();
    if !service.has_public_url {
        TOLD.call_once(|| {
            tracing::warn!(
                "the metadata were asked for, and `public_url` is not set: they name the address that is listened on"
            );
        });
    }
    let metadata = &service.metadata;
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == metadata.etag.as_bytes() || known == "*");
    let common = [
        (header::CACHE_CONTROL, "max-age=3600".to_owned()),
        (header::ETAG, metadata.etag.clone()),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    ([(header::CONTENT_TYPE, "application/json")], common, metadata.body.clone()).into_response()
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        body.to_string(),
    )
        .into_response()
}
