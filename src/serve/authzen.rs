//! AuthZEN Authorization API 1.0: evaluation, evaluations and metadata.
//!
//! Here alone a principal is called a subject. Section numbers are the specification's.

mod batch;
mod metadata;
mod question;

pub(super) use batch::{Answer, BatchRules, Batched, Inherit, evaluate, evaluate_plain, evaluations};
pub(super) use metadata::Metadata;
pub use question::read_question;

/// Where evaluation is asked (10.1).
pub(super) const EVALUATION: &str = "/access/v1/evaluation";
/// Where a batch is asked (10.1).
pub(super) const EVALUATIONS: &str = "/access/v1/evaluations";
/// Where the metadata are (9.2).
pub(super) const CONFIGURATION: &str = "/.well-known/authzen-configuration";
