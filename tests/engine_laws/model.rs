//! Random schemas.

use std::collections::{BTreeMap, BTreeSet};

use gatepost::engine::Text;

use super::dice::Dice;

pub(super) const ATTRIBUTES: [&str; 12] = [
    "flag", "count", "label", "owner", "peer", "rec", "price", "addr", "since", "span", "note", "odd name",
];

/// A Cedar type; entity types by their number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ty {
    Bool,
    Long,
    Text,
    Entity(usize),
    Set(Box<Ty>),
    Record(Vec<Member>),
    Decimal,
    Ip,
    Datetime,
    Duration,
}

/// An attribute, or a member of a record or of a context.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) ty: Ty,
    pub(super) required: bool,
}

#[derive(Clone)]
pub(super) struct EntityType {
    pub(super) namespace: &'static str,
    pub(super) name: &'static str,
    /// The types that it may be in.
    pub(super) parents: Vec<usize>,
    pub(super) members: Vec<Member>,
    pub(super) tags: Option<Ty>,
    /// The only ids, if it is enumerated.
    pub(super) choices: Vec<&'static str>,
}

impl EntityType {
    pub(super) fn full(&self) -> String {
        qualified(self.namespace, self.name)
    }
}

/// An action, or a group of actions if it has no principals.
#[derive(Clone)]
pub(super) struct Act {
    pub(super) namespace: &'static str,
    pub(super) id: &'static str,
    pub(super) groups: Vec<usize>,
    pub(super) principals: Vec<usize>,
    pub(super) resources: Vec<usize>,
    pub(super) context: Vec<Member>,
}

impl Act {
    pub(super) fn exact(&self) -> String {
        format!("{}::{:?}", qualified(self.namespace, "Action"), self.id)
    }
}

pub(super) fn qualified(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}::{name}")
    }
}

/// What the schema says.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) types: Vec<EntityType>,
    pub(super) actions: Vec<Act>,
}

impl Model {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let namespaces: &[&'static str] = match dice.below(4) {
            0 => &[""],
            1 => &["Acme"],
            2 => &["", "Acme"],
            _ => &["Acme", "Lab::Deep"],
        };
        let plain = 2 + dice.below(3);
        let mut names = vec!["User", "Group", "Doc", "Box"];
        names.truncate(plain);
        let enumerated = dice.chance(70);
        if enumerated {
            names.push("Tier");
        }
        let mut types: Vec<EntityType> = names
            .into_iter()
            .map(|name| EntityType {
                namespace: *dice.pick(namespaces),
                name,
                parents: Vec::new(),
                members: Vec::new(),
                tags: None,
                choices: if name == "Tier" {
                    vec!["gold", "iron"]
                } else {
                    Vec::new()
                },
            })
            .collect();
        let count = types.len();
        for ty in &mut types[..plain] {
            ty.parents = (0..count).filter(|_| dice.chance(35)).collect();
            let members = 3 + dice.below(4);
            ty.members = some_members(dice, members, count, 1);
            if dice.chance(40) {
                ty.tags = Some(some_type(dice, count, 0));
            }
        }
        let actions = some_actions(dice, namespaces, plain, count);
        Self { types, actions }
    }

    /// A type and all types that its entities can be in.
    pub(super) fn above(&self, ty: usize) -> Vec<usize> {
        let mut above = vec![ty];
        let mut next = 0;
        while let Some(&here) = above.get(next) {
            for &parent in &self.types[here].parents {
                if !above.contains(&parent) {
                    above.push(parent);
                }
            }
            next += 1;
        }
        above
    }

    /// The actions that are one of these, or in one of these.
    pub(super) fn actions_in(&self, groups: &[usize]) -> Vec<usize> {
        let mut found: BTreeSet<usize> = groups.iter().copied().collect();
        // Groups come before their members.
        for (number, action) in self.actions.iter().enumerate() {
            if action.groups.iter().any(|group| found.contains(group)) {
                found.insert(number);
            }
        }
        found.into_iter().collect()
    }

    pub(super) fn schema(&self) -> Vec<Text> {
        let mut files: BTreeMap<&str, String> = BTreeMap::new();
        for ty in &self.types {
            files.entry(ty.namespace).or_default().push_str(&self.declare_type(ty));
        }
        for action in &self.actions {
            files.entry(action.namespace).or_default().push_str(&self.declare_action(action));
        }
        files
            .into_iter()
            .map(|(namespace, body)| match namespace {
                "" => Text::new("schema/root.cedarschema", body),
                _ => Text::new(
                    format!("schema/{}.cedarschema", namespace.replace("::", "-")),
                    format!("namespace {namespace} {{\n{body}}}\n"),
                ),
            })
            .collect()
    }

    pub(super) fn declare_type(&self, ty: &EntityType) -> String {
        if !ty.choices.is_empty() {
            return format!("entity {} enum {:?};\n", ty.name, ty.choices);
        }
        let tags = ty.tags.as_ref().map_or(String::new(), |tags| format!(" tags {}", self.type_text(tags)));
        let members = self.members_text(&ty.members);
        format!(
            "entity {}{} = {members}{tags};\n",
            ty.name,
            self.names_text(" in ", &ty.parents)
        )
    }

    pub(super) fn declare_action(&self, action: &Act) -> String {
        let groups: Vec<String> = action
            .groups
            .iter()
            .map(|group| match &self.actions[*group] {
                group if group.namespace == action.namespace => format!("{:?}", group.id),
                group => group.exact(),
            })
            .collect();
        let groups = if groups.is_empty() {
            String::new()
        } else {
            format!(" in [{}]", groups.join(", "))
        };
        let applies = if action.principals.is_empty() {
            String::new()
        } else {
            format!(
                " appliesTo {{ {}, {}, context: {} }}",
                self.names_text("principal: ", &action.principals),
                self.names_text("resource: ", &action.resources),
                self.members_text(&action.context)
            )
        };
        format!("action {:?}{groups}{applies};\n", action.id)
    }

    /// A list of types after a word, or nothing for none.
    pub(super) fn names_text(&self, word: &str, types: &[usize]) -> String {
        if types.is_empty() {
            return String::new();
        }
        let names: Vec<String> = types.iter().map(|ty| self.types[*ty].full()).collect();
        format!("{word}[{}]", names.join(", "))
    }

    pub(super) fn members_text(&self, members: &[Member]) -> String {
        let members: Vec<String> = members
            .iter()
            .map(|member| {
                let mark = if member.required { "" } else { "?" };
                format!("{:?}{mark}: {}", member.name, self.type_text(&member.ty))
            })
            .collect();
        format!("{{ {} }}", members.join(", "))
    }

    pub(super) fn type_text(&self, ty: &Ty) -> String {
        match ty {
            Ty::Bool => "Bool".to_owned(),
            Ty::Long => "Long".to_owned(),
            Ty::Text => "String".to_owned(),
            Ty::Entity(ty) => self.types[*ty].full(),
            Ty::Set(element) => format!("Set<{}>", self.type_text(element)),
            Ty::Record(members) => self.members_text(members),
            Ty::Decimal => "decimal".to_owned(),
            Ty::Ip => "ipaddr".to_owned(),
            Ty::Datetime => "datetime".to_owned(),
            Ty::Duration => "duration".to_owned(),
        }
    }
}

