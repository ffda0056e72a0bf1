//! Where a policy can lead: the entities of one side that its conditions can hold for at all.
//!
//! What depends on the side that is looked for is turned into lists where its shape has lists: it is an entity or in a group, an attribute of it is a value, has one, or holds a group that the
//! other side is in. A plan may lead to too much, since whatever it leads to is asked about; it never leads to too little.

use std::cell::Cell;

use super::super::evaluate::Question;
use super::super::index::Scope;
use super::super::ordered::Ordered;
use super::super::postings::{Postings, is_same, key_of_members, key_of_value};
use super::super::program::{Attribute, Binary, Node};
use super::super::value::{Uid, Val};
use super::super::vocabulary::TypeIx;
use super::left::is_open;

/// Lists of one operator, at most: what has more leads everywhere, so that no policy takes long to plan.
const LISTS_MAX: usize = 4096;

/// The entities to ask about.
#[derive(Clone)]
pub(super) enum Plan<'s> {
    /// All of the type.
    Everything,
    /// Those in any of these lists; whatever else stands there is to be passed over.
    Lists(Vec<List<'s>>),
}

/// Entities in the order of their ids.
#[derive(Clone, Copy)]
pub(super) enum List<'s> {
    One(Uid),
    Posted(&'s Ordered),
}

impl List<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Posted(list) => list.len(),
        }
    }
}

impl<'s> Plan<'s> {
    pub(super) const NOTHING: Plan<'static> = Plan::Lists(Vec::new());

    /// How many there are at most.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Everything => usize::MAX,
            Self::Lists(lists) => lists.iter().map(List::len).sum(),
        }
    }

    /// What is in both is in the shorter one.
    pub(super) fn and(self, other: Self) -> Self {
        if other.len() < self.len() { other } else { self }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Lists(mut lists), Self::Lists(mut others)) => {
                lists.append(&mut others);
                Self::Lists(lists)
            }
            _ => Self::Everything,
        }
    }

    fn any(plans: impl Iterator<Item = Self>) -> Self {
        let mut all = Vec::new();
        for (number, plan) in plans.enumerate() {
            match plan {
                _ if number == LISTS_MAX => return Self::Everything,
                Self::Everything => return Self::Everything,
                Self::Lists(mut lists) => all.append(&mut lists),
            }
        }
        Self::Lists(all)
    }
}

/// What planning needs to know.
pub(super) struct Planner<'q, 's> {
    /// The question, in which the side that is looked for is nobody.
    pub(super) question: &'q Question<'q>,
    /// The side that is looked for: the principal or the resource.
    pub(super) variable: &'q Node,
    pub(super) ty: TypeIx,
    pub(super) postings: &'s Postings,
    /// Lists that may still be looked up. Without any left, everything is to be asked about.
    pub(super) lookups: &'q Cell<usize>,
}

