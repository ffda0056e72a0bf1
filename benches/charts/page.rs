//! The page: for each chart what it shows, the chart, and its figures.

use std::fmt::Write as _;

use crate::logs::{Batch, Figure, Growth, Log, Logs, NAMES, Size};
use crate::machine::{Machine, day};
use crate::svg::{Bars, Curve, Curves, Scale, number};

/// What `just benchmarks` runs before the charts, in this order.
pub(crate) const COMMANDS: [&str; 6] = [
    "cargo bench --bench decide > target/benchmarks/decide.log",
    "cargo bench --bench allocations > target/benchmarks/allocations.log",
    "cargo bench --bench http > target/benchmarks/http.log",
    "cargo bench --bench batch > target/benchmarks/batch.log",
    "cargo bench --bench size > target/benchmarks/size.log",
    "cargo bench --bench size -- --sizes 1000,10000,100000,1000000 >> target/benchmarks/size.log",
];

/// What it runs last.
pub(crate) const CHARTS_COMMAND: &str = "cargo bench --bench charts -- --from target/benchmarks --to docs";

/// The names of all charts that a page may have.
pub(crate) const CHARTS: [&str; 7] = [
    "stock",
    "policies",
    "entities",
    "batch",
    "throughput",
    "reload",
    "memory",
];

/// A page and its charts.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) charts: Vec<(&'static str, String)>,
    /// Why charts are missing.
    pub(crate) left_out: Vec<String>,
}

/// A drawing, and its figures: rows of cells, the first one the head.
struct Chart {
    svg: String,
    table: Vec<Vec<String>>,
}

impl Page {
    pub(crate) fn of(logs: &Logs, machine: &Machine) -> Self {
        let mut page = Self::default();
        page.head(logs, machine);
        page.chart(
            logs,
            ("decide", "stock"),
            "A decision, against stock Cedar",
            "The bundled model, asked 32 questions in turn, by gatepost's engine and by stock Cedar's `is_authorized` \
             over the same policies and entities, on one thread. Names go in, the decision and its reasons come out. \
             Medians.",
            stock,
        );
        page.chart(
            logs,
            ("decide", "policies"),
            "A decision by the number of policies",
            "A made world of 1,000 entities; each question is about another user and another document. The policies \
             that are counted are of other actions than the asked one, grants of the same action to single users, or \
             links of one template.",
            |log| {
                growth(log, "Cost of a decision by policies", "policies or links", |family| {
                    family != "entities"
                })
            },
        );
        page.chart(
            logs,
            ("decide", "entities"),
            "A decision by the number of entities",
            "`hot` asks the same 64 questions again and again; `random` asks each time about others, and waits for \
             memory once the store is larger than the processor's caches.",
            |log| growth(log, "Cost of a decision by entities", "entities", |family| family == "entities"),
        );
        page.allocations(logs);
        page.chart(
            logs,
            ("http", "throughput"),
            "Throughput against a bare server",
            "Whole HTTP over loopback, server and load on a processor each. The bare server is hyper with the same \
             allocator: it reads the body and always answers the same, so what is left is what a decision costs on \
             top of HTTP.",
            throughput,
        );
        page.chart(
            logs,
            ("batch", "batch"),
            "Decisions per second by the size of a batch",
            "The same 1,000 distinct questions over the same number of connections: one in a request, or so many in \
             a batch.",
            batches,
        );
        page.chart(
            logs,
            ("size", "reload"),
            "Load and reload by the size of the store",
            "The time of the first load, and the time from writing one file of about a thousand entities until the \
             change is seen in decisions, which includes the 200 ms that the loader waits for more to come.",
            reload,
        );
        page.chart(
            logs,
            ("size", "memory"),
            "Memory by entities",
            "Resident memory of a fresh process for each size, two seconds after the first load, and at the most while \
             loading.",
            memory,
        );
        page.others(logs);
        page
    }

    // Writing to a string does not fail.

    fn head(&mut self, logs: &Logs, machine: &Machine) {
        let when = logs.ended.map_or_else(|| "a day that is not known".to_owned(), day);
        let commands = COMMANDS.join("\n$ ");
        let _ = write!(
            self.text,
            "# Benchmarks\n\nOne run of {when}. Both sides of every comparison ran in the same run, in turns. This \
             page and its charts are\nwritten by a program, `benches/charts.rs`; `just benchmarks` runs everything \
             again and replaces them.\n\n```console\n$ mkdir -p target/benchmarks\n$ {commands}\n$ \
             {CHARTS_COMMAND}\n```\n\nFigures of another machine differ, and ratios less so. Use a machine that does \
             nothing else.\n\n"
        );
        let rows = machine.rows.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
        let table: Vec<Vec<String>> = std::iter::once(vec!["machine and versions".to_owned(), String::new()])
            .chain(rows)
            .collect();
        self.table(&table, false);
        for name in NAMES.into_iter().filter(|name| logs.log(name).is_none()) {
            let _ = writeln!(self.text, "**`{name}.log` was missing, and what it tells is left out.**\n");
            self.left_out.push(format!("{name}.log is missing"));
        }
    }

