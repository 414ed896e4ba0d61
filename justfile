# What is done often. `just` lists it.

default:
    @just --list

# A workflow runs.
hello:
    cargo run --example hello

# The tests, as the README has them.
test:
    cargo test --workspace

# Everything that has to pass.
ci:
    .ci/run

fmt:
    cargo fmt --all
    cargo fmt --manifest-path benches/Cargo.toml

lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# The benchmarks: `just bench --quick` for a minute of them.
bench *args:
    cargo run --release --manifest-path benches/Cargo.toml --features peers -- {{args}}

# What is durable, beside SQLite and duroxide.
bench-durable *args:
    cargo build --release --manifest-path benches/duroxide/Cargo.toml --target-dir benches/target
    cargo run --release --manifest-path benches/Cargo.toml --features peers --target-dir benches/target -- --shape durable {{args}}

# Licences, advisories and sources of all dependencies.
deny:
    cargo deny check
