//! Policies against the schema: types, look-alike characters, and how far each policy looks.
//!
//! The level of a policy is the number of steps that it may go from principal, action, resource and context, entity by
//! entity. A slice that goes as deep holds all that the policy can see. Cedar's own level validation (RFC 76) gives the
//! number; it refuses policies that look into an entity that they name themselves, and for those we take the longest
//! chain in their text as an upper bound, and the named entities as further starting points of the slice.

use std::collections::{HashMap, HashSet};

use cedar_policy::{PolicyId, PolicySet, Schema, ValidationError, ValidationMode, ValidationWarning, Validator};

use super::core::{self, BinaryOp, EntityUID, Expr, ExprKind, Literal};
use super::fault::Fault;
use super::policies::{Origin, PoliciesRead};
use super::text::Text;

/// How far each policy or template looks, those left out needing level 1; and what there is to warn of.
#[derive(Default)]
pub(super) struct Levels {
    reaches: HashMap<PolicyId, Reach>,
    faults: Vec<(PolicyId, Fault)>,
}

/// How far one policy looks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reach {
    pub(super) level: u32,
    /// Entities named in the policy that it looks into.
    pub(super) literals: Vec<EntityUID>,
}

impl Levels {
    pub(super) fn of(&self, id: &PolicyId) -> Reach {
        self.reaches.get(id).cloned().unwrap_or(Reach {
            level: 1,
            literals: Vec::new(),
        })
    }
}

/// Validates policies; faults are added to `faults`. What is unchanged since `before`, and was valid, is not validated
/// again.
pub(super) fn validate(
    schema: &Schema,
    read: &PoliciesRead,
    before: Option<&Levels>,
    level_max: u32,
    faults: &mut Vec<Fault>,
) -> Levels {
    let mut levels = Levels::default();
    // A new link, or one of a changed template, has to be looked at together with its template.
    let is_known = |policy: &cedar_policy::Policy| policy.is_static() || read.unchanged.contains(policy.id());
    let before = before.filter(|_| read.set.policies().all(is_known));
    let changed;
    let set = match before {
        None => &read.set,
        Some(before) => {
            let known = |id: &PolicyId| read.unchanged.contains(id);
            let reaches = before.reaches.iter().filter(|(id, _)| known(id));
            levels.reaches = reaches.map(|(id, reach)| (id.clone(), reach.clone())).collect();
            levels.faults = before.faults.iter().filter(|(id, _)| known(id)).cloned().collect();
            changed = changed_of(read);
            &changed
        }
    };
    let validator = Validator::new(schema.clone());
    let result = validator.validate_with_level(set, ValidationMode::Strict, 1);
    let mut deeper = HashSet::new();
    for error in result.validation_errors() {
        match error {
            ValidationError::EntityDerefLevelViolation(_) => {
                deeper.insert(error.policy_id().clone());
            }
            error => faults.push(fault("policy-type", error, error.policy_id(), &read.origins)),
        }
    }
    for warning in result.validation_warnings() {
        let fault = fault("policy-warning", warning, warning.policy_id(), &read.origins);
        let fault = match warning {
            // Never applying is odd; looking like something else is an attack on the reviewer.
            ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
                fault.into_warning()
            }
            _ => fault,
        };
        levels.faults.push((warning.policy_id().clone(), fault));
    }
    faults.extend(levels.faults.iter().map(|(_, fault)| fault.clone()));

    for id in named_entities_first(set, &mut deeper, &mut levels) {
        let reach = &levels.reaches[&id];
        if reach.level > level_max {
            faults.push(too_deep(&id, reach.level, level_max, &read.origins));
        }
    }
    let mut level = 1;
    while !deeper.is_empty() {
        if level >= level_max {
            for id in &deeper {
                faults.push(too_deep(id, level + 1, level_max, &read.origins));
            }
            break;
        }
        level += 1;
        let mut still = HashSet::new();
        let set = subset(set, &deeper);
        for error in validator.validate_with_level(&set, ValidationMode::Strict, level).validation_errors() {
            if matches!(error, ValidationError::EntityDerefLevelViolation(_)) {
                still.insert(error.policy_id().clone());
            }
        }
        for id in deeper.difference(&still) {
            levels.reaches.insert(
                id.clone(),
                Reach {
                    level,
                    literals: Vec::new(),
                },
            );
        }
        deeper = still;
    }
    levels
}

