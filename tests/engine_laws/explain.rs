//! What holds of explanations in every world.

use cedar_policy::{Authorizer, Decision as CedarDecision, PolicySet, Request};
use gatepost::engine::{
    Cause, ChangeKind, Choice, Clause, Effect, Explanation, FactName, Named, Outcome, Part, Path, Remedy,
    RequestProperties, Seen, Snapshot, Source, Step, Value as Told, WithoutFirst,
};
use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::laws::{is_replay, seeds};
use super::model::Ty;
use super::trial::{Trial, decide, uid, with_query};
use super::world::{Ask, World};

const ASKS: usize = 12;

/// Choices of one remedy that are applied; each compiles the world again.
const CHOICES: usize = 3;

/// What was met, so that no law holds for want of cases.
#[derive(Debug, Default)]
struct Met {
    explained: usize,
    allowed: usize,
    remedies: [usize; 6],
    remedies_of_context: usize,
    remedies_of_others: usize,
    failing: usize,
    holding: usize,
    erring: usize,
    values: usize,
    missing: usize,
    paths: usize,
    chains: usize,
    independent: usize,
    weakened: usize,
}

/// Calls `look` for every explanation of many worlds.
fn explain_all(worlds: u64, mut look: impl FnMut(&Trial, &Ask, &Explanation<'_>, &str)) {
    for seed in seeds(worlds) {
        let Ok(trial) = Trial::new(World::new(seed)) else { continue };
        for ask in trial.world.asks(ASKS) {
            with_query(&trial.world, &ask, |query| {
                let explanation = trial.snapshot.explain(query).expect("generated questions have no problem");
                let shown = format!("seed {seed}: {ask:?}");
                look(&trial, &ask, &explanation, &shown);
            });
        }
    }
}

#[test]
fn an_explanation_explains_the_decision_that_is_made() {
    let mut met = Met::default();
    explain_all(150, |trial, ask, explanation, shown| {
        let decision = decide(&trial.snapshot, &trial.world, ask).expect("generated questions have no problem");
        assert_eq!(explanation.decision, decision, "{shown}");
        let numbers: Vec<u32> = explanation.determining.iter().map(|judged| judged.number).collect();
        assert_eq!(numbers, decision.determining[..numbers.len()], "{shown}");
        let is_cut = numbers.len() < decision.determining.len();
        assert_eq!(explanation.determining_cut, is_cut, "{shown}");
        assert!(!is_cut || numbers.len() >= 16, "{shown}");
        assert!(!explanation.is_unfinished, "{shown}");
        assert_eq!(explanation.paths.is_empty(), !decision.is_allowed(), "{shown}");
        assert!(explanation.nearest.is_empty() || !decision.is_allowed(), "{shown}");
        let ranks: Vec<u32> = explanation.nearest.iter().map(|judged| judged.distance).collect();
        assert!(ranks.is_sorted(), "{shown}: {ranks:?}");
        met.explained += 1;
        met.allowed += usize::from(decision.is_allowed());
    });
    assert!(is_replay() || met.allowed > 100 && met.explained > met.allowed + 100, "{met:?}");
}

#[test]
fn what_is_said_to_turn_the_answer_turns_it() {
    let mut met = Met::default();
    explain_all(150, |trial, ask, explanation, shown| {
        check_remedies(trial, ask, explanation, shown, &mut met);
    });
    println!("{met:?}");
    let enough =
        met.remedies.iter().all(|count| *count > 0) && met.remedies_of_context > 20 && met.remedies_of_others > 20;
    assert!(is_replay() || enough, "{met:?}");
}

#[test]
fn what_turns_the_answer_does_so_with_properties_that_the_request_brings() {
    let mut met = Met::default();
    for mode in [
        RequestProperties::Override,
        RequestProperties::Fill,
        RequestProperties::Ignore,
    ] {
        for seed in seeds(40) {
            let Ok(trial) = Trial::new(World::new(seed).with_request_properties(mode)) else {
                continue;
            };
            let mut dice = Dice::new(!seed);
            for mut ask in trial.world.asks(6) {
                if let Some((given, _)) = trial.world.amended(&mut dice, ask.principal, mode) {
                    ask.principal_properties = Some(Value::Object(given));
                }
                if let Some((given, _)) = trial.world.amended(&mut dice, ask.resource, mode) {
                    ask.resource_properties = Some(Value::Object(given));
                }
                with_query(&trial.world, &ask, |query| {
                    let explanation = trial.snapshot.explain(query).expect("generated questions have no problem");
                    let shown = format!("seed {seed}, {mode:?}: {ask:?}");
                    let decision = decide(&trial.snapshot, &trial.world, &ask).expect("no problem");
                    assert_eq!(explanation.decision, decision, "{shown}");
                    check_remedies(&trial, &ask, &explanation, &shown, &mut met);
                });
            }
        }
    }
    assert!(is_replay() || met.remedies[2] > 20, "{met:?}");
}

fn check_remedies(trial: &Trial, ask: &Ask, explanation: &Explanation<'_>, shown: &str, met: &mut Met) {
    for remedy in &explanation.remedies {
        met.remedies[remedy.kind as usize] += 1;
        let entity = remedy.member.as_ref().or(remedy.fact.as_ref().and_then(|fact| fact.entity.as_ref()));
        met.remedies_of_context += usize::from(entity.is_none());
        let sides = [&explanation.principal, &explanation.resource];
        met.remedies_of_others += usize::from(entity.is_some_and(|entity| !sides.contains(&entity)));
        let choices: Vec<Option<&Choice<'_>>> = match remedy.kind {
            ChangeKind::Remove => vec![None],
            _ => remedy.choices.iter().take(CHOICES).map(Some).collect(),
        };
        assert!(!choices.is_empty(), "{shown}: {remedy:?}");
        for choice in choices {
            let (mut world, mut ask) = (trial.world.clone(), ask.clone());
            apply(&mut world, &mut ask, remedy, choice);
            let told = || format!("{shown}\n{remedy:#?}\n{choice:?}\n{}", trial.world.show());
            let changed = Snapshot::compile(&world.sources(), &world.options)
                .unwrap_or_else(|faults| panic!("{faults}\n{}", told()));
            let decision = decide(&changed, &world, &ask).unwrap_or_else(|problem| panic!("{problem}\n{}", told()));
            assert_ne!(decision.is_allowed(), explanation.decision.is_allowed(), "{}", told());
        }
    }
}

