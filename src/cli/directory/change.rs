//! Changes: what was typed, as commands, and how they are carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;

use super::confirm::Acting;
use super::outcome::Outcome;
use super::place::{Manner, Place, Purpose};
use super::{ChangeArgs, CreateAccountArgs, CreateTeamArgs, EditTeamArgs, confirm, typed};
use crate::cli::lists::{colour, shown};
use crate::cli::names::{self, Typed};
use crate::cli::render::shown_json;
use crate::cli::source::Failed;
use crate::cli::{Format, SUCCESS, print, print_drawn};
use crate::directory::{Assignments, Command, Key, Kind, Members, Patch, Role};

/// How often a change is tried that others are faster than. Of those who try at the same time one gets through each time, so
/// this many may.
const TRIES_MAX: u32 = 50;

/// A change on its way.
pub(super) struct Changing<'a> {
    args: &'a ChangeArgs,
    place: Place,
    manner: Manner,
}

impl<'a> Changing<'a> {
    /// Opens where the change is to be made.
    pub(super) fn open(args: &'a ChangeArgs) -> Result<Self, Failed> {
        let acting = match args.acting.as_deref().map(names::typed) {
            None => None,
            Some(Typed::Entity(entity_type, id)) => Some((entity_type_of(&entity_type), id)),
            Some(Typed::Id(id)) => {
                return Err(Failed::Usage(format!(
                    "--as: `{}` has no type; write `user:{}`",
                    shown(&id),
                    shown(&id)
                )));
            }
        };
        Ok(Self {
            args,
            place: Place::open(&args.place, Purpose::Change)?,
            manner: Manner {
                dry_run: args.dry_run,
                if_revision: args.if_revision.clone(),
                acting,
            },
        })
    }

    pub(super) fn create_account(mut self, kind: Kind, args: &CreateAccountArgs) -> Result<u8, Failed> {
        let teams = self.teams(&args.teams)?;
        let entry = Patch {
            name: args.name.clone(),
            role: Some(args.role),
            active: Some(true),
            teams: set(teams),
            ..Patch::default()
        };
        self.create(Key::new(kind, args.id.as_str()), entry)
    }

    pub(super) fn create_store(self, kind: Kind, id: &str, name: Option<String>) -> Result<u8, Failed> {
        let entry = Patch {
            name,
            ..Patch::default()
        };
        self.create(Key::new(kind, id), entry)
    }

    pub(super) fn create_team(mut self, args: &CreateTeamArgs) -> Result<u8, Failed> {
        let [users, service_users] = self.accounts(&args.members)?;
        let [datastores, enrichment_datastores] = self.stores(&args.stores)?;
        let all = |levels: BTreeMap<_, _>| {
            if levels.is_empty() {
                Assignments::Keep
            } else {
                Assignments::Set(levels)
            }
        };
        let entry = Patch {
            name: args.name.clone(),
            description: args.description.clone(),
            permission: Some(args.permission.permission()),
            users: if users.is_empty() {
                Members::Keep
            } else {
                Members::Set(users)
            },
            service_users: if service_users.is_empty() {
                Members::Keep
            } else {
                Members::Set(service_users)
            },
            datastores: all(datastores),
            enrichment_datastores: all(enrichment_datastores),
            ..Patch::default()
        };
        self.create(Key::new(Kind::Team, args.id.as_str()), entry)
    }

    pub(super) fn edit(self, kind: Kind, id: &str, name: Option<String>, new_id: Option<String>) -> Result<u8, Failed> {
        let patch = Patch {
            id: new_id,
            name,
            ..Patch::default()
        };
        self.change(kind, id, patch)
    }

    pub(super) fn edit_team(self, args: &EditTeamArgs) -> Result<u8, Failed> {
        let patch = Patch {
            id: args.new_id.clone(),
            name: args.name.clone(),
            description: args.description.clone(),
            permission: args.permission.map(super::Level::permission),
            ..Patch::default()
        };
        self.change(Kind::Team, &args.id, patch)
    }

    pub(super) fn role(self, kind: Kind, id: &str, role: Role) -> Result<u8, Failed> {
        let patch = Patch {
            role: Some(role),
            ..Patch::default()
        };
        self.change(kind, id, patch)
    }

    pub(super) fn activate(self, kind: Kind, id: &str, active: bool) -> Result<u8, Failed> {
        let patch = Patch {
            active: Some(active),
            ..Patch::default()
        };
        self.change(kind, id, patch)
    }

