//! Orders that are taken together: applied one after the other in memory, and written as one change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::difference::{Difference, PUBLIC, What, stores_of};
use super::{Claims, Expected, FileChange, Order, Refusal, edits, questions, rules, told};
use crate::directory::{Assignments, Command, Directory, DocumentChange, Key, Kind, Members, Patch};
use crate::engine::{Options, Text};
use crate::store::Generation;

/// What has come of an order in memory.
#[derive(Debug)]
pub(in crate::store) struct Applied {
    pub(in crate::store) before: Option<Json>,
    pub(in crate::store) after: Option<Json>,
    pub(in crate::store) etag: Option<String>,
    /// The files of this order alone. None of them if it changes nothing.
    pub(in crate::store) files: Vec<FileChange>,
    pub(in crate::store) difference: Difference,
}

impl Applied {
    pub(in crate::store) fn changes(&self) -> bool {
        !self.files.is_empty()
    }
}

/// A refusal, and what the order would have changed as far as that was found out.
#[derive(Debug)]
pub(in crate::store) struct Refused {
    pub(in crate::store) refusal: Refusal,
    /// The entry before and after.
    pub(in crate::store) told: Box<(Option<Json>, Option<Json>)>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            told: Box::default(),
        }
    }
}

/// Orders on their way from one generation to the next.
#[derive(Debug)]
pub(in crate::store) struct Batch {
    directory: Directory,
    files: BTreeMap<Arc<str>, FileChange>,
    /// Entries whose entities are others than those that the live snapshot has.
    touched: BTreeSet<Key>,
}

