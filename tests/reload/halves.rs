//! Changes that are seen half-way: files cut short, and several files that belong together.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use gatepost::app::Settings;
use gatepost::engine::Options;
use gatepost::store::{self, FileLimits};
use sha2::{Digest, Sha256};

use super::{ALLOW, DENY, Standing, allowed, quick, random, tiny_question};
use crate::support::{PATIENCE, Root, Sidecar, rounds, settings};

/// The files of a tiny root with another policy file.
const FILES: [&str; 4] = [
    "entities/none.json",
    "policies/many.cedar",
    "policies/tiny.cedar",
    "schema/tiny.cedarschema",
];

/// A policy file that is still one if it is cut off between two policies, or in a comment.
fn many() -> String {
    let mut policies = String::new();
    for number in 0..20 {
        writeln!(
            policies,
            "// The policy number {number} is about somebody of its own.\n@id(\"many-{number}\")\n\
             permit (principal == User::\"{number}\", action, resource);"
        )
        .expect("a string");
    }
    policies
}

/// What `sha256sum` prints for these files.
fn sums(root: &Root, names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("{}  {name}\n", sum(root.read(name).as_bytes())))
        .collect()
}

fn sum(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn listed() -> Root {
    let root = Root::tiny(ALLOW);
    root.write("policies/many.cedar", &many());
    let sums = sums(&root, &FILES);
    root.write("SHA256SUMS", &sums);
    root
}

/// Whether what is on the disk now would be taken.
fn is_taken(root: &Root) -> bool {
    let tree = store::read(root.path(), &FileLimits::default());
    assert!(!tree.moved, "nobody writes");
    store::compile(&tree, &Options::default(), None).is_ok()
}

#[test]
fn with_a_manifest_no_file_that_is_cut_short_is_taken() {
    let root = listed();
    assert!(is_taken(&root));
    let whole = many();
    let mut without = 0;
    for _ in 0..rounds(1_000) {
        let cut = random(whole.len());
        root.write("policies/many.cedar", &whole[..cut]);
        assert!(!is_taken(&root), "cut off at {cut}");
    }
    // The same without a manifest: valid files that say less than their author wrote. That is what it is for.
    root.remove("SHA256SUMS");
    for _ in 0..50 {
        root.write("policies/many.cedar", &whole[..random(whole.len())]);
        without += usize::from(is_taken(&root));
    }
    println!("without a manifest, {without} of 50 were taken");
    assert!(without > 0);
}

#[test]
fn a_manifest_that_is_cut_short_itself_is_not_taken() {
    let root = listed();
    let whole = root.read("SHA256SUMS");
    // Its last line break is not missed.
    for cut in (0..whole.len() - 1).step_by(7).chain([0, 64, whole.len() - 2]) {
        root.write("SHA256SUMS", &whole[..cut]);
        assert!(!is_taken(&root), "cut off at {cut}");
    }
    root.write("SHA256SUMS", whole.trim_end());
    assert!(is_taken(&root));
    // As `sha256sum --binary` writes it, with other names in it, and with blank lines.
    let other = whole.replace("  ", " *./") + "\n" + &sum(b"") + "  README.md\n";
    root.write("SHA256SUMS", &other);
    assert!(is_taken(&root));
}

#[tokio::test]
async fn a_live_sidecar_refuses_what_its_manifest_does_not_list_and_names_it() {
    let root = listed();
    let whole = many();
    let manifest = root.read("SHA256SUMS");
    let mut standing = Standing::on(root.path(), &quick(), tiny_question()).await;

    for _ in 0..10 {
        let what = "a file cut short";
        root.write("policies/many.cedar", &whole[..1 + random(whole.len() - 1)]);
        let pending = standing.refuses(what, "`policies/many.cedar` is not the file that is listed here").await;
        assert_eq!(pending["faults"][0]["file"], "SHA256SUMS", "{pending}");
        assert_eq!(pending["faults"][0]["line"], 2, "{pending}");
        root.write("policies/many.cedar", &whole);
        standing.mends(what).await;
    }

    let what = "a file that is not listed";
    root.write("policies/more.cedar", ALLOW);
    let pending = standing.refuses(what, "`policies/more.cedar` is not listed in `SHA256SUMS`").await;
    assert_eq!(pending["faults"][0]["file"], "policies/more.cedar", "{pending}");
    root.remove("policies/more.cedar");
    standing.mends(what).await;

    let what = "a file that is listed and missing";
    root.remove("policies/many.cedar");
    let pending = standing.refuses(what, "`policies/many.cedar` is listed here and missing").await;
    assert_eq!(pending["faults"][0]["file"], "SHA256SUMS", "{pending}");
    assert_eq!(pending["faults"][0]["line"], 2, "{pending}");
    root.write("policies/many.cedar", &whole);
    standing.mends(what).await;

    let what = "a line that is none";
    root.write("SHA256SUMS", &format!("{manifest}many.cedar\n"));
    let pending = standing.refuses(what, "not a line of `sha256sum`").await;
    assert_eq!(pending["faults"][0]["line"], 5, "{pending}");
    root.write("SHA256SUMS", &manifest);
    standing.mends(what).await;

    // Files and manifest change together, in whatever order: nothing in between is taken.
    let before = standing.sidecar.current();
    root.write("policies/tiny.cedar", DENY);
    standing.refuses("new files, old manifest", "`policies/tiny.cedar` is not the file").await;
    root.write("SHA256SUMS", &sums(&root, &FILES));
    standing.sidecar.generation(before + 1).await;
    assert!(!allowed(&mut standing.client).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_written_in_two_halves_is_never_live_by_its_first() {
    // By events, and where there are none by sweeps that come in the middle of it.
    for (events, sweep) in [(true, Duration::from_secs(60)), (false, Duration::from_millis(50))] {
        written_in_halves(events, sweep).await;
    }
}

async fn written_in_halves(events: bool, sweep: Duration) {
    let root = Root::tiny(DENY);
    let settings = Settings {
        quiet: Duration::from_secs(1),
        quiet_max: Duration::from_secs(10),
        sweep,
        events,
        ..settings()
    };
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let mut client = sidecar.client().await;
    let path = root.path().join("policies/tiny.cedar");
    // The first half alone is a valid file, and allows.
    let writer = thread::spawn(move || {
        let mut file = OpenOptions::new().write(true).truncate(true).open(path).expect("a file");
        for half in [ALLOW, "@id(\"second-half\")\n", DENY] {
            file.write_all(half.as_bytes()).expect("a half");
            // The writer's own pause, shorter than the quiet that is waited for.
            thread::sleep(Duration::from_millis(100));
        }
    });
    let mut asked = 0;
    let begun = Instant::now();
    while sidecar.current() < 2 {
        assert!(!allowed(&mut client).await, "the first half alone is live");
        asked += 1;
        let status = sidecar.live().status();
        assert!(status.pending.is_none() && begun.elapsed() < PATIENCE, "{status:?}");
    }
    writer.join().expect("a writer");
    assert!(!allowed(&mut client).await);
    assert_eq!(sidecar.current(), 2);
    println!("asked {asked} times meanwhile");
}

#[tokio::test]
async fn files_that_change_within_the_quiet_period_change_at_once() {
    let root = Root::tiny(ALLOW);
    let settings = Settings {
        quiet: Duration::from_millis(500),
        ..settings()
    };
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let mut client = sidecar.client().await;
    // Each of these alone would be a generation, or a fault: the entity's type comes last.
    root.write(
        "policies/more.cedar",
        "permit (principal, action, resource == Folder::\"top\");\n",
    );
    root.write(
        "entities/more.json",
        "[{\"uid\":{\"type\":\"Folder\",\"id\":\"top\"},\"attrs\":{},\"parents\":[]}]",
    );
    fs::remove_file(root.path().join("policies/tiny.cedar")).expect("a file to remove");
    root.write(
        "schema/tiny.cedarschema",
        "entity User; entity Doc, Folder; action view appliesTo { principal: User, resource: [Doc, Folder] };",
    );
    sidecar.generation(2).await;
    assert!(!allowed(&mut client).await);
    assert!(client.asks(("User", "ana"), "view", ("Folder", "top")).await);
    assert_eq!(sidecar.current(), 2);
    let status = sidecar.live().status();
    assert_eq!((status.loads, status.failures), (2, 0), "{status:?}");
}
