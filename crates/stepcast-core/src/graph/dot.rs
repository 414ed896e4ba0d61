use std::fmt::Write;

use super::picture::{Look, Picture, Shape, Trace};

pub(super) fn render(picture: &Picture<'_>) -> String {
    let mut text = format!("digraph {} {{\n", quoted(picture.name, None));
    text.push_str(
        "    rankdir=TB;\n    node [style=filled, fontname=\"Helvetica\"];\n    edge [fontname=\"Helvetica\"];\n",
    );
    for shape in &picture.shapes {
        let (form, label) = (form(shape.look), quoted(shape.label, shape.note.as_deref()));
        // Writing to a `String` cannot fail; here and below.
        _ = writeln!(text, "    {} [label={label}, shape={form}{}];", shape.id, paint(shape));
    }
    for link in &picture.links {
        let mut attributes = Vec::new();
        if let Some(label) = link.label {
            attributes.push(format!("label={}", quoted(label, None)));
        }
        match link.trace {
            Trace::None => {}
            Trace::Visited => attributes.push("penwidth=3".to_owned()),
            Trace::Unvisited => attributes.push("color=\"#CCCCCC\", fontcolor=\"#999999\"".to_owned()),
        }
        let (from, to) = (&picture.shapes[link.from].id, &picture.shapes[link.to].id);
        if attributes.is_empty() {
            _ = writeln!(text, "    {from} -> {to};");
        } else {
            _ = writeln!(text, "    {from} -> {to} [{}];", attributes.join(", "));
        }
    }
    text.push_str("}\n");
    text
}

fn form(look: Look) -> &'static str {
    match look {
        Look::Step => "box",
        Look::Start | Look::Stop | Look::Event => "ellipse",
        Look::Resource => "hexagon",
        Look::External => "component",
    }
}

fn paint(shape: &Shape<'_>) -> String {
    let colour = shape.look.colour();
    match shape.trace {
        Trace::None => format!(", fillcolor=\"{colour}\""),
        Trace::Visited => format!(", fillcolor=\"{colour}\", penwidth=3, fontname=\"Helvetica-Bold\""),
        Trace::Unvisited => ", fillcolor=\"#EEEEEE\", color=\"#CCCCCC\", fontcolor=\"#999999\"".to_owned(),
    }
}

/// A string of DOT, with a second line if there is a note. A backslash is doubled, since labels read `\N` and the like
/// as names of things; `&` is written out, since they read HTML entities.
fn quoted(text: &str, note: Option<&str>) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '&' => quoted.push_str("&amp;"),
            c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    if let Some(note) = note {
        quoted.push_str("\\n");
        quoted.push_str(note);
    }
    quoted.push('"');
    quoted
}
