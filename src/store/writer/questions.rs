//! The questions that a command is put to: the policies of the root decide who may change it.

use std::borrow::Cow;

use super::difference::{Difference, What};
use super::{Denied, Order, Refusal};
use crate::directory::{Key, Kind, Role};
use crate::engine::json::Json;
use crate::engine::{Decision, Effect, Query, Snapshot};
use crate::store::live::{Generation, Standing};

/// The one thing that platform-wide actions are done to.
const PLATFORM: (&str, &str) = ("Platform", "main");

/// May the actor do this?
struct Question<'d> {
    action: &'static str,
    resource: (&'static str, &'d str),
    /// All teams that an account comes into or goes out of.
    teams: Vec<&'d str>,
}

impl<'d> Question<'d> {
    fn on(action: &'static str, key: &'d Key) -> Self {
        Self {
            action,
            resource: (key.kind.entity_type(), &key.id),
            teams: Vec::new(),
        }
    }

    fn on_platform(action: &'static str) -> Self {
        Self {
            action,
            resource: PLATFORM,
            teams: Vec::new(),
        }
    }
}

/// Asks all questions; each has to be allowed.
///
/// # Errors
/// The first that is not, or an order that names nobody.
pub(super) fn ask(live: &Generation, order: &Order, difference: &Difference) -> Result<(), Refusal> {
    let snapshot = &live.snapshot;
    let principal = match &order.actor.principal {
        Some(principal) => principal,
        // Who can write the files may.
        None if order.channel == super::Channel::CommandLine => return Ok(()),
        None => {
            return Err(Refusal::Invalid {
                field: "principal",
                message: "somebody has to give the order".to_owned(),
            });
        }
    };
    for question in questions(snapshot, difference) {
        let context = context(&question);
        let query = Query {
            context: context.as_ref(),
            ..Query::plain((&principal.0, &principal.1), question.action, question.resource)
        };
        // What cannot be asked is not allowed.
        let decision = snapshot.decide(&query).ok();
        if !decision.as_ref().is_some_and(Decision::is_allowed) {
            return Err(Refusal::Denied(Box::new(denied(live, principal, &question, decision))));
        }
    }
    Ok(())
}

/// Asks once about whoever is deactivated or gone, before anything is made of the order: a large one takes its time.
///
/// # Errors
/// The policies do not let them do anything, as far as that tells.
pub(super) fn ask_standing(live: &Generation, order: &Order) -> Result<(), Refusal> {
    let Some(principal) = &order.actor.principal else { return Ok(()) };
    if live.standing(&principal.0, &principal.1) == Standing::Good {
        return Ok(());
    }
    let question = Question {
        action: "viewSecurity",
        resource: PLATFORM,
        teams: Vec::new(),
    };
    let query = Query::plain((&principal.0, &principal.1), question.action, question.resource);
    let decision = live.snapshot.decide(&query).ok();
    match decision.as_ref().is_some_and(Decision::is_allowed) {
        true => Ok(()),
        false => Err(Refusal::Denied(Box::new(denied(live, principal, &question, decision)))),
    }
}

/// `{"teams": [{"type": "Team", "id": …}]}`
fn context<'d>(question: &Question<'d>) -> Option<Json<'d>> {
    let text = |text: &'d str| Json::String(Cow::Borrowed(text));
    let name = |name: &'static str| Cow::Borrowed(name);
    let team = |id: &&'d str| Json::Object(vec![(name("type"), text("Team")), (name("id"), text(id))]);
    (question.action == "assignTeams")
        .then(|| Json::Object(vec![(name("teams"), Json::Array(question.teams.iter().map(team).collect()))]))
}

