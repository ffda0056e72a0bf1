//! What one principal may do: resources, and the actions that are allowed on each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::kinds::Kinds;
use super::levels::Access;
use crate::cli::source::{Failed, Question, Searched, Source};
use crate::engine::Sought;

/// Type and id.
pub(in crate::cli) type Name = (String, String);

/// Resources in ascending order, with what is allowed on each.
pub(in crate::cli) type Reach = BTreeMap<Name, Arc<Access>>;

/// Actions that could not be asked, and why.
#[derive(Debug, Default)]
pub(in crate::cli) struct LeftOut(BTreeMap<String, String>);

impl LeftOut {
    /// Notes an action by its exact name, or as it was typed.
    pub(in crate::cli) fn add(&mut self, source: &Source, action: &str, why: String) {
        let short = source.snapshot().and_then(|snapshot| snapshot.action(action)).map(|action| action.short);
        self.0.entry(short.unwrap_or_else(|| action.to_owned())).or_insert(why);
    }

    /// One sentence for each.
    pub(in crate::cli) fn notes(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .map(|(action, why)| format!("`{action}` was not asked: {why}; a context is given with --context"))
    }
}

/// A set of actions between two types: principals', resources', and exact names.
type Allowed<'k> = (&'k str, &'k str, BTreeSet<&'k str>);

/// Looks what principals may do, one after the other. Equal sets of actions are read once, and are one value.
pub(in crate::cli) struct Looking<'k> {
    kinds: &'k Kinds,
    read: HashMap<Allowed<'k>, Arc<Access>>,
    pub(in crate::cli) left_out: LeftOut,
}

impl<'k> Looking<'k> {
    pub(in crate::cli) fn new(kinds: &'k Kinds) -> Self {
        Self {
            kinds,
            read: HashMap::new(),
            left_out: LeftOut::default(),
        }
    }

    /// Everything that a principal may do, by one search for each kind of question.
    ///
    /// # Errors
    /// Nobody answers.
    pub(in crate::cli) fn reach(&mut self, source: &mut Source, principal: &Name) -> Result<Reach, Failed> {
        let mut allowed: BTreeMap<(&'k str, String), BTreeSet<&'k str>> = BTreeMap::new();
        for kind in self.kinds.iter().filter(|kind| kind.principal == principal.0) {
            let question = Question {
                principal: (&principal.0, &principal.1),
                action: &kind.action,
                resource: (&kind.resource, ""),
            };
            match source.search(question, Sought::Resources)? {
                Searched::Found(ids) => {
                    for id in ids {
                        allowed.entry((&kind.resource, id)).or_default().insert(&kind.action);
                    }
                }
                Searched::Unfit(why) => self.left_out.add(source, &kind.action, why),
            }
        }
        let Some(own_type) = self.kinds.iter().map(|kind| kind.principal.as_str()).find(|name| *name == principal.0)
        else {
            return Ok(Reach::new());
        };
        let found = allowed.into_iter().map(|((entity_type, id), actions)| {
            let access = self.read(own_type, entity_type, actions);
            ((entity_type.to_owned(), id), access)
        });
        Ok(found.collect())
    }

    fn read(&mut self, principal: &'k str, resource: &'k str, actions: BTreeSet<&'k str>) -> Arc<Access> {
        let kinds = self.kinds;
        let key = (principal, resource, actions);
        if let Some(known) = self.read.get(&key) {
            return known.clone();
        }
        let access = Arc::new(kinds.levels(principal, resource).read(&key.2));
        self.read.insert(key, access.clone());
        access
    }
}
