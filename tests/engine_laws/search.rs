//! Search gives what asking one by one gives.

use gatepost::engine::{ErringForbid, Evaluator, Going, Query, RequestProperties, Snapshot, Sought};

use serde_json::{Map, Value};

use super::dice::Dice;
use super::laws::{is_replay, seeds};
use super::trial::with_query;
use super::world::{Ask, World};

/// The searches that were made, and what came of them.
#[derive(Debug, Default)]
struct Census {
    searches: usize,
    /// Entities that were asked about one by one.
    asked: usize,
    found: usize,
    /// Searches that found some, and not all there are.
    some: usize,
    /// Searches that looked at fewer entities than there are.
    narrow: usize,
    /// Searches in which a policy erred.
    with_errors: usize,
    /// Searches for which a prohibition left something out.
    forbidden: usize,
    /// Searches for which the request brought properties of the known side.
    shaped: usize,
    /// Those of them for entities of the same type.
    shaped_alike: usize,
    /// Those of these again in which the known entity is a candidate, and a prohibition leaves it out.
    shaped_forbidden: usize,
    actions: usize,
}

impl Census {
    fn check(&self) {
        let share = |part: usize, percent: usize| part * 100 > self.searches * percent;
        assert!(share(self.some, 8), "{self:#?}");
        assert!(share(self.narrow, 8), "{self:#?}");
        assert!(share(self.with_errors, 1), "{self:#?}");
        assert!(share(self.forbidden, 5), "{self:#?}");
        assert!(share(self.shaped, 5) && share(self.shaped_alike, 2), "{self:#?}");
        assert!(self.shaped_forbidden > self.searches / 500, "{self:#?}");
        assert!(self.found > self.searches / 4 && self.actions > self.searches / 8, "{self:#?}");
    }
}

/// The question about one entity.
fn about<'q>(query: &Query<'q>, sought: Sought, id: &'q str) -> Query<'q> {
    let mut query = *query;
    let side = match sought {
        Sought::Principals => &mut query.principal,
        Sought::Resources => &mut query.resource,
    };
    side.id = id;
    side.properties = None;
    query
}

/// An ask for a search for one side: often of one type on both, and with properties of the known side.
fn shaped(world: &World, ask: &Ask, sought: Sought, mode: RequestProperties, dice: &mut Dice) -> Ask {
    let mut ask = ask.clone();
    let declared = &world.model.actions[ask.action];
    let both: Vec<usize> = declared.principals.iter().filter(|ty| declared.resources.contains(ty)).copied().collect();
    if dice.chance(30) && !both.is_empty() {
        let known = (*dice.pick(&both), ask.principal.1);
        let stored: Vec<_> = world.things.iter().filter(|thing| thing.ty == known.0).collect();
        let id = if stored.is_empty() {
            known.1
        } else {
            dice.pick(&stored).id
        };
        (ask.principal, ask.resource) = ((known.0, id), (known.0, id));
    }
    if dice.chance(60) {
        let known = match sought {
            Sought::Principals => ask.resource,
            Sought::Resources => ask.principal,
        };
        // What a type declares by its ids has no properties, and can be brought all the same.
        let given = world.amended(dice, known, mode).map_or_else(Map::new, |(given, _)| given);
        match sought {
            Sought::Principals => ask.resource_properties = Some(Value::Object(given)),
            Sought::Resources => ask.principal_properties = Some(Value::Object(given)),
        }
    }
    ask
}

/// What a search finds, in pages of random lengths, and how many entities it looked at.
fn search(snapshot: &Snapshot, query: &Query<'_>, sought: Sought, dice: &mut Dice) -> (Vec<String>, usize) {
    let mut found: Vec<String> = Vec::new();
    let mut looks = 0;
    let mut search = snapshot.search(query, sought).expect("generated questions have no problem");
    loop {
        if dice.chance(10)
            && let Some(last) = found.last()
        {
            // A later page begins behind the last id.
            search = snapshot.search(query, sought).expect("the same question").after(last);
        }
        let max = found.len() + dice.below(4);
        let before = found.len();
        match search.go_on(1, max, &mut found) {
            Going::Done => return (found, looks),
            Going::On => looks += usize::from(max > before),
        }
    }
}

