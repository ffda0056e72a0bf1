//! The entity store: every entity with all its ancestors, checked against the schema and each other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Entity as PublicEntity, Schema};
use serde_json::value::RawValue;

use super::core::{self, Entity, EntityUID};
use super::fault::Fault;
use super::json::{Json, JsonError};
use super::options::{Options, UnknownParents};
use super::policies::{FILE_DEPTH_MAX, json_fault};
use super::sources::Sources;
use super::text::{Span, Text};
use super::vocabulary::Vocabulary;

/// The entities of a snapshot.
#[derive(Default)]
pub(super) struct EntityStore {
    entities: HashMap<EntityUID, Arc<Entity>>,
}

impl EntityStore {
    /// The entity, with all its ancestors, if the store has it.
    pub(super) fn get(&self, uid: &EntityUID) -> Option<&Arc<Entity>> {
        self.entities.get(uid)
    }

    pub(super) fn len(&self) -> usize {
        self.entities.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entity>> {
        self.entities.values()
    }

    /// How many there are of each type.
    pub(super) fn count_by_type(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for uid in self.entities.keys() {
            *counts.entry(uid.entity_type().to_string()).or_default() += 1;
        }
        counts
    }
}

/// An entity as it was read, before its ancestors are known.
struct Draft<'t> {
    entity: Entity,
    text: &'t Text,
    span: Span,
}

/// Reads, checks and links all entities; faults are added to `faults`.
pub(super) fn read(
    sources: &Sources,
    schema: &Schema,
    vocabulary: &Vocabulary,
    options: &Options,
    faults: &mut Vec<Fault>,
) -> EntityStore {
    let mut drafts = Drafts::default();
    for text in &sources.entities {
        read_array(text, schema, &mut drafts, faults);
    }
    for record in &sources.records {
        let entity = PublicEntity::from_json_value(record.entity.clone(), Some(schema));
        drafts.take(entity, &record.text, record.span, faults);
    }
    let mut drafts = drafts.list;
    let parents = link(&mut drafts, vocabulary, options, faults);
    close(drafts, &parents, options, faults)
}

#[derive(Default)]
struct Drafts<'t> {
    list: Vec<Draft<'t>>,
    by_uid: HashMap<EntityUID, usize>,
}

impl<'t> Drafts<'t> {
    fn take(
        &mut self,
        entity: Result<PublicEntity, cedar_policy::entities_errors::EntitiesError>,
        text: &'t Text,
        span: Span,
        faults: &mut Vec<Fault>,
    ) {
        let entity = match entity {
            Ok(entity) => core::entity(&entity).clone(),
            Err(error) => return faults.push(Fault::from_cedar("entity", &error, None).at(text, span)),
        };
        if entity.uid().is_action() {
            faults.push(
                Fault::error("entity-action", format!("`{}` is an action", entity.uid()))
                    .at(text, span)
                    .help("actions are declared in the schema, with their groups; remove this entity"),
            );
            return;
        }
        let Some(first) = self.by_uid.get(entity.uid()).map(|index| &self.list[*index]) else {
            self.by_uid.insert(entity.uid().clone(), self.list.len());
            return self.list.push(Draft { entity, text, span });
        };
        let place = first.text.place(first.span);
        faults.push(if first.entity.deep_eq(&entity) {
            Fault::error(
                "entity-duplicate",
                format!("`{}` is here twice, both times the same", entity.uid()),
            )
            .at(text, span)
            .and_at(place, "the first is here")
            .into_warning()
        } else {
            Fault::error(
                "entity-duplicate",
                format!("`{}` is here twice, with different content", entity.uid()),
            )
            .at(text, span)
            .and_at(place, "the first is here")
            .help("keep one of the two")
        });
    }
}

fn read_array<'t>(text: &'t Text, schema: &Schema, drafts: &mut Drafts<'t>, faults: &mut Vec<Fault>) {
    // Strictly first: what follows would keep the last of two equal member names.
    if let Err(error) = Json::read(text.content.as_bytes(), FILE_DEPTH_MAX) {
        return faults.push(json_fault("entity-syntax", text, &error));
    }
    let entities: Vec<&RawValue> = match serde_json::from_str(&text.content) {
        Ok(entities) => entities,
        Err(error) => return faults.push(json_fault("entity-syntax", text, &JsonError::from_serde(&error))),
    };
    for raw in entities {
        let span = text.span_of(raw.get());
        drafts.take(PublicEntity::from_json_str(raw.get(), Some(schema)), text, span, faults);
    }
}