impl<'q, 's> Planner<'q, 's> {
    /// Where a scope can hold.
    pub(super) fn scope(&self, scope: Scope) -> Plan<'s> {
        match scope {
            Scope::Any => Plan::Everything,
            Scope::Is(uid) => Plan::Lists(vec![List::One(uid)]),
            Scope::In(uid) => self.members(uid),
        }
    }

    /// Where a condition can hold.
    pub(super) fn condition(&self, node: &'q Node) -> Plan<'s> {
        if !is_open(node, self.variable) {
            // What errs does not hold.
            return if self.question.test(node) == Ok(true) {
                Plan::Everything
            } else {
                Plan::NOTHING
            };
        }
        match node {
            Node::And(links) => links.iter().fold(Plan::Everything, |plan, link| match plan {
                Plan::Lists(lists) if lists.is_empty() => Plan::NOTHING,
                plan => plan.and(self.condition(link)),
            }),
            Node::Or(links) => Plan::any(links.iter().map(|link| self.condition(link))),
            Node::If(parts) => {
                let [test, then, other] = &**parts;
                if is_open(test, self.variable) {
                    return self.condition(test).and(self.condition(then)).or(self.condition(other));
                }
                match self.question.test(test) {
                    Ok(true) => self.condition(then),
                    Ok(false) => self.condition(other),
                    Err(_) => Plan::NOTHING,
                }
            }
            Node::Is(of, ty) if is_same(of, self.variable) && *ty != Some(self.ty) => Plan::NOTHING,
            Node::Attribute(..) => self.has(node, &Val::Bool(true)),
            Node::Binary(op, operands) => self.binary(*op, &operands[0], &operands[1]),
            _ => Plan::Everything,
        }
    }

    fn binary(&self, op: Binary, left: &'q Node, right: &'q Node) -> Plan<'s> {
        // INVARIANT: one of the two is open, since the whole is.
        match (op, self.known(left), self.known(right)) {
            (_, Some(None), _) | (_, _, Some(None)) => Plan::NOTHING,
            (Binary::Equal, Some(Some(value)), _) => self.is(right, &value),
            (Binary::Equal, _, Some(Some(value))) => self.is(left, &value),
            (Binary::In, Some(Some(Val::Entity(uid))), _) => self.holds(right, uid),
            (Binary::In, _, Some(Some(groups))) if is_same(left, self.variable) => self.is_in(&groups),
            (Binary::Contains, Some(Some(Val::Set(set))), _) => Plan::any(set.iter().map(|item| self.is(right, &item))),
            (Binary::Contains, _, Some(Some(value))) => self.has(left, &value),
            (Binary::ContainsAny, Some(Some(Val::Set(set))), _) => {
                Plan::any(set.iter().map(|item| self.has(right, &item)))
            }
            (Binary::ContainsAny, _, Some(Some(Val::Set(set)))) => {
                Plan::any(set.iter().map(|item| self.has(left, &item)))
            }
            (Binary::ContainsAll, _, Some(Some(Val::Set(set)))) => {
                let some = set.iter().take(LISTS_MAX);
                some.fold(Plan::Everything, |plan, item| plan.and(self.has(left, &item)))
            }
            _ => Plan::Everything,
        }
    }

    /// The value of an expression: the outer none if it is open, the inner one if it errs.
    fn known(&self, node: &'q Node) -> Option<Option<Val<'q>>> {
        (!is_open(node, self.variable)).then(|| self.question.value(node).ok())
    }

    /// Where an expression is a value.
    fn is(&self, node: &Node, value: &Val<'_>) -> Plan<'s> {
        match value {
            Val::Entity(uid) if is_same(node, self.variable) => Plan::Lists(vec![List::One(*uid)]),
            // A set has no list, it stands under its items.
            value => self.has(node, value),
        }
    }

    /// Where an attribute is a value, or a set with it.
    fn has(&self, node: &Node, value: &Val<'_>) -> Plan<'s> {
        let Some(slot) = self.slot(node) else { return Plan::Everything };
        match key_of_value(self.ty, slot, value) {
            Some(key) => self.posted(key),
            None => Plan::Everything,
        }
    }

    /// Where an expression is an entity, or a set with one, that this one is or is in.
    fn holds(&self, node: &Node, uid: Uid) -> Plan<'s> {
        let ancestors = self.question.entity(uid).into_iter().flat_map(|entity| entity.ancestors());
        let groups = std::iter::once(uid).chain(ancestors);
        if is_same(node, self.variable) {
            return Plan::any(groups.map(|group| Plan::Lists(vec![List::One(group)])));
        }
        Plan::any(groups.map(|group| self.has(node, &Val::Entity(group))))
    }

    /// What is one of these entities or in one of them.
    fn is_in(&self, groups: &Val<'_>) -> Plan<'s> {
        let members = |group: Val<'_>| match group {
            Val::Entity(group) => self.members(group),
            _ => Plan::NOTHING,
        };
        match groups {
            Val::Set(set) => Plan::any(set.iter().map(members)),
            group => members(*group),
        }
    }

    fn members(&self, group: Uid) -> Plan<'s> {
        if !self.postings.demands.has_members(self.ty) {
            return Plan::Everything;
        }
        Plan::Lists(vec![List::One(group)]).or(self.posted(key_of_members(self.ty, group)))
    }

    fn posted(&self, key: u64) -> Plan<'s> {
        let Some(left) = self.lookups.get().checked_sub(1) else {
            return Plan::Everything;
        };
        self.lookups.set(left);
        Plan::Lists(self.postings.get(key).map(List::Posted).into_iter().collect())
    }

    /// The place of an attribute of the side that is looked for, if there are lists for it.
    fn slot(&self, node: &Node) -> Option<usize> {
        let Node::Attribute(of, attribute) = node else { return None };
        let attribute: &Attribute = is_same(of, self.variable).then_some(attribute)?;
        let slot = attribute.slot(self.ty)?;
        self.postings.demands.has_attribute(self.ty, slot).then_some(slot)
    }
}
