//! What would have to be otherwise: from the shape of a condition to changes that are worth a try.

use super::change::Edit;
use super::sight::{At, Fact, Parts, Root, Sight};
use crate::engine::core::{BinaryOp, ExprKind, UnaryOp};
use crate::engine::index::{Policy, Scope};
use crate::engine::shape::Shape;
use crate::engine::value::{Set, Uid, Val};

/// Changes that are thought of for one question; more are left out, and the explanation says so.
const WISHES_MAX: usize = 64;

/// Bytes of a value that is told: whoever makes a change has to read it.
const VALUE_MAX: usize = 1_000;

/// Changes that one set gives rise to.
const CHOICES_MAX: usize = 16;

/// A change that is worth a try.
pub(super) struct Wish<'q, 's> {
    pub(super) edit: Edit<'q, 's>,
    pub(super) told: Told<'q, 's>,
    /// The number of the policy that it is thought of for.
    pub(super) policy: u32,
}

/// How a change is told.
#[derive(Clone)]
pub(super) enum Told<'q, 's> {
    /// The attribute that lists the group, if one does.
    Join(Option<Fact<'q, 's>>),
    Leave(Option<Fact<'q, 's>>),
    Set,
    Remove,
    Add(Val<'q>),
    TakeOut(Val<'q>),
}

/// The wishes for one question.
pub(super) struct Wishes<'a, 'q, 's> {
    sight: &'a Sight<'q, 's>,
    pub(super) all: Vec<Wish<'q, 's>>,
    pub(super) is_cut: bool,
    /// Whether they are about a forbid that has to go.
    pub(super) is_about_forbid: bool,
    policy: u32,
}

impl<'a, 'q, 's: 'q> Wishes<'a, 'q, 's> {
    pub(super) fn new(sight: &'a Sight<'q, 's>) -> Self {
        Self {
            sight,
            all: Vec::new(),
            is_cut: false,
            is_about_forbid: false,
            policy: 0,
        }
    }

    /// Thinks of changes after which a policy holds, or does not.
    pub(super) fn about(&mut self, number: u32, policy: &'s Policy, holds: bool) {
        self.policy = number;
        for (scope, side) in [
            (policy.principal, &self.sight.question.principal),
            (policy.resource, &self.sight.question.resource),
        ] {
            if let Scope::In(group) = scope
                && side.is_in(group) != holds
            {
                self.membership(side.uid, &mut std::iter::once(group), None, holds);
            }
        }
        if let Some(body) = policy.body.as_deref() {
            self.wish(At::new(&body.expr, body.compiled.as_ref()), holds);
        }
    }

    fn push(&mut self, edit: Edit<'q, 's>, told: Told<'q, 's>) {
        if self.all.iter().any(|known| known.edit.is(&edit)) {
            return;
        }
        let value = match (&edit, &told) {
            (_, Told::Add(item) | Told::TakeOut(item)) => Some(*item),
            (Edit::Put(_, value), _) => *value,
            _ => None,
        };
        let is_long = value.is_some_and(|value| self.sight.length(&value, VALUE_MAX) > VALUE_MAX);
        if is_long || self.all.len() == WISHES_MAX {
            self.is_cut = true;
            return;
        }
        let policy = self.policy;
        self.all.push(Wish { edit, told, policy });
    }

    /// A fact is to become this. Its entity must be there; tags are the store's alone.
    fn put(&mut self, fact: &Fact<'q, 's>, value: Val<'q>, told: Told<'q, 's>) {
        let question = self.sight.question;
        let exists = match fact.root {
            Root::Attribute(uid, _) => question.entity(uid).is_some(),
            Root::Tag(uid, _) => question.table.entity(uid).is_some(),
            Root::Context => true,
        };
        if exists && self.sight.fits(&value, fact.shape) && self.admits(&value) {
            self.push(Edit::Put(fact.clone(), Some(value)), told);
        }
    }

