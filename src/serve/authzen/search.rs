//! Search (8): which subjects, resources or actions an evaluation allows.

use hyper::StatusCode;
use hyper::body::Bytes;

use super::cursor::{Cursor, CursorKey, Fingerprint, fingerprint};
use super::question::{Members, Wrong, worded};
use super::{SEARCH_ACTION, SEARCH_RESOURCE, SEARCH_SUBJECT};
use crate::engine::json::Json;
use crate::engine::{Going, Query, Search, Snapshot, Sought};
use crate::serve::compare::Comparisons;
use crate::serve::reply::Problem;

/// Looks that are spent on a total beyond what the page took.
const TOTAL_LOOKS_MAX: usize = 10_000;

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Searched {
    Subject,
    Resource,
    Action,
}

/// What becomes of a cursor of a revision that is not live any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OlderCursor {
    /// It is refused, and the caller begins again.
    #[default]
    Refuse,
    /// The search goes on behind it in what is live.
    Continue,
}

/// Bounds of searches.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct SearchRules {
    /// Results in one answer.
    pub(in crate::serve) results_max: usize,
    /// Entities looked at for one answer.
    pub(in crate::serve) looks_max: usize,
    /// What becomes of older cursors.
    pub(in crate::serve) older: OlderCursor,
}

/// A request for a search.
pub(in crate::serve) struct SearchRequest<'a> {
    searched: Searched,
    query: Query<'a>,
    page: Page<'a>,
    fingerprint: Fingerprint,
}

/// Which part of the results is asked for (8.2).
#[derive(Clone, Copy, Debug, Default)]
struct Page<'a> {
    is_asked: bool,
    token: Option<&'a str>,
    limit: Option<u64>,
    wants_total: bool,
}

impl Searched {
    fn endpoint(self) -> &'static str {
        match self {
            Self::Subject => SEARCH_SUBJECT,
            Self::Resource => SEARCH_RESOURCE,
            Self::Action => SEARCH_ACTION,
        }
    }
}

impl<'a> SearchRequest<'a> {
    /// Reads the body of a search.
    ///
    /// # Errors
    /// 400: a required member is missing or has another type.
    pub(in crate::serve) fn read(searched: Searched, root: &'a Json<'a>) -> Result<Self, Problem> {
        let Json::Object(object) = root else {
            return Err(bad(format!("the body must be a JSON object, not {}", root.kind())));
        };
        let members = Members::of(object);
        let query = match searched {
            Searched::Subject => members.about_subjects(),
            Searched::Resource => members.about_resources(),
            Searched::Action => members.about_actions(),
        };
        Ok(Self {
            searched,
            query: query.map_err(bad)?,
            page: Page::read(root.get("page")).map_err(bad)?,
            fingerprint: fingerprint(searched.endpoint(), root),
        })
    }

    /// Where the search begins: behind its token, or at the start.
    ///
    /// # Errors
    /// 400: the token is not ours, was altered, is of another request, or of a revision that is not live any more.
    fn start(&self, revision: &str, rules: SearchRules, key: &CursorKey) -> Result<Cursor, Problem> {
        let Some(token) = self.page.token else {
            return Ok(Cursor {
                request: self.fingerprint,
                limit: self.page.limit,
                revision: revision.to_owned(),
                found: Some(0),
                after: None,
            });
        };
        let Some(mut cursor) = Cursor::open(token, key) else {
            return Err(bad(
                "page.token: not a token that was given out here since the start, or altered: begin again without it",
            ));
        };
        if cursor.request != self.fingerprint {
            return Err(bad(
                "page.token: of another request: everything but the page has to be what it was when the token was given \
                 out",
            ));
        }
        if self.page.limit.is_some_and(|limit| Some(limit) != cursor.limit) {
            return Err(bad("page.limit: not the one of the first request: repeat that or leave it out"));
        }
        if cursor.revision != revision {
            if rules.older == OlderCursor::Refuse {
                let older = &cursor.revision;
                return Err(bad(format!(
                    "page.token: the cursor is of revision {older}, and {revision} is live now: begin again"
                )));
            }
            revision.clone_into(&mut cursor.revision);
            cursor.found = None;
        }
        Ok(cursor)
    }
}

