//! Explanations of the bundled model: what a deny names, and what `gatepost explain` shows.
//!
//! What is shown stands in `tests/explained/`, word by word; `GATEPOST_EXPLAINED=write cargo test explain` writes it anew.

use std::fs;
use std::process::Output;

use gatepost::engine::json::Json;
use gatepost::engine::{Options, Query, Snapshot, Sources, Text};
use gatepost::serve::{ExplainDocument, explain_document};
use gatepost::store::compile_files;

use crate::access_model::{amended, files};
use crate::model_cases::{AMENDMENTS, CASES, Case};
use crate::support::{BUILT_IN, Process, Root, gatepost, question, repository};

fn document(snapshot: &Snapshot, case: &Case) -> ExplainDocument {
    let context = (!case.context.is_empty()).then(|| Json::read(case.context.as_bytes(), 16).expect("a context"));
    let query = Query {
        context: context.as_ref(),
        ..Query::plain(case.principal, case.action, case.resource)
    };
    explain_document(snapshot, &query).expect("a good question")
}

/// The policy that forbids, or the permit that is missing, where a rule denies.
fn owed(case: &Case) -> &'static str {
    let reads = ["read", "viewDatastore", "reportOnDatastore"].contains(&case.action);
    let writes = ["write", "runOperation", "manageMetadata"].contains(&case.action);
    match case.rule {
        "R2" => "service-user-no-log-in",
        "R4" => "own-role-and-teams",
        "R6" | "R8" => "deactivated-no-access",
        "R13" => "manager-shared-assets",
        "R20" if case.action == "assignTeams" => "public-holds-everyone",
        "R20" if case.action != "setPermission" => "public-stays",
        _ if reads => "datastore-read",
        _ if writes => "datastore-write",
        _ => "admin-full-access",
    }
}

fn check_denies(snapshot: &Snapshot, cases: &[Case]) -> usize {
    let denies = cases.iter().filter(|case| !case.allow);
    denies
        .map(|case| {
            let document = document(snapshot, case);
            assert!(!document.decision, "{case:?}");
            // A forbid decides whatever is permitted; without one, what is missing is a permit, as near as any.
            let least = document.nearest_permits.first().map_or(0, |policy| policy.failing);
            let named: Vec<&str> = match document.cause.as_str() {
                "forbidden" => document.determining_policies.iter().map(|policy| policy.id.as_str()).collect(),
                _ => {
                    let nearest = document.nearest_permits.iter().filter(|policy| policy.failing == least);
                    nearest.map(|policy| policy.id.as_str()).collect()
                }
            };
            assert!(named.contains(&owed(case)), "{case:?} names {named:?}");
            let has_summary = |policy: &gatepost::serve::PolicyDocument| policy.annotations.contains_key("summary");
            assert!(document.determining_policies.iter().all(has_summary), "{case:?}");
        })
        .count()
}

#[test]
fn every_deny_of_the_model_names_the_rule_that_is_missing_or_forbids() {
    let whole = compile_files(&files(&[]), &Options::default()).expect("the bundled model");
    let mut checked = check_denies(&whole, CASES);
    for amendment in AMENDMENTS {
        let changed = compile_files(&files(&[amended(amendment)]), &Options::default()).expect("a good model");
        checked += check_denies(&changed, amendment.cases);
    }
    assert!(checked > 140, "{checked}");
}

#[test]
fn every_allow_of_the_model_has_a_path() {
    let whole = compile_files(&files(&[]), &Options::default()).expect("the bundled model");
    for case in CASES.iter().filter(|case| case.allow) {
        let document = document(&whole, case);
        assert!(document.decision && !document.paths.is_empty(), "{case:?}");
        assert!(document.paths.iter().all(|path| !path.sentence.is_empty()), "{case:?}");
    }
}

#[test]
fn a_document_reads_back_as_it_was_written() {
    let whole = compile_files(&files(&[]), &Options::default()).expect("the bundled model");
    for case in CASES {
        let document = document(&whole, case);
        let text = serde_json::to_string(&document).expect("JSON");
        let back: ExplainDocument = serde_json::from_str(&text).expect("a document");
        assert_eq!(back, document, "{case:?}");
    }
}

