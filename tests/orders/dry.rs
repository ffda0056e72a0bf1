//! Dry runs: everything but writing, and whose access would be another.

use std::collections::BTreeMap;

use gatepost::directory::{Key, Kind, Members, Patch, Permission, Role};
use gatepost::store::{Channel, LevelChange, Order, RoleChange};

use super::world::{World, by, change, create, delete, files};

fn dry(command: gatepost::directory::Command) -> Order {
    Order {
        dry_run: true,
        ..by("User", "ana@example.com", Channel::Admin, command)
    }
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_would_be() {
    let world = World::new();
    let before = files(world.root.path());
    let revision = world.now().snapshot.revision().to_owned();
    let command = change(
        Kind::Team,
        "finance",
        Patch {
            users: Members::add("hugo@example.com"),
            ..Patch::default()
        },
    );
    let planned = world.order(dry(command.clone())).expect("done");
    assert!(planned.changed);
    assert_eq!(files(world.root.path()), before);
    assert_eq!(world.now().snapshot.revision(), revision);
    assert!(world.trail().is_empty());
    let access = planned.access.expect("a difference");
    let user = |id: &str| Key::new(Kind::User, id);
    let level = |kind, store: &str, after| LevelChange {
        account: user("hugo@example.com"),
        store: Key::new(kind, store),
        before: None,
        after: Some(after),
    };
    assert_eq!(
        access.levels,
        [
            level(Kind::Datastore, "ledger", Permission::Write),
            level(Kind::Datastore, "payroll", Permission::Read),
            level(Kind::EnrichmentDatastore, "ledger-quality", Permission::Write),
            level(Kind::EnrichmentDatastore, "payroll-quality", Permission::Read),
        ]
    );
    assert_eq!((access.gaining, access.losing, access.is_cut), (1, 0, false));
    let [file] = &planned.files[..] else { panic!("{:?}", planned.files) };
    assert_eq!(file.before.as_deref(), before.get("entities/teams.yaml").map(String::as_str));

    let done = world
        .order(Order {
            dry_run: false,
            ..dry(command)
        })
        .expect("done");
    assert_eq!((done.revision, done.files), (planned.revision, planned.files));
    assert_eq!(done.etag, planned.etag);
}

#[test]
fn roles_and_deactivation_are_told_with_what_they_give_and_take() {
    let world = World::new();
    let patch = |role, active| Patch {
        role,
        active,
        ..Patch::default()
    };
    let promoted = world.order(dry(change(Kind::User, "hugo@example.com", patch(Some(Role::Admin), None))));
    let access = promoted.expect("done").access.expect("a difference");
    assert_eq!(
        access.roles,
        [RoleChange {
            account: Key::new(Kind::User, "hugo@example.com"),
            before: Some(Role::Member),
            after: Some(Role::Admin),
        }]
    );
    assert_eq!((access.levels.len(), access.gaining), (20, 1));
    let theo = world.order(dry(change(Kind::User, "theo@example.com", patch(None, Some(false)))));
    let access = theo.expect("done").access.expect("a difference");
    assert_eq!((access.levels.len(), access.gaining, access.losing), (20, 0, 1));
    let team = world.order(dry(delete(Kind::Team, "sales"))).expect("done").access.expect("a difference");
    let lost: Vec<_> = team
        .levels
        .iter()
        .map(|level| (&*level.account.id, &*level.store.id, level.after))
        .collect();
    assert!(
        lost.contains(&("dev@example.com", "orders", Some(Permission::Read))),
        "{lost:?}"
    );
    assert!(lost.contains(&("mina@example.com", "orders", None)), "{lost:?}");
}

/// Who has which level on a datastore, as the live policies say.
fn levels(world: &World, store: &Key) -> BTreeMap<Key, Option<Permission>> {
    let directory = world.directory();
    let accounts = [Kind::User, Kind::ServiceUser].into_iter().flat_map(|kind| {
        let ids: Vec<String> = directory.ids(kind).map(str::to_owned).collect();
        ids.into_iter().map(move |id| Key::new(kind, id))
    });
    let level = |account: &Key| {
        let may = |action| {
            world.may(
                (account.kind.entity_type(), &account.id),
                action,
                (store.kind.entity_type(), &store.id),
            )
        };
        match (may("write"), may("read")) {
            _ if directory.store(store.kind, &store.id).is_none() => None,
            (true, _) => Some(Permission::Write),
            (_, true) => Some(Permission::Read),
            _ => None,
        }
    };
    accounts.map(|account| (account.clone(), level(&account))).collect()
}

#[test]
fn what_is_told_of_a_datastore_is_what_the_policies_say_before_and_after() {
    let world = World::new();
    let store = |id: &str| Key::new(Kind::Datastore, id);
    for (command, store) in [
        (create(Kind::Datastore, "fresh", Patch::default()), store("fresh")),
        (delete(Kind::Datastore, "fresh"), store("fresh")),
        // Everyone has it.
        (delete(Kind::Datastore, "holidays"), store("holidays")),
        (delete(Kind::Datastore, "orders"), store("orders")),
    ] {
        let told = world.order(dry(command.clone())).expect("done").access.expect("a difference");
        let told: BTreeMap<Key, (Option<Permission>, Option<Permission>)> = told
            .levels
            .into_iter()
            .map(|change| (change.account, (change.before, change.after)))
            .collect();
        let before = levels(&world, &store);
        world.admin(command.clone()).expect("done");
        let after = levels(&world, &store);
        let differs = before.into_iter().filter_map(|(account, before)| {
            let after = after[&account];
            (before != after).then_some((account, (before, after)))
        });
        let differs: BTreeMap<_, _> = differs.collect();
        assert!(!differs.is_empty(), "{command:?}");
        assert_eq!(told, differs, "{command:?}");
    }
}
