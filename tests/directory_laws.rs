//! A directory that grows from another is what reading all documents anew would give, and so is its snapshot.
//!
//! Documents are made at random and edited at random: entries come, change, move and go, and so do faults.
//! `GATEPOST_ROUNDS=1000` makes more of them; what fails says the seed that it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use gatepost::app::MODEL;
use gatepost::directory::{Directory, DocumentChange, Key, Kind, fold};
use gatepost::engine::{Fault, Faults, Options, Query, Record, Severity, Snapshot, Text, UnknownParents};
use gatepost::store::{self, Compiled, File, Generation, NextError, compile_next, load_files};
use serde_json::{Value, json};

use crate::support::rounds;

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

    fn some(&mut self, of: &[String], most: usize) -> Vec<String> {
        if of.is_empty() {
            return Vec::new();
        }
        (0..self.below(most + 1)).map(|_| of[self.below(of.len())].clone()).collect()
    }
}

const DOCUMENTS: [&str; 6] = [
    "entities/a.yaml",
    "entities/b.json",
    "entities/b/c.yml",
    "entities/managed/teams/00.json",
    "entities/managed/users/00.json",
    "entities/managed/users/01.json",
];

/// How many entries of each kind there may be.
const COUNTS: [usize; 5] = [9, 3, 6, 4, 2];

/// One document: its entries, and how it is written.
#[derive(Clone, Default)]
struct Written {
    entries: Vec<(Kind, String, Value)>,
    retired: Vec<String>,
    /// Lines of nothing before the entries.
    lines: usize,
    /// Replaces the whole text.
    spoilt: Option<String>,
}

