//! Where the directory is: in the files of a root, or with a running sidecar.

use serde_json::Value;

use super::PlaceArgs;
use super::admin::Admin;
use super::files::Files;
use super::outcome::Outcome;
use super::typed;
use crate::cli::source::Failed;
use crate::directory::{Command, Key, Kind, fold};
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

    /// A revision that what is asked next is answered by, or by a later one.
    ///
    /// # Errors
    /// Nobody answers.
    pub(super) fn revision_before(&mut self, key: &Key) -> Result<Option<String>, Failed> {
        if self.revision().is_none() {
            self.find(key)?;
        }
        Ok(self.revision().map(str::to_owned))
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

    /// The entry of a kind that was typed: its id, or that behind the kind, as in `user:ana@example.com`.
    ///
    /// # Errors
    /// There is none, and what is near; or nobody answers.
    pub(super) fn known(&mut self, kind: Kind, text: &str) -> Result<Key, Failed> {
        let typed = typed::kind_of(text).filter(|(typed, _)| *typed == kind).map(|(_, id)| id);
        for id in [Some(text), typed].into_iter().flatten() {
            let key = Key::new(kind, id);
            if self.find(&key)?.is_some() {
                return Ok(key);
            }
        }
        Err(self.unknown(kind, typed.unwrap_or(text)))
    }

    /// Says that an id is unknown, and what may be meant.
    pub(super) fn unknown(&mut self, kind: Kind, id: &str) -> Failed {
        for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
            if self.find(&Key::new(other, id)).is_ok_and(|found| found.is_some()) {
                return Failed::Other(format!("no {} `{id}`: there is a {} of that id", kind.word(), other.word()));
            }
        }
        let known = self.all(kind).unwrap_or_default();
        let named = |entry: &&Value| entry["name"].as_str().is_some_and(|name| fold(name) == fold(id));
        let named: Vec<&str> = known.iter().filter(named).filter_map(|entry| entry["id"].as_str()).collect();
        if let [only] = named.as_slice() {
            return Failed::Other(format!("no {} has the id `{id}`: it is the name of `{only}`", kind.word()));
        }
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
