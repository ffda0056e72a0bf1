//! The one writer of the live generation.
//!
//! It sleeps until a hint, a command or the time for a sweep; waits until the files are quiet; reads them; and if they
//! are not what it read last, compiles and publishes them, or says why not. It never queues: whatever happens while it
//! works is one more look afterwards.

mod orders;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use super::compile::{self, Compiled, Grows};
use super::files::{self, Closely, FileLimits, Seen, Tree};
use super::live::{Generation, Live, Pending, Watching};
use super::managed::{Lock, Mark};
use super::watch::{Own, Watch};
use super::writer::{AuditSettings, Claims, Trail, Waiting, Writer};
use crate::engine::{Fault, Faults, Options, Progress, Severity, Text};

/// Parsing recurses with the depth of a policy; the loader's stack is where it may.
const STACK_BYTES: usize = 64 << 20;

/// How often a tree that moves while it is read is read again at once.
const ATTEMPTS_MAX: usize = 10;

/// Everything that can change the world.
#[derive(Debug)]
pub enum Event {
    /// Something may have changed.
    Hint,
    /// Look now, and compile even if nothing changed.
    Reload,
    /// A command is to be carried out.
    Order(Box<Waiting>),
    /// End.
    Stop,
}

/// What to load, and when to look.
#[derive(Clone, Debug)]
pub struct LoaderSettings {
    /// The directory that holds `schema`, `policies` and `entities`.
    pub root: PathBuf,
    /// What snapshots are compiled with.
    pub options: Options,
    /// How much the root may hold.
    pub limits: FileLimits,
    /// How long nothing must have happened before files are read.
    pub quiet: Duration,
    /// How long to wait for quiet at most.
    pub quiet_max: Duration,
    /// How often to look without any hint.
    pub sweep: Duration,
    /// Whether to listen to events at all.
    pub events: bool,
    /// How many questions to try on new policies and data before they go live.
    pub rehearsal_questions: usize,
    /// Who is told how far reading has come.
    pub progress: Option<Progress>,
    /// How many orders may wait at once; more are refused.
    pub orders_max: usize,
    /// Where orders are put on record.
    pub audit: AuditSettings,
    /// Who speaks for accounts that may not be there.
    pub claims: Claims,
}

impl LoaderSettings {
    /// The defaults, for a root.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self {
            audit: AuditSettings::new(&root),
            claims: Claims::default(),
            root,
            options: Options::default(),
            limits: FileLimits::default(),
            quiet: Duration::from_millis(200),
            quiet_max: Duration::from_secs(2),
            sweep: Duration::from_secs(5),
            events: true,
            rehearsal_questions: 10_000,
            progress: None,
            orders_max: 1024,
        }
    }
}

/// Compiles a tree; what is live goes with it, and whether its snapshot can be grown from.
type Compile = Box<dyn FnMut(&Tree, Option<&Generation>, Grows) -> Result<Compiled, Faults> + Send>;

/// A running loader. It ends when this is dropped.
#[derive(Debug)]
pub struct Loader {
    events: Sender<Event>,
    waiting: Arc<Semaphore>,
}

impl Loader {
    /// Starts loading into `live`.
    ///
    /// # Errors
    /// The system has no thread to spare.
    pub fn start(settings: LoaderSettings, live: Arc<Live>) -> std::io::Result<Self> {
        let (options, progress) = (settings.options.clone(), settings.progress.clone());
        let compile = move |tree: &Tree, live: Option<&Generation>, grows: Grows| {
            compile::load_from(tree, live, grows, &options, progress.clone())
        };
        Self::start_with(settings, live, Box::new(compile))
    }

    fn start_with(settings: LoaderSettings, live: Arc<Live>, compile: Compile) -> std::io::Result<Self> {
        let (events, received) = channel();
        let orders_max = settings.orders_max;
        let task = Task::new(settings, live, compile, received, events.clone());
        thread::Builder::new()
            .name("loader".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || task.run())?;
        Ok(Self {
            events,
            waiting: Arc::new(Semaphore::new(orders_max)),
        })
    }

