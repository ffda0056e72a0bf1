//! Events of the file system, as hints to look.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::files::Names;
use super::managed;

/// Watches directories, each by itself, and calls back for what happens in them.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    shared: Arc<Shared>,
}

/// What the watcher's own thread needs.
struct Shared {
    watched: Mutex<HashMap<PathBuf, Watched>>,
    own: Own,
    hint: Box<dyn Fn() + Send + Sync>,
}

/// Files that gatepost wrote itself, and how it left them; none if it removed them. An event of such a file tells
/// nothing new as long as the file is so, and a flow of commands is not to look like somebody who is not done yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Own(Arc<Mutex<HashMap<PathBuf, Lefts>>>);

/// How a file is left now, or is about to be in a moment, and how it was left before.
#[derive(Clone, Copy, Debug)]
struct Lefts {
    now: Option<Left>,
    before: Option<Option<Left>>,
    since: Instant,
}

/// For how long a file may still be as it was left before: between the word that it will be another and the rename. Later,
/// it is somebody else who has brought that back.
const IN_BETWEEN: Duration = Duration::from_millis(100);

/// Device, inode, size and time of change of a file. A rename changes none of it.
type Left = (u64, u64, u64, i64, i64);

impl Own {
    /// Says how a file is going to be left, before it is.
    pub(super) fn leave(&self, path: &Path, metadata: Option<&Metadata>) {
        let now = metadata.map(left);
        let path = resolved(path);
        let mut files = self.files();
        let before = files.get(&path).map(|known| known.now);
        let since = Instant::now();
        files.insert(path, Lefts { now, before, since });
    }

    /// Whether a file is as it was left.
    fn is_left(&self, path: &Path) -> bool {
        let Some(known) = self.files().get(path).copied() else { return false };
        let found = match fs::symlink_metadata(path) {
            Ok(metadata) => Some(left(&metadata)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(_) => return false,
        };
        found == known.now || known.before == Some(found) && known.since.elapsed() < IN_BETWEEN
    }

    fn files(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Lefts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path as events have it: without links above the file.
fn resolved(path: &Path) -> PathBuf {
    let parent = path.parent().and_then(|parent| fs::canonicalize(parent).ok());
    parent
        .zip(path.file_name())
        .map_or_else(|| path.to_owned(), |(parent, name)| parent.join(name))
}

fn left(metadata: &Metadata) -> Left {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

/// A directory that is watched.
struct Watched {
    /// Device and inode: a new directory at an old path needs a new watch.
    identity: (u64, u64),
    names: Names,
}

impl Watch {
    /// Nothing is watched yet; `hint` will be called from another thread for each event that is not of what gatepost left.
    pub(super) fn new(own: Own, hint: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            watcher: None,
            shared: Arc::new(Shared {
                watched: Mutex::default(),
                own,
                hint: Box::new(hint),
            }),
        }
    }

    /// Watches just these directories. Says whether any of them was not watched before, so that something may have
    /// happened there unseen.
    ///
    /// # Errors
    /// The system has no watch to spare, or no events at all. What could be watched is watched.
    pub(super) fn update(&mut self, directories: &BTreeMap<PathBuf, Names>) -> Result<bool, String> {
        let wanted: HashMap<&Path, (u64, u64)> = directories
            .keys()
            .filter_map(|path| {
                let metadata = fs::metadata(path).ok()?;
                Some((path.as_path(), (metadata.dev(), metadata.ino())))
            })
            .collect();
        let mut gone = Vec::new();
        self.shared.watched().retain(|path, watched| {
            let stays = wanted.get(path.as_path()) == Some(&watched.identity);
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
        for (path, names) in directories {
            let Some(&identity) = wanted.get(path.as_path()) else { continue };
            let names = names.clone();
            if let Some(known) = self.shared.watched().get_mut(path) {
                fresh |= known.names != names;
                known.names = names;
                continue;
            }
            let watcher = match &mut self.watcher {
                Some(watcher) => watcher,
                none => none.insert(watcher(self.shared.clone())?),
            };
            // A watch that the system dropped, because its directory went, may still be in the watcher's books.
            let _ = watcher.unwatch(path);
            // Known first: what happens from the moment of watching on is not to be missed.
            self.shared.watched().insert(path.clone(), Watched { identity, names });
            if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
                self.shared.watched().remove(path);
                return Err(format!("cannot watch `{}`: {error}", path.display()));
            }
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
    fn watched(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happened(&self, event: notify::Result<notify::Event>) {
        if self.matters(event) {
            (self.hint)();
        }
    }

    fn matters(&self, event: notify::Result<notify::Event>) -> bool {
        let mut watched = self.watched();
        let event = match event {
            Ok(event) if is_our_own_reading(&event.kind) => return false,
            Ok(event) if !event.need_rescan() => event,
            // Events were lost, and with them perhaps the end of a watch.
            Ok(_) | Err(_) => {
                watched.clear();
                return true;
            }
        };
        let mut matters = event.paths.is_empty();
        for path in &event.paths {
            // A watched directory that has gone takes its watch along, and those of all directories below it; the next
            // one at its path may have the same inode. Forget them, so that they are watched anew.
            let goes = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
            let before = watched.len();
            watched.retain(|known, _| if goes { !known.starts_with(path) } else { known != path });
            let of_itself = watched.len() < before;
            let in_parent = path.parent().zip(path.file_name());
            matters |= of_itself
                || in_parent.is_some_and(|(parent, name)| {
                    watched.get(parent).is_none_or(|directory| directory.names.has(name))
                        && !managed::is_passing(name)
                        && !self.own.is_left(path)
                });
        }
        matters
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