/// What `gatepost explain` is asked, and the file that has what it shows.
const SHOWN: &[(&str, [&str; 3], &str)] = &[
    // Denies of the vectors.
    (
        "read-is-not-write",
        ["user:greta@example.com", "runOperation", "datastore:inventory"],
        "",
    ),
    ("no-team-in-common", ["user:emi@example.com", "read", "datastore:ledger"], ""),
    (
        "manager-without-team",
        ["user:joris@example.com", "read", "datastore:ledger"],
        "",
    ),
    (
        "manager-adds-no-datastore",
        ["user:joris@example.com", "addDatastore", "platform:main"],
        "",
    ),
    (
        "write-does-not-delete",
        ["user:carla@example.com", "deleteDatastore", "datastore:ledger"],
        "",
    ),
    ("own-role", ["user:ana@example.com", "editRole", "user:ana@example.com"], ""),
    (
        "manager-deactivates-nobody",
        ["user:joris@example.com", "deactivate", "user:carla@example.com"],
        "",
    ),
    (
        "public-is-not-assigned",
        ["user:ana@example.com", "assignTeams", "user:carla@example.com"],
        r#"{"teams":[{"type":"Team","id":"Public"},{"type":"Team","id":"sales"}],"reason":"joined"}"#,
    ),
    (
        "public-keeps-its-name",
        ["user:ana@example.com", "renameTeam", "team:Public"],
        "",
    ),
    ("deactivated", ["user:bo@example.com", "read", "datastore:holidays"], ""),
    (
        "deactivated-and-its-teams",
        ["user:bo@example.com", "runOperation", "datastore:ledger"],
        "",
    ),
    ("automation-logs-in", ["serviceuser:provisioner", "logIn", "platform:main"], ""),
    // Allows.
    (
        "by-one-team",
        ["user:carla@example.com", "runOperation", "datastore:ledger"],
        "",
    ),
    (
        "by-two-teams",
        ["user:dev@example.com", "viewDatastore", "datastore:orders"],
        "",
    ),
    (
        "by-public-and-role",
        ["user:theo@example.com", "read", "datastore:holidays"],
        "",
    ),
    // Names that nobody knows.
    ("unknown-names", ["usr:ana@example.com", "raed", "datastore:ledger"], ""),
    ("unknown-entity", ["user:anna@example.com", "read", "datastore:ledger"], ""),
    ("not-applicable", ["user:ana@example.com", "logIn", "datastore:ledger"], ""),
];

fn explain(arguments: &[&str]) -> Output {
    let root = Root::empty();
    gatepost()
        .current_dir(root.path())
        .arg("explain")
        .args(arguments)
        .output()
        .expect("the binary")
}

fn out(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.is_empty() || told == BUILT_IN, "{told}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn ask<'a>([principal, action, resource]: &[&'a str; 3], context: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["--principal", principal, "--action", action, "--resource", resource];
    if !context.is_empty() {
        arguments.extend(["--context", context]);
    }
    arguments
}

