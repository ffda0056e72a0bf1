//! The settings: one list of them, read from `gatepost.toml`, then the environment, then flags.
//!
//! Each setting stands once, in [`SETTINGS`], with its name, its help and how its text is read; a file, a variable and a
//! flag all go through that. Unknown names are faults, and all faults are told at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::claims::claims;
use super::tokens::TOKENS_FILE;
use crate::app::LogFormat;
use crate::engine::{
    ErringForbid, Evaluator, Fault, Options, Progress, RequestProperties, ShortNames, Span, Text, UnknownParents,
    nearest,
};
use crate::serve::{Address, EntityId, OlderCursor, ScimSettings, ServeSettings};
use crate::store::{AuditSettings, FileLimits, LoaderSettings};

/// Everything that can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<Address>,
    /// How requests are served.
    pub serve: ServeSettings,
    /// The file with the key of searches' tokens.
    pub cursor_key_file: Option<PathBuf>,
    /// Where those listen who change things; nowhere if it is empty.
    pub admin_listen: Vec<Address>,
    /// The file with tokens; `tokens.json` in the root if there is none.
    pub tokens_file: Option<PathBuf>,
    /// How directory sync is served.
    pub scim: ScimSettings,
    /// What snapshots are compiled with.
    pub options: Options,
    /// How much a root may hold.
    pub files: FileLimits,
    /// How long nothing must have happened before files are read.
    pub quiet: Duration,
    /// How long to wait for quiet at most.
    pub quiet_max: Duration,
    /// How often to look without any hint.
    pub sweep: Duration,
    /// Whether to listen to events of the file system.
    pub events: bool,
    /// How many questions to try on new files before they go live.
    pub rehearsal_questions: usize,
    /// How many orders to the directory may wait at once.
    pub orders_max: usize,
    /// Where orders to the directory are put on record: below the root, if it is no absolute path.
    pub audit: AuditSettings,
    /// How logs look.
    pub log_format: LogFormat,
    /// Which logs there are.
    pub log: String,
    /// Threads that answer requests; 0 for one on each core.
    pub worker_threads: usize,
    /// Who is told how far reading has come. No setting: the command line decides.
    pub progress: Option<Progress>,
}

impl Default for Settings {
    fn default() -> Self {
        let loader = LoaderSettings::new("");
        Self {
            listen: vec![Address::Tcp(([127, 0, 0, 1], 8180).into())],
            serve: ServeSettings::default(),
            cursor_key_file: None,
            admin_listen: Vec::new(),
            tokens_file: None,
            scim: ScimSettings::default(),
            options: Options::default(),
            files: FileLimits::default(),
            quiet: loader.quiet,
            quiet_max: loader.quiet_max,
            sweep: loader.sweep,
            events: loader.events,
            rehearsal_questions: loader.rehearsal_questions,
            orders_max: loader.orders_max,
            audit: loader.audit,
            log_format: LogFormat::default(),
            log: "info".to_owned(),
            worker_threads: 0,
            progress: None,
        }
    }
}

/// One setting.
pub struct Setting {
    /// Its name in the file, with its table: `limits.body_bytes_max`.
    pub key: &'static str,
    /// What it is, with its unit, and its default.
    pub help: &'static str,
    read: fn(&mut Settings, &str) -> Result<(), String>,
}

