//! Which policies can apply to a request: by principal type, action (with its groups) and resource type, and below that
//! by the entity that a scope names.
//!
//! The index looks at scopes alone. A policy that it leaves out has a scope that is false for the request, and a false
//! scope can neither match nor err; so leaving it out changes no decision, no reason and no error.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::HashMap;

use super::bridge::{Numbers, number_of};
use super::core::{
    self, ActionConstraint, EntityReference, EntityUID, Expr, ExprKind, Literal, Policy as CorePolicy,
    PrincipalOrResourceConstraint, ValidatorSchema, Var,
};
use super::evaluate::Side;
use super::options::Evaluator;
use super::policies::{PoliciesRead, PolicyInfo};
use super::postings::Demands;
use super::program::{Binary, Compiler, Node};
use super::search::Sought;
use super::shape::Symbols;
use super::validate::{Levels, Reach};
use super::value::Uid;
use super::vocabulary::{ActionIx, TypeIx, Vocabulary};

/// A policy, ready to be evaluated.
pub(super) struct Policy {
    pub(super) info: PolicyInfo,
    pub(super) principal: Scope,
    pub(super) resource: Scope,
    /// The `when` and `unless` clauses as one expression; none if there are none.
    pub(super) body: Option<Arc<Body>>,
    level: u32,
    literals: Vec<Uid>,
    looks_at_action: bool,
    /// Where its scope can be true.
    pub(super) environments: Vec<Environment>,
}

impl Policy {
    /// Where its scope can be true.
    pub(super) fn environments(&self) -> &[Environment] {
        &self.environments
    }
}

/// The clauses of a policy.
pub(super) struct Body {
    /// As Cedar evaluates them.
    pub(super) expr: Arc<Expr>,
    /// As we do, if we can.
    pub(super) compiled: Option<Node>,
}

/// What is left to check of a scope once the types are known to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Any,
    Is(Uid),
    In(Uid),
}

impl Scope {
    pub(super) fn takes(self, side: &Side<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Is(uid) => side.uid == uid,
            Self::In(uid) => side.is_in(uid),
        }
    }
}

/// A request environment: what a request is, besides ids and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Environment {
    pub(super) principal: TypeIx,
    pub(super) action: ActionIx,
    pub(super) resource: TypeIx,
}

/// Policies by the entity that their scope names.
#[derive(Default)]
struct Named {
    is: HashMap<Uid, Vec<u32>>,
    within: HashMap<Uid, Vec<u32>>,
}

impl Named {
    fn add(&mut self, scope: Scope, number: u32) {
        match scope {
            Scope::Is(uid) => self.is.entry(uid).or_default().push(number),
            Scope::In(uid) => self.within.entry(uid).or_default().push(number),
            Scope::Any => {}
        }
    }

    fn named(&self, scope: Scope) -> usize {
        let found = match scope {
            Scope::Is(uid) => self.is.get(&uid),
            Scope::In(uid) => self.within.get(&uid),
            Scope::Any => None,
        };
        found.map_or(usize::MAX, Vec::len)
    }

    /// Calls `visit` for each policy whose scope takes this side. A policy names one entity, so none comes twice.
    fn visit(&self, side: &Side<'_>, visit: &mut impl FnMut(u32)) {
        if !self.is.is_empty()
            && let Some(numbers) = self.is.get(&side.uid)
        {
            numbers.iter().for_each(|number| visit(*number));
        }
        if self.within.is_empty() {
            return;
        }
        let ancestors = side.entity.into_iter().flat_map(|entity| entity.ancestors());
        for uid in ancestors.chain([side.uid]) {
            if let Some(numbers) = self.within.get(&uid) {
                numbers.iter().for_each(|number| visit(*number));
            }
        }
    }
}

/// The policies that can apply in one environment.
#[derive(Default)]
pub(super) struct Bucket {
    /// Numbers of policies, ascending.
    pub(super) policies: Vec<u32>,
    /// Those whose scopes name no entity.
    open: Vec<u32>,
    by_principal: Named,
    by_resource: Named,
    /// How deep a slice must go for all of them.
    pub(super) level: u32,
    /// Entities that one of them names and looks into.
    pub(super) literals: Vec<Uid>,
    /// Whether one of them asks for the action's groups.
    pub(super) looks_at_action: bool,
}

