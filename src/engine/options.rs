//! What a snapshot's makers may choose.

use std::collections::BTreeMap;

/// What to do with a `forbid` whose evaluation errs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ErringForbid {
    /// It forbids: fail closed. This is the only difference from stock Cedar.
    #[default]
    Forbids,
    /// It is skipped, as in stock Cedar.
    Skipped,
}

/// Whether types and actions may be called by the last part of their name, in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ShortNames {
    /// `user` means the one type `…::User`; two such types are a fault of the schema.
    #[default]
    On,
    /// Only exact Cedar names and aliases.
    Off,
}

/// What to do with an entity whose parent is not in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnknownParents {
    /// A fault: the sources are refused.
    #[default]
    Refuse,
    /// A warning; the edge is dropped, so that it grants nothing.
    Drop,
}

/// What the properties of a request do to the attributes of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestProperties {
    /// Nothing: only the store counts.
    Ignore,
    /// They give what the store lacks.
    Fill,
    /// They win over the store, for this request alone; parents stay the store's.
    Override,
}

/// Who evaluates the clauses of policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Evaluator {
    /// Ours, over compiled policies, and Cedar's for what has no compiled form.
    #[default]
    Compiled,
    /// Cedar's alone.
    Cedar,
}

/// The choices that are part of a snapshot, and of its revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// What a `forbid` that errs does.
    pub erring_forbid: ErringForbid,
    /// Whether short names are understood.
    pub short_names: ShortNames,
    /// What an unknown parent is.
    pub unknown_parents: UnknownParents,
    /// By Cedar entity type. Types left out: `Ignore` for those that are principals, `Fill` for the others.
    pub request_properties: BTreeMap<String, RequestProperties>,
    /// Who evaluates.
    pub evaluator: Evaluator,
    /// The deepest dereference that a policy may need, in steps from principal, action, resource and context.
    pub level_max: u32,
    /// The longest chain of parents, in entities.
    pub ancestor_depth_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            erring_forbid: ErringForbid::default(),
            short_names: ShortNames::default(),
            unknown_parents: UnknownParents::default(),
            request_properties: BTreeMap::new(),
            evaluator: Evaluator::default(),
            level_max: 5,
            ancestor_depth_max: 1_000,
        }
    }
}
