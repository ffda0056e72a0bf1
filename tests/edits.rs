//! Edits of directory documents: only the entry changes, whatever it is written like.

mod random;

use gatepost::directory::{Change, Edit, Item, Kind, Member, Permission, Scalar, edit};
use gatepost::engine::Text;

use crate::support::repository;

pub(crate) fn set(id: &str, key: &'static str, value: &str) -> Edit {
    change(
        Kind::User,
        id,
        Change::Set {
            key,
            value: Scalar::Text(value.to_owned()),
        },
    )
}

fn active(id: &str, flag: bool) -> Edit {
    change(
        Kind::User,
        id,
        Change::Set {
            key: "active",
            value: Scalar::Flag(flag),
        },
    )
}

fn unset(id: &str, key: &'static str) -> Edit {
    change(Kind::User, id, Change::Unset { key })
}

fn change(kind: Kind, id: &str, change: Change) -> Edit {
    Edit {
        kind,
        id: id.to_owned(),
        change,
    }
}

fn items(ids: &[&str]) -> Vec<Item> {
    ids.iter()
        .map(|id| Item {
            id: (*id).to_owned(),
            permission: None,
        })
        .collect()
}

fn add(team: &str, list: &'static str, ids: &[&str]) -> Edit {
    change(
        Kind::Team,
        team,
        Change::Add {
            list,
            items: items(ids),
        },
    )
}

fn level(team: &str, id: &str, permission: Option<Permission>) -> Edit {
    let items = vec![Item {
        id: id.to_owned(),
        permission,
    }];
    change(
        Kind::Team,
        team,
        Change::Add {
            list: "datastores",
            items,
        },
    )
}

fn remove(team: &str, list: &'static str, ids: &[&str]) -> Edit {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    change(Kind::Team, team, Change::Remove { list, ids })
}

fn create(id: &str) -> Edit {
    let members = vec![
        ("name", Member::Scalar(Scalar::Text("New One".to_owned()))),
        ("role", Member::Scalar(Scalar::Text("Member".to_owned()))),
    ];
    change(Kind::User, id, Change::Create { members })
}

fn create_team(id: &str) -> Edit {
    let members = vec![
        ("name", Member::Scalar(Scalar::Text("New".to_owned()))),
        ("users", Member::List(items(&["a", "no"]))),
    ];
    change(Kind::Team, id, Change::Create { members })
}

fn delete(id: &str) -> Edit {
    change(Kind::User, id, Change::Delete)
}

fn rename(id: &str, to: &str) -> Edit {
    change(Kind::User, id, Change::Rename { to: to.to_owned() })
}

fn made(file: &str, old: &str, edits: &[Edit]) -> String {
    match edit(&Text::new(file, old), edits) {
        Ok(new) => new,
        Err(fault) => panic!("{fault}\n{edits:?}\n{old}"),
    }
}

fn check(old: &str, edits: &[Edit], new: &str) {
    assert_eq!(made("x.yaml", old, edits), new, "{edits:?} of\n{old}");
}

fn check_json(old: &str, edits: &[Edit], new: &str) {
    assert_eq!(made("x.json", old, edits), new, "{edits:?} of\n{old}");
}

