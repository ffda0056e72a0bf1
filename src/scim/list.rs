//! Lists (RFC 7644, section 3.4.2).

use serde_json::{Value, json};

use super::problem::Problem;

/// How many resources a page has if nobody says.
pub const COUNT_DEFAULT: usize = 100;

/// How many resources a page has at most.
pub const COUNT_MAX: usize = 500;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The first, counted from 1.
    pub start: usize,
    /// How many at most.
    pub count: usize,
}

impl Page {
    /// A page as it was asked for: a start below 1 is 1, a count below 0 is 0, and one above [`COUNT_MAX`] is that.
    pub fn new(start: Option<i64>, count: Option<i64>) -> Self {
        let size = |number: i64| usize::try_from(number.max(0)).unwrap_or(usize::MAX);
        Self {
            start: start.map_or(1, size).max(1),
            count: count.map_or(COUNT_DEFAULT, size).min(COUNT_MAX),
        }
    }

    /// How many come before it.
    pub fn skipped(&self) -> usize {
        self.start - 1
    }

    /// A number of a query. Numbers that no integer holds count as the largest or the smallest.
    ///
    /// # Errors
    /// `invalidValue`: it is no integer.
    pub fn number(name: &str, text: &str) -> Result<i64, Problem> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Problem::value(format!("`{name}` is no integer")));
        }
        let limit = if text.starts_with('-') { i64::MIN } else { i64::MAX };
        Ok(text.parse().unwrap_or(limit))
    }
}

/// A ListResponse.
pub fn list(total: usize, page: Page, resources: Vec<Value>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": page.start,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

/// The names and values of a query, decoded; `+` is a space.
///
/// # Errors
/// `invalidSyntax`: what comes out is no UTF-8, or a percent sign has not two digits behind it.
pub fn query_pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, Problem> {
    let wrong = || Problem::syntax("the query is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong()) };
                u8::try_from(high * 16 + low).map_err(|_| wrong())?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}
