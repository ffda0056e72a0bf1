//! Gatepost's engine and stock Cedar over the bundled model: the same entities, the same questions.

use std::cell::OnceCell;
use std::hint::black_box;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityId, EntityTypeName, EntityUid, Request, Response, Schema,
};
use criterion::{Criterion, Throughput};
use gatepost::engine::json::Json;
use gatepost::engine::{Options, Query, Snapshot, Sources};
use serde_json::Value;

use crate::mode::Mode;
use crate::questions::{QUESTIONS, Question};
use crate::rounds::{median, ratio};
use crate::turns::{Turn, take_turns};
use crate::worlds;

/// Measures `decide` and two ways to ask stock Cedar, and tells the ratios.
pub(crate) fn bench(criterion: &mut Criterion, mode: Mode) {
    // Made only if one of these is to run at all.
    let made = OnceCell::new();
    let bundled = || made.get_or_init(Bundled::new);
    let mut group = criterion.benchmark_group("bundled");
    group.throughput(Throughput::Elements(QUESTIONS.len() as u64));
    group.bench_function("decide", |bencher| {
        let bundled = bundled();
        bencher.iter(|| bundled.ask_gatepost());
    });
    group.bench_function("stock", |bencher| {
        let bundled = bundled();
        bencher.iter(|| bundled.ask_stock());
    });
    group.bench_function("stock-making-requests", |bencher| {
        let bundled = bundled();
        bencher.iter(|| bundled.ask_stock_making_requests());
    });
    group.finish();

    let Some(bundled) = made.get() else { return };
    let (rounds, times) = match mode {
        Mode::Measure => (51, 50),
        Mode::Try => (1, 1),
    };
    let nanos = take_turns(
        rounds,
        &mut [
            bundled.turn(times, Bundled::ask_gatepost),
            bundled.turn(times, Bundled::ask_stock),
            bundled.turn(times, Bundled::ask_stock_making_requests),
        ],
    );
    let [decide, stock, making] = nanos.as_slice() else { return };
    println!(
        "bundled: decide {:.2} us, stock {:.2} us, stock making its requests {:.2} us a question",
        median(decide) / 1e3,
        median(stock) / 1e3,
        median(making) / 1e3
    );
    println!(
        "ratio: decide/stock = {:.2} (median of {rounds} interleaved rounds)",
        ratio(decide, stock)
    );
    println!(
        "ratio: decide/stock making its requests = {:.2} (median of {rounds} interleaved rounds)",
        ratio(decide, making)
    );
}

/// The bundled model twice, with the same entities, and what it is asked.
struct Bundled {
    snapshot: Snapshot,
    asked: Vec<Asked>,
    authorizer: Authorizer,
    entities: Entities,
    parts: Vec<Parts>,
    requests: Vec<Request>,
}

impl Bundled {
    fn new() -> Self {
        let sources = worlds::bundled();
        let snapshot = Snapshot::compile(&sources, &Options::default()).expect("the bundled model");
        let parts: Vec<Parts> = QUESTIONS.iter().map(Parts::of).collect();
        let bundled = Self {
            asked: QUESTIONS.iter().map(Asked::of).collect(),
            authorizer: Authorizer::new(),
            entities: stock_entities(&sources, snapshot.schema()),
            requests: parts.iter().map(|parts| parts.request(snapshot.schema())).collect(),
            parts,
            snapshot,
        };
        bundled.check();
        bundled
    }

    /// Both sides know the same and say the same, for the same reasons.
    fn check(&self) {
        let counts = self.snapshot.counts();
        assert_eq!(self.entities.len(), counts.entities + counts.actions);
        for ((question, asked), request) in QUESTIONS.iter().zip(&self.asked).zip(&self.requests) {
            let what = format!("{:?} {} {:?}", question.principal, question.action, question.resource);
            let ours = self.snapshot.decide(&asked.query()).expect("a good question");
            let theirs = self.stock(request);
            assert_eq!(ours.is_allowed(), question.allow, "{what}");
            assert_eq!(theirs.decision() == Decision::Allow, question.allow, "{what}");
            let mut reasons: Vec<&str> = theirs.diagnostics().reason().map(AsRef::<str>::as_ref).collect();
            reasons.sort_unstable();
            // Policies are numbered in the order of their ids.
            let determining: Vec<&str> =
                ours.determining.iter().map(|number| &*self.snapshot.policy(*number).id).collect();
            assert_eq!(determining, reasons, "{what}");
            assert!(
                ours.errors.is_empty() && theirs.diagnostics().errors().next().is_none(),
                "{what}"
            );
        }
    }

