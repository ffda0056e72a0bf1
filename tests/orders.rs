//! Orders to the one writer, on roots with the bundled model: what is carried out, what is refused and by which rule, and
//! what whoever comes in between leaves of it.

mod dry;
mod files;
mod kills;
mod laws;
mod others;
mod rules;
mod together;
mod world;
