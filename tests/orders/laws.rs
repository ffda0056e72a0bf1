//! Whatever is ordered, in whatever order: the files read afresh say what the writer says.

use std::collections::{BTreeMap, BTreeSet};

use gatepost::directory::{Assignments, Command, Kind, Members, Patch, Permission, Role};
use gatepost::store::{Actor, Channel, Order};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::world::{World, by, files};

/// Ids of entries that people wrote, that commands create, and that are nowhere.
fn id(kind: Kind) -> impl Strategy<Value = String> {
    let written: &[&str] = match kind {
        Kind::User => &[
            "dev@example.com",
            "emi@example.com",
            "theo@example.com",
            "bo@example.com",
        ],
        Kind::ServiceUser => &["nightly-scan", "provisioner"],
        Kind::Team => &["sales", "finance", "Public", "analytics"],
        Kind::Datastore => &["ledger", "orders", "holidays"],
        Kind::EnrichmentDatastore => &["ledger-quality", "orders-quality"],
    };
    let made = (0..3).prop_map(move |number| format!("{}-{number} \"ü\"", kind.word()));
    prop_oneof![prop::sample::select(written).prop_map(str::to_owned), made]
}

fn ids(kind: Kind) -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(id(kind), 0..3)
}

fn members(kind: Kind) -> BoxedStrategy<Members> {
    prop_oneof![
        4 => Just(Members::Keep),
        1 => ids(kind).prop_map(Members::Set),
        3 => (ids(kind), ids(kind)).prop_map(|(add, remove)| Members::Change { add, remove }),
    ]
    .boxed()
}

fn permission() -> impl Strategy<Value = Option<Permission>> {
    prop::sample::select(vec![None, Some(Permission::Read), Some(Permission::Write)])
}

fn assignments(kind: Kind) -> BoxedStrategy<Assignments> {
    let set = || prop::collection::btree_map(id(kind), permission(), 0..3);
    prop_oneof![
        3 => Just(Assignments::Keep),
        1 => set().prop_map(Assignments::Set),
        2 => (set(), ids(kind)).prop_map(|(set, remove)| Assignments::Change { set, remove }),
    ]
    .boxed()
}

fn maybe<T: Clone + std::fmt::Debug + 'static>(some: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    prop::option::weighted(0.3, some).boxed()
}

fn patch(kind: Kind) -> BoxedStrategy<Patch> {
    let text = || prop::sample::select(vec!["", "Sales", "a: b # c", "yes", "x\"y'z", "ü\u{1F600}", "1e3", "- x"]);
    let name = maybe(text().prop_map(str::to_owned));
    match kind {
        Kind::User | Kind::ServiceUser => {
            let role = maybe(prop::sample::select(Role::ALL.to_vec()));
            (name, role, maybe(any::<bool>()), members(Kind::Team))
                .prop_map(|(name, role, active, teams)| Patch {
                    name,
                    role,
                    active,
                    teams,
                    ..Patch::default()
                })
                .boxed()
        }
        Kind::Team => (
            (name, maybe(text().prop_map(str::to_owned)), maybe(permission())),
            (members(Kind::User), members(Kind::ServiceUser)),
            (assignments(Kind::Datastore), assignments(Kind::EnrichmentDatastore)),
        )
            .prop_map(
                |((name, description, permission), (users, service_users), (datastores, enrichment_datastores))| {
                    Patch {
                        name,
                        description,
                        permission,
                        users,
                        service_users,
                        datastores,
                        enrichment_datastores,
                        ..Patch::default()
                    }
                },
            )
            .boxed(),
        Kind::Datastore | Kind::EnrichmentDatastore => name
            .prop_map(|name| Patch {
                name,
                ..Patch::default()
            })
            .boxed(),
    }
}

fn command() -> impl Strategy<Value = Command> {
    prop::sample::select(Kind::ALL.to_vec()).prop_flat_map(|kind| {
        let key = || id(kind).prop_map(move |id| gatepost::directory::Key::new(kind, id));
        prop_oneof![
            3 => (key(), patch(kind)).prop_map(|(key, entry)| Command::Create { key, entry }),
            5 => (key(), patch(kind), prop::option::weighted(0.1, id(kind))).prop_map(|(key, patch, id)| {
                Command::Change { key, patch: Patch { id, ..patch } }
            }),
            1 => key().prop_map(|key| Command::Delete { key }),
        ]
    })
}

fn order() -> impl Strategy<Value = Order> {
    (command(), any::<bool>()).prop_map(|(command, is_admin)| match is_admin {
        true => by("User", "ana@example.com", Channel::Admin, command),
        false => Order {
            actor: Actor::default(),
            ..by("", "", Channel::CommandLine, command)
        },
    })
}

#[test]
fn files_read_afresh_say_what_the_writer_says() {
    // The same orders each time, since what became of them is counted below: PROPTEST_RNG_SEED asks for others.
    let usual = Config::default();
    let mut runner = TestRunner::new(Config {
        cases: crate::support::rounds(12) as u32,
        failure_persistence: None,
        rng_seed: match usual.rng_seed {
            RngSeed::Random => RngSeed::Fixed(5),
            given => given,
        },
        ..usual
    });
    let outcomes = std::cell::RefCell::new(BTreeMap::new());
    let law = runner.run(&prop::collection::vec(order(), 1..25), |orders| {
        let world = World::new();
        for order in orders {
            let before = (files(world.root.path()), world.now().snapshot.revision().to_owned());
            let answer = world.order(order.clone());
            let after = (files(world.root.path()), world.now().snapshot.revision().to_owned());
            let is_changed = matches!(&answer, Ok(done) if done.changed);
            // Broken faults may only be those of an edit that cannot be made.
            let outcome = match &answer {
                Ok(done) if done.changed => "changed".to_owned(),
                Ok(_) => "unchanged".to_owned(),
                Err(refusal) => format!("{refusal:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned(),
            };
            *outcomes.borrow_mut().entry(outcome).or_insert(0) += 1;
            if is_changed {
                prop_assert_ne!(&before.0, &after.0, "{:?}", order);
                prop_assert_ne!(&before.1, &after.1, "{:?}", order);
                let twice = world.order(order.clone());
                let is_same = match (&order.command, &twice) {
                    (Command::Change { patch, .. }, Ok(done)) => patch.id.is_some() || !done.changed,
                    (Command::Change { patch, .. }, Err(_)) => patch.id.is_some(),
                    (_, answer) => answer.is_err(),
                };
                prop_assert!(is_same, "{:?} twice: {:?}", order, twice);
            } else {
                prop_assert_eq!(&before, &after, "{:?}", order);
            }
            world.check_files();
        }
        Ok(())
    });
    law.unwrap_or_else(|error| panic!("{error}"));
    let outcomes = outcomes.into_inner();
    assert!(outcomes["changed"] > 20 && outcomes.len() > 4, "{outcomes:?}");
    assert!(!outcomes.contains_key("Io"), "{outcomes:?}");
}
