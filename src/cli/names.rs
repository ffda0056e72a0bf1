//! Names as people type them: what they mean, and what is near where they mean nothing.

use crate::engine::{ActionListing, Entity, Snapshot, nearest};

/// How many ids are compared with a name that is not there. A root can have millions, and a person waits.
const LOOKS_MAX: usize = 500_000;

/// How many names are offered.
const OFFERED_MAX: usize = 3;

/// An entity as it was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// `Type::"id"` or `type:id`.
    Entity(String, String),
    /// Just the id.
    Id(String),
}

/// Reads `User::"ana"`, `App::User::"ana"`, `user:ana`, or `ana`.
pub(super) fn typed(text: &str) -> Typed {
    if let Some((entity_type, id)) = Entity::parse(text) {
        return Typed::Entity(entity_type, id);
    }
    match text.match_indices(':').find(|(at, _)| is_lone(text, *at)) {
        Some((at, _)) => Typed::Entity(text[..at].to_owned(), text[at + 1..].to_owned()),
        None => Typed::Id(text.to_owned()),
    }
}

/// Whether the colon there is not one of the two in the name of a type.
fn is_lone(text: &str, at: usize) -> bool {
    !text[at + 1..].starts_with(':') && !text[..at].ends_with(':')
}

/// Whether an entity has to be in the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// It has to be: one that is not there was misspelt.
    Refused,
    /// It need not be.
    Taken,
}

/// The exact type and the id of what was typed, among the types that can stand there.
///
/// # Errors
/// A message with what is near: nothing is guessed.
pub(super) fn entity(
    snapshot: &Snapshot,
    text: &str,
    types: &[&str],
    absent: Absent,
) -> Result<(String, String), String> {
    match typed(text) {
        Typed::Entity(name, id) => match type_of(snapshot, &name) {
            Some(exact) => typed_entity(snapshot, (&name, exact), &id, types, absent),
            // An id may have a colon too.
            None if has_id(snapshot, text, types) => bare(snapshot, text, types),
            None => Err(no_type(snapshot, &name)),
        },
        Typed::Id(id) => bare(snapshot, &id, types),
    }
}

fn has_id(snapshot: &Snapshot, id: &str, types: &[&str]) -> bool {
    types.iter().any(|entity_type| snapshot.has_entity(entity_type, id))
}

fn no_type(snapshot: &Snapshot, name: &str) -> String {
    let types: Vec<&str> = snapshot.entity_types().collect();
    let near = nearest(name, types.iter().copied().chain(types.iter().map(|name| last_part(name))));
    format!("no entity type `{name}`{}", offer(near.as_slice(), &types))
}

/// The exact name of an entity type.
///
/// # Errors
/// A message with what is near.
pub(super) fn entity_type(snapshot: &Snapshot, name: &str) -> Result<String, String> {
    type_of(snapshot, name).map(str::to_owned).ok_or_else(|| no_type(snapshot, name))
}

/// The type that a name means, `service-user` and `service_user` among them, as documents and commands write it.
fn type_of<'s>(snapshot: &'s Snapshot, name: &str) -> Option<&'s str> {
    let joined = || snapshot.entity_type(&name.replace(['-', '_'], ""));
    snapshot.entity_type(name).or_else(joined)
}

/// The action of a name.
///
/// # Errors
/// A message with what is near.
pub(super) fn action(snapshot: &Snapshot, name: &str) -> Result<ActionListing, String> {
    snapshot.action(name).ok_or_else(|| {
        let actions = snapshot.actions();
        let short: Vec<&str> = actions.iter().map(|action| action.short.as_str()).collect();
        let near = nearest(name, short.iter().copied());
        format!("no action `{name}`{}", offer(near.as_slice(), &short))
    })
}

fn typed_entity(
    snapshot: &Snapshot,
    (name, exact): (&str, &str),
    id: &str,
    types: &[&str],
    absent: Absent,
) -> Result<(String, String), String> {
    if !types.contains(&exact) {
        return Err(format!("`{name}` cannot stand there; {} can", listed(types, " or ")));
    }
    if absent == Absent::Taken || snapshot.has_entity(exact, id) {
        return Ok((exact.to_owned(), id.to_owned()));
    }
    let near = near_ids(snapshot, id, &[exact]);
    if near.is_empty() {
        return Err(format!("no {name} `{id}`; if the store need not have it, say so with --absent"));
    }
    Err(no_entity(name, id, &near))
}

fn no_entity(name: &str, id: &str, near: &[String]) -> String {
    let near: Vec<&str> = near.iter().map(String::as_str).collect();
    format!("no {name} `{id}`{}", offer(&near, &[]))
}

