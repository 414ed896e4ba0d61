//! `stepcast report`: one page of a run.

use std::path::{Path, PathBuf};

use super::Outcome;
use super::graph::graph_of_run;
use crate::app::App;
use crate::deliver::deliver;
use crate::exit::Exit;
use crate::timeline::Story;
use crate::{find, out, report};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run
    #[arg(default_value = "latest")]
    run: String,
    /// One page of HTML, complete in itself
    #[arg(long, conflicts_with = "markdown")]
    html: bool,
    /// Markdown; this is what it is unless the file is named `.html`
    #[arg(long)]
    markdown: bool,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let store = app.store.read()?;
    let story = Story::read(&*store, &find::run(&*store, &args.run)?.run)?;
    // A run whose workflow is in another binary is shown without its graph.
    let graph = graph_of_run(app, &story.record, &*store).ok();
    if app.json {
        out::json(&report::as_json(&story))?;
        return Ok(Exit::Completed);
    }
    let named = |file: &Path| file.extension().is_some_and(|kind| kind == "html" || kind == "htm");
    let html = args.html || (!args.markdown && args.output.as_deref().is_some_and(named));
    let page = if html { report::html(&story, graph.as_ref()) } else { report::markdown(&story, graph.as_ref()) };
    deliver(&page, args.output.as_deref())?;
    Ok(Exit::Completed)
}
