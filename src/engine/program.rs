//! Policies compiled: Cedar's expressions as small trees over our own values.
//!
//! A policy reaches this only when Cedar's strict validation has taken it. Names are numbers, literals are values,
//! chains of `&&` and `||` are lists. What has no compiled form, which is a call of an extension's constructor on
//! anything but a literal, is left to Cedar's evaluator.

use std::sync::Arc;

use foldhash::HashMap;
use smol_str::SmolStr;

use super::bridge::{Numbers, extension, number_of};
use super::core::{BinaryOp, Expr, ExprKind, Literal, PatternElem, UnaryOp, Var};
use super::shape::{Extension, Symbols};
use super::value::{Cell, Symbol, Tail, Uid};
use super::vocabulary::{TypeIx, Vocabulary};

/// One step of a policy.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Bool(bool),
    Long(i64),
    String(Box<[u8]>),
    Entity(Uid),
    /// Any other value that the text gives: its cell, and the bytes that it refers to.
    Constant(Cell, Arc<[u8]>),
    Principal,
    Action,
    Resource,
    Context,
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    IsEmpty(Box<Node>),
    If(Box<[Node; 3]>),
    Binary(Binary, Box<[Node; 2]>),
    Attribute(Box<Node>, Attribute),
    HasAttribute(Box<Node>, Attribute),
    /// `has a.b.c`
    HasPath(Box<Node>, Box<[Attribute]>),
    Like(Box<Node>, Box<[Piece]>),
    Is(Box<Node>, Option<TypeIx>),
    Set(Box<[Node]>),
    Record(Box<[(Symbol, Node)]>),
    Method(Method, Box<[Node]>),
}

impl Node {
    /// Calls `visit` for each step that this one is made of.
    pub(super) fn each<'n>(&'n self, visit: &mut impl FnMut(&'n Node)) {
        match self {
            Self::Bool(_)
            | Self::Long(_)
            | Self::String(_)
            | Self::Entity(_)
            | Self::Constant(..)
            | Self::Principal
            | Self::Action
            | Self::Resource
            | Self::Context => {}
            Self::And(nodes) | Self::Or(nodes) | Self::Set(nodes) | Self::Method(_, nodes) => {
                nodes.iter().for_each(visit);
            }
            Self::If(nodes) => nodes.iter().for_each(visit),
            Self::Binary(_, nodes) => nodes.iter().for_each(visit),
            Self::Record(members) => members.iter().for_each(|(_, node)| visit(node)),
            Self::Not(node)
            | Self::Negate(node)
            | Self::IsEmpty(node)
            | Self::Attribute(node, _)
            | Self::HasAttribute(node, _)
            | Self::HasPath(node, _)
            | Self::Like(node, _)
            | Self::Is(node, _) => visit(node),
        }
    }

    /// This step, made of what `make` makes of each that it is made of.
    pub(super) fn map<'n>(&'n self, make: &mut impl FnMut(&'n Node) -> Node) -> Self {
        let mut boxed = |node: &'n Node| Box::new(make(node));
        match self {
            Self::Not(node) => Self::Not(boxed(node)),
            Self::Negate(node) => Self::Negate(boxed(node)),
            Self::IsEmpty(node) => Self::IsEmpty(boxed(node)),
            Self::Attribute(node, attribute) => Self::Attribute(boxed(node), attribute.clone()),
            Self::HasAttribute(node, attribute) => Self::HasAttribute(boxed(node), attribute.clone()),
            Self::HasPath(node, path) => Self::HasPath(boxed(node), path.clone()),
            Self::Like(node, pattern) => Self::Like(boxed(node), pattern.clone()),
            Self::Is(node, ty) => Self::Is(boxed(node), *ty),
            Self::And(nodes) => Self::And(nodes.iter().map(make).collect()),
            Self::Or(nodes) => Self::Or(nodes.iter().map(make).collect()),
            Self::Set(nodes) => Self::Set(nodes.iter().map(make).collect()),
            Self::Method(method, nodes) => Self::Method(*method, nodes.iter().map(make).collect()),
            Self::If(nodes) => {
                let [test, then, other] = &**nodes;
                Self::If(Box::new([make(test), make(then), make(other)]))
            }
            Self::Binary(op, nodes) => {
                let [left, right] = &**nodes;
                Self::Binary(*op, Box::new([make(left), make(right)]))
            }
            Self::Record(members) => Self::Record(members.iter().map(|(symbol, node)| (*symbol, make(node))).collect()),
            Self::Bool(_)
            | Self::Long(_)
            | Self::String(_)
            | Self::Entity(_)
            | Self::Constant(..)
            | Self::Principal
            | Self::Action
            | Self::Resource
            | Self::Context => self.clone(),
        }
    }
}

/// Operators of two operands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Binary {
    Equal,
    Less,
    LessOrEqual,
    Add,
    Subtract,
    Multiply,
    In,
    Contains,
    ContainsAll,
    ContainsAny,
    GetTag,
    HasTag,
}

