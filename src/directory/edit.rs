//! Edits of documents that people wrote, which leave everything else as it stands.

mod entries;
mod flow;
mod keys;
mod meaning;
mod outline;
mod render;
mod splice;
mod words;

use std::collections::HashSet;
use std::ops::Range;

use self::entries::Rest;
use self::keys::Stuck;
use self::outline::{Language, Outline};
use self::splice::Splices;
use super::entry::{Kind, Permission};
use super::node::{self, Node};
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
/// anchors, tags and merge keys on what is edited, or a layout that no edit is known for. A document that cannot be
/// read is its own fault.
pub fn edit(text: &Text, edits: &[Edit]) -> Result<String, Box<Fault>> {
    let mut expected = node::read(text, None)?;
    let mut work = Work {
        text,
        language: if text.name.ends_with(".json") {
            Language::Json
        } else {
            Language::Yaml
        },
        current: text.content.to_string(),
    };
    let mut rest = edits;
    while !rest.is_empty() {
        let together = independent(rest);
        work.make(&rest[..together])?;
        rest = &rest[together..];
    }
    edits.iter().for_each(|edit| meaning::apply(&mut expected, edit));
    work.prove(&expected, edits)?;
    Ok(work.current)
}

/// How many edits may be made in one pass: those within entries, as long as each is of another.
fn independent(edits: &[Edit]) -> usize {
    let mut seen = HashSet::new();
    let within = edits.iter().take_while(|edit| {
        let whole = matches!(edit.change, Change::Create { .. } | Change::Delete | Change::Rename { .. });
        !whole && seen.insert((edit.kind.key(), &edit.id))
    });
    within.count().max(1)
}

/// A document on its way from the old text to the new.
struct Work<'t> {
    text: &'t Text,
    language: Language,
    current: String,
}

impl Work<'_> {
    /// Makes edits that do not touch each other.
    fn make(&mut self, edits: &[Edit]) -> Result<(), Box<Fault>> {
        let outline = Outline::of(&self.current, self.language)
            .ok_or_else(|| self.refuse(edits.first(), "its layout is not known", None))?;
        let mut splices = Splices::default();
        let mut comments = outline.comments.clone();
        let mut again = Vec::new();
        for edit in edits {
            let stuck = |stuck: Stuck| self.refuse(Some(edit), stuck.why, Some(stuck.at));
            if entries::plan(&outline, edit, &mut splices).map_err(stuck)? == Rest::Some {
                again.push(edit.clone());
            }
            if edit.change == Change::Delete {
                let section = outline.root.as_ref().and_then(|root| root.member(edit.kind.key()));
                if let Some(entry) = section.and_then(|section| section.value.member(&edit.id)) {
                    let extent = entries::extent(&outline, entry);
                    comments.retain(|comment| !extent.contains(&comment.start));
                }
            }
        }
        let next = splices
            .apply(&self.current)
            .ok_or_else(|| self.refuse(edits.first(), "its layout is not known", None))?;
        if !self.keeps(&next, &comments) {
            return Err(self.refuse(edits.first(), "a comment would be lost", None));
        }
        self.current = next;
        // What is left then is planned whole: the changes that came first are there.
        if again.is_empty() { Ok(()) } else { self.make(&again) }
    }

    /// Whether these comments are all in the next text, in their order. One of a deleted entry may be there too, where
    /// it shares its line with another entry.
    fn keeps(&self, next: &str, comments: &[Range<usize>]) -> bool {
        let Some(outline) = Outline::of(next, self.language) else { return false };
        let mut found = outline.comments.iter().map(|comment| &next[comment.clone()]);
        comments.iter().all(|comment| found.any(|other| *other == self.current[comment.clone()]))
    }

    /// The new text says what it should.
    fn prove(&self, expected: &Node, edits: &[Edit]) -> Result<(), Box<Fault>> {
        let new = Text::new(self.text.name.clone(), self.current.as_str());
        match node::read(&new, None) {
            Ok(found) if meaning::same(expected, &found) => Ok(()),
            _ => Err(self.refuse(edits.first(), "no edit of its layout is known that changes nothing else", None)),
        }
    }

    /// The fault that leaves an edit to a person. Places of earlier passes are not those of the file, so then it
    /// points at the entry.
    fn refuse(&self, edit: Option<&Edit>, why: &str, at: Option<Range<usize>>) -> Box<Fault> {
        let (kind, id) = edit.map_or(("entry", ""), |edit| (edit.kind.word(), edit.id.as_str()));
        let fresh = self.current == *self.text.content;
        let place = at.filter(|_| fresh).or_else(|| self.entry(edit?)).unwrap_or(0..0);
        let message = format!("the {kind} `{id}` cannot be edited in place: {why}");
        Box::new(
            Fault::error("directory-edit", message)
                .at(self.text, Span::new(place.start, place.len()))
                .help("edit it here by hand"),
        )
    }

    /// Where an entry, or else its section, is in the file.
    fn entry(&self, edit: &Edit) -> Option<Range<usize>> {
        let outline = Outline::of(&self.text.content, self.language)?;
        let section = outline.root.as_ref()?.member(edit.kind.key())?;
        Some(section.value.member(&edit.id).unwrap_or(section).key.clone())
    }
}
