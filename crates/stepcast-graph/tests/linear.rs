//! What a check costs grows with the document, and no faster: counted in allocations.
#![allow(clippy::unwrap_used)]

use std::alloc::System;

use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use stepcast_graph::{Graph, Host};

#[global_allocator]
static ALLOCATIONS: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn long(count: usize, route: &str) -> Value {
    let steps: Vec<Value> = (0..count)
        .map(|n| json!({ "id": format!("s{n}"), "type": "function", "template": { "n": n, "of": "{{input.x?}}" } }))
        .collect();
    let edge = |n: usize| json!({ "source": format!("s{}", n - 1), "target": format!("s{n}"), "when": format!("s{}.n >= 0", n - 1) });
    json!({ "id": "long", "route": route, "steps": steps, "edges": (1..count).map(edge).collect::<Vec<_>>() })
}

/// Bytes asked for while a document is checked.
fn cost(count: usize, route: &str) -> usize {
    let source = long(count, route);
    let region = Region::new(ALLOCATIONS);
    assert!(Graph::check(&source, &Host::any()).is_ok());
    region.change().bytes_allocated
}

#[test]
fn checks_are_linear() {
    for route in ["all", "first"] {
        let (small, large) = (cost(1_000, route), cost(10_000, route));
        assert!(large < small * 13, "{small} bytes for 1,000 steps, {large} for 10,000");
    }
}
