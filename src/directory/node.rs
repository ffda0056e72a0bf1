//! YAML and JSON as one kind of tree, in which every scalar is the text that was written and knows its place.
//!
//! A YAML reader that guesses types makes `no` a boolean, `1e3` a number and `007` a 7. All of them are good ids, so
//! nothing is guessed here: whoever expects a boolean looks at the text.

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
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Key {
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
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads a document by its file name: `.json` as JSON, anything else as YAML.
pub(super) fn read(text: &Text) -> Result<Node, Box<Fault>> {
    if text.name.ends_with(".json") {
        read_json(text)
    } else {
        read_yaml(text)
    }
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
                .map(|(name, raw)| {
                    let span = match &name {
                        std::borrow::Cow::Borrowed(name) => text.span_of(name),
                        // A name with escapes is not a part of the text: point at its value.
                        std::borrow::Cow::Owned(_) => text.span_of(raw.get()),
                    };
                    let text_of_name = name.into_owned();
                    (
                        Key {
                            text: text_of_name,
                            span,
                        },
                        json_node(text, raw),
                    )
                })
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

/// The members of an object in their order, names borrowed where they have no escapes.
struct Members<'a>(Vec<(std::borrow::Cow<'a, str>, &'a RawValue)>);

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
                struct Name<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);
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
    key: Option<Key>,
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
                    *key = Some(Key {
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
        let node = read(text).expect("a good document");
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
            let fault = read(&text).expect_err(content);
            assert!(fault.message.contains(words), "{content}: {}", fault.message);
            assert_eq!(fault.place.as_ref().map(|place| place.line), Some(line), "{content}");
        }
        let deep = Text::new("x.yaml", "[".repeat(40));
        assert!(read(&deep).is_err());
        let twice = Text::new("x.json", r#"{"a":1,"a":2}"#);
        assert!(read(&twice).is_err());
    }

    #[test]
    fn offsets_are_bytes_where_letters_are_wider() {
        let text = Text::new("x.yaml", "é: {ü: 1}\nß: [x]\n");
        let node = read(&text).expect("a good document");
        let Value::Map(members) = node.value else {
            panic!("a mapping");
        };
        let key = &members[1].0;
        assert_eq!(&text.content[key.span.offset..key.span.offset + key.span.len], "ß");
    }
}
