//! What both renderers draw: shapes with safe ids, links, and how each of them looks.

use std::collections::{HashMap, HashSet};

use super::{GraphNode, GraphOverlay, NodeKind, StepOverlay, WorkflowGraph};

pub(super) struct Picture<'a> {
    pub(super) name: &'a str,
    pub(super) shapes: Vec<Shape<'a>>,
    pub(super) links: Vec<Link<'a>>,
}

pub(super) struct Shape<'a> {
    /// Letters, digits and `_` alone; unique in the picture.
    pub(super) id: String,
    pub(super) label: &'a str,
    /// What the run did there, as a second line.
    pub(super) note: Option<String>,
    /// What the run did there, if it is a step that the run came by.
    #[cfg_attr(not(feature = "svg"), allow(dead_code))]
    pub(super) did: Option<StepOverlay>,
    pub(super) look: Look,
    pub(super) trace: Trace,
}

pub(super) struct Link<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: Option<&'a str>,
    pub(super) trace: Trace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Step,
    Start,
    Stop,
    Event,
    Resource,
    External,
}

/// Whether a run came by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// There is no run to speak of.
    None,
    Visited,
    Unvisited,
}

impl Look {
    pub(super) const ALL: [Look; 6] =
        [Look::Step, Look::Start, Look::Stop, Look::Event, Look::Resource, Look::External];

    pub(super) fn colour(self) -> &'static str {
        match self {
            Look::Step => "#ADD8E6",
            Look::Start => "#E27AFF",
            Look::Stop => "#FFA07A",
            Look::Event => "#90EE90",
            Look::Resource => "#DDA0DD",
            Look::External => "#BEDAE4",
        }
    }
}

impl Trace {
    fn of(visited: bool) -> Self {
        if visited { Trace::Visited } else { Trace::Unvisited }
    }
}

impl<'a> Picture<'a> {
    pub(super) fn of(graph: &'a WorkflowGraph, overlay: Option<&GraphOverlay>) -> Self {
        let mut ids = HashSet::new();
        let mut shapes: Vec<Shape<'_>> = graph.nodes.iter().map(|node| shape(node, overlay, &mut ids)).collect();
        let mut by_id: HashMap<&str, usize> = HashMap::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            by_id.entry(&node.id).or_insert(index);
        }
        let mut links: Vec<Link<'_>> = graph
            .edges
            .iter()
            .filter_map(|edge| {
                let (from, to) = (*by_id.get(edge.source.as_str())?, *by_id.get(edge.target.as_str())?);
                Some(Link { from, to, label: edge.label.as_deref(), trace: Trace::None })
            })
            .collect();
        if overlay.is_some() {
            trace(&mut shapes, &mut links);
        }
        Picture { name: &graph.name, shapes, links }
    }
}

fn shape<'a>(node: &'a GraphNode, overlay: Option<&GraphOverlay>, ids: &mut HashSet<String>) -> Shape<'a> {
    let (kind, look) = match &node.kind {
        NodeKind::Step { .. } => ("step", Look::Step),
        NodeKind::Resource { .. } => ("resource", Look::Resource),
        NodeKind::External => ("external", Look::External),
        NodeKind::Event { event_types, .. } => {
            let is = |name: &str| event_types.iter().any(|event_type| event_type == name);
            let look = if is("StartEvent") {
                Look::Start
            } else if is("StopEvent") {
                Look::Stop
            } else {
                Look::Event
            };
            ("event", look)
        }
    };
    let mut did = None;
    let (note, visited) = match (overlay, &node.kind) {
        (Some(overlay), NodeKind::Step { .. }) => {
            let step = overlay.steps.get(&node.label).filter(|step| step.is_visited());
            did = step.copied();
            (step.map(StepOverlay::summary), step.is_some())
        }
        (Some(overlay), NodeKind::Event { event_type, .. }) => {
            let count = overlay.events.get(event_type).filter(|count| **count > 0);
            (count.map(|count| if *count == 1 { "once".to_owned() } else { format!("{count} times") }), count.is_some())
        }
        _ => (None, false),
    };
    let trace = overlay.map_or(Trace::None, |_| Trace::of(visited));
    Shape { id: safe_id(kind, &node.id, ids), label: &node.label, note, did, look, trace }
}

/// What the run says nothing of is visited with what it is linked to; a link with both its ends.
fn trace(shapes: &mut [Shape<'_>], links: &mut [Link<'_>]) {
    for link in links.iter() {
        for (end, other) in [(link.from, link.to), (link.to, link.from)] {
            let silent = matches!(shapes[end].look, Look::Resource | Look::External);
            if silent && shapes[other].trace == Trace::Visited {
                shapes[end].trace = Trace::Visited;
            }
        }
    }
    for link in links {
        let both = shapes[link.from].trace == Trace::Visited && shapes[link.to].trace == Trace::Visited;
        link.trace = Trace::of(both);
    }
}

/// The kind before the name keeps words that mean something to a renderer, such as `end`, from standing alone.
fn safe_id(kind: &str, name: &str, ids: &mut HashSet<String>) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let prefix = format!("{kind}_");
    let first = if name.starts_with(&prefix) { name } else { prefix + &name };
    let others = (2..).map(|count| format!("{first}_{count}"));
    std::iter::once(first.clone()).chain(others).find(|id| ids.insert(id.clone())).unwrap_or_default()
}
