//! Named texts, and places in them.

use std::fmt;
use std::sync::Arc;

/// A text that an author wrote, under the name that faults call it by: its path below the root, with `/` between parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The path below the root.
    pub name: Arc<str>,
    /// The whole content.
    pub content: Arc<str>,
    /// The offset of each line's first byte.
    lines: Arc<[usize]>,
}

impl Text {
    /// A text from its name and content.
    pub fn new(name: impl Into<Arc<str>>, content: impl Into<Arc<str>>) -> Self {
        let content = content.into();
        let ends = content.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self {
            name: name.into(),
            content,
            lines,
        }
    }

    /// The place of a span of this text.
    pub fn place(&self, span: Span) -> Place {
        let offset = self.content.floor_char_boundary(span.offset.min(self.content.len()));
        let line = self.lines.partition_point(|start| *start <= offset);
        let line_start = self.lines[line - 1];
        Place {
            file: self.name.clone(),
            line,
            column: self.content[line_start..offset].chars().count() + 1,
            span,
        }
    }

    /// Where characters stand that turn the direction of text, which show a reader something else than a parser sees.
    pub fn bidirectional(&self) -> impl Iterator<Item = (Span, char)> {
        self.content
            .char_indices()
            .filter(|(_, char)| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
            .map(|(offset, char)| (Span::new(offset, char.len_utf8()), char))
    }

    /// The span of a part of this text's content.
    ///
    /// `part` must be borrowed from `content`; any other string gives the empty span at the start.
    pub fn span_of(&self, part: &str) -> Span {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.content.as_ptr() as usize);
        if offset <= self.content.len() && part.len() <= self.content.len() - offset {
            Span::new(offset, part.len())
        } else {
            Span::default()
        }
    }
}

/// Bytes of a text: where they begin, and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Byte offset of the first byte.
    pub offset: usize,
    /// Length in bytes.
    pub len: usize,
}

impl Span {
    /// A span from its offset and length in bytes.
    pub const fn new(offset: usize, len: usize) -> Self {
        Self { offset, len }
    }
}

/// Where in which file: what an editor jumps to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The path below the root.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The bytes meant.
    pub span: Span,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
