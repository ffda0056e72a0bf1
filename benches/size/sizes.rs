//! Roots of several sizes, one after the other: loading, memory and changes.
//!
//! Memory is that of a fresh process that does nothing but load; another one has written the root.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gatepost::store::Live;

use crate::made::{Made, Plan};
use crate::process::{peak_kib, resident_kib};
use crate::{changes_seen, load};

/// The argument in front of a size and its root.
const PART: &str = "part-of-size-bench";

/// Does what the arguments say if it is about several sizes.
pub(crate) fn run(arguments: &[String]) -> bool {
    if let [PART, root, entities] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        tell(Path::new(root), entities.parse().expect("a number"));
        return true;
    }
    let Some(at) = arguments.iter().position(|argument| argument == "--sizes") else {
        return false;
    };
    let sizes = arguments.get(at + 1).expect("sizes behind `--sizes`");
    let sizes: Vec<usize> = sizes
        .split(',')
        .map(|size| size.parse().expect("numbers with commas between them behind `--sizes`"))
        .collect();
    compare(&sizes);
    true
}

/// Tells of each size; its root is gone before the next is written.
pub(crate) fn compare(sizes: &[usize]) {
    for size in sizes {
        assert!(*size >= 100, "a root has at least 100 entities");
        let directory = tempfile::tempdir().expect("a temporary directory");
        Made::write(directory.path(), &Plan::of(*size));
        let status = Command::new(std::env::current_exe().expect("the path of this binary"))
            .arg(PART)
            .arg(directory.path())
            .arg(size.to_string())
            .status()
            .expect("a process for a size");
        assert!(status.success(), "the process for {size} entities failed: {status}");
    }
}

fn tell(root: &Path, entities: usize) {
    let made = Made::found(root, &Plan::of(entities));
    let before = resident_kib();
    let live = Arc::new(Live::default());
    let (loader, took) = load(root, &live);
    // What loading needed goes back to the system little by little.
    thread::sleep(Duration::from_secs(2));
    let after = resident_kib();
    // The system counts both a little late.
    let peak = peak_kib().max(after);
    let seen = changes_seen(&live, &made);
    let mib = |kib: u64| kib as f64 / 1024.0;
    println!(
        "size: {entities} load {:.4} s memory {:.1} MB change {:.0} ms (memory {:.1} MB before, {:.1} MB at the most; \
         change median of {}, {:.0} ms at the most)",
        took.as_secs_f64(),
        mib(after),
        seen[seen.len() / 2].as_secs_f64() * 1e3,
        mib(before),
        mib(peak),
        seen.len(),
        seen[seen.len() - 1].as_secs_f64() * 1e3
    );
    drop(loader);
}
