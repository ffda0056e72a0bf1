//! A request to the admin API: its ids, its body, and on what condition it is made.

use axum::body::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName};
use serde_json::{Map, Value};

use super::Admin;
use crate::callers::Caller;
use crate::directory::{Command, Directory, Key};
use crate::engine::json::Json;
use crate::serve::problem::ProblemDocument;
use crate::store::{Actor, Channel, Expected, Order};

/// The media type of a change (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// The revision of the whole root that must still be live.
const IF_REVISION: HeaderName = HeaderName::from_static("gatepost-if-revision");

/// One request, with its body.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) request_id: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) query: String,
    /// The ids in the path, decoded.
    pub(super) ids: Vec<String>,
    pub(super) body: Bytes,
}

/// Whether a change has to say what it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It may overwrite what others wrote.
    Required,
    /// It says all by itself, and comes to the same in any order.
    Optional,
}

impl Call {
    /// The number-th id in the path.
    pub(super) fn id(&self, number: usize) -> &str {
        self.ids.get(number).map_or("", String::as_str)
    }

    /// The body of a new entry, or of a part of one.
    pub(super) fn object(&self, admin: &Admin) -> Result<Map<String, Value>, ProblemDocument> {
        self.read(admin, "application/json")
    }

    /// The body of a change.
    pub(super) fn merge_patch(&self, admin: &Admin) -> Result<Map<String, Value>, ProblemDocument> {
        self.read(admin, MERGE_PATCH)
    }

    fn read(&self, admin: &Admin, wanted: &str) -> Result<Map<String, Value>, ProblemDocument> {
        let mut types = self.headers.get_all(header::CONTENT_TYPE).iter();
        let is_wanted = |value: &header::HeaderValue| {
            let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            media_type.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
        };
        let one = types.next().filter(|_| types.next().is_none());
        if !one.is_some_and(is_wanted) || self.headers.contains_key(header::CONTENT_ENCODING) {
            let detail = format!("Content-Type: must be {wanted}, and the body as it is");
            let (status, title) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is of another type");
            return Err(ProblemDocument::new(status, "media-type", title, detail));
        }
        let json = Json::read(&self.body, admin.json_depth_max)
            .map_err(|error| ProblemDocument::bad_request(format!("the body is not valid JSON: {error}")))?;
        match Value::from(&json) {
            Value::Object(members) => Ok(members),
            _ => Err(ProblemDocument::bad_request(format!(
                "the body must be an object, not {}",
                json.kind()
            ))),
        }
    }

    /// The order that this request is.
    pub(super) fn order(&self, command: Command, expected: Expected, dry_run: bool) -> Order {
        let principal = &self.caller.principal;
        Order {
            command,
            actor: Actor {
                principal: Some((principal.entity_type.clone(), principal.id.clone())),
                token: Some(self.caller.token.clone()),
                system_user: None,
            },
            channel: Channel::Admin,
            expected,
            dry_run,
            request_id: self.request_id.clone(),
        }
    }

    /// What must still be so: `If-Match` with an ETag of the entry, or `*` for whatever there is; or the revision of the
    /// whole root.
    pub(super) fn expected(
        &self,
        directory: &Directory,
        key: &Key,
        condition: Condition,
    ) -> Result<Expected, ProblemDocument> {
        // Whoever names a state is not to change another one, so what cannot be read is not passed over.
        let text = |name: &HeaderName| {
            let values = self.headers.get_all(name).iter();
            let values: Result<Vec<&str>, _> = values.map(hyper::header::HeaderValue::to_str).collect();
            match values {
                Ok(values) if values.is_empty() => Ok(None),
                Ok(values) if values.iter().any(|value| !value.trim().is_empty()) => Ok(Some(values.join(","))),
                _ => Err(ProblemDocument::bad_request(format!(
                    "{name}: it says nothing that can be read"
                ))),
            }
        };
        let (revision, tags) = (text(&IF_REVISION)?, text(&header::IF_MATCH)?);
        let revision = revision.map(|revision| Expected::Revision(revision.trim().trim_matches('"').to_owned()));
        let Some(tags) = tags else {
            return match condition {
                _ if revision.is_some() => Ok(revision.unwrap_or_default()),
                Condition::Optional => Ok(Expected::Newest),
                Condition::Required => Err(ProblemDocument::new(
                    StatusCode::PRECONDITION_REQUIRED,
                    "condition-required",
                    "the request must say what it changes",
                    "send `If-Match` with the entry's ETag, or `If-Match: *` to change whatever there is now",
                )),
            };
        };
        if tags.trim() == "*" {
            // An entry that is not there is told as such.
            return Ok(revision.unwrap_or_default());
        }
        let is_tag = |tag: &str| {
            let tag = tag.trim();
            let quoted = tag
                .strip_prefix("W/")
                .unwrap_or(tag)
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'));
            tag.is_empty() || quoted.is_some()
        };
        if let Some(bare) = tags.split(',').find(|tag| !is_tag(tag)) {
            // It would match nothing for ever, and the ETag in a body has no quotes.
            let message = format!(
                "If-Match: an ETag stands in quotes, as in `\"{}\"`",
                bare.trim().trim_matches('"')
            );
            return Err(ProblemDocument::bad_request(message));
        }
        // Weak tags match nothing here (RFC 9110, 13.1.1).
        let mut strong = tags
            .split(',')
            .filter_map(|tag| tag.trim().strip_prefix('"')?.strip_suffix('"'))
            .map(str::to_owned);
        let current = directory.etag(key);
        let fitting = strong.clone().find(|tag| Some(tag) == current.as_ref());
        Ok(match (fitting, revision) {
            // In this revision the entry is what the caller takes it for.
            (Some(_), Some(revision)) => revision,
            (Some(tag), None) => Expected::Entry(tag),
            (None, _) => Expected::Entry(strong.next().unwrap_or_default()),
        })
    }
}
