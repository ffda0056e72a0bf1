//! JSON values read by what the schema declares.
//!
//! From a request, what the schema does not declare is dropped, `null` is absent, and a declared member of another type
//! is a problem. From a file, anything but what the schema declares, in the plainest form, is a problem. So no value
//! reaches a policy that was not validated for it.

use super::bridge::{Numbers, extension};
use super::json::Json;
use super::query::{Part, Problem};
use super::shape::{Extension, Fields, Shape};
use super::value::{Cell, Symbol, Tail};
use super::vocabulary::{TypeIx, Vocabulary};

/// Whether members that are declared as required must be there.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Required {
    Yes,
    No,
}

/// Where values come from.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Origin {
    /// A request: read generously, and told what is wrong.
    Request,
    /// A file: whatever is not in the plainest form is left to Cedar's own reader.
    File,
}

/// Names of members by which Cedar's format of entities makes something else of an object than a record.
const ESCAPES: [&str; 3] = ["__entity", "__extn", "__expr"];

/// Reads values by their shapes, into bytes.
pub(super) struct Reader<'r> {
    pub(super) vocabulary: &'r Vocabulary,
    pub(super) origin: Origin,
    pub(super) part: Part,
    pub(super) numbers: &'r mut dyn Numbers,
    pub(super) tail: &'r mut Tail,
    path: String,
}

impl<'r> Reader<'r> {
    pub(super) fn new(
        vocabulary: &'r Vocabulary,
        origin: Origin,
        part: Part,
        numbers: &'r mut dyn Numbers,
        tail: &'r mut Tail,
    ) -> Self {
        Self {
            vocabulary,
            origin,
            part,
            numbers,
            tail,
            path: String::new(),
        }
    }

    /// The declared members of an object: for each its place among the fields, and its value.
    pub(super) fn members(
        &mut self,
        json: Option<&Json<'_>>,
        fields: &Fields,
        required: Required,
    ) -> Result<Vec<(usize, Symbol, Cell)>, Problem> {
        let members = match json {
            None => &[][..],
            Some(Json::Null) if self.origin == Origin::Request => &[][..],
            Some(Json::Object(members)) => members,
            Some(other) => return Err(self.problem(format!("must be an object, not {}", other.kind()))),
        };
        let mut values = Vec::with_capacity(members.len().min(fields.len()));
        for (name, json) in members {
            let Some((index, field)) = fields.find(name) else {
                if self.origin == Origin::File {
                    return Err(self.problem(format!("`{name}` is not declared")));
                }
                continue;
            };
            // A record with such a member can be an escape of Cedar's, whatever the schema declares.
            if self.origin == Origin::File && ESCAPES.contains(&&**name) {
                return Err(self.problem(format!("`{name}` is for Cedar to read")));
            }
            if *json == Json::Null && self.origin == Origin::Request {
                continue;
            }
            let cell = self.below(name, |reader| reader.value(json, &field.shape))?;
            values.push((index, field.symbol, cell));
        }
        if required == Required::Yes && values.len() < fields.len() {
            for (index, (name, field)) in fields.iter().enumerate() {
                if field.required && !values.iter().any(|(given, ..)| *given == index) {
                    return self.below(name, |reader| Err(reader.problem("required".to_owned())));
                }
            }
        }
        Ok(values)
    }

    /// The declared members of an object as a record.
    pub(super) fn record(&mut self, json: Option<&Json<'_>>, fields: &Fields) -> Result<Cell, Problem> {
        let members = self.members(json, fields, Required::Yes)?;
        let mut members: Vec<(Symbol, Cell)> = members.into_iter().map(|(_, symbol, cell)| (symbol, cell)).collect();
        Ok(self.tail.record(&mut members))
    }

