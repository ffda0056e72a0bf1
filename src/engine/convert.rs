//! JSON values of a request read as Cedar values, by what the schema declares.
//!
//! What the schema does not declare is dropped, `null` is absent, and a declared member of another type is a problem.
//! So no value reaches a policy that was not validated for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::SmolStr;

use super::core::{Eid, EntityUID, Value};
use super::json::Json;
use super::query::{Part, Problem};
use super::shape::{Extension, Fields, Shape};
use super::vocabulary::{TypeIx, Vocabulary};

/// Whether members that are declared as required must be there.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Required {
    Yes,
    No,
}

/// Reads values by their shapes; keeps count of the entities that they name.
pub(super) struct Reader<'v> {
    pub(super) vocabulary: &'v Vocabulary,
    pub(super) part: Part,
    /// Entities that values refer to, which a slice must hold.
    pub(super) entities: Vec<EntityUID>,
    path: String,
}

impl<'v> Reader<'v> {
    pub(super) fn new(vocabulary: &'v Vocabulary, part: Part) -> Self {
        Self {
            vocabulary,
            part,
            entities: Vec::new(),
            path: String::new(),
        }
    }

    /// The declared members of an object.
    pub(super) fn members(
        &mut self,
        json: Option<&Json<'_>>,
        fields: &Fields,
        required: Required,
    ) -> Result<BTreeMap<SmolStr, Value>, Problem> {
        let members = match json {
            None | Some(Json::Null) => &[][..],
            Some(Json::Object(members)) => members,
            Some(other) => return Err(self.problem(format!("must be an object, not {}", other.kind()))),
        };
        let mut values = BTreeMap::new();
        for (name, json) in members {
            let (Some(field), false) = (fields.get(name), matches!(json, Json::Null)) else {
                continue;
            };
            let value = self.below(name, |reader| reader.value(json, &field.shape))?;
            values.insert(SmolStr::new(name), value);
        }
        if required == Required::Yes {
            for (name, field) in fields.iter() {
                if field.required && !values.contains_key(name) {
                    return self.below(name, |reader| Err(reader.problem("required".to_owned())));
                }
            }
        }
        Ok(values)
    }

    fn below<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        let length = self.path.len();
        self.path.push('.');
        self.path.push_str(name);
        let result = read(self);
        self.path.truncate(length);
        result
    }

    fn value(&mut self, json: &Json<'_>, shape: &Shape) -> Result<Value, Problem> {
        match (shape, json) {
            (Shape::Bool, Json::Bool(value)) => Ok(Value::from(*value)),
            (Shape::Long, Json::Long(value)) => Ok(Value::from(*value)),
            (Shape::Long, Json::Float(_)) => {
                Err(self.problem("must be an integer that fits 64 bits with sign".to_owned()))
            }
            (Shape::String, Json::String(value)) => Ok(Value::from(SmolStr::new(value))),
            (Shape::Set(element), Json::Array(items)) => self.set(items, element),
            (Shape::Record(fields), Json::Object(_)) => {
                let members = self.members(Some(json), fields, Required::Yes)?;
                Ok(Value::record_arc(Arc::new(members), None))
            }
            (Shape::Entity(ty), _) => self.entity(json, *ty),
            (Shape::Extension(extension), _) => self.extension(json, *extension),
            _ => Err(self.problem(format!("must be {}, not {}", self.describe(shape), json.kind()))),
        }
    }

    fn set(&mut self, items: &[Json<'_>], element: &Shape) -> Result<Value, Problem> {
        let length = self.path.len();
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            self.path.push_str(&format!("[{index}]"));
            values.push(self.value(item, element)?);
            self.path.truncate(length);
        }
        Ok(Value::set(values, None))
    }

    /// `{"type": …, "id": …}`, or the same in `__entity`.
    fn entity(&mut self, json: &Json<'_>, expected: TypeIx) -> Result<Value, Problem> {
        let entry = self.vocabulary.type_entry(expected);
        let inner = json.get("__entity").unwrap_or(json);
        let (Some(Json::String(name)), Some(Json::String(id))) = (inner.get("type"), inner.get("id")) else {
            return Err(self.problem(format!(
                "must be an entity such as {{\"type\":\"{}\",\"id\":\"…\"}}, not {}",
                entry.name,
                json.kind()
            )));
        };
        if self.vocabulary.entity_type(name).map(|(index, _)| index) != Some(expected) {
            return Err(self.problem(format!("must be an entity of type `{}`, not `{}`", entry.name, short(name))));
        }
        if !entry.admits(id) {
            return Err(self.problem(format!("`{}` is no id of the enumerated type `{}`", short(id), entry.name)));
        }
        let uid = EntityUID::from_components(entry.ty.clone(), Eid::new(SmolStr::new(id)), None);
        self.entities.push(uid.clone());
        Ok(Value::from(uid))
    }

    /// A plain string, a number for a decimal, or `{"fn": …, "arg": …}`, also in `__extn`.
    fn extension(&self, json: &Json<'_>, extension: Extension) -> Result<Value, Problem> {
        let refuse = || self.problem(format!("must be {}", extension.describe()));
        let text = match json {
            Json::String(text) => text.to_string(),
            Json::Long(number) if extension == Extension::Decimal => format!("{number}.0"),
            Json::Float(number) if extension == Extension::Decimal => decimal(*number).ok_or_else(refuse)?,
            Json::Object(_) => {
                let call = json.get("__extn").unwrap_or(json);
                match (call.get("fn"), call.get("arg")) {
                    (Some(Json::String(function)), Some(Json::String(argument)))
                        if function == extension.constructor() =>
                    {
                        argument.to_string()
                    }
                    _ => return Err(refuse()),
                }
            }
            _ => return Err(refuse()),
        };
        extension.value(text).ok_or_else(refuse)
    }

    fn describe(&self, shape: &Shape) -> String {
        match shape {
            Shape::Bool => "a boolean".to_owned(),
            Shape::Long => "an integer".to_owned(),
            Shape::String => "a string".to_owned(),
            Shape::Entity(ty) => format!("an entity of type `{}`", self.vocabulary.type_entry(*ty).name),
            Shape::Set(_) => "an array".to_owned(),
            Shape::Record(_) => "an object".to_owned(),
            Shape::Extension(extension) => extension.describe().to_owned(),
            Shape::Never => "absent, since no value has its type".to_owned(),
        }
    }

    fn problem(&self, message: String) -> Problem {
        Problem {
            part: self.part,
            path: self.path.clone(),
            message,
        }
    }
}

/// A caller's text as a message may repeat it.
fn short(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The shortest decimal that names a double, if it has at most four digits behind the point and at most fifteen in all:
/// up to there a double and its text are the same thing.
fn decimal(number: f64) -> Option<String> {
    let text = format!("{number:?}");
    let (whole, fraction) = text.split_once('.')?;
    let digits = whole.trim_start_matches('-').len() + fraction.len();
    (fraction.len() <= 4 && digits <= 15 && !fraction.contains('e')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn a_double_is_a_decimal_only_where_nothing_is_lost() {
        assert_eq!(decimal(12.5).as_deref(), Some("12.5"));
        assert_eq!(decimal(-0.0001).as_deref(), Some("-0.0001"));
        assert_eq!(decimal(3.0).as_deref(), Some("3.0"));
        assert_eq!(decimal(0.00001), None);
        assert_eq!(decimal(1e300), None);
        assert_eq!(decimal(123_456_789_012.123_45), None);
        assert_eq!(decimal(f64::NAN), None);
    }
}
