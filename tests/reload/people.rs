//! Users, teams and datastores as people edit them: what a change of a file gives and takes, and nothing besides.

use std::collections::BTreeSet;

use serde_json::json;

use super::quick;
use crate::support::{Client, EVALUATIONS, Root, Sidecar};

const ACCOUNTS: [&str; 14] = [
    "ana@example.com",
    "theo@example.com",
    "joris@example.com",
    "mina@example.com",
    "priya@example.com",
    "bo@example.com",
    "carla@example.com",
    "dev@example.com",
    "emi@example.com",
    "farid@example.com",
    "greta@example.com",
    "hugo@example.com",
    "nightly-scan",
    "provisioner",
];

const DATASTORES: [&str; 10] = [
    "audit-trail",
    "campaigns",
    "customers",
    "holidays",
    "inventory",
    "ledger",
    "orders",
    "payroll",
    "shipments",
    "web-events",
];

/// An account that may do something to a datastore: `carla@example.com write ledger`.
type Grants = BTreeSet<String>;

/// All that is granted on datastores of both kinds.
async fn grants(client: &mut Client) -> Grants {
    let mut names = Vec::new();
    let mut questions = Vec::new();
    for account in ACCOUNTS {
        let account_type = if account.contains('@') { "User" } else { "ServiceUser" };
        for datastore in DATASTORES {
            for (resource_type, id) in [
                ("Datastore", datastore.to_owned()),
                ("EnrichmentDatastore", format!("{datastore}-quality")),
            ] {
                for level in ["read", "write"] {
                    questions.push(json!({
                        "subject": { "type": account_type, "id": account },
                        "action": { "name": level },
                        "resource": { "type": resource_type, "id": id },
                    }));
                    names.push(format!("{account} {level} {id}"));
                }
            }
        }
    }
    let answer = client.post(EVALUATIONS, &json!({ "evaluations": questions }).to_string()).await;
    let answers = answer.json();
    let answers = answers["evaluations"].as_array().expect("answers");
    assert_eq!(answers.len(), names.len());
    let granted = names.into_iter().zip(answers).filter(|(_, answer)| answer["decision"] == true);
    granted.map(|(name, _)| name).collect()
}

/// These levels of these accounts on these datastores and on what belongs to them.
fn listed(accounts: &[&str], levels: &[&str], datastores: &[&str]) -> Grants {
    let mut grants = Grants::new();
    for account in accounts {
        for level in levels {
            for datastore in datastores {
                grants.insert(format!("{account} {level} {datastore}"));
                grants.insert(format!("{account} {level} {datastore}-quality"));
            }
        }
    }
    grants
}

/// A sidecar over the bundled company.
struct Company {
    root: Root,
    sidecar: Sidecar,
    client: Client,
}

impl Company {
    async fn new() -> Self {
        let root = Root::bundled();
        let sidecar = Sidecar::serve_with(root.path(), &quick()).await;
        let client = sidecar.client().await;
        Self { root, sidecar, client }
    }

    /// Changes words of a file, and waits until the change is live.
    async fn edit(&self, file: &str, from: &str, to: &str) {
        let before = self.root.read(file);
        let after = before.replacen(from, to, 1);
        assert_ne!(before, after, "`{from}` is not in {file}");
        let generation = self.sidecar.current();
        self.root.write(file, &after);
        self.sidecar.generation(generation + 1).await;
    }

    fn revision(&self) -> String {
        let current = self.sidecar.live().current();
        let revision = current.as_ref().map(|generation| generation.snapshot.revision().to_owned());
        revision.expect("a generation")
    }

    async fn grants(&mut self) -> Grants {
        grants(&mut self.client).await
    }
}

fn assert_difference(before: &Grants, after: &Grants, gained: &Grants, lost: &Grants, what: &str) {
    let really_gained: Grants = after.difference(before).cloned().collect();
    let really_lost: Grants = before.difference(after).cloned().collect();
    assert_eq!(&really_gained, gained, "{what} gives");
    assert_eq!(&really_lost, lost, "{what} takes");
}

#[tokio::test]
async fn whoever_is_deactivated_loses_everything_and_gets_the_same_back() {
    let mut company = Company::new().await;
    let before = company.grants().await;
    let revision = company.revision();
    for (file, account, active) in [
        ("entities/people.yaml", "carla@example.com", "name: Carla Mendes, role: Member"),
        ("entities/people.yaml", "theo@example.com", "name: Theo Lindqvist, role: Admin"),
        (
            "entities/service_users.yaml",
            "nightly-scan",
            "name: Nightly quality scan, role: Member",
        ),
    ] {
        let inactive = format!("{active}, active: false");
        company.edit(file, active, &inactive).await;
        let without = company.grants().await;
        let own: Grants = before.iter().filter(|grant| grant.starts_with(&format!("{account} "))).cloned().collect();
        assert!(!own.is_empty(), "{account}");
        assert_difference(&before, &without, &Grants::new(), &own, account);
        if account.contains('@') {
            let log_in = company.client.asks(("User", account), "logIn", ("Platform", "main")).await;
            assert!(!log_in, "{account}");
        }

        company.edit(file, &inactive, active).await;
        assert_eq!(company.grants().await, before, "{account}");
        assert_eq!(company.revision(), revision, "{account}");
        if account.contains('@') {
            let log_in = company.client.asks(("User", account), "logIn", ("Platform", "main")).await;
            assert!(log_in, "{account}");
        }
    }
}

