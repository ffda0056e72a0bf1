//! An explanation told to a person: what the answer is, what to do about it, and why, in this order.

use crate::serve::{
    ClauseDocument, EntityDocument, ExplainDocument, PathDocument, PolicyDocument, RemedyDocument, SeenDocument,
    SourceDocument,
};

/// Changes that are told; the JSON document has all of them.
const REMEDIES_MAX: usize = 8;

/// Permits that are told clause by clause.
const PERMITS_MAX: usize = 3;

/// A line of the story. Words of Cedar and of the files stand in backticks.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// The answer.
    Title {
        /// Whether it is allow.
        is_allowed: bool,
        /// The words.
        words: String,
    },
    /// The beginning of a part.
    Head(String),
    /// A sentence by itself.
    Plain(String),
    /// An item, so deep below others.
    Item {
        /// How deep, from 0.
        depth: usize,
        /// What it is marked as.
        mark: Mark,
        /// The words.
        words: String,
    },
    /// A policy as it is written.
    Policy(String),
}

/// How an item is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    None,
    /// One of several ways.
    Way,
    Holds,
    Fails,
}

/// Whether it has been said what parts of a clause have to be.
#[derive(Clone, Copy)]
enum Owed {
    Said,
    Told,
}

impl Owed {
    fn told(self, words: &str) -> &str {
        match self {
            Self::Said => "",
            Self::Told => words,
        }
    }
}

/// Tells an explanation.
pub(super) fn tell(document: &ExplainDocument) -> Vec<Line> {
    let mut story = Story { lines: Vec::new() };
    story.answer(document);
    if document.decision {
        story.paths(document);
        story.remedies(document);
    } else {
        story.remedies(document);
        story.forbids(document);
        story.permits(document);
    }
    story.rest(document);
    story.lines
}

struct Story {
    lines: Vec<Line>,
}

impl Story {
    fn head(&mut self, words: impl Into<String>) {
        self.lines.push(Line::Head(words.into()));
    }

    fn plain(&mut self, words: impl Into<String>) {
        self.lines.push(Line::Plain(words.into()));
    }

    fn item(&mut self, depth: usize, words: impl Into<String>) {
        self.marked(depth, Mark::None, words);
    }

    fn marked(&mut self, depth: usize, mark: Mark, words: impl Into<String>) {
        let words = words.into();
        self.lines.push(Line::Item { depth, mark, words });
    }

    fn answer(&mut self, document: &ExplainDocument) {
        self.lines.push(Line::Title {
            is_allowed: document.decision,
            words: document.sentence.clone(),
        });
        // A name that nobody knows is the reason more often than not.
        document.unknown.iter().for_each(|unknown| self.plain(sentence(unknown)));
        let mut policies: Vec<String> = document.determining_policies.iter().map(|policy| code(&policy.id)).collect();
        if document.determining_cut {
            policies.push("others".to_owned());
        }
        let s = if policies.len() == 1 { "s" } else { "" };
        let policies = policies.join(" and ");
        self.plain(match document.cause.as_str() {
            "permitted" => format!("{policies} permit{s} it, and nothing forbids it."),
            "forbidden" => format!("{policies} forbid{s} it, and that wins over every permit."),
            "forbid_erred" => format!("{policies} could not be evaluated, and a forbid that errs forbids."),
            "nothing_permits" => "No policy permits it, and what no policy permits is denied.".to_owned(),
            "unknown_name" => "The question names something that the schema does not know.".to_owned(),
            "not_applicable" => "The schema has no such action for such a principal and such a resource.".to_owned(),
            "disagreed" => "Two evaluators disagree on a policy, so it is denied.".to_owned(),
            _ => "Two evaluators disagreed on such a question before, so it is denied.".to_owned(),
        });
        if document.unfinished {
            self.plain("To explain all of it takes more work than one explanation may: what follows is not all.");
        }
    }

    fn remedies(&mut self, document: &ExplainDocument) {
        let names_nothing = matches!(
            document.cause.as_str(),
            "unknown_name" | "not_applicable" | "disagreed" | "distrusted"
        );
        if names_nothing {
            return;
        }
        match (document.remedies.is_empty(), document.decision) {
            (true, true) => self.plain("No change of one fact that was tried is enough alone to take it away."),
            (true, false) => self.plain("No change of one fact that was tried is enough alone to allow it."),
            (false, true) => self.head("To take it away, any one of these is enough, as far as the policies go"),
            (false, false) => self.head("To allow it, any one of these is enough, as far as the policies go"),
        }
        self.changes(&document.remedies, document);
        if document.remedies_cut {
            self.plain("Not all changes were tried: there are too many of them, or too much hangs on one.");
        }
        self.first_steps(document);
    }

