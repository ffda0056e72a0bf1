//! The file with the hashes of tokens: read again when it changes, and written whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustix::fs::{FlockOperation, flock};

use crate::callers::{Callers, TokenError, TokenSource};

/// Its name in a root.
pub const TOKENS_FILE: &str = "tokens.json";

/// Bytes of the file.
const BYTES_MAX: u64 = 4 << 20;

/// Writing for the group, and anything for everybody else.
const REFUSED_MODE: u32 = 0o027;

/// How long a look at the file is good for: after that time each sidecar goes by what it says.
pub const LOOK: Duration = Duration::from_millis(100);

/// How long another process may take with a change of them.
const HELD_MAX: Duration = Duration::from_secs(10);

/// Why there are no tokens, or none new.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The system says so.
    #[error("cannot read the tokens in `{0}`: {1}")]
    Io(PathBuf, io::Error),
    /// Others could add tokens, or read what is kept of them.
    #[error("refusing the tokens in `{0}`: its mode is {1:o}, and others may read or write it; `chmod 600` it")]
    Open(PathBuf, u32),
    /// More than anybody's tokens are.
    #[error("refusing the tokens in `{0}`: it has more than {BYTES_MAX} bytes")]
    TooLarge(PathBuf),
    /// It says what cannot be.
    #[error("refusing the tokens in `{0}`: {1}")]
    Content(PathBuf, TokenError),
    /// What is to be added has no room.
    #[error("the tokens in `{0}` would have more than {BYTES_MAX} bytes: revoke some that nobody uses")]
    Full(PathBuf),
    /// The file is good, and what is to be changed in it cannot be.
    #[error(transparent)]
    Change(TokenError),
    /// What is to change cannot be put on record, so it is not changed.
    #[error("{0}")]
    Record(io::Error),
    /// They are wanted, and there are none.
    #[error("there is no token in `{0}` that is good today: make one with `{1}`")]
    None(PathBuf, String),
    /// They are wanted, and nobody says where they are.
    #[error("the built-in model has no tokens: set `callers.tokens_file`, or serve a root")]
    Nowhere,
}

impl TokensError {
    /// Whether there is no file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io(_, error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// What tells that a file has changed without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// A file of tokens that is looked at as long as it is asked for.
#[derive(Debug)]
pub struct TokensFile {
    path: PathBuf,
    current: ArcSwap<Callers>,
    looked: Mutex<Looked>,
}

#[derive(Debug)]
struct Looked {
    at: Instant,
    stamp: Option<Stamp>,
    fault: Option<String>,
}

impl TokensFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// It cannot be read, others may, or it says what cannot be.
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        let (callers, stamp) = read(path)?;
        Ok(Self {
            path: path.to_owned(),
            current: ArcSwap::from_pointee(callers),
            looked: Mutex::new(Looked {
                at: Instant::now(),
                stamp: Some(stamp),
                fault: None,
            }),
        })
    }

    /// Reads the file again if it has changed. One that cannot be read changes nothing but what is told of it. One that is
    /// gone ends all tokens: whoever takes it away means that, and would not look whether they had really ended.
    fn look(&self) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.at.elapsed() < LOOK {
            return;
        }
        looked.at = Instant::now();
        let stamp = fs::metadata(&self.path).ok().map(|metadata| stamp(&metadata));
        if stamp.is_some() && stamp == looked.stamp {
            return;
        }
        let fault = match read(&self.path) {
            Ok((callers, stamp)) => {
                tracing::info!(tokens = callers.tokens().count(), "read the tokens again");
                self.current.store(Arc::new(callers));
                looked.stamp = Some(stamp);
                None
            }
            Err(error) if error.is_absent() => {
                self.current.store(Arc::default());
                looked.stamp = None;
                Some(format!("{error}; no token is good until it is there again"))
            }
            Err(error) => Some(format!("{error}; the tokens that were good before still are")),
        };
        if fault != looked.fault {
            if let Some(fault) = &fault {
                tracing::error!("{fault}");
            }
            looked.fault = fault;
        }
    }
}

impl TokenSource for TokensFile {
    fn current(&self) -> Arc<Callers> {
        self.look();
        self.current.load_full()
    }

    fn fault(&self) -> Option<String> {
        self.look();
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).fault.clone()
    }
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    Stamp {
        inode: metadata.ino(),
        bytes: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// Reads the tokens of a file.
fn read(path: &Path) -> Result<(Callers, Stamp), TokensError> {
    let failed = |error| TokensError::Io(path.to_owned(), error);
    // A pipe would keep whoever opens it waiting.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & REFUSED_MODE != 0 {
        return Err(TokensError::Open(path.to_owned(), metadata.mode() & 0o777));
    }
    let mut text = String::new();
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(TokensError::TooLarge(path.to_owned()));
    }
    let callers = Callers::read(&text).map_err(|error| TokensError::Content(path.to_owned(), error))?;
    Ok((callers, stamp(&metadata)))
}

