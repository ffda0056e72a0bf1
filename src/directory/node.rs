//! YAML and JSON as one kind of tree, in which every scalar is the text that was written and knows its place.
//!
//! A YAML reader that guesses types makes `no` a boolean, `1e3` a number and `007` a 7. All of them are good ids, so
//! nothing is guessed here: whoever expects a boolean looks at the text.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle};
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::engine::json::Json;
use crate::engine::{Fault, Span, Text};

/// How deep a document may nest.
const DEPTH_MAX: usize = 16;

/// One node of a document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A scalar as it was written. Quoted ones are never `true` or null.
    Scalar { text: String, quoted: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the text, each key with its span.
    Map(Vec<(Name, Node)>),
    /// An entry that is as it was, and was not read again.
    Known,
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) span: Span,
}

impl Node {
    /// Whether nothing was written: an empty value, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, quoted: false } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What a person calls this kind of value.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) | Value::Known => "a mapping",
        }
    }

    /// The node as JSON. In YAML everything is a text, but for what is written `true`, `false` or null without quotes.
    pub(super) fn to_json(&self, text: &Text) -> serde_json::Value {
        match &self.value {
            _ if self.is_null() => serde_json::Value::Null,
            Value::Scalar { text: written, quoted } => match written.as_str() {
                "true" if !quoted => true.into(),
                "false" if !quoted => false.into(),
                number if !quoted && is_json(text) => serde_json::from_str(number).unwrap_or_else(|_| number.into()),
                written => written.into(),
            },
            Value::List(items) => items.iter().map(|item| item.to_json(text)).collect(),
            Value::Map(members) => members.iter().map(|(name, node)| (name.text.clone(), node.to_json(text))).collect(),
            Value::Known => serde_json::Value::Null,
        }
    }
}

/// Says of an entry, by the key of its section, its id and its text, whether it is known.
pub(super) type IsKnown<'k> = &'k dyn Fn(&str, &str, &str) -> bool;

fn is_json(text: &Text) -> bool {
    text.name.ends_with(".json")
}

/// Reads a document by its file name: `.json` as JSON, anything else as YAML. Entries of JSON that are known are passed
/// over.
pub(super) fn read(text: &Text, is_known: Option<IsKnown<'_>>) -> Result<Node, Box<Fault>> {
    if !is_json(text) {
        return read_yaml(text);
    }
    match is_known.and_then(|is_known| read_changed(text, is_known)) {
        Some(root) => Ok(root),
        None => read_json(text),
    }
}

/// Reads those entries that are not known. None if there is anything to say against the document: then it is read
/// whole, and there are words for it.
fn read_changed(text: &Text, is_known: IsKnown<'_>) -> Option<Node> {
    let root: &RawValue = serde_json::from_str(&text.content).ok()?;
    let span = text.span_of(root.get());
    let mut sections = Vec::new();
    for (name, raw) in Members::read_strictly(root.get())?.0 {
        let mut entries = Vec::new();
        let node = if raw.get().starts_with('{') {
            for (id, raw) in Members::read_strictly(raw.get())?.0 {
                let span = text.span_of(raw.get());
                let node = if is_known(&name, &id, raw.get()) {
                    let value = Value::Known;
                    Node { span, value }
                } else {
                    Json::read(raw.get().as_bytes(), DEPTH_MAX - 2).ok()?;
                    json_node(text, raw)
                };
                entries.push((Name::of(text, id, raw), node));
            }
            Node {
                span: text.span_of(raw.get()),
                value: Value::Map(entries),
            }
        } else {
            Json::read(raw.get().as_bytes(), DEPTH_MAX - 1).ok()?;
            json_node(text, raw)
        };
        sections.push((Name::of(text, name, raw), node));
    }
    let value = Value::Map(sections);
    Some(Node { span, value })
}

