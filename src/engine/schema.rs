//! Schema texts read into one Cedar schema, and the aliases that they declare.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{Schema, SchemaFragment};

use super::core::{self, Loc};
use super::expansion;
use super::fault::{Fault, Severity};
use super::nesting;
use super::text::{Span, Text};

/// A schema, with what Cedar's own form of it leaves out.
pub(super) struct SchemaRead {
    pub(super) schema: Schema,
    /// Entity type, by its exact name, to its aliases.
    pub(super) type_aliases: BTreeMap<String, Vec<String>>,
    /// Action, by its exact name, to its aliases.
    pub(super) action_aliases: BTreeMap<String, Vec<String>>,
    pub(super) said: Said,
}

/// What people call things (`@said("team with Write")`), by the things' exact names.
#[derive(Default)]
pub(super) struct Said {
    names: HashMap<String, String>,
    attributes: HashMap<String, HashMap<String, String>>,
}

impl Said {
    /// What people call an entity of this type, or what they say for doing this action.
    pub(super) fn name(&self, exact: &str) -> Option<&str> {
        self.names.get(exact).map(String::as_str)
    }

    /// What people call an attribute, or an element of one that is a set.
    pub(super) fn attribute(&self, entity_type: &str, name: &str) -> Option<&str> {
        self.attributes.get(entity_type)?.get(name).map(String::as_str)
    }
}

/// Reads all schema texts as one schema; faults are added to `faults`.
pub(super) fn read(texts: &[Text], faults: &mut Vec<Fault>) -> Option<SchemaRead> {
    if texts.is_empty() {
        faults.push(Fault::error("schema-missing", "there is no schema").help(
            "put a Cedar schema into `schema/`, in a file whose name ends in `.cedarschema`; an empty directory never \
             means that anything goes",
        ));
        return None;
    }
    let errors = |faults: &[Fault]| faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    let before = errors(faults);
    faults.extend(texts.iter().flat_map(Fault::bidirectional));
    let fragments: Vec<SchemaFragment> = texts.iter().filter_map(|text| fragment(text, faults)).collect();
    if errors(faults) > before {
        return None;
    }
    if let Some(fault) = expansion::check(&fragments) {
        faults.push(fault);
        return None;
    }
    let mut type_aliases = BTreeMap::new();
    let mut action_aliases = BTreeMap::new();
    let mut said = Said::default();
    for fragment in &fragments {
        collect_annotations(fragment, &mut type_aliases, &mut action_aliases, &mut said);
    }
    match Schema::from_schema_fragments(fragments) {
        Ok(schema) => Some(SchemaRead {
            schema,
            type_aliases,
            action_aliases,
            said,
        }),
        Err(error) => {
            faults.push(Fault::from_cedar("schema", &error, owner(&error, texts)));
            None
        }
    }
}

fn fragment(text: &Text, faults: &mut Vec<Fault>) -> Option<SchemaFragment> {
    if text.name.ends_with(".json") {
        return SchemaFragment::from_json_str(&text.content)
            .map_err(|error| faults.push(Fault::from_cedar("schema-syntax", &error, Some(text))))
            .ok();
    }
    if let Some(fault) = nesting::check(text) {
        faults.push(fault);
        return None;
    }
    match SchemaFragment::from_cedarschema_str(&text.content) {
        Ok((fragment, warnings)) => {
            faults.extend(
                warnings.map(|warning| Fault::from_cedar("schema-warning", &warning, Some(text)).into_warning()),
            );
            Some(fragment)
        }
        Err(error) => {
            faults.push(Fault::from_cedar("schema-syntax", &error, Some(text)));
            None
        }
    }
}

/// The text that an error about several of them is about: the one that has the labelled words where the label says.
fn owner<'t>(error: &dyn miette::Diagnostic, texts: &'t [Text]) -> Option<&'t Text> {
    if let [only] = texts {
        return Some(only);
    }
    let label = error.labels()?.next()?;
    let source = error.source_code()?;
    let words = source.read_span(label.inner(), 0, 0).ok()?;
    let words = std::str::from_utf8(words.data()).ok()?.trim();
    texts.iter().find(|text| {
        let end = (label.offset() + words.len()).min(text.content.len());
        text.content
            .get(label.offset().min(end)..end)
            .is_some_and(|found| found.contains(words) || words.contains(found) && !found.is_empty())
    })
}

/// The text and span of a declaration.
pub(super) fn place_of<'t>(loc: Option<&Loc>, texts: &'t [Text]) -> Option<(&'t Text, Span)> {
    let loc = loc?;
    let text = texts.iter().find(|text| *text.content == *loc.src)?;
    Some((text, core::span(loc)))
}

/// `@alias("a, b")` and `@said("…")` on declarations. Cedar keeps annotations only in the JSON form of a fragment.
fn collect_annotations(
    fragment: &SchemaFragment,
    types: &mut BTreeMap<String, Vec<String>>,
    actions: &mut BTreeMap<String, Vec<String>>,
    said: &mut Said,
) {
    let Ok(json) = fragment.to_json_string() else { return };
    let Ok(serde_json::Value::Object(namespaces)) = serde_json::from_str(&json) else {
        return;
    };
    for (namespace, definition) in &namespaces {
        let prefix = if namespace.is_empty() {
            String::new()
        } else {
            format!("{namespace}::")
        };
        for (kind, into) in [("entityTypes", &mut *types), ("actions", &mut *actions)] {
            for (name, declaration) in definition[kind].as_object().into_iter().flatten() {
                let exact = if kind == "actions" {
                    format!("{prefix}Action::\"{}\"", name.escape_debug())
                } else {
                    format!("{prefix}{name}")
                };
                let annotation = |declaration: &serde_json::Value, key: &str| {
                    declaration["annotations"][key].as_str().map(str::to_owned)
                };
                if let Some(aliases) = annotation(declaration, "alias") {
                    let aliases = aliases.split(',').map(|alias| alias.trim().to_owned());
                    into.entry(exact.clone()).or_default().extend(aliases.filter(|alias| !alias.is_empty()));
                }
                for (name, attribute) in declaration["shape"]["attributes"].as_object().into_iter().flatten() {
                    if let Some(words) = annotation(attribute, "said") {
                        said.attributes.entry(exact.clone()).or_default().insert(name.clone(), words);
                    }
                }
                if let Some(words) = annotation(declaration, "said") {
                    said.names.insert(exact, words);
                }
            }
        }
    }
}
