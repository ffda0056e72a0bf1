//! Whoever writes beside the writer: people with editors and git, and other processes that hold the lock.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use gatepost::directory::{Command, Kind, Patch};
use gatepost::store::{Channel, Refusal};

use super::together::another;
use super::world::{World, by, change, create, delete, files};
use crate::support::Root;

const LOCK: &str = "entities/managed/.lock";

fn described(text: &str) -> Patch {
    Patch {
        description: Some(text.to_owned()),
        ..Patch::default()
    }
}

/// Waits for what is owed within a minute.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn may_read(world: &World) -> bool {
    world.may(("User", "dev@example.com"), "read", ("Datastore", "payroll"))
}

/// As git brings a change of two files: first a grant, and a moment later the policy that takes it away again.
fn do_half(world: &World) {
    assert!(!may_read(world));
    let teams = world.root.read("entities/teams.yaml");
    let half = "  halves:\n    permission: read\n    users: [dev@example.com]\n    datastores: [payroll]\n";
    world.root.write("entities/teams.yaml", &format!("{teams}{half}"));
}

/// Gives an order between the halves, which neither makes the first live nor is lost.
fn do_other_half(world: &World, command: Command) {
    let number = world.now().number;
    let done = thread::scope(|scope| {
        let order = scope.spawn(|| world.admin(command));
        thread::sleep(Duration::from_millis(300));
        assert_eq!(world.now().number, number, "half of it is live");
        let forbid = "forbid (principal == User::\"dev@example.com\", action, resource == Datastore::\"payroll\");";
        world.root.write("policies/dev.cedar", forbid);
        while !order.is_finished() {
            assert!(!may_read(world), "half of it is live");
        }
        order.join().expect("a thread")
    });
    done.expect("done");
}

#[test]
fn an_order_does_not_publish_what_somebody_has_half_done() {
    let world = World::on(Root::bundled(), |settings| settings.quiet = Duration::from_secs(1));
    do_half(&world);
    do_other_half(&world, change(Kind::Team, "sales", described("Sellers")));
    assert!(!may_read(&world));
    let teams = world.root.read("entities/teams.yaml");
    assert!(teams.contains("description: Sellers") && teams.contains("halves:"), "{teams}");
    world.check_files();
}

#[test]
fn what_another_process_writes_is_caught_up_with_without_what_somebody_has_half_done() {
    let world = World::on(Root::bundled(), |settings| settings.quiet = Duration::from_secs(3));
    let (live, other) = another(&world);
    until("the other has read the files", || live.current().is_some());
    let other_creates = |id: &str| {
        let order = by(
            "User",
            "ana@example.com",
            Channel::CommandLine,
            create(Kind::Team, id, Patch::default()),
        );
        other.writer().order_blocking(order).expect("done");
    };
    other_creates("theirs");
    let begun = Instant::now();
    world.admin(create(Kind::Team, "ours", Patch::default())).expect("done");
    assert!(begun.elapsed() < Duration::from_millis(2500), "what is whole needs no quiet");
    assert!(world.directory().team("theirs").is_some());

    do_half(&world);
    // Who came to the files before that has not seen it, and writes beside it.
    other_creates("theirs-too");
    do_other_half(&world, create(Kind::Team, "ours-too", Patch::default()));
    for team in ["theirs-too", "ours-too", "halves"] {
        assert!(world.directory().team(team).is_some(), "{team}");
    }
    world.check_files();
}

/// A root by its own path, and one through a link.
fn both_ways() -> [(Root, Root, PathBuf); 2] {
    [false, true].map(|through_link| {
        let (root, place) = (Root::bundled(), Root::empty());
        let link = place.path().join("link");
        std::os::unix::fs::symlink(root.path(), &link).expect("a link");
        let path = if through_link { link } else { root.path().to_owned() };
        (root, place, path)
    })
}

