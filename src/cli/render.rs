//! Faults as people and machines read them.

use std::borrow::Cow;
use std::fmt;
use std::io::IsTerminal;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};

use crate::engine::{Fault, Severity};

/// Where text goes, which decides on colours.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Output,
    Error,
}

/// Whether text that goes there may be in colour: it is a terminal, and nobody has asked for none.
pub(super) fn is_coloured(stream: Stream) -> bool {
    let on_terminal = match stream {
        Stream::Output => std::io::stdout().is_terminal(),
        Stream::Error => std::io::stderr().is_terminal(),
    };
    on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A fault with its line underlined, as Cedar's own tools show them.
pub(super) fn fault(fault: &Fault, stream: Stream) -> String {
    let theme = if is_coloured(stream) {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let mut text = String::new();
    let shown = Shown::of(fault);
    let drawn = GraphicalReportHandler::new_themed(theme).with_width(110).render_report(&mut text, &shown);
    match drawn {
        Ok(()) => text.trim_end().to_owned(),
        Err(_) => shown_lines(&fault.to_string()),
    }
}

/// A fault in the shape that miette draws.
struct Shown<'f> {
    fault: &'f Fault,
    /// The text that it is in, without what a terminal would obey, byte for byte as long.
    content: Option<Cow<'f, str>>,
    help: Option<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_lines(&self.fault.message))?;
        // With its text, the place is drawn; without, it is said.
        if self.fault.text.is_none()
            && let Some(place) = &self.fault.place
        {
            write!(f, " ({}", shown(&place.file))?;
            if place.span.len > 0 {
                write!(f, ":{}", place.line)?;
            }
            f.write_str(")")?;
        }
        for (place, what) in self.fault.related.iter().filter(|(place, _)| !self.draws(&place.file)) {
            write!(f, "; {}: {}", shown_lines(what), shown(&place.to_string()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Shown<'_> {}

impl<'f> Shown<'f> {
    fn of(fault: &'f Fault) -> Self {
        Self {
            fault,
            content: fault.text.as_ref().map(|text| tamed(&text.content)),
            help: fault.help.as_ref().map(|help| shown_lines(help)),
        }
    }

    fn draws(&self, file: &str) -> bool {
        self.fault.text.as_ref().is_some_and(|text| *text.name == *file)
    }
}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.fault.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.fault.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.fault.text.as_ref().map(|_| self as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.fault.place.as_ref()?;
        let first = LabeledSpan::new_primary_with_span(None, (place.span.offset, place.span.len));
        let others = self
            .fault
            .related
            .iter()
            .filter(|(place, _)| self.draws(&place.file))
            .map(|(place, what)| {
                LabeledSpan::new_with_span(Some(shown_lines(what)), (place.span.offset, place.span.len))
            });
        Some(Box::new(std::iter::once(first).chain(others)))
    }
}

impl SourceCode for Shown<'_> {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let text = self.fault.text.as_ref().ok_or(miette::MietteError::OutOfBounds)?;
        let content: &str = self.content.as_deref().unwrap_or_default();
        let inner = content.read_span(span, lines_before, lines_after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            shown(&text.name),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

/// Whether a character moves the cursor, ends a line, turns the direction or is not there to see.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(char, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text in which nothing moves the cursor, ends a line or turns the direction, whatever somebody chose as an id.
pub(super) fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if is_hidden(char) {
            safe.extend(char.escape_default());
        } else {
            safe.push(char);
        }
    }
    safe
}

/// The same of each line.
pub(super) fn shown_lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// A text with a question mark for each byte of such characters, but for the ends of lines and tabs.
fn tamed(text: &str) -> Cow<'_, str> {
    let obeyed = |char: char| is_hidden(char) && !matches!(char, '\n' | '\r' | '\t');
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut tame = String::with_capacity(text.len());
    for char in text.chars() {
        if obeyed(char) {
            tame.extend(std::iter::repeat_n('?', char.len_utf8()));
        } else {
            tame.push(char);
        }
    }
    Cow::Owned(tame)
}

/// The same JSON, with such characters as escapes: they stand in strings, but for the ends of its own lines.
pub(super) fn shown_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for char in json.chars() {
        if is_hidden(char) && char != '\n' {
            let units = &mut [0; 2];
            for unit in char.encode_utf16(units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(char);
        }
    }
    safe
}
