//! `gatepost token`: tokens for those who change things, or who have to show who they are.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::lists::{Colour, NamedRootArgs, Table, shown};
use super::names::{self, Typed};
use super::render::shown_json;
use super::source::Failed;
use super::{FAILURE, Format, RootArgs, SUCCESS, complete, directory, hand_over, print, print_error, system_user};
use crate::app::{LOOK, Settings, TokensError, World, change_tokens_on_record, read_tokens};
use crate::callers::{Callers, Principal, Scope, Token};
use crate::store::{Standing, TokenChange, TokenLine, record_token, standing};

/// The longest time that a token is made for: a hundred years, nearly.
const DAYS_MAX: u32 = 36_500;

#[derive(Debug, Args)]
#[command(
    after_help = "The tokens of a root stand in its `tokens.json`, or in the file that `callers.tokens_file` names: \
                        hashes, not the tokens. A running sidecar takes up a change of that file at once. To change a \
                        token without a failed request, make a second one, give it to the caller, and revoke the first.\n\n\
                        Exit codes: 0 done, 1 the file or the name has a fault, 2 wrong usage or settings.\n\n\
                        Examples:\n  gatepost token create okta --root demo --principal service-user:provisioner --scope scim --expires 90d\n  \
                        gatepost token list --root demo\n  gatepost token revoke okta --root demo"
)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a token and print it: once, on standard output, and nowhere else.
    Create(CreateArgs),
    /// List the tokens, without what their holders have.
    List(ListArgs),
    /// Take a token away.
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What to call it; no other token has the name.
    name: String,
    #[command(flatten)]
    root: NamedRootArgs,
    /// For whom it speaks: `Type::"id"` or `type:id`, an account of the root. What it may change is what the policies allow
    /// this account.
    #[arg(long, value_name = "ENTITY", add = ArgValueCompleter::new(complete::typed_principals))]
    principal: String,
    /// What it is good for; may be given more than once.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<Scope>,
    /// After how many days it ends.
    #[arg(long, value_name = "DAYS", conflicts_with = "expires", value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: Option<u32>,
    /// When it ends: `90d` for days from now, or `2027-01-31T00:00:00Z`. Without it and `--days`, it does not.
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    expires: Option<Expiry>,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    root: NamedRootArgs,
    /// How to show them.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// Its name.
    name: String,
    #[command(flatten)]
    root: NamedRootArgs,
}

/// When a token ends.
#[derive(Clone, Copy, Debug)]
enum Expiry {
    Days(u32),
    At(DateTime<Utc>),
}

impl Expiry {
    fn from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Days(days) => now + TimeDelta::days(i64::from(days)),
            Self::At(time) => time,
        }
    }
}

fn expiry(text: &str) -> Result<Expiry, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    match days.filter(|days| (1..=DAYS_MAX).contains(days)) {
        Some(days) => Ok(Expiry::Days(days)),
        None => text
            .parse()
            .map(Expiry::At)
            .map_err(|_| format!("write days, from `1d` to `{DAYS_MAX}d`, or a time such as `2027-01-31T00:00:00Z`")),
    }
}

