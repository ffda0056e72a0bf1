//! What is left of a policy when one side of a question is known.
//!
//! What does not depend on the other side is evaluated once for a search, and its value stands in its place: a caller
//! whose context is long pays for it once, and not for each entity that is looked at. What is left holds, does not hold
//! and errs for every entity exactly as the whole does.

use super::super::evaluate::{Erred, Question};
use super::super::postings::is_same;
use super::super::program::{Binary, Node};
use super::super::value::{Record, Set, Tail, Val};

/// Whether an expression depends on the side that is looked for, which is the principal or the resource.
pub(super) fn is_open(node: &Node, sought: &Node) -> bool {
    if is_same(node, sought) {
        return true;
    }
    let mut open = false;
    node.each(&mut |child| open = open || is_open(child, sought));
    open
}

/// What is left of an expression; none if that is all of it.
pub(super) fn left_of<'q>(node: &'q Node, question: &Question<'q>, sought: &Node) -> Option<Node> {
    let half = Half { question, sought };
    half.weigh(node).has_work.then(|| half.part(node))
}

/// A question of which one side is known.
struct Half<'h, 'q> {
    /// The side that is looked for is nobody in it.
    question: &'h Question<'q>,
    sought: &'h Node,
}

#[derive(Clone, Copy)]
struct Weight {
    is_open: bool,
    /// Whether something in it can be evaluated that is more than a name.
    has_work: bool,
}

impl<'q> Half<'_, 'q> {
    fn weigh(&self, node: &Node) -> Weight {
        if is_same(node, self.sought) {
            return Weight {
                is_open: true,
                has_work: false,
            };
        }
        let (mut is_open, mut has_work) = (false, false);
        node.each(&mut |child| {
            let weight = self.weigh(child);
            is_open |= weight.is_open;
            has_work |= weight.has_work;
        });
        Weight {
            is_open,
            has_work: if is_open { has_work } else { !is_name(node) },
        }
    }

    fn is_open(&self, node: &Node) -> bool {
        is_open(node, self.sought)
    }

    fn part(&self, node: &'q Node) -> Node {
        if !self.is_open(node) {
            return self.settled(node);
        }
        match node {
            Node::And(links) => self.chain(links, false, Node::And),
            Node::Or(links) => self.chain(links, true, Node::Or),
            Node::If(parts) if !self.is_open(&parts[0]) => match self.question.test(&parts[0]) {
                Ok(true) => self.part(&parts[1]),
                Ok(false) => self.part(&parts[2]),
                Err(erred) => erring(erred),
            },
            node => node.map(&mut |child| self.part(child)),
        }
    }

    /// What is left of a chain that one value ends. A link that is known to have the other changes nothing.
    fn chain(&self, links: &'q [Node], end: bool, make: impl FnOnce(Box<[Node]>) -> Node) -> Node {
        let mut left = Vec::new();
        for link in links {
            if self.is_open(link) {
                left.push(self.part(link));
                continue;
            }
            match self.question.test(link) {
                Ok(value) if value != end => continue,
                Ok(_) => left.push(Node::Bool(end)),
                Err(erred) => left.push(erring(erred)),
            }
            break;
        }
        match left.len() {
            0 => Node::Bool(!end),
            1 => left.remove(0),
            _ => make(left.into()),
        }
    }

    /// The value of what is known.
    fn settled(&self, node: &'q Node) -> Node {
        if is_name(node) {
            return node.clone();
        }
        match self.question.value(node) {
            Err(erred) => erring(erred),
            Ok(value) => literal(&value).unwrap_or_else(|| self.named(node)),
        }
    }

    /// What leads to a value that stands somewhere and is not to be copied.
    fn named(&self, node: &'q Node) -> Node {
        match node {
            Node::If(parts) => match self.question.test(&parts[0]) {
                Ok(true) => self.settled(&parts[1]),
                Ok(false) => self.settled(&parts[2]),
                Err(erred) => erring(erred),
            },
            node => node.map(&mut |child| self.settled(child)),
        }
    }
}

/// Whether an expression is a literal, or just names a value.
fn is_name(node: &Node) -> bool {
    match node {
        Node::Attribute(of, _) => is_name(of),
        Node::Bool(_)
        | Node::Long(_)
        | Node::String(_)
        | Node::Entity(_)
        | Node::Constant(..)
        | Node::Principal
        | Node::Action
        | Node::Resource
        | Node::Context => true,
        _ => false,
    }
}

/// What has this value; none for sets and records that stand in the store or the request.
fn literal(value: &Val<'_>) -> Option<Node> {
    Some(match value {
        Val::Bool(value) => Node::Bool(*value),
        Val::Long(value) => Node::Long(*value),
        Val::String(text) => Node::String((*text).into()),
        Val::Entity(uid) => Node::Entity(*uid),
        Val::Set(Set::Entities(_) | Set::Cells { .. }) | Val::Record(Record::Stored { .. }) => return None,
        made => {
            let mut tail = Tail::default();
            let cell = tail.copy(made);
            Node::Constant(cell, tail.bytes.into())
        }
    })
}

/// What errs in this way.
fn erring(erred: Erred) -> Node {
    match erred {
        Erred::NoEntity(uid) => {
            Node::Binary(Binary::GetTag, Box::new([Node::Entity(uid), Node::String(Box::default())]))
        }
        // A truth value has no negative.
        Erred::Otherwise => Node::Negate(Box::new(Node::Bool(true))),
    }
}
