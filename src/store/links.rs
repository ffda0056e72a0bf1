//! Symbolic links, each read once in a pass.
//!
//! A ConfigMap is a directory of links through one link, `..data`, that is replaced to change all of it at once. If every
//! file asked that link anew, a replacement between two questions would mix two versions. So a pass asks each link once,
//! and reads files under the paths that came out, which lie in one version or the other.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const HOPS_MAX: usize = 40;

/// What a pass knows of links.
#[derive(Default)]
pub(super) struct Links {
    targets: HashMap<PathBuf, Option<PathBuf>>,
    /// Links that were followed.
    pub(super) followed: Vec<PathBuf>,
}

impl Links {
    /// The path without links that an absolute path means.
    ///
    /// # Errors
    /// A part does not exist or cannot be looked at, or there are more than forty links in a row.
    pub(super) fn resolve(&mut self, path: &Path) -> io::Result<PathBuf> {
        let mut todo: VecDeque<OsString> = parts(path);
        let mut resolved = PathBuf::from("/");
        let mut hops = 0;
        while let Some(part) = todo.pop_front() {
            if part == ".." {
                resolved.pop();
                continue;
            }
            let candidate = resolved.join(&part);
            let Some(target) = self.target(&candidate)? else {
                resolved = candidate;
                continue;
            };
            hops += 1;
            if hops > HOPS_MAX {
                return Err(io::Error::other(format!(
                    "more than {HOPS_MAX} symbolic links in a row, or a loop of them"
                )));
            }
            self.followed.push(candidate);
            if target.is_absolute() {
                resolved = PathBuf::from("/");
            }
            for part in parts(&target).into_iter().rev() {
                todo.push_front(part);
            }
        }
        Ok(resolved)
    }

    /// Where a link leads; none if the path is no link.
    fn target(&mut self, path: &Path) -> io::Result<Option<PathBuf>> {
        if let Some(known) = self.targets.get(path) {
            return Ok(known.clone());
        }
        let target = match path.read_link() {
            Ok(target) => Some(target),
            // What readlink(2) says of anything that is there and no link.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => None,
            Err(error) => return Err(error),
        };
        self.targets.insert(path.to_owned(), target.clone());
        Ok(target)
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}