    /// Whether an enumerated type has this id.
    fn admits(&self, value: &Val<'_>) -> bool {
        let Val::Entity(uid) = value else { return true };
        let entry = self.sight.snapshot.vocabulary.entity_type_entry(self.sight.type_of(*uid));
        entry.is_some_and(|entry| match uid.foreign() {
            Some(index) => entry.admits(&self.sight.question.foreign[index].1),
            None => {
                let id = self.sight.question.table.view(*uid).id();
                std::str::from_utf8(id).is_ok_and(|id| entry.admits(id))
            }
        })
    }

    fn set(&mut self, at: At<'s>, value: Option<Val<'q>>) {
        if let (Some(fact), Some(value)) = (self.sight.fact(at), value) {
            self.put(&fact, value, Told::Set);
        }
    }

    fn remove(&mut self, fact: Fact<'q, 's>) {
        // What the request gives may hide what the store has; then taking it away does not take the fact away.
        let is_stored = fact.entity().is_none_or(|uid| {
            let stored = self.sight.question.table.entity(uid);
            let seen = self.sight.question.entity(uid);
            matches!((stored, seen), (Some(stored), Some(seen)) if std::ptr::eq(stored.bytes(), seen.bytes()))
        });
        if !fact.required && is_stored && self.sight.read(&fact).is_some() {
            self.push(Edit::Put(fact, None), Told::Remove);
        }
    }

    /// Thinks of changes after which a condition holds, or does not.
    fn wish(&mut self, at: At<'s>, holds: bool) {
        if self.sight.test(at) == Ok(holds) {
            return;
        }
        if self.sight.work.is_over() {
            self.is_cut = true;
            return;
        }
        match at.parts() {
            Parts::And(links) | Parts::Or(links) => links.iter().for_each(|link| self.wish(*link, holds)),
            Parts::Not(inner) => self.wish(inner, !holds),
            Parts::If([test, then, other]) => {
                if let Ok(tested) = self.sight.test(test) {
                    self.wish(if tested { then } else { other }, holds);
                    self.wish(test, !tested);
                }
            }
            Parts::Leaf => self.leaf(at, holds),
        }
    }

    fn leaf(&mut self, at: At<'s>, holds: bool) {
        match at.expr.expr_kind() {
            ExprKind::GetAttr { .. } => self.set(at, Some(Val::Bool(holds))),
            ExprKind::HasAttr { .. } => self.presence(at, holds),
            ExprKind::BinaryApp { op, .. } => self.operator(at, *op, holds),
            ExprKind::UnaryApp {
                op: UnaryOp::IsEmpty,
                arg,
            } => self.emptiness(at, arg, holds),
            ExprKind::ExtensionFunctionApp { fn_name, .. } => self.method(at, &fn_name.to_string(), holds),
            // Of `is … in …` a fact can change the second part alone.
            ExprKind::And { .. } => {
                if let Some(second) = at.second() {
                    self.leaf(second, holds);
                }
            }
            _ => {}
        }
    }

    fn presence(&mut self, at: At<'s>, holds: bool) {
        let Some(fact) = self.sight.fact(at) else { return };
        if !holds {
            return self.remove(fact);
        }
        match fact.shape {
            Shape::Bool => {
                self.put(&fact, Val::Bool(true), Told::Set);
                self.put(&fact, Val::Bool(false), Told::Set);
            }
            Shape::Long => self.put(&fact, Val::Long(0), Told::Set),
            Shape::Set(_) => self.put(&fact, Val::Set(Set::Made(&[])), Told::Set),
            // Any text or entity would do, and none is better than another.
            _ => {}
        }
    }

    fn emptiness(&mut self, at: At<'s>, arg: &'s crate::engine::core::Expr, holds: bool) {
        let Some(inner) = at.inner(arg).filter(|_| holds) else { return };
        if let (Some(fact), Some(Val::Set(set))) = (self.sight.fact(inner), self.sight.value(inner))
            && set.len() == 1
            && let Some(only) = set.iter().next()
        {
            self.take_out(&fact, set, only);
        }
    }

