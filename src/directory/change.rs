//! From one directory to the next: documents that changed, and what of the entities is different for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::document::{Document, Stated};
use super::entry::{Entry, Kind, Role, Team};
use super::fold::fold;
use super::model::{Definition, Definitions, Directory, Edge, Tally};
use super::name::fold_team;
use super::rules::PUBLIC;
use crate::engine::{Difference, Moved, Record, Text};

/// A document that is written anew, or removed.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its path below the root.
    pub name: Arc<str>,
    /// What it holds now; none if it is gone.
    pub text: Option<Text>,
}

impl From<Text> for Change {
    fn from(text: Text) -> Self {
        Self {
            name: text.name.clone(),
            text: Some(text),
        }
    }
}

/// What the entities of one directory have that those of the one before it had not.
#[derive(Clone, Debug)]
pub struct Delta {
    /// Entities that are new or may differ.
    pub records: Vec<Record>,
    /// Those that are gone or stand elsewhere, and the directory that all this is the difference from.
    pub difference: Difference,
}

type Keys = BTreeSet<(Kind, Arc<str>)>;

impl Directory {
    /// The directory after some changes. It is the same as one that is read from all documents at once, and costs what
    /// changes: a document is read if its text is another, and of it those entries whose text is.
    ///
    /// Ask [`faults`](Self::faults) whether it may be used.
    pub fn apply(&self, changes: &[Change]) -> (Self, Delta) {
        self.edit(changes).finish()
    }

    /// The same directory, and no word about entities.
    pub fn with(&self, changes: &[Change]) -> Self {
        self.edit(changes).now
    }

    fn edit(&self, changes: &[Change]) -> Edit<'_> {
        let mut edit = Edit {
            before: self,
            now: self.clone(),
            changed: BTreeMap::new(),
            touched: Keys::new(),
            moved: Keys::new(),
        };
        for change in changes {
            edit.document(change);
        }
        edit.settle();
        edit
    }

    /// The directory of just these documents.
    pub fn follow(&self, texts: &[Text]) -> (Self, Delta) {
        let mut changes: Vec<Change> = Vec::new();
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for text in texts {
            names.insert(&text.name);
            let known = self.text(&text.name);
            let is_same = |known: &Text| Arc::ptr_eq(&known.content, &text.content) || known.content == text.content;
            if !known.is_some_and(is_same) {
                changes.push(text.clone().into());
            }
        }
        let gone = self.documents.iter().map(|(name, _)| name).filter(|name| !names.contains(&***name));
        changes.extend(gone.map(|name| Change {
            name: name.clone(),
            text: None,
        }));
        self.apply(&changes)
    }
}

/// A directory that is being changed.
struct Edit<'d> {
    before: &'d Directory,
    now: Directory,
    /// Entries that are defined otherwise than before, each with what it was.
    changed: BTreeMap<(Kind, Arc<str>), Option<Arc<Entry>>>,
    /// Entries whose entity may be another.
    touched: Keys,
    /// Entries that are as they were and may stand elsewhere.
    moved: Keys,
}

