//! What becomes of files: broken roots, links, changes that did not reach all files, and edits that cannot be made.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use gatepost::directory::{Kind, Members, Patch};
use gatepost::store::{FileChange, FileLimits, Refusal, read};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::world::{World, change, create, files, fresh, state};
use crate::support::Root;

const PENDING: &str = "entities/managed/pending.json";

fn described(text: &str) -> Patch {
    Patch {
        description: Some(text.to_owned()),
        ..Patch::default()
    }
}

#[test]
fn a_root_with_a_fault_takes_no_orders() {
    let world = World::new();
    world.admin(create(Kind::Team, "new", Patch::default())).expect("done");
    world.root.write("policies/broken.cedar", "permit (");
    while world.live.status().pending.is_none() {
        std::thread::yield_now();
    }
    let before = files(world.root.path());
    let refusal = world.admin(create(Kind::Team, "newer", Patch::default())).expect_err("a refusal");
    let Refusal::Broken(faults) = &refusal else { panic!("{refusal}") };
    assert_eq!(
        faults.first().place.as_ref().map(|place| &*place.file),
        Some("policies/broken.cedar")
    );
    assert_eq!(files(world.root.path()), before);
    world.root.remove("policies/broken.cedar");
    while world.live.status().pending.is_some() {
        std::thread::yield_now();
    }
    world.admin(create(Kind::Team, "newer", Patch::default())).expect("done");
}

#[test]
fn modes_stay_and_a_link_is_written_through() {
    let root = Root::bundled();
    let (own, link) = (root.path().join("shared.yaml"), root.path().join("entities/teams.yaml"));
    fs::rename(&link, &own).expect("moved");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o640)).expect("a mode");
    symlink("../shared.yaml", &link).expect("a link");
    let world = World::on(root, |_| {});
    world.admin(change(Kind::Team, "sales", described("Linked"))).expect("done");
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    assert_eq!(fs::metadata(&own).expect("a file").permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&own).expect("a file").contains("description: Linked"));
    world.check_files();
}

#[test]
fn what_cannot_be_written_is_refused_with_its_name() {
    let world = World::on(Root::bundled(), |_| {});
    world.root.write("entities/managed", "in the way");
    let refusal = world.admin(change(Kind::Team, "sales", described("x"))).expect_err("a refusal");
    assert!(matches!(refusal, Refusal::Io(_)), "{refusal}");
    // Neither is anything written that could not be put on record.
    for (trail, words) in [("policies", "directory"), ("/dev/full", "make room")] {
        let world = World::on(Root::bundled(), |settings| settings.audit.file = settings.root.join(trail));
        let before = files(world.root.path());
        let refusal = world
            .admin(change(Kind::Team, "sales", described("x")))
            .expect_err("a refusal")
            .to_string();
        assert!(refusal.contains("audit trail") && refusal.contains(words), "{refusal}");
        assert_eq!(files(world.root.path()), before);
    }
    let listed = World::new();
    listed.root.write("SHA256SUMS", "");
    let refusal = listed.admin(change(Kind::Team, "sales", described("x"))).expect_err("a refusal");
    assert!(
        refusal.to_string().contains("SHA256SUMS") || matches!(refusal, Refusal::Broken(_)),
        "{refusal}"
    );
}

#[test]
fn an_entry_that_no_edit_fits_is_refused_with_file_and_line() {
    let root = Root::bundled();
    let teams = root.read("entities/teams.yaml");
    let anchored = teams.replace(
        "users: [mina@example.com, dev@example.com]",
        "users: &all [mina@example.com, dev@example.com]",
    );
    assert_ne!(teams, anchored);
    root.write("entities/teams.yaml", &anchored);
    let world = World::on(root, |_| {});
    let patch = Patch {
        users: Members::add("hugo@example.com"),
        ..Patch::default()
    };
    match world.admin(change(Kind::Team, "sales", patch)) {
        Err(Refusal::Uneditable(faults)) => {
            let place = faults.first().place.clone().expect("a place");
            assert_eq!(&*place.file, "entities/teams.yaml");
            assert!(place.line > 1, "{place:?}");
            assert_eq!(world.root.read("entities/teams.yaml"), anchored);
        }
        // The root itself may refuse anchors.
        answer => panic!("{answer:?}"),
    }
}

/// A change of several files as it is written down.
fn written(changes: &[FileChange]) -> String {
    let hex = |text: &str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let files: serde_json::Map<String, serde_json::Value> = changes
        .iter()
        .map(|change| {
            let value = json!({ "before": change.before.as_deref().map(hex), "after": change.after.as_deref() });
            (change.name.to_string(), value)
        })
        .collect();
    json!({ "files": files }).to_string()
}

