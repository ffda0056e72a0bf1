//! Requests to the admin API: bodies, conditions, dry runs, and problems.

use std::collections::BTreeMap;

use serde_json::json;

use crate::admin::world::{JSON, MERGE_PATCH, NEWEST, World};

const CARLA: &str = "/v1/admin/users/carla@example.com";

#[tokio::test]
async fn an_entry_is_shown_whole_with_its_tag_and_revision() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    let answer = ana.get(CARLA).await;
    let mut shown = answer.json();
    assert_eq!(
        answer.header("etag"),
        Some(format!("\"{}\"", shown["etag"].as_str().expect("a tag")).as_str())
    );
    assert_eq!(answer.header("gatepost-revision"), Some(world.revision().as_str()));
    shown["etag"] = "".into();
    assert_eq!(
        shown,
        json!({ "id": "carla@example.com", "name": "Carla Mendes", "role": "Member", "active": true,
                "teams": ["finance"], "synced": false, "etag": "" })
    );
    let mut team = ana.shows("/v1/admin/teams/finance").await;
    team["etag"] = "".into();
    assert_eq!(
        team,
        json!({ "id": "finance", "name": "Finance", "description": "Ledgers and payroll", "permission": "write",
                "users": ["ana@example.com", "bo@example.com", "carla@example.com"], "service_users": ["nightly-scan"],
                "member_count": 4, "synced": false,
                "datastores": [{ "id": "ledger" }, { "id": "payroll", "permission": "read" }],
                "enrichment_datastores": [{ "id": "ledger-quality" }, { "id": "payroll-quality", "permission": "read" }],
                "etag": "" })
    );
    let tag = answer.header("etag").expect("a tag");
    for (known, status) in [
        (tag, 304),
        (&format!("\"x\", W/{tag}"), 304),
        ("*", 304),
        ("\"x\"", 200),
    ] {
        let again = ana.send("GET", CARLA, &[("if-none-match", known)], "").await;
        assert_eq!(again.status, status, "{known}");
        assert_eq!(again.header("etag"), Some(tag));
    }
    // Ids are any texts.
    let made = ana.does("POST", "/v1/admin/service-users", r#"{"id":"a/b c?%é"}"#).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let location = made.header("location").expect("a location").to_owned();
    assert_eq!(location, "/v1/admin/service-users/a%2Fb%20c%3F%25%C3%A9");
    assert_eq!(ana.shows(&location).await["id"], "a/b c?%é");
    assert_eq!(ana.does("DELETE", &location, "").await.status, 204);
}

