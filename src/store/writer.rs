//! Orders: commands with who gives them, and what comes of them.

mod access;
mod audit;
mod batch;
mod claims;
mod difference;
mod edits;
mod questions;
mod rules;
mod told;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use serde_json::Value as Json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use audit::{AuditSettings, TokenChange, TokenLine, record_token};
pub use claims::{Claim, Claims};

pub(super) use access::compare;
pub(super) use audit::{Line, Outcome, Trail};
pub(super) use batch::{Applied, Batch, Refused};

use super::loader::Event;
use super::managed::FileChange;
use crate::directory::{Command, Key, Permission, Role};
use crate::engine::Faults;

/// A command, who gives it, and on what condition.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is to change.
    pub command: Command,
    /// Who says so.
    pub actor: Actor,
    /// The way it came.
    pub channel: Channel,
    /// What must still be so.
    pub expected: Expected,
    /// Whether nothing is written: everything else is done as if it were.
    pub dry_run: bool,
    /// For the audit trail.
    pub request_id: Option<String>,
}

/// Who gives an order. None of this is a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// Type and id of the principal that the policies are asked about. Without one nobody is asked, which
    /// [`Channel::CommandLine`] alone allows: who can write the files may.
    pub principal: Option<(String, String)>,
    /// The name of the token that was shown.
    pub token: Option<String>,
    /// The user of the operating system, on the command line.
    pub system_user: Option<String>,
}

/// The way an order came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The admin API.
    Admin,
    /// Directory sync.
    Scim,
    /// The command line, on files.
    CommandLine,
}

impl Channel {
    /// As the audit trail calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Scim => "scim",
            Self::CommandLine => "command-line",
        }
    }
}

/// What must still be so when an order's turn comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Nothing: the newest state is taken.
    #[default]
    Newest,
    /// The revision of the whole root.
    Revision(String),
    /// The ETag of the entry.
    Entry(String),
}

/// What came of an order that was carried out.
#[derive(Clone, Debug)]
pub struct Done {
    /// The revision that is live and has it. Of a dry run, the one that would be.
    pub revision: String,
    /// Whether it changed anything. If not, nothing was written, and the revision is an old one.
    pub changed: bool,
    /// What the entry said where it says something else now: its keys as in a document, `id`, and of lists only what is
    /// gone. None if it was not there.
    pub before: Option<Json>,
    /// What the entry says now, likewise. None if it is not there any more.
    pub after: Option<Json>,
    /// The entry's ETag, if there is such an entry now.
    pub etag: Option<String>,
    /// The files that were written, or would be.
    pub files: Vec<FileChange>,
    /// Whose access changes: of dry runs only.
    pub access: Option<AccessDiff>,
}

/// Whose access a change changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessDiff {
    /// Levels on datastores, by account and datastore.
    pub levels: Vec<LevelChange>,
    /// Roles.
    pub roles: Vec<RoleChange>,
    /// Accounts that gain something: a level, or a role that is higher than their last.
    pub gaining: usize,
    /// Accounts that lose something.
    pub losing: usize,
    /// Whether there was more to ask than is asked; what is said here holds all the same.
    pub is_cut: bool,
}

/// What an account may do to a datastore, as the policies say: `read`, `write`, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// The account.
    pub account: Key,
    /// The datastore.
    pub store: Key,
    /// What it had.
    pub before: Option<Permission>,
    /// What it has now.
    pub after: Option<Permission>,
}

/// An account's role; none where the account is not there or is deactivated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// The account.
    pub account: Key,
    /// What it had.
    pub before: Option<Role>,
    /// What it has now.
    pub after: Option<Role>,
}

/// Why an order was not carried out. Nothing was written then.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The policies do not let the actor do it.
    Denied(Box<Denied>),
    /// A rule that no policy can hold.
    Rule {
        /// Such as `R10`.
        rule: &'static str,
        /// What it says of this case.
        message: String,
    },
    /// There is no such entry.
    NotFound(Key),
    /// This id of a user is not retired.
    NotRetired(String),
    /// There is such an entry already.
    Exists(Key),
    /// Tokens speak for an account of this id, which comes: they would be good again.
    Claimed {
        /// The account.
        key: Key,
        /// The names of the tokens.
        tokens: Vec<String>,
    },
    /// What the order expects is not so any more.
    Stale {
        /// The revision that is live.
        revision: String,
        /// The entry's ETag, if it is there.
        etag: Option<String>,
    },
    /// The command says something that cannot be.
    Invalid {
        /// The part of the patch, such as `teams`; empty for the whole.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The root has faults, or the change would bring some: of files, of the directory, or of the entities.
    Broken(Faults),
    /// The file that the entry stands in cannot be edited without losing what people wrote: with the place.
    Uneditable(Faults),
    /// The files could not be written.
    Io(String),
    /// Others write the files just now: another process that holds their lock, or somebody who changes them again and again.
    /// The same order may be given again.
    Contended(String),
    /// Too many orders wait, or the writer is ending. The same order may be given again.
    Busy,
}

