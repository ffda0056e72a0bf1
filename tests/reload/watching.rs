//! What becomes of changes that no event tells of.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use gatepost::app::Settings;
use gatepost::store::Watching;

use super::{ALLOW, DENY, allowed, generation, quick, says, status, undisturbed};
use crate::support::{Client, Process, Root, Sidecar, gatepost, settings};

/// Sweeps alone, and often.
fn sweeping() -> Settings {
    Settings {
        events: false,
        sweep: Duration::from_millis(300),
        ..settings()
    }
}

/// The binary in a user namespace of its own, in which a limit of inotify is zero. None where the system has no such
/// namespaces for us.
fn limited(limit: &str, root: &Path) -> Option<Command> {
    let unshare = |script: String| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c"]).arg(script);
        command
    };
    let set = format!("echo 0 > /proc/sys/user/{limit}");
    let tried = unshare(set.clone()).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        return None;
    }
    let gatepost = gatepost();
    // `unshare` and the shell become the binary in turn, so that to end the child is to end it.
    let mut command = unshare(format!("{set} && exec \"$0\" \"$@\""));
    command.arg(gatepost.get_program());
    command
        .arg("serve")
        .arg(root)
        .args(["--listen", "127.0.0.1:0", "--set", "store.sweep_ms=300"]);
    for (name, value) in gatepost.get_envs() {
        if value.is_none() {
            command.env_remove(name);
        }
    }
    Some(command)
}

/// Whether the limit could be set.
async fn check_limit(limit: &str, reason: &str) -> bool {
    let root = Root::tiny(ALLOW);
    let command = limited(limit, root.path());
    let is_limited = command.is_some();
    let (process, reason) = match command {
        Some(command) => (Process::spawn(command), reason),
        None => {
            let arguments = ["--set", "store.events=false", "--set", "store.sweep_ms=300"];
            (Process::serve(root.path(), &arguments), "switched off")
        }
    };
    let mut client = Client::connect(process.address).await;
    let status = status(&mut client).await;
    let watching = &status["loading"]["watching"];
    assert_eq!(watching["by"], "sweeps", "{limit}: {status}");
    let told = watching["reason"].as_str().unwrap_or_default();
    assert!(told.contains(reason), "{limit}: {status}");

    assert!(allowed(&mut client).await, "{limit}");
    root.write("policies/tiny.cedar", DENY);
    says(&mut client, limit, |status| generation(status) == 2).await;
    assert!(!allowed(&mut client).await, "{limit}");
    is_limited
}

#[tokio::test]
async fn without_a_watch_to_spare_it_starts_says_so_and_sweeps() {
    let mut limited = true;
    for (limit, reason) in [
        ("max_inotify_instances", "no events from the file system"),
        ("max_inotify_watches", "cannot watch"),
    ] {
        limited &= check_limit(limit, reason).await;
    }
    if !limited {
        // Past the harness, which hides what a test that passes prints.
        writeln!(
            std::io::stderr(),
            "\nNOT TESTED: the limits of inotify cannot be set here, since unshare(1) may make no user namespace. \
             Sweeps were tested with `store.events = false` instead.\n"
        )
        .expect("standard error");
    }
}

#[tokio::test]
async fn without_events_a_sweep_finds_the_change_and_says_why_there_are_none() {
    let root = Root::tiny(ALLOW);
    let sidecar = Sidecar::serve_with(root.path(), &sweeping()).await;
    let mut client = sidecar.client().await;
    let watching = sidecar.live().status().watching;
    assert_eq!(watching, Watching::Sweeps("events are switched off".to_owned()));
    root.write("policies/tiny.cedar", DENY);
    sidecar.generation(2).await;
    assert!(!allowed(&mut client).await);
    let status = status(&mut client).await;
    assert_eq!(status["loading"]["watching"]["by"], "sweeps", "{status}");
}

/// Size and time are what they were; with a new file, the inode may be too.
#[tokio::test]
async fn content_counts_where_nothing_else_has_changed() {
    let root = Root::tiny(ALLOW);
    let path = root.path().join("policies/tiny.cedar");
    let before = fs::metadata(&path).expect("a file");
    let modified = before.modified().expect("its time");
    let sidecar = Sidecar::serve_with(root.path(), &sweeping()).await;
    let mut client = sidecar.client().await;

    fs::write(&path, DENY).expect("content");
    keep(&path, modified);
    sidecar.generation(2).await;
    assert!(!allowed(&mut client).await);

    fs::remove_file(&path).expect("a file to remove");
    fs::write(&path, ALLOW).expect("a new file");
    keep(&path, modified);
    sidecar.generation(3).await;
    assert!(allowed(&mut client).await);

    let after = fs::metadata(&path).expect("a file");
    assert_eq!((after.len(), after.modified().expect("its time")), (before.len(), modified));
    println!("inode {} became {}", before.ino(), after.ino());
}

fn keep(path: &Path, modified: SystemTime) {
    let file = File::options().write(true).open(path).expect("a file");
    file.set_modified(modified).expect("a time");
}

#[tokio::test]
async fn the_time_of_a_file_is_no_part_of_what_it_says() {
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let future = SystemTime::now() + Duration::from_secs(50 * 365 * 24 * 3_600);
    for settings in [quick(), sweeping()] {
        let root = Root::tiny(ALLOW);
        let path = root.path().join("policies/tiny.cedar");
        let sidecar = Sidecar::serve_with(root.path(), &settings).await;
        let mut client = sidecar.client().await;
        // Older than what is live, or newer than now: new content is new content.
        for (number, (time, content)) in [(past, DENY), (future, ALLOW), (past, DENY)].into_iter().enumerate() {
            let aside = root.path().join("aside.cedar");
            fs::write(&aside, content).expect("content");
            keep(&aside, time);
            fs::rename(&aside, &path).expect("a file in its place");
            sidecar.generation(number as u64 + 2).await;
            assert_eq!(allowed(&mut client).await, content == ALLOW);
        }
        // Touched and not changed: nothing happens, as the next change shows.
        for time in [future, SystemTime::now(), past] {
            keep(&path, time);
        }
        root.write("policies/tiny.cedar", ALLOW);
        assert_eq!(sidecar.generation(5).await, 5);
        assert!(allowed(&mut client).await);
    }
}

#[tokio::test]
async fn the_age_of_the_last_look_stays_below_two_sweeps() {
    let _undisturbed = undisturbed().await;
    let sweep = Duration::from_millis(500);
    for events in [true, false] {
        let root = Root::tiny(ALLOW);
        let settings = Settings {
            events,
            sweep,
            ..settings()
        };
        let sidecar = Sidecar::serve_with(root.path(), &settings).await;
        let mut client = sidecar.client().await;
        let begun = Instant::now();
        let (mut looks, mut last, mut oldest) = (0, 0, 0);
        while looks < 5 {
            let status = status(&mut client).await;
            let age = status["loading"]["last_sweep_age_ms"].as_u64().expect("an age");
            oldest = oldest.max(age);
            looks += u32::from(age < last);
            last = age;
            assert!(begun.elapsed() < 20 * sweep, "{looks} looks only: {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("events {events}: the oldest look was {oldest} ms ago");
        assert!(Duration::from_millis(oldest) < 2 * sweep, "{oldest} ms");
        assert_eq!(sidecar.current(), 1, "a look is no load");
    }
}
