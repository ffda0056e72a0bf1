//! Explanations over HTTP: off unless they are switched on, and then those of the engine.

use std::sync::Arc;

use gatepost::app::{self, World};
use gatepost::engine::{Mistake, Options, Query};
use gatepost::serve::{self, Address, CompareSettings, ExplainDocument, ServeSettings, explain_document};
use gatepost::store::{Live, compile_files};
use serde_json::Value;

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
    assert!(!client.asks(("user", "emi@example.com"), "viewDatastore", ("datastore", "ledger")).await);
    let body = question(("user", "ana@example.com"), "viewDatastore", ("datastore", "ledger"));
    let document: Value = client.post(EXPLAIN, &body).await.json();
    assert_eq!(
        (&document["decision"], &document["cause"]),
        (&false.into(), &"distrusted".into())
    );
}
