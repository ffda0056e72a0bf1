//! A search that is being carried out, and its answer (8).

use std::time::{Duration, Instant};

use hyper::body::Bytes;

use super::cursor::{Cursor, CursorKey};
use super::question::worded;
use super::search::{SearchRequest, SearchRules, Searched, bad};
use crate::engine::{ActionSearch, Going, Query, Search, Snapshot, Sought};
use crate::serve::compare::Comparisons;
use crate::serve::reply::Problem;

/// Looks that are spent on a total beyond what the page took.
const TOTAL_LOOKS_MAX: usize = 10_000;

/// Longer than any process runs, and not so long that no clock has it.
const FOREVER: Duration = Duration::from_secs(1 << 32);

/// Looks, or steps of planning, between two glances at the clock.
const STEPS_MAX: usize = 32;

/// A search that is being carried out.
pub(in crate::serve) struct Searching<'s> {
    snapshot: &'s Snapshot,
    query: Query<'s>,
    source: Source<'s>,
    searched: Searched,
    /// As it was asked for.
    entity_type: String,
    has_page: bool,
    wants_total: bool,
    start: Cursor,
    results_max: usize,
    looks_left: usize,
    /// When it ends with what it has found.
    end: Instant,
    /// Steps before the next glance at the clock: fewer where they take long.
    steps: usize,
    /// Whether the last of them took long. Once may be the machine's doing, and a search that gives way for that holds
    /// its place for longer than it takes.
    is_slow: bool,
    found: Vec<String>,
    /// All results behind the start, if they are known.
    counted: Counted,
}

/// How long a search is carried on before others have their turn.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Slice {
    /// So many entities that are looked at, or policies that are planned, about.
    pub(in crate::serve) steps: usize,
    /// And about so long.
    pub(in crate::serve) time: Duration,
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
    Actions(Box<ActionSearch<'s>>),
    Nothing,
}

/// An answer, and whether there is more.
pub(in crate::serve) struct Found {
    pub(in crate::serve) body: Bytes,
    pub(in crate::serve) is_partial: bool,
}

impl<'s> Searching<'s> {
    /// Begins a search in one snapshot.
    ///
    /// # Errors
    /// 400: the token cannot be gone on from, or a value is not what the schema declares.
    pub(in crate::serve) fn begin(
        snapshot: &'s Snapshot,
        request: &SearchRequest<'s>,
        rules: SearchRules,
        key: &CursorKey,
    ) -> Result<Self, Problem> {
        let start = request.start(snapshot.revision(), rules, key)?;
        let query = request.query;
        let after = start.after.as_deref();
        let (source, entity_type) = match request.searched {
            Searched::Subject => {
                let search = begun(snapshot, &query, Sought::Principals, after)?;
                (search, query.principal.entity_type)
            }
            Searched::Resource => {
                let search = begun(snapshot, &query, Sought::Resources, after)?;
                (search, query.resource.entity_type)
            }
            Searched::Action => {
                let mut search = snapshot.search_actions(&query).map_err(|problem| bad(worded(&problem)))?;
                if let Some(after) = after {
                    search = search.after(after);
                }
                (Source::Actions(Box::new(search)), "")
            }
        };
        let limit = start.limit.and_then(|limit| usize::try_from(limit).ok());
        let now = Instant::now();
        Ok(Self {
            snapshot,
            query,
            source,
            searched: request.searched,
            entity_type: entity_type.to_owned(),
            has_page: request.page.is_asked,
            wants_total: request.page.wants_total,
            results_max: limit.unwrap_or(usize::MAX).min(rules.results_max),
            start,
            looks_left: rules.looks_max,
            // A time that never comes is none.
            end: now.checked_add(rules.time).unwrap_or(now + FOREVER),
            steps: 8,
            is_slow: false,
            found: Vec::new(),
            counted: Counted::SoFar(0),
        })
    }