fn put(root: &Root, name: &str, content: Option<&str>) {
    match content {
        Some(content) => root.write(name, content),
        None if root.path().join(name).exists() => root.remove(name),
        None => {}
    }
}

#[test]
fn a_change_that_reached_some_of_its_files_counts_as_made() {
    let world = World::new();
    for number in 0..4 {
        world
            .admin(create(Kind::ServiceUser, &format!("robot-{number}"), Patch::default()))
            .expect("done");
    }
    let robots = (0..4).map(|number| format!("robot-{number}")).collect();
    let done = world
        .admin(create(
            Kind::Team,
            "all",
            Patch {
                service_users: Members::Set(robots),
                ..Patch::default()
            },
        ))
        .expect("done");
    assert_eq!(done.files.len(), 5, "{:?}", done.files);
    let after = state(&world.directory());
    let World { root, .. } = world;
    for reached in 0..=done.files.len() {
        for (at, change) in done.files.iter().enumerate() {
            let content = if at < reached { &change.after } else { &change.before };
            put(&root, &change.name, content.as_deref());
        }
        root.write(PENDING, &written(&done.files));
        assert_eq!(state(&fresh(root.path())), after, "{reached} files reached");
    }
    // Whoever writes next finishes it first.
    let world = World::on(root, |_| {});
    world.admin(create(Kind::Team, "next", Patch::default())).expect("done");
    assert!(!world.root.path().join(PENDING).exists());
    world.check_files();
    // What a person has changed meanwhile is theirs, and a fault until somebody says what is right.
    let World { root, .. } = world;
    put(&root, &done.files[0].name, Some("{\"users\": {}}\n"));
    root.write(PENDING, &written(&done.files));
    let tree = gatepost::store::read(root.path(), &Default::default());
    assert!(
        tree.faults.iter().any(|fault| fault.code == "file-pending"),
        "{:?}",
        tree.faults
    );
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let held = |root: &Path| -> u64 {
        let of = |directory: &str| fs::read_dir(root.join(directory)).expect("a directory");
        let others = of("schema").chain(of("policies")).map(|entry| entry.expect("an entry").metadata());
        let entities = files(root).values().map(|content| content.len() as u64).sum::<u64>();
        others.map(|metadata| metadata.expect("a file").len()).sum::<u64>() + entities
    };
    let robot = |number: usize| create(Kind::ServiceUser, &format!("robot-{number}"), Patch::default());
    let world = World::on(Root::bundled(), |settings| {
        settings.limits.total_bytes_max = held(&settings.root) + 1_000;
    });
    let limit = held(world.root.path()) + 1_000;
    let refused = (0..100)
        .find_map(|number| world.admin(robot(number)).err())
        .expect("a full root")
        .to_string();
    assert!(refused.contains("`limits.total_bytes_max`"), "{refused}");
    assert!(held(world.root.path()) <= limit);
    // There is still room for a word.
    let active = Patch {
        active: Some(false),
        ..Patch::default()
    };
    world.admin(change(Kind::User, "carla@example.com", active)).expect("deactivated");
    world.check_files();

    let world = World::on(Root::bundled(), |settings| settings.limits.file_bytes_max = 10_000);
    let long = described(&"x".repeat(9_000));
    let refused = world.admin(change(Kind::Team, "sales", long)).expect_err("a refusal").to_string();
    assert!(refused.contains("`limits.file_bytes_max`"), "{refused}");

    // Nobody looks at the files meanwhile: they are counted as they are written, with their directories.
    let world = World::on(Root::bundled(), |settings| {
        settings.limits.files_max = 40;
        settings.quiet = Duration::from_secs(60);
        settings.quiet_max = Duration::from_secs(60);
    });
    let refused = (0..100)
        .find_map(|number| world.admin(robot(number)).err())
        .expect("a full root")
        .to_string();
    assert!(refused.contains("`limits.files_max`"), "{refused}");
    let is_within = |files_max: usize| {
        let limits = FileLimits {
            files_max,
            ..FileLimits::default()
        };
        let faults = read(world.root.path(), &limits).faults;
        !faults.iter().any(|fault| fault.code == "file-limit")
    };
    assert!(is_within(40) && !is_within(39), "what was written can be read, and it is full");
    world.root.write(PENDING, "{}");
    assert!(is_within(40), "what finishes a change is read though it is full");
    fs::remove_file(world.root.path().join(PENDING)).expect("a file to remove");
    world.check_files();
}
