//! The entries of a directory: what documents say of users, service users, teams and datastores.

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::engine::Span;

/// The kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person.
    User,
    /// A program.
    ServiceUser,
    /// Accounts, and what they may do to which datastores.
    Team,
    /// A datastore.
    Datastore,
    /// A datastore that enriches others.
    EnrichmentDatastore,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::User,
        Self::ServiceUser,
        Self::Team,
        Self::Datastore,
        Self::EnrichmentDatastore,
    ];

    /// The key of a document: `users`, `service_users`, `teams`, `datastores`, `enrichment_datastores`.
    pub fn key(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::ServiceUser => "service_users",
            Self::Team => "teams",
            Self::Datastore => "datastores",
            Self::EnrichmentDatastore => "enrichment_datastores",
        }
    }

    /// The Cedar entity type.
    pub fn entity_type(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::ServiceUser => "ServiceUser",
            Self::Team => "Team",
            Self::Datastore => "Datastore",
            Self::EnrichmentDatastore => "EnrichmentDatastore",
        }
    }

    /// What a person calls one of them.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceUser => "service user",
            Self::Team => "team",
            Self::Datastore => "datastore",
            Self::EnrichmentDatastore => "enrichment datastore",
        }
    }

    /// Whether it can be in teams.
    pub fn is_account(self) -> bool {
        matches!(self, Self::User | Self::ServiceUser)
    }

    /// Where it stands among all kinds.
    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// The name of an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Its id, unique among its kind.
    pub id: String,
}

impl Key {
    /// The key of an entry.
    pub fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

impl fmt::Display for Key {
    /// As messages call it: the team `Risk`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} `{}`", self.kind.word(), self.id)
    }
}

/// A role. Exactly one is held by every account (R1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May do everything.
    Admin,
    /// May manage teams and their members.
    Manager,
    /// May do what its teams may.
    Member,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Manager, Self::Member];
    pub(super) const NAMES: [&'static str; 3] = ["Admin", "Manager", "Member"];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::Manager => "Manager",
            Self::Member => "Member",
        }
    }

    /// The role that is written so.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// What a team has on a datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// To look.
    Read,
    /// To look and to change.
    Write,
}

impl Permission {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The permission that is written so.
    pub fn read(name: &str) -> Option<Self> {
        [Self::Read, Self::Write].into_iter().find(|level| level.name() == name)
    }
}

/// A user or a service user.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// What people call it; its id if nothing else is written.
    pub name: String,
    /// Its one role.
    pub role: Role,
    /// Whether it may do anything at all.
    pub active: bool,
    /// Teams that it says it is in, in the order of the document. Others may list it:
    /// [`Directory::teams_of`](super::Directory::teams_of) has all.
    pub teams: Vec<Reference>,
    /// What the SCIM side keeps: a mapping. None if SCIM did not create it.
    pub scim: Option<Arc<Json>>,
}

/// A team.
#[derive(Clone, Debug, PartialEq)]
pub struct Team {
    /// Its name, unique among teams; its id if nothing else is written.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The level on its datastores that have none of their own.
    pub permission: Option<Permission>,
    /// Users that it lists. Others may say they are in it:
    /// [`Directory::members_of`](super::Directory::members_of) has all.
    pub users: Vec<Reference>,
    /// Service users that it lists.
    pub service_users: Vec<Reference>,
    /// Its datastores.
    pub datastores: Vec<Assignment>,
    /// Its enrichment datastores.
    pub enrichment_datastores: Vec<Assignment>,
    /// What the SCIM side keeps: a mapping. None if SCIM did not create it.
    pub scim: Option<Arc<Json>>,
    /// Where its name is written, if it is.
    pub(super) name_at: Option<At>,
}

/// A datastore of either kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// What people call it; its id if nothing else is written.
    pub name: String,
}

/// An id of another entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The id.
    pub id: Arc<str>,
    pub(super) at: At,
}

/// A datastore of a team, with a level of its own or the team's.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The datastore.
    pub to: Reference,
    /// Its own level, which wins over the team's (R23).
    pub permission: Option<Permission>,
}

/// A place within an entry, in bytes from where the entry's value begins: it stays the same where an entry as a whole
/// moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    offset: i32,
    len: u32,
}

impl At {
    /// The place of a span, seen from the offset at which the entry's value begins.
    pub(super) fn new(span: Span, base: usize) -> Self {
        Self {
            offset: (span.offset as i64 - base as i64) as i32,
            len: span.len as u32,
        }
    }

    /// The span in a text in which the entry's value begins at this offset.
    pub(super) fn span(self, base: usize) -> Span {
        let offset = base as i64 + i64::from(self.offset);
        Span::new(usize::try_from(offset).unwrap_or_default(), self.len as usize)
    }
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    Account(Account),
    // In a box, since most entries are accounts, and these are a third as large.
    Team(Box<Team>),
    Store(Store),
}

impl Entry {
    /// The entries that this one names, each with its place.
    pub(super) fn references(&self, kind: Kind) -> impl Iterator<Item = (Kind, &Reference)> {
        let (account, team) = match self {
            Self::Account(account) => (Some(account), None),
            Self::Team(team) => (None, Some(team)),
            Self::Store(_) => (None, None),
        };
        debug_assert_eq!(account.is_some(), kind.is_account());
        let teams = account.into_iter().flat_map(|account| &account.teams).map(|team| (Kind::Team, team));
        let of_team = team.into_iter().flat_map(|team| {
            let users = team.users.iter().map(|user| (Kind::User, user));
            let service_users = team.service_users.iter().map(|user| (Kind::ServiceUser, user));
            let datastores = team.datastores.iter().map(|store| (Kind::Datastore, &store.to));
            let enrichment = team.enrichment_datastores.iter().map(|store| (Kind::EnrichmentDatastore, &store.to));
            users.chain(service_users).chain(datastores).chain(enrichment)
        });
        teams.chain(of_team)
    }

    pub(super) fn scim(&self) -> Option<&Json> {
        match self {
            Self::Account(account) => account.scim.as_deref(),
            Self::Team(team) => team.scim.as_deref(),
            Self::Store(_) => None,
        }
    }
}
