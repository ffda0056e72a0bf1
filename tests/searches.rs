//! Searches by shape: each finds what asking one by one allows, and looks at no more entities than it has to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::engine::json::Json;
use gatepost::engine::{Going, Options, Query, RequestProperties, Snapshot, Sought, Sources, Text};
use serde_json::{Value, json};

const SCHEMA: &str = "
entity Group in [Group];
entity User in [Group] = { active: Bool, age: Long, boss?: User, role: String, marks: Set<String>, home: Group };
entity Folder in [Folder];
entity Doc in [Folder] = { owner: User, keepers: Set<User>, readers: Set<Group>, kind: String, open: Bool, rank: Long,
                           words: Set<String>, price: decimal };
action view appliesTo { principal: [User], resource: [Doc], context: { kind?: String, words?: Set<String>, none?: Set<String>,
                                                                     group?: Group } };
action mind appliesTo { principal: [User], resource: [User] };
";

const USERS: usize = 20;
const DOCS: usize = 20;

/// Twenty users in a tree of groups, twenty documents in a tree of folders.
fn entities() -> Value {
    let uid = |entity_type: &str, id: String| json!({ "type": entity_type, "id": id });
    let mut all = Vec::new();
    for number in 0..8 {
        let above = |kind: &str, letter: &str| match number {
            0 => json!([]),
            _ => json!([uid(kind, format!("{letter}{}", number / 2))]),
        };
        all.push(json!({ "uid": uid("Group", format!("g{number}")), "attrs": {}, "parents": above("Group", "g") }));
        all.push(json!({ "uid": uid("Folder", format!("f{number}")), "attrs": {}, "parents": above("Folder", "f") }));
    }
    for number in 0..USERS {
        let role = ["member", "manager", "admin"][number % 3];
        let mut user = json!({
            "uid": uid("User", format!("u{number:02}")),
            "attrs": {
                "active": number % 5 != 4,
                "age": number,
                "role": role,
                "marks": (0..number % 4).map(|mark| format!("w{mark}")).collect::<Vec<_>>(),
                "home": uid("Group", format!("g{}", number % 8)),
            },
            "parents": [uid("Group", format!("g{}", number % 8))],
        });
        if number % 2 == 0 {
            user["attrs"]["boss"] = uid("User", format!("u{:02}", number / 2));
        }
        all.push(user);
    }
    for number in 0..DOCS {
        let kind = ["memo", "plan", "bill"][number % 3];
        let user = |number: usize| uid("User", format!("u{:02}", number % USERS));
        all.push(json!({
            "uid": uid("Doc", format!("d{number:02}")),
            "attrs": {
                "owner": user(number * 3),
                "keepers": [user(number), user(number * 7)],
                "readers": (0..number % 3).map(|at| uid("Group", format!("g{}", (number + 3 * at) % 8))).collect::<Vec<_>>(),
                "kind": kind,
                "open": number % 4 == 0,
                "rank": number / 2,
                "words": (0..number % 4).map(|word| format!("w{word}")).collect::<Vec<_>>(),
                "price": { "__extn": { "fn": "decimal", "arg": format!("{number}.5") } },
            },
            "parents": [uid("Folder", format!("f{}", number % 8))],
        }));
    }
    Value::Array(all)
}

/// How much of what there is a search of this shape may look at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Looks {
    /// At what it finds and, by lists, at little more: less than all.
    Few,
    All,
}
use Looks::{All, Few};

