//! The engine's laws: over random worlds it answers as stock Cedar does, and what must be refused is refused.
//!
//! A world is a schema, policies, entities and requests, all made from one seed. `GATEPOST_LAWS_WORLDS=5000` tries more
//! of them, `GATEPOST_LAWS_SEED=17` tries that one again. What disagrees is made smaller before it is shown.

/// Random worlds, each from its seed.
mod world {
    use std::collections::{BTreeMap, BTreeSet};

    use gatepost::engine::{ErringForbid, Options, Record, RequestProperties, Sources, Span, Text};
    use serde_json::{Map, Value, json};

    const ATTRIBUTES: [&str; 12] = [
        "flag", "count", "label", "owner", "peer", "rec", "price", "addr", "since", "span", "note", "odd name",
    ];
    const TAG_KEYS: [&str; 3] = ["k1", "k2", "k3"];
    const TEXTS: [&str; 8] = ["", "a", "ab", "abc", "a*b", "x y", "k1", "k2"];
    const LONGS: [i64; 7] = [0, 1, 2, -1, 3, 7, 100];
    const FAR_LONGS: [i64; 4] = [i64::MAX, i64::MAX - 1, i64::MIN, i64::MIN + 1];
    const DECIMALS: [&str; 5] = ["0.0", "1.5", "-2.25", "12.3456", "922337203685477.5807"];
    const IPS: [&str; 6] = [
        "127.0.0.1",
        "10.0.0.1",
        "10.0.0.0/8",
        "::1",
        "224.0.0.1",
        "2001:db8::/32",
    ];
    const DATETIMES: [&str; 4] = [
        "1970-01-01",
        "2024-10-15",
        "2024-10-15T11:38:02Z",
        "2024-10-15T11:38:02.101Z",
    ];
    const DURATIONS: [&str; 5] = ["0ms", "1h", "-1d2h3m4s5ms", "90d", "9223372036854775807ms"];

    /// Pseudo-random numbers (SplitMix64): the same seed gives the same world on every machine.
    pub(super) struct Dice(u64);

    impl Dice {
        pub(super) fn new(seed: u64) -> Self {
            Self(seed)
        }

        fn roll(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        /// A number below `limit`, which must not be 0.
        pub(super) fn below(&mut self, limit: usize) -> usize {
            (self.roll() % limit as u64) as usize
        }

        /// True this often in a hundred times.
        pub(super) fn chance(&mut self, percent: usize) -> bool {
            self.below(100) < percent
        }

        /// One of some items, which must not be none.
        pub(super) fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
            &items[self.below(items.len())]
        }

        pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
            for last in (1..items.len()).rev() {
                let other = self.below(last + 1);
                items.swap(last, other);
            }
        }
    }

    /// A Cedar type; entity types by their number.
    #[derive(Clone, Debug, PartialEq)]
    enum Ty {
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
    struct Member {
        name: &'static str,
        ty: Ty,
        required: bool,
    }

    #[derive(Clone)]
    struct EntityType {
        namespace: &'static str,
        name: &'static str,
        /// The types that it may be in.
        parents: Vec<usize>,
        members: Vec<Member>,
        tags: Option<Ty>,
        /// The only ids, if it is enumerated.
        choices: Vec<&'static str>,
    }

    impl EntityType {
        fn full(&self) -> String {
            qualified(self.namespace, self.name)
        }
    }

    /// An action, or a group of actions if it has no principals.
    #[derive(Clone)]
    struct Act {
        namespace: &'static str,
        id: &'static str,
        groups: Vec<usize>,
        principals: Vec<usize>,
        resources: Vec<usize>,
        context: Vec<Member>,
    }

    impl Act {
        fn exact(&self) -> String {
            format!("{}::{:?}", qualified(self.namespace, "Action"), self.id)
        }
    }

    fn qualified(namespace: &str, name: &str) -> String {
        if namespace.is_empty() {
            name.to_owned()
        } else {
            format!("{namespace}::{name}")
        }
    }

    /// What the schema says.
    #[derive(Clone)]
    struct Model {
        types: Vec<EntityType>,
        actions: Vec<Act>,
    }

    impl Model {
        fn new(dice: &mut Dice) -> Self {
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
        fn above(&self, ty: usize) -> Vec<usize> {
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
        fn actions_in(&self, groups: &[usize]) -> Vec<usize> {
            let mut found: BTreeSet<usize> = groups.iter().copied().collect();
            // Groups come before their members.
            for (number, action) in self.actions.iter().enumerate() {
                if action.groups.iter().any(|group| found.contains(group)) {
                    found.insert(number);
                }
            }
            found.into_iter().collect()
        }

        fn schema(&self) -> Vec<Text> {
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

        fn declare_type(&self, ty: &EntityType) -> String {
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

        fn declare_action(&self, action: &Act) -> String {
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
        fn names_text(&self, word: &str, types: &[usize]) -> String {
            if types.is_empty() {
                return String::new();
            }
            let names: Vec<String> = types.iter().map(|ty| self.types[*ty].full()).collect();
            format!("{word}[{}]", names.join(", "))
        }

        fn members_text(&self, members: &[Member]) -> String {
            let members: Vec<String> = members
                .iter()
                .map(|member| {
                    let mark = if member.required { "" } else { "?" };
                    format!("{:?}{mark}: {}", member.name, self.type_text(&member.ty))
                })
                .collect();
            format!("{{ {} }}", members.join(", "))
        }

        fn type_text(&self, ty: &Ty) -> String {
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
    fn some_actions(dice: &mut Dice, namespaces: &[&'static str], plain: usize, types: usize) -> Vec<Act> {
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
    fn some_types(dice: &mut Dice, plain: usize, types: usize) -> Vec<usize> {
        let mut some = BTreeSet::new();
        for _ in 0..2 {
            let limit = if dice.chance(15) { types } else { plain };
            some.insert(dice.below(limit));
        }
        some.into_iter().collect()
    }

    fn some_members(dice: &mut Dice, count: usize, types: usize, depth: usize) -> Vec<Member> {
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

    fn some_type(dice: &mut Dice, types: usize, depth: usize) -> Ty {
        match dice.below(100) {
            0..12 => Ty::Bool,
            12..26 => Ty::Long,
            26..36 => Ty::Text,
            36..64 => Ty::Entity(dice.below(types)),
            64..76 => Ty::Set(Box::new(match dice.below(5) {
                0 | 1 => Ty::Long,
                2 => Ty::Text,
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

    /// An entity of the store.
    #[derive(Clone)]
    struct Thing {
        ty: usize,
        id: &'static str,
        attrs: Map<String, Value>,
        parents: Vec<(usize, &'static str)>,
        tags: Map<String, Value>,
        /// Of two files of entities or, beyond those, a record of its own.
        file: usize,
    }

    /// A policy or template as it is written.
    #[derive(Clone)]
    struct Statement {
        number: usize,
        id: Option<String>,
        text: String,
        /// Of three Cedar files; none for a file of its own in JSON.
        file: Option<usize>,
        links: Vec<Link>,
        traits: Traits,
    }

    /// What a policy does that a test wants to have met.
    #[derive(Clone, Copy)]
    pub(super) struct Traits {
        /// It looks into an entity that another entity refers to.
        pub(super) deep: bool,
        /// It looks into an entity that it names.
        pub(super) names: bool,
    }

    #[derive(Clone)]
    struct Link {
        id: String,
        principal: Option<String>,
        resource: Option<String>,
    }

    impl Statement {
        fn file_name(&self) -> String {
            match self.file {
                Some(file) => format!("policies/part{file}.cedar"),
                None => format!("policies/rule-{}.json", self.number),
            }
        }

        fn annotated(&self) -> String {
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

    /// A schema, policies and entities that fit each other.
    #[derive(Clone)]
    pub(super) struct World {
        pub(super) seed: u64,
        pub(super) options: Options,
        model: Model,
        /// The ids in the store, by type.
        ids: Vec<Vec<&'static str>>,
        things: Vec<Thing>,
        statements: Vec<Statement>,
    }

    impl World {
        /// The world of a seed.
        pub(super) fn new(seed: u64) -> Self {
            let mut dice = Dice::new(seed);
            let model = Model::new(&mut dice);
            let ids: Vec<Vec<&'static str>> = model
                .types
                .iter()
                .map(|ty| {
                    if !ty.choices.is_empty() {
                        return ty.choices.clone();
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
                dice: &mut dice,
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
                    .map(|(file, entities)| {
                        Text::new(format!("entities/{file}.json"), Value::Array(entities).to_string())
                    })
                    .collect(),
                records,
                ..Sources::default()
            }
        }

        fn policies(&self) -> Vec<Text> {
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

        fn thing_json(&self, thing: &Thing) -> Value {
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
            let mut dice = Dice::new(self.seed ^ 0x5a5a_5a5a_5a5a_5a5a);
            let mut maker = Maker {
                model: &self.model,
                ids: &self.ids,
                dice: &mut dice,
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
    fn as_json(text: &str) -> String {
        let policy = cedar_policy::Policy::parse(None, text).expect("generated policies have good syntax");
        policy.to_json().expect("a static policy has a JSON form").to_string()
    }

    /// Makes what a world consists of besides its schema.
    struct Maker<'m> {
        model: &'m Model,
        ids: &'m [Vec<&'static str>],
        dice: &'m mut Dice,
    }

    /// The scope of the principal or of the resource.
    struct SideScope {
        text: String,
        /// The types for which it can be true.
        fits: Vec<usize>,
        /// The type of the entity that it names, or that fills its slot.
        target: usize,
    }

    impl Maker<'_> {
        /// An id of a type, one in ten times one that is not in the store. Enumerated ids are always good ones.
        fn id(&mut self, ty: usize) -> &'static str {
            if self.model.types[ty].choices.is_empty() && self.dice.chance(10) {
                "ghost"
            } else {
                *self.dice.pick(&self.ids[ty])
            }
        }

        /// An entity as a policy names it.
        fn literal(&mut self, ty: usize) -> String {
            let id = self.id(ty);
            format!("{}::{id:?}", self.model.types[ty].full())
        }

        fn long(&mut self) -> i64 {
            if self.dice.chance(12) {
                *self.dice.pick(&FAR_LONGS)
            } else {
                *self.dice.pick(&LONGS)
            }
        }

        fn json(&mut self, ty: &Ty) -> Value {
            match ty {
                Ty::Bool => Value::Bool(self.dice.chance(50)),
                Ty::Long => Value::from(self.long()),
                Ty::Text => Value::from(*self.dice.pick(&TEXTS)),
                Ty::Entity(ty) => {
                    let id = self.id(*ty);
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

        fn call(&mut self, function: &str, arguments: &[&str]) -> Value {
            let argument = *self.dice.pick(arguments);
            if self.dice.chance(50) {
                json!({ "__extn": { "fn": function, "arg": argument } })
            } else {
                Value::from(argument)
            }
        }

        /// All required members, and some of the others.
        fn object(&mut self, members: &[Member]) -> Map<String, Value> {
            let mut object = Map::new();
            for member in members {
                if member.required || self.dice.chance(60) {
                    object.insert(member.name.to_owned(), self.json(&member.ty));
                }
            }
            object
        }

        fn things(&mut self) -> Vec<Thing> {
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

        fn ask(&mut self) -> Ask {
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
            let resource = self.asked(&declared.resources);
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

        fn asked(&mut self, types: &[usize]) -> (usize, &'static str) {
            let ty = if types.is_empty() || self.dice.chance(6) {
                self.dice.below(self.model.types.len())
            } else {
                *self.dice.pick(types)
            };
            if !self.model.types[ty].choices.is_empty() && self.dice.chance(10) {
                return (ty, "mauve");
            }
            (ty, self.id(ty))
        }

        /// The scope of one side. Those of forbids are `narrow`, so that not all is forbidden.
        fn side(&mut self, variable: &str, used: &[usize], slot: bool, narrow: bool) -> SideScope {
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
                (false, true) => 1 + self.dice.below(4),
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
            SideScope { text, fits, target }
        }

        /// The scope of the action, and the actions for which it is true.
        fn action_scope(&mut self) -> (String, Vec<usize>) {
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

        fn statement(&mut self, number: usize) -> Statement {
            let model = self.model;
            let permits = self.dice.chance(72);
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

    /// A piece of Cedar text, with the tests that must hold before it may be evaluated.
    struct Piece {
        text: String,
        guards: Vec<String>,
    }

    impl Piece {
        fn plain(text: String) -> Self {
            let guards = Vec::new();
            Self { text, guards }
        }

        /// An expression of two pieces.
        fn of_two(left: Self, right: Self, join: impl FnOnce(&str, &str) -> String) -> Self {
            let text = join(&left.text, &right.text);
            let mut guards = left.guards;
            guards.extend(right.guards);
            Self { text, guards }
        }

        /// A condition: the guards first.
        fn closed(self) -> String {
            if self.guards.is_empty() {
                format!("({})", self.text)
            } else {
                format!("({} && ({}))", self.guards.join(" && "), self.text)
            }
        }
    }

    /// A value that can be reached from the request or from a named entity.
    #[derive(Clone)]
    struct Found {
        text: String,
        guards: Vec<String>,
        ty: Ty,
        /// How many entities were looked into on the way.
        steps: usize,
        /// Whether the way began at an entity that the policy names.
        named: bool,
        /// What `has a.b.c` can stand for: an expression, the names after it, and the guards that it needs itself.
        trail: Trail,
    }

    #[derive(Clone)]
    struct Trail {
        root: String,
        names: Vec<&'static str>,
        guards: usize,
    }

    impl Found {
        fn at(text: &str, ty: Ty) -> Self {
            Self {
                text: text.to_owned(),
                guards: Vec::new(),
                ty,
                steps: 0,
                named: false,
                trail: Trail {
                    root: text.to_owned(),
                    names: Vec::new(),
                    guards: 0,
                },
            }
        }

        fn restart_trail(&mut self) {
            self.trail = Trail {
                root: self.text.clone(),
                names: Vec::new(),
                guards: self.guards.len(),
            };
        }

        fn into_piece(self) -> Piece {
            Piece {
                text: self.text,
                guards: self.guards,
            }
        }
    }

    fn is_plain_name(name: &str) -> bool {
        name.chars().all(|char| char.is_ascii_alphabetic())
    }

    fn access(text: &str, name: &str) -> String {
        if is_plain_name(name) {
            format!("{text}.{name}")
        } else {
            format!("{text}[{name:?}]")
        }
    }

    fn has(text: &str, name: &str) -> String {
        if is_plain_name(name) {
            format!("{text} has {name}")
        } else {
            format!("{text} has {name:?}")
        }
    }

    fn is_entity(ty: &Ty) -> bool {
        matches!(ty, Ty::Entity(_))
    }

    fn is_set(ty: &Ty) -> bool {
        matches!(ty, Ty::Set(_))
    }

    /// Writes conditions that are well typed in every environment that a scope leaves.
    struct Writer<'w, 'm> {
        maker: &'w mut Maker<'m>,
        /// The types that the principal can have here.
        principal: Vec<usize>,
        /// The types that the resource can have here.
        resource: Vec<usize>,
        /// The actions that it can be here.
        actions: Vec<usize>,
        /// The members that the context has for all of these actions.
        context: Vec<Member>,
        /// The most entities that one expression looks into in a row.
        deepest: usize,
        /// Whether it looks into an entity that it names.
        names: bool,
        /// Whether a tag's key is being written: its own keys are plain, so that they come to an end.
        in_key: bool,
    }

    impl<'w, 'm> Writer<'w, 'm> {
        fn new(maker: &'w mut Maker<'m>, principals: &[usize], resources: &[usize], matching: &[usize]) -> Self {
            let model = maker.model;
            let both = |types: &[usize], fits: &[usize]| -> BTreeSet<usize> {
                types.iter().copied().filter(|ty| fits.contains(ty)).collect()
            };
            let mut principal = BTreeSet::new();
            let mut resource = BTreeSet::new();
            let mut actions = Vec::new();
            for &number in matching {
                let action = &model.actions[number];
                let these = both(&action.principals, principals);
                let those = both(&action.resources, resources);
                if !these.is_empty() && !those.is_empty() {
                    principal.extend(these);
                    resource.extend(those);
                    actions.push(number);
                }
            }
            Self {
                maker,
                principal: principal.into_iter().collect(),
                resource: resource.into_iter().collect(),
                context: common_context(model, &actions),
                actions,
                deepest: 0,
                names: false,
                in_key: false,
            }
        }

        /// A condition of about this much nesting.
        fn condition(&mut self, fuel: usize) -> String {
            if fuel > 0 {
                let fuel = fuel - 1;
                match self.maker.dice.below(12) {
                    0 | 1 => return format!("({} && {})", self.condition(fuel), self.condition(fuel)),
                    2 | 3 => return format!("({} || {})", self.condition(fuel), self.condition(fuel)),
                    4 => return format!("(!{})", self.condition(fuel)),
                    5 => {
                        return format!(
                            "(if {} then {} else {})",
                            self.condition(fuel),
                            self.condition(fuel),
                            self.condition(fuel)
                        );
                    }
                    6 | 7 => {
                        if let Some(condition) = self.narrowed(fuel) {
                            return condition;
                        }
                    }
                    _ => {}
                }
            }
            match self.leaf() {
                Some(condition) => condition,
                None => (*self.maker.dice.pick(&["true", "false"])).to_owned(),
            }
        }

        /// A condition behind a test that settles a type or the action, where there are several.
        fn narrowed(&mut self, fuel: usize) -> Option<String> {
            let model = self.maker.model;
            match self.maker.dice.below(3) {
                0 if self.principal.len() > 1 => {
                    let ty = *self.maker.dice.pick(&self.principal);
                    let wide = std::mem::replace(&mut self.principal, vec![ty]);
                    let inner = self.condition(fuel);
                    self.principal = wide;
                    Some(format!("(principal is {} && {inner})", model.types[ty].full()))
                }
                1 if self.resource.len() > 1 => {
                    let ty = *self.maker.dice.pick(&self.resource);
                    let wide = std::mem::replace(&mut self.resource, vec![ty]);
                    let inner = self.condition(fuel);
                    self.resource = wide;
                    Some(format!("(resource is {} && {inner})", model.types[ty].full()))
                }
                2 if self.actions.len() > 1 => {
                    let action = *self.maker.dice.pick(&self.actions);
                    let narrow = model.actions[action].context.clone();
                    let context = std::mem::replace(&mut self.context, narrow);
                    let actions = std::mem::replace(&mut self.actions, vec![action]);
                    let inner = self.condition(fuel);
                    self.context = context;
                    self.actions = actions;
                    Some(format!("(action == {} && {inner})", model.actions[action].exact()))
                }
                _ => None,
            }
        }

        fn leaf(&mut self) -> Option<String> {
            match self.maker.dice.below(20) {
                0 | 1 => Some(self.walk(&|ty| *ty == Ty::Bool)?.into_piece().closed()),
                2..5 => self.equality(),
                5 | 6 => self.comparison(),
                7 | 8 => self.about_set(),
                9 => self.likeness(),
                10 => self.type_test(),
                11 | 12 => self.membership(),
                13 => self.presence(),
                14 => self.tag_presence(),
                15 => self.about_decimal(),
                16 => self.about_ip(),
                17 => Some(self.about_action()),
                _ => self.about_side(),
            }
        }

        fn equality(&mut self) -> Option<String> {
            let left = self.walk(&|_| true)?;
            let right = if is_entity(&left.ty) && self.maker.dice.chance(15) {
                // An entity of any type: two types are never equal, which Cedar's validator knows.
                let ty = self.maker.dice.below(self.maker.model.types.len());
                Piece::plain(self.maker.literal(ty))
            } else {
                self.value(&left.ty, 1)?
            };
            let operator = *self.maker.dice.pick(&["==", "==", "!="]);
            let piece = Piece::of_two(left.into_piece(), right, |a, b| format!("{a} {operator} {b}"));
            Some(piece.closed())
        }

        fn comparison(&mut self) -> Option<String> {
            let ty = match self.maker.dice.below(5) {
                0 => Ty::Datetime,
                1 => Ty::Duration,
                _ => Ty::Long,
            };
            let left = self.value(&ty, 2)?;
            let right = self.value(&ty, 1)?;
            let operator = *self.maker.dice.pick(&["<", "<=", ">", ">="]);
            Some(Piece::of_two(left, right, |a, b| format!("{a} {operator} {b}")).closed())
        }

        fn about_set(&mut self) -> Option<String> {
            let (set, ty) = match self.walk(&is_set) {
                Some(found) => {
                    let ty = found.ty.clone();
                    (found.into_piece(), ty)
                }
                None => {
                    let ty = Ty::Set(Box::new(Ty::Long));
                    (self.written(&ty)?, ty)
                }
            };
            let Ty::Set(element) = &ty else { return None };
            let piece = match self.maker.dice.below(5) {
                0 => Piece {
                    text: format!("({}).isEmpty()", set.text),
                    guards: set.guards,
                },
                1 | 2 => {
                    let member = self.value(element, 1)?;
                    Piece::of_two(set, member, |a, b| format!("({a}).contains({b})"))
                }
                3 => {
                    let other = self.value(&ty, 1)?;
                    Piece::of_two(set, other, |a, b| format!("({a}).containsAll({b})"))
                }
                _ => {
                    let other = self.value(&ty, 1)?;
                    Piece::of_two(set, other, |a, b| format!("({a}).containsAny({b})"))
                }
            };
            Some(piece.closed())
        }

        fn likeness(&mut self) -> Option<String> {
            let text = self.value(&Ty::Text, 1)?;
            let pattern = *self.maker.dice.pick(&["*", "a*", "*b", r"a\*b", "*b*", "x y", ""]);
            let piece = Piece {
                text: format!("{} like \"{pattern}\"", text.text),
                guards: text.guards,
            };
            Some(piece.closed())
        }

        fn type_test(&mut self) -> Option<String> {
            let model = self.maker.model;
            let found = self.walk(&is_entity)?;
            let Ty::Entity(own) = found.ty else { return None };
            let tested = if self.maker.dice.chance(60) {
                own
            } else {
                self.maker.dice.below(model.types.len())
            };
            let mut text = format!("{} is {}", found.text, model.types[tested].full());
            if self.maker.dice.chance(40) {
                self.note(&found, 1);
                let above = *self.maker.dice.pick(&model.above(own));
                text = format!("{text} in {}", self.maker.literal(above));
            }
            let guards = found.guards;
            Some(Piece { text, guards }.closed())
        }

        fn membership(&mut self) -> Option<String> {
            let model = self.maker.model;
            let found = self.walk(&is_entity)?;
            self.note(&found, 1);
            let Ty::Entity(own) = found.ty else { return None };
            let target = if self.maker.dice.chance(85) {
                *self.maker.dice.pick(&model.above(own))
            } else {
                self.maker.dice.below(model.types.len())
            };
            let right = match self.maker.dice.below(4) {
                0 => self.value(&Ty::Entity(target), 0)?,
                1 => self.value(&Ty::Set(Box::new(Ty::Entity(target))), 0)?,
                _ => Piece::plain(self.maker.literal(target)),
            };
            let piece = Piece::of_two(found.into_piece(), right, |a, b| format!("{a} in {b}"));
            Some(piece.closed())
        }

        /// `has`, with one name or a chain of them, now and then with one that the schema does not know.
        fn presence(&mut self) -> Option<String> {
            let model = self.maker.model;
            let found = self.walk(&|ty| matches!(ty, Ty::Entity(_) | Ty::Record(_)))?;
            let mut names = Vec::new();
            let mut entities = 0;
            let mut ty = found.ty.clone();
            while names.len() < 3 {
                let members = match &ty {
                    Ty::Entity(number) => {
                        entities += 1;
                        model.types[*number].members.as_slice()
                    }
                    Ty::Record(members) => members.as_slice(),
                    _ => break,
                };
                if members.is_empty() {
                    break;
                }
                let member = self.maker.dice.pick(members).clone();
                if !is_plain_name(member.name) && !names.is_empty() {
                    break;
                }
                let ends = !is_plain_name(member.name) || self.maker.dice.chance(40);
                names.push(member.name);
                ty = member.ty;
                if ends {
                    break;
                }
            }
            if names.is_empty() || self.maker.dice.chance(8) {
                names.pop();
                names.push("nowhere");
            }
            self.note(&found, entities);
            let text = match names.as_slice() {
                [name] => has(&found.text, name),
                names => format!("{} has {}", found.text, names.join(".")),
            };
            let guards = found.guards;
            Some(Piece { text, guards }.closed())
        }

        fn tag_presence(&mut self) -> Option<String> {
            let model = self.maker.model;
            let found = self.walk(&|ty| matches!(ty, Ty::Entity(number) if model.types[*number].tags.is_some()))?;
            self.note(&found, 1);
            let key = self.tag_key();
            Some(Piece::of_two(found.into_piece(), key, |a, b| format!("{a}.hasTag({b})")).closed())
        }

        fn about_decimal(&mut self) -> Option<String> {
            let left = self.value(&Ty::Decimal, 1)?;
            let right = self.value(&Ty::Decimal, 1)?;
            let methods = ["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"];
            let method = *self.maker.dice.pick(&methods);
            Some(Piece::of_two(left, right, |a, b| format!("({a}).{method}({b})")).closed())
        }

        fn about_ip(&mut self) -> Option<String> {
            let ip = self.value(&Ty::Ip, 1)?;
            let method = *self.maker.dice.pick(&[
                "isInRange",
                "isInRange",
                "isIpv4",
                "isIpv6",
                "isLoopback",
                "isMulticast",
            ]);
            if method == "isInRange" {
                let range = self.value(&Ty::Ip, 1)?;
                return Some(Piece::of_two(ip, range, |a, b| format!("({a}).isInRange({b})")).closed());
            }
            let piece = Piece {
                text: format!("({}).{method}()", ip.text),
                guards: ip.guards,
            };
            Some(piece.closed())
        }

        fn about_action(&mut self) -> String {
            let model = self.maker.model;
            let number = self.maker.dice.below(model.actions.len());
            let action = model.actions[number].exact();
            match self.maker.dice.below(6) {
                0 => format!("(action == {action})"),
                1 | 2 => format!("(action in {action})"),
                3 | 4 => {
                    let namespace = model.actions[number].namespace;
                    let siblings: Vec<String> = model
                        .actions
                        .iter()
                        .filter(|sibling| sibling.namespace == namespace)
                        .take(2)
                        .map(Act::exact)
                        .collect();
                    format!("(action in [{}])", siblings.join(", "))
                }
                _ => {
                    // Neither side is the variable.
                    let other = self.maker.dice.below(model.actions.len());
                    format!("({} in {action})", model.actions[other].exact())
                }
            }
        }

        /// A test of the principal or the resource itself, which needs no settled type.
        fn about_side(&mut self) -> Option<String> {
            let model = self.maker.model;
            let (variable, types) = if self.maker.dice.chance(50) {
                ("principal", self.principal.clone())
            } else {
                ("resource", self.resource.clone())
            };
            if types.is_empty() {
                return None;
            }
            let ty = *self.maker.dice.pick(&types);
            Some(match self.maker.dice.below(4) {
                0 => format!("({variable} == {})", self.maker.literal(ty)),
                1 => format!("({variable} is {})", model.types[ty].full()),
                _ => {
                    let above = *self.maker.dice.pick(&model.above(ty));
                    format!("({variable} in {})", self.maker.literal(above))
                }
            })
        }

        /// A value of a type: mostly from the request, else computed or written out. None for some records.
        fn value(&mut self, ty: &Ty, fuel: usize) -> Option<Piece> {
            if self.maker.dice.chance(65)
                && let Some(found) = self.walk(&|here| here == ty)
            {
                return Some(self.settled(found.into_piece(), ty));
            }
            if fuel > 0 {
                if let Some(computed) = self.computed(ty, fuel - 1) {
                    return Some(computed);
                }
                if self.maker.dice.chance(12) {
                    let condition = self.condition(fuel - 1);
                    let left = self.value(ty, fuel - 1)?;
                    let right = self.value(ty, fuel - 1)?;
                    return Some(Piece::of_two(left, right, |a, b| format!("(if {condition} then {a} else {b})")));
                }
                if self.maker.dice.chance(6) {
                    let inner = self.value(ty, fuel - 1)?;
                    return Some(Piece {
                        text: format!("{{ inner: {}, outer: 1 }}.inner", inner.text),
                        guards: inner.guards,
                    });
                }
            }
            self.written(ty)
        }

        /// The same piece or, where it has guards, perhaps one that gives something else if they do not hold.
        fn settled(&mut self, piece: Piece, ty: &Ty) -> Piece {
            if piece.guards.is_empty() || !self.maker.dice.chance(40) {
                return piece;
            }
            match self.written(ty) {
                Some(other) if other.guards.is_empty() => Piece::plain(format!(
                    "(if {} then {} else {})",
                    piece.guards.join(" && "),
                    piece.text,
                    other.text
                )),
                _ => piece,
            }
        }

        /// A value made from others by arithmetic or by functions of dates.
        fn computed(&mut self, ty: &Ty, fuel: usize) -> Option<Piece> {
            let choice = self.maker.dice.below(10);
            match (ty, choice) {
                (Ty::Long, 0..4) => {
                    let left = self.value(&Ty::Long, fuel)?;
                    let right = self.value(&Ty::Long, fuel)?;
                    let operator = *self.maker.dice.pick(&["+", "-", "*"]);
                    Some(Piece::of_two(left, right, |a, b| format!("({a} {operator} {b})")))
                }
                (Ty::Long, 4) => {
                    let long = self.value(&Ty::Long, fuel)?;
                    Some(Piece {
                        text: format!("(-({}))", long.text),
                        guards: long.guards,
                    })
                }
                (Ty::Long, 5) => {
                    let duration = self.value(&Ty::Duration, fuel)?;
                    let methods = ["toMilliseconds", "toSeconds", "toHours", "toDays"];
                    let method = *self.maker.dice.pick(&methods);
                    Some(Piece {
                        text: format!("({}).{method}()", duration.text),
                        guards: duration.guards,
                    })
                }
                (Ty::Datetime, 0..4) => {
                    let datetime = self.value(&Ty::Datetime, fuel)?;
                    let duration = self.value(&Ty::Duration, fuel)?;
                    Some(Piece::of_two(datetime, duration, |a, b| format!("({a}).offset({b})")))
                }
                (Ty::Datetime, 4) => {
                    let datetime = self.value(&Ty::Datetime, fuel)?;
                    Some(Piece {
                        text: format!("({}).toDate()", datetime.text),
                        guards: datetime.guards,
                    })
                }
                (Ty::Duration, 0..3) => {
                    let left = self.value(&Ty::Datetime, fuel)?;
                    let right = self.value(&Ty::Datetime, fuel)?;
                    Some(Piece::of_two(left, right, |a, b| format!("({a}).durationSince({b})")))
                }
                (Ty::Duration, 3) => {
                    let datetime = self.value(&Ty::Datetime, fuel)?;
                    Some(Piece {
                        text: format!("({}).toTime()", datetime.text),
                        guards: datetime.guards,
                    })
                }
                _ => None,
            }
        }

        /// A value as a policy writes it out. None for a record: an optional member makes its type another one.
        fn written(&mut self, ty: &Ty) -> Option<Piece> {
            let dice = &mut *self.maker.dice;
            let text = match ty {
                Ty::Bool => (*dice.pick(&["true", "false"])).to_owned(),
                Ty::Long if dice.chance(8) => i64::MAX.to_string(),
                Ty::Long => match *dice.pick(&LONGS) {
                    negative if negative < 0 => format!("({negative})"),
                    long => long.to_string(),
                },
                Ty::Text => format!("{:?}", dice.pick(&TEXTS)),
                Ty::Entity(ty) => self.maker.literal(*ty),
                Ty::Set(element) => {
                    let count = 1 + dice.below(3);
                    let mut items = Vec::new();
                    let mut guards = Vec::new();
                    for _ in 0..count {
                        let item = self.value(element, 0)?;
                        items.push(item.text);
                        guards.extend(item.guards);
                    }
                    let text = format!("[{}]", items.join(", "));
                    return Some(Piece { text, guards });
                }
                Ty::Record(_) => return None,
                Ty::Decimal => format!("decimal({:?})", dice.pick(&DECIMALS)),
                Ty::Ip => format!("ip({:?})", dice.pick(&IPS)),
                Ty::Datetime => format!("datetime({:?})", dice.pick(&DATETIMES)),
                Ty::Duration => format!("duration({:?})", dice.pick(&DURATIONS)),
            };
            Some(Piece::plain(text))
        }

        /// The key of a tag: mostly a literal.
        fn tag_key(&mut self) -> Piece {
            if !self.in_key && self.maker.dice.chance(20) {
                self.in_key = true;
                let key = self.value(&Ty::Text, 0);
                self.in_key = false;
                if let Some(key) = key {
                    return key;
                }
            }
            Piece::plain(format!("{:?}", self.maker.dice.pick(&TAG_KEYS)))
        }

        /// Remembers how far an expression looks that takes this many steps more from here.
        fn note(&mut self, found: &Found, more: usize) {
            let steps = found.steps + more;
            self.deepest = self.deepest.max(steps);
            self.names |= found.named && steps > 0;
        }

        /// A random way through attributes, records and tags to a value that is wanted.
        fn walk(&mut self, wanted: &dyn Fn(&Ty) -> bool) -> Option<Found> {
            for _ in 0..8 {
                let mut here = self.root();
                for _ in 0..6 {
                    if wanted(&here.ty) && self.maker.dice.chance(60) {
                        break;
                    }
                    match self.step(&here, wanted) {
                        Some(next) => here = next,
                        None => break,
                    }
                }
                if wanted(&here.ty) {
                    self.note(&here, 0);
                    return Some(here);
                }
            }
            None
        }

        /// Where a way begins: a variable whose type is settled, or now and then a named entity.
        fn root(&mut self) -> Found {
            let mut roots = Vec::new();
            if let [ty] = self.principal.as_slice() {
                roots.push(Found::at("principal", Ty::Entity(*ty)));
            }
            if let [ty] = self.resource.as_slice() {
                roots.push(Found::at("resource", Ty::Entity(*ty)));
            }
            if !self.context.is_empty() {
                roots.push(Found::at("context", Ty::Record(self.context.clone())));
            }
            if roots.is_empty() || self.maker.dice.chance(10) {
                let ty = self.maker.dice.below(self.maker.model.types.len());
                let text = self.maker.literal(ty);
                let mut named = Found::at(&text, Ty::Entity(ty));
                named.named = true;
                return named;
            }
            let chosen = self.maker.dice.below(roots.len());
            roots.swap_remove(chosen)
        }

        /// One step further, to what is wanted or to what may lead there; no further than three entities.
        fn step(&mut self, here: &Found, wanted: &dyn Fn(&Ty) -> bool) -> Option<Found> {
            let model = self.maker.model;
            let (members, tags) = match &here.ty {
                Ty::Entity(_) if here.steps >= 3 => return None,
                Ty::Entity(ty) => (model.types[*ty].members.as_slice(), model.types[*ty].tags.as_ref()),
                Ty::Record(members) => (members.as_slice(), None),
                _ => return None,
            };
            let useful = |ty: &Ty| wanted(ty) || matches!(ty, Ty::Entity(_) | Ty::Record(_));
            let members: Vec<&Member> = members.iter().filter(|member| useful(&member.ty)).collect();
            let tags = match tags {
                Some(ty) if useful(ty) => Some(ty),
                _ => None,
            };
            let count = members.len() + usize::from(tags.is_some());
            if count == 0 {
                return None;
            }
            let choice = self.maker.dice.below(count);
            match (members.get(choice), tags) {
                (Some(member), _) => Some(self.member(here, member)),
                (None, Some(ty)) => Some(self.tag(here, ty)),
                (None, None) => None,
            }
        }

        fn member(&mut self, from: &Found, member: &Member) -> Found {
            let mut next = from.clone();
            next.text = access(&from.text, member.name);
            next.ty = member.ty.clone();
            next.steps += usize::from(is_entity(&from.ty));
            next.trail.names.push(member.name);
            let chained = is_plain_name(member.name) && next.trail.names.len() > 1;
            if !member.required && chained && self.maker.dice.chance(50) {
                // One test for the whole chain, instead of one for each of its optional members.
                next.guards.truncate(next.trail.guards);
                next.guards.push(format!("{} has {}", next.trail.root, next.trail.names.join(".")));
            } else if !member.required {
                next.guards.push(has(&from.text, member.name));
            }
            if !is_plain_name(member.name) {
                next.restart_trail();
            }
            next
        }

        fn tag(&mut self, from: &Found, ty: &Ty) -> Found {
            let key = self.tag_key();
            let mut next = from.clone();
            next.guards.extend(key.guards);
            next.guards.push(format!("{}.hasTag({})", from.text, key.text));
            next.text = format!("{}.getTag({})", from.text, key.text);
            next.ty = ty.clone();
            next.steps += 1;
            next.restart_trail();
            next
        }
    }

    /// The members that the contexts of all these actions have, optional where they are so for one of them.
    fn common_context(model: &Model, actions: &[usize]) -> Vec<Member> {
        let Some((first, rest)) = actions.split_first() else {
            return Vec::new();
        };
        let mut common = model.actions[*first].context.clone();
        for action in rest {
            let other = &model.actions[*action].context;
            common.retain_mut(|member| {
                let twin = other.iter().find(|twin| twin.name == member.name && twin.ty == member.ty);
                member.required &= twin.is_some_and(|twin| twin.required);
                twin.is_some()
            });
        }
        common
    }
}

/// What holds in every world.
mod laws {
    use std::collections::BTreeMap;
    use std::str::FromStr;

    use cedar_policy::{
        AuthorizationError, Authorizer, Context, Effect, Entities, EntityId, EntityTypeName, EntityUid, PolicyId,
        PolicySet, Request,
    };
    use gatepost::engine::json::Json;
    use gatepost::engine::{
        Action, Cause, Decision, Entity, ErringForbid, Faults, Problem, Query, RequestProperties, Snapshot,
    };
    use serde_json::Value;

    use super::world::{Ask, Dice, Traits, World};

    /// How many worlds the first law tries by default, and how many questions it asks in each.
    const WORLDS: u64 = 300;
    const ASKS: usize = 20;

    fn number_from_environment(name: &str) -> Option<u64> {
        let text = std::env::var(name).ok()?;
        Some(text.parse().expect("a whole number in GATEPOST_LAWS_WORLDS and GATEPOST_LAWS_SEED"))
    }

    /// Whether one world is tried again, of which nothing is known but its seed.
    fn is_replay() -> bool {
        number_from_environment("GATEPOST_LAWS_SEED").is_some()
    }

    /// The seeds of so many worlds, or of as many more or fewer as the environment asks for.
    fn seeds(worlds: u64) -> Vec<u64> {
        if let Some(seed) = number_from_environment("GATEPOST_LAWS_SEED") {
            return vec![seed];
        }
        let all = number_from_environment("GATEPOST_LAWS_WORLDS").unwrap_or(WORLDS);
        (0..(all * worlds).div_ceil(WORLDS)).collect()
    }

    /// An answer by the names of its policies, ours and stock Cedar's alike.
    #[derive(Clone, Debug, PartialEq)]
    struct Verdict {
        cause: Cause,
        determining: Vec<String>,
        /// Each policy that erred, and how.
        errors: Vec<(String, String)>,
    }

    /// What stock Cedar answers, and whether a forbid erred on the way.
    struct StockAnswer {
        /// As it comes to under the world's options.
        verdict: Verdict,
        forbid_erred: bool,
    }

    /// A world, compiled by us and loaded by stock Cedar.
    struct Trial {
        world: World,
        snapshot: Snapshot,
        entities: Entities,
    }

    impl Trial {
        fn new(world: World) -> Result<Self, Faults> {
            let snapshot = Snapshot::compile(&world.sources(), &world.options)?;
            let entities = Entities::from_json_value(world.entities(), Some(snapshot.schema()))
                .expect("entities that we take are good for Cedar");
            Ok(Self {
                world,
                snapshot,
                entities,
            })
        }

        fn ours(&self, ask: &Ask) -> Result<Verdict, Problem> {
            let decision = decide(&self.snapshot, &self.world, ask)?;
            let name = |number: u32| self.snapshot.policy(number).id.to_string();
            Ok(Verdict {
                cause: decision.cause,
                determining: decision.determining.iter().map(|number| name(*number)).collect(),
                errors: decision.errors.iter().map(|error| (name(error.policy), error.message.clone())).collect(),
            })
        }

        /// The answer of stock Cedar over these policies and all entities; none if it refuses the request.
        fn stock(&self, policies: &PolicySet, ask: &Ask) -> Option<StockAnswer> {
            let request = self.request(ask)?;
            let response = Authorizer::new().is_authorized(&request, policies, &self.entities);
            let mut determining: Vec<String> = response.diagnostics().reason().map(name_of).collect();
            let mut errors: Vec<(String, String)> = response
                .diagnostics()
                .errors()
                .map(|error| match error {
                    AuthorizationError::PolicyEvaluationError(error) => {
                        (name_of(error.policy_id()), error.inner().to_string())
                    }
                })
                .collect();
            errors.sort();
            let is_forbid = |id: &str| {
                let policy = policies.policy(&PolicyId::new(id));
                policy.is_some_and(|policy| policy.effect() == Effect::Forbid)
            };
            let erring_forbids: Vec<String> =
                errors.iter().map(|(id, _)| id.clone()).filter(|id| is_forbid(id)).collect();
            let forbid_erred = !erring_forbids.is_empty();
            // The one difference: a forbid that errs forbids.
            let closes = forbid_erred && self.world.options.erring_forbid == ErringForbid::Forbids;
            let cause = match response.decision() {
                cedar_policy::Decision::Deny if !determining.is_empty() => Cause::Forbidden,
                _ if closes => Cause::ForbidErred,
                cedar_policy::Decision::Allow => Cause::Permitted,
                cedar_policy::Decision::Deny => Cause::NothingPermits,
            };
            if closes {
                if cause == Cause::ForbidErred {
                    determining.clear();
                }
                determining.extend(erring_forbids);
            }
            determining.sort();
            let verdict = Verdict {
                cause,
                determining,
                errors,
            };
            Some(StockAnswer { verdict, forbid_erred })
        }

        fn request(&self, ask: &Ask) -> Option<Request> {
            let (action_type, action_id) = self.world.action_parts(ask.action);
            let action = uid(&action_type, action_id);
            let context = match &ask.context {
                Some(context) if self.world.applies(ask.action) => {
                    Context::from_json_value(context.clone(), Some((self.snapshot.schema(), &action)))
                        .expect("generated contexts fit the schema")
                }
                _ => Context::empty(),
            };
            let principal = uid(&self.world.type_name(ask.principal.0), ask.principal.1);
            let resource = uid(&self.world.type_name(ask.resource.0), ask.resource.1);
            Request::new(principal, action, resource, context, Some(self.snapshot.schema())).ok()
        }

        /// Our answer, if it is that of stock Cedar over these policies; else both.
        fn compare(&self, policies: &PolicySet, ask: &Ask) -> Result<Verdict, String> {
            let ours = self.ours(ask).map_err(|problem| format!("ours: a problem: {problem}"))?;
            match self.stock(policies, ask) {
                Some(stock) if stock.verdict == ours => Ok(ours),
                Some(stock) => Err(format!("stock Cedar: {:#?}\nours: {ours:#?}", stock.verdict)),
                None if matches!(ours.cause, Cause::NotApplicable | Cause::UnknownName)
                    && ours.determining.is_empty()
                    && ours.errors.is_empty() =>
                {
                    Ok(ours)
                }
                None => Err(format!("stock Cedar: refused\nours: {ours:#?}")),
            }
        }

        fn check(&self, ask: &Ask) -> Result<Verdict, String> {
            self.compare(self.snapshot.policy_set(), ask)
        }

        /// Whether the comparison sees that one policy is missing on one side.
        fn notices_without(&self, policy: &str, ask: &Ask) -> bool {
            let mut fewer = self.snapshot.policy_set().clone();
            let id = PolicyId::new(policy);
            let is_link = fewer.policy(&id).is_some_and(|policy| policy.template_id().is_some());
            let removed = if is_link {
                fewer.unlink(id)
            } else {
                fewer.remove_static(id)
            };
            removed.expect("a policy that decided is in the set");
            self.compare(&fewer, ask).is_err()
        }

        /// The failure of an ask, in the smallest world that still shows it.
        fn report(&self, ask: &Ask) -> String {
            let failure = |world: &World| Trial::new(world.clone()).ok()?.check(ask).err();
            let mut world = self.world.clone();
            while let Some(smaller) = world.smaller().into_iter().find(|world| failure(world).is_some()) {
                world = smaller;
            }
            format!(
                "seed {}, {:?}\n{}--- the question\n{ask:?}\n--- the answers\n{}",
                world.seed,
                world.options.erring_forbid,
                world.show(),
                failure(&world).unwrap_or_default()
            )
        }
    }

    fn name_of(id: &PolicyId) -> String {
        AsRef::<str>::as_ref(id).to_owned()
    }

    fn uid(entity_type: &str, id: &str) -> EntityUid {
        let name = EntityTypeName::from_str(entity_type).expect("generated type names are good ones");
        EntityUid::from_type_name_and_id(name, EntityId::new(id))
    }

    /// Asks the engine.
    fn decide(snapshot: &Snapshot, world: &World, ask: &Ask) -> Result<Decision, Problem> {
        let text = |value: &Option<Value>| value.as_ref().map(ToString::to_string);
        let texts = [
            text(&ask.context),
            text(&ask.principal_properties),
            text(&ask.resource_properties),
        ];
        let values: Vec<Option<Json<'_>>> = texts
            .iter()
            .map(|text| {
                let text = text.as_ref()?;
                Some(Json::read(text.as_bytes(), 64).expect("what was serialized is JSON"))
            })
            .collect();
        let principal_type = world.asked_type(ask.principal.0, ask);
        let resource_type = world.asked_type(ask.resource.0, ask);
        let action = world.asked_action(ask);
        snapshot.decide(&Query {
            principal: Entity {
                entity_type: &principal_type,
                id: ask.principal.1,
                properties: values[1].as_ref(),
            },
            action: Action {
                name: &action,
                properties: None,
            },
            resource: Entity {
                entity_type: &resource_type,
                id: ask.resource.1,
                properties: values[2].as_ref(),
            },
            context: values[0].as_ref(),
        })
    }

    /// What was met, so that a law cannot hold for want of cases.
    #[derive(Debug, Default)]
    struct Census {
        worlds: usize,
        /// Worlds whose policies do not validate: the generator's slips, by the fault's code, with one example.
        refused: usize,
        refusals: BTreeMap<&'static str, (usize, String)>,
        asked: usize,
        inapplicable: usize,
        allowed: usize,
        forbidden: usize,
        forbid_erred: usize,
        with_errors: usize,
        /// Decided, or failed to, by a policy that looks into what an entity refers to.
        deep: usize,
        /// Decided, or failed to, by a policy that looks into an entity that it names.
        named: usize,
        mutants: usize,
    }

    impl Census {
        fn refuse(&mut self, faults: &Faults) {
            self.refused += 1;
            let first = faults.first();
            let slot = self.refusals.entry(first.code).or_insert_with(|| (0, first.to_string()));
            slot.0 += 1;
        }

        fn count(&mut self, verdict: &Verdict, traits: &BTreeMap<String, Traits>) {
            self.asked += 1;
            match verdict.cause {
                Cause::Permitted => self.allowed += 1,
                Cause::Forbidden => self.forbidden += 1,
                Cause::ForbidErred => self.forbid_erred += 1,
                Cause::UnknownName | Cause::NotApplicable => self.inapplicable += 1,
                Cause::NothingPermits => {}
            }
            self.with_errors += usize::from(!verdict.errors.is_empty());
            let counted = verdict.determining.iter().chain(verdict.errors.iter().map(|(id, _)| id));
            let met: Vec<&Traits> = counted.map(|id| &traits[id]).collect();
            self.deep += usize::from(met.iter().any(|traits| traits.deep));
            self.named += usize::from(met.iter().any(|traits| traits.names));
        }

        fn check(&self) {
            assert!(self.refused * 2 <= self.worlds, "half of the worlds are refused: {self:#?}");
            assert!(self.allowed * 4 >= self.asked, "less than a quarter is allowed: {self:#?}");
            for (what, met) in [
                ("inapplicable", self.inapplicable),
                ("forbidden", self.forbidden),
                ("forbid erred", self.forbid_erred),
                ("with errors", self.with_errors),
                ("level 2 or more", self.deep),
                ("into a named entity", self.named),
            ] {
                assert!(met * 1_000 >= self.asked, "too few decisions of the kind `{what}`: {self:#?}");
            }
            assert!(self.mutants * 4 >= self.worlds, "too few mutants: {self:#?}");
        }
    }

    #[test]
    fn every_answer_is_that_of_stock_cedar_over_all_policies_and_entities() {
        let mut census = Census::default();
        for seed in seeds(WORLDS) {
            census.worlds += 1;
            let trial = match Trial::new(World::new(seed)) {
                Ok(trial) => trial,
                Err(faults) => {
                    census.refuse(&faults);
                    continue;
                }
            };
            let traits = trial.world.traits();
            let mut is_mutated = false;
            for ask in trial.world.asks(ASKS) {
                let Ok(verdict) = trial.check(&ask) else {
                    panic!("{}", trial.report(&ask));
                };
                census.count(&verdict, &traits);
                if let (Some(policy), false) = (verdict.determining.first(), is_mutated) {
                    is_mutated = true;
                    census.mutants += 1;
                    assert!(
                        trial.notices_without(policy, &ask),
                        "seed {seed}: nobody misses `{policy}` for {ask:?}"
                    );
                }
            }
        }
        if !is_replay() {
            census.check();
        }
    }

    #[test]
    fn nothing_but_an_erring_forbid_sets_us_apart_from_stock_cedar() {
        let (mut alike, mut apart) = (0, 0);
        for seed in seeds(60) {
            let mut world = World::new(seed);
            world.options.erring_forbid = ErringForbid::Skipped;
            let Ok(skipping) = Trial::new(world.clone()) else {
                continue;
            };
            world.options.erring_forbid = ErringForbid::Forbids;
            let closing = Trial::new(world).expect("an option about answers refuses no sources");
            for ask in skipping.world.asks(ASKS) {
                let Some(stock) = skipping.stock(skipping.snapshot.policy_set(), &ask) else {
                    continue;
                };
                let skipped = skipping.ours(&ask).expect("generated questions have no problem");
                assert_eq!(skipped, stock.verdict, "seed {seed}: {ask:?}");
                let closed = closing.ours(&ask).expect("generated questions have no problem");
                assert_eq!(closed.errors, skipped.errors, "seed {seed}: {ask:?}");
                if stock.forbid_erred {
                    assert_ne!(closed.cause, Cause::Permitted, "seed {seed}: {ask:?}");
                    apart += 1;
                } else {
                    assert_eq!(closed, skipped, "seed {seed}: {ask:?}");
                    alike += 1;
                }
            }
        }
        assert!(is_replay() || alike > 0 && apart > 0, "alike {alike}, apart {apart}");
    }

    #[test]
    fn the_order_of_files_changes_neither_revision_nor_answers() {
        let mut compared = 0;
        for seed in seeds(50) {
            let Ok(trial) = Trial::new(World::new(seed)) else {
                continue;
            };
            let mut dice = Dice::new(!seed);
            let mut sources = trial.world.sources();
            dice.shuffle(&mut sources.schema);
            dice.shuffle(&mut sources.policies);
            dice.shuffle(&mut sources.entities);
            dice.shuffle(&mut sources.records);
            let shuffled =
                Snapshot::compile(&sources, &trial.world.options).expect("what compiles does so in any order");
            assert_eq!(shuffled.revision(), trial.snapshot.revision(), "seed {seed}");
            for ask in trial.world.asks(ASKS) {
                assert_eq!(
                    decide(&shuffled, &trial.world, &ask),
                    decide(&trial.snapshot, &trial.world, &ask),
                    "seed {seed}: {ask:?}"
                );
                compared += 1;
            }
        }
        assert!(is_replay() || compared > 0, "all worlds were refused");
    }

    /// Deciding with properties is deciding over a store that has what they come to.
    fn check_properties(mode: RequestProperties) {
        let mut compared = 0;
        for seed in seeds(30) {
            let world = World::new(seed).with_request_properties(mode);
            let Ok(snapshot) = Snapshot::compile(&world.sources(), &world.options) else {
                continue;
            };
            let mut dice = Dice::new(!seed);
            for ask in world.asks(3) {
                let is_principal = dice.chance(50);
                let entity = if is_principal { ask.principal } else { ask.resource };
                let Some((mut given, amended)) = world.amended(&mut dice, entity, mode) else {
                    continue;
                };
                let expected = match mode {
                    RequestProperties::Ignore => decide(&snapshot, &world, &ask),
                    RequestProperties::Fill | RequestProperties::Override => {
                        let amended = Snapshot::compile(&amended.sources(), &world.options)
                            .expect("properties that fit the schema fit the store");
                        decide(&amended, &world, &ask)
                    }
                };
                // What the schema does not declare is dropped.
                given.insert("undeclared".to_owned(), Value::from(1));
                let mut with_properties = ask.clone();
                let side = if is_principal {
                    &mut with_properties.principal_properties
                } else {
                    &mut with_properties.resource_properties
                };
                *side = Some(Value::Object(given));
                assert_eq!(
                    decide(&snapshot, &world, &with_properties),
                    expected,
                    "seed {seed}: {with_properties:?}\n{}",
                    world.show()
                );
                compared += 1;
            }
        }
        assert!(is_replay() || compared > 0, "nothing was compared");
    }

    #[test]
    fn properties_that_override_are_as_if_the_store_had_them() {
        check_properties(RequestProperties::Override);
    }

    #[test]
    fn properties_that_fill_are_as_if_the_store_had_those_that_it_lacks() {
        check_properties(RequestProperties::Fill);
    }

    #[test]
    fn properties_that_are_ignored_change_nothing() {
        check_properties(RequestProperties::Ignore);
    }
}

/// What single sources and questions must give.
mod cases {
    use cedar_policy::{Authorizer, Context, Entities, EntityUid, Request};
    use gatepost::engine::json::Json;
    use gatepost::engine::{
        Cause, Fault, Faults, Options, Problem, Query, RequestProperties, Severity, ShortNames, Snapshot, Sources,
        Text, UnknownParents,
    };
    use serde_json::{Value, json};

    const ANYTHING: &str = "permit(principal, action, resource);";

    /// Sources of one schema, and of a file for each text of policies and each array of entities.
    fn sources(schema: &str, policies: &[&str], entities: &[Value]) -> Sources {
        Sources {
            schema: vec![Text::new("schema/case.cedarschema", schema)],
            policies: policies
                .iter()
                .enumerate()
                .map(|(number, text)| {
                    let kind = if text.starts_with('[') { "json" } else { "cedar" };
                    Text::new(format!("policies/{number}.{kind}"), *text)
                })
                .collect(),
            entities: entities
                .iter()
                .enumerate()
                .map(|(number, json)| Text::new(format!("entities/{number}.json"), json.to_string()))
                .collect(),
            ..Sources::default()
        }
    }

    fn compile(sources: &Sources) -> Result<Snapshot, Faults> {
        Snapshot::compile(sources, &Options::default())
    }

    /// The fault of a code, which must be there.
    fn fault<'f>(faults: impl IntoIterator<Item = &'f Fault>, code: &str) -> &'f Fault {
        let mut faults: Vec<&Fault> = faults.into_iter().collect();
        match faults.iter().position(|fault| fault.code == code) {
            Some(index) => faults.swap_remove(index),
            None => panic!("no `{code}` among {faults:#?}"),
        }
    }

    fn cause(snapshot: &Snapshot, principal: (&str, &str), action: &str, resource: (&str, &str)) -> Cause {
        snapshot
            .decide(&Query::plain(principal, action, resource))
            .expect("a question without values has no problem")
            .cause
    }

    /// An entity of Cedar's JSON format.
    fn entity(uid: (&str, &str), attrs: Value, parents: &[(&str, &str)]) -> Value {
        let uid_json = |(entity_type, id): &(&str, &str)| json!({ "type": entity_type, "id": id });
        json!({
            "uid": uid_json(&uid),
            "attrs": attrs,
            "parents": parents.iter().map(uid_json).collect::<Vec<_>>(),
        })
    }

    const GROUPS: &str = "entity Group in [Group];
        action view appliesTo { principal: [Group], resource: [Group] };";

    /// Groups by number, each in the one that `parent` gives it.
    fn groups(count: usize, parent: impl Fn(usize) -> Option<usize>) -> Vec<Value> {
        (0..count)
            .map(|number| {
                let parent = parent(number).map(|parent| parent.to_string());
                let parents: Vec<(&str, &str)> = parent.iter().map(|id| ("Group", id.as_str())).collect();
                entity(("Group", &number.to_string()), json!({}), &parents)
            })
            .collect()
    }

    #[test]
    fn a_chain_of_parents_counts_to_its_end_and_is_refused_beyond_the_limit() {
        for (ancestors, is_taken) in [(900, true), (1_000, true), (1_001, false), (5_000, false)] {
            let mut chain = groups(ancestors + 1, |number| number.checked_sub(1));
            for order in ["parents first", "children first"] {
                let policy = r#"permit(principal in Group::"0", action, resource);"#;
                match compile(&sources(GROUPS, &[policy], &[Value::Array(chain.clone())])) {
                    Ok(snapshot) => {
                        assert!(is_taken, "{ancestors} ancestors, {order}");
                        let last = ancestors.to_string();
                        let answer = cause(&snapshot, ("Group", &last), "view", ("Group", "0"));
                        assert_eq!(answer, Cause::Permitted, "{ancestors} ancestors, {order}");
                    }
                    Err(faults) => {
                        assert!(!is_taken, "{ancestors} ancestors, {order}: {faults}");
                        let fault = fault(faults.iter(), "entity-depth");
                        assert!(fault.message.contains("the limit is 1000"), "{fault}");
                        assert!(fault.place.is_some(), "{fault}");
                    }
                }
                chain.reverse();
            }
        }
    }

    #[test]
    fn a_cycle_of_parents_is_refused_by_name() {
        for count in [1, 2, 3, 1_000] {
            let ring = groups(count, |number| Some((number + 1) % count));
            let faults = compile(&sources(GROUPS, &[ANYTHING], &[Value::Array(ring)])).expect_err("a cycle");
            let fault = fault(faults.iter(), "entity-cycle");
            let words = format!("a cycle of {count} parents");
            assert!(fault.message.contains(&words), "{fault}");
            for member in 0..count.min(3) {
                let name = format!("`Group::\"{member}\"`");
                assert!(fault.message.contains(&name), "{name} in {fault}");
            }
            assert!(fault.message.len() < 1_000, "a long cycle is not spelt out: {fault}");
        }
    }

    #[test]
    fn a_cycle_is_found_behind_a_chain_that_leads_into_it() {
        let members = groups(6, |number| Some(if number == 5 { 3 } else { number + 1 }));
        let faults = compile(&sources(GROUPS, &[ANYTHING], &[Value::Array(members)])).expect_err("a cycle");
        let fault = fault(faults.iter(), "entity-cycle");
        assert!(fault.message.contains("a cycle of 3 parents"), "{fault}");
        assert!(!fault.message.contains("Group::\"1\""), "only its members: {fault}");
    }

    #[test]
    fn an_entity_twice_is_a_warning_if_equal_and_a_fault_at_both_places_if_not() {
        let schema = "entity Group in [Group] = { size: Long };
            action view appliesTo { principal: [Group], resource: [Group] };";
        let first = json!([entity(("Group", "g"), json!({ "size": 1 }), &[])]);
        let parent = entity(("Group", "p"), json!({ "size": 1 }), &[]);
        let other_size = json!([entity(("Group", "g"), json!({ "size": 2 }), &[])]);
        let other_parents = json!([parent, entity(("Group", "g"), json!({ "size": 1 }), &[("Group", "p")])]);

        let check = |fault: &Fault| {
            let place = fault.place.as_ref().expect("the second place");
            assert_eq!(&*place.file, "entities/1.json", "{fault}");
            let (related, _) = fault.related.first().expect("the first place");
            assert_eq!(&*related.file, "entities/0.json", "{fault}");
            assert!(fault.message.contains(r#"Group::"g""#), "{fault}");
        };
        let same = [first.clone(), first.clone()];
        let snapshot = compile(&sources(schema, &[ANYTHING], &same)).expect("nothing contradicts");
        assert_eq!(snapshot.counts().entities, 1);
        let warning = fault(snapshot.warnings(), "entity-duplicate");
        assert_eq!(warning.severity, Severity::Warning);
        check(warning);
        for second in [other_size, other_parents] {
            let faults =
                compile(&sources(schema, &[ANYTHING], &[first.clone(), second])).expect_err("which one is it?");
            let fault = fault(faults.iter(), "entity-duplicate");
            assert_eq!(fault.severity, Severity::Error);
            check(fault);
        }
    }

    #[test]
    fn an_unknown_parent_is_refused_or_dropped_and_then_grants_nothing() {
        let entities = [json!([entity(("Group", "g"), json!({}), &[("Group", "ghost")])])];
        let grants = [
            r#"permit(principal in Group::"ghost", action, resource);"#,
            r#"permit(principal, action, resource) when { principal in Group::"ghost" };"#,
        ];
        for grant in grants {
            let sources = sources(GROUPS, &[grant], &entities);
            let faults = compile(&sources).expect_err("the parent is nowhere");
            let refused = fault(faults.iter(), "entity-unknown-parent");
            for name in [r#"Group::"g""#, r#"Group::"ghost""#] {
                assert!(refused.message.contains(name), "{refused}");
            }
            let options = Options {
                unknown_parents: UnknownParents::Drop,
                ..Options::default()
            };
            let snapshot = Snapshot::compile(&sources, &options).expect("the edge is dropped");
            let warning = fault(snapshot.warnings(), "entity-unknown-parent");
            assert_eq!(warning.severity, Severity::Warning);
            let answer = cause(&snapshot, ("Group", "g"), "view", ("Group", "g"));
            assert_eq!(answer, Cause::NothingPermits, "{grant}");
            // Being the group itself is another thing than being in it.
            let answer = cause(&snapshot, ("Group", "ghost"), "view", ("Group", "g"));
            assert_eq!(answer, Cause::Permitted, "{grant}");
        }
    }

    #[test]
    fn an_enumerated_group_holds_the_members_of_its_members() {
        let schema = r#"entity Tier enum ["gold", "iron"];
            entity Group in [Group, Tier];
            entity User in [Group];
            action view appliesTo { principal: [User], resource: [Group] };"#;
        let entities = [json!([
            entity(("User", "u"), json!({}), &[("Group", "inner")]),
            entity(("Group", "inner"), json!({}), &[("Group", "outer")]),
            entity(("Group", "outer"), json!({}), &[("Tier", "gold")]),
        ])];
        for (tier, expected) in [("gold", Cause::Permitted), ("iron", Cause::NothingPermits)] {
            for policy in [
                format!("permit(principal in Tier::{tier:?}, action, resource);"),
                format!("permit(principal, action, resource) when {{ principal in Tier::{tier:?} }};"),
            ] {
                let snapshot = compile(&sources(schema, &[&policy], &entities)).expect("good sources");
                let answer = cause(&snapshot, ("User", "u"), "view", ("Group", "inner"));
                assert_eq!(answer, expected, "{policy}");
            }
        }
    }

    #[test]
    fn an_erring_forbid_forbids_two_hundred_times_out_of_two_hundred() {
        let schema = "entity User = { boss: User, level: Long };
            entity Doc = { owner: User, made: datetime };
            action read appliesTo { principal: [User], resource: [Doc] };";
        let nobody = json!({ "type": "User", "id": "nobody" });
        let mut members = vec![entity(
            ("Doc", "d"),
            json!({ "owner": nobody, "made": "2026-01-31" }),
            &[],
        )];
        let mut policies = vec![ANYTHING.to_owned()];
        for number in 0..200 {
            let id = format!("u{number}");
            let condition = match number % 4 {
                0 => "principal.boss.level > 1",
                1 => "principal.level + 1 > 0",
                2 => "resource.owner.level == 3 || principal.level == 0",
                _ => r#"resource.made.offset(duration("9223372036854775807ms")) > resource.made"#,
            };
            let attrs = json!({ "boss": nobody, "level": i64::MAX });
            members.push(entity(("User", &id), attrs, &[]));
            policies.push(format!(
                "@id({id:?}) forbid(principal == User::{id:?}, action, resource) when {{ {condition} }};"
            ));
        }
        let sources = sources(schema, &[&policies.join("\n")], &[Value::Array(members.clone())]);
        let closing = compile(&sources).expect("erring is no fault of types");
        let skipping = Options {
            erring_forbid: gatepost::engine::ErringForbid::Skipped,
            ..Options::default()
        };
        let skipping = Snapshot::compile(&sources, &skipping).expect("the same sources");
        let entities = Entities::from_json_value(Value::Array(members), Some(closing.schema())).expect("good entities");

        let uid = |entity_type: &str, id: &str| -> EntityUid {
            format!("{entity_type}::{id:?}").parse().expect("a good entity")
        };
        let (mut ours, mut skipped, mut stock) = (0, 0, 0);
        for number in 0..200 {
            let id = format!("u{number}");
            let query = Query::plain(("User", &id), "read", ("Doc", "d"));
            let decision = closing.decide(&query).expect("no values, no problem");
            assert_eq!(decision.cause, Cause::ForbidErred, "{id}");
            let determining: Vec<&str> =
                decision.determining.iter().map(|number| &*closing.policy(*number).id).collect();
            assert_eq!(determining, [id.as_str()]);
            assert_eq!(decision.errors.len(), 1, "{id}");
            ours += usize::from(decision.is_allowed());
            let decision = skipping.decide(&query).expect("no values, no problem");
            skipped += usize::from(decision.is_allowed());
            let request = Request::new(
                uid("User", &id),
                uid("Action", "read"),
                uid("Doc", "d"),
                Context::empty(),
                Some(closing.schema()),
            )
            .expect("a good request");
            let response = Authorizer::new().is_authorized(&request, closing.policy_set(), &entities);
            stock += usize::from(response.decision() == cedar_policy::Decision::Allow);
        }
        assert_eq!((ours, skipped, stock), (0, 200, 200));
    }

    #[test]
    fn a_permit_that_errs_grants_nothing_and_is_told() {
        let schema = "entity User = { level: Long }; action read appliesTo { principal: [User], resource: [User] };";
        let policy = "@id(\"overflows\") permit(principal, action, resource) when { principal.level + 1 > 0 };";
        let entities = [json!([entity(("User", "u"), json!({ "level": i64::MAX }), &[])])];
        let snapshot = compile(&sources(schema, &[policy], &entities)).expect("good sources");
        let decision = snapshot
            .decide(&Query::plain(("User", "u"), "read", ("User", "u")))
            .expect("no values, no problem");
        assert_eq!(decision.cause, Cause::NothingPermits);
        assert!(decision.determining.is_empty());
        assert_eq!(decision.errors.len(), 1);
        assert!(decision.errors[0].message.contains("overflow"), "{:?}", decision.errors);
    }

    const TEMPLATE: &str = r#"@id("grant") permit(principal == ?principal, action, resource);"#;

    /// A file with one template link.
    fn link(template: &str, id: &str) -> String {
        json!([{ "template_id": template, "link_id": id, "args": { "?principal": "Group::\"g\"" } }]).to_string()
    }

    #[test]
    fn a_policy_id_is_taken_once_by_policy_template_or_link() {
        let policy = r#"@id("grant") permit(principal, action, resource);"#;
        let twice = format!("{policy}\n{policy}");
        let (linked, own) = (link("grant", "first"), link("grant", "grant"));
        let cases: [&[&str]; 5] = [
            &[policy, policy],
            &[&twice],
            &[policy, TEMPLATE],
            &[TEMPLATE, &own],
            &[TEMPLATE, &linked, &linked],
        ];
        for policies in cases {
            let faults = compile(&sources(GROUPS, policies, &[])).expect_err("the id is taken");
            let fault = fault(faults.iter(), "policy-duplicate-id");
            let place = fault.place.as_ref().expect("the second place");
            let (first, _) = fault.related.first().expect("the first place");
            assert_ne!(place, first, "{fault}");
        }
        let snapshot = compile(&sources(GROUPS, &[TEMPLATE, &linked], &[])).expect("each has its own id");
        let ids: Vec<&str> = snapshot.policies().map(|policy| &*policy.id).collect();
        assert_eq!(ids, ["first"]);
        assert_eq!(cause(&snapshot, ("Group", "g"), "view", ("Group", "x")), Cause::Permitted);
        assert_eq!(cause(&snapshot, ("Group", "x"), "view", ("Group", "g")), Cause::NothingPermits);
    }

    #[test]
    fn a_link_to_no_template_is_a_fault_that_names_the_nearest() {
        let faults = compile(&sources(GROUPS, &[TEMPLATE, &link("grand", "first")], &[])).expect_err("no template");
        let fault = fault(faults.iter(), "policy-link");
        assert!(fault.message.contains("`grand`"), "{fault}");
        assert_eq!(fault.help.as_deref(), Some("did you mean `grant`?"));
    }

    #[test]
    fn a_short_name_of_two_types_is_a_fault_that_names_both_and_an_alias_resolves_it() {
        let schema = |annotation: &str| {
            format!(
                "namespace Hr {{
                    entity User;
                    action view appliesTo {{ principal: [User], resource: [User] }};
                }}
                namespace It {{
                    {annotation} entity User;
                }}"
            )
        };
        let faults = compile(&sources(&schema(""), &[ANYTHING], &[])).expect_err("which user?");
        let ambiguous = fault(faults.iter(), "schema-ambiguous-name");
        for name in ["`Hr::User`", "`It::User`"] {
            assert!(ambiguous.message.contains(name), "{ambiguous}");
        }

        let aliased =
            compile(&sources(&schema(r#"@alias("operator")"#), &[ANYTHING], &[])).expect("an alias resolves it");
        for (principal, expected) in [
            ("user", Cause::Permitted),
            ("USER", Cause::Permitted),
            ("Hr::User", Cause::Permitted),
            ("hr::user", Cause::UnknownName),
            ("Operator", Cause::NotApplicable),
            ("It::User", Cause::NotApplicable),
            ("robot", Cause::UnknownName),
        ] {
            let answer = cause(&aliased, (principal, "1"), "view", ("user", "2"));
            assert_eq!(answer, expected, "{principal}");
        }

        let exact = Options {
            short_names: ShortNames::Off,
            ..Options::default()
        };
        let exact =
            Snapshot::compile(&sources(&schema(""), &[ANYTHING], &[]), &exact).expect("nobody uses short names");
        let action = r#"Hr::Action::"view""#;
        assert_eq!(cause(&exact, ("user", "1"), action, ("Hr::User", "2")), Cause::UnknownName);
        assert_eq!(cause(&exact, ("Hr::User", "1"), "view", ("Hr::User", "2")), Cause::UnknownName);
        assert_eq!(cause(&exact, ("Hr::User", "1"), action, ("Hr::User", "2")), Cause::Permitted);
    }

    #[test]
    fn an_enumerated_type_has_the_ids_of_the_schema_and_no_others() {
        let schema = r#"entity Tier enum ["gold", "iron"];
            entity User = { tier: Tier };
            action enter appliesTo { principal: [User], resource: [Tier], context: { from?: Tier } };"#;
        let own = "permit(principal, action, resource) when { principal.tier == resource };";
        let gold = json!({ "type": "Tier", "id": "gold" });
        let entities = [json!([entity(("User", "u"), json!({ "tier": gold }), &[])])];
        let snapshot = compile(&sources(schema, &[own], &entities)).expect("good sources");
        for (tier, expected) in [
            ("gold", Cause::Permitted),
            ("iron", Cause::NothingPermits),
            ("tin", Cause::UnknownName),
            ("Gold", Cause::UnknownName),
            ("", Cause::UnknownName),
        ] {
            assert_eq!(cause(&snapshot, ("User", "u"), "enter", ("Tier", tier)), expected, "{tier}");
        }
        let context = json!({ "from": { "type": "Tier", "id": "tin" } });
        let problem =
            with_context(&snapshot, ("User", "u"), "enter", ("Tier", "gold"), &context).expect_err("no such id");
        assert_eq!(problem.path, ".from");

        let tin = json!({ "type": "Tier", "id": "tin" });
        let entities = [json!([entity(("User", "u"), json!({ "tier": tin }), &[])])];
        let faults = compile(&sources(schema, &[own], &entities)).expect_err("no such id");
        assert!(fault(faults.iter(), "entity").message.contains("tin"), "{faults}");
    }

    fn with_context(
        snapshot: &Snapshot,
        principal: (&str, &str),
        action: &str,
        resource: (&str, &str),
        context: &Value,
    ) -> Result<bool, Problem> {
        let text = context.to_string();
        let json = Json::read(text.as_bytes(), 32).expect("what was serialized is JSON");
        let query = Query {
            context: Some(&json),
            ..Query::plain(principal, action, resource)
        };
        Ok(snapshot.decide(&query)?.is_allowed())
    }

    #[test]
    fn a_context_is_read_by_the_schema_or_is_a_problem_at_its_path() {
        let schema = "entity User;
            action pay appliesTo { principal: [User], resource: [User], context: {
                amount: decimal, from: ipaddr, note: String, at?: datetime, wait?: duration, count?: Long,
                payee?: User, lots?: Set<Long>, address?: { zip: String, street?: String },
            } };";
        let policy = r#"permit(principal, action, resource) when {
                context.amount.greaterThan(decimal("12.4")) && context.from.isInRange(ip("10.0.0.0/8"))
            } unless {
                context has at && context.at < datetime("2020-01-01")
            };"#;
        let snapshot = compile(&sources(schema, &[policy], &[])).expect("good sources");
        let entity = json!({ "__entity": { "type": "User", "id": "u" } });
        let extension = json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } });
        let answers = [
            ("note", json!("y"), true),
            ("amount", json!(12.5), true),
            ("amount", json!(13), true),
            ("amount", json!(12), false),
            ("amount", json!("12.4001"), true),
            ("amount", json!({ "__extn": { "fn": "decimal", "arg": "99.0" } }), true),
            ("from", json!("10.255.0.1"), true),
            ("from", json!("11.0.0.1"), false),
            ("from", extension.clone(), true),
            ("at", json!("2026-01-31T12:00:00Z"), true),
            ("at", json!("2019-12-31"), false),
            ("wait", json!("1d2h"), true),
            ("count", Value::Null, true),
            ("payee", entity.clone(), true),
            ("payee", json!({ "type": "user", "id": "nobody" }), true),
            ("lots", json!([]), true),
            ("address", json!({ "zip": "1010", "town": "undeclared" }), true),
            ("undeclared", json!({ "any": [1, "2"] }), true),
        ];
        let good = json!({ "amount": 12.5, "from": "10.0.0.1", "note": "x" });
        let ask = |context: &Value| with_context(&snapshot, ("User", "a"), "pay", ("User", "b"), context);
        for (member, value, expected) in answers {
            let mut context = good.clone();
            context[member] = value;
            assert_eq!(ask(&context), Ok(expected), "{context}");
        }

        let problems = [
            ("note", Value::Null, ".note", "required"),
            ("note", json!(5), ".note", "a string"),
            // Escapes make no entity and no address of what the schema calls a string.
            ("note", entity.clone(), ".note", "a string"),
            ("note", extension, ".note", "a string"),
            ("amount", json!(12.345_67), ".amount", "decimal"),
            ("amount", json!("many"), ".amount", "decimal"),
            ("amount", json!(i64::MAX), ".amount", "decimal"),
            (
                "amount",
                json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } }),
                ".amount",
                "decimal",
            ),
            ("from", json!("nowhere"), ".from", "IP address"),
            ("from", json!(167_772_161), ".from", "IP address"),
            ("at", json!("yesterday"), ".at", "date"),
            ("at", json!(0), ".at", "date"),
            ("wait", json!("soon"), ".wait", "duration"),
            ("count", json!("5"), ".count", "an integer"),
            ("count", json!(1.5), ".count", "an integer"),
            ("count", json!(true), ".count", "an integer"),
            ("payee", json!("bo"), ".payee", "an entity"),
            ("payee", json!({ "type": "Robot", "id": "r" }), ".payee", "type `User`"),
            ("payee", json!({ "__entity": { "type": "User" } }), ".payee", "an entity"),
            ("lots", json!([1, "2"]), ".lots[1]", "an integer"),
            ("lots", json!(1), ".lots", "an array"),
            ("address", json!({}), ".address.zip", "required"),
            ("address", json!({ "zip": "1010", "street": 7 }), ".address.street", "a string"),
            ("address", json!([]), ".address", "an object"),
        ];
        for (member, value, path, words) in problems {
            let mut context = good.clone();
            context[member] = value;
            let problem = ask(&context).expect_err("a value of another type");
            assert_eq!(problem.path, path, "{context}");
            assert!(problem.message.contains(words), "{problem} for {context}");
            assert!(problem.to_string().starts_with(&format!("context{path}: ")), "{problem}");
        }
        for context in [json!([]), json!("x"), json!(1)] {
            let problem = ask(&context).expect_err("no object");
            assert_eq!(problem.path, "", "{context}");
        }
        for missing in ["amount", "from", "note"] {
            let mut context = good.clone();
            context.as_object_mut().expect("an object").remove(missing);
            let problem = ask(&context).expect_err("a required member is missing");
            assert_eq!(problem.path, format!(".{missing}"));
            assert_eq!(problem.message, "required");
        }
        let problem = snapshot
            .decide(&Query::plain(("User", "a"), "pay", ("User", "b")))
            .expect_err("no context at all");
        assert_eq!(problem.path, ".amount");
    }

    #[test]
    fn an_escape_in_the_store_makes_no_entity_of_a_string() {
        let schema = "entity User = { name: String };
            action view appliesTo { principal: [User], resource: [User] };";
        for name in [
            json!({ "__entity": { "type": "User", "id": "u" } }),
            json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } }),
            json!({ "type": "User", "id": "u" }),
            json!(5),
        ] {
            let entities = [json!([entity(("User", "u"), json!({ "name": name }), &[])])];
            let faults = compile(&sources(schema, &[ANYTHING], &entities)).expect_err("no string");
            let fault = fault(faults.iter(), "entity");
            let place = fault.place.as_ref().expect("a place");
            assert_eq!(&*place.file, "entities/0.json");
        }
    }

    #[test]
    fn an_action_that_a_condition_names_is_in_its_groups() {
        let schema = r#"entity User;
            action everything;
            action looking in [everything];
            action view in [looking] appliesTo { principal: [User], resource: [User] };
            action edit in [everything] appliesTo { principal: [User], resource: [User] };"#;
        let is_in = |action: &str, group: &str| format!("Action::{action:?} in Action::{group:?}");
        for (condition, expected) in [
            (is_in("view", "everything"), Cause::Permitted),
            (is_in("view", "looking"), Cause::Permitted),
            (is_in("edit", "looking"), Cause::NothingPermits),
            (is_in("looking", "everything"), Cause::Permitted),
        ] {
            for scope in ["action", r#"action == Action::"view""#] {
                let policy = format!("permit(principal, {scope}, resource) when {{ {condition} }};");
                let snapshot = compile(&sources(schema, &[&policy], &[])).expect("good sources");
                let answer = cause(&snapshot, ("User", "a"), "view", ("User", "b"));
                assert_eq!(answer, expected, "{policy}");
            }
        }
    }

    const BOSSES: &str = "entity User = { boss: User, level: Long };
        action view appliesTo { principal: [User], resource: [User] };";

    #[test]
    fn a_policy_that_looks_deeper_than_the_limit_is_refused() {
        for (condition, level) in [
            ("principal.level > 1", 1),
            ("principal.boss.level > 1", 2),
            ("principal.boss.boss.level > 1", 3),
            (r#"User::"root".level > 1"#, 1),
            (r#"User::"root".boss.level > 1"#, 2),
        ] {
            for level_max in 1..=4 {
                let policy = format!("permit(principal, action, resource) when {{ {condition} }};");
                let options = Options {
                    level_max,
                    ..Options::default()
                };
                match Snapshot::compile(&sources(BOSSES, &[&policy], &[]), &options) {
                    Ok(_) => assert!(level <= level_max, "`{condition}` is taken with a limit of {level_max}"),
                    Err(faults) => {
                        assert!(
                            level > level_max,
                            "`{condition}` is refused with a limit of {level_max}: {faults}"
                        );
                        fault(faults.iter(), "policy-level");
                    }
                }
            }
        }
    }

    #[test]
    fn a_template_without_links_may_look_into_an_entity_that_it_names() {
        let template = r#"@id("t") permit(principal == ?principal, action, resource)
            when { User::"root".level > 1 };"#;
        let other = r#"permit(principal == User::"z", action, resource);"#;
        let snapshot = compile(&sources(BOSSES, &[template, other], &[])).expect("one step is within the limit");
        assert_eq!(snapshot.counts().templates, 1);
        assert_eq!(cause(&snapshot, ("User", "a"), "view", ("User", "b")), Cause::NothingPermits);
    }

    #[test]
    fn a_warning_about_the_schema_refuses_nothing() {
        let schema = "namespace Shop {
                type duration = Long;
                entity User = { shift: duration };
                action view appliesTo { principal: [User], resource: [User] };
            }";
        let snapshot = compile(&sources(schema, &[ANYTHING], &[])).expect("shadowing is odd, not wrong");
        let warning = fault(snapshot.warnings(), "schema-warning");
        assert_eq!(warning.severity, Severity::Warning);
        assert_eq!(cause(&snapshot, ("User", "a"), "view", ("User", "b")), Cause::Permitted);
    }

    #[test]
    fn properties_of_an_entity_that_is_both_sides_count_whichever_side_brings_them() {
        let policy = "permit(principal, action, resource) when { principal.level > 1 && resource.level > 1 };";
        let boss = json!({ "type": "User", "id": "u" });
        let entities = [json!([entity(("User", "u"), json!({ "boss": boss, "level": 0 }), &[])])];
        let mut options = Options::default();
        options.request_properties.insert("User".to_owned(), RequestProperties::Override);
        let snapshot = Snapshot::compile(&sources(BOSSES, &[policy], &entities), &options).expect("good sources");
        let properties = Json::read(br#"{"level":2}"#, 4).expect("good JSON");
        for (of_principal, of_resource) in [
            (Some(&properties), None),
            (None, Some(&properties)),
            (Some(&properties), Some(&properties)),
        ] {
            let mut query = Query::plain(("User", "u"), "view", ("User", "u"));
            query.principal.properties = of_principal;
            query.resource.properties = of_resource;
            let decision = snapshot.decide(&query).expect("good values");
            assert!(decision.is_allowed(), "principal {of_principal:?}, resource {of_resource:?}");
        }
    }
}
