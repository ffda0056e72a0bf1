//! Files that cannot be read as what they should be: links, encodings, sizes, and what is no file at all.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gatepost::app::Settings;
use gatepost::store::FileLimits;

use super::{ALLOW, DENY, Standing, allowed, generation, lay, quick, says, status, tiny_question};
use crate::support::{Client, Process, Root, Sidecar, gatepost};

/// Something in `policies/` that must be refused.
struct Case {
    name: &'static str,
    /// Puts it there.
    put: fn(&Path),
    /// The name that the fault gives it.
    file: &'static str,
    words: &'static str,
}

const X: &str = "policies/x.cedar";

const CASES: &[Case] = &[
    Case {
        name: "a link to itself",
        put: |dir| link("x.cedar", dir, "x.cedar"),
        file: X,
        words: "a loop of them",
    },
    Case {
        name: "two links to each other",
        put: |dir| {
            link("y", dir, "x.cedar");
            link("x.cedar", dir, "y");
        },
        file: X,
        words: "a loop of them",
    },
    Case {
        name: "a link to nowhere",
        put: |dir| link("nowhere", dir, "x.cedar"),
        file: X,
        words: "cannot read `policies/x.cedar`: No such file",
    },
    Case {
        name: "a chain of forty-one links",
        put: |dir| chain(dir, 41, ALLOW),
        file: X,
        words: "more than 40 symbolic links",
    },
    Case {
        name: "a link out of the root",
        put: |dir| link(&("../".repeat(30) + "etc/passwd"), dir, "x.cedar"),
        file: X,
        words: "leads out of the root",
    },
    Case {
        name: "an absolute link out of the root",
        put: |dir| link("/etc/passwd", dir, "x.cedar"),
        file: X,
        words: "leads out of the root, to `/etc/passwd`",
    },
    Case {
        name: "a link to a device",
        put: |dir| link("/dev/zero", dir, "x.cedar"),
        file: X,
        words: "leads out of the root, to `/dev/zero`",
    },
    Case {
        name: "a directory that leads out of the root",
        put: |dir| link("/etc", dir, "more"),
        file: "policies/more",
        words: "leads out of the root, to `/etc`",
    },
    Case {
        name: "a directory in itself",
        put: |dir| link("../policies", dir, "more"),
        file: "policies/more",
        words: "a loop of directories",
    },
    Case {
        name: "invalid UTF-8",
        put: |dir| write(dir, &join(ALLOW.as_bytes(), b"// \xff\n")),
        file: X,
        words: "not UTF-8: the byte at offset 41 is wrong",
    },
    Case {
        name: "a byte order mark",
        put: |dir| write(dir, &join(b"\xef\xbb\xbf", ALLOW.as_bytes())),
        file: X,
        words: "a byte order mark at byte 0",
    },
    Case {
        name: "a NUL",
        put: |dir| write(dir, &join(ALLOW.as_bytes(), b"// \0\n")),
        file: X,
        words: "a NUL character at byte 41",
    },
    Case {
        name: "UTF-16",
        put: |dir| write(dir, b"\xff\xfep\0e\0r\0m\0i\0t\0"),
        file: X,
        words: "not UTF-8: the byte at offset 0 is wrong",
    },
    Case {
        name: "an empty file",
        put: |dir| write(dir, b""),
        file: X,
        words: "the file is empty",
    },
    Case {
        name: "a file of blanks",
        put: |dir| write(dir, b" \n\t\r\n"),
        file: X,
        words: "the file is empty",
    },
    Case {
        name: "a FIFO",
        put: |dir| {
            let status = Command::new("mkfifo").arg(dir.join("x.cedar")).status();
            assert!(status.expect("mkfifo").success());
        },
        file: X,
        words: "`policies/x.cedar` is no regular file",
    },
    Case {
        name: "a socket",
        // It stays when its listener has gone.
        put: |dir| drop(UnixListener::bind(dir.join("x.cedar")).expect("a socket")),
        file: X,
        words: "cannot read `policies/x.cedar`",
    },
    Case {
        name: "two gigabytes of nothing",
        put: |dir| sparse(&dir.join("x.cedar")),
        file: X,
        words: "is larger than 268435456 bytes",
    },
    Case {
        name: "a name that is not UTF-8",
        put: |dir| fs::write(dir.join(OsStr::from_bytes(b"\xff.cedar")), ALLOW).expect("a file"),
        file: "policies/\u{fffd}.cedar",
        words: "its name is not UTF-8",
    },
    Case {
        name: "forty directories deep",
        put: |dir| fs::create_dir_all(dir.join("d/".repeat(40))).expect("directories"),
        file: "policies/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d",
        words: "more than 32 of them",
    },
];

