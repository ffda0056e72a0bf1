//! Names and values as an explanation tells them: as Cedar writes them, and long ones cut short.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::{Value, json};

use super::sight::{Fact, Root, Sight};
use super::{FactName, Named, Source};
use crate::engine::json::Json;
use crate::engine::options::RequestProperties;
use crate::engine::query::{Part, Query};
use crate::engine::shape::Extension;
use crate::engine::value::{Symbol, Uid, Val};

/// How many members of a set or record are told.
const MEMBERS_MAX: usize = 8;

/// Characters of a string or an id that are told.
const STRING_MAX: usize = 200;

/// Bytes of a value after which no further member is told.
const VALUE_MAX: usize = 1_000;

impl<'q, 's: 'q> Sight<'q, 's> {
    fn id(&self, uid: Uid) -> Cow<'s, str> {
        match uid.foreign() {
            Some(index) => Cow::Owned(self.question.foreign[index].1.to_string()),
            None => String::from_utf8_lossy(self.snapshot.entities.table.view(uid).id()),
        }
    }

    fn type_name(&self, uid: Uid) -> Cow<'s, str> {
        let ty = self.type_of(uid);
        match self.snapshot.vocabulary.entity_type_entry(ty) {
            Some(entry) => Cow::Borrowed(&entry.name),
            None => Cow::Owned(self.snapshot.vocabulary.cedar_type(ty).to_string()),
        }
    }

    /// The name of an entity, and where it was read.
    pub(super) fn named(&self, uid: Uid) -> Named<'s> {
        let place = uid.foreign().is_none().then(|| self.snapshot.entities.place(uid)).flatten();
        Named {
            entity_type: self.type_name(uid),
            id: shortened(self.id(uid), STRING_MAX),
            place: place.filter(|(_, line)| *line > 0),
        }
    }

    /// The name of a fact.
    pub(super) fn fact_name(&self, fact: &Fact<'q, 's>) -> FactName<'s> {
        let entity = fact.entity();
        let tag = match fact.root {
            Root::Tag(_, key) => Some(shortened(String::from_utf8_lossy(key), STRING_MAX).into_owned()),
            _ => None,
        };
        let said = match (entity, fact.names.as_slice()) {
            (Some(uid), [name]) => self.snapshot.said().attribute(&self.type_name(uid), name),
            _ => None,
        };
        FactName {
            entity: entity.map(|uid| self.named(uid)),
            names: fact.names.iter().map(|name| Cow::Borrowed(*name)).collect(),
            tag,
            said,
        }
    }

    /// Where a fact comes from.
    pub(super) fn source(&self, fact: &Fact<'q, 's>, query: &Query<'_>) -> Source<'s> {
        let name = fact.names.first().copied().unwrap_or_default();
        let (uid, slot) = match fact.root {
            Root::Context => {
                let from_action = name == "action" && query.action.properties.is_some_and(|json| json.members() > 0);
                return Source::Request(if from_action { Part::Action } else { Part::Context });
            }
            Root::Attribute(uid, slot) => (uid, Some(slot)),
            Root::Tag(uid, _) => (uid, None),
        };
        let stored = self.question.table.entity(uid);
        let has_stored = slot.is_some_and(|slot| stored.is_some_and(|stored| stored.attribute(slot).is_some()));
        let mode = self
            .snapshot
            .vocabulary
            .entity_type_entry(self.type_of(uid))
            .map(|entry| entry.request_properties);
        // What the resource brings comes on top where both are one entity.
        for (part, side, properties) in [
            (Part::Resource, self.question.resource.uid, query.resource.properties),
            (Part::Principal, self.question.principal.uid, query.principal.properties),
        ] {
            let given = properties.and_then(|json| json.get(name)).filter(|json| **json != Json::Null);
            // What the request alone knows has nothing from anywhere else.
            let is_made = stored.is_none() && properties.is_some_and(|json| *json != Json::Null);
            let is_given = slot.is_some() && side == uid && (given.is_some() || is_made);
            let counts = match mode {
                Some(RequestProperties::Override) => true,
                Some(RequestProperties::Fill) => !has_stored,
                Some(RequestProperties::Ignore) | None => false,
            };
            if is_given && counts {
                return Source::Request(part);
            }
        }
        let place = uid.foreign().is_none().then(|| self.snapshot.entities.place(uid)).flatten();
        match place {
            Some((file, line)) => Source::Store { file, line },
            None => Source::Nowhere,
        }
    }

    /// A value as Cedar writes it; a set or record with its first members.
    pub(super) fn text(&self, value: &Val<'_>) -> String {
        let mut text = String::new();
        self.write(&mut text, value);
        text
    }

    fn write(&self, text: &mut String, value: &Val<'_>) {
        // Writing to a string does not fail.
        let _ = match value {
            Val::Bool(value) => write!(text, "{value}"),
            Val::Long(value) => write!(text, "{value}"),
            Val::String(bytes) => {
                quote(text, &shortened(String::from_utf8_lossy(bytes), STRING_MAX));
                Ok(())
            }
            Val::Entity(uid) => {
                text.push_str(&self.type_name(*uid));
                text.push_str("::");
                quote(text, &shortened(self.id(*uid), STRING_MAX));
                Ok(())
            }
            Val::Set(set) => {
                text.push('[');
                self.list(text, set.len(), set.iter(), |text, item| self.write(text, &item));
                text.push(']');
                Ok(())
            }
            Val::Record(record) => {
                text.push('{');
                self.list(text, record.len(), record.iter(), |text, (symbol, value)| {
                    let name = self.snapshot.index.symbols.name(symbol);
                    match name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                        true => text.push_str(name),
                        false => quote(text, name),
                    }
                    text.push_str(": ");
                    self.write(text, &value);
                });
                text.push('}');
                Ok(())
            }
            Val::Decimal(value) => write!(text, "decimal(\"{}\")", decimal(*value)),
            Val::Duration(value) => write!(text, "duration(\"{value}ms\")"),
            Val::Ip(ip) => write!(text, "ip(\"{}\")", ip.text()),
            Val::Datetime(value) => match date(*value) {
                Some(date) => write!(text, "datetime(\"{date}\")"),
                None => write!(text, "datetime(\"1970-01-01\").offset(duration(\"{value}ms\"))"),
            },
        };
    }

    fn list<T>(&self, text: &mut String, len: usize, items: impl Iterator<Item = T>, write: impl Fn(&mut String, T)) {
        let mut told = 0;
        for item in items.take(MEMBERS_MAX) {
            if text.len() > VALUE_MAX {
                break;
            }
            if told > 0 {
                text.push_str(", ");
            }
            write(text, item);
            told += 1;
        }
        if len > told {
            let comma = if told > 0 { ", " } else { "" };
            let _ = write!(text, "{comma}… {} more", len - told);
        }
    }

    /// About how many bytes a value takes when it is told whole; more than `enough` if it is more than that.
    pub(super) fn length(&self, value: &Val<'_>, enough: usize) -> usize {
        let sum = |lengths: &mut dyn Iterator<Item = usize>| {
            let mut all = 2;
            for length in lengths {
                all += 2 + length;
                if all > enough {
                    break;
                }
            }
            all
        };
        match value {
            Val::String(bytes) => bytes.len(),
            Val::Entity(uid) => self.id(*uid).len(),
            Val::Set(set) => sum(&mut set.iter().map(|item| self.length(&item, enough))),
            Val::Record(record) => sum(&mut record.iter().map(|(_, item)| self.length(&item, enough))),
            _ => 0,
        }
    }

    /// A value in Cedar's JSON format of entities, whole.
    pub(super) fn json(&self, value: &Val<'_>) -> Value {
        match value {
            Val::Bool(value) => json!(value),
            Val::Long(value) => json!(value),
            Val::String(bytes) => json!(String::from_utf8_lossy(bytes)),
            Val::Entity(uid) => json!({ "__entity": { "type": self.type_name(*uid), "id": self.id(*uid) } }),
            Val::Set(set) => set.iter().map(|item| self.json(&item)).collect(),
            Val::Record(record) => {
                let member = |(symbol, value): (Symbol, Val<'_>)| {
                    (self.snapshot.index.symbols.name(symbol).to_string(), self.json(&value))
                };
                Value::Object(record.iter().map(member).collect())
            }
            Val::Decimal(value) => call(Extension::Decimal, decimal(*value)),
            Val::Duration(value) => call(Extension::Duration, format!("{value}ms")),
            Val::Ip(ip) => call(Extension::Ip, ip.text()),
            Val::Datetime(value) => match date(*value) {
                Some(date) => call(Extension::Datetime, date),
                None => json!({ "__extn": { "fn": "offset", "args": [
                    call(Extension::Datetime, "1970-01-01".to_owned()),
                    call(Extension::Duration, format!("{value}ms")),
                ] } }),
            },
        }
    }
}

