//! Boxes and arrows.

use super::super::layered::{Layered, Reach, Wire, arrange};
use super::super::picture::{Look, Picture, Shape, Trace};
use super::canvas::{Canvas, DOWN, UP};
use super::tracks::{Net, assign};
use super::{TextStyle, note, shown};

const GAP: i32 = 2;
const NOTE_WIDTH: usize = 22;

/// A node as it is drawn.
struct Body {
    lines: Vec<String>,
    boxed: bool,
    thick: bool,
    /// Columns left and right of the middle one.
    half: (i32, i32),
    /// What stands beside the arrows that come in from above and from below.
    above: String,
    below: String,
}

/// All links between two nodes in one direction.
struct Joined {
    from: usize,
    to: usize,
    labels: Vec<String>,
}

/// The drawing, if it is not too wide.
pub(super) fn draw(picture: &Picture<'_>, style: TextStyle) -> Option<String> {
    let links = joined(picture, style);
    let pairs: Vec<(usize, usize)> = links.iter().map(|link| (link.from, link.to)).collect();
    let mut bodies: Vec<Body> = picture.shapes.iter().map(|shape| body(shape, style)).collect();
    // Which links lead up follows from the links alone, so it is known before the widths are.
    let halves: Vec<Reach> = bodies.iter().map(Body::reach).collect();
    for wire in &arrange(&halves, &pairs, GAP).wires {
        let link = &links[wire.link];
        let body = &mut bodies[link.to];
        let beside = if wire.up { &mut body.below } else { &mut body.above };
        for label in &link.labels {
            if !beside.split(", ").any(|known| known == label) {
                beside.push_str(if beside.is_empty() { "" } else { ", " });
                beside.push_str(label);
            }
        }
    }
    let reaches: Vec<Reach> = bodies.iter().map(Body::reach).collect();
    let plan = Plan::of(arrange(&reaches, &pairs, GAP), bodies);
    (plan.width <= style.width).then(|| plan.draw(style))
}

fn joined(picture: &Picture<'_>, style: TextStyle) -> Vec<Joined> {
    let mut all: Vec<Joined> = Vec::new();
    for link in picture.links.iter().filter(|link| link.from != link.to) {
        let label = link.label.map(|label| shown(label, style.plain));
        match all.iter_mut().find(|known| (known.from, known.to) == (link.from, link.to)) {
            Some(known) => known.labels.extend(label),
            None => all.push(Joined { from: link.from, to: link.to, labels: label.into_iter().collect() }),
        }
    }
    all
}

fn body(shape: &Shape<'_>, style: TextStyle) -> Body {
    let label = shown(shape.label, style.plain);
    let note = note(shape);
    let boxed = shape.look == Look::Step;
    let lines = match shape.look {
        Look::Step => [label].into_iter().chain(note.map(folded).unwrap_or_default()).collect(),
        Look::Start | Look::Stop | Look::Event => {
            vec![format!("({})", [Some(label.as_str()), note].into_iter().flatten().collect::<Vec<_>>().join(", "))]
        }
        Look::Resource => vec![format!("{{{label}}}")],
        Look::External => vec![format!("[[{label}]]")],
    };
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let width = i32::try_from(widest).unwrap_or(0) + if boxed { 4 } else { 0 };
    let half = ((width - 1) / 2, width / 2);
    let (above, below) = (String::new(), String::new());
    Body { lines, boxed, thick: shape.trace == Trace::Visited, half, above, below }
}

/// What a run did, on short lines.
fn folded(note: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in note.split(", ") {
        match lines.last_mut().filter(|line| line.len() + part.len() < NOTE_WIDTH) {
            Some(line) => line.push_str(&format!(", {part}")),
            None => lines.push(part.to_owned()),
        }
    }
    lines
}

impl Body {
    fn reach(&self) -> Reach {
        let beside = |label: &str| match label.chars().count() {
            0 => 0,
            length => i32::try_from(length).unwrap_or(0) + 2,
        };
        // The ports beside the middle one are two columns away from it.
        Reach { left: self.half.0.max(beside(&self.below) + 2), right: self.half.1.max(beside(&self.above) + 2) }
    }

    fn height(&self) -> usize {
        self.lines.len() + if self.boxed { 2 } else { 0 }
    }

    /// How far the ports beside the middle one are away from it.
    fn beside(&self) -> i32 {
        self.half.0.min(2)
    }
}

/// Where a wire enters the rows between two layers, and where it leaves them.
struct Segment {
    wire: usize,
    upper: usize,
    lower: usize,
    from: i32,
    to: i32,
}

