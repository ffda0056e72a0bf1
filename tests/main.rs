//! The one integration-test binary: whole sidecars over real sockets and real file systems.

#![allow(
    clippy::explicit_auto_deref,
    clippy::manual_is_multiple_of,
    clippy::type_complexity,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub
)]

mod support;

mod access_model;
mod admin;
mod bad_requests;
mod bench_command;
mod callers;
mod clinic;
mod clinic_cases;
mod command_line;
mod comparing;
mod completions;
mod directory_documents;
mod directory_laws;
mod edits;
mod engine_laws;
mod explain;
mod explain_roots;
mod explaining;
mod growth;
mod hostile;
mod lists;
mod managing;
mod model_cases;
mod openapi;
mod orders;
mod protocol;
mod reload;
mod scim;
mod search;
mod searches;
mod tidy;
