//! What stays an Admin's: roles, the last Admin, levels and datastores of teams. Each is decided afterwards.

use serde_json::{Value, json};

use super::sync::{Provider, Sync};
use crate::admin::world::{JSON, MERGE_PATCH, NEWEST};
use crate::support::Client;

/// Asks the admin API, and wants a status.
pub async fn admin(sync: &Sync, method: &str, path: &str, body: &Value, status: u16) -> Value {
    let authorization = format!("Bearer {}", sync.other_token);
    let content_type = if method == "PATCH" { MERGE_PATCH } else { JSON };
    let mut headers = vec![("authorization", authorization.as_str())];
    if method == "PATCH" || method == "DELETE" {
        headers.push(NEWEST);
    }
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    if !text.is_empty() {
        headers.push(content_type);
    }
    let mut client = Client::connect(sync.admin_address()).await;
    let answer = client.send(method, &format!("/v1/admin/{path}"), &headers, text.as_bytes()).await;
    assert_eq!(answer.status, status, "{method} {path} {text}: {}", answer.text());
    if answer.body.is_empty() {
        Value::Null
    } else {
        answer.json()
    }
}

async fn may(sync: &Sync, user: &str, action: &str, datastore: &str) -> bool {
    sync.sidecar.client().await.asks(("User", user), action, ("Datastore", datastore)).await
}

pub async fn is_admin(sync: &Sync, user: &str) -> bool {
    sync.sidecar
        .client()
        .await
        .asks(("User", user), "manageSettings", ("Platform", "main"))
        .await
}

