//! From JSON to a document, with every fault of its form at once.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Document, Edge, GraphStep, Route};

/// Something in a document that has not the form it should have.
#[derive(Debug)]
pub(crate) struct ReadFault {
    pub(crate) pointer: String,
    pub(crate) text: String,
    /// It is of no effect, rather than wrong.
    pub(crate) ignored: bool,
}

/// What was read: elements that could not be are left out, and told of.
pub(crate) struct Read {
    pub(crate) document: Document,
    pub(crate) faults: Vec<ReadFault>,
    /// Places in the source of the steps and edges that were read.
    pub(crate) step_places: Vec<String>,
    pub(crate) edge_places: Vec<String>,
}

/// Fields of a step that may stand in its `config`.
const IN_CONFIG: &[&str] = &[
    "use",
    "input",
    "input_key",
    "input_bindings",
    "output_key",
    "target",
    "agent",
    "agent_id",
    "prompt",
    "choices",
    "schema",
    "timeout",
    "condition",
    "path",
    "paths",
    "message",
    "action",
    "function",
    "values",
    "template",
    "delay",
    "duration",
    "join",
    "wait",
    "graph",
    "workflow",
    "retry",
    "on_failure",
    "missing",
];

pub(crate) fn read(source: &Value) -> Read {
    let mut read =
        Read { document: Document::default(), faults: Vec::new(), step_places: Vec::new(), edge_places: Vec::new() };
    let Value::Object(source) = source else {
        read.fault(String::new(), "A graph is a JSON object with `id`, `steps` and `edges`.".to_owned());
        return read;
    };
    let steps_key = if source.contains_key("steps") { "steps" } else { "nodes" };
    let of_head = source.iter().filter(|(key, _)| *key != steps_key && *key != "edges");
    read.head(of_head.map(|(key, value)| (key.clone(), value.clone())).collect());
    match source.get(steps_key) {
        Some(Value::Array(steps)) => {
            read.document.steps.reserve(steps.len());
            for (at, step) in steps.iter().enumerate() {
                read.step(format!("/{steps_key}/{at}"), step);
            }
        }
        Some(_) => read.fault(format!("/{steps_key}"), "`steps` is a list of steps.".to_owned()),
        None => read.fault(String::new(), "The graph has no `steps`.".to_owned()),
    }
    match source.get("edges") {
        Some(Value::Array(edges)) => {
            for (at, edge) in edges.iter().enumerate() {
                read.edge(format!("/edges/{at}"), edge);
            }
        }
        Some(_) => read.fault("/edges".to_owned(), "`edges` is a list of edges.".to_owned()),
        None => {}
    }
    if read.document.route.is_none() {
        read.document.route = Some(route_of(source, steps_key));
    }
    read
}

/// Graphs whose steps have a `kind` and whose edges have a `transition` take all edges; the others the first.
fn route_of(source: &Map<String, Value>, steps_key: &str) -> Route {
    let any = |list: &str, key: &str| {
        let list = source.get(list).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|entry| entry.get(key).is_some()))
    };
    if any(steps_key, "kind") || any("edges", "transition") { Route::All } else { Route::First }
}

impl Read {
    fn fault(&mut self, pointer: String, text: String) {
        self.faults.push(ReadFault { pointer, text, ignored: false });
    }

    fn head(&mut self, mut head: Map<String, Value>) {
        let known = [
            "id",
            "name",
            "description",
            "version",
            "route",
            "start",
            "retry",
            "retry_policy",
            "on_failure",
            "failure_policy",
            "missing",
            "tasks",
            "trigger",
            "metadata",
            "$schema",
        ];
        for key in head.keys().filter(|key| !known.contains(&key.as_str())) {
            let text = format!("`{key}` means nothing here; put what is your own into `metadata`.");
            self.faults.push(ReadFault { pointer: format!("/{}", escape(key)), text, ignored: true });
        }
        // A field that does not fit is told of and left out, so that the others are still looked at.
        for key in known {
            let Some(value) = head.get(key) else { continue };
            if value.is_null() {
                head.remove(key);
                continue;
            }
            let mut alone = Map::new();
            alone.insert("id".to_owned(), "x".into());
            alone.insert("steps".to_owned(), Value::Array(Vec::new()));
            alone.insert(key.to_owned(), value.clone());
            if self.typed::<Document>("", &Value::Object(alone)).is_none() {
                head.remove(key);
            }
        }
        if !head.contains_key("id") {
            self.fault(String::new(), "The graph has no `id`.".to_owned());
            head.insert("id".to_owned(), "".into());
        }
        head.insert("steps".to_owned(), Value::Array(Vec::new()));
        if let Some(document) = self.typed("", &Value::Object(head)) {
            self.document = document;
        }
    }

    fn step(&mut self, place: String, step: &Value) {
        let Value::Object(fields) = step else {
            self.fault(place, "A step is an object with `id` and `type`.".to_owned());
            return;
        };
        let mut step = without_nulls(step);
        if let Some(config) = fields.get("config").and_then(Value::as_object)
            && let Value::Object(fields) = step.to_mut()
        {
            for (key, value) in config {
                if IN_CONFIG.contains(&key.as_str()) && !fields.contains_key(key) && !value.is_null() {
                    fields.insert(key.clone(), value.clone());
                }
            }
        }
        if let Some(read) = self.typed::<GraphStep>(&place, step.as_ref()) {
            self.document.steps.push(read);
            self.step_places.push(place);
        }
    }

    fn edge(&mut self, place: String, edge: &Value) {
        if let Some(read) = self.typed::<Edge>(&place, without_nulls(edge).as_ref()) {
            self.document.edges.push(read);
            self.edge_places.push(place);
        }
    }

    fn typed<T: DeserializeOwned>(&mut self, place: &str, value: &Value) -> Option<T> {
        match serde_path_to_error::deserialize::<_, T>(value) {
            Ok(typed) => Some(typed),
            Err(error) => {
                let mut pointer = place.to_owned();
                for segment in error.path() {
                    match segment {
                        serde_path_to_error::Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
                        serde_path_to_error::Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
                        _ => {}
                    }
                }
                let text = format!("This does not have the form it should have: {}.", error.inner());
                self.fault(pointer, text);
                None
            }
        }
    }
}

/// A field that is `null` is as one that is not there.
fn without_nulls(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Object(fields) if fields.values().any(Value::is_null) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Cow::Owned(Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect()))
        }
        other => Cow::Borrowed(other),
    }
}

/// A segment of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
