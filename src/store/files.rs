//! One pass over the files of a root.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::ops::Bound;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use super::links::Links;
use super::managed::{self, Pending as PendingChange, Stands};
use super::manifest;
use crate::engine::{Fault, Later, Severity, Text};

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `schema/**/*.cedarschema`, `schema/**/*.cedarschema.json`
    Schema,
    /// `policies/**/*.cedar`, `policies/**/*.json`
    Policies,
    /// `entities/**/*.yaml`, `*.yml`, `*.json`, `*.jsonl`
    Entities,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Schema, Self::Policies, Self::Entities];

    /// The directory below the root.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Policies => "policies",
            Self::Entities => "entities",
        }
    }

    /// How the names of its files end.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Schema => &[".cedarschema", ".cedarschema.json"],
            Self::Policies => &[".cedar", ".json"],
            Self::Entities => &[".yaml", ".yml", ".json", ".jsonl"],
        }
    }

    fn takes(self, name: &str) -> bool {
        self.endings().iter().any(|ending| name.ends_with(ending))
    }
}

/// How much a root may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Bytes of all files.
    pub total_bytes_max: u64,
    /// Files and directories.
    pub files_max: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self {
            file_bytes_max: 256 << 20,
            total_bytes_max: 2 << 30,
            files_max: 200_000,
        }
    }
}

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What it is for.
    pub kind: Kind,
    /// Its path below the root, and its content.
    pub text: Text,
}

impl File {
    /// Whether this holds entities in Cedar's own format, which can be kept from one snapshot to the next.
    pub fn is_cedars(&self) -> bool {
        is_cedars(self.kind, &self.text)
    }
}

fn is_cedars(kind: Kind, text: &Text) -> bool {
    let is_array = || text.name.ends_with(".json") && text.content.trim_start().starts_with('[');
    kind == Kind::Entities && (text.name.ends_with(".jsonl") || is_array())
}

/// How many bytes of entities are held from reading to compiling; beyond that, files are read once more.
const HELD_BYTES_MAX: usize = 16 << 20;

/// What one pass found.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The files, by kind and name.
    pub files: Vec<File>,
    /// Files that are as they were, and whose content is no longer held; and the SHA-256 of it.
    pub kept: BTreeMap<Arc<str>, [u8; 32]>,
    /// Files of entities that are not held, since there are many.
    pub later: Vec<Later>,
    /// What the next pass may compare with.
    pub(super) seen: Seen,
    held_bytes: usize,
    /// Faults of reading: whoever finds one here refuses the tree.
    pub faults: Vec<Fault>,
    /// Directories in which changes matter, and which.
    pub directories: BTreeMap<PathBuf, Names>,
    /// Whether something moved while it was read.
    pub moved: bool,
}

/// Files as a pass has seen them, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    files: BTreeMap<Arc<str>, SeenFile>,
    /// Names in the directories, those of directories and of files that are passed over included.
    names: usize,
}

#[derive(Clone, Debug)]
struct SeenFile {
    kind: Kind,
    real: PathBuf,
    stamp: Stamp,
    /// Whether another change would show in the stamp.
    settled: bool,
    hash: Hash,
    content: Content,
}

/// What of a file's content is at hand.
#[derive(Clone, Debug)]
enum Content {
    Held(Text),
    /// To be read again when it is needed.
    Later,
    /// A snapshot holds what it says.
    Kept,
}

/// SHA-256 of a file's content.
pub(super) type Hash = [u8; 32];

impl Seen {
    /// Lets go of the contents that a snapshot can keep.
    pub(super) fn let_go(&mut self) {
        for file in self.files.values_mut() {
            let goes = match &file.content {
                Content::Held(text) => is_cedars(file.kind, text),
                Content::Later | Content::Kept => true,
            };
            if goes {
                file.content = Content::Kept;
            }
        }
    }