fn link(target: &str, directory: &Path, name: &str) {
    symlink(target, directory.join(name)).expect("a link");
}

fn write(directory: &Path, content: &[u8]) {
    fs::write(directory.join("x.cedar"), content).expect("a file");
}

fn join(a: &[u8], b: &[u8]) -> Vec<u8> {
    [a, b].concat()
}

/// `x.cedar`, so many links away from a file.
fn chain(directory: &Path, links: usize, content: &str) {
    fs::write(directory.join("link-0"), content).expect("a file");
    for number in 1..links {
        link(&format!("link-{}", number - 1), directory, &format!("link-{number}"));
    }
    link(&format!("link-{}", links - 1), directory, "x.cedar");
}

fn sparse(path: &Path) {
    let file = File::create(path).expect("a file");
    file.set_len(2 << 30).expect("its length");
}

/// Removes everything but the policy that is known to be good.
fn clear(directory: &Path) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).expect("a directory to remove");
        } else if !path.ends_with("tiny.cedar") {
            fs::remove_file(path).expect("a file to remove");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_named_and_holds_nothing_up() {
    let root = Root::tiny(ALLOW);
    let policies = root.path().join("policies");
    let mut standing = Standing::on(root.path(), &quick(), tiny_question()).await;
    for case in CASES {
        (case.put)(&policies);
        let pending = standing.refuses(case.name, case.words).await;
        let fault = &pending["faults"][0];
        assert_eq!(fault["file"], case.file, "{}: {pending}", case.name);
        assert!(fault["help"].is_string(), "{}: {pending}", case.name);
        clear(&policies);
        standing.mends(case.name).await;
    }
}

#[tokio::test]
async fn what_is_odd_and_can_be_read_is_read() {
    let root = Root::tiny(ALLOW);
    let policies = root.path().join("policies");
    let sidecar = Sidecar::serve_with(root.path(), &quick()).await;
    let mut client = sidecar.client().await;
    let cases: [(&str, fn(&Path)); 4] = [
        ("line breaks of another system", |dir| {
            write(dir, b"// first\r\nforbid (principal,\r\n  action,\r\n  resource);\r\n");
        }),
        ("a chain of forty links", |dir| chain(dir, 40, DENY)),
        ("a directory with a file's name", |dir| {
            fs::create_dir(dir.join("x.cedar")).expect("a directory");
            fs::write(dir.join("x.cedar/y.cedar"), DENY).expect("a file");
        }),
        ("a name as long as names may be", |dir| {
            fs::write(dir.join("x".repeat(249) + ".cedar"), DENY).expect("a file");
        }),
    ];
    for (name, put) in cases {
        put(&policies);
        super::denies(&sidecar, &mut client).await;
        let before = sidecar.current();
        assert!(sidecar.live().status().pending.is_none(), "{name}");
        clear(&policies);
        sidecar.generation(before + 1).await;
        assert!(allowed(&mut client).await, "{name}");
    }
}

#[tokio::test]
async fn a_root_has_limits() {
    let root = Root::tiny(ALLOW);
    let settings = Settings {
        files: FileLimits {
            file_bytes_max: 1_000,
            total_bytes_max: 2_000,
            files_max: 5,
        },
        ..quick()
    };
    let policies = root.path().join("policies");
    let mut standing = Standing::on(root.path(), &settings, tiny_question()).await;
    let comment = |bytes: usize| format!("//{}", "x".repeat(bytes - 2));
    for (files, bytes, words) in [
        (1, 1_001, "`policies/more/x-0.cedar` is larger than 1000 bytes"),
        (2, 1_000, "the files hold more than 2000 bytes in all"),
        (6, 10, "more than 5 files and directories"),
    ] {
        for number in 0..files {
            root.write(&format!("aside/x-{number}.cedar"), &comment(bytes));
        }
        // All at once: fewer of them would be fine.
        fs::rename(root.path().join("aside"), policies.join("more")).expect("a directory to move");
        standing.refuses(words, words).await;
        clear(&policies);
        standing.mends(words).await;
    }
}

fn resident_kib(process: &Process) -> i64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.child.id())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let number = line.trim().trim_end_matches("kB").trim();
    number.parse().expect("a number")
}

