//! What can be done: the actions that are allowed between two entities.

use super::super::decide::{Asking, Brought, Cause};
use super::super::entity::EntityView;
use super::super::index::Environment;
use super::super::query::{Part, Problem, Query};
use super::super::snapshot::Snapshot;
use super::super::vocabulary::ActionIx;
use super::Going;

/// A search for actions under way, in ascending order of the names that they are found by.
pub struct ActionSearch<'s> {
    asking: Asking<'s>,
    query: Query<'s>,
    /// The name that it is found by, and the exact one; the next one last.
    left: Vec<(String, &'s str)>,
    at: Option<String>,
    disputed: Option<&'s str>,
}

impl Snapshot {
    /// Looks for the actions that are allowed between two entities: by their short names where these are clear, by exact
    /// names where not, in ascending order. The action of `query` is not looked at.
    ///
    /// An action whose context the one of the question does not fit is not among them.
    ///
    /// # Errors
    /// Those of [`decide`](Self::decide) for the properties of the principal and the resource, if there is an action
    /// between such entities.
    pub fn search_actions<'s>(&'s self, query: &Query<'s>) -> Result<ActionSearch<'s>, Problem> {
        self.check_sides(query)?;
        let actions = &self.vocabulary.actions;
        let mut left: Vec<(String, &str)> = actions
            .iter()
            .map(|action| (self.vocabulary.short_action(action), action.name.as_str()))
            .collect();
        left.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ActionSearch {
            asking: self.asking(),
            query: *query,
            left,
            at: None,
            disputed: None,
        })
    }

    /// Whether the properties of both sides are what the schema declares, as far as a decision would look at them.
    fn check_sides(&self, query: &Query<'_>) -> Result<(), Problem> {
        let sides = (
            self.vocabulary.entity_type(query.principal.entity_type),
            self.vocabulary.entity_type(query.resource.entity_type),
        );
        let (Some((principal_type, principal)), Some((resource_type, resource))) = sides else {
            return Ok(());
        };
        let has_action = (0..self.vocabulary.actions.len()).any(|number| {
            let environment = Environment {
                principal: principal_type,
                action: ActionIx(number as u32),
                resource: resource_type,
            };
            self.index.bucket(environment).is_some()
        });
        if !has_action || !principal.admits(query.principal.id) || !resource.admits(query.resource.id) {
            return Ok(());
        }
        let sides = [
            (principal_type, principal, &query.principal, Part::Principal),
            (resource_type, resource, &query.resource, Part::Resource),
        ];
        for (ty, entry, asked, part) in sides {
            let found = self.entities.table.find(ty, asked.id);
            let stored = found.map(|(_, view)| view).filter(EntityView::exists);
            self.shaped(ty, entry, asked, part, stored, &mut Brought::default())?;
        }
        Ok(())
    }
}

impl ActionSearch<'_> {
    /// The same search, of names behind this one.
    pub fn after(mut self, name: &str) -> Self {
        self.left.retain(|(short, _)| **short > *name);
        self
    }

    /// The name that was looked at last: [`after`](Self::after) it comes what is left. None before the first.
    pub fn at(&self) -> Option<&str> {
        self.at.as_deref()
    }

    /// The exact name of the last action about which a policy erred as it was compiled and has a value for Cedar's
    /// evaluator, told once. It is not found.
    pub fn take_disputed(&mut self) -> Option<String> {
        self.disputed.take().map(str::to_owned)
    }

    /// Looks at up to `looks` actions more, until `found` has `found_max` names.
    pub fn go_on(&mut self, looks: usize, found_max: usize, found: &mut Vec<String>) -> Going {
        for _ in 0..looks {
            if found.len() >= found_max {
                return Going::On;
            }
            let Some((short, exact)) = self.left.pop() else { return Going::Done };
            self.query.action.name = exact;
            // What is wrong with the sides was told at the start, so this is an action that wants another context.
            let cause = self.asking.decide(&self.query).ok().map(|decision| decision.cause);
            if cause == Some(Cause::Disagreed) {
                self.disputed = Some(exact);
            }
            self.at = Some(short.clone());
            if cause == Some(Cause::Permitted) {
                found.push(short);
            }
        }
        Going::On
    }
}
