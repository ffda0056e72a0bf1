//! What a command would change, seen from the directory as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::{Channel, Order, Refusal};
use crate::directory::{
    Account, Assignment, Assignments, Command, Directory, Key, Kind, Members, Patch, Permission, Role, Team, unseen,
};

/// The built-in team that everyone is in.
pub(super) const PUBLIC: &str = "Public";

/// Bytes of a name that a command gives, and of a description: they are shown in lists, and each answer has them whole.
const NAME_BYTES_MAX: usize = 4 << 10;
const DESCRIPTION_BYTES_MAX: usize = 16 << 10;

/// The longest id of a new entry, in bytes.
const ID_BYTES_MAX: usize = 1024;

/// What happens to the entry as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum What {
    Create,
    Change,
    Delete,
    Release,
}

/// What a command would change: nothing in it is so already.
#[derive(Clone, Debug)]
pub(in crate::store) struct Difference {
    pub(super) what: What,
    /// The entry, by the id that it has before.
    pub(super) key: Key,
    pub(super) new_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) role: Option<Role>,
    pub(super) active: Option<bool>,
    pub(super) permission: Option<Option<Permission>>,
    pub(super) scim: Option<Option<Json>>,
    /// Teams that accounts come into.
    pub(super) joins: BTreeMap<Key, BTreeSet<String>>,
    /// Teams that accounts go out of.
    pub(super) leaves: BTreeMap<Key, BTreeSet<String>>,
    /// Datastores that the team is to have, each with its own level or the team's.
    pub(super) assigned: BTreeMap<Key, Option<Permission>>,
    /// Datastores that the team is to have no longer.
    pub(super) unassigned: BTreeSet<Key>,
}

impl Difference {
    fn new(what: What, key: Key) -> Self {
        Self {
            what,
            key,
            new_id: None,
            name: None,
            description: None,
            role: None,
            active: None,
            permission: None,
            scim: None,
            joins: BTreeMap::new(),
            leaves: BTreeMap::new(),
            assigned: BTreeMap::new(),
            unassigned: BTreeSet::new(),
        }
    }

    /// The difference that an order makes.
    ///
    /// # Errors
    /// The entry is missing or there already, or the command says something that cannot be.
    pub(super) fn of(directory: &Directory, order: &Order) -> Result<Self, Refusal> {
        let differ = Differ {
            directory,
            channel: order.channel,
        };
        match &order.command {
            Command::Create { key, entry } => differ.create(key, entry),
            Command::Change { key, patch } => differ.change(key, patch),
            Command::Delete { key } => differ.delete(key),
            Command::Release { user } => {
                let key = Key::new(Kind::User, user.as_str());
                match directory.is_retired(user) {
                    true => Ok(Self::new(What::Release, key)),
                    false => Err(Refusal::NotRetired(user.clone())),
                }
            }
        }
    }

    /// Whether nothing would change.
    pub(super) fn is_empty(&self) -> bool {
        self.what == What::Change
            && self.new_id.is_none()
            && self.name.is_none()
            && self.description.is_none()
            && self.role.is_none()
            && self.active.is_none()
            && self.permission.is_none()
            && self.scim.is_none()
            && self.joins.is_empty()
            && self.leaves.is_empty()
            && self.assigned.is_empty()
            && self.unassigned.is_empty()
    }

    /// The entry, by the id that it has afterwards.
    pub(super) fn new_key(&self) -> Key {
        let id = self.new_id.as_ref().unwrap_or(&self.key.id);
        Key::new(self.key.kind, id.as_str())
    }

    /// Each account whose teams change, with all teams that it comes into or goes out of.
    pub(super) fn memberships(&self) -> BTreeMap<&Key, BTreeSet<&str>> {
        let mut all: BTreeMap<&Key, BTreeSet<&str>> = BTreeMap::new();
        for (account, teams) in self.joins.iter().chain(&self.leaves) {
            all.entry(account).or_default().extend(teams.iter().map(String::as_str));
        }
        all
    }

    fn join(&mut self, account: Key, team: &str) {
        self.joins.entry(account).or_default().insert(team.to_owned());
    }

