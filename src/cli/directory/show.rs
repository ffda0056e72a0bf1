//! Entries in lists, and by themselves.

use serde_json::{Value, json};

use super::PlaceArgs;
use super::place::{Place, Purpose};
use crate::cli::lists::{Table, Tone, colour, shown};
use crate::cli::render::shown_json;
use crate::cli::source::Failed;
use crate::cli::{DENY, Format, SUCCESS, print};
use crate::directory::{Kind, Role, fold};

/// The team that everyone is in.
const PUBLIC: &str = "Public";

/// Which entries are listed. What is not said is not looked at.
#[derive(Debug, Default)]
pub(super) struct Wanted<'w> {
    pub(super) role: Option<Role>,
    pub(super) team: Option<&'w str>,
    pub(super) inactive: bool,
    pub(super) contains: Option<&'w str>,
}

impl Wanted<'_> {
    fn takes(&self, entry: &Value) -> bool {
        let is = |key: &str, text: &str| entry[key].as_str() == Some(text);
        let holds = |part: &str| {
            ["id", "name"]
                .iter()
                .any(|key| entry[*key].as_str().is_some_and(|text| fold(text).contains(&fold(part))))
        };
        let in_team = |team: &str| {
            team == PUBLIC || entry["teams"].as_array().is_some_and(|teams| teams.iter().any(|other| other == team))
        };
        self.role.is_none_or(|role| is("role", role.name()))
            && self.team.is_none_or(in_team)
            && (!self.inactive || entry["active"] == false)
            && self.contains.is_none_or(holds)
    }
}

/// Lists the entries of a kind.
pub(super) fn list(kind: Kind, args: &PlaceArgs, wanted: &Wanted<'_>, format: Format) -> Result<u8, Failed> {
    let mut place = Place::open(args, Purpose::Read)?;
    let team = match wanted.team.filter(|team| *team != PUBLIC) {
        Some(team) => Some(place.known(Kind::Team, team)?.id),
        None => wanted.team.map(str::to_owned),
    };
    let wanted = Wanted {
        team: team.as_deref(),
        ..*wanted
    };
    let mut entries = place.all(kind)?;
    entries.retain(|entry| wanted.takes(entry));
    let code = if entries.is_empty() { DENY } else { SUCCESS };
    if format == Format::Json {
        print(&shown_json(
            &json!({ kind.key(): entries, "revision": place.revision() }).to_string(),
        ));
        return Ok(code);
    }
    if entries.is_empty() {
        let seen = match place {
            Place::Files(_) => "",
            Place::Sidecar(_) => " that whom the token is for may see",
        };
        print(&format!("no {}s{seen}", kind.word()));
        return Ok(code);
    }
    print(table(kind, &entries).without_empty().text(colour()).trim_end());
    Ok(code)
}

fn table(kind: Kind, entries: &[Value]) -> Table {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let count = |entry: &Value, key: &str| entry[key].as_array().map_or(0, Vec::len);
    let mut table = match kind {
        Kind::User | Kind::ServiceUser => Table::new(["id", "role", "name", "state", "teams"]),
        Kind::Team => Table::new(["id", "permission", "name", "members", "datastores"]),
        Kind::Datastore | Kind::EnrichmentDatastore => Table {
            head: vec!["id".to_owned(), "name".to_owned()],
            rows: Vec::new(),
        },
    };
    for entry in entries {
        table.rows.push(match kind {
            Kind::User | Kind::ServiceUser => {
                let state = if entry["active"] == false { "inactive" } else { "" };
                vec![
                    text(entry, "id"),
                    text(entry, "role"),
                    text(entry, "name"),
                    state.to_owned(),
                    names(&entry["teams"]),
                ]
            }
            Kind::Team => {
                let members = match (text(entry, "id").as_str(), entry["member_count"].as_u64()) {
                    (PUBLIC, _) => "everyone".to_owned(),
                    (_, count) => count.map(|count| count.to_string()).unwrap_or_default(),
                };
                let stores = count(entry, "datastores") + count(entry, "enrichment_datastores");
                vec![
                    text(entry, "id"),
                    text(entry, "permission"),
                    text(entry, "name"),
                    members,
                    stores.to_string(),
                ]
            }
            Kind::Datastore | Kind::EnrichmentDatastore => vec![text(entry, "id"), text(entry, "name")],
        });
    }
    table
}

/// `a, b`, of texts or of items that have an id.
fn names(list: &Value) -> String {
    let name = |item: &Value| {
        let id = item.as_str().or_else(|| item["id"].as_str()).unwrap_or_default();
        item["permission"]
            .as_str()
            .map_or_else(|| id.to_owned(), |level| format!("{id} ({level})"))
    };
    let names: Vec<String> = list.as_array().into_iter().flatten().map(name).collect();
    names.join(", ")
}

/// Shows one entry.
pub(super) fn one(kind: Kind, id: &str, args: &PlaceArgs, format: Format) -> Result<u8, Failed> {
    let mut place = Place::open(args, Purpose::Read)?;
    let key = place.known(kind, id)?;
    let (id, entry) = (key.id.as_str(), place.get(&key)?);
    if format == Format::Json {
        print(&shown_json(&entry.to_string()));
        return Ok(SUCCESS);
    }
    let colour = colour();
    let mut text = format!("{}\n", colour.set(Tone::Strong, &shown(&format!("{} {id}", kind.word()))));
    let mut facts: Vec<(&str, String)> = facts(kind, &entry);
    if matches!(kind, Kind::Datastore | Kind::EnrichmentDatastore) {
        facts.push(("teams", granted(kind, id, &place.all(Kind::Team)?)));
    }
    let wide = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in facts {
        let name = colour.set(Tone::Soft, &format!("{name:wide$}"));
        text.push_str(format!("  {name}  {}", shown(&value)).trim_end());
        text.push('\n');
    }
    print(text.trim_end());
    Ok(SUCCESS)
}

/// The teams that are granted a datastore, with the level.
fn granted(kind: Kind, id: &str, teams: &[Value]) -> String {
    let of = |team: &Value| {
        let mut assignments = team[kind.key()].as_array().into_iter().flatten();
        let own = assignments.find(|assignment| assignment["id"] == id)?;
        let level = own["permission"].as_str().or_else(|| team["permission"].as_str())?;
        Some(format!("{} ({level})", team["id"].as_str()?))
    };
    let granted: Vec<String> = teams.iter().filter_map(of).collect();
    granted.join(", ")
}

fn facts(kind: Kind, entry: &Value) -> Vec<(&'static str, String)> {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let mut facts = vec![("name", text("name"))];
    match kind {
        Kind::User | Kind::ServiceUser => {
            facts.push(("role", text("role")));
            let state = if entry["active"] == false {
                "inactive: denied everything"
            } else {
                "active"
            };
            facts.push(("state", state.to_owned()));
            facts.push(("teams", names(&entry["teams"])));
        }
        Kind::Team => {
            facts.push(("description", text("description")));
            facts.push((
                "permission",
                entry["permission"].as_str().unwrap_or("none of its own").to_owned(),
            ));
            if entry["id"] == PUBLIC {
                facts.push(("members", "everyone".to_owned()));
            } else {
                facts.push(("users", names(&entry["users"])));
                facts.push(("service users", names(&entry["service_users"])));
            }
            facts.push(("datastores", names(&entry["datastores"])));
            facts.push(("enrichment datastores", names(&entry["enrichment_datastores"])));
        }
        Kind::Datastore | Kind::EnrichmentDatastore => {}
    }
    if entry["synced"] == true {
        facts.push(("synced", "by the identity provider".to_owned()));
    }
    facts
}
