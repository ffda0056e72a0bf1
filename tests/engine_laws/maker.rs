//! What a world consists of besides its schema: entities, values, scopes, policies and questions.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::model::{Member, Model, Ty};
use super::world::{Ask, Link, Statement, Thing, Traits};
use super::writer::Writer;

pub(super) const TAG_KEYS: [&str; 3] = ["k1", "k2", "k3"];
pub(super) const TEXTS: [&str; 12] = [
    "",
    "a",
    "ab",
    "abc",
    "a*b",
    "x y",
    "k1",
    "k2",
    "äb",
    "aäbäb",
    "\u{1f600}",
    "b\"\\n\n",
];

/// Patterns, with escapes as a policy has them.
pub(super) const PATTERNS: [&str; 16] = [
    "*",
    "a*",
    "*b",
    r"a\*b",
    "*b*",
    "x y",
    "",
    "a*b",
    "a*b*b",
    "*a*ä*b*",
    "*ä*",
    "**",
    "ä*",
    r"*\u{1f600}",
    "*b*c",
    "ab*",
];

/// Ids of a type of which there are many entities.
pub(super) const CROWD: [&str; 20] = [
    "a", "b", "c", "m00", "m01", "m02", "m03", "m04", "m05", "m06", "m07", "m08", "m09", "m10", "m11", "m12", "m13",
    "m14", "m15", "m16",
];
pub(super) const LONGS: [i64; 7] = [0, 1, 2, -1, 3, 7, 100];
pub(super) const FAR_LONGS: [i64; 6] = [i64::MAX, i64::MAX - 1, i64::MIN, i64::MIN + 1, 1 << 58, -(1 << 58) - 1];
pub(super) const DECIMALS: [&str; 9] = [
    "0.0",
    "1.5",
    "1.50",
    "-2.25",
    "-0.5",
    "12.3456",
    "922337203685477.5807",
    "-922337203685477.5808",
    "28823037615171.1744",
];
pub(super) const IPS: [&str; 22] = [
    "127.0.0.1",
    "127.0.0.0/8",
    "127.0.0.0/7",
    "10.0.0.1",
    "10.0.0.1/8",
    "10.0.0.0/8",
    "10.255.255.255/32",
    "0.0.0.0/0",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "224.0.0.0/4",
    "224.0.0.0/3",
    "::1",
    "::1/127",
    "::/0",
    "::ffff:a00:1",
    "::ffff:a00:0/104",
    "ff02::1",
    "ff00::/7",
    "2001:db8::/32",
    "2001:db8:1:2:3:4:5:6",
];
pub(super) const DATETIMES: [&str; 9] = [
    "1970-01-01",
    "2024-10-15",
    "2024-10-15T11:38:02Z",
    "2024-10-15T11:38:02.101Z",
    "2024-10-15T00:00:00+0130",
    "1969-12-31T23:59:59.999Z",
    "1969-12-31",
    "0000-01-01",
    "9999-12-31T23:59:59.999Z",
];
pub(super) const DURATIONS: [&str; 9] = [
    "0ms",
    "1h",
    "-1d2h3m4s5ms",
    "90d",
    "1d",
    "-1ms",
    "119m59s999ms",
    "9223372036854775807ms",
    "-9223372036854775808ms",
];

/// An id that policies and entities refer to, and that is not in the store.
const GHOST: &str = "ghost";

/// Ids that only questions have.
pub(super) const STRANGERS: [&str; 3] = ["nobody", "no one", "niemand"];

/// Makes what a world consists of besides its schema.
pub(super) struct Maker<'m> {
    pub(super) model: &'m Model,
    pub(super) ids: &'m [Vec<&'static str>],
    pub(super) dice: &'m mut Dice,
    /// Whether questions are made, which may know names that nothing else knows.
    pub(super) asks: bool,
}

/// The scope of the principal or of the resource.
pub(super) struct SideScope {
    pub(super) text: String,
    /// The types for which it can be true.
    pub(super) fits: Vec<usize>,
    /// The type of the entity that it names, or that fills its slot.
    pub(super) target: usize,
    pub(super) names_entity: bool,
}

