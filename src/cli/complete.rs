//! Names for the shell: what can stand where the cursor is.
//!
//! The shell runs this binary for each completion, and a person waits: what takes longer than [`PATIENCE`] is given up,
//! with nothing offered.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::sync::mpsc;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory};
use clap_complete::engine::CompletionCandidate;

use super::{Arguments, RootArgs};
use crate::app::{World, built_in};
use crate::engine::{RequestEnvironment, Snapshot, Text};
use crate::store::{self, File, Kind, Tree};

/// How long a person waits for names.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How many names are offered at once.
const OFFERED_MAX: usize = 200;

/// Actions.
pub(super) fn actions(current: &OsStr) -> Vec<CompletionCandidate> {
    let prefix = current.to_os_string();
    offer(current, Files::Schema, move |snapshot, _| {
        let actions = snapshot.actions().into_iter().map(|action| action.short);
        with_prefix(actions, &prefix)
    })
}

/// Types of principals.
pub(super) fn principal_types(current: &OsStr) -> Vec<CompletionCandidate> {
    types(current, |kind| kind.principal)
}

/// Types of resources.
pub(super) fn resource_types(current: &OsStr) -> Vec<CompletionCandidate> {
    types(current, |kind| kind.resource)
}

fn types(current: &OsStr, side: fn(RequestEnvironment) -> String) -> Vec<CompletionCandidate> {
    let prefix = current.to_os_string();
    offer(current, Files::Schema, move |snapshot, _| {
        let types: BTreeSet<String> = snapshot.allowed_environments().into_iter().map(side).collect();
        let short = types.iter().map(|name| short(snapshot, name));
        with_prefix(short, &prefix)
    })
}

/// Principals, by the id alone where that is clear.
pub(super) fn principals(current: &OsStr) -> Vec<CompletionCandidate> {
    entities(current, Bare::Offered, |kind| kind.principal)
}

/// Resources, by the id alone where that is clear.
pub(super) fn resources(current: &OsStr) -> Vec<CompletionCandidate> {
    entities(current, Bare::Offered, |kind| kind.resource)
}

/// Principals with their types.
pub(super) fn typed_principals(current: &OsStr) -> Vec<CompletionCandidate> {
    entities(current, Bare::Not, |kind| kind.principal)
}

/// Resources with their types.
pub(super) fn typed_resources(current: &OsStr) -> Vec<CompletionCandidate> {
    entities(current, Bare::Not, |kind| kind.resource)
}

/// Teams.
pub(super) fn teams(current: &OsStr) -> Vec<CompletionCandidate> {
    of_types(current, |_| vec!["Team"])
}

/// Users and service users.
pub(super) fn accounts(current: &OsStr) -> Vec<CompletionCandidate> {
    of_types(current, |_| vec!["User", "ServiceUser"])
}

/// Datastores of both kinds.
pub(super) fn stores(current: &OsStr) -> Vec<CompletionCandidate> {
    of_types(current, |_| vec!["Datastore", "EnrichmentDatastore"])
}

/// Entries of the kind that the command is about.
pub(super) fn entries(current: &OsStr) -> Vec<CompletionCandidate> {
    of_types(current, |command| match command {
        "user" => vec!["User"],
        "service-user" => vec!["ServiceUser"],
        "team" => vec!["Team"],
        "datastore" => vec!["Datastore"],
        _ => vec!["EnrichmentDatastore"],
    })
}

fn of_types(current: &OsStr, types: fn(&str) -> Vec<&'static str>) -> Vec<CompletionCandidate> {
    let prefix = current.to_os_string();
    let command = words().and_then(|words| words.subcommand_name().map(str::to_owned));
    offer(current, Files::Entities, move |snapshot, _| {
        let types = types(command.as_deref().unwrap_or_default());
        let ids = types.iter().flat_map(|name| snapshot.entity_ids(name)).map(str::to_owned);
        with_prefix(ids, &prefix)
    })
}

/// Whether ids are offered without a type.
#[derive(Clone, Copy, PartialEq)]
enum Bare {
    Offered,
    Not,
}

fn entities(current: &OsStr, bare: Bare, side: fn(RequestEnvironment) -> String) -> Vec<CompletionCandidate> {
    let Some(typed) = current.to_str().map(str::to_owned) else {
        return Vec::new();
    };
    offer(current, Files::Entities, move |snapshot, words| {
        let action = words.and_then(|words| text(words, "action")).and_then(|name| snapshot.action(name));
        let kinds = snapshot.allowed_environments().into_iter();
        let kinds = kinds.filter(|kind| action.as_ref().is_none_or(|action| action.name == kind.action));
        let types: BTreeSet<String> = kinds.map(side).collect();
        named(snapshot, &types, &typed, bare)
    })
}

/// What begins with what was typed: types with a colon behind, ids of a type, and ids that are clear without one.
fn named(snapshot: &Snapshot, types: &BTreeSet<String>, typed: &str, bare: Bare) -> Vec<String> {
    if let Some((name, id)) = typed.rsplit_once(':')
        && let Some(exact) = snapshot.entity_type(name)
    {
        let ids = snapshot.entity_ids(exact).filter(|known| known.starts_with(id));
        let ids: Vec<String> = ids.map(|id| format!("{name}:{id}")).collect();
        return few(ids, typed);
    }
    let mut names: Vec<String> = types.iter().map(|name| format!("{}:", short(snapshot, name))).collect();
    names.retain(|name| name.starts_with(typed));
    if bare == Bare::Offered {
        let mut ids: Vec<&str> = types.iter().flat_map(|name| snapshot.entity_ids(name)).collect();
        ids.retain(|id| id.starts_with(typed));
        ids.sort_unstable();
        let clear = ids.chunk_by(|a, b| a == b).filter(|same| same.len() == 1);
        names.extend(clear.flatten().map(|id| (*id).to_owned()));
    }
    few(names, typed)
}

