//! Whole versions that are swapped through one link, and never mixed.
//!
//! The two versions differ in two files: one permits action `a` alone, the other `b` alone. Whoever sees files of both
//! allows both actions or neither.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use gatepost::engine::Options;
use gatepost::store::{self, FileLimits, Kind};
use serde_json::json;

use super::{alone, point, random, restless};
use crate::support::{Answer, Client, EVALUATIONS, PATIENCE, Process, Root, Sidecar, gatepost, rounds};

/// Where the link is that is swapped.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// `policies/a.cedar` leads through `policies/..data`: a ConfigMap mounted as that directory.
    Policies,
    /// `schema`, `policies` and `entities` lead through `..data`: one mounted as the root.
    Root,
    /// The root is a link to a worktree, as git-sync leaves it.
    Worktree,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    A,
    B,
}

impl Version {
    /// They take turns.
    fn of(number: usize) -> Self {
        if number.is_multiple_of(2) { Self::A } else { Self::B }
    }

    fn write(self, home: &Root, policies: &str) {
        let (a, b) = match self {
            Self::A => ("permit", "forbid"),
            Self::B => ("forbid", "permit"),
        };
        for (name, effect) in [("a", a), ("b", b)] {
            home.write(
                &format!("{policies}/{name}.cedar"),
                &format!("{effect} (principal, action == Action::\"{name}\", resource);\n"),
            );
        }
    }

    /// The revision that such files have, wherever they lie.
    fn revision(self) -> String {
        let root = Root::empty();
        write_rest(&root, "");
        self.write(&root, "policies");
        let tree = store::read(root.path(), &FileLimits::default());
        let snapshot = store::compile(&tree, &Options::default(), None).expect("a good version");
        snapshot.revision().to_owned()
    }
}

/// What the versions have in common.
fn write_rest(home: &Root, below: &str) {
    home.write(
        &format!("{below}schema/ab.cedarschema"),
        "entity User; entity Doc; action a, b appliesTo { principal: User, resource: Doc };",
    );
    home.write(&format!("{below}entities/none.json"), "[]");
}

/// A root whose versions are swapped.
struct Versions {
    home: Root,
    layout: Layout,
    live: usize,
}

impl Versions {
    fn lay(layout: Layout) -> Self {
        let versions = Self {
            home: Root::empty(),
            layout,
            live: 0,
        };
        versions.write(0);
        let link = |target: &str, path: &str| symlink(target, versions.home.path().join(path)).expect("a link");
        match layout {
            Layout::Policies => {
                write_rest(&versions.home, "root/");
                link("..v0", "root/policies/..data");
                link("..data/a.cedar", "root/policies/a.cedar");
                link("..data/b.cedar", "root/policies/b.cedar");
            }
            Layout::Root => {
                link("..v0", "root/..data");
                for directory in ["schema", "policies", "entities"] {
                    link(&format!("..data/{directory}"), &format!("root/{directory}"));
                }
            }
            Layout::Worktree => link("worktrees/v0", "root"),
        }
        versions
    }

    fn root(&self) -> PathBuf {
        self.home.path().join("root")
    }

    fn version(&self) -> Version {
        Version::of(self.live)
    }

    /// The directory of a version, from `home` on.
    fn directory(&self, number: usize) -> String {
        match self.layout {
            Layout::Policies => format!("root/policies/..v{number}"),
            Layout::Root => format!("root/..v{number}"),
            Layout::Worktree => format!("worktrees/v{number}"),
        }
    }

    fn write(&self, number: usize) {
        let version = Version::of(number);
        let directory = self.directory(number);
        match self.layout {
            Layout::Policies => version.write(&self.home, &directory),
            Layout::Root | Layout::Worktree => {
                write_rest(&self.home, &format!("{directory}/"));
                version.write(&self.home, &format!("{directory}/policies"));
            }
        }
    }

    /// Writes the next version, makes it the live one, and removes the last one, as the kubelet and git-sync do.
    fn swap(&mut self) {
        let old = self.exchange();
        fs::remove_dir_all(self.home.path().join(old)).expect("a version to remove");
    }

