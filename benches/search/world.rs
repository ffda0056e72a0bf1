//! A root of the bundled model that is made to be searched: datastores and users in number, and lists that are known.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gatepost::app::MODEL;
use serde_json::{Value, json};

/// Datastores, and users, of one file.
const FILE_ENTITIES: usize = 5_000;

/// Results of a page.
const PAGE: usize = 100;

/// Results of a short list.
const SHORT: usize = 50;

/// Short lists of either kind, so that not only one is ever asked for.
const SHORT_LISTS: usize = 20;

/// Every so manieth entity is in the long list.
const LONG_STEP: usize = 10;

const EVALUATION: &str = "/access/v1/evaluation";
const SEARCH_RESOURCE: &str = "/access/v1/search/resource";
const SEARCH_SUBJECT: &str = "/access/v1/search/subject";

/// So many datastores, and as many users.
///
/// Each datastore names three teams and each user is in three, as in a large company. Beside them, the team `long` reads
/// every tenth datastore and each team `short-…` reads fifty; every tenth user is in `crowd`, which reads `popular`, and
/// fifty in each `circle-…`, which reads the datastore `private-…`.
pub(crate) struct World {
    pub(crate) entities: usize,
}

/// Requests for one thing: path, body, and how the answer has to end.
pub(crate) type Requests = Vec<(String, String, String)>;

impl World {
    /// Writes the bundled schema and policies, and made-up entities.
    pub(crate) fn write(&self, root: &Path) {
        for (name, content) in MODEL.iter().filter(|(name, _)| !name.starts_with("entities/")) {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, content).expect("a file");
        }
        let directory = root.join("entities");
        fs::create_dir_all(&directory).expect("a directory");
        for (file, first) in (0..self.entities).step_by(FILE_ENTITIES).enumerate() {
            let mut text = String::new();
            for number in first..self.entities.min(first + FILE_ENTITIES) {
                // Writing to a string does not fail.
                let _ = writeln!(text, "{}\n{}", self.usual_datastore(number), self.usual_user(number));
            }
            fs::write(directory.join(format!("part-{file:04}.jsonl")), text).expect("a file");
        }
        let few: String = self.few().iter().map(|entity| format!("{entity}\n")).collect();
        fs::write(directory.join("few.jsonl"), few).expect("a file");
    }

    fn usual_datastore(&self, number: usize) -> Value {
        let mut readers = vec![self.team(number * 31), self.team(number * 31 + 7_919)];
        readers.extend((number.is_multiple_of(LONG_STEP)).then(|| "long".to_owned()));
        readers.extend(self.short_list(number).map(|list| format!("short-{list}")));
        datastore(&datastore_id(number), readers, &self.team(number * 13))
    }

    fn usual_user(&self, number: usize) -> Value {
        let mut teams = vec!["Public".to_owned()];
        teams.extend([17, 19, 23].map(|factor| self.team(number * factor)));
        teams.extend((number.is_multiple_of(LONG_STEP)).then(|| "crowd".to_owned()));
        teams.extend(self.short_list(number).map(|list| format!("circle-{list}")));
        user(&user_id(number), "Member", teams)
    }

    fn team(&self, number: usize) -> String {
        format!("team-{:05}", number % self.teams())
    }

    fn teams(&self) -> usize {
        self.entities / 100
    }

    /// All teams, and those who ask and what is asked about.
    fn few(&self) -> Vec<Value> {
        let mut few: Vec<Value> = (0..self.teams()).map(|number| team(&self.team(number))).collect();
        few.extend(["Public", "long", "crowd"].map(team));
        few.push(user("admin@example.com", "Admin", vec![]));
        few.push(user("many@example.com", "Member", vec!["long".to_owned()]));
        few.push(datastore("popular", vec!["crowd".to_owned()], "crowd"));
        for list in 0..SHORT_LISTS {
            let (short, circle) = (format!("short-{list}"), format!("circle-{list}"));
            few.extend([team(&short), team(&circle)]);
            few.push(datastore(&format!("private-{list}"), vec![circle.clone()], &circle));
            few.push(user(&format!("few-{list}@example.com"), "Member", vec![short]));
        }
        few
    }

    /// The short list that an entity is in.
    fn short_list(&self, number: usize) -> Option<usize> {
        let step = self.entities / SHORT;
        let apart = step / SHORT_LISTS;
        let place = number % step;
        (number < step * SHORT && place.is_multiple_of(apart))
            .then_some(place / apart)
            .filter(|list| *list < SHORT_LISTS)
    }

    fn in_short_list(&self, list: usize) -> impl Iterator<Item = usize> {
        (0..self.entities).filter(move |number| self.short_list(*number) == Some(list))
    }

    fn in_long_list(&self) -> impl Iterator<Item = usize> {
        (0..self.entities).step_by(LONG_STEP)
    }

    /// Evaluations of one user about datastores everywhere.
    pub(crate) fn evaluations(&self) -> Requests {
        let stores = (0..1_000).map(|number| number * 7_919 % self.entities);
        let ask = |number: usize| {
            let body = asking(("user", "many@example.com"), ("datastore", &datastore_id(number)));
            let ending = format!("{{\"decision\":{}}}", number.is_multiple_of(LONG_STEP));
            (EVALUATION.to_owned(), body.to_string(), ending)
        };
        stores.map(ask).collect()
    }

    /// The first page of all datastores.
    pub(crate) fn page_of_an_admin(&self) -> Requests {
        vec![resources("admin@example.com", Some(PAGE), (0..PAGE).map(datastore_id))]
    }

    /// The first page of a tenth of the datastores.
    pub(crate) fn page_of_a_member(&self) -> Requests {
        vec![resources(
            "many@example.com",
            Some(PAGE),
            self.in_long_list().take(PAGE).map(datastore_id),
        )]
    }

    /// The fifty datastores that a user reads.
    pub(crate) fn lists_of_members(&self) -> Requests {
        let list = |list| {
            resources(
                &format!("few-{list}@example.com"),
                None,
                self.in_short_list(list).map(datastore_id),
            )
        };
        (0..SHORT_LISTS).map(list).collect()
    }

    /// The first page of the tenth of the users, and the Admin, who view a datastore.
    pub(crate) fn page_of_viewers(&self) -> Requests {
        let viewers = self.in_long_list().take(PAGE - 1).map(user_id);
        vec![subjects("popular", Some(PAGE), with_admin(viewers))]
    }

    /// The fifty users, and the Admin, who view a datastore.
    pub(crate) fn lists_of_viewers(&self) -> Requests {
        let list = |list| {
            let viewers = self.in_short_list(list).map(user_id);
            subjects(&format!("private-{list}"), None, with_admin(viewers))
        };
        (0..SHORT_LISTS).map(list).collect()
    }
}

