//! Where a policy can lead: the entities of one side that its conditions can hold for at all.
//!
//! What is known is evaluated, once for a search. What depends on the side that is looked for is turned into lists where
//! its shape has lists: it is an entity or in a group, an attribute of it is a value, has one, or holds a group that the
//! other side is in. A plan may lead to too much, since whatever it leads to is asked about; it never leads to too little.

use super::super::evaluate::Question;
use super::super::index::Scope;
use super::super::ordered::Ordered;
use super::super::postings::{Postings, is_same, key_of_members, key_of_value};
use super::super::program::{Attribute, Binary, Node};
use super::super::value::{Uid, Val};
use super::super::vocabulary::TypeIx;

/// The entities to ask about.
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
    fn len(&self) -> usize {
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
    fn and(self, other: Self) -> Self {
        if other.len() < self.len() { other } else { self }
    }

    pub(super) fn or(self, other: Self) -> Self {
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
        for plan in plans {
            match plan {
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
    pub(super) variable: Node,
    pub(super) ty: TypeIx,
    pub(super) postings: &'s Postings,
}

impl<'q, 's> Planner<'q, 's> {
    /// Whether an expression depends on the side that is looked for.
    pub(super) fn is_open(&self, node: &Node) -> bool {
        if is_same(node, &self.variable) {
            return true;
        }
        let mut is_open = false;
        node.each(&mut |child| is_open = is_open || self.is_open(child));
        is_open
    }

    /// Where a scope can hold.
    pub(super) fn scope(&self, scope: Scope) -> Plan<'s> {
        match scope {
            Scope::Any => Plan::Everything,
            Scope::Is(uid) => Plan::Lists(vec![List::One(uid)]),
            Scope::In(uid) => self.members(uid),
        }
    }

    /// Where a policy can hold.
    pub(super) fn policy(&self, scope: Scope, body: Option<&'q Node>) -> Plan<'s> {
        let scope = self.scope(scope);
        match body {
            Some(body) => scope.and(self.condition(body)),
            None => scope,
        }
    }

    fn condition(&self, node: &'q Node) -> Plan<'s> {
        if !self.is_open(node) {
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
                if self.is_open(test) {
                    return self.condition(test).and(self.condition(then)).or(self.condition(other));
                }
                match self.question.test(test) {
                    Ok(true) => self.condition(then),
                    Ok(false) => self.condition(other),
                    Err(_) => Plan::NOTHING,
                }
            }
            Node::Is(of, ty) if is_same(of, &self.variable) && *ty != Some(self.ty) => Plan::NOTHING,
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
            (Binary::In, _, Some(Some(groups))) if is_same(left, &self.variable) => self.is_in(&groups),
            (Binary::Contains, Some(Some(Val::Set(set))), _) => Plan::any(set.iter().map(|item| self.is(right, &item))),
            (Binary::Contains, _, Some(Some(value))) => self.has(left, &value),
            (Binary::ContainsAny, Some(Some(Val::Set(set))), _) => {
                Plan::any(set.iter().map(|item| self.has(right, &item)))
            }
            (Binary::ContainsAny, _, Some(Some(Val::Set(set)))) => {
                Plan::any(set.iter().map(|item| self.has(left, &item)))
            }
            (Binary::ContainsAll, _, Some(Some(Val::Set(set)))) => {
                set.iter().fold(Plan::Everything, |plan, item| plan.and(self.has(left, &item)))
            }
            _ => Plan::Everything,
        }
    }

    /// The value of an expression: the outer none if it is open, the inner one if it errs.
    fn known(&self, node: &'q Node) -> Option<Option<Val<'q>>> {
        (!self.is_open(node)).then(|| self.question.value(node).ok())
    }

    /// Where an expression is a value.
    fn is(&self, node: &Node, value: &Val<'_>) -> Plan<'s> {
        match value {
            Val::Entity(uid) if is_same(node, &self.variable) => Plan::Lists(vec![List::One(*uid)]),
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
        if is_same(node, &self.variable) {
            return Plan::Lists(groups.map(List::One).collect());
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
        Plan::Lists(self.postings.get(key).map(List::Posted).into_iter().collect())
    }

    /// The place of an attribute of the side that is looked for, if there are lists for it.
    fn slot(&self, node: &Node) -> Option<usize> {
        let Node::Attribute(of, attribute) = node else { return None };
        let attribute: &Attribute = is_same(of, &self.variable).then_some(attribute)?;
        let slot = attribute.slot(self.ty)?;
        self.postings.demands.has_attribute(self.ty, slot).then_some(slot)
    }
}
