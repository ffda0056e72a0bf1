//! Faults: what an author of a policy, a schema or data has to mend.

use std::fmt;
use std::sync::Arc;

use super::text::{Place, Span, Text};

/// How much a fault matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The sources are refused as a whole.
    Error,
    /// The sources are taken, and the author is told.
    Warning,
}

/// One thing for an author to mend.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Whether the sources are refused for it.
    pub severity: Severity,
    /// A short stable word for machines, such as `policy-syntax`.
    pub code: &'static str,
    /// What is wrong: lowercase, the author's words in backticks, no final period.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where, if it has one place.
    pub place: Option<Place>,
    /// The text that `place` points into, so that the line can be shown.
    pub text: Option<Text>,
    /// Other places that belong to it, each with a word about it.
    pub related: Vec<(Place, String)>,
}

impl Fault {
    /// An error without a place.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            help: None,
            place: None,
            text: None,
            related: Vec::new(),
        }
    }

    /// The same as a warning.
    pub fn into_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same, at a span of a text.
    pub fn at(mut self, text: &Text, span: Span) -> Self {
        self.place = Some(text.place(span));
        self.text = Some(text.clone());
        self
    }

    /// The same, about a file that could not be read as text.
    pub fn in_file(mut self, name: impl Into<Arc<str>>) -> Self {
        self.place = Some(Place {
            file: name.into(),
            line: 1,
            column: 1,
            span: Span::default(),
        });
        self
    }

    /// The same, with advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with another place that belongs to it.
    pub fn and_at(mut self, place: Place, what: impl Into<String>) -> Self {
        self.related.push((place, what.into()));
        self
    }

    /// The fault for machines: severity, code, message, help, file, line, column, offset and length in bytes, and
    /// related places.
    pub fn to_json(&self) -> serde_json::Value {
        let place = self.place.as_ref();
        serde_json::json!({
            "severity": match self.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "code": self.code,
            "message": self.message,
            "help": self.help,
            "file": place.map(|place| &*place.file),
            "line": place.map(|place| place.line),
            "column": place.map(|place| place.column),
            "offset": place.map(|place| place.span.offset),
            "length": place.map(|place| place.span.len),
            "related": self.related.iter().map(|(place, what)| serde_json::json!({
                "what": what, "file": &*place.file, "line": place.line, "column": place.column,
            })).collect::<Vec<_>>(),
        })
    }

    /// The faults of characters in a text that turn its direction, comments included.
    pub(super) fn bidirectional(text: &Text) -> impl Iterator<Item = Self> {
        text.bidirectional().map(|(span, char)| {
            Self::error(
                "bidirectional-text",
                format!("the character U+{:04X} turns the direction of the text", u32::from(char)),
            )
            .at(text, span)
            .help("remove it: what a reviewer sees is not what is evaluated")
        })
    }

    /// A fault from what Cedar reports, with its span in `text` and its help.
    pub(super) fn from_cedar(code: &'static str, report: &dyn miette::Diagnostic, text: Option<&Text>) -> Self {
        let mut fault = Self::error(code, report.to_string());
        let mut labels = report.labels().into_iter().flatten();
        if let Some(text) = text {
            let label = labels.next();
            let span = label.as_ref().map_or(Span::default(), |label| Span::new(label.offset(), label.len()));
            if let Some(words) = label.as_ref().and_then(|label| label.label()) {
                fault.message = format!("{}: {words}", fault.message);
            }
            fault = fault.at(text, span);
            for label in labels {
                let place = text.place(Span::new(label.offset(), label.len()));
                fault = fault.and_at(place, label.label().unwrap_or("and here").to_owned());
            }
        }
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(report);
        while let Some(error) = cause {
            let words = error.to_string();
            if !fault.message.contains(&words) {
                causes.push(words);
            }
            cause = error.source();
        }
        if !causes.is_empty() {
            fault.message = format!("{}: {}", fault.message, causes.join(": "));
        }
        fault.help = report.help().map(|help| help.to_string());
        fault
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        for (place, what) in &self.related {
            write!(f, " ({what}: {place})")?;
        }
        Ok(())
    }
}

/// Every fault of a set of sources that was refused, in the order of files and lines. Never empty.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{} in the sources, the first: {}", count(.0.len()), .0[0])]
pub struct Faults(Vec<Fault>);

fn count(faults: usize) -> String {
    match faults {
        1 => "1 fault".to_owned(),
        more => format!("{more} faults"),
    }
}

impl Faults {
    /// The faults as faults if one of them is an error; otherwise the warnings, for the caller to keep.
    pub fn check(mut faults: Vec<Fault>) -> Result<Vec<Fault>, Self> {
        faults.sort_by(|a, b| {
            (a.severity, a.place.is_none(), &a.place, &a.message).cmp(&(
                b.severity,
                b.place.is_none(),
                &b.place,
                &b.message,
            ))
        });
        match faults.first() {
            Some(first) if first.severity == Severity::Error => Err(Self(faults)),
            _ => Ok(faults),
        }
    }

    /// The faults, errors before warnings, then by file and line.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    /// The first fault.
    pub fn first(&self) -> &Fault {
        &self.0[0]
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, owned.
    pub fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The longest word, in characters, that is compared: nobody mistypes longer ones, and comparing costs the product of two
/// lengths.
const WORD_MAX: usize = 128;

/// The nearest of `known` to `word`, for "did you mean": at most a third of its letters apart, neighbours that changed
/// places counting as one. Words of more than 128 characters are near to nothing.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().take(WORD_MAX + 1).count();
    if length > WORD_MAX {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .filter_map(|candidate| {
            let own = candidate.chars().take(2 * WORD_MAX).count();
            let apart_max = own.max(3) / 3;
            // As many letters as the lengths differ by are apart at least.
            if own.abs_diff(length) > apart_max {
                return None;
            }
            let distance = strsim::osa_distance(&word, &candidate.to_lowercase());
            (distance <= apart_max).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["Admin", "Manager", "Member"];
        assert_eq!(nearest("admn", known), Some("Admin"));
        assert_eq!(nearest("Membre", known), Some("Member"));
        assert_eq!(nearest("wriet", ["read", "write"]), Some("write"));
        assert_eq!(nearest("Owner", known), None);
    }

    #[test]
    fn a_word_that_is_far_too_long_is_compared_with_nothing() {
        let (long, longer) = ("x".repeat(WORD_MAX), "x".repeat(WORD_MAX + 1));
        assert_eq!(nearest(&long, [longer.as_str()]), Some(longer.as_str()));
        assert_eq!(nearest(&longer, [longer.as_str()]), None);
        // Of 2,000 names and a word of a million letters not one pair is compared: that would be 10^11 steps.
        let known: Vec<String> = (0..2_000).map(|number| format!("user-{number:08}@example.com")).collect();
        assert_eq!(nearest(&"x".repeat(1_000_000), known.iter().map(String::as_str)), None);
        let huge = "y".repeat(1_000_000);
        assert_eq!(nearest("yy", [huge.as_str()]), None);
    }

    #[test]
    fn warnings_alone_are_handed_back_and_an_error_refuses_all() {
        let warning = Fault::error("w", "minor").into_warning();
        assert_eq!(Faults::check(vec![warning.clone()]).expect("only a warning").len(), 1);
        let faults = Faults::check(vec![warning, Fault::error("e", "major")]).expect_err("an error");
        assert_eq!(faults.first().message, "major");
        assert_eq!(faults.len(), 2);
    }
}
