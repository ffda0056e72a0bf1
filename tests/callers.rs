//! Callers: tokens over HTTP, and `gatepost token` by the binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use chrono::{TimeDelta, Utc};
use gatepost::app::{self, TOKENS_FILE, World as Served, change_tokens};
use gatepost::callers::{Principal, Scope};
use gatepost::serve;

use crate::admin::world::{World, managed, token};
use crate::support::{
    Answer, Client, EVALUATION, PATIENCE, Process, Root, Sidecar, Traced, gatepost, question, settings,
};

const ANA: (&str, &str) = ("User", "ana@example.com");

async fn get(client: &mut Client, path: &str, authorizations: &[&str]) -> Answer {
    let headers: Vec<(&str, &str)> = authorizations.iter().map(|value| ("authorization", *value)).collect();
    client.send("GET", path, &headers, b"").await
}

#[tokio::test]
async fn whoever_has_no_good_token_learns_nothing() {
    let world = World::new().await;
    let now = Utc::now();
    let expired = change_tokens(&world.root.path().join(TOKENS_FILE), |callers| {
        let principal = Principal {
            entity_type: ANA.0.to_owned(),
            id: ANA.1.to_owned(),
        };
        let then = now - TimeDelta::days(2);
        callers.create("old", principal, &Scope::ALL, then, Some(then + TimeDelta::days(1)))
    });
    let expired = format!("Bearer {}", expired.expect("a token").reveal());
    let good = format!("Bearer {}", world.token("ana"));
    let mut client = Client::connect(world.admin).await;
    let lower = good.replace("Bearer", "bearer");
    let (cut, longer) = (&good[..good.len() - 1], format!("{good}x"));
    let basic = good.replace("Bearer", "Basic");
    let table: [(&[&str], u16, &str); 12] = [
        (&[], 401, "Bearer realm=\"gatepost\""),
        (&[""], 401, "invalid_token"),
        (&["Bearer"], 401, "invalid_token"),
        (&["Bearer "], 401, "invalid_token"),
        (&["Bearer gatepost_x"], 401, "invalid_token"),
        (&[cut], 401, "invalid_token"),
        (&[&longer], 401, "invalid_token"),
        (&[&basic], 401, "invalid_token"),
        (&[&good, &good], 401, "invalid_token"),
        (&[&expired], 401, "invalid_token"),
        (&[&good], 200, ""),
        (&[&lower], 200, ""),
    ];
    for (authorizations, status, challenge) in table {
        for path in [
            "/v1/admin/users",
            "/v1/admin/no-such",
            "/no-such",
            "/scim/v2/Users",
            "/scim/v2",
        ] {
            if status == 200 && path != "/v1/admin/users" {
                continue;
            }
            let answer = get(&mut client, path, authorizations).await;
            assert_eq!(answer.status, status, "{authorizations:?} {path}: {}", answer.text());
            let told = answer.header("www-authenticate").unwrap_or_default();
            assert!(told.contains(challenge), "{authorizations:?} {path}: {told}");
            if status == 401 {
                let scim = path.starts_with("/scim");
                let media_type = if scim {
                    "application/scim+json"
                } else {
                    "application/problem+json"
                };
                assert_eq!(answer.header("content-type"), Some(media_type), "{path}");
                let kind = if scim {
                    ("schemas", "[\"urn:ietf:params:scim:api:messages:2.0:Error\"]")
                } else {
                    ("type", "\"urn:gatepost:problem:unauthorized\"")
                };
                assert_eq!(answer.json()[kind.0].to_string(), kind.1, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_alone() {
    let root = Root::bundled();
    let sync = token(root.path(), "sync", ("ServiceUser", "provisioner"), &[Scope::Scim]);
    let admin = token(root.path(), "admin", ANA, &[Scope::Admin]);
    let world = World::on(root).await;
    let mut client = Client::connect(world.admin).await;
    for (token, path, status, media_type) in [
        (&sync, "/v1/admin/users", 403, "application/problem+json"),
        (&admin, "/v1/admin/users", 200, "application/json"),
        (&admin, "/scim/v2/Users", 403, "application/scim+json"),
    ] {
        let answer = get(&mut client, path, &[&format!("Bearer {token}")]).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some(media_type), "{path}");
    }
    let refused = get(&mut client, "/v1/admin/users", &[&format!("Bearer {sync}")]).await;
    assert_eq!(refused.json()["type"], "urn:gatepost:problem:scope");
}

#[tokio::test]
async fn guessing_is_slowed_down_and_good_tokens_are_not() {
    let mut settings = managed();
    settings.serve.callers.failures_per_second_max = 5;
    let world = World::with(Root::bundled(), &settings).await;
    let mut client = Client::connect(world.admin).await;
    let good = format!("Bearer {}", world.token("ana"));
    let (mut told, mut slowed) = (0, 0);
    // Three seconds may begin while these are asked, and each has its own number.
    for _ in 0..200 {
        let answer = get(&mut client, "/v1/admin/users", &["Bearer gatepost_guess"]).await;
        match answer.status.as_u16() {
            401 => told += 1,
            429 => {
                assert_eq!(answer.header("retry-after"), Some("1"));
                assert_eq!(answer.json()["type"], "urn:gatepost:problem:too-many-failures");
                slowed += 1;
            }
            other => panic!("{other}"),
        }
        assert_eq!(get(&mut client, "/v1/admin/users", &[&good]).await.status, 200);
    }
    assert!(told >= 5 && slowed > 0, "{told} {slowed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_changed_for_another_without_a_failed_request() {
    let world = World::new().await;
    let first = token(world.root.path(), "sync-1", ANA, &[Scope::Admin]);
    let current = Arc::new(ArcSwap::from_pointee(first.clone()));
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    // The token was made behind the sidecar's back: it is taken up within its time.
    let mut client = Client::connect(world.admin).await;
    comes(&mut client, &first, 200).await;
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (current, stop, asked) = (current.clone(), stop.clone(), asked.clone());
        let mut client = Client::connect(world.admin).await;
        load.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let token = current.load_full();
                let answer = get(&mut client, "/v1/admin/users", &[&format!("Bearer {token}")]).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut last = first.clone();
    for round in 2..5 {
        let next = token(world.root.path(), &format!("sync-{round}"), ANA, &[Scope::Admin]);
        comes(&mut client, &next, 200).await;
        current.store(Arc::new(next.clone()));
        // Whoever still had the old one has finished with it.
        let begun = asked.load(Ordering::Relaxed);
        let since = Instant::now();
        while asked.load(Ordering::Relaxed) < begun + 8 {
            assert!(since.elapsed() < PATIENCE && !load.is_empty());
            tokio::task::yield_now().await;
        }
        let revoked = change_tokens(&world.root.path().join(TOKENS_FILE), |callers| {
            Ok(callers.revoke(&format!("sync-{}", round - 1)))
        });
        assert!(revoked.expect("a file"));
        comes(&mut client, &last, 401).await;
        last = next;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.expect("no failed request");
    }
    assert!(asked.load(Ordering::Relaxed) > 24);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_good_once_it_is_printed_and_not_once_it_is_said_to_be_revoked() {
    let world = World::new().await;
    let known = token(world.root.path(), "known", ANA, &[Scope::Admin]);
    let (mut client, stop) = (Client::connect(world.admin).await, Arc::new(AtomicBool::new(false)));
    comes(&mut client, &known, 200).await;
    // A sidecar that is asked all the time has always looked just now.
    let (mut busy, stopped) = (Client::connect(world.admin).await, stop.clone());
    let load = tokio::spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            get(&mut busy, "/v1/admin/users?limit=1", &[&format!("Bearer {known}")]).await;
        }
    });
    for round in 0..5 {
        let name = format!("round-{round}");
        let command = |arguments: Vec<String>| {
            let root = world.root.path().to_owned();
            tokio::task::spawn_blocking(move || run(&root, &arguments.iter().map(String::as_str).collect::<Vec<_>>()))
        };
        let create = format!("create {name} --principal user:ana@example.com --scope admin");
        let made = command(create.split(' ').map(str::to_owned).collect()).await.expect("a thread");
        let bearer = format!("Bearer {}", out(&made).trim());
        assert_eq!(get(&mut client, "/v1/admin/users", &[&bearer]).await.status, 200);
        let revoked = command(vec!["revoke".to_owned(), name]).await.expect("a thread");
        assert!(revoked.status.success());
        assert_eq!(get(&mut client, "/v1/admin/users", &[&bearer]).await.status, 401);
    }
    stop.store(true, Ordering::Relaxed);
    load.await.expect("no broken request");
}

/// Asks until the answer has this status.
async fn comes(client: &mut Client, token: &str, status: u16) {
    let since = Instant::now();
    loop {
        let answer = get(client, "/v1/admin/users", &[&format!("Bearer {token}")]).await;
        if answer.status == status {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{status} does not come: {}", answer.text());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_broken_file_of_tokens_is_told_and_changes_nothing() {
    let world = World::new().await;
    let good = format!("Bearer {}", world.token("ana"));
    world.root.write(TOKENS_FILE, "{ \"tokens\": [");
    let mut decisions = world.sidecar.client().await;
    let since = Instant::now();
    let fault = loop {
        let status = decisions.get("/status").await.json();
        if let Some(fault) = status["callers"]["fault"].as_str() {
            break fault.to_owned();
        }
        assert!(since.elapsed() < PATIENCE, "{status}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(fault.contains("tokens.json"), "{fault}");
    let mut client = Client::connect(world.admin).await;
    assert_eq!(get(&mut client, "/v1/admin/users", &[&good]).await.status, 200);
}

#[tokio::test]
async fn a_file_of_tokens_that_is_gone_ends_all_tokens() {
    let world = World::new().await;
    let good = world.token("ana").to_owned();
    let mut client = Client::connect(world.admin).await;
    comes(&mut client, &good, 200).await;
    let file = world.root.path().join(TOKENS_FILE);
    let aside = world.root.path().join("aside.json");
    fs::rename(&file, &aside).expect("a file");
    comes(&mut client, &good, 401).await;
    let status = world.sidecar.client().await.get("/status").await.json();
    let fault = status["callers"]["fault"].as_str().unwrap_or_default();
    assert!(fault.contains("no token is good until it is there again"), "{status}");
    fs::rename(&aside, &file).expect("a file");
    comes(&mut client, &good, 200).await;
    let status = world.sidecar.client().await.get("/status").await.json();
    assert!(status["callers"].is_null(), "{status}");
}

#[tokio::test]
async fn decisions_want_a_token_where_that_is_set() {
    let root = Root::bundled();
    let all: Vec<(Scope, String)> = Scope::ALL
        .into_iter()
        .map(|scope| (scope, token(root.path(), scope.name(), ANA, &[scope])))
        .collect();
    let mut settings = settings();
    settings.serve.callers.required = true;
    settings.serve.explains = true;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let mut client = sidecar.client().await;
    let body = question(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger"));
    let batch = format!(r#"{{"evaluations":[{body}]}}"#);
    let search = r#"{"subject":{"type":"user"},"action":{"name":"viewDatastore"},"resource":{"type":"datastore","id":"ledger"}}"#;
    for (path, body, wanted) in [
        (EVALUATION, body.as_str(), Scope::Decide),
        ("/access/v1/evaluations", &batch, Scope::Decide),
        ("/access/v1/search/subject", search, Scope::Search),
        ("/v1/explain", &body, Scope::Explain),
    ] {
        let json = ("content-type", "application/json");
        let without = client.send("POST", path, &[json], body.as_bytes()).await;
        assert_eq!(
            (without.status.as_u16(), without.json()["error"]["status"].as_u64()),
            (401, Some(401)),
            "{path}"
        );
        assert_eq!(without.header("www-authenticate"), Some("Bearer realm=\"gatepost\""), "{path}");
        for (scope, token) in &all {
            let headers = [json, ("authorization", &format!("Bearer {token}"))];
            let answer = client.send("POST", path, &headers, body.as_bytes()).await;
            let status = if *scope == wanted { 200 } else { 403 };
            assert_eq!(answer.status, status, "{path} {scope}: {}", answer.text());
        }
    }
    for path in ["/healthz", "/readyz", "/status", "/.well-known/authzen-configuration"] {
        assert_eq!(client.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_token_of_an_account_that_is_deactivated_or_gone_decides_nothing() {
    let root = Root::bundled();
    let people = root.read("entities/people.yaml");
    let theo = "name: Theo Lindqvist, ";
    assert!(people.contains(theo));
    root.write(
        "entities/people.yaml",
        &people.replace(theo, "name: Theo Lindqvist, active: false, "),
    );
    let of = |id| token(root.path(), id, ("user", id), &[Scope::Decide]);
    let (active, inactive, nobody) = (of("carla@example.com"), of("bo@example.com"), of("nobody@example.com"));
    // What is no account, and there, is the policies' matter.
    let other = token(root.path(), "other", ("Platform", "main"), &[Scope::Decide]);
    let typo = token(root.path(), "typo", ("usr", "carla@example.com"), &[Scope::Decide]);
    let gone = token(root.path(), "gone", ("Team", "gone"), &[Scope::Decide]);
    let mut settings = settings();
    settings.serve.callers.required = true;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let mut client = sidecar.client().await;
    let body = question(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger"));
    for (token, status, words) in [
        (&active, 200, "decision"),
        (&other, 200, "decision"),
        (&inactive, 403, "user `bo@example.com`, is deactivated (R6)"),
        (&nobody, 403, "user `nobody@example.com`, is not in the directory"),
        (&typo, 403, "is not in the directory"),
        (&gone, 403, "is not in the directory"),
    ] {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &*format!("Bearer {token}")),
        ];
        let answer = client.send("POST", EVALUATION, &headers, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
    }
}

#[tokio::test]
async fn nobody_is_listened_to_without_tokens_that_are_good_and_nobody_elses() {
    let refused = async |root: &Root, words: &str| {
        let started = app::run(Served::Root(root.path().to_owned()), &managed()).await;
        let error = started.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(words), "{words}: {error}");
    };
    let root = Root::bundled();
    refused(&root, "there is no token in").await;
    refused(
        &root,
        &format!("token create NAME --root {} --principal", root.path().display()),
    )
    .await;
    root.write(TOKENS_FILE, "{\"tokens\":[]}");
    let mode =
        |mode| fs::set_permissions(root.path().join(TOKENS_FILE), fs::Permissions::from_mode(mode)).expect("a mode");
    mode(0o600);
    refused(&root, "there is no token in").await;
    token(root.path(), "one", ANA, &[Scope::Admin]);
    mode(0o604);
    refused(&root, "`chmod 600` it").await;
    mode(0o600);
    root.write(TOKENS_FILE, "{");
    refused(&root, "refusing the tokens").await;
    // Where all have expired, decisions go on, unless they want tokens themselves.
    let root = Root::bundled();
    let expired = Principal {
        entity_type: ANA.0.to_owned(),
        id: ANA.1.to_owned(),
    };
    change_tokens(&root.path().join(TOKENS_FILE), |callers| {
        let then = Utc::now() - TimeDelta::days(2);
        callers.create("old", expired, &Scope::ALL, then, Some(then + TimeDelta::days(1)))
    })
    .expect("a token");
    let started = app::run(Served::Root(root.path().to_owned()), &managed()).await;
    drop(started.expect("started"));
    let mut strict = managed();
    strict.serve.callers.required = true;
    let started = app::run(Served::Root(root.path().to_owned()), &strict).await;
    assert!(started.err().is_some_and(|error| error.to_string().contains("there is no token in")));
    // A relative place is one in the root.
    let mut elsewhere = managed();
    elsewhere.tokens_file = Some("kept/tokens.json".into());
    fs::create_dir(root.path().join("kept")).expect("a directory");
    fs::rename(root.path().join(TOKENS_FILE), root.path().join("kept/tokens.json")).expect("moved");
    let started = app::run(Served::Root(root.path().to_owned()), &elsewhere).await;
    drop(started.expect("started"));
    let started = app::run(Served::BuiltIn, &managed()).await;
    assert!(
        started
            .err()
            .is_some_and(|error| error.to_string().contains("the built-in model has no tokens"))
    );
    let mut settings = managed();
    let other = Root::empty();
    token(other.path(), "one", ANA, &[Scope::Admin]);
    settings.tokens_file = Some(other.path().join(TOKENS_FILE));
    let started = app::run(Served::BuiltIn, &settings).await;
    assert!(started.err().is_some_and(|error| error.to_string().contains("cannot be changed")));
}

#[tokio::test]
async fn what_breaks_off_inside_is_a_problem_and_the_listener_goes_on() {
    let root = Root::bundled();
    let good = format!("Bearer {}", token(root.path(), "one", ANA, &Scope::ALL));
    let breaks = async || -> &'static str { panic!("for the test") };
    let routes = axum::Router::new()
        .route("/v1/admin/breaks", axum::routing::get(breaks))
        .route("/scim/v2/breaks", axum::routing::get(breaks))
        .route("/v1/admin/works", axum::routing::get(async || "yes"));
    let listener = serve::bind(&"127.0.0.1:0".parse().expect("an address")).await.expect("a listener");
    let serve::Address::Tcp(address) = listener.address() else {
        panic!("no address")
    };
    let mut settings = serve::ServeSettings::default();
    let tokens = app::TokensFile::open(&root.path().join(TOKENS_FILE)).expect("tokens");
    settings.callers.tokens = Some(Arc::new(tokens));
    let listeners = vec![listener];
    let management = serve::Management { listeners, routes };
    let server = serve::serve_all(Vec::new(), management, Arc::default(), &settings).expect("a server");
    let mut client = Client::connect(address).await;
    let broken = get(&mut client, "/v1/admin/breaks", &[&good]).await;
    assert_eq!(
        (broken.status.as_u16(), broken.json()["type"].as_str()),
        (500, Some("urn:gatepost:problem:mistake"))
    );
    let broken = get(&mut client, "/scim/v2/breaks", &[&good]).await;
    assert_eq!(
        (broken.status.as_u16(), broken.header("content-type")),
        (500, Some("application/scim+json"))
    );
    assert_eq!(get(&mut client, "/v1/admin/works", &[&good]).await.text(), "yes");
    assert_eq!(server.service.tally.panics.load(Ordering::Relaxed), 2);
    server.shut_down().await;
}

fn run(root: &Path, arguments: &[&str]) -> Output {
    gatepost().arg("token").args(arguments).current_dir(root).output().expect("the binary")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn a_token_is_made_shown_once_listed_and_revoked() {
    let root = Root::bundled();
    let made = run(
        root.path(),
        &[
            "create",
            "okta",
            "--principal",
            "ServiceUser::\"provisioner\"",
            "--scope",
            "scim",
            "--expires",
            "90d",
        ],
    );
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let shown = out(&made);
    let secret = shown.trim_end();
    // The token and nothing else, so that it can go into a file or a variable.
    assert!(
        secret.starts_with("gatepost_") && !secret.contains(char::is_whitespace),
        "{shown}"
    );
    assert!(made.stderr.is_empty(), "{made:?}");
    let file = root.path().join(TOKENS_FILE);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(!root.read(TOKENS_FILE).contains(&secret["gatepost_".len()..]));
    let second = run(
        root.path(),
        &[
            "create",
            "ops",
            "--principal",
            "user:ana@example.com",
            "--scope",
            "admin",
            "--scope",
            "decide",
            "--format",
            "json",
        ],
    );
    let second: serde_json::Value = serde_json::from_slice(&second.stdout).expect("JSON");
    assert!(
        second["token"]
            .as_str()
            .is_some_and(|token| token.starts_with("gatepost_") && token != secret)
    );
    let listed = run(root.path(), &["list", "--format", "json"]);
    let tokens: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(tokens["tokens"][0]["name"], "okta");
    assert_eq!(
        tokens["tokens"][0]["principal"],
        serde_json::json!({ "type": "ServiceUser", "id": "provisioner" })
    );
    assert_eq!(tokens["tokens"][0]["live"], true);
    let time = |name: &str| -> chrono::DateTime<Utc> {
        tokens["tokens"][0][name].as_str().and_then(|time| time.parse().ok()).expect("a time")
    };
    assert_eq!(time("expires") - time("created"), TimeDelta::days(90));
    assert_eq!(tokens["tokens"][1]["scopes"], serde_json::json!(["decide", "admin"]));
    let table = out(&run(root.path(), &["list"]));
    for words in ["okta", "ServiceUser:provisioner", "scim", "decide, admin", "never"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    for shown in [&table, &out(&listed), &root.read(TOKENS_FILE)] {
        assert!(!shown.contains(&secret["gatepost_".len()..]));
    }
    for (arguments, code, words) in [
        (
            &[
                "create",
                "okta",
                "--principal",
                "user:ana@example.com",
                "--scope",
                "scim",
            ][..],
            1,
            "the token `okta` is there already: revoke it, or choose another name\n",
        ),
        (&["create", "x", "--principal", "a", "--scope", "scim"], 2, "is no entity"),
        (
            &["create", "x", "--principal", "user:ana@example.com", "--scope", "root"],
            2,
            "invalid value 'root'",
        ),
        (&["create", "x", "--principal", "user:ana@example.com"], 2, "--scope"),
        (
            &[
                "create",
                "x",
                "--principal",
                "user:ana@example.com",
                "--scope",
                "scim",
                "--expires",
                "soon",
            ],
            2,
            "write days",
        ),
        (
            &[
                "create",
                "x",
                "--principal",
                "user:ana@example.com",
                "--scope",
                "scim",
                "--expires",
                "0d",
            ],
            2,
            "write days",
        ),
        (
            &[
                "create",
                "x",
                "--principal",
                "user:ana@example.com",
                "--scope",
                "scim",
                "--expires",
                "2020-01-01T00:00:00Z",
            ],
            1,
            "expired",
        ),
        (&["revoke", "no-such"], 1, "there is no token `no-such`"),
        (&["revoke", "okta"], 0, ""),
        (&["revoke", "okta"], 1, "there is no token `okta`"),
    ] {
        let output = run(root.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(words), "{arguments:?}: {told}");
        // The file is as good as it was.
        assert!(!told.contains("refusing the tokens"), "{arguments:?}: {told}");
    }
}

#[test]
fn a_token_is_for_an_account_that_is_there() {
    let root = Root::bundled();
    let create = |name: &str, principal: &str| {
        let output = run(root.path(), &["create", name, "--principal", principal, "--scope", "admin"]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (principal, words) in [
        (
            "user:anna@example.com",
            "no user `anna@example.com`: did you mean `ana@example.com`?",
        ),
        ("user:provisioner", "no user `provisioner`"),
        ("usr:ana@example.com", "no entity type `usr`: did you mean"),
        (
            "datastore:ledger",
            "`datastore` cannot stand there; `ServiceUser` or `User` can",
        ),
    ] {
        let (code, told) = create("typo", principal);
        assert_eq!(code, Some(1), "{principal}: {told}");
        assert!(told.contains(words), "{principal}: {told}");
    }
    assert!(!root.path().join(TOKENS_FILE).exists());
    // Each way to write a type is one type in the file, and in the audit trail.
    for (name, principal) in [
        ("one", "ServiceUser::\"provisioner\""),
        ("two", "serviceuser:provisioner"),
        ("three", "service_user:provisioner"),
        ("four", "service-user:provisioner"),
    ] {
        assert_eq!(create(name, principal).0, Some(0), "{principal}");
    }
    let tokens = app::read_tokens(&root.path().join(TOKENS_FILE)).expect("tokens");
    assert!(tokens.tokens().all(|token| token.principal.entity_type == "ServiceUser"));
    // An account that is deactivated may get one, which is said to be good for nothing.
    let (code, told) = create("later", "user:bo@example.com");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("is deactivated"), "{told}");
    let listed = out(&run(root.path(), &["list"]));
    assert!(listed.contains("User:bo@example.com (deactivated)"), "{listed}");
    let listed = out(&run(root.path(), &["list", "--format", "json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let of = |name: &str| {
        let mut tokens = listed["tokens"].as_array().into_iter().flatten();
        tokens
            .find(|token| token["name"] == name)
            .map(|token| (token["account"].clone(), token["live"].clone()))
    };
    assert_eq!(of("later"), Some(("deactivated".into(), false.into())), "{listed}");
    let delete = gatepost().args(["user", "delete", "bo@example.com"]).current_dir(root.path()).output();
    assert!(delete.expect("the binary").status.success());
    let listed = out(&run(root.path(), &["list"]));
    assert!(listed.contains("User:bo@example.com (missing)"), "{listed}");
    // Files that do not load cannot tell, and whoever mends them may need the token.
    root.write("entities/zz.yaml", "users: 1\n");
    let (code, told) = create("unchecked", "user:anna@example.com");
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("nobody knows whether there is user `anna@example.com`"), "{told}");
}

#[test]
fn what_is_done_to_tokens_is_on_record_without_the_token() {
    let root = Root::bundled();
    let create = [
        "create",
        "ops",
        "--principal",
        "user:ana@example.com",
        "--scope",
        "admin",
        "--expires",
        "9d",
    ];
    let made = run(root.path(), &create);
    let secret = out(&made);
    assert_eq!(run(root.path(), &create).status.code(), Some(1), "the name is taken");
    assert_eq!(run(root.path(), &["revoke", "none"]).status.code(), Some(1));
    assert_eq!(run(root.path(), &["revoke", "ops"]).status.code(), Some(0));
    let trail = root.read("audit/directory.jsonl");
    let lines: Vec<serde_json::Value> = trail.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{trail}");
    for (line, command, here, gone) in [
        (&lines[0], "create-token", "after", "before"),
        (&lines[1], "revoke-token", "before", "after"),
    ] {
        assert_eq!(line["command"], command);
        assert_eq!(line["channel"], "command-line");
        assert_eq!(line["outcome"], "accepted");
        assert_eq!(line["entry"], serde_json::json!({ "type": "Token", "id": "ops" }));
        assert_eq!(line[here]["principal"]["id"], "ana@example.com");
        assert_eq!(line[here]["scopes"], serde_json::json!(["admin"]));
        assert!(line[here]["expires"].is_string() && line[gone].is_null(), "{line}");
        assert!(line["system_user"].as_str().is_some_and(|user| user.contains("uid ")), "{line}");
    }
    assert!(!trail.contains(&secret.trim()["gatepost_".len()..]) && !trail.contains("sha256"));
    // What cannot be put on record is not done.
    let full = run(root.path(), &[&create[..], &["--set", "audit.file=tokens.json/x"]].concat());
    assert_eq!(full.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&full.stderr).contains("cannot write the audit trail"),
        "{full:?}"
    );
    assert_eq!(
        app::read_tokens(&root.path().join(TOKENS_FILE)).expect("tokens").tokens().count(),
        0
    );
}

#[test]
fn a_token_that_nobody_gets_to_see_is_revoked_again() {
    let root = Root::bundled();
    let create = |name: &str, output: Stdio| {
        let mut command = gatepost();
        command.args([
            "token",
            "create",
            name,
            "--principal",
            "user:ana@example.com",
            "--scope",
            "admin",
        ]);
        command.current_dir(root.path()).stdout(output).output().expect("the binary")
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("the device that is always full");
    for (name, output) in [("full", full.into()), ("closed", writer.into())] {
        let made = create(name, output);
        let told = String::from_utf8_lossy(&made.stderr);
        assert_eq!(made.status.code(), Some(1), "{told}");
        assert!(told.contains("revoked again"), "{told}");
    }
    let path = root.path().join(TOKENS_FILE);
    assert_eq!(app::read_tokens(&path).expect("tokens").tokens().count(), 0);
    let trail = root.read("audit/directory.jsonl");
    assert_eq!(trail.matches("create-token").count(), 2, "{trail}");
    assert_eq!(trail.matches("revoke-token").count(), 2, "{trail}");
    assert_eq!(create("full", Stdio::null()).status.code(), Some(0), "its name is free");
}

#[test]
fn a_link_to_the_file_of_tokens_stays_a_link() {
    let (root, elsewhere) = (Root::bundled(), Root::empty());
    token(elsewhere.path(), "one", ANA, &[Scope::Admin]);
    let file = elsewhere.path().join(TOKENS_FILE);
    std::os::unix::fs::symlink(&file, root.path().join(TOKENS_FILE)).expect("a link");
    token(root.path(), "two", ANA, &[Scope::Admin]);
    assert!(fs::symlink_metadata(root.path().join(TOKENS_FILE)).expect("a link").is_symlink());
    assert_eq!(app::read_tokens(&file).expect("tokens").tokens().count(), 2);
}

#[tokio::test]
async fn no_token_comes_into_a_log_or_an_audit_trail() {
    let root = Root::bundled();
    let good = token(root.path(), "canary", ANA, &Scope::ALL);
    let wrong = good.replace("gatepost_", "gatepost_w");
    let log = fs::File::create(root.path().join("log.txt")).expect("a log");
    let sidecar = Traced::serve(root.path(), log);
    let mut client = Client::connect(sidecar.admin).await;
    let header = |token: &str| format!("Bearer {token}");
    for authorization in [header(&good), header(&wrong), good.clone(), format!("Basic {good}")] {
        get(&mut client, "/v1/admin/users", &[&authorization]).await;
        get(&mut client, &format!("/v1/admin/users?token={good}"), &[&authorization]).await;
    }
    let authorization = header(&good);
    let headers = [("authorization", authorization.as_str())];
    let path = "/v1/admin/users/carla@example.com/deactivate";
    assert_eq!(client.send("POST", path, &headers, b"").await.status, 200);
    let path = "/v1/admin/users/ana@example.com/deactivate?dry_run=no";
    assert_eq!(client.send("POST", path, &headers, b"").await.status, 400);
    let greeting = sidecar.end();
    let (log, trail) = (root.read("log.txt"), root.read("audit/directory.jsonl"));
    assert!(log.contains("stopping"), "{log}");
    assert!(trail.contains("\"canary\""), "{trail}");
    for text in [&log, &trail, &greeting] {
        // The part that both have, and the hash that is kept.
        assert!(!text.contains(&good["gatepost_".len()..]));
        let tokens: serde_json::Value = serde_json::from_str(&root.read(TOKENS_FILE)).expect("JSON");
        assert!(!text.contains(tokens["tokens"][0]["sha256"].as_str().expect("a hash")));
    }
}

#[test]
fn questions_from_the_command_line_bring_their_token() {
    let root = Root::bundled();
    let good = token(root.path(), "asks", ANA, &[Scope::Decide, Scope::Search, Scope::Explain]);
    let required = ["--set", "callers.required=true", "--set", "explain.enabled=true"];
    let sidecar = Process::serve(root.path(), &required);
    let url = format!("http://{}", sidecar.address);
    let who = ["who-can", "read", "datastore:ledger", "--type", "user"];
    let why = [
        "explain",
        "--principal",
        "user:ana@example.com",
        "--action",
        "read",
        "--resource",
        "datastore:ledger",
    ];
    root.write(
        "requests.jsonl",
        &format!(
            "{}\n",
            question(("user", "ana@example.com"), "viewDatastore", ("datastore", "ledger"))
        ),
    );
    let requests = format!("{}/requests.jsonl", root.path().display());
    let load = ["bench", "--requests", &requests, "--connections", "1", "--seconds", "1"];
    for command in [&who[..], &why, &load] {
        let run = |token: Option<&str>| {
            let mut process = gatepost();
            process.args(command).args(["--url", &url]).current_dir(root.path());
            token.map(|token| process.env("GATEPOST_TOKEN", token));
            process.output().expect("the binary")
        };
        let refused = run(None);
        assert_ne!(refused.status.code(), Some(0), "{command:?}");
        let done = run(Some(&good));
        assert_eq!(
            done.status.code(),
            Some(0),
            "{command:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    let refused = gatepost().args(who).args(["--url", &url]).output().expect("the binary");
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("GATEPOST_TOKEN"),
        "{refused:?}"
    );
}
