//! Bodies as changes: JSON Merge Patch (RFC 7396) over an entry, and new entries.
//!
//! A member that is not there stays, `null` takes away what can be without. A list is a whole set. What only the server
//! writes may come along unchanged, so that an entry can be sent back as it was shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::shape::{Extent, shape};
use crate::directory::{Assignments, Directory, Key, Kind, Members, Patch, Permission, Role};
use crate::serve::problem::{FieldProblem, ProblemDocument};

/// The team that everyone is in (R20).
const PUBLIC: &str = "Public";

/// Members that the server writes.
const OURS: [&str; 4] = ["id", "synced", "member_count", "etag"];

/// The id and the rest of a new entry.
pub(super) fn read_new(kind: Kind, mut body: Map<String, Value>) -> Result<(Key, Patch), ProblemDocument> {
    let id = match body.remove("id") {
        Some(Value::String(id)) => Ok(id),
        None => Err(wrong("id", "is required")),
        Some(_) => Err(wrong("id", "must be a string")),
    };
    let (patch, mut errors) = read(kind, &body, |_, _| false);
    match id {
        Ok(id) if errors.is_empty() => Ok((Key::new(kind, id), patch)),
        Ok(_) => Err(ProblemDocument::invalid(errors)),
        Err(error) => {
            errors.insert(0, error);
            Err(ProblemDocument::invalid(errors))
        }
    }
}

/// A change of an entry, in the directory if the caller may see it.
pub(super) fn read_merge(
    directory: Option<&Arc<Directory>>,
    key: &Key,
    body: &Map<String, Value>,
) -> Result<Patch, ProblemDocument> {
    let shown = directory.and_then(|directory| shape(directory, key, Extent::Whole)).unwrap_or_default();
    let is_public = key.kind == Kind::Team && key.id == PUBLIC;
    let is_as_it_was = |name: &str, value: &Value| {
        // Nobody is listed in Public, and saying so changes nothing.
        let is_ours = OURS.contains(&name) || is_public && matches!(name, "users" | "service_users");
        // These two change with everything else: whether that is what the caller takes it for, `If-Match` says.
        matches!(name, "etag" | "member_count") || is_ours && shown.get(name) == Some(value)
    };
    match read(key.kind, body, is_as_it_was) {
        (patch, errors) if errors.is_empty() => Ok(patch),
        (_, errors) => Err(ProblemDocument::invalid(errors)),
    }
}

/// What is wrong with a member of the body.
fn wrong(name: &str, detail: impl Into<String>) -> FieldProblem {
    FieldProblem {
        pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
        detail: detail.into(),
    }
}

fn read(
    kind: Kind,
    body: &Map<String, Value>,
    is_as_it_was: impl Fn(&str, &Value) -> bool,
) -> (Patch, Vec<FieldProblem>) {
    let (mut patch, mut errors) = (Patch::default(), Vec::new());
    for (name, value) in body {
        if is_as_it_was(name, value) {
            continue;
        }
        if let Err(detail) = take(kind, &mut patch, name, value) {
            errors.push(wrong(name, detail));
        }
    }
    (patch, errors)
}

/// Takes one member into a change.
fn take(kind: Kind, patch: &mut Patch, name: &str, value: &Value) -> Result<(), String> {
    match (kind, name) {
        (_, "name") => patch.name = Some(text(value)?),
        (Kind::User | Kind::ServiceUser, "role") => {
            let names = Role::ALL.map(Role::name);
            patch.role = Some(Role::read(&text(value)?).ok_or_else(|| one_of(&names))?);
        }
        (Kind::User | Kind::ServiceUser, "active") => {
            patch.active = Some(value.as_bool().ok_or("must be true or false")?);
        }
        (Kind::User | Kind::ServiceUser, "teams") => patch.teams = members(value)?,
        (Kind::Team, "description") => {
            patch.description = Some(if value.is_null() { String::new() } else { text(value)? });
        }
        (Kind::Team, "permission") => {
            patch.permission = Some(if value.is_null() { None } else { Some(level(value)?) });
        }
        (Kind::Team, "users") => patch.users = members(value)?,
        (Kind::Team, "service_users") => patch.service_users = members(value)?,
        (Kind::Team, "datastores") => patch.datastores = assignments(value)?,
        (Kind::Team, "enrichment_datastores") => patch.enrichment_datastores = assignments(value)?,
        (_, name) if OURS.contains(&name) => return Err("cannot be changed".to_owned()),
        (kind, _) => return Err(format!("a {} has no such member", kind.word())),
    }
    Ok(())
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err("cannot be taken away".to_owned()),
        _ => Err("must be a string".to_owned()),
    }
}

