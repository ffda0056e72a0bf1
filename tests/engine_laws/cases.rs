//! What single sources and questions must give.

use cedar_policy::{Authorizer, Context, Entities, EntityUid, Request};
use gatepost::engine::json::Json;
use gatepost::engine::{
    Cause, ErringForbid, Fault, Faults, Mistake, Options, Problem, Query, RequestProperties, Severity, ShortNames,
    Snapshot, Sources, Text, UnknownParents,
};
use serde_json::{Value, json};

const ANYTHING: &str = "permit(principal, action, resource);";

/// Sources of one schema, and of a file for each text of policies and each array of entities.
fn sources(schema: &str, policies: &[&str], entities: &[Value]) -> Sources {
    Sources {
        schema: vec![Text::new("schema/case.cedarschema", schema)],
        policies: policies
            .iter()
            .enumerate()
            .map(|(number, text)| {
                let kind = if text.starts_with('[') { "json" } else { "cedar" };
                Text::new(format!("policies/{number}.{kind}"), *text)
            })
            .collect(),
        entities: entities
            .iter()
            .enumerate()
            .map(|(number, json)| Text::new(format!("entities/{number}.json"), json.to_string()))
            .collect(),
        ..Sources::default()
    }
}

fn compile(sources: &Sources) -> Result<Snapshot, Faults> {
    Snapshot::compile(sources, &Options::default())
}

/// The fault of a code, which must be there.
fn fault<'f>(faults: impl IntoIterator<Item = &'f Fault>, code: &str) -> &'f Fault {
    let mut faults: Vec<&Fault> = faults.into_iter().collect();
    match faults.iter().position(|fault| fault.code == code) {
        Some(index) => faults.swap_remove(index),
        None => panic!("no `{code}` among {faults:#?}"),
    }
}

fn cause(snapshot: &Snapshot, principal: (&str, &str), action: &str, resource: (&str, &str)) -> Cause {
    snapshot
        .decide(&Query::plain(principal, action, resource))
        .expect("a question without values has no problem")
        .cause
}

/// An entity of Cedar's JSON format.
fn entity(uid: (&str, &str), attrs: Value, parents: &[(&str, &str)]) -> Value {
    let uid_json = |(entity_type, id): &(&str, &str)| json!({ "type": entity_type, "id": id });
    json!({
        "uid": uid_json(&uid),
        "attrs": attrs,
        "parents": parents.iter().map(uid_json).collect::<Vec<_>>(),
    })
}

const GROUPS: &str = "entity Group in [Group];
    action view appliesTo { principal: [Group], resource: [Group] };";

/// Groups by number, each in the one that `parent` gives it.
fn groups(count: usize, parent: impl Fn(usize) -> Option<usize>) -> Vec<Value> {
    (0..count)
        .map(|number| {
            let parent = parent(number).map(|parent| parent.to_string());
            let parents: Vec<(&str, &str)> = parent.iter().map(|id| ("Group", id.as_str())).collect();
            entity(("Group", &number.to_string()), json!({}), &parents)
        })
        .collect()
}

#[test]
fn a_chain_of_parents_counts_to_its_end_and_is_refused_beyond_the_limit() {
    for (ancestors, is_taken) in [(900, true), (1_000, true), (1_001, false), (5_000, false)] {
        let mut chain = groups(ancestors + 1, |number| number.checked_sub(1));
        for order in ["parents first", "children first"] {
            let policy = r#"permit(principal in Group::"0", action, resource);"#;
            match compile(&sources(GROUPS, &[policy], &[Value::Array(chain.clone())])) {
                Ok(snapshot) => {
                    assert!(is_taken, "{ancestors} ancestors, {order}");
                    let last = ancestors.to_string();
                    let answer = cause(&snapshot, ("Group", &last), "view", ("Group", "0"));
                    assert_eq!(answer, Cause::Permitted, "{ancestors} ancestors, {order}");
                }
                Err(faults) => {
                    assert!(!is_taken, "{ancestors} ancestors, {order}: {faults}");
                    let fault = fault(faults.iter(), "entity-depth");
                    assert!(fault.message.contains("the limit is 1000"), "{fault}");
                    assert!(fault.place.is_some(), "{fault}");
                }
            }
            chain.reverse();
        }
    }
}

#[test]
fn a_cycle_of_parents_is_refused_by_name() {
    for count in [1, 2, 3, 1_000] {
        let ring = groups(count, |number| Some((number + 1) % count));
        let faults = compile(&sources(GROUPS, &[ANYTHING], &[Value::Array(ring)])).expect_err("a cycle");
        let fault = fault(faults.iter(), "entity-cycle");
        let words = format!("a cycle of {count} parents");
        assert!(fault.message.contains(&words), "{fault}");
        for member in 0..count.min(3) {
            let name = format!("`Group::\"{member}\"`");
            assert!(fault.message.contains(&name), "{name} in {fault}");
        }
        assert!(fault.message.len() < 1_000, "a long cycle is not spelt out: {fault}");
    }
}

#[test]
fn a_cycle_is_found_behind_a_chain_that_leads_into_it() {
    let members = groups(6, |number| Some(if number == 5 { 3 } else { number + 1 }));
    let faults = compile(&sources(GROUPS, &[ANYTHING], &[Value::Array(members)])).expect_err("a cycle");
    let fault = fault(faults.iter(), "entity-cycle");
    assert!(fault.message.contains("a cycle of 3 parents"), "{fault}");
    assert!(!fault.message.contains("Group::\"1\""), "only its members: {fault}");
}

