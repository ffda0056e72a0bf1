//! `gatepost check`

use std::path::Path;

use serde_json::json;

use super::render::{self, Stream};
use super::{CheckArgs, FAILURE, Format, RootArgs, SUCCESS, print, print_error, progress, refuse_settings};
use crate::app::{Settings, World, built_in, check_tokens};
use crate::engine::{Fault, Faults, Severity, Snapshot};
use crate::store;

/// How often a tree that moves is read again.
const ATTEMPTS: usize = 10;

pub(super) fn run(args: &CheckArgs) -> u8 {
    let settings = match args.root.settings(&[]) {
        Ok(settings) => settings,
        Err(faults) => return refuse_settings(&faults),
    };
    let compiled = compile(&args.root, &settings);
    let mut faults: Vec<Fault> = match &compiled {
        Ok(snapshot) => {
            let mut warnings = snapshot.warnings().to_vec();
            warnings.extend(snapshot.rehearse(settings.rehearsal_questions));
            warnings
        }
        Err(faults) => faults.iter().cloned().collect(),
    };
    faults.extend(tokens(&args.root.world(), &settings));
    faults.sort_by_key(|fault| fault.severity);
    let is_good = faults.iter().all(|fault| fault.severity != Severity::Error);
    let snapshot = compiled.ok().filter(|_| is_good);
    tell_built_in(&args.root.world());
    match args.format {
        Format::Text => show(&args.root, snapshot.as_ref(), &faults),
        Format::Json => print(&as_json(snapshot.as_ref(), &faults).to_string()),
    }
    if snapshot.is_none() || (args.deny_warnings && !faults.is_empty()) {
        FAILURE
    } else {
        SUCCESS
    }
}

/// What is wrong with the file of tokens. Where no token is wanted, nothing is served worse for it.
fn tokens(world: &World, settings: &Settings) -> Option<Fault> {
    let message = check_tokens(world, settings).err()?.to_string();
    Some(if settings.wants_tokens() {
        Fault::error("tokens", message)
    } else {
        Fault::error("tokens", message).into_warning()
    })
}

/// Says where nobody has named a root, and there is none here: what is shown is about invented people.
pub(super) fn tell_built_in(world: &World) {
    if matches!(world, World::BuiltIn) {
        print_error("this directory is no root: this is the model that is built in");
    }
}

/// Reads and compiles what the arguments name, once. Deep policies want a deep stack.
pub(super) fn compile(root: &RootArgs, settings: &Settings) -> Result<Snapshot, Faults> {
    let work = || match root.world() {
        World::Root(path) => compile_root(&path, settings),
        World::BuiltIn => store::compile_files(&built_in(), &settings.options),
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, work);
        let broken = |message: String| Err(Faults::from(Fault::error("internal", message)));
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(compiled)) => compiled,
            Ok(Err(_)) => broken("compiling broke off; this is a mistake in gatepost".to_owned()),
            Err(error) => broken(format!("no thread to compile on: {error}")),
        }
    })
}

fn compile_root(path: &Path, settings: &Settings) -> Result<Snapshot, Faults> {
    let mut tree = store::read(path, &settings.files);
    for _ in 1..ATTEMPTS {
        if !tree.moved {
            break;
        }
        tree = store::read(path, &settings.files);
    }
    store::compile(&tree, &settings.options, progress::bar())
}

fn show(root: &RootArgs, snapshot: Option<&Snapshot>, faults: &[Fault]) {
    for fault in faults {
        print(&format!("{}\n", render::fault(fault, Stream::Output)));
    }
    let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    let warnings = faults.len() - errors;
    let what = match root.world() {
        World::Root(path) => path.display().to_string(),
        World::BuiltIn => "the built-in model".to_owned(),
    };
    match snapshot {
        Some(snapshot) => {
            let counts = snapshot.counts();
            print(&format!(
                "{what}: good. {}, {}, {}; {}; revision {}",
                plural(counts.policies, "policy", "policies"),
                plural(counts.entities, "entity", "entities"),
                plural(counts.actions, "action", "actions"),
                plural(warnings, "warning", "warnings"),
                snapshot.revision()
            ));
        }
        None => print(&format!(
            "{what}: {} and {}",
            plural(errors, "fault", "faults"),
            plural(warnings, "warning", "warnings")
        )),
    }
}

fn plural(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn as_json(snapshot: Option<&Snapshot>, faults: &[Fault]) -> serde_json::Value {
    json!({
        "ok": snapshot.is_some(),
        "revision": snapshot.map(Snapshot::revision),
        "policies": snapshot.map(|snapshot| snapshot.counts().policies),
        "entities": snapshot.map(|snapshot| snapshot.counts().entities),
        "faults": faults.iter().map(Fault::to_json).collect::<Vec<_>>(),
    })
}
