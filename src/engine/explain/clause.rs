//! A policy clause by clause: which hold, which fail, and the values that they saw.

use std::borrow::Cow;
use std::cell::Cell;

use smallvec::SmallVec;
use smol_str::SmolStr;

use super::sight::{At, Fact, Parts, Sight};
use super::words::{quote, shortened};
use super::{Clause, Judged, Outcome, Seen, Source, Value};
use crate::engine::core::{self, BinaryOp, Expr, ExprKind, Var};
use crate::engine::index::{Policy, Scope};
use crate::engine::query::Query;
use crate::engine::value::{Uid, Val};

/// Which clauses are told with the values that they saw.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Show {
    Failing,
    All,
}

/// Characters of a policy, of a clause and of what Cedar says of an error that are told.
const POLICY_MAX: usize = 4_000;
const CLAUSE_MAX: usize = 1_000;
const COMPLAINT_MAX: usize = 400;

/// How much of clauses and values is told of one question, in bytes: a policy may be as long as its file, and a value as
/// long as a request.
const ROOM: usize = 256 * 1024;

/// What a clause or value takes besides its texts.
const ROOM_OF_ONE: usize = 128;

/// Explains policies of one question.
pub(super) struct Judge<'a, 'q, 's> {
    pub(super) sight: &'a Sight<'q, 's>,
    pub(super) query: &'a Query<'a>,
    room: Cell<usize>,
    is_cut: Cell<bool>,
}

impl<'a, 'q, 's> Judge<'a, 'q, 's> {
    pub(super) fn new(sight: &'a Sight<'q, 's>, query: &'a Query<'a>) -> Self {
        Self {
            sight,
            query,
            room: Cell::new(ROOM),
            is_cut: Cell::new(false),
        }
    }

    /// Whether something was left out.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.get()
    }

    /// Takes room for texts of so many bytes, if there is any.
    fn takes(&self, bytes: usize) -> bool {
        let left = self.room.get().checked_sub(bytes + ROOM_OF_ONE);
        self.is_cut.set(self.is_cut.get() || left.is_none());
        self.room.set(left.unwrap_or(0));
        left.is_some()
    }
}

impl<'q, 's: 'q> Sight<'q, 's> {
    /// How many clauses of a policy fail: of alternatives, those of the one in which fewest do.
    pub(super) fn distance(&self, policy: &'s Policy) -> u32 {
        let scopes = u32::from(!policy.principal.takes(&self.question.principal))
            + u32::from(!policy.resource.takes(&self.question.resource));
        self.work.spend(1);
        let body = policy.body.as_deref();
        scopes + body.map_or(0, |body| self.failing(At::new(&body.expr, body.compiled.as_ref()), true))
    }

    fn failing(&self, at: At<'s>, wanted: bool) -> u32 {
        if self.test(at) == Ok(wanted) {
            return 0;
        }
        if self.work.is_over() {
            return 1;
        }
        match (at.parts(), wanted) {
            (Parts::And(links), true) | (Parts::Or(links), false) => {
                let mut count = 0;
                for link in links {
                    // Behind a clause that fails, one that errs was only guarded by it.
                    if count == 0 || self.test(link).is_ok() {
                        count += self.failing(link, wanted);
                    }
                }
                count.max(1)
            }
            (Parts::And(links), false) | (Parts::Or(links), true) => {
                // One that errs spoils the others.
                links.iter().map(|link| self.failing(*link, wanted)).min().unwrap_or(1).max(1)
            }
            (Parts::Not(inner), _) => self.failing(inner, !wanted),
            (Parts::If(_) | Parts::Leaf, _) => 1,
        }
    }
}

