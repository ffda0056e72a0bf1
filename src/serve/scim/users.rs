//! Users.

use std::sync::Arc;
use std::time::Instant;

use hyper::StatusCode;
use serde_json::Value;

use super::entry::{attributes, keep, kept, name_of, new_uuid, now};
use super::reply::{Reply, refused};
use super::{Call, EntityId, Scim};
use crate::directory::{Account, Command, Directory, Key, Kind, Patch, fold};
use crate::scim::{Problem, Resource, ScimType, Type, operations, patch_user, read_user};
use crate::store::{Expected, Refusal};

/// How often a change is tried again that others came before.
const ATTEMPTS_MAX: usize = 64;

pub(super) async fn create(scim: &Scim, call: &Call) -> Result<Reply, Problem> {
    let mut user = read_user(call.json()?)?;
    let is_active = *user.entry("active").or_insert(true.into()) == Value::Bool(true);
    let (uuid, time) = (new_uuid()?, now());
    let key = Key::new(Kind::User, scim.entity_id(&uuid, &user)?);
    let entry = Patch {
        name: Some(name_of(&user)).filter(|name| *name != key.id),
        active: (!is_active).then_some(false),
        scim: Some(Some(keep(&user, &uuid, &time, &time))),
        ..Patch::default()
    };
    let ordered = scim.order(call, Command::Create { key, entry }, Expected::Newest).await;
    ordered.map_err(|refusal| taken_meanwhile(scim, &user, None, refusal))?;
    scim.show(call, Type::User, &uuid, StatusCode::CREATED)
}

pub(super) async fn replace(scim: &Scim, call: &Call, uuid: &str) -> Result<Reply, Problem> {
    let body = read_user(call.json()?)?;
    let replaced = move |before: &Resource| {
        let mut user = body.clone();
        // Whoever says nothing of it neither deactivates nor reactivates anybody.
        if let (None, Some(active)) = (user.get("active"), before.get("active")) {
            user.insert("active".to_owned(), active.clone());
        }
        Ok(user)
    };
    change(scim, call, uuid, Arc::new(replaced)).await?;
    scim.show(call, Type::User, uuid, StatusCode::OK)
}

pub(super) async fn patch(scim: &Scim, call: &Call, uuid: &str) -> Result<Reply, Problem> {
    let operations = operations(call.json()?)?;
    change(
        scim,
        call,
        uuid,
        Arc::new(move |before: &Resource| patch_user(before, &operations)),
    )
    .await?;
    scim.show(call, Type::User, uuid, StatusCode::OK)
}

pub(super) async fn delete(scim: &Scim, call: &Call, uuid: &str) -> Result<Reply, Problem> {
    let directory = scim.directory()?;
    let key = Key::new(Kind::User, scim.find(&directory, Type::User, uuid)?);
    let was_active = directory.account(key.kind, &key.id).is_some_and(|account| account.active);
    let expected = scim.expected_last(call, &directory, Type::User, &key.id);
    scim.order(call, Command::Delete { key }, expected).await.map_err(refused)?;
    if was_active {
        scim.alarm.count(Instant::now(), uuid, directory.synced_users());
    }
    Ok(Reply::empty())
}

/// Makes of a user what a request asks for.
type Making = dyn Fn(&Resource) -> Result<Resource, Problem> + Send + Sync;

/// Changes a user to what `make` makes of it. Where somebody else came first, it is made again.
async fn change(scim: &Scim, call: &Call, uuid: &str, make: Arc<Making>) -> Result<(), Problem> {
    for _ in 0..ATTEMPTS_MAX {
        let directory = scim.directory()?;
        let key = Key::new(Kind::User, scim.find(&directory, Type::User, uuid)?);
        let expected = scim.expected(call, &directory, Type::User, &key.id);
        let Some((account, scim_part)) = directory.account(key.kind, &key.id).zip(kept(&directory, key.kind, &key.id))
        else {
            return Err(Problem::new(404, "there is no such user"));
        };
        let before = attributes(account, scim_part);
        let (make, start) = (make.clone(), before.clone());
        let after = scim.changes.run(move || make(&start)).await??;
        let created = scim_part.get("created").and_then(Value::as_str).unwrap_or_default();
        let Some(patch) = difference(scim, &key, account, (&before, &after), (uuid, created))? else {
            return scim.unchanged(call, &directory, Type::User, &key.id);
        };
        let loses_all = account.active && patch.active == Some(false);
        match scim
            .order(
                call,
                Command::Change {
                    key: key.clone(),
                    patch,
                },
                expected,
            )
            .await
        {
            Ok(_) if loses_all => {
                scim.alarm.count(Instant::now(), uuid, directory.synced_users());
                return Ok(());
            }
            Ok(_) => return Ok(()),
            Err(Refusal::Stale { .. }) if call.expected() == Expected::Newest => {}
            Err(refusal) => return Err(taken_meanwhile(scim, &after, Some(&key.id), refusal)),
        }
    }
    Err(Problem::new(503, "the user is changed all the time: try again"))
}

/// What of the entry has to change, if anything has to.
fn difference(
    scim: &Scim,
    key: &Key,
    account: &Account,
    (before, after): (&Resource, &Resource),
    (uuid, created): (&str, &str),
) -> Result<Option<Patch>, Problem> {
    if before == after {
        return Ok(None);
    }
    // Where the setting is another one than when the account was made, it keeps its id until the attribute changes.
    let id = match (scim.entity_id(uuid, before).ok(), scim.entity_id(uuid, after)) {
        (Some(before), Ok(after)) if before == after => None,
        (None, Err(_)) => None,
        (_, after) => Some(after?).filter(|id| *id != key.id),
    };
    let name = name_of(after);
    let active = after.get("active").and_then(Value::as_bool);
    Ok(Some(Patch {
        id,
        // A name that an Admin gave stays until the identity provider has another one.
        name: (name != name_of(before)).then_some(name),
        active: active.filter(|active| *active != account.active),
        scim: Some(Some(keep(after, uuid, created, &now()))),
        ..Patch::default()
    }))
}

/// That no other user has the name, in whatever case.
fn name_is_free(directory: &Directory, user: &Resource, own: Option<&str>) -> Result<(), Problem> {
    let name = user.get("userName").and_then(Value::as_str).unwrap_or_default();
    match directory.user_name(&fold(name)) {
        Some(other) if Some(other) != own => Err(Problem::of(
            ScimType::Uniqueness,
            "there is a user with this `userName` already",
        )),
        _ => Ok(()),
    }
}

/// Two requests may have taken the name at once: then the second is told that, and not what the writer found.
fn taken_meanwhile(scim: &Scim, user: &Resource, own: Option<&str>, refusal: Refusal) -> Problem {
    let taken = scim.directory().and_then(|directory| name_is_free(&directory, user, own));
    taken.err().unwrap_or_else(|| refused(refusal))
}

impl Scim {
    /// What applications ask with.
    fn entity_id(&self, uuid: &str, user: &Resource) -> Result<String, Problem> {
        let name = match self.settings.entity_id {
            EntityId::Id => return Ok(uuid.to_owned()),
            EntityId::ExternalId => "externalId",
            EntityId::UserName => "userName",
        };
        let id = user.get(name).and_then(Value::as_str).filter(|id| !id.is_empty());
        id.map(str::to_owned)
            .ok_or_else(|| Problem::of(ScimType::InvalidValue, format!("a user needs `{name}`")))
    }
}
