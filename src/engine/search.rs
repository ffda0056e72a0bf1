//! Who can, and what can: the entities of one side that a question is allowed for.
//!
//! What is known of the question is evaluated once; what is left leads to lists of entities, and each entity of these is
//! asked about, in the order of the ids.

mod plan;
mod walk;

use bumpalo::Bump;

use self::plan::{List, Plan, Planner};
use self::walk::Walk;
use super::bridge::Numbers;
use super::decide::{Brought, Cause, Effect};
use super::entity::EntityView;
use super::evaluate::{Question, Side};
use super::index::{Bucket, Environment, Policy, Scope};
use super::listing::RequestEnvironment;
use super::options::ErringForbid;
use super::postings::key_of_type;
use super::program::Node;
use super::query::{Part, Problem, Query};
use super::reference::Reference;
use super::snapshot::Snapshot;
use super::value::{Record, Uid, Val};
use super::vocabulary::{ActionEntry, TypeIx};

/// Candidates that are gone through list by list in any case.
const FEW: usize = 64;

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
    /// None if nothing can be found.
    asked: Option<Asked<'s>>,
    candidates: Candidates<'s>,
    at: Option<&'s str>,
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
        let mut search = Search {
            environment: self.environment_of(query),
            asked: None,
            candidates: Candidates::Declared(Vec::new()),
            at: None,
        };
        let Some(mut asked) = self.asked_about(query, sought)? else {
            return Ok(search);
        };
        let plan = asked.plan();
        search.candidates = asked.candidates(plan);
        search.asked = Some(asked);
        Ok(search)
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
        }))
    }
}

impl Search<'_> {
    /// The same search, of ids behind this one.
    pub fn after(mut self, id: &str) -> Self {
        match &mut self.candidates {
            Candidates::Stored(walk) => walk.go_behind(id.as_bytes()),
            Candidates::Declared(left) => left.retain(|(_, declared)| *declared > id),
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

    /// Looks at up to `looks` entities more, until `found` has `found_max` ids.
    pub fn go_on(&mut self, looks: usize, found_max: usize, found: &mut Vec<String>) -> Going {
        let Some(asked) = &self.asked else { return Going::Done };
        for _ in 0..looks {
            if found.len() >= found_max {
                return Going::On;
            }
            let (uid, entity, id) = match &mut self.candidates {
                Candidates::Stored(walk) => match walk.next() {
                    // INVARIANT: ids were read from texts.
                    Some((uid, view)) => (uid, Some(view), std::str::from_utf8(view.id()).unwrap_or_default()),
                    None => return Going::Done,
                },
                Candidates::Declared(left) => match left.pop() {
                    Some((uid, id)) => (uid, asked.snapshot.entities.table.entity(uid), id),
                    None => return Going::Done,
                },
            };
            self.at = Some(id);
            if asked.allows(uid, entity) {
                found.push(id.to_owned());
            }
        }
        Going::On
    }
}

/// A question with one side open.
struct Asked<'s> {
    snapshot: &'s Snapshot,
    sought: Sought,
    /// The type that is looked for.
    ty: TypeIx,
    action: &'s ActionEntry,
    bucket: &'s Bucket,
    known: Uid,
    known_type: TypeIx,
    stored: Option<EntityView<'s>>,
    /// The known side as the request shapes it.
    shaped: Option<Vec<u8>>,
    brought: Brought,
    /// Whether a permit holds whoever the other side is.
    always: bool,
    /// Permits and forbids that depend on the other side, but for those whose scopes name it.
    permits: Vec<u32>,
    forbids: Vec<u32>,
}

