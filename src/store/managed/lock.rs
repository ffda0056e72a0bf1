//! The lock on the files of a root: one process writes at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::replace::make_directory;

/// The file that is locked. It begins with a dot, so nobody reads it.
const NAME: &str = "entities/managed/.lock";

/// How long another process may take with its change.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Held while files are written; let go when dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub(in crate::store) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a root, once nobody else has it.
    ///
    /// # Errors
    /// The root cannot be written to, or somebody else holds the lock for ten seconds.
    pub(in crate::store) fn take(root: &Path) -> io::Result<Self> {
        let path = root.join(NAME);
        if let Some(directory) = path.parent()
            && !directory.is_dir()
        {
            // Gatepost makes this directory, and no other: a root that is not there stays away.
            fs::metadata(root.join("entities"))?;
            make_directory(directory)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if since.elapsed() < WAIT_MAX => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(
                        io::ErrorKind::WouldBlock,
                        format!("another process has been writing for {} seconds", WAIT_MAX.as_secs()),
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}