fn check(snapshot: &Snapshot, world: &World, ask: &Ask, mode: RequestProperties, dice: &mut Dice, census: &mut Census) {
    for sought in [Sought::Principals, Sought::Resources] {
        let ask = &shaped(world, ask, sought, mode, dice);
        with_query(world, ask, |query| {
            let (sides, known) = match sought {
                Sought::Principals => ((ask.principal, ask.resource), &query.resource),
                Sought::Resources => ((ask.resource, ask.principal), &query.principal),
            };
            let entity_type = match sought {
                Sought::Principals => query.principal.entity_type,
                Sought::Resources => query.resource.entity_type,
            };
            let is_shaped = known.properties.is_some() && mode != RequestProperties::Ignore;
            let is_alike = is_shaped && sides.0.0 == sides.1.0;
            let mut is_left_out = false;
            let mut ids: Vec<&str> = snapshot.entity_ids(entity_type).collect();
            ids.sort_unstable();
            let all = ids.len();
            let (mut errs, mut forbidden) = (false, false);
            ids.retain(|id| {
                let decision = snapshot.decide(&about(query, sought, id)).expect("generated questions have no problem");
                errs |= !decision.errors.is_empty();
                let is_forbidden = !decision.is_allowed() && !decision.determining.is_empty();
                forbidden |= is_forbidden;
                is_left_out |= is_forbidden && is_alike && **id == *known.id;
                decision.is_allowed()
            });
            let (found, looks) = search(snapshot, query, sought, dice);
            assert_eq!(
                found,
                ids,
                "seed {}, {sought:?} of {ask:?}, {:?}\n{}",
                world.seed,
                world.options,
                world.show()
            );
            census.searches += 1;
            census.asked += all;
            census.found += found.len();
            census.some += usize::from(!found.is_empty() && found.len() < all);
            census.narrow += usize::from(looks < all);
            census.with_errors += usize::from(errs);
            census.forbidden += usize::from(forbidden);
            census.shaped += usize::from(is_shaped);
            census.shaped_alike += usize::from(is_alike);
            census.shaped_forbidden += usize::from(is_left_out);
        });
    }
    with_query(world, ask, |query| {
        let found = actions(snapshot, query, dice);
        let mut allowed = 0;
        for action in 0..world.model.actions.len() {
            let (name, id) = (world.model.actions[action].exact(), world.action_parts(action).1);
            let mut query = *query;
            query.action.name = &name;
            let is_allowed = snapshot.decide(&query).is_ok_and(|decision| decision.is_allowed());
            allowed += usize::from(is_allowed);
            let is_found = found.iter().any(|found| *found == name || *found == id && means(snapshot, &query, id));
            assert_eq!(is_found, is_allowed, "seed {}, {name} of {ask:?}: {found:?}", world.seed);
        }
        assert_eq!(found.len(), allowed, "seed {}, {ask:?}", world.seed);
        census.actions += allowed;
    });
}

/// The actions that are found, in pages of random lengths.
fn actions(snapshot: &Snapshot, query: &Query<'_>, dice: &mut Dice) -> Vec<String> {
    let mut search = snapshot.search_actions(query).expect("generated questions have no problem");
    let mut found: Vec<String> = Vec::new();
    loop {
        if dice.chance(10)
            && let Some(last) = found.last()
        {
            search = snapshot.search_actions(query).expect("the same question").after(last);
        }
        let max = found.len() + dice.below(4);
        if search.go_on(1, max, &mut found) == Going::Done {
            assert!(found.is_sorted(), "{found:?}");
            return found;
        }
    }
}

/// Whether a short name leads to the same question.
fn means(snapshot: &Snapshot, query: &Query<'_>, short: &str) -> bool {
    let mut other = *query;
    other.action.name = short;
    snapshot.environment_of(&other) == snapshot.environment_of(query)
}

#[test]
fn a_search_finds_what_asking_one_by_one_allows() {
    let mut census = Census::default();
    for seed in seeds(300) {
        let mut dice = Dice::new(seed ^ 0x1234_5678);
        let mut world = World::new(seed);
        // What is not set is the default: principals ignore properties, and with this none are brought.
        let mut mode = RequestProperties::Ignore;
        if dice.chance(60) {
            mode = *dice.pick(&[RequestProperties::Override, RequestProperties::Fill]);
            world.options.request_properties = world.model.types.iter().map(|ty| (ty.full(), mode)).collect();
        }
        if dice.chance(30) {
            world.options.erring_forbid = ErringForbid::Skipped;
        }
        if dice.chance(10) {
            world.options.evaluator = Evaluator::Cedar;
        }
        let Ok(snapshot) = Snapshot::compile(&world.sources(), &world.options) else {
            continue;
        };
        for ask in world.asks(10) {
            check(&snapshot, &world, &ask, mode, &mut dice, &mut census);
        }
    }
    if !is_replay() {
        println!("{census:#?}");
        census.check();
    }
}
