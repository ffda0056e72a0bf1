//! Many writers at once, and people with their editors among them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gatepost::directory::{Kind, Members, Patch};
use gatepost::store::{Channel, Expected, Live, Loader, LoaderSettings, Refusal};

use super::world::{World, by, change, create, delete, fresh, state};
use crate::support::{Root, rounds};

/// A world in which nobody looks at files unless there is a reason.
fn unwatched() -> World {
    World::on(Root::bundled(), |settings| {
        settings.events = false;
        settings.sweep = Duration::from_secs(3600);
    })
}

fn one_more(id: &str) -> Patch {
    Patch {
        service_users: Members::add(id),
        ..Patch::default()
    }
}

#[test]
fn fifty_writers_on_one_team_lose_nothing() {
    let world = World::new();
    let ids: Vec<String> = (0..50).map(|number| format!("robot-{number:02}")).collect();
    thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| {
                world.admin(create(Kind::ServiceUser, id, Patch::default())).expect("created");
                // `sales` stands in a file that people wrote, and so does `nightly-scan`.
                world.admin(change(Kind::Team, "sales", one_more(id))).expect("added");
            });
        }
        scope.spawn(|| world.admin(change(Kind::Team, "sales", one_more("nightly-scan"))).expect("added"));
    });
    let directory = world.directory();
    let members: Vec<&str> = directory.members_of("sales").into_iter().map(|(_, id)| id).collect();
    let expected: BTreeSet<&str> = ids
        .iter()
        .map(String::as_str)
        .chain(["dev@example.com", "mina@example.com", "nightly-scan"])
        .collect();
    assert_eq!(members.len(), expected.len());
    assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), expected);
    let accepted = world.trail().iter().filter(|line| line["outcome"] == "accepted").count();
    assert_eq!(accepted, 101);
    world.check_files();
}