    fn leave(&mut self, account: Key, team: &str) {
        self.leaves.entry(account).or_default().insert(team.to_owned());
    }
}

/// The datastores of a team, by kind.
pub(super) fn stores_of(team: &Team) -> [(Kind, &[Assignment]); 2] {
    [
        (Kind::Datastore, &team.datastores),
        (Kind::EnrichmentDatastore, &team.enrichment_datastores),
    ]
}

fn invalid(field: &'static str, message: String) -> Refusal {
    Refusal::Invalid { field, message }
}

struct Differ<'d> {
    directory: &'d Directory,
    channel: Channel,
}

impl Differ<'_> {
    fn create(&self, key: &Key, entry: &Patch) -> Result<Difference, Refusal> {
        id_can_be(key.kind, &key.id)?;
        if self.has(key) {
            return Err(Refusal::Exists(key.clone()));
        }
        if entry.id.is_some() {
            return Err(invalid("id", "a new entry has one id".to_owned()));
        }
        let mut difference = Difference::new(What::Create, key.clone());
        fits(key.kind, entry)?;
        difference.name.clone_from(&entry.name);
        difference.description.clone_from(&entry.description);
        difference.role = entry.role;
        difference.active = entry.active;
        difference.permission = entry.permission;
        difference.scim = entry.scim.clone().filter(Option::is_some);
        name_can_be(self.channel, key.kind, difference.name.as_ref())?;
        self.lists(key, entry, &mut difference)?;
        Ok(difference)
    }

    /// Whether there is such an entry, the built-in team included.
    fn has(&self, key: &Key) -> bool {
        self.directory.has(key.kind, &key.id) || (key.kind == Kind::Team && key.id == PUBLIC)
    }

    fn change(&self, key: &Key, patch: &Patch) -> Result<Difference, Refusal> {
        if !self.has(key) {
            return Err(Refusal::NotFound(key.clone()));
        }
        fits(key.kind, patch)?;
        let mut difference = Difference::new(What::Change, key.clone());
        if let Some(id) = patch.id.as_ref().filter(|id| **id != key.id) {
            id_can_be(key.kind, id)?;
            let taken = Key::new(key.kind, id.as_str());
            if self.has(&taken) {
                return Err(Refusal::Exists(taken));
            }
            difference.new_id = Some(id.clone());
        }
        if let Some(account) = self.directory.account(key.kind, &key.id) {
            change_account(account, patch, &mut difference);
        } else if key.kind == Kind::Team {
            change_team(key, self.directory.team(&key.id), patch, &mut difference);
        } else if let Some(store) = self.directory.store(key.kind, &key.id) {
            difference.name = patch.name.clone().filter(|name| *name != store.name);
        }
        name_can_be(self.channel, key.kind, difference.name.as_ref())?;
        self.lists(key, patch, &mut difference)?;
        Ok(difference)
    }

    fn delete(&self, key: &Key) -> Result<Difference, Refusal> {
        if !self.directory.has(key.kind, &key.id) {
            return Err(Refusal::NotFound(key.clone()));
        }
        let mut difference = Difference::new(What::Delete, key.clone());
        match key.kind {
            Kind::Team => {
                for (kind, id) in self.directory.members_of(&key.id) {
                    difference.leave(Key::new(kind, id), &key.id);
                }
            }
            Kind::User | Kind::ServiceUser => {
                for team in self.directory.teams_of(key.kind, &key.id) {
                    difference.leave(key.clone(), team);
                }
            }
            Kind::Datastore | Kind::EnrichmentDatastore => {}
        }
        Ok(difference)
    }

    /// The difference in lists: of the teams of an account, or of the members and datastores of a team.
    fn lists(&self, key: &Key, patch: &Patch, difference: &mut Difference) -> Result<(), Refusal> {
        if key.kind.is_account() {
            let known = || self.directory.teams_of(key.kind, &key.id).into_iter().map(str::to_owned).collect();
            let is_in = |team: &str| self.directory.is_member(team, key.kind, &key.id);
            let (joins, leaves) = members(&patch.teams, known, is_in, |id| self.sees(Kind::Team, id));
            for team in joins {
                if !self.sees(Kind::Team, &team) {
                    return Err(invalid("teams", format!("there is no team `{team}`")));
                }
                difference.join(key.clone(), &team);
            }
            leaves.iter().for_each(|team| difference.leave(key.clone(), team));
        }
        if key.kind == Kind::Team {
            for (field, kind, patch) in [
                ("users", Kind::User, &patch.users),
                ("service_users", Kind::ServiceUser, &patch.service_users),
            ] {
                let all = || self.directory.members_of(&key.id).into_iter();
                let known = || all().filter(|(of, _)| *of == kind).map(|(_, id)| id.to_owned()).collect();
                let is_in = |id: &str| self.directory.is_member(&key.id, kind, id);
                let (joins, leaves) = members(patch, known, is_in, |id| self.sees(kind, id));
                for id in joins {
                    if !self.sees(kind, &id) {
                        return Err(invalid(field, format!("there is no {} `{id}`", kind.word())));
                    }
                    difference.join(Key::new(kind, id), &key.id);
                }
                leaves.into_iter().for_each(|id| difference.leave(Key::new(kind, id), &key.id));
            }
            let team = self.directory.team(&key.id);
            for (field, kind, assignments) in [
                ("datastores", Kind::Datastore, &patch.datastores),
                ("enrichment_datastores", Kind::EnrichmentDatastore, &patch.enrichment_datastores),
            ] {
                self.assignments(team, field, kind, assignments, difference)?;
            }
        }
        Ok(())
    }

    /// Whether an account or team is there for the channel: directory sync sees what it created alone (R26, R27).
    fn sees(&self, kind: Kind, id: &str) -> bool {
        let is_scims = match kind {
            Kind::Team => self.directory.team(id).map(|team| team.scim.is_some()),
            _ => self.directory.account(kind, id).map(|account| account.scim.is_some()),
        };
        is_scims.is_some_and(|is_scims| is_scims || self.channel != Channel::Scim)
    }

    fn assignments(
        &self,
        team: Option<&Team>,
        field: &'static str,
        kind: Kind,
        assignments: &Assignments,
        difference: &mut Difference,
    ) -> Result<(), Refusal> {
        let listed = team.map(stores_of).into_iter().flatten().filter(|(of, _)| *of == kind);
        let known: BTreeMap<&str, Option<Permission>> = listed
            .flat_map(|(_, all)| all)
            .map(|assignment| (&*assignment.to.id, assignment.permission))
            .collect();
        let (set, remove): (_, Vec<&str>) = match assignments {
            Assignments::Keep => return Ok(()),
            Assignments::Set(new) => (new, known.keys().filter(|id| !new.contains_key(**id)).copied().collect()),
            Assignments::Change { set, remove } => {
                let gone = remove.iter().filter(|id| !set.contains_key(*id) && known.contains_key(id.as_str()));
                (set, gone.map(String::as_str).collect())
            }
        };
        for (id, level) in set.iter().filter(|(id, level)| known.get(id.as_str()) != Some(level)) {
            if !self.directory.has(kind, id) {
                return Err(invalid(field, format!("there is no {} `{id}`", kind.word())));
            }
            difference.assigned.insert(Key::new(kind, id.as_str()), *level);
        }
        difference.unassigned.extend(remove.into_iter().map(|id| Key::new(kind, id)));
        Ok(())
    }
}

