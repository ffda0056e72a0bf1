//! The audit trail of the directory: one line of JSON for each order, whether it was carried out or refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{Channel, Order, Refusal};
use crate::store::managed::{make_directory, sync, take_after};

/// How long another process may take to add its lines.
const LOCK_MAX: Duration = Duration::from_secs(2);

/// Where the trail is kept, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The file that lines are added to.
    pub file: PathBuf,
    /// How many bytes it holds before it is put aside.
    pub max_bytes: u64,
    /// How many files are kept besides it: `.1` is the one put aside last.
    pub keep: usize,
}

impl AuditSettings {
    /// The defaults, for a root.
    pub fn new(root: &Path) -> Self {
        Self {
            file: root.join("audit/directory.jsonl"),
            max_bytes: 64 << 20,
            keep: 10,
        }
    }
}

/// What came of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Outcome {
    /// It is carried out as soon as this line stands.
    Accepted,
    /// Everything was so already.
    Unchanged,
    /// A rule, a policy or a condition stood against it.
    Refused,
    /// It was accepted, and the files could not be written.
    Failed,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Bytes of a line, and of one of a command that changed nothing: beyond that `before` and `after` are cut. A few ids and
/// names that are cut themselves may stand above it.
const LINE_BYTES_MAX: usize = 64 << 10;
const REFUSED_BYTES_MAX: usize = 4 << 10;

/// Characters of one text in a line.
const TEXT_MAX: usize = 1000;

/// Cuts long texts, wherever they stand.
fn shorten(json: &mut Json) {
    match json {
        Json::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
                *text = format!("{}… (cut: {} bytes, SHA-256 {})", &text[..end], text.len(), sha256(text));
            }
        }
        Json::Array(items) => items.iter_mut().for_each(shorten),
        Json::Object(members) => members.values_mut().for_each(shorten),
        _ => {}
    }
}

fn sha256(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

/// A line to come.
pub(in crate::store) struct Line<'o> {
    pub(in crate::store) order: &'o Order,
    pub(in crate::store) outcome: Outcome,
    pub(in crate::store) before: Option<&'o Json>,
    pub(in crate::store) after: Option<&'o Json>,
    /// The revision that was live.
    pub(in crate::store) revision_before: &'o str,
    /// The revision that has the change.
    pub(in crate::store) revision: Option<&'o str>,
    pub(in crate::store) refusal: Option<&'o Refusal>,
}

impl Line<'_> {
    /// The line, within bounds: who may do nothing but be refused is not to push out what others did.
    fn to_json(&self) -> Json {
        let bytes_max = match self.outcome {
            Outcome::Accepted | Outcome::Failed => LINE_BYTES_MAX,
            Outcome::Unchanged | Outcome::Refused => REFUSED_BYTES_MAX,
        };
        let mut line = self.whole();
        shorten(&mut line);
        if line.to_string().len() <= bytes_max {
            return line;
        }
        for part in ["before", "after"] {
            let whole = line[part].to_string();
            if whole.len() > TEXT_MAX {
                line[part] = json!({ "cut": true, "bytes": whole.len(), "sha256": sha256(&whole) });
            }
        }
        line
    }

    fn whole(&self) -> Json {
        let key = self.order.command.key();
        let actor = &self.order.actor;
        json!({
            "time": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "request_id": self.order.request_id,
            "channel": self.order.channel.name(),
            "actor": actor.principal.as_ref().map(|(ty, id)| json!({ "type": ty, "id": id })),
            "token": actor.token,
            "system_user": actor.system_user,
            "command": self.order.command.word(),
            "entry": { "type": key.kind.entity_type(), "id": key.id },
            "before": self.before,
            "after": self.after,
            "revision_before": self.revision_before,
            "revision": self.revision,
            "outcome": self.outcome.name(),
            "rule": self.refusal.and_then(Refusal::rule),
            "message": self.refusal.map(ToString::to_string),
        })
    }
}

/// What was done to a token: on the command line, since nothing else changes tokens.
#[derive(Clone, Copy, Debug)]
pub struct TokenLine<'t> {
    /// `create` or `revoke`.
    pub command: TokenChange,
    /// The token's name.
    pub name: &'t str,
    /// What is known of it, never what its holder has: principal, scopes and end.
    pub state: &'t Json,
    /// The user of the operating system.
    pub system_user: Option<&'t str>,
}

