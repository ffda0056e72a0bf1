//! Why an answer is what it is, and what would turn it.
//!
//! A decision comes first, made as [`Snapshot::decide`] makes it; then the policies of its kind are looked at clause by
//! clause. What is said to turn the answer has been tried: the question was asked again with that one fact changed.

mod change;
mod clause;
mod dropped;
mod path;
mod remedy;
mod sight;
mod unknown;
mod wish;
mod words;

use std::borrow::Cow;

use super::decide::{Brought, By, Decision, Effect, Resolved};
use super::evaluate::Question;
use super::policies::PolicyInfo;
use super::query::{Part, Problem, Query};
use super::snapshot::Snapshot;
use clause::{Judge, Show};
use path::Paths;
use sight::Sight;
use wish::Wishes;

/// Permits that are told of a deny.
const NEAREST_MAX: usize = 5;

/// Permits whose clauses give rise to changes that are tried.
const TRIED_MAX: usize = 8;

/// The answer to one question, and what it rests on.
#[derive(Debug)]
pub struct Explanation<'s> {
    /// The decision, as [`Snapshot::decide`] makes it.
    pub decision: Decision,
    /// Who asks.
    pub principal: Named<'s>,
    /// The exact name of what is to be done, or the name that was asked for where there is no such action.
    pub action: Cow<'s, str>,
    /// What people say for doing it (`@said`): `run an operation on`.
    pub action_said: Option<&'s str>,
    /// What it is to be done to.
    pub resource: Named<'s>,
    /// The policies that decided: all their clauses, with the values that they saw.
    pub determining: Vec<Judged<'s>>,
    /// Of a deny, the permits of such questions: fewest failing clauses first, with the values that those saw.
    pub nearest: Vec<Judged<'s>>,
    /// How many permits there are for such questions.
    pub permits: usize,
    /// Changes of one fact that turn the answer, each of them tried: those that reach least far first, of narrow
    /// policies before wide ones.
    pub remedies: Vec<Remedy<'s>>,
    /// Whether some changes were not tried.
    pub remedies_cut: bool,
    /// Of an allow, the ways in which it was granted.
    pub paths: Vec<Path<'s>>,
    /// Whether there are more.
    pub paths_cut: bool,
    /// What the request said that no policy could see.
    pub dropped: Vec<Dropped>,
    /// Names that nobody knows.
    pub unknown: Vec<Unknown>,
}

/// The name of an entity, and where it was read.
#[derive(Clone, Debug)]
pub struct Named<'s> {
    /// The exact name of its type, or the name that was asked for where there is no such type.
    pub entity_type: Cow<'s, str>,
    /// The id.
    pub id: Cow<'s, str>,
    /// File and line, if the store has it.
    pub place: Option<(&'s str, u32)>,
}

impl PartialEq for Named<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.entity_type == other.entity_type
    }
}

/// A policy, clause by clause.
#[derive(Debug)]
pub struct Judged<'s> {
    /// Its number; see [`Snapshot::policy`].
    pub number: u32,
    /// What is known of it.
    pub info: &'s PolicyInfo,
    /// Its text, or that of the template that it links; in Cedar's syntax.
    pub text: Cow<'s, str>,
    /// How many clauses fail: of alternatives, those of the one in which fewest do.
    pub distance: u32,
    /// The conditions that all have to hold.
    pub clauses: Vec<Clause<'s>>,
}

/// A condition of a policy.
#[derive(Debug)]
pub struct Clause<'s> {
    /// As its author wrote it.
    pub text: Cow<'s, str>,
    /// Whether the text must not hold: what stands in `unless`.
    pub is_negated: bool,
    /// Its line in the policy's file, or in that of the template.
    pub line: Option<usize>,
    /// What came of it.
    pub outcome: Outcome,
    /// The values that it saw, in the order of its text.
    pub seen: Vec<Seen<'s>>,
    /// If it holds once one of several does: the conditions of each.
    pub alternatives: Vec<Vec<Clause<'s>>>,
}

