//! From a question to a decision.

use std::fmt;

use bumpalo::Bump;
use foldhash::HashMap;
use smallvec::SmallVec;

use super::bridge::Numbers;
use super::convert::{Origin, Reader, Required};
use super::entity::{EntityView, write_shaped};
use super::evaluate::{Erred, Question, Side};
use super::index::{Bucket, Environment, Policy};
use super::json::Json;
use super::listing::RequestEnvironment;
use super::options::{ErringForbid, RequestProperties};
use super::query::{Action, Entity, Part, Problem, Query};
use super::reference::{self, Reference};
use super::snapshot::Snapshot;
use super::table::Table;
use super::value::{Cell, Record, Tail, Uid, Val};
use super::vocabulary::{ActionEntry, TypeEntry, TypeIx};

/// Whether a decision, or a policy, permits or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Permits.
    Permit,
    /// Forbids.
    Forbid,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permit => "permit",
            Self::Forbid => "forbid",
        })
    }
}

/// Why a decision is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A permit holds and no forbid does.
    Permitted,
    /// A forbid holds.
    Forbidden,
    /// A forbid could not be evaluated, and none holds.
    ForbidErred,
    /// No permit holds, and no forbid either.
    NothingPermits,
    /// The schema has no such type, action or enumerated id.
    UnknownName,
    /// The schema does not let this action be done by such a principal to such a resource.
    NotApplicable,
    /// A policy erred as it was compiled and has a value for Cedar's evaluator.
    Disagreed,
    /// Two evaluators disagreed on such a question before.
    Distrusted,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Why.
    pub cause: Cause,
    /// Numbers of the policies that decided, ascending; see [`Snapshot::policy`].
    pub determining: Vec<u32>,
    /// Policies that could not be evaluated, ascending.
    pub errors: Vec<PolicyError>,
}

/// A policy that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The policy's number; see [`Snapshot::policy`].
    pub policy: u32,
    /// What Cedar says.
    pub message: String,
}

impl Decision {
    /// Whether the answer is allow.
    pub fn is_allowed(&self) -> bool {
        self.cause == Cause::Permitted
    }

    /// A deny because two evaluators disagreed on such a question.
    pub fn distrusted() -> Self {
        Self::without_policies(Cause::Distrusted)
    }

    pub(super) fn without_policies(cause: Cause) -> Self {
        Self {
            cause,
            determining: Vec::new(),
            errors: Vec::new(),
        }
    }
}

/// What a question brings besides names that the store has: it outlives the evaluation.
#[derive(Default)]
pub(super) struct Brought {
    /// Names that the store has not.
    pub(super) foreign: Foreign,
    pub(super) tail: Tail,
    pub(super) context: Option<Cell>,
    /// The entities as the request shapes them.
    pub(super) principal: Option<Vec<u8>>,
    pub(super) resource: Option<Vec<u8>>,
}

/// Names that the store has not, in the order of their numbers.
#[derive(Default)]
pub(super) struct Foreign {
    pub(super) names: Vec<(TypeIx, Box<str>)>,
    /// Used once there are more than a few.
    by_name: HashMap<(TypeIx, Box<str>), usize>,
}

impl Foreign {
    fn number(&mut self, ty: TypeIx, id: &str) -> usize {
        const FEW: usize = 16;
        if self.names.len() <= FEW {
            let known = self.names.iter().position(|(known, name)| *known == ty && **name == *id);
            return known.unwrap_or_else(|| {
                self.names.push((ty, id.into()));
                self.names.len() - 1
            });
        }
        if self.by_name.is_empty() {
            self.by_name = self.names.iter().cloned().zip(0..).collect();
        }
        let Self { names, by_name } = self;
        *by_name.entry((ty, id.into())).or_insert_with(|| {
            names.push((ty, id.into()));
            names.len() - 1
        })
    }
}

/// Numbers of the store's names, and of those that only the request has.
pub(super) struct Asked<'b> {
    table: &'b Table,
    foreign: &'b mut Foreign,
}

impl Numbers for Asked<'_> {
    fn number(&mut self, ty: TypeIx, id: &str) -> Uid {
        if let Some((uid, _)) = self.table.find(ty, id) {
            return uid;
        }
        let index = self.foreign.number(ty, id);
        Uid(Uid::FOREIGN + index as u32)
    }
}