#[test]
fn an_entity_twice_is_a_warning_if_equal_and_a_fault_at_both_places_if_not() {
    let schema = "entity Group in [Group] = { size: Long, color?: String, mark?: String } tags Long;
        action view appliesTo { principal: [Group], resource: [Group] };";
    let tagged = |tags: Value| {
        let mut group = entity(("Group", "g"), json!({ "size": 1, "mark": "x" }), &[]);
        group["tags"] = tags;
        json!([group])
    };
    let first = tagged(json!({ "k": 1 }));
    let parent = entity(("Group", "p"), json!({ "size": 1 }), &[]);
    let mut others = vec![
        tagged(json!({})),
        tagged(json!({ "k": 2 })),
        tagged(json!({ "j": 1 })),
        tagged(json!({ "k": 1, "j": 1 })),
    ];
    for attrs in [
        json!({ "size": 2, "mark": "x" }),
        json!({ "size": 1 }),
        json!({ "size": 1, "mark": "y" }),
        json!({ "size": 1, "mark": "x", "color": "" }),
    ] {
        let mut other = first.clone();
        other[0]["attrs"] = attrs;
        others.push(other);
    }
    let mut other_parents = first.clone();
    other_parents[0]["parents"] = json!([parent["uid"]]);
    others.push(json!([parent, other_parents[0]]));

    let check = |fault: &Fault| {
        let place = fault.place.as_ref().expect("the second place");
        assert_eq!(&*place.file, "entities/1.json", "{fault}");
        let (related, _) = fault.related.first().expect("the first place");
        assert_eq!(&*related.file, "entities/0.json", "{fault}");
        assert!(fault.message.contains(r#"Group::"g""#), "{fault}");
    };
    let same = [first.clone(), first.clone()];
    let snapshot = compile(&sources(schema, &[ANYTHING], &same)).expect("nothing contradicts");
    assert_eq!(snapshot.counts().entities, 1);
    let warning = fault(snapshot.warnings(), "entity-duplicate");
    assert_eq!(warning.severity, Severity::Warning);
    check(warning);
    for second in others {
        let faults = compile(&sources(schema, &[ANYTHING], &[first.clone(), second])).expect_err("which one is it?");
        let fault = fault(faults.iter(), "entity-duplicate");
        assert_eq!(fault.severity, Severity::Error);
        check(fault);
    }
}

#[test]
fn an_unknown_parent_is_refused_or_dropped_and_then_grants_nothing() {
    let entities = [json!([entity(("Group", "g"), json!({}), &[("Group", "ghost")])])];
    let grants = [
        r#"permit(principal in Group::"ghost", action, resource);"#,
        r#"permit(principal, action, resource) when { principal in Group::"ghost" };"#,
    ];
    for grant in grants {
        let sources = sources(GROUPS, &[grant], &entities);
        let faults = compile(&sources).expect_err("the parent is nowhere");
        let refused = fault(faults.iter(), "entity-unknown-parent");
        for name in [r#"Group::"g""#, r#"Group::"ghost""#] {
            assert!(refused.message.contains(name), "{refused}");
        }
        let options = Options {
            unknown_parents: UnknownParents::Drop,
            ..Options::default()
        };
        let snapshot = Snapshot::compile(&sources, &options).expect("the edge is dropped");
        let warning = fault(snapshot.warnings(), "entity-unknown-parent");
        assert_eq!(warning.severity, Severity::Warning);
        let answer = cause(&snapshot, ("Group", "g"), "view", ("Group", "g"));
        assert_eq!(answer, Cause::NothingPermits, "{grant}");
        // Being the group itself is another thing than being in it.
        let answer = cause(&snapshot, ("Group", "ghost"), "view", ("Group", "g"));
        assert_eq!(answer, Cause::Permitted, "{grant}");
    }
}

#[test]
fn an_enumerated_group_holds_the_members_of_its_members() {
    let schema = r#"entity Tier enum ["gold", "iron"];
        entity Group in [Group, Tier];
        entity User in [Group];
        action view appliesTo { principal: [User], resource: [Group] };"#;
    let entities = [json!([
        entity(("User", "u"), json!({}), &[("Group", "inner")]),
        entity(("Group", "inner"), json!({}), &[("Group", "outer")]),
        entity(("Group", "outer"), json!({}), &[("Tier", "gold")]),
    ])];
    for (tier, expected) in [("gold", Cause::Permitted), ("iron", Cause::NothingPermits)] {
        for policy in [
            format!("permit(principal in Tier::{tier:?}, action, resource);"),
            format!("permit(principal, action, resource) when {{ principal in Tier::{tier:?} }};"),
        ] {
            let snapshot = compile(&sources(schema, &[&policy], &entities)).expect("good sources");
            let answer = cause(&snapshot, ("User", "u"), "view", ("Group", "inner"));
            assert_eq!(answer, expected, "{policy}");
        }
    }
}

#[test]
fn an_erring_forbid_forbids_two_hundred_times_out_of_two_hundred() {
    let schema = "entity User = { boss: User, level: Long };
        entity Doc = { owner: User, made: datetime };
        action read appliesTo { principal: [User], resource: [Doc] };";
    let nobody = json!({ "type": "User", "id": "nobody" });
    let mut members = vec![entity(
        ("Doc", "d"),
        json!({ "owner": nobody, "made": "2026-01-31" }),
        &[],
    )];
    let mut policies = vec![ANYTHING.to_owned()];
    for number in 0..200 {
        let id = format!("u{number}");
        let condition = match number % 4 {
            0 => "principal.boss.level > 1",
            1 => "principal.level + 1 > 0",
            2 => "resource.owner.level == 3 || principal.level == 0",
            _ => r#"resource.made.offset(duration("9223372036854775807ms")) > resource.made"#,
        };
        let attrs = json!({ "boss": nobody, "level": i64::MAX });
        members.push(entity(("User", &id), attrs, &[]));
        policies.push(format!(
            "@id({id:?}) forbid(principal == User::{id:?}, action, resource) when {{ {condition} }};"
        ));
    }
    let sources = sources(schema, &[&policies.join("\n")], &[Value::Array(members.clone())]);
    let closing = compile(&sources).expect("erring is no fault of types");
    let skipping = Options {
        erring_forbid: ErringForbid::Skipped,
        ..Options::default()
    };
    let skipping = Snapshot::compile(&sources, &skipping).expect("the same sources");
    let entities = Entities::from_json_value(Value::Array(members), Some(closing.schema())).expect("good entities");

    let uid =
        |entity_type: &str, id: &str| -> EntityUid { format!("{entity_type}::{id:?}").parse().expect("a good entity") };
    let (mut ours, mut skipped, mut stock) = (0, 0, 0);
    for number in 0..200 {
        let id = format!("u{number}");
        let query = Query::plain(("User", &id), "read", ("Doc", "d"));
        let decision = closing.decide(&query).expect("no values, no problem");
        assert_eq!(decision.cause, Cause::ForbidErred, "{id}");
        let determining: Vec<&str> = decision.determining.iter().map(|number| &*closing.policy(*number).id).collect();
        assert_eq!(determining, [id.as_str()]);
        assert_eq!(decision.errors.len(), 1, "{id}");
        ours += usize::from(decision.is_allowed());
        let decision = skipping.decide(&query).expect("no values, no problem");
        skipped += usize::from(decision.is_allowed());
        let request = Request::new(
            uid("User", &id),
            uid("Action", "read"),
            uid("Doc", "d"),
            Context::empty(),
            Some(closing.schema()),
        )
        .expect("a good request");
        let response = Authorizer::new().is_authorized(&request, closing.policy_set(), &entities);
        stock += usize::from(response.decision() == cedar_policy::Decision::Allow);
    }
    assert_eq!((ours, skipped, stock), (0, 200, 200));
}

#[test]
fn a_forbid_that_holds_for_cedar_alone_allows_nothing() {
    let schema = "entity User = { level: Long }; action read appliesTo { principal: [User], resource: [User] };";
    let policies = "@id(\"grant\") permit(principal, action, resource);
        @id(\"high\") forbid(principal, action, resource) when { resource.level > 3 };";
    let entities = [json!([entity(("User", "u"), json!({ "level": 4 }), &[])])];
    let sources = sources(schema, &[policies], &entities);
    for (mistake, principal, erring_forbid, expected) in [
        (Mistake::Error, "u", ErringForbid::Forbids, Cause::Disagreed),
        (Mistake::Error, "u", ErringForbid::Skipped, Cause::Disagreed),
        // Of an entity that does not exist Cedar is asked only where the error may allow something.
        (Mistake::Look, "nobody", ErringForbid::Forbids, Cause::ForbidErred),
        (Mistake::Look, "nobody", ErringForbid::Skipped, Cause::Disagreed),
    ] {
        let options = Options {
            erring_forbid,
            ..Options::default()
        };
        let mut snapshot = Snapshot::compile(&sources, &options).expect("good sources");
        assert!(snapshot.plant(mistake, "high"), "a policy with a compiled form");
        let query = Query::plain(("User", principal), "read", ("User", "u"));
        let decision = snapshot.decide(&query).expect("no values, no problem");
        assert_eq!(decision.cause, expected, "{mistake:?}, {erring_forbid:?}");
        let told: Vec<&str> = decision.errors.iter().map(|error| &*snapshot.policy(error.policy).id).collect();
        assert_eq!(told, ["high"], "{mistake:?}, {erring_forbid:?}");
        let comparison = snapshot.compare(&query).expect("no values, no problem");
        assert!(!comparison.agrees(), "{mistake:?}, {erring_forbid:?}");
        assert_eq!(comparison.reference.cause, Cause::Forbidden, "{mistake:?}, {erring_forbid:?}");
    }
}

#[test]
fn a_permit_that_errs_grants_nothing_and_is_told() {
    let schema = "entity User = { level: Long }; action read appliesTo { principal: [User], resource: [User] };";
    let policy = "@id(\"overflows\") permit(principal, action, resource) when { principal.level + 1 > 0 };";
    let entities = [json!([entity(("User", "u"), json!({ "level": i64::MAX }), &[])])];
    let snapshot = compile(&sources(schema, &[policy], &entities)).expect("good sources");
    let decision = snapshot
        .decide(&Query::plain(("User", "u"), "read", ("User", "u")))
        .expect("no values, no problem");
    assert_eq!(decision.cause, Cause::NothingPermits);
    assert!(decision.determining.is_empty());
    assert_eq!(decision.errors.len(), 1);
    assert!(decision.errors[0].message.contains("overflow"), "{:?}", decision.errors);
}

const TEMPLATE: &str = r#"@id("grant") permit(principal == ?principal, action, resource);"#;

/// A file with one template link.
fn link(template: &str, id: &str) -> String {
    json!([{ "template_id": template, "link_id": id, "args": { "?principal": "Group::\"g\"" } }]).to_string()
}

#[test]
fn a_policy_id_is_taken_once_by_policy_template_or_link() {
    let policy = r#"@id("grant") permit(principal, action, resource);"#;
    let twice = format!("{policy}\n{policy}");
    let (linked, own) = (link("grant", "first"), link("grant", "grant"));
    let cases: [&[&str]; 5] = [
        &[policy, policy],
        &[&twice],
        &[policy, TEMPLATE],
        &[TEMPLATE, &own],
        &[TEMPLATE, &linked, &linked],
    ];
    for policies in cases {
        let faults = compile(&sources(GROUPS, policies, &[])).expect_err("the id is taken");
        let fault = fault(faults.iter(), "policy-duplicate-id");
        let place = fault.place.as_ref().expect("the second place");
        let (first, _) = fault.related.first().expect("the first place");
        assert_ne!(place, first, "{fault}");
    }
    let snapshot = compile(&sources(GROUPS, &[TEMPLATE, &linked], &[])).expect("each has its own id");
    let ids: Vec<&str> = snapshot.policies().map(|policy| &*policy.id).collect();
    assert_eq!(ids, ["first"]);
    assert_eq!(cause(&snapshot, ("Group", "g"), "view", ("Group", "x")), Cause::Permitted);
    assert_eq!(cause(&snapshot, ("Group", "x"), "view", ("Group", "g")), Cause::NothingPermits);
}

#[test]
fn a_link_to_no_template_is_a_fault_that_names_the_nearest() {
    let faults = compile(&sources(GROUPS, &[TEMPLATE, &link("grand", "first")], &[])).expect_err("no template");
    let fault = fault(faults.iter(), "policy-link");
    assert!(fault.message.contains("`grand`"), "{fault}");
    assert_eq!(fault.help.as_deref(), Some("did you mean `grant`?"));
}

#[test]
fn a_short_name_of_two_types_is_a_fault_that_names_both_and_an_alias_resolves_it() {
    let schema = |annotation: &str| {
        format!(
            "namespace Hr {{
                entity User;
                action view appliesTo {{ principal: [User], resource: [User] }};
            }}
            namespace It {{
                {annotation} entity User;
            }}"
        )
    };
    let faults = compile(&sources(&schema(""), &[ANYTHING], &[])).expect_err("which user?");
    let ambiguous = fault(faults.iter(), "schema-ambiguous-name");
    for name in ["`Hr::User`", "`It::User`"] {
        assert!(ambiguous.message.contains(name), "{ambiguous}");
    }

    let aliased = compile(&sources(&schema(r#"@alias("operator")"#), &[ANYTHING], &[])).expect("an alias resolves it");
    for (principal, expected) in [
        ("user", Cause::Permitted),
        ("USER", Cause::Permitted),
        ("Hr::User", Cause::Permitted),
        ("hr::user", Cause::UnknownName),
        ("Operator", Cause::NotApplicable),
        ("It::User", Cause::NotApplicable),
        ("robot", Cause::UnknownName),
    ] {
        let answer = cause(&aliased, (principal, "1"), "view", ("user", "2"));
        assert_eq!(answer, expected, "{principal}");
    }

    let exact = Options {
        short_names: ShortNames::Off,
        ..Options::default()
    };
    let exact = Snapshot::compile(&sources(&schema(""), &[ANYTHING], &[]), &exact).expect("nobody uses short names");
    let action = r#"Hr::Action::"view""#;
    assert_eq!(cause(&exact, ("user", "1"), action, ("Hr::User", "2")), Cause::UnknownName);
    assert_eq!(cause(&exact, ("Hr::User", "1"), "view", ("Hr::User", "2")), Cause::UnknownName);
    assert_eq!(cause(&exact, ("Hr::User", "1"), action, ("Hr::User", "2")), Cause::Permitted);
}

#[test]
fn an_enumerated_type_has_the_ids_of_the_schema_and_no_others() {
    let schema = r#"entity Tier enum ["gold", "iron"];
        entity User = { tier: Tier };
        action enter appliesTo { principal: [User], resource: [Tier], context: { from?: Tier } };"#;
    let own = "permit(principal, action, resource) when { principal.tier == resource };";
    let gold = json!({ "type": "Tier", "id": "gold" });
    let entities = [json!([entity(("User", "u"), json!({ "tier": gold }), &[])])];
    let snapshot = compile(&sources(schema, &[own], &entities)).expect("good sources");
    for (tier, expected) in [
        ("gold", Cause::Permitted),
        ("iron", Cause::NothingPermits),
        ("tin", Cause::UnknownName),
        ("Gold", Cause::UnknownName),
        ("", Cause::UnknownName),
    ] {
        assert_eq!(cause(&snapshot, ("User", "u"), "enter", ("Tier", tier)), expected, "{tier}");
    }
    let context = json!({ "from": { "type": "Tier", "id": "tin" } });
    let problem = with_context(&snapshot, ("User", "u"), "enter", ("Tier", "gold"), &context).expect_err("no such id");
    assert_eq!(problem.path, ".from");

    let tin = json!({ "type": "Tier", "id": "tin" });
    let entities = [json!([entity(("User", "u"), json!({ "tier": tin }), &[])])];
    let faults = compile(&sources(schema, &[own], &entities)).expect_err("no such id");
    assert!(fault(faults.iter(), "entity").message.contains("tin"), "{faults}");
}

fn with_context(
    snapshot: &Snapshot,
    principal: (&str, &str),
    action: &str,
    resource: (&str, &str),
    context: &Value,
) -> Result<bool, Problem> {
    let text = context.to_string();
    let json = Json::read(text.as_bytes(), 32).expect("what was serialized is JSON");
    let query = Query {
        context: Some(&json),
        ..Query::plain(principal, action, resource)
    };
    Ok(snapshot.decide(&query)?.is_allowed())
}

#[test]
fn a_context_is_read_by_the_schema_or_is_a_problem_at_its_path() {
    let schema = "entity User;
        action pay appliesTo { principal: [User], resource: [User], context: {
            amount: decimal, from: ipaddr, note: String, at?: datetime, wait?: duration, count?: Long,
            payee?: User, lots?: Set<Long>, address?: { zip: String, street?: String },
        } };";
    let policy = r#"permit(principal, action, resource) when {
            context.amount.greaterThan(decimal("12.4")) && context.from.isInRange(ip("10.0.0.0/8"))
        } unless {
            context has at && context.at < datetime("2020-01-01")
        };"#;
    let snapshot = compile(&sources(schema, &[policy], &[])).expect("good sources");
    let entity = json!({ "__entity": { "type": "User", "id": "u" } });
    let extension = json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } });
    let answers = [
        ("note", json!("y"), true),
        ("amount", json!(12.5), true),
        ("amount", json!(13), true),
        ("amount", json!(12), false),
        ("amount", json!("12.4001"), true),
        ("amount", json!({ "__extn": { "fn": "decimal", "arg": "99.0" } }), true),
        ("from", json!("10.255.0.1"), true),
        ("from", json!("11.0.0.1"), false),
        ("from", extension.clone(), true),
        ("at", json!("2026-01-31T12:00:00Z"), true),
        ("at", json!("2019-12-31"), false),
        ("wait", json!("1d2h"), true),
        ("count", Value::Null, true),
        ("payee", entity.clone(), true),
        ("payee", json!({ "type": "user", "id": "nobody" }), true),
        ("lots", json!([]), true),
        ("address", json!({ "zip": "1010", "town": "undeclared" }), true),
        ("undeclared", json!({ "any": [1, "2"] }), true),
    ];
    let good = json!({ "amount": 12.5, "from": "10.0.0.1", "note": "x" });
    let ask = |context: &Value| with_context(&snapshot, ("User", "a"), "pay", ("User", "b"), context);
    for (member, value, expected) in answers {
        let mut context = good.clone();
        context[member] = value;
        assert_eq!(ask(&context), Ok(expected), "{context}");
    }

    let problems = [
        ("note", Value::Null, ".note", "required"),
        ("note", json!(5), ".note", "a string"),
        // Escapes make no entity and no address of what the schema calls a string.
        ("note", entity.clone(), ".note", "a string"),
        ("note", extension, ".note", "a string"),
        ("amount", json!(12.345_67), ".amount", "decimal"),
        ("amount", json!("many"), ".amount", "decimal"),
        ("amount", json!(i64::MAX), ".amount", "decimal"),
        (
            "amount",
            json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } }),
            ".amount",
            "decimal",
        ),
        ("from", json!("nowhere"), ".from", "IP address"),
        ("from", json!(167_772_161), ".from", "IP address"),
        ("at", json!("yesterday"), ".at", "date"),
        ("at", json!(0), ".at", "date"),
        ("wait", json!("soon"), ".wait", "duration"),
        ("count", json!("5"), ".count", "an integer"),
        ("count", json!(1.5), ".count", "an integer"),
        ("count", json!(true), ".count", "an integer"),
        ("payee", json!("bo"), ".payee", "an entity"),
        ("payee", json!({ "type": "Robot", "id": "r" }), ".payee", "type `User`"),
        ("payee", json!({ "__entity": { "type": "User" } }), ".payee", "an entity"),
        ("lots", json!([1, "2"]), ".lots[1]", "an integer"),
        ("lots", json!(1), ".lots", "an array"),
        ("address", json!({}), ".address.zip", "required"),
        ("address", json!({ "zip": "1010", "street": 7 }), ".address.street", "a string"),
        ("address", json!([]), ".address", "an object"),
    ];
    for (member, value, path, words) in problems {
        let mut context = good.clone();
        context[member] = value;
        let problem = ask(&context).expect_err("a value of another type");
        assert_eq!(problem.path, path, "{context}");
        assert!(problem.message.contains(words), "{problem} for {context}");
        assert!(problem.to_string().starts_with(&format!("context{path}: ")), "{problem}");
    }
    for context in [json!([]), json!("x"), json!(1)] {
        let problem = ask(&context).expect_err("no object");
        assert_eq!(problem.path, "", "{context}");
    }
    for missing in ["amount", "from", "note"] {
        let mut context = good.clone();
        context.as_object_mut().expect("an object").remove(missing);
        let problem = ask(&context).expect_err("a required member is missing");
        assert_eq!(problem.path, format!(".{missing}"));
        assert_eq!(problem.message, "required");
    }
    let problem = snapshot
        .decide(&Query::plain(("User", "a"), "pay", ("User", "b")))
        .expect_err("no context at all");
    assert_eq!(problem.path, ".amount");
}