    pub(super) fn join(mut self, kind: Kind, id: &str, teams: &[String]) -> Result<u8, Failed> {
        let teams = self.teams(teams)?;
        let patch = Patch {
            teams: some(teams, BTreeSet::new()),
            ..Patch::default()
        };
        self.change(kind, id, patch)
    }

    pub(super) fn leave(mut self, kind: Kind, id: &str, teams: &[String]) -> Result<u8, Failed> {
        let teams = self.teams(teams)?;
        let patch = Patch {
            teams: some(BTreeSet::new(), teams),
            ..Patch::default()
        };
        self.change(kind, id, patch)
    }

    pub(super) fn add_members(mut self, team: &str, members: &[String]) -> Result<u8, Failed> {
        let [users, service_users] = self.accounts(members)?;
        let patch = Patch {
            users: some(users, BTreeSet::new()),
            service_users: some(service_users, BTreeSet::new()),
            ..Patch::default()
        };
        self.change(Kind::Team, team, patch)
    }

    pub(super) fn remove_members(mut self, team: &str, members: &[String]) -> Result<u8, Failed> {
        let [users, service_users] = self.accounts(members)?;
        let patch = Patch {
            users: some(BTreeSet::new(), users),
            service_users: some(BTreeSet::new(), service_users),
            ..Patch::default()
        };
        self.change(Kind::Team, team, patch)
    }

    pub(super) fn assign(mut self, team: &str, stores: &[String]) -> Result<u8, Failed> {
        let some = |set: BTreeMap<_, _>| match set.is_empty() {
            true => Assignments::Keep,
            false => Assignments::Change {
                set,
                remove: BTreeSet::new(),
            },
        };
        let [datastores, enrichment_datastores] = self.stores(stores)?.map(some);
        let patch = Patch {
            datastores,
            enrichment_datastores,
            ..Patch::default()
        };
        self.change(Kind::Team, team, patch)
    }

    pub(super) fn unassign(mut self, team: &str, stores: &[String]) -> Result<u8, Failed> {
        let mut gone: [BTreeSet<String>; 2] = Default::default();
        for text in stores {
            let key = typed::store(&mut self.place, text)?;
            gone[usize::from(key.kind == Kind::EnrichmentDatastore)].insert(key.id);
        }
        let some = |remove: BTreeSet<String>| match remove.is_empty() {
            true => Assignments::Keep,
            false => Assignments::Change {
                set: BTreeMap::new(),
                remove,
            },
        };
        let [datastores, enrichment_datastores] = gone.map(some);
        let patch = Patch {
            datastores,
            enrichment_datastores,
            ..Patch::default()
        };
        self.change(Kind::Team, team, patch)
    }

    pub(super) fn delete(mut self, kind: Kind, id: &str) -> Result<u8, Failed> {
        let key = self.place.known(kind, id)?;
        self.carry_out(&Command::Delete { key }, "deleted")
    }

    /// The ids of teams that are there.
    fn teams(&mut self, typed: &[String]) -> Result<BTreeSet<String>, Failed> {
        typed.iter().map(|text| Ok(self.place.known(Kind::Team, text)?.id)).collect()
    }

    /// Users and service users among accounts.
    fn accounts(&mut self, typed: &[String]) -> Result<[BTreeSet<String>; 2], Failed> {
        let mut found: [BTreeSet<String>; 2] = Default::default();
        for text in typed {
            let key = typed::account(&mut self.place, text)?;
            found[usize::from(key.kind == Kind::ServiceUser)].insert(key.id);
        }
        Ok(found)
    }

    /// Datastores and enrichment datastores, with their levels.
    fn stores(&mut self, typed: &[String]) -> Result<[Levels; 2], Failed> {
        let mut found: [Levels; 2] = Default::default();
        for text in typed {
            let (key, level) = typed::assignment(&mut self.place, text)?;
            found[usize::from(key.kind == Kind::EnrichmentDatastore)].insert(key.id, level);
        }
        Ok(found)
    }

    /// Lets a retired id be given again.
    pub(super) fn release(self, id: &str) -> Result<u8, Failed> {
        self.carry_out(&Command::Release { user: id.to_owned() }, "released")
    }

    fn create(self, key: Key, entry: Patch) -> Result<u8, Failed> {
        if let Some((_, id)) = typed::kind_of(&key.id) {
            return Err(Failed::Usage(format!(
                "`{}` begins with a kind, and would be taken for `{}` wherever both can stand: leave the kind out",
                shown(&key.id),
                shown(id)
            )));
        }
        self.carry_out(&Command::Create { key, entry }, "created")
    }