#[test]
fn two_hundred_writers_on_the_directory_lose_nothing_and_a_refused_one_takes_nobody_along() {
    let world = World::new();
    let outcomes: Vec<bool> = thread::scope(|scope| {
        let world = &world;
        let order = |number: usize| {
            let id = format!("entry-{:03}", number / 2 * 2);
            let (kind, actor) = match number % 8 {
                0..=1 => (Kind::Team, "ana@example.com"),
                2..=3 => (Kind::ServiceUser, "theo@example.com"),
                4..=5 => (Kind::Datastore, "ana@example.com"),
                _ => (Kind::Datastore, "carla@example.com"),
            };
            // Each is given twice: the second finds it there.
            move || {
                world
                    .order(by("User", actor, Channel::Admin, create(kind, &id, Patch::default())))
                    .is_ok()
            }
        };
        let all: Vec<_> = (0..200).map(|number| scope.spawn(order(number))).collect();
        all.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    assert_eq!(outcomes.iter().filter(|is_done| **is_done).count(), 75);
    for pair in outcomes.chunks(8) {
        assert!(!pair[6] && !pair[7], "Carla is no Admin");
    }
    let directory = world.directory();
    for (kind, count) in [
        (Kind::Team, 7 + 25),
        (Kind::ServiceUser, 2 + 25),
        (Kind::Datastore, 10 + 25),
    ] {
        assert_eq!(directory.count(kind), count, "{kind:?}");
    }
    assert_eq!(world.trail().len(), 200);
    assert!(world.now().number < 200, "{} generations", world.now().number);
    world.check_files();
}

#[test]
fn an_edit_by_hand_that_nobody_has_seen_is_not_lost() {
    let world = unwatched();
    world.admin(create(Kind::Datastore, "first", Patch::default())).expect("done");
    let teams = world.root.read("entities/teams.yaml");
    world.root.write(
        "entities/teams.yaml",
        &teams.replace("description: Orders and", "description: By hand, and"),
    );
    let patch = Patch {
        name: Some("Sellers".to_owned()),
        ..Patch::default()
    };
    world.admin(change(Kind::Team, "sales", patch)).expect("done");
    let sales = world.directory().team("sales").cloned().expect("the team");
    assert_eq!(sales.name, "Sellers");
    assert!(sales.description.starts_with("By hand"), "{}", sales.description);
    world.check_files();
    // An edit of the very entry that takes the reason away is seen before the order is.
    let teams = world.root.read("entities/teams.yaml");
    world
        .root
        .write("entities/teams.yaml", &teams.replace("name: Sellers", "name: Sellers and more"));
    let mut order = by(
        "User",
        "ana@example.com",
        Channel::Admin,
        change(Kind::Team, "sales", one_more("nightly-scan")),
    );
    let key = gatepost::directory::Key::new(Kind::Team, "sales");
    order.expected = Expected::Entry(world.directory().etag(&key).expect("an etag"));
    let refusal = world.order(order).expect_err("a refusal");
    assert!(matches!(refusal, Refusal::Stale { .. }), "{refusal}");
}

/// A second writer on the same root, as another process is.
pub fn another(world: &World) -> (Arc<Live>, Loader) {
    let mut settings = LoaderSettings::new(world.root.path());
    settings.events = false;
    settings.sweep = Duration::from_secs(3600);
    let live = Arc::new(Live::default());
    let loader = Loader::start(settings, live.clone()).expect("a loader");
    (live, loader)
}

#[test]
fn whoever_catches_up_with_another_has_what_the_files_say() {
    let one = unwatched();
    let (live, loader) = another(&one);
    let (writers, lives) = ([one.writer.clone(), loader.writer()], [one.live.clone(), live]);
    let order = |command| by("User", "ana@example.com", Channel::CommandLine, command);
    let mut done = 0;
    for number in 0..rounds(90) {
        // Each in its turn, and in runs of one to three orders, on few entries: so they meet on all of them.
        let mixed = number * 37 % 90;
        let (who, team, user) = (mixed / 3 % 2, format!("t{}", mixed % 5), format!("u{}", mixed % 7));
        let command = match mixed % 4 {
            0 => create(Kind::Team, &team, Patch::default()),
            1 => create(Kind::ServiceUser, &user, Patch::default()),
            2 => change(Kind::Team, &team, one_more(&user)),
            _ => delete(
                if mixed % 8 == 3 { Kind::Team } else { Kind::ServiceUser },
                if mixed % 8 == 3 { &team } else { &user },
            ),
        };
        // What is there or is not there already is refused, by what the other has done as well.
        if writers[who].order_blocking(order(command)).is_err() {
            continue;
        }
        done += 1;
        let generation = lives[who].current().clone().expect("a generation");
        let afresh = fresh(one.root.path());
        assert_eq!(state(&generation.directory), state(&afresh), "order {number}");
        assert_eq!(generation.directory.hash(), afresh.hash(), "order {number}");
    }
    assert!(done > 20, "{done} were done");
}

#[test]
fn two_processes_that_write_one_root_see_what_the_other_wrote() {
    let one = unwatched();
    let (_live, loader) = another(&one);
    let other = loader.writer();
    let named = |id: &str| {
        let patch = Patch {
            name: Some("One name".to_owned()),
            ..Patch::default()
        };
        by("User", "ana@example.com", Channel::Admin, create(Kind::Team, id, patch))
    };
    one.order(named("one")).expect("done");
    // The two stand in two files, each of which is good by itself.
    let refusal = other.order_blocking(named("other")).expect_err("a refusal");
    assert_eq!(refusal.rule(), Some("R23"), "{refusal}");
    let last = by(
        "User",
        "ana@example.com",
        Channel::Admin,
        create(Kind::Datastore, "last", Patch::default()),
    );
    other.order_blocking(last).expect("done");
    let refusal = one.admin(create(Kind::Datastore, "last", Patch::default())).expect_err("a refusal");
    assert!(matches!(refusal, Refusal::Exists(_)), "{refusal}");
}

#[test]
fn of_many_that_expect_the_same_state_one_is_carried_out() {
    let world = World::new();
    world.admin(create(Kind::Team, "new", Patch::default())).expect("done");
    let key = gatepost::directory::Key::new(Kind::Team, "new");
    let revision = |world: &World| Expected::Revision(world.now().snapshot.revision().to_owned());
    let etag = |world: &World| Expected::Entry(world.directory().etag(&key).expect("an etag"));
    for expected in [&revision as &dyn Fn(&World) -> Expected, &etag] {
        let expected = expected(&world);
        let answers: Vec<_> = thread::scope(|scope| {
            let order = |number: usize| {
                let patch = Patch {
                    description: Some(format!("{expected:?} {number}")),
                    ..Patch::default()
                };
                let mut order = by("User", "ana@example.com", Channel::Admin, change(Kind::Team, "new", patch));
                order.expected = expected.clone();
                order
            };
            let all: Vec<_> = (0..8).map(order).map(|order| scope.spawn(|| world.order(order))).collect();
            all.into_iter().map(|one| one.join().expect("an answer")).collect()
        });
        let done = answers.iter().filter(|answer| answer.is_ok()).count();
        let stale = answers.iter().filter(|answer| matches!(answer, Err(Refusal::Stale { .. }))).count();
        assert_eq!((done, stale), (1, 7));
    }
    world.check_files();
}

#[test]
fn a_full_queue_refuses_and_an_order_of_one_who_has_gone_is_carried_out() {
    let world = World::on(Root::bundled(), |settings| settings.orders_max = 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let gone = by(
        "User",
        "ana@example.com",
        Channel::Admin,
        create(Kind::Team, "gone", Patch::default()),
    );
    let next = by(
        "User",
        "ana@example.com",
        Channel::Admin,
        create(Kind::Team, "next", Patch::default()),
    );
    let refusal = runtime.block_on(async {
        let waits = world.writer.order(gone);
        tokio::pin!(waits);
        // It is sent once it is polled, and whoever sent it goes away.
        let polled = poll_once(waits.as_mut()).await;
        assert!(polled.is_none());
        world.writer.order(next.clone()).await
    });
    if let Err(refusal) = refusal {
        assert!(matches!(refusal, Refusal::Busy), "{refusal}");
    }
    while let Err(Refusal::Busy) = world.order(next.clone()) {
        thread::yield_now();
    }
    assert!(world.directory().has(Kind::Team, "gone"));
    world.check_files();
}

/// Polls once.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