impl<'s> Asked<'s> {
    fn known(&self) -> Side<'_> {
        Side {
            uid: self.known,
            entity: self.shaped.as_deref().map(EntityView::new).or(self.stored),
        }
    }

    /// The question about one candidate.
    fn question<'a>(&'a self, candidate: Side<'a>, made: &'a Bump) -> Question<'a> {
        let (principal, resource) = match self.sought {
            Sought::Principals => (candidate, self.known()),
            Sought::Resources => (self.known(), candidate),
        };
        let Brought {
            foreign, tail, context, ..
        } = &self.brought;
        Question {
            table: &self.snapshot.entities.table,
            principal,
            action: self.action.number,
            resource,
            context: match context.and_then(|cell| cell.value(&tail.bytes)) {
                Some(Val::Record(record)) => record,
                _ => Record::EMPTY,
            },
            foreign: &foreign.names,
            made,
        }
    }

    fn policy(&self, number: u32) -> &'s Policy {
        &self.snapshot.index.policies[number as usize]
    }

    /// The scopes of a policy: of the known side, and of the other.
    fn scopes(&self, policy: &Policy) -> (Scope, Scope) {
        match self.sought {
            Sought::Principals => (policy.resource, policy.principal),
            Sought::Resources => (policy.principal, policy.resource),
        }
    }

    /// Evaluates what is known, and finds where the rest can hold.
    fn plan(&mut self) -> Plan<'s> {
        let snapshot = self.snapshot;
        let made = Bump::new();
        let nobody = Side {
            // INVARIANT: no name of the request has this number, so nothing is mistaken for nobody.
            uid: Uid(u32::MAX),
            entity: None,
        };
        let question = self.question(nobody, &made);
        let planner = Planner {
            question: &question,
            variable: match self.sought {
                Sought::Principals => Node::Principal,
                Sought::Resources => Node::Resource,
            },
            ty: self.ty,
            postings: &snapshot.entities.postings,
        };
        let known = self.known();
        // Lists are of what the store has, not of what the request says of one entity.
        let is_shaped = self.shaped.is_some() && self.ty == self.known_type;
        let (mut permits, mut forbids, mut always) = (Vec::new(), Vec::new(), false);
        let mut never = false;
        let mut plan = Plan::NOTHING;
        let whole = |policy: &'s Policy| {
            let (known_scope, scope) = self.scopes(policy);
            known_scope.takes(&known).then_some(scope)
        };
        self.bucket.visit_known(self.sought, &known, |number| {
            let policy = self.policy(number);
            let Some(scope) = whole(policy) else { return };
            let node = policy.body.as_ref().map(|body| body.compiled.as_ref());
            let settled = match node {
                _ if scope != Scope::Any => None,
                None => Some(Ok(true)),
                Some(None) => None,
                Some(Some(node)) => (!planner.is_open(node)).then(|| question.test(node)),
            };
            match (policy.info.effect, settled) {
                (Effect::Permit, Some(Ok(true))) => always = true,
                (_, Some(Ok(false))) | (Effect::Permit, Some(Err(_))) => {}
                (Effect::Forbid, Some(Ok(true))) => never = true,
                (Effect::Forbid, _) => forbids.push(number),
                (Effect::Permit, None) => {
                    let more = planner.policy(scope, node.flatten());
                    if more.len() > 0 || is_shaped {
                        permits.push(number);
                        plan = std::mem::replace(&mut plan, Plan::NOTHING).or(more);
                    }
                }
            }
        });
        if always {
            plan = Plan::Everything;
        }
        for number in self.bucket.all_sought(self.sought) {
            let policy = self.policy(number);
            if policy.info.effect == Effect::Permit
                && !matches!(plan, Plan::Everything)
                && let Some(scope) = whole(policy)
            {
                let node = policy.body.as_ref().and_then(|body| body.compiled.as_ref());
                plan = plan.or(planner.policy(scope, node));
            }
        }
        // A forbid that holds whoever the other side is holds of the known entity beside itself too, and it stands in
        // none of the lists that candidates are asked by.
        if never {
            return Plan::NOTHING;
        }
        if let (Plan::Lists(lists), true) = (&mut plan, is_shaped) {
            lists.push(List::One(self.known));
        }
        (self.permits, self.forbids, self.always) = (permits, forbids, always);
        plan
    }

    fn candidates(&mut self, plan: Plan<'s>) -> Candidates<'s> {
        let snapshot = self.snapshot;
        if plan.len() == 0 {
            return Candidates::Declared(Vec::new());
        }
        if let Some(choices) = &snapshot.vocabulary.type_entry(self.ty).choices {
            let ids = choices.iter().map(AsRef::<str>::as_ref);
            let mut numbers = snapshot.asked(&mut self.brought.foreign);
            let mut declared: Vec<(Uid, &str)> = ids.map(|id| (numbers.number(self.ty, id), id)).collect();
            declared.sort_unstable_by(|(_, a), (_, b)| b.cmp(a));
            return Candidates::Declared(declared);
        }
        let table = &snapshot.entities.table;
        let all = snapshot.entities.postings.get(key_of_type(self.ty)).map(List::Posted);
        // Lists that hold most of what there is take longer than all of it.
        let is_narrow = plan.len() <= FEW.max(self.count() / 2);
        let lists = match plan {
            Plan::Lists(lists) if is_narrow => lists,
            _ => all.into_iter().collect(),
        };
        Candidates::Stored(Walk::new(table, self.ty, lists))
    }

    /// How many entities there are of the type that is looked for.
    fn count(&self) -> usize {
        let all = self.snapshot.entities.postings.get(key_of_type(self.ty));
        all.map_or(0, |all| all.len())
    }

    /// Whether the answer about a candidate is allow.
    fn allows(&self, uid: Uid, stored: Option<EntityView<'s>>) -> bool {
        // One entity on both sides is what the request makes of it.
        let entity = if uid == self.known { self.known().entity } else { stored };
        let candidate = Side { uid, entity };
        let made = Bump::new();
        let question = self.question(candidate, &made);
        let mut reference = None;
        let mut holds = |policy: &'s Policy| {
            let (_, scope) = self.scopes(policy);
            scope.takes(&candidate) && self.holds(policy, &question, &mut reference)
        };
        if self.forbids.iter().any(|number| holds(self.policy(*number))) {
            return false;
        }
        let mut permitted = self.always;
        let mut forbidden = false;
        self.bucket.visit_sought(self.sought, &candidate, |number| {
            let policy = self.policy(number);
            let (known_scope, _) = self.scopes(policy);
            let is_open = match policy.info.effect {
                Effect::Permit => !permitted,
                Effect::Forbid => !forbidden,
            };
            if is_open && known_scope.takes(&self.known()) && holds(policy) {
                match policy.info.effect {
                    Effect::Permit => permitted = true,
                    Effect::Forbid => forbidden = true,
                }
            }
        });
        !forbidden && (permitted || self.permits.iter().any(|number| holds(self.policy(*number))))
    }

    /// Whether a permit permits, or a forbid forbids; one that errs forbids unless an option says otherwise.
    fn holds(&self, policy: &Policy, question: &Question<'_>, reference: &mut Option<Reference>) -> bool {
        let Some(body) = &policy.body else { return true };
        let errs = policy.info.effect == Effect::Forbid && self.snapshot.options.erring_forbid == ErringForbid::Forbids;
        let compiled = body.compiled.as_ref().map(|node| question.test(node));
        match compiled {
            Some(Ok(holds)) => return holds,
            // Whatever Cedar says of it, it forbids, or it does not permit.
            Some(Err(_)) if errs || policy.info.effect == Effect::Permit => return errs,
            Some(Err(_)) | None => {}
        }
        let Snapshot { vocabulary, index, .. } = self.snapshot;
        let reference =
            reference.get_or_insert_with(|| Reference::new(question, self.action, self.bucket, vocabulary, index));
        match (reference.holds(&body.expr), compiled) {
            (Err(_), _) => errs,
            // The two disagree, and nobody is allowed anything on the word of one.
            (Ok(_), Some(_)) => true,
            (Ok(holds), None) => holds,
        }
    }
}
