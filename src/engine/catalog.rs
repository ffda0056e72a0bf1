//! What there is to ask about: entity types, actions with their groups, and entities with what is known of them.

use std::collections::BTreeMap;

use serde_json::{Value as JsonValue, json};

use super::bridge::decimal_text;
use super::listing::RequestEnvironment;
use super::snapshot::Snapshot;
use super::value::{Uid, Val};
use super::vocabulary::{ActionEntry, TypeIx};

/// An action of the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActionListing {
    /// The exact name, as in `Action::"read"`.
    pub name: String,
    /// The shortest name that means this action and no other.
    pub short: String,
    /// The exact names of the groups that it is in, all the way up.
    pub groups: Vec<String>,
}

/// An entity of the store.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityListing {
    /// Its attributes by name. An entity is `{"type": …, "id": …}`, a decimal, an address, a date or a duration is a
    /// string in the form that Cedar's constructors take.
    pub attributes: BTreeMap<String, JsonValue>,
    /// Type and id of what it is directly in, in ascending order.
    pub parents: Vec<(String, String)>,
}

impl Snapshot {
    /// The exact names of all entity types, in ascending order.
    pub fn entity_types(&self) -> impl Iterator<Item = &str> {
        self.vocabulary.types.iter().map(|entry| entry.name.as_str())
    }

    /// The exact name of the entity type that a name means: exact, short or alias.
    pub fn entity_type(&self, name: &str) -> Option<&str> {
        self.vocabulary.entity_type(name).map(|(_, entry)| entry.name.as_str())
    }

    /// All actions, those that are only groups included, in the order of their exact names.
    pub fn actions(&self) -> Vec<ActionListing> {
        self.vocabulary.actions.iter().map(|action| self.list_action(action)).collect()
    }

    /// The action that a name means: exact, short or alias.
    pub fn action(&self, name: &str) -> Option<ActionListing> {
        self.vocabulary.action(name).map(|(_, action)| self.list_action(action))
    }

    fn list_action(&self, action: &ActionEntry) -> ActionListing {
        let mut groups: Vec<String> = action.entity.ancestors().map(ToString::to_string).collect();
        groups.sort_unstable();
        ActionListing {
            name: action.name.clone(),
            short: self.vocabulary.short_action(action),
            groups,
        }
    }

    /// The kinds of questions that the schema allows, whether or not a policy can apply, in ascending order.
    pub fn allowed_environments(&self) -> Vec<RequestEnvironment> {
        let mut environments: Vec<RequestEnvironment> = self
            .index
            .environments()
            .map(|(environment, _)| self.environment_names(environment))
            .collect();
        environments.sort_unstable();
        environments
    }

    /// Numbers of the policies that can apply to a kind of question, ascending; see [`policy`](Self::policy).
    pub fn policies_of(&self, environment: &RequestEnvironment) -> &[u32] {
        self.environment(&environment.principal, &environment.action, &environment.resource)
            .and_then(|environment| self.index.bucket(environment))
            .map_or(&[], |bucket| &bucket.policies)
    }

    /// Whether a question can have this entity: it is in the store, or its enumerated type declares the id. The type
    /// goes by any of its names.
    pub fn has_entity(&self, entity_type: &str, id: &str) -> bool {
        self.vocabulary.entity_type(entity_type).is_some_and(|(ty, entry)| match &entry.choices {
            Some(_) => entry.admits(id),
            None => self.stored(ty, id).is_some(),
        })
    }

    /// An entity of the store. The type goes by any of its names.
    pub fn entity(&self, entity_type: &str, id: &str) -> Option<EntityListing> {
        let (ty, entry) = self.vocabulary.entity_type(entity_type)?;
        let view = self.entities.table.entity(self.stored(ty, id)?)?;
        let attributes = entry.fields.iter().enumerate().filter_map(|(slot, (name, _))| {
            let value = view.attribute(slot)?;
            Some((name.to_string(), self.value_json(&value)))
        });
        let mut parents: Vec<(String, String)> = view.parents().map(|uid| self.name_of(uid)).collect();
        parents.sort_unstable();
        Some(EntityListing {
            attributes: attributes.collect(),
            parents,
        })
    }

    fn stored(&self, ty: TypeIx, id: &str) -> Option<Uid> {
        let (uid, view) = self.entities.table.find(ty, id)?;
        view.exists().then_some(uid)
    }

    fn name_of(&self, uid: Uid) -> (String, String) {
        let view = self.entities.table.view(uid);
        let id = String::from_utf8_lossy(view.id()).into_owned();
        (self.vocabulary.cedar_type(view.ty()).to_string(), id)
    }

