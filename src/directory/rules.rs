//! The rules of the access model that policies cannot hold, checked over the whole directory.
//!
//! R1 (exactly one role) and the shape of R15 (no grant to a single user) and R23 (a permission is `read` or `write`)
//! are checked where an entry is read; here are those that need to see more than one entry.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::document::{Assignment, Directory, Kind, Reference, Role, Source, Store, Team};
use crate::engine::{Fault, Severity, UnknownParents, nearest};

/// The built-in team that everyone is in.
pub(super) const PUBLIC: &str = "Public";

/// The longest name of a team, in characters (R23).
const TEAM_NAME_MAX: usize = 255;

/// A reference to an entry that is nowhere.
const UNKNOWN_REFERENCE: &str = "directory-unknown-reference";

/// Checks the directory; faults are added to `faults`.
pub(super) fn check(directory: &Directory, unknown: UnknownParents, faults: &mut Vec<Fault>) {
    an_active_admin_remains(directory, faults);
    team_names_are_unique(directory, faults);
    for (id, team) in &directory.teams {
        if id == PUBLIC {
            public_is_built_in(team, faults);
        }
        name_has_a_length(id, team, faults);
        references_lead_somewhere(directory, id, team, faults);
        levels_are_known(id, team, faults);
    }
    if unknown == UnknownParents::Drop {
        for fault in faults.iter_mut().filter(|fault| fault.code == UNKNOWN_REFERENCE) {
            fault.severity = Severity::Warning;
        }
    }
}

/// R10: deactivating or demoting the last active Admin is refused, also where a file does it.
fn an_active_admin_remains(directory: &Directory, faults: &mut Vec<Fault>) {
    let Some((_, first)) = directory.users.first_key_value() else {
        return;
    };
    let remains = directory.users.values().any(|user| user.active && user.role == Role::Admin);
    if !remains {
        let admin = directory.users.values().find(|user| user.role == Role::Admin).unwrap_or(first);
        faults.push(
            admin.source.fault("directory-last-admin", "no user is an active Admin".to_owned()).help(
                "the last active Admin cannot be deactivated, demoted or removed (R10): give a user `role: Admin`",
            ),
        );
    }
}

/// R23: a team's name is its alone.
fn team_names_are_unique(directory: &Directory, faults: &mut Vec<Fault>) {
    let mut names: HashMap<&str, (&str, &Source)> = HashMap::new();
    // The built-in team has its name whether or not it is written down.
    if let Some((id, team)) = directory.teams.iter().find(|(id, _)| *id == PUBLIC) {
        names.insert(PUBLIC, (id, &team.source));
    }
    for (id, team) in directory.teams.iter().filter(|(id, _)| *id != PUBLIC) {
        let here = team.name_source.as_ref().unwrap_or(&team.source);
        if team.name == PUBLIC {
            faults.push(
                here.fault("directory-public", format!("the team `{id}` calls itself `{PUBLIC}`"))
                    .help("that name is the built-in team's (R20): choose another"),
            );
        } else if let Some((other, source)) = names.insert(&team.name, (id, here)) {
            faults.push(
                here.fault(
                    "directory-team-name",
                    format!("the teams `{other}` and `{id}` have the same name, `{}`", team.name),
                )
                .and_at(source.text.place(source.span), "the first is here")
                .help("a team's name is unique (R23)"),
            );
        }
    }
}

/// R20: everyone is in Public, and it cannot be renamed.
fn public_is_built_in(team: &Team, faults: &mut Vec<Fault>) {
    if let Some(source) = &team.members_source {
        faults.push(
            source
                .fault("directory-public", format!("`{PUBLIC}` lists members"))
                .help("every account is in it, and that cannot be changed (R20): remove the list"),
        );
    }
    if team.name != PUBLIC {
        faults.push(
            team.name_source
                .as_ref()
                .unwrap_or(&team.source)
                .fault("directory-public", format!("`{PUBLIC}` is renamed to `{}`", team.name))
                .help("the built-in team cannot be renamed (R20): remove its `name`"),
        );
    }
}