/// The tokens of a file; none if there is no such file yet.
///
/// # Errors
/// It cannot be read, others may, or it says what cannot be.
pub fn read_tokens(path: &Path) -> Result<Callers, TokensError> {
    match read(path) {
        Ok((callers, _)) => Ok(callers),
        Err(error) if error.is_absent() => Ok(Callers::default()),
        Err(error) => Err(error),
    }
}

/// Changes the tokens of a file, one process after the other, and writes it whole: whoever reads it has the old ones or
/// the new ones.
///
/// # Errors
/// It cannot be read or written, or the change cannot be made.
pub fn change_tokens<T>(
    path: &Path,
    change: impl FnOnce(&mut Callers) -> Result<T, TokenError>,
) -> Result<T, TokensError> {
    change_tokens_on_record(path, change, |_, _| Ok(()))
}

/// The same, with something that is done once the change can be made and before it is: with the tokens before and after.
///
/// # Errors
/// It cannot be read or written, the change cannot be made, or not be put on record.
pub fn change_tokens_on_record<T>(
    path: &Path,
    change: impl FnOnce(&mut Callers) -> Result<T, TokenError>,
    record: impl FnOnce(&Callers, &Callers) -> io::Result<()>,
) -> Result<T, TokensError> {
    let failed = |error: io::Error| TokensError::Io(path.to_owned(), error);
    // What a link leads to is replaced, and not the link.
    let linked = fs::canonicalize(path);
    let path = linked.as_deref().unwrap_or(path);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let _held = hold(path, directory).map_err(failed)?;
    let before = read_tokens(path)?;
    let mut callers = before.clone();
    let made = change(&mut callers).map_err(TokensError::Change)?;
    let text = callers.to_text();
    // What would not be read again is not written; taking some away is always a step to where it can be read.
    if text.len() as u64 > BYTES_MAX && callers.tokens().count() > before.tokens().count() {
        return Err(TokensError::Full(path.to_owned()));
    }
    record(&before, &callers).map_err(TokensError::Record)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = directory.join(format!(".{name}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| {
            give(&file, path, directory)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, path)?;
            File::open(directory)?.sync_all()
        });
    if let Err(error) = written {
        let _ = fs::remove_file(&fresh);
        return Err(failed(error));
    }
    Ok(made)
}

/// Holds the tokens against other processes that change them. It is their file that is locked, which nobody else may
/// open, and its directory only where there is no such file yet.
fn hold(path: &Path, directory: &Path) -> io::Result<File> {
    let since = Instant::now();
    loop {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(file?),
        };
        let held = match file {
            Some(file) => file,
            None => File::open(directory)?,
        };
        match flock(&held, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let metadata = held.metadata()?;
                let is_there = match fs::metadata(path) {
                    Ok(named) => (named.dev(), named.ino()) == (metadata.dev(), metadata.ino()),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => metadata.is_dir(),
                    Err(error) => return Err(error),
                };
                // Somebody has replaced it meanwhile, and holds the new one if anybody does.
                if is_there {
                    return Ok(held);
                }
            }
            Err(rustix::io::Errno::WOULDBLOCK) if since.elapsed() < HELD_MAX => thread::sleep(Duration::from_millis(5)),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let message = format!("another process has held them for {} seconds", HELD_MAX.as_secs());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, message));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Gives a new file the owner of the one that it replaces, or else of its directory: whoever serves reads it afterwards