#[test]
fn a_key_gets_a_value_where_it_stands() {
    check(
        "users:\n  a: { name: A, role: Admin } # c\n",
        &[set("a", "role", "Member")],
        "users:\n  a: { name: A, role: Member } # c\n",
    );
    check(
        "users:\n  a: {role: 'Admin'}\n",
        &[set("a", "role", "Member")],
        "users:\n  a: {role: 'Member'}\n",
    );
    check(
        "users:\n  a:\n    role:   Admin  # why\n",
        &[set("a", "role", "Member")],
        "users:\n  a:\n    role:   Member  # why\n",
    );
    check(
        "users: {a: {role: Admin}}",
        &[set("a", "role", "Member")],
        "users: {a: {role: Member}}",
    );
    check(
        "users:\n  a:\n    name:\n    role: Member\n",
        &[set("a", "name", "no")],
        "users:\n  a:\n    name: 'no'\n    role: Member\n",
    );
    check(
        "users:\n  a: { name:, role: Member }\n",
        &[set("a", "name", "x")],
        "users:\n  a: { name: x, role: Member }\n",
    );
    check(
        "users:\n  a:\n    name: |-\n      long\n      name\n\n    role: Member\n",
        &[set("a", "name", "b\nc")],
        "users:\n  a:\n    name: \"b\\nc\"\n\n    role: Member\n",
    );
    check(
        "users:\n  a: {name: ~, role: Member}\n",
        &[set("a", "name", "~")],
        "users:\n  a: {name: '~', role: Member}\n",
    );
    check(
        "users:\n  a: {active: false, role: Member}\n",
        &[active("a", true)],
        "users:\n  a: {active: true, role: Member}\n",
    );
    check(
        "users:\n  \"a\" : { role: Admin }\n",
        &[set("a", "role", "Member")],
        "users:\n  \"a\" : { role: Member }\n",
    );
    check_json(
        r#"{"users":{"a":{"role":"Admin"}}}"#,
        &[set("a", "role", "Member")],
        r#"{"users":{"a":{"role":"Member"}}}"#,
    );
}

#[test]
fn a_key_that_is_missing_is_added_behind_the_others() {
    check(
        "users:\n  a: { name: A, role: Admin } # c\n",
        &[active("a", false)],
        "users:\n  a: { name: A, role: Admin, active: false } # c\n",
    );
    check(
        "users:\n  a:\n    role: Member # c\n\n  # b\n  b: {role: Admin}",
        &[active("a", false)],
        "users:\n  a:\n    role: Member # c\n    active: false\n\n  # b\n  b: {role: Admin}",
    );
    check(
        "users:\r\n  a:\r\n    role: Member # c\r\n",
        &[active("a", false)],
        "users:\r\n  a:\r\n    role: Member # c\r\n    active: false\r\n",
    );
    check(
        "users:\n  b: {role: Admin}\n  a:\n    role: Member",
        &[active("a", false)],
        "users:\n  b: {role: Admin}\n  a:\n    role: Member\n    active: false",
    );
    check(
        "users:\n  a: {\n    name: A, # one\n    role: Admin # two\n  }\n",
        &[active("a", false)],
        "users:\n  a: {\n    name: A, # one\n    role: Admin, # two\n    active: false\n  }\n",
    );
    check(
        "users:\n  a: {\n    name: A,\n    role: Admin, # two\n  }\n",
        &[active("a", false)],
        "users:\n  a: {\n    name: A,\n    role: Admin, # two\n    active: false,\n  }\n",
    );
    check(
        "users:\n  a: {role: Admin,}\n",
        &[active("a", false)],
        "users:\n  a: {role: Admin, active: false,}\n",
    );
    check(
        "users:\n  a:\n  b: {role: Member}\n",
        &[active("a", false)],
        "users:\n  a: {active: false}\n  b: {role: Member}\n",
    );
    check(
        "users:\n  a: {} # c\n",
        &[active("a", false)],
        "users:\n  a: { active: false } # c\n",
    );
    check("users:\n  a: ~\n", &[active("a", false)], "users:\n  a: { active: false }\n");
    check(
        "users: {a, b: {role: Member}}\n",
        &[active("a", false)],
        "users: {a: {active: false}, b: {role: Member}}\n",
    );
    check(
        "teams:\n  t:\n    description: |+\n      x\n\n    name: y\n",
        &[add("t", "users", &["a"])],
        "teams:\n  t:\n    description: |+\n      x\n\n    name: y\n    users: [a]\n",
    );
    check(
        "teams:\n  t:\n    description: |+\n      x\n\n\n  u: {}\n",
        &[add("t", "users", &["a"])],
        "teams:\n  t:\n    description: |+\n      x\n\n\n    users: [a]\n  u: {}\n",
    );
    check_json(
        "{\n  \"users\": {\n    \"a\": {\n      \"role\": \"Admin\"\n    }\n  }\n}\n",
        &[active("a", false)],
        "{\n  \"users\": {\n    \"a\": {\n      \"role\": \"Admin\",\n      \"active\": false\n    }\n  }\n}\n",
    );
    check_json(
        r#"{"users":{"a":{"role":"Admin","name":"A"}}}"#,
        &[active("a", false)],
        r#"{"users":{"a":{"role":"Admin","name":"A","active":false}}}"#,
    );
    check_json(
        r#"{"users": {"a": {"role": "Admin"}}}"#,
        &[active("a", false)],
        r#"{"users": {"a": {"role": "Admin", "active": false}}}"#,
    );
}