fn questions<'d>(snapshot: &Snapshot, difference: &'d Difference) -> Vec<Question<'d>> {
    let key = &difference.key;
    let mut all = match difference.what {
        What::Create => of_creation(key),
        What::Delete => of_deletion(key),
        What::Release => vec![Question::on_platform("createUser")],
        What::Change => Vec::new(),
    };
    let changes = difference.what == What::Change;
    match key.kind {
        Kind::User | Kind::ServiceUser => {
            let is_new_role = match difference.what {
                What::Create => difference.role.is_some_and(|role| role != Role::Member),
                _ => difference.role.is_some(),
            };
            if is_new_role {
                all.push(Question::on("editRole", key));
            }
            match difference.active.filter(|_| changes) {
                Some(true) => all.push(Question::on("reactivate", key)),
                Some(false) => all.push(Question::on("deactivate", key)),
                None => {}
            }
            let is_record = difference.name.is_some() || difference.scim.is_some() || difference.new_id.is_some();
            if changes && is_record {
                all.push(Question::on(record_action(snapshot, key.kind), key));
            }
        }
        Kind::Team => {
            let grants = !difference.assigned.is_empty() || !difference.unassigned.is_empty();
            let is_renamed = difference.name.is_some() || difference.new_id.is_some();
            let is_described = difference.description.is_some() || difference.scim.is_some();
            for (action, is_asked) in [
                ("renameTeam", changes && is_renamed),
                ("editTeam", changes && is_described),
                ("setPermission", difference.permission.is_some()),
                ("assignDatastores", grants),
            ] {
                if is_asked {
                    all.push(Question::on(action, key));
                }
            }
        }
        Kind::Datastore | Kind::EnrichmentDatastore => {
            if changes && (difference.name.is_some() || difference.new_id.is_some()) {
                all.push(Question::on("manageMetadata", key));
            }
        }
    }
    // Whoever deletes a team, or an account, is asked about that.
    if difference.what != What::Delete {
        for (account, teams) in difference.memberships() {
            // A team that is made here is no entity yet; its id is what the policies look at.
            let mut question = Question::on("assignTeams", account);
            question.teams = teams.into_iter().collect();
            all.push(question);
        }
    }
    if difference.is_empty() {
        all.push(Question::on(view_action(key.kind), key));
    }
    all
}

/// What is asked of a command that changes nothing, since its answer says so much as that.
fn view_action(kind: Kind) -> &'static str {
    match kind {
        Kind::User | Kind::ServiceUser => "viewAccount",
        Kind::Team => "viewTeam",
        Kind::Datastore | Kind::EnrichmentDatastore => "viewDatastore",
    }
}

fn of_creation(key: &Key) -> Vec<Question<'_>> {
    vec![Question::on_platform(match key.kind {
        Kind::User => "createUser",
        Kind::ServiceUser => "createServiceUser",
        Kind::Team => "createTeam",
        Kind::Datastore | Kind::EnrichmentDatastore => "addDatastore",
    })]
}

fn of_deletion(key: &Key) -> Vec<Question<'_>> {
    match key.kind {
        Kind::User => vec![Question::on("deactivate", key)],
        Kind::ServiceUser => vec![Question::on("edit", key), Question::on("deactivate", key)],
        Kind::Team => vec![Question::on("deleteTeam", key)],
        Kind::Datastore | Kind::EnrichmentDatastore => vec![Question::on("deleteDatastore", key)],
    }
}

/// What changing an account's record is asked as: a schema may have an action of its own for people's.
fn record_action(snapshot: &Snapshot, kind: Kind) -> &'static str {
    match kind {
        Kind::ServiceUser => "edit",
        _ if snapshot.action("editAccount").is_some() => "editAccount",
        _ => "editRole",
    }
}

fn denied(
    live: &Generation,
    principal: &(String, String),
    question: &Question<'_>,
    decision: Option<Decision>,
) -> Denied {
    let snapshot = &live.snapshot;
    let (determining, errors) = decision.map(|decision| (decision.determining, decision.errors)).unwrap_or_default();
    let mut numbers = determining;
    // A permit that cannot be evaluated forbids nothing.
    let forbids = |policy: &u32| snapshot.policy(*policy).effect == Effect::Forbid;
    numbers.extend(errors.into_iter().map(|error| error.policy).filter(forbids));
    numbers.sort_unstable();
    numbers.dedup();
    let policies: Vec<(String, Option<String>)> = numbers
        .into_iter()
        .map(|number| {
            let info = snapshot.policy(number);
            let rule = info.annotations.iter().find(|(key, _)| key == "rule");
            (info.id.to_string(), rule.map(|(_, rule)| rule.clone()))
        })
        .collect();
    let stated: Vec<&str> = policies.iter().filter_map(|(_, rule)| rule.as_deref()).collect();
    let rule = match stated.is_empty() {
        true => reserved_by(question.action, question.resource.0).to_owned(),
        false => stated.join(", "),
    };
    Denied {
        principal: principal.clone(),
        is_missing: live.standing(&principal.0, &principal.1) == Standing::Missing,
        action: question.action.to_owned(),
        resource: (question.resource.0.to_owned(), question.resource.1.to_owned()),
        policies,
        rule,
    }
}

/// The rule that keeps an action for Admins.
fn reserved_by(action: &str, resource: &str) -> &'static str {
    match (action, resource) {
        ("createServiceUser" | "edit", _) | (_, "ServiceUser") => "R5",
        ("createUser", _) => "R9",
        ("addDatastore" | "deleteDatastore", _) => "R12",
        ("manageMetadata", _) => "R17",
        (_, "Team") | ("createTeam", _) => "R22",
        _ => "R3",
    }
}