#[tokio::test]
async fn a_change_says_what_it_changes() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    let tag = ana.get(CARLA).await.header("etag").expect("a tag").to_owned();
    let revision = world.revision();
    let body = r#"{"name":"Carla M."}"#;
    let other = "\"0123456789abcdef0123456789abcdef\"";
    let weak = format!("W/{tag}");
    let mixed = format!("{tag}, {}", tag.trim_matches('"'));
    for (headers, status, kind) in [
        (vec![MERGE_PATCH], 428, "condition-required"),
        (vec![MERGE_PATCH, ("if-match", other)], 412, "stale"),
        (vec![MERGE_PATCH, ("if-match", weak.as_str())], 412, "stale"),
        (vec![MERGE_PATCH, ("if-match", "nonsense")], 400, "request"),
        // As it stands in the body, without quotes: it would never match, and has to be told.
        (vec![MERGE_PATCH, ("if-match", tag.trim_matches('"'))], 400, "request"),
        (vec![MERGE_PATCH, ("if-match", mixed.as_str())], 400, "request"),
        (
            vec![
                MERGE_PATCH,
                ("gatepost-if-revision", "00000000000000000000000000000000"),
            ],
            412,
            "stale",
        ),
        // Neither of two states is passed over, nor what cannot be read.
        (
            vec![MERGE_PATCH, ("if-match", other), ("gatepost-if-revision", &revision)],
            412,
            "stale",
        ),
        (
            vec![
                MERGE_PATCH,
                ("if-match", &tag),
                ("gatepost-if-revision", "00000000000000000000000000000000"),
            ],
            412,
            "stale",
        ),
        (vec![MERGE_PATCH, ("if-match", "")], 400, "request"),
        (vec![MERGE_PATCH, ("if-match", "*, \"x\"")], 400, "request"),
        (vec![MERGE_PATCH, ("if-match", "\u{ff}")], 400, "request"),
        (vec![MERGE_PATCH, ("gatepost-if-revision", "\u{ff}")], 400, "request"),
        (vec![JSON, NEWEST], 415, "media-type"),
        (vec![NEWEST], 415, "media-type"),
        (vec![MERGE_PATCH, MERGE_PATCH, NEWEST], 415, "media-type"),
        (vec![MERGE_PATCH, ("content-encoding", "gzip"), NEWEST], 415, "media-type"),
    ] {
        let answer = ana.send("PATCH", CARLA, &headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.text());
        assert_eq!(answer.json()["type"], format!("urn:gatepost:problem:{kind}"));
        assert_eq!(world.revision(), revision);
    }
    let stale = ana.send("PATCH", CARLA, &[MERGE_PATCH, ("if-match", other)], body).await.json();
    assert_eq!(format!("\"{}\"", stale["etag"].as_str().expect("a tag")), tag);
    assert_eq!(stale["revision"], revision);
    let both = format!("{other}, {tag}");
    let done = ana.send("PATCH", CARLA, &[MERGE_PATCH, ("if-match", &both)], body).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_ne!(done.header("etag"), Some(tag.as_str()));
    assert_eq!(done.header("gatepost-revision"), Some(world.revision().as_str()));
    assert_eq!(done.json()["name"], "Carla M.");
    let now = world.revision();
    let headers = [MERGE_PATCH, ("gatepost-if-revision", now.as_str())];
    assert_eq!(ana.send("PATCH", CARLA, &headers, r#"{"name":"Carla"}"#).await.status, 200);
    assert_eq!(ana.send("DELETE", "/v1/admin/teams/sales", &[], "").await.status, 428);
    // What comes to the same in any order needs no condition, and keeps to one that there is.
    let path = "/v1/admin/users/carla@example.com/deactivate";
    assert_eq!(ana.send("POST", path, &[("if-match", other)], "").await.status, 412);
    assert_eq!(ana.send("POST", path, &[("if-match", "\u{ff}")], "").await.status, 400);
    // Whoever sends back what was shown, and was overtaken, is told that.
    let (shown, marketing) = (ana.get("/v1/admin/teams/marketing").await, "/v1/admin/teams/marketing");
    let tag = shown.header("etag").expect("a tag").to_owned();
    assert_eq!(
        ana.send("PUT", &format!("{marketing}/users/hugo@example.com"), &[], "").await.status,
        204
    );
    let answer = ana.send("PATCH", marketing, &[MERGE_PATCH, ("if-match", &tag)], shown.text()).await;
    assert_eq!(answer.status, 412, "{}", answer.text());
    // Where none is wanted, a body is not passed over.
    let dry = "{\"dry_run\":true}";
    for (method, path) in [
        ("POST", path),
        ("DELETE", marketing),
        ("DELETE", "/v1/admin/retired-users/x"),
    ] {
        let answer = ana.send(method, path, &[JSON, NEWEST], dry).await;
        assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text());
    }
    assert_eq!(ana.send("POST", path, &[JSON], "{}").await.status, 200);
    // Texts and ids have bounds, and nothing in them that nobody sees.
    let long = format!("{{\"description\":\"{}\"}}", "x".repeat(20_000));
    assert_eq!(ana.send("PATCH", marketing, &[MERGE_PATCH, NEWEST], &long).await.status, 422);
    for id in [".", "..", "ledger\u{200b}", "\u{202e}regdel", " ledger"] {
        let body = serde_json::json!({ "id": id }).to_string();
        for path in ["/v1/admin/datastores", "/v1/admin/service-users"] {
            assert_eq!(ana.send("POST", path, &[JSON], &body).await.status, 422, "{id:?}");
        }
    }
    let answer = ana.send("PUT", marketing, &[JSON], "{}").await;
    assert!(
        answer.status == 405 && answer.json()["instance"].is_string(),
        "{}",
        answer.text()
    );
    // A body has a few mistakes told, whatever their number.
    let wrong: BTreeMap<String, u8> = (0..10_000).map(|number| (format!("wrong-{number}"), 1)).collect();
    let wrong = serde_json::to_string(&wrong).expect("JSON");
    let answer = ana.send("PATCH", marketing, &[MERGE_PATCH, NEWEST], &wrong).await;
    assert_eq!(answer.status, 422);
    assert!(
        answer.text().len() < 8_000 && answer.text().contains("and 9980 more"),
        "{}",
        answer.text()
    );
    assert_eq!(ana.send("POST", path, &[], "").await.status, 200);
}

