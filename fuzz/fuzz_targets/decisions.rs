//! A random world and questions about it: the bytes are the dice of the generator that the engine's laws have.

#![no_main]

// What the laws have and this does not use.
#[allow(dead_code)]
#[path = "../../tests/engine_laws/dice.rs"]
mod dice;
#[allow(dead_code)]
#[path = "../../tests/engine_laws/maker.rs"]
mod maker;
#[allow(dead_code)]
#[path = "../../tests/engine_laws/model.rs"]
mod model;
#[allow(dead_code)]
#[path = "../../tests/engine_laws/trial.rs"]
mod trial;
#[allow(dead_code)]
#[path = "../../tests/engine_laws/world.rs"]
mod world;
#[allow(dead_code)]
#[path = "../../tests/engine_laws/writer.rs"]
mod writer;

use std::panic::resume_unwind;
use std::thread;

use libfuzzer_sys::{Corpus, fuzz_target};

use dice::Dice;
use trial::Trial;
use world::World;

/// A world takes some hundred to some thousand rolls; what is rolled beyond the bytes follows from them.
const BYTES_MAX: usize = 8 << 10;

/// Questions about each world.
const ASKS: usize = 6;

/// Validating policies recurses, and with a sanitizer its frames are some times as large.
const STACK_BYTES: usize = 256 << 20;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > BYTES_MAX {
        return Corpus::Reject;
    }
    thread::scope(|scope| {
        let checked = thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || check(bytes))
            .expect("a thread");
        checked.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
});

/// Stock Cedar, Cedar's evaluator behind our index, and ours answer alike.
fn check(bytes: &[u8]) -> Corpus {
    let mut dice = Dice::loaded(bytes);
    let mut asking = dice.split();
    let world = World::rolled(0, &mut dice);
    let Ok(trial) = Trial::new(world) else {
        // The generator's slips do not validate.
        return Corpus::Reject;
    };
    for ask in trial.world.asks_rolled(&mut asking, ASKS) {
        if trial.check(&ask).is_err() {
            panic!("{}", trial.report(&ask));
        }
    }
    Corpus::Keep
}