#[test]
fn a_name_that_only_a_request_knows_is_one_name_however_many_there_are() {
    let schema = "entity User;
        action join appliesTo { principal: [User], resource: [User], context: { one: Set<User>, other: Set<User> } };";
    let policy = "permit(principal, action, resource) when {
            context.one == context.other && context.one.contains(principal) && !context.one.contains(resource)
        };";
    let snapshot = compile(&sources(schema, &[policy], &[])).expect("good sources");
    // They are found one after the other as long as they are few.
    for count in [1, 2, 15, 16, 17, 18, 19, 40, 500] {
        let user = |number: usize| json!({ "type": "User", "id": format!("u{number}") });
        let one: Vec<Value> = (0..count).map(user).collect();
        let other: Vec<Value> = (0..count).rev().chain(0..count).map(user).collect();
        let ask = |principal: &str, other: &[Value]| {
            let context = json!({ "one": one, "other": other });
            with_context(&snapshot, ("User", principal), "join", ("User", "stranger"), &context)
        };
        for member in [0, count / 2, count - 1] {
            assert_eq!(ask(&format!("u{member}"), &other), Ok(true), "u{member} of {count}");
        }
        assert_eq!(ask("stranger", &other), Ok(false), "{count}");
        assert_eq!(ask("u0", &other[1..count]), Ok(false), "{count}, one of them missing");
    }
}

