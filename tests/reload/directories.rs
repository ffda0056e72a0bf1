//! Directories that go, come back, or turn out to be something else. Nothing to read never means that nothing is said.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use gatepost::app::{Settings, World};

use super::{ALLOW, DENY, Standing, allowed, lay, quick, status, tiny_question};
use crate::support::{EVALUATION, Root, Sidecar};

/// Something that happens to a directory. The root is `root` below a directory that is the test's.
struct Case {
    name: &'static str,
    happens: fn(&Root),
    /// Makes it as it was.
    ends: fn(&Root),
    /// The file or directory that the first fault names; `ROOT` for the root itself.
    file: &'static str,
    words: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "the policies are deleted",
        happens: |home| remove(home, "root/policies"),
        ends: |home| lay(home, "root", ALLOW),
        file: "policies",
        words: "cannot read `policies`: No such file",
    },
    Case {
        name: "the policies are moved away",
        happens: |home| rename(home, "root/policies", "aside"),
        ends: |home| rename(home, "aside", "root/policies"),
        file: "policies",
        words: "cannot read `policies`: No such file",
    },
    Case {
        name: "the policies are a file",
        happens: |home| {
            remove(home, "root/policies");
            home.write("root/policies", ALLOW);
        },
        ends: |home| {
            home.remove("root/policies");
            lay(home, "root", ALLOW);
        },
        file: "policies",
        words: "cannot read `policies`: Not a directory",
    },
    Case {
        name: "the policies are a link to nowhere",
        happens: |home| {
            remove(home, "root/policies");
            symlink("nowhere", at(home, "root/policies")).expect("a link");
        },
        ends: |home| {
            home.remove("root/policies");
            lay(home, "root", ALLOW);
        },
        file: "policies",
        words: "cannot read `policies`: No such file",
    },
    Case {
        name: "the policies are emptied",
        happens: |home| home.remove("root/policies/tiny.cedar"),
        ends: |home| lay(home, "root", ALLOW),
        file: "policies",
        words: "there is nothing to read in `policies/`",
    },
    Case {
        name: "the policies have other names",
        happens: |home| {
            rename(home, "root/policies/tiny.cedar", "root/policies/tiny.cedar.bak");
            home.write("root/policies/.tiny.cedar", ALLOW);
            home.write("root/policies/README.md", "nothing here");
        },
        ends: |home| lay(home, "root", ALLOW),
        file: "policies",
        words: "there is nothing to read in `policies/`",
    },
    Case {
        name: "the policies are in an empty subdirectory",
        happens: |home| {
            home.remove("root/policies/tiny.cedar");
            fs::create_dir(at(home, "root/policies/more")).expect("a directory");
        },
        ends: |home| lay(home, "root", ALLOW),
        file: "policies",
        words: "there is nothing to read in `policies/`",
    },
    Case {
        name: "the schema is deleted",
        happens: |home| remove(home, "root/schema"),
        ends: |home| lay(home, "root", ALLOW),
        file: "schema",
        words: "cannot read `schema`: No such file",
    },
    Case {
        name: "the schema is emptied",
        happens: |home| home.remove("root/schema/tiny.cedarschema"),
        ends: |home| lay(home, "root", ALLOW),
        file: "schema",
        words: "there is nothing to read in `schema/`",
    },
    Case {
        name: "the entities are deleted",
        happens: |home| remove(home, "root/entities"),
        ends: |home| lay(home, "root", ALLOW),
        file: "entities",
        words: "cannot read `entities`: No such file",
    },
    Case {
        name: "the entities are emptied",
        happens: |home| home.remove("root/entities/none.json"),
        ends: |home| lay(home, "root", ALLOW),
        file: "entities",
        words: "there is nothing to read in `entities/`",
    },
    Case {
        name: "the root is deleted",
        happens: |home| remove(home, "root"),
        ends: |home| lay(home, "root", ALLOW),
        file: "ROOT",
        words: "No such file",
    },
    Case {
        name: "the root is moved away",
        happens: |home| rename(home, "root", "aside"),
        ends: |home| rename(home, "aside", "root"),
        file: "ROOT",
        words: "No such file",
    },
    Case {
        name: "the root is a file",
        happens: |home| {
            rename(home, "root", "aside");
            home.write("root", ALLOW);
        },
        ends: |home| {
            home.remove("root");
            rename(home, "aside", "root");
        },
        file: "ROOT",
        words: "not a directory",
    },
    Case {
        name: "the root is emptied",
        happens: |home| {
            for directory in ["schema", "entities", "policies"] {
                remove(home, &format!("root/{directory}"));
            }
        },
        ends: |home| lay(home, "root", ALLOW),
        file: "entities",
        words: "cannot read `policies`: No such file",
    },
];

fn at(home: &Root, path: &str) -> PathBuf {
    home.path().join(path)
}

fn remove(home: &Root, directory: &str) {
    fs::remove_dir_all(at(home, directory)).expect("a directory to remove");
}

fn rename(home: &Root, from: &str, to: &str) {
    fs::rename(at(home, from), at(home, to)).expect("something to rename");
}

async fn check(case: &Case) {
    let name = case.name;
    let home = Root::empty();
    lay(&home, "root", ALLOW);
    // Sweeps are too rare to be of help: it is events that tell of all this.
    let settings = Settings {
        sweep: Duration::from_secs(60),
        ..quick()
    };
    let root = at(&home, "root");
    let mut standing = Standing::on(&root, &settings, tiny_question()).await;
    (case.happens)(&home);
    let pending = standing.refuses(name, case.words).await;
    let root = root.display().to_string();
    let file = if case.file == "ROOT" { root.as_str() } else { case.file };
    assert_eq!(pending["faults"][0]["file"], file, "{name}: {pending}");

    (case.ends)(&home);
    standing.mends(name).await;
    // And changes in what came back are noticed.
    let before = standing.sidecar.current();
    home.write("root/policies/tiny.cedar", DENY);
    standing.sidecar.generation(before + 1).await;
    assert!(!allowed(&mut standing.client).await, "{name}");
}

#[tokio::test]
async fn whatever_becomes_of_a_directory_the_old_answers_stand_until_it_is_back() {
    for case in CASES {
        check(case).await;
    }
}

#[tokio::test]
async fn an_empty_root_is_waited_for_and_answers_nothing() {
    let home = Root::empty();
    fs::create_dir(at(&home, "root")).expect("a directory");
    let settings = Settings {
        sweep: Duration::from_secs(60),
        ..quick()
    };
    let sidecar = Sidecar::start(World::Root(at(&home, "root")), &settings).await;
    let mut client = sidecar.client().await;
    sidecar.refuses("cannot read `policies`").await;
    for directory in ["schema", "policies", "entities"] {
        fs::create_dir(at(&home, &format!("root/{directory}"))).expect("a directory");
    }
    sidecar.refuses("there is nothing to read in `policies/`").await;
    assert_eq!(client.get("/readyz").await.status, 503);
    // No answer, which is another thing than the answer no.
    let answer = client.post(EVALUATION, &tiny_question()).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let status = status(&mut client).await;
    assert_eq!(status["live"], serde_json::Value::Null, "{status}");

    lay(&home, "root", ALLOW);
    sidecar.generation(1).await;
    assert!(allowed(&mut client).await);
    assert_eq!(client.get("/readyz").await.status, 200);
}