    /// Takes a document as it was written just now, or takes it away.
    pub(super) fn put(&mut self, root: &Path, name: &Arc<str>, text: Option<Text>) {
        let Some(text) = text else {
            self.names -= usize::from(self.files.remove(name).is_some());
            return;
        };
        let path = root.join(&**name);
        let real = fs::canonicalize(&path).unwrap_or(path);
        let file = SeenFile {
            kind: Kind::Entities,
            // What matters is that another look finds another stamp, and so reads it.
            stamp: Stamp {
                size: text.content.len() as u64,
                ..Stamp::default()
            },
            settled: false,
            hash: Sha256::digest(text.content.as_bytes()).into(),
            real,
            content: Content::Held(text),
        };
        if !self.files.contains_key(name) {
            self.names += 1 + self.new_directories(name).count();
        }
        self.files.insert(name.clone(), file);
    }

    /// Directories that come with a file of entities, since none is known in them yet.
    fn new_directories<'n>(&self, name: &'n str) -> impl Iterator<Item = &'n str> {
        let directories = name.match_indices('/').skip(1).map(|(end, _)| &name[..=end]);
        directories.filter(|directory| {
            let next = self.files.range::<str, _>((Bound::Included(*directory), Bound::Unbounded)).next();
            next.is_none_or(|(file, _)| !file.starts_with(*directory))
        })
    }

    /// Why the files could not be read any more once these hold so many bytes, or are gone: the setting that would stand
    /// against it.
    pub(super) fn limit_of<'c>(
        &self,
        changes: impl Iterator<Item = (&'c str, Option<usize>)>,
        limits: &FileLimits,
    ) -> Option<String> {
        let mut bytes: u64 = self.files.values().map(|file| file.stamp.size).sum();
        let mut names = self.names;
        let mut directories = BTreeSet::new();
        for (name, now) in changes {
            let before = self.files.get(name);
            let now = now.map(|now| now as u64);
            if now.is_some_and(|now| now > limits.file_bytes_max) {
                return Some(format!("`{name}` would be larger than `limits.file_bytes_max`"));
            }
            bytes = bytes.saturating_sub(before.map_or(0, |before| before.stamp.size)) + now.unwrap_or_default();
            if before.is_none() && now.is_some() {
                names += 1;
                directories.extend(self.new_directories(name));
            }
        }
        names += directories.len();
        if bytes > limits.total_bytes_max {
            return Some("the files would hold more than `limits.total_bytes_max`".to_owned());
        }
        (names > limits.files_max).then(|| "there would be more files than `limits.files_max`".to_owned())
    }

    /// A hash of names and contents, and of what else was found.
    pub(super) fn digest(&self, faults: &[Fault]) -> Hash {
        let mut hash = Sha256::new();
        for (name, content) in self.iter() {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(content);
        }
        for fault in faults {
            hash.update(fault.to_string());
        }
        hash.finalize().into()
    }

    /// The files that are not as another pass has seen them, with what they hold now; none if they are gone.
    pub(super) fn differs_from<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = (&'s str, Option<&'s Hash>)> {
        let changed = self
            .iter()
            .filter(|(name, hash)| other.files.get(*name).is_none_or(|file| file.hash != **hash));
        let gone = other.files.keys().filter(|name| !self.files.contains_key(*name));
        let gone = gone.map(|name| (&**name, None));
        changed.map(|(name, hash)| (&**name, Some(hash))).chain(gone)
    }

    /// Names and hashes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Hash)> {
        self.files.iter().map(|(name, file)| (name, &file.hash))
    }
}

/// How closely files are looked at that were seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closely {
    /// A file whose size, times and inode are the same is the same.
    Stamps,
    /// What counts is the content.
    Contents,
}

/// Which names of a directory matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// All of them.
    All,
    /// Just these: the directory is a busy one, or somebody else's.
    Only(BTreeSet<OsString>),
}

impl Names {
    /// Whether this name matters.
    pub fn has(&self, name: &std::ffi::OsStr) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

impl Tree {
    /// Watches for one name in a directory, or for all.
    fn watch(&mut self, directory: PathBuf, name: Option<OsString>) {
        let names = self.directories.entry(directory).or_insert_with(|| Names::Only(BTreeSet::new()));
        match (names, name) {
            (names, None) => *names = Names::All,
            (Names::Only(names), Some(name)) => {
                names.insert(name);
            }
            (Names::All, Some(_)) => {}
        }
    }

