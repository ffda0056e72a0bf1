//! A question with one side open, asked about one candidate after the other.

use bumpalo::Bump;
use foldhash::HashMap;
use smallvec::SmallVec;

use super::super::bridge::Numbers;
use super::super::decide::{Brought, Effect};
use super::super::entity::EntityView;
use super::super::evaluate::{Erred, Question, Side};
use super::super::index::{Body, Bucket, Policy, Scope};
use super::super::options::ErringForbid;
use super::super::program::{Binary, Node};
use super::super::reference::Reference;
use super::super::snapshot::Snapshot;
use super::super::value::{Record, Uid, Val};
use super::super::vocabulary::{ActionEntry, TypeIx};
use super::Sought;
use super::left::{is_open, left_of};

/// A question with one side open.
pub(super) struct Asked<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) sought: Sought,
    /// The type that is looked for.
    pub(super) ty: TypeIx,
    pub(super) action: &'s ActionEntry,
    pub(super) bucket: &'s Bucket,
    pub(super) known: Uid,
    pub(super) known_type: TypeIx,
    pub(super) stored: Option<EntityView<'s>>,
    /// The known side as the request shapes it.
    pub(super) shaped: Option<Vec<u8>>,
    pub(super) brought: Brought,
    /// Whether a permit holds whoever the other side is.
    pub(super) always: bool,
    /// Permits and forbids that depend on the other side, but for those whose scopes name it.
    pub(super) permits: Vec<Open>,
    pub(super) forbids: Vec<Open>,
    /// Permits that may err although all entities exist, and those that do whoever the other side is.
    pub(super) wary: Vec<Open>,
    /// What is left of bodies.
    pub(super) left: Vec<Node>,
    /// Its numbers by the places of the bodies; none where all is left.
    pub(super) by_place: HashMap<usize, Option<u32>>,
}

/// A policy that depends on the other side.
#[derive(Clone, Copy)]
pub(super) struct Open {
    policy: u32,
    /// What is left of it, if that is not all.
    left: Option<u32>,
}

/// What a policy, or all of them, say of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Yes,
    No,
    /// A policy erred as it was compiled and has a value for Cedar's evaluator.
    Disputed,
}

