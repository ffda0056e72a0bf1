//! Which policies can apply to a request: by principal type, action (with its groups) and resource type.
//!
//! The index looks at scopes alone. A policy that it leaves out has a scope that is false for the request, and a false
//! scope can neither match nor err; so leaving it out changes no decision, no reason and no error.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::core::{
    self, ActionConstraint, EntityReference, EntityUID, Expr, ExprKind, Literal, Policy as CorePolicy,
    PrincipalOrResourceConstraint, ValidatorSchema, Var,
};
use super::policies::{PoliciesRead, PolicyInfo};
use super::validate::{Levels, Reach};
use super::vocabulary::{ActionIx, TypeIx, Vocabulary};

/// A policy, ready to be evaluated.
pub(super) struct Policy {
    pub(super) info: PolicyInfo,
    pub(super) principal: Scope,
    pub(super) resource: Scope,
    /// The `when` and `unless` clauses as one expression; none if there are none.
    pub(super) body: Option<Arc<Expr>>,
    reach: Reach,
    looks_at_action: bool,
}

/// What is left to check of a scope once the types are known to fit.
pub(super) enum Scope {
    Any,
    Is(Arc<EntityUID>),
    In(Arc<EntityUID>),
}

/// A request environment: what a request is, besides ids and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Environment {
    pub(super) principal: TypeIx,
    pub(super) action: ActionIx,
    pub(super) resource: TypeIx,
}

/// The policies that can apply in one environment.
#[derive(Default)]
pub(super) struct Bucket {
    /// Numbers of policies, ascending.
    pub(super) policies: Vec<u32>,
    /// How deep a slice must go for all of them.
    pub(super) level: u32,
    /// Entities that one of them names and looks into.
    pub(super) literals: Vec<EntityUID>,
    /// Whether one of them asks for the action's groups.
    pub(super) looks_at_action: bool,
}

/// All policies, and the bucket of each environment that the schema allows.
pub(super) struct Index {
    /// Sorted by id.
    pub(super) policies: Vec<Policy>,
    buckets: HashMap<Environment, Bucket>,
}

impl Index {
    pub(super) fn new(read: &PoliciesRead, levels: &Levels, schema: &ValidatorSchema, vocabulary: &Vocabulary) -> Self {
        let mut buckets = environments(vocabulary);
        let mut sorted: Vec<&cedar_policy::Policy> = read.set.policies().collect();
        sorted.sort_by(|a, b| AsRef::<str>::as_ref(a.id()).cmp(b.id().as_ref()));
        let mut policies = Vec::with_capacity(sorted.len());
        for public in sorted {
            let number = policies.len() as u32;
            let core_policy = core::policy(public);
            let reach = levels.of(public.template_id().unwrap_or_else(|| public.id()));
            let policy = compile(core_policy, read.info(public), reach);
            for environment in applicable(core_policy, schema, vocabulary) {
                if let Some(bucket) = buckets.get_mut(&environment) {
                    bucket.policies.push(number);
                    bucket.level = bucket.level.max(policy.reach.level);
                    bucket.literals.extend(policy.reach.literals.iter().cloned());
                    bucket.looks_at_action |= policy.looks_at_action;
                }
            }
            policies.push(policy);
        }
        for bucket in buckets.values_mut() {
            bucket.literals.sort();
            bucket.literals.dedup();
            bucket.policies.shrink_to_fit();
        }
        Self { policies, buckets }
    }

    /// The bucket of an environment; none if the schema does not let the action be done so.
    pub(super) fn bucket(&self, environment: Environment) -> Option<&Bucket> {
        self.buckets.get(&environment)
    }

    pub(super) fn environments(&self) -> impl Iterator<Item = (Environment, &Bucket)> {
        self.buckets.iter().map(|(environment, bucket)| (*environment, bucket))
    }
}

fn environments(vocabulary: &Vocabulary) -> HashMap<Environment, Bucket> {
    let mut buckets = HashMap::new();
    for (number, action) in vocabulary.actions.iter().enumerate() {
        for &principal in &action.principals {
            for &resource in &action.resources {
                let environment = Environment {
                    principal,
                    action: ActionIx(number as u32),
                    resource,
                };
                buckets.insert(environment, Bucket::default());
            }
        }
    }
    buckets
}

fn compile(policy: &CorePolicy, info: PolicyInfo, reach: Reach) -> Policy {
    let body = policy.non_scope_constraints_arc().cloned();
    let looks_at_action = body.as_deref().is_some_and(|body| {
        body.subexpressions().any(|expr| match expr.expr_kind() {
            ExprKind::Var(Var::Action) => true,
            // The action of the environment may be named instead.
            ExprKind::Lit(Literal::EntityUID(uid)) => uid.is_action(),
            _ => false,
        })
    });
    Policy {
        info,
        principal: scope(policy.principal_constraint().as_inner()),
        resource: scope(policy.resource_constraint().as_inner()),
        body,
        reach,
        looks_at_action,
    }
}

