//! The one door to `cedar-policy-core`, the crate behind Cedar's public one.
//!
//! Why it is used at all: the public crate takes 9 us to build an `Entities` of two entities where this one takes 0.5,
//! rebuilds each policy's whole condition for every evaluation, and shows no types of attributes. It promises no stable
//! interface, so its version is pinned exactly and everything that the engine uses of it is named here.

use std::sync::{Arc, LazyLock};

use cedar_policy_core::ast::SlotEnv;

pub(super) use cedar_policy_core::ast::{
    ActionConstraint, BinaryOp, Context, Effect, Eid, Entity, EntityReference, EntityType, EntityUID, EntityUIDEntry,
    Expr, ExprKind, Literal, Name, PartialValue, PatternElem, Policy, PrincipalOrResourceConstraint, Request,
    RestrictedExpr, UnaryOp, Value, ValueKind, Var,
};
pub(super) use cedar_policy_core::entities::{Entities, NoEntitiesSchema, TCComputation};
pub(super) use cedar_policy_core::evaluator::{Evaluator, RestrictedEvaluator};
pub(super) use cedar_policy_core::extensions::Extensions;
pub(super) use cedar_policy_core::parser::Loc;
pub(super) use cedar_policy_core::validator::ValidatorActionId;
pub(super) use cedar_policy_core::validator::ValidatorSchema;
pub(super) use cedar_policy_core::validator::types::{EntityKind, Type};

/// A few entities whose ancestors are already complete, as an evaluator wants them.
pub(super) fn slice_of(entities: Vec<Arc<Entity>>) -> Entities {
    Entities::new()
        .add_entities(
            entities,
            None::<&NoEntitiesSchema>,
            TCComputation::AssumeAlreadyComputed,
            Extensions::all_available(),
        )
        // Only a duplicate with other content or a schema could make this fail; a slice has neither.
        .unwrap_or_default()
}

/// The span of a Cedar location.
pub(super) fn span(loc: &Loc) -> super::text::Span {
    super::text::Span::new(loc.start(), loc.end() - loc.start())
}

/// The core form of a public policy.
pub(super) fn policy(policy: &cedar_policy::Policy) -> &Policy {
    policy.as_ref()
}

/// The call that stands for an extension value, whichever way it was made.
pub(super) fn canonical(value: &cedar_policy_core::ast::RepresentableExtensionValue) -> (Name, Vec<RestrictedExpr>) {
    value.value().canonical_repr()
}

/// The moment so many milliseconds after the beginning of 1970.
pub(super) fn datetime(milliseconds: i64) -> Option<Value> {
    static NAMES: LazyLock<Option<[Name; 3]>> = LazyLock::new(|| {
        let name = |text: &str| text.parse().ok();
        Some([name("offset")?, name("datetime")?, name("duration")?])
    });
    let [offset, datetime, duration] = NAMES.as_ref()?;
    let text = |text: String| RestrictedExpr::val(text);
    let epoch = RestrictedExpr::call_extension_fn(datetime.clone(), [text("1970-01-01".to_owned())]);
    let since = RestrictedExpr::call_extension_fn(duration.clone(), [text(format!("{milliseconds}ms"))]);
    let call = RestrictedExpr::call_extension_fn(offset.clone(), [epoch, since]);
    match RestrictedEvaluator::new(Extensions::all_available()).partial_interpret(call.as_borrowed()) {
        Ok(PartialValue::Value(value)) => Some(value),
        _ => None,
    }
}

/// Where a template stands in the text that it was parsed from.
pub(super) fn template_loc(template: &cedar_policy::Template) -> Option<Loc> {
    let template: &cedar_policy_core::ast::Template = template.as_ref();
    template.loc().cloned()
}

/// The clauses of a template as one expression.
pub(super) fn template_body(template: &cedar_policy::Template) -> Option<&Expr> {
    let template: &cedar_policy_core::ast::Template = template.as_ref();
    template.non_scope_constraints()
}

/// Reads an entity as Cedar writes it, whichever way its id is escaped.
///
/// The public crate takes only the one spelling that it would print itself, in which even an apostrophe is escaped.
pub(super) fn parse_entity(text: &str) -> Option<EntityUID> {
    text.parse().ok()
}

/// The public form of an entity's name.
pub(super) fn public_uid(uid: EntityUID) -> cedar_policy::EntityUid {
    uid.into()
}

/// The core form of a public schema.
pub(super) fn schema(schema: &cedar_policy::Schema) -> &ValidatorSchema {
    schema.as_ref()
}

/// The core form of a public entity.
pub(super) fn entity(entity: &cedar_policy::Entity) -> &Entity {
    entity.as_ref()
}

/// The only ids of an enumerated entity type; none for other types.
pub(super) fn enumerated_ids(schema: &ValidatorSchema, ty: &EntityType) -> Option<Vec<Eid>> {
    use cedar_policy_core::entities::{EntityTypeDescription, Schema};
    let schema = cedar_policy_core::validator::CoreSchema::new(schema);
    let declared = schema.entity_type(ty)?;
    let ids = declared.enum_entity_eids()?;
    Some(ids.iter().cloned().collect())
}

/// The value of an expression that a validated policy consists of; none if it errs.
pub(super) fn value(evaluator: &Evaluator<'_>, expr: &Expr) -> Option<Value> {
    evaluator.interpret(expr, &SlotEnv::new()).ok()
}

/// The text that an expression was parsed from; none if it came in JSON.
pub(super) fn source(expr: &Expr) -> Option<&str> {
    expr.source_loc()?.snippet()
}

/// Evaluates the clauses of a validated policy.
pub(super) fn holds(evaluator: &Evaluator<'_>, body: &Expr) -> Result<bool, String> {
    // Slots stand in scopes alone, and those are filled.
    let value = evaluator.interpret(body, &SlotEnv::new()).map_err(|error| error.to_string())?;
    match value.value_kind() {
        ValueKind::Lit(Literal::Bool(holds)) => Ok(*holds),
        other => Err(format!("type error: expected bool, got {other}")),
    }
}
