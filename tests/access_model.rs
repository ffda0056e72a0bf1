//! The bundled access model: every rule and vector, asked over HTTP.

use gatepost::app::MODEL;
use gatepost::engine::json::Json;
use gatepost::engine::{Options, Query, Snapshot, Text};
use gatepost::store::{File, Kind, compile_files};

use crate::model_cases::{AMENDMENTS, Amendment, CASES, Case};
use crate::support::{Client, EVALUATION, Root, Sidecar};

/// The files of a model, changed by name.
pub(crate) fn files(changed: &[(&str, String)]) -> Vec<File> {
    MODEL
        .iter()
        .map(|(name, content)| {
            let content = changed
                .iter()
                .find(|(changed, _)| changed == name)
                .map_or((*content).to_owned(), |(_, content)| content.clone());
            let kind = match name.split('/').next() {
                Some("schema") => Kind::Schema,
                Some("policies") => Kind::Policies,
                _ => Kind::Entities,
            };
            File {
                kind,
                text: Text::new(*name, content),
            }
        })
        .collect()
}

fn compile(changed: &[(&str, String)]) -> Snapshot {
    compile_files(&files(changed), &Options::default()).expect("a good model")
}

fn content(name: &str) -> &'static str {
    MODEL.iter().find(|(known, _)| *known == name).expect("a file of the model").1
}

/// The document of an account with its `active` as an amendment has it.
pub(crate) fn amended(amendment: &Amendment) -> (&'static str, String) {
    let name = match amendment.account.0 {
        "User" => "entities/people.yaml",
        _ => "entities/service_users.yaml",
    };
    let mut found = false;
    let lines: Vec<String> = content(name)
        .lines()
        .map(|line| {
            if !line.trim_start().starts_with(&format!("{}:", amendment.account.1)) {
                return line.to_owned();
            }
            found = true;
            let open = line.find('{').expect("an entry on one line");
            let members: Vec<&str> = line[open + 1..line.rfind('}').expect("its end")]
                .split(',')
                .map(str::trim)
                .filter(|member| !member.starts_with("active"))
                .collect();
            format!("{}{{ {}, active: {} }}", &line[..open], members.join(", "), amendment.active)
        })
        .collect();
    assert!(found, "{} is not on a line of its own in {name}", amendment.account.1);
    (name, lines.join("\n"))
}

fn body(case: &Case) -> String {
    let mut body = serde_json::json!({
        "subject": { "type": case.principal.0, "id": case.principal.1 },
        "action": { "name": case.action },
        "resource": { "type": case.resource.0, "id": case.resource.1 },
    });
    if !case.context.is_empty() {
        body["context"] = serde_json::from_str(case.context).expect(case.context);
    }
    body.to_string()
}

async fn check(client: &mut Client, cases: &[Case]) {
    for case in cases {
        assert!(case.rule.starts_with('R'), "{case:?} proves no rule");
        let answer = client.post(EVALUATION, &body(case)).await;
        assert_eq!(answer.status, 200, "{case:?}: {}", answer.text());
        let expected = format!("{{\"decision\":{}}}", case.allow);
        assert_eq!(answer.text(), expected, "{case:?}");
    }
}

#[tokio::test]
async fn every_rule_and_vector_holds_over_http() {
    assert!(CASES.len() >= 100);
    let sidecar = Sidecar::serve(Root::bundled().path()).await;
    check(&mut sidecar.client().await, CASES).await;
}

#[tokio::test]
async fn the_built_in_model_answers_like_the_files() {
    let sidecar = Sidecar::built_in().await;
    check(&mut sidecar.client().await, CASES).await;
}

#[tokio::test]
async fn deactivating_and_reactivating_in_a_file_turns_what_it_should() {
    let root = Root::bundled();
    let sidecar = Sidecar::serve(root.path()).await;
    let mut client = sidecar.client().await;
    for amendment in AMENDMENTS {
        let (name, document) = amended(amendment);
        let before = sidecar.current();
        root.write(name, &document);
        sidecar.generation(before + 1).await;
        check(&mut client, amendment.cases).await;

        let before = sidecar.current();
        root.write(name, content(name));
        sidecar.generation(before + 1).await;
    }
    check(&mut client, CASES).await;
}

