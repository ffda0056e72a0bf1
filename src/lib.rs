//! Gatepost, a policy-as-code authorization sidecar.

pub mod app;
pub mod callers;
pub mod cli;
pub mod directory;
pub mod engine;
pub mod scim;
pub mod serve;
pub mod store;
