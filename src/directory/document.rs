//! The entries of a directory, read from documents.

use std::collections::BTreeMap;

use super::node::{Key, Node, Value};
use crate::engine::{Fault, Span, Text, nearest};

/// The kinds of entries, as a document's keys call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A person.
    User,
    /// An account for automation.
    ServiceUser,
    /// A team.
    Team,
    /// A source datastore.
    Datastore,
    /// An enrichment datastore.
    EnrichmentDatastore,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::User,
        Self::ServiceUser,
        Self::Team,
        Self::Datastore,
        Self::EnrichmentDatastore,
    ];

    /// The key of a document.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::ServiceUser => "service_users",
            Self::Team => "teams",
            Self::Datastore => "datastores",
            Self::EnrichmentDatastore => "enrichment_datastores",
        }
    }

    /// The Cedar entity type.
    pub(super) fn entity_type(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::ServiceUser => "ServiceUser",
            Self::Team => "Team",
            Self::Datastore => "Datastore",
            Self::EnrichmentDatastore => "EnrichmentDatastore",
        }
    }

    /// What a person calls one of them.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceUser => "service user",
            Self::Team => "team",
            Self::Datastore => "datastore",
            Self::EnrichmentDatastore => "enrichment datastore",
        }
    }

    fn allowed(self) -> &'static [&'static str] {
        match self {
            Self::User | Self::ServiceUser => &["name", "role", "active"],
            Self::Team => &[
                "name",
                "description",
                "permission",
                "users",
                "service_users",
                "datastores",
                "enrichment_datastores",
            ],
            Self::Datastore | Self::EnrichmentDatastore => &["name"],
        }
    }
}

/// Where an entry or a reference was written.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) text: Text,
    pub(super) span: Span,
}

impl Source {
    /// A fault here, naming the rule it breaks.
    pub(super) fn fault(&self, code: &'static str, message: String) -> Fault {
        Fault::error(code, message).at(&self.text, self.span)
    }
}

/// A role. Exactly one is held by every account (R1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// May do everything.
    Admin,
    /// May manage what the platform shares.
    Manager,
    /// May do what its teams may.
    Member,
}

impl Role {
    pub(super) const NAMES: [&'static str; 3] = ["Admin", "Manager", "Member"];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::Manager => "Manager",
            Self::Member => "Member",
        }
    }

    fn read(name: &str) -> Option<Self> {
        [Self::Admin, Self::Manager, Self::Member].into_iter().find(|role| role.name() == name)
    }
}

/// What a team has on a datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// View and report.
    Read,
    /// All of that, and run operations and manage metadata.
    Write,
}

impl Permission {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A user or a service user.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) source: Source,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) active: bool,
}

/// A team.
#[derive(Clone, Debug)]
pub(super) struct Team {
    pub(super) source: Source,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) permission: Option<Permission>,
    pub(super) users: Vec<Reference>,
    pub(super) service_users: Vec<Reference>,
    pub(super) datastores: Vec<Assignment>,
    pub(super) enrichment_datastores: Vec<Assignment>,
    /// Where `users` and `service_users` are written, if they are.
    pub(super) members_source: Option<Source>,
    /// Where `name` is written, if it is.
    pub(super) name_source: Option<Source>,
}

/// An id of another entry.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) id: String,
    pub(super) source: Source,
}

/// A datastore of a team, with a level of its own or the team's.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) to: Reference,
    pub(super) permission: Option<Permission>,
}

/// A datastore of either kind.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) source: Source,
    pub(super) name: String,
}

/// All entries of all documents.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) users: BTreeMap<String, Account>,
    pub(super) service_users: BTreeMap<String, Account>,
    pub(super) teams: BTreeMap<String, Team>,
    pub(super) datastores: BTreeMap<String, Store>,
    pub(super) enrichment_datastores: BTreeMap<String, Store>,
}

