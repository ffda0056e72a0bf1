//! A question as an explanation looks at it: parts of conditions, what they come to, and the facts that they read.

use std::cell::OnceCell;

use smallvec::SmallVec;

use super::work::Work;
use crate::engine::bridge::{Numbers, from_cedar};
use crate::engine::core::{self, Expr, ExprKind, UnaryOp, Var};
use crate::engine::decide::Resolved;
use crate::engine::evaluate::{Erred, Question};
use crate::engine::program::Node;
use crate::engine::reference::Reference;
use crate::engine::shape::{Fields, Shape};
use crate::engine::snapshot::Snapshot;
use crate::engine::table::Table;
use crate::engine::value::{Symbol, Tail, Uid, Val};
use crate::engine::vocabulary::TypeIx;

/// A part of a condition: as its author wrote it, and as it was compiled.
#[derive(Clone, Copy)]
pub(super) struct At<'s> {
    pub(super) expr: &'s Expr,
    /// What it was compiled to: one node, or the links of a chain that the text says in one breath (`is … in …`). None
    /// if Cedar evaluates it.
    code: Option<&'s [Node]>,
}

/// How a part of a condition is made of others.
pub(super) enum Parts<'s> {
    And(Ats<'s>),
    Or(Ats<'s>),
    Not(At<'s>),
    If([At<'s>; 3]),
    /// It is not made of conditions.
    Leaf,
}

pub(super) type Ats<'s> = SmallVec<[At<'s>; 4]>;

impl<'s> At<'s> {
    pub(super) fn new(expr: &'s Expr, node: Option<&'s Node>) -> Self {
        Self {
            expr,
            code: node.map(std::slice::from_ref),
        }
    }

    fn node(&self) -> Option<&'s Node> {
        match self.code {
            Some([node]) => Some(node),
            _ => None,
        }
    }

    /// The part of this one that `expr` is, compiled to what `choose` finds.
    fn part(&self, expr: &'s Expr, choose: impl FnOnce(&'s Node) -> Option<&'s Node>) -> Option<Self> {
        let node = match self.code {
            None => None,
            Some(_) => Some(choose(self.node()?)?),
        };
        Some(Self::new(expr, node))
    }

    /// What it is made of. Where what was compiled has another form than the text, it is taken as a whole.
    pub(super) fn parts(&self) -> Parts<'s> {
        self.divided().unwrap_or(Parts::Leaf)
    }

    fn divided(&self) -> Option<Parts<'s>> {
        Some(match self.expr.expr_kind() {
            ExprKind::And { .. } if !is_one_breath(self.expr) => {
                let links = self.code.map(|_| match self.node() {
                    Some(Node::And(links)) => Some(&**links),
                    _ => None,
                });
                Parts::And(chain(self.expr, true, or_none(links)?)?)
            }
            ExprKind::Or { .. } => {
                let links = self.code.map(|_| match self.node() {
                    Some(Node::Or(links)) => Some(&**links),
                    _ => None,
                });
                Parts::Or(chain(self.expr, false, or_none(links)?)?)
            }
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } => Parts::Not(self.part(arg, |node| match node {
                Node::Not(inner) => Some(inner),
                _ => None,
            })?),
            ExprKind::If {
                test_expr,
                then_expr,
                else_expr,
            } => {
                let branch = |expr, index: usize| {
                    self.part(expr, |node| match node {
                        Node::If(parts) => parts.get(index),
                        _ => None,
                    })
                };
                Parts::If([branch(test_expr, 0)?, branch(then_expr, 1)?, branch(else_expr, 2)?])
            }
            _ => return None,
        })
    }

    /// The `in …` of `is … in …`.
    pub(super) fn second(&self) -> Option<At<'s>> {
        let ExprKind::And { right, .. } = self.expr.expr_kind() else { return None };
        if !is_one_breath(self.expr) {
            return None;
        }
        let code = match self.code {
            None => None,
            Some([_, second]) => Some(second),
            Some([Node::And(links)]) => Some(links.get(1)?),
            Some(_) => return None,
        };
        Some(Self::new(right, code))
    }

    /// The operands of an operator of two.
    pub(super) fn operands(&self) -> Option<[At<'s>; 2]> {
        let ExprKind::BinaryApp { arg1, arg2, .. } = self.expr.expr_kind() else {
            return None;
        };
        let operand = |expr, index: usize| {
            self.part(expr, |node| match node {
                Node::Binary(_, operands) => operands.get(index),
                _ => None,
            })
        };
        Some([operand(arg1, 0)?, operand(arg2, 1)?])
    }

    /// The arguments of a method of an extension value.
    pub(super) fn arguments(&self) -> Option<Ats<'s>> {
        let ExprKind::ExtensionFunctionApp { args, .. } = self.expr.expr_kind() else {
            return None;
        };
        args.iter()
            .enumerate()
            .map(|(index, expr)| {
                self.part(expr, |node| match node {
                    Node::Method(_, arguments) => arguments.get(index),
                    _ => None,
                })
            })
            .collect()
    }

    /// What an attribute is read from, or is looked for in, and its name.
    pub(super) fn attribute(&self) -> Option<(At<'s>, &'s str)> {
        match self.expr.expr_kind() {
            ExprKind::GetAttr { expr, attr } => Some((self.inner(expr)?, attr)),
            ExprKind::HasAttr { expr, attr } => Some((self.inner(expr)?, attr)),
            _ => None,
        }
    }

    /// The one operand of what has one.
    pub(super) fn inner(&self, expr: &'s Expr) -> Option<At<'s>> {
        self.part(expr, |node| match node {
            Node::Attribute(inner, _)
            | Node::HasAttribute(inner, _)
            | Node::HasPath(inner, _)
            | Node::Like(inner, _)
            | Node::Is(inner, _)
            | Node::Not(inner)
            | Node::Negate(inner)
            | Node::IsEmpty(inner) => Some(inner),
            _ => None,
        })
    }
}