    /// What ends a forbid, and what comes after that.
    fn first_steps(&mut self, document: &ExplainDocument) {
        if document.first_steps.is_empty() {
            return;
        }
        self.head("The first step, after which nothing forbids it any more, is any one of these");
        self.changes(&document.first_steps, document);
        let lifted = |policy: &PolicyDocument| policy.annotations.get("lifted").cloned();
        let then = document.determining_policies.iter().find_map(lifted);
        self.plain(then.unwrap_or_else(|| "After that, one of the permits below has to hold as well.".to_owned()));
    }

    fn changes(&mut self, remedies: &[RemedyDocument], document: &ExplainDocument) {
        for remedy in remedies.iter().take(REMEDIES_MAX) {
            self.item(0, remedy.sentence.clone());
            if !remedy.policy.is_empty() {
                self.item(1, by(remedy, document));
            }
        }
        if remedies.len() > REMEDIES_MAX {
            self.item(0, format!("{} more", remedies.len() - REMEDIES_MAX));
        }
    }

    fn forbids(&mut self, document: &ExplainDocument) {
        if document.determining_policies.is_empty() {
            return;
        }
        self.head("What forbids it");
        for policy in &document.determining_policies {
            self.policy(policy, None);
            self.lines.push(Line::Policy(policy.text.clone()));
            for clause in &policy.clauses {
                self.holding(clause, policy.effect == "forbid");
            }
        }
    }

    fn permits(&mut self, document: &ExplainDocument) {
        let failing: Vec<&PolicyDocument> = document.nearest_permits.iter().collect();
        match (failing.len(), document.permits) {
            (0, 0) if document.cause == "nothing_permits" || document.cause.starts_with("forbid") => {
                self.head("There is no permit for such a question at all");
            }
            (0, _) => return,
            (1, 1) => self.head("The only permit for such a question"),
            (_, all) if all > PERMITS_MAX => self.head(format!("The nearest of {all} permits for such questions")),
            (_, all) => self.head(format!("The {all} permits for such questions, the nearest first")),
        }
        for policy in failing.into_iter().take(PERMITS_MAX) {
            let words = match policy.failing {
                0 => "it holds, and would grant this".to_owned(),
                1 => "1 clause fails".to_owned(),
                count => format!("{count} clauses fail"),
            };
            self.policy(policy, Some(&words));
            let clauses = policy.clauses.iter().filter(|clause| clause.outcome != "holds");
            let file = policy.template_file.as_deref();
            clauses.for_each(|clause| self.failing(clause, file));
        }
    }

    fn policy(&mut self, policy: &PolicyDocument, words: Option<&str>) {
        let words = words.map(|words| format!(": {words}")).unwrap_or_default();
        let rule = rule(policy);
        let template = policy.template.as_ref().map(|id| format!(", a link of {}", code(id))).unwrap_or_default();
        let at = format!("{}:{}", policy.file, policy.line);
        self.item(
            0,
            format!("{} {}{rule}{template} ({at}){words}", policy.effect, code(&policy.id)),
        );
        if let Some(summary) = policy.annotations.get("summary") {
            self.item(1, summary.clone());
        }
    }

    /// A clause that holds, or errs, by those of its alternatives that do.
    fn holding(&mut self, clause: &ClauseDocument, forbids: bool) {
        let text = code(&one_line(&clause.text));
        let (mark, words) = match (clause.outcome.as_str(), clause.negated) {
            ("errs", _) => (
                Mark::Fails,
                format!("{text} errs: {}", clause.error.as_deref().unwrap_or_default()),
            ),
            ("holds", true) if forbids => {
                (Mark::Holds, format!("{text} does not hold, and this forbids unless it does"))
            }
            ("holds", true) => (Mark::Holds, format!("{text} does not hold, and must not")),
            ("holds", false) => (Mark::Holds, format!("{text} holds")),
            _ => (
                Mark::Fails,
                format!("{text} is not looked at, because of what is in front of it"),
            ),
        };
        self.marked(1, mark, words);
        self.all_seen(2, clause);
        let is_so = |all: &&Vec<ClauseDocument>| all.iter().all(|clause| clause.outcome == "holds");
        for all in clause.alternatives.iter().filter(is_so) {
            all.iter().for_each(|clause| self.part(2, clause, Owed::Said));
        }
    }

    /// A clause that fails, or errs, with what it saw.
    fn failing(&mut self, clause: &ClauseDocument, file: Option<&str>) {
        if clause.outcome == "unreached" {
            return;
        }
        let line = match (clause.line, file) {
            (Some(line), Some(file)) => format!(" ({file}:{line})"),
            (Some(line), None) => format!(" (line {line})"),
            (None, _) => String::new(),
        };
        if !clause.alternatives.is_empty() {
            return self.failing_alternatives(clause, &line);
        }
        let text = code(&one_line(&clause.text));
        let words = match (clause.outcome.as_str(), clause.negated) {
            ("errs", _) => format!("{text}{line} errs: {}", clause.error.as_deref().unwrap_or_default()),
            (_, true) => format!("{text}{line} holds, and must not"),
            (_, false) => format!("{text}{line} has to hold, and does not"),
        };
        self.marked(1, Mark::Fails, words);
        self.all_seen(2, clause);
    }

