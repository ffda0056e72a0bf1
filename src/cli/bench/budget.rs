//! Budgets: what figures may be at most, or must be at least.

use std::str::FromStr;

use serde_json::{Value, json};

use super::figures::{Figures, Quantile};
use super::words;

/// One budget, as it was written.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Budget {
    text: String,
    limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    /// Nanoseconds at most.
    Latency(Quantile, f64),
    /// Decisions a second at least.
    Rate(f64),
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write what and how much, as in `p99=200us` (p50, p90, p99, p99.9; ns, us, ms, s) or `rate=100000`"
                .to_owned()
        };
        let (what, much) = text.split_once('=').ok_or_else(wrong)?;
        let limit = if what == "rate" {
            Limit::Rate(positive(much).ok_or_else(wrong)?)
        } else {
            let quantile = Quantile::ALL.into_iter().find(|quantile| quantile.name() == what).ok_or_else(wrong)?;
            // `s` is the end of all the others.
            let (number, nanos) = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]
                .into_iter()
                .find_map(|(unit, nanos)| Some((much.strip_suffix(unit)?, nanos)))
                .ok_or_else(wrong)?;
            Limit::Latency(quantile, positive(number).ok_or_else(wrong)? * nanos)
        };
        Ok(Self {
            text: text.to_owned(),
            limit,
        })
    }
}

fn positive(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)
}

/// How a budget fared.
#[derive(Debug)]
pub(super) struct Outcome {
    budget: Budget,
    /// In the budget's own unit: nanoseconds, or decisions a second.
    measured: f64,
    /// Questions that had no answer: no figure of the others makes up for them.
    failed: u64,
}

impl Outcome {
    pub(super) fn of(budget: &Budget, figures: &Figures) -> Self {
        let measured = match budget.limit {
            Limit::Latency(quantile, _) => figures.latency(quantile) as f64,
            Limit::Rate(_) => figures.per_second,
        };
        Self {
            budget: budget.clone(),
            measured,
            failed: figures.errors,
        }
    }

    fn is_within(&self) -> bool {
        match self.budget.limit {
            Limit::Latency(_, most) => self.measured <= most,
            Limit::Rate(least) => self.measured >= least,
        }
    }

    pub(super) fn is_met(&self) -> bool {
        self.failed == 0 && self.is_within()
    }

    /// In a few words: whether it is met, or by how much it is missed.
    pub(super) fn verdict(&self) -> String {
        if !self.is_within() {
            return match self.budget.limit {
                Limit::Latency(_, most) => {
                    let (measured, over) = (words::time(self.measured), words::time(self.measured - most));
                    let share = words::count((self.measured / most - 1.0) * 100.0);
                    format!("missed: {measured}, which is {over} ({share} %) too much")
                }
                Limit::Rate(least) => {
                    let (measured, short) = (words::count(self.measured), words::count(least - self.measured));
                    let share = words::count((1.0 - self.measured / least) * 100.0);
                    format!("missed: {measured} a second, which is {short} ({share} %) too few")
                }
            };
        }
        let measured = match self.budget.limit {
            Limit::Latency(..) => words::time(self.measured),
            Limit::Rate(_) => format!("{} a second", words::count(self.measured)),
        };
        if self.failed > 0 {
            let failed = words::count(self.failed as f64);
            return format!("missed: {measured}, but {failed} questions had no answer");
        }
        format!("met: {measured}")
    }

    /// The budget as it was written.
    pub(super) fn text(&self) -> &str {
        &self.budget.text
    }

    pub(super) fn to_json(&self) -> Value {
        let (limit, unit) = match self.budget.limit {
            Limit::Latency(_, most) => (most, "ns"),
            Limit::Rate(least) => (least, "decisions a second"),
        };
        json!({
            "budget": self.budget.text,
            "limit": limit,
            "measured": self.measured,
            "unit": unit,
            "met": self.is_met(),
            "verdict": self.verdict(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_in_every_unit() {
        for (text, limit) in [
            ("p50=800ns", Limit::Latency(Quantile::P50, 800.0)),
            ("p90=1.5us", Limit::Latency(Quantile::P90, 1500.0)),
            ("p99=2ms", Limit::Latency(Quantile::P99, 2e6)),
            ("p99.9=1s", Limit::Latency(Quantile::P999, 1e9)),
            ("rate=100000", Limit::Rate(1e5)),
        ] {
            assert_eq!(text.parse::<Budget>().expect(text).limit, limit, "{text}");
        }
        for text in [
            "",
            "p99",
            "p99=",
            "p99=200",
            "p99=us",
            "p98=1us",
            "p99=-1us",
            "p99=NaNus",
            "p99=infs",
            "rate=0",
            "rate=1us",
            "rate=inf",
            "max=1s",
        ] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
    }
}
