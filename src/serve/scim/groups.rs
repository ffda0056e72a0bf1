//! Groups, each of which is a team.
//!
//! A group has a name and members, and grants nothing by them: its level and datastores are an Admin's to set (R26).

use std::collections::BTreeSet;

use hyper::StatusCode;
use serde_json::{Map, Value};

use super::entry::{kept, new_uuid, now};
use super::reply::{Reply, refused};
use super::{Call, Scim};
use crate::directory::{Command, Directory, Key, Kind, Members, Patch, check_team_name};
use crate::scim::{GroupChange, MemberChange, Problem, ScimType, Type, operations, patch_group, read_group};
use crate::store::{Expected, Refusal};

/// How often a change is tried again that others came before.
const ATTEMPTS_MAX: usize = 64;

pub(super) async fn create(scim: &Scim, call: &Call) -> Result<Reply, Problem> {
    let group = read_group(call.json()?)?;
    let directory = scim.directory()?;
    let (uuid, time) = (new_uuid()?, now());
    let ids = group.members.iter().map(|member| user_of(&directory, member));
    let users: BTreeSet<String> = ids.collect::<Result<_, _>>()?;
    // The team's key is never the name: policies grant by keys, and a name is whatever an identity provider says.
    let key = Key::new(Kind::Team, uuid.as_str());
    let entry = Patch {
        name: Some(group.display_name.clone()),
        users: if users.is_empty() {
            Members::Keep
        } else {
            Members::Set(users)
        },
        scim: Some(Some(keep(&uuid, group.external_id.as_deref(), &time, &time))),
        ..Patch::default()
    };
    let ordered = scim.order(call, Command::Create { key, entry }, Expected::Newest).await;
    ordered.map_err(|refusal| refused_name(Some(&group.display_name), refusal))?;
    scim.show(call, Type::Group, &uuid, StatusCode::CREATED)
}

pub(super) async fn replace(scim: &Scim, call: &Call, uuid: &str) -> Result<Reply, Problem> {
    let group = read_group(call.json()?)?;
    let group_change = GroupChange {
        display_name: Some(group.display_name),
        external_id: Some(group.external_id),
        members: MemberChange {
            emptied: true,
            ids: group.members.into_iter().map(|id| (id, true)).collect(),
            ..MemberChange::default()
        },
    };
    change(scim, call, uuid, &group_change).await?;
    scim.show(call, Type::Group, uuid, StatusCode::OK)
}

/// The answer is empty unless the caller says what it wants to see: a group may have a hundred thousand members.
pub(super) async fn patch(scim: &Scim, call: &Call, uuid: &str) -> Result<Reply, Problem> {
    let is_selective = call.asked(Type::Group)?.is_selective;
    let group_change = patch_group(&operations(call.json()?)?)?;
    change(scim, call, uuid, &group_change).await?;
    if is_selective {
        scim.show(call, Type::Group, uuid, StatusCode::OK)
    } else {
        Ok(Reply::empty())
    }
}

pub(super) async fn delete(scim: &Scim, call: &Call, uuid: &str) -> Result<Reply, Problem> {
    let directory = scim.directory()?;
    let key = Key::new(Kind::Team, scim.find(&directory, Type::Group, uuid)?);
    let expected = scim.expected_last(call, &directory, Type::Group, &key.id);
    scim.order(call, Command::Delete { key }, expected).await.map_err(refused)?;
    Ok(Reply::empty())
}

/// Changes a group. Members need nobody else to wait; a name or an external id is written again if somebody else came
/// first, and so are members of whom one has another id meanwhile.
async fn change(scim: &Scim, call: &Call, uuid: &str, change: &GroupChange) -> Result<(), Problem> {
    for _ in 0..ATTEMPTS_MAX {
        let directory = scim.directory()?;
        let key = Key::new(Kind::Team, scim.find(&directory, Type::Group, uuid)?);
        let expected = scim.expected(call, &directory, Type::Group, &key.id);
        let patch = difference(&directory, &key, change)?;
        if patch == Patch::default() {
            return scim.unchanged(call, &directory, Type::Group, &key.id);
        }
        let is_of_members = patch.scim.is_none() && call.expected() == Expected::Newest;
        let expected = if is_of_members { Expected::Newest } else { expected };
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
            Ok(_) => return Ok(()),
            Err(Refusal::Stale { .. } | Refusal::Invalid { field: "users", .. })
                if call.expected() == Expected::Newest => {}
            Err(refusal) => return Err(refused_name(change.display_name.as_deref(), refusal)),
        }
    }
    Err(Problem::new(503, "the group is changed all the time: try again"))
}

