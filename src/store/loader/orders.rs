//! The loader's part as the writer: orders are decided, written and published, as many together as wait.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::{Event, Last, Task};
use crate::directory::{Command, DocumentChange};
use crate::engine::{Fault, Faults, Text};
use crate::store::compile::{self, Compiled, Grows, NextError};
use crate::store::files::{self, Closely, File, Kind, Seen};
use crate::store::live::Generation;
use crate::store::managed::{self, Committed, FileChange, Lock, Mark};
use crate::store::manifest;
use crate::store::writer::{Applied, Batch, Done, Line, Outcome, Refusal, Refused, Waiting, compare};

/// How many orders go live together at most.
const TOGETHER_MAX: usize = 256;

/// Which part of all bytes is kept for what creates nothing.
const ROOM_LEFT: u64 = 64;

/// How long another process may take with its change, and for how long the loader waits for that before it looks at files
/// again: two processes that take turns are not to wait for quiet each time.
const LOCKED_MAX: Duration = Duration::from_secs(10);
const LOCKED_TURN: Duration = Duration::from_millis(500);

/// How often an order is begun again because files that it touches were changed by others.
const TRIES_MAX: u32 = 5;

/// An order whose turn has come, and what has come of it in memory.
struct Taken {
    waiting: Waiting,
    outcome: Result<Applied, Refused>,
}

impl Taken {
    fn changes(&self) -> bool {
        self.outcome.as_ref().is_ok_and(Applied::changes)
    }
}

/// Why a change was not written.
enum NotWritten {
    /// Another process is writing.
    Locked,
    /// Another process of gatepost has written meanwhile.
    Behind(Lock),
    /// Somebody has changed a file that it touches, and may not be done: the root is looked at once it is quiet.
    Overtaken,
    Refused(Refusal),
    /// The same, and the audit trail says so already.
    Failed(Refusal),
}

impl Task {
    /// Takes an order, and all others that wait.
    pub(super) fn orders(&mut self, first: Box<Waiting>) {
        let mut waiting = VecDeque::from([*first]);
        let put_aside = std::mem::take(&mut self.backlog);
        for event in put_aside.into_iter().chain(self.events.try_iter()) {
            match event {
                Event::Order(order) => waiting.push_back(*order),
                other => self.backlog.push_back(other),
            }
        }
        while !waiting.is_empty() {
            self.turn(&mut waiting);
        }
        self.lock = None;
    }

    /// Carries out orders from the front, as far as they can go together.
    fn turn(&mut self, waiting: &mut VecDeque<Waiting>) {
        let started = Instant::now();
        let live = match self.ready() {
            Ok(live) => live,
            Err(refusal) => return self.turn_away(waiting.drain(..), &refusal),
        };
        let mut batch = Batch::on(&live);
        let mut taken = Vec::new();
        while let Some(next) = waiting.pop_front() {
            if taken.len() == TOGETHER_MAX || batch.must_end_before(&next.order) {
                waiting.push_front(next);
                break;
            }
            let outcome = batch.apply(&live, &next.order, &self.settings.options, &self.settings.claims);
            let is_last = next.order.dry_run;
            taken.push(Taken { waiting: next, outcome });
            if is_last {
                break;
            }
        }
        if batch.files().len() == 0 {
            return self.answer(taken, &live, None);
        }
        let creates = taken.iter().any(|one| matches!(one.waiting.order.command, Command::Create { .. }));
        let compiled = match self.fits(&batch, creates).and_then(|()| self.compile_batch(&live, &batch)) {
            Ok(compiled) => compiled,
            Err(refusal) => return self.one_by_one(taken, &live, &refusal),
        };
        if taken.last().is_some_and(|last| last.waiting.order.dry_run) {
            return self.answer(taken, &live, Some(compiled));
        }
        match self.write(&live, &batch, &compiled, &taken) {
            Ok(()) => {
                self.take_over(&batch);
                let rehearsed = live.warnings.get(live.snapshot.warnings().len()..).unwrap_or_default().to_vec();
                self.publish(compiled, rehearsed, started);
                self.answer(taken, &live, None);
            }
            Err(NotWritten::Locked) => {
                let is_over = |order: &Waiting| order.locked_out.is_some_and(|since| since.elapsed() >= LOCKED_MAX);
                // Those behind would find the same. Who only wants to know what would change needs no lock.
                let (asking, behind): (VecDeque<_>, VecDeque<_>) =
                    waiting.drain(..).partition(|waiting| waiting.order.dry_run);
                *waiting = asking;
                let all = taken.into_iter().map(|taken| taken.waiting).chain(behind);
                let (over, mut again): (Vec<_>, Vec<_>) = all.partition(is_over);
                let refusal = Refusal::Contended(format!(
                    "another process has been writing for {} seconds: try again",
                    LOCKED_MAX.as_secs()
                ));
                self.turn_away(over.into_iter(), &refusal);
                for order in &mut again {
                    order.locked_out.get_or_insert(started);
                }
                self.hold(again);
            }
            Err(NotWritten::Behind(lock)) => {
                let again = self.again(taken);
                if self.catch_up() {
                    // Nobody else writes before these have been tried again.
                    self.lock = Some(lock);
                    again.into_iter().rev().for_each(|order| waiting.push_front(order));
                } else {
                    self.hold(again);
                }
            }
            Err(NotWritten::Overtaken) => {
                let again = self.again(taken);
                self.hold(again);
            }
            Err(NotWritten::Refused(refusal)) => self.answer(refuse_changes(taken, &refusal), &live, None),
            Err(NotWritten::Failed(refusal)) => {
                let (failed, others): (Vec<Taken>, Vec<Taken>) = taken.into_iter().partition(Taken::changes);
                self.answer(others, &live, None);
                for one in failed {
                    one.waiting.answer(Err(refusal.clone()));
                }
            }
        }
    }

