//! Completion in a real bash, on a terminal of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::support::{PATIENCE, Root, gatepost};

/// A bash that somebody types into.
struct Bash {
    keys: File,
    shown: mpsc::Receiver<Vec<u8>>,
    seen: String,
    child: Child,
}

impl Drop for Bash {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bash {
    /// A bash in a directory that has read the script.
    fn start(root: &Root) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&near).expect("a terminal of ours");
        unlockpt(&near).expect("an open terminal");
        let path = ptsname(&near, Vec::new()).expect("its name").into_string().expect("a readable name");
        let far = File::options().read(true).write(true).open(path).expect("its other side");
        let binary = std::path::Path::new(env!("CARGO_BIN_EXE_gatepost")).parent().expect("a directory");
        let paths = format!("{}:{}", binary.display(), std::env::var("PATH").expect("a path"));
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GATEPOST_")) {
            command.env_remove(name);
        }
        let child = command
            .args(["--norc", "--noprofile", "-i"])
            .env("PATH", paths)
            .env("TERM", "dumb")
            .env("PS1", "")
            .env_remove("INPUTRC")
            .current_dir(root.path())
            .stdin(Stdio::from(far.try_clone().expect("a copy")))
            .stdout(Stdio::from(far.try_clone().expect("a copy")))
            .stderr(Stdio::from(far))
            .spawn()
            .expect("bash");
        let keys = File::from(near);
        let mut screen = keys.try_clone().expect("a copy");
        let (send, shown) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = screen.read(&mut bytes) {
                if count == 0 || send.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut bash = Self {
            keys,
            shown,
            seen: String::new(),
            child,
        };
        bash.types("source <(gatepost completions bash); echo script-is-${?}-read\n");
        bash.shows("script-is-0-read");
        bash
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a key that is taken");
    }

    /// Waits until this is shown, and gives what follows on the same line.
    fn shows(&mut self, words: &str) -> String {
        loop {
            if let Some((_, rest)) = self.seen.split_once(words)
                && let Some((line, after)) = rest.split_once('\n')
            {
                let (line, after) = (line.trim_end_matches('\r').to_owned(), after.to_owned());
                self.seen = after;
                return line;
            }
            let more = self.shown.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("`{words}` is not shown: {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// What a command line becomes when these keys are typed. Nothing is waited for between them: bash takes one key after
    /// the other.
    fn becomes(&mut self, keys: &str) -> String {
        // To the beginning of the line, and there the command that shows the rest; its own echo has a quote within.
        self.types(&format!("{keys}\x01printf 'becomes'':%s\\n' \"\x05\"\n"));
        self.shows("becomes:")
    }
}

#[test]
fn commands_and_names_complete_in_bash_wherever_it_cuts_words() {
    let root = Root::bundled();
    let mut bash = Bash::start(&root);
    for (keys, line) in [
        ("gatepost who-\t", "gatepost who-can "),
        ("gatepost who-can wri\tledger-\t", "gatepost who-can write ledger-quality "),
        ("gatepost access carl\t", "gatepost access carla@example.com "),
        ("gatepost access carla@ex\t", "gatepost access carla@example.com "),
        ("gatepost access user:carla@\t", "gatepost access user:carla@example.com "),
        ("gatepost access us\tcarl\t", "gatepost access user:carla@example.com "),
        ("gatepost what-can nightly\tvi\t", "gatepost what-can nightly-scan view"),
        (
            "gatepost matrix --resource-type=dat\t",
            "gatepost matrix --resource-type=datastore ",
        ),
        (
            "gatepost matrix --principal-type ser\t",
            "gatepost matrix --principal-type serviceuser ",
        ),
        (
            "gatepost authorize --principal user:the\t--action runO\t--resource team:\x7f\x7f\x7f\x7f\x7fdatas\tledger\t",
            "gatepost authorize --principal user:theo@example.com --action runOperation --resource datastore:ledger ",
        ),
        // Only what the action applies to.
        ("gatepost who-can viewTeam le\t", "gatepost who-can viewTeam le"),
        ("gatepost who-can viewTeam mark\t", "gatepost who-can viewTeam marketing "),
        ("gatepost who-can zzz\t", "gatepost who-can zzz"),
        ("gatepost completions z\t", "gatepost completions zsh "),
        (
            "gatepost service-\tdeac\tnight\t",
            "gatepost service-user deactivate nightly-scan ",
        ),
        (
            "gatepost team add-\tfin\tcarl\t",
            "gatepost team add-member finance carla@example.com ",
        ),
        (
            "gatepost user join hu\tware\t",
            "gatepost user join hugo@example.com warehouse ",
        ),
    ] {
        assert_eq!(bash.becomes(keys), line, "{keys:?}");
    }
}

#[test]
fn names_are_those_of_the_root_on_the_command_line_and_none_that_a_shell_would_run() {
    let root = Root::bundled();
    root.write(
        "other/schema/s.cedarschema",
        "entity P; entity D; action go appliesTo { principal: P, resource: D };",
    );
    root.write("other/policies/p.cedar", "this is no policy");
    let ids = ["zoe", "zed$(touch run)", "zed;touch run", "zebra"];
    let entities = ids.map(|id| serde_json::json!({ "uid": { "type": "P", "id": id }, "attrs": {}, "parents": [] }));
    root.write("other/entities/e.json", &serde_json::json!(entities).to_string());
    let mut bash = Bash::start(&root);
    for (keys, line) in [
        ("gatepost access --root other zo\t", "gatepost access --root other zoe "),
        ("gatepost access --root=other ze\t", "gatepost access --root=other zebra "),
        (
            "gatepost authorize other --principal p:ze\t",
            "gatepost authorize other --principal p:zebra ",
        ),
        ("gatepost what-can --root nowhere z\t", "gatepost what-can --root nowhere z"),
    ] {
        assert_eq!(bash.becomes(keys), line, "{keys:?}");
    }
    assert!(!root.path().join("run").exists());
}

#[test]
fn every_shell_gets_a_script_that_calls_the_binary() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = gatepost().args(["completions", shell]).output().expect("the binary");
        let script = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(output.status.code(), Some(0));
        assert!(script.contains("_GATEPOST_COMPLETE"), "{script}");
        assert!(script.contains(env!("CARGO_BIN_EXE_gatepost")), "{script}");
    }
    let unknown = gatepost().args(["completions", "tcsh"]).output().expect("the binary");
    assert_eq!(unknown.status.code(), Some(2));
}
