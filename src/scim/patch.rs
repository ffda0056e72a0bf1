//! PATCH (RFC 7644, section 3.5.2), as it is really sent.

mod apply;
mod group;
mod path;
mod write;

use serde_json::{Map, Value};

use super::problem::Problem;

pub use apply::patch_user;
pub use group::{GroupChange, MemberChange, patch_group};

/// How many operations a request may have.
pub const OPERATIONS_MAX: usize = 1_000;

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What is done.
    pub verb: Verb,
    /// To what; to the resource itself if there is none.
    pub path: Option<String>,
    /// With what; `null` and nothing are one.
    pub value: Value,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `add`
    Add,
    /// `replace`
    Replace,
    /// `remove`
    Remove,
}

/// The operations of a PATCH request's body. Names and verbs may be written in any case; `schemas` is not looked at.
///
/// # Errors
/// 400: it is no such body; 413: there are too many operations.
pub fn operations(body: Value) -> Result<Vec<Operation>, Problem> {
    let Value::Object(body) = body else {
        return Err(Problem::syntax("the body is no JSON object"));
    };
    let Some(Value::Array(operations)) = member(body, "Operations")? else {
        return Err(Problem::syntax("the body needs `Operations`, a list"));
    };
    if operations.is_empty() {
        return Err(Problem::syntax("`Operations` is empty"));
    }
    if operations.len() > OPERATIONS_MAX {
        return Err(Problem::new(413, format!("a request has at most {OPERATIONS_MAX} operations")));
    }
    operations.into_iter().map(operation).collect()
}

fn operation(operation: Value) -> Result<Operation, Problem> {
    let Value::Object(mut members) = operation else {
        return Err(Problem::syntax("an operation is no JSON object"));
    };
    let mut take = |name: &str| {
        let found: Vec<String> = members.keys().filter(|key| key.eq_ignore_ascii_case(name)).cloned().collect();
        match found.as_slice() {
            [] => Ok(Value::Null),
            [key] => Ok(members.shift_remove(key).unwrap_or_default()),
            _ => Err(Problem::syntax(format!("`{name}` comes twice in an operation"))),
        }
    };
    let verb = match take("op")? {
        Value::String(op) if op.eq_ignore_ascii_case("add") => Verb::Add,
        Value::String(op) if op.eq_ignore_ascii_case("replace") => Verb::Replace,
        Value::String(op) if op.eq_ignore_ascii_case("remove") => Verb::Remove,
        _ => return Err(Problem::syntax("an operation's `op` is add, replace or remove")),
    };
    let path = match take("path")? {
        Value::Null => None,
        Value::String(path) => Some(path).filter(|path| !path.is_empty()),
        _ => return Err(Problem::syntax("an operation's `path` is a string")),
    };
    let value = take("value")?;
    Ok(Operation { verb, path, value })
}

fn member(members: Map<String, Value>, name: &str) -> Result<Option<Value>, Problem> {
    let mut found = members.into_iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(Problem::syntax(format!("`{name}` comes twice"))),
        (first, _) => Ok(first.map(|(_, value)| value)),
    }
}
