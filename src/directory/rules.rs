//! The rules of the access model that policies cannot hold.
//!
//! R1 (exactly one role) and the shape of R15 (no grant to a single user) and R23 (a permission is `read` or `write`)
//! are checked where an entry is read. Here are those that one entry can break by itself, and those that need to see
//! more than one: what breaks these is kept in indexes, so looking for it costs what there is to say.

use std::collections::{HashMap, HashSet};

use super::entry::{Account, Assignment, At, Entry, Kind, Reference, Role, Team};
use super::model::{Directory, Found};
use super::name::{NAME_RULE, check_team_name, fold_team};
use crate::engine::{Fault, Severity, Span, Text, UnknownParents, nearest};

/// The built-in team that everyone is in.
pub(super) const PUBLIC: &str = "Public";

/// A reference to an entry that is nowhere.
const UNKNOWN_REFERENCE: &str = "directory-unknown-reference";

/// How many names are compared with names that lead nowhere, to find the one that may be meant. A warning is told again
/// at each change, so looking must not cost much.
const NEAREST_LOOKS_MAX: usize = 2_000_000;

/// Where an entry stands.
pub(super) struct Place<'d> {
    pub(super) text: &'d Text,
    pub(super) id: &'d str,
    /// Where its id is.
    pub(super) at: Span,
    /// Where its value begins.
    pub(super) base: usize,
}

impl Place<'_> {
    fn fault(&self, code: &'static str, at: Option<At>, message: String) -> Fault {
        let span = at.map_or(self.at, |at| at.span(self.base));
        Fault::error(code, message).at(self.text, span)
    }
}

/// Checks one entry by itself. `lists_members` is where a team lists members, if it does.
pub(super) fn check_entry(
    place: &Place<'_>,
    kind: Kind,
    entry: &Entry,
    lists_members: Option<Span>,
    faults: &mut Vec<Fault>,
) {
    match entry {
        Entry::Account(account) => teams_are_listed_well(place, kind, account, faults),
        Entry::Team(team) => {
            public_is_built_in(place, team, lists_members, faults);
            name_can_be(place, team, faults);
            levels_are_known(place, team, faults);
            nothing_is_listed_twice(place, team, faults);
        }
        Entry::Store(_) => {}
    }
}

/// R20: everyone is in Public, and nobody says so.
fn teams_are_listed_well(place: &Place<'_>, kind: Kind, account: &Account, faults: &mut Vec<Fault>) {
    let mut seen = HashSet::new();
    for team in &account.teams {
        let who = format!("the {} `{}`", kind.word(), place.id);
        if &*team.id == PUBLIC {
            faults.push(
                place
                    .fault("directory-public", Some(team.at), format!("{who} lists `{PUBLIC}`"))
                    .help("every account is in it, and that cannot be changed (R20): remove it from the list"),
            );
        } else if !seen.insert(&*team.id) {
            let message = format!("{who} lists the team `{}` twice", team.id);
            faults.push(place.fault("directory-duplicate", Some(team.at), message).into_warning());
        }
    }
}

/// R20: everyone is in Public, and it cannot be renamed.
fn public_is_built_in(place: &Place<'_>, team: &Team, lists_members: Option<Span>, faults: &mut Vec<Fault>) {
    let is_public = place.id == PUBLIC;
    if let (true, Some(span)) = (is_public, lists_members) {
        faults.push(
            Fault::error("directory-public", format!("`{PUBLIC}` lists members"))
                .at(place.text, span)
                .help("every account is in it, and that cannot be changed (R20): remove the list"),
        );
    }
    if is_public && team.name != PUBLIC {
        let message = format!("`{PUBLIC}` is renamed to `{}`", team.name);
        faults.push(
            place
                .fault("directory-public", team.name_at, message)
                .help("the built-in team cannot be renamed (R20): remove its `name`"),
        );
    }
    // The built-in team has its name whether or not it is written down.
    if !is_public && is_public_name(&team.name) {
        let message = format!("the team `{}` calls itself `{}`", place.id, team.name);
        faults.push(
            place
                .fault("directory-public", team.name_at, message)
                .help("that name is the built-in team's (R20): choose another"),
        );
    }
}

