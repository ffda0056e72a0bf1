//! What editors do to a file and leave beside it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{ALLOW, DENY, allowed, quick};
use crate::support::{Root, Sidecar};

/// What an editor does in the directory of `tiny.cedar`.
struct Editor {
    name: &'static str,
    open: fn(&Path),
    save: fn(&Path, &str),
    close: fn(&Path),
}

const EDITORS: &[Editor] = &[
    Editor {
        name: "vim",
        open: |dir| write(dir, ".tiny.cedar.swp", "b0VIM 9.0"),
        save: |dir, content| {
            // Whether a file can be made here at all.
            write(dir, "4913", "");
            remove(dir, "4913");
            rename(dir, "tiny.cedar", "tiny.cedar~");
            write(dir, "tiny.cedar", content);
            write(dir, ".tiny.cedar.swp", "b0VIM 9.0 saved");
            remove(dir, "tiny.cedar~");
        },
        close: |dir| remove(dir, ".tiny.cedar.swp"),
    },
    Editor {
        name: "vim that copies, and keeps the copy",
        open: |dir| write(dir, ".tiny.cedar.swp", "b0VIM 9.0"),
        save: |dir, content| {
            fs::copy(dir.join("tiny.cedar"), dir.join("tiny.cedar~")).expect("a copy");
            write(dir, "tiny.cedar", content);
        },
        close: |dir| remove(dir, ".tiny.cedar.swp"),
    },
    Editor {
        name: "emacs",
        open: |dir| {
            symlink("ana@desk.4711:1700000000", dir.join(".#tiny.cedar")).expect("a lock");
            write(dir, "#tiny.cedar#", "permit (princ");
        },
        save: |dir, content| {
            write(dir, "#tiny.cedar#", "permit (principal, ");
            rename(dir, "tiny.cedar", "tiny.cedar~");
            write(dir, "tiny.cedar", content);
            remove(dir, "#tiny.cedar#");
        },
        close: |dir| remove(dir, ".#tiny.cedar"),
    },
    Editor {
        name: "nano",
        open: |dir| write(dir, ".tiny.cedar.swp", "b0nano"),
        save: |dir, content| write(dir, "tiny.cedar", content),
        close: |dir| remove(dir, ".tiny.cedar.swp"),
    },
    Editor {
        name: "one that truncates and writes in pieces",
        open: |_| {},
        save: |dir, content| {
            let mut file = OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(dir.join("tiny.cedar"))
                .expect("a file");
            for piece in content.as_bytes().chunks(8) {
                file.write_all(piece).expect("a piece");
            }
        },
        close: |_| {},
    },
    Editor {
        name: "VS Code, atomically",
        open: |_| {},
        save: |dir, content| {
            write(dir, "tiny.cedar.vsctmp", content);
            rename(dir, "tiny.cedar.vsctmp", "tiny.cedar");
        },
        close: |_| {},
    },
    Editor {
        name: "JetBrains",
        open: |_| {},
        save: |dir, content| {
            write(dir, "tiny.cedar___jb_tmp___", content);
            rename(dir, "tiny.cedar", "tiny.cedar___jb_old___");
            rename(dir, "tiny.cedar___jb_tmp___", "tiny.cedar");
            remove(dir, "tiny.cedar___jb_old___");
        },
        close: |_| {},
    },
    Editor {
        name: "gedit",
        open: |_| {},
        save: |dir, content| {
            write(dir, ".goutputstream-3Q2XV2", content);
            rename(dir, ".goutputstream-3Q2XV2", "tiny.cedar");
        },
        close: |_| {},
    },
    Editor {
        name: "sed -i",
        open: |_| {},
        save: |dir, content| {
            let effect = content.split(' ').next().expect("a first word");
            let status = Command::new("sed")
                .args(["-i", &format!("s/^[a-z]*/{effect}/"), "tiny.cedar"])
                .current_dir(dir)
                .status();
            assert!(status.expect("sed").success());
        },
        close: |_| {},
    },
    Editor {
        name: "patch",
        open: |_| {},
        save: |dir, content| {
            rename(dir, "tiny.cedar", "tiny.cedar.orig");
            write(dir, "tiny.cedar", content);
            write(dir, "tiny.cedar.rej", "@@ -1 +1 @@");
        },
        close: |_| {},
    },
];

fn write(directory: &Path, name: &str, content: &str) {
    fs::write(directory.join(name), content).expect("a file");
}

fn remove(directory: &Path, name: &str) {
    fs::remove_file(directory.join(name)).expect("a file to remove");
}

fn rename(directory: &Path, from: &str, to: &str) {
    fs::rename(directory.join(from), directory.join(to)).expect("a file to rename");
}

async fn check(editor: &Editor) {
    let name = editor.name;
    let root = Root::tiny(ALLOW);
    let policies = root.path().join("policies");
    let sidecar = Sidecar::serve_with(root.path(), &quick()).await;
    let mut client = sidecar.client().await;
    (editor.open)(&policies);
    for (generation, content) in [(2, DENY), (3, ALLOW), (4, DENY)] {
        (editor.save)(&policies, content);
        // What is seen half-way is a fault at most, and no generation: there is no other policy.
        assert_eq!(sidecar.generation(generation).await, generation, "{name}");
        assert_eq!(allowed(&mut client).await, content == ALLOW, "{name}");
        let settled = sidecar.status(name, |status| status.pending.is_none()).await;
        assert_eq!(settled.loads, generation, "{name}: {settled:?}");
    }
    (editor.close)(&policies);
    // What is left beside the file is nothing to anybody: the next change is the next generation.
    root.write("policies/tiny.cedar", ALLOW);
    assert_eq!(sidecar.generation(5).await, 5, "{name}");
    assert!(allowed(&mut client).await, "{name}");
    assert!(sidecar.live().status().pending.is_none(), "{name}");
}

#[tokio::test]
async fn every_editor_ends_in_the_right_state_and_in_no_fault() {
    for editor in EDITORS {
        check(editor).await;
    }
}
