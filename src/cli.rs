//! The command line: what was typed, and what it means.

mod authorize;
mod bench;
mod check;
mod complete;
mod completions;
mod directory;
mod explain;
mod html;
mod init;
mod line;
mod lists;
mod names;
mod progress;
mod render;
mod serve;
mod sidecar;
mod source;
mod token;
mod wait;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::engine::ArgValueCompleter;

use crate::app::{Settings, World};
use crate::engine::{Fault, Text};
use crate::store;

pub use completions::complete;

/// It worked; the answer is allow.
const SUCCESS: u8 = 0;
/// It did not: files with faults, an address in use, a sidecar that is not there, a budget that is missed.
const FAILURE: u8 = 1;
/// The command line or the settings are wrong. clap uses the same.
const USAGE: u8 = 2;
/// `authorize`, `explain`: the answer is deny. Lists: there is nothing in them. Changes: a policy or a rule refuses.
const DENY: u8 = 3;

/// Policy-as-code authorization beside your application: Cedar policies and an entity store, read from files, asked over
/// AuthZEN.
#[derive(Debug, Parser)]
#[command(
    name = "gatepost",
    version,
    after_help = "A root is a directory with `schema/`, `policies/` and `entities/`. Without a root, the current \
                  directory is taken if it is one, and else the model that is built in.\n\n\
                  Try:\n  gatepost init demo && gatepost serve demo\n  gatepost check demo\n  \
                  gatepost authorize demo --principal user:ana@example.com --action viewDatastore --resource datastore:ledger\n  \
                  gatepost who-can write ledger\n  gatepost access carla@example.com\n\n\
                  Exit codes: 0 it worked or is allowed, 1 it failed, 2 the command line or the settings are wrong, \
                  3 the answer is deny, a list is empty, or a change is refused."
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer AuthZEN requests over HTTP, and reload when the files change. The default.
    Serve(ServeArgs),
    /// Validate all files of a root and show every fault with its line.
    Check(CheckArgs),
    /// Decide one question, without a server.
    Authorize(AuthorizeArgs),
    /// Say why the answer to one question is what it is, and what would turn it.
    Explain(ExplainArgs),
    /// List the principals that an action on a resource is allowed to.
    WhoCan(lists::WhoCanArgs),
    /// List the resources that a principal may do something to, with what.
    WhatCan(lists::WhatCanArgs),
    /// Show the whole access of one principal: what it is, its groups, and everything it may do.
    Access(lists::AccessArgs),
    /// Print who may do what to which resource, as a table, CSV or a page, for an access review.
    Matrix(lists::MatrixArgs),
    /// Make, list and revoke the tokens of those who change things.
    Token(token::TokenArgs),
    /// List, show and change users: people who log in.
    User(directory::UserArgs),
    /// List, show and change service users: accounts for automation.
    ServiceUser(directory::ServiceUserArgs),
    /// List, show and change teams: who is in them, and what they are granted.
    Team(directory::TeamArgs),
    /// List, show and change datastores.
    Datastore(directory::StoreArgs),
    /// List, show and change enrichment datastores.
    EnrichmentDatastore(directory::StoreArgs),
    /// Write a new root to start from.
    Init(InitArgs),
    /// Wait until a sidecar is ready: also a health check for containers.
    Wait(WaitArgs),
    /// Print a script that completes commands and names in the shell.
    Completions(completions::CompletionsArgs),
    /// Measure decisions on your own files, or a running sidecar, and hold them to budgets.
    Bench(BenchArgs),
}

/// Where the files are, and how settings are chosen: alike for all commands that read a root.
#[derive(Debug, Default, Args)]
struct RootArgs {
    /// The root: a directory with `schema/`, `policies/` and `entities/`.
    #[arg(env = "GATEPOST_ROOT")]
    root: Option<PathBuf>,
    /// The settings file. Without it, `gatepost.toml` in the root, if there is one.
    #[arg(long, value_name = "FILE", env = "GATEPOST_CONFIG")]
    config: Option<PathBuf>,
    /// A setting, as in `--set limits.batch_items_max=100`. `gatepost serve --help` lists them all.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Default, Args)]
#[command(after_long_help = settings_help())]
struct ServeArgs {
    #[command(flatten)]
    root: RootArgs,
    /// Where to listen: `127.0.0.1:8180` or `unix:/path/to.sock`. May be given more than once.
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Which logs: `error`, `warn`, `info`, `debug`, `trace`, or a filter of tracing.
    #[arg(long)]
    log: Option<String>,
    /// How logs look: `text` or `json`.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 no faults, 1 faults (or warnings with --deny-warnings), 2 wrong usage or settings."
)]
struct CheckArgs {
    #[command(flatten)]
    root: RootArgs,
    /// How to show faults: for people, or one JSON document for machines.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Fail for warnings too.
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 allow, 3 deny, 1 the files or the question have a fault, 2 wrong usage or settings.\n\n\
                  Examples:\n  gatepost authorize --principal user:ana@example.com --action read --resource datastore:ledger\n  \
                  gatepost authorize --principal 'User::\"ana@example.com\"' --action 'Action::\"read\"' --resource 'Datastore::\"ledger\"'\n  \
                  gatepost authorize --request question.json"
)]
struct AuthorizeArgs {
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// How to show the answer.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 allow, 3 deny, 1 the files or the question have a fault, 2 wrong usage or settings.\n\n\
                  Examples:\n  gatepost explain --principal user:emi@example.com --action runOperation --resource datastore:ledger\n  \
                  gatepost explain demo --request question.json --format markdown\n  \
                  gatepost explain --url http://127.0.0.1:8180 --request question.json\n\n\
                  docs/explain.md says how to read it."
)]
struct ExplainArgs {
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// A running sidecar that explains, if its `explain.enabled` is on: `http://127.0.0.1:8180` or
    /// `unix:/path/to.sock`. Without it, the explanation is made in this process.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// How to show the explanation.
    #[arg(long, value_enum, default_value_t = explain::Format::Text)]
    format: explain::Format,
}