#[test]
fn a_key_is_taken_out_and_its_comments_stay() {
    check(
        "users:\n  a: { name: A, role: Admin, active: false } # c\n",
        &[unset("a", "active")],
        "users:\n  a: { name: A, role: Admin } # c\n",
    );
    check(
        "users:\n  a: { active: false, role: Admin }\n",
        &[unset("a", "active")],
        "users:\n  a: { role: Admin }\n",
    );
    check("users:\n  a: { active: false }\n", &[unset("a", "active")], "users:\n  a: {}\n");
    check(
        "users:\n  a: { role: Admin, active: false, }\n",
        &[unset("a", "active")],
        "users:\n  a: { role: Admin, }\n",
    );
    check(
        "users:\n  a:\n    active: false # since May\n    role: Admin\n",
        &[unset("a", "active")],
        "users:\n  a:\n    # since May\n    role: Admin\n",
    );
    check(
        "users:\n  a:\n    role: Admin\n    active: false",
        &[unset("a", "active")],
        "users:\n  a:\n    role: Admin",
    );
    check(
        "users:\n  a: {\n    role: Admin, # r\n    active: false # a\n  }\n",
        &[unset("a", "active")],
        "users:\n  a: {\n    role: Admin # r\n    # a\n  }\n",
    );
    check_json(
        "{\"users\": {\"a\": {\n  \"role\": \"Admin\",\n  \"active\": false\n}}}",
        &[unset("a", "active")],
        "{\"users\": {\"a\": {\n  \"role\": \"Admin\"\n}}}",
    );
}

