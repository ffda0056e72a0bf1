//! Heap allocations of a decision in this process, on the bundled model.
//!
//! `cargo bench --bench allocations`. The allocator counts, so this bench does not have the binary's. What counts is
//! everything between the names of a question and the decision with its reasons, and that both are dropped again; an
//! allocation that grows counts once more. The count is of the code and the same on every machine.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "shared/mode.rs"]
mod mode;
#[path = "shared/questions.rs"]
mod questions;
#[path = "shared/worlds.rs"]
mod worlds;

use std::hint::black_box;

use dhat::{HeapStats, Profiler};
use gatepost::engine::json::Json;
use gatepost::engine::{Options, Query, Snapshot};
use mode::Mode;
use questions::{QUESTIONS, Question};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// A name, and whether a question belongs to it.
type Group = (&'static str, fn(&Question) -> bool);

fn main() {
    // As with the other benches, what is no flag names the benches to run.
    let mut filters = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let is_listing = std::env::args().any(|argument| argument == "--list");
    if is_listing || filters.any(|filter| !"allocations".contains(&filter)) {
        return;
    }
    let times = match Mode::of_this_run() {
        Mode::Measure => 1_000,
        Mode::Try => 1,
    };
    let snapshot = Snapshot::compile(&worlds::bundled(), &Options::default()).expect("the bundled model");
    let _counting = Profiler::builder().testing().build();
    let groups: [Group; 3] = [
        ("allowed", |question| question.allow && question.context.is_empty()),
        ("denied", |question| !question.allow && question.context.is_empty()),
        ("allowed, with a context", |question| {
            question.allow && !question.context.is_empty()
        }),
    ];
    for (name, is_in) in groups {
        count(name, &snapshot, QUESTIONS.iter().filter(|question| is_in(question)), times);
    }
    let stranger = Question {
        principal: ("User", "nobody@example.com"),
        action: "viewDatastore",
        resource: ("Datastore", "ledger"),
        context: "",
        allow: false,
    };
    count("denied, principal unknown", &snapshot, std::iter::once(&stranger), times);
}

/// Asks each question so many times, and tells the mean.
fn count<'q>(name: &str, snapshot: &Snapshot, questions: impl Iterator<Item = &'q Question>, times: u64) {
    let (mut blocks, mut bytes, mut asked) = (0, 0, 0);
    for question in questions {
        let context = (!question.context.is_empty())
            .then(|| Json::read(question.context.as_bytes(), 8).expect("the context of a question"));
        let query = Query {
            context: context.as_ref(),
            ..Query::plain(question.principal, question.action, question.resource)
        };
        // What is made once, at the first question of its kind, is not a decision's.
        let is_allowed = snapshot.decide(&query).expect("a good question").is_allowed();
        assert_eq!(is_allowed, question.allow, "{:?} {}", question.principal, question.action);
        let before = HeapStats::get();
        for _ in 0..times {
            let decision = snapshot.decide(black_box(&query)).expect("a good question");
            for number in &decision.determining {
                black_box(&snapshot.policy(*number).id);
            }
            black_box(decision);
        }
        let after = HeapStats::get();
        blocks += after.total_blocks - before.total_blocks;
        bytes += after.total_bytes - before.total_bytes;
        asked += times;
    }
    println!(
        "allocations: {name} = {:.2} a decision ({:.0} bytes)",
        blocks as f64 / asked as f64,
        bytes as f64 / asked as f64
    );
}
