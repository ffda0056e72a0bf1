//! Who is connected, what each connection waits for, and which one has to go.
//!
//! Times come from a clock that ticks every half second, so that a request costs no timer of its own; a limit of five
//! seconds means between five and five and a half.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;

/// How often the clock ticks.
const TICK: Duration = Duration::from_millis(500);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Nothing has ever come.
    New,
    /// Between two requests.
    Idle,
    /// A request's head has begun and not ended.
    Head,
    /// A request is being read or answered.
    Busy,
    /// The other side does not take what we write.
    Writing,
}

impl Phase {
    fn of(code: u64) -> Self {
        match code {
            0 => Self::New,
            1 => Self::Idle,
            2 => Self::Head,
            3 => Self::Busy,
            _ => Self::Writing,
        }
    }
}

/// What a connection is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on.
    None,
    /// End after the request at hand.
    Drain,
    /// End at once.
    Close,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// Phase in the low three bits, the tick since which it lasts above.
    state: AtomicU64,
    order: AtomicU8,
    /// The task that carries out orders. It stays here when it is woken, so that a later order finds it too.
    carrier: Mutex<Option<Waker>>,
    clock: Arc<AtomicU64>,
}

impl Connection {
    /// Enters a phase. A head that has begun keeps its time, however slowly it comes in.
    pub(super) fn enter(&self, phase: Phase) {
        let (now, _) = self.phase();
        if now == phase && matches!(phase, Phase::Head | Phase::Writing) {
            return;
        }
        let tick = self.clock.load(Ordering::Relaxed);
        self.state.store(tick << 3 | phase as u64, Ordering::Relaxed);
    }

    /// Enters a phase from a certain other one.
    pub(super) fn leave(&self, from: Phase, to: Phase) {
        if self.phase().0 == from {
            self.enter(to);
        }
    }

    fn phase(&self) -> (Phase, u64) {
        let state = self.state.load(Ordering::Relaxed);
        (Phase::of(state & 7), state >> 3)
    }

    fn order(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        let carrier = self.carrier.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(carrier) = carrier {
            carrier.wake();
        }
    }

    /// Wakes this task with each order from now on. It has to look at [`Self::ordered`] after this.
    pub(super) fn wake_with_orders(&self, task: &Waker) {
        *self.carrier.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.clone());
    }

    /// What is ordered.
    pub(super) fn ordered(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::None,
            1 => Order::Drain,
            _ => Order::Close,
        }
    }
}

/// How long a connection may wait for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) idle: Duration,
    pub(super) write: Duration,
}

/// All connections of a server.
#[derive(Debug)]
pub(super) struct Connections {
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    max: usize,
    clock: Arc<AtomicU64>,
    emptied: Notify,
}

impl Connections {
    pub(super) fn new(max: usize) -> Self {
        Self {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            max,
            clock: Arc::new(AtomicU64::new(0)),
            emptied: Notify::new(),
        }
    }

    /// Takes a new connection. At the cap, the one that has waited longest without a request under way has to go; if
    /// there is none, the new one is refused.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Admitted> {
        let mut open = self.lock();
        if open.len() >= self.max {
            let longest = open
                .iter()
                .map(|(id, connection)| (connection.phase(), *id))
                .filter(|((phase, _), _)| matches!(phase, Phase::New | Phase::Idle | Phase::Head))
                .min_by_key(|((_, since), id)| (*since, *id))
                .map(|(_, id)| id)?;
            if let Some(connection) = open.remove(&longest) {
                connection.order(Order::Close);
            }
        }
        let connection = Arc::new(Connection {
            state: AtomicU64::new(self.clock.load(Ordering::Relaxed) << 3),
            order: AtomicU8::new(0),
            carrier: Mutex::default(),
            clock: self.clock.clone(),
        });
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        open.insert(id, connection.clone());
        Some(Admitted {
            connection,
            id,
            all: self.clone(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Asks all to end after the request at hand. Those between two requests end at once.
    pub(super) fn drain(&self) {
        for connection in self.lock().values() {
            connection.order(Order::Drain);
        }
    }

    /// Waits until all have ended.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Keeps the clock and ends those that outstay their welcome, for ever.
    pub(super) async fn keep_time(self: Arc<Self>, patience: Patience) {
        let mut interval = tokio::time::interval(TICK);
        loop {
            interval.tick().await;
            let tick = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
            for connection in self.lock().values() {
                let (phase, since) = connection.phase();
                let limit = match phase {
                    Phase::New | Phase::Head => patience.head,
                    Phase::Idle => patience.idle,
                    Phase::Writing => patience.write,
                    Phase::Busy => continue,
                };
                if TICK * u32::try_from(tick - since).unwrap_or(u32::MAX) > limit {
                    connection.order(Order::Close);
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among all, given up when this is dropped.
pub(super) struct Admitted {
    pub(super) connection: Arc<Connection>,
    id: u64,
    all: Arc<Connections>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.all.lock();
        open.remove(&self.id);
        if open.is_empty() {
            self.all.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn at_the_cap_the_longest_waiting_goes_and_the_busy_stay() {
        let all = Arc::new(Connections::new(2));
        let busy = all.admit().expect("room");
        busy.connection.enter(Phase::Busy);
        let idle = all.admit().expect("room");
        idle.connection.enter(Phase::Idle);

        let third = all.admit().expect("the idle one goes");
        assert_eq!(idle.connection.ordered(), Order::Close);
        assert_eq!(all.len(), 2);
        third.connection.enter(Phase::Busy);
        assert!(all.admit().is_none(), "nobody can go");
        drop(busy);
        assert!(all.admit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_is_closed_after_its_time_and_a_busy_one_is_not() {
        let all = Arc::new(Connections::new(8));
        let patience = Patience {
            head: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(5),
        };
        tokio::spawn(all.clone().keep_time(patience));
        let slow = all.admit().expect("room");
        slow.connection.enter(Phase::Head);
        let busy = all.admit().expect("room");
        busy.connection.enter(Phase::Busy);
        let begun = tokio::time::Instant::now();
        let ordered = std::future::poll_fn(|cx| {
            slow.connection.wake_with_orders(cx.waker());
            match slow.connection.ordered() {
                Order::None => std::task::Poll::Pending,
                order => std::task::Poll::Ready(order),
            }
        });
        assert_eq!(ordered.await, Order::Close);
        let took = begun.elapsed();
        assert!((5_000..6_100).contains(&took.as_millis()), "{took:?}");
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(busy.connection.ordered(), Order::None);
    }
}
