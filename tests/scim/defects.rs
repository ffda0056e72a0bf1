//! What other servers got wrong: each as a test of ours, with the decision asked afterwards where there is one.

use serde_json::{Value, json};

use super::sync::{GROUP, Provider, Sync, USER};
use crate::support::rounds;

fn query(filter: &str) -> String {
    filter.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_deactivation_turns_the_decision() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let user = format!("/Users/{}", provider.user("a@example.com").await);
    for op in ["replace", "Replace"] {
        for off in [json!(false), json!("False"), json!("false"), json!("FALSE")] {
            for operation in [
                json!({"op": op, "path": "active", "value": off}),
                json!({"op": op, "value": {"active": off}}),
            ] {
                assert_eq!(provider.patch(&user, json!([operation])).await, 200);
                assert!(!sync.logs_in("a@example.com").await, "{operation}");
                assert_eq!(
                    provider.patch(&user, json!([{"op": "add", "path": "active", "value": true}])).await,
                    200
                );
                assert!(sync.logs_in("a@example.com").await, "{operation}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_removed_is_out_each_time() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (a, b) = (provider.user("a@example.com").await, provider.user("b@example.com").await);
    let id = provider.group("Engineering", &[&a, &b]).await;
    sync.let_engineer(&id).await;
    let group = format!("/Groups/{id}");
    for _ in 0..rounds(100) {
        let remove = json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}]);
        assert_eq!(provider.patch(&group, remove).await, 204);
        assert!(!sync.is_engineer("a@example.com").await && sync.is_engineer("b@example.com").await);
        assert_eq!(
            provider
                .patch(&group, json!([{"op": "add", "path": "members", "value": [{"value": a}]}]))
                .await,
            204
        );
        assert!(sync.is_engineer("a@example.com").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reactivation_gives_back_what_deactivation_took() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let id = provider.user("a@example.com").await;
    let group = provider.group("Engineering", &[&id]).await;
    sync.let_engineer(&group).await;
    let path = format!("/Users/{id}");
    assert!(sync.is_engineer("a@example.com").await);
    assert_eq!(
        provider.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await,
        200
    );
    assert!(!sync.is_engineer("a@example.com").await && !sync.logs_in("a@example.com").await);
    assert_eq!(provider.members(&group).await, std::slice::from_ref(&id));
    assert_eq!(
        provider.patch(&path, json!([{"op": "replace", "value": {"active": true}}])).await,
        200
    );
    assert!(sync.is_engineer("a@example.com").await && sync.logs_in("a@example.com").await);
    // Who says nothing of `active`, or takes it away, neither deactivates nor reactivates.
    assert_eq!(
        provider.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await,
        200
    );
    let whole = json!({"userName": "a@example.com"});
    assert_eq!(provider.ask("PUT", &path, &whole, 200).await["active"], false);
    assert_eq!(provider.patch(&path, json!([{"op": "remove", "path": "active"}])).await, 200);
    assert_eq!(provider.get(&path).await.get("active"), None);
    assert!(!sync.logs_in("a@example.com").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_method_does_what_it_says_or_is_refused() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (user, group) = (provider.user("a@example.com").await, provider.group("g", &[]).await);
    let cases = [
        ("HEAD", "/Users".to_owned(), 200),
        ("PUT", "/Users".to_owned(), 405),
        ("PATCH", "/Users".to_owned(), 405),
        ("DELETE", "/Users".to_owned(), 405),
        ("HEAD", format!("/Users/{user}"), 200),
        ("POST", format!("/Users/{user}"), 405),
        ("POST", format!("/Groups/{group}"), 405),
        ("OPTIONS", "/Groups".to_owned(), 405),
        ("GET", format!("/Groups/{user}"), 404),
        ("GET", format!("/Users/{group}"), 404),
        ("GET", format!("/Users/{user}/groups"), 404),
        ("GET", "/Users/.search".to_owned(), 405),
        ("GET", "/Me".to_owned(), 501),
        ("POST", "/Bulk".to_owned(), 501),
        ("POST", "/.search".to_owned(), 501),
        ("GET", "/ServiceProviderConfig".to_owned(), 200),
        ("POST", "/ServiceProviderConfig".to_owned(), 405),
        ("GET", "/ServiceProviderConfig?filter=x%20pr".to_owned(), 403),
        ("GET", "/ResourceTypes".to_owned(), 200),
        ("GET", "/ResourceTypes/User".to_owned(), 200),
        ("GET", "/ResourceTypes/Shoe".to_owned(), 404),
        ("GET", "/Schemas".to_owned(), 200),
        ("GET", format!("/Schemas/{USER}"), 200),
        ("GET", "/Schemas/urn:example".to_owned(), 404),
        ("GET", format!("/Schemas/{}", USER.replace(':', "%3A")), 200),
        ("GET", format!("/Schemas/{}", USER.replace(':', "%3a")), 200),
        ("GET", "/ResourceTypes/%55ser".to_owned(), 200),
        ("GET", "/%53chemas".to_owned(), 200),
        ("GET", format!("/Users/{}", query(&user)), 200),
        ("GET", format!("/Groups/{}", query(&group)), 200),
        ("GET", "/Schemas/%ff".to_owned(), 404),
        ("GET", "/Schemas/%zz".to_owned(), 404),
        // A slash that is part of a name parts nothing.
        ("GET", "/ResourceTypes%2FUser".to_owned(), 404),
        ("GET", "/nothing".to_owned(), 404),
        ("GET", String::new(), 404),
    ];
    for (method, path, status) in cases {
        let answer = provider.send(method, &path, "").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}");
    }
    for body in [
        "",
        "{",
        "[]",
        "{\"userName\":\"x\",\"userName\":\"y\"}",
        "{\"userName\":\"\\ud800\"}",
    ] {
        let answer = provider.send_with("POST", "/Users", &[("content-type", "application/json")], body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    for (content_type, status) in [
        ("text/plain", 415),
        ("", 415),
        ("application/scim+jsonp", 415),
        ("application/json", 201),
        ("Application/SCIM+JSON ; charset=utf-8", 201),
    ] {
        let user = json!({"userName": format!("{content_type}@example.com")}).to_string();
        let answer = provider.send_with("POST", "/Users", &[("content-type", content_type)], &user).await;
        assert_eq!(answer.status, status, "{content_type}: {}", answer.text());
    }
    let searched = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "userName sw \"A@\"", "attributes": ["userName"], "startIndex": 1, "count": 5});
    let list = provider.ask("POST", "/Users/.search", &searched, 200).await;
    assert_eq!(
        (&list["totalResults"], &list["Resources"][0]["userName"]),
        (&json!(1), &json!("a@example.com"))
    );
    assert_eq!(list["Resources"][0].get("active"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_scim_did_not_make_is_not_there_for_it() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    // People may call what they write as SCIM calls its own, and put somebody of SCIM's into a team of theirs.
    let [user, job, team] = ["1", "2", "3"].map(|last| format!("01985b1e-7a30-7000-8000-00000000000{last}"));
    let member = provider.user("member@example.com").await;
    let seen = sync.sidecar.current();
    let by_hand = format!(
        "users: {{ {user}: {{ role: Member }} }}\nservice_users: {{ {job}: {{ role: Member }} }}\nteams:\n  {team}: {{ name: By hand, permission: read, users: [member@example.com, {user}], datastores: [payroll] }}\n"
    );
    sync.root.write("entities/by-hand.yaml", &by_hand);
    sync.sidecar.running.reload();
    sync.sidecar.generation(seen + 1).await;
    let before = sync.entities();
    assert!(sync.logs_in(&user).await && sync.is_engineer("member@example.com").await);
    for (kind, total) in [("Users", 1), ("Groups", 0)] {
        assert_eq!(provider.get(&format!("/{kind}")).await["totalResults"], total);
    }
    assert_eq!(provider.get(&format!("/Users/{member}")).await.get("groups"), None);
    let active = json!({"Operations": [{"op": "replace", "value": {"active": false}}]});
    let users = ["ana@example.com", "nightly-scan", "directory-sync", &user, &job, &team];
    let users = users.map(|id| format!("/Users/{id}"));
    for path in users
        .into_iter()
        .chain(["Public", "finance", &team, &user].map(|id| format!("/Groups/{id}")))
    {
        provider.ask("GET", &path, &Value::Null, 404).await;
        provider.ask("PATCH", &path, &active, 404).await;
        provider.ask("PUT", &path, &json!({"userName": "x", "displayName": "x"}), 404).await;
        provider.ask("DELETE", &path, &Value::Null, 404).await;
    }
    for (kind, filter) in [
        ("Users", "userName eq \"ana@example.com\"".to_owned()),
        ("Users", format!("id eq \"{user}\"")),
        (
            "Users",
            format!("userName co \"{}\" or displayName co \"ana\" or externalId pr", &user[..8]),
        ),
        ("Users", "groups pr".to_owned()),
        ("Groups", format!("id eq \"{team}\"")),
        ("Groups", "displayName eq \"By hand\"".to_owned()),
        ("Groups", format!("members eq \"{member}\"")),
    ] {
        let list = provider.get(&format!("/{kind}?filter={}", query(&filter))).await;
        assert_eq!(list["totalResults"], 0, "{filter}");
    }
    assert_eq!(sync.entities(), before);
    // Their names are taken, and so is the name of the team that everyone is in.
    provider.ask("POST", "/Users", &json!({"userName": "ana@example.com"}), 409).await;
    for name in ["Public", "public"] {
        provider.ask("POST", "/Groups", &json!({"displayName": name}), 409).await;
    }
    for member in ["ana@example.com", "nightly-scan", &user, &job, &team] {
        let group = json!({"displayName": "g", "members": [{"value": member}]});
        assert_eq!(provider.ask("POST", "/Groups", &group, 400).await["scimType"], "invalidValue");
    }
    assert_eq!(sync.entities(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_groups_name_grants_nothing() {
    let named = |name: &str| {
        format!(
            "permit (principal in Team::\"{name}\", action == Action::\"viewDatastore\", resource == Datastore::\"payroll\");"
        )
    };
    let sync = Sync::start().await;
    let seen = sync.sidecar.current();
    sync.root.write("policies/auditors.cedar", &named("Payroll auditors"));
    sync.sidecar.running.reload();
    sync.sidecar.generation(seen + 1).await;
    let provider = &mut sync.provider().await;
    let eve = provider.user("eve@example.com").await;
    let group = provider.group("Payroll auditors", &[&eve]).await;
    assert_eq!(provider.members(&group).await, std::slice::from_ref(&eve));
    assert!(!sync.is_engineer("eve@example.com").await);
    // What is said of a group's own id is said of it, and of no later group of that name.
    let seen = sync.sidecar.current();
    sync.root.write("policies/auditors.cedar", &named(&group));
    sync.sidecar.running.reload();
    sync.sidecar.generation(seen + 1).await;
    assert!(sync.is_engineer("eve@example.com").await);
    provider.ask("DELETE", &format!("/Groups/{group}"), &Value::Null, 204).await;
    let again = provider.group("Payroll auditors", &[&eve]).await;
    assert_ne!(again, group);
    assert_eq!(provider.members(&again).await, [eve]);
    assert!(!sync.is_engineer("eve@example.com").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_ours_and_stays() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let first = provider.user("a@example.com").await;
    let body = json!({"userName": "b@example.com", "id": first, "meta": {"location": "http://x"}, "schemas": [USER]});
    let second = provider.ask("POST", "/Users", &body, 201).await;
    assert_ne!(second["id"], json!(first));
    let path = format!("/Users/{first}");
    let before = provider.get(&path).await;
    for (operation, status) in [
        (json!({"op": "replace", "path": "id", "value": "x"}), 400),
        (
            json!({"op": "replace", "path": "meta.created", "value": "2020-01-01T00:00:00Z"}),
            400,
        ),
        (json!({"op": "add", "path": "groups", "value": [{"value": "x"}]}), 400),
        (json!({"op": "remove", "path": "schemas"}), 400),
        (
            json!({"op": "replace", "value": {"id": "x", "meta": {"created": "x"}, "groups": [{"value": "x"}], "schemas": []}}),
            200,
        ),
        (
            json!({"op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:id": "x", "meta.created": "x"}}),
            200,
        ),
    ] {
        assert_eq!(provider.patch(&path, json!([operation])).await, status, "{operation}");
        assert_eq!(provider.get(&path).await, before, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_is_done_as_a_whole_or_not_at_all() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let id = provider.user("a@example.com").await;
    let group = provider.group("Engineering", &[]).await;
    sync.let_engineer(&group).await;
    let before = (
        provider.get(&format!("/Users/{id}")).await,
        provider.get(&format!("/Groups/{group}")).await,
    );
    for bad in [
        json!({"op": "replace", "path": "shoe", "value": 9}),
        json!({"op": "replace", "path": "active", "value": "maybe"}),
        json!({"op": "remove"}),
        json!({"op": "replace", "path": "displayName", "value": {"a": 1}}),
    ] {
        let good = json!({"op": "replace", "value": {"displayName": "New", "active": false}});
        assert_eq!(
            provider.patch(&format!("/Users/{id}"), json!([good, good, bad])).await,
            400,
            "{bad}"
        );
        let good = json!({"op": "add", "path": "members", "value": [{"value": id}]});
        assert_eq!(
            provider.patch(&format!("/Groups/{group}"), json!([good, bad])).await,
            400,
            "{bad}"
        );
    }
    // Somebody unknown is refused, whatever comes behind.
    let unknown = json!({"op": "add", "path": "members", "value": [{"value": id}, {"value": "nobody"}]});
    for behind in [
        json!({"op": "remove", "path": "members"}),
        json!({"op": "replace", "path": "members", "value": [{"value": id}]}),
        json!({"op": "remove", "path": "members[value eq \"nobody\"]"}),
        json!({"op": "remove", "path": "members", "value": [{"value": "nobody"}]}),
        json!({"op": "replace", "value": {"displayName": "New"}}),
    ] {
        assert_eq!(
            provider.patch(&format!("/Groups/{group}"), json!([unknown, behind])).await,
            400,
            "{behind}"
        );
    }
    let after = (
        provider.get(&format!("/Users/{id}")).await,
        provider.get(&format!("/Groups/{group}")).await,
    );
    assert_eq!(after, before);
    assert!(sync.logs_in("a@example.com").await && !sync.is_engineer("a@example.com").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_is_none_shows_nobody() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    provider.user("a@example.com").await;
    for filter in [
        "",
        "userName",
        "shoe eq \"1\"",
        "userName eq \"x\" or",
        "userName eq x",
        "password eq \"x\"",
        "1 eq 1",
    ] {
        let answer = provider.send("GET", &format!("/Users?filter={}", query(filter)), "").await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["scimType"]),
            (400, &json!("invalidFilter")),
            "{filter}"
        );
    }
    for filter in [
        "userName eq \"x\\\" or userName pr or \\\"\"",
        "userName eq \"%\"",
        "userName eq \"\\u0000\"",
    ] {
        assert_eq!(
            provider.get(&format!("/Users?filter={}", query(filter))).await["totalResults"],
            0,
            "{filter}"
        );
    }
    for query in [
        "filter=%zz",
        "filter=%ff",
        "startIndex=x",
        "count=1.5",
        "attributes=id&excludedAttributes=id",
    ] {
        assert_eq!(
            provider.send("GET", &format!("/Users?{query}"), "").await.status,
            400,
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_are_refused_however_many_come_at_once() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    for (one, other) in [
        ("Bob@x", "bob@X"),
        ("straße", "STRASSE"),
        ("e\u{301}", "\u{c9}"),
        ("İx", "i\u{307}x"),
    ] {
        provider.user(one).await;
        let twin = provider.ask("POST", "/Users", &json!({"userName": other}), 409).await;
        assert_eq!(twin["scimType"], "uniqueness", "{one} {other}");
    }
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let mut provider = sync.provider().await;
        let name = if number % 2 == 0 {
            "Twin@example.com"
        } else {
            "twin@example.com"
        };
        tasks.spawn(async move {
            provider
                .send("POST", "/Users", &json!({"userName": name}).to_string())
                .await
                .status
                .as_u16()
        });
    }
    let mut statuses: Vec<u16> = tasks.join_all().await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (201, &[409; 49][..]));
    let list = provider
        .get(&format!("/Users?filter={}", query("userName eq \"TWIN@example.com\"")))
        .await;
    assert_eq!(list["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teams_name_has_no_twin_however_it_comes() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let group = format!("/Groups/{}", provider.group("Straße", &[]).await);
    let other = format!("/Groups/{}", provider.group("Ops", &[]).await);
    let before = provider.get(&other).await;
    for (name, status, scim_type) in [
        // Those of teams that people wrote, by name and by key, and that of everyone's team.
        ("finance", 409, "uniqueness"),
        ("FINANCE", 409, "uniqueness"),
        ("\u{ff26}inance", 409, "uniqueness"),
        ("STRASSE", 409, "uniqueness"),
        ("public", 409, "uniqueness"),
        ("\u{ff30}ublic", 409, "uniqueness"),
        ("Public ", 400, "invalidValue"),
        ("Pub\u{200b}lic", 400, "invalidValue"),
        ("a\nb", 400, "invalidValue"),
        ("\u{202e}txet", 400, "invalidValue"),
        (&"x".repeat(256), 400, "invalidValue"),
    ] {
        let replace = json!({"Operations": [{"op": "replace", "path": "displayName", "value": name}]});
        let whole = json!({"displayName": name});
        for (method, path, body) in [
            ("POST", "/Groups", &whole),
            ("PATCH", &other, &replace),
            ("PUT", &other, &whole),
        ] {
            let refused = provider.ask(method, path, body, status).await;
            assert_eq!(refused["scimType"], scim_type, "{method} {name:?}: {refused}");
        }
        assert_eq!(provider.get(&other).await, before, "{name:?}");
    }
    // Its own it may write otherwise.
    provider.ask("PUT", &group, &json!({"displayName": "STRASSE"}), 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_of_what_is_changed_at_once() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let mut ids = Vec::new();
    for number in 0..50 {
        ids.push(provider.user(&format!("u{number}@example.com")).await);
    }
    let group = provider.group("Engineering", &[&ids[0], &ids[1], &ids[2]]).await;
    let user = provider.user("busy@example.com").await;
    let mut tasks = tokio::task::JoinSet::new();
    for (number, id) in ids.iter().enumerate() {
        let (mut provider, path) = (sync.provider().await, format!("/Groups/{group}"));
        let operation = match number {
            0..3 => json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")}),
            _ => json!({"op": "add", "path": "members", "value": [{"value": id}]}),
        };
        tasks.spawn(async move { (204, provider.patch(&path, json!([operation])).await) });
        // And each adds something to one person.
        let (mut provider, path) = (sync.provider().await, format!("/Users/{user}"));
        let operation = json!({"op": "add", "path": "roles", "value": [{"value": format!("r{number}")}]});
        tasks.spawn(async move { (200, provider.patch(&path, json!([operation])).await) });
    }
    for (expected, status) in tasks.join_all().await {
        assert_eq!(status, expected);
    }
    let mut expected = ids[3..].to_vec();
    expected.sort();
    assert_eq!(provider.members(&group).await, expected);
    assert_eq!(
        provider.get(&format!("/Users/{user}")).await["roles"].as_array().map(Vec::len),
        Some(50)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replaces_at_once_one_comes_last() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let mut ids = Vec::new();
    for name in ["a@example.com", "b@example.com", "c@example.com"] {
        ids.push(provider.user(name).await);
    }
    let (a, b, c) = (&ids[0], &ids[1], &ids[2]);
    let group = provider.group("g", &[c]).await;
    let patch = |operation: Value| ("PATCH", json!({"Operations": [operation]}));
    let put = |id: &str| ("PUT", json!({"displayName": "g", "members": [{"value": id}]}));
    let replace = |id: &str| patch(json!({"op": "replace", "path": "members", "value": [{"value": id}]}));
    let again = |id: &str| patch(json!({"op": "replace", "value": {"displayName": "g", "members": [{"value": id}]}}));
    let none = || patch(json!({"op": "remove", "path": "members"}));
    for round in 0..rounds(10) {
        for (one, other, ends) in [
            (replace(a), replace(b), [vec![a], vec![b]]),
            (put(a), put(b), [vec![a], vec![b]]),
            (put(a), replace(b), [vec![a], vec![b]]),
            (again(a), replace(b), [vec![a], vec![b]]),
            (none(), replace(b), [vec![], vec![b]]),
        ] {
            assert_eq!(
                provider
                    .patch(
                        &format!("/Groups/{group}"),
                        json!([{"op": "replace", "path": "members", "value": [{"value": c}]}])
                    )
                    .await,
                204
            );
            let mut tasks = tokio::task::JoinSet::new();
            for (method, body) in [one, other] {
                let (mut provider, path) = (sync.provider().await, format!("/Groups/{group}"));
                tasks.spawn(async move { provider.send(method, &path, &body.to_string()).await.status });
            }
            assert!(tasks.join_all().await.iter().all(|status| status.is_success()));
            let members = provider.members(&group).await;
            assert!(
                ends.iter().any(|end| members.iter().eq(end.iter().copied())),
                "{round}: {members:?} is none of {ends:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_again_makes_no_second_one() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let user = json!({"userName": "a@example.com", "externalId": "e1"});
    provider.ask("POST", "/Users", &user, 201).await;
    provider.ask("POST", "/Users", &user, 409).await;
    let group = json!({"displayName": "Engineering", "externalId": "g1"});
    provider.ask("POST", "/Groups", &group, 201).await;
    assert_eq!(provider.ask("POST", "/Groups", &group, 409).await["scimType"], "uniqueness");
    assert_eq!(provider.get("/Users").await["totalResults"], 1);
    assert_eq!(provider.get("/Groups").await["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_belonged_to_somebody_is_not_given_again() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let id = provider.user("a@example.com").await;
    let group = provider.group("Engineering", &[&id]).await;
    sync.let_engineer(&group).await;
    // The name changes, and with it what applications ask with; the teams stay, and the old name is nobody's.
    let rename = json!([{"op": "replace", "path": "userName", "value": "b@example.com"}]);
    assert_eq!(provider.patch(&format!("/Users/{id}"), rename).await, 200);
    assert!(sync.is_engineer("b@example.com").await && !sync.is_engineer("a@example.com").await);
    assert_eq!(provider.members(&group).await, std::slice::from_ref(&id));
    provider.ask("POST", "/Users", &json!({"userName": "A@example.com"}), 409).await;
    provider.ask("DELETE", &format!("/Users/{id}"), &Value::Null, 204).await;
    provider.ask("POST", "/Users", &json!({"userName": "B@example.com"}), 409).await;
    assert!(provider.members(&group).await.is_empty());
    assert!(!sync.is_engineer("b@example.com").await && !sync.logs_in("b@example.com").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_old_changes_nothing() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (id, group) = (provider.user("a@example.com").await, provider.group("Engineering", &[]).await);
    for (path, change) in [
        (
            format!("/Users/{id}"),
            json!({"Operations": [{"op": "add", "path": "displayName", "value": "A"}]}).to_string(),
        ),
        (
            format!("/Groups/{group}"),
            json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]}).to_string(),
        ),
    ] {
        let shown = provider.send("GET", &path, "").await;
        let old = shown.header("etag").expect("a version").to_owned();
        assert_eq!(shown.json()["meta"]["version"], json!(old));
        assert_eq!(
            provider.send_with("GET", &path, &[("if-none-match", &old)], "").await.status,
            304
        );
        assert!(
            provider
                .send_with("PATCH", &path, &[("if-match", &old)], &change)
                .await
                .status
                .is_success()
        );
        assert_eq!(
            provider.send_with("GET", &path, &[("if-none-match", &old)], "").await.status,
            200
        );
        let again = change.replace("\"A\"", "\"B\"").replace("add", "remove");
        for (method, body) in [("PATCH", again.as_str()), ("DELETE", "")] {
            let answer = provider.send_with(method, &path, &[("if-match", &old)], body).await;
            assert_eq!(answer.status, 412, "{method} {path}: {}", answer.text());
        }
        let answer = provider.send_with("PATCH", &path, &[("if-match", "*")], &change).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_that_of_all_that_is_shown() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let id = provider.user("a@example.com").await;
    let group = format!("/Groups/{}", provider.group("Engineering", &[&id]).await);
    let (user, rename) = (
        format!("/Users/{id}"),
        |name: &str| json!([{"op": "replace", "value": {"displayName": name}}]),
    );
    let seen = provider.send("GET", &user, "").await;
    let old = seen.header("etag").expect("a version").to_owned();
    let known = async |provider: &mut Provider, etag: &str| {
        provider.send_with("GET", &user, &[("if-none-match", etag)], "").await.status.as_u16()
    };
    assert_eq!(known(provider, &old).await, 304);
    assert_eq!(provider.patch(&group, rename("Engineers")).await, 204);
    let seen = provider.send_with("GET", &user, &[("if-none-match", &old)], "").await;
    assert_eq!(
        (seen.status.as_u16(), &seen.json()["groups"][0]["display"]),
        (200, &json!("Engineers"))
    );
    let new = seen.header("etag").expect("a version").to_owned();
    assert_eq!(seen.json()["meta"]["version"], json!(new));
    let list = provider.get(&format!("/Users?filter={}", query("userName eq \"a@example.com\""))).await;
    assert_eq!(list["Resources"][0]["meta"]["version"], json!(new));
    // What is written with the old one is refused, and not with the new one.
    let body = json!({"Operations": rename("A")}).to_string();
    for (method, body) in [("PATCH", &*body), ("DELETE", "")] {
        for is_good in [false, true] {
            let new = provider.send("GET", &user, "").await.header("etag").expect("a version").to_owned();
            let etag = if is_good { new } else { old.clone() };
            let status = provider.send_with(method, &user, &[("if-match", &etag)], body).await.status;
            assert_eq!(
                (status.is_success(), status == 412),
                (is_good, !is_good),
                "{method} {etag}: {status}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_scim_does_not_know_stay() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let id = provider.user("a@example.com").await;
    let group = provider.group("Engineering", &[&id]).await;
    sync.let_engineer(&group).await;
    // A person adds somebody by hand, and a service user.
    let seen = sync.sidecar.current();
    let by_hand = format!(
        "users: {{ z@example.com: {{ role: Member, teams: [{group}] }} }}\nservice_users: {{ job: {{ role: Member, teams: [{group}] }} }}\n"
    );
    sync.root.write("entities/by-hand.yaml", &by_hand);
    sync.sidecar.running.reload();
    sync.sidecar.generation(seen + 1).await;
    assert_eq!(provider.members(&group).await, std::slice::from_ref(&id));
    let path = format!("/Groups/{group}");
    provider
        .ask(
            "PUT",
            &path,
            &json!({"schemas": [GROUP], "displayName": "Engineering", "members": []}),
            200,
        )
        .await;
    assert_eq!(provider.patch(&path, json!([{"op": "remove", "path": "members"}])).await, 204);
    assert!(sync.is_engineer("z@example.com").await && !sync.is_engineer("a@example.com").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_ask_with_what_was_chosen() {
    use gatepost::serve::EntityId;
    for (entity_id, asked) in [(EntityId::ExternalId, "e1"), (EntityId::Id, "")] {
        let sync = Sync::start_with(|settings| settings.scim.entity_id = entity_id).await;
        let provider = &mut sync.provider().await;
        let user = provider
            .ask("POST", "/Users", &json!({"userName": "a@example.com", "externalId": "e1"}), 201)
            .await;
        let id = user["id"].as_str().expect("an id");
        let asked = if asked.is_empty() { id } else { asked };
        assert!(sync.logs_in(asked).await && !sync.logs_in("a@example.com").await);
        // Another name is no other person.
        let rename = json!([{"op": "replace", "path": "userName", "value": "b@example.com"}]);
        assert_eq!(provider.patch(&format!("/Users/{id}"), rename).await, 200);
        assert!(sync.logs_in(asked).await);
        let status = if entity_id == EntityId::ExternalId { 400 } else { 201 };
        provider.ask("POST", "/Users", &json!({"userName": "c@example.com"}), status).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_deactivation_is_told() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    // People of other files are none of directory sync's.
    let seen = sync.sidecar.current();
    let by_hand: String = (0..100).map(|number| format!("  h{number}@example.com: {{ role: Member }}\n")).collect();
    sync.root.write("entities/by-hand.yaml", &format!("users:\n{by_hand}"));
    sync.sidecar.running.reload();
    sync.sidecar.generation(seen + 1).await;
    let mut paths = Vec::new();
    for number in 0..35 {
        paths.push(format!("/Users/{}", provider.user(&format!("u{number}@example.com")).await));
    }
    let raised = async || sync.sidecar.client().await.get("/status").await.json()["scim"]["mass_deactivations"].clone();
    let switch = |active: bool| json!([{"op": "replace", "value": {"active": active}}]);
    // One person who goes to and fro is one, and somebody who was deactivated loses nothing more.
    for round in 0..14 {
        assert_eq!(provider.patch(&paths[0], switch(round % 2 == 1)).await, 200);
    }
    assert_eq!(provider.patch(&paths[0], switch(false)).await, 200);
    provider.ask("DELETE", &paths[0], &Value::Null, 204).await;
    // Two more are three of 35.
    assert_eq!(provider.patch(&paths[1], switch(false)).await, 200);
    provider.ask("DELETE", &paths[2], &Value::Null, 204).await;
    provider.ask("DELETE", &paths[1], &Value::Null, 204).await;
    assert_eq!(raised().await, 0);
    assert_eq!(provider.patch(&paths[3], switch(false)).await, 200);
    assert_eq!(raised().await, 1);
    assert_eq!(provider.patch(&paths[4], switch(false)).await, 200);
    assert_eq!(raised().await, 1);
}
