//! Orders to the one writer: how many go live in a second, one after the other and many at once, in a small directory and
//! in a large one; and what one more member costs in a small and in a large team.

#![allow(clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gatepost::directory::{Command, Key, Kind, Members, Patch};
use gatepost::store::{Actor, Channel, Expected, Live, Loader, LoaderSettings, Order, Writer};
use sha2::{Digest, Sha256};

const TIME: Duration = Duration::from_secs(4);

fn order(command: Command) -> Order {
    Order {
        command,
        actor: Actor {
            principal: Some(("User".to_owned(), "ana@example.com".to_owned())),
            ..Actor::default()
        },
        channel: Channel::Admin,
        expected: Expected::Newest,
        dry_run: false,
        request_id: None,
    }
}

/// The bundled model, and more users in the files that gatepost writes. Two teams have five and half of them.
fn lay(root: &Path, users: usize) {
    for directory in ["schema", "policies", "entities"] {
        std::fs::create_dir_all(root.join(directory)).expect("a directory");
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), root.join(directory).join(entry.file_name())).expect("a copy");
            }
        }
    }
    let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..users {
        let id = format!("user-{number:06}@example.com");
        let shard = format!("{:02x}", Sha256::digest(&id)[0]);
        let teams = match number {
            0..5 => r#","teams":["few","many"]"#,
            _ if number % 2 == 0 => r#","teams":["many"]"#,
            _ => "",
        };
        let line = format!(r#""{id}": {{"name":"User {number}","role":"Member"{teams}}}"#);
        shards.entry(shard).or_default().push(line);
    }
    let managed = root.join("entities/managed/users");
    std::fs::create_dir_all(&managed).expect("a directory");
    for (shard, lines) in shards {
        let text = format!("{{\"users\": {{\n{}\n}}}}\n", lines.join(",\n"));
        std::fs::write(managed.join(format!("{shard}.json")), text).expect("a file");
    }
    let teams = "teams:\n  few: { permission: read, datastores: [ledger] }\n  many: { permission: read, datastores: [ledger] }\n";
    std::fs::write(root.join("entities/more-teams.yaml"), teams).expect("a file");
}

fn creates(writer: &Writer, threads: usize, prefix: &str) -> f64 {
    let done = AtomicUsize::new(0);
    let since = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            let done = &done;
            scope.spawn(move || {
                while since.elapsed() < TIME {
                    let number = done.fetch_add(1, Ordering::Relaxed);
                    let key = Key::new(Kind::ServiceUser, format!("{prefix}-{thread}-{number}"));
                    let entry = Patch::default();
                    writer.order_blocking(order(Command::Create { key, entry })).expect("done");
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / since.elapsed().as_secs_f64()
}

/// The median time of one more member, and of one less.
fn members(writer: &Writer, team: &str, users: usize) -> Duration {
    let mut times: Vec<Duration> = (0..60)
        .map(|number| {
            let id = format!("user-{:06}@example.com", (2 * (number / 2) + 7) % users);
            let users = if number % 2 == 0 {
                Members::add(id)
            } else {
                Members::remove(id)
            };
            let patch = Patch {
                users,
                ..Patch::default()
            };
            let key = Key::new(Kind::Team, team);
            let since = Instant::now();
            writer.order_blocking(order(Command::Change { key, patch })).expect("done");
            since.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    for users in [12, 100_000] {
        let root = tempfile::tempdir().expect("a directory");
        lay(root.path(), users);
        let live = Arc::new(Live::default());
        let loader = Loader::start(LoaderSettings::new(root.path()), live.clone()).expect("a loader");
        let since = Instant::now();
        while live.current().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        let loaded = since.elapsed();
        let writer = loader.writer();
        let alone = creates(&writer, 1, "alone");
        let together = creates(&writer, 16, "together");
        println!(
            "{users} users: loaded in {loaded:.1?}; orders in a second: {alone:.0} one by one, {together:.0} of 16 at once"
        );
        let (few, many) = (members(&writer, "few", users), members(&writer, "many", users));
        println!(
            "{users} users: one more or less in a team of 5 takes {few:.2?}, of {} {many:.2?}, {:.2} times as much",
            users / 2,
            many.as_secs_f64() / few.as_secs_f64()
        );
    }
}