#[test]
fn a_flow_of_orders_holds_nobodys_change_back() {
    for (root, _place, path) in both_ways() {
        let world = World::at(&path, root, |settings| settings.quiet_max = Duration::from_secs(3600));
        world.admin(create(Kind::Team, "first", Patch::default())).expect("done");
        // Its directory is new, and watched once the files have been looked at again.
        let looked = world.live.status().last_sweep;
        until("the files are looked at", || world.live.status().last_sweep > looked);
        let stores = world.root.read("entities/datastores.yaml");
        let begun = Instant::now();
        for number in 0.. {
            if number == 20 {
                world
                    .root
                    .write("entities/datastores.yaml", &format!("{stores}  by_hand: {{ name: By hand }}\n"));
            }
            // Files that come and go, and one that changes.
            world.admin(create(Kind::Team, "flow", Patch::default())).expect("done");
            world.admin(change(Kind::Team, "flow", described("still here"))).expect("done");
            world.admin(delete(Kind::Team, "flow")).expect("done");
            if world.directory().store(Kind::Datastore, "by_hand").is_some()
                || world.directory().store(Kind::EnrichmentDatastore, "by_hand").is_some()
            {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "not within half a minute");
        }
        world.check_files();
    }
}

#[test]
fn what_somebody_removes_is_seen_though_gatepost_has_removed_it_before() {
    for (root, _place, path) in both_ways() {
        let world = World::at(&path, root, |settings| settings.sweep = Duration::from_secs(3600));
        let file = || {
            let done = world.admin(create(Kind::Team, "gone", Patch::default())).expect("done");
            done.files[0].name.to_string()
        };
        file();
        world.admin(delete(Kind::Team, "gone")).expect("done");
        let file = file();
        assert!(world.directory().team("gone").is_some());
        // A while later: what happened before has been told.
        thread::sleep(Duration::from_millis(300));
        world.root.remove(&file);
        until("it is gone", || world.directory().team("gone").is_none());
        world.check_files();
    }
}

#[test]
fn orders_on_a_file_that_somebody_has_changed_do_not_hold_it_back_either() {
    let world = World::on(Root::bundled(), |settings| settings.quiet_max = Duration::from_secs(3600));
    let teams = world.root.read("entities/teams.yaml");
    let by_hand = "  by-hand:\n    permission: read\n";
    world.root.write("entities/teams.yaml", &format!("{teams}{by_hand}"));
    let begun = Instant::now();
    thread::scope(|scope| {
        // Each comes from somebody else, as those before it wait until the files are quiet.
        for number in 0.. {
            let world = &world;
            let order = change(Kind::Team, "sales", described(&number.to_string()));
            scope.spawn(move || world.admin(order).expect("done"));
            thread::sleep(Duration::from_millis(50));
            if world.directory().team("by-hand").is_some() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "not within half a minute");
        }
    });
    world.check_files();
}

