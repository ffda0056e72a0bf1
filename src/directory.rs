//! Users, service users, teams and datastores: documents that people write, the rules that Cedar cannot hold, and their
//! projection into entities.
//!
//! A document is a mapping with the keys `users`, `service_users`, `teams`, `datastores` and `enrichment_datastores`, in
//! YAML or JSON. All documents of a root together are one directory; it does not matter which entry stands in which.
//!
//! Deliberately absent: files, async, and Cedar itself. It shares the engine's nouns for what authors write ([`Text`],
//! [`Fault`], [`Record`]) and nothing else of it.

mod command;
mod document;
mod edit;
mod node;
mod project;
mod rules;

pub use command::{Assignments, Command, Key, Members, Patch};
pub use document::{Kind, Permission, Role};
pub use edit::{Change, Edit, Item, Member, Scalar, edit};

use crate::engine::{Fault, Record, Severity, Text, UnknownParents};

/// Reads all documents as one directory and projects it into entities.
///
/// Faults come with the file, the line and the entry; where there is an error among them, the records are incomplete
/// and must not be used. A team that lists an account or a datastore which is nowhere is a fault or, with
/// [`UnknownParents::Drop`], a warning; it grants nothing either way.
pub fn read(texts: &[Text], unknown: UnknownParents) -> (Vec<Record>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut directory = document::Directory::default();
    for text in texts {
        match node::read(text) {
            Ok(root) => directory.add(text, &root, &mut faults),
            Err(fault) => faults.push(*fault),
        }
    }
    if texts.is_empty() || faults.iter().any(|fault| fault.severity == Severity::Error) {
        return (Vec::new(), faults);
    }
    rules::check(&directory, unknown, &mut faults);
    (project::project(&directory), faults)
}