    /// The schemas.
    pub(super) fn schema(&self) -> impl Iterator<Item = &Text> {
        self.files.iter().filter(|file| file.kind == Kind::Schema).map(|file| &file.text)
    }

    /// A hash of names, contents and faults: two equal ones need no second compilation.
    pub fn digest(&self) -> [u8; 32] {
        self.seen.digest(&self.faults)
    }
}

/// Whether a directory looks like a root: it has schemas and policies.
pub fn is_root(path: &Path) -> bool {
    [Kind::Schema, Kind::Policies]
        .into_iter()
        .all(|kind| path.join(kind.directory()).is_dir())
}

/// Reads a root.
///
/// Names that begin with a dot and names with other endings are passed over: that covers what editors leave beside a
/// file (`.x.swp`, `x~`, `#x#`, `4913`) and the machinery of ConfigMaps (`..data`).
pub fn read(root: &Path, limits: &FileLimits) -> Tree {
    read_again(root, limits, &Seen::default(), Closely::Contents)
}

/// Reads a root again: contents that are as they were are not held a second time.
pub(super) fn read_again(root: &Path, limits: &FileLimits, seen_before: &Seen, closely: Closely) -> Tree {
    let mut tree = Tree::default();
    let Some(walked) = walk(root, limits, &mut tree) else {
        return tree;
    };
    tree.seen.names = walked.names;
    // It holds what several files are going to hold.
    let roomy = FileLimits {
        file_bytes_max: limits.total_bytes_max.saturating_mul(2),
        ..*limits
    };
    let overlay = tree.read_pending(walked.pending.as_ref(), &roomy);
    let mut total = 0;
    for entry in &walked.entries {
        // What is announced counts, whether or not it is read; a file that is too large has a fault of its own.
        if entry.stamp.size <= limits.file_bytes_max {
            total += entry.stamp.size;
        }
        if total > limits.total_bytes_max {
            tree.faults.push(
                Fault::error(
                    "file-limit",
                    format!("the files hold more than {} bytes in all", limits.total_bytes_max),
                )
                .help("raise `total_bytes_max` under `[limits]`"),
            );
            return tree;
        }
        let begun = SystemTime::now();
        let seen = seen_before.files.get(&*entry.name);
        let seen = seen.filter(|seen| seen.kind == entry.kind && seen.real == entry.real);
        let is_overlaid = overlay.has(&entry.name);
        if let Some(seen) = seen
            && closely == Closely::Stamps
            && !is_overlaid
            && seen.settled
            && seen.stamp == entry.stamp
        {
            tree.take_again(entry, seen.clone(), limits);
            continue;
        }
        match read_still(entry, limits) {
            Ok((content, stamp, moved)) => {
                tree.moved |= moved;
                let content = match tree.lay_over(&overlay, &entry.name, Some(content)) {
                    Some(content) => content,
                    None => continue,
                };
                let hash: Hash = Sha256::digest(content.as_bytes()).into();
                let now = SeenFile {
                    kind: entry.kind,
                    real: entry.real.clone(),
                    stamp,
                    settled: !is_overlaid && stamp.is_settled(begun),
                    hash,
                    content: Content::Later,
                };
                match seen.filter(|seen| seen.hash == hash) {
                    Some(seen) => {
                        let content = seen.content.clone();
                        tree.take_again(entry, SeenFile { content, ..now }, limits);
                    }
                    None => tree.add(entry, now, content, limits),
                }
            }
            Err(Refused::Moved) => {
                tree.moved = true;
                tree.faults.push(never_still(&entry.name));
            }
            Err(Refused::Fault(fault)) => tree.faults.push(*fault),
        }
    }
    let there: BTreeSet<&str> = walked.entries.iter().map(|entry| &*entry.name).collect();
    for name in overlay.names() {
        if !there.contains(name)
            && let Some(content) = tree.lay_over(&overlay, name, None)
        {
            tree.add_laid_over(root, name, content, limits);
        }
    }
    let mut again = Tree::default();
    let after = walk(root, limits, &mut again);
    let (after, pending) = after.map(|after| (after.entries, after.pending)).unwrap_or_default();
    if after != walked.entries || pending != walked.pending {
        tree.moved = true;
        // What was listed may be what was left of a version that somebody is removing.
        if let Some(gone) = first_gone(&walked.entries, &after) {
            tree.faults.push(never_still(&gone.name));
        }
    }
    for (directory, names) in again.directories {
        match names {
            Names::All => tree.watch(directory, None),
            Names::Only(names) => names.into_iter().for_each(|name| tree.watch(directory.clone(), Some(name))),
        }
    }
    if let Some(entry) = walked.manifest {
        tree.check_manifest(&entry, limits);
    }
    tree
}

impl Tree {
    /// Reads the change of several files that may not have reached all of them.
    fn read_pending(&mut self, entry: Option<&Entry>, limits: &FileLimits) -> PendingChange {
        let Some(entry) = entry else { return PendingChange::default() };
        match read_file(entry, limits) {
            Ok(content) => match PendingChange::read(&content) {
                Ok(pending) => return pending,
                Err(error) => self.faults.push(
                    Fault::error("file-pending", format!("not a change of several files: {error}"))
                        .in_file(managed::PENDING)
                        .help("gatepost alone writes this file: remove it, and look at what `entities/managed` says"),
                ),
            },
            // It was finished just now, or is being written.
            Err(Refused::Moved) => {
                self.moved = true;
                self.faults.push(never_still(managed::PENDING));
            }
            Err(Refused::Fault(fault)) => self.faults.push(*fault),
        }
        PendingChange::default()
    }

