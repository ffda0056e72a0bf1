//! What is counted, for `/status`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::compare::Comparisons;
use super::searches::SearchTally;
use crate::engine::{Decision, Snapshot};

/// The most policies whose errors are counted one by one.
const ERRING_MAX: usize = 1_000;

/// Characters of an error that are kept: it may repeat what a caller said.
const MESSAGE_MAX: usize = 200;

/// Counters of a server's life.
#[derive(Debug, Default)]
pub struct Tally {
    /// Questions answered with allow.
    pub allowed: AtomicU64,
    /// Questions answered with deny.
    pub denied: AtomicU64,
    /// Questions that were explained. They are not among those above.
    pub explained: AtomicU64,
    /// Explanations refused because too many were under way.
    pub explanations_refused: AtomicU64,
    /// Questions, items of a batch and searches that could not be answered because of what they said.
    pub problems: AtomicU64,
    /// Requests refused before their question was looked at.
    pub refused: AtomicU64,
    /// Requests that broke off inside. Each is a mistake in gatepost.
    pub panics: AtomicU64,
    /// Connections refused because all others were busy.
    pub connections_refused: AtomicU64,
    /// What came of asking two evaluators.
    pub comparisons: Arc<Comparisons>,
    /// Searches.
    pub searches: SearchTally,
    erring: Mutex<ErringPolicies>,
}

/// The policies that erred under one revision.
#[derive(Debug, Default)]
struct ErringPolicies {
    revision: String,
    policies: BTreeMap<String, Erring>,
}

/// A policy that could not be evaluated.
#[derive(Clone, Debug)]
pub struct Erring {
    /// How often.
    pub count: u64,
    /// What Cedar said last.
    pub message: String,
}

impl Tally {
    /// Nothing is counted yet.
    pub(super) fn new(comparisons: Arc<Comparisons>) -> Self {
        Self {
            comparisons,
            ..Self::default()
        }
    }

    /// Counts one decision, and tells of policies that erred for the first time.
    pub(super) fn decided(&self, snapshot: &Snapshot, decision: &Decision) {
        let counter = if decision.is_allowed() {
            &self.allowed
        } else {
            &self.denied
        };
        add(counter);
        for error in &decision.errors {
            let policy = snapshot.policy(error.policy);
            let mut erring = self.erring.lock().unwrap_or_else(PoisonError::into_inner);
            if erring.revision != snapshot.revision() {
                erring.revision = snapshot.revision().to_owned();
                erring.policies.clear();
            }
            let message: String = error.message.chars().take(MESSAGE_MAX).collect();
            if let Some(known) = erring.policies.get_mut(&*policy.id) {
                known.count += 1;
                known.message = message;
            } else if erring.policies.len() < ERRING_MAX {
                tracing::warn!(
                    policy = &*policy.id,
                    effect = %policy.effect,
                    at = %policy.place,
                    revision = snapshot.revision(),
                    "a policy erred, and is counted in /status from now on: {message}"
                );
                erring.policies.insert(policy.id.to_string(), Erring { count: 1, message });
            }
        }
    }

    /// Policies that erred under the revision that erred last, by id.
    pub fn erring(&self) -> BTreeMap<String, Erring> {
        self.erring.lock().unwrap_or_else(PoisonError::into_inner).policies.clone()
    }
}

/// Counts one.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
