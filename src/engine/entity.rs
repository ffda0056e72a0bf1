//! One entity in bytes.
//!
//! `header · id · a cell for each declared attribute · ancestors · tail`, little-endian. The id comes first, since it is
//! what every question looks at. A name without an entity has the same form, so that whatever refers to it has a number
//! to refer by.

use super::value::{Cell, Record, Tags, Tail, Uid, Val, has_number, u32_at};
use super::vocabulary::TypeIx;

const TYPE: usize = 0;
const CELLS: usize = 4;
const PARENTS: usize = 8;
const ANCESTORS: usize = 12;
const ID_LEN: usize = 16;
const DEPTH: usize = 20;
const HEADER: usize = 24;

/// Set in the count of cells if there is such an entity.
const EXISTS: u32 = 1 << 31;

/// An entity, or the name of one.
#[derive(Clone, Copy)]
pub(super) struct EntityView<'a> {
    bytes: &'a [u8],
}

impl<'a> EntityView<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn u32(&self, offset: usize) -> u32 {
        u32_at(self.bytes, offset)
    }

    fn usize(&self, offset: usize) -> usize {
        self.u32(offset) as usize
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there is an entity of this name.
    pub(super) fn exists(&self) -> bool {
        self.u32(CELLS) & EXISTS != 0
    }

    pub(super) fn ty(&self) -> TypeIx {
        TypeIx(self.u32(TYPE))
    }

    fn cells(&self) -> usize {
        (self.u32(CELLS) & !EXISTS) as usize
    }

    /// Whether this is the name of an entity of this type and id.
    pub(super) fn is_named(&self, ty: TypeIx, id: &str) -> bool {
        self.u32(TYPE) == ty.0 && self.id() == id.as_bytes()
    }

    pub(super) fn id(&self) -> &'a [u8] {
        &self.bytes[HEADER..HEADER + self.usize(ID_LEN)]
    }

    /// Where the cells begin.
    fn start(&self) -> usize {
        HEADER + self.usize(ID_LEN)
    }

    fn tail(&self) -> &'a [u8] {
        &self.bytes[self.start() + 8 * self.cells() + 4 * self.usize(ANCESTORS)..]
    }

    /// The attribute of a place in its type's declaration.
    pub(super) fn attribute(&self, slot: usize) -> Option<Val<'a>> {
        if slot + 1 >= self.cells() {
            return None;
        }
        Cell::from_le(self.bytes, self.start() + 8 * slot).value(self.tail())
    }

    pub(super) fn tags(&self) -> Tags<'a> {
        // The last cell is that of the tags.
        let cell = match self.cells() {
            0 => Cell::NONE,
            cells => Cell::from_le(self.bytes, self.start() + 8 * (cells - 1)),
        };
        cell.tags(self.tail())
    }

    /// The longest chain of parents from here, this one included.
    pub(super) fn depth(&self) -> usize {
        self.usize(DEPTH)
    }

    fn ancestor_bytes(&self) -> (&'a [u8], &'a [u8]) {
        let start = self.start() + 8 * self.cells();
        let all = &self.bytes[start..start + 4 * self.usize(ANCESTORS)];
        all.split_at(4 * self.usize(PARENTS))
    }

    pub(super) fn parents(&self) -> impl ExactSizeIterator<Item = Uid> + use<'a> {
        self.ancestor_bytes().0.chunks_exact(4).map(|chunk| Uid(u32_at(chunk, 0)))
    }

    /// All ancestors, parents first.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = Uid> + use<'a> {
        let (parents, above) = self.ancestor_bytes();
        parents.chunks_exact(4).chain(above.chunks_exact(4)).map(|chunk| Uid(u32_at(chunk, 0)))
    }

    pub(super) fn has_ancestor(&self, uid: Uid) -> bool {
        let (parents, above) = self.ancestor_bytes();
        has_number(parents, uid.0) || has_number(above, uid.0)
    }

    pub(super) fn has_parent(&self, uid: Uid) -> bool {
        has_number(self.ancestor_bytes().0, uid.0)
    }

    pub(super) fn has_more_than_parents(&self) -> bool {
        self.u32(ANCESTORS) > self.u32(PARENTS)
    }

    /// Whether name, attributes, tags and parents are the same.
    pub(super) fn is_same(&self, other: &EntityView<'_>) -> bool {
        let equal = |a: Option<Val<'_>>, b: Option<Val<'_>>| match (a, b) {
            (Some(a), Some(b)) => a.equals(&b),
            (None, None) => true,
            _ => false,
        };
        let (own, others) = (self.tags(), other.tags());
        self.bytes[..ANCESTORS] == other.bytes[..ANCESTORS]
            && self.id() == other.id()
            && self.ancestor_bytes().0 == other.ancestor_bytes().0
            && (0..self.cells().saturating_sub(1)).all(|slot| equal(self.attribute(slot), other.attribute(slot)))
            && own.iter().count() == others.iter().count()
            && own.iter().zip(others.iter()).all(|((a, left), (b, right))| a == b && left.equals(&right))
    }

    /// Calls `visit` for every entity that its attributes and tags name.
    pub(super) fn references(&self, visit: &mut impl FnMut(Uid)) {
        let tail = self.tail();
        for slot in 0..self.cells().saturating_sub(1) {
            if let Some(value) = Cell::from_le(self.bytes, self.start() + 8 * slot).value(tail) {
                references(&value, visit);
            }
        }
        for (_, value) in self.tags().iter() {
            references(&value, visit);
        }
    }
}

