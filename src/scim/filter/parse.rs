//! Filters from text.

use super::{BYTES_MAX, Comparison, DEPTH_MAX, Filter, Literal, Operator, TESTS_MAX, Test};
use crate::directory::fold;
use crate::scim::attribute::{Attribute, Case, Kind};
use crate::scim::path::{Named, Place, find, find_part, is_name};
use crate::scim::problem::{Problem, ScimType};
use crate::scim::schema::Type;
use crate::scim::value::moment;

impl Filter {
    /// Reads a filter on resources of this type.
    ///
    /// # Errors
    /// `invalidFilter`: it is none, it is too long or too deep, or it tests what is not there.
    pub fn read(kind: Type, text: &str) -> Result<Self, Problem> {
        let mut reader = Reader::new(kind, text, None)?;
        let filter = reader.any()?;
        reader.end()?;
        Ok(filter)
    }
}

/// An attribute's name in front of a PATCH path's brackets, the filter in them, and the part behind them.
pub(in crate::scim) struct PathText<'t> {
    pub(in crate::scim) name: &'t str,
    /// From behind `[`, with what follows `]`.
    pub(in crate::scim) bracket: Option<&'t str>,
}

/// Splits a PATCH path at its first bracket.
pub(in crate::scim) fn read_path(text: &str) -> PathText<'_> {
    match text.split_once('[') {
        Some((name, rest)) => PathText {
            name: name.trim_end_matches(' '),
            bracket: Some(rest),
        },
        None => PathText {
            name: text,
            bracket: None,
        },
    }
}

/// Where reading has got to.
pub(in crate::scim) struct Reader<'t> {
    kind: Type,
    text: &'t str,
    at: usize,
    /// The attribute whose elements are tested.
    within: Option<&'static Attribute>,
    depth: usize,
    tests: usize,
}

impl<'t> Reader<'t> {
    pub(in crate::scim) fn new(kind: Type, text: &'t str, within: Option<&'static Attribute>) -> Result<Self, Problem> {
        if text.len() > BYTES_MAX {
            return Err(refused(format!("the filter has more than {BYTES_MAX} bytes")));
        }
        Ok(Self {
            kind,
            text,
            at: 0,
            within,
            depth: 0,
            tests: 0,
        })
    }

