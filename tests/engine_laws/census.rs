//! What was met, so that no law holds for want of cases.

use std::collections::BTreeMap;

use gatepost::engine::{Cause, Faults};

use super::trial::Verdict;
use super::world::{Ask, Traits};

/// What was met, so that a law cannot hold for want of cases.
#[derive(Debug, Default)]
pub(super) struct Census {
    pub(super) worlds: usize,
    /// Worlds whose policies do not validate: the generator's slips, by the fault's code, with one example.
    pub(super) refused: usize,
    pub(super) refusals: BTreeMap<&'static str, (usize, String)>,
    pub(super) asked: usize,
    pub(super) inapplicable: usize,
    pub(super) allowed: usize,
    pub(super) forbidden: usize,
    pub(super) forbid_erred: usize,
    pub(super) with_errors: usize,
    /// Decided, or failed to, by a policy that looks into what an entity refers to.
    pub(super) deep: usize,
    /// Decided, or failed to, by a policy that looks into an entity that it names.
    pub(super) named: usize,
    /// Decided, or failed to, by a template's link.
    pub(super) linked: usize,
    /// Decided, or failed to, by a policy whose scope names entities on both sides.
    pub(super) both: usize,
    /// Of one entity that is both principal and resource.
    pub(super) same: usize,
    /// About a name that only the question knows.
    pub(super) strange: usize,
    pub(super) mutants: usize,
}

impl Census {
    pub(super) fn refuse(&mut self, faults: &Faults) {
        self.refused += 1;
        let first = faults.first();
        let slot = self.refusals.entry(first.code).or_insert_with(|| (0, first.to_string()));
        slot.0 += 1;
    }

    pub(super) fn count(&mut self, ask: &Ask, verdict: &Verdict, traits: &BTreeMap<String, Traits>) {
        self.asked += 1;
        let counts = !matches!(verdict.cause, Cause::UnknownName | Cause::NotApplicable);
        self.same += usize::from(counts && ask.principal == ask.resource);
        self.strange += usize::from(counts && ask.has_stranger());
        match verdict.cause {
            Cause::Permitted => self.allowed += 1,
            Cause::Forbidden => self.forbidden += 1,
            Cause::ForbidErred => self.forbid_erred += 1,
            Cause::UnknownName | Cause::NotApplicable => self.inapplicable += 1,
            // Nothing of this kind is as stock Cedar has it.
            Cause::Disagreed | Cause::Distrusted => panic!("the evaluators disagreed: {verdict:?}"),
            Cause::NothingPermits => {}
        }
        self.with_errors += usize::from(!verdict.errors.is_empty());
        let counted = verdict.determining.iter().chain(verdict.errors.iter().map(|(id, _)| id));
        let met: Vec<&Traits> = counted.map(|id| &traits[id]).collect();
        self.deep += usize::from(met.iter().any(|traits| traits.deep));
        self.named += usize::from(met.iter().any(|traits| traits.names));
        self.linked += usize::from(met.iter().any(|traits| traits.linked));
        self.both += usize::from(met.iter().any(|traits| traits.both));
    }

    pub(super) fn check(&self) {
        assert!(self.refused * 2 <= self.worlds, "half of the worlds are refused: {self:#?}");
        assert!(self.allowed * 3 >= self.asked, "less than a third is allowed: {self:#?}");
        for (what, met) in [
            ("inapplicable", self.inapplicable),
            ("forbidden", self.forbidden),
            ("forbid erred", self.forbid_erred),
            ("with errors", self.with_errors),
            ("level 2 or more", self.deep),
            ("into a named entity", self.named),
            ("by a link", self.linked),
            ("by a scope of both sides", self.both),
            ("the same on both sides", self.same),
            ("a stranger", self.strange),
        ] {
            assert!(met * 1_000 >= self.asked, "too few decisions of the kind `{what}`: {self:#?}");
        }
        assert!(self.mutants * 4 >= self.worlds, "too few mutants: {self:#?}");
    }
}
