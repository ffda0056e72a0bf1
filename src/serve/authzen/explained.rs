//! The question of an evaluation, answered with an explanation.

use hyper::StatusCode;

use super::batch::Answer;
use super::question::{Wrong, read_question, worded};
use crate::engine::Snapshot;
use crate::engine::json::Json;
use crate::serve::explain::ExplainDocument;
use crate::serve::reply::Problem;
use crate::serve::tally::{Tally, add};

/// Explains one evaluation, for as long as `goes_on` says so. What is denied because two evaluators disagreed is denied
/// here as well; where both are asked before each answer, they are asked before this one.
pub(in crate::serve) fn explain(
    snapshot: &Snapshot,
    root: &Json<'_>,
    tally: &Tally,
    goes_on: &dyn Fn() -> bool,
) -> Result<Answer, Problem> {
    let bad = |message: Wrong| {
        add(&tally.problems);
        Problem::new(StatusCode::BAD_REQUEST, message)
    };
    let query = read_question(root).map_err(|message| bad(message.into()))?;
    let explanation = snapshot.explain_while(&query, goes_on).map_err(|problem| bad(worded(&problem)))?;
    let mut document = ExplainDocument::new(snapshot, &explanation);
    if tally.comparisons.refuses(snapshot, &query).map_err(|problem| bad(worded(&problem)))? {
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
