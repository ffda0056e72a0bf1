//! Where everything in a document stands, and how it is written.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

/// A document's text and the places in it.
#[derive(Debug)]
pub(super) struct Outline<'t> {
    pub(super) text: &'t str,
    pub(super) language: Language,
    pub(super) root: Option<Place>,
    /// The comments in their order, each from its `#` to the end of its line.
    pub(super) comments: Vec<Range<usize>>,
}

/// What a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Yaml,
    Json,
}

/// A value: its bytes and what stands in them.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// From the first byte of the value to behind its last, without the space and comments around it.
    pub(super) range: Range<usize>,
    /// Whether it has an anchor or a tag.
    pub(super) marked: bool,
    pub(super) shape: Shape,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Scalar(Quotes, String),
    List(Layout, Vec<Place>),
    Map(Layout, Vec<Member>),
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    Plain,
    Single,
    Double,
    /// `|` and `>`.
    Block,
}

/// How a collection is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// In brackets.
    Flow,
    /// By indentation.
    Block,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// The key with its quotes.
    pub(super) key: Range<usize>,
    pub(super) quotes: Quotes,
    /// Whether the key has an anchor or a tag.
    pub(super) marked: bool,
    /// Where the colon is, if there is one.
    pub(super) colon: Option<usize>,
    /// A value that is not written has an empty range behind the colon.
    pub(super) value: Place,
}

impl Place {
    /// The members of a mapping; none of anything else.
    pub(super) fn members(&self) -> &[Member] {
        match &self.shape {
            Shape::Map(_, members) => members,
            _ => &[],
        }
    }

    /// The member with a key.
    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.name == name)
    }

    /// Whether nothing is written, or the word for nothing.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.shape, Shape::Scalar(Quotes::Plain, text) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The first anchor, tag or merge key in here, by the bytes that have it.
    pub(super) fn mark(&self) -> Option<Range<usize>> {
        if self.marked {
            return Some(self.range.clone());
        }
        match &self.shape {
            Shape::Scalar(..) => None,
            Shape::List(_, items) => items.iter().find_map(Self::mark),
            Shape::Map(_, members) => members.iter().find_map(Member::mark),
        }
    }
}

impl Member {
    /// From the key to the end of the value.
    pub(super) fn range(&self) -> Range<usize> {
        self.key.start..self.value.range.end.max(self.colon.map_or(self.key.end, |colon| colon + 1))
    }

    /// As of a place.
    pub(super) fn mark(&self) -> Option<Range<usize>> {
        let merges = self.name == "<<" && self.quotes == Quotes::Plain;
        if self.marked || merges {
            Some(self.key.clone())
        } else {
            self.value.mark()
        }
    }
}

impl<'t> Outline<'t> {
    /// The outline of a document that has been read without a fault; `None` if this reader disagrees.
    pub(super) fn of(text: &'t str, language: Language) -> Option<Self> {
        let (root, comments) = match language {
            Language::Json => (Some(Json { text, at: 0 }.value()?), Vec::new()),
            Language::Yaml => yaml(text)?,
        };
        Some(Self {
            text,
            language,
            root,
            comments,
        })
    }

    /// The comments that begin in a range.
    pub(super) fn comments_in(&self, range: &Range<usize>) -> &[Range<usize>] {
        let from = self.comments.partition_point(|comment| comment.start < range.start);
        let to = self.comments.partition_point(|comment| comment.start < range.end);
        self.comments.get(from..to).unwrap_or_default()
    }

    /// The first of a byte in a range, outside comments.
    pub(super) fn find(&self, byte: u8, range: Range<usize>) -> Option<usize> {
        let comments = self.comments_in(&range);
        let mut found = self.text.bytes().enumerate().take(range.end).skip(range.start);
        found
            .find(|(at, other)| *other == byte && !comments.iter().any(|comment| comment.contains(at)))
            .map(|(at, _)| at)
    }

