//! Edits of the keys of one entry.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::entries::Rest;
use super::flow;
use super::outline::{Layout, Member, Outline, Place, Quotes, Shape};
use super::render::Style;
use super::splice::Splices;
use super::{Item, Scalar};

/// Why an edit is left to a person, and where.
#[derive(Debug)]
pub(super) struct Stuck {
    pub(super) at: Range<usize>,
    pub(super) why: &'static str,
}

impl Stuck {
    pub(super) fn at(at: Range<usize>, why: &'static str) -> Self {
        Self { at, why }
    }
}

/// Where a mapping's members are, and what to do if there is no mapping yet.
#[derive(Clone, Copy)]
pub(super) struct Owner<'o> {
    pub(super) place: &'o Place,
    pub(super) colon: Option<usize>,
}

/// A new value of a key.
pub(super) enum New<'n> {
    Scalar(&'n Scalar),
    List(&'n [Item]),
}

/// The edits of one entry, collected.
pub(super) struct Keys<'o, 't> {
    pub(super) outline: &'o Outline<'t>,
    pub(super) style: Style,
    /// Whether lists of the entry and of its neighbours have one line for each item, and how far it is indented.
    pub(super) dash: Option<usize>,
    pub(super) splices: &'o mut Splices,
}

impl Keys<'_, '_> {
    /// Gives a key a value.
    pub(super) fn set(&mut self, owner: Owner<'_>, key: &str, new: &New<'_>) -> Result<(), Stuck> {
        if let Some(member) = owner.place.member(key) {
            return self.replace(member, new);
        }
        match &owner.place.shape {
            Shape::Map(Layout::Flow, members) => {
                let items: Vec<_> = members.iter().map(Member::range).collect();
                let pair = [self.style.pair(key, &self.value(new))];
                flow::add(self.outline, &owner.place.range, &items, &pair, self.style.padded, self.splices);
                Ok(())
            }
            Shape::Map(Layout::Block, members) => self.add_lines(members, key, new),
            _ if owner.place.is_null() => {
                let braces = self.style.braces(&[self.style.pair(key, &self.value(new))]);
                self.fill(owner.place, owner.colon, &braces);
                Ok(())
            }
            _ => Err(Stuck::at(owner.place.range.clone(), "this is no mapping")),
        }
    }

    /// Takes a key out.
    pub(super) fn unset(&mut self, place: &Place, key: &str) {
        let members = place.members();
        let gone: Vec<bool> = members.iter().map(|member| member.name == key).collect();
        if !gone.contains(&true) {
            return;
        }
        match &place.shape {
            Shape::Map(Layout::Flow, _) => {
                let items: Vec<_> = members.iter().map(Member::range).collect();
                flow::remove(self.outline, &place.range, &items, &gone, self.splices);
            }
            _ => {
                for member in members.iter().filter(|member| member.name == key) {
                    self.splices.strike(self.outline, member.range());
                }
            }
        }
    }

    /// Adds items to a list. Those that are there and get another permission come first, since they may have the lines
    /// behind which the others go.
    pub(super) fn add(&mut self, owner: Owner<'_>, list: &'static str, items: &[Item]) -> Result<Rest, Stuck> {
        let Some(member) = owner.place.member(list) else {
            if !items.is_empty() {
                self.set(owner, list, &New::List(items))?;
            }
            return Ok(Rest::Nothing);
        };
        let (layout, listed) = match &member.value.shape {
            Shape::List(layout, listed) => (*layout, listed),
            _ if member.value.is_null() && items.is_empty() => return Ok(Rest::Nothing),
            _ if member.value.is_null() => {
                return self.replace(member, &New::List(items)).map(|()| Rest::Nothing);
            }
            _ => return Err(Stuck::at(member.value.range.clone(), "this is no list")),
        };
        let mut known: HashMap<&str, Vec<&Place>> = HashMap::new();
        for item in listed {
            if let Some(id) = id_of(item) {
                known.entry(id).or_default().push(item);
            }
        }
        let (old, new): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| known.contains_key(item.id.as_str()));
        let mut changes = false;
        for item in old {
            for place in known.get(item.id.as_str()).into_iter().flatten() {
                changes |= self.relevel(place, item)?;
            }
        }
        if new.is_empty() {
            return Ok(Rest::Nothing);
        }
        if changes {
            return Ok(Rest::Some);
        }
        let new: Vec<String> = new.into_iter().map(|item| self.style.item(item)).collect();
        match (layout, listed.first().zip(listed.last())) {
            (Layout::Block, Some((first, last))) => {
                let indent = self.outline.indent(self.dash_of(first)?).ok_or_else(|| beside(first))?;
                let before = format!("{}{indent}- ", self.outline.line_break());
                let lines = new.iter().map(|item| format!("{before}{item}")).collect();
                self.splices.put(self.outline.line_end(last.range.end), lines);
            }
            _ => {
                let ranges: Vec<_> = listed.iter().map(|item| item.range.clone()).collect();
                // A list in brackets has no space inside them.
                flow::add(self.outline, &member.value.range, &ranges, &new, false, self.splices);
            }
        }
        Ok(Rest::Nothing)
    }

    /// Takes items out of a list.
    pub(super) fn remove(&mut self, place: &Place, list: &str, ids: &[String]) -> Result<(), Stuck> {
        let Some(member) = place.member(list) else { return Ok(()) };
        let (layout, listed) = match &member.value.shape {
            Shape::List(layout, listed) => (*layout, listed),
            _ if member.value.is_null() => return Ok(()),
            _ => return Err(Stuck::at(member.value.range.clone(), "this is no list")),
        };
        let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let gone: Vec<bool> = listed.iter().map(|item| id_of(item).is_some_and(|id| ids.contains(id))).collect();
        if !gone.contains(&true) {
            return Ok(());
        }
        if layout == Layout::Flow {
            let ranges: Vec<_> = listed.iter().map(|item| item.range.clone()).collect();
            flow::remove(self.outline, &member.value.range, &ranges, &gone, self.splices);
            return Ok(());
        }
        for (item, _) in listed.iter().zip(&gone).filter(|(_, gone)| **gone) {
            let dash = self.dash_of(item)?;
            self.outline.indent(dash).ok_or_else(|| beside(item))?;
            self.splices.strike(self.outline, dash..item.range.end);
        }
        Ok(())
    }

    /// Gives an item that is in a list the permission that is stated, or none of its own. Says whether that changes it.
    fn relevel(&mut self, old: &Place, item: &Item) -> Result<bool, Stuck> {
        let written = &self.outline.text[old.range.clone()];
        let level = old.member("permission").map(|level| &level.value.shape);
        match (&old.shape, item.permission) {
            (Shape::Map(..), Some(permission)) => {
                if matches!(level, Some(Shape::Scalar(_, level)) if level == permission.name()) {
                    return Ok(false);
                }
                let owner = Owner {
                    place: old,
                    colon: None,
                };
                let value = Scalar::Text(permission.name().to_owned());
                self.set(owner, "permission", &New::Scalar(&value))?;
            }
            (Shape::Map(..), None) if level.is_some() => self.unset(old, "permission"),
            (Shape::Scalar(..), Some(_)) if written.contains('\n') => return Err(beside(old)),
            (Shape::Scalar(..), Some(_)) => {
                let words = self.style.item_as(written, item.permission);
                self.splices.replace(old.range.clone(), words);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Adds a key behind the others, on a line of its own.
    fn add_lines(&mut self, members: &[Member], key: &str, new: &New<'_>) -> Result<(), Stuck> {
        let (Some(first), Some(last)) = (members.first(), members.last()) else {
            return Ok(());
        };
        let start = self.outline.line_start(first.key.start);
        let before = &self.outline.text[start..first.key.start];
        // The first key of an item stands behind its dash.
        if !before.bytes().all(|byte| matches!(byte, b' ' | b'-')) {
            return Err(Stuck::at(
                first.key.clone(),
                "what stands before this key on its line hides how far it is indented",
            ));
        }
        let indent = " ".repeat(before.len());
        let line_break = self.outline.line_break();
        let line = match (new, self.dash) {
            (New::List(items), Some(deeper)) if !items.is_empty() => {
                let dash = format!("{line_break}{indent}{}- ", " ".repeat(deeper));
                let items: String = items.iter().map(|item| format!("{dash}{}", self.style.item(item))).collect();
                format!("{line_break}{indent}{}:{items}", self.style.key(key))
            }
            _ => format!("{line_break}{indent}{}", self.style.pair(key, &self.value(new))),
        };
        self.splices.put(self.outline.line_end(last.range().end), line);
        Ok(())
    }

    /// Gives a key that is there another value.
    fn replace(&mut self, member: &Member, new: &New<'_>) -> Result<(), Stuck> {
        let place = &member.value;
        let mut style = self.style.clone();
        match (&place.shape, new) {
            _ if place.range.is_empty() => {
                let words = self.value(new);
                self.fill(place, member.colon, &words);
                return Ok(());
            }
            (Shape::Scalar(quotes, old), New::Scalar(Scalar::Text(text))) => {
                if old == text
                    && !place.is_null()
                    && (*quotes != Quotes::Plain || !matches!(text.as_str(), "true" | "false"))
                {
                    return Ok(());
                }
                if *quotes != Quotes::Block {
                    style.values = *quotes;
                }
            }
            (Shape::Scalar(Quotes::Plain, old), New::Scalar(Scalar::Flag(flag))) if *old == flag.to_string() => {
                return Ok(());
            }
            _ => {}
        }
        let words = match new {
            New::Scalar(scalar) => style.scalar(scalar),
            New::List(items) => style.list(items),
        };
        let from = member.colon.map_or(place.range.start, |colon| colon + 1);
        let block = matches!(place.shape, Shape::Map(Layout::Block, _) | Shape::List(Layout::Block, _));
        let range = if block {
            from..place.range.end
        } else {
            place.range.clone()
        };
        if !self.outline.comments_in(&range).is_empty() {
            return Err(Stuck::at(place.range.clone(), "there are comments inside this value"));
        }
        self.splices.replace(range, if block { format!(" {words}") } else { words });
        Ok(())
    }

    /// Writes a value where nothing is written, or a word for nothing.
    pub(super) fn fill(&mut self, place: &Place, colon: Option<usize>, words: &str) {
        match colon {
            _ if !place.range.is_empty() => self.splices.replace(place.range.clone(), words.to_owned()),
            Some(_) => self.splices.put(place.range.start, format!(" {words}")),
            None => self.splices.put(place.range.start, format!(": {words}")),
        }
    }

    fn value(&self, new: &New<'_>) -> String {
        match new {
            New::Scalar(scalar) => self.style.scalar(scalar),
            New::List(items) => self.style.list(items),
        }
    }

    /// Where the dash of an item is.
    fn dash_of(&self, item: &Place) -> Result<usize, Stuck> {
        dash_of(self.outline, item).ok_or_else(|| beside(item))
    }
}

/// Where the dash of an item of a list is.
pub(super) fn dash_of(outline: &Outline<'_>, item: &Place) -> Option<usize> {
    let before = outline.text[..item.range.start].trim_end_matches([' ', '\t', '\r', '\n']);
    before.ends_with('-').then(|| before.len() - 1)
}

fn beside(item: &Place) -> Stuck {
    Stuck::at(item.range.clone(), "this item shares its lines with something else")
}

/// The id of a list's item.
fn id_of(item: &Place) -> Option<&str> {
    let scalar = match &item.shape {
        Shape::Map(..) => &item.member("id")?.value,
        _ => item,
    };
    match &scalar.shape {
        Shape::Scalar(_, text) if !scalar.is_null() => Some(text),
        _ => None,
    }
}
