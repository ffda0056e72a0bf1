//! One file replaced: whoever reads it, and whatever happens, there is the old content or the new.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid, XattrFlags};
use tracing::error;

use super::hash_of;
use crate::store::files::Hash;

/// What a new content is written to first, beside the file that it replaces, with the number of the hand that writes it.
/// There is one writer, so these names will do; what a killed one left is overwritten by the next. They begin with a dot,
/// so nobody reads them.
pub(super) const TEMPORARY: &str = ".gatepost-new";

/// Bytes of the names of a file's extended attributes, or of the value of one, as Linux bounds them.
const ATTRIBUTE_BYTES_MAX: usize = 64 << 10;

/// What a file has to hold for it to be replaced or removed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Held<'h> {
    /// Whatever it is.
    Anything,
    /// A content of this hash, or there is no such file.
    Exactly(Option<&'h Hash>),
}

/// Whether a file was replaced or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    Yes,
    /// It holds something else by now, and was left alone.
    Overtaken,
}

/// Who writes: one of several hands, which may write at the same time, and who is told how a file is going to be left,
/// before it is: with none where it is removed.
#[derive(Clone, Copy)]
pub(super) struct Hand<'w> {
    pub(super) number: usize,
    pub(super) leaves: Leaves<'w>,
}

/// Who is told how files are left.
pub(in crate::store) type Leaves<'w> = &'w (dyn Fn(&Path, Option<&Metadata>) + Sync);

/// Replaces a file, or makes it. Mode, owner and further attributes stay as they are; a new file is as open as its
/// directory, and has its owner. Behind a link it is the target that is replaced.
///
/// What the file holds is looked at last of all: making the new content safe takes milliseconds, in which a person may
/// save it.
///
/// # Errors
/// The system does not let it be done, or the owner could not be kept. The file is as it was then.
pub(super) fn replace(hand: Hand<'_>, path: &Path, content: &str, held: Held<'_>) -> io::Result<Replaced> {
    let replaced = rename_over(hand, path, content, held)?;
    if replaced == Replaced::Yes {
        synced(path);
    }
    Ok(replaced)
}

/// The same for a file that others depend on: it is taken away again where it may not outlive a power cut.
///
/// # Errors
/// Those of [`replace`], and that.
pub(super) fn replace_surely(hand: Hand<'_>, path: &Path, content: &str) -> io::Result<()> {
    rename_over(hand, path, content, Held::Anything)?;
    parent(path).and_then(sync).inspect_err(|_| {
        if let Err(error) = remove(hand, path, Held::Anything) {
            error!(%error, path = %path.display(), "cannot take away what could not be made safe");
        }
    })
}

