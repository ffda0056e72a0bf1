//! A running sidecar: sockets, loader, server and signals.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::cursor_key::{self, KeyError};
use super::tokens::{TokensError, TokensFile, read_tokens};
use crate::app::{Settings, built_in};
use crate::callers::TokenSource;
use crate::engine::Faults;
use crate::serve::{self, Address, BindError, Listener, Management, Server};
use crate::store::{Event, Live, Loader, load_files};

/// What to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum World {
    /// The files of a root, and whatever becomes of them.
    Root(PathBuf),
    /// The model that is built into the binary.
    BuiltIn,
}

/// Why a sidecar did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The built-in model is broken.
    #[error(transparent)]
    Model(#[from] Faults),
    /// There is no key for the tokens of searches where there should be one.
    #[error(transparent)]
    CursorKey(#[from] KeyError),
    /// Tokens are wanted, and there are none.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Those who change things are to be listened to, and there is nothing that they could change.
    #[error("the built-in model cannot be changed, so `admin.listen` is good for nothing: serve a root")]
    NothingToChange,
    /// The system refused a thread, a signal or random numbers.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The signals that a sidecar listens to.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Listens from now on; none of them has its default effect any more.
    ///
    /// # Errors
    /// The system refuses to tell of signals.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// A sidecar that runs.
#[derive(Debug)]
pub struct Running {
    /// What is live.
    pub live: Arc<Live>,
    /// Where it listens.
    pub addresses: Vec<Address>,
    /// Where those listen who change things.
    pub admin_addresses: Vec<Address>,
    /// What its connections share.
    pub server: Server,
    loader: Option<Loader>,
}

impl Running {
    /// Looks at the files now.
    pub fn reload(&self) {
        if let Some(loader) = &self.loader {
            loader.send(Event::Reload);
        }
    }

    /// Serves until SIGTERM or SIGINT, and reloads on SIGHUP. Requests under way are answered first.
    pub async fn until_told_to_stop(self, mut signals: Signals) {
        loop {
            tokio::select! {
                _ = signals.hang_up.recv() => {
                    tracing::info!("SIGHUP: looking at the files");
                    self.reload();
                }
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
            }
        }
        tracing::info!("stopping: no new connections, requests under way are answered");
        self.shut_down().await;
    }

    /// Ends in good order.
    pub async fn shut_down(self) {
        self.server.shut_down().await;
    }
}

/// Starts a sidecar. Sockets come first, so that nobody else can have them; a root that does not load yet is waited
/// for, and until then the sidecar is not ready.
///
/// # Errors
/// An address cannot be listened on, a key cannot be read, or the system refuses something else.
pub async fn run(world: World, settings: &Settings) -> Result<Running, StartError> {
    let mut listeners: Vec<Listener> = Vec::new();
    for address in &settings.listen {
        listeners.push(serve::bind(address).await?);
    }
    let mut serving = settings.serve.clone();
    if let Some(file) = &settings.cursor_key_file {
        serving.search.cursor_key = Some(cursor_key::read(file)?);
    }
    let mut management = Management::default();
    for address in &settings.admin_listen {
        management.listeners.push(serve::bind(address).await?);
    }
    if settings.wants_tokens() {
        serving.callers.tokens = Some(Arc::new(tokens(&world, settings)?));
    }
    let addresses = listeners.iter().map(Listener::address).collect();
    let admin_addresses = management.listeners.iter().map(Listener::address).collect();
    let (live, loader) = match world {
        World::Root(root) => {
            let live = Arc::new(Live::default());
            let loader = Loader::start(settings.loader(root), live.clone())?;
            (live, Some(loader))
        }
        World::BuiltIn => {
            let compiled = load_files(&built_in(), &settings.options)?;
            (Arc::new(Live::fixed(compiled)), None)
        }
    };
    if !management.listeners.is_empty() {
        let writer = loader.as_ref().map(Loader::writer).ok_or(StartError::NothingToChange)?;
        let shared = serve::ScimShared {
            alarm: serving.alarm.clone(),
            search_time: serving.limits.search_time,
        };
        let scim = serve::scim_routes(live.clone(), writer.clone(), settings.scim.clone(), shared);
        management.routes = serve::admin_routes(live.clone(), writer, &serving.limits).merge(scim);
    }
    let server = serve::serve_all(listeners, management, live.clone(), &serving)?;
    Ok(Running {
        live,
        addresses,
        admin_addresses,
        server,
        loader,
    })
}

/// The tokens, where they are wanted. Without a good one nobody could call, so that is a mistake.
fn tokens(world: &World, settings: &Settings) -> Result<TokensFile, TokensError> {
    let path = match (world, &settings.tokens_file) {
        (World::Root(root), _) => settings.tokens_of(root),
        (World::BuiltIn, Some(path)) => path.clone(),
        (World::BuiltIn, None) => return Err(TokensError::Nowhere),
    };
    let tokens = match TokensFile::open(&path) {
        Err(error) if error.is_absent() => return Err(none(world, path)),
        opened => opened?,
    };
    let (callers, now) = (tokens.current(), chrono::Utc::now());
    // Decisions go on without them. Where there never was one, somebody has forgotten a step.
    if callers.has_live(now) || !settings.serve.callers.required && callers.tokens().next().is_some() {
        if !callers.has_live(now) {
            tracing::warn!(path = %path.display(), "all tokens have expired: whoever comes with one is refused");
        }
        Ok(tokens)
    } else {
        Err(none(world, path))
    }
}

/// What keeps a sidecar with these settings from its tokens. Where it wants none, only what is wrong with a file that is
/// there.
///
/// # Errors
/// As for a start.
pub fn check_tokens(world: &World, settings: &Settings) -> Result<(), TokensError> {
    if settings.wants_tokens() {
        return tokens(world, settings).map(|_| ());
    }
    match (world, &settings.tokens_file) {
        (World::Root(root), _) => read_tokens(&settings.tokens_of(root)).map(|_| ()),
        (World::BuiltIn, Some(path)) => read_tokens(path).map(|_| ()),
        (World::BuiltIn, None) => Ok(()),
    }
}

/// Says how to make a token where this sidecar looks for them.
fn none(world: &World, path: PathBuf) -> TokensError {
    let root = match world {
        World::Root(root) if root != Path::new(".") => format!(" --root {}", root.display()),
        _ => String::new(),
    };
    let create = format!("gatepost token create NAME{root} --principal TYPE:ID --scope SCOPE");
    TokensError::None(path, create)
}