/// Each draft's parents by number. Unknown parents are faults, or dropped with a warning.
fn link(
    drafts: &mut [Draft<'_>],
    vocabulary: &Vocabulary,
    options: &Options,
    faults: &mut Vec<Fault>,
) -> Vec<Vec<usize>> {
    let numbers: HashMap<EntityUID, usize> = drafts
        .iter()
        .enumerate()
        .map(|(number, draft)| (draft.entity.uid().clone(), number))
        .collect();
    drafts
        .iter_mut()
        .map(|draft| {
            let mut parents = Vec::new();
            let mut unknown = Vec::new();
            for parent in draft.entity.parents() {
                match numbers.get(parent) {
                    Some(number) => parents.push(*number),
                    None if is_enumerated(parent, vocabulary) => {}
                    None => unknown.push(parent.clone()),
                }
            }
            unknown.sort();
            for parent in unknown {
                let fault = Fault::error(
                    "entity-unknown-parent",
                    format!("`{}` has the parent `{parent}`, which is nowhere", draft.entity.uid()),
                )
                .at(draft.text, draft.span);
                faults.push(match options.unknown_parents {
                    UnknownParents::Refuse => fault.help("add that entity, or remove the parent"),
                    UnknownParents::Drop => fault.help("the parent is left out and grants nothing").into_warning(),
                });
                draft.entity.remove_parent(&parent);
            }
            parents.sort_unstable();
            parents
        })
        .collect()
}

fn is_enumerated(uid: &EntityUID, vocabulary: &Vocabulary) -> bool {
    vocabulary
        .type_of(uid.entity_type())
        .is_some_and(|index| vocabulary.type_entry(index).choices.is_some())
}

/// Gives every entity all its ancestors. Cedar's own closure recurses, and a chain of some thousands of parents would
/// end the process; this one keeps its own stack, and refuses cycles and chains beyond the limit.
fn close(drafts: Vec<Draft<'_>>, parents: &[Vec<usize>], options: &Options, faults: &mut Vec<Fault>) -> EntityStore {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; drafts.len()];
    let mut depths = vec![1_usize; drafts.len()];
    let mut order = Vec::with_capacity(drafts.len());
    for start in 0..drafts.len() {
        if marks[start] != Mark::New {
            continue;
        }
        // Each frame is an entity and how many of its parents have been looked at.
        let mut path = vec![(start, 0)];
        marks[start] = Mark::Open;
        while let Some((child, looked_at)) = path.last_mut() {
            let child = *child;
            if let Some(&parent) = parents[child].get(*looked_at) {
                *looked_at += 1;
                match marks[parent] {
                    Mark::New => {
                        marks[parent] = Mark::Open;
                        path.push((parent, 0));
                    }
                    Mark::Open => faults.push(cycle(&drafts, &path, parent)),
                    Mark::Done => {}
                }
            } else {
                depths[child] = 1 + parents[child].iter().map(|parent| depths[*parent]).max().unwrap_or(0);
                marks[child] = Mark::Done;
                order.push(child);
                path.pop();
            }
        }
    }
    let too_deep = (0..drafts.len()).find(|number| depths[*number] > options.ancestor_depth_max + 1);
    if let Some(number) = too_deep {
        let draft = &drafts[number];
        faults.push(
            Fault::error(
                "entity-depth",
                format!(
                    "`{}` has a chain of {} ancestors, and the limit is {}",
                    draft.entity.uid(),
                    depths[number] - 1,
                    options.ancestor_depth_max
                ),
            )
            .at(draft.text, draft.span)
            .help("flatten the groups, or raise `ancestor_depth_max` under `[limits]`"),
        );
    }
    if faults.iter().any(|fault| fault.severity == super::Severity::Error) {
        return EntityStore::default();
    }

    let uids: Vec<EntityUID> = drafts.iter().map(|draft| draft.entity.uid().clone()).collect();
    let known: HashSet<&EntityUID> = uids.iter().collect();
    let enumerated: Vec<Vec<EntityUID>> = drafts
        .iter()
        .map(|draft| draft.entity.parents().filter(|parent| !known.contains(parent)).cloned().collect())
        .collect();
    let mut ancestors: Vec<HashSet<usize>> = vec![HashSet::new(); drafts.len()];
    // Parents come before children in `order`.
    for &child in &order {
        let mut all: HashSet<usize> = parents[child].iter().copied().collect();
        for &parent in &parents[child] {
            all.extend(&ancestors[parent]);
        }
        ancestors[child] = all;
    }
    let entities = drafts
        .into_iter()
        .enumerate()
        .map(|(number, mut draft)| {
            // An enumerated parent needs no entity of its own, so it is not among the numbers; it is handed down alike.
            let above = ancestors[number].iter();
            for uid in above.flat_map(|ancestor| enumerated[*ancestor].iter().chain([&uids[*ancestor]])) {
                if !draft.entity.is_child_of(uid) {
                    draft.entity.add_indirect_ancestor(uid.clone());
                }
            }
            (uids[number].clone(), Arc::new(draft.entity))
        })
        .collect();
    EntityStore { entities }
}

fn cycle(drafts: &[Draft<'_>], path: &[(usize, usize)], again: usize) -> Fault {
    let from = path.iter().position(|(number, _)| *number == again).unwrap_or(0);
    let members: Vec<usize> = path[from..].iter().map(|(number, _)| *number).chain([again]).collect();
    // A cycle of a thousand is named by its ends.
    let shown: Vec<String> = if members.len() > 12 {
        let ends = members[..6].iter().map(Some).chain([None]);
        ends.chain(members[members.len() - 5..].iter().map(Some))
            .map(|number| number.map_or("…".to_owned(), |number| format!("`{}`", drafts[*number].entity.uid())))
            .collect()
    } else {
        members.iter().map(|number| format!("`{}`", drafts[*number].entity.uid())).collect()
    };
    let draft = &drafts[again];
    Fault::error(
        "entity-cycle",
        format!("a cycle of {} parents: {}", members.len() - 1, shown.join(" in ")),
    )
    .at(draft.text, draft.span)
    .help("no entity can be in itself: remove one of these parents")
}