    /// What a file counts as, with what it holds. None if it counts as gone.
    fn lay_over(&mut self, overlay: &PendingChange, name: &str, content: Option<String>) -> Option<String> {
        match overlay.stands(name, content.as_deref()) {
            None | Some(Stands::After) => content,
            Some(Stands::Before(after)) => after.map(|after| after.to_string()),
            Some(Stands::Changed) => {
                self.faults.push(
                    Fault::error(
                        "file-pending",
                        format!(
                            "`{name}` is neither what it was before a change of several files nor what it is to be"
                        ),
                    )
                    .in_file(name)
                    .help(format!(
                        "`{}` says what it was to be: make that change here by hand, or leave it out, and remove that \
                         file; where it names further files, a command or a start of gatepost finishes those first",
                        managed::PENDING
                    )),
                );
                content
            }
        }
    }

    /// Adds a file that a change of several files is going to make.
    fn add_laid_over(&mut self, root: &Path, name: &str, content: String, limits: &FileLimits) {
        let entry = Entry {
            kind: Kind::Entities,
            name: name.to_owned(),
            real: root.join(name),
            stamp: Stamp::default(),
        };
        let seen = SeenFile {
            kind: Kind::Entities,
            real: entry.real.clone(),
            stamp: entry.stamp,
            settled: false,
            hash: Sha256::digest(content.as_bytes()).into(),
            content: Content::Later,
        };
        self.add(&entry, seen, content, limits);
    }

    /// Takes a file as it was.
    fn take_again(&mut self, entry: &Entry, seen: SeenFile, limits: &FileLimits) {
        let name: Arc<str> = entry.name.as_str().into();
        match &seen.content {
            Content::Held(text) => self.files.push(File {
                kind: seen.kind,
                text: text.clone(),
            }),
            Content::Later => self.later.push(entry.later(name.clone(), seen.stamp, seen.hash, *limits)),
            Content::Kept => {
                self.kept.insert(name.clone(), seen.hash);
            }
        }
        self.seen.files.insert(name, seen);
    }

