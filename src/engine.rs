//! What is true: sources → [`Snapshot`] → [`Query`] → [`Decision`], over any Cedar schema.
//!
//! Deliberately absent: async, HTTP, files, clocks, locks and the words of the bundled model. Nothing in here can fail
//! for a reason outside of its arguments, so it is tested without mocks.

mod fault;
pub mod json;
mod options;
mod sources;
mod text;

mod bridge;
mod core;
mod entities;
mod entity;
mod expansion;
mod nesting;
mod ordered;
mod policies;
mod postings;
mod schema;
mod shape;
mod table;
mod validate;
mod value;
mod vocabulary;

mod catalog;
mod convert;
mod decide;
mod evaluate;
mod explain;
mod index;
mod listing;
mod program;
mod query;
mod reference;
mod rehearse;
mod search;
mod snapshot;

pub use catalog::{ActionListing, EntityListing};
pub use decide::{Asking, Cause, Comparison, Decision, Effect, PolicyError};
pub use explain::{
    Asked, ChangeKind, Choice, Clause, Dropped, Explanation, FactName, Judged, Named, Outcome, Path, Remedy, Seen,
    Shared, Source, Step, Unknown, Value, WhyDropped, WithoutFirst,
};
pub(crate) use fault::nearest;
pub use fault::{Fault, Faults, Severity};
#[doc(hidden)]
pub use index::Mistake;
pub use listing::RequestEnvironment;
pub use options::{ErringForbid, Evaluator, Options, RequestProperties, ShortNames, UnknownParents};
pub use policies::PolicyInfo;
pub use query::{Action, Entity, OwnedQuery, Part, Problem, Query};
pub use search::{ActionSearch, Going, Search, Sought};
pub use snapshot::{Counts, Example, Snapshot};
pub use sources::{Difference, Later, Moved, Progress, Record, Sources};
pub use text::{Place, Span, Text};
