//! Values as clients send them, made what the table says.

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
    let mut kept: Vec<Value> = Vec::new();
    for element in elements {
        let Some(element) = one(attribute, element)? else { continue };
        if kept.len() > VALUES_MAX {
            break;
        }
        if !kept.iter().any(|kept| same(attribute, kept, &element)) {
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

/// Whether two values are one, as their parts are compared.
pub(super) fn same(attribute: &'static Attribute, one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(parts), Value::Object(others)) => {
            parts.len() == others.len() && parts.keys().all(|part| same_part(attribute, part, one, other))
        }
        (one, other) => one == other,
    }
}

/// Whether a part of two values is the same, as it is compared.
pub(super) fn same_part(attribute: &'static Attribute, part: &str, one: &Value, other: &Value) -> bool {
    match (one.get(part), other.get(part)) {
        (Some(Value::String(one)), Some(Value::String(other))) => {
            let is_exact = attribute.part(part).is_some_and(|part| part.case == Case::Exact);
            one == other || (!is_exact && fold(one) == fold(other))
        }
        (one, other) => one == other,
    }
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
