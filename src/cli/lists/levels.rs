//! Levels of access: actions that other actions are members of, and which of them stands above which.
//!
//! A schema has no word for levels, and needs none. An action that can be asked and is the group of others, such as
//! `read` and `write`, is a level. One stands above another if the policies say so: every permit that can apply to the
//! upper can apply to the lower too, and every forbid of the lower to the upper. That follows from scopes alone; a clause
//! that looks at the action could still part them. So what is shown is what was found: the highest levels that are
//! allowed, what else is allowed, and what of those levels is not.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{ActionListing, Effect, RequestEnvironment, Snapshot};

/// The levels between one type of principals and one of resources.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Levels {
    /// By exact name.
    levels: BTreeMap<String, Level>,
    /// The names to show, by exact names.
    short: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default)]
struct Level {
    members: BTreeSet<String>,
    below: BTreeSet<String>,
}

/// A set of allowed actions as people read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::cli) struct Access {
    /// The highest levels that are allowed.
    pub(in crate::cli) levels: Vec<String>,
    /// What is allowed and in none of these levels.
    pub(in crate::cli) besides: Vec<String>,
    /// What is in these levels, was asked, and is not allowed.
    pub(in crate::cli) without: Vec<String>,
    /// Everything that is allowed.
    pub(in crate::cli) actions: Vec<String>,
}

impl Levels {
    /// The levels among the actions of these kinds of questions, which are all of the same two types.
    pub(in crate::cli) fn of(snapshot: &Snapshot, kinds: &[&RequestEnvironment]) -> Self {
        let actions: Vec<ActionListing> = kinds.iter().filter_map(|kind| snapshot.action(&kind.action)).collect();
        let levels = kinds.iter().filter_map(|kind| {
            let members: BTreeSet<String> = actions
                .iter()
                .filter(|action| action.groups.contains(&kind.action))
                .map(|action| action.name.clone())
                .collect();
            (!members.is_empty()).then_some((*kind, members))
        });
        let levels: Vec<(&RequestEnvironment, BTreeSet<String>)> = levels.collect();
        let below = |upper: &RequestEnvironment| {
            let lower = levels.iter().map(|(kind, _)| *kind);
            lower
                .filter(|lower| includes(snapshot, upper, lower) && !includes(snapshot, lower, upper))
                .map(|lower| lower.action.clone())
                .collect()
        };
        let level = |(kind, members): &(&RequestEnvironment, BTreeSet<String>)| {
            let level = Level {
                members: members.clone(),
                below: below(kind),
            };
            (kind.action.clone(), level)
        };
        Self {
            levels: levels.iter().map(level).collect(),
            short: actions.into_iter().map(|action| (action.name, action.short)).collect(),
        }
    }

    /// Whether there are any.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// How actions of these exact names are to be read, where these others were not asked: nobody knows of them.
    pub(in crate::cli) fn read(&self, allowed: &BTreeSet<&str>, unasked: &BTreeSet<&str>) -> Access {
        let held = || self.levels.iter().filter(|(name, _)| allowed.contains(name.as_str()));
        let tops = held().filter(|(name, _)| !held().any(|(_, upper)| upper.below.contains(*name)));
        let tops: Vec<&String> = tops.map(|(name, _)| name).collect();
        let mut within: BTreeSet<&str> = BTreeSet::new();
        for top in &tops {
            let lower = self.levels[*top].below.iter();
            for level in lower.chain([*top]) {
                within.insert(level);
                within.extend(self.levels[level].members.iter().map(String::as_str));
            }
        }
        let without = || within.difference(allowed).filter(|name| !unasked.contains(*name));
        let short = |names: &mut dyn Iterator<Item = &str>| -> Vec<String> {
            names.map(|name| self.short.get(name).map_or(name, String::as_str).to_owned()).collect()
        };
        Access {
            levels: short(&mut tops.iter().map(|name| name.as_str())),
            besides: short(&mut allowed.difference(&within).copied()),
            without: short(&mut without().copied()),
            actions: short(&mut allowed.iter().copied()),
        }
    }

    /// How they were found, in a sentence; none if there are none.
    pub(in crate::cli) fn note(&self) -> Option<String> {
        let name = |exact: &String| format!("`{}`", self.short.get(exact).unwrap_or(exact));
        let names: Vec<String> = self.levels.keys().map(name).collect();
        let mut note = match names.as_slice() {
            [] => return None,
            [one] => format!("level: {one} is a group of other actions"),
            several => format!("levels: {} are groups of other actions", several.join(" and ")),
        };
        for (upper, level) in self.levels.iter().filter(|(_, level)| !level.below.is_empty()) {
            let below: Vec<String> = level.below.iter().map(name).collect();
            let (upper, below) = (name(upper), below.join(" and "));
            note.push_str(&format!(
                "; {upper} stands above {below}, since whatever policy can permit {upper} can permit {below} too"
            ));
        }
        Some(note)
    }
}

