//! `gatepost user`, `service-user`, `team`, `datastore` and `enrichment-datastore`: the directory, shown and changed.

mod admin;
mod change;
mod confirm;
mod files;
mod outcome;
mod place;
mod show;
mod typed;

use clap::builder::PossibleValue;
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use std::path::PathBuf;

use self::change::Changing;
pub(super) use self::files::read;
use super::lists::NamedRootArgs;
use super::source::Failed;
use super::{Format, complete};
use crate::directory::{Kind, Permission, Role};

/// What all of them say at the end of their help.
const CODES: &str = "Exit codes: 0 done, or nothing to do; 1 the files have faults, a name is unknown, the sidecar does not \
                     answer, the root is of another revision than --if-revision, or a change that is asked \
                     about was not confirmed; 2 wrong usage or settings; 3 a policy or a rule refuses.\n\n\
                     Without --url, the files of the root are read and written. Entries that people wrote are changed where \
                     they stand, and everything else in the file stays; new ones go to `entities/managed/`.";

/// Where the directory is.
#[derive(Debug, Default, Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    root: NamedRootArgs,
    /// A running sidecar, by the listener of its admin API: `http://127.0.0.1:8181` or `unix:/path/to.sock`. Without it,
    /// the files of the root are read and written.
    #[arg(long, value_name = "URL", help_heading = "Where")]
    url: Option<String>,
    /// A file with the token for the sidecar. Without it, the variable GATEPOST_TOKEN.
    #[arg(long, value_name = "FILE", requires = "url", help_heading = "Where")]
    token_file: Option<PathBuf>,
}

/// How a change is made.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Show what would change, in the files and in who has access, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Carry out without asking: a wide change, by which more than ten accounts gain access, or one by which whoever makes it
    /// would be an Admin no more.
    #[arg(long)]
    yes: bool,
    /// Who changes it, as in `user:ana@example.com`: the policies are asked whether they may. Without it nobody is asked on
    /// files, since who can write them may; a sidecar takes whom the token is for.
    #[arg(long = "as", value_name = "ENTITY", conflicts_with = "url", add = ArgValueCompleter::new(complete::typed_principals))]
    acting: Option<String>,
    /// Change nothing unless the root is of this revision.
    #[arg(long, value_name = "REVISION")]
    if_revision: Option<String>,
    /// How to show what was done.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A list of entries.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Only those whose id or name contains this, without regard to case.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// How to show them.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct AccountListArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Only those with this role.
    #[arg(long, ignore_case = true)]
    role: Option<Role>,
    /// Only those in this team.
    #[arg(long, value_name = "TEAM", add = ArgValueCompleter::new(complete::teams))]
    team: Option<String>,
    /// Only those that are deactivated.
    #[arg(long)]
    inactive: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Its id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    #[command(flatten)]
    place: PlaceArgs,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A change of one entry that needs no more words.
#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// Its id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Users, or service users.
#[derive(Debug, Subcommand)]
pub(super) enum AccountCommand {
    /// List them, with role, state and teams.
    List(AccountListArgs),
    /// Show one.
    Show(ShowArgs),
    /// Make one: active, and in Public like everyone.
    Create(CreateAccountArgs),
    /// Change a name, or an id with every mention of it.
    Edit(EditAccountArgs),
    /// Give an account its one role.
    Role(RoleArgs),
    /// Put an account into teams.
    Join(TeamsArgs),
    /// Take an account out of teams.
    Leave(TeamsArgs),
    /// Take all access away. Role and teams stay on record.
    Deactivate(OneArgs),
    /// Give back the access that an account had.
    Reactivate(OneArgs),
    /// Remove an account, and every mention of it.
    Delete(OneArgs),
}

/// Users alone.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    #[command(flatten)]
    Account(AccountCommand),
    /// Let an id that was somebody's, and is retired, be given again.
    Release(ReleaseArgs),
}

