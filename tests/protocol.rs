//! AuthZEN 1.0 as it is spoken over HTTP: what is answered, byte by byte.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use gatepost::app::{self, Settings, StartError, World};
use gatepost::serve::{Address, BindError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bad_requests::{Ask, chunked, exchange, read_answers, revision};
use crate::support::{Client, EVALUATION, EVALUATIONS, PATIENCE, Root, Sidecar, question, settings};

const CONFIGURATION: &str = "/.well-known/authzen-configuration";

/// Words that the tables use for JSON that they would only repeat.
#[rustfmt::skip]
const WORDS: &[(&str, &str)] = &[
    ("CARLA", r#"{"type":"User","id":"carla@example.com"}"#),
    ("ANA", r#"{"type":"User","id":"ana@example.com"}"#),
    // Carla may view the one and not the other.
    ("LEDGER", r#"{"type":"Datastore","id":"ledger"}"#),
    ("ORDERS", r#"{"type":"Datastore","id":"orders"}"#),
    ("VIEW", r#"{"name":"viewDatastore"}"#),
    ("DELETE", r#"{"name":"deleteDatastore"}"#),
    ("ASSIGN", r#"{"name":"assignTeams"}"#),
    ("FINANCE", r#"{"type":"Team","id":"finance"}"#),
    ("PUBLIC", r#"{"type":"Team","id":"Public"}"#),
    ("ALLOW", r#"{"decision":true}"#),
    ("DENY", r#"{"decision":false}"#),
    ("BAD<", r#"{"decision":false,"context":{"error":{"status":400,"message":""#),
    (">BAD", r#""}}}"#),
];

fn spelled(text: &str) -> String {
    WORDS.iter().fold(text.to_owned(), |text, (word, json)| text.replace(word, json))
}

/// Asks each body on one connection; each is answered with 200 and exactly these bytes.
async fn check(sidecar: &Sidecar, path: &str, table: &[(&str, &str)]) {
    let mut client = sidecar.client().await;
    for (body, owed) in table {
        let body = spelled(body);
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 200, "{body}\n{}", answer.text());
        assert_eq!(answer.text(), spelled(owed), "{body}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{body}");
        assert!(answer.header("gatepost-revision").is_some(), "{body}");
    }
}

#[tokio::test]
async fn a_decision_is_nothing_but_a_decision() {
    #[rustfmt::skip]
    let table = [
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER}"#, r#"{"decision":true}"#),
        (r#"{"subject":CARLA,"action":VIEW,"resource":ORDERS}"#, r#"{"decision":false}"#),
        (r#"{"resource":LEDGER,"context":{},"action":VIEW,"subject":CARLA}"#, r#"{"decision":true}"#),
        ("\r\n\t {\"subject\" : CARLA ,\n\"action\": VIEW,\"resource\":\tLEDGER }\n", r#"{"decision":true}"#),
        (r#"{"\u0073ubject":CARLA,"action":{"name":"view\u0044atastore"},"resource":LEDGER}"#, r#"{"decision":true}"#),
    ];
    check(&Sidecar::built_in().await, EVALUATION, &table).await;
    // What is asked of the batch endpoint without a batch is answered in the same way.
    check(&Sidecar::built_in().await, EVALUATIONS, &table).await;
}

#[tokio::test]
async fn what_nobody_knows_is_denied_and_is_no_error() {
    #[rustfmt::skip]
    let table = [
        // Empty strings are ordinary values.
        (r#"{"subject":{"type":"","id":""},"action":{"name":""},"resource":{"type":"","id":""}}"#, "DENY"),
        (r#"{"subject":{"type":"","id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"User","id":""},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":CARLA,"action":{"name":""},"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"","id":"ledger"}}"#, "DENY"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Datastore","id":""}}"#, "DENY"),
        // Types, actions and ids that are nowhere.
        (r#"{"subject":{"type":"Robot","id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"User","id":"nobody@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":CARLA,"action":{"name":"fly"},"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Planet","id":"ledger"}}"#, "DENY"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Datastore","id":"nowhere"}}"#, "DENY"),
        // Ids are compared byte by byte.
        (r#"{"subject":{"type":"User","id":"Carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"User","id":" carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"User","id":"carla@example.com\u0000"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"User","id":"User::\"carla@example.com\""},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Datastore","id":"ledger\n"}}"#, "DENY"),
        // Known words that do not go together.
        (r#"{"subject":{"type":"ServiceUser","id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"Team","id":"finance"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":LEDGER,"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":ANA,"action":{"name":"logIn"},"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":ANA,"action":VIEW,"resource":{"type":"Platform","id":"main"}}"#, "DENY"),
        (r#"{"subject":ANA,"action":VIEW,"resource":{"type":"Action","id":"viewDatastore"}}"#, "DENY"),
        (r#"{"subject":{"type":"Action","id":"viewDatastore"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
    ];
    let sidecar = Sidecar::built_in().await;
    check(&sidecar, EVALUATION, &table).await;
    for (body, _) in table {
        let batch = format!("{{\"evaluations\":[{body}]}}");
        check(&sidecar, EVALUATIONS, &[(batch.as_str(), r#"{"evaluations":[DENY]}"#)]).await;
    }
}

#[tokio::test]
async fn types_and_actions_go_by_exact_names_and_by_short_ones_in_any_case() {
    #[rustfmt::skip]
    let table = [
        (r#"{"subject":{"type":"user","id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":{"type":"USER","id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"dataStore","id":"ledger"}}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":{"name":"viewdatastore"},"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":{"name":"Action::\"viewDatastore\""},"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":{"name":"action::\"viewDatastore\""},"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":CARLA,"action":{"name":"Action::\"viewdatastore\""},"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":CARLA,"action":{"name":"Action::viewDatastore"},"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":CARLA,"action":{"name":"view"},"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":CARLA,"action":{"name":" viewDatastore"},"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"::User","id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"App::User","id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"User ","id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"Users","id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#, "DENY"),
    ];
    check(&Sidecar::built_in().await, EVALUATION, &table).await;
}

#[tokio::test]
async fn null_is_absent_and_unknown_members_are_ignored_at_every_level() {
    #[rustfmt::skip]
    let table = [
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"context":null}"#, "ALLOW"),
        (r#"{"subject":{"type":"User","id":"carla@example.com","properties":null},"action":VIEW,"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":{"name":"viewDatastore","properties":null},"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Datastore","id":"ledger","properties":null}}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"context":{}}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":{"name":"viewDatastore","properties":{}},"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":{"type":"User","id":"carla@example.com","ID":7,"name":[],"":{}},"action":VIEW,"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":{"name":"viewDatastore","type":7,"id":null},"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Datastore","id":"ledger","uid":{},"parents":"finance"}}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"context":{"time":"now","ip":["::1"],"mfa":{"by":null}}}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":{"name":"viewDatastore","properties":{"soft":true}},"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"decision":false,"principal":ANA,"entities":[],"page":7,"":[]}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":ORDERS,"decision":true,"Subject":ANA,"subject ":ANA}"#, "DENY"),
        // Numbers that no attribute could hold do no harm where none is declared.
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"context":{"a":1e300,"b":-0,"c":18446744073709551616,"d":0.1}}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"context":{"a":"\u0000\ud83d\ude00\u2028"}}"#, "ALLOW"),
    ];
    let sidecar = Sidecar::built_in().await;
    check(&sidecar, EVALUATION, &table).await;
    check(&sidecar, EVALUATIONS, &table).await;
    // The members of a batch mean nothing to a single evaluation.
    let table = [(
        r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"evaluations":7,"options":[]}"#,
        "ALLOW",
    )];
    check(&sidecar, EVALUATION, &table).await;
}

#[tokio::test]
async fn context_and_properties_are_read_as_the_schema_declares_them() {
    #[rustfmt::skip]
    let table = [
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[]}}"#, "ALLOW"),
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[FINANCE]}}"#, "ALLOW"),
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[FINANCE,FINANCE]}}"#, "ALLOW"),
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[PUBLIC]}}"#, "DENY"),
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[FINANCE,PUBLIC]}}"#, "DENY"),
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[{"type":"team","id":"Public"}]}}"#, "DENY"),
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[{"id":"Public","type":"Team","x":1}]}}"#, "DENY"),
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[{"__entity":PUBLIC}]}}"#, "DENY"),
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[{"__entity":FINANCE}]}}"#, "ALLOW"),
        (r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[FINANCE],"Teams":7}}"#, "ALLOW"),
        // Nobody is promoted, nor revived, by saying so; what is said is not even looked at.
        (r#"{"subject":{"type":"User","id":"carla@example.com","properties":{"role":"Admin"}},"action":DELETE,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"User","id":"carla@example.com","properties":{"role":7}},"action":VIEW,"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":{"type":"User","id":"bo@example.com","properties":{"active":true}},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        (r#"{"subject":{"type":"User","id":"new@example.com","properties":{"active":true,"role":"Admin"}},"action":VIEW,"resource":LEDGER}"#, "DENY"),
        // A resource may bring what the store does not have, and does not change what it has.
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Datastore","id":"orders","properties":{"readers":[FINANCE]}}}"#, "DENY"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Datastore","id":"new","properties":{"readers":[FINANCE],"writers":[]}}}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Datastore","id":"new","properties":{"readers":[],"writers":[]}}}"#, "DENY"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"Datastore","id":"new"}}"#, "DENY"),
    ];
    check(&Sidecar::built_in().await, EVALUATION, &table).await;
}

#[tokio::test]
async fn a_batch_without_items_is_a_single_evaluation() {
    #[rustfmt::skip]
    let table = [
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":ORDERS}"#, "DENY"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"evaluations":[]}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":ORDERS,"evaluations":[]}"#, "DENY"),
        (r#"{"evaluations":[],"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[PUBLIC]}}"#, "DENY"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"options":{"evaluations_semantic":"deny_on_first_deny"}}"#, "ALLOW"),
        (r#"{"subject":CARLA,"action":VIEW,"resource":ORDERS,"evaluations":[],"options":{"x":1}}"#, "DENY"),
    ];
    check(&Sidecar::built_in().await, EVALUATIONS, &table).await;
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_defaults_are_replaced_as_a_whole() {
    #[rustfmt::skip]
    let table = [
        (r#"{"evaluations":[{"subject":CARLA,"action":VIEW,"resource":LEDGER}]}"#, r#"{"evaluations":[{"decision":true}]}"#),
        (
            r#"{"subject":CARLA,"action":VIEW,"evaluations":[{"resource":LEDGER},{"resource":ORDERS},{"resource":LEDGER},{"resource":LEDGER}]}"#,
            r#"{"evaluations":[{"decision":true},{"decision":false},{"decision":true},{"decision":true}]}"#,
        ),
        (
            r#"{"evaluations":[{},{"subject":ANA},{"resource":ORDERS},{"subject":ANA,"action":DELETE,"resource":ORDERS},{"action":DELETE}],"subject":CARLA,"action":VIEW,"resource":LEDGER}"#,
            r#"{"evaluations":[ALLOW,ALLOW,DENY,ALLOW,DENY]}"#,
        ),
        (
            r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"evaluations":[{"x":1,"subject":{"type":"User","id":"ana@example.com","x":1},"decision":false}],"y":[]}"#,
            r#"{"evaluations":[ALLOW]}"#,
        ),
        // Nothing is merged: not a type, not an id, not a name, not a member of the context.
        (
            r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"evaluations":[{"subject":{"id":"ana@example.com"}},{"subject":{"type":"User"}},{"resource":{"type":"Datastore"}},{"action":{}},{}]}"#,
            r#"{"evaluations":[BAD<subject.type: required>BAD,BAD<subject.id: required>BAD,BAD<resource.id: required>BAD,BAD<action.name: required>BAD,ALLOW]}"#,
        ),
        (
            r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[FINANCE]},"evaluations":[{},{"context":{"teams":[PUBLIC]}},{"context":{}},{"context":{"x":1}},{"resource":ANA}]}"#,
            r#"{"evaluations":[ALLOW,DENY,BAD<context.teams: required>BAD,BAD<context.teams: required>BAD,DENY]}"#,
        ),
        (
            r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"context":{"teams":[PUBLIC]},"evaluations":[{"context":{"teams":[FINANCE]}},{}]}"#,
            r#"{"evaluations":[ALLOW,DENY]}"#,
        ),
        // Defaults are checked as part of an item, never alone.
        (
            r#"{"subject":{"type":"User"},"action":{},"resource":{"id":7},"context":{"teams":7},"evaluations":[{"subject":CARLA,"action":VIEW,"resource":LEDGER}]}"#,
            r#"{"evaluations":[ALLOW]}"#,
        ),
        (
            r#"{"subject":{},"action":null,"evaluations":[{"subject":CARLA,"action":VIEW,"resource":LEDGER},{"action":VIEW,"resource":LEDGER}]}"#,
            r#"{"evaluations":[ALLOW,BAD<subject.type: required>BAD]}"#,
        ),
    ];
    check(&Sidecar::built_in().await, EVALUATIONS, &table).await;
}

#[tokio::test]
async fn a_bad_item_is_a_deny_with_an_error_and_spoils_no_other() {
    let table = [
        (
            r#"{"evaluations":[{"subject":CARLA,"action":VIEW}]}"#,
            r#"{"evaluations":[{"decision":false,"context":{"error":{"status":400,"message":"resource: required"}}}]}"#,
        ),
        (
            r#"{"evaluations":[{},{"subject":CARLA},{"subject":CARLA,"action":VIEW}]}"#,
            r#"{"evaluations":[BAD<subject: required>BAD,BAD<action: required>BAD,BAD<resource: required>BAD]}"#,
        ),
        (
            r#"{"evaluations":[7,"x",[],true,null]}"#,
            r#"{"evaluations":[BAD<an evaluation must be an object, not a number>BAD,BAD<an evaluation must be an object, not a string>BAD,BAD<an evaluation must be an object, not an array>BAD,BAD<an evaluation must be an object, not a boolean>BAD,BAD<an evaluation must be an object, not null>BAD]}"#,
        ),
        (
            r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"evaluations":[{},{"subject":7},{"resource":{"type":"Datastore","id":true}},{"action":"read"},{"context":[]},{"subject":{"type":"User","id":"carla@example.com","properties":7}},{}]}"#,
            r#"{"evaluations":[ALLOW,BAD<subject: must be an object, not a number>BAD,BAD<resource.id: must be a string, not a boolean>BAD,BAD<action: must be an object, not a string>BAD,BAD<context: must be an object, not an array>BAD,BAD<subject.properties: must be an object, not a number>BAD,ALLOW]}"#,
        ),
        // A default that is wrong inside is wrong in each item that takes it.
        (
            r#"{"subject":{"type":7,"id":"x"},"action":VIEW,"resource":LEDGER,"evaluations":[{},{"subject":CARLA},{}]}"#,
            r#"{"evaluations":[BAD<subject.type: must be a string, not a number>BAD,ALLOW,BAD<subject.type: must be a string, not a number>BAD]}"#,
        ),
        (
            r#"{"subject":ANA,"action":ASSIGN,"resource":CARLA,"evaluations":[{"context":{"teams":7}},{"context":{"teams":[{"type":"User","id":"x"}]}},{"context":{"teams":[FINANCE]}}]}"#,
            r#"{"evaluations":[BAD<context.teams: must be an array, not a number>BAD,BAD<context.teams[0]: must be an entity of type `Team`, not `User`>BAD,ALLOW]}"#,
        ),
    ];
    check(&Sidecar::built_in().await, EVALUATIONS, &table).await;
}

#[tokio::test]
async fn a_batch_stops_where_its_semantic_says_and_options_beside_it_are_ignored() {
    // The options, the resources that are asked for, and the answers.
    #[rustfmt::skip]
    let table = [
        (r#"{"evaluations_semantic":"execute_all"}"#, "LEDGER ORDERS LEDGER", "ALLOW,DENY,ALLOW"),
        (r#"{}"#, "ORDERS LEDGER ORDERS", "DENY,ALLOW,DENY"),
        ("null", "ORDERS LEDGER ORDERS", "DENY,ALLOW,DENY"),
        (r#"{"evaluations_semantic":null}"#, "ORDERS LEDGER", "DENY,ALLOW"),
        (r#"{"semantic":"deny_on_first_deny","x":[7],"Evaluations_Semantic":1}"#, "ORDERS LEDGER", "DENY,ALLOW"),
        (r#"{"evaluations_semantic":"deny_on_first_deny"}"#, "LEDGER ORDERS LEDGER", "ALLOW,DENY"),
        (r#"{"evaluations_semantic":"deny_on_first_deny"}"#, "ORDERS LEDGER LEDGER", "DENY"),
        (r#"{"evaluations_semantic":"deny_on_first_deny"}"#, "LEDGER LEDGER LEDGER", "ALLOW,ALLOW,ALLOW"),
        (r#"{"evaluations_semantic":"deny_on_first_deny"}"#, "LEDGER LEDGER ORDERS", "ALLOW,ALLOW,DENY"),
        (r#"{"evaluations_semantic":"deny_on_first_deny"}"#, "LEDGER 7 LEDGER", "ALLOW,BAD<resource: must be an object, not a number>BAD"),
        (r#"{"evaluations_semantic":"deny_on_first_deny","x":1}"#, "ORDERS LEDGER", "DENY"),
        (r#"{"evaluations_semantic":"permit_on_first_permit"}"#, "ORDERS LEDGER ORDERS", "DENY,ALLOW"),
        (r#"{"evaluations_semantic":"permit_on_first_permit"}"#, "LEDGER ORDERS ORDERS", "ALLOW"),
        (r#"{"evaluations_semantic":"permit_on_first_permit"}"#, "ORDERS ORDERS ORDERS", "DENY,DENY,DENY"),
        (r#"{"evaluations_semantic":"permit_on_first_permit"}"#, "7 LEDGER ORDERS", "BAD<resource: must be an object, not a number>BAD,ALLOW"),
        // The spelling of an early draft.
        (r#"{"evaluation_semantics":"deny_on_first_deny"}"#, "LEDGER ORDERS LEDGER", "ALLOW,DENY"),
        (r#"{"evaluation_semantics":"permit_on_first_permit"}"#, "ORDERS LEDGER ORDERS", "DENY,ALLOW"),
        (r#"{"evaluation_semantics":"execute_all"}"#, "ORDERS LEDGER ORDERS", "DENY,ALLOW,DENY"),
        (r#"{"evaluation_semantics":"deny_on_first_deny","evaluations_semantic":"execute_all"}"#, "ORDERS LEDGER", "DENY,ALLOW"),
    ];
    let sidecar = Sidecar::built_in().await;
    for (options, resources, answers) in table {
        let items: Vec<String> = resources.split(' ').map(|resource| format!("{{\"resource\":{resource}}}")).collect();
        let items = items.join(",");
        let body = format!("{{\"subject\":CARLA,\"action\":VIEW,\"options\":{options},\"evaluations\":[{items}]}}");
        let owed = format!("{{\"evaluations\":[{answers}]}}");
        check(&sidecar, EVALUATIONS, &[(body.as_str(), owed.as_str())]).await;
    }
}

#[tokio::test]
async fn a_batch_of_a_thousand_keeps_its_order_and_its_duplicates() {
    let allowed = |n: usize| n % 3 != 0 && n % 7 != 0;
    let items: Vec<&str> = (0..1_000)
        .map(|n| {
            if allowed(n) {
                r#"{"resource":LEDGER}"#
            } else {
                r#"{"resource":ORDERS}"#
            }
        })
        .collect();
    let answers: Vec<&str> = (0..1_000).map(|n| if allowed(n) { "ALLOW" } else { "DENY" }).collect();
    let body = format!("{{\"evaluations\":[{}],\"subject\":CARLA,\"action\":VIEW}}", items.join(","));
    let owed = format!("{{\"evaluations\":[{}]}}", answers.join(","));
    check(&Sidecar::built_in().await, EVALUATIONS, &[(body.as_str(), owed.as_str())]).await;
}

#[tokio::test]
async fn an_item_without_a_type_takes_the_defaults_type_only_where_that_is_switched_on() {
    let asked = r#"{"subject":{"type":"User","id":"ana@example.com"},"action":VIEW,"resource":{"type":"Datastore"},"evaluations":[{"subject":{"id":"carla@example.com"},"resource":{"id":"ledger"}},{"subject":{"id":"carla@example.com"},"resource":{"id":"orders"}},{"resource":{"id":"orders"}}]}"#;
    let without = "BAD<subject.type: required>BAD,BAD<subject.type: required>BAD,BAD<resource.type: required>BAD";
    let without = format!("{{\"evaluations\":[{without}]}}");
    check(&Sidecar::built_in().await, EVALUATIONS, &[(asked, without.as_str())]).await;

    let mut settings = settings();
    settings.serve.inherit_type = true;
    let sidecar = Sidecar::start(World::BuiltIn, &settings).await;
    let table = [
        (asked, r#"{"evaluations":[ALLOW,DENY,ALLOW]}"#),
        // A type of one's own stays, and an id or a name is never taken.
        (
            r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"evaluations":[{"subject":{"type":"ServiceUser","id":"nightly-scan"}},{"subject":{"type":"ServiceUser","id":"carla@example.com"}},{"subject":{}},{"resource":{"type":"Datastore"}},{"action":{}}]}"#,
            r#"{"evaluations":[ALLOW,DENY,BAD<subject.id: required>BAD,BAD<resource.id: required>BAD,BAD<action.name: required>BAD]}"#,
        ),
        // There has to be one to take.
        (
            r#"{"subject":{"type":7,"id":"x"},"action":VIEW,"evaluations":[{"subject":{"id":"carla@example.com"},"resource":LEDGER},{"subject":CARLA,"resource":{"id":"ledger"}}]}"#,
            r#"{"evaluations":[BAD<subject.type: required>BAD,BAD<resource.type: required>BAD]}"#,
        ),
    ];
    check(&sidecar, EVALUATIONS, &table).await;
    // A single evaluation has nothing to take it from.
    let body = spelled(r#"{"subject":{"id":"carla@example.com"},"action":VIEW,"resource":LEDGER}"#);
    let mut client = sidecar.client().await;
    for path in [EVALUATION, EVALUATIONS] {
        let answer = client.post(path, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.message().as_str()),
            (400, "subject.type: required")
        );
    }
}

#[tokio::test]
async fn ids_are_compared_byte_by_byte_whatever_they_are_made_of() {
    let root = Root::with(&[
        (
            "schema/ids.cedarschema",
            "entity Group; entity User in [Group]; entity Doc; action view appliesTo { principal: User, resource: Doc };",
        ),
        (
            "policies/ids.cedar",
            "permit (principal in Group::\"readers\", action, resource);",
        ),
        (
            "entities/ids.json",
            r#"[
                { "uid": { "type": "Group", "id": "readers" }, "attrs": {}, "parents": [] },
                { "uid": { "type": "User", "id": "caf\u00e9" }, "attrs": {}, "parents": [{ "type": "Group", "id": "readers" }] },
                { "uid": { "type": "User", "id": "a\u0000b" }, "attrs": {}, "parents": [{ "type": "Group", "id": "readers" }] },
                { "uid": { "type": "User", "id": "" }, "attrs": {}, "parents": [{ "type": "Group", "id": "readers" }] }
            ]"#,
        ),
    ]);
    let sidecar = Sidecar::serve(root.path()).await;
    // Ids as JSON writes them.
    let table = [
        ("caf\\u00e9", true),
        ("café", true),
        ("\\u0063af\\u00E9", true),
        ("cafe\\u0301", false),
        ("cafe\u{301}", false),
        ("CAF\\u00c9", false),
        ("caf\\u00e9 ", false),
        ("\\ufeffcaf\\u00e9", false),
        ("c\\u0430f\\u00e9", false),
        ("cafe", false),
        ("a\\u0000b", true),
        ("a", false),
        ("ab", false),
        ("a\\\\u0000b", false),
        ("a\\u0000b\\u0000", false),
        ("a\\u0000", false),
        ("a\\u2028b", false),
        ("", true),
        (" ", false),
        ("\\u0000", false),
    ];
    let mut rows = Vec::new();
    for (id, allowed) in table {
        let body = format!(
            "{{\"subject\":{{\"type\":\"User\",\"id\":\"{id}\"}},\"action\":{{\"name\":\"view\"}},\
             \"resource\":{{\"type\":\"Doc\",\"id\":\"any\"}}}}"
        );
        rows.push((body, if allowed { "ALLOW" } else { "DENY" }));
    }
    let rows: Vec<(&str, &str)> = rows.iter().map(|(body, owed)| (body.as_str(), *owed)).collect();
    check(&sidecar, EVALUATION, &rows).await;
}

#[tokio::test]
async fn the_metadata_name_what_there_is_and_nothing_else() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let answer = client.get(CONFIGURATION).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let base = format!("http://{}", sidecar.address);
    let document = json!({
        "policy_decision_point": base,
        "access_evaluation_endpoint": format!("{base}{EVALUATION}"),
        "access_evaluations_endpoint": format!("{base}{EVALUATIONS}"),
        "search_subject_endpoint": format!("{base}/access/v1/search/subject"),
        "search_resource_endpoint": format!("{base}/access/v1/search/resource"),
        "search_action_endpoint": format!("{base}/access/v1/search/action"),
    });
    assert_eq!(answer.json(), document);
    // What it names is there.
    let question = question(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger"));
    for member in ["access_evaluation_endpoint", "access_evaluations_endpoint"] {
        let path = document[member].as_str().and_then(|url| url.strip_prefix(base.as_str())).expect("a path");
        assert_eq!(client.post(path, &question).await.text(), r#"{"decision":true}"#);
    }
}

#[tokio::test]
async fn metadata_that_are_known_are_not_sent_again() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let first = client.get(CONFIGURATION).await;
    let age = first.header("cache-control").and_then(|control| control.strip_prefix("max-age="));
    assert!(age.expect("an age").parse::<u32>().expect("seconds") > 0);
    let etag = first.header("etag").expect("an entity tag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{etag}");
    for (known, status) in [(etag.as_str(), 304), ("*", 304), ("\"another\"", 200), ("", 200)] {
        let headers = [("if-none-match", known), ("x-request-id", "again")];
        let answer = client.send("GET", CONFIGURATION, &headers, b"").await;
        assert_eq!(answer.status, status, "{known}");
        assert_eq!(answer.body.is_empty(), status == 304, "{known}");
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
        assert_eq!(answer.header("cache-control"), first.header("cache-control"));
        assert_eq!(answer.header("x-request-id"), Some("again"));
    }
}

#[tokio::test]
async fn metadata_come_from_the_public_url_also_behind_its_path() {
    let mut settings = settings();
    settings.serve.public_url = Some("https://pdp.example.com/tenant-a/eu/".to_owned());
    let sidecar = Sidecar::start(World::BuiltIn, &settings).await;
    let mut client = sidecar.client().await;
    let document = json!({
        "policy_decision_point": "https://pdp.example.com/tenant-a/eu",
        "access_evaluation_endpoint": "https://pdp.example.com/tenant-a/eu/access/v1/evaluation",
        "access_evaluations_endpoint": "https://pdp.example.com/tenant-a/eu/access/v1/evaluations",
        "search_subject_endpoint": "https://pdp.example.com/tenant-a/eu/access/v1/search/subject",
        "search_resource_endpoint": "https://pdp.example.com/tenant-a/eu/access/v1/search/resource",
        "search_action_endpoint": "https://pdp.example.com/tenant-a/eu/access/v1/search/action",
    });
    for (path, status) in [
        ("", 200),
        ("/tenant-a/eu", 200),
        ("/tenant-a", 404),
        ("/tenant-a/eu/", 404),
        ("/tenant-a/eu/x", 404),
        ("/tenant-A/eu", 404),
        ("/tenant-b/eu", 404),
        ("/", 404),
    ] {
        let answer = client.get(&format!("{CONFIGURATION}{path}")).await;
        assert_eq!(answer.status, status, "{path}");
        if status == 200 {
            assert_eq!(answer.json(), document, "{path}");
        }
    }
    // The path is the proxy's, and no route of ours.
    let answer = client.post("/tenant-a/eu/access/v1/evaluation", "{}").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn the_path_of_a_public_url_is_taken_as_it_is_written() {
    for path in [
        "tenant.a",
        "a//b",
        "a%2fb",
        ":tenant",
        "*",
        "*tenant",
        "{tenant}",
        "{*tenant}",
        "{tenant",
    ] {
        let mut settings = settings();
        settings.serve.public_url = Some(format!("https://pdp.example.com/{path}"));
        let sidecar = Sidecar::start(World::BuiltIn, &settings).await;
        let mut client = sidecar.client().await;
        let answer = client.get(&format!("{CONFIGURATION}/{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        let base = format!("https://pdp.example.com/{path}");
        assert_eq!(answer.json()["policy_decision_point"], base, "{path}");
        assert_eq!(client.get(&format!("{CONFIGURATION}/other")).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn metadata_never_come_from_what_a_request_says() {
    for public_url in [None, Some("https://pdp.example.com".to_owned())] {
        let mut settings = settings();
        settings.serve.public_url = public_url;
        settings.serve.allowed_hosts = vec!["elsewhere.example.com".to_owned()];
        let sidecar = Sidecar::start(World::BuiltIn, &settings).await;
        let mut client = sidecar.client().await;
        let plain = client.get(CONFIGURATION).await;
        for headers in [
            &[("host", "elsewhere.example.com")][..],
            &[("host", "ELSEWHERE.example.com"), ("x-forwarded-proto", "https")],
            &[("x-forwarded-host", "evil.com"), ("x-forwarded-prefix", "/evil")],
            &[
                ("forwarded", "host=evil.com;proto=https"),
                ("x-original-host", "evil.com"),
            ],
            &[("authorization", "undefined"), ("accept", "text/html")],
        ] {
            let answer = client.send("GET", CONFIGURATION, headers, b"").await;
            assert_eq!(answer.status, 200, "{headers:?}");
            assert_eq!(answer.text(), plain.text(), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_request_id_comes_back_with_whatever_is_answered() {
    let sidecar = Sidecar::built_in().await;
    let port = sidecar.address.port();
    let question = question(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger"));
    let large = format!("{{\"evaluations\":[{}7]}}", "7,".repeat(1_000));
    #[rustfmt::skip]
    let table = [
        (200, Ask::post(EVALUATION, question.as_str())),
        (200, Ask::post(EVALUATIONS, "{\"evaluations\":[7]}")),
        (200, Ask::new("GET", "/healthz")),
        (200, Ask::new("GET", CONFIGURATION)),
        (304, Ask::new("GET", CONFIGURATION).with("If-None-Match", "*")),
        (400, Ask::post(EVALUATION, "{")),
        (400, Ask::post(EVALUATION, question.as_str()).without("Content-Type")),
        (400, Ask::new("GET", "/healthz").without("Host")),
        (403, Ask::new("GET", "/healthz").with("Origin", "null")),
        (404, Ask::new("GET", "/nowhere")),
        (405, Ask::new("GET", EVALUATION)),
        (405, Ask::new("OPTIONS", EVALUATION)),
        (413, Ask::post(EVALUATIONS, large)),
        (413, Ask::post(EVALUATION, "").with("Content-Length", "1048577")),
        (421, Ask::new("GET", "/healthz").without("Host").with("Host", "evil.com")),
    ];
    let long = "7".repeat(4_096);
    for (status, ask) in table {
        for id in [
            "bfe9eb29-ab87-4ca3-be83-a1d5d8305716",
            "two words",
            "a,b;c=\"d\"",
            "ü→😀",
            "0",
            long.as_str(),
        ] {
            let request = ask.clone().with("X-Request-ID", id).bytes(port);
            let answers = exchange(sidecar.address, &request).await;
            assert_eq!(answers.len(), 1, "{id}");
            assert_eq!(answers[0].status, status, "{answers:?}");
            assert_eq!(answers[0].headers["x-request-id"].as_bytes(), id.as_bytes(), "{status}");
        }
        // None is made up.
        let answers = exchange(sidecar.address, &ask.bytes(port)).await;
        assert!(!answers[0].headers.contains_key("x-request-id"), "{answers:?}");
    }
}

#[tokio::test]
async fn every_answer_names_the_revision_that_is_live() {
    let root = Root::tiny("permit (principal, action, resource);");
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    let question = question(("User", "alice"), "view", ("Doc", "readme"));
    let mut revisions: Vec<String> = Vec::new();
    for policies in [
        "permit (principal, action, resource);",
        "forbid (principal, action, resource);",
        "permit (principal, action, resource);",
    ] {
        if let Some(before) = revisions.last() {
            root.write("policies/tiny.cedar", policies);
            sidecar.running.reload();
            sidecar.status("another revision", |_| revision(&sidecar) != *before).await;
        }
        let status = client.get("/status").await.json();
        let revision = status["live"]["revision"].as_str().expect("a revision").to_owned();
        for (path, body, status) in [
            (EVALUATION, question.as_str(), 200),
            (EVALUATIONS, "{", 400),
            ("/nowhere", "{}", 404),
        ] {
            let answer = client.post(path, body).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.header("gatepost-revision"), Some(revision.as_str()), "{path}");
        }
        let answer = client.get("/readyz").await;
        assert_eq!(answer.json(), json!({ "status": "ready", "revision": revision }));
        assert_eq!(answer.header("gatepost-revision"), Some(revision.as_str()));
        revisions.push(revision);
    }
    assert_ne!(revisions[0], revisions[1]);
    assert_eq!(revisions[0], revisions[2], "the same files have the same revision");
}

#[tokio::test]
async fn credentials_that_nobody_asked_for_do_no_harm() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let question = question(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger"));
    for authorization in [
        "undefined",
        "",
        "Bearer",
        "Bearer undefined",
        "Bearer ey.ey.x",
        "Basic Og==",
        "null",
    ] {
        let headers = [("content-type", "application/json"), ("authorization", authorization)];
        let answer = client.send("POST", EVALUATION, &headers, question.as_bytes()).await;
        assert_eq!(answer.text(), r#"{"decision":true}"#, "{authorization}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn operators_are_told_whether_it_lives_is_ready_and_what_it_has_done() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    for (path, body, status) in [
        (EVALUATION, r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER}"#, 200),
        (EVALUATION, r#"{"subject":CARLA,"action":VIEW,"resource":ORDERS}"#, 200),
        (EVALUATION, "{", 400),
        (EVALUATION, "{}", 400),
        (
            EVALUATIONS,
            r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER,"evaluations":[{},{"action":7}]}"#,
            200,
        ),
        ("/nowhere", "{}", 404),
        ("/status", "{}", 405),
    ] {
        assert_eq!(client.post(path, &spelled(body)).await.status, status, "{path} {body}");
    }

    let answer = client.get("/healthz").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, r#"{"status":"ok"}"#));
    let status = client.get("/status").await;
    assert_eq!(status.status, 200);
    assert_eq!(status.header("cache-control"), Some("no-store"));
    let status = status.json();
    let ready = client.get("/readyz").await;
    assert_eq!(
        ready.json(),
        json!({ "status": "ready", "revision": status["live"]["revision"] })
    );
    assert_eq!(ready.header("cache-control"), Some("no-store"));

    assert_eq!(
        keys(&status),
        [
            "callers",
            "comparisons",
            "connections",
            "live",
            "loading",
            "pending",
            "policy_errors",
            "requests",
            "scim",
            "searches",
            "version"
        ]
    );
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pending"], Value::Null);
    assert_eq!(status["policy_errors"], json!({}));
    assert_eq!(
        status["requests"],
        json!({ "allowed": 2, "denied": 1, "explained": 0, "explanations_refused": 0, "problems": 3, "refused": 2, "panics": 0 })
    );
    assert_eq!(status["connections"]["open"], 1);
    assert_eq!(status["connections"]["refused"], 0);
    assert_eq!(keys(&status["loading"]), ["failures", "last_sweep_age_ms", "loads", "watching"]);
    let live = &status["live"];
    assert_eq!(
        keys(live),
        [
            "actions",
            "age_ms",
            "entities",
            "entities_by_type",
            "generation",
            "load_took_ms",
            "loaded_at",
            "policies",
            "revision",
            "templates",
            "warnings",
        ]
    );
    assert_eq!(live["generation"], 1);
    let by_type = live["entities_by_type"].as_object().expect("an object");
    let sum: u64 = by_type.values().filter_map(Value::as_u64).sum();
    assert_eq!(live["entities"], sum);
}

#[tokio::test]
async fn a_policy_that_errs_is_counted_in_the_answers_head_and_in_the_status() {
    let root = Root::with(&[
        (
            "schema/tiny.cedarschema",
            "entity User = { age: Long }; entity Doc; action view appliesTo { principal: User, resource: Doc };",
        ),
        (
            "policies/tiny.cedar",
            "@id(\"adults\") permit (principal, action, resource) when { principal.age >= 18 };",
        ),
        ("entities/none.json", "[]"),
    ]);
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    let question = question(("User", "nobody"), "view", ("Doc", "readme"));
    for _ in 0..2 {
        let answer = client.post(EVALUATION, &question).await;
        assert_eq!(answer.text(), r#"{"decision":false}"#);
        assert_eq!(answer.header("gatepost-policy-errors"), Some("1"));
    }
    let answer = client.post(EVALUATIONS, &format!("{{\"evaluations\":[{question},{question}]}}")).await;
    assert_eq!(answer.text(), r#"{"evaluations":[{"decision":false},{"decision":false}]}"#);
    assert_eq!(answer.header("gatepost-policy-errors"), Some("2"));
    let erring = client.get("/status").await.json()["policy_errors"].take();
    assert_eq!(keys(&erring), ["adults"]);
    assert_eq!(erring["adults"]["count"], 4);
}

#[tokio::test]
async fn a_sidecar_is_ready_once_files_have_loaded_and_stays_so_when_they_break() {
    let root = Root::empty();
    let sidecar = Sidecar::start(World::Root(root.path().to_owned()), &settings()).await;
    let mut client = sidecar.client().await;
    let question = question(("User", "alice"), "view", ("Doc", "readme"));

    let refused = sidecar.status("a fault", |status| status.pending.is_some()).await;
    assert_eq!(refused.loads, 0);
    let answer = client.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["status"], "loading");
    for path in [EVALUATION, EVALUATIONS] {
        let headers = [("content-type", "application/json"), ("x-request-id", "early")];
        let answer = client.send("POST", path, &headers, question.as_bytes()).await;
        assert_eq!(answer.status, 503);
        let message = "no policies have loaded yet: see /status";
        assert_eq!(
            answer.text(),
            format!("{{\"error\":{{\"status\":503,\"message\":\"{message}\"}}}}")
        );
        assert_eq!(answer.header("x-request-id"), Some("early"));
        assert_eq!(answer.header("gatepost-revision"), None);
    }
    let status = client.get("/status").await;
    assert_eq!(status.status, 200);
    assert_eq!(status.json()["live"], Value::Null);
    assert!(status.json()["pending"]["count"].as_u64().expect("a number") > 0);
    for path in ["/healthz", CONFIGURATION] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }

    // The entities come last: without them there is nothing to load.
    let schema = "entity User; entity Doc; action view appliesTo { principal: User, resource: Doc };";
    root.write("schema/tiny.cedarschema", schema);
    root.write("policies/tiny.cedar", "permit (principal, action, resource);");
    root.write("entities/none.json", "[]");
    sidecar.running.reload();
    sidecar.generation(1).await;
    assert_eq!(client.get("/readyz").await.json()["status"], "ready");
    assert!(client.asks(("User", "alice"), "view", ("Doc", "readme")).await);
    let revision = client.get("/status").await.json()["live"]["revision"].take();

    root.write("policies/tiny.cedar", "permit (principal, action");
    sidecar.running.reload();
    sidecar.refuses("tiny.cedar").await;
    let answer = client.get("/readyz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "status": "ready", "revision": revision }));
    assert!(client.asks(("User", "alice"), "view", ("Doc", "readme")).await);
    let pending = client.get("/status").await.json()["pending"].take();
    assert_eq!(pending["faults"][0]["file"], "policies/tiny.cedar", "{pending}");

    root.remove("entities/none.json");
    sidecar.running.reload();
    sidecar.refuses("nothing to read in `entities/`").await;
    assert_eq!(client.get("/readyz").await.status, 200);
}

fn listen(addresses: &[Address]) -> Settings {
    Settings {
        listen: addresses.to_vec(),
        ..settings()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_unix_socket_is_its_owners_and_groups_alone_and_gone_in_the_end() {
    let directory = Root::empty();
    let path = directory.path().join("run/gatepost/gatepost.sock");
    let sidecar = Sidecar::start(World::BuiltIn, &listen(&[Address::Unix(path.clone())])).await;
    assert_eq!(mode(&path), 0o660);
    let parent = path.parent().expect("a directory");
    assert_eq!(mode(parent) & 0o007, 0, "others may not even look");
    assert_eq!(
        fs::read_dir(parent).expect("a directory").count(),
        1,
        "nothing is left beside it"
    );

    let mut client = Client::connect_unix(&path).await;
    assert!(client.asks(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger")).await);
    assert!(!client.asks(("user", "carla@example.com"), "viewDatastore", ("datastore", "orders")).await);
    // Any name will do, since only this machine's processes can call it anything; a browser is refused here too.
    for (header, value, status) in [("host", "gatepost", 200), ("host", "", 421), ("origin", "null", 403)] {
        let answer = client.send("GET", "/healthz", &[(header, value)], b"").await;
        assert_eq!(answer.status, status, "{header}: {value}");
    }

    sidecar.running.shut_down().await;
    assert!(!path.exists());
    assert!(parent.exists());
}

#[tokio::test]
async fn a_sidecar_answers_on_all_of_its_addresses() {
    let directory = Root::empty();
    let path = directory.path().join("gatepost.sock");
    let tcp = Address::Tcp(([127, 0, 0, 1], 0).into());
    let addresses = [Address::Unix(path.clone()), tcp.clone(), tcp];
    let sidecar = Sidecar::start(World::BuiltIn, &listen(&addresses)).await;
    assert_eq!(sidecar.running.addresses.len(), 3);
    for address in &sidecar.running.addresses {
        let mut client = match address {
            Address::Tcp(address) => Client::connect(*address).await,
            Address::Unix(path) => Client::connect_unix(path).await,
        };
        assert!(client.asks(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger")).await);
    }
}

#[tokio::test]
async fn a_socket_that_a_dead_process_left_is_replaced() {
    let directory = Root::empty();
    let path = directory.path().join("gatepost.sock");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "nobody has removed it");
    let sidecar = Sidecar::start(World::BuiltIn, &listen(&[Address::Unix(path.clone())])).await;
    assert_eq!(mode(&path), 0o660);
    let mut client = Client::connect_unix(&path).await;
    assert_eq!(client.get("/readyz").await.status, 200);
    drop(sidecar);
}

/// Starts a sidecar that must not start.
async fn refused(addresses: &[Address]) -> BindError {
    match app::run(World::BuiltIn, &listen(addresses)).await {
        Err(StartError::Bind(error)) => error,
        other => panic!("{addresses:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_socket_that_is_somebody_elses_is_left_alone() {
    let directory = Root::empty();
    let path = directory.path().join("gatepost.sock");
    let address = Address::Unix(path.clone());
    let sidecar = Sidecar::start(World::BuiltIn, &listen(std::slice::from_ref(&address))).await;
    assert!(matches!(refused(&[address]).await, BindError::InUse(_)));
    let mut client = Client::connect_unix(&path).await;
    assert_eq!(client.get("/readyz").await.status, 200, "the first one still has it");

    directory.write("notes.txt", "mine");
    let file = directory.path().join("notes.txt");
    assert!(matches!(refused(&[Address::Unix(file)]).await, BindError::NoSocket(_)));
    assert_eq!(directory.read("notes.txt"), "mine");
    let itself = directory.path().to_owned();
    assert!(matches!(refused(&[Address::Unix(itself)]).await, BindError::NoSocket(_)));

    let taken = Sidecar::built_in().await;
    let error = refused(&[Address::Tcp(taken.address)]).await;
    assert!(matches!(error, BindError::InUse(_)), "{error}");
    drop(sidecar);
}

#[tokio::test]
async fn addresses_that_others_could_reach_are_refused() {
    for text in [
        "0.0.0.0:0",
        "[::]:0",
        "[::ffff:127.0.0.1]:0",
        "[::ffff:0.0.0.0]:0",
        "[::127.0.0.1]:0",
        "192.0.2.1:8180",
        "10.0.0.1:0",
        "169.254.169.254:80",
        "255.255.255.255:0",
        "128.0.0.1:0",
        "1.0.0.127:0",
        "[2001:db8::1]:0",
        "[fe80::1]:0",
        "[ff02::1]:0",
    ] {
        let address: Address = text.parse().expect(text);
        // A good address beside it does not help.
        let good = Address::Tcp(([127, 0, 0, 1], 0).into());
        for addresses in [
            vec![address.clone()],
            vec![good.clone(), address.clone()],
            vec![address, good],
        ] {
            let error = refused(&addresses).await;
            assert!(matches!(error, BindError::NotLoopback(_)), "{text}: {error}");
            assert!(error.to_string().starts_with("refusing to listen on"), "{error}");
        }
    }
    for text in [
        "",
        "localhost",
        "localhost:99999",
        "evil.com:80",
        "0:80",
        "127.1:80",
        "0x7f000001:80",
        "::1:80",
        "unix:",
        "*:80",
    ] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}

/// Sends a request in these pieces; it is answered with allow.
async fn check_pieces(sidecar: &Sidecar, what: &str, pieces: &[Vec<u8>]) {
    let mut stream = TcpStream::connect(sidecar.address).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    for piece in pieces {
        stream.write_all(piece).await.expect("a piece");
        tokio::task::yield_now().await;
    }
    let answers = read_answers(&mut stream).await;
    assert_eq!(answers.len(), 1, "{what}");
    assert_eq!(answers[0].text(), r#"{"decision":true}"#, "{what}");
}

fn pieces(request: &[u8], bytes: usize) -> Vec<Vec<u8>> {
    request.chunks(bytes).map(<[u8]>::to_vec).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_may_come_in_any_pieces() {
    let sidecar = Sidecar::built_in().await;
    let port = sidecar.address.port();
    let question = question(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger"));
    let plain = Ask::post(EVALUATION, question.as_str()).bytes(port);
    for bytes in [1, 2, 7, 64, plain.len() - question.len(), plain.len() - 1] {
        check_pieces(&sidecar, &format!("{bytes} bytes each"), &pieces(&plain, bytes)).await;
        for chunk in [1, 10, question.len()] {
            let request = chunked(EVALUATION, question.as_bytes(), chunk).bytes(port);
            let what = format!("{bytes} bytes each, in chunks of {chunk}");
            check_pieces(&sidecar, &what, &pieces(&request, bytes)).await;
        }
    }
    check_pieces(&sidecar, "behind an empty line", &[b"\r\n".to_vec(), plain]).await;
    let spaced = Ask::post(EVALUATION, format!("{question}{}", " ".repeat(200_000))).bytes(port);
    check_pieces(&sidecar, "large", &pieces(&spaced, 1_000)).await;
}

#[tokio::test]
async fn a_body_that_is_waited_for_holds_nobody_up() {
    let sidecar = Sidecar::built_in().await;
    let question = question(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger"));
    let request = Ask::post(EVALUATION, question.as_str())
        .with("Expect", "100-continue")
        .bytes(sidecar.address.port());
    let (head, body) = request.split_at(request.len() - question.len());

    let mut slow = TcpStream::connect(sidecar.address).await.expect("a connection");
    slow.write_all(head).await.expect("a head");
    let mut going_on = [0; 25];
    let read = tokio::time::timeout(PATIENCE, slow.read_exact(&mut going_on)).await;
    read.expect("in time").expect("an interim answer");
    assert_eq!(&going_on, b"HTTP/1.1 100 Continue\r\n\r\n");

    let mut client = sidecar.client().await;
    for half in body.chunks(body.len().div_ceil(2)) {
        assert_eq!(client.post(EVALUATION, &question).await.text(), r#"{"decision":true}"#);
        slow.write_all(half).await.expect("a half");
    }
    let answers = read_answers(&mut slow).await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].text(), r#"{"decision":true}"#);
}

#[tokio::test]
async fn requests_that_do_not_wait_for_each_other_are_answered_in_their_order() {
    const REQUESTS: usize = 200;
    let sidecar = Sidecar::built_in().await;
    let kinds = [
        (
            200,
            Ask::post(EVALUATION, spelled(r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER}"#)),
        ),
        (400, Ask::post(EVALUATION, "{")),
        (200, Ask::new("GET", "/healthz")),
        (404, Ask::new("GET", "/nowhere")),
        (200, chunked(EVALUATIONS, br#"{"evaluations":[{}]}"#, 3)),
        (
            200,
            Ask::post(EVALUATION, spelled(r#"{"subject":CARLA,"action":VIEW,"resource":ORDERS}"#)),
        ),
        (405, Ask::new("GET", EVALUATION)),
    ];
    let mut bytes = Vec::new();
    for number in 0..REQUESTS {
        let ask = kinds[number % kinds.len()].1.clone().with("X-Request-ID", number.to_string());
        let last = number == REQUESTS - 1;
        let ask = if last { ask } else { ask.without("Connection") };
        bytes.extend(ask.bytes(sidecar.address.port()));
    }
    let answers = exchange(sidecar.address, &bytes).await;
    assert_eq!(answers.len(), REQUESTS);
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.header("x-request-id"), Some(number.to_string().as_str()));
        assert_eq!(answer.status, kinds[number % kinds.len()].0, "{number}");
        match number % kinds.len() {
            0 => assert_eq!(answer.text(), r#"{"decision":true}"#, "{number}"),
            5 => assert_eq!(answer.text(), r#"{"decision":false}"#, "{number}"),
            _ => {}
        }
    }
}
