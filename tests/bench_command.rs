//! `gatepost bench` as people and scripts use it.

use std::path::Path;
use std::process::Output;

use crate::support::{Process, Root, gatepost, question};

const BRIEFLY: [&str; 4] = ["--seconds", "0.1", "--warm-up", "0"];

/// Measures for a tenth of a second, in a directory that is no root of itself.
fn bench(arguments: &[&str]) -> Output {
    let place = Root::empty();
    bench_in(place.path(), arguments)
}

fn bench_in(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = gatepost();
    command.arg("bench").args(BRIEFLY).args(arguments).current_dir(directory);
    command.output().expect("the binary")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The figures of a run that went well.
fn figures(output: &Output) -> serde_json::Value {
    assert_eq!(output.status.code(), Some(0), "{}", err(output));
    serde_json::from_str(&out(output)).expect("JSON")
}

fn path(root: &Root) -> &str {
    root.path().to_str().expect("a readable path")
}

/// A question that is allowed and one that is denied, on the bundled model.
fn two() -> [String; 2] {
    let by = |user| question(("user", user), "viewDatastore", ("datastore", "ledger"));
    [by("carla@example.com"), by("emi@example.com")]
}

#[test]
fn a_table_tells_what_was_measured_and_what_came_out() {
    let output = bench(&["--growth", "--threads", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let table = out(&output);
    for words in [
        "decisions on the built-in model, in this process",
        "made of the root's entities with seed 1",
        "policies ",
        "first load ",
        "load again ",
        "memory after the load ",
        "on 2 threads",
        "decisions a second ",
        "allowed ",
        "errors ",
        "p50 ",
        "p99.9 ",
        "max ",
        "questions in turns ",
    ] {
        assert!(table.contains(words), "`{words}` is not in:\n{table}");
    }
    // What cannot be made up is not asked, and that is said.
    assert!(table.contains("not asked: Action::\"assignTeams\""), "{table}");
}

#[test]
fn machines_get_every_figure() {
    let root = Root::bundled();
    let document = figures(&bench(&[path(&root), "--json", "--growth", "--budget", "rate=1"]));
    let result = &document["result"];
    let latency = |name: &str| result["latency_ns"][name].as_u64().expect(name);
    assert!(latency("p50") <= latency("p90") && latency("p90") <= latency("p99"));
    assert!(latency("p99") <= latency("p99.9") && latency("p99.9") <= latency("max"));
    let answered = result["answered"].as_u64().expect("a count");
    let bars = result["histogram_ns"].as_array().expect("bars");
    assert_eq!(
        bars.iter().map(|bar| bar["answers"].as_u64().expect("a count")).sum::<u64>(),
        answered
    );
    assert!(answered > 0 && result["per_second"].as_f64() > Some(1.0));
    assert_eq!(
        (&result["errors"], &result["first_error"]),
        (&0.into(), &serde_json::Value::Null)
    );
    let share = result["allowed_share"].as_f64().expect("a share");
    assert!((0.0..=1.0).contains(&share));

    let target = &document["target"];
    assert_eq!((&target["mode"], &target["policies"]), (&"in-process".into(), &10.into()));
    assert_eq!(target["entities"], 42);
    assert!(target["load_ms"].as_f64() > Some(0.0) && target["reload_ms"].as_f64() > Some(0.0));
    if cfg!(target_os = "linux") {
        assert!(target["resident_bytes"].as_u64() > Some(1 << 20), "{target}");
    }
    assert_eq!(document["questions"]["from"]["made"]["seed"], 1);
    assert_eq!(document["questions"]["count"], document["questions"]["distinct"]);
    let sizes: Vec<&serde_json::Value> = document["growth"]
        .as_array()
        .expect("points")
        .iter()
        .map(|point| &point["questions"])
        .collect();
    assert_eq!(sizes, [&1.into(), &64.into(), &document["questions"]["distinct"]]);
    assert_eq!(document["budgets"][0]["met"], true);
}

#[test]
fn budgets_decide_the_exit_code_and_say_by_how_much() {
    let met = bench(&["--budget", "p99.9=60s", "--budget", "rate=1"]);
    assert_eq!(met.status.code(), Some(0), "{}", err(&met));
    assert!(out(&met).contains("budget p99.9=60s: met: "), "{}", out(&met));

    let missed = bench(&[
        "--budget",
        "p50=1ns",
        "--budget",
        "rate=1000000000000",
        "--budget",
        "rate=1",
    ]);
    assert_eq!(missed.status.code(), Some(1));
    let told = err(&missed);
    assert!(told.contains("budget p50=1ns missed: ") && told.contains("too much"), "{told}");
    assert!(
        told.contains("budget rate=1000000000000 missed: ") && told.contains("too few"),
        "{told}"
    );
    assert!(!told.contains("rate=1 "), "{told}");
    // The figures are told all the same.
    assert!(out(&missed).contains("p99.9"), "{}", out(&missed));

    let nonsense = bench(&["--budget", "p99=200"]);
    assert_eq!(nonsense.status.code(), Some(2));
    assert!(err(&nonsense).contains("p99=200us"), "{}", err(&nonsense));
}

#[test]
fn a_page_needs_nothing_but_itself_and_escapes_what_it_shows() {
    let place = Root::empty();
    let [allowed, _] = two();
    place.write("a<b>&\"c\".json", &allowed);
    let output = bench_in(
        place.path(),
        &[
            "--requests",
            "a<b>&\"c\".json",
            "--growth",
            "--html",
            "report.html",
            "--budget",
            "p99=60s",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let page = place.read("report.html");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for outside in [
        "http:", "https:", "//", "src=", "href=", "url(", "@import", "<script", "<link", "<img",
    ] {
        assert!(!page.contains(outside), "`{outside}` is in the page");
    }
    assert!(
        !page.contains("a<b>") && page.contains("a&lt;b&gt;&amp;&quot;c&quot;.json"),
        "{page}"
    );
    assert_eq!(page.matches("<svg ").count(), 2);
    assert!(page.contains("prefers-color-scheme:dark") && page.contains("<rect class=\"bar\""));
    assert!(page.contains("--requests"), "the command line is in the page");

    let nowhere = bench(&["--html", "no/such/directory/report.html"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(err(&nowhere).contains("no/such/directory/report.html"), "{}", err(&nowhere));
}

#[test]
fn requests_come_from_files_of_three_shapes() {
    let place = Root::empty();
    let [allowed, denied] = two();
    place.write("array.json", &format!("[\n{allowed},\n{denied}\n]"));
    place.write("batch.json", &format!("{{\"evaluations\":[{allowed},{denied}]}}"));
    place.write("lines.jsonl", &format!("{allowed}\n{denied}\n{allowed}\n{denied}\n"));
    for (file, count) in [("array.json", 2), ("batch.json", 2), ("lines.jsonl", 4)] {
        let document = figures(&bench_in(place.path(), &["--requests", file, "--json"]));
        assert_eq!(document["questions"]["from"]["file"], file);
        assert_eq!(document["questions"]["count"], count, "{file}");
        assert_eq!(document["questions"]["distinct"], 2, "{file}");
        let share = document["result"]["allowed_share"].as_f64().expect("a share");
        assert!((0.4..0.6).contains(&share), "{file}: {share}");
    }
}

#[test]
fn what_is_wrong_with_requests_is_told_with_file_and_line() {
    let place = Root::empty();
    let [allowed, _] = two();
    place.write("half.jsonl", &format!("{allowed}\n{{\"subject\":\n"));
    place.write("other.json", &format!("[{allowed},\n{{\"subject\":{{\"type\":\"user\"}}}}]"));
    place.write("none.json", "[]");
    for (file, words) in [
        ("half.jsonl", &["half.jsonl:3: not valid JSON", "one on each line"][..]),
        (
            "other.json",
            &["other.json:2: no evaluation: subject.id: required", "docs/asking.md"],
        ),
        ("none.json", &["none.json:1: no requests", "`evaluations`"]),
        ("missing.json", &["cannot read the requests in `missing.json`"]),
    ] {
        let output = bench_in(place.path(), &["--requests", file]);
        assert_eq!(output.status.code(), Some(1), "{file}");
        for words in words {
            assert!(err(&output).contains(words), "{}", err(&output));
        }
    }
    // A question that the schema refuses is an error of the run; where all are, there is nothing to tell.
    let context = allowed.replace("viewDatastore", "assignTeams").replace("datastore", "user");
    place.write("refused.json", &context);
    let output = bench_in(place.path(), &["--requests", "refused.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("the first: context.teams: required"), "{}", err(&output));
}

#[test]
fn without_answers_to_all_no_budget_is_met() {
    let place = Root::empty();
    let [allowed, _] = two();
    let refused = allowed.replace("viewDatastore", "assignTeams").replace("datastore", "user");
    place.write("mixed.jsonl", &format!("{allowed}\n{refused}\n"));
    let output = bench_in(place.path(), &["--requests", "mixed.jsonl", "--budget", "p50=60s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("questions had no answer"), "{}", err(&output));
    assert!(
        out(&output).contains("the first error: context.teams: required"),
        "{}",
        out(&output)
    );
}

#[test]
fn a_sidecar_is_measured_over_tcp_and_over_a_unix_socket() {
    let root = Root::bundled();
    let socket = format!("unix:{}/bench.sock", path(&root));
    let server = Process::serve(root.path(), &["--listen", &socket]);
    let waited = gatepost().args(["wait", "--address", &server.address.to_string()]).status();
    assert!(waited.expect("the binary").success());
    let [allowed, denied] = two();
    root.write("requests.jsonl", &format!("{allowed}\n{denied}\n"));
    let requests = format!("{}/requests.jsonl", path(&root));
    for url in [format!("http://{}", server.address), socket] {
        let arguments = ["--url", &url, "--requests", &requests, "--connections", "3", "--json"];
        let document = figures(&bench(&arguments));
        let (target, result) = (&document["target"], &document["result"]);
        assert_eq!((&target["mode"], &target["connections"]), (&"http".into(), &3.into()));
        assert_eq!((&target["policies"], &target["entities"]), (&10.into(), &42.into()));
        assert_eq!(result["errors"], 0, "{result}");
        assert!(result["answered"].as_u64() > Some(0), "{result}");
    }
    // The root that a sidecar serves is enough to know what to ask.
    let url = format!("http://{}/", server.address);
    let table = bench(&[path(&root), "--url", &url]);
    assert_eq!(table.status.code(), Some(0), "{}", err(&table));
    assert!(out(&table).contains("made of the root's entities"), "{}", out(&table));

    let refused = bench(&["--url", &url]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("--requests FILE, or the root"), "{}", err(&refused));
    let nobody = bench(&["--url", "http://127.0.0.1:1", "--requests", &requests]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(err(&nobody).contains("cannot ask 127.0.0.1:1"), "{}", err(&nobody));
}

#[test]
fn a_root_without_pairs_to_ask_about_says_what_to_give() {
    let root = Root::tiny("permit (principal, action, resource);");
    let output = bench(&[path(&root)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("give questions with --requests FILE"), "{}", err(&output));

    let broken = Root::tiny("permit (principal, action, resource) when { principal.x };");
    let output = bench(&[path(&broken)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("policies/tiny.cedar:1:"), "{}", err(&output));
    for wrong in [
        &["--seconds", "0"][..],
        &["--seconds", "-1"],
        &["--threads", "0"],
        &["--url", "https://localhost:1"],
    ] {
        assert_eq!(
            bench(&[wrong, &["--requests", "x"]].concat()).status.code(),
            Some(2),
            "{wrong:?}"
        );
    }
}