    /// A section with the chart that is drawn from a log, if there is one.
    fn chart(
        &mut self,
        logs: &Logs,
        (log, name): (&'static str, &'static str),
        title: &str,
        intro: &str,
        draw: impl FnOnce(&Log) -> Option<Chart>,
    ) {
        // The head has told of a missing log.
        let Some(found) = logs.log(log) else { return };
        let _ = writeln!(self.text, "## {title}\n\n{}\n", wrapped(intro));
        let Some(chart) = draw(found) else {
            let _ = writeln!(self.text, "**`{log}.log` has no lines for this chart, so it is left out.**\n");
            self.left_out.push(format!("{log}.log has no lines for the chart `{name}`"));
            return;
        };
        let _ = writeln!(self.text, "![{title}](benchmarks/{name}.svg)\n");
        self.table(&chart.table, true);
        self.charts.push((name, chart.svg));
    }

    fn allocations(&mut self, logs: &Logs) {
        let Some(log) = logs.log("allocations") else { return };
        let intro = "Heap allocations of one decision in this process on the bundled model, from the names to the \
                     decision and its reasons, without HTTP.";
        let _ = writeln!(self.text, "## Allocations\n\n{}\n", wrapped(intro));
        if log.allocations.is_empty() {
            self.text.push_str("**`allocations.log` has no figures.**\n\n");
            self.left_out.push("allocations.log has no figures".to_owned());
            return;
        }
        let rows = log.allocations.iter().map(|line| vec![line.name.clone(), line.value.clone()]);
        let table: Vec<Vec<String>> = std::iter::once(cells(&["question", "allocations"])).chain(rows).collect();
        self.table(&table, true);
    }

    /// What no chart shows.
    fn others(&mut self, logs: &Logs) {
        self.text.push_str("## All ratios of the run\n\n");
        let mut table = vec![cells(&["bench", "ratio", "", "of"])];
        for log in &logs.all {
            table.extend(log.ratios.iter().map(|Figure { name, value, detail }| {
                vec![log.name.to_owned(), name.clone(), value.clone(), detail.clone()]
            }));
        }
        self.table(&table, false);
        for log in logs.all.iter().filter(|log| !log.notes.is_empty()) {
            let _ = writeln!(
                self.text,
                "The bench `{}` also told:\n\n```text\n{}\n```\n",
                log.name,
                log.notes.join("\n")
            );
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
    }

    fn table(&mut self, rows: &[Vec<String>], numbers: bool) {
        for (place, row) in rows.iter().enumerate() {
            let _ = writeln!(self.text, "| {} |", row.join(" | ").replace("  ", " "));
            if place == 0 {
                let other = if numbers { "---:|" } else { "---|" };
                let _ = writeln!(self.text, "|---|{}", other.repeat(row.len() - 1));
            }
        }
        self.text.push('\n');
    }
}

fn cells(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Lines of at most 120 bytes, as the other documents have.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        if length > 0 && length + 1 + word.len() > 120 {
            lines.push('\n');
            length = 0;
        } else if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += word.len();
    }
    lines
}

fn stock(log: &Log) -> Option<Chart> {
    let name = |name: &str| match name {
        "decide" => "gatepost".to_owned(),
        other => other.replace("stock", "stock Cedar"),
    };
    let bars: Vec<(String, f64)> = log.bundled.iter().map(|side| (name(&side.name), side.us)).collect();
    let table = bars.iter().map(|(name, us)| vec![name.clone(), format!("{us:.2}")]);
    Some(Chart {
        table: std::iter::once(cells(&["", "us a question"])).chain(table).collect(),
        svg: (!bars.is_empty()).then(|| {
            let (title, x) = ("A decision on the bundled model", "microseconds a question; less is better");
            Bars { title, x, bars }.svg()
        })?,
    })
}

fn growth(log: &Log, title: &str, x: &str, is_shown: fn(&str) -> bool) -> Option<Chart> {
    let mut curves: Vec<Curve> = Vec::new();
    let mut table = vec![cells(&["", x, "us a question", "times the first"])];
    for Growth {
        family,
        mix,
        size,
        ratio,
        us,
    } in log.growth.iter().filter(|line| is_shown(&line.family))
    {
        // All families but one have one mix, and go by their own name.
        let name = if family == "entities" {
            mix.clone()
        } else {
            family.replace('-', " ")
        };
        table.push(vec![name.clone(), number(*size), format!("{us:.2}"), format!("{ratio:.2}")]);
        match curves.iter_mut().find(|curve| curve.name == name) {
            Some(curve) => curve.points.push((*size, *us)),
            None => curves.push(Curve {
                name,
                points: vec![(*size, *us)],
            }),
        }
    }
    let (y, scale) = ("microseconds a question", Scale::Linear);
    (!curves.is_empty()).then(|| Chart {
        svg: Curves {
            title,
            x,
            y,
            scale,
            curves,
        }
        .svg(),
        table,
    })
}