/// Each way in which directory sync can take everything from somebody.
async fn takes_all(provider: &mut Provider, user: &str, name: &str, status: u16) {
    let path = format!("/Users/{user}");
    for operation in [
        json!({"op": "replace", "path": "active", "value": false}),
        json!({"op": "Replace", "path": "active", "value": "False"}),
        json!({"op": "replace", "value": {"active": false, "title": "Clerk"}}),
    ] {
        assert_eq!(provider.patch(&path, json!([operation])).await, status, "{operation}");
    }
    provider.ask("PUT", &path, &json!({"userName": name, "active": false}), status).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_active_admin_stays_whatever_directory_sync_says() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let who = "a@example.com";
    let user = provider.user(who).await;
    assert!(!is_admin(&sync, who).await);
    admin(&sync, "PATCH", &format!("users/{who}"), &json!({"role": "Admin"}), 200).await;
    assert!(is_admin(&sync, who).await);
    for other in ["ana@example.com", "theo@example.com"] {
        admin(&sync, "POST", &format!("users/{other}/deactivate"), &Value::Null, 200).await;
        assert!(!is_admin(&sync, other).await);
    }
    let before = sync.entities();
    takes_all(provider, &user, who, 409).await;
    provider.ask("DELETE", &format!("/Users/{user}"), &Value::Null, 409).await;
    assert_eq!(sync.entities(), before);
    assert!(is_admin(&sync, who).await && sync.logs_in(who).await);
    assert_eq!(provider.get(&format!("/Users/{user}")).await["active"], true);
    // Once there is another one, it is done; the role comes back with the account, and not with the name alone.
    admin(&sync, "POST", "users/ana@example.com/reactivate", &Value::Null, 200).await;
    takes_all(provider, &user, who, 200).await;
    assert!(!is_admin(&sync, who).await && !sync.logs_in(who).await);
    let on = json!([{"op": "replace", "path": "active", "value": true}]);
    assert_eq!(provider.patch(&format!("/Users/{user}"), on).await, 200);
    assert!(is_admin(&sync, who).await);
    provider.ask("DELETE", &format!("/Users/{user}"), &Value::Null, 204).await;
    assert!(!is_admin(&sync, who).await);
    provider.ask("POST", "/Users", &json!({"userName": who}), 409).await;
    admin(&sync, "DELETE", &format!("retired-users/{who}"), &Value::Null, 204).await;
    provider.user(who).await;
    assert!(sync.logs_in(who).await && !is_admin(&sync, who).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_directory_sync_says_makes_an_admin() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let who = "a@example.com";
    let extension = "urn:ietf:params:scim:schemas:extension:gatepost:2.0:User";
    let claims = json!({"userName": who, "role": "Admin", "roles": [{"value": "Admin", "type": "Role", "primary": true}],
        "entitlements": [{"value": "Admin"}], "userType": "Admin", "groups": [{"value": "Admin", "display": "Admin"}],
        "scim": {"role": "Admin"}, "teams": ["finance"], (extension): {"role": "Admin"}});
    let user = provider.ask("POST", "/Users", &claims, 201).await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    for name in ["Admin", "Admins", "admin"] {
        let status = provider
            .send(
                "POST",
                "/Groups",
                &json!({"displayName": name, "members": [{"value": user}], "roles": ["Admin"], "role": "Admin"})
                    .to_string(),
            )
            .await
            .status;
        assert!(status == 201 || status == 409, "{name}: {status}");
    }
    let path = format!("/Users/{user}");
    provider.ask("PUT", &path, &claims, 200).await;
    for (operation, status) in [
        (json!({"op": "add", "path": "roles", "value": [{"value": "Admin"}]}), 200),
        (json!({"op": "add", "path": "roles", "value": "Admin"}), 200),
        (json!({"op": "replace", "value": claims}), 200),
        (json!({"op": "add", "path": format!("{extension}:role"), "value": "Admin"}), 200),
        (json!({"op": "add", "path": "role", "value": "Admin"}), 400),
        (json!({"op": "add", "path": "teams", "value": ["finance"]}), 400),
        (json!({"op": "add", "path": "groups", "value": [{"value": "finance"}]}), 400),
    ] {
        assert_eq!(provider.patch(&path, json!([operation])).await, status, "{operation}");
    }
    assert!(sync.logs_in(who).await && !is_admin(&sync, who).await);
    assert!(!may(&sync, who, "viewDatastore", "ledger").await);
    assert_eq!(
        admin(&sync, "GET", &format!("users/{who}"), &Value::Null, 200).await["role"],
        "Member"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_grants_what_an_admin_gave_its_team_and_nothing_before() {
    let sync = Sync::start().await;
    let provider = &mut sync.provider().await;
    let (a, b) = ("a@example.com", "b@example.com");
    let (first, second) = (provider.user(a).await, provider.user(b).await);
    let claims = json!({"displayName": "Analysts", "members": [{"value": first}], "permission": "write", "level": "write",
        "datastores": ["orders", {"id": "payroll", "permission": "write"}], "enrichment_datastores": ["orders-quality"],
        "roles": [{"value": "write"}], "scim": {"permission": "write"},
        "urn:ietf:params:scim:schemas:extension:gatepost:2.0:Group": {"permission": "write", "datastores": ["orders"]}});
    let group = provider.ask("POST", "/Groups", &claims, 201).await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/Groups/{group}");
    let rights = async |user: &str| {
        let mut rights = Vec::new();
        for (action, datastore) in [
            ("viewDatastore", "orders"),
            ("runOperation", "orders"),
            ("viewDatastore", "payroll"),
        ] {
            rights.push(may(&sync, user, action, datastore).await);
        }
        rights
    };
    let team = async |group: &str| {
        let team = admin(&sync, "GET", &format!("teams/{group}"), &Value::Null, 200).await;
        ["permission", "datastores", "enrichment_datastores"].map(|name| team.get(name).cloned().unwrap_or_default())
    };
    let (nothing, bare) = (vec![false; 3], team(&group).await);
    assert_eq!(rights(a).await, nothing);
    let refused = admin(&sync, "PUT", &format!("teams/{group}/datastores/orders"), &Value::Null, 409).await;
    let detail = refused["detail"].as_str().expect("a detail");
    assert!(detail.contains("set the team's `permission` first"), "{detail}");
    let given = json!({"permission": "read", "datastores": ["orders"], "enrichment_datastores": ["orders-quality"]});
    admin(&sync, "PATCH", &format!("teams/{group}"), &given, 200).await;
    let (reads, set) = (vec![true, false, false], team(&group).await);
    assert!(set != bare);
    assert_eq!((rights(a).await, rights(b).await), (reads.clone(), nothing.clone()));
    // Whatever is written of the group, its members change and what they get does not.
    let add = json!({"op": "add", "path": "members", "value": [{"value": second}]});
    let remove = json!({"op": "remove", "path": format!("members[value eq \"{second}\"]")});
    let name = json!({"op": "replace", "value": {"id": group, "displayName": "Analysts 2"}});
    for (method, body, status, is_in) in [
        ("PUT", claims.clone(), 200, [true, false]),
        ("PATCH", json!({"Operations": [add]}), 204, [true, true]),
        (
            "PATCH",
            json!({"Operations": [{"op": "replace", "value": claims}]}),
            204,
            [true, false],
        ),
        (
            "PATCH",
            json!({"Operations": [add, {"op": "add", "path": "permission", "value": "write"}]}),
            400,
            [true, false],
        ),
        (
            "PATCH",
            json!({"Operations": [{"op": "remove", "path": "datastores"}]}),
            400,
            [true, false],
        ),
        ("PATCH", json!({"Operations": [name, add]}), 204, [true, true]),
        ("PATCH", json!({"Operations": [remove]}), 204, [true, false]),
        ("PUT", json!({"displayName": "Analysts", "members": []}), 200, [false, false]),
        (
            "PUT",
            json!({"displayName": "Analysts", "members": [{"value": first}]}),
            200,
            [true, false],
        ),
    ] {
        provider.ask(method, &path, &body, status).await;
        assert_eq!(team(&group).await, set, "{method} {body}");
        for (user, is_in) in [a, b].into_iter().zip(is_in) {
            assert_eq!(
                rights(user).await,
                if is_in { reads.clone() } else { nothing.clone() },
                "{user}: {method} {body}"
            );
        }
    }
    // Deactivation takes it, and reactivation gives it back, with a team that an Admin put the person into (R7).
    admin(&sync, "PUT", &format!("teams/marketing/users/{a}"), &Value::Null, 204).await;
    assert!(may(&sync, a, "viewDatastore", "customers").await);
    for (active, expected) in [(false, &nothing), (true, &reads)] {
        let operation = json!([{"op": "replace", "path": "active", "value": active}]);
        assert_eq!(provider.patch(&format!("/Users/{first}"), operation).await, 200);
        assert_eq!(&rights(a).await, expected);
        assert_eq!(may(&sync, a, "viewDatastore", "customers").await, active);
    }
    // A group of the same name is another team, to which nobody has given anything.
    provider.ask("DELETE", &path, &Value::Null, 204).await;
    assert_eq!(rights(a).await, nothing);
    let again = provider.group("Analysts", &[&first]).await;
    assert_eq!((rights(a).await, team(&again).await), (nothing, bare));
}
