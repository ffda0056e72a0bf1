//! A snapshot that grows from another is what compiling everything anew would give.
//!
//! `GATEPOST_ROUNDS=1000` makes longer chains of changes; what fails says the seed that it came from.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatepost::engine::{Decision, Faults, Going, Options, Query, Snapshot, Sought, Sources, Text, UnknownParents};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::rounds;

const SCHEMA: &str = "
entity Group in [Group, Level] = { label: String };
entity Level enum [\"low\", \"high\"];
entity User in [Group] = { active: Bool, age: Long, boss?: User, marks: Set<String> } tags String;
entity Folder in [Folder];
entity Doc in [Folder] = { owner: User, readers: Set<Group>, meta: { kind: String, pages?: Long } };
action view, edit appliesTo { principal: [User], resource: [Doc] };
";

const POLICIES: [&str; 8] = [
    "@id(\"owner\") permit (principal, action, resource) when { resource.owner == principal };",
    "@id(\"reader\") permit (principal, action == Action::\"view\", resource) when { principal in resource.readers };",
    "@id(\"kind\") permit (principal, action, resource) when { resource.meta.kind == \"open\" };",
    "@id(\"group\") permit (principal in Group::\"g3\", action, resource in Folder::\"f1\");",
    "@id(\"level\") permit (principal in Level::\"high\", action, resource);",
    "@id(\"boss\") permit (principal, action, resource) when { resource.owner has boss && resource.owner.boss == principal };",
    "@id(\"sum\") forbid (principal, action == Action::\"edit\", resource) when { principal.age + 9223372036854775800 > 3 };",
    "@id(\"tag\") forbid (principal, action, resource) when { principal.hasTag(\"out\") && principal.getTag(\"out\") == \"yes\" };",
];

/// Pseudo-random numbers, the same from the same seed on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Files of entities, each by type and id; and the texts of policies.
#[derive(Clone)]
struct Files {
    entities: BTreeMap<usize, BTreeMap<(&'static str, usize), Value>>,
    policies: BTreeMap<usize, Vec<usize>>,
}

const USERS: usize = 12;
const GROUPS: usize = 8;
const FOLDERS: usize = 5;
const DOCS: usize = 8;

fn uid(entity_type: &str, number: usize) -> Value {
    let letter = entity_type[..1].to_lowercase();
    json!({ "type": entity_type, "id": format!("{letter}{number}") })
}

impl Files {
    fn new(dice: &mut Dice) -> Self {
        let mut files = Self {
            entities: (0..6).map(|file| (file, BTreeMap::new())).collect(),
            policies: (0..4).map(|file| (file, vec![2 * file, 2 * file + 1])).collect(),
        };
        for (kind, count) in [("User", USERS), ("Group", GROUPS), ("Folder", FOLDERS), ("Doc", DOCS)] {
            for number in 0..count {
                let file = dice.below(6);
                let entity = Self::entity(kind, number, dice, false);
                files.entities.entry(file).or_default().insert((kind, number), entity);
            }
        }
        files
    }

    /// An entity with random content; its parents have higher numbers unless it may be in a cycle.
    fn entity(kind: &'static str, number: usize, dice: &mut Dice, wild: bool) -> Value {
        let above = |kind: &str, count: usize, dice: &mut Dice| -> Vec<Value> {
            (0..count)
                .filter(|other| (wild || *other > number || kind != "Group" && kind != "Folder") && dice.chance(30))
                .map(|other| uid(kind, other))
                .collect()
        };
        let (attrs, parents) = match kind {
            "User" => {
                let mut attrs = json!({
                    "active": dice.chance(70),
                    "age": dice.below(20),
                    "marks": (0..dice.below(3)).map(|mark| format!("m{mark}")).collect::<Vec<_>>(),
                });
                if dice.chance(40) {
                    attrs["boss"] = uid("User", dice.below(USERS + 2));
                }
                let parents = (0..GROUPS).filter(|_| dice.chance(20)).map(|group| uid("Group", group)).collect();
                (attrs, parents)
            }
            "Group" => {
                let mut parents = above("Group", GROUPS, dice);
                if dice.chance(15) {
                    parents.push(json!({ "type": "Level", "id": if dice.chance(50) { "high" } else { "low" } }));
                }
                (json!({ "label": format!("l{}", dice.below(3)) }), parents)
            }
            "Folder" => (json!({}), above("Folder", FOLDERS, dice)),
            _ => {
                let attrs = json!({
                    "owner": { "__entity": uid("User", dice.below(USERS)) },
                    "readers": (0..dice.below(3)).map(|_| json!({ "__entity": uid("Group", dice.below(GROUPS)) }))
                        .collect::<Vec<_>>(),
                    "meta": if dice.chance(30) { json!({ "kind": "open", "pages": 3 }) } else { json!({ "kind": "shut" }) },
                });
                (
                    attrs,
                    (0..FOLDERS).filter(|_| dice.chance(30)).map(|folder| uid("Folder", folder)).collect(),
                )
            }
        };
        let mut entity = json!({ "uid": uid(kind, number), "attrs": attrs, "parents": Value::Array(parents) });
        if kind == "User" && dice.chance(20) {
            entity["tags"] = json!({ "out": if dice.chance(50) { "yes" } else { "no" }, "a": "b" });
        }
        entity
    }

    fn text(&self, file: usize) -> Text {
        let entities: Vec<String> = self.entities[&file].values().map(Value::to_string).collect();
        if file.is_multiple_of(2) {
            Text::new(format!("entities/{file}.json"), format!("[{}\n]", entities.join(",\n")))
        } else {
            Text::new(format!("entities/{file}.jsonl"), entities.join("\n") + "\n")
        }
    }

    fn sources(&self) -> Sources {
        let policy = |number: &usize| format!("{}\n", POLICIES[*number]);
        Sources {
            schema: vec![Text::new("schema/s.cedarschema", SCHEMA)],
            policies: self
                .policies
                .iter()
                .map(|(file, numbers)| {
                    let text: String = numbers.iter().map(policy).collect();
                    Text::new(format!("policies/{file}.cedar"), format!("// {file}\n{text}"))
                })
                .collect(),
            entities: self.entities.keys().map(|file| self.text(*file)).collect(),
            ..Sources::default()
        }
    }

    /// One change, or a few at once.
    fn change(&mut self, dice: &mut Dice) {
        for _ in 0..=dice.below(3) {
            let all: Vec<(usize, (&'static str, usize))> = self
                .entities
                .iter()
                .flat_map(|(file, entities)| entities.keys().map(|key| (*file, *key)))
                .collect();
            let Some((file, key)) = (!all.is_empty()).then(|| all[dice.below(all.len())]) else {
                return;
            };
            match dice.below(10) {
                0..=3 => {
                    let wild = dice.chance(10);
                    let entity = Self::entity(key.0, key.1, dice, wild);
                    self.entities.entry(file).or_default().insert(key, entity);
                }
                4 => {
                    self.entities.entry(file).or_default().remove(&key);
                }
                5 => {
                    // Moved to another file, or copied there.
                    let entity = self.entities[&file][&key].clone();
                    if dice.chance(80) {
                        self.entities.entry(file).or_default().remove(&key);
                    }
                    self.entities.entry(dice.below(6)).or_default().insert(key, entity);
                }
                6 => {
                    // Back, if it was gone.
                    let (kind, count) =
                        [("User", USERS), ("Group", GROUPS), ("Folder", FOLDERS), ("Doc", DOCS)][dice.below(4)];
                    let number = dice.below(count);
                    let there = all.iter().any(|(_, key)| *key == (kind, number));
                    if !there {
                        let entity = Self::entity(kind, number, dice, false);
                        self.entities.entry(dice.below(6)).or_default().insert((kind, number), entity);
                    }
                }
                7 => {
                    // A file goes, what was in it comes to another.
                    let entities = self.entities.remove(&file).unwrap_or_default();
                    self.entities.entry(dice.below(6)).or_default().extend(entities);
                }
                _ => {
                    let file = dice.below(4);
                    let numbers = self.policies.entry(file).or_default();
                    if numbers.pop().is_none() || dice.chance(40) {
                        *numbers = vec![2 * file, 2 * file + 1];
                    }
                }
            }
        }
    }
}

/// What the files are now, with those that `before` was made of only kept.
fn kept(before: &Sources, now: &Sources) -> Sources {
    let mut sources = now.clone();
    let same = |text: &Text| before.entities.contains(text);
    let kept = now.entities.iter().filter(|text| same(text));
    sources.kept = kept
        .map(|text| (Arc::clone(&text.name), Sha256::digest(text.content.as_bytes()).into()))
        .collect();
    sources.entities.retain(|text| !same(text));
    sources
}

fn messages(result: &Result<Snapshot, Faults>) -> Vec<String> {
    let mut messages: Vec<String> = match result {
        Ok(snapshot) => snapshot.warnings().iter().map(ToString::to_string).collect(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    };
    messages.sort();
    messages
}

/// Every question, one by one or in a row.
fn decisions(snapshot: &Snapshot, in_a_row: bool) -> Vec<Decision> {
    let mut asking = snapshot.asking();
    let mut decisions = Vec::new();
    for user in 0..USERS {
        for doc in 0..DOCS {
            for action in ["view", "edit"] {
                let (user, doc) = (format!("u{user}"), format!("d{doc}"));
                let query = Query::plain(("User", &user), action, ("Doc", &doc));
                let decision = if in_a_row {
                    asking.decide(&query)
                } else {
                    snapshot.decide(&query)
                };
                decisions.push(decision.expect("a good question"));
            }
        }
    }
    decisions
}

/// What searches find for every user and every document.
fn lists(snapshot: &Snapshot) -> Vec<Vec<String>> {
    let mut lists = Vec::new();
    let mut list = |query: &Query<'_>, sought: Sought| {
        let mut found = Vec::new();
        let mut search = snapshot.search(query, sought).expect("a good question");
        while search.go_on(7, usize::MAX, &mut found) == Going::On {}
        lists.push(found);
    };
    for action in ["view", "edit"] {
        for user in 0..USERS {
            list(
                &Query::plain(("User", &format!("u{user}")), action, ("Doc", "")),
                Sought::Resources,
            );
        }
        for doc in 0..DOCS {
            list(
                &Query::plain(("User", ""), action, ("Doc", &format!("d{doc}"))),
                Sought::Principals,
            );
        }
    }
    lists
}

#[test]
fn growing_is_the_same_as_starting_over() {
    let chains = rounds(12);
    let (mut grown_ones, mut refused, mut allowed, mut listed) = (0, 0, 0, 0);
    for chain in 0..chains {
        let mut dice = Dice(chain as u64 + 1);
        let options = Options {
            unknown_parents: if dice.chance(50) {
                UnknownParents::Drop
            } else {
                UnknownParents::Refuse
            },
            ..Options::default()
        };
        let mut files = Files::new(&mut dice);
        let mut sources = files.sources();
        let mut live = Snapshot::compile(&sources, &options).expect("a good start");
        for step in 0..40 {
            let before = files.clone();
            files.change(&mut dice);
            let now = files.sources();
            let fresh = Snapshot::compile(&now, &options);
            let can = live.can_grow(&now.schema, &options);
            let next = if can {
                live.next(&kept(&sources, &now), &options)
            } else {
                live.next(&now, &options)
            };
            let what = format!("chain {chain}, step {step}");
            assert_eq!(messages(&next), messages(&fresh), "{what}");
            match (next, fresh) {
                (Ok(next), Ok(fresh)) => {
                    assert_eq!(next.revision(), fresh.revision(), "{what}");
                    assert_eq!(next.counts(), fresh.counts(), "{what}");
                    let decided = decisions(&next, true);
                    assert_eq!(decided, decisions(&fresh, false), "{what}");
                    let found = lists(&next);
                    assert_eq!(found, lists(&fresh), "{what}");
                    listed += found.iter().map(Vec::len).sum::<usize>();
                    allowed += decided.iter().filter(|decision| decision.is_allowed()).count();
                    grown_ones += usize::from(can);
                    live = next;
                    sources = now;
                }
                (Err(_), Err(_)) => {
                    refused += 1;
                    // Half the time the mistake is mended, half the time it goes on from there.
                    if dice.chance(50) || refused % 5 == 0 {
                        files = before;
                    }
                }
                (next, fresh) => panic!("{what}: {:?} and {:?}", messages(&next), messages(&fresh)),
            }
        }
    }
    // Of what was made, enough grew, was refused, and was allowed.
    assert!(grown_ones > 10 * chains, "{grown_ones} of {chains} chains");
    assert!(refused > chains, "{refused}");
    assert!(allowed > 1000 * chains, "{allowed}");
    assert!(listed > 1000 * chains, "{listed}");
}

#[test]
fn what_is_kept_has_to_be_there() {
    let mut dice = Dice(3);
    let sources = Files::new(&mut dice).sources();
    let live = Snapshot::compile(&sources, &Options::default()).expect("a good start");
    let mut next = sources.clone();
    next.kept.insert("entities/other.json".into(), [0; 32]);
    let faults = live.next(&next, &Options::default()).expect_err("nothing is known of that file");
    assert!(faults.first().message.contains("does not have them"), "{faults}");

    // The name alone is not enough.
    let text = sources.entities[0].clone();
    let mut next = sources.clone();
    next.entities.remove(0);
    next.kept.insert(text.name.clone(), [0; 32]);
    assert!(live.next(&next, &Options::default()).is_err());
    next.kept.insert(text.name, Sha256::digest(text.content.as_bytes()).into());
    assert!(live.next(&next, &Options::default()).is_ok());
}

#[test]
fn a_new_link_is_held_against_the_schema() {
    let policies = "permit (principal, action, resource);\n\
                    @id(\"out\") forbid (principal == ?principal, action, resource);";
    let links = |user: &str| {
        json!([{ "template_id": "out", "link_id": "mallory", "args": { "?principal": user } }]).to_string()
    };
    let sources = |user: &str| Sources {
        schema: vec![Text::new("schema/s.cedarschema", SCHEMA)],
        policies: vec![
            Text::new("policies/p.cedar", policies),
            Text::new("policies/links.json", links(user)),
        ],
        entities: vec![Text::new("entities/none.json", "[]")],
        ..Sources::default()
    };
    let options = Options::default();
    let denied = |snapshot: &Snapshot, user: &str| {
        let query = Query::plain(("User", user), "view", ("Doc", "d"));
        !snapshot.decide(&query).expect("a good question").is_allowed()
    };
    let live = Snapshot::compile(&sources("User::\"mallory\""), &options).expect("a good link");
    assert!(denied(&live, "mallory") && !denied(&live, "trudy"));
    let next = live.next(&sources("User::\"trudy\""), &options).expect("a good link");
    assert!(denied(&next, "trudy") && !denied(&next, "mallory"));
    // A type that is nowhere, which would forbid nobody.
    let typo = sources("Usr::\"mallory\"");
    let (fresh, grown) = (Snapshot::compile(&typo, &options), live.next(&typo, &options));
    assert!(fresh.is_err(), "nobody is forbidden");
    assert_eq!(messages(&grown), messages(&fresh));
}

#[test]
fn a_chain_of_many_thousands_is_refused_and_does_not_fill_the_memory() {
    let chain: Vec<String> = (0..30_000)
        .map(|number| {
            let parents = if number == 0 {
                vec![]
            } else {
                vec![uid("Group", number - 1)]
            };
            json!({ "uid": uid("Group", number), "attrs": { "label": "" }, "parents": parents }).to_string()
        })
        .collect();
    let sources = Sources {
        schema: vec![Text::new("schema/s.cedarschema", SCHEMA)],
        policies: vec![Text::new("policies/p.cedar", POLICIES[0])],
        entities: vec![Text::new("entities/chain.jsonl", chain.join("\n"))],
        ..Sources::default()
    };
    let faults = Snapshot::compile(&sources, &Options::default()).expect_err("a chain that is too long");
    assert_eq!(faults.first().code, "entity-depth", "{faults}");
}
