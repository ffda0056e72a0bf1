//! Through what a principal has an access: the ways in which the policies grant it.
//!
//! They come from the files. Where a sidecar serves other files, they would be the grounds of another answer, and are left
//! out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::levels::Access;
use super::reach::Name;
use crate::cli::source::Source;
use crate::engine::{FactName, Named, Path, Query, Step};

/// The grounds of one access.
#[derive(Debug, Default)]
pub(in crate::cli) struct Grounds {
    ways: BTreeSet<Way>,
    /// Ids of the policies that permit the highest levels, or the actions where there are no levels.
    pub(in crate::cli) policies: BTreeSet<String>,
}

/// One way in which a policy grants it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    /// From what the principal is directly in up to the group that counts, and the attribute that names it.
    chains: Vec<(Vec<Name>, Option<String>)>,
    /// Conditions that hold besides.
    conditions: Vec<String>,
    policy: String,
}

impl Grounds {
    pub(in crate::cli) fn of(source: &Source, principal: &Name, resource: &Name, access: &Access) -> Self {
        let Some(snapshot) = source.snapshot() else { return Self::default() };
        if source.is_sidecar() && source.revision() != Some(snapshot.revision()) {
            return Self::default();
        }
        let actions = if access.levels.is_empty() {
            &access.actions
        } else {
            &access.levels
        };
        let mut grounds = Self::default();
        for action in actions {
            let query = Query {
                context: source.context(),
                ..Query::plain((&principal.0, &principal.1), action, (&resource.0, &resource.1))
            };
            let Ok(explanation) = snapshot.explain(&query) else { continue };
            if explanation.decision.is_allowed() {
                grounds
                    .policies
                    .extend(explanation.determining.iter().map(|policy| policy.info.id.to_string()));
                grounds.ways.extend(explanation.paths.iter().map(Way::of));
            }
        }
        grounds
    }

    /// `finance (writers); principal.role == "Admin"`
    pub(in crate::cli) fn through(&self) -> String {
        let words: BTreeSet<String> = self.ways.iter().map(Way::words).collect();
        words.into_iter().collect::<Vec<_>>().join("; ")
    }

    pub(in crate::cli) fn to_json(&self) -> Value {
        let name = |(entity_type, id): &Name| json!({ "type": entity_type, "id": id });
        let chain = |(chain, attribute): &(Vec<Name>, Option<String>)| json!({ "groups": chain.iter().map(name).collect::<Vec<_>>(), "attribute": attribute });
        let way = |way: &Way| {
            json!({
                "policy": way.policy, "conditions": way.conditions,
                "chains": way.chains.iter().map(chain).collect::<Vec<_>>(),
            })
        };
        self.ways.iter().map(way).collect()
    }
}

impl Way {
    fn of(path: &Path<'_>) -> Self {
        let mut way = Self {
            chains: Vec::new(),
            conditions: Vec::new(),
            policy: path.info.id.to_string(),
        };
        let name = |named: &Named<'_>| (named.entity_type.to_string(), named.id.to_string());
        let attribute = |fact: &FactName<'_>| fact.names.join(".");
        for step in &path.steps {
            match step {
                Step::Chain {
                    entities, listed_in, ..
                } => {
                    // The first is the entity itself; where it is the last too, it is what counts.
                    let above = entities.get(1..).filter(|above| !above.is_empty()).unwrap_or(entities);
                    way.chains.push((above.iter().map(name).collect(), listed_in.as_ref().map(attribute)));
                }
                Step::Listed { element, listed_in, .. } => {
                    way.chains.push((vec![name(element)], Some(attribute(listed_in))))
                }
                Step::Clause { text, is_negated, .. } => {
                    way.conditions.push(if *is_negated {
                        format!("not {text}")
                    } else {
                        text.to_string()
                    });
                }
            }
        }
        way
    }

    fn words(&self) -> String {
        let chain = |(chain, attribute): &(Vec<Name>, Option<String>)| {
            let ids: Vec<&str> = chain.iter().map(|(_, id)| id.as_str()).collect();
            let attribute = attribute.as_ref().map(|attribute| format!(" ({attribute})")).unwrap_or_default();
            format!("{}{attribute}", ids.join(" → "))
        };
        let mut words: Vec<String> = self.chains.iter().map(chain).collect();
        // Where a group grants it, that is what people look for.
        if words.is_empty() {
            words.clone_from(&self.conditions);
        }
        if words.is_empty() {
            return "no condition".to_owned();
        }
        words.join(" and ")
    }
}
