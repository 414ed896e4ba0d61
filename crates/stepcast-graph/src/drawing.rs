//! Documents as drawings.

use serde_json::Value;
use stepcast_core::{GraphEdge, GraphNode, NodeKind, WorkflowGraph};

use crate::document::{Document, StepType, read};

impl Document {
    /// The document as a graph that can be drawn: steps, and edges with their conditions. One that does not pass the check
    /// is drawn as far as it goes.
    ///
    /// ```
    /// use serde_json::json;
    /// use stepcast_graph::Document;
    ///
    /// let drawing = Document::drawing(&json!({
    ///     "id": "two",
    ///     "steps": [{ "id": "ask", "type": "human" }, { "id": "say", "type": "log" }],
    ///     "edges": [{ "source": "ask", "target": "say", "when": "ask.approved" }]
    /// }));
    /// assert!(drawing.to_mermaid().contains("ask.approved"));
    /// ```
    pub fn drawing(source: &Value) -> WorkflowGraph {
        let document = read(source).document;
        let node = |id: &str, kind: Option<StepType>| GraphNode {
            id: id.to_owned(),
            label: id.to_owned(),
            kind: NodeKind::Step { description: kind.map(|kind| kind.word().to_owned()) },
        };
        let edge = |source: &str, target: &str, label: Option<String>| GraphEdge {
            source: source.to_owned(),
            target: target.to_owned(),
            label,
        };
        let mut nodes: Vec<_> = document.steps.iter().map(|step| node(&step.id, Some(step.step_type))).collect();
        // Edges may lead to an end that is nowhere written.
        if document.edges.iter().any(|edge| edge.target == "end") && !nodes.iter().any(|node| node.id == "end") {
            nodes.push(node("end", None));
        }
        let parents = document.steps.iter().filter_map(|step| Some((step.parent.as_deref()?, step.id.as_str())));
        let mut edges: Vec<_> = parents.map(|(parent, id)| edge(parent, id, Some("runs".to_owned()))).collect();
        edges.extend(document.edges.iter().map(|way| {
            let label = way.when.as_ref().map(|when| said(&when.0));
            edge(&way.source, &way.target, label)
        }));
        WorkflowGraph { name: document.id, description: document.description, nodes, edges }
    }
}

/// A condition in a few words.
fn said(when: &Value) -> String {
    let word = |name: &str| when.get(name).and_then(Value::as_str);
    let text = match (when.as_str(), word("type"), word("path")) {
        (Some(text), ..) => text.to_owned(),
        (None, Some("field"), Some(path)) => {
            let value = when.get("value").map(Value::to_string).unwrap_or_default();
            format!("{path} {} {value}", word("op").unwrap_or("eq")).trim_end().to_owned()
        }
        (None, Some(kind), _) => match when.get("value") {
            Some(Value::String(text)) => text.clone(),
            _ => kind.to_owned(),
        },
        _ => when.to_string(),
    };
    match text.char_indices().nth(48) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