/// What can be done to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// It is made.
    Create,
    /// It is taken away.
    Revoke,
}

impl TokenLine<'_> {
    fn to_json(self) -> Json {
        let (word, before, after) = match self.command {
            TokenChange::Create => ("create-token", None, Some(self.state)),
            TokenChange::Revoke => ("revoke-token", Some(self.state), None),
        };
        json!({
            "time": Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            "request_id": null,
            "channel": Channel::CommandLine.name(),
            "actor": null,
            "token": null,
            "system_user": self.system_user,
            "command": word,
            "entry": { "type": "Token", "id": self.name },
            "before": before,
            "after": after,
            "revision_before": null,
            "revision": null,
            "outcome": Outcome::Accepted.name(),
            "rule": null,
            "message": null,
        })
    }
}

/// Puts on record what is about to be done to a token. When this comes back, the line is on the disk.
///
/// # Errors
/// The trail cannot be opened or written; then the token should stay as it is.
pub fn record_token(settings: &AuditSettings, line: TokenLine<'_>) -> io::Result<()> {
    Trail::new(settings.clone()).add_json(&[line.to_json()])
}

/// The trail. It is opened anew for each addition, so whoever moves the file away loses nothing.
#[derive(Debug)]
pub(in crate::store) struct Trail {
    settings: AuditSettings,
}

impl Trail {
    pub(in crate::store) fn new(settings: AuditSettings) -> Self {
        Self { settings }
    }

    /// Adds lines. When this comes back, they are on the disk.
    ///
    /// # Errors
    /// The file cannot be opened or written.
    pub(in crate::store) fn add(&self, lines: &[Line<'_>]) -> io::Result<()> {
        let lines: Vec<Json> = lines.iter().map(Line::to_json).collect();
        self.add_json(&lines)
    }

    fn add_json(&self, lines: &[Json]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let say = |error: io::Error| {
            let path = self.settings.file.display();
            io::Error::new(error.kind(), format!("cannot write the audit trail `{path}`: {error}"))
        };
        self.add_to_file(lines).map_err(say)
    }

    fn add_to_file(&self, lines: &[Json]) -> io::Result<()> {
        let mut file = self.file()?;
        let mut text = String::new();
        if !ends_with_a_line(&mut file)? {
            // Power went while a line was written.
            text.push('\n');
        }
        for line in lines {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        let length = file.metadata()?.len();
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).inspect_err(|_| {
            // Lines of what is refused for it now are not to stand as accepted.
            let _ = file.set_len(length);
        })
    }

    /// The file, with room and locked: other processes may keep the same trail, and two that put it aside at once would
    /// lose it.
    fn file(&self) -> io::Result<File> {
        loop {
            let file = self.open()?;
            let since = Instant::now();
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_MAX => {
                        thread::sleep(Duration::from_millis(1))
                    }
                    Err(TryLockError::WouldBlock) => {
                        return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process holds its lock"));
                    }
                    // Some file systems have no locks. What is there is no file then, or nobody else's.
                    Err(TryLockError::Error(_)) => break,
                }
            }
            let (held, named) = (file.metadata()?, fs::metadata(&self.settings.file));
            let is_there = named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino()));
            if !is_there {
                // Somebody has put it aside before the lock was ours.
                continue;
            }
            // Before the lines and not after them: lines that stand are not to fail for it.
            if held.len() < self.settings.max_bytes {
                return Ok(file);
            }
            self.put_aside()?;
        }
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).read(true).mode(0o600);
        match options.open(&self.settings.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = match self.settings.file.parent() {
                    Some(directory) if !directory.as_os_str().is_empty() => directory,
                    _ => Path::new("."),
                };
                make_directory(directory)?;
                let file = options.create(true).open(&self.settings.file)?;
                take_after(&file, directory, 0o600)?;
                // A new file is there after a crash once its directory is on the disk.
                sync(directory)?;
                Ok(file)
            }
            opened => opened,
        }
    }

    /// Renames the file, and each that was put aside before; the oldest goes.
    fn put_aside(&self) -> io::Result<()> {
        let numbered = |number: usize| {
            let mut name = self.settings.file.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if self.settings.keep == 0 {
            return fs::remove_file(&self.settings.file);
        }
        for number in (1..self.settings.keep).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.settings.file, numbered(1))
    }
}

