//! Where everything stands. The layout is dagre's; where it gives none, a plain one in layers.

use dagre::graph::{Graph, GraphOptions};
use dagre::layout::types::LabelPos;
use dagre::{EdgeLabel, LayoutOptions, NodeLabel};

use super::super::layered::{Reach, arrange};
use super::super::picture::Picture;
use super::size;
use crate::guard::guarded;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A box around its middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Box2 {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The way of a link, and where its label stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Way {
    pub(super) points: Vec<Point>,
    pub(super) label: Option<Point>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) nodes: Vec<Box2>,
    pub(super) ways: Vec<Way>,
}

fn word_width(label: &str) -> f64 {
    label.chars().count() as f64 * 6.0 + 8.0
}

/// Larger graphs take dagre too long.
const MOST_SHAPES: usize = 400;

pub(super) fn place(picture: &Picture<'_>) -> Placed {
    let small = picture.shapes.len() <= MOST_SHAPES && picture.links.len() <= 3 * MOST_SHAPES;
    let placed = small.then(|| guarded(|| by_dagre(picture)).ok().flatten()).flatten();
    placed.unwrap_or_else(|| by_layers(picture))
}

/// `None` if it left something out.
pub(super) fn by_dagre(picture: &Picture<'_>) -> Option<Placed> {
    let mut graph: Graph<NodeLabel, EdgeLabel> =
        Graph::with_options(GraphOptions { directed: true, multigraph: true, compound: false });
    for (at, shape) in picture.shapes.iter().enumerate() {
        let (width, height) = size(shape);
        graph.set_node(at.to_string(), Some(NodeLabel { width, height, ..NodeLabel::default() }));
    }
    for (at, link) in picture.links.iter().enumerate() {
        let width = link.label.map_or(0.0, word_width);
        let height = if link.label.is_some() { 14.0 } else { 0.0 };
        let label = EdgeLabel { width, height, labelpos: LabelPos::Center, ..EdgeLabel::default() };
        graph.set_edge(link.from.to_string(), link.to.to_string(), Some(label), Some(&at.to_string()));
    }
    let options = LayoutOptions { nodesep: 28.0, edgesep: 14.0, ranksep: 34.0, ..LayoutOptions::default() };
    dagre::layout(&mut graph, Some(options));
    let nodes = (0..picture.shapes.len()).map(|at| {
        let node = graph.node(&at.to_string())?;
        Some(Box2 { x: node.x?, y: node.y?, width: node.width, height: node.height })
    });
    let nodes: Vec<Box2> = nodes.collect::<Option<_>>()?;
    let ways = picture.links.iter().enumerate().map(|(at, link)| {
        let edge = graph.edge(&link.from.to_string(), &link.to.to_string(), Some(&at.to_string()))?;
        let points: Vec<Point> = edge.points.iter().map(|point| Point { x: point.x, y: point.y }).collect();
        Some(Way { points, label: edge.x.zip(edge.y).map(|(x, y)| Point { x, y }) })
    });
    let ways: Vec<Way> = ways.collect::<Option<_>>()?;
    framed(picture, nodes, ways)
}

pub(super) fn by_layers(picture: &Picture<'_>) -> Placed {
    let sizes: Vec<(f64, f64)> = picture.shapes.iter().map(size).collect();
    let half = |width: f64| (width / 2.0).ceil() as i32;
    let reaches: Vec<Reach> =
        sizes.iter().map(|(width, _)| Reach { left: half(*width), right: half(*width) }).collect();
    let pairs: Vec<(usize, usize)> = picture.links.iter().map(|link| (link.from, link.to)).collect();
    let all = arrange(&reaches, &pairs, 24);
    let (mut middles, mut top) = (Vec::new(), 0.0);
    for layer in &all.layers {
        let heights = layer.iter().filter_map(|slot| all.slots[*slot].node).map(|node| sizes[node].1);
        let height = heights.fold(20.0, f64::max);
        middles.push(top + height / 2.0);
        top += height + 56.0;
    }
    let at = |slot: usize| {
        let slot = &all.slots[slot];
        Point { x: f64::from(slot.x), y: middles.get(slot.layer).copied().unwrap_or(0.0) }
    };
    let nodes: Vec<Box2> = sizes
        .iter()
        .enumerate()
        .map(|(node, (width, height))| Box2 { x: at(node).x, y: at(node).y, width: *width, height: *height })
        .collect();
    let mut ways = vec![Way::default(); picture.links.len()];
    for wire in &all.wires {
        let mut points: Vec<Point> = wire.path.iter().map(|slot| at(*slot)).collect();
        // From edge to edge, not from middle to middle.
        if let (Some(first), Some(last)) = (wire.path.first(), wire.path.last()) {
            let end = points.len() - 1;
            points[0].y += nodes[*first].height / 2.0;
            points[end].y -= nodes[*last].height / 2.0;
        }
        if wire.up {
            points.reverse();
        }
        let middle = points.len() / 2;
        let (a, b) = (points[middle - 1], points[middle]);
        ways[wire.link] = Way { label: Some(Point { x: (a.x + b.x) / 2.0, y: (a.y + b.y) / 2.0 }), points };
    }
    framed(picture, nodes, ways).unwrap_or(Placed { width: 0.0, height: 0.0, nodes: Vec::new(), ways: Vec::new() })
}

/// Moves everything to where nothing is left of or above zero. `None` if something is nowhere.
fn framed(picture: &Picture<'_>, mut nodes: Vec<Box2>, mut ways: Vec<Way>) -> Option<Placed> {
    let corners = nodes.iter().flat_map(|node| {
        let (w, h) = (node.width / 2.0, node.height / 2.0);
        [Point { x: node.x - w, y: node.y - h }, Point { x: node.x + w, y: node.y + h }]
    });
    let bends = ways.iter().zip(&picture.links).flat_map(|(way, link)| {
        let half = link.label.map_or(0.0, word_width) / 2.0;
        let label = way.label.into_iter().flat_map(move |at| [at.x - half, at.x + half].map(|x| Point { x, y: at.y }));
        way.points.iter().copied().chain(label)
    });
    let all: Vec<Point> = corners.chain(bends).collect();
    if all.iter().any(|point| !point.x.is_finite() || !point.y.is_finite()) {
        return None;
    }
    let least = |of: fn(&Point) -> f64| all.iter().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&Point) -> f64| all.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
    let (left, top) = if all.is_empty() { (0.0, 0.0) } else { (least(|point| point.x), least(|point| point.y)) };
    let (right, bottom) = if all.is_empty() { (0.0, 0.0) } else { (most(|point| point.x), most(|point| point.y)) };
    for node in &mut nodes {
        (node.x, node.y) = (node.x - left, node.y - top);
    }
    for point in ways.iter_mut().flat_map(|way| way.points.iter_mut().chain(&mut way.label)) {
        (point.x, point.y) = (point.x - left, point.y - top);
    }
    Some(Placed { width: right - left, height: bottom - top, nodes, ways })
}