#[test]
fn a_rehearsal_warns_once_of_each_policy_that_errs_and_begins_with_what_changed() {
    let schema = "entity User = { level: Long }; action read appliesTo { principal: [User], resource: [User] };";
    let policies = "@id(\"fine\") permit(principal, action, resource) when { principal.level > 0 };
        @id(\"sum\") permit(principal, action, resource) when { principal.level + 1 > 0 };
        @id(\"product\") forbid(principal, action, resource) when { principal.level * 2 < 0 };";
    let users = |prefix: &str, count: usize, level: i64| -> Value {
        (0..count)
            .map(|number| entity(("User", &format!("{prefix}{number}")), json!({ "level": level }), &[]))
            .collect()
    };
    let before = sources(schema, &[policies], &[users("good", 500, 1)]);
    let after = sources(schema, &[policies], &[users("good", 500, 1), users("top", 3, i64::MAX)]);
    let options = Options::default();
    let live = Snapshot::compile(&before, &options).expect("good sources");
    assert!(live.rehearse(10_000).is_empty());
    let grown = live.next(&after, &options).expect("good sources");
    let told: Vec<String> = grown.rehearse(5).iter().map(ToString::to_string).collect();
    // In the order of the policies' numbers, which is that of their ids.
    let [product, sum] = told.as_slice() else { panic!("{told:#?}") };
    for (told, id) in [(product, "product"), (sum, "sum")] {
        assert!(told.contains(&format!("policy `{id}` errs on the present data")), "{told}");
        assert!(told.contains("overflow") && told.contains("may User::\"top"), "{told}");
    }
    assert!(grown.rehearse(0).is_empty(), "none is asked for");
}

#[test]
fn an_escape_in_the_store_makes_no_entity_of_a_string() {
    let schema = "entity User = { name: String };
        action view appliesTo { principal: [User], resource: [User] };";
    for name in [
        json!({ "__entity": { "type": "User", "id": "u" } }),
        json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } }),
        json!({ "type": "User", "id": "u" }),
        json!(5),
    ] {
        let entities = [json!([entity(("User", "u"), json!({ "name": name }), &[])])];
        let faults = compile(&sources(schema, &[ANYTHING], &entities)).expect_err("no string");
        let fault = fault(faults.iter(), "entity");
        let place = fault.place.as_ref().expect("a place");
        assert_eq!(&*place.file, "entities/0.json");
    }
}

