//! `stepcast validate`: whether the linked workflows check.

use serde_json::{Value, json};
use stepcast::{Catalogue, CatalogueWorkflow, DefinitionError};

use super::Outcome;
use crate::app::App;
use crate::exit::Exit;
use crate::out::{self, BOLD, GREEN, RED, YELLOW, paint};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these
    workflows: Vec<String>,
    /// Warnings are faults
    #[arg(long)]
    strict: bool,
}

/// What was found about one workflow.
struct Finding {
    name: String,
    steps: usize,
    location: &'static str,
    faults: Vec<String>,
    warnings: Vec<String>,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let linked: Vec<&CatalogueWorkflow> = Catalogue::global()?.workflows().collect();
    for name in args.workflows.iter().filter(|name| !linked.iter().any(|flow| flow.name == name.as_str())) {
        app.definition(name)?;
    }
    let asked =
        |flow: &&&CatalogueWorkflow| args.workflows.is_empty() || args.workflows.iter().any(|name| name == flow.name);
    let found: Vec<Finding> = linked.iter().filter(asked).map(|flow| look(flow)).collect();
    let faults: usize = found.iter().map(|finding| finding.faults.len()).sum();
    let warnings: usize = found.iter().map(|finding| finding.warnings.len()).sum();
    let bad = faults > 0 || (args.strict && warnings > 0);
    if app.json {
        found.iter().try_for_each(|finding| out::json(&finding_json(finding)))?;
    } else {
        found.iter().try_for_each(show)?;
        let checked = match found.len() {
            0 => "No workflows are linked into this binary.".to_owned(),
            1 => "1 workflow".to_owned(),
            many => format!("{many} workflows"),
        };
        if !found.is_empty() {
            out::line(format!("{checked}, {}, {}", count(faults, "fault"), count(warnings, "warning")))?;
        } else {
            out::line(checked)?;
        }
    }
    Ok(if bad { Exit::Failed } else { Exit::Completed })
}

fn look(flow: &CatalogueWorkflow) -> Finding {
    let faults = match (flow.define)() {
        Ok(_) => Vec::new(),
        Err(DefinitionError::Faults { faults, .. }) => faults.into_iter().map(|fault| fault.text).collect(),
        Err(error) => vec![error.to_string()],
    };
    let mut warnings = Vec::new();
    if flow.create.is_none() {
        warnings.push(
            "It is neither `Default` nor names a constructor, so the command cannot make one by its name; give it \
             `new = ..`, or register it with `stepcast_cli::main_with`."
                .to_owned(),
        );
    }
    Finding { name: flow.name.to_owned(), steps: flow.spec.steps.len(), location: flow.location, faults, warnings }
}

fn show(finding: &Finding) -> std::io::Result<()> {
    let name = paint(BOLD, &finding.name);
    match finding.faults.is_empty() {
        true => out::line(format!("{}  {name}  {}", paint(GREEN, "ok   "), count(finding.steps, "step")))?,
        false => out::line(format!("{}  {name}  {}", paint(RED, "fault"), finding.location))?,
    }
    for fault in &finding.faults {
        out::line(format!("       {} {fault}", paint(RED, "error[SC0042]:")))?;
    }
    for warning in &finding.warnings {
        out::line(format!("       {} {warning}", paint(YELLOW, "warning:")))?;
    }
    Ok(())
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "workflow": finding.name, "ok": finding.faults.is_empty(), "location": finding.location,
        "faults": finding.faults, "warnings": finding.warnings,
    })
}

/// A number of things.
pub(crate) fn count(many: usize, what: &str) -> String {
    let s = if many == 1 { "" } else { "s" };
    format!("{many} {what}{s}")
}

#[cfg(test)]
mod tests {
    use stepcast::prelude::*;
    use stepcast::{DefinitionError, Workflow};

    use super::*;

    #[event(start)]
    struct Begin {}

    #[event(stop)]
    struct Finish {}

    #[step]
    async fn pass(_begin: Begin) -> Finish {
        Finish {}
    }

    flow!(Checked: Begin => Finish { pass });

    /// What only a generic workflow can have, since the compiler finds the faults of all others.
    fn faulty() -> Result<stepcast::WorkflowDef, DefinitionError> {
        Err(DefinitionError::Panicked { workflow: "Checked".to_owned(), message: "no policy".to_owned() })
    }

    #[test]
    fn faults_and_what_cannot_be_made_are_told() {
        let spec = const { &Checked::SPEC };
        let entry = CatalogueWorkflow {
            name: "Checked",
            spec,
            type_id: std::any::TypeId::of::<Checked>,
            define: faulty,
            create: None,
            location: "src/here.rs:1:1",
        };
        let found = look(&entry);
        assert_eq!((found.faults.len(), found.warnings.len(), found.steps), (1, 1, 1));
        assert!(found.faults[0].contains("a retry policy panicked while it was made: no policy"), "{:?}", found.faults);
        assert!(found.warnings[0].contains("main_with"), "{:?}", found.warnings);
    }
}