impl Directory {
    /// Adds the entries of one document.
    pub(super) fn add(&mut self, text: &Text, root: &Node, faults: &mut Vec<Fault>) {
        let Value::Map(sections) = &root.value else {
            if !root.is_null() {
                faults.push(
                    Fault::error(
                        "directory-shape",
                        format!("a directory document is a mapping, and this is {}", root.kind()),
                    )
                    .at(text, root.span)
                    .help(
                        "start with `users:`, `service_users:`, `teams:`, `datastores:` or `enrichment_datastores:`; \
                         Cedar's own entities are a JSON array in a file that ends in `.json`",
                    ),
                );
            }
            return;
        };
        for (key, section) in sections {
            let kinds = Kind::ALL.map(Kind::key);
            let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.key() == key.text) else {
                faults.push(unknown_key(text, key, &kinds, "a directory document"));
                continue;
            };
            let entries = match &section.value {
                Value::Map(entries) => entries,
                _ if section.is_null() => continue,
                _ => {
                    faults.push(
                        Fault::error("directory-shape", format!("`{}` is {}", key.text, section.kind()))
                            .at(text, section.span)
                            .help(format!("write a mapping: one `id: {{…}}` for each {}", kind.word())),
                    );
                    continue;
                }
            };
            for (id, entry) in entries {
                self.add_entry(kind, text, id, entry, faults);
            }
        }
    }

    fn add_entry(&mut self, kind: Kind, text: &Text, id: &Key, entry: &Node, faults: &mut Vec<Fault>) {
        let source = Source {
            text: text.clone(),
            span: id.span,
        };
        if id.text.is_empty() {
            faults.push(source.fault("directory-id", format!("a {} with an empty id", kind.word())));
            return;
        }
        let first = match kind {
            Kind::User => self.users.get(&id.text).map(|first| &first.source),
            Kind::ServiceUser => self.service_users.get(&id.text).map(|first| &first.source),
            Kind::Team => self.teams.get(&id.text).map(|first| &first.source),
            Kind::Datastore => self.datastores.get(&id.text).map(|first| &first.source),
            Kind::EnrichmentDatastore => self.enrichment_datastores.get(&id.text).map(|first| &first.source),
        };
        if let Some(first) = first {
            let place = first.text.place(first.span);
            faults.push(
                source
                    .fault(
                        "directory-duplicate",
                        format!("the {} `{}` is here twice", kind.word(), id.text),
                    )
                    .and_at(place, "the first is here")
                    .help("keep one of the two"),
            );
            return;
        }
        let empty = Vec::new();
        let members = match &entry.value {
            Value::Map(members) => members,
            _ if entry.is_null() => &empty,
            _ => {
                let message = format!("the {} `{}` is {}, not a mapping", kind.word(), id.text, entry.kind());
                faults.push(Fault::error("directory-shape", message).at(text, entry.span));
                return;
            }
        };
        let reader = Reader {
            text,
            kind,
            id: &id.text,
            members,
        };
        reader.check_keys(faults);
        match kind {
            Kind::User => {
                if let Some(account) = reader.account(source, faults) {
                    self.users.insert(id.text.clone(), account);
                }
            }
            Kind::ServiceUser => {
                if let Some(account) = reader.account(source, faults) {
                    self.service_users.insert(id.text.clone(), account);
                }
            }
            Kind::Team => {
                let team = reader.team(source, faults);
                self.teams.insert(id.text.clone(), team);
            }
            Kind::Datastore | Kind::EnrichmentDatastore => {
                let name = reader.string("name", faults).unwrap_or_else(|| id.text.clone());
                let store = Store { source, name };
                match kind {
                    Kind::Datastore => self.datastores.insert(id.text.clone(), store),
                    _ => self.enrichment_datastores.insert(id.text.clone(), store),
                };
            }
        }
    }
}

/// Reads the members of one entry.
struct Reader<'d> {
    text: &'d Text,
    kind: Kind,
    id: &'d str,
    members: &'d [(Key, Node)],
}

