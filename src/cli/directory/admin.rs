//! The directory of a running sidecar, through its admin API.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use super::PlaceArgs;
use super::outcome::{self, Access, Outcome};
use super::place::Manner;
use crate::cli::line::{self, Line, Listener, TOKEN};
use crate::cli::print_error;
use crate::cli::source::Failed;
use crate::directory::{Assignments, Command, Key, Kind, Members, Patch, Permission, Role};
use crate::serve::Address;

/// Writing for the group, and anything for everybody else.
const OTHERS: u32 = 0o027;

/// What the admin API answers where there is no such entry; whoever has no admin API answers something else.
const NOT_FOUND: &str = "urn:gatepost:problem:not-found";

/// Entries of one page.
const PAGE: usize = 1000;

/// What of an id stands in a path as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// A sidecar and a token for it.
pub(super) struct Admin {
    runtime: Runtime,
    address: Address,
    line: Option<Line>,
    token: String,
    revision: Option<String>,
}

impl Admin {
    /// A sidecar to be asked; nothing is asked yet.
    ///
    /// # Errors
    /// The address is none, or there is no token.
    pub(super) fn open(url: &str, args: &PlaceArgs) -> Result<Self, Failed> {
        let address = line::address(url, Listener::Admin).map_err(Failed::Usage)?;
        let token = match &args.token_file {
            Some(path) => token_in(path)?,
            None => std::env::var(TOKEN).map_err(|_| {
                Failed::Usage(format!(
                    "a sidecar wants a token: name its file with --token-file, or put it into {TOKEN}; `gatepost token \
                     create` makes one"
                ))
            })?,
        };
        if token.trim().is_empty() {
            return Err(Failed::Usage(match &args.token_file {
                Some(path) => format!("--token-file: there is no token in `{}`", path.display()),
                None => format!("{TOKEN} is empty"),
            }));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime.map_err(|error| Failed::Other(format!("cannot start: {error}")))?,
            address,
            line: None,
            token: token.trim().to_owned(),
            revision: None,
        })
    }

    pub(super) fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// All entries of a kind, page after page. Teams come without their members.
    pub(super) fn all(&mut self, kind: Kind) -> Result<Vec<Value>, Failed> {
        let mut entries = Vec::new();
        let mut path = format!("{}?limit={PAGE}", collection(kind));
        loop {
            let answer = self.ask(Method::GET, &path, &[], None)?;
            let mut page = self.body(&answer)?;
            if let Value::Array(items) = page["items"].take() {
                entries.extend(items);
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{}?limit={PAGE}&cursor={}", collection(kind), encoded(cursor)),
                None => return Ok(entries),
            }
        }
    }

    /// One entry, whole.
    pub(super) fn find(&mut self, key: &Key) -> Result<Option<Value>, Failed> {
        let answer = self.ask(Method::GET, &path(key), &[], None)?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            _ => self.body(&answer).map(Some),
        }
    }

    /// Has a command carried out.
    pub(super) fn order(&mut self, command: &Command, manner: &Manner) -> Result<Outcome, Failed> {
        let mut headers = Vec::new();
        let mut etag = None;
        let (method, mut path, body) = match command {
            Command::Create { key, entry } => {
                let mut body = self.merge(entry, None)?;
                body.insert("id".to_owned(), json!(key.id));
                (Method::POST, collection(key.kind).to_owned(), Some(("application/json", body)))
            }
            Command::Change { key, patch } => {
                let Some(entry) = self.find(key)? else {
                    return Err(Failed::Other(format!("no {} `{}`", key.kind.word(), key.id)));
                };
                // The lists in the change are made from what was read, so it must still be so.
                etag = entry["etag"].as_str().map(str::to_owned);
                if let Some(etag) = &etag {
                    headers.push(("if-match", format!("\"{etag}\"")));
                }
                let body = self.merge(patch, Some(&entry))?;
                (Method::PATCH, path(key), Some(("application/merge-patch+json", body)))
            }
            Command::Delete { key } => {
                headers.push(("if-match", "*".to_owned()));
                (Method::DELETE, path(key), None)
            }
            Command::Release { user } => (Method::DELETE, format!("/v1/admin/retired-users/{}", encoded(user)), None),
        };
        if let Some(revision) = &manner.if_revision {
            headers.push(("gatepost-if-revision", revision.clone()));
        }
        if manner.dry_run {
            path.push_str("?dry_run=true");
        }
        let body = body.map(|(media_type, body)| (media_type, Value::Object(body).to_string()));
        let before = self.revision.clone();
        let answer = self.ask(method, &path, &headers, body)?;
        let told = if answer.status() == StatusCode::NO_CONTENT {
            Value::Null
        } else {
            self.body(&answer)?
        };
        if !answer.status().is_success() {
            return Err(refused(&answer));
        }
        Ok(if manner.dry_run {
            dry(&told)
        } else {
            let is_same = match (&etag, told["etag"].as_str()) {
                (Some(before), Some(now)) => before == now,
                (None, Some(_)) => false,
                _ => before == self.revision,
            };
            self.done(!is_same, told)
        })
    }

    /// What a change did, as far as its answer tells: of an entry that is shown, by its ETag, since others change the
    /// revision as well.
    fn done(&self, changed: bool, entry: Value) -> Outcome {
        let revision = self.revision.clone().unwrap_or_default();
        Outcome {
            changed,
            revision,
            before: None,
            after: (!entry.is_null()).then_some(entry),
            files: Vec::new(),
            access: None,
        }
    }

    /// The body of a change; lists are whole, made from those of the entry.
    fn merge(&self, patch: &Patch, entry: Option<&Value>) -> Result<Map<String, Value>, Failed> {
        if patch.id.is_some() {
            let why = "a sidecar gives no entry another id: change it in the files, without --url";
            return Err(Failed::Usage(why.to_owned()));
        }
        let mut body = Map::new();
        let fields = [
            ("name", patch.name.as_ref().map(|name| json!(name))),
            ("description", patch.description.as_ref().map(|text| json!(text))),
            ("role", patch.role.map(|role| json!(Role::name(role)))),
            ("active", patch.active.map(|active| json!(active))),
            ("permission", patch.permission.map(|level| json!(level.map(Permission::name)))),
        ];
        body.extend(fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        for (key, members) in [
            ("teams", &patch.teams),
            ("users", &patch.users),
            ("service_users", &patch.service_users),
        ] {
            let known = entry.and_then(|entry| entry[key].as_array());
            let mut ids: Vec<Value> = known.cloned().unwrap_or_default();
            match members {
                Members::Keep => continue,
                Members::Set(all) => ids = all.iter().map(|id| json!(id)).collect(),
                Members::Change { add, remove } => {
                    ids.retain(|id| id.as_str().is_none_or(|id| !remove.contains(id) && !add.contains(id)));
                    ids.extend(add.iter().map(|id| json!(id)));
                }
            }
            body.insert(key.to_owned(), Value::Array(ids));
        }
        for (key, assignments) in [
            ("datastores", &patch.datastores),
            ("enrichment_datastores", &patch.enrichment_datastores),
        ] {
            let item = |(id, level): (&String, &Option<Permission>)| json!({ "id": id, "permission": level.map(Permission::name) });
            let known = entry.and_then(|entry| entry[key].as_array());
            let mut items: Vec<Value> = known.cloned().unwrap_or_default();
            match assignments {
                Assignments::Keep => continue,
                Assignments::Set(all) => items = all.iter().map(item).collect(),
                Assignments::Change { set, remove } => {
                    items.retain(|item| {
                        item["id"].as_str().is_none_or(|id| !remove.contains(id) && !set.contains_key(id))
                    });
                    items.extend(set.iter().map(item));
                }
            }
            body.insert(key.to_owned(), Value::Array(items));
        }
        Ok(body)
    }

    /// One request and its answer.
    fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Option<(&str, String)>,
    ) -> Result<Response<Bytes>, Failed> {
        let mut all = headers.to_vec();
        all.push(("authorization", format!("Bearer {}", self.token)));
        if let Some((media_type, _)) = &body {
            all.push(("content-type", (*media_type).to_owned()));
        }
        let body = Bytes::from(body.map(|(_, body)| body).unwrap_or_default());
        let Self {
            runtime, address, line, ..
        } = self;
        let answer = runtime.block_on(async {
            // A connection that was kept may have been closed; only what reads is asked twice.
            if let Some(open) = line.as_mut().filter(|_| method == Method::GET)
                && let Ok(answer) = open.request(&method, path, &all, body.clone()).await
            {
                return Ok(answer);
            }
            let open = line.insert(Line::open(address).await?);
            open.request(&method, path, &all, body).await
        });
        let answer = answer.map_err(|why| {
            Failed::Other(format!("cannot ask {}: {why}; is a sidecar listening there?", self.address))
        })?;
        if let Some(revision) = answer.headers().get("gatepost-revision").and_then(|value| value.to_str().ok()) {
            self.revision = Some(revision.to_owned());
        }
        if answer.status() == StatusCode::NOT_FOUND && problem(&answer)["type"] != NOT_FOUND {
            let message = "the admin API is not there; --url wants an address of `admin.listen`, not the one that is asked for decisions";
            return Err(Failed::Other(format!("{}: {message}", self.address)));
        }
        Ok(answer)
    }

    /// What an answer says.
    fn body(&self, answer: &Response<Bytes>) -> Result<Value, Failed> {
        if !answer.status().is_success() {
            return Err(refused(answer));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| Failed::Other(format!("{} answers with what is no JSON: {error}", self.address)))
    }
}

