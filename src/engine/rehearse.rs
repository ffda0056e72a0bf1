//! A dry run over the entities at hand: which policies err on the data that they will meet.
//!
//! Validation proves that types fit. It cannot see that a reference leads nowhere or that a sum overflows; a run over
//! each entity of the store, as principal and as resource, can, before the snapshot answers anybody.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use smol_str::SmolStr;

use super::core::{self, Context, Entity as CoreEntity, EntityUID, Extensions, Value};
use super::core::{EntityUIDEntry, Evaluator, Request};
use super::fault::Fault;
use super::index::{Environment, Scope};
use super::shape::{Fields, Shape};
use super::slice::{Roots, slice};
use super::snapshot::Snapshot;
use super::vocabulary::{TypeIx, Vocabulary};

impl Snapshot {
    /// Evaluates policies on up to `questions_max` questions made from the store's entities, and warns of each policy
    /// that errs, with the first question on which it did.
    ///
    /// Members of the context get the simplest value of their type, so a policy whose error depends on the context may
    /// go unseen.
    pub fn rehearse(&self, questions_max: usize) -> Vec<Fault> {
        let mut by_type: HashMap<TypeIx, Vec<&Arc<CoreEntity>>> = HashMap::new();
        for entity in self.entities.iter() {
            if let Some(ty) = self.vocabulary.type_of(entity.uid().entity_type()) {
                by_type.entry(ty).or_default().push(entity);
            }
        }
        for entities in by_type.values_mut() {
            entities.sort_by(|a, b| a.uid().cmp(b.uid()));
        }
        let mut environments: Vec<_> =
            self.index.environments().filter(|(_, bucket)| !bucket.policies.is_empty()).collect();
        environments.sort_by_key(|(environment, _)| *environment);
        let share = (questions_max / environments.len().max(1)).max(1);
        let mut left = questions_max;
        let mut erring: BTreeMap<u32, Fault> = BTreeMap::new();
        for (environment, _) in environments {
            let none = Vec::new();
            let principals = by_type.get(&environment.principal).unwrap_or(&none);
            let resources = by_type.get(&environment.resource).unwrap_or(&none);
            if principals.is_empty() || resources.is_empty() {
                continue;
            }
            // Each principal and each resource comes up, not each pair.
            let mut referred = Vec::new();
            let context = &self.vocabulary.action_entry(environment.action).context;
            let Some(context) = self.plain_members(context, &mut referred) else {
                continue;
            };
            let context = Arc::new(context);
            let turns = principals.len().max(resources.len()).min(share).min(left);
            left -= turns;
            for turn in 0..turns {
                let principal = principals[turn % principals.len()];
                let resource = resources[turn % resources.len()];
                self.rehearse_one(environment, (principal, resource), (&context, &referred), &mut erring);
            }
        }
        erring.into_values().collect()
    }

    fn rehearse_one(
        &self,
        environment: Environment,
        (principal, resource): (&Arc<CoreEntity>, &Arc<CoreEntity>),
        (context, referred): (&Arc<BTreeMap<SmolStr, Value>>, &[EntityUID]),
        erring: &mut BTreeMap<u32, Fault>,
    ) {
        let Some(bucket) = self.index.bucket(environment) else { return };
        let action = self.vocabulary.action_entry(environment.action);
        let roots = Roots {
            principal: Some(principal.clone()),
            resource: Some(resource.clone()),
            action,
            referred,
        };
        let entities = slice(roots, bucket, &self.vocabulary, &self.entities);
        let request = Request::new_unchecked(
            EntityUIDEntry::known(principal.uid().clone(), None),
            EntityUIDEntry::known((*action.uid).clone(), None),
            EntityUIDEntry::known(resource.uid().clone(), None),
            Some(Context::Value(context.clone())),
        );
        let evaluator = Evaluator::new(request, &entities, Extensions::all_available());
        for &number in &bucket.policies {
            let policy = &self.index.policies[number as usize];
            let (Some(body), false) = (&policy.body, erring.contains_key(&number)) else {
                continue;
            };
            if !(meets(principal, &policy.principal) && meets(resource, &policy.resource)) {
                continue;
            }
            if let Err(error) = core::holds(&evaluator, body) {
                let mut fault = Fault::error(
                    "policy-errs",
                    format!(
                        "policy `{}` errs on the present data: {error} (asked: may {} do {} to {})",
                        policy.info.id,
                        principal.uid(),
                        action.name,
                        resource.uid()
                    ),
                )
                .help("a permit that errs grants nothing, a forbid that errs forbids");
                fault.place = Some(policy.info.place.clone());
                erring.insert(number, fault.into_warning());
            }
        }
    }

    /// The simplest value for each required member; none if a member's type has no value.
    fn plain_members(&self, fields: &Fields, referred: &mut Vec<EntityUID>) -> Option<BTreeMap<SmolStr, Value>> {
        fields
            .iter()
            .filter(|(_, field)| field.required)
            .map(|(name, field)| Some((name.clone(), self.plain(&field.shape, referred)?)))
            .collect()
    }

    fn plain(&self, shape: &Shape, referred: &mut Vec<EntityUID>) -> Option<Value> {
        Some(match shape {
            Shape::Bool => Value::from(false),
            Shape::Long => Value::from(0_i64),
            Shape::String => Value::from(SmolStr::default()),
            Shape::Set(_) => Value::empty_set(None),
            Shape::Record(fields) => Value::record_arc(Arc::new(self.plain_members(fields, referred)?), None),
            Shape::Entity(ty) => {
                let uid = any_entity(*ty, &self.vocabulary, self)?;
                referred.push(uid.clone());
                Value::from(uid)
            }
            Shape::Extension(extension) => {
                let text = match extension.constructor() {
                    "decimal" => "0.0",
                    "ip" => "127.0.0.1",
                    "datetime" => "1970-01-01",
                    _ => "0s",
                };
                extension.value(text.to_owned())?
            }
            Shape::Never => return None,
        })
    }
}

fn any_entity(ty: TypeIx, vocabulary: &Vocabulary, snapshot: &Snapshot) -> Option<EntityUID> {
    let entry = vocabulary.type_entry(ty);
    if let Some(choices) = &entry.choices {
        return Some(EntityUID::from_components(entry.ty.clone(), choices.first()?.clone(), None));
    }
    snapshot
        .entities
        .iter()
        .map(|entity| entity.uid())
        .filter(|uid| *uid.entity_type() == entry.ty)
        .min()
        .cloned()
}

fn meets(entity: &CoreEntity, scope: &Scope) -> bool {
    match scope {
        Scope::Any => true,
        Scope::Is(uid) => entity.uid() == &**uid,
        Scope::In(uid) => entity.uid() == &**uid || entity.is_descendant_of(uid),
    }
}
