//! Names of accounts and datastores as they are typed.

use super::place::Place;
use crate::cli::source::Failed;
use crate::directory::{Key, Kind, Permission};

/// What a kind is called on the command line.
const WORDS: [(&str, Kind); 8] = [
    ("team", Kind::Team),
    ("user", Kind::User),
    ("service-user", Kind::ServiceUser),
    ("serviceuser", Kind::ServiceUser),
    ("service_user", Kind::ServiceUser),
    ("datastore", Kind::Datastore),
    ("enrichment-datastore", Kind::EnrichmentDatastore),
    ("enrichmentdatastore", Kind::EnrichmentDatastore),
];

/// The kind that an id was typed with, and what is behind it.
pub(super) fn kind_of(text: &str) -> Option<(Kind, &str)> {
    let (word, id) = text.split_once(':')?;
    let (_, kind) = WORDS.iter().find(|(known, _)| *known == word.to_lowercase())?;
    Some((*kind, id))
}

/// A user or service user.
pub(super) fn account(place: &mut Place, text: &str) -> Result<Key, Failed> {
    one_of(place, text, [Kind::User, Kind::ServiceUser], "account")
}

/// A datastore of either kind.
pub(super) fn store(place: &mut Place, text: &str) -> Result<Key, Failed> {
    one_of(place, text, [Kind::Datastore, Kind::EnrichmentDatastore], "datastore")
}

/// A datastore, and behind a `=` the level of its own that it gets.
pub(super) fn assignment(place: &mut Place, text: &str) -> Result<(Key, Option<Permission>), Failed> {
    let Some((name, level)) = text.rsplit_once('=') else {
        return Ok((store(place, text)?, None));
    };
    match Permission::read(level) {
        Some(level) => Ok((store(place, name)?, Some(level))),
        None => Err(Failed::Usage(format!(
            "`{text}`: the level is `read` or `write`, as in `{name}=read`"
        ))),
    }
}

/// The one of two kinds that has the id.
fn one_of(place: &mut Place, text: &str, kinds: [Kind; 2], what: &str) -> Result<Key, Failed> {
    let typed = kind_of(text)
        .filter(|(kind, _)| kinds.contains(kind))
        .map(|(kind, id)| Key::new(kind, id));
    let keys = kinds.map(|kind| Key::new(kind, text));
    let mut found = Vec::new();
    // An id may have a colon too.
    for key in keys.into_iter().chain(typed) {
        if place.find(&key)?.is_some() {
            found.push(key);
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let (kind, id) = kind_of(text).unwrap_or((kinds[0], text));
            Err(place.unknown(kind, id))
        }
        _ => {
            let [one, other] = kinds.map(|kind| kind.word().replace(' ', "-"));
            Err(Failed::Usage(format!(
                "`{text}` is the {what} of two kinds: write `{one}:{text}` or `{other}:{text}`"
            )))
        }
    }
}
