//! `SHA256SUMS` at the top of a root: what each file must be.
//!
//! A file cut short can still be a valid file: a policy set without its last policies. Where a writer cannot replace
//! all files at once, a manifest makes the difference visible. It has the format of `sha256sum`:
//! `sha256sum $(find schema policies entities -type f) > SHA256SUMS`.

use std::collections::BTreeMap;

use super::files::{Hash, Seen};
use crate::engine::{Fault, Span, Text};

/// The name of the manifest.
pub(super) const NAME: &str = "SHA256SUMS";

/// Holds the files against the manifest; faults are added to `faults`.
pub(super) fn check(manifest: &Text, files: &Seen, reads: impl Fn(&str) -> bool, faults: &mut Vec<Fault>) {
    let mut listed: BTreeMap<&str, (&str, Span)> = BTreeMap::new();
    for line in manifest.content.lines() {
        let span = manifest.span_of(line);
        match line.split_once(' ') {
            Some((hash, name)) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                let name = name.trim_start_matches([' ', '*']).trim_start_matches("./");
                listed.insert(name, (hash, span));
            }
            _ if line.trim().is_empty() => {}
            _ => faults.push(
                Fault::error("manifest", "not a line of `sha256sum`")
                    .at(manifest, span)
                    .help("write 64 hexadecimal digits, two spaces and a path below the root"),
            ),
        }
    }
    for (file, content) in files.iter() {
        match listed.remove(&**file) {
            Some((expected, _)) if expected.eq_ignore_ascii_case(&hex(content)) => {}
            Some((_, span)) => faults.push(
                Fault::error("manifest", format!("`{file}` is not the file that is listed here"))
                    .at(manifest, span)
                    .help("it is being written, or was changed without the manifest"),
            ),
            None => faults.push(
                Fault::error("manifest", format!("`{file}` is not listed in `{NAME}`"))
                    .in_file(file.clone())
                    .help(format!("add it to `{NAME}`, or remove it")),
            ),
        }
    }
    for (name, (_, span)) in listed.into_iter().filter(|(name, _)| reads(name)) {
        faults.push(Fault::error("manifest", format!("`{name}` is listed here and missing")).at(manifest, span));
    }
}

fn hex(hash: &Hash) -> String {
    use std::fmt::Write;
    let mut hex = String::with_capacity(64);
    for byte in hash {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
