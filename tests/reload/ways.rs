//! The ways in which files change, each of them live in time.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gatepost::app::Settings;

use super::{ALLOW, DENY, NOBODY, allowed, lay, point, rename_over, undisturbed};
use crate::support::{Root, Sidecar, settings};

/// What a writer does. The root is `root` below a directory that is the test's.
struct Way {
    name: &'static str,
    /// Makes a root that allows.
    lay: fn(&Root),
    /// Makes it deny.
    change: fn(&Root),
    /// Makes it allow again by a second change in the place where the first one left it.
    again: fn(&Root),
}

const WAYS: &[Way] = &[
    Way {
        name: "edited in place",
        lay: |home| lay(home, "root", ALLOW),
        change: |home| edit(home, "root/policies/tiny.cedar", DENY),
        again: |home| edit(home, "root/policies/tiny.cedar", ALLOW),
    },
    Way {
        name: "renamed over",
        lay: |home| lay(home, "root", ALLOW),
        change: |home| rename_over(&at(home, "root/policies/tiny.cedar"), DENY),
        again: |home| rename_over(&at(home, "root/policies/tiny.cedar"), ALLOW),
    },
    Way {
        name: "truncated, then written",
        lay: |home| lay(home, "root", ALLOW),
        change: |home| truncate_then_write(home, "root/policies/tiny.cedar", DENY),
        again: |home| truncate_then_write(home, "root/policies/tiny.cedar", ALLOW),
    },
    Way {
        name: "a file in new subdirectories",
        lay: |home| lay(home, "root", ALLOW),
        change: |home| home.write("root/policies/more/deep/new.cedar", DENY),
        again: |home| edit(home, "root/policies/more/deep/new.cedar", ALLOW),
    },
    Way {
        name: "a subdirectory moved in",
        lay: |home| {
            lay(home, "root", ALLOW);
            home.write("aside/new.cedar", DENY);
        },
        change: |home| rename(home, "aside", "root/policies/more"),
        again: |home| edit(home, "root/policies/more/new.cedar", ALLOW),
    },
    Way {
        name: "a subdirectory removed and made anew",
        lay: |home| {
            lay(home, "root", NOBODY);
            home.write("root/policies/more/all.cedar", ALLOW);
        },
        change: |home| remove(home, "root/policies/more"),
        again: |home| home.write("root/policies/more/all.cedar", ALLOW),
    },
    Way {
        name: "a ConfigMap of the policies",
        lay: |home| {
            lay(home, "root", ALLOW);
            fs::remove_file(at(home, "root/policies/tiny.cedar")).expect("a file to remove");
            home.write("root/policies/..v1/tiny.cedar", ALLOW);
            link(home, "..v1", "root/policies/..data");
            link(home, "..data/tiny.cedar", "root/policies/tiny.cedar");
        },
        change: |home| {
            home.write("root/policies/..v2/tiny.cedar", DENY);
            point(&at(home, "root/policies/..data"), "..v2");
            remove(home, "root/policies/..v1");
        },
        again: |home| {
            home.write("root/policies/..v3/tiny.cedar", ALLOW);
            point(&at(home, "root/policies/..data"), "..v3");
            remove(home, "root/policies/..v2");
        },
    },
    Way {
        name: "a ConfigMap of the whole root",
        lay: |home| {
            lay(home, "root/..v1", ALLOW);
            link(home, "..v1", "root/..data");
            for directory in ["schema", "policies", "entities"] {
                link(home, &format!("..data/{directory}"), &format!("root/{directory}"));
            }
        },
        change: |home| {
            lay(home, "root/..v2", DENY);
            point(&at(home, "root/..data"), "..v2");
            remove(home, "root/..v1");
        },
        again: |home| edit(home, "root/..v2/policies/tiny.cedar", ALLOW),
    },
    Way {
        name: "a worktree for another",
        lay: |home| {
            lay(home, "worktrees/a", ALLOW);
            lay(home, "worktrees/b", DENY);
            link(home, "worktrees/a", "root");
        },
        change: |home| {
            point(&at(home, "root"), "worktrees/b");
            remove(home, "worktrees/a");
        },
        again: |home| edit(home, "worktrees/b/policies/tiny.cedar", ALLOW),
    },
    Way {
        name: "the policies deleted and made anew",
        lay: |home| lay(home, "root", ALLOW),
        change: |home| {
            remove(home, "root/policies");
            home.write("root/policies/tiny.cedar", DENY);
        },
        again: |home| edit(home, "root/policies/tiny.cedar", ALLOW),
    },
    Way {
        name: "the root deleted and made anew",
        lay: |home| lay(home, "root", ALLOW),
        change: |home| {
            remove(home, "root");
            lay(home, "root", DENY);
        },
        again: |home| edit(home, "root/policies/tiny.cedar", ALLOW),
    },
    Way {
        name: "the root replaced by another",
        lay: |home| {
            lay(home, "root", ALLOW);
            lay(home, "next", DENY);
        },
        change: |home| {
            rename(home, "root", "old");
            rename(home, "next", "root");
        },
        again: |home| edit(home, "root/policies/tiny.cedar", ALLOW),
    },
    // Moving a directory takes the watches of all that is below it along.
    Way {
        name: "the policies moved away and back, and edited below",
        lay: |home| {
            lay(home, "root", NOBODY);
            home.write("root/policies/more/all.cedar", ALLOW);
        },
        change: |home| {
            rename(home, "root/policies", "aside");
            rename(home, "aside", "root/policies");
            edit(home, "root/policies/more/all.cedar", DENY);
        },
        again: |home| edit(home, "root/policies/more/all.cedar", ALLOW),
    },
    Way {
        name: "the root moved away and back, and edited below",
        lay: |home| lay(home, "root", ALLOW),
        change: |home| {
            rename(home, "root", "aside");
            rename(home, "aside", "root");
            edit(home, "root/policies/tiny.cedar", DENY);
        },
        again: |home| edit(home, "root/policies/tiny.cedar", ALLOW),
    },
    Way {
        name: "a file behind a link edited in place, then renamed over",
        lay: |home| {
            lay(home, "root", NOBODY);
            home.write("root/shared/all.cedar", ALLOW);
            link(home, "../shared/all.cedar", "root/policies/all.cedar");
        },
        change: |home| edit(home, "root/shared/all.cedar", DENY),
        again: |home| rename_over(&at(home, "root/shared/all.cedar"), ALLOW),
    },
    Way {
        name: "a link made to lead elsewhere",
        lay: |home| {
            lay(home, "root", NOBODY);
            home.write("root/shared/allow.txt", ALLOW);
            home.write("root/shared/deny.txt", DENY);
            link(home, "../shared/allow.txt", "root/policies/all.cedar");
        },
        change: |home| point(&at(home, "root/policies/all.cedar"), "../shared/deny.txt"),
        again: |home| point(&at(home, "root/policies/all.cedar"), "../shared/allow.txt"),
    },
];