impl Batch {
    /// No orders yet.
    pub(in crate::store) fn on(live: &Generation) -> Self {
        Self {
            directory: (*live.directory).clone(),
            files: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// The files after all orders, each with what it held before the first.
    pub(in crate::store) fn files(&self) -> impl ExactSizeIterator<Item = &FileChange> {
        self.files.values()
    }

    /// The same as documents.
    pub(in crate::store) fn documents(&self) -> Vec<DocumentChange> {
        self.files().map(document).collect()
    }

    /// Whether an order has to wait until this is live: the policies would be asked about what has changed meanwhile, or
    /// it says which revision it expects.
    pub(in crate::store) fn must_end_before(&self, order: &Order) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let is_actor = |key: &&Key| {
            let principal = order.actor.principal.as_ref();
            principal.is_some_and(|(_, id)| key.kind.is_account() && *id == key.id)
        };
        order.dry_run
            || matches!(order.expected, Expected::Revision(_))
            || self.touched.iter().any(|key| is_actor(&key))
            || mentioned(&order.command).any(|key| self.touched.contains(&key))
    }

    /// Applies an order in memory.
    ///
    /// # Errors
    /// Why it is refused. Nothing is different then.
    pub(in crate::store) fn apply(
        &mut self,
        live: &Generation,
        order: &Order,
        options: &Options,
        claims: &Claims,
    ) -> Result<Applied, Refused> {
        questions::ask_standing(live, order)?;
        self.is_as_expected(live, order)?;
        rules::check_command(&self.directory, order)?;
        let difference = Difference::of(&self.directory, order)?;
        let (before, after) = told::tell(&difference, &self.directory);
        let refused = |refusal| Refused {
            refusal,
            told: Box::new((before.clone(), after.clone())),
        };
        rules::check_difference(&self.directory, order, &difference).map_err(refused)?;
        questions::ask(live, order, &difference).map_err(refused)?;
        if !is_its_own_again(&self.directory, &difference) {
            claims.check(&live.snapshot, &difference).map_err(refused)?;
        }
        let files = match difference.is_empty() {
            true => Vec::new(),
            false => edits::files(&self.directory, &difference).map_err(refused)?,
        };
        let documents: Vec<DocumentChange> = files.iter().map(document).collect();
        let next = self.directory.with(&documents);
        rules::check_directory(next.faults(options.unknown_parents)).map_err(refused)?;
        if difference.what == What::Release && next.is_retired(&difference.key.id) {
            let message = format!(
                "`{}` is retired by a file that people write: release it there",
                difference.key.id
            );
            return Err(refused(Refusal::Invalid { field: "", message }));
        }
        self.touch(&difference);
        self.directory = next;
        for change in &files {
            let known = self.files.entry(change.name.clone()).or_insert_with(|| change.clone());
            known.after.clone_from(&change.after);
        }
        self.files.retain(|_, change| change.before != change.after);
        Ok(Applied {
            etag: self.directory.etag(&difference.new_key()),
            before,
            after,
            files,
            difference,
        })
    }

    fn is_as_expected(&self, live: &Generation, order: &Order) -> Result<(), Refusal> {
        let key = order.command.key();
        let etag = || self.directory.etag(&key);
        let is_stale = match &order.expected {
            Expected::Newest => false,
            Expected::Revision(revision) => revision != live.snapshot.revision(),
            Expected::Entry(expected) => match etag() {
                Some(etag) => *expected != etag,
                None => return Err(Refusal::NotFound(key)),
            },
        };
        match is_stale {
            true => Err(Refusal::Stale {
                revision: live.snapshot.revision().to_owned(),
                etag: etag(),
            }),
            false => Ok(()),
        }
    }

    /// Notes whose entities are going to be others.
    fn touch(&mut self, difference: &Difference) {
        let is_only_members = difference.key.kind == Kind::Team
            && difference.what == What::Change
            && difference.name.is_none()
            && difference.description.is_none()
            && difference.new_id.is_none();
        if !is_only_members {
            self.touched.insert(difference.key.clone());
            self.touched.insert(difference.new_key());
        }
        let accounts = difference.joins.keys().chain(difference.leaves.keys());
        self.touched.extend(accounts.cloned());
        self.touched.extend(difference.assigned.keys().cloned());
        self.touched.extend(difference.unassigned.iter().cloned());
        let is_team = difference.key.kind == Kind::Team;
        if is_team
            && (difference.permission.is_some() || difference.what == What::Delete || difference.new_id.is_some())
            && let Some(team) = self.directory.team(&difference.key.id)
        {
            for (kind, assignments) in stores_of(team) {
                self.touched.extend(assignments.iter().map(|one| Key::new(kind, &*one.to.id)));
            }
        }
    }
}

/// Whether a user takes a name back that was nobody else's: tokens that speak for it were made for this account.
fn is_its_own_again(directory: &Directory, difference: &Difference) -> bool {
    let (Some(name), Kind::User, What::Change) = (&difference.new_id, difference.key.kind, difference.what) else {
        return false;
    };
    let account = directory.account(Kind::User, &difference.key.id);
    account.is_some_and(|account| directory.had(name, account.scim.as_deref()))
}

fn document(change: &FileChange) -> DocumentChange {
    let text = change.after.as_ref();
    DocumentChange {
        name: change.name.clone(),
        text: text.map(|content| Text::new(change.name.clone(), content.clone())),
    }
}

/// The entries that a command says something of.
fn mentioned(command: &Command) -> impl Iterator<Item = Key> {
    let nothing = Patch::default();
    let patch = match command {
        Command::Create { entry, .. } => entry.clone(),
        Command::Change { patch, .. } => patch.clone(),
        Command::Delete { .. } | Command::Release { .. } => nothing,
    };
    let ids = |members: Members| match members {
        Members::Keep => BTreeSet::new(),
        Members::Set(ids) => ids,
        Members::Change { add, remove } => add.into_iter().chain(remove).collect(),
    };
    let stores = |assignments: Assignments| match assignments {
        Assignments::Keep => BTreeSet::new(),
        Assignments::Set(stores) => stores.into_keys().collect(),
        Assignments::Change { set, remove } => set.into_keys().chain(remove).collect(),
    };
    let of = |kind: Kind, ids: BTreeSet<String>| ids.into_iter().map(move |id| Key::new(kind, id));
    let teams = ids(patch.teams).into_iter().filter(|team| team != PUBLIC).collect();
    std::iter::once(command.key())
        .chain(of(Kind::Team, teams))
        .chain(of(Kind::User, ids(patch.users)))
        .chain(of(Kind::ServiceUser, ids(patch.service_users)))
        .chain(of(Kind::Datastore, stores(patch.datastores)))
        .chain(of(Kind::EnrichmentDatastore, stores(patch.enrichment_datastores)))
}
