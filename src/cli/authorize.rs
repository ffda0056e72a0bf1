//! `gatepost authorize`

use std::io::Read;
use std::path::Path;

use serde_json::json;

use super::names::{self, Typed};
use super::render::{self, Stream};
use super::{
    AuthorizeArgs, DENY, FAILURE, Format, QuestionArgs, SUCCESS, USAGE, check, print, print_error, refuse_settings,
};
use crate::engine::json::Json;
use crate::engine::{Cause, Decision, Query, Snapshot};
use crate::serve::read_question;

pub(super) fn run(args: &AuthorizeArgs) -> u8 {
    let settings = match args.root.settings(&[]) {
        Ok(settings) => settings,
        Err(faults) => return refuse_settings(&faults),
    };
    check::tell_built_in(&args.root.world());
    let snapshot = match check::compile(&args.root, &settings) {
        Ok(snapshot) => snapshot,
        Err(faults) => {
            for fault in &faults {
                super::print_drawn(&render::fault(fault, Stream::Error));
            }
            return FAILURE;
        }
    };
    let decide = |query: &Query<'_>| snapshot.decide(query);
    match ask(&args.question, settings.serve.limits.json_depth_max, decide) {
        Ok(decision) => {
            show(&snapshot, &decision, args.format);
            if decision.is_allowed() { SUCCESS } else { DENY }
        }
        Err(Refused { message, code }) => {
            print_error(&message);
            code
        }
    }
}

/// Why a question could not be asked.
pub(super) struct Refused {
    pub(super) message: String,
    pub(super) code: u8,
}

impl Refused {
    fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: USAGE,
        }
    }

    fn question(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: FAILURE,
        }
    }
}

/// Asks what the arguments say.
pub(super) fn ask<T, E: ToString>(
    args: &QuestionArgs,
    depth_max: usize,
    answer: impl FnOnce(&Query<'_>) -> Result<T, E>,
) -> Result<T, Refused> {
    let answer = |query: &Query<'_>| answer(query).map_err(|why| Refused::question(why.to_string()));
    match &args.request {
        Some(path) => ask_request(path, depth_max, answer),
        None => ask_flags(args, depth_max, answer),
    }
}

fn ask_request<T>(
    path: &Path,
    depth_max: usize,
    answer: impl FnOnce(&Query<'_>) -> Result<T, Refused>,
) -> Result<T, Refused> {
    let mut body = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut body))
    };
    read.map_err(|error| Refused::question(format!("cannot read `{}`: {error}", path.display())))?;
    let json = Json::read(&body, depth_max).map_err(|error| Refused::question(error.to_string()))?;
    let query = read_question(&json).map_err(Refused::question)?;
    answer(&query)
}

fn ask_flags<T>(
    args: &QuestionArgs,
    depth_max: usize,
    answer: impl FnOnce(&Query<'_>) -> Result<T, Refused>,
) -> Result<T, Refused> {
    // clap requires the three of them where there is no request.
    let given = |flag: &Option<String>| flag.clone().unwrap_or_default();
    let principal = entity("--principal", &given(&args.principal))?;
    let resource = entity("--resource", &given(&args.resource))?;
    let action = given(&args.action);
    let context = args
        .context
        .as_ref()
        .map(|text| Json::read(text.as_bytes(), depth_max))
        .transpose()
        .map_err(|error| Refused::usage(format!("--context: {error}")))?;
    let query = Query {
        context: context.as_ref(),
        ..Query::plain((&principal.0, &principal.1), &action, (&resource.0, &resource.1))
    };
    answer(&query)
}

/// `User::"ana"`, `App::User::"ana"`, or `user:ana`.
fn entity(flag: &str, text: &str) -> Result<(String, String), Refused> {
    match names::typed(text) {
        Typed::Entity(entity_type, id) => Ok((entity_type, id)),
        Typed::Id(_) => Err(Refused::usage(format!(
            "{flag}: `{text}` is no entity; write `Type::\"id\"` or `type:id`"
        ))),
    }
}

fn show(snapshot: &Snapshot, decision: &Decision, format: Format) {
    let answer = if decision.is_allowed() { "allow" } else { "deny" };
    if format == Format::Json {
        let policies: Vec<_> = decision
            .determining
            .iter()
            .map(|number| {
                let policy = snapshot.policy(*number);
                json!({
                    "id": &*policy.id,
                    "effect": policy.effect.to_string(),
                    "file": &*policy.place.file,
                    "line": policy.place.line,
                    "annotations": policy.annotations.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
                })
            })
            .collect();
        let errors: Vec<_> = decision
            .errors
            .iter()
            .map(|error| json!({ "policy": &*snapshot.policy(error.policy).id, "message": error.message }))
            .collect();
        print(
            &json!({
                "decision": decision.is_allowed(),
                "determining_policies": policies,
                "errors": errors,
                "revision": snapshot.revision(),
            })
            .to_string(),
        );
        return;
    }
    print(&format!("{answer}: {}", why(decision.cause)));
    for number in &decision.determining {
        let policy = snapshot.policy(*number);
        let rule = policy.annotations.iter().find(|(key, _)| key == "rule");
        let rule = rule.map(|(_, rule)| format!(", rule {rule}")).unwrap_or_default();
        print(&format!(
            "  {} `{}`{rule} ({}:{})",
            policy.effect, policy.id, policy.place.file, policy.place.line
        ));
    }
    for error in &decision.errors {
        let policy = snapshot.policy(error.policy);
        print(&format!("  {} `{}` erred: {}", policy.effect, policy.id, error.message));
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Permitted => "permitted, and nothing forbids it",
        Cause::Forbidden => "forbidden",
        Cause::ForbidErred => "a forbid could not be evaluated, so it forbids",
        Cause::NothingPermits => "no policy permits it",
        Cause::UnknownName => "the schema does not know a type, an action or an enumerated id of it",
        Cause::Disagreed => "two evaluators disagree on a policy",
        Cause::Distrusted => "two evaluators disagreed on such a question",
        Cause::NotApplicable => "the schema has no such action for such a principal and such a resource",
    }
}
