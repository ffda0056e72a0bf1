//! SCIM 2.0 (RFC 7643, RFC 7644) as values: what identity providers send, read, checked and answered.
//!
//! One table of attributes ([`Type::schemas`]) is what everything else goes by: bodies, filters, PATCH, what an answer
//! shows, and the schemas that clients ask for. Names are found without regard to case, values are stored as they were
//! sent, and a resource is a JSON object with the table's names. A group's members are never such a JSON: they may be a
//! hundred thousand, so they are read as sets and PATCHed as differences ([`GroupChange`]).
//!
//! Deliberately absent: HTTP, files, clocks, and the entries of the directory (of which it takes the folding of names, so
//! that a filter and the rule of unique names mean the same). The time comes as an argument, and who the members are is
//! asked through a closure.

mod attribute;
mod discovery;
mod filter;
mod list;
mod patch;
mod path;
mod problem;
mod resource;
mod schema;
mod select;
mod value;

pub use attribute::{Attribute, Case, Kind, Many, Mutability, Returned, Uniqueness};
pub use discovery::{resource_type, resource_types, schema_document, schema_documents, service_provider_config};
pub use filter::{Comparison, Filter, Literal, Operator, Test};
pub use list::{COUNT_DEFAULT, COUNT_MAX, Page, list, query_pairs};
pub use patch::{GroupChange, MemberChange, OPERATIONS_MAX, Operation, Verb, operations, patch_group, patch_user};
pub use path::{Home, Place};
pub use problem::{Problem, ScimType};
pub use resource::{GroupBody, RESOURCE_BYTES_MAX, Resource, read_group, read_user};
pub use schema::{ENTERPRISE, GROUP, Schema, Type, USER};
pub use select::Selection;