/// Calls `visit` for every entity that a value names.
pub(super) fn references(value: &Val<'_>, visit: &mut impl FnMut(Uid)) {
    match value {
        Val::Entity(uid) => visit(*uid),
        Val::Set(set) => set.iter().for_each(|item| references(&item, visit)),
        Val::Record(record) => members(record, visit),
        _ => {}
    }
}

fn members(record: &Record<'_>, visit: &mut impl FnMut(Uid)) {
    record.iter().for_each(|(_, member)| references(&member, visit));
}

/// What an entity is written from.
pub(super) struct Parts<'p> {
    pub(super) ty: TypeIx,
    pub(super) id: &'p [u8],
    pub(super) exists: bool,
    /// One for each declared attribute, and the last for the tags; none for a name.
    pub(super) cells: &'p [Cell],
    /// Sorted, without duplicates.
    pub(super) parents: &'p [Uid],
    /// The ancestors that are no parents, sorted, without duplicates.
    pub(super) above: &'p [Uid],
    pub(super) depth: usize,
    pub(super) tail: &'p [u8],
}

impl Parts<'_> {
    /// The name of an entity that there need not be.
    pub(super) fn name(ty: TypeIx, id: &str) -> Parts<'_> {
        Parts {
            ty,
            id: id.as_bytes(),
            exists: false,
            cells: &[],
            parents: &[],
            above: &[],
            depth: 1,
            tail: &[],
        }
    }

    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let exists = if self.exists { EXISTS } else { 0 };
        let header = [
            self.ty.0,
            self.cells.len() as u32 | exists,
            self.parents.len() as u32,
            (self.parents.len() + self.above.len()) as u32,
            self.id.len() as u32,
            self.depth as u32,
        ];
        into.reserve(HEADER + 8 * self.cells.len() + 4 * header[3] as usize + self.id.len() + self.tail.len());
        header.iter().for_each(|number| into.extend_from_slice(&number.to_le_bytes()));
        into.extend_from_slice(self.id);
        self.cells.iter().for_each(|cell| into.extend_from_slice(&cell.0.to_le_bytes()));
        let ancestors = self.parents.iter().chain(self.above);
        ancestors.for_each(|uid| into.extend_from_slice(&uid.0.to_le_bytes()));
        into.extend_from_slice(self.tail);
    }
}

/// Writes an entity again with other parents, and no further ancestors.
pub(super) fn write_with_parents(view: EntityView<'_>, parents: &[Uid], into: &mut Vec<u8>) {
    let start = into.len();
    into.extend_from_slice(&view.bytes[..view.start() + 8 * view.cells()]);
    parents.iter().for_each(|uid| into.extend_from_slice(&uid.0.to_le_bytes()));
    into.extend_from_slice(view.tail());
    for field in [PARENTS, ANCESTORS] {
        into[start + field..start + field + 4].copy_from_slice(&(parents.len() as u32).to_le_bytes());
    }
}

/// Writes an entity again with other ancestors.
pub(super) fn write_with_ancestors(view: EntityView<'_>, above: &[Uid], depth: usize, into: &mut Vec<u8>) {
    let start = into.len();
    let parents = view.ancestor_bytes().0;
    into.extend_from_slice(&view.bytes[..view.start() + 8 * view.cells()]);
    into.extend_from_slice(parents);
    above.iter().for_each(|uid| into.extend_from_slice(&uid.0.to_le_bytes()));
    into.extend_from_slice(view.tail());
    let ancestors = (parents.len() / 4 + above.len()) as u32;
    into[start + ANCESTORS..start + ANCESTORS + 4].copy_from_slice(&ancestors.to_le_bytes());
    into[start + DEPTH..start + DEPTH + 4].copy_from_slice(&(depth as u32).to_le_bytes());
}

/// An entity with some of its attributes replaced or filled in, for one request.
pub(super) fn write_shaped(
    ty: TypeIx,
    id: &[u8],
    stored: Option<EntityView<'_>>,
    given: &[Option<(Val<'_>, bool)>],
    into: &mut Vec<u8>,
) {
    let mut tail = Tail::default();
    let mut cells: Vec<Cell> = given
        .iter()
        .enumerate()
        .map(|(slot, given)| {
            let stored = stored.and_then(|stored| stored.attribute(slot));
            let value = match (given, stored) {
                (Some((value, true)), _) => Some(*value),
                (_, Some(stored)) => Some(stored),
                (Some((value, false)), None) => Some(*value),
                (None, None) => None,
            };
            value.map_or(Cell::NONE, |value| tail.copy(&value))
        })
        .collect();
    let stored_tags: Vec<_> = stored.iter().flat_map(|stored| stored.tags().iter()).collect();
    let mut tags: Vec<_> = stored_tags.iter().map(|(key, value)| (*key, tail.copy(value))).collect();
    cells.push(tail.tags(&mut tags));
    let parents: Vec<Uid> = stored.iter().flat_map(EntityView::parents).collect();
    let above: Vec<Uid> = stored.iter().flat_map(EntityView::ancestors).skip(parents.len()).collect();
    let parts = Parts {
        ty,
        id,
        exists: true,
        cells: &cells,
        parents: &parents,
        above: &above,
        depth: stored.map_or(1, |stored| stored.depth()),
        tail: &tail.bytes,
    };
    parts.write(into);
}
