//! The directory on the command line: lists, changes of files, prompts, and a running sidecar.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::support::{Process, Root, gatepost};

fn run(root: &Root, arguments: &[&str]) -> Output {
    let mut command = gatepost();
    command.current_dir(root.path()).args(arguments).stdin(Stdio::null());
    command.output().expect("the binary")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// What a command that works prints.
fn done(root: &Root, arguments: &[&str]) -> String {
    let output = run(root, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}{}", out(&output), err(&output));
    out(&output)
}

const DEACTIVATED: &str = "\
--- a/entities/people.yaml
+++ b/entities/people.yaml
@@ -19,7 +19,7 @@
   priya@example.com: { name: Priya Nair, role: Manager }
 
   bo@example.com: { name: Bo Larsen, role: Member, active: false }
-  carla@example.com: { name: Carla Mendes, role: Member }
+  carla@example.com: { name: Carla Mendes, role: Member, active: false }
   dev@example.com: { name: Dev Kapoor, role: Member }
   emi@example.com: { name: Emi Tanaka, role: Member }
   farid@example.com: { name: Farid Haddad, role: Member }
";

#[test]
fn a_deactivation_changes_one_line_of_the_file_and_a_dry_run_tells_which() {
    let root = Root::bundled();
    let before = root.read("entities/people.yaml");
    let told = done(&root, &["user", "deactivate", "carla@example.com", "--dry-run"]);
    assert!(told.starts_with(DEACTIVATED), "{told}");
    assert!(told.contains("1 account loses access"), "{told}");
    assert!(
        told.contains("user:carla@example.com  datastore:ledger                      write   none"),
        "{told}"
    );
    assert_eq!(root.read("entities/people.yaml"), before);

    let told = done(&root, &["user", "deactivate", "carla@example.com"]);
    assert!(
        told.contains("the user `carla@example.com`: changed") && told.contains("  entities/people.yaml"),
        "{told}"
    );
    let line = "  carla@example.com: { name: Carla Mendes, role: Member }";
    let after = before.replace(line, "  carla@example.com: { name: Carla Mendes, role: Member, active: false }");
    assert_eq!(root.read("entities/people.yaml"), after);
    let question = [
        "authorize",
        "--principal",
        "user:carla@example.com",
        "--action",
        "read",
        "--resource",
        "datastore:ledger",
    ];
    assert_eq!(run(&root, &question).status.code(), Some(3));
    let shown = done(&root, &["user", "list", "--inactive", "--team", "finance"]);
    assert!(
        shown.contains("carla@example.com  Member  Carla Mendes  inactive  finance"),
        "{shown}"
    );

    let again = done(&root, &["user", "deactivate", "carla@example.com"]);
    assert!(again.contains("nothing to change"), "{again}");
    done(&root, &["user", "reactivate", "carla@example.com"]);
    assert_eq!(run(&root, &question).status.code(), Some(0));
}

#[test]
fn each_command_does_what_it_says() {
    let root = Root::bundled();
    for arguments in [
        "user create zoe@example.com --name Zoe --team sales --role manager",
        "service-user create export --team finance",
        "datastore create archive --name Archive",
        "enrichment-datastore create archive-quality",
        "team create audit --permission read --description Audit --member zoe@example.com --member export --datastore archive",
        "team assign audit archive-quality payroll=write",
        "team unassign audit archive",
        "team add-member audit greta@example.com nightly-scan",
        "team remove-member audit export",
        "team edit audit --name Auditors --permission write",
        "user join hugo@example.com audit sales",
        "user leave hugo@example.com sales",
        "user role hugo@example.com Manager",
        "user edit hugo@example.com --name Hugo --new-id hugo@example.org",
        "datastore edit archive --name 'Old",
        "service-user delete export",
        "team delete marketing",
    ] {
        done(&root, &arguments.split(' ').collect::<Vec<_>>());
    }
    let shown = |arguments: &[&str]| -> Value {
        serde_json::from_str(&done(&root, &[arguments, &["--format", "json"]].concat())).expect("JSON")
    };
    let audit = shown(&["team", "show", "audit"]);
    assert_eq!(audit["name"], "Auditors");
    assert_eq!(audit["permission"], "write");
    assert_eq!(
        audit["users"],
        serde_json::json!(["greta@example.com", "hugo@example.org", "zoe@example.com"])
    );
    assert_eq!(audit["service_users"], serde_json::json!(["nightly-scan"]));
    assert_eq!(
        audit["datastores"],
        serde_json::json!([{ "id": "payroll", "permission": "write" }])
    );
    assert_eq!(audit["enrichment_datastores"], serde_json::json!([{ "id": "archive-quality" }]));
    let hugo = shown(&["user", "show", "hugo@example.org"]);
    assert_eq!((&hugo["name"], &hugo["role"]), (&Value::from("Hugo"), &Value::from("Manager")));
    assert_eq!(
        shown(&["user", "show", "zoe@example.com"])["teams"],
        serde_json::json!(["audit", "sales"])
    );
    assert_eq!(shown(&["datastore", "show", "archive"])["name"], "'Old");
    done(&root, &["check", ".", "--deny-warnings"]);
}

#[test]
fn what_cannot_be_is_told_with_its_exit_code() {
    let root = Root::bundled();
    done(&root, &["user", "deactivate", "theo@example.com"]);
    let people = root.read("entities/people.yaml");
    let mut lines = 1;
    for (arguments, code, words, is_on_record) in [
        ("user role ana@example.com Member", 3, "R10", true),
        (
            "user deactivate bo@example.com --as user:dev@example.com",
            3,
            "viewAccount",
            true,
        ),
        ("user deactivate emi@example.com --as user:dev@example.com", 3, "R3", true),
        ("user role ana@example.com Member --as user:ana@example.com", 3, "R4", true),
        ("user deactivate emi@example.com --as dev", 2, "has no type", false),
        ("user deactivate emy@example.com", 1, "did you mean `emi@example.com`", false),
        ("user join emi@example.com finanze", 1, "did you mean `finance`", false),
        ("team add-member finance nightly", 1, "no user `nightly`", false),
        ("team assign finance ledger=much", 2, "`read` or `write`", false),
        ("team delete Public", 3, "R20", true),
        ("team add-member Public emi@example.com", 3, "R20", true),
        ("user create ana@example.com", 1, "already", true),
        ("user create user:zz@example.com", 2, "leave the kind out", false),
        ("user create zz@example.com --name=", 2, "a name is not empty", true),
        ("datastore edit ledger --name=", 2, "a name is not empty", true),
        ("user deactivate nightly-scan", 1, "there is a service user of that id", false),
        ("team delete Finance", 1, "it is the name of `finance`", false),
        ("user release ana@example.com", 1, "`ana@example.com` is not retired", true),
        ("user role ana@example.com Owner", 2, "Admin", false),
        ("user edit ana@example.com", 2, "required", false),
        ("user deactivate emi@example.com --if-revision 00", 1, "changed meanwhile", true),
        ("user list --url http://127.0.0.1:1", 2, "GATEPOST_TOKEN", false),
        ("user list --contains nobody", 3, "", false),
    ] {
        let output = run(&root, &arguments.split(' ').collect::<Vec<_>>());
        let told = out(&output) + &err(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {told}");
        assert!(told.contains(words), "{arguments}: {told}");
        // What comes to be a command is on record, once; what is mistyped is none.
        lines += usize::from(is_on_record);
        let trail = root.read("audit/directory.jsonl");
        assert_eq!(trail.lines().count(), lines, "{arguments}: {trail}");
        let last = trail.lines().last().unwrap_or_default();
        assert!(!is_on_record || last.contains(r#""outcome":"refused""#), "{arguments}: {last}");
    }
    assert_eq!(root.read("entities/people.yaml"), people);
    let place = Root::empty();
    let output = run(&place, &["user", "deactivate", "ana@example.com"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("cannot be changed"), "{}", err(&output));
}

/// A root in which granting `vault` to Public concerns many.
fn crowded() -> Root {
    let root = Root::bundled();
    done(&root, &["datastore", "create", "vault"]);
    for user in ["yan@example.com", "zoe@example.com"] {
        done(&root, &["user", "create", user]);
    }
    root
}

#[test]
fn a_wide_change_is_refused_without_a_terminal_unless_somebody_said_yes() {
    let root = crowded();
    let teams = root.read("entities/teams.yaml");
    let refused = run(&root, &["team", "assign", "Public", "vault"]);
    assert_eq!(refused.status.code(), Some(1), "{}", out(&refused));
    assert!(
        err(&refused).contains("gain access, which is more than 10"),
        "{}",
        err(&refused)
    );
    assert_eq!(root.read("entities/teams.yaml"), teams);
    done(&root, &["team", "assign", "Public", "vault", "--yes"]);
    assert!(root.read("entities/teams.yaml").contains("datastores: [holidays, vault]"));
}

/// Runs a command on a terminal of its own, and answers its question.
fn answered(root: &Root, arguments: &[&str], answer: &str) -> (Option<i32>, String) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&near).expect("a terminal of ours");
    unlockpt(&near).expect("an open terminal");
    let path = ptsname(&near, Vec::new()).expect("its name").into_string().expect("a readable name");
    let far = File::options().read(true).write(true).open(path).expect("its other side");
    let mut command = gatepost();
    command.current_dir(root.path()).args(arguments).env("NO_COLOR", "1");
    command
        .stdin(Stdio::from(far.try_clone().expect("a copy")))
        .stdout(Stdio::null())
        .stderr(Stdio::from(far));
    let mut child = command.spawn().expect("the binary");
    // What keeps the other side open has to go, or the end of the child would not end the reading.
    drop(command);
    let mut terminal = File::from(near);
    let (mut seen, mut bytes) = (String::new(), [0; 4096]);
    while let Ok(count @ 1..) = terminal.read(&mut bytes) {
        let was_asked = seen.contains("[y/N]");
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        if !was_asked && seen.contains("[y/N]") {
            terminal.write_all(answer.as_bytes()).expect("a key that is taken");
        }
    }
    (child.wait().expect("its end").code(), seen)
}

#[test]
fn a_wide_change_is_asked_about_on_a_terminal() {
    let root = crowded();
    let teams = root.read("entities/teams.yaml");
    let (code, seen) = answered(&root, &["team", "assign", "Public", "vault"], "n\n");
    assert_eq!(code, Some(1), "{seen}");
    assert!(seen.contains("+    datastores: [holidays, vault]"), "{seen}");
    assert!(
        seen.contains("gain access, which is more than 10. Carry it out? [y/N]")
            && seen.contains("nothing was changed"),
        "{seen}"
    );
    assert_eq!(root.read("entities/teams.yaml"), teams);
    let (code, seen) = answered(&root, &["team", "assign", "Public", "vault"], "y\n");
    assert_eq!(code, Some(0), "{seen}");
    assert!(root.read("entities/teams.yaml").contains("datastores: [holidays, vault]"));
}

#[test]
fn a_retired_id_is_released_in_the_files_and_with_a_sidecar() {
    let root = Root::bundled();
    let file = "entities/managed/retired_users/c1.json";
    let retired = "{\"retired_users\": {\n\"gone@example.com\": {}\n}}\n";
    root.write(file, retired);
    let output = run(&root, &["user", "release", "other@example.com"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let told = done(&root, &["user", "release", "gone@example.com", "--dry-run"]);
    assert!(told.contains(&format!("--- a/{file}")) && root.read(file) == retired, "{told}");
    let told = done(&root, &["user", "release", "gone@example.com"]);
    assert!(told.contains("the user `gone@example.com`: released"), "{told}");
    assert!(!root.path().join(file).exists() || !root.read(file).contains("gone@example.com"));

    root.write(file, retired);
    let created = "token create cli --principal user:ana@example.com --scope admin";
    root.write("secret", done(&root, &created.split(' ').collect::<Vec<_>>()).trim());
    let url = format!("unix:{}", root.path().join("admin.sock").display());
    let _sidecar = Process::serve(root.path(), &["--set", &format!("admin.listen={url}")]);
    for (id, code, words) in [
        ("gone@example.com", 0, "released"),
        ("gone@example.com", 1, "gone@example.com"),
    ] {
        let output = run(&root, &["user", "release", id, "--url", &url, "--token-file", "secret"]);
        let told = out(&output) + &err(&output);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn an_admin_who_would_shut_himself_out_is_asked() {
    let root = Root::bundled();
    let ana = "ana@example.com";
    for (arguments, code, words) in [
        ("--as user:ana@example.com", 1, "user:ana@example.com is who makes this change"),
        ("--as user:theo@example.com --dry-run", 0, "nothing is written"),
        ("--as user:ana@example.com --dry-run", 0, "nothing is written"),
        ("--as user:ana@example.com --yes", 0, "changed"),
    ] {
        let mut all = vec!["user", "deactivate", ana];
        all.extend(arguments.split(' '));
        let output = run(&root, &all);
        let told = out(&output) + &err(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {told}");
        assert!(told.contains(words), "{arguments}: {told}");
    }
    done(&root, &["user", "reactivate", ana]);
    // Another Admin does it, or whoever can write the files.
    done(&root, &["user", "deactivate", ana, "--as", "user:theo@example.com"]);
    done(&root, &["user", "reactivate", ana]);
    done(&root, &["user", "deactivate", ana]);
}

#[test]
fn a_running_sidecar_is_listed_and_changed_with_a_token() {
    let root = Root::bundled();
    let created = "token create cli --principal user:ana@example.com --scope admin";
    let token = done(&root, &created.split(' ').collect::<Vec<_>>());
    root.write("secret", token.trim());
    let mode = |mode| std::fs::set_permissions(root.path().join("secret"), PermissionsExt::from_mode(mode));
    mode(0o600).expect("a mode");
    let socket = root.path().join("admin.sock");
    let url = format!("unix:{}", socket.display());
    let admin = format!("admin.listen={url}");
    let sidecar = Process::serve(root.path(), &["--set", &admin]);
    let waited = run(&root, &["wait", "--address", &sidecar.address.to_string(), "--timeout", "60"]);
    assert_eq!(waited.status.code(), Some(0), "{}", err(&waited));
    let there = |arguments: &str| {
        let mut all: Vec<&str> = arguments.split(' ').collect();
        all.extend(["--url", url.as_str(), "--token-file", "secret"]);
        run(&root, &all)
    };
    for (arguments, code, words) in [
        ("user list --team finance", 0, "carla@example.com"),
        ("user show carl", 1, "did you mean `carla@example.com`?"),
        ("user deactivate carla@example.com --dry-run", 0, DEACTIVATED),
        (
            "user deactivate carla@example.com --dry-run",
            0,
            "user:carla@example.com  datastore:ledger",
        ),
        ("user deactivate carla@example.com", 0, "the user `carla@example.com`: changed"),
        ("user show carla@example.com", 0, "inactive"),
        ("user show user:carla@example.com", 0, "inactive"),
        ("datastore show datastore:payroll", 0, "finance (read)"),
        ("user release carla@example.com", 1, "is not retired"),
        ("team add-member finance dev@example.com", 0, "changed"),
        ("team assign finance orders=read", 0, "changed"),
        ("team show finance", 0, "orders (read)"),
        ("service-user create export --team sales", 0, "created"),
        ("service-user list", 0, "export"),
        ("user role ana@example.com Member", 3, "R4"),
        ("user create zoe@example.com", 3, "R9"),
        ("user edit dev@example.com --new-id d@example.com", 2, "without --url"),
        ("service-user delete export", 0, "deleted"),
    ] {
        let output = there(arguments);
        let told = out(&output) + &err(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {told}");
        assert!(told.contains(words), "{arguments}: {told}");
    }
    // Of many at once each finds the team as the one before has left it.
    let robots: Vec<String> = (0..12).map(|number| format!("robot-{number}")).collect();
    for robot in &robots {
        assert_eq!(there(&format!("service-user create {robot}")).status.code(), Some(0));
    }
    std::thread::scope(|scope| {
        for robot in &robots {
            let there = &there;
            scope.spawn(move || {
                let output = there(&format!("team add-member sales {robot}"));
                assert_eq!(output.status.code(), Some(0), "{robot}: {}", err(&output));
            });
        }
    });
    let sales = out(&there("team show sales"));
    assert!(robots.iter().all(|robot| sales.contains(robot.as_str())), "{sales}");
    let stale = there("team edit sales --description New --if-revision 00");
    assert_eq!(stale.status.code(), Some(1));
    assert!(err(&stale).contains("changed meanwhile"), "{}", err(&stale));
    let people = root.read("entities/people.yaml");
    assert!(
        people.contains("  carla@example.com: { name: Carla Mendes, role: Member, active: false }"),
        "{people}"
    );
    // Whose token it is, only the sidecar knows: that an Admin goes is asked about.
    let shut_out = there("user deactivate ana@example.com");
    assert_eq!(shut_out.status.code(), Some(1));
    assert!(err(&shut_out).contains("may be whom the token is for"), "{}", err(&shut_out));
    assert!(!err(&there("user list")).contains("chmod"), "nobody else can read it");
    mode(0o644).expect("a mode");
    let told = err(&there("user list"));
    assert!(
        told.contains("others may read or write the token in `secret`, whose mode is 644"),
        "{told}"
    );
    // The listener of decisions has no users; that is another thing than a user who is not there.
    let decisions = format!("http://{}", sidecar.address);
    for arguments in [
        "user list",
        "user show carla@example.com",
        "user deactivate carla@example.com",
    ] {
        let mut all: Vec<&str> = arguments.split(' ').collect();
        all.extend(["--url", decisions.as_str(), "--token-file", "secret"]);
        let output = run(&root, &all);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {}", err(&output));
        assert!(err(&output).contains("the admin API is not there"), "{}", err(&output));
    }
    root.write("secret", "\n");
    let empty = there("user list");
    assert_eq!(empty.status.code(), Some(2));
    assert!(err(&empty).contains("there is no token in `secret`"), "{}", err(&empty));
    root.write("secret", "gp_wrong");
    assert_eq!(there("user list").status.code(), Some(1));
}
