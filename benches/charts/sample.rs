//! Shows that charts come out of what the benches print, without any log.

use std::time::{Duration, SystemTime};

use crate::logs::{Log, Logs};
use crate::machine::{Machine, day};
use crate::page::{CHARTS, CHARTS_COMMAND, COMMANDS, Page};
use crate::svg::number;

const DECIDE: &str = "\
Benchmarking bundled/decide: Analyzing
                        time:   [+33.213% +39.808% +45.722%] (p = 0.00 < 0.05)
bundled: decide 0.49 us, stock 16.80 us, stock making its requests 21.23 us a question
ratio: decide/stock = 0.03 (median of 51 interleaved rounds)
growth: policies-of-other-actions random 10/10 = 1.00 (0.46 us a question, median of 31 interleaved rounds)
growth: policies-of-other-actions random 100/10 = 1.02 (0.48 us a question, median of 31 interleaved rounds)
growth: entities random 10/10 = 1.00 (0.42 us a question, median of 31 interleaved rounds)
growth: entities random 1000/10 = 1.06 (0.45 us a question, median of 31 interleaved rounds)
growth: entities hot 10/10 = 1.00 (0.42 us a question, median of 31 interleaved rounds)
growth: entities hot 1000/10 = 0.97 (0.41 us a question, median of 31 interleaved rounds)
";

const ALLOCATIONS: &str = "allocations: an allowed question = 1.00 a decision\n";

const HTTP: &str = "\
http: servers on processor 1, the load on 0

                         requests/s     p50 us     p99 us  cpu us/request   busy   64 connections, 7 rounds of 2 s
bare                          58814      423.1     8658.8            7.18   0.42
gatepost, Unix socket         78327      380.8     5567.8            6.11   0.48
ratio: requests/s unix/tcp = 1.35
";

const BATCH: &str = "\
batch: servers on processor 1, the load on 0; 16 connections, 7 rounds of 2 s
batch: single requests, 90000 decisions/s, cpu 10.00 us a decision, p50 170 us and p99 300 us a request
batch: 1 distinct questions = 0.95 times the decisions per second of single requests, 85000 decisions/s, cpu 11.00 us \
a decision, p50 180 us and p99 310 us a request
batch: 100 distinct questions = 5.00 times the decisions per second of single requests, 450000 decisions/s, cpu 2.00 \
us a decision, p50 3400 us and p99 5000 us a request
";

const SIZE: &str = "\
size: 800000 users, 10000 teams, 190000 datastores in 1000 files, 228 MB
change: one user among all is seen after 217 ms (median of 7), 218 ms at the most
size: 1000 load 0.0120 s memory 14.2 MB change 213 ms (memory 9.8 MB before, 15.0 MB at the most; change median of 7, \
218 ms at the most)
size: 10000 load 0.1100 s memory 18.0 MB change 214 ms (memory 9.8 MB before, 19.0 MB at the most; change median of 7, \
219 ms at the most)
";

/// A page of sample lines has every chart, one without them has none, and what runs is what the page says.
pub(crate) fn try_all() {
    let whole = Logs {
        all: vec![
            Log::read("decide", DECIDE),
            Log::read("allocations", ALLOCATIONS),
            Log::read("http", HTTP),
            Log::read("batch", BATCH),
            Log::read("size", SIZE),
        ],
        ended: None,
    };
    let page = Page::of(&whole, &Machine::find());
    let drawn: Vec<&str> = page.charts.iter().map(|(name, _)| *name).collect();
    assert!(page.left_out.is_empty(), "{:?}", page.left_out);
    assert!(
        CHARTS.iter().all(|name| drawn.contains(name)) && drawn.len() == CHARTS.len(),
        "{drawn:?}"
    );
    for row in [
        "| random | 1,000 | 0.45 | 1.06 |",
        "| gatepost, Unix socket | 64 | 78,327 | 381 | 5,568 | 6.11 | 0.48 |",
        "| batch of 100 | 450,000 | 5.00 | 2.00 | 3,400 |",
        "| 10,000 | 110 | 214 |",
        "| 10,000 | 9.8 | 18.0 | 19.0 |",
        "| an allowed question | 1.00 |",
        "| decide | decide/stock | 0.03 | median of 51 interleaved rounds |",
    ] {
        assert!(page.text.contains(row), "no row {row} in\n{}", page.text);
    }

    let nothing = Page::of(&Logs::default(), &Machine { rows: Vec::new() });
    assert!(
        nothing.charts.is_empty() && nothing.text.contains("`batch.log` was missing"),
        "{}",
        nothing.text
    );
    let empty = Logs {
        all: vec![Log::read("size", "size: many\nratio:\n")],
        ended: None,
    };
    let empty = Page::of(&empty, &Machine { rows: Vec::new() });
    assert!(
        empty.charts.is_empty() && empty.text.contains("`size.log` has no lines for this chart"),
        "{}",
        empty.text
    );

    let recipes = include_str!("../../justfile");
    for command in COMMANDS.into_iter().chain([CHARTS_COMMAND]) {
        assert!(recipes.contains(command), "`just benchmarks` does not run `{command}`");
    }
    assert_eq!(day(SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_164_800)), "2024-02-29");
    for (value, text) in [
        (0.0, "0"),
        (0.4567, "0.457"),
        (12.3, "12.3"),
        (1_000_000.0, "1,000,000"),
        (10.0, "10"),
    ] {
        assert_eq!(number(value), text);
    }
    println!("charts: {} charts of sample lines", drawn.len());
}
