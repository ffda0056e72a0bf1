//! What there is to know about one attribute (RFC 7643, section 7).

/// An attribute, or a part of a complex one.
#[derive(Debug)]
pub struct Attribute {
    /// As it is written in answers.
    pub name: &'static str,
    /// For the people who read `/Schemas`.
    pub description: &'static str,
    /// The type of its values.
    pub kind: Kind,
    /// One value or several.
    pub many: Many,
    /// Who may change it.
    pub mutability: Mutability,
    /// Whether answers show it.
    pub returned: Returned,
    /// How its texts are compared.
    pub case: Case,
    /// Whether two resources may have the same.
    pub uniqueness: Uniqueness,
    /// Whether a resource must have it.
    pub required: bool,
    /// Values that are usual.
    pub usual: &'static [&'static str],
}

/// Types of values.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `string`
    Text,
    /// `boolean`
    Boolean,
    /// `dateTime`
    DateTime,
    /// `binary`, in base64.
    Binary,
    /// `reference`, to resources of these types, or to `external` or `uri`.
    Reference(&'static [&'static str]),
    /// `complex`, with parts. No part has several values.
    Complex(&'static [Attribute]),
}

/// One value or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// At most one.
    One,
    /// An array.
    Several,
}

/// Who may change an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// The client.
    ReadWrite,
    /// Nobody but us.
    ReadOnly,
    /// The client once, with the element that it is a part of.
    Immutable,
    /// The client, and nobody reads it.
    WriteOnly,
}

/// Whether answers show an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Whatever was asked for.
    Always,
    /// Unless excluded.
    Default,
    /// In no answer.
    Never,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Without regard to case.
    Folded,
    /// Character by character.
    Exact,
}

/// Whether two resources may have the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    /// They may.
    None,
    /// Not on one server.
    Server,
}

impl Attribute {
    /// An attribute with one value that clients read and write.
    pub(super) const fn new(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self {
            name,
            description,
            kind,
            many: Many::One,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            case: match kind {
                Kind::Reference(_) | Kind::Binary | Kind::DateTime => Case::Exact,
                Kind::Text | Kind::Boolean | Kind::Complex(_) => Case::Folded,
            },
            uniqueness: Uniqueness::None,
            required: false,
            usual: &[],
        }
    }

    pub(super) const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Text, description)
    }

    pub(super) const fn several(mut self) -> Self {
        self.many = Many::Several;
        self
    }

    pub(super) const fn exact(mut self) -> Self {
        self.case = Case::Exact;
        self
    }

    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) const fn unique(mut self) -> Self {
        self.uniqueness = Uniqueness::Server;
        self
    }

    pub(super) const fn usually(mut self, values: &'static [&'static str]) -> Self {
        self.usual = values;
        self
    }

    pub(super) const fn with(mut self, mutability: Mutability, returned: Returned) -> Self {
        self.mutability = mutability;
        self.returned = returned;
        self
    }

    pub(super) const fn read_only(self) -> Self {
        let returned = self.returned;
        self.with(Mutability::ReadOnly, returned)
    }

    /// The parts of a complex attribute, and none of any other.
    pub fn parts(&self) -> &'static [Attribute] {
        match self.kind {
            Kind::Complex(parts) => parts,
            _ => &[],
        }
    }

    /// The part of this name, in whatever case it is written.
    pub fn part(&self, name: &str) -> Option<&'static Attribute> {
        self.parts().iter().find(|part| part.name.eq_ignore_ascii_case(name))
    }

    /// Whether a client may write it at all.
    pub fn is_writable(&self) -> bool {
        self.mutability != Mutability::ReadOnly
    }

    /// Whether what a client writes is kept.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.mutability, Mutability::ReadWrite | Mutability::Immutable)
    }
}