    fn add(&mut self, entry: &Entry, mut seen: SeenFile, content: String, limits: &FileLimits) {
        let name = entry.name.as_str();
        let refuse = |message: &str, help: &str| Fault::error("file-content", message).in_file(name).help(help);
        if content.starts_with('\u{feff}') {
            self.faults
                .push(refuse("a byte order mark at byte 0", "save the file as UTF-8 without it"));
        } else if let Some(offset) = content.bytes().position(|byte| byte == 0) {
            let message = format!("a NUL character at byte {offset}");
            self.faults.push(refuse(&message, "remove it: this is no text file"));
        } else if content.trim().is_empty() {
            self.faults.push(refuse(
                "the file is empty",
                "an empty file may be one that is just being written: remove it, or write a comment into it",
            ));
        } else {
            let text = Text::new(name, content);
            if is_cedars(seen.kind, &text) {
                self.held_bytes += text.content.len();
            }
            if !is_cedars(seen.kind, &text) || self.held_bytes <= HELD_BYTES_MAX {
                seen.content = Content::Held(text);
            }
            self.take_again(entry, seen, limits);
        }
    }

    fn check_manifest(&mut self, entry: &Entry, limits: &FileLimits) {
        match read_file(entry, limits) {
            Ok(content) => {
                let reads = |name: &str| {
                    Kind::ALL.into_iter().any(|kind| {
                        let below = name.strip_prefix(kind.directory()).and_then(|rest| rest.strip_prefix('/'));
                        below.is_some_and(|below| kind.takes(below))
                    })
                };
                let manifest = Text::new(manifest::NAME, content);
                // Names in `files` are sorted out already; a file with a fault of its own has one more here.
                manifest::check(&manifest, &self.seen, reads, &mut self.faults);
            }
            Err(Refused::Moved) => {
                self.moved = true;
                self.faults.push(never_still(manifest::NAME));
            }
            Err(Refused::Fault(fault)) => self.faults.push(*fault),
        }
    }
}

/// A file before it is read, and what it must still be afterwards.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    /// The path below the root, as an author calls it.
    name: String,
    /// The path without links.
    real: PathBuf,
    stamp: Stamp,
}

/// What tells one state of a file from the next, as far as that can be seen without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the last change lies so far before a moment that another one would get another time: clocks of file
    /// systems tick some hundred times a second.
    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = i128::from(self.changed.0) * 1_000_000_000 + i128::from(self.changed.1);
        now.as_nanos().cast_signed() - changed > 100_000_000
    }
}

impl Entry {
    /// The file, to be read once more when it is needed.
    fn later(&self, name: Arc<str>, stamp: Stamp, hash: Hash, limits: FileLimits) -> Later {
        let entry = Self {
            kind: self.kind,
            name: self.name.clone(),
            real: self.real.clone(),
            stamp,
        };
        Later::new(name, move || match read_file(&entry, &limits) {
            Ok(content) if hash == *Sha256::digest(content.as_bytes()) => Ok(Text::new(entry.name.as_str(), content)),
            Ok(_) | Err(Refused::Moved) => Err(Box::new(never_still(&entry.name))),
            Err(Refused::Fault(fault)) => Err(fault),
        })
    }
}

struct Walk {
    entries: Vec<Entry>,
    manifest: Option<Entry>,
    /// A change of several files that may not have reached all of them.
    pending: Option<Entry>,
    names: usize,
}

/// Lists the files of a root; none if the root itself cannot be looked at.
fn walk(root: &Path, limits: &FileLimits, tree: &mut Tree) -> Option<Walk> {
    let mut links = Links::default();
    let mut walker = Walker {
        tree,
        limits,
        real_root: PathBuf::new(),
        entries: Vec::new(),
        pending: None,
        seen: 0,
    };
    let found = walker.root(root, &mut links);
    let entries = std::mem::take(&mut walker.entries);
    let pending = walker.pending.take();
    let names = walker.seen;
    for link in links.followed {
        if let (Some(directory), Some(name)) = (link.parent(), link.file_name()) {
            tree.watch(directory.to_owned(), Some(name.to_owned()));
        }
    }
    found.map(|manifest| Walk {
        entries,
        manifest,
        pending,
        names,
    })
}

struct Walker<'t> {
    tree: &'t mut Tree,
    limits: &'t FileLimits,
    real_root: PathBuf,
    entries: Vec<Entry>,
    pending: Option<Entry>,
    seen: usize,
}

