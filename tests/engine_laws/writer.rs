//! Conditions: well typed where they are reached, and with all the ways to err that are left then.

use std::collections::BTreeSet;

use super::maker::{DATETIMES, DECIMALS, DURATIONS, IPS, LONGS, Maker, PATTERNS, TAG_KEYS, TEXTS};
use super::model::{ATTRIBUTES, Act, Member, Model, Ty, qualified};

/// A piece of Cedar text, with the tests that must hold before it may be evaluated.
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) guards: Vec<String>,
}

impl Piece {
    pub(super) fn plain(text: String) -> Self {
        let guards = Vec::new();
        Self { text, guards }
    }

    /// An expression of two pieces.
    pub(super) fn of_two(left: Self, right: Self, join: impl FnOnce(&str, &str) -> String) -> Self {
        let text = join(&left.text, &right.text);
        let mut guards = left.guards;
        guards.extend(right.guards);
        Self { text, guards }
    }

    /// A condition: the guards first.
    pub(super) fn closed(self) -> String {
        if self.guards.is_empty() {
            format!("({})", self.text)
        } else {
            format!("({} && ({}))", self.guards.join(" && "), self.text)
        }
    }
}

/// A value that can be reached from the request or from a named entity.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) guards: Vec<String>,
    pub(super) ty: Ty,
    /// How many entities were looked into on the way.
    pub(super) steps: usize,
    /// Whether the way began at an entity that the policy names.
    pub(super) named: bool,
    /// What `has a.b.c` can stand for: an expression, the names after it, and the guards that it needs itself.
    pub(super) trail: Trail,
}

#[derive(Clone)]
pub(super) struct Trail {
    pub(super) root: String,
    pub(super) names: Vec<&'static str>,
    pub(super) guards: usize,
}

