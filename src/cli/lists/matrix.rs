//! `gatepost matrix`

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;

use super::kinds::{Chosen, Kinds};
use super::marks::{Mark, Marks};
use super::page;
use super::reach::{Looking, Name};
use crate::cli::complete;
use crate::cli::render::{shown, shown_json};
use crate::cli::source::{AskArgs, Failed, Source};
use crate::cli::{DENY, RootArgs, SUCCESS, print, print_error};
use crate::engine::Snapshot;

/// How many cells a matrix may have, and how many a page: a browser holds each of them as an element.
const CELLS_MAX: usize = 4_000_000;
const PAGE_CELLS_MAX: usize = 1_000_000;

/// What `matrix` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 somebody has some access, 3 nobody has any, 1 a name is unknown, the matrix is too large, the \
                  files have faults or the sidecar does not answer, 2 wrong usage or settings.\n\n\
                  Examples:\n  gatepost matrix demo\n  gatepost matrix demo --format html --output review.html\n  \
                  gatepost matrix demo --principal-type user --resource-type datastore --format csv\n  \
                  gatepost matrix demo --long --format csv --no-time"
)]
pub(in crate::cli) struct MatrixArgs {
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    ask: AskArgs,
    /// Only principals of this type. May be given more than once.
    #[arg(long = "principal-type", value_name = "TYPE", add = ArgValueCompleter::new(complete::principal_types))]
    principals: Vec<String>,
    /// Only resources of this type. May be given more than once. Without it, those that have levels, or all where none
    /// have.
    #[arg(long = "resource-type", value_name = "TYPE", add = ArgValueCompleter::new(complete::resource_types))]
    resources: Vec<String>,
    /// Only this action. May be given more than once.
    #[arg(long = "action", value_name = "ACTION", add = ArgValueCompleter::new(complete::actions))]
    actions: Vec<String>,
    /// One line for each principal and resource with some access, instead of a column for each resource.
    #[arg(long)]
    long: bool,
    /// How to write the matrix.
    #[arg(long, value_enum, default_value_t = MatrixFormat::Text)]
    format: MatrixFormat,
    /// The file to write. Without it, standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out when it was made, so that the same files make the same bytes.
    #[arg(long)]
    no_time: bool,
}

/// For whom a matrix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum MatrixFormat {
    /// For people.
    Text,
    /// For spreadsheets.
    Csv,
    /// For machines: one document.
    Json,
    /// For tickets and reports.
    Markdown,
    /// One page to filter and sort, which needs nothing but itself.
    Html,
}

pub(in crate::cli) fn run(args: &MatrixArgs) -> u8 {
    write(args).unwrap_or_else(|failed| failed.tell())
}

fn write(args: &MatrixArgs) -> Result<u8, Failed> {
    let mut source = Source::open(&args.root, &args.ask)?;
    let matrix = Matrix::made(&mut source, args)?;
    let text = match args.format {
        MatrixFormat::Text => matrix.text(args.long),
        MatrixFormat::Markdown => matrix.markdown(args.long),
        MatrixFormat::Json => shown_json(&matrix.to_json(args.long).to_string()),
        MatrixFormat::Csv => {
            let table = if args.long { matrix.pairs() } else { matrix.wide() };
            table.csv().map_err(|error| Failed::Other(error.to_string()))?
        }
        MatrixFormat::Html => page::page(&matrix),
    };
    let text = text.trim_end();
    match &args.output {
        None => print(text),
        Some(path) => std::fs::write(path, format!("{text}\n"))
            .map_err(|error| Failed::Other(format!("cannot write the matrix to `{}`: {error}", path.display())))?,
    }
    if args.format == MatrixFormat::Csv {
        for note in &matrix.notes {
            print_error(&format!("note: {}", shown(note)));
        }
    }
    Ok(if matrix.marks.len() > 1 { SUCCESS } else { DENY })
}

/// Who may do what to which resource.
pub(in crate::cli) struct Matrix {
    pub(in crate::cli) source: String,
    pub(in crate::cli) revision: String,
    /// When it was made, in UTC.
    pub(in crate::cli) made_at: Option<String>,
    /// By type and id.
    pub(in crate::cli) principals: Vec<Name>,
    /// By type and id.
    pub(in crate::cli) resources: Vec<Name>,
    /// The different accesses that there are. The first is none; what allows more comes later.
    pub(super) marks: Vec<Mark>,
    /// Row by row, the number of the access.
    cells: Vec<u32>,
    pub(in crate::cli) notes: Vec<String>,
}

