//! Values as decisions see them: borrowed from bytes, compared as Cedar compares them.
//!
//! A stored value is a [`Cell`] of eight bytes: a small value itself, or where in the bytes beside it a larger one
//! stands. Those bytes are the tail of an entity, of a request or of a policy. Sets are kept sorted and without
//! duplicates, records sorted by symbol, so that equal values have equal parts in the same order.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The number of an entity's name. The same name has the same number throughout a snapshot, whether or not there is an
/// entity of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Uid(pub(super) u32);

impl Uid {
    /// Names that only a request knows are numbered from here.
    pub(super) const FOREIGN: u32 = 1 << 31;

    /// The number among the names of the request, if it is one of those.
    pub(super) fn foreign(self) -> Option<usize> {
        (self.0 >= Self::FOREIGN).then(|| (self.0 - Self::FOREIGN) as usize)
    }
}

/// The number of an attribute's name.
pub(super) type Symbol = u32;

/// A value, or where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell(pub(super) u64);

const TAG_BITS: u32 = 4;
const OFFSET_BITS: u32 = 30;
const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;
const INLINE_BITS: u32 = 59;

const ABSENT: u64 = 0;
const BOOL: u64 = 1;
const LONG: u64 = 2;
const STRING: u64 = 3;
const ENTITY: u64 = 4;
const ENTITIES: u64 = 5;
const SET: u64 = 6;
const RECORD: u64 = 7;
const DECIMAL: u64 = 8;
const DATETIME: u64 = 9;
const DURATION: u64 = 10;
const IP: u64 = 11;
const TAGS: u64 = 12;

/// The bytes of a member of a record: its symbol, four bytes of nothing, and its cell.
const MEMBER_BYTES: usize = 16;

impl Cell {
    /// No value.
    pub(super) const NONE: Self = Self(ABSENT);

    fn new(tag: u64, payload: u64) -> Self {
        Self(tag | payload << TAG_BITS)
    }

    fn part(tag: u64, offset: usize, len: usize) -> Self {
        Self::new(tag, offset as u64 | (len as u64) << OFFSET_BITS)
    }

    fn tag(self) -> u64 {
        self.0 & ((1 << TAG_BITS) - 1)
    }

    fn offset_and_len(self) -> (usize, usize) {
        let payload = self.0 >> TAG_BITS;
        ((payload & OFFSET_MASK) as usize, (payload >> OFFSET_BITS) as usize)
    }

    pub(super) fn from_le(bytes: &[u8], offset: usize) -> Self {
        Self(u64::from_le_bytes(array(bytes, offset)))
    }

    /// The number of a cell of the given tag: in the cell where it fits, in the tail where not.
    fn number(self, tail: &[u8]) -> i64 {
        let payload = self.0 >> TAG_BITS;
        if payload & 1 == 0 {
            (self.0 as i64) >> (TAG_BITS + 1)
        } else {
            i64::from_le_bytes(array(tail, (payload >> 1) as usize))
        }
    }

    /// The value; none if the cell is empty.
    pub(super) fn value(self, tail: &[u8]) -> Option<Val<'_>> {
        let (offset, len) = self.offset_and_len();
        Some(match self.tag() {
            BOOL => Val::Bool(self.0 >> TAG_BITS != 0),
            LONG => Val::Long(self.number(tail)),
            STRING => Val::String(&tail[offset..offset + len]),
            ENTITY => Val::Entity(Uid((self.0 >> TAG_BITS) as u32)),
            ENTITIES => Val::Set(Set::Entities(&tail[offset..offset + 4 * len])),
            SET => Val::Set(Set::Cells {
                cells: &tail[offset..offset + 8 * len],
                tail,
            }),
            RECORD => Val::Record(Record::Stored {
                members: &tail[offset..offset + MEMBER_BYTES * len],
                tail,
            }),
            DECIMAL => Val::Decimal(self.number(tail)),
            DATETIME => Val::Datetime(self.number(tail)),
            DURATION => Val::Duration(self.number(tail)),
            IP => Val::Ip(Ip::from_bytes(&tail[offset..offset + len])),
            _ => return None,
        })
    }

    /// The tags, if this is the cell of an entity's tags.
    pub(super) fn tags(self, tail: &[u8]) -> Tags<'_> {
        let (offset, len) = self.offset_and_len();
        let entries = if self.tag() == TAGS {
            &tail[offset..offset + MEMBER_BYTES * len]
        } else {
            &[]
        };
        Tags { entries, tail }
    }
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}