/// Methods of extension values.
#[derive(Clone, Copy, Debug)]
pub(super) enum Method {
    LessThan,
    LessThanOrEqual,
    GreaterThan,
    GreaterThanOrEqual,
    IsIpv4,
    IsIpv6,
    IsLoopback,
    IsMulticast,
    IsInRange,
    Offset,
    DurationSince,
    ToDate,
    ToTime,
    ToMilliseconds,
    ToSeconds,
    ToMinutes,
    ToHours,
    ToDays,
}

impl Method {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "lessThan" => Self::LessThan,
            "lessThanOrEqual" => Self::LessThanOrEqual,
            "greaterThan" => Self::GreaterThan,
            "greaterThanOrEqual" => Self::GreaterThanOrEqual,
            "isIpv4" => Self::IsIpv4,
            "isIpv6" => Self::IsIpv6,
            "isLoopback" => Self::IsLoopback,
            "isMulticast" => Self::IsMulticast,
            "isInRange" => Self::IsInRange,
            "offset" => Self::Offset,
            "durationSince" => Self::DurationSince,
            "toDate" => Self::ToDate,
            "toTime" => Self::ToTime,
            "toMilliseconds" => Self::ToMilliseconds,
            "toSeconds" => Self::ToSeconds,
            "toMinutes" => Self::ToMinutes,
            "toHours" => Self::ToHours,
            "toDays" => Self::ToDays,
            _ => return None,
        })
    }
}

/// An attribute: its symbol in records, and its place in the entities of each type that declares it.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) symbol: Symbol,
    slots: Arc<[(TypeIx, u32)]>,
}

impl Attribute {
    pub(super) fn slot(&self, ty: TypeIx) -> Option<usize> {
        self.slots.iter().find(|(known, _)| *known == ty).map(|(_, slot)| *slot as usize)
    }
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// `*`
    Anything,
    /// UTF-8.
    Text(Box<[u8]>),
}

/// What compiling needs to know and may add to.
pub(super) struct Compiler<'c> {
    pub(super) vocabulary: &'c Vocabulary,
    pub(super) symbols: &'c mut Symbols,
    pub(super) numbers: &'c mut dyn Numbers,
    attributes: HashMap<SmolStr, Attribute>,
}

impl<'c> Compiler<'c> {
    pub(super) fn new(vocabulary: &'c Vocabulary, symbols: &'c mut Symbols, numbers: &'c mut dyn Numbers) -> Self {
        Self {
            vocabulary,
            symbols,
            numbers,
            attributes: HashMap::default(),
        }
    }
}

