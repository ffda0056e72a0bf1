//! How a bench over HTTP begins, and what it is made of.
//!
//! The bench starts itself for each part: servers and the load are processes of their own.

pub(crate) mod distinct;
pub(crate) mod load;
#[path = "../shared/mode.rs"]
mod mode;
mod parts;
mod pin;
mod plan;
#[path = "../shared/questions.rs"]
mod questions;
#[path = "../shared/rounds.rs"]
mod rounds;
mod servers;

pub(crate) use parts::Server;
pub(crate) use pin::Pins;
pub(crate) use plan::Plan;
pub(crate) use rounds::{median, ratio};

pub(crate) use mode::Mode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the part that the arguments name, or compares by the usual plan of a bench as they change it.
#[allow(dead_code, reason = "a bench with arguments of its own has the other one")]
pub(crate) fn run(bench: &str, usual: Plan, compare: fn(&Plan)) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run_words(bench, &words, usual, compare);
}

/// The same with these arguments.
pub(crate) fn run_words(bench: &str, words: &[&str], usual: Plan, compare: impl FnOnce(&Plan)) {
    if parts::run(words) {
        return;
    }
    if let Some(plan) = Plan::read(bench, words, usual, Mode::of_this_run()) {
        compare(&plan);
    }
}
