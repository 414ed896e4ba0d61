//! The examples are the files beside `Cargo.toml`; run one with `cargo run --example hello`.

pub mod flows;
