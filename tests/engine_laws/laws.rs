//! What holds in every world.

use gatepost::engine::{Cause, ErringForbid, Evaluator, RequestProperties, Snapshot};
use serde_json::Value;

use super::census::Census;
use super::dice::Dice;
use super::maker::STRANGERS;
use super::trial::{Trial, check_evaluators, decide};
use super::world::World;

/// How many worlds the first law tries by default, and how many questions it asks in each.
const WORLDS: u64 = 300;
const ASKS: usize = 20;

fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a whole number in GATEPOST_LAWS_WORLDS and GATEPOST_LAWS_SEED"))
}

/// Whether one world is tried again, of which nothing is known but its seed.
pub(super) fn is_replay() -> bool {
    number_from_environment("GATEPOST_LAWS_SEED").is_some()
}

/// The seeds of so many worlds, or of as many more or fewer as the environment asks for.
pub(super) fn seeds(worlds: u64) -> Vec<u64> {
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
            census.count(&ask, &verdict, &traits);
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
        println!("{census:#?}");
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

#[test]
fn cedars_evaluator_in_service_gives_the_same_decisions() {
    let mut compared = 0;
    for seed in seeds(60) {
        let mut world = World::new(seed);
        let Ok(compiled) = Snapshot::compile(&world.sources(), &world.options) else {
            continue;
        };
        world.options.evaluator = Evaluator::Cedar;
        let cedars = Snapshot::compile(&world.sources(), &world.options).expect("the same sources");
        for ask in world.asks(ASKS) {
            let expected = decide(&compiled, &world, &ask);
            assert_eq!(decide(&cedars, &world, &ask), expected, "seed {seed}: {ask:?}");
            compared += 1;
        }
    }
    assert!(is_replay() || compared > 0, "all worlds were refused");
}

/// Deciding with properties is deciding over a store that has what they come to.
fn check_properties(mode: RequestProperties) {
    let (mut compared, mut on_both) = (0, 0);
    for seed in seeds(30) {
        let world = World::new(seed).with_request_properties(mode);
        let Ok(snapshot) = Snapshot::compile(&world.sources(), &world.options) else {
            continue;
        };
        let mut dice = Dice::new(!seed);
        for ask in world.asks(3) {
            let mut with_properties = ask.clone();
            let mut amended = world.clone();
            let sides = *dice.pick(&[(true, false), (false, true), (true, true)]);
            for (brings, entity, properties) in [
                (sides.0, ask.principal, &mut with_properties.principal_properties),
                (sides.1, ask.resource, &mut with_properties.resource_properties),
            ] {
                if brings && let Some((mut given, world)) = amended.amended(&mut dice, entity, mode) {
                    amended = world;
                    // What the schema does not declare is dropped.
                    given.insert("undeclared".to_owned(), Value::from(1));
                    *properties = Some(Value::Object(given));
                }
            }
            let brought = (
                with_properties.principal_properties.is_some(),
                with_properties.resource_properties.is_some(),
            );
            let expected = match mode {
                _ if brought == (false, false) => continue,
                RequestProperties::Ignore => decide(&snapshot, &world, &ask),
                RequestProperties::Fill | RequestProperties::Override => {
                    let amended = Trial::new(amended).expect("properties that fit the schema fit the store");
                    if let Err(difference) = amended.check(&ask) {
                        panic!("seed {seed}: {difference}\n{}", amended.world.show());
                    }
                    decide(&amended.snapshot, &world, &ask)
                }
            };
            let served = check_evaluators(&snapshot, &world, &with_properties);
            let difference = || served.as_ref().err().cloned().unwrap_or_default();
            assert_eq!(
                served.as_ref().ok(),
                expected.as_ref().ok(),
                "seed {seed}: {with_properties:?}\n{}\n{}",
                difference(),
                world.show()
            );
            compared += 1;
            on_both += usize::from(brought == (true, true));
        }
    }
    assert!(
        is_replay() || compared > 0 && on_both > 0,
        "compared {compared}, on both sides {on_both}"
    );
}

/// What a request makes of an entity that the store does not know may lack what the schema requires.
#[test]
fn properties_of_an_unknown_entity_may_be_few_and_both_evaluators_err_alike() {
    let (mut compared, mut erred) = (0, 0);
    for seed in seeds(30) {
        let world = World::new(seed).with_request_properties(RequestProperties::Override);
        let Ok(snapshot) = Snapshot::compile(&world.sources(), &world.options) else {
            continue;
        };
        for mut ask in world.asks(ASKS) {
            for (entity, properties) in [
                (&mut ask.principal, &mut ask.principal_properties),
                (&mut ask.resource, &mut ask.resource_properties),
            ] {
                if !world.is_enumerated(entity.0) {
                    entity.1 = STRANGERS[0];
                    *properties = Some(Value::Object(serde_json::Map::new()));
                }
            }
            match check_evaluators(&snapshot, &world, &ask) {
                Ok(decision) => erred += usize::from(!decision.errors.is_empty()),
                Err(difference) => panic!("seed {seed}: {ask:?}\n{difference}\n{}", world.show()),
            }
            compared += 1;
        }
    }
    assert!(is_replay() || compared > 0 && erred > 0, "compared {compared}, erred {erred}");
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
