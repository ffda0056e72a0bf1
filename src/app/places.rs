//! Where the files that gatepost writes may not stand.

use std::path::{Component, Path, PathBuf};

use super::settings::Settings;
use super::tokens::TOKENS_FILE;
use crate::engine::Fault;
use crate::store::Kind;

impl Settings {
    /// What stands where a root's own files stand: a line added there would be a file of the root that changes, and a
    /// fault in it.
    pub fn misplaced(&self, root: &Path) -> Vec<Fault> {
        let audit = ("audit.file", root.join(&self.audit.file), "audit/directory.jsonl");
        let tokens = self
            .tokens_file
            .as_ref()
            .map(|_| ("callers.tokens_file", self.tokens_of(root), TOKENS_FILE));
        let mut faults = Vec::new();
        for (key, file, good) in std::iter::once(audit).chain(tokens) {
            for kind in [Kind::Schema, Kind::Policies, Kind::Entities] {
                let directory = kind.directory();
                if real(&file).starts_with(real(&root.join(directory))) {
                    let message = format!(
                        "`{key}`: `{}` is inside `{directory}/`, where it would be read as a file of the root",
                        file.display()
                    );
                    let help = format!("write it beside that directory, as in `{good}`, or elsewhere");
                    faults.push(Fault::error("settings", message).help(help));
                }
            }
        }
        faults
    }
}

/// A path without links and dots as far as it is there, and without dots behind that.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut real = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                real.pop();
            }
            part => {
                real.push(part);
                if let Ok(there) = real.canonicalize() {
                    real = there;
                }
            }
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_gatepost_writes_is_kept_out_of_what_it_reads() {
        let root = tempfile::tempdir().expect("a directory");
        let path = |name: &str| root.path().join(name);
        for name in ["schema", "policies", "entities/sub", "audit"] {
            fs::create_dir_all(path(name)).expect("a directory");
        }
        symlink(path("entities/sub"), path("elsewhere")).expect("a link");
        symlink(path("entities"), path("again")).expect("a link");
        for (file, misplaced) in [
            ("audit/directory.jsonl", false),
            ("directory.jsonl", false),
            ("entities.jsonl", false),
            ("/var/log/gatepost.jsonl", false),
            ("entities/../audit.jsonl", false),
            ("entities/audit.jsonl", true),
            ("entities/new/audit.log", true),
            ("./schema/audit.jsonl", true),
            ("audit/../policies/audit.jsonl", true),
            ("elsewhere/audit.jsonl", true),
            ("again/audit.jsonl", true),
        ] {
            let mut settings = Settings::default();
            settings.audit.file = file.into();
            let faults = settings.misplaced(root.path());
            assert_eq!(!faults.is_empty(), misplaced, "{file}: {faults:?}");
            let settings = Settings {
                tokens_file: Some(path(file)),
                ..Settings::default()
            };
            assert_eq!(!settings.misplaced(root.path()).is_empty(), misplaced, "{file}");
        }
    }
}
