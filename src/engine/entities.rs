//! The entity store: every entity with all its ancestors, checked against the schema and each other.
//!
//! A file is the unit of reading again. A store grows from the one before it: only files that changed are read, and only
//! entities that differ are replaced; what comes out is what reading everything anew would give, but for the numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::entities_errors::EntitiesError;
use cedar_policy::{Entity as PublicEntity, Schema};
use foldhash::{HashMap, HashSet};

use super::bridge::{Numbers, from_cedar, number_of};
use super::convert::{Origin as ValueOrigin, Reader, Required};
use super::core::{self, Entity as CoreEntity, PartialValue};
use super::entity::{EntityView, Parts};
use super::fault::Fault;
use super::json::{Json, JsonError};
use super::options::{Options, UnknownParents};
use super::policies::{FILE_DEPTH_MAX, json_fault};
use super::postings::{Demands, Leaving, Postings};
use super::query::Part;
use super::sources::{Sources, content_hash};
use super::table::{Editor, Origin, Table};
use super::text::{Place, Span, Text};
use super::value::{Cell, Tail, Uid};
use super::vocabulary::{TypeEntry, TypeIx, Vocabulary};

/// The entities of a snapshot.
#[derive(Clone, Default)]
pub(super) struct EntityStore {
    pub(super) table: Table,
    /// What was read from each file of entities.
    files: BTreeMap<Arc<str>, Arc<FileRead>>,
    /// Whether any were made from other documents.
    has_records: bool,
    /// Names of files, by the numbers in origins.
    file_names: Vec<Arc<str>>,
    counts: Vec<usize>,
    /// Whether nothing was left out or passed over, so that the next store can grow from this one.
    clean: bool,
    /// How many names had numbers when everything was read anew.
    names_when_fresh: usize,
    /// And how many files.
    file_names_when_fresh: usize,
    /// Some entities of each type, what changed last in front: what policies are tried on before they go live.
    pub(super) sample: HashMap<TypeIx, Vec<Uid>>,
    /// What searches go through.
    pub(super) postings: Postings,
}

/// How many entities of a type a sample has.
const SAMPLE_MAX: usize = 10_000;

/// What one file gave.
struct FileRead {
    hash: [u8; 32],
    uids: Box<[Uid]>,
}

impl EntityStore {
    /// How many entities there are, those of actions not counted.
    pub(super) fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    /// How many there are of each type.
    pub(super) fn count_by_type(&self, vocabulary: &Vocabulary) -> BTreeMap<String, usize> {
        let counts = self.counts.iter().zip(&vocabulary.types).filter(|(count, _)| **count > 0);
        counts.map(|(count, entry)| (entry.name.clone(), *count)).collect()
    }

    /// All entities of a type, by number.
    pub(super) fn of_type(&self, ty: TypeIx) -> impl Iterator<Item = (Uid, EntityView<'_>)> {
        self.table.iter().filter(move |(_, view)| view.ty() == ty)
    }

    /// Whether a store can grow from this one.
    pub(super) fn can_grow(&self) -> bool {
        // Names that nothing uses any more keep their numbers; at some point starting over is cheaper.
        self.clean
            && self.table.names() < 2 * self.names_when_fresh + 4096
            && self.file_names.len() < 2 * self.file_names_when_fresh + 4096
    }

    /// The file and line that an entity of the store was read from.
    pub(super) fn place(&self, uid: Uid) -> Option<(&str, u32)> {
        self.table.entity(uid)?;
        let origin = self.table.origin(uid);
        Some((self.file_names.get(origin.file as usize)?, origin.line))
    }

    /// The files that the store has read, with their hashes.
    pub(super) fn file_hashes(&self) -> impl Iterator<Item = (Arc<str>, [u8; 32])> {
        self.files.iter().map(|(name, file)| (name.clone(), file.hash))
    }

    /// The hash of a file, if the store has read it.
    pub(super) fn file_hash(&self, name: &str) -> Option<[u8; 32]> {
        self.files.get(name).map(|file| file.hash)
    }
}

impl Numbers for Editor {
    fn number(&mut self, ty: TypeIx, id: &str) -> Uid {
        Self::number(self, ty, id)
    }
}