/// What a file with a token holds. Others could use one that they can read, or put theirs there.
fn token_in(path: &Path) -> Result<String, Failed> {
    let token = std::fs::read_to_string(path)
        .map_err(|error| Failed::Usage(format!("--token-file: cannot read `{}`: {error}", path.display())))?;
    if let Ok(metadata) = std::fs::metadata(path)
        && metadata.is_file()
        && metadata.mode() & OTHERS != 0
    {
        let mode = metadata.mode() & 0o777;
        print_error(&format!(
            "others may read or write the token in `{}`, whose mode is {mode:o}: `chmod 600` it",
            path.display()
        ));
    }
    Ok(token)
}

/// The problem document that an answer is, or null.
fn problem(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or_default()
}

/// Why a request was not carried out: a problem document, or the status alone.
fn refused(answer: &Response<Bytes>) -> Failed {
    let problem = problem(answer);
    let mut message = problem["detail"]
        .as_str()
        .map_or_else(|| format!("the sidecar answers {}", answer.status()), str::to_owned);
    for error in problem["errors"].as_array().into_iter().flatten() {
        let text = |key: &str| error[key].as_str().unwrap_or_default();
        message.push_str(&format!("; {}: {}", text("pointer").trim_start_matches('/'), text("detail")));
    }
    let why = match problem["rule"].as_str() {
        Some(rule) if !message.contains(rule) => Failed::Refused(format!("{message} ({rule})")),
        Some(_) => Failed::Refused(message),
        None => Failed::Other(message),
    };
    match answer.status() {
        StatusCode::BAD_REQUEST
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::CONFLICT
        | StatusCode::UNPROCESSABLE_ENTITY => Failed::TurnedDown(Box::new(why)),
        StatusCode::PRECONDITION_FAILED => Failed::Overtaken(Box::new(why)),
        _ => why,
    }
}

