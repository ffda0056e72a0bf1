//! The names and entities of a snapshot, by number and by name.
//!
//! Numbers lead to pages of 32 entities, names lead to numbers through a hash table in many small parts. Pages and
//! parts are shared between generations: a generation that changes one entity copies one page. A number keeps its
//! meaning in all generations that grew from one another; the number of a name that nothing uses any more stays taken
//! until everything is read anew.

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, LazyLock};

use foldhash::quality::RandomState;

use super::entity::{EntityView, Parts, write_with_ancestors, write_with_parents};
use super::value::{Uid, u32_at};
use super::vocabulary::TypeIx;

/// Entities of one page.
const PAGE: usize = 32;

/// Parts of the table of names.
const SHARDS: usize = 1024;

/// Where an entity was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The number of the file.
    pub(super) file: u32,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) offset: u32,
}

/// Names and entities.
#[derive(Clone)]
pub(super) struct Table {
    /// Each page: where its entities begin and the last one ends, four bytes each, then the entities.
    pages: Vec<Arc<[u8]>>,
    origins: Vec<Arc<[Origin]>>,
    /// Open addressing; a slot is 32 bits of the hash and, in the lower half, the number plus one. Empty slots are 0.
    shards: Vec<Arc<[u64]>>,
    shard_counts: Vec<u32>,
    names: u32,
}

impl Default for Table {
    fn default() -> Self {
        let none: Arc<[u64]> = Arc::from([]);
        Self {
            pages: Vec::new(),
            origins: Vec::new(),
            shards: vec![none; SHARDS],
            shard_counts: vec![0; SHARDS],
            names: 0,
        }
    }
}

/// Seeded for the process, so that nobody can choose ids that collide.
fn hash(ty: TypeIx, id: &str) -> u64 {
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    let mut hasher = STATE.build_hasher();
    hasher.write_u32(ty.0);
    hasher.write(id.as_bytes());
    hasher.finish()
}

fn shard_of(hash: u64) -> usize {
    (hash >> 54) as usize % SHARDS
}

impl Table {
    /// How many names have numbers.
    pub(super) fn names(&self) -> usize {
        self.names as usize
    }

    /// The entity or name of a number.
    pub(super) fn view(&self, uid: Uid) -> EntityView<'_> {
        let page = &*self.pages[uid.0 as usize / PAGE];
        let place = uid.0 as usize % PAGE;
        let (start, end) = (u32_at(page, 4 * place), u32_at(page, 4 * place + 4));
        EntityView::new(&page[start as usize..end as usize])
    }

    /// The entity of a number, if there is one.
    pub(super) fn entity(&self, uid: Uid) -> Option<EntityView<'_>> {
        let view = (uid.0 < self.names).then(|| self.view(uid))?;
        view.exists().then_some(view)
    }

    pub(super) fn origin(&self, uid: Uid) -> Origin {
        self.origins[uid.0 as usize / PAGE][uid.0 as usize % PAGE]
    }

    /// The number of a name, and what stands under it.
    pub(super) fn find(&self, ty: TypeIx, id: &str) -> Option<(Uid, EntityView<'_>)> {
        self.find_hashed(hash(ty, id), ty, id)
    }

    /// The same of two names, so that the memory that one needs is on its way while the other is looked at.
    pub(super) fn find_both(
        &self,
        (first_type, first): (TypeIx, &str),
        (second_type, second): (TypeIx, &str),
    ) -> [Option<(Uid, EntityView<'_>)>; 2] {
        let hashes = [hash(first_type, first), hash(second_type, second)];
        let starts = hashes.map(|hash| {
            let shard = &*self.shards[shard_of(hash)];
            (!shard.is_empty()).then(|| shard[hash as u32 as usize & (shard.len() - 1)])
        });
        let guesses = starts.map(|slot| match slot {
            Some(slot) if slot != 0 => self.header(slot as u32 - 1),
            _ => 0,
        });
        // Without a use the reads above would be left out.
        std::hint::black_box(guesses);
        [
            self.find_hashed(hashes[0], first_type, first),
            self.find_hashed(hashes[1], second_type, second),
        ]
    }

    fn header(&self, number: u32) -> u32 {
        let page = &*self.pages[number as usize / PAGE];
        let start = u32_at(page, 4 * (number as usize % PAGE));
        u32_at(page, start as usize)
    }

    fn find_hashed(&self, hash: u64, ty: TypeIx, id: &str) -> Option<(Uid, EntityView<'_>)> {
        let number = probe(&self.shards[shard_of(hash)], hash, |number| {
            self.view(Uid(number)).is_named(ty, id)
        })?;
        Some((Uid(number), self.view(Uid(number))))
    }

    /// All entities, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Uid, EntityView<'_>)> {
        (0..self.names)
            .map(|number| (Uid(number), self.view(Uid(number))))
            .filter(|(_, view)| view.exists())
    }
}

