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

/// So many are never too many: in a small company a tenth is one person, and one who leaves is no news.
const FEW: usize = 3;

/// People who lost all access in the last ten minutes, and whether they were too many: more than 500, or more than a tenth
/// of the accounts of directory sync.
#[derive(Debug, Default)]
pub struct Alarm {
    recent: Mutex<Recent>,
    raised: AtomicU64,
}

/// What is too much.
#[derive(Clone, Copy, Debug)]
enum Excess {
    Tenth,
    Many,
}

#[derive(Debug, Default)]
struct Recent {
    /// Each person once, the oldest first.
    lost: VecDeque<Loss>,
    /// When somebody was told last, by excess: who knows of a tenth does not know of 500.
    told: [Option<Instant>; 2],
}

#[derive(Debug)]
struct Loss {
    at: Instant,
    /// The `id` of the person.
    who: Box<str>,
    /// How many accounts there were before.
    accounts: usize,
}

impl Alarm {
    /// How often it was raised.
    pub fn raised(&self) -> u64 {
        self.raised.load(Ordering::Relaxed)
    }

    /// Counts somebody who was active and lost all access, of so many accounts that directory sync had before. Raised for
    /// each excess at most once in ten minutes.
    pub(super) fn count(&self, now: Instant, who: &str, accounts: usize) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for excess in recent.lose(now, who, accounts) {
            self.raised.fetch_add(1, Ordering::Relaxed);
            let why = match excess {
                Excess::Tenth => "more than a tenth of them",
                Excess::Many => "more than 500",
            };
            let count = recent.lost.len();
            tracing::warn!(
                count,
                accounts,
                "directory sync deactivated {why} within ten minutes: is that meant"
            );
        }
    }
}

impl Recent {
    /// What became too much by this.
    fn lose(&mut self, now: Instant, who: &str, accounts: usize) -> Vec<Excess> {
        let is_old = |at: Instant| now.duration_since(at) > WINDOW;
        while self.lost.front().is_some_and(|loss| is_old(loss.at)) {
            self.lost.pop_front();
        }
        if self.lost.iter().all(|loss| *loss.who != *who) {
            self.lost.push_back(Loss {
                at: now,
                who: who.into(),
                accounts,
            });
        }
        // No more are needed to know that they are too many.
        if self.lost.len() > MANY + 1 {
            self.lost.pop_front();
        }
        let count = self.lost.len();
        // Deletions make the whole smaller: what counts is how many there were when it began.
        let whole = self.lost.front().map_or(accounts, |loss| loss.accounts);
        let exceeded = [
            (Excess::Tenth, count > FEW && count * 10 > whole),
            (Excess::Many, count > MANY),
        ];
        let mut raised = Vec::new();
        for ((excess, is_much), told) in exceeded.into_iter().zip(&mut self.told) {
            if is_much && told.is_none_or(is_old) {
                *told = Some(now);
                raised.push(excess);
            }
        }
        raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is raised when these are deactivated, one each second.
    fn raised(alarm: &Alarm, start: Instant, people: impl IntoIterator<Item = usize>, accounts: usize) -> u64 {
        let before = alarm.raised();
        for (second, who) in (0..).zip(people) {
            alarm.count(start + Duration::from_secs(second), &format!("u{who}"), accounts);
        }
        alarm.raised() - before
    }

    #[test]
    fn more_than_a_tenth_is_told() {
        for (count, accounts, expected) in [
            (4, 45, 0),
            (5, 45, 1),
            (9, 45, 1),
            (100, 1_000, 0),
            (101, 1_000, 1),
            (3, 5, 0),
            (4, 5, 1),
        ] {
            assert_eq!(
                raised(&Alarm::default(), Instant::now(), 0..count, accounts),
                expected,
                "{count} of {accounts}"
            );
        }
    }

    #[test]
    fn one_person_counts_once() {
        let alarm = Alarm::default();
        assert_eq!(raised(&alarm, Instant::now(), std::iter::repeat_n(1, 14), 20), 0);
        assert_eq!(raised(&alarm, Instant::now(), [1, 2, 3, 2, 1, 3], 20), 0);
        assert_eq!(raised(&alarm, Instant::now(), [4], 20), 1);
    }

    #[test]
    fn a_tenth_and_five_hundred_are_told_each_once_in_ten_minutes() {
        let (alarm, start) = (Alarm::default(), Instant::now());
        let at_once = |start: Instant, people: std::ops::Range<usize>, accounts| {
            let before = alarm.raised();
            for who in people {
                alarm.count(start, &format!("u{who}"), accounts);
            }
            alarm.raised() - before
        };
        assert_eq!(at_once(start, 0..500, 2_000), 1);
        assert_eq!(at_once(start + Duration::from_secs(60), 500..501, 2_000), 1);
        assert_eq!(at_once(start + Duration::from_secs(90), 501..1_200, 2_000), 0);
        let later = start + WINDOW * 3;
        assert_eq!(at_once(later, 0..500, 1_000_000), 0);
        assert_eq!(at_once(later, 500..501, 1_000_000), 1);
    }

    #[test]
    fn deletions_do_not_make_the_whole_smaller() {
        let (alarm, start) = (Alarm::default(), Instant::now());
        for who in 0..10 {
            alarm.count(start, &format!("u{who}"), 100 - who);
        }
        assert_eq!(alarm.raised(), 0);
        alarm.count(start, "u10", 90);
        assert_eq!(alarm.raised(), 1);
    }

    #[test]
    fn a_few_over_a_long_time_do_not_raise_it() {
        let (alarm, start) = (Alarm::default(), Instant::now());
        for minute in 0..1_000 {
            alarm.count(start + Duration::from_secs(300 * minute), &format!("u{minute}"), 5);
        }
        assert_eq!(alarm.raised(), 0);
    }
}