    /// Writes the next version and makes it the live one. Gives the directory of the last one, from `home` on.
    fn exchange(&mut self) -> String {
        let old = self.directory(self.live);
        self.live += 1;
        self.write(self.live);
        let (link, target) = match self.layout {
            Layout::Policies => ("root/policies/..data", format!("..v{}", self.live)),
            Layout::Root => ("root/..data", format!("..v{}", self.live)),
            Layout::Worktree => ("root", format!("worktrees/v{}", self.live)),
        };
        point(&self.home.path().join(link), &target);
        old
    }
}

/// The revisions of both versions.
#[derive(Clone)]
struct Known {
    a: String,
    b: String,
}

impl Known {
    fn new() -> Self {
        Self {
            a: Version::A.revision(),
            b: Version::B.revision(),
        }
    }

    fn revision(&self, version: Version) -> &str {
        match version {
            Version::A => &self.a,
            Version::B => &self.b,
        }
    }

    /// The version that an answer comes from. A mixture is none.
    fn version_of(&self, answer: &Answer) -> Version {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json = answer.json();
        let decision = |number: usize| json["evaluations"][number]["decision"].as_bool().expect("a decision");
        let version = match (decision(0), decision(1)) {
            (true, false) => Version::A,
            (false, true) => Version::B,
            _ => panic!("a mixture of two versions: {}", answer.text()),
        };
        assert_eq!(
            answer.header("gatepost-revision"),
            Some(self.revision(version)),
            "no revision that there ever was"
        );
        version
    }
}

/// May the action of each version be done, in one batch?
fn both() -> String {
    json!({
        "subject": { "type": "User", "id": "ana" },
        "resource": { "type": "Doc", "id": "plan" },
        "evaluations": [{ "action": { "name": "a" } }, { "action": { "name": "b" } }],
    })
    .to_string()
}

