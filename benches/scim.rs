//! A directory provisioned over SCIM, and what one membership costs in a small group and in a large one.
//!
//! `cargo bench --bench scim -- --users 100000 --groups 1000 --connections 16 --rounds 31`. The sidecar runs in this
//! process on loopback; requests come over sockets, as an identity provider sends them: users one by one, members of
//! groups in PATCHes of a thousand. Small and large groups take turns, and the ratio is that of their medians.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

#[path = "shared/mode.rs"]
mod mode;

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gatepost::app::{self, Running, Settings, World};
use gatepost::callers::{Principal, Scope};
use gatepost::serve::Address;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use mode::Mode;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Members in one PATCH.
const MEMBERS_AT_ONCE: usize = 1_000;

/// What is made.
struct Plan {
    users: usize,
    groups: usize,
    connections: usize,
    rounds: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, usual: usize| {
        let at = words.iter().position(|word| word == name);
        at.map_or(usual, |at| words[at + 1].parse().expect("a number"))
    };
    let (users, groups) = match Mode::of_this_run() {
        Mode::Measure => (100_000, 1_000),
        Mode::Try => (60, 4),
    };
    let plan = Plan {
        users: number("--users", users),
        groups: number("--groups", groups),
        connections: number("--connections", 16),
        rounds: number("--rounds", 31),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(&plan));
}

async fn run(plan: &Plan) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    let token = write(root);
    let settings = Settings {
        listen: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
        admin_listen: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
        ..Settings::default()
    };
    let running = app::run(World::Root(root.to_owned()), &settings).await.expect("a sidecar");
    running.live.subscribe().wait_for(|number| *number > 0).await.expect("a generation");
    let at = |addresses: &[Address]| match addresses {
        [Address::Tcp(address), ..] => *address,
        _ => unreachable!("one address of TCP was asked for"),
    };
    let door = Door {
        address: at(&running.admin_addresses),
        token: token.into(),
    };

    let ids = users(plan, &door).await;
    let (small, large, all) = groups(plan, &door, &ids).await;
    let mut client = door.client().await;
    assert_eq!(
        client.send("GET", "/scim/v2/Users?count=1", None, StatusCode::OK).await["totalResults"],
        plan.users
    );
    one_member(plan, &mut client, &ids, &small, &large).await;
    walk(plan, &mut client).await;
    println!(
        "scim: {all} memberships, {} files of the directory, {:.1} MB",
        files(root).0,
        files(root).1 as f64 / 1e6
    );
    again(running, root).await;
}

/// A root with the bundled model, one Admin, and one service user that the token speaks for.
fn write(root: &Path) -> String {
    for (name, content) in app::MODEL.iter().filter(|(name, _)| !name.starts_with("entities/")) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }
    fs::create_dir_all(root.join("entities")).expect("a directory");
    let people = "users:\n  root@example.com: { role: Admin }\nservice_users:\n  directory-sync: { role: Admin }\n";
    fs::write(root.join("entities/people.yaml"), people).expect("a file");
    let principal = Principal {
        entity_type: "ServiceUser".to_owned(),
        id: "directory-sync".to_owned(),
    };
    let now = chrono::Utc::now();
    let create =
        |callers: &mut gatepost::callers::Callers| callers.create("bench", principal, &[Scope::Scim], now, None);
    let secret = app::change_tokens(&root.join(app::TOKENS_FILE), create).expect("a token");
    secret.reveal().to_owned()
}

async fn users(plan: &Plan, door: &Door) -> Vec<String> {
    let bodies: Vec<Value> = (0..plan.users)
        .map(|number| {
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": format!("user{number}@example.com"),
                "externalId": format!("00u{number:08}"),
                "name": { "givenName": format!("Given{number}"), "familyName": format!("Family{number}") },
                "emails": [{ "primary": true, "type": "work", "value": format!("user{number}@example.com") }],
                "active": true,
            })
        })
        .collect();
    let (made, took) = send_all(plan, door, bodies, |_| {
        ("POST", "/scim/v2/Users".to_owned(), StatusCode::CREATED)
    })
    .await;
    println!(
        "scim: {} users in {:.1} s: {:.0} a second over {} connections",
        plan.users,
        took.as_secs_f64(),
        plan.users as f64 / took.as_secs_f64(),
        plan.connections
    );
    made.iter().map(|user| user["id"].as_str().expect("an id").to_owned()).collect()
}