// Ids have as many digits as it takes to be in the order of the numbers.

fn user_id(number: usize) -> String {
    format!("user-{number:07}@example.com")
}

fn datastore_id(number: usize) -> String {
    format!("datastore-{number:07}")
}

fn with_admin(viewers: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    std::iter::once("admin@example.com".to_owned()).chain(viewers)
}

fn resources(user: &str, limit: Option<usize>, found: impl Iterator<Item = String>) -> (String, String, String) {
    // The id of what is searched for is ignored.
    search(
        SEARCH_RESOURCE,
        asking(("user", user), ("datastore", "")),
        limit,
        "datastore",
        found,
    )
}

fn subjects(datastore: &str, limit: Option<usize>, found: impl Iterator<Item = String>) -> (String, String, String) {
    search(
        SEARCH_SUBJECT,
        asking(("user", ""), ("datastore", datastore)),
        limit,
        "user",
        found,
    )
}

fn search(
    path: &str,
    mut body: Value,
    limit: Option<usize>,
    kind: &str,
    found: impl Iterator<Item = String>,
) -> (String, String, String) {
    if let Some(limit) = limit {
        body["page"] = json!({ "limit": limit });
    }
    let found: Vec<String> = found.map(|id| format!("{{\"type\":\"{kind}\",\"id\":\"{id}\"}}")).collect();
    let ending = format!("\"results\":[{}]}}", found.join(","));
    (path.to_owned(), body.to_string(), ending)
}

fn asking((subject_type, subject): (&str, &str), (resource_type, resource): (&str, &str)) -> Value {
    json!({
        "subject": { "type": subject_type, "id": subject },
        "action": { "name": "viewDatastore" },
        "resource": { "type": resource_type, "id": resource },
    })
}

fn user(id: &str, role: &str, teams: Vec<String>) -> Value {
    let attributes = json!({ "name": "Somebody", "role": role, "active": true });
    entity("User", id, &attributes, teams)
}

fn team(id: &str) -> Value {
    entity("Team", id, &json!({ "name": id, "description": "" }), vec![])
}

fn datastore(id: &str, readers: Vec<String>, writer: &str) -> Value {
    let team = |id: &str| json!({ "__entity": { "type": "Team", "id": id } });
    let readers: Vec<Value> = readers.iter().map(|id| team(id)).collect();
    let attributes = json!({ "name": "Something", "readers": readers, "writers": [team(writer)] });
    entity("Datastore", id, &attributes, vec![])
}

fn entity(kind: &str, id: &str, attributes: &Value, teams: Vec<String>) -> Value {
    let parents: Vec<Value> = teams.into_iter().map(|id| json!({ "type": "Team", "id": id })).collect();
    json!({ "uid": { "type": kind, "id": id }, "attrs": attributes, "parents": parents })
}
