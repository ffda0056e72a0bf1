//! Edits of whole entries: the one that changes, those that come, go, or get another id.

use std::ops::Range;

use super::flow;
use super::keys::{Keys, New, Owner, Stuck, dash_of};
use super::outline::{Language, Layout, Member, Outline, Place, Shape};
use super::render::{EntryLayout, Form, Style};
use super::splice::Splices;
use super::words;
use super::{Change, Edit};

/// What is left of an edit after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing.
    Nothing,
    /// Some of it: it has to be planned again with the text that the pass made.
    Some,
}

/// Adds what one edit takes to `splices`.
pub(super) fn plan(outline: &Outline<'_>, edit: &Edit, splices: &mut Splices) -> Result<Rest, Stuck> {
    let section = outline.root.as_ref().and_then(|root| root.member(edit.kind.key()));
    let entry = section.and_then(|section| section.value.member(&edit.id));
    if let Some(section) = section
        && (section.marked || section.value.marked)
    {
        return Err(Stuck::at(section.key.clone(), "anchors and tags are not edited"));
    }
    let (Some(section), Some(entry)) = (section, entry) else {
        return match (&edit.change, entry) {
            (Change::Create { members }, None) => {
                create(outline, section, edit, members, splices).map(|()| Rest::Nothing)
            }
            _ => Err(Stuck::at(
                section.map_or(0..0, |section| section.key.clone()),
                "it is not in this file",
            )),
        };
    };
    if let Some(mark) = entry.mark() {
        return Err(Stuck::at(mark, "anchors, tags and merge keys are not edited"));
    }
    match &edit.change {
        Change::Create { .. } => Err(Stuck::at(entry.key.clone(), "it is in this file already")),
        Change::Delete => delete(outline, section, entry, splices).map(|()| Rest::Nothing),
        Change::Rename { to } => {
            let words = words::text(to, outline.language, entry.quotes);
            splices.replace(entry.key.clone(), words);
            Ok(Rest::Nothing)
        }
        change => inside(outline, section, entry, change, splices),
    }
}

/// The bytes that an entry has to itself: comments in here go with it.
pub(super) fn extent(outline: &Outline<'_>, entry: &Member) -> Range<usize> {
    let range = entry.range();
    range.start..outline.line_end(range.end)
}

fn inside(
    outline: &Outline<'_>,
    section: &Member,
    entry: &Member,
    change: &Change,
    splices: &mut Splices,
) -> Result<Rest, Stuck> {
    let near = entry.value.member(match change {
        Change::Add { list, .. } => list,
        _ => "",
    });
    let mut places = vec![&section.value, &entry.value];
    places.extend(near.map(|member| &member.value));
    let mut keys = Keys {
        outline,
        style: Style::near(outline, &places),
        dash: dash(outline, &entry.value).or_else(|| dash(outline, &section.value)),
        splices,
    };
    let owner = Owner {
        place: &entry.value,
        colon: entry.colon,
    };
    match change {
        Change::Set { key, value } => keys.set(owner, key, &New::Scalar(value))?,
        Change::Unset { key } => keys.unset(&entry.value, key),
        Change::Add { list, items } => return keys.add(owner, list, items),
        Change::Remove { list, ids } => keys.remove(&entry.value, list, ids)?,
        Change::Create { .. } | Change::Delete | Change::Rename { .. } => {}
    }
    Ok(Rest::Nothing)
}

/// How much deeper than their key the items of block lists in here are.
fn dash(outline: &Outline<'_>, place: &Place) -> Option<usize> {
    place.members().iter().rev().find_map(|member| match &member.value.shape {
        Shape::List(Layout::Block, items) => {
            let dash = outline.indent(dash_of(outline, items.first()?)?)?;
            dash.len().checked_sub(outline.indent(member.key.start)?.len())
        }
        Shape::Map(Layout::Block, _) => dash(outline, &member.value),
        _ => None,
    })
}

fn delete(outline: &Outline<'_>, section: &Member, entry: &Member, splices: &mut Splices) -> Result<(), Stuck> {
    if let Shape::Map(Layout::Flow, entries) = &section.value.shape {
        let items: Vec<_> = entries.iter().map(Member::range).collect();
        let gone: Vec<bool> = entries.iter().map(|other| other.name == entry.name).collect();
        let inside = entry.range();
        let without = Outline {
            text: outline.text,
            language: outline.language,
            root: None,
            comments: outline
                .comments
                .iter()
                .filter(|comment| !inside.contains(&comment.start))
                .cloned()
                .collect(),
        };
        flow::remove(&without, &section.value.range, &items, &gone, splices);
        return Ok(());
    }
    let extent = extent(outline, entry);
    if outline.indent(extent.start).is_none() {
        return Err(Stuck::at(entry.key.clone(), "this key shares its line with something else"));
    }
    splices.cut(outline.line_start(extent.start)..outline.next_line(extent.end));
    Ok(())
}

