//! Names of users: whose they are, whose they were, and what a change of one hands on.

use std::time::{Duration, Instant};

use gatepost::callers::Scope;
use serde_json::{Value, json};

use super::rights::{admin, is_admin};
use super::sync::Sync;
use crate::admin::world::token;

fn named(name: &str) -> Value {
    json!([{"op": "replace", "path": "userName", "value": name}])
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_hands_no_role_on() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (lee, mallory) = ("lee@example.com", "mallory@evil.example");
    let path = format!("/Users/{}", provider.user(lee).await);
    for role in ["Admin", "Manager"] {
        admin(&sync, "PATCH", &format!("users/{lee}"), &json!({"role": role}), 200).await;
        let before = sync.entities();
        assert_eq!(provider.patch(&path, named(mallory)).await, 409, "{role}");
        let whole = json!({"userName": mallory, "displayName": "Mallory"});
        let told = provider.ask("PUT", &path, &whole, 409).await;
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("R27")), "{told}");
        assert_eq!(sync.entities(), before);
        assert!(!is_admin(&sync, mallory).await && !sync.logs_in(mallory).await);
        // Whatever is not the name goes on.
        let shown = json!([{"op": "replace", "path": "displayName", "value": format!("Lee the {role}")}]);
        assert_eq!(provider.patch(&path, shown).await, 200);
    }
    admin(&sync, "PATCH", &format!("users/{lee}"), &json!({"role": "Member"}), 200).await;
    assert_eq!(provider.patch(&path, named(mallory)).await, 200);
    assert!(sync.logs_in(mallory).await && !sync.logs_in(lee).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_may_take_its_own_name_back() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let path = format!("/Users/{}", provider.user("rosa@example.com").await);
    for name in [
        "rosa.m@example.com",
        "rosa@example.com",
        "Rosa@example.com",
        "rosa@example.com",
        "rosa.m@example.com",
    ] {
        assert_eq!(provider.patch(&path, named(name)).await, 200, "{name}");
        assert!(sync.logs_in(name).await, "{name}");
    }
    // The name and the end of it in one request.
    let gone = json!({"userName": "rosa@example.com", "active": false});
    provider.ask("PUT", &path, &gone, 200).await;
    for name in ["rosa@example.com", "rosa.m@example.com", "Rosa@example.com"] {
        assert!(!sync.logs_in(name).await, "{name}");
    }
    // To everybody else it is somebody's.
    let taken = provider.ask("POST", "/Users", &json!({"userName": "rosa.m@example.com"}), 409).await;
    assert_eq!(taken["scimType"], "uniqueness");
    assert!(
        taken["detail"].as_str().is_some_and(|detail| detail.contains("retired-users")),
        "{taken}"
    );
    let other = format!("/Users/{}", provider.user("other@example.com").await);
    assert_eq!(provider.patch(&other, named("ROSA.M@example.com")).await, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_comes_back_with_its_external_id_alone() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let person = |external: Option<&str>| match external {
        Some(external) => json!({"userName": "test@example.com", "externalId": external}),
        None => json!({"userName": "test@example.com"}),
    };
    // As JumpCloud tests a connection, and as anybody is taken out of the scope and put into it again.
    for _ in 0..3 {
        let made = provider.ask("POST", "/Users", &person(Some("one")), 201).await;
        assert!(sync.logs_in("test@example.com").await);
        let path = format!("/Users/{}", made["id"].as_str().expect("an id"));
        provider.ask("DELETE", &path, &Value::Null, 204).await;
        assert!(!sync.logs_in("test@example.com").await);
    }
    let path = format!("/Users/{}", provider.user("thief@example.com").await);
    provider.ask("PUT", &path, &person(Some("one")), 409).await;
    for other in [Some("two"), None] {
        let told = provider.ask("POST", "/Users", &person(other), 409).await;
        assert_eq!(told["scimType"], "uniqueness", "{other:?}");
    }
    let old = format!("/Users/{}", provider.user("Old@example.com").await);
    provider.ask("DELETE", &old, &Value::Null, 204).await;
    let page = admin(&sync, "GET", "retired-users?limit=1", &Value::Null, 200).await;
    assert_eq!(page["items"][0]["id"], "Old@example.com");
    let next = format!("retired-users?limit=1&cursor={}", page["next_cursor"].as_str().expect("more"));
    let page = admin(&sync, "GET", &next, &Value::Null, 200).await;
    assert_eq!(page["items"][0]["scim"]["externalId"], "one");
    assert_eq!(
        (&page["items"][0]["id"], &page["next_cursor"]),
        (&json!("test@example.com"), &Value::Null)
    );
    admin(&sync, "DELETE", "retired-users/test@example.com", &Value::Null, 204).await;
    let made = provider.ask("POST", "/Users", &person(None), 201).await;
    let path = format!("/Users/{}", made["id"].as_str().expect("an id"));
    provider.ask("DELETE", &path, &Value::Null, 204).await;
    // Nothing says that it is the same person.
    provider.ask("POST", "/Users", &person(None), 409).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_external_id_opens_a_retired_name_to_an_account_that_is_there() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    for (held, taken) in [("", ""), ("  ", "  "), ("dup", "dup"), ("first", "")] {
        let person = |name: &str, external: &str| json!({"userName": name, "externalId": external});
        let made = provider.ask("POST", "/Users", &person("lena@example.com", held), 201).await;
        let other = provider.ask("POST", "/Users", &person("max@example.com", taken), 201).await;
        let path = |made: &Value| format!("/Users/{}", made["id"].as_str().expect("an id"));
        let (gone, other) = (path(&made), path(&other));
        provider.ask("DELETE", &gone, &Value::Null, 204).await;
        assert_eq!(provider.patch(&other, named("lena@example.com")).await, 409, "{held:?}");
        // Nor in two steps, of which the first makes it look like the one who has gone.
        let renumbered = json!([{"op": "replace", "path": "externalId", "value": held}]);
        assert_eq!(provider.patch(&other, renumbered).await, 200);
        assert_eq!(provider.patch(&other, named("lena@example.com")).await, 409, "{held:?}");
        provider.ask("PUT", &other, &person("lena@example.com", held), 409).await;
        // Nor to another new account, as long as this one has it, or where it says nothing.
        provider.ask("POST", "/Users", &person("lena@example.com", held), 409).await;
        assert!(!sync.logs_in("lena@example.com").await);
        provider.ask("DELETE", &other, &Value::Null, 204).await;
        for name in ["lena@example.com", "max@example.com"] {
            admin(&sync, "DELETE", &format!("retired-users/{name}"), &Value::Null, 204).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_called_something_else_now_and_lives_keeps_the_name_from_others() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let person = json!({"userName": "lena@example.com", "externalId": "one"});
    let made = provider.ask("POST", "/Users", &person, 201).await;
    let path = format!("/Users/{}", made["id"].as_str().expect("an id"));
    let moved = json!([{"op": "replace", "value": {"userName": "lena.m@example.com", "externalId": "two"}}]);
    assert_eq!(provider.patch(&path, moved).await, 200);
    provider.ask("POST", "/Users", &person, 409).await;
    // Once she has gone, whoever comes as she once was is taken for her.
    provider.ask("DELETE", &path, &Value::Null, 204).await;
    provider.ask("POST", "/Users", &person, 201).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_back_brings_its_tokens_back_and_no_other_does() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (lena, max) = (provider.user("lena@example.com").await, provider.user("max@example.com").await);
    let (lena, max) = (format!("/Users/{lena}"), format!("/Users/{max}"));
    token(sync.root.path(), "hers", ("User", "lena@example.com"), &[Scope::Decide]);
    assert_eq!(provider.patch(&lena, named("lena.m@example.com")).await, 200);
    assert_eq!(provider.patch(&max, named("lena@example.com")).await, 409);
    assert_eq!(provider.patch(&lena, named("lena@example.com")).await, 200);
    // A token for a name that was never hers is somebody's whom nobody knows.
    token(sync.root.path(), "future", ("User", "lena.new@example.com"), &[Scope::Decide]);
    assert_eq!(provider.patch(&lena, named("lena.new@example.com")).await, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_user_has_a_twin_whoever_made_the_first() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    for twin in [
        "ANA@example.com",
        "ana@EXAMPLE.com",
        "\u{ff41}na@example.com",
        "ana@example.com",
    ] {
        let told = provider.ask("POST", "/Users", &json!({"userName": twin}), 409).await;
        assert_eq!(told["scimType"], "uniqueness", "{twin}");
        let path = format!("/Users/{}", provider.user("else@example.com").await);
        assert_eq!(provider.patch(&path, named(twin)).await, 409, "{twin}");
        provider.ask("DELETE", &path, &Value::Null, 204).await;
        admin(&sync, "DELETE", "retired-users/else@example.com", &Value::Null, 204).await;
    }
    // What was refused is on record: both times, and for each.
    let trail = std::fs::read_to_string(sync.root.path().join("audit/directory.jsonl")).expect("a trail");
    let lines = trail.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    let refused = lines.filter(|line| line["outcome"] == "refused");
    assert_eq!(refused.count(), 8);
    // Of its own name it may change the case.
    let path = format!("/Users/{}", provider.user("Case@example.com").await);
    assert_eq!(provider.patch(&path, named("case@example.com")).await, 200);
    provider.ask("POST", "/Users", &json!({"userName": "CASE@example.com"}), 409).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_named_in_another_way_than_it_should_changes_nothing() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let path = format!("/Users/{}", provider.user("kim@example.com").await);
    let shown = json!({"Operations": [{"op": "replace", "path": "displayName", "value": "Kim"}]}).to_string();
    let tag = provider.get(&path).await["meta"]["version"].as_str().expect("a version").to_owned();
    let before = sync.entities();
    let bare = tag.trim_start_matches("W/").trim_matches('"').to_owned();
    for (sent, status) in [
        (bare.as_str(), 400),
        ("", 400),
        ("\"abc", 400),
        ("W/\"abc\"", 412),
        ("\"abc\", \"def\"", 412),
    ] {
        let answer = provider.send_with("PATCH", &path, &[("if-match", sent)], &shown).await;
        assert_eq!(answer.status, status, "{sent}");
        let answer = provider.send_with("DELETE", &path, &[("if-match", sent)], "").await;
        assert_eq!(answer.status, status, "{sent}");
    }
    assert_eq!(sync.entities(), before);
    let list = format!("\"abc\", {tag}");
    assert_eq!(
        provider.send_with("PATCH", &path, &[("if-match", &list)], &shown).await.status,
        200
    );
    // Nothing to change is no reason to pass over what the caller expects.
    assert_eq!(
        provider.send_with("PATCH", &path, &[("if-match", &tag)], &shown).await.status,
        412
    );
    assert_eq!(provider.send_with("DELETE", &path, &[("if-match", "*")], "").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_core_schema_may_be_named_like_an_extension() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    let made = json!({(core): {"userName": "kim@example.com", "displayName": "Kim"}});
    let path = format!(
        "/Users/{}",
        provider.ask("POST", "/Users", &made, 201).await["id"].as_str().expect("an id")
    );
    for off in [
        json!({"op": "replace", "value": {(core): {"active": false}}}),
        json!({"op": "Replace", "path": core, "value": {"active": false}}),
        json!({"op": "add", "value": {(core.to_uppercase()): {"active": "False"}}}),
    ] {
        assert_eq!(provider.patch(&path, json!([off])).await, 200, "{off}");
        assert!(!sync.logs_in("kim@example.com").await, "{off}");
        let on = json!([{"op": "replace", "path": "active", "value": true}]);
        assert_eq!(provider.patch(&path, on).await, 200);
        assert!(sync.logs_in("kim@example.com").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_edited_is_told_with_its_place() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let path = format!("/Users/{}", provider.user("lina@example.com").await);
    let teams = sync.root.read("entities/teams.yaml");
    let anchored = teams.replace("users: [mina@example.com, dev@example.com]", "users: &all [lina@example.com]");
    assert_ne!(teams, anchored);
    sync.root.write("entities/teams.yaml", &anchored);
    let begun = Instant::now();
    while admin(&sync, "GET", "teams/sales", &Value::Null, 200).await["users"] != json!(["lina@example.com"]) {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute");
    }
    let answer = provider.send("DELETE", &path, "").await;
    assert_eq!(answer.status, 409);
    assert!(answer.header("retry-after").is_none());
    let told: Value = answer.json();
    assert!(
        told["detail"].as_str().is_some_and(|detail| detail.contains("entities/teams.yaml:")),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_keeps_its_id_until_what_it_is_made_of_changes() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    // Made while another attribute was the id.
    let uuid = "0b0e4fe4-5a0e-4a7e-9d0c-0d4c7f0a1b2c";
    let entry = json!({"users": {"00u1": {"role": "Member", "scim": {"id": uuid, "userName": "lee@example.com", "externalId": "00u1",
        "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z"}}}});
    sync.root.write("entities/early.json", &entry.to_string());
    let path = format!("/Users/{uuid}");
    let begun = Instant::now();
    while provider.send("GET", &path, "").await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute");
    }
    assert!(sync.logs_in("00u1").await);
    let shown = json!([{"op": "replace", "path": "displayName", "value": "Lee"}]);
    assert_eq!(provider.patch(&path, shown).await, 200);
    assert!(sync.logs_in("00u1").await && !sync.logs_in("lee@example.com").await);
    assert_eq!(provider.patch(&path, named("lee.m@example.com")).await, 200);
    assert!(!sync.logs_in("00u1").await && sync.logs_in("lee.m@example.com").await);
}
