//! Which files a change touches, and what they hold afterwards.
//!
//! What stands in a file that people wrote is edited there, and nothing else of that file changes. What commands create
//! stands in files of gatepost's own.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::super::managed;
use super::difference::{Difference, PUBLIC, What, stores_of};
use super::{FileChange, Refusal};
use crate::directory::{self, Change, Directory, Edit, Item, Key, Kind, Member, Permission, Retired, Role, Scalar};
use crate::engine::Faults;

/// The files that change.
///
/// # Errors
/// A file that people wrote cannot be edited without loss: the fault says where it has to be done by hand.
pub(super) fn files(directory: &Directory, difference: &Difference) -> Result<Vec<FileChange>, Refusal> {
    let mut edits = Edits {
        directory,
        by_file: BTreeMap::new(),
        lists: BTreeMap::new(),
        retired: Vec::new(),
    };
    edits.entry(difference);
    edits.memberships(difference);
    edits.stores(difference);
    if difference.what == What::Delete {
        edits.mentions_of_store(&difference.key, None);
    }
    edits.settle_lists();
    if let Some(id) = &difference.new_id {
        edits.rename(&difference.key, id)?;
    }
    if difference.what == What::Delete {
        edits.on(&difference.key, Change::Delete);
    }
    if difference.key.kind == Kind::User {
        edits.retire(difference);
    }
    edits.texts()
}

/// Items to add to a list, and ids to take out.
#[derive(Default)]
struct ListEdit {
    add: BTreeMap<String, Option<Permission>>,
    remove: BTreeSet<String>,
}

struct Edits<'d> {
    directory: &'d Directory,
    by_file: BTreeMap<Arc<str>, Vec<Edit>>,
    lists: BTreeMap<(Key, &'static str), ListEdit>,
    /// Ids of users, and whose they were that are retired; none of those that are released.
    retired: Vec<(String, Option<Retired>)>,
}

