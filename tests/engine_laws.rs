//! The engine's laws: over random worlds it answers as stock Cedar does, and what must be refused is refused.
//!
//! A world is a schema, policies, entities and requests, all made from one seed. `GATEPOST_LAWS_WORLDS=5000` tries more
//! of them, `GATEPOST_LAWS_SEED=17` tries that one again. What disagrees is made smaller before it is shown.

mod cases;
mod census;
// Loaded dice are for the fuzz target.
#[allow(dead_code)]
mod dice;
mod explain;
mod laws;
mod maker;
mod model;
mod operators;
mod search;
mod trial;
mod world;
mod writer;
