//! Questions to a running sidecar: searches, page after page, as AuthZEN has them, and explanations.

use std::collections::HashSet;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::line::{Line, TOKEN};
use super::source::Searched;
use crate::engine::{Entity, Query, Sought};
use crate::serve::{Address, ExplainDocument};

/// For one page.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Pages of one search.
const PAGES_MAX: usize = 1_000_000;

/// How often a sidecar that has no room is asked again.
const ATTEMPTS: u32 = 5;

/// Between two of them, if the sidecar says nothing else, and the longest that it may say.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A sidecar and the connection to it.
pub(super) struct Sidecar {
    runtime: Runtime,
    address: Address,
    line: Option<Line>,
    revision: Option<String>,
}

/// One page of results.
#[derive(Deserialize)]
struct Results {
    results: Vec<Found>,
    page: Option<Page>,
}

#[derive(Deserialize)]
struct Found {
    id: String,
}

#[derive(Deserialize)]
struct Page {
    next_token: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: Told,
}

#[derive(Deserialize)]
struct Told {
    message: String,
}

impl Sidecar {
    /// A sidecar to be asked.
    ///
    /// # Errors
    /// The system has nothing to run a client on.
    pub(super) fn new(address: Address) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime.map_err(|error| format!("cannot start: {error}"))?,
            address,
            line: None,
            revision: None,
        })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// The revision that all answers so far are of.
    pub(super) fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// All ids that a search finds, in ascending order.
    ///
    /// # Errors
    /// Nobody answers, not as AuthZEN says, or of another revision than before.
    pub(super) fn search(&mut self, query: &Query<'_>, sought: Sought) -> Result<Searched, String> {
        let path = match sought {
            Sought::Principals => "/access/v1/search/subject",
            Sought::Resources => "/access/v1/search/resource",
        };
        let mut body = request(query, sought);
        let mut found = Vec::new();
        // A page that was there before leads nowhere.
        let mut pages: HashSet<String> = HashSet::new();
        loop {
            let answer = self.ask(path, &body)?;
            let results: Results = match answer.status() {
                StatusCode::OK => serde_json::from_slice(answer.body()).map_err(|error| {
                    format!("{} answers a search with what is no list of results: {error}", self.address)
                })?,
                StatusCode::BAD_REQUEST if pages.is_empty() && is_about_context(&answer) => {
                    return Ok(Searched::Unfit(message(&answer)));
                }
                StatusCode::NOT_FOUND => {
                    return Err(format!(
                        "this sidecar has no search: {} answers 404 at {path}; ask a root, or a newer sidecar",
                        self.address
                    ));
                }
                status => return Err(format!("{} answers {status} at {path}: {}", self.address, message(&answer))),
            };
            found.extend(results.results.into_iter().map(|found| found.id));
            let next = results.page.map(|page| page.next_token).unwrap_or_default();
            if next.is_empty() {
                // AuthZEN promises no order.
                found.sort_unstable();
                return Ok(Searched::Found(found));
            }
            body["page"] = json!({ "token": next });
            if pages.len() >= PAGES_MAX || !pages.insert(next) {
                return Err(format!("{} answers with the same page again and again", self.address));
            }
        }
    }

    /// Why a question is answered as it is.
    ///
    /// # Errors
    /// Nobody answers, or the sidecar does not explain this.
    pub(super) fn explain(&mut self, query: &Query<'_>) -> Result<ExplainDocument, String> {
        let path = "/v1/explain";
        let answer = self.ask(path, &evaluation(query))?;
        match answer.status() {
            StatusCode::OK => serde_json::from_slice(answer.body())
                .map_err(|error| format!("{} answers with what is no explanation: {error}", self.address)),
            StatusCode::NOT_FOUND => Err(format!(
                "this sidecar does not explain: {} answers 404 at {path}; set its `explain.enabled`, or ask a root",
                self.address
            )),
            StatusCode::BAD_REQUEST => Err(message(&answer)),
            status => Err(format!("{} answers {status} at {path}: {}", self.address, message(&answer))),
        }
    }

    /// One request and its answer; again where the sidecar has no room for it.
    fn ask(&mut self, path: &str, body: &Value) -> Result<Response<Bytes>, String> {
        let body = Bytes::from(body.to_string());
        let Self {
            runtime, address, line, ..
        } = self;
        let answer = runtime.block_on(async {
            for _ in 1..ATTEMPTS {
                let answer = post(address, line, path, body.clone()).await?;
                if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
                    return Ok(answer);
                }
                tokio::time::sleep(pause(&answer)).await;
            }
            post(address, line, path, body).await
        });
        let answer = answer.map_err(|why| format!("cannot ask {address}: {why}; is a sidecar listening there?"))?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Err(format!("{address} wants a token: put a good one into {TOKEN}"));
        }
        let told = answer.headers().get("gatepost-revision").and_then(|value| value.to_str().ok());
        match (&self.revision, told) {
            (Some(known), Some(told)) if known != told => Err(format!(
                "{} has gone over from revision {known} to {told} while it was asked, and no answer is of both; ask again",
                self.address
            )),
            (None, Some(told)) => {
                self.revision = Some(told.to_owned());
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }
}

