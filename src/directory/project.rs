//! The directory as Cedar entities.
//!
//! Cedar cannot say "some team of the principal's has Write on this resource", so each datastore carries the teams that
//! may read and those that may write, and a policy asks whether the principal is in one of them. A team that may write
//! stands among the writers alone: that Write includes Read (R17) is a policy, where it can be seen.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::document::{Account, Directory, Kind, Permission, Reference, Source, Store, Team};
use super::rules::PUBLIC;
use crate::engine::Record;

/// Teams that may read, and teams that may write.
#[derive(Default)]
struct Grants<'d> {
    readers: Vec<&'d str>,
    writers: Vec<&'d str>,
}

/// One record for each entry, and one for the built-in team.
pub(super) fn project(directory: &Directory) -> Vec<Record> {
    let mut records = Vec::new();
    let user_teams = teams_of(directory, |team| &team.users);
    let service_user_teams = teams_of(directory, |team| &team.service_users);
    for (kind, accounts, teams) in [
        (Kind::User, &directory.users, user_teams),
        (Kind::ServiceUser, &directory.service_users, service_user_teams),
    ] {
        for (id, account) in accounts {
            let teams = teams.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
            records.push(record(&account.source, account_entity(kind, id, account, teams)));
        }
    }
    for (id, team) in &directory.teams {
        records.push(record(&team.source, team_entity(id, team)));
    }
    let built_in = directory
        .users
        .values()
        .chain(directory.service_users.values())
        .map(|account| &account.source)
        .chain(directory.datastores.values().map(|store| &store.source))
        .next();
    if let (false, Some(source)) = (directory.teams.contains_key(PUBLIC), built_in) {
        let entity = json!({
            "uid": uid(Kind::Team, PUBLIC),
            "attrs": { "name": PUBLIC, "description": "" },
            "parents": [],
        });
        records.push(record(source, entity));
    }
    for (kind, stores) in [
        (Kind::Datastore, &directory.datastores),
        (Kind::EnrichmentDatastore, &directory.enrichment_datastores),
    ] {
        let grants = grants_on(directory, kind);
        let none = Grants::default();
        for (id, store) in stores {
            let grants = grants.get(id.as_str()).unwrap_or(&none);
            records.push(record(&store.source, store_entity(kind, id, store, grants)));
        }
    }
    records
}

fn record(source: &Source, entity: Json) -> Record {
    Record {
        entity,
        text: source.text.clone(),
        span: source.span,
    }
}

fn uid(kind: Kind, id: &str) -> Json {
    json!({ "type": kind.entity_type(), "id": id })
}

/// Each account's teams, by the account's id.
fn teams_of(directory: &Directory, members: impl Fn(&Team) -> &Vec<Reference>) -> BTreeMap<&str, Vec<&str>> {
    let mut teams: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, team) in &directory.teams {
        for member in members(team) {
            let of_member = teams.entry(&member.id).or_default();
            if of_member.last() != Some(&id.as_str()) {
                of_member.push(id);
            }
        }
    }
    teams
}

/// A deactivated account is in no team, so that two independent things keep it out: this, and a forbid (R6). Its
/// memberships stay in the documents (R7).
fn account_entity(kind: Kind, id: &str, account: &Account, teams: &[&str]) -> Json {
    let parents: Vec<Json> = if account.active {
        teams.iter().copied().chain([PUBLIC]).map(|team| uid(Kind::Team, team)).collect()
    } else {
        Vec::new()
    };
    json!({
        "uid": uid(kind, id),
        "attrs": { "name": account.name, "role": account.role.name(), "active": account.active },
        "parents": parents,
    })
}

fn team_entity(id: &str, team: &Team) -> Json {
    let mut attrs = json!({ "name": team.name, "description": team.description });
    if let Some(permission) = team.permission {
        attrs["permission"] = permission.name().into();
    }
    json!({ "uid": uid(Kind::Team, id), "attrs": attrs, "parents": [] })
}

/// Who may do what to each store of a kind, by the store's id.
fn grants_on(directory: &Directory, kind: Kind) -> BTreeMap<&str, Grants<'_>> {
    let mut grants: BTreeMap<&str, Grants<'_>> = BTreeMap::new();
    for (id, team) in &directory.teams {
        let assignments = match kind {
            Kind::EnrichmentDatastore => &team.enrichment_datastores,
            _ => &team.datastores,
        };
        for assignment in assignments {
            let on_store = grants.entry(&assignment.to.id).or_default();
            // The assignment's own level wins over the team's (R23).
            match assignment.permission.or(team.permission) {
                Some(Permission::Read) => on_store.readers.push(id),
                Some(Permission::Write) => on_store.writers.push(id),
                None => {}
            }
        }
    }
    grants
}

fn store_entity(kind: Kind, id: &str, store: &Store, grants: &Grants<'_>) -> Json {
    let set = |teams: &[&str]| -> Vec<Json> {
        teams.iter().map(|team| json!({ "__entity": uid(Kind::Team, team) })).collect()
    };
    json!({
        "uid": uid(kind, id),
        "attrs": { "name": store.name, "readers": set(&grants.readers), "writers": set(&grants.writers) },
        "parents": [],
    })
}