/// Entities that are read, checked and linked; numbers can still be given out.
pub(super) struct EntitiesRead {
    pub(super) editor: Editor,
    store: EntityStore,
}

impl EntitiesRead {
    /// The store, with the lists that are asked for.
    pub(super) fn finish(self, demands: Arc<Demands>) -> EntityStore {
        let Self { editor, mut store } = self;
        let touched = editor.touched();
        // Where much has changed, making the lists anew costs less.
        let follows = store.postings.demands == demands && touched.len() < editor.names() as usize / 4;
        let leaving: Vec<Leaving> = if follows {
            let keys = |uid: Uid| editor.before(uid).map(|view| store.postings.keys(view)).unwrap_or_default();
            touched.into_iter().map(|uid| (uid, keys(uid))).collect()
        } else {
            Vec::new()
        };
        let mut changed: HashMap<TypeIx, Vec<Uid>> = HashMap::default();
        for uid in editor.changed() {
            let view = editor.view(uid);
            let of_type = changed.entry(view.ty()).or_default();
            if view.exists() && of_type.len() < SAMPLE_MAX {
                of_type.push(uid);
            }
        }
        store.table = editor.finish();
        if follows {
            store.postings.follow(&store.table, leaving);
        } else {
            store.postings = Postings::new(&store.table, demands);
        }
        if store.names_when_fresh == 0 {
            store.names_when_fresh = store.table.names();
            store.file_names_when_fresh = store.file_names.len();
        }
        for (ty, mut of_type) in changed {
            let known = store.sample.remove(&ty).unwrap_or_default();
            let new: HashSet<Uid> = of_type.iter().copied().collect();
            let still = known.into_iter().filter(|uid| !new.contains(uid) && store.table.entity(*uid).is_some());
            of_type.extend(still.take(SAMPLE_MAX - new.len()));
            store.sample.insert(ty, of_type);
        }
        store
    }
}

/// Reads, checks and links all entities; faults are added to `faults`.
///
/// `before` must be a store of the same schema and options that [can grow](EntityStore::can_grow).
pub(super) fn read(
    sources: &Sources,
    schema: &Schema,
    vocabulary: &Vocabulary,
    options: &Options,
    before: Option<&EntityStore>,
    faults: &mut Vec<Fault>,
) -> EntitiesRead {
    let faults_before = faults.len();
    let mut store = before.cloned().unwrap_or_default();
    let numbered = || store.file_names.iter().cloned().zip(0..);
    let others = numbered().filter(|(name, _)| store.has_records && !store.files.contains_key(name));
    let mut task = Task {
        documents: others.map(|(_, number)| number).collect(),
        file_numbers: numbered().collect(),
        schema,
        vocabulary,
        options,
        editor: Editor::new(std::mem::take(&mut store.table)),
        file_names: std::mem::take(&mut store.file_names),
        seen: HashSet::default(),
        fresh: before.is_none(),
        leaving: HashSet::default(),
        changed_above: before.is_none(),
        faults,
        tail: Tail::default(),
        scratch: Vec::new(),
    };
    if before.is_none() {
        task.actions();
    }
    task.forget(&store, sources);
    task.forget_records(&store, sources);
    let kept = &sources.kept;
    store.files.retain(|name, _| kept.contains_key(name));
    let all = sources.entities.len() + sources.later.len();
    let mut done = 0;
    let mut one_more = || {
        done += 1;
        if let Some(progress) = &sources.progress {
            progress.tell(done, all);
        }
    };
    for text in &sources.entities {
        store.files.insert(text.name.clone(), task.file(text));
        one_more();
    }
    for later in &sources.later {
        match later.read() {
            Ok(text) => {
                let known = task.faults.len();
                store.files.insert(text.name.clone(), task.file(&text));
                // The text goes now; what is wrong with it has to be told with it.
                task.faults[known..].iter_mut().for_each(|fault| show(fault, std::iter::once(&text)));
            }
            Err(fault) => task.faults.push(*fault),
        }
        one_more();
    }
    task.records(sources);
    store.has_records = !sources.records.is_empty() || sources.difference.is_some() && store.has_records;
    task.take_away();
    task.link();
    task.close();
    store.counts = task.counts(before);
    store.file_names = task.file_names;
    let editor = task.editor;
    for fault in &mut faults[faults_before..] {
        let texts = sources.entities.iter().chain(sources.records.iter().map(|record| &record.text));
        show(fault, texts);
    }
    store.clean = !faults[faults_before..].iter().any(|fault| fault.code.starts_with("entity-"));
    EntitiesRead { editor, store }
}

