//! One fact changed, and the whole question asked again.

use foldhash::{HashMap, HashSet};
use smallvec::SmallVec;

use super::sight::{At, Fact, Root, Sight};
use super::words::date;
use crate::engine::Effect;
use crate::engine::entity::{EntityView, Parts};
use crate::engine::evaluate::{Question, Side};
use crate::engine::options::ErringForbid;
use crate::engine::shape::{Extension, Shape};
use crate::engine::table::{Editor, Table};
use crate::engine::value::{Cell, Record, Set, Symbol, Tail, Uid, Val};

/// A table is copied for what is not the principal, the resource or the context; larger ones are left alone.
const TABLE_MAX: usize = 100_000;

/// A change of one fact.
#[derive(Clone)]
pub(super) enum Edit<'q, 's> {
    /// A fact becomes this, or goes.
    Put(Fact<'q, 's>, Option<Val<'q>>),
    /// An entity gets a parent.
    Join(Uid, Uid),
    /// An entity loses a parent.
    Leave(Uid, Uid),
    /// A set loses a value, whatever else is in it by then.
    TakeOut(Fact<'q, 's>, Val<'q>),
}

impl Edit<'_, '_> {
    /// Whether it changes the same to the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Put(fact, value), Self::Put(others, new)) => {
                fact.is(others)
                    && match (value, new) {
                        (Some(value), Some(new)) => value.equals(new),
                        (None, None) => true,
                        _ => false,
                    }
            }
            (Self::Join(a, b), Self::Join(c, d)) | (Self::Leave(a, b), Self::Leave(c, d)) => (a, b) == (c, d),
            _ => false,
        }
    }
}

/// Why a change was not tried.
pub(super) struct NotTried;

/// How a question is answered. Of what is forbidden it may be unknown whether it is permitted.
#[derive(Clone, Copy, Default)]
pub(super) struct Answer {
    permitted: bool,
    pub(super) forbidden: bool,
}

impl Answer {
    pub(super) fn allows(self) -> bool {
        self.permitted && !self.forbidden
    }
}

/// What is otherwise after a change; the rest is as it was.
#[derive(Default)]
struct Changed<'q> {
    table: Option<Table>,
    principal: Option<Vec<u8>>,
    resource: Option<Vec<u8>>,
    context: Option<Record<'q>>,
}

impl Changed<'_> {
    /// The question after it.
    fn question<'t>(&'t self, before: &Question<'t>) -> Question<'t> {
        let side = |side: &Side<'t>, bytes: &'t Option<Vec<u8>>| Side {
            uid: side.uid,
            entity: bytes.as_deref().map(EntityView::new).or(side.entity),
        };
        Question {
            table: self.table.as_ref().unwrap_or(before.table),
            principal: side(&before.principal, &self.principal),
            action: before.action,
            resource: side(&before.resource, &self.resource),
            context: self.context.unwrap_or(before.context),
            foreign: before.foreign,
            made: before.made,
        }
    }
}

