//! The graph as an SVG image.

mod escape;
mod place;
mod style;

use std::fmt::Write;

use self::escape::escape;
use self::place::{Point, place};
use super::picture::{Link, Look, Picture, Shape, Trace};

const MARGIN: f64 = 12.0;
const LINE: f64 = 16.0;

/// Writing to a `String` cannot fail, so nothing here looks at what `write!` gives.
pub(super) fn render(picture: &Picture<'_>) -> String {
    let placed = place(picture);
    let (width, height) = (placed.width + 2.0 * MARGIN, placed.height + 2.0 * MARGIN);
    let name = escape(picture.name);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"sc-graph\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"{least:.0} {least:.0} {width:.0} {height:.0}\" role=\"img\" aria-label=\"{name}\">\n\
         <title>{name}</title>\n",
        least = -MARGIN,
    );
    text.push_str(style::STYLE);
    for (link, way) in picture.links.iter().zip(&placed.ways) {
        wire(&mut text, link, &way.points);
    }
    for (shape, at) in picture.shapes.iter().zip(&placed.nodes) {
        node(&mut text, shape, at);
    }
    // Above the nodes: a label is read even where it touches one.
    for (link, way) in picture.links.iter().zip(&placed.ways) {
        if let Some((label, Point { x, y })) = link.label.zip(way.label) {
            let faint = faint(link.trace);
            _ = writeln!(text, "<text class=\"sc-word{faint}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(label));
        }
    }
    text.push_str("</svg>\n");
    text
}

fn faint(trace: Trace) -> &'static str {
    match trace {
        Trace::None => "",
        Trace::Visited => " sc-way",
        Trace::Unvisited => " sc-faint",
    }
}

fn class(shape: &Shape<'_>) -> String {
    let look = match shape.look {
        Look::Step => "step",
        Look::Start => "start",
        Look::Stop => "stop",
        Look::Event => "event",
        Look::Resource => "resource",
        Look::External => "external",
    };
    let did = match shape.did {
        Some(did) if did.failures > 0 => " sc-failed",
        Some(did) if did.running + did.waiting > 0 => " sc-active",
        _ => "",
    };
    format!("sc-node sc-{look}{}{did}", faint(shape.trace))
}

