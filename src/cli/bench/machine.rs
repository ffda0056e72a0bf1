//! What the system tells of itself and of this process.

use std::fs;

use serde_json::{Value, json};

/// What figures were measured on.
pub(super) struct Machine {
    system: String,
    processor: Option<String>,
    cores: Option<usize>,
}

impl Machine {
    pub(super) fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        Self {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor,
            cores: std::thread::available_parallelism().ok().map(usize::from),
        }
    }

    pub(super) fn describe(&self) -> String {
        let mut words = vec![self.system.clone()];
        words.extend(self.processor.clone());
        words.extend(self.cores.map(|cores| super::words::plural(cores, "core", "cores")));
        words.join(", ")
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "system": self.system, "processor": self.processor, "cores": self.cores })
    }
}

/// Memory of this process.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    /// Bytes that are in memory now.
    pub(super) resident: u64,
    /// The most that ever were.
    pub(super) peak: u64,
}

impl Memory {
    /// None on systems without `/proc`.
    pub(super) fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/self/status").ok()?)
    }

    fn read(status: &str) -> Option<Self> {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = line.strip_prefix(':')?.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kibibytes * 1024)
        };
        let resident = bytes("VmRSS")?;
        Some(Self {
            resident,
            // Some containers do not tell of it.
            peak: bytes("VmHWM").unwrap_or(resident).max(resident),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let memory = Memory::read("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n").expect("memory");
        assert_eq!((memory.resident, memory.peak), (1 << 20, 2 << 20));
        assert!(Memory::read("Name:\tx\n").is_none());
    }
}
