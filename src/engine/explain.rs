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
mod work;

use std::borrow::Cow;

use super::decide::{Brought, By, Decision, Effect, Resolved};
use super::evaluate::Question;
use super::index::{Policy, Scope};
use super::policies::PolicyInfo;
use super::query::{Part, Problem, Query};
use super::snapshot::Snapshot;
use clause::{Judge, Show};
use path::Paths;
use remedy::Tried;
use sight::Sight;
use wish::Wishes;
use words::shortened;
use work::Work;

/// Permits that are told of a deny.
const NEAREST_MAX: usize = 5;

/// Policies that decide and that are told.
const DETERMINING_MAX: usize = 16;

/// Policies whose clauses give rise to changes that are tried.
const TRIED_MAX: usize = 16;

/// Characters of a name that was asked for and that are told.
const NAME_MAX: usize = 200;

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
    /// Whether more policies decided.
    pub determining_cut: bool,
    /// Of a deny, the permits of such questions: fewest failing clauses first, with the values that those saw.
    pub nearest: Vec<Judged<'s>>,
    /// How many permits there are for such questions.
    pub permits: usize,
    /// Changes of one fact that turn the answer, each of them tried: those that reach least far first, of narrow
    /// policies before wide ones.
    pub remedies: Vec<Remedy<'s>>,
    /// Whether some changes were not tried.
    pub remedies_cut: bool,
    /// Of what is forbidden and what no change of one fact turns: those after which nothing forbids it any more. A permit
    /// is lacking then.
    pub first_steps: Vec<Remedy<'s>>,
    /// Of an allow, the ways in which it was granted.
    pub paths: Vec<Path<'s>>,
    /// Whether there are more.
    pub paths_cut: bool,
    /// Of an allow, what the answer is once the links of the first path are taken away.
    pub without_first: WithoutFirst,
    /// What the request said that no policy could see.
    pub dropped: Vec<Dropped>,
    /// Whether there is more of it.
    pub dropped_cut: bool,
    /// Whether clauses or values are left out, because there would be too much of them.
    pub is_cut: bool,
    /// Whether the work that one explanation may take was over, or nobody waited any more, before all was looked at.
    pub is_unfinished: bool,
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
    /// The file of the template, if it is a link: the lines of clauses are of that file.
    pub template_file: Option<&'s str>,
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
    pub choices: Vec<Choice<'s>>,
    /// Where the fact comes from now.
    pub source: Source<'s>,
    /// The policy that turns with it.
    pub policy: u32,
    /// What is known of that policy.
    pub info: &'s PolicyInfo,
    /// How many actions that policy is about.
    pub actions: usize,
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
pub struct Choice<'s> {
    /// As Cedar writes it, long ones cut short.
    pub text: String,
    /// In Cedar's JSON format of entities.
    pub value: serde_json::Value,
    /// File and line of an entity, if the store has it.
    pub place: Option<(&'s str, u32)>,
    /// Of a group that an attribute lists, or no longer lists: how many that could ask such a question are in it.
    pub members: Option<usize>,
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
    /// Whether it still grants once the first path is taken away: the links of that, parents and elements of lists, which
    /// was tried; or, where it has none, the facts that its clauses read.
    pub is_independent: bool,
    /// What it has in common with the first path.
    pub shares: Vec<Shared<'s>>,
}

/// What two paths have in common.
#[derive(Clone, Debug, PartialEq)]
pub enum Shared<'s> {
    /// The first is in the second.
    Parent(Named<'s>, Named<'s>),
    /// An attribute lists this, or is it.
    Listed(FactName<'s>, Named<'s>),
    /// Clauses of both read it.
    Fact(FactName<'s>),
}

