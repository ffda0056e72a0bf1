//! What is carried out, and what is refused by which rule.

use std::collections::BTreeSet;

use gatepost::directory::{Assignments, Command, Kind, Members, Patch, Permission, Role};
use gatepost::store::{Channel, Claim, Claims, Refusal};
use serde_json::json;

use super::world::{World, by, change, create, delete};
use crate::support::Root;

const SCHEMA: &str = "schema/access.cedarschema";
const ANA: (&str, &str) = ("User", "ana@example.com");
const JORIS: (&str, &str) = ("User", "joris@example.com");
const CARLA: (&str, &str) = ("User", "carla@example.com");
const BO: (&str, &str) = ("User", "bo@example.com");

#[test]
fn an_account_is_nobodys_whose_token_speaks_for_it_under_whatever_name_of_its_type() {
    let root = Root::bundled();
    let schema = root.read(SCHEMA);
    let (before, accounts) = schema.split_once("entity User, ServiceUser ").expect("accounts");
    let (shape, behind) = accounts.split_once("};\n").expect("their end");
    let split = format!("{before}entity User {shape}}};\n@alias(\"robot\")\nentity ServiceUser {shape}}};\n{behind}");
    root.write(SCHEMA, &split);
    let claim = |id: &str| {
        let (entity_type, id) = id.rsplit_once('-')?;
        (id == "x").then(|| Claim {
            entity_type: entity_type.to_owned(),
            token: "old".to_owned(),
        })
    };
    let world = World::on(root, |settings| {
        settings.claims = Claims::new(move |id| Ok(claim(id).into_iter().collect()));
    });
    for (entity_type, is_free) in [
        ("ServiceUser", false),
        ("serviceuser", false),
        ("robot", false),
        // Nobody knows what it is going to mean.
        ("Person", false),
        ("User", true),
        ("user", true),
    ] {
        let done = world.admin(create(Kind::ServiceUser, &format!("{entity_type}-x"), Patch::default()));
        match is_free {
            true => assert!(done.is_ok(), "{entity_type}: {done:?}"),
            false => assert!(matches!(done, Err(Refusal::Claimed { .. })), "{entity_type}: {done:?}"),
        }
    }
}

#[test]
fn an_entry_is_created_changed_and_deleted_in_files_of_gateposts_own() {
    let world = World::new();
    let done = world
        .admin(create(
            Kind::ServiceUser,
            "robot",
            Patch {
                name: Some("Robot".to_owned()),
                teams: Members::add("finance"),
                ..Patch::default()
            },
        ))
        .expect("done");
    assert!(done.changed);
    assert_eq!(done.revision, world.now().snapshot.revision());
    assert!(world.may(("ServiceUser", "robot"), "write", ("Datastore", "ledger")));
    assert_eq!(done.files.len(), 1, "{:?}", done.files);
    let file = &done.files[0];
    assert!(file.name.starts_with("entities/managed/service_users/"), "{}", file.name);
    assert_eq!(
        world.root.read(&file.name),
        "{\"service_users\": {\n\"robot\": {\"name\":\"Robot\",\"role\":\"Member\",\"teams\":[\"finance\"]}\n}}\n"
    );
    world.check_files();

    let again = world.admin(change(
        Kind::ServiceUser,
        "robot",
        Patch {
            teams: Members::add("finance"),
            ..Patch::default()
        },
    ));
    let again = again.expect("done");
    assert_eq!((again.changed, again.revision), (false, done.revision));

    let done = world
        .admin(change(
            Kind::ServiceUser,
            "robot",
            Patch {
                active: Some(false),
                ..Patch::default()
            },
        ))
        .expect("done");
    assert!(done.changed);
    assert!(!world.may(("ServiceUser", "robot"), "read", ("Datastore", "ledger")));
    world.check_files();

    world.admin(delete(Kind::ServiceUser, "robot")).expect("done");
    assert!(!world.root.path().join(&*file.name).exists());
    world.check_files();
    let trail = world.trail();
    let outcomes: Vec<_> = trail.iter().map(|line| line["outcome"].as_str().expect("an outcome")).collect();
    assert_eq!(outcomes, ["accepted", "unchanged", "accepted", "accepted"]);
    assert_eq!(trail[0]["after"]["teams"], json!(["finance"]));
    assert_eq!(trail[2]["before"], json!({ "id": "robot", "active": true }));
}