/// too, if root makes a token for them.
fn give(new: &File, path: &Path, directory: &Path) -> io::Result<()> {
    let owner = |metadata: &fs::Metadata| (metadata.uid(), metadata.gid());
    let before = fs::metadata(path).ok();
    let made = owner(&new.metadata()?);
    match before {
        Some(before) => {
            if owner(&before) != made {
                fchown(new, Some(before.uid()), Some(before.gid()))?;
            }
            // The service may read by its group.
            new.set_permissions(fs::Permissions::from_mode(before.mode() & 0o640 | 0o600))
        }
        None => {
            let (uid, gid) = owner(&fs::metadata(directory)?);
            // Who is not root gives nothing away; then it stays with whoever made it, and so does its mode.
            if (uid, gid) != made {
                let _ = fchown(new, Some(uid), Some(gid));
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::callers::{Principal, Scope};

    fn make(path: &Path, name: &str) -> String {
        let principal = Principal {
            entity_type: "ServiceUser".to_owned(),
            id: "sync".to_owned(),
        };
        let make = |callers: &mut Callers| callers.create(name, principal, &[Scope::Scim], Utc::now(), None);
        change_tokens(path, make).expect("a token").reveal().to_owned()
    }

    #[test]
    fn who_may_read_the_tokens_still_may_and_who_may_not_holds_nothing_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(TOKENS_FILE);
        let mode = |path: &Path| fs::metadata(path).expect("metadata").mode() & 0o777;
        make(&path, "one");
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
        // Whoever may read the directory may lock it.
        let stranger = File::open(directory.path()).expect("a directory");
        stranger.lock().expect("locked");
        make(&path, "two");
        assert_eq!(mode(&path), 0o640);
        // Of many at once none is lost.
        thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || make(path, &format!("many-{number}")));
            }
        });
        assert_eq!(read_tokens(&path).expect("tokens").tokens().count(), 10);
    }

    #[test]
    fn more_tokens_than_would_be_read_again_are_not_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(TOKENS_FILE);
        let create = |name: &str| {
            let principal = Principal {
                entity_type: "User".to_owned(),
                id: "u".repeat(1_300_000),
            };
            change_tokens(&path, |callers: &mut Callers| {
                callers.create(name, principal, &[Scope::Admin], Utc::now(), None).map(drop)
            })
        };
        for name in ["one", "two", "three"] {
            create(name).expect("room");
        }
        assert!(matches!(create("four"), Err(TokensError::Full(_))));
        assert_eq!(read_tokens(&path).expect("what is written can be read").tokens().count(), 3);
        assert!(change_tokens(&path, |callers| Ok(callers.revoke("one"))).expect("room is made"));
        create("four").expect("room");
    }

    #[test]
    fn a_file_of_tokens_is_nobody_elses() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(TOKENS_FILE);
        make(&path, "one");
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
        for (mode, good) in [
            (0o600, true),
            (0o400, true),
            (0o640, true),
            (0o644, false),
            (0o660, false),
            (0o602, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            assert_eq!(TokensFile::open(&path).is_ok(), good, "{mode:o}");
        }
        assert!(TokensFile::open(directory.path()).is_err());
        assert!(matches!(
            TokensFile::open(&directory.path().join("none")),
            Err(TokensError::Io(..))
        ));
    }

    #[test]
    fn what_changes_counts_soon_what_breaks_changes_nothing_and_what_is_gone_ends_all() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(TOKENS_FILE);
        let first = make(&path, "first");
        let tokens = TokensFile::open(&path).expect("tokens");
        let is_good = |token: &str| tokens.current().find(token, Scope::Scim, Utc::now()).is_ok();
        let comes = |what: &dyn Fn() -> bool| {
            let since = Instant::now();
            while !what() {
                assert!(since.elapsed() < Duration::from_secs(5), "it does not come");
                std::thread::yield_now();
            }
        };
        assert!(is_good(&first));
        let second = make(&path, "second");
        comes(&|| is_good(&second));
        assert!(is_good(&first));
        fs::write(&path, "{").expect("a file");
        comes(&|| tokens.fault().is_some());
        assert!(is_good(&first) && is_good(&second));
        fs::remove_file(&path).expect("a file");
        // Who takes the file away wants all tokens to end, and a fault that says so.
        comes(&|| tokens.fault().is_some_and(|fault| fault.contains("no token is good")));
        assert!(!is_good(&first) && !is_good(&second));
        let third = make(&path, "third");
        comes(&|| is_good(&third));
        assert!(tokens.fault().is_none() && !is_good(&first));
    }

    #[test]
    fn a_first_token_that_root_makes_is_its_directorys_owners() {
        let directory = tempfile::tempdir().expect("a directory");
        let owner =
            |path: &Path| fs::metadata(path).map(|metadata| (metadata.uid(), metadata.gid())).expect("an owner");
        // Only root gives files away; for anybody else, this holds that what they make stays theirs.
        let _ = std::os::unix::fs::chown(directory.path(), Some(1234), Some(1235));
        let path = directory.path().join(TOKENS_FILE);
        for name in ["one", "two"] {
            make(&path, name);
            assert_eq!(owner(&path), owner(directory.path()));
            assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn many_that_make_tokens_at_once_lose_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(TOKENS_FILE);
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || make(path, &format!("token-{number}")));
            }
        });
        assert_eq!(read_tokens(&path).expect("tokens").tokens().count(), 16);
    }
}
