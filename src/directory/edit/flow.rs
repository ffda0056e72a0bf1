//! Items of a collection in brackets: how they are added and taken out.

use std::ops::Range;

use super::outline::Outline;
use super::splice::Splices;

/// Adds items behind the last, each on a line of its own where the last has one.
pub(super) fn add(
    outline: &Outline<'_>,
    collection: &Range<usize>,
    items: &[Range<usize>],
    new: &[String],
    padded: bool,
    splices: &mut Splices,
) {
    let close = collection.end - 1;
    let Some(last) = items.last() else {
        return fill(outline, collection, new, padded, splices);
    };
    let tail = outline.find(b',', last.end..close);
    let before = items.len().checked_sub(2).map_or(collection.start, |index| items[index].end);
    let indent = outline.indent(last.start).filter(|_| outline.has_lines(before..last.start));
    let Some(indent) = indent else {
        let separator = separator(outline, items);
        let words = new.iter().map(|item| format!("{separator}{item}")).collect();
        return splices.put(last.end, words);
    };
    let line_break = outline.line_break();
    let lines: Vec<String> = new.iter().map(|item| format!("{line_break}{indent}{item}")).collect();
    let end = outline.line_end(tail.unwrap_or(last.end));
    if end > close {
        return splices.put(last.end, format!(",{}", lines.join(",")));
    }
    match tail {
        Some(_) => splices.put(end, lines.iter().map(|line| format!("{line},")).collect()),
        None => {
            splices.put(last.end, ",".to_owned());
            splices.put(end, lines.join(","));
        }
    }
}

/// Fills empty brackets.
fn fill(outline: &Outline<'_>, collection: &Range<usize>, new: &[String], padded: bool, splices: &mut Splices) {
    let inner = collection.start + 1..collection.end - 1;
    let pad = if padded { " " } else { "" };
    let close = outline.indent(inner.end).filter(|_| outline.has_lines(inner.clone()));
    if let Some(close) = close {
        let (line_break, start) = (outline.line_break(), outline.line_start(inner.end));
        let lines: Vec<String> = new.iter().map(|item| format!("{close}  {item}")).collect();
        splices.put(start, lines.join(&format!(",{line_break}")) + line_break);
    } else if outline.comments_in(&inner).is_empty() {
        splices.replace(inner, format!("{pad}{}{pad}", new.join(", ")));
    } else {
        splices.put(inner.end, format!("{pad}{}{pad}", new.join(", ")));
    }
}

/// What stands between two items.
fn separator<'t>(outline: &Outline<'t>, items: &[Range<usize>]) -> &'t str {
    let written = match items {
        [.., one, other] => &outline.text[one.end..other.start],
        _ => ", ",
    };
    if matches!(written, "," | ", " | ",  ") {
        written
    } else {
        ", "
    }
}

/// Takes items out, with one comma each.
pub(super) fn remove(
    outline: &Outline<'_>,
    collection: &Range<usize>,
    items: &[Range<usize>],
    gone: &[bool],
    splices: &mut Splices,
) {
    let inner = collection.start + 1..collection.end - 1;
    let one_line = |range: Range<usize>| !outline.has_lines(range.clone()) && outline.comments_in(&range).is_empty();
    let comma = |index: usize| {
        let end = items.get(index + 1).map_or(inner.end, |next| next.start);
        outline.find(b',', items[index].end..end)
    };
    if gone.iter().all(|gone| *gone) && outline.comments_in(&inner).is_empty() {
        return splices.cut(inner);
    }
    let mut first = 0;
    while first < items.len() {
        if !gone[first] {
            first += 1;
            continue;
        }
        let last = (first..items.len()).take_while(|index| gone[*index]).last().unwrap_or(first);
        let start = items[first].start;
        let before = first.checked_sub(1);
        match (items.get(last + 1), comma(last), before) {
            (Some(next), _, _) if one_line(start..next.start) => splices.cut(start..next.start),
            (None, Some(tail), Some(before)) if one_line(items[before].end..tail) => {
                splices.cut(comma(before).map_or(start, |comma| comma + 1)..tail + 1);
            }
            (_, Some(comma), _) => splices.strike(outline, start..comma + 1),
            (_, None, Some(before)) if one_line(items[before].end..items[last].end) => {
                splices.cut(items[before].end..items[last].end);
            }
            (_, None, before) => {
                if let Some(comma) = before.and_then(comma) {
                    splices.cut(comma..comma + 1);
                }
                splices.strike(outline, start..items[last].end);
            }
        }
        first = last + 1;
    }
}