    /// Goes on for one slice, and says whether there is reason to go on.
    pub(in crate::serve) fn go_on(&mut self, slice: Slice, comparisons: &Comparisons) -> bool {
        let mut began = Instant::now();
        let mut before = began;
        let mut steps = 0;
        loop {
            self.heed(comparisons);
            steps += self.steps;
            let goes_on = self.take_steps(comparisons);
            let now = Instant::now();
            let took = now - before;
            before = now;
            self.steps = match took {
                took if took < slice.time / 8 => STEPS_MAX.min(self.steps * 2),
                took if took > slice.time / 4 => 1.max(self.steps / 8),
                _ => self.steps,
            };
            // Whatever the time, an answer comes further than the one before it.
            if !goes_on || (now >= self.end && self.source.at().is_some()) {
                self.heed(comparisons);
                return false;
            }
            let was_slow = std::mem::replace(&mut self.is_slow, took > slice.time / 4);
            if self.is_slow && !was_slow {
                began = now;
            } else if now - began + took > slice.time {
                return true;
            }
            if steps >= slice.steps {
                return true;
            }
        }
    }

    /// Finds nothing in a kind of question that is distrusted.
    fn heed(&mut self, comparisons: &Comparisons) {
        match &self.source {
            Source::Entities(search) => {
                if search.environment().is_some_and(|kind| comparisons.distrusts_kind(kind)) {
                    self.source = Source::Nothing;
                    self.found.clear();
                    self.counted = Counted::All(0);
                }
            }
            Source::Actions(_) | Source::Nothing => {}
        }
    }

    /// The question about one of the things that are searched for.
    fn about<'q>(&self, name: &'q str) -> Query<'q>
    where
        's: 'q,
    {
        let mut query = self.query;
        match self.searched {
            Searched::Subject => (query.principal.id, query.principal.properties) = (name, None),
            Searched::Resource => (query.resource.id, query.resource.properties) = (name, None),
            Searched::Action => query.action.name = name,
        }
        query
    }

    fn take_steps(&mut self, comparisons: &Comparisons) -> bool {
        if let Source::Entities(search) = &mut self.source
            && search.plan(self.steps) == Going::On
        {
            return true;
        }
        let looks = self.steps.min(self.looks_left);
        self.looks_left -= looks;
        if self.is_filled() {
            return self.count(looks);
        }
        let before = self.found.len();
        let goes_on = self.fill(looks);
        if let Some(name) = self.source.take_disputed() {
            comparisons.settle(self.snapshot, &self.about(&name));
        }
        if self.searched == Searched::Action {
            let (snapshot, query) = (self.snapshot, self.query);
            self.found.retain(|name| {
                let mut query = query;
                query.action.name = name;
                !comparisons.distrusts(snapshot, &query)
            });
        }
        for name in self.found.get(before..).unwrap_or_default() {
            if comparisons.chooses() {
                comparisons.sample(self.snapshot, &self.about(name));
            }
        }
        goes_on
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
        let (going, more) = self.source.count(looks);
        if let Counted::SoFar(counted) = self.counted {
            let counted = counted + more;
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
            Counted::SoFar(_) => Some(self.source.at().map(str::to_owned)),
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
            Self::Actions(search) => search.go_on(looks, found_max, found),
            Self::Nothing => Going::Done,
        }
    }

    /// Counts what is found without keeping it.
    fn count(&mut self, looks: usize) -> (Going, u64) {
        let mut found = 0;
        let going = match self {
            Self::Entities(search) => search.count(looks, &mut found),
            Self::Actions(search) => {
                let mut names = Vec::new();
                let going = search.go_on(looks, usize::MAX, &mut names);
                found = names.len() as u64;
                going
            }
            Self::Nothing => Going::Done,
        };
        (going, found)
    }

    /// What it has come to.
    fn at(&self) -> Option<&str> {
        match self {
            Self::Entities(search) => search.at(),
            Self::Actions(search) => search.at(),
            Self::Nothing => None,
        }
    }

    /// What the two evaluators seem to say otherwise about, once for each.
    fn take_disputed(&mut self) -> Option<String> {
        match self {
            Self::Entities(search) => search.take_disputed(),
            Self::Actions(search) => search.take_disputed(),
            Self::Nothing => None,
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