impl Bucket {
    /// Calls `visit` for every policy whose scope takes the principal, or the resource where it names no principal, or
    /// that names neither. The other half of the scope is for the visitor to check.
    pub(super) fn visit(&self, principal: &Side<'_>, resource: &Side<'_>, mut visit: impl FnMut(u32)) {
        self.open.iter().for_each(|number| visit(*number));
        self.by_principal.visit(principal, &mut visit);
        self.by_resource.visit(resource, &mut visit);
    }

    /// Calls `visit` for every policy that the known side of a search leads to: those whose scopes name it or nothing.
    pub(super) fn visit_known(&self, sought: Sought, known: &Side<'_>, mut visit: impl FnMut(u32)) {
        self.open.iter().for_each(|number| visit(*number));
        match sought {
            Sought::Principals => self.by_resource.visit(known, &mut visit),
            Sought::Resources => self.by_principal.visit(known, &mut visit),
        }
    }

    /// Calls `visit` for every other policy that a candidate of a search leads to.
    pub(super) fn visit_sought(&self, sought: Sought, candidate: &Side<'_>, mut visit: impl FnMut(u32)) {
        self.named(sought).visit(candidate, &mut visit);
    }

    /// All policies that candidates of a search can lead to.
    pub(super) fn all_sought(&self, sought: Sought) -> impl Iterator<Item = u32> {
        let named = self.named(sought);
        named.is.values().chain(named.within.values()).flatten().copied()
    }

    fn named(&self, sought: Sought) -> &Named {
        match sought {
            Sought::Principals => &self.by_principal,
            Sought::Resources => &self.by_resource,
        }
    }

    /// Sorts policies under the entity that fewer of them name.
    fn sort(&mut self, policies: &[Arc<Policy>]) {
        let (mut by_principal, mut by_resource) = (Named::default(), Named::default());
        for &number in &self.policies {
            let policy = &policies[number as usize];
            by_principal.add(policy.principal, number);
            by_resource.add(policy.resource, number);
        }
        for &number in &self.policies {
            let policy = &policies[number as usize];
            match (policy.principal, policy.resource) {
                (Scope::Any, Scope::Any) => self.open.push(number),
                (principal, resource) if by_principal.named(principal) <= by_resource.named(resource) => {
                    self.by_principal.add(principal, number);
                }
                (_, resource) => self.by_resource.add(resource, number),
            }
        }
        self.literals.sort_unstable();
        self.literals.dedup();
        self.policies.shrink_to_fit();
    }
}

/// All policies, and the bucket of each environment that the schema allows.
pub(super) struct Index {
    /// Sorted by id.
    pub(super) policies: Vec<Arc<Policy>>,
    /// Names of attributes, those that only policies use included.
    pub(super) symbols: Symbols,
    /// What searches can use.
    pub(super) demands: Arc<Demands>,
    buckets: HashMap<Environment, Bucket>,
}

impl Index {
    /// Compiles and sorts policies. Those that are unchanged since `before`, which must be of the same schema and
    /// numbers, are taken from there.
    pub(super) fn new(
        read: &PoliciesRead,
        levels: &Levels,
        schema: &ValidatorSchema,
        vocabulary: &Vocabulary,
        numbers: &mut dyn Numbers,
        evaluator: Evaluator,
        before: Option<&Index>,
    ) -> Self {
        let mut buckets = environments(vocabulary);
        let mut sorted: Vec<&cedar_policy::Policy> = read.set.policies().collect();
        sorted.sort_by(|a, b| AsRef::<str>::as_ref(a.id()).cmp(b.id().as_ref()));
        let mut policies: Vec<Arc<Policy>> = Vec::with_capacity(sorted.len());
        let mut symbols = before.map_or_else(|| vocabulary.symbols.clone(), |before| before.symbols.clone());
        let mut compiler = Compiler::new(vocabulary, &mut symbols, numbers);
        // Links of one template share its clauses.
        let mut bodies: HashMap<*const Expr, Arc<Body>> = HashMap::default();
        for public in sorted {
            let number = policies.len() as u32;
            let known = before.filter(|_| read.unchanged.contains(public.id()));
            let policy = known.and_then(|before| before.find(public.id().as_ref()).cloned()).unwrap_or_else(|| {
                let core_policy = core::policy(public);
                let reach = levels.of(public.template_id().unwrap_or_else(|| public.id()));
                let mut policy = compile(core_policy, read.info(public), &reach, &mut compiler, &mut bodies, evaluator);
                policy.environments = applicable(core_policy, schema, vocabulary);
                Arc::new(policy)
            });
            for environment in &policy.environments {
                if let Some(bucket) = buckets.get_mut(environment) {
                    bucket.policies.push(number);
                    bucket.level = bucket.level.max(policy.level);
                    bucket.literals.extend_from_slice(&policy.literals);
                    bucket.looks_at_action |= policy.looks_at_action;
                }
            }
            policies.push(policy);
        }
        for bucket in buckets.values_mut() {
            bucket.sort(&policies);
        }
        Self {
            demands: Arc::new(Demands::of(policies.iter().map(|policy| &**policy), vocabulary)),
            policies,
            symbols,
            buckets,
        }
    }

