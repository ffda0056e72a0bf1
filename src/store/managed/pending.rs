//! A change of several files as one: first the whole of it is written down, then it reaches the files.
//!
//! From the moment at which `pending.json` stands, the change is made: whoever reads the root lays it over the files
//! that it has not reached yet, and whoever writes the root next finishes it first.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};

use super::super::files::Hash;
use super::lock::Lock;
use super::replace::{Hand, Held, Leaves, Replaced, content, remove, replace, replace_surely, tidy};
use super::{PENDING, hash_of, is_writable};

/// How many files are written at a time.
const HANDS: usize = 16;

/// A file before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Its path below the root.
    pub name: Arc<str>,
    /// What it held. None if there was no such file.
    pub before: Option<Arc<str>>,
    /// What it holds now. None if there is no such file any more.
    pub after: Option<Arc<str>>,
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
/// Where a file cannot be written, or somebody else has changed it, what was written already is taken back, so that a
/// file which nobody can write does not stand in the way of all that comes after.
///
/// # Errors
/// Nothing was changed; or, where that cannot even be taken back, somebody else's change is in the way of the rest.
pub(in crate::store) fn commit(
    root: &Path,
    _lock: &Lock,
    changes: &[&FileChange],
    leaves: Leaves<'_>,
) -> io::Result<Committed> {
    let hand = Hand { number: 0, leaves };
    if let [change] = changes {
        return Ok(match apply(hand, root, change)? {
            Replaced::Yes => Committed::Whole,
            Replaced::Overtaken => Committed::Overtaken,
        });
    }
    write_down(hand, root, changes.iter().copied())?;
    let applied = apply_all(leaves, root, changes);
    let Some(broken_off) = applied.iter().find(|applied| !matches!(applied, Some(Ok(Replaced::Yes)))) else {
        return Ok(forget(hand, root).map_or_else(Committed::Pending, |()| Committed::Whole));
    };
    let why = match broken_off {
        Some(Err(error)) => Err(io::Error::new(error.kind(), error.to_string())),
        _ => Ok(Committed::Overtaken),
    };
    // Whether or not a file that failed has its new content, it counts as one that may have it.
    let reached = changes.iter().zip(&applied);
    let reached = reached.filter(|(_, applied)| !matches!(applied, None | Some(Ok(Replaced::Overtaken))));
    let back: Vec<FileChange> = reached.map(|(change, _)| reversed(change)).collect();
    let is_overtaken = applied.iter().any(|applied| matches!(applied, Some(Ok(Replaced::Overtaken))));
    match take_back(hand, root, &back) {
        Ok(()) => why,
        Err(error) if !is_overtaken => Ok(Committed::Pending(error)),
        // What somebody else has changed is never finished: the root says so until a person mends it.
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("somebody has changed one of the files, and the others cannot be taken back: {error}"),
        )),
    }
}

/// How far a change has come.
#[derive(Debug)]
pub(in crate::store) enum Committed {
    /// All files are written.
    Whole,
    /// It is written down, and some file could not be written: it is laid over the files until it is.
    Pending(io::Error),
    /// Nothing was changed, since a file is not what it was before.
    Overtaken,
}

/// Undoes a change that has reached these files: they are what it takes to come back.
///
/// # Errors
/// The change still stands as it was written down.
fn take_back(hand: Hand<'_>, root: &Path, back: &[FileChange]) -> io::Result<()> {
    if back.is_empty() {
        return forget(hand, root);
    }
    // From here on the change is undone, whoever reads the root; what is left over is finished before the next.
    // Where the disk cannot make that safe, it still is what the files are led back by: the way forward is gone.
    replace(hand, &root.join(PENDING), &written_down(back.iter())?, Held::Anything)?;
    let back: Vec<&FileChange> = back.iter().collect();
    let is_back = |(change, applied): (&&FileChange, Option<io::Result<Replaced>>)| {
        matches!(applied, Some(Ok(Replaced::Yes)))
            || content(&root.join(&*change.name)).is_ok_and(|held| held.as_deref() == change.after.as_deref())
    };
    if back.iter().zip(apply_all(hand.leaves, root, &back)).all(is_back) {
        // If it cannot be removed, it says what is so anyway.
        let _ = forget(hand, root);
    }
    Ok(())
}

fn reversed(change: &FileChange) -> FileChange {
    FileChange {
        name: change.name.clone(),
        before: change.after.clone(),
        after: change.before.clone(),
    }
}

fn write_down<'c>(hand: Hand<'_>, root: &Path, changes: impl Iterator<Item = &'c FileChange>) -> io::Result<()> {
    replace_surely(hand, &root.join(PENDING), &written_down(changes)?)
}

