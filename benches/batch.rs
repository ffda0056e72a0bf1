//! Batches over HTTP against single requests: a thousand distinct questions, one, ten, a hundred or all in a request.
//!
//! `cargo bench --bench batch -- --rounds 7 --seconds 2 --connections 16`. As in the bench `http`, server and load are
//! processes of their own on a processor each, sizes take turns, and ratios are taken round by round. Every answer is
//! held against the decisions that the engine makes in the process of the load.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

#[path = "http/bench.rs"]
mod bench;

use bench::load::Asked;
use bench::{Pins, Plan, Server, median, ratio};

/// Questions in a batch.
const SIZES: [usize; 4] = [1, 10, 100, 1_000];

fn main() {
    let usual = Plan {
        rounds: 7,
        seconds: 2.0,
        connections: 16,
    };
    bench::run("batch", usual, compare);
}

/// What was measured of one size, round by round.
#[derive(Default)]
struct Rounds {
    /// Decisions a second.
    rate: Vec<f64>,
    /// Of a request.
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
    /// Processor time of the server for each decision.
    cpu_us: Vec<f64>,
}

fn compare(plan: &Plan) {
    let pins = Pins::find();
    println!(
        "batch: {pins}; {} connections, {} rounds of {} s",
        plan.connections, plan.rounds, plan.seconds
    );
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = Server::gatepost(&pins, directory.path());
    let mut single = Rounds::default();
    let mut batches: [Rounds; SIZES.len()] = Default::default();
    for _ in 0..plan.rounds {
        measure(&server, &pins, plan, Asked::Single, 1, &mut single);
        for (size, rounds) in SIZES.iter().zip(&mut batches) {
            measure(&server, &pins, plan, Asked::Batches(*size), *size, rounds);
        }
    }
    println!("batch: single requests, {}", single.told());
    for (size, rounds) in SIZES.iter().zip(&batches) {
        println!(
            "batch: {size} distinct questions = {:.2} times the decisions per second of single requests, {}",
            ratio(&rounds.rate, &single.rate),
            rounds.told()
        );
    }
}

fn measure(server: &Server, pins: &Pins, plan: &Plan, asked: Asked, questions: usize, into: &mut Rounds) {
    let measured = server.load(pins, &server.addresses[0], plan, asked);
    assert_eq!(measured.wrong, 0, "answers with other decisions than the engine's");
    let decisions = measured.requests as f64 * questions as f64;
    into.rate.push(decisions / measured.seconds);
    into.p50_us.push(measured.p50_us);
    into.p99_us.push(measured.p99_us);
    into.cpu_us.push(measured.cpu_s * 1e6 / decisions);
}

impl Rounds {
    fn told(&self) -> String {
        format!(
            "{:.0} decisions/s, cpu {:.2} us a decision, p50 {:.0} us and p99 {:.0} us a request",
            median(&self.rate),
            median(&self.cpu_us),
            median(&self.p50_us),
            median(&self.p99_us)
        )
    }
}