#[test]
fn a_list_grows_and_shrinks_in_its_own_style() {
    for (old, edits, new) in [
        (
            "    users: [a, b]\n",
            vec![add("t", "users", &["c", "no"])],
            "    users: [a, b, c, 'no']\n",
        ),
        (
            "    users: [ 'a' ] # c\n",
            vec![add("t", "users", &["c"])],
            "    users: [ 'a', 'c' ] # c\n",
        ),
        ("    users: []\n", vec![add("t", "users", &["c"])], "    users: [c]\n"),
        ("    users:\n", vec![add("t", "users", &["c"])], "    users: [c]\n"),
        ("    users: [a,b]\n", vec![add("t", "users", &["c"])], "    users: [a,b,c]\n"),
        ("    users: [a, b]\n", vec![add("t", "users", &["a"])], "    users: [a, b]\n"),
        (
            "    users:\n      - a # x\n      - b\n    name: T\n",
            vec![add("t", "users", &["c"])],
            "    users:\n      - a # x\n      - b\n      - c\n    name: T\n",
        ),
        (
            "    users:\n    - a\n    - b # x\n",
            vec![add("t", "users", &["c"])],
            "    users:\n    - a\n    - b # x\n    - c\n",
        ),
        (
            "    users: [\n      a, # x\n      b # y\n    ]\n",
            vec![add("t", "users", &["c", "d"])],
            "    users: [\n      a, # x\n      b, # y\n      c,\n      d\n    ]\n",
        ),
        ("    users: [a, b]\n", vec![remove("t", "users", &["a"])], "    users: [b]\n"),
        ("    users: [a, b]\n", vec![remove("t", "users", &["b"])], "    users: [a]\n"),
        (
            "    users: [a, b]\n",
            vec![remove("t", "users", &["b", "a"])],
            "    users: []\n",
        ),
        (
            "    users: [a, b, a, c]\n",
            vec![remove("t", "users", &["a"])],
            "    users: [b, c]\n",
        ),
        (
            "    users:\n      - a # x\n      # y\n      - b\n",
            vec![remove("t", "users", &["a"])],
            "    users:\n      # x\n      # y\n      - b\n",
        ),
        (
            "    users:\n      - a\n    name: T\n",
            vec![remove("t", "users", &["a"])],
            "    users:\n    name: T\n",
        ),
        (
            "    users: [\n      a, # x\n      b # y\n    ]\n",
            vec![remove("t", "users", &["b"])],
            "    users: [\n      a # x\n      # y\n    ]\n",
        ),
        (
            "    datastores: [d, { id: e, permission: read }]\n",
            vec![level("t", "d", Some(Permission::Write))],
            "    datastores: [{ id: d, permission: write }, { id: e, permission: read }]\n",
        ),
        (
            "    datastores: [d, { id: e, permission: read }]\n",
            vec![level("t", "e", Some(Permission::Write))],
            "    datastores: [d, { id: e, permission: write }]\n",
        ),
        (
            "    datastores: [d, {id: e, permission: read}]\n",
            vec![level("t", "e", None)],
            "    datastores: [d, {id: e}]\n",
        ),
        (
            "    datastores:\n      - id: d\n        permission: read\n      - e\n",
            vec![level("t", "d", None), level("t", "f", Some(Permission::Read))],
            "    datastores:\n      - id: d\n      - e\n      - { id: f, permission: read }\n",
        ),
        (
            "    datastores:\n      - id: d\n      - e\n",
            vec![
                level("t", "d", Some(Permission::Read)),
                remove("t", "datastores", &["e"]),
            ],
            "    datastores:\n      - id: d\n        permission: read\n",
        ),
    ] {
        check(
            &format!("teams:\n  t:\n    description: x\n{old}"),
            &edits,
            &format!("teams:\n  t:\n    description: x\n{new}"),
        );
    }
    check(
        "teams:\n  s:\n    users:\n      - a\n  t:\n    name: T\n",
        &[add("t", "users", &["b", "c"])],
        "teams:\n  s:\n    users:\n      - a\n  t:\n    name: T\n    users:\n      - b\n      - c\n",
    );
    check_json(
        "{\"teams\": {\"t\": {\"users\": [\n  \"a\",\n  \"b\"\n]}}}",
        &[add("t", "users", &["c"]), remove("t", "users", &["a"])],
        "{\"teams\": {\"t\": {\"users\": [\n  \"b\",\n  \"c\"\n]}}}",
    );
}

