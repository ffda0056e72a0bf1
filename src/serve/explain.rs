//! An explanation as a JSON document: what people and programs read of it, wherever it was made.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod said;

use crate::engine::{
    Cause, Clause, Explanation, Judged, Named, Outcome, Part, Path, Problem, Query, Remedy, Seen, Snapshot, Source,
    Step, Value, WhyDropped, WithoutFirst,
};

/// Why an answer is what it is. The members are described in docs/explain.md.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainDocument {
    /// Whether the answer is allow.
    pub decision: bool,
    /// Why: `permitted`, `forbidden`, `forbid_erred`, `nothing_permits`, `unknown_name`, `not_applicable`,
    /// `disagreed` or `distrusted`.
    pub cause: String,
    /// The answer as a sentence.
    pub sentence: String,
    /// The revision of what it was made from.
    pub revision: String,
    /// Who asks.
    pub principal: EntityDocument,
    /// The exact name of what is to be done.
    pub action: String,
    /// What it is to be done to.
    pub resource: EntityDocument,
    /// The policies that decided.
    pub determining_policies: Vec<PolicyDocument>,
    /// Whether more policies decided.
    pub determining_cut: bool,
    /// Of a deny, the permits that come nearest.
    pub nearest_permits: Vec<PolicyDocument>,
    /// How many permits there are for such questions.
    pub permits: usize,
    /// Changes of one fact that turn the answer.
    pub remedies: Vec<RemedyDocument>,
    /// Whether some changes were not tried.
    pub remedies_cut: bool,
    /// Of what is forbidden and what no change of one fact turns: those after which nothing forbids it any more.
    pub first_steps: Vec<RemedyDocument>,
    /// Of an allow, the ways in which it was granted.
    pub paths: Vec<PathDocument>,
    /// Whether there are more ways.
    pub paths_cut: bool,
    /// Of an allow, the answer once the links of the first way are taken away: `allow`, `deny` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub without_first: Option<String>,
    /// Policies that could not be evaluated.
    pub errors: Vec<ErrorDocument>,
    /// Whether there are more of them.
    pub errors_cut: bool,
    /// What of the request no policy could see.
    pub dropped: Vec<DroppedDocument>,
    /// Whether there is more of it.
    pub dropped_cut: bool,
    /// Whether clauses or values are left out, because there would be too much of them.
    pub values_cut: bool,
    /// Whether it took more work than it may, and ended before all was looked at.
    pub unfinished: bool,
    /// What was asked about and nobody knows, in sentences.
    pub unknown: Vec<String>,
}

/// An entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityDocument {
    /// The exact name of its type.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// Its id.
    pub id: String,
    /// Where it was read, if the store has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// Its line there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
}

/// A policy, clause by clause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyDocument {
    /// Its id.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: String,
    /// All its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The template that it links.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub template: Option<String>,
    /// The file of that template, of which the lines of clauses are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub template_file: Option<String>,
    /// Its file, below the root.
    pub file: String,
    /// Its line there.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// How many clauses fail.
    pub failing: u32,
    /// The conditions that all have to hold.
    pub clauses: Vec<ClauseDocument>,
}

/// A condition of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClauseDocument {
    /// As its author wrote it.
    pub text: String,
    /// Whether the text must not hold.
    pub negated: bool,
    /// Its line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<usize>,
    /// `holds`, `fails`, `errs` or `unreached`.
    pub outcome: String,
    /// Why it errs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The values that it saw.
    pub seen: Vec<SeenDocument>,
    /// If one of several conditions is enough: those of each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alternatives: Vec<Vec<ClauseDocument>>,
}

/// A value that a condition saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenDocument {
    /// What was read, as its author wrote it.
    pub expression: String,
    /// The entity whose attribute or tag it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entity: Option<EntityDocument>,
    /// The attribute of the entity, or the member of the context; with dots for members of records.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attribute: Option<String>,
    /// `value`, `in`, `missing` or `no_entity`.
    pub state: String,
    /// The value, or the entities that the entity is in, as Cedar writes them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// Where it comes from.
    pub source: SourceDocument,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceDocument {
    /// `store`, `request` or `nowhere`.
    pub from: String,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// The line on which the entity begins.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    /// The part of the request: `subject`, `action`, `resource` or `context`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub part: Option<String>,
}

