//! Which kinds of questions a list is made of: those that policies can apply to, as far as the command line names them.

use std::collections::{BTreeMap, BTreeSet};

use super::levels::Levels;
use crate::cli::names;
use crate::cli::source::{Failed, Source};
use crate::engine::RequestEnvironment;

/// What the command line names; what is empty stands for all.
#[derive(Debug, Default)]
pub(in crate::cli) struct Chosen<'a> {
    pub(in crate::cli) principals: &'a [String],
    pub(in crate::cli) actions: &'a [String],
    pub(in crate::cli) resources: &'a [String],
}

/// Kinds of questions, and the levels among their actions.
pub(in crate::cli) struct Kinds {
    kinds: Vec<RequestEnvironment>,
    /// By the types of principals and resources.
    levels: BTreeMap<(String, String), Levels>,
}

impl Kinds {
    /// The kinds that were chosen.
    ///
    /// # Errors
    /// A name that the schema does not have; or nothing is known of the schema, and not everything was named.
    pub(in crate::cli) fn of(source: &Source, chosen: &Chosen<'_>) -> Result<Self, Failed> {
        let Some(snapshot) = source.snapshot() else { return named(chosen) };
        let types = |names: &[String]| -> Result<BTreeSet<String>, Failed> {
            let names = names.iter().map(|name| names::entity_type(snapshot, name));
            names.collect::<Result<_, _>>().map_err(Failed::Other)
        };
        let (principals, resources) = (types(chosen.principals)?, types(chosen.resources)?);
        let actions = chosen.actions.iter().map(|name| Ok(names::action(snapshot, name)?.name));
        let actions: BTreeSet<String> = actions.collect::<Result<_, String>>().map_err(Failed::Other)?;
        let takes = |names: &BTreeSet<String>, name: &String| names.is_empty() || names.contains(name);
        let mut kinds = snapshot.request_environments();
        kinds.retain(|kind| {
            takes(&principals, &kind.principal) && takes(&actions, &kind.action) && takes(&resources, &kind.resource)
        });
        let mut by_types: BTreeMap<(String, String), Vec<&RequestEnvironment>> = BTreeMap::new();
        for kind in &kinds {
            by_types.entry((kind.principal.clone(), kind.resource.clone())).or_default().push(kind);
        }
        let levels = by_types.into_iter().map(|(types, kinds)| (types, Levels::of(snapshot, &kinds)));
        Ok(Self {
            levels: levels.collect(),
            kinds,
        })
    }

    /// All of them, in ascending order.
    pub(in crate::cli) fn iter(&self) -> impl Iterator<Item = &RequestEnvironment> {
        self.kinds.iter()
    }

    /// The levels between two types; none where there are none.
    pub(in crate::cli) fn levels(&self, principal: &str, resource: &str) -> Levels {
        self.levels.get(&(principal.to_owned(), resource.to_owned())).cloned().unwrap_or_default()
    }

    /// Types of resources for which there are levels.
    pub(in crate::cli) fn resources_with_levels(&self) -> BTreeSet<&str> {
        let with = self.levels.iter().filter(|(_, levels)| !levels.is_empty());
        with.map(|((_, resource), _)| resource.as_str()).collect()
    }

    /// Leaves those of these types of resources, and gives the other types.
    pub(in crate::cli) fn keep_resources(&mut self, types: &BTreeSet<String>) -> Vec<String> {
        let left_out = self.kinds.iter().map(|kind| &kind.resource).filter(|resource| !types.contains(*resource));
        let left_out: BTreeSet<String> = left_out.cloned().collect();
        self.kinds.retain(|kind| types.contains(&kind.resource));
        self.levels.retain(|(_, resource), _| types.contains(resource));
        left_out.into_iter().collect()
    }

    /// How levels were found, each way once.
    pub(in crate::cli) fn notes(&self) -> BTreeSet<String> {
        self.levels.values().filter_map(Levels::note).collect()
    }
}

/// The kinds that were named, where nothing tells which there are.
fn named(chosen: &Chosen<'_>) -> Result<Kinds, Failed> {
    let mut kinds = Vec::new();
    for principal in chosen.principals {
        for action in chosen.actions {
            for resource in chosen.resources {
                kinds.push(RequestEnvironment {
                    principal: principal.clone(),
                    action: action.clone(),
                    resource: resource.clone(),
                });
            }
        }
    }
    if kinds.is_empty() {
        return Err(Failed::Usage(
            "a sidecar does not tell which types and actions there are: name the types with --type and the actions as \
             well, or the root that it serves"
                .to_owned(),
        ));
    }
    Ok(Kinds {
        kinds,
        levels: BTreeMap::new(),
    })
}