fn change_account(account: &Account, patch: &Patch, difference: &mut Difference) {
    difference.name = patch.name.clone().filter(|name| *name != account.name);
    difference.role = patch.role.filter(|role| *role != account.role);
    difference.active = patch.active.filter(|active| *active != account.active);
    difference.scim = patch.scim.clone().filter(|scim| scim.as_ref() != account.scim.as_deref());
}

/// The built-in team may be written nowhere.
fn change_team(key: &Key, team: Option<&Team>, patch: &Patch, difference: &mut Difference) {
    let name = team.map_or(key.id.as_str(), |team| &team.name);
    difference.name = patch.name.clone().filter(|new| new != name);
    let description = team.map_or("", |team| &team.description);
    difference.description = patch.description.clone().filter(|new| new != description);
    let permission = team.and_then(|team| team.permission);
    difference.permission = patch.permission.filter(|new| *new != permission);
    let scim = team.and_then(|team| team.scim.as_deref());
    difference.scim = patch.scim.clone().filter(|new| new.as_ref() != scim);
}

/// Whether all that a patch says is for entries of this kind.
fn fits(kind: Kind, patch: &Patch) -> Result<(), Refusal> {
    let (team, account) = (kind == Kind::Team, kind.is_account());
    let is_said = |members: &Members| *members != Members::Keep;
    let is_granted = |grants: &Assignments| *grants != Assignments::Keep;
    for (field, is_said, fits) in [
        ("description", patch.description.is_some(), team),
        ("role", patch.role.is_some(), account),
        ("active", patch.active.is_some(), account),
        ("permission", patch.permission.is_some(), team),
        ("teams", is_said(&patch.teams), account),
        ("users", is_said(&patch.users), team),
        ("service_users", is_said(&patch.service_users), team),
        ("datastores", is_granted(&patch.datastores), team),
        ("enrichment_datastores", is_granted(&patch.enrichment_datastores), team),
        ("scim", patch.scim.is_some(), team || kind == Kind::User),
    ] {
        let is_grant = matches!(field, "permission" | "datastores" | "enrichment_datastores");
        if is_said && !fits && is_grant && account {
            return Err(Refusal::Rule {
                rule: "R15",
                message: "access to datastores comes through teams only: one account alone is granted nothing"
                    .to_owned(),
            });
        }
        if is_said && !fits {
            return Err(invalid(field, format!("a {} has no `{field}`", kind.word())));
        }
    }
    let long = |text: &Option<String>, max: usize| text.as_ref().is_some_and(|text| text.len() > max);
    for (field, text, max) in [
        ("name", &patch.name, NAME_BYTES_MAX),
        ("description", &patch.description, DESCRIPTION_BYTES_MAX),
    ] {
        if long(text, max) {
            return Err(invalid(field, format!("it has more than {max} bytes")));
        }
    }
    match &patch.scim {
        Some(Some(scim)) if !scim["id"].is_string() => {
            Err(invalid("scim", "it is an object with an `id` that is a text".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Who comes in and who goes out. Whom the channel does not see stays.
fn members(
    members: &Members,
    known: impl Fn() -> BTreeSet<String>,
    is_in: impl Fn(&str) -> bool,
    sees: impl Fn(&str) -> bool,
) -> (BTreeSet<String>, BTreeSet<String>) {
    match members {
        Members::Keep => (BTreeSet::new(), BTreeSet::new()),
        Members::Set(new) => {
            let known = known();
            let leaves = known.difference(new).filter(|id| sees(id)).cloned().collect();
            (new.difference(&known).cloned().collect(), leaves)
        }
        Members::Change { add, remove } => {
            let leaves = remove.difference(add).filter(|id| is_in(id) && sees(id)).cloned().collect();
            (add.iter().filter(|id| !is_in(id)).cloned().collect(), leaves)
        }
    }
}

/// Whether an entry that is no team can have this name. What an identity provider sends is taken as it is, and of teams it
/// is a rule (R23).
fn name_can_be(channel: Channel, kind: Kind, name: Option<&String>) -> Result<(), Refusal> {
    match name {
        Some(name) if channel != Channel::Scim && kind != Kind::Team && name.trim().is_empty() => Err(invalid(
            "name",
            "a name is not empty: leave it out, and it is the id".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Whether a new entry can have this id. Those of older entries may be anything that is not empty.
fn id_can_be(kind: Kind, id: &str) -> Result<(), Refusal> {
    let message = match id {
        "" => "an id is not empty".to_owned(),
        id if id.len() > ID_BYTES_MAX => format!("an id has at most {ID_BYTES_MAX} bytes"),
        // What is served by path stands in paths.
        "." | ".." => "an id is not `.` or `..`".to_owned(),
        // Of teams that is a rule of their names (R23).
        id if kind != Kind::Team
            && let Some(character) = unseen(id) =>
        {
            format!("an id has no U+{:04X} in it, which nobody sees", character as u32)
        }
        id if id.trim() != id => "an id neither begins nor ends with a space".to_owned(),
        _ => return Ok(()),
    };
    Err(invalid("id", message))
}