/// The exact type and the id of an entity that has to be there and can ask for something.
///
/// # Errors
/// A message with what is near.
pub(super) fn principal(snapshot: &Snapshot, name: &str, id: &str) -> Result<(String, String), String> {
    let exact = entity_type(snapshot, name)?;
    let environments = snapshot.allowed_environments();
    let mut types: Vec<&str> = environments.iter().map(|kind| kind.principal.as_str()).collect();
    types.sort_unstable();
    types.dedup();
    if !types.contains(&exact.as_str()) {
        return Err(format!("`{name}` cannot stand there; {} can", listed(&types, " or ")));
    }
    if !snapshot.has_entity(&exact, id) {
        return Err(no_entity(name, id, &near_ids(snapshot, id, &[&exact])));
    }
    Ok((exact, id.to_owned()))
}

/// An id without a type: it has to be that of one entity.
fn bare(snapshot: &Snapshot, id: &str, types: &[&str]) -> Result<(String, String), String> {
    let having: Vec<&str> = types.iter().copied().filter(|entity_type| snapshot.has_entity(entity_type, id)).collect();
    match having.as_slice() {
        [one] => return Ok(((*one).to_owned(), id.to_owned())),
        [] => {}
        several => {
            let several: Vec<String> = several.iter().map(|name| format!("{name}:{id}")).collect();
            let several: Vec<&str> = several.iter().map(String::as_str).collect();
            return Err(format!("`{id}` could be {}; write it with its type", listed(&several, " or ")));
        }
    }
    let elsewhere = snapshot.entity_types().find(|entity_type| snapshot.has_entity(entity_type, id));
    if let Some(elsewhere) = elsewhere {
        return Err(format!(
            "`{id}` is a {elsewhere}, which cannot stand there; {} can",
            listed(types, " or ")
        ));
    }
    let near = near_ids(snapshot, id, types);
    let near: Vec<&str> = near.iter().map(String::as_str).collect();
    Err(format!("no {} `{id}`{}", types.join(" or "), offer(&near, &[])))
}

/// Ids that somebody may have meant: those that begin with what was typed, or else the one that is nearest, as a whole
/// or up to its first `@`, `/`, `:` or `.`.
fn near_ids(snapshot: &Snapshot, id: &str, types: &[&str]) -> Vec<String> {
    let known = || types.iter().flat_map(|entity_type| snapshot.entity_ids(entity_type)).take(LOOKS_MAX);
    let begins = |known: &&str| known.get(..id.len()).is_some_and(|start| start.eq_ignore_ascii_case(id));
    let mut beginning: Vec<&str> = known().filter(|_| !id.is_empty()).filter(begins).collect();
    beginning.sort_unstable();
    if !beginning.is_empty() {
        return beginning.into_iter().take(OFFERED_MAX).map(str::to_owned).collect();
    }
    // What differs much in length is not near, and is not compared.
    let length = id.chars().count();
    let alike = |known: &&str| known.chars().count().abs_diff(length) * 3 <= known.chars().count().max(3);
    let head = |known: &'_ str| known.find(['@', '/', ':', '.']).unwrap_or(known.len());
    let whole = nearest(id, known().filter(alike));
    let by_head = nearest(id, known().map(|known| &known[..head(known)]).filter(alike));
    match (whole, by_head) {
        (Some(whole), _) => vec![whole.to_owned()],
        (None, Some(near)) => {
            let mut meant: Vec<&str> = known().filter(|known| known[..head(known)] == *near).collect();
            meant.sort_unstable();
            meant.into_iter().take(OFFERED_MAX).map(str::to_owned).collect()
        }
        (None, None) => Vec::new(),
    }
}

/// What to write instead: what is near, or all if they are few.
fn offer(near: &[&str], all: &[&str]) -> String {
    const FEW: usize = 12;
    match (near, all.len()) {
        ([], 1..=FEW) => format!("; there is {}", listed(all, " and ")),
        ([], _) => String::new(),
        (near, _) => format!(": did you mean {}?", listed(near, " or ")),
    }
}