/// A change of one fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemedyDocument {
    /// What to do, as a sentence.
    pub sentence: String,
    /// `join`, `leave`, `set`, `remove`, `add` or `take_out`.
    pub change: String,
    /// The entity that joins or leaves, or whose attribute or tag it is; none for the context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub entity: Option<EntityDocument>,
    /// The attribute or tag that is changed, or the member of the context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attribute: Option<String>,
    /// What may be chosen: groups, values or elements.
    pub choices: Vec<ChoiceDocument>,
    /// Where the fact comes from now.
    pub source: SourceDocument,
    /// The policy that turns with it.
    pub policy: String,
    /// How many actions that policy is about.
    pub actions: usize,
}

/// A group, value or element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceDocument {
    /// As Cedar writes it.
    pub text: String,
    /// In Cedar's JSON format of entities.
    pub value: serde_json::Value,
    /// The file of an entity, if the store has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// Its line there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    /// Of a group that an attribute lists, or no longer lists: how many that could ask such a question are in it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub members: Option<usize>,
}

/// One way in which an allow was granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathDocument {
    /// The permit.
    pub policy: String,
    /// The way as a sentence: `ana → finance → writers of ledger`.
    pub sentence: String,
    /// What makes the permit hold.
    pub steps: Vec<StepDocument>,
    /// Whether it would still grant if the first path were taken away.
    pub independent: bool,
    /// What it has in common with the first path.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub shares: Vec<String>,
}

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepDocument {
    /// The condition.
    pub text: String,
    /// Whether it must not hold.
    pub negated: bool,
    /// From an entity up to a group, each the parent of the one before it; or the one element that a set lists.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub entities: Vec<EntityDocument>,
    /// How many are left out in the middle of those.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub left_out: usize,
    /// The entity that lists the last of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub listed_by: Option<EntityDocument>,
    /// The attribute in which it does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub listed_in: Option<String>,
    /// The values that the condition saw.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub seen: Vec<SeenDocument>,
}

/// A policy that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorDocument {
    /// Its id.
    pub policy: String,
    /// `permit` or `forbid`.
    pub effect: String,
    /// What Cedar says.
    pub message: String,
}

/// Something of the request that no policy could see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DroppedDocument {
    /// Where it stood: `context.device.name`.
    pub member: String,
    /// `undeclared`, `null`, `ignored`, `stored` or `said_twice`.
    pub reason: String,
    /// Why, as a sentence.
    pub sentence: String,
}

/// Policies that err and that are told.
const ERRORS_MAX: usize = 16;

/// Characters of an annotation and of what Cedar says of an error that are told.
const TEXT_MAX: usize = 1_000;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A text, or as much of it as is told.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Explains one question.
///
/// # Errors
/// Those of [`Snapshot::explain`].
pub fn explain_document(snapshot: &Snapshot, query: &Query<'_>) -> Result<ExplainDocument, Problem> {
    Ok(ExplainDocument::new(snapshot, &snapshot.explain(query)?))
}

impl ExplainDocument {
    /// The document of an explanation.
    pub fn new(snapshot: &Snapshot, explanation: &Explanation<'_>) -> Self {
        let Explanation { decision, .. } = explanation;
        let error = |error: &crate::engine::PolicyError| {
            let policy = snapshot.policy(error.policy);
            ErrorDocument {
                policy: policy.id.to_string(),
                effect: policy.effect.to_string(),
                message: shortened(&error.message),
            }
        };
        Self {
            decision: decision.is_allowed(),
            cause: cause(decision.cause).to_owned(),
            sentence: said::answer(explanation),
            revision: snapshot.revision().to_owned(),
            principal: EntityDocument::from(&explanation.principal),
            action: explanation.action.clone().into_owned(),
            resource: EntityDocument::from(&explanation.resource),
            determining_policies: explanation.determining.iter().map(PolicyDocument::from).collect(),
            determining_cut: explanation.determining_cut,
            nearest_permits: explanation.nearest.iter().map(PolicyDocument::from).collect(),
            permits: explanation.permits,
            remedies: explanation.remedies.iter().map(RemedyDocument::from).collect(),
            remedies_cut: explanation.remedies_cut,
            first_steps: explanation.first_steps.iter().map(RemedyDocument::from).collect(),
            paths: explanation.paths.iter().map(PathDocument::from).collect(),
            paths_cut: explanation.paths_cut,
            without_first: decision.is_allowed().then(|| without_first(explanation.without_first).to_owned()),
            errors: decision.errors.iter().take(ERRORS_MAX).map(error).collect(),
            errors_cut: decision.errors.len() > ERRORS_MAX,
            dropped: explanation.dropped.iter().map(DroppedDocument::from).collect(),
            dropped_cut: explanation.dropped_cut,
            values_cut: explanation.is_cut,
            unfinished: explanation.is_unfinished,
            unknown: explanation.unknown.iter().map(said::unknown).collect(),
        }
    }

