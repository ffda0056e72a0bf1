//! Where the directory is: in the files of a root, or with a running sidecar.

use serde_json::Value;

use super::PlaceArgs;
use super::admin::Admin;
use super::files::Files;
use super::outcome::Outcome;
use crate::cli::source::Failed;
use crate::directory::{Command, Key, Kind};
use crate::engine::nearest;

/// How many names are offered for one that is unknown.
const OFFERED_MAX: usize = 3;

/// Where entries are read and changed.
pub(super) enum Place {
    Files(Box<Files>),
    Sidecar(Box<Admin>),
}

/// What a place is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Change,
}

/// How an order is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    pub(super) dry_run: bool,
    /// The revision that must still be live.
    pub(super) if_revision: Option<String>,
    /// Type and id of who gives it.
    pub(super) acting: Option<(String, String)>,
}

impl Place {
    /// Opens what the arguments name.
    ///
    /// # Errors
    /// The settings or the files have faults, or there is no root to change.
    pub(super) fn open(args: &PlaceArgs, purpose: Purpose) -> Result<Self, Failed> {
        if let Some(url) = &args.url {
            return Ok(Self::Sidecar(Box::new(Admin::open(url, args)?)));
        }
        Ok(Self::Files(Box::new(Files::open(&args.root.root(), purpose)?)))
    }

    /// All entries of a kind, by their ids. Teams may come without their members.
    ///
    /// # Errors
    /// Nobody answers.
    pub(super) fn all(&mut self, kind: Kind) -> Result<Vec<Value>, Failed> {
        match self {
            Self::Files(files) => Ok(files.all(kind)),
            Self::Sidecar(admin) => admin.all(kind),
        }
    }

    /// One entry, whole.
    ///
    /// # Errors
    /// Nobody answers.
    pub(super) fn find(&mut self, key: &Key) -> Result<Option<Value>, Failed> {
        match self {
            Self::Files(files) => Ok(files.entry(key)),
            Self::Sidecar(admin) => admin.find(key),
        }
    }

    /// The revision that was read, once something was.
    pub(super) fn revision(&self) -> Option<&str> {
        match self {
            Self::Files(files) => Some(files.revision()),
            Self::Sidecar(admin) => admin.revision(),
        }
    }

    /// One entry that has to be there.
    ///
    /// # Errors
    /// It is not, and what is near; or nobody answers.
    pub(super) fn get(&mut self, key: &Key) -> Result<Value, Failed> {
        match self.find(key)? {
            Some(entry) => Ok(entry),
            None => Err(self.unknown(key.kind, &key.id)),
        }
    }

    /// Says that an id is unknown, and which are near.
    pub(super) fn unknown(&mut self, kind: Kind, id: &str) -> Failed {
        let known = self.all(kind).unwrap_or_default();
        let ids: Vec<&str> = known.iter().filter_map(|entry| entry["id"].as_str()).collect();
        let near = near(id, &ids);
        let offer = match near.as_slice() {
            [] => String::new(),
            near => {
                let near: Vec<String> = near.iter().map(|id| format!("`{id}`")).collect();
                format!(": did you mean {}?", near.join(" or "))
            }
        };
        Failed::Other(format!("no {} `{id}`{offer}", kind.word()))
    }

    /// Has a command carried out.
    ///
    /// # Errors
    /// It is refused, or nobody answers.
    pub(super) fn order(&mut self, command: &Command, manner: &Manner) -> Result<Outcome, Failed> {
        match self {
            Self::Files(files) => files.order(command, manner),
            Self::Sidecar(admin) => admin.order(command, manner),
        }
    }
}

/// Ids that begin with what was typed, else the nearest, as a whole or up to its first `@`.
fn near<'i>(id: &str, ids: &[&'i str]) -> Vec<&'i str> {
    let begins = |known: &&&str| known.get(..id.len()).is_some_and(|start| start.eq_ignore_ascii_case(id));
    let beginning: Vec<&str> = ids.iter().filter(begins).take(OFFERED_MAX).copied().collect();
    if !beginning.is_empty() && !id.is_empty() {
        return beginning;
    }
    let head = |known: &'i str| known.split('@').next().unwrap_or(known);
    let whole = nearest(id, ids.iter().copied());
    let by_head = nearest(id, ids.iter().map(|known| head(known)));
    match (whole, by_head) {
        (Some(whole), _) => vec![whole],
        (None, Some(near)) => ids.iter().filter(|known| head(known) == near).take(OFFERED_MAX).copied().collect(),
        (None, None) => Vec::new(),
    }
}
