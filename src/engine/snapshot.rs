//! One valid state of the world: schema, policies, entities and index under one revision.

use std::collections::BTreeMap;

use cedar_policy::{PolicySet, Schema};

use super::core;
use super::entities::{self, EntityStore};
use super::fault::{Fault, Faults};
use super::index::Index;
use super::options::Options;
use super::policies::{self, PolicyInfo};
use super::schema;
use super::sources::Sources;
use super::validate;
use super::vocabulary::Vocabulary;

/// Everything that decisions are made from. Valid if it exists, and never changed after.
pub struct Snapshot {
    revision: String,
    pub(super) options: Options,
    pub(super) vocabulary: Vocabulary,
    pub(super) index: Index,
    pub(super) entities: EntityStore,
    warnings: Vec<Fault>,
    counts: Counts,
    policy_set: PolicySet,
    schema: Schema,
}

/// How much a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Policies, links included, templates not.
    pub policies: usize,
    /// Templates.
    pub templates: usize,
    /// Entities of all types.
    pub entities: usize,
    /// Entities by their type.
    pub entities_by_type: BTreeMap<String, usize>,
    /// Actions of the schema, groups included.
    pub actions: usize,
}

/// A question by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Type and id.
    pub principal: (String, String),
    /// The exact name.
    pub action: String,
    /// Type and id.
    pub resource: (String, String),
}

impl Snapshot {
    /// Compiles sources into a snapshot. Files of entities that are only kept are not there for it.
    ///
    /// # Errors
    /// All faults that were found, in schema, policies and entities alike. Where the schema cannot be read, only its
    /// own faults and those of the policies' syntax can be told.
    pub fn compile(sources: &Sources, options: &Options) -> Result<Self, Faults> {
        let mut found = Vec::new();
        let read_schema = schema::read(&sources.schema, &mut found);
        let read_policies = policies::read(&sources.policies, &mut found);
        let Some(read_schema) = read_schema else {
            return Err(refused(found));
        };
        let vocabulary = Vocabulary::new(&read_schema, &sources.schema, options, &mut found);
        let levels = validate::validate(&read_schema.schema, &read_policies, options.level_max, &mut found);
        let mut read = entities::read(sources, &read_schema.schema, &vocabulary, options, None, &mut found);
        let warnings = Faults::check(found)?;
        let index = Index::new(
            &read_policies,
            &levels,
            core::schema(&read_schema.schema),
            &vocabulary,
            &mut read.editor,
            options.evaluator,
        );
        let store = read.finish();
        let counts = Counts {
            policies: index.policies.len(),
            templates: read_policies.set.templates().count(),
            entities: store.len(),
            entities_by_type: store.count_by_type(&vocabulary),
            actions: vocabulary.actions.len(),
        };
        Ok(Self {
            counts,
            revision: sources.revision(options, |_| None),
            options: options.clone(),
            vocabulary,
            index,
            entities: store,
            warnings,
            policy_set: read_policies.set,
            schema: read_schema.schema,
        })
    }

    /// 32 hexadecimal digits that name this content: equal for equal sources and options.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What was taken but should be looked at.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The same, with what was found to warn of before the engine saw the sources.
    pub fn with_warnings(mut self, mut warnings: Vec<Fault>) -> Self {
        warnings.append(&mut self.warnings);
        self.warnings = warnings;
        self
    }

    /// The policy of a number in a [`Decision`](super::Decision).
    ///
    /// # Panics
    /// If the number is of another snapshot and too high for this one.
    pub fn policy(&self, number: u32) -> &PolicyInfo {
        &self.index.policies[number as usize].info
    }

    /// All policies, in the order of their numbers, which is that of their ids.
    pub fn policies(&self) -> impl ExactSizeIterator<Item = &PolicyInfo> {
        self.index.policies.iter().map(|policy| &policy.info)
    }

    /// A question whose words are all known. None if no two entities of the store fit an action.
    pub fn example(&self) -> Option<Example> {
        let mut environments: Vec<_> = self.index.environments().collect();
        // Where most policies apply, there is most to see.
        environments.sort_by_key(|(environment, bucket)| (std::cmp::Reverse(bucket.policies.len()), *environment));
        environments.into_iter().find_map(|(environment, _)| {
            let entity = |ty| {
                let entry = self.vocabulary.type_entry(ty);
                let id = self.entities.of_type(ty).map(|(_, view)| view.id()).min()?;
                Some((entry.name.clone(), String::from_utf8_lossy(id).into_owned()))
            };
            let action = self.vocabulary.action_entry(environment.action).name.clone();
            Some(Example {
                principal: entity(environment.principal)?,
                action,
                resource: entity(environment.resource)?,
            })
        })
    }

    /// The policies as Cedar's own set: the reference that the index is held against.
    pub fn policy_set(&self) -> &PolicySet {
        &self.policy_set
    }

    /// The schema as Cedar's own.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How much there is.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("revision", &self.revision).finish_non_exhaustive()
    }
}

/// Faults of which one is known to be an error.
fn refused(found: Vec<Fault>) -> Faults {
    match Faults::check(found) {
        Err(faults) => faults,
        Ok(_) => Faults::from(Fault::error("schema", "the schema could not be read")),
    }
}