#[tokio::test]
async fn a_deleted_team_takes_just_the_access_that_it_alone_gave() {
    let mut company = Company::new().await;
    let before = company.grants().await;
    let revision = company.revision();
    let teams = company.root.read("entities/teams.yaml");
    let from = teams.find("  sales:\n").expect("the team");
    let to = teams.find("  warehouse:\n").expect("the next team");
    let sales = teams[from..to].to_owned();
    company.edit("entities/teams.yaml", &sales, "").await;
    // Dev reads the orders in analytics as well.
    let mut lost = listed(&["mina@example.com"], &["read", "write"], &["orders", "customers"]);
    lost.extend(listed(&["dev@example.com"], &["read", "write"], &["customers"]));
    lost.extend(listed(&["dev@example.com"], &["write"], &["orders"]));
    let after = company.grants().await;
    assert_difference(&before, &after, &Grants::new(), &lost, "deleting sales");
    // All members are still there, and everybody else's teams.
    assert!(company.client.asks(("User", "mina@example.com"), "logIn", ("Platform", "main")).await);

    company
        .edit("entities/teams.yaml", "  warehouse:\n", &format!("{sales}  warehouse:\n"))
        .await;
    assert_eq!(company.grants().await, before);
    assert_eq!(company.revision(), revision);
}

#[tokio::test]
async fn levels_and_members_of_a_team_change_what_they_say_and_no_more() {
    let mut company = Company::new().await;
    let before = company.grants().await;
    let file = "entities/teams.yaml";
    // The whole team's level.
    let (write, read) = (
        "description: What is in stock and what is on the road\n    permission: write",
        "description: What is in stock and what is on the road\n    permission: read",
    );
    company.edit(file, write, read).await;
    let stores = ["inventory", "shipments"];
    let lost = listed(&["emi@example.com", "nightly-scan"], &["write"], &stores);
    assert_difference(&before, &company.grants().await, &Grants::new(), &lost, "read instead of write");
    company.edit(file, read, write).await;
    // One datastore's own level.
    company
        .edit(
            file,
            "datastores: [inventory, shipments]",
            "datastores: [{ id: inventory, permission: read }, shipments]",
        )
        .await;
    let lost = Grants::from([
        "emi@example.com write inventory".to_owned(),
        "nightly-scan write inventory".to_owned(),
    ]);
    assert_difference(&before, &company.grants().await, &Grants::new(), &lost, "a level of its own");
    company
        .edit(
            file,
            "datastores: [{ id: inventory, permission: read }, shipments]",
            "datastores: [inventory, shipments]",
        )
        .await;
    // A member more, one less.
    company.edit(file, "users: [emi@example.com]", "users: [hugo@example.com]").await;
    let levels = ["read", "write"];
    let gained = listed(&["hugo@example.com"], &levels, &stores);
    let lost = listed(&["emi@example.com"], &levels, &stores);
    assert_difference(&before, &company.grants().await, &gained, &lost, "Hugo for Emi");
}

#[tokio::test]
async fn a_new_user_has_what_everyone_has() {
    let mut company = Company::new().await;
    let zoe = ("User", "zoe@example.com");
    let questions = [
        ("logIn", ("Platform", "main"), true),
        ("read", ("Datastore", "holidays"), true),
        ("write", ("Datastore", "holidays"), false),
        ("read", ("EnrichmentDatastore", "holidays-quality"), false),
        ("read", ("Datastore", "ledger"), false),
        ("manageTags", ("Platform", "main"), false),
    ];
    for (action, resource, _) in questions {
        assert!(
            !company.client.asks(zoe, action, resource).await,
            "{action} before there is a Zoe"
        );
    }
    let before = company.grants().await;
    // A role is all that has to be written.
    company
        .edit(
            "entities/people.yaml",
            "users:\n",
            "users:\n  zoe@example.com: { role: Member }\n",
        )
        .await;
    for (action, resource, expected) in questions {
        assert_eq!(
            company.client.asks(zoe, action, resource).await,
            expected,
            "{action} {resource:?}"
        );
    }
    assert_eq!(company.grants().await, before, "nobody else gains or loses");
    company
        .edit(
            "entities/people.yaml",
            "zoe@example.com: { role: Member }",
            "zoe@example.com: { role: Manager }",
        )
        .await;
    assert!(company.client.asks(zoe, "manageTags", ("Platform", "main")).await);
    assert!(!company.client.asks(zoe, "read", ("Datastore", "ledger")).await);
}