impl Reader<'_> {
    fn entry(&self) -> String {
        format!("the {} `{}`", self.kind.word(), self.id)
    }

    fn get(&self, name: &str) -> Option<&Node> {
        self.members
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| node)
            .filter(|node| !node.is_null())
    }

    fn source(&self, span: Span) -> Source {
        Source {
            text: self.text.clone(),
            span,
        }
    }

    fn check_keys(&self, faults: &mut Vec<Fault>) {
        for (key, _) in self.members {
            if self.kind.allowed().contains(&key.text.as_str()) {
                continue;
            }
            let mut fault = unknown_key(self.text, key, self.kind.allowed(), &self.entry());
            let direct_grant = match self.kind {
                Kind::User | Kind::ServiceUser => {
                    matches!(
                        key.text.as_str(),
                        "datastores" | "enrichment_datastores" | "permission" | "permissions"
                    )
                }
                Kind::Datastore | Kind::EnrichmentDatastore => {
                    matches!(
                        key.text.as_str(),
                        "users" | "service_users" | "readers" | "writers" | "permissions"
                    )
                }
                Kind::Team => false,
            };
            if direct_grant {
                fault = fault.help(
                    "access comes through teams only (R15): list the account in a team, and the datastore in the same \
                     team",
                );
            }
            if self.kind != Kind::Team && matches!(key.text.as_str(), "roles") {
                fault = fault.help("an account has exactly one role (R1): write `role: Member`");
            }
            if matches!(self.kind, Kind::User | Kind::ServiceUser) && key.text == "teams" {
                fault = fault.help("list the account under `users:` or `service_users:` of each team");
            }
            faults.push(fault);
        }
    }

    fn string(&self, name: &str, faults: &mut Vec<Fault>) -> Option<String> {
        let node = self.get(name)?;
        match &node.value {
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => {
                let message = format!("`{name}` of {} must be a text, not {}", self.entry(), node.kind());
                faults.push(Fault::error("directory-shape", message).at(self.text, node.span));
                None
            }
        }
    }

    fn account(&self, source: Source, faults: &mut Vec<Fault>) -> Option<Account> {
        let role = self.role(&source, faults);
        let active = self.active(faults);
        Some(Account {
            name: self.string("name", faults).unwrap_or_else(|| self.id.to_owned()),
            role: role?,
            active: active?,
            source,
        })
    }

    fn role(&self, source: &Source, faults: &mut Vec<Fault>) -> Option<Role> {
        let expected = "write one of `Admin`, `Manager` and `Member` (R1)";
        let Some(node) = self.get("role") else {
            faults.push(source.fault("directory-role", format!("{} has no role", self.entry())).help(expected));
            return None;
        };
        let fault = |message: String| Fault::error("directory-role", message).at(self.text, node.span);
        match &node.value {
            Value::Scalar { text, .. } => {
                let role = Role::read(text);
                if role.is_none() {
                    let near = nearest(text, Role::NAMES).map(|near| format!("did you mean `{near}`? "));
                    faults.push(
                        fault(format!("{} has the unknown role `{text}`", self.entry()))
                            .help(format!("{}{expected}", near.unwrap_or_default())),
                    );
                }
                role
            }
            Value::List(roles) => {
                faults.push(fault(format!("{} has {} roles", self.entry(), roles.len())).help(expected));
                None
            }
            Value::Map(_) => {
                faults.push(fault(format!("the role of {} is a mapping", self.entry())).help(expected));
                None
            }
        }
    }

    fn active(&self, faults: &mut Vec<Fault>) -> Option<bool> {
        let Some(node) = self.get("active") else {
            return Some(true);
        };
        match &node.value {
            Value::Scalar { text, quoted: false } if text == "true" => Some(true),
            Value::Scalar { text, quoted: false } if text == "false" => Some(false),
            _ => {
                faults.push(
                    Fault::error(
                        "directory-shape",
                        format!("`active` of {} is neither true nor false", self.entry()),
                    )
                    .at(self.text, node.span)
                    .help("write `active: true` or `active: false`, without quotes"),
                );
                None
            }
        }
    }

    fn team(&self, source: Source, faults: &mut Vec<Fault>) -> Team {
        let members_source = self
            .members
            .iter()
            .find(|(key, node)| matches!(key.text.as_str(), "users" | "service_users") && !node.is_null())
            .map(|(key, _)| self.source(key.span));
        Team {
            name: self.string("name", faults).unwrap_or_else(|| self.id.to_owned()),
            name_source: self.get("name").map(|node| self.source(node.span)),
            description: self.string("description", faults).unwrap_or_default(),
            permission: self.get("permission").and_then(|node| self.permission(node, faults)),
            users: self.references("users", faults),
            service_users: self.references("service_users", faults),
            datastores: self.assignments("datastores", faults),
            enrichment_datastores: self.assignments("enrichment_datastores", faults),
            members_source,
            source,
        }
    }

    fn permission(&self, node: &Node, faults: &mut Vec<Fault>) -> Option<Permission> {
        match &node.value {
            Value::Scalar { text, .. } if text == "read" => return Some(Permission::Read),
            Value::Scalar { text, .. } if text == "write" => return Some(Permission::Write),
            Value::Scalar { text, .. } => {
                let near = nearest(text, ["read", "write"]).map(|near| format!("did you mean `{near}`? "));
                faults.push(
                    Fault::error(
                        "directory-permission",
                        format!("`{text}` is no permission, in {}", self.entry()),
                    )
                    .at(self.text, node.span)
                    .help(format!("{}write `read` or `write` (R23)", near.unwrap_or_default())),
                );
            }
            _ => faults.push(
                Fault::error(
                    "directory-permission",
                    format!("the permission in {} is {}", self.entry(), node.kind()),
                )
                .at(self.text, node.span)
                .help("write `read` or `write` (R23)"),
            ),
        }
        None
    }

    fn list(&self, name: &str, faults: &mut Vec<Fault>) -> &[Node] {
        let Some(node) = self.get(name) else { return &[] };
        match &node.value {
            Value::List(items) => items,
            _ => {
                faults.push(
                    Fault::error(
                        "directory-shape",
                        format!("`{name}` of {} is {}, not a list", self.entry(), node.kind()),
                    )
                    .at(self.text, node.span)
                    .help(format!("write `{name}: [one, another]`")),
                );
                &[]
            }
        }
    }

    fn references(&self, name: &str, faults: &mut Vec<Fault>) -> Vec<Reference> {
        let mut references = Vec::new();
        for node in self.list(name, faults) {
            match &node.value {
                Value::Scalar { text, .. } if !node.is_null() => references.push(Reference {
                    id: text.clone(),
                    source: self.source(node.span),
                }),
                _ => faults.push(self.not_an_id(name, node)),
            }
        }
        references
    }

    fn assignments(&self, name: &str, faults: &mut Vec<Fault>) -> Vec<Assignment> {
        let mut assignments = Vec::new();
        for node in self.list(name, faults) {
            match &node.value {
                Value::Scalar { text, .. } if !node.is_null() => assignments.push(Assignment {
                    to: Reference {
                        id: text.clone(),
                        source: self.source(node.span),
                    },
                    permission: None,
                }),
                Value::Map(members) => assignments.extend(self.assignment(name, node, members, faults)),
                _ => faults.push(self.not_an_id(name, node)),
            }
        }
        assignments
    }

    /// `{ id: payroll, permission: read }`
    fn assignment(
        &self,
        name: &str,
        node: &Node,
        members: &[(Key, Node)],
        faults: &mut Vec<Fault>,
    ) -> Option<Assignment> {
        let mut id = None;
        let mut permission = None;
        for (key, value) in members {
            match (key.text.as_str(), &value.value) {
                ("id", Value::Scalar { text, .. }) => id = Some(text.clone()),
                ("permission", _) => permission = self.permission(value, faults),
                _ => {
                    let owner = format!("an entry of `{name}` of {}", self.entry());
                    faults.push(unknown_key(self.text, key, &["id", "permission"], &owner));
                }
            }
        }
        let Some(id) = id else {
            faults.push(self.not_an_id(name, node));
            return None;
        };
        Some(Assignment {
            to: Reference {
                id,
                source: self.source(node.span),
            },
            permission,
        })
    }

    fn not_an_id(&self, name: &str, node: &Node) -> Fault {
        let example = match name {
            "users" | "service_users" => "write ids, as in `[ana@example.com]`",
            _ => "write ids, as in `[ledger]`, or `{ id: payroll, permission: read }`",
        };
        let message = format!("`{name}` of {} has an item without an id", self.entry());
        Fault::error("directory-shape", message).at(self.text, node.span).help(example)
    }
}

fn unknown_key(text: &Text, key: &Key, known: &[&str], owner: &str) -> Fault {
    let known_list = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let help = match nearest(&key.text, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? It may have: {known_list}"),
        None => format!("it may have: {known_list}"),
    };
    Fault::error("directory-unknown-key", format!("{owner} has no `{}`", key.text))
        .at(text, key.span)
        .help(help)
}
