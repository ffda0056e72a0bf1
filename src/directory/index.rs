//! Which entries go by a name, and which names are more than one's.

use std::sync::Arc;

use super::entry::Kind;
use super::sorted::Sorted;

/// Names, each with the ids of the entries of one kind that go by it.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    names: Sorted<(Kind, Arc<str>, Arc<str>), ()>,
    shared: Sorted<(Kind, Arc<str>), ()>,
}

impl Index {
    /// The ids of those that go by a name, ascending.
    pub(super) fn ids(&self, kind: Kind, name: &str) -> impl Iterator<Item = &str> {
        self.names
            .range(move |(of, known, _)| (*of, &**known).cmp(&(kind, name)))
            .take_while(move |((of, known, _), ())| (*of, &**known) == (kind, name))
            .map(|((_, _, id), ())| &**id)
    }

    /// All names of one kind, ascending, each with the id of the entry.
    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = (&str, &str)> {
        self.names
            .range(move |(of, _, _)| of.cmp(&kind))
            .take_while(move |((of, _, _), ())| *of == kind)
            .map(|((_, name, id), ())| (&**name, &**id))
    }

    /// The names that more than one goes by.
    pub(super) fn shared(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.shared.iter().map(|((kind, name), ())| (*kind, &**name))
    }

    /// How many entries go by a name.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Has an entry go by another name, or none, than it did.
    pub(super) fn follow(&mut self, kind: Kind, id: &Arc<str>, old: Option<String>, new: Option<String>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.remove(kind, &old, id);
        }
        if let Some(new) = new {
            self.insert(kind, &new, id);
        }
    }

    fn insert(&mut self, kind: Kind, name: &str, id: &Arc<str>) {
        let entry = (kind, name.into(), id.clone());
        let order = |known: &(Kind, Arc<str>, Arc<str>)| (known.0, &*known.1, &known.2).cmp(&(kind, name, id));
        self.names.insert(entry, (), order);
        self.note(kind, name);
    }

    fn remove(&mut self, kind: Kind, name: &str, id: &Arc<str>) {
        self.names.remove(|known| (known.0, &*known.1, &known.2).cmp(&(kind, name, id)));
        self.note(kind, name);
    }

    /// Sees whether a name is more than one's now.
    fn note(&mut self, kind: Kind, name: &str) {
        let is_shared = self.ids(kind, name).nth(1).is_some();
        let order = |known: &(Kind, Arc<str>)| (known.0, &*known.1).cmp(&(kind, name));
        if is_shared {
            self.shared.insert((kind, name.into()), (), order);
        } else {
            self.shared.remove(order);
        }
    }
}