fn written_down<'c>(changes: impl Iterator<Item = &'c FileChange>) -> io::Result<String> {
    let files = changes.map(|change| {
        let before = change.before.as_deref().map(|before| hex(&hash_of(before)));
        let after = change.after.clone();
        (change.name.to_string(), Written { before, after })
    });
    let pending = Pending { files: files.collect() };
    serde_json::to_string(&pending).map_err(io::Error::from)
}

fn forget(hand: Hand<'_>, root: &Path) -> io::Result<()> {
    remove(hand, &root.join(PENDING), Held::Anything).map(|_| ())
}

/// Finishes a change that was not finished. Says whether there was one.
///
/// A file that somebody has changed meanwhile is left alone, and alone stays written down, with what the change wanted
/// of it: the others are reached all the same.
///
/// # Errors
/// The system does not let it be done, or there is such a file.
pub(in crate::store) fn finish(root: &Path, _lock: &Lock) -> io::Result<bool> {
    // Whoever watches has not seen the rest of it yet.
    let hand = Hand {
        number: 0,
        leaves: &|_, _| {},
    };
    let Some(written) = content(&root.join(PENDING))? else {
        return Ok(false);
    };
    let broken = |message: String| io::Error::new(io::ErrorKind::InvalidData, format!("`{PENDING}`: {message}"));
    let mut pending = Pending::read(&written).map_err(broken)?;
    let mut changed = Vec::new();
    for name in pending.files.keys() {
        let before: Option<Arc<str>> = content(&root.join(name))?.map(Arc::from);
        let reached = match pending.stands(name, before.as_deref()) {
            Some(Stands::Before(after)) => {
                let change = FileChange {
                    name: name.as_str().into(),
                    before,
                    after,
                };
                apply(hand, root, &change)?
            }
            Some(Stands::Changed) => Replaced::Overtaken,
            Some(Stands::After) | None => Replaced::Yes,
        };
        if reached == Replaced::Overtaken {
            changed.push(name.clone());
        }
    }
    let directories: BTreeSet<PathBuf> =
        pending.names().filter_map(|name| Some(root.join(name).parent()?.into())).collect();
    directories.iter().for_each(|directory| tidy(directory, HANDS));
    let Some(first) = changed.first().cloned() else {
        forget(hand, root)?;
        return Ok(true);
    };
    if changed.len() < pending.files.len() {
        pending.files.retain(|name, _| changed.contains(name));
        let content = serde_json::to_string(&pending).map_err(io::Error::from)?;
        replace(hand, &root.join(PENDING), &content, Held::Anything)?;
    }
    Err(broken(format!(
        "`{first}` is neither what it was before the change nor what it is to be"
    )))
}

/// Lets a change that is written down reach its files, several at a time: a disk that is told of many files at once
/// makes them safe together, and one after the other each takes as long as all. Says of each file what came of it; none
/// of those that were not tried any more.
fn apply_all(leaves: Leaves<'_>, root: &Path, changes: &[&FileChange]) -> Vec<Option<io::Result<Replaced>>> {
    let share = changes.len().div_ceil(HANDS).max(1);
    let mut applied: Vec<Option<io::Result<Replaced>>> = changes.iter().map(|_| None).collect();
    let parts = changes.chunks(share).zip(applied.chunks_mut(share)).enumerate();
    thread::scope(|scope| {
        for (number, (changes, applied)) in parts {
            let hand = Hand { number, leaves };
            scope.spawn(move || {
                for (change, applied) in changes.iter().zip(applied) {
                    let result = applied.insert(apply(hand, root, change));
                    if !matches!(result, Ok(Replaced::Yes)) {
                        break;
                    }
                }
            });
        }
    });
    applied
}

fn apply(hand: Hand<'_>, root: &Path, change: &FileChange) -> io::Result<Replaced> {
    let path = root.join(&*change.name);
    let before = change.before.as_deref().map(hash_of);
    let held = Held::Exactly(before.as_ref());
    let applied = match change.after.as_deref() {
        Some(content) => replace(hand, &path, content, held),
        None => remove(hand, &path, held),
    };
    applied.map_err(|error| io::Error::new(error.kind(), format!("cannot write `{}`: {error}", change.name)))
}

