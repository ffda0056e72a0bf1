//! AuthZEN Authorization API 1.0: evaluation, evaluations, search and metadata.
//!
//! Here alone a principal is called a subject. Section numbers are the specification's.

mod batch;
mod cursor;
mod explained;
mod metadata;
mod page;
mod question;
mod search;
mod searching;

pub(super) use batch::{Answer, BatchRules, Batched, Inherit, evaluate, evaluate_plain, evaluations};
pub use cursor::CursorKey;
pub(super) use explained::explain;
pub(super) use metadata::Metadata;
pub use question::read_question;
pub use search::OlderCursor;
pub(super) use search::{SearchRequest, SearchRules, Searched};
pub(super) use searching::{Found, Searching, Slice};

/// Where evaluation is asked (10.1).
pub(super) const EVALUATION: &str = "/access/v1/evaluation";
/// Where a batch is asked (10.1).
pub(super) const EVALUATIONS: &str = "/access/v1/evaluations";
/// Where subjects are searched for (10.1).
pub(super) const SEARCH_SUBJECT: &str = "/access/v1/search/subject";
/// Where resources are searched for (10.1).
pub(super) const SEARCH_RESOURCE: &str = "/access/v1/search/resource";
/// Where actions are searched for (10.1).
pub(super) const SEARCH_ACTION: &str = "/access/v1/search/action";
/// Where the metadata are (9.2).
pub(super) const CONFIGURATION: &str = "/.well-known/authzen-configuration";