    fn value_json(&self, value: &Val<'_>) -> JsonValue {
        match value {
            Val::Bool(value) => json!(value),
            Val::Long(value) => json!(value),
            Val::String(text) => json!(String::from_utf8_lossy(text)),
            Val::Entity(uid) => {
                let (entity_type, id) = self.name_of(*uid);
                json!({ "type": entity_type, "id": id })
            }
            Val::Set(set) => set.iter().map(|item| self.value_json(&item)).collect(),
            Val::Record(record) => {
                let members = record.iter().map(|(symbol, member)| {
                    let name = self.index.symbols.name(symbol).to_string();
                    (name, self.value_json(&member))
                });
                JsonValue::Object(members.collect())
            }
            Val::Decimal(value) => json!(decimal_text(*value)),
            Val::Datetime(value) => match chrono::DateTime::from_timestamp_millis(*value) {
                Some(moment) => json!(moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
                None => json!(format!("{value} ms since 1970")),
            },
            Val::Duration(value) => json!(format!("{value}ms")),
            Val::Ip(ip) => json!(ip.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Options, Sources, Text};

    fn snapshot() -> Snapshot {
        let sources = Sources {
            schema: vec![Text::new(
                "s.cedarschema",
                r#"namespace App {
                     entity Team in [Team];
                     entity User in [Team] = {
                       level: Long, ratio: decimal, since: datetime, span: duration, from: ipaddr, boss?: User,
                     };
                     entity Doc;
                     entity Mood enum ["good"];
                     action read, admin appliesTo { principal: User, resource: Doc };
                     action view in [read] appliesTo { principal: User, resource: [Doc, Mood] };
                   }"#,
            )],
            policies: vec![Text::new(
                "p.cedar",
                r#"permit (principal, action in App::Action::"read", resource);
                   forbid (principal, action == App::Action::"admin", resource);"#,
            )],
            entities: vec![Text::new(
                "e.json",
                r#"[{"uid":{"type":"App::Team","id":"all"},"attrs":{},"parents":[]},
                    {"uid":{"type":"App::Team","id":"a"},"attrs":{},"parents":[{"type":"App::Team","id":"all"}]},
                    {"uid":{"type":"App::User","id":"ana"},"parents":[{"type":"App::Team","id":"a"}],"attrs":{
                      "level":-3,"ratio":{"__extn":{"fn":"decimal","arg":"-0.25"}},
                      "since":{"__extn":{"fn":"datetime","arg":"2026-01-31T12:00:00Z"}},
                      "span":{"__extn":{"fn":"duration","arg":"1m"}},"from":{"__extn":{"fn":"ip","arg":"10.0.0.0/8"}},
                      "boss":{"__entity":{"type":"App::User","id":"nobody"}}}}]"#,
            )],
            ..Sources::default()
        };
        Snapshot::compile(&sources, &Options::default()).expect("a snapshot")
    }

    #[test]
    fn actions_are_listed_with_their_groups_and_policies() {
        let snapshot = snapshot();
        let view = snapshot.action("VIEW").expect("an action");
        assert_eq!(view, snapshot.actions()[2]);
        assert_eq!((&*view.name, &*view.short), ("App::Action::\"view\"", "view"));
        assert_eq!(view.groups, ["App::Action::\"read\""]);
        assert!(snapshot.action("write").is_none());
        let allowed = snapshot.allowed_environments();
        let told: Vec<_> = allowed
            .iter()
            .map(|kind| (&*kind.action, &*kind.resource, snapshot.policies_of(kind)))
            .collect();
        assert_eq!(
            told,
            [
                ("App::Action::\"admin\"", "App::Doc", &[1][..]),
                ("App::Action::\"read\"", "App::Doc", &[0]),
                ("App::Action::\"view\"", "App::Doc", &[0]),
                ("App::Action::\"view\"", "App::Mood", &[0]),
            ]
        );
    }

    #[test]
    fn entities_are_listed_by_any_name_of_their_type() {
        let snapshot = snapshot();
        assert_eq!(snapshot.entity_type("user"), Some("App::User"));
        assert_eq!(snapshot.entity_types().count(), 4);
        for (entity_type, id, known) in [
            ("user", "ana", true),
            ("App::User", "ana", true),
            ("user", "nobody", false),
            ("mood", "good", true),
            ("mood", "bad", false),
            ("cat", "ana", false),
        ] {
            assert_eq!(snapshot.has_entity(entity_type, id), known, "{entity_type} {id}");
        }
        let ana = snapshot.entity("user", "ana").expect("ana");
        assert_eq!(ana.parents, [("App::Team".to_owned(), "a".to_owned())]);
        let attributes = json!({
            "boss": { "type": "App::User", "id": "nobody" }, "from": "10.0.0.0/8", "level": -3, "ratio": "-0.2500",
            "since": "2026-01-31T12:00:00.000Z", "span": "60000ms",
        });
        assert_eq!(json!(ana.attributes), attributes);
        assert!(snapshot.entity("user", "nobody").is_none());
    }
}
