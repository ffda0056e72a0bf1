//! From a question with one side open to the entities that it is to be asked about, a policy at a time.
//!
//! Planning may cost no more than what it saves: once the lists hold as much as is worth while, or too many were looked
//! up, everything is asked about, and no further list is sought.

use std::cell::Cell;

use foldhash::HashMap;

use super::super::decide::Effect;
use super::super::evaluate::Erred;
use super::super::index::{Policy, Scope};
use super::super::postings::key_of_type;
use super::asked::Asked;
use super::plan::{List, Plan, Planner};
use super::walk::Walk;
use super::{Candidates, Going};

/// Candidates that are gone through list by list in any case.
const FEW: usize = 64;

/// Lists that are looked up in any case.
const FEW_LOOKUPS: usize = 4096;

/// A search whose candidates are not known yet.
pub(super) struct Planning<'s> {
    asked: Asked<'s>,
    /// Policies that the known side leads to, and those of the others that a candidate leads to.
    known: std::vec::IntoIter<u32>,
    named: Box<dyn Iterator<Item = u32> + Send + 's>,
    /// Whether a forbid holds whoever the other side is.
    never: bool,
    plan: Plan<'s>,
    /// Entities in the lists of the plan, at most, and how many there may be.
    size: usize,
    size_max: usize,
    lookups: Cell<usize>,
    /// Where conditions can hold, by the place of the body: the links of a template share one.
    conditions: HashMap<usize, Condition<'s>>,
}

/// Where a condition can hold.
struct Condition<'s> {
    plan: Plan<'s>,
    is_in_plan: bool,
}

impl<'s> Planning<'s> {
    pub(super) fn new(asked: Asked<'s>) -> Self {
        let mut known = Vec::new();
        asked.bucket.visit_known(asked.sought, &asked.known(), |number| known.push(number));
        let count = asked.snapshot.entities.postings.get(key_of_type(asked.ty)).map_or(0, |all| all.len());
        Self {
            known: known.into_iter(),
            named: Box::new(asked.bucket.all_sought(asked.sought)),
            asked,
            never: false,
            plan: Plan::NOTHING,
            size: 0,
            // Lists that hold most of what there is take longer than all of it.
            size_max: FEW.max(count / 2),
            lookups: Cell::new(FEW_LOOKUPS.max(count / 2)),
            conditions: HashMap::default(),
        }
    }

    /// Plans one policy more.
    pub(super) fn go_on(&mut self) -> Going {
        if let Some(number) = self.known.next() {
            self.add_known(number);
            return if self.never { Going::Done } else { Going::On };
        }
        match self.plan {
            Plan::Everything => return Going::Done,
            Plan::Lists(_) => {}
        }
        let Some(number) = self.named.next() else { return Going::Done };
        let policy = self.asked.policy(number);
        let (known_scope, scope) = self.asked.scopes(policy);
        if policy.info.effect == Effect::Permit && known_scope.takes(&self.asked.known()) {
            self.gather(policy, scope);
        }
        Going::On
    }

    /// A policy that the known side leads to.
    fn add_known(&mut self, number: u32) {
        let policy = self.asked.policy(number);
        let (known_scope, scope) = self.asked.scopes(policy);
        if !known_scope.takes(&self.asked.known()) {
            return;
        }
        self.asked.learn(policy);
        let settled = match scope {
            Scope::Any => self.asked.settled(policy),
            Scope::Is(_) | Scope::In(_) => None,
        };
        match (policy.info.effect, settled) {
            (Effect::Permit, Some(Ok(true))) => {
                self.asked.always = true;
                self.plan = Plan::Everything;
            }
            (_, Some(Ok(false))) | (Effect::Permit, Some(Err(Erred::NoEntity(_)))) => {}
            (Effect::Permit, Some(Err(Erred::Otherwise))) => self.asked.wary.push(self.asked.open(number)),
            (Effect::Forbid, Some(Ok(true))) => self.never = true,
            (Effect::Forbid, _) => self.asked.forbids.push(self.asked.open(number)),
            (Effect::Permit, None) => {
                if self.gather(policy, scope) || self.asked.is_alike() {
                    let permit = self.asked.open(number);
                    self.asked.permits.push(permit);
                    if self.asked.is_wary(permit) {
                        self.asked.wary.push(permit);
                    }
                }
            }
        }
    }

    /// Adds where a permit can hold to the plan, and says whether it can at all.
    fn gather(&mut self, policy: &'s Policy, scope: Scope) -> bool {
        self.asked.learn(policy);
        let Self {
            asked,
            lookups,
            conditions,
            ..
        } = self;
        let (plan, can_hold) = asked.half(|question, variable| {
            let planner = Planner {
                question,
                variable,
                ty: asked.ty,
                postings: &asked.snapshot.entities.postings,
                lookups,
            };
            let scope = planner.scope(scope);
            let Some((body, node)) = policy.body.as_ref().and_then(|body| Some((body, asked.node(body)?))) else {
                let can_hold = scope.len() > 0;
                return (scope, can_hold);
            };
            let condition = conditions.entry(Asked::place(body)).or_insert_with(|| Condition {
                plan: planner.condition(node),
                is_in_plan: false,
            });
            if scope.len() <= condition.plan.len() {
                let can_hold = scope.len() > 0;
                return (scope, can_hold);
            }
            let can_hold = condition.plan.len() > 0;
            if condition.is_in_plan {
                return (Plan::NOTHING, can_hold);
            }
            condition.is_in_plan = true;
            (condition.plan.clone(), can_hold)
        });
        self.add(plan);
        can_hold
    }

    fn add(&mut self, more: Plan<'s>) {
        let (Plan::Lists(lists), Plan::Lists(more)) = (&mut self.plan, more) else {
            self.plan = Plan::Everything;
            return;
        };
        self.size += more.iter().map(List::len).sum::<usize>();
        lists.extend(more);
        if self.size > self.size_max {
            self.plan = Plan::Everything;
        }
    }

    /// What is to be asked, and about whom: in the end, of ids behind this one.
    pub(super) fn candidates(mut self, behind: Option<&str>) -> (Asked<'s>, Candidates<'s>) {
        // A forbid that holds whoever the other side is holds of the known entity beside itself too.
        if self.never {
            return (self.asked, Candidates::Declared(Vec::new()));
        }
        // Lists are of what the store has, not of what the request says of one entity.
        if self.asked.is_alike() {
            self.add(Plan::Lists(vec![List::One(self.asked.known)]));
        }
        if self.plan.len() == 0 {
            return (self.asked, Candidates::Declared(Vec::new()));
        }
        if let Some(mut declared) = self.asked.declared() {
            declared.retain(|(_, id)| behind.is_none_or(|behind| *id > behind));
            return (self.asked, Candidates::Declared(declared));
        }
        let entities = &self.asked.snapshot.entities;
        let all = || entities.postings.get(key_of_type(self.asked.ty)).map(List::Posted);
        let lists = match self.plan {
            Plan::Lists(lists) => lists,
            Plan::Everything => all().into_iter().collect(),
        };
        let walk = Walk::new(&entities.table, self.asked.ty, lists, behind);
        (self.asked, Candidates::Stored(walk))
    }
}
