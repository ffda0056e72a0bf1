//! How it is asked: AuthZEN 1.0 over HTTP/1.1, on loopback TCP and Unix sockets.
//!
//! A request meets, in this order: `framing` (bytes that two readers could read in two ways are refused), hyper, the
//! guard (whose browser is this?), its route, and the answer's common headers. Decisions are answered without a router;
//! everything else goes through axum's.
//!
//! Deliberately absent: files.

mod accept;
mod admin;
mod authzen;
mod callers;
mod compare;
mod connections;
mod explain;
mod explaining;
mod framing;
mod guard;
mod listen;
mod management;
mod operations;
mod problem;
mod quiet;
mod reply;
mod routes;
mod scim;
mod searches;
mod service;
mod tally;

pub use accept::{Server, serve, serve_all};
pub use admin::{ADMIN_ROUTES, AdminRoute, admin_routes};
pub use authzen::{CursorKey, OlderCursor, read_question};
pub use callers::CallerSettings;
pub use compare::{CompareSettings, Comparisons};
pub use explain::{
    ChoiceDocument, ClauseDocument, DroppedDocument, EntityDocument, ErrorDocument, ExplainDocument, PathDocument,
    PolicyDocument, RemedyDocument, SeenDocument, SourceDocument, StepDocument, explain_document,
};
pub use guard::Hosts;
pub use listen::{Address, BindError, Listener, bind};
pub use management::Management;
pub use problem::{FieldProblem, ProblemDocument, ProblemMembers};
pub use routes::{ROUTES, Route};
pub use scim::{Alarm, EntityId, ScimSettings, ScimShared, scim_routes};
pub use searches::{SearchSettings, SearchTally};
pub use service::{Ask, Limits, ServeSettings, Service, answer};
pub use tally::Tally;