#[test]
fn files_are_looked_at_while_another_process_writes() {
    let world = World::new();
    world.admin(create(Kind::Team, "first", Patch::default())).expect("done");
    let mode = fs::metadata(world.root.path().join(LOCK)).expect("a lock").permissions().mode() & 0o777;
    assert_eq!(mode & 0o007, 0, "who may not write here may not lock either: {mode:o}");
    // Nor who may read here and not write, though it was open to them before.
    for (directory, expected) in [(0o770, 0o660), (0o750, 0o600), (0o555, 0o600), (0o755, 0o600)] {
        let mode = |path: &str, mode: u32| {
            fs::set_permissions(world.root.path().join(path), fs::Permissions::from_mode(mode)).expect("a mode");
        };
        mode("entities/managed", directory);
        mode(LOCK, 0o640);
        let done = world.admin(change(Kind::Team, "first", described(&directory.to_string())));
        // Whom the directory does not let write, unless that is root, may write there again later.
        assert!(done.is_ok() || directory == 0o555, "{done:?}");
        let mode = fs::metadata(world.root.path().join(LOCK)).expect("a lock").permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{directory:o}");
    }
    let lock = File::open(world.root.path().join(LOCK)).expect("a lock");
    lock.lock().expect("locked");
    let (refused, done) = thread::scope(|scope| {
        let refused = scope.spawn(|| world.admin(create(Kind::Team, "second", Patch::default())));
        let begun = Instant::now();
        let crowd: Vec<_> = (0..40)
            .map(|number| {
                let world = &world;
                scope.spawn(move || {
                    let refused = world.admin(create(Kind::Team, &format!("crowd-{number}"), Patch::default()));
                    assert!(matches!(refused, Err(Refusal::Contended(_))), "{refused:?}");
                    begun.elapsed()
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(100));
        assert!(!refused.is_finished());
        let may = || world.may(("User", "dev@example.com"), "read", ("Datastore", "orders"));
        assert!(may());
        world.root.write(
            "policies/none.cedar",
            "forbid (principal == User::\"dev@example.com\", action, resource);",
        );
        until("a policy goes live", || !may());
        assert!(!refused.is_finished());
        world.root.remove("policies/none.cedar");
        until("a policy goes", may);
        let refused = refused.join().expect("a thread");
        for one in crowd {
            let waited = one.join().expect("a thread");
            // Each waits as long as one would.
            assert!(waited < Duration::from_secs(14), "{waited:?}");
        }
        let done = scope.spawn(|| world.admin(create(Kind::Team, "third", Patch::default())));
        thread::sleep(Duration::from_millis(100));
        lock.unlock().expect("unlocked");
        (refused, done.join().expect("a thread"))
    });
    let refused = refused.expect_err("a refusal");
    assert!(
        matches!(&refused, Refusal::Contended(why) if why.contains("another process")),
        "{refused}"
    );
    done.expect("done");
    let trail = world.trail();
    let of_second: Vec<_> = trail.iter().filter(|line| line["entry"]["id"] == "second").collect();
    assert_eq!(of_second.len(), 1, "{of_second:?}");
    assert_eq!(of_second[0]["outcome"], "refused");
    world.check_files();
}

#[test]
fn a_file_that_nobody_can_write_stands_in_the_way_of_its_own_changes_alone() {
    let root = Root::bundled();
    let teams = root.read("entities/teams.yaml");
    root.remove("entities/teams.yaml");
    root.write("entities/apart/teams.yaml", &teams);
    // What a new content would be written to first is a directory with something in it, whichever hand it is.
    for hand in 0..16 {
        let suffix = if hand == 0 { String::new() } else { format!("-{hand}") };
        root.write(&format!("entities/apart/.gatepost-new{suffix}/x"), "x");
    }
    let world = World::on(root, |_| {});
    let before = files(world.root.path());
    let renamed = Patch {
        id: Some("developer@example.com".to_owned()),
        ..Patch::default()
    };
    let refusal = world
        .order(by(
            "User",
            "ana@example.com",
            Channel::CommandLine,
            change(Kind::User, "dev@example.com", renamed),
        ))
        .expect_err("a refusal");
    assert!(
        matches!(&refusal, Refusal::Io(message) if message.contains("`entities/apart/teams.yaml`")),
        "{refusal}"
    );
    assert_eq!(files(world.root.path()), before);
    let outcomes: Vec<_> = world.trail().iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["accepted", "failed"]);
    world.admin(create(Kind::Team, "other", Patch::default())).expect("done");
    world.check_files();
}

#[test]
fn what_is_refused_without_being_decided_is_on_record() {
    let world = World::new();
    world.root.write("policies/broken.cedar", "permit (");
    until("a fault", || world.live.status().pending.is_some());
    world.admin(create(Kind::Team, "new", Patch::default())).expect_err("a refusal");
    let trail = world.trail();
    assert_eq!(trail.len(), 1);
    assert_eq!(trail[0]["outcome"], "refused");
    assert!(
        trail[0]["message"].as_str().is_some_and(|message| !message.is_empty()),
        "{trail:?}"
    );
}

#[test]
fn no_user_gets_a_twin_on_the_command_line_either() {
    let world = World::new();
    let order = |command| world.order(by("User", "ana@example.com", Channel::CommandLine, command));
    let twin = "THEO@example.com";
    let renamed = Patch {
        id: Some(twin.to_owned()),
        ..Patch::default()
    };
    for command in [
        create(Kind::User, twin, Patch::default()),
        change(Kind::User, "dev@example.com", renamed.clone()),
    ] {
        let refusal = order(command).expect_err("a refusal");
        assert!(
            matches!(&refusal, Refusal::Exists(key) if key.id == "theo@example.com"),
            "{refusal}"
        );
    }
    order(change(Kind::User, "theo@example.com", renamed)).expect("its own name in another case");
    let refusal = order(create(Kind::User, "theo@example.com", Patch::default())).expect_err("a refusal");
    assert!(matches!(&refusal, Refusal::Exists(key) if key.id == twin), "{refusal}");
}
