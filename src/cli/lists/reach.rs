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

    /// One sentence for each, where so many other kinds of questions were asked.
    ///
    /// # Errors
    /// Nothing could be asked: then nobody knows whether there is anything.
    pub(in crate::cli) fn unless_all(&self, asked: usize) -> Result<Vec<String>, Failed> {
        let notes = self.0.iter();
        let notes =
            notes.map(|(action, why)| format!("`{action}` was not asked: {why}; a context is given with --context"));
        let notes: Vec<String> = notes.collect();
        if asked == 0 && !notes.is_empty() {
            return Err(Failed::Other(notes.join("\n")));
        }
        Ok(notes)
    }
}

/// What came of the actions between two types.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Asked<'k> {
    principal: &'k str,
    resource: &'k str,
    /// By exact names.
    allowed: BTreeSet<&'k str>,
    unasked: BTreeSet<&'k str>,
}

/// Looks what principals may do, one after the other. Equal sets of actions are read once, and are one value.
pub(in crate::cli) struct Looking<'k> {
    kinds: &'k Kinds,
    read: HashMap<Asked<'k>, Arc<Access>>,
    asked: usize,
    left_out: LeftOut,
}

impl<'k> Looking<'k> {
    pub(in crate::cli) fn new(kinds: &'k Kinds) -> Self {
        Self {
            kinds,
            read: HashMap::new(),
            asked: 0,
            left_out: LeftOut::default(),
        }
    }

    /// One sentence for each action that could not be asked.
    ///
    /// # Errors
    /// None could.
    pub(in crate::cli) fn notes(&self) -> Result<Vec<String>, Failed> {
        self.left_out.unless_all(self.asked)
    }

    /// Everything that a principal may do, by one search for each kind of question.
    ///
    /// # Errors
    /// Nobody answers.
    pub(in crate::cli) fn reach(&mut self, source: &mut Source, principal: &Name) -> Result<Reach, Failed> {
        let mut allowed: BTreeMap<(&'k str, String), BTreeSet<&'k str>> = BTreeMap::new();
        let mut unasked: BTreeMap<&'k str, BTreeSet<&'k str>> = BTreeMap::new();
        for kind in self.kinds.iter().filter(|kind| kind.principal == principal.0) {
            let question = Question {
                principal: (&principal.0, &principal.1),
                action: &kind.action,
                resource: (&kind.resource, ""),
            };
            match source.search(question, Sought::Resources)? {
                Searched::Found(ids) => {
                    self.asked += 1;
                    for id in ids {
                        allowed.entry((&kind.resource, id)).or_default().insert(&kind.action);
                    }
                }
                Searched::Unfit(why) => {
                    unasked.entry(&kind.resource).or_default().insert(&kind.action);
                    self.left_out.add(source, &kind.action, why);
                }
            }
        }
        let Some(own_type) = self.kinds.iter().map(|kind| kind.principal.as_str()).find(|name| *name == principal.0)
        else {
            return Ok(Reach::new());
        };
        let found = allowed.into_iter().map(|((entity_type, id), actions)| {
            let access = self.read(Asked {
                principal: own_type,
                resource: entity_type,
                allowed: actions,
                unasked: unasked.get(entity_type).cloned().unwrap_or_default(),
            });
            ((entity_type.to_owned(), id), access)
        });
        Ok(found.collect())
    }

    fn read(&mut self, asked: Asked<'k>) -> Arc<Access> {
        if let Some(known) = self.read.get(&asked) {
            return known.clone();
        }
        let levels = self.kinds.levels(asked.principal, asked.resource);
        let access = Arc::new(levels.read(&asked.allowed, &asked.unasked));
        self.read.insert(asked, access.clone());
        access
    }
}