    pub(super) fn plant(&mut self, mistake: Mistake, id: &str) -> bool {
        let policy = self.policies.iter_mut().find(|policy| *policy.info.id == *id);
        let policy = policy.and_then(Arc::get_mut);
        let body = policy.and_then(|policy| policy.body.as_mut()).and_then(Arc::get_mut);
        body.is_some_and(|body| {
            body.compiled = body.compiled.take().map(|node| match mistake {
                Mistake::Contrary => Node::Not(Box::new(node)),
                // A truth value has no negative.
                Mistake::Error => Node::Negate(Box::new(node)),
                Mistake::Look => {
                    Node::Binary(Binary::GetTag, Box::new([Node::Principal, Node::String(Box::default())]))
                }
            });
            body.compiled.is_some()
        })
    }

    fn find(&self, id: &str) -> Option<&Arc<Policy>> {
        let index = self.policies.binary_search_by(|policy| (*policy.info.id).cmp(id)).ok()?;
        Some(&self.policies[index])
    }

    /// The bucket of an environment; none if the schema does not let the action be done so.
    pub(super) fn bucket(&self, environment: Environment) -> Option<&Bucket> {
        self.buckets.get(&environment)
    }

    pub(super) fn environments(&self) -> impl Iterator<Item = (Environment, &Bucket)> {
        self.buckets.iter().map(|(environment, bucket)| (*environment, bucket))
    }
}

/// How a policy is compiled wrong, for tests.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Mistake {
    /// It holds where it does not, and the other way round.
    Contrary,
    /// It always errs.
    Error,
    /// It looks into the principal, which may not exist.
    Look,
}

fn environments(vocabulary: &Vocabulary) -> HashMap<Environment, Bucket> {
    let mut buckets = HashMap::default();
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

fn compile(
    policy: &CorePolicy,
    info: PolicyInfo,
    reach: &Reach,
    compiler: &mut Compiler<'_>,
    bodies: &mut HashMap<*const Expr, Arc<Body>>,
    evaluator: Evaluator,
) -> Policy {
    let expr = policy.non_scope_constraints_arc().cloned();
    let looks_at_action = expr.as_deref().is_some_and(|body| {
        body.subexpressions().any(|expr| match expr.expr_kind() {
            ExprKind::Var(Var::Action) => true,
            // The action of the environment may be named instead.
            ExprKind::Lit(Literal::EntityUID(uid)) => uid.is_action(),
            _ => false,
        })
    });
    let compiles = evaluator == Evaluator::Compiled;
    Policy {
        info,
        principal: scope(policy.principal_constraint().as_inner(), compiler),
        resource: scope(policy.resource_constraint().as_inner(), compiler),
        body: expr.map(|expr| {
            let body = bodies.entry(Arc::as_ptr(&expr)).or_insert_with(|| {
                Arc::new(Body {
                    compiled: if compiles { compiler.compile(&expr) } else { None },
                    expr,
                })
            });
            Arc::clone(body)
        }),
        level: reach.level,
        literals: reach
            .literals
            .iter()
            .filter_map(|uid| number_of(uid, compiler.vocabulary, compiler.numbers))
            .collect(),
        looks_at_action,
        environments: Vec::new(),
    }
}

fn scope(constraint: &PrincipalOrResourceConstraint, compiler: &mut Compiler<'_>) -> Scope {
    // INVARIANT: validation has found every type that a scope names.
    let mut number = |uid: &EntityUID| number_of(uid, compiler.vocabulary, compiler.numbers).unwrap_or(Uid(u32::MAX));
    match constraint {
        PrincipalOrResourceConstraint::Any | PrincipalOrResourceConstraint::Is(_) => Scope::Any,
        PrincipalOrResourceConstraint::Eq(EntityReference::EUID(uid)) => Scope::Is(number(uid)),
        PrincipalOrResourceConstraint::In(EntityReference::EUID(uid))
        | PrincipalOrResourceConstraint::IsIn(_, EntityReference::EUID(uid)) => Scope::In(number(uid)),
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
