//! What a person or a program may want changed in a directory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{Key, Kind, Permission, Role};

/// One change of one entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// There is to be an entry that was not there. What the patch leaves out has its default: an account is a Member and
    /// active (R9), a team has no permission, a name is the id.
    Create {
        /// Its name.
        key: Key,
        /// What it says.
        entry: Patch,
    },
    /// An entry is to say something else.
    Change {
        /// Its name.
        key: Key,
        /// What changes.
        patch: Patch,
    },
    /// An entry is to go, with every mention of it. A user's id is retired then.
    Delete {
        /// Its name.
        key: Key,
    },
    /// A retired id of a user may be given to a new account again. It takes an Admin's word.
    Release {
        /// The id.
        user: String,
    },
}

impl Command {
    /// The entry that it is about.
    pub fn key(&self) -> Key {
        match self {
            Self::Create { key, .. } | Self::Change { key, .. } | Self::Delete { key } => key.clone(),
            Self::Release { user } => Key::new(Kind::User, user.as_str()),
        }
    }

    /// One word for it: `create`, `change`, `delete` or `release`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Change { .. } => "change",
            Self::Delete { .. } => "delete",
            Self::Release { .. } => "release",
        }
    }
}

/// What of an entry changes; everything else stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// Another id. Every mention of the entry follows.
    pub id: Option<String>,
    /// Another name, of any entry.
    pub name: Option<String>,
    /// Another description, of a team.
    pub description: Option<String>,
    /// Another role, of an account.
    pub role: Option<Role>,
    /// Deactivation or reactivation of an account.
    pub active: Option<bool>,
    /// Another permission of a team, or none.
    pub permission: Option<Option<Permission>>,
    /// The teams of an account. Public is never named (R20).
    pub teams: Members,
    /// The users of a team.
    pub users: Members,
    /// The service users of a team.
    pub service_users: Members,
    /// The datastores of a team.
    pub datastores: Assignments,
    /// The enrichment datastores of a team.
    pub enrichment_datastores: Assignments,
    /// What the SCIM side keeps with a user or a team: a mapping, or nothing any more.
    pub scim: Option<Option<Json>>,
}

/// A change of a set of ids. Adding what is there and removing what is not changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Members {
    /// It stays.
    #[default]
    Keep,
    /// Just these.
    Set(BTreeSet<String>),
    /// Some more and some less.
    Change {
        /// These are to be in it.
        add: BTreeSet<String>,
        /// These are not.
        remove: BTreeSet<String>,
    },
}

impl Members {
    /// One more.
    pub fn add(id: impl Into<String>) -> Self {
        Self::Change {
            add: BTreeSet::from([id.into()]),
            remove: BTreeSet::new(),
        }
    }

    /// One less.
    pub fn remove(id: impl Into<String>) -> Self {
        Self::Change {
            add: BTreeSet::new(),
            remove: BTreeSet::from([id.into()]),
        }
    }
}

/// A change of the datastores of a team: each with its own level, or with the team's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Assignments {
    /// They stay.
    #[default]
    Keep,
    /// Just these.
    Set(BTreeMap<String, Option<Permission>>),
    /// Some more or with another level, and some less.
    Change {
        /// These are to be assigned, each with this level.
        set: BTreeMap<String, Option<Permission>>,
        /// These are not.
        remove: BTreeSet<String>,
    },
}
