//! One document: its entries, and what is wrong with each of them by itself.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::entry::{Account, Assignment, At, Entry, Kind, Permission, Reference, Role, Store, Team};
use super::node::{self, Name, Node, Value};
use super::rules;
use crate::engine::{Fault, Span, Text, nearest};

/// The key of the names that may not be given again.
const RETIRED: &str = "retired_users";

/// What one document says.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) text: Text,
    /// SHA-256 of its content.
    pub(super) hash: [u8; 32],
    /// By kind and id; what is there twice stands in the order of the text.
    pub(super) entries: Vec<Stated>,
    /// Names of users that may not be given again.
    pub(super) retired: Vec<Arc<Retired>>,
    /// What cannot be read.
    pub(super) faults: Vec<Fault>,
    /// Rules that an entry breaks whatever stands elsewhere.
    pub(super) broken: Vec<Fault>,
}

/// A name of a user that may not be given to anybody else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// As it was written.
    pub name: Arc<str>,
    /// The `id` under `scim` of whose it was, if it was somebody's whom directory sync created.
    pub scim_id: Option<Arc<str>>,
    /// The `externalId` of that.
    pub external_id: Option<Arc<str>>,
}

/// An entry where it stands.
#[derive(Clone, Debug)]
pub(super) struct Stated {
    pub(super) kind: Kind,
    pub(super) id: Arc<str>,
    /// Where its id is.
    pub(super) at: Span,
    /// Where its value is.
    pub(super) value: Span,
    pub(super) entry: Arc<Entry>,
    /// Whether there is nothing to say against it by itself.
    is_sound: bool,
}

impl Document {
    /// Reads a document. What is the same as in `before` is shared with it.
    pub(super) fn read(text: &Text, before: Option<&Self>) -> Self {
        let mut document = Self {
            text: text.clone(),
            hash: Sha256::digest(text.content.as_bytes()).into(),
            entries: Vec::new(),
            retired: Vec::new(),
            faults: Vec::new(),
            broken: Vec::new(),
        };
        let is_known = |section: &str, id: &str, raw: &str| {
            let known = before.zip(Kind::ALL.into_iter().find(|kind| kind.key() == section));
            known.is_some_and(|(before, kind)| before.known(kind, id, raw).is_some())
        };
        match node::read(text, before.map(|_| &is_known as node::IsKnown<'_>)) {
            Ok(root) => document.add(&root, before),
            Err(fault) => document.faults.push(*fault),
        }
        document.entries.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
        document
    }

    /// Where a key's entries are; the first is the one that counts.
    pub(super) fn find(&self, kind: Kind, id: &str) -> &[Stated] {
        let order = |stated: &Stated| (stated.kind, &*stated.id).cmp(&(kind, id));
        let start = self.entries.partition_point(|stated| order(stated).is_lt());
        let len = self.entries[start..].iter().take_while(|stated| order(stated).is_eq()).count();
        &self.entries[start..start + len]
    }

    /// The entry of this text, if there was one and nothing was to be said against it.
    fn known(&self, kind: Kind, id: &str, raw: &str) -> Option<&Stated> {
        let [stated] = self.find(kind, id) else { return None };
        let span = stated.value;
        let same = stated.is_sound && self.text.content.get(span.offset..span.offset + span.len) == Some(raw);
        same.then_some(stated)
    }

    fn add(&mut self, root: &Node, before: Option<&Self>) {
        let Value::Map(sections) = &root.value else {
            if !root.is_null() {
                self.faults.push(
                    Fault::error(
                        "directory-shape",
                        format!("a directory document is a mapping, and this is {}", root.kind()),
                    )
                    .at(&self.text, root.span)
                    .help(
                        "start with `users:`, `service_users:`, `teams:`, `datastores:` or `enrichment_datastores:`; \
                         Cedar's own entities are a JSON array in a file that ends in `.json`",
                    ),
                );
            }
            return;
        };
        for (key, section) in sections {
            if key.text == RETIRED {
                self.add_retired(section);
                continue;
            }
            let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.key() == key.text) else {
                let keys: Vec<&str> = Kind::ALL.into_iter().map(Kind::key).chain([RETIRED]).collect();
                self.faults.push(unknown_key(&self.text, key, &keys, "a directory document"));
                continue;
            };
            let entries = match &section.value {
                Value::Map(entries) => entries,
                _ if section.is_null() => continue,
                _ => {
                    self.faults.push(
                        Fault::error("directory-shape", format!("`{}` is {}", key.text, section.kind()))
                            .at(&self.text, section.span)
                            .help(format!("write a mapping: one `id: {{…}}` for each {}", kind.word())),
                    );
                    continue;
                }
            };
            for (id, entry) in entries {
                self.add_entry(kind, id, entry, before);
            }
        }
    }