/// All documents.
#[derive(Clone, Default)]
struct World(BTreeMap<&'static str, Written>);

fn id(kind: Kind, number: usize) -> String {
    match kind {
        Kind::Team if number == 0 => "Public".to_owned(),
        _ => format!("{}{number}", &kind.key()[..1]),
    }
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        let mut world = Self(DOCUMENTS.into_iter().map(|name| (name, Written::default())).collect());
        for kind in Kind::ALL {
            for number in 0..COUNTS[kind as usize] {
                if kind != Kind::Team || number > 0 || dice.chance(30) {
                    world.put(kind, number, dice);
                }
            }
        }
        world
    }

    fn ids(&self, kind: Kind) -> Vec<String> {
        let entries = self.0.values().flat_map(|written| &written.entries);
        let ids: BTreeSet<&String> = entries.filter(|(of, ..)| *of == kind).map(|(_, id, _)| id).collect();
        ids.into_iter().cloned().collect()
    }

    /// Ids to refer to; at times of something that is nowhere.
    fn named(&self, kind: Kind, dice: &mut Dice) -> Vec<String> {
        let mut ids: Vec<String> = self.ids(kind).into_iter().filter(|id| id != "Public").collect();
        if dice.chance(3) {
            ids.push(id(kind, COUNTS[kind as usize] + dice.below(2)));
        }
        if kind == Kind::Team && dice.chance(2) {
            ids.push("Public".to_owned());
        }
        ids
    }

    fn entry(&self, kind: Kind, number: usize, dice: &mut Dice) -> Value {
        let mut entry = json!({});
        if dice.chance(50) {
            entry["name"] = json!(format!("Ä {}", dice.below(40)));
        }
        match kind {
            Kind::User | Kind::ServiceUser => {
                let is_first = number == 0 && !dice.chance(5);
                let role = if is_first {
                    "Admin"
                } else {
                    ["Admin", "Manager", "Member"][dice.below(3)]
                };
                entry["role"] = json!(role);
                entry["active"] = json!(is_first || dice.chance(70));
                if dice.chance(2) {
                    entry["role"] = json!("Nobody");
                }
                let teams = self.named(Kind::Team, dice);
                entry["teams"] = json!(dice.some(&teams, 3));
            }
            Kind::Team => {
                if number == 0 {
                    return if dice.chance(5) {
                        json!({ "users": self.ids(Kind::User) })
                    } else {
                        json!({})
                    };
                }
                if !dice.chance(3) {
                    entry["permission"] = (["read", "write"][dice.below(2)]).into();
                }
                for kind in [
                    Kind::User,
                    Kind::ServiceUser,
                    Kind::Datastore,
                    Kind::EnrichmentDatastore,
                ] {
                    let ids = self.named(kind, dice);
                    let mut some = dice.some(&ids, 3);
                    if !kind.is_account() && !dice.chance(3) {
                        some.sort();
                        some.dedup();
                    }
                    let some = some.into_iter().map(|id| match kind.is_account() || dice.chance(70) {
                        true => json!(id),
                        false => json!({ "id": id, "permission": (["read", "write"][dice.below(2)]) }),
                    });
                    entry[kind.key()] = some.collect();
                }
            }
            Kind::Datastore | Kind::EnrichmentDatastore => {}
        }
        if matches!(kind, Kind::User | Kind::Team) && dice.chance(30) {
            let suffix = if dice.chance(4) {
                "twin".to_owned()
            } else {
                id(kind, number)
            };
            let name = if dice.chance(50) {
                format!("NÄME-{suffix}")
            } else {
                format!("näme-{suffix}")
            };
            entry["scim"] = json!({ "id": format!("scim-{suffix}"), "userName": name, "emails": [{ "value": "x" }] });
        }
        entry
    }

    /// States an entry somewhere; if it is stated already, mostly in its place.
    fn put(&mut self, kind: Kind, number: usize, dice: &mut Dice) {
        let entry = self.entry(kind, number, dice);
        let id = id(kind, number);
        let place = |written: &&mut Written| written.entries.iter().any(|(of, known, _)| *of == kind && *known == id);
        if dice.chance(90)
            && let Some(written) = self.0.values_mut().find(|written| place(written))
        {
            let known = written.entries.iter_mut().find(|(of, known, _)| *of == kind && *known == id);
            known.expect("it is stated here").2 = entry;
            return;
        }
        if !dice.chance(3) {
            self.take(kind, &id);
        }
        let name = DOCUMENTS[dice.below(DOCUMENTS.len())];
        let written = self.0.entry(name).or_default();
        written.entries.retain(|(of, known, _)| (*of, known) != (kind, &id));
        written.entries.push((kind, id, entry));
    }

    fn take(&mut self, kind: Kind, id: &str) {
        for written in self.0.values_mut() {
            written.entries.retain(|(of, known, _)| (*of, known.as_str()) != (kind, id));
        }
    }

    /// One edit, as a person or a program would make it.
    fn edit(&mut self, dice: &mut Dice) {
        let kind = Kind::ALL[dice.below(5)];
        let number = dice.below(COUNTS[kind as usize]);
        let name = DOCUMENTS[dice.below(DOCUMENTS.len())];
        match dice.below(20) {
            0..=9 => self.put(kind, number, dice),
            10 | 11 => self.take(kind, &id(kind, number)),
            12 => {
                // It moves as it is.
                let id = id(kind, number);
                let all = self.0.values().flat_map(|written| written.entries.clone());
                if let Some(entry) = all.into_iter().find(|(of, known, _)| (*of, known) == (kind, &id)) {
                    self.take(kind, &id);
                    self.0.entry(name).or_default().entries.push(entry);
                }
            }
            13 | 14 => self.0.entry(name).or_default().lines = dice.below(4),
            15 => self.0.entry(name).or_default().entries.reverse(),
            16 => {
                let spoilt = [
                    "users: [",
                    "{\"users\": {\"x\": 1}}",
                    "nothing: {}",
                    "{\"users\": {\"x\": {}, \"x\": {}}}",
                ];
                self.0.entry(name).or_default().spoilt = Some(spoilt[dice.below(4)].to_owned());
            }
            17 => self.0.values_mut().for_each(|written| written.spoilt = None),
            18 => self.0.entry(name).or_default().retired = dice.some(&["Ana".to_owned(), "bo".to_owned()], 2),
            _ => {
                self.0.remove(name);
            }
        }
        if dice.chance(40) {
            self.0.values_mut().for_each(|written| written.spoilt = None);
        }
    }

    fn texts(&self) -> Vec<Text> {
        self.0.iter().map(|(name, written)| Text::new(*name, written.text(name))).collect()
    }
}

impl Written {
    fn text(&self, name: &str) -> String {
        if let Some(spoilt) = &self.spoilt {
            return spoilt.clone();
        }
        let mut sections: Vec<String> = Vec::new();
        for kind in Kind::ALL {
            let entries: Vec<String> = self
                .entries
                .iter()
                .filter(|(of, ..)| *of == kind)
                .map(|(_, id, entry)| format!("{}: {entry}", json!(id)))
                .collect();
            if !entries.is_empty() {
                let separator = if name.ends_with("00.json") { ",\n" } else { ", " };
                sections.push(format!("\"{}\": {{\n{}\n}}", kind.key(), entries.join(separator)));
            }
        }
        if !self.retired.is_empty() {
            sections.push(format!("\"retired_users\": {}", json!(self.retired)));
        }
        format!("{}{{{}}}\n", "\n".repeat(self.lines), sections.join(",\n"))
    }
}

