//! Changes: each is one order, answered when it is live; or, as a dry run, told without being made.

use axum::body::Body;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use similar::TextDiff;

use super::asked::Asked;
use super::call::{Call, Condition};
use super::list::answer;
use super::merge::{level, read_merge, read_new};
use super::refusal::{named, refused};
use super::routes::collection;
use super::shape::{Extent, shape};
use super::{Admin, sight};
use crate::directory::{Assignments, Command, Key, Kind, Members, Patch, Permission, Role};
use crate::serve::problem::{FieldProblem, ProblemDocument};
use crate::store::{AccessDiff, Done, FileChange, Refusal, Standing};

/// What of an id stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// What an answer to a change shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Created,
    Entry,
    Nothing,
}

pub(super) async fn create(admin: &Admin, call: &Call, kind: Kind) -> Result<Response, ProblemDocument> {
    let (key, entry) = read_new(kind, call.object(admin)?)?;
    let command = Command::Create { key, entry };
    order(admin, call, command, Condition::Optional, Shows::Created).await
}

pub(super) async fn merge(admin: &Admin, call: &Call, kind: Kind) -> Result<Response, ProblemDocument> {
    let key = Key::new(kind, call.id(0));
    let body = call.merge_patch(admin)?;
    let generation = admin.generation()?;
    let sees = sight::sees(&generation.snapshot, &call.caller, kind, &key.id);
    let patch = read_merge(sees.then_some(&generation.directory), &key, &body)?;
    drop(generation);
    order(admin, call, Command::Change { key, patch }, Condition::Required, Shows::Entry).await
}

pub(super) async fn delete(admin: &Admin, call: &Call, kind: Kind) -> Result<Response, ProblemDocument> {
    let key = Key::new(kind, call.id(0));
    order(admin, call, Command::Delete { key }, Condition::Required, Shows::Nothing).await
}

pub(super) async fn activate(
    admin: &Admin,
    call: &Call,
    kind: Kind,
    active: bool,
) -> Result<Response, ProblemDocument> {
    let patch = Patch {
        active: Some(active),
        ..Patch::default()
    };
    let key = Key::new(kind, call.id(0));
    order(admin, call, Command::Change { key, patch }, Condition::Optional, Shows::Entry).await
}

pub(super) async fn join(admin: &Admin, call: &Call, kind: Kind) -> Result<Response, ProblemDocument> {
    member(admin, call, kind, Members::add(call.id(1))).await
}

pub(super) async fn leave(admin: &Admin, call: &Call, kind: Kind) -> Result<Response, ProblemDocument> {
    member(admin, call, kind, Members::remove(call.id(1))).await
}

async fn member(admin: &Admin, call: &Call, kind: Kind, members: Members) -> Result<Response, ProblemDocument> {
    let mut patch = Patch::default();
    match kind {
        Kind::User => patch.users = members,
        _ => patch.service_users = members,
    }
    change_team(admin, call, patch).await
}

pub(super) async fn assign(admin: &Admin, call: &Call, kind: Kind) -> Result<Response, ProblemDocument> {
    let level = if call.body.is_empty() {
        None
    } else {
        level_of(admin, call)?
    };
    let assignments = Assignments::Change {
        set: [(call.id(1).to_owned(), level)].into(),
        remove: [].into(),
    };
    assignment(admin, call, kind, assignments).await
}

pub(super) async fn unassign(admin: &Admin, call: &Call, kind: Kind) -> Result<Response, ProblemDocument> {
    let assignments = Assignments::Change {
        set: [].into(),
        remove: [call.id(1).to_owned()].into(),
    };
    assignment(admin, call, kind, assignments).await
}

async fn assignment(
    admin: &Admin,
    call: &Call,
    kind: Kind,
    assignments: Assignments,
) -> Result<Response, ProblemDocument> {
    let mut patch = Patch::default();
    match kind {
        Kind::Datastore => patch.datastores = assignments,
        _ => patch.enrichment_datastores = assignments,
    }
    change_team(admin, call, patch).await
}

/// The level of its own that an assignment is to have: `{"permission":"read"}`.
fn level_of(admin: &Admin, call: &Call) -> Result<Option<Permission>, ProblemDocument> {
    let body = call.object(admin)?;
    let wrong = |name: &str, detail: String| {
        let pointer = format!("/{name}");
        ProblemDocument::invalid(vec![FieldProblem { pointer, detail }])
    };
    if let Some(name) = body.keys().find(|name| *name != "permission") {
        return Err(wrong(name, "an assignment has no such member".to_owned()));
    }
    let own = body.get("permission").filter(|own| !own.is_null());
    own.map(level).transpose().map_err(|why| wrong("permission", why))
}

async fn change_team(admin: &Admin, call: &Call, patch: Patch) -> Result<Response, ProblemDocument> {
    let key = Key::new(Kind::Team, call.id(0));
    order(admin, call, Command::Change { key, patch }, Condition::Optional, Shows::Nothing).await
}

pub(super) async fn release(admin: &Admin, call: &Call) -> Result<Response, ProblemDocument> {
    let user = call.id(0).to_owned();
    order(admin, call, Command::Release { user }, Condition::Optional, Shows::Nothing).await
}

