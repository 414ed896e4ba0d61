use proptest::prelude::*;

use super::*;

const NAMES: [&str; 20] = [
    "end",
    "graph",
    "subgraph",
    "class",
    "style",
    "digraph",
    "",
    " ",
    "a\"b",
    "a\nb\r\nc",
    "a\\",
    "\\N",
    "x]; y[\"z\"]",
    "%%{init: {\"theme\": \"dark\"}}%%",
    "<b>bold</b>",
    "&quot;",
    "#quot;",
    "`code`",
    "日本語 🙂",
    "1. - a",
];

fn named(names: &[String]) -> WorkflowGraph {
    let mut nodes = Vec::new();
    let mut edges = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let kind = match index % 4 {
            0 => NodeKind::Step { description: Some(name.clone()) },
            1 => NodeKind::Event {
                event_type: name.clone(),
                event_types: vec![name.clone()],
                event_schema: None,
                produced_by: vec![],
            },
            2 => NodeKind::Resource { type_name: Some(name.clone()) },
            _ => NodeKind::External,
        };
        let id = format!("{name}{}", if index % 3 == 0 { String::new() } else { index.to_string() });
        edges.push(GraphEdge { source: names[0].clone(), target: id.clone(), label: Some(name.clone()) });
        nodes.push(GraphNode { id, label: name.clone(), kind });
    }
    WorkflowGraph { name: names[0].clone(), description: None, nodes, edges }
}

/// Everything visited, so that every label has its second line.
fn visited(graph: &WorkflowGraph) -> GraphOverlay {
    let mut overlay = GraphOverlay::default();
    for node in &graph.nodes {
        overlay.steps.insert(node.label.clone(), StepOverlay { runs: 1, ..StepOverlay::default() });
        overlay.events.insert(node.label.clone(), 1);
    }
    overlay
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_mermaid_label(text: &str) -> bool {
    let text = text.replacen("<br/>", " ", 1);
    let mut rest = text.as_str();
    while let Some(at) = rest.find('#') {
        let end = rest[at..].find(';').map(|end| at + end);
        let Some(end) = end else { return false };
        if !rest[at + 1..end].bytes().all(|byte| byte.is_ascii_digit()) || end == at + 1 {
            return false;
        }
        rest = &rest[end + 1..];
    }
    !text.is_empty() && !text.contains(['"', '<', '>', '&', '%', '{', '}', '`', '|', '[', ']', '\\', '\n', '\r', '\0'])
}

/// A line of the grammar that the renderer uses; nothing a name holds may make it anything else.
fn is_mermaid_line(line: &str) -> bool {
    let Some(line) = line.strip_prefix("    ") else { return false };
    if ["classDef ", "class ", "linkStyle "].iter().any(|start| line.starts_with(start)) {
        return line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _,:#-".contains(&byte));
    }
    let id_len = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(line.len());
    let (id, rest) = line.split_at(id_len);
    if let Some(link) = rest.strip_prefix(" --> ").or_else(|| rest.strip_prefix(" ==> ")) {
        return is_id(id) && is_id(link);
    }
    if let Some(link) = rest.strip_prefix(" -->|\"").or_else(|| rest.strip_prefix(" ==>|\"")) {
        return link.split_once("\"| ").is_some_and(|(label, to)| is_id(id) && is_id(to) && is_mermaid_label(label));
    }
    let Some((shape, class)) = rest.rsplit_once(":::") else { return false };
    [("[\"", "\"]"), ("([\"", "\"])"), ("{{\"", "\"}}"), ("[[\"", "\"]]")].iter().any(|(open, close)| {
        shape.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(is_mermaid_label)
    }) && is_id(id)
        && is_id(class)
}

/// Whether the line draws a node: its class follows its shape. An edge's label may hold the same signs.
fn is_mermaid_node(line: &str) -> bool {
    line.rsplit_once(":::").is_some_and(|(shape, class)| is_id(class) && shape.ends_with([']', ')', '}']))
}

/// DOT with its strings taken out; `None` where one does not end or holds a line break.
fn without_strings(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '"' {
            plain.push(c);
            continue;
        }
        loop {
            match chars.next()? {
                '\\' => drop(chars.next()?),
                '"' => break,
                c if c.is_control() => return None,
                _ => {}
            }
        }
        plain.push('S');
    }
    Some(plain)
}

fn is_dot_line(line: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " _-><=[],;{}".contains(c);
    line.chars().all(allowed) && (line == "digraph S {" || line == "}" || line.ends_with(';'))
}

fn check(graph: &WorkflowGraph) {
    let overlay = visited(graph);
    for text in [graph.to_mermaid(), graph.to_mermaid_with(&overlay)] {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("flowchart TD"));
        for line in lines.clone() {
            assert!(is_mermaid_line(line), "{line:?}");
        }
        assert_eq!(lines.filter(|line| is_mermaid_node(line)).count(), graph.nodes.len());
    }
    for text in [graph.to_dot(), graph.to_dot_with(&overlay)] {
        let plain = without_strings(&text).unwrap();
        for line in plain.lines() {
            assert!(is_dot_line(line), "{line:?} of {text}");
        }
        assert_eq!(plain.lines().filter(|line| line.contains("shape=")).count(), graph.nodes.len());
    }
}

#[test]
fn names_that_mean_something_to_a_renderer() {
    for name in NAMES {
        for count in 1..=4 {
            check(&named(&vec![name.to_owned(); count]));
        }
    }
    check(&named(&NAMES.map(str::to_owned)));
}

#[test]
fn an_edge_may_be_labelled_like_a_class() {
    check(&named(&[":::".to_owned()]));
}

#[test]
fn hostile_labels_read_as_text() {
    let text = named(&[NAMES[13].to_owned(), "a\"b".to_owned()]).to_mermaid();
    assert!(!text.contains("%%") && text.contains("#37;#37;#123;init: "), "{text}");
    assert!(text.contains("([\"a#34;b\"])"), "{text}");
    assert!(named(&["a\"b\\".to_owned()]).to_dot().contains("label=\"a\\\"b\\\\\""));
}

#[test]
fn ids_that_become_alike_stay_apart() {
    let text =
        named(&["a.b".to_owned(), "x".to_owned(), "y".to_owned(), "z".to_owned(), "a-b".to_owned()]).to_mermaid();
    assert!(text.contains("step_a_b[\"a.b\"]") && text.contains("step_a_b4[\"a-b\"]"), "{text}");
    let same = [
        "é".to_owned(),
        "e".to_owned(),
        "r".to_owned(),
        "x".to_owned(),
        "e".to_owned(),
        "u".to_owned(),
        "ü".to_owned(),
    ];
    let ids: Vec<String> =
        named(&same).to_mermaid().lines().filter(|line| line.contains(":::")).map(str::to_owned).collect();
    let mut unique: Vec<&str> = ids.iter().map(|line| line.trim().split(['[', '(', '{']).next().unwrap()).collect();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 7, "{ids:?}");
}

proptest! {
    #[test]
    fn any_names_render_to_valid_text(names in prop::collection::vec("(?s).{0,12}|[\\x00-\\x7f]{0,12}", 1..8)) {
        check(&named(&names));
    }
}
