//! The ids that were somebody's and are given to nobody else, in pages.

use axum::response::Response;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::asked::Asked;
use super::call::Call;
use super::list::{LIMIT_DEFAULT, LIMIT_MAX, answer, behind, cursor_of, mark};
use super::{Admin, sight};
use crate::serve::problem::ProblemDocument;

/// A page of retired ids, ascending without regard to case. It is for who may see all of the directory's security:
/// nobody else could be told of people who are gone.
pub(super) fn list(admin: &Admin, call: &Call) -> Result<Response, ProblemDocument> {
    let mut asked = Asked::of(call)?;
    let limit = asked.number("limit", LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let cursor = asked.text("cursor").filter(|cursor| !cursor.is_empty());
    asked.finish("are `limit` and `cursor`")?;
    let mark = mark("retired users");
    let from = cursor.map(|cursor| behind(&cursor, mark)).transpose()?.unwrap_or_default();
    let generation = admin.generation()?;
    sight::check_entry(&generation, &call.caller)?;
    sight::check_security(&generation.snapshot, &call.caller)?;
    let mut found = generation.directory.retired_behind(&from);
    let page: Vec<_> = found.by_ref().take(limit).collect();
    let items: Vec<Value> = page
        .iter()
        .map(|retired| {
            let of = [("id", &retired.scim_id), ("externalId", &retired.external_id)];
            let of = of
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_deref()?))));
            json!({ "id": retired.name, "scim": Value::Object(of.collect()) })
        })
        .collect();
    let mut body = json!({ "items": items });
    if let (Some(last), Some(_)) = (page.last(), found.next()) {
        body["next_cursor"] = json!(cursor_of(mark, &last.name));
    }
    Ok(answer(StatusCode::OK, generation.snapshot.revision(), None, &body))
}
