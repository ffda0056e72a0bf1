//! A root with a loader and its writer, in this process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::directory::{Command, Directory, Key, Kind, Patch};
use gatepost::engine::Query;
use gatepost::store::{
    Actor, Channel, Done, Expected, FileLimits, Generation, Live, Loader, LoaderSettings, Order, Refusal, Writer, load,
    read,
};

use crate::support::Root;

/// A writer on a root of its own.
pub struct World {
    pub root: Root,
    pub live: Arc<Live>,
    pub writer: Writer,
    _loader: Loader,
}

impl World {
    /// The bundled model, loaded.
    pub fn new() -> Self {
        Self::on(Root::bundled(), |_| {})
    }

    pub fn on(root: Root, settle: impl FnOnce(&mut LoaderSettings)) -> Self {
        let path = root.path().to_owned();
        Self::at(&path, root, settle)
    }

    /// A root by another path to it.
    pub fn at(path: &Path, root: Root, settle: impl FnOnce(&mut LoaderSettings)) -> Self {
        let mut settings = LoaderSettings::new(path);
        settle(&mut settings);
        let live = Arc::new(Live::default());
        let loader = Loader::start(settings, live.clone()).expect("a loader");
        let begun = Instant::now();
        while live.current().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", live.status().pending);
            std::thread::yield_now();
        }
        Self {
            writer: loader.writer(),
            _loader: loader,
            root,
            live,
        }
    }

    pub fn now(&self) -> Arc<Generation> {
        self.live.current().clone().expect("a generation")
    }

    pub fn directory(&self) -> Arc<Directory> {
        self.now().directory.clone()
    }

    pub fn order(&self, order: Order) -> Result<Done, Refusal> {
        self.writer.order_blocking(order)
    }

    /// As the Admin `ana@example.com`, by the admin API.
    pub fn admin(&self, command: Command) -> Result<Done, Refusal> {
        self.order(by("User", "ana@example.com", Channel::Admin, command))
    }

    /// As the service user that provisions accounts, by directory sync.
    pub fn scim(&self, command: Command) -> Result<Done, Refusal> {
        self.order(by("ServiceUser", "provisioner", Channel::Scim, command))
    }

    /// What the live policies say.
    pub fn may(&self, principal: (&str, &str), action: &str, resource: (&str, &str)) -> bool {
        let query = Query::plain(principal, action, resource);
        self.now().snapshot.decide(&query).expect("an answer").is_allowed()
    }

    /// The lines of the audit trail.
    pub fn trail(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.root.path().join("audit/directory.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Holds what is live against the files read afresh.
    pub fn check_files(&self) {
        let live = self.now();
        let fresh = fresh(self.root.path());
        assert_eq!(state(&live.directory), state(&fresh));
        assert_eq!(live.directory.hash(), fresh.hash());
    }
}

/// The directory that the files of a root say, read by somebody else.
pub fn fresh(root: &Path) -> Arc<Directory> {
    let mut tree = read(root, &FileLimits::default());
    while tree.moved {
        // Somebody is writing just now, or finishes what was not finished.
        tree = read(root, &FileLimits::default());
    }
    let compiled = load(&tree, &Default::default(), None);
    compiled.unwrap_or_else(|faults| panic!("{:?}", faults.first())).directory
}

/// Everything that a directory says, by entry.
pub fn state(directory: &Directory) -> BTreeMap<Key, String> {
    let mut all = BTreeMap::new();
    for kind in Kind::ALL {
        for id in directory.ids(kind) {
            let key = Key::new(kind, id);
            let etag = directory.etag(&key).expect("an etag");
            all.insert(key, etag);
        }
    }
    all
}

/// The files below `entities/`, by path, with what they hold.
pub fn files(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, at: &Path, into: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(at).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(root, &path, into);
            } else if !path.ends_with(".lock") {
                let name = path.strip_prefix(root).expect("below the root").display().to_string();
                into.insert(name, std::fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(root, &root.join("entities"), &mut all);
    all
}

pub fn by(entity_type: &str, id: &str, channel: Channel, command: Command) -> Order {
    Order {
        command,
        actor: Actor {
            principal: Some((entity_type.to_owned(), id.to_owned())),
            ..Actor::default()
        },
        channel,
        expected: Expected::Newest,
        dry_run: false,
        request_id: None,
    }
}

pub fn create(kind: Kind, id: &str, entry: Patch) -> Command {
    Command::Create {
        key: Key::new(kind, id),
        entry,
    }
}

pub fn change(kind: Kind, id: &str, patch: Patch) -> Command {
    Command::Change {
        key: Key::new(kind, id),
        patch,
    }
}

pub fn delete(kind: Kind, id: &str) -> Command {
    Command::Delete {
        key: Key::new(kind, id),
    }
}
