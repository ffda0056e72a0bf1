//! Filters: what is refused, what holds, and that no text breaks the reader.

use gatepost::scim::{Filter, ScimType, Type};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::rounds;

fn person() -> Map<String, Value> {
    let person = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "2819c223-7f76-453a-919d-413861904646",
        "externalId": "Ab",
        "userName": "Bob@Example.com",
        "name": {"givenName": "Bob", "familyName": "O'Malley"},
        "title": "say \"hi\" \\ bye",
        "nickName": "",
        "active": true,
        "emails": [
            {"value": "bob@example.com", "type": "work", "primary": true},
            {"value": "bob@home.org", "type": "home"},
        ],
        "roles": [{"display": "no value"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "department": "Straße",
            "manager": {"value": "M1"},
        },
        "meta": {"created": "2026-01-02T03:04:05Z", "lastModified": "2026-01-02T04:04:05.5+01:00"},
    });
    person.as_object().expect("an object").clone()
}

fn holds(filter: &str) -> Option<bool> {
    let filter = Filter::read(Type::User, filter).ok()?;
    Some(filter.holds(&person(), &|_| None))
}

#[test]
fn filters_hold_as_the_attributes_are_compared() {
    let cases = [
        ("userName eq \"bob@EXAMPLE.com\"", true),
        ("USERNAME EQ \"bob@example.com\"", true),
        ("userName   eq   \"bob@example.com\" ", true),
        ("externalId eq \"ab\"", false),
        ("externalId eq \"Ab\"", true),
        ("id eq \"2819C223-7f76-453a-919d-413861904646\"", false),
        ("userName ne \"bob@example.com\"", false),
        ("displayName ne \"x\"", true),
        ("userName sw \"BOB\"", true),
        ("userName ew \".COM\"", true),
        ("userName co \"@\"", true),
        ("userName gt \"alice\"", true),
        ("userName lt \"alice\"", false),
        ("userName ge \"bob@example.com\" and userName le \"bob@example.com\"", true),
        ("title eq \"say \\\"hi\\\" \\\\ bye\"", true),
        ("title co \"\\u0022hi\\u0022\"", true),
        ("title pr", true),
        ("nickName pr", false),
        ("displayName pr", false),
        ("displayName eq null", true),
        ("userName ne null", true),
        ("active eq true", true),
        ("active eq \"True\"", true),
        ("active eq False", false),
        ("name.familyName eq \"o'malley\"", true),
        ("name pr", true),
        ("emails eq \"bob@home.org\"", true),
        ("emails.value co \"home\"", true),
        ("emails.type eq \"work\" and emails.value co \"home\"", true),
        ("emails[type eq \"work\" and value co \"home\"]", false),
        ("emails[type eq \"work\"].value eq \"BOB@example.com\"", true),
        ("emails[type eq \"home\"].value eq \"bob@example.com\"", false),
        ("emails[not (type eq \"work\")]", true),
        ("emails[primary eq true]", true),
        ("emails.type ne \"work\"", true),
        ("phoneNumbers pr", false),
        ("roles pr", true),
        ("roles.value pr", false),
        ("not (userName pr)", false),
        ("not(userName pr)", false),
        ("title pr and active eq false or userName pr", true),
        ("title pr and (active eq false or userName pr)", true),
        ("active eq false and (active eq false or userName pr)", false),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"bob@example.com\"",
            true,
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"STRASSE\"",
            true,
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"M1\"",
            true,
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"m1\"",
            false,
        ),
        ("meta.created eq \"2026-01-02T04:04:05+01:00\"", true),
        ("meta.lastModified gt \"2026-01-02T03:04:05Z\"", true),
        ("meta.lastModified le \"2026-01-02T03:04:05.5Z\"", true),
        ("schemas eq \"urn:ietf:params:scim:schemas:core:2.0:User\"", true),
    ];
    for (filter, expected) in cases {
        assert_eq!(holds(filter), Some(expected), "{filter}");
    }
}

