//! Every variant of every error that a command can meet has a code: the sources are held against the map.
#![allow(clippy::unwrap_used)]

use std::fs::read_to_string;
use std::path::Path;

const ERRORS: [(&str, &str, &str); 15] = [
    ("stepcast-core/src/backend/error.rs", "StorageError", "StorageError"),
    ("stepcast-core/src/backend/error.rs", "WriteError", "WriteError"),
    ("stepcast-core/src/backend/error.rs", "ClaimError", "ClaimError"),
    ("stepcast-core/src/backend/error.rs", "LoadError", "LoadError"),
    ("stepcast-core/src/backend/error.rs", "AnswerError", "AnswerError"),
    ("stepcast-core/src/backend/error.rs", "SendError", "SendError"),
    ("stepcast-core/src/backend/error.rs", "PurgeError", "PurgeError"),
    ("stepcast-sqlite/src/error.rs", "OpenError", "OpenError"),
    ("stepcast-runtime/src/durable/error.rs", "AnswerRunError", "AnswerRunError"),
    ("stepcast-runtime/src/durable/error.rs", "SendRunError", "SendRunError"),
    ("stepcast-runtime/src/durable/error.rs", "AttachError", "AttachError"),
    ("stepcast-runtime/src/run/error.rs", "RunError", "RunError"),
    ("stepcast-runtime/src/run/error.rs", "RespondError", "RespondError"),
    ("stepcast-runtime/src/run/error.rs", "SendError", "stepcast::SendError"),
    ("stepcast-runtime/src/runtime/error.rs", "RuntimeError", "RuntimeError"),
];

/// The names of an enum's variants.
fn variants(source: &str, name: &str) -> Vec<String> {
    let begin = source.find(&format!("pub enum {name} {{")).unwrap_or_else(|| panic!("no enum {name}"));
    let body = &source[begin..];
    let body = &body[..body.find("\n}").unwrap()];
    let starts = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = starts.filter(|line| line.starts_with(char::is_uppercase));
    names.map(|line| line.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()).collect()
}

#[test]
fn every_variant_has_a_code() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let map = read_to_string(crates.join("stepcast-cli/src/codes/map.rs")).unwrap();
    let map = map.split("#[cfg(test)]").next().unwrap();
    let mut missing = Vec::new();
    for (file, name, path) in ERRORS {
        let all = variants(&read_to_string(crates.join(file)).unwrap(), name);
        assert!(!all.is_empty(), "{name}");
        missing.extend(all.iter().map(|variant| format!("{path}::{variant}")).filter(|arm| {
            let after = |at: usize| map[at + arm.len()..].chars().next();
            !map.match_indices(arm.as_str()).any(|(at, _)| after(at).is_none_or(|c| !c.is_alphanumeric()))
        }));
    }
    assert!(missing.is_empty(), "without a code: {missing:?}");
}

#[test]
fn the_codes_are_one_catalogue() {
    let codes: Vec<&str> = stepcast_cli::code_docs().map(|doc| doc.code).collect();
    let mut unique = codes.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), codes.len(), "{codes:?}");
}
