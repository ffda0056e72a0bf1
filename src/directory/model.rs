//! The directory: all entries of all documents, and the indexes that questions and rules go through.
//!
//! It never changes. [`Directory::apply`] makes the next one, which shares with it whatever is the same, so keeping one
//! for each generation costs what changed.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::document::{Document, Retired, Stated};
use super::entry::{Account, Entry, Key, Kind, Store, Team};
use super::fold::fold;
use super::index::Index;
use super::rules;
use super::sorted::Sorted;
use crate::engine::{Fault, UnknownParents};

/// Users, service users, teams and datastores, as documents state them. A copy costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub(super) documents: Sorted<Arc<str>, Arc<Document>>,
    /// By kind.
    pub(super) entries: [Sorted<Arc<str>, Definitions>; 5],
    /// Which entry names which: first the one that is named.
    pub(super) edges: Sorted<Edge, ()>,
    /// What is named and is nowhere.
    pub(super) missing: Sorted<(Kind, Arc<str>), ()>,
    /// What is there more than once.
    pub(super) doubled: Sorted<(Kind, Arc<str>), ()>,
    /// Documents that have faults of their own.
    pub(super) faulty: Sorted<Arc<str>, ()>,
    /// The names and keys of teams, folded: what people see, and what they grant by.
    pub(super) team_names: Index,
    pub(super) scim_ids: Index,
    /// Ids of users that are not what they fold to, by that.
    pub(super) user_ids: Index,
    /// The `externalId` under `scim`.
    pub(super) external_ids: Index,
    /// The `userName` of users, folded.
    pub(super) user_names: Index,
    /// Names that may not be given again, folded, each with the document that says so.
    pub(super) retired: Sorted<RetiredKey, Arc<Retired>>,
    /// How many members a team has, and a hash of who they are.
    pub(super) tallies: Sorted<Arc<str>, Tally>,
    pub(super) active_admins: usize,
    /// See [`hash`](Self::hash), once somebody has asked.
    pub(super) hash: OnceLock<Option<[u8; 32]>>,
}

/// That one entry names another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) to: (Kind, Arc<str>),
    pub(super) from: (Kind, Arc<str>),
}

/// Where an entry is defined: the first by the names of documents counts, and one should be all.
#[derive(Clone, Debug)]
pub(super) enum Definitions {
    One(Definition),
    // INVARIANT: at least two, by the names of the documents.
    Many(Arc<[Definition]>),
}

#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) document: Arc<str>,
    pub(super) entry: Arc<Entry>,
}

impl Definitions {
    pub(super) fn all(&self) -> &[Definition] {
        match self {
            Self::One(definition) => std::slice::from_ref(definition),
            Self::Many(definitions) => definitions,
        }
    }

    pub(super) fn first(&self) -> &Definition {
        match self {
            Self::One(definition) => definition,
            Self::Many(definitions) => &definitions[0],
        }
    }
}

/// How many members there are, and a sum of the hashes of their names: it follows each that comes or goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) members: usize,
    sum: [u64; 4],
}

impl Tally {
    pub(super) fn add(&mut self, kind: Kind, id: &str) {
        self.members += 1;
        for (sum, part) in self.sum.iter_mut().zip(Self::parts(kind, id)) {
            *sum = sum.wrapping_add(part);
        }
    }

    pub(super) fn take(&mut self, kind: Kind, id: &str) {
        self.members = self.members.saturating_sub(1);
        for (sum, part) in self.sum.iter_mut().zip(Self::parts(kind, id)) {
            *sum = sum.wrapping_sub(part);
        }
    }