    /// The way to give orders to it.
    pub fn writer(&self) -> Writer {
        Writer::new(self.events.clone(), &self.waiting)
    }

    /// Sends an event. A loader that has ended takes none.
    pub fn send(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.send(Event::Stop);
    }
}

/// Why the loader looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    First,
    Hint,
    Sweep,
    Command,
}

/// What was compiled last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing, or it is to be compiled again.
    Unknown,
    /// The files as they were seen last. Their digest costs as much as there are files, and orders do not wait for it.
    Seen,
    /// The files with this digest.
    Digest([u8; 32]),
}

struct Task {
    settings: LoaderSettings,
    live: Arc<Live>,
    compile: Compile,
    events: Receiver<Event>,
    hinted: Arc<AtomicBool>,
    watch: Option<Watch>,
    /// What was compiled last, live or refused.
    last: Last,
    /// The files as they were seen last.
    seen: Seen,
    /// What was found besides them.
    faults: Vec<Fault>,
    /// What whoever wrote last before had left.
    mark: Mark,
    /// When they were looked at last.
    looked: Instant,
    /// Events whose turn has not come.
    backlog: VecDeque<Event>,
    /// Orders that wait for the next look, since somebody has changed files that they touch.
    held: VecDeque<Box<Waiting>>,
    /// Whether a look comes as soon as it is quiet.
    is_waiting: bool,
    /// The lock on the files, where an order is to be tried again before anybody else writes.
    lock: Option<Lock>,
    /// What the writer leaves behind, for the watch.
    own: Own,
    /// Where orders are put on record.
    trail: Trail,
    number: u64,
    stopped: bool,
    /// Generations that were live, until their last reader has gone.
    retired: Vec<Arc<Generation>>,
}

impl Task {
    fn new(
        settings: LoaderSettings,
        live: Arc<Live>,
        compile: Compile,
        events: Receiver<Event>,
        own: Sender<Event>,
    ) -> Self {
        let hinted = Arc::new(AtomicBool::new(false));
        let left = Own::default();
        let watch = settings.events.then(|| {
            let hinted = hinted.clone();
            Watch::new(left.clone(), move || {
                // One hint in the queue is enough.
                if !hinted.swap(true, Ordering::AcqRel) {
                    let _ = own.send(Event::Hint);
                }
            })
        });
        if watch.is_none() {
            live.change(|status| status.watching = Watching::Sweeps("events are switched off".to_owned()));
        }
        Self {
            trail: Trail::new(settings.audit.clone()),
            faults: Vec::new(),
            mark: Mark::default(),
            looked: Instant::now(),
            backlog: VecDeque::new(),
            held: VecDeque::new(),
            is_waiting: false,
            lock: None,
            own: left,
            settings,
            live,
            compile,
            events,
            hinted,
            watch,
            last: Last::Unknown,
            seen: Seen::default(),
            number: 0,
            stopped: false,
            retired: Vec::new(),
        }
    }

    fn run(mut self) {
        self.finish_pending();
        let mut look = Look::First;
        loop {
            // A panic here would end reloading for good and leave everything else looking healthy.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.look(look))) {
                let words = panic
                    .downcast_ref::<&str>()
                    .map(|words| (*words).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_default();
                let faults = Faults::from(
                    Fault::error("internal", format!("loading broke off: {words}"))
                        .help("this is a mistake in gatepost; the files are tried again at the next change"),
                );
                // If telling of it breaks off as well, the loader still goes on.
                let _ = catch_unwind(AssertUnwindSafe(|| self.refuse(faults)));
            }
            self.looked = Instant::now();
            self.is_waiting = false;
            let held = self.held.drain(..).rev().map(Event::Order);
            held.for_each(|order| self.backlog.push_front(order));
            look = match self.wait() {
                Some(look) => look,
                None => return,
            };
        }
    }

