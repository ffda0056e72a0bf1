//! Directory sync over HTTP: SCIM 2.0 at `/scim/v2`.
//!
//! Reads come from the live directory, writes are each one order to the one writer, with the token's principal as the
//! actor. SCIM sees and touches what SCIM created and nothing else: other users and teams are not there for it, and a
//! team that it made keeps the members that it does not know (R26, R27).

mod alarm;
mod apart;
mod call;
mod entry;
mod groups;
mod reply;
mod routes;
mod search;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use hyper::{Request, StatusCode};
use serde_json::Value;

use super::management::SCIM;
use crate::directory::{Command, Directory, Key};
use crate::engine::Query;
use crate::scim::{Problem, Type};
use crate::store::{Actor, Channel, Done, Expected, Live, Order, Refusal, Standing, Writer};

pub use alarm::Alarm;
use apart::Apart;
use call::Call;
use reply::Reply;

/// What an application asks with: which attribute of a SCIM user is the id of the entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntityId {
    /// Our own UUID.
    Id,
    /// The identity provider's.
    ExternalId,
    /// What the person signs in with.
    #[default]
    UserName,
}

/// Settings of directory sync.
#[derive(Clone, Debug, Default)]
pub struct ScimSettings {
    /// What is the id of the entity.
    pub entity_id: EntityId,
    /// The URL that `/scim/v2` stands behind, such as `https://gatepost.example.com`; the request's host if there is none.
    pub public_url: Option<String>,
}

/// What directory sync shares with other requests.
#[derive(Clone, Debug)]
pub struct ScimShared {
    /// Whether so many were deactivated that somebody should know.
    pub alarm: Arc<Alarm>,
    /// How long a filter may look.
    pub search_time: Duration,
}

/// The routes of directory sync, for [`Management`](super::Management): reads from what is live, and writes through the
/// one writer.
///
/// # Panics
/// Outside of a Tokio runtime.
pub fn scim_routes(live: Arc<Live>, writer: Writer, settings: ScimSettings, shared: ScimShared) -> Router {
    let scim = Scim {
        live,
        writer,
        settings,
        alarm: shared.alarm,
        search_time: shared.search_time,
        searches: Apart::new(),
        changes: Apart::new(),
    };
    let paths = [SCIM.to_owned(), format!("{SCIM}/"), format!("{SCIM}/{{*path}}")];
    let router = paths.iter().fold(Router::new(), |router, path| router.route(path, any(answer)));
    router.with_state(Arc::new(scim))
}

async fn answer(State(scim): State<Arc<Scim>>, request: Request<axum::body::Body>) -> Response {
    let answered = async {
        let call = Call::read(request).await?;
        routes::answer(&scim, &call).await
    };
    answered.await.unwrap_or_else(|problem| Reply::problem(&problem)).into_response()
}

/// All of directory sync.
#[derive(Debug)]
struct Scim {
    live: Arc<Live>,
    writer: Writer,
    settings: ScimSettings,
    /// Whether so many were deactivated that somebody should know.
    alarm: Arc<Alarm>,
    search_time: Duration,
    /// Lists under way.
    searches: Apart,
    /// Changes that are being made out.
    changes: Apart,
}

impl Scim {
    fn directory(&self) -> Result<Arc<Directory>, Problem> {
        let generation = self.live.current();
        let generation = generation.as_ref().ok_or_else(|| Problem::new(503, "nothing has loaded yet"))?;
        Ok(generation.directory.clone())
    }

    /// Refuses to show people and groups to whom the policies do not let see all of them.
    fn check_sight(&self, call: &Call) -> Result<(), Problem> {
        let live = self.live.current();
        let live = live.as_ref().ok_or_else(|| Problem::new(503, "nothing has loaded yet"))?;
        let (entity_type, id) = &call.principal;
        let query = Query::plain((entity_type, id), "viewSecurity", ("Platform", "main"));
        if live.snapshot.decide(&query).is_ok_and(|decision| decision.is_allowed()) {
            return Ok(());
        }
        let why = match live.standing(entity_type, id) {
            Standing::Missing => "is not in the directory",
            Standing::Deactivated => "is deactivated (R6)",
            Standing::Good => "may not see users and teams: only an Admin may (R12)",
        };
        Err(Problem::new(
            403,
            format!("the account of this token, {entity_type} `{id}`, {why}"),
        ))
    }

