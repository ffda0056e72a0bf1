//! The names that a request may use, each bound to one entity type or action when the schema is loaded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::core::{self, Eid, Entity, EntityType, EntityUID, Loc, ValidatorActionId, ValidatorSchema};
use super::fault::{Fault, nearest};
use super::options::{Options, RequestProperties, ShortNames};
use super::schema::{SchemaRead, place_of};
use super::shape::{Fields, Shape, Symbols};
use super::text::Text;
use super::value::Uid;

/// An entity type's number in its vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TypeIx(pub(super) u32);

/// An action's number in its vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ActionIx(pub(super) u32);

/// What the schema says of an entity type.
pub(super) struct TypeEntry {
    pub(super) name: String,
    pub(super) ty: EntityType,
    pub(super) fields: Fields,
    /// The only ids that there are, for an enumerated type.
    pub(super) choices: Option<Vec<Eid>>,
    pub(super) request_properties: RequestProperties,
    /// What tags are, if entities of this type have any.
    pub(super) tags: Option<Shape>,
    /// Whether there can be entities in one of this type.
    pub(super) holds: bool,
    /// The types of what one of this type can be in.
    pub(super) above: Vec<TypeIx>,
}

impl TypeEntry {
    /// Whether an id of this type can exist.
    pub(super) fn admits(&self, id: &str) -> bool {
        self.choices
            .as_ref()
            .is_none_or(|choices| choices.iter().any(|choice| AsRef::<str>::as_ref(choice) == id))
    }
}

/// What the schema says of an action.
pub(super) struct ActionEntry {
    pub(super) name: String,
    pub(super) uid: Arc<EntityUID>,
    /// Its number in every table; actions are the first to be given one.
    pub(super) number: Uid,
    /// With its groups as ancestors.
    pub(super) entity: Arc<Entity>,
    pub(super) context: Fields,
    pub(super) principals: Vec<TypeIx>,
    pub(super) resources: Vec<TypeIx>,
}

/// All entity types and actions, and the names that lead to them.
pub(super) struct Vocabulary {
    pub(super) types: Vec<TypeEntry>,
    pub(super) actions: Vec<ActionEntry>,
    type_names: Names<TypeIx>,
    action_names: Names<ActionIx>,
    pub(super) symbols: Symbols,
    /// The types of actions, numbered behind those of entities.
    action_types: Vec<EntityType>,
    by_type: HashMap<EntityType, TypeIx>,
    by_action: HashMap<EntityUID, ActionIx>,
}

impl Vocabulary {
    /// The vocabulary of a schema. Names that could mean two things are faults now, not at the first request.
    pub(super) fn new(read: &SchemaRead, texts: &[Text], options: &Options, faults: &mut Vec<Fault>) -> Self {
        let schema = core::schema(&read.schema);
        let mut type_names: Vec<&EntityType> = schema.entity_type_names().collect();
        type_names.sort();
        let by_type: HashMap<EntityType, TypeIx> = type_names
            .iter()
            .enumerate()
            .map(|(index, name)| ((*name).clone(), TypeIx(index as u32)))
            .collect();
        let mut symbols = Symbols::default();
        let types = types(schema, &type_names, &by_type, &mut symbols, options, faults);

        let mut action_ids: Vec<&ValidatorActionId> = schema.action_ids().collect();
        action_ids.sort_by_key(|action| action.name());
        let by_action: HashMap<EntityUID, ActionIx> = action_ids
            .iter()
            .enumerate()
            .map(|(index, action)| (action.name().clone(), ActionIx(index as u32)))
            .collect();
        let actions = actions(&action_ids, &by_type, &mut symbols);
        let mut action_types: Vec<EntityType> =
            action_ids.iter().map(|action| action.name().entity_type().clone()).collect();
        action_types.sort();
        action_types.dedup();

        let declared_types = type_names.iter().enumerate().map(|(index, name)| Declared {
            target: TypeIx(index as u32),
            exact: name.to_string(),
            short: name.name().basename().to_string(),
            loc: schema.get_entity_type(name).and_then(|ty| ty.loc.as_ref()),
        });
        let declared_actions = action_ids.iter().enumerate().map(|(index, action)| Declared {
            target: ActionIx(index as u32),
            exact: action.name().to_string(),
            short: AsRef::<str>::as_ref(action.name().eid()).to_owned(),
            loc: action.loc(),
        });
        Self {
            type_names: Names::new(
                "entity type",
                declared_types.collect(),
                &read.type_aliases,
                texts,
                options.short_names,
                faults,
            ),
            action_names: Names::new(
                "action",
                declared_actions.collect(),
                &read.action_aliases,
                texts,
                options.short_names,
                faults,
            ),
            types,
            actions,
            symbols,
            action_types,
            by_type,
            by_action,
        }
    }