impl Maker<'_> {
    /// An id of a type, one in ten times one that is not in the store. Enumerated ids are always good ones.
    pub(super) fn id(&mut self, ty: usize) -> &'static str {
        if self.model.types[ty].choices.is_empty() && self.dice.chance(10) {
            GHOST
        } else {
            *self.dice.pick(&self.ids[ty])
        }
    }

    /// An entity as a policy names it.
    pub(super) fn literal(&mut self, ty: usize) -> String {
        let id = self.id(ty);
        format!("{}::{id:?}", self.model.types[ty].full())
    }

    pub(super) fn long(&mut self) -> i64 {
        if self.dice.chance(12) {
            *self.dice.pick(&FAR_LONGS)
        } else {
            *self.dice.pick(&LONGS)
        }
    }

    /// An id for a question: now and then one that neither the store nor a policy has.
    fn asked_id(&mut self, ty: usize) -> &'static str {
        if self.model.types[ty].choices.is_empty() && self.dice.chance(8) {
            *self.dice.pick(&STRANGERS)
        } else {
            self.id(ty)
        }
    }

    pub(super) fn json(&mut self, ty: &Ty) -> Value {
        match ty {
            Ty::Bool => Value::Bool(self.dice.chance(50)),
            Ty::Long => Value::from(self.long()),
            Ty::Text => Value::from(*self.dice.pick(&TEXTS)),
            Ty::Entity(ty) => {
                let id = if self.asks { self.asked_id(*ty) } else { self.id(*ty) };
                let uid = json!({ "type": self.model.types[*ty].full(), "id": id });
                if self.dice.chance(50) {
                    json!({ "__entity": uid })
                } else {
                    uid
                }
            }
            Ty::Set(element) => {
                let count = self.dice.below(4);
                Value::Array((0..count).map(|_| self.json(element)).collect())
            }
            Ty::Record(members) => Value::Object(self.object(members)),
            Ty::Decimal => self.call("decimal", &DECIMALS),
            Ty::Ip => self.call("ip", &IPS),
            Ty::Datetime => self.call("datetime", &DATETIMES),
            Ty::Duration => self.call("duration", &DURATIONS),
        }
    }

    pub(super) fn call(&mut self, function: &str, arguments: &[&str]) -> Value {
        let argument = *self.dice.pick(arguments);
        if self.dice.chance(50) {
            json!({ "__extn": { "fn": function, "arg": argument } })
        } else {
            Value::from(argument)
        }
    }

    /// All required members, and some of the others.
    pub(super) fn object(&mut self, members: &[Member]) -> Map<String, Value> {
        let mut object = Map::new();
        for member in members {
            if member.required || self.dice.chance(60) {
                object.insert(member.name.to_owned(), self.json(&member.ty));
            }
        }
        object
    }

    pub(super) fn things(&mut self) -> Vec<Thing> {
        let model = self.model;
        let ids = self.ids;
        let mut things = Vec::new();
        for (ty, declared) in model.types.iter().enumerate() {
            for &id in &ids[ty] {
                if !declared.choices.is_empty() && self.dice.chance(60) {
                    // An enumerated entity is there without being stored.
                    continue;
                }
                let mut tags = Map::new();
                if let Some(tag_type) = &declared.tags {
                    for key in TAG_KEYS {
                        if self.dice.chance(55) {
                            tags.insert(key.to_owned(), self.json(tag_type));
                        }
                    }
                }
                things.push(Thing {
                    ty,
                    id,
                    attrs: self.object(&declared.members),
                    parents: Vec::new(),
                    tags,
                    file: self.dice.below(3),
                });
            }
        }
        self.dice.shuffle(&mut things);
        let uids: Vec<(usize, &'static str)> = things.iter().map(|thing| (thing.ty, thing.id)).collect();
        for (index, thing) in things.iter_mut().enumerate() {
            // Parents come later in the list, so that there is no cycle; enumerated ones have no parents at all.
            for &parent in &model.types[thing.ty].parents {
                let enumerated = &model.types[parent].choices;
                let candidates: Vec<&'static str> = if enumerated.is_empty() {
                    let later = uids[index + 1..].iter();
                    later.filter(|(ty, _)| *ty == parent).map(|(_, id)| *id).collect()
                } else {
                    enumerated.clone()
                };
                for id in candidates {
                    if self.dice.chance(40) {
                        thing.parents.push((parent, id));
                    }
                }
            }
        }
        things
    }

    pub(super) fn ask(&mut self) -> Ask {
        let model = self.model;
        let applicable: Vec<usize> = (0..model.actions.len())
            .filter(|action| !model.actions[*action].principals.is_empty())
            .collect();
        let action = if self.dice.chance(93) {
            *self.dice.pick(&applicable)
        } else {
            self.dice.below(model.actions.len())
        };
        let declared = &model.actions[action];
        let principal = self.asked(&declared.principals);
        let resource = if declared.resources.contains(&principal.0) && self.dice.chance(15) {
            principal
        } else {
            self.asked(&declared.resources)
        };
        let needless = declared.context.is_empty() && self.dice.chance(50);
        let context = if declared.principals.is_empty() || needless {
            None
        } else {
            Some(Value::Object(self.object(&declared.context)))
        };
        Ask {
            principal,
            action,
            resource,
            context,
            principal_properties: None,
            resource_properties: None,
            short: self.dice.chance(20),
        }
    }

    pub(super) fn asked(&mut self, types: &[usize]) -> (usize, &'static str) {
        let ty = if types.is_empty() || self.dice.chance(6) {
            self.dice.below(self.model.types.len())
        } else {
            *self.dice.pick(types)
        };
        if !self.model.types[ty].choices.is_empty() && self.dice.chance(10) {
            return (ty, "mauve");
        }
        (ty, self.asked_id(ty))
    }

    /// The scope of one side. Those of forbids are `narrow`, so that not all is forbidden.
    pub(super) fn side(&mut self, variable: &str, used: &[usize], slot: bool, narrow: bool) -> SideScope {
        let model = self.model;
        let all: Vec<usize> = (0..model.types.len()).collect();
        let ty = if self.dice.chance(88) {
            *self.dice.pick(used)
        } else {
            *self.dice.pick(&all)
        };
        let above = *self.dice.pick(&model.above(ty));
        let form: usize = match (slot, narrow) {
            (true, _) => 2 + self.dice.below(3),
            (false, true) => *self.dice.pick(&[0, 1, 1, 2, 2, 3, 3, 4, 4]),
            (false, false) => *self.dice.pick(&[0, 0, 0, 1, 2, 3, 4]),
        };
        let target = if form == 2 { ty } else { above };
        let other = if slot {
            format!("?{variable}")
        } else {
            self.literal(target)
        };
        let name = model.types[ty].full();
        let below: Vec<usize> = all.iter().copied().filter(|ty| model.above(*ty).contains(&target)).collect();
        let (text, fits) = match form {
            0 => (variable.to_owned(), all),
            1 => (format!("{variable} is {name}"), vec![ty]),
            2 => (format!("{variable} == {other}"), if slot { all } else { vec![ty] }),
            3 => (format!("{variable} in {other}"), if slot { all } else { below }),
            _ => (format!("{variable} is {name} in {other}"), vec![ty]),
        };
        SideScope {
            text,
            fits,
            target,
            names_entity: form >= 2,
        }
    }

    /// The scope of the action, and the actions for which it is true.
    pub(super) fn action_scope(&mut self) -> (String, Vec<usize>) {
        let model = self.model;
        let count = model.actions.len();
        match self.dice.below(10) {
            0..3 => ("action".to_owned(), (0..count).collect()),
            3..6 => {
                // The first two are groups.
                let one = 2 + self.dice.below(count - 2);
                (format!("action == {}", model.actions[one].exact()), vec![one])
            }
            6..8 => {
                let group = self.dice.below(count);
                (
                    format!("action in {}", model.actions[group].exact()),
                    model.actions_in(&[group]),
                )
            }
            _ => {
                // The members of a set have one type, which is that of their namespace.
                let first = self.dice.below(count);
                let mut list = vec![first];
                for other in 0..count {
                    let same = model.actions[other].namespace == model.actions[first].namespace;
                    if other != first && same && self.dice.chance(50) {
                        list.push(other);
                    }
                }
                let names: Vec<String> = list.iter().map(|action| model.actions[*action].exact()).collect();
                (format!("action in [{}]", names.join(", ")), model.actions_in(&list))
            }
        }
    }

    pub(super) fn statement(&mut self, number: usize) -> Statement {
        let model = self.model;
        let permits = self.dice.chance(66);
        let template = self.dice.chance(20);
        let slots = match (template, self.dice.below(3)) {
            (false, _) => (false, false),
            (true, 0) => (true, false),
            (true, 1) => (false, true),
            (true, _) => (true, true),
        };
        let principals: Vec<usize> = model.actions.iter().flat_map(|action| action.principals.clone()).collect();
        let resources: Vec<usize> = model.actions.iter().flat_map(|action| action.resources.clone()).collect();
        let principal = self.side("principal", &principals, slots.0, !permits);
        let resource = self.side("resource", &resources, slots.1, !permits);
        let (action, matching) = self.action_scope();

        let mut links = Vec::new();
        if template {
            for link in 0..self.dice.below(4) {
                links.push(Link {
                    id: format!("link-{number}-{link}"),
                    principal: slots.0.then(|| self.literal(principal.target)),
                    resource: slots.1.then(|| self.literal(resource.target)),
                });
            }
        }

        let mut writer = Writer::new(self, &principal.fits, &resource.fits, &matching);
        let mut clauses = String::new();
        for _ in 0..*writer.maker.dice.pick(&[0, 1, 1, 1, 1, 1, 2, 2]) {
            let fuel = *writer.maker.dice.pick(&[1, 1, 2, 2, 3]);
            let condition = writer.condition(fuel);
            let word = if writer.maker.dice.chance(80) { "when" } else { "unless" };
            clauses.push_str(&format!("\n{word} {{ {condition} }}"));
        }
        let traits = Traits {
            deep: writer.deepest >= 2,
            names: writer.names,
            linked: template,
            both: principal.names_entity && resource.names_entity,
        };
        let effect = if permits { "permit" } else { "forbid" };
        let file = if !template && self.dice.chance(10) {
            None
        } else {
            Some(self.dice.below(3))
        };
        Statement {
            number,
            id: (template || self.dice.chance(40)).then(|| format!("rule-{number}")),
            text: format!("{effect}({}, {action}, {}){clauses};", principal.text, resource.text),
            file,
            links,
            traits,
        }
    }
}
