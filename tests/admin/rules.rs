//! The rules of the access model, each through the admin API, and what the decision point answers afterwards.

use crate::admin::world::World;
use crate::support::Root;

/// Who, what, with which body; the status, and the rule that a refusal names; and decisions afterwards:
/// `carla manageTags main deny`, several with `; ` between.
type Step = (&'static str, &'static str, &'static str, u16, &'static str, &'static str);

/// What is refused leaves everything as it was.
async fn tell(story: &str, steps: &[Step]) {
    tell_on(story, Root::bundled(), steps).await;
}

async fn tell_on(story: &str, root: Root, steps: &[Step]) {
    let world = World::on(root).await;
    for (who, request, body, status, rule, decisions) in steps {
        let what = format!("{story}: {who} {request} {body}");
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let path = format!("/v1/admin/{path}");
        let before = world.revision();
        let answer = world.caller(who).await.does(method, &path, body).await;
        assert_eq!(answer.status, *status, "{what}: {}", answer.text());
        let is_refused = *status >= 400;
        if is_refused {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
            let problem = answer.json();
            assert_eq!(problem["status"], *status, "{what}");
            let told: Vec<&str> = problem["rule"].as_str().unwrap_or_default().split(", ").collect();
            assert!(rule.is_empty() || told.contains(rule), "{what}: {problem}");
            assert_eq!(world.revision(), before, "{what}: a refusal changed something");
        } else {
            assert!(rule.is_empty(), "{what}: it should be refused");
            if method != "GET" {
                assert_eq!(answer.header("gatepost-revision"), Some(world.revision().as_str()), "{what}");
            }
        }
        for decision in decisions.split("; ").filter(|decision| !decision.is_empty()) {
            let words: Vec<&str> = decision.split(' ').collect();
            let [principal, action, resource, wanted] = words[..] else {
                panic!("{what}: `{decision}`")
            };
            let allowed = world.may(entity(principal), action, entity(resource)).await;
            assert_eq!(allowed, wanted == "allow", "{what}: {decision}");
        }
    }
}

/// People by the part before the `@`; others with their type, or by what they are known for.
fn entity(name: &'static str) -> (&'static str, &'static str) {
    match name {
        "main" => ("platform", "main"),
        "ana" => ("user", "ana@example.com"),
        "theo" => ("user", "theo@example.com"),
        "mina" => ("user", "mina@example.com"),
        "joris" => ("user", "joris@example.com"),
        "bo" => ("user", "bo@example.com"),
        "carla" => ("user", "carla@example.com"),
        "dev" => ("user", "dev@example.com"),
        "emi" => ("user", "emi@example.com"),
        "hugo" => ("user", "hugo@example.com"),
        "sam" => ("user", "sam@example.com"),
        "nightly-scan" | "provisioner" | "robot" => ("serviceuser", name),
        _ => name.split_once(':').unwrap_or(("datastore", name)),
    }
}

#[tokio::test]
#[rustfmt::skip]
async fn an_account_has_exactly_one_role() {
    tell("R1", &[
        ("ana", "PATCH users/carla@example.com", r#"{"role":"Boss"}"#, 422, "", "carla manageTags main deny"),
        ("ana", "PATCH users/carla@example.com", r#"{"role":["Member","Manager"]}"#, 422, "", "carla manageTags main deny"),
        ("ana", "PATCH users/carla@example.com", r#"{"role":null}"#, 422, "", "carla runOperation ledger allow"),
        ("ana", "POST service-users", r#"{"id":"robot","role":"none"}"#, 422, "", "robot runOperation ledger deny"),
        ("ana", "PATCH users/carla@example.com", r#"{"role":"Manager"}"#, 200, "", "carla manageTags main allow; carla manageSettings main deny"),
        ("ana", "PATCH users/carla@example.com", r#"{"role":"Member"}"#, 200, "", "carla manageTags main deny"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn a_service_user_never_logs_in_whatever_its_role() {
    tell("R2", &[
        ("ana", "POST service-users", r#"{"id":"robot","role":"Admin"}"#, 201, "", "robot logIn main deny; robot manageSettings main allow"),
        ("ana", "PATCH service-users/nightly-scan", r#"{"role":"Admin"}"#, 200, "", "nightly-scan logIn main deny"),
        ("ana", "POST users/carla@example.com/deactivate", "", 200, "", "carla logIn main deny"),
        ("ana", "POST users/carla@example.com/reactivate", "", 200, "", "carla logIn main allow"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn only_an_admin_manages_other_peoples_accounts() {
    tell("R3", &[
        ("mina", "PATCH users/carla@example.com", r#"{"role":"Manager"}"#, 403, "R3", "carla manageTags main deny"),
        ("mina", "PATCH users/carla@example.com", r#"{"teams":["sales"]}"#, 403, "R3", "carla read orders deny"),
        ("mina", "PUT teams/sales/users/carla@example.com", "", 403, "R3", "carla read orders deny"),
        ("mina", "POST users/carla@example.com/deactivate", "", 403, "R3", "carla runOperation ledger allow"),
        ("mina", "POST users/bo@example.com/reactivate", "", 403, "R3", "bo runOperation ledger deny"),
        ("carla", "POST users/dev@example.com/deactivate", "", 403, "R3", "dev runOperation orders allow"),
        ("nobody", "POST users/dev@example.com/deactivate", "", 403, "", "dev runOperation orders allow"),
        ("mina", "GET users/carla@example.com", "", 403, "R12", ""),
        ("ana", "PATCH users/carla@example.com", r#"{"teams":["sales"]}"#, 200, "", "carla read orders allow; carla read ledger deny"),
        ("ana", "PUT teams/finance/users/carla@example.com", "", 204, "", "carla read ledger allow"),
        ("provisioner", "PATCH users/carla@example.com", r#"{"role":"Manager"}"#, 200, "", "carla manageTags main allow"),
        ("theo", "POST users/carla@example.com/deactivate", "", 200, "", "carla read orders deny; carla manageTags main deny"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn nobody_changes_their_own_role_or_teams() {
    tell("R4", &[
        ("ana", "PATCH users/ana@example.com", r#"{"role":"Member"}"#, 403, "R4", "ana manageSettings main allow"),
        ("ana", "PATCH users/ana@example.com", r#"{"teams":["sales"]}"#, 403, "R4", ""),
        ("ana", "PUT teams/sales/users/ana@example.com", "", 403, "R4", ""),
        ("ana", "DELETE teams/finance/users/ana@example.com", "", 403, "R4", ""),
        ("ana", "PATCH teams/finance", r#"{"users":["bo@example.com"]}"#, 403, "R4", ""),
        ("carla", "PATCH users/carla@example.com", r#"{"role":"Admin"}"#, 403, "R4", "carla manageSettings main deny"),
        ("provisioner", "PATCH service-users/provisioner", r#"{"role":"Member"}"#, 403, "R4", "provisioner manageSettings main allow"),
        ("provisioner", "PUT teams/sales/service-users/provisioner", "", 403, "R4", ""),
        ("theo", "PATCH users/ana@example.com", r#"{"role":"Member"}"#, 200, "", "ana manageSettings main deny"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn only_an_admin_has_to_do_with_service_users() {
    tell("R5", &[
        ("mina", "POST service-users", r#"{"id":"robot"}"#, 403, "R5", ""),
        ("carla", "POST service-users", r#"{"id":"robot"}"#, 403, "R5", ""),
        ("mina", "PATCH service-users/nightly-scan", r#"{"name":"Other"}"#, 403, "R5", ""),
        ("mina", "POST service-users/nightly-scan/deactivate", "", 403, "", "nightly-scan runOperation ledger allow"),
        ("ana", "POST service-users", r#"{"id":"robot","name":"Robot","teams":["sales"]}"#, 201, "", "robot runOperation orders allow; robot manageTags main deny"),
        ("ana", "PATCH service-users/robot", r#"{"name":"Other","teams":null}"#, 200, "", "robot runOperation orders deny"),
        ("ana", "POST service-users/nightly-scan/deactivate", "", 200, "", "nightly-scan runOperation ledger deny"),
        ("ana", "POST service-users/nightly-scan/reactivate", "", 200, "", "nightly-scan runOperation ledger allow"),
        ("ana", "DELETE service-users/robot", "", 204, "", "robot runOperation orders deny"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn a_deactivated_account_is_denied_everything_through_every_channel() {
    tell("R6 R7 R8", &[
        ("bo", "GET users", "", 403, "R6", ""),
        ("bo", "GET datastores/ledger", "", 403, "R6", "bo read ledger deny"),
        ("bo", "PATCH users/carla@example.com", r#"{"role":"Admin"}"#, 403, "R6", ""),
        ("bo", "POST users/bo@example.com/reactivate", "", 403, "R8", "bo read ledger deny"),
        ("ana", "POST users/theo@example.com/deactivate", "", 200, "", "theo manageSettings main deny; theo logIn main deny; theo read ledger deny"),
        ("theo", "GET teams", "", 403, "R6", ""),
        ("theo", "POST users/theo@example.com/reactivate", "", 403, "R8", ""),
        ("theo", "POST users/bo@example.com/reactivate", "", 403, "R8", "bo read ledger deny"),
        ("theo", "DELETE teams/sales", "", 403, "R6", "dev runOperation orders allow"),
        ("ana", "POST users/theo@example.com/reactivate", "", 200, "", "theo manageSettings main allow"),
        ("theo", "POST users/bo@example.com/reactivate", "", 200, "", "bo runOperation ledger allow; bo runOperation payroll deny; bo read payroll allow"),
        ("ana", "PATCH users/bo@example.com", r#"{"active":false}"#, 200, "", "bo read payroll deny"),
        ("ana", "PATCH users/bo@example.com", r#"{"active":true}"#, 200, "", "bo read payroll allow"),
        ("ana", "POST service-users/provisioner/deactivate", "", 200, "", "provisioner manageSettings main deny"),
        ("provisioner", "GET users", "", 403, "R6", ""),
    ]).await;
}

#[tokio::test]
async fn deactivation_keeps_the_record_the_role_and_the_teams() {
    let world = World::new().await;
    let mut ana = world.caller("ana").await;
    let path = "/v1/admin/users/mina@example.com";
    let mut before = ana.shows(path).await;
    assert_eq!(before["teams"], serde_json::json!(["sales"]));
    assert_eq!(ana.does("POST", &format!("{path}/deactivate"), "").await.status, 200);
    let mut between = ana.shows(path).await;
    assert_eq!(between["active"], false);
    assert_eq!(ana.does("POST", &format!("{path}/reactivate"), "").await.status, 200);
    assert_eq!(ana.shows(path).await, before);
    for entry in [&mut before, &mut between] {
        entry["active"] = true.into();
        entry["etag"] = "".into();
    }
    assert_eq!(before, between);
}

#[tokio::test]
#[rustfmt::skip]
async fn people_are_not_made_by_hand() {
    let users = r#"{"id":"new@example.com","name":"New","role":"Member"}"#;
    tell("R9", &[
        ("ana", "POST users", users, 403, "R9", "user:new@example.com logIn main deny"),
        ("provisioner", "POST users", users, 403, "R9", ""),
        ("mina", "POST users", users, 403, "", ""),
        ("ana", "DELETE users/hugo@example.com", "", 403, "R9", "hugo logIn main allow"),
        ("ana", "DELETE retired-users/gone@example.com", "", 404, "", ""),
    ]).await;
    let root = Root::bundled();
    root.write("entities/zz.yaml", "users:\n  new@example.com: { role: Member }\n");
    root.write(
        "entities/managed/retired_users/c1.json",
        "{\"retired_users\": {\n\"gone@example.com\": {}\n}}\n",
    );
    tell_on("R9", root, &[
        // A new account is a Member, active, and in Public.
        ("ana", "GET users/new@example.com", "", 200, "", "user:new@example.com logIn main allow; user:new@example.com read holidays allow; user:new@example.com read ledger deny"),
        ("mina", "GET retired-users", "", 403, "R12", ""),
        ("mina", "DELETE retired-users/gone@example.com", "", 403, "R9", ""),
        ("ana", "DELETE retired-users/gone@example.com", "", 204, "", ""),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn the_last_active_admin_stays() {
    tell("R10", &[
        ("ana", "POST users/theo@example.com/deactivate", "", 200, "", "theo manageSettings main deny"),
        ("provisioner", "POST users/ana@example.com/deactivate", "", 409, "R10", "ana manageSettings main allow"),
        ("provisioner", "PATCH users/ana@example.com", r#"{"role":"Manager"}"#, 409, "R10", "ana manageSettings main allow"),
        ("provisioner", "PATCH users/ana@example.com", r#"{"active":false}"#, 409, "R10", "ana manageSettings main allow"),
        ("ana", "POST users/theo@example.com/reactivate", "", 200, "", "theo manageSettings main allow"),
        ("theo", "POST users/ana@example.com/deactivate", "", 200, "", "ana manageSettings main deny"),
        ("provisioner", "PATCH users/theo@example.com", r#"{"role":"Member"}"#, 409, "R10", "theo manageSettings main allow"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn an_admin_has_everything_and_datastores_are_theirs_to_add() {
    tell("R11 R12", &[
        ("mina", "POST datastores", r#"{"id":"lake"}"#, 403, "R12", ""),
        ("carla", "POST enrichment-datastores", r#"{"id":"lake"}"#, 403, "R12", ""),
        ("carla", "DELETE datastores/ledger", "", 403, "R12", "carla read ledger allow"),
        ("mina", "DELETE datastores/orders", "", 403, "R12", "mina read orders allow"),
        ("ana", "POST datastores", r#"{"id":"lake","name":"The lake"}"#, 201, "", "ana runOperation lake allow; theo deleteDatastore lake allow; carla read lake deny"),
        ("theo", "POST enrichment-datastores", r#"{"id":"lake-quality"}"#, 201, "", "theo read enrichmentdatastore:lake-quality allow"),
        ("ana", "PATCH datastores/lake", r#"{"name":"Lake"}"#, 200, "", ""),
        ("ana", "DELETE datastores/lake", "", 204, "", "carla read lake deny"),
        ("ana", "DELETE enrichment-datastores/lake-quality", "", 204, "", ""),
        ("ana", "GET datastores/lake", "", 404, "", ""),
        ("ana", "GET datastores/audit-trail", "", 200, "", "ana read audit-trail allow"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn a_manager_has_the_shared_assets_and_manages_nobody() {
    tell("R13 R14", &[
        ("ana", "PATCH users/emi@example.com", r#"{"role":"Manager"}"#, 200, "", "emi manageTags main allow; emi manageLibrary main allow; emi manageSettings main deny; emi viewSecurity main deny; emi read ledger deny; emi runOperation inventory allow"),
        ("emi", "POST teams", r#"{"id":"own"}"#, 403, "R22", ""),
        ("emi", "PATCH users/hugo@example.com", r#"{"role":"Manager"}"#, 403, "R3", "hugo manageTags main deny"),
        ("emi", "POST service-users", r#"{"id":"robot"}"#, 403, "R5", ""),
        ("emi", "POST datastores", r#"{"id":"lake"}"#, 403, "R12", ""),
        ("ana", "PATCH users/joris@example.com", r#"{"teams":["warehouse"]}"#, 200, "", "joris runOperation inventory allow; joris read ledger deny"),
        ("ana", "PATCH users/joris@example.com", r#"{"teams":[]}"#, 200, "", "joris read inventory deny; joris manageTags main allow"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn levels_come_through_teams_alone() {
    tell("R15 R16 R17", &[
        ("ana", "PATCH users/hugo@example.com", r#"{"datastores":["ledger"]}"#, 422, "", "hugo read ledger deny"),
        ("ana", "PATCH datastores/ledger", r#"{"readers":["hugo@example.com"]}"#, 422, "", "hugo read ledger deny"),
        ("ana", "POST teams", r#"{"id":"audit","permission":"read","users":["hugo@example.com"],"datastores":["ledger"],"enrichment_datastores":["ledger-quality"]}"#, 201, "",
            "hugo read ledger allow; hugo reportOnDatastore ledger allow; hugo runOperation ledger deny; hugo read enrichmentdatastore:ledger-quality allow; hugo read orders deny"),
        ("ana", "PATCH teams/audit", r#"{"permission":"write"}"#, 200, "", "hugo runOperation ledger allow; hugo manageMetadata ledger allow; hugo deleteDatastore ledger deny"),
        // Write is to manage metadata too.
        ("carla", "PATCH datastores/ledger", r#"{"name":"The ledger"}"#, 200, "", ""),
        ("carla", "PATCH datastores/payroll", r#"{"name":"Mine"}"#, 403, "", "carla read payroll allow"),
        ("ana", "PATCH teams/audit", r#"{"permission":"owner"}"#, 422, "", "hugo runOperation ledger allow"),
        ("ana", "PUT teams/audit/datastores/ledger", r#"{"permission":"read"}"#, 204, "", "hugo runOperation ledger deny; hugo read ledger allow"),
        ("ana", "PUT teams/audit/datastores/ledger", "", 204, "", "hugo runOperation ledger allow"),
        ("ana", "DELETE teams/audit/datastores/ledger", "", 204, "", "hugo read ledger deny; hugo read enrichmentdatastore:ledger-quality allow"),
        ("ana", "DELETE teams/audit/enrichment-datastores/ledger-quality", "", 204, "", "hugo read enrichmentdatastore:ledger-quality deny"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn what_is_granted_to_nobody_is_not_there_for_them() {
    tell("R18 R24", &[
        ("carla", "GET datastores/ledger", "", 200, "", "carla read ledger allow"),
        ("carla", "GET datastores/orders", "", 404, "", "carla read orders deny"),
        ("carla", "GET datastores/no-such", "", 404, "", ""),
        // To change it tells no more of it than to look at it.
        ("carla", "PATCH datastores/orders", r#"{"name":"Mine"}"#, 404, "", ""),
        ("carla", "PATCH datastores/no-such", r#"{"name":"Mine"}"#, 404, "", ""),
        ("carla", "DELETE datastores/orders", "", 404, "", ""),
        ("carla", "POST datastores", r#"{"id":"orders"}"#, 403, "R12", ""),
        ("carla", "PUT teams/finance/datastores/orders", "", 403, "", "carla read orders deny"),
        ("carla", "PUT teams/finance/datastores/no-such", "", 403, "", ""),
        ("carla", "PUT teams/no-such/datastores/orders", "", 403, "", ""),
        ("carla", "POST users/no-such/deactivate", "", 403, "", ""),
        ("ana", "GET datastores/audit-trail", "", 200, "", "carla read audit-trail deny; mina read audit-trail deny"),
        ("ana", "PUT teams/finance/datastores/audit-trail", "", 204, "", "carla read audit-trail allow"),
        ("carla", "GET datastores/audit-trail", "", 200, "", ""),
        ("ana", "DELETE teams/finance/datastores/audit-trail", "", 204, "", "carla read audit-trail deny"),
        ("carla", "GET datastores/audit-trail", "", 404, "", ""),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn several_teams_give_the_highest_level() {
    tell("R19", &[
        // Sales has Write on orders, analytics has Read.
        ("ana", "DELETE teams/sales/users/dev@example.com", "", 204, "", "dev runOperation orders deny; dev read orders allow"),
        ("ana", "PUT teams/sales/users/dev@example.com", "", 204, "", "dev runOperation orders allow"),
        ("ana", "DELETE teams/analytics/users/dev@example.com", "", 204, "", "dev runOperation orders allow; dev read inventory deny"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn public_stays_what_it_is() {
    tell("R20 R21", &[
        ("ana", "PATCH teams/Public", r#"{"name":"Everyone"}"#, 403, "R20", ""),
        ("ana", "DELETE teams/Public", "", 403, "R20", "hugo read holidays allow"),
        ("ana", "PUT teams/Public/users/carla@example.com", "", 403, "R20", ""),
        ("ana", "DELETE teams/Public/users/carla@example.com", "", 403, "R20", "carla read holidays allow"),
        ("ana", "PATCH teams/Public", r#"{"users":["carla@example.com"]}"#, 403, "R20", ""),
        ("ana", "PATCH users/carla@example.com", r#"{"teams":["finance","Public"]}"#, 403, "R20", ""),
        ("ana", "POST service-users", r#"{"id":"robot","teams":["Public"]}"#, 403, "R20", ""),
        ("ana", "POST teams", r#"{"id":"everyone","name":"Public"}"#, 403, "R20", ""),
        ("mina", "PATCH teams/Public", r#"{"permission":"write"}"#, 403, "R22", "hugo runOperation holidays deny"),
        ("ana", "PATCH teams/Public", r#"{"permission":"write"}"#, 200, "", "hugo runOperation holidays allow; bo read holidays deny"),
        ("ana", "PATCH teams/Public", r#"{"permission":"read"}"#, 200, "", "hugo runOperation holidays deny; hugo read holidays allow"),
        ("ana", "PUT teams/Public/datastores/campaigns", "", 204, "", "hugo read campaigns allow; nightly-scan read campaigns allow; bo read campaigns deny"),
        ("ana", "PATCH teams/Public", r#"{"datastores":[]}"#, 200, "", "hugo read holidays deny; hugo read campaigns deny"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn only_an_admin_makes_edits_and_deletes_teams() {
    tell("R22", &[
        ("mina", "POST teams", r#"{"id":"own"}"#, 403, "R22", ""),
        ("carla", "POST teams", r#"{"id":"own"}"#, 403, "R22", ""),
        ("mina", "PATCH teams/sales", r#"{"name":"Mine"}"#, 403, "R22", ""),
        ("mina", "PATCH teams/sales", r#"{"description":"Mine"}"#, 403, "R22", ""),
        ("mina", "PATCH teams/sales", r#"{"permission":"read"}"#, 403, "R22", "mina runOperation orders allow"),
        ("mina", "PUT teams/sales/datastores/ledger", "", 403, "R22", "mina read ledger deny"),
        ("mina", "DELETE teams/marketing", "", 403, "R22", ""),
        ("mina", "GET teams/sales", "", 403, "", ""),
        ("ana", "POST teams", r#"{"id":"own","name":"Own","description":"d","permission":"read","users":["hugo@example.com"],"service_users":["nightly-scan"],"datastores":["orders"]}"#, 201, "", "hugo read orders allow; nightly-scan read orders allow"),
        ("ana", "PATCH teams/own", r#"{"description":"e","users":null}"#, 200, "", "hugo read orders deny; nightly-scan read orders allow"),
        ("ana", "DELETE teams/own", "", 204, "", "nightly-scan read orders deny"),
    ]).await;
}

#[tokio::test]
async fn a_team_has_a_name_of_its_own_and_an_assignment_may_have_its_level() {
    let long = format!(r#"{{"name":"{}"}}"#, "é".repeat(256));
    let fits = format!(r#"{{"name":"{}"}}"#, "é".repeat(255));
    // A story's texts live as long as the program.
    let (long, fits): (&str, &str) = (long.leak(), fits.leak());
    #[rustfmt::skip]
    tell("R23", &[
        ("ana", "PATCH teams/sales", r#"{"name":"Finance"}"#, 409, "R23", ""),
        ("ana", "PATCH teams/sales", r#"{"name":""}"#, 409, "R23", ""),
        ("ana", "PATCH teams/sales", long, 409, "R23", ""),
        ("ana", "PATCH teams/sales", fits, 200, "", "dev runOperation orders allow"),
        ("ana", "POST teams", r#"{"id":"sales"}"#, 409, "", ""),
        ("ana", "POST teams", r#"{"id":"other","name":"Finance"}"#, 409, "R23", ""),
        ("ana", "PATCH teams/sales", r#"{"datastores":["customers",{"id":"orders","permission":"read"}]}"#, 200, "", "dev runOperation orders deny; dev read orders allow; dev runOperation customers allow"),
        ("ana", "PATCH teams/sales", r#"{"permission":null}"#, 409, "R23", "dev runOperation customers allow"),
        ("ana", "PATCH teams/sales", r#"{"permission":null,"datastores":[{"id":"orders","permission":"write"}],"enrichment_datastores":[]}"#, 200, "", "dev runOperation orders allow; dev read customers deny"),
    ]).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn deleting_a_team_takes_away_what_it_gave_and_nothing_else() {
    tell("R25", &[
        ("ana", "DELETE teams/sales", "", 204, "", "dev runOperation orders deny; dev read orders allow; dev read customers deny; mina read orders deny; mina manageTags main allow"),
        ("ana", "GET teams/sales", "", 404, "", ""),
        ("ana", "DELETE teams/sales", "", 404, "", ""),
        ("ana", "GET users/dev@example.com", "", 200, "", "dev logIn main allow"),
        ("ana", "GET datastores/orders", "", 200, "", "ana runOperation orders allow"),
    ]).await;
}

/// A user and a team that directory sync made.
fn synced() -> Root {
    let root = Root::bundled();
    root.write(
        "entities/synced.json",
        r#"{"users":{"sam@example.com":{"role":"Member","scim":{"id":"8f1c2b0e-0000-4000-8000-000000000001","userName":"sam@example.com"}}},
            "teams":{"synced":{"users":["sam@example.com"],"scim":{"id":"8f1c2b0e-0000-4000-8000-000000000002"}}}}"#,
    );
    root
}

#[tokio::test]
#[rustfmt::skip]
async fn level_and_datastores_of_a_synced_team_are_an_admins_to_set() {
    tell_on("R26 R27", synced(), &[
        ("ana", "GET teams/synced", "", 200, "", "sam read campaigns deny"),
        ("ana", "PATCH teams/synced", r#"{"scim":null}"#, 422, "", ""),
        ("ana", "PATCH users/sam@example.com", r#"{"scim":{"id":"x"}}"#, 422, "", ""),
        ("ana", "PATCH users/sam@example.com", r#"{"synced":false}"#, 422, "", ""),
        ("mina", "PATCH teams/synced", r#"{"permission":"read"}"#, 403, "R22", ""),
        ("ana", "PATCH teams/synced", r#"{"permission":"read","datastores":["campaigns"]}"#, 200, "", "sam read campaigns allow; sam runOperation campaigns deny"),
        ("ana", "PATCH users/sam@example.com", r#"{"role":"Admin"}"#, 200, "", "sam manageSettings main allow"),
        ("ana", "POST users/sam@example.com/deactivate", "", 200, "", "sam manageSettings main deny; sam read campaigns deny"),
    ]).await;
}
