//! docs/openapi.json, held against what is served.

mod admin;

use std::collections::BTreeSet;
use std::fs;

use gatepost::app::{Settings, World};
use gatepost::serve::{ADMIN_ROUTES, ROUTES, Route};
use serde_json::{Map, Value, json};

use crate::support::{Answer, Client, Root, Sidecar, repository, settings};

/// The headers that are ours to describe.
const OURS: [&str; 9] = [
    "gatepost-revision",
    "gatepost-policy-errors",
    "x-request-id",
    "retry-after",
    "allow",
    "etag",
    "cache-control",
    "location",
    "www-authenticate",
];

const ID: (&str, &str) = ("x-request-id", "openapi-1");

/// The document.
struct Document(Value);

impl Document {
    fn read() -> Self {
        let text = fs::read_to_string(repository("docs/openapi.json")).expect("docs/openapi.json");
        Self(serde_json::from_str(&text).expect("JSON"))
    }

    /// What a value is, or what its reference leads to.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').expect("a reference in the document");
                self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
            }
            None => value,
        }
    }

    fn operation(&self, route: &Route) -> &Value {
        let operation = &self.0["paths"][route.path][route.method.to_lowercase()];
        assert!(operation.is_object(), "{} {} is not described", route.method, route.path);
        operation
    }

    fn response(&self, route: &Route, status: u16) -> &Value {
        let response = &self.operation(route)["responses"][status.to_string()];
        assert!(
            response.is_object(),
            "{} {}: {status} is not described",
            route.method,
            route.path
        );
        self.resolved(response)
    }

    /// Panics where a value is not what a schema says.
    fn check(&self, schema: &Value, value: &Value, what: &str) {
        let mut whole = schema.clone();
        whole["components"] = self.0["components"].clone();
        let validator = jsonschema::validator_for(&whole).expect("a schema");
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
    }

    /// Panics where an answer is not what its status is described as.
    fn check_answer(&self, route: &Route, answer: &Answer) {
        let what = format!("{} {} {}", route.method, route.path, answer.status);
        self.check_described(self.response(route, answer.status.as_u16()), answer, &what);
    }

    /// Panics where an answer is not what this says.
    fn check_described(&self, response: &Value, answer: &Answer, what: &str) {
        let none = Map::new();
        let described = response["headers"].as_object().unwrap_or(&none);
        let names: BTreeSet<String> = described.keys().map(|name| name.to_lowercase()).collect();
        for name in OURS.into_iter().filter(|name| answer.header(name).is_some()) {
            assert!(names.contains(name), "{what}: `{name}` is not described");
        }
        for (name, header) in described {
            let is_required = self.resolved(header)["required"] == true;
            assert!(!is_required || answer.header(name).is_some(), "{what}: `{name}` is missing");
        }
        match response["content"].as_object() {
            Some(content) => {
                let media_type = answer.header("content-type").expect("a media type");
                let schema = &content.get(media_type).unwrap_or_else(|| panic!("{what}: {media_type}"))["schema"];
                self.check(schema, &answer.json(), what);
                assert_eq!(answer.header(ID.0), Some(ID.1), "{what}");
            }
            None => assert!(answer.body.is_empty(), "{what}: {}", answer.text()),
        }
    }
}

fn examples(content: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    content["application/json"]["examples"].as_object().unwrap_or(&NONE)
}

/// With all that can be switched on, and a URL that does not change.
fn all_on() -> Settings {
    let mut settings = settings();
    settings.serve.explains = true;
    settings.serve.public_url = Some("https://pdp.example.com".to_owned());
    settings
}

async fn send(client: &mut Client, route: &Route, more: &[(&str, &str)], body: &[u8]) -> Answer {
    send_by(client, route.method, route.path, more, body).await
}

async fn send_by(client: &mut Client, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut headers = vec![ID];
    if method == "POST" {
        headers.push(("content-type", "application/json"));
    }
    headers.extend(more);
    client.send(method, path, &headers, body).await
}

/// The same with what is never the same twice replaced, as the document says.
fn settled(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), settled_member(name, value))).collect()
        }
        Value::Array(items) => items.iter().map(settled).collect(),
        other => other.clone(),
    }
}

