//! A search that is being carried out, and its answer (8).

use hyper::body::Bytes;

use super::cursor::{Cursor, CursorKey};
use super::question::worded;
use super::search::{SearchRequest, SearchRules, Searched, bad};
use crate::engine::{Going, Query, Search, Snapshot, Sought};
use crate::serve::compare::Comparisons;
use crate::serve::reply::Problem;

/// Looks that are spent on a total beyond what the page took.
const TOTAL_LOOKS_MAX: usize = 10_000;

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

fn write_text(body: &mut Vec<u8>, text: &str) {
    // Writing a string to memory does not fail.
    let _ = serde_json::to_writer(body, text);
}
