//! What directory documents may say, and what is told of those that may not.

use gatepost::app::MODEL;
use gatepost::directory::{Directory, Key, Kind, fold};
use gatepost::engine::{Fault, Options, Query, Severity, Snapshot, Text, UnknownParents};
use gatepost::store::{self, File, FileLimits, load_files};

use crate::support::Root;

const BASE: &str = r#"
users:
  ana: { role: Admin, teams: [Risk] }
  bo: { role: Member, teams: [Risk, Ops] }
  cy: { role: Member, active: false, teams: [Ops] }
service_users:
  scan: { role: Member, teams: [Ops] }
teams:
  Risk: { permission: read, users: [bo], datastores: [ledger] }
  Ops: { permission: write, service_users: [scan], datastores: [{ id: ledger, permission: read }, payroll] }
datastores: { ledger: {}, payroll: {} }
"#;

fn directory(texts: &[(&str, &str)]) -> Directory {
    let texts: Vec<Text> = texts.iter().map(|(name, content)| Text::new(*name, *content)).collect();
    Directory::default().follow(&texts).0
}

fn snapshot(document: &str) -> Snapshot {
    let mut files: Vec<File> = Vec::new();
    for (name, content) in MODEL {
        let kind = match name.split_once('/') {
            Some(("schema", _)) => store::Kind::Schema,
            Some(("policies", _)) => store::Kind::Policies,
            _ => continue,
        };
        files.push(File {
            kind,
            text: Text::new(*name, *content),
        });
    }
    files.push(File {
        kind: store::Kind::Entities,
        text: Text::new("entities/all.yaml", document),
    });
    load_files(&files, &Options::default()).expect("a good root").snapshot
}

#[test]
fn a_team_has_those_that_it_lists_and_those_that_list_it() {
    let directory = directory(&[("entities/all.yaml", BASE)]);
    assert!(directory.faults(UnknownParents::Refuse).is_empty());
    assert_eq!(directory.teams_of(Kind::User, "bo"), ["Ops", "Risk"]);
    assert_eq!(directory.members_of("Risk"), [(Kind::User, "ana"), (Kind::User, "bo")]);
    let ops = [(Kind::User, "bo"), (Kind::User, "cy"), (Kind::ServiceUser, "scan")];
    assert_eq!(directory.members_of("Ops"), ops);
    assert_eq!(directory.member_count("Ops"), 3);
    let snapshot = snapshot(BASE);
    for (user, action, datastore, allow) in [
        ("bo", "viewDatastore", "ledger", true),
        ("bo", "runOperation", "ledger", false),
        ("bo", "runOperation", "payroll", true),
        ("cy", "viewDatastore", "payroll", false),
    ] {
        let query = Query::plain(("User", user), action, ("Datastore", datastore));
        let decision = snapshot.decide(&query).expect("a good question");
        assert_eq!(decision.is_allowed(), allow, "{user} {action} {datastore}");
    }
}

/// What is told of `entities/x.yaml` beside the base: code, line in it, severity, and words of the message.
type Told = (&'static str, usize, Severity, &'static str);

