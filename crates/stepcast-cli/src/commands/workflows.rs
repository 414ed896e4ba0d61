//! `stepcast workflows`: what is linked into this binary.

use serde_json::{Value, json};
use stepcast::{Catalogue, CatalogueWorkflow, EventMeta, WorkflowDef};

use super::Outcome;
use crate::app::App;
use crate::exit::Exit;
use crate::out::{self, BOLD, DIM, paint};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these
    workflows: Vec<String>,
}

/// A workflow as it is listed.
struct Row {
    name: String,
    doc: String,
    start: &'static EventMeta,
    stop: &'static EventMeta,
    steps: Vec<(String, &'static str)>,
    /// Its entry in the catalogue, unless it is only registered by the binary's own code.
    linked: Option<CatalogueWorkflow>,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let mut all: Vec<Row> = Catalogue::global()?.workflows().map(Row::of_linked).collect();
    // One that does not check is listed all the same; `validate` says what is wrong with it.
    let registered = app.definitions().unwrap_or_default().into_iter().filter(|(_, known)| known.linked.is_none());
    all.extend(registered.map(|(name, known)| Row::of_definition(name, &known.def)));
    if let Some(unknown) = args.workflows.iter().find(|name| !all.iter().any(|row| row.name == **name)) {
        app.definition(unknown)?;
    }
    all.retain(|row| args.workflows.is_empty() || args.workflows.contains(&row.name));
    if app.json {
        all.iter().try_for_each(|row| out::json(&row.json()))?;
        return Ok(Exit::Completed);
    }
    if all.is_empty() {
        out::line("No workflows are linked into this binary.")?;
    }
    for (at, row) in all.iter().enumerate() {
        if at > 0 {
            out::line("")?;
        }
        row.show()?;
    }
    Ok(Exit::Completed)
}

impl Row {
    fn of_linked(flow: &CatalogueWorkflow) -> Row {
        let spec = flow.spec;
        Row {
            name: flow.name.to_owned(),
            doc: spec.doc.to_owned(),
            start: spec.start,
            stop: spec.stop,
            steps: spec.steps.iter().map(|step| (step.name.to_owned(), step.doc)).collect(),
            linked: Some(*flow),
        }
    }

    fn of_definition(name: String, def: &WorkflowDef) -> Row {
        Row {
            name,
            doc: def.doc().to_owned(),
            start: def.event(def.start()),
            stop: def.event(def.stop()),
            steps: def.steps().iter().map(|step| (step.name().to_owned(), "")).collect(),
            linked: None,
        }
    }

    fn show(&self) -> std::io::Result<()> {
        out::line(format!("{}  {} => {}", paint(BOLD, &self.name), self.start.tag, self.stop.tag))?;
        if !self.doc.is_empty() {
            out::line(format!("  {}", self.doc))?;
        }
        let steps: Vec<&str> = self.steps.iter().map(|(name, _)| name.as_str()).collect();
        out::line(format!("  {}  {}", paint(DIM, "steps"), steps.join(", ")))?;
        let fields: Vec<String> = fields(self.start).iter().map(Field::text).collect();
        let fields = if fields.is_empty() { "nothing".to_owned() } else { fields.join(", ") };
        out::line(format!("  {}  {fields}", paint(DIM, "takes")))?;
        if self.linked.is_some_and(|linked| linked.create.is_none()) {
            out::line(format!("  {}   not by its name alone: register it with `main_with`", paint(DIM, "made")))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let steps: Vec<Value> =
            self.steps.iter().map(|(name, doc)| json!({ "name": name, "description": doc })).collect();
        json!({
            "name": self.name,
            "description": self.doc,
            "start": { "event": self.start.tag, "fields": self.start.fields, "schema": self.start.schema() },
            "stop": { "event": self.stop.tag, "fields": self.stop.fields, "schema": self.stop.schema() },
            "steps": steps,
            "can_be_created": self.linked.is_none_or(|linked| linked.create.is_some()),
            "location": self.linked.map(|linked| linked.location),
        })
    }
}

/// A field of a start event.
struct Field {
    name: String,
    kind: Option<String>,
    required: bool,
}

impl Field {
    fn text(&self) -> String {
        match (&self.kind, self.required) {
            (Some(kind), true) => format!("{}: {kind}", self.name),
            (Some(kind), false) => format!("{}?: {kind}", self.name),
            (None, _) => self.name.clone(),
        }
    }
}

/// The fields, with their types where the event has a schema that says.
fn fields(meta: &EventMeta) -> Vec<Field> {
    let schema = meta.schema();
    let typed = |field: &str| schema.pointer("/properties").and_then(|all| all.get(field));
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    meta.fields
        .iter()
        .map(|name| Field {
            name: (*name).to_owned(),
            kind: typed(name).and_then(|field| field.get("type")).and_then(kind_of),
            required: required.contains(name),
        })
        .collect()
}

fn kind_of(kind: &Value) -> Option<String> {
    match kind {
        Value::String(kind) => Some(kind.clone()),
        Value::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect();
            (!kinds.is_empty()).then(|| kinds.join(" or "))
        }
        _ => None,
    }
}
