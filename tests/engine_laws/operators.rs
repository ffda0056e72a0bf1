//! Every operator on odd values, and on every mix of operands that have a value and operands that err.
//!
//! Each expression is the condition of a policy of its own, so that one question compares them all with stock Cedar.

use cedar_policy::{AuthorizationError, Authorizer, Context, Entities, EntityUid, Request};
use gatepost::engine::json::Json;
use gatepost::engine::{Options, Query, Snapshot, Sources, Text};
use serde_json::json;

use super::maker::{DATETIMES, DECIMALS, DURATIONS, IPS, PATTERNS, TEXTS};

const SCHEMA: &str = r#"
    entity Group in [Group];
    entity Thing in [Group, Thing] = {
        flag: Bool, long: Long, text: String, peer: Thing, longs: Set<Long>, things: Set<Thing>, rec: { a: Long, inner: { b: Bool, c?: Long } },
        price: decimal, at: ipaddr, since: datetime, span: duration, gone: Thing, maybe?: Long, noLongs: Set<Long>,
        noThings: Set<Thing>, nested: Set<Set<Long>>, recs: Set<{ a: Long }>, flags: Set<Bool>, texts: Set<String>,
        prices: Set<decimal>, ips: Set<ipaddr>, far: Long,
    } tags Long;
    action all;
    action view in [all] appliesTo { principal: [Thing], resource: [Thing], context: {
        peer: Thing, gone: Thing, longs: Set<Long>, things: Set<Thing>, rec: { a: Long, inner: { b: Bool, c?: Long } },
    } };
    action edit appliesTo { principal: [Thing], resource: [Thing] };
"#;

const CONTEXT: &str = r#"{
    "peer": { "__entity": { "type": "Thing", "id": "a" } }, "gone": { "__entity": { "type": "Thing", "id": "stranger" } },
    "longs": [3, 1, 3], "rec": { "a": 5, "inner": { "b": true } },
    "things": [{ "__entity": { "type": "Thing", "id": "stranger" } }, { "__entity": { "type": "Thing", "id": "b" } }]
}"#;

fn thing(id: &str, flag: bool, peer: &str, parents: &[(&str, &str)]) -> serde_json::Value {
    let uid = |(ty, id): &(&str, &str)| json!({ "type": ty, "id": id });
    let to = |id: &str| json!({ "__entity": { "type": "Thing", "id": id } });
    let call = |function: &str, arg: &str| json!({ "__extn": { "fn": function, "arg": arg } });
    json!({
        "uid": { "type": "Thing", "id": id },
        "attrs": {
            "flag": flag, "long": 2, "far": i64::MIN, "text": "aäb", "peer": to(peer), "longs": [1, 2, 3], "noLongs": [],
            "things": [to("b"), to("a")], "noThings": [], "rec": { "a": 5, "inner": { "b": true } }, "gone": to("ghost"),
            "price": call("decimal", "1.5"), "at": call("ip", "10.0.0.1"), "since": call("datetime", "2024-10-15"),
            "span": call("duration", "1h"), "nested": [[], [3, 1], [2]], "recs": [{ "a": 2 }, { "a": 1 }],
            "flags": [flag], "texts": ["b", "", "a"], "prices": [call("decimal", "1.50"), call("decimal", "-2.25")],
            "ips": [call("ip", "::1"), call("ip", "10.0.0.0/8")],
        },
        "parents": parents.iter().map(uid).collect::<Vec<_>>(),
        "tags": { "k": 1, "other": 2 },
    })
}