impl Walker<'_> {
    fn fault(&mut self, name: &str, error: &io::Error) {
        let help = match error.kind() {
            io::ErrorKind::PermissionDenied => "let the user that gatepost runs as read it",
            io::ErrorKind::NotFound => "create it, or mend the link; what is live keeps serving meanwhile",
            _ => "mend it; what is live keeps serving meanwhile",
        };
        self.tree.faults.push(
            Fault::error("file-read", format!("cannot read `{name}`: {error}"))
                .in_file(name)
                .help(help),
        );
    }

    fn root(&mut self, root: &Path, links: &mut Links) -> Option<Option<Entry>> {
        let shown = root.display().to_string();
        let absolute = match std::path::absolute(root) {
            Ok(absolute) => absolute,
            Err(error) => {
                self.fault(&shown, &error);
                return None;
            }
        };
        // Whatever happens to the root shows in its parent.
        let parent = absolute.parent().unwrap_or(Path::new("/"));
        if let (Ok(parent), Some(name)) = (links.resolve(parent), absolute.file_name()) {
            self.tree.watch(parent, Some(name.to_owned()));
        } else {
            self.watch_nearest(&absolute, links);
        }
        match links.resolve(&absolute).and_then(|real| Ok((fs::metadata(&real)?, real))) {
            Ok((metadata, real)) if metadata.is_dir() => self.real_root = real,
            Ok(_) => {
                self.fault(&shown, &io::Error::other("not a directory"));
                return None;
            }
            Err(error) => {
                self.fault(&shown, &error);
                return None;
            }
        }
        let real_root = self.real_root.clone();
        // Behind a link, the directory itself may go and come back.
        if let (Some(parent), Some(name)) = (real_root.parent(), real_root.file_name()) {
            self.tree.watch(parent.to_owned(), Some(name.to_owned()));
        }
        // The root itself may hold anything else, such as a build that is under way.
        self.tree.watch(real_root.clone(), Some(manifest::NAME.into()));
        for kind in Kind::ALL {
            self.tree.watch(real_root.clone(), Some(kind.directory().into()));
            let files_before = self.entries.len();
            let faults_before = self.errors();
            self.directory(
                kind,
                kind.directory(),
                &real_root.join(kind.directory()),
                &mut Vec::new(),
                links,
            );
            if self.entries.len() == files_before && self.errors() == faults_before {
                self.nothing_in(kind);
            }
        }
        let manifest = real_root.join(manifest::NAME);
        let metadata = links.resolve(&manifest).and_then(|real| Ok((fs::metadata(&real)?, real)));
        match metadata {
            Ok((metadata, real)) => Some(Some(Entry {
                kind: Kind::Schema,
                name: manifest::NAME.to_owned(),
                real,
                stamp: Stamp::of(&metadata),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
            Err(error) => {
                self.fault(manifest::NAME, &error);
                Some(None)
            }
        }
    }

    /// Watches the nearest directory above a path that is there, for the name that is missing in it.
    fn watch_nearest(&mut self, path: &Path, links: &mut Links) {
        let above = path.ancestors().zip(path.ancestors().skip(1));
        for (child, parent) in above {
            if let (Ok(parent), Some(name)) = (links.resolve(parent), child.file_name()) {
                return self.tree.watch(parent, Some(name.to_owned()));
            }
        }
    }

    fn errors(&self) -> usize {
        let errors = self.tree.faults.iter();
        errors.filter(|fault| fault.severity == Severity::Error).count()
    }

    fn nothing_in(&mut self, kind: Kind) {
        let directory = kind.directory();
        let endings: Vec<String> = kind.endings().iter().map(|ending| format!("`*{ending}`")).collect();
        let mut help = format!("put files into it whose names end in {}", endings.join(" or "));
        if kind == Kind::Entities {
            help.push_str("; if there are no entities on purpose, write `[]` into `entities/none.json`");
        }
        self.tree.faults.push(
            Fault::error("file-missing", format!("there is nothing to read in `{directory}/`"))
                .in_file(directory)
                .help(help),
        );
    }

    fn directory(&mut self, kind: Kind, name: &str, path: &Path, above: &mut Vec<PathBuf>, links: &mut Links) {
        let real = match links.resolve(path) {
            Ok(real) => real,
            Err(error) => return self.fault(name, &error),
        };
        if !self.is_inside(name, &real) {
            return;
        }
        if above.contains(&real) || above.len() >= 32 {
            return self.fault(name, &io::Error::other("a loop of directories, or more than 32 of them"));
        }
        let entries = match fs::read_dir(&real).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return self.fault(name, &error),
        };
        self.tree.watch(real.clone(), None);
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.file_name()).collect();
        names.sort();
        above.push(real.clone());
        for file_name in names {
            let Some(file_name) = file_name.to_str() else {
                let shown = format!("{name}/{}", file_name.to_string_lossy());
                self.fault(&shown, &io::Error::other("its name is not UTF-8"));
                continue;
            };
            if file_name.starts_with('.') || file_name.ends_with('~') {
                continue;
            }
            let name = format!("{name}/{file_name}");
            // What finishes a change is read wherever there is no room for more.
            self.seen += usize::from(name != managed::PENDING);
            if self.seen > self.limits.files_max {
                if self.seen == self.limits.files_max + 1 {
                    let message = format!("more than {} files and directories", self.limits.files_max);
                    let fault = Fault::error("file-limit", message).help("raise `files_max` under `[limits]`");
                    self.tree.faults.push(fault);
                }
                break;
            }
            self.entry(kind, &name, &real.join(file_name), above, links);
        }
        above.pop();
    }

    fn entry(&mut self, kind: Kind, name: &str, path: &Path, above: &mut Vec<PathBuf>, links: &mut Links) {
        let found = links.resolve(path).and_then(|real| Ok((fs::symlink_metadata(&real)?, real)));
        match found {
            Ok((metadata, _)) if metadata.is_dir() => self.directory(kind, name, path, above, links),
            Ok(_) if !kind.takes(name) => self.warn_of_misplaced(kind, name),
            Ok((metadata, real)) => {
                if self.is_inside(name, &real) {
                    // Behind a link, the file may be in a directory that is not walked.
                    if let (Some(directory), Some(file_name)) = (real.parent(), real.file_name()) {
                        self.tree.watch(directory.to_owned(), Some(file_name.to_owned()));
                    }
                    let entry = Entry {
                        kind,
                        name: name.to_owned(),
                        real,
                        stamp: Stamp::of(&metadata),
                    };
                    match name {
                        managed::PENDING => self.pending = Some(entry),
                        _ => self.entries.push(entry),
                    }
                }
            }
            // A file that an editor made and removed meanwhile. Anything else that cannot be looked at may be a
            // directory of prohibitions.
            Err(_) if !kind.takes(name) && is_gone(path) => {}
            Err(error) => {
                // What was listed and is gone was removed just now: there is something to look at again.
                self.tree.moved |= is_gone(path);
                self.fault(name, &error);
            }
        }
    }

    /// A file that looks as if it were meant to be read, and is not.
    fn warn_of_misplaced(&mut self, kind: Kind, name: &str) {
        let meant = [".cedar", ".cedarschema", ".json", ".yaml", ".yml"];
        if kind.takes(&name.to_lowercase()) {
            let fault = Fault::error("file-ignored", format!("`{name}` is not read: its ending is in capitals"));
            self.tree.faults.push(fault.in_file(name).help("write the ending in small letters"));
        } else if meant.iter().any(|ending| name.ends_with(ending)) && !name.ends_with(".test.yaml") {
            let endings: Vec<String> = kind.endings().iter().map(|ending| format!("`*{ending}`")).collect();
            self.tree.faults.push(
                Fault::error("file-ignored", format!("`{name}` is not read"))
                    .in_file(name)
                    .help(format!("what is read here are {}", endings.join(" and ")))
                    .into_warning(),
            );
        }
    }

    fn is_inside(&mut self, name: &str, real: &Path) -> bool {
        let inside = real.starts_with(&self.real_root);
        if !inside {
            self.tree.faults.push(
                Fault::error(
                    "file-outside",
                    format!("`{name}` leads out of the root, to `{}`", real.display()),
                )
                .in_file(name)
                .help("put the file itself below the root; links may lead only to what is inside"),
            );
        }
        inside
    }
}

