//! Numbers of entities in the order of their ids, in pieces that generations share.

use std::cmp::Ordering;
use std::sync::Arc;

/// Numbers of one piece, at most.
const PIECE: usize = 512;

/// A list of numbers without duplicates, sorted by whatever order its owner keeps to.
///
/// Most lists of a directory have one number, some have a million.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Ordered {
    #[default]
    Empty,
    One(u32),
    // INVARIANT: no piece is empty.
    Many(Vec<Arc<[u32]>>),
}

/// A place in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    piece: usize,
    index: usize,
}

impl At {
    /// Behind everything.
    pub(super) const END: Self = Self {
        piece: usize::MAX,
        index: 0,
    };
}

impl Ordered {
    /// A list of what is sorted already.
    pub(super) fn from_sorted(numbers: &[u32]) -> Self {
        match numbers {
            [] => Self::Empty,
            [number] => Self::One(*number),
            // Room is left for what comes later.
            numbers => Self::Many(numbers.chunks(PIECE * 3 / 4).map(Arc::from).collect()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(pieces) => pieces.iter().map(|piece| piece.len()).sum(),
        }
    }

    /// The number at a place, and the place behind it.
    pub(super) fn next(&self, at: At) -> Option<(u32, At)> {
        let piece = match self {
            Self::Empty => return None,
            Self::One(number) => std::slice::from_ref(number).get(at.piece..)?,
            Self::Many(pieces) => pieces.get(at.piece)?,
        };
        let number = *piece.get(at.index)?;
        let behind = if at.index + 1 < piece.len() {
            At {
                index: at.index + 1,
                ..at
            }
        } else {
            At {
                piece: at.piece + 1,
                index: 0,
            }
        };
        Some((number, behind))
    }

    /// The place of the first number that is not in front, where those in front stand together at the start.
    pub(super) fn first_not(&self, in_front: impl Fn(u32) -> bool) -> At {
        match self {
            Self::Empty => At::default(),
            Self::One(number) => At {
                piece: usize::from(in_front(*number)),
                index: 0,
            },
            Self::Many(pieces) => {
                let piece = pieces.partition_point(|piece| piece.last().is_some_and(|last| in_front(*last)));
                let index = pieces.get(piece).map_or(0, |piece| piece.partition_point(|number| in_front(*number)));
                At { piece, index }
            }
        }
    }

    pub(super) fn insert(&mut self, number: u32, order: &impl Fn(u32, u32) -> Ordering) {
        match self {
            Self::Empty => *self = Self::One(number),
            Self::One(first) => match order(*first, number) {
                Ordering::Equal => {}
                Ordering::Less => *self = Self::from_sorted(&[*first, number]),
                Ordering::Greater => *self = Self::from_sorted(&[number, *first]),
            },
            Self::Many(pieces) => {
                let behind = pieces.partition_point(|piece| order(piece[0], number).is_le());
                let place = behind.saturating_sub(1);
                let Err(index) = pieces[place].binary_search_by(|known| order(*known, number)) else {
                    return;
                };
                let mut piece = pieces[place].to_vec();
                piece.insert(index, number);
                if piece.len() > PIECE {
                    let rest = piece.split_off(PIECE / 2);
                    pieces.insert(place + 1, rest.into());
                }
                pieces[place] = piece.into();
            }
        }
    }

    pub(super) fn remove(&mut self, number: u32, order: &impl Fn(u32, u32) -> Ordering) {
        match self {
            Self::Empty => {}
            Self::One(first) => {
                if *first == number {
                    *self = Self::Empty;
                }
            }
            Self::Many(pieces) => {
                let behind = pieces.partition_point(|piece| order(piece[0], number).is_le());
                let Some(place) = behind.checked_sub(1) else { return };
                let Ok(index) = pieces[place].binary_search_by(|known| order(*known, number)) else {
                    return;
                };
                let mut piece = pieces[place].to_vec();
                piece.remove(index);
                if piece.is_empty() {
                    pieces.remove(place);
                } else {
                    pieces[place] = piece.into();
                }
                match pieces.as_slice() {
                    [] => *self = Self::Empty,
                    [piece] if piece.len() == 1 => *self = Self::One(piece[0]),
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, any};
    use proptest::{collection, prop_assert_eq, proptest};

    use super::*;

    fn all(list: &Ordered, from: At) -> Vec<u32> {
        let mut at = from;
        std::iter::from_fn(|| {
            let (number, behind) = list.next(at)?;
            at = behind;
            Some(number)
        })
        .collect()
    }

    proptest! {
        #[test]
        fn a_list_is_a_sorted_set(
            start in collection::btree_set(0..3000_u32, 0..1500),
            changes in collection::vec((any::<bool>(), 0..3000_u32), 0..800),
            cut in 0..3000_u32,
            backwards in any::<bool>().prop_map(|yes| yes),
        ) {
            let order = |a: u32, b: u32| if backwards { b.cmp(&a) } else { a.cmp(&b) };
            let mut sorted: Vec<u32> = start.iter().copied().collect();
            sorted.sort_by(|a, b| order(*a, *b));
            let mut list = Ordered::from_sorted(&sorted);
            let mut set: BTreeSet<u32> = start;
            for (adds, number) in changes {
                if adds {
                    list.insert(number, &order);
                    set.insert(number);
                } else {
                    list.remove(number, &order);
                    set.remove(&number);
                }
            }
            let mut expected: Vec<u32> = set.into_iter().collect();
            expected.sort_by(|a, b| order(*a, *b));
            prop_assert_eq!(list.len(), expected.len());
            prop_assert_eq!(&all(&list, At::default()), &expected);
            let in_front = |number: u32| order(number, cut).is_le();
            expected.retain(|number| !in_front(*number));
            prop_assert_eq!(all(&list, list.first_not(in_front)), expected);
        }
    }

    #[test]
    fn a_change_of_a_long_list_copies_one_piece() {
        let numbers: Vec<u32> = (0..100_000).map(|number| 2 * number).collect();
        let before = Ordered::from_sorted(&numbers);
        let mut after = before.clone();
        after.insert(77_777, &|a, b| a.cmp(&b));
        let (Ordered::Many(old), Ordered::Many(new)) = (&before, &after) else {
            panic!("long lists")
        };
        let shared = new.iter().filter(|piece| old.iter().any(|known| Arc::ptr_eq(known, piece))).count();
        assert_eq!(shared + 1, old.len());
    }
}