/// `is … in …` is two conditions for Cedar and one for whoever wrote it: both have the place of the whole.
fn is_one_breath(expr: &Expr) -> bool {
    match expr.expr_kind() {
        ExprKind::And { left, right } => {
            let span = |expr: &Expr| expr.source_loc().map(core::span);
            let own = span(expr);
            own.is_some() && span(left) == own && span(right) == own
        }
        _ => false,
    }
}

/// None within is a mismatch.
fn or_none<T>(links: Option<Option<T>>) -> Option<Option<T>> {
    match links {
        Some(None) => None,
        Some(links) => Some(links),
        None => Some(None),
    }
}

/// The links of a chain in the order in which they are evaluated, each with its share of what was compiled.
fn chain<'s>(expr: &'s Expr, ands: bool, nodes: Option<&'s [Node]>) -> Option<Ats<'s>> {
    let mut waiting: SmallVec<[&Expr; 8]> = SmallVec::from_slice(&[expr]);
    let mut links = Ats::new();
    let mut rest = nodes;
    while let Some(expr) = waiting.pop() {
        match expr.expr_kind() {
            ExprKind::And { left, right } if ands && !is_one_breath(expr) => waiting.extend([&**right, &**left]),
            ExprKind::Or { left, right } if !ands => waiting.extend([&**right, &**left]),
            kind => {
                let count = if ands && matches!(kind, ExprKind::And { .. }) {
                    2
                } else {
                    1
                };
                let code = match rest {
                    None => None,
                    Some(nodes) => {
                        let (own, others) = nodes.split_at_checked(count)?;
                        rest = Some(others);
                        Some(own)
                    }
                };
                links.push(At { expr, code });
            }
        }
    }
    rest.is_none_or(<[Node]>::is_empty).then_some(links)
}

/// Where a fact stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root<'q> {
    /// The place of an attribute among those of its entity's type.
    Attribute(Uid, usize),
    /// The key of an entity's tag.
    Tag(Uid, &'q [u8]),
    Context,
}

