//! What kind of value the schema expects where.

use std::collections::HashMap;
use std::sync::LazyLock;

use smol_str::SmolStr;

use super::core::{
    EntityKind, EntityType, Extensions, Name, PartialValue, RestrictedEvaluator, RestrictedExpr, Type, Value,
};
use super::value::Symbol;
use super::vocabulary::TypeIx;

/// The type of a value, as far as reading one from a request needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Bool,
    Long,
    String,
    /// A reference to an entity of this type.
    Entity(TypeIx),
    Set(Box<Shape>),
    Record(Fields),
    Extension(Extension),
    /// A type that no request can give a value of.
    Never,
}

/// The members of a record, of a context or of an entity, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields(Vec<(SmolStr, Field)>);

/// One member.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) symbol: Symbol,
    pub(super) shape: Shape,
    pub(super) required: bool,
}

/// The names of attributes, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols {
    names: Vec<SmolStr>,
    by_name: HashMap<SmolStr, Symbol>,
}

impl Symbols {
    /// The number of a name, a new one if it has none.
    pub(super) fn number(&mut self, name: &SmolStr) -> Symbol {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let number = self.names.len() as Symbol;
        self.names.push(name.clone());
        self.by_name.insert(name.clone(), number);
        number
    }

    pub(super) fn name(&self, symbol: Symbol) -> &SmolStr {
        &self.names[symbol as usize]
    }
}

/// Cedar's extension types, each with the function that makes one from a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    Decimal,
    Ip,
    Datetime,
    Duration,
}

impl Extension {
    fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "decimal" => Self::Decimal,
            "ipaddr" => Self::Ip,
            "datetime" => Self::Datetime,
            "duration" => Self::Duration,
            _ => return None,
        })
    }

    /// The constructor's name.
    pub(super) fn constructor(self) -> &'static str {
        match self {
            Self::Decimal => "decimal",
            Self::Ip => "ip",
            Self::Datetime => "datetime",
            Self::Duration => "duration",
        }
    }

    /// The value that a text names; none if it names none.
    pub(super) fn value(self, text: String) -> Option<Value> {
        // Parsing a name takes longer than making the value.
        static CONSTRUCTORS: LazyLock<HashMap<&str, Name>> = LazyLock::new(|| {
            let all = [
                Extension::Decimal,
                Extension::Ip,
                Extension::Datetime,
                Extension::Duration,
            ];
            let named = all.into_iter().map(Extension::constructor);
            named.filter_map(|name| Some((name, name.parse().ok()?))).collect()
        });
        let name = CONSTRUCTORS.get(self.constructor())?.clone();
        let call = RestrictedExpr::call_extension_fn(name, [RestrictedExpr::val(text)]);
        let evaluator = RestrictedEvaluator::new(Extensions::all_available());
        match evaluator.partial_interpret(call.as_borrowed()) {
            Ok(PartialValue::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// What a person calls such a value, with an example.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Decimal => "a decimal such as \"12.5\"",
            Self::Ip => "an IP address or range such as \"10.0.0.0/8\"",
            Self::Datetime => "a date such as \"2026-01-31T12:00:00Z\"",
            Self::Duration => "a duration such as \"1d2h\"",
        }
    }
}

impl Shape {
    /// The shape of a type of Cedar's validator.
    pub(super) fn of(ty: &Type, types: &HashMap<EntityType, TypeIx>, symbols: &mut Symbols) -> Self {
        match ty {
            Type::Bool(_) => Self::Bool,
            Type::Long => Self::Long,
            Type::String => Self::String,
            Type::Entity(EntityKind::Entity(lub)) => lub
                .get_single_entity()
                .and_then(|name| types.get(name))
                .map_or(Self::Never, |index| Self::Entity(*index)),
            Type::Set {
                element_type: Some(element),
            } => Self::Set(Box::new(Self::of(element, types, symbols))),
            Type::Record { attrs, .. } => Self::Record(Fields::of(
                attrs.iter().map(|(name, attr)| (name, &*attr.attr_type, attr.is_required)),
                types,
                symbols,
            )),
            Type::ExtensionType { name } => Extension::of_type(&name.to_string()).map_or(Self::Never, Self::Extension),
            Type::Never | Type::Entity(EntityKind::AnyEntity) | Type::Set { element_type: None } => Self::Never,
        }
    }
}

impl Fields {
    /// Fields from names, types and whether they must be there.
    pub(super) fn of<'t>(
        attrs: impl Iterator<Item = (&'t SmolStr, &'t Type, bool)>,
        types: &HashMap<EntityType, TypeIx>,
        symbols: &mut Symbols,
    ) -> Self {
        let mut fields: Vec<_> = attrs
            .map(|(name, ty, required)| {
                let shape = Shape::of(ty, types, symbols);
                let symbol = symbols.number(name);
                (
                    name.clone(),
                    Field {
                        symbol,
                        shape,
                        required,
                    },
                )
            })
            .collect();
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(fields)
    }

    /// The place of a member among them, and the member.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &Field)> {
        let index = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some((index, &self.0[index].1))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&SmolStr, &Field)> {
        self.0.iter().map(|(name, field)| (name, field))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
