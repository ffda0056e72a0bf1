//! Who can, what can, the access of one account and the matrix: the binary on the bundled company, on hostile names, and
//! against a running sidecar; each held against asking one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::process::Output;

use gatepost::engine::{Options, Query, Snapshot};
use gatepost::{app, store};
use serde_json::{Value, json};

use crate::support::{BUILT_IN, Process, Root, gatepost, repository};

fn run(arguments: &[&str]) -> Output {
    gatepost().args(arguments).current_dir(Root::empty().path()).output().expect("the binary")
}

fn out(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.is_empty() || told == BUILT_IN, "{told}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    let told = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    told.strip_prefix(BUILT_IN).unwrap_or(&told).to_owned()
}

fn document(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", err(&output)))
}

/// CSV as it is written, without the notes beside it.
fn csv(arguments: &[&str]) -> String {
    String::from_utf8(run(&[arguments, &["--format", "csv"]].concat()).stdout).expect("UTF-8")
}

/// The rows of CSV under their head, without what keeps spreadsheets from running them.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let value = |cell: &str| cell.strip_prefix('\'').unwrap_or(cell).to_owned();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let head: Vec<String> = reader.headers().expect("a head").iter().map(value).collect();
    let row = |row: csv::StringRecord| head.iter().cloned().zip(row.iter().map(value)).collect();
    reader.records().map(|record| row(record.expect("a row"))).collect()
}

fn company() -> Snapshot {
    store::compile_files(&app::built_in(), &Options::default()).expect("the built-in model")
}

/// Type and id.
type Name = (String, String);

fn named(value: &Value) -> Name {
    let text = |member: &str| value[member].as_str().expect("a string").to_owned();
    (text("type"), text("id"))
}

fn all(company: &Snapshot, types: &[&str]) -> Vec<Name> {
    let of_type = |entity_type: &&str| {
        let mut ids: Vec<&str> = company.entity_ids(entity_type).collect();
        ids.sort_unstable();
        ids.into_iter()
            .map(|id| ((*entity_type).to_owned(), id.to_owned()))
            .collect::<Vec<Name>>()
    };
    types.iter().flat_map(of_type).collect()
}

fn allows(company: &Snapshot, principal: &Name, action: &str, resource: &Name) -> bool {
    let query = Query::plain((&principal.0, &principal.1), action, (&resource.0, &resource.1));
    company.decide(&query).is_ok_and(|decision| decision.is_allowed())
}

const ACCOUNTS: &[&str] = &["ServiceUser", "User"];
const STORES: &[&str] = &["Datastore", "EnrichmentDatastore"];

#[test]
fn who_can_shows_people_what_it_finds() {
    let output = run(&["who-can", "write", "ledger"]);
    assert_eq!(
        out(&output),
        "who can write Datastore ledger\n\nServiceUser (2)\n  nightly-scan\n  provisioner\n\nUser (3)\n  ana@example.com\n  \
         carla@example.com\n  theo@example.com\n"
    );
    assert_eq!(output.status.code(), Some(0));
    let nobody = run(&["who-can", "deleteTeam", "Public"]);
    assert_eq!(out(&nobody), "who can deleteTeam Team Public\n  nobody\n");
    assert_eq!(nobody.status.code(), Some(3));
}

#[test]
fn what_can_shows_people_levels_and_single_actions() {
    let output = run(&["what-can", "user:carla@example.com"]);
    assert_eq!(
        out(&output),
        "what User carla@example.com can do\n\nDatastore (3)\n  resource  access\n  holidays  read\n  ledger    write\n  \
         payroll   read\n\nEnrichmentDatastore (2)\n  resource         access\n  ledger-quality   write\n  payroll-quality  \
         read\n\nPlatform (1)\n  resource  access\n  main      logIn\n\nnote: `assignTeams` was not asked: context.teams: \
         required; a context is given with --context\nnote: levels: `read` and `write` are groups of other actions; `write` \
         stands above `read`, since whatever policy can permit `write` can permit `read` too\n"
    );
    let output = run(&["what-can", "carla@example.com", "write", "--type", "datastore"]);
    assert_eq!(
        out(&output),
        "what User carla@example.com can write\n\nDatastore (1)\n  ledger\n"
    );
    let context = r#"{"teams":[{"type":"team","id":"sales"}]}"#;
    let asked = run(&[
        "what-can",
        "ana@example.com",
        "assignTeams",
        "--type",
        "user",
        "--context",
        context,
    ]);
    // Everybody's but her own.
    assert!(out(&asked).contains("User (11)\n  bo@example.com\n"), "{}", out(&asked));
}