/// Conditions of permits, and how far a search for resources and one for principals have to look.
const SHAPES: [(&str, Looks, Looks); 44] = [
    ("resource.owner == principal", Few, Few),
    ("principal == resource.owner", Few, Few),
    ("principal in resource.readers", Few, Few),
    ("principal in resource.keepers", Few, Few),
    ("resource.keepers.contains(principal)", Few, Few),
    ("resource.readers.contains(principal.home)", Few, Few),
    ("resource.kind == \"memo\"", Few, Few),
    ("resource.kind == context.kind", Few, Few),
    ("resource.open", Few, Few),
    ("!resource.open", All, Few),
    ("principal.active && resource.open", Few, Few),
    ("principal.active || resource.open", Few, Few),
    ("resource.rank == 3", Few, Few),
    ("resource.rank == principal.age", Few, Few),
    ("resource.rank > 3", All, Few),
    ("resource.words.contains(\"w2\")", Few, Few),
    ("resource.words.containsAny([\"w1\", \"w2\"])", Few, Few),
    ("resource.words.containsAll([\"w1\", \"w2\"])", Few, Few),
    ("resource.words.containsAll(context.none)", All, All),
    ("context.words.containsAny(resource.words)", Few, Few),
    ("context.words.containsAll(resource.words)", All, Few),
    ("[\"memo\", \"bill\"].contains(resource.kind)", Few, Few),
    ("resource.words == [\"w0\"]", All, Few),
    ("resource.price == decimal(\"3.5\")", All, Few),
    ("resource == Doc::\"d03\"", Few, Few),
    ("[Doc::\"d03\", Doc::\"d05\", Doc::\"none\"].contains(resource)", Few, Few),
    ("resource in Folder::\"f2\"", Few, Few),
    ("resource in [Folder::\"f2\", Folder::\"f3\"]", Few, Few),
    ("principal in Group::\"g2\"", Few, Few),
    ("principal in [Group::\"g2\", Group::\"g3\"]", Few, Few),
    ("principal in context.group", Few, Few),
    ("principal == User::\"u07\"", Few, Few),
    ("[User::\"u07\", User::\"u09\"].contains(principal)", Few, Few),
    ("principal.role == \"admin\"", Few, Few),
    ("principal has boss && principal.boss == resource.owner", Few, Few),
    ("principal.boss == resource.owner", Few, Few),
    ("principal.home in Group::\"g1\"", Few, All),
    ("principal.marks.containsAny(resource.words)", Few, Few),
    ("principal.role like \"*min\"", Few, All),
    (
        "if resource.open then principal.active else resource.kind == \"plan\"",
        Few,
        Few,
    ),
    (
        "if principal.active then resource.open else resource.kind == \"plan\"",
        Few,
        Few,
    ),
    (
        "if resource.kind == \"plan\" then principal.age > 5 else principal.role == \"admin\"",
        Few,
        Few,
    ),
    ("principal is User && resource is Doc && resource.open", Few, Few),
    (
        "(resource.open && principal in resource.readers) || resource.owner == principal || principal.age == 5",
        Few,
        Few,
    ),
];

fn snapshot(policies: &str, options: &Options) -> Snapshot {
    let sources = Sources {
        schema: vec![Text::new("schema/s.cedarschema", SCHEMA)],
        policies: vec![Text::new("policies/p.cedar", policies)],
        entities: vec![Text::new("entities/e.json", entities().to_string())],
        ..Sources::default()
    };
    Snapshot::compile(&sources, options).unwrap_or_else(|faults| panic!("{policies}: {faults}"))
}

/// What a search finds, and how many entities it looked at.
fn search(snapshot: &Snapshot, query: &Query<'_>, sought: Sought) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    let mut looks = 0;
    let mut search = snapshot.search(query, sought).expect("a good question");
    while search.go_on(1, usize::MAX, &mut found) == Going::On {
        looks += 1;
    }
    (found, looks)
}

/// Searches for one side, for each entity on the other, and gives how many entities were looked at for how many that
/// there are.
fn check(snapshot: &Snapshot, what: &str, sought: Sought, context: &Json<'_>) -> (usize, usize, usize) {
    let ids = |letter: char, count: usize| (0..count).map(|number| format!("{letter}{number:02}")).collect::<Vec<_>>();
    let (mut users, mut docs) = (ids('u', USERS), ids('d', DOCS));
    // Somebody and something that are nowhere.
    users.push("u99".to_owned());
    docs.push("d99".to_owned());
    let (known, looked_for) = match sought {
        Sought::Principals => (&docs, &users[..USERS]),
        Sought::Resources => (&users, &docs[..DOCS]),
    };
    let (mut looked, mut all, mut found_in_all) = (0, 0, 0);
    for known in known {
        let query = |other| {
            let (user, doc) = match sought {
                Sought::Principals => (other, known.as_str()),
                Sought::Resources => (known.as_str(), other),
            };
            let mut query = Query::plain(("User", user), "view", ("Doc", doc));
            query.context = Some(context);
            query
        };
        let allowed: Vec<String> = looked_for
            .iter()
            .filter(|id| snapshot.decide(&query(id)).expect("a good question").is_allowed())
            .cloned()
            .collect();
        let (found, looks) = search(snapshot, &query(""), sought);
        assert_eq!(found, allowed, "{what}: {sought:?} of {known}");
        looked += looks;
        all += looked_for.len();
        found_in_all += found.len();
    }
    (looked, all, found_in_all)
}