    /// `retired_users: [ana@example.com]`, or a mapping whose keys are the names, with whose they were.
    fn add_retired(&mut self, section: &Node) {
        let text = self.text.clone();
        let fault = |node: &Node, what: String| {
            Fault::error("directory-shape", what)
                .at(&text, node.span)
                .help(format!("write `{RETIRED}: [one, another]`"))
        };
        match &section.value {
            _ if section.is_null() => {}
            Value::Map(names) => self
                .retired
                .extend(names.iter().map(|(name, whose)| Arc::new(retired(&name.text, whose)))),
            Value::List(names) => {
                for node in names {
                    match &node.value {
                        Value::Scalar { text, .. } if !node.is_null() => self.retired.push(Arc::new(Retired {
                            name: text.as_str().into(),
                            ..Retired::default()
                        })),
                        _ => self.faults.push(fault(node, format!("`{RETIRED}` has an item that is no name"))),
                    }
                }
            }
            Value::Scalar { .. } | Value::Known => {
                self.faults.push(fault(section, format!("`{RETIRED}` is {}", section.kind())));
            }
        }
    }

    fn add_entry(&mut self, kind: Kind, id: &Name, node: &Node, before: Option<&Self>) {
        let known = before.map(|before| before.find(kind, &id.text)).and_then(<[Stated]>::first);
        let base = node.span.offset;
        let stated = |entry: Arc<Entry>, is_sound: bool| Stated {
            kind,
            id: known.map_or_else(|| id.text.as_str().into(), |known| known.id.clone()),
            at: id.span,
            value: node.span,
            entry,
            is_sound,
        };
        let empty = Vec::new();
        let members = match (&node.value, known) {
            (Value::Known, Some(known)) => {
                self.entries.push(stated(known.entry.clone(), true));
                return;
            }
            (Value::Map(members), _) => members,
            _ if node.is_null() => &empty,
            _ => {
                let message = format!("the {} `{}` is {}, not a mapping", kind.word(), id.text, node.kind());
                self.faults.push(Fault::error("directory-shape", message).at(&self.text, node.span));
                return;
            }
        };
        if id.text.is_empty() {
            let message = format!("a {} with an empty id", kind.word());
            self.faults.push(Fault::error("directory-id", message).at(&self.text, id.span));
            return;
        }
        let mut faults = Vec::new();
        let reader = Reader {
            text: &self.text,
            kind,
            id,
            base,
            members,
        };
        reader.check_keys(&mut faults);
        let entry = match kind {
            Kind::User | Kind::ServiceUser => reader.account(&mut faults).map(Entry::Account),
            Kind::Team => Some(Entry::Team(Box::new(reader.team(&mut faults)))),
            Kind::Datastore | Kind::EnrichmentDatastore => Some(Entry::Store(Store {
                name: reader.string("name", &mut faults).unwrap_or_else(|| id.text.clone()),
            })),
        };
        let broken_before = self.broken.len();
        if let Some(entry) = &entry {
            let place = rules::Place {
                text: &self.text,
                id: &id.text,
                at: id.span,
                base,
            };
            let lists = |key: &str| reader.key(key).map(|key| key.span);
            rules::check_entry(&place, kind, entry, lists("users").or(lists("service_users")), &mut self.broken);
        }
        let is_sound = faults.is_empty() && self.broken.len() == broken_before;
        self.faults.append(&mut faults);
        if let Some(entry) = entry {
            let same = known.filter(|known| *known.entry == entry).map(|known| known.entry.clone());
            self.entries.push(stated(same.unwrap_or_else(|| Arc::new(entry)), is_sound));
        }
    }
}

/// Reads the members of one entry.
struct Reader<'d> {
    text: &'d Text,
    kind: Kind,
    id: &'d Name,
    /// Where its value begins.
    base: usize,
    members: &'d [(Name, Node)],
}

