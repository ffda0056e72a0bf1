//! The ways in which a permit comes to hold: chains of parents, elements of sets, and other clauses.

use std::borrow::Cow;

use super::clause::{Judge, text};
use super::sight::{At, Parts};
use super::{FactName, Named, Path, Step, Value};
use crate::engine::core::{BinaryOp, ExprKind, Var};
use crate::engine::index::{Policy, Scope};
use crate::engine::value::{Uid, Val};

/// Ways that are told; more are left out, and the explanation says so.
const PATHS_MAX: usize = 16;

/// Entities of one chain; longer ones are left out.
const CHAIN_MAX: usize = 64;

/// Groups of one set that a chain is looked for to.
const GROUPS_MAX: usize = 16;

/// Each way is the steps that together make the policy hold.
type Ways<'s> = Vec<Vec<Step<'s>>>;

/// The ways of an allow.
pub(super) struct Paths<'a, 'q, 's> {
    judge: &'a Judge<'a, 'q, 's>,
    pub(super) is_cut: bool,
}

impl<'a, 'q, 's: 'q> Paths<'a, 'q, 's> {
    pub(super) fn new(judge: &'a Judge<'a, 'q, 's>) -> Self {
        Self { judge, is_cut: false }
    }

    /// The ways of all permits that hold: those of narrow policies first, short ones first.
    pub(super) fn of(&mut self, permits: &[u32]) -> Vec<Path<'s>> {
        let mut paths: Vec<(usize, usize, Path<'s>)> = Vec::new();
        for &number in permits {
            let policy: &'s Policy = &self.judge.sight.snapshot.index.policies[number as usize];
            let breadth = policy.environments.len();
            for steps in self.ways_of(policy) {
                let length = steps.iter().map(Step::length).sum();
                let path = Path {
                    policy: number,
                    info: &policy.info,
                    steps,
                    is_independent: true,
                };
                paths.push((breadth, length, path));
            }
        }
        paths.sort_by_key(|(breadth, length, _)| (*breadth, *length));
        self.is_cut |= paths.len() > PATHS_MAX;
        let mut paths: Vec<Path<'s>> = paths.into_iter().take(PATHS_MAX).map(|(_, _, path)| path).collect();
        if let Some((first, others)) = paths.split_first_mut() {
            others.iter_mut().for_each(|other| other.is_independent = !first.shares(other));
        }
        paths
    }

    fn ways_of(&mut self, policy: &'s Policy) -> Ways<'s> {
        let mut ways = vec![Vec::new()];
        let question = self.judge.sight.question;
        for (variable, scope, uid) in [
            ("principal", policy.principal, question.principal.uid),
            ("resource", policy.resource, question.resource.uid),
        ] {
            match scope {
                Scope::Any => {}
                Scope::Is(_) => ways.iter_mut().for_each(|way| {
                    way.push(Step::Clause {
                        text: format!("{variable} == {}", self.judge.sight.text(&Val::Entity(uid))).into(),
                        is_negated: false,
                        seen: Vec::new(),
                    });
                }),
                Scope::In(group) => {
                    let text = format!("{variable} in {}", self.judge.sight.text(&Val::Entity(group)));
                    let mut steps = Vec::new();
                    self.chains(uid, group, text.into(), None, &mut steps);
                    ways = self.product(ways, steps.into_iter().map(|step| vec![step]).collect());
                }
            }
        }
        match policy.body.as_deref() {
            Some(body) => {
                let own = self.ways(At::new(&body.expr, body.compiled.as_ref()), true);
                self.product(ways, own)
            }
            None => ways,
        }
    }

    fn product(&mut self, firsts: Ways<'s>, seconds: Ways<'s>) -> Ways<'s> {
        if let ([first], false) = (firsts.as_slice(), seconds.is_empty())
            && first.is_empty()
        {
            return seconds;
        }
        let mut ways = Vec::new();
        for first in &firsts {
            for second in &seconds {
                if ways.len() == PATHS_MAX {
                    self.is_cut = true;
                    return ways;
                }
                ways.push(first.iter().chain(second).cloned().collect());
            }
        }
        ways
    }

    /// The ways in which a condition is what it is.
    fn ways(&mut self, at: At<'s>, wanted: bool) -> Ways<'s> {
        match (at.parts(), wanted) {
            (Parts::And(links), true) | (Parts::Or(links), false) => {
                let mut ways = vec![Vec::new()];
                for link in links {
                    let own = self.ways(link, wanted);
                    ways = self.product(ways, own);
                }
                ways
            }
            (Parts::And(links), false) | (Parts::Or(links), true) => {
                let mut ways = Vec::new();
                for link in links {
                    if self.judge.sight.test(link) == Ok(wanted) {
                        ways.extend(self.ways(link, wanted));
                    }
                }
                ways
            }
            (Parts::Not(inner), _) if !matches!(inner.parts(), Parts::Leaf) => self.ways(inner, !wanted),
            _ => self.leaf(at, wanted),
        }
    }

    fn leaf(&mut self, at: At<'s>, wanted: bool) -> Ways<'s> {
        let sight = self.judge.sight;
        let part = at.second().unwrap_or(at);
        if wanted
            && let ExprKind::BinaryApp { op, .. } = part.expr.expr_kind()
            && let Some([left, right]) = part.operands()
        {
            let listed_in = sight.fact(right).map(|fact| sight.fact_name(&fact));
            let mut steps = Vec::new();
            match (op, sight.value(left), sight.value(right)) {
                (BinaryOp::In, Some(Val::Entity(uid)), Some(Val::Entity(group))) if is_side(left.expr) => {
                    self.chains(uid, group, text(at.expr), None, &mut steps);
                }
                (BinaryOp::In, Some(Val::Entity(uid)), Some(Val::Set(groups))) if is_side(left.expr) => {
                    let entity = sight.question.entity(uid);
                    let is_in = |group: Uid| uid == group || entity.is_some_and(|entity| entity.has_ancestor(group));
                    let mut found = 0;
                    for item in groups.iter() {
                        let Val::Entity(group) = item else { continue };
                        if is_in(group) {
                            self.chains(uid, group, text(at.expr), listed_in.as_ref(), &mut steps);
                            found += 1;
                        }
                        if found == GROUPS_MAX {
                            self.is_cut = true;
                            break;
                        }
                    }
                }
                (BinaryOp::Contains, Some(Val::Set(_)), Some(item)) => {
                    if let (Some(fact), Val::Entity(element), false) = (sight.fact(left), item, reads(right.expr)) {
                        steps.push(Step::Listed {
                            text: text(at.expr),
                            element: sight.named(element),
                            listed_in: sight.fact_name(&fact),
                        });
                    }
                }
                _ => {}
            }
            if !steps.is_empty() {
                return steps.into_iter().map(|step| vec![step]).collect();
            }
        }
        let mut seen = Vec::new();
        self.judge.look(at.expr, at, &mut seen);
        vec![vec![Step::Clause {
            text: text(at.expr),
            is_negated: !wanted,
            seen,
        }]]
    }

    /// The chains of parents from an entity up to a group, or to itself.
    fn chains(
        &mut self,
        uid: Uid,
        group: Uid,
        text: Cow<'s, str>,
        listed_in: Option<&FactName<'s>>,
        steps: &mut Vec<Step<'s>>,
    ) {
        let sight = self.judge.sight;
        let leads =
            |from: Uid| from == group || sight.question.entity(from).is_some_and(|view| view.has_ancestor(group));
        let mut waiting = vec![vec![uid]];
        while let Some(chain) = waiting.pop() {
            if steps.len() >= PATHS_MAX || chain.len() > CHAIN_MAX {
                self.is_cut = true;
                continue;
            }
            let last = chain[chain.len() - 1];
            if last == group {
                steps.push(Step::Chain {
                    text: text.clone(),
                    entities: chain.iter().map(|uid| sight.named(*uid)).collect(),
                    listed_in: listed_in.cloned(),
                });
                continue;
            }
            let parents = sight.question.entity(last).into_iter().flat_map(|view| view.parents());
            waiting.extend(parents.filter(|parent| leads(*parent)).map(|parent| [&*chain, &[parent]].concat()));
        }
    }
}

/// Whether an expression is the principal or the resource: these are whoever they are, whatever else changes. What an
/// action is in, the schema says.
fn is_side(expr: &crate::engine::core::Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::Var(Var::Principal | Var::Resource))
}

