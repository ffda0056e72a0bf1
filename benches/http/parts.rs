//! The parts of a bench over HTTP: the bench starts itself for each server and for the load.
#![allow(dead_code, reason = "each bench takes its part")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::load::{self, Asked, Measured, Task};
use super::pin::Pins;
use super::plan::Plan;
use super::servers;

/// The argument in front of a part's name.
const PART: &str = "part-of-http-bench";

/// Runs a part if the arguments name one.
pub(crate) fn run(words: &[&str]) -> bool {
    match words {
        [PART, "bare"] => servers::bare(),
        [PART, "gatepost", socket] => servers::gatepost(socket),
        [PART, "root", root] => servers::root(Path::new(root)),
        [PART, "load", task] => load::run(task),
        _ => return false,
    }
    true
}

/// A server in a process of its own, ended with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) addresses: Vec<String>,
}

impl Server {
    /// Nothing but HTTP, on a port.
    pub(crate) fn bare(pins: &Pins) -> Self {
        Self::start(pins.server().args([PART, "bare"]), 1)
    }

    /// A sidecar over the built-in model, on a port and on a socket in the directory.
    pub(crate) fn gatepost(pins: &Pins, directory: &Path) -> Self {
        let socket = format!("unix:{}", directory.join("sock").display());
        Self::start(pins.server().args([PART, "gatepost", &socket]), 2)
    }

    /// A sidecar over the files of a root, on a port. Nothing looks at the files again.
    pub(crate) fn root(pins: &Pins, root: &Path) -> Self {
        let root = root.to_str().expect("a path in UTF-8");
        Self::start(pins.server().args([PART, "root", root]), 1)
    }

    /// Starts a server that listens on so many addresses, and waits until it does.
    fn start(command: &mut Command, listens_on: usize) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process for a server");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let addresses: Vec<String> = lines.take(listens_on).map(|line| line.expect("a line")).collect();
        assert_eq!(addresses.len(), listens_on, "a server did not start");
        Self { child, addresses }
    }

    /// Asks this server over one of its addresses for as long as the plan says.
    pub(crate) fn load(&self, pins: &Pins, address: &str, plan: &Plan, asked: Asked) -> Measured {
        let task = Task {
            address: address.to_owned(),
            process: self.child.id(),
            connections: plan.connections,
            asked,
            warm_up_s: (plan.seconds / 4.0).min(0.5),
            measured_s: plan.seconds,
        };
        let task = serde_json::to_string(&task).expect("JSON");
        let output = pins
            .load()
            .args([PART, "load", &task])
            .stderr(Stdio::inherit())
            .output()
            .expect("a process for the load");
        assert!(output.status.success(), "the load on {address} failed: {}", output.status);
        serde_json::from_slice(&output.stdout).expect("what the load measured")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input tells it to stop; one that does not within a second is stopped.
        drop(self.child.stdin.take());
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
