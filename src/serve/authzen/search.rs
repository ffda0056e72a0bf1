//! What a search asks for (8), and where it goes on.

use std::time::Duration;

use hyper::StatusCode;

use super::cursor::{Cursor, CursorKey, Fingerprint, fingerprint};
use super::page::Page;
use super::question::{Members, Wrong};
use super::{SEARCH_ACTION, SEARCH_RESOURCE, SEARCH_SUBJECT};
use crate::engine::Query;
use crate::engine::json::Json;
use crate::serve::reply::Problem;

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
    /// Time that one answer is looked for.
    pub(in crate::serve) time: Duration,
    /// What becomes of older cursors.
    pub(in crate::serve) older: OlderCursor,
}

/// A request for a search.
pub(in crate::serve) struct SearchRequest<'a> {
    pub(super) searched: Searched,
    pub(super) query: Query<'a>,
    pub(super) page: Page<'a>,
    fingerprint: Fingerprint,
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
    pub(super) fn start(&self, revision: &str, rules: SearchRules, key: &CursorKey) -> Result<Cursor, Problem> {
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

pub(super) fn bad(message: impl Into<Wrong>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, message)
}
