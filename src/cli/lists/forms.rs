//! The forms of a matrix, but for the page: text, Markdown, JSON, and the tables for CSV.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::levels::Access;
use super::listing::colour;
use super::matrix::Matrix;
use super::reach::Name;
use super::table::{Table, Tone, markdown};
use crate::cli::render::shown;

/// Columns of text where output is no terminal.
const WIDTH: usize = 120;

impl Matrix {
    /// One line for each pair with some access.
    pub(super) fn pairs(&self) -> Table {
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
    pub(super) fn wide(&self) -> Table {
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

    /// For a terminal.
    pub(super) fn text(&self, long: bool) -> String {
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

    /// For tickets and reports.
    pub(super) fn markdown(&self, long: bool) -> String {
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

    /// For machines.
    pub(super) fn to_json(&self, long: bool) -> Value {
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

/// How many columns a line of text may have.
fn width() -> usize {
    use std::io::IsTerminal;
    let output = std::io::stdout();
    if !output.is_terminal() {
        return WIDTH;
    }
    rustix::termios::tcgetwinsize(output).map_or(WIDTH, |size| usize::from(size.ws_col).max(40))
}