/// Two groups, one perhaps in the other, and actions in them. What an action is in comes before it.
pub(super) fn some_actions(dice: &mut Dice, namespaces: &[&'static str], plain: usize, types: usize) -> Vec<Act> {
    let home: &'static str = *dice.pick(namespaces);
    let shared_count = dice.below(4);
    let shared = some_members(dice, shared_count, types, 1);
    let mut actions: Vec<Act> = Vec::new();
    for id in ["everything", "looking", "read", "write", "share"] {
        let is_group = actions.len() < 2;
        if !is_group && actions.len() > 3 && dice.chance(50) {
            break;
        }
        let namespace: &'static str = if dice.chance(80) { home } else { *dice.pick(namespaces) };
        let groups = (0..actions.len())
            .filter(|group| {
                // A group in no namespace cannot be named from within one.
                let other = actions[*group].namespace;
                (other == namespace || !other.is_empty()) && dice.chance(45)
            })
            .collect();
        let mut action = Act {
            namespace,
            id,
            groups,
            principals: Vec::new(),
            resources: Vec::new(),
            context: Vec::new(),
        };
        if !is_group {
            action.principals = some_types(dice, plain, types);
            action.resources = some_types(dice, plain, types);
            action.context.clone_from(&shared);
            if dice.chance(50) {
                let own = some_members(dice, 2, types, 1);
                let names: Vec<&str> = shared.iter().map(|member| member.name).collect();
                action.context.extend(own.into_iter().filter(|member| !names.contains(&member.name)));
            }
        }
        actions.push(action);
    }
    actions
}

/// One or two types, seldom an enumerated one.
pub(super) fn some_types(dice: &mut Dice, plain: usize, types: usize) -> Vec<usize> {
    let mut some = BTreeSet::new();
    for _ in 0..2 {
        let limit = if dice.chance(15) { types } else { plain };
        some.insert(dice.below(limit));
    }
    some.into_iter().collect()
}

pub(super) fn some_members(dice: &mut Dice, count: usize, types: usize, depth: usize) -> Vec<Member> {
    let mut names = ATTRIBUTES;
    dice.shuffle(&mut names);
    names[..count]
        .iter()
        .map(|name| Member {
            name,
            ty: some_type(dice, types, depth),
            required: dice.chance(65),
        })
        .collect()
}

pub(super) fn some_type(dice: &mut Dice, types: usize, depth: usize) -> Ty {
    match dice.below(100) {
        0..12 => Ty::Bool,
        12..26 => Ty::Long,
        26..36 => Ty::Text,
        36..64 => Ty::Entity(dice.below(types)),
        64..76 => Ty::Set(Box::new(match dice.below(12) {
            0..3 => Ty::Long,
            3 => Ty::Text,
            4 if depth > 0 => some_type(dice, types, depth - 1),
            5 => Ty::Set(Box::new(Ty::Long)),
            6 => Ty::Set(Box::new(Ty::Entity(dice.below(types)))),
            _ => Ty::Entity(dice.below(types)),
        })),
        76..85 if depth > 0 => {
            let count = 1 + dice.below(3);
            Ty::Record(some_members(dice, count, types, depth - 1))
        }
        76..88 => Ty::Decimal,
        88..92 => Ty::Ip,
        92..96 => Ty::Datetime,
        _ => Ty::Duration,
    }
}
