//! The graph as a list: what each step takes and gives.

use std::fmt::Write;

use super::super::picture::{Look, Picture};
use super::{TextStyle, note, shown};

pub(super) fn write(picture: &Picture<'_>, style: TextStyle) -> String {
    let mut text = String::new();
    let name = |at: usize| shown(picture.shapes[at].label, style.plain);
    for (at, shape) in picture.shapes.iter().enumerate() {
        if !matches!(shape.look, Look::Step | Look::External) {
            continue;
        }
        // Writing to a `String` cannot fail; here and below.
        _ = write!(text, "{}", name(at));
        if let Some(note) = note(shape) {
            _ = write!(text, "  ({note})");
        }
        text.push('\n');
        let linked = |other: usize, label: Option<&str>| {
            let shape = &picture.shapes[other];
            let mut words: Vec<&str> = label.into_iter().collect();
            words.extend(note(shape).filter(|_| shape.look != Look::Step));
            let more = if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) };
            name(other) + &more
        };
        let takes: Vec<String> = picture
            .links
            .iter()
            .filter(|link| link.to == at && picture.shapes[link.from].look != Look::Resource)
            .map(|link| linked(link.from, link.label))
            .collect();
        let needs: Vec<String> = picture
            .links
            .iter()
            .filter(|link| link.to == at && picture.shapes[link.from].look == Look::Resource)
            .map(|link| name(link.from))
            .collect();
        let gives: Vec<String> =
            picture.links.iter().filter(|link| link.from == at).map(|link| linked(link.to, link.label)).collect();
        for (what, all) in [("takes", takes), ("needs", needs), ("gives", gives)] {
            lines(&mut text, what, &all, style.width);
        }
    }
    text
}

/// Names after each other, on as many lines as they need.
fn lines(text: &mut String, what: &str, names: &[String], width: usize) {
    let mut column = 0;
    for (at, name) in names.iter().enumerate() {
        let length = name.chars().count();
        if at == 0 {
            _ = write!(text, "    {what}  ");
            column = 11;
        } else if column + 2 + length > width {
            text.push_str(",\n           ");
            column = 11;
        } else {
            text.push_str(", ");
            column += 2;
        }
        text.push_str(name);
        column += length;
    }
    if !names.is_empty() {
        text.push('\n');
    }
}
