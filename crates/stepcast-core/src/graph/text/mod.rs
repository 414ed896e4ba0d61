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