    /// The type that a name means: exact, short or alias.
    pub(super) fn entity_type(&self, name: &str) -> Option<(TypeIx, &TypeEntry)> {
        let index = self.type_names.get(name)?;
        Some((index, &self.types[index.0 as usize]))
    }

    /// The action that a name means: exact, short or alias.
    pub(super) fn action(&self, name: &str) -> Option<(ActionIx, &ActionEntry)> {
        let index = self.action_names.get(name)?;
        Some((index, &self.actions[index.0 as usize]))
    }

    /// The shortest name that means this action and no other.
    pub(super) fn short_action(&self, action: &ActionEntry) -> String {
        let id: &str = action.uid.eid().as_ref();
        match self.action(id) {
            Some((_, meant)) if meant.uid == action.uid => id.to_owned(),
            _ => action.name.clone(),
        }
    }

    pub(super) fn type_entry(&self, index: TypeIx) -> &TypeEntry {
        &self.types[index.0 as usize]
    }

    pub(super) fn action_entry(&self, index: ActionIx) -> &ActionEntry {
        &self.actions[index.0 as usize]
    }

    pub(super) fn type_of(&self, ty: &EntityType) -> Option<TypeIx> {
        self.by_type.get(ty).copied()
    }

    /// The number of a type, those of actions included.
    pub(super) fn any_type_of(&self, ty: &EntityType) -> Option<TypeIx> {
        let action = || {
            let index = self.action_types.iter().position(|known| known == ty)?;
            Some(TypeIx((self.types.len() + index) as u32))
        };
        self.type_of(ty).or_else(action)
    }

    /// Cedar's form of a type, those of actions included.
    pub(super) fn cedar_type(&self, index: TypeIx) -> &EntityType {
        let index = index.0 as usize;
        match self.types.get(index) {
            Some(entry) => &entry.ty,
            None => &self.action_types[index - self.types.len()],
        }
    }

    /// The entry of a type; none if it is one of actions.
    pub(super) fn entity_type_entry(&self, index: TypeIx) -> Option<&TypeEntry> {
        self.types.get(index.0 as usize)
    }

    pub(super) fn action_of(&self, uid: &EntityUID) -> Option<ActionIx> {
        self.by_action.get(uid).copied()
    }
}

fn types(
    schema: &ValidatorSchema,
    names: &[&EntityType],
    by_type: &HashMap<EntityType, TypeIx>,
    symbols: &mut Symbols,
    options: &Options,
    faults: &mut Vec<Fault>,
) -> Vec<TypeEntry> {
    let principals: BTreeSet<&EntityType> = schema.principals().collect();
    for unknown in options.request_properties.keys() {
        if !names.iter().any(|name| name.to_string() == *unknown) {
            let known: Vec<String> = names.iter().map(ToString::to_string).collect();
            let near = nearest(unknown, known.iter().map(String::as_str));
            let mut fault = Fault::error(
                "settings",
                format!("request_properties: `{unknown}` is no entity type of the schema"),
            );
            if let Some(near) = near {
                fault = fault.help(format!("did you mean `{near}`?"));
            }
            faults.push(fault);
        }
    }
    names
        .iter()
        .filter_map(|name| Some((*name, schema.get_entity_type(name)?)))
        .map(|(name, declared)| {
            let default = if principals.contains(name) {
                RequestProperties::Ignore
            } else {
                RequestProperties::Fill
            };
            TypeEntry {
                name: name.to_string(),
                ty: name.clone(),
                fields: Fields::of(
                    declared.attributes().iter().map(|(attr, ty)| (attr, &*ty.attr_type, ty.is_required)),
                    by_type,
                    symbols,
                ),
                choices: core::enumerated_ids(schema, name),
                request_properties: options.request_properties.get(&name.to_string()).copied().unwrap_or(default),
                tags: declared.tag_type().map(|ty| Shape::of(ty, by_type, symbols)),
                above: names
                    .iter()
                    .filter(|above| {
                        schema.get_entity_type(above).is_some_and(|above| above.has_descendant_entity_type(name))
                    })
                    .filter_map(|above| by_type.get(*above).copied())
                    .collect(),
                holds: names.iter().any(|below| declared.has_descendant_entity_type(below)),
            }
        })
        .collect()
}

fn actions(
    ids: &[&ValidatorActionId],
    by_type: &HashMap<EntityType, TypeIx>,
    symbols: &mut Symbols,
) -> Vec<ActionEntry> {
    let indices = |types: &mut dyn Iterator<Item = &EntityType>| {
        let mut indices: Vec<TypeIx> = types.filter_map(|ty| by_type.get(ty).copied()).collect();
        indices.sort_unstable();
        indices
    };
    let groups = groups(ids);
    ids.iter()
        .enumerate()
        .map(|(number, action)| {
            let context = match action.context_type().map(|ty| Shape::of(ty, by_type, symbols)) {
                Some(Shape::Record(fields)) => fields,
                _ => Fields::default(),
            };
            let ancestors = groups.get(action.name()).cloned().unwrap_or_default();
            ActionEntry {
                name: action.name().to_string(),
                uid: Arc::new(action.name().clone()),
                number: Uid(number as u32),
                entity: Arc::new(Entity::new_with_attr_partial_value(
                    action.name().clone(),
                    [],
                    std::collections::HashSet::new(),
                    ancestors.into_iter().collect(),
                    [],
                )),
                context,
                principals: indices(&mut action.applies_to_principals()),
                resources: indices(&mut action.applies_to_resources()),
            }
        })
        .collect()
}