    fn below<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        let length = self.path.len();
        self.path.push('.');
        self.path.push_str(name);
        let result = read(self);
        self.path.truncate(length);
        result
    }

    pub(super) fn value(&mut self, json: &Json<'_>, shape: &Shape) -> Result<Cell, Problem> {
        match (shape, json) {
            (Shape::Bool, Json::Bool(value)) => Ok(Tail::bool(*value)),
            (Shape::Long, Json::Long(value)) => Ok(self.tail.long(*value)),
            (Shape::Long, Json::Float(_)) => {
                Err(self.problem("must be an integer that fits 64 bits with sign".to_owned()))
            }
            (Shape::String, Json::String(value)) => Ok(self.tail.string(value.as_bytes())),
            (Shape::Set(element), Json::Array(items)) => self.set(items, element),
            (Shape::Record(fields), Json::Object(_)) => self.record(Some(json), fields),
            (Shape::Entity(ty), _) => self.entity(json, *ty),
            (Shape::Extension(extension), _) => self.extension(json, *extension),
            _ => Err(self.problem(format!("must be {}, not {}", self.describe(shape), json.kind()))),
        }
    }

    fn set(&mut self, items: &[Json<'_>], element: &Shape) -> Result<Cell, Problem> {
        let length = self.path.len();
        let mut cells = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            self.path.push_str(&format!("[{index}]"));
            cells.push(self.value(item, element)?);
            self.path.truncate(length);
        }
        Ok(self.tail.set(&mut cells))
    }

    /// `{"type": …, "id": …}`, or the same in `__entity`.
    fn entity(&mut self, json: &Json<'_>, expected: TypeIx) -> Result<Cell, Problem> {
        let entry = self.vocabulary.type_entry(expected);
        let inner = json.get("__entity").unwrap_or(json);
        let (Some(Json::String(name)), Some(Json::String(id))) = (inner.get("type"), inner.get("id")) else {
            return Err(self.problem(format!(
                "must be an entity such as {{\"type\":\"{}\",\"id\":\"…\"}}, not {}",
                entry.name,
                json.kind()
            )));
        };
        let is_expected = match self.origin {
            Origin::File => *name == entry.name && inner.members() == 2 && (json.members() == 1 || inner == json),
            Origin::Request => self.vocabulary.entity_type(name).map(|(index, _)| index) == Some(expected),
        };
        if !is_expected {
            return Err(self.problem(format!("must be an entity of type `{}`, not `{}`", entry.name, short(name))));
        }
        if !entry.admits(id) {
            return Err(self.problem(format!("`{}` is no id of the enumerated type `{}`", short(id), entry.name)));
        }
        Ok(Tail::entity(self.numbers.number(expected, id)))
    }

    /// A plain string, a number for a decimal, or `{"fn": …, "arg": …}`, also in `__extn`.
    fn extension(&mut self, json: &Json<'_>, kind: Extension) -> Result<Cell, Problem> {
        let refuse = || self.problem(format!("must be {}", kind.describe()));
        let text = match json {
            Json::Object(_) => {
                let escaped = json.get("__extn");
                let call = escaped.unwrap_or(json);
                // What stands beside the escape can make it another one.
                let is_plain = call.members() == 2 && (escaped.is_none() || json.members() == 1);
                match (call.get("fn"), call.get("arg")) {
                    (Some(Json::String(function)), Some(Json::String(argument)))
                        if function == kind.constructor() && (self.origin == Origin::Request || is_plain) =>
                    {
                        argument.to_string()
                    }
                    _ => return Err(refuse()),
                }
            }
            _ if self.origin == Origin::File => return Err(refuse()),
            Json::String(text) => text.to_string(),
            Json::Long(number) if kind == Extension::Decimal => format!("{number}.0"),
            Json::Float(number) if kind == Extension::Decimal => decimal(*number).ok_or_else(refuse)?,
            _ => return Err(refuse()),
        };
        let value = kind.value(text).as_ref().and_then(extension).ok_or_else(refuse)?;
        Ok(self.tail.copy(&value))
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