async fn check(layout: Layout) {
    let _alone = alone().await;
    let known = Known::new();
    let mut versions = Versions::lay(layout);
    let sidecar = Sidecar::serve_with(&versions.root(), &restless()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (known, stop, asked, address) = (known.clone(), stop.clone(), asked.clone(), sidecar.address);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let body = both();
                while !stop.load(Ordering::Relaxed) {
                    known.version_of(&client.post(EVALUATIONS, &body).await);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();

    // Where each swap is waited for, each is one generation and no more.
    let waited = rounds(150) as u64;
    for number in 1..=waited {
        versions.swap();
        assert_eq!(sidecar.generation(1 + number).await, 1 + number, "{layout:?}");
    }
    let loaded = sidecar.current();
    assert_eq!(loaded, 1 + waited, "{layout:?}");

    // Where none is waited for, some are never seen; whatever is seen is whole. Each meets a question.
    let unwaited = rounds(150) * 4;
    for _ in 0..unwaited {
        let seen = asked.load(Ordering::Relaxed);
        versions.swap();
        while asked.load(Ordering::Relaxed) == seen && !clients.iter().any(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    }

    // The last one wins, and stays. What is live may say the same as the last and be of an older swap yet, on which those
    // in between are still to follow.
    let last = known.revision(versions.version()).to_owned();
    let mut published = sidecar.live().subscribe();
    let winning = async {
        let is_last = || {
            let current = sidecar.live().current();
            current.as_ref().is_some_and(|generation| generation.snapshot.revision() == last)
        };
        let stays = Duration::from_millis(500);
        while !is_last() || tokio::time::timeout(stays, published.changed()).await.is_ok() {
            if !is_last() {
                published.changed().await.expect("a loader");
            }
        }
    };
    let won = tokio::time::timeout(PATIENCE, winning).await;
    assert!(won.is_ok(), "{layout:?}: {:?}", sidecar.live().status());
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("a client that saw no mixture");
    }
    let answer = sidecar.client().await.post(EVALUATIONS, &both()).await;
    assert_eq!(known.version_of(&answer), versions.version(), "{layout:?}");
    println!(
        "{layout:?}: {waited} swaps waited for and {unwaited} not, {} generations of the latter, {} answers",
        sidecar.current() - loaded,
        asked.load(Ordering::Relaxed)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn swaps_of_a_config_map_of_policies_are_never_mixed() {
    check(Layout::Policies).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn swaps_of_a_config_map_of_the_whole_root_are_never_mixed() {
    check(Layout::Root).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn swaps_of_a_worktree_are_never_mixed() {
    check(Layout::Worktree).await;
}

/// However often a pass is tried again, its last try may meet a swap too. It must not pass off what is left of a version
/// that is being removed as all there is.
#[tokio::test]
async fn a_pass_that_meets_a_swap_finds_a_whole_version_or_says_that_it_does_not() {
    let _alone = alone().await;
    for layout in [Layout::Root, Layout::Worktree] {
        let mut versions = Versions::lay(layout);
        let root = versions.root();
        let swapping = thread::spawn(move || {
            for _ in 0..rounds(15) {
                let next = versions.home.path().join(versions.directory(versions.live + 1));
                fs::create_dir_all(next.join("schema")).expect("a directory");
                // It takes a pass a while to come from the link by way of these to the policies.
                for number in 0..300 {
                    fs::write(next.join(format!("schema/{number}.cedarschema")), "// Nothing.").expect("a file");
                }
                let old = versions.exchange();
                let old = versions.home.path().join(old);
                fs::remove_file(old.join("policies/a.cedar")).expect("a file to remove");
                // Whoever removes a version may be held up in the middle of it.
                thread::sleep(Duration::from_millis(30));
                fs::remove_dir_all(old).expect("a version to remove");
            }
        });
        let (mut whole, mut refused) = (0, 0);
        while !swapping.is_finished() {
            let tree = store::read(&root, &FileLimits::default());
            if !tree.faults.is_empty() {
                refused += 1;
                continue;
            }
            let policies = tree.files.iter().filter(|file| file.kind == Kind::Policies);
            let effects: Vec<&str> = policies.filter_map(|file| file.text.content.split(' ').next()).collect();
            assert!(
                matches!(effects[..], ["permit", "forbid"] | ["forbid", "permit"]),
                "{layout:?}: no version has just {effects:?}"
            );
            whole += 1;
        }
        swapping.join().expect("a swapper");
        println!("{layout:?}: {whole} passes found a whole version, {refused} said that they did not");
        assert!(whole > 0 && refused > 0, "{layout:?}: {whole} whole, {refused} refused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_killed_at_any_moment_comes_back_with_one_whole_version() {
    let _alone = alone().await;
    let known = Known::new();
    for layout in [Layout::Policies, Layout::Root] {
        let mut versions = Versions::lay(layout);
        let root = versions.root();
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let swapping = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                versions.swap();
                // Some readings fall between two swaps, and some upon one.
                thread::sleep(Duration::from_millis(20));
            }
            versions
        });
        let restless = ["--set", "store.quiet_ms=1", "--set", "store.quiet_max_ms=5"];
        for _ in 0..rounds(6).div_ceil(2) {
            let mut victim = gatepost()
                .arg("serve")
                .arg(&root)
                .args(["--listen", "127.0.0.1:0"])
                .args(restless)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a process");
            // Before it has loaded anything, or while it loads, or after.
            thread::sleep(Duration::from_micros(random(300_000) as u64));
            victim.kill().expect("a process to kill");
            victim.wait().expect("its end");

            let process = Process::serve(&root, &restless);
            let mut client = Client::connect(process.address).await;
            for _ in 0..20 {
                known.version_of(&client.post(EVALUATIONS, &both()).await);
            }
        }
        stop.store(true, Ordering::Relaxed);
        let versions = swapping.join().expect("a swapper");
        let process = Process::serve(&root, &[]);
        let mut client = Client::connect(process.address).await;
        let answer = client.post(EVALUATIONS, &both()).await;
        assert_eq!(known.version_of(&answer), versions.version(), "{layout:?}");
    }
}