#[test]
fn entries_that_people_wrote_are_changed_where_they_stand() {
    let world = World::new();
    let before = world.root.read("entities/teams.yaml");
    world
        .admin(change(
            Kind::Team,
            "finance",
            Patch {
                description: Some("Books".to_owned()),
                users: Members::Change {
                    add: BTreeSet::from(["hugo@example.com".to_owned()]),
                    remove: BTreeSet::from(["carla@example.com".to_owned()]),
                },
                ..Patch::default()
            },
        ))
        .expect("done");
    let after = world.root.read("entities/teams.yaml");
    let changed: Vec<_> = after.lines().filter(|line| !before.contains(line)).collect();
    assert_eq!(
        changed,
        [
            "    description: Books",
            "    users: [ana@example.com, bo@example.com, hugo@example.com]"
        ]
    );
    assert!(world.may(("User", "hugo@example.com"), "write", ("Datastore", "ledger")));
    assert!(!world.may(CARLA, "read", ("Datastore", "ledger")));
    world.check_files();
}

/// An order, and the rule that refuses it; none if it is carried out.
struct Case {
    rule: Option<&'static str>,
    actor: (&'static str, &'static str),
    channel: Channel,
    command: Command,
}

fn user(id: &str, patch: Patch) -> Command {
    change(Kind::User, id, patch)
}

fn team(id: &str, patch: Patch) -> Command {
    change(Kind::Team, id, patch)
}

fn role(role: Role) -> Patch {
    Patch {
        role: Some(role),
        ..Patch::default()
    }
}

fn active(active: bool) -> Patch {
    Patch {
        active: Some(active),
        ..Patch::default()
    }
}

fn name(name: &str) -> Patch {
    Patch {
        name: Some(name.to_owned()),
        ..Patch::default()
    }
}

fn teams(teams: Members) -> Patch {
    Patch {
        teams,
        ..Patch::default()
    }
}

fn users(users: Members) -> Patch {
    Patch {
        users,
        ..Patch::default()
    }
}

fn datastores(stores: &[(&str, Option<Permission>)]) -> Patch {
    let set = stores.iter().map(|(id, level)| ((*id).to_owned(), *level)).collect();
    Patch {
        datastores: Assignments::Change {
            set,
            remove: BTreeSet::new(),
        },
        ..Patch::default()
    }
}

fn permission(permission: Permission) -> Patch {
    Patch {
        permission: Some(Some(permission)),
        ..Patch::default()
    }
}

fn scim(id: &str) -> Patch {
    Patch {
        scim: Some(Some(json!({ "id": id, "userName": id }))),
        ..Patch::default()
    }
}

