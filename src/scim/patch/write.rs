//! Operations on the values of one attribute.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Verb;
use crate::scim::attribute::Attribute;
use crate::scim::filter::Filter;
use crate::scim::path::Place;
use crate::scim::problem::{Problem, ScimType};
use crate::scim::resource::Resource;
use crate::scim::value::{check_values, identity, is_primary, key, one, several};

/// What should come once among the values of an attribute (RFC 7643, section 2.4).
const PAIR: &[&str] = &["type", "value"];

/// One value: replaced, or for a complex one with its other parts left as they are.
pub(super) fn write_one(
    home: &mut Resource,
    attribute: &'static Attribute,
    verb: Verb,
    value: Value,
) -> Result<(), Problem> {
    let value = match verb {
        Verb::Remove => None,
        Verb::Add if value.is_null() => return Ok(()),
        Verb::Replace if value.is_null() => None,
        Verb::Add | Verb::Replace => match one(attribute, value)? {
            None => return Ok(()),
            value => value,
        },
    };
    match (value, home.get_mut(attribute.name)) {
        (None, _) => {
            home.shift_remove(attribute.name);
        }
        (Some(Value::Object(new)), Some(Value::Object(old))) => old.extend(new),
        (Some(value), _) => {
            home.insert(attribute.name.to_owned(), value);
        }
    }
    Ok(())
}

/// Several values: added to, replaced, emptied, or those taken away that a value names.
pub(super) fn write_several(
    home: &mut Resource,
    attribute: &'static Attribute,
    verb: Verb,
    value: Value,
) -> Result<(), Problem> {
    if verb == Verb::Remove && value.is_null() {
        home.shift_remove(attribute.name);
        return Ok(());
    }
    let new = several(attribute, value)?;
    if verb != Verb::Remove {
        check_values(attribute, &new)?;
    }
    let mut values = match home.shift_remove(attribute.name) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    };
    let mut marked = None;
    match verb {
        Verb::Replace => values = new,
        Verb::Remove => remove(attribute, &mut values, &new),
        Verb::Add => marked = add(attribute, &mut values, new),
    }
    home.insert(attribute.name.to_owned(), Value::Array(values));
    settle(home, attribute, marked)
}

/// Adds values, each to what is known of the one with its `value` and `type` if there is one (RFC 7643, section 2.4); where
/// the last one stands that is preferred.
fn add(attribute: &'static Attribute, values: &mut Vec<Value>, new: Vec<Value>) -> Option<usize> {
    let (mut whole, mut known) = (BTreeMap::new(), BTreeMap::new());
    for (at, value) in values.iter().enumerate() {
        whole.entry(identity(attribute, value)).or_insert(at);
        known.entry(key(attribute, value, PAIR)).or_insert(at);
    }
    let mut marked = None;
    for value in new {
        let is_primary = is_primary(&value);
        let (identity_of, pair) = (identity(attribute, &value), key(attribute, &value, PAIR));
        let other = known.get(&pair).copied().filter(|_| value.get("value").is_some());
        let at = match (
            whole.get(&identity_of),
            other.and_then(|at| Some((at, values.get_mut(at)?))),
            value,
        ) {
            (Some(at), ..) => *at,
            (None, Some((at, old)), Value::Object(more)) => {
                whole.remove(&identity(attribute, old));
                if let Value::Object(old) = &mut *old {
                    old.extend(more);
                }
                whole.entry(identity(attribute, old)).or_insert(at);
                at
            }
            (None, _, value) => {
                let at = values.len();
                values.push(value);
                whole.insert(identity_of, at);
                known.entry(pair).or_insert(at);
                at
            }
        };
        marked = is_primary.then_some(at).or(marked);
    }
    marked
}

