//! Which attributes an answer shows (RFC 7644, section 3.9).

use serde_json::{Map, Value};

use super::attribute::Returned;
use super::path::{Home, Named, Place, find};
use super::problem::Problem;
use super::schema::{Schema, Type};

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Selection {
    /// Everything.
    #[default]
    All,
    /// These, and what is always shown.
    Only(Vec<Chosen>),
    /// All but these, and what is always shown.
    Without(Vec<Chosen>),
}

/// What was named.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Chosen {
    /// An attribute or a part of one.
    Place(Place),
    /// Everything in an extension.
    Extension(&'static str),
}

impl Selection {
    /// From `attributes` and `excludedAttributes`, each a list with commas. Names that are not there choose nothing.
    ///
    /// # Errors
    /// `invalidValue`: both are given.
    pub fn read(kind: Type, attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Problem> {
        let given = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        match (given(attributes), given(excluded)) {
            (None, None) => Ok(Self::All),
            (Some(names), None) => Ok(Self::Only(chosen(kind, &names))),
            (None, Some(names)) => Ok(Self::Without(chosen(kind, &names))),
            (Some(_), Some(_)) => Err(Problem::value("`attributes` and `excludedAttributes` exclude each other")),
        }
    }

    /// Whether any of a core attribute is shown: whether it has to be looked up at all.
    pub fn shows(&self, name: &str) -> bool {
        let names = |chosen: &Chosen| match chosen {
            Chosen::Place(place) => place.attribute.name == name,
            Chosen::Extension(_) => false,
        };
        match self {
            Self::All => true,
            Self::Only(chosen) => chosen.iter().any(names),
            Self::Without(chosen) => !chosen
                .iter()
                .any(|one| names(one) && matches!(one, Chosen::Place(Place { part: None, .. }))),
        }
    }

    /// The resource with what is shown of it.
    pub fn apply(&self, kind: Type, resource: Map<String, Value>) -> Map<String, Value> {
        match self {
            Self::All => resource,
            Self::Only(chosen) => only(kind, chosen, resource),
            Self::Without(chosen) => without(chosen, resource),
        }
    }
}

fn chosen(kind: Type, names: &str) -> Vec<Chosen> {
    let one = |name: &str| match find(kind, name.trim())? {
        Named::Place(place) => Some(Chosen::Place(place)),
        Named::Extension(schema) => Some(Chosen::Extension(schema.id)),
        Named::Foreign => None,
    };
    names.split(',').filter_map(one).collect()
}

fn is_always(kind: Type, name: &str) -> bool {
    kind.attribute(name).is_some_and(|attribute| attribute.returned == Returned::Always)
}

fn only(kind: Type, chosen: &[Chosen], resource: Map<String, Value>) -> Map<String, Value> {
    let mut shown = Map::new();
    for (name, value) in resource {
        if is_always(kind, &name) {
            shown.insert(name, value);
        } else if let Some(schema) = kind.extensions().iter().find(|schema| schema.id == name) {
            let Value::Object(members) = value else { continue };
            let members = extension(schema, chosen, members);
            if !members.is_empty() {
                shown.insert(name, members.into());
            }
        } else if let Some(value) = part_of(chosen, |place| matches!(place.home, Home::Core), &name, value) {
            shown.insert(name, value);
        }
    }
    shown
}

fn extension(schema: &Schema, chosen: &[Chosen], members: Map<String, Value>) -> Map<String, Value> {
    if chosen.contains(&Chosen::Extension(schema.id)) {
        return members;
    }
    let is_here = |place: &Place| matches!(place.home, Home::Extension(home) if home.id == schema.id);
    let shown = members.into_iter().filter_map(|(name, value)| {
        let value = part_of(chosen, is_here, &name, value)?;
        Some((name, value))
    });
    shown.collect()
}

/// As much of a value as was chosen, if any of it was.
fn part_of(chosen: &[Chosen], is_here: impl Fn(&Place) -> bool, name: &str, value: Value) -> Option<Value> {
    let places = chosen.iter().filter_map(|chosen| match chosen {
        Chosen::Place(place) if is_here(place) && place.attribute.name == name => Some(place),
        _ => None,
    });
    let parts: Option<Vec<&str>> = places.map(|place| place.part.map(|part| part.name)).collect();
    match parts {
        // The whole attribute was named.
        None => Some(value),
        Some(parts) if parts.is_empty() => None,
        Some(parts) => Some(retain(value, &|part| parts.contains(&part))),
    }
}

/// A complex value, or each of several, with some of its parts.
fn retain(value: Value, stays: &dyn Fn(&str) -> bool) -> Value {
    match value {
        Value::Object(members) => members.into_iter().filter(|(name, _)| stays(name)).collect::<Map<_, _>>().into(),
        Value::Array(elements) => elements.into_iter().map(|element| retain(element, stays)).collect(),
        other => other,
    }
}

fn without(chosen: &[Chosen], mut resource: Map<String, Value>) -> Map<String, Value> {
    for chosen in chosen {
        let Chosen::Place(place) = chosen else {
            if let Chosen::Extension(id) = chosen {
                resource.shift_remove(*id);
            }
            continue;
        };
        let object = match place.home {
            Home::Extension(schema) => resource.get_mut(schema.id).and_then(Value::as_object_mut),
            Home::Core | Home::Element => Some(&mut resource),
        };
        let Some(object) = object else { continue };
        match place.part {
            _ if place.attribute.returned == Returned::Always => {}
            None => {
                object.shift_remove(place.attribute.name);
            }
            Some(part) => {
                if let Some(value) = object.shift_remove(place.attribute.name) {
                    object.insert(place.attribute.name.to_owned(), retain(value, &|name| name != part.name));
                }
            }
        }
    }
    resource
}