/// One question, in flags or in a file.
#[derive(Debug, Args)]
struct QuestionArgs {
    /// Who asks: `Type::"id"` or `type:id`.
    #[arg(long, value_name = "ENTITY", required_unless_present = "request",
          add = ArgValueCompleter::new(complete::typed_principals))]
    principal: Option<String>,
    /// What is to be done.
    #[arg(long, value_name = "ACTION", required_unless_present = "request",
          add = ArgValueCompleter::new(complete::actions))]
    action: Option<String>,
    /// What it is to be done to: `Type::"id"` or `type:id`.
    #[arg(long, value_name = "ENTITY", required_unless_present = "request",
          add = ArgValueCompleter::new(complete::typed_resources))]
    resource: Option<String>,
    /// The context, a JSON object.
    #[arg(long, value_name = "JSON", conflicts_with = "request")]
    context: Option<String>,
    /// A file with the body of an AuthZEN evaluation; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["principal", "action", "resource"])]
    request: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct InitArgs {
    /// The directory to make. It must not exist, or be empty.
    directory: PathBuf,
    /// A small schema of one's own instead of the bundled access model.
    #[arg(long)]
    minimal: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 ready, 1 not ready in time, 2 wrong usage.")]
struct WaitArgs {
    /// Where the sidecar listens: `127.0.0.1:8180` or `unix:/path/to.sock`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8180")]
    address: String,
    /// How long to wait, in seconds; 0 asks once.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    timeout: f64,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 measured, and within the budgets, 1 a budget is missed or nothing could be measured, \
                  2 wrong usage or settings.\n\n\
                  Examples:\n  gatepost bench demo\n  gatepost bench demo --growth --html report.html\n  \
                  gatepost bench demo --requests recorded.jsonl --budget p99=200us --budget rate=100000\n  \
                  gatepost bench --url http://127.0.0.1:8180 --requests recorded.jsonl --connections 64\n\n\
                  docs/measuring.md says what the figures are, and what they are not."
)]
struct BenchArgs {
    #[command(flatten)]
    root: RootArgs,
    /// A running sidecar to measure: `http://127.0.0.1:8180` or `unix:/path/to.sock`. Without it, decisions are measured
    /// in this process.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What to ask: a file of AuthZEN evaluations, as a JSON array, an object with `evaluations`, or one JSON object on
    /// each line. Without it, questions are made of the root's own entities.
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// How long to measure, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// How long to ask without measuring first, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    warm_up: Duration,
    /// How many threads decide.
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with = "url",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// How many connections ask, each one request at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 16, requires = "url",
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    /// Which questions are made: the same seed makes the same of the same files.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Also measure by how many different questions take turns: 1, 64, 4096 and all. Takes `--seconds` once more.
    #[arg(long, conflicts_with = "url")]
    growth: bool,
    /// Fail if it is missed: `p50`, `p90`, `p99` or `p99.9` at most, as in `p99=200us` (ns, us, ms, s), or decisions a
    /// second at least, as in `rate=100000`. May be given more than once.
    #[arg(long, value_name = "BUDGET")]
    budget: Vec<bench::Budget>,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// Also write a page with charts, which needs nothing but itself.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// For whom output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Arguments {
    /// Runs what was typed.
    pub fn run(self) -> ExitCode {
        let command = self.command.unwrap_or_else(|| Command::Serve(ServeArgs::default()));
        let code = match command {
            Command::Serve(args) => serve::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Authorize(args) => authorize::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::WhoCan(args) => lists::who_can(&args),
            Command::WhatCan(args) => lists::what_can(&args),
            Command::Access(args) => lists::access(&args),
            Command::Matrix(args) => lists::matrix(&args),
            Command::Token(args) => token::run(&args),
            Command::User(args) => directory::user(&args),
            Command::ServiceUser(args) => directory::service_user(&args),
            Command::Team(args) => directory::team(&args),
            Command::Datastore(args) => directory::datastore(&args),
            Command::EnrichmentDatastore(args) => directory::enrichment_datastore(&args),
            Command::Init(args) => init::run(&args),
            Command::Wait(args) => wait::run(&args),
            Command::Completions(args) => completions::run(&args),
            Command::Bench(args) => bench::run(&args),
        };
        if IS_LOST.load(Ordering::Relaxed) && matches!(code, SUCCESS | DENY) {
            return ExitCode::from(FAILURE);
        }
        ExitCode::from(code)
    }
}