/// Takes away the values that are named: by their `value`, and their `type` if it is said; without a `value`, by all parts.
fn remove(attribute: &'static Attribute, values: &mut Vec<Value>, unwanted: &[Value]) {
    let mut keys: BTreeMap<Vec<&str>, BTreeSet<String>> = BTreeMap::new();
    for value in unwanted {
        let Value::Object(parts) = value else { continue };
        let is_known = parts.contains_key("value");
        let names = parts.keys().map(String::as_str).filter(|name| !is_known || PAIR.contains(name));
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let key = key(attribute, value, &names);
        keys.entry(names).or_default().insert(key);
    }
    values.retain(|value| !keys.iter().any(|(names, keys)| keys.contains(&key(attribute, value, names))));
}

/// An operation on the values that meet a filter.
pub(super) fn elements(
    home: &mut Resource,
    place: &Place,
    filter: &Filter,
    verb: Verb,
    value: Value,
) -> Result<(), Problem> {
    let attribute = place.attribute;
    let mut values = match home.shift_remove(attribute.name) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    };
    let meets = |value: &Value| value.as_object().is_some_and(|element| filter.meets(element));
    let mut marked = None;
    if verb == Verb::Remove && place.part.is_none() {
        values.retain(|value| !meets(value));
    } else {
        let is_new = verb != Verb::Remove && !value.is_null() && !values.iter().any(meets);
        if is_new {
            values.push(described(place, filter)?);
        }
        for (at, element) in values.iter_mut().enumerate().filter(|(_, element)| meets(element)) {
            let was = is_primary(element) && !is_new;
            change(element, place, verb, value.clone())?;
            if is_primary(element) && !was && marked.replace(at).is_some() {
                return Err(Problem::value(format!("`{}` has one primary value at most", attribute.name)));
            }
            if is_new && !meets(element) {
                return Err(Problem::value(format!(
                    "the value contradicts the filter on `{}`",
                    attribute.name
                )));
            }
        }
    }
    home.insert(attribute.name.to_owned(), Value::Array(values));
    settle(home, attribute, marked)
}

/// The value that a filter describes, where `emails[type eq "work"].value` is written and there is none.
fn described(place: &Place, filter: &Filter) -> Result<Value, Problem> {
    let parts = filter.described().ok_or_else(|| no_target(place))?;
    let element: Resource = parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let is_ours = |name: &String| place.attribute.part(name).is_some_and(Attribute::is_writable);
    if !filter.meets(&element) || !element.keys().all(is_ours) {
        return Err(no_target(place));
    }
    Ok(Value::Object(element))
}

fn change(element: &mut Value, place: &Place, verb: Verb, value: Value) -> Result<(), Problem> {
    let Value::Object(parts) = element else { return Ok(()) };
    if let Some(part) = place.part {
        return write_one(parts, part, verb, value);
    }
    match one(place.attribute, value)? {
        // Parts that it does not have stay as they are: clients send those that changed.
        Some(Value::Object(new)) => parts.extend(new),
        _ if verb == Verb::Replace => parts.clear(),
        _ => {}
    }
    Ok(())
}

pub(super) fn no_target(place: &Place) -> Problem {
    Problem::of(
        ScimType::NoTarget,
        format!("no value of `{}` meets the filter", place.attribute.name),
    )
}

/// Puts an attribute in order: nothing empty, and the value that was just preferred is the only one that is.
pub(super) fn settle(home: &mut Resource, attribute: &'static Attribute, marked: Option<usize>) -> Result<(), Problem> {
    let Some(Value::Array(values)) = home.get_mut(attribute.name) else {
        return Ok(());
    };
    if let Some(marked) = marked {
        for (at, value) in values.iter_mut().enumerate() {
            if at != marked && is_primary(value) {
                value["primary"] = false.into();
            }
        }
    }
    let mut seen = BTreeSet::new();
    values.retain(|value| {
        value.as_object().is_none_or(|parts| !parts.is_empty()) && seen.insert(identity(attribute, value))
    });
    check_values(attribute, values)?;
    if values.is_empty() {
        home.shift_remove(attribute.name);
    }
    Ok(())
}
