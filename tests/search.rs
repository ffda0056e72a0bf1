//! AuthZEN's search over HTTP: who can, and what can, page by page.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::app::{self, Settings, StartError, World};
use gatepost::engine::{Mistake, Options};
use gatepost::serve::{self, Address, CompareSettings, OlderCursor, ServeSettings};
use gatepost::store::{Live, compile_files};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Answer, Client, EVALUATION, EVALUATIONS, PATIENCE, Root, Sidecar, settings};

const SUBJECT: &str = "/access/v1/search/subject";
const RESOURCE: &str = "/access/v1/search/resource";
const ACTION: &str = "/access/v1/search/action";

/// Words that the tables use for JSON that they would only repeat.
#[rustfmt::skip]
const WORDS: &[(&str, &str)] = &[
    ("CARLA", r#"{"type":"user","id":"carla@example.com"}"#),
    ("ANA", r#"{"type":"user","id":"ana@example.com"}"#),
    ("LEDGER", r#"{"type":"datastore","id":"ledger"}"#),
    ("VIEW", r#"{"name":"viewDatastore"}"#),
    ("USERS", r#"{"type":"user"}"#),
    ("STORES", r#"{"type":"datastore"}"#),
];

fn spelled(text: &str) -> String {
    WORDS.iter().fold(text.to_owned(), |text, (word, json)| text.replace(word, json))
}

/// Whom the bundled model lets view `ledger`, and what it lets Carla view.
const VIEWERS: &str = r#"{"subject":USERS,"action":VIEW,"resource":LEDGER}"#;
const CARLAS: &str = r#"{"subject":CARLA,"action":VIEW,"resource":STORES}"#;
const ANAS: &str = r#"{"subject":ANA,"action":VIEW,"resource":STORES}"#;

fn results(of: &str, ids: &[&str]) -> String {
    let results: Vec<String> = ids.iter().map(|id| format!(r#"{{"type":"{of}","id":"{id}"}}"#)).collect();
    format!(r#"{{"results":[{}]}}"#, results.join(","))
}

/// The members of `results` that tell them apart.
fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json = answer.json();
    let results = json["results"].as_array().expect("results");
    let name = |result: &Value| result.get("id").or(result.get("name")).and_then(Value::as_str).map(str::to_owned);
    results.iter().map(|result| name(result).expect("an id or a name")).collect()
}

/// The same request with a page.
fn paged(body: &str, page: Value) -> String {
    let mut body: Value = serde_json::from_str(&spelled(body)).expect("JSON");
    body["page"] = page;
    body.to_string()
}

fn next_token(answer: &Answer) -> String {
    let token = answer.json()["page"]["next_token"].as_str().map(str::to_owned);
    token.unwrap_or_else(|| panic!("no token: {}", answer.text()))
}

/// Asks for page after page, and gives the results of each.
async fn pages(client: &mut Client, path: &str, body: &str, limit: Option<u64>) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let page = match limit {
            Some(limit) => json!({ "token": token, "limit": limit }),
            None => json!({ "token": token }),
        };
        let answer = client.post(path, &paged(body, page)).await;
        pages.push(names(&answer));
        token = next_token(&answer);
        if token.is_empty() {
            return pages;
        }
        assert!(pages.len() < 10_000, "it does not come to an end");
    }
}

async fn searches(client: &mut Client) -> Value {
    client.get("/status").await.json()["searches"].clone()
}

#[tokio::test]
async fn a_search_finds_what_the_model_allows_and_says_nothing_else() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let viewers = ["ana@example.com", "carla@example.com", "theo@example.com"];
    #[rustfmt::skip]
    let table = [
        (SUBJECT, VIEWERS.to_owned(), results("user", &viewers)),
        (RESOURCE, CARLAS.to_owned(), results("datastore", &["holidays", "ledger", "payroll"])),
        (ACTION, r#"{"subject":CARLA,"resource":LEDGER}"#.to_owned(),
         r#"{"results":[{"name":"manageMetadata"},{"name":"read"},{"name":"reportOnDatastore"},{"name":"runOperation"},{"name":"viewDatastore"},{"name":"write"}]}"#.to_owned()),
        // The type comes back as it was asked for.
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":"UsEr"}"#), results("UsEr", &viewers)),
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":"User"}"#), results("User", &viewers)),
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":"serviceUser"}"#), results("serviceUser", &["nightly-scan", "provisioner"])),
        // Of what is searched for, just the type counts.
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":"user","id":"emi@example.com"}"#), results("user", &viewers)),
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":"user","id":7,"properties":[]}"#), results("user", &viewers)),
        (RESOURCE, CARLAS.replace("STORES", r#"{"type":"datastore","id":"","properties":{"readers":[]}}"#),
         results("datastore", &["holidays", "ledger", "payroll"])),
        (ACTION, r#"{"subject":CARLA,"action":{"name":7},"resource":{"type":"datastore","id":"holidays"}}"#.to_owned(),
         r#"{"results":[{"name":"read"},{"name":"reportOnDatastore"},{"name":"viewDatastore"}]}"#.to_owned()),
        (ACTION, r#"{"subject":CARLA,"action":[],"resource":{"type":"platform","id":"main"},"context":null}"#.to_owned(),
         r#"{"results":[{"name":"logIn"}]}"#.to_owned()),
        // Other members are ignored, and null is absent.
        (SUBJECT, VIEWERS.replace("LEDGER}", r#"LEDGER,"limit":1,"x":{},"page":null,"context":null}"#), results("user", &viewers)),
        // What nobody may, and what nobody knows.
        (RESOURCE, CARLAS.replace("VIEW", r#"{"name":"deleteDatastore"}"#), results("", &[])),
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":"robot"}"#), results("", &[])),
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":""}"#), results("", &[])),
        (SUBJECT, VIEWERS.replace("VIEW", r#"{"name":"fly"}"#), results("", &[])),
        (SUBJECT, VIEWERS.replace("LEDGER", r#"{"type":"planet","id":"ledger"}"#), results("", &[])),
        (SUBJECT, VIEWERS.replace("VIEW", r#"{"name":"logIn"}"#), results("", &[])),
        (RESOURCE, CARLAS.replace("CARLA", r#"{"type":"user","id":"nobody@example.com"}"#), results("", &[])),
        (RESOURCE, CARLAS.replace("CARLA", r#"{"type":"robot","id":"carla@example.com"}"#), results("", &[])),
        (RESOURCE, CARLAS.replace("STORES", r#"{"type":"planet"}"#), results("", &[])),
        (ACTION, r#"{"subject":{"type":"user","id":"nobody@example.com"},"resource":LEDGER}"#.to_owned(), results("", &[])),
        (ACTION, r#"{"subject":CARLA,"resource":{"type":"datastore","id":"nowhere"}}"#.to_owned(), results("", &[])),
        (ACTION, r#"{"subject":CARLA,"resource":{"type":"planet","id":"ledger"}}"#.to_owned(), results("", &[])),
        (ACTION, r#"{"subject":{"type":"","id":""},"resource":{"type":"","id":""}}"#.to_owned(), results("", &[])),
        // With a page, it stands first and has a token.
        (RESOURCE, CARLAS.replace("STORES}", r#"STORES,"page":{}}"#),
         results("datastore", &["holidays", "ledger", "payroll"]).replace(r#"{"results"#, r#"{"page":{"next_token":""},"results"#)),
        (RESOURCE, CARLAS.replace("STORES}", r#"STORES,"page":{"limit":null,"token":null,"total":null}}"#),
         results("datastore", &["holidays", "ledger", "payroll"]).replace(r#"{"results"#, r#"{"page":{"next_token":""},"results"#)),
        (RESOURCE, CARLAS.replace("STORES}", r#"STORES,"page":{"limit":3,"token":"","total":false}}"#),
         results("datastore", &["holidays", "ledger", "payroll"]).replace(r#"{"results"#, r#"{"page":{"next_token":""},"results"#)),
        (RESOURCE, CARLAS.replace("STORES}", r#"STORES,"page":{"total":true}}"#),
         results("datastore", &["holidays", "ledger", "payroll"]).replace(r#"{"results"#, r#"{"page":{"next_token":"","total":3},"results"#)),
        (RESOURCE, CARLAS.replace("VIEW", r#"{"name":"deleteDatastore"}"#).replace("STORES}", r#"STORES,"page":{"limit":0,"total":true}}"#),
         r#"{"page":{"next_token":"","total":0},"results":[]}"#.to_owned()),
    ];
    for (path, body, owed) in table {
        let body = spelled(&body);
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 200, "{body}\n{}", answer.text());
        assert_eq!(answer.text(), owed, "{body}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{body}");
        assert_eq!(answer.header("gatepost-revision"), Some(revision(&sidecar).as_str()), "{body}");
    }
}

fn revision(sidecar: &Sidecar) -> String {
    let live = sidecar.live().current();
    live.as_ref().expect("a generation").snapshot.revision().to_owned()
}

#[tokio::test]
async fn a_bad_request_is_told_what_is_wrong_with_it() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let page = |page: &str| CARLAS.replace("STORES}", &format!(r#"STORES,"page":{page}}}"#));
    #[rustfmt::skip]
    let table = [
        (SUBJECT, String::new(), "the body is not valid JSON"),
        (SUBJECT, "[]".to_owned(), "the body must be a JSON object, not an array"),
        (SUBJECT, "{}".to_owned(), "subject: required"),
        (SUBJECT, VIEWERS.replace("USERS", "{}"), "subject.type: required"),
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":null}"#), "subject.type: required"),
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":7}"#), "subject.type: must be a string, not a number"),
        (SUBJECT, VIEWERS.replace("USERS", r#"{"type":["user"]}"#), "subject.type: must be a string, not an array"),
        (SUBJECT, VIEWERS.replace("USERS", r#""user""#), "subject: must be an object, not a string"),
        (SUBJECT, VIEWERS.replace("LEDGER", r#"{"type":"datastore"}"#), "resource.id: required"),
        (SUBJECT, VIEWERS.replace("LEDGER", r#"{"id":"ledger"}"#), "resource.type: required"),
        (SUBJECT, VIEWERS.replace("LEDGER", r#"{"type":"datastore","id":1}"#), "resource.id: must be a string, not a number"),
        (SUBJECT, VIEWERS.replace("VIEW", "{}"), "action.name: required"),
        (SUBJECT, r#"{"subject":USERS,"resource":LEDGER}"#.to_owned(), "action: required"),
        (SUBJECT, VIEWERS.replace("LEDGER}", r#"LEDGER,"context":[]}"#), "context: must be an object, not an array"),
        (SUBJECT, VIEWERS.replace("VIEW", r#"{"name":"read","name":"read"}"#), "occurs twice"),
        (RESOURCE, CARLAS.replace("STORES", "{}"), "resource.type: required"),
        (RESOURCE, CARLAS.replace("STORES", r#"{"type":true}"#), "resource.type: must be a string, not a boolean"),
        (RESOURCE, CARLAS.replace("CARLA", r#"{"type":"user"}"#), "subject.id: required"),
        (RESOURCE, CARLAS.replace("CARLA", r#"{"type":"user","id":"c","properties":7}"#), "subject.properties: must be an object"),
        (RESOURCE, r#"{"subject":CARLA,"resource":STORES}"#.to_owned(), "action: required"),
        (ACTION, r#"{"subject":CARLA}"#.to_owned(), "resource: required"),
        (ACTION, r#"{"subject":USERS,"resource":LEDGER}"#.to_owned(), "subject.id: required"),
        (ACTION, r#"{"subject":CARLA,"resource":STORES}"#.to_owned(), "resource.id: required"),
        // A value of another type than the schema's is a problem as it is for an evaluation.
        (SUBJECT, r#"{"subject":USERS,"action":{"name":"assignTeams"},"resource":CARLA,"context":{"teams":7}}"#.to_owned(), "context.teams"),
        (SUBJECT, r#"{"subject":USERS,"action":{"name":"assignTeams"},"resource":CARLA}"#.to_owned(), "context"),
        (RESOURCE, page("7"), "page: must be an object, not a number"),
        (RESOURCE, page("[]"), "page: must be an object, not an array"),
        (RESOURCE, page(r#"{"limit":-1}"#), "page.limit: must be a whole number, 0 or more"),
        (RESOURCE, page(r#"{"limit":1.5}"#), "page.limit: must be a whole number, 0 or more"),
        (RESOURCE, page(r#"{"limit":-1e300}"#), "page.limit: must be a whole number, 0 or more"),
        (RESOURCE, page(r#"{"limit":"5"}"#), "page.limit: must be a whole number, 0 or more"),
        (RESOURCE, page(r#"{"limit":true}"#), "page.limit: must be a whole number, 0 or more"),
        (RESOURCE, page(r#"{"limit":[]}"#), "page.limit: must be a whole number, 0 or more"),
        (RESOURCE, page(r#"{"token":7}"#), "page.token: must be a string, not a number"),
        (RESOURCE, page(r#"{"token":{}}"#), "page.token: must be a string, not an object"),
        (RESOURCE, page(r#"{"token":"abc"}"#), "page.token: not a token that was given out here since the start, or altered: begin again without it"),
        (RESOURCE, page(r#"{"token":" "}"#), "begin again without it"),
        (RESOURCE, page(r#"{"total":"yes"}"#), "page.total: must be a boolean, not a string"),
    ];
    let problems = client.get("/status").await.json()["requests"]["problems"].as_u64().expect("a count");
    let asked = table.len() as u64;
    for (path, body, words) in table {
        let body = spelled(&body);
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 400, "{body}\n{}", answer.text());
        assert_eq!(answer.json()["error"]["status"], 400, "{body}");
        assert!(answer.message().contains(words), "{body}\n{}", answer.message());
    }
    let status = client.get("/status").await.json();
    assert_eq!(status["requests"]["problems"], problems + asked);
    assert_eq!(status["searches"]["running"], 0);
}

#[tokio::test]
async fn a_search_is_posted_as_json_and_has_the_usual_headers() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let json = ("content-type", "application/json");
    let id = ("x-request-id", "search-7");
    for path in [SUBJECT, RESOURCE, ACTION] {
        let body = spelled(r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER}"#);
        let answer = client.send("POST", path, &[json, id], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("x-request-id"), Some("search-7"), "{path}");
        let answer = client.send("POST", path, &[json, id], b"{}").await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.header("x-request-id"), Some("search-7"), "{path}");
        assert_eq!(answer.header("gatepost-revision"), Some(revision(&sidecar).as_str()), "{path}");
        for method in ["GET", "PUT", "DELETE"] {
            let answer = client.send(method, path, &[json, id], b"").await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("allow"), Some("POST"), "{method} {path}");
            assert_eq!(answer.header("x-request-id"), Some("search-7"), "{method} {path}");
        }
        let answer = client.send("POST", path, &[("content-type", "text/plain")], body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{path}");
        let answer = client
            .send("POST", path, &[json, ("origin", "https://example.com")], body.as_bytes())
            .await;
        assert_eq!(answer.status, 403, "{path}");
        let answer = client.post(&format!("{path}/"), &body).await;
        assert_eq!(answer.status, 404, "{path}/");
    }
    let metadata = client.get("/.well-known/authzen-configuration").await.json();
    for (member, path) in [
        ("search_subject_endpoint", SUBJECT),
        ("search_resource_endpoint", RESOURCE),
        ("search_action_endpoint", ACTION),
    ] {
        assert_eq!(metadata[member], format!("http://{}{path}", sidecar.address));
    }
}

#[tokio::test]
async fn all_pages_together_are_the_one_page_whatever_their_size() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let action = r#"{"subject":ANA,"resource":LEDGER}"#;
    for (path, body) in [
        (SUBJECT, VIEWERS),
        (RESOURCE, CARLAS),
        (RESOURCE, ANAS),
        (ACTION, action),
    ] {
        let whole = names(&client.post(path, &spelled(body)).await);
        assert!(whole.len() >= 3, "{path}: {whole:?}");
        assert!(whole.is_sorted(), "{path}: {whole:?}");
        for limit in 1..=whole.len() as u64 + 1 {
            let pages = pages(&mut client, path, body, Some(limit)).await;
            // No page is empty and no page follows the last result: a token says that there is more.
            assert_eq!(pages.len(), whole.len().div_ceil(limit as usize), "{path} {limit}: {pages:?}");
            assert_eq!(pages.concat(), whole, "{path} {limit}");
        }
        // Whole numbers that are written in another way, and those that are clamped.
        for limit in [json!(1e3), json!(1_000_000_000_u64), json!(u64::MAX), json!(1e300)] {
            let answer = client.post(path, &paged(body, json!({ "limit": limit }))).await;
            assert_eq!(names(&answer), whole, "{path} {limit}");
            assert_eq!(next_token(&answer), "", "{path} {limit}");
        }
    }
}

#[tokio::test]
async fn a_limit_of_nothing_tells_whether_there_is_anything() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let none = CARLAS.replace("VIEW", r#"{"name":"deleteDatastore"}"#);
    let answer = client.post(RESOURCE, &paged(&none, json!({ "limit": 0 }))).await;
    assert_eq!(answer.text(), r#"{"page":{"next_token":""},"results":[]}"#);
    let answer = client.post(RESOURCE, &paged(CARLAS, json!({ "limit": 0, "total": true }))).await;
    assert_eq!(names(&answer), [""; 0]);
    assert_eq!(answer.json()["page"]["total"], 3);
    let token = next_token(&answer);
    assert!(!token.is_empty());
    // The limit is that of the first request, so this goes on for ever without getting anywhere.
    let answer = client.post(RESOURCE, &paged(CARLAS, json!({ "token": token }))).await;
    assert_eq!(names(&answer), [""; 0]);
    assert_eq!(next_token(&answer), token);
}

#[tokio::test]
async fn the_largest_page_is_a_setting_and_what_is_beyond_has_a_token() {
    let mut settings = settings();
    settings.serve.limits.search_results_max = 4;
    let sidecar = Sidecar::start(World::BuiltIn, &settings).await;
    let mut client = sidecar.client().await;
    // There is a page though none was asked for.
    let answer = client.post(RESOURCE, &spelled(ANAS)).await;
    assert_eq!(names(&answer), ["audit-trail", "campaigns", "customers", "holidays"]);
    assert!(answer.text().starts_with(r#"{"page":{"next_token":""#), "{}", answer.text());
    assert!(!next_token(&answer).is_empty());
    for limit in [None, Some(4), Some(5), Some(1_000)] {
        let pages = pages(&mut client, RESOURCE, ANAS, limit).await;
        let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
        assert_eq!(lengths, [4, 4, 2], "{limit:?}");
    }
    // A total counts the pages before and those behind.
    let mut token = String::new();
    for _ in 0..3 {
        let answer = client.post(RESOURCE, &paged(ANAS, json!({ "token": token, "total": true }))).await;
        assert_eq!(answer.json()["page"]["total"], 10, "{}", answer.text());
        token = next_token(&answer);
    }
    let answer = client.post(ACTION, &spelled(r#"{"subject":CARLA,"resource":LEDGER}"#)).await;
    assert_eq!(names(&answer), ["manageMetadata", "read", "reportOnDatastore", "runOperation"]);
}

#[tokio::test]
async fn a_token_that_was_altered_anywhere_is_refused() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let token = next_token(&client.post(RESOURCE, &paged(CARLAS, json!({ "limit": 1 }))).await);
    let good = client.post(RESOURCE, &paged(CARLAS, json!({ "token": token }))).await;
    assert_eq!(names(&good), ["ledger"]);
    let mut altered: Vec<String> = Vec::new();
    for at in 0..token.len() {
        for with in ["A", "B", "_", "=", "/", ""] {
            altered.push(format!("{}{with}{}", &token[..at], &token[at + 1..]));
        }
        altered.push(token[..at].to_owned());
    }
    altered.push(format!("{token}A"));
    altered.push(format!("{token}="));
    altered.push(format!(" {token}"));
    altered.push(token.repeat(2));
    altered.retain(|altered| *altered != token && !altered.is_empty());
    for altered in altered {
        let answer = client.post(RESOURCE, &paged(CARLAS, json!({ "token": altered }))).await;
        assert_eq!(answer.status, 400, "{altered}");
        assert!(
            answer.message().contains("begin again without it"),
            "{altered}: {}",
            answer.message()
        );
    }
}

#[tokio::test]
async fn a_token_goes_on_with_its_own_request_and_with_no_other() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let token = next_token(&client.post(RESOURCE, &paged(CARLAS, json!({ "limit": 1 }))).await);
    let with = |body: &str| paged(body, json!({ "token": token }));
    // Written in another order, with white space, nulls, and the same limit.
    let body = spelled(
        r#"{"resource":STORES,"context":null,"subject":{"id":"carla@example.com","type":"user"},"action":VIEW}"#,
    );
    let pretty: Value = serde_json::from_str(&paged(&body, json!({ "token": token, "limit": 1 }))).expect("JSON");
    let pretty = serde_json::to_string_pretty(&pretty).expect("JSON");
    for same in [with(CARLAS), with(&body), pretty] {
        assert_eq!(names(&client.post(RESOURCE, &same).await), ["ledger"], "{same}");
    }
    #[rustfmt::skip]
    let others = [
        (RESOURCE, with(ANAS), "page.token: of another request"),
        (RESOURCE, with(&CARLAS.replace("user", "User").replace("CARLA", r#"{"type":"User","id":"carla@example.com"}"#)), "page.token: of another request"),
        (RESOURCE, with(&CARLAS.replace("VIEW", r#"{"name":"read"}"#)), "page.token: of another request"),
        (RESOURCE, with(&CARLAS.replace("STORES", r#"{"type":"datastore","id":"x"}"#)), "page.token: of another request"),
        (RESOURCE, with(&CARLAS.replace("STORES}", r#"STORES,"context":{}}"#)), "page.token: of another request"),
        // What makes sense elsewhere does not go on there.
        (SUBJECT, with(r#"{"subject":CARLA,"action":VIEW,"resource":{"type":"datastore","id":"ledger"}}"#), "page.token: of another request"),
        (RESOURCE, paged(CARLAS, json!({ "token": token, "limit": 2 })), "page.limit: not the one of the first request"),
        (RESOURCE, paged(CARLAS, json!({ "token": token, "limit": 0 })), "page.limit: not the one of the first request"),
    ];
    for (path, body, words) in others {
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.message().contains(words), "{body}: {}", answer.message());
    }
    let both = spelled(r#"{"subject":CARLA,"action":VIEW,"resource":LEDGER}"#);
    let token = next_token(&client.post(RESOURCE, &paged(&both, json!({ "limit": 1 }))).await);
    let answer = client.post(ACTION, &paged(&both, json!({ "token": token }))).await;
    assert!(answer.message().contains("page.token: of another request"), "{}", answer.text());
    // A first request without a limit has none to repeat.
    let mut few = settings();
    few.serve.limits.search_results_max = 1;
    let sidecar = Sidecar::start(World::BuiltIn, &few).await;
    let mut client = sidecar.client().await;
    let token = next_token(&client.post(RESOURCE, &spelled(CARLAS)).await);
    let answer = client.post(RESOURCE, &paged(CARLAS, json!({ "token": token, "limit": 1 }))).await;
    assert!(answer.message().contains("page.limit: not the one"), "{}", answer.text());
    assert_eq!(
        names(&client.post(RESOURCE, &paged(CARLAS, json!({ "token": token }))).await),
        ["ledger"]
    );
}

/// Takes `payroll` from Carla's team, gives it `orders`, and waits until that is live.
async fn change(root: &Root, sidecar: &Sidecar) {
    let teams = root.read("entities/teams.yaml");
    let changed = teams.replacen(
        "datastores: [ledger, { id: payroll, permission: read }]",
        "datastores: [ledger, campaigns, orders]",
        1,
    );
    assert_ne!(teams, changed);
    let before = sidecar.current();
    root.write("entities/teams.yaml", &changed);
    sidecar.generation(before + 1).await;
}

#[tokio::test]
async fn a_token_of_an_older_revision_is_refused_unless_it_may_go_on() {
    for older in [OlderCursor::Refuse, OlderCursor::Continue] {
        let root = Root::bundled();
        let mut settings = settings();
        settings.serve.search.older_cursor = older;
        let sidecar = Sidecar::serve_with(root.path(), &settings).await;
        let mut client = sidecar.client().await;
        let answer = client.post(RESOURCE, &paged(CARLAS, json!({ "limit": 2, "total": true }))).await;
        assert_eq!(names(&answer), ["holidays", "ledger"]);
        assert_eq!(answer.json()["page"]["total"], 3);
        let (token, first) = (next_token(&answer), revision(&sidecar));
        change(&root, &sidecar).await;
        let second = revision(&sidecar);
        assert_ne!(first, second);

        let answer = client.post(RESOURCE, &paged(CARLAS, json!({ "token": token, "total": true }))).await;
        assert_eq!(answer.header("gatepost-revision"), Some(second.as_str()));
        match older {
            OlderCursor::Refuse => {
                assert_eq!(answer.status, 400);
                assert_eq!(
                    answer.message(),
                    format!("page.token: the cursor is of revision {first}, and {second} is live now: begin again")
                );
            }
            // Behind `ledger` in what is live: `orders` is new, `payroll` is gone, and `campaigns`, which came up in
            // front of it, was not there to be told. There is no total of two revisions.
            OlderCursor::Continue => {
                assert_eq!(
                    answer.text(),
                    r#"{"page":{"next_token":""},"results":[{"type":"datastore","id":"orders"}]}"#
                );
            }
        }
        let whole = names(&client.post(RESOURCE, &spelled(CARLAS)).await);
        assert_eq!(whole, ["campaigns", "holidays", "ledger", "orders"]);
        assert_eq!(pages(&mut client, RESOURCE, CARLAS, Some(1)).await.concat(), whole);
    }
}

#[tokio::test]
async fn a_token_is_good_where_the_key_is_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cursor.key");
    fs::write(&path, [9; 32]).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    let shared = Settings {
        cursor_key_file: Some(path.clone()),
        ..settings()
    };
    let first = Sidecar::start(World::BuiltIn, &shared).await;
    let token = next_token(&first.client().await.post(RESOURCE, &paged(CARLAS, json!({ "limit": 1 }))).await);
    first.running.shut_down().await;
    for (settings, status) in [(&shared, 200), (&settings(), 400)] {
        let sidecar = Sidecar::start(World::BuiltIn, settings).await;
        let answer = sidecar.client().await.post(RESOURCE, &paged(CARLAS, json!({ "token": token }))).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    let refused = app::run(World::BuiltIn, &shared).await.expect_err("a key that others can read");
    assert!(matches!(refused, StartError::CursorKey(_)), "{refused}");
}

/// Every question about the bundled company's accounts and datastores, asked one by one in batches: those that are
/// allowed, as account, action and datastore.
async fn asked_one_by_one(
    client: &mut Client,
    accounts: &[(&str, String)],
    actions: &[String],
    stores: &[(&str, String)],
) -> BTreeSet<(String, String, String)> {
    let mut allowed = BTreeSet::new();
    for (kind, account) in accounts {
        let mut asked = Vec::new();
        for (store_kind, store) in stores {
            for action in actions {
                asked.push((*store_kind, store, action));
            }
        }
        for some in asked.chunks(1_000) {
            let items: Vec<Value> = some
                .iter()
                .map(|(store_kind, store, action)| {
                    json!({ "resource": { "type": store_kind, "id": store }, "action": { "name": action } })
                })
                .collect();
            let body = json!({ "subject": { "type": kind, "id": account }, "evaluations": items });
            let answer = client.post(EVALUATIONS, &body.to_string()).await.json();
            let answers = answer["evaluations"].as_array().expect("answers");
            assert_eq!(answers.len(), some.len());
            for ((store_kind, store, action), answer) in some.iter().zip(answers) {
                if answer["decision"] == true {
                    let (account, store) = (format!("{kind} {account}"), format!("{store_kind} {store}"));
                    allowed.insert((account, (*action).clone(), store));
                }
            }
        }
    }
    allowed
}

#[tokio::test]
async fn r18_a_datastore_is_in_exactly_the_lists_of_those_who_may() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let (accounts, actions, stores) = {
        let live = sidecar.live().current();
        let snapshot = &live.as_ref().expect("a generation").snapshot;
        let of = |kinds: [&'static str; 2]| -> Vec<(&'static str, String)> {
            let ids = |kind| snapshot.entity_ids(kind).map(move |id| (kind, id.to_owned())).collect::<Vec<_>>();
            kinds.into_iter().flat_map(ids).collect()
        };
        let actions: Vec<String> =
            snapshot.schema().actions().map(|action| action.id().unescaped().to_owned()).collect();
        (of(["User", "ServiceUser"]), actions, of(["Datastore", "EnrichmentDatastore"]))
    };
    assert_eq!((accounts.len(), stores.len()), (14, 20));
    let allowed = asked_one_by_one(&mut client, &accounts, &actions, &stores).await;
    assert!(allowed.len() > 300, "{}", allowed.len());

    let mut found = BTreeSet::new();
    for (kind, account) in &accounts {
        for (store_kind, store) in &stores {
            let body =
                json!({ "subject": { "type": kind, "id": account }, "resource": { "type": store_kind, "id": store } });
            for action in names(&client.post(ACTION, &body.to_string()).await) {
                found.insert((format!("{kind} {account}"), action, format!("{store_kind} {store}")));
            }
        }
    }
    assert_eq!(found, allowed, "by actions");

    let mut found = BTreeSet::new();
    for (kind, account) in &accounts {
        for action in &actions {
            for store_kind in ["Datastore", "EnrichmentDatastore"] {
                let body = json!({
                    "subject": { "type": kind, "id": account }, "action": { "name": action },
                    "resource": { "type": store_kind },
                });
                let answer = client.post(RESOURCE, &body.to_string()).await;
                for store in names(&answer) {
                    found.insert((format!("{kind} {account}"), action.clone(), format!("{store_kind} {store}")));
                }
            }
        }
    }
    assert_eq!(found, allowed, "by resources");

    let mut found = BTreeSet::new();
    for (store_kind, store) in &stores {
        for action in &actions {
            for kind in ["User", "ServiceUser"] {
                let body = json!({
                    "subject": { "type": kind }, "action": { "name": action },
                    "resource": { "type": store_kind, "id": store },
                });
                let answer = client.post(SUBJECT, &body.to_string()).await;
                for account in names(&answer) {
                    found.insert((format!("{kind} {account}"), action.clone(), format!("{store_kind} {store}")));
                }
            }
        }
    }
    assert_eq!(found, allowed, "by subjects");
}

/// Many documents, of which every hundredth is open to everybody.
fn many(documents: usize) -> Root {
    let mut entities = String::from("[\n{\"uid\":{\"type\":\"User\",\"id\":\"ana\"},\"attrs\":{},\"parents\":[]}");
    for number in 0..documents {
        let _ = write!(
            entities,
            ",\n{{\"uid\":{{\"type\":\"Doc\",\"id\":\"doc-{number:06}\"}},\"attrs\":{{\"level\":{}}},\"parents\":[]}}",
            number % 100
        );
    }
    entities.push_str("\n]\n");
    Root::with(&[
        (
            "schema/many.cedarschema",
            "entity User; entity Doc { level: Long }; action view appliesTo { principal: User, resource: Doc };",
        ),
        (
            "policies/many.cedar",
            "permit (principal, action, resource) when { resource.level * 2 + 1 < 3 };",
        ),
        ("entities/many.json", &entities),
    ])
}

const DOCS: &str = r#"{"subject":{"type":"user","id":"ana"},"action":{"name":"view"},"resource":{"type":"doc"}}"#;

#[tokio::test]
async fn looks_are_bounded_and_what_they_did_not_reach_has_a_token() {
    let root = many(1_000);
    let mut settings = settings();
    settings.serve.limits.search_looks_max = 64;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let mut client = sidecar.client().await;
    let owed: Vec<String> = (0..10).map(|number| format!("doc-{:06}", number * 100)).collect();
    for limit in [None, Some(1), Some(3), Some(100)] {
        let pages = pages(&mut client, RESOURCE, DOCS, limit).await;
        assert_eq!(pages.concat(), owed, "{limit:?}");
        assert!(pages.iter().any(Vec::is_empty), "no page ended for its looks: {pages:?}");
    }
    // Nor is a total counted at any cost.
    let answer = client.post(RESOURCE, &paged(DOCS, json!({ "limit": 1, "total": true }))).await;
    assert_eq!(answer.json()["page"]["total"], Value::Null, "{}", answer.text());
    let told = searches(&mut client).await;
    assert!(told["partial"].as_u64() > Some(10), "{told}");
    assert_eq!(told["running"], 0);
}

#[tokio::test]
async fn a_long_search_holds_up_no_decision_and_ends_with_its_caller() {
    let root = many(60_000);
    let mut settings = settings();
    settings.serve.limits.searches_max = 1;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let mut client = sidecar.client().await;
    let request = format!(
        "POST {RESOURCE} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{DOCS}",
        sidecar.address,
        DOCS.len()
    );
    let mut gone = TcpStream::connect(sidecar.address).await.expect("a connection");
    gone.write_all(request.as_bytes()).await.expect("a request");
    let begun = Instant::now();
    while searches(&mut client).await["running"] == 0 {
        assert!(begun.elapsed() < PATIENCE, "it did not begin");
    }
    // While it runs, decisions are made, and another search is told to come later.
    let question = DOCS.replace(r#"{"type":"doc"}"#, r#"{"type":"doc","id":"doc-000100"}"#);
    let answer = client.post(EVALUATION, &question).await;
    assert_eq!(answer.text(), r#"{"decision":true}"#);
    let answer = client.post(RESOURCE, DOCS).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.message(), "as many searches are under way as there may be");
    assert_eq!(searches(&mut client).await["running"], 1, "it ended too early for this test");

    drop(gone);
    let begun = Instant::now();
    while searches(&mut client).await["running"] == 1 {
        assert!(begun.elapsed() < PATIENCE, "it did not end");
    }
    let told = searches(&mut client).await;
    assert_eq!(
        told,
        json!({ "running": 0, "answered": 0, "partial": 0, "refused": 1, "abandoned": 1 })
    );
    let answer = client.post(RESOURCE, DOCS).await;
    assert_eq!(names(&answer).len(), 600);
}

/// Documents about each of which a policy takes long, since the caller's sets are, and a search for them.
fn slow(documents: usize, words: usize) -> (Root, String) {
    let entities: Vec<Value> = (0..documents)
        .map(|number| json!({ "uid": { "type": "Doc", "id": format!("doc-{number:06}") }, "attrs": { "level": number }, "parents": [] }))
        .collect();
    let root = Root::with(&[
        (
            "schema/slow.cedarschema",
            "entity User; entity Doc { level: Long };
             action view appliesTo { principal: User, resource: Doc, context: { have: Set<String>, need: Set<String> } };",
        ),
        (
            "policies/slow.cedar",
            "permit (principal, action, resource)
             when { (if resource.level > 1 then context.have else context.need).containsAll(context.need) };",
        ),
        ("entities/slow.json", &Value::from(entities).to_string()),
    ]);
    let set: Vec<String> = (0..words).map(|number| format!("word {number:06}")).collect();
    let mut body: Value = serde_json::from_str(DOCS).expect("JSON");
    body["context"] = json!({ "have": set, "need": set });
    (root, body.to_string())
}

#[tokio::test]
async fn others_have_their_turn_however_long_one_look_takes() {
    let (root, body) = slow(2_000, 5_000);
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    let question = body.replace(r#"{"type":"doc"}"#, r#"{"type":"doc","id":"doc-000100"}"#);
    let mut alone = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(client.post(EVALUATION, &question).await.text(), r#"{"decision":true}"#);
        alone = alone.min(begun.elapsed());
    }
    let mut other = sidecar.client().await;
    let searching = tokio::spawn(async move { other.post(RESOURCE, &body).await });
    while searches(&mut client).await["running"] == 0 && !searching.is_finished() {}
    let mut beside = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(client.post(EVALUATION, &question).await.text(), r#"{"decision":true}"#);
        if searches(&mut client).await["running"] == 1 {
            beside = beside.min(begun.elapsed());
        }
    }
    assert!(
        beside < alone * 20,
        "a decision took {beside:?} beside the search, or the search had ended, and {alone:?} alone"
    );
    searching.abort();
}

#[tokio::test]
async fn properties_that_an_evaluation_refuses_are_refused_by_every_search() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let ask = spelled(r#"{"subject":ANA,"action":VIEW,"resource":LEDGER}"#)
        .replace(r#""id":"ledger""#, r#""id":"ledger","properties":{"readers":5}"#);
    let mut messages = BTreeSet::new();
    for path in [EVALUATION, SUBJECT, ACTION] {
        let answer = client.post(path, &ask).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        messages.insert(answer.message());
    }
    assert_eq!(messages.len(), 1, "{messages:?}");
    // Between such types there is nothing to do, so nobody looks at the properties.
    let nothing = ask.replace(r#""type":"user""#, r#""type":"team""#);
    for path in [EVALUATION, SUBJECT, ACTION] {
        let answer = client.post(path, &nothing).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn an_answer_is_looked_for_no_longer_than_it_may_be_and_the_rest_has_a_token() {
    let (root, body) = slow(60, 2_000);
    let owed: Vec<String> = (0..60).map(|number| format!("doc-{number:06}")).collect();
    for milliseconds in [0, 20] {
        let mut settings = settings();
        settings.serve.limits.search_time = Duration::from_millis(milliseconds);
        let sidecar = Sidecar::serve_with(root.path(), &settings).await;
        let mut client = sidecar.client().await;
        let pages = pages(&mut client, RESOURCE, &body, None).await;
        assert_eq!(pages.concat(), owed, "{milliseconds} ms");
        assert!(milliseconds > 0 || pages.len() > 5, "{} pages", pages.len());
    }
}

#[tokio::test]
async fn a_search_sees_one_snapshot_whatever_goes_live_meanwhile() {
    let root = many(60_000);
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    let first = revision(&sidecar);
    let mut other = sidecar.client().await;
    let searching = tokio::spawn(async move { other.post(RESOURCE, DOCS).await });
    let begun = Instant::now();
    while searches(&mut client).await["running"] == 0 {
        assert!(begun.elapsed() < PATIENCE, "it did not begin");
    }
    // From now on nobody may see anything.
    root.write(
        "policies/many.cedar",
        "permit (principal, action, resource) when { resource.level < 0 };",
    );
    let answer = searching.await.expect("an answer");
    assert_eq!(answer.header("gatepost-revision"), Some(first.as_str()));
    assert_eq!(names(&answer).len(), 600);
    sidecar.generation(2).await;
    assert_eq!(client.post(RESOURCE, DOCS).await.text(), r#"{"results":[]}"#);
}

/// A server of the built-in model, one policy of which is compiled wrong.
async fn mistaken(mistake: Mistake, policy: &str, compare: CompareSettings) -> (serve::Server, Client) {
    let mut snapshot = compile_files(&app::built_in(), &Options::default()).expect("the built-in model");
    assert!(snapshot.plant(mistake, policy), "a policy with a compiled form");
    let listener = serve::bind(&Address::Tcp(([127, 0, 0, 1], 0).into())).await.expect("a listener");
    let Address::Tcp(address) = listener.address() else {
        panic!("an address of TCP")
    };
    let settings = ServeSettings {
        compare,
        ..ServeSettings::default()
    };
    let server = serve::serve(vec![listener], Arc::new(Live::fixed(snapshot)), &settings).expect("a server");
    (server, Client::connect(address).await)
}

/// Whoever sees first that the two evaluators disagree, and however: nothing is found in that kind of question.
#[tokio::test]
async fn nothing_is_found_in_a_kind_of_question_that_is_distrusted() {
    let always = CompareSettings {
        one_in: 1,
        before_answer: true,
    };
    let never = CompareSettings {
        one_in: 0,
        before_answer: false,
    };
    let ask = |number| {
        [
            ("EVALUATION", ""),
            (RESOURCE, CARLAS),
            (RESOURCE, ANAS),
            (SUBJECT, VIEWERS),
        ][number]
    };
    for (mistake, compare, first) in [
        (Mistake::Contrary, always, ask(0)),
        (Mistake::Contrary, always, ask(1)),
        (Mistake::Contrary, always, ask(3)),
        // What errs as it was compiled, and not for Cedar, needs no sample, and whoever else permits it changes nothing.
        (Mistake::Error, never, ask(0)),
        (Mistake::Error, never, ask(1)),
        (Mistake::Error, never, ask(2)),
        (Mistake::Error, never, ask(3)),
    ] {
        let (_server, mut client) = mistaken(mistake, "datastore-read", compare).await;
        match first {
            ("EVALUATION", _) => {
                assert!(!client.asks(("user", "emi@example.com"), "viewDatastore", ("datastore", "ledger")).await);
            }
            (path, body) => {
                let answer = client.post(path, &spelled(body)).await;
                assert_eq!(answer.text(), r#"{"results":[]}"#, "{mistake:?}, {body}");
            }
        }
        let told = client.get("/status").await.json();
        assert_ne!(told["comparisons"]["disagreements"], 0, "{mistake:?}, {first:?}: {told}");
        for (path, body) in [(RESOURCE, CARLAS), (RESOURCE, ANAS), (SUBJECT, VIEWERS)] {
            let answer = client.post(path, &spelled(body)).await;
            assert_eq!(answer.text(), r#"{"results":[]}"#, "{mistake:?}, {first:?}, {body}");
        }
        let actions = names(&client.post(ACTION, &spelled(r#"{"subject":ANA,"resource":LEDGER}"#)).await);
        assert!(!actions.contains(&"viewDatastore".to_owned()), "{actions:?}");
        assert!(actions.contains(&"deleteDatastore".to_owned()), "{actions:?}");
        // Other kinds are as they were.
        let deletable = ANAS.replace("VIEW", r#"{"name":"deleteDatastore"}"#);
        assert_eq!(names(&client.post(RESOURCE, &spelled(&deletable)).await).len(), 10);
    }
}

#[tokio::test]
async fn searches_are_counted() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    client.post(RESOURCE, &spelled(CARLAS)).await;
    client.post(RESOURCE, &paged(CARLAS, json!({ "limit": 1 }))).await;
    client.post(RESOURCE, "{}").await;
    let told = searches(&mut client).await;
    assert_eq!(
        told,
        json!({ "running": 0, "answered": 2, "partial": 1, "refused": 0, "abandoned": 0 })
    );
}

#[tokio::test]
async fn before_anything_has_loaded_a_search_is_told_to_wait() {
    let root = Root::empty();
    let sidecar = Sidecar::start(World::Root(root.path().to_owned()), &settings()).await;
    let answer = sidecar.client().await.post(RESOURCE, &spelled(CARLAS)).await;
    assert_eq!(answer.status, 503);
    assert!(answer.message().contains("no policies have loaded yet"), "{}", answer.text());
}