impl ValueEnum for Scope {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

pub(super) fn run(args: &TokenArgs) -> u8 {
    let done = match &args.what {
        What::Create(args) => create(args),
        What::List(args) => list(args),
        What::Revoke(args) => revoke(args),
    };
    done.unwrap_or_else(|failed| failed.tell())
}

/// Where the tokens of a root are.
fn file(root: &NamedRootArgs) -> Result<PathBuf, Failed> {
    let root = root.root();
    let settings = root.settings(&[]).map_err(Failed::Settings)?;
    match (root.world(), settings.tokens_file.as_ref()) {
        (World::Root(root), _) => Ok(settings.tokens_of(&root)),
        (World::BuiltIn, Some(path)) => Ok(path.clone()),
        (World::BuiltIn, None) => Err(Failed::Usage(
            "this directory is no root, and the built-in model has no tokens: name one with --root".to_owned(),
        )),
    }
}

fn create(args: &CreateArgs) -> Result<u8, Failed> {
    let Typed::Entity(entity_type, id) = names::typed(&args.principal) else {
        return Err(Failed::Usage(format!(
            "--principal: `{}` is no entity; write `Type::\"id\"` or `type:id`",
            shown(&args.principal)
        )));
    };
    let (path, settings) = (file(&args.root)?, args.root.root().settings(&[]).map_err(Failed::Settings)?);
    let principal = known(&args.root.root(), &settings, Principal { entity_type, id })?;
    let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap_or_default();
    let expires = args.expires.or(args.days.map(Expiry::Days)).map(|expiry| expiry.from(now));
    let change = |callers: &mut Callers| callers.create(&args.name, principal, &args.scopes, now, expires);
    let secret = change_tokens_on_record(&path, change, |_, after| {
        record(&args.root.root(), &settings, TokenChange::Create, &args.name, after)
    })
    .map_err(|error| Failed::Other(error.to_string()))?;
    sidecars_have_looked();
    let told = match args.format {
        Format::Json => {
            json!({ "name": args.name, "token": secret.reveal(), "expires": expires.map(time), "file": path })
                .to_string()
        }
        Format::Text => secret.reveal().to_owned(),
    };
    if let Err(error) = hand_over(&told) {
        // Nobody has it, and it would be good: the next try finds its name free.
        let taken_back = take_away(&args.root.root(), &settings, &path, &args.name);
        let state = match taken_back {
            Ok(_) => "the token is revoked again".to_owned(),
            Err(error) => format!("the token is live, and could not be revoked: {error}"),
        };
        return Err(Failed::Other(format!("cannot write to standard output: {error}; {state}")));
    }
    if args.format == Format::Text && io::stdout().is_terminal() {
        print_error("this is the only time that it is shown: keep it where secrets are kept");
    }
    Ok(SUCCESS)
}

/// Revokes a token by its name, on record, and says whether there was one.
fn take_away(root: &RootArgs, settings: &Settings, path: &Path, name: &str) -> Result<bool, TokensError> {
    let change = |callers: &mut Callers| Ok(callers.revoke(name));
    let was_there = change_tokens_on_record(path, change, |before, _| {
        record(root, settings, TokenChange::Revoke, name, before)
    });
    sidecars_have_looked();
    was_there
}

/// Waits until each sidecar that is asked something goes by the tokens as they are now: what is said to be good is good then,
/// and what is revoked is not.
fn sidecars_have_looked() {
    std::thread::sleep(LOOK);
}

/// Whom a token is for, by the exact type: an account that is not there would make a token that is good for nothing, and
/// whoever made the account later would have made it good.
fn known(root: &RootArgs, settings: &Settings, principal: Principal) -> Result<Principal, Failed> {
    let Ok(compiled) = directory::read(&root.world(), settings) else {
        print_error(&format!(
            "nobody knows whether there is {} `{}`: the files have faults, which `gatepost check` shows",
            shown(&principal.entity_type),
            shown(&principal.id)
        ));
        return Ok(principal);
    };
    let (entity_type, id) = names::principal(&compiled.snapshot, &principal.entity_type, &principal.id)
        .map_err(|why| Failed::Other(format!("--principal: {why}")))?;
    if standing(&compiled.snapshot, &compiled.directory, &entity_type, &id) != Standing::Good {
        let account = shown(&format!("{entity_type}::\"{id}\""));
        print_error(&format!(
            "`{account}` is deactivated: its tokens are good for nothing until it is reactivated"
        ));
    }
    Ok(Principal { entity_type, id })
}

/// Puts on record what is done to a token, in the audit trail of its root. The built-in model has none.
fn record(root: &RootArgs, settings: &Settings, command: TokenChange, name: &str, having: &Callers) -> io::Result<()> {
    let (World::Root(root), Some(token)) = (root.world(), having.tokens().find(|token| token.name == name)) else {
        return Ok(());
    };
    let state = json!({
        "principal": token.principal, "scopes": token.scopes, "created": time(token.created), "expires": token.expires.map(time),
    });
    let system_user = system_user();
    let line = TokenLine {
        command,
        name,
        state: &state,
        system_user: system_user.as_deref(),
    };
    record_token(&settings.loader(root).audit, line)
}

fn list(args: &ListArgs) -> Result<u8, Failed> {
    let callers = read_tokens(&file(&args.root)?).map_err(|error| Failed::Other(error.to_string()))?;
    let root = args.root.root();
    let settings = root.settings(&[]).map_err(Failed::Settings)?;
    let compiled = match callers.tokens().next() {
        Some(_) => directory::read(&root.world(), &settings).ok(),
        None => None,
    };
    if compiled.is_none() && callers.tokens().next().is_some() {
        print_error(
            "nobody knows which of their accounts are good: the files have faults, which `gatepost check` shows",
        );
    }
    let stands = |token: &Token| {
        let compiled = compiled.as_ref()?;
        let Principal { entity_type, id } = &token.principal;
        Some(standing(&compiled.snapshot, &compiled.directory, entity_type, id))
    };
    let now = Utc::now();
    if args.format == Format::Json {
        let tokens: Vec<_> = callers
            .tokens()
            .map(|token| {
                let standing = stands(token);
                json!({
                    "name": token.name, "principal": token.principal, "scopes": token.scopes,
                    "created": time(token.created), "expires": token.expires.map(time),
                    "account": standing.map(word),
                    "live": token.is_live(now) && standing.is_none_or(|standing| standing == Standing::Good),
                })
            })
            .collect();
        print(&shown_json(&json!({ "tokens": tokens }).to_string()));
        return Ok(SUCCESS);
    }
    let mut table = Table::new(["name", "principal", "scopes", "created", "expires"]);
    table.rows.extend(callers.tokens().map(|token| row(token, stands(token), now)));
    if table.rows.is_empty() {
        print("no tokens");
    } else {
        print(table.text(Colour::Off).trim_end());
    }
    Ok(SUCCESS)
}

/// How an account is called by how it stands.
fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Good => "good",
        Standing::Deactivated => "deactivated",
        Standing::Missing => "missing",
    }
}

fn row(token: &Token, standing: Option<Standing>, now: DateTime<Utc>) -> Vec<String> {
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
    let expires = match token.expires {
        None => "never".to_owned(),
        Some(expires) if token.is_live(now) => time(expires),
        Some(expires) => format!("{} (expired)", time(expires)),
    };
    let principal = shown(&format!("{}:{}", token.principal.entity_type, token.principal.id));
    let principal = match standing.filter(|standing| *standing != Standing::Good) {
        Some(standing) => format!("{principal} ({})", word(standing)),
        None => principal,
    };
    vec![
        shown(&token.name),
        principal,
        scopes.join(", "),
        time(token.created),
        expires,
    ]
}

fn revoke(args: &RevokeArgs) -> Result<u8, Failed> {
    let (path, settings) = (file(&args.root)?, args.root.root().settings(&[]).map_err(Failed::Settings)?);
    let was_there = take_away(&args.root.root(), &settings, &path, &args.name);
    if was_there.map_err(|error| Failed::Other(error.to_string()))? {
        print(&format!("revoked `{}`", shown(&args.name)));
        return Ok(SUCCESS);
    }
    print_error(&format!("there is no token `{}`: see `gatepost token list`", shown(&args.name)));
    Ok(FAILURE)
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