    /// Where the line of a byte begins.
    pub(super) fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// Where the line of a byte ends, before its line break.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let end = self.text[at..].find('\n').map_or(self.text.len(), |end| at + end);
        if end > at && self.text.as_bytes()[end - 1] == b'\r' {
            end - 1
        } else {
            end
        }
    }

    /// Where the next line begins, or the end of the text.
    pub(super) fn next_line(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    /// What stands before a byte on its line, if it is only space.
    pub(super) fn indent(&self, at: usize) -> Option<&'t str> {
        let before = &self.text[self.line_start(at)..at];
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        before.bytes().all(|byte| matches!(byte, b' ' | b'\t')).then_some(before)
    }

    /// The line break of this document.
    pub(super) fn line_break(&self) -> &'static str {
        match self.text.find('\n') {
            Some(at) if self.text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// Whether a range has more than one line.
    pub(super) fn has_lines(&self, range: Range<usize>) -> bool {
        self.text.get(range).is_some_and(|text| text.contains('\n'))
    }
}

/// A collection that is being read.
struct Open {
    place: Place,
    key: Option<Member>,
}

fn yaml(text: &str) -> Option<(Option<Place>, Vec<Range<usize>>)> {
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    let mut comments = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let range = span.byte_range()?;
        let place = match event {
            Event::Comment(..) => {
                comments.push(range);
                continue;
            }
            Event::Scalar(value, style, anchor, tag) => {
                let quotes = match style {
                    ScalarStyle::Plain => Quotes::Plain,
                    ScalarStyle::SingleQuoted => Quotes::Single,
                    ScalarStyle::DoubleQuoted => Quotes::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Quotes::Block,
                };
                let missing = quotes == Quotes::Plain && range.is_empty();
                Place {
                    range: if quotes == Quotes::Block {
                        block_scalar(text, range)?
                    } else {
                        range
                    },
                    marked: anchor != 0 || tag.is_some(),
                    shape: Shape::Scalar(quotes, if missing { String::new() } else { value.into_owned() }),
                }
            }
            Event::SequenceStart(style, anchor, tag) => {
                let marked = anchor != 0 || tag.is_some();
                open.push(Open::new(range, marked, Shape::List(style.into(), Vec::new())));
                continue;
            }
            Event::MappingStart(style, anchor, tag) => {
                let marked = anchor != 0 || tag.is_some();
                open.push(Open::new(range, marked, Shape::Map(style.into(), Vec::new())));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop()?.close(range),
            Event::Alias(_) => return None,
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(place),
            Some(open) => open.take(text, place, &comments)?,
        }
    }
    comments.sort_unstable_by_key(|comment: &Range<usize>| comment.start);
    Some((root, comments))
}

impl From<StructureStyle> for Layout {
    fn from(style: StructureStyle) -> Self {
        match style {
            StructureStyle::Block => Self::Block,
            StructureStyle::Flow => Self::Flow,
        }
    }
}

impl Open {
    fn new(range: Range<usize>, marked: bool, shape: Shape) -> Self {
        let place = Place { range, marked, shape };
        Self { place, key: None }
    }

    /// Takes the next value, or key.
    fn take(&mut self, text: &str, mut place: Place, comments: &[Range<usize>]) -> Option<()> {
        match &mut self.place.shape {
            Shape::List(_, items) => items.push(place),
            Shape::Map(_, members) => match self.key.take() {
                Some(mut key) => {
                    let empty = place.range.is_empty();
                    let until = if empty { text.len() } else { place.range.start };
                    key.colon = colon(text, key.key.end, until, comments);
                    if empty && matches!(place.shape, Shape::Scalar(..)) {
                        let at = key.colon.map_or(key.key.end, |colon| colon + 1);
                        place.range = at..at;
                    }
                    members.push(Member { value: place, ..key });
                }
                None => {
                    let Shape::Scalar(quotes, name) = place.shape.clone() else { return None };
                    self.key = Some(Member {
                        name,
                        key: place.range.clone(),
                        quotes,
                        marked: place.marked,
                        colon: None,
                        value: place,
                    });
                }
            },
            Shape::Scalar(..) => return None,
        }
        Some(())
    }