    /// Keeps orders until the files have been looked at.
    fn hold(&mut self, orders: Vec<Waiting>) {
        self.held.extend(orders.into_iter().map(Box::new));
        // Where a look is waited for already, one more order is no reason to wait longer.
        if !self.is_waiting {
            self.backlog.push_front(Event::Hint);
        }
    }

    /// Takes up what other processes of gatepost have written. Their changes are whole, so they go live at once; if anybody
    /// else has changed something as well, who may not be done, it says no, and all of it waits until it is quiet.
    fn catch_up(&mut self) -> bool {
        let started = Instant::now();
        let mark = Mark::read(&self.settings.root);
        let tree = files::read_again(&self.settings.root, &self.settings.limits, &self.seen, Closely::Stamps);
        let is_theirs = |(name, content): (&str, Option<&files::Hash>)| mark.accounts_for(name, content);
        let same_faults = tree.faults.iter().map(Fault::to_string).eq(self.faults.iter().map(Fault::to_string));
        // What cannot grow is read again as a whole, and that is not what was looked at here.
        if tree.moved || !same_faults || !self.grows(&tree) || !tree.seen.differs_from(&self.seen).all(is_theirs) {
            return false;
        }
        self.seen = tree.seen.clone();
        self.mark = mark;
        if self.update_watch(&tree) {
            // Something may have happened in a directory that nobody watched yet.
            self.backlog.push_back(Event::Hint);
        }
        self.load(tree, Closely::Stamps, started);
        true
    }

    /// Those of some orders that are tried again; the others are refused.
    fn again(&self, taken: Vec<Taken>) -> Vec<Waiting> {
        let tried = taken.into_iter().map(|Taken { mut waiting, .. }| {
            waiting.tries += 1;
            waiting
        });
        let (again, given_up): (Vec<_>, Vec<_>) = tried.partition(|order| order.tries < TRIES_MAX);
        let refusal = Refusal::Contended("its files are changed by others again and again: try again".to_owned());
        self.turn_away(given_up.into_iter(), &refusal);
        again
    }

    /// Refuses orders that did not come to be decided.
    fn turn_away(&self, orders: impl Iterator<Item = Waiting>, refusal: &Refusal) {
        let orders: Vec<Waiting> = orders.collect();
        let live = self.live.current().clone();
        let lines: Vec<Line<'_>> = orders
            .iter()
            .filter(|waiting| !waiting.order.dry_run)
            .map(|waiting| Line {
                order: &waiting.order,
                outcome: Outcome::Refused,
                before: None,
                after: None,
                revision_before: live.as_ref().map_or("", |live| live.snapshot.revision()),
                revision: None,
                refusal: Some(refusal),
            })
            .collect();
        self.put_on_record(&lines);
        drop(lines);
        for waiting in orders {
            waiting.answer(Err(refusal.clone()));
        }
    }