/// The names, or if they are too many the ways in which they go on: an offer that left some out would have the shell
/// complete to what only the others have in common.
fn few(mut names: Vec<String>, typed: &str) -> Vec<String> {
    names.retain(|name| is_plain(name));
    names.sort_unstable();
    if names.len() <= OFFERED_MAX {
        return names;
    }
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for length in typed.chars().count() + 1..=longest {
        let ways: BTreeSet<String> = names.iter().map(|name| name.chars().take(length).collect()).collect();
        if ways.len() > 1 {
            return ways.into_iter().collect();
        }
    }
    names
}

/// Whether no shell sees anything but letters in it: not all of them quote what they insert, and ids come from anybody.
fn is_plain(name: &str) -> bool {
    name.chars().all(|char| char.is_alphanumeric() || "-_./:@+,%".contains(char))
}

/// The shortest name of a type, in lower case as AuthZEN's examples have it, if that is clear.
fn short(snapshot: &Snapshot, exact: &str) -> String {
    let short = exact.rsplit("::").next().unwrap_or(exact).to_lowercase();
    if snapshot.entity_type(&short) == Some(exact) {
        short
    } else {
        exact.to_owned()
    }
}

fn with_prefix(names: impl Iterator<Item = String>, prefix: &OsStr) -> Vec<String> {
    let prefix = prefix.to_string_lossy();
    few(names.filter(|name| name.starts_with(&*prefix)).collect(), &prefix)
}

/// Which files have to be read.
#[derive(Clone, Copy, PartialEq)]
enum Files {
    Schema,
    Entities,
}

/// What is found in time. A shell that is told of faults in the files shows them in the middle of the command line, so
/// where there are some nothing is offered.
fn offer(
    current: &OsStr,
    files: Files,
    find: impl FnOnce(&Snapshot, Option<&ArgMatches>) -> Vec<String> + Send + 'static,
) -> Vec<CompletionCandidate> {
    // Quotes are the shell's, and which of them are open is not known here.
    if current.to_string_lossy().contains(['"', '\'', '\\', '$', '`']) {
        return Vec::new();
    }
    let found = within(PATIENCE, move || {
        let words = words();
        let mut words = words.as_ref().and_then(|words| words.subcommand()).map(|(_, words)| words);
        // What is typed last belongs to the innermost command.
        while let Some((_, inner)) = words.and_then(ArgMatches::subcommand) {
            words = Some(inner);
        }
        let snapshot = read(words, files)?;
        Some(find(&snapshot, words))
    });
    found.flatten().into_iter().flatten().map(CompletionCandidate::new).collect()
}

/// What a job gives, if it does so in time. If not, it goes on until the process ends, which is soon.
fn within<T: Send + 'static>(patience: Duration, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (send, receive) = mpsc::channel();
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(move || {
        // Nobody may be waiting any more.
        let _ = send.send(job());
    });
    thread.ok()?;
    receive.recv_timeout(patience).ok()
}

/// The words on the command line, as far as they can be understood.
fn words() -> Option<ArgMatches> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let words: Vec<OsString> = words.collect();
    Arguments::command().ignore_errors(true).try_get_matches_from(words).ok()
}

fn text<'w>(words: &'w ArgMatches, name: &str) -> Option<&'w str> {
    let value = words.try_get_one::<String>(name).ok().flatten();
    value.map(String::as_str)
}

fn read(words: Option<&ArgMatches>, files: Files) -> Option<Snapshot> {
    let path = |name: &str| words.and_then(|words| words.try_get_one(name).ok().flatten().cloned());
    let pairs = words.and_then(|words| words.try_get_many("set").ok().flatten());
    let root = RootArgs {
        root: path("root"),
        config: path("config"),
        set: pairs.into_iter().flatten().cloned().collect(),
    };
    let settings = root.settings(&[]).ok()?;
    let needed = |kind: Kind| kind == Kind::Schema || (kind == Kind::Entities && files == Files::Entities);
    let mut tree = match root.world() {
        World::BuiltIn => {
            let mut tree = Tree::default();
            tree.files = built_in();
            tree
        }
        World::Root(path) => store::read(&path, &settings.files),
    };
    tree.files.retain(|file| needed(file.kind));
    if files == Files::Schema {
        tree.later.clear();
    }
    // The root's own policies take time and say nothing of names; that there are none would be a fault.
    tree.files.push(File {
        kind: Kind::Policies,
        text: Text::new("none.cedar", "forbid (principal, action, resource);"),
    });
    store::compile(&tree, &settings.options, None).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_in_time_is_given_up() {
        let (hold, held) = mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(1), move || held.recv()), None);
        drop(hold);
        assert_eq!(within(Duration::from_secs(60), || 1), Some(1));
    }

    #[test]
    fn too_many_names_become_the_ways_in_which_they_go_on() {
        let names: Vec<String> = (0..1000).map(|number| format!("user-{number:04}")).collect();
        let ways: Vec<String> = (0..10).map(|digit| format!("user-0{digit}")).collect();
        assert_eq!(few(names.clone(), "u"), ways);
        let some: Vec<String> = names.into_iter().filter(|name| name.starts_with("user-01")).collect();
        assert_eq!(few(some.clone(), "user-01"), some);
        let hostile = ["$(reboot)", "a b", "a;b", "a`b`", "a\nb", "ok"].map(str::to_owned);
        assert_eq!(few(hostile.into(), ""), ["ok"]);
    }
}
