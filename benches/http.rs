//! Whole HTTP: gatepost against a server that answers without deciding, both on hyper and the same allocator.
//!
//! `cargo bench --bench http -- --rounds 7 --seconds 2 --connections 64`. The binary starts itself for each part: a bare
//! server, gatepost, and the load. Rounds of all servers take turns, and ratios are taken round by round.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

#[path = "http/load.rs"]
mod load;
#[path = "shared/mode.rs"]
mod mode;
#[path = "http/pin.rs"]
mod pin;
#[path = "shared/questions.rs"]
mod questions;
#[path = "shared/rounds.rs"]
mod rounds;
#[path = "http/servers.rs"]
mod servers;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use load::{Measured, Task};
use mode::Mode;
use pin::Pins;
use rounds::{median, ratio};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The argument in front of a part's name.
const PART: &str = "part-of-http-bench";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [PART, "bare"] => servers::bare(),
        [PART, "gatepost", socket] => servers::gatepost(socket),
        [PART, "load", task] => load::run(task),
        words => {
            if let Some(plan) = Plan::read(words, Mode::of_this_run()) {
                compare(&plan);
            }
        }
    }
}

/// How much to measure.
struct Plan {
    rounds: usize,
    seconds: f64,
    connections: usize,
}

impl Plan {
    /// The plan that the arguments make; none if they ask for other benches.
    fn read(words: &[&str], mode: Mode) -> Option<Self> {
        let (rounds, seconds) = match mode {
            Mode::Measure => (7, 2.0),
            Mode::Try => (1, 0.2),
        };
        let mut plan = Self {
            rounds,
            seconds,
            connections: 64,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|number| number.parse::<f64>().ok());
                number
                    .filter(|number| *number > 0.0)
                    .unwrap_or_else(|| panic!("`{word}` needs a number above 0"))
            };
            match *word {
                "--rounds" => plan.rounds = number().ceil() as usize,
                "--seconds" => plan.seconds = number(),
                "--connections" => plan.connections = number().ceil() as usize,
                "--bench" | "--test" => {}
                "--list" => return None,
                // Flags are criterion's, and what is no flag names the benches to run.
                flag if flag.starts_with('-') => eprintln!("http: `{flag}` has no meaning here"),
                filter if "http".contains(filter) => {}
                _ => return None,
            }
        }
        Some(plan)
    }
}

fn compare(plan: &Plan) {
    let pins = Pins::find();
    println!("http: {pins}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = format!("unix:{}", directory.path().join("sock").display());
    let bare_server = Server::start(pins.server().args([PART, "bare"]), 1);
    let gatepost_server = Server::start(pins.server().args([PART, "gatepost", &socket]), 2);
    let targets = [
        Target {
            name: "bare",
            server: &bare_server,
            address: &bare_server.addresses[0],
            decides: false,
        },
        Target {
            name: "gatepost",
            server: &gatepost_server,
            address: &gatepost_server.addresses[0],
            decides: true,
        },
        Target {
            name: "gatepost, Unix socket",
            server: &gatepost_server,
            address: &gatepost_server.addresses[1],
            decides: true,
        },
    ];

    let [bare, tcp, unix] = race(&pins, &targets, plan);
    println!("ratio: requests/s gatepost/bare = {:.2}", ratio(&tcp.rate, &bare.rate));
    println!("ratio: cpu per request bare/gatepost = {:.2}", ratio(&bare.cpu_us, &tcp.cpu_us));
    println!("ratio: p99 gatepost/bare = {:.2}", ratio(&tcp.p99_us, &bare.p99_us));
    println!("ratio: requests/s unix/tcp = {:.2}", ratio(&unix.rate, &tcp.rate));
    println!("ratio: cpu per request tcp/unix = {:.2}", ratio(&tcp.cpu_us, &unix.cpu_us));
    let busy = [&bare, &tcp].into_iter().map(|side| median(&side.busy)).fold(1.0, f64::min);
    if busy < 0.9 {
        println!(
            "note: a server was busy for {busy:.2} of the time, so requests/s says as much of the load as of the \
             server; go by cpu per request"
        );
    }

    let one = Plan {
        connections: 1,
        seconds: plan.seconds / 2.0,
        ..*plan
    };
    let [bare, tcp, unix] = race(&pins, &targets, &one);
    println!(
        "ratio: p50 of one connection gatepost/bare = {:.2}",
        ratio(&tcp.p50_us, &bare.p50_us)
    );
    println!(
        "ratio: p50 of one connection unix/tcp = {:.2}",
        ratio(&unix.p50_us, &tcp.p50_us)
    );
}

/// A server under one of its addresses.
struct Target<'s> {
    name: &'static str,
    server: &'s Server,
    address: &'s str,
    /// Whether its answers are the model's.
    decides: bool,
}

/// What was measured of one target, round by round.
#[derive(Default)]
struct Rounds {
    /// Requests a second.
    rate: Vec<f64>,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
    /// Processor time of the server for each request.
    cpu_us: Vec<f64>,
    /// Processor time of the server for each second.
    busy: Vec<f64>,
}

impl Rounds {
    fn add(&mut self, measured: &Measured) {
        self.rate.push(measured.requests as f64 / measured.seconds);
        self.p50_us.push(measured.p50_us);
        self.p99_us.push(measured.p99_us);
        self.cpu_us.push(measured.cpu_s * 1e6 / measured.requests as f64);
        self.busy.push(measured.cpu_s / measured.seconds);
    }
}

/// Lets the targets take turns, and tells the middle of what was measured.
fn race(pins: &Pins, targets: &[Target<'_>; 3], plan: &Plan) -> [Rounds; 3] {
    let mut measured: [Rounds; 3] = Default::default();
    for _ in 0..plan.rounds {
        for (target, rounds) in targets.iter().zip(&mut measured) {
            rounds.add(&load_on(pins, target, plan));
        }
    }
    let connections = match plan.connections {
        1 => "1 connection".to_owned(),
        more => format!("{more} connections"),
    };
    println!(
        "\n{:<22} {:>12} {:>10} {:>10} {:>15} {:>6}   {connections}, {} rounds of {} s",
        "", "requests/s", "p50 us", "p99 us", "cpu us/request", "busy", plan.rounds, plan.seconds
    );
    for (target, rounds) in targets.iter().zip(&measured) {
        println!(
            "{:<22} {:>12.0} {:>10.1} {:>10.1} {:>15.2} {:>6.2}",
            target.name,
            median(&rounds.rate),
            median(&rounds.p50_us),
            median(&rounds.p99_us),
            median(&rounds.cpu_us),
            median(&rounds.busy)
        );
    }
    measured
}

fn load_on(pins: &Pins, target: &Target<'_>, plan: &Plan) -> Measured {
    let task = Task {
        address: target.address.to_owned(),
        process: target.server.child.id(),
        connections: plan.connections,
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
    assert!(output.status.success(), "the load on {} failed: {}", target.name, output.status);
    let measured: Measured = serde_json::from_slice(&output.stdout).expect("what the load measured");
    assert!(!target.decides || measured.wrong == 0, "{} answers were wrong", measured.wrong);
    measured
}

/// A server in a process of its own, ended with this.
struct Server {
    child: Child,
    addresses: Vec<String>,
}

impl Server {
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