/// A group of five, a group of half of all users, and others of a hundred each.
async fn groups(plan: &Plan, door: &Door, ids: &[String]) -> (String, String, usize) {
    let bodies: Vec<Value> = (0..plan.groups)
        .map(|number| {
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": format!("Group {number}"),
                "externalId": format!("00g{number:08}"),
                "members": [],
            })
        })
        .collect();
    let (made, took) = send_all(plan, door, bodies, |_| {
        ("POST", "/scim/v2/Groups".to_owned(), StatusCode::CREATED)
    })
    .await;
    println!("scim: {} groups in {:.1} s", plan.groups, took.as_secs_f64());
    let groups: Vec<String> = made.iter().map(|group| group["id"].as_str().expect("an id").to_owned()).collect();
    let mut patches: Vec<(String, Value)> = Vec::new();
    let mut all = 0;
    for (number, group) in groups.iter().enumerate() {
        let members: Vec<&String> = match number {
            0 => ids.iter().take(5).collect(),
            1 => ids.iter().take(ids.len() / 2).collect(),
            _ => (0..100.min(ids.len() / 2))
                .map(|nth| &ids[(number * 997 + nth * 31) % ids.len()])
                .collect(),
        };
        all += members.len();
        for some in members.chunks(MEMBERS_AT_ONCE) {
            let values: Vec<Value> = some.iter().map(|id| json!({ "value": id })).collect();
            patches.push((group.clone(), patch(json!({ "op": "Add", "path": "members", "value": values }))));
        }
    }
    let count = patches.len();
    let (paths, bodies): (Vec<String>, Vec<Value>) = patches
        .into_iter()
        .map(|(group, body)| (format!("/scim/v2/Groups/{group}"), body))
        .unzip();
    let (_, took) = send_all(plan, door, bodies, |number| {
        ("PATCH", paths[number].clone(), StatusCode::NO_CONTENT)
    })
    .await;
    println!("scim: {all} memberships in {count} PATCHes in {:.1} s", took.as_secs_f64());
    (groups[0].clone(), groups[1].clone(), all)
}

fn patch(operation: Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] })
}

