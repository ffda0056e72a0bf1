//! The directory as Cedar entities.
//!
//! Cedar cannot say "some team of the principal's has Write on this resource", so each datastore carries the teams that
//! may read and those that may write, and a policy asks whether the principal is in one of them. A team that may write
//! stands among the writers alone: that Write includes Read (R17) is a policy, where it can be seen.

use serde_json::{Value as Json, json};

use super::entry::{Account, Entry, Kind, Permission, Store, Team};
use super::model::Directory;
use super::rules::PUBLIC;
use crate::engine::Record;

impl Directory {
    /// All entities: one for each entry, and one for the built-in team.
    pub fn records(&self) -> Vec<Record> {
        let keys = Kind::ALL.into_iter().flat_map(|kind| self.ids(kind).map(move |id| (kind, id)));
        let mut records: Vec<Record> = keys.filter_map(|(kind, id)| self.record(kind, id)).collect();
        if self.team(PUBLIC).is_none() {
            records.extend(self.record(Kind::Team, PUBLIC));
        }
        records
    }

    /// The entity of an entry, or of the built-in team, if it is there.
    pub(super) fn record(&self, kind: Kind, id: &str) -> Option<Record> {
        let found = match self.find(kind, id) {
            Some(found) => found,
            None if (kind, id) == (Kind::Team, PUBLIC) => return self.built_in(),
            None => return None,
        };
        let entity = match &*found.stated.entry {
            Entry::Account(account) => account_entity(kind, id, account, &self.teams_of(kind, id)),
            Entry::Team(team) => team_entity(id, team),
            Entry::Store(store) => self.store_entity(kind, id, store),
        };
        Some(Record {
            entity,
            text: found.document.text.clone(),
            span: found.stated.at,
        })
    }

    /// The built-in team where no document has it. It stands where the first is that makes it needed.
    fn built_in(&self) -> Option<Record> {
        let kinds = [Kind::User, Kind::ServiceUser, Kind::Datastore];
        let (kind, id) = kinds.into_iter().find_map(|kind| Some((kind, self.ids(kind).next()?)))?;
        let found = self.find(kind, id)?;
        Some(Record {
            entity: json!({
                "uid": uid(Kind::Team, PUBLIC),
                "attrs": { "name": PUBLIC, "description": "" },
                "parents": [],
            }),
            text: found.document.text.clone(),
            span: found.stated.at,
        })
    }

    /// A datastore with those who may do what to it.
    fn store_entity(&self, kind: Kind, id: &str, store: &Store) -> Json {
        let (mut readers, mut writers) = (Vec::new(), Vec::new());
        for (_, team_id) in self.referrers(kind, id) {
            let Some(team) = self.team(team_id) else { continue };
            let assignments = match kind {
                Kind::EnrichmentDatastore => &team.enrichment_datastores,
                _ => &team.datastores,
            };
            for assignment in assignments.iter().filter(|assignment| &*assignment.to.id == id) {
                // The assignment's own level wins over the team's (R23).
                match assignment.permission.or(team.permission) {
                    Some(Permission::Read) => readers.push(team_id),
                    Some(Permission::Write) => writers.push(team_id),
                    None => {}
                }
            }
        }
        let set = |teams: Vec<&str>| -> Vec<Json> {
            teams.iter().map(|team| json!({ "__entity": uid(Kind::Team, team) })).collect()
        };
        json!({
            "uid": uid(kind, id),
            "attrs": { "name": store.name, "readers": set(readers), "writers": set(writers) },
            "parents": [],
        })
    }
}

fn uid(kind: Kind, id: &str) -> Json {
    json!({ "type": kind.entity_type(), "id": id })
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
