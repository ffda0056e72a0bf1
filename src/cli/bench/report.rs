//! What was measured, for people and for machines.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::budget::Outcome;
use super::figures::{Figures, Quantile};
use super::machine::Machine;
use super::measure::Point;
use super::questions::Questions;
use super::words;
use crate::engine::Counts;

/// Everything that is told of a run.
pub(super) struct Report {
    pub(super) command: String,
    pub(super) machine: Machine,
    pub(super) target: Target,
    pub(super) questions: Questions,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
    pub(super) figures: Figures,
    pub(super) growth: Vec<Point>,
    pub(super) budgets: Vec<Outcome>,
}

/// What was measured.
pub(super) enum Target {
    /// Decisions in this process.
    Root {
        root: Root,
        threads: usize,
        clock_nanos: f64,
    },
    /// Answers of a sidecar.
    Sidecar {
        address: String,
        connections: usize,
        /// What it says at `/status`.
        status: Value,
    },
}

/// What was loaded, and what that took.
pub(super) struct Root {
    pub(super) name: String,
    pub(super) revision: String,
    pub(super) counts: Counts,
    pub(super) load: Duration,
    pub(super) reload: Duration,
    /// Bytes after the first load.
    pub(super) resident: Option<u64>,
    /// Bytes at most until after the second.
    pub(super) peak: Option<u64>,
}

/// A name and what it stands at.
pub(super) type Row = (String, String);

fn row(name: &str, value: impl Into<String>) -> Row {
    (name.to_owned(), value.into())
}

impl Target {
    /// What was measured, in a few words.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Root { root, .. } => format!("decisions on {}, in this process", root.name),
            Self::Sidecar { address, .. } => format!("evaluations over HTTP at {address}"),
        }
    }

    fn rows(&self) -> Vec<Row> {
        match self {
            Self::Root { root, .. } => {
                let memory = |bytes: Option<u64>| bytes.map_or("not told by this system".to_owned(), words::mebibytes);
                vec![
                    row("revision", &root.revision),
                    row("policies", words::count(root.counts.policies as f64)),
                    row("entities", words::count(root.counts.entities as f64)),
                    row("first load", words::time(root.load.as_nanos() as f64)),
                    row("load again", words::time(root.reload.as_nanos() as f64)),
                    row("memory after the load", memory(root.resident)),
                    row("memory at most, with the second", memory(root.peak)),
                ]
            }
            Self::Sidecar { status, .. } => {
                let live = &status["live"];
                let told = [
                    ("sidecar", &status["version"]),
                    ("revision", &live["revision"]),
                    ("policies", &live["policies"]),
                    ("entities", &live["entities"]),
                ];
                told.into_iter()
                    .filter_map(|(name, value)| match value {
                        Value::Null => None,
                        Value::String(text) => Some(row(name, text)),
                        other => Some(row(name, other.as_f64().map_or_else(|| other.to_string(), words::count))),
                    })
                    .collect()
            }
        }
    }

    fn askers(&self) -> String {
        match self {
            Self::Root { threads, .. } => words::plural(*threads, "thread", "threads"),
            Self::Sidecar { connections, .. } => words::plural(*connections, "connection", "connections"),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Root {
                root,
                threads,
                clock_nanos,
            } => json!({
                "mode": "in-process",
                "root": root.name,
                "threads": threads,
                "clock_ns": clock_nanos,
                "revision": root.revision,
                "policies": root.counts.policies,
                "templates": root.counts.templates,
                "entities": root.counts.entities,
                "entities_by_type": root.counts.entities_by_type,
                "load_ms": root.load.as_secs_f64() * 1e3,
                "reload_ms": root.reload.as_secs_f64() * 1e3,
                "resident_bytes": root.resident,
                "resident_bytes_max": root.peak,
            }),
            Self::Sidecar {
                address,
                connections,
                status,
            } => {
                let live = &status["live"];
                json!({
                    "mode": "http",
                    "address": address,
                    "connections": connections,
                    "sidecar": status["version"],
                    "revision": live["revision"],
                    "policies": live["policies"],
                    "entities": live["entities"],
                })
            }
        }
    }
}

