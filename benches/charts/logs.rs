//! What the benches printed, read line by line. A line that is not known is passed over.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// The logs of a run, without `.log`, in the order of the run.
pub(crate) const NAMES: [&str; 5] = ["decide", "allocations", "http", "batch", "size"];

/// All that was read.
#[derive(Default)]
pub(crate) struct Logs {
    pub(crate) all: Vec<Log>,
    /// When the last of them was written.
    pub(crate) ended: Option<SystemTime>,
}

/// What one bench printed.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) name: &'static str,
    pub(crate) bundled: Vec<Bundled>,
    pub(crate) growth: Vec<Growth>,
    pub(crate) ratios: Vec<Figure>,
    pub(crate) allocations: Vec<Figure>,
    pub(crate) races: Vec<Race>,
    pub(crate) batches: Vec<Batch>,
    pub(crate) sizes: Vec<Size>,
    /// What is told as it was printed.
    pub(crate) notes: Vec<String>,
}

/// `bundled: decide 0.49 us, stock 16.80 us a question`, one part of it.
pub(crate) struct Bundled {
    pub(crate) name: String,
    pub(crate) us: f64,
}

/// `growth: entities random 1000/10 = 1.06 (0.45 us a question, …)`
pub(crate) struct Growth {
    pub(crate) family: String,
    pub(crate) mix: String,
    pub(crate) size: f64,
    pub(crate) ratio: f64,
    pub(crate) us: f64,
}

/// `ratio: load/serde = 3.28 (…)`, also of other words before the colon.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: String,
    /// What stands in parentheses behind it; may be empty.
    pub(crate) detail: String,
}

/// A table of the bench `http`: servers under the same load.
pub(crate) struct Race {
    pub(crate) connections: f64,
    pub(crate) sides: Vec<Side>,
}

/// A row of such a table.
pub(crate) struct Side {
    pub(crate) name: String,
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) cpu_us: f64,
    pub(crate) busy: f64,
}

/// `batch: 100 distinct questions = 5.10 times …, 250000 decisions/s, …`; single requests have no size.
pub(crate) struct Batch {
    pub(crate) size: Option<f64>,
    pub(crate) times: f64,
    pub(crate) rate: f64,
    pub(crate) cpu_us: f64,
    pub(crate) p50_us: f64,
}

/// `size: 1000 load 0.0120 s memory 14.2 MB change 215 ms (memory 9.8 MB before, 15.0 MB at the most; …)`
pub(crate) struct Size {
    pub(crate) entities: f64,
    pub(crate) load_s: f64,
    pub(crate) memory_mb: f64,
    pub(crate) change_ms: f64,
    pub(crate) before_mb: f64,
    pub(crate) peak_mb: f64,
}

impl Logs {
    /// All logs that are in a directory.
    pub(crate) fn read(directory: &Path) -> Self {
        let mut logs = Self::default();
        for name in NAMES {
            let path = directory.join(name).with_extension("log");
            let Ok(text) = fs::read_to_string(&path) else { continue };
            logs.ended = logs.ended.max(fs::metadata(path).and_then(|file| file.modified()).ok());
            logs.all.push(Log::read(name, &text));
        }
        logs
    }

    pub(crate) fn log(&self, name: &str) -> Option<&Log> {
        self.all.iter().find(|log| log.name == name)
    }
}

impl Log {
    pub(crate) fn read(name: &'static str, text: &str) -> Self {
        let mut log = Self {
            name,
            ..Self::default()
        };
        let mut in_table = false;
        for line in text.lines() {
            in_table = log.table_line(line, in_table).is_some();
            if !in_table {
                let _ = log.line(line);
            }
        }
        log
    }

    /// Takes a line; nothing comes out of one that is not known.
    fn line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(": ")?;
        match word {
            "bundled" => {
                let parts = rest.trim_end_matches(" a question").split(", ");
                self.bundled.extend(parts.filter_map(|part| {
                    let (name, us) = part.strip_suffix(" us")?.rsplit_once(' ')?;
                    let (name, us) = (name.to_owned(), us.parse().ok()?);
                    Some(Bundled { name, us })
                }));
            }
            "growth" => {
                let (what, _) = rest.split_once(" = ")?;
                let mut words = what.split(' ');
                self.growth.push(Growth {
                    family: words.next()?.to_owned(),
                    mix: words.next()?.to_owned(),
                    size: words.next()?.split('/').next()?.parse().ok()?,
                    ratio: after(rest, " = ")?,
                    us: after(rest, " (")?,
                });
            }
            "ratio" => self.ratios.push(figure(rest)?),
            "allocations" => self.allocations.push(figure(rest)?),
            "batch" if rest.contains(" decisions/s") => self.batches.push(Batch {
                size: rest.split(' ').next()?.parse().ok(),
                times: after(rest, " = ").unwrap_or(1.0),
                rate: before(rest, " decisions/s")?,
                cpu_us: after(rest, "cpu ")?,
                p50_us: after(rest, "p50 ")?,
            }),
            "size" if rest.contains(" load ") => self.sizes.push(Size {
                entities: rest.split(' ').next()?.parse().ok()?,
                load_s: after(rest, " load ")?,
                memory_mb: after(rest, " memory ")?,
                change_ms: after(rest, " change ")?,
                before_mb: before(rest, " MB before")?,
                peak_mb: before(rest, " MB at the most")?,
            }),
            "size" | "memory" | "change" | "http" | "batch" | "note" => self.notes.push(line.to_owned()),
            _ => {}
        }
        Some(())
    }

    /// Takes the head of a table, or a row if this is in one.
    fn table_line(&mut self, line: &str, in_table: bool) -> Option<()> {
        if line.trim_start().starts_with("requests/s ") {
            let connections = before(line, " connection")?;
            self.races.push(Race {
                connections,
                sides: Vec::new(),
            });
            return Some(());
        }
        let race = self.races.last_mut().filter(|_| in_table)?;
        let mut words = line.split_whitespace().rev();
        let mut number = || words.next()?.parse().ok();
        let [busy, cpu_us, p99_us, p50_us, rate] = [number()?, number()?, number()?, number()?, number()?];
        let mut name: Vec<&str> = words.collect();
        name.reverse();
        race.sides.push(Side {
            name: name.join(" "),
            rate,
            p50_us,
            p99_us,
            cpu_us,
            busy,
        });
        Some(())
    }
}

/// `name = value (detail)`
fn figure(text: &str) -> Option<Figure> {
    let (name, rest) = text.split_once(" = ")?;
    let (value, detail) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(Figure {
        name: name.to_owned(),
        value: value.to_owned(),
        detail: detail.trim_start_matches('(').trim_end_matches(')').to_owned(),
    })
}

/// The number behind a text.
fn after(line: &str, text: &str) -> Option<f64> {
    let (_, rest) = line.split_once(text)?;
    rest.split([' ', ',', ')']).next()?.parse().ok()
}

/// The number in front of a text.
fn before(line: &str, text: &str) -> Option<f64> {
    let (rest, _) = line.split_once(text)?;
    rest.rsplit([' ', '(']).next()?.parse().ok()
}
