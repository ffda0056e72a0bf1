//! PATCH as identity providers send it, on values: what comes out, and what is refused.

use std::collections::BTreeSet;

use gatepost::scim::{GroupChange, ScimType, operations, patch_group, patch_user, read_group, read_user};
use proptest::prelude::*;
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn person() -> Value {
    json!({
        "userName": "bob", "externalId": "e1", "active": true, "title": "Clerk",
        "name": {"givenName": "Bob", "familyName": "Roe"},
        "emails": [{"value": "b@work", "type": "work", "primary": true}, {"value": "b@home", "type": "home"}],
        "roles": [{"value": "r1"}, {"value": "r2"}],
        (ENTERPRISE): {"department": "Sales"},
    })
}

/// What becomes of the person, or the kind of mistake.
fn patched(list: Value) -> Result<Value, Option<ScimType>> {
    let person = read_user(person()).expect("a person");
    let operations = operations(json!({"Operations": list})).map_err(|problem| problem.kind)?;
    patch_user(&person, &operations).map(Value::Object).map_err(|problem| problem.kind)
}

#[test]
fn users_are_patched_as_clients_mean_it() {
    let work = "emails[type eq \"work\"].value";
    let cases: Vec<(Value, &str, Value)> = vec![
        // Rows 4, 11, 12 and 13: each form of a deactivation.
        (json!([{"op": "replace", "value": {"active": false}}]), "/active", json!(false)),
        (
            json!([{"op": "Replace", "path": "active", "value": "False"}]),
            "/active",
            json!(false),
        ),
        (
            json!([{"op": "REPLACE", "path": "Active", "value": "false"}]),
            "/active",
            json!(false),
        ),
        (
            json!([{"op": "add", "path": "active", "value": "FALSE"}]),
            "/active",
            json!(false),
        ),
        (
            json!([{"op": "replace", "value": {"active": "False"}}]),
            "/active",
            json!(false),
        ),
        (
            json!([{"op": "replace", "path": "title", "value": "False"}]),
            "/title",
            json!("False"),
        ),
        // Row 17: there is a work address or there is none.
        (
            json!([{"op": "Replace", "path": work, "value": "n@work"}]),
            "/emails/0/value",
            json!("n@work"),
        ),
        (
            json!([{"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1"}]),
            "/phoneNumbers",
            json!([{"type": "mobile", "value": "1"}]),
        ),
        (
            json!([{"op": "replace", "path": "addresses[type eq \"work\" and primary eq true].locality", "value": "Rome"}]),
            "/addresses",
            json!([{"type": "work", "primary": true, "locality": "Rome"}]),
        ),
        // Row 18: keys that are paths.
        (
            json!([{"op": "replace", "value": {"name.givenName": "K"}}]),
            "/name/givenName",
            json!("K"),
        ),
        (
            json!([{"op": "replace", "value": {"name.givenName": "K"}}]),
            "/name/familyName",
            json!("Roe"),
        ),
        (
            json!([{"op": "add", "value": {(work): "n@work"}}]),
            "/emails/0/value",
            json!("n@work"),
        ),
        (
            json!([{"op": "replace", "value": {(format!("{ENTERPRISE}:employeeNumber")): "7"}}]),
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            json!({"department": "Sales", "employeeNumber": "7"}),
        ),
        // Row 23: a manager as a bare string.
        (
            json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": "m1"}]),
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/manager",
            json!({"value": "m1"}),
        ),
        // D-08: nothing that is ours is changed by a resource that is sent back.
        (
            json!([{"op": "replace", "value": {"id": "x", "meta": {"version": "1"}, "groups": [{"value": "g"}],
                "schemas": ["x"], "urn:ietf:params:scim:schemas:core:2.0:User:id": "x", "meta.version": "y", "title": "T"}}]),
            "",
            {
                let mut person = person();
                person["title"] = json!("T");
                person
            },
        ),
        // What we do not know of is passed over: an odd schema, a name in a value.
        (
            json!([{"op": "add", "path": "urn:example:2.0:User:shoe", "value": 9}]),
            "",
            person(),
        ),
        (
            json!([{"op": "add", "value": {"shoe": 9, "urn:example:2.0:User": {"a": 1}}}]),
            "",
            person(),
        ),
        (json!([{"op": "add", "path": "password", "value": "geheim"}]), "", person()),
        (json!([{"op": "add", "value": {"password": "geheim"}}]), "", person()),
        // Several values: added once, preferred once, taken away by what they are.
        (
            json!([{"op": "add", "path": "roles", "value": [{"value": "r1"}]}]),
            "",
            person(),
        ),
        (
            json!([{"op": "add", "path": "roles", "value": "r3"}]),
            "/roles/2",
            json!({"value": "r3"}),
        ),
        (
            json!([{"op": "add", "path": "roles", "value": [{"value": "r3", "display": null}]}]),
            "/roles/2",
            json!({"value": "r3"}),
        ),
        (
            json!([{"op": "remove", "path": "roles", "value": [{"value": "r1"}]}]),
            "/roles",
            json!([{"value": "r2"}]),
        ),
        (
            json!([{"op": "remove", "path": "roles[value eq \"r1\"]"}]),
            "/roles",
            json!([{"value": "r2"}]),
        ),
        (json!([{"op": "remove", "path": "roles[value eq \"r9\"]"}]), "", person()),
        (json!([{"op": "remove", "path": "roles", "value": []}]), "", person()),
        (
            json!([{"op": "add", "path": "emails", "value": {"value": "n", "type": "other", "primary": true}}]),
            "/emails/0/primary",
            json!(false),
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}]),
            "/emails/0/primary",
            json!(false),
        ),
        (
            json!([{"op": "replace", "path": "emails", "value": [{"value": "n"}]}]),
            "/emails",
            json!([{"value": "n"}]),
        ),
        (
            json!([{"op": "replace", "path": "emails.type", "value": "other"}]),
            "/emails/1/type",
            json!("other"),
        ),
        // In their order.
        (
            json!([{"op": "remove", "path": "roles"}, {"op": "add", "path": "roles", "value": "r9"}]),
            "/roles",
            json!([{"value": "r9"}]),
        ),
        (
            json!([{"op": "replace", "path": "name.givenName", "value": null}]),
            "/name",
            json!({"familyName": "Roe"}),
        ),
    ];
    for (list, pointer, expected) in cases {
        let person = patched(list.clone()).unwrap_or_else(|kind| panic!("{list}: {kind:?}"));
        assert_eq!(person.pointer(pointer), Some(&expected), "{list}");
    }
    for (list, gone) in [
        (json!([{"op": "remove", "path": "title"}]), "/title"),
        (json!([{"op": "replace", "path": "title", "value": null}]), "/title"),
        (json!([{"op": "remove", "path": "roles"}]), "/roles"),
        (json!([{"op": "replace", "path": "roles", "value": []}]), "/roles"),
        (json!([{"op": "remove", "path": "active"}]), "/active"),
        (
            json!([{"op": "remove", "path": ENTERPRISE}]),
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        ),
        (
            json!([{"op": "remove", "path": format!("{ENTERPRISE}:department")}]),
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        ),
    ] {
        assert_eq!(patched(list.clone()).expect("a person").pointer(gone), None, "{list}");
    }
}

