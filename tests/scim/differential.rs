//! PATCH against an independent implementation: `oracle.py` writes random sequences and the states that scim2-models comes
//! to, and ours must be the same, or differ in one of the ways that docs/scim.md lists.

use std::collections::{BTreeMap, BTreeSet};

use gatepost::scim::{Operation, Resource, Verb, operations, patch_user, read_user};
use serde_json::{Value, json};

/// How ours may differ, with the words of docs/scim.md.
const KINDS: &[(&str, fn(&Seen) -> bool)] = &[
    ("a resource that is sent back whole, with its `id`, is taken", |seen| {
        let has_id = |operation: &Operation| operation.path.is_none() && operation.value.get("id").is_some();
        seen.why == "'id' is read-only" && seen.operations.iter().any(has_id)
    }),
    ("a path to an attribute that there is not is refused", |seen| {
        let refused = seen.ours.as_ref().err();
        seen.theirs.is_some() && refused.is_some_and(|problem| problem.starts_with("there is no attribute"))
    }),
    ("a manager without a `value` is a manager", |seen| {
        seen.theirs.is_none() && seen.why.contains("required attribute 'value' became unassigned")
    }),
    ("`null` for what no value meets the filter of does nothing", |seen| {
        let is_null = |operation: &Operation| {
            operation.verb == Verb::Replace
                && operation.value.is_null()
                && operation.path.as_ref().is_some_and(|path| path.contains('['))
        };
        let is_why = seen.why.contains("the path filter") || seen.why.contains("contradicts the filter");
        (seen.theirs.is_some() || is_why) && seen.operations.iter().any(is_null)
    }),
    ("two values that are one may both be primary", |seen| {
        seen.why == "Multiple values marked as primary" && seen.ours.is_ok()
    }),
    ("`null` for the values that meet a filter takes them away", |seen| {
        seen.ours.is_ok() && seen.why.contains("Input should be a valid dictionary or instance")
    }),
    ("`null` for an extension takes it away", |seen| {
        seen.why.contains("the value written to 'urn:ietf:params:scim:schemas:extension")
            && seen.operations.iter().any(|operation| operation.value.is_null())
    }),
    (
        "a value with the `value` and `type` of another is that one, with more known of it",
        |seen| {
            let Some(added) = seen.operations.iter().position(|operation| operation.verb == Verb::Add) else {
                return false;
            };
            // Of one value and of two others meet a filter that comes later.
            let is_told_apart = |(name, _): &(String, Vec<Value>)| {
                let is_filter = |path: &String| path.starts_with(&format!("{name}["));
                seen.operations.iter().skip(added).any(|later| later.path.as_ref().is_some_and(is_filter))
            };
            differing(seen).is_some_and(|(ours, theirs)| {
                let (one, other) = (merged(&ours), merged(&theirs));
                is_merged(&one, &other) || (ours.iter().all(is_told_apart) && one.keys().eq(other.keys()))
            })
        },
    ),
    ("a `remove` with values goes by their `value` and `type`", |seen| {
        let names_more = |value: &Value| {
            value.get("value").is_some() && (value.get("display").is_some() || value.get("primary").is_some())
        };
        let is_such = |operation: &&Operation| {
            operation.verb == Verb::Remove
                && operation.value.as_array().is_some_and(|values| values.iter().any(names_more))
        };
        let named: Vec<&String> = seen
            .operations
            .iter()
            .filter(is_such)
            .filter_map(|operation| operation.path.as_ref())
            .collect();
        follows(seen, &named)
    }),
    ("a value that loses its last part is gone", |seen| {
        let of = |operation: &Operation| {
            let path = operation.path.as_ref().filter(|_| operation.verb == Verb::Remove)?;
            let (name, part) = path.split_once('[')?;
            part.contains("].").then(|| name.to_owned())
        };
        let named: Vec<String> = seen.operations.iter().filter_map(of).collect();
        follows(seen, &named.iter().collect::<Vec<_>>()) || is_revived(seen)
    }),
];

/// Whether theirs has values that an earlier request left without parts, and that this one wrote a part of again.
fn is_revived(seen: &Seen) -> bool {
    let written = |operation: &Operation| {
        let (name, part) = operation.path.as_ref()?.split_once('[')?;
        let (_, part) = part.split_once("].")?;
        Some((name.to_owned(), json!({(part): operation.value})))
    };
    let written: Vec<(String, Value)> = seen.operations.iter().filter_map(written).collect();
    differing(seen).is_some_and(|(ours, theirs)| {
        ours.iter().zip(&theirs).all(|((name, ours), (_, theirs))| {
            let is_new = |value: &&Value| !written.iter().any(|(of, new)| of == name && new == *value);
            theirs.iter().filter(is_new).eq(ours) && theirs.len() > ours.len()
        })
    })
}

/// Whether the difference is one of these attributes, or follows from it: a later operation finds no value there, or
/// makes one.
fn follows(seen: &Seen, named: &[&String]) -> bool {
    match (&seen.ours, differing(seen)) {
        (Err(problem), _) => !named.is_empty() && problem.contains("the filter"),
        (Ok(_), Some((ours, theirs))) => {
            let is_other = |(name, _): &&(String, Vec<Value>)| !named.contains(&name);
            let others = |values: &Values| merged(&values.iter().filter(is_other).cloned().collect());
            ours.iter().any(|(name, _)| named.contains(&name)) && is_merged(&others(&ours), &others(&theirs))
        }
        (Ok(_), None) => false,
    }
}

