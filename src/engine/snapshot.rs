//! One valid state of the world: schema, policies, entities and index under one revision.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{PolicyId, PolicySet, Schema};

use super::core;
use super::entities::{self, EntityStore};
use super::fault::{Fault, Faults};
use super::index::{Index, Mistake};
use super::options::Options;
use super::policies::{self, PoliciesRead, PolicyInfo};
use super::schema::{self, Said, SchemaRead};
use super::sources::{Difference, Sources};
use super::text::Text;
use super::validate::{self, Levels};
use super::vocabulary::Vocabulary;

/// Everything that decisions are made from. Valid if it exists, and never changed after.
///
/// One can grow from another: then they share what is the same in both.
pub struct Snapshot {
    revision: String,
    pub(super) options: Options,
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) index: Arc<Index>,
    pub(super) entities: EntityStore,
    warnings: Vec<Fault>,
    counts: Counts,
    read: Arc<Read>,
    /// What stands for the documents that records were made from.
    documents: Option<[u8; 32]>,
}

/// What was read of schema and policies.
struct Read {
    schema_texts: Vec<Text>,
    schema: Arc<SchemaRead>,
    schema_faults: Vec<Fault>,
    policies: PoliciesRead,
    levels: Levels,
    policy_faults: Vec<Fault>,
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
        Self::build(sources, options, None)
    }

    /// Compiles sources into the snapshot that comes after this one: reads only what has changed, and shares the rest.
    /// What comes out decides as what [`compile`](Self::compile) makes of the same files.
    ///
    /// # Errors
    /// Those of [`compile`](Self::compile); and if sources keep files although they [cannot](Self::can_grow), or tell the
    /// difference from something else.
    pub fn next(&self, sources: &Sources, options: &Options) -> Result<Self, Faults> {
        let can = self.can_grow(&sources.schema, options);
        if !(self.has(&sources.kept) && (can || sources.kept.is_empty())) {
            let fault = Fault::error("internal", "files were kept from a snapshot that does not have them");
            return Err(Faults::from(fault));
        }
        Self::build(sources, options, can.then_some(self))
    }

    /// The sources of this snapshot as the next one would be given them if nothing had changed.
    pub fn sources(&self) -> Sources {
        Sources {
            schema: self.read.schema_texts.clone(),
            policies: self.read.policies.texts().cloned().collect(),
            kept: self.entities.file_hashes().collect(),
            difference: Some(Difference {
                from: self.documents,
                ..Difference::default()
            }),
            documents: self.documents,
            ..Sources::default()
        }
    }

    /// The SHA-256 that stands for the documents which records were made from.
    pub fn documents(&self) -> Option<[u8; 32]> {
        self.documents
    }

    /// Whether the next snapshot can keep files of entities from this one. If not, it has to be given all of them.
    pub fn can_grow(&self, schema: &[Text], options: &Options) -> bool {
        self.options == *options && self.read.schema_texts == schema && self.entities.can_grow()
    }

    /// Whether this was made of files of entities with these names and hashes, among others.
    pub fn has(&self, kept: &BTreeMap<Arc<str>, [u8; 32]>) -> bool {
        kept.iter().all(|(name, hash)| self.entities.file_hash(name) == Some(*hash))
    }

    fn build(sources: &Sources, options: &Options, before: Option<&Self>) -> Result<Self, Faults> {
        if let Some(difference) = &sources.difference
            && before.is_none_or(|before| before.documents != difference.from)
        {
            let fault = Fault::error("internal", "records differ from those of another snapshot than this one");
            return Err(Faults::from(fault));
        }
        let mut found = Vec::new();
        let mut policy_faults = Vec::new();
        let known = before.filter(|before| before.read.policies.is_of(&sources.policies));
        let fresh_policies = match known {
            Some(_) => None,
            None => {
                let before = before.map(|before| &before.read.policies);
                Some(policies::read(&sources.policies, before, &mut policy_faults))
            }
        };
        let (schema, vocabulary, schema_faults) = match before {
            Some(before) => (
                before.read.schema.clone(),
                before.vocabulary.clone(),
                before.read.schema_faults.clone(),
            ),
            None => {
                let mut faults = Vec::new();
                let Some(schema) = schema::read(&sources.schema, &mut faults) else {
                    faults.append(&mut policy_faults);
                    return Err(refused(faults));
                };
                let vocabulary = Vocabulary::new(&schema, &sources.schema, options, &mut faults);
                (Arc::new(schema), Arc::new(vocabulary), faults)
            }
        };
        found.extend(schema_faults.iter().cloned());
        let read = match (known, fresh_policies) {
            (None, Some(policies)) => {
                let levels = before.map(|before| &before.read.levels);
                let levels =
                    validate::validate(&schema.schema, &policies, levels, options.level_max, &mut policy_faults);
                Arc::new(Read {
                    schema_texts: sources.schema.clone(),
                    schema: schema.clone(),
                    schema_faults,
                    policies,
                    levels,
                    policy_faults,
                })
            }
            // INVARIANT: policies are read unless they are known.
            (known, _) => known.map(|known| known.read.clone()).ok_or_else(|| refused(Vec::new()))?,
        };
        found.extend(read.policy_faults.iter().cloned());
        let entities_before = before.map(|before| &before.entities);
        let mut store = entities::read(sources, &schema.schema, &vocabulary, options, entities_before, &mut found);
        let warnings = Faults::check(found)?;
        let index = match known {
            Some(known) => known.index.clone(),
            None => Arc::new(Index::new(
                &read.policies,
                &read.levels,
                core::schema(&schema.schema),
                &vocabulary,
                &mut store.editor,
                options.evaluator,
                before.map(|before| &*before.index),
            )),
        };
        let store = store.finish(index.demands.clone());
        let counts = Counts {
            policies: index.policies.len(),
            templates: read.policies.set.templates().count(),
            entities: store.len(),
            entities_by_type: store.count_by_type(&vocabulary),
            actions: vocabulary.actions.len(),
        };
        Ok(Self {
            counts,
            revision: sources.revision(options, |name| store.file_hash(name)),
            options: options.clone(),
            vocabulary,
            index,
            entities: store,
            warnings,
            read,
            documents: sources.documents,
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

    /// Compiles a policy wrong, so that a test can see such a mistake found. Says whether there was such a policy with a
    /// compiled form, and nobody else had it.
    #[doc(hidden)]
    pub fn plant(&mut self, mistake: Mistake, policy: &str) -> bool {
        Arc::get_mut(&mut self.index).is_some_and(|index| index.plant(mistake, policy))
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
        &self.read.policies.set
    }

    /// What people call things, as the schema says.
    pub(super) fn said(&self) -> &Said {
        &self.read.schema.said
    }

    /// The text of a policy, or of the template that it links: the author's, or Cedar's own where it came in JSON.
    pub(super) fn policy_text(&self, number: u32) -> Cow<'_, str> {
        let info = self.policy(number);
        let id = PolicyId::new(info.template.as_deref().unwrap_or(&info.id));
        let set = &self.read.policies.set;
        let origin = self.read.policies.origins.get(&id);
        let written = origin.and_then(|origin| {
            let span = origin.span;
            origin
                .text
                .content
                .get(span.offset..span.offset + span.len)
                .filter(|text| !text.is_empty())
        });
        match (written, set.policy(&id), set.template(&id)) {
            (Some(text), ..) => Cow::Borrowed(text),
            (None, Some(policy), _) => Cow::Owned(policy.to_string()),
            (None, None, Some(template)) => Cow::Owned(template.to_string()),
            (None, None, None) => Cow::Borrowed(""),
        }
    }

    /// The file of the template that a policy links, if it is a link.
    pub(super) fn template_file(&self, info: &PolicyInfo) -> Option<&str> {
        let id = PolicyId::new(info.template.as_deref()?);
        let origin = self.read.policies.origins.get(&id)?;
        Some(&origin.text.name)
    }

    /// The schema as Cedar's own.
    pub fn schema(&self) -> &Schema {
        &self.read.schema.schema
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