    /// The same, where two evaluators disagreed on such a question: what one of them found is not told.
    pub fn distrusted(self) -> Self {
        Self {
            decision: false,
            cause: cause(Cause::Distrusted).to_owned(),
            sentence: "deny: two evaluators disagreed on such a question before".to_owned(),
            determining_policies: Vec::new(),
            determining_cut: false,
            nearest_permits: Vec::new(),
            permits: 0,
            remedies: Vec::new(),
            remedies_cut: false,
            first_steps: Vec::new(),
            paths: Vec::new(),
            paths_cut: false,
            without_first: None,
            errors: Vec::new(),
            errors_cut: false,
            values_cut: false,
            unfinished: false,
            ..self
        }
    }
}

fn without_first(answer: WithoutFirst) -> &'static str {
    match answer {
        WithoutFirst::Allowed => "allow",
        WithoutFirst::Denied => "deny",
        WithoutFirst::Unknown => "unknown",
    }
}

/// The word for a cause.
fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Permitted => "permitted",
        Cause::Forbidden => "forbidden",
        Cause::ForbidErred => "forbid_erred",
        Cause::NothingPermits => "nothing_permits",
        Cause::UnknownName => "unknown_name",
        Cause::NotApplicable => "not_applicable",
        Cause::Disagreed => "disagreed",
        Cause::Distrusted => "distrusted",
    }
}

/// The specification's word for a part of a question.
fn part(part: Part) -> &'static str {
    match part {
        Part::Principal => "subject",
        Part::Action => "action",
        Part::Resource => "resource",
        Part::Context => "context",
    }
}

impl From<&Named<'_>> for EntityDocument {
    fn from(named: &Named<'_>) -> Self {
        Self {
            entity_type: named.entity_type.clone().into_owned(),
            id: named.id.clone().into_owned(),
            file: named.place.map(|(file, _)| file.to_owned()),
            line: named.place.map(|(_, line)| line),
        }
    }
}

impl From<&Judged<'_>> for PolicyDocument {
    fn from(judged: &Judged<'_>) -> Self {
        let info = judged.info;
        Self {
            id: info.id.to_string(),
            effect: info.effect.to_string(),
            annotations: info.annotations.iter().map(|(key, value)| (key.clone(), shortened(value))).collect(),
            template: info.template.as_deref().map(str::to_owned),
            template_file: judged.template_file.map(str::to_owned),
            file: info.place.file.to_string(),
            line: info.place.line,
            text: judged.text.clone().into_owned(),
            failing: judged.distance,
            clauses: judged.clauses.iter().map(ClauseDocument::from).collect(),
        }
    }
}

impl From<&Clause<'_>> for ClauseDocument {
    fn from(clause: &Clause<'_>) -> Self {
        let (outcome, error) = match &clause.outcome {
            Outcome::Holds => ("holds", None),
            Outcome::Fails => ("fails", None),
            Outcome::Errs(message) => ("errs", Some(message.clone())),
            Outcome::Unreached => ("unreached", None),
        };
        let alternative = |all: &Vec<Clause<'_>>| all.iter().map(Self::from).collect();
        Self {
            text: clause.text.clone().into_owned(),
            negated: clause.is_negated,
            line: clause.line,
            outcome: outcome.to_owned(),
            error,
            seen: clause.seen.iter().map(SeenDocument::from).collect(),
            alternatives: clause.alternatives.iter().map(alternative).collect(),
        }
    }
}

impl From<&Seen<'_>> for SeenDocument {
    fn from(seen: &Seen<'_>) -> Self {
        let (state, value) = match &seen.value {
            Value::Is(text) => ("value", Some(text.clone())),
            Value::In(text) => ("in", Some(text.clone())),
            Value::Missing => ("missing", None),
            Value::NoEntity => ("no_entity", None),
        };
        Self {
            expression: seen.expression.clone().into_owned(),
            entity: seen.fact.as_ref().and_then(|fact| fact.entity.as_ref()).map(EntityDocument::from),
            attribute: seen.fact.as_ref().map(said::fact),
            state: state.to_owned(),
            value,
            source: SourceDocument::from(seen.source),
        }
    }
}

