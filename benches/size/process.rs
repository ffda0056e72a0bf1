//! What the system says of this process's memory.

use std::fs;

fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this process's status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of the status");
    line.trim_start_matches(':')
        .split_whitespace()
        .next()
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}

/// What is in memory now, in KiB.
pub(crate) fn resident_kib() -> u64 {
    status("VmRSS")
}

/// The most that was in memory since the start or the last reset, in KiB.
pub(crate) fn peak_kib() -> u64 {
    status("VmHWM")
}

/// Forgets the peak.
pub(crate) fn reset_peak() -> std::io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}
