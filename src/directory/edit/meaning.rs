//! What an edit means, on the tree that a document says: what the edited text has to say when it is read again.

use std::collections::{HashMap, HashSet};

use super::{Change, Edit, Item, Member, Scalar};
use crate::directory::node::{Name, Node, Value};
use crate::engine::Span;

/// Makes the edit in a document. What is impossible (an entry that is missing or there already) changes nothing.
pub(super) fn apply(root: &mut Node, edit: &Edit) {
    let sections = map(root);
    let Some(section) = sections.iter_mut().position(|(key, _)| key.text == edit.kind.key()) else {
        if let Change::Create { members } = &edit.change {
            let entries = Value::Map(vec![(key(&edit.id), entry(members))]);
            sections.push((key(edit.kind.key()), node(entries)));
        }
        return;
    };
    let entries = map(&mut sections[section].1);
    let found = entries.iter().position(|(key, _)| key.text == edit.id);
    match (&edit.change, found) {
        (Change::Create { members }, None) => entries.push((key(&edit.id), entry(members))),
        (Change::Delete, Some(at)) => {
            entries.remove(at);
        }
        (Change::Rename { to }, Some(at)) => entries[at].0 = key(to),
        (change, Some(at)) => inside(map(&mut entries[at].1), change),
        (_, None) => {}
    }
}

/// Makes an edit of the keys of an entry.
fn inside(members: &mut Vec<(Name, Node)>, change: &Change) {
    match change {
        Change::Set { key, value } => set(members, key, scalar(value)),
        Change::Unset { key } => members.retain(|(name, _)| name.text != *key),
        Change::Add { list, items } if !items.is_empty() => {
            if !members.iter().any(|(name, _)| name.text == *list) {
                members.push((key(list), node(Value::List(Vec::new()))));
            }
            for (_, value) in members.iter_mut().filter(|(name, _)| name.text == *list) {
                if value.is_null() {
                    value.value = Value::List(Vec::new());
                }
                if let Value::List(listed) = &mut value.value {
                    add(listed, items);
                }
            }
        }
        Change::Remove { list, ids } => {
            for (_, value) in members.iter_mut().filter(|(name, _)| name.text == *list) {
                if let Value::List(listed) = &mut value.value {
                    let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
                    listed.retain(|item| id(item).is_none_or(|id| !ids.contains(id)));
                }
            }
        }
        Change::Add { .. } | Change::Create { .. } | Change::Delete | Change::Rename { .. } => {}
    }
}

fn add(listed: &mut Vec<Node>, items: &[Item]) {
    let mut known: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, old) in listed.iter().enumerate() {
        if let Some(id) = id(old) {
            known.entry(id.to_owned()).or_default().push(at);
        }
    }
    for new in items {
        let Some(places) = known.get(&new.id) else {
            listed.push(item(new));
            continue;
        };
        for at in places {
            let old = &mut listed[*at];
            match (&mut old.value, new.permission) {
                (Value::Map(members), Some(permission)) => set(members, "permission", text(permission.name())),
                (Value::Map(members), None) => members.retain(|(key, _)| key.text != "permission"),
                (_, Some(_)) => *old = item(new),
                (_, None) => {}
            }
        }
    }
}

fn set(members: &mut Vec<(Name, Node)>, name: &str, value: Node) {
    match members.iter_mut().find(|(key, _)| key.text == name) {
        Some((_, old)) => *old = value,
        None => members.push((key(name), value)),
    }
}

/// The id of a list's item.
fn id(item: &Node) -> Option<&str> {
    match &item.value {
        Value::Scalar { text, .. } if !item.is_null() => Some(text),
        Value::Map(members) => members.iter().find(|(key, _)| key.text == "id").and_then(|(_, id)| match &id.value {
            Value::Scalar { text, .. } => Some(text.as_str()),
            _ => None,
        }),
        _ => None,
    }
}

/// The members of a mapping, which a node that says nothing becomes.
fn map(node: &mut Node) -> &mut Vec<(Name, Node)> {
    if !matches!(node.value, Value::Map(_)) {
        node.value = Value::Map(Vec::new());
    }
    match &mut node.value {
        Value::Map(members) => members,
        _ => unreachable!("it was made a mapping"),
    }
}

fn node(value: Value) -> Node {
    Node {
        span: Span::default(),
        value,
    }
}

fn key(text: &str) -> Name {
    Name {
        text: text.to_owned(),
        span: Span::default(),
    }
}

fn text(text: &str) -> Node {
    node(Value::Scalar {
        text: text.to_owned(),
        quoted: true,
    })
}

fn item(item: &Item) -> Node {
    match item.permission {
        None => text(&item.id),
        Some(permission) => node(Value::Map(vec![
            (key("id"), text(&item.id)),
            (key("permission"), text(permission.name())),
        ])),
    }
}

fn scalar(scalar: &Scalar) -> Node {
    let plain = |text: String| node(Value::Scalar { text, quoted: false });
    match scalar {
        Scalar::Text(value) => text(value),
        Scalar::Flag(flag) => plain(flag.to_string()),
        Scalar::Json(value) => json(value),
    }
}

fn json(value: &serde_json::Value) -> Node {
    match value {
        serde_json::Value::String(value) => text(value),
        serde_json::Value::Array(items) => node(Value::List(items.iter().map(json).collect())),
        serde_json::Value::Object(members) => node(Value::Map(
            members.iter().map(|(name, value)| (key(name), json(value))).collect(),
        )),
        other => node(Value::Scalar {
            text: other.to_string(),
            quoted: false,
        }),
    }
}

fn entry(members: &[(&'static str, Member)]) -> Node {
    let member = |member: &Member| match member {
        Member::Scalar(value) => scalar(value),
        Member::List(items) => node(Value::List(items.iter().map(item).collect())),
    };
    node(Value::Map(
        members.iter().map(|(name, value)| (key(name), member(value))).collect(),
    ))
}

/// Whether two documents say the same, wherever it stands and however it is quoted. Nothing, `[]` and `{}` are one.
pub(super) fn same(one: &Node, other: &Node) -> bool {
    let empty = |node: &Node| match &node.value {
        Value::List(items) => items.is_empty(),
        Value::Map(members) => members.is_empty(),
        Value::Known => false,
        Value::Scalar { .. } => node.is_null(),
    };
    match (&one.value, &other.value) {
        _ if empty(one) || empty(other) => empty(one) && empty(other),
        (Value::Scalar { text: one, quoted }, Value::Scalar { text, quoted: other }) => {
            let flag = matches!(text.as_str(), "true" | "false");
            one == text && (quoted == other || !flag)
        }
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            let pairs = one.iter().zip(other);
            one.len() == other.len()
                && pairs.into_iter().all(|(one, other)| one.0.text == other.0.text && same(&one.1, &other.1))
        }
        _ => false,
    }
}