impl From<Source<'_>> for SourceDocument {
    fn from(source: Source<'_>) -> Self {
        let (from, place, of) = match source {
            Source::Store { file, line } => ("store", Some((file, line)), None),
            Source::Request(of) => ("request", None, Some(part(of))),
            Source::Nowhere => ("nowhere", None, None),
        };
        Self {
            from: from.to_owned(),
            file: place.map(|(file, _)| file.to_owned()),
            line: place.map(|(_, line)| line),
            part: of.map(str::to_owned),
        }
    }
}

impl From<&Remedy<'_>> for RemedyDocument {
    fn from(remedy: &Remedy<'_>) -> Self {
        let owner = remedy.fact.as_ref().and_then(|fact| fact.entity.as_ref());
        let choice = |choice: &crate::engine::Choice<'_>| ChoiceDocument {
            text: choice.text.clone(),
            value: choice.value.clone(),
            file: choice.place.map(|(file, _)| file.to_owned()),
            line: choice.place.map(|(_, line)| line),
            members: choice.members,
        };
        Self {
            sentence: said::remedy(remedy),
            change: said::change(remedy.kind).to_owned(),
            entity: remedy.member.as_ref().or(owner).map(EntityDocument::from),
            attribute: remedy.fact.as_ref().filter(|_| remedy.member.is_none()).map(said::fact),
            choices: remedy.choices.iter().map(choice).collect(),
            source: SourceDocument::from(remedy.source),
            policy: remedy.info.id.to_string(),
            actions: remedy.actions,
        }
    }
}

impl From<&Path<'_>> for PathDocument {
    fn from(path: &Path<'_>) -> Self {
        Self {
            policy: path.info.id.to_string(),
            sentence: said::path(path),
            steps: path.steps.iter().map(StepDocument::from).collect(),
            independent: path.is_independent,
            shares: path.shares.iter().map(said::shared).collect(),
        }
    }
}

impl From<&Step<'_>> for StepDocument {
    fn from(step: &Step<'_>) -> Self {
        let one;
        let (text, entities, list, seen): (&Cow<'_, str>, &[Named<'_>], _, &[Seen<'_>]) = match step {
            Step::Chain {
                text,
                entities,
                listed_in,
                ..
            } => (text, entities, listed_in.as_ref(), &[]),
            Step::Listed {
                text,
                element,
                listed_in,
            } => {
                one = [element.clone()];
                (text, &one, Some(listed_in), &[])
            }
            Step::Clause { text, seen, .. } => (text, &[], None, seen),
        };
        Self {
            text: text.clone().into_owned(),
            negated: matches!(step, Step::Clause { is_negated: true, .. }),
            entities: entities.iter().map(EntityDocument::from).collect(),
            left_out: match step {
                Step::Chain { left_out, .. } => *left_out,
                Step::Listed { .. } | Step::Clause { .. } => 0,
            },
            listed_by: list.and_then(|fact| fact.entity.as_ref()).map(EntityDocument::from),
            listed_in: list.map(said::fact),
            seen: seen.iter().map(SeenDocument::from).collect(),
        }
    }
}

impl From<&crate::engine::Dropped> for DroppedDocument {
    fn from(dropped: &crate::engine::Dropped) -> Self {
        let part = match dropped.part {
            Part::Context => "context".to_owned(),
            other => format!("{}.properties", part(other)),
        };
        let (reason, sentence) = match dropped.why {
            WhyDropped::Undeclared => ("undeclared", "the schema does not declare it"),
            WhyDropped::Null => ("null", "null is absent"),
            WhyDropped::Ignored => ("ignored", "properties of such entities are ignored (`request_properties`)"),
            WhyDropped::Stored => ("stored", "the store has it, and properties only fill what is lacking"),
            WhyDropped::SaidTwice => ("said_twice", "`action.properties` say it as well, and win"),
        };
        Self {
            member: format!("{part}{}", dropped.path),
            reason: reason.to_owned(),
            sentence: sentence.to_owned(),
        }
    }
}