/// A decimal with as few digits as Cedar takes.
fn decimal(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs();
    let fraction = format!("{:04}", digits % 10_000);
    let fraction = match fraction.trim_end_matches('0') {
        "" => "0",
        shorter => shorter,
    };
    format!("{sign}{}.{fraction}", digits / 10_000)
}

/// A moment as Cedar's constructor takes it; none outside of the years that have four digits.
pub(super) fn date(milliseconds: i64) -> Option<String> {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let (days, of_day) = (milliseconds.div_euclid(DAY), milliseconds.rem_euclid(DAY));
    // Years are counted from March, so that a leap day is the last day of one, in cycles of 400 years.
    let since_march_0 = days + 719_468;
    let (cycle, day) = (since_march_0.div_euclid(146_097), since_march_0.rem_euclid(146_097));
    let of_cycle = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_cycle + of_cycle / 4 - of_cycle / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = of_cycle + 400 * cycle + i64::from(month <= 2);
    if !(0..=9999).contains(&year) {
        return None;
    }
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, thousandths) = (of_day / 1000 % 60, of_day % 1000);
    let mut text = format!("{year:04}-{month:02}-{day:02}");
    // Writing to a string does not fail.
    let _ = match (of_day, thousandths) {
        (0, _) => Ok(()),
        (_, 0) => write!(text, "T{hour:02}:{minute:02}:{second:02}Z"),
        _ => write!(text, "T{hour:02}:{minute:02}:{second:02}.{thousandths:03}Z"),
    };
    Some(text)
}

fn call(extension: Extension, argument: String) -> Value {
    json!({ "__extn": { "fn": extension.constructor(), "arg": argument } })
}

/// A text of at most so many characters; what is longer ends with "…".
pub(super) fn shortened(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text;
    }
    match text.char_indices().nth(max) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => text,
    }
}

/// A text in quotes, such that Cedar reads it back.
pub(super) fn quote(into: &mut String, text: &str) {
    into.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => into.extend(['\\', char]),
            char if char.is_control() => into.extend(char.escape_debug()),
            char => into.push(char),
        }
    }
    into.push('"');
}
