//! How a bench over HTTP begins, and what it is made of.
//!
//! The bench starts itself for each part: servers and the load are processes of their own.

mod distinct;
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

use mode::Mode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the part that the arguments name, or compares by the usual plan of a bench as they change it.
pub(crate) fn run(bench: &str, usual: Plan, compare: fn(&Plan)) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if parts::run(&words) {
        return;
    }
    if let Some(plan) = Plan::read(bench, &words, usual, Mode::of_this_run()) {
        compare(&plan);
    }
}