#[test]
fn what_is_shown_of_the_model_is_what_it_was() {
    let writes = std::env::var("GATEPOST_EXPLAINED").is_ok_and(|value| value == "write");
    for (name, names, context) in SHOWN {
        let output = explain(&ask(names, context));
        let shown = out(&output);
        let code = if shown.starts_with("allow") { 0 } else { 3 };
        assert_eq!(output.status.code(), Some(code), "{name}");
        let path = repository(&format!("tests/explained/{name}.txt"));
        let command = format!("$ gatepost explain {}\n{shown}", ask(names, context).join(" "));
        if writes {
            fs::write(&path, &command).expect("a file");
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(command, known, "{}", path.display());
    }
}

#[test]
fn explain_shows_the_same_to_machines_and_in_markdown() {
    let names = ["user:emi@example.com", "runOperation", "datastore:ledger"];
    let json = explain(&[&ask(&names, "")[..], &["--format", "json"]].concat());
    assert_eq!(json.status.code(), Some(3));
    let document: ExplainDocument = serde_json::from_str(&out(&json)).expect("the document");
    assert_eq!(document.cause, "nothing_permits");
    let first = document.remedies.first().expect("a remedy");
    assert_eq!(first.sentence, "add emi@example.com to a team with Write on ledger: finance");
    assert_eq!(
        first.choices[0].value,
        serde_json::json!({ "__entity": { "type": "Team", "id": "finance" } })
    );

    let markdown = out(&explain(&[&ask(&names, "")[..], &["--format", "markdown"]].concat()));
    assert!(
        markdown.starts_with("# deny: emi@example.com may not run operations"),
        "{markdown}"
    );
    assert!(
        markdown.contains("\n- add emi@example.com to a team with Write on ledger: finance\n"),
        "{markdown}"
    );
    assert!(!markdown.contains('\u{1b}'), "{markdown}");
}

#[test]
fn explain_takes_a_request_and_tells_what_it_dropped() {
    let root = Root::empty();
    let mut body: serde_json::Value = serde_json::from_str(&question(
        ("user", "carla@example.com"),
        "viewDatastore",
        ("datastore", "ledger"),
    ))
    .expect("JSON");
    body["context"] = serde_json::json!({ "ip": "127.0.0.1" });
    body["subject"]["properties"] = serde_json::json!({ "role": "Admin", "shoe": 43 });
    root.write("question.json", &body.to_string());
    let path = root.path().join("question.json");
    let output = explain(&["--request", path.to_str().expect("a readable path"), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let document: ExplainDocument = serde_json::from_str(&out(&output)).expect("the document");
    let dropped: Vec<(&str, &str)> = document
        .dropped
        .iter()
        .map(|dropped| (dropped.member.as_str(), dropped.reason.as_str()))
        .collect();
    assert_eq!(
        dropped,
        [
            ("context.ip", "undeclared"),
            ("subject.properties.role", "ignored"),
            ("subject.properties.shoe", "undeclared")
        ]
    );
    let nonsense = explain(&[
        "--principal",
        "carla",
        "--action",
        "read",
        "--resource",
        "datastore:ledger",
    ]);
    assert_eq!(nonsense.status.code(), Some(2));
}

/// A small world of groups: documents may be in groups, and groups ask.
fn groups(policies: &str) -> Snapshot {
    let text = |name: &str, content: &str| Text::new(name, content);
    let sources = Sources {
        schema: vec![text(
            "schema/s.cedarschema",
            "entity Group in [Group]; entity Doc in [Group] = { owner: Group }; \
             action read appliesTo { principal: Group, resource: Doc };",
        )],
        policies: vec![text("policies/p.cedar", policies)],
        entities: vec![text(
            "entities/e.json",
            r#"[{ "uid": { "type": "Group", "id": "top" }, "attrs": {}, "parents": [] },
                { "uid": { "type": "Group", "id": "team" }, "attrs": {}, "parents": [] },
                { "uid": { "type": "Doc", "id": "plan" }, "attrs": { "owner": { "__entity": { "type": "Group", "id": "team" } } },
                  "parents": [{ "type": "Group", "id": "team" }] }]"#,
        )],
        ..Sources::default()
    };
    Snapshot::compile(&sources, &Options::default()).expect("good sources")
}

#[test]
fn who_joins_a_group_takes_along_what_is_in_them() {
    let query = Query::plain(("Group", "team"), "read", ("Doc", "plan"));
    let sentences = |policies: &str| -> Vec<String> {
        let document = explain_document(&groups(policies), &query).expect("a good question");
        document.remedies.into_iter().map(|remedy| remedy.sentence).collect()
    };
    let permit = r#"permit (principal in Group::"top", action, resource);"#;
    assert_eq!(sentences(permit), [r#"add `Group::"team"` to `Group::"top"`"#]);
    // The document is in the team, so it would be in the top group as well, and then it is forbidden.
    let forbid = r#"forbid (principal, action, resource in Group::"top");"#;
    assert_eq!(sentences(&format!("{permit}\n{forbid}")), [""; 0]);
    // So it is with whatever a resource refers to.
    let deep = r#"forbid (principal, action, resource) when { resource.owner in Group::"top" };"#;
    assert_eq!(sentences(&format!("{permit}\n{deep}")), [""; 0]);
}

#[test]
fn a_sidecar_explains_what_its_root_does() {
    let root = Root::bundled();
    let path = root.path().to_str().expect("a path");
    let socket = root.path().join("run/gatepost.sock");
    let socket = format!("unix:{}", socket.display());
    let sidecar = Process::serve(root.path(), &["--set", "explain.enabled=true", "--listen", &socket]);
    let url = format!("http://{}", sidecar.address);
    let ready = gatepost().args(["wait", "--address", &sidecar.address.to_string()]).output();
    assert_eq!(ready.expect("the binary").status.code(), Some(0));
    for names in [
        ["user:emi@example.com", "runOperation", "datastore:ledger"],
        ["user:ana@example.com", "read", "datastore:ledger"],
        ["user:bo@example.com", "read", "datastore:holidays"],
        ["usr:ana@example.com", "raed", "datastore:ledger"],
    ] {
        let here = explain(&[&ask(&names, "")[..], &[path]].concat());
        for url in [&url, &socket] {
            let asked = explain(&[&ask(&names, "")[..], &["--url", url]].concat());
            assert_eq!(
                (out(&asked), asked.status.code()),
                (out(&here), here.status.code()),
                "{names:?}"
            );
        }
    }
    // All of a question goes with it: properties of all three, and the context.
    let mut body: serde_json::Value = serde_json::from_str(&question(
        ("user", "carla@example.com"),
        "viewDatastore",
        ("datastore", "ledger"),
    ))
    .expect("JSON");
    body["context"] = serde_json::json!({ "ip": "127.0.0.1" });
    for part in ["subject", "action", "resource"] {
        body[part]["properties"] = serde_json::json!({ "shoe": 43 });
    }
    root.write("question.json", &body.to_string());
    let request = root.path().join("question.json");
    let request = request.to_str().expect("a readable path");
    let here = explain(&["--request", request, path, "--format", "json"]);
    let asked = explain(&["--request", request, "--url", &url, "--format", "json"]);
    assert_eq!(out(&asked), out(&here));
    assert_eq!(out(&asked).matches("properties.shoe").count(), 3, "{}", out(&asked));

    let unfit = explain(
        &[
            &ask(&["user:ana@example.com", "assignTeams", "user:bo@example.com"], "")[..],
            &["--url", &url],
        ]
        .concat(),
    );
    assert_eq!(unfit.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unfit.stderr).contains("context"), "{unfit:?}");
    let path_in_url = explain(
        &[
            &ask(&["user:a", "read", "datastore:b"], "")[..],
            &["--url", "https://x"],
        ]
        .concat(),
    );
    assert_eq!(path_in_url.status.code(), Some(2));
}

#[test]
fn a_sidecar_that_does_not_explain_is_told() {
    let root = Root::bundled();
    let sidecar = Process::serve(root.path(), &[]);
    let url = format!("http://{}", sidecar.address);
    let ready = gatepost().args(["wait", "--address", &sidecar.address.to_string()]).output();
    assert_eq!(ready.expect("the binary").status.code(), Some(0));
    let names = ["user:emi@example.com", "runOperation", "datastore:ledger"];
    let off = explain(&[&ask(&names, "")[..], &["--url", &url]].concat());
    assert_eq!(off.status.code(), Some(1));
    let words = String::from_utf8_lossy(&off.stderr);
    assert!(words.contains("set its `explain.enabled`"), "{words}");
    let nobody = explain(&[&ask(&names, "")[..], &["--url", "http://127.0.0.1:1"]].concat());
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&nobody.stderr).contains("is a sidecar listening there?"),
        "{nobody:?}"
    );
}