struct Plan {
    all: Layered,
    bodies: Vec<Body>,
    width: usize,
}

impl Plan {
    fn of(all: Layered, bodies: Vec<Body>) -> Self {
        let ends = all.slots.iter().map(|slot| slot.x + slot.node.map_or(0, |node| bodies[node].reach().right));
        let width = ends.max().and_then(|last| usize::try_from(last + 1).ok()).unwrap_or(0);
        Plan { all, bodies, width }
    }

    fn draw(&self, style: TextStyle) -> String {
        let segments: Vec<Vec<Segment>> = (0..self.all.layers.len()).map(|layer| self.segments(layer)).collect();
        let nets: Vec<Vec<Net>> = segments.iter().map(|segments| nets(segments, &self.all.wires)).collect();
        let tracks: Vec<_> = nets.iter().map(|nets| assign(nets)).collect();
        let heights: Vec<usize> = self.all.layers.iter().map(|layer| self.height(layer)).collect();
        let between = |layer: usize| if segments[layer].is_empty() { 0 } else { tracks[layer].1 + 2 };
        let height = (0..heights.len()).map(|layer| heights[layer] + between(layer)).sum();
        let mut canvas = Canvas::new(self.width, height);
        let mut row = 0;
        for layer in 0..heights.len() {
            self.layer(&mut canvas, layer, row, heights[layer], &segments[layer], style);
            row += heights[layer];
            let last = row + between(layer);
            for (net, track) in nets[layer].iter().zip(&tracks[layer].0) {
                wires(&mut canvas, net, (row, last), track.map(|track| row + 1 + track));
            }
            self.arrows(&mut canvas, &segments[layer], (row, last), style);
            row = last;
        }
        canvas.finish(style)
    }

    fn height(&self, layer: &[usize]) -> usize {
        let nodes = layer.iter().filter_map(|slot| self.all.slots[*slot].node);
        nodes.map(|node| self.bodies[node].height()).max().unwrap_or(1)
    }

    /// What leads from a layer to the next.
    fn segments(&self, layer: usize) -> Vec<Segment> {
        let mut segments = Vec::new();
        for (at, wire) in self.all.wires.iter().enumerate() {
            for pair in wire.path.windows(2).filter(|pair| self.all.slots[pair[0]].layer == layer) {
                let (upper, lower) = (pair[0], pair[1]);
                let (from, to) = (self.port(upper, wire.up, true), self.port(lower, wire.up, false));
                segments.push(Segment { wire: at, upper, lower, from, to });
            }
        }
        // A line that comes down where another goes on would seem to lead there.
        let clash = |one: &Segment, segments: &[Segment]| {
            segments.iter().any(|other| other.from == one.to && (other.upper != one.upper || other.from != one.from))
        };
        for at in 0..segments.len() {
            let one = &segments[at];
            let down = !self.all.wires[one.wire].up;
            if down
                && one.from != one.to
                && clash(one, &segments)
                && let Some(node) = self.all.slots[one.lower].node
            {
                segments[at].to += self.bodies[node].beside();
            }
        }
        segments
    }

    /// The column in which a wire touches a place.
    fn port(&self, slot: usize, up: bool, at_bottom: bool) -> i32 {
        let place = &self.all.slots[slot];
        let Some(node) = place.node else { return place.x };
        let touches = |wire: &Wire| if at_bottom { wire.path.first() } else { wire.path.last() } == Some(&slot);
        let shared = self.all.wires.iter().any(|wire| wire.up != up && touches(wire));
        if up && shared { place.x - self.bodies[node].beside() } else { place.x }
    }