#[test]
fn what_cedar_refuses_of_an_entity_or_reads_as_something_else_is_refused() {
    let schema = r#"entity Group in [Group];
        entity User in [Group] = {
            count: Long, at?: ipaddr, price?: decimal, friend?: User, lots?: Set<Long>,
            odd?: { __extn?: { fn?: String, arg?: String }, __entity?: { type?: String, id?: String }, __expr?: String },
        } tags Long;
        entity Tier enum ["gold"];
        action view appliesTo { principal: [User], resource: [User] };"#;
    let user = json!({ "type": "User", "id": "u" });
    let ip = json!({ "fn": "ip", "arg": "10.0.0.1" });
    let whole = |name: &str, value: Value| {
        let mut whole = json!({ "uid": user, "attrs": { "count": 1 }, "parents": [] });
        whole[name] = value;
        whole
    };
    let attr = |name: &str, value: Value| {
        let mut attrs = json!({ "count": 1 });
        attrs[name] = value;
        whole("attrs", attrs)
    };
    let all = [
        whole("uid", json!({ "type": "Tier", "id": "tin" })),
        whole("uid", json!({ "type": "Robot", "id": "r" })),
        whole("uid", json!({ "type": "user", "id": "u" })),
        whole("uid", json!({ "type": " User", "id": "u" })),
        whole("uid", json!({ "type": "User", "id": 1 })),
        whole("uid", json!({ "__expr": "User::\"u\"" })),
        whole("uid", json!("User::\"u\"")),
        whole("uid", Value::Null),
        whole("attrs", json!({})),
        whole("attrs", json!([])),
        whole("attrs", Value::Null),
        whole("parents", json!({})),
        whole("parents", Value::Null),
        whole("parents", json!([user])),
        whole("parents", json!([{ "type": "Tier", "id": "gold" }])),
        whole("parents", json!([{ "type": "Group" }])),
        whole("tags", json!([])),
        whole("tags", Value::Null),
        whole("tags", json!({ "k": "1" })),
        whole("tags", json!({ "k": null })),
        attr("count", Value::Null),
        attr("count", json!("1")),
        attr("count", json!(1.0)),
        attr("count", json!(9_223_372_036_854_775_808_u64)),
        attr("count", json!({ "__extn": { "fn": "unknown", "arg": "x" } })),
        attr("undeclared", json!(1)),
        attr("at", json!("nowhere")),
        attr("at", json!("::ffff:10.0.0.1")),
        attr("at", json!("10.0.0.1/08")),
        attr("at", json!(1)),
        attr("at", json!({ "fn": "decimal", "arg": "1.0" })),
        attr("at", json!({ "fn": "ip", "arg": 1 })),
        attr("at", json!({ "__expr": "1", "__extn": ip })),
        attr("at", json!({ "__expr": "1", "fn": "ip", "arg": "10.0.0.1" })),
        attr("at", json!({ "__extn": { "fn": "unknown", "arg": "x" } })),
        attr("price", json!("1.00001")),
        attr("price", json!(1.5)),
        attr("friend", json!("u")),
        attr("friend", json!({ "type": "Group", "id": "g" })),
        attr("friend", json!({ "__expr": "1", "__entity": user })),
        attr("friend", json!({ "__expr": "1", "type": "User", "id": "u" })),
        attr("friend", json!({ "__extn": { "fn": "unknown", "arg": "x" } })),
        attr("lots", json!([1, "2"])),
        attr("lots", json!([null])),
        attr("lots", json!({ "0": 1 })),
        attr("odd", json!({ "__extn": { "fn": "unknown", "arg": "x" } })),
        attr("odd", json!({ "__extn": { "fn": 1 } })),
    ];
    // Other forms than the plainest are good where they are good for Cedar.
    let taken = [
        whole("parents", json!([{ "__entity": { "type": "Group", "id": "g" } }])),
        whole("extra", json!(1)),
        attr("at", json!("10.0.0.1")),
        attr("at", json!({ "__extn": ip, "more": 1 })),
        attr("at", ip.clone()),
        attr("friend", json!({ "__entity": user, "more": 1 })),
        attr("friend", json!({ "__entity": { "type": "User", "id": "u", "more": 1 } })),
        attr("lots", json!([2, 1, 2])),
        attr("odd", json!({ "__extn": { "fn": "ip", "arg": "x" } })),
        attr("odd", json!({ "__entity": { "type": "User", "id": "u" } })),
        attr("odd", json!({ "__expr": "1" })),
    ];
    let group = entity(("Group", "g"), json!({}), &[]);
    let cedars = |entity: &Value| {
        let both = json!([group, entity]);
        let empty = compile(&sources(schema, &[ANYTHING], &[])).expect("good sources");
        // Cedar keeps what it does not know as a residual, of which no policy can be evaluated.
        let read = Entities::from_json_value(both.clone(), Some(empty.schema()));
        read.is_ok() && !both.to_string().contains("unknown")
    };
    for (entities, is_taken) in [(&all[..], false), (&taken[..], true)] {
        for entity in entities {
            assert_eq!(cedars(entity), is_taken, "Cedar: {entity}");
            let read = compile(&sources(schema, &[ANYTHING], &[json!([group, entity])]));
            assert_eq!(
                read.is_ok(),
                is_taken,
                "{entity}: {:?}",
                read.err().map(|faults| faults.to_string())
            );
        }
    }
}

