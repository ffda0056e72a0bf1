//! Who can, and what can: the entities of one side that a question is allowed for.
//!
//! What is known of the question is evaluated once; what is left leads to lists of entities, and each entity of these is
//! asked about, in the order of the ids.

mod actions;
mod asked;
mod left;
mod plan;
mod planning;
mod walk;

use foldhash::HashMap;

pub use self::actions::ActionSearch;
use self::asked::{Asked, Said};
use self::planning::Planning;
use self::walk::Walk;
use super::bridge::Numbers;
use super::decide::Brought;
use super::entity::EntityView;
use super::index::Environment;
use super::listing::RequestEnvironment;
use super::query::{Part, Problem, Query};
use super::snapshot::Snapshot;
use super::value::Uid;

/// Which side of a question is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sought {
    /// The principals that may do it.
    Principals,
    /// The resources that it may be done to.
    Resources,
}

/// Whether a search has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// There may be more.
    On,
    /// All has been looked at.
    Done,
}

/// A search under way.
///
/// It looks at the entities of the store that have the type asked for, or at all ids that an enumerated type declares,
/// in the ascending order of their ids, byte by byte.
pub struct Search<'s> {
    environment: Option<RequestEnvironment>,
    stage: Stage<'s>,
    /// The id behind which it begins.
    behind: Option<String>,
    is_planned: bool,
    at: Option<&'s str>,
    disputed: Option<&'s str>,
}

/// How far a search has come.
enum Stage<'s> {
    /// Nothing can be found.
    Nothing,
    Planning(Box<Planning<'s>>),
    Looking(Box<Asked<'s>>, Candidates<'s>),
}

