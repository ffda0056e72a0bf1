//! The mistakes that people make in policies, schemas and data, as cases.

/// A change of the bundled root.
pub(super) enum Edit {
    /// Puts other words in the place of some.
    Replace(&'static str, &'static str, &'static str),
    /// Adds to the end of a file.
    Append(&'static str, &'static str),
    /// Makes a file.
    New(&'static str, &'static str),
}

use Edit::{Append, New, Replace};

/// A mistake, and what is to be said of it.
pub(super) struct Breakage {
    pub(super) name: &'static str,
    /// All but the last leave the root broken in another way.
    pub(super) edits: &'static [Edit],
    /// The file that the first fault names.
    pub(super) file: &'static str,
    /// Words of the line that it names.
    pub(super) line: &'static str,
    /// Words of its message.
    pub(super) words: &'static str,
}

const PEOPLE: &str = "entities/people.yaml";
const TEAMS: &str = "entities/teams.yaml";
const SCHEMA: &str = "schema/access.cedarschema";
pub(super) const POLICY: &str = "policies/new.cedar";
pub(super) const YAML: &str = "entities/new.yaml";
const JSON: &str = "entities/new.json";

pub(super) const BREAKAGES: &[Breakage] = &[
    // Policies.
    Breakage {
        name: "a comma is missing",
        edits: &[New(POLICY, "// New.\npermit (principal action, resource);\n")],
        file: POLICY,
        line: "permit (principal action, resource);",
        words: "unexpected token `action`",
    },
    Breakage {
        name: "a policy ends in its middle",
        edits: &[New(POLICY, "// New.\npermit (principal, action, resource")],
        file: POLICY,
        line: "permit (principal, action, resource",
        words: "unexpected end of input",
    },
    Breakage {
        name: "there is no such effect",
        edits: &[New(POLICY, "// New.\n\nallow (principal, action, resource);\n")],
        file: POLICY,
        line: "allow",
        words: "invalid policy effect: allow",
    },
    Breakage {
        name: "the types do not fit",
        edits: &[New(
            POLICY,
            "permit (principal, action, resource)\nwhen { principal.role > 3 };\n",
        )],
        file: POLICY,
        line: "principal.role > 3",
        words: "expected Long but saw String",
    },
    Breakage {
        name: "there is no such attribute",
        edits: &[New(
            POLICY,
            "permit (principal, action, resource)\nwhen { principal.rolle == \"Admin\" };\n",
        )],
        file: POLICY,
        line: "principal.rolle",
        words: "attribute `rolle`",
    },
    Breakage {
        name: "there is no such entity type",
        edits: &[New(
            POLICY,
            "permit (\n  principal is Persom,\n  action,\n  resource\n);\n",
        )],
        file: POLICY,
        line: "principal is Persom",
        words: "unrecognized entity type `Persom`",
    },
    Breakage {
        name: "there is no such action",
        edits: &[New(
            POLICY,
            "permit (\n  principal,\n  action == Action::\"raed\",\n  resource\n);\n",
        )],
        file: POLICY,
        line: "Action::\"raed\"",
        words: "unrecognized action",
    },
    Breakage {
        name: "a policy looks too deep",
        edits: &[
            New(
                POLICY,
                "// New.\npermit (principal, action == Action::\"follow\", resource)\n\
                 when { context.node.next.next.next.next.next.next.next.name == \"x\" };\n",
            ),
            New(
                "schema/new.cedarschema",
                "entity Node = { next: Node, name: String };\n\
                 action follow appliesTo { principal: User, resource: Platform, context: { node: Node } };\n",
            ),
        ],
        file: POLICY,
        line: "permit (principal, action == Action::\"follow\", resource)",
        words: "entities deep, and the limit is 5",
    },
    Breakage {
        name: "a comment turns its direction",
        edits: &[New(
            POLICY,
            "// New.\n// Not \u{202e} this way.\nforbid (principal, action, resource) when { false };\n",
        )],
        file: POLICY,
        line: "this way",
        words: "the character U+202E turns the direction of the text",
    },
    Breakage {
        name: "a letter looks like another",
        edits: &[New(
            POLICY,
            "permit (principal, action, resource)\nwhen { principal.role == \"\u{430}dmin\" };\n",
        )],
        file: POLICY,
        line: "dmin",
        words: "contains mixed scripts",
    },
    Breakage {
        name: "a policy's id is taken",
        edits: &[New(
            POLICY,
            "// New.\n@id(\"datastore-read\")\npermit (principal, action, resource);\n",
        )],
        file: POLICY,
        line: "@id(\"datastore-read\")",
        words: "the policy id `datastore-read` is taken",
    },
    Breakage {
        name: "a policy's id is empty",
        edits: &[New(
            POLICY,
            "// New.\n@id(\"\")\npermit (principal, action, resource);\n",
        )],
        file: POLICY,
        line: "@id(\"\")",
        words: "`@id` is empty",
    },
    Breakage {
        name: "a link has no template",
        edits: &[New(
            "policies/links.json",
            r#"[
  { "template_id": "nowhere", "link_id": "one", "args": { "?principal": "User::\"ana\"" } }
]
"#,
        )],
        file: "policies/links.json",
        line: "nowhere",
        words: "there is no template `nowhere`",
    },
    // Schemas.
    Breakage {
        name: "a colon is missing in the schema",
        edits: &[New(
            "schema/new.cedarschema",
            "entity Note = {\n  text: String,\n  length Long,\n};\n",
        )],
        file: "schema/new.cedarschema",
        line: "length Long",
        words: "unexpected token `Long`",
    },
    Breakage {
        name: "the schema names a type that is nowhere",
        edits: &[New("schema/new.cedarschema", "entity Note = {\n  text: Strnig,\n};\n")],
        file: "schema/new.cedarschema",
        line: "Strnig",
        words: "failed to resolve type: Strnig",
    },
    Breakage {
        name: "the schema loses a type that it uses",
        edits: &[Replace(SCHEMA, "entity Platform;", "entity Site;")],
        file: SCHEMA,
        line: "Platform",
        words: "Platform",
    },
    Breakage {
        name: "the schema loses an action that policies use",
        edits: &[Replace(SCHEMA, "action editRole", "action changeRole")],
        file: "policies/accounts.cedar",
        line: "Action::\"editRole\"",
        words: "unrecognized action",
    },
    Breakage {
        name: "the schema gives an attribute another type than the data",
        edits: &[Replace(SCHEMA, "  role: String,\n", "  role: Long,\n")],
        file: PEOPLE,
        line: "ana@example.com",
        words: "expected to have type long",
    },
    // Documents.
    Breakage {
        name: "a bracket is open",
        edits: &[Append(PEOPLE, "  zoe@example.com: { name: Zoe, role: [Member }\n")],
        file: PEOPLE,
        line: "zoe@example.com",
        words: "not valid YAML: ",
    },
    Breakage {
        name: "a user is there twice",
        edits: &[Append(PEOPLE, "  carla@example.com: { role: Admin }\n")],
        file: PEOPLE,
        line: "carla@example.com: { role: Admin }",
        words: "`carla@example.com` is here twice",
    },
    Breakage {
        name: "a user is in two files",
        edits: &[New(
            "entities/zz.yaml",
            "users:\n  zoe@example.com: { role: Member }\n  carla@example.com: { role: Admin }\n",
        )],
        file: "entities/zz.yaml",
        line: "carla@example.com",
        words: "the user `carla@example.com` is here twice",
    },
    Breakage {
        name: "a user has an unknown key",
        edits: &[Replace(
            PEOPLE,
            "Carla Mendes, role: Member",
            "Carla Mendes, role: Member, mail: c@example.com",
        )],
        file: PEOPLE,
        line: "Carla Mendes",
        words: "the user `carla@example.com` has no `mail`",
    },
    Breakage {
        name: "a document has an unknown key",
        edits: &[New(YAML, "users:\n  zoe@example.com: { role: Member }\ngruops: {}\n")],
        file: YAML,
        line: "gruops",
        words: "a directory document has no `gruops`",
    },
    Breakage {
        name: "a user has two roles",
        edits: &[Replace(
            PEOPLE,
            "Carla Mendes, role: Member",
            "Carla Mendes, role: [Member, Manager]",
        )],
        file: PEOPLE,
        line: "Carla Mendes",
        words: "the user `carla@example.com` has 2 roles",
    },
    Breakage {
        name: "a user has no role",
        edits: &[Replace(PEOPLE, "Carla Mendes, role: Member", "Carla Mendes")],
        file: PEOPLE,
        line: "Carla Mendes",
        words: "the user `carla@example.com` has no role",
    },
    Breakage {
        name: "there is no such role",
        edits: &[Replace(
            PEOPLE,
            "Carla Mendes, role: Member",
            "Carla Mendes, role: Membre",
        )],
        file: PEOPLE,
        line: "Carla Mendes",
        words: "the user `carla@example.com` has the unknown role `Membre`",
    },
    Breakage {
        name: "active is a text",
        edits: &[Replace(
            PEOPLE,
            "role: Member, active: false",
            "role: Member, active: \"false\"",
        )],
        file: PEOPLE,
        line: "bo@example.com",
        words: "`active` of the user `bo@example.com` is neither true nor false",
    },
    Breakage {
        name: "no active Admin is left",
        edits: &[
            Replace(PEOPLE, "Ana Ruiz, role: Admin", "Ana Ruiz, role: Member"),
            Replace(
                PEOPLE,
                "Theo Lindqvist, role: Admin",
                "Theo Lindqvist, role: Admin, active: false",
            ),
        ],
        file: PEOPLE,
        line: "theo@example.com",
        words: "no user is an active Admin",
    },
    Breakage {
        name: "a user is granted a datastore",
        edits: &[Replace(
            PEOPLE,
            "Carla Mendes, role: Member",
            "Carla Mendes, role: Member, datastores: [ledger]",
        )],
        file: PEOPLE,
        line: "Carla Mendes",
        words: "the user `carla@example.com` has no `datastores`",
    },
    Breakage {
        name: "a datastore names its readers",
        edits: &[Replace(
            "entities/datastores.yaml",
            "ledger: { name: General ledger }",
            "ledger: { name: General ledger, readers: [carla@example.com] }",
        )],
        file: "entities/datastores.yaml",
        line: "General ledger",
        words: "the datastore `ledger` has no `readers`",
    },
    Breakage {
        name: "a team lists a user who is nowhere",
        edits: &[Replace(TEAMS, "carla@example.com]", "karla@example.com]")],
        file: TEAMS,
        line: "karla@example.com",
        words: "the team `finance` lists the user `karla@example.com`, which is nowhere",
    },
    Breakage {
        name: "a team lists a datastore that is nowhere",
        edits: &[Replace(
            TEAMS,
            "datastores: [orders, customers]",
            "datastores: [orders, custommers]",
        )],
        file: TEAMS,
        line: "custommers",
        words: "the team `sales` lists the datastore `custommers`, which is nowhere",
    },
    Breakage {
        name: "Public has another name",
        edits: &[Replace(TEAMS, "  Public:\n", "  Public:\n    name: Everybody\n")],
        file: TEAMS,
        line: "name: Everybody",
        words: "`Public` is renamed to `Everybody`",
    },
    Breakage {
        name: "Public lists members",
        edits: &[Replace(
            TEAMS,
            "  Public:\n",
            "  Public:\n    users: [hugo@example.com]\n",
        )],
        file: TEAMS,
        line: "users: [hugo@example.com]",
        words: "`Public` lists members",
    },
    Breakage {
        name: "another team calls itself Public",
        edits: &[Replace(TEAMS, "name: Sales", "name: Public")],
        file: TEAMS,
        line: "name: Public",
        words: "the team `sales` calls itself `Public`",
    },
    Breakage {
        name: "two teams have one name",
        edits: &[Replace(TEAMS, "name: Sales", "name: Finance")],
        file: TEAMS,
        line: "name: Finance",
        words: "the teams `finance` and `sales` have the same name, `finance`",
    },
    Breakage {
        name: "a permission is none",
        edits: &[Replace(TEAMS, "permission: write", "permission: wirte")],
        file: TEAMS,
        line: "permission: wirte",
        words: "`wirte` is no permission",
    },
    Breakage {
        name: "a team has no permission",
        edits: &[Replace(TEAMS, "    permission: write\n", "")],
        file: TEAMS,
        line: "datastores: [ledger",
        words: "the team `finance` has no permission, and neither has its `ledger`",
    },
    Breakage {
        name: "a document is a list",
        edits: &[New(YAML, "- zoe@example.com\n")],
        file: YAML,
        line: "zoe@example.com",
        words: "a directory document is a mapping, and this is a list",
    },
    Breakage {
        name: "an alias stands for a value",
        edits: &[New(
            YAML,
            "users:\n  zoe@example.com: &member { role: Member }\n  zac@example.com: *member\n",
        )],
        file: YAML,
        line: "zac@example.com",
        words: "aliases such as `*name` are not followed",
    },
    Breakage {
        name: "a second document follows",
        edits: &[New(
            YAML,
            "users:\n  zoe@example.com: { role: Member }\n---\nusers: {}\n",
        )],
        file: YAML,
        line: "---",
        words: "a second document",
    },
    // Entities.
    Breakage {
        name: "a comma is missing in JSON",
        edits: &[New(
            JSON,
            r#"[
  { "uid": { "type": "Platform", "id": "a" } "attrs": {}, "parents": [] }
]
"#,
        )],
        file: JSON,
        line: "Platform",
        words: "not valid JSON: expected `,` or `}`",
    },
    Breakage {
        name: "a member is there twice",
        edits: &[New(
            JSON,
            r#"[
  { "uid": { "type": "Platform", "id": "a" }, "parents": [],
    "attrs": {}, "attrs": {} }
]
"#,
        )],
        file: JSON,
        line: "\"attrs\": {}, \"attrs\": {}",
        words: "the member name `attrs` occurs twice",
    },
    Breakage {
        name: "an attribute has another type than in the schema",
        edits: &[New(
            JSON,
            r#"[
  { "parents": [], "uid": { "type": "Team", "id": "a" }, "attrs": { "name": 3, "description": "" } }
]
"#,
        )],
        file: JSON,
        line: "\"name\": 3",
        words: "in attribute `name` on `Team::\"a\"`, type mismatch",
    },
    Breakage {
        name: "an attribute is missing",
        edits: &[New(
            JSON,
            r#"[
  { "uid": { "type": "Team", "id": "a" }, "attrs": { "name": "A" }, "parents": [] }
]
"#,
        )],
        file: JSON,
        line: "\"Team\"",
        words: "to have attribute `description`, but it does not",
    },
    Breakage {
        name: "an entity's type is nowhere",
        edits: &[New(
            JSON,
            r#"[

  { "uid": { "type": "Teem", "id": "a" }, "attrs": {}, "parents": [] }
]
"#,
        )],
        file: JSON,
        line: "Teem",
        words: "has type `Teem` which is not declared in the schema",
    },
    Breakage {
        name: "a parent is nowhere",
        edits: &[New(
            JSON,
            r#"[
  { "uid": { "type": "User", "id": "a" },
    "attrs": { "name": "A", "role": "Member", "active": true },
    "parents": [{ "type": "Team", "id": "nowhere" }] }
]
"#,
        )],
        file: JSON,
        line: "\"User\"",
        words: "`User::\"a\"` has the parent `Team::\"nowhere\"`, which is nowhere",
    },
    Breakage {
        name: "groups are in each other",
        edits: &[
            New(
                JSON,
                r#"[
  { "uid": { "type": "Group", "id": "a" }, "attrs": {}, "parents": [{ "type": "Group", "id": "b" }] },
  { "uid": { "type": "Group", "id": "b" }, "attrs": {}, "parents": [{ "type": "Group", "id": "a" }] }
]
"#,
            ),
            New("schema/new.cedarschema", "entity Group in [Group];\n"),
        ],
        file: JSON,
        line: "\"id\": \"a\" }, \"attrs\"",
        words: "a cycle of 2 parents: `Group::\"a\"` in `Group::\"b\"` in `Group::\"a\"`",
    },
    Breakage {
        name: "an entity is in a document as well",
        edits: &[New(
            "entities/aa.json",
            r#"[
  { "uid": { "type": "Datastore", "id": "ledger" },
    "attrs": { "name": "Mine", "readers": [], "writers": [] }, "parents": [] }
]
"#,
        )],
        file: "entities/datastores.yaml",
        line: "ledger: { name: General ledger }",
        words: "`Datastore::\"ledger\"` is here twice, with different content",
    },
];
