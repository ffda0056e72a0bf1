//! Entities and policy ids that contradict themselves or lead nowhere, and policies that err on the data at hand.

use gatepost::engine::UnknownParents;
use serde_json::{Value, json};

use super::{Standing, quick, status};
use crate::support::{Root, Sidecar, question};

const SCHEMA: &str = "entity Group in [Group];
entity User in [Group] = { level: Long };
entity Doc = { owner: User };
action view appliesTo { principal: User, resource: Doc };
";

const POLICY: &str = "@id(\"owner\")
permit (principal, action, resource) when { resource.owner == principal };
@id(\"editors\")
permit (principal in Group::\"editors\", action, resource);
";

fn user(id: &str, level: i64, groups: &[&str]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|id| json!({ "type": "Group", "id": id })).collect();
    json!({ "uid": { "type": "User", "id": id }, "attrs": { "level": level }, "parents": groups })
}

fn group(id: &str, groups: &[&str]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|id| json!({ "type": "Group", "id": id })).collect();
    json!({ "uid": { "type": "Group", "id": id }, "attrs": {}, "parents": groups })
}

fn document(id: &str, owner: &str) -> Value {
    let owner = json!({ "type": "User", "id": owner });
    json!({ "uid": { "type": "Doc", "id": id }, "attrs": { "owner": owner }, "parents": [] })
}