#[test]
fn what_cannot_be_patched_is_refused_with_its_kind() {
    use ScimType::{InvalidFilter, InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget};
    let cases = [
        (json!([]), InvalidSyntax),
        (json!({}), InvalidSyntax),
        (json!(["x"]), InvalidSyntax),
        (json!([{"op": "move", "path": "title"}]), InvalidSyntax),
        (json!([{"path": "title", "value": "x"}]), InvalidSyntax),
        (json!([{"op": "add", "path": 1, "value": "x"}]), InvalidSyntax),
        (json!([{"op": "add", "OP": "remove", "path": "title"}]), InvalidSyntax),
        (json!([{"op": "remove"}]), NoTarget),
        (json!([{"op": "remove", "value": {"title": "x"}}]), NoTarget),
        (json!([{"op": "add", "value": "x"}]), InvalidValue),
        (json!([{"op": "add"}]), InvalidValue),
        (json!([{"op": "replace", "path": "shoe", "value": 9}]), InvalidPath),
        (json!([{"op": "replace", "path": "name.shoe", "value": 9}]), InvalidPath),
        (
            json!([{"op": "replace", "path": "name[givenName eq \"x\"]", "value": {}}]),
            InvalidPath,
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq \"work\"]value", "value": "x"}]),
            InvalidPath,
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq \"work\"].shoe", "value": "x"}]),
            InvalidPath,
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq", "value": "x"}]),
            InvalidFilter,
        ),
        (
            json!([{"op": "replace", "path": "emails[shoe eq \"x\"].value", "value": "x"}]),
            InvalidFilter,
        ),
        (
            json!([{"op": "replace", "path": "emails[type ne \"work\" and type ne \"home\"].value", "value": "x"}]),
            NoTarget,
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq \"a\" and type eq \"b\"].value", "value": "x"}]),
            NoTarget,
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq \"x\"].type", "value": "y"}]),
            InvalidValue,
        ),
        (json!([{"op": "replace", "path": "id", "value": "x"}]), Mutability),
        (json!([{"op": "remove", "path": "meta"}]), Mutability),
        (json!([{"op": "add", "path": "meta.version", "value": "x"}]), Mutability),
        (json!([{"op": "add", "path": "groups", "value": [{"value": "g"}]}]), Mutability),
        (json!([{"op": "remove", "path": "groups[value eq \"g\"]"}]), Mutability),
        (json!([{"op": "add", "path": "schemas", "value": ["x"]}]), Mutability),
        (json!([{"op": "remove", "path": "userName"}]), InvalidValue),
        (json!([{"op": "replace", "path": "userName", "value": " "}]), InvalidValue),
        (json!([{"op": "replace", "path": "userName", "value": 5}]), InvalidValue),
        (json!([{"op": "replace", "path": "active", "value": "no"}]), InvalidValue),
        (json!([{"op": "replace", "path": "active", "value": 0}]), InvalidValue),
        (json!([{"op": "replace", "path": "name", "value": "Bob"}]), InvalidValue),
        (
            json!([{"op": "replace", "path": "x509Certificates", "value": "§"}]),
            InvalidValue,
        ),
        (
            json!([{"op": "add", "path": "emails", "value": [{"value": "1", "primary": true}, {"value": "2", "primary": true}]}]),
            InvalidValue,
        ),
        (
            json!([{"op": "replace", "value": {"emails": [{"VALUE": "1", "value": "2"}]}}]),
            InvalidSyntax,
        ),
        // One bad operation, and none is done.
        (
            json!([{"op": "replace", "path": "title", "value": "x"}, {"op": "replace", "path": "shoe", "value": 9}]),
            InvalidPath,
        ),
    ];
    for (list, expected) in cases {
        assert_eq!(patched(list.clone()), Err(Some(expected)), "{list}");
    }
    let many = vec![json!({"op": "replace", "path": "title", "value": "x"}); 1_001];
    let problem = operations(json!({"Operations": many})).expect_err("too many");
    assert_eq!(problem.status, 413);
}