/// The number at a place in bytes.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array(bytes, offset))
}

/// Whether sorted numbers, four bytes each, hold this one.
pub(super) fn has_number(sorted: &[u8], number: u32) -> bool {
    let (mut low, mut high) = (0, sorted.len() / 4);
    // A few are compared one after the other faster than they are halved.
    while high - low > 8 {
        let middle = low.midpoint(high);
        if u32_at(sorted, 4 * middle) <= number {
            low = middle;
        } else {
            high = middle;
        }
    }
    sorted[4 * low..4 * high].chunks_exact(4).any(|chunk| u32_at(chunk, 0) == number)
}

/// A value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Val<'a> {
    Bool(bool),
    Long(i64),
    /// UTF-8.
    String(&'a [u8]),
    Entity(Uid),
    Set(Set<'a>),
    Record(Record<'a>),
    /// In ten-thousandths.
    Decimal(i64),
    /// In milliseconds since 1970.
    Datetime(i64),
    /// In milliseconds.
    Duration(i64),
    Ip(Ip),
}

impl Val<'_> {
    /// Kinds in an order of their own; a set holds values of one kind.
    fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Long(_) => 1,
            Self::String(_) => 2,
            Self::Entity(_) => 3,
            Self::Set(_) => 4,
            Self::Record(_) => 5,
            Self::Decimal(_) => 6,
            Self::Datetime(_) => 7,
            Self::Duration(_) => 8,
            Self::Ip(_) => 9,
        }
    }

    /// A total order in which equal values, as Cedar's `==` has it, and no others are equal.
    pub(super) fn order(&self, other: &Val<'_>) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Val::Bool(b)) => a.cmp(b),
            (Self::Long(a), Val::Long(b))
            | (Self::Decimal(a), Val::Decimal(b))
            | (Self::Datetime(a), Val::Datetime(b))
            | (Self::Duration(a), Val::Duration(b)) => a.cmp(b),
            (Self::String(a), Val::String(b)) => a.cmp(b),
            (Self::Entity(a), Val::Entity(b)) => a.cmp(b),
            (Self::Ip(a), Val::Ip(b)) => a.cmp(b),
            (Self::Set(a), Val::Set(b)) => {
                let by_len = a.len().cmp(&b.len());
                let items = || a.iter().zip(b.iter()).map(|(a, b)| a.order(&b));
                by_len.then_with(|| items().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
            }
            (Self::Record(a), Val::Record(b)) => {
                let by_len = a.len().cmp(&b.len());
                let members = || {
                    a.iter()
                        .zip(b.iter())
                        .map(|((a, left), (b, right))| a.cmp(&b).then_with(|| left.order(&right)))
                };
                by_len.then_with(|| members().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// Cedar's `==`.
    pub(super) fn equals(&self, other: &Val<'_>) -> bool {
        match (self, other) {
            (Self::String(a), Val::String(b)) => a == b,
            (Self::Entity(a), Val::Entity(b)) => a == b,
            _ => self.order(other).is_eq(),
        }
    }
}

/// A set, sorted and without duplicates.
#[derive(Clone, Copy, Debug)]
pub(super) enum Set<'a> {
    /// Names of entities, four bytes each; at least one.
    Entities(&'a [u8]),
    /// Cells, eight bytes each.
    Cells { cells: &'a [u8], tail: &'a [u8] },
    /// Made by a policy.
    Made(&'a [Val<'a>]),
}

impl<'a> Set<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Entities(numbers) => numbers.len() / 4,
            Self::Cells { cells, .. } => cells.len() / 8,
            Self::Made(values) => values.len(),
        }
    }

    fn get(&self, index: usize) -> Val<'a> {
        match *self {
            Self::Entities(numbers) => Val::Entity(Uid(u32_at(numbers, 4 * index))),
            // INVARIANT: a set has no empty cells.
            Self::Cells { cells, tail } => Cell::from_le(cells, 8 * index).value(tail).unwrap_or(Val::Bool(false)),
            Self::Made(values) => values[index],
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Val<'a>> + use<'a> {
        let set = *self;
        (0..set.len()).map(move |index| set.get(index))
    }

    pub(super) fn contains(&self, value: &Val<'_>) -> bool {
        if let (Self::Entities(numbers), Val::Entity(uid)) = (self, value) {
            return has_number(numbers, uid.0);
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).order(value) {
                Ordering::Equal => return true,
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        false
    }

    pub(super) fn contains_all(&self, other: &Set<'_>) -> bool {
        other.len() <= self.len() && other.iter().all(|value| self.contains(&value))
    }

    pub(super) fn contains_any(&self, other: &Set<'_>) -> bool {
        if self.len() < other.len() {
            return self.iter().any(|value| other.contains(&value));
        }
        other.iter().any(|value| self.contains(&value))
    }
}

/// A record, sorted by symbol.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record<'a> {
    Stored {
        members: &'a [u8],
        tail: &'a [u8],
    },
    /// Made by a policy.
    Made(&'a [(Symbol, Val<'a>)]),
}

