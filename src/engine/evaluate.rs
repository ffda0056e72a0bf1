//! Compiled policies evaluated, with Cedar's semantics to the letter.
//!
//! What errs here says little more than that it errs: the words are Cedar's, whose evaluator is asked for them unless
//! it is just that an entity does not exist.

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;

use super::entity::EntityView;
use super::program::{Attribute, Binary, Method, Node, Piece};
use super::table::Table;
use super::value::{Record, Set, Uid, Val};
use super::vocabulary::TypeIx;

/// An evaluation that cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Erred {
    /// There is no such entity to look into.
    NoEntity(Uid),
    /// Anything else.
    Otherwise,
}

type Result<T> = std::result::Result<T, Erred>;

/// The principal or the resource of a question.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) uid: Uid,
    /// As the request shapes it; none if neither the store nor the request knows it.
    pub(super) entity: Option<EntityView<'a>>,
}

impl Side<'_> {
    pub(super) fn is_in(&self, uid: Uid) -> bool {
        self.uid == uid || self.entity.is_some_and(|entity| entity.has_ancestor(uid))
    }
}

/// What a policy is evaluated on.
pub(super) struct Question<'a> {
    pub(super) table: &'a Table,
    pub(super) principal: Side<'a>,
    pub(super) action: Uid,
    pub(super) resource: Side<'a>,
    pub(super) context: Record<'a>,
    /// Types of the names that only the request knows.
    pub(super) foreign: &'a [(TypeIx, Box<str>)],
    /// Where sets and records that policies make live.
    pub(super) made: &'a Bump,
}

const DAY: i64 = 24 * 60 * 60 * 1000;

