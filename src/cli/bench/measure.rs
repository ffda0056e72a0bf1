//! Decisions in this process: names in, a decision out.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use super::figures::{Figures, Tally};
use crate::engine::{Query, Snapshot};

/// The stack that the threads of a sidecar have.
const STACK_BYTES: usize = 8 << 20;

/// Working sets of the growth curve, besides all questions.
const WORKING_SETS: [usize; 3] = [1, 64, 4096];

/// How long, and by how many.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
    pub(super) threads: usize,
}

/// The cost of decisions while so many different questions take turns.
pub(super) struct Point {
    pub(super) working_set: usize,
    pub(super) figures: Figures,
}

/// Decides the questions in turns until the time is over.
///
/// # Errors
/// There is no thread to be had, or nothing was answered.
pub(super) fn decide(snapshot: &Snapshot, queries: &[Query<'_>], plan: Plan) -> Result<Figures, String> {
    let (tally, per_second) = run(snapshot, queries, plan)?;
    Figures::new(tally, per_second)
}

/// The same over working sets of several sizes, for as long in all.
///
/// # Errors
/// As of [`decide`].
pub(super) fn growth(snapshot: &Snapshot, distinct: &[Query<'_>], plan: Plan) -> Result<Vec<Point>, String> {
    let mut sizes: Vec<usize> = WORKING_SETS.into_iter().filter(|size| *size < distinct.len()).collect();
    sizes.push(distinct.len());
    let time = plan.measured / sizes.len() as u32;
    let point = |size: usize| {
        // Questions differ in cost. Several small sets, one after the other, come nearer to the mean of all.
        let sets = (distinct.len() / size).min(64).min((16_384 / size).max(1));
        let plan = Plan {
            warm_up: time / sets as u32 / 4,
            measured: time / sets as u32 * 3 / 4,
            ..plan
        };
        let mut tally = Tally::new()?;
        let mut per_second = 0.0;
        for set in distinct.chunks_exact(size).take(sets) {
            let (own, own_rate) = run(snapshot, set, plan)?;
            tally.add(own);
            per_second += own_rate / sets as f64;
        }
        Ok(Point {
            working_set: size,
            figures: Figures::new(tally, per_second)?,
        })
    };
    sizes.into_iter().map(point).collect()
}

/// What all threads counted, and their rates together.
fn run(snapshot: &Snapshot, queries: &[Query<'_>], plan: Plan) -> Result<(Tally, f64), String> {
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(plan.threads);
        for number in 0..plan.threads {
            // Each begins with another question.
            let first = queries.len() * number / plan.threads;
            let work = move || turns(snapshot, queries, first, plan);
            let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
            threads.push(thread.map_err(|error| format!("no thread to decide on: {error}"))?);
        }
        let mut tally = Tally::new()?;
        let mut per_second = 0.0;
        for thread in threads {
            let (own, took) = thread
                .join()
                .map_err(|_| "deciding broke off; this is a mistake in gatepost".to_owned())??;
            per_second += own.answers() as f64 / took.as_secs_f64();
            tally.add(own);
        }
        Ok((tally, per_second))
    })
}

/// Decides in turns, and gives the time that the measured ones took.
fn turns(snapshot: &Snapshot, queries: &[Query<'_>], first: usize, plan: Plan) -> Result<(Tally, Duration), String> {
    let mut tally = Tally::new()?;
    let mut next = first;
    let mut decide = || {
        let query = &queries[next];
        next = if next + 1 == queries.len() { 0 } else { next + 1 };
        black_box(snapshot.decide(black_box(query)))
    };
    let begun = Instant::now();
    while begun.elapsed() < plan.warm_up {
        // Whatever is wrong is told by the measured ones.
        let _ = decide();
    }
    // The clock is read once a turn: what it costs, and what counting costs, is part of each latency.
    let since = Instant::now();
    let mut before = since;
    while before - since < plan.measured {
        let decided = decide();
        let now = Instant::now();
        match decided {
            Ok(decision) => tally.answered(decision.is_allowed(), now - before),
            Err(problem) => tally.failed(|| problem.to_string()),
        }
        before = now;
    }
    Ok((tally, before - since))
}

/// What reading the clock costs, in nanoseconds.
pub(super) fn clock_nanos() -> f64 {
    const READINGS: u32 = 10_000;
    let begun = Instant::now();
    for _ in 0..READINGS {
        black_box(Instant::now());
    }
    begun.elapsed().as_nanos() as f64 / f64::from(READINGS)
}