/// A question that the policies answered with no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Who asked.
    pub principal: (String, String),
    /// Whether that is an account, and the directory has none of this id.
    pub is_missing: bool,
    /// The action, such as `editRole`.
    pub action: String,
    /// What it was to be done to.
    pub resource: (String, String),
    /// The policies that forbid it, or could not be evaluated: id, and `@rule` if it has one.
    pub policies: Vec<(String, Option<String>)>,
    /// The rules that these policies state, or where no policy allows it the rule that reserves the action for Admins.
    pub rule: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((principal_type, principal), (resource_type, resource)) = (&self.principal, &self.resource);
        write!(
            f,
            "`{principal_type}::\"{principal}\"` may not do `{}` to `{resource_type}::\"{resource}\"`",
            self.action
        )?;
        if self.is_missing {
            return write!(f, ": there is no such account ({})", self.rule);
        }
        let ids: Vec<String> = self.policies.iter().map(|(id, _)| format!("`{id}`")).collect();
        match ids.is_empty() {
            true => write!(f, ": no policy allows it ({})", self.rule),
            false => write!(f, ": forbidden by {} ({})", ids.join(", "), self.rule),
        }
    }
}

impl Refusal {
    /// The rule of the access model, or rules, that it rests on: `R10`, `R6, R8`.
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Denied(denied) => Some(&denied.rule),
            Self::Rule { rule, .. } => Some(rule),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::Rule { rule, message } => write!(f, "{message} ({rule})"),
            Self::NotFound(key) => write!(f, "there is no {} `{}`", key.kind.word(), key.id),
            Self::NotRetired(id) => write!(f, "`{id}` is not retired"),
            Self::Exists(key) => write!(f, "there is a {} `{}` already", key.kind.word(), key.id),
            Self::Claimed { key, tokens } => {
                let tokens: Vec<String> = tokens.iter().map(|token| format!("`{token}`")).collect();
                write!(
                    f,
                    "tokens of a former {} `{}` would be good for the new one: revoke {} first, with `gatepost token revoke`",
                    key.kind.word(),
                    key.id,
                    tokens.join(", ")
                )
            }
            Self::Stale { revision, .. } => write!(f, "it has changed meanwhile: the revision is `{revision}` now"),
            Self::Invalid { field: "", message } => f.write_str(message),
            Self::Invalid { field, message } => write!(f, "`{field}`: {message}"),
            Self::Broken(faults) | Self::Uneditable(faults) => write!(f, "{}", faults.first()),
            Self::Io(message) | Self::Contended(message) => f.write_str(message),
            Self::Busy => f.write_str("too many orders wait: try again"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The way to give orders to the one task that writes. Clones are the same writer.
#[derive(Clone, Debug)]
pub struct Writer {
    events: Sender<Event>,
    places: Arc<Semaphore>,
}

/// An order that waits for its turn, and where its answer goes.
#[derive(Debug)]
pub struct Waiting {
    pub(super) order: Order,
    /// How often its turn came, and the files had changed.
    pub(super) tries: u32,
    /// Since when another process writes, which it waits for.
    pub(super) locked_out: Option<Instant>,
    answer: oneshot::Sender<Result<Done, Refusal>>,
    _place: OwnedSemaphorePermit,
}

impl Waiting {
    /// Answers. A caller that has gone misses it.
    pub(super) fn answer(self, answer: Result<Done, Refusal>) {
        let _ = self.answer.send(answer);
    }
}

impl Writer {
    pub(super) fn new(events: Sender<Event>, places: &Arc<Semaphore>) -> Self {
        Self {
            events,
            places: places.clone(),
        }
    }

    /// Has an order carried out. The answer comes when the change is live. An order whose caller goes is carried out
    /// all the same.
    ///
    /// # Errors
    /// Why nothing was written; see [`Refusal`].
    pub async fn order(&self, order: Order) -> Result<Done, Refusal> {
        self.send(order)?.await.unwrap_or_else(|_| Err(unknown_outcome()))
    }

    /// The same, for callers outside of a runtime.
    ///
    /// # Errors
    /// Why nothing was written; see [`Refusal`].
    ///
    /// # Panics
    /// Within a task of a runtime.
    pub fn order_blocking(&self, order: Order) -> Result<Done, Refusal> {
        self.send(order)?.blocking_recv().unwrap_or_else(|_| Err(unknown_outcome()))
    }

    fn send(&self, order: Order) -> Result<oneshot::Receiver<Result<Done, Refusal>>, Refusal> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            order,
            tries: 0,
            locked_out: None,
            answer,
            _place: place,
        };
        match self.events.send(Event::Order(Box::new(waiting))) {
            Ok(()) => Ok(answered),
            Err(_) => Err(Refusal::Busy),
        }
    }
}

/// The writer ended, or broke off, before it answered.
fn unknown_outcome() -> Refusal {
    Refusal::Io("the writer ended before it answered: look whether the change was made".to_owned())
}
