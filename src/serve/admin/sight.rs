//! Who may see what: the policies are asked, as they are for everything else.

use hyper::StatusCode;
use serde_json::json;

use crate::callers::Caller;
use crate::directory::{Key, Kind};
use crate::engine::{Cause, Decision, Effect, Query, Snapshot};
use crate::serve::problem::ProblemDocument;
use crate::store::{Generation, Standing};

/// The thing that platform-wide actions are done to.
const PLATFORM: (&str, &str) = ("Platform", "main");

/// Refuses whoever a policy shuts out of everything, such as a deactivated account: an empty list would not say why.
pub(super) fn check_entry(live: &Generation, caller: &Caller) -> Result<(), ProblemDocument> {
    let (snapshot, principal) = (&live.snapshot, &caller.principal);
    if live.standing(&principal.entity_type, &principal.id) == Standing::Missing {
        let detail = format!(
            "the account of this token, {} `{}`, is not in the directory",
            principal.entity_type, principal.id
        );
        let title = "the policies do not allow it";
        return Err(ProblemDocument::new(StatusCode::FORBIDDEN, "denied", title, detail));
    }
    let decision = ask(snapshot, caller, "viewSecurity", PLATFORM)?;
    match decision.cause {
        Cause::Permitted | Cause::NothingPermits => Ok(()),
        _ => Err(denied(snapshot, caller, "viewSecurity", PLATFORM, &decision)),
    }
}

/// Refuses whoever may not see the Security area: accounts, teams and who has what.
pub(super) fn check_security(snapshot: &Snapshot, caller: &Caller) -> Result<(), ProblemDocument> {
    let decision = ask(snapshot, caller, "viewSecurity", PLATFORM)?;
    if decision.is_allowed() {
        return Ok(());
    }
    Err(denied(snapshot, caller, "viewSecurity", PLATFORM, &decision))
}

/// Whether the caller sees an entry in lists.
pub(super) fn sees(snapshot: &Snapshot, caller: &Caller, kind: Kind, id: &str) -> bool {
    ask(snapshot, caller, view(kind), (kind.entity_type(), id)).is_ok_and(|decision| decision.is_allowed())
}

/// Refuses to show an entry that the caller may not see. A datastore that nobody granted them is not there (R18).
pub(super) fn check(snapshot: &Snapshot, caller: &Caller, key: &Key) -> Result<(), ProblemDocument> {
    let (action, resource) = (view(key.kind), (key.kind.entity_type(), key.id.as_str()));
    let decision = ask(snapshot, caller, action, resource)?;
    match decision.cause {
        Cause::Permitted => Ok(()),
        Cause::NothingPermits if !key.kind.is_account() && key.kind != Kind::Team => Err(not_found(key)),
        _ => Err(denied(snapshot, caller, action, resource, &decision)),
    }
}

/// 404.
pub(super) fn not_found(key: &Key) -> ProblemDocument {
    let detail = format!("there is no {} `{}`", key.kind.word(), key.id);
    ProblemDocument::new(StatusCode::NOT_FOUND, "not-found", "there is no such entry", detail)
}

fn view(kind: Kind) -> &'static str {
    match kind {
        Kind::User | Kind::ServiceUser => "viewAccount",
        Kind::Team => "viewTeam",
        Kind::Datastore | Kind::EnrichmentDatastore => "viewDatastore",
    }
}

fn ask(
    snapshot: &Snapshot,
    caller: &Caller,
    action: &str,
    resource: (&str, &str),
) -> Result<Decision, ProblemDocument> {
    let principal = (caller.principal.entity_type.as_str(), caller.principal.id.as_str());
    snapshot.decide(&Query::plain(principal, action, resource)).map_err(|error| {
        let detail = format!("the policies cannot be asked whether `{action}` is allowed: {error}");
        ProblemDocument::new(StatusCode::FORBIDDEN, "denied", "the policies do not allow it", detail)
    })
}

fn denied(
    snapshot: &Snapshot,
    caller: &Caller,
    action: &str,
    resource: (&str, &str),
    decision: &Decision,
) -> ProblemDocument {
    let forbidding = decision.determining.iter().copied();
    // A permit that cannot be evaluated forbids nothing.
    let erring = decision.errors.iter().map(|error| error.policy);
    let erring = erring.filter(|policy| snapshot.policy(*policy).effect == Effect::Forbid);
    let (mut policies, mut rules) = (Vec::new(), Vec::new());
    if decision.cause != Cause::NothingPermits {
        for number in forbidding.chain(erring) {
            let policy = snapshot.policy(number);
            let rule = policy.annotations.iter().find(|(key, _)| key == "rule").map(|(_, rule)| rule.as_str());
            policies.push(json!({ "id": &*policy.id, "rule": rule }));
            rules.extend(rule.filter(|rule| !rules.contains(rule)));
        }
    }
    // Where nothing permits it, it is the Security area that is an Admin's alone.
    let rule = if rules.is_empty() {
        "R12".to_owned()
    } else {
        rules.join(", ")
    };
    let principal = &caller.principal;
    let detail = format!(
        "`{}::\"{}\"` may not do `{action}` to `{}::\"{}\"` ({rule})",
        principal.entity_type, principal.id, resource.0, resource.1
    );
    let title = "the policies do not allow it";
    let mut problem = ProblemDocument::new(StatusCode::FORBIDDEN, "denied", title, detail);
    problem.rule = Some(rule);
    problem.tell("action", json!(action));
    problem.tell("resource", json!({ "type": resource.0, "id": resource.1 }));
    problem.tell("policies", json!(policies));
    problem
}
