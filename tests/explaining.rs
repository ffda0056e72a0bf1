//! Explanations over HTTP: off unless they are switched on, and then those of the engine.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use gatepost::app::{self, World};
use gatepost::engine::{Mistake, Options, Query, Snapshot, Sources, Text};
use gatepost::serve::{self, Address, CompareSettings, ExplainDocument, ServeSettings, explain_document};
use gatepost::store::{Live, compile_files};

use crate::support::{Client, EVALUATION, Sidecar, question, settings};

const EXPLAIN: &str = "/v1/explain";

#[tokio::test]
async fn explanations_are_off_like_any_unknown_path() {
    let sidecar = Sidecar::built_in().await;
    let mut client = sidecar.client().await;
    let body = question(("user", "emi@example.com"), "viewDatastore", ("datastore", "ledger"));
    let (off, unknown) = (client.post(EXPLAIN, &body).await, client.post("/v1/unknown", &body).await);
    assert_eq!(off.status, 404);
    assert_eq!(off.text(), unknown.text());
    assert_eq!(client.get(EXPLAIN).await.status, client.get("/v1/unknown").await.status);
    let metadata = client.get("/.well-known/authzen-configuration").await;
    assert!(!metadata.text().contains("explain"), "{}", metadata.text());
}

#[tokio::test]
async fn an_explanation_is_the_engines_and_decides_as_an_evaluation() {
    let mut on = settings();
    on.serve.explains = true;
    let sidecar = Sidecar::start(World::BuiltIn, &on).await;
    let mut client = sidecar.client().await;
    let mut asked = 0;
    for user in ["ana", "bo", "carla", "emi", "joris", "nobody"] {
        let user = format!("{user}@example.com");
        for action in ["viewDatastore", "runOperation", "deleteDatastore", "logIn", "fly"] {
            for datastore in ["ledger", "payroll", "holidays", "nowhere"] {
                let names = (("user", user.as_str()), action, ("datastore", datastore));
                let body = question(names.0, names.1, names.2);
                let answer = client.post(EXPLAIN, &body).await;
                assert_eq!(answer.status, 200, "{body}: {}", answer.text());
                let live = sidecar.live().current();
                let snapshot = &live.as_ref().expect("a generation").snapshot;
                let owed = explain_document(snapshot, &Query::plain(names.0, names.1, names.2)).expect("a document");
                assert_eq!(answer.header("gatepost-revision"), Some(snapshot.revision()), "{body}");
                let document: ExplainDocument = serde_json::from_slice(&answer.body).expect("a document");
                assert_eq!(document, owed, "{body}");
                let decision = client.asks(names.0, names.1, names.2).await;
                assert_eq!(document.decision, decision, "{body}");
                asked += 1;
            }
        }
    }
    let status = client.get("/status").await.json();
    assert_eq!(status["requests"]["explained"], asked);
    let decided = |member: &str| status["requests"][member].as_u64().expect("a count");
    assert_eq!(decided("allowed") + decided("denied"), asked);
}

