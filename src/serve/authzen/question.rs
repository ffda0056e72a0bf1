//! From JSON to a question (5, 6).

use std::borrow::Cow;

use crate::engine::json::{Json, Plain};
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

/// Where a question is not written out: the one that a search looks for.
impl<'a> Members<'a> {
    /// The question of a search for subjects.
    pub(super) fn about_subjects(&self) -> Result<Query<'a>, Wrong> {
        Ok(Query {
            principal: sought("subject", self.subject)?,
            action: action(self.action)?,
            resource: entity("resource", self.resource, None)?,
            context: object("context", self.context)?,
        })
    }

    /// The question of a search for resources.
    pub(super) fn about_resources(&self) -> Result<Query<'a>, Wrong> {
        Ok(Query {
            principal: entity("subject", self.subject, None)?,
            action: action(self.action)?,
            resource: sought("resource", self.resource)?,
            context: object("context", self.context)?,
        })
    }

    /// The question of a search for actions.
    pub(super) fn about_actions(&self) -> Result<Query<'a>, Wrong> {
        Ok(Query {
            principal: entity("subject", self.subject, None)?,
            action: Action {
                name: "",
                properties: None,
            },
            resource: entity("resource", self.resource, None)?,
            context: object("context", self.context)?,
        })
    }
}

/// A question as it is nearly always written: nothing but what the specification names, in plain JSON.
#[derive(Debug)]
pub(super) struct Written<'a> {
    subject: Thing<'a>,
    action: Thing<'a>,
    resource: Thing<'a>,
    context: Option<Json<'a>>,
}

/// A subject, an action or a resource.
#[derive(Debug, Default)]
struct Thing<'a> {
    entity_type: Option<&'a str>,
    id: Option<&'a str>,
    name: Option<&'a str>,
    properties: Option<Json<'a>>,
}

impl<'a> Written<'a> {
    /// Reads a text in one pass. None if it is written in any other way, or wrong.
    pub(super) fn read(text: &'a str, depth_max: usize) -> Option<Self> {
        let mut plain = Plain::new(text);
        let depth_left = depth_max.checked_sub(1)?;
        let (mut subject, mut action, mut resource, mut context) = (None, None, None, None);
        plain.object()?;
        let mut is_first = true;
        while let Some(name) = plain.member(is_first)? {
            is_first = false;
            match name {
                "subject" => once(&mut subject, Thing::read(&mut plain, depth_left)?)?,
                "action" => once(&mut action, Thing::read(&mut plain, depth_left)?)?,
                "resource" => once(&mut resource, Thing::read(&mut plain, depth_left)?)?,
                "context" => once(&mut context, plain_object(&mut plain, depth_left)?)?,
                _ => return None,
            }
        }
        plain.end()?;
        Some(Self {
            subject: subject?,
            action: action?,
            resource: resource?,
            context,
        })
    }

    /// The question that it makes, if nothing is missing.
    pub(super) fn query(&self) -> Option<Query<'_>> {
        Some(Query {
            principal: self.subject.entity()?,
            action: Action {
                name: self.action.name?,
                properties: self.action.properties.as_ref(),
            },
            resource: self.resource.entity()?,
            context: self.context.as_ref(),
        })
    }
}

impl<'a> Thing<'a> {
    fn read(plain: &mut Plain<'a>, depth_left: usize) -> Option<Self> {
        let depth_left = depth_left.checked_sub(1)?;
        let mut thing = Self::default();
        plain.object()?;
        let mut is_first = true;
        while let Some(name) = plain.member(is_first)? {
            is_first = false;
            match name {
                "type" => once(&mut thing.entity_type, plain.string()?)?,
                "id" => once(&mut thing.id, plain.string()?)?,
                "name" => once(&mut thing.name, plain.string()?)?,
                "properties" => once(&mut thing.properties, plain_object(plain, depth_left)?)?,
                _ => return None,
            }
        }
        Some(thing)
    }

    fn entity(&self) -> Option<Entity<'_>> {
        Some(Entity {
            entity_type: self.entity_type?,
            id: self.id?,
            properties: self.properties.as_ref(),
        })
    }
}

/// Puts a member where it belongs. None if there is one already.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn plain_object<'a>(plain: &mut Plain<'a>, depth_left: usize) -> Option<Json<'a>> {
    plain.value(depth_left).filter(|value| matches!(value, Json::Object(_)))
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

/// What is searched for: a type alone. An id and properties are not looked at (8.4, 8.5).
fn sought<'a>(name: &'static str, json: Option<&'a Json<'a>>) -> Result<Entity<'a>, Wrong> {
    let json = required(name, json)?;
    Ok(Entity {
        entity_type: string(name, "type", json.get("type"))?,
        id: "",
        properties: None,
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, prop_oneof};
    use proptest::sample::{select, subsequence};
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    /// An object of some of these members, in any order, now and then with one twice.
    fn object(members: Vec<&'static str>) -> impl Strategy<Value = String> {
        let all = members.len();
        let usual = subsequence(members.clone(), all.saturating_sub(2)..=all).prop_shuffle();
        let any = vec(select(members), 0..6);
        prop_oneof![4 => usual, 1 => any].prop_map(|members| format!("{{{}}}", members.join(",")))
    }

    fn questions() -> impl Strategy<Value = String> {
        let thing = || {
            object(vec![
                r#""type":"user""#,
                r#""id":"ana""#,
                r#""name":"read""#,
                r#""properties":{"a":[1,{"b":true}]}"#,
                r#""name":null"#,
                r#""id":7"#,
                r#""properties":null"#,
                r#""more":"x""#,
            ])
        };
        let good = || select(vec![r#"{"type":"user","id":"ana"}"#, r#"{"name":"read","properties":{}}"#]);
        let thing = move || prop_oneof![1 => thing(), 2 => good().prop_map(str::to_owned)];
        let context = select(vec!["{}", r#"{"a":{"b":{}}}"#, r#"{"a":1,"a":1}"#, "null", "[]", "1"]);
        (thing(), thing(), thing(), context, vec(0..5_usize, 3..6)).prop_map(
            |(subject, action, resource, context, order)| {
                let members = [
                    format!("\"subject\":{subject}"),
                    format!("\"action\":{action}"),
                    format!("\"resource\": {resource}"),
                    format!("\"context\":{context}"),
                    "\"more\":{}".to_owned(),
                ];
                let chosen: Vec<&str> = order.into_iter().map(|at| members[at].as_str()).collect();
                format!("{{{}}}", chosen.join(","))
            },
        )
    }

    proptest! {
        #[test]
        fn a_question_written_plainly_is_the_one_that_is_read_thoroughly(text in questions(), depth_max in 1..6_usize) {
            if let Some(written) = Written::read(&text, depth_max)
                && let Some(query) = written.query()
            {
                let json = Json::read(text.as_bytes(), depth_max).expect("JSON");
                let thorough = read_question(&json).expect("a question");
                prop_assert_eq!(format!("{query:?}"), format!("{thorough:?}"), "{}", text);
            }
        }
    }

    #[test]
    fn a_usual_question_is_written_plainly() {
        let text = r#"{"subject":{"type":"user","id":"ana","properties":{"a":1}},"action":{"name":"read"},
            "resource":{"type":"doc","id":"1"},"context":{"ip":"127.0.0.1"}}"#;
        assert!(Written::read(text, 3).expect("plain").query().is_some());
        assert!(Written::read(text, 2).is_none(), "deeper than allowed");
    }
}