    fn parts(kind: Kind, id: &str) -> [u64; 4] {
        let hash = Sha256::digest(format!("{}:{id}", kind.key()));
        std::array::from_fn(|part| hash[8 * part..].iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

/// An entry in its document.
pub(super) struct Found<'d> {
    pub(super) document: &'d Document,
    pub(super) stated: &'d Stated,
}

/// What a name that is retired folds to, the document that says so, and the name.
pub(super) type RetiredKey = (Arc<str>, Arc<str>, Arc<str>);

impl Directory {
    /// A user or service user.
    pub fn account(&self, kind: Kind, id: &str) -> Option<&Account> {
        match self.entry(kind, id)? {
            Entry::Account(account) => Some(account),
            _ => None,
        }
    }

    /// A team. The built-in team is only there if a document has it.
    pub fn team(&self, id: &str) -> Option<&Team> {
        match self.entry(Kind::Team, id)? {
            Entry::Team(team) => Some(team),
            _ => None,
        }
    }

    /// A datastore of either kind.
    pub fn store(&self, kind: Kind, id: &str) -> Option<&Store> {
        match self.entry(kind, id)? {
            Entry::Store(store) => Some(store),
            _ => None,
        }
    }

    /// Whether there is such an entry.
    pub fn has(&self, kind: Kind, id: &str) -> bool {
        self.entry(kind, id).is_some()
    }

    /// The teams that an account is in, sorted: those that it lists, and those that list it. Not Public, and no team that
    /// is nowhere.
    pub fn teams_of(&self, kind: Kind, id: &str) -> Vec<&str> {
        let Some(account) = self.account(kind, id) else { return Vec::new() };
        let own = account.teams.iter().map(|team| &*team.id);
        let listing = self.referrers(kind, id).map(|(_, team)| team);
        let teams: BTreeSet<&str> = own.chain(listing).filter(|team| self.has(Kind::Team, team)).collect();
        teams.into_iter().filter(|team| *team != rules::PUBLIC).collect()
    }

    /// The accounts of a team, sorted: those that it lists, and those that list it, as far as they are there. For Public
    /// none, since everyone is in it. Costs what there are.
    pub fn members_of(&self, team: &str) -> Vec<(Kind, &str)> {
        let Some(listed) = self.team(team) else { return Vec::new() };
        let users = listed.users.iter().map(|user| (Kind::User, &*user.id));
        let service_users = listed.service_users.iter().map(|user| (Kind::ServiceUser, &*user.id));
        let listing = self.referrers(Kind::Team, team);
        let mut members: Vec<(Kind, &str)> = users.chain(service_users).chain(listing).collect();
        members.sort_unstable();
        members.dedup();
        members.retain(|(kind, id)| self.has(*kind, id));
        members
    }

    /// How many members [`members_of`](Self::members_of) has. Costs the same for any team.
    pub fn member_count(&self, team: &str) -> usize {
        self.tally(team).members
    }

    /// Whether an account is in a team. Costs as much as the lists of the account and, if the team lists it, those of
    /// the team.
    pub fn is_member(&self, team: &str, kind: Kind, id: &str) -> bool {
        let own = || {
            self.account(kind, id)
                .is_some_and(|account| account.teams.iter().any(|own| &*own.id == team))
        };
        let edge = (kind, id, Kind::Team, team);
        self.has(kind, id)
            && self.has(Kind::Team, team)
            && (own() || self.edges.get(|known| known.order(edge)).is_some())
    }

    /// The ids of a kind, ascending.
    pub fn ids(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.entries[kind.index()].iter().map(|(id, _)| &**id)
    }

    /// The same, from the first that comes behind an id.
    pub fn ids_behind(&self, kind: Kind, id: &str) -> impl Iterator<Item = &str> {
        let behind = self.entries[kind.index()].range(move |known| (**known).cmp(id));
        behind.map(|(known, _)| &**known).skip_while(move |known| *known == id)
    }

    /// How many entries of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.entries[kind.index()].len()
    }

    /// The entry whose `id` under `scim` is this.
    pub fn scim_id(&self, kind: Kind, scim_id: &str) -> Option<&str> {
        self.scim_ids.ids(kind, scim_id).next()
    }

    /// The entries of a kind that SCIM created: their `id` under `scim`, ascending, and their own.
    pub fn scim_entries(&self, kind: Kind) -> impl Iterator<Item = (&str, &str)> {
        self.scim_ids.all(kind)
    }

    /// How many users SCIM created.
    pub fn synced_users(&self) -> usize {
        self.user_names.len()
    }

    /// The entries whose `externalId` under `scim` is this.
    pub fn external_id(&self, kind: Kind, external_id: &str) -> impl Iterator<Item = &str> {
        self.external_ids.ids(kind, external_id)
    }

    /// The user whose `userName` under `scim` folds to this (see [`fold`](super::fold)).
    pub fn user_name(&self, folded: &str) -> Option<&str> {
        self.user_names.ids(Kind::User, folded).next()
    }

    /// Another user whose id is this one but for case and width (see [`fold`](super::fold)).
    pub fn twin(&self, id: &str) -> Option<String> {
        let folded = fold(id);
        let other = self.user_ids.ids(Kind::User, &folded).find(|known| *known != id);
        let other = other.map(str::to_owned);
        other.or_else(|| (folded != id && self.account(Kind::User, &folded).is_some()).then_some(folded))
    }

    /// Whether a name of a user may not be given again, without regard to case.
    pub fn is_retired(&self, name: &str) -> bool {
        self.retired_as(&fold(name)).next().is_some()
    }

    /// Names of users that may not be given again, ascending by what they fold to, each once, from the first that comes
    /// behind a name.
    pub fn retired_behind(&self, name: &str) -> impl Iterator<Item = &Retired> {
        let behind = fold(name);
        let all = self.retired.range(|(known, ..)| (**known).cmp(&behind));
        let mut last = Arc::<str>::from(behind.as_str());
        all.filter_map(move |((folded, ..), retired)| {
            let is_new = *folded != last;
            last = folded.clone();
            is_new.then_some(&**retired)
        })
    }

    /// Whether an account may take a name: nobody had it before, or this account alone, by what directory sync has of it.
    pub fn may_take(&self, name: &str, scim: Option<&serde_json::Value>) -> bool {
        let id = text_of(scim, "id");
        self.retired_as(&fold(name)).all(|before| id.is_some() && before.scim_id.as_deref() == id)
    }

    /// Whether a name was this account's, and nobody else's.
    pub fn had(&self, name: &str, scim: Option<&serde_json::Value>) -> bool {
        self.is_retired(name) && self.may_take(name, scim)
    }

    /// Whether a new account may have a name: nobody had it before, or one of the same `externalId` that is gone, and
    /// nobody has that `externalId` now. An account that is there may have been given it for the name's sake.
    pub fn may_come_as(&self, name: &str, scim: Option<&serde_json::Value>) -> bool {
        let external_id = text_of(scim, "externalId").filter(|id| !id.trim().is_empty());
        let is_free = external_id.is_some_and(|id| self.external_id(Kind::User, id).next().is_none());
        let has_gone =
            |before: &Retired| before.scim_id.as_deref().is_none_or(|id| self.scim_id(Kind::User, id).is_none());
        self.retired_as(&fold(name))
            .all(|before| is_free && has_gone(before) && before.external_id.as_deref() == external_id)
    }

    fn retired_as<'d>(&'d self, folded: &'d str) -> impl Iterator<Item = &'d Retired> {
        self.retired
            .range(move |(known, ..)| (**known).cmp(folded))
            .take_while(move |((known, ..), _)| **known == *folded)
            .map(|(_, retired)| &**retired)
    }

    /// The name of the document that an entry stands in.
    pub fn document_of(&self, key: &Key) -> Option<&Arc<str>> {
        Some(&self.definitions(key.kind, &key.id)?.first().document)
    }

    /// The text of a document.
    pub fn text(&self, document: &str) -> Option<&crate::engine::Text> {
        Some(&self.documents.get(|name| (**name).cmp(document))?.text)
    }

    /// The names of all documents, ascending, each with the SHA-256 of its content.
    pub fn documents(&self) -> impl Iterator<Item = (&Arc<str>, &[u8; 32])> {
        self.documents.iter().map(|(name, document)| (name, &document.hash))
    }

    /// 32 hexadecimal digits that name the state of an entry, its members or teams included. Costs the same for a team
    /// of any size.
    pub fn etag(&self, key: &Key) -> Option<String> {
        let scim = |scim: &Option<Arc<serde_json::Value>>| scim.as_deref().cloned();
        let state = match self.entry(key.kind, &key.id)? {
            Entry::Account(account) => json!({
                "name": account.name, "role": account.role.name(), "active": account.active,
                "teams": self.teams_of(key.kind, &key.id), "scim": scim(&account.scim),
            }),
            Entry::Team(team) => {
                let stores = |assignments: &[super::Assignment]| -> Vec<serde_json::Value> {
                    let mut all: Vec<_> = assignments
                        .iter()
                        .map(|one| (&*one.to.id, one.permission.map(super::Permission::name)))
                        .collect();
                    all.sort_unstable();
                    all.into_iter().map(|one| json!(one)).collect()
                };
                json!({
                    "name": team.name, "description": team.description,
                    "permission": team.permission.map(super::Permission::name),
                    "datastores": stores(&team.datastores),
                    "enrichment_datastores": stores(&team.enrichment_datastores),
                    "members": self.tally(&key.id).sum, "scim": scim(&team.scim),
                })
            }
            Entry::Store(store) => json!({ "name": store.name }),
        };
        let hash = Sha256::digest(json!([key.kind.key(), key.id, state]).to_string());
        Some(hash[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether there are no documents.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// SHA-256 of the names and contents of all documents; none if there are none. Lengths go in front, so that no two
    /// directories give the same bytes. The first call costs as much as there are documents.
    pub fn hash(&self) -> Option<[u8; 32]> {
        *self.hash.get_or_init(|| {
            let mut hash = Sha256::new();
            for (name, content) in self.documents() {
                hash.update((name.len() as u64).to_le_bytes());
                hash.update(name.as_bytes());
                hash.update(content);
            }
            (!self.documents.is_empty()).then(|| hash.finalize().into())
        })
    }

    /// What is wrong with the directory, errors and warnings. An entry that names another which is nowhere is an error
    /// or, with [`UnknownParents::Drop`], a warning; it grants nothing either way.
    pub fn faults(&self, unknown: UnknownParents) -> Vec<Fault> {
        rules::check(self, unknown)
    }

    pub(super) fn active_admins(&self) -> usize {
        self.active_admins
    }

    pub(super) fn definitions(&self, kind: Kind, id: &str) -> Option<&Definitions> {
        self.entries[kind.index()].get(|known| (**known).cmp(id))
    }

    pub(super) fn entry(&self, kind: Kind, id: &str) -> Option<&Entry> {
        Some(&self.definitions(kind, id)?.first().entry)
    }

    /// An entry where it stands.
    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<Found<'_>> {
        let definition = self.definitions(kind, id)?.first();
        let document = self.documents.get(|name| name.cmp(&definition.document))?;
        let stated = document.find(kind, id).first()?;
        Some(Found { document, stated })
    }

    /// All places in which an entry stands.
    pub(super) fn places(&self, kind: Kind, id: &str) -> Vec<Found<'_>> {
        let all = self.definitions(kind, id).map(Definitions::all).unwrap_or_default();
        let mut names: Vec<&Arc<str>> = all.iter().map(|definition| &definition.document).collect();
        names.dedup();
        let documents = names.into_iter().filter_map(|name| self.documents.get(|known| known.cmp(name)));
        documents
            .flat_map(|document| document.find(kind, id).iter().map(move |stated| Found { document, stated }))
            .collect()
    }

    /// The entries that name this one in a list of theirs, sorted.
    pub fn referrers<'d>(&'d self, kind: Kind, id: &str) -> impl Iterator<Item = (Kind, &'d str)> + use<'d> {
        let id: Arc<str> = id.into();
        let to = (kind, id);
        let from_here = self.edges.range(|edge| (edge.to.0, &edge.to.1).cmp(&(to.0, &to.1)));
        from_here
            .take_while(move |(edge, ())| edge.to == to)
            .map(|(edge, ())| (edge.from.0, &*edge.from.1))
    }

    pub(super) fn tally(&self, team: &str) -> Tally {
        self.tallies.get(|known| (**known).cmp(team)).copied().unwrap_or_default()
    }

    pub(super) fn faulty(&self) -> impl Iterator<Item = &Document> {
        let names = self.faulty.iter().map(|(name, ())| name);
        names
            .filter_map(|name| self.documents.get(|known| known.cmp(name)))
            .map(|document| &**document)
    }

    pub(super) fn doubled(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.doubled.iter().map(|((kind, id), ())| (*kind, &**id))
    }

    pub(super) fn missing(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.missing.iter().map(|((kind, id), ())| (*kind, &**id))
    }
}

impl Edge {
    /// How this edge stands to another, by its parts.
    pub(super) fn order(&self, other: (Kind, &str, Kind, &str)) -> std::cmp::Ordering {
        (self.to.0, &*self.to.1, self.from.0, &*self.from.1).cmp(&other)
    }
}

/// A text under `scim`.
fn text_of<'s>(scim: Option<&'s serde_json::Value>, key: &str) -> Option<&'s str> {
    scim.and_then(|scim| scim.get(key)).and_then(serde_json::Value::as_str)
}