impl Matrix {
    fn made(source: &mut Source, args: &MatrixArgs) -> Result<Self, Failed> {
        let Some(snapshot) = source.snapshot() else {
            return Err(Failed::Usage(
                "a sidecar does not tell which principals and resources there are: name the root that it serves, as in \
                 `gatepost matrix ROOT --url URL`"
                    .to_owned(),
            ));
        };
        let mut kinds = Kinds::of(
            source,
            &Chosen {
                principals: &args.principals,
                actions: &args.actions,
                resources: &args.resources,
            },
        )?;
        let mut left_out = Vec::new();
        let with_levels: BTreeSet<String> = kinds.resources_with_levels().into_iter().map(str::to_owned).collect();
        if args.resources.is_empty() && !with_levels.is_empty() {
            left_out = kinds.keep_resources(&with_levels);
        }
        let principals = names(snapshot, kinds.iter().map(|kind| kind.principal.as_str()).collect());
        let resources = names(snapshot, kinds.iter().map(|kind| kind.resource.as_str()).collect());
        bound(principals.len(), resources.len(), args.format)?;
        let mut looking = Looking::new(&kinds);
        let (mut columns, mut marks) = (Columns::new(resources), Marks::default());
        let mut found: Vec<(usize, usize, u32)> = Vec::new();
        for (row, principal) in principals.iter().enumerate() {
            for (resource, access) in looking.reach(source, principal)? {
                found.push((row, columns.number(resource), marks.number(&access)));
            }
        }
        bound(principals.len(), columns.names.len(), args.format)?;
        let mut notes = looking.notes()?;
        notes.extend(kinds.notes());
        if !left_out.is_empty() {
            notes.push(format!(
                "without levels, and so not shown: {}; --resource-type shows them",
                left_out.join(", ")
            ));
        }
        notes.extend(source.notes());
        let (marks, mark_places) = marks.sorted();
        let (resources, places) = columns.sorted();
        let mut cells = vec![0; principals.len() * resources.len()];
        for (row, column, mark) in found {
            cells[row * resources.len() + places[column]] = mark_places[mark as usize];
        }
        Ok(Self {
            source: source.name(),
            revision: source.revision().unwrap_or("unknown").to_owned(),
            made_at: (!args.no_time).then(|| chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
            principals,
            resources,
            marks,
            cells,
            notes,
        })
    }

    /// The cells of a principal.
    pub(super) fn row(&self, principal: usize) -> impl Iterator<Item = &Mark> {
        self.numbers(principal).iter().map(|number| &self.marks[*number as usize])
    }

    /// The numbers of the accesses of a principal.
    pub(in crate::cli) fn numbers(&self, principal: usize) -> &[u32] {
        &self.cells[principal * self.resources.len()..(principal + 1) * self.resources.len()]
    }

    /// What it is of, in a line.
    pub(in crate::cli) fn about(&self) -> String {
        let made = self.made_at.as_ref().map(|at| format!(", made {at}")).unwrap_or_default();
        format!("{}, revision {}{made}", self.source, self.revision)
    }

    /// How large it is, in a line.
    pub(super) fn size(&self) -> String {
        format!(
            "access matrix: {} principals, {} resources",
            self.principals.len(),
            self.resources.len()
        )
    }
}

/// All entities of these types, by type and id.
fn names(snapshot: &Snapshot, types: BTreeSet<&str>) -> Vec<Name> {
    let of_type = |entity_type: &str| {
        let mut ids: Vec<&str> = snapshot.entity_ids(entity_type).collect();
        ids.sort_unstable();
        let names: Vec<Name> = ids.into_iter().map(|id| (entity_type.to_owned(), id.to_owned())).collect();
        names
    };
    types.into_iter().flat_map(of_type).collect()
}

fn bound(principals: usize, resources: usize, format: MatrixFormat) -> Result<(), Failed> {
    let (most, other) = match format {
        MatrixFormat::Html => (PAGE_CELLS_MAX, ", or take --format csv"),
        _ => (CELLS_MAX, ""),
    };
    match principals.checked_mul(resources) {
        Some(cells) if cells <= most => Ok(()),
        _ => Err(Failed::Other(format!(
            "{principals} principals by {resources} resources are more than {most} cells: narrow it with \
             --principal-type and --resource-type{other}"
        ))),
    }
}

/// Resources by number: those of the files, and those that only the sidecar has.
struct Columns {
    names: Vec<Name>,
    numbers: HashMap<Name, usize>,
}

impl Columns {
    fn new(names: Vec<Name>) -> Self {
        Self {
            numbers: names.iter().cloned().zip(0..).collect(),
            names,
        }
    }

    fn number(&mut self, name: Name) -> usize {
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            self.names.len() - 1
        })
    }

    /// The names in ascending order, and the places where they went.
    fn sorted(self) -> (Vec<Name>, Vec<usize>) {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        order.sort_by(|a, b| self.names[*a].cmp(&self.names[*b]));
        let mut places = vec![0; order.len()];
        for (place, number) in order.iter().enumerate() {
            places[*number] = place;
        }
        (order.into_iter().map(|number| self.names[number].clone()).collect(), places)
    }
}
