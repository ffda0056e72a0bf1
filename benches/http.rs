//! Whole HTTP: gatepost against a server that answers without deciding, both on hyper and the same allocator.
//!
//! `cargo bench --bench http -- --rounds 7 --seconds 2 --connections 64`. The binary starts itself for each part: a bare
//! server, gatepost, and the load. Rounds of all servers take turns, and ratios are taken round by round.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

#[path = "http/bench.rs"]
mod bench;

use std::fs;
use std::path::Path;

use bench::distinct;
use bench::load::{Asked, Measured};
use bench::{Pins, Plan, Server, median, ratio};

fn main() {
    let usual = Plan {
        rounds: 7,
        seconds: 2.0,
        connections: 64,
    };
    bench::run("http", usual, compare);
}

fn compare(plan: &Plan) {
    let pins = Pins::find();
    println!("http: {pins}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let bare_server = Server::bare(&pins);
    let gatepost_server = Server::gatepost(&pins, directory.path());
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
    explain(&pins, &gatepost_server, directory.path(), plan);
}

/// A thousand distinct questions explained, against the same ones evaluated.
fn explain(pins: &Pins, server: &Server, directory: &Path, plan: &Plan) {
    let path = directory.join("explanations.json");
    fs::write(&path, serde_json::to_vec(&distinct::explanations()).expect("JSON")).expect("a file");
    let (mut evaluated, mut explained) = (Rounds::default(), Rounds::default());
    for _ in 0..plan.rounds {
        for (asked, rounds) in [
            (Asked::Single, &mut evaluated),
            (Asked::File(path.clone()), &mut explained),
        ] {
            let measured = server.load(pins, &server.addresses[0], plan, asked);
            assert_eq!(measured.wrong, 0, "answers were wrong");
            rounds.add(&measured);
        }
    }
    println!(
        "\nratio: an explanation in evaluations = {:.1} by rate (limit 25), {:.1} by processor time; {:.0} and {:.0} requests/s",
        ratio(&evaluated.rate, &explained.rate),
        ratio(&explained.cpu_us, &evaluated.cpu_us),
        median(&explained.rate),
        median(&evaluated.rate)
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
            let measured = target.server.load(pins, target.address, plan, Asked::Sample);
            assert!(!target.decides || measured.wrong == 0, "{} answers were wrong", measured.wrong);
            rounds.add(&measured);
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
