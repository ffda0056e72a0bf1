//! What those learn and can do who may do nothing: strangers, and tokens of accounts that are gone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::world::{World, token};
use gatepost::callers::{Scope, TokenError};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_see_nothing_does_not_learn_what_there_is() {
    let world = World::new().await;
    // A deactivated account, and one that is in no file.
    for who in ["bo", "nobody"] {
        let caller = &mut world.caller(who).await;
        let requests = |team: &str, user: &str| {
            [
                ("PATCH", format!("/v1/admin/teams/{team}"), "{\"description\":\"x\"}".to_owned()),
                ("DELETE", format!("/v1/admin/teams/{team}"), String::new()),
                ("PUT", format!("/v1/admin/teams/{team}/users/{user}"), String::new()),
                ("POST", format!("/v1/admin/users/{user}/deactivate"), String::new()),
                ("PATCH", format!("/v1/admin/users/{user}"), "{\"role\":\"Admin\"}".to_owned()),
            ]
        };
        let there = requests("finance", "carla@example.com");
        let nowhere = requests("nothing", "nobody.at.all@example.com");
        for ((method, path, body), (_, other, _)) in there.into_iter().zip(nowhere) {
            let told = caller.does(method, &path, &body).await;
            let untold = caller.does(method, &other, &body).await;
            let known = told.text().replace("finance", "…").replace("carla@example.com", "…");
            let unknown = untold.text().replace("nothing", "…").replace("nobody.at.all@example.com", "…");
            let plain = |text: &str| {
                let mut json: serde_json::Value = serde_json::from_str(text).expect("a problem");
                json["instance"].take();
                json
            };
            assert_eq!(told.status, untold.status, "{who} {method} {path}");
            assert_eq!(plain(&known), plain(&unknown), "{who} {method} {path}");
        }
    }
    // Nor does a Member learn what a team has.
    let emi = &mut world.caller("emi").await;
    for team in ["finance", "nothing"] {
        assert_eq!(
            emi.get(&format!("/v1/admin/datastores?team={team}")).await.status,
            400,
            "{team}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_their_own_access_away_is_told_that_it_is_done_and_shown_nothing() {
    let world = World::new().await;
    let ana = &mut world.caller("ana").await;
    let done = ana.does("POST", "/v1/admin/users/ana@example.com/deactivate", "").await;
    assert_eq!((done.status.as_u16(), done.text()), (204, ""));
    assert_eq!(ana.get("/v1/admin/users/ana@example.com").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_outlives_its_account_and_is_good_for_no_other() {
    let world = World::new().await;
    let ana = &mut world.caller("ana").await;
    token(world.root.path(), "scanner", ("ServiceUser", "nightly-scan"), &[Scope::Admin]);
    assert_eq!(ana.does("DELETE", "/v1/admin/service-users/nightly-scan", "").await.status, 204);
    let again = "{\"id\":\"nightly-scan\",\"role\":\"Admin\"}";
    let refused = ana.does("POST", "/v1/admin/service-users", again).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("`scanner`"), "{}", refused.text());
    // While nobody can say which tokens there are, there may be such ones.
    let tokens = world.root.path().join(gatepost::app::TOKENS_FILE);
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o644)).expect("a mode");
    assert_eq!(ana.does("POST", "/v1/admin/service-users", again).await.status, 500);
    fs::set_permissions(&tokens, fs::Permissions::from_mode(0o600)).expect("a mode");
    // What is there already is told as that, and not as somebody's tokens.
    let there = ana.does("POST", "/v1/admin/service-users", "{\"id\":\"provisioner\"}").await;
    assert!(there.status == 409 && !there.text().contains("tokens"), "{}", there.text());
    let revoke = |callers: &mut gatepost::callers::Callers| Ok::<_, TokenError>(callers.revoke("scanner"));
    gatepost::app::change_tokens(&world.root.path().join(gatepost::app::TOKENS_FILE), revoke).expect("revoked");
    assert_eq!(ana.does("POST", "/v1/admin/service-users", again).await.status, 201);
}
