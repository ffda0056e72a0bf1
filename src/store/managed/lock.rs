//! The lock on the files of a root: one process writes at a time, and leaves a mark for the others.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::mark::Mark;
use super::replace::{make_directory, take_after};

/// The file that is locked. It begins with a dot, so nobody reads it.
pub(super) const NAME: &str = "entities/managed/.lock";

/// Its name in its directory.
pub(super) const FILE: &str = ".lock";

/// Held while files are written; let go when dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub(in crate::store) struct Lock {
    file: File,
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

    /// Leaves a mark. It need not outlive the machine: no process does.
    ///
    /// # Errors
    /// The system does not let it be done.
    pub(in crate::store) fn leave(&self, mark: &Mark) -> io::Result<()> {
        self.file.set_len(0)?;
        (&self.file).seek(SeekFrom::Start(0))?;
        (&self.file).write_all(mark.text().as_bytes())
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
            file.set_permissions(Permissions::from_mode(mode_in(directory)?))?;
            Ok(file)
        }
        opened => {
            let file = opened?;
            // Whoever opened the directory to more or to fewer has opened this as well. It may be another's file.
            let mode = mode_in(directory)?;
            if file.metadata()?.mode() & 0o777 != mode {
                let _ = file.set_permissions(Permissions::from_mode(mode));
            }
            Ok(file)
        }
    }
}

/// The mode of the lock in a directory: it is for whoever may write there, and always for its owner, who may want to write
/// there again.
fn mode_in(directory: &Path) -> io::Result<u32> {
    let group_writes = fs::metadata(directory)?.mode() & 0o020 != 0;
    Ok(if group_writes { 0o660 } else { 0o600 })
}
