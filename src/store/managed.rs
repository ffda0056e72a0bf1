//! Files that gatepost writes: where entries stand that commands create, and how files change whole or not at all.
//!
//! What commands create stands in `entities/managed/KIND/XX.json`, where `XX` is how the SHA-256 of the id begins, in two
//! hexadecimal digits, or three for users: ordinary documents with one entry a line, so that a change of one entry is one
//! line of a diff and one small file.

mod lock;
mod mark;
mod pending;
mod replace;
mod shard;

use std::ffi::OsStr;
use std::path::{Component, Path};

use sha2::{Digest, Sha256};

pub(super) use lock::Lock;
pub(super) use mark::Mark;
pub use pending::FileChange;
pub(super) use pending::{Committed, Pending, Stands, commit, finish};
pub(super) use replace::{content, make_directory, sync, take_after};
pub(super) use shard::{edit, entry, retire};

use super::files::Hash;
use crate::directory::Kind;

/// The directory of what commands create.
const DIRECTORY: &str = "entities/managed/";

/// A change of several files that may not have reached all of them.
pub(super) const PENDING: &str = "entities/managed/pending.json";

/// Whether gatepost alone writes a file.
pub(super) fn is_managed(name: &str) -> bool {
    name.starts_with(DIRECTORY)
}

/// The file in which an entry of this kind and id is created.
pub(super) fn file_of(kind: Kind, id: &str) -> String {
    // Of users there are many, and a change of one costs what stands in its file.
    let digits = if kind == Kind::User { 3 } else { 2 };
    shard_of(kind.key(), digits, id)
}

/// The file that lists an id of a user that no new account gets.
pub(super) fn retired_file_of(id: &str) -> String {
    shard_of("retired_users", 2, &crate::directory::fold(id))
}

fn shard_of(directory: &str, digits: usize, id: &str) -> String {
    let hash = format!("{:x}", Sha256::digest(id.as_bytes()));
    let file: String = hash.chars().take(digits).collect();
    format!("{DIRECTORY}{directory}/{file}.json")
}

/// Whether a file is one that the writer needs on its way, and nobody reads: what happens to it says nothing.
pub(super) fn is_passing(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(replace::TEMPORARY.as_bytes()) || name == lock::FILE.as_bytes()
}

/// SHA-256 of a text.
pub(super) fn hash_of(content: &str) -> Hash {
    Sha256::digest(content.as_bytes()).into()
}

/// Whether a name is one of a file that a change may write: below `entities/`, by a plain path, and not passed over.
fn is_writable(name: &str) -> bool {
    let plain = Path::new(name).components().all(|part| match part {
        Component::Normal(part) => !part.to_string_lossy().starts_with('.'),
        _ => false,
    });
    plain && name.starts_with("entities/") && name != PENDING
}