type Members = [(&'static str, super::Member)];

fn create(
    outline: &Outline<'_>,
    section: Option<&Member>,
    edit: &Edit,
    members: &Members,
    splices: &mut Splices,
) -> Result<(), Stuck> {
    let Some(section) = section else {
        return create_section(outline, edit, members, splices);
    };
    let template = template(outline, Some(section));
    match &section.value.shape {
        Shape::Map(Layout::Flow, entries) => {
            let items: Vec<_> = entries.iter().map(Member::range).collect();
            let form = form(outline, section, template, None, members);
            let new = [form.entry(&edit.id, members)];
            flow::add(outline, &section.value.range, &items, &new, form.style.padded, splices);
        }
        Shape::Map(Layout::Block, entries) => {
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
                return Ok(());
            };
            let indent = outline
                .indent(first.key.start)
                .ok_or_else(|| Stuck::at(first.key.clone(), "this key shares its line with something else"))?;
            let form = form(outline, section, template, Some(indent), members);
            let line_break = form.line_break;
            let airy = entries.len() > 1 && {
                let before = entries[entries.len() - 2].range().end;
                outline.text[before..last.key.start]
                    .lines()
                    .skip(1)
                    .any(|line| line.trim().is_empty() && line.is_empty())
            };
            let gap = if airy { line_break } else { "" };
            let entry = form.entry(&edit.id, members);
            splices.put(outline.line_end(last.range().end), format!("{gap}{line_break}{indent}{entry}"));
        }
        _ if section.value.is_null() => fill_section(outline, section, template, edit, members, splices),
        _ => return Err(Stuck::at(section.value.range.clone(), "this is no mapping")),
    }
    Ok(())
}

/// The first entry of a section that says nothing.
fn fill_section(
    outline: &Outline<'_>,
    section: &Member,
    template: Option<&Member>,
    edit: &Edit,
    members: &Members,
    splices: &mut Splices,
) {
    let block = matches!(
        outline.root.as_ref().map(|root| &root.shape),
        Some(Shape::Map(Layout::Block, _))
    );
    let (Some(colon), true) = (section.colon, block) else {
        let form = form(outline, section, template, None, members);
        let braces = form.style.braces(&[form.entry(&edit.id, members)]);
        let mut keys = Keys {
            outline,
            style: form.style,
            dash: None,
            splices,
        };
        return keys.fill(&section.value, section.colon, &braces);
    };
    let outer = outline.indent(section.key.start).unwrap_or_default();
    let indent = format!("{outer}{}", step(outline));
    let form = form(outline, section, template, Some(&indent), members);
    // A word for nothing goes.
    splices.cut(section.value.range.clone());
    let entry = form.entry(&edit.id, members);
    splices.put(outline.line_end(colon), format!("{}{indent}{entry}", form.line_break));
}

/// A section with its first entry.
fn create_section(outline: &Outline<'_>, edit: &Edit, members: &Members, splices: &mut Splices) -> Result<(), Stuck> {
    let name = edit.kind.key();
    let template = template(outline, None);
    let root = outline.root.as_ref();
    let style = Style::near(outline, &[]);
    let line_break = outline.line_break();
    let entry_in = |outer: &str, at: &Member| {
        let indent = format!("{outer}{}", step(outline));
        let entry = form(outline, at, template, Some(&indent), members).entry(&edit.id, members);
        format!("{outer}{}:{line_break}{indent}{entry}", style.key(name))
    };
    match root.map(|root| &root.shape) {
        Some(Shape::Map(Layout::Flow, sections)) => {
            let range = root.map_or(0..0, |root| root.range.clone());
            let items: Vec<_> = sections.iter().map(Member::range).collect();
            let form = match sections.last() {
                Some(section) => form(outline, section, template, None, members),
                None => Form {
                    layout: EntryLayout::Line,
                    style,
                    line_break,
                },
            };
            let entry = form.entry(&edit.id, members);
            // Entries that have lines of their own get one here too.
            let first = sections.last().and_then(|section| section.value.members().first());
            let new = match first.and_then(|first| outline.indent(first.key.start).zip(sections.last())) {
                Some((indent, section)) => {
                    let close = outline.indent(section.key.start).unwrap_or_default();
                    let braces = format!("{{{line_break}{indent}{entry}{line_break}{close}}}");
                    form.style.pair(name, &braces)
                }
                None => form.style.pair(name, &form.style.braces(&[entry])),
            };
            flow::add(outline, &range, &items, &[new], form.style.padded, splices);
        }
        Some(Shape::Map(Layout::Block, sections)) => {
            let Some(last) = sections.last() else { return Ok(()) };
            let outer = outline
                .indent(last.key.start)
                .ok_or_else(|| Stuck::at(last.key.clone(), "this key shares its line with something else"))?;
            let entry = entry_in(outer, last);
            let words = format!("{line_break}{line_break}{entry}");
            splices.put(outline.line_end(last.range().end), words);
        }
        _ if root.is_none_or(|root| root.is_null() && !root.marked) && outline.language == Language::Yaml => {
            let ended = outline.text.is_empty() || outline.text.ends_with('\n');
            let (start, end) = if ended { ("", line_break) } else { (line_break, "") };
            let form = Form {
                layout: EntryLayout::Line,
                style: style.clone(),
                line_break,
            };
            let entry = form.entry(&edit.id, members);
            let words = format!("{start}{}:{line_break}  {entry}{end}", style.key(name));
            splices.put(outline.text.len(), words);
        }
        _ => return Err(Stuck::at(0..0, "this document is no mapping")),
    }
    Ok(())
}

/// The entry that a new one is modelled on: the last in its section, else the last in any.
fn template<'o>(outline: &'o Outline<'_>, section: Option<&'o Member>) -> Option<&'o Member> {
    let filled =
        |section: &'o Member| section.value.members().iter().rev().find(|entry| !entry.value.members().is_empty());
    let sections = outline.root.as_ref().map(Place::members).unwrap_or_default();
    section.and_then(filled).or_else(|| sections.iter().rev().find_map(filled))
}

