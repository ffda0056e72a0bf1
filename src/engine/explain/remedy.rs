//! What would turn the answer: changes that were tried and did, told by their kinds.

use super::change::Edit;
use super::sight::{Fact, Sight};
use super::wish::{Told, Wish, Wishes};
use super::{ChangeKind, Choice, FactName, Remedy, Source};
use crate::engine::query::Query;
use crate::engine::value::Val;

impl<'q, 's: 'q> Sight<'q, 's> {
    /// The wishes that turn the answer, alike ones together, and whether some were not tried.
    pub(super) fn remedies(
        &self,
        wishes: Wishes<'_, 'q, 's>,
        allowed: bool,
        query: &Query<'_>,
    ) -> (Vec<Remedy<'s>>, bool) {
        let mut is_cut = wishes.is_cut;
        let mut remedies: Vec<Remedy<'s>> = Vec::new();
        for wish in &wishes.all {
            match self.allows_after(&wish.edit) {
                Ok(allows) if allows != allowed => {}
                Ok(_) => continue,
                Err(_) => {
                    is_cut = true;
                    continue;
                }
            }
            let (remedy, choice) = self.told(wish, query);
            match remedies.iter_mut().find(|known| known.is_like(&remedy)) {
                Some(known) => known.choices.extend(choice),
                None => remedies.push(Remedy {
                    choices: choice.into_iter().collect(),
                    ..remedy
                }),
            }
        }
        let breadth = |policy: u32| self.snapshot.index.policies[policy as usize].environments.len();
        remedies.sort_by_key(|remedy| (remedy.reach(), breadth(remedy.policy)));
        (remedies, is_cut)
    }

    fn told(&self, wish: &Wish<'q, 's>, query: &Query<'_>) -> (Remedy<'s>, Option<Choice>) {
        let (kind, member, through, value) = match (&wish.edit, &wish.told) {
            (Edit::Join(member, group), Told::Join(through)) => {
                (ChangeKind::Join, Some(*member), through.as_ref(), Some(Val::Entity(*group)))
            }
            (Edit::Leave(member, group), Told::Leave(through)) => {
                (ChangeKind::Leave, Some(*member), through.as_ref(), Some(Val::Entity(*group)))
            }
            (Edit::Put(fact, _), Told::Add(item)) => (ChangeKind::Add, None, Some(fact), Some(*item)),
            (Edit::Put(fact, _), Told::TakeOut(item)) => (ChangeKind::TakeOut, None, Some(fact), Some(*item)),
            (Edit::Put(fact, Some(value)), _) => (ChangeKind::Set, None, Some(fact), Some(*value)),
            (Edit::Put(fact, None), _) => (ChangeKind::Remove, None, Some(fact), None),
            // INVARIANT: only what moves an entity is told as moving it.
            (Edit::Join(member, group) | Edit::Leave(member, group), _) => {
                (ChangeKind::Join, Some(*member), None, Some(Val::Entity(*group)))
            }
        };
        let source = match (member, through) {
            (Some(uid), _) => match self.named(uid).place {
                Some((file, line)) => Source::Store { file, line },
                None => Source::Nowhere,
            },
            (None, Some(fact)) => self.source(fact, query),
            (None, None) => Source::Nowhere,
        };
        let fact = |fact: &Fact<'q, 's>| -> FactName<'s> { self.fact_name(fact) };
        let remedy = Remedy {
            kind,
            member: member.map(|uid| self.named(uid)),
            fact: through.map(fact),
            choices: Vec::new(),
            source,
            policy: wish.policy,
            info: &self.snapshot.index.policies[wish.policy as usize].info,
        };
        let choice = value.map(|value| Choice {
            text: self.text(&value),
            value: self.json(&value),
        });
        (remedy, choice)
    }
}

impl Remedy<'_> {
    /// How far a change reaches: one entity's membership, one request, or whatever reads the fact.
    fn reach(&self) -> u8 {
        match (self.kind, self.source) {
            (ChangeKind::Join | ChangeKind::Leave, _) => 0,
            (_, Source::Request(_)) => 1,
            _ => 2,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.policy == other.policy
            && self.member == other.member
            && self.fact == other.fact
            && self.kind != ChangeKind::Remove
    }
}
