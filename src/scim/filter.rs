//! Filters (RFC 7644, section 3.4.2.2).
//!
//! A filter is read against the table of attributes: names that are not there, operators that a type has not, and values
//! of another type are refused when it is read, so no filter means everything because nobody understood it. Two things
//! are taken beyond the grammar, since clients send them: `emails[type eq "work"].value eq "…"`, and `"true"` for a
//! boolean.
//!
//! There is a crate for the grammar, `scim_v2` 1.0, which is careful; it refuses the first of these two, knows no
//! attributes, evaluates nothing, and brings eight crates with it (a regular-expression engine among them).

mod holds;
mod parse;
mod print;

use super::path::Place;

pub(super) use parse::{Reader, read_path};

/// How many brackets and parentheses may be open at once.
pub(super) const DEPTH_MAX: usize = 32;

/// How many tests a filter may have.
pub(super) const TESTS_MAX: usize = 200;

/// How long a filter may be.
pub(super) const BYTES_MAX: usize = 16 << 10;

/// What a resource has to meet.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// One test.
    Test(Test),
    /// `not (…)`
    Not(Box<Filter>),
    /// `… and …`, at least two.
    All(Vec<Filter>),
    /// `… or …`, at least two.
    Any(Vec<Filter>),
    /// `emails[…]`: one element of the attribute meets the filter.
    Within(Place, Box<Filter>),
}

/// A test of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What is looked at.
    pub place: Place,
    /// How it is compared, and with what.
    pub operator: Operator,
}

/// A comparison, with its other side.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// `pr`
    Present,
    /// Any other.
    Compare(Comparison, Literal),
}

/// The comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `co`
    Contains,
    /// `sw`
    StartsWith,
    /// `ew`
    EndsWith,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

/// The value that is compared with, by the type of the attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`: no value.
    Null,
    /// For booleans.
    Boolean(bool),
    /// For texts.
    Text {
        /// As it was sent.
        sent: String,
        /// As it is compared.
        compared: String,
    },
    /// For dates.
    Moment {
        /// As it was sent.
        sent: String,
        /// Since 1970.
        nanoseconds: i128,
    },
}

impl Filter {
    /// The text that some attribute must equal for the filter to hold, if there is one: what an index can be asked.
    pub fn wants(&self, name: &str) -> Option<&str> {
        match self {
            Self::Test(Test {
                place,
                operator: Operator::Compare(Comparison::Equal, Literal::Text { sent, .. }),
            }) if place.is(name) => Some(sent),
            Self::All(parts) => parts.iter().find_map(|part| part.wants(name)),
            Self::Within(place, filter) if place.is(name) => match &**filter {
                Self::Test(Test {
                    place,
                    operator: Operator::Compare(Comparison::Equal, Literal::Text { sent, .. }),
                }) if place.attribute.name == "value" => Some(sent),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether some test is such, on whatever depth; one in brackets comes with the attribute in front of them.
    pub fn has(&self, is_such: &dyn Fn(&Place, &Operator) -> bool) -> bool {
        match self {
            Self::Test(test) => is_such(&test.place, &test.operator),
            Self::Not(filter) => filter.has(is_such),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.has(is_such)),
            Self::Within(place, filter) => filter.has(&|part, operator| {
                is_such(
                    &Place {
                        part: Some(part.attribute),
                        ..*place
                    },
                    operator,
                )
            }),
        }
    }

    /// The parts that an element must have to meet this, where it is nothing but a conjunction of `eq`.
    pub(super) fn described(&self) -> Option<Vec<(&'static str, serde_json::Value)>> {
        match self {
            Self::Test(Test {
                place,
                operator: Operator::Compare(Comparison::Equal, literal),
            }) => Some(vec![(place.attribute.name, literal.value()?)]),
            Self::All(parts) => {
                let described: Option<Vec<_>> = parts.iter().map(Self::described).collect();
                Some(described?.into_iter().flatten().collect())
            }
            _ => None,
        }
    }
}

impl Literal {
    fn value(&self) -> Option<serde_json::Value> {
        match self {
            Self::Null => None,
            Self::Boolean(value) => Some((*value).into()),
            Self::Text { sent, .. } | Self::Moment { sent, .. } => Some(sent.as_str().into()),
        }
    }
}
