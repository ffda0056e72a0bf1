//! One request, from its head to its answer.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use arc_swap::Guard;
use axum::Router;
use futures_util::FutureExt;
use http_body_util::Either;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use tower::ServiceExt;

use super::accept::{Door, Opens};
use super::authzen::{self, Answer, BatchRules, Batched, Inherit, Metadata};
use super::callers::{CallerSettings, Callers};
use super::compare::{CompareSettings, Comparisons};
use super::connections::{Connection, Connections, Patience, Phase};
use super::explaining::Explaining;
use super::guard::{Head, Hosts, nothing_here};
use super::operations;
use super::quiet::poll_frame;
use super::reply::{self, Body, Problem};
use super::routes::{Asked, ROUTES, Route, To};
use super::scim::Alarm;
use super::searches::{SearchSettings, Searches};
use super::tally::{Tally, add};
use crate::engine::Snapshot;
use crate::engine::json::Json;
use crate::store::{Generation, Live};

pub(super) const REVISION: HeaderName = HeaderName::from_static("gatepost-revision");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const POLICY_ERRORS: HeaderName = HeaderName::from_static("gatepost-policy-errors");

/// Items of a batch that are answered before others have their turn.
const ITEMS_AT_ONCE: usize = 64;

/// Bounds of what is served, each with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// Bytes of all bodies together that have begun to come and not been answered.
    pub bodies_bytes_max: usize,
    /// How deep the JSON of a request may nest.
    pub json_depth_max: usize,
    /// Questions in one batch.
    pub batch_items_max: usize,
    /// Results in one answer to a search.
    pub search_results_max: usize,
    /// Entities that are looked at for one answer to a search.
    pub search_looks_max: usize,
    /// Time that one answer to a search is looked for.
    pub search_time: Duration,
    /// Searches at once; 0 for four on each thread that answers.
    pub searches_max: usize,
    /// Bytes of a body on the management listener.
    pub admin_body_bytes_max: usize,
    /// Explanations at once; 0 for one for each two threads that answer.
    pub explanations_max: usize,
    /// For one explanation; what has been found by then is told.
    pub explanation_timeout: Duration,
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
            bodies_bytes_max: 256 << 20,
            json_depth_max: 32,
            batch_items_max: 1_000,
            search_results_max: 1_000,
            search_looks_max: 1_000_000,
            search_time: Duration::from_secs(10),
            searches_max: 0,
            admin_body_bytes_max: 8 << 20,
            explanations_max: 0,
            explanation_timeout: Duration::from_secs(2),
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
    /// How often Cedar's evaluator is asked as well.
    pub compare: CompareSettings,
    /// How searches are made.
    pub search: SearchSettings,
    /// Whether decisions are explained to whoever asks, which tells policies and facts.
    pub explains: bool,
    /// Who may call.
    pub callers: CallerSettings,
    /// Where mass deactivations by directory sync are counted.
    pub alarm: Arc<Alarm>,
    /// Called before each decision and each search, for tests of what happens when one breaks off.
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
    /// Bytes of bodies that are being read.
    bodies: AtomicUsize,
    before_decision: Option<fn()>,
    batch: BatchRules,
    explains: bool,
    pub(super) callers: Callers,
    pub(super) alarm: Arc<Alarm>,
    pub(super) searches: Searches,
    pub(super) explaining: Explaining,
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
    let depth_max = limits.json_depth_max;
    let tally = Tally::default();
    let answered = match ask {
        Ask::One => evaluated(snapshot, body, depth_max, &tally),
        Ask::Batch => read(body, depth_max, &tally).and_then(|root| {
            Ok(match authzen::evaluations(snapshot, &root, rules, &tally)? {
                Batched::Answered(answer) => answer,
                Batched::Begun(mut batch) => {
                    while batch.go_on(snapshot, &tally, usize::MAX) {}
                    batch.answer()
                }
            })
        }),
    };
    match answered {
        Ok(Answer { body, .. }) => (StatusCode::OK.as_u16(), body.into()),
        Err(problem) => (problem.status.as_u16(), problem.body()),
    }
}

