//! How much an explanation may do: it looks at far more than a decision does, and others wait.

use std::cell::Cell;

/// What one explanation may spend. One is about what the evaluation of a small policy takes, and of all together
/// a decision of the bundled model takes a dozen.
const WORK_MAX: u64 = 1_000_000;

/// How much is spent before it is asked again whether anybody waits.
const ASKED_EACH: u64 = 128;

/// What is left to be spent on one explanation.
pub(super) struct Work<'w> {
    left: Cell<u64>,
    goes_on: &'w dyn Fn() -> bool,
}

impl<'w> Work<'w> {
    /// All of it, for as long as somebody waits.
    pub(super) fn new(goes_on: &'w dyn Fn() -> bool) -> Self {
        Self {
            left: Cell::new(WORK_MAX),
            goes_on,
        }
    }

    /// Takes something of it. What is under way ends where it is sensible, once there is nothing left.
    pub(super) fn spend(&self, units: usize) {
        let before = self.left.get();
        let left = before.saturating_sub(units as u64);
        let is_wanted = before / ASKED_EACH == left / ASKED_EACH || (self.goes_on)();
        self.left.set(if is_wanted { left } else { 0 });
    }

    /// Whether there is nothing left.
    pub(super) fn is_over(&self) -> bool {
        self.left.get() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_when_it_is_spent_or_when_nobody_waits() {
        let work = Work::new(&|| true);
        work.spend(WORK_MAX as usize - 1);
        assert!(!work.is_over());
        work.spend(2);
        assert!(work.is_over());
        let work = Work::new(&|| false);
        work.spend(ASKED_EACH as usize + 1);
        assert!(work.is_over());
    }
}