impl Compiler<'_> {
    /// The compiled form of an expression, if it has one.
    pub(super) fn compile(&mut self, expr: &Expr) -> Option<Node> {
        Some(match expr.expr_kind() {
            ExprKind::Lit(Literal::Bool(value)) => Node::Bool(*value),
            ExprKind::Lit(Literal::Long(value)) => Node::Long(*value),
            ExprKind::Lit(Literal::String(text)) => Node::String(text.as_bytes().into()),
            ExprKind::Lit(Literal::EntityUID(uid)) => Node::Entity(number_of(uid, self.vocabulary, self.numbers)?),
            ExprKind::Var(Var::Principal) => Node::Principal,
            ExprKind::Var(Var::Action) => Node::Action,
            ExprKind::Var(Var::Resource) => Node::Resource,
            ExprKind::Var(Var::Context) => Node::Context,
            ExprKind::If {
                test_expr,
                then_expr,
                else_expr,
            } => Node::If(Box::new([
                self.compile(test_expr)?,
                self.compile(then_expr)?,
                self.compile(else_expr)?,
            ])),
            ExprKind::And { .. } => Node::And(self.chain(expr, |kind| match kind {
                ExprKind::And { left, right } => Some((left, right)),
                _ => None,
            })?),
            ExprKind::Or { .. } => Node::Or(self.chain(expr, |kind| match kind {
                ExprKind::Or { left, right } => Some((left, right)),
                _ => None,
            })?),
            ExprKind::UnaryApp { op, arg } => {
                let arg = Box::new(self.compile(arg)?);
                match op {
                    UnaryOp::Not => Node::Not(arg),
                    UnaryOp::Neg => Node::Negate(arg),
                    UnaryOp::IsEmpty => Node::IsEmpty(arg),
                }
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => {
                Node::Binary(binary(*op), Box::new([self.compile(arg1)?, self.compile(arg2)?]))
            }
            ExprKind::ExtensionFunctionApp { fn_name, args } => self.call(&fn_name.to_string(), args)?,
            ExprKind::GetAttr { expr, attr } => {
                let attribute = self.attribute(attr);
                Node::Attribute(Box::new(self.compile(expr)?), attribute)
            }
            ExprKind::HasAttr { expr, attr } => {
                let attribute = self.attribute(attr);
                Node::HasAttribute(Box::new(self.compile(expr)?), attribute)
            }
            ExprKind::ExtHasAttr { expr, attrs } => {
                let path = attrs.iter().map(|attr| self.attribute(attr)).collect();
                Node::HasPath(Box::new(self.compile(expr)?), path)
            }
            ExprKind::Like { expr, pattern } => Node::Like(Box::new(self.compile(expr)?), pieces(pattern.iter())),
            ExprKind::Is { expr, entity_type } => {
                Node::Is(Box::new(self.compile(expr)?), self.vocabulary.any_type_of(entity_type))
            }
            ExprKind::Set(items) => {
                let items: Option<Box<[Node]>> = items.iter().map(|item| self.compile(item)).collect();
                constant_set(items?)
            }
            ExprKind::Record(members) => {
                let mut nodes = Vec::with_capacity(members.len());
                for (name, value) in members.iter() {
                    nodes.push((self.symbols.number(name), self.compile(value)?));
                }
                Node::Record(nodes.into())
            }
            ExprKind::Slot(_) | ExprKind::Unknown(_) => return None,
        })
    }

    /// The links of a chain of one operator, in the order in which they are evaluated.
    fn chain<'e>(
        &mut self,
        expr: &'e Expr,
        split: impl Fn(&'e ExprKind) -> Option<(&'e Arc<Expr>, &'e Arc<Expr>)>,
    ) -> Option<Box<[Node]>> {
        let mut waiting = vec![expr];
        let mut links = Vec::new();
        while let Some(expr) = waiting.pop() {
            match split(expr.expr_kind()) {
                Some((left, right)) => {
                    waiting.push(right);
                    waiting.push(left);
                }
                None => links.push(self.compile(expr)?),
            }
        }
        Some(links.into())
    }

    fn call(&mut self, name: &str, arguments: &[Expr]) -> Option<Node> {
        if let Some(method) = Method::named(name) {
            let arguments: Option<Box<[Node]>> = arguments.iter().map(|argument| self.compile(argument)).collect();
            return Some(Node::Method(method, arguments?));
        }
        let constructors = [
            Extension::Decimal,
            Extension::Ip,
            Extension::Datetime,
            Extension::Duration,
        ];
        let constructor = constructors.into_iter().find(|extension| extension.constructor() == name)?;
        let [argument] = arguments else { return None };
        let ExprKind::Lit(Literal::String(text)) = argument.expr_kind() else {
            return None;
        };
        let value = extension(&constructor.value(text.to_string())?)?;
        let mut tail = Tail::default();
        let cell = tail.copy(&value);
        Some(Node::Constant(cell, tail.bytes.into()))
    }

    fn attribute(&mut self, name: &SmolStr) -> Attribute {
        if let Some(known) = self.attributes.get(name) {
            return known.clone();
        }
        let types = self.vocabulary.types.iter().enumerate();
        let slots = types
            .filter_map(|(index, entry)| {
                let (slot, _) = entry.fields.find(name)?;
                Some((TypeIx(index as u32), slot as u32))
            })
            .collect();
        let attribute = Attribute {
            symbol: self.symbols.number(name),
            slots,
        };
        self.attributes.insert(name.clone(), attribute.clone());
        attribute
    }
}

fn binary(op: BinaryOp) -> Binary {
    match op {
        BinaryOp::Eq => Binary::Equal,
        BinaryOp::Less => Binary::Less,
        BinaryOp::LessEq => Binary::LessOrEqual,
        BinaryOp::Add => Binary::Add,
        BinaryOp::Sub => Binary::Subtract,
        BinaryOp::Mul => Binary::Multiply,
        BinaryOp::In => Binary::In,
        BinaryOp::Contains => Binary::Contains,
        BinaryOp::ContainsAll => Binary::ContainsAll,
        BinaryOp::ContainsAny => Binary::ContainsAny,
        BinaryOp::GetTag => Binary::GetTag,
        BinaryOp::HasTag => Binary::HasTag,
    }
}

/// A set of literals is made once, any other for each decision.
fn constant_set(items: Box<[Node]>) -> Node {
    let mut tail = Tail::default();
    let cells: Option<Vec<Cell>> = items
        .iter()
        .map(|item| match item {
            Node::Bool(value) => Some(Tail::bool(*value)),
            Node::Long(value) => Some(tail.long(*value)),
            Node::String(text) => Some(tail.string(text)),
            Node::Entity(uid) => Some(Tail::entity(*uid)),
            Node::Constant(cell, bytes) => cell.value(bytes).map(|value| tail.copy(&value)),
            _ => None,
        })
        .collect();
    match cells {
        Some(mut cells) => {
            let cell = tail.set(&mut cells);
            Node::Constant(cell, tail.bytes.into())
        }
        None => Node::Set(items),
    }
}

fn pieces<'p>(elements: impl Iterator<Item = &'p PatternElem>) -> Box<[Piece]> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    for element in elements {
        match element {
            PatternElem::Char(char) => text.push(*char),
            PatternElem::Wildcard => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text).into_bytes().into()));
                }
                if pieces.last() != Some(&Piece::Anything) {
                    pieces.push(Piece::Anything);
                }
            }
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into_bytes().into()));
    }
    pieces.into()
}
