//! One file replaced: whoever reads it, and whatever happens, there is the old content or the new.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid};

/// What a new content is written to first, beside the file that it replaces, with the number of the hand that writes it.
/// There is one writer, so these names will do; what a killed one left is overwritten by the next. They begin with a dot,
/// so nobody reads them.
const TEMPORARY: &str = ".gatepost-new";

/// Replaces a file, or makes it. Mode and owner stay as they are. Behind a link it is the target that is replaced.
///
/// # Errors
/// The system does not let it be done, or the owner could not be kept. The file is as it was then.
pub(super) fn replace(path: &Path, content: &str) -> io::Result<()> {
    replace_by(0, path, content)
}

/// The same by one of several hands, which write at the same time.
///
/// # Errors
/// Those of [`replace`].
pub(super) fn replace_by(hand: usize, path: &Path, content: &str) -> io::Result<()> {
    let target = target_of(path)?;
    let directory = parent(&target)?;
    if !directory.is_dir() {
        make_directory(directory)?;
    }
    let temporary = directory.join(match hand {
        0 => TEMPORARY.to_owned(),
        hand => format!("{TEMPORARY}-{hand}"),
    });
    let written = write(&temporary, &target, content).and_then(|()| fs::rename(&temporary, &target));
    if written.is_err() {
        // What cannot be written may still be removed; if not, the next write does it.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync(directory)
}

/// Removes a file, if it is there.
///
/// # Errors
/// The system does not let it be done.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync(parent(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a directory and those above it, so that they are still there after a crash.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path)?;
    make_directory(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync(above),
    }
}

/// The file itself, where the path is a link.
fn target_of(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        // A link that leads nowhere is an error here, and not a file to make.
        Ok(_) => fs::canonicalize(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

fn write(temporary: &Path, target: &Path, content: &str) -> io::Result<()> {
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = match fs::metadata(target) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mode = before.as_ref().map_or(0o666, |before| before.mode() & 0o7777);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary)?;
    if let Some(before) = before {
        keep(&file, &before)?;
    }
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

/// Gives a new file the owner and the mode of the one that it replaces.
fn keep(file: &File, before: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    let changed = |now: u32, before: u32| (now != before).then_some(before);
    let owner = changed(now.uid(), before.uid()).map(Uid::from_raw);
    let group = changed(now.gid(), before.gid()).map(Gid::from_raw);
    if owner.is_some() || group.is_some() {
        rustix::fs::fchown(file, owner, group).map_err(|error| {
            let (uid, gid) = (before.uid(), before.gid());
            let message = format!("its owner {uid}:{gid} could not be kept: {error}");
            io::Error::new(io::Error::from(error).kind(), message)
        })?;
    }
    // After the owner, since a change of owner takes some bits away; and whatever the umask is.
    file.set_permissions(before.permissions())
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::other("a path without a directory"))
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_a_link() {
        let root = tempfile::tempdir().expect("a directory");
        let (file, link) = (root.path().join("deep/er/file.yaml"), root.path().join("link.yaml"));
        replace(&file, "one").expect("a new file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
        symlink("deep/er/file.yaml", &link).expect("a link");
        replace(&link, "two").expect("a replaced file");
        assert_eq!(fs::read_to_string(&file).expect("a file"), "two");
        assert_eq!(fs::metadata(&file).expect("a file").mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        let beside: Vec<_> = fs::read_dir(root.path().join("deep/er")).expect("a directory").collect();
        assert_eq!(beside.len(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_a_killed_writer_left_is_in_nobodys_way() {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join("file.yaml");
        fs::write(root.path().join(TEMPORARY), "half of").expect("a leftover");
        replace(&file, "whole").expect("a file");
        assert_eq!(fs::read_to_string(&file).expect("a file"), "whole");
        assert!(!root.path().join(TEMPORARY).exists());
        remove(&file).expect("removed");
        remove(&file).expect("removed twice");
        assert!(!file.exists());
    }

    #[test]
    fn a_link_that_leads_nowhere_is_refused() {
        let root = tempfile::tempdir().expect("a directory");
        let link = root.path().join("link.yaml");
        symlink("nowhere.yaml", &link).expect("a link");
        assert_eq!(replace(&link, "x").expect_err("an error").kind(), io::ErrorKind::NotFound);
        assert!(!root.path().join("nowhere.yaml").exists());
    }
}
