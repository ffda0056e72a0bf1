//! Mistakes are refused and told with file, line and reason, while what was live stays live.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;

use gatepost::app::MODEL;
use serde_json::Value;

use super::mistakes::Edit::{Append, New, Replace};
use super::mistakes::{BREAKAGES, Breakage, Edit, POLICY, YAML};
use super::{Standing, quick};
use crate::support::{PATIENCE, Process, Root, gatepost, question};

/// What the edits make of their files, each written once, in the order of the first edit of each.
fn broken(edits: &[Edit]) -> Vec<(&'static str, String)> {
    let mut files: Vec<(&'static str, String)> = Vec::new();
    for edit in edits {
        let (Replace(name, ..) | Append(name, _) | New(name, _)) = *edit;
        let position = files.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            files.push((name, bundled(name).unwrap_or_default().to_owned()));
            files.len() - 1
        });
        let content = &mut files[position].1;
        *content = match *edit {
            Replace(_, from, to) => {
                assert!(content.contains(from), "`{from}` is not in {name}");
                content.replacen(from, to, 1)
            }
            Append(_, more) | New(_, more) => format!("{content}{more}"),
        };
    }
    files
}

fn bundled(name: &str) -> Option<&'static str> {
    MODEL.iter().find(|(known, _)| *known == name).map(|(_, content)| *content)
}

/// Whoever asks for this is allowed, by data, policies and schema of the bundled root.
fn carla() -> String {
    question(("User", "carla@example.com"), "viewDatastore", ("Datastore", "ledger"))
}

async fn check(case: &Breakage, root: &Root, standing: &mut Standing) {
    let name = case.name;
    let files = broken(case.edits);
    for (file, content) in &files {
        root.write(file, content);
    }
    let pending = standing.refuses(name, case.words).await;
    let fault = &pending["faults"][0];
    assert_eq!(fault["file"], case.file, "{name}: {pending}");
    let message = fault["message"].as_str().expect("a message");
    assert!(message.contains(case.words), "{name}: {pending}");
    let (_, content) = files
        .iter()
        .find(|(file, _)| *file == case.file)
        .cloned()
        .unwrap_or_else(|| (case.file, bundled(case.file).expect("a bundled file").to_owned()));
    let number = fault["line"].as_u64().expect("a line");
    let line = content.lines().nth(usize::try_from(number).expect("a line number") - 1);
    assert!(
        line.is_some_and(|line| line.contains(case.line)),
        "{name}: line {number} is {line:?}"
    );
    // A place is no reason: there must be words as well.
    let reason = message.replace("not valid YAML:", "");
    assert!(!reason.trim_start().starts_with("at char"), "{name}: no reason in `{message}`");

    for (file, _) in files.iter().rev() {
        match bundled(file) {
            Some(content) => root.write(file, content),
            None => root.remove(file),
        }
    }
    standing.mends(name).await;
}

#[tokio::test]
async fn every_mistake_leaves_the_old_answers_and_is_told_with_file_line_and_reason() {
    let root = Root::bundled();
    let mut standing = Standing::on(root.path(), &quick(), carla()).await;
    assert!(BREAKAGES.len() >= 20);
    for case in BREAKAGES {
        check(case, &root, &mut standing).await;
    }
}

#[tokio::test]
async fn all_mistakes_are_told_at_once() {
    let root = Root::bundled();
    let mut standing = Standing::on(root.path(), &quick(), carla()).await;
    root.write(
        POLICY,
        "permit (principal, action, resource)\nwhen { principal.rolle == \"x\" || principal.nmae == \"y\" };\n",
    );
    root.write(YAML, "users:\n  zoe@example.com: { role: Membre }\n  zac@example.com: {}\n");
    let pending = standing.refuses("policies and documents", "has the unknown role `Membre`").await;
    let told: Vec<(&str, u64)> = pending["faults"]
        .as_array()
        .expect("faults")
        .iter()
        .map(|fault| {
            (
                fault["file"].as_str().unwrap_or_default(),
                fault["line"].as_u64().unwrap_or_default(),
            )
        })
        .collect();
    for place in [(YAML, 2), (YAML, 3), (POLICY, 2)] {
        assert!(told.contains(&place), "{place:?}: {pending}");
    }
    for words in ["`rolle`", "`nmae`"] {
        assert!(pending.to_string().contains(words), "{words}: {pending}");
    }
}

/// The one test of a line of the log: that a machine finds the file and the line in it.
#[test]
fn the_log_names_file_line_and_reason() {
    let root = Root::bundled();
    let mut child = gatepost()
        .arg("serve")
        .arg(root.path())
        .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let log = BufReader::new(child.stderr.take().expect("its log"));
    let _process = Process {
        child,
        address: ([127, 0, 0, 1], 0).into(),
        greeting: Vec::new(),
    };
    let (sent, lines) = channel();
    thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            if sent.send(line).is_err() {
                return;
            }
        }
    });
    let wait_for = |words: &str| loop {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{words}: {error}"));
        if line.contains(words) {
            return serde_json::from_str::<Value>(&line).expect("a line of JSON");
        }
    };
    let loaded = wait_for("\"loaded\"");
    root.write(
        POLICY,
        "// New.\npermit (principal, action, resource)\nwhen { principal.rolle == \"Admin\" };\n",
    );
    let refused = wait_for("rolle");
    assert_eq!(refused["level"], "ERROR", "{refused}");
    assert_eq!(refused["file"], POLICY, "{refused}");
    assert_eq!(refused["line"], 3, "{refused}");
    assert_eq!(refused["live"], loaded["revision"], "{refused}");
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains("attribute `rolle`"), "{refused}");
}