/// What a dry run tells.
fn dry(told: &Value) -> Outcome {
    let some = |value: &Value| (!value.is_null()).then(|| value.clone());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let files = told["files"].as_array().into_iter().flatten();
    let level = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let access = &told["access"];
    let roles = access["roles"].as_array().into_iter().flatten();
    let levels = access["levels"].as_array().into_iter().flatten();
    let roles = roles.map(|change| {
        [
            named(&change["account"]),
            "role".to_owned(),
            level(&change["before"]),
            level(&change["after"]),
        ]
    });
    let levels = levels.map(|change| {
        [
            named(&change["account"]),
            named(&change["datastore"]),
            level(&change["before"]),
            level(&change["after"]),
        ]
    });
    Outcome {
        revision: text(&told["revision"]),
        changed: told["changed"] == true,
        before: some(&told["before"]),
        after: some(&told["after"]),
        files: files
            .map(|file| (text(&file["name"]), file["diff"].as_str().map(str::to_owned)))
            .collect(),
        access: some(access).map(|access| Access {
            gaining: access["gaining"].as_u64().unwrap_or_default(),
            losing: access["losing"].as_u64().unwrap_or_default(),
            is_cut: access["is_cut"] == true,
            rows: roles.chain(levels).collect(),
        }),
    }
}

/// An entry's name in an answer: `{"type": …, "id": …}`.
fn named(value: &Value) -> String {
    let (entity_type, id) = (
        value["type"].as_str().unwrap_or_default(),
        value["id"].as_str().unwrap_or_default(),
    );
    match Kind::ALL.into_iter().find(|kind| kind.entity_type() == entity_type) {
        Some(kind) => outcome::name(&Key::new(kind, id)),
        None => format!("{entity_type}:{id}"),
    }
}

/// The path of a kind's list.
fn collection(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "/v1/admin/users",
        Kind::ServiceUser => "/v1/admin/service-users",
        Kind::Team => "/v1/admin/teams",
        Kind::Datastore => "/v1/admin/datastores",
        Kind::EnrichmentDatastore => "/v1/admin/enrichment-datastores",
    }
}

fn path(key: &Key) -> String {
    format!("{}/{}", collection(key.kind), encoded(&key.id))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}
