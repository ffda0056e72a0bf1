//! Work that may take long, on threads of its own: decisions go on meanwhile.

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::scim::Problem;

/// Threads that answer, for each of which there may be one such piece of work.
const THREADS_PER_PIECE: usize = 2;

/// Room for pieces of work of one kind. Further ones wait for their turn.
#[derive(Clone, Debug)]
pub(super) struct Apart(Arc<Semaphore>);

impl Apart {
    pub(super) fn new() -> Self {
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        Self(Arc::new(Semaphore::new((threads / THREADS_PER_PIECE).max(1))))
    }

    /// Does a piece of work. Once begun it is finished, whoever waits.
    ///
    /// # Errors
    /// 503: the server ends.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let ends = || Problem::new(503, "this server ends");
        let place = self.0.clone().acquire_owned().await.map_err(|_| ends())?;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        match done.await {
            Ok(done) => Ok(done),
            // It is told and counted like anything that breaks off inside.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Err(ends()),
            },
        }
    }
}
