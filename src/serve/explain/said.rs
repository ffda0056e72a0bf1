//! An explanation in sentences, with the words that a schema gives (`@said`), and by exact names where it gives none.

use std::borrow::Cow;

use crate::engine::{
    Asked, Cause, ChangeKind, Choice, Explanation, FactName, Named, Path, Remedy, Shared, Source, Step, Unknown, Value,
};

/// Ids that a sentence lists; the document has them all.
const CHOICES_MAX: usize = 6;

/// Names of a list that a sentence tells; the document has no more than one more.
const NAMES_MAX: usize = 16;

/// Text of other people in a sentence: in those, backticks are around names.
fn plain(text: &str) -> Cow<'_, str> {
    match text.contains('`') {
        true => Cow::Owned(text.replace('`', "\\u{60}")),
        false => Cow::Borrowed(text),
    }
}

/// The answer: `deny: emi may not run an operation on ledger`.
pub(super) fn answer(explanation: &Explanation<'_>) -> String {
    let Explanation {
        decision,
        principal,
        action,
        action_said,
        resource,
        ..
    } = explanation;
    let (word, may) = if decision.is_allowed() {
        ("allow", "may")
    } else {
        ("deny", "may not")
    };
    // What people say for an action fits the resources that it is for.
    match action_said.filter(|_| decision.cause != Cause::NotApplicable) {
        Some(said) => format!("{word}: {} {may} {said} {}", plain(&principal.id), plain(&resource.id)),
        None => format!(
            "{word}: {} {may} do `{}` to {}",
            exact(principal),
            plain(action),
            exact(resource)
        ),
    }
}

/// The name of an entity as Cedar writes it, in backticks.
fn exact(named: &Named<'_>) -> String {
    exact_name(&named.entity_type, &named.id)
}

/// The same of its parts.
fn exact_name(entity_type: &str, id: &str) -> String {
    format!("`{}::\"{}\"`", plain(entity_type), plain(id))
}

/// The name of an attribute, tag or member, with dots for members of records.
pub(super) fn fact(fact: &FactName<'_>) -> String {
    let tag = fact.tag.as_ref().map(|tag| Cow::Owned(format!("tag \"{tag}\"")));
    let names: Vec<Cow<'_, str>> = tag.into_iter().chain(fact.names.iter().cloned()).collect();
    names.join(".")
}

/// The document's word for a change.
pub(super) fn change(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Join => "join",
        ChangeKind::Leave => "leave",
        ChangeKind::Set => "set",
        ChangeKind::Remove => "remove",
        ChangeKind::Add => "add",
        ChangeKind::TakeOut => "take_out",
    }
}

/// What to do, and whom else it concerns.
pub(super) fn remedy(remedy: &Remedy<'_>) -> String {
    let sentence = change_of(remedy);
    let choices = remedy.choices.iter().take(CHOICES_MAX);
    let groups: Vec<String> = choices
        .filter_map(|choice| {
            let members = choice.members.filter(|members| *members > 1)?;
            Some(format!("{} ({members})", word(choice, Name::Id)))
        })
        .collect();
    match (groups.as_slice(), remedy.choices.len()) {
        ([], _) => sentence,
        ([group], 1) => format!("{sentence}, which concerns everyone in {group}"),
        (groups, _) => format!("{sentence}, which concerns everyone in that group: {}", groups.join(", ")),
    }
}

