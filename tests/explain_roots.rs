//! Explanations of small roots: what is hard to say truly, and what is hard to end.

use std::time::{Duration, Instant};

use gatepost::engine::json::Json;
use gatepost::engine::{Options, Query, Snapshot, Sources, Text};
use gatepost::serve::{ExplainDocument, explain_document};
use serde_json::{Value, json};

use crate::support::{Root, gatepost};

/// Nobody waits as long for an explanation, in a build that is not optimized on a machine that does other things too.
const LONG: Duration = Duration::from_secs(20);

fn reference(entity_type: &str, id: &str) -> Value {
    json!({ "__entity": { "type": entity_type, "id": id } })
}

fn entity(entity_type: &str, id: &str, attrs: Value, parents: &[&str]) -> Value {
    let parents: Vec<Value> = parents.iter().map(|id| json!({ "type": "Group", "id": id })).collect();
    json!({ "uid": { "type": entity_type, "id": id }, "attrs": attrs, "parents": parents })
}

fn snapshot(schema: &str, policies: &str, entities: &[Value]) -> Snapshot {
    let sources = Sources {
        schema: vec![Text::new("schema/s.cedarschema", schema)],
        policies: vec![Text::new("policies/p.cedar", policies)],
        entities: vec![Text::new("entities/e.json", Value::from(entities.to_vec()).to_string())],
        ..Sources::default()
    };
    Snapshot::compile(&sources, &Options::default()).expect("good sources")
}

fn ask(snapshot: &Snapshot, context: &str) -> ExplainDocument {
    let context = (!context.is_empty()).then(|| Json::read(context.as_bytes(), 16).expect("a context"));
    let query = Query {
        context: context.as_ref(),
        ..Query::plain(("User", "ana"), "read", ("Doc", "d"))
    };
    explain_document(snapshot, &query).expect("a good question")
}

/// What `gatepost explain` prints of `User::"ana"` who would `read` `Doc::"d"`.
fn shown(schema: &str, policies: &str, entities: &[Value], more: &[&str]) -> String {
    let root = Root::empty();
    root.write("schema/s.cedarschema", schema);
    root.write("policies/p.cedar", policies);
    root.write("entities/e.json", &Value::from(entities.to_vec()).to_string());
    shown_of(
        &root,
        &[
            &["--principal", "User:ana", "--action", "read", "--resource", "Doc:d"],
            more,
        ]
        .concat(),
    )
}

