//! Operations on a user.

use serde_json::Value;

use super::path::{Read, Target, read, shortened};
use super::write::{elements, no_target, settle, write_one, write_several};
use super::{Operation, Verb};
use crate::scim::attribute::Many;
use crate::scim::path::{Home, Place};
use crate::scim::problem::{Problem, ScimType};
use crate::scim::resource::{Resource, check_user, unwrapped, within};
use crate::scim::schema::Type;

/// A user after all operations, in their order, or after none of them.
///
/// # Errors
/// 400 with what is wrong with the first operation that cannot be done, or with the user that would come out.
pub fn patch_user(user: &Resource, operations: &[Operation]) -> Result<Resource, Problem> {
    let mut user = user.clone();
    for operation in operations {
        apply(&mut user, operation)?;
    }
    check_user(&user)?;
    Ok(user)
}

fn apply(user: &mut Resource, operation: &Operation) -> Result<(), Problem> {
    let text = match &operation.path {
        Some(text) if !Type::User.is_core(text) => text,
        _ => return apply_members(user, operation),
    };
    match read(Type::User, text)? {
        Read::Target(target) => apply_at(user, &target, operation.verb, operation.value.clone(), Refused::Told),
        Read::Unknown => Err(unknown(text)),
    }
}

pub(super) fn unknown(text: &str) -> Problem {
    Problem::of(ScimType::InvalidPath, format!("there is no attribute `{}`", shortened(text)))
}

/// What is done about a write to what is not the client's to write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// It is an error: a path names it.
    Told,
    /// It is passed over: clients send whole resources back, with `id`, `meta`, `schemas` and `groups`.
    PassedOver,
}

/// An operation without a path: each member of its value is one with that name as its path.
fn apply_members(user: &mut Resource, operation: &Operation) -> Result<(), Problem> {
    for (name, value) in members(Type::User, operation)? {
        if let Read::Target(target) = read(Type::User, &name)? {
            apply_at(user, &target, operation.verb, value, Refused::PassedOver)?;
        }
    }
    Ok(())
}

/// The members of an operation without a path, or with the URN of the core schema for one. Those of an object under that
/// URN are members like the others.
pub(super) fn members(kind: Type, operation: &Operation) -> Result<Vec<(String, Value)>, Problem> {
    match (&operation.verb, &operation.value) {
        (Verb::Remove, _) => Err(Problem::of(ScimType::NoTarget, "a `remove` needs a path")),
        (_, Value::Object(members)) => Ok(unwrapped(kind, members.clone())),
        _ => Err(Problem::value("an operation without a path needs an object as its value")),
    }
}

fn apply_at(user: &mut Resource, target: &Target, verb: Verb, value: Value, refused: Refused) -> Result<(), Problem> {
    match target {
        Target::Foreign => Ok(()),
        Target::Extension(schema) => match (verb, value) {
            (Verb::Remove, _) | (Verb::Replace, Value::Null) => {
                user.shift_remove(schema.id);
                Ok(())
            }
            (Verb::Add, Value::Null) => Ok(()),
            (_, Value::Object(members)) => {
                for (name, value) in members {
                    if let Some(attribute) = schema.attribute(&name) {
                        let home = Home::Extension(schema);
                        let part = None;
                        write(user, &Place { home, attribute, part }, verb, value, refused)?;
                    }
                }
                Ok(())
            }
            _ => Err(Problem::value("an extension needs an object")),
        },
        Target::Place(place) => write(user, place, verb, value, refused),
        Target::Elements(place, filter) => {
            if is_refused(place, refused)? {
                return Ok(());
            }
            within(user, place.home, |home| elements(home, place, filter, verb, value))
        }
    }
}

/// Whether nothing is done.
fn is_refused(place: &Place, refused: Refused) -> Result<bool, Problem> {
    if place.attribute.is_writable() && place.last().is_writable() {
        return Ok(false);
    }
    match refused {
        Refused::PassedOver => Ok(true),
        Refused::Told => Err(Problem::of(ScimType::Mutability, format!("`{place}` cannot be written"))),
    }
}

/// An operation on an attribute or on a part of it.
fn write(user: &mut Resource, place: &Place, verb: Verb, value: Value, refused: Refused) -> Result<(), Problem> {
    if is_refused(place, refused)? || !place.attribute.is_kept() {
        return Ok(());
    }
    let attribute = place.attribute;
    if attribute.required && (verb == Verb::Remove || value.is_null()) {
        return Err(Problem::value(format!("a user needs a `{place}`")));
    }
    within(user, place.home, |home| write_in(home, place, verb, value))
}

fn write_in(home: &mut Resource, place: &Place, verb: Verb, value: Value) -> Result<(), Problem> {
    let attribute = place.attribute;
    match (place.part, attribute.many) {
        (None, Many::One) => write_one(home, attribute, verb, value),
        (None, Many::Several) => write_several(home, attribute, verb, value),
        (Some(part), Many::One) => {
            let mut parts = match home.shift_remove(attribute.name) {
                Some(Value::Object(parts)) => parts,
                _ => Resource::new(),
            };
            write_one(&mut parts, part, verb, value)?;
            if !parts.is_empty() {
                home.insert(attribute.name.to_owned(), parts.into());
            }
            Ok(())
        }
        // `emails.type`: this part of every value.
        (Some(part), Many::Several) => {
            let Some(Value::Array(values)) = home.get_mut(attribute.name) else {
                return match verb {
                    Verb::Remove => Ok(()),
                    Verb::Add | Verb::Replace => Err(no_target(place)),
                };
            };
            for value_of in values.iter_mut().filter_map(Value::as_object_mut) {
                write_one(value_of, part, verb, value.clone())?;
            }
            settle(home, attribute, None)
        }
    }
}
