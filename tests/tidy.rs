//! The laws of the house, held by reading its files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::repository;

/// Each room, and the rooms that it may import.
const ROOMS: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("directory", &["engine"]),
    ("scim", &["directory"]),
    ("store", &["engine", "directory"]),
    ("callers", &[]),
    ("serve", &["engine", "directory", "scim", "store", "callers"]),
    ("app", &["engine", "directory", "scim", "store", "callers", "serve", "app"]),
    (
        "cli",
        &["engine", "directory", "scim", "store", "callers", "serve", "app", "cli"],
    ),
];

/// What a room must do without, besides other rooms.
const ABSENT: &[(&str, &[&str])] = &[
    (
        "engine",
        &[
            "tokio",
            "axum",
            "hyper",
            "tracing",
            "std::fs",
            "std::time",
            "std::sync::Mutex",
            "std::sync::RwLock",
            "notify",
        ],
    ),
    (
        "directory",
        &["tokio", "axum", "hyper", "tracing", "std::fs", "cedar_policy", "notify"],
    ),
    (
        "scim",
        &[
            "tokio",
            "axum",
            "hyper",
            "tracing",
            "std::fs",
            "std::time",
            "cedar_policy",
            "notify",
        ],
    ),
    ("store", &["axum", "hyper"]),
    (
        "callers",
        &[
            "tokio",
            "axum",
            "hyper",
            "tracing",
            "std::fs",
            "std::time",
            "cedar_policy",
            "notify",
        ],
    ),
    ("serve", &["std::fs::read", "std::fs::write", "notify"]),
];

fn rust_files(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The files of a room: its front page and what is behind it.
fn room_files(room: &str) -> Vec<PathBuf> {
    let mut files = vec![repository(&format!("src/{room}.rs"))];
    rust_files(&repository(&format!("src/{room}")), &mut files);
    files
}

/// The lines of a file that are code, without its tests.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("a file");
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line.to_owned()))
        .collect()
}

#[test]
fn rooms_import_downwards_only() {
    for (room, allowed) in ROOMS {
        for file in room_files(room) {
            for (number, line) in code(&file) {
                for part in line.split("crate::").skip(1) {
                    let other: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    let known = ROOMS.iter().any(|(name, _)| *name == other);
                    assert!(
                        !known || other == *room || allowed.contains(&other.as_str()),
                        "{}:{number}: `{room}` imports `{other}`",
                        file.display()
                    );
                }
            }
        }
    }
}

#[test]
fn rooms_are_entered_through_their_front_pages() {
    for (room, _) in ROOMS {
        for file in room_files(room) {
            for (number, line) in code(&file) {
                for (other, _) in ROOMS.iter().filter(|(other, _)| other != room) {
                    let Some(path) = line.split(&format!("crate::{other}::")).nth(1) else {
                        continue;
                    };
                    let first: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    // `engine::json` is a module of its front page; everything else that is lower case is a function.
                    let behind = repository(&format!("src/{other}/{first}.rs")).exists()
                        && path[first.len()..].starts_with("::");
                    assert!(
                        !behind || (*other, first.as_str()) == ("engine", "json"),
                        "{}:{number}: goes behind `{other}` to `{first}`",
                        file.display()
                    );
                }
            }
        }
    }
}

#[test]
fn rooms_do_without_what_they_must() {
    for (room, absent) in ABSENT {
        for file in room_files(room) {
            // The one file that makes the socket's directory.
            let makes_sockets = file.ends_with("serve/listen.rs");
            for (number, line) in code(&file) {
                for word in *absent {
                    let used = line.contains(&format!("{word}::")) || line.contains(&format!("use {word}"));
                    assert!(!used || makes_sockets, "{}:{number}: `{room}` uses `{word}`", file.display());
                }
            }
        }
    }
}

#[test]
fn only_one_file_knows_the_core_crate() {
    let mut files = Vec::new();
    rust_files(&repository("src"), &mut files);
    for file in files.iter().filter(|file| !file.ends_with("engine/core.rs")) {
        for (number, line) in code(file) {
            assert!(
                !line.contains("cedar_policy_core"),
                "{}:{number}: name it in engine/core.rs, and use it from there",
                file.display()
            );
        }
    }
}

#[test]
fn every_file_says_in_its_first_line_what_it_is() {
    let mut files = Vec::new();
    for directory in ["src", "tests", "benches"] {
        rust_files(&repository(directory), &mut files);
    }
    assert!(files.len() > 40);
    for file in files {
        let text = fs::read_to_string(&file).expect("a file");
        assert!(text.starts_with("//! "), "{}: its first line is no `//! …`", file.display());
    }
}

#[test]
fn every_setting_is_in_the_documents() {
    let reference = fs::read_to_string(repository("docs/settings.md")).expect("docs/settings.md");
    for setting in gatepost::app::SETTINGS {
        assert!(
            reference.contains(&format!("`{}`", setting.key)),
            "{} is not in docs/settings.md",
            setting.key
        );
        assert!(
            reference.contains(&setting.variable()),
            "{} is not in docs/settings.md",
            setting.variable()
        );
    }
}