/// The faults, in the order in which they are told.
fn told(faults: Vec<Fault>) -> Vec<Value> {
    let faults = Faults::check(faults).unwrap_or_else(Faults::into_vec);
    faults.iter().map(Fault::to_json).collect()
}

fn shown(record: &Record) -> (String, Value) {
    let place = record.text.place(record.span);
    (record.entity["uid"].to_string(), json!([record.entity, place.to_string()]))
}

/// All that can be asked of a directory.
fn answers(directory: &Directory) -> Value {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let ids: Vec<&str> = directory.ids(kind).collect();
        assert_eq!(directory.count(kind), ids.len());
        for (index, id) in ids.iter().enumerate() {
            assert!(directory.ids_behind(kind, id).eq(ids[index + 1..].iter().copied()));
            let members = directory.members_of(id);
            if kind == Kind::Team {
                let expected = if *id == "Public" { 0 } else { members.len() };
                assert_eq!(directory.member_count(id), expected, "{id}");
            }
            for (kind, member) in members.iter().filter(|_| kind == Kind::Team && *id != "Public") {
                assert!(directory.is_member(id, *kind, member));
                assert!(directory.teams_of(*kind, member).contains(id));
            }
            let key = Key::new(kind, *id);
            let scim = format!("scim-{id}");
            all.push(json!([
                key.to_string(),
                directory.etag(&key),
                directory.teams_of(kind, id),
                members.len(),
                directory.document_of(&key).map(ToString::to_string),
                directory.scim_id(kind, &scim),
                directory.user_name(&fold(&format!("näme-{id}"))),
            ]));
        }
    }
    json!([
        all,
        directory.is_retired("ANA"),
        directory.is_retired("bo"),
        directory.hash()
    ])
}

fn files(texts: &[Text], more: Option<&Text>) -> Vec<File> {
    let file = |kind, text: Text| File { kind, text };
    let model = MODEL.iter().filter_map(|(name, content)| {
        let kind = match name.split_once('/') {
            Some(("schema", _)) => store::Kind::Schema,
            Some(("policies", _)) => store::Kind::Policies,
            _ => return None,
        };
        Some(file(kind, Text::new(*name, *content)))
    });
    let entities = texts.iter().chain(more).map(|text| file(store::Kind::Entities, text.clone()));
    model.chain(entities).collect()
}

/// What decisions say: who may do what to each datastore and account.
fn decisions(snapshot: &Snapshot) -> Vec<bool> {
    let mut all = Vec::new();
    for principal in (0..COUNTS[0]).map(|n| id(Kind::User, n)) {
        for resource in (0..COUNTS[3]).map(|n| id(Kind::Datastore, n)) {
            for action in ["viewDatastore", "runOperation"] {
                let query = Query::plain(("User", &principal), action, ("Datastore", &resource));
                all.push(snapshot.decide(&query).is_ok_and(|decision| decision.is_allowed()));
            }
        }
    }
    all
}

fn generation(compiled: Compiled) -> Generation {
    Generation {
        snapshot: compiled.snapshot,
        directory: compiled.directory,
        number: 1,
        loaded_at: SystemTime::now(),
        load_took: Duration::ZERO,
        warnings: Vec::new(),
    }
}

/// Every entity of the directory once more, in a file of Cedar's entities and with other content: what is told then
/// has the places of all.
fn echo(directory: &Directory) -> Text {
    let entities: Vec<Value> = directory
        .records()
        .into_iter()
        .map(|mut record| {
            record.entity["attrs"]["name"] = json!("another");
            record.entity
        })
        .collect();
    Text::new("entities/echo.json", Value::from(entities).to_string())
}

