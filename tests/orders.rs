//! Orders to the one writer, on roots with the bundled model: what is carried out, what is refused and by which rule.

mod rules;
mod world;
