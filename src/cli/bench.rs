//! `gatepost bench`

mod budget;
mod figures;
mod http;
mod machine;
mod measure;
mod page;
mod questions;
mod report;
mod words;

use std::time::Instant;

use super::render::{self, Stream};
use super::{BenchArgs, FAILURE, SUCCESS, USAGE, check, line, print, print_error, refuse_settings};
use crate::app::{Settings, World};
use crate::engine::json::Json;
use crate::engine::{Faults, Query, Snapshot};
use crate::serve::{Address, read_question};

pub(super) use budget::Budget;
use budget::Outcome;
use figures::Figures;
use http::Load;
use machine::{Machine, Memory};
use measure::{Plan, Point};
use questions::Questions;
use report::{Report, Root, Target};

/// Why nothing was measured.
enum Failed {
    /// The command line asks for what cannot be.
    Usage(String),
    /// The files have faults.
    Files(Faults),
    /// Anything else.
    Other(String),
}

impl From<String> for Failed {
    fn from(message: String) -> Self {
        Self::Other(message)
    }
}

pub(super) fn run(args: &BenchArgs) -> u8 {
    let settings = match args.root.settings(&[]) {
        Ok(settings) => settings,
        Err(faults) => return refuse_settings(&faults),
    };
    let report = match measured(args, &settings) {
        Ok(report) => report,
        Err(Failed::Usage(message)) => {
            print_error(&message);
            return USAGE;
        }
        Err(Failed::Files(faults)) => {
            for fault in &faults {
                super::print_drawn(&render::fault(fault, Stream::Error));
            }
            return FAILURE;
        }
        Err(Failed::Other(message)) => {
            print_error(&message);
            return FAILURE;
        }
    };
    if args.json {
        print(&report.to_json().to_string());
    } else {
        print(&report.table());
    }
    if let Some(path) = &args.html
        && let Err(error) = std::fs::write(path, page::page(&report))
    {
        print_error(&format!("cannot write the page to `{}`: {error}", path.display()));
        return FAILURE;
    }
    let missed: Vec<&Outcome> = report.budgets.iter().filter(|outcome| !outcome.is_met()).collect();
    for outcome in &missed {
        print_error(&format!("budget {} {}", outcome.text(), outcome.verdict()));
    }
    if missed.is_empty() { SUCCESS } else { FAILURE }
}

fn measured(args: &BenchArgs, settings: &Settings) -> Result<Report, Failed> {
    if args.seconds.is_zero() {
        return Err(Failed::Usage("--seconds: there must be some time to measure in".to_owned()));
    }
    // Whatever is wrong with the command line or the file is told before a large root is loaded.
    let address = line::address_of(args.url.as_deref(), line::Listener::Decisions).map_err(Failed::Usage)?;
    let depth_max = settings.serve.limits.json_depth_max;
    let recorded = args.requests.as_ref().map(|path| questions::read_file(path, depth_max)).transpose()?;
    match address {
        Some(address) => {
            let questions = match (recorded, &args.root.root) {
                (Some(recorded), _) => recorded,
                (None, Some(_)) => {
                    let snapshot = check::compile(&args.root, settings).map_err(Failed::Files)?;
                    questions::make(&snapshot, args.seed)?
                }
                (None, None) => {
                    return Err(Failed::Usage(
                        "--url needs to know what to ask: give a file with --requests FILE, or the root that the \
                         sidecar serves, as in `gatepost bench ROOT --url URL`"
                            .to_owned(),
                    ));
                }
            };
            sidecar(args, address, questions)
        }
        None => in_process(args, settings, recorded),
    }
}

fn in_process(args: &BenchArgs, settings: &Settings, recorded: Option<Questions>) -> Result<Report, Failed> {
    // As a sidecar loads: files, snapshot, rehearsal; and once more while the first is still there.
    let load = || {
        let begun = Instant::now();
        let snapshot = check::compile(&args.root, settings).map_err(Failed::Files)?;
        snapshot.rehearse(settings.rehearsal_questions);
        Ok::<_, Failed>((snapshot, begun.elapsed()))
    };
    let (snapshot, first) = load()?;
    let after_load = Memory::now();
    let (_, again) = load()?;
    let after_reload = Memory::now();
    let root = Root {
        name: match args.root.world() {
            World::Root(path) => path.display().to_string(),
            World::BuiltIn => "the built-in model".to_owned(),
        },
        revision: snapshot.revision().to_owned(),
        counts: snapshot.counts().clone(),
        load: first,
        reload: again,
        resident: after_load.map(|memory| memory.resident),
        peak: after_reload.map(|memory| memory.peak),
    };
    let questions = match recorded {
        Some(recorded) => recorded,
        None => questions::make(&snapshot, args.seed)?,
    };
    let plan = Plan {
        warm_up: args.warm_up,
        measured: args.seconds,
        threads: usize::from(args.threads),
    };
    let (figures, growth) = decisions(&snapshot, &questions, settings, plan, args.growth)?;
    let target = Target::Root {
        root,
        threads: plan.threads,
        clock_nanos: measure::clock_nanos(),
    };
    Ok(report(args, target, questions, figures, growth))
}

/// The figures of decisions. Bodies are read beforehand: what is measured begins with names.
fn decisions(
    snapshot: &Snapshot,
    questions: &Questions,
    settings: &Settings,
    plan: Plan,
    growth: bool,
) -> Result<(Figures, Vec<Point>), String> {
    let depth_max = settings.serve.limits.json_depth_max;
    let bodies = questions.bodies.iter().map(|body| Json::read(body.as_bytes(), depth_max));
    let bodies: Vec<Json<'_>> = bodies.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let queries: Vec<Query<'_>> = bodies.iter().map(read_question).collect::<Result<_, _>>()?;
    let figures = measure::decide(snapshot, &queries, plan)?;
    if !growth {
        return Ok((figures, Vec::new()));
    }
    let distinct: Vec<Query<'_>> = questions.distinct().into_iter().map(|place| queries[place]).collect();
    Ok((figures, measure::growth(snapshot, &distinct, plan)?))
}

fn sidecar(args: &BenchArgs, address: Address, questions: Questions) -> Result<Report, Failed> {
    let load = Load {
        address,
        connections: usize::from(args.connections),
        warm_up: args.warm_up,
        measured: args.seconds,
    };
    let measured = http::ask(&load, &questions.bodies)?;
    let target = Target::Sidecar {
        address: load.address.to_string(),
        connections: load.connections,
        status: measured.status,
    };
    Ok(report(args, target, questions, measured.figures, Vec::new()))
}

fn report(args: &BenchArgs, target: Target, questions: Questions, figures: Figures, growth: Vec<Point>) -> Report {
    Report {
        command: words::command(std::env::args_os().skip(1)),
        machine: Machine::here(),
        target,
        questions,
        warm_up: args.warm_up,
        measured: args.seconds,
        budgets: args.budget.iter().map(|budget| Outcome::of(budget, &figures)).collect(),
        figures,
        growth,
    }
}