/// The answers of a snapshot to cases, in order.
fn answers(snapshot: &Snapshot, cases: &[Case]) -> Vec<bool> {
    cases
        .iter()
        .map(|case| {
            let context =
                (!case.context.is_empty()).then(|| Json::read(case.context.as_bytes(), 16).expect("a context"));
            let query = Query {
                context: context.as_ref(),
                ..Query::plain(case.principal, case.action, case.resource)
            };
            snapshot.decide(&query).expect("a decision").is_allowed()
        })
        .collect()
}

#[test]
fn no_policy_can_be_taken_away_without_a_case_turning() {
    let whole = compile(&[]);
    for policy in whole.policies() {
        let file = &*policy.place.file;
        let text = content(file);
        let span = policy.place.span;
        let without = format!("// {}\n{}{}", policy.id, &text[..span.offset], &text[span.offset + span.len..]);
        let turns = |document: Option<(&'static str, String)>, cases: &[Case]| {
            let mut changed: Vec<(&str, String)> = document.into_iter().collect();
            let before = answers(&compile(&changed), cases);
            changed.push((file, without.clone()));
            before != answers(&compile(&changed), cases)
        };
        let any =
            turns(None, CASES) || AMENDMENTS.iter().any(|amendment| turns(Some(amended(amendment)), amendment.cases));
        assert!(any, "no case notices that `{}` is gone", policy.id);
    }
}

#[test]
fn every_policy_names_itself_and_its_rule() {
    let snapshot = compile(&[]);
    let mut rules = Vec::new();
    for policy in snapshot.policies() {
        let annotation = |name: &str| {
            let found = policy.annotations.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        };
        assert_eq!(annotation("id").as_deref(), Some(&*policy.id));
        let rule = annotation("rule").unwrap_or_default();
        assert!(rule.starts_with('R'), "`{}` names no rule", policy.id);
        rules.extend(rule.split(", ").map(str::to_owned));
    }
    for rule in ["R2", "R3", "R4", "R6", "R11", "R13", "R16", "R17", "R20", "R21"] {
        assert!(rules.iter().any(|known| known == rule), "no policy names {rule}");
    }
}

#[test]
fn the_company_is_as_large_as_it_says() {
    let snapshot = compile(&[]);
    let counts = snapshot.counts();
    let of = |ty: &str| counts.entities_by_type.get(ty).copied().unwrap_or(0);
    assert_eq!(of("User"), 12);
    assert_eq!(of("ServiceUser"), 2);
    assert_eq!(of("Team"), 7, "six, and Public");
    assert_eq!(of("Datastore"), 10);
    assert_eq!(of("EnrichmentDatastore"), 10);
}

/// May this user do this to this datastore?
fn may(snapshot: &Snapshot, user: &str, action: &str, datastore: &str) -> bool {
    let query = Query::plain(("User", user), action, ("Datastore", datastore));
    snapshot.decide(&query).expect("a decision").is_allowed()
}

/// A directory beside the bundled schema and policies.
fn directory(document: &str) -> Result<Snapshot, gatepost::engine::Faults> {
    let mut files: Vec<File> = files(&[]).into_iter().filter(|file| file.kind != Kind::Entities).collect();
    files.push(File {
        kind: Kind::Entities,
        text: Text::new("entities/company.yaml", document),
    });
    compile_files(&files, &Options::default())
}

const SMALL: &str = "
users:
  ana: { role: Admin }
  bo: { role: Member }
teams:
  one: { permission: read, users: [bo], datastores: [a, b] }
  two: { permission: write, users: [bo], datastores: [b, { id: c, permission: read }] }
