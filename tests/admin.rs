//! The admin API over real sockets, on roots with the bundled model.

mod lists;
mod requests;
mod rules;
mod standing;
mod together;
pub mod world;