/// The number that a slot of this hash holds and that `is` takes.
fn probe(shard: &[u64], hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
    let mask = shard.len().checked_sub(1)?;
    let tag = hash as u32;
    let mut slot = tag as usize & mask;
    loop {
        let entry = shard[slot];
        if entry == 0 {
            return None;
        }
        if (entry >> 32) as u32 == tag && is(entry as u32 - 1) {
            return Some(entry as u32 - 1);
        }
        slot = (slot + 1) & mask;
    }
}

fn insert(shard: &mut [u64], tag: u32, number: u32) {
    let mask = shard.len() - 1;
    let mut slot = tag as usize & mask;
    while shard[slot] != 0 {
        slot = (slot + 1) & mask;
    }
    shard[slot] = u64::from(tag) << 32 | u64::from(number + 1);
}

/// Bytes of one piece of an arena.
const PIECE_BYTES: usize = 1 << 20;

/// A table being changed.
pub(super) struct Editor {
    table: Table,
    /// What replaces or joins what the table has: where in `pieces`.
    drafts: Drafts,
    pieces: Vec<Piece>,
    /// Origins of what is new, by number, and of what is not.
    new_origins: Vec<Origin>,
    origins: foldhash::HashMap<u32, Origin>,
    /// Ancestors beyond the parents, and the depth, where they are new.
    above: foldhash::HashMap<u32, (Box<[Uid]>, u32)>,
}

/// A part of the arena that drafts stand in.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    /// How many drafts in it are still needed.
    drafts: u32,
}

/// Where drafts stand, by number: dense for numbers that are new, sparse for the others.
#[derive(Default)]
struct Drafts {
    first_new: u32,
    new: Vec<(u32, u32, u32)>,
    old: foldhash::HashMap<u32, (u32, u32, u32)>,
}

impl Drafts {
    fn get(&self, number: u32) -> Option<(u32, u32, u32)> {
        match number.checked_sub(self.first_new) {
            Some(index) => self.new.get(index as usize).copied(),
            None => self.old.get(&number).copied(),
        }
    }

    fn set(&mut self, number: u32, place: (u32, u32, u32)) {
        match number.checked_sub(self.first_new) {
            Some(index) if (index as usize) < self.new.len() => self.new[index as usize] = place,
            // INVARIANT: new numbers are given out in their order.
            Some(_) => self.new.push(place),
            None => {
                self.old.insert(number, place);
            }
        }
    }
}

impl Editor {
    pub(super) fn new(table: Table) -> Self {
        Self {
            drafts: Drafts {
                first_new: table.names,
                ..Drafts::default()
            },
            table,
            pieces: Vec::new(),
            new_origins: Vec::new(),
            origins: foldhash::HashMap::default(),
            above: foldhash::HashMap::default(),
        }
    }

    pub(super) fn names(&self) -> u32 {
        self.table.names
    }