    /// A clause that any one of several things would make hold.
    fn failing_alternatives(&mut self, clause: &ClauseDocument, line: &str) {
        let are_single = clause
            .alternatives
            .iter()
            .all(|all| matches!(all.as_slice(), [one] if one.alternatives.is_empty()));
        let words = match (clause.outcome.as_str(), clause.negated) {
            ("errs", _) => {
                let error = clause.error.as_deref().unwrap_or_default();
                format!("this{line} errs, and what stands behind the part that errs is not looked at: {error}")
            }
            (_, false) if are_single => format!("one of these has to hold{line}, and none does:"),
            (_, true) if are_single => format!("one of these must not hold{line}, and all do:"),
            _ => format!("one of these ways has to be so{line}, and none is:"),
        };
        self.marked(1, Mark::Fails, words);
        if are_single {
            // What each has to be has been said.
            return clause.alternatives.iter().flatten().for_each(|one| self.part(2, one, Owed::Said));
        }
        self.ways(2, clause);
    }

    /// The ways in which a clause could hold, each with all that it takes.
    fn ways(&mut self, depth: usize, clause: &ClauseDocument) {
        for (index, all) in clause.alternatives.iter().enumerate() {
            if let [one] = all.as_slice() {
                self.part(depth, one, Owed::Told);
                continue;
            }
            let either = if index == 0 { "either" } else { "or" };
            self.marked(depth, Mark::Way, format!("{either} all of these together:"));
            all.iter().for_each(|one| self.part(depth + 1, one, Owed::Told));
        }
    }

    /// A part of a way, whether or not it is as it has to be.
    fn part(&mut self, depth: usize, clause: &ClauseDocument, owed: Owed) {
        if !clause.alternatives.is_empty() {
            let is = if clause.outcome == "holds" {
                "which is so"
            } else {
                "which is not so"
            };
            self.marked(depth, Mark::Way, format!("any one of these, {is}:"));
            return self.ways(depth + 1, clause);
        }
        let text = code(&one_line(&clause.text));
        let error = clause.error.as_deref().unwrap_or_default();
        let words = match (clause.outcome.as_str(), clause.negated) {
            ("errs", _) => format!("{text} errs: {error}"),
            ("unreached", _) => format!("{text} cannot be evaluated, as what is in front of it fails"),
            ("holds", true) => format!("{text} does not hold{}", owed.told(", and must not")),
            ("holds", false) => format!("{text} holds{}", owed.told(", as it has to")),
            (_, true) => format!("{text} holds{}", owed.told(", and must not")),
            (_, false) => format!("{text} does not hold{}", owed.told(", and has to")),
        };
        self.marked(depth, Mark::Way, words);
        self.all_seen(depth + 1, clause);
    }

    fn all_seen(&mut self, depth: usize, clause: &ClauseDocument) {
        for (index, seen) in clause.seen.iter().enumerate() {
            // Who it is, is known; what it is in, is news.
            let next = clause.seen.get(index + 1);
            let is_told = next.is_some_and(|next| next.expression == seen.expression && seen.attribute.is_none());
            if !is_told {
                self.seen(depth, seen);
            }
        }
    }

    fn seen(&mut self, depth: usize, seen: &SeenDocument) {
        let owner = seen.entity.as_ref();
        let owner = owner
            .filter(|owner| !seen.expression.contains(&format!("{}::\"{}\"", owner.entity_type, owner.id)))
            .map(|owner| format!(" of {}", exact(owner)));
        let owner = owner.unwrap_or_default();
        let expression = code(&one_line(&seen.expression));
        let value = seen.value.as_deref().unwrap_or_default();
        let words = match seen.state.as_str() {
            "value" => format!("{expression}{owner} is {}", code(value)),
            "in" if value == "[]" => format!("{expression} is in no group"),
            "in" => format!("{expression} is in {}", code(value)),
            "no_entity" => format!("{expression}{owner}: there is no such entity in any file"),
            _ => format!("{expression}{owner} is absent"),
        };
        self.item(depth, format!("{words}{}", place(&seen.source)));
    }

