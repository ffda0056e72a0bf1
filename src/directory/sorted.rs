//! A sorted map in pieces that its copies share.
//!
//! A directory is copied whenever one entry of it changes, and has a hundred thousand entries or more: a copy has to cost
//! what changes. Keys stand in order, so a list of them can go on behind any of them.

use std::cmp::Ordering;
use std::sync::Arc;

/// Entries of one piece, at most.
const PIECE: usize = 256;

/// A map whose order is that of whoever looks something up: the same each time.
#[derive(Debug)]
pub(super) struct Sorted<K, V> {
    // INVARIANT: no piece is empty.
    pieces: Arc<Vec<Piece<K, V>>>,
    len: usize,
}

type Piece<K, V> = Arc<Vec<(K, V)>>;

impl<K, V> Clone for Sorted<K, V> {
    fn clone(&self) -> Self {
        Self {
            pieces: self.pieces.clone(),
            len: self.len,
        }
    }
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self {
            pieces: Arc::default(),
            len: 0,
        }
    }
}

impl<K, V> Sorted<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of the key that `order` finds equal; `order` says how a key stands to the one looked for.
    pub(super) fn get(&self, order: impl Fn(&K) -> Ordering) -> Option<&V> {
        self.entry(order).map(|(_, value)| value)
    }

    /// The same, with the key as it is held.
    pub(super) fn entry(&self, order: impl Fn(&K) -> Ordering) -> Option<(&K, &V)> {
        let (key, value) = self.range(&order).next()?;
        order(key).is_eq().then_some((key, value))
    }

    /// Everything from the first key on that is not less than the one looked for.
    pub(super) fn range(&self, order: impl Fn(&K) -> Ordering) -> Range<'_, K, V> {
        let is_less = |(key, _): &(K, V)| order(key).is_lt();
        let place = self.pieces.partition_point(|piece| piece.last().is_some_and(is_less));
        let index = self.pieces.get(place).map_or(0, |piece| piece.partition_point(is_less));
        Range {
            piece: self.pieces.get(place).map_or(&[][..], |piece| &piece[index..]).iter(),
            rest: self.pieces.get(place + 1..).unwrap_or_default().iter(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pieces.iter().flat_map(|piece| piece.iter()).map(|(key, value)| (key, value))
    }
}

/// What comes from some key on.
pub(super) struct Range<'m, K, V> {
    piece: std::slice::Iter<'m, (K, V)>,
    rest: std::slice::Iter<'m, Piece<K, V>>,
}

impl<'m, K, V> Iterator for Range<'m, K, V> {
    type Item = (&'m K, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((key, value)) = self.piece.next() {
            return Some((key, value));
        }
        // No piece is empty.
        self.piece = self.rest.next()?.iter();
        self.piece.next().map(|(key, value)| (key, value))
    }
}

impl<K: Clone, V: Clone> Sorted<K, V> {
    /// Puts a value under a key; `order` says how a key stands to this one. Hands back the value that was there.
    pub(super) fn insert(&mut self, key: K, value: V, order: impl Fn(&K) -> Ordering) -> Option<V> {
        let pieces = Arc::make_mut(&mut self.pieces);
        let place = pieces.partition_point(|piece| piece.last().is_some_and(|(key, _)| order(key).is_lt()));
        let place = place.min(pieces.len().saturating_sub(1));
        let Some(piece) = pieces.get_mut(place) else {
            pieces.push(Arc::new(vec![(key, value)]));
            self.len = 1;
            return None;
        };
        let piece = Arc::make_mut(piece);
        match piece.binary_search_by(|(key, _)| order(key)) {
            Ok(index) => Some(std::mem::replace(&mut piece[index].1, value)),
            Err(index) => {
                piece.insert(index, (key, value));
                self.len += 1;
                if piece.len() > PIECE {
                    // What comes in order fills its pieces.
                    let at = if index + 1 == piece.len() { PIECE } else { PIECE / 2 };
                    let rest = piece.split_off(at);
                    pieces.insert(place + 1, Arc::new(rest));
                }
                None
            }
        }
    }

    /// Takes a key away; hands back its value.
    pub(super) fn remove(&mut self, order: impl Fn(&K) -> Ordering) -> Option<V> {
        self.get(&order)?;
        let pieces = Arc::make_mut(&mut self.pieces);
        let place = pieces.partition_point(|piece| piece.last().is_some_and(|(key, _)| order(key).is_lt()));
        let piece = Arc::make_mut(pieces.get_mut(place)?);
        let index = piece.binary_search_by(|(key, _)| order(key)).ok()?;
        let (_, value) = piece.remove(index);
        if piece.is_empty() {
            pieces.remove(place);
        }
        self.len -= 1;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::any;
    use proptest::{collection, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_map_and_its_copies_stay(
            start in collection::btree_map(0..3000_u32, any::<u8>(), 0..1500),
            changes in collection::vec((0..3000_u32, any::<Option<u8>>()), 0..800),
            from in 0..3000_u32,
        ) {
            let mut map = Sorted::default();
            for (key, value) in &start {
                map.insert(*key, *value, |known| known.cmp(key));
            }
            let (before, mut model) = (map.clone(), start.clone());
            for (key, value) in changes {
                let had = match value {
                    Some(value) => (map.insert(key, value, |known| known.cmp(&key)), model.insert(key, value)),
                    None => (map.remove(|known| known.cmp(&key)), model.remove(&key)),
                };
                prop_assert_eq!(had.0, had.1);
            }
            let all = |map: &Sorted<u32, u8>| map.iter().map(|(key, value)| (*key, *value)).collect::<BTreeMap<_, _>>();
            prop_assert_eq!(all(&map), model.clone());
            prop_assert_eq!(map.len(), model.len());
            prop_assert_eq!(all(&before), start);
            let behind: Vec<u32> = map.range(|key| key.cmp(&from)).map(|(key, _)| *key).collect();
            let expected: Vec<u32> = model.range(from..).map(|(key, _)| *key).collect();
            prop_assert_eq!(behind, expected);
            prop_assert_eq!(map.get(|key| key.cmp(&from)), model.get(&from));
        }
    }
}
