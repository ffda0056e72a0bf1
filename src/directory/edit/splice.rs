//! Bytes that go and bytes that come, and the text that they make.

use std::ops::Range;

use super::outline::Outline;

/// Replacements in one text, none of which touches what another replaces.
#[derive(Debug, Default)]
pub(super) struct Splices {
    cuts: Vec<Range<usize>>,
    /// Written at an offset, in this order where offsets are equal.
    puts: Vec<(usize, String)>,
}

impl Splices {
    /// Takes bytes out.
    pub(super) fn cut(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.cuts.push(range);
        }
    }

    /// Writes at an offset.
    pub(super) fn put(&mut self, at: usize, words: String) {
        self.puts.push((at, words));
    }

    /// Writes in the place of a range.
    pub(super) fn replace(&mut self, range: Range<usize>, words: String) {
        self.put(range.start, words);
        self.cut(range);
    }

    /// Takes a range out with what it leaves: space at the end of a line, and lines on which nothing is left.
    /// Comments stay, each on its line.
    pub(super) fn strike(&mut self, outline: &Outline<'_>, region: Range<usize>) {
        let text = outline.text;
        let mut at = region.start;
        while at < region.end {
            let line = outline.line_start(at)..outline.line_end(at);
            let end = line.end.min(region.end).max(at);
            let stop = outline.comments_in(&(at..end)).first().map_or(end, |comment| comment.start);
            let (before, after) = (&text[line.start..at], &text[stop..line.end.max(stop)]);
            match (before.trim().is_empty(), after.trim().is_empty()) {
                (true, true) => self.cut(line.start..outline.next_line(at)),
                (false, true) => self.cut(line.start + before.trim_end().len()..line.end),
                // What is left, a comment mostly, takes the place.
                (true, false) => self.cut(at..line.end - after.trim_start().len()),
                (false, false) => self.cut(at..stop),
            }
            at = outline.next_line(at);
            at += text[at..].bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        }
    }

    /// The new text; `None` if something is written into what is taken out.
    pub(super) fn apply(mut self, text: &str) -> Option<String> {
        self.cuts.sort_unstable_by_key(|cut| cut.start);
        let mut merged: Vec<Range<usize>> = Vec::new();
        for cut in self.cuts {
            match merged.last_mut() {
                Some(last) if cut.start <= last.end => last.end = last.end.max(cut.end),
                _ => merged.push(cut),
            }
        }
        // Where the last line goes from a text that ends without a line break, the one before it ends the text.
        if let Some(last) = merged.last_mut()
            && last.end == text.len()
            && !text.ends_with('\n')
            && text[..last.start].ends_with('\n')
        {
            last.start -= if text[..last.start].ends_with("\r\n") { 2 } else { 1 };
        }
        self.puts.sort_by_key(|put| put.0);
        let mut written = String::with_capacity(text.len() + 64);
        let (mut at, mut puts) = (0, self.puts.into_iter().peekable());
        for cut in merged.into_iter().chain(std::iter::once(text.len()..text.len())) {
            while let Some((offset, words)) = puts.next_if(|put| put.0 <= cut.start) {
                written.push_str(text.get(at..offset)?);
                written.push_str(&words);
                at = offset;
            }
            written.push_str(text.get(at..cut.start)?);
            at = cut.end;
        }
        puts.next().is_none().then_some(written)
    }
}
