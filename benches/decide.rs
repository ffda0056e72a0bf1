//! One decision: against stock Cedar over the bundled model, and by the number of policies and entities.
//!
//! Criterion measures each side by itself. The `ratio:` and `growth:` lines behind it come from rounds of their own, in
//! which the sides take turns. Both sides run on the allocator that the binary has.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "decide/bundled.rs"]
mod bundled;
#[path = "decide/growth.rs"]
mod growth;
#[path = "shared/mode.rs"]
mod mode;
#[path = "shared/questions.rs"]
mod questions;
#[path = "shared/random.rs"]
mod random;
#[path = "shared/rounds.rs"]
mod rounds;
#[path = "decide/turns.rs"]
mod turns;
#[path = "shared/worlds.rs"]
mod worlds;

use criterion::Criterion;
use mode::Mode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mode = Mode::of_this_run();
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    bundled::bench(&mut criterion, mode);
    for family in &growth::FAMILIES {
        growth::bench(&mut criterion, mode, family);
    }
}