fn read_json(text: &Text) -> Result<Node, Box<Fault>> {
    // Strictly first: member names once, bounded depth.
    Json::read(text.content.as_bytes(), DEPTH_MAX).map_err(|error| {
        let span = Span::new(error.offset(&text.content), 1);
        Box::new(Fault::error("directory-syntax", format!("not valid JSON: {error}")).at(text, span))
    })?;
    let raw: &RawValue = serde_json::from_str(&text.content)
        .map_err(|error| Box::new(Fault::error("directory-syntax", error.to_string()).at(text, Span::default())))?;
    Ok(json_node(text, raw))
}

/// INVARIANT: `raw` has been read strictly before, so it is JSON of a bounded depth.
fn json_node(text: &Text, raw: &RawValue) -> Node {
    let span = text.span_of(raw.get());
    let source = raw.get();
    let value = match source.as_bytes().first() {
        Some(b'{') => Value::Map(
            serde_json::from_str::<Members<'_>>(source)
                .map(|members| members.0)
                .unwrap_or_default()
                .into_iter()
                .map(|(name, raw)| (Name::of(text, name, raw), json_node(text, raw)))
                .collect(),
        ),
        Some(b'[') => Value::List(
            serde_json::from_str::<Vec<&RawValue>>(source)
                .unwrap_or_default()
                .into_iter()
                .map(|raw| json_node(text, raw))
                .collect(),
        ),
        Some(b'"') => Value::Scalar {
            text: serde_json::from_str(source).unwrap_or_default(),
            quoted: true,
        },
        _ => Value::Scalar {
            text: source.to_owned(),
            quoted: false,
        },
    };
    Node { span, value }
}

impl Name {
    /// The name of a member of an object.
    fn of(text: &Text, name: Cow<'_, str>, value: &RawValue) -> Self {
        let span = match &name {
            Cow::Borrowed(name) => text.span_of(name),
            // A name with escapes is not a part of the text: point at its value.
            Cow::Owned(_) => text.span_of(value.get()),
        };
        Self {
            text: name.into_owned(),
            span,
        }
    }
}

/// The members of an object in their order, names borrowed where they have no escapes.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The members, if this is an object in which each name is there once.
    fn read_strictly(json: &'a str) -> Option<Self> {
        let members: Self = serde_json::from_str(json).ok()?;
        let mut names: Vec<&str> = members.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.windows(2).all(|two| two[0] != two[1]).then_some(members)
    }
}

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(serde::Deserialize)]
                #[serde(transparent)]
                struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// A collection that is being read.
struct Open {
    span: Span,
    /// A mapping's key that waits for its value.
    key: Option<Name>,
    /// The keys so far, and where each is.
    keys: HashMap<String, Span>,
    value: Value,
}

