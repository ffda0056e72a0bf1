//! A request, as directory sync sees it.

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap};
use hyper::{Method, Request, Uri};
use serde_json::Value;

use crate::callers::Caller;
use crate::engine::json::Json;
use crate::scim::{Page, Problem, ScimType, Selection, Type, query_pairs};
use crate::serve::management::RequestId;
use crate::store::Expected;

/// How deep a body may nest.
const DEPTH_MAX: usize = 32;

/// One request, with its body.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// For whom the token speaks: type and id.
    pub(super) principal: (String, String),
    /// The token's name.
    pub(super) token: String,
    pub(super) request_id: Option<String>,
    /// The tags of `If-Match`; none where it is not there or is `*`.
    if_match: Vec<String>,
}

/// What is asked for of a list or of one resource.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) filter: Option<String>,
    pub(super) selection: Selection,
    pub(super) page: Page,
    /// Whether `attributes` is given, so that a PATCH has to show them.
    pub(super) is_selective: bool,
}

impl Call {
    /// A request of the management listener, which has found out who calls and has taken all of the body.
    pub(super) async fn read(request: Request<axum::body::Body>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let caller = parts.extensions.get::<Caller>().ok_or_else(|| Problem::new(401, "a token is wanted"))?;
        let principal = (caller.principal.entity_type.clone(), caller.principal.id.clone());
        let token = caller.token.clone();
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        let if_match = tags(&parts.headers)?;
        let body = body.collect().await.map_err(|_| Problem::new(400, "the body broke off"))?.to_bytes();
        Ok(Self {
            method: parts.method,
            uri: parts.uri,
            headers: parts.headers,
            body,
            principal,
            token,
            request_id,
            if_match,
        })
    }

    /// Where it came to, as the guard found it good.
    pub(super) fn host(&self) -> &str {
        let authority = self.uri.authority().map(hyper::http::uri::Authority::as_str);
        authority.or_else(|| self.header(header::HOST)).unwrap_or("localhost")
    }

    /// The body as JSON: each name once, and no deeper than is good.
    ///
    /// # Errors
    /// 415 and `invalidSyntax`.
    pub(super) fn json(&self) -> Result<Value, Problem> {
        let content_type = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !["application/scim+json", "application/json"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(kind))
        {
            return Err(Problem::new(415, "the body has to be application/scim+json"));
        }
        let json = Json::read(&self.body, DEPTH_MAX)
            .map_err(|error| Problem::of(ScimType::InvalidSyntax, format!("the body is not valid JSON: {error}")))?;
        Ok(Value::from(&json))
    }

    /// What the query asks for.
    pub(super) fn asked(&self, kind: Type) -> Result<Asked, Problem> {
        let pairs = query_pairs(self.uri.query().unwrap_or_default())?;
        let find = |name: &str| {
            let found = pairs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        let number = |name: &str| find(name).map(|text| Page::number(name, text)).transpose();
        Ok(Asked {
            filter: find("filter").map(str::to_owned),
            selection: Selection::read(kind, find("attributes"), find("excludedAttributes"))?,
            page: Page::new(number("startIndex")?, number("count")?),
            is_selective: find("attributes").is_some() || find("excludedAttributes").is_some(),
        })
    }

    /// What a `.search` asks for (RFC 7644, section 3.4.3).
    pub(super) fn searched(&self, kind: Type) -> Result<Asked, Problem> {
        let Value::Object(body) = self.json()? else {
            return Err(Problem::of(ScimType::InvalidSyntax, "the body is no JSON object"));
        };
        let wrong =
            |name: &str, wanted: &str| Problem::of(ScimType::InvalidValue, format!("`{name}` has to be {wanted}"));
        let find = |name: &str| {
            let found = body.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value).filter(|value| !value.is_null())
        };
        let number = |name: &str| {
            find(name)
                .map(|value| value.as_i64().ok_or_else(|| wrong(name, "an integer")))
                .transpose()
        };
        let names = |name: &str| match find(name) {
            None => Ok(None),
            Some(Value::Array(names)) => {
                let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
                names.map(|names| Some(names.join(","))).ok_or_else(|| wrong(name, "a list of strings"))
            }
            Some(_) => Err(wrong(name, "a list of strings")),
        };
        let filter = match find("filter") {
            None => None,
            Some(Value::String(filter)) => Some(filter.clone()),
            Some(_) => return Err(wrong("filter", "a string")),
        };
        Ok(Asked {
            filter,
            selection: Selection::read(kind, names("attributes")?.as_deref(), names("excludedAttributes")?.as_deref())?,
            page: Page::new(number("startIndex")?, number("count")?),
            is_selective: true,
        })
    }

    /// Whether it only asks.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// What `If-Match` says of the entry's tag: the first one, where it names several.
    pub(super) fn expected(&self) -> Expected {
        self.if_match.first().map_or(Expected::Newest, |tag| Expected::Entry(tag.clone()))
    }

    /// Whether `If-Match` names the tag among others.
    pub(super) fn expects(&self, present: &str) -> bool {
        self.if_match.iter().any(|tag| tag == present)
    }

    /// Whether the caller has this version already.
    pub(super) fn has(&self, etag: &str) -> bool {
        let known = self.header(header::IF_NONE_MATCH).unwrap_or_default();
        known.split(',').any(|known| known.trim() == "*" || bare(known) == etag)
    }

    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The tags of `If-Match`.
///
/// # Errors
/// 400 where it is no list of tags: whoever names a state is not to change another one.
fn tags(headers: &HeaderMap) -> Result<Vec<String>, Problem> {
    let unreadable = || {
        let detail = "`If-Match` has to be `*`, or tags in quotes as `W/\"…\"`, with commas between them";
        Problem::new(400, detail)
    };
    let mut tags = Vec::new();
    let mut is_any = false;
    for value in headers.get_all(header::IF_MATCH) {
        let value = value.to_str().map_err(|_| unreadable())?;
        // No tag of ours has a comma in it.
        for tag in value.split(',').map(str::trim) {
            let quoted = tag.strip_prefix("W/").unwrap_or(tag);
            let bare = quoted.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            match bare.filter(|tag| !tag.contains('"')) {
                Some(bare) => tags.push(bare.to_owned()),
                None if tag == "*" => is_any = true,
                None => return Err(unreadable()),
            }
        }
    }
    if is_any {
        tags.clear();
    }
    Ok(tags)
}

/// A tag without what is around it: `W/"…"`.
fn bare(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}