impl<'a> Record<'a> {
    /// A record without members.
    pub(super) const EMPTY: Record<'static> = Record::Made(&[]);

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Stored { members, .. } => members.len() / MEMBER_BYTES,
            Self::Made(members) => members.len(),
        }
    }

    pub(super) fn get(&self, symbol: Symbol) -> Option<Val<'a>> {
        match *self {
            Self::Stored { members, tail } => {
                let member = members.chunks_exact(MEMBER_BYTES).find(|member| u32_at(member, 0) == symbol)?;
                Cell::from_le(member, 8).value(tail)
            }
            Self::Made(members) => members.iter().find(|(name, _)| *name == symbol).map(|(_, value)| *value),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Symbol, Val<'a>)> + use<'a> {
        let record = *self;
        (0..record.len()).filter_map(move |index| match record {
            Self::Stored { members, tail } => {
                let member = &members[MEMBER_BYTES * index..];
                Some((u32_at(member, 0), Cell::from_le(member, 8).value(tail)?))
            }
            Self::Made(members) => Some(members[index]),
        })
    }
}

/// The tags of an entity, sorted by key.
#[derive(Clone, Copy)]
pub(super) struct Tags<'a> {
    entries: &'a [u8],
    tail: &'a [u8],
}

impl<'a> Tags<'a> {
    pub(super) fn get(&self, key: &[u8]) -> Option<Val<'a>> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let (known, cell) = self.entry(middle);
            match known.cmp(key) {
                Ordering::Equal => return cell.value(self.tail),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a [u8], Val<'a>)> + use<'a> {
        let tags = *self;
        (0..tags.len()).filter_map(move |index| {
            let (key, cell) = tags.entry(index);
            Some((key, cell.value(tags.tail)?))
        })
    }

    fn len(&self) -> usize {
        self.entries.len() / MEMBER_BYTES
    }

    fn entry(&self, index: usize) -> (&'a [u8], Cell) {
        let entry = &self.entries[MEMBER_BYTES * index..][..MEMBER_BYTES];
        let (offset, len) = (u32_at(entry, 0) as usize, u32_at(entry, 4) as usize);
        (&self.tail[offset..offset + len], Cell::from_le(entry, 8))
    }
}

/// An address or a range of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ip {
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
}

impl Ip {
    fn from_bytes(bytes: &[u8]) -> Self {
        let address = if bytes.len() == 5 {
            IpAddr::V4(Ipv4Addr::from(array::<4>(bytes, 1)))
        } else {
            IpAddr::V6(Ipv6Addr::from(array::<16>(bytes, 1)))
        };
        Self {
            address,
            prefix: bytes[0],
        }
    }

    /// What Cedar's constructor takes. It refuses the mixed form in which an address of version 6 is usually shown.
    pub(super) fn text(&self) -> String {
        match self.address {
            IpAddr::V4(address) => format!("{address}/{}", self.prefix),
            IpAddr::V6(address) => {
                let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:x}")).collect();
                format!("{}/{}", groups.join(":"), self.prefix)
            }
        }
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.address.is_loopback() && self.prefix >= if self.address.is_ipv4() { 8 } else { 128 }
    }

    pub(super) fn is_multicast(&self) -> bool {
        self.address.is_multicast() && self.prefix >= if self.address.is_ipv4() { 4 } else { 8 }
    }

    /// The first and the last address of the range, in 128 bits.
    fn bounds(&self) -> (u128, u128) {
        let (address, width) = match self.address {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let free = u32::from(width - self.prefix.min(width));
        let host = if free == 128 { u128::MAX } else { (1 << free) - 1 };
        (address & !host, address | host)
    }

    pub(super) fn is_in_range(&self, other: &Self) -> bool {
        let ((first, last), (lowest, highest)) = (self.bounds(), other.bounds());
        self.address.is_ipv4() == other.address.is_ipv4() && lowest <= first && last <= highest
    }
}