/// All settings but those under `[request_properties]`, whose names are entity types.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        help: "addresses: `127.0.0.1:8180`, `[::1]:8180`, `unix:/path/to.sock`; default 127.0.0.1:8180",
        read: |s, text| {
            s.listen = list(text).map(Address::from_str).collect::<Result<_, _>>()?;
            if s.listen.is_empty() {
                return Err("there must be at least one address".to_owned());
            }
            Ok(())
        },
    },
    Setting {
        key: "public_url",
        help: "the decision point's URL in AuthZEN's metadata, `https://…`; default: the first address",
        read: |s, text| {
            let rest = text.strip_prefix("https://").ok_or("must begin with `https://`")?;
            if rest.is_empty() || rest.contains(['?', '#', ' ']) {
                return Err("must be a URL without query and fragment".to_owned());
            }
            s.serve.public_url = Some(text.to_owned());
            Ok(())
        },
    },
    Setting {
        key: "allowed_hosts",
        help: "names, with ports, that the Host header may have besides our own; default none",
        read: |s, text| {
            s.serve.allowed_hosts = list(text).map(str::to_owned).collect();
            Ok(())
        },
    },
    Setting {
        key: "admin.listen",
        help: "addresses of the admin API and of directory sync, for callers with a token; default none, neither is served",
        read: |s, text| {
            s.admin_listen = list(text).map(Address::from_str).collect::<Result<_, _>>()?;
            Ok(())
        },
    },
    Setting {
        key: "callers.tokens_file",
        help: "the file with the hashes of tokens, which `gatepost token` writes; default none, `tokens.json` in the root",
        read: |s, text| {
            s.tokens_file = Some(text.into());
            Ok(())
        },
    },
    Setting {
        key: "callers.required",
        help: "whether decisions, searches and explanations want a token with that scope as well; default false",
        read: |s, text| boolean(text).map(|on| s.serve.callers.required = on),
    },
    Setting {
        key: "log",
        help: "which logs: `error`, `warn`, `info`, `debug`, `trace`, or a filter of tracing; default info",
        read: |s, text| {
            s.log = text.to_owned();
            Ok(())
        },
    },
    Setting {
        key: "log_format",
        help: "how logs look: `text` or `json`; default text",
        read: |s, text| {
            s.log_format = one_of(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])?;
            Ok(())
        },
    },
    Setting {
        key: "worker_threads",
        help: "threads that answer requests; default 0, one on each core",
        read: |s, text| number(text, 0, 1_024).map(|n| s.worker_threads = n),
    },
    Setting {
        key: "engine.short_names",
        help: "whether types and actions may be called by the last part of their name; default true",
        read: |s, text| {
            s.options.short_names = one_of(text, &[("true", ShortNames::On), ("false", ShortNames::Off)])?;
            Ok(())
        },
    },
    Setting {
        key: "engine.evaluator",
        help: "who evaluates policies: `compiled`, ours with Cedar's beside it, or `cedar` alone, which is slower; default compiled",
        read: |s, text| {
            let choices = [("compiled", Evaluator::Compiled), ("cedar", Evaluator::Cedar)];
            s.options.evaluator = one_of(text, &choices)?;
            Ok(())
        },
    },
    Setting {
        key: "compare.one_in",
        help: "of so many questions one is decided by Cedar's evaluator as well; 0 for none, 1 for each; default 1024",
        read: |s, text| {
            s.serve.compare.one_in = number(text, 0, u32::MAX)?;
            Ok(())
        },
    },
    Setting {
        key: "compare.before_answer",
        help: "whether that is done before the answer, which a disagreement then turns into a deny; default false",
        read: |s, text| {
            s.serve.compare.before_answer = one_of(text, &[("true", true), ("false", false)])?;
            Ok(())
        },
    },
    Setting {
        key: "engine.erring_forbid",
        help: "what a forbid does that cannot be evaluated: `forbids`, or is `skipped` as in stock Cedar; default forbids",
        read: |s, text| {
            let choices = [("forbids", ErringForbid::Forbids), ("skipped", ErringForbid::Skipped)];
            s.options.erring_forbid = one_of(text, &choices)?;
            Ok(())
        },
    },
    Setting {
        key: "engine.unknown_references",
        help: "parents and members that are nowhere: `refuse` the files, or `drop` them with a warning; default refuse",
        read: |s, text| {
            let choices = [("refuse", UnknownParents::Refuse), ("drop", UnknownParents::Drop)];
            s.options.unknown_parents = one_of(text, &choices)?;
            Ok(())
        },
    },
    Setting {
        key: "authzen.inherit_type",
        help: "whether a subject or resource of a batch that has no type takes the default's; default false",
        read: |s, text| boolean(text).map(|on| s.serve.inherit_type = on),
    },
    Setting {
        key: "explain.enabled",
        help: "whether `POST /v1/explain` tells whoever may ask why, with policies and facts; default false",
        read: |s, text| boolean(text).map(|on| s.serve.explains = on),
    },
    Setting {
        key: "search.older_cursor",
        help: "a search's token of a revision that is not live any more: `refuse` it, or `continue` behind it in what is live; default refuse",
        read: |s, text| {
            let choices = [("refuse", OlderCursor::Refuse), ("continue", OlderCursor::Continue)];
            s.serve.search.older_cursor = one_of(text, &choices)?;
            Ok(())
        },
    },
    Setting {
        key: "search.cursor_key_file",
        help: "a file whose bytes, at least 32, encrypt and authenticate the tokens of searches, for several sidecars and restarts; default none, a key of each process",
        read: |s, text| {
            s.cursor_key_file = Some(text.into());
            Ok(())
        },
    },
    Setting {
        key: "store.events",
        help: "whether to listen to the file system between sweeps; default true",
        read: |s, text| boolean(text).map(|on| s.events = on),
    },
    Setting {
        key: "store.quiet_ms",
        help: "how long nothing must have happened before files are read, in milliseconds; default 200",
        read: |s, text| millis(text).map(|time| s.quiet = time),
    },
    Setting {
        key: "store.quiet_max_ms",
        help: "how long to wait for quiet at most, in milliseconds; default 2000",
        read: |s, text| millis(text).map(|time| s.quiet_max = time),
    },
    Setting {
        key: "store.sweep_ms",
        help: "how often all files are looked at without any event, in milliseconds; default 5000",
        read: |s, text| millis(text).map(|time| s.sweep = time),
    },
    Setting {
        key: "store.rehearsal_questions",
        help: "questions that are tried on new files before they go live, to find policies that err; default 10000",
        read: |s, text| number(text, 0, 10_000_000).map(|n| s.rehearsal_questions = n),
    },
    Setting {
        key: "audit.file",
        help: "the file that orders to the directory are put on record in, below the root if it is no absolute path; default audit/directory.jsonl",
        read: |s, text| {
            if text.is_empty() {
                return Err("must be a path".to_owned());
            }
            s.audit.file = text.into();
            Ok(())
        },
    },
    Setting {
        key: "audit.max_bytes",
        help: "bytes that this file holds before it is put aside; default 67108864",
        read: |s, text| number(text, 4_096, usize::MAX).map(|n| s.audit.max_bytes = n as u64),
    },
    Setting {
        key: "audit.keep",
        help: "how many files that were put aside are kept; default 10",
        read: |s, text| number(text, 0, 10_000).map(|n| s.audit.keep = n),
    },
    Setting {
        key: "limits.orders_max",
        help: "orders to the directory that wait at once; default 1024",
        read: |s, text| number(text, 1, 1_000_000).map(|n| s.orders_max = n),
    },
    Setting {
        key: "limits.body_bytes_max",
        help: "bytes of a request's body; default 1048576",
        read: |s, text| number(text, 1, 1 << 30).map(|n| s.serve.limits.body_bytes_max = n),
    },
    Setting {
        key: "limits.bodies_bytes_max",
        help: "bytes of all bodies together that have begun to come and not been answered; default 268435456",
        read: |s, text| number(text, 1, usize::MAX).map(|n| s.serve.limits.bodies_bytes_max = n),
    },
    Setting {
        key: "limits.json_depth_max",
        help: "how deep the JSON of a request may nest; default 32",
        read: |s, text| number(text, 1, 120).map(|n| s.serve.limits.json_depth_max = n),
    },
    Setting {
        key: "limits.batch_items_max",
        help: "questions in one batch; default 1000",
        read: |s, text| number(text, 1, 1_000_000).map(|n| s.serve.limits.batch_items_max = n),
    },
    Setting {
        key: "limits.search_results_max",
        help: "results in one answer to a search; default 1000",
        read: |s, text| number(text, 1, 1_000_000).map(|n| s.serve.limits.search_results_max = n),
    },
    Setting {
        key: "limits.search_looks_max",
        help: "entities that are looked at for one answer to a search; default 1000000",
        read: |s, text| number(text, 1, usize::MAX).map(|n| s.serve.limits.search_looks_max = n),
    },
    Setting {
        key: "limits.search_ms_max",
        help: "time that one answer to a search is looked for, in milliseconds; default 10000",
        read: |s, text| millis(text).map(|time| s.serve.limits.search_time = time),
    },
    Setting {
        key: "limits.searches_max",
        help: "searches at once; default 0, four on each thread that answers",
        read: |s, text| number(text, 0, 100_000).map(|n| s.serve.limits.searches_max = n),
    },
    Setting {
        key: "scim.entity_id",
        help: "what of a SCIM user is the id that applications ask with: `userName`, `externalId` or `id`, our own UUID; default userName",
        read: |s, text| {
            let choices = [
                ("userName", EntityId::UserName),
                ("externalId", EntityId::ExternalId),
                ("id", EntityId::Id),
            ];
            s.scim.entity_id = one_of(text, &choices)?;
            Ok(())
        },
    },
    Setting {
        key: "scim.public_url",
        help: "the URL that `/scim/v2` stands behind for the identity provider, as `https://sync.example.com`; default: the host that was asked, by http",
        read: |s, text| {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            let is_url =
                rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', ' ']));
            if !is_url {
                return Err(format!("`{text}` must be a URL with its scheme and no query"));
            }
            s.scim.public_url = Some(text.to_owned());
            Ok(())
        },
    },
    Setting {
        key: "limits.admin_body_bytes_max",
        help: "bytes of the body of a request to the admin API or to directory sync; default 8388608",
        read: |s, text| number(text, 1, 1 << 30).map(|n| s.serve.limits.admin_body_bytes_max = n),
    },
    Setting {
        key: "limits.failed_tokens_per_second_max",
        help: "requests without a good token that are answered 401 in one second, before further ones are answered 429; default 100",
        read: |s, text| number(text, 1, 1_000_000).map(|n| s.serve.callers.failures_per_second_max = n),
    },
    Setting {
        key: "limits.explanations_max",
        help: "explanations at once; default 0, one for each two threads that answer",
        read: |s, text| number(text, 0, 100_000).map(|n| s.serve.limits.explanations_max = n),
    },
    Setting {
        key: "limits.explanation_timeout_ms",
        help: "for one explanation, in milliseconds; default 2000",
        read: |s, text| millis(text).map(|time| s.serve.limits.explanation_timeout = time),
    },
    Setting {
        key: "limits.connections_max",
        help: "open connections, at most the process's open files less 64; default 10000",
        read: |s, text| number(text, 1, 1_000_000).map(|n| s.serve.limits.connections_max = n),
    },
    Setting {
        key: "limits.header_bytes_max",
        help: "bytes of a request's head; default 16384",
        read: |s, text| number(text, 8_192, 1 << 20).map(|n| s.serve.limits.header_bytes_max = n),
    },
    Setting {
        key: "limits.headers_max",
        help: "headers of a request; default 64",
        read: |s, text| number(text, 8, 1_000).map(|n| s.serve.limits.headers_max = n),
    },
    Setting {
        key: "limits.header_timeout_ms",
        help: "for a request's head to arrive, in milliseconds; default 5000",
        read: |s, text| millis(text).map(|time| s.serve.limits.header_timeout = time),
    },
    Setting {
        key: "limits.body_timeout_ms",
        help: "for a request's body to arrive, in milliseconds; default 5000",
        read: |s, text| millis(text).map(|time| s.serve.limits.body_timeout = time),
    },
    Setting {
        key: "limits.write_timeout_ms",
        help: "for the caller to take an answer, in milliseconds; default 5000",
        read: |s, text| millis(text).map(|time| s.serve.limits.write_timeout = time),
    },
    Setting {
        key: "limits.idle_timeout_ms",
        help: "between two requests of a connection, in milliseconds; default 75000",
        read: |s, text| millis(text).map(|time| s.serve.limits.idle_timeout = time),
    },
    Setting {
        key: "limits.drain_timeout_ms",
        help: "for requests under way to end on SIGTERM, in milliseconds; default 10000",
        read: |s, text| millis(text).map(|time| s.serve.limits.drain_timeout = time),
    },
    Setting {
        key: "limits.level_max",
        help: "how many steps from entity to entity a policy may look; default 5",
        read: |s, text| number(text, 1, 32).map(|n| s.options.level_max = n as u32),
    },
    Setting {
        key: "limits.ancestor_depth_max",
        help: "the longest chain of parents; default 1000",
        read: |s, text| number(text, 1, 100_000).map(|n| s.options.ancestor_depth_max = n),
    },
    Setting {
        key: "limits.file_bytes_max",
        help: "bytes of one file of a root; default 268435456",
        read: |s, text| number(text, 1, usize::MAX).map(|n| s.files.file_bytes_max = n as u64),
    },
    Setting {
        key: "limits.total_bytes_max",
        help: "bytes of all files of a root; default 2147483648",
        read: |s, text| number(text, 1, usize::MAX).map(|n| s.files.total_bytes_max = n as u64),
    },
    Setting {
        key: "limits.files_max",
        help: "files and directories of a root; default 200000",
        read: |s, text| number(text, 1, usize::MAX).map(|n| s.files.files_max = n),
    },
];

