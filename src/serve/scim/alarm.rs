//! A mass deactivation is told, and not held up.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How far back deactivations are counted.
const WINDOW: Duration = Duration::from_secs(600);

/// More than so many are too many, however many accounts there are.
const MANY: usize = 500;

/// Fewer than so many are never too many, however few accounts there are.
const FEW: usize = 10;

/// Deactivations and deletions of the last ten minutes, and whether they were too many: more than 500, or a tenth of all
/// accounts.
#[derive(Debug, Default)]
pub struct Alarm {
    recent: Mutex<Recent>,
    raised: AtomicU64,
}

#[derive(Debug, Default)]
struct Recent {
    at: VecDeque<Instant>,
    /// When somebody was told last.
    told: Option<Instant>,
}

impl Alarm {
    /// How often it was raised.
    pub fn raised(&self) -> u64 {
        self.raised.load(Ordering::Relaxed)
    }

    /// Counts one that lost all access, of so many accounts that SCIM has. Raised at most once in ten minutes.
    pub(super) fn count(&self, now: Instant, accounts: usize) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |at: &Instant| now.duration_since(*at) > WINDOW;
        while recent.at.front().is_some_and(is_old) {
            recent.at.pop_front();
        }
        // No more are needed to know that they are too many.
        if recent.at.len() <= MANY {
            recent.at.push_back(now);
        }
        let count = recent.at.len();
        let is_many = count > MANY || (count >= FEW && count * 10 > accounts);
        if is_many && recent.told.is_none_or(|told| is_old(&told)) {
            recent.told = Some(now);
            self.raised.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                count,
                accounts,
                "directory sync deactivates many accounts: more than usual within ten minutes"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_at_once_raise_it_once_in_ten_minutes() {
        let (alarm, start) = (Alarm::default(), Instant::now());
        for second in 0..9 {
            alarm.count(start + Duration::from_secs(second), 50);
        }
        assert_eq!(alarm.raised(), 0);
        alarm.count(start + Duration::from_secs(9), 50);
        alarm.count(start + Duration::from_secs(10), 50);
        assert_eq!(alarm.raised(), 1);
        let later = start + Duration::from_secs(2_000);
        for second in 0..9 {
            alarm.count(later + Duration::from_secs(second), 50);
        }
        assert_eq!(alarm.raised(), 1);
        for second in 0..600 {
            alarm.count(later + WINDOW * 2 + Duration::from_millis(second), 1_000_000);
        }
        assert_eq!(alarm.raised(), 2);
    }

    #[test]
    fn a_few_over_a_long_time_do_not_raise_it() {
        let (alarm, start) = (Alarm::default(), Instant::now());
        for minute in 0..1_000 {
            alarm.count(start + Duration::from_secs(120 * minute), 5);
        }
        assert_eq!(alarm.raised(), 0);
    }
}