/// What came of a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// It cannot be evaluated, as Cedar says.
    Errs(String),
    /// It cannot be evaluated, and is not, since a clause before it fails.
    Unreached,
}

/// A value that a condition saw.
#[derive(Clone, Debug)]
pub struct Seen<'s> {
    /// The expression that was read, as its author wrote it.
    pub expression: Cow<'s, str>,
    /// The fact that it is; none for the principal, the action and the resource themselves.
    pub fact: Option<FactName<'s>>,
    /// What was there.
    pub value: Value,
    /// Where it comes from.
    pub source: Source<'s>,
}

/// An attribute or tag of an entity, or a member of the context.
#[derive(Clone, Debug, PartialEq)]
pub struct FactName<'s> {
    /// The entity; none for the context.
    pub entity: Option<Named<'s>>,
    /// The names on the way, the attribute's first.
    pub names: Vec<Cow<'s, str>>,
    /// The tag, if it is one.
    pub tag: Option<String>,
    /// What the schema says people call it (`@said`).
    pub said: Option<&'s str>,
}

/// What stands where a condition looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A value, as Cedar writes it; long sets cut short.
    Is(String),
    /// The entities that an entity is in, as Cedar writes them.
    In(String),
    /// Nothing: the attribute is absent.
    Missing,
    /// The entity is neither in the store nor in the request.
    NoEntity,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'s> {
    /// A file of the root.
    Store {
        /// The path below the root.
        file: &'s str,
        /// The line on which its entity begins, from 1.
        line: u32,
    },
    /// A part of the request.
    Request(Part),
    /// It is nowhere.
    Nowhere,
}

/// A change of one fact that turns the answer, with what may be chosen for it.
#[derive(Debug)]
pub struct Remedy<'s> {
    /// What is done.
    pub kind: ChangeKind,
    /// The entity that joins or leaves.
    pub member: Option<Named<'s>>,
    /// The fact that is changed; where an entity joins or leaves, the attribute that lists the groups, if one does.
    pub fact: Option<FactName<'s>>,
    /// What it is done with, any one of them: groups, values or elements. None if something is removed.
    pub choices: Vec<Choice>,
    /// Where the fact comes from now.
    pub source: Source<'s>,
    /// The policy that turns with it.
    pub policy: u32,
    /// What is known of that policy.
    pub info: &'s PolicyInfo,
}

/// Kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// An entity becomes a member of a group.
    Join,
    /// An entity is taken out of a group.
    Leave,
    /// A fact gets a value.
    Set,
    /// An attribute or tag is removed.
    Remove,
    /// A set gets an element.
    Add,
    /// An element is taken out of a set.
    TakeOut,
}

/// A group, value or element.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// As Cedar writes it, long ones cut short.
    pub text: String,
    /// In Cedar's JSON format of entities.
    pub value: serde_json::Value,
}

/// One way in which an allow was granted.
#[derive(Debug)]
pub struct Path<'s> {
    /// The number of the permit.
    pub policy: u32,
    /// What is known of it.
    pub info: &'s PolicyInfo,
    /// What makes it hold, all of it together; nothing if it holds for everybody.
    pub steps: Vec<Step<'s>>,
    /// Whether it would still grant if the first path were taken away.
    pub is_independent: bool,
}

/// A part of a path.
#[derive(Clone, Debug)]
pub enum Step<'s> {
    /// An entity is in a group.
    Chain {
        /// The condition.
        text: Cow<'s, str>,
        /// From the entity up to the group, each the parent of the one before it.
        entities: Vec<Named<'s>>,
        /// The attribute that lists the group, if one does.
        listed_in: Option<FactName<'s>>,
    },
    /// A set has an element.
    Listed {
        /// The condition.
        text: Cow<'s, str>,
        /// The element.
        element: Named<'s>,
        /// The attribute that lists it.
        listed_in: FactName<'s>,
    },
    /// Any other condition.
    Clause {
        /// The condition.
        text: Cow<'s, str>,
        /// Whether it must not hold.
        is_negated: bool,
        /// The values that it saw.
        seen: Vec<Seen<'s>>,
    },
}

