//! What the process that wrote last has left in the lock, for the others.

use std::fs;
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::super::files::Hash;
use super::pending::{FileChange, hex};
use super::{hash_of, lock};

/// How many of the files that were written last are told.
const TOLD_MAX: usize = 256;

/// A mark that is like no other. Whoever finds another one than the last time has not seen all that was written: what two
/// processes write may be good by itself and clash, such as two teams of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Mark {
    text: String,
    told: Told,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
struct Told {
    /// Who left it and when.
    by: u32,
    at: u128,
    /// The files that commands wrote last, the newest at the end: the name, and in hexadecimal digits the SHA-256 of what
    /// it held then, or none if it was removed.
    written: Vec<(Arc<str>, Option<String>)>,
}

impl Mark {
    /// The mark of a root, without its lock.
    pub(in crate::store) fn read(root: &Path) -> Self {
        // No lock was ever taken where there is none to read.
        let text = fs::read_to_string(root.join(lock::NAME)).unwrap_or_default();
        // One that says something else is like no other as well.
        let told = serde_json::from_str(&text).unwrap_or_default();
        Self { text, told }
    }

    /// One for after it: these files are written too.
    pub(in crate::store) fn then<'c>(&self, changes: impl IntoIterator<Item = &'c FileChange>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut written = self.told.written.clone();
        for change in changes {
            written.retain(|(name, _)| *name != change.name);
            let hash = change.after.as_deref().map(|after| hex(&hash_of(after)));
            written.push((change.name.clone(), hash));
        }
        written.drain(..written.len().saturating_sub(TOLD_MAX));
        let told = Told {
            by: process::id(),
            at: now.as_nanos(),
            written,
        };
        // Numbers and texts are JSON.
        let text = serde_json::to_string(&told).unwrap_or_default();
        Self { text, told }
    }

    /// Whether a file is as a command has left it, with this content or none.
    pub(in crate::store) fn accounts_for(&self, name: &str, content: Option<&Hash>) -> bool {
        let left = self.told.written.iter().find(|(known, _)| **known == *name);
        left.is_some_and(|(_, hash)| *hash == content.map(hex))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, after: Option<&str>) -> FileChange {
        FileChange {
            name: name.into(),
            before: None,
            after: after.map(Arc::from),
        }
    }

    #[test]
    fn a_mark_accounts_for_what_was_written_last_and_for_nothing_else() {
        let first = Mark::default().then(&[change("a", Some("1")), change("b", Some("1"))]);
        let second = first.then(&[change("a", Some("2")), change("b", None)]);
        assert_ne!(first, second);
        let accounts = |name: &str, content: Option<&str>| second.accounts_for(name, content.map(hash_of).as_ref());
        assert!(accounts("a", Some("2")) && accounts("b", None));
        assert!(!accounts("a", Some("1")) && !accounts("a", None) && !accounts("b", Some("1")));
        assert!(!accounts("c", None) && !accounts("c", Some("1")));
        let many: Vec<FileChange> = (0..TOLD_MAX).map(|number| change(&number.to_string(), Some("x"))).collect();
        let third = second.then(&many);
        assert!(third.accounts_for("0", Some(&hash_of("x"))));
        assert!(!third.accounts_for("a", Some(&hash_of("2"))), "it grows without end");
        assert!(!Mark::default().accounts_for("a", None));
    }
}
