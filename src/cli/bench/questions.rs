//! What is asked: recorded in a file, or made of a root's own entities. Each question is the body of an evaluation.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::words;
use crate::engine::json::Json;
use crate::engine::{Query, RequestEnvironment, Snapshot};
use crate::serve::read_question;

/// Bytes of a file of requests.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Questions of a file.
const QUESTIONS_MAX: usize = 1_000_000;

/// Questions that are made.
const MADE_MAX: usize = 100_000;

/// Kinds of questions that are not asked and are named one by one.
const LEFT_OUT_TOLD: usize = 5;

/// What a file of requests may be, for whoever wrote another.
const SHAPES: &str = "write AuthZEN evaluations as a JSON array, as an object with `evaluations`, or one on each line";

/// The questions of a run, in the order in which they are asked.
pub(super) struct Questions {
    pub(super) bodies: Vec<String>,
    origin: Origin,
}

enum Origin {
    File(String),
    Made {
        seed: u64,
        environments: usize,
        /// Kinds of questions that have policies and are not asked, and why.
        left_out: Vec<String>,
    },
}

impl Questions {
    /// Where each question comes for the first time.
    pub(super) fn distinct(&self) -> Vec<usize> {
        let mut seen = HashSet::with_capacity(self.bodies.len());
        let places = self.bodies.iter().enumerate().filter(|(_, body)| seen.insert(body.as_str()));
        places.map(|(place, _)| place).collect()
    }

    /// What they are and where they come from.
    pub(super) fn describe(&self) -> String {
        let count = words::plural(self.bodies.len(), "question", "questions");
        let distinct = words::count(self.distinct().len() as f64);
        match &self.origin {
            Origin::File(file) => format!("{count} from {file}, {distinct} of them distinct"),
            Origin::Made { seed, environments, .. } => {
                let kinds = words::plural(*environments, "kind", "kinds");
                format!("{count} of {kinds}, all distinct, made of the root's entities with seed {seed}")
            }
        }
    }

    /// What should be known about them.
    pub(super) fn notes(&self) -> Vec<String> {
        let Origin::Made { left_out, .. } = &self.origin else {
            return Vec::new();
        };
        let mut notes = vec![
            "made questions pair any principal with any resource, so they are denied more often than an application's \
             would be: give recorded ones with --requests"
                .to_owned(),
        ];
        notes.extend(left_out.iter().take(LEFT_OUT_TOLD).map(|kind| format!("not asked: {kind}")));
        if left_out.len() > LEFT_OUT_TOLD {
            let more = left_out.len() - LEFT_OUT_TOLD;
            notes.push(format!("not asked: {more} more kinds; --json names them all"));
        }
        notes
    }

    pub(super) fn to_json(&self) -> Value {
        let origin = match &self.origin {
            Origin::File(file) => json!({ "file": file }),
            Origin::Made {
                seed,
                environments,
                left_out,
            } => json!({ "made": { "seed": seed, "environments": environments, "left_out": left_out } }),
        };
        json!({ "count": self.bodies.len(), "distinct": self.distinct().len(), "from": origin })
    }
}

/// Reads a file of requests.
///
/// # Errors
/// It cannot be read, is too large, or holds something that is no evaluation; with the line.
pub(super) fn read_file(path: &Path, depth_max: usize) -> Result<Questions, String> {
    let name = path.display().to_string();
    let cannot = |error: std::io::Error| format!("cannot read the requests in `{name}`: {error}");
    let mut text = String::new();
    let file = File::open(path).map_err(cannot)?;
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(cannot)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "{name}: larger than {}; measure with a part of it",
            words::mebibytes(FILE_BYTES_MAX)
        ));
    }
    let bodies = bodies(&text, depth_max).map_err(|wrong| format!("{name}:{}: {}", wrong.line, wrong.message))?;
    Ok(Questions {
        bodies,
        origin: Origin::File(name),
    })
}

/// What is wrong with a file, and the line.
#[derive(Debug)]
struct Wrong {
    line: usize,
    message: String,
}

/// A whole text, to find places in.
#[derive(Clone, Copy)]
struct Source<'t>(&'t str);