/// Gives a fault the text that its place is in, so that the line can be shown.
fn show<'t>(fault: &mut Fault, mut texts: impl Iterator<Item = &'t Text>) {
    let (Some(place), None) = (&fault.place, &fault.text) else { return };
    fault.text = texts.find(|text| text.name == place.file).cloned();
}

/// Reading under way.
struct Task<'t> {
    file_numbers: HashMap<Arc<str>, u32>,
    /// Which of the files before were no files of entities.
    documents: HashSet<u32>,
    schema: &'t Schema,
    vocabulary: &'t Vocabulary,
    options: &'t Options,
    editor: Editor,
    file_names: Vec<Arc<str>>,
    /// What of that was found again.
    seen: HashSet<Uid>,
    /// Whether there is no store to grow from.
    fresh: bool,
    /// What was in the files that are read again or gone.
    leaving: HashSet<Uid>,
    /// Whether an entity that others can be in has changed its parents, has come or has gone.
    changed_above: bool,
    faults: &'t mut Vec<Fault>,
    tail: Tail,
    scratch: Vec<u8>,
}

impl Task<'_> {
    /// Actions stand in the table as well, with their groups, so that they can be asked about like anything else.
    fn actions(&mut self) {
        let vocabulary = self.vocabulary;
        for action in &vocabulary.actions {
            // INVARIANT: the table is empty, so that actions get the numbers that the vocabulary says.
            let uid = number_of(&action.uid, vocabulary, &mut self.editor);
            debug_assert_eq!(uid, Some(action.number));
        }
        for action in &vocabulary.actions {
            let mut groups: Vec<Uid> = action
                .entity
                .ancestors()
                .filter_map(|group| number_of(group, vocabulary, &mut self.editor))
                .collect();
            groups.sort_unstable();
            let view = self.editor.view(action.number);
            let (ty, id) = (view.ty(), view.id().to_owned());
            let parts = Parts {
                ty,
                id: &id,
                exists: true,
                cells: &[],
                parents: &groups,
                above: &[],
                depth: 1,
                tail: &[],
            };
            self.editor.put(action.number, &parts, Origin::default());
        }
    }

    /// Notes what may go: what came from files that are no longer there, or are read again.
    fn forget(&mut self, store: &EntityStore, sources: &Sources) {
        for (name, file) in &store.files {
            if !sources.kept.contains_key(name) {
                self.leaving.extend(file.uids.iter().copied());
            }
        }
    }

    /// The same for what was made from other documents: all of it, or what differs.
    fn forget_records(&mut self, store: &EntityStore, sources: &Sources) {
        if !store.has_records {
            return;
        }
        let Some(difference) = &sources.difference else {
            let all = (0..self.editor.names()).map(Uid);
            let records: Vec<Uid> = all.filter(|uid| self.is_record(*uid)).collect();
            self.leaving.extend(records);
            return;
        };
        let put = sources.records.iter().filter_map(|record| {
            let uid = &record.entity["uid"];
            uid["type"].as_str().zip(uid["id"].as_str())
        });
        let gone = difference.gone.iter().map(|(ty, id)| (ty.as_str(), id.as_str()));
        for (ty, id) in put.chain(gone) {
            if let Some(uid) = self.known(ty, id).filter(|uid| self.is_record(*uid)) {
                self.leaving.insert(uid);
            }
        }
        for moved in &difference.moved {
            let known = self.known(moved.entity_type, &moved.id).filter(|uid| self.is_record(*uid));
            if let Some(uid) = known {
                let origin = self.origin(&moved.text, moved.span);
                self.editor.move_to(uid, origin);
            }
        }
    }

    /// The number of an entity that was there before.
    fn known(&self, ty: &str, id: &str) -> Option<Uid> {
        let (ty, _) = self.vocabulary.entity_type(ty)?;
        self.editor.find(ty, id)
    }

    /// Whether an entity that was there before was made from another document.
    fn is_record(&self, uid: Uid) -> bool {
        let view = self.editor.view(uid);
        let is_entity = view.exists() && self.vocabulary.entity_type_entry(view.ty()).is_some();
        is_entity && self.documents.contains(&self.editor.origin(uid).file)
    }

    fn origin(&mut self, text: &Text, span: Span) -> Origin {
        let place = text.place(span);
        Origin {
            file: self.file_number(text),
            line: place.line as u32,
            column: place.column as u32,
            offset: span.offset as u32,
        }
    }

    fn file_number(&mut self, text: &Text) -> u32 {
        let names = &mut self.file_names;
        *self.file_numbers.entry(text.name.clone()).or_insert_with(|| {
            names.push(text.name.clone());
            names.len() as u32 - 1
        })
    }

    /// Reads one file.
    fn file(&mut self, text: &Text) -> Arc<FileRead> {
        let hash = content_hash(text);
        let uids = self.file_uids(text);
        Arc::new(FileRead { hash, uids })
    }

    fn file_uids(&mut self, text: &Text) -> Box<[Uid]> {
        let mut cursor = Cursor::new(self.file_number(text));
        let mut uids = Vec::new();
        if text.name.ends_with(".jsonl") {
            for line in text.content.lines().filter(|line| !line.trim().is_empty()) {
                uids.extend(self.raw(line.trim(), text, &mut cursor));
            }
            return uids.into();
        }
        let mut reader = serde_json::Deserializer::from_str(&text.content);
        let each = Each(|raw: &str| uids.extend(self.raw(raw, text, &mut cursor)));
        let read = serde::Deserializer::deserialize_seq(&mut reader, each).and_then(|()| reader.end());
        if let Err(error) = read {
            self.faults.push(json_fault("entity-syntax", text, &JsonError::from_serde(&error)));
        }
        uids.into()
    }

    /// Reads one entity of a text.
    fn raw(&mut self, raw: &str, text: &Text, cursor: &mut Cursor) -> Option<Uid> {
        let span = text.span_of(raw);
        let origin = cursor.at(text, span.offset);
        let json = match Json::read(raw.as_bytes(), FILE_DEPTH_MAX) {
            Ok(json) => json,
            Err(error) => {
                // Where it is in the file is what counts, not where in the entity.
                let (message, _) = error.message.split_once(" at line ").unwrap_or((&error.message, ""));
                let offset = span.offset + error.offset(raw);
                self.faults.push(
                    Fault::error("entity-syntax", format!("not valid JSON: {message}")).at(text, Span::new(offset, 1)),
                );
                return None;
            }
        };
        let schema = self.schema;
        self.entity(&json, text, span, origin, || {
            PublicEntity::from_json_str(raw, Some(schema)).map_err(Box::new)
        })
    }

    /// Reads the entities that were made from other documents.
    fn records(&mut self, sources: &Sources) {
        for record in &sources.records {
            let origin = self.origin(&record.text, record.span);
            let json = Json::from(&record.entity);
            let schema = self.schema;
            let slowly = || PublicEntity::from_json_value(record.entity.clone(), Some(schema)).map_err(Box::new);
            self.entity(&json, &record.text, record.span, origin, slowly);
        }
    }

    /// Takes one entity: by our own reader if it is in the plainest form, by Cedar's if not.
    fn entity(
        &mut self,
        json: &Json<'_>,
        text: &Text,
        span: Span,
        origin: Origin,
        slowly: impl FnOnce() -> Result<PublicEntity, Box<EntitiesError>>,
    ) -> Option<Uid> {
        self.tail.clear();
        let read = match self.plain(json) {
            Some(read) => read,
            None => {
                let entity = match slowly() {
                    Ok(entity) => core::entity(&entity).clone(),
                    Err(error) => {
                        self.faults.push(Fault::from_cedar("entity", &*error, None).at(text, span));
                        return None;
                    }
                };
                if entity.uid().is_action() {
                    self.faults.push(
                        Fault::error("entity-action", format!("`{}` is an action", entity.uid()))
                            .at(text, span)
                            .help("actions are declared in the schema, with their groups; remove this entity"),
                    );
                    return None;
                }
                self.tail.clear();
                match self.cedars(&entity) {
                    Some(read) => read,
                    None => {
                        let message = format!("`{}` has a value that the schema does not know", entity.uid());
                        self.faults.push(Fault::error("entity", message).at(text, span));
                        return None;
                    }
                }
            }
        };
        self.take(&read, text, span, origin)
    }

    /// An entity in the plainest form: what the schema declares, by its exact names.
    fn plain(&mut self, json: &Json<'_>) -> Option<EntityRead> {
        let Json::Object(members) = json else { return None };
        let (mut uid, mut attributes, mut parents, mut tags) = (None, None, None, None);
        for (name, value) in members {
            match &**name {
                "uid" => uid = Some(value),
                "attrs" => attributes = Some(value),
                "parents" => parents = Some(value),
                "tags" => tags = Some(value),
                _ => return None,
            }
        }
        let vocabulary = self.vocabulary;
        let (ty, entry, id) = exact_name(uid?, vocabulary)?;
        let Some(Json::Array(parents)) = parents else { return None };
        let mut above = Vec::with_capacity(parents.len());
        for parent in parents {
            let (parent_type, _, parent_id) = exact_name(parent, vocabulary)?;
            if !entry.above.contains(&parent_type) {
                return None;
            }
            above.push(self.editor.number(parent_type, parent_id));
        }
        let mut cells = vec![Cell::NONE; entry.fields.len() + 1];
        let mut reader = Reader::new(vocabulary, ValueOrigin::File, Part::Resource, &mut self.editor, &mut self.tail);
        for (slot, _, cell) in reader.members(Some(attributes?), &entry.fields, Required::Yes).ok()? {
            cells[slot] = cell;
        }
        match (tags, &entry.tags) {
            (None, _) => {}
            (Some(Json::Object(tags)), _) if tags.is_empty() => {}
            (Some(Json::Object(tags)), Some(shape)) => {
                let mut read = Vec::with_capacity(tags.len());
                for (key, value) in tags {
                    read.push((key.as_bytes(), reader.value(value, shape).ok()?));
                }
                cells[entry.fields.len()] = self.tail.tags(&mut read);
            }
            _ => return None,
        }
        Some(EntityRead::new(self.editor.number(ty, id), ty, id, cells, above))
    }

    /// An entity that Cedar has read.
    fn cedars(&mut self, entity: &CoreEntity) -> Option<EntityRead> {
        let vocabulary = self.vocabulary;
        let mut symbols = vocabulary.symbols.clone();
        let ty = vocabulary.type_of(entity.uid().entity_type())?;
        let entry = vocabulary.type_entry(ty);
        let mut cells = vec![Cell::NONE; entry.fields.len() + 1];
        for (name, value) in entity.attrs() {
            let (slot, _) = entry.fields.find(name)?;
            let PartialValue::Value(value) = value else { return None };
            cells[slot] = from_cedar(value, vocabulary, &mut symbols, &mut self.editor, &mut self.tail)?;
        }
        let mut tags = Vec::new();
        for (key, value) in entity.tags() {
            let PartialValue::Value(value) = value else { return None };
            let cell = from_cedar(value, vocabulary, &mut symbols, &mut self.editor, &mut self.tail)?;
            tags.push((key.as_bytes(), cell));
        }
        cells[entry.fields.len()] = self.tail.tags(&mut tags);
        let mut parents = Vec::new();
        for parent in entity.parents() {
            parents.push(number_of(parent, vocabulary, &mut self.editor)?);
        }
        let id: &str = entity.uid().eid().as_ref();
        Some(EntityRead::new(self.editor.number(ty, id), ty, id, cells, parents))
    }

    /// Puts an entity into the table, unless it is there already.
    fn take(&mut self, read: &EntityRead, text: &Text, span: Span, origin: Origin) -> Option<Uid> {
        if self.tail.is_too_long() {
            let fault = Fault::error("entity", format!("{} is larger than a gigabyte", self.name(read.uid)));
            self.faults.push(fault.at(text, span));
            return None;
        }
        let parts = Parts {
            ty: read.ty,
            id: read.id.as_bytes(),
            exists: true,
            cells: &read.cells,
            parents: &read.parents,
            above: &[],
            depth: 1,
            tail: &self.tail.bytes,
        };
        self.scratch.clear();
        parts.write(&mut self.scratch);
        let now = EntityView::new(&self.scratch);
        let there = self.editor.view(read.uid);
        // What stands there is another file's, or was read a moment ago.
        let leaves = || self.leaving.contains(&read.uid) && !self.seen.contains(&read.uid);
        let taken = there.exists() && !leaves();
        if taken {
            let same = there.is_same(&now);
            let first = self.place(self.editor.origin(read.uid));
            // Had everything been read anew, the files of entities would have been first.
            let is_record = !self.fresh && !self.seen.contains(&read.uid) && self.is_record(read.uid);
            let name = self.name(read.uid);
            let fault = |what: &str| {
                let fault = Fault::error("entity-duplicate", format!("{name} is here twice, {what}")).at(text, span);
                if is_record {
                    let earlier = text.place(span);
                    Fault {
                        place: Some(first.clone()),
                        text: None,
                        ..fault
                    }
                    .and_at(earlier, "the first is here")
                } else {
                    fault.and_at(first.clone(), "the first is here")
                }
            };
            self.faults.push(if same {
                fault("both times the same").into_warning()
            } else {
                fault("with different content").help("keep one of the two")
            });
            return None;
        }
        if self.leaving.contains(&read.uid) {
            self.seen.insert(read.uid);
        }
        if there.exists() && there.is_same(&now) {
            self.editor.move_to(read.uid, origin);
        } else {
            let moves = !there.exists() || !there.parents().eq(now.parents());
            // Whatever is in an entity whose name is new has been read a moment ago, and is looked at anyway.
            let may_hold = self.editor.is_old(read.uid) && self.vocabulary.type_entry(read.ty).holds;
            self.changed_above |= moves && may_hold;
            self.editor.put(read.uid, &parts, origin);
        }
        Some(read.uid)
    }

    /// Takes away what was in a file before and is no longer.
    fn take_away(&mut self) {
        let gone: Vec<Uid> = self.leaving.iter().filter(|uid| !self.seen.contains(uid)).copied().collect();
        for uid in gone {
            let view = self.editor.view(uid);
            self.changed_above |= self.vocabulary.entity_type_entry(view.ty()).is_some_and(|entry| entry.holds);
            self.editor.remove(uid);
        }
    }

    /// Looks for parents that are nowhere: they are faults, or left out with a warning.
    fn link(&mut self) {
        let all: Vec<Uid> = if self.changed_above && !self.fresh {
            (0..self.editor.names()).map(Uid).collect()
        } else {
            self.editor.changed()
        };
        for uid in all {
            let view = self.editor.view(uid);
            if !view.exists() {
                continue;
            }
            let is_known = |parent: &Uid| {
                let view = self.editor.view(*parent);
                let entry = self.vocabulary.entity_type_entry(view.ty());
                view.exists() || entry.is_some_and(|entry| entry.choices.is_some())
            };
            if view.parents().all(|parent| is_known(&parent)) {
                continue;
            }
            let (known, unknown): (Vec<Uid>, Vec<Uid>) = view.parents().partition(is_known);
            let mut names: Vec<String> = unknown.iter().map(|uid| self.name(*uid)).collect();
            names.sort();
            for parent in names {
                let origin = self.editor.origin(uid);
                let mut fault = Fault::error(
                    "entity-unknown-parent",
                    format!("{} has the parent {parent}, which is nowhere", self.name(uid)),
                );
                fault.place = Some(self.place(origin));
                self.faults.push(match self.options.unknown_parents {
                    UnknownParents::Refuse => fault.help("add that entity, or remove the parent"),
                    UnknownParents::Drop => fault.help("the parent is left out and grants nothing").into_warning(),
                });
            }
            self.editor.keep_parents(uid, &known);
        }
    }

    fn place(&self, origin: Origin) -> Place {
        Place {
            file: self.file_names.get(origin.file as usize).cloned().unwrap_or_else(|| "".into()),
            line: origin.line as usize,
            column: origin.column as usize,
            span: Span::new(origin.offset as usize, 0),
        }
    }

    /// The name of an entity as messages show it.
    fn name(&self, uid: Uid) -> String {
        let view = self.editor.view(uid);
        let id = String::from_utf8_lossy(view.id());
        format!("`{}::\"{}\"`", self.vocabulary.cedar_type(view.ty()), id.escape_debug())
    }

    /// Gives every entity all its ancestors. Cedar's own closure recurses, and a chain of some thousands of parents
    /// would end the process; this one keeps its own stack, and refuses cycles and chains beyond the limit.
    fn close(&mut self) {
        let everything = self.changed_above;
        let targets: Vec<Uid> = if everything {
            (0..self.editor.names()).map(Uid).collect()
        } else {
            self.editor.changed()
        };
        let mut closure = Closure {
            everything,
            done: HashMap::default(),
            deepest: None,
        };
        for target in targets {
            let view = self.editor.view(target);
            if view.exists() && self.vocabulary.entity_type_entry(view.ty()).is_some() {
                self.close_one(target, &mut closure);
            }
        }
        if let Some((uid, depth)) = closure.deepest
            && depth > self.options.ancestor_depth_max + 1
        {
            let mut fault = Fault::error(
                "entity-depth",
                format!(
                    "{} has a chain of {} ancestors, and the limit is {}",
                    self.name(uid),
                    depth - 1,
                    self.options.ancestor_depth_max
                ),
            )
            .help("flatten the groups, or raise `ancestor_depth_max` under `[limits]`");
            fault.place = Some(self.place(self.editor.origin(uid)));
            self.faults.push(fault);
        }
    }

    fn close_one(&mut self, target: Uid, closure: &mut Closure) {
        if closure.done.contains_key(&target) {
            return;
        }
        let mut open = HashSet::from_iter([target]);
        // Each frame is an entity and its parents that have not been looked at.
        let mut path: Vec<(Uid, Vec<Uid>)> = vec![(target, self.editor.view(target).parents().collect())];
        while let Some((child, waiting)) = path.last_mut() {
            let child = *child;
            if let Some(parent) = waiting.pop() {
                let view = self.editor.view(parent);
                let settled = !view.exists() || !closure.everything && !self.editor.is_changed(parent);
                if settled || closure.done.contains_key(&parent) {
                    continue;
                }
                if !open.insert(parent) {
                    let mut members: Vec<Uid> =
                        path.iter().map(|(uid, _)| *uid).skip_while(|uid| *uid != parent).collect();
                    let first = (0..members.len()).min_by_key(|index| {
                        let origin = self.editor.origin(members[*index]);
                        (origin.file, origin.offset)
                    });
                    members.rotate_left(first.unwrap_or(0));
                    self.faults.push(self.cycle(&members));
                    continue;
                }
                path.push((parent, view.parents().collect()));
            } else {
                path.pop();
                open.remove(&child);
                self.settle(child, closure);
            }
        }
    }

    /// Sets the ancestors of an entity whose parents have theirs.
    fn settle(&mut self, uid: Uid, closure: &mut Closure) {
        let view = self.editor.view(uid);
        let mut all: Vec<Uid> = Vec::new();
        let mut depth = 1;
        for parent in view.parents() {
            match closure.done.get(&parent) {
                Some((ancestors, parent_depth)) => {
                    all.extend_from_slice(ancestors);
                    depth = depth.max(1 + parent_depth);
                }
                None => {
                    let view = self.editor.view(parent);
                    if view.exists() {
                        all.extend(view.ancestors());
                        depth = depth.max(1 + view.depth());
                    }
                }
            }
        }
        let holds = self.vocabulary.entity_type_entry(view.ty()).is_some_and(|entry| entry.holds);
        if depth > self.options.ancestor_depth_max + 1 {
            // Refused in any case: the lists of a chain of thousands would fill the memory.
            all.clear();
        }
        if closure.deepest.is_none_or(|(_, deepest)| depth > deepest) {
            closure.deepest = Some((uid, depth));
        }
        if !holds && all.is_empty() && !view.has_more_than_parents() {
            return;
        }
        all.sort_unstable();
        all.dedup();
        all.retain(|ancestor| !view.has_parent(*ancestor));
        // Only what others can be in is asked for its depth.
        self.editor.set_above(uid, &all, if holds { depth } else { 1 });
        if holds {
            all.extend(self.editor.view(uid).parents());
            closure.done.insert(uid, (all.into(), depth));
        }
    }

    fn cycle(&self, members: &[Uid]) -> Fault {
        let mut shown: Vec<String> = members.iter().chain(members.first()).map(|uid| self.name(*uid)).collect();
        // A cycle of a thousand is named by its ends.
        if shown.len() > 12 {
            let last = shown.split_off(shown.len() - 5);
            shown.truncate(6);
            shown.push("…".to_owned());
            shown.extend(last);
        }
        let mut fault = Fault::error(
            "entity-cycle",
            format!("a cycle of {} parents: {}", members.len(), shown.join(" in ")),
        )
        .help("no entity can be in itself: remove one of these parents");
        fault.place = members.first().map(|uid| self.place(self.editor.origin(*uid)));
        fault
    }

    /// How many entities there are of each type.
    fn counts(&self, before: Option<&EntityStore>) -> Vec<usize> {
        let mut counts = match before {
            Some(before) => before.counts.clone(),
            None => vec![0; self.vocabulary.types.len()],
        };
        for uid in self.editor.changed() {
            let now = self.editor.view(uid);
            let Some(count) = counts.get_mut(now.ty().0 as usize) else { continue };
            *count += usize::from(now.exists());
            *count -= usize::from(self.editor.before(uid).is_some());
        }
        counts
    }
}

