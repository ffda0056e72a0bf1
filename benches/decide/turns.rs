//! Sides that take turns.

use std::time::Instant;

/// Asks some questions in a row, and says how many.
pub(crate) type Turn<'t> = Box<dyn FnMut() -> usize + 't>;

/// Nanoseconds a question, of each side in each round.
pub(crate) fn take_turns(rounds: usize, sides: &mut [Turn<'_>]) -> Vec<Vec<f64>> {
    let mut nanos = vec![Vec::with_capacity(rounds); sides.len()];
    for round in 0..rounds {
        for turn in 0..sides.len() {
            // In each round another side begins.
            let side = (round + turn) % sides.len();
            let begun = Instant::now();
            let questions = sides[side]();
            nanos[side].push(begun.elapsed().as_nanos() as f64 / questions as f64);
        }
    }
    nanos
}
