//! Why an order was not carried out, as a problem document.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::directory::Key;
use crate::engine::Fault;
use crate::serve::problem::{FieldProblem, ProblemDocument};
use crate::store::{Denied, Refusal};

/// Faults that one document tells.
const FAULTS_MAX: usize = 20;

/// The rules whose answer depends on what else there is: they are conflicts, and not a matter of who asks.
const OF_STATE: [&str; 2] = ["R10", "R23"];

pub(super) fn refused(refusal: &Refusal) -> ProblemDocument {
    let detail = refusal.to_string();
    let problem = |status, kind, title| ProblemDocument::new(status, kind, title, detail.clone());
    let mut told = match refusal {
        Refusal::Denied(denied) => {
            let mut told = problem(StatusCode::FORBIDDEN, "denied", "the policies do not allow it");
            tell_denied(&mut told, denied);
            told
        }
        Refusal::Rule { rule, .. } => {
            let is_of_state = OF_STATE.contains(rule);
            let status = if is_of_state {
                StatusCode::CONFLICT
            } else {
                StatusCode::FORBIDDEN
            };
            problem(status, "rule", "a rule of the access model does not allow it")
        }
        Refusal::NotFound(_) | Refusal::NotRetired(_) => {
            problem(StatusCode::NOT_FOUND, "not-found", "there is no such entry")
        }
        Refusal::Exists(_) => problem(StatusCode::CONFLICT, "exists", "there is such an entry already"),
        Refusal::Claimed { .. } => problem(StatusCode::CONFLICT, "exists", "tokens speak for such an entry already"),
        Refusal::Stale { revision, etag } => {
            let mut told = problem(
                StatusCode::PRECONDITION_FAILED,
                "stale",
                "what was to be changed has changed meanwhile",
            );
            told.tell("revision", json!(revision));
            told.tell("etag", json!(etag));
            told
        }
        Refusal::Invalid { field, message } => {
            let pointer = if field.is_empty() {
                String::new()
            } else {
                format!("/{field}")
            };
            let detail = message.clone();
            ProblemDocument::invalid(vec![FieldProblem { pointer, detail }])
        }
        Refusal::Broken(faults) | Refusal::Uneditable(faults) => {
            let what = match refusal {
                Refusal::Uneditable(_) => "a file cannot be edited without losing what people wrote",
                _ => "the files have a fault, or would have one",
            };
            let mut told = problem(StatusCode::CONFLICT, "faults", what);
            let faults: Vec<Value> = faults.iter().take(FAULTS_MAX).map(Fault::to_json).collect();
            told.tell("faults", json!(faults));
            told
        }
        Refusal::Io(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "files", "the files cannot be written"),
        Refusal::Contended(_) | Refusal::Busy => {
            let what = match refusal {
                Refusal::Contended(_) => "others write the files",
                _ => "too many changes wait",
            };
            let mut told = problem(StatusCode::SERVICE_UNAVAILABLE, "busy", what);
            told.passes = true;
            told
        }
    };
    told.rule = refusal.rule().map(str::to_owned);
    told
}

fn tell_denied(told: &mut ProblemDocument, denied: &Denied) {
    let policies: Vec<Value> = denied.policies.iter().map(|(id, rule)| json!({ "id": id, "rule": rule })).collect();
    told.tell("action", json!(denied.action));
    told.tell("resource", json!({ "type": denied.resource.0, "id": denied.resource.1 }));
    told.tell("policies", json!(policies));
}

/// A name as answers tell it: `{"type":"User","id":"…"}`.
pub(super) fn named(key: &Key) -> Value {
    json!({ "type": key.kind.entity_type(), "id": key.id })
}
