//! `gatepost matrix`

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use clap_complete::engine::ArgValueCompleter;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::kinds::{Chosen, Kinds};
use super::levels::Access;
use super::listing::colour;
use super::page;
use super::reach::{Looking, Name};
use super::table::{Table, Tone, markdown, shown};
use crate::cli::complete;
use crate::cli::source::{AskArgs, Failed, Source};
use crate::cli::{DENY, RootArgs, SUCCESS, print, print_error};
use crate::engine::Snapshot;

/// How many cells a matrix may have, and how many a page: a browser holds each of them as an element.
const CELLS_MAX: usize = 4_000_000;
const PAGE_CELLS_MAX: usize = 1_000_000;

/// Columns of text where output is no terminal.
const WIDTH: usize = 120;

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
        MatrixFormat::Json => matrix.to_json(args.long).to_string(),
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
    pub(in crate::cli) marks: Vec<Mark>,
    /// Row by row, the number of the access.
    cells: Vec<u32>,
    pub(in crate::cli) notes: Vec<String>,
}

/// An access and what stands for it in a cell.
pub(in crate::cli) struct Mark {
    pub(in crate::cli) label: String,
    pub(in crate::cli) access: Access,
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
        let with_levels: BTreeSet<String> = kinds.resources_with_levels().into_iter().map(str::to_owned).collect();
        if args.resources.is_empty() && !with_levels.is_empty() {
            kinds.keep_resources(&with_levels);
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
        let mut notes: Vec<String> = looking.left_out.notes().collect();
        notes.extend(kinds.notes());
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
    pub(in crate::cli) fn row(&self, principal: usize) -> impl Iterator<Item = &Mark> {
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

    fn size(&self) -> String {
        format!(
            "access matrix: {} principals, {} resources",
            self.principals.len(),
            self.resources.len()
        )
    }

    /// One line for each pair with some access.
    fn pairs(&self) -> Table {
        let mut table = Table::new([
            "principal_type",
            "principal",
            "resource_type",
            "resource",
            "level",
            "access",
            "actions",
        ]);
        for (row, principal) in self.principals.iter().enumerate() {
            for (resource, mark) in self.resources.iter().zip(self.row(row)).filter(|(_, mark)| mark.is_some()) {
                table.rows.push(vec![
                    principal.0.clone(),
                    principal.1.clone(),
                    resource.0.clone(),
                    resource.1.clone(),
                    mark.access.level(),
                    mark.access.words(),
                    mark.access.actions.join(", "),
                ]);
            }
        }
        table
    }

    /// A line for each principal and a column for each resource.
    fn wide(&self) -> Table {
        let head = ["principal_type", "principal"].map(str::to_owned).into_iter();
        let rows = self.principals.iter().enumerate().map(|(row, (entity_type, id))| {
            let cells = self.row(row).map(|mark| mark.access.words());
            [entity_type.clone(), id.clone()].into_iter().chain(cells).collect()
        });
        Table {
            head: head
                .chain(self.resources.iter().map(|(entity_type, id)| format!("{entity_type}:{id}")))
                .collect(),
            rows: rows.collect(),
        }
    }

    /// Columns from one place to another, with labels for accesses.
    fn part(&self, columns: std::ops::Range<usize>) -> Table {
        let head = self.resources[columns.clone()].iter().map(|(_, id)| id.clone());
        let rows = self.principals.iter().enumerate().map(|(row, (entity_type, id))| {
            let cells = self.numbers(row)[columns.clone()].iter();
            let cells = cells.map(|number| self.marks[*number as usize].label.clone());
            std::iter::once(format!("{entity_type} {id}")).chain(cells).collect()
        });
        Table {
            head: std::iter::once("principal".to_owned()).chain(head).collect(),
            rows: rows.collect(),
        }
    }

    /// Where columns of one type, and of what is wide enough for a page, begin and end.
    fn parts(&self, width: usize) -> Vec<std::ops::Range<usize>> {
        // Columns are two spaces apart, and behind two spaces.
        let wide = |text: &str| shown(text).width() + 2;
        let first = self.principals.iter().map(|(entity_type, id)| wide(entity_type) + wide(id) - 1);
        let first = first.max().unwrap_or(0).max(wide("principal"));
        let labels: Vec<usize> = self.marks.iter().map(|mark| wide(&mark.label)).collect();
        let widest = |column: usize| {
            let rows = 0..self.principals.len();
            rows.map(|row| labels[self.numbers(row)[column] as usize]).max().unwrap_or(0)
        };
        let mut parts: Vec<std::ops::Range<usize>> = Vec::new();
        let mut used = 0;
        for (column, (entity_type, id)) in self.resources.iter().enumerate() {
            let own = wide(id).max(widest(column));
            match parts.last_mut() {
                Some(part) if self.resources[part.start].0 == *entity_type && used + own <= width => {
                    part.end = column + 1;
                    used += own;
                }
                _ => {
                    parts.push(column..column + 1);
                    used = first + own;
                }
            }
        }
        parts
    }

    /// The type of some columns, and which of them they are if they are not all.
    fn title(&self, part: &std::ops::Range<usize>) -> String {
        let entity_type = &self.resources[part.start].0;
        let first = self.resources.partition_point(|(other, _)| other < entity_type);
        let all = self.resources[first..].iter().take_while(|(other, _)| other == entity_type).count();
        if part.len() == all {
            return entity_type.clone();
        }
        format!("{entity_type}, {} to {} of {all}", part.start - first + 1, part.end - first)
    }

    /// What labels stand for, where they are not the words themselves.
    fn legend(&self) -> impl Iterator<Item = (&str, String)> {
        let short = self.marks.iter().filter(|mark| mark.is_some() && mark.label != mark.access.words());
        short.map(|mark| (mark.label.as_str(), mark.access.words()))
    }

    fn text(&self, long: bool) -> String {
        let colour = colour();
        let mut text = format!("{}\n{}\n", colour.set(Tone::Strong, &self.size()), shown(&self.about()));
        if long {
            text.push_str(&format!("\n{}", self.pairs().text(colour)));
        } else {
            for part in self.parts(width()) {
                let title = colour.set(Tone::Strong, &shown(&self.title(&part)));
                text.push_str(&format!("\n{title}\n{}", self.part(part).text(colour)));
            }
            text.push('\n');
            for (label, words) in self.legend() {
                text.push_str(&format!("{label}: {words}\n"));
            }
        }
        for note in &self.notes {
            text.push_str(&colour.set(Tone::Soft, &format!("note: {}\n", shown(note))));
        }
        text
    }

    fn markdown(&self, long: bool) -> String {
        let mut text = format!("# {}\n\n{}\n", markdown(&self.size()), markdown(&self.about()));
        if long {
            text.push_str(&format!("\n{}", self.pairs().markdown()));
        } else {
            for part in self.parts(usize::MAX) {
                let title = markdown(&self.resources[part.start].0);
                text.push_str(&format!("\n## {title}\n\n{}", self.part(part).markdown()));
            }
        }
        text.push('\n');
        let legend = self.legend().filter(|_| !long).map(|(label, words)| format!("{label}: {words}"));
        for line in legend.chain(self.notes.iter().cloned()) {
            text.push_str(&format!("- {}\n", markdown(&line)));
        }
        text
    }

    fn to_json(&self, long: bool) -> Value {
        let name = |(entity_type, id): &Name| json!({ "type": entity_type, "id": id });
        let access = |access: &Access| {
            json!({
                "levels": access.levels, "besides": access.besides, "without": access.without,
                "actions": access.actions,
            })
        };
        let mut document = json!({
            "source": self.source, "revision": self.revision, "made_at": self.made_at, "notes": self.notes,
        });
        if long {
            let rows = self.principals.iter().enumerate();
            let pairs = rows.flat_map(|(row, principal)| {
                let cells = self.resources.iter().zip(self.row(row)).filter(|(_, mark)| mark.is_some());
                cells.map(move |(resource, mark)| {
                    let mut pair = access(&mark.access);
                    pair["principal"] = name(principal);
                    pair["resource"] = name(resource);
                    pair
                })
            });
            document["pairs"] = pairs.collect();
        } else {
            document["principals"] = self.principals.iter().map(name).collect();
            document["resources"] = self.resources.iter().map(name).collect();
            document["accesses"] = self.marks.iter().map(|mark| access(&mark.access)).collect();
            document["cells"] = (0..self.principals.len()).map(|row| json!(self.numbers(row))).collect();
        }
        document
    }
}

impl Mark {
    fn none() -> Self {
        Self {
            label: "-".to_owned(),
            access: Access::default(),
        }
    }

    /// Whether there is any access.
    pub(in crate::cli) fn is_some(&self) -> bool {
        !self.access.actions.is_empty()
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

/// Different accesses by number.
#[derive(Default)]
struct Marks {
    accesses: Vec<Arc<Access>>,
    numbers: HashMap<Access, u32>,
}

impl Marks {
    fn number(&mut self, access: &Arc<Access>) -> u32 {
        if let Some(number) = self.numbers.get(&**access) {
            return *number;
        }
        let number = self.accesses.len() as u32;
        self.numbers.insert((**access).clone(), number);
        self.accesses.push(access.clone());
        number
    }

    /// Labelled, those that allow more behind those that allow less, with the places where they went.
    fn sorted(self) -> (Vec<Mark>, Vec<u32>) {
        let mut order: Vec<usize> = (0..self.accesses.len()).collect();
        order.sort_by_key(|number| {
            let access = &self.accesses[*number];
            (access.actions.len(), access.clone())
        });
        let mut marks = vec![Mark::none()];
        let mut places = vec![0; order.len()];
        for number in order {
            places[number] = marks.len() as u32;
            let access = (*self.accesses[number]).clone();
            let mut label = label(&access);
            // Two accesses are never shown alike.
            if marks.iter().any(|mark| mark.label == label) {
                label = format!("{label} [{}]", marks.len());
            }
            marks.push(Mark { label, access });
        }
        (marks, places)
    }
}

/// A short form of an access: its levels, with how many actions come on top and how many are missing.
fn label(access: &Access) -> String {
    let mut label = match (access.levels.as_slice(), access.besides.as_slice()) {
        ([], [one]) => one.clone(),
        ([], several) => format!("{} actions", several.len()),
        (levels, []) => levels.join(" + "),
        (levels, besides) => format!("{} +{}", levels.join(" + "), besides.len()),
    };
    if !access.without.is_empty() {
        label.push_str(&format!(" -{}", access.without.len()));
    }
    label
}

/// How many columns a line of text may have.
fn width() -> usize {
    use std::io::IsTerminal;
    let output = std::io::stdout();
    if !output.is_terminal() {
        return WIDTH;
    }
    rustix::termios::tcgetwinsize(output).map_or(WIDTH, |size| usize::from(size.ws_col).max(40))
}