fn evaluated(snapshot: &Snapshot, body: &[u8], depth_max: usize, tally: &Tally) -> Result<Answer, Problem> {
    match authzen::evaluate_plain(snapshot, body, depth_max, tally) {
        Some(answer) => answer,
        None => authzen::evaluate(snapshot, &read(body, depth_max, tally)?, tally),
    }
}

pub(super) fn read<'b>(body: &'b [u8], depth_max: usize, tally: &Tally) -> Result<Json<'b>, Problem> {
    Json::read(body, depth_max).map_err(|error| {
        add(&tally.problems);
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not valid JSON: {error}"))
    })
}

impl Service {
    /// A service over what is live. `base` is the URL for the metadata where no public one is set.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn new(
        live: Arc<Live>,
        settings: &ServeSettings,
        base: &str,
        connections_max: usize,
    ) -> io::Result<Arc<Self>> {
        let limits = settings.limits;
        let service = Arc::new(Self {
            tally: Tally::new(Comparisons::start(settings.compare, &live)),
            live,
            limits,
            metadata: Metadata::new(settings.public_url.as_deref().unwrap_or(base)),
            has_public_url: settings.public_url.is_some(),
            connections: Arc::new(Connections::new(connections_max)),
            connections_max,
            bodies: AtomicUsize::new(0),
            before_decision: settings.before_decision,
            batch: BatchRules {
                items_max: limits.batch_items_max,
                inherit: if settings.inherit_type {
                    Inherit::Type
                } else {
                    Inherit::Nothing
                },
            },
            explains: settings.explains,
            callers: Callers::new(&settings.callers),
            alarm: settings.alarm.clone(),
            searches: Searches::new(&settings.search, &limits)?,
            explaining: Explaining::new(&limits),
            router: OnceLock::new(),
        });
        let router = operations::router(&service);
        service.router.get_or_init(|| router);
        Ok(service)
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
        self: &Arc<Self>,
        door: &Door,
        connection: &Connection,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        connection.enter(Phase::Busy);
        let head = Head::of(request.headers());
        let request_id = head.request_id.cloned();
        let hosts = &door.hosts;
        let route = match &door.opens {
            Opens::Decisions => self.route(&request, &head, hosts).map(Ok),
            Opens::Management(routes) => Ok(Err(routes)),
        };
        let answered = AssertUnwindSafe(async move {
            let route = match route? {
                Ok(route) => route,
                Err(routes) => return Ok(Box::pin(self.manage(routes, hosts, request)).await.into()),
            };
            match route.to {
                To::Asked(asked) => {
                    let mut room = Room {
                        taken: 0,
                        max: self.limits.bodies_bytes_max,
                        all: &self.bodies,
                    };
                    let body = self.body(request.body_mut(), self.limits.body_bytes_max, &mut room).await;
                    let body = body.inspect_err(|_| add(&self.tally.refused))?;
                    // Nobody needs the request's headers any more, and the answer takes their room.
                    let headers = std::mem::take(request.headers_mut());
                    match asked {
                        Asked::Decision(Ask::One) => self.decide(&body, headers),
                        Asked::Decision(Ask::Batch) => Box::pin(self.decide_all(&body, headers)).await,
                        Asked::Explanation => Box::pin(self.explain(body, headers)).await,
                        Asked::Search(searched) => Box::pin(self.search(searched, &body, headers)).await,
                    }
                }
                // Rare, and its future is large.
                To::Operation => Box::pin(self.operate(route.path, request)).await,
            }
        });
        let Answered { mut response, revision } = match answered.catch_unwind().await {
            Ok(Ok(answered)) => answered,
            Ok(Err(problem)) => problem.into_response().into(),
            Err(_) => {
                add(&self.tally.panics);
                tracing::error!("a request broke off inside; this is a mistake in gatepost");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response().into()
            }
        };
        let headers = response.headers_mut();
        // A decision names the revision that it was made from, a change the one that has it; any other answer the one that
        // is live.
        if !headers.contains_key(REVISION) {
            let revision = revision.or_else(|| self.live.current().as_ref().map(|live| header_of(&live.snapshot)));
            if let Some(revision) = revision {
                headers.insert(REVISION, revision);
            }
        }
        if let Some(id) = request_id {
            headers.insert(REQUEST_ID, id);
        }
        connection.enter(Phase::Idle);
        Ok(response)
    }

    /// Where a request goes, if its head may go anywhere.
    fn route(&self, request: &Request<Incoming>, head: &Head<'_>, hosts: &Hosts) -> Result<&'static Route, Problem> {
        self.find_route(request, head, hosts).inspect_err(|_| add(&self.tally.refused))
    }

    fn find_route(
        &self,
        request: &Request<Incoming>,
        head: &Head<'_>,
        hosts: &Hosts,
    ) -> Result<&'static Route, Problem> {
        head.check(request.uri(), hosts)?;
        let path = request.uri().path();
        let known = |path: &str| ROUTES.iter().find(|route| route.path == path);
        let is_there = |route: &&Route| self.explains || !matches!(route.to, To::Asked(Asked::Explanation));
        let Some(route) = known(path).filter(is_there).or_else(|| {
            // A decision point with a path of its own is described behind the well-known one too.
            let is_configuration = self.metadata.paths.iter().any(|known| known == path);
            is_configuration.then_some(authzen::CONFIGURATION).and_then(known)
        }) else {
            return Err(nothing_here(request.method()));
        };
        if request.method().as_str() != route.method {
            return Err(Problem::not_allowed(
                format!("only {} is supported here", route.method),
                route.method,
            ));
        }
        if let To::Asked(_) = route.to {
            head.check_json()?;
            if self.callers.are_required() {
                self.callers.check_standing(head, route.scope(), &self.live)?;
            }
        }
        Ok(route)
    }

    async fn operate(&self, path: &'static str, mut request: Request<Incoming>) -> Result<Answered, Problem> {
        let Some(router) = self.router.get() else {
            return Err(Problem::new(StatusCode::NOT_FOUND, "there is nothing here"));
        };
        *request.uri_mut() = Uri::from_static(path);
        match router.clone().oneshot(request.map(axum::body::Body::new)).await {
            Ok(response) => Ok(response.map(Either::Right).into()),
            Err(never) => match never {},
        }
    }

    /// The whole body of a request that changes something, and the room that it takes until it is answered.
    pub(super) async fn body_within(&self, body: &mut Incoming, max: usize) -> Result<(Bytes, Room<'_>), Problem> {
        let mut room = Room {
            taken: 0,
            max: self.limits.bodies_bytes_max,
            all: &self.bodies,
        };
        let read = self.body(body, max, &mut room).await.inspect_err(|_| add(&self.tally.refused))?;
        Ok((read, room))
    }

    /// The whole body, within its limits of size and time.
    async fn body(&self, body: &mut Incoming, max: usize, room: &mut Room<'_>) -> Result<Bytes, Problem> {
        let mut collecting = pin!(collect(body, max, room));
        // Most bodies came with their heads, and need no timer.
        let collected = match poll_fn(|cx| Poll::Ready(collecting.as_mut().poll(cx))).await {
            Poll::Ready(collected) => Ok(collected),
            Poll::Pending => Box::pin(tokio::time::timeout(self.limits.body_timeout, collecting)).await,
        };
        let problem = match collected {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(Unread::TooLarge)) => {
                let message = format!("the body has more than {max} bytes");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            Ok(Err(Unread::NoRoom)) => Problem::try_later("other bodies take all the room that there is for them"),
            Ok(Err(Unread::BrokenOff)) => Problem::new(StatusCode::BAD_REQUEST, "the body broke off"),
            Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
        };
        Err(problem.and_close())
    }

    /// One snapshot for the whole of it.
    fn decide(&self, body: &[u8], headers: HeaderMap) -> Result<Answered, Problem> {
        let generation = self.live.current();
        let snapshot = snapshot_of(generation.as_ref())?;
        self.prepare();
        let answer = evaluated(snapshot, body, self.limits.json_depth_max, &self.tally);
        Ok(told(snapshot, answer, headers))
    }

    /// One snapshot for the whole batch. Others have their turn in between.
    async fn decide_all(&self, body: &[u8], headers: HeaderMap) -> Result<Answered, Problem> {
        let generation = Guard::into_inner(self.live.current());
        let snapshot = snapshot_of(generation.as_ref())?;
        self.prepare();
        let answer = self.answer_all(snapshot, body).await;
        Ok(told(snapshot, answer, headers))
    }

    async fn answer_all(&self, snapshot: &Snapshot, body: &[u8]) -> Result<Answer, Problem> {
        let root = read(body, self.limits.json_depth_max, &self.tally)?;
        let mut batch = match authzen::evaluations(snapshot, &root, self.batch, &self.tally)? {
            Batched::Answered(answer) => return Ok(answer),
            Batched::Begun(batch) => batch,
        };
        while batch.go_on(snapshot, &self.tally, ITEMS_AT_ONCE) {
            tokio::task::yield_now().await;
        }
        Ok(batch.answer())
    }

    pub(super) fn prepare(&self) {
        if let Some(before) = self.before_decision {
            before();
        }
    }
}

