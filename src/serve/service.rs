//! One request, from its head to its answer.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use http_body_util::Either;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use tower::ServiceExt;

use super::authzen::{self, Answer, BatchRules, Inherit, Metadata};
use super::connections::{Connection, Connections, Patience, Phase};
use super::guard::{Head, Hosts, nothing_here};
use super::operations;
use super::reply::{self, Body, Problem};
use super::tally::{Tally, add};
use crate::engine::Snapshot;
use crate::engine::json::Json;
use crate::store::Live;

const REVISION: HeaderName = HeaderName::from_static("gatepost-revision");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const POLICY_ERRORS: HeaderName = HeaderName::from_static("gatepost-policy-errors");

/// Bounds of what is served, each with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// How deep the JSON of a request may nest.
    pub json_depth_max: usize,
    /// Questions in one batch.
    pub batch_items_max: usize,
    /// Open connections. Never more than the process may have open files, less a reserve of 64.
    pub connections_max: usize,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// For a head to arrive, and for a new connection to begin one.
    pub header_timeout: Duration,
    /// For a body to arrive.
    pub body_timeout: Duration,
    /// For the other side to take an answer.
    pub write_timeout: Duration,
    /// Between two requests of a connection.
    pub idle_timeout: Duration,
    /// For requests under way to end when the server is told to.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            json_depth_max: 32,
            batch_items_max: 1_000,
            connections_max: 10_000,
            header_bytes_max: 16 << 10,
            headers_max: 64,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// What a server is made with.
#[derive(Clone, Debug, Default)]
pub struct ServeSettings {
    /// Bounds.
    pub limits: Limits,
    /// The decision point's URL for the metadata, `https://…`; without it they name the first address.
    pub public_url: Option<String>,
    /// Names, with ports, that `Host` may have besides our own.
    pub allowed_hosts: Vec<String>,
    /// Whether items of a batch without a type take the default's.
    pub inherit_type: bool,
    /// Called before each decision, for tests of what happens when one breaks off.
    pub before_decision: Option<fn()>,
}

/// What all connections share.
#[derive(Debug)]
pub struct Service {
    pub(super) live: Arc<Live>,
    /// What was counted.
    pub tally: Tally,
    pub(super) limits: Limits,
    pub(super) metadata: Metadata,
    pub(super) has_public_url: bool,
    pub(super) connections: Arc<Connections>,
    pub(super) connections_max: usize,
    before_decision: Option<fn()>,
    batch: BatchRules,
    router: OnceLock<Router>,
}

/// Which decision is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// An evaluation.
    One,
    /// Evaluations.
    Batch,
}

/// Answers a request's body, with the default limits and without a server: a status and a body.
pub fn answer(snapshot: &Snapshot, ask: Ask, body: &[u8]) -> (u16, Vec<u8>) {
    let limits = Limits::default();
    let rules = BatchRules {
        items_max: limits.batch_items_max,
        inherit: Inherit::Nothing,
    };
    match answered(snapshot, ask, body, limits.json_depth_max, rules, &Tally::default()) {
        Ok(Answer { body, .. }) => (StatusCode::OK.as_u16(), body.into()),
        Err(problem) => (problem.status.as_u16(), problem.body()),
    }
}

fn answered(
    snapshot: &Snapshot,
    ask: Ask,
    body: &[u8],
    depth_max: usize,
    rules: BatchRules,
    tally: &Tally,
) -> Result<Answer, Problem> {
    let root = Json::read(body, depth_max).map_err(|error| {
        add(&tally.problems);
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not valid JSON: {error}"))
    })?;
    match ask {
        Ask::One => authzen::evaluate(snapshot, &root, tally),
        Ask::Batch => authzen::evaluations(snapshot, &root, rules, tally),
    }
}

impl Service {
    /// A service over what is live. `base` is the URL for the metadata where no public one is set.
    pub(super) fn new(live: Arc<Live>, settings: &ServeSettings, base: &str, connections_max: usize) -> Arc<Self> {
        let limits = settings.limits;
        let service = Arc::new(Self {
            live,
            tally: Tally::default(),
            limits,
            metadata: Metadata::new(settings.public_url.as_deref().unwrap_or(base)),
            has_public_url: settings.public_url.is_some(),
            connections: Arc::new(Connections::new(connections_max)),
            connections_max,
            before_decision: settings.before_decision,
            batch: BatchRules {
                items_max: limits.batch_items_max,
                inherit: if settings.inherit_type {
                    Inherit::Type
                } else {
                    Inherit::Nothing
                },
            },
            router: OnceLock::new(),
        });
        let router = operations::router(&service);
        service.router.get_or_init(|| router);
        service
    }

    pub(super) fn patience(&self) -> Patience {
        Patience {
            head: self.limits.header_timeout,
            idle: self.limits.idle_timeout,
            write: self.limits.write_timeout,
        }
    }

