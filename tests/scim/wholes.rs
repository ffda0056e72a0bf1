//! A PATCH that fails in the middle leaves nothing behind: no state, no byte of a file, no revision.

use serde_json::{Value, json};

use super::sync::{ENTERPRISE, Sync};
use crate::support::{Dice, rounds};

fn word(dice: &mut Dice) -> String {
    format!("w{}", dice.below(1_000))
}

/// What changes something of a user, in any state.
fn good_for_users(dice: &mut Dice) -> Value {
    let (word, other) = (word(dice), word(dice));
    let active = dice.below(2) == 0;
    dice.pick(&[
        json!({"op": "replace", "path": "displayName", "value": word}),
        json!({"op": "Replace", "value": {"active": active, "name.givenName": word}}),
        json!({"op": "replace", "path": "active", "value": "False"}),
        json!({"op": "add", "path": "emails[type eq \"work\"].value", "value": word}),
        json!({"op": "add", "path": "roles", "value": [{"value": word}, {"value": other}]}),
        json!({"op": "remove", "path": "roles"}),
        json!({"op": "replace", "path": "externalId", "value": word}),
        json!({"op": "add", "path": format!("{ENTERPRISE}:department"), "value": other}),
        json!({"op": "replace", "value": {"title": word, "locale": other}}),
    ])
}

/// What changes something of a group, in any state.
fn good_for_groups(dice: &mut Dice, users: &[String]) -> Value {
    let (word, user, other) = (word(dice), dice.pick(users), dice.pick(users));
    dice.pick(&[
        json!({"op": "add", "path": "members", "value": [{"value": user}, {"value": other}]}),
        json!({"op": "remove", "path": format!("members[value eq \"{user}\"]")}),
        json!({"op": "Remove", "path": "members", "value": [{"value": user}]}),
        json!({"op": "replace", "path": "members", "value": [{"value": other}]}),
        json!({"op": "remove", "path": "members"}),
        json!({"op": "replace", "value": {"externalId": word}}),
    ])
}

/// What fails whatever came before it, of which some is found at the end only.
fn bad(dice: &mut Dice, kind: &str) -> (Value, u16) {
    let either = [
        (json!({"op": "replace", "path": "shoe", "value": 9}), 400),
        (json!({"op": "replace", "path": "id", "value": "x"}), 400),
        (json!({"op": "remove"}), 400),
        (json!({"op": "set", "path": "displayName", "value": "x"}), 400),
        (json!({"op": "add", "value": "x"}), 400),
        (json!({"op": "replace", "path": "displayName", "value": {"a": 1}}), 400),
        (json!({"op": "remove", "path": "members[value eq"}), 400),
    ];
    let users = [
        (json!({"op": "replace", "path": "active", "value": "maybe"}), 400),
        (json!({"op": "remove", "path": "userName"}), 400),
        (json!({"op": "replace", "value": {"title": "x", "userName": null}}), 400),
        (
            json!({"op": "add", "path": "emails[type eq \"x\" or type eq \"y\"].value", "value": "x"}),
            400,
        ),
        (json!({"op": "add", "path": "groups", "value": [{"value": "x"}]}), 400),
        (json!({"op": "add", "path": "profileUrl", "value": "x".repeat(70 << 10)}), 413),
        (json!({"op": "replace", "path": "userName", "value": "TAKEN@example.com"}), 409),
    ];
    let groups = [
        (json!({"op": "remove", "path": "displayName"}), 400),
        (json!({"op": "add", "path": "members", "value": [{"display": "x"}]}), 400),
        (json!({"op": "add", "path": "members", "value": [{"value": "nobody"}]}), 400),
        (json!({"op": "replace", "path": "displayName", "value": "x".repeat(256)}), 400),
        (
            json!({"op": "replace", "path": "members[value eq \"x\"].value", "value": "y"}),
            400,
        ),
        (json!({"op": "replace", "path": "displayName", "value": "taken"}), 409),
        (json!({"op": "replace", "value": {"displayName": "public"}}), 409),
    ];
    let own: &[(Value, u16)] = if kind == "Users" { &users } else { &groups };
    if dice.below(2) == 0 {
        dice.pick(&either)
    } else {
        dice.pick(own)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_that_fail_in_the_middle_leave_nothing_behind() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let mut users = Vec::new();
    for name in ["a@example.com", "b@example.com", "c@example.com", "d@example.com"] {
        users.push(provider.user(name).await);
    }
    provider.user("Taken@example.com").await;
    let groups = [
        provider.group("Engineering", &[&users[0]]).await,
        provider.group("taken", &[]).await,
    ];
    sync.let_engineer(&groups[0]).await;
    let mut dice = Dice(9);
    let seen = async || {
        let revision = sync.sidecar.live().current().as_ref().map(|live| live.snapshot.revision().to_owned());
        (
            // Not the audit trail, which has a line of each refused command.
            sync.entities(),
            revision,
            sync.is_engineer("a@example.com").await,
            sync.logs_in("b@example.com").await,
        )
    };
    let mut before = seen().await;
    for round in 0..rounds(1_000) {
        let kind = dice.pick(&["Users", "Groups"]);
        let id = if kind == "Users" {
            dice.pick(&users)
        } else {
            groups[0].clone()
        };
        let count = 1 + dice.below(5);
        let good = |dice: &mut Dice| {
            if kind == "Users" {
                good_for_users(dice)
            } else {
                good_for_groups(dice, &users)
            }
        };
        let mut operations: Vec<Value> = (0..count).map(|_| good(&mut dice)).collect();
        let path = format!("/{kind}/{id}");
        // What is good is good by itself, and so each round begins somewhere else.
        if round % 20 == 0 {
            let status = provider.patch(&path, json!(operations)).await;
            assert!(status == 200 || status == 204, "{status}: {operations:?}");
            before = seen().await;
        }
        let (operation, expected) = bad(&mut dice, kind);
        operations.insert(1 + dice.below(count), operation);
        // Sometimes there is more behind it.
        operations.push(good(&mut dice));
        let status = provider.patch(&path, json!(operations)).await;
        assert_eq!(status, expected, "{operations:?}");
        assert!(seen().await == before, "something is left of {operations:?}");
    }
}
