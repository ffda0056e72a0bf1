//! Entries as JSON.

use serde_json::{Value, json};

use crate::directory::{Account, Assignment, Directory, Key, Kind, Permission, Team};

/// How much of an entry is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// In a list: a team without its members, which may be many.
    Listed,
}

/// An entry as it is shown; none if there is none. `etag` names its state.
pub(super) fn shape(directory: &Directory, key: &Key, extent: Extent) -> Option<Value> {
    let mut shown = match key.kind {
        Kind::User | Kind::ServiceUser => account(directory, key, directory.account(key.kind, &key.id)?),
        Kind::Team => team(directory, key, directory.team(&key.id)?, extent),
        Kind::Datastore | Kind::EnrichmentDatastore => {
            json!({ "id": key.id, "name": directory.store(key.kind, &key.id)?.name })
        }
    };
    shown["etag"] = json!(directory.etag(key));
    Some(shown)
}

fn account(directory: &Directory, key: &Key, account: &Account) -> Value {
    let mut shown = json!({
        "id": key.id,
        "name": account.name,
        "role": account.role.name(),
        "active": account.active,
        "teams": directory.teams_of(key.kind, &key.id),
    });
    // A service user is never the directory sync's.
    if key.kind == Kind::User {
        shown["synced"] = json!(account.scim.is_some());
    }
    shown
}

fn team(directory: &Directory, key: &Key, team: &Team, extent: Extent) -> Value {
    let mut shown = json!({
        "id": key.id,
        "name": team.name,
        "description": team.description,
        "permission": team.permission.map(Permission::name),
        "synced": team.scim.is_some(),
        "member_count": directory.member_count(&key.id),
        "datastores": assignments(&team.datastores),
        "enrichment_datastores": assignments(&team.enrichment_datastores),
    });
    if extent == Extent::Whole {
        let members = directory.members_of(&key.id);
        let of = |kind: Kind| -> Vec<&str> {
            let members = members.iter().filter(|(known, _)| *known == kind);
            members.map(|(_, id)| *id).collect()
        };
        shown["users"] = json!(of(Kind::User));
        shown["service_users"] = json!(of(Kind::ServiceUser));
    }
    shown
}

fn assignments(assignments: &[Assignment]) -> Vec<Value> {
    let mut sorted: Vec<&Assignment> = assignments.iter().collect();
    sorted.sort_by(|one, other| one.to.id.cmp(&other.to.id));
    sorted.into_iter().map(assignment).collect()
}

/// A datastore of a team: with `permission` where it has a level of its own.
fn assignment(assignment: &Assignment) -> Value {
    match assignment.permission {
        None => json!({ "id": assignment.to.id }),
        Some(level) => json!({ "id": assignment.to.id, "permission": level.name() }),
    }
}