impl<'a> Question<'a> {
    /// The entity of a name, if there is one.
    pub(super) fn entity(&self, uid: Uid) -> Option<EntityView<'a>> {
        if uid == self.principal.uid {
            self.principal.entity
        } else if uid == self.resource.uid {
            self.resource.entity
        } else {
            self.table.entity(uid)
        }
    }

    pub(super) fn type_of(&self, uid: Uid) -> TypeIx {
        match uid.foreign() {
            Some(index) => self.foreign[index].0,
            None => self.table.view(uid).ty(),
        }
    }

    /// Whether a condition holds.
    pub(super) fn test(&self, node: &'a Node) -> Result<bool> {
        match node {
            Node::Bool(value) => Ok(*value),
            Node::And(links) => {
                for link in links {
                    if !self.test(link)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Node::Or(links) => {
                for link in links {
                    if self.test(link)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Node::Not(node) => Ok(!self.test(node)?),
            Node::Binary(op, operands) => self.binary(*op, &operands[0], &operands[1]).and_then(boolean),
            Node::HasAttribute(node, attribute) => match self.value(node)? {
                Val::Record(record) => Ok(record.get(attribute.symbol).is_some()),
                Val::Entity(uid) => Ok(self.attribute(uid, attribute).is_some()),
                _ => Err(Erred::Otherwise),
            },
            Node::HasPath(node, path) => self.has_path(self.value(node)?, path),
            Node::Like(node, pattern) => match self.value(node)? {
                Val::String(text) => Ok(matches(pattern, text)),
                _ => Err(Erred::Otherwise),
            },
            Node::Is(node, ty) => {
                let uid = self.uid(node)?;
                Ok(Some(self.type_of(uid)) == *ty)
            }
            Node::IsEmpty(node) => Ok(self.set(node)?.len() == 0),
            Node::If(parts) => {
                let branch = if self.test(&parts[0])? { &parts[1] } else { &parts[2] };
                self.test(branch)
            }
            node => boolean(self.value(node)?),
        }
    }

    /// The value of an expression.
    pub(super) fn value(&self, node: &'a Node) -> Result<Val<'a>> {
        Ok(match node {
            Node::Bool(value) => Val::Bool(*value),
            Node::Long(value) => Val::Long(*value),
            Node::String(text) => Val::String(text),
            Node::Entity(uid) => Val::Entity(*uid),
            Node::Constant(cell, bytes) => cell.value(bytes).ok_or(Erred::Otherwise)?,
            Node::Principal => Val::Entity(self.principal.uid),
            Node::Action => Val::Entity(self.action),
            Node::Resource => Val::Entity(self.resource.uid),
            Node::Context => Val::Record(self.context),
            Node::Attribute(node, attribute) => match self.value(node)? {
                Val::Record(record) => record.get(attribute.symbol).ok_or(Erred::Otherwise)?,
                Val::Entity(uid) => self.attribute(uid, attribute).ok_or_else(|| self.missing(uid))?,
                _ => return Err(Erred::Otherwise),
            },
            Node::If(parts) => {
                let branch = if self.test(&parts[0])? { &parts[1] } else { &parts[2] };
                self.value(branch)?
            }
            Node::Negate(node) => Val::Long(self.long(node)?.checked_neg().ok_or(Erred::Otherwise)?),
            Node::Binary(op, operands) => self.binary(*op, &operands[0], &operands[1])?,
            Node::Set(items) => {
                let mut values = BumpVec::with_capacity_in(items.len(), self.made);
                for item in items {
                    values.push(self.value(item)?);
                }
                values.sort_by(Val::order);
                values.dedup_by(|a, b| a.equals(b));
                Val::Set(Set::Made(values.into_bump_slice()))
            }
            Node::Record(members) => {
                let mut values = BumpVec::with_capacity_in(members.len(), self.made);
                for (symbol, member) in members {
                    values.push((*symbol, self.value(member)?));
                }
                values.sort_by_key(|(symbol, _)| *symbol);
                Val::Record(Record::Made(values.into_bump_slice()))
            }
            Node::Method(method, arguments) => self.method(*method, arguments)?,
            Node::And(_)
            | Node::Or(_)
            | Node::Not(_)
            | Node::IsEmpty(_)
            | Node::HasAttribute(..)
            | Node::HasPath(..)
            | Node::Like(..)
            | Node::Is(..) => Val::Bool(self.test(node)?),
        })
    }

    fn attribute(&self, uid: Uid, attribute: &Attribute) -> Option<Val<'a>> {
        let entity = self.entity(uid)?;
        entity.attribute(attribute.slot(entity.ty())?)
    }

    /// Why an entity lacks what was looked for in it.
    fn missing(&self, uid: Uid) -> Erred {
        match self.entity(uid) {
            Some(_) => Erred::Otherwise,
            None => Erred::NoEntity(uid),
        }
    }

    fn has_path(&self, start: Val<'a>, path: &[Attribute]) -> Result<bool> {
        let mut value = start;
        for attribute in path {
            let next = match value {
                Val::Record(record) => record.get(attribute.symbol),
                Val::Entity(uid) => self.attribute(uid, attribute),
                _ => return Err(Erred::Otherwise),
            };
            match next {
                Some(next) => value = next,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn long(&self, node: &'a Node) -> Result<i64> {
        match self.value(node)? {
            Val::Long(value) => Ok(value),
            _ => Err(Erred::Otherwise),
        }
    }

    fn uid(&self, node: &'a Node) -> Result<Uid> {
        match self.value(node)? {
            Val::Entity(uid) => Ok(uid),
            _ => Err(Erred::Otherwise),
        }
    }

    fn set(&self, node: &'a Node) -> Result<Set<'a>> {
        match self.value(node)? {
            Val::Set(set) => Ok(set),
            _ => Err(Erred::Otherwise),
        }
    }

    fn binary(&self, op: Binary, left: &'a Node, right: &'a Node) -> Result<Val<'a>> {
        // Cedar evaluates both before it looks at either.
        let (left, right) = (self.value(left)?, self.value(right)?);
        Ok(match (op, left, right) {
            (Binary::Equal, left, right) => Val::Bool(left.equals(&right)),
            (Binary::Less, left, right) => Val::Bool(comparable(left, right)?.is_lt()),
            (Binary::LessOrEqual, left, right) => Val::Bool(comparable(left, right)?.is_le()),
            (Binary::Add, Val::Long(a), Val::Long(b)) => Val::Long(a.checked_add(b).ok_or(Erred::Otherwise)?),
            (Binary::Subtract, Val::Long(a), Val::Long(b)) => Val::Long(a.checked_sub(b).ok_or(Erred::Otherwise)?),
            (Binary::Multiply, Val::Long(a), Val::Long(b)) => Val::Long(a.checked_mul(b).ok_or(Erred::Otherwise)?),
            (Binary::In, Val::Entity(uid), Val::Entity(group)) => Val::Bool(self.is_in(uid, group)),
            (Binary::In, Val::Entity(uid), Val::Set(groups)) => Val::Bool(self.is_in_any(uid, groups)?),
            (Binary::Contains, Val::Set(set), value) => Val::Bool(set.contains(&value)),
            (Binary::ContainsAll, Val::Set(set), Val::Set(other)) => Val::Bool(set.contains_all(&other)),
            (Binary::ContainsAny, Val::Set(set), Val::Set(other)) => Val::Bool(set.contains_any(&other)),
            (Binary::GetTag, Val::Entity(uid), Val::String(key)) => {
                let tag = self.entity(uid).and_then(|entity| entity.tags().get(key));
                tag.ok_or_else(|| self.missing(uid))?
            }
            (Binary::HasTag, Val::Entity(uid), Val::String(key)) => {
                Val::Bool(self.entity(uid).is_some_and(|entity| entity.tags().get(key).is_some()))
            }
            _ => return Err(Erred::Otherwise),
        })
    }

    fn is_in(&self, uid: Uid, group: Uid) -> bool {
        uid == group || self.entity(uid).is_some_and(|entity| entity.has_ancestor(group))
    }

    fn is_in_any(&self, uid: Uid, groups: Set<'_>) -> Result<bool> {
        let entity = self.entity(uid);
        let mut any = false;
        for group in groups.iter() {
            let Val::Entity(group) = group else { return Err(Erred::Otherwise) };
            any = any || uid == group || entity.is_some_and(|entity| entity.has_ancestor(group));
            if any && matches!(groups, Set::Entities(_)) {
                break;
            }
        }
        Ok(any)
    }

    fn method(&self, method: Method, arguments: &'a [Node]) -> Result<Val<'a>> {
        let mut values = [None, None];
        if arguments.len() > values.len() {
            return Err(Erred::Otherwise);
        }
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = Some(self.value(argument)?);
        }
        Ok(match (method, values[0], values[1]) {
            (Method::LessThan, Some(Val::Decimal(a)), Some(Val::Decimal(b))) => Val::Bool(a < b),
            (Method::LessThanOrEqual, Some(Val::Decimal(a)), Some(Val::Decimal(b))) => Val::Bool(a <= b),
            (Method::GreaterThan, Some(Val::Decimal(a)), Some(Val::Decimal(b))) => Val::Bool(a > b),
            (Method::GreaterThanOrEqual, Some(Val::Decimal(a)), Some(Val::Decimal(b))) => Val::Bool(a >= b),
            (Method::IsIpv4, Some(Val::Ip(ip)), None) => Val::Bool(ip.address.is_ipv4()),
            (Method::IsIpv6, Some(Val::Ip(ip)), None) => Val::Bool(ip.address.is_ipv6()),
            (Method::IsLoopback, Some(Val::Ip(ip)), None) => Val::Bool(ip.is_loopback()),
            (Method::IsMulticast, Some(Val::Ip(ip)), None) => Val::Bool(ip.is_multicast()),
            (Method::IsInRange, Some(Val::Ip(ip)), Some(Val::Ip(range))) => Val::Bool(ip.is_in_range(&range)),
            (Method::Offset, Some(Val::Datetime(from)), Some(Val::Duration(by))) => {
                Val::Datetime(from.checked_add(by).ok_or(Erred::Otherwise)?)
            }
            (Method::DurationSince, Some(Val::Datetime(to)), Some(Val::Datetime(from))) => {
                Val::Duration(to.checked_sub(from).ok_or(Erred::Otherwise)?)
            }
            (Method::ToDate, Some(Val::Datetime(at)), None) => {
                Val::Datetime(at.checked_sub(at.rem_euclid(DAY)).ok_or(Erred::Otherwise)?)
            }
            (Method::ToTime, Some(Val::Datetime(at)), None) => Val::Duration(at.rem_euclid(DAY)),
            (Method::ToMilliseconds, Some(Val::Duration(of)), None) => Val::Long(of),
            (Method::ToSeconds, Some(Val::Duration(of)), None) => Val::Long(of / 1000),
            (Method::ToMinutes, Some(Val::Duration(of)), None) => Val::Long(of / 1000 / 60),
            (Method::ToHours, Some(Val::Duration(of)), None) => Val::Long(of / 1000 / 60 / 60),
            (Method::ToDays, Some(Val::Duration(of)), None) => Val::Long(of / 1000 / 60 / 60 / 24),
            _ => return Err(Erred::Otherwise),
        })
    }
}

fn boolean(value: Val<'_>) -> Result<bool> {
    match value {
        Val::Bool(value) => Ok(value),
        _ => Err(Erred::Otherwise),
    }
}

/// The order of two values of a type that has one.
fn comparable(left: Val<'_>, right: Val<'_>) -> Result<std::cmp::Ordering> {
    match (left, right) {
        (Val::Long(a), Val::Long(b)) | (Val::Datetime(a), Val::Datetime(b)) | (Val::Duration(a), Val::Duration(b)) => {
            Ok(a.cmp(&b))
        }
        _ => Err(Erred::Otherwise),
    }
}

/// Whether a text is as a pattern has it. Bytes are enough: no part of UTF-8 is found inside another.
fn matches(pattern: &[Piece], text: &[u8]) -> bool {
    let (mut rest, mut anchored) = (text, true);
    for (index, piece) in pattern.iter().enumerate() {
        match piece {
            Piece::Anything => anchored = false,
            Piece::Text(part) => {
                let is_last = index + 1 == pattern.len();
                let at = match (anchored, is_last) {
                    (true, true) => (rest == &**part).then_some(0),
                    (true, false) => rest.starts_with(part).then_some(0),
                    (false, true) => rest.ends_with(part).then(|| rest.len() - part.len()),
                    (false, false) => rest.windows(part.len()).position(|window| window == &**part),
                };
                match at {
                    Some(at) => rest = &rest[at + part.len()..],
                    None => return false,
                }
                anchored = true;
            }
        }
    }
    rest.is_empty() || pattern.last() == Some(&Piece::Anything)
}