/// Settles the policies that look into entities that they name, taking them out of `deeper`.
fn named_entities_first(set: &PolicySet, deeper: &mut HashSet<PolicyId>, levels: &mut Levels) -> Vec<PolicyId> {
    let mut settled = Vec::new();
    // Levels are told of templates, linked or not; a link is only held against what its slots may be.
    let policies = set.policies().filter(|policy| policy.is_static());
    let bodies = policies
        .map(|policy| (policy.id(), core::policy(policy).non_scope_constraints()))
        .chain(set.templates().map(|template| (template.id(), core::template_body(template))));
    for (id, body) in bodies {
        let Some(body) = body else { continue };
        if deeper.contains(id) && body.subexpressions().any(looks_into_named) {
            deeper.remove(id);
            let reach = Reach {
                level: body.subexpressions().map(steps).max().unwrap_or(0).max(1),
                literals: named(body),
            };
            levels.reaches.insert(id.clone(), reach);
            settled.push(id.clone());
        }
    }
    settled
}

/// Whether this expression is a step out of an entity named in the text.
fn looks_into_named(expr: &Expr) -> bool {
    target(expr).is_some_and(starts_at_named)
}

/// The expression that this one steps out of.
fn target(expr: &Expr) -> Option<&Expr> {
    match expr.expr_kind() {
        ExprKind::GetAttr { expr, .. } | ExprKind::HasAttr { expr, .. } | ExprKind::ExtHasAttr { expr, .. } => {
            Some(expr)
        }
        ExprKind::BinaryApp {
            op: BinaryOp::In | BinaryOp::GetTag | BinaryOp::HasTag,
            arg1,
            ..
        } => Some(arg1),
        _ => None,
    }
}

fn starts_at_named(expr: &Expr) -> bool {
    match expr.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(_)) => true,
        ExprKind::If {
            then_expr, else_expr, ..
        } => starts_at_named(then_expr) || starts_at_named(else_expr),
        ExprKind::Record(members) => members.values().any(starts_at_named),
        _ => target(expr).is_some_and(starts_at_named),
    }
}

/// The longest chain of steps that ends here, counting records as if they were entities.
fn steps(expr: &Expr) -> u32 {
    let own = match expr.expr_kind() {
        ExprKind::ExtHasAttr { attrs, .. } => u32::try_from(attrs.len()).unwrap_or(u32::MAX),
        _ => 1,
    };
    match expr.expr_kind() {
        ExprKind::If {
            then_expr, else_expr, ..
        } => steps(then_expr).max(steps(else_expr)),
        ExprKind::Record(members) => members.values().map(steps).max().unwrap_or(0),
        _ => target(expr).map_or(0, |target| steps(target).saturating_add(own)),
    }
}

fn named(body: &Expr) -> Vec<EntityUID> {
    let mut named: Vec<EntityUID> = body
        .subexpressions()
        .filter_map(|expr| match expr.expr_kind() {
            ExprKind::Lit(Literal::EntityUID(uid)) => Some((**uid).clone()),
            _ => None,
        })
        .collect();
    named.sort();
    named.dedup();
    named
}

/// The policies and templates that have to be validated.
fn changed_of(read: &PoliciesRead) -> PolicySet {
    let policies = read.set.policies().filter(|policy| policy.is_static()).map(|policy| policy.id());
    let all = policies.chain(read.set.templates().map(|template| template.id()));
    let changed: HashSet<PolicyId> = all.filter(|id| !read.unchanged.contains(*id)).cloned().collect();
    subset(&read.set, &changed)
}

fn subset(set: &PolicySet, ids: &HashSet<PolicyId>) -> PolicySet {
    let mut subset = PolicySet::new();
    // INVARIANT: ids are unique in `set`, so that adding cannot fail.
    for policy in set.policies().filter(|policy| ids.contains(policy.id())) {
        let _ = subset.add(policy.clone());
    }
    for template in set.templates().filter(|template| ids.contains(template.id())) {
        let _ = subset.add_template(template.clone());
    }
    subset
}

fn fault(
    code: &'static str,
    report: &dyn miette::Diagnostic,
    id: &PolicyId,
    origins: &HashMap<PolicyId, Origin>,
) -> Fault {
    let Some(origin) = origins.get(id) else {
        return Fault::from_cedar(code, report, None);
    };
    let labelled = report
        .labels()
        .is_some_and(|mut labels| labels.any(|label| within(&origin.text, label.offset(), label.len())));
    if labelled {
        Fault::from_cedar(code, report, Some(&origin.text))
    } else {
        Fault::from_cedar(code, report, None).at(&origin.text, origin.span)
    }
}

fn within(text: &Text, offset: usize, len: usize) -> bool {
    text.name.ends_with(".cedar") && offset + len <= text.content.len()
}

fn too_deep(id: &PolicyId, level: u32, level_max: u32, origins: &HashMap<PolicyId, Origin>) -> Fault {
    let fault = Fault::error(
        "policy-level",
        format!("policy `{id}` looks {level} or more entities deep, and the limit is {level_max}"),
    )
    .help(
        "shorten the longest chain of attributes that leads from entity to entity, or raise `level_max` under \
         `[limits]`; each step costs entities to load for every decision",
    );
    match origins.get(id) {
        Some(origin) => fault.at(&origin.text, origin.span),
        None => fault,
    }
}
