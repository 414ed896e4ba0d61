//! The commands that draw, explain, report, check and tidy.

use super::{Outcome, doctor, explain, export, gc, graph, report, serve, validate, workflows};
use crate::app::App;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum MoreCommand {
    /// Draws a workflow, or what a run did on it
    Graph(graph::Args),
    /// Explains an error code, or what a run did and why
    Explain(explain::Args),
    /// Makes one page of a run: what it did, when and why
    Report(report::Args),
    /// Writes a run for other programs: a trace for Perfetto and Chrome
    Export(export::Args),
    /// Checks the linked workflows and lists every fault
    Validate(validate::Args),
    /// Lists the linked workflows with their start events
    Workflows(workflows::Args),
    /// Serves the linked workflows over HTTP
    Serve(serve::Args),
    /// Removes old runs from the store
    Gc(gc::Args),
    /// Looks whether the store is in order
    Doctor(doctor::Args),
}

pub(super) async fn execute(app: &App, command: MoreCommand) -> Outcome {
    match command {
        MoreCommand::Graph(args) => graph::execute(app, &args).await,
        MoreCommand::Explain(args) => explain::execute(app, &args),
        MoreCommand::Report(args) => report::execute(app, &args),
        MoreCommand::Export(args) => export::execute(app, &args),
        MoreCommand::Validate(args) => validate::execute(app, &args),
        MoreCommand::Workflows(args) => workflows::execute(app, &args),
        MoreCommand::Serve(args) => serve::execute(app, &args).await,
        MoreCommand::Gc(args) => gc::execute(app, &args),
        MoreCommand::Doctor(args) => doctor::execute(app, &args),
    }
}
