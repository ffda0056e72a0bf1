//! What can be asked, and what is wrong with a question.

use std::fmt;

use super::json::Json;

/// One question: may this principal do this action to this resource, in this context?
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Who asks.
    pub principal: Entity<'a>,
    /// What is to be done.
    pub action: Action<'a>,
    /// What it is to be done to.
    pub resource: Entity<'a>,
    /// The circumstances, a JSON object; members that the schema does not declare are dropped.
    pub context: Option<&'a Json<'a>>,
}

/// An entity by its names.
#[derive(Clone, Copy, Debug)]
pub struct Entity<'a> {
    /// The entity type: an exact Cedar name, a short one or an alias.
    pub entity_type: &'a str,
    /// The id, compared byte by byte.
    pub id: &'a str,
    /// Attributes that the request brings, a JSON object.
    pub properties: Option<&'a Json<'a>>,
}

/// An action by its name.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// An exact Cedar name such as `Action::"read"`, a short one or an alias.
    pub name: &'a str,
    /// Goes to the context member `action`, where the schema declares it.
    pub properties: Option<&'a Json<'a>>,
}

impl Entity<'_> {
    /// The type and id of an entity written as in Cedar: `App::User::"ana"`. None if it is not.
    pub fn parse(text: &str) -> Option<(String, String)> {
        let uid = super::core::parse_entity(text)?;
        Some((uid.entity_type().to_string(), AsRef::<str>::as_ref(uid.eid()).to_owned()))
    }
}

impl<'a> Query<'a> {
    /// A question without properties and context.
    pub fn plain(principal: (&'a str, &'a str), action: &'a str, resource: (&'a str, &'a str)) -> Self {
        let entity = |(entity_type, id)| Entity {
            entity_type,
            id,
            properties: None,
        };
        Self {
            principal: entity(principal),
            action: Action {
                name: action,
                properties: None,
            },
            resource: entity(resource),
            context: None,
        }
    }
}

/// A question that borrows nothing, for whoever looks at it later.
#[derive(Clone, Debug)]
pub struct OwnedQuery {
    principal: OwnedPart,
    action: OwnedPart,
    resource: OwnedPart,
    context: Option<Json<'static>>,
}

/// Type and id, or the name in place of the type; and properties.
#[derive(Clone, Debug)]
struct OwnedPart {
    name: String,
    id: String,
    properties: Option<Json<'static>>,
}

impl OwnedPart {
    fn new(name: &str, id: &str, properties: Option<&Json<'_>>) -> Self {
        Self {
            name: name.to_owned(),
            id: id.to_owned(),
            properties: properties.cloned().map(Json::into_owned),
        }
    }

    fn entity(&self) -> Entity<'_> {
        Entity {
            entity_type: &self.name,
            id: &self.id,
            properties: self.properties.as_ref(),
        }
    }
}

impl From<&Query<'_>> for OwnedQuery {
    fn from(query: &Query<'_>) -> Self {
        let entity = |entity: &Entity<'_>| OwnedPart::new(entity.entity_type, entity.id, entity.properties);
        Self {
            principal: entity(&query.principal),
            action: OwnedPart::new(query.action.name, "", query.action.properties),
            resource: entity(&query.resource),
            context: query.context.cloned().map(Json::into_owned),
        }
    }
}

impl OwnedQuery {
    /// The question.
    pub fn query(&self) -> Query<'_> {
        Query {
            principal: self.principal.entity(),
            action: Action {
                name: &self.action.name,
                properties: self.action.properties.as_ref(),
            },
            resource: self.resource.entity(),
            context: self.context.as_ref(),
        }
    }
}

impl Query<'_> {
    /// The question as JSON, with the words that AuthZEN has for its parts.
    pub fn to_json(&self) -> serde_json::Value {
        let json = |json: Option<&Json<'_>>| json.map(serde_json::Value::from);
        let entity = |entity: &Entity<'_>| {
            serde_json::json!({
                "type": entity.entity_type, "id": entity.id, "properties": json(entity.properties),
            })
        };
        serde_json::json!({
            "subject": entity(&self.principal),
            "action": { "name": self.action.name, "properties": json(self.action.properties) },
            "resource": entity(&self.resource),
            "context": json(self.context),
        })
    }
}

/// Why a question cannot be answered: a value that is not what the schema declares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The part of the question.
    pub part: Part,
    /// The member, such as `.address.city[2]`; empty for the whole part.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// The parts of a question that carry values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The properties of the principal.
    Principal,
    /// The properties of the action.
    Action,
    /// The properties of the resource.
    Resource,
    /// The context.
    Context,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Principal => "principal.properties",
            Part::Action => "action.properties",
            Part::Resource => "resource.properties",
            Part::Context => "context",
        };
        write!(f, "{part}{}: {}", self.path, self.message)
    }
}