const MISTAKES: &[(&str, &[Told])] = &[
    (
        "users:\n  di:\n    role: Member\n    teams: [Rsik]\n",
        &[(
            "directory-unknown-reference",
            4,
            Severity::Error,
            "the user `di` lists the team `Rsik`",
        )],
    ),
    (
        "users:\n  di: { role: Member, teams: [Risk, Public] }\n",
        &[("directory-public", 2, Severity::Error, "the user `di` lists `Public`")],
    ),
    (
        "service_users:\n  di: { role: Member, teams: [Risk, Risk] }\n",
        &[(
            "directory-duplicate",
            2,
            Severity::Warning,
            "the service user `di` lists the team `Risk` twice",
        )],
    ),
    (
        "users:\n  di: { role: Member, teams: Risk }\n",
        &[(
            "directory-shape",
            2,
            Severity::Error,
            "`teams` of the user `di` is a single value",
        )],
    ),
    (
        "users:\n  di: { role: Member, teams: [{ id: Risk }] }\n",
        &[("directory-shape", 2, Severity::Error, "an item without an id")],
    ),
    (
        "users:\n  di: { role: Member, scim: 7 }\n",
        &[(
            "directory-scim",
            2,
            Severity::Error,
            "`scim` of the user `di` is a single value",
        )],
    ),
    (
        "users:\n  di: { role: Member, scim: { userName: di } }\n",
        &[("directory-scim", 2, Severity::Error, "no `id` that is a text")],
    ),
    (
        "users:\n  di:\n    role: Member\n    scim:\n      id: [x]\n      userName: {}\n",
        &[
            ("directory-scim", 5, Severity::Error, "no `id` that is a text"),
            ("directory-scim", 6, Severity::Error, "`userName` of the user `di` is no text"),
        ],
    ),
    (
        "users:\n  di: { role: Member, scim: { id: a, userName: Straße@x } }\n  ed: { role: Member, scim: { id: b, userName: STRASSE@X } }\n",
        &[(
            "directory-scim",
            3,
            Severity::Error,
            "the users `di` and `ed` have the same `userName`",
        )],
    ),
    (
        "users:\n  di: { role: Member, scim: { id: a } }\n  ed: { role: Member, scim: { id: a } }\nteams:\n  T: { scim: { id: a } }\n",
        &[(
            "directory-scim",
            3,
            Severity::Error,
            "the users `di` and `ed` have the same `id`",
        )],
    ),
    (
        "service_users:\n  di: { role: Member, scim: { id: a } }\n",
        &[(
            "directory-unknown-key",
            2,
            Severity::Error,
            "the service user `di` has no `scim`",
        )],
    ),
    (
        "datastores:\n  d: { scim: {} }\n",
        &[("directory-unknown-key", 2, Severity::Error, "the datastore `d` has no `scim`")],
    ),
    (
        "retired_users: ana\n",
        &[("directory-shape", 1, Severity::Error, "`retired_users` is a single value")],
    ),
    (
        "retired_users:\n- ana\n- {}\n",
        &[(
            "directory-shape",
            3,
            Severity::Error,
            "`retired_users` has an item that is no name",
        )],
    ),
    (
        "retired_user: [ana]\n",
        &[(
            "directory-unknown-key",
            1,
            Severity::Error,
            "a directory document has no `retired_user`",
        )],
    ),
];

#[test]
fn every_mistake_is_told_with_its_line() {
    for (document, expected) in MISTAKES {
        let directory = directory(&[("entities/all.yaml", BASE), ("entities/x.yaml", document)]);
        let faults = directory.faults(UnknownParents::Refuse);
        let told = |fault: &Fault| {
            let place = fault.place.as_ref().map(|place| (&*place.file, place.line));
            (
                fault.code,
                place.filter(|(file, _)| *file == "entities/x.yaml").map(|(_, line)| line),
                fault.severity,
            )
        };
        let found: Vec<_> = faults.iter().map(told).collect();
        let wanted: Vec<_> = expected.iter().map(|(code, line, severity, _)| (*code, Some(*line), *severity)).collect();
        assert_eq!(found, wanted, "{document}: {faults:?}");
        for (fault, (.., words)) in faults.iter().zip(*expected) {
            assert!(fault.message.contains(words), "{document}: {}", fault.message);
        }
    }
}

#[test]
fn a_team_that_is_nowhere_grants_nothing_where_it_is_only_warned_of() {
    let texts = [
        ("entities/all.yaml", BASE),
        ("entities/x.yaml", "users:\n  di: { role: Member, teams: [No, Ops] }\n"),
    ];
    let directory = directory(&texts);
    let faults = directory.faults(UnknownParents::Drop);
    assert!(
        faults.iter().all(|fault| fault.severity == Severity::Warning) && faults.len() == 1,
        "{faults:?}"
    );
    assert_eq!(directory.teams_of(Kind::User, "di"), ["Ops"]);
}

