//! A root of a million entities: loading, memory, and changes while decisions are made.
//!
//! `cargo bench --bench size -- --users 800000 --teams 10000 --datastores 190000 --files 1000 --seconds 60`. The world
//! is the bundled model's, written into a temporary directory as Cedar's entity format. Each line names its baseline,
//! which is measured in the same run.
//!
//! `cargo bench --bench size -- --sizes 1000,10000,100000,1000000` tells instead, of one root after the other, how long
//! it loads, what memory it needs, and when a change is seen; each is loaded by a process of its own.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "size/made.rs"]
mod made;
#[path = "shared/mode.rs"]
mod mode;
#[path = "size/process.rs"]
mod process;
#[path = "shared/random.rs"]
mod random;
#[path = "size/sizes.rs"]
mod sizes;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gatepost::engine::{Query, Snapshot};
use gatepost::store::{Live, Loader, LoaderSettings};

use made::{Made, Plan};
use mode::Mode;
use process::{peak_kib, reset_peak, resident_kib};
use random::Random;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if sizes::run(&arguments) {
        return;
    }
    let mode = Mode::of_this_run();
    let Some((plan, seconds)) = plan(&arguments, mode) else {
        return;
    };
    if mode == Mode::Try {
        sizes::compare(&[100, 1_000]);
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let made = Made::write(directory.path(), &plan);
    println!(
        "size: {} users, {} teams, {} datastores in {} files, {} MB",
        plan.users,
        plan.teams,
        plan.datastores,
        plan.files,
        made.bytes >> 20
    );

    let before = resident_kib();
    let parsed = parse(directory.path());
    let live = Arc::new(Live::default());
    let (loader, load) = load(directory.path(), &live);
    println!(
        "ratio: load/serde = {:.2} ({:.2} s, and {:.2} s to parse the same files into serde_json::Value)",
        load.as_secs_f64() / parsed.as_secs_f64(),
        load.as_secs_f64(),
        parsed.as_secs_f64()
    );
    // What loading needed goes back to the system little by little.
    thread::sleep(Duration::from_secs(2));
    let after = resident_kib();
    println!(
        "memory: {} MB resident after loading ({} MB before), {} MB at the most while loading",
        after >> 10,
        before >> 10,
        peak_kib() >> 10
    );

    all_files(&live, &made, after);
    one_change(&live, &made);
    latency(&live, &made, seconds);
    let _ = reset_peak();
    many_changes(&live, &made, seconds);
    println!(
        "memory: {} MB resident after the changes, {:.2} of what it was; {:.2} of it at the most while changing",
        resident_kib() >> 10,
        resident_kib() as f64 / after as f64,
        peak_kib() as f64 / after as f64
    );
    drop(loader);
}

/// Starts a loader, and says how long its first load took.
fn load(root: &Path, live: &Arc<Live>) -> (Loader, Duration) {
    let started = Instant::now();
    let mut published = live.subscribe();
    let loader = Loader::start(LoaderSettings::new(root), live.clone()).expect("a thread");
    wait(|| *published.borrow_and_update() == 1);
    (loader, started.elapsed())
}

fn plan(arguments: &[String], mode: Mode) -> Option<(Plan, f64)> {
    let number = |name: &str, usual: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(usual)
    };
    let filtered = arguments
        .iter()
        .any(|argument| !argument.starts_with("--") && argument.parse::<f64>().is_err());
    if filtered {
        return None;
    }
    let (share, seconds) = match mode {
        Mode::Measure => (1, 10),
        Mode::Try => (1_000, 1),
    };
    let plan = Plan {
        users: number("--users", 800_000 / share),
        teams: number("--teams", 10_000 / share),
        datastores: number("--datastores", 190_000 / share),
        files: number("--files", 1_000 / share.min(100)),
    };
    Some((plan, number("--seconds", seconds) as f64))
}

fn wait(mut until: impl FnMut() -> bool) {
    while !until() {
        thread::sleep(Duration::from_micros(200));
    }
}

/// How long it takes to parse all files of entities, and nothing else.
fn parse(root: &Path) -> Duration {
    let started = Instant::now();
    for entry in fs::read_dir(root.join("entities")).expect("a directory") {
        let content = fs::read(entry.expect("a file").path()).expect("a file");
        std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&content).expect("good JSON"));
    }
    started.elapsed()
}

fn allowed(snapshot: &Snapshot, user: usize, action: &str, datastore: usize) -> bool {
    let (user, datastore) = (made::user(user), made::datastore(datastore));
    let query = Query::plain(("User", &user), action, ("Datastore", &datastore));
    snapshot.decide(&query).expect("a good question").is_allowed()
}

fn live_allows(live: &Live, user: usize, datastore: usize) -> bool {
    live.current()
        .as_ref()
        .is_some_and(|live| allowed(&live.snapshot, user, "deleteDatastore", datastore))
}

/// How long it takes until one change of one user is seen in decisions, in each of seven rounds, sorted.
fn changes_seen(live: &Live, made: &Made) -> [Duration; 7] {
    let mut took = [Duration::ZERO; 7];
    for (round, took) in took.iter_mut().enumerate() {
        let user = made.plan.active_user(17 + round * made.plan.users / 8);
        // Well after the last change, so that nothing is under way.
        thread::sleep(Duration::from_millis(700));
        let started = Instant::now();
        made.change(user, "Admin");
        wait(|| live_allows(live, user, 3));
        *took = started.elapsed();
    }
    took.sort();
    took
}

