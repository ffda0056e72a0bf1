//! Whose access a change changes, as the policies say before and after.

use std::collections::BTreeSet;

use super::difference::{Difference, PUBLIC, stores_of};
use super::{AccessDiff, LevelChange, RoleChange};
use crate::directory::{Directory, Key, Kind, Permission, Role};
use crate::engine::{Decision, Query, Snapshot};
use crate::store::{Compiled, Generation};

/// How many pairs of an account and a datastore are asked about.
const PAIRS_MAX: usize = 20_000;

/// Asks both about every account and datastore that a difference is about.
pub(in crate::store) fn compare(before: &Generation, after: &Compiled, difference: &Difference) -> AccessDiff {
    let directories = [&*before.directory, &*after.directory];
    let mut diff = AccessDiff::default();
    let mut asked = 0;
    let accounts: BTreeSet<Key> = directories.iter().flat_map(|directory| accounts(directory, difference)).collect();
    let stores: BTreeSet<Key> = directories.iter().flat_map(|directory| stores(directory, difference)).collect();
    for account in &accounts {
        let (mut gains, mut loses) = (false, false);
        let [old, new] = directories.map(|directory| role(directory, account));
        if old != new {
            gains |= rank(new) > rank(old);
            loses |= rank(new) < rank(old);
            diff.roles.push(RoleChange {
                account: account.clone(),
                before: old,
                after: new,
            });
        }
        for store in &stores {
            if asked == PAIRS_MAX {
                diff.is_cut = true;
                break;
            }
            asked += 1;
            let old = level(&before.snapshot, directories[0], account, store);
            let new = level(&after.snapshot, directories[1], account, store);
            if old != new {
                gains |= new > old;
                loses |= new < old;
                diff.levels.push(LevelChange {
                    account: account.clone(),
                    store: store.clone(),
                    before: old,
                    after: new,
                });
            }
        }
        diff.gaining += usize::from(gains);
        diff.losing += usize::from(loses);
    }
    diff
}

/// The level that the policies give. On what is not there nobody has one, whatever a policy says of everything.
fn level(snapshot: &Snapshot, directory: &Directory, account: &Key, store: &Key) -> Option<Permission> {
    if !directory.has(store.kind, &store.id) {
        return None;
    }
    let may = |action: &str| {
        let principal = (account.kind.entity_type(), account.id.as_str());
        let query = Query::plain(principal, action, (store.kind.entity_type(), &store.id));
        snapshot.decide(&query).is_ok_and(|decision: Decision| decision.is_allowed())
    };
    match (may("write"), may("read")) {
        (true, _) => Some(Permission::Write),
        (false, true) => Some(Permission::Read),
        (false, false) => None,
    }
}

fn role(directory: &Directory, account: &Key) -> Option<Role> {
    let account = directory.account(account.kind, &account.id)?;
    account.active.then_some(account.role)
}

fn rank(role: Option<Role>) -> u8 {
    match role {
        None => 0,
        Some(Role::Member) => 1,
        Some(Role::Manager) => 2,
        Some(Role::Admin) => 3,
    }
}

/// The accounts whose access may be another.
fn accounts(directory: &Directory, difference: &Difference) -> BTreeSet<Key> {
    let mut all: BTreeSet<Key> = difference.joins.keys().chain(difference.leaves.keys()).cloned().collect();
    let key = &difference.key;
    if key.kind.is_account() {
        all.extend([key.clone(), difference.new_key()]);
    }
    let changes_grants =
        difference.permission.is_some() || !difference.assigned.is_empty() || !difference.unassigned.is_empty();
    let everyone = || {
        let of = |kind| directory.ids(kind).take(PAIRS_MAX).map(move |id| Key::new(kind, id));
        of(Kind::User).chain(of(Kind::ServiceUser))
    };
    if key.kind == Kind::Team && key.id == PUBLIC {
        all.extend(everyone());
    } else if key.kind == Kind::Team && changes_grants {
        all.extend(directory.members_of(&key.id).into_iter().map(|(kind, id)| Key::new(kind, id)));
    } else if matches!(key.kind, Kind::Datastore | Kind::EnrichmentDatastore) {
        for (_, team) in directory.referrers(key.kind, &key.id) {
            match team {
                PUBLIC => all.extend(everyone()),
                team => all.extend(directory.members_of(team).into_iter().map(|(kind, id)| Key::new(kind, id))),
            }
        }
        // Who has a higher role may have what no team was given (R11).
        let is_higher = |key: &Key| {
            let account = directory.account(key.kind, &key.id);
            account.is_some_and(|account| account.role != Role::Member)
        };
        let all_accounts = [Kind::User, Kind::ServiceUser].into_iter();
        let all_accounts = all_accounts.flat_map(|kind| directory.ids(kind).map(move |id| Key::new(kind, id)));
        all.extend(all_accounts.filter(is_higher).take(PAIRS_MAX));
    }
    all
}

/// The datastores that the access is to.
fn stores(directory: &Directory, difference: &Difference) -> BTreeSet<Key> {
    let mut all: BTreeSet<Key> = difference.assigned.keys().chain(&difference.unassigned).cloned().collect();
    let key = &difference.key;
    if matches!(key.kind, Kind::Datastore | Kind::EnrichmentDatastore) {
        all.extend([key.clone(), difference.new_key()]);
    }
    // A role, or being there at all, is about everything.
    let is_about_all = key.kind.is_account()
        && (difference.role.is_some() || difference.active.is_some() || difference.new_id.is_some());
    if is_about_all {
        for kind in [Kind::Datastore, Kind::EnrichmentDatastore] {
            all.extend(directory.ids(kind).take(PAIRS_MAX).map(|id| Key::new(kind, id)));
        }
    }
    let mut teams: BTreeSet<&str> = difference.memberships().into_values().flatten().collect();
    if key.kind == Kind::Team && difference.permission.is_some() {
        teams.insert(&key.id);
    }
    if key.kind.is_account() {
        teams.extend(directory.teams_of(key.kind, &key.id));
        teams.insert(PUBLIC);
    }
    for team in teams.into_iter().filter_map(|team| directory.team(team)) {
        for (kind, assignments) in stores_of(team) {
            all.extend(assignments.iter().map(|one| Key::new(kind, &*one.to.id)));
        }
    }
    all
}
