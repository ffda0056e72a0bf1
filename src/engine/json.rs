//! JSON read strictly: every member name once, a bounded depth, no value lost.
//!
//! `serde_json::Value` silently keeps the last of two equal names, and two readers that keep different ones can be
//! played against each other. So what comes from a caller is read into [`Json`], which refuses them at any depth.
//!
//! There are two readers. `serde_json` is the thorough one, and its word is what counts; [`Plain`] is quick, takes less,
//! and takes nothing that the other would refuse or read in another way.

mod plain;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

pub use plain::Plain;

/// A JSON value that borrows what it can from its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer that fits 64 bits with sign.
    Long(i64),
    /// Any other number, as the nearest double.
    Float(f64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object: members in the order of the text, each name once.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads one value from bytes that hold nothing else but white space.
    ///
    /// # Errors
    /// The bytes are no UTF-8, no JSON, hold a member name twice in one object, or nest deeper than `depth_max`.
    pub fn read(bytes: &'a [u8], depth_max: usize) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| JsonError::at_start(format!("invalid UTF-8 at byte {}", error.valid_up_to())))?;
        if text.starts_with('\u{feff}') {
            return Err(JsonError::at_start("a byte order mark at byte 0: JSON has none".to_owned()));
        }
        match Plain::read(text, depth_max) {
            Some(value) => Ok(value),
            None => Self::read_thoroughly(text, depth_max),
        }
    }

    fn read_thoroughly(text: &'a str, depth_max: usize) -> Result<Self, JsonError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = Seed { depth_left: depth_max }
            .deserialize(&mut reader)
            .map_err(|error| JsonError::from_serde(&error))?;
        reader.end().map_err(|error| JsonError::from_serde(&error))?;
        Ok(value)
    }

    /// The member of this name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The same, with nothing borrowed.
    pub fn into_owned(self) -> Json<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Long(value) => Json::Long(value),
            Self::Float(value) => Json::Float(value),
            Self::String(text) => Json::String(owned(text)),
            Self::Array(items) => Json::Array(items.into_iter().map(Json::into_owned).collect()),
            Self::Object(members) => {
                Json::Object(members.into_iter().map(|(name, value)| (owned(name), value.into_owned())).collect())
            }
        }
    }

    /// How many members an object has; none if it is no object.
    pub fn members(&self) -> usize {
        match self {
            Self::Object(members) => members.len(),
            _ => 0,
        }
    }

    /// How many values there are in it, itself included.
    pub fn values(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Json::values).sum::<usize>(),
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.values()).sum::<usize>(),
            _ => 1,
        }
    }

    /// What a person calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Long(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl From<&Json<'_>> for serde_json::Value {
    fn from(json: &Json<'_>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => (*value).into(),
            Json::Long(value) => (*value).into(),
            Json::Float(value) => (*value).into(),
            Json::String(text) => Self::String(text.to_string()),
            Json::Array(items) => items.iter().map(Self::from).collect(),
            Json::Object(members) => {
                members.iter().map(|(name, value)| (name.to_string(), Self::from(value))).collect()
            }
        }
    }
}

impl<'a> From<&'a serde_json::Value> for Json<'a> {
    fn from(value: &'a serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Long(number),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::String(Cow::Borrowed(text)),
            Value::Array(items) => Self::Array(items.iter().map(Json::from).collect()),
            Value::Object(members) => {
                Self::Object(members.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), value.into())).collect())
            }
        }
    }
}

/// Why a text is no JSON that we take, with line and column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JsonError {
    /// What is wrong, and where.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
}

impl JsonError {
    fn at_start(message: String) -> Self {
        Self {
            message,
            line: 1,
            column: 1,
        }
    }

    /// The same of an error of `serde_json`.
    pub(super) fn from_serde(error: &serde_json::Error) -> Self {
        Self {
            message: error.to_string(),
            line: error.line().max(1),
            column: error.column().max(1),
        }
    }