pub(super) fn hex(hash: &Hash) -> String {
    use std::fmt::Write;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HAND: Hand<'static> = Hand {
        number: 0,
        leaves: &|_, _| {},
    };

    fn change(name: &str, before: Option<&str>, after: Option<&str>) -> FileChange {
        FileChange {
            name: name.into(),
            before: before.map(Arc::from),
            after: after.map(Arc::from),
        }
    }

    /// A change of a file in each of two directories, of one that comes and of one that goes.
    fn changes() -> Vec<FileChange> {
        vec![
            change("entities/a/one.yaml", Some("one"), Some("ONE")),
            change("entities/a/new.yaml", None, Some("NEW")),
            change("entities/a/old.yaml", Some("old"), None),
            change("entities/b/two.yaml", Some("two"), Some("TWO")),
        ]
    }

    fn lay(root: &Path) {
        for change in changes() {
            let path = root.join(&*change.name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            if let Some(before) = &change.before {
                fs::write(path, &**before).expect("a file");
            }
        }
    }

    fn is_as_before(root: &Path) -> bool {
        let held = |change: &FileChange| content(&root.join(&*change.name)).expect("a text");
        changes().iter().all(|change| held(change).as_deref() == change.before.as_deref())
    }

    fn commit_all(root: &Path) -> io::Result<Committed> {
        let lock = Lock::take(root, |_| false).expect("a file").expect("a lock");
        let changes = changes();
        commit(root, &lock, &changes.iter().collect::<Vec<_>>(), &|_, _| {})
    }

    #[test]
    fn a_change_reaches_all_of_its_files() {
        let root = tempfile::tempdir().expect("a directory");
        lay(root.path());
        assert!(matches!(commit_all(root.path()), Ok(Committed::Whole)));
        for change in changes() {
            let held = content(&root.path().join(&*change.name)).expect("a text");
            assert_eq!(held.as_deref(), change.after.as_deref(), "{}", change.name);
        }
        assert!(!root.path().join(PENDING).exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_all_as_they_were() {
        let root = tempfile::tempdir().expect("a directory");
        lay(root.path());
        // What a new content would be written to first is a directory with something in it, whichever hand it is.
        for hand in 0..HANDS {
            let suffix = if hand == 0 { String::new() } else { format!("-{hand}") };
            fs::create_dir_all(root.path().join(format!("entities/b/.gatepost-new{suffix}/x"))).expect("a directory");
        }
        let error = commit_all(root.path()).expect_err("an error").to_string();
        assert!(error.contains("`entities/b/two.yaml`"), "{error}");
        assert!(is_as_before(root.path()));
        assert!(!root.path().join(PENDING).exists(), "nothing stands in the way of the next");
    }

    #[test]
    fn a_file_that_somebody_changed_is_left_alone_and_so_are_the_others() {
        let root = tempfile::tempdir().expect("a directory");
        for name in changes().iter().map(|change| root.path().join(&*change.name)) {
            lay(root.path());
            let _ = fs::remove_file(root.path().join("entities/a/new.yaml"));
            fs::write(&name, "by hand").expect("a file");
            assert!(
                matches!(commit_all(root.path()), Ok(Committed::Overtaken)),
                "{}",
                name.display()
            );
            assert_eq!(fs::read_to_string(&name).expect("a file"), "by hand");
            fs::remove_file(&name).expect("removed");
            lay(root.path());
            assert!(is_as_before(root.path()), "{}", name.display());
            assert!(!root.path().join(PENDING).exists());
        }
    }

    #[test]
    fn what_is_taken_back_is_laid_over_the_files_until_it_is() {
        let root = tempfile::tempdir().expect("a directory");
        lay(root.path());
        let back: Vec<FileChange> = changes().iter().map(reversed).collect();
        // As if it had reached all files, and died once it had written down the way back.
        for change in changes() {
            let path = root.path().join(&*change.name);
            match &change.after {
                Some(after) => fs::write(path, &**after).expect("a file"),
                None => fs::remove_file(path).expect("removed"),
            }
        }
        write_down(HAND, root.path(), back.iter()).expect("written down");
        let leftover = root.path().join("entities/b/.gatepost-new-3");
        fs::write(&leftover, "half of").expect("a file");
        let lock = Lock::take(root.path(), |_| false).expect("a file").expect("a lock");
        assert!(finish(root.path(), &lock).expect("finished"));
        assert!(is_as_before(root.path()));
        assert!(!leftover.exists());
    }

    #[test]
    fn what_somebody_changed_alone_stays_written_down() {
        let root = tempfile::tempdir().expect("a directory");
        lay(root.path());
        write_down(HAND, root.path(), changes().iter()).expect("written down");
        let by_hand = root.path().join("entities/a/one.yaml");
        fs::write(&by_hand, "ONE, and more").expect("a file");
        let lock = Lock::take(root.path(), |_| false).expect("a file").expect("a lock");
        for _ in 0..2 {
            let error = finish(root.path(), &lock).expect_err("an error").to_string();
            assert!(error.contains("`entities/a/one.yaml`"), "{error}");
        }
        for change in &changes()[1..] {
            let held = content(&root.path().join(&*change.name)).expect("a text");
            assert_eq!(held.as_deref(), change.after.as_deref(), "{}", change.name);
        }
        assert_eq!(fs::read_to_string(&by_hand).expect("a file"), "ONE, and more");
        let left = content(&root.path().join(PENDING)).expect("a text").expect("a pending change");
        let left = Pending::read(&left).expect("a change");
        assert_eq!(left.names().collect::<Vec<_>>(), ["entities/a/one.yaml"]);
    }
}