    /// Waits for a reason to look; none if it is time to end.
    fn wait(&mut self) -> Option<Look> {
        if self.stopped {
            return None;
        }
        loop {
            self.retired.retain(|generation| Arc::strong_count(generation) > 1);
            let left = self.settings.sweep.saturating_sub(self.looked.elapsed());
            match self.next(left) {
                Ok(Event::Hint) => return self.wait_for_quiet(),
                Ok(Event::Reload) => return self.coalesce(),
                Ok(Event::Order(order)) => self.carry_out(order),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => return Some(Look::Sweep),
            }
        }
    }

    /// The next event: one that was put aside, or one that comes.
    fn next(&mut self, wait: Duration) -> Result<Event, RecvTimeoutError> {
        match self.backlog.pop_front() {
            Some(event) => Ok(event),
            None => self.events.recv_timeout(wait),
        }
    }

    /// One look answers all commands to look that have come. Orders keep their turn.
    fn coalesce(&mut self) -> Option<Look> {
        self.hinted.store(false, Ordering::Release);
        let mut orders = VecDeque::new();
        while let Ok(event) = self.next(Duration::ZERO) {
            match event {
                Event::Stop => return None,
                Event::Order(_) => orders.push_back(event),
                Event::Hint | Event::Reload => {}
            }
        }
        self.backlog = orders;
        Some(Look::Command)
    }

    /// Waits until nobody has touched the files for a while. Orders do not wait for that, and do not make it longer.
    fn wait_for_quiet(&mut self) -> Option<Look> {
        self.is_waiting = true;
        let look = self.quiet();
        self.is_waiting = false;
        look
    }