#[test]
fn what_is_no_filter_is_refused_and_never_means_everything() {
    let deep = format!("{}title pr{}", "(".repeat(100_000), ")".repeat(100_000));
    let deeper = format!("{}title pr{}", "(".repeat(40), ")".repeat(40));
    let long = vec!["title pr"; 1_000].join(" and ");
    let nots = format!("{}title pr{}", "not (".repeat(60), ")".repeat(60));
    let cases = [
        "",
        " ",
        "userName",
        "userName eq",
        "userName eq bob",
        "userName eq \"bob",
        "userName eq 'bob'",
        "userName eq \"bob\" or",
        "userName eq \"bob\" userName pr",
        "userName eq \"bob\")",
        "(userName eq \"bob\"",
        "userName xx \"bob\"",
        "userName eq \"\\x\"",
        "userName eq \"a\nb\"",
        "userName eq 1",
        "userName eq true",
        "shoeSize eq \"1\"",
        "name.shoe eq \"1\"",
        "userName.value eq \"1\"",
        "urn:example:User:userName eq \"1\"",
        "urn:ietf:params:scim:schemas:core:2.0:Group:displayName eq \"1\"",
        "members eq \"1\"",
        "password eq \"x\"",
        "password pr",
        "active gt true",
        "active co \"t\"",
        "active eq \"maybe\"",
        "name eq \"Bob\"",
        "addresses eq \"Bob\"",
        "meta.created gt \"yesterday\"",
        "meta.created co \"2026\"",
        "name[givenName eq \"Bob\"]",
        "userName[value eq \"Bob\"]",
        "emails[type eq \"work\"",
        "emails[type eq \"work\"].",
        "emails[type eq \"work\"].value",
        "emails[type eq \"work\"].shoe eq \"1\"",
        "emails[emails.type eq \"work\"]",
        "emails[emails[type eq \"work\"]]",
        "emails[userName eq \"x\"]",
        "emails[]",
        "not userName pr",
        "and",
        "userName eq \"a\" or userName pr\" x",
        "\u{0}",
        "é eq \"x\"",
        &deep,
        &deeper,
        &long,
        &nots,
    ];
    for filter in cases {
        let problem = Filter::read(Type::User, filter).expect_err(filter);
        let shown: String = filter.chars().take(60).collect();
        assert_eq!((problem.status, problem.kind), (400, Some(ScimType::InvalidFilter)), "{shown}");
        assert!(problem.detail.len() < 300, "{shown}");
    }
}

#[test]
fn a_value_is_a_value_whatever_is_written_in_it() {
    for value in [
        "a\" or userName pr or \"",
        "\\\" or 1 eq 1",
        "x\" eq \"x",
        "]",
        ") or (",
        "\u{202e}",
        "İ",
        "%00",
        "\u{0}",
    ] {
        let text = format!("userName eq {}", Value::from(value));
        let filter = Filter::read(Type::User, &text).expect("a filter");
        assert_eq!(filter.wants("userName"), Some(value));
        assert!(!filter.holds(&person(), &|_| None));
    }
}

#[test]
fn an_index_can_be_asked_for_what_a_filter_wants() {
    let cases = [
        ("userName eq \"a\"", "userName", Some("a")),
        ("title pr and userName eq \"a\"", "userName", Some("a")),
        ("title pr or userName eq \"a\"", "userName", None),
        ("not (userName eq \"a\")", "userName", None),
        ("userName sw \"a\"", "userName", None),
        ("id eq \"a\" and groups eq \"b\"", "groups", Some("b")),
        ("groups[value eq \"b\"]", "groups", Some("b")),
        ("groups[display eq \"b\"]", "groups", None),
    ];
    for (filter, name, wanted) in cases {
        let read = Filter::read(Type::User, filter).expect("a filter");
        assert_eq!(read.wants(name), wanted, "{filter}");
    }
}

/// Texts of filters with everything that the grammar has.
fn filters() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "userName",
        "title",
        "externalId",
        "name.givenName",
        "emails",
        "emails.type",
    ]);
    let inner = prop::sample::select(vec!["value", "type", "display"]);
    let operators = prop::sample::select(vec!["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]);
    let values = prop::sample::select(vec!["work", "Bob", "b", "", "\"", "\\", "Q", "example.com", "bob@home.org"]);
    let test =
        (names, operators.clone(), values.clone(), any::<bool>()).prop_map(|(name, operator, value, present)| {
            if present {
                format!("{name} pr")
            } else {
                format!("{name} {operator} {}", Value::from(value))
            }
        });
    let part = (inner, operators, values, any::<bool>()).prop_map(|(name, operator, value, present)| {
        if present {
            format!("{name} pr")
        } else {
            format!("{name} {operator} {}", Value::from(value))
        }
    });
    let within = joined(part.boxed()).prop_map(|filter| format!("emails[{filter}]"));
    joined(prop_oneof![3 => test, 1 => within].boxed())
}

fn joined(leaf: BoxedStrategy<String>) -> BoxedStrategy<String> {
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" OR "))),
            inner.prop_map(|filter| format!("not ({filter})")),
        ]
    })
    .boxed()
}

/// A second reader and evaluator, in one: no table, no tree, straight from the text. It knows only what [`filters`] writes.
mod naive {
    use serde_json::{Map, Value};

