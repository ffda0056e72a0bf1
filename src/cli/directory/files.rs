//! The directory in the files of a root, read in this process and changed by its own writer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::outcome::Outcome;
use super::place::{Manner, Purpose};
use crate::app::{Settings, World, built_in};
use crate::cli::check::tell_built_in;
use crate::cli::source::Failed;
use crate::cli::{RootArgs, progress, system_user};
use crate::directory::{Account, Assignment, Command, Directory, Key, Kind, Permission, Team};
use crate::engine::{Fault, Faults};
use crate::store::{self, Actor, Channel, Compiled, Expected, Live, Loader, Order, Refusal};

/// How often a tree that moves is read again.
const ATTEMPTS: usize = 10;

/// Between two looks at whether files that have faults have been refused.
const LOOK: Duration = Duration::from_millis(20);

/// A directory, and who writes it.
pub(super) struct Files {
    directory: Arc<Directory>,
    revision: String,
    /// None where it is only read.
    loader: Option<Loader>,
}

impl Files {
    /// Reads the files.
    ///
    /// # Errors
    /// They or the settings have faults; or they are to be changed, and are the built-in model.
    pub(super) fn open(root: &RootArgs, purpose: Purpose) -> Result<Self, Failed> {
        let settings = root.settings(&[]).map_err(Failed::Settings)?;
        match (purpose, root.world()) {
            (Purpose::Read, world) => {
                tell_built_in(&world);
                let compiled = read(&world, &settings).map_err(Failed::Files)?;
                Ok(Self {
                    revision: compiled.snapshot.revision().to_owned(),
                    directory: compiled.directory,
                    loader: None,
                })
            }
            (Purpose::Change, World::Root(path)) => Self::open_to_change(path, &settings),
            (Purpose::Change, World::BuiltIn) => Err(Failed::Usage(
                "this directory is no root, and the built-in model cannot be changed: name a root with --root, or make \
                 one with `gatepost init`"
                    .to_owned(),
            )),
        }
    }

    /// Starts the writer of a root, and waits until it has read the files.
    fn open_to_change(path: std::path::PathBuf, settings: &Settings) -> Result<Self, Failed> {
        let live = Arc::new(Live::default());
        let mut loading = settings.loader(path);
        loading.events = false;
        loading.progress = progress::bar();
        let loader =
            Loader::start(loading, live.clone()).map_err(|error| Failed::Other(format!("cannot start: {error}")))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| Failed::Other(format!("cannot start: {error}")))?;
        let mut published = live.subscribe();
        runtime.block_on(async {
            loop {
                let news = tokio::time::timeout(LOOK, published.wait_for(|number| *number > 0)).await;
                if news.is_ok() {
                    return Ok(());
                }
                if let Some(pending) = live.status().pending {
                    return Err(Failed::Files(pending.faults.clone()));
                }
            }
        })?;
        let generation = live.current();
        let Some(generation) = generation.as_ref() else {
            return Err(Failed::Other("the files could not be read".to_owned()));
        };
        Ok(Self {
            directory: generation.directory.clone(),
            revision: generation.snapshot.revision().to_owned(),
            loader: Some(loader),
        })
    }

    pub(super) fn revision(&self) -> &str {
        &self.revision
    }

    /// All entries of a kind, by their ids.
    pub(super) fn all(&self, kind: Kind) -> Vec<Value> {
        let ids: Vec<String> = self.directory.ids(kind).map(str::to_owned).collect();
        ids.into_iter().filter_map(|id| self.entry(&Key::new(kind, id))).collect()
    }

    /// One entry, as the admin API shows it.
    pub(super) fn entry(&self, key: &Key) -> Option<Value> {
        let directory = &self.directory;
        Some(match key.kind {
            Kind::User | Kind::ServiceUser => account(directory, key, directory.account(key.kind, &key.id)?),
            Kind::Team => team(directory, key, directory.team(&key.id)?),
            Kind::Datastore | Kind::EnrichmentDatastore => {
                json!({ "id": key.id, "name": directory.store(key.kind, &key.id)?.name })
            }
        })
    }

    /// Has a command carried out by the one writer.
    pub(super) fn order(&self, command: &Command, manner: &Manner) -> Result<Outcome, Failed> {
        let Some(loader) = &self.loader else {
            return Err(Failed::Other("these files are only read".to_owned()));
        };
        let order = Order {
            command: command.clone(),
            actor: Actor {
                principal: manner.acting.clone(),
                token: None,
                system_user: system_user(),
            },
            channel: Channel::CommandLine,
            expected: manner.if_revision.clone().map_or(Expected::Newest, Expected::Revision),
            dry_run: manner.dry_run,
            request_id: None,
        };
        loader.writer().order_blocking(order).map(Outcome::from).map_err(refused)
    }
}

