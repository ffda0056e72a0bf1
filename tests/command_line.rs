//! The binary as people and scripts use it.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::support::{Process, Root, gatepost, question, repository};

/// Runs the binary in a directory.
fn run_in(directory: &std::path::Path, arguments: &[&str]) -> Output {
    gatepost().args(arguments).current_dir(directory).output().expect("the binary")
}

fn run(arguments: &[&str]) -> Output {
    run_in(Root::empty().path(), arguments)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn path(root: &Root) -> &str {
    root.path().to_str().expect("a readable path")
}

#[test]
fn check_passes_the_bundled_model_and_says_how_much_there_is() {
    let output = run_in(&repository("."), &["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert!(out(&output).contains("good. 10 policies"), "{}", out(&output));
}

#[test]
fn check_shows_every_fault_with_its_line_underlined() {
    let root = Root::bundled();
    root.write(
        "policies/zz.cedar",
        "permit (principal, action, resource)\nwhen { principal.rol == \"Admin\" };\n",
    );
    root.write(
        "entities/zz.yaml",
        "users:\n  zoe: { role: Admn }\n  yan: { role: Member, team: x }\n",
    );
    let output = run(&["check", path(&root)]);
    assert_eq!(output.status.code(), Some(1));
    let shown = out(&output);
    for words in [
        "policies/zz.cedar:2:",
        "when { principal.rol == \"Admin\" };",
        "did you mean `role`",
        "entities/zz.yaml:2:",
        "the user `zoe` has the unknown role `Admn`",
        "did you mean `Admin`?",
        "entities/zz.yaml:3:",
        "the user `yan` has no `team`",
        "4 faults",
    ] {
        assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
    }
    // The fault's own words are underlined, not only shown.
    assert!(shown.contains('┬') || shown.contains("──"), "{shown}");
}

#[test]
fn check_speaks_json_to_machines() {
    let root = Root::tiny("permit (principal, action == Action::\"veiw\", resource);");
    let output = run(&["check", path(&root), "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(document["ok"], false);
    let fault = &document["faults"][0];
    assert_eq!(fault["severity"], "error");
    assert_eq!(fault["file"], "policies/tiny.cedar");
    assert_eq!(fault["line"], 1);
    assert!(
        fault["message"].as_str().is_some_and(|message| message.contains("veiw")),
        "{fault}"
    );

    let good = Root::tiny("permit (principal, action, resource);");
    let output = run(&["check", path(&good), "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let document: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!((&document["ok"], &document["policies"]), (&true.into(), &1.into()));
}

#[test]
fn warnings_fail_a_check_only_if_asked_to() {
    let root = Root::tiny("permit (principal, action, resource) when { false };");
    assert_eq!(run(&["check", path(&root)]).status.code(), Some(0));
    let denied = run(&["check", path(&root), "--deny-warnings"]);
    assert_eq!(denied.status.code(), Some(1), "{}", out(&denied));
}

#[test]
fn check_of_nothing_is_a_fault_and_not_an_empty_policy_set() {
    let root = Root::empty();
    let output = run(&["check", path(&root)]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(out(&output).contains("schema"), "{}", out(&output));
    let missing = run(&["check", "/nowhere/at/all"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(out(&missing).contains("/nowhere/at/all"), "{}", out(&missing));
}

#[test]
fn authorize_answers_with_its_exit_code_and_names_the_policies() {
    let carla = ["authorize", "--principal", "user:carla@example.com"];
    let with = |more: &[&'static str]| run(&[&carla[..], more].concat());
    let allowed = with(&["--action", "runOperation", "--resource", "datastore:ledger"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", err(&allowed));
    assert!(out(&allowed).starts_with("allow"), "{}", out(&allowed));
    assert!(
        out(&allowed).contains("permit `datastore-write`, rule R17"),
        "{}",
        out(&allowed)
    );

    let denied = with(&[
        "--action",
        "Action::\"deleteDatastore\"",
        "--resource",
        "Datastore::\"ledger\"",
    ]);
    assert_eq!(denied.status.code(), Some(3));
    assert!(out(&denied).starts_with("deny: no policy permits it"), "{}", out(&denied));

    let json = with(&["--action", "read", "--resource", "datastore:ledger", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&out(&json)).expect("JSON");
    assert_eq!(document["decision"], true);
    assert_eq!(document["determining_policies"][0]["id"], "datastore-write");
    assert_eq!(document["determining_policies"][0]["file"], "policies/datastores.cedar");

    let nonsense = with(&["--action", "read", "--resource", "ledger"]);
    assert_eq!(nonsense.status.code(), Some(2));
    assert!(
        err(&nonsense).contains("--resource: `ledger` is no entity"),
        "{}",
        err(&nonsense)
    );
    assert_eq!(with(&["--action", "read"]).status.code(), Some(2));
}

#[test]
fn authorize_takes_a_context_and_a_request() {
    let assign = |teams: &str| {
        let context = format!(r#"{{"teams":[{{"type":"Team","id":"{teams}"}}]}}"#);
        run(&[
            "authorize",
            "--principal",
            "user:ana@example.com",
            "--action",
            "assignTeams",
            "--resource",
            "user:carla@example.com",
            "--context",
            &context,
        ])
        .status
        .code()
    };
    assert_eq!(assign("sales"), Some(0));
    assert_eq!(assign("Public"), Some(3));

    let root = Root::empty();
    root.write(
        "question.json",
        &question(("user", "carla@example.com"), "viewDatastore", ("datastore", "ledger")),
    );
    root.write("wrong.json", r#"{"subject":{"type":"user"}}"#);
    assert_eq!(
        run_in(root.path(), &["authorize", "--request", "question.json"]).status.code(),
        Some(0)
    );
    let wrong = run_in(root.path(), &["authorize", "--request", "wrong.json"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(err(&wrong).contains("subject.id: required"), "{}", err(&wrong));
}

#[test]
fn init_writes_roots_that_check_and_overwrites_nothing() {
    for (arguments, policies) in [
        (&["init", "new"][..], "10 policies"),
        (&["init", "new", "--minimal"], "3 policies"),
    ] {
        let place = Root::empty();
        let made = run_in(place.path(), arguments);
        assert_eq!(made.status.code(), Some(0), "{}", err(&made));
        let checked = run_in(place.path(), &["check", "new", "--deny-warnings"]);
        assert_eq!(checked.status.code(), Some(0), "{}", out(&checked));
        assert!(out(&checked).contains(policies), "{}", out(&checked));
        let ignored = std::fs::read_to_string(place.path().join("new/.gitignore")).expect("a file");
        for name in ["/tokens.json", "/audit/", "/entities/managed/.lock", ".gatepost-new*"] {
            assert!(ignored.lines().any(|line| line == name), "{name}: {ignored}");
        }
        let again = run_in(place.path(), arguments);
        assert_eq!(again.status.code(), Some(1));
        assert!(err(&again).contains("not empty"), "{}", err(&again));
    }
}

#[test]
fn serve_says_what_it_serves_and_wait_finds_it_ready() {
    let place = Root::empty();
    let mut command = gatepost();
    command.current_dir(place.path()).args(["serve", "--listen", "127.0.0.1:0"]);
    let built_in = Process::spawn(command);
    assert!(built_in.greeting[0].contains("the built-in model"), "{:?}", built_in.greeting);
    let address = built_in.address.to_string();
    let waited = run(&["wait", "--address", &address, "--timeout", "20"]);
    assert_eq!(waited.status.code(), Some(0), "{}", err(&waited));

    let root = Root::bundled();
    let mut command = gatepost();
    command.current_dir(root.path()).args(["--version"]);
    assert!(out(&command.output().expect("the binary")).starts_with("gatepost 0."));
    let mut command = gatepost();
    command.current_dir(root.path()).args(["serve", "--listen", "127.0.0.1:0"]);
    let here = Process::spawn(command);
    assert!(here.greeting[0].contains("the files in ."), "{:?}", here.greeting);
}

#[test]
fn wait_tells_what_it_waited_for() {
    let root = Root::empty();
    let nobody = run(&["wait", "--address", "127.0.0.1:1", "--timeout", "0"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(err(&nobody).contains("127.0.0.1:1 is not ready"), "{}", err(&nobody));
    let socket = format!("unix:{}/none.sock", path(&root));
    assert_eq!(run(&["wait", "--address", &socket, "--timeout", "0"]).status.code(), Some(1));
    assert_eq!(run(&["wait", "--address", "nonsense"]).status.code(), Some(2));
}

#[test]
fn all_mistakes_in_settings_are_told_at_once() {
    let root = Root::tiny("permit (principal, action, resource);");
    root.write(
        "gatepost.toml",
        "lisen = \"127.0.0.1:1\"\n[limits]\nbody_bytes_max = \"much\"\n",
    );
    let output = gatepost()
        .args(["serve", path(&root), "--set", "store.sweep_ms=0"])
        .env("GATEPOST_LIMITS_BATCH", "9")
        .output()
        .expect("the binary");
    assert_eq!(output.status.code(), Some(2));
    let shown = err(&output);
    for words in [
        "`lisen`: there is no such setting",
        "did you mean `listen`?",
        "gatepost.toml:1:1",
        "`limits.body_bytes_max`: `much` must be a whole number",
        "`GATEPOST_LIMITS_BATCH` in the environment",
        "`store.sweep_ms` on the command line",
    ] {
        assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
    }
}

#[test]
fn what_gatepost_writes_may_not_stand_where_a_roots_files_do() {
    let root = Root::bundled();
    for (setting, directory) in [
        ("audit.file=entities/audit.jsonl".to_owned(), "entities/"),
        ("audit.file=audit/../policies/audit.log".to_owned(), "policies/"),
        (format!("callers.tokens_file={}/schema/tokens.json", path(&root)), "schema/"),
    ] {
        for command in [
            &["serve", path(&root), "--listen", "127.0.0.1:0"][..],
            &["check", path(&root)],
        ] {
            let output = run(&[command, &["--set", &setting]].concat());
            assert_eq!(output.status.code(), Some(2), "{setting}");
            let words = format!("is inside `{directory}`");
            assert!(err(&output).contains(&words), "{}", err(&output));
        }
    }
}

#[test]
fn check_finds_what_is_wrong_with_tokens() {
    let root = Root::bundled();
    let wanted = ["--set", "admin.listen=127.0.0.1:0"];
    let check = |more: &[&str]| {
        let output = run(&[&["check", path(&root)], more].concat());
        (output.status.code(), out(&output))
    };
    assert_eq!(check(&[]).0, Some(0));
    let (code, shown) = check(&wanted);
    assert!(code == Some(1) && shown.contains("there is no token in"), "{shown}");
    let create = [
        "token",
        "create",
        "one",
        "--root",
        path(&root),
        "--principal",
        "user:ana@example.com",
        "--scope",
        "admin",
    ];
    assert_eq!(run(&create).status.code(), Some(0));
    assert_eq!(check(&wanted).0, Some(0));
    let mode = PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(root.path().join("tokens.json"), mode).expect("a mode");
    let (code, shown) = check(&wanted);
    assert!(
        code == Some(1) && shown.contains("its mode is 644") && shown.contains("1 fault"),
        "{shown}"
    );
    let (code, shown) = check(&[]);
    assert!(
        code == Some(0) && shown.contains("its mode is 644") && shown.contains("1 warning"),
        "{shown}"
    );
    assert_eq!(check(&["--deny-warnings"]).0, Some(1));
}

#[test]
fn check_says_that_what_it_checks_is_built_in() {
    let output = run(&["check"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(err(&output).contains("this directory is no root"), "{}", err(&output));
    assert!(err(&run_in(&repository("."), &["check"])).is_empty());
}

#[test]
fn a_public_url_has_a_scheme_and_a_host() {
    let root = Root::bundled();
    for (url, is_good) in [
        ("https://gatepost.example.com", true),
        ("https://example.com/tenants/a/", true),
        ("http://127.0.0.1:8181", true),
        ("gatepost.example.com", false),
        ("https://", false),
        ("https:///scim", false),
        ("https://example.com/?a=b", false),
        ("ftp://example.com", false),
        ("", false),
    ] {
        let output = run(&["check", path(&root), "--set", &format!("scim.public_url={url}")]);
        assert_eq!(output.status.code(), Some(if is_good { 0 } else { 2 }), "{url}: {output:?}");
        let shown = err(&output);
        assert!(is_good || shown.contains("must be a URL with its scheme"), "{url}: {shown}");
        assert!(is_good || shown.contains("`https://sync.example.com`"), "{url}: {shown}");
    }
}

#[test]
fn an_address_that_others_could_reach_is_refused() {
    let root = Root::tiny("permit (principal, action, resource);");
    let output = run(&["serve", path(&root), "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("refusing to listen on `0.0.0.0:0`"), "{}", err(&output));
}

#[test]
fn help_teaches() {
    let help = out(&run(&["--help"]));
    for words in [
        "serve",
        "check",
        "authorize",
        "explain",
        "init",
        "wait",
        "bench",
        "who-can",
        "what-can",
        "access",
        "matrix",
        "completions",
        "Exit codes",
        "Try:",
    ] {
        assert!(help.contains(words), "{words}");
    }
    let settings = out(&run(&["serve", "--help"]));
    for setting in gatepost::app::SETTINGS {
        assert!(settings.contains(setting.key), "{}", setting.key);
    }
}