/// The body of a search, without the id of what is looked for.
fn request(query: &Query<'_>, sought: Sought) -> Value {
    let mut subject = json!({ "type": query.principal.entity_type });
    let mut resource = json!({ "type": query.resource.entity_type });
    match sought {
        Sought::Principals => resource["id"] = json!(query.resource.id),
        Sought::Resources => subject["id"] = json!(query.principal.id),
    }
    let mut body = json!({ "subject": subject, "action": { "name": query.action.name }, "resource": resource });
    if let Some(context) = query.context {
        body["context"] = context.into();
    }
    body
}

/// The body of an evaluation.
fn evaluation(query: &Query<'_>) -> Value {
    let entity = |entity: &Entity<'_>| {
        let mut part = json!({ "type": entity.entity_type, "id": entity.id });
        if let Some(properties) = entity.properties {
            part["properties"] = properties.into();
        }
        part
    };
    let mut action = json!({ "name": query.action.name });
    if let Some(properties) = query.action.properties {
        action["properties"] = properties.into();
    }
    let (subject, resource) = (entity(&query.principal), entity(&query.resource));
    let mut body = json!({ "subject": subject, "action": action, "resource": resource });
    if let Some(context) = query.context {
        body["context"] = context.into();
    }
    body
}

async fn post(address: &Address, line: &mut Option<Line>, path: &str, body: Bytes) -> Result<Response<Bytes>, String> {
    let asked = async {
        // A connection that was kept may have been closed meanwhile; a question changes nothing, so it is asked again.
        if let Some(mut open) = line.take()
            && let Ok(answer) = open.post(path, body.clone()).await
        {
            *line = Some(open);
            return Ok(answer);
        }
        let open = line.insert(Line::open(address).await?);
        open.post(path, body).await
    };
    tokio::time::timeout(ANSWER_MAX, asked)
        .await
        .unwrap_or_else(|_| Err("it does not answer".to_owned()))
}

fn pause(answer: &Response<Bytes>) -> Duration {
    let seconds = answer
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs).min(PAUSE_MAX)
}

/// What a refusal says.
/// Whether a refusal is that of a sidecar to which the context is not what the action wants, and not anybody else's.
fn is_about_context(answer: &Response<Bytes>) -> bool {
    answer.headers().contains_key("gatepost-revision")
        && message(answer)
            .strip_prefix("context")
            .is_some_and(|rest| rest.starts_with([':', '.', '[']))
}

/// What an answer says of itself.
fn message(answer: &Response<Bytes>) -> String {
    serde_json::from_slice(answer.body())
        .map_or_else(|_| answer.status().to_string(), |refusal: Refusal| refusal.error.message)
}