/// Adds and removes a member of both groups by turns.
async fn one_member(plan: &Plan, client: &mut Client, ids: &[String], small: &str, large: &str) {
    let mut took = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for round in 0..plan.rounds {
        let user = &ids[ids.len() - 1 - round % (ids.len() / 4)];
        for (which, group) in [small, large].into_iter().enumerate() {
            let path = format!("/scim/v2/Groups/{group}");
            let add = patch(json!({ "op": "add", "path": "members", "value": [{ "value": user }] }));
            let remove = patch(json!({ "op": "remove", "path": format!("members[value eq \"{user}\"]") }));
            let started = Instant::now();
            client.send("PATCH", &path, Some(&add), StatusCode::NO_CONTENT).await;
            took[which].push(started.elapsed());
            let shown = client.send("GET", &format!("/scim/v2/Users/{user}"), None, StatusCode::OK).await;
            let groups = shown["groups"].as_array().expect("groups");
            assert!(groups.iter().any(|shown| shown["value"] == *group), "the membership is there");
            let started = Instant::now();
            client.send("PATCH", &path, Some(&remove), StatusCode::NO_CONTENT).await;
            took[2 + which].push(started.elapsed());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    let [add_small, add_large, remove_small, remove_large] = took.each_mut().map(median);
    println!(
        "ratio: add one member, large/small group = {:.2} (limit 5; {add_large:.2} ms and {add_small:.2} ms)",
        add_large / add_small
    );
    println!(
        "ratio: remove one member, large/small group = {:.2} ({remove_large:.2} ms and {remove_small:.2} ms)",
        remove_large / remove_small
    );
    let started = Instant::now();
    client
        .send(
            "GET",
            &format!("/scim/v2/Groups/{large}?excludedAttributes=members"),
            None,
            StatusCode::OK,
        )
        .await;
    println!(
        "scim: GET of the large group without members: {:.2} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
}

/// Each user is on exactly one page.
async fn walk(plan: &Plan, client: &mut Client) {
    let started = Instant::now();
    let mut seen = std::collections::HashSet::new();
    let mut next = 1;
    while next <= plan.users {
        let path = format!("/scim/v2/Users?startIndex={next}&count=1000&attributes=userName");
        let page = client.send("GET", &path, None, StatusCode::OK).await;
        let users = page["Resources"].as_array().expect("users");
        for user in users {
            assert!(
                seen.insert(user["id"].as_str().expect("an id").to_owned()),
                "no user comes twice"
            );
        }
        assert!(!users.is_empty(), "a page within the total is not empty");
        next += users.len();
    }
    assert_eq!(seen.len(), plan.users);
    println!("scim: all users in pages of 1000 in {:.2} s", started.elapsed().as_secs_f64());
}

/// What is written loads again, and says the same.
async fn again(running: Running, root: &Path) {
    let current = running.live.current().clone().expect("a generation");
    let (revision, counts) = (current.snapshot.revision().to_owned(), current.snapshot.counts());
    running.shut_down().await;
    let settings = Settings {
        listen: vec![Address::Tcp(([127, 0, 0, 1], 0).into())],
        ..Settings::default()
    };
    let started = Instant::now();
    let running = app::run(World::Root(root.to_owned()), &settings).await.expect("a sidecar");
    running.live.subscribe().wait_for(|number| *number > 0).await.expect("a generation");
    let current = running.live.current().clone().expect("a generation");
    assert_eq!(current.snapshot.revision(), revision, "read afresh it is what was live");
    assert_eq!(current.snapshot.counts().entities, counts.entities);
    println!(
        "scim: read afresh in {:.2} s: the same revision, {} entities",
        started.elapsed().as_secs_f64(),
        counts.entities
    );
    running.shut_down().await;
}

/// Files and bytes of the directory.
fn files(root: &Path) -> (usize, u64) {
    let mut found = (0, 0);
    let mut left = vec![root.join("entities")];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let entry = entry.expect("an entry");
            let metadata = entry.metadata().expect("metadata");
            if metadata.is_dir() {
                left.push(entry.path());
            } else {
                found = (found.0 + 1, found.1 + metadata.len());
            }
        }
    }
    found
}

/// Where SCIM is served, and the token for it.
#[derive(Clone)]
struct Door {
    address: SocketAddr,
    token: Arc<str>,
}

impl Door {
    async fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        Client {
            door: self.clone(),
            sender,
        }
    }
}

struct Client {
    door: Door,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// One request; the answer has to have this status.
    async fn send(&mut self, method: &str, path: &str, body: Option<&Value>, owed: StatusCode) -> Value {
        let body = body.map(|body| serde_json::to_vec(body).expect("JSON")).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.door.address.to_string())
            .header("authorization", format!("Bearer {}", self.door.token))
            .header("content-type", "application/scim+json")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        self.sender.ready().await.expect("an open connection");
        let answer = self.sender.send_request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        // Either of the two is a good answer to a PATCH.
        let is_good = status == owed || owed == StatusCode::NO_CONTENT && status == StatusCode::OK;
        assert!(is_good, "{method} {path}: {status} {}", String::from_utf8_lossy(&body));
        if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).expect("JSON")
        }
    }
}

/// Sends requests over several connections, and gives the answers in the order of the requests.
async fn send_all(
    plan: &Plan,
    door: &Door,
    bodies: Vec<Value>,
    to: impl Fn(usize) -> (&'static str, String, StatusCode),
) -> (Vec<Value>, Duration) {
    let count = bodies.len();
    let requests = bodies.into_iter().enumerate().map(|(number, body)| (number, to(number), body));
    let queue: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(requests.collect()));
    let started = Instant::now();
    let mut senders = Vec::new();
    for _ in 0..plan.connections {
        let (queue, mut client) = (queue.clone(), door.client().await);
        senders.push(tokio::spawn(async move {
            let mut answers = Vec::new();
            loop {
                let next = queue.lock().expect("the queue").pop_front();
                let Some((number, (method, path, owed), body)) = next else { return answers };
                answers.push((number, client.send(method, &path, Some(&body), owed).await));
            }
        }));
    }
    let mut answers = vec![Value::Null; count];
    for sender in senders {
        for (number, answer) in sender.await.expect("answers") {
            answers[number] = answer;
        }
    }
    (answers, started.elapsed())
}
