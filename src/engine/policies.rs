//! Policy texts read into one Cedar policy set, each policy under its own id and with its place.

use std::collections::HashMap;
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

    fn add_policy(&mut self, policy: Policy, text: &Text, span: Span, faults: &mut Vec<Fault>) {
        if self.claim(policy.id(), text, span, faults)
            && let Err(error) = self.set.add(policy)
        {
            faults.push(Fault::from_cedar("policy", &error, None).at(text, span));
        }
    }

    fn add_template(&mut self, template: Template, text: &Text, span: Span, faults: &mut Vec<Fault>) {
        if self.claim(template.id(), text, span, faults)
            && let Err(error) = self.set.add_template(template)
        {
            faults.push(Fault::from_cedar("policy", &error, None).at(text, span));
        }
    }
}

/// Reads all policy texts; faults are added to `faults`.
pub(super) fn read(texts: &[Text], faults: &mut Vec<Fault>) -> PoliciesRead {
    let before = faults.len();
    let mut read = PoliciesRead::default();
    let mut links = Vec::new();
    for text in texts {
        faults.extend(Fault::bidirectional(text));
        if !text.name.ends_with(".json") {
            read_cedar(text, &mut read, faults);
        } else if text.content.trim_start().starts_with('[') {
            links.push(text);
        } else {
            read_json(text, &mut read, faults);
        }
    }
    // Links last: their templates may stand in any file.
    for text in links {
        read_links(text, &mut read, faults);
    }
    if read.set.is_empty() && faults.len() == before {
        faults.push(Fault::error("policy-missing", "there is no policy").help(
            "put policies into `policies/`, in files whose names end in `.cedar`; to deny everything on purpose, write \
             `forbid (principal, action, resource);`",
        ));
    }
    read
}

fn read_cedar(text: &Text, read: &mut PoliciesRead, faults: &mut Vec<Fault>) {
    if let Some(fault) = nesting::check(text) {
        return faults.push(fault);
    }
    let set = match PolicySet::from_str(&text.content) {
        Ok(set) => set,
        Err(errors) => {
            faults.extend(errors.iter().map(|error| Fault::from_cedar("policy-syntax", error, Some(text))));
            return;
        }
    };
    enum Either {
        Policy(Policy),
        Template(Template),
    }
    let mut statements: Vec<(Span, Option<String>, Either)> = Vec::new();
    for policy in set.policies() {
        let span = core::policy(policy).loc().map(core::span).unwrap_or_default();
        let id = policy.annotation("id").map(str::to_owned);
        statements.push((span, id, Either::Policy(policy.clone())));
    }
    for template in set.templates() {
        let span = core::template_loc(template).map(|loc| core::span(&loc)).unwrap_or_default();
        let id = template.annotation("id").map(str::to_owned);
        statements.push((span, id, Either::Template(template.clone())));
    }
    statements.sort_by_key(|(span, ..)| *span);
    for (number, (span, id, statement)) in statements.into_iter().enumerate() {
        let id = match id {
            Some(id) if id.is_empty() => {
                faults.push(
                    Fault::error("policy-id", "`@id` is empty")
                        .at(text, span)
                        .help("name the policy, as in `@id(\"read-by-team\")`, or leave the annotation out"),
                );
                continue;
            }
            Some(id) => id,
            None => format!("{}#{}", text.name, number + 1),
        };
        let id = PolicyId::new(id);
        let body = match &statement {
            Either::Policy(policy) => core::policy(policy).non_scope_constraints(),
            Either::Template(template) => core::template_body(template),
        };
        if body.is_some_and(nesting::is_too_deep) {
            faults.push(nesting::too_deep(text, span));
            continue;
        }
        match statement {
            Either::Policy(policy) => read.add_policy(policy.new_id(id), text, span, faults),
            Either::Template(template) => read.add_template(template.new_id(id), text, span, faults),
        }
    }
}

