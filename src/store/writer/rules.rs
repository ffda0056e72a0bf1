//! The rules of the access model that the writer itself holds, since policies cannot see what they are about.
//!
//! R10 (an active Admin remains), and what of R1, R20 and R23 is about a directory as a whole, is checked by the
//! directory once the change is made in memory; here such a fault becomes the rule that it breaks.

use super::difference::{Difference, PUBLIC, What};
use super::{Channel, Order, Refusal};
use crate::directory::{
    Assignments, Command, Directory, Key, Kind, Members, NAME_RULE, Patch, Role, check_team_name, is_public_name,
};
use crate::engine::{Fault, Faults, Severity};

fn broken(rule: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Rule {
        rule,
        message: message.into(),
    }
}

/// What is refused before anything else is looked at: what a channel does not see, and what is built in.
///
/// # Errors
/// The rule.
pub(super) fn check_command(directory: &Directory, order: &Order) -> Result<(), Refusal> {
    let key = order.command.key();
    let patch = match &order.command {
        Command::Create { entry, .. } => Some(entry),
        Command::Change { patch, .. } => Some(patch),
        Command::Delete { .. } | Command::Release { .. } => None,
    };
    if order.channel == Channel::Scim {
        sync_keeps_to_its_own(directory, order, patch)?;
    } else if patch.is_some_and(|patch| patch.scim.is_some()) {
        return Err(broken("R26", "what stands under `scim` is for directory sync to write"));
    }
    if patch.is_some_and(names_public) {
        return Err(broken("R20", format!("everyone is in `{PUBLIC}`, and that cannot be changed")));
    }
    if key.kind == Kind::Team && key.id == PUBLIC {
        public_stays(order, patch)?;
    }
    if order.channel == Channel::Admin && key.kind == Kind::User {
        match order.command {
            Command::Create { .. } => {
                return Err(broken(
                    "R9",
                    "people come from directory sync or from the files (`gatepost user create` without `--url`), and not by hand",
                ));
            }
            Command::Delete { .. } => {
                return Err(broken(
                    "R9",
                    "people go with directory sync or in the files (`gatepost user delete` without `--url`): deactivate the user instead",
                ));
            }
            Command::Change { .. } | Command::Release { .. } => {}
        }
    }
    Ok(())
}

/// R26 and R27: directory sync has users and teams that it created, and says nothing of roles, levels and datastores.
fn sync_keeps_to_its_own(directory: &Directory, order: &Order, patch: Option<&Patch>) -> Result<(), Refusal> {
    let key = order.command.key();
    if !matches!(key.kind, Kind::User | Kind::Team) {
        return Err(broken("R27", format!("directory sync touches no {}", key.kind.word())));
    }
    if key.kind == Kind::Team && key.id == PUBLIC {
        return Err(broken("R27", format!("directory sync does not touch `{PUBLIC}`")));
    }
    let is_its_own = match key.kind {
        Kind::Team => directory.team(&key.id).is_some_and(|team| team.scim.is_some()),
        kind => directory.account(kind, &key.id).is_some_and(|account| account.scim.is_some()),
    };
    let invalid = |message: &str| Refusal::Invalid {
        field: "scim",
        message: message.to_owned(),
    };
    let is_created = matches!(order.command, Command::Create { .. });
    match &order.command {
        Command::Create { entry, .. } if !matches!(entry.scim, Some(Some(_))) => {
            return Err(invalid("what directory sync creates has it"));
        }
        Command::Change { .. } | Command::Delete { .. } if !is_its_own => return Err(Refusal::NotFound(key)),
        Command::Release { .. } => return Err(broken("R27", "a retired id is given again by an Admin alone")),
        _ => {}
    }
    let Some(patch) = patch else { return Ok(()) };
    if patch.scim == Some(None) {
        return Err(invalid("what directory sync created keeps it"));
    }
    if patch.role.is_some_and(|role| !is_created || role != Role::Member) {
        return Err(broken(
            "R27",
            "directory sync gives no role: a new account is a Member, and an Admin changes it",
        ));
    }
    if patch.service_users != Members::Keep {
        return Err(broken("R27", "directory sync touches no service user"));
    }
    let grants = [&patch.datastores, &patch.enrichment_datastores];
    if patch.permission.is_some() || grants.into_iter().any(|grants| *grants != Assignments::Keep) {
        return Err(broken("R26", "level and datastores of a team are an Admin's to set"));
    }
    Ok(())
}

