//! What a change did, or would do: in files, and in who has access.

use serde_json::{Value, json};
use similar::TextDiff;

use crate::cli::lists::{Colour, Table, shown};
use crate::directory::{Key, Kind, Permission, Role};
use crate::store::{AccessDiff, Done, FileChange};

/// How many lines around a change are shown.
const CONTEXT: usize = 3;

/// How many rows of changed access are shown to people.
const ROWS_MAX: usize = 50;

/// What came of an order.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) revision: String,
    pub(super) changed: bool,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    /// Each file with its unified diff, where that is known.
    pub(super) files: Vec<(String, Option<String>)>,
    pub(super) access: Option<Access>,
}

/// Whose access changes.
#[derive(Debug, Default)]
pub(super) struct Access {
    pub(super) gaining: u64,
    pub(super) losing: u64,
    pub(super) is_cut: bool,
    /// Who, on what, before, after.
    pub(super) rows: Vec<[String; 4]>,
}

impl From<Done> for Outcome {
    fn from(done: Done) -> Self {
        Self {
            revision: done.revision,
            changed: done.changed,
            before: done.before,
            after: done.after,
            files: done.files.iter().map(|file| (file.name.to_string(), Some(diff(file)))).collect(),
            access: done.access.as_ref().map(Access::from),
        }
    }
}

/// The unified diff of a file.
fn diff(file: &FileChange) -> String {
    let side = |content: &Option<std::sync::Arc<str>>, letter: char| match content {
        Some(_) => format!("{letter}/{}", file.name),
        None => "/dev/null".to_owned(),
    };
    let text = |content: &Option<std::sync::Arc<str>>| content.as_deref().unwrap_or_default().to_owned();
    let (before, after) = (text(&file.before), text(&file.after));
    TextDiff::from_lines(&before, &after)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&side(&file.before, 'a'), &side(&file.after, 'b'))
        .to_string()
}

impl From<&AccessDiff> for Access {
    fn from(diff: &AccessDiff) -> Self {
        let level = |level: Option<Permission>| level.map_or("none", Permission::name).to_owned();
        let role = |role: Option<Role>| role.map_or("none", Role::name).to_owned();
        let levels = diff.levels.iter().map(|change| {
            [
                name(&change.account),
                name(&change.store),
                level(change.before),
                level(change.after),
            ]
        });
        let roles = diff.roles.iter().map(|change| {
            [
                name(&change.account),
                "role".to_owned(),
                role(change.before),
                role(change.after),
            ]
        });
        Self {
            gaining: diff.gaining as u64,
            losing: diff.losing as u64,
            is_cut: diff.is_cut,
            rows: roles.chain(levels).collect(),
        }
    }
}

/// An entry as the command line calls it: `service-user:nightly-scan`.
pub(super) fn name(key: &Key) -> String {
    let kind = match key.kind {
        Kind::User => "user",
        Kind::ServiceUser => "service-user",
        Kind::Team => "team",
        Kind::Datastore => "datastore",
        Kind::EnrichmentDatastore => "enrichment-datastore",
    };
    format!("{kind}:{}", key.id)
}

impl Outcome {
    /// For machines.
    pub(super) fn to_json(&self, dry_run: bool) -> Value {
        let files: Vec<Value> = self.files.iter().map(|(name, diff)| json!({ "name": name, "diff": diff })).collect();
        json!({
            "dry_run": dry_run, "changed": self.changed, "revision": self.revision,
            "before": self.before, "after": self.after, "files": files,
            "access": self.access.as_ref().map(Access::to_json),
        })
    }

    /// What would change, for people.
    pub(super) fn preview(&self, colour: Colour) -> String {
        let mut text = String::new();
        for (name, diff) in &self.files {
            match diff {
                Some(diff) => text.push_str(&coloured(diff, colour)),
                None => text.push_str(&format!("{}\n", shown(name))),
            }
        }
        if let Some(access) = &self.access {
            text.push('\n');
            text.push_str(&access.text(colour));
        }
        text
    }
}

/// A diff in which nothing moves the cursor, whatever stands in a file.
fn coloured(diff: &str, colour: Colour) -> String {
    let line = |line: &str| {
        let safe = shown(line);
        let code = match (colour, line.as_bytes().first()) {
            (Colour::Off, _) => None,
            (_, Some(b'+')) => Some("32"),
            (_, Some(b'-')) => Some("31"),
            (_, Some(b'@')) => Some("36"),
            _ => None,
        };
        code.map_or_else(|| format!("{safe}\n"), |code| format!("\x1b[{code}m{safe}\x1b[0m\n"))
    };
    diff.lines().map(line).collect()
}

impl Access {
    fn to_json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|[who, on, before, after]| json!({ "account": who, "on": on, "before": before, "after": after }))
            .collect();
        json!({ "gaining": self.gaining, "losing": self.losing, "cut": self.is_cut, "changes": rows })
    }

    /// `2 accounts gain access, 1 account loses some`, and which.
    fn text(&self, colour: Colour) -> String {
        let mut text = format!("{}\n", self.summary());
        let mut table = Table::new(["account", "on", "before", "after"]);
        table.rows.extend(self.rows.iter().take(ROWS_MAX).map(|row| row.to_vec()));
        if !table.rows.is_empty() {
            text.push_str(&table.text(colour));
        }
        if self.rows.len() > ROWS_MAX {
            text.push_str(&format!("  and {} more: --format json has all\n", self.rows.len() - ROWS_MAX));
        }
        if self.is_cut {
            text.push_str("  more accounts are concerned than were asked about\n");
        }
        text
    }

    /// One line about it.
    pub(super) fn summary(&self) -> String {
        let accounts = |count: u64, one: &str, more: &str| match count {
            1 => format!("1 account {one}"),
            count => format!("{count} accounts {more}"),
        };
        match (self.gaining, self.losing) {
            (0, 0) => "nobody's role, and nobody's Read or Write on a datastore changes".to_owned(),
            (gaining, 0) => format!("{} access", accounts(gaining, "gains", "gain")),
            (0, losing) => format!("{} access", accounts(losing, "loses", "lose")),
            (gaining, losing) => format!(
                "{} access, {} some",
                accounts(gaining, "gains", "gain"),
                accounts(losing, "loses", "lose")
            ),
        }
    }
}
