//! `stepcast graph check FILE`: everything that is wrong with documents of graphs.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepcast_client::GraphReport;
use stepcast_graph::{Graph, Graphs, Host, Report};

use crate::app::App;
use crate::commands::Outcome;
use crate::commands::validate::count;
use crate::error::CliError;
use crate::exit::Exit;
use crate::graphs::{Told, read};
use crate::out::{self, BOLD, DIM, GREEN, RED, YELLOW, paint};
use crate::remote;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// JSON or YAML; files that are named together know each other
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Warnings are faults
    #[arg(long)]
    strict: bool,
    /// Look up runners, functions, steps, workflows and graphs in this binary [default: if its own code adds any]; with
    /// `--server` they are looked up there
    #[arg(long)]
    names: bool,
    /// Look at the documents alone, whatever they name
    #[arg(long, conflicts_with = "names")]
    no_names: bool,
}

/// What was found about one file.
struct Finding<'a> {
    file: &'a Path,
    name: String,
    version: u64,
    errors: Vec<Told>,
    warnings: Vec<Told>,
}

/// What is wrong with a document, and what is strange.
type Reported = (Vec<Told>, Vec<Told>);

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    let sources = args.files.iter().map(|file| read(file)).collect::<Result<Vec<Value>, CliError>>()?;
    let server = app.server().filter(|_| !args.no_names && !args.names);
    let own = || app.own_host().or_else(|| app.has_own_code().then(Host::new)).filter(|_| !args.no_names);
    let host = own().or_else(|| args.names.then(Host::new));
    let alone = server.is_none() && host.is_none();
    let reports: Vec<Reported> = match (server, host) {
        (Some(client), _) => {
            let mut reports = Vec::new();
            for source in &sources {
                reports.push(there(remote::graphs::check(client, source, &sources).await?));
            }
            reports
        }
        (None, None) => sources.iter().map(|source| here(&Graph::check(source, &Host::any()))).collect(),
        (None, Some(host)) => {
            let runtime = app.runtime(None)?;
            let graphs = Graphs::new(&runtime, host);
            // Those that are right are known to the others.
            drop(graphs.put_each(&sources));
            sources.iter().map(|source| here(&graphs.check(source))).collect()
        }
    };
    let text = |source: &Value, name: &str| source.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    let files = args.files.iter().zip(&sources).zip(reports);
    let found: Vec<Finding<'_>> = files
        .map(|((file, source), (errors, warnings))| Finding {
            file,
            name: text(source, "id"),
            version: source.get("version").and_then(Value::as_u64).unwrap_or(1),
            errors,
            warnings,
        })
        .collect();
    let errors: usize = found.iter().map(|finding| finding.errors.len()).sum();
    let warnings: usize = found.iter().map(|finding| finding.warnings.len()).sum();
    if app.json {
        found.iter().try_for_each(|finding| out::json(&finding.json()))?;
    } else {
        found.iter().try_for_each(Finding::show)?;
        let what = [count(found.len(), "graph"), count(errors, "error"), count(warnings, "warning")];
        out::line(what.join(", "))?;
        if alone && !args.no_names {
            out::note(paint(DIM, "what they name was not looked up: this binary has nothing of its own for graphs"));
        }
    }
    Ok(if errors > 0 || (args.strict && warnings > 0) { Exit::Failed } else { Exit::Completed })
}

fn here(report: &Report) -> Reported {
    (report.errors().map(Told::from).collect(), report.warnings().map(Told::from).collect())
}

fn there(report: GraphReport) -> Reported {
    let told = |issues: Vec<_>| issues.into_iter().map(Told::from).collect();
    (told(report.errors), told(report.warnings))
}

impl Finding<'_> {
    fn show(&self) -> io::Result<()> {
        let name = paint(BOLD, format!("{}@{}", self.name, self.version));
        let file = self.file.display();
        match self.errors.is_empty() {
            true => out::line(format!("{}  {name}  {file}", paint(GREEN, "ok   ")))?,
            false => out::line(format!("{}  {name}  {file}", paint(RED, "fault")))?,
        }
        for error in &self.errors {
            show(error, &paint(RED, format!("error[{}]", error.code)))?;
        }
        for warning in &self.warnings {
            show(warning, &paint(YELLOW, format!("warning[{}]", warning.code)))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let issue = |issue: &Told| json!({ "code": issue.code, "pointer": issue.pointer, "message": issue.message, "hint": issue.hint });
        json!({
            "file": self.file, "id": self.name, "version": self.version, "ok": self.errors.is_empty(),
            "errors": self.errors.iter().map(issue).collect::<Vec<_>>(),
            "warnings": self.warnings.iter().map(issue).collect::<Vec<_>>(),
        })
    }
}

fn show(issue: &Told, what: &str) -> io::Result<()> {
    let at = if issue.pointer.is_empty() { "the document" } else { &issue.pointer };
    out::line(format!("       {what} {at}: {}", issue.message))?;
    out::line(format!("             {}", paint(DIM, &issue.hint)))
}
