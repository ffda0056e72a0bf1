//! The admin API in docs/openapi.json, held against what is served.

use std::collections::BTreeSet;

use gatepost::serve::ADMIN_ROUTES;
use serde_json::{Map, Value};

use super::{Document, ID, settled};
use crate::admin::world::{NEWEST, World};
use crate::support::{Answer, Client, Root};

/// The path of a route with the examples of its parameters, as a client writes it.
fn path_of(document: &Document, path: &str) -> String {
    let parameters = document.0["paths"][path]["parameters"].as_array().cloned().unwrap_or_default();
    parameters.iter().fold(path.to_owned(), |path, parameter| {
        let (name, example) = (parameter["name"].as_str(), parameter["example"].as_str());
        path.replace(&format!("{{{}}}", name.expect("a name")), example.expect("an example"))
    })
}

fn operation<'d>(document: &'d Document, path: &str, method: &str) -> &'d Value {
    &document.0["paths"][path][method.to_lowercase()]
}

/// The one media type of a body or an answer, and its examples.
fn content(value: &Value) -> Option<(&String, &Map<String, Value>)> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let content = value["content"].as_object()?;
    let (media_type, content) = content.iter().next()?;
    Some((media_type, content["examples"].as_object().unwrap_or(&NONE)))
}

async fn ask(world: &World, method: &str, path: &str, media_type: Option<&str>, body: &str) -> Answer {
    let mut headers = vec![ID];
    headers.extend(media_type.map(|media_type| ("content-type", media_type)));
    if matches!(method, "PATCH" | "DELETE") {
        headers.push(NEWEST);
    }
    world.caller("ana").await.send(method, path, &headers, body).await
}

/// A root in which somebody's id was taken back.
fn root() -> Root {
    let root = Root::bundled();
    root.write(
        "entities/managed/retired_users/c1.json",
        "{\"retired_users\": {\n\"gone@example.com\": {}\n}}\n",
    );
    root
}

#[tokio::test]
async fn every_example_of_a_change_is_answered_as_it_says() {
    let document = Document::read();
    let mut asked = 0;
    for route in ADMIN_ROUTES {
        let operation = operation(&document, route.path, route.method);
        let path = path_of(&document, route.path);
        let (media_type, requests) = match content(&operation["requestBody"]) {
            Some((media_type, requests)) => (Some(media_type.as_str()), requests.clone()),
            None => (None, Map::new()),
        };
        let bodies: Vec<(&str, String)> = match media_type {
            None => vec![("answer", String::new())],
            Some(_) => requests
                .iter()
                .map(|(name, example)| (name.as_str(), example["value"].to_string()))
                .collect(),
        };
        assert!(!bodies.is_empty(), "{} {}: there is no example", route.method, route.path);
        let mut shown = BTreeSet::new();
        for (name, body) in bodies {
            let what = format!("{} {}: {name}", route.method, route.path);
            let world = World::on(root()).await;
            let answer = ask(&world, route.method, &path, media_type, &body).await;
            let status = answer.status.as_u16();
            let response = document.resolved(&operation["responses"][status.to_string()]);
            assert!(response.is_object(), "{what}: {status} is not described: {}", answer.text());
            if status < 300 && media_type.is_some() {
                let schema = &operation["requestBody"]["content"][media_type.unwrap_or_default()]["schema"];
                document.check(schema, &requests[name]["value"], &what);
            }
            if let Some((_, examples)) = content(response) {
                let example = examples.get(name).unwrap_or_else(|| panic!("{what}: {status} has no such example"));
                assert_eq!(settled(&answer.json()), example["value"], "{what}");
                shown.insert((status.to_string(), name.to_owned()));
            }
            document.check_described(response, &answer, &what);
            asked += 1;
        }
        for (status, response) in operation["responses"].as_object().expect("responses") {
            // Those that operations share are not this one's to show.
            for name in content(response).into_iter().flat_map(|(_, examples)| examples.keys()) {
                assert!(
                    shown.contains(&(status.clone(), name.clone())),
                    "{path} {status}: {name} is not asked for"
                );
            }
        }
    }
    assert!(asked >= ADMIN_ROUTES.len(), "{asked}");
}

#[tokio::test]
async fn every_refusal_of_a_change_and_every_dry_run_is_described_as_it_is() {
    let document = Document::read();
    let world = World::on(root()).await;
    let large = " ".repeat((8 << 20) + 1);
    let good = format!("Bearer {}", world.token("ana"));
    let good = ("authorization", good.as_str());
    for route in ADMIN_ROUTES {
        let operation = operation(&document, route.path, route.method);
        let path = path_of(&document, route.path);
        let body = content(&operation["requestBody"]).map(|(media_type, _)| media_type.as_str());
        let described = |answer: &Answer, status: u16, what: &str| {
            assert_eq!(answer.status, status, "{what}: {}", answer.text());
            let response = document.resolved(&operation["responses"][status.to_string()]);
            assert!(response.is_object(), "{what}: {status} is not described");
            document.check_described(response, answer, what);
        };
        let other = if route.path.contains('}') { "TRACE" } else { "PUT" };
        let unknown = format!("{path}?no_such=1");
        let typed = ("content-type", body.unwrap_or("text/plain"));
        #[rustfmt::skip]
        let table: [(&str, &str, &[(&str, &str)], &str, u16); 8] = [
            (route.method, &path, &[], "", 401),
            (other, &path, &[good], "", 405),
            (route.method, &unknown, &[good, typed, NEWEST], "{\"id\":\"x\"}", 400),
            (route.method, &path, &[good, ("host", "a.example"), ("host", "b.example")], "", 400),
            (route.method, &path, &[good, ("origin", "https://example.com")], "", 403),
            (route.method, &path, &[good, ("host", "example.com")], "", 421),
            (route.method, &path, &[good, typed], &large, 413),
            (route.method, &path, &[good, ("content-type", "text/plain")], "x", 415),
        ];
        for (method, path, headers, body_text, status) in table {
            let needs_none = body.is_none() && status == 415;
            // This body is none of theirs, which is told first.
            let is_merge = matches!(route.method, "PATCH" | "PUT") && status == 400 && path == unknown;
            if needs_none || is_merge {
                continue;
            }
            let what = format!("{method} {path} {status}");
            let mut all = vec![ID];
            all.extend(headers);
            let mut client = Client::connect(world.admin).await;
            let answer = client.send(method, path, &all, body_text.as_bytes()).await;
            described(&answer, status, &what);
        }
        if route.method == "GET" {
            continue;
        }
        if matches!(route.method, "PATCH")
            || route.method == "DELETE" && route.path.ends_with("s/{id}") && !route.path.contains("retired")
        {
            let mut client = Client::connect(world.admin).await;
            let answer = client.send(route.method, &path, &[ID, good, typed], b"{}").await;
            described(&answer, 428, &format!("{} {path}", route.method));
        }
        if route.path.starts_with("/v1/admin/users") && (route.path == "/v1/admin/users" || route.method == "DELETE") {
            // R9, in the examples.
            continue;
        }
        let example = content(&operation["requestBody"]).and_then(|(_, examples)| examples.values().next().cloned());
        let example = example.map(|example| example["value"].to_string()).unwrap_or_default();
        let dry = format!("{path}?dry_run=true");
        let answer = ask(&world, route.method, &dry, body, &example).await;
        assert_eq!(answer.json()["dry_run"], true, "{dry}: {}", answer.text());
        described(&answer, 200, &dry);
    }
}