fn change_of(remedy: &Remedy<'_>) -> String {
    let said = remedy.fact.as_ref().and_then(|fact| Some((fact.said?, fact.entity.as_ref()?)));
    match (said, &remedy.member, remedy.source) {
        (Some((said, owner)), Some(member), _) => {
            let choices = choices(remedy, Name::Id);
            let (member, owner, is_one) = (plain(&member.id), plain(&owner.id), remedy.choices.len() == 1);
            match (remedy.kind, is_one) {
                (ChangeKind::Leave, true) => format!("take {member} out of {choices}"),
                (ChangeKind::Leave, false) => format!("take {member} out of one of: {choices}"),
                _ => format!("add {member} to {} on {owner}: {choices}", a(said)),
            }
        }
        (None, Some(member), _) => {
            let (choices, member) = (choices(remedy, Name::Exact), exact(member));
            let one_of = if remedy.choices.len() == 1 { "" } else { "one of " };
            match remedy.kind {
                ChangeKind::Leave => format!("take {member} out of {one_of}{choices}"),
                _ => format!("add {member} to {one_of}{choices}"),
            }
        }
        (_, None, Source::Request(_)) => of_request(remedy),
        (Some((said, owner)), None, _) => of_said(remedy, said, owner),
        (None, None, _) => of_fact(remedy),
    }
}

fn of_said(remedy: &Remedy<'_>, said: &str, owner: &Named<'_>) -> String {
    let (choices, owner) = (choices(remedy, Name::Id), plain(&owner.id));
    match remedy.kind {
        ChangeKind::Add => format!("make {choices} {} on {owner}", a(said)),
        ChangeKind::TakeOut => format!("make {choices} no longer {} on {owner}", a(said)),
        ChangeKind::Remove => format!("remove the {said} of {owner}"),
        _ => format!("set the {said} of {owner} to {choices}"),
    }
}

/// A request is made anew each time, so nothing can be changed about it.
fn of_request(remedy: &Remedy<'_>) -> String {
    let (choices, name) = (choices(remedy, Name::Exact), fact_of(remedy));
    let what = match remedy.kind {
        ChangeKind::Add => format!("{name} with {choices} in it"),
        ChangeKind::TakeOut => format!("{name} without {choices}"),
        ChangeKind::Remove => format!("nothing of {name}"),
        _ => format!("that {name} is {choices}"),
    };
    format!("the request would have had to say {what}")
}

fn of_fact(remedy: &Remedy<'_>) -> String {
    let (choices, name) = (choices(remedy, Name::Exact), fact_of(remedy));
    match remedy.kind {
        ChangeKind::Add => format!("add {choices} to {name}"),
        ChangeKind::TakeOut => format!("take {choices} out of {name}"),
        ChangeKind::Remove => format!("remove {name}"),
        _ => format!("set {name} to {choices}"),
    }
}

fn fact_of(remedy: &Remedy<'_>) -> String {
    let Some(name) = &remedy.fact else { return String::new() };
    let own = fact(name);
    match &name.entity {
        Some(entity) => format!("`{}` of {}", plain(&own), exact(entity)),
        None => format!("`context.{}`", plain(&own)),
    }
}

/// How entities are called.
#[derive(Clone, Copy, PartialEq)]
enum Name {
    Id,
    Exact,
}