#[test]
fn an_entry_is_added_like_its_neighbours() {
    for (old, new) in [
        (
            "users:\n  a: { role: Admin }\n",
            "users:\n  a: { role: Admin }\n  new: { name: New One, role: Member }\n",
        ),
        (
            "users:\n  a: { role: Admin } # c\n  # last",
            "users:\n  a: { role: Admin } # c\n  new: { name: New One, role: Member }\n  # last",
        ),
        (
            "users:\n    a:\n        role: Admin",
            "users:\n    a:\n        role: Admin\n    new:\n        name: New One\n        role: Member",
        ),
        (
            "users:\n  a:\n    role: Admin\n\n  b:\n    role: 'Member'\n\nteams:\n",
            "users:\n  a:\n    role: Admin\n\n  b:\n    role: 'Member'\n\n  new:\n    name: 'New One'\n    role: 'Member'\n\nteams:\n",
        ),
        (
            "users: # nobody yet\nteams: {}\n",
            "users: # nobody yet\n  new: { name: New One, role: Member }\nteams: {}\n",
        ),
        ("users: {}\n", "users: { new: { name: New One, role: Member } }\n"),
        ("# nothing yet", "# nothing yet\nusers:\n  new: { name: New One, role: Member }"),
        ("---\n", "---\nusers:\n  new: { name: New One, role: Member }\n"),
        (
            "teams:\n  t:\n    name: T\n",
            "teams:\n  t:\n    name: T\n\nusers:\n  new:\n    name: New One\n    role: Member\n",
        ),
        (
            "---\nusers:\n  a: {role: Admin}\n...\n",
            "---\nusers:\n  a: {role: Admin}\n  new: {name: New One, role: Member}\n...\n",
        ),
        (
            "users: {a: {role: Admin}}\n",
            "users: {a: {role: Admin}, new: {name: New One, role: Member}}\n",
        ),
    ] {
        check(old, &[create("new")], new);
    }
    check(
        "teams:\n  t:\n    users:\n    - a\n",
        &[create_team("u")],
        "teams:\n  t:\n    users:\n    - a\n  u:\n    name: New\n    users:\n    - a\n    - 'no'\n",
    );
    check(
        "users:\n  a: {role: Admin}\n",
        &[create_team("u")],
        "users:\n  a: {role: Admin}\n\nteams:\n  u: {name: New, users: [a, 'no']}\n",
    );
    for (old, new) in [
        (r#"{}"#, r#"{"users": {"new": {"name": "New One", "role": "Member"}}}"#),
        (
            r#"{"users":{"a":{"role":"Admin"}}}"#,
            r#"{"users":{"a":{"role":"Admin"}, "new":{"name":"New One", "role":"Member"}}}"#,
        ),
        (
            "{\"users\": {\n\"a\": {\"role\": \"Admin\"}\n}}\n",
            "{\"users\": {\n\"a\": {\"role\": \"Admin\"},\n\"new\": {\"name\": \"New One\", \"role\": \"Member\"}\n}}\n",
        ),
        (
            "{\n  \"users\": {\n    \"a\": {\n      \"role\": \"Admin\"\n    }\n  }\n}\n",
            "{\n  \"users\": {\n    \"a\": {\n      \"role\": \"Admin\"\n    },\n    \"new\": {\n      \"name\": \"New One\",\n      \"role\": \"Member\"\n    }\n  }\n}\n",
        ),
    ] {
        check_json(old, &[create("new")], new);
    }
}

#[test]
fn an_entry_goes_with_what_is_inside_it() {
    check(
        "users:\n  a: { role: Admin } # a\n  # b's\n  b: { role: Member } # b\n  c: {}\n",
        &[delete("b")],
        "users:\n  a: { role: Admin } # a\n  # b's\n  c: {}\n",
    );
    check(
        "users:\n  a:\n    role: Admin\n  b:\n    # why\n    role: Member",
        &[delete("b")],
        "users:\n  a:\n    role: Admin",
    );
    check("users:\n  b: {}\nteams: {}\n", &[delete("b")], "users:\nteams: {}\n");
    check("users: {a: {}, b: {}}\n", &[delete("b")], "users: {a: {}}\n");
    check_json(
        "{\"users\": {\n\"a\": {},\n\"b\": {}\n}}\n",
        &[delete("b")],
        "{\"users\": {\n\"a\": {}\n}}\n",
    );
    check_json(
        "{\"users\": {\n\"a\": {},\n\"b\": {}\n}}\n",
        &[delete("a")],
        "{\"users\": {\n\"b\": {}\n}}\n",
    );
}

#[test]
fn an_entry_gets_another_id_and_stays_where_it_is() {
    check(
        "users:\n  a: { role: Admin } # a\n  b: {}\n",
        &[rename("a", "z@example.com")],
        "users:\n  z@example.com: { role: Admin } # a\n  b: {}\n",
    );
    check(
        "users:\n  \"a\": { role: Admin }\n",
        &[rename("a", "007")],
        "users:\n  \"007\": { role: Admin }\n",
    );
    check(
        "users:\n  a: { role: Admin }\n",
        &[rename("a", "no")],
        "users:\n  'no': { role: Admin }\n",
    );
}

#[test]
fn values_read_back_as_the_text_that_was_given() {
    let values = [
        "no",
        "1e3",
        "007",
        "a: b",
        "# x",
        " x",
        "x ",
        "🙂",
        "a\nb",
        "",
        "~",
        "null",
        "true",
        "'",
        "\"",
        "\\",
        "- x",
        "? x",
        "a #b",
        "[x",
        "{x",
        "x]",
        "x, y",
        "%x",
        "@x",
        "`x",
        "!x",
        "&x",
        "*x",
        "|",
        ">",
        "a\tb",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "\u{202e}x",
        "é",
        "---",
        "...",
        "<<",
        "=",
        "0x1f",
        "1:2",
        "-1",
        ".5",
        "+1",
        "x:",
        "\r\n",
        "\u{1b}[0m",
        "\u{7f}",
        "\u{fffd}",
        "\u{10ffff}",
    ];
    for file in ["x.yaml", "x.json"] {
        for old in [
            "{\"users\": {\"a\": {\"role\": \"Admin\", \"name\": \"A\"}}}\n",
            "users:\n  a:\n    role: Admin\n    name: A\n",
            "users:\n  a: {role: Admin, name: 'A'}\n",
        ] {
            if file == "x.json" && !old.starts_with('{') {
                continue;
            }
            for value in values {
                // What is refused by `edit` if it does not read back.
                made(file, old, &[set("a", "name", value), create(&format!("n{value}"))]);
                if !value.is_empty() && value != "<<" {
                    made(file, old, &[rename("a", value), create("new"), delete(value)]);
                }
                made(
                    file,
                    old,
                    &[
                        create_team("t"),
                        add("t", "users", &[value]),
                        remove("t", "users", &["a"]),
                    ],
                );
            }
        }
    }
}

#[test]
fn what_a_person_has_to_edit_is_refused_with_its_place() {
    for (old, edits, words, place) in [
        ("users:\n  a: {}\n", vec![active("b", false)], "it is not in this file", (1, 1)),
        ("users:\n  a: {}\n", vec![create("a")], "it is in this file already", (2, 3)),
        (
            "users:\n  a: &x\n    role: Admin\n",
            vec![active("a", false)],
            "anchors",
            (3, 5),
        ),
        ("users:\n  a: {role: &x Admin}\n", vec![active("a", false)], "anchors", (2, 16)),
        (
            "users:\n  a: !!map\n    role: Admin\n",
            vec![active("a", false)],
            "anchors",
            (3, 5),
        ),
        (
            "users:\n  a:\n    <<: x\n    role: Admin\n",
            vec![active("a", false)],
            "merge keys",
            (3, 5),
        ),
        ("users: &u\n  a: {}\n", vec![active("a", false)], "anchors", (1, 1)),
        ("users:\n  a: [x]\n", vec![active("a", false)], "no mapping", (2, 6)),
        (
            "users:\n  a: {}\n  b: {}\n",
            vec![active("a", false), rename("a", "b")],
            "changes nothing else",
            (2, 3),
        ),
        ("? users\n: ? a\n  : role: Admin\n", vec![active("a", false)], "hides", (3, 5)),
        ("users:\n  a: {}\nusers:\n", vec![active("a", false)], "here twice", (3, 1)),
        ("users:\n  a: {x: &y 1, z: *y}\n", vec![active("a", false)], "aliases", (2, 19)),
    ] {
        let fault = edit(&Text::new("x.yaml", old), &edits).expect_err(old);
        assert!(fault.message.contains(words), "{old}: {}", fault.message);
        let found = fault.place.as_ref().expect("a place");
        assert_eq!((found.line, found.column), place, "{old}: {}", fault.message);
    }
}

#[test]
fn a_document_of_many_entries_and_comments_is_edited_in_many_places() {
    let mut old = "# one of many lines\n".repeat(300) + "users:\n";
    for number in 0..2000 {
        old.push_str(&format!("  u{number}: {{ role: Member }} # {number}\n"));
    }
    let edits: Vec<Edit> = (0..2000).map(|number| active(&format!("u{number}"), false)).collect();
    assert_eq!(made("x.yaml", &old, &edits), old.replace("Member }", "Member, active: false }"));
}

fn bundled(name: &str) -> String {
    std::fs::read_to_string(repository(&format!("entities/{name}"))).expect("a bundled document")
}

/// The lines that go and those that come.
fn difference(old: &str, new: &str) -> (Vec<String>, Vec<String>) {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let front = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let back = old[front..]
        .iter()
        .rev()
        .zip(new[front..].iter().rev())
        .take_while(|(old, new)| old == new)
        .count();
    let part = |lines: &[&str]| lines[front..lines.len() - back].iter().map(|line| (*line).to_owned()).collect();
    (part(&old), part(&new))
}

#[test]
fn the_bundled_documents_change_by_the_lines_of_the_entry() {
    let team = |change| Edit {
        kind: Kind::Team,
        id: "finance".to_owned(),
        change,
    };
    let cases: Vec<(&str, Edit, &[&str], &[&str])> = vec![
        (
            "people.yaml",
            active("carla@example.com", false),
            &["  carla@example.com: { name: Carla Mendes, role: Member }"],
            &["  carla@example.com: { name: Carla Mendes, role: Member, active: false }"],
        ),
        (
            "people.yaml",
            unset("bo@example.com", "active"),
            &["  bo@example.com: { name: Bo Larsen, role: Member, active: false }"],
            &["  bo@example.com: { name: Bo Larsen, role: Member }"],
        ),
        (
            "people.yaml",
            create("zoe@example.com"),
            &[],
            &["  zoe@example.com: { name: New One, role: Member }"],
        ),
        (
            "people.yaml",
            delete("ana@example.com"),
            &["  ana@example.com: { name: Ana Ruiz, role: Admin }"],
            &[],
        ),
        (
            "teams.yaml",
            add("finance", "users", &["dev@example.com"]),
            &["    users: [ana@example.com, bo@example.com, carla@example.com]"],
            &["    users: [ana@example.com, bo@example.com, carla@example.com, dev@example.com]"],
        ),
        (
            "teams.yaml",
            remove("finance", "users", &["bo@example.com"]),
            &["    users: [ana@example.com, bo@example.com, carla@example.com]"],
            &["    users: [ana@example.com, carla@example.com]"],
        ),
        (
            "teams.yaml",
            level("finance", "ledger", Some(Permission::Read)),
            &["    datastores: [ledger, { id: payroll, permission: read }]"],
            &["    datastores: [{ id: ledger, permission: read }, { id: payroll, permission: read }]"],
        ),
        (
            "teams.yaml",
            team(Change::Set {
                key: "description",
                value: Scalar::Text("Ledgers: all of them".to_owned()),
            }),
            &["    description: Ledgers and payroll"],
            &["    description: 'Ledgers: all of them'"],
        ),
        (
            "teams.yaml",
            team(Change::Set {
                key: "permission",
                value: Scalar::Text("read".to_owned()),
            }),
            &["    permission: write"],
            &["    permission: read"],
        ),
        (
            "teams.yaml",
            create_team("audit"),
            &[],
            &["", "  audit:", "    name: New", "    users: [a, 'no']"],
        ),
    ];
    for (name, edit, gone, come) in cases {
        let old = bundled(name);
        let new = made(name, &old, std::slice::from_ref(&edit));
        let (lost, found) = difference(&old, &new);
        assert_eq!(
            (lost, found),
            (
                gone.iter().map(ToString::to_string).collect(),
                come.iter().map(ToString::to_string).collect()
            ),
            "{edit:?}"
        );
    }
}
