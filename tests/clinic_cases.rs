//! What the root in `roots/clinic` answers to AuthZEN evaluations, as data.
//!
//! The root shares no word with the bundled access model: two namespaces that clash, aliases, every kind of value, tags,
//! enumerated types, links. The cases ask for each of them, by exact names and by short ones, and mind what a request
//! may bring: what it fills, what it cannot override, what is dropped.

/// One evaluation, and the decision that the clinic owes it.
#[derive(Clone, Copy, Debug)]
pub struct ClinicCase {
    /// What the decision proves.
    pub why: &'static str,
    /// The body of an AuthZEN evaluation.
    pub request: &'static str,
    /// The decision.
    pub allow: bool,
}

const fn allow(why: &'static str, request: &'static str) -> ClinicCase {
    ClinicCase {
        why,
        request,
        allow: true,
    }
}

const fn deny(why: &'static str, request: &'static str) -> ClinicCase {
    ClinicCase {
        why,
        request,
        allow: false,
    }
}

/// Evaluations that are answered with a decision.
#[rustfmt::skip]
pub const CASES: &[ClinicCase] = &[
    // Names.
    allow(
        "exact names",
        r#"{"subject":{"type":"Clinic::User","id":"ada"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-70"}}"#,
    ),
    allow(
        "short names",
        r#"{"subject":{"type":"User","id":"ada"},"action":{"name":"view"},"resource":{"type":"Record","id":"r-70"}}"#,
    ),
    allow(
        "short names in any case",
        r#"{"subject":{"type":"USER","id":"ada"},"action":{"name":"View"},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "an exact name in another case is no name",
        r#"{"subject":{"type":"clinic::user","id":"ada"},"action":{"name":"view"},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "half an exact name is no name",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"Action::\"view\""},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "an unknown type",
        r#"{"subject":{"type":"patient","id":"ada"},"action":{"name":"view"},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "an unknown action",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"burn"},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "an unknown id",
        r#"{"subject":{"type":"user","id":"nobody"},"action":{"name":"view"},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "ids are compared as they are",
        r#"{"subject":{"type":"user","id":"Ada"},"action":{"name":"view"},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "a group of actions that applies to nothing",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"read"},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "a question that the schema rules out is denied, whatever its values are",
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-70"},"context":{"mfa":"yes"}}"#,
    ),

    // Aliases. `record` and `view` are the clinic's; the laboratory gave them up for its aliases.
    allow(
        "exact names of the laboratory",
        r#"{"subject":{"type":"Lab::Analyzer","id":"spectra"},"action":{"name":"Lab::Action::\"view\""},"resource":{"type":"Lab::Record","id":"r-95"}}"#,
    ),
    deny(
        "exact names of the laboratory, from a machine of another department",
        r#"{"subject":{"type":"Lab::Analyzer","id":"loaner"},"action":{"name":"Lab::Action::\"view\""},"resource":{"type":"Lab::Record","id":"r-95"}}"#,
    ),
    allow(
        "an alias of a type, and one of an action",
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"view-result"},"resource":{"type":"result","id":"r-95"}}"#,
    ),
    allow(
        "another alias, in any case",
        r#"{"subject":{"type":"Analyzer","id":"spectra"},"action":{"name":"View-Result"},"resource":{"type":"Lab-Record","id":"r-95"}}"#,
    ),
    deny(
        "aliases lead to the same denial",
        r#"{"subject":{"type":"analyzer","id":"loaner"},"action":{"name":"view-result"},"resource":{"type":"lab-record","id":"r-95"}}"#,
    ),
    deny(
        "`view` is the clinic's, and does not apply to a result",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"view"},"resource":{"type":"result","id":"r-70"}}"#,
    ),
    deny(
        "`record` is the clinic's, and `view-result` does not apply to it",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"view-result"},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "the laboratory's short name is given up altogether",
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"view"},"resource":{"type":"record","id":"r-95"}}"#,
    ),

    // Groups: teams in departments in sites in regions, records in charts in departments.
    allow(
        "a team of the department reads its charts, by exact names",
        r#"{"subject":{"type":"Clinic::User","id":"tove"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-80"}}"#,
    ),
    deny(
        "but not those of another department",
        r#"{"subject":{"type":"Clinic::User","id":"ada"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-90"}}"#,
    ),
    allow(
        "an action group reaches into the other namespace",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"view-result"},"resource":{"type":"result","id":"r-70"}}"#,
    ),
    deny(
        "a group of groups does so too, and a forbid on it wins",
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view-result"},"resource":{"type":"result","id":"r-95"}}"#,
    ),
    deny(
        "a forbid that asks for the action's group",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"annotate"},"resource":{"type":"record","id":"r-70"},"context":{"now":"2026-01-20"}}"#,
    ),
    allow(
        "an enumerated type as an ancestor of ancestors, with no entity of its own",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"open"},"resource":{"type":"door","id":"harbour-vault"}}"#,
    ),
    deny(
        "in the other region",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"open"},"resource":{"type":"door","id":"hill-main"}}"#,
    ),
    deny(
        "in no region",
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"open"},"resource":{"type":"door","id":"harbour-main"}}"#,
    ),

    // Links of templates.
    allow(
        "a link to a person and a chart, by exact names",
        r#"{"subject":{"type":"Clinic::User","id":"o'hara"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-91"}}"#,
    ),
    deny(
        "no link to this chart",
        r#"{"subject":{"type":"Clinic::User","id":"o'hara"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-70"}}"#,
    ),
    allow(
        "another link of the template, another action",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"annotate"},"resource":{"type":"record","id":"r-90"},"context":{"now":"2026-01-20"}}"#,
    ),
    deny(
        "an action that the template does not have",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-90"},"context":{"mfa":true}}"#,
    ),
    allow(
        "a link to a group and a site",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"open"},"resource":{"type":"door","id":"harbour-main"}}"#,
    ),
    deny(
        "a template's own condition",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"open"},"resource":{"type":"door","id":"harbour-vault"}}"#,
    ),
    allow(
        "a link to a person in place of a group",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"open"},"resource":{"type":"door","id":"hill-main"}}"#,
    ),
    deny(
        "a link that forbids",
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view"},"resource":{"type":"record","id":"r-90"}}"#,
    ),
    allow(
        "it forbids one chart and no other",
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view"},"resource":{"type":"record","id":"r-71"}}"#,
    ),
    allow(
        "a link in a JSON policy set",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"discard"},"resource":{"type":"sample","id":"s-2"}}"#,
    ),
    deny(
        "of another sample",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"discard"},"resource":{"type":"sample","id":"s-1"}}"#,
    ),

    // Attributes and sets.
    allow(
        "grade and skills, by exact names",
        r#"{"subject":{"type":"Clinic::User","id":"ines"},"action":{"name":"Clinic::Action::\"sign\""},"resource":{"type":"Clinic::Record","id":"r-70"},"context":{"mfa":true}}"#,
    ),
    deny(
        "a skill is missing",
        r#"{"subject":{"type":"Clinic::User","id":"ines"},"action":{"name":"Clinic::Action::\"sign\""},"resource":{"type":"Clinic::Record","id":"r-71"},"context":{"mfa":true}}"#,
    ),
    deny(
        "a boolean of the context",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-70"},"context":{"mfa":false}}"#,
    ),

    // Attributes of attributes: entities that only the policy leads to.
    allow(
        "two entities deep: the physician of the record's chart",
        r#"{"subject":{"type":"Clinic::User","id":"ines"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-71"}}"#,
    ),
    deny(
        "two entities deep: of another chart",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"view"},"resource":{"type":"record","id":"r-71"}}"#,
    ),
    allow(
        "three entities deep: the supervisor of the physician of the record's chart",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-71"},"context":{"mfa":true}}"#,
    ),
    deny(
        "three entities deep: somebody else",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-71"},"context":{"mfa":true}}"#,
    ),
    allow(
        "an optional attribute of another entity, compared with the one who asks",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"view-result"},"resource":{"type":"result","id":"r-70"}}"#,
    ),
    deny(
        "an optional attribute of another entity, which is not there",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"view-result"},"resource":{"type":"result","id":"r-95"}}"#,
    ),
    allow(
        "an optional attribute that is the resource",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"message"},"resource":{"type":"user","id":"chief"}}"#,
    ),
    deny(
        "an optional attribute that is somebody else",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"message"},"resource":{"type":"user","id":"o'hara"}}"#,
    ),

    // Entities that a policy names and looks into.
    deny(
        "a named entity's flag",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"export"},"resource":{"type":"record","id":"r-70"},"context":{"bulk":true,"ip":"10.1.2.3"}}"#,
    ),
    allow(
        "a named entity's flag does not matter for one record",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"export"},"resource":{"type":"record","id":"r-70"},"context":{"bulk":false,"ip":"10.1.2.3"}}"#,
    ),
    deny(
        "a named entity's set",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"annotate"},"resource":{"type":"record","id":"r-80"},"context":{"now":"2026-01-20"}}"#,
    ),
    allow(
        "the home of a named entity's duty",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"message"},"resource":{"type":"user","id":"ada"}}"#,
    ),
    deny(
        "is elsewhere",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"message"},"resource":{"type":"user","id":"ada"}}"#,
    ),

    // Tags.
    allow(
        "a tag with the name of the ward",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"view"},"resource":{"type":"record","id":"r-70"}}"#,
    ),
    deny(
        "a tag with another value",
        r#"{"subject":{"type":"Clinic::User","id":"omar"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-71"}}"#,
    ),
    deny(
        "no tags; and a request cannot bring any",
        r#"{"subject":{"type":"user","id":"o'hara","properties":{"W3":"r","tags":{"W3":"r"}}},"action":{"name":"view"},"resource":{"type":"record","id":"r-70"}}"#,
    ),

    // Enumerated values.
    allow(
        "sealed, for its author",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"view"},"resource":{"type":"record","id":"r-72"}}"#,
    ),
    deny(
        "sealed, for the chief",
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view"},"resource":{"type":"record","id":"r-72"}}"#,
    ),

    // Nested members of the context, `null`, and what is not declared.
    allow(
        "nested members",
        r#"{"subject":{"type":"Clinic::User","id":"o'hara"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-71"},"context":{"breakGlass":true,"via":{"ip":"10.9.9.9","os":{"major":12}}}}"#,
    ),
    deny(
        "a nested number too small",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"view"},"resource":{"type":"record","id":"r-71"},"context":{"breakGlass":true,"via":{"ip":"10.9.9.9","os":{"major":11}}}}"#,
    ),
    allow(
        "undeclared members are dropped at every depth, whatever they are",
        r#"{"subject":{"type":"user","id":"o'hara","shoe":39},"action":{"name":"view","colour":"red"},"resource":{"type":"record","id":"r-71","properties":{"mood":[{}]}},"context":{"breakGlass":true,"time":1,"via":{"ip":"10.9.9.9","mac":["a"],"os":{"major":12,"patch":{"x":null}}}}}"#,
    ),
    deny(
        "an undeclared member does not become one that is",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"view"},"resource":{"type":"record","id":"r-71"},"context":{"breakglass":true,"via":{"ip":"10.9.9.9","os":{"major":12}}}}"#,
    ),
    deny(
        "null is absent",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"view"},"resource":{"type":"record","id":"r-71"},"context":{"breakGlass":null,"via":{"ip":"10.9.9.9","os":{"major":12}}}}"#,
    ),
    deny(
        "null is absent, within a record too",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"view"},"resource":{"type":"record","id":"r-71"},"context":{"breakGlass":true,"via":{"ip":"10.9.9.9","os":null}}}"#,
    ),
    allow(
        "null in place of context and properties",
        r#"{"subject":{"type":"user","id":"ada","properties":null},"action":{"name":"view","properties":null},"resource":{"type":"record","id":"r-70","properties":null},"context":null}"#,
    ),

    // Addresses.
    allow(
        "an address as a plain string, by exact names",
        r#"{"subject":{"type":"Clinic::User","id":"o'hara"},"action":{"name":"Clinic::Action::\"export\""},"resource":{"type":"Clinic::Record","id":"r-70"},"context":{"bulk":false,"ip":"10.1.255.255"}}"#,
    ),
    deny(
        "an address of another network",
        r#"{"subject":{"type":"Clinic::User","id":"o'hara"},"action":{"name":"Clinic::Action::\"export\""},"resource":{"type":"Clinic::Record","id":"r-70"},"context":{"bulk":false,"ip":"10.2.0.1"}}"#,
    ),
    allow(
        "an address as `__extn`, and of version 6",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"export"},"resource":{"type":"record","id":"r-90"},"context":{"bulk":false,"ip":{"__extn":{"fn":"ip","arg":"2001:db8:2::9"}}}}"#,
    ),
    deny(
        "an address as `fn` and `arg`, of another network",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"export"},"resource":{"type":"record","id":"r-90"},"context":{"bulk":false,"ip":{"fn":"ip","arg":"2001:db8:3::9"}}}"#,
    ),

    // Dates and durations.
    allow(
        "a licence of today, in the country of one's site",
        r#"{"subject":{"type":"Clinic::User","id":"omar"},"action":{"name":"Clinic::Action::\"annotate\""},"resource":{"type":"Clinic::Record","id":"r-90"},"context":{"now":"2026-01-31T11:59:59Z"}}"#,
    ),
    deny(
        "a licence of yesterday",
        r#"{"subject":{"type":"Clinic::User","id":"omar"},"action":{"name":"Clinic::Action::\"annotate\""},"resource":{"type":"Clinic::Record","id":"r-90"},"context":{"now":"2026-01-31T12:00:00Z"}}"#,
    ),
    deny(
        "a licence of another country",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"annotate"},"resource":{"type":"record","id":"r-70"},"context":{"now":"2026-01-20"}}"#,
    ),
    deny(
        "an optional attribute that is not there",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"annotate"},"resource":{"type":"record","id":"r-70"},"context":{"now":"2026-01-20"}}"#,
    ),
    allow(
        "at the last moment of a duration, with a date as `__extn`",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"annotate"},"resource":{"type":"record","id":"r-71"},"context":{"now":{"__extn":{"fn":"datetime","arg":"2026-01-11T20:00:00Z"}}}}"#,
    ),
    deny(
        "a second later",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"annotate"},"resource":{"type":"record","id":"r-71"},"context":{"now":"2026-01-11T20:00:01Z"}}"#,
    ),
    allow(
        "a date with an offset",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"view-result"},"resource":{"type":"result","id":"r-70"},"context":{"now":"2026-01-12T02:00:00+0100"}}"#,
    ),
    deny(
        "a date with an offset, a second before",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"view-result"},"resource":{"type":"result","id":"r-70"},"context":{"now":"2026-01-12T01:59:59+0100"}}"#,
    ),
    allow(
        "a duration of the context, next to a set of numbers, a date and an address",
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"upload"},"resource":{"type":"sample","id":"s-1"},"context":{"ip":"10.1.5.1","readings":[4,7,4],"run":{"started":"2026-01-05T06:00:00Z","took":"1h59m"}}}"#,
    ),
    deny(
        "a duration too long",
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"upload"},"resource":{"type":"sample","id":"s-1"},"context":{"ip":"10.1.5.1","readings":[4],"run":{"started":"2026-01-05T06:00:00Z","took":{"__extn":{"fn":"duration","arg":"2h"}}}}}"#,
    ),
    deny(
        "a number in the set that must not be there",
        r#"{"subject":{"type":"Lab::Analyzer","id":"spectra"},"action":{"name":"Lab::Action::\"upload\""},"resource":{"type":"Lab::Sample","id":"s-1"},"context":{"ip":"10.1.5.1","readings":[4,999],"run":{"started":"2026-01-05T06:00:00Z","took":"1h"}}}"#,
    ),
    deny(
        "an empty set",
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"upload"},"resource":{"type":"sample","id":"s-1"},"context":{"ip":"10.1.5.1","readings":[],"run":{"started":"2026-01-05T06:00:00Z","took":"1h"}}}"#,
    ),

    // Decimals.
    allow(
        "a decimal as a string, by exact names",
        r#"{"subject":{"type":"Clinic::User","id":"ines"},"action":{"name":"Clinic::Action::\"approve\""},"resource":{"type":"Clinic::Invoice","id":"i-404","properties":{"total":"250.5000"}}}"#,
    ),
    deny(
        "a decimal as a string, too high",
        r#"{"subject":{"type":"Clinic::User","id":"ines"},"action":{"name":"Clinic::Action::\"approve\""},"resource":{"type":"Clinic::Invoice","id":"i-404","properties":{"total":"250.5001"}}}"#,
    ),
    allow(
        "a decimal as a JSON number",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"total":250.5}}}"#,
    ),
    deny(
        "a decimal as a JSON number, too high",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"total":250.5001}}}"#,
    ),
    allow(
        "a decimal as a JSON integer",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"total":250}}}"#,
    ),
    allow(
        "a decimal as `__extn`, below zero",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"total":{"__extn":{"fn":"decimal","arg":"-0.01"}}}}}"#,
    ),
    allow(
        "a decimal of the context, as a number with an exponent",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-1"},"context":{"amount":1e1}}"#,
    ),
    deny(
        "a decimal of the context, too high",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-1"},"context":{"amount":10.0001}}"#,
    ),

    // Sets of records, whose members are dropped and read like any others.
    allow(
        "a set of records with a decimal in each, one of them twice",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"lines":[{"code":"coffee","price":0},{"price":"0.00","code":"coffee","cup":"blue"}],"total":7}}}"#,
    ),
    deny(
        "a set with another record",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"lines":[{"code":"coffee","price":0},{"code":"cake","price":0}],"total":7}}}"#,
    ),

    // References to entities.
    allow(
        "an entity with a short type name, whose groups the store has",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-91"},"context":{"mfa":true,"witness":{"type":"user","id":"ada"}}}"#,
    ),
    allow(
        "an entity as `__entity`, with its exact type name",
        r#"{"subject":{"type":"Clinic::User","id":"o'hara"},"action":{"name":"Clinic::Action::\"sign\""},"resource":{"type":"Clinic::Record","id":"r-91"},"context":{"mfa":true,"witness":{"__entity":{"type":"Clinic::User","id":"ada"}}}}"#,
    ),
    deny(
        "an entity of other groups",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-91"},"context":{"mfa":true,"witness":{"type":"user","id":"omar"}}}"#,
    ),
    deny(
        "an entity that is nowhere",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-91"},"context":{"mfa":true,"witness":{"type":"user","id":"nobody"}}}"#,
    ),
    allow(
        "a set of entities, each in its own form",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-91"},"context":{"mfa":false,"witnesses":[{"__entity":{"type":"user","id":"chief"}},{"type":"Clinic::User","id":"ada"},{"type":"USER","id":"nobody"}]}}"#,
    ),
    deny(
        "a set of too few entities",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-91"},"context":{"mfa":false,"witnesses":[{"type":"user","id":"ada"}]}}"#,
    ),

    // Properties of the action, which stand in the context under `action`.
    allow(
        "properties of the action, by exact names",
        r#"{"subject":{"type":"Clinic::User","id":"ines"},"action":{"name":"Clinic::Action::\"prescribe\"","properties":{"drug":"aspirin","dose":"50.0"}},"resource":{"type":"Clinic::Chart","id":"chart-7"}}"#,
    ),
    deny(
        "properties of the action: too much",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"prescribe","properties":{"drug":"aspirin","dose":50.5}},"resource":{"type":"chart","id":"chart-7"},"context":{}}"#,
    ),
    allow(
        "properties of the action: in a hurry, on call; what is undeclared is dropped",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"prescribe","properties":{"drug":"aspirin","dose":20,"urgent":true,"taste":"bitter"}},"resource":{"type":"chart","id":"chart-7"}}"#,
    ),
    deny(
        "properties of the action: in a hurry, not on call",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"prescribe","properties":{"drug":"aspirin","dose":20,"urgent":true}},"resource":{"type":"chart","id":"chart-7"}}"#,
    ),
    deny(
        "no properties of the action",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"prescribe"},"resource":{"type":"chart","id":"chart-7"}}"#,
    ),
    deny(
        "properties of the action win over the context's own member",
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"prescribe","properties":{"drug":"aspirin","dose":80}},"resource":{"type":"chart","id":"chart-7"},"context":{"action":{"drug":"aspirin","dose":20}}}"#,
    ),
    allow(
        "properties of an action whose context has no place for them are dropped",
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"view","properties":{"dose":"much"}},"resource":{"type":"record","id":"r-70"}}"#,
    ),

    // Properties of the resource fill what the store lacks.
    allow(
        "a resource that the store does not have",
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view"},"resource":{"type":"record","id":"r-404","properties":{"sensitivity":{"type":"sensitivity","id":"open"}}}}"#,
    ),
    deny(
        "without properties a forbid cannot be evaluated, and that forbids",
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view"},"resource":{"type":"record","id":"r-404"}}"#,
    ),
    deny(
        "with other properties a forbid holds",
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view"},"resource":{"type":"record","id":"r-404","properties":{"author":{"type":"user","id":"ines"},"sensitivity":{"__entity":{"type":"Clinic::Sensitivity","id":"sealed"}}}}}"#,
    ),
    allow(
        "an entity of the properties leads on into the store",
        r#"{"subject":{"type":"Clinic::User","id":"omar"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-404","properties":{"chart":{"type":"chart","id":"chart-9"},"sensitivity":{"type":"sensitivity","id":"restricted"}}}}"#,
    ),
    deny(
        "an entity of the properties leads elsewhere",
        r#"{"subject":{"type":"Clinic::User","id":"omar"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-404","properties":{"chart":{"type":"chart","id":"chart-7"},"sensitivity":{"type":"sensitivity","id":"restricted"}}}}"#,
    ),
    allow(
        "the head of a department that the request names",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"department":{"type":"department","id":"billing"},"total":"99999.0"}}}"#,
    ),
    deny(
        "a department without a head",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"department":{"type":"department","id":"laboratory"},"total":"99999.0"}}}"#,
    ),
    allow(
        "an attribute that the stored entity lacks",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"view"},"resource":{"type":"record","id":"r-80","properties":{"ward":"W3"}}}"#,
    ),
    deny(
        "it is lacking if it is null",
        r#"{"subject":{"type":"user","id":"omar"},"action":{"name":"view"},"resource":{"type":"record","id":"r-80","properties":{"ward":null}}}"#,
    ),
    deny(
        "an attribute that a forbid looks at",
        r#"{"subject":{"type":"user","id":"o'hara"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-1","properties":{"payer":{"type":"user","id":"o'hara"}}}}"#,
    ),
    deny(
        "what the store has stands, by exact names",
        r#"{"subject":{"type":"Clinic::User","id":"ines"},"action":{"name":"Clinic::Action::\"approve\""},"resource":{"type":"Clinic::Invoice","id":"i-1","properties":{"total":"1.0"}}}"#,
    ),
    deny(
        "what the store has stands: sealed stays sealed",
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view"},"resource":{"type":"record","id":"r-72","properties":{"sensitivity":{"type":"sensitivity","id":"open"}}}}"#,
    ),
    deny(
        "properties bring no parents",
        r#"{"subject":{"type":"user","id":"tove"},"action":{"name":"open"},"resource":{"type":"door","id":"new","properties":{"locked":false,"parents":[{"type":"site","id":"harbour"}]}}}"#,
    ),
    allow(
        "an action with a space in its name, and what is filled in a stored sample",
        r#"{"subject":{"type":"Lab::Analyzer","id":"spectra"},"action":{"name":"Lab::Action::\"run test\""},"resource":{"type":"Lab::Sample","id":"s-1","properties":{"volume":0.5}}}"#,
    ),
    deny(
        "an action with a space in its name, and too little in the sample",
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"run test"},"resource":{"type":"sample","id":"s-1","properties":{"volume":0.4999}}}"#,
    ),

    // Properties of principals are ignored, wherever a principal's type stands.
    deny(
        "no caller promotes a user",
        r#"{"subject":{"type":"Clinic::User","id":"tove","properties":{"limit":"5000.0","grade":9}},"action":{"name":"Clinic::Action::\"approve\""},"resource":{"type":"Clinic::Invoice","id":"i-1"}}"#,
    ),
    deny(
        "no caller invents a user",
        r#"{"subject":{"type":"user","id":"nobody","properties":{"limit":"5000.0"}},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"total":1}}}"#,
    ),
    allow(
        "nor demotes one",
        r#"{"subject":{"type":"user","id":"ines","properties":{"limit":"0.0"}},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"total":40}}}"#,
    ),
    allow(
        "what is ignored may be of any type",
        r#"{"subject":{"type":"user","id":"ines","properties":{"limit":true}},"action":{"name":"message"},"resource":{"type":"user","id":"ada","properties":{"grade":"high"}}}"#,
    ),
    deny(
        "a machine's address is the store's",
        r#"{"subject":{"type":"analyzer","id":"spectra","properties":{"address":"10.9.9.9"}},"action":{"name":"upload"},"resource":{"type":"sample","id":"s-1"},"context":{"ip":"10.9.9.9","readings":[4],"run":{"started":"2026-01-05T06:00:00Z","took":"1h"}}}"#,
    ),
];

