//! Cedar's evaluator beside ours in service: what is compared, and what a disagreement does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::app;
use gatepost::engine::{Mistake, Options, Snapshot};
use gatepost::serve::{self, Address, CompareSettings, ServeSettings, Server};
use gatepost::store::{Live, compile_files};
use serde_json::{Value, json};

use crate::support::Client;

/// A server over a snapshot, and where it listens.
async fn serve(snapshot: Snapshot, compare: CompareSettings) -> (Server, SocketAddr) {
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = serve::bind(&Address::Tcp(address)).await.expect("a listener");
    let Address::Tcp(address) = listener.address() else {
        panic!("an address of TCP")
    };
    let settings = ServeSettings {
        compare,
        ..ServeSettings::default()
    };
    (
        serve::serve(vec![listener], Arc::new(Live::fixed(snapshot)), &settings).expect("a server"),
        address,
    )
}

fn model() -> Snapshot {
    compile_files(&app::built_in(), &Options::default()).expect("the built-in model")
}

fn question(user: &str, action: &str, datastore: &str) -> Vec<u8> {
    json!({
        "subject": { "type": "user", "id": user },
        "action": { "name": action },
        "resource": { "type": "datastore", "id": datastore },
    })
    .to_string()
    .into_bytes()
}

async fn allows(client: &mut Client, user: &str, action: &str, datastore: &str) -> bool {
    let headers = [("content-type", "application/json")];
    let body = question(user, action, datastore);
    let answer = client.send("POST", "/access/v1/evaluation", &headers, &body).await;
    answer.json()["decision"].as_bool().expect("a decision")
}

async fn comparisons(client: &mut Client) -> Value {
    client.send("GET", "/status", &[], b"").await.json()["comparisons"].clone()
}

#[tokio::test]
async fn what_is_chosen_is_compared_and_agrees() {
    for (compare, expected) in [
        (
            CompareSettings {
                one_in: 1,
                before_answer: false,
            },
            60,
        ),
        (
            CompareSettings {
                one_in: 1,
                before_answer: true,
            },
            60,
        ),
        (
            CompareSettings {
                one_in: 10,
                before_answer: true,
            },
            6,
        ),
        (
            CompareSettings {
                one_in: 0,
                before_answer: true,
            },
            0,
        ),
    ] {
        let (server, address) = serve(model(), compare).await;
        let mut client = Client::connect(address).await;
        for _ in 0..20 {
            assert!(allows(&mut client, "carla@example.com", "viewDatastore", "ledger").await);
            assert!(!allows(&mut client, "emi@example.com", "viewDatastore", "ledger").await);
            assert!(!allows(&mut client, "nobody@example.com", "viewDatastore", "ledger").await);
        }
        // Off the way of the answer, it may come a little later.
        let since = Instant::now();
        let told = loop {
            let told = comparisons(&mut client).await;
            let done = told["compared"].as_u64().expect("a count") + told["passed_over"].as_u64().expect("a count");
            if done >= expected || since.elapsed() > Duration::from_secs(5) {
                break told;
            }
        };
        // What waits where many wait is passed over, and told so.
        let passed_over = if compare.before_answer {
            0
        } else {
            told["passed_over"].as_u64().expect("a count")
        };
        let compared = told["compared"].as_u64().expect("a count");
        assert_eq!(compared + passed_over, expected, "{compare:?}: {told}");
        assert!(compared > 0 || expected == 0, "{compare:?}: {told}");
        assert_eq!(told["disagreements"], 0, "{compare:?}: {told}");
        assert_eq!(told["denied"], json!([]), "{compare:?}: {told}");
        server.shut_down().await;
    }
}

#[tokio::test]
async fn a_wrong_compiled_policy_is_caught_denied_and_told() {
    for before_answer in [true, false] {
        let mut snapshot = model();
        // Whoever is in no team of readers may read, and nobody else.
        let planted = snapshot.plant(Mistake::Contrary, "datastore-read");
        assert!(planted, "a policy with a compiled form");
        let compare = CompareSettings {
            one_in: 1,
            before_answer,
        };
        let (server, address) = serve(snapshot, compare).await;
        let mut client = Client::connect(address).await;

        // Without the mistake this is denied. With it, it is never allowed twice, and not even once where both are
        // asked before the answer.
        let first = allows(&mut client, "emi@example.com", "viewDatastore", "ledger").await;
        assert!(!(before_answer && first), "the mistake was served");
        let since = Instant::now();
        while comparisons(&mut client).await["disagreements"] == 0 {
            assert!(since.elapsed() < Duration::from_secs(5), "no disagreement was seen");
        }
        assert!(!allows(&mut client, "emi@example.com", "viewDatastore", "ledger").await);
        // Every question of the kind is denied, and those of others are not.
        assert!(!allows(&mut client, "ana@example.com", "viewDatastore", "ledger").await);
        assert!(allows(&mut client, "ana@example.com", "deleteDatastore", "ledger").await);
        let told = comparisons(&mut client).await;
        let kind =
            json!({ "principal_type": "User", "action": "Action::\"viewDatastore\"", "resource_type": "Datastore" });
        assert_eq!(told["denied"], json!([kind]), "{told}");
        server.shut_down().await;
    }
}

#[tokio::test]
async fn a_compiled_policy_that_errs_alone_is_caught_at_its_first_question_whatever_is_sampled() {
    for (one_in, before_answer) in [(0, false), (1, false), (1, true)] {
        let mut snapshot = model();
        let planted = snapshot.plant(Mistake::Error, "datastore-read");
        assert!(planted, "a policy with a compiled form");
        let compare = CompareSettings { one_in, before_answer };
        let (server, address) = serve(snapshot, compare).await;
        let mut client = Client::connect(address).await;

        // Another policy permits this, and yet nothing is allowed on the word of one evaluator.
        assert!(
            !allows(&mut client, "ana@example.com", "viewDatastore", "ledger").await,
            "{compare:?}"
        );
        let told = comparisons(&mut client).await;
        let kind =
            json!({ "principal_type": "User", "action": "Action::\"viewDatastore\"", "resource_type": "Datastore" });
        assert_eq!(told["denied"], json!([kind]), "{compare:?}: {told}");
        // From then on the kind is denied before anybody evaluates.
        assert!(
            !allows(&mut client, "ana@example.com", "viewDatastore", "payroll").await,
            "{compare:?}"
        );
        assert!(
            allows(&mut client, "ana@example.com", "deleteDatastore", "ledger").await,
            "{compare:?}"
        );
        assert_eq!(comparisons(&mut client).await["disagreements"], 1, "{compare:?}");
        server.shut_down().await;
    }
}
