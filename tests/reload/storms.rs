//! More changes than can be looked at one by one.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::{ALLOW, DENY, allowed, alone, denies, generation, rename_over, restless, says, status};
use crate::support::{Client, Process, Root, Sidecar, rounds};

/// A policy that allows, and differs from edit to edit, always of the same length.
fn edition(number: usize) -> String {
    format!("@id(\"edition-{number:08}\")\n{ALLOW}")
}

/// Touches files that nobody reads, in turns, so that no event is folded into the one before.
fn touch(directory: &Path, times: usize) {
    let files: Vec<PathBuf> = (0..4).map(|number| directory.join(format!("touched-{number}"))).collect();
    for path in &files {
        fs::write(path, "").expect("a file");
    }
    for time in 0..times {
        let file = OpenOptions::new().write(true).open(&files[time % files.len()]).expect("a file");
        file.set_modified(SystemTime::now()).expect("a touch");
    }
}

#[tokio::test]
async fn a_storm_of_touches_hides_no_edit() {
    let _alone = alone().await;
    let root = Root::tiny(ALLOW);
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    assert!(allowed(&mut client).await);
    touch(&root.path().join("policies"), rounds(20_000));
    root.write("policies/tiny.cedar", DENY);
    let since = Instant::now();
    sidecar.generation(2).await;
    assert!(!allowed(&mut client).await);
    let took = since.elapsed();
    println!("after a storm of touches: live after {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(sidecar.current(), 2, "what nobody reads is no change");
}

/// A process that is stopped reads no events, so the queue of them runs over, and the edit's event with it.
#[tokio::test]
async fn an_edit_whose_event_was_lost_is_live_before_the_next_sweep() {
    let _alone = alone().await;
    let root = Root::tiny(ALLOW);
    let process = Process::serve(root.path(), &["--set", "store.sweep_ms=60000"]);
    let mut client = Client::connect(process.address).await;
    assert!(allowed(&mut client).await);

    let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("a limit of inotify");
    let queue: usize = queue.trim().parse().expect("a number");
    process.signal("STOP");
    touch(&root.path().join("policies"), rounds(20_000).max(queue + queue / 4));
    root.write("policies/tiny.cedar", DENY);
    process.signal("CONT");
    let since = Instant::now();
    says(&mut client, "the edit", |status| generation(status) == 2).await;
    assert!(!allowed(&mut client).await);
    let took = since.elapsed();
    println!("after a queue that ran over: live after {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");

    // And from then on events count as before.
    root.write("policies/tiny.cedar", ALLOW);
    let since = Instant::now();
    says(&mut client, "an edit afterwards", |status| generation(status) == 3).await;
    assert!(allowed(&mut client).await);
    let took = since.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_without_pause_holds_no_reload_off() {
    let _alone = alone().await;
    let root = Root::tiny(&edition(0));
    let process = Process::serve(root.path(), &[]);
    let mut client = Client::connect(process.address).await;
    let path = root.path().join("policies/tiny.cedar");
    // One a millisecond, for longer than quiet is waited for at most.
    let edits = rounds(6_000).max(6_000);
    let begun = Instant::now();
    let busy = path.clone();
    let writer = thread::spawn(move || {
        for number in 1..=edits {
            overwrite(&busy, &edition(number));
            thread::sleep(Duration::from_millis(1));
        }
    });
    let mut longest = Duration::ZERO;
    let (mut last, mut since) = (1, begun);
    while !writer.is_finished() {
        let now = generation(&status(&mut client).await);
        longest = longest.max(since.elapsed());
        if now > last {
            (last, since) = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    writer.join().expect("a writer");
    rename_over(&path, DENY);
    let since = Instant::now();
    while allowed(&mut client).await {
        assert!(since.elapsed() < Duration::from_secs(3), "the last edit is not live");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (took, wall, worked) = (since.elapsed(), begun.elapsed(), worked(&process));
    println!(
        "{edits} edits in {wall:?}: {last} generations, {longest:?} apart at most, the last edit live after {took:?}, \
         {worked:?} of processor time"
    );
    assert!(last > 1, "no generation came");
    assert!(longest < Duration::from_secs(3), "{longest:?} without a generation");
    assert!(worked < wall, "{worked:?} of processor time in {wall:?}");
}

/// How long a process has kept processors busy.
fn worked(process: &Process) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.child.id())).expect("its account");
    // The name in parentheses may hold anything; user and system time are the 12th and 13th fields after it.
    let (_, fields) = stat.rsplit_once(')').expect("its fields");
    let ticks = |number: usize| fields.split_whitespace().nth(number)?.parse::<u64>().ok();
    // A tick is a hundredth of a second wherever Linux tells it to programs.
    Duration::from_millis((ticks(11).expect("user time") + ticks(12).expect("system time")) * 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_that_are_slower_than_the_changes_are_folded_into_one() {
    let _alone = alone().await;
    let root = Root::tiny(&edition(0));
    let users: Vec<String> = (0..10_000)
        .map(|number| format!("{{\"uid\":{{\"type\":\"User\",\"id\":\"{number}\"}},\"attrs\":{{}},\"parents\":[]}}"))
        .collect();
    root.write("entities/users.json", &format!("[{}]", users.join(",\n")));
    let sidecar = Sidecar::serve_with(root.path(), &restless()).await;
    let mut client = sidecar.client().await;
    let load = sidecar.live().current().as_ref().map(|generation| generation.load_took);
    // Ten changes while it loads once.
    let pause = (load.expect("a generation") / 10).max(Duration::from_millis(1));

    let edits = rounds(100).clamp(100, 1_000);
    let path = root.path().join("policies/tiny.cedar");
    // A change of the schema has everything read anew.
    let schema = root.path().join("schema/tiny.cedarschema");
    let declarations = std::fs::read_to_string(&schema).expect("a schema");
    let writer = tokio::task::spawn_blocking(move || {
        for number in 1..edits {
            rename_over(&schema, &format!("{declarations} // {number}"));
            thread::sleep(pause);
        }
        rename_over(&path, DENY);
    });
    writer.await.expect("a writer");
    let then = sidecar.current();
    denies(&sidecar, &mut client).await;
    let after = sidecar.current() - then;
    println!("{edits} edits {pause:?} apart: {then} generations, and {after} after the last edit");
    assert!(then < edits as u64 / 2, "{then} generations for {edits} edits");
    assert!(after <= 2, "{after} generations waited in a queue");
}

/// A file that changes each time it is looked at cannot be read. To go on without it would be to drop its policies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_never_holds_still_is_never_left_out() {
    let _alone = alone().await;
    let writers: [(&str, fn(&Path, usize)); 2] = [
        ("overwritten", |path, number| overwrite(path, &prohibition(number))),
        ("exchanged", exchange),
    ];
    for (how, write) in writers {
        let root = Root::tiny(ALLOW);
        root.write("policies/deny.cedar", &prohibition(0));
        let sidecar = Sidecar::serve_with(root.path(), &restless()).await;
        let mut client = sidecar.client().await;
        assert!(!allowed(&mut client).await, "{how}, at first");

        let path = root.path().join("policies/deny.cedar");
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let writer = thread::spawn(move || {
            let mut number = 0;
            while !told.load(Ordering::Relaxed) {
                number += 1;
                write(&path, number);
            }
            number
        });
        let questions = rounds(2_000);
        let mut wrong = 0;
        for _ in 0..questions {
            wrong += usize::from(allowed(&mut client).await);
        }
        stop.store(true, Ordering::Relaxed);
        let written = writer.join().expect("a writer");
        println!("{how} {written} times: {wrong} of {questions} allowed");
        assert_eq!(wrong, 0, "{how}: the prohibition was left out");

        // The end of it is live like any other change.
        root.remove("policies/deny.cedar");
        let mut published = sidecar.live().subscribe();
        let ending = async {
            while !allowed(&mut client).await {
                published.changed().await.expect("a loader");
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(6), ending).await;
        assert!(ended.is_ok(), "{how}: {:?}", sidecar.live().status());
    }
}

/// A policy file that forbids, always of the same length.
fn prohibition(number: usize) -> String {
    format!("{DENY}// {number:012}\n")
}

/// Puts another file in its place. Two of them take turns, written beforehand, so that no disk holds the writer up.
fn exchange(path: &Path, number: usize) {
    let written = path.with_extension((number % 2).to_string());
    if !written.exists() {
        fs::write(&written, prohibition(number)).expect("a file");
    }
    let new = path.with_extension("new");
    fs::hard_link(&written, &new).expect("a second name");
    fs::rename(&new, path).expect("a file in its place");
}

/// Writes over what is there in one call.
fn overwrite(path: &Path, content: &str) {
    let file = OpenOptions::new().write(true).open(path).expect("a file");
    file.write_all_at(content.as_bytes(), 0).expect("content");
}
