//! Entries by themselves, and in lists: filtered, in pages, and only those that the caller may see.

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::asked::Asked;
use super::call::Call;
use super::shape::{Extent, shape};
use super::{Admin, sight};
use crate::directory::{Directory, Key, Kind, Permission, Role, fold};
use crate::serve::problem::ProblemDocument;
use crate::serve::service::REVISION;

/// Entries of a page where nobody says how many.
pub(super) const LIMIT_DEFAULT: usize = 100;

/// Entries of a page at most.
pub(super) const LIMIT_MAX: usize = 1_000;

/// Entries that are looked at before others have their turn.
const LOOKS_AT_ONCE: usize = 256;

/// The team that everyone is in (R20).
const PUBLIC: &str = "Public";

/// What a page begins with: a hash of what was asked for, so that it goes on nowhere else.
const MARK_BYTES: usize = 8;

/// Which entries are wanted. What is not said is not looked at.
#[derive(Debug, Default)]
struct Filter {
    /// What name or id must hold, folded.
    contains: Option<String>,
    role: Option<Role>,
    active: Option<bool>,
    synced: Option<bool>,
    permission: Option<Permission>,
    team: Option<String>,
    /// A member or a datastore that a team must have.
    holds: Option<(Kind, String)>,
}

impl Filter {
    fn read(kind: Kind, asked: &mut Asked) -> Result<Self, ProblemDocument> {
        let mut filter = Self {
            contains: asked.text("contains").map(|text| fold(&text)),
            ..Self::default()
        };
        match kind {
            Kind::User | Kind::ServiceUser => {
                filter.role = asked.one_of("role", &Role::ALL.map(|role| (role.name(), role)))?;
                filter.active = asked.boolean("active")?;
                filter.team = asked.text("team");
                if kind == Kind::User {
                    filter.synced = asked.boolean("synced")?;
                }
            }
            Kind::Team => {
                let levels = [Permission::Read, Permission::Write].map(|level| (level.name(), level));
                filter.permission = asked.one_of("permission", &levels)?;
                filter.synced = asked.boolean("synced")?;
                for (name, held) in [
                    ("user", Kind::User),
                    ("service_user", Kind::ServiceUser),
                    ("datastore", Kind::Datastore),
                    ("enrichment_datastore", Kind::EnrichmentDatastore),
                ] {
                    let Some(id) = asked.text(name) else { continue };
                    if filter.holds.replace((held, id)).is_some() {
                        let detail = "only one of `user`, `service_user`, `datastore` and `enrichment_datastore`";
                        return Err(ProblemDocument::bad_request(detail));
                    }
                }
            }
            Kind::Datastore | Kind::EnrichmentDatastore => filter.team = asked.text("team"),
        }
        Ok(filter)
    }

    fn parameters(kind: Kind) -> &'static str {
        match kind {
            Kind::User => "are `contains`, `role`, `active`, `team`, `synced`, `limit` and `cursor`",
            Kind::ServiceUser => "are `contains`, `role`, `active`, `team`, `limit` and `cursor`",
            Kind::Team => {
                "are `contains`, `permission`, `synced`, `user`, `service_user`, `datastore`, `enrichment_datastore`, \
                 `limit` and `cursor`"
            }
            Kind::Datastore | Kind::EnrichmentDatastore => "are `contains`, `team`, `limit` and `cursor`",
        }
    }

    fn takes(&self, directory: &Directory, kind: Kind, id: &str) -> bool {
        let (name, synced) = match kind {
            Kind::User | Kind::ServiceUser => {
                let Some(account) = directory.account(kind, id) else { return false };
                if self.role.is_some_and(|role| role != account.role)
                    || self.active.is_some_and(|active| active != account.active)
                {
                    return false;
                }
                (&account.name, account.scim.is_some())
            }
            Kind::Team => {
                let Some(team) = directory.team(id) else { return false };
                if self.permission.is_some() && self.permission != team.permission
                    || !self.holds.as_ref().is_none_or(|(kind, held)| holds(directory, id, *kind, held))
                {
                    return false;
                }
                (&team.name, team.scim.is_some())
            }
            Kind::Datastore | Kind::EnrichmentDatastore => {
                let Some(store) = directory.store(kind, id) else { return false };
                (&store.name, false)
            }
        };
        let contains = |part: &String| fold(name).contains(part) || fold(id).contains(part);
        self.synced.is_none_or(|wanted| wanted == synced) && self.contains.as_ref().is_none_or(contains)
    }
}

/// Whether a team has a member or a datastore. Everyone is in Public.
fn holds(directory: &Directory, team: &str, kind: Kind, id: &str) -> bool {
    match kind {
        Kind::User | Kind::ServiceUser => {
            team == PUBLIC && directory.has(kind, id) || directory.is_member(team, kind, id)
        }
        _ => stores_of(directory, team, kind).any(|store| store == id),
    }
}

fn stores_of<'d>(directory: &'d Directory, team: &str, kind: Kind) -> impl Iterator<Item = &'d str> {
    let team = directory.team(team);
    let assigned = team.map(|team| match kind {
        Kind::Datastore => &team.datastores,
        _ => &team.enrichment_datastores,
    });
    assigned.into_iter().flatten().map(|assignment| &*assignment.to.id)
}