/// The table whose keys are entity types.
const REQUEST_PROPERTIES: &str = "request_properties";

impl Setting {
    /// Its name in the environment: `GATEPOST_LIMITS_BODY_BYTES_MAX`.
    pub fn variable(&self) -> String {
        variable(self.key)
    }
}

fn variable(key: &str) -> String {
    format!("GATEPOST_{}", key.replace('.', "_").to_uppercase())
}

impl Settings {
    /// Reads the settings: the file, then the environment, then `key=value` pairs from the command line.
    ///
    /// # Errors
    /// Every mistake in any of them.
    pub fn read(
        file: Option<&Text>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, Vec<Fault>> {
        let mut settings = Self::default();
        let mut faults = Vec::new();
        if let Some(file) = file {
            settings.read_file(file, &mut faults);
        }
        settings.read_environment(environment, &mut faults);
        for (key, value) in flags {
            if let Err(message) = settings.set(key, value) {
                let message = format!("`{key}` on the command line: {}", message.0);
                faults.push(with_help(Fault::error("settings", message), message_help(key)));
            }
        }
        // The file's first, in the order of its lines.
        faults.sort_by_key(|fault| fault.place.as_ref().map_or(usize::MAX, |place| place.span.offset));
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    /// Whether somebody is to show a token.
    pub fn wants_tokens(&self) -> bool {
        !self.admin_listen.is_empty() || self.serve.callers.required
    }

    /// The file with the tokens of a root.
    pub fn tokens_of(&self, root: &Path) -> PathBuf {
        root.join(self.tokens_file.as_deref().unwrap_or(Path::new(TOKENS_FILE)))
    }

    /// What a loader of a root needs of them.
    pub fn loader(&self, root: impl Into<PathBuf>) -> LoaderSettings {
        let root = root.into();
        let tokens = self.tokens_of(&root);
        LoaderSettings {
            claims: claims(tokens),
            options: self.options.clone(),
            limits: self.files,
            quiet: self.quiet,
            quiet_max: self.quiet_max,
            sweep: self.sweep,
            events: self.events,
            rehearsal_questions: self.rehearsal_questions,
            progress: self.progress.clone(),
            orders_max: self.orders_max,
            audit: AuditSettings {
                file: root.join(&self.audit.file),
                ..self.audit.clone()
            },
            root,
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Refused> {
        if let Some(entity_type) = key.strip_prefix(REQUEST_PROPERTIES).and_then(|rest| rest.strip_prefix('.')) {
            let mode = request_properties(value).map_err(Refused)?;
            self.options.request_properties.insert(entity_type.to_owned(), mode);
            return Ok(());
        }
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.key == key)
            .ok_or_else(|| Refused("there is no such setting".to_owned()))?;
        (setting.read)(self, value).map_err(Refused)
    }

    fn read_file(&mut self, file: &Text, faults: &mut Vec<Fault>) {
        let table = match DeTable::parse(&file.content) {
            Ok(table) => table,
            Err(error) => {
                let span = error.span().unwrap_or_default();
                let span = Span::new(span.start, span.len());
                faults.push(Fault::error("settings", format!("not valid TOML: {}", error.message())).at(file, span));
                return;
            }
        };
        self.read_table(file, "", table.get_ref(), faults);
    }

    fn read_table(&mut self, file: &Text, above: &str, table: &DeTable<'_>, faults: &mut Vec<Fault>) {
        for (name, value) in table {
            let key = if above.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{above}.{}", name.get_ref())
            };
            let is_table = key == REQUEST_PROPERTIES
                || SETTINGS
                    .iter()
                    .any(|setting| setting.key.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.')));
            if let (true, DeValue::Table(inner)) = (is_table, value.get_ref()) {
                self.read_table(file, &key, inner, faults);
                continue;
            }
            let set = plain(value.get_ref())
                .ok_or_else(|| Refused("must be a text, a number, a boolean or a list of texts".to_owned()))
                .and_then(|text| self.set(&key, &text));
            if let Err(Refused(message)) = set {
                let known = SETTINGS.iter().any(|setting| setting.key == key);
                let span = if known || above == REQUEST_PROPERTIES {
                    value.span()
                } else {
                    name.span()
                };
                let fault =
                    Fault::error("settings", format!("`{key}`: {message}")).at(file, Span::new(span.start, span.len()));
                faults.push(with_help(fault, message_help(&key)));
            }
        }
    }

    fn read_environment(&mut self, environment: impl IntoIterator<Item = (String, String)>, faults: &mut Vec<Fault>) {
        let known: BTreeMap<String, &Setting> = SETTINGS.iter().map(|setting| (setting.variable(), setting)).collect();
        for (name, value) in environment {
            let Some(rest) = name.strip_prefix("GATEPOST_") else { continue };
            // Kubernetes announces a service called `gatepost` to every container in this way.
            let announced = rest.starts_with("SERVICE_") || rest == "PORT" || rest.starts_with("PORT_");
            if announced || matches!(rest, "CONFIG" | "ROOT" | "TOKEN") {
                continue;
            }
            let result = if rest == "REQUEST_PROPERTIES" {
                list(&value).try_for_each(|pair| match pair.split_once('=') {
                    Some((entity_type, mode)) => {
                        self.set(&format!("{REQUEST_PROPERTIES}.{}", entity_type.trim()), mode.trim())
                    }
                    None => Err(Refused(format!("`{pair}` must be a pair such as `Record=override`"))),
                })
            } else if let Some(setting) = known.get(&name) {
                (setting.read)(self, &value).map_err(Refused)
            } else {
                Err(Refused("there is no such setting".to_owned()))
            };
            if let Err(Refused(message)) = result {
                let fault = Fault::error("settings", format!("`{name}` in the environment: {message}"));
                let help = match known.get(&name) {
                    Some(setting) => Some(setting.help.to_owned()),
                    None => {
                        nearest(&name, known.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"))
                    }
                };
                faults.push(with_help(fault, help));
            }
        }
    }
}

/// Why a value is no value of its setting.
struct Refused(String);

/// The help of a setting, or the setting that may be meant.
fn message_help(key: &str) -> Option<String> {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
        return Some(setting.help.to_owned());
    }
    if key.starts_with(REQUEST_PROPERTIES) {
        return Some("write `ignore`, `fill` or `override` for a Cedar entity type".to_owned());
    }
    nearest(key, SETTINGS.iter().map(|setting| setting.key)).map(|near| format!("did you mean `{near}`?"))
}

fn with_help(fault: Fault, help: Option<String>) -> Fault {
    match help {
        Some(help) => fault.help(help),
        None => fault,
    }
}

/// A value of TOML as the text that a variable would have.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Array(items) => items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(|items| items.join(",")),
        _ => None,
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn number<N>(text: &str, min: u64, max: N) -> Result<N, String>
where
    N: TryFrom<u64> + Copy + PartialOrd + std::fmt::Display,
{
    let refuse = || format!("`{text}` must be a whole number from {min} to {max}");
    let value: u64 = text.replace('_', "").parse().map_err(|_| refuse())?;
    let narrow = N::try_from(value).map_err(|_| refuse())?;
    if value < min || narrow > max {
        Err(refuse())
    } else {
        Ok(narrow)
    }
}

fn millis(text: &str) -> Result<Duration, String> {
    number(text, 1, 86_400_000_u64).map(Duration::from_millis)
}

fn boolean(text: &str) -> Result<bool, String> {
    one_of(text, &[("true", true), ("false", false)])
}

fn request_properties(text: &str) -> Result<RequestProperties, String> {
    one_of(
        text,
        &[
            ("ignore", RequestProperties::Ignore),
            ("fill", RequestProperties::Fill),
            ("override", RequestProperties::Override),
        ],
    )
}

fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("`{text}` must be {}", names.join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, Vec<Fault>> {
        let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        Settings::read(Some(&Text::new("gatepost.toml", file)), own(environment), &own(flags))
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = "log = \"warn\"\nlisten = [\"127.0.0.1:1\", \"unix:/tmp/s\"]\n[limits]\nbatch_items_max = 1\n\
                    body_bytes_max = 10\n[request_properties]\nRecord = \"override\"\n\"App::Doc\" = \"ignore\"\n";
        let environment = [
            ("GATEPOST_LIMITS_BATCH_ITEMS_MAX", "2"),
            ("GATEPOST_LOG", "debug"),
            ("GATEPOST_SERVICE_HOST", "10.0.0.1"),
            ("GATEPOST_PORT_8180_TCP_ADDR", "10.0.0.1"),
            ("GATEPOST_REQUEST_PROPERTIES", "User=fill"),
            ("PATH", "/bin"),
        ];
        let settings = read(file, &environment, &[("log", "trace")]).expect("good settings");
        assert_eq!(settings.log, "trace");
        assert_eq!(settings.serve.limits.batch_items_max, 2);
        assert_eq!(settings.serve.limits.body_bytes_max, 10);
        assert_eq!(settings.listen.len(), 2);
        let modes = &settings.options.request_properties;
        assert_eq!(modes["Record"], RequestProperties::Override);
        assert_eq!(modes["App::Doc"], RequestProperties::Ignore);
        assert_eq!(modes["User"], RequestProperties::Fill);
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_line_and_help() {
        let file = "lisen = [\"127.0.0.1:1\"]\nlog_format = \"xml\"\n[limits]\nbody_bytes_max = 0\nbodies = 1\n\
                    [request_properties]\nUser = \"maybe\"\n";
        let environment = [
            ("GATEPOST_LIMITS_BATCH_ITEM_MAX", "2"),
            ("GATEPOST_STORE_EVENTS", "yes"),
        ];
        let faults = read(file, &environment, &[("sweep", "1"), ("store.sweep_ms", "soon")]).expect_err("mistakes");
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        for (line, words) in [
            (Some(1), "`lisen`: there is no such setting"),
            (Some(2), "`xml` must be `text` or `json`"),
            (Some(4), "must be a whole number from 1"),
            (Some(5), "`limits.bodies`: there is no such setting"),
            (Some(7), "`maybe` must be `ignore` or `fill` or `override`"),
            (None, "`GATEPOST_LIMITS_BATCH_ITEM_MAX` in the environment"),
            (None, "`yes` must be `true` or `false`"),
            (None, "`sweep` on the command line"),
            (None, "`soon` must be a whole number"),
        ] {
            assert!(
                faults
                    .iter()
                    .any(|fault| fault.message.contains(words) && fault.place.as_ref().map(|place| place.line) == line),
                "{words}: {told:#?}"
            );
        }
        assert_eq!(faults.len(), 9, "{told:#?}");
        assert_eq!(faults[0].help.as_deref(), Some("did you mean `listen`?"));
    }

    #[test]
    fn the_defaults_that_the_help_names_are_the_defaults() {
        for setting in SETTINGS {
            let Some((_, default)) = setting.help.split_once("; default ") else {
                continue;
            };
            let default = default.split(',').next().unwrap_or(default);
            if default == "none" {
                continue;
            }
            let mut changed = Settings::default();
            (setting.read)(&mut changed, default).expect(setting.key);
            assert_eq!(format!("{changed:?}"), format!("{:?}", Settings::default()), "{}", setting.key);
        }
    }
}
