//! Where answers come from: a root, in this process, or a running sidecar.

use clap::Args;

use super::render::{self, Stream};
use super::sidecar::Sidecar;
use super::{DENY, FAILURE, RootArgs, USAGE, check, line, print_error, refuse_settings};
use crate::app::World;
use crate::engine::json::Json;
use crate::engine::{Fault, Faults, Query, Snapshot, Sought};

/// What is asked, besides the files.
#[derive(Debug, Default, Args)]
pub(super) struct AskArgs {
    /// A running sidecar that answers: `http://127.0.0.1:8180` or `unix:/path/to.sock`. Without it, answers are made in
    /// this process. A root given as well tells which types, actions and names there are; the sidecar does not.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The context of each question, a JSON object.
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
}

/// Why there is no answer.
pub(super) enum Failed {
    /// The command line asks for what cannot be.
    Usage(String),
    /// The settings are wrong.
    Settings(Vec<Fault>),
    /// The files have faults.
    Files(Faults),
    /// A policy or a rule of the access model refuses.
    Refused(String),
    /// A command is turned down for what it says: as long as nothing changes it would be again.
    TurnedDown(Box<Self>),
    /// An entry or the root was changed since it was looked at.
    Overtaken(Box<Self>),
    /// Anything else.
    Other(String),
}

impl Failed {
    /// Says so, and gives the exit code.
    pub(super) fn tell(&self) -> u8 {
        match self {
            Self::Usage(message) => {
                print_error(message);
                USAGE
            }
            Self::Settings(faults) => refuse_settings(faults),
            Self::Files(faults) => {
                for fault in faults {
                    super::print_drawn(&render::fault(fault, Stream::Error));
                }
                FAILURE
            }
            Self::Refused(message) => {
                print_error(message);
                DENY
            }
            Self::TurnedDown(why) | Self::Overtaken(why) => why.tell(),
            Self::Other(message) => {
                print_error(message);
                FAILURE
            }
        }
    }
}

/// What a search found.
pub(super) enum Searched {
    /// These ids, in ascending order.
    Found(Vec<String>),
    /// Nothing could be asked: the context is not what the action wants.
    Unfit(String),
}

/// A kind of question, and the entities that it names. The id of what is looked for is not looked at.
#[derive(Clone, Copy)]
pub(super) struct Question<'q> {
    pub(super) principal: (&'q str, &'q str),
    pub(super) action: &'q str,
    pub(super) resource: (&'q str, &'q str),
}

/// Who answers, and what is known of what can be asked.
pub(super) struct Source {
    /// The files: always there without a sidecar, and with one if they were named.
    snapshot: Option<Snapshot>,
    root: World,
    sidecar: Option<Sidecar>,
    context: Option<Json<'static>>,
}

impl Source {
    /// Reads what the arguments name.
    ///
    /// # Errors
    /// The arguments, the settings or the files are wrong. A sidecar is not asked anything yet.
    pub(super) fn open(root: &RootArgs, ask: &AskArgs) -> Result<Self, Failed> {
        let settings = root.settings(&[]).map_err(Failed::Settings)?;
        let context = ask
            .context
            .as_ref()
            .map(|text| Json::read(text.as_bytes(), settings.serve.limits.json_depth_max).map(Json::into_owned))
            .transpose()
            .map_err(|error| Failed::Usage(format!("--context: {error}")))?;
        let address = line::address_of(ask.url.as_deref(), line::Listener::Decisions).map_err(Failed::Usage)?;
        let sidecar = address.map(Sidecar::new).transpose().map_err(Failed::Other)?;
        // A sidecar's files are not those that happen to lie here.
        let snapshot = if sidecar.is_none() || root.root.is_some() {
            check::tell_built_in(&root.world());
            Some(check::compile(root, &settings).map_err(Failed::Files)?)
        } else {
            None
        };
        Ok(Self {
            snapshot,
            root: root.world(),
            sidecar,
            context,
        })
    }

    /// The files, where they are known.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Whether a sidecar answers.
    pub(super) fn is_sidecar(&self) -> bool {
        self.sidecar.is_some()
    }

    /// The context of each question.
    pub(super) fn context(&self) -> Option<&Json<'static>> {
        self.context.as_ref()
    }

    /// Who answers, in a few words.
    pub(super) fn name(&self) -> String {
        match (&self.sidecar, &self.root) {
            (Some(sidecar), _) => sidecar.address().to_string(),
            (None, World::Root(path)) => path.display().to_string(),
            (None, World::BuiltIn) => "the built-in model".to_owned(),
        }
    }

    /// The revision that answered; none if a sidecar has not answered yet, or does not tell.
    pub(super) fn revision(&self) -> Option<&str> {
        match &self.sidecar {
            Some(sidecar) => sidecar.revision(),
            None => self.snapshot.as_ref().map(Snapshot::revision),
        }
    }

    /// What should be known before the answers are believed: names of one revision, answers of another.
    pub(super) fn notes(&self) -> Vec<String> {
        let Some(sidecar) = &self.sidecar else { return Vec::new() };
        let Some(snapshot) = &self.snapshot else {
            return vec![
                "no name was checked: a sidecar answers about a name that it does not know as about one that may nothing; \
                 the root that it serves, named as well, tells which there are"
                    .to_owned(),
            ];
        };
        match sidecar.revision() {
            Some(serves) if serves != snapshot.revision() => vec![format!(
                "the sidecar serves revision {serves}, and the root is revision {}: the answers are the sidecar's, the \
                 names and attributes are the root's",
                snapshot.revision()
            )],
            _ => Vec::new(),
        }
    }

    /// All ids of one side that a question is allowed for.
    ///
    /// # Errors
    /// The sidecar does not answer, or not in a way that this understands.
    pub(super) fn search(&mut self, question: Question<'_>, sought: Sought) -> Result<Searched, Failed> {
        let Question {
            principal,
            action,
            resource,
        } = question;
        let query = Query {
            context: self.context.as_ref(),
            ..Query::plain(principal, action, resource)
        };
        match (&mut self.sidecar, &self.snapshot) {
            (Some(sidecar), _) => sidecar.search(&query, sought).map_err(Failed::Other),
            (None, Some(snapshot)) => Ok(search(snapshot, &query, sought)),
            // INVARIANT: without a sidecar there are files.
            (None, None) => Err(Failed::Other("there is nobody to ask".to_owned())),
        }
    }
}

fn search(snapshot: &Snapshot, query: &Query<'_>, sought: Sought) -> Searched {
    match snapshot.search(query, sought) {
        Ok(mut search) => {
            let mut found = Vec::new();
            search.go_on(usize::MAX, usize::MAX, &mut found);
            Searched::Found(found)
        }
        Err(problem) => Searched::Unfit(problem.to_string()),
    }
}