impl Source<'_> {
    /// The line on which a part of the text begins.
    fn line(self, part: &str) -> usize {
        let offset = (part.as_ptr() as usize).saturating_sub(self.0.as_ptr() as usize);
        1 + self.0.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }

    fn wrong(self, part: &str, message: impl Into<String>) -> Wrong {
        Wrong {
            line: self.line(part),
            message: message.into(),
        }
    }

    /// What a JSON reader found wrong in a part, at a line of the part.
    fn wrong_json(self, part: &str, line: usize, message: &str) -> Wrong {
        // It ends in a place within the part, which is not where it is in the file.
        let message = message.rsplit_once(" at line ").map_or(message, |(words, _)| words);
        Wrong {
            line: self.line(part) + line.saturating_sub(1),
            message: format!("not valid JSON: {message}; {SHAPES}"),
        }
    }
}

/// The members of an evaluation, or the defaults of several.
#[derive(Clone, Copy, Deserialize)]
struct Members<'t> {
    #[serde(borrow)]
    subject: Option<&'t RawValue>,
    #[serde(borrow)]
    action: Option<&'t RawValue>,
    #[serde(borrow)]
    resource: Option<&'t RawValue>,
    #[serde(borrow)]
    context: Option<&'t RawValue>,
}

fn bodies(text: &str, depth_max: usize) -> Result<Vec<String>, Wrong> {
    let source = Source(text);
    let mut bodies = Vec::new();
    // One value after another: an array and an object are a file with one, JSON Lines with many.
    for value in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let value = value.map_err(|error| source.wrong_json(text, error.line(), &error.to_string()))?.get();
        match value.as_bytes().first() {
            Some(b'[') => items(source, value, None, depth_max, &mut bodies)?,
            Some(b'{') => match evaluations(source, value)? {
                Some((several, defaults)) => items(source, several, Some(defaults), depth_max, &mut bodies)?,
                None => bodies.push(checked(source, value, value.to_owned(), depth_max)?),
            },
            _ => return Err(source.wrong(value, format!("`{}` is no evaluation; {SHAPES}", shortened(value)))),
        }
        if bodies.len() > QUESTIONS_MAX {
            let most = words::count(QUESTIONS_MAX as f64);
            return Err(source.wrong(value, format!("more than {most} requests; measure with a part of them")));
        }
    }
    if bodies.is_empty() {
        return Err(source.wrong(text, format!("no requests; {SHAPES}")));
    }
    Ok(bodies)
}

fn parse<'t, T: Deserialize<'t>>(source: Source<'_>, part: &'t str) -> Result<T, Wrong> {
    serde_json::from_str(part).map_err(|error| source.wrong_json(part, error.line(), &error.to_string()))
}

/// The array of evaluations in an object that has one, and the members beside it.
fn evaluations<'t>(source: Source<'_>, value: &'t str) -> Result<Option<(&'t str, Members<'t>)>, Wrong> {
    #[derive(Deserialize)]
    struct Batch<'t> {
        #[serde(borrow)]
        evaluations: Option<&'t RawValue>,
    }
    let Some(several) = parse::<Batch<'_>>(source, value)?.evaluations.map(RawValue::get) else {
        return Ok(None);
    };
    if !several.starts_with('[') {
        let found = shortened(several);
        return Err(source.wrong(several, format!("`evaluations` must be an array, not `{found}`; {SHAPES}")));
    }
    Ok(Some((several, parse(source, value)?)))
}

/// Takes the items of an array, each with the defaults for what it does not have itself.
fn items(
    source: Source<'_>,
    array: &str,
    defaults: Option<Members<'_>>,
    depth_max: usize,
    bodies: &mut Vec<String>,
) -> Result<(), Wrong> {
    for item in parse::<Vec<&RawValue>>(source, array)? {
        let item = item.get();
        let body = match defaults {
            Some(defaults) if item.starts_with('{') => completed(&parse(source, item)?, &defaults),
            _ => item.to_owned(),
        };
        bodies.push(checked(source, item, body, depth_max)?);
    }
    Ok(())
}

