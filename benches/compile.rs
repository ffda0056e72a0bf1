//! From sources to a snapshot: the bundled model, and by the number of policies and entities.
//!
//! Ten thousand policies or a hundred thousand entities take a while, and come with `GATEPOST_HEAVY=1`.
#![allow(clippy::expect_used, missing_docs)]

#[path = "shared/mode.rs"]
mod mode;
#[path = "shared/worlds.rs"]
mod worlds;

use std::cell::OnceCell;

use criterion::{BenchmarkId, Criterion, Throughput};
use gatepost::app::built_in;
use gatepost::engine::{Options, Snapshot, Sources};
use gatepost::store::compile_files;
use mode::Mode;
use worlds::World;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mode = Mode::of_this_run();
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    bundled(&mut criterion);
    by_size(
        &mut criterion,
        "compile-by-policies",
        &sizes(mode, &[10, 100, 1_000], 10_000),
        worlds::with_policies_of_other_actions,
    );
    by_size(
        &mut criterion,
        "compile-by-entities",
        &sizes(mode, &[10, 100, 1_000, 10_000], 100_000),
        worlds::with_entities,
    );
}

fn sizes(mode: Mode, usual: &[usize], heavy: usize) -> Vec<usize> {
    let is_heavy = std::env::var_os("GATEPOST_HEAVY").is_some_and(|value| value == "1");
    match mode {
        Mode::Try => usual[..2].to_vec(),
        Mode::Measure if is_heavy => [usual, &[heavy]].concat(),
        Mode::Measure => usual.to_vec(),
    }
}

fn compile(sources: &Sources) -> Snapshot {
    Snapshot::compile(sources, &Options::default()).expect("sources without faults")
}

fn bundled(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile-bundled");
    group.bench_function("snapshot", |bencher| {
        let sources = worlds::bundled();
        bencher.iter_with_large_drop(|| compile(&sources));
    });
    // As the loader does it: the directory's documents are read and projected as well.
    group.bench_function("files", |bencher| {
        let files = built_in();
        bencher.iter_with_large_drop(|| compile_files(&files, &Options::default()).expect("the bundled model"));
    });
    group.finish();
}

fn by_size(criterion: &mut Criterion, name: &str, sizes: &[usize], world: fn(usize) -> World) {
    let mut group = criterion.benchmark_group(name);
    for size in sizes {
        // Made only if this is to run at all, and once for all of its samples.
        let made = OnceCell::new();
        group.throughput(Throughput::Elements(*size as u64));
        group.sample_size(if *size < 1_000 { 50 } else { 10 });
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            let sources = &made.get_or_init(|| world(*size)).sources;
            bencher.iter_with_large_drop(|| compile(sources));
        });
    }
    group.finish();
}
