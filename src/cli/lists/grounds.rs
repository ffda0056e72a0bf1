//! Through what a principal has an access: the groups that the resource names, and the policies that decide.
//!
//! Both come from the files. Where a sidecar serves other files, they would be the grounds of another answer, and are
//! left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::levels::Access;
use super::reach::Name;
use crate::cli::source::Source;
use crate::engine::{Query, Shared, Snapshot};

/// The grounds of one access.
#[derive(Debug, Default)]
pub(in crate::cli) struct Grounds {
    /// Groups of the principal, or the principal itself, that attributes of the resource name.
    groups: Vec<Shared>,
    /// Ids of the policies that permit the highest levels, or the actions where there are no levels.
    pub(in crate::cli) policies: Vec<String>,
}

impl Grounds {
    pub(in crate::cli) fn of(source: &Source, principal: &Name, resource: &Name, access: &Access) -> Self {
        let Some(snapshot) = source.snapshot() else { return Self::default() };
        if source.is_sidecar() && source.revision() != Some(snapshot.revision()) {
            return Self::default();
        }
        let (principal, resource) = ((&*principal.0, &*principal.1), (&*resource.0, &*resource.1));
        Self {
            groups: snapshot.shared_groups(principal, resource),
            policies: policies(snapshot, source, principal, resource, access),
        }
    }

    /// `finance (writers), Public (readers)`
    pub(in crate::cli) fn through(&self) -> String {
        let mut attributes: BTreeMap<&Name, Vec<&str>> = BTreeMap::new();
        for shared in &self.groups {
            attributes.entry(&shared.group).or_default().push(&shared.attribute);
        }
        let words = attributes.iter().map(|((_, id), attributes)| format!("{id} ({})", attributes.join(", ")));
        words.collect::<Vec<_>>().join(", ")
    }

    pub(in crate::cli) fn to_json(&self) -> Value {
        self.groups
            .iter()
            .map(|shared| {
                let (entity_type, id) = &shared.group;
                json!({ "type": entity_type, "id": id, "attribute": shared.attribute })
            })
            .collect()
    }
}

fn policies(
    snapshot: &Snapshot,
    source: &Source,
    principal: (&str, &str),
    resource: (&str, &str),
    access: &Access,
) -> Vec<String> {
    let actions = if access.levels.is_empty() {
        &access.actions
    } else {
        &access.levels
    };
    let mut ids = BTreeSet::new();
    for action in actions {
        let query = Query {
            context: source.context(),
            ..Query::plain(principal, action, resource)
        };
        if let Ok(decision) = snapshot.decide(&query)
            && decision.is_allowed()
        {
            ids.extend(decision.determining.iter().map(|number| snapshot.policy(*number).id.to_string()));
        }
    }
    ids.into_iter().collect()
}
