//! Cedar's evaluator beside ours, in service.
//!
//! A sample of the questions is decided by both, off the way of the answer or, where that is set, before it; so is, at
//! once, whatever errs as it was compiled and not for Cedar. If they ever disagree, every question of that kind is denied
//! from then on until the process ends, the disagreement is written down with all that it takes to see it again, and
//! `/status` tells of it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use serde_json::json;

use super::tally::add;
use crate::engine::{Asking, Cause, Comparison, Decision, OwnedQuery, Problem, Query, RequestEnvironment, Snapshot};
use crate::store::Live;

/// Questions that wait to be compared; more are passed over, and counted.
const WAITING_MAX: usize = 32;

/// Comparing builds Cedar's own entities and recurses with a policy's depth.
const STACK_BYTES: usize = 16 << 20;

/// How often both evaluators are asked, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareSettings {
    /// One question in so many; 0 for none.
    pub one_in: u32,
    /// Whether the comparison comes before the answer.
    pub before_answer: bool,
}

impl Default for CompareSettings {
    fn default() -> Self {
        Self {
            one_in: 1024,
            before_answer: false,
        }
    }
}

/// What came of comparing.
#[derive(Debug, Default)]
pub struct Comparisons {
    one_in: u32,
    before_answer: bool,
    /// Questions that were decided by both.
    pub compared: AtomicU64,
    /// Questions on which they disagreed.
    pub disagreements: AtomicU64,
    /// Questions that were chosen, and passed over because too many waited.
    pub passed_over: AtomicU64,
    is_any_distrusted: AtomicBool,
    distrusted: Mutex<BTreeSet<RequestEnvironment>>,
    waiting: Option<SyncSender<OwnedQuery>>,
}

impl Comparisons {
    /// Starts comparing questions about what is live, on a thread of its own unless it is done before the answer.
    pub(super) fn start(settings: CompareSettings, live: &Arc<Live>) -> Arc<Self> {
        let CompareSettings { one_in, before_answer } = settings;
        let off = || Self {
            one_in,
            before_answer,
            ..Self::default()
        };
        if one_in == 0 || before_answer {
            return Arc::new(off());
        }
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let comparisons = Arc::new(Self {
            waiting: Some(sender),
            ..off()
        });
        let (own, live) = (Arc::downgrade(&comparisons), live.clone());
        let work = move || compare_all(&receiver, &own, &live);
        let started = thread::Builder::new().name("compare".to_owned()).stack_size(STACK_BYTES).spawn(work);
        if let Err(error) = started {
            tracing::warn!(%error, "no thread to compare evaluators on: nothing is compared");
        }
        comparisons
    }

    /// Decides one question, and may have it compared.
    pub(super) fn decide(&self, asking: &mut Asking<'_>, query: &Query<'_>) -> Result<Decision, Problem> {
        let snapshot = asking.snapshot();
        if self.distrusts(snapshot, query) {
            return Ok(Decision::distrusted());
        }
        let is_chosen = self.is_chosen();
        if is_chosen && self.before_answer {
            return self.compare(snapshot, query);
        }
        let decision = asking.decide(query)?;
        if decision.cause == Cause::Disagreed {
            // Both were asked on the way, and a mistake that shows needs no sample.
            return self.compare(snapshot, query);
        }
        if is_chosen
            && let Some(waiting) = &self.waiting
            && waiting.try_send(OwnedQuery::from(query)).is_err()
        {
            add(&self.passed_over);
        }
        Ok(decision)
    }

    /// Whether the next question that a search found an answer to is to be compared.
    pub(super) fn chooses(&self) -> bool {
        self.is_chosen()
    }

    /// Has a question compared that was not asked by itself.
    pub(super) fn sample(&self, snapshot: &Snapshot, query: &Query<'_>) {
        if self.before_answer {
            self.settle(snapshot, query);
        } else if let Some(waiting) = &self.waiting
            && waiting.try_send(OwnedQuery::from(query)).is_err()
        {
            add(&self.passed_over);
        }
    }

    /// Decides by both a question about which a policy erred as it was compiled and not for Cedar, or that was chosen.
    /// If they disagree, its kind is denied from then on.
    pub(super) fn settle(&self, snapshot: &Snapshot, query: &Query<'_>) {
        // A problem of the question itself is told to whoever asked.
        let _ = self.compare(snapshot, query);
    }