/// Expressions of one constructor's values, two by two and alone.
fn extensions(into: &mut Vec<String>) {
    let calls = |function: &str, arguments: &[&str]| -> Vec<String> {
        arguments.iter().map(|argument| format!("{function}({argument:?})")).collect()
    };
    let (decimals, ips) = (calls("decimal", &DECIMALS), calls("ip", &IPS));
    let (mut datetimes, durations) = (calls("datetime", &DATETIMES), calls("duration", &DURATIONS));
    for far in ["-9223372036854775808ms", "9223372036854775807ms", "-86400001ms"] {
        datetimes.push(format!("datetime(\"1970-01-01\").offset(duration({far:?}))"));
    }
    for left in &decimals {
        for right in &decimals {
            for method in ["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"] {
                into.push(format!("{left}.{method}({right})"));
            }
            into.push(format!("{left} == {right}"));
        }
    }
    for ip in &ips {
        for method in ["isIpv4", "isIpv6", "isLoopback", "isMulticast"] {
            into.push(format!("{ip}.{method}()"));
        }
        for range in &ips {
            into.push(format!("{ip}.isInRange({range})"));
            into.push(format!("{ip} == {range}"));
        }
    }
    for left in &datetimes {
        for right in &datetimes {
            into.extend(["<", "<=", "=="].map(|operator| format!("{left} {operator} {right}")));
            into.push(format!("{left}.durationSince({right}).toMilliseconds() == 1"));
            into.push(format!("{right}.offset({left}.durationSince({right})) == {left}"));
            into.push(format!("{left}.toDate() == {right}.toDate()"));
        }
        for span in &durations {
            into.push(format!("{left}.offset({span}) < {left}"));
            into.push(format!("{left}.toTime() < {span}"));
        }
        into.push(format!("{left}.toDate().offset({left}.toTime()) == {left}"));
        into.push(format!(
            "{left}.toTime() >= duration(\"0ms\") && {left}.toTime() < duration(\"1d\")"
        ));
    }
    for left in &durations {
        for right in &durations {
            into.extend(["<", "<=", "=="].map(|operator| format!("{left} {operator} {right}")));
        }
    }
    for milliseconds in [
        0,
        1,
        -1,
        999,
        -999,
        3_599_999,
        86_400_000,
        -86_399_999,
        90_061_001,
        i64::MAX,
        i64::MIN,
    ] {
        for (method, unit) in [
            ("toMilliseconds", 1),
            ("toSeconds", 1_000),
            ("toMinutes", 60_000),
            ("toHours", 3_600_000),
            ("toDays", 86_400_000),
        ] {
            let expected = milliseconds / unit;
            into.push(format!("duration(\"{milliseconds}ms\").{method}() == {expected}"));
        }
    }
}

fn numbers_and_texts(into: &mut Vec<String>) {
    const NUMBERS: [i64; 10] = [
        0,
        1,
        -1,
        2,
        1 << 31,
        (1 << 58) - 1,
        1 << 58,
        -(1 << 58) - 1,
        i64::MAX,
        i64::MIN + 1,
    ];
    for left in NUMBERS {
        into.push(format!("-({left}) == {}", left.wrapping_neg()));
        for right in NUMBERS {
            into.push(format!("{left} + ({right}) == {}", left.wrapping_add(right)));
            into.push(format!("{left} - ({right}) == {}", left.wrapping_sub(right)));
            into.push(format!("{left} * ({right}) == {}", left.wrapping_mul(right)));
            into.extend(["<", "<=", ">", ">=", "==", "!="].map(|operator| format!("{left} {operator} {right}")));
        }
    }
    into.push("-(resource.far) == 0".to_owned());
    for text in TEXTS {
        into.extend(PATTERNS.map(|pattern| format!("{text:?} like \"{pattern}\"")));
        into.extend(TEXTS.map(|other| format!("{text:?} == {other:?}")));
    }
}