/// What is known of ancestors so far.
struct Closure {
    /// Whether all entities get their ancestors anew, or only those that changed.
    everything: bool,
    /// Ancestors and depth, of those that others can be in.
    done: HashMap<Uid, (Box<[Uid]>, usize)>,
    deepest: Option<(Uid, usize)>,
}

/// Goes through a text from front to back and says where it is: a machine may write a million entities in one line.
struct Cursor {
    at: Origin,
}

impl Cursor {
    fn new(file: u32) -> Self {
        Self {
            at: Origin {
                file,
                line: 1,
                column: 1,
                offset: 0,
            },
        }
    }

    fn at(&mut self, text: &Text, offset: usize) -> Origin {
        let passed = text.content.get(self.at.offset as usize..offset).unwrap_or_default();
        if let Some(newline) = passed.rfind('\n') {
            self.at.line += passed.bytes().filter(|byte| *byte == b'\n').count() as u32;
            self.at.column = 1 + passed[newline + 1..].chars().count() as u32;
        } else {
            self.at.column += passed.chars().count() as u32;
        }
        self.at.offset = offset as u32;
        self.at
    }
}

/// An entity as it was read; its values stand in the tail.
struct EntityRead {
    uid: Uid,
    ty: TypeIx,
    id: Box<str>,
    cells: Vec<Cell>,
    parents: Vec<Uid>,
}