impl Report {
    /// What was asked of what, on what.
    pub(super) fn about(&self) -> Vec<Row> {
        let mut rows = vec![
            row("gatepost", env!("CARGO_PKG_VERSION")),
            row("machine", self.machine.describe()),
            row("asked", self.questions.describe()),
            row(
                "for",
                format!(
                    "{} after {} of warming up, on {}",
                    words::seconds(self.measured),
                    words::seconds(self.warm_up),
                    self.target.askers()
                ),
            ),
        ];
        rows.extend(self.target.rows());
        rows
    }

    /// The figures.
    pub(super) fn results(&self) -> Vec<Row> {
        let figures = &self.figures;
        let mut rows = vec![
            row("decisions", words::count(figures.answered as f64)),
            row("decisions a second", words::count(figures.per_second)),
            row("allowed", format!("{:.1} %", figures.allow_share() * 100.0)),
            row("errors", words::count(figures.errors as f64)),
        ];
        rows.push(row("mean", words::time(figures.mean())));
        rows.extend(Quantile::ALL.map(|quantile| row(quantile.name(), words::time(figures.latency(quantile) as f64))));
        rows.push(row("max", words::time(figures.longest() as f64)));
        rows
    }

    /// The growth curve: working set, p50, p99, decisions a second.
    pub(super) fn growth_rows(&self) -> Vec<[String; 4]> {
        let row = |point: &Point| {
            [
                words::count(point.working_set as f64),
                words::time(point.figures.latency(Quantile::P50) as f64),
                words::time(point.figures.latency(Quantile::P99) as f64),
                words::count(point.figures.per_second),
            ]
        };
        self.growth.iter().map(row).collect()
    }

    /// What should be known before the figures are believed.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if cfg!(debug_assertions) {
            notes.push(
                "this gatepost was built without optimizations: its figures are not those of a release".to_owned(),
            );
        }
        if let Some(why) = &self.figures.first_error {
            notes.push(format!("the first error: {why}"));
        }
        match &self.target {
            Target::Root { clock_nanos, .. } => notes.push(format!(
                "each latency includes one reading of the clock, {} here",
                words::time(*clock_nanos)
            )),
            Target::Sidecar { .. } => {
                notes.push(
                    "the client's own work is part of each latency, and may share cores with the sidecar".to_owned(),
                );
            }
        }
        notes.extend(self.questions.notes());
        notes
    }

    /// For a terminal.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{}\n", self.target.title());
        let about = self.about();
        let results = self.results();
        let wide = |rows: &[Row]| rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let names = wide(&about).max(wide(&results));
        let values = results.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        // Writing to a string does not fail.
        for (name, value) in &about {
            let _ = writeln!(text, "  {name:names$}  {value}");
        }
        text.push('\n');
        for (name, value) in &results {
            let _ = writeln!(text, "  {name:names$}  {value:>values$}");
        }
        if !self.growth.is_empty() {
            let mut rows = vec![["questions in turns", "p50", "p99", "a second"].map(str::to_owned)];
            rows.extend(self.growth_rows());
            text.push('\n');
            for row in &rows {
                let [first, others @ ..] = row;
                let _ = write!(text, "  {first:>18}");
                for cell in others {
                    let _ = write!(text, "  {cell:>12}");
                }
                text.push('\n');
            }
        }
        if !self.budgets.is_empty() {
            text.push('\n');
            for outcome in &self.budgets {
                let _ = writeln!(text, "  budget {}: {}", outcome.text(), outcome.verdict());
            }
        }
        text.push('\n');
        for note in self.notes() {
            let _ = writeln!(text, "  note: {note}");
        }
        text.trim_end().to_owned()
    }

    /// For machines; docs/measuring.md has the shape.
    pub(super) fn to_json(&self) -> Value {
        let growth = self.growth.iter().map(|point| {
            json!({
                "questions": point.working_set,
                "per_second": point.figures.per_second,
                "latency_ns": point.figures.latencies_to_json(),
            })
        });
        json!({
            "gatepost": env!("CARGO_PKG_VERSION"),
            "command": self.command,
            "machine": self.machine.to_json(),
            "target": self.target.to_json(),
            "questions": self.questions.to_json(),
            "seconds": self.measured.as_secs_f64(),
            "warm_up_seconds": self.warm_up.as_secs_f64(),
            "result": self.figures.to_json(),
            "growth": growth.collect::<Vec<_>>(),
            "budgets": self.budgets.iter().map(Outcome::to_json).collect::<Vec<_>>(),
            "notes": self.notes(),
        })
    }
}