    fn operator(&mut self, at: At<'s>, op: BinaryOp, holds: bool) {
        if op == BinaryOp::HasTag {
            return self.presence(at, holds);
        }
        if op == BinaryOp::GetTag {
            return self.set(at, Some(Val::Bool(holds)));
        }
        let Some([left, right]) = at.operands() else { return };
        let (a, b) = (self.sight.value(left), self.sight.value(right));
        match op {
            BinaryOp::Eq if holds => {
                self.set(left, b);
                self.set(right, a);
            }
            BinaryOp::Eq => {
                let other = |value: Option<Val<'q>>| match value {
                    Some(Val::Bool(value)) => Some(Val::Bool(!value)),
                    _ => None,
                };
                self.set(left, other(b));
                self.set(right, other(a));
            }
            BinaryOp::Less | BinaryOp::LessEq => {
                let is_strict = op == BinaryOp::Less;
                // To hold, the left is at most the right, or one less; not to, it is at least that, or one more.
                let (low, high) = match (holds, is_strict) {
                    (true, true) => (-1, 1),
                    (true, false) | (false, true) => (0, 0),
                    (false, false) => (1, -1),
                };
                self.set(left, b.and_then(|value| near(value, low)));
                self.set(right, a.and_then(|value| near(value, high)));
            }
            BinaryOp::In => {
                let Some(Val::Entity(uid)) = a else { return };
                let fact = self.sight.fact(right);
                match b {
                    Some(Val::Entity(group)) => self.membership(uid, &mut std::iter::once(group), fact.as_ref(), holds),
                    Some(Val::Set(set)) => {
                        let mut groups = set.iter().filter_map(|item| match item {
                            Val::Entity(group) => Some(group),
                            _ => None,
                        });
                        self.membership(uid, &mut groups, fact.as_ref(), holds);
                        if let Some(fact) = &fact {
                            self.listing(uid, fact, set, holds);
                        }
                    }
                    _ => {}
                }
                if holds && let (Some(fact), Some(Val::Entity(group))) = (self.sight.fact(left), b) {
                    self.put(&fact, Val::Entity(group), Told::Set);
                }
            }
            BinaryOp::Contains => {
                let (Some(Val::Set(set)), Some(item)) = (a, b) else { return };
                if let Some(fact) = self.sight.fact(left) {
                    self.element(&fact, set, item, holds);
                }
                if let Some(fact) = self.sight.fact(right).filter(|_| holds) {
                    self.cut(set).for_each(|value| self.put(&fact, value, Told::Set));
                }
            }
            BinaryOp::ContainsAll | BinaryOp::ContainsAny => {
                if let (Some(Val::Set(a)), Some(Val::Set(b))) = (a, b) {
                    self.overlap(op, (left, a), (right, b), holds);
                }
            }
            _ => {}
        }
    }

    /// One set is to hold all, or any, of another.
    fn overlap(&mut self, op: BinaryOp, (left, a): (At<'s>, Set<'q>), (right, b): (At<'s>, Set<'q>), holds: bool) {
        let (left, right) = (self.sight.fact(left), self.sight.fact(right));
        if let Some(fact) = &left {
            self.cut(b).for_each(|item| self.element(fact, a, item, holds));
        }
        let Some(fact) = &right else { return };
        match op {
            // Fewer are asked for, or one that is not there.
            BinaryOp::ContainsAll if holds => {
                self.cut(b).filter(|item| !a.contains(item)).for_each(|item| self.take_out(fact, b, item));
            }
            BinaryOp::ContainsAll => {}
            _ => self.cut(a).for_each(|item| self.element(fact, b, item, holds)),
        }
    }

    /// The first of a set's values.
    fn cut(&mut self, set: Set<'q>) -> impl Iterator<Item = Val<'q>> + use<'q> {
        self.is_cut |= set.len() > CHOICES_MAX;
        set.iter().take(CHOICES_MAX)
    }

    /// An entity is to be in one of these groups, or in none.
    fn membership(
        &mut self,
        uid: Uid,
        groups: &mut dyn Iterator<Item = Uid>,
        fact: Option<&Fact<'q, 's>>,
        holds: bool,
    ) {
        if holds {
            let can_join = |group: &Uid| {
                self.sight.work.spend(1);
                !self.sight.work.is_over() && self.sight.can_join(uid, *group)
            };
            for (count, group) in groups.filter(can_join).enumerate() {
                if count == CHOICES_MAX {
                    self.is_cut = true;
                    break;
                }
                self.push(Edit::Join(uid, group), Told::Join(fact.cloned()));
            }
            return;
        }
        let Some(entity) = self.sight.question.table.entity(uid) else { return };
        if self.sight.snapshot.vocabulary.entity_type_entry(entity.ty()).is_none() {
            // What an action is in, the schema says.
            return;
        }
        for group in groups.filter(|group| entity.has_ancestor(*group)) {
            for parent in entity.parents() {
                if parent == group || self.sight.question.table.view(parent).has_ancestor(group) {
                    self.push(Edit::Leave(uid, parent), Told::Leave(fact.cloned()));
                }
            }
        }
    }

    /// A set is to list the entity or something that it is in, or nothing of that.
    fn listing(&mut self, uid: Uid, fact: &Fact<'q, 's>, set: Set<'q>, holds: bool) {
        let above = self.sight.question.entity(uid);
        let above = std::iter::once(uid).chain(above.into_iter().flat_map(|entity| entity.ancestors()));
        for (count, uid) in above.enumerate() {
            if count > CHOICES_MAX {
                self.is_cut = true;
                break;
            }
            self.element(fact, set, Val::Entity(uid), holds);
        }
    }

    /// A set is to have a value, or not.
    fn element(&mut self, fact: &Fact<'q, 's>, set: Set<'q>, item: Val<'q>, holds: bool) {
        if set.contains(&item) == holds {
            return;
        }
        self.sight.work.spend(1 + set.len() / 64);
        if !holds {
            return self.take_out(fact, set, item);
        }
        let Shape::Set(shape) = fact.shape else { return };
        if self.sight.fits(&item, shape) && self.admits(&item) {
            let mut items: Vec<Val<'q>> = set.iter().chain([item]).collect();
            items.sort_by(Val::order);
            let items = self.sight.question.made.alloc_slice_copy(&items);
            self.put(fact, Val::Set(Set::Made(items)), Told::Add(item));
        }
    }

    fn take_out(&mut self, fact: &Fact<'q, 's>, set: Set<'q>, item: Val<'q>) {
        let rest = self.sight.less(set, &item);
        self.put(fact, Val::Set(rest), Told::TakeOut(item));
    }

    fn method(&mut self, at: At<'s>, name: &str, holds: bool) {
        let Some(arguments) = at.arguments() else { return };
        let [left, right] = arguments.as_slice() else { return };
        let (a, b) = (self.sight.value(*left), self.sight.value(*right));
        let (low, high) = match (name, holds) {
            ("isInRange", true) => return self.set(*left, b),
            ("lessThan", true) | ("greaterThanOrEqual", false) => (-1, 1),
            ("lessThan", false) | ("lessThanOrEqual", true) | ("greaterThanOrEqual", true) | ("greaterThan", false) => {
                (0, 0)
            }
            ("greaterThan", true) | ("lessThanOrEqual", false) => (1, -1),
            _ => return,
        };
        self.set(*left, b.and_then(|value| near(value, low)));
        self.set(*right, a.and_then(|value| near(value, high)));
    }
}

/// The value so far from another one; none if there is none.
fn near(value: Val<'_>, by: i64) -> Option<Val<'static>> {
    Some(match value {
        Val::Long(value) => Val::Long(value.checked_add(by)?),
        Val::Datetime(value) => Val::Datetime(value.checked_add(by)?),
        Val::Duration(value) => Val::Duration(value.checked_add(by)?),
        Val::Decimal(value) => Val::Decimal(value.checked_add(by)?),
        _ => return None,
    })
}
