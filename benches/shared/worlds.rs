//! What snapshots are compiled from: the bundled model, and worlds of any size that are made here.
#![allow(dead_code, reason = "each bench takes its part")]

use std::fmt::Write;

use gatepost::app::MODEL;
use gatepost::directory;
use gatepost::engine::{Faults, Sources, Text, UnknownParents};
use serde_json::{Value, json};

/// Actions that are not asked for.
const OTHER_ACTIONS: usize = 20;

/// Entities of a world whose policies are counted.
const ENTITIES: usize = 1_000;

/// What decides in every made world: owners, readers through groups, and who is kept out.
const DECIDING: &str = r#"
@id("owner")
permit (principal, action == Action::"view", resource) when { resource.owner == principal };
@id("readers")
permit (principal, action == Action::"view", resource) when { principal in resource.readers };
@id("open")
permit (principal, action == Action::"view", resource) when { resource.open };
@id("first-folder")
permit (principal in Group::"g0", action == Action::"view", resource in Folder::"f0");
@id("suspended")
forbid (principal, action == Action::"view", resource) when { principal.suspended };
"#;

/// Sources, and how many principals and resources they have: users `u0`, `u1`… and documents `d0`, `d1`…, asked about
/// with the action `view`.
pub(crate) struct World {
    pub(crate) sources: Sources,
    pub(crate) users: usize,
    pub(crate) docs: usize,
}

/// The bundled model, as the loader would hand it to the engine.
pub(crate) fn bundled() -> Sources {
    let mut sources = Sources::default();
    let mut documents = Vec::new();
    for (name, content) in MODEL {
        let text = Text::new(*name, *content);
        match name.split_once('/') {
            Some(("schema", _)) => sources.schema.push(text),
            Some(("policies", _)) => sources.policies.push(text),
            _ if name.ends_with(".json") => sources.entities.push(text),
            _ => documents.push(text),
        }
    }
    let (records, faults) = directory::read(&documents, UnknownParents::Refuse);
    Faults::check(faults).expect("the bundled directory");
    sources.records = records;
    sources
}

/// A world with so many policies besides those that decide, all of other actions than the one that is asked for.
pub(crate) fn with_policies_of_other_actions(count: usize) -> World {
    let mut policies = DECIDING.to_owned();
    for number in 0..count {
        let (action, group) = (number % OTHER_ACTIONS, number % 64);
        // Writing to a string does not fail.
        let _ = writeln!(
            policies,
            "@id(\"other-{number}\")\npermit (principal in Group::\"g{group}\", action == Action::\"other-{action}\", \
             resource in Folder::\"f{number}\") when {{ !principal.suspended }};"
        );
    }
    world(policies, ENTITIES)
}

/// The same with policies of the action that is asked for, each a grant to one user who is not asked about.
pub(crate) fn with_policies_of_the_same_action(count: usize) -> World {
    let mut policies = DECIDING.to_owned();
    for number in 0..count {
        let _ = writeln!(
            policies,
            "@id(\"same-{number}\")\npermit (principal == User::\"x{number}\", action == Action::\"view\", \
             resource in Folder::\"f1\");"
        );
    }
    world(policies, ENTITIES)
}

/// The same with links of one template, each a grant of one document to a group; the group of each tenth is one that is
/// asked about, and its document is not.
pub(crate) fn with_links_of_the_same_action(count: usize) -> World {
    let mut world = world(
        format!(
            "{DECIDING}@id(\"share\") permit (principal in ?principal, action == Action::\"view\", resource == ?resource) \
             when {{ !principal.suspended }};"
        ),
        ENTITIES,
    );
    let links: Vec<Value> = (0..count)
        .map(|number| {
            let group = if number % 10 == 0 {
                format!("g{}", number / 10 % 10)
            } else {
                format!("x{number}")
            };
            json!({
                "template_id": "share",
                "link_id": format!("share-{number}"),
                "args": {
                    "?principal": format!("Group::\"{group}\""),
                    "?resource": format!("Doc::\"shared-{number}\""),
                },
            })
        })
        .collect();
    world
        .sources
        .policies
        .push(Text::new("policies/links.json", Value::Array(links).to_string()));
    world
}

/// A world with so many entities, ten or more, and just the policies that decide.
pub(crate) fn with_entities(count: usize) -> World {
    world(DECIDING.to_owned(), count)
}

fn world(policies: String, entities: usize) -> World {
    // One in a hundred is a group and one a folder; the others are users and documents.
    let groups = (entities / 100).max(2);
    let folders = groups;
    let users = (entities - groups - folders) / 2;
    let docs = entities - groups - folders - users;
    let mut all = Vec::with_capacity(entities);
    for number in 0..groups {
        // A tree: the first ten groups are in the first, ten more in each of these, and so on.
        let parents = if number == 0 {
            vec![]
        } else {
            vec![uid("Group", 'g', number / 10)]
        };
        all.push(json!({ "uid": uid("Group", 'g', number), "attrs": {}, "parents": parents }));
    }
    for number in 0..folders {
        all.push(json!({ "uid": uid("Folder", 'f', number), "attrs": {}, "parents": [] }));
    }
    for number in 0..users {
        all.push(json!({
            "uid": uid("User", 'u', number),
            "attrs": { "suspended": number % 16 == 15 },
            "parents": [uid("Group", 'g', number % groups)],
        }));
    }
    for number in 0..docs {
        all.push(json!({
            "uid": uid("Doc", 'd', number),
            "attrs": {
                "open": number % 4 == 0,
                "owner": { "__entity": uid("User", 'u', number % users) },
                "readers": [{ "__entity": uid("Group", 'g', number % groups) }],
            },
            "parents": [uid("Folder", 'f', number % folders)],
        }));
    }
    World {
        sources: Sources {
            schema: vec![Text::new("schema/made.cedarschema", schema())],
            policies: vec![Text::new("policies/made.cedar", policies)],
            entities: vec![Text::new("entities/made.json", Value::Array(all).to_string())],
            ..Sources::default()
        },
        users,
        docs,
    }
}

fn uid(entity_type: &str, letter: char, number: usize) -> Value {
    json!({ "type": entity_type, "id": format!("{letter}{number}") })
}

fn schema() -> String {
    let others: Vec<String> = (0..OTHER_ACTIONS).map(|number| format!("\"other-{number}\"")).collect();
    format!(
        "entity Group in [Group];
entity Folder;
entity User in [Group] = {{ suspended: Bool }};
entity Doc in [Folder] = {{ open: Bool, owner: User, readers: Set<Group> }};
action view, {} appliesTo {{ principal: [User], resource: [Doc] }};
",
        others.join(", ")
    )
}