fn read_json(text: &Text, read: &mut PoliciesRead, faults: &mut Vec<Fault>) {
    let json = match Json::read(text.content.as_bytes(), FILE_DEPTH_MAX) {
        Ok(json) => json,
        Err(error) => return faults.push(json_fault("policy-syntax", text, &error)),
    };
    let whole = Span::new(0, 0);
    if json.get("effect").is_some() {
        let id = PolicyId::new(&text.name);
        let value = serde_json::from_str(&text.content).unwrap_or_default();
        match Policy::from_json(Some(id), value) {
            Ok(policy) => {
                let id = policy.annotation("id").map(PolicyId::new);
                let policy = id.map_or_else(|| policy.clone(), |id| policy.new_id(id));
                read.add_policy(policy, text, whole, faults);
            }
            Err(error) => faults.push(Fault::from_cedar("policy-syntax", &error, Some(text))),
        }
        return;
    }
    let set = match PolicySet::from_json_str(&text.content) {
        Ok(set) => set,
        Err(error) => {
            faults.push(Fault::from_cedar("policy-syntax", &error, Some(text)).help(
                "a JSON file of policies is an object with `staticPolicies`, `templates` and `templateLinks`, one \
                 policy with `effect`, or an array of template links",
            ));
            return;
        }
    };
    for template in set.templates() {
        read.add_template(template.clone(), text, whole, faults);
    }
    let (links, policies): (Vec<&Policy>, Vec<&Policy>) =
        set.policies().partition(|policy| policy.template_id().is_some());
    for policy in policies {
        read.add_policy(policy.clone(), text, whole, faults);
    }
    for link in links {
        let (Some(template), Some(values)) = (link.template_id(), link.template_links()) else {
            continue;
        };
        add_link(read, template.clone(), link.id().clone(), values, text, whole, faults);
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

fn read_links(text: &Text, read: &mut PoliciesRead, faults: &mut Vec<Fault>) {
    if let Err(error) = Json::read(text.content.as_bytes(), FILE_DEPTH_MAX) {
        return faults.push(json_fault("policy-link-syntax", text, &error));
    }
    let links: Vec<&RawValue> = match serde_json::from_str(&text.content) {
        Ok(links) => links,
        Err(error) => return faults.push(json_fault("policy-link-syntax", text, &JsonError::from_serde(&error))),
    };
    for raw in links {
        let span = text.span_of(raw.get());
        match serde_json::from_str::<LinkJson>(raw.get()) {
            Ok(link) => read_link(&link, read, text, span, faults),
            Err(error) => faults.push(
                Fault::error("policy-link-syntax", format!("not a template link: {error}"))
                    .at(text, span)
                    .help(r#"write `{"template_id": "…", "link_id": "…", "args": {"?principal": "User::\"ana\""}}`"#),
            ),
        }
    }
}

fn read_link(link: &LinkJson, read: &mut PoliciesRead, text: &Text, span: Span, faults: &mut Vec<Fault>) {
    let mut values = HashMap::new();
    for (slot, value) in &link.args {
        let slot_id = match slot.as_str() {
            "?principal" => SlotId::principal(),
            "?resource" => SlotId::resource(),
            _ => {
                faults.push(
                    Fault::error("policy-link", format!("unknown slot `{slot}`"))
                        .at(text, span)
                        .help("the slots of a template are `?principal` and `?resource`"),
                );
                continue;
            }
        };
        match core::parse_entity(value) {
            Some(uid) => {
                values.insert(slot_id, core::public_uid(uid));
            }
            None => faults.push(
                Fault::error("policy-link", format!("`{value}` is no entity"))
                    .at(text, span)
                    .help(r#"write it as in `User::"ana"`"#),
            ),
        }
    }
    let template = PolicyId::new(&link.template_id);
    if read.set.template(&template).is_none() {
        let known: Vec<String> = read.set.templates().map(|template| template.id().to_string()).collect();
        let mut fault =
            Fault::error("policy-link", format!("there is no template `{}`", link.template_id)).at(text, span);
        if let Some(near) = nearest(&link.template_id, known.iter().map(String::as_str)) {
            fault = fault.help(format!("did you mean `{near}`?"));
        }
        return faults.push(fault);
    }
    add_link(read, template, PolicyId::new(&link.link_id), values, text, span, faults);
}

fn add_link(
    read: &mut PoliciesRead,
    template: PolicyId,
    id: PolicyId,
    values: HashMap<SlotId, EntityUid>,
    text: &Text,
    span: Span,
    faults: &mut Vec<Fault>,
) {
    if read.claim(&id, text, span, faults)
        && let Err(error) = read.set.link(template, id, values)
    {
        faults.push(Fault::from_cedar("policy-link", &error, None).at(text, span));
    }
}

/// The fault of a text that is no JSON.
pub(super) fn json_fault(code: &'static str, text: &Text, error: &JsonError) -> Fault {
    let span = Span::new(error.offset(&text.content), 1);
    Fault::error(code, format!("not valid JSON: {error}")).at(text, span)
}
