//! What holds in every world.

use gatepost::engine::{Cause, ErringForbid, RequestProperties, Snapshot};
use serde_json::Value;

use super::census::Census;
use super::dice::Dice;
use super::trial::{Trial, decide};
use super::world::World;

/// How many worlds the first law tries by default, and how many questions it asks in each.
const WORLDS: u64 = 300;
const ASKS: usize = 20;

fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a whole number in GATEPOST_LAWS_WORLDS and GATEPOST_LAWS_SEED"))
}

/// Whether one world is tried again, of which nothing is known but its seed.
fn is_replay() -> bool {
    number_from_environment("GATEPOST_LAWS_SEED").is_some()
}

/// The seeds of so many worlds, or of as many more or fewer as the environment asks for.
fn seeds(worlds: u64) -> Vec<u64> {
    if let Some(seed) = number_from_environment("GATEPOST_LAWS_SEED") {
        return vec![seed];
    }
    let all = number_from_environment("GATEPOST_LAWS_WORLDS").unwrap_or(WORLDS);
    (0..(all * worlds).div_ceil(WORLDS)).collect()
}

#[test]
fn every_answer_is_that_of_stock_cedar_over_all_policies_and_entities() {
    let mut census = Census::default();
    for seed in seeds(WORLDS) {
        census.worlds += 1;
        let trial = match Trial::new(World::new(seed)) {
            Ok(trial) => trial,
            Err(faults) => {
                census.refuse(&faults);
                continue;
            }
        };
        let traits = trial.world.traits();
        let mut is_mutated = false;
        for ask in trial.world.asks(ASKS) {
            let Ok(verdict) = trial.check(&ask) else {
                panic!("{}", trial.report(&ask));
            };
            census.count(&verdict, &traits);
            if let (Some(policy), false) = (verdict.determining.first(), is_mutated) {
                is_mutated = true;
                census.mutants += 1;
                assert!(
                    trial.notices_without(policy, &ask),
                    "seed {seed}: nobody misses `{policy}` for {ask:?}"
                );
            }
        }
    }
    if !is_replay() {
        census.check();
    }
}

#[test]
fn nothing_but_an_erring_forbid_sets_us_apart_from_stock_cedar() {
    let (mut alike, mut apart) = (0, 0);
    for seed in seeds(60) {
        let mut world = World::new(seed);
        world.options.erring_forbid = ErringForbid::Skipped;
        let Ok(skipping) = Trial::new(world.clone()) else {
            continue;
        };
        world.options.erring_forbid = ErringForbid::Forbids;
        let closing = Trial::new(world).expect("an option about answers refuses no sources");
        for ask in skipping.world.asks(ASKS) {
            let Some(stock) = skipping.stock(skipping.snapshot.policy_set(), &ask) else {
                continue;
            };
            let skipped = skipping.ours(&ask).expect("generated questions have no problem");
            assert_eq!(skipped, stock.verdict, "seed {seed}: {ask:?}");
            let closed = closing.ours(&ask).expect("generated questions have no problem");
            assert_eq!(closed.errors, skipped.errors, "seed {seed}: {ask:?}");
            if stock.forbid_erred {
                assert_ne!(closed.cause, Cause::Permitted, "seed {seed}: {ask:?}");
                apart += 1;
            } else {
                assert_eq!(closed, skipped, "seed {seed}: {ask:?}");
                alike += 1;
            }
        }
    }
    assert!(is_replay() || alike > 0 && apart > 0, "alike {alike}, apart {apart}");
}

#[test]
fn the_order_of_files_changes_neither_revision_nor_answers() {
    let mut compared = 0;
    for seed in seeds(50) {
        let Ok(trial) = Trial::new(World::new(seed)) else {
            continue;
        };
        let mut dice = Dice::new(!seed);
        let mut sources = trial.world.sources();
        dice.shuffle(&mut sources.schema);
        dice.shuffle(&mut sources.policies);
        dice.shuffle(&mut sources.entities);
        dice.shuffle(&mut sources.records);
        let shuffled = Snapshot::compile(&sources, &trial.world.options).expect("what compiles does so in any order");
        assert_eq!(shuffled.revision(), trial.snapshot.revision(), "seed {seed}");
        for ask in trial.world.asks(ASKS) {
            assert_eq!(
                decide(&shuffled, &trial.world, &ask),
                decide(&trial.snapshot, &trial.world, &ask),
                "seed {seed}: {ask:?}"
            );
            compared += 1;
        }
    }
    assert!(is_replay() || compared > 0, "all worlds were refused");
}

/// Deciding with properties is deciding over a store that has what they come to.
fn check_properties(mode: RequestProperties) {
    let mut compared = 0;
    for seed in seeds(30) {
        let world = World::new(seed).with_request_properties(mode);
        let Ok(snapshot) = Snapshot::compile(&world.sources(), &world.options) else {
            continue;
        };
        let mut dice = Dice::new(!seed);
        for ask in world.asks(3) {
            let is_principal = dice.chance(50);
            let entity = if is_principal { ask.principal } else { ask.resource };
            let Some((mut given, amended)) = world.amended(&mut dice, entity, mode) else {
                continue;
            };
            let expected = match mode {
                RequestProperties::Ignore => decide(&snapshot, &world, &ask),
                RequestProperties::Fill | RequestProperties::Override => {
                    let amended = Snapshot::compile(&amended.sources(), &world.options)
                        .expect("properties that fit the schema fit the store");
                    decide(&amended, &world, &ask)
                }
            };
            // What the schema does not declare is dropped.
            given.insert("undeclared".to_owned(), Value::from(1));
            let mut with_properties = ask.clone();
            let side = if is_principal {
                &mut with_properties.principal_properties
            } else {
                &mut with_properties.resource_properties
            };
            *side = Some(Value::Object(given));
            assert_eq!(
                decide(&snapshot, &world, &with_properties),
                expected,
                "seed {seed}: {with_properties:?}\n{}",
                world.show()
            );
            compared += 1;
        }
    }
    assert!(is_replay() || compared > 0, "nothing was compared");
}

#[test]
fn properties_that_override_are_as_if_the_store_had_them() {
    check_properties(RequestProperties::Override);
}

#[test]
fn properties_that_fill_are_as_if_the_store_had_those_that_it_lacks() {
    check_properties(RequestProperties::Fill);
}

#[test]
fn properties_that_are_ignored_change_nothing() {
    check_properties(RequestProperties::Ignore);
}