impl EntityRead {
    fn new(uid: Uid, ty: TypeIx, id: &str, cells: Vec<Cell>, mut parents: Vec<Uid>) -> Self {
        parents.sort_unstable();
        parents.dedup();
        Self {
            uid,
            ty,
            id: id.into(),
            cells,
            parents,
        }
    }
}

/// `{"type": …, "id": …}` with the exact name of a type and an id that it can have.
fn exact_name<'j, 'v>(json: &'j Json<'_>, vocabulary: &'v Vocabulary) -> Option<(TypeIx, &'v TypeEntry, &'j str)> {
    let Json::Object(members) = json else { return None };
    let [(first, one), (second, other)] = members.as_slice() else { return None };
    let (name, id) = match (&**first, &**second) {
        ("type", "id") => (one, other),
        ("id", "type") => (other, one),
        _ => return None,
    };
    let (Json::String(name), Json::String(id)) = (name, id) else { return None };
    let (ty, entry) = vocabulary.entity_type(name)?;
    (entry.name == *name && entry.admits(id)).then_some((ty, entry, id))
}

/// Calls a function with the text of each item of an array.
struct Each<F>(F);

impl<'de, F: FnMut(&'de str)> serde::de::Visitor<'de> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of entities")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(raw) = items.next_element::<&'de serde_json::value::RawValue>()? {
            (self.0)(raw.get());
        }
        Ok(())
    }
}
