//! Many who change things at once: nothing is lost, nothing is doubled, and of those who change the same one wins.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::task::JoinSet;

use crate::admin::world::{MERGE_PATCH, World};
use crate::support::Root;

fn ids(names: &serde_json::Value) -> BTreeSet<String> {
    let names = names.as_array().expect("a list");
    let set: BTreeSet<String> = names.iter().map(|name| name.as_str().expect("an id").to_owned()).collect();
    assert_eq!(set.len(), names.len(), "something is doubled");
    set
}

/// So many service users, `robot-000` and on.
fn with_robots(count: usize) -> Root {
    let root = Root::bundled();
    let robots: serde_json::Map<String, serde_json::Value> =
        (0..count).map(|number| (robot(number), json!({ "role": "Member" }))).collect();
    root.write("entities/robots.json", &json!({ "service_users": robots }).to_string());
    root
}

fn robot(number: usize) -> String {
    format!("robot-{number:03}")
}

#[tokio::test]
async fn fifty_at_once_on_one_team_lose_nothing() {
    let world = World::on(with_robots(50)).await;
    let mut all = JoinSet::new();
    for number in 0..50 {
        let mut caller = world.caller(["ana", "theo", "provisioner"][number % 3]).await;
        all.spawn(async move {
            let path = format!("/v1/admin/teams/sales/service-users/{}", robot(number));
            // Every fifth comes, goes and comes again.
            let methods: &[&str] = if number % 5 == 0 {
                &["PUT", "DELETE", "PUT"]
            } else {
                &["PUT"]
            };
            for method in methods {
                let answer = caller.does(method, &path, "").await;
                assert_eq!(answer.status, 204, "{method} {path}: {}", answer.text());
            }
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.expect("a caller");
    }
    let mut ana = world.caller("ana").await;
    let team = ana.shows("/v1/admin/teams/sales").await;
    assert_eq!(ids(&team["service_users"]), (0..50).map(robot).collect());
    assert_eq!(team["member_count"], 52);
    assert_eq!(team["users"], json!(["dev@example.com", "mina@example.com"]));
    for number in [0, 1, 49] {
        assert!(world.may(("serviceuser", &robot(number)), "runOperation", ("datastore", "orders")).await);
    }
}

#[tokio::test]
async fn two_hundred_at_once_on_the_directory_lose_and_double_nothing() {
    let world = World::new().await;
    let mut all = JoinSet::new();
    for number in 0..200 {
        let mut caller = world.caller("ana").await;
        all.spawn(async move {
            // Each is asked for by two, and made by one of them.
            let body = json!({ "id": robot(number / 2), "teams": ["sales"] }).to_string();
            let answer = caller.does("POST", "/v1/admin/service-users", &body).await;
            answer.status.as_u16()
        });
    }
    let (mut made, mut refused) = (0, 0);
    while let Some(status) = all.join_next().await {
        match status.expect("a caller") {
            201 => made += 1,
            409 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((made, refused), (100, 100));
    let mut ana = world.caller("ana").await;
    let page = ana.shows("/v1/admin/service-users?contains=robot&limit=1000").await;
    let found: Vec<&str> = page["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|one| one["id"].as_str())
        .collect();
    assert_eq!(found, (0..100).map(robot).collect::<Vec<_>>());
    let team = ana.shows("/v1/admin/teams/sales").await;
    assert_eq!(ids(&team["service_users"]), (0..100).map(robot).collect());
    assert!(world.may(("serviceuser", "robot-099"), "runOperation", ("datastore", "orders")).await);
    // The files say what is live.
    let copy = Root::empty();
    let from = world.root.path().join("entities");
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(from)
        .arg(copy.path())
        .status()
        .expect("cp");
    assert!(copied.success());
    for (name, content) in gatepost::app::MODEL.iter().filter(|(name, _)| !name.starts_with("entities/")) {
        copy.write(name, content);
    }
    let again = World::on(copy).await;
    let mut ana = again.caller("ana").await;
    assert_eq!(ana.shows("/v1/admin/teams/sales").await, team);
}

#[tokio::test]
async fn of_those_who_change_the_same_state_exactly_one_wins() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    for round in 0..5 {
        let etag = ana.get("/v1/admin/teams/sales").await.header("etag").expect("a tag").to_owned();
        let mut all = JoinSet::new();
        for number in 0..20 {
            let (mut caller, etag) = (world.caller("ana").await, etag.clone());
            all.spawn(async move {
                let body = json!({ "description": format!("{round}-{number}") }).to_string();
                let headers = [MERGE_PATCH, ("if-match", etag.as_str())];
                let answer = caller.send("PATCH", "/v1/admin/teams/sales", &headers, &body).await;
                (number, answer)
            });
        }
        let mut won = Vec::new();
        while let Some(answered) = all.join_next().await {
            let (number, answer) = answered.expect("a caller");
            match answer.status.as_u16() {
                200 => won.push((number, answer.header("etag").expect("a tag").to_owned())),
                412 => assert_eq!(answer.json()["type"], "urn:gatepost:problem:stale"),
                other => panic!("{other}: {}", answer.text()),
            }
        }
        assert_eq!(won.len(), 1, "{won:?}");
        let team = ana.shows("/v1/admin/teams/sales").await;
        assert_eq!(team["description"], format!("{round}-{}", won[0].0));
        assert_eq!(format!("\"{}\"", team["etag"].as_str().expect("a tag")), won[0].1);
    }
}
