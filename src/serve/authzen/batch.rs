//! Evaluation (6) and evaluations (7).

use std::borrow::Cow;

use hyper::StatusCode;
use hyper::body::Bytes;

use super::question::{Inherited, Members, Written, Wrong, worded};
use crate::engine::json::Json;
use crate::engine::{Asking, Decision, Problem as EngineProblem, Query, Snapshot};
use crate::serve::reply::{Problem, write_error};
use crate::serve::tally::{Tally, add};

/// Whether a subject or resource of a batch without a type takes the default's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Inherit {
    /// It is a bad item, as the specification has it.
    #[default]
    Nothing,
    /// It does: what some clients of earlier drafts count on.
    Type,
}

/// What a batch may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchRules {
    /// Questions in one batch.
    pub(crate) items_max: usize,
    /// The tolerance for items without a type.
    pub(crate) inherit: Inherit,
}

/// When a batch stops (7.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Semantic {
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// An answer: its body, and how many policies erred on the way.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) policy_errors: usize,
}

/// Values of the defaults, counted once for each item: they are read as often.
const VALUES_MAX: usize = 1_000_000;

const ALLOW: &[u8] = b"{\"decision\":true}";
const DENY: &[u8] = b"{\"decision\":false}";

/// Answers one evaluation that is written plainly. None if it is not, and has to be read thoroughly.
pub(in crate::serve) fn evaluate_plain(
    snapshot: &Snapshot,
    text: &[u8],
    depth_max: usize,
    tally: &Tally,
) -> Option<Result<Answer, Problem>> {
    let written = Written::read(std::str::from_utf8(text).ok()?, depth_max)?;
    Some(answer(settle(&mut snapshot.asking_once(), &written.query()?, tally)))
}

/// Answers one evaluation.
pub(in crate::serve) fn evaluate(snapshot: &Snapshot, root: &Json<'_>, tally: &Tally) -> Result<Answer, Problem> {
    let members = Members::of(top(root)?);
    answer(ask(&mut snapshot.asking_once(), &members, tally))
}

fn answer(asked: Result<Decision, Wrong>) -> Result<Answer, Problem> {
    let decision = asked.map_err(bad)?;
    Ok(Answer {
        body: Bytes::from_static(if decision.is_allowed() { ALLOW } else { DENY }),
        policy_errors: decision.errors.len(),
    })
}

/// A request for a batch, as far as it has been looked at.
pub(in crate::serve) enum Batched<'a> {
    /// There is no batch in it: it was a single evaluation.
    Answered(Answer),
    /// Its items are to be answered.
    Begun(Batch<'a>),
}

/// A batch whose items are being answered.
pub(in crate::serve) struct Batch<'a> {
    /// Those that are left.
    items: std::slice::Iter<'a, Json<'a>>,
    defaults: Members<'a>,
    semantic: Semantic,
    inherit: Inherit,
    body: Vec<u8>,
    policy_errors: usize,
}

/// Begins a batch; one without `evaluations` is a single evaluation.
pub(in crate::serve) fn evaluations<'a>(
    snapshot: &Snapshot,
    root: &'a Json<'a>,
    rules: BatchRules,
    tally: &Tally,
) -> Result<Batched<'a>, Problem> {
    let object = top(root)?;
    let items = match root.get("evaluations") {
        None | Some(Json::Null) => &[][..],
        Some(Json::Array(items)) => items,
        Some(other) => return Err(bad(format!("evaluations: must be an array, not {}", other.kind()))),
    };
    let semantic = semantic(root.get("options"))?;
    let defaults = Members::of(object);
    if items.is_empty() {
        return evaluate(snapshot, root, tally).map(Batched::Answered);
    }
    if items.len() > rules.items_max {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "evaluations: {} items, and the limit is {}; ask in several batches",
                items.len(),
                rules.items_max
            ),
        ));
    }
    check_defaults(&defaults)?;
    let shared = [defaults.subject, defaults.action, defaults.resource, defaults.context];
    let values: usize = shared.into_iter().flatten().map(Json::values).sum();
    if values.saturating_mul(items.len()) > VALUES_MAX {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "the defaults have {values} values, which are read for each of {} items",
                items.len()
            ),
        ));
    }
    let mut body = Vec::with_capacity(32 + items.len() * 20);
    body.extend_from_slice(b"{\"evaluations\":[");
    Ok(Batched::Begun(Batch {
        items: items.iter(),
        defaults,
        semantic,
        inherit: rules.inherit,
        body,
        policy_errors: 0,
    }))
}