impl<'s> Asked<'s> {
    pub(super) fn known(&self) -> Side<'_> {
        Side {
            uid: self.known,
            entity: self.shaped.as_deref().map(EntityView::new).or(self.stored),
        }
    }

    /// Whether the request shapes an entity of the type that is looked for.
    pub(super) fn is_alike(&self) -> bool {
        self.shaped.is_some() && self.ty == self.known_type
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

    /// Asks about nobody, with the side that is looked for.
    pub(super) fn half<T>(&self, ask: impl for<'q> FnOnce(&'q Question<'q>, &'q Node) -> T) -> T {
        let made = Bump::new();
        let nobody = Side {
            // INVARIANT: no name of the request has this number, so nothing is mistaken for nobody.
            uid: Uid(u32::MAX),
            entity: None,
        };
        let variable = match self.sought {
            Sought::Principals => Node::Principal,
            Sought::Resources => Node::Resource,
        };
        ask(&self.question(nobody, &made), &variable)
    }

    pub(super) fn policy(&self, number: u32) -> &'s Policy {
        &self.snapshot.index.policies[number as usize]
    }

    /// The scopes of a policy: of the known side, and of the other.
    pub(super) fn scopes(&self, policy: &Policy) -> (Scope, Scope) {
        match self.sought {
            Sought::Principals => (policy.resource, policy.principal),
            Sought::Resources => (policy.principal, policy.resource),
        }
    }

    /// The ids that the type which is looked for declares, the first one last; none if it declares none.
    pub(super) fn declared(&mut self) -> Option<Vec<(Uid, &'s str)>> {
        let snapshot = self.snapshot;
        let choices = snapshot.vocabulary.type_entry(self.ty).choices.as_ref()?;
        let ids = choices.iter().map(AsRef::<str>::as_ref);
        let mut numbers = snapshot.asked(&mut self.brought.foreign);
        let mut declared: Vec<(Uid, &str)> = ids.map(|id| (numbers.number(self.ty, id), id)).collect();
        declared.sort_unstable_by(|(_, a), (_, b)| b.cmp(a));
        Some(declared)
    }

    /// Where a body stands, by which it is known: the links of a template share theirs.
    pub(super) fn place(body: &Body) -> usize {
        std::ptr::from_ref(body).addr()
    }

    /// Evaluates what is known of a policy, unless that has been done.
    pub(super) fn learn(&mut self, policy: &Policy) {
        let Some(body) = &policy.body else { return };
        let Some(node) = &body.compiled else { return };
        let place = Self::place(body);
        if self.by_place.contains_key(&place) {
            return;
        }
        let left = self.half(|question, variable| left_of(node, question, variable));
        let number = left.map(|node| {
            self.left.push(node);
            self.left.len() as u32 - 1
        });
        self.by_place.insert(place, number);
    }

    /// A policy of which is known what there is to know.
    pub(super) fn open(&self, number: u32) -> Open {
        let place = self.policy(number).body.as_ref().map(|body| Self::place(body));
        Open {
            policy: number,
            left: place.and_then(|place| *self.by_place.get(&place)?),
        }
    }

    /// Whether what is left of a permit may err although all entities exist: then Cedar has to say so too.
    pub(super) fn is_wary(&self, permit: Open) -> bool {
        let body = self.policy(permit.policy).body.as_ref();
        body.and_then(|body| self.left_of(permit, body)).is_some_and(may_err)
    }

    fn left_of<'a>(&'a self, open: Open, body: &'a Body) -> Option<&'a Node> {
        match open.left {
            Some(left) => Some(&self.left[left as usize]),
            None => body.compiled.as_ref(),
        }
    }

    /// What is left of a body, as far as it is known; none if it has no compiled form.
    pub(super) fn node<'a>(&'a self, body: &'a Body) -> Option<&'a Node> {
        match self.by_place.get(&Self::place(body)) {
            Some(Some(left)) => Some(&self.left[*left as usize]),
            _ => body.compiled.as_ref(),
        }
    }

    /// Whether a policy holds whoever the other side is, or errs; none if that depends on it.
    pub(super) fn settled(&self, policy: &Policy) -> Option<Result<bool, Erred>> {
        let Some(body) = &policy.body else { return Some(Ok(true)) };
        let node = self.node(body)?;
        self.half(|question, variable| (!is_open(node, variable)).then(|| question.test(node)))
    }

    /// Whether the answer about a candidate is allow.
    pub(super) fn ask(&mut self, uid: Uid, stored: Option<EntityView<'s>>) -> Said {
        let mut named: SmallVec<[u32; 8]> = SmallVec::new();
        self.bucket.visit_sought(self.sought, &self.candidate(uid, stored), |number| {
            let (known_scope, _) = self.scopes(self.policy(number));
            if known_scope.takes(&self.known()) {
                named.push(number);
            }
        });
        if self.always && named.is_empty() && self.forbids.is_empty() && self.wary.is_empty() {
            return Said::Yes;
        }
        for number in &named {
            self.learn(self.policy(*number));
        }
        let mut named: SmallVec<[Open; 8]> = named.iter().map(|number| self.open(*number)).collect();
        let made = Bump::new();
        let candidate = self.candidate(uid, stored);
        let question = self.question(candidate, &made);
        let mut reference = None;
        let mut ask = |open: Open| {
            let policy = self.policy(open.policy);
            let (_, scope) = self.scopes(policy);
            if scope.takes(&candidate) {
                self.said(policy, open, &question, &mut reference)
            } else {
                Said::No
            }
        };
        let is_forbid = |open: &Open| self.policy(open.policy).info.effect == Effect::Forbid;
        named.sort_by_key(|open| !is_forbid(open));
        let (forbids, permits) = named.split_at(named.iter().take_while(|open| is_forbid(open)).count());
        for open in self.forbids.iter().chain(forbids) {
            match ask(*open) {
                Said::Yes => return Said::No,
                Said::No => {}
                Said::Disputed => return Said::Disputed,
            }
        }
        let mut said = if self.always { Said::Yes } else { Said::No };
        for open in permits.iter().chain(&self.permits) {
            if said != Said::No {
                break;
            }
            said = ask(*open);
        }
        // Once it is permitted, these are asked for the case that one of the two evaluators is wrong about them.
        if said == Said::Yes && self.wary.iter().any(|open| ask(*open) == Said::Disputed) {
            return Said::Disputed;
        }
        said
    }

    /// One entity on both sides is what the request makes of it.
    fn candidate<'a>(&'a self, uid: Uid, stored: Option<EntityView<'a>>) -> Side<'a> {
        let entity = if uid == self.known { self.known().entity } else { stored };
        Side { uid, entity }
    }

    /// Whether a permit permits, or a forbid forbids; one that errs forbids unless an option says otherwise.
    fn said(&self, policy: &Policy, open: Open, question: &Question<'_>, reference: &mut Option<Reference>) -> Said {
        let yes = |holds| if holds { Said::Yes } else { Said::No };
        let Some(body) = &policy.body else { return Said::Yes };
        let is_permit = policy.info.effect == Effect::Permit;
        let errs = !is_permit && self.snapshot.options.erring_forbid == ErringForbid::Forbids;
        let compiled = self.left_of(open, body).map(|node| question.test(node));
        match compiled {
            Some(Ok(holds)) => return yes(holds),
            // Whatever Cedar says of it, it forbids.
            Some(Err(_)) if errs => return Said::Yes,
            Some(Err(Erred::NoEntity(_))) if is_permit => return Said::No,
            Some(Err(_)) | None => {}
        }
        let Snapshot { vocabulary, index, .. } = self.snapshot;
        let reference =
            reference.get_or_insert_with(|| Reference::new(question, self.action, self.bucket, vocabulary, index));
        match (reference.holds(&body.expr), compiled) {
            (Err(_), _) => yes(errs),
            // The two disagree, and nobody is allowed anything on the word of one.
            (Ok(_), Some(_)) => Said::Disputed,
            (Ok(holds), None) => yes(holds),
        }
    }
}

/// Whether an expression can err although all entities exist, and have what their types require.
fn may_err(node: &Node) -> bool {
    if let Node::Negate(_)
    | Node::Method(..)
    | Node::Binary(Binary::Add | Binary::Subtract | Binary::Multiply | Binary::GetTag, _) = node
    {
        return true;
    }
    let mut may = false;
    node.each(&mut |child| may = may || may_err(child));
    may
}