/// The lines of a node, the first one its name.
fn lines(shape: &Shape<'_>) -> Vec<String> {
    let mut lines = vec![short(shape.label)];
    for part in shape.note.as_deref().unwrap_or_default().split(", ").filter(|part| !part.is_empty()) {
        match lines.last_mut().filter(|line| line.len() + part.len() < 24) {
            Some(line) if lines_are_notes(line, shape) => line.push_str(&format!(", {part}")),
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

fn lines_are_notes(line: &str, shape: &Shape<'_>) -> bool {
    *line != short(shape.label)
}

fn short(label: &str) -> String {
    const LONGEST: usize = 48;
    let mut short: String = label.chars().take(LONGEST).collect();
    if label.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// How large a node is drawn. Fonts differ, so there is some room to spare.
fn size(shape: &Shape<'_>) -> (f64, f64) {
    let lines = lines(shape);
    let name = lines.first().map_or(0, |line| line.chars().count()) as f64 * 7.6;
    let notes = lines.iter().skip(1).map(|line| line.chars().count()).max().unwrap_or(0) as f64 * 6.4;
    let width = name.max(notes) + 28.0;
    (width.max(56.0), 16.0 + LINE * lines.len() as f64)
}

fn node(text: &mut String, shape: &Shape<'_>, at: &place::Box2) {
    let place::Box2 { x, y, width, height } = *at;
    let (left, top) = (x - width / 2.0, y - height / 2.0);
    _ = writeln!(text, "<g class=\"{}\"><title>{}</title>", class(shape), escape(shape.label));
    let radius = match shape.look {
        Look::Step => 6.0,
        Look::Start | Look::Stop | Look::Event => height.min(34.0) / 2.0,
        Look::Resource | Look::External => 2.0,
    };
    _ = writeln!(
        text,
        "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\"/>"
    );
    let lines = lines(shape);
    let first = y - LINE * (lines.len() as f64 - 1.0) / 2.0;
    for (at, line) in lines.iter().enumerate() {
        let class = if at == 0 { "sc-name" } else { "sc-note" };
        let y = first + LINE * at as f64;
        _ = writeln!(text, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(line));
    }
    text.push_str("</g>\n");
}

/// A smooth line: straight to the middle between two bends, around each bend in a curve.
fn wire(text: &mut String, link: &Link<'_>, points: &[Point]) {
    let [first, .., last] = points else { return };
    let mut path = format!("M{:.1} {:.1}", first.x, first.y);
    for pair in points[1..].windows(2) {
        let (bend, next) = (pair[0], pair[1]);
        let middle = Point { x: (bend.x + next.x) / 2.0, y: (bend.y + next.y) / 2.0 };
        _ = write!(path, " Q{:.1} {:.1} {:.1} {:.1}", bend.x, bend.y, middle.x, middle.y);
    }
    _ = write!(path, " L{:.1} {:.1}", last.x, last.y);
    // The head is drawn by itself: markers are found by ids, which two drawings in one page would share.
    let before = points[points.len() - 2];
    let faint = faint(link.trace);
    _ = writeln!(text, "<path class=\"sc-wire{faint}\" d=\"{path}\"/>");
    let (dx, dy) = (last.x - before.x, last.y - before.y);
    let length = (dx * dx + dy * dy).sqrt().max(0.001);
    let (ux, uy) = (dx / length, dy / length);
    let (bx, by) = (last.x - 8.0 * ux, last.y - 8.0 * uy);
    _ = writeln!(
        text,
        "<path class=\"sc-head{faint}\" d=\"M{:.1} {:.1} L{:.1} {:.1} L{:.1} {:.1} Z\"/>",
        last.x,
        last.y,
        bx - 4.0 * uy,
        by + 4.0 * ux,
        bx + 4.0 * uy,
        by - 4.0 * ux
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::{GraphOverlay, StepOverlay, WorkflowGraph};

    fn graph(nodes: usize, edges: &[(usize, usize)], name: &str) -> WorkflowGraph {
        let nodes: Vec<_> = (0..nodes)
            .map(|at| {
                let (id, label) = (format!("n{at}"), format!("{name}{at}"));
                match at % 2 {
                    0 => serde_json::json!({ "id": id, "label": label, "node_type": "step" }),
                    _ => serde_json::json!({
                        "id": id, "label": label, "node_type": "event", "event_type": label, "event_types": [],
                    }),
                }
            })
            .collect();
        let edges: Vec<_> = edges
            .iter()
            .map(|(from, to)| serde_json::json!({ "source": format!("n{from}"), "target": format!("n{to}"), "label": name }))
            .collect();
        serde_json::from_value(serde_json::json!({ "name": name, "nodes": nodes, "edges": edges })).unwrap()
    }

    #[test]
    fn it_is_the_same_every_time() {
        let edges: Vec<(usize, usize)> = (0..30).map(|at| (at, (at * 7 + 3) % 31)).collect();
        let graph = graph(31, &edges, "a");
        assert_eq!(graph.to_svg(), graph.to_svg());
    }

    #[test]
    fn what_could_be_markup_is_text() {
        let svg = graph(2, &[(0, 1)], "<script>alert('x')</script>&\"\u{0}").to_svg();
        assert!(
            !svg.contains("<script") && svg.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot; ")
        );
    }

    #[test]
    fn what_a_run_did_is_shown() {
        let graph = graph(5, &[(0, 1), (1, 2), (2, 3), (3, 4)], "x");
        let mut overlay = GraphOverlay::default();
        overlay.steps.insert("x0".into(), StepOverlay { runs: 3, total_micros: 1_500, ..StepOverlay::default() });
        overlay.steps.insert("x2".into(), StepOverlay { runs: 1, failures: 2, ..StepOverlay::default() });
        let svg = graph.to_svg_with(&overlay);
        assert!(svg.contains("sc-step sc-way\"") && svg.contains(">3 runs, 1.5 ms<"), "{svg}");
        assert!(svg.contains("sc-step sc-way sc-failed\"") && svg.contains(">1 run, 2 failed<"), "{svg}");
        assert!(svg.contains("sc-step sc-faint\""), "{svg}");
    }

    #[test]
    fn an_empty_graph_is_an_image() {
        assert!(graph(0, &[], "none").to_svg().starts_with("<svg "));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        /// The fallback is as complete as the layout it stands for.
        #[test]
        fn both_layouts_place_everything(edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..30)) {
            let graph = graph(12, &edges, "n");
            let picture = Picture::of(&graph, None);
            let by_dagre = place::by_dagre(&picture);
            prop_assert!(by_dagre.is_some());
            for placed in by_dagre.into_iter().chain([place::by_layers(&picture)]) {
                prop_assert_eq!((placed.nodes.len(), placed.ways.len()), (12, picture.links.len()));
                for (at, one) in placed.nodes.iter().enumerate() {
                    prop_assert!(one.x >= 0.0 && one.y >= 0.0 && one.x <= placed.width && one.y <= placed.height);
                    for other in &placed.nodes[..at] {
                        let apart = (one.x - other.x).abs() >= (one.width + other.width) / 2.0 - 0.01
                            || (one.y - other.y).abs() >= (one.height + other.height) / 2.0 - 0.01;
                        prop_assert!(apart, "{:?} lies on {:?}", one, other);
                    }
                }
            }
            let complete = graph.to_svg().ends_with("</svg>\n");
            prop_assert!(complete);
        }
    }
}