/// One change in every file, all at once.
fn all_files(live: &Live, made: &Made, after_loading_kib: u64) {
    for file in 0..made.plan.files {
        made.prepare(made.last_user(file), "Admin");
    }
    // What was written beside the files gave hints too; nothing is under way when they change.
    thread::sleep(Duration::from_secs(3));
    let (resident, loads) = (resident_kib(), live.status().loads);
    let _ = reset_peak();
    let started = Instant::now();
    (0..made.plan.files).for_each(|file| made.put(file));
    let changed = (0..made.plan.files)
        .map(|file| made.last_user(file))
        .filter(|user| Plan::is_active(*user));
    for user in changed {
        wait(|| live_allows(live, user, 3));
    }
    println!(
        "change: all {} files at once are seen after {:.0} ms, in {} generations",
        made.plan.files,
        started.elapsed().as_secs_f64() * 1e3,
        live.status().loads - loads
    );
    println!(
        "memory: {} MB resident before all files changed, {} MB at the most meanwhile, {:.2} of what it was after \
         loading",
        resident >> 10,
        peak_kib() >> 10,
        peak_kib() as f64 / after_loading_kib as f64
    );
}

fn one_change(live: &Live, made: &Made) {
    let took = changes_seen(live, made);
    println!(
        "change: one user among all is seen after {:.0} ms (median of {}), {:.0} ms at the most",
        took[took.len() / 2].as_secs_f64() * 1e3,
        took.len(),
        took[took.len() - 1].as_secs_f64() * 1e3
    );
}

/// Latencies of decisions on random users and datastores for some time, in nanoseconds, sorted.
fn decide_for(live: &Live, made: &Made, seconds: f64) -> Vec<u64> {
    let started = Instant::now();
    let mut nanos = Vec::new();
    let mut random = Random(7);
    while started.elapsed().as_secs_f64() < seconds {
        for _ in 0..1_000 {
            let (user, datastore) = (random.below(made.plan.users), random.below(made.plan.datastores));
            let (user, datastore) = (made::user(user), made::datastore(datastore));
            let asked = Instant::now();
            let current = live.current();
            let query = Query::plain(("User", &user), "viewDatastore", ("Datastore", &datastore));
            let decision = current.as_ref().map(|live| live.snapshot.decide(&query));
            std::hint::black_box(&decision);
            nanos.push(asked.elapsed().as_nanos() as u64);
        }
        // As a server that is not busy all the time.
        thread::sleep(Duration::from_millis(1));
    }
    nanos.sort_unstable();
    nanos
}

fn at(sorted: &[u64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize] as f64
}

/// Decisions while one file after the other changes, against decisions while nothing does.
fn latency(live: &Live, made: &Made, seconds: f64) {
    let stop = AtomicBool::new(false);
    let idle = decide_for(live, made, seconds / 2.0);
    let busy = thread::scope(|scope| {
        scope.spawn(|| {
            let mut user = 100;
            while !stop.load(Ordering::Relaxed) {
                made.change(user % made.plan.users, "Member");
                user += 997;
                thread::sleep(Duration::from_millis(400));
            }
        });
        let busy = decide_for(live, made, seconds / 2.0);
        stop.store(true, Ordering::Relaxed);
        busy
    });
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        println!(
            "ratio: decision {name} while reloading/idle = {:.2} ({:.2} us and {:.2} us)",
            at(&busy, share) / at(&idle, share),
            at(&busy, share) / 1e3,
            at(&idle, share) / 1e3
        );
    }
}

/// Changes, 24 a second, each of another user, and none may be lost.
fn many_changes(live: &Live, made: &Made, seconds: f64) {
    let changes = (24.0 * seconds) as usize;
    let stop = AtomicBool::new(false);
    let first = live.status().loads;
    let decided = thread::scope(|scope| {
        let decider = scope.spawn(|| {
            let mut decided = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                decided += decide_for(live, made, 0.5).len() as u64;
            }
            decided
        });
        let started = Instant::now();
        for change in 0..changes {
            made.change(many_user(change, &made.plan), "Admin");
            let due = started + Duration::from_secs_f64((change + 1) as f64 / 24.0);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let last = many_user(changes - 1, &made.plan);
        let written = Instant::now();
        wait(|| live_allows(live, last, 5));
        println!(
            "change: the last of {changes} is seen after {:.0} ms",
            written.elapsed().as_secs_f64() * 1e3
        );
        stop.store(true, Ordering::Relaxed);
        decider.join().expect("the decider")
    });
    let lost = (0..changes)
        .filter(|change| !live_allows(live, many_user(*change, &made.plan), 5))
        .count();
    println!(
        "change: {changes} changes in {seconds} s, {lost} lost, {} generations, {decided} decisions meanwhile",
        live.status().loads - first
    );
    assert_eq!(lost, 0, "changes were lost");
}

fn many_user(change: usize, plan: &Plan) -> usize {
    plan.active_user(change * 7_919 + 23)
}
