//! Lists gone through together, in the order of the ids.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::entity::EntityView;
use super::super::ordered::At;
use super::super::table::Table;
use super::super::value::Uid;
use super::super::vocabulary::TypeIx;
use super::plan::List;

/// Lists that are begun in one step.
const BEGUN_AT_ONCE: usize = 16;

/// The entities of one type in several lists, each once.
pub(super) struct Walk<'s> {
    table: &'s Table,
    ty: TypeIx,
    lists: Vec<(List<'s>, At)>,
    /// The id behind which it begins.
    behind: Option<Box<[u8]>>,
    /// How many lists have been begun.
    begun: usize,
    /// The next of each list that has been begun: id, number and list.
    next: BinaryHeap<Reverse<(&'s [u8], u32, usize)>>,
    last: Option<u32>,
}

impl<'s> Walk<'s> {
    /// From the start, or from behind an id. It has to be begun before it is gone through.
    pub(super) fn new(table: &'s Table, ty: TypeIx, lists: Vec<List<'s>>, behind: Option<&str>) -> Self {
        Self {
            table,
            ty,
            lists: lists.into_iter().map(|list| (list, At::default())).collect(),
            behind: behind.map(|id| id.as_bytes().into()),
            begun: 0,
            next: BinaryHeap::new(),
            last: None,
        }
    }

    /// From behind an id, to be begun again.
    pub(super) fn go_behind(&mut self, id: &str) {
        self.behind = Some(id.as_bytes().into());
        self.begun = 0;
        self.next.clear();
        self.last = None;
    }

    /// Begins some more of the lists, and says whether all have been.
    pub(super) fn begin(&mut self) -> bool {
        let table = self.table;
        let until = self.lists.len().min(self.begun + BEGUN_AT_ONCE);
        for index in self.begun..until {
            let (list, at) = &mut self.lists[index];
            let is_in_front = |number: u32| match &self.behind {
                Some(behind) => table.view(Uid(number)).id() <= &**behind,
                None => false,
            };
            *at = match list {
                // What only the request knows is not in the store.
                List::One(uid) if uid.foreign().is_some() || is_in_front(uid.0) => At::END,
                List::One(_) => At::default(),
                List::Posted(list) => list.first_not(is_in_front),
            };
            self.draw(index);
        }
        self.begun = until;
        until == self.lists.len()
    }

    /// Takes the next of a list.
    fn draw(&mut self, index: usize) {
        let (list, at) = &mut self.lists[index];
        let drawn = match list {
            List::One(uid) => (*at != At::END).then_some((uid.0, At::END)),
            List::Posted(list) => list.next(*at),
        };
        if let Some((number, behind)) = drawn {
            *at = behind;
            self.next.push(Reverse((self.table.view(Uid(number)).id(), number, index)));
        }
    }
}

impl<'s> Iterator for Walk<'s> {
    type Item = (Uid, EntityView<'s>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Reverse((_, number, index)) = self.next.pop()?;
            self.draw(index);
            if self.last == Some(number) {
                continue;
            }
            self.last = Some(number);
            // Lists may hold entities of other types, and what only has a name.
            if let Some(view) = self.table.entity(Uid(number))
                && view.ty() == self.ty
            {
                return Some((Uid(number), view));
            }
        }
    }
}
