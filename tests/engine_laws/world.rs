//! Random worlds: a schema, policies, entities and questions that fit each other.

use std::collections::BTreeMap;

use gatepost::engine::{ErringForbid, Options, Record, RequestProperties, Sources, Span, Text};
use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::maker::{CROWD, Maker, STRANGERS};
use super::model::{Model, qualified};

/// An entity of the store.
#[derive(Clone)]
pub(super) struct Thing {
    pub(super) ty: usize,
    pub(super) id: &'static str,
    pub(super) attrs: Map<String, Value>,
    pub(super) parents: Vec<(usize, &'static str)>,
    pub(super) tags: Map<String, Value>,
    /// Of two files of entities or, beyond those, a record of its own.
    pub(super) file: usize,
}

/// A policy or template as it is written.
#[derive(Clone)]
pub(super) struct Statement {
    pub(super) number: usize,
    pub(super) id: Option<String>,
    pub(super) text: String,
    /// Of three Cedar files; none for a file of its own in JSON.
    pub(super) file: Option<usize>,
    pub(super) links: Vec<Link>,
    pub(super) traits: Traits,
}

/// What a policy does that a test wants to have met.
#[derive(Clone, Copy)]
pub(super) struct Traits {
    /// It looks into an entity that another entity refers to.
    pub(super) deep: bool,
    /// It looks into an entity that it names.
    pub(super) names: bool,
    /// It is a template's link.
    pub(super) linked: bool,
    /// Its scope names a principal and a resource, or groups of them.
    pub(super) both: bool,
}

#[derive(Clone)]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) principal: Option<String>,
    pub(super) resource: Option<String>,
}

impl Statement {
    pub(super) fn file_name(&self) -> String {
        match self.file {
            Some(file) => format!("policies/part{file}.cedar"),
            None => format!("policies/rule-{}.json", self.number),
        }
    }

    pub(super) fn annotated(&self) -> String {
        match &self.id {
            Some(id) => format!("@id({id:?})\n{}\n", self.text),
            None => format!("{}\n", self.text),
        }
    }
}

/// A question, and what the request brings along.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) principal: (usize, &'static str),
    pub(super) action: usize,
    pub(super) resource: (usize, &'static str),
    pub(super) context: Option<Value>,
    pub(super) principal_properties: Option<Value>,
    pub(super) resource_properties: Option<Value>,
    /// Whether types and actions are called by their short names.
    pub(super) short: bool,
}

impl Ask {
    /// Whether it names an entity that only it knows.
    pub(super) fn has_stranger(&self) -> bool {
        let text = self.context.as_ref().map(Value::to_string).unwrap_or_default();
        [self.principal.1, self.resource.1].iter().any(|id| STRANGERS.contains(id))
            || STRANGERS.iter().any(|id| text.contains(&format!("{id:?}")))
    }
}

/// A schema, policies and entities that fit each other.
#[derive(Clone)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) options: Options,
    pub(super) model: Model,
    /// The ids in the store, by type.
    pub(super) ids: Vec<Vec<&'static str>>,
    pub(super) things: Vec<Thing>,
    pub(super) statements: Vec<Statement>,
}