/// What of the entry has to change.
fn difference(directory: &Directory, key: &Key, change: &GroupChange) -> Result<Patch, Problem> {
    let (team, scim) = directory
        .team(&key.id)
        .zip(kept(directory, key.kind, &key.id))
        .ok_or_else(|| Problem::new(404, "there is no such group"))?;
    let name = change.display_name.as_ref().filter(|name| **name != team.name);
    let text = |name: &str| scim.get(name).and_then(Value::as_str);
    let external_id = change.external_id.as_ref().filter(|id| id.as_deref() != text("externalId"));
    let is_changed = name.is_some() || external_id.is_some();
    let written = || {
        let id = change.external_id.as_ref().map_or(text("externalId"), |id| id.as_deref());
        keep(text("id").unwrap_or_default(), id, text("created").unwrap_or_default(), &now())
    };
    Ok(Patch {
        name: name.cloned(),
        users: member_difference(directory, &change.members)?,
        scim: is_changed.then(|| Some(written())),
        ..Patch::default()
    })
}

/// Who comes and who goes, or who is to be in it: the writer finds out then what that changes when its turn comes, so of
/// two whole sets at once one is there in the end. Members that SCIM does not know stay.
fn member_difference(directory: &Directory, change: &MemberChange) -> Result<Members, Problem> {
    for uuid in &change.passing {
        user_of(directory, uuid)?;
    }
    let stay = change.ids.iter().filter(|(_, stays)| **stays);
    let add: BTreeSet<String> = stay.map(|(uuid, _)| user_of(directory, uuid)).collect::<Result<_, _>>()?;
    if change.emptied {
        return Ok(Members::Set(add));
    }
    let go = change.ids.iter().filter(|(_, stays)| !**stays);
    let go = go.filter_map(|(uuid, _)| directory.scim_id(Kind::User, uuid));
    let remove: BTreeSet<String> = go.map(str::to_owned).collect();
    if add.is_empty() && remove.is_empty() {
        return Ok(Members::Keep);
    }
    Ok(Members::Change { add, remove })
}

/// The user that a member is.
fn user_of(directory: &Directory, uuid: &str) -> Result<String, Problem> {
    if let Some(user) = directory.scim_id(Kind::User, uuid) {
        return Ok(user.to_owned());
    }
    let is_group = directory.scim_id(Kind::Team, uuid).is_some();
    let detail = if is_group {
        "a group cannot be a member of a group"
    } else {
        "a member's `value` is no user's id"
    };
    Err(Problem::of(ScimType::InvalidValue, detail))
}

/// What is kept with a team.
fn keep(uuid: &str, external_id: Option<&str>, created: &str, modified: &str) -> Value {
    let mut kept = Map::new();
    kept.insert("id".to_owned(), uuid.into());
    if let Some(external_id) = external_id {
        kept.insert("externalId".to_owned(), external_id.into());
    }
    kept.insert("created".to_owned(), created.into());
    kept.insert("modified".to_owned(), modified.into());
    kept.into()
}

/// What a caller is told whose order was refused: of a name that cannot be, or is another team's, in SCIM's words.
fn refused_name(name: Option<&str>, refusal: Refusal) -> Problem {
    match (name, &refusal) {
        (
            Some(name),
            Refusal::Rule {
                rule: "R20" | "R23", ..
            },
        ) => {
            let is_possible = check_team_name(name).is_ok();
            let scim_type = if is_possible {
                ScimType::Uniqueness
            } else {
                ScimType::InvalidValue
            };
            Problem::of(scim_type, refusal.to_string())
        }
        _ => refused(refusal),
    }
}