/// Evaluations that are answered with 400, each with a part of its message.
#[rustfmt::skip]
pub const BAD: &[(&str, &str)] = &[
    // Members that must be there.
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"annotate"},"resource":{"type":"record","id":"r-70"}}"#,
        "context.now: required",
    ),
    (
        r#"{"subject":{"type":"Clinic::User","id":"ada"},"action":{"name":"Clinic::Action::\"sign\""},"resource":{"type":"Clinic::Record","id":"r-70"},"context":{"mfa":null}}"#,
        "context.mfa: required",
    ),
    (
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"upload"},"resource":{"type":"sample","id":"s-1"},"context":{"ip":"10.1.5.1","readings":[4],"run":{"started":"2026-01-05"}}}"#,
        "context.run.took: required",
    ),
    (
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"prescribe","properties":{"drug":"aspirin"}},"resource":{"type":"chart","id":"chart-7"}}"#,
        "action.properties.dose: required",
    ),
    (
        r#"{"subject":{"type":"user","id":"ines"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"lines":[{"code":"tea","price":1},{"code":"coffee"}]}}}"#,
        "resource.properties.lines[1].price: required",
    ),
    // Values of another kind.
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-70"},"context":{"mfa":"yes"}}"#,
        "context.mfa: must be a boolean, not a string",
    ),
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"view"},"resource":{"type":"record","id":"r-70"},"context":{"via":{"ip":"10.1.1.1","os":{"major":"12"}}}}"#,
        "context.via.os.major: must be an integer, not a string",
    ),
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"view"},"resource":{"type":"record","id":"r-70"},"context":{"via":"phone"}}"#,
        "context.via: must be an object, not a string",
    ),
    (
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"upload"},"resource":{"type":"sample","id":"s-1"},"context":{"ip":"10.1.5.1","readings":[4,1.5],"run":{"started":"2026-01-05","took":"1h"}}}"#,
        "context.readings[1]: must be an integer that fits 64 bits with sign",
    ),
    (
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view"},"resource":{"type":"record","id":"r-404","properties":{"needs":["echo",null]}}}"#,
        "resource.properties.needs[1]: must be a string, not null",
    ),
    // What the store has stands, and yet what is sent must be right.
    (
        r#"{"subject":{"type":"Clinic::User","id":"ada"},"action":{"name":"Clinic::Action::\"view\""},"resource":{"type":"Clinic::Record","id":"r-70","properties":{"needs":"echo"}}}"#,
        "resource.properties.needs: must be an array, not a string",
    ),
    // Values that are strings of another form.
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"export"},"resource":{"type":"record","id":"r-70"},"context":{"bulk":false,"ip":"10.1.2.300"}}"#,
        "context.ip: must be an IP address or range such as",
    ),
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"export"},"resource":{"type":"record","id":"r-70"},"context":{"bulk":false,"ip":{"__extn":{"fn":"decimal","arg":"1.0"}}}}"#,
        "context.ip: must be an IP address or range such as",
    ),
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"annotate"},"resource":{"type":"record","id":"r-70"},"context":{"now":"yesterday"}}"#,
        "context.now: must be a date such as",
    ),
    (
        r#"{"subject":{"type":"analyzer","id":"spectra"},"action":{"name":"upload"},"resource":{"type":"sample","id":"s-1"},"context":{"ip":"10.1.5.1","readings":[4],"run":{"started":"2026-01-05","took":"2 hours"}}}"#,
        "context.run.took: must be a duration such as",
    ),
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-1"},"context":{"amount":1.23456}}"#,
        "context.amount: must be a decimal such as",
    ),
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"approve"},"resource":{"type":"invoice","id":"i-404","properties":{"total":true}}}"#,
        "resource.properties.total: must be a decimal such as",
    ),
    // Entities.
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-70"},"context":{"mfa":true,"witness":"omar"}}"#,
        "context.witness: must be an entity such as",
    ),
    (
        r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"sign"},"resource":{"type":"record","id":"r-70"},"context":{"mfa":true,"witness":{"type":"team","id":"review"}}}"#,
        "context.witness: must be an entity of type `Clinic::User`, not `team`",
    ),
    (
        r#"{"subject":{"type":"user","id":"chief"},"action":{"name":"view"},"resource":{"type":"record","id":"r-404","properties":{"sensitivity":{"type":"sensitivity","id":"secret"}}}}"#,
        "resource.properties.sensitivity: `secret` is no id of the enumerated type `Clinic::Sensitivity`",
    ),
];
