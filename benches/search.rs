//! Searches over HTTP against one evaluation over HTTP, over many datastores and users of the bundled model.
//!
//! `cargo bench --bench search -- --entities 100000 --rounds 7 --seconds 2 --connections 16`. As in the bench `http`,
//! server and load are processes of their own on a processor each, the kinds of requests take turns, and ratios are taken
//! round by round. What has to come out is known from how the entities were made, and each answer is held against it.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

#[path = "http/bench.rs"]
mod bench;
#[path = "search/world.rs"]
mod world;

use std::fs;
use std::path::Path;

use bench::load::Asked;
use bench::{Mode, Pins, Plan, Server, median, ratio};
use world::{Requests, World};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let world = World {
        entities: entities(&mut words).unwrap_or(match Mode::of_this_run() {
            Mode::Measure => 100_000,
            Mode::Try => 2_000,
        }),
    };
    let usual = Plan {
        rounds: 7,
        seconds: 2.0,
        connections: 16,
    };
    bench::run_words("search", &words, usual, |plan| compare(&world, plan));
}

/// Takes `--entities N` out of the arguments.
fn entities(words: &mut Vec<&str>) -> Option<usize> {
    let at = words.iter().position(|word| *word == "--entities")?;
    let number = words.get(at + 1).and_then(|number| number.parse().ok());
    let number = number.filter(|number| (2_000..=1_000_000).contains(number));
    words.drain(at..words.len().min(at + 2));
    Some(number.expect("`--entities` needs a number from 2000 to 1000000"))
}

/// What is asked, and how many evaluations it may cost.
struct Kind {
    name: &'static str,
    limit: f64,
    asked: Asked,
    measured: Rounds,
}

/// What was measured, round by round.
#[derive(Default)]
struct Rounds {
    /// Requests a second.
    rate: Vec<f64>,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
    /// Processor time of the server for each request.
    cpu_us: Vec<f64>,
}

fn compare(world: &World, plan: &Plan) {
    let pins = Pins::find();
    println!(
        "search: {pins}; {} datastores and as many users, {} connections, {} rounds of {} s",
        world.entities, plan.connections, plan.rounds, plan.seconds
    );
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path().join("root");
    world.write(&root);
    let server = Server::root(&pins, &root);
    let kind = |name: &'static str, limit: f64, requests: Requests| Kind {
        name,
        limit,
        asked: written(directory.path(), name, &requests),
        measured: Rounds::default(),
    };
    let mut kinds = [
        kind("one evaluation", 1.0, world.evaluations()),
        kind("a page of 100 datastores, Admin", 30.0, world.page_of_an_admin()),
        kind("a page of 100 datastores, member with a tenth", 30.0, world.page_of_a_member()),
        kind("all 50 datastores of a member", 100.0, world.lists_of_members()),
        kind("a page of 100 users of a datastore", 30.0, world.page_of_viewers()),
        kind("all 51 users of a datastore", 100.0, world.lists_of_viewers()),
    ];
    for _ in 0..plan.rounds {
        for kind in &mut kinds {
            let measured = server.load(&pins, &server.addresses[0], plan, kind.asked.clone());
            assert_eq!(measured.wrong, 0, "{}: answers other than those that are known", kind.name);
            let rounds = &mut kind.measured;
            rounds.rate.push(measured.requests as f64 / measured.seconds);
            rounds.p50_us.push(measured.p50_us);
            rounds.p99_us.push(measured.p99_us);
            rounds.cpu_us.push(measured.cpu_s * 1e6 / measured.requests as f64);
        }
    }
    let [evaluation, searches @ ..] = &kinds;
    println!("search: {}, {}", evaluation.name, evaluation.measured.told());
    for search in searches {
        let (own, one) = (&search.measured, &evaluation.measured);
        println!(
            "search: {} = {:.1} times one evaluation by rate (limit {}), {:.1} by processor time, {:.1} by p50; {}",
            search.name,
            ratio(&one.rate, &own.rate),
            search.limit,
            ratio(&own.cpu_us, &one.cpu_us),
            ratio(&own.p50_us, &one.p50_us),
            own.told()
        );
    }
}

/// Requests in a file, for the process of the load.
fn written(directory: &Path, name: &str, requests: &Requests) -> Asked {
    let path = directory.join(format!("{name}.json"));
    fs::write(&path, serde_json::to_vec(requests).expect("JSON")).expect("a file");
    Asked::File(path)
}

impl Rounds {
    fn told(&self) -> String {
        format!(
            "{:.0} requests/s, cpu {:.1} us, p50 {:.0} us, p99 {:.0} us",
            median(&self.rate),
            median(&self.cpu_us),
            median(&self.p50_us),
            median(&self.p99_us)
        )
    }
}
