//! Which processor runs what: servers on one, the load on another, so that neither takes the other's time.

use std::fmt;
use std::process::{Command, Stdio};

/// Where processes run.
pub(crate) enum Pins {
    /// Each on a processor of its own.
    On { load: usize, servers: usize },
    /// Wherever the system puts them, for the reason given.
    Nowhere { reason: &'static str },
}

impl Pins {
    /// The first two processors that this process may use, if `taskset` can hold others to them.
    pub(crate) fn find() -> Self {
        let [load, servers, ..] = allowed()[..] else {
            return Self::Nowhere {
                reason: "there are no two processors to tell apart",
            };
        };
        let tried = command_on(servers, "true").stdout(Stdio::null()).stderr(Stdio::null()).status();
        match tried {
            Ok(status) if status.success() => Self::On { load, servers },
            _ => Self::Nowhere {
                reason: "`taskset` (util-linux) is missing or may not",
            },
        }
    }

    /// This binary, as a server.
    pub(crate) fn server(&self) -> Command {
        match self {
            Self::On { servers, .. } => command_on(*servers, &own_path()),
            Self::Nowhere { .. } => Command::new(own_path()),
        }
    }

    /// This binary, as the load.
    pub(crate) fn load(&self) -> Command {
        match self {
            Self::On { load, .. } => command_on(*load, &own_path()),
            Self::Nowhere { .. } => Command::new(own_path()),
        }
    }
}

impl fmt::Display for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On { load, servers } => write!(f, "servers on processor {servers}, the load on {load}"),
            Self::Nowhere { reason } => write!(f, "not pinned to processors: {reason}"),
        }
    }
}

/// `taskset` replaces itself with the program, which so keeps the process id that we know.
fn command_on(processor: usize, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &processor.to_string(), program]);
    command
}

fn own_path() -> String {
    let path = std::env::current_exe().expect("the path of this binary");
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// The processors that this process may use; none where the system does not say.
fn allowed() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap_or_default();
    list.trim().split(',').flat_map(range).collect()
}

/// `3` or `0-7`.
fn range(text: &str) -> Vec<usize> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) => (first..=last).collect(),
        _ => Vec::new(),
    }
}
