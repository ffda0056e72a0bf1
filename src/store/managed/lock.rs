//! The lock on the files of a root: one process writes at a time, and leaves a mark for the others.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::replace::{make_directory, take_after};

/// The file that is locked. It begins with a dot, so nobody reads it.
const NAME: &str = "entities/managed/.lock";

/// Its name in its directory.
pub(super) const FILE: &str = ".lock";

/// Held while files are written; let go when dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub(in crate::store) struct Lock {
    file: File,
}

/// What the process that wrote last has left in the lock. Whoever finds another one than the last time has not seen all
/// that was written: what two processes write may be good by itself and clash, such as two teams of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Mark(String);

impl Mark {
    /// The mark of a root, without its lock.
    pub(in crate::store) fn read(root: &Path) -> Self {
        // No lock was ever taken where there is none to read.
        Self(fs::read_to_string(root.join(NAME)).unwrap_or_default())
    }
}

impl Lock {
    /// Takes the lock of a root, once nobody else has it; none if that takes longer than somebody wants to wait, who is
    /// asked again and again.
    ///
    /// # Errors
    /// The root cannot be written to.
    pub(in crate::store) fn take(root: &Path, waits: impl Fn(Duration) -> bool) -> io::Result<Option<Self>> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot lock `{NAME}`: {error}"));
        let file = open(root).map_err(named)?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { file })),
                Err(TryLockError::WouldBlock) if waits(since.elapsed()) => thread::sleep(Duration::from_millis(2)),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(named(error)),
            }
        }
    }

    /// Leaves a mark that is like no other. It need not outlive the machine: no process does.
    ///
    /// # Errors
    /// The system does not let it be done.
    pub(in crate::store) fn leave_mark(&self) -> io::Result<Mark> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mark = format!("{} {}\n", std::process::id(), now.as_nanos());
        self.file.set_len(0)?;
        (&self.file).seek(SeekFrom::Start(0))?;
        (&self.file).write_all(mark.as_bytes())?;
        Ok(Mark(mark))
    }
}

/// Opens the file, or makes it. Who may write in its directory may lock it, and nobody else: a lock is held by whoever
/// can read its file.
fn open(root: &Path) -> io::Result<File> {
    let path = root.join(NAME);
    let Some(directory) = path.parent() else {
        return Err(io::Error::other("a path without a directory"));
    };
    if !directory.is_dir() {
        // Gatepost makes this directory, and no other: a root that is not there stays away.
        fs::metadata(root.join("entities"))?;
        make_directory(directory)?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    match options.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = options.create(true).truncate(false).mode(0o600).open(&path)?;
            // Of two that make it at once, both say the same.
            take_after(&file, directory, 0o660)?;
            Ok(file)
        }
        opened => opened,
    }
}