    /// The entity or name of a number, as it will be but for ancestors beyond its parents.
    pub(super) fn view(&self, uid: Uid) -> EntityView<'_> {
        match self.drafts.get(uid.0) {
            Some((piece, start, len)) => {
                let bytes = &self.pieces[piece as usize].bytes;
                EntityView::new(&bytes[start as usize..start as usize + len as usize])
            }
            None => self.table.view(uid),
        }
    }

    /// The entity of a number as it was before the changes, if there was one.
    pub(super) fn before(&self, uid: Uid) -> Option<EntityView<'_>> {
        (uid.0 < self.drafts.first_new).then(|| self.table.view(uid)).filter(EntityView::exists)
    }

    pub(super) fn origin(&self, uid: Uid) -> Origin {
        match uid.0.checked_sub(self.drafts.first_new) {
            Some(index) => self.new_origins.get(index as usize).copied().unwrap_or_default(),
            None => self.origins.get(&uid.0).copied().unwrap_or_else(|| self.table.origin(uid)),
        }
    }

    fn set_origin(&mut self, uid: Uid, origin: Origin) {
        let Some(index) = uid.0.checked_sub(self.drafts.first_new) else {
            self.origins.insert(uid.0, origin);
            return;
        };
        let index = index as usize;
        if self.new_origins.len() <= index {
            self.new_origins.resize(index + 1, Origin::default());
        }
        self.new_origins[index] = origin;
    }

    /// The number of a name, a new one if it has none.
    pub(super) fn number(&mut self, ty: TypeIx, id: &str) -> Uid {
        let hash = hash(ty, id);
        if let Some(known) = self.find_hashed(hash, ty, id) {
            return known;
        }
        let shard = shard_of(hash);
        let number = self.table.names;
        self.table.names += 1;
        self.put_parts(Uid(number), &Parts::name(ty, id));
        let count = &mut self.table.shard_counts[shard];
        *count += 1;
        let slots = &mut self.table.shards[shard];
        if *count as usize * 10 > slots.len() * 7 {
            let mut larger = vec![0; (slots.len() * 2).max(8)];
            for entry in slots.iter().filter(|entry| **entry != 0) {
                insert(&mut larger, (entry >> 32) as u32, *entry as u32 - 1);
            }
            *slots = larger.into();
        }
        insert(Arc::make_mut(slots), hash as u32, number);
        Uid(number)
    }

    /// The number of a name, if it has one.
    pub(super) fn find(&self, ty: TypeIx, id: &str) -> Option<Uid> {
        self.find_hashed(hash(ty, id), ty, id)
    }

    fn find_hashed(&self, hash: u64, ty: TypeIx, id: &str) -> Option<Uid> {
        let shard = &self.table.shards[shard_of(hash)];
        probe(shard, hash, |number| self.view(Uid(number)).is_named(ty, id)).map(Uid)
    }

    /// Whether the name of a number had it before the changes.
    pub(super) fn is_old(&self, uid: Uid) -> bool {
        uid.0 < self.drafts.first_new
    }

    fn put_parts(&mut self, uid: Uid, parts: &Parts<'_>) {
        self.write(uid, |piece| parts.write(piece));
    }

    fn put_bytes(&mut self, uid: Uid, bytes: &[u8]) {
        self.write(uid, |piece| piece.extend_from_slice(bytes));
    }

    fn write(&mut self, uid: Uid, write: impl FnOnce(&mut Vec<u8>)) {
        let full = self.pieces.last().is_none_or(|piece| piece.bytes.len() >= PIECE_BYTES);
        if full {
            self.pieces.push(Piece {
                bytes: Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4),
                drafts: 0,
            });
        }
        if let Some((piece, ..)) = self.drafts.get(uid.0) {
            self.pieces[piece as usize].drafts -= 1;
        }
        let index = self.pieces.len() - 1;
        let piece = &mut self.pieces[index];
        let start = piece.bytes.len();
        write(&mut piece.bytes);
        piece.drafts += 1;
        let place = (index as u32, start as u32, (piece.bytes.len() - start) as u32);
        self.drafts.set(uid.0, place);
    }

    /// Puts an entity in place of whatever stands under its name.
    pub(super) fn put(&mut self, uid: Uid, parts: &Parts<'_>, origin: Origin) {
        self.put_parts(uid, parts);
        self.set_origin(uid, origin);
    }

    /// Puts an entity that is written already, ancestors included, in place of another one.
    pub(super) fn replace(&mut self, uid: Uid, bytes: &[u8]) {
        self.put_bytes(uid, bytes);
    }

    /// Notes that an entity, unchanged, was read at another place.
    pub(super) fn move_to(&mut self, uid: Uid, origin: Origin) {
        if self.origin(uid) != origin {
            self.set_origin(uid, origin);
        }
    }

    /// Takes an entity away; its name stays.
    pub(super) fn remove(&mut self, uid: Uid) {
        let view = self.view(uid);
        let (ty, id) = (view.ty(), String::from_utf8_lossy(view.id()).into_owned());
        self.put_parts(uid, &Parts::name(ty, &id));
    }

    /// Leaves an entity just these of its parents.
    pub(super) fn keep_parents(&mut self, uid: Uid, parents: &[Uid]) {
        let mut bytes = Vec::new();
        write_with_parents(self.view(uid), parents, &mut bytes);
        self.put_bytes(uid, &bytes);
    }

    /// Sets the ancestors beyond the parents, and the depth.
    pub(super) fn set_above(&mut self, uid: Uid, above: &[Uid], depth: usize) {
        let view = self.view(uid);
        let same = view.depth() == depth && view.ancestors().skip(view.parents().len()).eq(above.iter().copied());
        if same {
            self.above.remove(&uid.0);
        } else {
            self.above.insert(uid.0, (above.into(), depth as u32));
        }
    }

    /// Whether this was put, removed or named for the first time.
    pub(super) fn is_changed(&self, uid: Uid) -> bool {
        self.drafts.get(uid.0).is_some()
    }

    /// The numbers of what was put, removed or named for the first time, ascending.
    pub(super) fn changed(&self) -> Vec<Uid> {
        let mut changed: Vec<u32> = self.drafts.old.keys().copied().collect();
        changed.sort_unstable();
        changed.extend(self.drafts.first_new..self.table.names);
        changed.into_iter().map(Uid).collect()
    }

    /// The numbers of all whose entity, name or ancestors changed, ascending.
    pub(super) fn touched(&self) -> Vec<Uid> {
        let mut touched = self.changed();
        touched.extend(self.above.keys().map(|number| Uid(*number)));
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// The changed table.
    pub(super) fn finish(mut self) -> Table {
        let changed = self.drafts.old.keys().chain(self.above.keys());
        let mut pages: Vec<usize> = changed.map(|number| *number as usize / PAGE).collect();
        if self.table.names > self.drafts.first_new {
            pages.extend(self.drafts.first_new as usize / PAGE..=(self.table.names as usize - 1) / PAGE);
        }
        pages.sort_unstable();
        pages.dedup();
        for (number, origin) in &self.origins {
            let (page, place) = (*number as usize / PAGE, *number as usize % PAGE);
            if pages.binary_search(&page).is_err() {
                Arc::make_mut(&mut self.table.origins[page])[place] = *origin;
            }
        }
        for page in pages {
            let (bytes, origins) = self.page(page);
            self.let_go(page);
            if page < self.table.pages.len() {
                self.table.pages[page] = bytes;
                self.table.origins[page] = origins;
            } else {
                self.table.pages.push(bytes);
                self.table.origins.push(origins);
            }
        }
        self.table
    }

    /// Frees the parts of the arena that only drafts of this page and of earlier ones stood in.
    fn let_go(&mut self, page: usize) {
        let first = (page * PAGE) as u32;
        for number in first..first + PAGE as u32 {
            if let Some((piece, ..)) = self.drafts.get(number) {
                let piece = &mut self.pieces[piece as usize];
                piece.drafts -= 1;
                if piece.drafts == 0 {
                    *piece = Piece::default();
                }
            }
        }
    }

    fn page(&self, page: usize) -> (Arc<[u8]>, Arc<[Origin]>) {
        let first = (page * PAGE) as u32;
        let end = (first + PAGE as u32).min(self.table.names);
        let head = 4 * (PAGE + 1);
        let mut bytes = vec![0; head];
        let mut origins = Vec::with_capacity(PAGE);
        for number in first..first + PAGE as u32 {
            let place = 4 * (number - first) as usize;
            let start = (bytes.len() as u32).to_le_bytes();
            bytes[place..place + 4].copy_from_slice(&start);
            if number >= end {
                continue;
            }
            let view = self.view(Uid(number));
            match self.above.get(&number) {
                Some((above, depth)) => write_with_ancestors(view, above, *depth as usize, &mut bytes),
                None => bytes.extend_from_slice(view.bytes()),
            }
            origins.push(self.origin(Uid(number)));
        }
        let end = (bytes.len() as u32).to_le_bytes();
        bytes[head - 4..head].copy_from_slice(&end);
        (bytes.into(), origins.into())
    }
}