#[tokio::test]
async fn an_entry_can_be_sent_back_as_it_was_shown() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    for path in [
        CARLA,
        "/v1/admin/service-users/nightly-scan",
        "/v1/admin/teams/finance",
        "/v1/admin/teams/Public",
        "/v1/admin/datastores/ledger",
        "/v1/admin/enrichment-datastores/ledger-quality",
    ] {
        let shown = ana.get(path).await;
        let (tag, body) = (shown.header("etag").expect("a tag").to_owned(), shown.text().to_owned());
        let revision = world.revision();
        let answer = ana.send("PATCH", path, &[MERGE_PATCH, ("if-match", &tag)], &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.text(), body, "{path}");
        assert_eq!(world.revision(), revision, "{path}: nothing was to change");
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_meant_are_told_member_by_member() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    let revision = world.revision();
    let table: [(&str, &str, &str, u16, &[&str]); 12] = [
        ("PATCH", CARLA, "{", 400, &[]),
        ("PATCH", CARLA, "[]", 400, &[]),
        ("PATCH", CARLA, r#"{"role":"Admin","role":"Member"}"#, 400, &[]),
        ("PATCH", CARLA, r#"{"name":7,"active":"False"}"#, 422, &["/name", "/active"]),
        ("PATCH", CARLA, r#"{"id":"other@example.com"}"#, 422, &["/id"]),
        ("PATCH", CARLA, r#"{"password":"x"}"#, 422, &["/password"]),
        ("PATCH", CARLA, r#"{"teams":["no-such"]}"#, 422, &["/teams"]),
        ("POST", "/v1/admin/teams", r#"{"name":"x"}"#, 422, &["/id"]),
        ("POST", "/v1/admin/teams", r#"{"id":"x","etag":"y"}"#, 422, &["/etag"]),
        ("POST", "/v1/admin/teams", r#"{"id":"x","users":["no-such"]}"#, 422, &["/users"]),
        (
            "POST",
            "/v1/admin/teams",
            r#"{"id":"x","datastores":["no-such"]}"#,
            422,
            &["/datastores"],
        ),
        (
            "PUT",
            "/v1/admin/teams/sales/datastores/orders",
            r#"{"level":"read"}"#,
            422,
            &["/level"],
        ),
    ];
    for (method, path, body, status, pointers) in table {
        let answer = ana.does(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
        let problem = answer.json();
        let told = problem["errors"].as_array().cloned().unwrap_or_default();
        let told: Vec<&str> = told.iter().filter_map(|error| error["pointer"].as_str()).collect();
        assert_eq!(told, pointers, "{method} {path} {body}: {problem}");
    }
    assert_eq!(world.revision(), revision);
    let deep = format!(r#"{{"name":{}1{}}}"#, "[".repeat(100), "]".repeat(100));
    assert_eq!(ana.does("PATCH", CARLA, &deep).await.status, 400);
}

#[tokio::test]
async fn a_dry_run_tells_files_and_access_and_changes_nothing() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    let (revision, teams) = (world.revision(), world.root.read("entities/teams.yaml"));
    let answer = ana.does("PUT", "/v1/admin/teams/sales/users/carla@example.com?dry_run=true", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!(
        (told["dry_run"].as_bool(), told["changed"].as_bool()),
        (Some(true), Some(true)),
        "{told}"
    );
    assert_ne!(told["revision"], revision);
    assert_eq!(answer.header("gatepost-revision"), Some(revision.as_str()));
    let diff = told["files"][0]["diff"].as_str().expect("a diff");
    assert_eq!(told["files"][0]["name"], "entities/teams.yaml");
    for line in [
        "--- a/entities/teams.yaml",
        "+++ b/entities/teams.yaml",
        "-    users: [mina@example.com, dev@example.com]",
        "+    users: [mina@example.com, dev@example.com, carla@example.com]",
    ] {
        assert!(diff.lines().any(|known| known == line), "{line}:\n{diff}");
    }
    assert_eq!(told["access"]["gaining"], 1);
    assert_eq!(told["access"]["losing"], 0);
    let gained = json!({ "account": { "type": "User", "id": "carla@example.com" },
        "datastore": { "type": "Datastore", "id": "orders" }, "before": null, "after": "write" });
    assert!(
        told["access"]["levels"].as_array().is_some_and(|all| all.contains(&gained)),
        "{told}"
    );
    let made = ana.does("POST", "/v1/admin/teams?dry_run=true", r#"{"id":"own"}"#).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert!(made.text().contains("--- /dev/null"), "{}", made.text());
    // A refusal is one here too.
    let refused = ana.does("DELETE", "/v1/admin/teams/Public?dry_run=true", "").await;
    assert_eq!((refused.status.as_u16(), refused.json()["rule"].as_str()), (403, Some("R20")));
    let denied = world.caller("mina").await.does("DELETE", "/v1/admin/teams/sales?dry_run=true", "").await;
    assert_eq!(denied.status, 403, "{}", denied.text());
    // Whoever may change one thing is not told of those that stand beside it.
    let mut carla = world.caller("carla").await;
    let own = carla
        .does("PATCH", "/v1/admin/datastores/ledger?dry_run=true", r#"{"name":"Ledger"}"#)
        .await;
    assert_eq!(own.status, 200, "{}", own.text());
    assert_eq!(own.json()["after"]["name"], "Ledger");
    assert_eq!((&own.json()["files"], &own.json()["access"]), (&json!(null), &json!(null)));
    assert_eq!(ana.get("/v1/admin/teams/own").await.status, 404);
    assert_eq!(world.revision(), revision);
    assert_eq!(world.root.read("entities/teams.yaml"), teams);
    // It comes true.
    let done = ana.does("PUT", "/v1/admin/teams/sales/users/carla@example.com", "").await;
    assert_eq!(done.header("gatepost-revision"), told["revision"].as_str());
    assert!(world.may(("user", "carla@example.com"), "runOperation", ("datastore", "orders")).await);
}

#[tokio::test]
async fn a_problem_names_its_kind_its_request_and_what_forbids() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    let headers = [MERGE_PATCH, NEWEST, ("x-request-id", "req 1/é")];
    let answer = ana
        .send("PATCH", "/v1/admin/users/ana@example.com", &headers, r#"{"role":"Member"}"#)
        .await;
    let problem = answer.json();
    assert_eq!(problem["type"], "urn:gatepost:problem:denied");
    assert_eq!(problem["action"], "editRole");
    assert_eq!(problem["resource"], json!({ "type": "User", "id": "ana@example.com" }));
    assert_eq!(problem["policies"], json!([{ "id": "own-role-and-teams", "rule": "R4" }]));
    let headers = [("x-request-id", "req-1")];
    let answer = ana.send("GET", "/v1/admin/users/no-such", &headers, "").await;
    assert_eq!(answer.json()["instance"], "urn:gatepost:request:req-1");
    assert_eq!(answer.header("x-request-id"), Some("req-1"));
    let answer = ana.get("/v1/admin/users/no-such").await;
    let id = answer.header("x-request-id").expect("an id of ours").to_owned();
    assert_eq!(answer.json()["instance"], format!("urn:gatepost:request:{id}"));
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_are_problems_too() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    for (method, path, status, allow) in [
        ("GET", "/v1/admin/", 404, None),
        ("GET", "/v1/admin/groups", 404, None),
        ("GET", "/v1/admin/users/a/b", 404, None),
        ("GET", "/access/v1/evaluation", 404, None),
        ("GET", "/status", 404, None),
        ("GET", "/healthz", 404, None),
        ("PUT", "/v1/admin/users", 405, Some("GET,HEAD,POST")),
        ("POST", "/v1/admin/teams/sales", 405, Some("GET,HEAD,PATCH,DELETE")),
        ("GET", "/v1/admin/teams/sales/users/x", 405, Some("PUT,DELETE")),
    ] {
        let answer = ana.send(method, path, &[], "").await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{method} {path}"
        );
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
    // And those of this listener are on no other.
    let mut client = world.sidecar.client().await;
    let authorization = format!("Bearer {}", world.token("ana"));
    for path in ["/v1/admin/users", CARLA, "/scim/v2/Users"] {
        let answer = client.send("GET", path, &[("authorization", &authorization)], b"").await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_root_with_a_fault_takes_no_change_and_says_which() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    world.root.write("entities/zz.yaml", "users:\n  zoe: { role: Admn }\n");
    world.sidecar.refuses("Admn").await;
    let answer = ana.does("POST", "/v1/admin/users/carla@example.com/deactivate", "").await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["type"], "urn:gatepost:problem:faults");
    assert!(problem["faults"].to_string().contains("entities/zz.yaml"), "{problem}");
    assert!(world.may(("user", "carla@example.com"), "runOperation", ("datastore", "ledger")).await);
    world.root.remove("entities/zz.yaml");
    world.sidecar.status("no fault", |status| status.pending.is_none()).await;
    let answer = ana.does("POST", "/v1/admin/users/carla@example.com/deactivate", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!world.may(("user", "carla@example.com"), "runOperation", ("datastore", "ledger")).await);
}