datastores: { a: {}, b: {}, c: {}, d: {}, e: {} }
";

#[test]
fn r25_deleting_a_team_takes_away_just_what_it_gave() {
    let before = directory(SMALL).expect("a good directory");
    let after = directory(&SMALL.replace(
        "  two: { permission: write, users: [bo], datastores: [b, { id: c, permission: read }] }\n",
        "",
    ))
    .expect("a good directory");
    for (action, datastore, had, has) in [
        ("read", "a", true, true),
        ("read", "b", true, true),
        ("write", "b", true, false),
        ("read", "c", true, false),
        ("write", "c", false, false),
        ("read", "d", false, false),
    ] {
        assert_eq!(may(&before, "bo", action, datastore), had, "{action} {datastore} before");
        assert_eq!(may(&after, "bo", action, datastore), has, "{action} {datastore} after");
    }
}

#[test]
fn r9_and_r20_a_new_account_is_active_and_in_public_without_being_listed() {
    let document = format!("{SMALL}  \n").replace(
        "teams:\n",
        "  new: { role: Member }\nteams:\n  Public: { permission: read, datastores: [e] }\n",
    );
    let snapshot = directory(&document).expect("a good directory");
    assert!(may(&snapshot, "new", "viewDatastore", "e"));
    assert!(!may(&snapshot, "new", "runOperation", "e"));
    assert!(!may(&snapshot, "new", "viewDatastore", "a"));
    let login = Query::plain(("User", "new"), "logIn", ("Platform", "main"));
    // The platform's one entity is not in this directory; logging in does not look at it.
    assert!(snapshot.decide(&login).expect("a decision").is_allowed());
}

#[test]
fn r21_what_is_open_to_public_stays_open_without_the_edge_to_it() {
    let entities = r#"[
        { "uid": { "type": "Team", "id": "Public" }, "attrs": { "name": "Public", "description": "" }, "parents": [] },
        { "uid": { "type": "User", "id": "bo" }, "attrs": { "name": "Bo", "role": "Member", "active": true }, "parents": [] },
        { "uid": { "type": "Datastore", "id": "r" }, "parents": [],
          "attrs": { "name": "r", "readers": [{ "type": "Team", "id": "Public" }], "writers": [] } },
        { "uid": { "type": "Datastore", "id": "w" }, "parents": [],
          "attrs": { "name": "w", "readers": [], "writers": [{ "type": "Team", "id": "Public" }] } }
    ]"#;
    let mut files: Vec<File> = files(&[]).into_iter().filter(|file| file.kind != Kind::Entities).collect();
    files.push(File {
        kind: Kind::Entities,
        text: Text::new("entities/all.json", entities),
    });
    let snapshot = compile_files(&files, &Options::default()).expect("good entities");
    assert!(may(&snapshot, "bo", "read", "r") && !may(&snapshot, "bo", "write", "r"));
    assert!(may(&snapshot, "bo", "read", "w") && may(&snapshot, "bo", "write", "w"));
}