#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// The retired id.
    id: String,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct CreateAccountArgs {
    /// Its id: what applications ask with.
    id: String,
    /// Its name. Without one, its id.
    #[arg(long)]
    name: Option<String>,
    /// Its role.
    #[arg(long, default_value = "Member", ignore_case = true)]
    role: Role,
    /// A team that it comes into. May be given more than once.
    #[arg(long = "team", value_name = "TEAM", add = ArgValueCompleter::new(complete::teams))]
    teams: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
#[group(id = "edited", required = true, multiple = true, args = ["name", "new_id"])]
pub(super) struct EditAccountArgs {
    /// Its id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    /// Another name.
    #[arg(long)]
    name: Option<String>,
    /// Another id. Every mention of it in the directory follows.
    #[arg(long, value_name = "ID")]
    new_id: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct RoleArgs {
    /// Its id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    /// The role.
    #[arg(ignore_case = true)]
    role: Role,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct TeamsArgs {
    /// Its id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    /// The teams.
    #[arg(required = true, value_name = "TEAM", add = ArgValueCompleter::new(complete::teams))]
    teams: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Teams.
#[derive(Debug, Subcommand)]
pub(super) enum TeamCommand {
    /// List them, with permission and sizes.
    List(ListArgs),
    /// Show one, with its members and datastores.
    Show(ShowArgs),
    /// Make one.
    Create(CreateTeamArgs),
    /// Change name, description or permission, or the id with every mention of it.
    Edit(EditTeamArgs),
    /// Put accounts into a team.
    AddMember(MembersArgs),
    /// Take accounts out of a team.
    RemoveMember(MembersArgs),
    /// Grant datastores to a team, at the team's level or one of their own.
    Assign(AssignArgs),
    /// Take datastores away from a team.
    Unassign(UnassignArgs),
    /// Remove a team, and the access that it gave.
    Delete(OneArgs),
}

/// What a team has on its datastores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    /// View and report.
    Read,
    /// All of that, run operations and manage metadata.
    Write,
    /// None for all: each datastore states its own.
    None,
}

impl Level {
    fn permission(self) -> Option<Permission> {
        match self {
            Self::Read => Some(Permission::Read),
            Self::Write => Some(Permission::Write),
            Self::None => None,
        }
    }
}

impl ValueEnum for Role {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

#[derive(Debug, Args)]
pub(super) struct CreateTeamArgs {
    /// Its id: what accounts and documents name it by.
    id: String,
    /// Its name, unique among teams. Without one, its id.
    #[arg(long)]
    name: Option<String>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// Its level on its datastores.
    #[arg(long, value_enum, default_value_t = Level::Read)]
    permission: Level,
    /// An account that comes into it. May be given more than once.
    #[arg(long = "member", value_name = "ACCOUNT", add = ArgValueCompleter::new(complete::accounts))]
    members: Vec<String>,
    /// A datastore that it is granted, as `ledger` or with a level of its own `payroll=read`. May be given more than once.
    #[arg(long = "datastore", value_name = "DATASTORE", add = ArgValueCompleter::new(complete::stores))]
    stores: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
#[group(id = "edited", required = true, multiple = true, args = ["name", "description", "permission", "new_id"])]
pub(super) struct EditTeamArgs {
    /// Its id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    /// Another name.
    #[arg(long)]
    name: Option<String>,
    /// Another description.
    #[arg(long)]
    description: Option<String>,
    /// Another level on its datastores.
    #[arg(long, value_enum)]
    permission: Option<Level>,
    /// Another id. Every mention of it in the directory follows.
    #[arg(long, value_name = "ID")]
    new_id: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct MembersArgs {
    /// The team's id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    /// Accounts: the id, or `user:id` and `service-user:id` where both have it.
    #[arg(required = true, value_name = "ACCOUNT", add = ArgValueCompleter::new(complete::accounts))]
    members: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct AssignArgs {
    /// The team's id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    /// Datastores: the id, or `datastore:id` and `enrichment-datastore:id` where both have it. `payroll=read` gives one a
    /// level of its own.
    #[arg(required = true, value_name = "DATASTORE", add = ArgValueCompleter::new(complete::stores))]
    stores: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct UnassignArgs {
    /// The team's id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    /// Datastores: the id, or `datastore:id` and `enrichment-datastore:id` where both have it.
    #[arg(required = true, value_name = "DATASTORE", add = ArgValueCompleter::new(complete::stores))]
    stores: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Datastores of one kind.
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// List them.
    List(ListArgs),
    /// Show one.
    Show(ShowArgs),
    /// Make one. Until a team is granted it, it is for Admins alone.
    Create(CreateStoreArgs),
    /// Change a name, or an id with every mention of it.
    Edit(EditStoreArgs),
    /// Remove one, and every mention of it.
    Delete(OneArgs),
}

#[derive(Debug, Args)]
pub(super) struct CreateStoreArgs {
    /// Its id: what applications ask with.
    id: String,
    /// Its name. Without one, its id.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
#[group(id = "edited", required = true, multiple = true, args = ["name", "new_id"])]
pub(super) struct EditStoreArgs {
    /// Its id.
    #[arg(add = ArgValueCompleter::new(complete::entries))]
    id: String,
    /// Another name.
    #[arg(long)]
    name: Option<String>,
    /// Another id. Every mention of it in the directory follows.
    #[arg(long, value_name = "ID")]
    new_id: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// `gatepost user`
#[derive(Debug, Args)]
#[command(after_help = format!("{CODES}\n\nExamples:\n  gatepost user list --team finance\n  gatepost user create zoe@example.com --name 'Zoe Ray' --team sales\n  \
          gatepost user role carla@example.com Manager\n  gatepost user deactivate carla@example.com --dry-run\n  \
          gatepost user join carla@example.com sales --url http://127.0.0.1:8181 --token-file token"))]
pub(super) struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

/// `gatepost service-user`
#[derive(Debug, Args)]
#[command(after_help = format!("{CODES}\n\nExamples:\n  gatepost service-user create nightly-export --team finance\n  \
          gatepost service-user deactivate nightly-scan"))]
pub(super) struct ServiceUserArgs {
    #[command(subcommand)]
    command: AccountCommand,
}

/// `gatepost team`
#[derive(Debug, Args)]
#[command(after_help = format!("{CODES}\n\nExamples:\n  gatepost team create audit --permission read --member greta@example.com --datastore ledger\n  \
          gatepost team add-member finance dev@example.com nightly-scan\n  gatepost team assign finance orders payroll=read --dry-run"))]
pub(super) struct TeamArgs {
    #[command(subcommand)]
    command: TeamCommand,
}

/// `gatepost datastore` and `gatepost enrichment-datastore`
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

pub(super) fn user(args: &UserArgs) -> u8 {
    let done = match &args.command {
        UserCommand::Account(command) => account(Kind::User, command),
        UserCommand::Release(args) => Changing::open(&args.change).and_then(|changing| changing.release(&args.id)),
    };
    done.unwrap_or_else(|failed| failed.tell())
}

pub(super) fn service_user(args: &ServiceUserArgs) -> u8 {
    account(Kind::ServiceUser, &args.command).unwrap_or_else(|failed| failed.tell())
}

pub(super) fn team(args: &TeamArgs) -> u8 {
    run_team(&args.command).unwrap_or_else(|failed| failed.tell())
}

pub(super) fn datastore(args: &StoreArgs) -> u8 {
    store(Kind::Datastore, &args.command).unwrap_or_else(|failed| failed.tell())
}

pub(super) fn enrichment_datastore(args: &StoreArgs) -> u8 {
    store(Kind::EnrichmentDatastore, &args.command).unwrap_or_else(|failed| failed.tell())
}

fn account(kind: Kind, command: &AccountCommand) -> Result<u8, Failed> {
    match command {
        AccountCommand::List(args) => {
            let wanted = show::Wanted {
                role: args.role,
                team: args.team.as_deref(),
                inactive: args.inactive,
                contains: args.list.contains.as_deref(),
            };
            show::list(kind, &args.list.place, &wanted, args.list.format)
        }
        AccountCommand::Show(args) => show::one(kind, &args.id, &args.place, args.format),
        AccountCommand::Create(args) => Changing::open(&args.change)?.create_account(kind, args),
        AccountCommand::Edit(args) => {
            Changing::open(&args.change)?.edit(kind, &args.id, args.name.clone(), args.new_id.clone())
        }
        AccountCommand::Role(args) => Changing::open(&args.change)?.role(kind, &args.id, args.role),
        AccountCommand::Join(args) => Changing::open(&args.change)?.join(kind, &args.id, &args.teams),
        AccountCommand::Leave(args) => Changing::open(&args.change)?.leave(kind, &args.id, &args.teams),
        AccountCommand::Deactivate(args) => Changing::open(&args.change)?.activate(kind, &args.id, false),
        AccountCommand::Reactivate(args) => Changing::open(&args.change)?.activate(kind, &args.id, true),
        AccountCommand::Delete(args) => Changing::open(&args.change)?.delete(kind, &args.id),
    }
}

fn run_team(command: &TeamCommand) -> Result<u8, Failed> {
    match command {
        TeamCommand::List(args) => list(Kind::Team, args),
        TeamCommand::Show(args) => show::one(Kind::Team, &args.id, &args.place, args.format),
        TeamCommand::Create(args) => Changing::open(&args.change)?.create_team(args),
        TeamCommand::Edit(args) => Changing::open(&args.change)?.edit_team(args),
        TeamCommand::AddMember(args) => Changing::open(&args.change)?.add_members(&args.id, &args.members),
        TeamCommand::RemoveMember(args) => Changing::open(&args.change)?.remove_members(&args.id, &args.members),
        TeamCommand::Assign(args) => Changing::open(&args.change)?.assign(&args.id, &args.stores),
        TeamCommand::Unassign(args) => Changing::open(&args.change)?.unassign(&args.id, &args.stores),
        TeamCommand::Delete(args) => Changing::open(&args.change)?.delete(Kind::Team, &args.id),
    }
}

fn store(kind: Kind, command: &StoreCommand) -> Result<u8, Failed> {
    match command {
        StoreCommand::List(args) => list(kind, args),
        StoreCommand::Show(args) => show::one(kind, &args.id, &args.place, args.format),
        StoreCommand::Create(args) => Changing::open(&args.change)?.create_store(kind, &args.id, args.name.clone()),
        StoreCommand::Edit(args) => {
            Changing::open(&args.change)?.edit(kind, &args.id, args.name.clone(), args.new_id.clone())
        }
        StoreCommand::Delete(args) => Changing::open(&args.change)?.delete(kind, &args.id),
    }
}

fn list(kind: Kind, args: &ListArgs) -> Result<u8, Failed> {
    let wanted = show::Wanted {
        contains: args.contains.as_deref(),
        ..show::Wanted::default()
    };
    show::list(kind, &args.place, &wanted, args.format)
}
