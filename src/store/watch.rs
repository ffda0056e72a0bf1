//! Events of the file system, as hints to look.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// Watches directories, each by itself, and calls back for what happens in them.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    shared: Arc<Shared>,
}

/// What the watcher's own thread needs.
struct Shared {
    /// Device and inode of each watched directory: a new one at an old path needs a new watch.
    watched: Mutex<HashMap<PathBuf, (u64, u64)>>,
    hint: Box<dyn Fn() + Send + Sync>,
}

impl Watch {
    /// Nothing is watched yet; `hint` will be called from another thread for each event.
    pub(super) fn new(hint: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            watcher: None,
            shared: Arc::new(Shared {
                watched: Mutex::default(),
                hint: Box::new(hint),
            }),
        }
    }

    /// Watches just these directories. Says whether any of them was not watched before, so that something may have
    /// happened there unseen.
    ///
    /// # Errors
    /// The system has no watch to spare, or no events at all. What could be watched is watched.
    pub(super) fn update(&mut self, directories: &BTreeSet<PathBuf>) -> Result<bool, String> {
        let wanted: HashMap<&Path, (u64, u64)> = directories
            .iter()
            .filter_map(|path| {
                let metadata = fs::metadata(path).ok()?;
                Some((path.as_path(), (metadata.dev(), metadata.ino())))
            })
            .collect();
        let mut gone = Vec::new();
        self.shared.watched().retain(|path, identity| {
            let stays = wanted.get(path.as_path()) == Some(identity);
            if !stays {
                gone.push(path.clone());
            }
            stays
        });
        for path in gone {
            if let Some(watcher) = &mut self.watcher {
                // The directory may be gone, and its watch with it.
                let _ = watcher.unwatch(&path);
            }
        }
        let mut fresh = false;
        for (path, identity) in wanted {
            if self.shared.watched().contains_key(path) {
                continue;
            }
            let watcher = match &mut self.watcher {
                Some(watcher) => watcher,
                none => none.insert(watcher(self.shared.clone())?),
            };
            // A watch that the system dropped, because its directory went, may still be in the watcher's books.
            let _ = watcher.unwatch(path);
            watcher
                .watch(path, RecursiveMode::NonRecursive)
                .map_err(|error| format!("cannot watch `{}`: {error}", path.display()))?;
            self.shared.watched().insert(path.to_owned(), identity);
            fresh = true;
        }
        Ok(fresh)
    }

    /// Forgets all watches: what they say is not trusted any more.
    pub(super) fn reset(&mut self) {
        self.watcher = None;
        self.shared.watched().clear();
    }
}

impl Shared {
    fn watched(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, (u64, u64)>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happened(&self, event: notify::Result<notify::Event>) {
        match event {
            Ok(event) if is_our_own_reading(&event.kind) => return,
            // A watched directory that has gone takes its watch along, and the next one at its path may have the same
            // inode: forget it, so that it is watched anew.
            Ok(event) => {
                let mut watched = self.watched();
                if !matches!(event.kind, EventKind::Access(_)) {
                    for path in &event.paths {
                        watched.remove(path);
                    }
                }
                if event.need_rescan() {
                    watched.clear();
                }
            }
            Err(_) => self.watched().clear(),
        }
        (self.hint)();
    }
}

fn watcher(shared: Arc<Shared>) -> Result<RecommendedWatcher, String> {
    notify::recommended_watcher(move |event| shared.happened(event))
        .map_err(|error| format!("no events from the file system: {error}"))
}

/// Opening and reading are events too, and we do both.
fn is_our_own_reading(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}