fn one_of(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    format!("must be {}", words.join(" or "))
}

pub(super) fn level(value: &Value) -> Result<Permission, String> {
    let level = value.as_str().and_then(Permission::read);
    level.ok_or_else(|| one_of(&[Permission::Read.name(), Permission::Write.name()]))
}

fn items(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err("must be an array".to_owned()),
    }
}

fn members(value: &Value) -> Result<Members, String> {
    let ids = items(value)?.iter().map(|id| id.as_str().map(str::to_owned));
    let ids: Option<BTreeSet<String>> = ids.collect();
    ids.map(Members::Set).ok_or_else(|| "must be an array of ids".to_owned())
}

fn assignments(value: &Value) -> Result<Assignments, String> {
    let mut set = BTreeMap::new();
    for item in items(value)? {
        let (id, permission) = match item {
            Value::String(id) => (id, None),
            Value::Object(item) => {
                let unknown = item.keys().find(|name| !matches!(name.as_str(), "id" | "permission"));
                if let Some(name) = unknown {
                    return Err(format!("an assignment has no member `{name}`"));
                }
                let Some(Value::String(id)) = item.get("id") else {
                    return Err("an assignment has an `id`, a string".to_owned());
                };
                let own = item.get("permission").filter(|own| !own.is_null());
                let own = own.map(level).transpose().map_err(|why| format!("the permission of `{id}` {why}"))?;
                (id, own)
            }
            _ => return Err("must be an array of ids, or of objects with `id` and `permission`".to_owned()),
        };
        if set.insert(id.clone(), permission).is_some_and(|before| before != permission) {
            return Err(format!("`{id}` comes twice, with two levels"));
        }
    }
    Ok(Assignments::Set(set))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn take_all(kind: Kind, body: &Value) -> Result<Patch, Vec<String>> {
        let (patch, errors) = read(kind, body.as_object().expect("an object"), |_, _| false);
        if errors.is_empty() {
            return Ok(patch);
        }
        Err(errors.into_iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect())
    }

    #[test]
    fn every_mistake_of_a_body_is_told_at_its_member() {
        let body = json!({ "name": 1, "role": "Boss", "active": "yes", "teams": "a", "x/y": 1, "id": "z" });
        let told = take_all(Kind::User, &body).expect_err("mistakes");
        for words in [
            "/name must be a string",
            "/role must be `Admin` or `Manager` or `Member`",
            "/active must be true or false",
            "/teams must be an array",
            "/x~1y a user has no such member",
            "/id cannot be changed",
        ] {
            assert!(told.iter().any(|told| told == words), "{words}: {told:?}");
        }
        assert_eq!(told.len(), 6);
    }

    #[test]
    fn null_takes_away_what_can_be_without() {
        let body = json!({ "description": null, "permission": null, "users": null, "datastores": null });
        let patch = take_all(Kind::Team, &body).expect("a change");
        assert_eq!(patch.description.as_deref(), Some(""));
        assert_eq!(patch.permission, Some(None));
        assert_eq!(patch.users, Members::Set(BTreeSet::new()));
        assert_eq!(patch.datastores, Assignments::Set(BTreeMap::new()));
        assert_eq!(patch.service_users, Members::Keep);
        for (kind, name) in [(Kind::Team, "name"), (Kind::User, "role"), (Kind::User, "active")] {
            assert!(take_all(kind, &json!({ name: null })).is_err(), "{name}");
        }
    }

    #[test]
    fn assignments_are_ids_or_objects_and_never_two_levels() {
        let body =
            json!({ "datastores": ["a", { "id": "b", "permission": "write" }, { "id": "c", "permission": null }] });
        let patch = take_all(Kind::Team, &body).expect("a change");
        let set = [("a", None), ("b", Some(Permission::Write)), ("c", None)];
        let set = set.into_iter().map(|(id, level)| (id.to_owned(), level)).collect();
        assert_eq!(patch.datastores, Assignments::Set(set));
        for wrong in [
            json!([1]),
            json!([{ "permission": "read" }]),
            json!([{ "id": "a", "level": "read" }]),
            json!([{ "id": "a", "permission": "admin" }]),
            json!(["a", { "id": "a", "permission": "read" }]),
            json!({ "a": "read" }),
        ] {
            assert!(take_all(Kind::Team, &json!({ "datastores": wrong })).is_err(), "{wrong}");
        }
    }
}