/// Each action's groups, all the way up.
fn groups(ids: &[&ValidatorActionId]) -> HashMap<EntityUID, Vec<EntityUID>> {
    let mut groups: HashMap<EntityUID, Vec<EntityUID>> = HashMap::new();
    for group in ids {
        for member in group.descendants().filter(|member| *member != group.name()) {
            groups.entry(member.clone()).or_default().push(group.name().clone());
        }
    }
    groups
}

/// A name's declaration, before it is known whether the short form is free.
struct Declared<'s, T> {
    target: T,
    exact: String,
    short: String,
    loc: Option<&'s Loc>,
}

/// Names to what they mean. Exact names stand as they are, short ones and aliases in lower case.
struct Names<T> {
    exact: HashMap<Box<str>, T>,
    folded: HashMap<Box<str>, T>,
}

impl<T: Copy + PartialEq> Names<T> {
    fn new(
        what: &str,
        declared: Vec<Declared<'_, T>>,
        aliases: &BTreeMap<String, Vec<String>>,
        texts: &[Text],
        short_names: ShortNames,
        faults: &mut Vec<Fault>,
    ) -> Self {
        // Which declarations want which folded name. A declaration with an alias gives up a short name that others
        // want too: that is how a clash is resolved.
        let mut wanted: BTreeMap<String, Vec<(&Declared<'_, T>, bool)>> = BTreeMap::new();
        for declaration in &declared {
            let own_aliases = aliases.get(&declaration.exact);
            for alias in own_aliases.into_iter().flatten() {
                wanted.entry(alias.to_lowercase()).or_default().push((declaration, true));
            }
            if short_names == ShortNames::On {
                wanted.entry(declaration.short.to_lowercase()).or_default().push((declaration, false));
            }
        }
        let mut folded = HashMap::new();
        for (name, mut wanting) in wanted {
            if wanting.len() > 1 {
                wanting.retain(|(declaration, by_alias)| *by_alias || !aliases.contains_key(&declaration.exact));
            }
            wanting.dedup_by(|(a, _), (b, _)| a.target == b.target);
            match wanting.as_slice() {
                [] => {}
                [(declaration, _)] => {
                    // As it is declared as well, which is how most write it: then nothing has to be folded.
                    if short_names == ShortNames::On && declaration.short.to_lowercase() == name {
                        folded.insert(declaration.short.as_str().into(), declaration.target);
                    }
                    folded.insert(name.into_boxed_str(), declaration.target);
                }
                [(first, _), rest @ ..] => faults.push(ambiguous(what, &name, first, rest, texts)),
            }
        }
        Self {
            exact: declared
                .iter()
                .flat_map(|declaration| {
                    // Cedar prints an apostrophe escaped, and reads it either way.
                    let unescaped = declaration.exact.replace("\\'", "'");
                    [declaration.exact.clone(), unescaped].map(|name| (name.into_boxed_str(), declaration.target))
                })
                .collect(),
            folded,
        }
    }

    /// What a name means: an exact name first, then a short one or an alias in any case.
    fn get(&self, name: &str) -> Option<T> {
        if let Some(target) = self.exact.get(name).or_else(|| self.folded.get(name)) {
            return Some(*target);
        }
        if name.chars().any(char::is_uppercase) {
            return self.folded.get(name.to_lowercase().as_str()).copied();
        }
        None
    }
}

fn ambiguous<T>(
    what: &str,
    name: &str,
    first: &Declared<'_, T>,
    rest: &[(&Declared<'_, T>, bool)],
    texts: &[Text],
) -> Fault {
    let all: Vec<String> = std::iter::once(first)
        .chain(rest.iter().map(|(declaration, _)| *declaration))
        .map(|declaration| format!("`{}`", declaration.exact))
        .collect();
    let mut fault = Fault::error(
        "schema-ambiguous-name",
        format!("the short name `{name}` could mean the {what} {}", all.join(" or ")),
    )
    .help(
        "annotate all but one of them with `@alias(\"other-name\")`, or set `engine.short_names` to false and ask with exact \
         Cedar names",
    );
    if let Some((text, span)) = place_of(first.loc, texts) {
        fault = fault.at(text, span);
    }
    for (declaration, _) in rest {
        if let Some((text, span)) = place_of(declaration.loc, texts) {
            fault = fault.and_at(text.place(span), format!("`{}`", declaration.exact));
        }
    }
    fault
}
