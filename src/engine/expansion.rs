//! How large the types of a schema are once every name in them is written out.
//!
//! Cedar shares what a common type stands for, and then walks it once for every way that leads to it. Fifty types of
//! which each uses the one before twice are two kilobytes of text and 2^50 steps.

use std::collections::HashMap;

use cedar_policy::SchemaFragment;
use serde_json::Value;

use super::fault::Fault;

/// Members, sets and names of one common type, written out.
const SIZE_MAX: u64 = 100_000;

/// The fault of the first common type, by name, that is too large.
pub(super) fn check(fragments: &[SchemaFragment]) -> Option<Fault> {
    let namespaces: Vec<(String, Value)> = fragments
        .iter()
        .filter_map(|fragment| serde_json::from_str::<Value>(&fragment.to_json_string().ok()?).ok())
        .filter_map(|json| match json {
            Value::Object(namespaces) => Some(namespaces),
            _ => None,
        })
        .flatten()
        .collect();
    let mut sizes = Sizes::default();
    for (namespace, definition) in &namespaces {
        for (name, ty) in definition["commonTypes"].as_object().into_iter().flatten() {
            sizes.types.insert(qualified(namespace, name), (namespace, ty));
        }
    }
    let mut names: Vec<String> = sizes.types.keys().cloned().collect();
    names.sort();
    let too_large = names.into_iter().find(|name| sizes.of_name(name, "") > SIZE_MAX)?;
    Some(
        Fault::error(
            "schema-size",
            format!("the type `{too_large}` has more than {SIZE_MAX} parts once every name in it is written out"),
        )
        .help("use fewer types within types; an entity type is not written out"),
    )
}

fn qualified(namespace: &str, name: &str) -> String {
    if namespace.is_empty() || name.contains("::") {
        name.to_owned()
    } else {
        format!("{namespace}::{name}")
    }
}

#[derive(Default)]
struct Sizes<'s> {
    /// Common types by their whole names, each with the namespace that names in it are looked up in.
    types: HashMap<String, (&'s str, &'s Value)>,
    known: HashMap<String, u64>,
}

impl Sizes<'_> {
    fn of_name(&mut self, name: &str, namespace: &str) -> u64 {
        let inside = qualified(namespace, name);
        let whole = if self.types.contains_key(&inside) {
            inside
        } else {
            name.to_owned()
        };
        if let Some(size) = self.known.get(&whole) {
            return *size;
        }
        // Entity types, extensions and primitives are one part. So is a type within itself, which Cedar refuses.
        let Some((namespace, ty)) = self.types.get(&whole).copied() else {
            return 1;
        };
        self.known.insert(whole.clone(), 1);
        let size = self.of_type(ty, namespace);
        self.known.insert(whole, size);
        size
    }

    fn of_type(&mut self, ty: &Value, namespace: &str) -> u64 {
        match ty["type"].as_str() {
            Some("Record") => {
                let members = ty["attributes"].as_object().into_iter().flatten();
                members.fold(1, |size: u64, (_, member)| size.saturating_add(self.of_type(member, namespace)))
            }
            Some("Set") => self.of_type(&ty["element"], namespace).saturating_add(1),
            Some("Entity" | "Extension") => 1,
            Some("EntityOrCommon") => self.of_name(ty["name"].as_str().unwrap_or_default(), namespace),
            Some(name) => self.of_name(name, namespace),
            None => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(count: usize) -> Vec<SchemaFragment> {
        let mut text = String::from("namespace App { type A0 = { n: Long, of: User }; entity User; ");
        for number in 1..=count {
            let before = number - 1;
            text.push_str(&format!("type A{number} = {{ a: A{before}, b: Set<App::A{before}> }}; "));
        }
        text.push('}');
        vec![text.parse().expect("a schema")]
    }

    #[test]
    fn types_that_double_each_other_are_refused_and_a_few_are_not() {
        assert!(check(&schema(10)).is_none());
        let fault = check(&schema(50)).expect("2^50 parts");
        assert!(fault.message.contains("`App::A"), "{fault}");
    }
}