/// What an answer is once the links of the first path are taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutFirst {
    /// Something else grants it.
    Allowed,
    /// Nothing does.
    Denied,
    /// There is no link that can be taken away, or it could not be tried.
    Unknown,
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
        /// How many are left out in the middle of those.
        left_out: usize,
        /// The attribute that lists the group, or that is it, if one does.
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
        self.explain_while(query, &|| true)
    }

    /// The same, for as long as `goes_on` says so: what has been found by then is told, and that it is not all.
    ///
    /// # Errors
    /// Those of [`decide`](Self::decide).
    pub fn explain_while<'s>(
        &'s self,
        query: &Query<'s>,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Explanation<'s>, Problem> {
        let mut brought = Brought::default();
        match self.resolve(query, &mut brought, None)? {
            Ok(resolved) => {
                let work = Work::new(goes_on);
                let explained = |question: &Question<'_>| self.explained(query, &resolved, question, &work);
                Ok(self.ask_about(&resolved, &brought, explained))
            }
            Err(cause) => Ok(self.without_policies(query, Decision::without_policies(cause))),
        }
    }

    fn without_policies<'s>(&'s self, query: &Query<'s>, decision: Decision) -> Explanation<'s> {
        let named = |asked: &super::query::Entity<'s>| {
            let entry = self.vocabulary.entity_type(asked.entity_type).map(|(_, entry)| entry.name.as_str());
            Named {
                entity_type: shortened(Cow::Borrowed(entry.unwrap_or(asked.entity_type)), NAME_MAX),
                id: shortened(Cow::Borrowed(asked.id), NAME_MAX),
                place: None,
            }
        };
        let action = self.vocabulary.action(query.action.name).map(|(_, entry)| entry.name.as_str());
        Explanation {
            decision,
            principal: named(&query.principal),
            action: shortened(Cow::Borrowed(action.unwrap_or(query.action.name)), NAME_MAX),
            action_said: action.and_then(|name| self.said().name(name)),
            resource: named(&query.resource),
            determining: Vec::new(),
            determining_cut: false,
            nearest: Vec::new(),
            permits: 0,
            remedies: Vec::new(),
            remedies_cut: false,
            first_steps: Vec::new(),
            paths: Vec::new(),
            paths_cut: false,
            without_first: WithoutFirst::Unknown,
            dropped: Vec::new(),
            dropped_cut: false,
            is_cut: false,
            is_unfinished: false,
            unknown: self.unknown_names(query),
        }
    }

    fn explained<'s>(
        &'s self,
        query: &Query<'_>,
        resolved: &Resolved<'s>,
        question: &Question<'_>,
        work: &Work<'_>,
    ) -> Explanation<'s> {
        let tally = self.tally(question, resolved.action, resolved.bucket, By::Compiled);
        let decision = tally.decide(self.options.erring_forbid);
        let sight = Sight::new(self, resolved, question, work);
        let judge = Judge::new(&sight, query);
        let allowed = decision.is_allowed();
        let nearest = Nearest::find(&sight);
        let Tried {
            remedies,
            first_steps,
            is_cut: remedies_cut,
        } = sight.tried(&wishes(&sight, &decision, &nearest), allowed, query);
        let paths = match allowed {
            true => Paths::of(&judge, &decision.determining),
            false => Paths::none(),
        };
        let determining = decision.determining.iter().take(DETERMINING_MAX);
        let shown = nearest.shown.iter().take(if allowed { 0 } else { NEAREST_MAX });
        let (principal, resource) = (
            self.vocabulary.type_entry(resolved.environment.principal),
            self.vocabulary.type_entry(resolved.environment.resource),
        );
        let unknown = [
            self.unknown_entity(Asked::Principal, resolved.environment.principal, principal, query.principal.id),
            self.unknown_entity(Asked::Resource, resolved.environment.resource, resource, query.resource.id),
        ];
        let (dropped, dropped_cut) = dropped::dropped(self, query, resolved.action, principal, resource);
        let determining: Vec<Judged<'s>> = determining.map(|number| judge.policy(*number, Show::All)).collect();
        Explanation {
            principal: sight.named(question.principal.uid),
            action: Cow::Borrowed(&resolved.action.name),
            action_said: self.said().name(&resolved.action.name),
            resource: sight.named(question.resource.uid),
            determining_cut: determining.len() < decision.determining.len(),
            determining,
            nearest: shown.map(|number| judge.policy(*number, Show::Failing)).collect(),
            permits: resolved.bucket.policies.iter().filter(|number| self.is_permit(**number)).count(),
            remedies,
            remedies_cut,
            first_steps,
            paths: paths.all,
            paths_cut: paths.is_cut,
            without_first: paths.without_first,
            dropped,
            dropped_cut,
            unknown: unknown.into_iter().flatten().collect(),
            is_cut: judge.is_cut(),
            is_unfinished: work.is_over(),
            decision,
        }
    }

    fn is_permit(&self, number: u32) -> bool {
        self.policy(number).effect == Effect::Permit
    }
}