/// What may be found.
enum Candidates<'s> {
    Stored(Walk<'s>),
    /// What an enumerated type declares, the next one last.
    Declared(Vec<(Uid, &'s str)>),
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
        Ok(Search {
            environment: self.environment_of(query),
            stage: match self.asked_about(query, sought)? {
                Some(asked) => Stage::Planning(Box::new(Planning::new(asked))),
                None => Stage::Nothing,
            },
            behind: None,
            is_planned: false,
            at: None,
            disputed: None,
        })
    }

    fn asked_about(&self, query: &Query<'_>, sought: Sought) -> Result<Option<Asked<'_>>, Problem> {
        let names = (
            self.vocabulary.entity_type(query.principal.entity_type),
            self.vocabulary.action(query.action.name),
            self.vocabulary.entity_type(query.resource.entity_type),
        );
        let (Some((principal_type, principal)), Some((action_index, action)), Some((resource_type, resource))) = names
        else {
            return Ok(None);
        };
        let environment = Environment {
            principal: principal_type,
            action: action_index,
            resource: resource_type,
        };
        let Some(bucket) = self.index.bucket(environment) else { return Ok(None) };
        let (ty, known_type, entry, known, part) = match sought {
            Sought::Principals => (principal_type, resource_type, resource, &query.resource, Part::Resource),
            Sought::Resources => (resource_type, principal_type, principal, &query.principal, Part::Principal),
        };
        if !entry.admits(known.id) {
            return Ok(None);
        }
        let mut brought = Brought::default();
        brought.context = self.context(action, &query.action, query.context, &mut brought)?;
        let found = self.entities.table.find(known_type, known.id);
        let uid = match found {
            Some((uid, _)) => uid,
            None => self.asked(&mut brought.foreign).number(known_type, known.id),
        };
        let stored = found.map(|(_, view)| view).filter(EntityView::exists);
        let shaped = self.shaped(known_type, entry, known, part, stored, &mut brought)?;
        Ok(Some(Asked {
            snapshot: self,
            sought,
            ty,
            action,
            bucket,
            known: uid,
            known_type,
            stored,
            shaped,
            brought,
            always: false,
            permits: Vec::new(),
            forbids: Vec::new(),
            wary: Vec::new(),
            left: Vec::new(),
            by_place: HashMap::default(),
        }))
    }
}

impl<'s> Search<'s> {
    /// The same search, of ids behind this one.
    pub fn after(mut self, id: &str) -> Self {
        self.is_planned = false;
        match &mut self.stage {
            Stage::Looking(_, Candidates::Stored(walk)) => walk.go_behind(id),
            Stage::Looking(_, Candidates::Declared(left)) => left.retain(|(_, declared)| *declared > id),
            Stage::Nothing | Stage::Planning(_) => self.behind = Some(id.to_owned()),
        }
        self
    }

    /// What is asked, besides ids and values; none if the schema knows no such question.
    pub fn environment(&self) -> Option<&RequestEnvironment> {
        self.environment.as_ref()
    }

    /// The id that was looked at last: [`after`](Self::after) it comes what is left. None before the first.
    pub fn at(&self) -> Option<&str> {
        self.at
    }

    /// The last id about which a policy erred as it was compiled and has a value for Cedar's evaluator, told once. It is
    /// not found.
    pub fn take_disputed(&mut self) -> Option<String> {
        self.disputed.take().map(str::to_owned)
    }

    /// Finds out where to look, in up to so many steps more, each of which takes as long as one policy. It is done once
    /// there is something to look at, or nothing.
    pub fn plan(&mut self, steps: usize) -> Going {
        for _ in 0..steps {
            if self.is_planned {
                return Going::Done;
            }
            match &mut self.stage {
                Stage::Nothing | Stage::Looking(_, Candidates::Declared(_)) => self.is_planned = true,
                Stage::Looking(_, Candidates::Stored(walk)) => self.is_planned = walk.begin(),
                Stage::Planning(planning) => {
                    if planning.go_on() == Going::Done
                        && let Stage::Planning(planning) = std::mem::replace(&mut self.stage, Stage::Nothing)
                    {
                        let (asked, candidates) = planning.candidates(self.behind.as_deref());
                        self.stage = Stage::Looking(Box::new(asked), candidates);
                    }
                }
            }
        }
        if self.is_planned { Going::Done } else { Going::On }
    }

    /// Looks at up to `looks` entities more, until `found` has `found_max` ids. What is still to be planned is planned.
    pub fn go_on(&mut self, looks: usize, found_max: usize, found: &mut Vec<String>) -> Going {
        for _ in 0..looks {
            if found.len() >= found_max {
                return Going::On;
            }
            match self.look() {
                Some(Some(id)) => found.push(id.to_owned()),
                Some(None) => {}
                None => return Going::Done,
            }
        }
        Going::On
    }

    /// Looks at up to `looks` entities more, and adds how many were found.
    pub fn count(&mut self, looks: usize, found: &mut u64) -> Going {
        for _ in 0..looks {
            match self.look() {
                Some(id) => *found += u64::from(id.is_some()),
                None => return Going::Done,
            }
        }
        Going::On
    }

    /// The id of the next entity, if that is found; the outer none if there is no next one.
    fn look(&mut self) -> Option<Option<&'s str>> {
        if !self.is_planned {
            while self.plan(usize::MAX) == Going::On {}
        }
        let Stage::Looking(asked, candidates) = &mut self.stage else { return None };
        let (uid, entity, id) = match candidates {
            Candidates::Stored(walk) => {
                let (uid, view) = walk.next()?;
                // INVARIANT: ids were read from texts.
                (uid, Some(view), std::str::from_utf8(view.id()).unwrap_or_default())
            }
            Candidates::Declared(left) => {
                let (uid, id) = left.pop()?;
                (uid, asked.snapshot.entities.table.entity(uid), id)
            }
        };
        self.at = Some(id);
        let said = asked.ask(uid, entity);
        if said == Said::Disputed {
            self.disputed = Some(id);
        }
        Some((said == Said::Yes).then_some(id))
    }
}
