//! A schema, policies and entities, with a NUL between them: everything that a snapshot is compiled from.

#![no_main]

use std::panic::resume_unwind;
use std::thread;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityId, EntityUid, Request};
use gatepost::engine::{Cause, ErringForbid, Example, Faults, Options, Query, Severity, Snapshot, Sources, Text};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Longer inputs nest deeper than the stack below reaches.
const BYTES_MAX: usize = 4 << 10;

/// Cedar's parser recurses, and with a sanitizer its frames are some times as large as those of the loader, which has
/// 64 MiB.
const STACK_BYTES: usize = 256 << 20;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let mut parts = bytes.splitn(3, |byte| *byte == 0).map(std::str::from_utf8);
    let (Some(Ok(schema)), Some(Ok(policies)), Some(Ok(entities))) = (parts.next(), parts.next(), parts.next()) else {
        return Corpus::Reject;
    };
    if bytes.len() > BYTES_MAX {
        return Corpus::Reject;
    }
    let sources = Sources {
        schema: vec![text("schema/fuzz.cedarschema", schema)],
        policies: vec![text("policies/fuzz.cedar", policies)],
        entities: vec![Text::new("entities/fuzz.json", entities)],
        ..Sources::default()
    };
    thread::scope(|scope| {
        let checked = thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || check(&sources))
            .expect("a thread");
        if let Err(panic) = checked.join() {
            resume_unwind(panic);
        }
    });
    Corpus::Keep
});

/// What begins like JSON is named so.
fn text(name: &str, content: &str) -> Text {
    let is_json = content.trim_start().starts_with(['{', '[']);
    Text::new(format!("{name}{}", if is_json { ".json" } else { "" }), content)
}

fn check(sources: &Sources) {
    // As stock Cedar has it, so that the two can be compared.
    let options = Options {
        erring_forbid: ErringForbid::Skipped,
        ..Options::default()
    };
    match Snapshot::compile(sources, &options) {
        Ok(snapshot) => check_snapshot(&snapshot, &sources.entities[0]),
        Err(faults) => check_faults(&faults),
    }
}

/// Sources are refused for an error, and every fault has words and points into its text.
fn check_faults(faults: &Faults) {
    assert_eq!(faults.first().severity, Severity::Error);
    for fault in faults {
        assert!(!fault.message.is_empty(), "{fault:?}");
        if let (Some(place), Some(text)) = (&fault.place, &fault.text) {
            assert_eq!(place.file, text.name);
            assert!(place.span.offset <= text.content.len(), "{fault:?}");
        }
    }
}

/// A snapshot has no errors, and answers a question of its own like stock Cedar, for the same reasons.
fn check_snapshot(snapshot: &Snapshot, entities: &Text) {
    assert_eq!(snapshot.revision().len(), 32);
    assert!(snapshot.warnings().iter().all(|warning| warning.severity == Severity::Warning));
    let Some(Example {
        principal,
        action,
        resource,
    }) = snapshot.example()
    else {
        return;
    };
    let query = Query::plain(
        (principal.0.as_str(), principal.1.as_str()),
        action.as_str(),
        (resource.0.as_str(), resource.1.as_str()),
    );
    // The action may need a context.
    let Ok(decision) = snapshot.decide(&query) else {
        return;
    };
    assert!(
        !matches!(decision.cause, Cause::UnknownName | Cause::NotApplicable),
        "{query:?}"
    );
    // An entity twice is a warning for us and may be an error for Cedar.
    let Ok(entities) = Entities::from_json_str(&entities.content, Some(snapshot.schema())) else {
        return;
    };
    let uid = |(name, id): &(String, String)| {
        EntityUid::from_type_name_and_id(name.parse().expect("a type's exact name"), EntityId::new(id))
    };
    let named: EntityUid = action.parse().expect("an action's exact name");
    let request = Request::new(uid(&principal), named, uid(&resource), Context::empty(), None)
        .expect("a request that nothing is held against");
    let response = Authorizer::new().is_authorized(&request, snapshot.policy_set(), &entities);
    let mut reasons: Vec<&str> = response.diagnostics().reason().map(|id| AsRef::<str>::as_ref(id)).collect();
    reasons.sort_unstable();
    let determining: Vec<&str> = decision.determining.iter().map(|number| &*snapshot.policy(*number).id).collect();
    assert_eq!(decision.is_allowed(), response.decision() == Decision::Allow, "{query:?}");
    assert_eq!(determining, reasons, "{query:?}");
    assert_eq!(decision.errors.len(), response.diagnostics().errors().count(), "{query:?}");
}
