//! What one changed user of a large directory costs, from the text of its document to the next snapshot.
//!
//! `cargo bench --bench directory -- --users 100000 --teams 1000`. Users and teams stand in 256 documents of each kind.
//! A user joins and leaves a team of half of all, and one of five, in turns: both should cost the same, and neither what
//! the directory holds.

#![allow(clippy::expect_used, clippy::print_stdout)]

#[path = "shared/mode.rs"]
mod mode;
#[path = "size/process.rs"]
#[allow(dead_code, reason = "peaks are another bench's")]
mod process;
#[path = "shared/rounds.rs"]
mod rounds;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant, SystemTime};

use gatepost::directory::{Directory, DocumentChange, Kind};
use gatepost::engine::{Options, Text};
use gatepost::store::{self, Compiled, File, Generation, compile_next, load_files};

use mode::Mode;
use rounds::{median, ratio};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SHARDS: usize = 256;

/// How many users the small team has.
const SMALL: usize = 5;

struct World {
    users: usize,
    teams: usize,
}

impl World {
    /// The teams of a user: the large one for every second, and two others.
    fn teams_of(&self, user: usize) -> Vec<String> {
        let mut teams: Vec<String> = (0..2).map(|n| format!("team-{:04}", (user * 7 + n * 13) % self.teams)).collect();
        if user.is_multiple_of(2) {
            teams.push("large".to_owned());
        }
        if user.is_multiple_of(2) && user < 2 * SMALL {
            teams.push("small".to_owned());
        }
        teams
    }

    /// The document of a shard of users, with one more team for one of them.
    fn users(&self, shard: usize, joins: Option<(usize, &str)>) -> Text {
        let mut content = "{\"users\": {\n".to_owned();
        let mut separator = "";
        for user in (shard..self.users).step_by(SHARDS) {
            let role = if user == 0 { "Admin" } else { "Member" };
            let mut teams = self.teams_of(user);
            teams.extend(joins.filter(|(joining, _)| *joining == user).map(|(_, team)| team.to_owned()));
            let teams = serde_json::to_string(&teams).expect("texts");
            let _ = write!(
                content,
                "{separator}\"user-{user:06}@example.com\": {{\"name\": \"User {user}\", \"role\": \"{role}\", \
                 \"active\": true, \"teams\": {teams}}}"
            );
            separator = ",\n";
        }
        content.push_str("\n}}\n");
        Text::new(format!("entities/managed/users/{shard:02x}.json"), content)
    }

    fn teams(&self) -> Vec<Text> {
        let mut shards: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let names = (0..self.teams).map(|team| format!("team-{team:04}"));
        for (number, name) in names.chain(["large".to_owned(), "small".to_owned()]).enumerate() {
            shards.entry(number % SHARDS).or_default().push(format!(
                "\"{name}\": {{\"permission\": \"read\", \"datastores\": [\"store-{:04}\"]}}",
                number % self.teams
            ));
        }
        let document = |(shard, mut entries): (usize, Vec<String>)| {
            entries.sort();
            Text::new(
                format!("entities/managed/teams/{shard:02x}.json"),
                format!("{{\"teams\": {{\n{}\n}}}}\n", entries.join(",\n")),
            )
        };
        let stores: Vec<String> = (0..self.teams).map(|store| format!("\"store-{store:04}\": {{}}")).collect();
        let mut texts: Vec<Text> = shards.into_iter().map(document).collect();
        let stores = format!("{{\"datastores\": {{\n{}\n}}}}\n", stores.join(",\n"));
        texts.push(Text::new("entities/managed/datastores/00.json", stores));
        texts
    }

    fn documents(&self) -> Vec<Text> {
        let mut texts: Vec<Text> = (0..SHARDS).map(|shard| self.users(shard, None)).collect();
        texts.extend(self.teams());
        texts
    }
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

fn number(arguments: &[String], name: &str, usual: usize) -> usize {
    let at = arguments.iter().position(|argument| argument == name);
    at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(usual)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (users, rounds) = match Mode::of_this_run() {
        Mode::Measure => (number(&arguments, "--users", 100_000), number(&arguments, "--rounds", 200)),
        Mode::Try => (1_000, 2),
    };
    let world = World {
        users,
        teams: number(&arguments, "--teams", 1_000),
    };
    let documents = world.documents();
    let bytes: usize = documents.iter().map(|text| text.content.len()).sum();
    println!(
        "directory: {users} users, {} teams, {} documents, {} MB",
        world.teams,
        documents.len(),
        bytes >> 20
    );

    let started = Instant::now();
    let (directory, _) = Directory::default().follow(&documents);
    let read = started.elapsed();
    assert_eq!(directory.count(Kind::User), users);
    // What the first one needed while it was read is there for the second: what is added is what it holds.
    let before = process::resident_kib();
    let (second, _) = Directory::default().follow(&documents);
    let held = process::resident_kib().saturating_sub(before);
    println!(
        "read: {:.2} s; {} bytes a user besides its text",
        read.as_secs_f64(),
        held * 1024 / users as u64
    );
    drop((directory, second));

    let mut files: Vec<File> = gatepost::app::MODEL
        .iter()
        .filter(|(name, _)| !name.starts_with("entities/"))
        .map(|(name, content)| File {
            kind: if name.starts_with("schema/") {
                store::Kind::Schema
            } else {
                store::Kind::Policies
            },
            text: Text::new(*name, *content),
        })
        .collect();
    files.extend(documents.iter().map(|text| File {
        kind: store::Kind::Entities,
        text: text.clone(),
    }));
    let options = Options::default();
    let started = Instant::now();
    let mut live = generation(load_files(&files, &options).expect("a good root"));
    println!("load: {:.2} s", started.elapsed().as_secs_f64());

    let mut took: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    let mut parts: [Vec<f64>; 3] = Default::default();
    for round in 0..rounds {
        // Neither is in a team of these yet.
        let user = 2 * (round * 37 % (users / 2)) + 1;
        for (side, team) in ["large", "small"].into_iter().enumerate() {
            for joins in [Some((user, team)), None] {
                let content = world.users(user % SHARDS, joins);
                let (name, content) = (content.name, content.content);
                let started = Instant::now();
                let change: DocumentChange = Text::new(name, content).into();
                let next =
                    generation(compile_next(&live, std::slice::from_ref(&change), &options).expect("a good change"));
                took[side].push(started.elapsed().as_secs_f64() * 1e3);
                if joins.is_some() {
                    assert!(next.directory.is_member(team, Kind::User, &format!("user-{user:06}@example.com")));
                    let started = Instant::now();
                    let applied = live.directory.apply(&[change]);
                    parts[0].push(started.elapsed().as_secs_f64() * 1e3);
                    let started = Instant::now();
                    drop(applied);
                    parts[1].push(started.elapsed().as_secs_f64() * 1e3);
                }
                let started = Instant::now();
                live = next;
                parts[2].push(started.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    println!(
        "one user: {:.2} ms into a team of {}, {:.2} ms into one of {SMALL}; {:.2} ms of it is the directory's",
        median(&took[0]),
        users / 2,
        median(&took[1]),
        median(&parts[0])
    );
    println!("afterwards: {:.2} ms to let the generation before go", median(&parts[2]));
    println!("ratio: large/small = {:.2}", ratio(&took[0], &took[1]));
}