/// What may be chosen: `finance, sales or Public`.
fn choices(remedy: &Remedy<'_>, name: Name) -> String {
    let mut words: Vec<String> = remedy.choices.iter().take(CHOICES_MAX).map(|choice| word(choice, name)).collect();
    let more = remedy.choices.len() - words.len();
    if more > 0 {
        words.push(format!("{more} more"));
    }
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

fn word(choice: &Choice<'_>, name: Name) -> String {
    let id = choice.value.get("__entity").and_then(|entity| entity["id"].as_str());
    match (name, id, choice.value.as_str()) {
        (Name::Id, Some(id), _) => plain(id).into_owned(),
        (Name::Id, None, Some(text)) if !text.is_empty() => plain(text).into_owned(),
        _ => format!("`{}`", plain(&choice.text)),
    }
}

/// A noun with its article.
fn a(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// A way in which an allow was granted: `ana → finance → writers of ledger`.
pub(super) fn path(path: &Path<'_>) -> String {
    if path.steps.is_empty() {
        return "the policy holds without any condition".to_owned();
    }
    let steps: Vec<String> = path.steps.iter().map(step).collect();
    steps.join(", and ")
}

fn list(list: &FactName<'_>) -> String {
    let own = fact(list);
    let owner = match &list.entity {
        Some(owner) => format!("`{}` of {}", plain(&own), plain(&owner.id)),
        None => format!("`context.{}`", plain(&own)),
    };
    match list.said {
        Some(said) => format!("{owner} ({said})"),
        None => owner,
    }
}

/// What two ways have in common.
pub(super) fn shared(shared: &Shared<'_>) -> String {
    match shared {
        Shared::Parent(member, group) => format!("{} → {}", plain(&member.id), plain(&group.id)),
        Shared::Listed(fact, element) => format!("{} → {}", plain(&element.id), list(fact)),
        Shared::Fact(fact) => list(fact),
    }
}

fn step(step: &Step<'_>) -> String {
    match step {
        Step::Chain {
            entities,
            left_out,
            listed_in,
            ..
        } => {
            let mut ids: Vec<String> = entities.iter().map(|entity| plain(&entity.id).into_owned()).collect();
            if *left_out > 0 {
                ids.insert(ids.len() / 2, format!("… {left_out} more …"));
            }
            ids.extend(listed_in.as_ref().map(list));
            ids.join(" → ")
        }
        Step::Listed { element, listed_in, .. } => format!("{} → {}", plain(&element.id), list(listed_in)),
        Step::Clause { text, is_negated, seen } => {
            let not = if *is_negated { "not " } else { "" };
            let text = text.split_whitespace().collect::<Vec<&str>>().join(" ");
            let text = plain(&text);
            let values: Vec<String> = seen
                .iter()
                .filter(|seen| seen.fact.is_some())
                .filter_map(|seen| match &seen.value {
                    Value::Is(value) => Some(format!("`{}` is `{}`", plain(&seen.expression), plain(value))),
                    _ => None,
                })
                .collect();
            match values.is_empty() {
                true => format!("{not}`{text}`"),
                false => format!("{not}`{text}` ({})", values.join(", ")),
            }
        }
    }
}

/// What nobody knows, and what was perhaps meant.
pub(super) fn unknown(unknown: &Unknown) -> String {
    let asked = |part: &Asked| match part {
        Asked::Principal => "principal",
        Asked::Resource => "resource",
    };
    let meant = |nearest: &Option<String>| match nearest {
        Some(near) => format!("; did you mean `{}`?", plain(near)),
        None => String::new(),
    };
    let list = |names: &[String]| match names {
        [] => "nothing".to_owned(),
        names => {
            let told = names.iter().take(NAMES_MAX).map(|name| format!("`{}`", plain(name)));
            let more = (names.len() > NAMES_MAX).then(|| "and more".to_owned());
            told.chain(more).collect::<Vec<String>>().join(", ")
        }
    };
    match unknown {
        Unknown::Type { part, name, nearest } => {
            format!(
                "the schema has no entity type `{}` ({}){}",
                plain(name),
                asked(part),
                meant(nearest)
            )
        }
        Unknown::Action { name, nearest } => {
            format!("the schema has no action `{}`{}", plain(name), meant(nearest))
        }
        Unknown::EnumeratedId {
            entity_type,
            id,
            choices,
            ..
        } => {
            format!(
                "`{}` is no id of the enumerated type `{entity_type}`; there are {}",
                plain(id),
                list(choices)
            )
        }
        Unknown::NotApplicable {
            action,
            principals,
            resources,
            actions,
        } => format!(
            "`{action}` is for principals of {} and resources of {}; what such a principal can do to such a resource is {}",
            list(principals),
            list(resources),
            list(actions)
        ),
        Unknown::Entity {
            part,
            entity_type,
            id,
            nearest,
        } => {
            let who = format!("the {} {} is in no file", asked(part), exact_name(entity_type, id));
            match nearest {
                Some(near) => format!("{who}; did you mean `{}`?", plain(near)),
                None => format!("{who}, so it has no attributes and is in no group"),
            }
        }
    }
}