#[test]
fn access_tells_who_somebody_is_and_through_which_team_they_have_what() {
    let output = run(&["access", "nightly-scan", "--type", "datastore"]);
    let levels = "note: levels: `read` and `write` are groups of other actions; `write` stands above `read`, since whatever \
                  policy can permit `write` can permit `read` too\n";
    assert_eq!(
        out(&output),
        format!(
            "access of ServiceUser nightly-scan\n  active  true\n  name    Nightly quality scan\n  role    Member\n  \
             in Team Public\n  in Team finance\n  in Team warehouse\n\nDatastore (5)\n  \
             resource   access  through              policies\n  \
             holidays   read    Public (readers)     datastore-read\n  \
             inventory  write   warehouse (writers)  datastore-write\n  \
             ledger     write   finance (writers)    datastore-write\n  \
             payroll    read    finance (readers)    datastore-read\n  \
             shipments  write   warehouse (writers)  datastore-write\n\n{levels}"
        )
    );
    // R18: what somebody has no access to is in no list. R6: who is deactivated has none.
    let hugo = document(&["access", "hugo@example.com", "--type", "datastore"]);
    assert_eq!(hugo["resources"].as_array().map(Vec::len), Some(1));
    assert_eq!(hugo["resources"][0]["id"], "holidays");
    let bo = run(&["access", "bo@example.com"]);
    assert_eq!(bo.status.code(), Some(3));
    assert!(
        out(&bo).contains("  active false\n") && out(&bo).contains("\n  none\n"),
        "{}",
        out(&bo)
    );
}

#[test]
fn groups_are_shown_with_the_chain_that_leads_to_them() {
    let root = Root::with(&[
        (
            "schema/s.cedarschema",
            "entity G in [G]; entity U in [G]; entity D = { open: Set<G>, owner?: U }; \
             action see appliesTo { principal: U, resource: D };",
        ),
        (
            "policies/p.cedar",
            "@id(\"open\") permit (principal, action, resource) when { principal in resource.open }; \
             @id(\"own\") permit (principal, action, resource) when { resource has owner && resource.owner == principal };",
        ),
    ]);
    let entity = |kind: &str, id: &str, attrs: Value, parents: &[&str]| {
        let parents: Vec<Value> = parents.iter().map(|id| json!({ "type": "G", "id": id })).collect();
        json!({ "uid": { "type": kind, "id": id }, "attrs": attrs, "parents": parents })
    };
    let named = |kind: &str, id: &str| json!({ "__entity": { "type": kind, "id": id } });
    let entities = json!([
        entity("U", "u", json!({}), &["a", "b"]),
        entity("G", "a", json!({}), &["top"]),
        entity("G", "b", json!({}), &["top"]),
        entity("G", "top", json!({}), &[]),
        entity("D", "d", json!({ "open": [named("G", "top")] }), &[]),
        entity("D", "e", json!({ "open": [], "owner": named("U", "u") }), &[]),
        entity("D", "f", json!({ "open": [] }), &[]),
    ]);
    root.write("entities/e.json", &entities.to_string());
    let path = root.path().to_str().expect("a path");
    let output = run(&["access", "u", "--root", path]);
    assert_eq!(
        out(&output),
        "access of U u\n  in G   a\n    in G top\n  in G   b\n\nD (2)\n  \
         resource  access  through                                             policies\n  \
         d         see     a → top (open); b → top (open)                      open\n  \
         e         see     resource has owner and resource.owner == principal  own\n"
    );
    let found = document(&["access", "U:u", "--root", path]);
    let top = &found["principal"]["groups"][1];
    assert_eq!(top["chain"], json!([{ "type": "G", "id": "a" }, { "type": "G", "id": "top" }]));
}

#[test]
fn every_list_is_what_asking_one_by_one_gives() {
    let company = company();
    let accounts = all(&company, ACCOUNTS);
    let actions: Vec<String> = company.actions().into_iter().map(|action| action.short).collect();
    let resources = all(
        &company,
        &[
            "Datastore",
            "EnrichmentDatastore",
            "Platform",
            "ServiceUser",
            "Team",
            "User",
        ],
    );
    for account in &accounts {
        let found = document(&["what-can", &format!("{}:{}", account.0, account.1)]);
        let found: BTreeSet<(Name, String)> = found["resources"]
            .as_array()
            .expect("resources")
            .iter()
            .flat_map(|resource| {
                let actions = resource["actions"].as_array().expect("actions").iter();
                actions.map(|action| (named(resource), action.as_str().expect("an action").to_owned()))
            })
            .collect();
        let asked = resources.iter().flat_map(|resource| {
            let allowed = actions.iter().filter(|action| allows(&company, account, action, resource));
            allowed.map(|action| (resource.clone(), action.clone()))
        });
        assert_eq!(found, asked.collect(), "{account:?}");
    }
    for (action, resource) in [
        ("read", ("Datastore", "ledger")),
        ("write", ("Datastore", "holidays")),
        ("viewDatastore", ("EnrichmentDatastore", "orders-quality")),
        ("deleteDatastore", ("Datastore", "audit-trail")),
        ("logIn", ("Platform", "main")),
        ("editRole", ("User", "ana@example.com")),
    ] {
        let resource = (resource.0.to_owned(), resource.1.to_owned());
        let found = document(&["who-can", action, &format!("{}:{}", resource.0, resource.1)]);
        let found: Vec<Name> = found["principals"].as_array().expect("principals").iter().map(named).collect();
        let asked = accounts.iter().filter(|account| allows(&company, account, action, &resource));
        assert_eq!(found, asked.cloned().collect::<Vec<_>>(), "{action}");
    }
}