impl Batch<'_> {
    /// Answers no more than so many items, and says whether some are left.
    pub(in crate::serve) fn go_on(&mut self, snapshot: &Snapshot, tally: &Tally, items_max: usize) -> bool {
        let mut asking = snapshot.asking();
        for item in self.items.by_ref().take(items_max) {
            if !self.body.ends_with(b"[") {
                self.body.push(b',');
            }
            let allowed = match item_members(item, &self.defaults, self.inherit)
                .inspect_err(|_| add(&tally.problems))
                .and_then(|members| ask(&mut asking, &members, tally))
            {
                Ok(decision) => {
                    self.policy_errors += decision.errors.len();
                    self.body.extend_from_slice(if decision.is_allowed() { ALLOW } else { DENY });
                    decision.is_allowed()
                }
                Err(wrong) => {
                    self.body.extend_from_slice(b"{\"decision\":false,\"context\":{\"error\":");
                    write_error(&mut self.body, StatusCode::BAD_REQUEST, &wrong);
                    self.body.extend_from_slice(b"}}");
                    false
                }
            };
            match (self.semantic, allowed) {
                (Semantic::DenyOnFirstDeny, false) | (Semantic::PermitOnFirstPermit, true) => {
                    self.items = [].iter();
                    break;
                }
                _ => {}
            }
        }
        !self.items.as_slice().is_empty()
    }

    /// The answer to the items so far.
    pub(in crate::serve) fn answer(mut self) -> Answer {
        self.body.extend_from_slice(b"]}");
        Answer {
            body: self.body.into(),
            policy_errors: self.policy_errors,
        }
    }
}

fn bad(message: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, message)
}

fn top<'a>(root: &'a Json<'a>) -> Result<&'a [(Cow<'a, str>, Json<'a>)], Problem> {
    match root {
        Json::Object(members) => Ok(members),
        other => Err(bad(format!("the body must be a JSON object, not {}", other.kind()))),
    }
}

fn ask(asking: &mut Asking<'_>, members: &Members<'_>, tally: &Tally) -> Result<Decision, Wrong> {
    let query = members.query().inspect_err(|_| add(&tally.problems))?;
    settle(asking, &query, tally)
}

/// Decides and counts.
fn settle(asking: &mut Asking<'_>, query: &Query<'_>, tally: &Tally) -> Result<Decision, Wrong> {
    let decision = decide(asking, query, tally).map_err(|problem| {
        add(&tally.problems);
        worded(&problem)
    })?;
    tally.decided(asking.snapshot(), &decision);
    Ok(decision)
}

fn decide(asking: &mut Asking<'_>, query: &Query<'_>, tally: &Tally) -> Result<Decision, EngineProblem> {
    let decision = tally.comparisons.decide(asking, query)?;
    tracing::debug!(
        principal_type = query.principal.entity_type,
        action = query.action.name,
        resource_type = query.resource.entity_type,
        allowed = decision.is_allowed(),
        cause = ?decision.cause,
        revision = asking.snapshot().revision(),
        "decided"
    );
    Ok(decision)
}

/// A misspelling of an early draft is taken as an alias; other options are ignored.
fn semantic(options: Option<&Json<'_>>) -> Result<Semantic, Problem> {
    let options = match options {
        None | Some(Json::Null) => return Ok(Semantic::ExecuteAll),
        Some(options @ Json::Object(_)) => options,
        Some(other) => return Err(bad(format!("options: must be an object, not {}", other.kind()))),
    };
    let given = options.get("evaluations_semantic").or_else(|| options.get("evaluation_semantics"));
    match given {
        None | Some(Json::Null) => Ok(Semantic::ExecuteAll),
        Some(Json::String(name)) => match &**name {
            "execute_all" => Ok(Semantic::ExecuteAll),
            "deny_on_first_deny" => Ok(Semantic::DenyOnFirstDeny),
            "permit_on_first_permit" => Ok(Semantic::PermitOnFirstPermit),
            _ => Err(bad(
                "options.evaluations_semantic: must be `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`",
            )),
        },
        Some(other) => Err(bad(format!(
            "options.evaluations_semantic: must be a string, not {}",
            other.kind()
        ))),
    }
}

/// Defaults may be incomplete, and may not be of another kind altogether.
fn check_defaults(defaults: &Members<'_>) -> Result<(), Problem> {
    for (name, value) in [
        ("subject", defaults.subject),
        ("action", defaults.action),
        ("resource", defaults.resource),
        ("context", defaults.context),
    ] {
        match value {
            None | Some(Json::Null | Json::Object(_)) => {}
            Some(other) => return Err(bad(format!("{name}: must be an object, not {}", other.kind()))),
        }
    }
    Ok(())
}

/// A member of an item replaces the whole default, without merging.
fn item_members<'a>(item: &'a Json<'a>, defaults: &Members<'a>, inherit: Inherit) -> Result<Members<'a>, Wrong> {
    let Json::Object(object) = item else {
        return Err(format!("an evaluation must be an object, not {}", item.kind()).into());
    };
    let own = Members::of(object);
    let default_type = |default: Option<&'a Json<'a>>| match (inherit, default.and_then(|json| json.get("type"))) {
        (Inherit::Type, Some(Json::String(name))) => Some(&**name),
        _ => None,
    };
    Ok(Members {
        subject: own.subject.or(defaults.subject),
        action: own.action.or(defaults.action),
        resource: own.resource.or(defaults.resource),
        // A context of `null` counts as absent (5.4), so the default stands.
        context: own.context.filter(|context| **context != Json::Null).or(defaults.context),
        inherited: Inherited {
            subject: default_type(defaults.subject),
            resource: default_type(defaults.resource),
        },
    })
}
