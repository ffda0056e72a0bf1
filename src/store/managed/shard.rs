//! A file of entries that commands created: one entry a line, sorted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use crate::directory::{Change, Edit, Item, Key, Member, Retired, Scalar};

/// Entries by id, by the key of their kind. A value is JSON on one line.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// The content of such a file after some edits, one after the other. None if nothing is left in it.
///
/// # Errors
/// The file is not what gatepost writes, or an edit is about an entry that is not there.
pub(in crate::store) fn edit(content: Option<&str>, edits: &[Edit]) -> Result<Option<String>, String> {
    let mut sections = content.map(read).transpose()?.unwrap_or_default();
    for edit in edits {
        apply(sections.entry(edit.kind.key().to_owned()).or_default(), edit)?;
    }
    Ok(write(sections))
}

/// The content of a file of retired ids after one more, with whose it was, or one less.
pub(in crate::store) fn retire(
    content: Option<&str>,
    id: &str,
    whose: Option<&Retired>,
) -> Result<Option<String>, String> {
    let mut sections = content.map(read).transpose()?.unwrap_or_default();
    let ids = sections.entry("retired_users".to_owned()).or_default();
    if let Some(whose) = whose {
        let named = [("id", &whose.scim_id), ("externalId", &whose.external_id)];
        let told = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_deref()?))));
        ids.insert(id.to_owned(), Json::Object(told.collect()).to_string());
    } else {
        let folded = crate::directory::fold(id);
        ids.retain(|known, _| crate::directory::fold(known) != folded);
    }
    Ok(write(sections))
}

/// The keys of an entry and what they say.
///
/// # Errors
/// The file is not what gatepost writes, or does not have the entry.
pub(in crate::store) fn entry(content: Option<&str>, key: &Key) -> Result<Vec<(&'static str, Json)>, String> {
    let sections = content.map(read).transpose()?.unwrap_or_default();
    let line = sections.get(key.kind.key()).and_then(|entries| entries.get(&key.id));
    let missing = || format!("the {} `{}` does not stand there", key.kind.word(), key.id);
    let Json::Object(mut entry) = parse(line.ok_or_else(missing)?)? else {
        return Err(format!("{key} is no object"));
    };
    Ok(KEYS.into_iter().filter_map(|key| Some((key, entry.remove(key)?))).collect())
}

/// All keys that an entry may have.
const KEYS: [&str; 11] = [
    "active",
    "datastores",
    "description",
    "enrichment_datastores",
    "name",
    "permission",
    "role",
    "scim",
    "service_users",
    "teams",
    "users",
];

fn read(content: &str) -> Result<Sections, String> {
    let sections: BTreeMap<String, BTreeMap<String, &RawValue>> =
        serde_json::from_str(content).map_err(|error| error.to_string())?;
    let line = |value: &RawValue| match value.get() {
        text if text.contains('\n') => parse(text).map(|value| value.to_string()),
        text => Ok(text.to_owned()),
    };
    let section = |(name, entries): (String, BTreeMap<String, &RawValue>)| {
        let lines = entries.into_iter().map(|(id, value)| Ok((id, line(value)?)));
        Ok((name, lines.collect::<Result<_, String>>()?))
    };
    sections.into_iter().map(section).collect()
}

fn write(sections: Sections) -> Option<String> {
    let sections: Vec<String> = sections
        .into_iter()
        .filter(|(_, entries)| !entries.is_empty())
        .map(|(name, entries)| {
            let lines: Vec<String> = entries.into_iter().map(|(id, value)| format!("{}: {value}", json!(id))).collect();
            format!("{}: {{\n{}\n}}", json!(name), lines.join(",\n"))
        })
        .collect();
    (!sections.is_empty()).then(|| format!("{{{}}}\n", sections.join(",\n")))
}

fn parse(text: &str) -> Result<Json, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn apply(entries: &mut BTreeMap<String, String>, edit: &Edit) -> Result<(), String> {
    let missing = || format!("the {} `{}` does not stand there", edit.kind.word(), edit.id);
    match &edit.change {
        Change::Create { members } => {
            let members = members.iter().map(|(key, member)| ((*key).to_owned(), member_json(member)));
            let entry = Json::Object(members.collect());
            entries.insert(edit.id.clone(), entry.to_string());
        }
        Change::Delete => {
            entries.remove(&edit.id).ok_or_else(missing)?;
        }
        Change::Rename { to } => {
            let entry = entries.remove(&edit.id).ok_or_else(missing)?;
            entries.insert(to.clone(), entry);
        }
        change => {
            let line = entries.get_mut(&edit.id).ok_or_else(missing)?;
            let mut entry = match parse(line)? {
                Json::Object(entry) => entry,
                Json::Null => Map::new(),
                _ => return Err(format!("the {} `{}` is no object", edit.kind.word(), edit.id)),
            };
            apply_within(&mut entry, change);
            *line = Json::Object(entry).to_string();
        }
    }
    Ok(())
}