    fn layer(
        &self,
        canvas: &mut Canvas,
        layer: usize,
        row: usize,
        height: usize,
        segments: &[Segment],
        style: TextStyle,
    ) {
        for &slot in &self.all.layers[layer] {
            let place = &self.all.slots[slot];
            let Some(node) = place.node else {
                canvas.through(row..row + height, column(place.x), self.net_of_passing(slot));
                continue;
            };
            let body = &self.bodies[node];
            let (first, last) = (column(place.x - body.half.0), column(place.x + body.half.1));
            if body.boxed {
                canvas.frame((row, row + body.height() - 1), (first, last), usize::MAX - node, body.thick);
            }
            for (at, line) in body.lines.iter().enumerate() {
                let (inner, room) = (usize::from(body.boxed), last + 1 - first - 4 * usize::from(body.boxed));
                let indent = first + 2 * inner + (room - line.chars().count().min(room)) / 2;
                canvas.letters(row + inner + at, indent, line);
            }
            // From a low one to the end of the layer.
            let below = row + body.height();
            for segment in segments.iter().filter(|segment| segment.upper == slot) {
                let wire = &self.all.wires[segment.wire];
                canvas.through(below..row + height, column(segment.from), net_id(slot, wire.up));
                if body.boxed && !wire.up {
                    canvas.line(below - 1, column(segment.from), usize::MAX - node, DOWN);
                }
                if wire.up && below < row + height {
                    canvas.letters(below, column(segment.from), head(true, style));
                    self.label(canvas, below, segment, wire);
                }
            }
            if body.boxed {
                let leaving = self.all.wires.iter().filter(|wire| wire.up && wire.path.last() == Some(&slot));
                for _ in leaving {
                    canvas.line(row, column(self.port(slot, true, false)), usize::MAX - node, UP);
                }
            }
        }
    }

    fn net_of_passing(&self, slot: usize) -> usize {
        let wire = self.all.wires.iter().find(|wire| wire.path.contains(&slot));
        net_id(slot, wire.is_some_and(|wire| wire.up))
    }

    fn label(&self, canvas: &mut Canvas, row: usize, segment: &Segment, wire: &Wire) {
        let end = if wire.up { segment.upper } else { segment.lower };
        let Some(node) = self.all.slots[end].node else { return };
        let body = &self.bodies[node];
        if wire.up {
            let length = body.below.chars().count();
            canvas.letters(row, column(segment.from).saturating_sub(length + 1), &body.below);
        } else {
            canvas.letters(row, column(self.label_column(segment)) + 2, &body.above);
        }
    }

    /// Beside the last of the arrows into a node.
    fn label_column(&self, segment: &Segment) -> i32 {
        let layer = self.all.slots[segment.upper].layer;
        let into = self.segments(layer).into_iter().filter(|other| other.lower == segment.lower);
        into.filter(|other| !self.all.wires[other.wire].up).map(|other| other.to).max().unwrap_or(segment.to)
    }

    fn arrows(&self, canvas: &mut Canvas, segments: &[Segment], rows: (usize, usize), style: TextStyle) {
        for segment in segments {
            let wire = &self.all.wires[segment.wire];
            let is_node = |slot: usize| self.all.slots[slot].node.is_some();
            if !wire.up && is_node(segment.lower) {
                canvas.letters(rows.1 - 1, column(segment.to), head(false, style));
                self.label(canvas, rows.1 - 1, segment, wire);
            }
            let low = self.all.slots[segment.upper].node.map_or(0, |node| self.bodies[node].height());
            let ends_here = low == self.height(&self.all.layers[self.all.slots[segment.upper].layer]);
            if wire.up && is_node(segment.upper) && ends_here {
                canvas.letters(rows.0, column(segment.from), head(true, style));
                self.label(canvas, rows.0, segment, wire);
            }
        }
    }
}

fn head(up: bool, style: TextStyle) -> &'static str {
    match (up, style.plain) {
        (true, false) => "▲",
        (false, false) => "▼",
        (true, true) => "^",
        (false, true) => "v",
    }
}

fn column(x: i32) -> usize {
    usize::try_from(x).unwrap_or(0)
}

fn net_id(slot: usize, up: bool) -> usize {
    slot * 2 + usize::from(up)
}

/// What leaves one place in one direction is one net.
fn nets(segments: &[Segment], all: &[Wire]) -> Vec<Net> {
    let mut nets: Vec<Net> = Vec::new();
    for segment in segments {
        let id = net_id(segment.upper, all[segment.wire].up);
        match nets.iter_mut().find(|net| net.id == id) {
            Some(net) => net.to.push(segment.to),
            None => nets.push(Net { id, from: segment.from, to: vec![segment.to] }),
        }
    }
    nets
}

fn wires(canvas: &mut Canvas, net: &Net, rows: (usize, usize), track: Option<usize>) {
    let Some(track) = track else {
        canvas.through(rows.0..rows.1, column(net.from), net.id);
        return;
    };
    canvas.through(rows.0..track, column(net.from), net.id);
    canvas.line(track, column(net.from), net.id, UP);
    for to in &net.to {
        let (left, right) = (column(net.from.min(*to)), column(net.from.max(*to)));
        canvas.across(track, (left, right), net.id);
        canvas.line(track, column(*to), net.id, DOWN);
        canvas.through(track + 1..rows.1, column(*to), net.id);
    }
}