/// A fact that a condition reads: an attribute, a tag, or a member of the context, perhaps within records.
#[derive(Clone)]
pub(super) struct Fact<'q, 's> {
    pub(super) root: Root<'q>,
    /// The names on the way: the attribute's first. A tag has none for itself.
    pub(super) names: SmallVec<[&'s str; 2]>,
    /// The members on the way within a record.
    pub(super) members: SmallVec<[Symbol; 2]>,
    pub(super) shape: &'s Shape,
    pub(super) required: bool,
}

impl<'q, 's> Fact<'q, 's> {
    /// The entity that it is a fact of; none for the context.
    pub(super) fn entity(&self) -> Option<Uid> {
        match self.root {
            Root::Attribute(uid, _) | Root::Tag(uid, _) => Some(uid),
            Root::Context => None,
        }
    }

    /// Whether it is the same place, whatever stands there.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.root == other.root && self.members == other.members
    }

    fn member(mut self, fields: &'s Fields, name: &'s str) -> Option<Self> {
        let (_, field) = fields.find(name)?;
        self.names.push(name);
        self.members.push(field.symbol);
        self.shape = &field.shape;
        self.required = field.required;
        Some(self)
    }
}

/// A question, and all that it is asked of.
pub(super) struct Sight<'q, 's> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) resolved: &'q Resolved<'s>,
    pub(super) question: &'q Question<'q>,
    pub(super) work: &'q Work<'q>,
    reference: OnceCell<Reference>,
}

