//! Tokens of directory sync: who has no good one gets nowhere, one ends while it is used, and one takes another's place.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use gatepost::app::{TOKENS_FILE, change_tokens};
use gatepost::callers::{Principal, Scope};
use serde_json::{Value, json};

use super::sync::{Provider, Sync, USER};
use crate::support::PATIENCE;

/// Makes a token for directory sync beside those that there are, as `gatepost token create` does.
fn token(sync: &Sync, name: &str, created: DateTime<Utc>, expires: Option<DateTime<Utc>>) -> String {
    token_of(sync, name, ("ServiceUser", "directory-sync"), created, expires)
}

fn token_of(
    sync: &Sync,
    name: &str,
    (entity_type, id): (&str, &str),
    created: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
) -> String {
    let principal = Principal {
        entity_type: entity_type.to_owned(),
        id: id.to_owned(),
    };
    let made = change_tokens(&sync.root.path().join(TOKENS_FILE), |callers| {
        callers.create(name, principal, &[Scope::Scim], created, expires)
    });
    made.expect("a token").reveal().to_owned()
}

/// Asks until a token is answered like this.
async fn comes(provider: &mut Provider, status: u16) {
    let since = Instant::now();
    while provider.send("GET", "/Users?count=0", "").await.status != status {
        assert!(since.elapsed() < PATIENCE, "{status} does not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_groups_are_shown_to_those_who_may_see_all_of_them() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (user, group) = (provider.user("a@example.com").await, provider.group("g", &[]).await);
    let good = provider.token.clone();
    for (number, (principal, words)) in [
        (("ServiceUser", "nightly-scan"), "only an Admin may (R12)"),
        (("user", "carla@example.com"), "only an Admin may (R12)"),
        (("user", "nobody@example.com"), "is not in the directory"),
        (("user", "bo@example.com"), "is deactivated (R6)"),
    ]
    .into_iter()
    .enumerate()
    {
        provider.token = token_of(&sync, &number.to_string(), principal, Utc::now(), None);
        comes(provider, 403).await;
        for (method, path, body) in [
            ("GET", "/Users".to_owned(), ""),
            ("GET", "/Groups?count=0".to_owned(), ""),
            ("HEAD", format!("/Users/{user}"), ""),
            ("GET", format!("/Groups/{group}"), ""),
            ("GET", "/Users/unknown".to_owned(), ""),
            ("POST", "/Users/.search".to_owned(), "{}"),
        ] {
            let answer = provider.send(method, &path, body).await;
            assert_eq!(answer.status, 403, "{principal:?} {method} {path}");
            assert!(method == "HEAD" || answer.text().contains(words), "{}", answer.text());
        }
        // What the server is, is no secret.
        assert_eq!(provider.send("GET", "/ServiceProviderConfig", "").await.status, 200);
    }
    provider.token = good;
    assert_eq!(provider.get("/Users").await["totalResults"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_good_token_gets_nowhere() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (user, group) = (provider.user("a@example.com").await, provider.group("g", &[]).await);
    let now = Utc::now();
    let expired = token(&sync, "old", now - TimeDelta::days(2), Some(now - TimeDelta::days(1)));
    // The one before it in the file is good from when the file was read again, and so the next is known.
    let fresh = token(&sync, "fresh", now, None);
    let good = std::mem::replace(&mut provider.token, fresh.clone());
    comes(provider, 200).await;
    let before = sync.entities();
    let user_body = json!({"schemas": [USER], "userName": "b@example.com"}).to_string();
    let off = json!({"Operations": [{"op": "replace", "value": {"active": false}}]}).to_string();
    for (token, status) in [
        ("", 401),
        ("gatepost_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 401),
        (&good[..good.len() - 1], 401),
        (&good.to_uppercase(), 401),
        (&expired, 401),
        (&sync.other_token, 403),
    ] {
        provider.token = token.to_owned();
        for (method, path, body) in [
            ("GET", "/Users".to_owned(), ""),
            ("GET", "/ServiceProviderConfig".to_owned(), ""),
            ("GET", "/nothing".to_owned(), ""),
            ("POST", "/Users".to_owned(), user_body.as_str()),
            ("POST", "/Users".to_owned(), "{"),
            ("PUT", format!("/Users/{user}"), &user_body),
            ("PATCH", format!("/Users/{user}"), &off),
            ("DELETE", format!("/Users/{user}"), ""),
            ("DELETE", format!("/Groups/{group}"), ""),
        ] {
            let answer = provider.send(method, &path, body).await;
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{method} {path}");
            assert_eq!(answer.json()["status"], status.to_string());
        }
    }
    assert_eq!(sync.entities(), before);
    assert!(sync.logs_in("a@example.com").await && !sync.logs_in("b@example.com").await);
    provider.token = good.clone();
    assert_eq!(provider.get("/Users").await["totalResults"], 1);
    // A token of directory sync is good for nothing else, and nothing of it is on the listener of decisions.
    let authorization = format!("Bearer {good}");
    for path in ["/v1/admin/users", "/v1/admin/users/a@example.com", "/v1/admin/nothing"] {
        let answer = provider.client.send("GET", path, &[("authorization", &authorization)], b"").await;
        assert_eq!(answer.status, 403, "{path}");
    }
    assert_eq!(sync.sidecar.client().await.get("/scim/v2/Users").await.status, 404);
}

/// Writes another end of a token into the file.
fn end(sync: &Sync, name: &str, expires: DateTime<Utc>) {
    let mut tokens: Value = serde_json::from_str(&sync.root.read(TOKENS_FILE)).expect("JSON");
    let tokens_list = tokens["tokens"].as_array_mut().expect("a list");
    let token = tokens_list.iter_mut().find(|token| token["name"] == name).expect("the token");
    token["expires"] = json!(expires);
    let (path, fresh) = (sync.root.path().join(TOKENS_FILE), sync.root.path().join(".tokens"));
    fs::copy(&path, &fresh).expect("a copy, with its mode");
    fs::write(&fresh, tokens.to_string()).expect("a file");
    fs::rename(&fresh, &path).expect("a file in its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_while_it_is_used_is_good_until_then() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let path = format!("/Users/{}", provider.user("a@example.com").await);
    let expires = Utc::now() + TimeDelta::milliseconds(400);
    end(&sync, "okta", expires);
    let since = Instant::now();
    for number in 0_u64.. {
        let title = json!({"Operations": [{"op": "replace", "path": "title", "value": format!("t{number}")}]});
        let begun = Utc::now();
        let status = provider.send("PATCH", &path, &title.to_string()).await.status.as_u16();
        if status == 401 {
            assert!(Utc::now() >= expires, "it was refused before its end");
            break;
        }
        assert_eq!(status, 200);
        // The file is looked at ten times a second, and the machine may be busy.
        assert!(begun < expires || since.elapsed() < PATIENCE, "it is good for ever");
    }
    // On that connection and on others, and whatever is asked.
    let before = sync.written();
    let another = &mut sync.provider().await;
    for provider in [provider, another] {
        for (method, body) in [("GET", ""), ("DELETE", ""), ("PATCH", "{}")] {
            assert_eq!(provider.send(method, &path, body).await.status, 401, "{method}");
        }
    }
    assert_eq!(sync.written(), before);
    assert!(sync.logs_in("a@example.com").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_takes_the_place_of_another_without_a_failed_request() {
    let sync = Sync::start().await;
    let watcher = &mut sync.provider().await;
    let current = Arc::new(ArcSwap::from_pointee(sync.token.clone()));
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut load = tokio::task::JoinSet::new();
    for client in 0..4 {
        let (current, stop, asked) = (current.clone(), stop.clone(), asked.clone());
        let mut provider = sync.provider().await;
        let path = format!("/Users/{}", provider.user(&format!("u{client}@example.com")).await);
        load.spawn(async move {
            let mut titles = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                provider.token = current.load().to_string();
                let operation = json!({"op": "replace", "path": "title", "value": format!("t{titles}")});
                assert_eq!(provider.patch(&path, json!([operation])).await, 200);
                assert_eq!(provider.get(&path).await["title"], format!("t{titles}"));
                titles += 1;
                asked.fetch_add(2, Ordering::Relaxed);
            }
        });
    }
    // Whoever still had the old token has finished with it when each has asked again.
    let more = async |load: &tokio::task::JoinSet<()>| {
        let (begun, since) = (asked.load(Ordering::Relaxed), Instant::now());
        while asked.load(Ordering::Relaxed) < begun + 32 {
            assert!(since.elapsed() < PATIENCE && load.len() == 4);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for (old, new) in [("okta", "okta-2"), ("okta-2", "okta-3")] {
        more(&load).await;
        let next = token(&sync, new, Utc::now(), None);
        let last = std::mem::replace(&mut watcher.token, next.clone());
        comes(watcher, 200).await;
        // Both are good at once.
        watcher.token = last.clone();
        assert_eq!(watcher.send("GET", "/Users", "").await.status, 200);
        current.store(Arc::new(next.clone()));
        more(&load).await;
        let revoked = change_tokens(&sync.root.path().join(TOKENS_FILE), |callers| Ok(callers.revoke(old)));
        assert!(revoked.expect("a file"));
        comes(watcher, 401).await;
        more(&load).await;
        watcher.token = next;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.expect("no failed request");
    }
    assert!(asked.load(Ordering::Relaxed) >= 6 * 32);
}
