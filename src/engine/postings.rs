//! Where to look: the entities of each type in the order of their ids, and those of them that are in a group or have a
//! value, as far as policies ask for such.
//!
//! Lists stand under 64 bits of a hash of what they are lists of. Two that share a hash share a list, so a list may
//! hold too much and never too little: whoever uses one looks at each entity again.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, LazyLock};

use foldhash::HashMap;
use foldhash::quality::RandomState;

use super::decide::Effect;
use super::entity::EntityView;
use super::index::{Policy, Scope};
use super::ordered::Ordered;
use super::program::{Binary, Node};
use super::table::Table;
use super::value::{Uid, Val};
use super::vocabulary::{TypeIx, Vocabulary};

/// Parts of the table of lists.
const SHARDS: usize = 256;

const OF_TYPE: u32 = 0;
const MEMBER: u32 = 1;
const VALUE: u32 = 2;

/// What lists there are to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Demands {
    /// Types that can be looked for.
    types: BTreeSet<TypeIx>,
    /// Those whose ancestors matter.
    members: BTreeSet<TypeIx>,
    /// Attributes whose values matter.
    attributes: BTreeSet<(TypeIx, u32)>,
}

impl Demands {
    /// What searches with these policies can use.
    pub(super) fn of<'p>(policies: impl Iterator<Item = &'p Policy>, vocabulary: &Vocabulary) -> Self {
        let mut demands = Self::default();
        for action in &vocabulary.actions {
            demands.types.extend(action.principals.iter().chain(&action.resources));
        }
        // Only permits lead to what may be found.
        for policy in policies.filter(|policy| policy.info.effect == Effect::Permit) {
            let mut types = [BTreeSet::new(), BTreeSet::new()];
            for environment in policy.environments() {
                types[0].insert(environment.principal);
                types[1].insert(environment.resource);
            }
            let sides = [
                (policy.principal, Node::Principal, &types[0]),
                (policy.resource, Node::Resource, &types[1]),
            ];
            for (scope, variable, types) in sides {
                if matches!(scope, Scope::In(_)) {
                    demands.members.extend(types);
                }
                if let Some(node) = policy.body.as_ref().and_then(|body| body.compiled.as_ref()) {
                    demands.add(node, &variable, types);
                }
            }
        }
        demands
    }

    /// Adds what the steps of a policy ask of one side.
    fn add(&mut self, root: &Node, variable: &Node, types: &BTreeSet<TypeIx>) {
        let mut waiting = vec![root];
        // What is true or false by itself may be an attribute.
        self.add_attribute(root, variable, types);
        while let Some(node) = waiting.pop() {
            match node {
                Node::Binary(op, operands) => {
                    if matches!(op, Binary::In) && is_same(&operands[0], variable) {
                        self.members.extend(types);
                    }
                    if has_lists(*op) {
                        operands.iter().for_each(|operand| self.add_attribute(operand, variable, types));
                    }
                }
                Node::And(_) | Node::Or(_) | Node::If(_) => {
                    node.each(&mut |child| self.add_attribute(child, variable, types));
                }
                _ => {}
            }
            node.each(&mut |child| waiting.push(child));
        }
    }

    fn add_attribute(&mut self, node: &Node, variable: &Node, types: &BTreeSet<TypeIx>) {
        if let Node::Attribute(of, attribute) = node
            && is_same(of, variable)
        {
            let slots = types.iter().filter_map(|ty| Some((*ty, attribute.slot(*ty)? as u32)));
            self.attributes.extend(slots);
        }
    }

    pub(super) fn has_members(&self, ty: TypeIx) -> bool {
        self.members.contains(&ty)
    }

    pub(super) fn has_attribute(&self, ty: TypeIx, slot: usize) -> bool {
        self.attributes.contains(&(ty, slot as u32))
    }

    fn is_empty_for(&self, ty: TypeIx) -> bool {
        !self.types.contains(&ty)
    }

    /// The keys of the lists that an entity is in, sorted.
    fn keys(&self, view: EntityView<'_>) -> Vec<u64> {
        let ty = view.ty();
        if self.is_empty_for(ty) {
            return Vec::new();
        }
        let mut keys = vec![key_of_type(ty)];
        if self.members.contains(&ty) {
            keys.extend(view.ancestors().map(|group| key_of_members(ty, group)));
        }
        for (_, slot) in self.attributes.range((ty, 0)..=(ty, u32::MAX)) {
            let slot = *slot as usize;
            match view.attribute(slot) {
                Some(Val::Set(set)) => keys.extend(set.iter().filter_map(|item| key_of_value(ty, slot, &item))),
                Some(value) => keys.extend(key_of_value(ty, slot, &value)),
                None => {}
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// Whether an operator says that an attribute is a value or has one.
fn has_lists(op: Binary) -> bool {
    matches!(
        op,
        Binary::Equal | Binary::In | Binary::Contains | Binary::ContainsAll | Binary::ContainsAny
    )
}

/// Whether both are the principal, or both the resource.
pub(super) fn is_same(node: &Node, variable: &Node) -> bool {
    matches!(
        (node, variable),
        (Node::Principal, Node::Principal) | (Node::Resource, Node::Resource)
    )
}

/// Seeded for the process, so that nobody can choose values that collide.
fn hasher(kind: u32, ty: TypeIx) -> impl Hasher {
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    let mut hasher = STATE.build_hasher();
    hasher.write_u32(kind);
    hasher.write_u32(ty.0);
    hasher
}

/// The list of a type.
pub(super) fn key_of_type(ty: TypeIx) -> u64 {
    hasher(OF_TYPE, ty).finish()
}

/// The list of the entities of a type that are in a group.
pub(super) fn key_of_members(ty: TypeIx, group: Uid) -> u64 {
    let mut hasher = hasher(MEMBER, ty);
    hasher.write_u32(group.0);
    hasher.finish()
}

/// The list of the entities of a type whose attribute is a value, or is a set with it. None for values that have no
/// lists.
pub(super) fn key_of_value(ty: TypeIx, slot: usize, value: &Val<'_>) -> Option<u64> {
    let mut hasher = hasher(VALUE, ty);
    hasher.write_u32(slot as u32);
    match value {
        Val::Bool(value) => hasher.write_u8(u8::from(*value)),
        Val::Long(value) => hasher.write_i64(*value),
        Val::String(text) => hasher.write(text),
        Val::Entity(uid) => hasher.write_u32(uid.0),
        _ => return None,
    }
    Some(hasher.finish())
}

/// The lists.
#[derive(Clone)]
pub(super) struct Postings {
    pub(super) demands: Arc<Demands>,
    shards: Vec<Arc<HashMap<u64, Ordered>>>,
}

impl Default for Postings {
    fn default() -> Self {
        Self {
            demands: Arc::default(),
            shards: vec![Arc::default(); SHARDS],
        }
    }
}

/// An entity whose lists may have changed, with the keys that it had.
pub(super) type Leaving = (Uid, Vec<u64>);

impl Postings {
    pub(super) fn get(&self, key: u64) -> Option<&Ordered> {
        self.shards[shard_of(key)].get(&key)
    }

    /// The keys of the lists that an entity is in.
    pub(super) fn keys(&self, view: EntityView<'_>) -> Vec<u64> {
        self.demands.keys(view)
    }

    /// The lists of all entities.
    pub(super) fn new(table: &Table, demands: Arc<Demands>) -> Self {
        let wanted = table.iter().filter(|(_, view)| !demands.is_empty_for(view.ty()));
        let mut all: Vec<(&[u8], u32)> = wanted.map(|(uid, view)| (view.id(), uid.0)).collect();
        // Files are mostly written in this order.
        all.sort();
        let mut lists: HashMap<u64, Vec<u32>> = HashMap::default();
        for (_, number) in all {
            for key in demands.keys(table.view(Uid(number))) {
                lists.entry(key).or_default().push(number);
            }
        }
        let mut shards: Vec<HashMap<u64, Ordered>> = vec![HashMap::default(); SHARDS];
        for (key, numbers) in lists {
            shards[shard_of(key)].insert(key, Ordered::from_sorted(&numbers));
        }
        Self {
            demands,
            shards: shards.into_iter().map(Arc::new).collect(),
        }
    }

    /// Brings the lists to what the table has now.
    pub(super) fn follow(&mut self, table: &Table, changed: Vec<Leaving>) {
        let order = |a: u32, b: u32| {
            let id = |number| table.view(Uid(number)).id();
            id(a).cmp(id(b)).then(a.cmp(&b))
        };
        for (uid, before) in changed {
            let now = table.entity(uid).map(|view| self.demands.keys(view)).unwrap_or_default();
            for key in before.iter().filter(|key| now.binary_search(key).is_err()) {
                let shard = Arc::make_mut(&mut self.shards[shard_of(*key)]);
                if let Some(list) = shard.get_mut(key) {
                    list.remove(uid.0, &order);
                    if list.len() == 0 {
                        shard.remove(key);
                    }
                }
            }
            for key in now.iter().filter(|key| before.binary_search(key).is_err()) {
                let shard = Arc::make_mut(&mut self.shards[shard_of(*key)]);
                shard.entry(*key).or_default().insert(uid.0, &order);
            }
        }
    }
}

fn shard_of(key: u64) -> usize {
    (key >> 48) as usize % SHARDS
}
