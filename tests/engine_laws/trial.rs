//! Worlds on trial: our answers beside those of stock Cedar, and what disagrees made smaller.

use std::str::FromStr;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Effect, Entities, EntityId, EntityTypeName, EntityUid, PolicyId,
    PolicySet, Request,
};
use gatepost::engine::json::Json;
use gatepost::engine::{Action, Cause, Decision, Entity, ErringForbid, Faults, Problem, Query, Snapshot};
use serde_json::Value;

use super::world::{Ask, World};

/// An answer by the names of its policies, ours and stock Cedar's alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) cause: Cause,
    pub(super) determining: Vec<String>,
    /// Each policy that erred, and how.
    pub(super) errors: Vec<(String, String)>,
}

/// What stock Cedar answers, and whether a forbid erred on the way.
pub(super) struct StockAnswer {
    /// As it comes to under the world's options.
    pub(super) verdict: Verdict,
    pub(super) forbid_erred: bool,
}

/// A world, compiled by us and loaded by stock Cedar.
pub(super) struct Trial {
    pub(super) world: World,
    pub(super) snapshot: Snapshot,
    pub(super) entities: Entities,
}

impl Trial {
    pub(super) fn new(world: World) -> Result<Self, Faults> {
        let snapshot = Snapshot::compile(&world.sources(), &world.options)?;
        let entities = Entities::from_json_value(world.entities(), Some(snapshot.schema()))
            .expect("entities that we take are good for Cedar");
        Ok(Self {
            world,
            snapshot,
            entities,
        })
    }

    pub(super) fn ours(&self, ask: &Ask) -> Result<Verdict, Problem> {
        let decision = decide(&self.snapshot, &self.world, ask)?;
        let name = |number: u32| self.snapshot.policy(number).id.to_string();
        Ok(Verdict {
            cause: decision.cause,
            determining: decision.determining.iter().map(|number| name(*number)).collect(),
            errors: decision.errors.iter().map(|error| (name(error.policy), error.message.clone())).collect(),
        })
    }

    /// The answer of stock Cedar over these policies and all entities; none if it refuses the request.
    pub(super) fn stock(&self, policies: &PolicySet, ask: &Ask) -> Option<StockAnswer> {
        let request = self.request(ask)?;
        let response = Authorizer::new().is_authorized(&request, policies, &self.entities);
        let mut determining: Vec<String> = response.diagnostics().reason().map(name_of).collect();
        let mut errors: Vec<(String, String)> = response
            .diagnostics()
            .errors()
            .map(|error| match error {
                AuthorizationError::PolicyEvaluationError(error) => {
                    (name_of(error.policy_id()), error.inner().to_string())
                }
            })
            .collect();
        errors.sort();
        let is_forbid = |id: &str| {
            let policy = policies.policy(&PolicyId::new(id));
            policy.is_some_and(|policy| policy.effect() == Effect::Forbid)
        };
        let erring_forbids: Vec<String> = errors.iter().map(|(id, _)| id.clone()).filter(|id| is_forbid(id)).collect();
        let forbid_erred = !erring_forbids.is_empty();
        // The one difference: a forbid that errs forbids.
        let closes = forbid_erred && self.world.options.erring_forbid == ErringForbid::Forbids;
        let cause = match response.decision() {
            cedar_policy::Decision::Deny if !determining.is_empty() => Cause::Forbidden,
            _ if closes => Cause::ForbidErred,
            cedar_policy::Decision::Allow => Cause::Permitted,
            cedar_policy::Decision::Deny => Cause::NothingPermits,
        };
        if closes {
            if cause == Cause::ForbidErred {
                determining.clear();
            }
            determining.extend(erring_forbids);
        }
        determining.sort();
        let verdict = Verdict {
            cause,
            determining,
            errors,
        };
        Some(StockAnswer { verdict, forbid_erred })
    }

    pub(super) fn request(&self, ask: &Ask) -> Option<Request> {
        let (action_type, action_id) = self.world.action_parts(ask.action);
        let action = uid(&action_type, action_id);
        let context = match &ask.context {
            Some(context) if self.world.applies(ask.action) => {
                Context::from_json_value(context.clone(), Some((self.snapshot.schema(), &action)))
                    .expect("generated contexts fit the schema")
            }
            _ => Context::empty(),
        };
        let principal = uid(&self.world.type_name(ask.principal.0), ask.principal.1);
        let resource = uid(&self.world.type_name(ask.resource.0), ask.resource.1);
        Request::new(principal, action, resource, context, Some(self.snapshot.schema())).ok()
    }

