//! A dry run over the entities at hand: which policies err on the data that they will meet.
//!
//! Validation proves that types fit. It cannot see that a reference leads nowhere or that a sum overflows; a run over
//! each entity of the store, as principal and as resource, can, before the snapshot answers anybody.

use std::collections::BTreeMap;

use bumpalo::Bump;
use foldhash::HashMap;

use super::bridge::extension;
use super::evaluate::{Question, Side};
use super::fault::Fault;
use super::index::Environment;
use super::reference::Reference;
use super::shape::{Fields, Shape};
use super::snapshot::Snapshot;
use super::value::{Cell, Record, Tail, Uid, Val};
use super::vocabulary::TypeIx;

impl Snapshot {
    /// Evaluates policies on up to `questions_max` questions made from the store's entities, and warns of each policy
    /// that errs, with the first question on which it did.
    ///
    /// Members of the context get the simplest value of their type, so a policy whose error depends on the context may
    /// go unseen.
    pub fn rehearse(&self, questions_max: usize) -> Vec<Fault> {
        let mut environments: Vec<_> =
            self.index.environments().filter(|(_, bucket)| !bucket.policies.is_empty()).collect();
        environments.sort_by_key(|(environment, _)| *environment);
        let by_type = &self.entities.sample;
        let share = (questions_max / environments.len().max(1)).max(1);
        let mut left = questions_max;
        let mut erring: BTreeMap<u32, Fault> = BTreeMap::new();
        for (environment, _) in environments {
            let none = Vec::new();
            let principals = by_type.get(&environment.principal).unwrap_or(&none);
            let resources = by_type.get(&environment.resource).unwrap_or(&none);
            if principals.is_empty() || resources.is_empty() {
                continue;
            }
            let mut tail = Tail::default();
            let context = &self.vocabulary.action_entry(environment.action).context;
            let Some(context) = self.plain_record(context, by_type, &mut tail) else {
                continue;
            };
            // Each principal and each resource comes up, not each pair.
            let turns = principals.len().max(resources.len()).min(share).min(left);
            left -= turns;
            for turn in 0..turns {
                let principal = principals[turn % principals.len()];
                let resource = resources[turn % resources.len()];
                self.rehearse_one(environment, (principal, resource), (context, &tail), &mut erring);
            }
        }
        erring.into_values().collect()
    }

    fn rehearse_one(
        &self,
        environment: Environment,
        (principal, resource): (Uid, Uid),
        (context, tail): (Cell, &Tail),
        erring: &mut BTreeMap<u32, Fault>,
    ) {
        let Some(bucket) = self.index.bucket(environment) else { return };
        let action = self.vocabulary.action_entry(environment.action);
        let made = Bump::new();
        let side = |uid| Side {
            uid,
            entity: self.entities.table.entity(uid),
        };
        let question = Question {
            table: &self.entities.table,
            principal: side(principal),
            action: action.number,
            resource: side(resource),
            context: match context.value(&tail.bytes) {
                Some(Val::Record(record)) => record,
                _ => Record::EMPTY,
            },
            foreign: &[],
            made: &made,
        };
        let mut reference = None;
        bucket.visit(&question.principal, &question.resource, |number| {
            let policy = &self.index.policies[number as usize];
            let (Some(body), false) = (&policy.body, erring.contains_key(&number)) else {
                return;
            };
            if !policy.principal.takes(&question.principal) || !policy.resource.takes(&question.resource) {
                return;
            }
            let suspect = body.compiled.as_ref().is_none_or(|node| question.test(node).is_err());
            if !suspect {
                return;
            }
            let reference = reference
                .get_or_insert_with(|| Reference::new(&question, action, bucket, &self.vocabulary, &self.index));
            if let Err(error) = reference.holds(&body.expr) {
                let mut fault = Fault::error(
                    "policy-errs",
                    format!(
                        "policy `{}` errs on the present data: {error} (asked: may {} do {} to {})",
                        policy.info.id,
                        self.name(principal),
                        action.name,
                        self.name(resource)
                    ),
                )
                .help("a permit that errs grants nothing, a forbid that errs forbids");
                fault.place = Some(policy.info.place.clone());
                erring.insert(number, fault.into_warning());
            }
        });
    }

    /// An entity's name as Cedar writes it.
    fn name(&self, uid: Uid) -> String {
        let view = self.entities.table.view(uid);
        let id = String::from_utf8_lossy(view.id());
        format!("{}::\"{}\"", self.vocabulary.cedar_type(view.ty()), id.escape_debug())
    }

    /// The simplest value for each required member; none if a member's type has no value.
    fn plain_record(&self, fields: &Fields, by_type: &HashMap<TypeIx, Vec<Uid>>, tail: &mut Tail) -> Option<Cell> {
        let mut members = Vec::new();
        for (_, field) in fields.iter().filter(|(_, field)| field.required) {
            members.push((field.symbol, self.plain(&field.shape, by_type, tail)?));
        }
        Some(tail.record(&mut members))
    }

    fn plain(&self, shape: &Shape, by_type: &HashMap<TypeIx, Vec<Uid>>, tail: &mut Tail) -> Option<Cell> {
        Some(match shape {
            Shape::Bool => Tail::bool(false),
            Shape::Long => tail.long(0),
            Shape::String => tail.string(b""),
            Shape::Set(_) => tail.set(&mut Vec::new()),
            Shape::Record(fields) => self.plain_record(fields, by_type, tail)?,
            Shape::Entity(ty) => match by_type.get(ty).and_then(|uids| uids.first()) {
                Some(uid) => Tail::entity(*uid),
                None => {
                    let choice = self.vocabulary.type_entry(*ty).choices.as_ref()?.first()?;
                    let (uid, _) = self.entities.table.find(*ty, choice.as_ref())?;
                    Tail::entity(uid)
                }
            },
            Shape::Extension(kind) => {
                let text = match kind.constructor() {
                    "decimal" => "0.0",
                    "ip" => "127.0.0.1",
                    "datetime" => "1970-01-01",
                    _ => "0s",
                };
                let value = extension(&kind.value(text.to_owned())?)?;
                tail.copy(&value)
            }
            Shape::Never => return None,
        })
    }
}