#[test]
fn every_form_of_the_matrix_is_what_asking_one_by_one_gives() {
    let company = company();
    let (accounts, stores) = (all(&company, ACCOUNTS), all(&company, STORES));
    let actions: Vec<String> = company.actions().into_iter().map(|action| action.short).collect();
    let allowed = |account: &Name, store: &Name| -> BTreeSet<String> {
        let allowed = actions.iter().filter(|action| allows(&company, account, action, store));
        allowed.cloned().collect()
    };
    let words = |actions: &BTreeSet<String>| {
        let has = |action: &str| actions.contains(action);
        match (has("deleteDatastore"), has("write"), has("read")) {
            (true, true, true) => "write + deleteDatastore",
            (false, true, true) => "write",
            (false, false, true) => "read",
            _ => "",
        }
    };
    let json = document(&["matrix"]);
    let wide = rows(&csv(&["matrix"]));
    assert_eq!(wide.len(), accounts.len());
    let long = rows(&csv(&["matrix", "--long"]));
    let mut pairs = 0;
    for (row, account) in accounts.iter().enumerate() {
        assert_eq!(named(&json["principals"][row]), *account);
        assert_eq!(
            (&wide[row]["principal_type"], &wide[row]["principal"]),
            (&account.0, &account.1)
        );
        for (column, store) in stores.iter().enumerate() {
            assert_eq!(named(&json["resources"][column]), *store);
            let expected = allowed(account, store);
            let mark = json["cells"][row][column].as_u64().expect("a number");
            let told = json["accesses"][mark as usize]["actions"].as_array().expect("actions").iter();
            let told: BTreeSet<String> = told.map(|action| action.as_str().expect("a string").to_owned()).collect();
            assert_eq!(told, expected, "{account:?} {store:?}");
            assert_eq!(wide[row][&format!("{}:{}", store.0, store.1)], words(&expected));
            let pair = long.iter().find(|pair| pair["principal"] == account.1 && pair["resource"] == store.1);
            assert_eq!(pair.is_some(), !expected.is_empty());
            if let Some(pair) = pair {
                pairs += 1;
                assert_eq!(pair["access"], words(&expected));
                assert_eq!(pair["actions"], expected.into_iter().collect::<Vec<_>>().join(", "));
            }
        }
    }
    assert_eq!((pairs, long.len()), (118, 118));
}

#[test]
fn a_matrix_for_people_fits_a_page_and_is_the_same_again() {
    let narrow = [
        "matrix",
        "--resource-type",
        "datastore",
        "--principal-type",
        "user",
        "--no-time",
    ];
    let output = run(&narrow);
    let text = out(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "access matrix: 12 principals, 10 resources");
    assert!(
        lines[1].starts_with("the built-in model, revision ") && !lines[1].contains("made"),
        "{}",
        lines[1]
    );
    for line in [
        "Datastore, 1 to 8 of 10",
        "  principal               audit-trail  campaigns  customers  holidays  inventory  ledger    orders    payroll",
        "  User carla@example.com  -            -          -          read      -          write     -         read",
        "  User theo@example.com   write +1     write +1   write +1   write +1  write +1   write +1  write +1  write +1",
        "Datastore, 9 to 10 of 10",
        "write +1: write + deleteDatastore",
    ] {
        assert!(lines.contains(&line), "`{line}` is not in:\n{text}");
    }
    assert!(
        lines.iter().all(|line| line.len() <= 120 || line.starts_with("note: ")),
        "{text}"
    );
    assert_eq!(run(&narrow).stdout, output.stdout);
    let timed = document(&["matrix"]);
    assert!(
        timed["made_at"].as_str().is_some_and(|at| at.ends_with('Z') && at.len() == 20),
        "{}",
        timed["made_at"]
    );
    let markdown = out(&run(&[&narrow[..], &["--format", "markdown"]].concat()));
    assert!(
        markdown.contains("| User carla&#64;example.com | - | - | - | read | - | write | - | read | - | - |"),
        "{markdown}"
    );
    let one = document(&["matrix", "--action", "viewDatastore", "--resource-type", "datastore"]);
    assert_eq!(one["accesses"].as_array().map(Vec::len), Some(2));
}

/// A company whose people chose names that hurt.
fn hostile() -> (Root, Vec<&'static str>) {
    let ids = vec![
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "=cmd()|' /C calc'!A0",
        "+1",
        "-1",
        "@sum",
        "'quoted",
        "new\nline",
        "\u{1b}[31mred\u{202e}",
        "a|b `c` *d* [e](http://evil.example)",
        "tab\there, \"comma\"; and more",
        "&amp;",
        "データ",
    ];
    let root = Root::with(&[
        (
            "schema/s.cedarschema",
            "entity U = { \"odd|name\": String }; entity D; action read appliesTo { principal: U, resource: D }; \
             action look in [read] appliesTo { principal: U, resource: D };",
        ),
        ("policies/p.cedar", "permit (principal, action, resource);"),
    ]);
    let entities = ids.iter().flat_map(|id| {
        [
            json!({ "uid": { "type": "U", "id": id }, "attrs": { "odd|name": id }, "parents": [] }),
            json!({ "uid": { "type": "D", "id": id }, "attrs": {}, "parents": [] }),
        ]
    });
    root.write("entities/e.json", &entities.collect::<Value>().to_string());
    (root, ids)
}