    /// The byte offset in the text that was read.
    pub fn offset(&self, text: &str) -> usize {
        let line_start: usize = text.split_inclusive('\n').take(self.line - 1).map(str::len).sum();
        (line_start + self.column - 1).min(text.len())
    }
}

/// One value, with what is left of the depth.
#[derive(Clone, Copy)]
struct Seed {
    depth_left: usize,
}

impl Seed {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left }),
            None => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Json<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Long(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        // What does not fit is no integer of ours, and refused where one is expected; elsewhere it does no harm.
        Ok(i64::try_from(value).map_or(Json::Float(value as f64), Json::Long))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut object: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        // Beyond a handful of members a set finds a repeated name faster than looking at each.
        let mut seen: Option<std::collections::HashSet<Cow<'de, str>>> = None;
        while let Some(name) = members.next_key_seed(Name)? {
            let repeated = match &mut seen {
                Some(seen) => !seen.insert(name.clone()),
                None => object.iter().any(|(known, _)| *known == name),
            };
            if repeated {
                return Err(A::Error::custom(format!("the member name `{name}` occurs twice")));
            }
            let value = members.next_value_seed(inner)?;
            object.push((name, value));
            if seen.is_none() && object.len() == 16 {
                seen = Some(object.iter().map(|(name, _)| name.clone()).collect());
            }
        }
        Ok(Json::Object(object))
    }
}

/// A member name, borrowed where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        let text = br#" {"a":[1,-2,2.5,true,null,"x\n"],"b":{"a":{}}} "#;
        let json = Json::read(text, 8).expect("good JSON");
        let expected = [
            Json::Long(1),
            Json::Long(-2),
            Json::Float(2.5),
            Json::Bool(true),
            Json::Null,
            Json::String("x\n".into()),
        ];
        assert_eq!(json.get("a"), Some(&Json::Array(expected.to_vec())));
        assert_eq!(json.get("b").and_then(|b| b.get("a")), Some(&Json::Object(Vec::new())));
    }

    #[test]
    fn a_name_twice_is_refused_at_every_depth_and_width() {
        for text in [
            r#"{"a":1,"a":1}"#.to_owned(),
            r#"{"b":[{"c":{"a":1,"\u0061":2}}]}"#.to_owned(),
            format!(
                "{{{},\"k3\":0}}",
                (0..40).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",")
            ),
        ] {
            let error = Json::read(text.as_bytes(), 8).expect_err(&text);
            assert!(error.message.contains("occurs twice"), "{error}");
        }
    }

    #[test]
    fn depth_is_bounded_without_a_deep_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::read(nested(8).as_bytes(), 8).is_ok());
        assert!(Json::read(nested(9).as_bytes(), 8).is_err());
        assert!(Json::read(br#"{"a":{"a":{}}}"#, 3).is_ok());
        assert!(Json::read(br#"{"a":{"a":{}}}"#, 2).is_err());
        assert!(Json::read("[".repeat(1_000_000).as_bytes(), 64).is_err());
    }

    #[test]
    fn numbers_are_exact_or_refused_and_strings_are_unicode() {
        assert_eq!(Json::read(b"9007199254740993", 0), Ok(Json::Long(9_007_199_254_740_993)));
        assert_eq!(Json::read(b"-9223372036854775808", 1), Ok(Json::Long(i64::MIN)));
        for wide in [&b"9223372036854775808"[..], b"18446744073709551616"] {
            assert!(matches!(Json::read(wide, 1), Ok(Json::Float(_))), "{wide:?}");
        }
        for refused in [
            &b"1e400"[..],
            b"01",
            b"NaN",
            br#""\ud800""#,
            b"\"\xff\"",
            b"\xef\xbb\xbf1",
            b"1 2",
            b"",
        ] {
            assert!(Json::read(refused, 1).is_err(), "{refused:?}");
        }
    }
}