    /// Our answer, if it is that of stock Cedar over these policies; else both.
    pub(super) fn compare(&self, policies: &PolicySet, ask: &Ask) -> Result<Verdict, String> {
        let ours = self.ours(ask).map_err(|problem| format!("ours: a problem: {problem}"))?;
        match self.stock(policies, ask) {
            Some(stock) if stock.verdict == ours => Ok(ours),
            Some(stock) => Err(format!("stock Cedar: {:#?}\nours: {ours:#?}", stock.verdict)),
            None if matches!(ours.cause, Cause::NotApplicable | Cause::UnknownName)
                && ours.determining.is_empty()
                && ours.errors.is_empty() =>
            {
                Ok(ours)
            }
            None => Err(format!("stock Cedar: refused\nours: {ours:#?}")),
        }
    }

    /// Our answer, if it is that of stock Cedar, and that of Cedar's evaluator behind our own index and slice.
    pub(super) fn check(&self, ask: &Ask) -> Result<Verdict, String> {
        let verdict = self.compare(self.snapshot.policy_set(), ask)?;
        check_evaluators(&self.snapshot, &self.world, ask)?;
        Ok(verdict)
    }

    /// Whether the comparison sees that one policy is missing on one side.
    pub(super) fn notices_without(&self, policy: &str, ask: &Ask) -> bool {
        let mut fewer = self.snapshot.policy_set().clone();
        let id = PolicyId::new(policy);
        let is_link = fewer.policy(&id).is_some_and(|policy| policy.template_id().is_some());
        let removed = if is_link {
            fewer.unlink(id)
        } else {
            fewer.remove_static(id)
        };
        removed.expect("a policy that decided is in the set");
        self.compare(&fewer, ask).is_err()
    }

    /// The failure of an ask, in the smallest world that still shows it.
    pub(super) fn report(&self, ask: &Ask) -> String {
        let failure = |world: &World| Trial::new(world.clone()).ok()?.check(ask).err();
        let mut world = self.world.clone();
        while let Some(smaller) = world.smaller().into_iter().find(|world| failure(world).is_some()) {
            world = smaller;
        }
        format!(
            "seed {}, {:?}\n{}--- the question\n{ask:?}\n--- the answers\n{}",
            world.seed,
            world.options.erring_forbid,
            world.show(),
            failure(&world).unwrap_or_default()
        )
    }
}

pub(super) fn name_of(id: &PolicyId) -> String {
    AsRef::<str>::as_ref(id).to_owned()
}

pub(super) fn uid(entity_type: &str, id: &str) -> EntityUid {
    let name = EntityTypeName::from_str(entity_type).expect("generated type names are good ones");
    EntityUid::from_type_name_and_id(name, EntityId::new(id))
}

/// Asks the engine.
pub(super) fn decide(snapshot: &Snapshot, world: &World, ask: &Ask) -> Result<Decision, Problem> {
    with_query(world, ask, |query| snapshot.decide(query))
}

/// Whether both of the engine's evaluators say the same, and what it serves.
pub(super) fn check_evaluators(snapshot: &Snapshot, world: &World, ask: &Ask) -> Result<Decision, String> {
    let problem = |problem: Problem| format!("ours: a problem: {problem}");
    let comparison = with_query(world, ask, |query| snapshot.compare(query)).map_err(problem)?;
    let served = decide(snapshot, world, ask).map_err(problem)?;
    if comparison.agrees() && comparison.served == served {
        Ok(served)
    } else {
        Err(format!("served: {served:#?}\ncompared: {comparison:#?}"))
    }
}

/// Hands an ask over as the engine is asked.
pub(super) fn with_query<T>(world: &World, ask: &Ask, answer: impl FnOnce(&Query<'_>) -> T) -> T {
    let text = |value: &Option<Value>| value.as_ref().map(ToString::to_string);
    let texts = [
        text(&ask.context),
        text(&ask.principal_properties),
        text(&ask.resource_properties),
    ];
    let values: Vec<Option<Json<'_>>> = texts
        .iter()
        .map(|text| {
            let text = text.as_ref()?;
            Some(Json::read(text.as_bytes(), 64).expect("what was serialized is JSON"))
        })
        .collect();
    let principal_type = world.asked_type(ask.principal.0, ask);
    let resource_type = world.asked_type(ask.resource.0, ask);
    let action = world.asked_action(ask);
    answer(&Query {
        principal: Entity {
            entity_type: &principal_type,
            id: ask.principal.1,
            properties: values[1].as_ref(),
        },
        action: Action {
            name: &action,
            properties: None,
        },
        resource: Entity {
            entity_type: &resource_type,
            id: ask.resource.1,
            properties: values[2].as_ref(),
        },
        context: values[0].as_ref(),
    })
}
