//! Whole resources, as POST and PUT send them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::attribute::Attribute;
use super::path::{Home, Named, Place, find};
use super::problem::Problem;
use super::schema::Type;
use super::value::taken;

/// How many bytes a user may have, as it is kept.
pub const RESOURCE_BYTES_MAX: usize = 64 << 10;

/// A resource: the table's names, no `null`, no empty list, nothing that is not the client's to write.
pub type Resource = Map<String, Value>;

/// A group as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupBody {
    /// Never empty.
    pub display_name: String,
    /// The client's name for it.
    pub external_id: Option<String>,
    /// Ids of its members.
    pub members: BTreeSet<String>,
}

/// A user from a body.
///
/// What is unknown, or not the client's to write, is left out (RFC 7644, section 3.3), and so is `password`.
///
/// # Errors
/// 400: it is no object, it has a value of another type, it has no `userName`, or one name comes twice; 413: it is too
/// large.
pub fn read_user(body: Value) -> Result<Resource, Problem> {
    let user = read(Type::User, body)?;
    check_user(&user)?;
    Ok(user)
}

/// A group from a body.
///
/// # Errors
/// As for [`read_user`], with `displayName` for `userName`.
pub fn read_group(body: Value) -> Result<GroupBody, Problem> {
    let mut group = read(Type::Group, body)?;
    let members = group.shift_remove("members").unwrap_or_default();
    Ok(GroupBody {
        display_name: display_name(group.shift_remove("displayName"))?,
        external_id: group.get("externalId").and_then(Value::as_str).map(str::to_owned),
        members: member_ids(members)?,
    })
}

/// A group must have a name, and people must be able to read it.
pub(super) fn display_name(value: Option<Value>) -> Result<String, Problem> {
    match value {
        Some(Value::String(name)) if !name.trim().is_empty() => Ok(name),
        _ => Err(Problem::value("a group needs a `displayName`")),
    }
}

/// The ids in a list of members, or in one member.
pub(super) fn member_ids(members: Value) -> Result<BTreeSet<String>, Problem> {
    let members = match members {
        Value::Null => return Ok(BTreeSet::new()),
        Value::Array(members) => members,
        one => vec![one],
    };
    let id = |member: Value| match member {
        Value::String(id) => Ok(id),
        Value::Object(parts) => {
            let id = parts.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("value"));
            match id {
                Some((_, Value::String(id))) => Ok(id),
                _ => Err(Problem::value("a member needs a `value`, a user's id")),
            }
        }
        _ => Err(Problem::value("a member is an object with a `value`, a user's id")),
    };
    members.into_iter().filter(|member| !member.is_null()).map(id).collect()
}

/// The members of an object, with those of an object under the URN of the core schema among them: extensions are written
/// so, and some take the core for one.
pub(super) fn unwrapped(kind: Type, members: Map<String, Value>) -> Vec<(String, Value)> {
    let mut all = Vec::with_capacity(members.len());
    for (name, value) in members {
        match value {
            Value::Object(inner) if kind.is_core(&name) => all.extend(inner),
            value => all.push((name, value)),
        }
    }
    all
}

fn read(kind: Type, body: Value) -> Result<Resource, Problem> {
    let Value::Object(members) = body else {
        return Err(Problem::syntax("the body is no JSON object"));
    };
    let mut resource = Resource::new();
    for (name, value) in unwrapped(kind, members) {
        match find(kind, &name) {
            Some(Named::Place(Place {
                home,
                attribute,
                part: None,
            })) if attribute.is_kept() => {
                within(&mut resource, home, |object| put(object, attribute, value))?;
            }
            Some(Named::Extension(schema)) => {
                let Value::Object(members) = value else { continue };
                for (name, value) in members {
                    if let Some(attribute) = schema.attribute(&name).filter(|attribute| attribute.is_kept()) {
                        within(&mut resource, Home::Extension(schema), |object| put(object, attribute, value))?;
                    }
                }
            }
            _ => continue,
        }
    }
    Ok(resource)
}

fn put(object: &mut Resource, attribute: &'static Attribute, value: Value) -> Result<(), Problem> {
    // The members of a group have a reader of their own, and may be many.
    let value = if attribute.name == "members" {
        Some(value)
    } else {
        taken(attribute, value)?
    };
    if object.contains_key(attribute.name) {
        return Err(Problem::syntax(format!("`{}` comes twice", attribute.name)));
    }
    if let Some(value) = value {
        object.insert(attribute.name.to_owned(), value);
    }
    Ok(())
}

/// Does something with the object that attributes of such a home stand in, which may not have been there.
pub(super) fn within<T>(resource: &mut Resource, home: Home, act: impl FnOnce(&mut Resource) -> T) -> T {
    let Home::Extension(schema) = home else {
        return act(resource);
    };
    let mut extension = match resource.shift_remove(schema.id) {
        Some(Value::Object(members)) => members,
        _ => Resource::new(),
    };
    let done = act(&mut extension);
    if !extension.is_empty() {
        resource.insert(schema.id.to_owned(), extension.into());
    }
    done
}

/// What has to hold of a user, whatever it was made of.
pub(super) fn check_user(user: &Resource) -> Result<(), Problem> {
    match user.get("userName") {
        Some(Value::String(name)) if !name.trim().is_empty() => {}
        _ => return Err(Problem::value("a user needs a `userName`")),
    }
    let bytes = serde_json::to_string(user).map_or(usize::MAX, |text| text.len());
    if bytes > RESOURCE_BYTES_MAX {
        return Err(Problem::new(413, format!("a user has at most {RESOURCE_BYTES_MAX} bytes")));
    }
    Ok(())
}