fn at(home: &Root, path: &str) -> PathBuf {
    home.path().join(path)
}

fn rename(home: &Root, from: &str, to: &str) {
    fs::rename(at(home, from), at(home, to)).expect("something to move");
}

fn remove(home: &Root, directory: &str) {
    fs::remove_dir_all(at(home, directory)).expect("a directory to remove");
}

fn link(home: &Root, target: &str, path: &str) {
    symlink(target, at(home, path)).expect("a link");
}

/// Writes over what is there, without a moment in which the file is empty.
fn edit(home: &Root, path: &str, content: &str) {
    let file = OpenOptions::new().write(true).open(at(home, path)).expect("a file");
    file.write_all_at(content.as_bytes(), 0).expect("content");
    file.set_len(content.len() as u64).expect("its length");
}

fn truncate_then_write(home: &Root, path: &str, content: &str) {
    let mut file = File::create(at(home, path)).expect("a file");
    file.sync_all().expect("an empty file");
    file.write_all(content.as_bytes()).expect("content");
}

/// How a way was late, if it was, in its first change or in both.
async fn check(way: &Way, changes: usize, settings: &Settings, limit: Duration) -> Vec<String> {
    let home = Root::empty();
    (way.lay)(&home);
    let sidecar = Sidecar::serve_with(&home.path().join("root"), settings).await;
    let mut client = sidecar.client().await;
    assert!(allowed(&mut client).await, "{} at first", way.name);
    let mut late = Vec::new();
    for (number, (change, expected)) in [(way.change, false), (way.again, true)].into_iter().take(changes).enumerate() {
        let before = sidecar.current();
        change(&home);
        let since = Instant::now();
        sidecar.generation(before + 1).await;
        let answer = allowed(&mut client).await;
        let took = since.elapsed();
        assert_eq!(answer, expected, "{}, change {}", way.name, number + 1);
        println!("{}, change {}: live after {took:?}", way.name, number + 1);
        if took >= limit {
            late.push(format!("{}, change {}: {took:?}", way.name, number + 1));
        }
    }
    late
}