#[test]
fn a_search_finds_what_is_allowed_and_looks_where_it_can_be() {
    let context = Json::read(
        br#"{"kind":"plan","words":["w0","w1"],"none":[],"group":{"type":"Group","id":"g3"}}"#,
        8,
    );
    let context = context.expect("JSON");
    for (condition, resources, principals) in SHAPES {
        // What errs where a member is missing does not validate, so it is guarded.
        let guards: String = [
            "context has kind",
            "context has words",
            "context has none",
            "context has group",
        ]
        .into_iter()
        .filter(|guard| condition.contains(&guard.replace(" has ", ".")))
        .chain((condition == "principal.boss == resource.owner").then_some("principal has boss"))
        .map(|guard| format!("{guard} && "))
        .collect();
        let policy =
            format!("permit (principal, action == Action::\"view\", resource) when {{ {guards}({condition}) }};\n");
        let suspended = "forbid (principal, action == Action::\"view\", resource) when { resource.rank == 8 && principal.age == 3 };";
        for policies in [policy.clone(), format!("{policy}{suspended}")] {
            let snapshot = snapshot(&policies, &Options::default());
            for (sought, looks) in [(Sought::Resources, resources), (Sought::Principals, principals)] {
                let (looked, all, found) = check(&snapshot, &policies, sought, &context);
                assert!(found > 0, "{policies}: nothing is found");
                let narrow = if looked < all * 9 / 10 { Few } else { All };
                // What is open to everybody leads everywhere, and all of it is found.
                assert!(narrow == looks || looked == found, "{policies}: {sought:?}: {looked} of {all}");
            }
        }
    }
}

#[test]
fn scopes_and_links_lead_to_what_they_name() {
    let links = json!([
        { "template_id": "share", "link_id": "a", "args": { "?principal": "Group::\"g3\"", "?resource": "Doc::\"d04\"" } },
        { "template_id": "share", "link_id": "b", "args": { "?principal": "User::\"u02\"", "?resource": "Folder::\"f3\"" } },
        { "template_id": "keep-out", "link_id": "c", "args": { "?principal": "User::\"u06\"" } },
    ]);
    let sources = Sources {
        schema: vec![Text::new("schema/s.cedarschema", SCHEMA)],
        policies: vec![
            Text::new(
                "policies/p.cedar",
                "@id(\"share\") permit (principal in ?principal, action, resource in ?resource);\n\
                 @id(\"keep-out\") forbid (principal == ?principal, action, resource);\n\
                 permit (principal == User::\"u06\", action, resource in Folder::\"f1\");\n\
                 permit (principal in Group::\"g5\", action, resource == Doc::\"d09\");\n\
                 permit (principal is User in Group::\"g7\", action, resource is Doc);",
            ),
            Text::new("policies/links.json", links.to_string()),
        ],
        entities: vec![Text::new("entities/e.json", entities().to_string())],
        ..Sources::default()
    };
    let snapshot = Snapshot::compile(&sources, &Options::default()).expect("good sources");
    for sought in [Sought::Principals, Sought::Resources] {
        let (looked, all, found) = check(&snapshot, "links", sought, &Json::Null);
        assert!(found > 0 && looked < all, "{sought:?}: {looked} of {all}");
    }
}

