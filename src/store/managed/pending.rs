//! A change of several files as one: first the whole of it is written down, then it reaches the files.
//!
//! From the moment at which `pending.json` stands, the change is made: whoever reads the root lays it over the files
//! that it has not reached yet, and whoever writes the root next finishes it first.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};

use super::super::files::Hash;
use super::lock::Lock;
use super::replace::{remove, replace, replace_by};
use super::{PENDING, hash_of, is_writable};

/// How many files are written at a time.
const HANDS: usize = 16;

/// What a change does to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Change {
    /// Its path below the root.
    pub(in crate::store) name: Arc<str>,
    /// SHA-256 of what it held; none if there was no such file.
    pub(in crate::store) before: Option<Hash>,
    /// What it holds now; none if it goes.
    pub(in crate::store) after: Option<Arc<str>>,
}

/// A change of several files, as it is written down.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct Pending {
    files: BTreeMap<String, Written>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// In hexadecimal digits.
    before: Option<String>,
    after: Option<Arc<str>>,
}

/// How a file stands to a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Stands {
    /// The change has not reached it; it counts as this, or as gone.
    Before(Option<Arc<str>>),
    /// The change has reached it.
    After,
    /// Somebody else has changed it meanwhile.
    Changed,
}

impl Pending {
    /// Reads what was written down.
    ///
    /// # Errors
    /// It is not what [`commit`] writes.
    pub(in crate::store) fn read(content: &str) -> Result<Self, String> {
        let pending: Self = serde_json::from_str(content).map_err(|error| error.to_string())?;
        match pending.files.keys().find(|name| !is_writable(name)) {
            Some(name) => Err(format!("`{name}` is not a file that a command changes")),
            None => Ok(pending),
        }
    }

    /// The files that it changes.
    pub(in crate::store) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether it changes this file.
    pub(in crate::store) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// How a file with this content, or none, stands to the change. None if the change is not about it.
    pub(in crate::store) fn stands(&self, name: &str, content: Option<&str>) -> Option<Stands> {
        let written = self.files.get(name)?;
        let hash = content.map(|content| hex(&hash_of(content)));
        Some(if content == written.after.as_deref() {
            Stands::After
        } else if hash == written.before {
            Stands::Before(written.after.clone())
        } else {
            Stands::Changed
        })
    }
}

/// Makes a change: of one file by replacing it, of several by way of [`PENDING`].
///
/// Once this answers that it is done, the change stands, though it may have to reach some files yet: see the second
/// error of [`Committed`].
///
/// # Errors
/// Nothing was changed.
pub(in crate::store) fn commit(root: &Path, _lock: &Lock, changes: &[Change]) -> io::Result<Committed> {
    if let [change] = changes {
        return apply(0, root, &change.name, change.after.as_deref()).map(|()| Committed::Whole);
    }
    let files = changes.iter().map(|change| {
        let before = change.before.as_ref().map(hex);
        let after = change.after.clone();
        (change.name.to_string(), Written { before, after })
    });
    let pending = Pending { files: files.collect() };
    let content = serde_json::to_string(&pending).map_err(io::Error::from)?;
    replace(&root.join(PENDING), &content)?;
    if let Err(error) = apply_all(root, changes) {
        return Ok(Committed::Pending(error));
    }
    Ok(remove(&root.join(PENDING)).map_or_else(Committed::Pending, |()| Committed::Whole))
}

/// How far a change has come that was made.
#[derive(Debug)]
pub(in crate::store) enum Committed {
    /// All files are written.
    Whole,
    /// It is written down, and some file could not be written: it is laid over the files until it is.
    Pending(io::Error),
}

/// Finishes a change that was not finished. Says whether there was one.
///
/// # Errors
/// The system does not let it be done, or somebody has changed one of its files meanwhile.
pub(in crate::store) fn finish(root: &Path, _lock: &Lock) -> io::Result<bool> {
    let content = match fs::read_to_string(root.join(PENDING)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let broken = |message: String| io::Error::new(io::ErrorKind::InvalidData, format!("`{PENDING}`: {message}"));
    let pending = Pending::read(&content).map_err(broken)?;
    let mut reached = Vec::new();
    for name in pending.names() {
        let content = match fs::read_to_string(root.join(name)) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match pending.stands(name, content.as_deref()) {
            Some(Stands::Before(after)) => reached.push((name, after)),
            Some(Stands::Changed) => return Err(broken(format!("`{name}` was changed before the change reached it"))),
            Some(Stands::After) | None => {}
        }
    }
    for (name, after) in reached {
        apply(0, root, name, after.as_deref())?;
    }
    remove(&root.join(PENDING))?;
    Ok(true)
}

/// Lets a change that is written down reach its files, several at a time: a disk that is told of many files at once
/// makes them safe together, and one after the other each takes as long as all.
fn apply_all(root: &Path, changes: &[Change]) -> io::Result<()> {
    let share = changes.len().div_ceil(HANDS);
    thread::scope(|scope| {
        let hands = changes.chunks(share.max(1)).enumerate().map(|(hand, changes)| {
            scope.spawn(move || {
                changes
                    .iter()
                    .try_for_each(|change| apply(hand, root, &change.name, change.after.as_deref()))
            })
        });
        let hands: Vec<_> = hands.collect();
        hands
            .into_iter()
            .try_for_each(|hand| hand.join().unwrap_or_else(|_| Err(io::Error::other("writing broke off"))))
    })
}

fn apply(hand: usize, root: &Path, name: &str, after: Option<&str>) -> io::Result<()> {
    let path = root.join(name);
    let applied = match after {
        Some(content) => replace_by(hand, &path, content),
        None => remove(&path),
    };
    applied.map_err(|error| io::Error::new(error.kind(), format!("cannot write `{name}`: {error}")))
}

fn hex(hash: &Hash) -> String {
    use std::fmt::Write;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