/// Changes what one entry says.
fn apply_within(entry: &mut Map<String, Json>, change: &Change) {
    match change {
        Change::Set { key, value } => {
            entry.insert((*key).to_owned(), scalar_json(value));
        }
        Change::Unset { key } => {
            entry.remove(*key);
        }
        Change::Add { list, items } => {
            let known = entry.entry(*list).or_insert_with(|| json!([]));
            if !known.is_array() {
                *known = json!([]);
            }
            let Json::Array(known) = known else { return };
            let mut all: BTreeMap<String, Json> =
                known.drain(..).filter_map(|item| Some((listed(&item)?.to_owned(), item))).collect();
            all.extend(items.iter().map(|item| (item.id.clone(), item_json(item))));
            *known = all.into_values().collect();
        }
        Change::Remove { list, ids } => {
            if let Some(Json::Array(known)) = entry.get_mut(*list) {
                let gone: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
                known.retain(|item| !listed(item).is_some_and(|id| gone.contains(id)));
                if known.is_empty() {
                    entry.remove(*list);
                }
            }
        }
        Change::Create { .. } | Change::Delete | Change::Rename { .. } => {}
    }
}

/// The id of an item of a list.
fn listed(item: &Json) -> Option<&str> {
    item.as_str().or_else(|| item.get("id")?.as_str())
}

fn item_json(item: &Item) -> Json {
    match item.permission {
        Some(permission) => json!({ "id": item.id, "permission": permission.name() }),
        None => json!(item.id),
    }
}

fn scalar_json(value: &Scalar) -> Json {
    match value {
        Scalar::Text(text) => json!(text),
        Scalar::Flag(flag) => json!(flag),
        Scalar::Json(json) => json.clone(),
    }
}

fn member_json(member: &Member) -> Json {
    match member {
        Member::Scalar(scalar) => scalar_json(scalar),
        Member::List(items) => items.iter().map(item_json).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Kind;

    fn on(id: &str, change: Change) -> Edit {
        Edit {
            kind: Kind::User,
            id: id.to_owned(),
            change,
        }
    }

    fn create(id: &str) -> Edit {
        let role = Member::Scalar(Scalar::Text("Member".to_owned()));
        on(
            id,
            Change::Create {
                members: vec![("role", role)],
            },
        )
    }

    #[test]
    fn an_entry_is_one_line() {
        let one = edit(None, &[create("b"), create("a\n\"")]).expect("edited").expect("a file");
        assert_eq!(
            one,
            "{\"users\": {\n\"a\\n\\\"\": {\"role\":\"Member\"},\n\"b\": {\"role\":\"Member\"}\n}}\n"
        );
        let add = Change::Add {
            list: "teams",
            items: ["z", "y"]
                .map(|id| Item {
                    id: id.to_owned(),
                    permission: None,
                })
                .into(),
        };
        let two = edit(Some(&one), &[on("b", add)]).expect("edited").expect("a file");
        assert_eq!(
            two.lines().filter(|line| !one.contains(line)).collect::<Vec<_>>(),
            ["\"b\": {\"role\":\"Member\",\"teams\":[\"y\",\"z\"]}"]
        );
    }

    #[test]
    fn a_file_with_nothing_left_goes() {
        let one = edit(None, &[create("a")]).expect("edited").expect("a file");
        assert_eq!(edit(Some(&one), &[on("a", Change::Delete)]), Ok(None));
        assert!(edit(Some(&one), &[on("b", Change::Delete)]).is_err());
        let whose = Retired {
            external_id: Some("a-1".into()),
            ..Retired::default()
        };
        let retired = retire(None, "Ana", Some(&whose)).expect("retired").expect("a file");
        assert_eq!(retired, "{\"retired_users\": {\n\"Ana\": {\"externalId\":\"a-1\"}\n}}\n");
        assert_eq!(retire(Some(&retired), "ANA", None), Ok(None));
    }
}