fn ends_with_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Command, Key, Kind};
    use crate::store::{Actor, Channel, Expected};

    fn order() -> Order {
        Order {
            command: Command::Delete {
                key: Key::new(Kind::Team, "sales\n"),
            },
            actor: Actor::default(),
            channel: Channel::CommandLine,
            expected: Expected::Newest,
            dry_run: false,
            request_id: None,
        }
    }

    fn add(trail: &Trail, order: &Order) {
        let line = Line {
            order,
            outcome: Outcome::Accepted,
            before: None,
            after: None,
            revision_before: "r",
            revision: None,
            refusal: None,
        };
        trail.add(&[line]).expect("a line");
    }

    #[test]
    fn a_line_has_bounds_whatever_it_tells_of() {
        let long = "x".repeat(1 << 20);
        let names: Vec<String> = (0..10_000).map(|number| format!("user-{number}")).collect();
        let mut order = order();
        order.command = Command::Delete {
            key: Key::new(Kind::Team, long.as_str()),
        };
        for (outcome, bytes_max) in [
            (Outcome::Accepted, LINE_BYTES_MAX),
            (Outcome::Refused, 2 * REFUSED_BYTES_MAX),
        ] {
            for after in [json!({ "description": long }), json!({ "users": names })] {
                let line = Line {
                    order: &order,
                    outcome,
                    before: None,
                    after: Some(&after),
                    revision_before: "r",
                    revision: None,
                    refusal: None,
                };
                let text = line.to_json().to_string();
                assert!(text.len() <= bytes_max, "{} bytes", text.len());
                let line: Json = serde_json::from_str(&text).expect("a line of JSON");
                let hash = sha256(&after.to_string());
                let is_told = line["after"]["sha256"] == hash.as_str();
                let description = line["after"]["description"].as_str().unwrap_or_default();
                assert!(is_told || description.contains(&sha256(&long)), "{text}");
            }
        }
    }

    #[test]
    fn many_may_keep_one_trail() {
        let root = tempfile::tempdir().expect("a directory");
        let settings = AuditSettings {
            max_bytes: 2_000,
            keep: 1_000,
            ..AuditSettings::new(root.path())
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                let trail = Trail::new(settings.clone());
                scope.spawn(move || (0..50).for_each(|_| add(&trail, &order())));
            }
        });
        let entries = fs::read_dir(root.path().join("audit")).expect("a directory");
        let texts = entries.map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("a text"));
        let texts: Vec<String> = texts.collect();
        assert!(texts.len() > 10, "{} files", texts.len());
        assert_eq!(texts.iter().map(|text| text.lines().count()).sum::<usize>(), 200);
    }

    #[test]
    fn lines_are_whole_and_files_are_put_aside() {
        let root = tempfile::tempdir().expect("a directory");
        let settings = AuditSettings {
            max_bytes: 500,
            keep: 2,
            ..AuditSettings::new(root.path())
        };
        let file = settings.file.clone();
        let trail = Trail::new(settings);
        add(&trail, &order());
        let one = fs::read_to_string(&file).expect("a file");
        // Half of a line, as a crash leaves it.
        fs::write(&file, format!("{one}{{\"time\":")).expect("a torn file");
        add(&trail, &order());
        add(&trail, &order());
        let put_aside = fs::read_to_string(file.with_extension("jsonl.1")).expect("a file that was put aside");
        let lines: Vec<&str> = put_aside.lines().collect();
        assert_eq!((lines.len(), lines[1]), (3, "{\"time\":"));
        let last: Json = serde_json::from_str(lines[2]).expect("a whole line");
        assert_eq!(last["entry"]["id"], "sales\n");
        for _ in 0..12 {
            add(&trail, &order());
        }
        let names = fs::read_dir(root.path().join("audit")).expect("a directory").count();
        assert!((2..=3).contains(&names), "{names} files");
    }
}
