//! Takes a body without waking the connection for nothing.
//!
//! hyper hands bodies over through a channel, and whoever takes bytes out wakes the one who puts them in. Here both are
//! one task, and behind the last bytes nobody is left to put in more: the wake would only run the task once more with
//! each request. So a connection is polled with a waker of ours, which holds such a wake back.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use hyper::body::{Body, Bytes, Frame, Incoming};

/// What becomes of wakes that this thread makes at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wakes {
    Pass,
    Hold,
    Held,
}

thread_local! {
    static WAKES: Cell<Wakes> = const { Cell::new(Wakes::Pass) };
}

/// A task, woken unless this thread holds wakes back.
struct Quiet {
    task: Waker,
}

impl Wake for Quiet {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match WAKES.get() {
            Wakes::Pass => self.task.wake_by_ref(),
            Wakes::Hold | Wakes::Held => WAKES.set(Wakes::Held),
        }
    }
}

/// A waker for a task in which bodies are taken with [`poll_frame`].
pub(super) fn quiet(task: &Waker) -> Waker {
    Waker::from(Arc::new(Quiet { task: task.clone() }))
}

/// Lets wakes pass again, however it ends.
struct Holding;

impl Drop for Holding {
    fn drop(&mut self) {
        WAKES.set(Wakes::Pass);
    }
}

/// The next frame of a body. The one wake that taking it makes is the connection's own, and is passed on unless the body
/// has ended with this frame.
pub(super) fn poll_frame(
    body: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    let holding = Holding;
    WAKES.set(Wakes::Hold);
    let polled = Pin::new(&mut *body).poll_frame(cx);
    let has_held = WAKES.get() == Wakes::Held;
    drop(holding);
    if has_held && !body.is_end_stream() {
        cx.waker().wake_by_ref();
    }
    polled
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_wake_passes_unless_it_is_held_back_and_holding_ends_with_a_panic() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = quiet(&Waker::from(count.clone()));
        waker.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        let panicked = std::panic::catch_unwind(|| {
            let _holding = Holding;
            WAKES.set(Wakes::Hold);
            waker.wake_by_ref();
            assert!(WAKES.get() == Wakes::Held);
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        waker.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