impl<'a> Page<'a> {
    fn read(json: Option<&'a Json<'a>>) -> Result<Self, Wrong> {
        let page = match json {
            None | Some(Json::Null) => return Ok(Self::default()),
            Some(page @ Json::Object(_)) => page,
            Some(other) => return Err(format!("page: must be an object, not {}", other.kind()).into()),
        };
        let token = match page.get("token") {
            None | Some(Json::Null) => None,
            Some(Json::String(token)) => Some(&**token).filter(|token| !token.is_empty()),
            Some(other) => return Err(format!("page.token: must be a string, not {}", other.kind()).into()),
        };
        let limit = match page.get("limit") {
            None | Some(Json::Null) => None,
            Some(limit) => Some(whole(limit).ok_or("page.limit: must be a whole number, 0 or more")?),
        };
        let wants_total = match page.get("total") {
            None | Some(Json::Null) => false,
            Some(Json::Bool(total)) => *total,
            Some(other) => return Err(format!("page.total: must be a boolean, not {}", other.kind()).into()),
        };
        Ok(Self {
            is_asked: true,
            token,
            limit,
            wants_total,
        })
    }
}

/// A whole number from 0; one that is too large for 63 bits is as good as the largest.
fn whole(json: &Json<'_>) -> Option<u64> {
    match json {
        Json::Long(number) => u64::try_from(*number).ok(),
        // As it is clamped anyway, what a double cannot hold exactly makes no difference.
        Json::Float(number) if *number >= 0.0 && number.fract() == 0.0 => Some(number.min(i64::MAX as f64) as u64),
        _ => None,
    }
}

/// A search that is being carried out.
pub(in crate::serve) struct Searching<'s> {
    snapshot: &'s Snapshot,
    source: Source<'s>,
    searched: Searched,
    /// As it was asked for.
    entity_type: String,
    has_page: bool,
    wants_total: bool,
    start: Cursor,
    results_max: usize,
    looks_left: usize,
    found: Vec<String>,
    /// All results behind the start, if they are known.
    counted: Counted,
}

/// How many results there are behind the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// At least so many.
    SoFar(u64),
    All(u64),
}

/// Where results come from, in ascending order.
enum Source<'s> {
    Entities(Box<Search<'s>>),
    /// In descending order: the next one is the last.
    Actions(Vec<String>),
    Nothing,
}

/// An answer, and whether there is more.
pub(in crate::serve) struct Found {
    pub(in crate::serve) body: Bytes,
    pub(in crate::serve) is_partial: bool,
}

impl<'s> Searching<'s> {
    /// Begins a search in one snapshot. In kinds of questions that are distrusted it finds nothing.
    ///
    /// # Errors
    /// 400: the token cannot be gone on from, or a value is not what the schema declares.
    pub(in crate::serve) fn begin(
        snapshot: &'s Snapshot,
        request: &SearchRequest<'_>,
        rules: SearchRules,
        key: &CursorKey,
        comparisons: &Comparisons,
    ) -> Result<Self, Problem> {
        let start = request.start(snapshot.revision(), rules, key)?;
        let query = &request.query;
        let after = start.after.as_deref();
        let (source, entity_type) = match request.searched {
            Searched::Subject => {
                let search = begun(snapshot, query, Sought::Principals, after)?;
                (search, query.principal.entity_type)
            }
            Searched::Resource => {
                let search = begun(snapshot, query, Sought::Resources, after)?;
                (search, query.resource.entity_type)
            }
            Searched::Action => {
                let mut names = snapshot.search_actions(query);
                names.retain(|name| {
                    let mut query = *query;
                    query.action.name = name;
                    after.is_none_or(|after| **name > *after) && !comparisons.distrusts(snapshot, &query)
                });
                names.reverse();
                (Source::Actions(names), "")
            }
        };
        let limit = start.limit.and_then(|limit| usize::try_from(limit).ok());
        Ok(Self {
            snapshot,
            source,
            searched: request.searched,
            entity_type: entity_type.to_owned(),
            has_page: request.page.is_asked,
            wants_total: request.page.wants_total,
            results_max: limit.unwrap_or(usize::MAX).min(rules.results_max),
            start,
            looks_left: rules.looks_max,
            found: Vec::new(),
            counted: Counted::SoFar(0),
        })
    }

    /// Looks at up to so many entities more, and says whether there is reason to go on.
    pub(in crate::serve) fn go_on(&mut self, looks: usize, comparisons: &Comparisons) -> bool {
        if let Source::Entities(search) = &self.source
            && search.environment().is_some_and(|kind| comparisons.distrusts_kind(kind))
        {
            self.source = Source::Nothing;
            self.found.clear();
        }
        let looks = looks.min(self.looks_left);
        self.looks_left -= looks;
        if self.is_filled() {
            self.count(looks)
        } else {
            self.fill(looks)
        }
    }

    /// One result more than are told says that there are more.
    fn is_filled(&self) -> bool {
        self.found.len() > self.results_max
    }

