//! The few entities that a decision needs, instead of the world.

use std::collections::HashSet;
use std::sync::Arc;

use super::core::{self, Entities, Entity, EntityUID, Literal, PartialValue, Value, ValueKind};
use super::entities::EntityStore;
use super::index::Bucket;
use super::vocabulary::{ActionEntry, Vocabulary};

/// Where a slice begins.
pub(super) struct Roots<'r> {
    /// As the request shapes it; none if neither the store nor the request knows it.
    pub(super) principal: Option<Arc<Entity>>,
    /// As the request shapes it; none if neither the store nor the request knows it.
    pub(super) resource: Option<Arc<Entity>>,
    pub(super) action: &'r ActionEntry,
    /// Entities that the values of the request refer to.
    pub(super) referred: &'r [EntityUID],
}

/// The entities that the policies of a bucket can see from these roots.
///
/// Level 1 is the roots themselves, each further level what the attributes and tags of the last one refer to.
/// INVARIANT: validation bounds every policy by its level, so what is left out cannot be looked at.
pub(super) fn slice(roots: Roots<'_>, bucket: &Bucket, vocabulary: &Vocabulary, store: &EntityStore) -> Entities {
    let mut entities: Vec<Arc<Entity>> = Vec::with_capacity(4);
    let principal_is_resource = match (&roots.principal, &roots.resource) {
        (Some(principal), Some(resource)) => principal.uid() == resource.uid(),
        _ => false,
    };
    entities.extend(roots.principal);
    if !principal_is_resource {
        entities.extend(roots.resource);
    }
    if bucket.looks_at_action {
        entities.push(roots.action.entity.clone());
    }
    if roots.referred.is_empty() && bucket.literals.is_empty() && bucket.level <= 1 {
        return core::slice_of(entities);
    }

    let mut seen: HashSet<EntityUID> = entities.iter().map(|entity| entity.uid().clone()).collect();
    let mut load = |uid: &EntityUID, into: &mut Vec<Arc<Entity>>| {
        let action = || {
            let index = vocabulary.action_of(uid)?;
            Some(&vocabulary.action_entry(index).entity)
        };
        if let Some(entity) = store.get(uid).or_else(action)
            && seen.insert(uid.clone())
        {
            into.push(entity.clone());
        }
    };
    for uid in roots.referred.iter().chain(&bucket.literals) {
        load(uid, &mut entities);
    }
    let mut level_start = 0;
    for _ in 1..bucket.level {
        let level_end = entities.len();
        for index in level_start..level_end {
            let mut found = Vec::new();
            let entity = entities[index].clone();
            for (_, value) in entity.attrs().chain(entity.tags()) {
                if let PartialValue::Value(value) = value {
                    references(value, &mut |uid| load(uid, &mut found));
                }
            }
            entities.append(&mut found);
        }
        level_start = level_end;
    }
    core::slice_of(entities)
}

/// Calls `visit` for every entity that a value refers to.
fn references(value: &Value, visit: &mut impl FnMut(&EntityUID)) {
    match value.value_kind() {
        ValueKind::Lit(Literal::EntityUID(uid)) => visit(uid),
        ValueKind::Lit(_) | ValueKind::ExtensionValue(_) => {}
        ValueKind::Set(items) => items.iter().for_each(|item| references(item, visit)),
        ValueKind::Record(members) => members.values().for_each(|member| references(member, visit)),
    }
}
