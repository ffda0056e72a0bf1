//! Whether a resource meets a filter.

use serde_json::{Map, Value};

use super::{Comparison, Filter, Literal, Operator, Test};
use crate::directory::fold;
use crate::scim::attribute::{Attribute, Case};
use crate::scim::value::moment;

impl Filter {
    /// Whether a resource meets it, as an answer would show it. `asked` may answer a test itself, such as one of members
    /// that the object does not have. A filter in brackets on members is asked as its test.
    pub fn holds(&self, resource: &Map<String, Value>, asked: &dyn Fn(&Test) -> Option<bool>) -> bool {
        match self {
            Self::Test(test) => asked(test).unwrap_or_else(|| test.holds(resource)),
            Self::Not(filter) => !filter.holds(resource, asked),
            Self::All(parts) => parts.iter().all(|part| part.holds(resource, asked)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(resource, asked)),
            Self::Within(place, filter) => {
                if let Self::Test(test) = &**filter
                    && test.place.attribute.name == "value"
                    && let Some(answer) = asked(&Test {
                        place: *place,
                        operator: test.operator.clone(),
                    })
                {
                    return answer;
                }
                place
                    .elements(resource)
                    .iter()
                    .filter_map(Value::as_object)
                    .any(|element| filter.meets(element))
            }
        }
    }

    /// Whether an element meets it.
    pub(in crate::scim) fn meets(&self, element: &Map<String, Value>) -> bool {
        self.holds(element, &|_| None)
    }
}

impl Test {
    /// Whether one of the values passes; `ne` and `eq null` also hold where there is none.
    fn holds(&self, resource: &Map<String, Value>) -> bool {
        let Some(compared) = self.place.compared() else {
            return !self.place.elements(resource).is_empty();
        };
        let mut values = self.place.elements(resource).iter().filter_map(|element| leaf(element, self, compared));
        match &self.operator {
            Operator::Present => match self.place.part {
                // A complex value is there whether or not it has a `value`.
                None => self.place.elements(resource).iter().any(is_there),
                Some(_) => values.any(is_there),
            },
            Operator::Compare(Comparison::Equal, Literal::Null) => !values.any(is_there),
            Operator::Compare(Comparison::NotEqual, Literal::Null) => values.any(is_there),
            Operator::Compare(Comparison::NotEqual, literal) => {
                let mut values = values.peekable();
                values.peek().is_none() || values.any(|value| !passes(Comparison::Equal, literal, value, compared))
            }
            Operator::Compare(comparison, literal) => values.any(|value| passes(*comparison, literal, value, compared)),
        }
    }
}

/// What is compared of one of an attribute's values.
fn leaf<'v>(element: &'v Value, test: &Test, compared: &Attribute) -> Option<&'v Value> {
    let is_whole = test.place.part.is_none() && test.place.attribute.parts().is_empty();
    let leaf = if is_whole {
        Some(element)
    } else {
        element.get(compared.name)
    };
    leaf.filter(|value| !value.is_null())
}

fn is_there(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn passes(comparison: Comparison, literal: &Literal, value: &Value, attribute: &Attribute) -> bool {
    match (literal, value) {
        (Literal::Boolean(wanted), Value::Bool(found)) => comparison == Comparison::Equal && wanted == found,
        (Literal::Moment { nanoseconds, .. }, Value::String(found)) => {
            moment(found).is_some_and(|found| ordered(comparison, &found, nanoseconds))
        }
        (Literal::Text { compared, .. }, Value::String(found)) if attribute.case == Case::Exact => {
            text(comparison, found, compared)
        }
        (Literal::Text { compared, .. }, Value::String(found)) => text(comparison, &fold(found), compared),
        _ => false,
    }
}

fn text(comparison: Comparison, found: &str, wanted: &str) -> bool {
    match comparison {
        Comparison::Contains => found.contains(wanted),
        Comparison::StartsWith => found.starts_with(wanted),
        Comparison::EndsWith => found.ends_with(wanted),
        _ => ordered(comparison, found, wanted),
    }
}

fn ordered<T: Ord + ?Sized>(comparison: Comparison, found: &T, wanted: &T) -> bool {
    match comparison {
        Comparison::Equal => found == wanted,
        Comparison::Greater => found > wanted,
        Comparison::GreaterOrEqual => found >= wanted,
        Comparison::Less => found < wanted,
        Comparison::LessOrEqual => found <= wanted,
        Comparison::NotEqual | Comparison::Contains | Comparison::StartsWith | Comparison::EndsWith => false,
    }
}
