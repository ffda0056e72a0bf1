//! What a run counts, and the figures that it comes to.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// What takes longer is counted as this long.
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// Histogram bars in each tenfold of latency, for charts and machines.
const BARS_A_DECADE: f64 = 40.0;

/// The quantiles that are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantile {
    P50,
    P90,
    P99,
    P999,
}

impl Quantile {
    pub(super) const ALL: [Self; 4] = [Self::P50, Self::P90, Self::P99, Self::P999];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
        }
    }

    fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P99 => 0.99,
            Self::P999 => 0.999,
        }
    }
}

/// What one thread or connection counts.
pub(super) struct Tally {
    latencies: Histogram<u64>,
    allows: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Tally {
    pub(super) fn new() -> Result<Self, String> {
        // Three digits of each latency are kept.
        let latencies = Histogram::new_with_bounds(1, LATENCY_MAX.as_nanos() as u64, 3);
        Ok(Self {
            latencies: latencies.map_err(|error| format!("no room to count: {error}"))?,
            allows: 0,
            errors: 0,
            first_error: None,
        })
    }

    /// A question that was answered.
    pub(super) fn answered(&mut self, allowed: bool, took: Duration) {
        self.latencies.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        self.allows += u64::from(allowed);
    }

    /// A question that was not.
    pub(super) fn failed(&mut self, why: impl FnOnce() -> String) {
        self.errors += 1;
        if self.first_error.is_none() {
            self.first_error = Some(why());
        }
    }

    /// How many were answered.
    pub(super) fn answers(&self) -> u64 {
        self.latencies.len()
    }

    /// Adds what another has counted.
    pub(super) fn add(&mut self, other: Self) {
        // Made with the same bounds, so one fits into the other.
        let _ = self.latencies.add(other.latencies);
        self.allows += other.allows;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// The figures of one run.
pub(super) struct Figures {
    pub(super) answered: u64,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
    pub(super) allows: u64,
    pub(super) per_second: f64,
    latencies: Histogram<u64>,
}

/// Answers between two latencies.
pub(super) struct Bar {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) answers: u64,
}

impl Figures {
    /// The figures of a tally and the rate that its parts came to.
    ///
    /// # Errors
    /// Nothing was answered, so there are none.
    pub(super) fn new(tally: Tally, per_second: f64) -> Result<Self, String> {
        if tally.answers() == 0 {
            return Err(match tally.first_error {
                Some(why) => format!("not one of {} questions was answered; the first: {why}", tally.errors),
                None => "not one question was answered in time; give it longer with --seconds".to_owned(),
            });
        }
        Ok(Self {
            answered: tally.answers(),
            errors: tally.errors,
            first_error: tally.first_error,
            allows: tally.allows,
            per_second,
            latencies: tally.latencies,
        })
    }

    /// The latency that this share of the answers did not exceed, in nanoseconds.
    pub(super) fn latency(&self, quantile: Quantile) -> u64 {
        self.latencies.value_at_quantile(quantile.share())
    }

    pub(super) fn longest(&self) -> u64 {
        self.latencies.max()
    }

    pub(super) fn mean(&self) -> f64 {
        self.latencies.mean()
    }

    pub(super) fn allow_share(&self) -> f64 {
        self.allows as f64 / self.answered as f64
    }

    /// The histogram in bars that are equally wide on a log axis, from the first with answers to the last.
    pub(super) fn bars(&self) -> Vec<Bar> {
        let number = |nanos: u64| ((nanos.max(1) as f64).log10() * BARS_A_DECADE).floor() as i32;
        let edge = |number: i32| 10_f64.powf(f64::from(number) / BARS_A_DECADE);
        let mut bars: Vec<Bar> = (number(self.latencies.min())..=number(self.longest()))
            .map(|number| Bar {
                from: edge(number),
                to: edge(number + 1),
                answers: 0,
            })
            .collect();
        let first = number(self.latencies.min());
        for recorded in self.latencies.iter_recorded() {
            let place = usize::try_from(number(recorded.value_iterated_to()) - first).unwrap_or(0);
            if let Some(bar) = bars.get_mut(place) {
                bar.answers += recorded.count_since_last_iteration();
            }
        }
        bars
    }

    pub(super) fn latencies_to_json(&self) -> Value {
        let mut latencies = json!({ "mean": self.mean(), "max": self.longest() });
        for quantile in Quantile::ALL {
            latencies[quantile.name()] = self.latency(quantile).into();
        }
        latencies
    }

    pub(super) fn to_json(&self) -> Value {
        let bars = self
            .bars()
            .into_iter()
            .map(|bar| json!({ "from": bar.from, "to": bar.to, "answers": bar.answers }));
        json!({
            "answered": self.answered,
            "errors": self.errors,
            "first_error": self.first_error,
            "allowed": self.allows,
            "allowed_share": self.allow_share(),
            "per_second": self.per_second,
            "latency_ns": self.latencies_to_json(),
            "histogram_ns": bars.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_hold_every_answer_once() {
        let mut tally = Tally::new().expect("a tally");
        for nanos in [1, 9, 10, 99, 100, 101, 1_000, 123_456, 61_000_000_000] {
            tally.answered(true, Duration::from_nanos(nanos));
        }
        let figures = Figures::new(tally, 9.0).expect("figures");
        let bars = figures.bars();
        assert_eq!(bars.iter().map(|bar| bar.answers).sum::<u64>(), 9);
        assert!(bars.iter().all(|bar| bar.from < bar.to));
        assert!(bars.last().is_some_and(|bar| bar.answers == 1 && bar.to > 59e9));
    }

    #[test]
    fn without_answers_there_are_no_figures() {
        let mut tally = Tally::new().expect("a tally");
        tally.failed(|| "the first".to_owned());
        tally.failed(|| "the second".to_owned());
        let why = Figures::new(tally, 0.0).err().expect("no figures");
        assert!(why.contains("not one of 2") && why.contains("the first"), "{why}");
    }
}
