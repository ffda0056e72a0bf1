//! What an operation is about.

use crate::scim::filter::{Filter, Reader, read_path};
use crate::scim::path::{Named, Place, find};
use crate::scim::problem::{Problem, ScimType};
use crate::scim::schema::{Schema, Type};

/// A PATCH path, with everything found in the table.
#[derive(Debug)]
pub(super) enum Target {
    /// An attribute, a part of it, or a part of each of its values.
    Place(Place),
    /// The values that meet a filter, or a part of them.
    Elements(Place, Filter),
    /// A whole extension.
    Extension(&'static Schema),
    /// Something of a schema that we do not know.
    Foreign,
}

/// What a path means, or that there is no such attribute.
pub(super) enum Read {
    Target(Target),
    Unknown,
}

/// Reads a path.
///
/// # Errors
/// `invalidPath`, and `invalidFilter` for what stands in brackets.
pub(super) fn read(kind: Type, text: &str) -> Result<Read, Problem> {
    let wrong = || Problem::of(ScimType::InvalidPath, format!("`{}` is no path", shortened(text)));
    let path = read_path(text);
    let named = find(kind, path.name);
    let Some(bracket) = path.bracket else {
        return Ok(match named {
            Some(Named::Place(place)) => Read::Target(Target::Place(place)),
            Some(Named::Extension(schema)) => Read::Target(Target::Extension(schema)),
            Some(Named::Foreign) => Read::Target(Target::Foreign),
            None => Read::Unknown,
        });
    };
    let place = match named {
        Some(Named::Place(place)) => place,
        Some(Named::Foreign) => return Ok(Read::Target(Target::Foreign)),
        Some(Named::Extension(_)) => return Err(wrong()),
        None => return Ok(Read::Unknown),
    };
    if !place.has_elements() {
        return Err(wrong());
    }
    let mut reader = Reader::new(kind, bracket, Some(place.attribute))?;
    let filter = reader.any()?;
    let rest = reader.close_path()?;
    let part = match rest.strip_prefix('.') {
        Some(part) => Some(place.attribute.part(part).ok_or_else(wrong)?),
        None if rest.is_empty() => None,
        None => return Err(wrong()),
    };
    Ok(Read::Target(Target::Elements(Place { part, ..place }, filter)))
}

/// As much of a caller's text as a message repeats.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 100;
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        format!("{shown}…")
    } else {
        shown
    }
}