    /// Answers one request.
    pub(super) async fn respond(
        self: Arc<Self>,
        hosts: &Hosts,
        connection: &Connection,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        connection.enter(Phase::Busy);
        let request_id = Head::of(request.headers()).request_id.cloned();
        let answered = AssertUnwindSafe(self.answer(hosts, request)).catch_unwind().await;
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(problem)) => problem.into_response(),
            Err(_) => {
                add(&self.tally.panics);
                tracing::error!("a request broke off inside; this is a mistake in gatepost");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
            }
        };
        let headers = response.headers_mut();
        if let Some(id) = request_id {
            headers.insert(REQUEST_ID, id);
        }
        // A decision names the revision that it was made from; any other answer the one that is live.
        if !headers.contains_key(&REVISION)
            && let Some(generation) = self.live.current().as_ref()
        {
            headers.insert(REVISION, revision(&generation.snapshot));
        }
        connection.enter(Phase::Idle);
        Ok(response)
    }

    async fn answer(
        self: &Arc<Self>,
        hosts: &Hosts,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let refused = |problem| {
            add(&self.tally.refused);
            problem
        };
        let head = Head::of(request.headers());
        head.check(request.uri(), hosts).map_err(refused)?;
        let ask = match request.uri().path() {
            authzen::EVALUATION => Ask::One,
            authzen::EVALUATIONS => Ask::Batch,
            path => {
                // A decision point with a path of its own is described behind the well-known one too.
                let is_configuration = self.metadata.paths.iter().any(|known| known == path);
                if !is_configuration && !operations::PATHS.contains(&path) {
                    return Err(refused(nothing_here(request.method())));
                }
                if request.method() != Method::GET {
                    return Err(refused(Problem::not_allowed("only GET is supported here", "GET")));
                }
                if is_configuration {
                    *request.uri_mut() = Uri::from_static(authzen::CONFIGURATION);
                }
                return Ok(self.route(request).await);
            }
        };
        if request.method() != Method::POST {
            return Err(refused(Problem::not_allowed("only POST is supported here", "POST")));
        }
        head.check_json().map_err(refused)?;
        let body = self.body(request.into_body()).await.map_err(refused)?;
        self.decide(ask, &body)
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(router) = self.router.get() else {
            return Problem::new(StatusCode::NOT_FOUND, "there is nothing here").into_response();
        };
        match router.clone().oneshot(request.map(axum::body::Body::new)).await {
            Ok(response) => response.map(Either::Right),
            Err(never) => match never {},
        }
    }

    /// The whole body, within its limits of size and time.
    async fn body(&self, body: Incoming) -> Result<Bytes, Problem> {
        let max = self.limits.body_bytes_max;
        let too_large = || {
            let message = format!("the body has more than {max} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message).and_close()
        };
        if body.size_hint().lower() > max as u64 {
            return Err(too_large());
        }
        match tokio::time::timeout(self.limits.body_timeout, collect(body, max)).await {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => Err(too_large()),
            Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body broke off").and_close()),
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long").and_close()),
        }
    }

    /// One snapshot for the whole of it.
    fn decide(&self, ask: Ask, body: &[u8]) -> Result<Response<Body>, Problem> {
        let generation = self.live.current();
        let Some(generation) = generation.as_ref() else {
            let message = "no policies have loaded yet: see /status";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message));
        };
        let snapshot = &generation.snapshot;
        let answered = catch_unwind(AssertUnwindSafe(|| {
            if let Some(before) = self.before_decision {
                before();
            }
            answered(snapshot, ask, body, self.limits.json_depth_max, self.batch, &self.tally)
        }));
        let answered = match answered {
            Ok(answered) => answered,
            Err(_) => {
                add(&self.tally.panics);
                tracing::error!(revision = snapshot.revision(), "a decision broke off inside");
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))
            }
        };
        let mut response = match answered {
            Ok(Answer { body, policy_errors }) => {
                let mut response = reply::json(StatusCode::OK, body);
                if policy_errors > 0 {
                    response.headers_mut().insert(POLICY_ERRORS, policy_errors.into());
                }
                response
            }
            Err(problem) => problem.into_response(),
        };
        response.headers_mut().insert(REVISION, revision(snapshot));
        Ok(response)
    }
}

/// A body, or nothing if it is larger than `max` bytes.
async fn collect(mut body: Incoming, max: usize) -> Result<Option<Bytes>, hyper::Error> {
    let mut whole: Option<Bytes> = None;
    let mut parts: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if parts.len() + whole.as_ref().map_or(0, Bytes::len) + data.len() > max {
            return Ok(None);
        }
        // Nearly every body comes in one piece, which needs no copy.
        match whole.take() {
            None if parts.is_empty() => whole = Some(data),
            first => {
                if let Some(first) = first {
                    parts.extend_from_slice(&first);
                }
                parts.extend_from_slice(&data);
            }
        }
    }
    Ok(Some(whole.unwrap_or_else(|| parts.into())))
}

fn revision(snapshot: &Snapshot) -> HeaderValue {
    // Hexadecimal digits are a header value.
    HeaderValue::from_str(snapshot.revision()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}
