//! Schemas and types of resources.

mod tables;

use super::attribute::Attribute;

/// A schema: a name and its attributes.
#[derive(Debug)]
pub struct Schema {
    /// Its URN.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// Without those that every resource has.
    pub attributes: &'static [Attribute],
}

/// The core schema of users.
pub const USER: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    description: "A person's account",
    attributes: tables::USER,
};

/// The enterprise extension of users.
pub const ENTERPRISE: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    description: "What an organization knows of a person",
    attributes: tables::ENTERPRISE,
};

/// The core schema of groups.
pub const GROUP: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    description: "A team",
    attributes: tables::GROUP,
};

/// Every schema.
pub(super) static SCHEMAS: [&Schema; 3] = [&USER, &ENTERPRISE, &GROUP];

/// A type of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Users, `/Users`.
    User,
    /// Groups, `/Groups`.
    Group,
}

impl Type {
    /// Its name: `User` or `Group`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// Where its resources are, relative to the base: `/Users` or `/Groups`.
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// Whether a name is the URN of the schema without which there is no such resource.
    pub fn is_core(self, name: &str) -> bool {
        self.core().id.eq_ignore_ascii_case(name)
    }

    /// The schema without which there is no such resource.
    pub fn core(self) -> &'static Schema {
        match self {
            Self::User => &USER,
            Self::Group => &GROUP,
        }
    }

    /// The schemas that may come on top.
    pub fn extensions(self) -> &'static [&'static Schema] {
        match self {
            Self::User => &[&ENTERPRISE],
            Self::Group => &[],
        }
    }

    /// All of its schemas, the core one first.
    pub fn schemas(self) -> impl Iterator<Item = &'static Schema> {
        std::iter::once(self.core()).chain(self.extensions().iter().copied())
    }

    /// An attribute of the core schema or of every resource, in whatever case it is written.
    pub fn attribute(self, name: &str) -> Option<&'static Attribute> {
        tables::COMMON
            .iter()
            .chain(self.core().attributes)
            .find(|known| known.name.eq_ignore_ascii_case(name))
    }
}

impl Schema {
    /// An attribute of this schema, in whatever case it is written.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|known| known.name.eq_ignore_ascii_case(name))
    }
}
