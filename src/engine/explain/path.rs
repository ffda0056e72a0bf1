//! The ways in which a permit comes to hold: chains of parents, elements of sets, and other clauses.

use std::borrow::Cow;
use std::collections::VecDeque;

use foldhash::HashMap;

use super::change::Edit;
use super::clause::{Judge, text};
use super::sight::{At, Fact, Parts, Sight};
use super::{Named, Path, Shared, Step, WithoutFirst};
use crate::engine::core::{BinaryOp, ExprKind, Var};
use crate::engine::decide::By;
use crate::engine::index::{Policy, Scope};
use crate::engine::shape::Shape;
use crate::engine::value::{Uid, Val};

/// Ways that are told, and that one policy gives; more are left out, and the explanation says so.
const PATHS_MAX: usize = 16;

/// Ways that are looked for altogether.
const FOUND_MAX: usize = 64;

/// Entities that are told of a chain: the middle of a longer one is left out.
const CHAIN_MAX: usize = 32;

/// Groups of one set that a chain is looked for to.
const GROUPS_MAX: usize = 16;

/// A way: the steps that together make the policy hold, and what takes those away that can be.
#[derive(Clone, Default)]
struct Way<'q, 's> {
    steps: Vec<Step<'s>>,
    links: Vec<Edit<'q, 's>>,
    length: usize,
}

impl<'q, 's> Way<'q, 's> {
    fn of(step: Step<'s>, links: Vec<Edit<'q, 's>>, length: usize) -> Self {
        Self {
            steps: vec![step],
            links,
            length,
        }
    }

    fn then(&self, next: &Self) -> Self {
        Self {
            steps: self.steps.iter().chain(&next.steps).cloned().collect(),
            links: self.links.iter().chain(&next.links).cloned().collect(),
            length: self.length + next.length,
        }
    }
}

type Ways<'q, 's> = Vec<Way<'q, 's>>;

/// The ways of an allow.
pub(super) struct Paths<'s> {
    /// The one that is told first, those that are independent of it, and those that share something with it.
    pub(super) all: Vec<Path<'s>>,
    pub(super) is_cut: bool,
    pub(super) without_first: WithoutFirst,
}

impl<'s> Paths<'s> {
    /// There are none.
    pub(super) fn none() -> Self {
        Self {
            all: Vec::new(),
            is_cut: false,
            without_first: WithoutFirst::Unknown,
        }
    }

    /// The ways of the permits that hold.
    pub(super) fn of<'q>(judge: &Judge<'_, 'q, 's>, permits: &[u32]) -> Self
    where
        's: 'q,
    {
        let mut finder = Finder { judge, is_cut: false };
        let mut found = finder.all(permits).into_iter();
        let Some((way, mut first)) = found.next() else {
            return Self {
                is_cut: finder.is_cut,
                ..Self::none()
            };
        };
        first.is_independent = true;
        let mut others: Vec<Path<'s>> = found.map(|(_, path)| path).collect();
        others.iter_mut().for_each(|other| other.shares = first.shared_with(other));
        let mut without_first = WithoutFirst::Unknown;
        if way.links.is_empty() {
            // What only clauses make is gone with the facts that they read.
            for other in &mut others {
                other.is_independent = other.shares.is_empty() && !other.is_same(&first);
            }
        } else if let Some(left) = judge.without(&way.links) {
            without_first = match left.is_allowed {
                true => WithoutFirst::Allowed,
                false => WithoutFirst::Denied,
            };
            let is_cut = finder.is_cut;
            for path in left.paths {
                match others.iter_mut().find(|other| other.is_same(&path)) {
                    Some(other) => other.is_independent = true,
                    // It was among those that were not looked for.
                    None if is_cut && permits.contains(&path.policy) => others.push(path),
                    None => {}
                }
            }
            finder.is_cut |= left.is_cut;
        }
        // Those that stay are told before those that may not.
        others.sort_by_key(|other| !other.is_independent);
        let mut all = vec![first];
        all.extend(others);
        finder.is_cut |= all.len() > PATHS_MAX || judge.sight.work.is_over();
        all.truncate(PATHS_MAX);
        Self {
            all,
            is_cut: finder.is_cut,
            without_first,
        }
    }
}

