//! The file with the key that encrypts the tokens of searches.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::serve::CursorKey;

/// Bytes of a key file.
const BYTES_MAX: u64 = 64 << 10;

/// Writing for the group, and anything for everybody else.
const REFUSED_MODE: u32 = 0o027;

/// Why a file is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system says so.
    #[error("cannot read the key in `{0}`: {1}; make one with `head -c 32 /dev/urandom`, or take the setting away")]
    Io(PathBuf, io::Error),
    /// Others could make tokens.
    #[error("refusing the key in `{0}`: its mode is {1:o}, and others may read or write it; `chmod 600` it")]
    Open(PathBuf, u32),
    /// Too short to be secret, or too long to be a key.
    #[error("refusing the key in `{0}`: it has {1} bytes, and must have from 32 to {BYTES_MAX}")]
    Length(PathBuf, u64),
}

/// Reads a key. The file is taken as it is, a line feed at its end too.
///
/// Its group may read it, since that is how orchestrators hand secrets to a process that is not root.
///
/// # Errors
/// The file cannot be read, others may, or it is too short.
pub(super) fn read(path: &Path) -> Result<CursorKey, KeyError> {
    let failed = |error| KeyError::Io(path.to_owned(), error);
    // A pipe would keep whoever opens it waiting.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no file")));
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & REFUSED_MODE != 0 {
        return Err(KeyError::Open(path.to_owned(), metadata.mode() & 0o777));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    let length = bytes.len() as u64;
    CursorKey::new(&bytes)
        .filter(|_| length <= BYTES_MAX)
        .ok_or_else(|| KeyError::Length(path.to_owned(), length))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_long_enough_and_nobody_elses() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        #[rustfmt::skip]
        let table = [
            (32, 0o600, ""),
            (32, 0o400, ""),
            (33, 0o640, ""),
            (31, 0o600, "it has 31 bytes"),
            (0, 0o600, "it has 0 bytes"),
            (70_000, 0o600, "must have from 32 to 65536"),
            (32, 0o644, "its mode is 644"),
            (32, 0o604, "its mode is 604"),
            (32, 0o602, "its mode is 602"),
            (32, 0o660, "its mode is 660"),
        ];
        for (length, mode, words) in table {
            let _ = fs::remove_file(&path);
            fs::write(&path, vec![7; length]).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
            let told = read(&path).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(told.is_empty(), words.is_empty(), "{length} {mode:o}: {told}");
            assert!(told.contains(words), "{length} {mode:o}: {told}");
        }
        let told = read(directory.path()).expect_err("a directory").to_string();
        assert!(told.contains("it is no file"), "{told}");
        let told = read(&directory.path().join("none")).expect_err("nothing").to_string();
        assert!(told.contains("No such file"), "{told}");
    }
}