/// Whether anybody is to be put into Public, or taken out of it.
fn names_public(patch: &Patch) -> bool {
    match &patch.teams {
        Members::Keep => false,
        Members::Set(teams) => teams.contains(PUBLIC),
        Members::Change { add, remove } => add.contains(PUBLIC) || remove.contains(PUBLIC),
    }
}

/// R20: Public keeps its name and everyone in it.
fn public_stays(order: &Order, patch: Option<&Patch>) -> Result<(), Refusal> {
    if matches!(order.command, Command::Delete { .. }) {
        return Err(broken("R20", format!("`{PUBLIC}` is built in and cannot be deleted")));
    }
    let Some(patch) = patch else { return Ok(()) };
    let is_renamed = |name: &Option<String>| name.as_ref().is_some_and(|name| name != PUBLIC);
    if is_renamed(&patch.name) || is_renamed(&patch.id) {
        return Err(broken("R20", format!("`{PUBLIC}` is built in and cannot be renamed")));
    }
    if patch.users != Members::Keep || patch.service_users != Members::Keep {
        return Err(broken("R20", format!("everyone is in `{PUBLIC}`, and that cannot be changed")));
    }
    Ok(())
}

/// What is refused once it is known what would change.
///
/// # Errors
/// The rule.
pub(super) fn check_difference(directory: &Directory, order: &Order, difference: &Difference) -> Result<(), Refusal> {
    let new_id = match difference.what {
        What::Create => Some(&difference.key.id),
        _ => difference.new_id.as_ref(),
    };
    if let Some(id) = new_id
        && difference.key.kind == Kind::User
    {
        user_may_be_called(directory, order, difference, id)?;
    }
    if difference.key.kind == Kind::Team && difference.key.id != PUBLIC {
        // A new team without a name has its id for one, and policies name teams by their ids.
        for name in new_id.into_iter().chain(&difference.name) {
            team_may_be_called(name)?;
        }
    }
    Ok(())
}

/// R9 and R27: an id of a user is one person's.
fn user_may_be_called(directory: &Directory, order: &Order, difference: &Difference, id: &str) -> Result<(), Refusal> {
    let is_itself = |other: &String| difference.what == What::Change && *other == difference.key.id;
    if let Some(other) = directory.twin(id).filter(|other| !is_itself(other)) {
        return Err(Refusal::Exists(Key::new(Kind::User, other)));
    }
    if order.channel == Channel::CommandLine {
        return Ok(());
    }
    let account = directory.account(Kind::User, &difference.key.id);
    if difference.what == What::Change
        && let Some(account) = account
        && account.role != Role::Member
    {
        let message = format!(
            "`{}` is {}, and another id would hand that on: an Admin renames it on the command line, or makes it a Member \
             first",
            difference.key.id,
            account.role.name()
        );
        return Err(broken("R27", message));
    }
    // Whose an account is that there is, no request says anew.
    let may = match account {
        Some(account) if difference.what == What::Change => directory.may_take(id, account.scim.as_deref()),
        _ => directory.may_come_as(id, difference.scim.as_ref().and_then(Option::as_ref)),
    };
    if !may {
        let message = format!(
            "`{id}` was somebody else's before, and a new account would get what is still meant for them: an Admin has to \
             release it first, with `DELETE /v1/admin/retired-users/{id}`"
        );
        return Err(broken("R9", message));
    }
    Ok(())
}

/// R20 and R23, for names and ids alike. That no other team is called so, the directory finds out.
fn team_may_be_called(name: &str) -> Result<(), Refusal> {
    if is_public_name(name) {
        return Err(broken("R20", format!("the name `{PUBLIC}` is the built-in team's")));
    }
    check_team_name(name)
        .map_err(|why| broken("R23", format!("the name {why}: {}", NAME_RULE.trim_end_matches(" (R23)"))))
}

/// Refuses a directory that a change would break.
///
/// # Errors
/// The rule that is broken, or the faults.
pub(super) fn check_directory(faults: Vec<Fault>) -> Result<(), Refusal> {
    let Some(first) = faults.iter().find(|fault| fault.severity == Severity::Error) else {
        return Ok(());
    };
    let rule = match first.code {
        "directory-last-admin" => {
            return Err(broken("R10", "the last active Admin cannot be deactivated, demoted or removed"));
        }
        "directory-role" => "R1",
        "directory-public" => "R20",
        "directory-permission" => {
            let how = "set the team's `permission` first, or give the assignment one of its own";
            return Err(broken("R23", format!("{}: {how}", first.message)));
        }
        "directory-team-name" => "R23",
        _ => return Faults::check(faults).map(|_| ()).map_err(Refusal::Broken),
    };
    Err(broken(rule, first.message.clone()))
}
