//! Operations on a group, as a difference: they cost what was sent, however many members there are.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

use serde_json::Value;

use super::apply::{members, unknown};
use super::path::{Read, Target, read};
use super::{Operation, Verb};
use crate::scim::filter::{Comparison, Filter, Literal, Operator, Test};
use crate::scim::path::Place;
use crate::scim::problem::{Problem, ScimType};
use crate::scim::resource::{display_name, member_ids};
use crate::scim::schema::Type;
use crate::scim::value::taken;

/// What is to be changed of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// Another name.
    pub display_name: Option<String>,
    /// Another external id, or none.
    pub external_id: Option<Option<String>>,
    /// Who is in it.
    pub members: MemberChange,
}

/// A difference of members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// Whether those who were in it are not any more.
    pub emptied: bool,
    /// Those who are in it then (`true`) and those who are not.
    pub ids: BTreeMap<String, bool>,
    /// Those who come in one operation and go in a later one: each has to be somebody all the same, since a request is
    /// refused for any of its operations.
    pub passing: BTreeSet<String>,
}

/// What operations, in their order, change of a group.
///
/// # Errors
/// 400 with what is wrong with the first operation that cannot be done.
pub fn patch_group(operations: &[Operation]) -> Result<GroupChange, Problem> {
    let mut change = GroupChange::default();
    for operation in operations {
        match &operation.path {
            Some(text) if !Type::Group.is_core(text) => match read(Type::Group, text)? {
                Read::Target(target) => change.apply(&target, operation.verb, operation.value.clone())?,
                Read::Unknown => return Err(unknown(text)),
            },
            _ => {
                for (name, value) in members(Type::Group, operation)? {
                    match read(Type::Group, &name)? {
                        Read::Target(Target::Place(place)) if !place.attribute.is_writable() => {}
                        Read::Target(target) => change.apply(&target, operation.verb, value)?,
                        Read::Unknown => {}
                    }
                }
            }
        }
    }
    Ok(change)
}

impl GroupChange {
    fn apply(&mut self, target: &Target, verb: Verb, value: Value) -> Result<(), Problem> {
        match target {
            Target::Foreign | Target::Extension(_) => Ok(()),
            Target::Place(
                place @ Place {
                    part: None, attribute, ..
                },
            ) => match (attribute.name, verb) {
                ("members", _) => self.members.apply(verb, value),
                ("displayName", Verb::Remove) => Err(Problem::value("a group needs a `displayName`")),
                ("displayName", _) => {
                    self.display_name = Some(display_name(taken(attribute, value)?)?);
                    Ok(())
                }
                ("externalId", Verb::Remove) => {
                    self.external_id = Some(None);
                    Ok(())
                }
                ("externalId", Verb::Add) if value.is_null() => Ok(()),
                ("externalId", _) => {
                    self.external_id = Some(match taken(attribute, value)? {
                        Some(Value::String(id)) => Some(id),
                        _ => None,
                    });
                    Ok(())
                }
                _ => Err(immutable(place)),
            },
            Target::Elements(place @ Place { part: None, .. }, filter) if verb == Verb::Remove => {
                if place.attribute.name != "members" {
                    return Err(immutable(place));
                }
                for id in named(filter)? {
                    self.members.put(id.to_owned(), false);
                }
                Ok(())
            }
            Target::Place(place) | Target::Elements(place, _) => Err(immutable(place)),
        }
    }
}

impl MemberChange {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        !self.emptied && self.ids.is_empty()
    }

    fn apply(&mut self, verb: Verb, value: Value) -> Result<(), Problem> {
        let stay = match verb {
            Verb::Add => true,
            // What Entra sends: only those who are named go. An empty list names nobody.
            Verb::Remove if !value.is_null() => false,
            Verb::Remove | Verb::Replace => {
                self.emptied = true;
                let come = take(&mut self.ids).into_iter().filter(|(_, stays)| *stays);
                self.passing.extend(come.map(|(id, _)| id));
                true
            }
        };
        for id in member_ids(value)? {
            self.put(id, stay);
        }
        Ok(())
    }

    fn put(&mut self, id: String, stays: bool) {
        let came = self.ids.insert(id.clone(), stays) == Some(true);
        if came && !stays {
            self.passing.insert(id);
        }
    }
}

/// The ids that a filter on members names: `value eq "…"`, or several of these with `or`.
fn named(filter: &Filter) -> Result<Vec<&str>, Problem> {
    match filter {
        Filter::Test(Test {
            place,
            operator: Operator::Compare(Comparison::Equal, Literal::Text { sent, .. }),
        }) if place.attribute.name == "value" => Ok(vec![sent]),
        Filter::Any(parts) => Ok(parts.iter().map(named).collect::<Result<Vec<_>, _>>()?.concat()),
        _ => Err(Problem::of(
            ScimType::InvalidFilter,
            "members are named by `value eq \"…\"`, several of them with `or`",
        )),
    }
}

fn immutable(place: &Place) -> Problem {
    Problem::of(ScimType::Mutability, format!("`{place}` cannot be written"))
}
