//! Each type of step has a page, and the document on it is one that a graph can be made of.

#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use stepcast_graph::{Graph, Host};

/// What `type` may be, by the published schema.
fn types() -> BTreeSet<String> {
    let schema = stepcast_graph::json_schema();
    let known = schema.pointer("/$defs/StepType/oneOf").and_then(Value::as_array).expect("the types");
    known.iter().map(|known| known["const"].as_str().expect("a word").to_owned()).collect()
}

#[test]
fn each_type_of_step_has_a_page_with_a_document_that_passes_the_check() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/graph-steps");
    let mut told = BTreeSet::new();
    for page in std::fs::read_dir(folder).expect("the pages") {
        let path = page.expect("a page").path();
        let text = std::fs::read_to_string(&path).expect("a text");
        let title = text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a title");
        let types: Vec<&str> = title.split(", ").collect();
        let (_, rest) = text.split_once("```json\n").expect("a document");
        let document: Value = serde_json::from_str(rest.split("```").next().expect("its end")).expect("JSON");
        let report = Graph::check(&document, &Host::any());
        assert!(report.is_ok(), "{}: {report}", path.display());
        let steps = document["steps"].as_array().expect("steps");
        assert!(
            steps.iter().any(|step| types.iter().any(|name| step["type"] == *name)),
            "{title} is not in its document"
        );
        told.extend(types.into_iter().map(str::to_owned));
    }
    assert_eq!(told, types());
}