impl<'q, 's: 'q> Sight<'q, 's> {
    /// What the answer is once this is changed.
    ///
    /// # Errors
    /// The change cannot be made, or it is too much work to try it.
    pub(super) fn answer_after(&self, edit: &Edit<'q, 's>) -> Result<Answer, NotTried> {
        let changed = self.changed(edit)?;
        let question = changed.question(self.question);
        Sight::new(self.snapshot, self.resolved, &question, self.work).answer()
    }

    /// Looks at the question as it is once all of this is changed, one after the other.
    ///
    /// # Errors
    /// A change cannot be made, or it is too much work to try it.
    pub(super) fn after_all<R>(
        &self,
        edits: &[Edit<'q, 's>],
        look: &dyn Fn(&Sight<'_, 's>) -> R,
    ) -> Result<R, NotTried> {
        let Some((first, rest)) = edits.split_first() else { return Ok(look(self)) };
        let changed = self.changed(first)?;
        let question = changed.question(self.question);
        Sight::new(self.snapshot, self.resolved, &question, self.work).after_all(rest, look)
    }

    /// What is otherwise after a change.
    fn changed(&self, edit: &Edit<'q, 's>) -> Result<Changed<'q>, NotTried> {
        if self.work.is_over() {
            return Err(NotTried);
        }
        let question = self.question;
        match edit {
            Edit::Put(fact, value) if fact.root == Root::Context => {
                let Val::Record(context) = self.put(Some(Val::Record(question.context)), &fact.members, *value) else {
                    return Err(NotTried);
                };
                Ok(Changed {
                    context: Some(context),
                    ..Changed::default()
                })
            }
            Edit::Put(fact, value) => {
                let uid = fact.entity().ok_or(NotTried)?;
                let entity = question.entity(uid).ok_or(NotTried)?;
                let bytes = self.with_fact(entity, fact, *value);
                if self.is_side(uid) {
                    return Ok(self.changed_side(uid, &bytes));
                }
                let mut editor = self.editor()?;
                editor.replace(uid, &bytes);
                Ok(Changed {
                    table: Some(editor.finish()),
                    ..Changed::default()
                })
            }
            Edit::TakeOut(fact, item) => {
                let Some(Val::Set(set)) = self.read(fact) else {
                    return Ok(Changed::default());
                };
                let rest = Val::Set(self.less(set, item));
                self.changed(&Edit::Put(fact.clone(), Some(rest)))
            }
            Edit::Join(uid, group) => self.moved(*uid, |parents| parents.push(*group)),
            Edit::Leave(uid, group) => self.moved(*uid, |parents| parents.retain(|parent| parent != group)),
        }
    }

    /// A set without one of its values.
    pub(super) fn less(&self, set: Set<'q>, item: &Val<'_>) -> Set<'q> {
        let rest: Vec<Val<'q>> = set.iter().filter(|known| !known.equals(item)).collect();
        Set::Made(self.question.made.alloc_slice_copy(&rest))
    }

    /// The question as it is.
    pub(super) fn same(&self) -> Question<'q> {
        let question = self.question;
        Question {
            table: question.table,
            principal: question.principal,
            action: question.action,
            resource: question.resource,
            context: question.context,
            foreign: question.foreign,
            made: question.made,
        }
    }

    fn is_side(&self, uid: Uid) -> bool {
        uid == self.question.principal.uid || uid == self.question.resource.uid
    }

    fn changed_side(&self, uid: Uid, bytes: &[u8]) -> Changed<'q> {
        let of = |side: &Side<'_>| (side.uid == uid).then(|| bytes.to_vec());
        Changed {
            principal: of(&self.question.principal),
            resource: of(&self.question.resource),
            ..Changed::default()
        }
    }

    /// How the question is answered.
    ///
    /// # Errors
    /// The work is over before all of it is known.
    fn answer(&self) -> Result<Answer, NotTried> {
        let question = self.question;
        let mut answer = Answer::default();
        let skips = self.snapshot.options.erring_forbid == ErringForbid::Skipped;
        self.resolved.bucket.visit(&question.principal, &question.resource, |number| {
            let policy = &self.snapshot.index.policies[number as usize];
            let effect = policy.info.effect;
            // Once it is forbidden nothing else counts, and one permit is as good as two.
            if answer.forbidden || answer.permitted && effect == Effect::Permit || self.work.is_over() {
                return;
            }
            self.work.spend(1);
            if !policy.principal.takes(&question.principal) || !policy.resource.takes(&question.resource) {
                return;
            }
            let body = policy.body.as_deref();
            let holds = body.map_or(Ok(true), |body| self.test(At::new(&body.expr, body.compiled.as_ref())));
            match (effect, holds) {
                (Effect::Permit, holds) => answer.permitted |= holds == Ok(true),
                (Effect::Forbid, Ok(holds)) => answer.forbidden |= holds,
                (Effect::Forbid, Err(_)) => answer.forbidden |= !skips,
            }
        });
        if self.work.is_over() { Err(NotTried) } else { Ok(answer) }
    }

    /// A value with another one in it, where the members lead.
    fn put(&self, whole: Option<Val<'q>>, members: &[Symbol], value: Option<Val<'q>>) -> Val<'q> {
        let Some((first, rest)) = members.split_first() else {
            // INVARIANT: nothing is taken away here but members.
            return value.unwrap_or(Val::Bool(false));
        };
        let mut record: SmallVec<[(Symbol, Val<'q>); 8]> = match whole {
            Some(Val::Record(record)) => record.iter().collect(),
            _ => SmallVec::new(),
        };
        let known = record.iter().position(|(symbol, _)| symbol == first);
        match (known, rest.is_empty() && value.is_none()) {
            (Some(index), true) => drop(record.remove(index)),
            (None, true) => {}
            (Some(index), false) => record[index].1 = self.put(Some(record[index].1), rest, value),
            (None, false) => record.push((*first, self.put(None, rest, value))),
        }
        record.sort_by_key(|(symbol, _)| *symbol);
        Val::Record(Record::Made(self.question.made.alloc_slice_copy(&record)))
    }

    /// The bytes of an entity with one fact changed.
    fn with_fact(&self, entity: EntityView<'q>, fact: &Fact<'q, 's>, value: Option<Val<'q>>) -> Vec<u8> {
        let new = |before: Option<Val<'q>>| match (fact.members.is_empty(), value) {
            (true, value) => value,
            (false, value) => Some(self.put(before, &fact.members, value)),
        };
        let mut tail = Tail::default();
        let fields = self
            .snapshot
            .vocabulary
            .entity_type_entry(entity.ty())
            .map_or(0, |entry| entry.fields.len());
        let mut cells: Vec<Cell> = (0..fields)
            .map(|slot| {
                let before = entity.attribute(slot);
                let after = match fact.root {
                    Root::Attribute(_, changed) if changed == slot => new(before),
                    _ => before,
                };
                after.map_or(Cell::NONE, |value| tail.copy(&value))
            })
            .collect();
        let mut tags: Vec<(&[u8], Val<'q>)> = entity.tags().iter().collect();
        if let Root::Tag(_, key) = fact.root {
            let before = entity.tags().get(key);
            tags.retain(|(known, _)| *known != key);
            tags.extend(new(before).map(|value| (key, value)));
        }
        let mut tags: Vec<(&[u8], Cell)> = tags.iter().map(|(key, value)| (*key, tail.copy(value))).collect();
        cells.push(tail.tags(&mut tags));
        let parents: Vec<Uid> = entity.parents().collect();
        let above: Vec<Uid> = entity.ancestors().skip(parents.len()).collect();
        let parts = Parts {
            ty: entity.ty(),
            id: entity.id(),
            exists: true,
            cells: &cells,
            parents: &parents,
            above: &above,
            depth: entity.depth(),
            tail: &tail.bytes,
        };
        let mut bytes = Vec::new();
        parts.write(&mut bytes);
        bytes
    }

    /// What is otherwise once an entity has other parents.
    fn moved(&self, uid: Uid, change: impl Fn(&mut Vec<Uid>)) -> Result<Changed<'q>, NotTried> {
        let question = self.question;
        let entity = question.entity(uid).ok_or(NotTried)?;
        let mut parents: Vec<Uid> = entity.parents().collect();
        change(&mut parents);
        parents.sort_unstable();
        let (ancestors, depth) = above(&parents, |parent| question.table.view(parent));
        if depth > self.snapshot.options.ancestor_depth_max + 1 {
            return Err(NotTried);
        }
        let holds = self.snapshot.vocabulary.entity_type_entry(entity.ty()).is_none_or(|entry| entry.holds);
        if self.is_side(uid) && !holds {
            let bytes = moved(entity, &parents, &ancestors, depth);
            return Ok(self.changed_side(uid, &bytes));
        }
        let table = self.moved_table(uid, &parents, &ancestors, depth)?;
        // What the request or an earlier change shapes is moved like what the store has; what the request alone knows is
        // in nothing.
        let bytes = [question.principal, question.resource].map(|side| {
            let stored = question.table.entity(side.uid)?;
            Some(match side.entity {
                Some(shaped) if !std::ptr::eq(shaped.bytes(), stored.bytes()) => {
                    let parents: Vec<Uid> = match side.uid == uid {
                        true => parents.clone(),
                        false => shaped.parents().collect(),
                    };
                    let (above, depth) = above(&parents, |parent| table.view(parent));
                    moved(shaped, &parents, &above, depth)
                }
                _ => table.entity(side.uid)?.bytes().to_vec(),
            })
        });
        let [principal, resource] = bytes;
        Ok(Changed {
            table: Some(table),
            principal,
            resource,
            context: None,
        })
    }

    fn editor(&self) -> Result<Editor, NotTried> {
        let table = self.question.table;
        if table.names() > TABLE_MAX {
            return Err(NotTried);
        }
        self.work.spend(1 + table.names() / 512);
        Ok(Editor::new(table.clone()))
    }

    /// The table in which an entity has other parents, and all that are in it have other ancestors.
    fn moved_table(&self, uid: Uid, parents: &[Uid], own: &[Uid], depth: usize) -> Result<Table, NotTried> {
        let mut editor = self.editor()?;
        let table = self.question.table;
        let stored = table.entity(uid).ok_or(NotTried)?;
        self.work.spend(table.names() / 64);
        editor.replace(uid, &moved(stored, parents, own, depth));
        let mut below: Vec<(usize, Uid)> = table
            .iter()
            .filter(|(_, view)| view.has_ancestor(uid))
            .map(|(below, view)| (view.depth(), below))
            .collect();
        below.sort_unstable();
        let mut known: HashMap<Uid, Vec<u8>> = HashMap::default();
        known.insert(uid, moved(stored, parents, own, depth));
        for (_, below) in below {
            self.work.spend(1);
            if self.work.is_over() {
                return Err(NotTried);
            }
            let view = table.view(below);
            let parents: Vec<Uid> = view.parents().collect();
            let (above, depth) = above(&parents, |parent| match known.get(&parent) {
                Some(bytes) => EntityView::new(bytes),
                None => table.view(parent),
            });
            if depth > self.snapshot.options.ancestor_depth_max + 1 {
                return Err(NotTried);
            }
            let bytes = moved(view, &parents, &above, depth);
            editor.replace(below, &bytes);
            known.insert(below, bytes);
        }
        Ok(editor.finish())
    }

    /// Whether an entity may get this parent.
    pub(super) fn can_join(&self, uid: Uid, group: Uid) -> bool {
        let vocabulary = &self.snapshot.vocabulary;
        let table = self.question.table;
        let (None, None) = (uid.foreign(), group.foreign()) else { return false };
        let (Some(member), Some(above)) = (
            vocabulary.entity_type_entry(self.type_of(uid)),
            vocabulary.entity_type_entry(self.type_of(group)),
        ) else {
            return false;
        };
        // Parents are the store's, so what only a request knows gets none; and nothing is in itself.
        table.entity(uid).is_some_and(|entity| !entity.has_parent(group))
            && (table.entity(group).is_some() || above.choices.is_some())
            && member.above.contains(&self.type_of(group))
            && uid != group
            && !table.view(group).has_ancestor(uid)
    }

    /// Whether a value may stand where the schema wants this.
    pub(super) fn fits(&self, value: &Val<'_>, shape: &Shape) -> bool {
        match (value, shape) {
            (Val::Bool(_), Shape::Bool) | (Val::Long(_), Shape::Long) | (Val::String(_), Shape::String) => true,
            (Val::Entity(uid), Shape::Entity(ty)) => self.type_of(*uid) == *ty,
            (Val::Set(set), Shape::Set(element)) => set.iter().all(|item| self.fits(&item, element)),
            (Val::Record(record), Shape::Record(fields)) => {
                let declared = |(symbol, value): (Symbol, Val<'_>)| {
                    fields.iter().any(|(_, field)| field.symbol == symbol && self.fits(&value, &field.shape))
                };
                record.iter().all(declared)
                    && fields.iter().all(|(_, field)| !field.required || record.get(field.symbol).is_some())
            }
            // Years have four digits where they are written.
            (Val::Datetime(value), Shape::Extension(Extension::Datetime)) => date(*value).is_some(),
            (Val::Decimal(_), Shape::Extension(Extension::Decimal))
            | (Val::Duration(_), Shape::Extension(Extension::Duration))
            | (Val::Ip(_), Shape::Extension(Extension::Ip)) => true,
            _ => false,
        }
    }
}

/// The ancestors beyond these parents, and the depth below them.
fn above<'v>(parents: &[Uid], view: impl Fn(Uid) -> EntityView<'v>) -> (Vec<Uid>, usize) {
    let mut depth = 1;
    let mut all: HashSet<Uid> = HashSet::default();
    for parent in parents {
        let view = view(*parent);
        depth = depth.max(1 + view.depth());
        all.extend(view.ancestors());
    }
    for parent in parents {
        all.remove(parent);
    }
    let mut above: Vec<Uid> = all.into_iter().collect();
    above.sort_unstable();
    (above, depth)
}

/// An entity with these ancestors.
fn moved(entity: EntityView<'_>, parents: &[Uid], above: &[Uid], depth: usize) -> Vec<u8> {
    use crate::engine::entity::{write_with_ancestors, write_with_parents};
    let (mut with_parents, mut bytes) = (Vec::new(), Vec::new());
    write_with_parents(entity, parents, &mut with_parents);
    write_with_ancestors(EntityView::new(&with_parents), above, depth, &mut bytes);
    bytes
}