/// Bytes that values are written into.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    pub(super) bytes: Vec<u8>,
}

impl Tail {
    /// Whether there are more bytes than a cell can lead to.
    pub(super) fn is_too_long(&self) -> bool {
        self.bytes.len() as u64 > OFFSET_MASK
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    fn push(&mut self, bytes: &[u8]) -> usize {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        offset
    }

    pub(super) fn bool(value: bool) -> Cell {
        Cell::new(BOOL, u64::from(value))
    }

    pub(super) fn entity(uid: Uid) -> Cell {
        Cell::new(ENTITY, u64::from(uid.0))
    }

    pub(super) fn long(&mut self, value: i64) -> Cell {
        self.number(LONG, value)
    }

    fn number(&mut self, tag: u64, value: i64) -> Cell {
        let free = 64 - INLINE_BITS;
        if value << free >> free == value {
            return Cell::new(tag, (value as u64) << 1);
        }
        let offset = self.push(&value.to_le_bytes());
        Cell::new(tag, (offset as u64) << 1 | 1)
    }

    pub(super) fn string(&mut self, text: &[u8]) -> Cell {
        let offset = self.push(text);
        Cell::part(STRING, offset, text.len())
    }

    pub(super) fn ip(&mut self, ip: &Ip) -> Cell {
        let offset = self.push(&[ip.prefix]);
        let len = match ip.address {
            IpAddr::V4(address) => 1 + self.push_all(&address.octets()),
            IpAddr::V6(address) => 1 + self.push_all(&address.octets()),
        };
        Cell::part(IP, offset, len)
    }

    fn push_all(&mut self, bytes: &[u8]) -> usize {
        self.push(bytes);
        bytes.len()
    }

    /// A set of values that stand in these bytes.
    pub(super) fn set(&mut self, items: &mut Vec<Cell>) -> Cell {
        if !items.is_empty() && items.iter().all(|item| item.tag() == ENTITY) {
            // Cells of entities are ordered as their numbers are.
            items.sort_unstable_by_key(|item| item.0);
            items.dedup();
            let offset = self.bytes.len();
            for item in items.iter() {
                self.bytes.extend_from_slice(&((item.0 >> TAG_BITS) as u32).to_le_bytes());
            }
            return Cell::part(ENTITIES, offset, items.len());
        }
        let order = |a: &Cell, b: &Cell| match (a.value(&self.bytes), b.value(&self.bytes)) {
            (Some(a), Some(b)) => a.order(&b),
            _ => Ordering::Equal,
        };
        items.sort_by(order);
        items.dedup_by(|a, b| order(a, b).is_eq());
        let offset = self.bytes.len();
        for item in items.iter() {
            self.bytes.extend_from_slice(&item.0.to_le_bytes());
        }
        Cell::part(SET, offset, items.len())
    }

    /// A record of values that stand in these bytes.
    pub(super) fn record(&mut self, members: &mut [(Symbol, Cell)]) -> Cell {
        members.sort_unstable_by_key(|(symbol, _)| *symbol);
        let offset = self.bytes.len();
        for (symbol, cell) in members.iter() {
            self.bytes.extend_from_slice(&symbol.to_le_bytes());
            self.bytes.extend_from_slice(&[0; 4]);
            self.bytes.extend_from_slice(&cell.0.to_le_bytes());
        }
        Cell::part(RECORD, offset, members.len())
    }

    /// Tags whose values stand in these bytes.
    pub(super) fn tags(&mut self, tags: &mut [(&[u8], Cell)]) -> Cell {
        if tags.is_empty() {
            return Cell::NONE;
        }
        tags.sort_unstable_by_key(|(key, _)| *key);
        let mut entries = Vec::with_capacity(tags.len() * MEMBER_BYTES);
        for (key, cell) in tags.iter() {
            let offset = self.push(key);
            entries.extend_from_slice(&(offset as u32).to_le_bytes());
            entries.extend_from_slice(&(key.len() as u32).to_le_bytes());
            entries.extend_from_slice(&cell.0.to_le_bytes());
        }
        let offset = self.push(&entries);
        Cell::part(TAGS, offset, tags.len())
    }

    /// Any value, whatever bytes it stands in now.
    pub(super) fn copy(&mut self, value: &Val<'_>) -> Cell {
        match value {
            Val::Bool(value) => Self::bool(*value),
            Val::Long(value) => self.number(LONG, *value),
            Val::String(text) => self.string(text),
            Val::Entity(uid) => Self::entity(*uid),
            Val::Set(set) => {
                let mut items: Vec<Cell> = set.iter().map(|item| self.copy(&item)).collect();
                self.set(&mut items)
            }
            Val::Record(record) => {
                let mut members: Vec<_> = record.iter().map(|(symbol, value)| (symbol, self.copy(&value))).collect();
                self.record(&mut members)
            }
            Val::Decimal(value) => self.number(DECIMAL, *value),
            Val::Datetime(value) => self.number(DATETIME, *value),
            Val::Duration(value) => self.number(DURATION, *value),
            Val::Ip(ip) => self.ip(ip),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(value: Val<'_>) {
        let mut tail = Tail::default();
        tail.string(b"something in front");
        let cell = tail.copy(&value);
        let back = cell.value(&tail.bytes).expect("a value");
        assert!(back.equals(&value), "{value:?} came back as {back:?}");
    }

    #[test]
    fn values_come_back_as_they_were() {
        for number in [
            0,
            1,
            -1,
            i64::MAX,
            i64::MIN,
            1 << 58,
            (1 << 58) - 1,
            -(1 << 58),
            -(1 << 58) - 1,
        ] {
            round_trip(Val::Long(number));
            round_trip(Val::Decimal(number));
            round_trip(Val::Datetime(number));
            round_trip(Val::Duration(number));
        }
        round_trip(Val::String("ä".as_bytes()));
        round_trip(Val::Set(Set::Made(&[])));
        round_trip(Val::Set(Set::Made(&[Val::Entity(Uid(3)), Val::Entity(Uid(9))])));
        round_trip(Val::Set(Set::Made(&[Val::Long(i64::MIN), Val::Long(2)])));
        round_trip(Val::Record(Record::Made(&[(1, Val::Bool(true)), (7, Val::String(b"x"))])));
        for (address, prefix) in [("10.0.0.0", 8), ("::1", 128), ("2001:db8::", 32)] {
            let address = address.parse().expect("an address");
            round_trip(Val::Ip(Ip { address, prefix }));
        }
    }

    #[test]
    fn an_empty_set_is_equal_to_any_other_empty_set() {
        let empty = Val::Set(Set::Made(&[]));
        let cells = Val::Set(Set::Cells { cells: &[], tail: &[] });
        assert!(empty.equals(&cells) && cells.equals(&empty));
    }

    #[test]
    fn tags_are_found_among_few_and_many_whatever_order_they_came_in() {
        for count in [0_i64, 1, 2, 3, 8, 9, 100, 1000] {
            let mut tail = Tail::default();
            // 7 has no divisor in common with any of the counts: each number comes once, and not in order.
            let numbers: Vec<i64> = (0..count).map(|turn| turn * 7 % count).collect();
            let keys: Vec<String> = numbers.iter().map(|number| format!("key {number}")).collect();
            let mut tags: Vec<_> = keys
                .iter()
                .zip(&numbers)
                .map(|(key, number)| (key.as_bytes(), tail.long(*number)))
                .collect();
            let cell = tail.tags(&mut tags);
            let tags = cell.tags(&tail.bytes);
            assert_eq!(tags.iter().count(), keys.len());
            for (key, number) in keys.iter().zip(&numbers) {
                let found = tags.get(key.as_bytes());
                assert!(
                    found.is_some_and(|found| found.equals(&Val::Long(*number))),
                    "{key} of {count}: {found:?}"
                );
            }
            for stranger in ["", "key", "key ", "key 00", "key 1000", "key 5x", "kez"] {
                assert!(tags.get(stranger.as_bytes()).is_none(), "{stranger} of {count}");
            }
        }
    }

    #[test]
    fn numbers_are_found_among_few_and_many() {
        for count in [0_u32, 1, 7, 8, 9, 33, 1000] {
            let sorted: Vec<u8> = (0..count).flat_map(|number| (number * 3).to_le_bytes()).collect();
            for number in 0..count * 3 + 2 {
                assert_eq!(has_number(&sorted, number), number % 3 == 0 && number < count * 3);
            }
        }
    }
}