    fn change(mut self, kind: Kind, id: &str, patch: Patch) -> Result<u8, Failed> {
        let key = self.place.known(kind, id)?;
        self.carry_out(&Command::Change { key, patch }, "changed")
    }

    /// Looks first at whose access would change, asks if they are many, and then has it done. Where somebody is faster with
    /// another change of the entry, all of that is done again, unless a revision was named or agreed to.
    fn carry_out(mut self, command: &Command, done: &str) -> Result<u8, Failed> {
        let named = self.manner.if_revision.clone();
        for tries in 1.. {
            self.manner.if_revision.clone_from(&named);
            match self.try_out(command) {
                Err(Failed::Overtaken(_)) if self.manner.if_revision.is_none() && tries < TRIES_MAX => {}
                outcome => {
                    self.tell(&command.key(), &outcome?, done);
                    break;
                }
            }
        }
        Ok(SUCCESS)
    }

    /// One try. It holds the change to a revision once somebody has agreed to it.
    fn try_out(&mut self, command: &Command) -> Result<Outcome, Failed> {
        if !self.args.dry_run && !self.args.yes {
            let look = Manner {
                dry_run: true,
                ..self.manner.clone()
            };
            // An answer that refuses may name a later revision than that by which it does.
            let before = self.place.revision_before(&command.key())?;
            let preview = match self.place.order(command, &look) {
                // It is refused once more, and that is on record; or, if somebody has changed something meanwhile, that.
                Err(Failed::TurnedDown(why)) => {
                    self.pin(before);
                    return match self.place.order(command, &self.manner) {
                        Err(Failed::Overtaken(_)) => Err(Failed::TurnedDown(why)),
                        outcome => outcome,
                    };
                }
                // The revision that was named is not the root's: that is on record as well.
                Err(Failed::Overtaken(_)) if self.manner.if_revision.is_some() => {
                    return self.place.order(command, &self.manner);
                }
                preview => preview?,
            };
            let acting = match (&self.manner.acting, &self.place) {
                (Some(account), _) => Acting::Account(account),
                (None, Place::Files(_)) => Acting::Nobody,
                (None, Place::Sidecar(_)) => Acting::Holder,
            };
            if let Some(reason) = preview.access.as_ref().and_then(|access| confirm::reason(access, acting)) {
                self.ask(&preview, &reason)?;
                // What was shown is what is agreed to.
                let shown = self.place.revision().map(str::to_owned);
                self.pin(shown);
            }
        }
        self.place.order(command, &self.manner)
    }

    /// Holds the change to a revision, if no other was named.
    fn pin(&mut self, revision: Option<String>) {
        self.manner.if_revision = self.manner.if_revision.take().or(revision);
    }

    fn ask(&self, preview: &Outcome, reason: &str) -> Result<(), Failed> {
        if std::io::stderr().is_terminal() && self.args.format == Format::Text {
            print_drawn(preview.preview(colour()).trim_end());
        }
        confirm::ask(reason)
    }

    fn tell(&self, key: &Key, outcome: &Outcome, done: &str) {
        let dry_run = self.args.dry_run;
        if self.args.format == Format::Json {
            return print(&shown_json(&outcome.to_json(dry_run).to_string()));
        }
        let entry = shown(&key.to_string());
        match (outcome.changed, dry_run) {
            (false, _) => print(&format!("{entry}: nothing to change; revision {}", outcome.revision)),
            (true, true) => {
                print(outcome.preview(colour()).trim_end());
                print("\nnothing is written: this was a dry run");
            }
            (true, false) => {
                let files: Vec<String> = outcome.files.iter().map(|(name, _)| format!("  {}", shown(name))).collect();
                print(&format!("{entry}: {done}; revision {}", outcome.revision));
                if !files.is_empty() {
                    print(&files.join("\n"));
                }
            }
        }
    }
}

/// Levels by the id of a datastore; none is the team's.
type Levels = BTreeMap<String, Option<crate::directory::Permission>>;

/// The Cedar type that is meant by a word of the command line.
fn entity_type_of(word: &str) -> String {
    match word.to_lowercase().replace(['-', '_'], "").as_str() {
        "user" => "User".to_owned(),
        "serviceuser" => "ServiceUser".to_owned(),
        _ => word.to_owned(),
    }
}

fn set(ids: BTreeSet<String>) -> Members {
    if ids.is_empty() {
        Members::Keep
    } else {
        Members::Set(ids)
    }
}

fn some(add: BTreeSet<String>, remove: BTreeSet<String>) -> Members {
    if add.is_empty() && remove.is_empty() {
        Members::Keep
    } else {
        Members::Change { add, remove }
    }
}