#[test]
fn csv_gives_hostile_names_back_and_holds_no_formula() {
    let (root, ids) = hostile();
    let path = root.path().to_str().expect("a path");
    let expected: BTreeSet<&str> = ids.iter().copied().collect();
    for (arguments, column) in [
        (&["who-can", "read", "D:+1", "--root", path][..], "principal"),
        (&["what-can", "U:+1", "--root", path], "resource"),
        (&["access", "U:+1", "--root", path], "resource"),
        (&["matrix", path], "principal"),
        (&["matrix", path, "--long"], "resource"),
    ] {
        let csv = csv(arguments);
        let found = rows(&csv);
        let found: BTreeSet<&str> = found.iter().map(|row| row[column].as_str()).collect();
        assert_eq!(found, expected, "{arguments:?}");
        let mut raw = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv.as_bytes());
        for cell in raw
            .records()
            .flat_map(|row| row.expect("a row").iter().map(str::to_owned).collect::<Vec<_>>())
        {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
    }
}

/// What goes to standard error is read on a terminal too, whoever's words it has.
#[test]
fn messages_show_hostile_names_and_obey_none() {
    let (root, _) = hostile();
    let path = root.path().to_str().expect("a path");
    let red = "\u{1b}[31m\u{202e}\u{61c}\u{fff9}\u{e0041}\u{9b}2J";
    let broken = Root::with(&[(
        "schema/s.cedarschema",
        &format!("entity U; entity V = {{ \"{red}\": Nothing }}; // {red}\n"),
    )]);
    let refusal = json!({ "error": { "message": red } }).to_string();
    let url = answers(vec![answer("500 Oops", "", &refusal)]);
    for arguments in [
        &["who-can", red, "D:+1", "--root", path][..],
        &["who-can", "read", &format!("D:{red}"), "--root", path],
        &["what-can", "\u{1b}[31m", "--root", path],
        &["access", &format!("{red}:x"), "--root", path],
        &["matrix", path, "--resource-type", red],
        &["who-can", "read", "D:x", "--type", "U", "--url", &url],
        &["check", broken.path().to_str().expect("a path")],
    ] {
        let output = run(arguments);
        let told = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert!(!output.status.success() && told.len() > 10, "{arguments:?}: {told}");
        let hidden = ['\u{1b}', '\u{202e}', '\u{61c}', '\u{fff9}', '\u{e0041}', '\u{9b}'];
        assert!(!told.contains(hidden), "{arguments:?}: {told:?}");
    }
}

#[test]
fn text_and_markdown_show_hostile_names_and_obey_none() {
    let (root, _) = hostile();
    let path = root.path().to_str().expect("a path");
    for arguments in [
        &["who-can", "read", "D:+1", "--root", path][..],
        &["what-can", "U:new\nline", "--root", path],
        &["access", "U:\u{1b}[31mred\u{202e}", "--root", path],
        &["matrix", path],
        &["matrix", path, "--long"],
    ] {
        for format in ["text", "markdown"] {
            let text = out(&run(&[arguments, &["--format", format]].concat()));
            let hidden = |char: char| (char.is_control() && char != '\n') || char == '\u{202e}';
            assert!(!text.contains(hidden), "{text:?}");
            assert!(text.contains("\\u{1b}") || text.contains("u\\{1b\\}\\[31m"), "{text}");
            assert!(format == "text" || !text.contains("<script"), "{text}");
            assert!(format == "text" || !text.contains("http:"), "{text}");
            assert!(!text.contains("\nline"), "{text}");
        }
    }
}

