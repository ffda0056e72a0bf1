//! Searches under way: in slices on one snapshot, so many at once, and no longer than somebody waits for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::Guard;
use hyper::HeaderMap;
use tokio::sync::Semaphore;

use super::authzen::{Answer, CursorKey, Found, OlderCursor, SearchRequest, SearchRules, Searched, Searching, Slice};
use super::reply::Problem;
use super::service::{Answered, Limits, Service, read, snapshot_of, told};
use super::tally::add;
use crate::engine::Snapshot;

/// How long a search is carried on before others have their turn. Some policies take long about one entity.
const SLICE: Slice = Slice {
    steps: 256,
    time: Duration::from_millis(1),
};

/// Searches at once for each thread that answers, where no number is set.
///
/// As many as threads would do for the processors, but then two long searches would refuse every short one. Many more
/// would make decisions wait: between two of them a thread may be at one slice of each of its searches.
const SEARCHES_PER_THREAD: usize = 4;

/// How searches are made.
#[derive(Clone, Debug, Default)]
pub struct SearchSettings {
    /// What tokens are authenticated with; a key of this server's own where there is none.
    pub cursor_key: Option<CursorKey>,
    /// What becomes of a token of a revision that is not live any more.
    pub older_cursor: OlderCursor,
}

/// What was counted of searches.
#[derive(Debug, Default)]
pub struct SearchTally {
    /// Answered.
    pub answered: AtomicU64,
    /// Those of them with a token, because there was more.
    pub partial: AtomicU64,
    /// Refused because too many were under way.
    pub refused: AtomicU64,
    /// Ended because whoever asked was gone.
    pub abandoned: AtomicU64,
    /// Under way.
    pub running: AtomicU64,
}

/// What all searches of a server share.
#[derive(Debug)]
pub(super) struct Searches {
    room: Semaphore,
    key: CursorKey,
    rules: SearchRules,
}

impl Searches {
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn new(settings: &SearchSettings, limits: &Limits) -> std::io::Result<Self> {
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let searches_max = match limits.searches_max {
            0 => threads * SEARCHES_PER_THREAD,
            set => set,
        };
        Ok(Self {
            room: Semaphore::new(searches_max.min(Semaphore::MAX_PERMITS)),
            key: match &settings.cursor_key {
                Some(key) => key.clone(),
                None => CursorKey::random()?,
            },
            rules: SearchRules {
                results_max: limits.search_results_max,
                looks_max: limits.search_looks_max,
                time: limits.search_time,
                older: settings.older_cursor,
            },
        })
    }
}

/// A search in the count of those under way, and out of it however it ends.
struct UnderWay<'t> {
    tally: &'t SearchTally,
    has_answer: bool,
}

impl<'t> UnderWay<'t> {
    fn new(tally: &'t SearchTally) -> Self {
        add(&tally.running);
        Self {
            tally,
            has_answer: false,
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.tally.running.fetch_sub(1, Ordering::Relaxed);
        if !self.has_answer && !std::thread::panicking() {
            add(&self.tally.abandoned);
        }
    }
}

impl Service {
    /// One snapshot for the whole search. Others have their turn in between.
    pub(super) async fn search(
        &self,
        searched: Searched,
        body: &[u8],
        headers: HeaderMap,
    ) -> Result<Answered, Problem> {
        let generation = Guard::into_inner(self.live.current());
        let snapshot = snapshot_of(generation.as_ref())?;
        let found = self.find(snapshot, searched, body).await;
        let answer = found.map(|found| Answer {
            body: found.body,
            policy_errors: 0,
        });
        Ok(told(snapshot, answer, headers))
    }

    async fn find(&self, snapshot: &Snapshot, searched: Searched, body: &[u8]) -> Result<Found, Problem> {
        let tally = &self.tally;
        let comparisons = &*tally.comparisons;
        let problem = |_: &Problem| add(&tally.problems);
        let root = read(body, self.limits.json_depth_max, tally)?;
        let request = SearchRequest::read(searched, &root).inspect_err(problem)?;
        let Searches { room, key, rules } = &self.searches;
        let _place = room.try_acquire().map_err(|_| {
            add(&tally.searches.refused);
            Problem::try_later("as many searches are under way as there may be")
        })?;
        self.prepare();
        let mut searching = Searching::begin(snapshot, &request, *rules, key).inspect_err(problem)?;
        let mut under_way = UnderWay::new(&tally.searches);
        while searching.go_on(SLICE, comparisons) {
            tokio::task::yield_now().await;
        }
        let found = searching.answer(key);
        under_way.has_answer = true;
        add(&tally.searches.answered);
        if found.is_partial {
            add(&tally.searches.partial);
        }
        Ok(found)
    }
}
