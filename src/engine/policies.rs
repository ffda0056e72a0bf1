//! Policy texts read into one Cedar policy set, each policy under its own id and with its place.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, SlotId, Template};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::core::{self, Effect};
use super::fault::{Fault, nearest};
use super::json::{Json, JsonError};
use super::nesting;
use super::text::{Place, Span, Text};

/// How deep a file of JSON may nest.
pub(super) const FILE_DEPTH_MAX: usize = 120;

/// What is known of a policy besides what it says.
#[derive(Clone, Debug)]
pub struct PolicyInfo {
    /// `@id` where it has one, else its file and its number in it.
    pub id: Arc<str>,
    /// Whether it permits or forbids.
    pub effect: super::Effect,
    /// Where it stands.
    pub place: Place,
    /// All its annotations, by key.
    pub annotations: Vec<(String, String)>,
    /// The template that it links, if it is a link.
    pub template: Option<Arc<str>>,
}

/// Where a policy, template or link stands.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) text: Text,
    pub(super) span: Span,
}

impl Origin {
    fn place(&self) -> Place {
        self.text.place(self.span)
    }
}

/// All policies, and where each comes from.
#[derive(Default)]
pub(super) struct PoliciesRead {
    pub(super) set: PolicySet,
    pub(super) origins: HashMap<PolicyId, Origin>,
    files: Vec<Arc<FileParsed>>,
    /// What stands in files that are as they were in the set that this one grew from.
    pub(super) unchanged: HashSet<PolicyId>,
}

/// One text, parsed: what it says whatever stands in others.
struct FileParsed {
    text: Text,
    statements: Vec<(Span, Statement)>,
    links: Vec<(Span, Link)>,
    faults: Vec<Fault>,
}

/// A policy or a template, under its id.
enum Statement {
    Policy(Policy),
    Template(Template),
}

impl Statement {
    fn id(&self) -> &PolicyId {
        match self {
            Self::Policy(policy) => policy.id(),
            Self::Template(template) => template.id(),
        }
    }
}

/// A template with the values of its slots, under an id of its own.
struct Link {
    template: PolicyId,
    id: PolicyId,
    values: HashMap<SlotId, EntityUid>,
}

impl PoliciesRead {
    /// What is known of one policy of the set.
    pub(super) fn info(&self, policy: &Policy) -> PolicyInfo {
        let origin = self.origins.get(policy.id());
        let mut annotations: Vec<(String, String)> =
            policy.annotations().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        annotations.sort();
        PolicyInfo {
            id: AsRef::<str>::as_ref(policy.id()).into(),
            effect: match core::policy(policy).effect() {
                Effect::Permit => super::Effect::Permit,
                Effect::Forbid => super::Effect::Forbid,
            },
            place: origin.map_or_else(|| Text::new("", "").place(Span::default()), Origin::place),
            annotations,
            template: policy.template_id().map(|template| AsRef::<str>::as_ref(template).into()),
        }
    }

    /// Whether these texts say what this was read from.
    pub(super) fn is_of(&self, texts: &[Text]) -> bool {
        self.files.len() == texts.len() && self.files.iter().zip(texts).all(|(file, text)| file.text == *text)
    }

    /// The texts that this was read from.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Text> {
        self.files.iter().map(|file| &file.text)
    }

    /// Takes an id for a policy at a place, or says who has it already.
    fn claim(&mut self, id: &PolicyId, text: &Text, span: Span, faults: &mut Vec<Fault>) -> bool {
        if let Some(first) = self.origins.get(id) {
            faults.push(
                Fault::error("policy-duplicate-id", format!("the policy id `{id}` is taken"))
                    .at(text, span)
                    .and_at(first.place(), "the first is here")
                    .help("give each policy, template and link an `@id` of its own"),
            );
            return false;
        }
        let text = text.clone();
        self.origins.insert(id.clone(), Origin { text, span });
        true
    }

    fn add(&mut self, statement: &Statement, text: &Text, span: Span, faults: &mut Vec<Fault>) {
        if !self.claim(statement.id(), text, span, faults) {
            return;
        }
        let added = match statement {
            Statement::Policy(policy) => self.set.add(policy.clone()),
            Statement::Template(template) => self.set.add_template(template.clone()),
        };
        if let Err(error) = added {
            faults.push(Fault::from_cedar("policy", &error, None).at(text, span));
        }
    }

    fn link(&mut self, link: &Link, text: &Text, span: Span, faults: &mut Vec<Fault>) {
        if self.set.template(&link.template).is_none() {
            let known: Vec<String> = self.set.templates().map(|template| template.id().to_string()).collect();
            let mut fault =
                Fault::error("policy-link", format!("there is no template `{}`", link.template)).at(text, span);
            if let Some(near) = nearest(link.template.as_ref(), known.iter().map(String::as_str)) {
                fault = fault.help(format!("did you mean `{near}`?"));
            }
            return faults.push(fault);
        }
        if self.claim(&link.id, text, span, faults)
            && let Err(error) = self.set.link(link.template.clone(), link.id.clone(), link.values.clone())
        {
            faults.push(Fault::from_cedar("policy-link", &error, None).at(text, span));
        }
    }
}