    /// Whether a question is denied whatever its policies say: it is of a kind that is, or, where both are asked before
    /// each answer, they disagree on it now.
    ///
    /// # Errors
    /// Those of [`Snapshot::decide`].
    pub(super) fn refuses(&self, snapshot: &Snapshot, query: &Query<'_>) -> Result<bool, Problem> {
        if self.before_answer && self.one_in > 0 && !self.distrusts(snapshot, query) {
            self.compare(snapshot, query)?;
        }
        Ok(self.distrusts(snapshot, query))
    }

    /// Kinds of questions that are denied.
    pub(super) fn distrusted(&self) -> Vec<RequestEnvironment> {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Whether a question is of a kind that is denied.
    pub(super) fn distrusts(&self, snapshot: &Snapshot, query: &Query<'_>) -> bool {
        self.is_any_distrusted.load(Ordering::Relaxed)
            && snapshot.environment_of(query).is_some_and(|kind| self.distrusts_kind(&kind))
    }

    /// Whether questions of a kind are denied.
    pub(super) fn distrusts_kind(&self, kind: &RequestEnvironment) -> bool {
        self.is_any_distrusted.load(Ordering::Relaxed)
            && self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).contains(kind)
    }

    /// Every so manieth question of a thread.
    fn is_chosen(&self) -> bool {
        thread_local! {
            static ASKED: Cell<u32> = const { Cell::new(0) };
        }
        self.one_in > 0
            && ASKED.with(|asked| {
                let count = asked.get() + 1;
                asked.set(if count >= self.one_in { 0 } else { count });
                count >= self.one_in
            })
    }

    /// Decides by both. What they disagree on is denied.
    fn compare(&self, snapshot: &Snapshot, query: &Query<'_>) -> Result<Decision, Problem> {
        let comparison = snapshot.compare(query)?;
        add(&self.compared);
        if comparison.agrees() {
            return Ok(comparison.served);
        }
        self.distrust(snapshot, query, comparison);
        Ok(Decision::distrusted())
    }

    fn distrust(&self, snapshot: &Snapshot, query: &Query<'_>, comparison: Comparison) {
        add(&self.disagreements);
        let decided = |decision: &Decision| {
            let id = |number: u32| snapshot.policy(number).id.to_string();
            json!({
                "cause": format!("{:?}", decision.cause),
                "determining": decision.determining.iter().map(|number| id(*number)).collect::<Vec<_>>(),
                "erring": decision.errors.iter().map(|error| json!([id(error.policy), error.message])).collect::<Vec<_>>(),
            })
        };
        let evidence = json!({
            "question": query.to_json(),
            "compiled": decided(&comparison.served),
            "cedar": decided(&comparison.reference),
            "entities": comparison.entities,
        });
        let kind = comparison.environment;
        tracing::error!(
            revision = snapshot.revision(),
            kind = kind.as_ref().map(|kind| format!("{} {} {}", kind.principal, kind.action, kind.resource)),
            %evidence,
            "the compiled policies and Cedar's evaluator disagree: questions of this kind are denied until the process \
             ends. This is a mistake in gatepost: please report this line, and set `engine.evaluator` to `cedar`"
        );
        self.deny(kind);
    }

    /// Denies questions of a kind from now on.
    fn deny(&self, kind: Option<RequestEnvironment>) {
        if let Some(kind) = kind {
            self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).insert(kind);
            self.is_any_distrusted.store(true, Ordering::Release);
        }
    }
}

/// Compares what comes until nobody is left who could send it.
fn compare_all(waiting: &Receiver<OwnedQuery>, comparisons: &Weak<Comparisons>, live: &Live) {
    while let Ok(owned) = waiting.recv() {
        let (Some(comparisons), Some(generation)) = (comparisons.upgrade(), live.current().clone()) else {
            continue;
        };
        let compare = || comparisons.compare(&generation.snapshot, &owned.query());
        // A problem was told to whoever asked; an evaluator that breaks off disagrees.
        if catch_unwind(AssertUnwindSafe(compare)).is_err() {
            add(&comparisons.disagreements);
            tracing::error!(
                question = %owned.query().to_json(),
                "an evaluator broke off: questions of this kind are denied until the process ends. This is a mistake in \
                 gatepost: please report this line"
            );
            comparisons.deny(generation.snapshot.environment_of(&owned.query()));
        }
    }
}