fn throughput(log: &Log) -> Option<Chart> {
    let most = log.races.iter().max_by(|one, other| one.connections.total_cmp(&other.connections))?;
    let mut table = vec![cells(&[
        "",
        "connections",
        "requests/s",
        "p50 us",
        "p99 us",
        "cpu us a request",
        "server busy",
    ])];
    for race in &log.races {
        table.extend(race.sides.iter().map(|side| {
            vec![
                side.name.clone(),
                number(race.connections),
                number(side.rate),
                number(side.p50_us),
                number(side.p99_us),
                format!("{:.2}", side.cpu_us),
                format!("{:.2}", side.busy),
            ]
        }));
    }
    let bars: Vec<(String, f64)> = most.sides.iter().map(|side| (side.name.clone(), side.rate)).collect();
    let title = format!("Requests a second over {} connections, server on one core", most.connections);
    let x = "requests a second; more is better";
    (!bars.is_empty()).then(|| Chart {
        svg: Bars { title: &title, x, bars }.svg(),
        table,
    })
}

fn batches(log: &Log) -> Option<Chart> {
    let single = log.batches.iter().find(|line| line.size.is_none())?;
    let mut points = Vec::new();
    let mut table = vec![cells(&[
        "questions in a request",
        "decisions/s",
        "times single requests",
        "cpu us a decision",
        "p50 us a request",
    ])];
    for Batch {
        size,
        times,
        rate,
        cpu_us,
        p50_us,
    } in &log.batches
    {
        let name = size.map_or_else(|| "single requests".to_owned(), |size| format!("batch of {}", number(size)));
        table.push(vec![
            name,
            number(*rate),
            format!("{times:.2}"),
            format!("{cpu_us:.2}"),
            number(*p50_us),
        ]);
        points.extend(size.map(|size| (size, *rate)));
    }
    let (first, last) = (points.first()?.0, points.last()?.0);
    let curve = |name: &str, points| Curve {
        name: name.to_owned(),
        points,
    };
    let curves = Curves {
        title: "Decisions a second by the size of a batch, server on one core",
        x: "questions in a batch",
        y: "decisions a second",
        scale: Scale::Linear,
        curves: vec![
            curve("batches", points),
            curve("single requests", vec![(first, single.rate), (last, single.rate)]),
        ],
    };
    Some(Chart {
        svg: curves.svg(),
        table,
    })
}

/// A curve's name, and its value of a size.
type Side = (&'static str, fn(&Size) -> f64);

fn by_size(log: &Log, title: &str, y: &str, sides: [Side; 2]) -> Option<String> {
    let curves = sides.map(|(name, value)| Curve {
        name: name.to_owned(),
        points: log.sizes.iter().map(|size| (size.entities, value(size))).collect(),
    });
    let (x, scale, curves) = ("entities", Scale::Log, curves.into());
    (!log.sizes.is_empty()).then(|| {
        Curves {
            title,
            x,
            y,
            scale,
            curves,
        }
        .svg()
    })
}

fn reload(log: &Log) -> Option<Chart> {
    let rows = log
        .sizes
        .iter()
        .map(|size| vec![number(size.entities), number(size.load_s * 1e3), number(size.change_ms)]);
    Some(Chart {
        table: std::iter::once(cells(&["entities", "first load, ms", "one change seen after, ms"]))
            .chain(rows)
            .collect(),
        svg: by_size(
            log,
            "Load and reload by the size of the store",
            "milliseconds",
            [
                ("first load", |size| size.load_s * 1e3),
                ("one change seen", |size| size.change_ms),
            ],
        )?,
    })
}

fn memory(log: &Log) -> Option<Chart> {
    let rows = log.sizes.iter().map(|size| {
        let [before, after, peak] = [size.before_mb, size.memory_mb, size.peak_mb].map(|mb| format!("{mb:.1}"));
        vec![number(size.entities), before, after, peak]
    });
    let head = cells(&[
        "entities",
        "MB before",
        "MB after loading",
        "MB at the most while loading",
    ]);
    Some(Chart {
        table: std::iter::once(head).chain(rows).collect(),
        svg: by_size(
            log,
            "Resident memory by entities",
            "MB",
            [
                ("after loading", |size| size.memory_mb),
                ("at the most", |size| size.peak_mb),
            ],
        )?,
    })
}