/// The fault of a file that was not the same before and after it was read. A tree never goes live without one of its
/// files: what is left out may be a prohibition.
fn never_still(name: &str) -> Fault {
    Fault::error(
        "file-moving",
        format!("`{name}` changed while it was read, each time it was tried"),
    )
    .in_file(name)
    .help("it is read again as soon as it holds still")
}

/// The first of some files that is gone or elsewhere now; what was only written to is still where it was.
fn first_gone<'e>(before: &'e [Entry], after: &[Entry]) -> Option<&'e Entry> {
    let still: HashSet<(&str, &Path)> = after.iter().map(|entry| (&*entry.name, &*entry.real)).collect();
    before.iter().find(|entry| !still.contains(&(&*entry.name, &*entry.real)))
}

/// Whether there is nothing at a path, not even a link that leads nowhere.
fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Reads a file whole, at a moment at which it holds still. Says how it was then, and whether it had moved before.
fn read_still(entry: &Entry, limits: &FileLimits) -> Result<(String, Stamp, bool), Refused> {
    match read_file(entry, limits) {
        Err(Refused::Moved) => {}
        read => return read.map(|content| (content, entry.stamp, false)),
    }
    for _ in 0..ATTEMPTS {
        let Ok(metadata) = fs::symlink_metadata(&entry.real) else { break };
        let now = Entry {
            kind: entry.kind,
            name: entry.name.clone(),
            real: entry.real.clone(),
            stamp: Stamp::of(&metadata),
        };
        match read_file(&now, limits) {
            Err(Refused::Moved) => {}
            read => return read.map(|content| (content, now.stamp, true)),
        }
    }
    Err(Refused::Moved)
}

