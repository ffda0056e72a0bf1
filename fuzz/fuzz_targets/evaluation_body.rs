//! A body that somebody sends, as one evaluation and as a batch: what the server answers to any bytes.

#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use gatepost::app::built_in;
use gatepost::engine::json::Json;
use gatepost::engine::{Options, Snapshot};
use gatepost::serve::{Ask, Limits, answer, read_question};
use gatepost::store::compile_files;
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;

static SNAPSHOT: LazyLock<Snapshot> =
    LazyLock::new(|| compile_files(&built_in(), &Options::default()).expect("the built-in model"));

fuzz_target!(init: { LazyLock::force(&SNAPSHOT); }, |body: &[u8]| -> Corpus {
    if body.len() > Limits::default().body_bytes_max {
        return Corpus::Reject;
    }
    let one = answer(&SNAPSHOT, Ask::One, body);
    let batch = answer(&SNAPSHOT, Ask::Batch, body);
    check_one(body, &one);
    check_batch(&batch);
    if is_no_batch(body) {
        assert_eq!(one, batch, "a batch without evaluations is one evaluation");
    }
    if one.0 == 200 || batch.0 == 200 {
        assert!(!repeats_a_name(body), "a body that says a thing twice was answered");
    }
    Corpus::Keep
});

/// A status and a body.
type Answer = (u16, Vec<u8>);

/// One evaluation is answered with what the engine decides, or refused if it is no question.
fn check_one(body: &[u8], (status, text): &Answer) {
    match decided(body) {
        Some(true) => assert_eq!((*status, text.as_slice()), (200, &b"{\"decision\":true}"[..])),
        Some(false) => assert_eq!((*status, text.as_slice()), (200, &b"{\"decision\":false}"[..])),
        None => {
            assert_eq!(*status, 400);
            check_error(&read(text)["error"], *status);
        }
    }
}

fn check_batch((status, text): &Answer) {
    let answer = read(text);
    match status {
        200 => match &answer["evaluations"] {
            Value::Null => check_decision(&answer),
            Value::Array(items) => {
                assert!(!items.is_empty());
                items.iter().for_each(check_decision);
            }
            other => panic!("evaluations are {other}"),
        },
        400 | 413 => check_error(&answer["error"], *status),
        other => panic!("answered with {other}"),
    }
}

/// A decision, which may carry why an item of a batch is none and then denies.
fn check_decision(answer: &Value) {
    let decision = answer["decision"].as_bool().expect("a decision");
    if let Some(context) = answer.get("context") {
        assert!(!decision, "an item with an error was allowed");
        check_error(&context["error"], 400);
    }
}

fn check_error(error: &Value, status: u16) {
    assert_eq!(error["status"], status);
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
}

fn read(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("an answer in JSON")
}

/// What the engine decides without the server; none if the body is no question.
fn decided(body: &[u8]) -> Option<bool> {
    let root = Json::read(body, Limits::default().json_depth_max).ok()?;
    let question = read_question(&root).ok()?;
    Some(SNAPSHOT.decide(&question).ok()?.is_allowed())
}

/// Whether nothing in a body makes it a batch.
fn is_no_batch(body: &[u8]) -> bool {
    let Ok(root) = Json::read(body, Limits::default().json_depth_max) else {
        return true;
    };
    let is_empty = match root.get("evaluations") {
        None | Some(Json::Null) => true,
        Some(Json::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    is_empty && root.get("options").is_none()
}

/// Whether an object of a valid JSON text has a member name twice, found without any reader of JSON: a second opinion.
fn repeats_a_name(text: &[u8]) -> bool {
    let mut open: Vec<HashSet<String>> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'{' | b'[' => open.push(HashSet::new()),
            b'}' | b']' => {
                open.pop();
            }
            b'"' => {
                let start = at;
                at += 1;
                while text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                let is_name = text[at + 1..].trim_ascii_start().first() == Some(&b':');
                if is_name {
                    let name: String = serde_json::from_slice(&text[start..=at]).expect("a name of a valid text");
                    if !open.last_mut().expect("an object around a name").insert(name) {
                        return true;
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    false
}
