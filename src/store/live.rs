//! The one pointer to what is current, and what there is to say about it.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::watch;

use super::compile::Compiled;
use crate::directory::{Directory, Kind};
use crate::engine::{Fault, Faults, Snapshot};

/// One state of the world, as loaded.
#[derive(Debug)]
pub struct Generation {
    /// What decisions are made from.
    pub snapshot: Snapshot,
    /// The users, service users, teams and datastores that it was compiled from, as far as documents state them.
    pub directory: Arc<Directory>,
    /// Counts up from 1 in the life of a process.
    pub number: u64,
    /// When it went live.
    pub loaded_at: SystemTime,
    /// How long reading, compiling and rehearsing took.
    pub load_took: Duration,
    /// What was taken but should be looked at.
    pub warnings: Vec<Fault>,
}

/// How an account stands for which somebody speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is active; or it is nothing that a directory has, and known: then the policies alone say what it may do.
    Good,
    /// It is deactivated.
    Deactivated,
    /// There is none of this id, or no such type.
    Missing,
}

impl Generation {
    /// How an account stands. The type is an exact name, a short one or an alias.
    pub fn standing(&self, entity_type: &str, id: &str) -> Standing {
        standing(&self.snapshot, &self.directory, entity_type, id)
    }
}

/// How an account stands. The type is an exact name, a short one or an alias.
pub fn standing(snapshot: &Snapshot, directory: &Directory, entity_type: &str, id: &str) -> Standing {
    let Some(exact) = snapshot.entity_type(entity_type) else {
        return Standing::Missing;
    };
    // Who keeps no directory may speak for what is in no file.
    if directory.is_empty() {
        return Standing::Good;
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.is_account() && kind.entity_type() == exact);
    match kind.and_then(|kind| directory.account(kind, id)) {
        Some(account) if account.active => Standing::Good,
        Some(_) => Standing::Deactivated,
        None if snapshot.has_entity(exact, id) => Standing::Good,
        None => Standing::Missing,
    }
}

/// What was found last and is being refused.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Why.
    pub faults: Faults,
    /// Since when.
    pub since: SystemTime,
}

/// How changes are noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Watching {
    /// By events of the file system, and by sweeps.
    #[default]
    Events,
    /// By sweeps alone, for the reason given.
    Sweeps(String),
    /// Not at all: nothing changes.
    Never,
}

/// How loading goes.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The fault that keeps the files from going live, if there is one.
    pub pending: Option<Arc<Pending>>,
    /// When the files were looked at last.
    pub last_sweep: Option<Instant>,
    /// Loads that went live.
    pub loads: u64,
    /// Loads that were refused. A sweep over files that were refused already does not count.
    pub failures: u64,
    /// How changes are noticed.
    pub watching: Watching,
}

/// The current generation, for any number of readers and one writer.
#[derive(Debug)]
pub struct Live {
    current: ArcSwapOption<Generation>,
    status: Mutex<Status>,
    /// The number of the current generation; 0 before the first.
    published: watch::Sender<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            status: Mutex::default(),
            published: watch::Sender::new(0),
        }
    }
}

impl Live {
    /// The current generation, if one has ever loaded. Hold it for the whole of one request.
    pub fn current(&self) -> Guard<Option<Arc<Generation>>> {
        self.current.load()
    }

    /// How loading goes.
    pub fn status(&self) -> Status {
        self.lock().clone()
    }

    /// Tells each new generation's number.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// Makes a generation current, and hands back the one that was.
    pub(super) fn publish(&self, generation: Generation) -> Option<Arc<Generation>> {
        let number = generation.number;
        let before = self.current.swap(Some(Arc::new(generation)));
        self.change(|status| {
            status.pending = None;
            status.loads += 1;
        });
        self.published.send_replace(number);
        before
    }

    /// A live state that never changes.
    pub fn fixed(compiled: impl Into<Compiled>) -> Self {
        let live = Self::default();
        let Compiled { snapshot, directory } = compiled.into();
        live.publish(Generation {
            snapshot,
            directory,
            number: 1,
            loaded_at: SystemTime::now(),
            load_took: Duration::ZERO,
            warnings: Vec::new(),
        });
        live.change(|status| status.watching = Watching::Never);
        live
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Status> {
        // A panic while the status was held leaves a status that can still be told.
        self.status.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