/// How often a file that moves is tried in one pass.
const ATTEMPTS: usize = 10;

enum Refused {
    Moved,
    Fault(Box<Fault>),
}

fn read_file(entry: &Entry, limits: &FileLimits) -> Result<String, Refused> {
    let fault = |message: String| Fault::error("file-read", message).in_file(entry.name.as_str());
    let refuse = |message: String, help: &str| Refused::Fault(Box::new(fault(message).help(help)));
    // Not blocking, so that a FIFO cannot hold the loader; following no link, since there is none left to follow.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(&entry.real)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Refused::Moved,
            _ => refuse(
                format!("cannot read `{}`: {error}", entry.name),
                "let the user that gatepost runs as read it",
            ),
        })?;
    let metadata = file
        .metadata()
        .map_err(|error| refuse(format!("cannot read `{}`: {error}", entry.name), "mend it"))?;
    if !metadata.is_file() {
        return Err(refuse(
            format!("`{}` is no regular file", entry.name),
            "remove it: only regular files are read",
        ));
    }
    let too_large = || {
        refuse(
            format!("`{}` is larger than {} bytes", entry.name, limits.file_bytes_max),
            "split it, or raise `file_bytes_max` under `[limits]`",
        )
    };
    if metadata.len() > limits.file_bytes_max {
        return Err(too_large());
    }
    if Stamp::of(&metadata) != entry.stamp {
        return Err(Refused::Moved);
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // What grows while it is read is cut off one byte past the limit.
    (&file)
        .take(limits.file_bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(format!("cannot read `{}`: {error}", entry.name), "mend it"))?;
    if bytes.len() as u64 > limits.file_bytes_max {
        return Err(too_large());
    }
    match file.metadata() {
        Ok(after) if Stamp::of(&after) == entry.stamp && bytes.len() as u64 == entry.stamp.size => {}
        _ => return Err(Refused::Moved),
    }
    String::from_utf8(bytes).map_err(|error| {
        refuse(
            format!(
                "`{}` is not UTF-8: the byte at offset {} is wrong",
                entry.name,
                error.utf8_error().valid_up_to()
            ),
            "save it as UTF-8",
        )
    })
}