/// The entries that may be meant, in the order of their ids, behind one of them.
fn candidates<'d>(
    directory: &'d Directory,
    kind: Kind,
    team: Option<&str>,
    behind: &'d str,
) -> Box<dyn Iterator<Item = &'d str> + Send + 'd> {
    match team {
        Some(team) if kind.is_account() && team != PUBLIC => {
            let members = directory.members_of(team).into_iter();
            let ids = members.filter(move |(known, _)| *known == kind).map(|(_, id)| id);
            Box::new(ids.filter(move |id| *id > behind))
        }
        Some(team) if !kind.is_account() => {
            let mut ids: Vec<&str> = stores_of(directory, team, kind).filter(|id| *id > behind).collect();
            ids.sort_unstable();
            ids.dedup();
            Box::new(ids.into_iter())
        }
        // An id is not empty, so this is all of them at first.
        _ => Box::new(directory.ids_behind(kind, behind)),
    }
}

/// A page of a kind's entries.
pub(super) async fn list(admin: &Admin, call: &Call, kind: Kind) -> Result<Response, ProblemDocument> {
    let mut asked = Asked::of(call)?;
    let limit = asked.number("limit", LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let cursor = asked.text("cursor").filter(|cursor| !cursor.is_empty());
    let filter = Filter::read(kind, &mut asked)?;
    asked.finish(Filter::parameters(kind))?;
    let mark = mark(format!("{kind:?} {filter:?}"));
    let behind = cursor.map(|cursor| behind(&cursor, mark)).transpose()?.unwrap_or_default();

    let generation = admin.generation()?;
    let (snapshot, directory) = (&generation.snapshot, &*generation.directory);
    sight::check_entry(&generation, &call.caller)?;
    if let Some(team) = filter.team.as_deref().filter(|team| *team != PUBLIC && !directory.has(Kind::Team, team)) {
        return Err(ProblemDocument::bad_request(format!("`team`: there is no team `{team}`")));
    }
    let (mut items, mut last, mut is_more) = (Vec::new(), "", false);
    for (looks, id) in candidates(directory, kind, filter.team.as_deref(), &behind).enumerate() {
        if looks == admin.looks_max {
            is_more = true;
            break;
        }
        if looks % LOOKS_AT_ONCE == LOOKS_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        if filter.takes(directory, kind, id) && sight::sees(snapshot, &call.caller, kind, id) {
            if items.len() == limit {
                is_more = true;
                break;
            }
            items.extend(shape(directory, &Key::new(kind, id), Extent::Listed));
        }
        last = id;
    }
    let mut page = json!({ "items": items });
    if is_more {
        page["next_cursor"] = json!(cursor_of(mark, last));
    }
    Ok(answer(StatusCode::OK, snapshot.revision(), None, &page))
}

/// One entry.
pub(super) fn show(admin: &Admin, call: &Call, kind: Kind) -> Result<Response, ProblemDocument> {
    Asked::of(call)?.finish("are none")?;
    let key = Key::new(kind, call.id(0));
    let generation = admin.generation()?;
    let (snapshot, directory) = (&generation.snapshot, &*generation.directory);
    sight::check_entry(&generation, &call.caller)?;
    sight::check(snapshot, &call.caller, &key)?;
    let shown = shape(directory, &key, Extent::Whole).ok_or_else(|| sight::not_found(&key))?;
    let etag = directory.etag(&key).unwrap_or_default();
    let known = call.headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let is_known = |tag: &str| tag.trim() == "*" || tag.trim().trim_start_matches("W/") == format!("\"{etag}\"");
    if known.is_some_and(|known| known.split(',').any(is_known)) {
        let mut response = answer(StatusCode::NOT_MODIFIED, snapshot.revision(), Some(&etag), &Value::Null);
        *response.body_mut() = axum::body::Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
        return Ok(response);
    }
    Ok(answer(StatusCode::OK, snapshot.revision(), Some(&etag), &shown))
}

/// A JSON answer, with the revision that it is of.
pub(super) fn answer(status: StatusCode, revision: &str, etag: Option<&str>, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (status, headers, body.to_string()).into_response();
    if let Ok(revision) = HeaderValue::from_str(revision) {
        response.headers_mut().insert(REVISION, revision);
    }
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(&format!("\"{etag}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

pub(super) fn mark(asked: impl AsRef<[u8]>) -> [u8; MARK_BYTES] {
    let hash = Sha256::digest(asked);
    std::array::from_fn(|byte| hash[byte])
}

/// Where to go on. It is no secret: it says the last id that was looked at.
pub(super) fn cursor_of(mark: [u8; MARK_BYTES], last: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode([&mark[..], last.as_bytes()].concat())
}

pub(super) fn behind(cursor: &str, mark: [u8; MARK_BYTES]) -> Result<String, ProblemDocument> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    let last = bytes.and_then(|bytes| String::from_utf8(bytes.strip_prefix(&mark[..])?.to_vec()).ok());
    last.ok_or_else(|| ProblemDocument::bad_request("`cursor`: it is none of this list, with these filters"))
}