impl Reader<'_> {
    fn entry(&self) -> String {
        format!("the {} `{}`", self.kind.word(), self.id.text)
    }

    fn get(&self, name: &str) -> Option<&Node> {
        self.members
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| node)
            .filter(|node| !node.is_null())
    }

    /// A member's key, if something is written under it.
    fn key(&self, name: &str) -> Option<&Name> {
        self.members
            .iter()
            .find(|(key, node)| key.text == name && !node.is_null())
            .map(|(key, _)| key)
    }

    fn check_keys(&self, faults: &mut Vec<Fault>) {
        for (key, _) in self.members {
            let allowed = allowed(self.kind);
            if allowed.contains(&key.text.as_str()) {
                continue;
            }
            let mut fault = unknown_key(self.text, key, allowed, &self.entry());
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

    fn account(&self, faults: &mut Vec<Fault>) -> Option<Account> {
        let role = self.role(faults);
        let active = self.active(faults);
        Some(Account {
            name: self.string("name", faults).unwrap_or_else(|| self.id.text.clone()),
            teams: self.references("teams", faults),
            scim: self.scim(faults),
            role: role?,
            active: active?,
        })
    }

    /// What the SCIM side keeps. Only what the directory needs of it is looked at.
    fn scim(&self, faults: &mut Vec<Fault>) -> Option<Arc<serde_json::Value>> {
        let node = self.get("scim")?;
        let mut fault = |message: String, span: Span| {
            let fault = Fault::error("directory-scim", message).at(self.text, span);
            faults.push(fault.help("what stands under `scim` is written by the SCIM service (R26): leave it to that"));
        };
        let Value::Map(members) = &node.value else {
            fault(
                format!("`scim` of {} is {}, not a mapping", self.entry(), node.kind()),
                node.span,
            );
            return None;
        };
        let json = node.to_json(self.text);
        if !json["id"].is_string() {
            let id = members.iter().find(|(key, _)| key.text == "id");
            let span = id.map_or(node.span, |(_, node)| node.span);
            fault(format!("`scim` of {} has no `id` that is a text", self.entry()), span);
        }
        if let Some((_, name)) = members.iter().find(|(key, _)| key.text == "userName")
            && !json["userName"].is_string()
        {
            fault(format!("`userName` of {} is no text", self.entry()), name.span);
        }
        Some(Arc::new(json))
    }

    fn role(&self, faults: &mut Vec<Fault>) -> Option<Role> {
        let expected = "write one of `Admin`, `Manager` and `Member` (R1)";
        let Some(node) = self.get("role") else {
            let fault = Fault::error("directory-role", format!("{} has no role", self.entry()));
            faults.push(fault.at(self.text, self.id.span).help(expected));
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
            Value::Map(_) | Value::Known => {
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

    fn team(&self, faults: &mut Vec<Fault>) -> Team {
        Team {
            name: self.string("name", faults).unwrap_or_else(|| self.id.text.clone()),
            name_at: self.get("name").map(|node| At::new(node.span, self.base)),
            description: self.string("description", faults).unwrap_or_default(),
            permission: self.get("permission").and_then(|node| self.permission(node, faults)),
            users: self.references("users", faults),
            service_users: self.references("service_users", faults),
            datastores: self.assignments("datastores", faults),
            enrichment_datastores: self.assignments("enrichment_datastores", faults),
            scim: self.scim(faults),
        }
    }

    fn permission(&self, node: &Node, faults: &mut Vec<Fault>) -> Option<Permission> {
        match &node.value {
            Value::Scalar { text, .. } => {
                if let Some(permission) = Permission::read(text) {
                    return Some(permission);
                }
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
                Value::Scalar { text, .. } if !node.is_null() => references.push(self.reference(text, node)),
                _ => faults.push(self.not_an_id(name, node)),
            }
        }
        references
    }

    fn reference(&self, id: &str, node: &Node) -> Reference {
        Reference {
            id: id.into(),
            at: At::new(node.span, self.base),
        }
    }

    fn assignments(&self, name: &str, faults: &mut Vec<Fault>) -> Vec<Assignment> {
        let mut assignments = Vec::new();
        for node in self.list(name, faults) {
            match &node.value {
                Value::Scalar { text, .. } if !node.is_null() => assignments.push(Assignment {
                    to: self.reference(text, node),
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
        members: &[(Name, Node)],
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
            to: self.reference(&id, node),
            permission,
        })
    }

    fn not_an_id(&self, name: &str, node: &Node) -> Fault {
        let example = match name {
            "users" | "service_users" => "write ids, as in `[ana@example.com]`",
            "teams" => "write ids, as in `[Risk]`",
            _ => "write ids, as in `[ledger]`, or `{ id: payroll, permission: read }`",
        };
        let message = format!("`{name}` of {} has an item without an id", self.entry());
        Fault::error("directory-shape", message).at(self.text, node.span).help(example)
    }
}

fn unknown_key(text: &Text, key: &Name, known: &[&str], owner: &str) -> Fault {
    let known_list = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let help = match nearest(&key.text, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? It may have: {known_list}"),
        None => format!("it may have: {known_list}"),
    };
    Fault::error("directory-unknown-key", format!("{owner} has no `{}`", key.text))
        .at(text, key.span)
        .help(help)
}

/// The keys that an entry may have.
fn allowed(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::User => &["name", "role", "active", "teams", "scim"],
        Kind::ServiceUser => &["name", "role", "active", "teams"],
        Kind::Team => &[
            "name",
            "description",
            "permission",
            "users",
            "service_users",
            "datastores",
            "enrichment_datastores",
            "scim",
        ],
        Kind::Datastore | Kind::EnrichmentDatastore => &["name"],
    }
}

/// `{"id": "…", "externalId": "…"}`, as gatepost writes it.
fn retired(name: &str, whose: &Node) -> Retired {
    let find = |wanted: &str| match &whose.value {
        Value::Map(all) => all.iter().find_map(|(name, node)| match &node.value {
            Value::Scalar { text, .. } if name.text == wanted && !node.is_null() => Some(text.as_str().into()),
            _ => None,
        }),
        _ => None,
    };
    Retired {
        name: name.into(),
        scim_id: find("id"),
        external_id: find("externalId"),
    }
}