/// Whether people would take a name for that of the built-in team.
pub(super) fn is_public_name(name: &str) -> bool {
    fold_team(name) == fold_team(PUBLIC)
}

/// R23: what people see.
fn name_can_be(place: &Place<'_>, team: &Team, faults: &mut Vec<Fault>) {
    if let Err(why) = check_team_name(&team.name) {
        let message = format!("the name of the team `{}` {why}", short(place.id));
        faults.push(place.fault("directory-team-name", team.name_at, message).help(NAME_RULE));
    }
}

fn short(id: &str) -> String {
    match id.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_owned(),
    }
}

/// R23: each assignment has a level, the team's or its own.
fn levels_are_known(place: &Place<'_>, team: &Team, faults: &mut Vec<Fault>) {
    if team.permission.is_some() {
        return;
    }
    let all = team.datastores.iter().chain(&team.enrichment_datastores);
    for assignment in all.filter(|assignment| assignment.permission.is_none()) {
        let message = format!(
            "the team `{}` has no permission, and neither has its `{}`",
            place.id, assignment.to.id
        );
        faults.push(
            place
                .fault("directory-permission", Some(assignment.to.at), message)
                .help("give the team `permission: read` or `permission: write` (R23)"),
        );
    }
}

fn nothing_is_listed_twice(place: &Place<'_>, team: &Team, faults: &mut Vec<Fault>) {
    let twice = |kind: Kind, reference: &Reference| {
        let message = format!("the team `{}` lists the {} `{}` twice", place.id, kind.word(), reference.id);
        place.fault("directory-duplicate", Some(reference.at), message)
    };
    for (kind, references) in [(Kind::User, &team.users), (Kind::ServiceUser, &team.service_users)] {
        let mut seen = HashSet::new();
        let again = references.iter().filter(|reference| !seen.insert(&*reference.id));
        faults.extend(again.map(|reference| twice(kind, reference).into_warning()));
    }
    for (kind, assignments) in [
        (Kind::Datastore, &team.datastores),
        (Kind::EnrichmentDatastore, &team.enrichment_datastores),
    ] {
        let mut seen: HashMap<&str, &Assignment> = HashMap::new();
        for assignment in assignments {
            let Some(earlier) = seen.insert(&assignment.to.id, assignment) else {
                continue;
            };
            let fault = twice(kind, &assignment.to);
            faults.push(if earlier.permission == assignment.permission {
                fault.into_warning()
            } else {
                fault.help("the two state different levels: keep one")
            });
        }
    }
}

/// What is wrong with a directory as a whole. If something in it could not be read, only that: the rest may be an echo.
pub(super) fn check(directory: &Directory, unknown: UnknownParents) -> Vec<Fault> {
    let mut faults: Vec<Fault> = directory.faulty().flat_map(|document| document.faults.iter().cloned()).collect();
    entries_are_there_once(directory, &mut faults);
    if !faults.is_empty() {
        return faults;
    }
    faults.extend(directory.faulty().flat_map(|document| document.broken.iter().cloned()));
    an_active_admin_remains(directory, &mut faults);
    team_names_are_unique(directory, &mut faults);
    scim_names_are_unique(directory, &mut faults);
    let broken = faults.len();
    references_lead_somewhere(directory, &mut faults);
    if unknown == UnknownParents::Drop {
        for fault in &mut faults[broken..] {
            fault.severity = Severity::Warning;
        }
    }
    faults
}

fn entries_are_there_once(directory: &Directory, faults: &mut Vec<Fault>) {
    for (kind, id) in directory.doubled() {
        let places = directory.places(kind, id);
        let Some((first, rest)) = places.split_first() else { continue };
        for here in rest {
            let message = format!("the {} `{id}` is here twice", kind.word());
            let fault = Fault::error("directory-duplicate", message).at(&here.document.text, here.stated.at);
            let first = first.document.text.place(first.stated.at);
            faults.push(fault.and_at(first, "the first is here").help("keep one of the two"));
        }
    }
}