    pub(super) fn holds(text: &str, object: &Map<String, Value>) -> bool {
        let text = text.trim();
        if let Some(inner) = text.strip_prefix("not (").and_then(|rest| rest.strip_suffix(')')) {
            return !holds(inner, object);
        }
        if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            let ands = split(inner, " and ");
            if ands.len() > 1 {
                return ands.iter().all(|part| holds(part, object));
            }
            return split(inner, " OR ").iter().any(|part| holds(part, object));
        }
        if let Some(inner) = text.strip_prefix("emails[").and_then(|rest| rest.strip_suffix(']')) {
            let emails = object.get("emails").and_then(Value::as_array).cloned().unwrap_or_default();
            return emails.iter().any(|email| holds(inner, email.as_object().expect("an object")));
        }
        test(text, object)
    }

    /// Cuts at a word outside strings, parentheses and brackets.
    fn split<'t>(text: &'t str, word: &str) -> Vec<&'t str> {
        let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0, false);
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                b'(' | b'[' if !quoted => depth += 1,
                b')' | b']' if !quoted => depth -= 1,
                _ if !quoted && depth == 0 && text[at..].starts_with(word) => {
                    parts.push(&text[start..at]);
                    at += word.len();
                    start = at;
                    continue;
                }
                _ => {}
            }
            at += 1;
            while at < bytes.len() && !text.is_char_boundary(at) {
                at += 1;
            }
        }
        parts.push(&text[start..]);
        parts
    }

    fn test(text: &str, object: &Map<String, Value>) -> bool {
        let mut words = text.splitn(3, ' ');
        let (name, operator) = (words.next().expect("a name"), words.next().expect("an operator"));
        let fold = |text: &str| {
            if name == "externalId" {
                text.to_owned()
            } else {
                text.to_lowercase()
            }
        };
        let found: Vec<String> = match (name, name.split_once('.')) {
            ("emails", _) => emails(object, "value"),
            (_, Some(("emails", part))) => emails(object, part),
            (_, Some((name, part))) => {
                object.get(name).into_iter().filter_map(|name| text_of(name.get(part))).collect()
            }
            (name, None) => text_of(object.get(name)).into_iter().collect(),
        };
        if operator == "pr" {
            return found.iter().any(|value| !value.is_empty());
        }
        let wanted: String = serde_json::from_str(words.next().expect("a value")).expect("a string");
        let wanted = fold(&wanted);
        let passes = |value: &String| {
            let value = fold(value);
            match operator {
                "eq" => value == wanted,
                "ne" => value != wanted,
                "co" => value.contains(&wanted),
                "sw" => value.starts_with(&wanted),
                "ew" => value.ends_with(&wanted),
                "gt" => value > wanted,
                "ge" => value >= wanted,
                "lt" => value < wanted,
                _ => value <= wanted,
            }
        };
        found.iter().any(passes) || (operator == "ne" && found.is_empty())
    }

    fn emails(object: &Map<String, Value>, part: &str) -> Vec<String> {
        let emails = object.get("emails").and_then(Value::as_array);
        emails.into_iter().flatten().filter_map(|email| text_of(email.get(part))).collect()
    }

    fn text_of(value: Option<&Value>) -> Option<String> {
        value.and_then(Value::as_str).map(str::to_owned)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds(2_000).max(2_000) as u32))]

    #[test]
    fn a_filter_that_is_printed_reads_as_itself(text in filters()) {
        let filter = Filter::read(Type::User, &text).expect("a filter");
        let printed = filter.to_string();
        prop_assert_eq!(Filter::read(Type::User, &printed).expect("printed"), filter, "{}", printed);
    }

    #[test]
    fn a_filter_holds_as_a_second_evaluator_says(text in filters()) {
        let filter = Filter::read(Type::User, &text).expect("a filter");
        prop_assert_eq!(filter.holds(&person(), &|_| None), naive::holds(&text, &person()), "{}", text);
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,80}") {
        let _ = Filter::read(Type::User, &text);
    }

    #[test]
    fn no_mixture_of_its_words_breaks_the_reader(
        words in prop::collection::vec(prop::sample::select(vec![
            "userName", "emails", "[", "]", "(", ")", "not", "and", "or", "eq", "pr", "\"x\"", "\"", "\\", ".", ".value", ":",
            "urn:", "urn:ietf:params:scim:schemas:core:2.0:User", "true", "null", "1", " ", "é",
        ]), 0..20)
    ) {
        for separator in ["", " "] {
            let text = words.join(separator);
            if let Ok(filter) = Filter::read(Type::User, &text) {
                let _ = filter.holds(&person(), &|_| None);
                prop_assert_eq!(Filter::read(Type::User, &filter.to_string()), Ok(filter));
            }
        }
    }
}