/// The attributes that differ, with the values of both, where both came to a state.
type Values = Vec<(String, Vec<Value>)>;

fn differing(seen: &Seen) -> Option<(Values, Values)> {
    let (ours, theirs) = (compared_form(seen.ours.as_ref().ok()?), compared_form(seen.theirs.as_ref()?));
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let names: Vec<&String> = names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name)).collect();
    let values = |user: &Resource| {
        let values = |name: &&String| user.get(*name).map_or(Some(Vec::new()), |value| value.as_array().cloned());
        names
            .iter()
            .map(|name| Some(((*name).clone(), values(name)?)))
            .collect::<Option<Values>>()
    };
    Some((values(&ours)?, values(&theirs)?))
}

/// What is known of each `value` of each attribute.
type Merged = BTreeMap<(String, String), BTreeSet<(String, String)>>;

fn merged(values: &Values) -> Merged {
    let mut merged = Merged::new();
    for (name, value) in values.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value))) {
        let text = |part: &str| value[part].to_string().to_lowercase();
        let parts = value.as_object().into_iter().flatten();
        let key = if value.get("value").is_some() {
            text("value")
        } else {
            format!("{:?}", parts.collect::<BTreeMap<_, _>>())
        };
        let parts = value.as_object().into_iter().flatten().filter(|(part, _)| *part != "value");
        let known = merged.entry((name.clone(), key)).or_default();
        known.extend(parts.map(|(part, value)| (part.clone(), value.to_string())));
    }
    merged
}

/// Whether ours has the same values, and knows nothing of them that theirs does not.
fn is_merged(ours: &Merged, theirs: &Merged) -> bool {
    ours.keys().eq(theirs.keys()) && ours.iter().all(|(key, parts)| parts.is_subset(&theirs[key]))
}

/// One request where the two came to different states.
struct Seen {
    before: Resource,
    operations: Vec<Operation>,
    ours: Result<Resource, String>,
    theirs: Option<Resource>,
    why: String,
}

/// Sequences from the file that the environment names, or else those of the project.
fn sequences() -> String {
    match std::env::var("GATEPOST_SCIM_SEQUENCES") {
        Ok(path) => std::fs::read_to_string(path).expect("sequences"),
        Err(_) => include_str!("sequences.jsonl").to_owned(),
    }
}

#[test]
fn random_patches_come_to_the_states_of_an_independent_implementation() {
    let mut compared = 0;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for line in sequences().lines() {
        let sequence: Value = serde_json::from_str(line).expect("a sequence");
        let mut before = read_user(sequence["start"].clone()).expect("a user");
        let parts = |name: &str| sequence[name].as_array().expect("a list").clone();
        for ((request, state), why) in parts("requests").into_iter().zip(parts("states")).zip(parts("why")) {
            compared += 1;
            let operations = operations(json!({"Operations": request})).expect("operations");
            let ours = patch_user(&before, &operations).map_err(|problem| problem.detail);
            let theirs = (!state.is_null()).then(|| read_user(state).expect("a user"));
            // After a difference both go on from their state.
            let next = theirs.clone().unwrap_or_else(|| before.clone());
            if ours.as_ref().ok().map(compared_form) != theirs.as_ref().map(compared_form) {
                let why = why.as_str().unwrap_or_default().to_owned();
                let seen = Seen {
                    before,
                    operations,
                    ours,
                    theirs,
                    why,
                };
                match KINDS.iter().find(|(_, is)| is(&seen)) {
                    Some((kind, _)) => *kinds.entry(kind).or_default() += 1,
                    None => unexplained.push(seen),
                }
            }
            before = next;
        }
    }
    println!("{compared} requests, {} differ in no known way", unexplained.len());
    for (kind, count) in &kinds {
        println!("{count:>6} {kind}");
    }
    for seen in unexplained.iter().take(25) {
        println!("\nbefore: {}", Value::Object(seen.before.clone()));
        for operation in &seen.operations {
            println!("  {:?} {:?} {}", operation.verb, operation.path, operation.value);
        }
        let (ours, theirs) = (seen.ours.clone().unwrap_or_default(), seen.theirs.clone().unwrap_or_default());
        for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
            if ours.get(name) != theirs.get(name) {
                println!("  {name}: ours {:?}, theirs {:?}", ours.get(name), theirs.get(name));
            }
        }
        println!("ours:   {}", seen.ours.as_ref().map_or_else(String::as_str, |_| ""));
        println!("theirs: {}", seen.why);
    }
    assert!(compared > 100 && unexplained.is_empty());
}

/// A user with the types of values in lower case: theirs writes those that are usual so, ours keeps them as they came.
fn compared_form(user: &Resource) -> Resource {
    let mut user = user.clone();
    for values in user.values_mut().filter_map(Value::as_array_mut) {
        for value in values.iter_mut().filter_map(|value| value.get_mut("type")) {
            *value = value.as_str().unwrap_or_default().to_lowercase().into();
        }
    }
    user
}