/// An array with an entity on each line, from the second line on.
fn array(entities: &[Value]) -> String {
    let lines: Vec<String> = entities.iter().map(Value::to_string).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// Ana owns the plan.
fn root() -> Root {
    Root::with(&[
        ("schema/docs.cedarschema", SCHEMA),
        ("policies/docs.cedar", POLICY),
        (
            "entities/base.json",
            array(&[user("ana", 1, &[]), document("plan", "ana")]).as_str(),
        ),
    ])
}

fn may_view(user: &str) -> String {
    question(("User", user), "view", ("Doc", "plan"))
}

/// What is added to the root, and how it is refused.
struct Case {
    name: &'static str,
    /// In this order. All but the last are refused too, or are nothing by themselves.
    files: Vec<(&'static str, String)>,
    /// Where the first fault is, and the place that belongs to it.
    place: (&'static str, u64),
    related: Option<(&'static str, u64)>,
    words: &'static str,
}

async fn check(case: &Case, root: &Root, standing: &mut Standing) {
    let name = case.name;
    for (file, content) in &case.files {
        root.write(file, content);
    }
    let pending = standing.refuses(name, case.words).await;
    let fault = &pending["faults"][0];
    assert_eq!(
        (&fault["file"], &fault["line"]),
        (&json!(case.place.0), &json!(case.place.1)),
        "{name}: {pending}"
    );
    assert!(fault["help"].is_string(), "{name}: {pending}");
    if let Some((file, line)) = case.related {
        let other = &fault["related"][0];
        assert_eq!(
            (&other["file"], &other["line"]),
            (&json!(file), &json!(line)),
            "{name}: {pending}"
        );
    }
    for (file, _) in case.files.iter().rev() {
        root.remove(file);
    }
    standing.mends(name).await;
}

/// A ring of so many groups, each in the next.
fn ring(length: usize) -> String {
    let groups: Vec<Value> = (0..length)
        .map(|number| group(&number.to_string(), &[((number + 1) % length).to_string().as_str()]))
        .collect();
    array(&groups)
}

#[tokio::test]
async fn contradictions_are_refused_with_both_places() {
    let root = root();
    let mut standing = Standing::on(root.path(), &quick(), may_view("ana")).await;
    let link = |id: &str| {
        format!(
            r#"[
{{ "template_id": "template", "link_id": "{id}", "args": {{ "?principal": "User::\"ana\"" }} }}
]
"#
        )
    };
    let template = "@id(\"template\")\npermit (principal == ?principal, action, resource);\n";
    let cases = [
        Case {
            name: "an entity twice in a file, differing",
            files: vec![("entities/more.json", array(&[user("bo", 1, &[]), user("bo", 2, &[])]))],
            place: ("entities/more.json", 3),
            related: Some(("entities/more.json", 2)),
            words: "`User::\"bo\"` is here twice, with different content",
        },
        Case {
            name: "an entity in two files, differing",
            files: vec![("entities/more.json", array(&[user("bo", 1, &[]), user("ana", 2, &[])]))],
            place: ("entities/more.json", 3),
            related: Some(("entities/base.json", 2)),
            words: "`User::\"ana\"` is here twice, with different content",
        },
        Case {
            name: "an entity in two files, in other groups",
            files: vec![(
                "entities/more.json",
                array(&[group("editors", &[]), user("ana", 1, &["editors"])]),
            )],
            place: ("entities/more.json", 3),
            related: Some(("entities/base.json", 2)),
            words: "`User::\"ana\"` is here twice, with different content",
        },
        Case {
            name: "a policy id twice",
            files: vec![(
                "policies/more.cedar",
                "// More.\n@id(\"owner\")\npermit (principal, action, resource);\n".to_owned(),
            )],
            place: ("policies/more.cedar", 2),
            related: Some(("policies/docs.cedar", 1)),
            words: "the policy id `owner` is taken",
        },
        Case {
            name: "a template with a policy's id",
            files: vec![("policies/more.cedar", template.replace("template", "owner"))],
            place: ("policies/more.cedar", 1),
            related: Some(("policies/docs.cedar", 1)),
            words: "the policy id `owner` is taken",
        },
        Case {
            name: "a link with a policy's id",
            files: vec![
                ("policies/links.json", link("owner")),
                ("policies/more.cedar", template.to_owned()),
            ],
            place: ("policies/links.json", 2),
            related: Some(("policies/docs.cedar", 1)),
            words: "the policy id `owner` is taken",
        },
        Case {
            name: "a link with its template's id",
            files: vec![
                ("policies/links.json", link("template")),
                ("policies/more.cedar", template.to_owned()),
            ],
            place: ("policies/links.json", 2),
            related: Some(("policies/more.cedar", 1)),
            words: "the policy id `template` is taken",
        },
        Case {
            name: "a group in itself",
            files: vec![("entities/more.json", ring(1))],
            place: ("entities/more.json", 2),
            related: None,
            words: "a cycle of 1 parents: `Group::\"0\"` in `Group::\"0\"`",
        },
        Case {
            name: "two groups in each other",
            files: vec![("entities/more.json", ring(2))],
            place: ("entities/more.json", 2),
            related: None,
            words: "a cycle of 2 parents: `Group::\"0\"` in `Group::\"1\"` in `Group::\"0\"`",
        },
        Case {
            name: "a ring of three",
            files: vec![("entities/more.json", ring(3))],
            place: ("entities/more.json", 2),
            related: None,
            words: "a cycle of 3 parents: `Group::\"0\"` in `Group::\"1\"` in `Group::\"2\"` in `Group::\"0\"`",
        },
        Case {
            name: "a ring of a thousand",
            files: vec![("entities/more.json", ring(1_000))],
            place: ("entities/more.json", 2),
            related: None,
            words: "a cycle of 1000 parents",
        },
        Case {
            name: "a parent that is nowhere",
            files: vec![(
                "entities/more.json",
                array(&[group("a", &[]), user("bo", 1, &["a", "editors"])]),
            )],
            place: ("entities/more.json", 3),
            related: None,
            words: "`User::\"bo\"` has the parent `Group::\"editors\"`, which is nowhere",
        },
    ];
    for case in &cases {
        check(case, &root, &mut standing).await;
    }
}

#[tokio::test]
async fn an_entity_that_is_repeated_without_difference_is_a_warning() {
    let root = root();
    let sidecar = Sidecar::serve_with(root.path(), &quick()).await;
    let mut client = sidecar.client().await;
    // In one file, and in two.
    root.write(
        "entities/more.json",
        &array(&[user("bo", 1, &[]), user("bo", 1, &[]), user("ana", 1, &[])]),
    );
    sidecar.generation(2).await;
    let status = status(&mut client).await;
    let warnings = status["live"]["warnings"].as_array().expect("warnings");
    let told: Vec<Value> = warnings
        .iter()
        .map(|warning| json!([warning["code"], warning["line"], warning["related"][0]["file"]]))
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["entity-duplicate", 3, "entities/more.json"],
            ["entity-duplicate", 4, "entities/base.json"]
        ]),
        "{status}"
    );
    assert!(status["pending"].is_null(), "{status}");
}