    /// Adds lines of orders that changed nothing.
    fn put_on_record(&self, lines: &[Line<'_>]) {
        if let Err(error) = self.trail.add(lines) {
            error!(%error, lines = lines.len(), "orders that changed nothing are not on record");
        }
    }

    /// What is live, if it may be written from.
    fn ready(&self) -> Result<Arc<Generation>, Refusal> {
        if let Some(pending) = self.live.status().pending {
            return Err(Refusal::Broken(pending.faults.clone()));
        }
        if self.settings.root.join(manifest::NAME).exists() {
            return Err(Refusal::Io(format!(
                "the root has `{}`, so its files come from elsewhere: change them there",
                manifest::NAME
            )));
        }
        self.live.current().clone().ok_or(Refusal::Busy)
    }

    /// Whether the files could be read again, once they are written. What creates nothing has some room left where
    /// everything else is full: deactivating an account writes a few bytes too.
    fn fits(&self, batch: &Batch, creates: bool) -> Result<(), Refusal> {
        let mut limits = self.settings.limits;
        if creates {
            limits.total_bytes_max -= limits.total_bytes_max / ROOM_LEFT;
        }
        let changes = batch
            .files()
            .map(|change| (&*change.name, change.after.as_ref().map(|after| after.len())));
        match self.seen.limit_of(changes, &limits) {
            Some(why) => Err(Refusal::Io(format!("the change cannot be written: {why}; raise it"))),
            None => Ok(()),
        }
    }

    /// Compiles what would be live, from memory.
    fn compile_batch(&mut self, live: &Generation, batch: &Batch) -> Result<Compiled, Refusal> {
        let documents = batch.documents();
        match compile::compile_next(live, &documents, &self.settings.options) {
            Ok(compiled) => Ok(compiled),
            Err(NextError::Faults(faults)) => Err(Refusal::Broken(faults)),
            Err(NextError::CannotGrow) => self.compile_whole(live, documents).map_err(Refusal::Broken),
        }
    }

    /// The same by reading the whole root.
    fn compile_whole(&self, live: &Generation, documents: Vec<DocumentChange>) -> Result<Compiled, Faults> {
        let (root, limits) = (&self.settings.root, &self.settings.limits);
        let mut tree = files::read_again(root, limits, &Seen::default(), Closely::Contents);
        let is_changed = |file: &File| documents.iter().any(|change| change.name == file.text.name);
        tree.files.retain(|file| !is_changed(file));
        tree.files.extend(documents.into_iter().filter_map(|change| change.text).map(|text| File {
            kind: Kind::Entities,
            text,
        }));
        let progress = self.settings.progress.clone();
        compile::load_from(&tree, Some(live), Grows::No, &self.settings.options, progress)
    }

    /// Orders that do not compile together: the refused ones are not to take the others along.
    fn one_by_one(&mut self, taken: Vec<Taken>, live: &Generation, refusal: &Refusal) {
        if taken.iter().filter(|taken| taken.changes()).count() > 1 {
            for one in taken {
                let mut alone = VecDeque::from([one.waiting]);
                while !alone.is_empty() {
                    self.turn(&mut alone);
                }
            }
            return;
        }
        self.answer(refuse_changes(taken, refusal), live, None);
    }

    /// Writes what has been compiled: the audit trail first, so that no change stands without its line.
    fn write(
        &mut self,
        live: &Generation,
        batch: &Batch,
        compiled: &Compiled,
        taken: &[Taken],
    ) -> Result<(), NotWritten> {
        let root = &self.settings.root;
        let trail = &self.trail;
        let refuse = |error: io::Error| NotWritten::Refused(Refusal::Io(cannot_write(&error)));
        let lock = match self.lock.take() {
            Some(lock) => lock,
            None => Lock::take(root, |waited| waited < LOCKED_TURN)
                .map_err(refuse)?
                .ok_or(NotWritten::Locked)?,
        };
        let mark = Mark::read(root);
        if managed::finish(root, &lock).map_err(refuse)? {
            lock.leave(&mark.then([])).map_err(refuse)?;
            return Err(NotWritten::Behind(lock));
        }
        if mark != self.mark {
            return Err(NotWritten::Behind(lock));
        }
        for change in batch.files() {
            if managed::content(&root.join(&*change.name)).map_err(refuse)?.as_deref() != change.before.as_deref() {
                return Err(NotWritten::Overtaken);
            }
        }
        // Before and after: whoever reads the files in between has read something else than what this leaves, and if this
        // dies in the middle the mark is another one too.
        lock.leave(&mark.then([])).map_err(refuse)?;
        let line = |outcome: Outcome| {
            let revision = compiled.snapshot.revision();
            let accepted = taken.iter().filter(|taken| taken.changes());
            let lines: Vec<Line<'_>> = accepted
                .filter_map(|taken| {
                    let applied = taken.outcome.as_ref().ok()?;
                    Some(Line {
                        order: &taken.waiting.order,
                        outcome,
                        before: applied.before.as_ref(),
                        after: applied.after.as_ref(),
                        revision_before: live.snapshot.revision(),
                        revision: Some(revision),
                        refusal: None,
                    })
                })
                .collect();
            trail.add(&lines)
        };
        line(Outcome::Accepted)
            .map_err(|error| NotWritten::Refused(Refusal::Io(format!("{error}{}", help(&error)))))?;
        let changes: Vec<&FileChange> = batch.files().collect();
        let committed = managed::commit(root, &lock, &changes, &|path, file| self.own.leave(path, file));
        let is_whole = matches!(committed, Ok(Committed::Whole));
        let mark = mark.then(changes.into_iter().filter(|_| is_whole));
        match lock.leave(&mark) {
            Ok(()) => self.mark = mark,
            Err(error) => warn!(%error, "no mark is left of a change"),
        }
        let failed = match committed {
            Ok(Committed::Whole) => return Ok(()),
            Ok(Committed::Pending(error)) => {
                error!(%error, "a change stands, and has not reached all of its files: it is finished before the next");
                return Ok(());
            }
            Ok(Committed::Overtaken) => NotWritten::Overtaken,
            Err(error) => NotWritten::Failed(Refusal::Io(cannot_write(&error))),
        };
        if let Err(error) = line(Outcome::Failed) {
            warn!(%error, "the audit trail says that a change was accepted which could not be written");
        }
        Err(failed)
    }

    /// What was written is what was seen: there is nothing to compile again.
    fn take_over(&mut self, batch: &Batch) {
        for change in batch.files() {
            let text = change.after.as_ref().map(|content| Text::new(change.name.clone(), content.clone()));
            self.seen.put(&self.settings.root, &change.name, text);
        }
        self.last = Last::Seen;
    }

    /// Answers orders. Those that were refused or changed nothing are put on record first; those that changed something
    /// are already. `planned` is what a dry run would make live.
    fn answer(&mut self, taken: Vec<Taken>, before: &Generation, planned: Option<Compiled>) {
        let current = self.live.current().clone();
        let revision = current.as_ref().map_or(before.snapshot.revision(), |live| live.snapshot.revision());
        let lines: Vec<Line<'_>> = taken
            .iter()
            .filter(|taken| !taken.waiting.order.dry_run && !taken.changes())
            .map(|taken| {
                let (before_entry, after_entry, refusal) = match &taken.outcome {
                    Ok(applied) => (&applied.before, &applied.after, None),
                    Err(refused) => (&refused.told.0, &refused.told.1, Some(&refused.refusal)),
                };
                Line {
                    order: &taken.waiting.order,
                    outcome: if refusal.is_some() {
                        Outcome::Refused
                    } else {
                        Outcome::Unchanged
                    },
                    before: before_entry.as_ref(),
                    after: after_entry.as_ref(),
                    revision_before: before.snapshot.revision(),
                    revision: None,
                    refusal,
                }
            })
            .collect();
        self.put_on_record(&lines);
        drop(lines);
        for Taken { waiting, outcome } in taken {
            let answer = match (outcome, &planned) {
                (Err(refused), _) => Err(refused.refusal),
                (Ok(applied), Some(planned)) if waiting.order.dry_run => {
                    let access = compare(before, planned, &applied.difference);
                    let mut done = done(applied, planned.snapshot.revision());
                    done.access = Some(access);
                    Ok(done)
                }
                (Ok(applied), _) => Ok(done(applied, revision)),
            };
            waiting.answer(answer);
        }
    }

    /// Finishes a change that another process, or this one before, was killed in the middle of.
    pub(super) fn finish_pending(&mut self) {
        if !self.settings.root.join(managed::PENDING).exists() {
            return;
        }
        let root = &self.settings.root;
        let finished = Lock::take(root, |waited| waited < LOCKED_TURN)
            .and_then(|lock| lock.map_or(Ok(false), |lock| managed::finish(root, &lock)));
        match finished {
            Ok(true) => info!("finished a change of several files"),
            // There is none, or who holds the lock is about it.
            Ok(false) => {}
            // It is laid over the files when they are read, whether or not it can be finished here.
            Err(error) => warn!(%error, "a change of several files cannot be finished"),
        }
    }
}

fn done(applied: Applied, revision: &str) -> Done {
    Done {
        revision: revision.to_owned(),
        changed: applied.changes(),
        before: applied.before,
        after: applied.after,
        etag: applied.etag,
        files: applied.files,
        access: None,
    }
}

/// Orders that would have changed something, refused; the others as they are.
fn refuse_changes(taken: Vec<Taken>, refusal: &Refusal) -> Vec<Taken> {
    let refuse = |taken: Taken| Taken {
        outcome: match taken.outcome {
            Ok(applied) if applied.changes() => Err(Refused {
                refusal: refusal.clone(),
                told: Box::new((applied.before, applied.after)),
            }),
            other => other,
        },
        waiting: taken.waiting,
    };
    taken.into_iter().map(refuse).collect()
}

fn cannot_write(error: &io::Error) -> String {
    format!("the change could not be written: {error}{}", help(error))
}

/// What to do about a file that could not be written.
fn help(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ": let the user that gatepost runs as write there",
        io::ErrorKind::ReadOnlyFilesystem => ": the file system cannot be written",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": make room",
        _ => "",
    }
}