/// Reads all policy texts; faults are added to `faults`. Texts that `before` was read from are not parsed again.
pub(super) fn read(texts: &[Text], before: Option<&PoliciesRead>, faults: &mut Vec<Fault>) -> PoliciesRead {
    let faults_before = faults.len();
    let known: HashMap<&str, &Arc<FileParsed>> = before
        .into_iter()
        .flat_map(|before| &before.files)
        .map(|file| (&*file.text.name, file))
        .collect();
    let mut read = PoliciesRead::default();
    for text in texts {
        let (file, is_known) = match known.get(&*text.name) {
            Some(file) if file.text == *text => (Arc::clone(file), true),
            _ => (Arc::new(parse(text)), false),
        };
        faults.extend(file.faults.iter().cloned());
        for (span, statement) in &file.statements {
            read.add(statement, text, *span, faults);
            if is_known {
                read.unchanged.insert(statement.id().clone());
            }
        }
        read.files.push(file);
    }
    // Links last: their templates may stand in any file.
    for file in read.files.clone() {
        for (span, link) in &file.links {
            read.link(link, &file.text, *span, faults);
            let is_known = known.get(&*file.text.name).is_some_and(|known| Arc::ptr_eq(known, &file));
            if is_known && read.unchanged.contains(&link.template) {
                read.unchanged.insert(link.id.clone());
            }
        }
    }
    if read.set.is_empty() && faults.len() == faults_before {
        faults.push(Fault::error("policy-missing", "there is no policy").help(
            "put policies into `policies/`, in files whose names end in `.cedar`; to deny everything on purpose, write \
             `forbid (principal, action, resource);`",
        ));
    }
    read
}

fn parse(text: &Text) -> FileParsed {
    let mut parsed = FileParsed {
        text: text.clone(),
        statements: Vec::new(),
        links: Vec::new(),
        faults: Fault::bidirectional(text).collect(),
    };
    if !text.name.ends_with(".json") {
        parsed.read_cedar();
    } else if text.content.trim_start().starts_with('[') {
        parsed.read_links();
    } else {
        parsed.read_json();
    }
    parsed
}

impl FileParsed {
    fn read_cedar(&mut self) {
        let text = self.text.clone();
        if let Some(fault) = nesting::check(&text) {
            return self.faults.push(fault);
        }
        let set = match PolicySet::from_str(&text.content) {
            Ok(set) => set,
            Err(errors) => {
                let faults = errors.iter().map(|error| Fault::from_cedar("policy-syntax", error, Some(&text)));
                return self.faults.extend(faults);
            }
        };
        let mut statements: Vec<(Span, Option<String>, Statement)> = Vec::new();
        for policy in set.policies() {
            let span = core::policy(policy).loc().map(core::span).unwrap_or_default();
            let id = policy.annotation("id").map(str::to_owned);
            statements.push((span, id, Statement::Policy(policy.clone())));
        }
        for template in set.templates() {
            let span = core::template_loc(template).map(|loc| core::span(&loc)).unwrap_or_default();
            let id = template.annotation("id").map(str::to_owned);
            statements.push((span, id, Statement::Template(template.clone())));
        }
        statements.sort_by_key(|(span, ..)| *span);
        for (number, (span, id, statement)) in statements.into_iter().enumerate() {
            let id = match id {
                Some(id) if id.is_empty() => {
                    self.faults.push(
                        Fault::error("policy-id", "`@id` is empty")
                            .at(&text, span)
                            .help("name the policy, as in `@id(\"read-by-team\")`, or leave the annotation out"),
                    );
                    continue;
                }
                Some(id) => id,
                None => format!("{}#{}", text.name, number + 1),
            };
            let id = PolicyId::new(id);
            let body = match &statement {
                Statement::Policy(policy) => core::policy(policy).non_scope_constraints(),
                Statement::Template(template) => core::template_body(template),
            };
            if body.is_some_and(nesting::is_too_deep) {
                self.faults.push(nesting::too_deep(&text, span));
                continue;
            }
            let statement = match statement {
                Statement::Policy(policy) => Statement::Policy(policy.new_id(id)),
                Statement::Template(template) => Statement::Template(template.new_id(id)),
            };
            self.statements.push((span, statement));
        }
    }