fn changed(list: Value) -> Result<GroupChange, Option<ScimType>> {
    let operations = operations(json!({"Operations": list})).map_err(|problem| problem.kind)?;
    patch_group(&operations).map_err(|problem| problem.kind)
}

#[test]
fn members_change_by_a_difference() {
    // What becomes of a group with u1 and u2.
    let cases = [
        // Rows 7, 8, 14, 15 and 16.
        (
            json!([{"op": "remove", "path": "members[value eq \"u1\"]"},
                {"op": "add", "path": "members", "value": [{"value": "u3", "display": "U"}]}]),
            "u2 u3",
        ),
        (
            json!([{"op": "replace", "path": "members", "value": [{"value": "u3"}, {"value": "u1"}]}]),
            "u1 u3",
        ),
        (json!([{"op": "Remove", "path": "members", "value": [{"value": "u1"}]}]), "u2"),
        (
            json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "u9"}]}]),
            "u1 u2",
        ),
        (json!([{"op": "Remove", "path": "members", "value": []}]), "u1 u2"),
        (json!([{"op": "Remove", "path": "members"}]), ""),
        (
            json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": "u3"}, {"value": "u1"}]}]),
            "u1 u2 u3",
        ),
        (json!([{"op": "add", "value": {"members": [{"value": "u3"}]}}]), "u1 u2 u3"),
        (json!([{"op": "replace", "value": {"Members": [{"value": "u3"}]}}]), "u3"),
        (json!([{"op": "replace", "path": "members", "value": null}]), ""),
        (
            json!([{"op": "remove", "path": "members[value eq \"u1\" or value eq \"u2\"]"}]),
            "",
        ),
        (
            json!([{"op": "add", "path": "members", "value": {"value": "u3"}}, {"op": "remove", "path": "members"},
                {"op": "add", "path": "members", "value": "u2"}]),
            "u2",
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"u3\"]"}, {"op": "add", "path": "members", "value": "u3"}]),
            "u1 u2 u3",
        ),
        // Row 6: the id in the value is not its to change.
        (json!([{"op": "replace", "value": {"id": "x", "displayName": "Old"}}]), "u1 u2"),
        (
            json!([{"op": "replace", "value": {"schemas": ["x"], "meta": {}, "shoe": 1}}]),
            "u1 u2",
        ),
    ];
    for (list, expected) in cases {
        let change = changed(list.clone()).unwrap_or_else(|kind| panic!("{list}: {kind:?}"));
        let mut members: BTreeSet<&str> = if change.members.emptied {
            [].into()
        } else {
            ["u1", "u2"].into()
        };
        for (id, stays) in &change.members.ids {
            if *stays {
                members.insert(id)
            } else {
                members.remove(id.as_str())
            };
        }
        assert_eq!(members.into_iter().collect::<Vec<_>>().join(" "), expected, "{list}");
    }
    let change =
        changed(json!([{"op": "replace", "value": {"displayName": "New", "externalId": "e"}}])).expect("a change");
    assert_eq!(
        (change.display_name.as_deref(), change.external_id),
        (Some("New"), Some(Some("e".to_owned())))
    );
    assert!(change.members.is_empty());
}