/// Sets of one type, each with each; and whether what is in one is in another.
fn sets(into: &mut Vec<String>) {
    let kinds: [(&[&str], &[&str]); 8] = [
        (
            &[
                "[1]",
                "[2, 1, 2]",
                "[3, 2, 1]",
                "resource.longs",
                "resource.noLongs",
                "context.longs",
                "[resource.long, 1]",
                "[288230376151711744, 1]",
                "[resource.far, -288230376151711745, 288230376151711743]",
            ],
            &[
                "1",
                "4",
                "resource.long",
                "288230376151711744",
                "(-288230376151711745)",
                "resource.far",
            ],
        ),
        (
            &[
                "[Thing::\"a\"]",
                "[Thing::\"b\", Thing::\"a\", Thing::\"b\"]",
                "[principal, Thing::\"ghost\"]",
                "[context.gone, resource]",
                "context.things",
                "resource.things",
                "resource.noThings",
            ],
            &["principal", "Thing::\"a\"", "context.gone", "resource.gone"],
        ),
        (
            &[
                "[[1, 3], [2]]",
                "[[2], [3, 1, 1]]",
                "resource.nested",
                "[resource.noLongs, [1, 3], [2]]",
                "[resource.longs]",
            ],
            &["[1, 3]", "[3, 1]", "resource.noLongs", "resource.longs"],
        ),
        (
            &[
                "[{ a: 1 }]",
                "[{ a: 2 }, { a: 1 }]",
                "[{ a: resource.long }, { a: 1 }, { a: 1 }]",
                "resource.recs",
            ],
            &["{ a: 1 }", "{ a: resource.long }"],
        ),
        (
            &["[true]", "[true, false]", "resource.flags", "[resource.flag]"],
            &["true", "principal.flag"],
        ),
        (
            &[
                "[\"a\", \"b\"]",
                "[\"b\", \"\", \"a\"]",
                "resource.texts",
                "[resource.text]",
            ],
            &["\"\"", "resource.text"],
        ),
        (
            &[
                "[decimal(\"1.5\")]",
                "[decimal(\"-2.2500\"), decimal(\"1.50\")]",
                "resource.prices",
                "[resource.price]",
            ],
            &["decimal(\"-2.25\")", "resource.price"],
        ),
        (
            &[
                "[ip(\"::1\"), ip(\"10.0.0.0/8\")]",
                "[ip(\"10.0.0.1/8\")]",
                "resource.ips",
                "[resource.at]",
            ],
            &["ip(\"10.0.0.0/8\")", "resource.at"],
        ),
    ];
    for (sets, items) in kinds {
        for left in sets {
            into.push(format!("{left}.isEmpty()"));
            into.extend(items.iter().map(|item| format!("{left}.contains({item})")));
            for right in sets {
                into.push(format!("{left} == {right}"));
                into.push(format!("{left}.containsAll({right})"));
                into.push(format!("{left}.containsAny({right})"));
            }
        }
    }
}

