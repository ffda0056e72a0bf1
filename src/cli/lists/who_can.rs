//! `gatepost who-can`

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::NamedRootArgs;
use super::kinds::{Chosen, Kinds};
use super::listing::{ListFormat, Listing, Section};
use super::reach::{LeftOut, Name};
use super::table::Table;
use crate::cli::complete;
use crate::cli::names::{self, Absent, Typed};
use crate::cli::source::{AskArgs, Failed, Question, Searched, Source};
use crate::engine::Sought;

/// What `who-can` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 somebody can, 3 nobody can, 1 a name is unknown, the files have faults or the sidecar does not \
                  answer, 2 wrong usage or settings.\n\n\
                  Examples:\n  gatepost who-can write ledger\n  gatepost who-can write datastore:ledger --type user --format csv\n  \
                  gatepost who-can write datastore:ledger --url http://127.0.0.1:8180 --type user"
)]
pub(in crate::cli) struct WhoCanArgs {
    /// The action.
    #[arg(add = ArgValueCompleter::new(complete::actions))]
    pub(in crate::cli) action: String,
    /// The resource: `type:id`, `Type::"id"`, or the id alone where it is clear.
    #[arg(add = ArgValueCompleter::new(complete::resources))]
    pub(in crate::cli) resource: String,
    #[command(flatten)]
    root: NamedRootArgs,
    #[command(flatten)]
    ask: AskArgs,
    /// Only principals of this type. May be given more than once.
    #[arg(long = "type", value_name = "TYPE", add = ArgValueCompleter::new(complete::principal_types))]
    types: Vec<String>,
    /// Ask also about a resource that the store does not have.
    #[arg(long)]
    absent: bool,
    /// How to show the list.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

pub(in crate::cli) fn run(args: &WhoCanArgs) -> u8 {
    list(args).unwrap_or_else(|failed| failed.tell())
}

fn list(args: &WhoCanArgs) -> Result<u8, Failed> {
    let mut source = Source::open(&args.root.root(), &args.ask)?;
    let (action, resource) = meant(&source, args)?;
    let kinds = Kinds::of(
        &source,
        &Chosen {
            principals: &args.types,
            actions: std::slice::from_ref(&action),
            resources: std::slice::from_ref(&resource.0),
        },
    )?;
    let (mut left_out, mut asked) = (LeftOut::default(), 0);
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for kind in kinds.iter() {
        let question = Question {
            principal: (&kind.principal, ""),
            action: &kind.action,
            resource: (&resource.0, &resource.1),
        };
        match source.search(question, Sought::Principals)? {
            Searched::Found(ids) => {
                asked += 1;
                if !ids.is_empty() {
                    found.push((kind.principal.clone(), ids));
                }
            }
            Searched::Unfit(why) => left_out.add(&source, &kind.action, why),
        }
    }
    let mut notes = left_out.unless_all(asked)?;
    notes.extend(source.notes());
    listing(&args.action, &resource, &found, notes).show(&source, args.format)
}

/// The action and the resource by exact names, where the files tell them.
fn meant(source: &Source, args: &WhoCanArgs) -> Result<(String, Name), Failed> {
    let Some(snapshot) = source.snapshot() else {
        return match names::typed(&args.resource) {
            Typed::Entity(entity_type, id) => Ok((args.action.clone(), (entity_type, id))),
            Typed::Id(id) => Err(super::untyped(&id)),
        };
    };
    let action = names::action(snapshot, &args.action).map_err(Failed::Other)?;
    let environments = snapshot.allowed_environments();
    let types = environments
        .iter()
        .filter(|kind| kind.action == action.name)
        .map(|kind| kind.resource.as_str());
    let mut types: Vec<&str> = types.collect();
    types.sort_unstable();
    types.dedup();
    if types.is_empty() {
        return Err(Failed::Other(format!(
            "`{}` is only a group of other actions; ask about one of those",
            action.short
        )));
    }
    let absent = if args.absent { Absent::Taken } else { Absent::Refused };
    let resource = names::entity(snapshot, &args.resource, &types, absent).map_err(Failed::Other)?;
    Ok((action.name, resource))
}

fn listing(action: &str, resource: &Name, found: &[(String, Vec<String>)], notes: Vec<String>) -> Listing {
    let mut rows = Table::new(["principal_type", "principal"]);
    let mut sections = Vec::new();
    for (entity_type, ids) in found {
        let mut table = Table::new(["principal"]);
        for id in ids {
            table.rows.push(vec![id.clone()]);
            rows.rows.push(vec![entity_type.clone(), id.clone()]);
        }
        sections.push(Section {
            title: entity_type.clone(),
            table,
        });
    }
    let principals = rows.rows.iter().map(|row| json!({ "type": row[0], "id": row[1] }));
    Listing {
        title: format!("who can {action} {} {}", resource.0, resource.1),
        facts: Vec::new(),
        sections,
        nothing: "nobody".to_owned(),
        json: json!({
            "action": action,
            "resource": { "type": resource.0, "id": resource.1 },
            "principals": principals.collect::<Vec<_>>(),
        }),
        rows,
        notes,
    }
}
