//! A list in the form that was asked for, and the exit code that goes with it.

use serde_json::{Value, json};

use super::table::{Colour, Table, Tone, markdown};
use crate::cli::render::{self, Stream};
use crate::cli::render::{shown, shown_json};
use crate::cli::source::{Failed, Source};
use crate::cli::{DENY, SUCCESS, print, print_error};

/// For whom a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum ListFormat {
    /// For people.
    Text,
    /// For machines: one document.
    Json,
    /// For spreadsheets: one line for each thing found.
    Csv,
    /// For tickets and reports.
    Markdown,
}

/// What was found, in all its forms.
pub(in crate::cli) struct Listing {
    /// What was asked.
    pub(in crate::cli) title: String,
    /// What is known beforehand, with what stands below it one step further in.
    pub(in crate::cli) facts: Vec<Fact>,
    /// What was found, in parts.
    pub(in crate::cli) sections: Vec<Section>,
    /// What is said where nothing was found.
    pub(in crate::cli) nothing: String,
    /// Everything found, in one table.
    pub(in crate::cli) rows: Table,
    /// Everything, as the members of an object.
    pub(in crate::cli) json: Value,
    /// What should be known before it is believed.
    pub(in crate::cli) notes: Vec<String>,
}

/// A name and what is known under it.
pub(in crate::cli) struct Fact {
    pub(in crate::cli) name: String,
    pub(in crate::cli) value: String,
    pub(in crate::cli) depth: usize,
}

/// Some of what was found, under a word.
pub(in crate::cli) struct Section {
    pub(in crate::cli) title: String,
    pub(in crate::cli) table: Table,
}

/// Whether standard output is in colour.
pub(in crate::cli) fn colour() -> Colour {
    if render::is_coloured(Stream::Output) {
        Colour::On
    } else {
        Colour::Off
    }
}

impl Listing {
    /// Prints it, and gives the exit code.
    ///
    /// # Errors
    /// CSV that cannot be written.
    pub(in crate::cli) fn show(self, source: &Source, format: ListFormat) -> Result<u8, Failed> {
        let code = if self.rows.rows.is_empty() { DENY } else { SUCCESS };
        match format {
            ListFormat::Text => print(self.text(colour()).trim_end()),
            ListFormat::Markdown => print(self.markdown(source).trim_end()),
            ListFormat::Csv => {
                let csv = self.rows.csv().map_err(|error| Failed::Other(error.to_string()))?;
                print(csv.trim_end_matches('\n'));
                for note in &self.notes {
                    print_error(&format!("note: {}", shown(note)));
                }
            }
            ListFormat::Json => {
                let mut document = self.json;
                document["source"] = json!(source.name());
                document["revision"] = json!(source.revision());
                document["notes"] = json!(self.notes);
                print(&shown_json(&document.to_string()));
            }
        }
        Ok(code)
    }

    fn text(&self, colour: Colour) -> String {
        let mut text = format!("{}\n", colour.set(Tone::Strong, &shown(&self.title)));
        let wide = self
            .facts
            .iter()
            .map(|fact| fact.name.chars().count() + 2 * fact.depth)
            .max()
            .unwrap_or(0);
        for fact in &self.facts {
            let name = format!("{}{}", "  ".repeat(fact.depth), shown(&fact.name));
            let line = format!("  {} {}", colour.set(Tone::Soft, &format!("{name:wide$}")), shown(&fact.value));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for section in &self.sections {
            let title = format!("{} ({})", shown(&section.title), section.table.rows.len());
            text.push_str(&format!("\n{}\n", colour.set(Tone::Strong, &title)));
            text.push_str(&section.table.without_empty().text(colour));
        }
        if self.sections.is_empty() {
            text.push_str(&format!("  {}\n", self.nothing));
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(&colour.set(Tone::Soft, &format!("note: {}", shown(note))));
            text.push('\n');
        }
        text
    }

    fn markdown(&self, source: &Source) -> String {
        let mut text = format!("# {}\n\n", markdown(&self.title));
        let revision = source.revision().unwrap_or("unknown");
        text.push_str(&format!("From {}, revision {revision}.\n\n", markdown(&source.name())));
        for fact in &self.facts {
            let step = "  ".repeat(fact.depth);
            let line = format!("{step}- {} {}", markdown(&fact.name), markdown(&fact.value));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for section in &self.sections {
            let count = section.table.rows.len();
            text.push_str(&format!(
                "\n## {} ({count})\n\n{}",
                markdown(&section.title),
                section.table.without_empty().markdown()
            ));
        }
        if self.sections.is_empty() {
            text.push_str(&format!("{}\n", markdown(&self.nothing)));
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for note in &self.notes {
            // Names stand in backticks here as well, and are text.
            text.push_str(&format!("- {}\n", markdown(note)));
        }
        text
    }
}