/// A question whose names are known.
pub(super) struct Resolved<'s> {
    pub(super) environment: Environment,
    pub(super) action: &'s ActionEntry,
    pub(super) bucket: &'s Bucket,
    principal: Uid,
    resource: Uid,
    stored: [Option<EntityView<'s>>; 2],
}

/// How a question is decided by each of two evaluators.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// By whatever evaluates in service.
    pub served: Decision,
    /// By Cedar's evaluator alone.
    pub reference: Decision,
    /// What the question is besides ids and values; none if no policy was asked.
    pub environment: Option<RequestEnvironment>,
    /// Where they differ: the entities that Cedar looked at, in its JSON format.
    pub entities: Option<serde_json::Value>,
}

impl Comparison {
    /// Whether both say the same: decision, determining policies, and which policies err.
    pub fn agrees(&self) -> bool {
        let erring = |decision: &Decision| decision.errors.iter().map(|error| error.policy).collect::<Vec<_>>();
        self.served.cause == self.reference.cause
            && self.served.determining == self.reference.determining
            && erring(&self.served) == erring(&self.reference)
    }
}

/// A snapshot that is asked one question, or several in a row: then what one shares with the last is looked up once.
pub struct Asking<'s> {
    snapshot: &'s Snapshot,
    last: Option<[Option<Looked<'s>>; 2]>,
}

/// A name and what the store has under it.
pub(super) struct Looked<'s> {
    ty: TypeIx,
    id: String,
    found: Found<'s>,
}

type Found<'s> = Option<(Uid, EntityView<'s>)>;

impl<'s> Asking<'s> {
    /// The snapshot.
    pub fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// Decides the next question.
    ///
    /// # Errors
    /// Those of [`Snapshot::decide`].
    pub fn decide(&mut self, query: &Query<'_>) -> Result<Decision, Problem> {
        self.snapshot.decide_after(self.last.as_mut(), query)
    }
}

/// Who evaluates the clauses.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum By {
    Compiled,
    Cedar,
}

impl Snapshot {
    /// Decides one question.
    ///
    /// Names that the schema does not know are a deny, not an error; so is an entity that the store does not know,
    /// unless a policy permits without looking at it.
    ///
    /// # Errors
    /// A value of the question has another type than the schema declares, or a required member of the context is
    /// missing.
    pub fn decide(&self, query: &Query<'_>) -> Result<Decision, Problem> {
        self.decide_after(None, query)
    }

