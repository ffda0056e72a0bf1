//! Entries of the directory as SCIM resources.
//!
//! What a client wrote stands under `scim` in the entry, with our `id`, `created` and `modified` beside it. Whether an
//! account is active and what a team is called are the entry's own: an Admin may change them too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::directory::{Account, Directory, Key, Kind};
use crate::scim::{ENTERPRISE, Problem, Resource, Selection, Type};

/// The kind of entry that a type of resources is.
pub(super) fn kind_of(kind: Type) -> Kind {
    match kind {
        Type::User => Kind::User,
        Type::Group => Kind::Team,
    }
}

/// What is kept under `scim`, if SCIM created the entry.
pub(super) fn kept<'d>(directory: &'d Directory, kind: Kind, id: &str) -> Option<&'d Map<String, Value>> {
    let scim = match kind {
        Kind::User => &directory.account(kind, id)?.scim,
        Kind::Team => &directory.team(id)?.scim,
        _ => return None,
    };
    scim.as_deref()?.as_object()
}

/// Our id of an entry.
pub(super) fn uuid_of<'d>(directory: &'d Directory, kind: Kind, id: &str) -> Option<&'d str> {
    kept(directory, kind, id)?.get("id")?.as_str()
}

/// The attributes of a user that are the client's.
pub(super) fn attributes(account: &Account, kept: &Map<String, Value>) -> Resource {
    let is_ours = |name: &str| matches!(name, "id" | "created" | "modified" | "active");
    let mut user: Resource = kept
        .iter()
        .filter(|(name, _)| !is_ours(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    // A client that removed `active` does not see it, and the account stays as it is.
    if kept.get("active") != Some(&Value::Null) {
        user.insert("active".to_owned(), account.active.into());
    }
    user
}

/// What is kept of a user's attributes.
pub(super) fn keep(user: &Resource, uuid: &str, created: &str, modified: &str) -> Value {
    let mut kept = user.clone();
    if kept.shift_remove("active").is_none() {
        kept.insert("active".to_owned(), Value::Null);
    }
    kept.insert("id".to_owned(), uuid.into());
    kept.insert("created".to_owned(), created.into());
    kept.insert("modified".to_owned(), modified.into());
    kept.into()
}

/// The name that people see.
pub(super) fn name_of(user: &Resource) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::trim).unwrap_or_default().to_owned();
    let name = user.get("name");
    let part = |part: &str| text(name.and_then(|name| name.get(part)));
    let whole = format!("{} {}", part("givenName"), part("familyName"));
    let names = [
        text(user.get("displayName")),
        part("formatted"),
        whole.trim().to_owned(),
        text(user.get("userName")),
    ];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

/// A resource as answers show it, if SCIM created the entry.
pub(super) fn shown(
    directory: &Directory,
    base: &str,
    kind: Type,
    id: &str,
    selection: &Selection,
) -> Option<Map<String, Value>> {
    let resource = match kind {
        Type::User => user(directory, base, id, selection)?,
        Type::Group => group(directory, base, id, selection)?,
    };
    Some(selection.apply(kind, resource))
}

fn user(directory: &Directory, base: &str, id: &str, selection: &Selection) -> Option<Map<String, Value>> {
    let account = directory.account(Kind::User, id)?;
    let kept = kept(directory, Kind::User, id)?;
    let mut schemas = vec![Type::User.core().id];
    schemas.extend(kept.contains_key(ENTERPRISE.id).then_some(ENTERPRISE.id));
    let mut user = Map::new();
    user.insert("schemas".to_owned(), schemas.into());
    user.insert("id".to_owned(), kept.get("id")?.clone());
    user.extend(attributes(account, kept));
    if selection.shows("groups") {
        let groups = groups(directory, id);
        let groups: Vec<Value> = groups
            .map(|(uuid, name)| {
                json!({"value": uuid, "$ref": format!("{base}/Groups/{uuid}"), "display": name, "type": "direct"})
            })
            .collect();
        if !groups.is_empty() {
            user.insert("groups".to_owned(), groups.into());
        }
    }
    if selection.shows("meta") {
        user.insert("meta".to_owned(), meta(directory, base, Type::User, id, kept));
    }
    Some(user)
}

fn group(directory: &Directory, base: &str, id: &str, selection: &Selection) -> Option<Map<String, Value>> {
    let team = directory.team(id)?;
    let kept = kept(directory, Kind::Team, id)?;
    let mut group = Map::new();
    group.insert("schemas".to_owned(), vec![Type::Group.core().id].into());
    group.insert("id".to_owned(), kept.get("id")?.clone());
    if let Some(external_id) = kept.get("externalId") {
        group.insert("externalId".to_owned(), external_id.clone());
    }
    group.insert("displayName".to_owned(), team.name.as_str().into());
    if selection.shows("members") {
        let members: Vec<Value> = members(directory, id)
            .map(|(_, uuid)| json!({"value": uuid, "$ref": format!("{base}/Users/{uuid}"), "type": "User"}))
            .collect();
        if !members.is_empty() {
            group.insert("members".to_owned(), members.into());
        }
    }
    if selection.shows("meta") {
        group.insert("meta".to_owned(), meta(directory, base, Type::Group, id, kept));
    }
    Some(group)
}

/// The groups that a user is in: ids and names.
fn groups<'d>(directory: &'d Directory, user: &str) -> impl Iterator<Item = (&'d str, &'d str)> {
    let teams = directory.teams_of(Kind::User, user).into_iter();
    teams.filter_map(|team| Some((uuid_of(directory, Kind::Team, team)?, &*directory.team(team)?.name)))
}