    /// The whole collection, at the event that ends it.
    fn close(self, end: Range<usize>) -> Place {
        let mut place = self.place;
        let (layout, last) = match &place.shape {
            Shape::List(layout, items) => (*layout, items.last().map(|item| item.range.end)),
            Shape::Map(layout, members) => (*layout, members.last().map(|member| member.range().end)),
            Shape::Scalar(..) => (Layout::Flow, None),
        };
        place.range.end = match layout {
            Layout::Flow => end.end,
            // The event stands where the next thing begins, lines and comments later.
            Layout::Block => last.unwrap_or(place.range.start).max(place.range.start),
        };
        place
    }
}

/// The colon behind a key.
fn colon(text: &str, from: usize, until: usize, comments: &[Range<usize>]) -> Option<usize> {
    let mut at = from;
    while at < until {
        match text.as_bytes()[at] {
            b':' => return Some(at),
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'#' => at = comments.iter().find(|comment| comment.start == at)?.end,
            _ => return None,
        }
    }
    None
}

/// A block scalar with its header, from `|` or `>` to the end of its last line that counts.
fn block_scalar(text: &str, content: Range<usize>) -> Option<Range<usize>> {
    // The header is the last line with words before the content, and a comment may stand in it.
    let before = &text[..content.start];
    let line = before.trim_end().rfind('\n').map_or(0, |end| end + 1);
    let header = before[line..].split(" #").next()?;
    let start = line + header.rfind(['|', '>'])?;
    let keeps = header[start - line..].contains('+');
    let written = text[content.clone()].trim_end_matches([' ', '\t']);
    let written = if keeps {
        let written = written.strip_suffix('\n').unwrap_or(written);
        written.strip_suffix('\r').unwrap_or(written)
    } else {
        written.trim_end()
    };
    let end = content.start + written.len();
    let header_end = line + header.trim_end().len();
    Some(start..if written.is_empty() { header_end } else { end })
}

/// A reader of JSON that has been read strictly before; so it needs no limits.
struct Json<'t> {
    text: &'t str,
    at: usize,
}

impl Json<'_> {
    fn byte(&mut self) -> Option<u8> {
        while matches!(self.text.as_bytes().get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.text.as_bytes().get(self.at).copied()
    }

    fn string(&mut self) -> Option<(Range<usize>, String)> {
        let start = self.at;
        let mut end = start + 1;
        while *self.text.as_bytes().get(end)? != b'"' {
            end += if self.text.as_bytes()[end] == b'\\' { 2 } else { 1 };
        }
        self.at = end + 1;
        let range = start..self.at;
        Some((range.clone(), serde_json::from_str(&self.text[range]).ok()?))
    }

    fn value(&mut self) -> Option<Place> {
        let first = self.byte()?;
        let start = self.at;
        let shape = match first {
            b'{' => Shape::Map(Layout::Flow, self.members()?),
            b'[' => Shape::List(Layout::Flow, self.items()?),
            b'"' => Shape::Scalar(Quotes::Double, self.string()?.1),
            _ => {
                let rest = &self.text[start..];
                let len = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                self.at += len;
                Shape::Scalar(Quotes::Plain, rest[..len].to_owned())
            }
        };
        Some(Place {
            range: start..self.at,
            marked: false,
            shape,
        })
    }

    fn items(&mut self) -> Option<Vec<Place>> {
        let mut items = Vec::new();
        self.at += 1;
        while self.byte()? != b']' {
            items.push(self.value()?);
            if self.byte()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(items)
    }

    fn members(&mut self) -> Option<Vec<Member>> {
        let mut members = Vec::new();
        self.at += 1;
        while self.byte()? != b'}' {
            let (key, name) = self.string()?;
            self.byte()?;
            let colon = Some(self.at);
            self.at += 1;
            members.push(Member {
                name,
                key,
                quotes: Quotes::Double,
                marked: false,
                colon,
                value: self.value()?,
            });
            if self.byte()? == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Some(members)
    }
}
