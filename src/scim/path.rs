//! Names of attributes: `userName`, `name.givenName`, `urn:…:User:name.givenName`.

use std::fmt;

use serde_json::{Map, Value};

use super::attribute::{Attribute, Many};
use super::schema::{SCHEMAS, Schema, Type};

/// An attribute, or a part of one, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where the attribute stands.
    pub home: Home,
    /// The attribute.
    pub attribute: &'static Attribute,
    /// The part of it that is meant.
    pub part: Option<&'static Attribute>,
}

/// Where an attribute stands.
#[derive(Clone, Copy, Debug)]
pub enum Home {
    /// In the resource itself.
    Core,
    /// In an object under the extension's name.
    Extension(&'static Schema),
    /// In an element of an attribute with several values: it is one of that attribute's parts.
    Element,
}

/// What a name was found to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named {
    /// An attribute that we keep.
    Place(Place),
    /// A whole extension that we keep.
    Extension(&'static Schema),
    /// A name within a schema that we do not know.
    Foreign,
}

/// The characters that names are made of.
pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'.' | b'$')
}

/// What a name means for a type of resources, or nothing.
pub(super) fn find(kind: Type, name: &str) -> Option<Named> {
    if !name.is_char_boundary(4) || !name[..4].eq_ignore_ascii_case("urn:") {
        return place(name, Home::Core, |name| kind.attribute(name)).map(Named::Place);
    }
    // A URN has dots of its own, so it is known by the schemas that there are.
    for schema in kind.schemas() {
        let Some(rest) = after(name, schema.id) else { continue };
        let is_core = std::ptr::eq(schema.id, kind.core().id);
        return match (rest, is_core) {
            ("", true) => None,
            ("", false) => Some(Named::Extension(schema)),
            (rest, true) => place(rest, Home::Core, |name| kind.attribute(name)).map(Named::Place),
            (rest, false) => place(rest, Home::Extension(schema), |name| schema.attribute(name)).map(Named::Place),
        };
    }
    // Another type's schema is known, and has no place here.
    let elsewhere = SCHEMAS.iter().any(|schema| after(name, schema.id).is_some());
    (!elsewhere).then_some(Named::Foreign)
}

/// What follows a schema's URN in a name.
fn after<'n>(name: &'n str, urn: &str) -> Option<&'n str> {
    let head = name.get(..urn.len())?;
    let rest = &name[urn.len()..];
    let ends = rest.is_empty() || (rest.starts_with(':') && rest.len() > 1);
    (head.eq_ignore_ascii_case(urn) && ends).then(|| rest.trim_start_matches(':'))
}

fn place(name: &str, home: Home, find: impl Fn(&str) -> Option<&'static Attribute>) -> Option<Place> {
    let (name, part) = match name.split_once('.') {
        Some((name, part)) => (name, Some(part)),
        None => (name, None),
    };
    let attribute = find(name)?;
    let part = match part {
        Some(part) => Some(attribute.part(part)?),
        None => None,
    };
    Some(Place { home, attribute, part })
}

/// A part of an attribute, as it is named within a filter on its elements.
pub(super) fn find_part(attribute: &'static Attribute, name: &str) -> Option<Place> {
    place(name, Home::Element, |name| attribute.part(name))
}

impl Place {
    /// The attribute or the part, whichever is named last.
    pub fn last(&self) -> &'static Attribute {
        self.part.unwrap_or(self.attribute)
    }

    /// What comparisons look at: for a complex attribute its `value`.
    pub(super) fn compared(&self) -> Option<&'static Attribute> {
        let last = self.last();
        if last.parts().is_empty() {
            Some(last)
        } else {
            last.part("value")
        }
    }

    /// Whether it is this attribute as a whole, or its `value`.
    pub fn is(&self, name: &str) -> bool {
        matches!(self.home, Home::Core)
            && self.attribute.name == name
            && self.part.is_none_or(|part| part.name == "value")
    }

    /// Whether a filter in brackets may choose among its values.
    pub(super) fn has_elements(&self) -> bool {
        self.part.is_none() && self.attribute.many == Many::Several && !self.attribute.parts().is_empty()
    }

    /// The attribute's value.
    pub(super) fn value<'r>(&self, resource: &'r Map<String, Value>) -> Option<&'r Value> {
        let object = match self.home {
            Home::Core | Home::Element => resource,
            Home::Extension(schema) => resource.get(schema.id)?.as_object()?,
        };
        object.get(self.attribute.name).filter(|value| !value.is_null())
    }

    /// Each of the attribute's values: one, several or none.
    pub(super) fn elements<'r>(&self, resource: &'r Map<String, Value>) -> &'r [Value] {
        match self.value(resource) {
            Some(Value::Array(elements)) if self.attribute.many == Many::Several => elements,
            Some(value) => std::slice::from_ref(value),
            None => &[],
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Home::Extension(schema) = self.home {
            write!(f, "{}:", schema.id)?;
        }
        f.write_str(self.attribute.name)?;
        match self.part {
            Some(part) => write!(f, ".{}", part.name),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Named, find};
    use crate::scim::Type;

    #[test]
    fn names_are_found_in_whatever_case_and_with_their_schema() {
        let cases = [
            ("USERNAME", Some("userName")),
            ("name.GivenName", Some("name.givenName")),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName",
                Some("name.givenName"),
            ),
            ("URN:IETF:params:scim:schemas:core:2.0:user:username", Some("userName")),
            ("urn:ietf:params:scim:schemas:core:2.0:User:meta.version", Some("meta.version")),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
                Some("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"),
            ),
            ("manager.$ref", None),
            ("emails.$ref", None),
            ("groups.$ref", Some("groups.$ref")),
            ("name.givenName.more", None),
            ("userName.", None),
            (".userName", None),
            ("", None),
            ("é", None),
            ("urn:ietf:params:scim:schemas:core:2.0:User", None),
            ("urn:ietf:params:scim:schemas:core:2.0:User:", None),
            ("urn:ietf:params:scim:schemas:core:2.0:Group:members", None),
        ];
        for (name, expected) in cases {
            let found = match find(Type::User, name) {
                Some(Named::Place(place)) => Some(place.to_string()),
                _ => None,
            };
            assert_eq!(found.as_deref(), expected, "{name}");
        }
        assert!(matches!(find(Type::User, "urn:example:2.0:User:shoe"), Some(Named::Foreign)));
        let extension = find(Type::User, "urn:ietf:params:scim:schemas:extension:Enterprise:2.0:User");
        assert!(matches!(extension, Some(Named::Extension(_))));
    }
}