impl Edits<'_> {
    fn on(&mut self, key: &Key, change: Change) {
        let file = match self.directory.document_of(key) {
            Some(file) => file.clone(),
            None => managed::file_of(key.kind, &key.id).into(),
        };
        self.by_file.entry(file).or_default().push(Edit {
            kind: key.kind,
            id: key.id.clone(),
            change,
        });
    }

    /// Whether an entry stands, or is going to stand, in a file that gatepost writes.
    fn is_managed(&self, key: &Key) -> bool {
        self.directory.document_of(key).is_none_or(|file| managed::is_managed(file))
    }

    /// What the entry itself says.
    fn entry(&mut self, difference: &Difference) {
        let key = &difference.key;
        let text = |text: &String| Scalar::Text(text.clone());
        let name = |name: &'static str| Scalar::Text(name.to_owned());
        let mut fields: Vec<(&'static str, Option<Scalar>)> = Vec::new();
        if let Some(value) = &difference.name {
            fields.push(("name", Some(text(value))));
        }
        if let Some(value) = &difference.description {
            fields.push(("description", Some(text(value))));
        }
        match difference.role {
            Some(role) => fields.push(("role", Some(name(role.name())))),
            None if difference.what == What::Create && key.kind.is_account() => {
                fields.push(("role", Some(name(Role::Member.name()))));
            }
            None => {}
        }
        match difference.active {
            Some(true) => fields.push(("active", None)),
            Some(false) => fields.push(("active", Some(Scalar::Flag(false)))),
            None => {}
        }
        if let Some(value) = difference.permission {
            fields.push(("permission", value.map(|level| name(level.name()))));
        }
        if let Some(value) = &difference.scim {
            fields.push(("scim", value.clone().map(Scalar::Json)));
        }
        // The built-in team may be written nowhere.
        let is_new = difference.what == What::Create
            || (key.kind == Kind::Team && key.id == PUBLIC && !self.directory.has(Kind::Team, PUBLIC));
        if is_new && difference.what != What::Delete {
            let members = fields.into_iter().filter_map(|(key, value)| Some((key, Member::Scalar(value?))));
            self.on(
                key,
                Change::Create {
                    members: members.collect(),
                },
            );
            return;
        }
        for (field, value) in fields {
            self.on(
                key,
                match value {
                    Some(value) => Change::Set { key: field, value },
                    None => Change::Unset { key: field },
                },
            );
        }
    }

    /// Who comes into which team, and who goes out.
    fn memberships(&mut self, difference: &Difference) {
        for (account, teams) in &difference.joins {
            for team in teams {
                let of_team = Key::new(Kind::Team, team.as_str());
                // One more member of a large team is one line of the account's, where gatepost writes it.
                if self.is_managed(account) {
                    self.list(account.clone(), "teams").add.insert(team.clone(), None);
                } else {
                    self.list(of_team, account.kind.key()).add.insert(account.id.clone(), None);
                }
            }
        }
        let mut left: BTreeMap<&str, Vec<&Key>> = BTreeMap::new();
        for (account, teams) in &difference.leaves {
            for team in teams {
                let lists_it = self
                    .directory
                    .account(account.kind, &account.id)
                    .is_some_and(|known| known.teams.iter().any(|known| *known.id == **team));
                let goes = difference.what == What::Delete && *account == difference.key;
                if lists_it && !goes {
                    self.list(account.clone(), "teams").remove.insert(team.clone());
                }
                left.entry(team).or_default().push(account);
            }
        }
        for (team, accounts) in left {
            let of_team = Key::new(Kind::Team, team);
            let Some(known) = self.directory.team(team) else { continue };
            if difference.what == What::Delete && of_team == difference.key {
                continue;
            }
            let users = known.users.iter().map(|user| (Kind::User, &*user.id));
            let service_users = known.service_users.iter().map(|user| (Kind::ServiceUser, &*user.id));
            let looked_for: HashSet<(Kind, &str)> =
                accounts.iter().map(|account| (account.kind, account.id.as_str())).collect();
            let listed: Vec<(Kind, &str)> =
                users.chain(service_users).filter(|member| looked_for.contains(member)).collect();
            for (kind, id) in listed {
                self.list(of_team.clone(), kind.key()).remove.insert(id.to_owned());
            }
        }
    }

    fn stores(&mut self, difference: &Difference) {
        for (store, level) in &difference.assigned {
            self.list(difference.key.clone(), store.kind.key()).add.insert(store.id.clone(), *level);
        }
        for store in &difference.unassigned {
            self.list(difference.key.clone(), store.kind.key()).remove.insert(store.id.clone());
        }
    }

    /// Takes a datastore out of all teams, or puts it there under another id.
    fn mentions_of_store(&mut self, key: &Key, new_id: Option<&str>) {
        if !matches!(key.kind, Kind::Datastore | Kind::EnrichmentDatastore) {
            return;
        }
        let teams: Vec<String> = self.directory.referrers(key.kind, &key.id).map(|(_, id)| id.to_owned()).collect();
        for team in teams {
            let known = self.directory.team(&team).map(stores_of).into_iter().flatten();
            let assigned = known
                .filter(|(kind, _)| *kind == key.kind)
                .flat_map(|(_, all)| all)
                .find(|assignment| *assignment.to.id == *key.id);
            let level = assigned.and_then(|assignment| assignment.permission);
            let list = self.list(Key::new(Kind::Team, team), key.kind.key());
            list.remove.insert(key.id.clone());
            if let Some(id) = new_id {
                list.add.insert(id.to_owned(), level);
            }
        }
    }

    /// Gives an entry another id, wherever it is named.
    fn rename(&mut self, key: &Key, id: &str) -> Result<(), Refusal> {
        self.mentions_of_store(key, Some(id));
        let referrers: Vec<Key> =
            self.directory.referrers(key.kind, &key.id).map(|(kind, id)| Key::new(kind, id)).collect();
        if key.kind.is_account() || key.kind == Kind::Team {
            for referrer in referrers {
                let field = if key.kind == Kind::Team {
                    "teams"
                } else {
                    key.kind.key()
                };
                let list = self.list(referrer, field);
                list.remove.insert(key.id.clone());
                list.add.insert(id.to_owned(), None);
            }
        }
        self.settle_lists();
        let file = self.directory.document_of(key).cloned();
        let moves_to: Arc<str> = managed::file_of(key.kind, id).into();
        match file {
            Some(file) if managed::is_managed(&file) && file != moves_to => {
                let known = self.by_file.remove(&file).unwrap_or_default();
                let (own, others): (Vec<_>, Vec<_>) =
                    known.into_iter().partition(|edit| edit.kind == key.kind && edit.id == key.id);
                let content = self.directory.text(&file).map(|text| text.content.clone());
                let edited = managed::edit(content.as_deref(), &own).map_err(Refusal::Io)?;
                let entry = managed::entry(edited.as_deref(), key).map_err(Refusal::Io)?;
                self.by_file.insert(file, others);
                self.on(key, Change::Delete);
                let members = entry.into_iter().map(|(key, value)| (key, Member::Scalar(Scalar::Json(value))));
                self.by_file.entry(moves_to).or_default().push(Edit {
                    kind: key.kind,
                    id: id.to_owned(),
                    change: Change::Create {
                        members: members.collect(),
                    },
                });
            }
            _ => self.on(key, Change::Rename { to: id.to_owned() }),
        }
        Ok(())
    }

    fn retire(&mut self, difference: &Difference) {
        let old = difference.key.id.clone();
        let scim = self.directory.account(Kind::User, &old).and_then(|account| account.scim.as_deref());
        let of = |name: &str| scim.and_then(|scim| scim.get(name)?.as_str()).map(Arc::from);
        let whose = || Retired {
            name: old.as_str().into(),
            scim_id: of("id"),
            external_id: of("externalId"),
        };
        match (difference.what, &difference.new_id) {
            (What::Delete, _) => self.retired.push((old.clone(), Some(whose()))),
            (What::Release, _) => self.retired.push((old, None)),
            (What::Create, _) if self.directory.is_retired(&old) => self.retired.push((old, None)),
            (What::Change, Some(new)) => {
                if self.directory.is_retired(new) {
                    self.retired.push((new.clone(), None));
                }
                // In another case it is the same name.
                if directory::fold(new) != directory::fold(&old) {
                    self.retired.push((old.clone(), Some(whose())));
                }
            }
            (What::Create | What::Change, _) => {}
        }
    }

    fn list(&mut self, key: Key, list: &'static str) -> &mut ListEdit {
        self.lists.entry((key, list)).or_default()
    }

    fn settle_lists(&mut self) {
        for ((key, list), edit) in std::mem::take(&mut self.lists) {
            if !edit.remove.is_empty() {
                let ids = edit.remove.into_iter().collect();
                self.on(&key, Change::Remove { list, ids });
            }
            if !edit.add.is_empty() {
                let items = edit.add.into_iter().map(|(id, permission)| Item { id, permission });
                let items = items.collect();
                self.on(&key, Change::Add { list, items });
            }
        }
    }

    fn texts(self) -> Result<Vec<FileChange>, Refusal> {
        let mut changes: BTreeMap<Arc<str>, FileChange> = BTreeMap::new();
        let before = |name: &str| self.directory.text(name).map(|text| text.content.clone());
        for (name, edits) in &self.by_file {
            let known = self.directory.text(name);
            let after = match known {
                Some(text) if !managed::is_managed(name) => {
                    let faults = |fault: Box<crate::engine::Fault>| Refusal::Uneditable(Faults::from(*fault));
                    Some(directory::edit(text, edits).map_err(faults)?)
                }
                known => {
                    let content = known.map(|text| &*text.content);
                    managed::edit(content, edits).map_err(|error| cannot_edit(name, &error))?
                }
            };
            changes.insert(
                name.clone(),
                FileChange {
                    name: name.clone(),
                    before: before(name),
                    after: after.map(Arc::from),
                },
            );
        }
        for (id, whose) in &self.retired {
            let name: Arc<str> = managed::retired_file_of(id).into();
            let change = changes.entry(name.clone()).or_insert_with(|| FileChange {
                name: name.clone(),
                before: before(&name),
                after: before(&name),
            });
            let after = managed::retire(change.after.as_deref(), id, whose.as_ref());
            change.after = after.map_err(|error| cannot_edit(&name, &error))?.map(Arc::from);
        }
        Ok(changes.into_values().filter(|change| change.before != change.after).collect())
    }
}

fn cannot_edit(name: &str, error: &str) -> Refusal {
    Refusal::Io(format!("cannot edit `{name}`: {error}"))
}