fn scope(constraint: &PrincipalOrResourceConstraint) -> Scope {
    match constraint {
        PrincipalOrResourceConstraint::Any | PrincipalOrResourceConstraint::Is(_) => Scope::Any,
        PrincipalOrResourceConstraint::Eq(EntityReference::EUID(uid)) => Scope::Is(uid.clone()),
        PrincipalOrResourceConstraint::In(EntityReference::EUID(uid))
        | PrincipalOrResourceConstraint::IsIn(_, EntityReference::EUID(uid)) => Scope::In(uid.clone()),
        // INVARIANT: a policy of a set has its slots filled; Cedar fills them in the constraint that it hands out.
        PrincipalOrResourceConstraint::Eq(EntityReference::Slot(_))
        | PrincipalOrResourceConstraint::In(EntityReference::Slot(_))
        | PrincipalOrResourceConstraint::IsIn(_, EntityReference::Slot(_)) => {
            unreachable!("a policy with an unfilled slot")
        }
    }
}

/// The environments in which a policy's scope can be true.
fn applicable(policy: &CorePolicy, schema: &ValidatorSchema, vocabulary: &Vocabulary) -> Vec<Environment> {
    let principals = fitting_types(policy.principal_constraint().as_inner(), schema, vocabulary);
    let resources = fitting_types(policy.resource_constraint().as_inner(), schema, vocabulary);
    let mut environments = Vec::new();
    for number in fitting_actions(policy.action_constraint(), schema, vocabulary) {
        let action = vocabulary.action_entry(number);
        for &principal in action.principals.iter().filter(|ty| fits(&principals, **ty)) {
            for &resource in action.resources.iter().filter(|ty| fits(&resources, **ty)) {
                environments.push(Environment {
                    principal,
                    action: number,
                    resource,
                });
            }
        }
    }
    environments
}

fn fits(types: &Option<BTreeSet<TypeIx>>, ty: TypeIx) -> bool {
    types.as_ref().is_none_or(|types| types.contains(&ty))
}

/// The types for which a scope can be true; none means all.
fn fitting_types(
    constraint: &PrincipalOrResourceConstraint,
    schema: &ValidatorSchema,
    vocabulary: &Vocabulary,
) -> Option<BTreeSet<TypeIx>> {
    // An entity can be in another only if the schema lets its type be, and the store holds nothing else.
    let below = |uid: &EntityUID| -> BTreeSet<TypeIx> {
        let own = vocabulary.type_of(uid.entity_type());
        let declared = schema.get_entity_type(uid.entity_type());
        vocabulary
            .types
            .iter()
            .enumerate()
            .filter(|(_, entry)| declared.is_some_and(|declared| declared.has_descendant_entity_type(&entry.ty)))
            .map(|(number, _)| TypeIx(number as u32))
            .chain(own)
            .collect()
    };
    match constraint {
        PrincipalOrResourceConstraint::Any => None,
        PrincipalOrResourceConstraint::Is(ty) | PrincipalOrResourceConstraint::IsIn(ty, EntityReference::Slot(_)) => {
            Some(vocabulary.type_of(ty).into_iter().collect())
        }
        PrincipalOrResourceConstraint::Eq(EntityReference::EUID(uid)) => {
            Some(vocabulary.type_of(uid.entity_type()).into_iter().collect())
        }
        PrincipalOrResourceConstraint::In(EntityReference::EUID(uid)) => Some(below(uid)),
        PrincipalOrResourceConstraint::IsIn(ty, EntityReference::EUID(uid)) => {
            let ty = vocabulary.type_of(ty);
            Some(below(uid).into_iter().filter(|below| Some(*below) == ty).collect())
        }
        PrincipalOrResourceConstraint::Eq(EntityReference::Slot(_))
        | PrincipalOrResourceConstraint::In(EntityReference::Slot(_)) => None,
    }
}

/// The actions for which a scope is true: those named, and those in the groups named.
fn fitting_actions(constraint: &ActionConstraint, schema: &ValidatorSchema, vocabulary: &Vocabulary) -> Vec<ActionIx> {
    let mut actions: Vec<ActionIx> = match constraint {
        ActionConstraint::Any => (0..vocabulary.actions.len()).map(|n| ActionIx(n as u32)).collect(),
        ActionConstraint::Eq(uid) => vocabulary.action_of(uid).into_iter().collect(),
        ActionConstraint::In(uids) => uids
            .iter()
            .flat_map(|uid| {
                let members = schema.get_action_id(uid).into_iter().flat_map(|action| action.descendants());
                members.chain([&**uid]).filter_map(|uid| vocabulary.action_of(uid))
            })
            .collect(),
    };
    actions.sort_unstable();
    actions.dedup();
    actions
}