#[test]
fn the_page_is_well_formed_whole_and_asks_nobody_for_anything() {
    let root = Root::empty();
    let output = gatepost()
        .args(["matrix", "--format", "html", "--output", "matrix.html"])
        .current_dir(root.path())
        .output()
        .expect("the binary");
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), ""));
    let page = root.read("matrix.html");
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(&page, options).expect("well-formed");
    let company = company();
    let names: Vec<&str> = document.descendants().filter_map(|node| node.attribute("data-name")).collect();
    let expected = all(&company, STORES).into_iter().chain(all(&company, ACCOUNTS));
    assert_eq!(
        names,
        expected.map(|(entity_type, id)| format!("{entity_type} {id}")).collect::<Vec<_>>()
    );
    let with = |tag: &'static str| document.descendants().filter(move |node| node.has_tag_name(tag));
    assert_eq!((with("tr").count(), with("td").count(), with("script").count()), (16, 280, 1));
    assert_eq!(with("td").filter(|cell| cell.text().is_some()).count(), 118);
    for attribute in ["src", "href", "action", "data", "srcset", "poster"] {
        assert!(
            document.descendants().all(|node| node.attribute(attribute).is_none()),
            "{attribute}"
        );
    }
    for reference in ["http://", "https://", "url(", "@import", "//cdn"] {
        assert!(!page.contains(reference), "{reference}");
    }
    let policy = with("meta").find(|meta| meta.attribute("http-equiv") == Some("Content-Security-Policy"));
    let policy = policy.and_then(|meta| meta.attribute("content")).expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(page.contains(company.revision()));
    let again = |path| {
        let flags = ["matrix", "--format", "html", "--no-time", "--output", path];
        assert_eq!(
            gatepost().args(flags).current_dir(root.path()).status().expect("the binary").code(),
            Some(0)
        );
        root.read(path)
    };
    assert_eq!(again("one.html"), again("two.html"));
}

#[test]
fn names_in_the_page_are_text_whatever_they_are() {
    let (root, ids) = hostile();
    let page = out(&run(&["matrix", root.path().to_str().expect("a path"), "--format", "html"]));
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(&page, options).expect("well-formed");
    let names: BTreeSet<&str> = document.descendants().filter_map(|node| node.attribute("data-name")).collect();
    for id in ids.iter().filter(|id| !id.chars().any(|char| char.is_control() || char == '\u{202e}')) {
        assert!(names.contains(format!("U {id}").as_str()), "{id}: {names:?}");
    }
    assert!(names.contains("U new\\nline"), "{names:?}");
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("script")).count(), 1);
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("img")).count(), 0);
}

#[test]
fn unknown_names_say_what_is_near() {
    for (arguments, code, told) in [
        (
            &["access", "aan"][..],
            1,
            "no ServiceUser or User `aan`: did you mean `ana@example.com`?",
        ),
        (&["access", "user:aan"], 1, "no user `aan`: did you mean `ana@example.com`?"),
        (&["access", "usr:ana"], 1, "no entity type `usr`: did you mean `User`?"),
        (&["who-can", "wriet", "ledger"], 1, "no action `wriet`: did you mean `write`?"),
        (
            &["who-can", "write", "legder"],
            1,
            "no Datastore or EnrichmentDatastore `legder`: did you mean `ledger`?",
        ),
        (
            &["who-can", "write", "sales"],
            1,
            "`sales` is a Team, which cannot stand there; `Datastore` or `EnrichmentDatastore` can",
        ),
        (
            &["who-can", "write", "ledger", "--type", "usr"],
            1,
            "no entity type `usr`: did you mean `User`?",
        ),
        (
            &["matrix", "--resource-type", "datastor"],
            1,
            "no entity type `datastor`: did you mean `Datastore`?",
        ),
        (&["matrix", "--action", "raed"], 1, "no action `raed`: did you mean `read`?"),
        (
            &["what-can", "ana@example.com", "--context", "{"],
            2,
            "--context: EOF while parsing an object at line 1 column 1",
        ),
        (
            &["who-can", "read", "ledger", "--url", "https://x"],
            2,
            "--url: a sidecar has no TLS; write `http://127.0.0.1:8180` or `unix:/path/to.sock`",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(
            (output.status.code(), err(&output).trim_end()),
            (Some(code), told),
            "{arguments:?}"
        );
    }
    let absent = run(&["who-can", "read", "datastore:new", "--absent", "--type", "user"]);
    assert_eq!(
        out(&absent),
        "who can read Datastore new\n\nUser (2)\n  ana@example.com\n  theo@example.com\n"
    );
}

#[test]
fn a_matrix_that_nobody_could_read_is_refused() {
    let root = Root::with(&[
        (
            "schema/s.cedarschema",
            "entity U; entity D; action see appliesTo { principal: U, resource: D };",
        ),
        (
            "policies/p.cedar",
            "permit (principal == U::\"1\", action, resource == D::\"1\");",
        ),
    ]);
    let entities = |kind: &'static str, count: usize| {
        (0..count).map(move |id| {
            json!({ "uid": { "type": kind, "id": id.to_string() }, "attrs": {}, "parents": [] }).to_string()
        })
    };
    let lines: Vec<String> = entities("U", 2001).chain(entities("D", 2000)).collect();
    root.write("entities/e.jsonl", &lines.join("\n"));
    let path = root.path().to_str().expect("a path");
    let refused = run(&["matrix", path]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        err(&refused).trim_end(),
        "2001 principals by 2000 resources are more than 4000000 cells: narrow it with --principal-type and --resource-type"
    );
    let page = run(&["matrix", path, "--format", "html"]);
    assert!(
        err(&page).contains("more than 1000000 cells") && err(&page).contains("--format csv"),
        "{}",
        err(&page)
    );
}