/// What is left of an allow once links are gone.
struct Left<'s> {
    is_allowed: bool,
    paths: Vec<Path<'s>>,
    is_cut: bool,
}

impl<'q, 's: 'q> Judge<'_, 'q, 's> {
    /// Takes links away and asks again; none if that cannot be tried.
    fn without(&self, links: &[Edit<'q, 's>]) -> Option<Left<'s>> {
        // What an attribute that is a group becomes: an entity of that type that nobody knows.
        let mut foreign = self.sight.question.foreign.to_vec();
        let mut edits: Vec<Edit<'_, 's>> = Vec::with_capacity(links.len());
        for link in links {
            match link {
                Edit::Put(fact, None) => {
                    let Shape::Entity(ty) = fact.shape else { return None };
                    let nobody = Uid(Uid::FOREIGN + foreign.len() as u32);
                    foreign.push((*ty, "".into()));
                    edits.push(Edit::Put(fact.clone(), Some(Val::Entity(nobody))));
                }
                other => edits.push(other.clone()),
            }
        }
        let mut question = self.sight.same();
        question.foreign = &foreign;
        let Sight {
            snapshot,
            resolved,
            work,
            ..
        } = *self.sight;
        let sight = Sight::new(snapshot, resolved, &question, work);
        let look = |sight: &Sight<'_, 's>| {
            let decision = snapshot
                .tally(sight.question, resolved.action, resolved.bucket, By::Compiled)
                .decide(snapshot.options.erring_forbid);
            let judge = Judge::new(sight, self.query);
            let mut finder = Finder {
                judge: &judge,
                is_cut: false,
            };
            let is_allowed = decision.is_allowed();
            let mut paths: Vec<Path<'s>> = Vec::new();
            if is_allowed {
                paths.extend(finder.all(&decision.determining).into_iter().map(|(_, path)| path));
            }
            paths.iter_mut().for_each(|path| path.is_independent = true);
            Left {
                is_allowed,
                paths,
                is_cut: finder.is_cut,
            }
        };
        sight.after_all(&edits, &look).ok()
    }
}

/// Finds the ways of one question.
struct Finder<'a, 'q, 's> {
    judge: &'a Judge<'a, 'q, 's>,
    is_cut: bool,
}