/// The permits of such questions that are nearest to holding: fewest failing clauses first, narrow policies before wide
/// ones.
struct Nearest {
    /// Those that are told.
    shown: Vec<u32>,
    /// Those that a change of facts could make hold.
    tried: Vec<u32>,
    /// Whether there are more of those.
    is_cut: bool,
}

impl Nearest {
    fn find(sight: &Sight<'_, '_>) -> Self {
        let snapshot = sight.snapshot;
        let numbers = sight.resolved.bucket.policies.iter().copied();
        let mut ranked: Vec<(u32, bool, usize, u32)> = Vec::new();
        let mut is_cut = false;
        for number in numbers.filter(|number| snapshot.is_permit(*number)) {
            if sight.work.is_over() {
                is_cut = true;
                break;
            }
            let policy = &snapshot.index.policies[number as usize];
            let is_for_others = !sight.can_be_for(policy);
            ranked.push((sight.distance(policy), is_for_others, policy.environments.len(), number));
        }
        ranked.sort_unstable();
        let for_these = ranked.iter().filter(|(_, is_for_others, ..)| !is_for_others);
        is_cut |= for_these.clone().count() > TRIED_MAX;
        Self {
            shown: ranked.iter().take(NEAREST_MAX).map(|(.., number)| *number).collect(),
            tried: for_these.take(TRIED_MAX).map(|(.., number)| *number).collect(),
            is_cut,
        }
    }
}

impl Sight<'_, '_> {
    /// Whether a policy can be about this principal and this resource: whom a scope names with `==` no fact changes.
    fn can_be_for(&self, policy: &Policy) -> bool {
        let is_other = |scope: Scope, side| matches!(scope, Scope::Is(_)) && !scope.takes(side);
        !is_other(policy.principal, &self.question.principal) && !is_other(policy.resource, &self.question.resource)
    }
}

/// Changes that may turn the answer.
///
/// A forbid that holds has to go, whatever else there is; else a permit has to hold. Of an allow, each permit that holds
/// has to go, so one of them is enough to think about; or a forbid has to hold.
fn wishes<'a, 'q, 's: 'q>(sight: &'a Sight<'q, 's>, decision: &Decision, nearest: &Nearest) -> Wishes<'a, 'q, 's> {
    let mut wishes = Wishes::new(sight);
    let policies = &sight.snapshot.index.policies;
    let first = decision.determining.first().copied();
    match (decision.is_allowed(), first) {
        (true, Some(permit)) => {
            wishes.about(permit, &policies[permit as usize], false);
            let bucket = sight.resolved.bucket.policies.iter().copied();
            let mut forbids = bucket
                .filter(|number| !sight.snapshot.is_permit(*number) && sight.can_be_for(&policies[*number as usize]));
            let tried = forbids.by_ref().take(TRIED_MAX);
            tried.for_each(|number| wishes.about(number, &policies[number as usize], true));
            wishes.is_cut |= forbids.next().is_some();
        }
        (false, Some(forbid)) => {
            wishes.is_about_forbid = true;
            wishes.about(forbid, &policies[forbid as usize], false);
        }
        _ => {
            wishes.is_cut |= nearest.is_cut;
            nearest
                .tried
                .iter()
                .for_each(|number| wishes.about(*number, &policies[*number as usize], true));
        }
    }
    wishes
}