/// Whether an expression reads a fact.
fn reads(expr: &crate::engine::core::Expr) -> bool {
    expr.subexpressions().any(|part| {
        matches!(
            part.expr_kind(),
            ExprKind::GetAttr { .. } | ExprKind::HasAttr { .. } | ExprKind::BinaryApp { .. }
        )
    })
}

impl<'s> Step<'s> {
    fn length(&self) -> usize {
        match self {
            Self::Chain { entities, .. } => entities.len(),
            // A chain from the principal says more than a list alone.
            Self::Listed { .. } => 3,
            Self::Clause { .. } => 1,
        }
    }

    /// Whether taking this step away could take the other one away.
    fn shares(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Chain {
                    entities: own,
                    listed_in,
                    ..
                },
                Self::Chain {
                    entities: others,
                    listed_in: other_list,
                    ..
                },
            ) => {
                let is_same_end = own.last() == others.last() && listed_in.is_some() && listed_in == other_list;
                is_same_end || own.windows(2).any(|edge| others.windows(2).any(|other| edge == other))
            }
            (
                Self::Chain {
                    entities, listed_in, ..
                },
                Self::Listed {
                    element,
                    listed_in: list,
                    ..
                },
            )
            | (
                Self::Listed {
                    element,
                    listed_in: list,
                    ..
                },
                Self::Chain {
                    entities, listed_in, ..
                },
            ) => listed_in.as_ref() == Some(list) && entities.last() == Some(element),
            (
                Self::Listed { element, listed_in, .. },
                Self::Listed {
                    element: other,
                    listed_in: list,
                    ..
                },
            ) => element == other && listed_in == list,
            (Self::Clause { seen, .. }, Self::Clause { seen: others, .. }) => seen.iter().any(|seen| {
                let is_shared = |other: &FactName<'_>| seen.fact.as_ref() == Some(other);
                others.iter().filter_map(|other| other.fact.as_ref()).any(is_shared)
            }),
            (Self::Clause { seen, .. }, other) | (other, Self::Clause { seen, .. }) => {
                let list = match other {
                    Self::Chain { listed_in, .. } => listed_in.as_ref(),
                    Self::Listed { listed_in, .. } => Some(listed_in),
                    Self::Clause { .. } => None,
                };
                let is_edge = |value: &Value| matches!((value, other), (Value::In(_), Self::Chain { .. }));
                seen.iter()
                    .any(|seen| is_edge(&seen.value) || seen.fact.is_some() && seen.fact.as_ref() == list)
            }
        }
    }

    /// The entities and edges that it leads through, if it does.
    pub fn entities(&self) -> &[Named<'s>] {
        match self {
            Self::Chain { entities, .. } => entities,
            Self::Listed { .. } | Self::Clause { .. } => &[],
        }
    }
}

impl Path<'_> {
    fn shares(&self, other: &Self) -> bool {
        self.steps.iter().any(|step| other.steps.iter().any(|others| step.shares(others)))
    }
}