impl<'q, 's: 'q> Sight<'q, 's> {
    pub(super) fn new(
        snapshot: &'s Snapshot,
        resolved: &'q Resolved<'s>,
        question: &'q Question<'q>,
        work: &'q Work<'q>,
    ) -> Self {
        Self {
            snapshot,
            resolved,
            question,
            work,
            reference: OnceCell::new(),
        }
    }

    fn reference(&self) -> &Reference {
        self.reference.get_or_init(|| {
            let Resolved { action, bucket, .. } = self.resolved;
            let Snapshot { vocabulary, index, .. } = self.snapshot;
            let reference = Reference::new(self.question, action, bucket, vocabulary, index);
            self.work.spend(8 * reference.len());
            reference
        })
    }

    /// Whether a condition holds.
    pub(super) fn test(&self, at: At<'s>) -> Result<bool, Erred> {
        self.work.spend(1);
        let Some(code) = at.code else {
            self.work.spend(8);
            return self.reference().holds(at.expr).map_err(|_| Erred::Otherwise);
        };
        for node in code {
            if !self.question.test(node)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Why a condition errs, in Cedar's words.
    pub(super) fn complaint(&self, at: At<'s>) -> String {
        self.reference().holds(at.expr).err().unwrap_or_default()
    }

    /// The value of an expression; none if it errs.
    pub(super) fn value(&self, at: At<'s>) -> Option<Val<'q>> {
        if at.code.is_some() {
            return self.question.value(at.node()?).ok();
        }
        let value = self.reference().value(at.expr)?;
        let mut known = Known {
            table: self.question.table,
            foreign: self.question.foreign,
            is_missing: false,
        };
        let mut tail = Tail::default();
        let mut symbols = self.snapshot.index.symbols.clone();
        let cell = from_cedar(&value, &self.snapshot.vocabulary, &mut symbols, &mut known, &mut tail)?;
        if known.is_missing {
            return None;
        }
        cell.value(self.question.made.alloc_slice_copy(&tail.bytes))
    }

    /// The fact that an expression reads, if it is one: `principal.role`, `context.device.managed`,
    /// `resource.getTag("owner")`.
    pub(super) fn fact(&self, at: At<'s>) -> Option<Fact<'q, 's>> {
        if let ExprKind::BinaryApp { .. } = at.expr.expr_kind() {
            return self.tag(at);
        }
        let (inner, name) = at.attribute()?;
        if let ExprKind::Var(Var::Context) = inner.expr.expr_kind() {
            return self.context_member(name);
        }
        match self.value(inner) {
            Some(Val::Entity(uid)) => self.attribute(uid, name),
            Some(Val::Record(_)) => self.within(inner, name),
            _ => None,
        }
    }

    /// A member of the context, whether or not it is there.
    pub(super) fn context_member(&self, name: &'s str) -> Option<Fact<'q, 's>> {
        let (_, field) = self.resolved.action.context.find(name)?;
        Some(Fact {
            root: Root::Context,
            names: SmallVec::from_slice(&[name]),
            members: SmallVec::from_slice(&[field.symbol]),
            shape: &field.shape,
            required: field.required,
        })
    }

    /// An attribute of an entity, whether or not it has it.
    pub(super) fn attribute(&self, uid: Uid, name: &'s str) -> Option<Fact<'q, 's>> {
        let entry = self.snapshot.vocabulary.entity_type_entry(self.question.type_of(uid))?;
        let (slot, field) = entry.fields.find(name)?;
        Some(Fact {
            root: Root::Attribute(uid, slot),
            names: SmallVec::from_slice(&[name]),
            members: SmallVec::new(),
            shape: &field.shape,
            required: field.required,
        })
    }

    /// A member of the record that an expression is.
    pub(super) fn within(&self, inner: At<'s>, name: &'s str) -> Option<Fact<'q, 's>> {
        let outer = self.fact(inner)?;
        let Shape::Record(fields) = outer.shape else { return None };
        outer.member(fields, name)
    }

    /// A member of a fact that is an entity or a record.
    pub(super) fn below(&self, fact: Fact<'q, 's>, name: &'s str) -> Option<Fact<'q, 's>> {
        match (self.read(&fact), fact.shape) {
            (Some(Val::Entity(uid)), _) => self.attribute(uid, name),
            (_, Shape::Record(fields)) => fact.member(fields, name),
            _ => None,
        }
    }

    /// The tag that `getTag` or `hasTag` is about.
    fn tag(&self, at: At<'s>) -> Option<Fact<'q, 's>> {
        use crate::engine::core::BinaryOp;
        let ExprKind::BinaryApp {
            op: BinaryOp::GetTag | BinaryOp::HasTag,
            ..
        } = at.expr.expr_kind()
        else {
            return None;
        };
        let [entity, key] = at.operands()?;
        let (Some(Val::Entity(uid)), Some(Val::String(key))) = (self.value(entity), self.value(key)) else {
            return None;
        };
        let entry = self.snapshot.vocabulary.entity_type_entry(self.question.type_of(uid))?;
        Some(Fact {
            root: Root::Tag(uid, key),
            names: SmallVec::new(),
            members: SmallVec::new(),
            shape: entry.tags.as_ref()?,
            required: false,
        })
    }

    /// What stands where a fact is.
    pub(super) fn read(&self, fact: &Fact<'_, 's>) -> Option<Val<'q>> {
        let mut members = fact.members.iter();
        let mut value = match fact.root {
            Root::Attribute(uid, slot) => self.question.entity(uid)?.attribute(slot)?,
            Root::Tag(uid, key) => self.question.entity(uid)?.tags().get(key)?,
            Root::Context => self.question.context.get(*members.next()?)?,
        };
        for member in members {
            let Val::Record(record) = value else { return None };
            value = record.get(*member)?;
        }
        Some(value)
    }

    pub(super) fn type_of(&self, uid: Uid) -> TypeIx {
        self.question.type_of(uid)
    }
}

/// Numbers of names that are known already.
struct Known<'k> {
    table: &'k Table,
    foreign: &'k [(TypeIx, Box<str>)],
    is_missing: bool,
}

impl Numbers for Known<'_> {
    fn number(&mut self, ty: TypeIx, id: &str) -> Uid {
        if let Some((uid, _)) = self.table.find(ty, id) {
            return uid;
        }
        let foreign = self.foreign.iter().position(|(known, name)| *known == ty && **name == *id);
        self.is_missing |= foreign.is_none();
        Uid(Uid::FOREIGN + foreign.unwrap_or(0) as u32)
    }
}
