# The habits of the project. CI runs `just ci`'s steps by way of .ci/run.

# What a newcomer runs.
test:
    cargo test --locked

# Formatting, lints with warnings as errors, documents.
lint:
    cargo fmt --check
    cargo fmt --check --manifest-path fuzz/Cargo.toml
    cargo lint
    RUSTDOCFLAGS="--deny warnings" cargo document

# Benches and fuzz targets are code too.
build-all:
    cargo build --benches --locked
    cargo build --manifest-path fuzz/Cargo.toml

ci: test lint build-all

# Figures: decisions against stock Cedar, whole HTTP against a bare server, searches against evaluations, compiling.
bench:
    cargo bench --bench decide
    cargo bench --bench http
    cargo bench --bench search
    cargo bench --bench compile
    cargo bench --bench directory
    cargo bench --bench orders
    cargo bench --bench scim

# The figures of docs/benchmarks.md, all in one run, and then the page.
benchmarks:
    mkdir -p target/benchmarks
    cargo bench --bench decide > target/benchmarks/decide.log
    cargo bench --bench allocations > target/benchmarks/allocations.log
    cargo bench --bench http > target/benchmarks/http.log
    cargo bench --bench batch > target/benchmarks/batch.log
    cargo bench --bench size > target/benchmarks/size.log
    cargo bench --bench size -- --sizes 1000,10000,100000,1000000 >> target/benchmarks/size.log
    cargo bench --bench charts -- --from target/benchmarks --to docs

# The long forms of shortened loops.
soak:
    GATEPOST_ROUNDS=1000 GATEPOST_LAWS_WORLDS=10000 GATEPOST_EDITS_CASES=20000 cargo test --release --locked

# Needs nightly and cargo-fuzz.
fuzz target="evaluation_body" seconds="3600":
    cargo +nightly fuzz run {{target}} fuzz/seeds/{{target}} -- -dict=fuzz/json.dict -max_total_time={{seconds}}

# Needs cargo-deny.
deny:
    cargo deny check