#[test]
fn each_rule_refuses_what_it_forbids_and_nothing_else() {
    use Channel::{Admin, Scim};
    const PROVISIONER: (&str, &str) = ("ServiceUser", "provisioner");
    let new = Patch::default;
    let case = |rule, actor, channel, command| Case {
        rule,
        actor,
        channel,
        command,
    };
    let allow = |actor, command| case(None, actor, Admin, command);
    let refuse = |rule, actor, command| case(Some(rule), actor, Admin, command);
    let sync = |rule, command| case(rule, PROVISIONER, Scim, command);
    let dev = "dev@example.com";
    let long = "x".repeat(256);
    let cases = [
        // Accounts.
        allow(ANA, user(dev, role(Role::Manager))),
        refuse("R3", JORIS, user(dev, role(Role::Manager))),
        refuse("R3", CARLA, user(dev, active(false))),
        refuse("R3", JORIS, user(dev, teams(Members::add("finance")))),
        refuse("R4", ANA, user(ANA.1, role(Role::Member))),
        refuse("R4", ANA, user(ANA.1, teams(Members::add("sales")))),
        refuse("R4", ANA, team("sales", users(Members::add(ANA.1)))),
        refuse("R4", ANA, team("finance", users(Members::remove(ANA.1)))),
        allow(ANA, create(Kind::ServiceUser, "robot", new())),
        refuse("R5", JORIS, create(Kind::ServiceUser, "robot", new())),
        refuse("R5", CARLA, change(Kind::ServiceUser, "nightly-scan", name("X"))),
        refuse("R5", CARLA, change(Kind::ServiceUser, "nightly-scan", active(false))),
        allow(ANA, change(Kind::ServiceUser, "nightly-scan", active(false))),
        refuse("R6, R8", BO, user(BO.1, active(true))),
        refuse("R6, R8", BO, create(Kind::Team, "new", new())),
        allow(ANA, user(BO.1, active(true))),
        refuse("R9", ANA, create(Kind::User, "new@example.com", new())),
        refuse("R9", ANA, delete(Kind::User, dev)),
        allow(ANA, user("theo@example.com", active(false))),
        // Teams and datastores.
        refuse("R12", JORIS, create(Kind::Datastore, "d", new())),
        refuse("R12", CARLA, delete(Kind::Datastore, "ledger")),
        allow(ANA, create(Kind::Datastore, "d", new())),
        allow(ANA, delete(Kind::Datastore, "ledger")),
        allow(ANA, delete(Kind::EnrichmentDatastore, "ledger-quality")),
        allow(CARLA, change(Kind::Datastore, "ledger", name("Books"))),
        refuse("R17", CARLA, change(Kind::Datastore, "orders", name("Books"))),
        refuse("R15", ANA, user(dev, datastores(&[("ledger", None)]))),
        refuse("R15", ANA, user(dev, permission(Permission::Read))),
        refuse("R20", ANA, user(dev, teams(Members::add("Public")))),
        refuse("R20", ANA, user(dev, teams(Members::remove("Public")))),
        refuse("R20", ANA, team("Public", users(Members::add(dev)))),
        refuse("R20", ANA, team("Public", name("Everyone"))),
        refuse("R20", ANA, delete(Kind::Team, "Public")),
        refuse("R20", ANA, team("sales", name("Public"))),
        refuse("R20", ANA, team("sales", name("\u{ff30}ublic"))),
        refuse("R20", ANA, create(Kind::Team, "PUBLIC", name("Everybody"))),
        allow(ANA, team("Public", permission(Permission::Write))),
        allow(ANA, team("Public", datastores(&[("ledger", Some(Permission::Read))]))),
        refuse("R22", JORIS, create(Kind::Team, "new", new())),
        refuse("R22", JORIS, delete(Kind::Team, "sales")),
        refuse("R22", JORIS, team("sales", name("X"))),
        refuse("R22", CARLA, team("sales", permission(Permission::Read))),
        refuse("R22", CARLA, team("sales", datastores(&[("ledger", None)]))),
        allow(ANA, create(Kind::Team, "new", name("New"))),
        refuse("R23", ANA, create(Kind::Team, "new", name("Sales"))),
        refuse("R23", ANA, team("sales", name("Finance"))),
        refuse("R23", ANA, create(Kind::Team, "FINANCE", name("Money"))),
        refuse("R23", ANA, create(Kind::Team, "new", name("fiNance"))),
        refuse("R23", ANA, team("sales", name("\u{ff26}inance"))),
        refuse("R23", ANA, team("sales", name("Finance\u{fe0f}"))),
        allow(ANA, team("sales", name("SALES"))),
        refuse("R23", ANA, create(Kind::Team, "new\u{2063}", name("New"))),
        refuse("R23", ANA, team("sales", name("Sales "))),
        refuse("R23", ANA, team("sales", name("Sales\nand more"))),
        refuse("R23", ANA, team("sales", name("\u{202e}selaS"))),
        refuse("R23", ANA, team("sales", name("Sa\u{200b}les"))),
        refuse("R23", ANA, team("sales", name(""))),
        refuse("R23", ANA, team("sales", name(&long))),
        refuse("R23", ANA, create(Kind::Team, "new", datastores(&[("ledger", None)]))),
        allow(
            ANA,
            create(Kind::Team, "new", datastores(&[("ledger", Some(Permission::Read))])),
        ),
        allow(ANA, delete(Kind::Team, "sales")),
        // Directory sync.
        sync(None, create(Kind::User, "new@example.com", scim("1"))),
        sync(None, create(Kind::Team, "group", scim("2"))),
        refuse("R26", ANA, user(dev, scim("3"))),
        sync(
            Some("R26"),
            create(
                Kind::Team,
                "group",
                Patch {
                    permission: Some(None),
                    ..scim("2")
                },
            ),
        ),
        sync(
            Some("R27"),
            create(
                Kind::User,
                "new@example.com",
                Patch {
                    role: Some(Role::Admin),
                    ..scim("1")
                },
            ),
        ),
        sync(Some("R27"), create(Kind::ServiceUser, "robot", new())),
        sync(Some("R27"), change(Kind::ServiceUser, "nightly-scan", active(false))),
        sync(Some("R27"), team("Public", users(Members::Set(BTreeSet::new())))),
        case(Some("R9"), JORIS, Scim, create(Kind::User, "new@example.com", scim("1"))),
    ];
    for Case {
        rule,
        actor,
        channel,
        command,
    } in cases
    {
        let world = World::new();
        let shown = format!("{actor:?} {command:?}");
        let before = super::world::files(world.root.path());
        let answer = world.order(by(actor.0, actor.1, channel, command));
        match (rule, &answer) {
            (None, Ok(done)) => assert!(done.changed, "{shown}"),
            (Some(rule), Err(refusal)) => {
                assert_eq!(refusal.rule(), Some(rule), "{shown}: {refusal}");
                assert_eq!(super::world::files(world.root.path()), before, "{shown}");
                assert_eq!(world.trail()[0]["rule"], rule, "{shown}");
            }
            (_, answer) => panic!("{shown}: {answer:?}"),
        }
        world.check_files();
    }
}