impl Found {
    pub(super) fn at(text: &str, ty: Ty) -> Self {
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

    pub(super) fn restart_trail(&mut self) {
        self.trail = Trail {
            root: self.text.clone(),
            names: Vec::new(),
            guards: self.guards.len(),
        };
    }

    pub(super) fn into_piece(self) -> Piece {
        Piece {
            text: self.text,
            guards: self.guards,
        }
    }
}

pub(super) fn is_plain_name(name: &str) -> bool {
    name.chars().all(|char| char.is_ascii_alphabetic())
}

pub(super) fn access(text: &str, name: &str) -> String {
    if is_plain_name(name) {
        format!("{text}.{name}")
    } else {
        format!("{text}[{name:?}]")
    }
}

pub(super) fn has(text: &str, name: &str) -> String {
    if is_plain_name(name) {
        format!("{text} has {name}")
    } else {
        format!("{text} has {name:?}")
    }
}

pub(super) fn is_entity(ty: &Ty) -> bool {
    matches!(ty, Ty::Entity(_))
}

pub(super) fn is_set(ty: &Ty) -> bool {
    matches!(ty, Ty::Set(_))
}

/// Writes conditions that are well typed in every environment that a scope leaves.
pub(super) struct Writer<'w, 'm> {
    pub(super) maker: &'w mut Maker<'m>,
    /// The types that the principal can have here.
    pub(super) principal: Vec<usize>,
    /// The types that the resource can have here.
    pub(super) resource: Vec<usize>,
    /// The actions that it can be here.
    pub(super) actions: Vec<usize>,
    /// The members that the context has for all of these actions.
    pub(super) context: Vec<Member>,
    /// The most entities that one expression looks into in a row.
    pub(super) deepest: usize,
    /// Whether it looks into an entity that it names.
    pub(super) names: bool,
    /// Whether a tag's key is being written: its own keys are plain, so that they come to an end.
    pub(super) in_key: bool,
}

impl<'w, 'm> Writer<'w, 'm> {
    pub(super) fn new(maker: &'w mut Maker<'m>, principals: &[usize], resources: &[usize], matching: &[usize]) -> Self {
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
    pub(super) fn condition(&mut self, fuel: usize) -> String {
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
    pub(super) fn narrowed(&mut self, fuel: usize) -> Option<String> {
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

    pub(super) fn leaf(&mut self) -> Option<String> {
        match self.maker.dice.below(21) {
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
            18 => self.far_sum(),
            _ => self.about_side(),
        }
    }

    pub(super) fn equality(&mut self) -> Option<String> {
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

    pub(super) fn comparison(&mut self) -> Option<String> {
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

    /// A comparison whose left side overflows with about every other number.
    pub(super) fn far_sum(&mut self) -> Option<String> {
        let near = self.value(&Ty::Long, 1)?;
        let other = self.value(&Ty::Long, 0)?;
        let far = *self.maker.dice.pick(&[
            "9223372036854775806 +",
            "-9223372036854775807 -",
            "4611686018427387904 *",
        ]);
        Some(Piece::of_two(near, other, |a, b| format!("{far} {a} < {b}")).closed())
    }

    pub(super) fn about_set(&mut self) -> Option<String> {
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

    pub(super) fn likeness(&mut self) -> Option<String> {
        let text = self.value(&Ty::Text, 1)?;
        let pattern = *self.maker.dice.pick(&PATTERNS);
        let piece = Piece {
            text: format!("{} like \"{pattern}\"", text.text),
            guards: text.guards,
        };
        Some(piece.closed())
    }

    pub(super) fn type_test(&mut self) -> Option<String> {
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

    pub(super) fn membership(&mut self) -> Option<String> {
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
    pub(super) fn presence(&mut self) -> Option<String> {
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
            names.push(*self.maker.dice.pick(&["nowhere", "flag", "owner", "count", "rec"]));
        }
        self.note(&found, entities);
        let text = match names.as_slice() {
            [name] => has(&found.text, name),
            names => format!("{} has {}", found.text, names.join(".")),
        };
        let guards = found.guards;
        Some(Piece { text, guards }.closed())
    }

    pub(super) fn tag_presence(&mut self) -> Option<String> {
        let model = self.maker.model;
        let found = self.walk(&|ty| matches!(ty, Ty::Entity(number) if model.types[*number].tags.is_some()))?;
        self.note(&found, 1);
        let key = self.tag_key();
        Some(Piece::of_two(found.into_piece(), key, |a, b| format!("{a}.hasTag({b})")).closed())
    }

    pub(super) fn about_decimal(&mut self) -> Option<String> {
        let left = self.value(&Ty::Decimal, 1)?;
        let right = self.value(&Ty::Decimal, 1)?;
        let methods = ["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"];
        let method = *self.maker.dice.pick(&methods);
        Some(Piece::of_two(left, right, |a, b| format!("({a}).{method}({b})")).closed())
    }

    pub(super) fn about_ip(&mut self) -> Option<String> {
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

    pub(super) fn about_action(&mut self) -> String {
        let model = self.maker.model;
        let number = self.maker.dice.below(model.actions.len());
        let action = model.actions[number].exact();
        match self.maker.dice.below(7) {
            0 => format!("(action == {action})"),
            6 => format!("(action is {})", qualified(model.actions[number].namespace, "Action")),
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
    pub(super) fn about_side(&mut self) -> Option<String> {
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
        Some(match self.maker.dice.below(9) {
            // Of the types that the variable can have, some have such an attribute and others not.
            7 | 8 => {
                let name: &str = *self.maker.dice.pick(&ATTRIBUTES);
                format!("({})", has(variable, name))
            }
            4 => (*self.maker.dice.pick(&["(principal == resource)", "(resource == principal)"])).to_owned(),
            5 => (*self.maker.dice.pick(&["(principal in resource)", "(resource in principal)"])).to_owned(),
            6 => {
                let above = *self.maker.dice.pick(&model.above(ty));
                let count = 1 + self.maker.dice.below(4);
                let groups: Vec<String> = (0..count).map(|_| self.maker.literal(above)).collect();
                format!("({variable} in [{}])", groups.join(", "))
            }
            0 => format!("({variable} == {})", self.maker.literal(ty)),
            1 => format!("({variable} is {})", model.types[ty].full()),
            _ => {
                let above = *self.maker.dice.pick(&model.above(ty));
                format!("({variable} in {})", self.maker.literal(above))
            }
        })
    }

    /// A value of a type: mostly from the request, else computed or written out. None for some records.
    pub(super) fn value(&mut self, ty: &Ty, fuel: usize) -> Option<Piece> {
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
    pub(super) fn settled(&mut self, piece: Piece, ty: &Ty) -> Piece {
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
    pub(super) fn computed(&mut self, ty: &Ty, fuel: usize) -> Option<Piece> {
        let choice = self.maker.dice.below(10);
        match (ty, choice) {
            (Ty::Long, 0..4) => {
                let left = self.value(&Ty::Long, fuel)?;
                let right = self.value(&Ty::Long, fuel)?;
                let operator = *self.maker.dice.pick(&["+", "-", "*"]);
                Some(Piece::of_two(left, right, |a, b| format!("({a} {operator} {b})")))
            }
            (Ty::Bool, 0..5) => Some(Piece::plain(self.condition(fuel))),
            (Ty::Long, 4) => {
                let long = self.value(&Ty::Long, fuel)?;
                Some(Piece {
                    text: format!("(-({}))", long.text),
                    guards: long.guards,
                })
            }
            (Ty::Long, 5) => {
                let duration = self.value(&Ty::Duration, fuel)?;
                let methods = ["toMilliseconds", "toSeconds", "toMinutes", "toHours", "toDays"];
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

    /// A record as a policy writes it out; none if a member is optional, which makes its type another one.
    fn written_record(&mut self, members: &[Member]) -> Option<Piece> {
        let mut items = Vec::new();
        let mut guards = Vec::new();
        for member in members {
            if !member.required {
                return None;
            }
            let value = self.value(&member.ty, 0)?;
            items.push(format!("{:?}: {}", member.name, value.text));
            guards.extend(value.guards);
        }
        let text = format!("{{ {} }}", items.join(", "));
        Some(Piece { text, guards })
    }

    /// A value as a policy writes it out; none for some records.
    pub(super) fn written(&mut self, ty: &Ty) -> Option<Piece> {
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
            Ty::Record(members) => return self.written_record(members),
            Ty::Datetime if dice.chance(8) => {
                // As far away as can be.
                let far = *dice.pick(&["-9223372036854775808ms", "9223372036854775807ms"]);
                format!("datetime(\"1970-01-01\").offset(duration({far:?}))")
            }
            Ty::Decimal => format!("decimal({:?})", dice.pick(&DECIMALS)),
            Ty::Ip => format!("ip({:?})", dice.pick(&IPS)),
            Ty::Datetime => format!("datetime({:?})", dice.pick(&DATETIMES)),
            Ty::Duration => format!("duration({:?})", dice.pick(&DURATIONS)),
        };
        Some(Piece::plain(text))
    }

    /// The key of a tag: mostly a literal.
    pub(super) fn tag_key(&mut self) -> Piece {
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
    pub(super) fn note(&mut self, found: &Found, more: usize) {
        let steps = found.steps + more;
        self.deepest = self.deepest.max(steps);
        self.names |= found.named && steps > 0;
    }

    /// A random way through attributes, records and tags to a value that is wanted.
    pub(super) fn walk(&mut self, wanted: &dyn Fn(&Ty) -> bool) -> Option<Found> {
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
    pub(super) fn root(&mut self) -> Found {
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
    pub(super) fn step(&mut self, here: &Found, wanted: &dyn Fn(&Ty) -> bool) -> Option<Found> {
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

    pub(super) fn member(&mut self, from: &Found, member: &Member) -> Found {
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

    pub(super) fn tag(&mut self, from: &Found, ty: &Ty) -> Found {
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
pub(super) fn common_context(model: &Model, actions: &[usize]) -> Vec<Member> {
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