    fn fill(&mut self, looks: usize) -> bool {
        let going = self.source.go_on(looks, self.results_max + 1, &mut self.found);
        let found = self.found.len() as u64;
        if self.is_filled() {
            self.counted = Counted::SoFar(found);
            self.looks_left = self.looks_left.min(TOTAL_LOOKS_MAX);
            return self.wants_total && self.looks_left > 0;
        }
        if going == Going::Done {
            self.counted = Counted::All(found);
        }
        going == Going::On && self.looks_left > 0
    }

    fn count(&mut self, looks: usize) -> bool {
        let mut more = Vec::new();
        let going = self.source.go_on(looks, usize::MAX, &mut more);
        if let Counted::SoFar(counted) = self.counted {
            let counted = counted + more.len() as u64;
            self.counted = match going {
                Going::On => Counted::SoFar(counted),
                Going::Done => Counted::All(counted),
            };
        }
        going == Going::On && self.looks_left > 0
    }

    /// The answer to what has been looked at.
    pub(in crate::serve) fn answer(mut self, key: &CursorKey) -> Found {
        let is_filled = self.is_filled();
        self.found.truncate(self.results_max);
        let total = match (self.wants_total, self.counted, self.start.found) {
            (true, Counted::All(behind), Some(before)) => Some(before + behind),
            _ => None,
        };
        // Behind the last that is told; or, where looks ran out, behind the last that was looked at.
        let next = match self.counted {
            _ if is_filled => Some(self.found.last().cloned()),
            Counted::SoFar(_) => Some(self.source.at()),
            Counted::All(_) => None,
        };
        let next = next.map(|after| Cursor {
            after: after.or_else(|| self.start.after.clone()),
            found: self.start.found.map(|before| before + self.found.len() as u64),
            revision: self.snapshot.revision().to_owned(),
            ..self.start.clone()
        });
        let token = next.map(|cursor| cursor.seal(key));
        Found {
            is_partial: token.is_some(),
            body: self.write(token.as_deref(), total).into(),
        }
    }

    /// `{"page":{"next_token":"…"},"results":[{"type":"user","id":"ana"}]}`
    fn write(&self, token: Option<&str>, total: Option<u64>) -> Vec<u8> {
        let mut body = Vec::with_capacity(64 + self.found.len() * 48);
        body.push(b'{');
        if self.has_page || token.is_some() {
            body.extend_from_slice(b"\"page\":{\"next_token\":");
            write_text(&mut body, token.unwrap_or_default());
            if let Some(total) = total {
                body.extend_from_slice(format!(",\"total\":{total}").as_bytes());
            }
            body.extend_from_slice(b"},");
        }
        body.extend_from_slice(b"\"results\":[");
        let mut opening = Vec::new();
        match self.searched {
            Searched::Subject | Searched::Resource => {
                opening.extend_from_slice(b"{\"type\":");
                write_text(&mut opening, &self.entity_type);
                opening.extend_from_slice(b",\"id\":");
            }
            Searched::Action => opening.extend_from_slice(b"{\"name\":"),
        }
        for (number, name) in self.found.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&opening);
            write_text(&mut body, name);
            body.push(b'}');
        }
        body.extend_from_slice(b"]}");
        body
    }
}

impl Source<'_> {
    fn go_on(&mut self, looks: usize, found_max: usize, found: &mut Vec<String>) -> Going {
        match self {
            Self::Entities(search) => search.go_on(looks, found_max, found),
            Self::Actions(names) => {
                while found.len() < found_max {
                    match names.pop() {
                        Some(name) => found.push(name),
                        None => return Going::Done,
                    }
                }
                Going::On
            }
            Self::Nothing => Going::Done,
        }
    }

    /// What it has come to.
    fn at(&self) -> Option<String> {
        match self {
            Self::Entities(search) => search.at().map(str::to_owned),
            // All actions are looked at before the first is told.
            Self::Actions(_) | Self::Nothing => None,
        }
    }
}

fn begun<'s>(
    snapshot: &'s Snapshot,
    query: &Query<'_>,
    sought: Sought,
    after: Option<&str>,
) -> Result<Source<'s>, Problem> {
    let search = snapshot.search(query, sought).map_err(|problem| bad(worded(&problem)))?;
    Ok(Source::Entities(Box::new(match after {
        Some(after) => search.after(after),
        None => search,
    })))
}

fn bad(message: impl Into<Wrong>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, message)
}

fn write_text(body: &mut Vec<u8>, text: &str) {
    // Writing a string to memory does not fail.
    let _ = serde_json::to_writer(body, text);
}
