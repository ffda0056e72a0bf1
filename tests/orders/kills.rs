//! A process that is killed while it writes: each change is there whole or not at all, and none that was answered is lost.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::directory::{Kind, Members, Patch};
use gatepost::store::{Channel, Live, Loader, LoaderSettings, Order};

use super::world::{by, change, create, fresh};
use crate::support::{Root, rounds};

/// The root that the process to be killed writes to: this binary is both.
const VICTIM: &str = "GATEPOST_TEST_VICTIM_ROOT";

const TEAM: &str = "round";

fn robots(round: usize) -> BTreeSet<String> {
    let half = round % 2 * 8;
    (half..half + 8).map(|number| format!("robot-{number}")).collect()
}

fn settings(root: &Path) -> LoaderSettings {
    LoaderSettings {
        events: false,
        ..LoaderSettings::new(root)
    }
}

fn ana(command: gatepost::directory::Command) -> Order {
    by("User", "ana@example.com", Channel::Admin, command)
}

/// A change of many files, and then one of a single file; round after round.
fn write_until_killed(root: &Path) -> ! {
    let loader = Loader::start(settings(root), Arc::new(Live::default())).expect("a loader");
    let writer = loader.writer();
    let start = fresh(root).team(TEAM).expect("the team").name.clone();
    let start: usize = start.strip_prefix("round ").expect("a round").parse().expect("a number");
    for round in start + 1.. {
        let many = Patch {
            name: Some(format!("round {round}")),
            service_users: Members::Set(robots(round)),
            ..Patch::default()
        };
        writer.order_blocking(ana(change(Kind::Team, TEAM, many))).expect("done");
        println!("many {round}");
        let single = create(Kind::Datastore, &format!("store-{round}"), Patch::default());
        match writer.order_blocking(ana(single)) {
            Ok(_) | Err(gatepost::store::Refusal::Exists(_)) => println!("single {round}"),
            Err(refusal) => panic!("{refusal}"),
        }
    }
    unreachable!("rounds do not end")
}

fn lay(root: &Path) {
    let loader = Loader::start(settings(root), Arc::new(Live::default())).expect("a loader");
    let writer = loader.writer();
    for number in 0..16 {
        let robot = create(Kind::ServiceUser, &format!("robot-{number}"), Patch::default());
        writer.order_blocking(ana(robot)).expect("done");
    }
    let team = Patch {
        name: Some("round 0".to_owned()),
        service_users: Members::Set(robots(0)),
        ..Patch::default()
    };
    writer.order_blocking(ana(create(Kind::Team, TEAM, team))).expect("done");
}

#[test]
fn a_writer_killed_at_any_moment_leaves_whole_changes() {
    if let Some(root) = std::env::var_os(VICTIM) {
        write_until_killed(Path::new(&root));
    }
    let root = Root::bundled();
    lay(root.path());
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut in_the_middle = 0;
    for kill in 0..rounds(20) {
        let mut victim = Process::new(std::env::current_exe().expect("this binary"))
            .args([
                "--exact",
                "orders::kills::a_writer_killed_at_any_moment_leaves_whole_changes",
                "--nocapture",
            ])
            .env(VICTIM, root.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut lines = BufReader::new(victim.stdout.take().expect("its output")).lines();
        let mut told = Vec::new();
        let mut read = |count: usize, told: &mut Vec<String>| {
            for line in lines.by_ref().map(|line| line.expect("a line")).take(count) {
                told.extend(line.rsplit_once("many ").or(line.rsplit_once("single ")).map(|_| line.clone()));
            }
        };
        read(6 + (random >> 60) as usize, &mut told);
        let moment = Duration::from_micros(random >> 33 & 0x3fff);
        let since = Instant::now();
        while since.elapsed() < moment {
            std::hint::spin_loop();
        }
        victim.kill().expect("a process to kill");
        victim.wait().expect("its end");
        read(usize::MAX, &mut told);
        in_the_middle += usize::from(root.path().join("entities/managed/pending.json").exists());

        let directory = fresh(root.path());
        let number = |line: &String, what: &str| Some(line.rsplit_once(what)?.1.parse::<usize>().expect("a number"));
        let name = &directory.team(TEAM).expect("the team").name;
        let round: usize = name.strip_prefix("round ").expect("a round").parse().expect("a number");
        assert!(
            told.iter().any(|line| line.contains("many ")),
            "kill {kill}: the writer did not write"
        );
        let answered = told.iter().filter_map(|line| number(line, "many ")).max().unwrap_or_default();
        assert!(
            round == answered || round == answered + 1,
            "kill {kill}: {round} after {answered}"
        );
        let members = directory.members_of(TEAM);
        let expected = robots(round);
        assert!(
            members.iter().map(|(_, id)| *id).eq(expected.iter().map(String::as_str)),
            "kill {kill}, round {round}: {members:?}"
        );
        for single in told.iter().filter_map(|line| number(line, "single ")) {
            assert!(
                directory.has(Kind::Datastore, &format!("store-{single}")),
                "kill {kill}: {single} is lost"
            );
        }
        // No change stands without its line.
        let trail = std::fs::read_to_string(root.path().join("audit/directory.jsonl")).expect("a trail");
        assert!(
            trail.contains(&format!("\"name\":\"round {round}\"")),
            "kill {kill}: no line for {round}"
        );
    }
    println!("{in_the_middle} kills between two files");
}