#[tokio::test]
async fn a_parent_that_is_nowhere_may_be_dropped_and_grants_nothing() {
    let root = root();
    let mut settings = quick();
    settings.options.unknown_parents = UnknownParents::Drop;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let mut client = sidecar.client().await;
    // The policies permit whoever is in the group; the group is nowhere.
    root.write("entities/more.json", &array(&[user("bo", 1, &["editors"])]));
    sidecar.generation(2).await;
    assert!(!client.asks(("User", "bo"), "view", ("Doc", "plan")).await);
    let told = status(&mut client).await;
    let warning = &told["live"]["warnings"][0];
    assert_eq!(warning["code"], "entity-unknown-parent", "{told}");
    assert_eq!(warning["file"], "entities/more.json", "{told}");
    assert_eq!(warning["line"], 2, "{told}");
    // With the group, it is the same as if it had been there all along.
    root.write("entities/groups.json", &array(&[group("editors", &[])]));
    sidecar.generation(3).await;
    assert!(client.asks(("User", "bo"), "view", ("Doc", "plan")).await);
    assert_eq!(status(&mut client).await["live"]["warnings"], json!([]));
}

#[tokio::test]
async fn a_team_may_list_who_is_nowhere_where_that_is_dropped_and_it_grants_nothing() {
    let root = Root::bundled();
    let teams = root.read("entities/teams.yaml");
    let with = teams.replace("carla@example.com]", "carla@example.com, zoe@example.com]");
    assert_ne!(teams, with);
    root.write("entities/teams.yaml", &with);
    let mut settings = quick();
    settings.options.unknown_parents = UnknownParents::Drop;
    let sidecar = Sidecar::serve_with(root.path(), &settings).await;
    let mut client = sidecar.client().await;
    let ledger = ("Datastore", "ledger");
    assert!(!client.asks(("User", "zoe@example.com"), "read", ledger).await);
    assert!(client.asks(("User", "carla@example.com"), "read", ledger).await);
    let told = status(&mut client).await;
    let warning = &told["live"]["warnings"][0];
    assert_eq!(warning["code"], "directory-unknown-reference", "{told}");
    assert_eq!(warning["file"], "entities/teams.yaml", "{told}");
    // Once there is such a user, the team's list counts.
    let people = root.read("entities/people.yaml");
    root.write(
        "entities/people.yaml",
        &format!("{people}  zoe@example.com: {{ role: Member }}\n"),
    );
    sidecar.generation(2).await;
    assert!(client.asks(("User", "zoe@example.com"), "read", ledger).await);
}

#[tokio::test]
async fn a_policy_that_errs_on_the_data_is_told_before_anybody_asks() {
    let root = root();
    let sidecar = Sidecar::serve_with(root.path(), &quick()).await;
    let mut client = sidecar.client().await;
    let before = status(&mut client).await;
    assert_eq!(before["live"]["warnings"], json!([]));
    // Valid by the schema. But there is no such owner, and the sum is too large.
    root.write(
        "entities/more.json",
        &array(&[document("draft", "gone"), user("max", i64::MAX, &[])]),
    );
    sidecar.generation(2).await;
    root.write(
        "policies/more.cedar",
        "@id(\"low-owner\")\npermit (principal, action, resource) when { resource.owner.level > 5 };\n\
         @id(\"next-level\")\nforbid (principal, action, resource) when { principal.level + 1 < 0 };\n",
    );
    sidecar.generation(3).await;
    let after = status(&mut client).await;
    let warnings = after["live"]["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 2, "{after}");
    for (id, line, words) in [
        ("low-owner", 1, "entity `User::\"gone\"` does not exist"),
        ("next-level", 3, "overflow"),
    ] {
        let message = |warning: &&Value| {
            let message = warning["message"].as_str().unwrap_or_default();
            message.contains(&format!("policy `{id}` errs")) && message.contains(words)
        };
        let warning = warnings.iter().find(message);
        let warning = warning.unwrap_or_else(|| panic!("{id}: {after}"));
        assert_eq!(warning["code"], "policy-errs", "{after}");
        assert_eq!(warning["file"], "policies/more.cedar", "{after}");
        assert_eq!(warning["line"], line, "{after}");
    }
    // And nobody has asked yet.
    assert_eq!(after["requests"]["allowed"], 0, "{after}");
    assert_eq!(after["requests"]["denied"], 0, "{after}");
    assert_eq!(after["policy_errors"], json!({}), "{after}");
}
