//! How a decision grows with what there is besides what it is about.

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use gatepost::engine::{Options, Query, Snapshot};

use crate::mode::Mode;
use crate::random::Random;
use crate::rounds::{median, ratio};
use crate::turns::{Turn, take_turns};
use crate::worlds::{self, World};

/// Worlds that differ in one number.
pub(crate) struct Family {
    name: &'static str,
    sizes: &'static [usize],
    world: fn(usize) -> World,
    mixes: &'static [Mix],
}

/// Which questions are asked.
#[derive(Clone, Copy)]
pub(crate) enum Mix {
    /// A random user about a random document, each time others.
    Random,
    /// The same 64 questions again and again.
    Hot,
}

pub(crate) static FAMILIES: [Family; 4] = [
    Family {
        name: "policies-of-other-actions",
        sizes: &[10, 100, 1_000, 10_000],
        world: worlds::with_policies_of_other_actions,
        mixes: &[Mix::Random],
    },
    Family {
        name: "policies-of-the-same-action",
        sizes: &[10, 100, 1_000, 10_000],
        world: worlds::with_policies_of_the_same_action,
        mixes: &[Mix::Random],
    },
    Family {
        name: "links-of-the-same-action",
        sizes: &[10, 100, 1_000, 10_000],
        world: worlds::with_links_of_the_same_action,
        mixes: &[Mix::Random],
    },
    Family {
        name: "entities",
        sizes: &[10, 1_000, 10_000, 100_000, 1_000_000],
        world: worlds::with_entities,
        mixes: &[Mix::Random, Mix::Hot],
    },
];

impl Mix {
    fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Hot => "hot",
        }
    }
}

/// Measures one family, and tells how each size compares with the smallest.
pub(crate) fn bench(criterion: &mut Criterion, mode: Mode, family: &Family) {
    let sizes = match mode {
        Mode::Measure => family.sizes,
        Mode::Try => &family.sizes[..2],
    };
    let grown: Vec<(usize, OnceCell<Grown>)> = sizes.iter().map(|size| (*size, OnceCell::new())).collect();
    let mut group = criterion.benchmark_group(family.name);
    group
        .sample_size(50)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    for mix in family.mixes {
        for (size, made) in &grown {
            group.bench_function(BenchmarkId::new(mix.name(), size), |bencher| {
                let mut asker = made.get_or_init(|| Grown::new((family.world)(*size))).asker(*mix);
                bencher.iter(|| asker.ask());
            });
        }
    }
    group.finish();

    let (rounds, questions) = match mode {
        Mode::Measure => (31, 5_000),
        Mode::Try => (1, 50),
    };
    let made: Vec<(usize, &Grown)> = grown.iter().filter_map(|(size, made)| Some((*size, made.get()?))).collect();
    let Some((smallest, _)) = made.first() else { return };
    for mix in family.mixes {
        let mut sides: Vec<Turn<'_>> = made.iter().map(|(_, grown)| grown.asker(*mix).turn(questions)).collect();
        let nanos = take_turns(rounds, &mut sides);
        for ((size, _), own) in made.iter().zip(&nanos) {
            println!(
                "growth: {} {} {size}/{smallest} = {:.2} ({:.2} us a question, median of {rounds} interleaved rounds)",
                family.name,
                mix.name(),
                ratio(own, &nanos[0]),
                median(own) / 1e3
            );
        }
    }
}

/// A made world, compiled, and the users and documents that it is asked about.
struct Grown {
    snapshot: Snapshot,
    pairs: Vec<(String, String)>,
}

impl Grown {
    fn new(world: World) -> Self {
        // More than fit a cache, so that random questions of a big world stay random.
        const PAIRS: usize = 1 << 14;
        let snapshot = Snapshot::compile(&world.sources, &Options::default()).expect("a made world");
        let mut random = Random(1);
        let pairs = (0..PAIRS)
            .map(|_| {
                (
                    format!("u{}", random.below(world.users)),
                    format!("d{}", random.below(world.docs)),
                )
            })
            .collect();
        Self { snapshot, pairs }
    }

    fn asker(&self, mix: Mix) -> Asker<'_> {
        let pairs = match mix {
            Mix::Random => self.pairs.as_slice(),
            Mix::Hot => &self.pairs[..64],
        };
        Asker {
            snapshot: &self.snapshot,
            pairs,
            next: 0,
        }
    }
}

/// Asks one question after the other, round and round.
struct Asker<'g> {
    snapshot: &'g Snapshot,
    pairs: &'g [(String, String)],
    next: usize,
}

impl<'g> Asker<'g> {
    /// Asks so many questions, going on where it stopped.
    fn turn(mut self, questions: usize) -> Turn<'g> {
        Box::new(move || {
            for _ in 0..questions {
                black_box(self.ask());
            }
            questions
        })
    }

    fn ask(&mut self) -> bool {
        let (user, doc) = &self.pairs[self.next];
        self.next = (self.next + 1) % self.pairs.len();
        let query = Query::plain(("user", user.as_str()), "view", ("doc", doc.as_str()));
        self.snapshot.decide(&query).expect("a good question").is_allowed()
    }
}