async fn order(
    admin: &Admin,
    call: &Call,
    command: Command,
    condition: Condition,
    shows: Shows,
) -> Result<Response, ProblemDocument> {
    let mut asked = Asked::of(call)?;
    let dry_run = asked.boolean("dry_run")?.unwrap_or(false);
    asked.finish("is `dry_run`")?;
    let key = command.key();
    let generation = admin.generation()?;
    let expected = call.expected(&generation.directory, &key, condition)?;
    let order = call.order(command, expected, dry_run);
    let done = match admin.writer.order(order).await {
        Ok(done) => done,
        Err(refusal) => return Err(told(admin, call, &key, shows, &refusal)?),
    };
    if dry_run {
        let sees_all = sight::check_security(&generation.snapshot, &call.caller).is_ok();
        return Ok(answer(
            StatusCode::OK,
            generation.snapshot.revision(),
            None,
            &would_be(&done, sees_all),
        ));
    }
    let generation = admin.generation()?;
    let directory = &generation.directory;
    let sees = sight::sees(&generation.snapshot, &call.caller, key.kind, &key.id);
    match (shows, shape(directory, &key, Extent::Whole).filter(|_| sees)) {
        // Whoever took it away meanwhile leaves nothing to show.
        (Shows::Nothing, _) | (_, None) => {
            let mut response = answer(StatusCode::NO_CONTENT, &done.revision, done.etag.as_deref(), &Value::Null);
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(header::CONTENT_TYPE);
            Ok(response)
        }
        (shows, Some(shown)) => {
            let is_new = shows == Shows::Created;
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            let etag = directory.etag(&key);
            let mut response = answer(status, &done.revision, etag.as_deref(), &shown);
            let location = format!("{}/{}", collection(key.kind), utf8_percent_encode(&key.id, PLAIN));
            if let (true, Ok(location)) = (is_new, HeaderValue::from_str(&location)) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
    }
}

/// Why an order was refused, as far as the caller may know. That there is an entry, or none, is told to those who may see
/// it; a datastore that nobody granted them is not there (R18).
fn told(
    admin: &Admin,
    call: &Call,
    key: &Key,
    shows: Shows,
    refusal: &Refusal,
) -> Result<ProblemDocument, ProblemDocument> {
    let generation = admin.generation()?;
    let (snapshot, caller) = (&generation.snapshot, &call.caller);
    let is_new = shows == Shows::Created;
    let seen = match is_new {
        true => sight::check_security(snapshot, caller),
        false => sight::check(snapshot, caller, key),
    };
    let is_hidden = matches!(key.kind, Kind::Datastore | Kind::EnrichmentDatastore) && !is_new;
    // Whoever is deactivated or gone is told that and nothing else.
    let is_out = generation.standing(&caller.principal.entity_type, &caller.principal.id) != Standing::Good;
    Ok(match (seen, refusal) {
        (Err(unseen), Refusal::Denied(_)) if is_hidden || is_out => unseen,
        (Ok(()), _) | (_, Refusal::Denied(_) | Refusal::Io(_) | Refusal::Contended(_) | Refusal::Busy) => {
            refused(refusal)
        }
        (Err(unseen), _) => unseen,
    })
}

/// What a dry run tells: the entry before and after, and to those who may see everything the files and whose access would
/// change.
fn would_be(done: &Done, sees_all: bool) -> Value {
    json!({
        "dry_run": true,
        "changed": done.changed,
        "revision": done.revision,
        "before": done.before,
        "after": done.after,
        "files": sees_all.then(|| done.files.iter().map(file).collect::<Vec<_>>()),
        "access": done.access.as_ref().filter(|_| sees_all).map(access),
    })
}

/// A file's difference, as `diff -u` writes it.
fn file(change: &FileChange) -> Value {
    let (before, after) = (change.before.as_deref().unwrap_or(""), change.after.as_deref().unwrap_or(""));
    let name = |prefix: &str, content: &Option<std::sync::Arc<str>>| match content {
        Some(_) => format!("{prefix}/{}", change.name),
        None => "/dev/null".to_owned(),
    };
    let diff = TextDiff::from_lines(before, after);
    let diff = diff
        .unified_diff()
        .header(&name("a", &change.before), &name("b", &change.after))
        .to_string();
    json!({ "name": &*change.name, "diff": diff })
}

fn access(access: &AccessDiff) -> Value {
    let levels = access.levels.iter().map(|change| {
        json!({
            "account": named(&change.account),
            "datastore": named(&change.store),
            "before": change.before.map(Permission::name),
            "after": change.after.map(Permission::name),
        })
    });
    let roles = access.roles.iter().map(|change| {
        json!({
            "account": named(&change.account),
            "before": change.before.map(Role::name),
            "after": change.after.map(Role::name),
        })
    });
    json!({
        "gaining": access.gaining,
        "losing": access.losing,
        "levels": levels.collect::<Vec<_>>(),
        "roles": roles.collect::<Vec<_>>(),
        "is_cut": access.is_cut,
    })
}