/// Why nothing was written, in the words of the command line.
fn refused(refusal: Refusal) -> Failed {
    let why = match refusal {
        Refusal::Io(_) | Refusal::Contended(_) | Refusal::Busy => return Failed::Other(refusal.to_string()),
        Refusal::Denied(_) | Refusal::Rule { .. } => Failed::Refused(refusal.to_string()),
        Refusal::Broken(faults) | Refusal::Uneditable(faults) => Failed::Files(faults),
        Refusal::Invalid { .. } => Failed::Usage(refusal.to_string()),
        Refusal::Stale { .. } => return Failed::Overtaken(Box::new(Failed::Other(refusal.to_string()))),
        Refusal::NotFound(_) | Refusal::NotRetired(_) | Refusal::Exists(_) | Refusal::Claimed { .. } => {
            Failed::Other(refusal.to_string())
        }
    };
    Failed::TurnedDown(Box::new(why))
}

/// Reads what a world is, once.
///
/// # Errors
/// The files have faults.
pub(in crate::cli) fn read(world: &World, settings: &Settings) -> Result<Compiled, Faults> {
    let work = || match world {
        World::BuiltIn => store::load_files(&built_in(), &settings.options),
        World::Root(path) => {
            let mut tree = store::read(path, &settings.files);
            for _ in 1..ATTEMPTS {
                if !tree.moved {
                    break;
                }
                tree = store::read(path, &settings.files);
            }
            store::load(&tree, &settings.options, progress::bar())
        }
    };
    // Deep policies want a deep stack.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, work);
        let joined = thread.map(std::thread::ScopedJoinHandle::join);
        joined.ok().and_then(Result::ok).unwrap_or_else(|| {
            Err(Faults::from(Fault::error(
                "internal",
                "reading broke off; this is a mistake in gatepost",
            )))
        })
    })
}

fn account(directory: &Directory, key: &Key, account: &Account) -> Value {
    json!({
        "id": key.id,
        "name": account.name,
        "role": account.role.name(),
        "active": account.active,
        "teams": directory.teams_of(key.kind, &key.id),
        "synced": account.scim.is_some(),
    })
}

fn team(directory: &Directory, key: &Key, team: &Team) -> Value {
    let members = directory.members_of(&key.id);
    let of =
        |kind: Kind| -> Vec<&str> { members.iter().filter(|(known, _)| *known == kind).map(|(_, id)| *id).collect() };
    json!({
        "id": key.id,
        "name": team.name,
        "description": team.description,
        "permission": team.permission.map(Permission::name),
        "synced": team.scim.is_some(),
        "member_count": members.len(),
        "users": of(Kind::User),
        "service_users": of(Kind::ServiceUser),
        "datastores": assignments(&team.datastores),
        "enrichment_datastores": assignments(&team.enrichment_datastores),
    })
}

fn assignments(assignments: &[Assignment]) -> Vec<Value> {
    let mut sorted: Vec<&Assignment> = assignments.iter().collect();
    sorted.sort_by(|one, other| one.to.id.cmp(&other.to.id));
    let shown = sorted.into_iter().map(|assignment| match assignment.permission {
        None => json!({ "id": &*assignment.to.id }),
        Some(level) => json!({ "id": &*assignment.to.id, "permission": level.name() }),
    });
    shown.collect()
}