fn settled_member(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("revision" | "etag", Value::String(_)) => json!("0".repeat(32)),
        ("loaded_at" | "age_ms" | "load_took_ms", Value::Number(_)) => json!(0),
        ("next_token" | "next_cursor", Value::String(token)) if !token.is_empty() => json!("AbC"),
        // What the system lets a process have open.
        ("max", Value::Number(_)) => json!(10_000),
        _ => settled(value),
    }
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let document = Document::read();
    let decisions = ROUTES.iter().map(|route| (route.path, route.method));
    let changes = ADMIN_ROUTES.iter().map(|route| (route.path, route.method));
    let served: BTreeSet<(String, String)> = decisions
        .chain(changes)
        .map(|(path, method)| (path.to_owned(), method.to_lowercase()))
        .collect();
    let paths = document.0["paths"].as_object().expect("paths");
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            let methods = methods.keys().filter(|key| *key != "parameters");
            methods.map(|method| (path.clone(), method.clone()))
        })
        .collect();
    assert_eq!(served, described);
    assert_eq!(document.0["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn every_example_is_answered_as_it_says() {
    let document = Document::read();
    let mut asked = 0;
    for route in ROUTES {
        let operation = document.operation(route);
        let requests = examples(&operation["requestBody"]["content"]);
        let mut answered = BTreeSet::new();
        for (status, response) in operation["responses"].as_object().expect("responses") {
            for (name, example) in examples(&document.resolved(response)["content"]) {
                let what = format!("{} {}: {name}", route.method, route.path);
                let body = match route.method {
                    "POST" => {
                        let request = requests.get(name).unwrap_or_else(|| panic!("{what}: there is no such request"));
                        if status == "200" {
                            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                            document.check(schema, &request["value"], &what);
                        }
                        request["value"].to_string()
                    }
                    _ => String::new(),
                };
                // One that has counted nothing yet.
                let sidecar = Sidecar::start(World::BuiltIn, &all_on()).await;
                let answer = send(&mut sidecar.client().await, route, &[], body.as_bytes()).await;
                assert_eq!(answer.status.as_str(), status, "{what}: {}", answer.text());
                assert_eq!(settled(&answer.json()), example["value"], "{what}");
                document.check_answer(route, &answer);
                assert!(answered.insert(name.clone()), "{what}: it has two answers");
                asked += 1;
            }
        }
        let unanswered: Vec<&String> = requests.keys().filter(|name| !answered.contains(*name)).collect();
        assert!(unanswered.is_empty(), "{}: {unanswered:?} have no answer", route.path);
        assert!(!answered.is_empty(), "{}: there is no example", route.path);
    }
    assert!(asked > 20, "{asked}");
}

#[tokio::test]
async fn every_refusal_is_described_as_it_is() {
    let document = Document::read();
    let sidecar = Sidecar::start(World::BuiltIn, &all_on()).await;
    let large = vec![b' '; (1 << 20) + 1];
    let wide = "x".repeat(20 << 10);
    for route in ROUTES {
        let is_post = route.method == "POST";
        let other = if is_post { "GET" } else { "PUT" };
        #[rustfmt::skip]
        let table: [(&str, &[(&str, &str)], &[u8], u16); 7] = [
            (route.method, &[("host", "a.example"), ("host", "b.example")], b"{}", 400),
            (route.method, &[("origin", "https://example.com")], b"{}", 403),
            (other, &[], b"", 405),
            (route.method, &[("host", "example.com")], b"{}", 421),
            (route.method, &[("x-wide", &wide)], b"{}", 431),
            // What only a body can be.
            (route.method, &[], b"{", if is_post { 400 } else { 200 }),
            (route.method, &[], &large, if is_post { 413 } else { 200 }),
        ];
        for (method, headers, body, status) in table {
            if status == 200 {
                continue;
            }
            let mut client = sidecar.client().await;
            let answer = send_by(&mut client, method, route.path, headers, body).await;
            assert_eq!(answer.status, status, "{method} {}: {}", route.path, answer.text());
            document.check_answer(route, &answer);
        }
    }
    let configuration = ROUTES.iter().find(|route| route.path.starts_with("/.well-known")).expect("a route");
    let mut client = sidecar.client().await;
    let tag = send(&mut client, configuration, &[], b"").await;
    let tag = tag.header("etag").expect("a tag");
    let answer = send(&mut client, configuration, &[("if-none-match", tag)], b"").await;
    assert_eq!(answer.status, 304);
    document.check_answer(configuration, &answer);
}

#[tokio::test]
async fn what_is_answered_before_anything_has_loaded_is_described() {
    let document = Document::read();
    let root = Root::empty();
    let sidecar = Sidecar::start(World::Root(root.path().to_owned()), &all_on()).await;
    let mut client = sidecar.client().await;
    for route in ROUTES {
        let waits = route.method == "POST" || route.path == "/readyz";
        let answer = send(&mut client, route, &[], b"{}").await;
        assert_eq!(answer.status, if waits { 503 } else { 200 }, "{}", route.path);
        document.check_answer(route, &answer);
    }
    // An empty root is a fault, which `/status` tells.
    sidecar.status("a fault", |status| status.pending.is_some()).await;
    let status = ROUTES.iter().find(|route| route.path == "/status").expect("a route");
    let answer = send(&mut client, status, &[], b"").await;
    assert!(answer.json()["pending"]["count"].as_u64() > Some(0), "{}", answer.text());
    document.check_answer(status, &answer);
}