pub(super) fn snapshot_of(generation: Option<&Arc<Generation>>) -> Result<&Snapshot, Problem> {
    generation.map(|generation| &generation.snapshot).ok_or_else(|| {
        let message = "no policies have loaded yet: see /status";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, message)
    })
}

pub(super) fn told(snapshot: &Snapshot, answer: Result<Answer, Problem>, headers: HeaderMap) -> Answered {
    let response = match answer {
        Ok(Answer { body, policy_errors }) => {
            let mut response = reply::json_in(headers, StatusCode::OK, body);
            if policy_errors > 0 {
                response.headers_mut().insert(POLICY_ERRORS, policy_errors.into());
            }
            response
        }
        Err(problem) => problem.into_response(),
    };
    Answered {
        response,
        revision: Some(header_of(snapshot)),
    }
}

/// An answer, and the revision that it was made from if it was made from one.
pub(super) struct Answered {
    response: Response<Body>,
    revision: Option<HeaderValue>,
}

impl From<Response<Body>> for Answered {
    fn from(response: Response<Body>) -> Self {
        Self {
            response,
            revision: None,
        }
    }
}

/// Why there is no body.
enum Unread {
    TooLarge,
    NoRoom,
    BrokenOff,
}

/// A body of no more than `max` bytes. One that does not come at once has to find room.
async fn collect(body: &mut Incoming, max: usize, room: &mut Room<'_>) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > max as u64 {
        return Err(Unread::TooLarge);
    }
    let mut whole: Option<Bytes> = None;
    let mut parts: Vec<u8> = Vec::new();
    while !body.is_end_stream()
        && let Some(frame) = poll_fn(|cx| poll_frame(body, cx)).await
    {
        let Ok(data) = frame.map_err(|_| Unread::BrokenOff)?.into_data() else {
            continue;
        };
        let length = parts.len() + whole.as_ref().map_or(0, Bytes::len) + data.len();
        if length > max {
            return Err(Unread::TooLarge);
        }
        if !body.is_end_stream() {
            // What was announced, or else what there is.
            room.grow_to(length.saturating_add(usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX)))?;
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
    Ok(whole.unwrap_or_else(|| parts.into()))
}

/// What one body takes of the room that there is for all, given back when this is dropped.
pub(super) struct Room<'s> {
    taken: usize,
    max: usize,
    all: &'s AtomicUsize,
}

impl Room<'_> {
    fn grow_to(&mut self, bytes: usize) -> Result<(), Unread> {
        let more = bytes.saturating_sub(self.taken);
        let all = self.all.fetch_add(more, Ordering::Relaxed);
        self.taken += more;
        if all.saturating_add(more) > self.max {
            return Err(Unread::NoRoom);
        }
        Ok(())
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.taken > 0 {
            self.all.fetch_sub(self.taken, Ordering::Relaxed);
        }
    }
}

/// A snapshot's revision as a header. Each thread keeps the one that it made last.
fn header_of(snapshot: &Snapshot) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<HeaderValue> = const { RefCell::new(HeaderValue::from_static("")) };
    }
    LAST.with_borrow_mut(|last| {
        if last.as_bytes() != snapshot.revision().as_bytes() {
            // Hexadecimal digits are a header value.
            *last = HeaderValue::from_str(snapshot.revision()).unwrap_or(HeaderValue::from_static("unknown"));
        }
        last.clone()
    })
}