    /// The URL of `/scim/v2`, without a slash at its end.
    fn base(&self, call: &Call) -> String {
        match &self.settings.public_url {
            Some(url) => format!("{}/scim/v2", url.trim_end_matches('/')),
            None => format!("http://{}/scim/v2", call.host()),
        }
    }

    /// The entry of a resource.
    fn find<'d>(&self, directory: &'d Directory, kind: Type, uuid: &str) -> Result<&'d str, Problem> {
        let id = directory.scim_id(entry::kind_of(kind), uuid);
        id.ok_or_else(|| Problem::new(404, format!("there is no such {}", kind.name())))
    }

    /// The state of an entry that a change starts from: the caller's if it names one, else the present one. Whether it is
    /// the present one is for the writer to say, which puts on record what it refuses.
    fn expected(&self, call: &Call, directory: &Directory, kind: Type, id: &str) -> Expected {
        match call.expected() {
            Expected::Entry(tag) if !self.is_shown(call, directory, kind, id) => Expected::Entry(tag),
            _ => Expected::Entry(directory.etag(&Key::new(entry::kind_of(kind), id)).unwrap_or_default()),
        }
    }

    /// The state of an entry that a deletion wants: any, unless the caller names one.
    fn expected_last(&self, call: &Call, directory: &Directory, kind: Type, id: &str) -> Expected {
        match call.expected() {
            Expected::Entry(_) => self.expected(call, directory, kind, id),
            any => any,
        }
    }

    /// That what needs no change is what the caller takes it for.
    ///
    /// # Errors
    /// 412.
    fn unchanged(&self, call: &Call, directory: &Directory, kind: Type, id: &str) -> Result<(), Problem> {
        match call.expected() {
            Expected::Entry(_) if !self.is_shown(call, directory, kind, id) => {
                Err(Problem::new(412, "the resource has changed meanwhile"))
            }
            _ => Ok(()),
        }
    }

    /// Whether `If-Match` names the version that is shown now.
    fn is_shown(&self, call: &Call, directory: &Directory, kind: Type, id: &str) -> bool {
        entry::etag(directory, kind, id).is_some_and(|shown| call.expects(&shown))
    }

    /// Has the writer do something, in the name of whose token it is.
    async fn order(&self, call: &Call, command: Command, expected: Expected) -> Result<Done, Refusal> {
        let order = Order {
            command,
            actor: Actor {
                principal: Some(call.principal.clone()),
                token: Some(call.token.clone()),
                system_user: None,
            },
            channel: Channel::Scim,
            expected,
            dry_run: false,
            request_id: call.request_id.clone(),
        };
        self.writer.order(order).await
    }

    /// One resource, as it is now.
    fn show(&self, call: &Call, kind: Type, uuid: &str, status: StatusCode) -> Result<Reply, Problem> {
        let directory = self.directory()?;
        let id = self.find(&directory, kind, uuid)?;
        let etag = entry::etag(&directory, kind, id);
        let base = self.base(call);
        if status == StatusCode::OK && call.is_read() && etag.as_deref().is_some_and(|etag| call.has(etag)) {
            return Ok(Reply {
                status: StatusCode::NOT_MODIFIED,
                etag,
                ..Reply::default()
            });
        }
        let selection = call.asked(kind)?.selection;
        let shown = entry::shown(&directory, &base, kind, id, &selection);
        let shown = shown.ok_or_else(|| Problem::new(404, "there is no such resource"))?;
        Ok(Reply {
            location: Some(format!("{base}{}/{uuid}", kind.endpoint())),
            etag,
            ..Reply::new(status, Value::Object(shown))
        })
    }
}
