//! Reloading: whatever happens to the files, answers come from one whole and valid state of them.
//!
//! Everything here is done to a real file system under a sidecar that is asked over HTTP. Where a row of time is named,
//! time is measured from the end of the change to the answer.

mod breakages;
mod content;
mod data;
mod directories;
mod editors;
mod halves;
mod mistakes;
mod people;
mod storms;
mod swaps;
mod watching;
mod ways;

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use gatepost::app::Settings;
use serde_json::Value;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::support::{Client, EVALUATION, PATIENCE, Root, Sidecar, question, settings};

/// The policy of a tiny root that allows its one question.
const ALLOW: &str = "permit (principal, action, resource);\n";

/// One that denies it, whatever else is permitted. It is as long as [`ALLOW`].
const DENY: &str = "forbid (principal, action, resource);\n";

/// One that is of no use to anybody who asks.
const NOBODY: &str = "permit (principal == User::\"nobody\", action, resource);\n";

/// Tests that measure time, and tests that take much of it, are not for the same moment.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// Nothing heavy of this module runs while this is held.
async fn undisturbed() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}

/// Nothing of this module is measured while this is held, but by the one who holds it.
async fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

/// Settings that look soon after a change, for tests in which no time is measured.
fn quick() -> Settings {
    Settings {
        quiet: Duration::from_millis(20),
        ..settings()
    }
}

/// Settings that look all the time while anything happens.
fn restless() -> Settings {
    Settings {
        quiet: Duration::from_millis(1),
        quiet_max: Duration::from_millis(5),
        ..settings()
    }
}

/// Writes a tiny root at a place below a directory, so that the root itself can be moved and replaced.
fn lay(home: &Root, at: &str, policies: &str) {
    home.write(
        &format!("{at}/schema/tiny.cedarschema"),
        "entity User; entity Doc; action view appliesTo { principal: User, resource: Doc };",
    );
    home.write(&format!("{at}/policies/tiny.cedar"), policies);
    home.write(&format!("{at}/entities/none.json"), "[]");
}

/// The one question of a tiny root.
fn tiny_question() -> String {
    question(("User", "ana"), "view", ("Doc", "plan"))
}

async fn allowed(client: &mut Client) -> bool {
    client.asks(("User", "ana"), "view", ("Doc", "plan")).await
}

/// Waits for the generation of a tiny root that denies.
async fn denies(sidecar: &Sidecar, client: &mut Client) {
    let mut published = sidecar.live().subscribe();
    let waiting = async {
        while allowed(client).await {
            published.changed().await.expect("a loader");
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "it still allows: {:?}", sidecar.live().status());
}

async fn status(client: &mut Client) -> Value {
    client.get("/status").await.json()
}

/// Waits until `/status` says something, for a sidecar in a process of its own.
async fn says(client: &mut Client, what: &str, reached: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let status = status(client).await;
        if reached(&status) {
            return status;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come: {status}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The generation that a `/status` names.
fn generation(status: &Value) -> u64 {
    status["live"]["generation"].as_u64().unwrap_or(0)
}

/// Replaces a file by another, as most careful writers do.
fn rename_over(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).expect("a file");
    fs::rename(&new, path).expect("a file in its place");
}

/// Makes a link lead elsewhere at once, as Kubernetes and git-sync do.
fn point(link: &Path, target: &str) {
    let new = link.with_file_name("..data_tmp");
    symlink(target, &new).expect("a link");
    fs::rename(&new, link).expect("a link in its place");
}

/// A number below a limit that nobody can foresee.
fn random(below: usize) -> usize {
    let number = RandomState::new().build_hasher().finish();
    usize::try_from(number % below as u64).expect("a number below a limit")
}

/// A sidecar whose answer must stand while its files are broken.
struct Standing {
    sidecar: Sidecar,
    client: Client,
    question: String,
    revision: String,
}

impl Standing {
    /// Serves a root that allows this question.
    async fn on(root: &Path, settings: &Settings, question: String) -> Self {
        let sidecar = Sidecar::serve_with(root, settings).await;
        let mut client = sidecar.client().await;
        let answer = client.post(EVALUATION, &question).await;
        assert_eq!(answer.text(), r#"{"decision":true}"#);
        let revision = answer.header("gatepost-revision").expect("a revision").to_owned();
        Self {
            sidecar,
            client,
            question,
            revision,
        }
    }

    /// The answer and its revision are what they were.
    async fn stands(&mut self, what: &str) {
        let answer = self.client.post(EVALUATION, &self.question).await;
        assert_eq!(answer.text(), r#"{"decision":true}"#, "{what}");
        assert_eq!(answer.header("gatepost-revision"), Some(self.revision.as_str()), "{what}");
    }

    /// Waits until the files are refused for a fault with these words. Gives what `/status` says of it.
    async fn refuses(&mut self, what: &str, words: &str) -> Value {
        self.sidecar.refuses(words).await;
        self.stands(what).await;
        let mut status = status(&mut self.client).await;
        let pending = status["pending"].take();
        assert!(pending["count"].as_u64() > Some(0), "{what}: {pending}");
        pending
    }

    /// Waits until nothing is refused any more.
    async fn mends(&mut self, what: &str) {
        self.sidecar.status(what, |status| status.pending.is_none()).await;
        self.stands(what).await;
    }
}