#[test]
fn what_a_group_cannot_have_is_refused() {
    use ScimType::{InvalidFilter, InvalidPath, InvalidValue, Mutability, NoTarget};
    let cases = [
        (json!([{"op": "remove", "path": "members[display eq \"x\"]"}]), InvalidFilter),
        (
            json!([{"op": "remove", "path": "members[not (value eq \"x\")]"}]),
            InvalidFilter,
        ),
        (
            json!([{"op": "remove", "path": "members[value eq \"x\"].display"}]),
            InvalidPath,
        ),
        (
            json!([{"op": "replace", "path": "members[value eq \"x\"]", "value": {"value": "y"}}]),
            Mutability,
        ),
        (json!([{"op": "replace", "path": "members.value", "value": "y"}]), Mutability),
        (
            json!([{"op": "add", "path": "members", "value": [{"display": "x"}]}]),
            InvalidValue,
        ),
        (json!([{"op": "add", "path": "members", "value": [5]}]), InvalidValue),
        (json!([{"op": "remove", "path": "displayName"}]), InvalidValue),
        (json!([{"op": "replace", "path": "displayName", "value": ""}]), InvalidValue),
        (json!([{"op": "replace", "path": "displayName", "value": null}]), InvalidValue),
        (json!([{"op": "replace", "path": "id", "value": "x"}]), Mutability),
        (json!([{"op": "replace", "path": "userName", "value": "x"}]), InvalidPath),
        (json!([{"op": "remove"}]), NoTarget),
    ];
    for (list, expected) in cases {
        assert_eq!(changed(list.clone()), Err(Some(expected)), "{list}");
    }
}

#[test]
fn bodies_are_read_with_what_is_kept_of_them() {
    let user = read_user(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:example:odd"],
        "USERNAME": "Bob", "password": "geheim", "groups": [], "id": "mine", "meta": {"resourceType": "User"},
        "roles": [], "emails": null, "name": {"givenName": null}, "active": "True", "shoe": 9,
        (ENTERPRISE.to_uppercase()): {"manager": "m1", "department": null},
    }));
    let expected = json!({"userName": "Bob", "active": true, (ENTERPRISE): {"manager": {"value": "m1"}}});
    assert_eq!(user.map(Value::Object), Ok(expected));
    for body in [
        json!([]),
        json!({}),
        json!({"userName": ""}),
        json!({"userName": null}),
        json!({"userName": ["a"]}),
        json!({"userName": "a", "username": "b"}),
        json!({"userName": "a", "title": "x".repeat(70_000)}),
    ] {
        assert!(read_user(body.clone()).is_err(), "{body}");
    }
    let group = read_group(json!({
        "schemas": ["http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "displayName": "Sales", "externalId": "e", "id": "mine", "members": [{"value": "u1", "$ref": null}, null, "u2"],
    }));
    let group = group.expect("a group");
    assert_eq!(
        (group.display_name.as_str(), group.external_id.as_deref()),
        ("Sales", Some("e"))
    );
    assert_eq!(group.members.into_iter().collect::<Vec<_>>(), ["u1", "u2"]);
    assert!(read_group(json!({"members": []})).is_err());
}

/// JSON that has the words of PATCH, and no sense.
fn json_of_words() -> impl Strategy<Value = Value> {
    let words = vec![
        "op",
        "path",
        "value",
        "add",
        "replace",
        "remove",
        "active",
        "emails",
        "members",
        "name.givenName",
        "id",
        "type",
        "emails[type eq \"work\"]",
        "emails[type eq \"work\"].value",
        "members[value eq \"x\"]",
        "name",
        "[",
        "",
        "userName",
        ENTERPRISE,
    ];
    let word = prop::sample::select(words);
    let leaf = prop_oneof![
        word.clone().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..4).prop_map(|members| Value::Object(
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_body_breaks_anything_and_what_comes_out_reads_as_itself(
        list in prop::collection::vec((prop::sample::select(vec!["add", "replace", "remove"]), json_of_words(), json_of_words()), 1..4),
    ) {
        let list: Vec<Value> =
            list.into_iter().map(|(op, path, value)| json!({"op": op, "path": path, "value": value})).collect();
        let _ = changed(Value::Array(list.clone()));
        if let Ok(person) = patched(Value::Array(list)) {
            prop_assert_eq!(read_user(person.clone()).map(Value::Object), Ok(person));
        }
    }

    #[test]
    fn no_resource_breaks_anything(body in json_of_words()) {
        let _ = read_group(body.clone());
        let _ = operations(body.clone());
        if let Ok(user) = read_user(body) {
            prop_assert_eq!(read_user(Value::Object(user.clone())), Ok(user));
        }
    }
}
