//! New keys, items and entries, written in the style of their neighbours.

use std::fmt::Write as _;

use super::outline::{Language, Layout, Outline, Place, Quotes, Shape};
use super::words;
use super::{Item, Member, Scalar};
use crate::directory::Permission;

/// How things are written around the place of an edit.
#[derive(Clone, Debug)]
pub(super) struct Style {
    pub(super) language: Language,
    pub(super) keys: Quotes,
    pub(super) values: Quotes,
    /// Whether braces have space inside: `{ id: x }`.
    pub(super) padded: bool,
    /// What stands behind a colon.
    pub(super) after_colon: &'static str,
}

impl Style {
    /// The style around a value, as far as it shows; the document's where it does not.
    pub(super) fn near(outline: &Outline<'_>, places: &[&Place]) -> Self {
        let json = outline.language == Language::Json;
        let mut style = Self {
            language: outline.language,
            keys: if json { Quotes::Double } else { Quotes::Plain },
            values: if json { Quotes::Double } else { Quotes::Plain },
            padded: !json,
            after_colon: " ",
        };
        let places = || outline.root.iter().chain(places.iter().copied());
        for place in places() {
            style.learn(outline, place);
        }
        style
    }

    /// Later places are nearer, so they win.
    fn learn(&mut self, outline: &Outline<'_>, place: &Place) {
        match &place.shape {
            Shape::Scalar(..) => {}
            Shape::List(_, items) => {
                for item in some(items) {
                    self.learn_values(item);
                    self.learn(outline, item);
                }
            }
            Shape::Map(layout, members) => {
                if *layout == Layout::Flow && !members.is_empty() {
                    let inner = outline.text.as_bytes()[place.range.start + 1];
                    if !matches!(inner, b'\n' | b'\r') {
                        self.padded = inner == b' ';
                    }
                }
                for member in some(members) {
                    if member.quotes != Quotes::Block {
                        self.keys = member.quotes;
                    }
                    let tight = member.colon.is_some_and(|colon| colon + 1 == member.value.range.start);
                    let written = !member.value.range.is_empty();
                    if written && self.language == Language::Json {
                        self.after_colon = if tight { "" } else { " " };
                    }
                    // A flag has no quotes anywhere.
                    if !matches!(member.name.as_str(), "active") {
                        self.learn_values(&member.value);
                    }
                    self.learn(outline, &member.value);
                }
            }
        }
    }

    fn learn_values(&mut self, place: &Place) {
        if let Shape::Scalar(quotes, _) = &place.shape
            && *quotes != Quotes::Block
            && !place.is_null()
        {
            self.values = *quotes;
        }
    }

    /// A key.
    pub(super) fn key(&self, name: &str) -> String {
        words::text(name, self.language, self.keys)
    }

    /// A text.
    pub(super) fn text(&self, text: &str) -> String {
        words::text(text, self.language, self.values)
    }

    /// A single value.
    pub(super) fn scalar(&self, scalar: &Scalar) -> String {
        match scalar {
            Scalar::Text(text) => self.text(text),
            Scalar::Flag(flag) => flag.to_string(),
            Scalar::Json(value) => self.json(value),
        }
    }

    fn json(&self, value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::String(text) => words::double(text),
            serde_json::Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.json(item)).collect();
                format!("[{}]", items.join(", "))
            }
            serde_json::Value::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("{}: {}", words::double(key), self.json(value)))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }
            other => other.to_string(),
        }
    }

    /// `key: value`
    pub(super) fn pair(&self, key: &str, value: &str) -> String {
        format!("{}:{}{value}", self.key(key), self.after_colon)
    }

    /// `{ id: payroll, permission: read }`, or the id alone.
    pub(super) fn item(&self, item: &Item) -> String {
        self.item_as(&self.text(&item.id), item.permission)
    }

    /// The same, of an id that is written.
    pub(super) fn item_as(&self, id: &str, permission: Option<Permission>) -> String {
        let Some(permission) = permission else { return id.to_owned() };
        self.braces(&[
            self.pair("id", id),
            self.pair("permission", &self.text(permission.name())),
        ])
    }

    /// `[a, b]`
    pub(super) fn list(&self, items: &[Item]) -> String {
        let items: Vec<String> = items.iter().map(|item| self.item(item)).collect();
        format!("[{}]", items.join(", "))
    }

    /// `{ a, b }`
    pub(super) fn braces(&self, parts: &[String]) -> String {
        match (parts.is_empty(), self.padded) {
            (true, _) => "{}".to_owned(),
            (_, true) => format!("{{ {} }}", parts.join(", ")),
            (_, false) => format!("{{{}}}", parts.join(", ")),
        }
    }
}

/// A few of many, the last ones last: a style shows in those.
fn some<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let few = 4;
    let tail = all.len().saturating_sub(few).max(few.min(all.len()));
    all[..few.min(all.len())].iter().chain(&all[tail..])
}

/// How a new entry is laid out.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) layout: EntryLayout,
    pub(super) style: Style,
    pub(super) line_break: &'static str,
}

/// The lines of an entry.
#[derive(Clone, Debug)]
pub(super) enum EntryLayout {
    /// All on one.
    Line,
    /// In braces, one key a line; `close` is before the last brace.
    Braces { indent: String, close: String },
    /// By indentation. `dash` is before the items of a list, if they have lines of their own.
    Block { indent: String, dash: Option<String> },
}

impl Form {
    /// The entry from its id on, without a line break at its end.
    pub(super) fn entry(&self, id: &str, members: &[(&'static str, Member)]) -> String {
        let style = &self.style;
        let value = |member: &Member| match member {
            Member::Scalar(scalar) => style.scalar(scalar),
            Member::List(items) => style.list(items),
        };
        let pairs: Vec<String> = members.iter().map(|(key, member)| style.pair(key, &value(member))).collect();
        let line_break = self.line_break;
        match &self.layout {
            _ if members.is_empty() => style.pair(id, "{}"),
            EntryLayout::Line => style.pair(id, &style.braces(&pairs)),
            EntryLayout::Braces { indent, close } => {
                let between = format!(",{line_break}{indent}");
                style.pair(
                    id,
                    &format!("{{{line_break}{indent}{}{line_break}{close}}}", pairs.join(&between)),
                )
            }
            EntryLayout::Block { indent, dash } => {
                let mut entry = format!("{}:", style.key(id));
                for ((key, member), pair) in members.iter().zip(&pairs) {
                    match (member, dash) {
                        (Member::List(items), Some(dash)) if !items.is_empty() => {
                            let _ = write!(entry, "{line_break}{indent}{}:", style.key(key));
                            for item in items {
                                let _ = write!(entry, "{line_break}{dash}- {}", style.item(item));
                            }
                        }
                        _ => {
                            let _ = write!(entry, "{line_break}{indent}{pair}");
                        }
                    }
                }
                entry
            }
        }
    }
}