/// An item of a batch as an evaluation of its own.
fn completed(own: &Members<'_>, defaults: &Members<'_>) -> String {
    let members = [
        ("subject", own.subject.or(defaults.subject)),
        ("action", own.action.or(defaults.action)),
        ("resource", own.resource.or(defaults.resource)),
        ("context", own.context.or(defaults.context)),
    ];
    let mut body = String::from("{");
    for (name, value) in members.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        let comma = if body.len() > 1 { "," } else { "" };
        // Writing to a string does not fail.
        let _ = write!(body, "{comma}\"{name}\":{}", value.get());
    }
    body.push('}');
    body
}

/// The body, if it is an evaluation that a sidecar would read.
fn checked(source: Source<'_>, part: &str, body: String, depth_max: usize) -> Result<String, Wrong> {
    let json =
        Json::read(body.as_bytes(), depth_max).map_err(|error| source.wrong_json(part, error.line, &error.message))?;
    read_question(&json)
        .map(|_| ())
        .map_err(|wrong| source.wrong(part, format!("no evaluation: {wrong}; docs/asking.md shows one")))?;
    Ok(body)
}

/// The beginning of what somebody wrote.
fn shortened(text: &str) -> String {
    text.chars().take(20).collect()
}

/// Makes distinct questions over the kinds that have policies, as many of each as there are, or an equal share.
///
/// # Errors
/// The root has no entities to ask about.
pub(super) fn make(snapshot: &Snapshot, seed: u64) -> Result<Questions, String> {
    let mut dice = Dice(seed);
    let environments = snapshot.request_environments();
    let mut ids: HashMap<&str, Vec<&str>> = HashMap::new();
    for name in environments
        .iter()
        .flat_map(|environment| [&environment.principal, &environment.resource])
    {
        ids.entry(name).or_insert_with(|| {
            let mut ids: Vec<&str> = snapshot.entity_ids(name).collect();
            ids.sort_unstable();
            ids
        });
    }
    let none = Vec::new();
    let sides = |environment: &RequestEnvironment| {
        let of = |name: &String| ids.get(name.as_str()).unwrap_or(&none);
        (of(&environment.principal), of(&environment.resource))
    };
    let mut left_out = Vec::new();
    let mut asked = Vec::new();
    for environment in &environments {
        let RequestEnvironment {
            principal,
            action,
            resource,
        } = environment;
        let kind = format!("{action} by {principal} on {resource}");
        let (principals, resources) = sides(environment);
        let (Some(first), Some(second)) = (principals.first(), resources.first()) else {
            left_out.push(format!("{kind}, since the store has no two entities for it"));
            continue;
        };
        // What is required of the context cannot be made up.
        match snapshot.decide(&Query::plain((principal, first), action, (resource, second))) {
            Ok(_) => asked.push((environment, (principals.len() as u64).saturating_mul(resources.len() as u64))),
            Err(problem) => left_out.push(format!("{kind}, since {problem}")),
        }
    }
    // The smallest first, so that what they leave of their share goes to the others.
    asked.sort_by_key(|(_, pairs)| *pairs);
    let mut bodies = Vec::new();
    for (place, (environment, pairs)) in asked.iter().enumerate() {
        let share = (MADE_MAX - bodies.len()) / (asked.len() - place);
        let (principals, resources) = sides(environment);
        for pair in dice.distinct(*pairs, share) {
            let principal = principals[(pair % principals.len() as u64) as usize];
            let resource = resources[(pair / principals.len() as u64) as usize];
            bodies.push(
                json!({
                    "subject": { "type": environment.principal, "id": principal },
                    "action": { "name": environment.action },
                    "resource": { "type": environment.resource, "id": resource },
                })
                .to_string(),
            );
        }
    }
    if bodies.is_empty() {
        return Err(
            "there is nothing to ask: no policy applies to two entities of the store, without a context; give \
                    questions with --requests FILE"
                .to_owned(),
        );
    }
    dice.shuffle(&mut bodies);
    let environments = asked.len();
    Ok(Questions {
        bodies,
        origin: Origin::Made {
            seed,
            environments,
            left_out,
        },
    })
}