/// Operators with a letter for each operand, and what a letter stands for; the last of each kind errs.
/// `#` and `~` are the first and the second operand again.
fn operands(into: &mut Vec<String>) {
    let kinds: [(char, &[&str]); 11] = [
        ('B', &["resource.flag", "principal.flag", "resource.gone.flag"]),
        ('L', &["resource.long", "resource.gone.long"]),
        ('T', &["resource.text", "\"k\"", "resource.gone.text"]),
        (
            'E',
            &[
                "principal",
                "resource.peer",
                "resource.gone",
                "context.gone",
                "resource.gone.peer",
            ],
        ),
        ('S', &["resource.longs", "resource.gone.longs"]),
        (
            'H',
            &[
                "resource.things",
                "[principal, context.peer]",
                "[resource.gone.peer]",
                "resource.gone.things",
            ],
        ),
        ('R', &["resource.rec", "context.rec", "resource.gone.rec"]),
        ('D', &["resource.price", "resource.gone.price"]),
        ('I', &["resource.at", "resource.gone.at"]),
        ('W', &["resource.since", "resource.gone.since"]),
        ('U', &["resource.span", "resource.gone.span"]),
    ];
    let operators = [
        "B && B",
        "B || B",
        "!(B)",
        "B && B && B",
        "B || (B && B) || B",
        "if B then B else B",
        "(B && B) == B",
        "(B || B) != (!(B))",
        "[B && B, !(B)].contains(B || B)",
        "{ a: B && B, b: L < L } == { a: true, b: false }",
        "(if B then L else L) == 2",
        "(if B then E else E) has maybe",
        "(if B then E else E).flag",
        "L + L == 4",
        "L - L == 0",
        "L * L == 4",
        "-(L) < 0",
        "L < L",
        "L <= L",
        "L > L",
        "L >= L",
        "L == L",
        "L != L",
        "T like \"a*b\"",
        "(T like \"*\") == B",
        "T == T",
        "E == E",
        "E in E",
        "E in H",
        "E in [E, E]",
        "E in Group::\"inner\"",
        "E in Group::\"outer\"",
        "E in [Group::\"outer\"]",
        "E is Thing",
        "E is Group",
        "E is Thing in Group::\"outer\"",
        "(E is Thing) == B",
        "(E has maybe) == B",
        "(E in E) == B",
        "E has flag",
        "E has maybe",
        "E has nowhere",
        "E has peer.gone.flag",
        "E has rec.inner.c",
        "E has rec.inner.b",
        "(E has peer.peer.maybe) == B",
        "E has maybe && #.maybe == L",
        "R has a",
        "R has inner.c",
        "R has inner.b",
        "R has inner.c && #.inner.c == L",
        "R.a == L",
        "R == R",
        "R.inner.b",
        "E.hasTag(T)",
        "E.hasTag(\"k\") && #.getTag(\"k\") == 1",
        "(E.hasTag(T)) == B",
        "E.hasTag(T) && #.getTag(~) == 1",
        "E.flag",
        "E.peer.flag",
        "E.peer.peer.rec.inner.b",
        "S.isEmpty()",
        "(S.isEmpty()) == B",
        "S.contains(L)",
        "S.containsAll(S)",
        "S.containsAny([L, L])",
        "H.contains(E)",
        "H == H",
        "[L, L] == [L]",
        "[S, [L]].contains(S)",
        "S == S",
        "{ a: L, inner: { b: B } } == { a: L, inner: { b: B } }",
        "{ a: L, b: E }.b in E",
        "{ a: L } == { a: 2 }",
        "D.lessThan(D)",
        "D == D",
        "I.isInRange(I)",
        "I.isIpv4()",
        "I.isLoopback()",
        "I == I",
        "W < W",
        "W.offset(U) == W",
        "W.durationSince(W) <= U",
        "W.toDate() == W",
        "W.toTime() == U",
        "U.toDays() == L",
        "U < U",
        "W == W",
        "U == U",
        "action in Action::\"all\" && B",
        "action == Action::\"view\" || B",
        "action is Action && B",
        "action in [Action::\"edit\"] || B",
        "action in [Action::\"edit\", Action::\"all\"]",
    ];
    for operator in operators {
        let mut open: Vec<(String, Vec<&str>)> = vec![(String::new(), Vec::new())];
        for (index, char) in operator.char_indices() {
            let lone = |at: Option<char>| at.is_none_or(|next| !next.is_ascii_alphanumeric() && next != '"');
            let before = operator[..index].chars().next_back();
            let after = operator[index + 1..].chars().next();
            let kind = kinds.iter().find(|(letter, _)| *letter == char && lone(before) && lone(after));
            let mut longer = Vec::new();
            for (text, operands) in open {
                match (kind, char) {
                    (Some((_, choices)), _) => longer.extend(choices.iter().map(|choice| {
                        let mut operands = operands.clone();
                        operands.push(choice);
                        (format!("{text}{choice}"), operands)
                    })),
                    // The first or the second operand again.
                    (None, '#') => longer.push((format!("{text}{}", operands[0]), operands)),
                    (None, '~') => longer.push((format!("{text}{}", operands[1]), operands)),
                    (None, char) => longer.push((format!("{text}{char}"), operands)),
                }
            }
            open = longer;
        }
        into.extend(open.into_iter().map(|(text, _)| text));
    }
}