/// How deep one level of indentation is.
fn step(outline: &Outline<'_>) -> String {
    let sections = outline.root.as_ref().map(Place::members).unwrap_or_default();
    let deeper = sections.iter().find_map(|section| {
        let entry = outline.indent(section.value.members().first()?.key.start)?;
        let step = entry.strip_prefix(outline.indent(section.key.start)?)?;
        (!step.is_empty()).then_some(step)
    });
    deeper.unwrap_or("  ").to_owned()
}

/// The form of a new entry. `indent` is what stands before its id, if it has lines of its own.
fn form(
    outline: &Outline<'_>,
    section: &Member,
    template: Option<&Member>,
    indent: Option<&str>,
    members: &Members,
) -> Form {
    let mut places = vec![&section.value];
    places.extend(template.map(|entry| &entry.value));
    let style = Style::near(outline, &places);
    let first = template.and_then(|entry| entry.value.members().first());
    let first_indent = first.and_then(|first| outline.indent(first.key.start));
    let template_layout = template.map(|entry| match &entry.value.shape {
        Shape::Map(layout, _) => *layout,
        _ => Layout::Flow,
    });
    let lists = members.iter().any(|(_, member)| matches!(member, super::Member::List(_)));
    let layout = match (template_layout, indent, template, first_indent) {
        (Some(Layout::Flow), _, Some(entry), Some(first)) if outline.has_lines(entry.value.range.clone()) => {
            let close = outline.indent(entry.value.range.end - 1).unwrap_or_default();
            EntryLayout::Braces {
                indent: first.to_owned(),
                close: close.to_owned(),
            }
        }
        (Some(Layout::Block), Some(indent), Some(entry), Some(first)) => {
            let deeper = outline.indent(entry.key.start).and_then(|outer| first.strip_prefix(outer));
            block(outline, indent, deeper.filter(|deeper| !deeper.is_empty()), section)
        }
        (None, Some(indent), ..) if lists => block(outline, indent, None, section),
        _ => EntryLayout::Line,
    };
    Form {
        layout,
        style,
        line_break: outline.line_break(),
    }
}

fn block(outline: &Outline<'_>, indent: &str, deeper: Option<&str>, section: &Member) -> EntryLayout {
    let indent = format!("{indent}{}", deeper.map_or_else(|| step(outline), str::to_owned));
    let dash = dash(outline, &section.value).map(|deeper| format!("{indent}{}", " ".repeat(deeper)));
    EntryLayout::Block { indent, dash }
}