fn read_yaml(text: &Text) -> Result<Node, Box<Fault>> {
    let refuse = |span: Span, message: String| Box::new(Fault::error("directory-syntax", message).at(text, span));
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<Node> = None;
    for event in Parser::new_from_str(&text.content) {
        let (event, span) = event.map_err(|error| {
            let offset = error.marker().byte_offset().unwrap_or(0);
            refuse(Span::new(offset, 1), format!("not valid YAML: {error}"))
        })?;
        let range = span.byte_range().unwrap_or(0..0);
        let span = Span::new(range.start, range.len());
        let node = match event {
            Event::Scalar(value, style, _, tag) => {
                if tag.is_some() {
                    return Err(refuse(span, "tags such as `!!str` have no use here".to_owned()));
                }
                let quoted = !matches!(style, ScalarStyle::Plain);
                let text = value.into_owned();
                Node {
                    span,
                    value: Value::Scalar { text, quoted },
                }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() == DEPTH_MAX {
                    return Err(refuse(span, "nested too deeply".to_owned()));
                }
                let value = if matches!(event, Event::SequenceStart(..)) {
                    Value::List(Vec::new())
                } else {
                    Value::Map(Vec::new())
                };
                let waiting = open.last_mut().filter(|parent| matches!(parent.value, Value::Map(_)));
                if waiting.is_some_and(|parent| parent.key.is_none()) {
                    return Err(refuse(span, "a key must be a single value".to_owned()));
                }
                open.push(Open {
                    span,
                    key: None,
                    keys: HashMap::new(),
                    value,
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(closed) = open.pop() else { continue };
                Node {
                    span: closed.span,
                    value: closed.value,
                }
            }
            Event::Alias(_) => {
                return Err(refuse(
                    span,
                    "aliases such as `*name` are not followed: write it out".to_owned(),
                ));
            }
            Event::DocumentStart(..) if root.is_some() => {
                return Err(refuse(span, "a second document: one file holds one".to_owned()));
            }
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(node),
            Some(Open {
                value: Value::List(items),
                ..
            }) => items.push(node),
            Some(Open {
                value: Value::Map(members),
                key,
                keys,
                ..
            }) => match (key.take(), node.value) {
                (Some(key), value) => members.push((key, Node { span: node.span, value })),
                (None, Value::Scalar { text: name, .. }) => {
                    if let Some(first) = keys.insert(name.clone(), node.span) {
                        return Err(Box::new(
                            Fault::error("directory-duplicate", format!("`{name}` is here twice"))
                                .at(text, node.span)
                                .and_at(text.place(first), "the first is here"),
                        ));
                    }
                    *key = Some(Name {
                        text: name,
                        span: node.span,
                    });
                }
                (None, _) => return Err(refuse(node.span, "a key must be a single value".to_owned())),
            },
            Some(_) => {}
        }
    }
    Ok(root.unwrap_or(Node {
        span: Span::default(),
        value: Value::Map(Vec::new()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &Text) -> Vec<(String, usize)> {
        let node = read(text, None).expect("a good document");
        let Value::Map(members) = node.value else {
            panic!("a mapping");
        };
        members.into_iter().map(|(key, _)| (key.text, text.place(key.span).line)).collect()
    }

    #[test]
    fn ids_are_the_text_that_was_written() {
        let yaml = Text::new("a.yaml", "no: {}\n1e3: {}\n007: {}\n\"yes\": {}\n~: {}\ntrue:\n");
        let expected = ["no", "1e3", "007", "yes", "~", "true"];
        let found = ids(&yaml);
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!(found.iter().map(|(_, line)| *line).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        let json = Text::new("a.json", "{\n\t\"no\": {},\n\t\"007\": {}, \"\\u0061\": 1}");
        assert_eq!(ids(&json), [("no".to_owned(), 2), ("007".to_owned(), 3), ("a".to_owned(), 3)]);
    }

    #[test]
    fn what_is_no_plain_tree_is_refused_with_its_line() {
        for (content, words, line) in [
            ("a: 1\nb: 2\na: 3\n", "`a` is here twice", 3),
            ("a: &x 1\nb: *x\n", "aliases", 2),
            ("a: !!int 1\n", "tags", 1),
            ("a: 1\n---\nb: 2\n", "second document", 2),
            ("a: 1\n[1]: 2\n", "a key must be a single value", 2),
            ("a: [1\nb: 2\n", "not valid YAML", 2),
        ] {
            let text = Text::new("x.yaml", content);
            let fault = read(&text, None).expect_err(content);
            assert!(fault.message.contains(words), "{content}: {}", fault.message);
            assert_eq!(fault.place.as_ref().map(|place| place.line), Some(line), "{content}");
        }
        let deep = Text::new("x.yaml", "[".repeat(40));
        assert!(read(&deep, None).is_err());
        let twice = Text::new("x.json", r#"{"a":1,"a":2}"#);
        assert!(read(&twice, None).is_err());
    }

    #[test]
    fn offsets_are_bytes_where_letters_are_wider() {
        let text = Text::new("x.yaml", "é: {ü: 1}\nß: [x]\n");
        let node = read(&text, None).expect("a good document");
        let Value::Map(members) = node.value else {
            panic!("a mapping");
        };
        let key = &members[1].0;
        assert_eq!(&text.content[key.span.offset..key.span.offset + key.span.len], "ß");
    }
}
