//! Who can, and what can: the entities of one side that a question is allowed for.

use super::decide::Cause;
use super::json::Json;
use super::listing::RequestEnvironment;
use super::query::{Entity, OwnedQuery, Problem, Query};
use super::snapshot::Snapshot;

/// Which side of a question is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sought {
    /// The principals that may do it.
    Principals,
    /// The resources that it may be done to.
    Resources,
}

/// A search under way.
///
/// It looks at the entities of the store that have the type asked for, or at all ids that an enumerated type declares,
/// in the ascending order of their ids, byte by byte.
pub struct Search<'s> {
    snapshot: &'s Snapshot,
    query: OwnedQuery,
    sought: Sought,
    environment: Option<RequestEnvironment>,
    candidates: Vec<&'s str>,
    at: usize,
}

/// Whether a search has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// There may be more.
    On,
    /// All has been looked at.
    Done,
}

impl Snapshot {
    /// Looks for one side of a question. Id and properties of that side in `query` are not looked at.
    ///
    /// What it finds is what [`decide`](Self::decide) allows, asked one by one without properties for the side that is
    /// looked for. Names that the schema does not know find nothing.
    ///
    /// # Errors
    /// Those of [`decide`](Self::decide), for the context and the other side.
    pub fn search(&self, query: &Query<'_>, sought: Sought) -> Result<Search<'_>, Problem> {
        let mut candidates: Vec<&str> = self.entity_ids(side(query, sought).entity_type).collect();
        candidates.sort_unstable();
        // A problem is one whatever the candidates are.
        self.decide(&with(query, sought, candidates.first().copied().unwrap_or_default()))?;
        Ok(Search {
            snapshot: self,
            query: OwnedQuery::from(query),
            sought,
            environment: self.environment_of(query),
            candidates,
            at: 0,
        })
    }

    /// The actions that are allowed between two entities: by their short names where these are clear, by exact names
    /// where not, in ascending order. The action of `query` is not looked at.
    ///
    /// An action whose context the one of the question does not fit is not among them.
    pub fn search_actions(&self, query: &Query<'_>) -> Vec<String> {
        let mut asking = self.asking();
        let mut found: Vec<String> = self
            .vocabulary
            .actions
            .iter()
            .filter(|action| {
                let mut query = *query;
                query.action.name = &action.name;
                asking.decide(&query).is_ok_and(|decision| decision.cause == Cause::Permitted)
            })
            .map(|action| self.vocabulary.short_action(action))
            .collect();
        found.sort_unstable();
        found
    }
}

impl Search<'_> {
    /// The same search, of ids behind this one.
    pub fn after(mut self, id: &str) -> Self {
        self.at = self.candidates.partition_point(|candidate| *candidate <= id);
        self
    }

    /// What is asked, besides ids and values; none if the schema knows no such question.
    pub fn environment(&self) -> Option<&RequestEnvironment> {
        self.environment.as_ref()
    }

    /// The id that it has come to: all up to it have been looked at, and [`after`](Self::after) it comes the rest. None
    /// before the first.
    pub fn at(&self) -> Option<&str> {
        self.at.checked_sub(1).map(|last| self.candidates[last])
    }

    /// Looks at up to `looks` entities more, until `found` has `found_max` ids.
    pub fn go_on(&mut self, looks: usize, found_max: usize, found: &mut Vec<String>) -> Going {
        let end = self.candidates.len().min(self.at.saturating_add(looks));
        while self.at < end && found.len() < found_max {
            let id = self.candidates[self.at];
            self.at += 1;
            let query = self.query.query();
            let decision = self.snapshot.decide(&with(&query, self.sought, id));
            if decision.is_ok_and(|decision| decision.is_allowed()) {
                found.push(id.to_owned());
            }
        }
        if self.at == self.candidates.len() {
            Going::Done
        } else {
            Going::On
        }
    }
}

fn side<'q>(query: &Query<'q>, sought: Sought) -> Entity<'q> {
    match sought {
        Sought::Principals => query.principal,
        Sought::Resources => query.resource,
    }
}

/// The question about one candidate.
fn with<'q>(query: &Query<'q>, sought: Sought, id: &'q str) -> Query<'q> {
    let mut query = *query;
    let side = match sought {
        Sought::Principals => &mut query.principal,
        Sought::Resources => &mut query.resource,
    };
    side.id = id;
    side.properties = None::<&Json<'_>>;
    query
}
