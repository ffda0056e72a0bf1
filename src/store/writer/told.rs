//! What an entry said and says, where that differs: for answers and the audit trail.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::difference::{Difference, What, stores_of};
use crate::directory::{Directory, Key, Kind, Permission, Role};

/// How many members of a team are named.
const NAMED_MAX: usize = 1000;

/// The entry before and after: its `id`, the keys that differ, and of lists what is gone and what is new. Of an entry
/// that comes or goes, all keys.
pub(super) fn tell(difference: &Difference, directory: &Directory) -> (Option<Json>, Option<Json>) {
    match difference.what {
        What::Create => (None, Some(Json::Object(after(difference)))),
        What::Change => (
            Some(Json::Object(before(difference, directory))),
            Some(Json::Object(after(difference))),
        ),
        What::Delete => (Some(Json::Object(before(difference, directory))), None),
        What::Release => (Some(json!({ "retired": difference.key.id })), None),
    }
}

fn after(difference: &Difference) -> Map<String, Json> {
    let mut told = Map::new();
    told.insert("id".to_owned(), json!(difference.new_key().id));
    let fields = [
        ("name", difference.name.as_ref().map(|name| json!(name))),
        ("description", difference.description.as_ref().map(|text| json!(text))),
        ("role", difference.role.map(|role| json!(role.name()))),
        ("active", difference.active.map(|active| json!(active))),
        (
            "permission",
            difference.permission.map(|level| json!(level.map(Permission::name))),
        ),
        ("scim", difference.scim.as_ref().map(|scim| json!(scim))),
    ];
    let fields = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    told.extend(fields);
    if difference.what == What::Create && difference.key.kind.is_account() {
        told.entry("role").or_insert_with(|| json!(Role::Member.name()));
        told.entry("active").or_insert_with(|| json!(true));
    }
    memberships(difference, &difference.joins, &mut told);
    for (store, level) in &difference.assigned {
        list(&mut told, store.kind.key(), item(&store.id, *level));
    }
    told
}

fn before(difference: &Difference, directory: &Directory) -> Map<String, Json> {
    let all = difference.what == What::Delete;
    let mut told = Map::new();
    told.insert("id".to_owned(), json!(difference.key.id));
    let mut tell = |key: &str, is_told: bool, value: Json| {
        if is_told {
            told.insert(key.to_owned(), value);
        }
    };
    let (name, scim) = (all || difference.name.is_some(), difference.scim.is_some());
    let (kind, id) = (difference.key.kind, difference.key.id.as_str());
    if let Some(account) = directory.account(kind, id) {
        tell("name", name, json!(account.name));
        tell("role", all || difference.role.is_some(), json!(account.role.name()));
        tell("active", all || difference.active.is_some(), json!(account.active));
        tell("scim", scim || (all && account.scim.is_some()), json!(account.scim.as_deref()));
    } else if let Some(team) = directory.team(id).filter(|_| kind == Kind::Team) {
        let permission = team.permission.map(Permission::name);
        tell("name", name, json!(team.name));
        tell("description", all || difference.description.is_some(), json!(team.description));
        tell("permission", all || difference.permission.is_some(), json!(permission));
        tell("scim", scim || (all && team.scim.is_some()), json!(team.scim.as_deref()));
        for (kind, assignments) in stores_of(team) {
            for assignment in assignments {
                let store = Key::new(kind, &*assignment.to.id);
                if all || difference.assigned.contains_key(&store) || difference.unassigned.contains(&store) {
                    list(&mut told, kind.key(), item(&store.id, assignment.permission));
                }
            }
        }
    } else if let Some(store) = directory.store(kind, id) {
        tell("name", name, json!(store.name));
    }
    memberships(difference, &difference.leaves, &mut told);
    told
}

fn memberships(difference: &Difference, changes: &BTreeMap<Key, BTreeSet<String>>, told: &mut Map<String, Json>) {
    for (account, teams) in changes.iter().take(NAMED_MAX) {
        if *account == difference.key {
            teams.iter().for_each(|team| list(told, "teams", json!(team)));
        } else {
            list(told, account.kind.key(), json!(account.id));
        }
    }
    if changes.len() > NAMED_MAX {
        told.insert("members_not_named".to_owned(), json!(changes.len() - NAMED_MAX));
    }
}

fn item(id: &str, level: Option<Permission>) -> Json {
    match level {
        Some(level) => json!({ "id": id, "permission": level.name() }),
        None => json!(id),
    }
}

fn list(told: &mut Map<String, Json>, key: &str, item: Json) {
    if let Json::Array(items) = told.entry(key).or_insert_with(|| json!([])) {
        items.push(item);
    }
}
