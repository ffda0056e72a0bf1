//! Lists of users and groups.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::{Map, Value};

use super::call::Asked;
use super::entry::{kept, kind_of, shown};
use super::reply::Reply;
use super::{Call, Scim};
use crate::directory::{Directory, Kind, fold};
use crate::scim::{Comparison, Filter, Literal, Operator, Place, Problem, ScimType, Selection, Test, Type, list};

/// A page of the resources that meet a filter, in the order of their ids, which never change.
pub(super) async fn search(scim: &Scim, call: &Call, kind: Type, asked: Asked) -> Result<Reply, Problem> {
    let (directory, base, time_max) = (scim.directory()?, scim.base(call), scim.search_time);
    let listed = scim.searches.run(move || page(&directory, &base, kind, &asked, time_max));
    Ok(Reply::new(StatusCode::OK, listed.await??))
}

fn page(directory: &Directory, base: &str, kind: Type, asked: &Asked, time_max: Duration) -> Result<Value, Problem> {
    let filter = asked.filter.as_deref().map(|text| Filter::read(kind, text)).transpose()?;
    let found = match &filter {
        Some(filter) => find(directory, kind, filter, time_max)?,
        None => all(directory, kind),
    };
    let shown = found.iter().skip(asked.page.skipped()).take(asked.page.count);
    let shown = shown.filter_map(|id| shown_of(directory, base, kind, id, &asked.selection));
    let resources = shown.collect();
    Ok(list(found.len(), asked.page, resources))
}

fn shown_of(directory: &Directory, base: &str, kind: Type, id: &str, selection: &Selection) -> Option<Value> {
    shown(directory, base, kind, id, selection).map(Value::Object)
}

fn all(directory: &Directory, kind: Type) -> Vec<&str> {
    directory.scim_entries(kind_of(kind)).map(|(_, id)| id).collect()
}

/// Those that meet a filter, if they are found in time: a part of them would be taken for all.
fn find<'d>(
    directory: &'d Directory,
    kind: Type,
    filter: &Filter,
    time_max: Duration,
) -> Result<Vec<&'d str>, Problem> {
    let begun = Instant::now();
    let candidates = indexed(directory, kind, filter).unwrap_or_else(|| all(directory, kind));
    let sight = Sight::of(kind, filter);
    let mut found = Vec::new();
    for id in candidates {
        if begun.elapsed() > time_max {
            let detail = "the filter takes too long: filter by `id`, `userName` or `externalId`, or test less";
            return Err(Problem::of(ScimType::TooMany, detail));
        }
        if sight.holds(directory, kind, id, filter) {
            found.push(id);
        }
    }
    Ok(found)
}

/// Those that an index finds, where the filter says which can be meant at all.
fn indexed<'d>(directory: &'d Directory, kind: Type, filter: &Filter) -> Option<Vec<&'d str>> {
    let entries = kind_of(kind);
    if let Some(id) = filter.wants("id") {
        return Some(directory.scim_id(entries, id).into_iter().collect());
    }
    if let Some(name) = filter.wants("userName") {
        return Some(directory.user_name(&fold(name)).into_iter().collect());
    }
    let external_id = filter.wants("externalId")?;
    Some(directory.external_id(entries, external_id).collect())
}

/// How much of an entry a filter has to see.
enum Sight {
    /// What is kept.
    Kept,
    /// What is shown.
    Shown(Selection),
}

impl Sight {
    fn of(kind: Type, filter: &Filter) -> Self {
        let is_kept =
            |place: &Place| !["schemas", "active", "groups", "meta", "members"].contains(&place.attribute.name);
        let is_whole = kind == Type::User && !filter.has(&|place, _| !is_kept(place));
        if is_whole {
            return Self::Kept;
        }
        let must_list =
            filter.has(&|place, operator| place.attribute.name == "members" && member(place, operator).is_none());
        let left_out = if must_list { None } else { Some("members") };
        Self::Shown(Selection::read(kind, None, left_out).unwrap_or_default())
    }

    fn holds(&self, directory: &Directory, kind: Type, id: &str, filter: &Filter) -> bool {
        match self {
            Self::Kept => kept(directory, Kind::User, id).is_some_and(|kept| filter.holds(kept, &|_| None)),
            Self::Shown(selection) => {
                let is_member = |test: &Test| {
                    let uuid = member(&test.place, &test.operator)?;
                    let user = directory.scim_id(Kind::User, uuid);
                    Some(user.is_some_and(|user| directory.is_member(id, Kind::User, user)))
                };
                let resource: Option<Map<String, Value>> = shown(directory, "", kind, id, selection);
                resource.is_some_and(|resource| filter.holds(&resource, &is_member))
            }
        }
    }
}

/// Whose membership a test asks for, if it is such: `members eq "…"`. Then nobody has to list the members.
fn member<'t>(place: &Place, operator: &'t Operator) -> Option<&'t str> {
    match operator {
        Operator::Compare(Comparison::Equal, Literal::Text { sent, .. }) if place.is("members") => Some(sent),
        _ => None,
    }
}
