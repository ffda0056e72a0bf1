//! What a snapshot can be asked about, by name: for whoever makes up questions.

use super::snapshot::Snapshot;

/// A kind of question that has policies, by exact names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestEnvironment {
    /// The principal's type.
    pub principal: String,
    /// The action.
    pub action: String,
    /// The resource's type.
    pub resource: String,
}

impl Snapshot {
    /// The kinds of questions that at least one policy can apply to, in ascending order.
    pub fn request_environments(&self) -> Vec<RequestEnvironment> {
        let mut environments: Vec<RequestEnvironment> = self
            .index
            .environments()
            .filter(|(_, bucket)| !bucket.policies.is_empty())
            .map(|(environment, _)| self.environment_names(environment))
            .collect();
        environments.sort_unstable();
        environments
    }

    /// The ids of a type, by any of its names, that a question can have: those in the store, or all that an enumerated
    /// type declares. Each once, in no particular order; none of a type that is not known.
    pub fn entity_ids(&self, entity_type: &str) -> impl Iterator<Item = &str> {
        let entry = self.vocabulary.entity_type(entity_type);
        let declared = entry.and_then(|(_, entry)| entry.choices.as_deref());
        let stored = entry.filter(|_| declared.is_none()).into_iter().flat_map(|(ty, _)| {
            // INVARIANT: ids were read from texts.
            self.entities.of_type(ty).filter_map(|(_, view)| std::str::from_utf8(view.id()).ok())
        });
        declared.into_iter().flatten().map(AsRef::as_ref).chain(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Options, Sources, Text};

    #[test]
    fn kinds_with_policies_and_ids_are_told_once() {
        let sources = Sources {
            schema: vec![Text::new(
                "s.cedarschema",
                "entity User; entity Doc; entity Level enum [\"low\", \"high\"]; \
                 action see appliesTo { principal: User, resource: [Doc, Level] }; \
                 action edit appliesTo { principal: User, resource: Doc };",
            )],
            policies: vec![Text::new(
                "p.cedar",
                "permit (principal, action == Action::\"see\", resource);",
            )],
            entities: vec![Text::new(
                "e.json",
                r#"[{"uid":{"type":"User","id":"a'b"},"attrs":{},"parents":[]},
                    {"uid":{"type":"User","id":"c"},"attrs":{},"parents":[]}]"#,
            )],
            ..Sources::default()
        };
        let snapshot = Snapshot::compile(&sources, &Options::default()).expect("a snapshot");
        let kinds = snapshot.request_environments();
        let kinds: Vec<_> = kinds.iter().map(|k| (&*k.principal, &*k.action, &*k.resource)).collect();
        assert_eq!(
            kinds,
            [("User", "Action::\"see\"", "Doc"), ("User", "Action::\"see\"", "Level")]
        );
        let ids = |name| {
            let mut ids: Vec<&str> = snapshot.entity_ids(name).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(ids("User"), ["a'b", "c"]);
        assert_eq!(ids("level"), ["high", "low"]);
        assert!(ids("Doc").is_empty() && ids("nothing").is_empty());
    }
}
