//! Explanations under way: on threads of their own, so many at once, for so long, and only while somebody waits.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::Guard;
use hyper::HeaderMap;
use hyper::body::Bytes;
use tokio::sync::Semaphore;

use super::authzen;
use super::reply::Problem;
use super::service::{Answered, Limits, Service, read, snapshot_of, told};
use super::tally::add;

/// Threads that answer, for each of which there may be one explanation, where no number is set.
///
/// An explanation takes some hundred times what a decision does and up to a second where it is cut, on a processor that
/// decisions want as well.
const THREADS_PER_EXPLANATION: usize = 2;

/// What all explanations of a server share.
#[derive(Debug)]
pub(super) struct Explaining {
    room: Arc<Semaphore>,
    time_max: Duration,
}

impl Explaining {
    pub(super) fn new(limits: &Limits) -> Self {
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let explanations_max = match limits.explanations_max {
            0 => (threads / THREADS_PER_EXPLANATION).max(1),
            set => set,
        };
        Self {
            room: Arc::new(Semaphore::new(explanations_max.min(Semaphore::MAX_PERMITS))),
            time_max: limits.explanation_timeout,
        }
    }
}

/// Says, when it is dropped, that nobody waits any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Service {
    /// Explains instead of deciding. It is counted by itself, and neither compared nor among the decisions.
    ///
    /// Decisions go on meanwhile: the thread is another one, and what it does ends soon after its caller has hung up or its
    /// time is over. Then what has been found by then is the answer.
    pub(super) async fn explain(self: &Arc<Self>, body: Bytes, headers: HeaderMap) -> Result<Answered, Problem> {
        let generation = Guard::into_inner(self.live.current());
        snapshot_of(generation.as_ref())?;
        let place = self.explaining.room.clone().try_acquire_owned().map_err(|_| {
            add(&self.tally.explanations_refused);
            Problem::try_later("as many explanations are under way as there may be")
        })?;
        let is_gone = Arc::new(AtomicBool::new(false));
        let _waiting = Waiting(is_gone.clone());
        let service = self.clone();
        let begun = Instant::now();
        let explained = tokio::task::spawn_blocking(move || {
            // It takes its place until its work is done, whoever waits.
            let _place = place;
            let snapshot = snapshot_of(generation.as_ref())?;
            service.prepare();
            let goes_on = || !is_gone.load(Ordering::Relaxed) && begun.elapsed() < service.explaining.time_max;
            let answer = read(&body, service.limits.json_depth_max, &service.tally)
                .and_then(|root| authzen::explain(snapshot, &root, &service.tally, &goes_on));
            Ok(told(snapshot, answer, headers))
        });
        match explained.await {
            Ok(answered) => answered,
            // It is told and counted like anything that breaks off inside.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Err(Problem::try_later("this server ends")),
            },
        }
    }
}
