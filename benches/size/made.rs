//! A large root of the bundled model: users in teams, datastores with readers and writers.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gatepost::app::MODEL;

use crate::random::Random;

/// How large.
pub(crate) struct Plan {
    pub(crate) users: usize,
    pub(crate) teams: usize,
    pub(crate) datastores: usize,
    pub(crate) files: usize,
}

impl Plan {
    /// So many entities in the usual shares, a thousand in a file.
    pub(crate) fn of(entities: usize) -> Self {
        let (users, teams) = (entities * 8 / 10, entities / 100);
        Self {
            users,
            teams,
            datastores: entities - users - teams,
            files: (entities / 1_000).max(1),
        }
    }

    /// Whether a user's account is active; one that is not stays without access.
    pub(crate) fn is_active(user: usize) -> bool {
        user % 50 != 49
    }

    /// A user for each number, others for other numbers until all have had their turn. Accounts that are not active
    /// are left out.
    pub(crate) fn active_user(&self, number: usize) -> usize {
        let user = number % self.users;
        user - usize::from(!Self::is_active(user))
    }
}

pub(crate) fn user(number: usize) -> String {
    format!("user-{number:06}@example.com")
}

pub(crate) fn datastore(number: usize) -> String {
    format!("datastore-{number:06}")
}

/// The root, written.
pub(crate) struct Made {
    pub(crate) plan: Plan,
    pub(crate) bytes: u64,
    directory: PathBuf,
}

impl Made {
    /// Writes the bundled schema and policies, and files of made-up entities.
    pub(crate) fn write(root: &Path, plan: &Plan) -> Self {
        for (name, content) in MODEL.iter().filter(|(name, _)| !name.starts_with("entities/")) {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, content).expect("a file");
        }
        let made = Self::found(root, plan);
        fs::create_dir_all(&made.directory).expect("a directory");
        let mut bytes = 0;
        for file in 0..plan.files {
            let content = made.file(file);
            bytes += content.len() as u64;
            fs::write(made.path(file), content).expect("a file");
        }
        Self { bytes, ..made }
    }

    /// A root that another process has written by the same plan.
    pub(crate) fn found(root: &Path, plan: &Plan) -> Self {
        Self {
            plan: Plan { ..*plan },
            bytes: 0,
            directory: root.join("entities"),
        }
    }

    fn path(&self, file: usize) -> PathBuf {
        self.directory.join(format!("part-{file:04}.json"))
    }

    /// Gives a user a role, by replacing the file that the user is in as an editor would.
    pub(crate) fn change(&self, user: usize, role: &str) {
        self.prepare(user, role);
        self.put(user % self.plan.files);
    }

    /// Puts the file that was prepared in its place.
    pub(crate) fn put(&self, file: usize) {
        let path = self.path(file);
        fs::rename(path.with_extension("new"), path).expect("the file in its place");
    }

    /// Writes the file that a user is in, with another role, beside it.
    pub(crate) fn prepare(&self, user: usize, role: &str) {
        let path = self.path(user % self.plan.files);
        let content = fs::read_to_string(&path).expect("a file");
        let name = format!("\"id\":\"{}\"", self::user(user));
        let at = content.find(&name).expect("the user");
        let end = at + content[at..].find('\n').expect("the end of the line");
        let line = ["Admin", "Manager", "Member"].iter().fold(content[at..end].to_owned(), |line, old| {
            line.replace(&format!("\"role\":\"{old}\""), &format!("\"role\":\"{role}\""))
        });
        let content = format!("{}{line}{}", &content[..at], &content[end..]);
        fs::write(path.with_extension("new"), content).expect("a file");
    }

    /// The last user of a file.
    pub(crate) fn last_user(&self, file: usize) -> usize {
        let Plan { users, files, .. } = self.plan;
        file + files * ((users - 1 - file) / files)
    }

    /// Every so manieth of each kind, one a line.
    fn file(&self, file: usize) -> String {
        let plan = &self.plan;
        let mut text = String::from("[\n");
        let mut random = Random(file as u64);
        // Writing to a string does not fail.
        for number in (file..plan.users).step_by(plan.files) {
            let role = ["Member", "Member", "Member", "Manager"][number % 4];
            let _ = write!(
                text,
                "{{\"uid\":{{\"type\":\"User\",\"id\":\"{}\"}},\"attrs\":{{\"name\":\"User Number {number}\",\"role\":\"{role}\",\
                 \"active\":{}}},\"parents\":[{{\"type\":\"Team\",\"id\":\"Public\"}}",
                user(number),
                Plan::is_active(number)
            );
            for _ in 0..1 + random.below(3) {
                let _ = write!(text, ",{{\"type\":\"Team\",\"id\":\"team-{:05}\"}}", random.below(plan.teams));
            }
            text.push_str("]},\n");
        }
        for number in (file..plan.teams).step_by(plan.files) {
            let _ = writeln!(
                text,
                "{{\"uid\":{{\"type\":\"Team\",\"id\":\"team-{number:05}\"}},\"attrs\":{{\"name\":\"Team {number}\",\
                 \"description\":\"The people who look after the data of team {number}\",\"permission\":\"write\"}},\
                 \"parents\":[]}},"
            );
        }
        for number in (file..plan.datastores).step_by(plan.files) {
            let mut teams = |count: usize| -> String {
                let teams: Vec<String> = (0..count)
                    .map(|_| {
                        format!(
                            "{{\"__entity\":{{\"type\":\"Team\",\"id\":\"team-{:05}\"}}}}",
                            random.below(plan.teams)
                        )
                    })
                    .collect();
                teams.join(",")
            };
            let (readers, writers) = (teams(2), teams(1));
            let _ = writeln!(
                text,
                "{{\"uid\":{{\"type\":\"Datastore\",\"id\":\"{}\"}},\"attrs\":{{\"name\":\"Datastore {number}\",\
                 \"readers\":[{readers}],\"writers\":[{writers}]}},\"parents\":[]}},",
                datastore(number)
            );
        }
        if file == 0 {
            text.push_str(
                "{\"uid\":{\"type\":\"Team\",\"id\":\"Public\"},\"attrs\":{\"name\":\"Public\",\"description\":\"\"},\
                 \"parents\":[]},\n",
            );
        }
        let end = text.trim_end_matches([',', '\n']).len();
        text.truncate(end);
        text.push_str("\n]\n");
        text
    }
}
