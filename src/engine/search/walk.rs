//! Lists gone through together, in the order of the ids.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::entity::EntityView;
use super::super::ordered::At;
use super::super::table::Table;
use super::super::value::Uid;
use super::super::vocabulary::TypeIx;
use super::plan::List;

/// The entities of one type in several lists, each once.
pub(super) struct Walk<'s> {
    table: &'s Table,
    ty: TypeIx,
    lists: Vec<(List<'s>, At)>,
    /// The next of each list: id, number and list.
    next: BinaryHeap<Reverse<(&'s [u8], u32, usize)>>,
    last: Option<u32>,
}

impl<'s> Walk<'s> {
    /// From the start.
    pub(super) fn new(table: &'s Table, ty: TypeIx, lists: Vec<List<'s>>) -> Self {
        let lists = lists.into_iter().filter(|list| match list {
            // What only the request knows is not in the store.
            List::One(uid) => uid.foreign().is_none(),
            List::Posted(_) => true,
        });
        let mut walk = Self {
            table,
            ty,
            lists: lists.map(|list| (list, At::default())).collect(),
            next: BinaryHeap::new(),
            last: None,
        };
        walk.begin();
        walk
    }

    /// From behind an id.
    pub(super) fn go_behind(&mut self, id: &[u8]) {
        let table = self.table;
        let is_in_front = |number: u32| table.view(Uid(number)).id() <= id;
        for (list, at) in &mut self.lists {
            *at = match list {
                List::One(uid) if is_in_front(uid.0) => At::END,
                List::One(_) => At::default(),
                List::Posted(list) => list.first_not(is_in_front),
            };
        }
        self.last = None;
        self.begin();
    }

    fn begin(&mut self) {
        self.next.clear();
        for index in 0..self.lists.len() {
            self.draw(index);
        }
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