#[test]
fn the_rules_of_the_directory_are_told_with_line_and_entry() {
    // Each line replaces one of SMALL's; the fault names the entry, and stands in that line.
    for (rule, from, to, words) in [
        ("R1", "  bo: { role: Member }", "  bo: {}", "the user `bo` has no role"),
        (
            "R1",
            "  bo: { role: Member }",
            "  bo: { role: Owner }",
            "the user `bo` has the unknown role `Owner`",
        ),
        (
            "R1",
            "  bo: { role: Member }",
            "  bo: { role: member }",
            "the user `bo` has the unknown role `member`",
        ),
        (
            "R1",
            "  bo: { role: Member }",
            "  bo: { role: [Member, Admin] }",
            "the user `bo` has 2 roles",
        ),
        (
            "R1",
            "  bo: { role: Member }",
            "  bo: { roles: [Member] }",
            "the user `bo` has no `roles`",
        ),
        (
            "R10",
            "  ana: { role: Admin }",
            "  ana: { role: Member }",
            "no user is an active Admin",
        ),
        (
            "R10",
            "  ana: { role: Admin }",
            "  ana: { role: Admin, active: false }",
            "no user is an active Admin",
        ),
        (
            "R15",
            "  bo: { role: Member }",
            "  bo: { role: Member, datastores: [a] }",
            "the user `bo` has no `datastores`",
        ),
        (
            "R15",
            "datastores: { a: {},",
            "datastores: { a: { users: [bo] },",
            "the datastore `a` has no `users`",
        ),
        ("R20", "  one: {", "  Public: {", "`Public` lists members"),
        (
            "R20",
            "  one: {",
            "  Public: { name: All, datastores: [e] }\n  one: {",
            "`Public` is renamed to `All`",
        ),
        (
            "R20",
            "  one: {",
            "  one: { name: Public,",
            "the team `one` calls itself `Public`",
        ),
        (
            "R23",
            "  one: { permission: read",
            "  one: { permission: admin",
            "`admin` is no permission, in the team `one`",
        ),
        (
            "R23",
            "  one: { permission: read,",
            "  one: {",
            "the team `one` has no permission",
        ),
        ("R23", "  one: {", "  one: { name: two,", "have the same name, `two`"),
        ("R23", "  one: {", "  one: { name: TWO,", "have the same name, `two`"),
        (
            "R23",
            "  one: {",
            "  TWO: { name: Three }\n  one: {",
            "the teams `TWO` and `two` both go by `two`",
        ),
        (
            "R20",
            "  one: {",
            "  one: { name: \"\u{ff30}UBLIC\",",
            "calls itself `\u{ff30}UBLIC`",
        ),
        ("R23", "  one: {", "  one: { name: \"\",", "has 0 characters"),
        ("R23", "  one: {", "  one: { name: \"one \",", "begins or ends with a space"),
        ("R23", "  one: {", "  one: { name: \"o\\u200bne\",", "has U+200B in it"),
        (
            "-",
            "users: [bo], datastores: [a, b]",
            "users: [bob], datastores: [a, b]",
            "lists the user `bob`, which is nowhere",
        ),
        (
            "-",
            "datastores: [a, b]",
            "datastores: [a, z]",
            "lists the datastore `z`, which is nowhere",
        ),
        ("-", "  one: {", "  one: { members: [bo],", "the team `one` has no `members`"),
        (
            "-",
            "  bo: { role: Member }",
            "  bo: { role: Member, active: \"no\" }",
            "`active` of the user `bo` is neither",
        ),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let document = SMALL.replacen(from, to, 1);
        let faults = directory(&document).expect_err(to);
        let fault = faults
            .iter()
            .find(|fault| fault.message.contains(words))
            .unwrap_or_else(|| panic!("{rule} {to}: {faults:#?}"));
        let place = fault.place.as_ref().expect("a place");
        assert_eq!(&*place.file, "entities/company.yaml", "{to}");
        let line = document.lines().nth(place.line - 1).expect("its line");
        let entry = to.trim().split(':').next().expect("an entry");
        let changed_line = document.lines().position(|line| line.contains(to.lines().next().expect("a line").trim()));
        assert!(
            // Of two teams with the same name, the second is at fault.
            changed_line == Some(place.line - 1) || line.contains(entry) || line.contains("two: {"),
            "{to}: line {} is `{line}`",
            place.line
        );
        if rule != "-" && !words.contains("has no `roles`") {
            let help = fault.help.as_deref().unwrap_or_default();
            assert!(help.contains(rule), "{rule} {to}: {help}");
        }
    }
    let long = SMALL.replacen("  one: {", &format!("  one: {{ name: {},", "n".repeat(256)), 1);
    let faults = directory(&long).expect_err("a long name");
    assert!(faults.first().message.contains("256 characters"));
    directory(&long.replace(&"n".repeat(256), &"ü".repeat(255))).expect("255 characters are not too many");
}