/// Makes the change that a remedy tells.
fn apply(world: &mut World, ask: &mut Ask, remedy: &Remedy<'_>, choice: Option<&Choice<'_>>) {
    if let ChangeKind::Join | ChangeKind::Leave = remedy.kind {
        let member = position(world, remedy.member.as_ref().expect("a member"));
        let group = &choice.expect("a group").value["__entity"];
        let id: &'static str = group["id"].as_str().expect("an id").to_owned().leak();
        let parent = (type_number(world, group["type"].as_str().expect("a type")), id);
        match remedy.kind {
            ChangeKind::Join => world.things[member].parents.push(parent),
            _ => world.things[member].parents.retain(|known| *known != parent),
        }
        return;
    }
    let fact = remedy.fact.as_ref().expect("a fact");
    let ty = fact_type(world, ask, fact);
    let mut object = match (remedy.source, &fact.entity) {
        (Source::Request(Part::Context | Part::Action), _) => object_of(ask.context.clone()),
        (Source::Request(Part::Principal), _) => object_of(ask.principal_properties.clone()),
        (Source::Request(Part::Resource), _) => object_of(ask.resource_properties.clone()),
        (_, Some(entity)) => {
            let thing = &world.things[position(world, entity)];
            if fact.tag.is_some() {
                thing.tags.clone()
            } else {
                thing.attrs.clone()
            }
        }
        (_, None) => panic!("{fact:?} is nowhere"),
    };
    let names: Vec<&str> = fact.tag.iter().map(String::as_str).chain(fact.names.iter().map(|name| &**name)).collect();
    change(&mut object, &names, &mut |object, name| match (remedy.kind, choice) {
        (ChangeKind::Set, Some(choice)) => {
            object.insert(name.to_owned(), choice.value.clone());
        }
        (ChangeKind::Remove, None) => {
            object.remove(name).expect("something to remove");
        }
        (ChangeKind::Add, Some(choice)) => {
            object[name].as_array_mut().expect("a set").push(choice.value.clone());
        }
        (ChangeKind::TakeOut, Some(choice)) => take_out(world, &mut object[name], &choice.value, &ty),
        other => panic!("{other:?}"),
    });
    let object = Value::Object(object);
    match (remedy.source, &fact.entity) {
        (Source::Request(Part::Context | Part::Action), _) => ask.context = Some(object),
        (Source::Request(Part::Principal), _) => ask.principal_properties = Some(object),
        (Source::Request(Part::Resource), _) => ask.resource_properties = Some(object),
        (_, Some(entity)) => {
            let index = position(world, entity);
            let thing = &mut world.things[index];
            *(if fact.tag.is_some() {
                &mut thing.tags
            } else {
                &mut thing.attrs
            }) = object_of(Some(object));
        }
        (_, None) => {}
    }
}