impl RootArgs {
    /// What to read: the root that was named, the current directory if it is one, or the built-in model.
    fn world(&self) -> World {
        match &self.root {
            Some(root) => World::Root(root.clone()),
            None if store::is_root(Path::new(".")) => World::Root(".".into()),
            None => World::BuiltIn,
        }
    }

    /// The settings, with those of flags added.
    fn settings(&self, flags: &[(&str, String)]) -> Result<Settings, Vec<Fault>> {
        let file = self.file().map_err(|fault| vec![*fault])?;
        let mut pairs = self.set.clone();
        pairs.extend(flags.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        // What is not UTF-8 is nobody's setting of ours.
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value.into_string().ok()?))
        });
        let settings = Settings::read(file.as_ref(), environment, &pairs)?;
        match self.world() {
            World::Root(root) => match settings.misplaced(&root) {
                faults if faults.is_empty() => Ok(settings),
                faults => Err(faults),
            },
            World::BuiltIn => Ok(settings),
        }
    }

    fn file(&self) -> Result<Option<Text>, Box<Fault>> {
        let (path, must_exist) = match (&self.config, self.world()) {
            (Some(path), _) => (path.clone(), true),
            (None, World::Root(root)) => (root.join("gatepost.toml"), false),
            (None, World::BuiltIn) => return Ok(None),
        };
        match std::fs::read_to_string(&path) {
            Ok(content) => Ok(Some(Text::new(path.display().to_string(), content))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(None),
            Err(error) => {
                let message = format!("cannot read the settings in `{}`: {error}", path.display());
                Err(Box::new(Fault::error("settings", message)))
            }
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err("write it as KEY=VALUE, for example `log=debug`".to_owned()),
    }
}

/// A time of at most an hour.
fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| *seconds <= 3600.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds, at most 3600, for example `2.5`".to_owned())
}

/// The settings, for `serve --help`.
fn settings_help() -> String {
    use std::fmt::Write;
    let mut help = String::from(
        "Settings, in gatepost.toml (a dot stands for a table), in the environment, or with --set; flags win over the \
         environment, and that over the file:\n",
    );
    for setting in crate::app::SETTINGS {
        // Writing to a string does not fail.
        let _ = write!(help, "\n  {}  ({})\n      {}", setting.key, setting.variable(), setting.help);
    }
    help.push_str(
        "\n  request_properties.TYPE  (GATEPOST_REQUEST_PROPERTIES, as in `Record=override,Tag=fill`)\n      what the \
         properties of a request do to entities of a Cedar type: `ignore`, `fill` or `override`; default ignore for \
         principals, fill for others",
    );
    help
}

/// Who runs this, for the audit trail.
fn system_user() -> Option<String> {
    let name = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .ok()
        .filter(|name| !name.is_empty());
    let id = rustix::process::getuid().as_raw();
    Some(name.map_or_else(|| format!("uid {id}"), |name| format!("{name} (uid {id})")))
}

/// Whether something that was to be printed is lost.
static IS_LOST: AtomicBool = AtomicBool::new(false);

/// Prints to standard output; a reader that has gone is no failure of ours, and a full disk is.
fn print(text: &str) {
    use std::io::ErrorKind;
    if let Err(error) = hand_over(text)
        && error.kind() != ErrorKind::BrokenPipe
        && !IS_LOST.swap(true, Ordering::Relaxed)
    {
        print_error(&format!("cannot write to standard output: {error}"));
    }
}

/// Writes a line to standard output, and says whether it has come out.
fn hand_over(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}").and_then(|()| output.flush())
}

/// Prints to standard error what somebody else's words may stand in: nothing in it moves the cursor.
fn print_error(text: &str) {
    print_drawn(&render::shown_lines(text));
}

/// Prints to standard error what was drawn for a terminal.
fn print_drawn(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Shows what is wrong with the settings.
fn refuse_settings(faults: &[Fault]) -> u8 {
    for fault in faults {
        print_drawn(&render::fault(fault, render::Stream::Error));
    }
    USAGE
}
