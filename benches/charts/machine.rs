//! Where and with what a run was made.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Crates whose versions matter to the figures.
const CRATES: [&str; 4] = ["gatepost", "cedar-policy", "hyper", "mimalloc"];

/// The machine, the compiler and the crates, as text.
pub(crate) struct Machine {
    pub(crate) rows: Vec<(String, String)>,
}

impl Machine {
    pub(crate) fn find() -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let mut rows = vec![
            ("processor".to_owned(), processor(&processors)),
            ("memory".to_owned(), total_memory(&memory)),
            (
                "kernel".to_owned(),
                fs::read_to_string("/proc/sys/kernel/osrelease")
                    .map_or_else(|_| UNKNOWN.to_owned(), |release| format!("Linux {}", release.trim())),
            ),
            (
                "compiler".to_owned(),
                said_by("rustc", &["--version"]).unwrap_or_else(|| UNKNOWN.to_owned()),
            ),
        ];
        let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
        for name in CRATES {
            rows.push((format!("`{name}`"), version(&lock, name).unwrap_or_else(|| UNKNOWN.to_owned())));
        }
        if let Some(commit) = said_by("git", &["rev-parse", "--short=12", "HEAD"]) {
            let changed = said_by("git", &["status", "--porcelain", "--", "src", "benches", "Cargo.lock"]);
            let changed = if changed.is_some() { ", with changes" } else { "" };
            rows.push(("commit".to_owned(), format!("{commit}{changed}")));
        }
        // A build that was told other things than Cargo.toml says measures something else.
        let mut told: Vec<String> = std::env::vars()
            .filter(|(name, _)| name.starts_with("CARGO_PROFILE_BENCH_"))
            .map(|(name, value)| format!("`{name}={value}`"))
            .collect();
        told.sort();
        if !told.is_empty() {
            rows.push(("built with".to_owned(), told.join(" ")));
        }
        Self { rows }
    }
}

const UNKNOWN: &str = "not known";

fn processor(info: &str) -> String {
    let value = |name: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim())
    };
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let model = value("model name").unwrap_or("not named by the system");
    let is_guest = value("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let guest = if is_guest { ", of a virtual machine" } else { "" };
    format!("{model}, {cores} logical processors{guest}")
}

fn total_memory(info: &str) -> String {
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.map_or_else(|| UNKNOWN.to_owned(), |kib| format!("{:.1} GiB", kib / 1024.0 / 1024.0))
}

/// What a program says in one line or more; none if it is not there, fails, or is silent.
fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}

/// A crate's version; if there are several, the last, which is the newest.
fn version(lock: &str, name: &str) -> Option<String> {
    let versions = lock.split("[[package]]").filter_map(|package| {
        let mut lines = package.trim().lines();
        (lines.next()? == format!("name = \"{name}\"")).then_some(())?;
        Some(lines.next()?.strip_prefix("version = ")?.trim_matches('"').to_owned())
    });
    versions.last()
}

/// The day of a time in UTC, `2026-01-31`.
pub(crate) fn day(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // Days are counted from the first of March of a year that four hundred divide, so that leap days come last.
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