    /// For one question.
    pub fn asking_once(&self) -> Asking<'_> {
        Asking {
            snapshot: self,
            last: None,
        }
    }

    /// For several questions in a row.
    pub fn asking(&self) -> Asking<'_> {
        Asking {
            snapshot: self,
            last: Some([None, None]),
        }
    }

    /// Decides one question twice: as [`decide`](Self::decide) does, and by Cedar's evaluator.
    ///
    /// # Errors
    /// Those of [`decide`](Self::decide).
    pub fn compare(&self, query: &Query<'_>) -> Result<Comparison, Problem> {
        let mut brought = Brought::default();
        Ok(match self.resolve(query, &mut brought, None)? {
            Ok(resolved) => {
                let mut comparison = Comparison {
                    served: self.evaluate(&resolved, &brought, By::Compiled),
                    reference: self.evaluate(&resolved, &brought, By::Cedar),
                    environment: Some(self.environment_names(resolved.environment)),
                    entities: None,
                };
                if !comparison.agrees() {
                    comparison.entities = self.ask_about(&resolved, &brought, |question| {
                        let (action, bucket) = (resolved.action, resolved.bucket);
                        Reference::new(question, action, bucket, &self.vocabulary, &self.index).entities_json()
                    });
                }
                comparison
            }
            Err(cause) => Comparison {
                served: Decision::without_policies(cause),
                reference: Decision::without_policies(cause),
                environment: None,
                entities: None,
            },
        })
    }

    /// What a question is besides ids and values; none if the schema knows no such question.
    pub fn environment_of(&self, query: &Query<'_>) -> Option<RequestEnvironment> {
        let (principal, resource) = (query.principal.entity_type, query.resource.entity_type);
        Some(self.environment_names(self.environment(principal, query.action.name, resource)?))
    }

    /// The number of a kind of question, by any of its names.
    pub(super) fn environment(&self, principal: &str, action: &str, resource: &str) -> Option<Environment> {
        Some(Environment {
            principal: self.vocabulary.entity_type(principal)?.0,
            action: self.vocabulary.action(action)?.0,
            resource: self.vocabulary.entity_type(resource)?.0,
        })
    }

    pub(super) fn environment_names(&self, environment: Environment) -> RequestEnvironment {
        RequestEnvironment {
            principal: self.vocabulary.type_entry(environment.principal).name.clone(),
            action: self.vocabulary.action_entry(environment.action).name.clone(),
            resource: self.vocabulary.type_entry(environment.resource).name.clone(),
        }
    }

    /// Decides a question, and looks up what it shares with the last one only once.
    fn decide_after<'s>(
        &'s self,
        last: Option<&mut [Option<Looked<'s>>; 2]>,
        query: &Query<'_>,
    ) -> Result<Decision, Problem> {
        let mut brought = Brought::default();
        match self.resolve(query, &mut brought, last)? {
            Ok(resolved) => Ok(self.evaluate(&resolved, &brought, By::Compiled)),
            Err(cause) => Ok(Decision::without_policies(cause)),
        }
    }

    pub(super) fn resolve<'s>(
        &'s self,
        query: &Query<'_>,
        brought: &mut Brought,
        last: Option<&mut [Option<Looked<'s>>; 2]>,
    ) -> Result<Result<Resolved<'s>, Cause>, Problem> {
        let names = (
            self.vocabulary.entity_type(query.principal.entity_type),
            self.vocabulary.action(query.action.name),
            self.vocabulary.entity_type(query.resource.entity_type),
        );
        let (Some((principal_type, principal)), Some((action_index, action)), Some((resource_type, resource))) = names
        else {
            return Ok(Err(Cause::UnknownName));
        };
        let environment = Environment {
            principal: principal_type,
            action: action_index,
            resource: resource_type,
        };
        let Some(bucket) = self.index.bucket(environment) else {
            return Ok(Err(Cause::NotApplicable));
        };
        if !principal.admits(query.principal.id) || !resource.admits(query.resource.id) {
            return Ok(Err(Cause::UnknownName));
        }
        let names = [(principal_type, query.principal.id), (resource_type, query.resource.id)];
        let found = match last {
            None => self.entities.table.find_both(names[0], names[1]),
            Some([principal, resource]) => [self.look_up(names[0], principal), self.look_up(names[1], resource)],
        };
        brought.context = self.context(action, &query.action, query.context, brought)?;
        let [principal_found, resource_found] = found;
        let mut uid_of = |found: Option<(Uid, EntityView<'s>)>, ty, id| match found {
            Some((uid, _)) => uid,
            None => self.asked(&mut brought.foreign).number(ty, id),
        };
        let principal_uid = uid_of(principal_found, principal_type, query.principal.id);
        let resource_uid = uid_of(resource_found, resource_type, query.resource.id);
        let existing = |found: Option<(Uid, EntityView<'s>)>| found.map(|(_, view)| view).filter(EntityView::exists);
        let stored = [existing(principal_found), existing(resource_found)];
        brought.principal =
            self.shaped(principal_type, principal, &query.principal, Part::Principal, stored[0], brought)?;
        // One entity on both sides has one set of attributes: what the resource brings comes on top.
        let same = principal_uid == resource_uid;
        let below = match (&brought.principal, same) {
            (Some(bytes), true) => Some(bytes.clone()),
            _ => None,
        };
        let below = below.as_deref().map(EntityView::new).or(stored[1]);
        brought.resource = self.shaped(resource_type, resource, &query.resource, Part::Resource, below, brought)?;
        if same {
            if brought.resource.is_none() {
                brought.resource.clone_from(&brought.principal);
            }
            brought.principal.clone_from(&brought.resource);
        }
        Ok(Ok(Resolved {
            environment,
            action,
            bucket,
            principal: principal_uid,
            resource: resource_uid,
            stored,
        }))
    }

    fn look_up<'s>(&'s self, (ty, id): (TypeIx, &str), last: &mut Option<Looked<'s>>) -> Found<'s> {
        if let Some(last) = last
            && last.ty == ty
            && last.id == id
        {
            return last.found;
        }
        let found = self.entities.table.find(ty, id);
        let mut text = last.take().map(|last| last.id).unwrap_or_default();
        text.clear();
        text.push_str(id);
        *last = Some(Looked { ty, id: text, found });
        found
    }

    pub(super) fn asked<'b>(&'b self, foreign: &'b mut Foreign) -> Asked<'b> {
        Asked {
            table: &self.entities.table,
            foreign,
        }
    }

    pub(super) fn context(
        &self,
        action: &ActionEntry,
        asked: &Action<'_>,
        json: Option<&Json<'_>>,
        brought: &mut Brought,
    ) -> Result<Option<Cell>, Problem> {
        if action.context.is_empty() && json.is_none() {
            return Ok(None);
        }
        // `action.properties` stand in the context under `action`, where the schema has it; what the context itself
        // says under that name is not taken from two places.
        let merged;
        let mut from_properties = false;
        let json = match (asked.properties, json) {
            // Many clients always send an empty object.
            (Some(properties @ Json::Object(given)), json) if !given.is_empty() && action.context.has("action") => {
                from_properties = true;
                let mut members = match json {
                    None | Some(Json::Null) => Vec::new(),
                    Some(Json::Object(members)) => members.clone(),
                    Some(other) => return Err(not_an_object(Part::Context, other)),
                };
                members.retain(|(name, _)| name != "action");
                members.push(("action".into(), properties.clone()));
                merged = Json::Object(members);
                Some(&merged)
            }
            (_, json) => json,
        };
        let Brought { foreign, tail, .. } = brought;
        let mut numbers = self.asked(foreign);
        let mut reader = Reader::new(&self.vocabulary, Origin::Request, Part::Context, &mut numbers, tail);
        let cell =
            reader
                .record(json, &action.context)
                .map_err(|problem| match problem.path.strip_prefix(".action") {
                    Some(path) if from_properties && (path.is_empty() || path.starts_with(['.', '['])) => Problem {
                        part: Part::Action,
                        path: path.to_owned(),
                        message: problem.message,
                    },
                    _ => problem,
                })?;
        Ok(Some(cell))
    }

    /// The entity with what the request adds to it; none if that is nothing.
    pub(super) fn shaped(
        &self,
        ty: TypeIx,
        entry: &TypeEntry,
        asked: &Entity<'_>,
        part: Part,
        stored: Option<EntityView<'_>>,
        brought: &mut Brought,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let wins = match entry.request_properties {
            RequestProperties::Ignore => return Ok(None),
            RequestProperties::Fill => false,
            RequestProperties::Override => true,
        };
        let Some(properties) = asked.properties.filter(|properties| **properties != Json::Null) else {
            return Ok(None);
        };
        let mut numbers = self.asked(&mut brought.foreign);
        let mut tail = Tail::default();
        let mut reader = Reader::new(&self.vocabulary, Origin::Request, part, &mut numbers, &mut tail);
        let members = reader.members(Some(properties), &entry.fields, Required::No)?;
        if members.is_empty() && stored.is_some() {
            return Ok(None);
        }
        let mut given: Vec<Option<(Val<'_>, bool)>> = vec![None; entry.fields.len()];
        for (slot, _, cell) in members {
            given[slot] = cell.value(&tail.bytes).map(|value| (value, wins));
        }
        let mut bytes = Vec::new();
        write_shaped(ty, asked.id.as_bytes(), stored, &given, &mut bytes);
        Ok(Some(bytes))
    }

    fn evaluate(&self, resolved: &Resolved<'_>, brought: &Brought, by: By) -> Decision {
        self.ask_about(resolved, brought, |question| {
            self.tally(question, resolved.action, resolved.bucket, by)
                .decide(self.options.erring_forbid)
        })
    }

    pub(super) fn ask_about<T>(
        &self,
        resolved: &Resolved<'_>,
        brought: &Brought,
        ask: impl FnOnce(&Question<'_>) -> T,
    ) -> T {
        let made = Bump::new();
        let question = Question {
            table: &self.entities.table,
            principal: side(resolved.principal, &brought.principal, resolved.stored[0]),
            action: resolved.action.number,
            resource: side(resolved.resource, &brought.resource, resolved.stored[1]),
            context: match brought.context.and_then(|cell| cell.value(&brought.tail.bytes)) {
                Some(Val::Record(record)) => record,
                _ => Record::EMPTY,
            },
            foreign: &brought.foreign.names,
            made: &made,
        };
        ask(&question)
    }

    pub(super) fn tally(&self, question: &Question<'_>, action: &ActionEntry, bucket: &Bucket, by: By) -> Tally {
        let mut tally = Tally::default();
        // Made only for what has no compiled form, and for the words of nearly all that errs.
        let mut reference = None;
        bucket.visit(&question.principal, &question.resource, |number| {
            let policy = &self.index.policies[number as usize];
            if !policy.principal.takes(&question.principal) || !policy.resource.takes(&question.resource) {
                return;
            }
            let Some(body) = &policy.body else {
                return tally.holds(number, policy);
            };
            let compiled = match (&body.compiled, by) {
                (Some(node), By::Compiled) => Some(question.test(node)),
                _ => None,
            };
            match compiled {
                Some(Ok(true)) => return tally.holds(number, policy),
                Some(Ok(false)) => return,
                Some(Err(Erred::NoEntity(uid))) if !opens(policy, self.options.erring_forbid) => {
                    let message = reference::no_entity(uid, question, &self.vocabulary, &self.index);
                    return tally.errs(number, policy, message);
                }
                Some(Err(_)) | None => {}
            }
            let reference = reference
                .get_or_insert_with(|| Reference::new(question, action, bucket, &self.vocabulary, &self.index));
            match (reference.holds(&body.expr), compiled) {
                (Err(message), _) => tally.errs(number, policy, message),
                (Ok(_), Some(_)) => tally.disagrees(number),
                (Ok(true), None) => tally.holds(number, policy),
                (Ok(false), None) => {}
            }
        });
        tally
    }
}

/// Whether more may be allowed because a policy errs: then it has to err for Cedar's evaluator too.
fn opens(policy: &Policy, erring_forbid: ErringForbid) -> bool {
    policy.info.effect == Effect::Forbid && erring_forbid == ErringForbid::Skipped
}

fn side<'a>(uid: Uid, shaped: &'a Option<Vec<u8>>, stored: Option<EntityView<'a>>) -> Side<'a> {
    Side {
        uid,
        entity: shaped.as_deref().map(EntityView::new).or(stored),
    }
}

fn not_an_object(part: Part, json: &Json<'_>) -> Problem {
    Problem {
        part,
        path: String::new(),
        message: format!("must be an object, not {}", json.kind()),
    }
}

/// Numbers of policies; more than a few are rare.
type Numbers8 = SmallVec<[u32; 8]>;

/// What the policies said.
#[derive(Default)]
pub(super) struct Tally {
    permits: Numbers8,
    forbids: Numbers8,
    erring_forbids: Numbers8,
    errors: Vec<PolicyError>,
    /// Whether a policy erred as it was compiled and has a value for Cedar's evaluator.
    is_disputed: bool,
}

impl Tally {
    fn holds(&mut self, number: u32, policy: &Policy) {
        match policy.info.effect {
            Effect::Permit => self.permits.push(number),
            Effect::Forbid => self.forbids.push(number),
        }
    }

    fn errs(&mut self, number: u32, policy: &Policy, message: String) {
        if policy.info.effect == Effect::Forbid {
            self.erring_forbids.push(number);
        }
        self.errors.push(PolicyError {
            policy: number,
            message,
        });
    }

    fn disagrees(&mut self, number: u32) {
        self.is_disputed = true;
        self.errors.push(PolicyError {
            policy: number,
            message: "evaluates for Cedar, and not as it was compiled".to_owned(),
        });
    }

    pub(super) fn decide(mut self, erring_forbid: ErringForbid) -> Decision {
        if erring_forbid == ErringForbid::Skipped {
            self.erring_forbids.clear();
        }
        let (cause, mut determining) = match (self.forbids.is_empty(), self.erring_forbids.is_empty()) {
            // Whichever of the two is right, nobody is allowed anything on the word of one.
            _ if self.is_disputed => (Cause::Disagreed, Numbers8::new()),
            (false, _) => {
                self.forbids.append(&mut self.erring_forbids);
                (Cause::Forbidden, self.forbids)
            }
            (true, false) => (Cause::ForbidErred, self.erring_forbids),
            (true, true) if !self.permits.is_empty() => (Cause::Permitted, self.permits),
            (true, true) => (Cause::NothingPermits, Numbers8::new()),
        };
        determining.sort_unstable();
        self.errors.sort_by_key(|error| error.policy);
        Decision {
            cause,
            determining: determining.into_vec(),
            errors: self.errors,
        }
    }
}
