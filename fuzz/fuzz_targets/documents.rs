//! A document of the directory, as YAML and as JSON: users, teams and datastores that somebody writes by hand.

#![no_main]

use std::slice;
use std::sync::LazyLock;

use gatepost::app::MODEL;
use gatepost::directory;
use gatepost::engine::{Fault, Faults, Options, Snapshot, Sources, Text, UnknownParents};
use libfuzzer_sys::{Corpus, fuzz_target};

/// The bundled schema and policies, without entities.
static MODEL_SOURCES: LazyLock<Sources> = LazyLock::new(|| {
    let below = |directory: &str| -> Vec<Text> {
        MODEL
            .iter()
            .filter(|(name, _)| name.starts_with(directory))
            .map(|(name, content)| Text::new(*name, *content))
            .collect()
    };
    Sources {
        schema: below("schema/"),
        policies: below("policies/"),
        ..Sources::default()
    }
});

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(content) = std::str::from_utf8(bytes) else {
        return Corpus::Reject;
    };
    for name in ["entities/document.yaml", "entities/document.json"] {
        for unknown in [UnknownParents::Refuse, UnknownParents::Drop] {
            check(&Text::new(name, content), unknown);
        }
    }
    Corpus::Keep
});

/// Every fault says what is wrong and where, and a directory without errors is one that the engine takes.
fn check(text: &Text, unknown: UnknownParents) {
    let (records, faults) = directory::read(slice::from_ref(text), unknown);
    faults.iter().for_each(|fault| check_fault(text, fault));
    if Faults::check(faults).is_err() {
        return;
    }
    let options = Options {
        unknown_parents: unknown,
        ..Options::default()
    };
    let sources = Sources {
        records,
        ..MODEL_SOURCES.clone()
    };
    if let Err(faults) = Snapshot::compile(&sources, &options) {
        panic!("a directory without errors is refused: {faults}");
    }
}

fn check_fault(text: &Text, fault: &Fault) {
    assert!(!fault.message.is_empty(), "{fault:?}");
    let place = fault.place.as_ref().expect("a place");
    assert_eq!(place.file, text.name);
    assert!(place.span.offset <= text.content.len(), "{fault:?}");
    assert!((1..=text.content.split('\n').count()).contains(&place.line), "{fault:?}");
}