/// Waits until the first fault that is pending has these words.
async fn refuses(client: &mut Client, words: &str) {
    says(client, words, |status| {
        let message = &status["pending"]["faults"][0]["message"];
        message.as_str().is_some_and(|message| message.contains(words))
    })
    .await;
}

async fn mends(client: &mut Client) {
    says(client, "the end of the fault", |status| status["pending"].is_null()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_before_it_costs_memory() {
    let root = Root::tiny(ALLOW);
    let policies = root.path().join("policies");
    let arguments = ["--set", "store.quiet_ms=20", "--set", "store.quiet_max_ms=50"];
    let process = Process::serve(root.path(), &arguments);
    let mut client = Client::connect(process.address).await;
    for _ in 0..100 {
        assert!(allowed(&mut client).await);
    }
    let before = resident_kib(&process);
    let mut most = before;
    let cases: [(&str, fn(&Path)); 2] = [
        ("is larger than 268435456 bytes", |dir| sparse(&dir.join("x.cedar"))),
        ("leads out of the root, to `/dev/zero`", |dir| link("/dev/zero", dir, "x.cedar")),
    ];
    for (words, put) in cases {
        put(&policies);
        refuses(&mut client, words).await;
        most = most.max(resident_kib(&process));
        clear(&policies);
        mends(&mut client).await;
    }
    println!("{before} KiB before, {most} KiB at most");
    assert!(most - before < 10 * 1_024, "{before} KiB became {most} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_grows_for_ever_is_refused_at_the_limit() {
    let root = Root::tiny(ALLOW);
    let arguments = [
        "--set",
        "store.quiet_ms=20",
        "--set",
        "store.quiet_max_ms=50",
        "--set",
        "limits.file_bytes_max=1000000",
    ];
    let process = Process::serve(root.path(), &arguments);
    let mut client = Client::connect(process.address).await;
    for _ in 0..100 {
        assert!(allowed(&mut client).await);
    }
    let before = resident_kib(&process);
    let path = root.path().join("policies/x.cedar");
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let growing = path.clone();
    let writer = thread::spawn(move || {
        let mut file = OpenOptions::new().create(true).append(true).open(growing).expect("a file");
        let line = format!("//{}\n", "x".repeat(1_021));
        // A bound for the disk's sake, far beyond the limit.
        for _ in 0..256 * 1_024 {
            if told.load(Ordering::Relaxed) {
                break;
            }
            file.write_all(line.as_bytes()).expect("a line");
        }
    });
    refuses(&mut client, "`policies/x.cedar` is larger than 1000000 bytes").await;
    assert!(allowed(&mut client).await);
    let after = resident_kib(&process);
    stop.store(true, Ordering::Relaxed);
    writer.join().expect("a writer");
    fs::remove_file(path).expect("a file to remove");
    mends(&mut client).await;
    println!("{before} KiB before, {after} KiB after");
    assert!(after - before < 10 * 1_024, "{before} KiB became {after} KiB");
}

/// Everybody may read what is below, and what is above lets everybody through.
fn open_up(path: &Path) {
    let is_directory = path.is_dir();
    let mode = if is_directory { 0o755 } else { 0o644 };
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions");
    if is_directory {
        for entry in fs::read_dir(path).expect("a directory") {
            open_up(&entry.expect("an entry").path());
        }
    }
}

/// `gatepost serve` as somebody whom permissions bind, whoever runs the tests.
fn serve_as_anybody(home: &Root, root: &Path) -> Command {
    let locked = home.path().join("locked");
    fs::write(&locked, "x").expect("a file");
    fs::set_permissions(&locked, Permissions::from_mode(0o000)).expect("permissions");
    let binds = File::open(&locked).is_err();
    fs::remove_file(&locked).expect("a file to remove");
    let mut command = if binds {
        gatepost()
    } else {
        let nobody = 65_534;
        // Where the binary was built may be closed to others.
        let copy = home.path().join("gatepost");
        fs::copy(gatepost().get_program(), &copy).expect("a copy of the binary");
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("permissions");
        let mut command = Command::new(copy);
        command.env_clear().uid(nobody).gid(nobody);
        command
    };
    command
        .current_dir("/")
        .arg("serve")
        .arg(root)
        .args(["--listen", "127.0.0.1:0", "--set", "store.quiet_ms=20"]);
    command
}

#[tokio::test]
async fn one_file_that_may_not_be_read_refuses_all_of_them() {
    for closed in ["policies/closed.cedar", "policies/closed"] {
        let home = Root::empty();
        let root = home.path().join("root");
        lay(&home, "root", ALLOW);
        home.write("root/policies/closed.cedar", "// Nothing yet.\n");
        home.write("root/policies/closed/inner.cedar", "// Nothing yet.\n");
        open_up(home.path());
        let process = Process::spawn(serve_as_anybody(&home, &root));
        let mut client = Client::connect(process.address).await;
        let live = status(&mut client).await["live"].take();

        fs::set_permissions(root.join(closed), Permissions::from_mode(0o000)).expect("permissions");
        home.write("root/policies/tiny.cedar", DENY);
        let words = format!("cannot read `{closed}`: Permission denied");
        refuses(&mut client, &words).await;
        let status = status(&mut client).await;
        let fault = &status["pending"]["faults"][0];
        assert_eq!(fault["file"], closed, "{status}");
        assert!(
            fault["help"].as_str().is_some_and(|help| help.contains("user that gatepost runs as")),
            "{status}"
        );
        assert_eq!(status["live"]["revision"], live["revision"], "{closed}");
        assert!(allowed(&mut client).await, "{closed}: the other files are live without it");

        open_up(&root);
        says(&mut client, closed, |status| generation(status) == 2).await;
        assert!(!allowed(&mut client).await, "{closed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nests_too_deeply_is_refused_and_ends_nothing() {
    let schema = "entity User; entity Doc; action view appliesTo { principal: User, resource: Doc };";
    let nested = |open: &str, close: &str, depth: usize| format!("{}true{}", open.repeat(depth), close.repeat(depth));
    let policy = |clause: &str| format!("permit (principal, action, resource) when {{ {clause} }};");
    let root = Root::tiny(ALLOW);
    let sidecar = Sidecar::serve_with(root.path(), &quick()).await;
    let mut client = sidecar.client().await;
    for (file, content, words) in [
        (
            "policies/tiny.cedar",
            policy(&nested("(", ")", 10_000)),
            "200 brackets within each other",
        ),
        (
            "policies/tiny.cedar",
            policy(&nested("!(", ")", 30_000)),
            "200 brackets within each other",
        ),
        (
            "policies/tiny.cedar",
            policy(&nested("if true then ", " else true", 300)),
            "24 `if`s in one statement",
        ),
        (
            "policies/tiny.cedar",
            policy(&vec!["principal == principal"; 3_000].join(" && ")),
            "800 operators within each other",
        ),
        (
            "schema/tiny.cedarschema",
            format!("{schema} type T = {}Long{};", "Set<".repeat(100_000), ">".repeat(100_000)),
            "200 brackets within each other",
        ),
    ] {
        let good = root.read(file);
        root.write(file, &content);
        sidecar.refuses(words).await;
        assert!(allowed(&mut client).await, "{words}");
        root.write(file, &good);
        sidecar.status("mended", |status| status.pending.is_none()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_cannot_be_looked_at_refuses_the_whole() {
    let root = Root::tiny(ALLOW);
    root.write("policies/tenant/forbid.cedar", "forbid (principal, action, resource);");
    let sidecar = Sidecar::serve_with(root.path(), &quick()).await;
    let mut client = sidecar.client().await;
    assert!(!allowed(&mut client).await);
    std::fs::rename(root.path().join("policies/tenant"), root.path().join("aside")).expect("a directory to move");
    std::os::unix::fs::symlink("../gone", root.path().join("policies/tenant")).expect("a link");
    sidecar.refuses("policies/tenant").await;
    assert!(!allowed(&mut client).await, "the prohibitions behind the link are left out");
}