    /// Nothing may follow but spaces.
    pub(in crate::scim) fn end(&mut self) -> Result<(), Problem> {
        self.spaces();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.unexpected("the end, `and` or `or`"))
        }
    }

    /// `A or B …`. It calls itself through parentheses and brackets, as deep as `DEPTH_MAX` lets it.
    pub(in crate::scim) fn any(&mut self) -> Result<Filter, Problem> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(refused(format!("the filter nests deeper than {DEPTH_MAX}")));
        }
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        self.depth -= 1;
        Ok(joined(parts, Filter::Any))
    }

    fn all(&mut self) -> Result<Filter, Problem> {
        let mut parts = vec![self.one()?];
        while self.word("and") {
            parts.push(self.one()?);
        }
        Ok(joined(parts, Filter::All))
    }

    fn one(&mut self) -> Result<Filter, Problem> {
        let start = self.at;
        if self.word("not") {
            self.spaces();
            if self.peek() == Some(b'(') {
                return Ok(Filter::Not(Box::new(self.parenthesized()?)));
            }
            self.at = start;
        }
        self.spaces();
        if self.peek() == Some(b'(') {
            self.parenthesized()
        } else {
            self.test()
        }
    }

    fn parenthesized(&mut self) -> Result<Filter, Problem> {
        self.at += 1;
        let filter = self.any()?;
        self.close(b')')?;
        Ok(filter)
    }

    /// The closing bracket of a PATCH path's filter, and the rest of the path.
    pub(in crate::scim) fn close_path(mut self) -> Result<&'t str, Problem> {
        self.close(b']')?;
        Ok(&self.text[self.at..])
    }

    fn close(&mut self, bracket: u8) -> Result<(), Problem> {
        self.spaces();
        if self.peek() != Some(bracket) {
            return Err(self.unexpected(&format!("`{}`, `and` or `or`", char::from(bracket))));
        }
        self.at += 1;
        Ok(())
    }

    /// `name op value`, `name pr`, `name[…]` or `name[…].part op value`.
    fn test(&mut self) -> Result<Filter, Problem> {
        self.tests += 1;
        if self.tests > TESTS_MAX {
            return Err(refused(format!("the filter has more than {TESTS_MAX} tests")));
        }
        let place = self.name()?;
        if self.peek() != Some(b'[') {
            return Ok(Filter::Test(self.comparison(place)?));
        }
        if self.within.is_some() || !place.has_elements() {
            return Err(refused(format!("`{place}` has no elements with parts")));
        }
        self.at += 1;
        self.within = Some(place.attribute);
        let filter = self.any()?;
        self.close(b']')?;
        let filter = match self.peek() {
            Some(b'.') => {
                self.at += 1;
                let part = self.name()?;
                let test = Filter::Test(self.comparison(part)?);
                joined(vec![filter, test], Filter::All)
            }
            _ => filter,
        };
        self.within = None;
        Ok(Filter::Within(place, Box::new(filter)))
    }

    fn name(&mut self) -> Result<Place, Problem> {
        self.spaces();
        let rest = &self.text[self.at..];
        let length = rest.bytes().take_while(|byte| is_name(*byte)).count();
        if length == 0 {
            return Err(self.unexpected("the name of an attribute"));
        }
        let name = &rest[..length];
        self.at += length;
        let found = match self.within {
            Some(attribute) => find_part(attribute, name),
            None => match find(self.kind, name) {
                Some(Named::Place(place)) => Some(place),
                _ => None,
            },
        };
        let found = found.filter(|place| place.attribute.name != "password");
        found.ok_or_else(|| refused(format!("there is no attribute `{name}` of a {}", self.kind.name())))
    }

    fn comparison(&mut self, place: Place) -> Result<Test, Problem> {
        let comparison = [
            ("eq", Comparison::Equal),
            ("ne", Comparison::NotEqual),
            ("co", Comparison::Contains),
            ("sw", Comparison::StartsWith),
            ("ew", Comparison::EndsWith),
            ("gt", Comparison::Greater),
            ("ge", Comparison::GreaterOrEqual),
            ("lt", Comparison::Less),
            ("le", Comparison::LessOrEqual),
        ];
        if self.word("pr") {
            let operator = Operator::Present;
            return Ok(Test { place, operator });
        }
        let Some((name, comparison)) = comparison.into_iter().find(|(name, _)| self.word(name)) else {
            return Err(self.unexpected("an operator: eq, ne, co, sw, ew, gt, ge, lt, le or pr"));
        };
        let Some(compared) = place.compared() else {
            return Err(refused(format!("`{place}` has parts, and is compared by one of them")));
        };
        let literal = self.literal(&place, compared)?;
        if !fits(comparison, &literal) {
            return Err(refused(format!("`{name}` is not for `{place}`")));
        }
        let operator = Operator::Compare(comparison, literal);
        Ok(Test { place, operator })
    }

    fn literal(&mut self, place: &Place, compared: &Attribute) -> Result<Literal, Problem> {
        self.spaces();
        let wrong = || refused(format!("`{place}` is compared with a value of another type"));
        for (word, literal) in [
            ("null", Literal::Null),
            ("true", Literal::Boolean(true)),
            ("false", Literal::Boolean(false)),
        ] {
            if self.word(word) {
                let fits = literal == Literal::Null || matches!(compared.kind, Kind::Boolean);
                return if fits { Ok(literal) } else { Err(wrong()) };
            }
        }
        let sent = self.string()?;
        match compared.kind {
            Kind::Boolean if sent.eq_ignore_ascii_case("true") => Ok(Literal::Boolean(true)),
            Kind::Boolean if sent.eq_ignore_ascii_case("false") => Ok(Literal::Boolean(false)),
            Kind::DateTime => match moment(&sent) {
                Some(nanoseconds) => Ok(Literal::Moment { sent, nanoseconds }),
                None => Err(refused(format!("`{sent}` is no date and time with a zone"))),
            },
            Kind::Boolean | Kind::Complex(_) => Err(wrong()),
            Kind::Text | Kind::Binary | Kind::Reference(_) => {
                let compared = if compared.case == Case::Exact {
                    sent.clone()
                } else {
                    fold(&sent)
                };
                Ok(Literal::Text { sent, compared })
            }
        }
    }

    /// A JSON string.
    fn string(&mut self) -> Result<String, Problem> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a value: a string in double quotes, true, false or null"));
        }
        let rest = &self.text[self.at..];
        let mut escaped = false;
        for (index, byte) in rest.bytes().enumerate().skip(1) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    let sent = serde_json::from_str(&rest[..=index])
                        .map_err(|_| refused(format!("no JSON string at byte {}", self.at)))?;
                    self.at += index + 1;
                    return Ok(sent);
                }
                _ => {}
            }
        }
        Err(refused(format!("the string at byte {} does not end", self.at)))
    }

    /// A word, if it comes next, with the spaces in front of it.
    fn word(&mut self, word: &str) -> bool {
        let start = self.at + self.text[self.at..].bytes().take_while(|byte| *byte == b' ').count();
        let end = start + word.len();
        let is_there = self
            .text
            .as_bytes()
            .get(start..end)
            .is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
            && self.text.as_bytes().get(end).is_none_or(|next| !is_name(*next));
        if is_there {
            self.at = end;
        }
        is_there
    }

    fn spaces(&mut self) {
        self.at += self.text[self.at..].bytes().take_while(|byte| *byte == b' ').count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn unexpected(&self, wanted: &str) -> Problem {
        refused(format!("the filter needs {wanted} at byte {}", self.at))
    }
}

/// Whether a comparison is made with such a value.
fn fits(comparison: Comparison, literal: &Literal) -> bool {
    match comparison {
        Comparison::Equal | Comparison::NotEqual => true,
        Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith => matches!(literal, Literal::Text { .. }),
        Comparison::Greater | Comparison::GreaterOrEqual | Comparison::Less | Comparison::LessOrEqual => {
            matches!(literal, Literal::Text { .. } | Literal::Moment { .. })
        }
    }
}

/// One part by itself, or several as one.
fn joined(mut parts: Vec<Filter>, of: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            of(parts)
        }
        None => of(parts),
    }
}

fn refused(detail: String) -> Problem {
    Problem::of(ScimType::InvalidFilter, detail)
}