#[test]
fn nobody_who_listens_is_told_with_the_address() {
    let output = run(&[
        "who-can",
        "read",
        "datastore:ledger",
        "--url",
        "http://127.0.0.1:1",
        "--type",
        "user",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).starts_with("cannot ask 127.0.0.1:1: "), "{}", err(&output));
    for arguments in [
        &["who-can", "read", "datastore:ledger"][..],
        &["what-can", "user:ana@example.com"],
        &["access", "user:ana@example.com"],
        &["matrix"],
        &["access", "ana@example.com"],
    ] {
        let output = run(&[arguments, &["--url", "http://127.0.0.1:1"]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains("a sidecar does not tell which"), "{}", err(&output));
    }
}

/// A list without what tells where it comes from.
fn content(mut document: Value) -> Value {
    for member in ["source", "made_at"] {
        document[member] = Value::Null;
    }
    document
}

#[test]
fn a_sidecar_gives_the_lists_that_its_root_gives_page_after_page() {
    let root = Root::bundled();
    let path = root.path().to_str().expect("a path");
    let socket = root.path().join("run/gatepost.sock");
    let socket = format!("unix:{}", socket.display());
    // Few at once, so that there is more than one page.
    let sidecar = Process::serve(root.path(), &["--set", "limits.search_results_max=3", "--listen", &socket]);
    let ready = run(&["wait", "--address", &sidecar.address.to_string()]);
    assert_eq!(ready.status.code(), Some(0));
    let url = format!("http://{}", sidecar.address);
    for arguments in [
        &["who-can", "read", "holidays", "--root", path][..],
        &["who-can", "logIn", "main", "--root", path],
        &["what-can", "ana@example.com", "--root", path],
        &["what-can", "dev@example.com", "write", "--root", path],
        &["access", "nightly-scan", "--root", path],
        &["matrix", path],
        &["matrix", path, "--long", "--resource-type", "platform"],
    ] {
        for url in [&url, &socket] {
            let asked = document(&[arguments, &["--url", url]].concat());
            assert_eq!(content(asked), content(document(arguments)), "{arguments:?}");
        }
    }
    // Without the files, types and ids have to be said.
    let alone = |arguments: &[&str]| run(&[arguments, &["--url", &url]].concat());
    let who = alone(&[
        "who-can",
        "read",
        "datastore:holidays",
        "--type",
        "user",
        "--type",
        "serviceuser",
    ]);
    let text = out(&who);
    assert!(
        text.contains("\nuser (11)\n  ana@example.com\n") && text.contains("\nserviceuser (2)\n"),
        "{text}"
    );
    let what = alone(&["what-can", "user:carla@example.com", "read", "--type", "datastore"]);
    assert!(
        out(&what).contains("\ndatastore (3)\n  holidays\n  ledger\n  payroll\n\nnote: no name was checked: "),
        "{}",
        out(&what)
    );
    let access = alone(&[
        "access",
        "user:carla@example.com",
        "--type",
        "datastore",
        "--action",
        "read",
        "--action",
        "write",
    ]);
    assert!(out(&access).contains("  ledger    read, write\n"), "{}", out(&access));
    assert_eq!(
        alone(&["who-can", "read", "datastore:nothing", "--type", "user"]).status.code(),
        Some(0)
    );
    assert_eq!(
        alone(&["who-can", "raed", "datastore:ledger", "--type", "user"]).status.code(),
        Some(3)
    );
    // A context that does not fit is told, and what was not asked is not taken for nothing.
    let unfit = alone(&["what-can", "user:ana@example.com", "assignTeams", "--type", "user"]);
    assert_eq!(unfit.status.code(), Some(1));
    assert!(err(&unfit).starts_with("`assignTeams` was not asked: "), "{}", err(&unfit));
    let some = [
        "access",
        "user:ana@example.com",
        "--type",
        "user",
        "--action",
        "assignTeams",
        "--action",
        "viewAccount",
    ];
    assert!(
        out(&alone(&some)).contains("note: `assignTeams` was not asked: "),
        "{}",
        out(&alone(&some))
    );
}

#[test]
fn names_of_another_revision_than_the_answers_are_told() {
    let (serves, known) = (Root::bundled(), Root::bundled());
    let sidecar = Process::serve(serves.path(), &[]);
    let url = format!("http://{}", sidecar.address);
    assert_eq!(run(&["wait", "--address", &sidecar.address.to_string()]).status.code(), Some(0));
    // A root that knows less than the sidecar.
    let stores = known
        .read("entities/datastores.yaml")
        .replace("  holidays: { name: Public holidays by country }\n", "");
    known.write("entities/datastores.yaml", &stores);
    let teams = known.read("entities/teams.yaml").replace("datastores: [holidays]\n", "datastores: []\n");
    known.write(
        "entities/teams.yaml",
        &teams.replace("enrichment_datastores: []", "enrichment_datastores: [holidays-quality]"),
    );
    let path = known.path().to_str().expect("a path");
    let access = document(&["access", "hugo@example.com", "--root", path, "--url", &url]);
    assert_eq!(access["resources"][0]["id"], "holidays");
    // Its grounds would be those of another answer.
    assert_eq!(access["resources"][0]["policies"], json!([]));
    let notes = access["notes"].to_string();
    assert!(
        notes.contains("the sidecar serves revision") && notes.contains("the names and attributes are the root's"),
        "{notes}"
    );
    let matrix = document(&["matrix", path, "--url", &url, "--resource-type", "datastore"]);
    assert_eq!(matrix["resources"].as_array().map(Vec::len), Some(10));
    assert_eq!(matrix["resources"][3]["id"], "holidays");
}

/// Something that gives these answers, one to each request, and the last one to all that come behind.
fn answers(responses: Vec<String>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            let mut bytes = [0; 4096];
            // The body of a search ends with its object.
            while !request.ends_with(b"}}") {
                match stream.read(&mut bytes) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => request.extend_from_slice(&bytes[..count]),
                }
            }
            // Whoever asked may have gone.
            let _ = stream.write_all(responses[number.min(responses.len() - 1)].as_bytes());
        }
    });
    url
}

