//! A thousand distinct questions about the bundled company, with the answers that the engine gives in this process.

#![allow(dead_code, reason = "each bench takes its part")]

use std::collections::HashSet;

use gatepost::app::built_in;
use gatepost::engine::{Options, Query};
use gatepost::serve::explain_document;
use gatepost::store::compile_files;
use serde_json::{Value, json};

/// So many as the largest batch holds.
const COUNT: usize = 1_000;

const PEOPLE: [&str; 12] = [
    "ana", "bo", "carla", "dev", "emi", "farid", "greta", "hugo", "joris", "mina", "priya", "theo",
];
const ACTIONS: [&str; 7] = [
    "viewDatastore",
    "runOperation",
    "read",
    "write",
    "reportOnDatastore",
    "manageMetadata",
    "deleteDatastore",
];
const RESOURCES: [(&str, &str); 13] = [
    ("datastore", "audit-trail"),
    ("datastore", "campaigns"),
    ("datastore", "customers"),
    ("datastore", "holidays"),
    ("datastore", "inventory"),
    ("datastore", "ledger"),
    ("datastore", "orders"),
    ("datastore", "payroll"),
    ("datastore", "shipments"),
    ("datastore", "web-events"),
    ("enrichmentDatastore", "holidays-quality"),
    ("enrichmentDatastore", "orders-quality"),
    ("enrichmentDatastore", "payroll-quality"),
];

/// People, actions and resources in combinations that are all different. Neighbours differ in all three, so that a
/// small batch is as varied as a large one. All are known: a policy that errs has its words made by Cedar's evaluator,
/// which is another measurement.
pub(crate) fn questions() -> Vec<(Value, bool)> {
    let snapshot = compile_files(&built_in(), &Options::default()).expect("the bundled model");
    let questions: Vec<(Value, bool)> = (0..COUNT)
        .map(|number| {
            let person = format!("{}@example.com", PEOPLE[number % PEOPLE.len()]);
            let action = ACTIONS[(number + number / PEOPLE.len()) % ACTIONS.len()];
            let (kind, resource) = RESOURCES[number % RESOURCES.len()];
            let query = Query::plain(("user", &person), action, (kind, resource));
            let allow = snapshot.decide(&query).expect("a good question").is_allowed();
            let question = json!({
                "subject": { "type": "user", "id": person },
                "action": { "name": action },
                "resource": { "type": kind, "id": resource },
            });
            (question, allow)
        })
        .collect();
    let distinct: HashSet<String> = questions.iter().map(|(question, _)| question.to_string()).collect();
    assert_eq!(distinct.len(), COUNT, "a question comes twice");
    questions
}

/// The same questions for explanations: path, body, and the whole answer.
pub(crate) fn explanations() -> Vec<(String, String, String)> {
    let snapshot = compile_files(&built_in(), &Options::default()).expect("the bundled model");
    let text = |value: &Value| value.as_str().expect("a name").to_owned();
    let explained = |(question, _): (Value, bool)| {
        let [subject, resource] = ["subject", "resource"].map(|side| text(&question[side]["id"]));
        let kind = text(&question["resource"]["type"]);
        let action = text(&question["action"]["name"]);
        let query = Query::plain(("user", &subject), &action, (&kind, &resource));
        let document = explain_document(&snapshot, &query).expect("a good question");
        let answer = serde_json::to_string(&document).expect("JSON");
        ("/v1/explain".to_owned(), question.to_string(), answer)
    };
    questions().into_iter().map(explained).collect()
}