fn rename_over(hand: Hand<'_>, path: &Path, content: &str, held: Held<'_>) -> io::Result<Replaced> {
    let target = target_of(path)?;
    let directory = parent(&target)?;
    if !directory.is_dir() {
        make_directory(directory)?;
    }
    let temporary = temporary(directory, hand.number);
    let written = write(&temporary, &target, content).and_then(|()| {
        if !holds(path, held)? {
            return Ok(Replaced::Overtaken);
        }
        (hand.leaves)(&target, Some(&fs::metadata(&temporary)?));
        fs::rename(&temporary, &target)?;
        Ok(Replaced::Yes)
    });
    if !matches!(written, Ok(Replaced::Yes)) {
        // What cannot be written may still be removed; if not, the next write does it.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Makes a change of a directory safe. The change stands either way, so a disk that fails is told of and no more.
fn synced(path: &Path) {
    let target = target_of(path).unwrap_or_else(|_| path.to_owned());
    if let Err(error) = parent(&target).and_then(sync) {
        error!(%error, path = %path.display(), "a change stands, and may not outlive a power cut");
    }
}

fn temporary(directory: &Path, hand: usize) -> PathBuf {
    directory.join(match hand {
        0 => TEMPORARY.to_owned(),
        hand => format!("{TEMPORARY}-{hand}"),
    })
}

/// Removes what killed hands have left in a directory.
pub(super) fn tidy(directory: &Path, hands: usize) {
    for hand in 0..hands {
        // What stays is in nobody's way.
        let _ = fs::remove_file(temporary(directory, hand));
    }
}

/// Removes a file, if it is there.
///
/// # Errors
/// The system does not let it be done.
pub(super) fn remove(hand: Hand<'_>, path: &Path, held: Held<'_>) -> io::Result<Replaced> {
    if !holds(path, held)? {
        return Ok(Replaced::Overtaken);
    }
    (hand.leaves)(path, None);
    match fs::remove_file(path) {
        Ok(()) => synced(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(Replaced::Yes)
}

fn holds(path: &Path, held: Held<'_>) -> io::Result<bool> {
    let Held::Exactly(expected) = held else {
        return Ok(true);
    };
    Ok(content(path)?.as_deref().map(hash_of).as_ref() == expected)
}

/// What a file holds; none if there is no such file.
///
/// # Errors
/// It cannot be read, or is no text.
pub(in crate::store) fn content(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a directory and those above it, so that they are still there after a crash, as open as what is above.
pub(in crate::store) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path)?;
    make_directory(above)?;
    match fs::create_dir(path) {
        Ok(()) => take_after(&File::open(path)?, above, 0o7777)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    sync(above)
}

/// Gives what is new the owner of its directory, if the system lets us, and of its mode the bits asked for, whatever the
/// umask: what an administrator's command made, the sidecar has to read and to write.
///
/// # Errors
/// The system does not let it be done.
pub(in crate::store) fn take_after(new: &File, directory: &Path, bits: u32) -> io::Result<()> {
    let above = fs::metadata(directory)?;
    let now = new.metadata()?;
    if (now.uid(), now.gid()) != (above.uid(), above.gid()) {
        // Who is not root gives nothing away, and may share with a group of theirs; then that may do, as the mode says.
        let (uid, gid) = (Uid::from_raw(above.uid()), Gid::from_raw(above.gid()));
        let given = rustix::fs::fchown(new, Some(uid), Some(gid));
        let _ = given.or_else(|_| rustix::fs::fchown(new, None, Some(gid)));
    }
    new.set_permissions(fs::Permissions::from_mode(above.mode() & bits))
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
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    match before {
        Some(before) => {
            keep(&file, &before)?;
            keep_attributes(&file, target)?;
        }
        None => take_after(&file, parent(target)?, 0o666)?,
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

/// Gives a new file the extended attributes of the one that it replaces, access lists among them.
fn keep_attributes(file: &File, target: &Path) -> io::Result<()> {
    let mut names = vec![0; ATTRIBUTE_BYTES_MAX];
    // Many file systems have none.
    let length = rustix::fs::listxattr(target, &mut names[..]).unwrap_or_default();
    let mut value = vec![0; ATTRIBUTE_BYTES_MAX];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let kept = rustix::fs::getxattr(target, name, &mut value[..])
            .and_then(|length| rustix::fs::fsetxattr(file, name, &value[..length], XattrFlags::empty()));
        match kept {
            // Who may read the file is not to change; other marks may be the system's alone to give.
            Err(error) if name.starts_with(b"system.posix_acl") => {
                let message = format!("its access list could not be kept: {error}");
                return Err(io::Error::new(io::Error::from(error).kind(), message));
            }
            _ => {}
        }
    }
    Ok(())
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::other("a path without a directory"))
}

pub(in crate::store) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const HAND: Hand<'static> = Hand {
        number: 0,
        leaves: &|_, _| {},
    };

    fn put(path: &Path, content: &str) -> io::Result<Replaced> {
        replace(HAND, path, content, Held::Anything)
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_a_link() {
        let root = tempfile::tempdir().expect("a directory");
        let (file, link) = (root.path().join("deep/er/file.yaml"), root.path().join("link.yaml"));
        put(&file, "one").expect("a new file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
        symlink("deep/er/file.yaml", &link).expect("a link");
        put(&link, "two").expect("a replaced file");
        assert_eq!(fs::read_to_string(&file).expect("a file"), "two");
        assert_eq!(fs::metadata(&file).expect("a file").mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        fs::set_permissions(root.path().join("deep/er"), fs::Permissions::from_mode(0o750)).expect("a mode");
        let other = root.path().join("deep/er/still/other.yaml");
        put(&other, "three").expect("a new file");
        let mode = |path: &Path| fs::metadata(path).expect("metadata").mode() & 0o7777;
        assert_eq!(
            (mode(&other), mode(other.parent().expect("above"))),
            (0o640, 0o750),
            "as open as what is above"
        );
        fs::remove_dir_all(root.path().join("deep/er/still")).expect("removed");
        let beside: Vec<_> = fs::read_dir(root.path().join("deep/er")).expect("a directory").collect();
        assert_eq!(beside.len(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_a_killed_writer_left_is_in_nobodys_way() {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join("file.yaml");
        fs::write(root.path().join(TEMPORARY), "half of").expect("a leftover");
        put(&file, "whole").expect("a file");
        assert_eq!(fs::read_to_string(&file).expect("a file"), "whole");
        assert!(!root.path().join(TEMPORARY).exists());
        remove(HAND, &file, Held::Anything).expect("removed");
        remove(HAND, &file, Held::Anything).expect("removed twice");
        assert!(!file.exists());
    }

    #[test]
    fn what_somebody_else_has_changed_is_left_alone() {
        let root = tempfile::tempdir().expect("a directory");
        let file = root.path().join("file.yaml");
        let one = hash_of("one");
        let held = |hash| Held::Exactly(hash);
        let replace = |held| replace(HAND, &file, "new", held).expect("an answer");
        assert_eq!(replace(held(Some(&one))), Replaced::Overtaken, "it is not there");
        assert!(!file.exists());
        fs::write(&file, "two").expect("a file");
        assert_eq!(replace(held(None)), Replaced::Overtaken, "it is there");
        assert_eq!(replace(held(Some(&one))), Replaced::Overtaken);
        assert_eq!(remove(HAND, &file, held(Some(&one))).expect("an answer"), Replaced::Overtaken);
        assert_eq!(fs::read_to_string(&file).expect("a file"), "two");
        assert_eq!(
            fs::read_dir(root.path()).expect("a directory").count(),
            1,
            "nothing is left beside it"
        );
        fs::write(&file, "one").expect("a file");
        assert_eq!(replace(held(Some(&one))), Replaced::Yes);
        assert_eq!(
            remove(HAND, &file, held(Some(&hash_of("new")))).expect("an answer"),
            Replaced::Yes
        );
        assert!(!file.exists());
    }

    #[test]
    fn a_link_that_leads_nowhere_is_refused() {
        let root = tempfile::tempdir().expect("a directory");
        let link = root.path().join("link.yaml");
        symlink("nowhere.yaml", &link).expect("a link");
        assert_eq!(put(&link, "x").expect_err("an error").kind(), io::ErrorKind::NotFound);
        assert!(!root.path().join("nowhere.yaml").exists());
    }
}