#[tokio::test]
async fn every_way_of_changing_files_is_live_within_a_second() {
    let _undisturbed = undisturbed().await;
    let mut late = Vec::new();
    for way in WAYS {
        late.extend(check(way, 2, &settings(), Duration::from_secs(1)).await);
    }
    assert!(late.is_empty(), "{late:#?}");
}

#[tokio::test]
async fn without_events_every_way_of_changing_files_is_live_within_six_seconds() {
    let _undisturbed = undisturbed().await;
    let settings = Settings {
        events: false,
        ..settings()
    };
    let checks = WAYS.iter().map(|way| check(way, 1, &settings, Duration::from_secs(6)));
    let late: Vec<String> = join_all(checks).await.concat();
    assert!(late.is_empty(), "{late:#?}");
}

#[tokio::test]
async fn a_file_that_is_moved_away_and_back_counts_both_times() {
    let _undisturbed = undisturbed().await;
    let home = Root::empty();
    lay(&home, "root", ALLOW);
    home.write("root/policies/deny.cedar", DENY);
    let sidecar = Sidecar::serve(&home.path().join("root")).await;
    let mut client = sidecar.client().await;
    assert!(!allowed(&mut client).await);
    for (from, to, expected) in [
        ("root/policies/deny.cedar", "aside.cedar", true),
        ("aside.cedar", "root/policies/deny.cedar", false),
    ] {
        let before = sidecar.current();
        rename(&home, from, to);
        let since = Instant::now();
        sidecar.generation(before + 1).await;
        assert_eq!(allowed(&mut client).await, expected, "moved to {to}");
        let took = since.elapsed();
        println!("moved to {to}: live after {took:?}");
        assert!(took < Duration::from_secs(1), "moved to {to}: {took:?}");
    }
}

/// Whoever writes beside the root, into its parent or into the root itself, does not hold a reload off.
#[tokio::test]
async fn busy_neighbours_of_the_files_delay_nothing() {
    let _undisturbed = undisturbed().await;
    let home = Root::empty();
    lay(&home, "root", ALLOW);
    let sidecar = Sidecar::serve(&home.path().join("root")).await;
    let mut client = sidecar.client().await;
    let busy = [at(&home, "neighbour"), at(&home, "root/build.log")];
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let (sent, begun) = channel();
    let writer = thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            for path in &busy {
                fs::write(path, "x").expect("a file");
            }
            // Nobody listens after the first.
            let _ = sent.send(());
            // Never quiet for as long as the loader waits for quiet.
            thread::sleep(Duration::from_millis(5));
        }
    });
    begun.recv().expect("a first write");
    edit(&home, "root/policies/tiny.cedar", DENY);
    let since = Instant::now();
    sidecar.generation(2).await;
    let took = since.elapsed();
    assert!(!allowed(&mut client).await);
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("a writer");
    println!("beside a busy neighbour: live after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}