/// Whether scopes say that whoever has the upper has the lower.
fn includes(snapshot: &Snapshot, upper: &RequestEnvironment, lower: &RequestEnvironment) -> bool {
    let policies = |kind, effect| -> BTreeSet<u32> {
        let numbers = snapshot.policies_of(kind).iter().copied();
        numbers.filter(|number| snapshot.policy(*number).effect == effect).collect()
    };
    upper.action != lower.action
        && policies(upper, Effect::Permit).is_subset(&policies(lower, Effect::Permit))
        && policies(lower, Effect::Forbid).is_subset(&policies(upper, Effect::Forbid))
}

impl Access {
    /// `write + deleteDatastore`, `read, not viewDatastore`, or the actions alone where there is no level.
    pub(in crate::cli) fn words(&self) -> String {
        if self.levels.is_empty() {
            return self.besides.join(", ");
        }
        let mut words = self.levels.join(" + ");
        for action in &self.besides {
            words.push_str(" + ");
            words.push_str(action);
        }
        if !self.without.is_empty() {
            words.push_str(", not ");
            words.push_str(&self.without.join(", not "));
        }
        words
    }

    /// The levels alone; empty if there are none.
    pub(in crate::cli) fn level(&self) -> String {
        self.levels.join(" + ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Options, Sources, Text};

    fn levels(policies: &str) -> Levels {
        let sources = Sources {
            schema: vec![Text::new(
                "s.cedarschema",
                "entity U; entity D; action read, write, own, drop appliesTo { principal: U, resource: D }; \
                 action view in [read] appliesTo { principal: U, resource: D }; \
                 action edit in [write] appliesTo { principal: U, resource: D }; \
                 action give in [own] appliesTo { principal: U, resource: D };",
            )],
            policies: vec![Text::new("p.cedar", policies)],
            ..Sources::default()
        };
        let snapshot = Snapshot::compile(&sources, &Options::default()).expect("a snapshot");
        let kinds = snapshot.request_environments();
        Levels::of(&snapshot, &kinds.iter().collect::<Vec<_>>())
    }

    fn read(levels: &Levels, allowed: &[&str]) -> String {
        let exact: Vec<String> = allowed.iter().map(|name| format!("Action::\"{name}\"")).collect();
        levels.read(&exact.iter().map(String::as_str).collect(), &BTreeSet::new()).words()
    }

    const LADDER: &str = r#"permit (principal, action in Action::"read", resource);
        permit (principal, action in [Action::"read", Action::"write"], resource) when { principal == U::"b" };
        permit (principal, action, resource) when { principal == U::"admin" };"#;

    #[test]
    fn a_level_stands_above_another_if_all_its_permits_are_the_others_too() {
        let levels = levels(LADDER);
        for (allowed, words) in [
            (&["read", "view"][..], "read"),
            (&["read", "view", "write", "edit"], "write"),
            (&["read", "view", "write", "edit", "own", "give", "drop"], "own + drop"),
            (&["view"], "view"),
            (&["read", "write", "edit"], "write, not view"),
            (&["write", "edit"], "write, not read, not view"),
            (&["drop", "edit"], "drop, edit"),
            (&[], ""),
        ] {
            assert_eq!(read(&levels, allowed), words, "{allowed:?}");
        }
        let note = levels.note().expect("levels");
        assert!(note.contains("`write` stands above `read`"), "{note}");
        assert!(note.contains("`own` stands above `read` and `write`"), "{note}");
    }

    #[test]
    fn what_was_not_asked_is_not_told_as_denied() {
        let levels = levels(LADDER);
        let allowed = [r#"Action::"write""#, r#"Action::"read""#].into();
        let unasked = [r#"Action::"edit""#].into();
        assert_eq!(levels.read(&allowed, &unasked).words(), "write, not view");
        assert_eq!(levels.read(&allowed, &unasked).without, ["view"]);
    }

    #[test]
    fn levels_that_do_not_include_each_other_are_both_shown() {
        let apart = levels(
            r#"permit (principal, action in Action::"read", resource) when { principal == U::"a" };
               permit (principal, action in Action::"write", resource) when { principal == U::"b" };"#,
        );
        assert_eq!(read(&apart, &["read", "view", "write", "edit"]), "read + write");
        // A forbid of the lower that the upper does not have parts them as well.
        let forbidden = levels(&format!(
            "{LADDER} forbid (principal, action in Action::\"read\", resource) when {{ principal == U::\"c\" }};"
        ));
        assert_eq!(read(&forbidden, &["read", "view", "write", "edit"]), "read + write");
    }

    #[test]
    fn without_groups_there_are_no_levels() {
        let none = Levels::default();
        assert!(none.is_empty() && none.note().is_none());
        let access = none.read(&["a", "b"].into(), &BTreeSet::new());
        assert_eq!((access.words(), access.level()), ("a, b".to_owned(), String::new()));
    }
}
