//! Lists of the admin API: filters, pages, and what each caller sees.

use serde_json::{Value, json};

use crate::admin::world::{Caller, JSON, World};
use crate::support::Root;

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["id"].as_str().expect("an id")).collect()
}

async fn finds(caller: &mut Caller, path: &str) -> Vec<String> {
    let page = caller.shows(&format!("/v1/admin/{path}")).await;
    ids(&page).into_iter().map(|id| id.split('@').next().unwrap_or(id).to_owned()).collect()
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    for (path, found) in [
        ("users?role=Admin", "ana theo"),
        ("users?role=Manager&active=true", "joris mina priya"),
        ("users?active=false", "bo"),
        ("users?team=finance", "ana bo carla"),
        ("users?team=finance&role=Member&active=true", "carla"),
        ("users?team=Public&role=Admin", "ana theo"),
        ("users?contains=LARSEN", "bo"),
        ("users?contains=a%40example&role=Member", "carla greta"),
        ("users?contains=i%20TA", "emi"),
        ("users?contains=i+ta", "emi"),
        ("users?synced=true", ""),
        ("service-users", "nightly-scan provisioner"),
        ("service-users?team=warehouse", "nightly-scan"),
        ("teams?user=dev%40example.com", "Public analytics sales"),
        ("teams?service_user=nightly-scan&permission=write", "finance warehouse"),
        ("teams?permission=read&datastore=orders", "analytics"),
        ("teams?enrichment_datastore=ledger-quality", "finance"),
        ("datastores?contains=web", "web-events"),
        ("datastores?team=finance", "ledger payroll"),
        ("enrichment-datastores?team=sales", "customers-quality orders-quality"),
    ] {
        assert_eq!(finds(&mut ana, path).await.join(" "), found, "{path}");
    }
}

#[tokio::test]
async fn parameters_that_cannot_be_meant_are_refused() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    for (path, words) in [
        ("users?rol=Admin", "there is no parameter `rol` here"),
        ("users?role=admin", "must be `Admin` or `Manager` or `Member`"),
        ("users?active=yes", "must be `true` or `false`"),
        ("users?role=Admin&role=Member", "comes twice"),
        ("users?limit=0", "must be a whole number from 1 to 1000"),
        ("users?limit=1001", "must be a whole number"),
        ("users?limit=-1", "must be a whole number"),
        ("users?cursor=abc", "it is none of this list"),
        ("users?cursor=%00", "it is none of this list"),
        ("users?team=no-such", "there is no team `no-such`"),
        ("users?contains=%ff", "percent-encoded UTF-8"),
        ("users?dry_run=true", "there is no parameter `dry_run`"),
        ("service-users?synced=true", "there is no parameter `synced`"),
        ("teams?user=a&datastore=b", "only one of"),
        ("datastores?role=Admin", "there is no parameter `role`"),
        ("users/ana@example.com?role=Admin", "there is no parameter `role`"),
    ] {
        let answer = ana.get(&format!("/v1/admin/{path}")).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        let told = answer.json();
        assert!(
            told["detail"].as_str().is_some_and(|detail| detail.contains(words)),
            "{path}: {told}"
        );
        assert_eq!(told["type"], "urn:gatepost:problem:request", "{path}");
    }
}

/// A root with many service users, and one that comes and goes.
fn many(count: usize) -> Root {
    let root = Root::bundled();
    let users: serde_json::Map<String, Value> = (0..count)
        .map(|number| (format!("robot-{number:05}"), json!({ "role": "Member" })))
        .collect();
    root.write("entities/robots.json", &json!({ "service_users": users }).to_string());
    root
}

#[tokio::test]
async fn pages_show_each_entry_once_while_others_come_and_go() {
    let world = World::on(many(500)).await;
    let mut ana = world.caller("ana").await;
    let mut seen = Vec::new();
    let mut path = "/v1/admin/service-users?limit=7&contains=robot".to_owned();
    for round in 0.. {
        let page = ana.shows(&path).await;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        assert!(ids(&page).len() <= 7);
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        assert_eq!(ids(&page).len(), 7);
        path = format!("/v1/admin/service-users?limit=7&contains=robot&cursor={cursor}");
        if round % 20 == 0 {
            // One behind and one in front of where the reader is.
            for id in [format!("robot-0-{round}"), format!("robot-99999-{round}")] {
                let made = ana
                    .send("POST", "/v1/admin/service-users", &[JSON], &json!({ "id": id }).to_string())
                    .await;
                assert_eq!(made.status, 201, "{}", made.text());
            }
        }
    }
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(seen, sorted, "not once, or not in order");
    let there = |number: usize| seen.binary_search(&format!("robot-{number:05}")).is_ok();
    assert!((0..500).all(there));
    let behind = seen.iter().filter(|id| id.starts_with("robot-0-")).count();
    // The first page ends behind `robot-0-…`, so only what is in front of the reader is found.
    assert_eq!(behind, 0);
    assert!(seen.iter().any(|id| id.starts_with("robot-99999-")));
}

#[tokio::test]
async fn a_cursor_goes_on_in_its_own_list_only() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    let page = ana.shows("/v1/admin/users?limit=2&role=Member").await;
    let cursor = page["next_cursor"].as_str().expect("there is more");
    for (query, status) in [
        (format!("users?limit=5&role=Member&cursor={cursor}"), 200),
        (format!("users?role=Manager&cursor={cursor}"), 400),
        (format!("users?cursor={cursor}"), 400),
        (format!("service-users?role=Member&cursor={cursor}"), 400),
    ] {
        let answer = ana.get(&format!("/v1/admin/{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_list_holds_what_its_caller_may_see() {
    let world = World::new().await;
    let (mut ana, mut carla) = (world.caller("ana").await, world.caller("carla").await);
    assert_eq!(finds(&mut ana, "datastores").await.len(), 10);
    assert_eq!(finds(&mut carla, "datastores").await, ["holidays", "ledger", "payroll"]);
    assert_eq!(finds(&mut carla, "datastores?contains=customer").await, Vec::<String>::new());
    for kind in ["users", "service-users", "teams"] {
        assert_eq!(finds(&mut carla, kind).await, Vec::<String>::new(), "{kind}");
        assert!(!finds(&mut ana, kind).await.is_empty(), "{kind}");
    }
    // With a policy that lets them, Managers see accounts: nothing but the policies decides.
    world.root.write(
        "policies/zz.cedar",
        "permit (principal, action == Action::\"viewAccount\", resource is User) when { principal.role == \"Manager\" };",
    );
    world.sidecar.generation(2).await;
    let mut mina = world.caller("mina").await;
    assert_eq!(finds(&mut mina, "users?role=Admin").await, ["ana", "theo"]);
    assert_eq!(finds(&mut mina, "service-users").await, Vec::<String>::new());
    assert_eq!(mina.get("/v1/admin/users/ana@example.com").await.status, 200);
}
