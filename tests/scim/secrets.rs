//! Passwords and tokens that identity providers send stand nowhere afterwards: no log, no audit trail, no file, no answer.

use std::fs::File;

use gatepost::callers::Scope;
use serde_json::{Value, json};

use super::sync::{Provider, text_below};
use crate::admin::world::token;
use crate::support::{Client, Root, Traced};

/// What stands in no password by chance.
const CANARY: &str = "canary-3b1f9a";

/// Requests with a password in each place where one may be, for a user and in bodies that are refused. None that is taken
/// keeps it.
fn requests(user: &str) -> Vec<(&'static str, String, String, u16)> {
    let one = format!("/Users/{user}");
    let patch = |operations: Value| json!({"Operations": operations}).to_string();
    let body = |more: Value| {
        let mut body = json!({"userName": "b@example.com", "password": CANARY});
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("more"));
        body.to_string()
    };
    vec![
        (
            "POST",
            "/Users".to_owned(),
            body(json!({"PASSWORD2": CANARY, "name": {"password": CANARY}})),
            201,
        ),
        ("PUT", one.clone(), body(json!({"userName": "a@example.com"})), 200),
        (
            "PATCH",
            one.clone(),
            patch(json!([{"op": "replace", "path": "password", "value": CANARY}])),
            200,
        ),
        (
            "PATCH",
            one.clone(),
            patch(json!([{"op": "add", "value": {"password": CANARY, "title": "x"}}])),
            200,
        ),
        (
            "PATCH",
            one.clone(),
            patch(json!([{"op": "remove", "path": "password", "value": CANARY}])),
            200,
        ),
        // Refused: a body that is cut, one with a name twice, a second user of the name, and wrong values.
        (
            "POST",
            "/Users".to_owned(),
            format!("{{\"userName\": \"c\", \"password\": \"{CANARY}\""),
            400,
        ),
        (
            "POST",
            "/Users".to_owned(),
            format!("{{\"password\": \"{CANARY}\", \"password\": \"{CANARY}\"}}"),
            400,
        ),
        ("POST", "/Users".to_owned(), body(json!({"userName": "A@example.com"})), 409),
        ("POST", "/Users".to_owned(), body(json!({"active": CANARY})), 400),
        (
            "POST",
            "/Users".to_owned(),
            json!({"password": {"value": CANARY}}).to_string(),
            400,
        ),
        (
            "POST",
            "/Groups".to_owned(),
            json!({"displayName": {"a": CANARY}, "password": CANARY}).to_string(),
            400,
        ),
        ("PUT", one.clone(), json!({"password": CANARY}).to_string(), 400),
        ("PUT", "/Users/nobody".to_owned(), body(json!({})), 404),
        (
            "PATCH",
            one.clone(),
            patch(json!([{"op": "set", "path": "password", "value": CANARY}])),
            400,
        ),
        (
            "PATCH",
            one.clone(),
            patch(
                json!([{"op": "add", "path": "password", "value": CANARY}, {"op": "add", "path": "shoe", "value": CANARY}]),
            ),
            400,
        ),
        (
            "PATCH",
            one.clone(),
            patch(json!([{"op": "add", "path": "active", "value": CANARY}])),
            400,
        ),
        (
            "PATCH",
            one,
            patch(json!([{"op": "add", "value": {"password": CANARY, "emails": [[CANARY]]}}])),
            400,
        ),
        (
            "GET",
            format!("/Users?filter=password%20eq%20%22{CANARY}%22"),
            String::new(),
            400,
        ),
        (
            "POST",
            "/Users/.search".to_owned(),
            json!({"filter": format!("password eq \"{CANARY}\"")}).to_string(),
            400,
        ),
        ("GET", "/Users?attributes=password,userName".to_owned(), String::new(), 200),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_and_no_token_stands_anywhere_afterwards() {
    let (root, outside) = (Root::bundled(), Root::empty());
    root.write(
        "entities/sync.json",
        r#"{"service_users": {"directory-sync": {"role": "Admin"}}}"#,
    );
    let account = ("ServiceUser", "directory-sync");
    let good = token(root.path(), "okta", account, &[Scope::Scim]);
    let other = token(root.path(), "others", account, &[Scope::Admin]);
    let wrong = good.replace("gatepost_", "gatepost_w");
    let log = File::create(outside.path().join("log.txt")).expect("a log");
    let sidecar = Traced::serve(root.path(), log);
    let provider = &mut Provider {
        client: Client::connect(sidecar.admin).await,
        token: good.clone(),
    };
    let user = provider.user("a@example.com").await;
    let mut answers = String::new();
    for (method, path, body, status) in requests(&user) {
        // The same for who may not: a password with a wrong token is a password too.
        for (token, status) in [(&wrong, 401), (&other, 403), (&good, status)] {
            provider.token.clone_from(token);
            let answer = provider.send(method, &path, &body).await;
            assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
            answers.push_str(answer.text());
        }
    }
    // The token where none belongs.
    for path in [
        format!("/Users?token={good}"),
        format!("/Users/{good}"),
        format!("/{good}"),
    ] {
        provider.send("GET", &path, "").await;
    }
    for operation in [
        json!({"op": "add", "path": "title", "value": "Bearer"}),
        json!({"op": good}),
    ] {
        provider.patch(&format!("/Users/{user}"), json!([operation])).await;
    }
    let printed = sidecar.end();
    let log = outside.read("log.txt");
    let written = text_below(root.path());
    // What is looked through is there: the end of the log, the audit trail with the changes, the entry.
    assert!(log.contains("loaded") && log.contains("stopping"), "{log}");
    assert!(
        root.read("audit/directory.jsonl").contains("\"okta\"") && written.contains("b@example.com"),
        "{written}"
    );
    let secrets = [
        CANARY,
        &good["gatepost_".len()..],
        &wrong["gatepost_".len()..],
        &other["gatepost_".len()..],
    ];
    for (place, text) in [
        ("log", &log),
        ("output", &printed),
        ("files", &written),
        ("answers", &answers),
    ] {
        for secret in secrets {
            let hits = text.matches(secret).count();
            assert_eq!(hits, 0, "`{secret}` in the {place}");
        }
    }
}
