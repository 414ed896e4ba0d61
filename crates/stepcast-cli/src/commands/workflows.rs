//! `stepcast workflows`: what is linked into this binary.

use serde_json::{Value, json};
use stepcast::{Catalogue, CatalogueWorkflow, EventMeta};

use super::Outcome;
use crate::app::App;
use crate::exit::Exit;
use crate::out::{self, BOLD, DIM, paint};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these
    workflows: Vec<String>,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    for name in &args.workflows {
        if Catalogue::global()?.workflow(name).is_none() {
            app.definition(name)?;
        }
    }
    let all = Catalogue::global()?.workflows();
    let shown: Vec<&CatalogueWorkflow> =
        all.filter(|flow| args.workflows.is_empty() || args.workflows.iter().any(|name| name == flow.name)).collect();
    if app.json {
        shown.iter().try_for_each(|flow| out::json(&workflow_json(flow)))?;
        return Ok(Exit::Completed);
    }
    if shown.is_empty() {
        out::line("No workflows are linked into this binary.")?;
    }
    for (at, flow) in shown.iter().enumerate() {
        if at > 0 {
            out::line("")?;
        }
        show(flow)?;
    }
    Ok(Exit::Completed)
}

fn show(flow: &CatalogueWorkflow) -> std::io::Result<()> {
    let spec = flow.spec;
    out::line(format!("{}  {} => {}", paint(BOLD, flow.name), spec.start.tag, spec.stop.tag))?;
    if !spec.doc.is_empty() {
        out::line(format!("  {}", spec.doc))?;
    }
    let steps: Vec<&str> = spec.steps.iter().map(|step| step.name).collect();
    out::line(format!("  {}  {}", paint(DIM, "steps"), steps.join(", ")))?;
    let fields: Vec<String> = fields(spec.start).iter().map(Field::text).collect();
    let fields = if fields.is_empty() { "nothing".to_owned() } else { fields.join(", ") };
    out::line(format!("  {}  {fields}", paint(DIM, "takes")))?;
    if flow.create.is_none() {
        out::line(format!("  {}   not by its name alone: register it with `main_with`", paint(DIM, "made")))?;
    }
    Ok(())
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

fn workflow_json(flow: &CatalogueWorkflow) -> Value {
    let spec = flow.spec;
    let steps: Vec<Value> =
        spec.steps.iter().map(|step| json!({ "name": step.name, "description": step.doc })).collect();
    json!({
        "name": flow.name,
        "description": spec.doc,
        "start": { "event": spec.start.tag, "fields": spec.start.fields, "schema": spec.start.schema() },
        "stop": { "event": spec.stop.tag, "fields": spec.stop.fields, "schema": spec.stop.schema() },
        "steps": steps,
        "can_be_created": flow.create.is_some(),
        "location": flow.location,
    })
}
