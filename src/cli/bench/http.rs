//! A running sidecar: evaluations over connections that are kept, each with one request at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::task::JoinSet;

use super::figures::{Figures, Tally};
use crate::cli::line::Line;
use crate::serve::Address;

/// For one answer. What takes longer is an error.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Before a connection that was lost is made again.
const PAUSE: Duration = Duration::from_millis(10);

/// Bytes of an answer that are shown if it is not a decision.
const SHOWN_BYTES: usize = 200;

/// A sidecar, and how much to ask of it.
pub(super) struct Load {
    pub(super) address: Address,
    pub(super) connections: usize,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

/// What a sidecar says of itself, and what was measured.
pub(super) struct Measured {
    /// The answer of `/status`; null if it has none.
    pub(super) status: Value,
    pub(super) figures: Figures,
}

/// Asks a sidecar the questions in turns until the time is over.
///
/// # Errors
/// Nobody answers at the address.
pub(super) fn ask(load: &Load, bodies: &[String]) -> Result<Measured, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| format!("cannot start: {error}"))?.block_on(measure(load, bodies))
}

async fn measure(load: &Load, bodies: &[String]) -> Result<Measured, String> {
    let address = &load.address;
    let nobody = |why| format!("cannot ask {address}: {why}; is a sidecar listening there?");
    let mut first = Line::open(address).await.map_err(nobody)?;
    let status = match first.get("/status").await.map_err(nobody)? {
        answer if answer.status() == StatusCode::OK => serde_json::from_slice(answer.body()).unwrap_or(Value::Null),
        _ => Value::Null,
    };
    drop(first);
    let bodies: Arc<[Bytes]> = bodies.iter().map(|body| Bytes::from(body.clone())).collect();
    // A tally for each connection would be a lot of memory, and one for all would be waited for.
    let tallies = (0..load.connections.min(16)).map(|_| Tally::new().map(Mutex::new));
    let tallies: Arc<[Mutex<Tally>]> = tallies.collect::<Result<_, _>>()?;
    let since = Instant::now() + load.warm_up;
    let mut connections = JoinSet::new();
    for number in 0..load.connections {
        connections.spawn(converse(Conversation {
            address: address.clone(),
            bodies: bodies.clone(),
            first: bodies.len() * number / load.connections,
            tallies: tallies.clone(),
            number,
            since,
            until: since + load.measured,
        }));
    }
    while let Some(ended) = connections.join_next().await {
        ended.map_err(|error| format!("a connection broke off: {error}; this is a mistake in gatepost"))?;
    }
    // What was under way at the end is counted too, and so is the time that it took.
    let took = since.elapsed();
    let mut tally = Tally::new()?;
    for own in tallies.iter() {
        let fresh = Tally::new()?;
        tally.add(std::mem::replace(
            &mut *own.lock().unwrap_or_else(PoisonError::into_inner),
            fresh,
        ));
    }
    let per_second = tally.answers() as f64 / took.as_secs_f64();
    Ok(Measured {
        status,
        figures: Figures::new(tally, per_second)?,
    })
}

/// What one connection is to do.
struct Conversation {
    address: Address,
    bodies: Arc<[Bytes]>,
    first: usize,
    tallies: Arc<[Mutex<Tally>]>,
    number: usize,
    since: Instant,
    until: Instant,
}

async fn converse(task: Conversation) {
    let mut line = None;
    let mut next = task.first;
    loop {
        let begun = Instant::now();
        if begun >= task.until {
            return;
        }
        let body = task.bodies[next].clone();
        next = if next + 1 == task.bodies.len() { 0 } else { next + 1 };
        let answered = tokio::time::timeout(ANSWER_MAX, evaluate(&task.address, &mut line, body)).await;
        let answered = answered.unwrap_or_else(|_| Err("no answer within ten seconds".to_owned()));
        let lost = answered.is_err();
        if begun >= task.since {
            let tally = &task.tallies[task.number % task.tallies.len()];
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match answered {
                Ok(Ok(allowed)) => tally.answered(allowed, begun.elapsed()),
                Ok(Err(why)) | Err(why) => tally.failed(|| why),
            }
        }
        if lost {
            line = None;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// One question and its decision, or why the answer is none; on a connection that is made if there is none.
async fn evaluate(address: &Address, line: &mut Option<Line>, body: Bytes) -> Result<Result<bool, String>, String> {
    #[derive(Deserialize)]
    struct Answer {
        decision: bool,
    }
    let open = match line {
        Some(open) => open,
        None => line.insert(Line::open(address).await?),
    };
    let answer = open.post("/access/v1/evaluation", body).await?;
    let (status, body) = (answer.status(), answer.into_body());
    let answer = serde_json::from_slice(&body).ok().filter(|_| status == StatusCode::OK);
    Ok(answer.map(|answer: Answer| answer.decision).ok_or_else(|| {
        let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]);
        format!("{status}: {}", shown.trim())
    }))
}
