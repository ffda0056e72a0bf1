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
    Holds,
    Fails,
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
        let policies: Vec<String> =
            document.determining_policies.iter().map(|policy| format!("`{}`", policy.id)).collect();
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
        document.unknown.iter().for_each(|unknown| self.plain(sentence(unknown)));
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
            (true, true) => self.plain("No change of one fact alone was found that takes it away."),
            (true, false) => self.plain("No change of one fact alone was found that turns this into an allow."),
            (false, true) => self.head("To take it away, any one of these is enough"),
            (false, false) => self.head("To allow it, any one of these is enough"),
        }
        for remedy in document.remedies.iter().take(REMEDIES_MAX) {
            self.remedy(remedy, document.decision);
        }
        if document.remedies.len() > REMEDIES_MAX {
            self.item(0, format!("{} more", document.remedies.len() - REMEDIES_MAX));
        }
        if document.remedies_cut {
            self.plain("There were too many changes to try them all.");
        }
    }

    fn remedy(&mut self, remedy: &RemedyDocument, decision: bool) {
        self.item(0, remedy.sentence.clone());
        let effect = match (decision, remedy.change.as_str()) {
            _ if remedy.policy.is_empty() => return,
            (false, _) => "because of",
            (true, _) => "by way of",
        };
        self.item(1, format!("{effect} the policy `{}`{}", remedy.policy, place(&remedy.source)));
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
                self.holding(clause);
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
            clauses.for_each(|clause| self.failing(1, clause));
        }
    }

    fn policy(&mut self, policy: &PolicyDocument, words: Option<&str>) {
        let words = words.map(|words| format!(": {words}")).unwrap_or_default();
        let rule = policy.annotations.get("rule").map(|rule| format!(", rule {rule}")).unwrap_or_default();
        let template = policy.template.as_ref().map(|id| format!(", a link of `{id}`")).unwrap_or_default();
        let at = format!("{}:{}", policy.file, policy.line);
        self.item(0, format!("{} `{}`{rule}{template} ({at}){words}", policy.effect, policy.id));
        if let Some(summary) = policy.annotations.get("summary") {
            self.item(1, summary.clone());
        }
    }

    /// A clause that holds, by those of its alternatives that do.
    fn holding(&mut self, clause: &ClauseDocument) {
        if clause.alternatives.is_empty() {
            let (mark, words) = match clause.outcome.as_str() {
                "errs" => (Mark::Fails, format!("errs: {}", clause.error.as_deref().unwrap_or_default())),
                _ if clause.negated => (Mark::Holds, format!("`{}` does not hold", one_line(&clause.text))),
                _ => (Mark::Holds, format!("`{}` holds", one_line(&clause.text))),
            };
            self.marked(1, mark, words);
            self.all_seen(2, clause);
            return;
        }
        for all in clause
            .alternatives
            .iter()
            .filter(|all| all.iter().all(|clause| clause.outcome == "holds"))
        {
            all.iter().for_each(|clause| self.holding(clause));
        }
    }

    /// A clause that fails, or errs, with what it saw.
    fn failing(&mut self, depth: usize, clause: &ClauseDocument) {
        let text = one_line(&clause.text);
        let line = clause.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        if clause.outcome == "unreached" {
            return;
        }
        if !clause.alternatives.is_empty() {
            self.marked(depth, Mark::Fails, format!("one of these has to hold{line}, and none does:"));
            for all in &clause.alternatives {
                all.iter()
                    .filter(|clause| clause.outcome != "holds")
                    .for_each(|clause| self.failing(depth + 1, clause));
            }
            return;
        }
        let words = match (clause.outcome.as_str(), clause.negated) {
            ("errs", _) => format!("`{text}`{line} errs: {}", clause.error.as_deref().unwrap_or_default()),
            (_, true) => format!("`{text}`{line} holds, and must not"),
            (_, false) => format!("`{text}`{line} has to hold, and does not"),
        };
        self.marked(depth, Mark::Fails, words);
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
            .filter(|owner| !seen.expression.contains(&owner.id))
            .map(|owner| format!(" of {}", exact(owner)));
        let owner = owner.unwrap_or_default();
        let expression = format!("`{}`", one_line(&seen.expression));
        let value = seen.value.as_deref().unwrap_or_default();
        let words = match seen.state.as_str() {
            "value" => format!("{expression}{owner} is `{value}`"),
            "in" if value == "[]" => format!("{expression} is in no group"),
            "in" => format!("{expression} is in `{value}`"),
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
        if apart.is_empty() {
            self.plain("Nothing else would grant it if that were taken away.");
        } else {
            self.head("What would still grant it if that were taken away");
            apart.into_iter().for_each(|path| self.path(path, document));
        }
        if !sharing.is_empty() {
            self.head("Other ways, which share something with the first");
            sharing.into_iter().for_each(|path| self.path(path, document));
        }
        if document.paths_cut {
            self.plain("There are more ways.");
        }
    }

    fn path(&mut self, path: &PathDocument, document: &ExplainDocument) {
        self.item(0, path.sentence.clone());
        let policy = document.determining_policies.iter().find(|policy| policy.id == path.policy);
        let Some(policy) = policy else { return };
        let rule = policy.annotations.get("rule").map(|rule| format!(", rule {rule}")).unwrap_or_default();
        self.item(1, format!("by permit `{}`{rule} ({}:{})", policy.id, policy.file, policy.line));
        if let Some(summary) = policy.annotations.get("summary") {
            self.item(1, summary.clone());
        }
    }

    fn rest(&mut self, document: &ExplainDocument) {
        if !document.errors.is_empty() {
            self.head("Policies that could not be evaluated");
            for error in &document.errors {
                self.item(0, format!("{} `{}`: {}", error.effect, error.policy, error.message));
            }
        }
        if !document.dropped.is_empty() {
            self.head("What of the request no policy saw");
            for dropped in &document.dropped {
                self.item(0, format!("`{}`: {}", dropped.member, dropped.sentence));
            }
        }
    }
}

/// The name of an entity as Cedar writes it.
fn exact(entity: &EntityDocument) -> String {
    format!("`{}::\"{}\"`", entity.entity_type, entity.id)
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