    fn read_json(&mut self) {
        let text = self.text.clone();
        let json = match Json::read(text.content.as_bytes(), FILE_DEPTH_MAX) {
            Ok(json) => json,
            Err(error) => return self.faults.push(json_fault("policy-syntax", &text, &error)),
        };
        let whole = Span::new(0, 0);
        if json.get("effect").is_some() {
            let id = PolicyId::new(&text.name);
            let value = serde_json::from_str(&text.content).unwrap_or_default();
            match Policy::from_json(Some(id), value) {
                Ok(policy) => {
                    let id = policy.annotation("id").map(PolicyId::new);
                    let policy = id.map_or_else(|| policy.clone(), |id| policy.new_id(id));
                    self.statements.push((whole, Statement::Policy(policy)));
                }
                Err(error) => self.faults.push(Fault::from_cedar("policy-syntax", &error, Some(&text))),
            }
            return;
        }
        let set = match PolicySet::from_json_str(&text.content) {
            Ok(set) => set,
            Err(error) => {
                return self.faults.push(Fault::from_cedar("policy-syntax", &error, Some(&text)).help(
                    "a JSON file of policies is an object with `staticPolicies`, `templates` and `templateLinks`, one \
                     policy with `effect`, or an array of template links",
                ));
            }
        };
        let templates = set.templates().map(|template| (whole, Statement::Template(template.clone())));
        self.statements.extend(templates);
        for policy in set.policies() {
            match (policy.template_id(), policy.template_links()) {
                (Some(template), Some(values)) => {
                    let (template, id) = (template.clone(), policy.id().clone());
                    self.links.push((whole, Link { template, id, values }));
                }
                _ => self.statements.push((whole, Statement::Policy(policy.clone()))),
            }
        }
    }

    fn read_links(&mut self) {
        let text = self.text.clone();
        if let Err(error) = Json::read(text.content.as_bytes(), FILE_DEPTH_MAX) {
            return self.faults.push(json_fault("policy-link-syntax", &text, &error));
        }
        let links: Vec<&RawValue> = match serde_json::from_str(&text.content) {
            Ok(links) => links,
            Err(error) => {
                let error = JsonError::from_serde(&error);
                return self.faults.push(json_fault("policy-link-syntax", &text, &error));
            }
        };
        for raw in links {
            let span = text.span_of(raw.get());
            match serde_json::from_str::<LinkJson>(raw.get()) {
                Ok(link) => self.read_link(&link, span),
                Err(error) => self.faults.push(
                    Fault::error("policy-link-syntax", format!("not a template link: {error}"))
                        .at(&text, span)
                        .help(
                            r#"write `{"template_id": "…", "link_id": "…", "args": {"?principal": "User::\"ana\""}}`"#,
                        ),
                ),
            }
        }
    }

    fn read_link(&mut self, link: &LinkJson, span: Span) {
        let text = self.text.clone();
        let mut values = HashMap::new();
        for (slot, value) in &link.args {
            let slot_id = match slot.as_str() {
                "?principal" => SlotId::principal(),
                "?resource" => SlotId::resource(),
                _ => {
                    self.faults.push(
                        Fault::error("policy-link", format!("unknown slot `{slot}`"))
                            .at(&text, span)
                            .help("the slots of a template are `?principal` and `?resource`"),
                    );
                    continue;
                }
            };
            match core::parse_entity(value) {
                Some(uid) => {
                    values.insert(slot_id, core::public_uid(uid));
                }
                None => self.faults.push(
                    Fault::error("policy-link", format!("`{value}` is no entity"))
                        .at(&text, span)
                        .help(r#"write it as in `User::"ana"`"#),
                ),
            }
        }
        let (template, id) = (PolicyId::new(&link.template_id), PolicyId::new(&link.link_id));
        self.links.push((span, Link { template, id, values }));
    }
}

/// A link as Cedar's command line writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkJson {
    template_id: String,
    link_id: String,
    args: HashMap<String, String>,
}

/// The fault of a text that is no JSON.
pub(super) fn json_fault(code: &'static str, text: &Text, error: &JsonError) -> Fault {
    let span = Span::new(error.offset(&text.content), 1);
    Fault::error(code, format!("not valid JSON: {error}")).at(text, span)
}