#[test]
fn one_entity_on_both_sides_is_what_the_request_makes_of_it() {
    let options = Options {
        request_properties: [("User".to_owned(), RequestProperties::Override)].into(),
        ..Options::default()
    };
    let policies = "permit (principal, action == Action::\"mind\", resource) when { resource.role == \"owner\" };
                    permit (principal, action == Action::\"mind\", resource) when { resource.age == 3 };
                    permit (principal, action == Action::\"mind\", resource) when { principal.role == \"keeper\" };";
    let snapshot = snapshot(policies, &options);
    let properties = Json::read(br#"{"role":"owner"}"#, 4).expect("JSON");
    let mut query = Query::plain(("User", "u11"), "mind", ("User", ""));
    query.principal.properties = Some(&properties);
    let (found, _) = search(&snapshot, &query, Sought::Resources);
    assert_eq!(found, ["u03", "u11"]);
    query.principal.id = "u03";
    let properties = Json::read(br#"{"age":4}"#, 4).expect("JSON");
    query.principal.properties = Some(&properties);
    let (found, _) = search(&snapshot, &query, Sought::Resources);
    assert!(found.is_empty(), "{found:?}");
    // The same the other way round.
    let properties = Json::read(br#"{"role":"keeper"}"#, 4).expect("JSON");
    let mut query = Query::plain(("User", ""), "mind", ("User", "u11"));
    query.resource.properties = Some(&properties);
    let (found, _) = search(&snapshot, &query, Sought::Principals);
    assert_eq!(found, ["u11"]);
}

/// What holds of an entity as the request shapes it, whoever the other side is, and so of the entity beside itself.
#[test]
fn a_forbid_that_the_request_makes_hold_leaves_nobody() {
    const PERMITS: [&str; 3] = [
        "permit (principal, action == Action::\"mind\", resource);",
        "permit (principal, action == Action::\"mind\", resource) when { principal.role == resource.role };",
        "permit (principal, action == Action::\"mind\", resource == User::\"u11\");",
    ];
    const FORBIDS: [&str; 5] = [
        "forbid (principal, action == Action::\"mind\", resource) unless { principal.active };",
        "forbid (principal, action == Action::\"mind\", resource) when { resource.active == false };",
        "forbid (principal, action == Action::\"mind\", resource);",
        "forbid (principal == User::\"u11\", action == Action::\"mind\", resource) unless { principal.active };",
        "forbid (principal, action == Action::\"mind\", resource == User::\"u11\") unless { resource.active };",
    ];
    let options = Options {
        request_properties: [("User".to_owned(), RequestProperties::Override)].into(),
        ..Options::default()
    };
    let properties = Json::read(br#"{"active":false}"#, 4).expect("JSON");
    for (permit, forbid) in PERMITS.into_iter().flat_map(|permit| FORBIDS.map(|forbid| (permit, forbid))) {
        let policies = format!("{permit}\n{forbid}");
        let snapshot = snapshot(&policies, &options);
        let users: Vec<String> = (0..USERS).map(|number| format!("u{number:02}")).collect();
        for sought in [Sought::Resources, Sought::Principals] {
            let mut query = Query::plain(("User", "u11"), "mind", ("User", "u11"));
            match sought {
                Sought::Resources => query.principal.properties = Some(&properties),
                Sought::Principals => query.resource.properties = Some(&properties),
            }
            let mut allowed = users.clone();
            allowed.retain(|id| {
                let mut query = query;
                match sought {
                    Sought::Resources => query.resource.id = id,
                    Sought::Principals => query.principal.id = id,
                }
                snapshot.decide(&query).expect("a good question").is_allowed()
            });
            let (found, _) = search(&snapshot, &query, sought);
            assert_eq!(found, allowed, "{policies}, {sought:?}");
        }
    }
}

/// The same where a type declares its ids, so that one candidate brings all of them.
#[test]
fn a_forbid_that_the_request_makes_hold_leaves_no_declared_id() {
    let sources = Sources {
        schema: vec![Text::new(
            "schema/s.cedarschema",
            "entity Light enum [\"red\", \"green\"];
             entity User = { active: Bool };
             action see appliesTo { principal: [Light, User], resource: [Light, User] };",
        )],
        policies: vec![Text::new(
            "policies/p.cedar",
            "permit (principal, action, resource);
             forbid (principal, action, resource == Light::\"red\");
             forbid (principal is Light, action, resource is Light);",
        )],
        ..Sources::default()
    };
    let options = Options {
        request_properties: [("Light".to_owned(), RequestProperties::Override)].into(),
        ..Options::default()
    };
    let snapshot = Snapshot::compile(&sources, &options).expect("good sources");
    let properties = Json::read(b"{}", 4).expect("JSON");
    let found = |principal: (&str, &str), resource: (&str, &str), sought| {
        let mut query = Query::plain(principal, "see", resource);
        query.principal.properties = Some(&properties);
        query.resource.properties = Some(&properties);
        search(&snapshot, &query, sought).0
    };
    assert_eq!(found(("User", "ana"), ("Light", ""), Sought::Resources), ["green"]);
    assert!(found(("Light", "red"), ("Light", ""), Sought::Resources).is_empty());
    assert!(found(("Light", ""), ("Light", "red"), Sought::Principals).is_empty());
}

#[test]
fn a_page_begins_behind_the_last_id_of_the_page_before_it() {
    let snapshot = Arc::new(snapshot(
        "permit (principal, action == Action::\"view\", resource) when { principal in resource.readers || resource.owner == principal };",
        &Options::default(),
    ));
    let query = Query::plain(("User", "u03"), "view", ("Doc", ""));
    let (whole, _) = search(&snapshot, &query, Sought::Resources);
    assert!(whole.len() > 5, "{whole:?}");
    for length in 1..=whole.len() {
        let mut paged: Vec<String> = Vec::new();
        loop {
            let mut page = Vec::new();
            let search = snapshot.search(&query, Sought::Resources).expect("a good question");
            let mut search = search.after(paged.last().map_or("", String::as_str));
            while page.len() < length && search.go_on(3, length, &mut page) == Going::On {}
            if page.is_empty() {
                break;
            }
            paged.append(&mut page);
        }
        assert_eq!(paged, whole, "pages of {length}");
    }
    // An id that is nowhere, or has gone since, is a place like any other.
    let mut rest = Vec::new();
    let mut behind = snapshot.search(&query, Sought::Resources).expect("a good question").after("d09x");
    while behind.go_on(100, usize::MAX, &mut rest) == Going::On {}
    let expected: Vec<_> = whole.iter().filter(|id| id.as_str() > "d09x").cloned().collect();
    assert_eq!(rest, expected);
}

/// Documents in number, one user, and a context with long sets.
fn crowded(policies: &str, docs: usize) -> Snapshot {
    let schema = "
        entity User = { active: Bool };
        entity Doc = { owner: User, open: Bool, rank: Long };
        action view appliesTo { principal: [User], resource: [Doc],
                                context: { have: Set<String>, need: Set<String>, approvers: Set<User> } };";
    let doc = |number: usize| {
        let owner = json!({ "type": "User", "id": format!("u{number:06}") });
        let attrs = json!({ "owner": owner, "open": number % 2 == 0, "rank": number });
        json!({ "uid": { "type": "Doc", "id": format!("d{number:06}") }, "attrs": attrs, "parents": [] })
    };
    let sources = Sources {
        schema: vec![Text::new("schema/s.cedarschema", schema)],
        policies: vec![Text::new("policies/p.cedar", policies)],
        entities: vec![Text::new(
            "entities/e.json",
            Value::from_iter((0..docs).map(doc)).to_string(),
        )],
        ..Sources::default()
    };
    Snapshot::compile(&sources, &Options::default()).unwrap_or_else(|faults| panic!("{policies}: {faults}"))
}

fn long_context(length: usize) -> String {
    let words: Vec<String> = (0..length).map(|number| format!("word {number:06}")).collect();
    let users = (0..length).map(|number| json!({ "type": "User", "id": format!("u{number:06}") }));
    json!({ "have": words, "need": words, "approvers": Value::from_iter(users) }).to_string()
}

/// The shortest of some turns: what else the machine does only makes them longer.
fn shortest(mut turn: impl FnMut()) -> Duration {
    let timed = |_| {
        let begun = Instant::now();
        turn();
        begun.elapsed()
    };
    (0..5).map(timed).min().unwrap_or_default()
}

#[test]
fn what_does_not_depend_on_the_candidate_is_evaluated_once() {
    const DOCS: usize = 3_000;
    let snapshot = crowded(
        "permit (principal, action, resource) when { context.have.containsAll(context.need) && resource.rank * 2 + 1 < 31 };
         permit (principal, action, resource)
         when { if context.need.containsAll(context.have) then resource.rank == 20 else resource.open };
         forbid (principal, action, resource) when { resource.rank < 5 && [context.have, context.need].contains(context.need) };",
        DOCS,
    );
    let context = long_context(5_000);
    let context = Json::read(context.as_bytes(), 8).expect("JSON");
    let mut query = Query::plain(("User", "ana"), "view", ("Doc", "d000007"));
    query.context = Some(&context);
    let one = shortest(|| assert!(snapshot.decide(&query).expect("a good question").is_allowed()));
    let all = shortest(|| {
        let (found, looks) = search(&snapshot, &query, Sought::Resources);
        let ranks: Vec<String> = (5..15).chain([20]).map(|rank| format!("d{rank:06}")).collect();
        assert_eq!((found, looks), (ranks, DOCS));
    });
    assert!(all < one * 100, "{DOCS} looks in {all:?}, one decision in {one:?}");
}

#[test]
fn planning_takes_one_step_a_policy_and_no_longer_than_it_can_save() {
    const DOCS: usize = 1_000;
    const PERMITS: usize = 100;
    let policies =
        "permit (principal, action, resource) when { context.approvers.contains(resource.owner) };\n".repeat(PERMITS);
    let snapshot = crowded(&policies, DOCS);
    let context = long_context(20_000);
    let context = Json::read(context.as_bytes(), 8).expect("JSON");
    let mut query = Query::plain(("User", "ana"), "view", ("Doc", "d000007"));
    query.context = Some(&context);
    let one = shortest(|| assert!(snapshot.decide(&query).expect("a good question").is_allowed()));
    let planned = shortest(|| {
        let mut search = snapshot.search(&query, Sought::Resources).expect("a good question");
        let mut steps = 1;
        while search.plan(1) == Going::On {
            steps += 1;
        }
        assert!((PERMITS..PERMITS + 10).contains(&steps), "{steps} steps");
    });
    assert!(planned < one * 10, "planned in {planned:?}, one decision in {one:?}");
    assert_eq!(search(&snapshot, &query, Sought::Resources).0.len(), DOCS);
}

#[test]
fn links_are_planned_one_by_one_and_their_lists_begun_a_few_at_a_time() {
    const DOCS: usize = 2_000;
    const LINKS: usize = 600;
    let policies: String = (0..LINKS)
        .map(|number| format!("permit (principal, action, resource == Doc::\"d{:06}\");\n", number * 3))
        .collect();
    let snapshot = crowded(&policies, DOCS);
    let context = long_context(1);
    let context = Json::read(context.as_bytes(), 8).expect("JSON");
    let mut query = Query::plain(("User", "ana"), "view", ("Doc", ""));
    query.context = Some(&context);
    let begun = |after| {
        let search = snapshot.search(&query, Sought::Resources).expect("a good question");
        let mut search = search.after(after);
        let mut steps = 0;
        while search.plan(1) == Going::On {
            steps += 1;
        }
        (search, steps)
    };
    let (mut search, steps) = begun("");
    assert!(steps > LINKS + LINKS / 20, "{steps} steps");
    let mut found = Vec::new();
    assert_eq!(search.go_on(LINKS, usize::MAX, &mut found), Going::On);
    assert_eq!(search.go_on(1, usize::MAX, &mut found), Going::Done);
    assert_eq!(found.len(), LINKS);
    let (mut search, _) = begun(&found[LINKS - 3]);
    let mut rest = Vec::new();
    while search.go_on(1, usize::MAX, &mut rest) == Going::On {}
    assert_eq!(rest, found[LINKS - 2..]);
    let mut counted = 0;
    while begun("").0.count(usize::MAX, &mut counted) == Going::On {}
    assert_eq!(counted, LINKS as u64);
}
