//! What a request said that no policy could see.

use super::words::shortened;
use super::{Dropped, WhyDropped};
use crate::engine::json::Json;
use crate::engine::options::RequestProperties;
use crate::engine::query::{Entity, Part, Query};
use crate::engine::shape::{Fields, Shape};
use crate::engine::snapshot::Snapshot;
use crate::engine::vocabulary::{ActionEntry, TypeEntry};

/// Members that are told; a request may have thousands.
const DROPPED_MAX: usize = 100;

/// Characters of a member's name that are told.
const PATH_MAX: usize = 200;

/// What was dropped of the context and the properties, and whether there was more.
pub(super) fn dropped(
    snapshot: &Snapshot,
    query: &Query<'_>,
    action: &ActionEntry,
    principal: &TypeEntry,
    resource: &TypeEntry,
) -> (Vec<Dropped>, bool) {
    let mut dropped = Vec::new();
    let has_action = action.context.has("action");
    let has_properties = query.action.properties.is_some_and(|json| json.members() > 0);
    if let Some(Json::Object(members)) = query.context {
        for (name, json) in members {
            if has_action && has_properties && name == "action" {
                push(&mut dropped, Part::Context, ".action".to_owned(), WhyDropped::SaidTwice);
            } else {
                member(&mut dropped, Part::Context, "", name, json, &action.context);
            }
        }
    }
    if let Some(Json::Object(members)) = query.action.properties {
        let inner = action.context.find("action").map(|(_, field)| &field.shape);
        for (name, json) in members {
            match inner {
                Some(Shape::Record(fields)) => member(&mut dropped, Part::Action, "", name, json, fields),
                _ => push(&mut dropped, Part::Action, format!(".{name}"), WhyDropped::Undeclared),
            }
        }
    }
    properties(&mut dropped, snapshot, Part::Principal, principal, &query.principal);
    properties(&mut dropped, snapshot, Part::Resource, resource, &query.resource);
    let is_cut = dropped.len() > DROPPED_MAX;
    dropped.truncate(DROPPED_MAX);
    (dropped, is_cut)
}

fn properties(dropped: &mut Vec<Dropped>, snapshot: &Snapshot, part: Part, entry: &TypeEntry, asked: &Entity<'_>) {
    let Some(Json::Object(members)) = asked.properties else { return };
    let ty = snapshot.vocabulary.type_of(&entry.ty);
    let stored = ty.and_then(|ty| snapshot.entities.table.find(ty, asked.id)).map(|(_, view)| view);
    let stored = stored.filter(|view| view.exists());
    for (name, json) in members {
        match (entry.request_properties, entry.fields.find(name)) {
            (RequestProperties::Ignore, Some(_)) => push(dropped, part, format!(".{name}"), WhyDropped::Ignored),
            (RequestProperties::Fill, Some((slot, _)))
                if *json != Json::Null && stored.is_some_and(|view| view.attribute(slot).is_some()) =>
            {
                push(dropped, part, format!(".{name}"), WhyDropped::Stored);
            }
            _ => member(dropped, part, "", name, json, &entry.fields),
        }
    }
}

fn member(dropped: &mut Vec<Dropped>, part: Part, path: &str, name: &str, json: &Json<'_>, fields: &Fields) {
    let path = format!("{path}.{name}");
    match fields.find(name) {
        None => push(dropped, part, path, WhyDropped::Undeclared),
        Some(_) if *json == Json::Null => push(dropped, part, path, WhyDropped::Null),
        Some((_, field)) => value(dropped, part, path, json, &field.shape),
    }
}

fn value(dropped: &mut Vec<Dropped>, part: Part, path: String, json: &Json<'_>, shape: &Shape) {
    match (shape, json) {
        (Shape::Record(fields), Json::Object(members)) => {
            members.iter().for_each(|(name, json)| member(dropped, part, &path, name, json, fields));
        }
        (Shape::Set(element), Json::Array(items)) if matches!(**element, Shape::Record(_) | Shape::Set(_)) => {
            for (index, item) in items.iter().enumerate() {
                value(dropped, part, format!("{path}[{index}]"), item, element);
            }
        }
        _ => {}
    }
}

fn push(dropped: &mut Vec<Dropped>, part: Part, path: String, why: WhyDropped) {
    // One more is found than is told.
    if dropped.len() <= DROPPED_MAX {
        let path = shortened(path.into(), PATH_MAX).into_owned();
        dropped.push(Dropped { part, path, why });
    }
}