#[test]
fn an_action_that_a_condition_names_is_in_its_groups() {
    let schema = r#"entity User;
        action everything;
        action looking in [everything];
        action view in [looking] appliesTo { principal: [User], resource: [User] };
        action edit in [everything] appliesTo { principal: [User], resource: [User] };"#;
    let is_in = |action: &str, group: &str| format!("Action::{action:?} in Action::{group:?}");
    for (condition, expected) in [
        (is_in("view", "everything"), Cause::Permitted),
        (is_in("view", "looking"), Cause::Permitted),
        (is_in("edit", "looking"), Cause::NothingPermits),
        (is_in("looking", "everything"), Cause::Permitted),
    ] {
        for scope in ["action", r#"action == Action::"view""#] {
            let policy = format!("permit(principal, {scope}, resource) when {{ {condition} }};");
            let snapshot = compile(&sources(schema, &[&policy], &[])).expect("good sources");
            let answer = cause(&snapshot, ("User", "a"), "view", ("User", "b"));
            assert_eq!(answer, expected, "{policy}");
        }
    }
}

const BOSSES: &str = "entity User = { boss: User, level: Long };
    action view appliesTo { principal: [User], resource: [User] };";

#[test]
fn a_policy_that_looks_deeper_than_the_limit_is_refused() {
    for (condition, level) in [
        ("principal.level > 1", 1),
        ("principal.boss.level > 1", 2),
        ("principal.boss.boss.level > 1", 3),
        (r#"User::"root".level > 1"#, 1),
        (r#"User::"root".boss.level > 1"#, 2),
    ] {
        for level_max in 1..=4 {
            let policy = format!("permit(principal, action, resource) when {{ {condition} }};");
            let options = Options {
                level_max,
                ..Options::default()
            };
            match Snapshot::compile(&sources(BOSSES, &[&policy], &[]), &options) {
                Ok(_) => assert!(level <= level_max, "`{condition}` is taken with a limit of {level_max}"),
                Err(faults) => {
                    assert!(
                        level > level_max,
                        "`{condition}` is refused with a limit of {level_max}: {faults}"
                    );
                    fault(faults.iter(), "policy-level");
                }
            }
        }
    }
}

#[test]
fn a_template_without_links_may_look_into_an_entity_that_it_names() {
    let template = r#"@id("t") permit(principal == ?principal, action, resource)
        when { User::"root".level > 1 };"#;
    let other = r#"permit(principal == User::"z", action, resource);"#;
    let snapshot = compile(&sources(BOSSES, &[template, other], &[])).expect("one step is within the limit");
    assert_eq!(snapshot.counts().templates, 1);
    assert_eq!(cause(&snapshot, ("User", "a"), "view", ("User", "b")), Cause::NothingPermits);
}

#[test]
fn a_warning_about_the_schema_refuses_nothing() {
    let schema = "namespace Shop {
            type duration = Long;
            entity User = { shift: duration };
            action view appliesTo { principal: [User], resource: [User] };
        }";
    let snapshot = compile(&sources(schema, &[ANYTHING], &[])).expect("shadowing is odd, not wrong");
    let warning = fault(snapshot.warnings(), "schema-warning");
    assert_eq!(warning.severity, Severity::Warning);
    assert_eq!(cause(&snapshot, ("User", "a"), "view", ("User", "b")), Cause::Permitted);
}

#[test]
fn properties_of_an_entity_that_is_both_sides_count_whichever_side_brings_them() {
    let policy = "permit(principal, action, resource) when { principal.level > 1 && resource.level > 1 };";
    let boss = json!({ "type": "User", "id": "u" });
    let entities = [json!([entity(("User", "u"), json!({ "boss": boss, "level": 0 }), &[])])];
    let mut options = Options::default();
    options.request_properties.insert("User".to_owned(), RequestProperties::Override);
    let snapshot = Snapshot::compile(&sources(BOSSES, &[policy], &entities), &options).expect("good sources");
    let properties = Json::read(br#"{"level":2}"#, 4).expect("good JSON");
    for (of_principal, of_resource) in [
        (Some(&properties), None),
        (None, Some(&properties)),
        (Some(&properties), Some(&properties)),
    ] {
        let mut query = Query::plain(("User", "u"), "view", ("User", "u"));
        query.principal.properties = of_principal;
        query.resource.properties = of_resource;
        let decision = snapshot.decide(&query).expect("good values");
        assert!(decision.is_allowed(), "principal {of_principal:?}, resource {of_resource:?}");
    }
}

#[test]
fn an_entity_is_in_each_of_many_ancestors_with_properties_and_without() {
    let schema = "entity Group in [Group];
        entity User in [Group] = { level: Long };
        action view appliesTo { principal: [User], resource: [User] };";
    let name = |kind: &str, number: usize| format!("{kind}{number:02}");
    let mut entities = Vec::new();
    let mut parents = Vec::new();
    let mut policies = String::new();
    for number in 0..16 {
        let (inner, outer) = (name("inner", number), name("outer", number));
        // Inner and outer groups take turns, so that neither kind comes before the other.
        entities.push(entity(("Group", &outer), json!({}), &[]));
        entities.push(entity(("Group", &inner), json!({}), &[("Group", &outer)]));
        for group in [&inner, &outer] {
            policies.push_str(&format!("permit(principal in Group::{group:?}, action, resource);\n"));
            policies.push_str(&format!(
                "permit(principal, action, resource) when {{ resource in Group::{group:?} }};\n"
            ));
        }
        parents.push(inner);
    }
    let parents: Vec<(&str, &str)> = parents.iter().map(|id| ("Group", id.as_str())).collect();
    entities.push(entity(("User", "u"), json!({ "level": 1 }), &parents));
    let mut options = Options::default();
    options.request_properties.insert("User".to_owned(), RequestProperties::Override);
    let sources = sources(schema, &[&policies], &[Value::Array(entities)]);
    let snapshot = Snapshot::compile(&sources, &options).expect("good sources");
    let properties = Json::read(br#"{"level":2}"#, 4).expect("good JSON");
    for given in [None, Some(&properties)] {
        let mut query = Query::plain(("User", "u"), "view", ("User", "u"));
        query.principal.properties = given;
        let decision = snapshot.decide(&query).expect("good values");
        assert_eq!(decision.determining.len(), 64, "{given:?}");
    }
}
