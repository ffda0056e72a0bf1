//! The question of an evaluation, answered with an explanation.

use hyper::StatusCode;

use super::batch::Answer;
use super::question::{Wrong, read_question, worded};
use crate::engine::Snapshot;
use crate::engine::json::Json;
use crate::serve::explain::explain_document;
use crate::serve::reply::Problem;
use crate::serve::tally::{Tally, add};

/// Explains one evaluation. What is denied because two evaluators disagreed is denied here as well.
pub(in crate::serve) fn explain(snapshot: &Snapshot, root: &Json<'_>, tally: &Tally) -> Result<Answer, Problem> {
    let bad = |message: Wrong| {
        add(&tally.problems);
        Problem::new(StatusCode::BAD_REQUEST, message)
    };
    let query = read_question(root).map_err(|message| bad(message.into()))?;
    let mut document = explain_document(snapshot, &query).map_err(|problem| bad(worded(&problem)))?;
    if tally.comparisons.distrusts(snapshot, &query) {
        document = document.distrusted();
    }
    add(&tally.explained);
    let body = serde_json::to_vec(&document).map_err(|error| {
        tracing::error!(%error, "an explanation is no JSON; this is a mistake in gatepost");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    })?;
    Ok(Answer {
        body: body.into(),
        policy_errors: document.errors.len(),
    })
}
