//! Between our values and Cedar's own, for whatever Cedar itself reads or decides.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use smol_str::SmolStr;

use super::core::{
    self, Eid, Entity as CoreEntity, EntityUID, ExprKind, Literal, PartialValue, RestrictedExpr, Value, ValueKind,
};
use super::entity::EntityView;
use super::shape::{Extension, Symbols};
use super::value::{Cell, Ip, Record, Tail, Uid, Val};
use super::vocabulary::{TypeIx, Vocabulary};

/// Gives numbers to names.
pub(super) trait Numbers {
    /// The number of an entity's name.
    fn number(&mut self, ty: TypeIx, id: &str) -> Uid;
}

/// The number of Cedar's form of a name; none if its type is nowhere in the schema.
pub(super) fn number_of(uid: &EntityUID, vocabulary: &Vocabulary, numbers: &mut dyn Numbers) -> Option<Uid> {
    let ty = vocabulary.any_type_of(uid.entity_type())?;
    Some(numbers.number(ty, uid.eid().as_ref()))
}

/// A value of Cedar's as ours; none if it names something that the schema has not.
pub(super) fn from_cedar(
    value: &Value,
    vocabulary: &Vocabulary,
    symbols: &mut Symbols,
    numbers: &mut dyn Numbers,
    tail: &mut Tail,
) -> Option<Cell> {
    Some(match value.value_kind() {
        ValueKind::Lit(Literal::Bool(value)) => Tail::bool(*value),
        ValueKind::Lit(Literal::Long(value)) => tail.long(*value),
        ValueKind::Lit(Literal::String(text)) => tail.string(text.as_bytes()),
        ValueKind::Lit(Literal::EntityUID(uid)) => Tail::entity(number_of(uid, vocabulary, numbers)?),
        ValueKind::Set(set) => {
            let mut items = Vec::with_capacity(set.len());
            for item in set.iter() {
                items.push(from_cedar(item, vocabulary, symbols, numbers, tail)?);
            }
            tail.set(&mut items)
        }
        ValueKind::Record(record) => {
            let mut members = Vec::with_capacity(record.len());
            for (name, value) in record.iter() {
                members.push((symbols.number(name), from_cedar(value, vocabulary, symbols, numbers, tail)?));
            }
            tail.record(&mut members)
        }
        ValueKind::ExtensionValue(_) => {
            let value = extension(value)?;
            tail.copy(&value)
        }
    })
}

/// An extension value of Cedar's as ours.
pub(super) fn extension(value: &Value) -> Option<Val<'static>> {
    let ValueKind::ExtensionValue(value) = value.value_kind() else { return None };
    let (function, arguments) = core::canonical(value);
    let text = |expr: &RestrictedExpr| match expr.expr_kind() {
        ExprKind::Lit(Literal::String(text)) => Some(text.clone()),
        _ => None,
    };
    Some(match (function.to_string().as_str(), arguments.as_slice()) {
        ("decimal", [digits]) => {
            let digits = text(digits)?;
            let (whole, fraction) = digits.split_once('.')?;
            Val::Decimal(format!("{whole}{fraction}").parse().ok()?)
        }
        ("ip", [address]) => {
            let address = text(address)?;
            let (address, prefix) = address.split_once('/')?;
            Val::Ip(Ip {
                address: address.parse().ok()?,
                prefix: prefix.parse().ok()?,
            })
        }
        ("duration", [duration]) => Val::Duration(text(duration)?.strip_suffix("ms")?.parse().ok()?),
        ("offset", [_, since]) => match since.expr_kind() {
            ExprKind::ExtensionFunctionApp { args, .. } => match args.first()?.expr_kind() {
                ExprKind::Lit(Literal::String(text)) => Val::Datetime(text.strip_suffix("ms")?.parse().ok()?),
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    })
}

/// What turns our values into Cedar's.
pub(super) trait Names {
    /// Cedar's form of a name.
    fn uid(&self, uid: Uid) -> EntityUID;
    /// The name of an attribute.
    fn symbol(&self, symbol: u32) -> SmolStr;
}

/// A value of ours as Cedar's.
pub(super) fn to_cedar(value: &Val<'_>, names: &dyn Names) -> Value {
    match value {
        Val::Bool(value) => Value::from(*value),
        Val::Long(value) => Value::from(*value),
        Val::String(text) => Value::from(SmolStr::new(String::from_utf8_lossy(text))),
        Val::Entity(uid) => Value::from(names.uid(*uid)),
        Val::Set(set) => Value::set(set.iter().map(|item| to_cedar(&item, names)), None),
        Val::Record(record) => Value::record_arc(Arc::new(members_to_cedar(record, names)), None),
        Val::Decimal(value) => made(Extension::Decimal, decimal_text(*value)),
        Val::Datetime(value) => core::datetime(*value).unwrap_or_else(|| Value::from(*value)),
        Val::Duration(value) => made(Extension::Duration, format!("{value}ms")),
        Val::Ip(ip) => made(Extension::Ip, ip.text()),
    }
}

/// A number of ten-thousandths as Cedar's constructor takes it.
pub(super) fn decimal_text(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs();
    format!("{sign}{}.{:04}", digits / 10_000, digits % 10_000)
}

/// INVARIANT: the texts are made from values that Cedar's constructors gave, in their canonical form.
fn made(extension: Extension, text: String) -> Value {
    extension.value(text.clone()).unwrap_or_else(|| Value::from(SmolStr::new(text)))
}

/// The members of a record as Cedar's.
pub(super) fn members_to_cedar(record: &Record<'_>, names: &dyn Names) -> BTreeMap<SmolStr, Value> {
    record
        .iter()
        .map(|(symbol, value)| (names.symbol(symbol), to_cedar(&value, names)))
        .collect()
}

/// An entity of ours as Cedar's, with all its ancestors.
pub(super) fn entity_to_cedar(view: EntityView<'_>, vocabulary: &Vocabulary, names: &dyn Names) -> CoreEntity {
    let ty = vocabulary.cedar_type(view.ty()).clone();
    let id = SmolStr::new(String::from_utf8_lossy(view.id()));
    let uid = EntityUID::from_components(ty, Eid::new(id), None);
    let fields = vocabulary.entity_type_entry(view.ty()).map(|entry| &entry.fields);
    let attributes = fields
        .into_iter()
        .flat_map(|fields| fields.iter().enumerate())
        .filter_map(|(slot, (name, _))| {
            let value = to_cedar(&view.attribute(slot)?, names);
            Some((name.clone(), PartialValue::Value(value)))
        });
    let parents: HashSet<EntityUID> = view.parents().map(|uid| names.uid(uid)).collect();
    let above: HashSet<EntityUID> = view.ancestors().skip(view.parents().len()).map(|uid| names.uid(uid)).collect();
    let tags = view.tags();
    let tags = tags.iter().map(|(key, value)| {
        let key = SmolStr::new(String::from_utf8_lossy(key));
        (key, PartialValue::Value(to_cedar(&value, names)))
    });
    CoreEntity::new_with_attr_partial_value(uid, attributes, above, parents, tags)
}