    fn quiet(&mut self) -> Option<Look> {
        let since = Instant::now();
        let mut touched = since;
        while since.elapsed() < self.settings.quiet_max {
            if self.hinted.swap(false, Ordering::AcqRel) {
                touched = Instant::now();
            }
            let left = self.settings.quiet.saturating_sub(touched.elapsed());
            if left.is_zero() {
                break;
            }
            match self.next(left) {
                Ok(Event::Hint) => touched = Instant::now(),
                Ok(Event::Reload) => return self.coalesce(),
                Ok(Event::Order(order)) => self.carry_out(order),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.hinted.store(false, Ordering::Release);
        Some(Look::Hint)
    }

    /// A panic in an order ends neither the loader nor what is live.
    fn carry_out(&mut self, order: Box<Waiting>) {
        if catch_unwind(AssertUnwindSafe(|| self.orders(order))).is_err() {
            error!("an order broke off: this is a mistake in gatepost; the files are looked at again");
            self.last = Last::Unknown;
            self.lock = None;
            self.backlog.push_back(Event::Reload);
        }
    }

    fn look(&mut self, look: Look) {
        let started = Instant::now();
        // Events say that something has changed, and stamps say what. Without events only the content counts.
        let closely = if look == Look::Hint {
            Closely::Stamps
        } else {
            Closely::Contents
        };
        if self.last == Last::Seen {
            self.last = Last::Digest(self.seen.digest(&self.faults));
        }
        let mut loaded = (self.seen.clone(), self.faults.clone(), self.mark.clone());
        let mut tree = self.read(closely);
        let mut digest = tree.digest();
        self.live.change(|status| status.last_sweep = Some(Instant::now()));
        if self.last == Last::Digest(digest) && look != Look::Command {
            return;
        }
        if look == Look::Sweep {
            if let Some(watch) = &mut self.watch {
                // Something changed and no event said so: the watches are not what they should be.
                watch.reset();
                self.update_watch(&tree);
            }
            // Whoever writes may not be done: no event has told, so two looks in a row have to agree.
            let changed = Instant::now();
            loop {
                // Orders meanwhile go by what is live, and not by what was found here.
                (self.seen, self.faults, self.mark) = loaded;
                if self.wait_for_quiet().is_none() {
                    self.stopped = true;
                    return;
                }
                loaded = (self.seen.clone(), self.faults.clone(), self.mark.clone());
                tree = self.read(closely);
                let before = std::mem::replace(&mut digest, tree.digest());
                if before == digest || changed.elapsed() > self.settings.quiet_max {
                    break;
                }
            }
        }
        self.load(tree, closely, started);
    }

    /// Compiles what was read and publishes it, or says why not.
    fn load(&mut self, mut tree: Tree, closely: Closely, started: Instant) {
        self.last = Last::Digest(tree.digest());
        let live = self.live.current().clone();
        let grows = self.grows(&tree);
        if !grows && !tree.kept.is_empty() {
            // What the snapshot has kept of the files is of no use now.
            self.seen = Seen::default();
            tree = self.read(closely);
            self.last = Last::Digest(tree.digest());
        }
        let grows = if grows { Grows::Yes } else { Grows::No };
        match (self.compile)(&tree, live.as_deref(), grows) {
            Ok(compiled) => {
                let rehearsed = compiled.snapshot.rehearse(self.settings.rehearsal_questions);
                self.publish(compiled, rehearsed, started);
                self.seen.let_go();
            }
            Err(faults) => {
                // The pass found nothing wrong with the files: one that was read later did not hold still.
                let is_passing = |fault: &Fault| fault.code.starts_with("file-") && fault.severity == Severity::Error;
                if faults.iter().any(is_passing) && !tree.faults.iter().any(is_passing) {
                    self.last = Last::Unknown;
                }
                self.refuse(faults);
            }
        }
    }

    /// Whether what is live can grow to what was read.
    fn grows(&self, tree: &Tree) -> bool {
        let live = self.live.current();
        let schema: Vec<Text> = tree.schema().cloned().collect();
        live.as_ref().is_some_and(|live| {
            live.snapshot.can_grow(&schema, &self.settings.options) && live.snapshot.has(&tree.kept)
        })
    }

    /// Reads the root until it holds still, within reason, and watches what it found.
    fn read(&mut self, closely: Closely) -> Tree {
        let mut attempt = 1;
        loop {
            let mark = Mark::read(&self.settings.root);
            let tree = files::read_again(&self.settings.root, &self.settings.limits, &self.seen, closely);
            self.seen = tree.seen.clone();
            self.faults.clone_from(&tree.faults);
            self.mark = mark;
            let unseen = self.update_watch(&tree);
            // Files that are written without pause never hold still; after some tries what was read is taken, and it is
            // checked like anything else. Links are read once in a pass, and a pass has a fault if what it read is gone
            // at its end: so even then it neither mixes two versions of what is replaced through a link, nor is it half
            // of one.
            if attempt == ATTEMPTS_MAX || !(tree.moved || unseen) {
                return tree;
            }
            attempt += 1;
        }
    }

    /// Says whether something may have happened unseen.
    fn update_watch(&mut self, tree: &Tree) -> bool {
        let Some(watch) = &mut self.watch else { return false };
        match watch.update(&tree.directories) {
            Ok(fresh) => {
                self.live.change(|status| status.watching = Watching::Events);
                fresh
            }
            Err(reason) => {
                let watching = Watching::Sweeps(reason.clone());
                if self.live.status().watching != watching {
                    warn!(
                        reason,
                        sweep_seconds = self.settings.sweep.as_secs(),
                        "changes are found by sweeps alone"
                    );
                }
                self.live.change(|status| status.watching = watching);
                false
            }
        }
    }

    /// Makes what was compiled live, with what there is to warn of besides.
    fn publish(&mut self, compiled: Compiled, rehearsed: Vec<Fault>, started: Instant) {
        let Compiled { snapshot, directory } = compiled;
        let mut warnings = snapshot.warnings().to_vec();
        warnings.extend(rehearsed);
        for warning in warnings.iter().take(20) {
            warn!(code = warning.code, help = warning.help.as_deref(), "{warning}");
        }
        self.number += 1;
        let counts = snapshot.counts();
        info!(
            revision = snapshot.revision(),
            generation = self.number,
            policies = counts.policies,
            entities = counts.entities,
            warnings = warnings.len(),
            took_ms = started.elapsed().as_millis() as u64,
            "loaded"
        );
        let before = self.live.publish(Generation {
            snapshot,
            directory,
            number: self.number,
            loaded_at: SystemTime::now(),
            load_took: started.elapsed(),
            warnings,
        });
        // Freed here and not by the last request that holds it: a large one takes its time.
        self.retired.extend(before);
    }

    fn refuse(&mut self, faults: Faults) {
        let live = self.live.current().as_ref().map(|live| live.snapshot.revision().to_owned());
        for fault in faults.iter().take(20) {
            error!(
                code = fault.code,
                file = fault.place.as_ref().map(|place| &*place.file),
                line = fault.place.as_ref().map(|place| place.line),
                help = fault.help.as_deref(),
                live,
                "refused: {fault}"
            );
        }
        self.live.change(|status| {
            status.failures += 1;
            status.pending = Some(Arc::new(Pending {
                faults,
                since: SystemTime::now(),
            }));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(tree: &Tree) -> Result<Compiled, Faults> {
        compile::load(tree, &Options::default(), None)
    }

    /// A root with one policy that can be edited.
    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (name, content) in [
            (
                "schema/s.cedarschema",
                "entity U; action a appliesTo { principal: U, resource: U };",
            ),
            ("policies/p.cedar", "permit (principal, action, resource);"),
            ("entities/none.json", "[]"),
        ] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, content).expect("a file");
        }
        root
    }

    #[test]
    fn files_that_are_not_read_again_count_toward_the_limit_of_all() {
        let root = root();
        let written = SystemTime::now();
        // Only what was written a while ago is taken by its stamp.
        while written.elapsed().is_ok_and(|passed| passed < Duration::from_millis(150)) {
            thread::yield_now();
        }
        let roomy = FileLimits::default();
        let first = files::read_again(root.path(), &roomy, &Seen::default(), Closely::Contents);
        let held: usize = first.files.iter().map(|file| file.text.content.len()).sum();
        let limits = FileLimits {
            total_bytes_max: held as u64 + 10,
            ..roomy
        };
        let read = || files::read_again(root.path(), &limits, &first.seen, Closely::Stamps);
        assert!(read().faults.is_empty(), "{first:?}");
        std::fs::write(root.path().join("policies/more.cedar"), "// Eleven.\n").expect("a file");
        let faults = read().faults;
        assert!(faults.iter().any(|fault| fault.code == "file-limit"), "{faults:?}");
    }

    #[tokio::test]
    async fn a_panic_while_loading_ends_neither_the_loader_nor_what_is_live() {
        let root = root();
        let live = Arc::new(Live::default());
        let settings = LoaderSettings {
            quiet: Duration::from_millis(10),
            ..LoaderSettings::new(root.path())
        };
        let mut published = live.subscribe();
        let compile: Compile = Box::new(|tree, _, _| {
            let breaks = tree.files.iter().any(|file| file.text.content.contains("// break"));
            assert!(!breaks, "planted");
            compiled(tree)
        });
        let loader = Loader::start_with(settings, live.clone(), compile).expect("a thread");
        published.wait_for(|number| *number == 1).await.expect("a first generation");

        let policy = root.path().join("policies/p.cedar");
        std::fs::write(&policy, "// break\npermit (principal, action, resource);").expect("a file");
        while live.status().failures == 0 {
            tokio::task::yield_now().await;
        }
        let pending = live.status().pending.expect("a fault");
        assert!(pending.faults.first().message.contains("planted"));
        assert_eq!(live.current().as_ref().map(|live| live.number), Some(1));

        std::fs::write(&policy, "forbid (principal, action, resource);").expect("a file");
        published.wait_for(|number| *number == 2).await.expect("a second generation");
        assert!(live.status().pending.is_none());
        drop(loader);
    }
}