/// `a`, `b` or `c`
fn listed(names: &[&str], last: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [front @ .., end] => format!("{}{last}{end}", front.join(", ")),
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company() -> Snapshot {
        let options = crate::engine::Options::default();
        crate::store::compile_files(&crate::app::built_in(), &options).expect("the built-in model")
    }

    #[test]
    fn entities_are_read_as_they_are_written() {
        let entity = |entity_type: &str, id: &str| Typed::Entity(entity_type.to_owned(), id.to_owned());
        for (text, read) in [
            ("User::\"ana\"", entity("User", "ana")),
            ("App::User::\"a:b\"", entity("App::User", "a:b")),
            ("user:ana", entity("user", "ana")),
            ("App::User:ana", entity("App::User", "ana")),
            ("user:", entity("user", "")),
            ("ana", Typed::Id("ana".to_owned())),
            ("a::b", Typed::Id("a::b".to_owned())),
            ("", Typed::Id(String::new())),
        ] {
            assert_eq!(typed(text), read, "{text}");
        }
    }

    #[test]
    fn a_name_means_one_entity_or_is_explained() {
        let company = company();
        let read = |text, types: &[&str]| entity(&company, text, types, Absent::Refused);
        let accounts = ["ServiceUser", "User"];
        let stores = ["Datastore", "EnrichmentDatastore", "Team"];
        for (text, types, meant) in [
            ("ana@example.com", &accounts[..], ("User", "ana@example.com")),
            ("nightly-scan", &accounts, ("ServiceUser", "nightly-scan")),
            ("user:ana@example.com", &accounts, ("User", "ana@example.com")),
            ("Team::\"sales\"", &stores, ("Team", "sales")),
        ] {
            let (entity_type, id) = read(text, types).expect(text);
            assert_eq!((&*entity_type, &*id), meant);
        }
        for (text, types, told) in [
            (
                "aan",
                &accounts[..],
                "no ServiceUser or User `aan`: did you mean `ana@example.com`?",
            ),
            (
                "Ana@Example.com",
                &accounts,
                "no ServiceUser or User `Ana@Example.com`: did you mean `ana@example.com`?",
            ),
            (
                "user:aan@example.com",
                &accounts,
                "no user `aan@example.com`: did you mean `ana@example.com`?",
            ),
            (
                "ledg",
                &stores,
                "no Datastore or EnrichmentDatastore or Team `ledg`: did you mean `ledger` or `ledger-quality`?",
            ),
            ("usr:ana", &accounts, "no entity type `usr`: did you mean `User`?"),
            (
                "team:sales",
                &accounts,
                "`team` cannot stand there; `ServiceUser` or `User` can",
            ),
            (
                "sales",
                &accounts,
                "`sales` is a Team, which cannot stand there; `ServiceUser` or `User` can",
            ),
            (
                "user:zzzzzzzzzz",
                &accounts,
                "no user `zzzzzzzzzz`; if the store need not have it, say so with --absent",
            ),
            ("", &accounts, "no ServiceUser or User ``"),
        ] {
            assert_eq!(read(text, types).expect_err(text), told);
        }
        assert!(entity(&company, "user:zoe", &accounts, Absent::Taken).is_ok());
        assert_eq!(
            action(&company, "raed").expect_err("no action"),
            "no action `raed`: did you mean `read`?"
        );
        let told = entity_type(&company, "Datastor").expect_err("no type");
        assert_eq!(told, "no entity type `Datastor`: did you mean `Datastore`?");
    }

    #[test]
    fn an_id_of_two_types_asks_for_the_type() {
        let files = [
            (
                "schema/s.cedarschema",
                "entity A, B; action go appliesTo { principal: A, resource: [A, B] };",
            ),
            ("policies/p.cedar", "permit (principal, action, resource);"),
            (
                "entities/e.json",
                r#"[{"uid":{"type":"A","id":"x"},"attrs":{},"parents":[]},{"uid":{"type":"B","id":"x"},"attrs":{},"parents":[]},
                    {"uid":{"type":"B","id":"urn:1"},"attrs":{},"parents":[]}]"#,
            ),
        ];
        let kinds = [
            crate::store::Kind::Schema,
            crate::store::Kind::Policies,
            crate::store::Kind::Entities,
        ];
        let files = files.iter().zip(kinds).map(|((name, content), kind)| crate::store::File {
            kind,
            text: crate::engine::Text::new(*name, *content),
        });
        let files: Vec<_> = files.collect();
        let snapshot = crate::store::compile_files(&files, &crate::engine::Options::default()).expect("a snapshot");
        let told = entity(&snapshot, "x", &["A", "B"], Absent::Refused).expect_err("two");
        assert_eq!(told, "`x` could be `A:x` or `B:x`; write it with its type");
        // An id may have a colon.
        let found = entity(&snapshot, "urn:1", &["A", "B"], Absent::Refused).expect("one");
        assert_eq!(found, ("B".to_owned(), "urn:1".to_owned()));
    }
}
