use std::fmt::Write;

use super::picture::{Link, Look, Picture, Shape, Trace};

pub(super) fn render(picture: &Picture<'_>) -> String {
    let mut text = String::from("flowchart TD\n");
    for shape in &picture.shapes {
        let (open, close) = brackets(shape.look);
        let (label, class) = (label(shape), class(shape));
        // Writing to a `String` cannot fail; here and below.
        _ = writeln!(text, "    {}{open}\"{label}\"{close}:::{class}", shape.id);
    }
    for link in &picture.links {
        let (from, to) = (&picture.shapes[link.from].id, &picture.shapes[link.to].id);
        let arrow = if link.trace == Trace::Visited { "==>" } else { "-->" };
        match link.label {
            Some(label) => _ = writeln!(text, "    {from} {arrow}|\"{}\"| {to}", escape(label)),
            None => _ = writeln!(text, "    {from} {arrow} {to}"),
        }
    }
    styles(picture, &mut text);
    text
}

fn styles(picture: &Picture<'_>, text: &mut String) {
    for look in Look::ALL {
        if picture.shapes.iter().any(|shape| shape.look == look && shape.trace != Trace::Unvisited) {
            _ = writeln!(text, "    classDef {} fill:{},color:#000000", class_of(look), look.colour());
        }
    }
    let visited: Vec<&str> =
        picture.shapes.iter().filter(|shape| shape.trace == Trace::Visited).map(|shape| shape.id.as_str()).collect();
    if !visited.is_empty() {
        text.push_str("    classDef visitedStyle stroke:#000000,stroke-width:3px,font-weight:bold\n");
        _ = writeln!(text, "    class {} visitedStyle", visited.join(","));
    }
    if picture.shapes.iter().any(|shape| shape.trace == Trace::Unvisited) {
        text.push_str("    classDef unvisitedStyle fill:#EEEEEE,color:#999999,stroke:#CCCCCC\n");
    }
    let unvisited: Vec<String> = picture.links.iter().enumerate().filter_map(grey).collect();
    if !unvisited.is_empty() {
        _ = writeln!(text, "    linkStyle {} stroke:#CCCCCC,color:#999999", unvisited.join(","));
    }
}

fn grey((index, link): (usize, &Link<'_>)) -> Option<String> {
    (link.trace == Trace::Unvisited).then(|| index.to_string())
}

fn brackets(look: Look) -> (&'static str, &'static str) {
    match look {
        Look::Step => ("[", "]"),
        Look::Start | Look::Stop | Look::Event => ("([", "])"),
        Look::Resource => ("{{", "}}"),
        Look::External => ("[[", "]]"),
    }
}

fn class(shape: &Shape<'_>) -> &'static str {
    if shape.trace == Trace::Unvisited { "unvisitedStyle" } else { class_of(shape.look) }
}

fn class_of(look: Look) -> &'static str {
    match look {
        Look::Step => "stepStyle",
        Look::Start => "startEventStyle",
        Look::Stop => "stopEventStyle",
        Look::Event => "eventStyle",
        Look::Resource => "resourceStyle",
        Look::External => "externalStyle",
    }
}

fn label(shape: &Shape<'_>) -> String {
    let label = escape(shape.label);
    match &shape.note {
        Some(note) => format!("{label}<br/>{}", escape(note)),
        None => label,
    }
}

/// Whatever could end the string, begin an entity, a tag, Markdown or a `%%{ }%%` directive becomes a character code;
/// so does what would make a list of the label (`- a`, `1. a`), which Mermaid refuses to show.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' | '_' | ',' | ':' | '/' | '(' | '=' | '!' | '?' => safe.push(c),
            '-' | '+' if !safe.is_empty() => safe.push(c),
            '.' | ')' if !safe.bytes().all(|byte| byte.is_ascii_digit()) => safe.push(c),
            c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => safe.push(' '),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => _ = write!(safe, "#{};", u32::from(c)),
            c => safe.push(c),
        }
    }
    // An empty string is no label to Mermaid.
    if safe.is_empty() {
        safe.push(' ');
    }
    safe
}