    fn paths(&mut self, document: &ExplainDocument) {
        let Some((first, others)) = document.paths.split_first() else { return };
        self.head("How it is granted");
        self.path(first, document);
        let (apart, sharing): (Vec<&PathDocument>, Vec<&PathDocument>) =
            others.iter().partition(|path| path.independent);
        let is_all = !document.paths_cut && others.is_empty();
        match document.without_first.as_deref() {
            Some("deny") if is_all => self.plain("Nothing else would grant it if that were taken away."),
            Some("unknown") if is_all => {
                self.plain("No other policy permits it as things are, and this one in no other way.")
            }
            _ => {}
        }
        if !apart.is_empty() {
            self.head("What would still grant it if that were taken away");
            apart.into_iter().for_each(|path| self.path(path, document));
        }
        if !sharing.is_empty() {
            self.head("Other ways, which may go with the first");
            for path in sharing {
                self.path(path, document);
                if !path.shares.is_empty() {
                    self.item(1, format!("both need: {}", path.shares.join(", and ")));
                }
            }
        }
        if document.paths_cut {
            self.plain("There are more ways, or there may be: not all were looked at.");
        }
    }

    fn path(&mut self, path: &PathDocument, document: &ExplainDocument) {
        self.item(0, path.sentence.clone());
        let policy = document.determining_policies.iter().find(|policy| policy.id == path.policy);
        let Some(policy) = policy else { return };
        let at = format!("{}:{}", policy.file, policy.line);
        self.item(1, format!("by permit {}{} ({at})", code(&policy.id), rule(policy)));
        if let Some(summary) = policy.annotations.get("summary") {
            self.item(1, summary.clone());
        }
    }

    fn rest(&mut self, document: &ExplainDocument) {
        if !document.errors.is_empty() {
            self.head("Policies that could not be evaluated");
            for error in &document.errors {
                self.item(0, format!("{} {}: {}", error.effect, code(&error.policy), error.message));
            }
            if document.errors_cut {
                self.item(0, "and more");
            }
        }
        if !document.dropped.is_empty() {
            self.head("What of the request no policy saw");
            for dropped in &document.dropped {
                self.item(0, format!("{}: {}", code(&dropped.member), dropped.sentence));
            }
            if document.dropped_cut {
                self.item(0, "and more");
            }
        }
        if document.values_cut {
            self.plain("There are more clauses and values than are told.");
        }
    }
}

/// By which policy a change turns the answer, and where what is changed stands.
fn by(remedy: &RemedyDocument, document: &ExplainDocument) -> String {
    let mut words = format!("by way of the policy {}", code(&remedy.policy));
    // Whoever gets a role for one thing gets all that comes with it.
    let is_wide = remedy.actions > 1 && !document.decision && document.cause == "nothing_permits";
    if is_wide && matches!(remedy.change.as_str(), "set" | "remove") && remedy.source.from == "store" {
        words.push_str(&format!(", which permits {} actions and not this one alone", remedy.actions));
    }
    let entity = remedy
        .entity
        .as_ref()
        .and_then(|entity| Some((entity.id.as_str(), entity.file.as_ref()?, entity.line?)));
    let Some((id, file, line)) = entity else { return words };
    let mut places = vec![format!("{} is in {file}:{line}", plain(id))];
    if let ("join" | "leave", [choice]) = (remedy.change.as_str(), remedy.choices.as_slice())
        && let (Some(file), Some(line), Some(id)) = (&choice.file, choice.line, choice.value["__entity"]["id"].as_str())
    {
        places.push(format!("{} in {file}:{line}", plain(id)));
    }
    if remedy.source.from == "store" {
        words.push_str(&format!(" ({})", places.join(", ")));
    }
    words
}

fn rule(policy: &PolicyDocument) -> String {
    policy.annotations.get("rule").map(|rule| format!(", rule {rule}")).unwrap_or_default()
}

/// Text of other people: a backtick in it ends no code.
fn plain(text: &str) -> String {
    text.replace('`', "\\u{60}")
}

/// Words of Cedar or of the files, in backticks.
fn code(text: &str) -> String {
    format!("`{}`", plain(text))
}

/// The name of an entity as Cedar writes it.
fn exact(entity: &EntityDocument) -> String {
    code(&format!("{}::\"{}\"", entity.entity_type, entity.id))
}

/// Where something comes from, in brackets.
fn place(source: &SourceDocument) -> String {
    match (source.from.as_str(), &source.file, source.line, &source.part) {
        ("store", Some(file), Some(line), _) => format!(" ({file}:{line})"),
        ("request", .., Some(part)) if part == "context" => " (the request's context)".to_owned(),
        ("request", .., Some(part)) => format!(" (the request's {part})"),
        _ => String::new(),
    }
}

/// A text that was written on several lines.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

/// Words as a sentence.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first = chars.next().map(char::to_uppercase).into_iter().flatten();
    let end = if words.ends_with('?') { "" } else { "." };
    first.chain(chars).collect::<String>() + end
}