/// Compares all these expressions in one world; those that hold, those that do not and those that err must be many.
fn check(expressions: &[String]) {
    let name = |number: usize| format!("e{number:05}");
    let policies: String = expressions
        .iter()
        .enumerate()
        .map(|(number, text)| {
            format!(
                "@id(\"{}\") permit(principal, action == Action::\"view\", resource) when {{ {text} }};\n",
                name(number)
            )
        })
        .collect();
    let things = json!([
        { "uid": { "type": "Group", "id": "outer" }, "attrs": {}, "parents": [] },
        { "uid": { "type": "Group", "id": "inner" }, "attrs": {}, "parents": [{ "type": "Group", "id": "outer" }] },
        thing("a", true, "b", &[("Group", "inner"), ("Thing", "b")]),
        thing("b", false, "a", &[("Group", "outer")]),
    ]);
    let sources = Sources {
        schema: vec![Text::new("schema/operators.cedarschema", SCHEMA)],
        policies: vec![Text::new("policies/operators.cedar", policies)],
        entities: vec![Text::new("entities/operators.json", things.to_string())],
        ..Sources::default()
    };
    let snapshot = Snapshot::compile(
        &sources,
        &Options {
            level_max: 16,
            ..Options::default()
        },
    )
    .unwrap_or_else(|faults| panic!("{:#?}", faults.iter().map(ToString::to_string).take(20).collect::<Vec<_>>()));
    let entities = Entities::from_json_value(things, Some(snapshot.schema())).expect("good entities");
    let context = Json::read(CONTEXT.as_bytes(), 8).expect("good JSON");
    for (principal, resource) in [("b", "a"), ("a", "a"), ("stranger", "a")] {
        let query = Query {
            context: Some(&context),
            ..Query::plain(("Thing", principal), "view", ("Thing", resource))
        };
        let comparison = snapshot.compare(&query).expect("a good question");
        assert!(comparison.agrees(), "the evaluators differ");
        let uid = |text: String| -> EntityUid { text.parse().expect("a good name") };
        let action = uid("Action::\"view\"".to_owned());
        let cedars = Context::from_json_str(CONTEXT, Some((snapshot.schema(), &action))).expect("a good context");
        let request = Request::new(
            uid(format!("Thing::{principal:?}")),
            action,
            uid(format!("Thing::{resource:?}")),
            cedars,
            None,
        )
        .expect("a good request");
        let response = Authorizer::new().is_authorized(&request, snapshot.policy_set(), &entities);
        let mut answers: Vec<(String, Option<String>)> =
            response.diagnostics().reason().map(|id| (id.to_string(), None)).collect();
        answers.extend(response.diagnostics().errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => {
                (error.policy_id().to_string(), Some(error.inner().to_string()))
            }
        }));
        answers.sort();
        let served = comparison.served;
        let id = |number: u32| snapshot.policy(number).id.to_string();
        let mut ours: Vec<(String, Option<String>)> =
            served.determining.iter().map(|number| (id(*number), None)).collect();
        ours.extend(served.errors.iter().map(|error| (id(error.policy), Some(error.message.clone()))));
        ours.sort();
        let differing: Vec<String> = expressions
            .iter()
            .enumerate()
            .filter_map(|(number, text)| {
                let find = |answers: &[(String, Option<String>)]| {
                    answers.iter().find(|(id, _)| *id == name(number)).map(|(_, error)| error.clone())
                };
                let (stock, own) = (find(&answers), find(&ours));
                (stock != own).then(|| format!("{text}: stock Cedar {stock:?}, ours {own:?}"))
            })
            .collect();
        assert!(differing.is_empty(), "{principal} and {resource}: {differing:#?}");
        let (holding, erring) = (served.determining.len(), served.errors.len());
        println!("{} expressions, {holding} hold, {erring} err", expressions.len());
        assert!(
            holding * 12 > expressions.len() && erring * 50 > expressions.len(),
            "{holding} hold, {erring} err"
        );
    }
}

#[test]
fn operators_of_extensions_are_cedars_on_odd_values() {
    let mut expressions = Vec::new();
    extensions(&mut expressions);
    check(&expressions);
}

#[test]
fn operators_of_numbers_texts_and_sets_are_cedars_on_odd_values() {
    let mut expressions = Vec::new();
    numbers_and_texts(&mut expressions);
    sets(&mut expressions);
    check(&expressions);
}

#[test]
fn operators_err_where_cedars_do_and_stop_where_cedars_stop() {
    let mut expressions = Vec::new();
    operands(&mut expressions);
    check(&expressions);
}
