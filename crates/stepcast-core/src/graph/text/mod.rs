//! The graph in text, for terminals: boxes and arrows where they fit, a list of the steps where they do not.

mod canvas;
mod diagram;
mod list;
mod tracks;

use super::picture::{Picture, Shape};

/// How a graph is written in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// The most columns; a graph that needs more becomes a list.
    pub width: usize,
    /// Only ASCII characters, for terminals that have no others.
    pub plain: bool,
}

impl Default for TextStyle {
    fn default() -> Self {
        TextStyle { width: 80, plain: false }
    }
}

/// More than that is not looked through in a drawing.
const MOST_SHAPES: usize = 150;
const LONGEST_LABEL: usize = 40;

pub(super) fn render(picture: &Picture<'_>, style: TextStyle) -> String {
    let drawn = (picture.shapes.len() <= MOST_SHAPES).then(|| diagram::draw(picture, style)).flatten();
    drawn.unwrap_or_else(|| list::write(picture, style))
}

/// A name as it is shown: on one line, and not for ever.
fn shown(text: &str, plain: bool) -> String {
    let fit = |c: char| if c.is_control() || (plain && !c.is_ascii()) { '?' } else { c };
    let mut shown: String = text.chars().take(LONGEST_LABEL).map(fit).collect();
    if text.chars().nth(LONGEST_LABEL).is_some() {
        shown.push_str("..");
    }
    shown
}

fn note<'a>(shape: &'a Shape<'_>) -> Option<&'a str> {
    shape.note.as_deref()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::WorkflowGraph;

    fn graph(names: &[String], edges: &[(usize, usize)]) -> WorkflowGraph {
        let nodes: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(at, name)| match at % 4 {
                0 | 2 => json!({ "id": at.to_string(), "label": name, "node_type": "step" }),
                1 => json!({ "id": at.to_string(), "label": name, "node_type": "resource" }),
                _ => json!({
                    "id": at.to_string(), "label": name, "node_type": "event", "event_type": name, "event_types": [],
                }),
            })
            .collect();
        let edge = |(from, to): &(usize, usize)| {
            let (from, to) = (from % names.len(), to % names.len());
            json!({ "source": from.to_string(), "target": to.to_string(), "label": "batch" })
        };
        let edges: Vec<_> = edges.iter().map(edge).collect();
        serde_json::from_value(json!({ "name": "any", "nodes": nodes, "edges": edges })).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_graph_is_drawn_or_listed(
            names in prop::collection::vec("[a-zäß_]{0,12}|\\PC{0,60}", 1..14),
            edges in prop::collection::vec((0..14_usize, 0..14_usize), 0..40),
            width in 1..400_usize,
            plain in any::<bool>(),
        ) {
            let graph = graph(&names, &edges);
            let style = TextStyle { width, plain };
            let text = graph.to_text(style);
            prop_assert_eq!(&text, &graph.to_text(style));
            prop_assert!(!plain || text.is_ascii());
            // A list may have a name that is longer than a line; a drawing may not.
            let drawn = text.lines().all(|line| line.chars().count() <= width);
            let picture = super::super::picture::Picture::of(&graph, None);
            prop_assert!(drawn || diagram::draw(&picture, style).is_none());
            for (at, name) in names.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
                prop_assert!(text.contains(&shown(name, plain)), "the step {} `{}` in\n{}", at, name, text);
            }
        }
    }

    #[test]
    fn what_could_move_the_cursor_is_not_written() {
        let text = graph(&["a\u{1b}[2Jb\nc".to_owned()], &[]).to_text(TextStyle::default());
        assert!(text.contains("│ a?[2Jb?c │"), "{text}");
    }
}