impl<'q, 's: 'q> Judge<'_, 'q, 's> {
    /// A policy with its clauses.
    pub(super) fn policy(&self, number: u32, show: Show) -> Judged<'s> {
        let policy: &'s Policy = &self.sight.snapshot.index.policies[number as usize];
        let mut clauses = Vec::new();
        for (variable, scope, side) in [
            ("principal", policy.principal, &self.sight.question.principal),
            ("resource", policy.resource, &self.sight.question.resource),
        ] {
            let (operator, uid) = match scope {
                Scope::Any => continue,
                Scope::Is(uid) => ("==", uid),
                Scope::In(uid) => ("in", uid),
            };
            clauses.push(self.scope(variable, operator, uid, side.uid, scope.takes(side), show));
        }
        if let Some(body) = policy.body.as_deref() {
            let at = At::new(&body.expr, body.compiled.as_ref());
            self.clauses(at, true, policy, show, &mut clauses);
        }
        Judged {
            number,
            info: &policy.info,
            text: shortened(self.sight.snapshot.policy_text(number), POLICY_MAX),
            template_file: self.sight.snapshot.template_file(&policy.info),
            distance: self.sight.distance(policy),
            clauses,
        }
    }

    fn scope(&self, variable: &str, operator: &str, uid: Uid, own: Uid, holds: bool, show: Show) -> Clause<'s> {
        let sight = self.sight;
        let mut seen = Vec::new();
        if show == Show::All || !holds {
            seen.push(self.variable(
                if variable == "principal" {
                    "principal"
                } else {
                    "resource"
                },
                own,
            ));
            if operator == "in" {
                seen.push(self.groups(variable.to_owned().into(), own));
            }
        }
        Clause {
            text: format!("{variable} {operator} {}", sight.text(&Val::Entity(uid))).into(),
            is_negated: false,
            line: None,
            outcome: if holds { Outcome::Holds } else { Outcome::Fails },
            seen,
            alternatives: Vec::new(),
        }
    }

    /// The clauses that all have to hold for a condition to be what is wanted.
    fn clauses(&self, at: At<'s>, wanted: bool, policy: &'s Policy, show: Show, into: &mut Vec<Clause<'s>>) {
        if self.room.get() == 0 {
            return;
        }
        match (at.parts(), wanted) {
            (Parts::And(links), true) | (Parts::Or(links), false) => {
                links.iter().for_each(|link| self.clauses(*link, wanted, policy, show, into));
            }
            (Parts::Not(inner), _) if is_unless(at.expr) || is_compound(inner) => {
                self.clauses(inner, !wanted, policy, show, into);
            }
            (Parts::And(links), false) | (Parts::Or(links), true) => {
                let Some(mut clause) = self.clause(at, wanted, policy, into) else { return };
                let is_unreached = into.iter().any(|before| before.outcome != Outcome::Holds);
                clause.alternatives = links
                    .iter()
                    .map(|link| {
                        let mut alternative = Vec::new();
                        self.clauses(*link, wanted, policy, show, &mut alternative);
                        if is_unreached {
                            excuse(&mut alternative);
                        }
                        alternative
                    })
                    .collect();
                into.push(clause);
            }
            _ => {
                let Some(mut clause) = self.clause(at, wanted, policy, into) else { return };
                if show == Show::All || clause.outcome != Outcome::Holds {
                    self.look(at.expr, at, &mut clause.seen);
                }
                into.push(clause);
            }
        }
    }

    /// One condition without its values; none if there is no room for it.
    fn clause(&self, at: At<'s>, wanted: bool, policy: &'s Policy, before: &[Clause<'s>]) -> Option<Clause<'s>> {
        let text = text(at.expr);
        if !self.takes(text.len()) {
            return None;
        }
        let outcome = match self.sight.test(at) {
            Ok(value) if value == wanted => Outcome::Holds,
            Ok(_) => Outcome::Fails,
            // Cedar stops at the first that fails, and so never comes here.
            Err(_) if before.iter().any(|clause| clause.outcome != Outcome::Holds) => Outcome::Unreached,
            Err(_) => Outcome::Errs(shortened(self.sight.complaint(at).into(), COMPLAINT_MAX).into_owned()),
        };
        Some(Clause {
            text,
            is_negated: !wanted,
            line: line(at.expr, policy),
            outcome,
            seen: Vec::new(),
            alternatives: Vec::new(),
        })
    }

    /// The values that a condition sees, in the order of its text.
    pub(super) fn look(&self, expr: &'s Expr, at: At<'s>, seen: &mut Vec<Seen<'s>>) {
        debug_assert!(std::ptr::eq(expr, at.expr));
        match expr.expr_kind() {
            ExprKind::Var(Var::Principal) => seen.push(self.variable("principal", self.sight.question.principal.uid)),
            ExprKind::Var(Var::Resource) => seen.push(self.variable("resource", self.sight.question.resource.uid)),
            ExprKind::Var(Var::Action) => seen.push(self.variable("action", self.sight.question.action)),
            ExprKind::GetAttr { expr: inner, .. } | ExprKind::HasAttr { expr: inner, .. } => {
                let Some(inner) = at.inner(inner) else { return };
                match self.sight.fact(at) {
                    Some(fact) => {
                        self.look_on_the_way(inner, seen);
                        self.tell(read(expr), &fact, seen);
                    }
                    None => self.look(inner.expr, inner, seen),
                }
            }
            ExprKind::ExtHasAttr { expr: inner, attrs } => self.look_along(at, inner, attrs.iter(), seen),
            ExprKind::BinaryApp { op, .. } => {
                let Some([left, right]) = at.operands() else { return };
                if let (BinaryOp::GetTag | BinaryOp::HasTag, Some(fact)) = (op, self.sight.fact(at)) {
                    self.look_on_the_way(left, seen);
                    self.look(right.expr, right, seen);
                    return self.tell(read(expr), &fact, seen);
                }
                self.look(left.expr, left, seen);
                if let (BinaryOp::In, Some(Val::Entity(uid))) = (op, self.sight.value(left)) {
                    seen.push(self.groups(read(left.expr), uid));
                }
                self.look(right.expr, right, seen);
            }
            ExprKind::And { .. } | ExprKind::Or { .. } | ExprKind::If { .. } => self.look_at_parts(at, seen),
            ExprKind::UnaryApp { arg: inner, .. }
            | ExprKind::Like { expr: inner, .. }
            | ExprKind::Is { expr: inner, .. } => {
                if let Some(inner) = at.inner(inner) {
                    self.look(inner.expr, inner, seen);
                }
            }
            ExprKind::ExtensionFunctionApp { .. } => {
                for argument in at.arguments().into_iter().flatten() {
                    self.look(argument.expr, argument, seen);
                }
            }
            _ => {}
        }
    }

    /// What is made of conditions: those of them that are evaluated.
    fn look_at_parts(&self, at: At<'s>, seen: &mut Vec<Seen<'s>>) {
        let look = |part: At<'s>, seen: &mut Vec<Seen<'s>>| self.look(part.expr, part, seen);
        match at.parts() {
            Parts::And(links) | Parts::Or(links) => {
                let goes_on = Ok(matches!(at.expr.expr_kind(), ExprKind::And { .. }));
                for link in links {
                    look(link, seen);
                    if self.sight.test(link) != goes_on {
                        break;
                    }
                }
            }
            Parts::If([test, then, other]) => {
                look(test, seen);
                match self.sight.test(test) {
                    Ok(true) => look(then, seen),
                    Ok(false) => look(other, seen),
                    Err(_) => {}
                }
            }
            // `is … in …`
            Parts::Not(_) | Parts::Leaf => {
                if let Some(second) = at.second() {
                    look(second, seen);
                }
            }
        }
    }

    /// The facts by which one comes to the entity that a fact is of: `resource.owner` of `resource.owner.dept`.
    fn look_on_the_way(&self, at: At<'s>, seen: &mut Vec<Seen<'s>>) {
        match self.sight.value(at) {
            Some(Val::Entity(_)) if self.sight.fact(at).is_some() => self.look(at.expr, at, seen),
            Some(Val::Record(_)) => {
                if let Some((inner, _)) = at.attribute() {
                    self.look_on_the_way(inner, seen);
                }
            }
            _ => {}
        }
    }

    /// `… has a.b.c`: as far as there is something.
    fn look_along(
        &self,
        at: At<'s>,
        inner: &'s Expr,
        names: impl Iterator<Item = &'s SmolStr>,
        seen: &mut Vec<Seen<'s>>,
    ) {
        let Some(inner) = at.inner(inner) else { return };
        self.look_on_the_way(inner, seen);
        let mut path = read(inner.expr).into_owned();
        let mut fact: Option<Fact<'q, 's>> = None;
        for (index, name) in names.enumerate() {
            let next = match &fact {
                None if index == 0 => self.member(inner, name),
                None => None,
                Some(fact) => match self.sight.read(fact) {
                    Some(Val::Entity(_)) => {
                        self.tell(path.clone().into(), fact, seen);
                        self.sight.below(fact.clone(), name)
                    }
                    Some(Val::Record(_)) => self.sight.below(fact.clone(), name),
                    _ => None,
                },
            };
            if next.is_none() {
                break;
            }
            member_of(&mut path, name);
            fact = next;
        }
        if let Some(fact) = fact {
            self.tell(path.into(), &fact, seen);
        }
    }

    /// A member of what an expression is, whether or not it is there.
    fn member(&self, inner: At<'s>, name: &'s str) -> Option<Fact<'q, 's>> {
        if let ExprKind::Var(Var::Context) = inner.expr.expr_kind() {
            return self.sight.context_member(name);
        }
        match self.sight.value(inner)? {
            Val::Entity(uid) => self.sight.attribute(uid, name),
            Val::Record(_) => self.sight.within(inner, name),
            _ => None,
        }
    }

    fn tell(&self, expression: Cow<'s, str>, fact: &Fact<'q, 's>, seen: &mut Vec<Seen<'s>>) {
        let value = match self.sight.read(fact) {
            Some(value) => Value::Is(self.sight.text(&value)),
            None if fact.entity().is_some_and(|uid| self.sight.question.entity(uid).is_none()) => Value::NoEntity,
            None => Value::Missing,
        };
        let length = match &value {
            Value::Is(text) => text.len(),
            _ => 0,
        };
        if !self.takes(expression.len() + length) {
            return;
        }
        seen.push(Seen {
            expression,
            fact: Some(self.sight.fact_name(fact)),
            value,
            source: self.sight.source(fact, self.query),
        });
    }

    fn variable(&self, name: &'static str, uid: Uid) -> Seen<'s> {
        Seen {
            expression: name.into(),
            fact: None,
            value: Value::Is(self.sight.text(&Val::Entity(uid))),
            source: Source::Request(match name {
                "principal" => crate::engine::Part::Principal,
                "resource" => crate::engine::Part::Resource,
                _ => crate::engine::Part::Action,
            }),
        }
    }

    /// What an entity is in.
    fn groups(&self, expression: Cow<'s, str>, uid: Uid) -> Seen<'s> {
        let entity = self.sight.question.entity(uid);
        let groups: SmallVec<[Uid; 8]> = entity.into_iter().flat_map(|entity| entity.ancestors()).collect();
        let mut text = String::from("[");
        for (index, group) in groups.iter().take(8).enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            text.push_str(&self.sight.text(&Val::Entity(*group)));
        }
        if groups.len() > 8 {
            text.push_str(&format!(", … {} more", groups.len() - 8));
        }
        text.push(']');
        let place = uid.foreign().is_none().then(|| self.sight.snapshot.entities.place(uid)).flatten();
        Seen {
            expression,
            fact: None,
            value: match entity {
                Some(_) => Value::In(text),
                None => Value::NoEntity,
            },
            source: place.map_or(Source::Nowhere, |(file, line)| Source::Store { file, line }),
        }
    }
}

/// What errs where Cedar never comes is no error.
fn excuse(clauses: &mut [Clause<'_>]) {
    for clause in clauses {
        if let Outcome::Errs(_) = clause.outcome {
            clause.outcome = Outcome::Unreached;
        }
        clause.alternatives.iter_mut().for_each(|alternative| excuse(alternative));
    }
}

/// The text of an expression: its author's, or Cedar's own where it came in JSON.
pub(super) fn text(expr: &Expr) -> Cow<'_, str> {
    let whole = match core::source(expr) {
        Some(source) => Cow::Borrowed(source),
        None => Cow::Owned(expr.to_string()),
    };
    shortened(whole, CLAUSE_MAX)
}

/// The text of what reads a fact. Cedar gives `resource.owner` the place of all of `resource.owner.groups.contains(…)`,
/// so what is made of names is written from them.
fn read(expr: &Expr) -> Cow<'_, str> {
    let mut names = Vec::new();
    let mut rest = expr;
    let root = loop {
        match rest.expr_kind() {
            ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } => {
                names.push(attr);
                rest = expr;
            }
            ExprKind::ExtHasAttr { expr, attrs } => {
                names.extend(attrs.iter().rev());
                rest = expr;
            }
            ExprKind::Var(var) => break var.to_string(),
            ExprKind::Lit(literal) => break literal.to_string(),
            _ if names.is_empty() => return text(expr),
            _ => return Cow::Owned(expr.to_string()),
        }
    };
    let path = names.iter().rev().fold(root, |mut path, name| {
        member_of(&mut path, name);
        path
    });
    Cow::Owned(path)
}

/// Goes on to a member.
fn member_of(path: &mut String, name: &str) {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        path.push('.');
        path.push_str(name);
    } else {
        path.push('[');
        quote(path, name);
        path.push(']');
    }
}

/// The line of an expression, counted from its policy's.
fn line(expr: &Expr, policy: &Policy) -> Option<usize> {
    let loc = expr.source_loc()?;
    let place = &policy.info.place;
    // A link stands elsewhere than what it links.
    if policy.info.template.is_some() {
        return Some(1 + loc.src.get(..loc.start())?.matches('\n').count());
    }
    let between = loc.src.get(place.span.offset..loc.start())?;
    Some(place.line + between.bytes().filter(|byte| *byte == b'\n').count())
}

/// Whether a `!` is the `unless` of a clause.
fn is_unless(expr: &Expr) -> bool {
    core::source(expr).is_some_and(|text| text.starts_with("unless"))
}

/// Whether a condition is told part by part.
fn is_compound(at: At<'_>) -> bool {
    match at.parts() {
        Parts::And(_) | Parts::Or(_) => true,
        Parts::Not(inner) => is_compound(inner),
        Parts::If(_) | Parts::Leaf => false,
    }
}