impl World {
    /// The world of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self::rolled(seed, &mut Dice::new(seed))
    }

    /// The world that some dice give.
    pub(super) fn rolled(seed: u64, dice: &mut Dice) -> Self {
        let model = Model::new(dice);
        // Of one type there may be many entities, so that some have many ancestors.
        let crowded = dice.chance(25).then(|| dice.below(model.types.len()));
        let ids: Vec<Vec<&'static str>> = model
            .types
            .iter()
            .enumerate()
            .map(|(number, ty)| {
                if !ty.choices.is_empty() {
                    return ty.choices.clone();
                }
                if crowded == Some(number) {
                    return CROWD.to_vec();
                }
                let mut ids = vec!["a", "b", "c", "sp ace", "quo\"te"];
                dice.shuffle(&mut ids);
                ids.truncate(2 + dice.below(3));
                ids
            })
            .collect();
        let mut maker = Maker {
            model: &model,
            ids: &ids,
            dice,
            asks: false,
        };
        let things = maker.things();
        let count = 6 + maker.dice.below(5);
        let mut statements: Vec<Statement> = (0..count).map(|number| maker.statement(number)).collect();
        if maker.dice.chance(50) {
            statements.push(Statement {
                number: count,
                id: Some("anything".to_owned()),
                text: "permit(principal, action, resource);".to_owned(),
                file: Some(0),
                links: Vec::new(),
                traits: Traits {
                    deep: false,
                    names: false,
                    linked: false,
                    both: false,
                },
            });
        }
        let options = Options {
            erring_forbid: match maker.dice.chance(50) {
                true => ErringForbid::Forbids,
                false => ErringForbid::Skipped,
            },
            // Chains that start at a named entity are counted with their records.
            level_max: 16,
            ..Options::default()
        };
        Self {
            seed,
            options,
            model,
            ids,
            things,
            statements,
        }
    }

    /// The texts to compile.
    pub(super) fn sources(&self) -> Sources {
        let mut files: [Vec<Value>; 2] = [Vec::new(), Vec::new()];
        let mut records = Vec::new();
        for thing in &self.things {
            let entity = self.thing_json(thing);
            match files.get_mut(thing.file) {
                Some(file) => file.push(entity),
                None => records.push(Record {
                    entity,
                    text: Text::new("entities/made.yaml", "made: {}\n"),
                    span: Span::new(0, 4),
                }),
            }
        }
        let entities = files.into_iter().enumerate();
        Sources {
            schema: self.model.schema(),
            policies: self.policies(),
            entities: entities
                .map(|(file, entities)| Text::new(format!("entities/{file}.json"), Value::Array(entities).to_string()))
                .collect(),
            records,
            ..Sources::default()
        }
    }

    pub(super) fn policies(&self) -> Vec<Text> {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let mut links = Vec::new();
        for statement in &self.statements {
            let text = statement.annotated();
            match statement.file {
                Some(_) => files.entry(statement.file_name()).or_default().push_str(&text),
                None => {
                    files.insert(statement.file_name(), as_json(&text));
                }
            }
            for link in &statement.links {
                let mut args = Map::new();
                for (slot, value) in [("?principal", &link.principal), ("?resource", &link.resource)] {
                    if let Some(value) = value {
                        args.insert(slot.to_owned(), json!(value));
                    }
                }
                links.push(json!({ "template_id": statement.id, "link_id": link.id, "args": args }));
            }
        }
        if !links.is_empty() {
            files.insert("policies/links.json".to_owned(), Value::Array(links).to_string());
        }
        files.into_iter().map(|(name, content)| Text::new(name, content)).collect()
    }

    /// What each policy does, by its id.
    pub(super) fn traits(&self) -> BTreeMap<String, Traits> {
        let mut positions: BTreeMap<String, usize> = BTreeMap::new();
        let mut traits = BTreeMap::new();
        for statement in &self.statements {
            let file = statement.file_name();
            let position = positions.entry(file.clone()).or_default();
            *position += 1;
            let id = match (&statement.id, statement.file) {
                (Some(id), _) => id.clone(),
                (None, Some(_)) => format!("{file}#{position}"),
                (None, None) => file,
            };
            traits.insert(id, statement.traits);
            for link in &statement.links {
                traits.insert(link.id.clone(), statement.traits);
            }
        }
        traits
    }

    /// All entities in Cedar's format.
    pub(super) fn entities(&self) -> Value {
        Value::Array(self.things.iter().map(|thing| self.thing_json(thing)).collect())
    }

    pub(super) fn thing_json(&self, thing: &Thing) -> Value {
        let uid = |ty: usize, id: &str| json!({ "type": self.model.types[ty].full(), "id": id });
        let parents: Vec<Value> = thing.parents.iter().map(|(ty, id)| uid(*ty, id)).collect();
        let mut entity = Map::new();
        entity.insert("uid".to_owned(), uid(thing.ty, thing.id));
        entity.insert("attrs".to_owned(), Value::Object(thing.attrs.clone()));
        entity.insert("parents".to_owned(), Value::Array(parents));
        if !thing.tags.is_empty() {
            entity.insert("tags".to_owned(), Value::Object(thing.tags.clone()));
        }
        Value::Object(entity)
    }

    /// Some questions; each about one in twelve names a type, an action or an id that does not apply.
    pub(super) fn asks(&self, count: usize) -> Vec<Ask> {
        self.asks_rolled(&mut Dice::new(self.seed ^ 0x5a5a_5a5a_5a5a_5a5a), count)
    }

    /// The questions that some dice give.
    pub(super) fn asks_rolled(&self, dice: &mut Dice, count: usize) -> Vec<Ask> {
        let mut maker = Maker {
            model: &self.model,
            ids: &self.ids,
            dice,
            asks: true,
        };
        (0..count).map(|_| maker.ask()).collect()
    }

    /// The exact name of a type.
    pub(super) fn type_name(&self, ty: usize) -> String {
        self.model.types[ty].full()
    }

    /// What an ask calls a type.
    pub(super) fn asked_type(&self, ty: usize, ask: &Ask) -> String {
        if ask.short {
            self.model.types[ty].name.to_lowercase()
        } else {
            self.type_name(ty)
        }
    }

    /// What an ask calls its action.
    pub(super) fn asked_action(&self, ask: &Ask) -> String {
        let action = &self.model.actions[ask.action];
        if ask.short {
            action.id.to_uppercase()
        } else {
            action.exact()
        }
    }

    /// The exact type and id of an action.
    pub(super) fn action_parts(&self, action: usize) -> (String, &'static str) {
        let action = &self.model.actions[action];
        (qualified(action.namespace, "Action"), action.id)
    }

    /// Whether a type has the ids of the schema and no others.
    pub(super) fn is_enumerated(&self, ty: usize) -> bool {
        !self.model.types[ty].choices.is_empty()
    }

    /// Whether an action can be asked for, so that it has a context.
    pub(super) fn applies(&self, action: usize) -> bool {
        !self.model.actions[action].principals.is_empty()
    }

    /// The same world, in which requests may bring properties of entities so.
    pub(super) fn with_request_properties(mut self, mode: RequestProperties) -> Self {
        for ty in self.model.types.iter().filter(|ty| ty.choices.is_empty()) {
            self.options.request_properties.insert(ty.full(), mode);
        }
        self
    }

    /// Properties for an entity, and the world whose store has what they come to; none for an enumerated type.
    pub(super) fn amended(
        &self,
        dice: &mut Dice,
        (ty, id): (usize, &'static str),
        mode: RequestProperties,
    ) -> Option<(Map<String, Value>, Self)> {
        let declared = &self.model.types[ty];
        if !declared.choices.is_empty() {
            return None;
        }
        let mut maker = Maker {
            model: &self.model,
            ids: &self.ids,
            dice,
            asks: true,
        };
        let known = self.things.iter().position(|thing| (thing.ty, thing.id) == (ty, id));
        let mut given = maker.object(&declared.members);
        let mut amended = self.clone();
        match (known, mode) {
            (_, RequestProperties::Ignore) => {}
            (Some(index), _) => {
                // What the store has need not be brought.
                given.retain(|_, _| maker.dice.chance(60));
                let stored = &mut amended.things[index].attrs;
                for (name, value) in &given {
                    if mode == RequestProperties::Override || !stored.contains_key(name) {
                        stored.insert(name.clone(), value.clone());
                    }
                }
            }
            (None, _) => amended.things.push(Thing {
                ty,
                id,
                attrs: given.clone(),
                parents: Vec::new(),
                tags: Map::new(),
                file: 0,
            }),
        }
        Some((given, amended))
    }

    /// The worlds that lack one policy or one entity of this one.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for index in 0..self.statements.len() {
            let mut world = self.clone();
            world.statements.remove(index);
            smaller.push(world);
        }
        for index in 0..self.things.len() {
            let mut world = self.clone();
            world.things.remove(index);
            smaller.push(world);
        }
        smaller
    }

    /// Everything, for a person.
    pub(super) fn show(&self) -> String {
        let sources = self.sources();
        let mut shown = String::new();
        for text in sources.schema.iter().chain(&sources.policies).chain(&sources.entities) {
            shown.push_str(&format!("--- {}\n{}\n", text.name, text.content));
        }
        for record in &sources.records {
            shown.push_str(&format!("--- a record\n{}\n", record.entity));
        }
        shown
    }
}

/// A policy in Cedar's JSON format.
pub(super) fn as_json(text: &str) -> String {
    let policy = cedar_policy::Policy::parse(None, text).expect("generated policies have good syntax");
    policy.to_json().expect("a static policy has a JSON form").to_string()
}
