//! An explanation in sentences, with the words that a schema gives (`@said`), and by exact names where it gives none.

use std::borrow::Cow;

use crate::engine::{Asked, ChangeKind, Explanation, FactName, Named, Path, Remedy, Source, Step, Unknown, Value};

/// Ids that a sentence lists; the document has them all.
const CHOICES_MAX: usize = 6;

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
    match action_said {
        Some(said) => format!("{word}: {} {may} {said} {}", principal.id, resource.id),
        None => format!("{word}: {} {may} do `{action}` to {}", exact(principal), exact(resource)),
    }
}

/// The name of an entity as Cedar writes it, in backticks.
fn exact(named: &Named<'_>) -> String {
    format!("`{}::\"{}\"`", named.entity_type, named.id)
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

/// What to do.
pub(super) fn remedy(remedy: &Remedy<'_>) -> String {
    let said = remedy.fact.as_ref().and_then(|fact| Some((fact.said?, fact.entity.as_ref()?)));
    let sentence = match (said, &remedy.member) {
        (Some((said, owner)), Some(member)) => {
            let choices = choices(remedy, Name::Id);
            let is_one = remedy.choices.len() == 1;
            match (remedy.kind, is_one) {
                (ChangeKind::Leave, true) => format!("take {} out of {choices}", member.id),
                (ChangeKind::Leave, false) => format!("take {} out of one of: {choices}", member.id),
                _ => format!("add {} to {} on {}: {choices}", member.id, a(said), owner.id),
            }
        }
        (None, Some(member)) => {
            let (choices, member) = (choices(remedy, Name::Exact), exact(member));
            let one_of = if remedy.choices.len() == 1 { "" } else { "one of " };
            match remedy.kind {
                ChangeKind::Leave => format!("take {member} out of {one_of}{choices}"),
                _ => format!("add {member} to {one_of}{choices}"),
            }
        }
        (Some((said, owner)), None) => of_said(remedy, said, owner),
        (None, None) => of_fact(remedy),
    };
    match remedy.source {
        Source::Request(_) => format!("{sentence}, in the request"),
        Source::Store { .. } | Source::Nowhere => sentence,
    }
}

fn of_said(remedy: &Remedy<'_>, said: &str, owner: &Named<'_>) -> String {
    let choices = choices(remedy, Name::Id);
    match remedy.kind {
        ChangeKind::Add => format!("make {choices} {} on {}", a(said), owner.id),
        ChangeKind::TakeOut => format!("make {choices} no longer {} on {}", a(said), owner.id),
        ChangeKind::Remove => format!("remove the {said} of {}", owner.id),
        _ => format!("set the {said} of {} to {choices}", owner.id),
    }
}

fn of_fact(remedy: &Remedy<'_>) -> String {
    let choices = choices(remedy, Name::Exact);
    let name = match &remedy.fact {
        Some(name) => match &name.entity {
            Some(entity) => format!("`{}` of {}", fact(name), exact(entity)),
            None => format!("`context.{}`", fact(name)),
        },
        None => String::new(),
    };
    match remedy.kind {
        ChangeKind::Add => format!("add {choices} to {name}"),
        ChangeKind::TakeOut => format!("take {choices} out of {name}"),
        ChangeKind::Remove => format!("remove {name}"),
        _ => format!("set {name} to {choices}"),
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
    let word = |choice: &crate::engine::Choice| {
        let id = choice.value.get("__entity").and_then(|entity| entity["id"].as_str());
        match (name, id, choice.value.as_str()) {
            (Name::Id, Some(id), _) => id.to_owned(),
            (Name::Id, None, Some(text)) if !text.is_empty() => text.to_owned(),
            _ => format!("`{}`", choice.text),
        }
    };
    let mut words: Vec<String> = remedy.choices.iter().take(CHOICES_MAX).map(word).collect();
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

fn step(step: &Step<'_>) -> String {
    let list = |list: &FactName<'_>| {
        let owner = match &list.entity {
            Some(owner) => format!("`{}` of {}", fact(list), owner.id),
            None => format!("`context.{}`", fact(list)),
        };
        match list.said {
            Some(said) => format!("{owner} ({said})"),
            None => owner,
        }
    };
    match step {
        Step::Chain {
            entities, listed_in, ..
        } => {
            let ids = entities.iter().map(|entity| entity.id.clone().into_owned());
            ids.chain(listed_in.as_ref().map(list)).collect::<Vec<String>>().join(" → ")
        }
        Step::Listed { element, listed_in, .. } => format!("{} → {}", element.id, list(listed_in)),
        Step::Clause { text, is_negated, seen } => {
            let not = if *is_negated { "not " } else { "" };
            let text = text.split_whitespace().collect::<Vec<&str>>().join(" ");
            let values: Vec<String> = seen
                .iter()
                .filter(|seen| seen.fact.is_some())
                .filter_map(|seen| match &seen.value {
                    Value::Is(value) => Some(format!("`{}` is {value}", seen.expression)),
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
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    };
    let list = |names: &[String]| match names {
        [] => "nothing".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<String>>().join(", "),
    };
    match unknown {
        Unknown::Type { part, name, nearest } => {
            format!("the schema has no entity type `{name}` ({}){}", asked(part), meant(nearest))
        }
        Unknown::Action { name, nearest } => format!("the schema has no action `{name}`{}", meant(nearest)),
        Unknown::EnumeratedId {
            entity_type,
            id,
            choices,
            ..
        } => {
            format!(
                "`{id}` is no id of the enumerated type `{entity_type}`; there are {}",
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
        } => format!(
            "the {} `{entity_type}::\"{id}\"` is in no file, so it has no attributes and is in no group{}",
            asked(part),
            meant(nearest)
        ),
    }
}
