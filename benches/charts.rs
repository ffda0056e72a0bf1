//! Charts and tables of one run of the benches, as a page of the documents.
//!
//! `cargo bench --bench charts -- --from target/benchmarks --to docs` reads what the benches printed in that run, one
//! log for each, and writes `benchmarks.md` and the charts in `benchmarks/`. A log that is missing leaves out its
//! charts.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

#[path = "charts/logs.rs"]
mod logs;
#[path = "charts/machine.rs"]
mod machine;
#[path = "shared/mode.rs"]
mod mode;
#[path = "charts/page.rs"]
mod page;
#[path = "charts/sample.rs"]
mod sample;
#[path = "charts/svg.rs"]
mod svg;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use logs::Logs;
use machine::Machine;
use mode::Mode;
use page::{CHARTS, Page};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(plan) = Plan::read(&arguments) else {
        return ExitCode::SUCCESS;
    };
    if Mode::of_this_run() == Mode::Try {
        sample::try_all();
        return ExitCode::SUCCESS;
    }
    let logs = Logs::read(&plan.from);
    if logs.all.is_empty() {
        // `cargo bench` starts this as well, and nobody may have asked for a page.
        eprintln!(
            "charts: no logs in {}, so nothing is written; see `just benchmarks`",
            plan.from.display()
        );
        return if plan.is_asked {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
    }
    write(&plan.to, &Page::of(&logs, &Machine::find()));
    ExitCode::SUCCESS
}

/// From where to where.
struct Plan {
    from: PathBuf,
    to: PathBuf,
    /// Whether the command line says so.
    is_asked: bool,
}

impl Plan {
    /// What the arguments say; none if they ask for other benches.
    fn read(arguments: &[String]) -> Option<Self> {
        let mut plan = Self {
            from: "target/benchmarks".into(),
            to: "docs".into(),
            is_asked: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--from" | "--to" => {
                    let directory = words.next().unwrap_or_else(|| panic!("`{word}` needs a directory"));
                    let side = if word == "--from" { &mut plan.from } else { &mut plan.to };
                    *side = directory.into();
                    plan.is_asked = true;
                }
                "--list" => return None,
                // Flags are criterion's, and what is no flag names the benches to run.
                flag if flag.starts_with('-') => {}
                filter if "charts".contains(filter) => {}
                _ => return None,
            }
        }
        Some(plan)
    }
}

/// Writes the page, and exactly its charts.
fn write(to: &Path, page: &Page) {
    for reason in &page.left_out {
        eprintln!("charts: {reason}");
    }
    let directory = to.join("benchmarks");
    fs::create_dir_all(&directory).expect("a directory for the charts");
    for name in CHARTS {
        let path = directory.join(name).with_extension("svg");
        match page.charts.iter().find(|(chart, _)| *chart == name) {
            Some((_, svg)) => fs::write(path, svg).expect("a chart"),
            // It may not be there, and is not to be.
            None => drop(fs::remove_file(path)),
        }
    }
    let path = to.join("benchmarks.md");
    fs::write(&path, &page.text).expect("the page");
    println!("charts: {} and {} charts", path.display(), page.charts.len());
}
