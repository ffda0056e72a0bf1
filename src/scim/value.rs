//! Values as clients send them, made what the table says.

use std::collections::BTreeSet;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::DateTime;
use serde_json::{Map, Value};

use super::attribute::{Attribute, Case, Kind, Many};
use super::problem::Problem;
use crate::directory::fold;

/// How many values an attribute of a user may have.
const VALUES_MAX: usize = 1_000;

/// What will be kept of a value for an attribute: nothing for `null`, for an empty list, and for an object with nothing in
/// it that is kept.
///
/// Booleans may come as `"True"` and `"False"`, in any case, and as nothing else. What has several values may come as one
/// that is no list; what has a part `value` may come as that. Parts that are unknown or not the client's to write are left
/// out.
pub(super) fn taken(attribute: &'static Attribute, value: Value) -> Result<Option<Value>, Problem> {
    if attribute.many == Many::One {
        return one(attribute, value);
    }
    let values = several(attribute, value)?;
    check_values(attribute, &values)?;
    Ok((!values.is_empty()).then_some(Value::Array(values)))
}

/// Several values, each once, however many of them are preferred.
pub(super) fn several(attribute: &'static Attribute, value: Value) -> Result<Vec<Value>, Problem> {
    let elements = match value {
        Value::Array(elements) => elements,
        other => vec![other],
    };
    let (mut kept, mut seen) = (Vec::new(), BTreeSet::new());
    for element in elements {
        let Some(element) = one(attribute, element)? else { continue };
        if kept.len() > VALUES_MAX {
            break;
        }
        if seen.insert(identity(attribute, &element)) {
            kept.push(element);
        }
    }
    Ok(kept)
}

/// How many values there are, and that one at most is preferred.
pub(super) fn check_values(attribute: &Attribute, values: &[Value]) -> Result<(), Problem> {
    if values.len() > VALUES_MAX {
        return Err(Problem::value(format!(
            "`{}` has more than {VALUES_MAX} values",
            attribute.name
        )));
    }
    if values.iter().filter(|value| is_primary(value)).count() > 1 {
        return Err(Problem::value(format!("`{}` has more than one primary value", attribute.name)));
    }
    Ok(())
}

pub(super) fn is_primary(value: &Value) -> bool {
    value.get("primary") == Some(&Value::Bool(true))
}

/// What tells a value from others: it is the same for two that have the same parts, each the same as it is compared.
pub(super) fn identity(attribute: &'static Attribute, value: &Value) -> String {
    let Value::Object(parts) = value else { return value.to_string() };
    let mut names: Vec<&str> = parts.keys().map(String::as_str).collect();
    names.sort_unstable();
    key(attribute, value, &names)
}

/// These parts of a value as they are compared. Each text comes with its length, so that nothing runs together.
pub(super) fn key(attribute: &'static Attribute, value: &Value, parts: &[&str]) -> String {
    let mut key = String::new();
    for name in parts {
        key.extend([name, " "]);
        let text = match value.get(name) {
            Some(Value::String(text)) if attribute.part(name).is_none_or(|part| part.case != Case::Exact) => fold(text),
            Some(other) => other.to_string(),
            None => continue,
        };
        key.extend([&text.len().to_string(), " ", &text]);
    }
    key
}

/// One value, or one element of several.
pub(super) fn one(attribute: &'static Attribute, value: Value) -> Result<Option<Value>, Problem> {
    let wrong = |wanted: &str| Problem::value(format!("`{}` needs {wanted}", attribute.name));
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Kind::Boolean, Value::Bool(value)) => Ok(Some(value.into())),
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true.into())),
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false.into())),
        (Kind::Boolean, _) => Err(wrong("true or false")),
        (Kind::Text | Kind::Reference(_), Value::String(text)) => Ok(Some(text.into())),
        (Kind::Text | Kind::Reference(_), _) => Err(wrong("a string")),
        (Kind::DateTime, Value::String(text)) if moment(&text).is_some() => Ok(Some(text.into())),
        (Kind::DateTime, _) => Err(wrong("a date and time with a zone")),
        (Kind::Binary, Value::String(text)) if is_base64(&text) => Ok(Some(text.into())),
        (Kind::Binary, _) => Err(wrong("base64")),
        (Kind::Complex(_), Value::Object(members)) => complex(attribute, members),
        (Kind::Complex(_), Value::String(text)) if attribute.part("value").is_some_and(Attribute::is_writable) => {
            complex(attribute, Map::from_iter([("value".to_owned(), text.into())]))
        }
        (Kind::Complex(_), _) => Err(wrong("an object")),
    }
}

fn complex(attribute: &'static Attribute, members: Map<String, Value>) -> Result<Option<Value>, Problem> {
    let mut kept = Map::new();
    for (name, value) in members {
        let Some(part) = attribute.part(&name).filter(|part| part.is_kept()) else {
            continue;
        };
        let Some(value) = one(part, value)? else { continue };
        if kept.insert(part.name.to_owned(), value).is_some() {
            return Err(Problem::syntax(format!("`{}.{}` comes twice", attribute.name, part.name)));
        }
    }
    Ok((!kept.is_empty()).then_some(Value::Object(kept)))
}

/// A date and time as nanoseconds since 1970.
pub(super) fn moment(text: &str) -> Option<i128> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    Some(i128::from(moment.timestamp()) * 1_000_000_000 + i128::from(moment.timestamp_subsec_nanos()))
}

fn is_base64(text: &str) -> bool {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    // Certificates come in lines.
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    GeneralPurpose::new(&STANDARD, CONFIG).decode(text).is_ok()
}