impl Edit<'_> {
    /// Takes one document in place of what it was.
    fn document(&mut self, change: &Change) {
        let name = &change.name;
        let before = self.now.documents.get(|known| known.cmp(name)).cloned();
        let now = change.text.as_ref().map(|text| Arc::new(Document::read(text, before.as_deref())));
        let (old, new) = (before.as_deref(), now.as_deref());
        self.entries(name, old, new);
        for before in old.into_iter().flat_map(|old| &old.retired) {
            let key = (fold(&before.name).into(), name.clone(), before.name.clone());
            self.now.retired.remove(|known| known.cmp(&key));
        }
        for now in new.into_iter().flat_map(|new| &new.retired) {
            let key = (fold(&now.name).into(), name.clone(), now.name.clone());
            self.now.retired.insert(key.clone(), now.clone(), |known| known.cmp(&key));
        }
        if new.is_some_and(|new| !new.faults.is_empty() || !new.broken.is_empty()) {
            self.now.faulty.insert(name.clone(), (), |known| known.cmp(name));
        } else {
            self.now.faulty.remove(|known| known.cmp(name));
        }
        match now {
            Some(now) => self.now.documents.insert(name.clone(), now, |known| known.cmp(name)),
            None => self.now.documents.remove(|known| known.cmp(name)),
        };
    }

    /// Compares the entries of a document with those it had.
    fn entries(&mut self, document: &Arc<str>, old: Option<&Document>, new: Option<&Document>) {
        let mut olds = old.map(|old| &*old.entries).unwrap_or_default();
        let mut news = new.map(|new| &*new.entries).unwrap_or_default();
        let key = |stated: &Stated| (stated.kind, stated.id.clone());
        while let Some(first) = olds.iter().take(1).chain(news.iter().take(1)).map(key).min() {
            let of_first = |stated: &&Stated| (stated.kind, &stated.id) == (first.0, &first.1);
            let (here, rest) = olds.split_at(olds.iter().take_while(of_first).count());
            olds = rest;
            let (there, rest) = news.split_at(news.iter().take_while(of_first).count());
            news = rest;
            let is_same = |(a, b): (&Stated, &Stated)| Arc::ptr_eq(&a.entry, &b.entry) || a.entry == b.entry;
            if here.len() != there.len() || !here.iter().zip(there).all(is_same) {
                self.define(first, document, there);
            } else if let (Some(old), Some(new), [here, ..], [there, ..]) = (old, new, here, there)
                && old.text.place(here.at) != new.text.place(there.at)
            {
                self.moved.insert(first);
            }
        }
    }

    /// Takes what a document says of one entry in place of what it said.
    fn define(&mut self, key: (Kind, Arc<str>), document: &Arc<str>, stated: &[Stated]) {
        let (kind, id) = &key;
        let known = self.now.definitions(*kind, id);
        let before = known.map(|known| known.first().entry.clone());
        let elsewhere = known.map(Definitions::all).unwrap_or_default().iter();
        let mut all: Vec<Definition> =
            elsewhere.filter(|definition| definition.document != *document).cloned().collect();
        all.extend(stated.iter().map(|stated| Definition {
            document: document.clone(),
            entry: stated.entry.clone(),
        }));
        all.sort_by(|a, b| a.document.cmp(&b.document));
        let definitions = match <[Definition; 1]>::try_from(all) {
            Ok([one]) => Some(Definitions::One(one)),
            Err(none) if none.is_empty() => None,
            Err(many) => Some(Definitions::Many(many.into())),
        };
        note(&mut self.now.doubled, &key, matches!(definitions, Some(Definitions::Many(_))));
        let entries = &mut self.now.entries[kind.index()];
        match definitions {
            Some(definitions) => entries.insert(id.clone(), definitions, |known| known.cmp(id)),
            None => entries.remove(|known| known.cmp(id)),
        };
        self.changed.entry(key).or_insert(before);
    }

    /// Brings the indexes to what the entries say now.
    fn settle(&mut self) {
        let changed = std::mem::take(&mut self.changed);
        let mut flipped = Vec::new();
        for ((kind, id), before) in &changed {
            let now = self.now.definitions(*kind, id).map(|known| known.first().entry.clone());
            self.touched.insert((*kind, id.clone()));
            if before.is_some() != now.is_some() {
                flipped.push((*kind, id.clone()));
            }
            self.edges(*kind, id, before.as_deref(), now.as_deref());
            self.names(*kind, id, before.as_deref(), now.as_deref());
        }
        for (kind, id) in flipped {
            self.look_for(kind, &id);
            if kind == Kind::Team {
                // Whoever says it is in the team is in it from now on, or no longer.
                let accounts: Vec<(Kind, Arc<str>)> =
                    self.now.referrers(kind, &id).map(|(kind, id)| (kind, id.into())).collect();
                self.touched.extend(accounts);
            }
        }
        self.tallies();
        self.now.hash = OnceLock::new();
    }

    /// Follows which entries an entry names.
    fn edges(&mut self, kind: Kind, id: &Arc<str>, before: Option<&Entry>, now: Option<&Entry>) {
        let (old, new) = (named(kind, before), named(kind, now));
        for (to_kind, to) in old.difference(&new) {
            self.now.edges.remove(|edge| edge.order((*to_kind, to, kind, id)));
            self.leads(*to_kind, to);
        }
        for (to_kind, to) in new.difference(&old) {
            let edge = Edge {
                to: (*to_kind, (*to).clone()),
                from: (kind, id.clone()),
            };
            self.now.edges.insert(edge, (), |edge| edge.order((*to_kind, to, kind, id)));
            self.leads(*to_kind, to);
        }
        // What a team has on its datastores stands with these.
        let (old, new) = (team(before), team(now));
        let grants = |team: &Team| (team.permission, team.datastores.clone(), team.enrichment_datastores.clone());
        if old.map(grants) != new.map(grants) {
            for team in old.into_iter().chain(new) {
                let stores = |kind, assignments: &[super::Assignment]| -> Keys {
                    assignments.iter().map(|assignment| (kind, assignment.to.id.clone())).collect()
                };
                self.touched.extend(stores(Kind::Datastore, &team.datastores));
                self.touched.extend(stores(Kind::EnrichmentDatastore, &team.enrichment_datastores));
            }
        }
    }

    /// An entry is named that was not, or no longer.
    fn leads(&mut self, kind: Kind, id: &Arc<str>) {
        if kind != Kind::Team {
            self.touched.insert((kind, id.clone()));
        }
        self.look_for(kind, id);
    }

    /// Sees whether an entry is named and is nowhere.
    fn look_for(&mut self, kind: Kind, id: &Arc<str>) {
        let is_missing = !self.now.has(kind, id) && self.now.referrers(kind, id).next().is_some();
        note(&mut self.now.missing, &(kind, id.clone()), is_missing);
    }

    /// Follows the names that an entry goes by, and how many active Admins there are.
    fn names(&mut self, kind: Kind, id: &Arc<str>, before: Option<&Entry>, now: Option<&Entry>) {
        // The built-in team's name is a matter of its own.
        let team_of = |entry| team(entry).filter(|_| **id != *PUBLIC);
        let team_key = |entry| team_of(entry).map(|_| fold_team(id));
        // Where it is the key as well, it stands there once.
        let team_name = |entry| {
            let name = team_of(entry).map(|team| fold_team(&team.name));
            name.filter(|name| *name != fold_team(id))
        };
        let scim = |entry: Option<&Entry>, name: &str| -> Option<String> {
            Some(entry?.scim()?.get(name)?.as_str()?.to_owned())
        };
        let user_name = |entry| scim(entry, "userName").filter(|_| kind == Kind::User).map(|name| fold(&name));
        let folded = (kind == Kind::User).then(|| fold(id)).filter(|folded| **folded != **id);
        let user_id = |entry: Option<&Entry>| entry.and(folded.clone());
        self.now.team_names.follow(kind, id, team_key(before), team_key(now));
        for (index, old, new) in [
            (&mut self.now.team_names, team_name(before), team_name(now)),
            (&mut self.now.scim_ids, scim(before, "id"), scim(now, "id")),
            (&mut self.now.external_ids, scim(before, "externalId"), scim(now, "externalId")),
            (&mut self.now.user_names, user_name(before), user_name(now)),
            (&mut self.now.user_ids, user_id(before), user_id(now)),
        ] {
            index.follow(kind, id, old, new);
        }
        let is_active_admin = |entry: Option<&Entry>| match entry {
            Some(Entry::Account(account)) => kind == Kind::User && account.active && account.role == Role::Admin,
            _ => false,
        };
        self.now.active_admins += usize::from(is_active_admin(now));
        self.now.active_admins -= usize::from(is_active_admin(before));
    }

    /// Follows how many members teams have.
    fn tallies(&mut self) {
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        let accounts = self.touched.iter().filter(|(kind, _)| kind.is_account());
        for (kind, id) in accounts {
            let (old, new) = (self.before.teams_of(*kind, id), self.now.teams_of(*kind, id));
            for team in old.iter().filter(|team| new.binary_search(team).is_err()) {
                tallies.entry(team).or_insert_with(|| self.before.tally(team)).take(*kind, id);
            }
            for team in new.iter().filter(|team| old.binary_search(team).is_err()) {
                tallies.entry(team).or_insert_with(|| self.before.tally(team)).add(*kind, id);
            }
        }
        let tallies: Vec<(Arc<str>, Tally)> = tallies.into_iter().map(|(team, tally)| (team.into(), tally)).collect();
        for (team, tally) in tallies {
            let known = &mut self.now.tallies;
            if tally.members == 0 {
                known.remove(|known| known.cmp(&team));
            } else {
                known.insert(team.clone(), tally, |known| known.cmp(&team));
            }
        }
    }

    fn finish(self) -> (Directory, Delta) {
        let Self {
            before,
            now,
            mut touched,
            moved,
            ..
        } = self;
        // It stands where the first entry does, so any change may move it.
        touched.insert((Kind::Team, PUBLIC.into()));
        let mut records = Vec::new();
        let mut gone = Vec::new();
        for (kind, id) in &touched {
            match now.record(*kind, id) {
                Some(record) => records.push(record),
                None if before.record(*kind, id).is_some() => {
                    gone.push((kind.entity_type().to_owned(), id.to_string()));
                }
                None => {}
            }
        }
        let moved = moved.difference(&touched).filter_map(|(kind, id)| {
            let found = now.find(*kind, id)?;
            Some(Moved {
                entity_type: kind.entity_type(),
                id: id.clone(),
                text: found.document.text.clone(),
                span: found.stated.at,
            })
        });
        let difference = Difference {
            from: before.hash(),
            gone,
            moved: moved.collect(),
        };
        (now, Delta { records, difference })
    }
}

/// The entries that an entry names. Nobody has to be told that everyone is in Public.
fn named(kind: Kind, entry: Option<&Entry>) -> BTreeSet<(Kind, &Arc<str>)> {
    let references = entry.into_iter().flat_map(|entry| entry.references(kind));
    references
        .map(|(kind, reference)| (kind, &reference.id))
        .filter(|(kind, id)| (*kind, &***id) != (Kind::Team, PUBLIC))
        .collect()
}

fn team(entry: Option<&Entry>) -> Option<&Team> {
    match entry {
        Some(Entry::Team(team)) => Some(team),
        _ => None,
    }
}

/// Puts a key into a set, or takes it out.
fn note(set: &mut super::sorted::Sorted<(Kind, Arc<str>), ()>, key: &(Kind, Arc<str>), is_in: bool) {
    if is_in {
        set.insert(key.clone(), (), |known| known.cmp(key));
    } else {
        set.remove(|known| known.cmp(key));
    }
}