/// R23: 1 to 255 characters.
fn name_has_a_length(id: &str, team: &Team, faults: &mut Vec<Fault>) {
    let length = team.name.chars().count();
    if !(1..=TEAM_NAME_MAX).contains(&length) {
        faults.push(
            team.name_source
                .as_ref()
                .unwrap_or(&team.source)
                .fault(
                    "directory-team-name",
                    format!("the name of the team `{}` has {length} characters", short(id)),
                )
                .help(format!("a team's name has 1 to {TEAM_NAME_MAX} characters (R23)")),
        );
    }
}

fn short(id: &str) -> String {
    match id.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_owned(),
    }
}

fn references_lead_somewhere(directory: &Directory, id: &str, team: &Team, faults: &mut Vec<Fault>) {
    let users: Vec<&str> = directory.users.keys().map(String::as_str).collect();
    let service_users: Vec<&str> = directory.service_users.keys().map(String::as_str).collect();
    check_references(id, Kind::User, &team.users, &users, faults);
    check_references(id, Kind::ServiceUser, &team.service_users, &service_users, faults);
    check_assignments(id, Kind::Datastore, &team.datastores, &directory.datastores, faults);
    let enrichment = &directory.enrichment_datastores;
    check_assignments(id, Kind::EnrichmentDatastore, &team.enrichment_datastores, enrichment, faults);
}

fn check_references(team: &str, kind: Kind, references: &[Reference], known: &[&str], faults: &mut Vec<Fault>) {
    let mut seen = HashSet::new();
    for reference in references {
        // `known` is sorted: it was collected from an ordered map.
        if known.binary_search(&reference.id.as_str()).is_err() {
            faults.push(leads_nowhere(team, kind, reference, known.iter().copied()));
        } else if !seen.insert(reference.id.as_str()) {
            faults.push(listed_twice(team, kind, reference).into_warning());
        }
    }
}

fn check_assignments(
    team: &str,
    kind: Kind,
    assignments: &[Assignment],
    known: &BTreeMap<String, Store>,
    faults: &mut Vec<Fault>,
) {
    let mut seen: HashMap<&str, &Assignment> = HashMap::new();
    for assignment in assignments {
        if !known.contains_key(&assignment.to.id) {
            faults.push(leads_nowhere(team, kind, &assignment.to, known.keys().map(String::as_str)));
        } else if let Some(earlier) = seen.insert(&assignment.to.id, assignment) {
            let fault = listed_twice(team, kind, &assignment.to);
            faults.push(if earlier.permission == assignment.permission {
                fault.into_warning()
            } else {
                fault.help("the two state different levels: keep one")
            });
        }
    }
}

fn leads_nowhere<'k>(team: &str, kind: Kind, reference: &Reference, known: impl IntoIterator<Item = &'k str>) -> Fault {
    let message = format!(
        "the team `{team}` lists the {} `{}`, which is nowhere",
        kind.word(),
        reference.id
    );
    let help = match nearest(&reference.id, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add it under `{}:`, or remove it from the team", kind.key()),
    };
    reference.source.fault(UNKNOWN_REFERENCE, message).help(help)
}

fn listed_twice(team: &str, kind: Kind, reference: &Reference) -> Fault {
    reference.source.fault(
        "directory-duplicate",
        format!("the team `{team}` lists the {} `{}` twice", kind.word(), reference.id),
    )
}

/// R23: each assignment has a level, the team's or its own.
fn levels_are_known(id: &str, team: &Team, faults: &mut Vec<Fault>) {
    if team.permission.is_some() {
        return;
    }
    let all = team.datastores.iter().chain(&team.enrichment_datastores);
    for assignment in all.filter(|assignment| assignment.permission.is_none()) {
        faults.push(
            assignment
                .to
                .source
                .fault(
                    "directory-permission",
                    format!("the team `{id}` has no permission, and neither has its `{}`", assignment.to.id),
                )
                .help("give the team `permission: read` or `permission: write` (R23)"),
        );
    }
}
