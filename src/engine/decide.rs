//! From a question to a decision.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use smol_str::SmolStr;

use super::convert::{Reader, Required};
use super::core::{
    self, Context, Eid, Entity as CoreEntity, EntityUID, EntityUIDEntry, Evaluator, Extensions, PartialValue, Request,
    Value,
};
use super::index::{Bucket, Environment, Policy, Scope};
use super::json::Json;
use super::options::{ErringForbid, RequestProperties};
use super::query::{Action, Entity, Part, Problem, Query};
use super::slice::{Roots, slice};
use super::snapshot::Snapshot;
use super::vocabulary::{ActionEntry, TypeEntry};

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

    fn without_policies(cause: Cause) -> Self {
        Self {
            cause,
            determining: Vec::new(),
            errors: Vec::new(),
        }
    }
}

/// A question whose names are known and whose values are read.
struct Resolved<'s> {
    action: &'s ActionEntry,
    bucket: &'s Bucket,
    principal: Side,
    resource: Side,
    context: Context,
    /// Entities that the values refer to.
    referred: Vec<EntityUID>,
}

/// The principal or the resource of a question.
struct Side {
    uid: EntityUID,
    /// None if neither the store nor the request knows it.
    entity: Option<Arc<CoreEntity>>,
}

impl Side {
    fn is_in(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Any => true,
            Scope::Is(uid) => self.uid == **uid,
            Scope::In(uid) => {
                self.uid == **uid || self.entity.as_ref().is_some_and(|entity| entity.is_descendant_of(uid))
            }
        }
    }
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
        match self.resolve(query)? {
            Ok(resolved) => Ok(self.evaluate(resolved)),
            Err(cause) => Ok(Decision::without_policies(cause)),
        }
    }

    fn resolve(&self, query: &Query<'_>) -> Result<Result<Resolved<'_>, Cause>, Problem> {
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
        let mut referred = Vec::new();
        let context = self.context(action, &query.action, query.context, &mut referred)?;
        let mut principal = self.side(principal, &query.principal, Part::Principal, None, &mut referred)?;
        let same = principal.uid.entity_type() == &resource.ty && query.principal.id == query.resource.id;
        // One entity on both sides has one set of attributes: what the resource brings comes on top.
        let below = if same { principal.entity.as_ref() } else { None };
        let resource = self.side(resource, &query.resource, Part::Resource, below, &mut referred)?;
        if same {
            principal.entity.clone_from(&resource.entity);
        }
        Ok(Ok(Resolved {
            action,
            bucket,
            principal,
            resource,
            context,
            referred,
        }))
    }

    fn context(
        &self,
        action: &ActionEntry,
        asked: &Action<'_>,
        json: Option<&Json<'_>>,
        referred: &mut Vec<EntityUID>,
    ) -> Result<Context, Problem> {
        static EMPTY: LazyLock<Arc<BTreeMap<SmolStr, Value>>> = LazyLock::new(Arc::default);
        if action.context.is_empty() && json.is_none() {
            return Ok(Context::Value(EMPTY.clone()));
        }
        let mut reader = Reader::new(&self.vocabulary, Part::Context);
        // `action.properties` stand in the context under `action`, where the schema has it; what the context itself
        // says under that name is not taken from two places.
        let merged;
        let mut from_properties = false;
        let json = match (asked.properties, json) {
            // Many clients always send an empty object.
            (Some(properties @ Json::Object(given)), json)
                if !given.is_empty() && action.context.get("action").is_some() =>
            {
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
        let members = reader.members(json, &action.context, Required::Yes).map_err(|problem| {
            match problem.path.strip_prefix(".action") {
                Some(path) if from_properties && (path.is_empty() || path.starts_with(['.', '['])) => Problem {
                    part: Part::Action,
                    path: path.to_owned(),
                    message: problem.message,
                },
                _ => problem,
            }
        })?;
        referred.append(&mut reader.entities);
        Ok(Context::Value(Arc::new(members)))
    }

    /// The entity as the store has it, with what the request may add.
    fn side(
        &self,
        entry: &TypeEntry,
        asked: &Entity<'_>,
        part: Part,
        below: Option<&Arc<CoreEntity>>,
        referred: &mut Vec<EntityUID>,
    ) -> Result<Side, Problem> {
        let uid = EntityUID::from_components(entry.ty.clone(), Eid::new(SmolStr::new(asked.id)), None);
        let stored = below.or_else(|| self.entities.get(&uid));
        let properties = match asked.properties {
            None | Some(Json::Null) => None,
            Some(properties) => Some(properties),
        };
        let (Some(properties), RequestProperties::Fill | RequestProperties::Override) =
            (properties, entry.request_properties)
        else {
            let entity = stored.cloned();
            return Ok(Side { uid, entity });
        };
        let mut reader = Reader::new(&self.vocabulary, part);
        let given = reader.members(Some(properties), &entry.fields, Required::No)?;
        referred.append(&mut reader.entities);
        let entity = shaped(&uid, stored, given, entry.request_properties);
        Ok(Side {
            uid,
            entity: Some(Arc::new(entity)),
        })
    }

    fn evaluate(&self, resolved: Resolved<'_>) -> Decision {
        let Resolved {
            action,
            bucket,
            principal,
            resource,
            context,
            referred,
        } = resolved;
        let mut tally = Tally::default();
        // Scopes first: an evaluator and its slice are made only if some policy has clauses to evaluate.
        let mut with_body: Vec<(u32, &Policy)> = Vec::with_capacity(bucket.policies.len());
        for &number in &bucket.policies {
            let policy = &self.index.policies[number as usize];
            if principal.is_in(&policy.principal) && resource.is_in(&policy.resource) {
                match &policy.body {
                    None => tally.holds(number, policy.info.effect),
                    Some(_) => with_body.push((number, policy)),
                }
            }
        }
        if !with_body.is_empty() {
            let request = Request::new_unchecked(
                EntityUIDEntry::known(principal.uid, None),
                EntityUIDEntry::Known {
                    euid: action.uid.clone(),
                    loc: None,
                },
                EntityUIDEntry::known(resource.uid, None),
                Some(context),
            );
            let roots = Roots {
                principal: principal.entity,
                resource: resource.entity,
                action,
                referred: &referred,
            };
            let entities = slice(roots, bucket, &self.vocabulary, &self.entities);
            let evaluator = Evaluator::new(request, &entities, Extensions::all_available());
            for (number, policy) in with_body {
                let Some(body) = &policy.body else { continue };
                match core::holds(&evaluator, body) {
                    Ok(true) => tally.holds(number, policy.info.effect),
                    Ok(false) => {}
                    Err(message) => tally.errs(number, policy.info.effect, message),
                }
            }
        }
        tally.decide(self.options.erring_forbid)
    }
}

fn not_an_object(part: Part, json: &Json<'_>) -> Problem {
    Problem {
        part,
        path: String::new(),
        message: format!("must be an object, not {}", json.kind()),
    }
}

/// An entity of the store with the attributes that a request brings. Parents and tags stay the store's.
fn shaped(
    uid: &EntityUID,
    stored: Option<&Arc<CoreEntity>>,
    given: BTreeMap<SmolStr, Value>,
    mode: RequestProperties,
) -> CoreEntity {
    let Some(stored) = stored else {
        return CoreEntity::new_with_attr_partial_value(
            uid.clone(),
            given.into_iter().map(|(name, value)| (name, PartialValue::Value(value))),
            std::collections::HashSet::new(),
            std::collections::HashSet::new(),
            [],
        );
    };
    let mut attrs: BTreeMap<SmolStr, PartialValue> =
        stored.attrs().map(|(name, value)| (name.clone(), value.clone())).collect();
    for (name, value) in given {
        if mode == RequestProperties::Override || !attrs.contains_key(&name) {
            attrs.insert(name, PartialValue::Value(value));
        }
    }
    CoreEntity::new_with_attr_partial_value(
        uid.clone(),
        attrs,
        stored.indirect_ancestors().cloned().collect(),
        stored.parents().cloned().collect(),
        stored.tags().map(|(name, value)| (name.clone(), value.clone())),
    )
}

/// What the policies said.
#[derive(Default)]
struct Tally {
    permits: Vec<u32>,
    forbids: Vec<u32>,
    erring_forbids: Vec<u32>,
    errors: Vec<PolicyError>,
}

impl Tally {
    fn holds(&mut self, number: u32, effect: Effect) {
        match effect {
            Effect::Permit => self.permits.push(number),
            Effect::Forbid => self.forbids.push(number),
        }
    }

    fn errs(&mut self, number: u32, effect: Effect, message: String) {
        if effect == Effect::Forbid {
            self.erring_forbids.push(number);
        }
        self.errors.push(PolicyError {
            policy: number,
            message,
        });
    }

    fn decide(mut self, erring_forbid: ErringForbid) -> Decision {
        if erring_forbid == ErringForbid::Skipped {
            self.erring_forbids.clear();
        }
        let (cause, mut determining) = match (self.forbids.is_empty(), self.erring_forbids.is_empty()) {
            (false, _) => {
                self.forbids.append(&mut self.erring_forbids);
                (Cause::Forbidden, self.forbids)
            }
            (true, false) => (Cause::ForbidErred, self.erring_forbids),
            (true, true) if !self.permits.is_empty() => (Cause::Permitted, self.permits),
            (true, true) => (Cause::NothingPermits, Vec::new()),
        };
        determining.sort_unstable();
        self.errors.sort_by_key(|error| error.policy);
        Decision {
            cause,
            determining,
            errors: self.errors,
        }
    }
}