/// Something of the request that no policy could see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The part of the request.
    pub part: Part,
    /// The member, such as `.device.name`.
    pub path: String,
    /// Why.
    pub why: WhyDropped,
}

/// Why a member of a request is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyDropped {
    /// The schema does not declare it.
    Undeclared,
    /// It is null, which is absent.
    Null,
    /// Properties of such entities are ignored.
    Ignored,
    /// The store has it already, and properties only fill.
    Stored,
    /// The action's properties say it as well, and win.
    SaidTwice,
}

/// A part of a question that names something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Who asks.
    Principal,
    /// What it is done to.
    Resource,
}

/// Something that was asked about and that nobody knows, or that does not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The schema has no such entity type.
    Type {
        /// Whose type.
        part: Asked,
        /// The name that was asked for.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// The schema has no such action.
    Action {
        /// The name that was asked for.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// The enumerated type has no such id.
    EnumeratedId {
        /// Whose id.
        part: Asked,
        /// The type.
        entity_type: String,
        /// The id that was asked for.
        id: String,
        /// The ids that there are.
        choices: Vec<String>,
    },
    /// The schema does not let the action be done by such a principal to such a resource.
    NotApplicable {
        /// The action.
        action: String,
        /// The types that may do it.
        principals: Vec<String>,
        /// The types that it may be done to.
        resources: Vec<String>,
        /// What such a principal may do to such a resource, as far as the schema goes.
        actions: Vec<String>,
    },
    /// The store has no such entity, so it has no attributes and is in nothing.
    Entity {
        /// Which one.
        part: Asked,
        /// Its type.
        entity_type: String,
        /// The id that was asked for.
        id: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
}

impl Snapshot {
    /// Decides one question as [`decide`](Self::decide) does, and says why the answer is what it is.
    ///
    /// # Errors
    /// Those of [`decide`](Self::decide).
    pub fn explain<'s>(&'s self, query: &Query<'s>) -> Result<Explanation<'s>, Problem> {
        let mut brought = Brought::default();
        match self.resolve(query, &mut brought, None)? {
            Ok(resolved) => {
                let explanation =
                    self.ask_about(&resolved, &brought, |question| self.explained(query, &resolved, question));
                Ok(explanation)
            }
            Err(cause) => Ok(self.without_policies(query, Decision::without_policies(cause))),
        }
    }

    fn without_policies<'s>(&'s self, query: &Query<'s>, decision: Decision) -> Explanation<'s> {
        let named = |asked: &super::query::Entity<'s>| {
            let entry = self.vocabulary.entity_type(asked.entity_type).map(|(_, entry)| entry.name.as_str());
            Named {
                entity_type: Cow::Borrowed(entry.unwrap_or(asked.entity_type)),
                id: Cow::Borrowed(asked.id),
                place: None,
            }
        };
        let action = self.vocabulary.action(query.action.name).map(|(_, entry)| entry.name.as_str());
        Explanation {
            decision,
            principal: named(&query.principal),
            action: Cow::Borrowed(action.unwrap_or(query.action.name)),
            action_said: action.and_then(|name| self.said().name(name)),
            resource: named(&query.resource),
            determining: Vec::new(),
            nearest: Vec::new(),
            permits: 0,
            remedies: Vec::new(),
            remedies_cut: false,
            paths: Vec::new(),
            paths_cut: false,
            dropped: Vec::new(),
            unknown: self.unknown_names(query),
        }
    }

    fn explained<'s>(&'s self, query: &Query<'_>, resolved: &Resolved<'s>, question: &Question<'_>) -> Explanation<'s> {
        let tally = self.tally(question, resolved.action, resolved.bucket, By::Compiled);
        let decision = tally.decide(self.options.erring_forbid);
        let sight = Sight::new(self, resolved, question);
        let judge = Judge { sight: &sight, query };
        let allowed = decision.is_allowed();
        let permits = nearest(&sight);
        let mut paths = Paths::new(&judge);
        let found = if allowed {
            paths.of(&decision.determining)
        } else {
            Vec::new()
        };
        let wishes = wishes(&sight, &decision, &permits);
        let (remedies, remedies_cut) = sight.remedies(wishes, allowed, query);
        let determining = decision.determining.iter();
        let shown = permits.iter().take(if allowed { 0 } else { NEAREST_MAX });
        let (principal, resource) = (
            self.vocabulary.type_entry(resolved.environment.principal),
            self.vocabulary.type_entry(resolved.environment.resource),
        );
        let unknown = [
            self.unknown_entity(Asked::Principal, resolved.environment.principal, principal, query.principal.id),
            self.unknown_entity(Asked::Resource, resolved.environment.resource, resource, query.resource.id),
        ];
        Explanation {
            principal: sight.named(question.principal.uid),
            action: Cow::Borrowed(&resolved.action.name),
            action_said: self.said().name(&resolved.action.name),
            resource: sight.named(question.resource.uid),
            determining: determining.map(|number| judge.policy(*number, Show::All)).collect(),
            nearest: shown.map(|number| judge.policy(*number, Show::Failing)).collect(),
            permits: resolved.bucket.policies.iter().filter(|number| self.is_permit(**number)).count(),
            remedies,
            remedies_cut,
            paths: found,
            paths_cut: paths.is_cut,
            dropped: dropped::dropped(self, query, resolved.action, principal, resource),
            unknown: unknown.into_iter().flatten().collect(),
            decision,
        }
    }

    fn is_permit(&self, number: u32) -> bool {
        self.policy(number).effect == Effect::Permit
    }
}

/// The permits of such questions that are nearest to holding: fewest failing clauses first, narrow policies before wide
/// ones.
fn nearest(sight: &Sight<'_, '_>) -> Vec<u32> {
    let snapshot = sight.snapshot;
    let permits = sight
        .resolved
        .bucket
        .policies
        .iter()
        .copied()
        .filter(|number| snapshot.is_permit(*number));
    let mut ranked: Vec<(u32, usize, u32)> = Vec::with_capacity(TRIED_MAX + 1);
    for number in permits {
        let policy = &snapshot.index.policies[number as usize];
        let rank = (sight.distance(policy), policy.environments.len(), number);
        let at = ranked.partition_point(|known| *known < rank);
        if at < TRIED_MAX {
            ranked.insert(at, rank);
            ranked.truncate(TRIED_MAX);
        }
    }
    ranked.into_iter().map(|(_, _, number)| number).collect()
}

/// Changes that may turn the answer.
///
/// A forbid that holds has to go, whatever else there is; else a permit has to hold. Of an allow, each permit that holds
/// has to go, so one of them is enough to think about; or a forbid has to hold.
fn wishes<'a, 'q, 's: 'q>(sight: &'a Sight<'q, 's>, decision: &Decision, nearest: &[u32]) -> Wishes<'a, 'q, 's> {
    let mut wishes = Wishes::new(sight);
    let policies = &sight.snapshot.index.policies;
    let mut about = |number: u32, holds: bool| wishes.about(number, &policies[number as usize], holds);
    let first = decision.determining.first().copied();
    match (decision.is_allowed(), first) {
        (true, Some(permit)) => {
            about(permit, false);
            let bucket = &sight.resolved.bucket.policies;
            let forbids = bucket.iter().filter(|number| !sight.snapshot.is_permit(**number));
            forbids.take(TRIED_MAX).for_each(|number| about(*number, true));
        }
        (false, Some(forbid)) => about(forbid, false),
        _ => nearest.iter().for_each(|number| about(*number, true)),
    }
    wishes
}
