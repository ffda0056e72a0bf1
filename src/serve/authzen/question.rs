//! From JSON to a question (5, 6).

use std::borrow::Cow;

use crate::engine::json::Json;
use crate::engine::{Action, Entity, Part, Problem, Query};

/// What is wrong with a question, in the words of the specification: `subject.id: required`.
pub(super) type Wrong = Cow<'static, str>;

/// The members of a question, each from an item or from the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Members<'a> {
    pub(super) subject: Option<&'a Json<'a>>,
    pub(super) action: Option<&'a Json<'a>>,
    pub(super) resource: Option<&'a Json<'a>>,
    pub(super) context: Option<&'a Json<'a>>,
    /// Types for a subject and a resource that have none.
    pub(super) inherited: Inherited<'a>,
}

/// Types that a type-less subject or resource inherits, where that is switched on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inherited<'a> {
    pub(super) subject: Option<&'a str>,
    pub(super) resource: Option<&'a str>,
}

impl<'a> Members<'a> {
    /// The members of one object. Unknown members are ignored.
    pub(super) fn of(object: &'a [(Cow<'a, str>, Json<'a>)]) -> Self {
        let mut members = Self::default();
        for (name, value) in object {
            match &**name {
                "subject" => members.subject = Some(value),
                "action" => members.action = Some(value),
                "resource" => members.resource = Some(value),
                "context" => members.context = Some(value),
                _ => {}
            }
        }
        members
    }

    /// The question that they make.
    pub(super) fn query(&self) -> Result<Query<'a>, Wrong> {
        Ok(Query {
            principal: entity("subject", self.subject, self.inherited.subject)?,
            action: action(self.action)?,
            resource: entity("resource", self.resource, self.inherited.resource)?,
            context: object("context", self.context)?,
        })
    }
}

/// Reads the body of an evaluation as a question.
///
/// # Errors
/// A required member is missing or has another type, in the words of the specification.
pub fn read_question<'a>(body: &'a Json<'a>) -> Result<Query<'a>, String> {
    match body {
        Json::Object(members) => Members::of(members).query().map_err(Cow::into_owned),
        other => Err(format!("the body must be a JSON object, not {}", other.kind())),
    }
}

fn entity<'a>(name: &'static str, json: Option<&'a Json<'a>>, inherited: Option<&'a str>) -> Result<Entity<'a>, Wrong> {
    let json = required(name, json)?;
    let entity_type = match (json.get("type"), inherited) {
        (None, Some(inherited)) => inherited,
        (given, _) => string(name, "type", given)?,
    };
    Ok(Entity {
        entity_type,
        id: string(name, "id", json.get("id"))?,
        properties: properties(name, json)?,
    })
}

fn action<'a>(json: Option<&'a Json<'a>>) -> Result<Action<'a>, Wrong> {
    let json = required("action", json)?;
    Ok(Action {
        name: string("action", "name", json.get("name"))?,
        properties: properties("action", json)?,
    })
}

fn required<'a>(name: &'static str, json: Option<&'a Json<'a>>) -> Result<&'a Json<'a>, Wrong> {
    match json {
        None | Some(Json::Null) => Err(format!("{name}: required").into()),
        Some(json @ Json::Object(_)) => Ok(json),
        Some(other) => Err(format!("{name}: must be an object, not {}", other.kind()).into()),
    }
}

fn string<'a>(owner: &'static str, name: &'static str, json: Option<&'a Json<'a>>) -> Result<&'a str, Wrong> {
    match json {
        None | Some(Json::Null) => Err(format!("{owner}.{name}: required").into()),
        Some(Json::String(text)) => Ok(text),
        Some(other) => Err(format!("{owner}.{name}: must be a string, not {}", other.kind()).into()),
    }
}

fn properties<'a>(owner: &'static str, json: &'a Json<'a>) -> Result<Option<&'a Json<'a>>, Wrong> {
    match json.get("properties") {
        None | Some(Json::Null) => Ok(None),
        Some(json @ Json::Object(_)) => Ok(Some(json)),
        Some(other) => Err(format!("{owner}.properties: must be an object, not {}", other.kind()).into()),
    }
}

fn object<'a>(name: &'static str, json: Option<&'a Json<'a>>) -> Result<Option<&'a Json<'a>>, Wrong> {
    match json {
        None | Some(Json::Null) => Ok(None),
        Some(json @ Json::Object(_)) => Ok(Some(json)),
        Some(other) => Err(format!("{name}: must be an object, not {}", other.kind()).into()),
    }
}

/// The engine's problem in the words of the specification.
pub(super) fn worded(problem: &Problem) -> Wrong {
    let part = match problem.part {
        Part::Principal => "subject.properties",
        Part::Action => "action.properties",
        Part::Resource => "resource.properties",
        Part::Context => "context",
    };
    format!("{part}{}: {}", problem.path, problem.message).into()
}