#[test]
fn what_grows_from_edits_is_what_reading_anew_gives() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..rounds(12) as u64 {
        let mut dice = Dice(seed);
        let unknown = [UnknownParents::Refuse, UnknownParents::Drop][dice.below(2)];
        let options = Options {
            unknown_parents: unknown,
            ..Options::default()
        };
        let mut world = World::new(&mut dice);
        let mut directory = Directory::default();
        let mut records: BTreeMap<String, Value> = BTreeMap::new();
        let mut live: Option<Generation> = None;
        for step in 0..30 {
            for _ in 0..dice.below(3) {
                world.edit(&mut dice);
            }
            let at = format!("seed {seed}, step {step}");
            let texts = world.texts();
            let (fresh, all) = Directory::default().follow(&texts);
            let (next, delta) = directory.follow(&texts);

            assert_eq!(told(next.faults(unknown)), told(fresh.faults(unknown)), "{at}");
            assert_eq!(answers(&next), answers(&fresh), "{at}");
            // What differs, laid over what there was, is all there is.
            delta.difference.gone.iter().for_each(|(ty, id)| {
                assert!(
                    records.remove(&json!({ "type": ty, "id": id }).to_string()).is_some(),
                    "{at}: {id}"
                );
            });
            for moved in &delta.difference.moved {
                let uid = json!({ "type": moved.entity_type, "id": &*moved.id }).to_string();
                let record = records.get_mut(&uid).expect("it was there");
                record[1] = moved.text.place(moved.span).to_string().into();
            }
            records.extend(delta.records.iter().map(shown));
            let expected: BTreeMap<String, Value> = fresh.records().iter().map(shown).collect();
            assert_eq!(records, expected, "{at}");
            assert_eq!(all.records.iter().map(shown).collect::<BTreeMap<_, _>>(), expected, "{at}");
            directory = next;

            let anew = load_files(&files(&texts, None), &options);
            let grown = match &live {
                None => load_files(&files(&texts, None), &options).map_err(NextError::from),
                Some(live) => compile_next(live, &changes(&live.directory, &texts), &options),
            };
            match (anew, grown) {
                (Ok(anew), Ok(grown)) => {
                    good += 1;
                    assert_eq!(grown.snapshot.revision(), anew.snapshot.revision(), "{at}");
                    assert_eq!(grown.snapshot.counts(), anew.snapshot.counts(), "{at}");
                    assert_eq!(decisions(&grown.snapshot), decisions(&anew.snapshot), "{at}");
                    let warnings = |compiled: &Compiled| told(compiled.snapshot.warnings().to_vec());
                    assert_eq!(warnings(&grown), warnings(&anew), "{at}");
                    places_are_the_same(&grown, &texts, &options, &at);
                    live = Some(generation(grown));
                }
                (Err(anew), Err(NextError::Faults(grown))) => {
                    bad += 1;
                    assert_eq!(told(grown.into_vec()), told(anew.into_vec()), "{at}");
                }
                (anew, grown) => panic!("{at}: anew {:?}, grown {:?}", anew.err(), grown.err()),
            }
        }
    }
    assert!(good > 40 && bad > 40, "{good} roots were good and {bad} were not");
}

#[test]
fn a_root_of_many_documents_grows_from_one_that_changes() {
    let one = |number: usize, role: &str| {
        let user = json!({ "users": { format!("user{number}"): { "role": role } } });
        Text::new(format!("entities/people/{number}.json"), user.to_string())
    };
    let texts: Vec<Text> = (0..6_000)
        .map(|number| one(number, if number == 0 { "Admin" } else { "Member" }))
        .collect();
    let options = Options::default();
    let live = generation(load_files(&files(&texts, None), &options).expect("a good root"));
    let grown = compile_next(&live, &[one(17, "Manager").into()], &options).expect("no need to read it all");
    let query = Query::plain(("User", "user17"), "manageTags", ("Platform", "main"));
    let decides = |snapshot: &Snapshot| snapshot.decide(&query).expect("an answer").is_allowed();
    assert_eq!((decides(&live.snapshot), decides(&grown.snapshot)), (false, true));
}

fn changes(directory: &Directory, texts: &[Text]) -> Vec<DocumentChange> {
    let mut changes: Vec<DocumentChange> = texts.iter().cloned().map(DocumentChange::from).collect();
    let gone = directory.documents().filter(|(name, _)| texts.iter().all(|text| text.name != **name));
    changes.extend(gone.map(|(name, _)| DocumentChange {
        name: name.clone(),
        text: None,
    }));
    changes
}

fn places_are_the_same(grown: &Compiled, texts: &[Text], options: &Options, at: &str) {
    let echo = echo(&grown.directory);
    let mut sources = grown.snapshot.sources();
    sources.entities.push(echo.clone());
    let of_grown = grown.snapshot.next(&sources, options).err().map(Faults::into_vec).unwrap_or_default();
    let of_anew = load_files(&files(texts, Some(&echo)), options)
        .err()
        .map(Faults::into_vec)
        .unwrap_or_default();
    let errors = |faults: Vec<Fault>| -> Vec<Value> {
        told(faults.into_iter().filter(|fault| fault.severity == Severity::Error).collect())
            .into_iter()
            .map(|mut fault| {
                // Where an entity begins is kept, and not how long it is.
                fault["length"] = Value::Null;
                fault
            })
            .collect()
    };
    assert_eq!(errors(of_grown), errors(of_anew), "{at}");
}
