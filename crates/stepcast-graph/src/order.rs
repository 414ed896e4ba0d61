//! Documents that run each other, in an order in which each finds those that it needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::check::{Code, Report};
use crate::document::{Document, read};
use crate::graph::GraphError;

impl Document {
    /// The names of the graphs that a document runs, also of one that has errors.
    ///
    /// ```
    /// use serde_json::json;
    /// use stepcast_graph::Document;
    ///
    /// let outer = json!({ "id": "outer", "steps": [{ "id": "a", "type": "subgraph", "graph": "inner" }] });
    /// assert!(Document::graphs(&outer).contains("inner"));
    /// ```
    pub fn graphs(source: &Value) -> BTreeSet<String> {
        read(source).document.steps.into_iter().filter_map(|step| step.graph).collect()
    }
}

/// The documents, with those that others run before them.
pub(crate) fn in_order(sources: &[Value]) -> Result<Vec<usize>, GraphError> {
    let id = |source: &Value| source.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let by_id: BTreeMap<String, usize> = sources.iter().enumerate().map(|(at, source)| (id(source), at)).collect();
    let needs: Vec<Vec<(usize, String)>> = sources.iter().map(|source| needs(source, &by_id)).collect();
    let mut left: Vec<usize> =
        needs.iter().map(|needs| needs.iter().map(|(at, _)| *at).collect::<BTreeSet<_>>().len()).collect();
    let mut users: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); sources.len()];
    for (at, needs) in needs.iter().enumerate() {
        for (needed, _) in needs {
            users[*needed].insert(at);
        }
    }
    let mut ready: BTreeSet<usize> = (0..sources.len()).filter(|at| left[*at] == 0).collect();
    let mut order = Vec::with_capacity(sources.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for user in &users[at] {
            left[*user] -= 1;
            if left[*user] == 0 {
                ready.insert(*user);
            }
        }
    }
    match (0..sources.len()).find(|at| left[*at] > 0) {
        None => Ok(order),
        Some(at) => {
            let mut report = Report::default();
            for (needed, place) in needs[at].iter().filter(|(needed, _)| left[*needed] > 0) {
                let text = format!("`{}` runs `{}`, which comes back to it.", id(&sources[at]), id(&sources[*needed]));
                report.error(Code::Recursion, place.clone(), text, "Graphs cannot run each other in a circle.");
            }
            Err(GraphError::Refused { id: id(&sources[at]), report })
        }
    }
}

fn needs(source: &Value, by_id: &BTreeMap<String, usize>) -> Vec<(usize, String)> {
    let key = if source.get("steps").is_some() { "steps" } else { "nodes" };
    let steps = source.get(key).and_then(Value::as_array).into_iter().flatten().enumerate();
    let graphs = steps.filter_map(|(at, step)| {
        let graph = step.get("graph").or_else(|| step.get("config")?.get("graph"))?.as_str()?;
        Some((*by_id.get(graph)?, format!("/{key}/{at}/graph")))
    });
    graphs.collect()
}