/// The version of a resource, 32 hexadecimal digits: the state of the entry, and of a user also the names of the groups,
/// which are shown with it.
pub(super) fn etag(directory: &Directory, kind: Type, id: &str) -> Option<String> {
    let state = directory.etag(&Key::new(kind_of(kind), id))?;
    if kind == Type::Group {
        return Some(state);
    }
    let groups: Vec<(&str, &str)> = groups(directory, id).collect();
    let hash = Sha256::digest(json!([state, groups]).to_string());
    Some(hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// The members that SCIM knows: ids of users, and ours of them.
pub(super) fn members<'d>(directory: &'d Directory, team: &str) -> impl Iterator<Item = (&'d str, &'d str)> {
    let users = directory.members_of(team).into_iter().filter(|(kind, _)| *kind == Kind::User);
    users.filter_map(|(kind, user)| Some((user, uuid_of(directory, kind, user)?)))
}

fn meta(directory: &Directory, base: &str, kind: Type, id: &str, kept: &Map<String, Value>) -> Value {
    let uuid = kept.get("id").and_then(Value::as_str).unwrap_or_default();
    let etag = etag(directory, kind, id).unwrap_or_default();
    json!({
        "resourceType": kind.name(),
        "created": kept.get("created"),
        "lastModified": kept.get("modified"),
        "location": format!("{base}{}/{uuid}", kind.endpoint()),
        "version": format!("W/\"{etag}\""),
    })
}

/// The time, as it is kept.
pub(super) fn now() -> String {
    DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The last id that was made: milliseconds since 1970, and behind them twelve bits that count within one.
static LAST: AtomicU64 = AtomicU64::new(0);

/// A new id, behind all that this process made before: a UUID of version 7 (RFC 9562, section 6.2, method 1). So whoever
/// reads page by page finds new ones at the end.
pub(super) fn new_uuid() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes[8..]).map_err(|_| Problem::new(500, "the system has no random numbers"))?;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = (since_1970.as_millis() as u64) << 12;
    // Where the clock stands still or goes back, ids go on all the same.
    let next = |last: u64| now.max(last + 1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    let number = next(last.unwrap_or_else(|last| last));
    bytes[..6].copy_from_slice(&(number >> 12).to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&(0x7000 | (number & 0xfff) as u16).to_be_bytes());
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_one_behind_the_other() {
        let made = || -> Vec<String> { (0..10_000).map(|_| new_uuid().expect("an id")).collect() };
        let mut all = Vec::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(made)).collect();
            for thread in threads {
                let ids = thread.join().expect("ids");
                assert!(ids.is_sorted_by(|one, next| one < next));
                all.extend(ids);
            }
        });
        let last = all.iter().max().cloned();
        assert!(Some(new_uuid().expect("an id")) > last);
        let now = chrono::Utc::now().timestamp_millis();
        for id in &all {
            let digits = id.replace('-', "");
            assert_eq!((id.len(), digits.len(), &id[14..15]), (36, 32, "7"), "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
            let time = i64::from_str_radix(&digits[..12], 16).expect("a time");
            assert!((now - time).abs() < 60_000, "{id}");
        }
        all.sort();
        assert!(all.windows(2).all(|two| two[0][..18] != two[1][..18]));
    }
}