fn object_of(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// Changes the member of an object that names lead to.
fn change(object: &mut Map<String, Value>, names: &[&str], make: &mut dyn FnMut(&mut Map<String, Value>, &str)) {
    match names {
        [] => panic!("a fact without a name"),
        [name] => make(object, name),
        [name, rest @ ..] => {
            let inner = object.entry(*name).or_insert_with(|| json!({}));
            change(inner.as_object_mut().expect("a record"), rest, make);
        }
    }
}

fn take_out(world: &World, set: &mut Value, element: &Value, ty: &Ty) {
    let Ty::Set(inner) = ty else { panic!("{ty:?} is no set") };
    let element = cedar_text(world, element, inner);
    let set = set.as_array_mut().expect("a set");
    let before = set.len();
    set.retain(|item| !equal(&cedar_text(world, item, inner), &element));
    assert!(set.len() < before, "{element} is not in {set:?}");
}

/// Whether two expressions have one value.
fn equal(a: &str, b: &str) -> bool {
    let text = format!("permit(principal, action, resource) when {{ ({a}) == ({b}) }};");
    let policies: PolicySet = text.parse().expect("good syntax");
    let any = || uid("Any", "any");
    let context = cedar_policy::Context::empty();
    let request = Request::new(any(), any(), any(), context, None).expect("a request without a schema");
    let response = Authorizer::new().is_authorized(&request, &policies, &cedar_policy::Entities::empty());
    response.decision() == CedarDecision::Allow
}

/// A value of the world's files as Cedar's syntax has it.
fn cedar_text(world: &World, value: &Value, ty: &Ty) -> String {
    let call = |name: &str| {
        let inner = value.get("__extn").map_or(value, |call| &call["arg"]);
        format!("{name}({inner})")
    };
    match ty {
        Ty::Bool | Ty::Long => value.to_string(),
        Ty::Text => quoted(value.as_str().expect("a text")),
        Ty::Entity(ty) => {
            let uid = value.get("__entity").unwrap_or(value);
            format!("{}::{}", world.type_name(*ty), quoted(uid["id"].as_str().expect("an id")))
        }
        Ty::Set(inner) => {
            let items = value.as_array().expect("a set").iter();
            let items: Vec<String> = items.map(|item| cedar_text(world, item, inner)).collect();
            format!("[{}]", items.join(", "))
        }
        Ty::Record(members) => {
            let members: Vec<String> = members
                .iter()
                .filter_map(|member| {
                    let value = value.get(member.name)?;
                    Some(format!("{:?}: {}", member.name, cedar_text(world, value, &member.ty)))
                })
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Ty::Decimal => call("decimal"),
        Ty::Ip => call("ip"),
        Ty::Datetime => call("datetime"),
        Ty::Duration => call("duration"),
    }
}

/// A text as Cedar writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}

fn type_number(world: &World, name: &str) -> usize {
    (0..world.model.types.len())
        .find(|ty| world.type_name(*ty) == name)
        .unwrap_or_else(|| panic!("no type {name}"))
}

/// Where a named entity is in the world.
fn position(world: &World, named: &Named<'_>) -> usize {
    let ty = type_number(world, &named.entity_type);
    world
        .things
        .iter()
        .position(|thing| (thing.ty, thing.id) == (ty, &*named.id))
        .unwrap_or_else(|| panic!("{named:?} is not in the world"))
}

/// What the schema says of a fact.
fn fact_type(world: &World, ask: &Ask, fact: &FactName<'_>) -> Ty {
    let mut names = fact.names.iter();
    let mut members = match &fact.entity {
        Some(entity) => {
            let ty = &world.model.types[type_number(world, &entity.entity_type)];
            if fact.tag.is_some() {
                let mut ty = ty.tags.clone().expect("tags");
                for name in names {
                    let Ty::Record(members) = ty else { panic!("{fact:?}") };
                    ty = members.into_iter().find(|member| member.name == &**name).expect("a member").ty;
                }
                return ty;
            }
            ty.members.clone()
        }
        None => world.model.actions[ask.action].context.clone(),
    };
    loop {
        let name = names.next().expect("a name");
        let member = members.into_iter().find(|member| member.name == &**name).expect("a member");
        match (names.len(), member.ty) {
            (0, ty) => return ty,
            (_, Ty::Record(inner)) => members = inner,
            (_, other) => panic!("{fact:?} leads into {other:?}"),
        }
    }
}

/// Whether a condition holds, by stock Cedar over the whole world; or that it errs.
fn stock(trial: &Trial, request: &Request, condition: &str) -> Option<bool> {
    let text = format!("permit(principal, action, resource) when {{ {condition} }};");
    let policies: PolicySet = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    let response = Authorizer::new().is_authorized(request, &policies, &trial.entities);
    let errs = response.diagnostics().errors().next().is_some();
    (!errs).then_some(response.decision() == CedarDecision::Allow)
}

#[test]
fn clauses_are_what_they_are_said_to_be() {
    let mut met = Met::default();
    explain_all(100, |trial, ask, explanation, shown| {
        let Some(request) = trial.request(ask) else { return };
        for judged in explanation.nearest.iter().chain(&explanation.determining) {
            let shown = format!("{shown}\n{}", judged.text);
            let all = judged.clauses.iter();
            let holds = all.clone().all(|clause| clause.outcome == Outcome::Holds);
            assert_eq!(judged.distance == 0, holds, "{shown}");
            all.for_each(|clause| check_clause(trial, &request, clause, &shown, &mut met));
        }
    });
    println!("{met:?}");
    let enough = [met.failing, met.holding, met.erring, met.values, met.missing]
        .iter()
        .all(|count| *count > 20);
    assert!(is_replay() || enough, "{met:?}");
}

fn check_clause(trial: &Trial, request: &Request, clause: &Clause<'_>, shown: &str, met: &mut Met) {
    // A text that is cut is no condition any more.
    if clause.text.ends_with('…') {
        assert!(clause.text.chars().count() > 1_000, "{shown}");
        return clause.seen.iter().for_each(|seen| check_seen(trial, request, seen, shown, met));
    }
    let value = stock(trial, request, &clause.text).map(|value| value != clause.is_negated);
    let shown = format!("{shown}\n`{}`", clause.text);
    match &clause.outcome {
        Outcome::Holds => {
            assert_eq!(value, Some(true), "{shown}");
            met.holding += 1;
        }
        Outcome::Fails => {
            assert_eq!(value, Some(false), "{shown}");
            met.failing += 1;
        }
        Outcome::Errs(message) => {
            assert!(value.is_none() && !message.is_empty(), "{shown}");
            met.erring += 1;
        }
        Outcome::Unreached => assert!(value.is_none(), "{shown}"),
    }
    if !clause.alternatives.is_empty() {
        let any = clause
            .alternatives
            .iter()
            .any(|all| all.iter().all(|clause| clause.outcome == Outcome::Holds));
        match clause.outcome {
            Outcome::Holds => assert!(any, "{shown}"),
            Outcome::Fails => assert!(!any, "{shown}"),
            Outcome::Errs(_) | Outcome::Unreached => {}
        }
    }
    for alternative in &clause.alternatives {
        alternative.iter().for_each(|clause| check_clause(trial, request, clause, &shown, met));
    }
    clause.seen.iter().for_each(|seen| check_seen(trial, request, seen, &shown, met));
}

/// The value is what stock Cedar sees there, and comes from where it is said to.
fn check_seen(trial: &Trial, request: &Request, seen: &Seen<'_>, shown: &str, met: &mut Met) {
    let shown = format!("{shown}\n{seen:?}");
    let Some(fact) = &seen.fact else { return };
    let owner = match &fact.entity {
        Some(entity) => format!("{}::{}", entity.entity_type, quoted(&entity.id)),
        None => "context".to_owned(),
    };
    if let Some(entity) = &fact.entity {
        let stored = trial
            .world
            .things
            .iter()
            .find(|thing| trial.world.type_name(thing.ty) == entity.entity_type && thing.id == &*entity.id);
        match (stored, seen.source) {
            (Some(thing), Source::Store { file, line }) => {
                let name = ["entities/0.json", "entities/1.json", "entities/made.yaml"][thing.file];
                assert_eq!((file, line), (name, 1), "{shown}");
            }
            (None, Source::Nowhere) => assert_eq!(seen.value, Told::NoEntity, "{shown}"),
            other => panic!("{:?}: {shown}", other.1),
        }
    } else {
        assert_eq!(seen.source, Source::Request(Part::Context), "{shown}");
    }
    let (has, get) = match (&fact.tag, fact.names.as_slice()) {
        (Some(tag), []) => {
            let tag = quoted(tag);
            (format!("{owner}.hasTag({tag})"), format!("{owner}.getTag({tag})"))
        }
        (None, [names @ .., last]) => {
            let inner = names.iter().fold(owner, |text, name| format!("{text}[{}]", quoted(name)));
            (format!("{inner} has {}", quoted(last)), format!("{inner}[{}]", quoted(last)))
        }
        _ => return,
    };
    match &seen.value {
        Told::Is(text) if text.contains('…') => {}
        Told::Is(text) => {
            assert_eq!(stock(trial, request, &format!("{get} == {text}")), Some(true), "{shown}");
            met.values += 1;
        }
        Told::Missing | Told::NoEntity => {
            // The record that it would be in may be missing as well.
            assert_ne!(stock(trial, request, &has), Some(true), "{shown}");
            met.missing += 1;
        }
        Told::In(_) => panic!("{shown}"),
    }
}

/// Facts that a path leads through, which can be taken away.
#[derive(Clone, PartialEq)]
enum Link<'e> {
    Edge(&'e Named<'e>, &'e Named<'e>),
    Element(&'e FactName<'e>, &'e Named<'e>),
}

fn links<'e>(path: &'e Path<'e>) -> Vec<Link<'e>> {
    let mut links = Vec::new();
    for step in &path.steps {
        match step {
            Step::Chain {
                entities, listed_in, ..
            } => {
                links.extend(entities.windows(2).map(|edge| Link::Edge(&edge[0], &edge[1])));
                links.extend(listed_in.iter().zip(entities.last()).map(|(fact, last)| Link::Element(fact, last)));
            }
            Step::Listed { element, listed_in, .. } => links.push(Link::Element(listed_in, element)),
            Step::Clause { .. } => {}
        }
    }
    links
}

/// A link is in the world.
fn check_link(trial: &Trial, ask: &Ask, link: &Link<'_>, shown: &str) {
    let world = &trial.world;
    match link {
        Link::Edge(member, group) => {
            let parent = type_number(world, &group.entity_type);
            let parents = &world.things[position(world, member)].parents;
            let is_parent = parents.iter().any(|(ty, id)| (*ty, *id) == (parent, &*group.id));
            assert!(is_parent, "{shown}: {group:?} is no parent of {member:?}");
        }
        Link::Element(fact, element) => {
            let element = format!("{}::{}", element.entity_type, quoted(&element.id));
            let names = fact.names.iter().map(|name| format!("[{}]", quoted(name))).collect::<String>();
            let owner = match &fact.entity {
                Some(entity) => format!("{}::{}", entity.entity_type, quoted(&entity.id)),
                None => "context".to_owned(),
            };
            let list = match &fact.tag {
                Some(tag) => format!("{owner}.getTag({}){names}", quoted(tag)),
                None => format!("{owner}{names}"),
            };
            let condition = match fact_type(world, ask, fact) {
                Ty::Set(_) => format!("{list}.contains({element})"),
                _ => format!("{list} == {element}"),
            };
            let request = trial.request(ask).expect("what is allowed fits the schema");
            assert_eq!(stock(trial, &request, &condition), Some(true), "{shown}");
        }
    }
}

/// What the other clauses of a path read must stay.
fn reads(path: &Path<'_>, link: &Link<'_>) -> bool {
    path.steps.iter().any(|step| {
        let Step::Clause { seen, .. } = step else { return false };
        seen.iter().any(|seen| match link {
            Link::Edge(..) => matches!(seen.value, Told::In(_)),
            Link::Element(fact, _) => seen.fact.as_ref() == Some(*fact),
        })
    })
}

/// The world without some links, and with these policies alone.
fn without(
    trial: &Trial,
    ask: &Ask,
    gone: &[Link<'_>],
    keeps: impl Fn(&str) -> bool,
) -> Option<(World, Ask, Snapshot)> {
    let (mut world, mut ask) = (trial.world.clone(), ask.clone());
    for link in gone {
        match link {
            Link::Edge(member, group) => {
                let member = position(&world, member);
                let parent = type_number(&world, &group.entity_type);
                world.things[member].parents.retain(|(ty, id)| (*ty, *id) != (parent, &*group.id));
            }
            Link::Element(fact, element) => {
                let ty = fact_type(&world, &ask, fact);
                // What is one group cannot be taken away, only be another one.
                if !matches!(ty, Ty::Set(_)) {
                    return None;
                }
                let value = json!({ "type": element.entity_type, "id": element.id });
                let names: Vec<&str> = fact.names.iter().map(|name| &**name).collect();
                let original = world.clone();
                let mut remove = |object: &mut Map<String, Value>, name: &str| {
                    take_out(&original, &mut object[name], &value, &ty);
                };
                match &fact.entity {
                    Some(_) if fact.tag.is_some() => return None,
                    Some(entity) => {
                        let index = position(&world, entity);
                        change(&mut world.things[index].attrs, &names, &mut remove);
                    }
                    None => {
                        let context = ask.context.as_mut().and_then(Value::as_object_mut).expect("a context");
                        change(context, &names, &mut remove);
                    }
                }
            }
        }
    }
    let mut sources = world.sources();
    let set = trial.snapshot.policy_set();
    let kept: Vec<cedar_policy::Policy> =
        set.policies().filter(|policy| keeps(policy.id().as_ref())).cloned().collect();
    if kept.len() == set.policies().count() {
        let snapshot = Snapshot::compile(&sources, &world.options).expect("less of what was good");
        return Some((world, ask, snapshot));
    }
    // Links come with their template.
    if kept.iter().any(|policy| policy.template_id().is_some()) {
        return None;
    }
    sources.policies = kept
        .iter()
        .enumerate()
        .map(|(number, policy)| {
            let json = policy.to_json().expect("a static policy has a JSON form").to_string();
            gatepost::engine::Text::new(format!("policies/kept{number}.json"), json)
        })
        .collect();
    let snapshot = Snapshot::compile(&sources, &world.options).expect("less of what was good");
    Some((world, ask, snapshot))
}

#[test]
fn each_path_of_an_allow_grants_by_itself() {
    let mut met = Met::default();
    explain_all(150, |trial, ask, explanation, shown| {
        if explanation.paths_cut {
            return;
        }
        for path in &explanation.paths {
            met.paths += 1;
            let own = links(path);
            own.iter().for_each(|link| check_link(trial, ask, link, shown));
            let chain = |step: &Step<'_>| matches!(step, Step::Chain { entities, .. } if entities.len() > 1);
            met.chains += usize::from(path.steps.iter().any(chain));
            let others: Vec<Link<'_>> = explanation
                .paths
                .iter()
                .flat_map(links)
                .filter(|link| !own.contains(link) && !reads(path, link))
                .collect();
            let mut gone: Vec<Link<'_>> = Vec::new();
            for link in others {
                if !gone.contains(&link) {
                    gone.push(link);
                }
            }
            met.weakened += usize::from(!gone.is_empty());
            let id = path.info.id.to_string();
            let Some((world, ask, snapshot)) = without(trial, ask, &gone, |known| known == id) else {
                continue;
            };
            let decision = decide(&snapshot, &world, &ask).expect("no problem");
            assert!(decision.is_allowed(), "{shown}\n{path:#?}\n{}", world.show());
        }
    });
    println!("{met:?}");
    assert!(
        is_replay() || met.paths > 200 && met.chains > 20 && met.weakened > 10,
        "{met:?}"
    );
}

#[test]
fn what_would_still_grant_does_so_once_the_first_path_is_gone() {
    let mut met = Met::default();
    explain_all(150, |trial, ask, explanation, shown| {
        let Some((first, others)) = explanation.paths.split_first() else { return };
        let gone = links(first);
        for path in others.iter().filter(|path| path.is_independent) {
            assert!(!gone.iter().any(|link| links(path).contains(link)), "{shown}");
            let keeps = |id: &str| {
                let policy = trial.snapshot.policies().find(|policy| *policy.id == *id).expect("a policy");
                match gone.is_empty() {
                    true => policy.effect == Effect::Permit && *id != *first.info.id,
                    // Its own policy alone, and whatever forbids.
                    false => policy.effect == Effect::Forbid || *id == *path.info.id,
                }
            };
            if gone.is_empty() && path.info.id == first.info.id {
                continue;
            }
            let Some((world, ask, snapshot)) = without(trial, ask, &gone, keeps) else {
                continue;
            };
            let decision = decide(&snapshot, &world, &ask).expect("no problem");
            assert!(decision.is_allowed(), "{shown}\n{path:#?}\n{}", world.show());
            met.independent += 1;
        }
    });
    assert!(is_replay() || met.independent > 30, "{met:?}");
}

#[test]
fn without_the_links_of_the_first_path_the_answer_is_what_is_told() {
    let (mut allowed, mut denied) = (0, 0);
    explain_all(150, |trial, ask, explanation, shown| {
        let Some(first) = explanation.paths.first() else { return };
        let gone = links(first);
        if gone.is_empty() {
            assert_eq!(explanation.without_first, WithoutFirst::Unknown, "{shown}");
            return;
        }
        let Some((world, ask, snapshot)) = without(trial, ask, &gone, |_| true) else {
            return;
        };
        let decision = decide(&snapshot, &world, &ask).expect("no problem");
        let rests = explanation.paths[1..].iter().any(|path| path.is_independent);
        assert!(!rests || decision.is_allowed(), "{shown}");
        let shown = || format!("{shown}\n{first:#?}\n{}", world.show());
        match explanation.without_first {
            WithoutFirst::Allowed => assert!(decision.is_allowed(), "{}", shown()),
            WithoutFirst::Denied => assert!(!decision.is_allowed(), "{}", shown()),
            WithoutFirst::Unknown => panic!("{}", shown()),
        }
        allowed += usize::from(decision.is_allowed());
        denied += usize::from(!decision.is_allowed());
    });
    assert!(is_replay() || allowed > 10 && denied > 20, "{allowed} allowed, {denied} denied");
}

#[test]
fn after_a_first_step_nothing_forbids_and_a_permit_is_lacking() {
    let mut steps = 0;
    explain_all(150, |trial, ask, explanation, shown| {
        assert!(explanation.first_steps.is_empty() || explanation.remedies.is_empty(), "{shown}");
        for step in &explanation.first_steps {
            for choice in step.choices.iter().take(CHOICES).map(Some).chain(step.choices.is_empty().then_some(None)) {
                let (mut world, mut ask) = (trial.world.clone(), ask.clone());
                apply(&mut world, &mut ask, step, choice);
                let changed = Snapshot::compile(&world.sources(), &world.options).expect("a change of one fact");
                let decision = decide(&changed, &world, &ask).expect("no problem");
                assert_eq!(decision.cause, Cause::NothingPermits, "{shown}\n{step:#?}\n{}", world.show());
                steps += 1;
            }
        }
    });
    assert!(is_replay() || steps > 10, "{steps}");
}