    /// Asks everything so many times.
    fn turn(&self, times: usize, ask: fn(&Self) -> usize) -> Turn<'_> {
        Box::new(move || {
            for _ in 0..times {
                black_box(ask(self));
            }
            times * QUESTIONS.len()
        })
    }

    fn stock(&self, request: &Request) -> Response {
        self.authorizer.is_authorized(request, self.snapshot.policy_set(), &self.entities)
    }

    // Each of these asks everything once and reads decisions and reasons: allows, and bytes of the reasons' ids.

    fn ask_gatepost(&self) -> usize {
        let read = |asked: &Asked| {
            let decision = self.snapshot.decide(&asked.query()).expect("a good question");
            let reasons = decision.determining.iter().map(|number| self.snapshot.policy(*number).id.len());
            usize::from(decision.is_allowed()) + reasons.sum::<usize>()
        };
        self.asked.iter().map(read).sum()
    }

    /// With requests that are ready made, which leaves out work that `decide` does.
    fn ask_stock(&self) -> usize {
        self.requests.iter().map(|request| read_stock(&self.stock(request))).sum()
    }

    /// With requests that are made, and held against the schema, for each call.
    fn ask_stock_making_requests(&self) -> usize {
        let schema = self.snapshot.schema();
        self.parts.iter().map(|parts| read_stock(&self.stock(&parts.request(schema)))).sum()
    }
}

/// Decision and reasons of a response.
fn read_stock(response: &Response) -> usize {
    let reasons = response.diagnostics().reason().map(|id| AsRef::<str>::as_ref(id).len());
    usize::from(response.decision() == Decision::Allow) + reasons.sum::<usize>()
}

/// The entities of the sources as Cedar's own, with the actions of the schema.
fn stock_entities(sources: &Sources, schema: &Schema) -> Entities {
    let mut all: Vec<Value> = sources.records.iter().map(|record| record.entity.clone()).collect();
    for text in &sources.entities {
        all.extend(serde_json::from_str::<Vec<Value>>(&text.content).expect("an array"));
    }
    Entities::from_json_value(all.into(), Some(schema)).expect("the entities that the engine takes")
}

/// A question as an application asks it: by short names.
struct Asked {
    principal: (String, &'static str),
    action: &'static str,
    resource: (String, &'static str),
    context: Option<Json<'static>>,
}

impl Asked {
    fn of(question: &Question) -> Self {
        let short = |(name, id): (&'static str, &'static str)| (name.to_lowercase(), id);
        let context = (!question.context.is_empty())
            .then(|| Json::read(question.context.as_bytes(), 8).expect("the context of a question"));
        Self {
            principal: short(question.principal),
            action: question.action,
            resource: short(question.resource),
            context,
        }
    }

    fn query(&self) -> Query<'_> {
        let (principal, resource) = (&self.principal, &self.resource);
        Query {
            context: self.context.as_ref(),
            ..Query::plain(
                (principal.0.as_str(), principal.1),
                self.action,
                (resource.0.as_str(), resource.1),
            )
        }
    }
}

/// The parts of a question for stock Cedar: names are parsed, ids are text, the context is JSON.
struct Parts {
    principal: (EntityTypeName, &'static str),
    action: (EntityTypeName, &'static str),
    resource: (EntityTypeName, &'static str),
    context: Option<Value>,
}

impl Parts {
    fn of(question: &Question) -> Self {
        let parsed = |(name, id): (&str, &'static str)| {
            let name: EntityTypeName = name.parse().expect("a type's name");
            (name, id)
        };
        let context = (!question.context.is_empty())
            .then(|| serde_json::from_str(question.context).expect("the context of a question"));
        Self {
            principal: parsed(question.principal),
            action: parsed(("Action", question.action)),
            resource: parsed(question.resource),
            context,
        }
    }

    fn request(&self, schema: &Schema) -> Request {
        let uid =
            |(name, id): &(EntityTypeName, &str)| EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id));
        let action = uid(&self.action);
        let context = match &self.context {
            None => Context::empty(),
            Some(json) => Context::from_json_value(json.clone(), Some((schema, &action))).expect("a good context"),
        };
        Request::new(uid(&self.principal), action, uid(&self.resource), context, Some(schema))
            .expect("a request that fits the schema")
    }
}