#[tokio::test]
async fn an_explanation_has_the_limits_and_the_words_of_an_evaluation() {
    let mut on = settings();
    on.serve.explains = true;
    on.serve.limits.body_bytes_max = 400;
    let sidecar = Sidecar::start(World::BuiltIn, &on).await;
    let mut client = sidecar.client().await;
    let good = question(("user", "emi@example.com"), "viewDatastore", ("datastore", "ledger"));
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let large = format!("{good}{}", " ".repeat(400));
    let of_action = r#"{"subject":{"type":"user","id":"ana@example.com"},"action":{"name":"assignTeams"},"resource":{"type":"user","id":"bo@example.com"},"context":{"teams":7}}"#;
    for body in [
        "",
        "[]",
        "{}",
        &deep,
        r#"{"subject":{"type":"user"}}"#,
        of_action,
        &large,
    ] {
        let owed = client.post(EVALUATION, body).await;
        assert!(owed.status.is_client_error(), "{body}");
        // What is too large ends its connection.
        let mut client = sidecar.client().await;
        let answer = client.post(EXPLAIN, body).await;
        assert_eq!((answer.status, answer.text()), (owed.status, owed.text()), "{body}");
    }
    let mut client = sidecar.client().await;
    let answer = client.get(EXPLAIN).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn a_distrusted_kind_of_question_is_explained_as_denied() {
    let mut snapshot = compile_files(&app::built_in(), &Options::default()).expect("the built-in model");
    assert!(
        snapshot.plant(Mistake::Contrary, "datastore-read"),
        "a policy with a compiled form"
    );
    let listener = serve::bind(&Address::Tcp(([127, 0, 0, 1], 0).into())).await.expect("a listener");
    let Address::Tcp(address) = listener.address() else {
        panic!("an address of TCP")
    };
    let settings = ServeSettings {
        compare: CompareSettings {
            one_in: 1,
            before_answer: true,
        },
        explains: true,
        ..ServeSettings::default()
    };
    let _server = serve::serve(vec![listener], Arc::new(Live::fixed(snapshot)), &settings).expect("a server");
    let mut client = Client::connect(address).await;
    // Nobody has asked for an evaluation, and this is the question on which the evaluators disagree.
    let first = question(("user", "emi@example.com"), "viewDatastore", ("datastore", "ledger"));
    let other = question(("user", "ana@example.com"), "viewDatastore", ("datastore", "ledger"));
    for body in [first, other] {
        let document: ExplainDocument =
            serde_json::from_slice(&client.post(EXPLAIN, &body).await.body).expect("a document");
        assert_eq!((document.decision, document.cause.as_str()), (false, "distrusted"));
        // What one evaluator found is no explanation of that.
        assert!(document.determining_policies.is_empty() && document.nearest_permits.is_empty());
        assert!(document.paths.is_empty() && document.remedies.is_empty() && document.without_first.is_none());
    }
}

/// An explanation that waits inside until it is let go.
static HELD: (Mutex<Held>, Condvar) = (Mutex::new(Held::Nobody), Condvar::new());

#[derive(Clone, Copy, PartialEq)]
enum Held {
    Nobody,
    One,
    LetGo,
}

/// Holds the first that comes.
fn hold_the_first() {
    let (state, changed) = &HELD;
    let mut held = state.lock().expect("a lock");
    if *held != Held::Nobody {
        return;
    }
    *held = Held::One;
    changed.notify_all();
    drop(changed.wait_while(held, |held| *held == Held::One).expect("a lock"));
}

#[tokio::test]
async fn decisions_go_on_while_an_explanation_does_and_another_one_has_no_room() {
    let mut on = settings();
    on.serve.explains = true;
    on.serve.limits.explanations_max = 1;
    on.serve.before_decision = Some(hold_the_first);
    // This runtime has one thread: what would keep it would keep the decisions too.
    let sidecar = Sidecar::start(World::BuiltIn, &on).await;
    let mut clients = [sidecar.client().await, sidecar.client().await];
    let body = question(("user", "emi@example.com"), "viewDatastore", ("datastore", "ledger"));
    let [explaining, client] = &mut clients;
    let first = explaining.post(EXPLAIN, &body);
    let meanwhile = async {
        let wait = || {
            let (state, changed) = &HELD;
            let held = state.lock().expect("a lock");
            drop(changed.wait_while(held, |held| *held != Held::One).expect("a lock"));
        };
        tokio::task::spawn_blocking(wait).await.expect("an explanation that is held");
        for _ in 0..20 {
            assert!(!client.asks(("user", "emi@example.com"), "viewDatastore", ("datastore", "ledger")).await);
        }
        let refused = client.post(EXPLAIN, &body).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
        let status = client.get("/status").await.json();
        let counted = (&status["requests"]["explained"], &status["requests"]["explanations_refused"]);
        assert_eq!(counted, (&0.into(), &1.into()));
        *HELD.0.lock().expect("a lock") = Held::LetGo;
        HELD.1.notify_all();
    };
    let (answer, ()) = tokio::join!(first, meanwhile);
    assert_eq!(answer.status, 200);
    // There is room again.
    assert_eq!(client.post(EXPLAIN, &body).await.status, 200);
}

#[tokio::test]
async fn an_explanation_whose_time_is_over_tells_what_it_has() {
    let policies: String = (0..2_000)
        .map(|number| format!("permit (principal in Group::\"g{number}\", action, resource);\n"))
        .collect();
    let sources = Sources {
        schema: vec![Text::new(
            "schema/s.cedarschema",
            "entity User in [Group]; entity Group; entity Doc; \
             action read appliesTo { principal: User, resource: Doc };",
        )],
        policies: vec![Text::new("policies/p.cedar", policies)],
        entities: vec![Text::new(
            "entities/e.json",
            r#"[{ "uid": { "type": "User", "id": "ana" }, "attrs": {}, "parents": [] },
                { "uid": { "type": "Doc", "id": "d" }, "attrs": {}, "parents": [] }]"#,
        )],
        ..Sources::default()
    };
    let snapshot = Snapshot::compile(&sources, &Options::default()).expect("good sources");
    let listener = serve::bind(&Address::Tcp(([127, 0, 0, 1], 0).into())).await.expect("a listener");
    let Address::Tcp(address) = listener.address() else {
        panic!("an address of TCP")
    };
    let mut settings = ServeSettings {
        explains: true,
        ..ServeSettings::default()
    };
    settings.limits.explanation_timeout = Duration::ZERO;
    let _server = serve::serve(vec![listener], Arc::new(Live::fixed(snapshot)), &settings).expect("a server");
    let mut client = Client::connect(address).await;
    let answer = client.post(EXPLAIN, &question(("User", "ana"), "read", ("Doc", "d"))).await;
    let document: ExplainDocument = serde_json::from_slice(&answer.body).expect("a document");
    assert_eq!((document.decision, document.cause.as_str()), (false, "nothing_permits"));
    assert!(document.unfinished && document.remedies_cut);
}
