//! `gatepost what-can`

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::NamedRootArgs;
use super::kinds::{Chosen, Kinds};
use super::listing::{ListFormat, Listing, Section};
use super::reach::{Looking, Name, Reach};
use super::table::Table;
use crate::cli::complete;
use crate::cli::names::{self, Absent, Typed};
use crate::cli::source::{AskArgs, Failed, Source};

/// What `what-can` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 there is something, 3 there is nothing, 1 a name is unknown, the files have faults or the \
                  sidecar does not answer, 2 wrong usage or settings.\n\n\
                  Examples:\n  gatepost what-can carla@example.com\n  gatepost what-can carla@example.com write\n  \
                  gatepost what-can user:carla@example.com write --type datastore --url http://127.0.0.1:8180"
)]
pub(in crate::cli) struct WhatCanArgs {
    /// The principal: `type:id`, `Type::"id"`, or the id alone where it is clear.
    #[arg(add = ArgValueCompleter::new(complete::principals))]
    pub(in crate::cli) principal: String,
    /// The action. Without it, all of them.
    #[arg(add = ArgValueCompleter::new(complete::actions))]
    pub(in crate::cli) action: Option<String>,
    #[command(flatten)]
    root: NamedRootArgs,
    #[command(flatten)]
    ask: AskArgs,
    /// Only resources of this type. May be given more than once.
    #[arg(long = "type", value_name = "TYPE", add = ArgValueCompleter::new(complete::resource_types))]
    types: Vec<String>,
    /// Ask also about a principal that the store does not have.
    #[arg(long)]
    absent: bool,
    /// How to show the list.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

pub(in crate::cli) fn run(args: &WhatCanArgs) -> u8 {
    list(args).unwrap_or_else(|failed| failed.tell())
}

fn list(args: &WhatCanArgs) -> Result<u8, Failed> {
    let mut source = Source::open(&args.root.root(), &args.ask)?;
    let absent = if args.absent { Absent::Taken } else { Absent::Refused };
    let principal = principal(&source, &args.principal, args.action.as_deref(), absent)?;
    let kinds = Kinds::of(
        &source,
        &Chosen {
            principals: std::slice::from_ref(&principal.0),
            actions: args.action.as_slice(),
            resources: &args.types,
        },
    )?;
    let mut looking = Looking::new(&kinds);
    let reach = looking.reach(&mut source, &principal)?;
    let mut notes = looking.notes()?;
    if args.action.is_none() {
        notes.extend(kinds.notes());
    }
    notes.extend(source.notes());
    listing(&principal, args.action.as_deref(), &reach, notes).show(&source, args.format)
}

/// The exact type and the id of a principal, among those that may do something at all, or the action that is named.
pub(super) fn principal(source: &Source, text: &str, action: Option<&str>, absent: Absent) -> Result<Name, Failed> {
    let Some(snapshot) = source.snapshot() else {
        return match names::typed(text) {
            Typed::Entity(entity_type, id) => Ok((entity_type, id)),
            Typed::Id(id) => Err(super::untyped(&id)),
        };
    };
    let action = action.map(|action| names::action(snapshot, action)).transpose().map_err(Failed::Other)?;
    let environments = snapshot.allowed_environments();
    let asked = environments
        .iter()
        .filter(|kind| action.as_ref().is_none_or(|action| action.name == kind.action));
    let mut types: Vec<&str> = asked.map(|kind| kind.principal.as_str()).collect();
    types.sort_unstable();
    types.dedup();
    names::entity(snapshot, text, &types, absent).map_err(Failed::Other)
}

fn listing(principal: &Name, action: Option<&str>, reach: &Reach, notes: Vec<String>) -> Listing {
    let mut rows = Table::new(["resource_type", "resource", "level", "actions"]);
    let mut sections: Vec<Section> = Vec::new();
    let mut resources = Vec::new();
    for ((entity_type, id), access) in reach {
        if sections.last().is_none_or(|section| section.title != *entity_type) {
            let head = if action.is_some() {
                &["resource"][..]
            } else {
                &["resource", "access"]
            };
            let table = Table {
                head: head.iter().map(|name| (*name).to_owned()).collect(),
                rows: Vec::new(),
            };
            sections.push(Section {
                title: entity_type.clone(),
                table,
            });
        }
        if let Some(section) = sections.last_mut() {
            let mut row = vec![id.clone()];
            row.extend(action.is_none().then(|| access.words()));
            section.table.rows.push(row);
        }
        rows.rows.push(vec![
            entity_type.clone(),
            id.clone(),
            access.level(),
            access.actions.join(", "),
        ]);
        resources.push(json!({
            "type": entity_type, "id": id, "levels": access.levels, "besides": access.besides,
            "without": access.without, "actions": access.actions,
        }));
    }
    let (kind, id) = principal;
    Listing {
        title: match action {
            Some(action) => format!("what {kind} {id} can {action}"),
            None => format!("what {kind} {id} can do"),
        },
        facts: Vec::new(),
        sections,
        nothing: "nothing".to_owned(),
        rows,
        json: json!({
            "principal": { "type": kind, "id": id },
            "action": action,
            "resources": resources,
        }),
        notes,
    }
}
