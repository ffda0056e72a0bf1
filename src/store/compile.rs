//! From files to a snapshot and the directory that it comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::files::{File, Hash, Kind, Tree};
use super::live::Generation;
use crate::directory::{Directory, DocumentChange};
use crate::engine::{Fault, Faults, Options, Progress, Severity, Snapshot, Sources, Text};

/// What files were compiled to, before it goes live.
#[derive(Debug)]
pub struct Compiled {
    /// What decisions are made from.
    pub snapshot: Snapshot,
    /// The directory of the documents among the files.
    pub directory: Arc<Directory>,
}

impl From<Snapshot> for Compiled {
    /// A snapshot without any documents.
    fn from(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            directory: Arc::default(),
        }
    }
}

/// Whether what is compiled may grow from the snapshot that is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grows {
    Yes,
    No,
}

/// Why a change of documents was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum NextError {
    /// The documents or the entities that they make have these faults.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// The live snapshot cannot grow any more: the whole root has to be read.
    #[error("everything has to be read anew")]
    CannotGrow,
}

/// Compiles what one pass found.
///
/// # Errors
/// All faults, of reading, of the directory and of the engine.
pub fn compile(tree: &Tree, options: &Options, progress: Option<Progress>) -> Result<Snapshot, Faults> {
    load(tree, options, progress).map(|compiled| compiled.snapshot)
}

/// The same, with the directory.
///
/// # Errors
/// Those of [`compile`].
pub fn load(tree: &Tree, options: &Options, progress: Option<Progress>) -> Result<Compiled, Faults> {
    load_from(tree, None, Grows::No, options, progress)
}

/// Compiles files, wherever they come from.
///
/// # Errors
/// All faults of the directory and of the engine.
pub fn compile_files(files: &[File], options: &Options) -> Result<Snapshot, Faults> {
    load_files(files, options).map(|compiled| compiled.snapshot)
}

/// The same, with the directory.
///
/// # Errors
/// Those of [`compile_files`].
pub fn load_files(files: &[File], options: &Options) -> Result<Compiled, Faults> {
    let (sources, documents) = sources(files, BTreeMap::new());
    compile_sources(sources, &documents, None, Grows::No, options)
}

/// Compiles what one pass found, from what is live if it can. Only what has changed is read.
pub(super) fn load_from(
    tree: &Tree,
    live: Option<&Generation>,
    grows: Grows,
    options: &Options,
    progress: Option<Progress>,
) -> Result<Compiled, Faults> {
    // A file that could not be read leaves a hole, and what would be said about the rest could be wrong.
    let warnings = Faults::check(tree.faults.clone())?;
    let (mut sources, documents) = sources(&tree.files, tree.kept.clone());
    sources.later.clone_from(&tree.later);
    sources.progress = progress;
    let mut compiled = compile_sources(sources, &documents, live, grows, options)?;
    compiled.snapshot = compiled.snapshot.with_warnings(warnings);
    Ok(compiled)
}

/// Compiles what comes after a generation when documents change and no other file does, without looking at any file. It
/// is what reading the root would give once these documents are written, but for warnings about files, and costs what
/// changes. Several changes that go live together are given together, each document with its last text.
///
/// `options` must be those of the generation.
///
/// # Errors
/// Faults; or the snapshot cannot grow, and the root has to be read.
pub fn compile_next(live: &Generation, changes: &[DocumentChange], options: &Options) -> Result<Compiled, NextError> {
    let mut sources = live.snapshot.sources();
    if sources.documents != live.directory.hash() || !live.snapshot.can_grow(&sources.schema, options) {
        return Err(NextError::CannotGrow);
    }
    let (directory, delta) = live.directory.apply(changes);
    let warnings = Faults::check(directory.faults(options.unknown_parents))?;
    sources.documents = directory.hash();
    sources.records = delta.records;
    sources.difference = Some(delta.difference);
    let snapshot = live.snapshot.next(&sources, options).map_err(|faults| shown(faults, &directory))?;
    Ok(Compiled {
        snapshot: snapshot.with_warnings(warnings),
        directory: Arc::new(directory),
    })
}

/// Files sorted by what they are, and the documents among them.
fn sources(files: &[File], kept: BTreeMap<Arc<str>, Hash>) -> (Sources, Vec<Text>) {
    let mut sources = Sources {
        kept,
        ..Sources::default()
    };
    let mut documents = Vec::new();
    for file in files {
        let text = file.text.clone();
        match file.kind {
            Kind::Schema => sources.schema.push(text),
            Kind::Policies => sources.policies.push(text),
            Kind::Entities if file.is_cedars() => sources.entities.push(text),
            Kind::Entities => documents.push(text),
        }
    }
    (sources, documents)
}

fn compile_sources(
    mut sources: Sources,
    documents: &[Text],
    live: Option<&Generation>,
    grows: Grows,
    options: &Options,
) -> Result<Compiled, Faults> {
    let known = live.map(|live| live.directory.clone()).unwrap_or_default();
    let before = live.map(|live| &live.snapshot).filter(|_| grows == Grows::Yes);
    let (directory, delta) = known.follow(documents);
    let faults = directory.faults(options.unknown_parents);
    let is_good = !faults.iter().any(|fault| fault.severity == Severity::Error);
    let follows = before.is_some_and(|before| before.documents() == known.hash());
    if is_good {
        sources.documents = directory.hash();
        // What differs from nothing is everything.
        let is_all = known.hash().is_none() && before.is_none();
        sources.records = if follows || is_all {
            delta.records
        } else {
            directory.records()
        };
        sources.difference = follows.then_some(delta.difference);
    } else if let Some(before) = before {
        // Whatever the engine says then is not about the directory.
        let unchanged = before.sources();
        (sources.documents, sources.difference) = (unchanged.documents, unchanged.difference);
    }
    let compiled = match before {
        Some(before) => before.next(&sources, options),
        None => Snapshot::compile(&sources, options),
    };
    match (Faults::check(faults), compiled) {
        (Ok(warnings), Ok(snapshot)) => Ok(Compiled {
            snapshot: snapshot.with_warnings(warnings),
            directory: Arc::new(directory),
        }),
        (Ok(_), Err(faults)) => Err(shown(faults, &directory)),
        // Without the directory's entities, what the engine says of the others may be only an echo.
        (Err(of_directory), Ok(_)) => Err(of_directory),
        (Err(of_directory), Err(of_engine)) => {
            let mut all = of_directory.into_vec();
            all.extend(of_engine.into_vec().into_iter().filter(|fault| !fault.code.starts_with("entity-unknown")));
            Err(refused(all))
        }
    }
}

/// Faults with the documents that they are in, so that the lines can be shown: the engine has not seen those that are as
/// they were.
fn shown(faults: Faults, directory: &Directory) -> Faults {
    let mut all = faults.into_vec();
    for fault in all.iter_mut().filter(|fault| fault.text.is_none()) {
        fault.text = fault.place.as_ref().and_then(|place| directory.text(&place.file)).cloned();
    }
    refused(all)
}

/// Faults of which one is known to be an error.
fn refused(all: Vec<Fault>) -> Faults {
    let unread = || Faults::from(Fault::error("sources", "the sources could not be read"));
    Faults::check(all).err().unwrap_or_else(unread)
}
