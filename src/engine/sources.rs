//! The texts that a snapshot is compiled from, and the hash that names them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::fault::Fault;
use super::options::Options;
use super::text::{Span, Text};

/// Everything that a snapshot is made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Cedar schemas: in Cedar's syntax, or in its JSON format if the name ends in `.json`.
    pub schema: Vec<Text>,
    /// Policies: `*.cedar` in Cedar's syntax; `*.json` as a policy set, one policy, or an array of template links.
    pub policies: Vec<Text>,
    /// Entities in Cedar's entity format: JSON arrays, or in a file that ends in `.jsonl` one entity a line.
    pub entities: Vec<Text>,
    /// More of the same, read one by one when they are needed, so that they are not all in memory at once.
    pub later: Vec<Later>,
    /// Files of entities that are what they were when the snapshot was compiled that this one grows from: names, and the
    /// SHA-256 of what they hold.
    pub kept: BTreeMap<Arc<str>, [u8; 32]>,
    /// Entities that were made from other documents, each with the place that it was made from: all of them, or with a
    /// [difference](Self::difference) those that are new or differ.
    pub records: Vec<Record>,
    /// What else is different from the entities that another snapshot has of such documents.
    pub difference: Option<Difference>,
    /// SHA-256 of the documents that all such entities come from: it stands for them in the revision. Without it, the
    /// revision comes from the records themselves, which have to be all.
    pub documents: Option<[u8; 32]>,
    /// Who is told how far reading has come.
    pub progress: Option<Progress>,
}

/// Is told how many files of entities have been read, and of how many.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(usize, usize) + Send + Sync>);

impl Progress {
    /// Tells it to this.
    pub fn new(tell: impl Fn(usize, usize) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(super) fn tell(&self, done: usize, all: usize) {
        (self.0)(done, all);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// A text that can be read when it is needed.
#[derive(Clone)]
pub struct Later {
    name: Arc<str>,
    read: Arc<ReadText>,
}

type ReadText = dyn Fn() -> Result<Text, Box<Fault>> + Send + Sync;

impl Later {
    /// A text of this name. `read` gives it, the same each time, or says why it cannot.
    pub fn new(name: Arc<str>, read: impl Fn() -> Result<Text, Box<Fault>> + Send + Sync + 'static) -> Self {
        Self {
            name,
            read: Arc::new(read),
        }
    }

    /// The text.
    pub(super) fn read(&self) -> Result<Text, Box<Fault>> {
        (self.read)()
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Later").field(&self.name).finish()
    }
}

/// One entity in Cedar's JSON format, and the text that it comes from.
#[derive(Clone, Debug)]
pub struct Record {
    /// `{"uid": …, "attrs": …, "parents": …}`.
    pub entity: serde_json::Value,
    /// The document it was made from.
    pub text: Text,
    /// Where in that document.
    pub span: Span,
}

/// What is different from the records of a snapshot, besides those that are new or differ.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// The [documents](Sources::documents) of that snapshot.
    pub from: Option<[u8; 32]>,
    /// Types and ids of the entities that are gone.
    pub gone: Vec<(String, String)>,
    /// Entities that are as they were, and stand elsewhere.
    pub moved: Vec<Moved>,
}

/// An entity that is as it was, and stands elsewhere.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The exact name of its type.
    pub entity_type: &'static str,
    /// Its id.
    pub id: Arc<str>,
    /// The document that it stands in.
    pub text: Text,
    /// Where in that document.
    pub span: Span,
}

impl Sources {
    /// The revision: 32 hexadecimal digits that are equal for equal content and options, in whatever order it came.
    ///
    /// Files that are kept, or read later, count with the hash that they had when they were read.
    pub(super) fn revision(&self, options: &Options, read: impl Fn(&str) -> Option<[u8; 32]>) -> String {
        let not_here = self.kept.keys().chain(self.later.iter().map(|later| &later.name));
        let mut parts: Vec<[u8; 32]> = not_here.filter_map(|name| Some(part("entities", name, &read(name)?))).collect();
        for (kind, texts) in [
            ("schema", &self.schema),
            ("policies", &self.policies),
            ("entities", &self.entities),
        ] {
            for text in texts {
                parts.push(part(kind, &text.name, &content_hash(text)));
            }
        }
        match &self.documents {
            Some(documents) => parts.push(part("documents", "", documents)),
            None => {
                for record in &self.records {
                    parts.push(part("record", "", &Sha256::digest(record.entity.to_string()).into()));
                }
            }
        }
        parts.sort_unstable();
        let mut hash = Sha256::new();
        hash.update(format!("{options:?}"));
        for part in parts {
            hash.update(part);
        }
        hex(&hash.finalize()[..16])
    }
}

/// SHA-256 of what a text holds.
pub(super) fn content_hash(text: &Text) -> [u8; 32] {
    Sha256::digest(text.content.as_bytes()).into()
}

/// The hash of one part. Lengths go in front, so that no two lists of parts give the same bytes.
fn part(kind: &str, name: &str, content: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for bytes in [kind.as_bytes(), name.as_bytes(), content] {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(policies: &[(&str, &str)]) -> Sources {
        Sources {
            policies: policies.iter().map(|(name, content)| Text::new(*name, *content)).collect(),
            ..Sources::default()
        }
    }

    #[test]
    fn the_revision_depends_on_content_names_and_options_but_not_on_order() {
        let options = Options::default();
        let ab = sources(&[("a", "1"), ("b", "2")]).revision(&options, |_| None);
        assert_eq!(ab, sources(&[("b", "2"), ("a", "1")]).revision(&options, |_| None));
        assert_ne!(ab, sources(&[("a", "2"), ("b", "1")]).revision(&options, |_| None));
        assert_ne!(ab, sources(&[("a", "12"), ("b", "")]).revision(&options, |_| None));
        let stricter = Options {
            level_max: 1,
            ..options
        };
        assert_ne!(ab, sources(&[("a", "1"), ("b", "2")]).revision(&stricter, |_| None));
    }
}