#[test]
fn an_admin_remains_whoever_goes_first() {
    let world = World::new();
    let ana = || by("User", ANA.1, Channel::Admin, user("theo@example.com", role(Role::Member)));
    let theo = || by("User", "theo@example.com", Channel::Admin, user(ANA.1, active(false)));
    let answers = std::thread::scope(|scope| {
        [ana(), theo()]
            .map(|order| scope.spawn(|| world.order(order)))
            .map(|one| one.join().expect("an answer"))
    });
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(done, 1, "{answers:?}");
    // The provisioner is an Admin, but no person.
    let last = if answers[0].is_ok() { ANA.1 } else { "theo@example.com" };
    let refused = world.order(by("ServiceUser", "provisioner", Channel::Admin, user(last, active(false))));
    let refusal = refused.expect_err("a refusal");
    assert_eq!(refusal.rule(), Some("R10"), "{refusal}");
    world.check_files();
}

#[test]
fn deleting_a_team_takes_away_just_what_it_gave() {
    let world = World::new();
    world
        .admin(create(
            Kind::ServiceUser,
            "robot",
            teams(Members::Set(["sales", "finance"].map(str::to_owned).into())),
        ))
        .expect("done");
    world.admin(delete(Kind::Team, "sales")).expect("done");
    assert!(!world.may(("User", "mina@example.com"), "read", ("Datastore", "orders")), "R25");
    assert!(
        world.may(("User", "dev@example.com"), "read", ("Datastore", "orders")),
        "by analytics"
    );
    assert!(world.may(("ServiceUser", "robot"), "write", ("Datastore", "ledger")));
    assert_eq!(world.directory().teams_of(Kind::ServiceUser, "robot"), ["finance"]);
    world.check_files();
}

#[test]
fn directory_sync_touches_what_it_created_alone() {
    let world = World::new();
    world.scim(create(Kind::User, "eva@example.com", scim("1"))).expect("done");
    world.scim(create(Kind::Team, "group", scim("2"))).expect("done");
    for command in [
        user("dev@example.com", active(false)),
        delete(Kind::User, "dev@example.com"),
        team("sales", users(Members::add("eva@example.com"))),
    ] {
        let refusal = world.scim(command).expect_err("a refusal");
        assert!(matches!(refusal, Refusal::NotFound(_)), "{refusal}");
    }
    let refusal = world.scim(team("group", users(Members::add("dev@example.com")))).expect_err("a refusal");
    assert!(matches!(refusal, Refusal::Invalid { field: "users", .. }), "{refusal}");
    // Members that an Admin adds stay when directory sync says who is in the group.
    world.admin(team("group", users(Members::add("dev@example.com")))).expect("done");
    world.scim(team("group", users(Members::add("eva@example.com")))).expect("done");
    world.scim(team("group", users(Members::Set(BTreeSet::new())))).expect("done");
    assert_eq!(world.directory().members_of("group"), [(Kind::User, "dev@example.com")]);
    // A deleted user's id is not given again without an Admin's word.
    world.scim(delete(Kind::User, "eva@example.com")).expect("done");
    let refusal = world.scim(create(Kind::User, "Eva@example.com", scim("3"))).expect_err("a refusal");
    assert_eq!(refusal.rule(), Some("R9"), "{refusal}");
    world.check_files();
    world
        .admin(Command::Release {
            user: "eva@example.com".to_owned(),
        })
        .expect("done");
    world.scim(create(Kind::User, "eva@example.com", scim("3"))).expect("done");
    world.check_files();
}