impl<'q, 's: 'q> Finder<'_, 'q, 's> {
    /// The ways of all permits that hold: those of narrow policies first, short ones first.
    fn all(&mut self, permits: &[u32]) -> Vec<(Way<'q, 's>, Path<'s>)> {
        let mut found: Vec<(usize, Way<'q, 's>, Path<'s>)> = Vec::new();
        for &number in permits {
            if found.len() >= FOUND_MAX || self.judge.sight.work.is_over() {
                self.is_cut = true;
                break;
            }
            let policy: &'s Policy = &self.judge.sight.snapshot.index.policies[number as usize];
            for way in self.ways_of(policy) {
                let path = Path {
                    policy: number,
                    info: &policy.info,
                    steps: way.steps.clone(),
                    is_independent: false,
                    shares: Vec::new(),
                };
                found.push((policy.environments.len(), way, path));
            }
        }
        found.sort_by_key(|(breadth, way, _)| (*breadth, way.length));
        found.into_iter().map(|(_, way, path)| (way, path)).collect()
    }

    fn ways_of(&mut self, policy: &'s Policy) -> Ways<'q, 's> {
        let mut ways = vec![Way::default()];
        let question = self.judge.sight.question;
        for (variable, scope, uid) in [
            ("principal", policy.principal, question.principal.uid),
            ("resource", policy.resource, question.resource.uid),
        ] {
            let own = match scope {
                Scope::Any => continue,
                Scope::Is(_) => vec![Way::of(
                    Step::Clause {
                        text: format!("{variable} == {}", self.judge.sight.text(&Val::Entity(uid))).into(),
                        is_negated: false,
                        seen: Vec::new(),
                    },
                    Vec::new(),
                    1,
                )],
                Scope::In(group) => {
                    let text = format!("{variable} in {}", self.judge.sight.text(&Val::Entity(group)));
                    self.chains(uid, group, &text.into(), None)
                }
            };
            ways = self.product(ways, own);
        }
        match policy.body.as_deref() {
            Some(body) => {
                let own = self.ways(At::new(&body.expr, body.compiled.as_ref()), true);
                self.product(ways, own)
            }
            None => ways,
        }
    }

    fn product(&mut self, firsts: Ways<'q, 's>, seconds: Ways<'q, 's>) -> Ways<'q, 's> {
        if let ([first], false) = (firsts.as_slice(), seconds.is_empty())
            && first.steps.is_empty()
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
                ways.push(first.then(second));
            }
        }
        ways
    }

    /// The ways in which a condition is what it is.
    fn ways(&mut self, at: At<'s>, wanted: bool) -> Ways<'q, 's> {
        match (at.parts(), wanted) {
            (Parts::And(links), true) | (Parts::Or(links), false) => {
                let mut ways = vec![Way::default()];
                for link in links {
                    let own = self.ways(link, wanted);
                    ways = self.product(ways, own);
                }
                ways
            }
            (Parts::And(links), false) | (Parts::Or(links), true) => {
                let mut ways = Vec::new();
                for link in links {
                    if ways.len() >= PATHS_MAX {
                        self.is_cut = true;
                        break;
                    }
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

    fn leaf(&mut self, at: At<'s>, wanted: bool) -> Ways<'q, 's> {
        let sight = self.judge.sight;
        let part = at.second().unwrap_or(at);
        if wanted
            && let ExprKind::BinaryApp { op, .. } = part.expr.expr_kind()
            && let Some([left, right]) = part.operands()
        {
            let mut ways = Vec::new();
            match (op, sight.value(left), sight.value(right)) {
                (BinaryOp::In, Some(Val::Entity(uid)), Some(Val::Entity(group))) if is_side(left.expr) => {
                    ways = self.chains(uid, group, &text(at.expr), sight.fact(right).as_ref());
                }
                (BinaryOp::In, Some(Val::Entity(uid)), Some(Val::Set(groups))) if is_side(left.expr) => {
                    let entity = sight.question.entity(uid);
                    let is_in = |group: Uid| uid == group || entity.is_some_and(|entity| entity.has_ancestor(group));
                    let listed_in = sight.fact(right);
                    let mut found = 0;
                    sight.work.spend(groups.len() / 16);
                    for item in groups.iter() {
                        let Val::Entity(group) = item else { continue };
                        if !is_in(group) {
                            continue;
                        }
                        if found == GROUPS_MAX || ways.len() >= PATHS_MAX {
                            self.is_cut = true;
                            break;
                        }
                        ways.extend(self.chains(uid, group, &text(at.expr), listed_in.as_ref()));
                        found += 1;
                    }
                }
                (BinaryOp::Contains, Some(Val::Set(_)), Some(item)) => {
                    if let (Some(fact), Val::Entity(element), false) = (sight.fact(left), item, reads(right.expr)) {
                        let step = Step::Listed {
                            text: text(at.expr),
                            element: sight.named(element),
                            listed_in: sight.fact_name(&fact),
                        };
                        // A chain from the principal says more than a list alone.
                        ways.push(Way::of(step, vec![Edit::TakeOut(fact, item)], 3));
                    }
                }
                _ => {}
            }
            if !ways.is_empty() {
                return ways;
            }
        }
        let mut seen = Vec::new();
        self.judge.look(at.expr, at, &mut seen);
        let step = Step::Clause {
            text: text(at.expr),
            is_negated: !wanted,
            seen,
        };
        vec![Way::of(step, Vec::new(), 1)]
    }

    /// The chains of parents from an entity up to a group, or to itself: a shortest one first.
    fn chains(&mut self, uid: Uid, group: Uid, text: &Cow<'s, str>, listed_in: Option<&Fact<'q, 's>>) -> Ways<'q, 's> {
        let chains = self.climb(uid, group);
        chains.into_iter().map(|chain| self.chain(&chain, text, listed_in)).collect()
    }

    fn chain(&self, chain: &[Uid], text: &Cow<'s, str>, listed_in: Option<&Fact<'q, 's>>) -> Way<'q, 's> {
        let sight = self.judge.sight;
        let mut links: Vec<Edit<'q, 's>> = chain.windows(2).map(|edge| Edit::Leave(edge[0], edge[1])).collect();
        if let (Some(fact), Some(last)) = (listed_in, chain.last()) {
            links.push(match fact.shape {
                Shape::Set(_) => Edit::TakeOut(fact.clone(), Val::Entity(*last)),
                _ => Edit::Put(fact.clone(), None),
            });
        }
        let (head, tail) = match chain.len() > CHAIN_MAX {
            true => (&chain[..CHAIN_MAX / 2], &chain[chain.len() - CHAIN_MAX / 2..]),
            false => (chain, &[][..]),
        };
        let step = Step::Chain {
            text: text.clone(),
            entities: head.iter().chain(tail).map(|uid| sight.named(*uid)).collect(),
            left_out: chain.len() - head.len() - tail.len(),
            listed_in: listed_in.map(|fact| sight.fact_name(fact)),
        };
        Way::of(step, links, chain.len())
    }

    /// Chains of parents: each step is one that leads to the group, so that none is in vain.
    fn climb(&mut self, uid: Uid, group: Uid) -> Vec<Vec<Uid>> {
        let above = self.above(uid, group);
        let mut chains = Vec::new();
        // Parts of chains, each with the one that it goes on from.
        let mut parts: Vec<(Uid, Option<usize>)> = vec![(uid, None)];
        let mut waiting = vec![0];
        while let Some(part) = waiting.pop() {
            self.judge.sight.work.spend(1);
            if chains.len() == PATHS_MAX || self.judge.sight.work.is_over() {
                self.is_cut = true;
                break;
            }
            let (last, _) = parts[part];
            if last == group {
                let mut chain: Vec<Uid> = std::iter::successors(Some(part), |part| parts[*part].1)
                    .map(|part| parts[part].0)
                    .collect();
                chain.reverse();
                chains.push(chain);
                continue;
            }
            for parent in above.get(&last).into_iter().flatten() {
                waiting.push(parts.len());
                parts.push((*parent, Some(part)));
            }
        }
        chains
    }

    /// Of what lies between an entity and a group: the parents that lead there, those nearest to the group last.
    fn above(&mut self, uid: Uid, group: Uid) -> HashMap<Uid, Vec<Uid>> {
        let sight = self.judge.sight;
        let mut above: HashMap<Uid, Vec<Uid>> = HashMap::default();
        let mut below: HashMap<Uid, Vec<Uid>> = HashMap::default();
        let mut waiting = VecDeque::from([uid]);
        while let Some(from) = waiting.pop_front() {
            if from == group || above.contains_key(&from) {
                continue;
            }
            let entity = sight.question.entity(from);
            let parents = entity.into_iter().flat_map(|view| view.parents());
            let leads = |to: Uid| {
                sight.work.spend(1);
                to == group || sight.question.entity(to).is_some_and(|view| view.has_ancestor(group))
            };
            let parents: Vec<Uid> = parents.filter(|parent| !sight.work.is_over() && leads(*parent)).collect();
            parents.iter().for_each(|parent| below.entry(*parent).or_default().push(from));
            waiting.extend(&parents);
            above.insert(from, parents);
        }
        // How far each is from the group, so that the nearest is gone to first.
        let mut far: HashMap<Uid, usize> = HashMap::default();
        let mut waiting = VecDeque::from([(group, 0)]);
        while let Some((to, steps)) = waiting.pop_front() {
            if far.contains_key(&to) {
                continue;
            }
            far.insert(to, steps);
            waiting.extend(below.get(&to).into_iter().flatten().map(|from| (*from, steps + 1)));
        }
        let distance = |uid: &Uid| far.get(uid).copied().unwrap_or(usize::MAX);
        above
            .values_mut()
            .for_each(|parents| parents.sort_by_key(|uid| std::cmp::Reverse(distance(uid))));
        above
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

impl Shared<'_> {
    /// What is one thing in both. A clause may look at a list as a whole.
    fn and(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Listed(list, _), Self::Fact(fact)) | (Self::Fact(fact), Self::Listed(list, _)) if list == fact => {
                Some(Self::Fact(fact.clone()))
            }
            _ => (self == other).then(|| self.clone()),
        }
    }
}

impl<'s> Step<'s> {
    /// The facts that make this step and the other one.
    fn shared_with(&self, other: &Self, shared: &mut Vec<Shared<'s>>) {
        let others = other.links();
        for link in self.links() {
            for other in &others {
                if let Some(link) = link.and(other)
                    && !shared.contains(&link)
                {
                    shared.push(link);
                }
            }
        }
    }

    fn links(&self) -> Vec<Shared<'s>> {
        match self {
            Self::Chain {
                entities,
                left_out,
                listed_in,
                ..
            } => {
                let gap = (*left_out > 0).then_some(entities.len() / 2);
                let edges = entities.windows(2).enumerate().filter(|(index, _)| Some(index + 1) != gap);
                let edges = edges.map(|(_, edge)| Shared::Parent(edge[0].clone(), edge[1].clone()));
                let listed = listed_in.iter().zip(entities.last());
                edges
                    .chain(listed.map(|(fact, element)| Shared::Listed(fact.clone(), element.clone())))
                    .collect()
            }
            Self::Listed { element, listed_in, .. } => vec![Shared::Listed(listed_in.clone(), element.clone())],
            Self::Clause { seen, .. } => seen.iter().filter_map(|seen| seen.fact.clone()).map(Shared::Fact).collect(),
        }
    }

    /// The entities and edges that it leads through, if it does.
    pub fn entities(&self) -> &[Named<'s>] {
        match self {
            Self::Chain { entities, .. } => entities,
            Self::Listed { .. } | Self::Clause { .. } => &[],
        }
    }

    /// Whether it is the same step, whatever values it saw.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Clause { text, is_negated, .. },
                Self::Clause {
                    text: others,
                    is_negated: other,
                    ..
                },
            ) => (text, is_negated) == (others, other),
            (
                Self::Chain {
                    text,
                    entities,
                    left_out,
                    listed_in,
                },
                Self::Chain {
                    text: other_text,
                    entities: others,
                    left_out: other_left_out,
                    listed_in: other_list,
                },
            ) => (text, entities, left_out, listed_in) == (other_text, others, other_left_out, other_list),
            (
                Self::Listed {
                    text,
                    element,
                    listed_in,
                },
                Self::Listed {
                    text: other_text,
                    element: other,
                    listed_in: other_list,
                },
            ) => (text, element, listed_in) == (other_text, other, other_list),
            _ => false,
        }
    }
}

impl<'s> Path<'s> {
    fn shared_with(&self, other: &Self) -> Vec<Shared<'s>> {
        let mut shared = Vec::new();
        for step in &self.steps {
            other.steps.iter().for_each(|others| step.shared_with(others, &mut shared));
        }
        shared
    }

    fn is_same(&self, other: &Self) -> bool {
        self.policy == other.policy
            && self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(|(own, other)| own.is_same(other))
    }
}
