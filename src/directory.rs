//! Users, service users, teams and datastores: documents that people write, the rules that Cedar cannot hold, and their
//! projection into entities.
//!
//! A document is a mapping with the keys `users`, `service_users`, `teams`, `datastores`, `enrichment_datastores` and
//! `retired_users`, in YAML or JSON. All documents of a root together are one directory; it does not matter which entry
//! stands in which.
//!
//! Deliberately absent: files, async, and Cedar itself. It shares the engine's nouns for what authors write ([`Text`],
//! [`Fault`], [`Record`]) and for what differs ([`Difference`](crate::engine::Difference)), and nothing else of it.

mod change;
mod command;
mod document;
mod edit;
mod entry;
mod fold;
mod index;
mod model;
mod name;
mod node;
mod project;
mod rules;
mod sorted;

pub use change::{Change as DocumentChange, Delta};
pub use command::{Assignments, Command, Members, Patch};
pub use document::Retired;
pub use edit::{Change, Edit, Item, Member, Scalar, edit};
pub use entry::{Account, Assignment, Key, Kind, Permission, Reference, Role, Store, Team};
pub use fold::fold;
pub use model::Directory;
pub use name::{NAME_RULE, NameFault, check_team_name, unseen};

use crate::engine::{Fault, Record, Severity, Text, UnknownParents};

/// Whether people would take a name for that of the built-in team that everyone is in (R20).
pub fn is_public_name(name: &str) -> bool {
    rules::is_public_name(name)
}

/// Reads all documents as one directory and projects it into entities.
///
/// Faults come with the file, the line and the entry; where there is an error among them, there are no records. A team
/// that lists an account or a datastore which is nowhere is a fault or, with [`UnknownParents::Drop`], a warning; it
/// grants nothing either way.
pub fn read(texts: &[Text], unknown: UnknownParents) -> (Vec<Record>, Vec<Fault>) {
    let (directory, delta) = Directory::default().follow(texts);
    let faults = directory.faults(unknown);
    if texts.is_empty() || faults.iter().any(|fault| fault.severity == Severity::Error) {
        return (Vec::new(), faults);
    }
    (delta.records, faults)
}
