//! Cedar's own evaluator on the same question: the reference, the source of words for what errs, and the way for what
//! has no compiled form.
//!
//! It is handed a slice, the few entities that a decision can look at, instead of the world.

use std::collections::HashSet;
use std::sync::Arc;

use smol_str::SmolStr;

use super::bridge::{Names, entity_to_cedar, members_to_cedar};
use super::core::{
    self, Context, Eid, Entities, Entity as CoreEntity, EntityUID, EntityUIDEntry, Evaluator, Expr, Extensions,
    Request, Value,
};
use super::entity::{EntityView, references};
use super::evaluate::Question;
use super::index::{Bucket, Index};
use super::value::{Uid, Val};
use super::vocabulary::{ActionEntry, Vocabulary};

/// A question in Cedar's terms.
pub(super) struct Reference {
    request: Request,
    entities: Entities,
}

/// What turns numbers into names.
struct Speaker<'a> {
    question: &'a Question<'a>,
    vocabulary: &'a Vocabulary,
    index: &'a Index,
}

impl Names for Speaker<'_> {
    fn uid(&self, uid: Uid) -> EntityUID {
        let ty = self.vocabulary.cedar_type(self.question.type_of(uid)).clone();
        let id = match uid.foreign() {
            Some(index) => SmolStr::new(&self.question.foreign[index].1),
            None => SmolStr::new(String::from_utf8_lossy(self.question.table.view(uid).id())),
        };
        EntityUID::from_components(ty, Eid::new(id), None)
    }

    fn symbol(&self, symbol: u32) -> SmolStr {
        self.index.symbols.name(symbol).clone()
    }
}

impl Reference {
    /// The question, with the entities that the policies of a bucket can see.
    ///
    /// Level 1 is the principal, the resource and what the request refers to; each further level what the attributes
    /// and tags of the last one refer to.
    /// INVARIANT: validation bounds every policy by its level, so what is left out cannot be looked at.
    pub(super) fn new(
        question: &Question<'_>,
        action: &ActionEntry,
        bucket: &Bucket,
        vocabulary: &Vocabulary,
        index: &Index,
    ) -> Self {
        let speaker = Speaker {
            question,
            vocabulary,
            index,
        };
        let mut seen: HashSet<Uid> = HashSet::new();
        let mut level: Vec<(Uid, EntityView<'_>)> = Vec::new();
        let load = |uid: Uid, into: &mut Vec<_>, seen: &mut HashSet<Uid>| {
            if let Some(view) = question.entity(uid)
                && seen.insert(uid)
            {
                into.push((uid, view));
            }
        };
        load(question.principal.uid, &mut level, &mut seen);
        load(question.resource.uid, &mut level, &mut seen);
        references(&Val::Record(question.context), &mut |uid| load(uid, &mut level, &mut seen));
        for side in [&question.principal, &question.resource] {
            // What the request itself says of an entity is a starting point like the context.
            if let Some(entity) = side.entity
                && is_shaped(question, side.uid, entity)
            {
                entity.references(&mut |uid| load(uid, &mut level, &mut seen));
            }
        }
        bucket.literals.iter().for_each(|uid| load(*uid, &mut level, &mut seen));
        let mut entities: Vec<Arc<CoreEntity>> = Vec::with_capacity(level.len() + 1);
        for depth in 1..=bucket.level.max(1) {
            let mut next = Vec::new();
            for (_, view) in &level {
                if depth < bucket.level {
                    view.references(&mut |uid| load(uid, &mut next, &mut seen));
                }
                if vocabulary.entity_type_entry(view.ty()).is_some() {
                    entities.push(Arc::new(entity_to_cedar(*view, vocabulary, &speaker)));
                } else if let Some(entry) = action_entry(&speaker, *view, vocabulary) {
                    entities.push(entry.entity.clone());
                }
            }
            level = next;
        }
        if bucket.looks_at_action && !seen.contains(&question.action) {
            entities.push(action.entity.clone());
        }
        let context = members_to_cedar(&question.context, &speaker);
        let request = Request::new_unchecked(
            EntityUIDEntry::known(speaker.uid(question.principal.uid), None),
            EntityUIDEntry::Known {
                euid: action.uid.clone(),
                loc: None,
            },
            EntityUIDEntry::known(speaker.uid(question.resource.uid), None),
            Some(Context::Value(Arc::new(context))),
        );
        Self {
            request,
            entities: core::slice_of(entities),
        }
    }

    /// The entities that can be looked at, in Cedar's JSON format.
    pub(super) fn entities_json(&self) -> Option<serde_json::Value> {
        self.entities.to_json_value().ok()
    }

    /// How many entities it has been handed.
    pub(super) fn len(&self) -> usize {
        self.entities.len()
    }

    /// The value of an expression; none if it errs.
    pub(super) fn value(&self, expr: &Expr) -> Option<Value> {
        let evaluator = Evaluator::new(self.request.clone(), &self.entities, Extensions::all_available());
        core::value(&evaluator, expr)
    }

    /// Whether the clauses of a policy hold, or why that cannot be said.
    pub(super) fn holds(&self, body: &Expr) -> Result<bool, String> {
        let evaluator = Evaluator::new(self.request.clone(), &self.entities, Extensions::all_available());
        core::holds(&evaluator, body)
    }
}

/// What Cedar says of whoever looks into an entity that does not exist.
///
/// Most policies err with this that meet a principal or a resource of which nobody knows. To make Cedar's slice and
/// request for these words alone would take longer than all the rest of the question.
pub(super) fn no_entity(uid: Uid, question: &Question<'_>, vocabulary: &Vocabulary, index: &Index) -> String {
    let speaker = Speaker {
        question,
        vocabulary,
        index,
    };
    format!("entity `{}` does not exist", speaker.uid(uid))
}

/// Whether the request has made an entity other than the store has it.
fn is_shaped(question: &Question<'_>, uid: Uid, entity: EntityView<'_>) -> bool {
    let stored = question.table.entity(uid);
    stored.is_none_or(|stored| !std::ptr::eq(stored.bytes(), entity.bytes()))
}

fn action_entry<'v>(
    speaker: &Speaker<'_>,
    view: EntityView<'_>,
    vocabulary: &'v Vocabulary,
) -> Option<&'v ActionEntry> {
    let id = SmolStr::new(String::from_utf8_lossy(view.id()));
    let uid = EntityUID::from_components(speaker.vocabulary.cedar_type(view.ty()).clone(), Eid::new(id), None);
    Some(vocabulary.action_entry(vocabulary.action_of(&uid)?))
}
