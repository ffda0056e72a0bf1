//! Names that nobody knows, and what was perhaps meant.

use super::words::shortened;
use super::{Asked, Unknown};
use crate::engine::fault::nearest;
use crate::engine::query::Query;
use crate::engine::snapshot::Snapshot;
use crate::engine::vocabulary::{ActionEntry, TypeEntry, TypeIx};

/// Entities among whose ids a near one is looked for.
const IDS_MAX: usize = 2_000;

/// Names of one list that are told, and characters of a name that was asked for.
const NAMES_MAX: usize = 17;
const NAME_MAX: usize = 200;

impl Snapshot {
    /// The names of a question that the schema does not know, or the parts that do not go together.
    pub(super) fn unknown_names(&self, query: &Query<'_>) -> Vec<Unknown> {
        let mut unknown = Vec::new();
        let vocabulary = &self.vocabulary;
        let types = [
            (
                Asked::Principal,
                query.principal,
                vocabulary.entity_type(query.principal.entity_type),
            ),
            (
                Asked::Resource,
                query.resource,
                vocabulary.entity_type(query.resource.entity_type),
            ),
        ];
        for (part, asked, found) in &types {
            match found {
                None => {
                    let names = vocabulary.types.iter().map(|entry| entry.name.as_str());
                    unknown.push(Unknown::Type {
                        part: *part,
                        name: told(asked.entity_type),
                        nearest: near(asked.entity_type, names),
                    });
                }
                Some((_, entry)) if !entry.admits(asked.id) => {
                    let choices = entry.choices.iter().flatten().take(NAMES_MAX);
                    let choices: Vec<String> = choices.map(|id| told(id.as_ref())).collect();
                    unknown.push(Unknown::EnumeratedId {
                        part: *part,
                        entity_type: entry.name.clone(),
                        id: told(asked.id),
                        choices,
                    });
                }
                Some(_) => {}
            }
        }
        match vocabulary.action(query.action.name) {
            None => {
                let names = vocabulary.actions.iter().flat_map(|entry| [entry.name.as_str(), short(&entry.uid)]);
                unknown.push(Unknown::Action {
                    name: told(query.action.name),
                    nearest: near(query.action.name, names),
                });
            }
            Some((_, action)) => {
                if let (true, Some((principal, _)), Some((resource, _))) = (unknown.is_empty(), types[0].2, types[1].2)
                {
                    unknown.push(self.not_applicable(action, principal, resource));
                }
            }
        }
        unknown
    }

    fn not_applicable(&self, action: &ActionEntry, principal: TypeIx, resource: TypeIx) -> Unknown {
        let names = |types: &[TypeIx]| {
            let types = types.iter().take(NAMES_MAX);
            types.map(|ty| self.vocabulary.type_entry(*ty).name.clone()).collect()
        };
        let fits = |entry: &&ActionEntry| entry.principals.contains(&principal) && entry.resources.contains(&resource);
        Unknown::NotApplicable {
            action: action.name.clone(),
            principals: names(&action.principals),
            resources: names(&action.resources),
            actions: self
                .vocabulary
                .actions
                .iter()
                .filter(fits)
                .take(NAMES_MAX)
                .map(|entry| entry.name.clone())
                .collect(),
        }
    }

    /// An entity that the store does not have, and the nearest that it has.
    pub(super) fn unknown_entity(&self, part: Asked, ty: TypeIx, entry: &TypeEntry, id: &str) -> Option<Unknown> {
        let is_there = self.entities.table.find(ty, id).is_some_and(|(_, view)| view.exists());
        if is_there || entry.choices.is_some() {
            return None;
        }
        let ids: Vec<&str> = if self.counts().entities <= IDS_MAX {
            self.entities
                .of_type(ty)
                .filter_map(|(_, view)| std::str::from_utf8(view.id()).ok())
                .collect()
        } else {
            Vec::new()
        };
        Some(Unknown::Entity {
            part,
            entity_type: entry.name.clone(),
            id: told(id),
            nearest: near(id, ids.into_iter()),
        })
    }
}

/// A name as it is told.
fn told(name: &str) -> String {
    shortened(name.into(), NAME_MAX).into_owned()
}

fn short(uid: &crate::engine::core::EntityUID) -> &str {
    uid.eid().as_ref()
}

fn near<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<String> {
    nearest(name, known).map(str::to_owned)
}
