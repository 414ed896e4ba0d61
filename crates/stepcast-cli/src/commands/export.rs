//! `stepcast export`: a run for other programs.

use std::path::PathBuf;

use super::Outcome;
use crate::app::App;
use crate::deliver::deliver;
use crate::exit::Exit;
use crate::timeline::Story;
use crate::{find, out, perfetto};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run
    #[arg(default_value = "latest")]
    run: String,
    /// A trace for ui.perfetto.dev and chrome://tracing; this is what it is by itself
    #[arg(long)]
    perfetto: bool,
    /// Write to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    // There is one form so far; the flag says what a script means.
    let _ = args.perfetto;
    let store = app.store.read()?;
    let story = Story::read(&*store, &find::run(&*store, &args.run)?.run)?;
    story.gaps().iter().for_each(out::note);
    let mut text = perfetto::trace(&story).to_string();
    text.push('\n');
    deliver(&text, args.output.as_deref())?;
    Ok(Exit::Completed)
}