fn shown_of(root: &Root, arguments: &[&str]) -> String {
    let output = gatepost().arg("explain").args(arguments).arg(root.path()).output().expect("the binary");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn independent(document: &ExplainDocument) -> Vec<&str> {
    let others = document.paths.iter().skip(1).filter(|path| path.independent);
    others.map(|path| path.policy.as_str()).collect()
}

const GROUPS: &str = "entity User in [Group]; entity Group in [Group]; entity Doc; \
                      action read appliesTo { principal: User, resource: Doc };";

/// Two groups on each level, each in both of the level above.
fn diamond(levels: usize) -> Vec<Value> {
    let mut entities = vec![
        entity("Group", "top", json!({}), &[]),
        entity("Doc", "d", json!({}), &[]),
    ];
    let mut above = vec!["top".to_owned()];
    for level in 0..levels {
        let own = vec![format!("a{level}"), format!("b{level}")];
        let parents: Vec<&str> = above.iter().map(String::as_str).collect();
        entities.extend(own.iter().map(|id| entity("Group", id, json!({}), &parents)));
        above = own;
    }
    let parents: Vec<&str> = above.iter().map(String::as_str).collect();
    entities.push(entity("User", "ana", json!({}), &parents));
    entities
}

#[test]
fn more_chains_than_can_be_counted_are_told_at_once_and_cut() {
    let snapshot = snapshot(GROUPS, r#"permit (principal in Group::"top", action, resource);"#, &diamond(80));
    let start = Instant::now();
    let document = ask(&snapshot, "");
    assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    assert!(document.decision && document.paths_cut && !document.unfinished);
    assert_eq!(document.paths.len(), 16);
    // The first one takes one group of each level, and then the other ones are still there.
    assert_eq!(document.without_first.as_deref(), Some("allow"));
    assert!(!independent(&document).is_empty());
}

#[test]
fn a_long_chain_is_told_without_its_middle() {
    let ids: Vec<String> = (0..70).map(|level| format!("l{level}")).collect();
    let mut entities = vec![
        entity("Doc", "d", json!({}), &[]),
        entity("Group", "top", json!({}), &[]),
    ];
    let mut above = "top";
    for id in &ids {
        entities.push(entity("Group", id, json!({}), &[above]));
        above = id;
    }
    entities.push(entity("User", "ana", json!({}), &[above]));
    let document = ask(
        &snapshot(GROUPS, r#"permit (principal in Group::"top", action, resource);"#, &entities),
        "",
    );
    let [path] = document.paths.as_slice() else { panic!("{:?}", document.paths) };
    assert_eq!((path.steps[0].entities.len(), path.steps[0].left_out), (32, 40));
    assert!(path.sentence.starts_with("ana → l69 → l68"), "{}", path.sentence);
    assert!(
        path.sentence.contains(" → … 40 more … → ") && path.sentence.ends_with("l0 → top"),
        "{}",
        path.sentence
    );
    assert_eq!(document.without_first.as_deref(), Some("deny"));
}

#[test]
fn a_name_of_a_megabyte_costs_and_shows_little() {
    let mut entities: Vec<Value> = (0..1_900)
        .map(|number| entity("User", &format!("user-{number:08}@example.com"), json!({}), &[]))
        .collect();
    entities.push(entity("Doc", "d", json!({}), &[]));
    let snapshot = snapshot(GROUPS, "permit (principal, action, resource);", &entities);
    let long = "x".repeat(1_000_000);
    let start = Instant::now();
    for query in [
        Query::plain(("User", &long), "read", ("Doc", "d")),
        Query::plain((&long, "ana"), "read", ("Doc", &long)),
        Query::plain(("User", &long), &long, ("Doc", &long)),
    ] {
        let document = explain_document(&snapshot, &query).expect("a good question");
        let length = serde_json::to_string(&document).expect("JSON").len();
        assert!(length < 10_000, "{length}");
    }
    assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
}

const TEXTS: &str = "entity User; entity Doc; \
                     action read appliesTo { principal: User, resource: Doc, context: { s: String } };";

#[test]
fn large_values_and_many_policies_make_no_large_document() {
    let policies: String = (0..500)
        .map(|number| {
            format!(
                "permit (principal, action, resource) when {{ context.s like \"*a*\" && context.s != \"{number}\" }};\n"
            )
        })
        .collect();
    let entities = [
        entity("User", "ana", json!({}), &[]),
        entity("Doc", "d", json!({}), &[]),
    ];
    let snapshot = snapshot(TEXTS, &policies, &entities);
    let context = json!({ "s": "a".repeat(100_000) }).to_string();
    let document = ask(&snapshot, &context);
    assert_eq!(document.determining_policies.len(), 16);
    assert!(document.determining_cut && document.paths_cut);
    let value = document.determining_policies[0].clauses[0].seen[0].value.as_deref().expect("a value");
    assert_eq!(value, format!("\"{}…\"", "a".repeat(200)));
    let length = serde_json::to_string(&document).expect("JSON").len();
    assert!(length < 200_000, "{length}");
}

#[test]
fn a_policy_of_hundreds_of_clauses_is_cut() {
    let long = "y".repeat(300);
    let clauses: Vec<String> = (0..700).map(|number| format!("context.s != \"{number}{long}\"")).collect();
    let policy = format!("permit (principal, action, resource) when {{ {} }};", clauses.join(" && "));
    let entities = [
        entity("User", "ana", json!({}), &[]),
        entity("Doc", "d", json!({}), &[]),
    ];
    let document = ask(&snapshot(TEXTS, &policy, &entities), r#"{"s":"a"}"#);
    assert!(document.decision && document.values_cut);
    let length = serde_json::to_string(&document).expect("JSON").len();
    assert!(length < 2_000_000, "{length}");
}

#[test]
fn what_was_dropped_is_cut_and_said_to_be() {
    let members: serde_json::Map<String, Value> = (0..150).map(|number| (format!("m{number}"), json!(1))).collect();
    let mut context = members.clone();
    context.insert("s".to_owned(), json!("a"));
    let entities = [
        entity("User", "ana", json!({}), &[]),
        entity("Doc", "d", json!({}), &[]),
    ];
    let snapshot = snapshot(TEXTS, "permit (principal, action, resource);", &entities);
    let document = ask(&snapshot, &Value::Object(context).to_string());
    assert_eq!((document.dropped.len(), document.dropped_cut), (100, true));
    assert!(!ask(&snapshot, r#"{"s":"a","t":"b"}"#).dropped_cut);
}

#[test]
fn an_explanation_of_very_many_policies_ends_and_says_that_it_is_not_all() {
    // Each policy would be fixed by a change that moves an entity in a large table.
    let members: Vec<String> = (0..12_000).map(|number| format!("Group::\"g{number}\"")).collect();
    let policies: String = members
        .iter()
        .map(|group| {
            format!(
                "permit (principal, action, resource) when {{ principal in resource.team && principal in {group} }};\n"
            )
        })
        .collect();
    let schema = "entity User in [Group]; entity Group in [Group]; entity Doc = { team: Group }; \
                  action read appliesTo { principal: User, resource: Doc };";
    let mut entities: Vec<Value> =
        (0..12_000).map(|number| entity("Group", &format!("g{number}"), json!({}), &[])).collect();
    entities.push(entity("User", "ana", json!({}), &[]));
    entities.push(entity("Doc", "d", json!({ "team": reference("Group", "g0") }), &[]));
    let snapshot = snapshot(schema, &policies, &entities);
    let document = ask(&snapshot, "");
    assert!(!document.decision && document.remedies_cut);
    // Whoever does not wait any more gets what there is by then.
    let asked = std::cell::Cell::new(0);
    let goes_on = || {
        asked.set(asked.get() + 1);
        asked.get() < 3
    };
    let query = Query::plain(("User", "ana"), "read", ("Doc", "d"));
    let explanation = snapshot.explain_while(&query, &goes_on).expect("a good question");
    assert!(explanation.is_unfinished && explanation.remedies_cut && !explanation.decision.is_allowed());
    assert_eq!(asked.get(), 3, "nothing is asked once nobody waits");
}

const PEOPLE: &str = "entity User in [Group] = { a: Bool, b: Bool, c: Bool, n: Long, dept: String, manager?: User }; \
                      entity Group; entity Doc = { dept: String, owner: User, team: Group }; \
                      action read appliesTo { principal: User, resource: Doc };";

fn people([a, b, c]: [bool; 3]) -> Vec<Value> {
    let user = |a, b, c, n: i64| json!({ "a": a, "b": b, "c": c, "n": n, "dept": "eng" });
    vec![
        entity("User", "ana", user(a, b, c, i64::MAX), &["finance"]),
        entity("Group", "finance", json!({}), &[]),
        entity(
            "Doc",
            "d",
            json!({ "dept": "sales", "owner": reference("User", "ana"), "team": reference("Group", "finance") }),
            &[],
        ),
    ]
}

/// The expressions that the first clause of the first permit saw, with their values.
fn seen(policy: &str, flags: [bool; 3]) -> Vec<String> {
    let document = ask(&snapshot(PEOPLE, policy, &people(flags)), "");
    let all = document.determining_policies.iter().chain(&document.nearest_permits);
    let clause = all.flat_map(|policy| &policy.clauses).next().expect("a clause");
    let value = |seen: &gatepost::serve::SeenDocument| {
        format!("{} {}", seen.expression, seen.value.as_deref().unwrap_or(&seen.state))
    };
    clause.seen.iter().map(value).collect()
}

#[test]
fn a_clause_tells_what_it_looked_at_and_nothing_else() {
    let none = [false; 3];
    // A condition of three, of which all are looked at, and then the branch that is taken.
    let three = "permit (principal, action, resource) when { if (principal.a == false && resource.dept == \"sales\" && \
                 principal.dept == \"eng\") then principal.b else principal.c };";
    assert_eq!(
        seen(three, none),
        [
            "principal.a false",
            "resource.dept \"sales\"",
            "principal.dept \"eng\"",
            "principal.b false"
        ]
    );
    assert_eq!(seen(three, [true, true, false]), ["principal.a true", "principal.c false"]);
    let either = "permit (principal, action, resource) when { if (principal.a || principal.b) then principal.b else \
                  principal.c };";
    assert_eq!(
        seen(either, none),
        ["principal.a false", "principal.b false", "principal.c false"]
    );
    assert_eq!(seen(either, [true, false, false]), ["principal.a true", "principal.b false"]);
    // Facts on the way belong to what was looked at.
    let owner = "permit (principal, action, resource) when { resource.owner.dept == \"law\" };";
    assert_eq!(
        seen(owner, none),
        ["resource.owner User::\"ana\"", "resource.owner.dept \"eng\""]
    );
    let has = "permit (principal, action, resource) when { principal has manager.manager.dept };";
    assert_eq!(seen(has, none), ["principal.manager missing"]);
}

/// What is shown of the permits, a line each.
fn permit_lines(policy: &str, flags: [bool; 3]) -> Vec<String> {
    let shown = shown(PEOPLE, policy, &people(flags), &[]);
    let permits = shown.split_once("permit for such a question:\n").expect("a permit").1.to_owned();
    permits.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn alternatives_are_told_with_what_belongs_together() {
    assert_eq!(
        permit_lines(
            "permit (principal, action, resource) when { (principal.a && principal.b) || principal.c };",
            [true, false, false]
        ),
        [
            "✗ one of these ways has to be so (line 1), and none is:",
            "- either all of these together:",
            "- `principal.a` holds, as it has to",
            "- `principal.b` does not hold, and has to",
            "`principal.b` of `User::\"ana\"` is `false` (entities/e.json:1)",
            "- `principal.c` does not hold, and has to",
            "`principal.c` of `User::\"ana\"` is `false` (entities/e.json:1)",
        ]
    );
    assert_eq!(
        permit_lines(
            "permit (principal, action, resource) unless { principal.a && principal.b };",
            [true, true, false]
        ),
        [
            "✗ one of these must not hold (line 1), and all do:",
            "- `principal.a` holds",
            "`principal.a` of `User::\"ana\"` is `true` (entities/e.json:1)",
            "- `principal.b` holds",
            "`principal.b` of `User::\"ana\"` is `true` (entities/e.json:1)",
        ]
    );
    let erring = permit_lines(
        "permit (principal, action, resource) when { principal.n + 1 > 0 || principal.c };",
        [false, false, true],
    );
    assert!(erring[0].starts_with("✗ this (line 1) errs, and what stands behind the part that errs is not looked at:"));
    assert!(erring[1].starts_with("- `principal.n + 1 > 0` errs: "), "{erring:?}");
    assert!(erring.contains(&"- `principal.c` holds".to_owned()), "{erring:?}");
}

const LISTS: &str = "entity User in [Group]; entity Group in [Group]; \
                     entity Doc = { readers: Set<Group>, writers: Set<Group> }; \
                     action read appliesTo { principal: User, resource: Doc, context: { mfa: Bool } };";

fn lists() -> Vec<Value> {
    vec![
        entity("User", "ana", json!({}), &["finance", "sales"]),
        entity("Group", "finance", json!({}), &[]),
        entity("Group", "sales", json!({}), &[]),
        entity("Group", "contractors", json!({}), &[]),
        entity(
            "Doc",
            "d",
            json!({ "readers": [reference("Group", "finance")], "writers": [reference("Group", "sales")] }),
            &[],
        ),
    ]
}

#[test]
fn what_two_ways_have_in_common_besides_their_links_takes_neither_away() {
    // A condition that both have, and one that neither fails.
    for guard in ["context.mfa", "!(principal in Group::\"contractors\")"] {
        let policies = format!(
            "@id(\"r\") permit (principal, action, resource) when {{ principal in resource.readers && {guard} }};\n\
             @id(\"w\") permit (principal, action, resource) when {{ principal in resource.writers && {guard} }};"
        );
        let document = ask(&snapshot(LISTS, &policies, &lists()), r#"{"mfa":true}"#);
        assert_eq!(independent(&document), ["w"], "{guard}");
        assert_eq!(document.without_first.as_deref(), Some("allow"), "{guard}");
    }
}

#[test]
fn ways_that_read_one_fact_are_not_independent() {
    for (one, two, shared) in [
        ("resource.owner == principal", "resource.owner.dept == \"eng\"", "`owner` of d"),
        (
            "principal in resource.team",
            "resource.team == Group::\"finance\"",
            "`team` of d",
        ),
    ] {
        let policies = format!(
            "@id(\"one\") permit (principal, action, resource) when {{ {one} }};\n\
             @id(\"two\") permit (principal, action, resource) when {{ {two} }};"
        );
        let document = ask(&snapshot(PEOPLE, &policies, &people([false; 3])), "");
        assert_eq!(document.paths.len(), 2, "{one}");
        assert_eq!(independent(&document), [""; 0], "{one}");
        assert_eq!(document.paths[1].shares, [shared], "{one}");
        let text = shown(PEOPLE, &policies, &people([false; 3]), &[]);
        assert!(!text.contains("would grant it if that were taken away"), "{text}");
        assert!(text.contains(&format!("both need: {shared}")), "{text}");
    }
    let team = "permit (principal, action, resource) when { principal in resource.team };";
    let document = ask(&snapshot(PEOPLE, team, &people([false; 3])), "");
    assert_eq!(document.paths[0].sentence, "ana → finance → `team` of d");
    assert_eq!(document.without_first.as_deref(), Some("deny"));
}

#[test]
fn a_way_behind_many_that_go_with_the_first_is_found() {
    let mut entities: Vec<Value> =
        (0..16).map(|number| entity("Group", &format!("g{number}"), json!({}), &[])).collect();
    let ids: Vec<String> = (0..16).map(|number| format!("g{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let listed: Vec<Value> = ids.iter().chain(&["y"]).map(|id| reference("Group", id)).collect();
    entities.extend([
        entity("Group", "y", json!({}), &[]),
        entity("Group", "o2", json!({}), &["y"]),
        entity("Group", "o1", json!({}), &["o2"]),
        entity("Group", "team", json!({}), &ids),
        entity("User", "ana", json!({}), &["team", "o1"]),
        entity("Doc", "d", json!({ "readers": listed, "writers": [] }), &[]),
    ]);
    let policy = "permit (principal, action, resource) when { principal in resource.readers };";
    let document = ask(&snapshot(LISTS, policy, &entities), r#"{"mfa":true}"#);
    assert!(document.decision && document.paths_cut);
    assert_eq!(document.without_first.as_deref(), Some("allow"));
    let sentences: Vec<&str> = document.paths.iter().map(|path| path.sentence.as_str()).collect();
    let far = document.paths.iter().find(|path| path.sentence.starts_with("ana → o1 → o2 → y"));
    assert!(far.is_some_and(|path| path.independent), "{sentences:?}");
}

const USERS: &str = "entity User in [Group] = { role?: String }; entity Group; entity Doc = { readers: Set<Group> }; \
                     action read, write, share appliesTo { principal: User, resource: Doc };";

#[test]
fn permits_for_others_do_not_hide_one_that_a_change_makes_hold() {
    let mut policies: String = (0..40)
        .map(|number| format!("@id(\"a{number}\") permit (principal == User::\"u{number}\", action, resource);\n"))
        .collect();
    policies.push_str("@id(\"z\") permit (principal in Group::\"g\", action, resource);");
    let entities = [
        entity("User", "ana", json!({}), &[]),
        entity("Group", "g", json!({}), &[]),
        entity("Doc", "d", json!({ "readers": [] }), &[]),
    ];
    let document = ask(&snapshot(USERS, &policies, &entities), "");
    let sentences: Vec<&str> = document.remedies.iter().map(|remedy| remedy.sentence.as_str()).collect();
    assert_eq!(sentences, ["add `User::\"ana\"` to `Group::\"g\"`"]);
    assert!(!document.remedies_cut);
    assert_eq!(document.nearest_permits[0].id, "z");
    // Of more than are tried, it is said.
    let groups: Vec<Value> = (0..20).map(|number| entity("Group", &format!("g{number}"), json!({}), &[])).collect();
    let policies: String = (0..20)
        .map(|number| format!("permit (principal in Group::\"g{number}\", action, resource);\n"))
        .collect();
    assert!(ask(&snapshot(USERS, &policies, &[&entities[..], &groups].concat()), "").remedies_cut);
}

#[test]
fn what_reaches_far_is_told_last_and_with_whom_it_reaches() {
    let policies = "@id(\"team\") permit (principal, action == Action::\"read\", resource) when { principal in \
                    resource.readers };\n\
                    @id(\"admin\") permit (principal, action, resource) when { principal has role && principal.role == \
                    \"Admin\" };";
    let mut entities: Vec<Value> =
        (0..7).map(|number| entity("User", &format!("u{number}"), json!({}), &["all"])).collect();
    entities.extend([
        entity("User", "ana", json!({ "role": "Member" }), &["all", "few"]),
        entity("User", "bo", json!({}), &["few"]),
        entity("Group", "all", json!({}), &[]),
        entity("Group", "few", json!({}), &[]),
        entity("Group", "some", json!({}), &[]),
        entity("Doc", "d", json!({ "readers": [reference("Group", "some")] }), &[]),
    ]);
    let document = ask(&snapshot(USERS, policies, &entities), "");
    let sentences: Vec<&str> = document.remedies.iter().map(|remedy| remedy.sentence.as_str()).collect();
    assert_eq!(
        sentences,
        [
            "add `User::\"ana\"` to `Group::\"some\"`",
            "add `Group::\"few\"` or `Group::\"all\"` to `readers` of `Doc::\"d\"`, which concerns everyone in that group: \
             few (2), all (8)",
            "set `role` of `User::\"ana\"` to `\"Admin\"`",
        ]
    );
    let shown = shown(USERS, policies, &entities, &[]);
    assert!(
        shown.contains("by way of the policy `admin`, which permits 3 actions and not this one alone"),
        "{shown}"
    );
}

#[test]
fn what_forbids_is_lifted_first() {
    let schema = "entity User in [Group] = { active: Bool }; entity Group; entity Doc; \
                  action read appliesTo { principal: User, resource: Doc };";
    let permit = "@id(\"team\") permit (principal in Group::\"g\", action, resource);\n";
    let forbid = "forbid (principal, action, resource) unless { principal.active };";
    let entities = [
        entity("User", "ana", json!({ "active": false }), &[]),
        entity("Group", "g", json!({}), &[]),
        entity("Doc", "d", json!({}), &[]),
    ];
    let document = ask(&snapshot(schema, &format!("{permit}@id(\"off\") {forbid}"), &entities), "");
    assert!(document.remedies.is_empty());
    let steps: Vec<&str> = document.first_steps.iter().map(|step| step.sentence.as_str()).collect();
    assert_eq!(steps, ["set `active` of `User::\"ana\"` to `true`"]);
    let plain = shown(schema, &format!("{permit}@id(\"off\") {forbid}"), &entities, &[]);
    for words in [
        "No change of one fact that was tried is enough alone to allow it.",
        "The first step, after which nothing forbids it any more, is any one of these:",
        "After that, one of the permits below has to hold as well.",
        "✓ `principal.active` does not hold, and this forbids unless it does",
    ] {
        assert!(plain.contains(words), "{words}: {plain}");
    }
    let lifted = format!("{permit}@id(\"off\") @lifted(\"Then she is in her groups.\") {forbid}");
    assert!(shown(schema, &lifted, &entities, &[]).contains("Then she is in her groups."));
    // Where two forbid it, no one step is the first one.
    let two = format!("{permit}{forbid}\n{forbid}\nforbid (principal, action, resource == Doc::\"d\");");
    assert_eq!(ask(&snapshot(schema, &two, &entities), "").first_steps, []);
}

#[test]
fn lines_of_a_link_are_of_the_file_of_its_template() {
    let root = Root::empty();
    root.write("schema/s.cedarschema", GROUPS);
    root.write(
        "policies/p.cedar",
        "// A comment.\n\n@id(\"t\") permit (principal == ?principal, action, resource)\nwhen {\n  principal in \
         Group::\"g\"\n};",
    );
    root.write(
        "policies/links.json",
        r#"[{ "template_id": "t", "link_id": "l", "args": { "?principal": "User::\"ana\"" } }]"#,
    );
    let entities = [
        entity("User", "ana", json!({}), &[]),
        entity("Group", "g", json!({}), &[]),
        entity("Doc", "d", json!({}), &[]),
    ];
    root.write("entities/e.json", &Value::from(entities.to_vec()).to_string());
    let shown = shown_of(&root, &["--principal", "User:ana", "--action", "read", "--resource", "Doc:d"]);
    assert!(
        shown.contains("permit `l`, a link of `t` (policies/links.json:1): 1 clause fails"),
        "{shown}"
    );
    assert!(
        shown.contains("✗ `principal in Group::\"g\"` (policies/p.cedar:5) has to hold"),
        "{shown}"
    );
}

#[test]
fn no_name_of_a_request_is_markdown_or_moves_a_cursor() {
    let hostile = "x` <img src=//e> [a](javascript:1) **b**";
    let turning = "ab\u{202e}cd\u{9b}31m\u{feff}";
    let fence = "permit (principal, action, resource) when { principal == User::\"```\" || principal == User::\"ana\" };\n\
                 forbid (principal, action, resource) when { resource == Doc::\"```# head\" || principal in Group::\"g\" };";
    let root = Root::empty();
    root.write("schema/s.cedarschema", GROUPS);
    root.write("policies/p.cedar", fence);
    let entities = [
        entity("User", hostile, json!({}), &["g"]),
        entity("User", turning, json!({}), &["g"]),
        entity("Group", "g", json!({}), &[]),
        entity("Doc", "d", json!({}), &[]),
    ];
    root.write("entities/e.json", &Value::from(entities.to_vec()).to_string());
    for id in [hostile, turning, "`", "``", "a``b", "&lt;b&gt;", "- a", "1. a"] {
        let request = json!({
            "subject": { "type": "User", "id": id }, "action": { "name": "read" }, "resource": { "type": "Doc", "id": "d" },
        });
        root.write("question.json", &request.to_string());
        let path = root.path().join("question.json");
        let path = path.to_str().expect("a readable path");
        let markdown = shown_of(&root, &["--request", path, "--format", "markdown"]);
        let (mut text, mut is_fenced) = (String::new(), false);
        for line in markdown.lines() {
            let is_fence = line.trim_start().starts_with("````");
            is_fenced ^= is_fence;
            if !is_fenced && !is_fence {
                text.push_str(line);
                text.push('\n');
            }
        }
        assert!(!is_fenced, "{markdown}");
        // Outside of code nothing of it is left that means something.
        let outside: String = text.split('`').step_by(2).collect();
        assert_eq!(text.matches('`').count() % 2, 0, "{text}");
        for mark in ["<", "[", "*", "&", "!"] {
            let meant = outside.replace(&format!("\\{mark}"), "");
            assert!(!meant.contains(mark), "{outside}");
        }
        for format in ["text", "json", "markdown"] {
            let all = shown_of(&root, &["--request", path, "--format", format]);
            let is_hidden = |char: &char| {
                char.is_control() && *char != '\n' || matches!(char, '\u{202a}'..='\u{202e}' | '\u{feff}')
            };
            assert_eq!(all.chars().find(is_hidden), None, "{format}: {all:?}");
        }
        let json = shown_of(&root, &["--request", path, "--format", "json"]);
        let document: ExplainDocument = serde_json::from_str(&json).expect("the document");
        assert_eq!(document.principal.id, id);
    }
}

#[test]
fn the_owner_of_a_fact_is_told_unless_it_stands_there() {
    let schema = "entity User = { a: Bool }; entity Doc; action read appliesTo { principal: User, resource: Doc };";
    let root = Root::empty();
    root.write("schema/s.cedarschema", schema);
    root.write("policies/p.cedar", "permit (principal, action, resource) when { principal.a };");
    let entities = [
        entity("User", "a", json!({ "a": false }), &[]),
        entity("Doc", "d", json!({}), &[]),
    ];
    root.write("entities/e.json", &Value::from(entities.to_vec()).to_string());
    let shown = shown_of(&root, &["--principal", "User:a", "--action", "read", "--resource", "Doc:d"]);
    assert!(shown.contains("`principal.a` of `User::\"a\"` is `false`"), "{shown}");
}
