//! `gatepost access`

use std::collections::{BTreeMap, BTreeSet};

use clap_complete::engine::ArgValueCompleter;
use serde_json::{Value, json};

use super::NamedRootArgs;
use super::grounds::Grounds;
use super::kinds::{Chosen, Kinds};
use super::listing::{Fact, ListFormat, Listing, Section};
use super::reach::{Looking, Name, Reach};
use super::table::Table;
use super::what_can::principal;
use crate::cli::complete;
use crate::cli::names::Absent;
use crate::cli::source::{AskArgs, Failed, Source};
use crate::engine::Snapshot;

/// How many groups of one principal are shown.
const GROUPS_MAX: usize = 1000;

/// What `access` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 there is some access, 3 there is none, 1 the name is unknown, the files have faults or the \
                  sidecar does not answer, 2 wrong usage or settings.\n\n\
                  Examples:\n  gatepost access carla@example.com\n  gatepost access user:carla@example.com --format markdown\n  \
                  gatepost access carla@example.com --root demo --url http://127.0.0.1:8180"
)]
pub(in crate::cli) struct AccessArgs {
    /// The principal: `type:id`, `Type::"id"`, or the id alone where it is clear.
    #[arg(add = ArgValueCompleter::new(complete::principals))]
    pub(in crate::cli) principal: String,
    #[command(flatten)]
    root: NamedRootArgs,
    #[command(flatten)]
    ask: AskArgs,
    /// Only resources of this type. May be given more than once.
    #[arg(long = "type", value_name = "TYPE", add = ArgValueCompleter::new(complete::resource_types))]
    types: Vec<String>,
    /// Only this action. May be given more than once.
    #[arg(long = "action", value_name = "ACTION", add = ArgValueCompleter::new(complete::actions))]
    actions: Vec<String>,
    /// Ask also about a principal that the store does not have.
    #[arg(long)]
    absent: bool,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

pub(in crate::cli) fn run(args: &AccessArgs) -> u8 {
    list(args).unwrap_or_else(|failed| failed.tell())
}

fn list(args: &AccessArgs) -> Result<u8, Failed> {
    let mut source = Source::open(&args.root.root(), &args.ask)?;
    let absent = if args.absent { Absent::Taken } else { Absent::Refused };
    let principal = principal(&source, &args.principal, None, absent)?;
    let kinds = Kinds::of(
        &source,
        &Chosen {
            principals: std::slice::from_ref(&principal.0),
            actions: &args.actions,
            resources: &args.types,
        },
    )?;
    let mut looking = Looking::new(&kinds);
    let reach = looking.reach(&mut source, &principal)?;
    let mut notes = looking.notes()?;
    notes.extend(kinds.notes());
    notes.extend(source.notes());
    let known = source.snapshot().map(|snapshot| Known::of(snapshot, &principal));
    listing(&source, &principal, &known.unwrap_or_default(), &reach, notes).show(&source, args.format)
}

/// What the files say of the principal.
#[derive(Default)]
struct Known {
    attributes: BTreeMap<String, Value>,
    groups: Vec<Group>,
}

/// A group of the principal, and the groups that lead there.
struct Group {
    name: Name,
    /// From what the principal is directly in, to this one.
    chain: Vec<Name>,
}

impl Known {
    fn of(snapshot: &Snapshot, principal: &Name) -> Self {
        let entity = snapshot.entity(&principal.0, &principal.1);
        let mut groups = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<Vec<Name>> = Vec::new();
        let above = |name: &Name| snapshot.entity(&name.0, &name.1).map(|entity| entity.parents).unwrap_or_default();
        let enqueue = |waiting: &mut Vec<Vec<Name>>, chain: &[Name], parents: Vec<Name>| {
            // The last is taken first.
            waiting.extend(parents.into_iter().rev().map(|parent| [chain, &[parent]].concat()));
        };
        enqueue(&mut waiting, &[], above(principal));
        while let Some(chain) = waiting.pop() {
            let Some(name) = chain.last().filter(|name| groups.len() < GROUPS_MAX && seen.insert((*name).clone()))
            else {
                continue;
            };
            enqueue(&mut waiting, &chain, above(name));
            groups.push(Group {
                name: name.clone(),
                chain: chain.clone(),
            });
        }
        Self {
            attributes: entity.map(|entity| entity.attributes).unwrap_or_default(),
            groups,
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let attributes = self.attributes.iter().map(|(name, value)| Fact {
            name: name.clone(),
            value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            depth: 0,
        });
        let groups = self.groups.iter().map(|group| Fact {
            name: format!("in {}", group.name.0),
            value: group.name.1.clone(),
            depth: group.chain.len() - 1,
        });
        attributes.chain(groups).collect()
    }
}

fn listing(source: &Source, principal: &Name, known: &Known, reach: &Reach, notes: Vec<String>) -> Listing {
    let mut rows = Table::new([
        "principal_type",
        "principal",
        "resource_type",
        "resource",
        "level",
        "actions",
        "through",
        "policies",
    ]);
    let mut sections: Vec<Section> = Vec::new();
    let mut resources = Vec::new();
    for (resource, access) in reach {
        let grounds = Grounds::of(source, principal, resource, access);
        let policies: Vec<&str> = grounds.policies.iter().map(String::as_str).collect();
        let (through, policies) = (grounds.through(), policies.join(", "));
        if sections.last().is_none_or(|section| section.title != resource.0) {
            sections.push(Section {
                title: resource.0.clone(),
                table: Table::new(["resource", "access", "through", "policies"]),
            });
        }
        if let Some(section) = sections.last_mut() {
            let row = vec![resource.1.clone(), access.words(), through.clone(), policies.clone()];
            section.table.rows.push(row);
        }
        rows.rows.push(vec![
            principal.0.clone(),
            principal.1.clone(),
            resource.0.clone(),
            resource.1.clone(),
            access.level(),
            access.actions.join(", "),
            through,
            policies,
        ]);
        resources.push(json!({
            "type": resource.0, "id": resource.1, "levels": access.levels, "besides": access.besides,
            "without": access.without, "actions": access.actions, "through": grounds.to_json(),
            "policies": grounds.policies,
        }));
    }
    let name = |(entity_type, id): &Name| json!({ "type": entity_type, "id": id });
    let groups = known.groups.iter().map(|group| {
        let mut json = name(&group.name);
        json["chain"] = group.chain.iter().map(name).collect();
        json
    });
    Listing {
        title: format!("access of {} {}", principal.0, principal.1),
        facts: known.facts(),
        sections,
        nothing: "none".to_owned(),
        json: json!({
            "principal": {
                "type": principal.0, "id": principal.1, "attributes": known.attributes,
                "groups": groups.collect::<Vec<_>>(),
            },
            "resources": resources,
        }),
        rows,
        notes,
    }
}
