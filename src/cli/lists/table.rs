//! Rows and columns, as text, as CSV and as Markdown.

use unicode_width::UnicodeWidthStr;

use crate::cli::render::shown;

/// Rows under a head.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Table {
    pub(in crate::cli) head: Vec<String>,
    pub(in crate::cli) rows: Vec<Vec<String>>,
}

/// Whether text is in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Colour {
    On,
    Off,
}

/// How a piece of text is set, where there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Tone {
    Strong,
    Good,
    Soft,
}

impl Colour {
    /// The text in a tone.
    pub(in crate::cli) fn set(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Soft => "2",
        };
        match self {
            Self::On if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

impl Table {
    pub(in crate::cli) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self {
            head: head.map(str::to_owned).into(),
            rows: Vec::new(),
        }
    }

    /// The same without columns in which nothing stands; the first stays.
    pub(in crate::cli) fn without_empty(&self) -> Self {
        let full = |column: usize| column == 0 || self.rows.iter().any(|row| !row[column].is_empty());
        let full: Vec<usize> = (0..self.head.len()).filter(|column| full(*column)).collect();
        let pick = |row: &Vec<String>| full.iter().map(|column| row[*column].clone()).collect();
        Self {
            head: pick(&self.head),
            rows: self.rows.iter().map(pick).collect(),
        }
    }

    /// Columns beside each other, two spaces apart, behind two spaces. The head is left out where there is one column.
    pub(in crate::cli) fn text(&self, colour: Colour) -> String {
        let head: Vec<String> = self.head.iter().map(|cell| shown(cell)).collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect()).collect();
        let wide = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).chain(head.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(wide).collect();
        let line = |cells: &[String], tone: &dyn Fn(usize) -> Option<Tone>| {
            let mut line = String::from(" ");
            let last = cells.iter().rposition(|cell| !cell.is_empty());
            for (column, cell) in cells.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
                line.push(' ');
                line.push_str(&tone(column).map_or_else(|| cell.clone(), |tone| colour.set(tone, cell)));
                if Some(column) != last {
                    line.push_str(&" ".repeat(widths[column] - cell.width() + 1));
                }
            }
            line.push('\n');
            line
        };
        let mut text = String::new();
        if head.len() > 1 {
            text.push_str(&line(&head, &|_| Some(Tone::Soft)));
        }
        for row in &rows {
            text.push_str(&line(row, &|column| (column == 1).then_some(Tone::Good)));
        }
        text
    }

    /// CSV with every cell in quotes; what a spreadsheet would run is [made harmless](harmless).
    ///
    /// # Errors
    /// Memory that cannot be written to, which does not happen.
    pub(in crate::cli) fn csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::WriterBuilder::new()
            .quote_style(csv::QuoteStyle::Always)
            .flexible(true)
            .from_writer(Vec::new());
        for row in std::iter::once(&self.head).chain(&self.rows) {
            writer.write_record(row.iter().map(|cell| harmless(cell)))?;
        }
        let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A table of GitHub's Markdown.
    pub(in crate::cli) fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
        let mut text = line(&mut self.head.iter().map(|cell| markdown(cell)));
        text.push_str(&line(&mut self.head.iter().map(|_| "---".to_owned())));
        for row in &self.rows {
            text.push_str(&line(&mut row.iter().map(|cell| markdown(cell))));
        }
        text
    }
}

/// A cell that no spreadsheet takes for a formula: one that begins with `=`, `+`, `-`, `@`, their wide forms, a tab or the
/// end of a line gets an apostrophe in front. So does one that begins with an apostrophe, so that taking one away always
/// gives the value back.
pub(in crate::cli) fn harmless(cell: &str) -> String {
    let begins = |char: char| {
        matches!(
            char,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\'' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}'
        )
    };
    if cell.starts_with(begins) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// Text that is nothing but text in Markdown, an address that GitHub would make a link of included.
pub(in crate::cli) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in shown(text).chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // What follows would be somebody's name, or make an address.
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(char);
            }
            other => escaped.push(other),
        }
    }
    escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["id", "level", "through"]);
        for row in [
            ["ledger", "write", ""],
            ["データ", "", "a|b"],
            ["=x\n\u{1b}[31m", "read", "\"q\""],
        ] {
            table.rows.push(row.map(str::to_owned).into());
        }
        table
    }

    #[test]
    fn columns_stand_beside_each_other_whatever_is_in_them() {
        let text = table().text(Colour::Off);
        let lines = [
            "  id              level  through",
            "  ledger          write",
            "  データ                 a|b",
            "  =x\\n\\u{1b}[31m  read   \"q\"",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn columns_in_which_nothing_stands_are_left_out() {
        let mut table = Table::new(["id", "level", "through"]);
        table.rows.push(["", "", "x"].map(str::to_owned).into());
        let full = table.without_empty();
        assert_eq!(
            (full.head, full.rows),
            (
                vec!["id".to_owned(), "through".to_owned()],
                vec![vec![String::new(), "x".to_owned()]]
            )
        );
    }

    #[test]
    fn csv_is_read_back_as_it_was_but_for_what_a_spreadsheet_would_run() {
        let csv = table().csv().expect("CSV");
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        assert_eq!(reader.headers().expect("a head"), vec!["id", "level", "through"]);
        let rows: Vec<Vec<String>> = reader.deserialize().collect::<Result<_, _>>().expect("rows");
        assert_eq!(rows[2], ["'=x\n\u{1b}[31m", "read", "\"q\""]);
        for (cell, safe) in [
            ("=1", "'=1"),
            ("'a", "''a"),
            ("a=1", "a=1"),
            ("", ""),
            ("\u{ff1d}1", "'\u{ff1d}1"),
        ] {
            assert_eq!(harmless(cell), safe);
        }
    }

    #[test]
    fn markdown_keeps_text_text() {
        let text = table().markdown();
        assert!(
            text.starts_with("| id | level | through |\n| --- | --- | --- |\n| ledger | write |  |\n"),
            "{text}"
        );
        assert!(text.contains("a\\|b"), "{text}");
        assert_eq!(markdown("<b>[x](http://y)"), "&lt;b&gt;\\[x\\](http&#58;//y)");
        assert_eq!(markdown("@ana ana@example.com"), "&#64;ana ana&#64;example.com");
    }
}
