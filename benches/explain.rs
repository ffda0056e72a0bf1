//! An explanation against the evaluation of the same question, on the bundled model.
//!
//! `cargo bench --bench explain`. All questions of the decision bench take turns as evaluations, as explanations and as
//! explanations written to their JSON document, in rounds; what is told is the middle of the quotients. Both run on the
//! allocator that the binary has.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "shared/mode.rs"]
mod mode;
#[path = "shared/questions.rs"]
mod questions;
#[path = "shared/rounds.rs"]
mod rounds;
#[path = "decide/turns.rs"]
mod turns;
#[path = "shared/worlds.rs"]
mod worlds;

use std::hint::black_box;

use gatepost::engine::json::Json;
use gatepost::engine::{Options, Query, Snapshot};
use gatepost::serve::explain_document;
use mode::Mode;
use questions::{QUESTIONS, Question};
use rounds::{median, ratio};
use turns::{Turn, take_turns};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // As with the other benches, what is no flag names the benches to run.
    let mut filters = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let is_listing = std::env::args().any(|argument| argument == "--list");
    if is_listing || filters.any(|filter| !"explain".contains(&filter)) {
        return;
    }
    let (rounds, times) = match Mode::of_this_run() {
        Mode::Measure => (51, 50),
        Mode::Try => (1, 1),
    };
    let snapshot = Snapshot::compile(&worlds::bundled(), &Options::default()).expect("the bundled model");
    let all: Vec<Asked> = QUESTIONS.iter().map(Asked::of).collect();
    let (allowed, denied): (Vec<&Asked>, Vec<&Asked>) = all.iter().partition(|asked| asked.allow);
    let both: Vec<&Asked> = all.iter().collect();
    for (name, asked) in [("all", &both), ("allowed", &allowed), ("denied", &denied)] {
        let nanos = take_turns(
            rounds,
            &mut [
                turn(asked, times, |query| decide(&snapshot, query)),
                turn(asked, times, |query| explain(&snapshot, query)),
                turn(asked, times, |query| explain_as_json(&snapshot, query)),
            ],
        );
        let [decide, explain, json] = nanos.as_slice() else { return };
        println!(
            "{name}: decide {:.2} us, explain {:.2} us, explain as JSON {:.2} us a question",
            median(decide) / 1e3,
            median(explain) / 1e3,
            median(json) / 1e3
        );
        println!(
            "ratio: {name}: explain/decide = {:.1}, as JSON/decide = {:.1} (medians of {rounds} interleaved rounds)",
            ratio(explain, decide),
            ratio(json, decide)
        );
    }
}

/// Asks everything so many times.
fn turn<'t>(asked: &'t [&'t Asked], times: usize, ask: impl Fn(&Query<'_>) -> usize + 't) -> Turn<'t> {
    Box::new(move || {
        for _ in 0..times {
            for asked in asked {
                black_box(ask(&asked.query()));
            }
        }
        times * asked.len()
    })
}

fn decide(snapshot: &Snapshot, query: &Query<'_>) -> usize {
    let decision = snapshot.decide(query).expect("a good question");
    decision.determining.len()
}

fn explain(snapshot: &Snapshot, query: &Query<'_>) -> usize {
    let explanation = snapshot.explain(query).expect("a good question");
    black_box(&explanation).remedies.len()
}

fn explain_as_json(snapshot: &Snapshot, query: &Query<'_>) -> usize {
    let document = explain_document(snapshot, query).expect("a good question");
    serde_json::to_vec(&document).expect("a document").len()
}

/// A question as an application asks it: by short names.
struct Asked {
    principal: (String, &'static str),
    action: &'static str,
    resource: (String, &'static str),
    context: Option<Json<'static>>,
    allow: bool,
}

impl Asked {
    fn of(question: &Question) -> Self {
        let short = |(name, id): (&'static str, &'static str)| (name.to_lowercase(), id);
        let context = (!question.context.is_empty())
            .then(|| Json::read(question.context.as_bytes(), 8).expect("the context of a question"));
        Self {
            principal: short(question.principal),
            action: question.action,
            resource: short(question.resource),
            context,
            allow: question.allow,
        }
    }

    fn query(&self) -> Query<'_> {
        let (principal, resource) = (&self.principal, &self.resource);
        Query {
            context: self.context.as_ref(),
            ..Query::plain(
                (principal.0.as_str(), principal.1),
                self.action,
                (resource.0.as_str(), resource.1),
            )
        }
    }
}