/// An answer with a body.
fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
}

#[test]
fn what_is_no_search_is_told_and_not_taken_for_an_empty_list() {
    let more = r#"{"page":{"next_token":"a"},"results":[]}"#;
    let cases = [
        (vec![answer("404 Not Found", "", "")], "this sidecar has no search: "),
        (
            vec![answer("200 OK", "", r#"{"decision":true}"#)],
            "answers a search with what is no list of results: missing field `results`",
        ),
        (
            vec![answer("500 Oops", "", r#"{"error":{"message":"oops"}}"#)],
            " answers 500 Internal Server Error at /access/v1/search/subject: oops",
        ),
        (vec![answer("200 OK", "", more)], "answers with the same page again and again"),
        (
            ["a", "b", "a"]
                .map(|token| answer("200 OK", "", &more.replace(r#""a""#, &format!("\"{token}\""))))
                .to_vec(),
            "answers with the same page again and again",
        ),
        (
            vec![
                answer("200 OK", "gatepost-revision: old\r\n", more),
                answer("200 OK", "gatepost-revision: new\r\n", r#"{"results":[]}"#),
            ],
            " has gone over from revision old to new while it was asked, and no answer is of both; ask again",
        ),
    ];
    for (responses, told) in cases {
        let url = answers(responses);
        let output = run(&["who-can", "read", "datastore:ledger", "--type", "user", "--url", &url]);
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains(told), "{told}: {}", err(&output));
    }
}

/// A sidecar's refusal of a context is about one action. What anybody else refuses is no answer at all.
#[test]
fn what_could_not_be_asked_is_not_told_as_nobody() {
    let refused = |headers: &str, message: &str| {
        answer(
            "400 Bad Request",
            headers,
            &json!({ "error": { "status": 400, "message": message } }).to_string(),
        )
    };
    let ours = "gatepost-revision: some\r\n";
    let url = |response: String| answers(vec![response]);
    let (context, host) = (
        refused(ours, "context.teams: required, and missing"),
        refused("", "host: unknown"),
    );
    let typed = refused(ours, "subject.type: required, and missing");
    for (url, told) in [
        (
            url(context),
            "`read` was not asked: context.teams: required, and missing; a context is given with --context",
        ),
        (
            url(host),
            " answers 400 Bad Request at /access/v1/search/subject: host: unknown",
        ),
        (
            url(typed),
            " answers 400 Bad Request at /access/v1/search/subject: subject.type: required, and missing",
        ),
        (
            url(answer("400 Bad Request", ours, "<html>")),
            " answers 400 Bad Request at /access/v1/search/subject",
        ),
    ] {
        let output = run(&["who-can", "read", "datastore:ledger", "--type", "user", "--url", &url]);
        assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{told}");
        assert!(err(&output).contains(told), "{told}: {}", err(&output));
    }
    // The same of files.
    for arguments in [
        &["who-can", "assignTeams", "user:carla@example.com"][..],
        &["what-can", "ana@example.com", "assignTeams"],
        &["access", "ana@example.com", "--action", "assignTeams"],
        &["matrix", "--action", "assignTeams"],
    ] {
        let output = run(arguments);
        assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{arguments:?}");
        assert!(
            err(&output).starts_with("`assignTeams` was not asked: "),
            "{arguments:?}: {}",
            err(&output)
        );
    }
}

#[test]
fn a_name_that_nothing_could_check_is_told_as_such() {
    let root = Root::bundled();
    let sidecar = Process::serve(root.path(), &[]);
    let url = format!("http://{}", sidecar.address);
    assert_eq!(run(&["wait", "--address", &sidecar.address.to_string()]).status.code(), Some(0));
    let ask = ["who-can", "raed", "datastore:ledger", "--type", "user", "--url", &url];
    let output = run(&ask);
    assert_eq!(output.status.code(), Some(3), "{}", out(&output));
    assert!(out(&output).contains("note: no name was checked: "), "{}", out(&output));
    let path = root.path().to_str().expect("a path");
    let output = run(&[&ask[..], &["--root", path]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("did you mean `read`?"), "{}", err(&output));
}

/// An action that wants a context stands in a level, and nobody was asked about it.
#[test]
fn an_action_that_was_not_asked_is_neither_given_nor_denied() {
    let root = Root::with(&[
        (
            "schema/s.cedarschema",
            "entity U, D; action write appliesTo { principal: U, resource: D };
             action edit in [write] appliesTo { principal: U, resource: D };
             action sign in [write] appliesTo { principal: U, resource: D, context: { key: String } };",
        ),
        (
            "policies/p.cedar",
            "permit (principal, action, resource); forbid (principal, action == Action::\"edit\", resource);",
        ),
        (
            "entities/e.json",
            r#"[{"uid":{"type":"U","id":"u"},"attrs":{},"parents":[]},{"uid":{"type":"D","id":"d"},"attrs":{},"parents":[]}]"#,
        ),
    ]);
    let path = root.path().to_str().expect("a path");
    for (context, without) in [(None, json!(["edit"])), (Some(r#"{"key":"k"}"#), json!(["edit"]))] {
        let context: Vec<&str> = context.into_iter().flat_map(|context| ["--context", context]).collect();
        for arguments in [&["what-can", "u", "--root", path][..], &["access", "u", "--root", path]] {
            let told = document(&[arguments, &context].concat());
            assert_eq!(told["resources"][0]["without"], without, "{told}");
        }
        let matrix = document(&[&["matrix", path, "--long"], &context[..]].concat());
        assert!(!matrix.to_string().contains("not sign"), "{matrix}");
    }
}

#[test]
fn a_list_that_could_not_be_written_is_no_success() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    for arguments in [
        &["matrix", "--format", "csv"][..],
        &["who-can", "read", "ledger"],
        &["access", "ana@example.com"],
    ] {
        let child = gatepost().args(arguments).stdout(full()).output();
        let output = child.expect("the binary runs");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(err(&output).contains("cannot write to standard output: "), "{}", err(&output));
    }
}

#[test]
fn an_account_that_the_store_does_not_have_can_be_asked_about() {
    let output = run(&["access", "user:nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(run(&["access", "user:nobody", "--absent"]).status.code(), Some(3));
}

#[test]
fn a_matrix_tells_which_types_it_leaves_out() {
    let (all, some) = (document(&["matrix"]), document(&["matrix", "--resource-type", "datastore"]));
    let is_told = |matrix: &Value| matrix["notes"].to_string().contains("without levels, and so not shown: ");
    assert!(is_told(&all), "{}", all["notes"]);
    assert!(!is_told(&some), "{}", some["notes"]);
    let shown: BTreeSet<String> = named_types(&all["resources"])
        .into_iter()
        .chain(named_types(&some["resources"]))
        .collect();
    for left_out in ["Platform", "User", "Team"] {
        assert!(!shown.contains(left_out), "{shown:?}");
        assert!(all["notes"].to_string().contains(left_out), "{}", all["notes"]);
    }
}

fn named_types(resources: &Value) -> BTreeSet<String> {
    let resources = resources.as_array().expect("resources").iter();
    resources.map(|resource| resource["type"].as_str().expect("a type").to_owned()).collect()
}

#[test]
fn a_sidecar_without_room_is_asked_again() {
    let url = answers(vec![
        answer("503 Service Unavailable", "retry-after: 0\r\n", ""),
        answer("200 OK", "", r#"{"results":[{"id":"zoe"}]}"#),
    ]);
    let output = run(&["who-can", "read", "datastore:ledger", "--type", "user", "--url", &url]);
    let told = out(&output);
    assert!(
        told.starts_with("who can read datastore ledger\n\nuser (1)\n  zoe\n\nnote: "),
        "{told}"
    );
}

/// Text in which every revision is the same.
fn without_revisions(text: &str) -> String {
    let is_revision = |word: &str| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split(' ').map(|word| {
        let (first, rest) = word.split_at(word.find('\n').unwrap_or(word.len()));
        if is_revision(first) {
            format!("REVISION{rest}")
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_the_document_shows_is_what_the_commands_print() {
    let document = std::fs::read_to_string(repository("docs/access-reviews.md")).expect("the document");
    let blocks = document.split("```console\n$ ").skip(1).filter_map(|block| block.split("\n```").next());
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_gatepost")).parent().expect("a directory");
    let paths = format!("{}:{}", binary.display(), std::env::var("PATH").expect("a path"));
    let mut shown = 0;
    for (command, output) in blocks.filter_map(|block| block.split_once('\n')) {
        let directory = Root::bundled();
        let ran = std::process::Command::new("sh")
            .args(["-c", &format!("{command} 2>&1")])
            .env("PATH", &paths)
            .env_remove("GATEPOST_ROOT")
            .current_dir(directory.path())
            .output()
            .expect("a shell");
        let printed = String::from_utf8(ran.stdout).expect("UTF-8");
        assert_eq!(without_revisions(printed.trim_end()), without_revisions(output), "{command}");
        shown += 1;
    }
    assert_eq!(shown, 6);
}