/// R10: deactivating or demoting the last active Admin is refused, also where a file does it.
fn an_active_admin_remains(directory: &Directory, faults: &mut Vec<Fault>) {
    if directory.active_admins() > 0 {
        return;
    }
    let is_admin = |id: &&str| directory.account(Kind::User, id).is_some_and(|user| user.role == Role::Admin);
    let admin = directory.ids(Kind::User).find(is_admin);
    let Some(admin) = admin.or_else(|| directory.ids(Kind::User).next()) else {
        return;
    };
    let Some(found) = directory.find(Kind::User, admin) else { return };
    faults.push(
        found
            .fault("directory-last-admin", None, "no user is an active Admin".to_owned())
            .help("the last active Admin cannot be deactivated, demoted or removed (R10): give a user `role: Admin`"),
    );
}

/// R23: a team's name is its alone, and no other team's key.
fn team_names_are_unique(directory: &Directory, faults: &mut Vec<Fault>) {
    for (_, name) in directory.team_names.shared() {
        let teams: Vec<&str> = directory.team_names.ids(Kind::Team, name).collect();
        let found = |id: &str| Some((directory.find(Kind::Team, id)?, directory.team(id)?));
        for two in teams.windows(2) {
            let (Some((first, one)), Some((here, other))) = (found(two[0]), found(two[1])) else {
                continue;
            };
            let is_name = fold_team(&one.name) == name && fold_team(&other.name) == name;
            let what = if is_name { "have the same name," } else { "both go by" };
            let message = format!("the teams `{}` and `{}` {what} `{name}`", two[0], two[1]);
            faults.push(
                here.fault("directory-team-name", other.name_at, message)
                    .and_at(first.place(one.name_at), "the first is here")
                    .help("a team's name is unique without regard to case, and no other team's key (R23)"),
            );
        }
    }
}

/// What SCIM calls an entry is its alone: its id, and the `userName` without regard to case.
fn scim_names_are_unique(directory: &Directory, faults: &mut Vec<Fault>) {
    for (index, what) in [(&directory.scim_ids, "`id`"), (&directory.user_names, "`userName`")] {
        for (kind, name) in index.shared() {
            let entries: Vec<&str> = index.ids(kind, name).collect();
            for two in entries.windows(2) {
                let found = (directory.find(kind, two[0]), directory.find(kind, two[1]));
                let (Some(first), Some(here)) = found else { continue };
                let message = format!(
                    "the {}s `{}` and `{}` have the same {what} under `scim`, `{name}`",
                    kind.word(),
                    two[0],
                    two[1]
                );
                faults.push(
                    here.fault("directory-scim", None, message)
                        .and_at(first.place(None), "the first is here")
                        .help("SCIM names are unique, `userName` without regard to case: change one of them"),
                );
            }
        }
    }
}

fn references_lead_somewhere(directory: &Directory, faults: &mut Vec<Fault>) {
    let mut looks = 0;
    for (kind, id) in directory.missing() {
        looks += directory.count(kind);
        let near = if looks <= NEAREST_LOOKS_MAX {
            nearest(id, directory.ids(kind))
        } else {
            None
        };
        for (from_kind, from) in directory.referrers(kind, id) {
            let Some(found) = directory.find(from_kind, from) else { continue };
            let help = match (near, from_kind) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Kind::Team) => format!("add it under `{}:`, or remove it from the team", kind.key()),
                (None, _) => format!("add it under `{}:`, or remove it from the list", kind.key()),
            };
            let message = format!(
                "the {} `{from}` lists the {} `{id}`, which is nowhere",
                from_kind.word(),
                kind.word()
            );
            let references = found.stated.entry.references(from_kind);
            for (_, reference) in references.filter(|(to, reference)| *to == kind && &*reference.id == id) {
                faults.push(found.fault(UNKNOWN_REFERENCE, Some(reference.at), message.clone()).help(help.clone()));
            }
        }
    }
}

impl Found<'_> {
    fn place(&self, at: Option<At>) -> crate::engine::Place {
        let span = at.map_or(self.stated.at, |at| at.span(self.stated.value.offset));
        self.document.text.place(span)
    }

    fn fault(&self, code: &'static str, at: Option<At>, message: String) -> Fault {
        let span = at.map_or(self.stated.at, |at| at.span(self.stated.value.offset));
        Fault::error(code, message).at(&self.document.text, span)
    }
}
