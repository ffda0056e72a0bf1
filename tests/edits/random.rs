//! Random documents in many styles, and random edits of them: nothing else changes, and the reading is the one owed.

use std::collections::BTreeMap;
use std::ops::Range;

use gatepost::directory::{Change, Edit, Item, Kind, Member, Permission, Scalar, edit, read};
use gatepost::engine::{Text, UnknownParents};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

use crate::support::Dice;

const IDS: [&str; 16] = [
    "ana@example.com",
    "bo",
    "no",
    "007",
    "1e3",
    "true",
    "a b",
    "é",
    "it's",
    "x: y",
    "# z",
    "~",
    "🙂",
    "q\"q",
    "null",
    "[x]",
];

const NAMES: [&str; 9] = [
    "Ana Ruiz",
    "no",
    "a: b",
    "# x",
    " lead",
    "trail ",
    "two\nlines",
    "O'Hara \"x\"",
    "Ångström 🙂",
];

const SECTIONS: [(Kind, &str); 5] = [
    (Kind::User, "users"),
    (Kind::ServiceUser, "service_users"),
    (Kind::Team, "teams"),
    (Kind::Datastore, "datastores"),
    (Kind::EnrichmentDatastore, "enrichment_datastores"),
];

/// What a document says: sections in their order, entries in theirs, each a JSON object.
type Model = Vec<(usize, Vec<(String, Vec<(&'static str, Value)>)>)>;

/// A document: what it says, its text, and the bytes of each entry with its line.
struct Document {
    model: Model,
    text: Text,
    extents: BTreeMap<(usize, String), Range<usize>>,
}

fn member_ids(dice: &mut Dice) -> Vec<Value> {
    (0..dice.below(4)).map(|_| json!(dice.pick(&IDS))).collect()
}

fn store_items(dice: &mut Dice) -> Vec<Value> {
    let item = |dice: &mut Dice| {
        let id = dice.pick(&IDS);
        match dice.below(4) {
            0 => json!({ "id": id, "permission": dice.pick(&["read", "write"]) }),
            _ => json!(id),
        }
    };
    let mut items: Vec<Value> = Vec::new();
    for _ in 0..dice.below(4) {
        let new = item(dice);
        if items.iter().all(|old| id_of(old) != id_of(&new)) {
            items.push(new);
        }
    }
    items
}

fn id_of(item: &Value) -> &str {
    item.as_str().or_else(|| item["id"].as_str()).expect("an id")
}

fn model(dice: &mut Dice) -> Model {
    let mut sections = Vec::new();
    let mut order = [0, 1, 2, 3, 4];
    for last in (1..order.len()).rev() {
        let other = dice.below(last + 1);
        order.swap(last, other);
    }
    for section in order.into_iter().filter(|_| dice.chance(70)).collect::<Vec<_>>() {
        let mut entries: Vec<(String, Vec<(&'static str, Value)>)> = Vec::new();
        for _ in 0..dice.below(4) {
            let id = dice.pick(&IDS).to_owned();
            if entries.iter().any(|(other, _)| *other == id) {
                continue;
            }
            let mut members: Vec<(&'static str, Value)> = Vec::new();
            if dice.chance(70) {
                // A team's name is its own.
                let name = if section == 2 {
                    name_of_team(dice.pick(&NAMES), &id)
                } else {
                    dice.pick(&NAMES).to_owned()
                };
                members.push(("name", json!(name)));
            }
            match section {
                0 | 1 => {
                    members.push(("role", json!(dice.pick(&["Admin", "Manager", "Member"]))));
                    if dice.chance(30) {
                        members.push(("active", json!(dice.chance(50))));
                    }
                }
                2 => {
                    members.push(("permission", json!(dice.pick(&["read", "write"]))));
                    if dice.chance(50) {
                        members.push(("description", json!(dice.pick(&NAMES))));
                    }
                    for (list, items) in [
                        ("users", member_ids(dice)),
                        ("service_users", member_ids(dice)),
                        ("datastores", store_items(dice)),
                        ("enrichment_datastores", store_items(dice)),
                    ] {
                        if dice.chance(60) {
                            members.push((list, Value::Array(items)));
                        }
                    }
                }
                _ => {}
            }
            let by = dice.below(members.len().max(1));
            members.rotate_left(by);
            entries.push((id, members));
        }
        sections.push((section, entries));
    }
    sections
}

/// Writes a model in one of many ways.
struct Writer {
    dice: Dice,
    out: String,
    json: bool,
    line_break: &'static str,
    step: usize,
    comments: usize,
    /// How many in a hundred entries are written in braces.
    flow: usize,
    padded: bool,
    quotes: usize,
}

impl Writer {
    fn scalar(&mut self, value: &Value, key: bool) -> String {
        let Value::String(text) = value else { return value.to_string() };
        let double = Value::String(text.clone()).to_string();
        if self.json {
            return double;
        }
        let plain = text.starts_with(|char: char| char.is_alphanumeric())
            && text.chars().all(|char| char.is_alphanumeric() || " @.-'".contains(char))
            && !text.ends_with(' ')
            && (key || !matches!(text.as_str(), "null" | "true" | "false"));
        let single = !text.contains('\n');
        match (self.quotes + self.dice.below(4) / 3) % 3 {
            0 if plain => text.clone(),
            0 | 1 if single => format!("'{}'", text.replace('\'', "''")),
            _ => double,
        }
    }

    fn comment(&mut self) -> String {
        self.comments += 1;
        format!("# c{}, it's: [{{", self.comments)
    }

    fn trailing(&mut self) {
        if !self.json && self.dice.chance(25) {
            let comment = self.comment();
            self.out.push_str(self.dice.pick(&[" ", "   "]));
            self.out.push_str(&comment);
        }
        self.out.push_str(self.line_break);
    }

    fn between(&mut self, indent: usize) {
        if self.dice.chance(15) {
            self.out.push_str(self.line_break);
        }
        if !self.json && self.dice.chance(15) {
            let comment = self.comment();
            self.out.push_str(&format!("{}{comment}{}", " ".repeat(indent), self.line_break));
        }
    }

    /// `{…}` or `[…]` on one line or on many.
    fn brackets(
        &mut self,
        open: char,
        close: char,
        parts: Vec<String>,
        indent: usize,
        lines: bool,
        pad: bool,
    ) -> String {
        if parts.is_empty() {
            return format!("{open}{}{close}", self.dice.pick(&["", "", " "]));
        }
        let tail = !self.json && self.dice.chance(15);
        if !lines {
            let pad = if pad { " " } else { "" };
            let tail = if tail { "," } else { "" };
            return format!("{open}{pad}{}{tail}{pad}{close}", parts.join(", "));
        }
        let inner = " ".repeat(indent + self.step);
        let mut text = format!("{open}{}", self.line_break);
        let last = parts.len() - 1;
        for (number, part) in parts.into_iter().enumerate() {
            let comma = if number < last || tail { "," } else { "" };
            let comment = if !self.json && self.dice.chance(30) {
                format!(" {}", self.comment())
            } else {
                String::new()
            };
            text.push_str(&format!("{inner}{part}{comma}{comment}{}", self.line_break));
        }
        format!("{text}{}{close}", " ".repeat(indent))
    }

    fn item(&mut self, item: &Value) -> String {
        match item {
            Value::Object(members) => {
                let parts = members.iter().map(|(key, value)| self.pair(key, &value.clone())).collect();
                let padded = self.padded;
                self.brackets('{', '}', parts, 0, false, padded)
            }
            other => self.scalar(other, false),
        }
    }

    fn pair(&mut self, key: &str, value: &Value) -> String {
        let key = self.scalar(&json!(key), true);
        let value = self.scalar(value, false);
        format!("{key}: {value}")
    }

    fn list(&mut self, items: &[Value], indent: usize) -> String {
        let parts = items.iter().map(|item| self.item(item)).collect();
        let lines = self.dice.chance(20);
        self.brackets('[', ']', parts, indent, lines, false)
    }

    /// An entry's value in braces.
    fn braces(&mut self, members: &[(&'static str, Value)], indent: usize) -> String {
        let lines = self.dice.chance(if self.json { 50 } else { 15 });
        let inner = if lines { indent + self.step } else { indent };
        let mut parts = Vec::new();
        for (key, value) in members {
            parts.push(match value {
                Value::Array(items) => {
                    let key = self.scalar(&json!(key), true);
                    let list = self.list(items, inner);
                    format!("{key}: {list}")
                }
                value => self.pair(key, value),
            });
        }
        let padded = self.padded;
        self.brackets('{', '}', parts, indent, lines, padded)
    }

    /// An entry's value by indentation, from behind its colon.
    fn block(&mut self, members: &[(&'static str, Value)], indent: usize) {
        self.trailing();
        for (key, value) in members {
            self.between(indent);
            let key_text = self.scalar(&json!(key), true);
            self.out.push_str(&format!("{}{key_text}:", " ".repeat(indent)));
            match value {
                Value::Array(items) if items.is_empty() && self.dice.chance(50) => self.trailing(),
                Value::Array(items) if !items.is_empty() && self.dice.chance(50) => {
                    self.trailing();
                    let dash = indent + self.dice.pick(&[0, 2]);
                    for item in items {
                        self.between(dash);
                        self.block_item(item, dash);
                    }
                }
                Value::Array(items) => {
                    let list = self.list(items, indent);
                    self.out.push_str(&format!(" {list}"));
                    self.trailing();
                }
                Value::String(text) if *key == "description" && !text.contains(": ") && self.dice.chance(40) => {
                    let pad = " ".repeat(indent + 2);
                    let lines: Vec<&str> = text.split('\n').collect();
                    // A first line with space in front needs to say so.
                    let hint = if text.starts_with(' ') { "2" } else { "" };
                    self.out.push_str(&format!(" |{hint}-"));
                    self.out.push_str(self.line_break);
                    for line in lines {
                        self.out.push_str(&format!("{pad}{line}{}", self.line_break));
                    }
                }
                value => {
                    let value = self.scalar(value, false);
                    self.out.push_str(&format!(" {value}"));
                    self.trailing();
                }
            }
        }
    }

    fn block_item(&mut self, item: &Value, dash: usize) {
        let pad = " ".repeat(dash);
        match item {
            Value::Object(members) if self.dice.chance(50) => {
                let mut before = format!("{pad}- ");
                for (key, value) in members {
                    let pair = self.pair(key, value);
                    self.out.push_str(&format!("{before}{pair}"));
                    self.trailing();
                    before = format!("{pad}  ");
                }
            }
            item => {
                let item = self.item(item);
                self.out.push_str(&format!("{pad}- {item}"));
                self.trailing();
            }
        }
    }

    fn document(&mut self, model: &Model) -> BTreeMap<(usize, String), Range<usize>> {
        let mut extents = BTreeMap::new();
        if !self.json && self.dice.chance(20) {
            self.out.push('\u{feff}');
        }
        if !self.json && self.dice.chance(50) {
            let comment = self.comment();
            self.out.push_str(&format!("{comment}{}", self.line_break));
        }
        if !self.json && self.dice.chance(20) {
            self.out.push_str(&format!("---{}", self.line_break));
        }
        let braces = self.json || self.dice.chance(10);
        if braces {
            self.out.push('{');
        }
        let outer = if braces { self.step } else { 0 };
        for (number, (section, entries)) in model.iter().enumerate() {
            if braces {
                self.out.push_str(if number > 0 { "," } else { "" });
                self.out.push_str(self.line_break);
            } else {
                self.between(0);
            }
            let key = self.scalar(&json!(SECTIONS[*section].1), true);
            self.out.push_str(&format!("{}{key}:", " ".repeat(outer)));
            let inner = outer + self.step;
            let in_braces = braces || self.dice.chance(10);
            if in_braces {
                self.out.push_str(" {");
            } else {
                self.trailing();
            }
            for (number, (id, members)) in entries.iter().enumerate() {
                if in_braces {
                    self.out.push_str(if number > 0 { "," } else { "" });
                    self.out.push_str(self.line_break);
                } else {
                    self.between(inner);
                }
                let start = self.out.len();
                let id_text = self.scalar(&json!(id), true);
                self.out.push_str(&format!("{}{id_text}:", " ".repeat(inner)));
                if in_braces {
                    let value = self.braces(members, inner);
                    self.out.push_str(&format!(" {value}"));
                } else if members.is_empty() && self.dice.chance(50) {
                    self.trailing();
                } else if members.is_empty() || self.dice.chance(self.flow) {
                    let value = self.braces(members, inner);
                    self.out.push_str(&format!(" {value}"));
                    self.trailing();
                } else {
                    self.block(members, inner + self.step);
                }
                extents.insert((*section, id.clone()), start..self.out.len());
            }
            if in_braces {
                self.out.push_str(&format!("{}{}}}", self.line_break, " ".repeat(outer)));
                if !braces {
                    self.trailing();
                }
            }
        }
        if braces {
            self.out.push_str(&format!("{}}}{}", self.line_break, self.line_break));
        }
        if self.dice.chance(20) {
            self.out.truncate(self.out.trim_end_matches(['\r', '\n']).len());
        }
        for range in extents.values_mut() {
            range.end = range.end.min(self.out.len());
        }
        extents
    }
}

fn document(seed: u64) -> Document {
    let mut dice = Dice(seed);
    let model = model(&mut dice);
    let json = dice.chance(25);
    let mut writer = Writer {
        out: String::new(),
        json,
        line_break: dice.pick(&["\n", "\n", "\r\n"]),
        step: dice.pick(&[2, 2, 1, 4]),
        comments: 0,
        flow: dice.pick(&[0, 30, 100]),
        padded: dice.chance(50),
        quotes: dice.below(3),
        dice,
    };
    let extents = writer.document(&model);
    let text = Text::new(if json { "x.json" } else { "x.yaml" }, writer.out);
    Document { model, text, extents }
}

fn random_item(dice: &mut Dice, levels: bool) -> Item {
    let permission = match dice.below(if levels { 4 } else { 1 }) {
        1 => Some(Permission::Read),
        2 => Some(Permission::Write),
        _ => None,
    };
    Item {
        id: dice.pick(&IDS).to_owned(),
        permission,
    }
}

fn unique_items(dice: &mut Dice, levels: bool) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for _ in 0..=dice.below(3) {
        let new = random_item(dice, levels);
        if items.iter().all(|old| old.id != new.id) {
            items.push(new);
        }
    }
    items
}

/// An edit that can be made of what a model says.
fn random_edit(dice: &mut Dice, model: &Model) -> Edit {
    let entries: Vec<(usize, &String)> = model
        .iter()
        .flat_map(|(section, entries)| entries.iter().map(|(id, _)| (*section, id)))
        .collect();
    if entries.is_empty() || dice.chance(15) {
        let section = dice.below(5);
        let id = format!("{}{}", dice.pick(&IDS), dice.below(1000));
        let text = |text: &str| Member::Scalar(Scalar::Text(text.to_owned()));
        let members = match section {
            0 | 1 => vec![
                ("name", text(dice.pick(&NAMES))),
                ("role", text("Member")),
                ("active", Member::Scalar(Scalar::Flag(false))),
            ],
            2 => vec![
                ("name", text(&format!("Team {id}"))),
                ("permission", text("read")),
                ("users", Member::List(unique_items(dice, false))),
                ("datastores", Member::List(unique_items(dice, true))),
            ],
            _ => Vec::new(),
        };
        return Edit {
            kind: SECTIONS[section].0,
            id,
            change: Change::Create { members },
        };
    }
    let (section, id) = dice.pick(&entries);
    let text = |text: &str| Scalar::Text(text.to_owned());
    let name = if section == 2 {
        name_of_team(dice.pick(&NAMES), id)
    } else {
        dice.pick(&NAMES).to_owned()
    };
    let change = match (dice.below(10), section) {
        (0, _) => Change::Delete,
        (1, _) => Change::Rename {
            to: format!("{}{}", dice.pick(&IDS), dice.below(1000)),
        },
        (2, _) => Change::Unset { key: "name" },
        (3, _) => Change::Set {
            key: "name",
            value: text(&name),
        },
        (4, 0 | 1) => Change::Set {
            key: "role",
            value: text("Manager"),
        },
        (5, 0 | 1) => Change::Unset { key: "active" },
        (_, 0 | 1) => Change::Set {
            key: "active",
            value: Scalar::Flag(dice.chance(50)),
        },
        (4, 2) => Change::Set {
            key: "description",
            value: text(dice.pick(&NAMES)),
        },
        (5, 2) => Change::Unset { key: "description" },
        (_, 2) => {
            let (list, levels) = dice.pick(&[
                ("users", false),
                ("service_users", false),
                ("datastores", true),
                ("enrichment_datastores", true),
            ]);
            if dice.chance(50) {
                Change::Add {
                    list,
                    items: unique_items(dice, levels),
                }
            } else {
                Change::Remove {
                    list,
                    ids: vec![dice.pick(&IDS).to_owned(), dice.pick(&IDS).to_owned()],
                }
            }
        }
        _ => Change::Set {
            key: "name",
            value: text(&name),
        },
    };
    Edit {
        kind: SECTIONS[section].0,
        id: id.clone(),
        change,
    }
}

fn written(item: &Item) -> Value {
    match item.permission {
        None => json!(item.id),
        Some(Permission::Read) => json!({ "id": item.id, "permission": "read" }),
        Some(Permission::Write) => json!({ "id": item.id, "permission": "write" }),
    }
}

fn value_of(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Text(text) => json!(text),
        Scalar::Flag(flag) => json!(flag),
        Scalar::Json(value) => value.clone(),
    }
}

/// What a model says after an edit.
fn changed(model: &mut Model, edit: &Edit) {
    let section = SECTIONS.iter().position(|(kind, _)| *kind == edit.kind).expect("a kind");
    if !model.iter().any(|(other, _)| *other == section) {
        model.push((section, Vec::new()));
    }
    let (_, entries) = model.iter_mut().find(|(other, _)| *other == section).expect("a section");
    if let Change::Create { members } = &edit.change {
        let value = |member: &Member| match member {
            Member::Scalar(scalar) => value_of(scalar),
            Member::List(items) => items.iter().map(written).collect(),
        };
        let members = members.iter().map(|(key, member)| (*key, value(member))).collect();
        return entries.push((edit.id.clone(), members));
    }
    let at = entries.iter().position(|(id, _)| *id == edit.id).expect("an entry");
    let members = &mut entries[at].1;
    match &edit.change {
        Change::Create { .. } => {}
        Change::Delete => drop(entries.remove(at)),
        Change::Rename { to } => entries[at].0 = to.clone(),
        Change::Set { key, value } => match members.iter_mut().find(|(other, _)| other == key) {
            Some((_, old)) => *old = value_of(value),
            None => members.push((key, value_of(value))),
        },
        Change::Unset { key } => members.retain(|(other, _)| other != key),
        Change::Add { list, items } => {
            if !members.iter().any(|(other, _)| other == list) {
                members.push((list, json!([])));
            }
            let (_, value) = members.iter_mut().find(|(other, _)| other == list).expect("a list");
            let listed = value.as_array_mut().expect("a list");
            for item in items {
                let olds: Vec<&mut Value> = listed.iter_mut().filter(|old| id_of(old) == item.id).collect();
                if olds.is_empty() {
                    listed.push(written(item));
                } else {
                    olds.into_iter().for_each(|old| *old = written(item));
                }
            }
        }
        Change::Remove { list, ids } => {
            for (_, value) in members.iter_mut().filter(|(other, _)| other == list) {
                value
                    .as_array_mut()
                    .expect("a list")
                    .retain(|item| !ids.iter().any(|id| id == id_of(item)));
            }
        }
    }
}

/// A name that no other team has, with nothing in it that a team's name may not have.
fn name_of_team(name: &str, id: &str) -> String {
    format!("{} of {id}", name.trim().replace('\n', " / "))
}

/// What the directory makes of a model: the entities of a document that is written without any style.
fn entities(text: &Text) -> Vec<Value> {
    let admin = Text::new("admin.json", r#"{"users": {"the admin": {"role": "Admin"}}}"#);
    let (records, faults) = read(&[admin, text.clone()], UnknownParents::Drop);
    assert!(!records.is_empty(), "{}: {faults:?}", text.content);
    records.iter().map(|record| record.entity.clone()).collect()
}

fn plain(model: &Model) -> Text {
    let mut document = String::from("{");
    for (number, (section, entries)) in model.iter().enumerate() {
        document.push_str(&format!(
            "{}{}: {{",
            if number > 0 { ", " } else { "" },
            json!(SECTIONS[*section].1)
        ));
        for (number, (id, members)) in entries.iter().enumerate() {
            let members: Vec<String> = members.iter().map(|(key, value)| format!("{}: {value}", json!(key))).collect();
            let comma = if number > 0 { ", " } else { "" };
            document.push_str(&format!("{comma}{}: {{{}}}", json!(id), members.join(", ")));
        }
        document.push('}');
    }
    document.push('}');
    Text::new("plain.json", document)
}

/// The marks of the comments in a text.
fn comments(text: &str) -> Vec<&str> {
    text.match_indices("# c")
        .map(|(at, _)| text[at..].split(',').next().expect("a mark"))
        .collect()
}

fn check(seed: u64) {
    let document = document(seed);
    let mut dice = Dice(!seed);
    let edit_of = random_edit(&mut dice, &document.model);
    let old = &*document.text.content;
    let told = || format!("seed {seed}, {edit_of:?} of\n{old}");
    let new = match edit(&document.text, std::slice::from_ref(&edit_of)) {
        Ok(new) => new,
        Err(fault) => panic!("{fault}: {}", told()),
    };
    let told = || format!("{}\nmade\n{new}", told());

    // The reading is the one owed.
    let mut model = document.model;
    changed(&mut model, &edit_of);
    let found = entities(&Text::new(document.text.name.clone(), new.as_str()));
    assert_eq!(found, entities(&plain(&model)), "{}", told());

    // All bytes outside the entry stay.
    let section = SECTIONS.iter().position(|(kind, _)| *kind == edit_of.kind).expect("a kind");
    let extent = document.extents.get(&(section, edit_of.id.clone())).cloned();
    let (front, back) = match &extent {
        Some(extent) => (&old[..extent.start], &old[extent.end..]),
        None => {
            let front = old.bytes().zip(new.bytes()).take_while(|(old, new)| old == new).count();
            let front = old.floor_char_boundary(front);
            (&old[..front], &old[front..])
        }
    };
    if edit_of.change == Change::Delete {
        // In braces, a comma goes with the entry, and at the end of the text a line break.
        let front = front.trim_end().trim_end_matches(',');
        let back = back.trim_start().trim_start_matches(',').trim_start();
        assert!(new.starts_with(front) && new.ends_with(back), "{}", told());
    } else {
        assert!(
            new.starts_with(front) && new.ends_with(back) && new.len() >= front.len() + back.len(),
            "{}",
            told()
        );
    }

    // Every comment stays, but for those of an entry that is deleted.
    let inside = match (&edit_of.change, &extent) {
        (Change::Delete, Some(extent)) => comments(&old[extent.clone()]),
        _ => Vec::new(),
    };
    let kept: Vec<&str> = comments(old).into_iter().filter(|comment| !inside.contains(comment)).collect();
    let found: Vec<&str> = comments(&new).into_iter().filter(|comment| !inside.contains(comment)).collect();
    assert_eq!(kept, found, "{}", told());

    // Line breaks are all of one kind, and the end of the text stays as it was.
    if old.contains("\r\n") && old.matches('\n').count() == old.matches("\r\n").count() {
        assert_eq!(new.matches('\n').count(), new.matches("\r\n").count(), "{}", told());
    }
    // What is taken out may be the end, and what stood before it then is.
    let takes_out = matches!(edit_of.change, Change::Delete | Change::Unset { .. } | Change::Remove { .. });
    let ends = !takes_out && old.contains('\n');
    if ends {
        assert_eq!(old.ends_with('\n'), new.ends_with('\n'), "{}", told());
    }
}

/// How many documents are tried, always the same; `GATEPOST_EDITS_CASES=100000` tries so many others.
fn config() -> ProptestConfig {
    let asked = std::env::var("GATEPOST_EDITS_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(1000),
        failure_persistence: None,
        rng_seed: asked.map_or(RngSeed::Fixed(7), |_| RngSeed::Random),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_random_edit_of_a_random_document_changes_nothing_else(seed in any::<u64>()) {
        check(seed);
    }

    #[test]
    fn many_edits_at_once_say_the_same_as_one_after_the_other(seed in any::<u64>()) {
        let document = document(seed);
        let mut dice = Dice(!seed);
        let mut model = document.model;
        let mut edits = Vec::new();
        let mut text = document.text.clone();
        for _ in 0..6 {
            let next = random_edit(&mut dice, &model);
            changed(&mut model, &next);
            text = Text::new(text.name.clone(), edit(&text, std::slice::from_ref(&next)).unwrap_or_else(|fault| panic!("{fault}: seed {seed}, {next:?} of\n{}", text.content)));
            edits.push(next);
        }
        let together = edit(&document.text, &edits).unwrap_or_else(|fault| panic!("{fault}: seed {seed}, {edits:?} of\n{}", document.text.content));
        prop_assert_eq!(entities(&plain(&model)), entities(&Text::new(text.name.clone(), together.as_str())));
    }
}