#[test]
fn what_scim_keeps_is_kept_as_it_is() {
    let scim =
        r#"{"id":"2819","userName":"Ana@X","emails":[{"value":"a@x","primary":true}],"n":1.5,"z":null,"007":"no"}"#;
    let json = format!("{{\"users\": {{\"ana\": {{\"role\": \"Admin\", \"scim\": {scim}}}}}}}");
    let directory = directory(&[("entities/all.json", &json)]);
    assert!(directory.faults(UnknownParents::Refuse).is_empty());
    let account = directory.account(Kind::User, "ana").expect("ana");
    let expected: serde_json::Value = serde_json::from_str(scim).expect("JSON");
    assert_eq!(account.scim.as_deref(), Some(&expected));
    assert_eq!(directory.scim_id(Kind::User, "2819"), Some("ana"));
    assert_eq!(directory.scim_id(Kind::Team, "2819"), None);
    assert_eq!(directory.user_name(&fold("aNA@x")), Some("ana"));
}

#[test]
fn scalars_of_yaml_under_scim_are_texts_but_for_truth_and_nothing() {
    let yaml =
        "users:\n  ana:\n    role: Admin\n    scim: { id: 007, userName: no, a: true, b: \"true\", c: ~, d: 1e3 }\n";
    let directory = directory(&[("entities/all.yaml", yaml)]);
    let account = directory.account(Kind::User, "ana").expect("ana");
    let expected = serde_json::json!({ "id": "007", "userName": "no", "a": true, "b": "true", "c": null, "d": "1e3" });
    assert_eq!(account.scim.as_deref(), Some(&expected));
}

#[test]
fn names_are_retired_by_any_document_and_in_any_case() {
    let directory = directory(&[
        ("entities/all.yaml", BASE),
        (
            "entities/managed/retired.json",
            "{\"retired_users\": {\"Eve@X\": {}, \"İ@x\": {}}}",
        ),
        ("entities/x.yaml", "retired_users: [Max]\n"),
    ]);
    assert!(directory.faults(UnknownParents::Refuse).is_empty());
    for (name, retired) in [
        ("eve@x", true),
        ("MAX", true),
        ("i\u{307}@X", true),
        ("i@x", false),
        ("ana", false),
    ] {
        assert_eq!(directory.is_retired(name), retired, "{name}");
    }
}

#[test]
fn an_etag_names_the_state_of_an_entry_and_of_its_members() {
    let etag = |documents: &[(&str, &str)], kind, id: &str| directory(documents).etag(&Key::new(kind, id));
    let base = [("entities/all.yaml", BASE)];
    let moved = [
        (
            "entities/all.json",
            "{\"users\": {\"ana\": {\"role\": \"Admin\", \"teams\": [\"Risk\"]}}}",
        ),
        (
            "entities/rest.yaml",
            &BASE
                .replace("  ana: { role: Admin, teams: [Risk] }\n", "")
                .replace("users: [bo]", "users: [bo, ana]"),
        ),
    ];
    for (kind, id) in [(Kind::User, "ana"), (Kind::Team, "Risk"), (Kind::Datastore, "ledger")] {
        assert_eq!(etag(&base, kind, id), etag(&moved, kind, id), "{id}");
    }
    let joined = BASE.replace(
        "cy: { role: Member, active: false, teams: [Ops] }",
        "cy: { role: Member, active: false }",
    );
    for (kind, id, same) in [
        (Kind::User, "cy", false),
        (Kind::Team, "Ops", false),
        (Kind::Team, "Risk", true),
        (Kind::User, "bo", true),
    ] {
        let now = etag(&[("entities/all.yaml", &joined)], kind, id);
        assert_eq!(now == etag(&base, kind, id), same, "{id}");
    }
    assert_eq!(etag(&base, Kind::Team, "No"), None);
}

#[test]
fn managed_documents_are_read_like_any_other_and_dot_files_are_not() {
    let root = Root::bundled();
    root.write(
        "entities/managed/users/0a.json",
        "{\"users\": {\n\"new@x\": {\"role\": \"Member\", \"teams\": [\"Lab\"]}\n}}\n",
    );
    root.write("entities/managed/.lock", "not a document");
    root.write("entities/managed/.0a.json.tmp.json", "neither");
    root.write("entities/managed/teams/00.json", "{\"teams\": {\n\"Lab\": {}\n}}\n");
    let tree = store::read(root.path(), &FileLimits::default());
    let loaded = store::load(&tree, &Options::default(), None).expect("a good root");
    assert_eq!(loaded.directory.teams_of(Kind::User, "new@x"), ["Lab"]);
    assert!(loaded.snapshot.has_entity("User", "new@x"));
}