/// Numbers that look random and follow from a seed: SplitMix64, which takes fewer lines than a dependency.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below the limit, which is not 0.
    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.roll()) * u128::from(limit)) >> 64) as u64
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place as u64 + 1) as usize);
        }
    }

    /// Up to so many different numbers below a limit.
    fn distinct(&mut self, limit: u64, most: usize) -> Vec<u64> {
        if limit / 2 <= most as u64 {
            let mut all: Vec<u64> = (0..limit).collect();
            self.shuffle(&mut all);
            all.truncate(most);
            return all;
        }
        // At most every other roll is in vain.
        let mut seen = HashSet::with_capacity(most);
        let mut numbers = Vec::with_capacity(most);
        while numbers.len() < most {
            let number = self.below(limit);
            if seen.insert(number) {
                numbers.push(number);
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Cause;

    const ONE: &str =
        r#"{"subject":{"type":"user","id":"a"},"action":{"name":"see"},"resource":{"type":"doc","id":"d"}}"#;

    #[test]
    fn three_shapes_are_the_same_requests() {
        let two = ONE.replace("\"a\"", "\"b\"");
        let lines = bodies(&format!("{ONE}\n\n{two}\n"), 8).expect("lines");
        assert_eq!(lines, [ONE, &two]);
        assert_eq!(bodies(&format!("[{ONE},\n{two}]"), 8).expect("an array"), lines);
        let batch = format!(r#"{{"evaluations":[{ONE},{two}],"options":{{}}}}"#);
        assert_eq!(bodies(&batch, 8).expect("evaluations"), lines);
        // What an item does not say, the defaults say.
        let batch = r#"{"action":{"name":"see"},"resource":{"type":"doc","id":"d"},"evaluations":[
            {"subject":{"type":"user","id":"a"}}, {"subject":{"type":"user","id":"b"}}]}"#;
        assert_eq!(bodies(batch, 8).expect("defaults"), lines);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, words) in [
            ("", 1, "no requests"),
            ("[]", 1, "no requests"),
            ("\n7\n", 2, "`7` is no evaluation"),
            (&format!("{ONE}\n{{\"subject\":\n"), 3, "not valid JSON: EOF"),
            (
                &format!("[{ONE},\n\n{{\"subject\":{{\"type\":\"user\"}}}}]"),
                3,
                "subject.id: required",
            ),
            (&format!("[{ONE},\n\n{{\"a\":1,\n\"a\":2}}]"), 4, "occurs twice"),
            ("{\n\"evaluations\": {}}", 2, "must be an array"),
            (&format!("{{\"evaluations\":[{ONE},\n 3]}}"), 2, "must be a JSON object"),
            (&format!("{}1{}", "[".repeat(99), "]".repeat(99)), 1, "nested too deeply"),
        ] {
            let wrong = bodies(text, 8).expect_err(text);
            assert_eq!(wrong.line, line, "{text}: {}", wrong.message);
            assert!(wrong.message.contains(words), "{text}: {}", wrong.message);
        }
    }

    #[test]
    fn made_questions_follow_from_the_seed_and_know_all_words() {
        let compile = || {
            let options = crate::engine::Options::default();
            crate::store::compile_files(&crate::app::built_in(), &options).expect("the built-in model")
        };
        let snapshot = compile();
        let made = |seed| make(&snapshot, seed).expect("questions").bodies;
        assert_eq!(made(1), make(&compile(), 1).expect("questions").bodies);
        assert_ne!(made(1), made(2));
        let bodies = made(1);
        assert_eq!(bodies.iter().collect::<HashSet<_>>().len(), bodies.len());
        for body in &bodies {
            let json = Json::read(body.as_bytes(), 8).expect("JSON");
            let decision = snapshot.decide(&read_question(&json).expect("a question")).expect("a decision");
            assert!(
                !matches!(decision.cause, Cause::UnknownName | Cause::NotApplicable),
                "{body}: {:?}",
                decision.cause
            );
        }
    }

    #[test]
    fn distinct_numbers_are_distinct_and_follow_from_the_seed() {
        for (limit, most, count) in [(0, 5, 0), (3, 5, 3), (8, 5, 5), (1 << 50, 500, 500), (7, 0, 0)] {
            let numbers = Dice(1).distinct(limit, most);
            assert_eq!(numbers.len(), count);
            assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), count);
            assert!(numbers.iter().all(|number| *number < limit));
            assert_eq!(numbers, Dice(1).distinct(limit, most));
        }
    }
}
