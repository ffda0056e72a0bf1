//! What would turn the answer: changes that were tried and did, told by their kinds.

use super::change::{Answer, Edit};
use super::sight::{Fact, Sight};
use super::wish::{Told, Wish, Wishes};
use super::{ChangeKind, Choice, FactName, Remedy, Source};
use crate::engine::ordered::At;
use crate::engine::postings::key_of_members;
use crate::engine::query::Query;
use crate::engine::value::{Uid, Val};
use crate::engine::vocabulary::TypeIx;

/// Entities among which those in a group are counted where no list of them exists.
const COUNTED_MAX: usize = 10_000;

/// What came of trying changes.
pub(super) struct Tried<'s> {
    /// Those that turn the answer.
    pub(super) remedies: Vec<Remedy<'s>>,
    /// Those after which nothing forbids any more, and still no permit holds.
    pub(super) first_steps: Vec<Remedy<'s>>,
    /// Whether some were not tried.
    pub(super) is_cut: bool,
}

impl<'q, 's: 'q> Sight<'q, 's> {
    /// Tries what is wished: alike ones are told together.
    pub(super) fn tried(&self, wishes: &Wishes<'_, 'q, 's>, allowed: bool, query: &Query<'_>) -> Tried<'s> {
        let mut is_cut = wishes.is_cut;
        let (mut turning, mut lifting): (Vec<&Wish<'q, 's>>, Vec<&Wish<'q, 's>>) = (Vec::new(), Vec::new());
        for wish in &wishes.all {
            match self.answer_after(&wish.edit) {
                Ok(answer) if answer.allows() != allowed => turning.push(wish),
                Ok(Answer { forbidden: false, .. }) if !allowed => lifting.push(wish),
                Ok(_) => {}
                Err(_) => is_cut = true,
            }
        }
        if !turning.is_empty() || !wishes.is_about_forbid {
            lifting.clear();
        }
        Tried {
            remedies: self.grouped(&turning, query),
            first_steps: self.grouped(&lifting, query),
            is_cut,
        }
    }

    /// Changes by their kinds: those that reach least far first.
    fn grouped(&self, wishes: &[&Wish<'q, 's>], query: &Query<'_>) -> Vec<Remedy<'s>> {
        let mut remedies: Vec<Remedy<'s>> = Vec::new();
        for wish in wishes {
            let (remedy, choice) = self.told(wish, query);
            match remedies.iter_mut().find(|known| known.is_like(&remedy)) {
                Some(known) => known.choices.extend(choice),
                None => remedies.push(Remedy {
                    choices: choice.into_iter().collect(),
                    ..remedy
                }),
            }
        }
        remedies.iter_mut().for_each(|remedy| remedy.choices.sort_by_key(|choice| choice.members));
        let breadth = |policy: u32| self.snapshot.index.policies[policy as usize].environments.len();
        remedies.sort_by_key(|remedy| (remedy.reach(), breadth(remedy.policy)));
        remedies
    }

    fn told(&self, wish: &Wish<'q, 's>, query: &Query<'_>) -> (Remedy<'s>, Option<Choice<'s>>) {
        let (kind, member, through, value) = match (&wish.edit, &wish.told) {
            (Edit::Leave(member, group), Told::Leave(through)) => {
                (ChangeKind::Leave, Some(*member), through.as_ref(), Some(Val::Entity(*group)))
            }
            (Edit::Join(member, group) | Edit::Leave(member, group), told) => {
                let through = match told {
                    Told::Join(through) => through.as_ref(),
                    _ => None,
                };
                (ChangeKind::Join, Some(*member), through, Some(Val::Entity(*group)))
            }
            (Edit::Put(fact, _), Told::Add(item)) => (ChangeKind::Add, None, Some(fact), Some(*item)),
            (Edit::Put(fact, _), Told::TakeOut(item)) | (Edit::TakeOut(fact, item), _) => {
                (ChangeKind::TakeOut, None, Some(fact), Some(*item))
            }
            (Edit::Put(fact, Some(value)), _) => (ChangeKind::Set, None, Some(fact), Some(*value)),
            (Edit::Put(fact, None), _) => (ChangeKind::Remove, None, Some(fact), None),
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
        let policy = &self.snapshot.index.policies[wish.policy as usize];
        let mut actions: Vec<_> = policy.environments.iter().map(|environment| environment.action).collect();
        actions.sort_unstable();
        actions.dedup();
        let remedy = Remedy {
            kind,
            member: member.map(|uid| self.named(uid)),
            fact: through.map(fact),
            choices: Vec::new(),
            source,
            policy: wish.policy,
            info: &policy.info,
            actions: actions.len(),
        };
        let choice = value.map(|value| Choice {
            text: self.text(&value),
            value: self.json(&value),
            place: match value {
                Val::Entity(uid) => self.named(uid).place,
                _ => None,
            },
            members: match (member, source, value) {
                (None, Source::Store { .. }, Val::Entity(group)) => self.members(group),
                _ => None,
            },
        });
        (remedy, choice)
    }

    /// How many that could ask such a question are in a group; none if it is no group for them, or if they are too many to
    /// be counted.
    fn members(&self, group: Uid) -> Option<usize> {
        if group.foreign().is_some() {
            return None;
        }
        let of_type = |ty: &TypeIx| {
            let is_above = self.snapshot.vocabulary.type_entry(*ty).above.contains(&self.type_of(group));
            is_above.then(|| self.members_of_type(*ty, group))
        };
        let counts: Option<Vec<usize>> = self.resolved.action.principals.iter().filter_map(of_type).collect();
        counts.filter(|counts| !counts.is_empty()).map(|counts| counts.iter().sum())
    }

    fn members_of_type(&self, ty: TypeIx, group: Uid) -> Option<usize> {
        let table = self.question.table;
        let entities = &self.snapshot.entities;
        let is_member = |uid: Uid| table.entity(uid).is_some_and(|view| view.ty() == ty && view.has_ancestor(group));
        if entities.postings.demands.has_members(ty) {
            let Some(list) = entities.postings.get(key_of_members(ty, group)) else {
                return Some(0);
            };
            self.work.spend(list.len() / 16);
            let numbers = std::iter::successors(list.next(At::default()), |(_, at)| list.next(*at));
            let count = || numbers.filter(|(number, _)| is_member(Uid(*number))).count();
            return (list.len() <= COUNTED_MAX).then(count);
        }
        self.work.spend(table.names() / 16);
        let all = || table.iter().filter(|(uid, _)| is_member(*uid)).count();
        (table.names() <= COUNTED_MAX).then(all)
    }
}

impl Remedy<'_> {
    /// How far a change reaches: one entity's membership, one request, a list, or whatever else reads the fact. Of lists,
    /// how many are in the largest group.
    fn reach(&self) -> (u8, usize) {
        let members = self.choices.iter().filter_map(|choice| choice.members).max().unwrap_or(1);
        match (self.kind, self.source) {
            (ChangeKind::Join | ChangeKind::Leave, _) => (0, 0),
            (_, Source::Request(_)) => (1, 0),
            (ChangeKind::Add | ChangeKind::TakeOut, _) => (2, members),
            (ChangeKind::Set | ChangeKind::Remove, _) => (3, members),
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
