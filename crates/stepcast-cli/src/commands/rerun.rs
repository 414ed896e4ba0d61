//! `stepcast rerun RUN`: starts a run once more.

use stepcast::RunOptions;

use super::Outcome;
use super::run::{MannerArgs, check_id, free_id, start};
use crate::app::App;
use crate::input::{Given, InputArgs};
use crate::out::{self, DIM, paint};
use crate::text::short;
use crate::{find, remote, wire};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run to start once more
    #[arg(default_value = "latest")]
    run: String,
    #[command(flatten)]
    input: InputArgs,
    /// The new run's id [default: a new one]
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    manner: MannerArgs,
}

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    let store = app.store.read()?;
    let record = find::run(&*store, &args.run)?;
    if let Some(client) = app.server() {
        let given = Given::read(args.input.input.as_deref(), &args.input.args)?;
        let input = if given.is_empty() { None } else { Some(given.value()?) };
        let run = client.run(&*record.run).rerun(input).await?;
        return remote::follow(app, client, run, args.manner.here(app, true)).await;
    }
    let before = store.load(&record.run)?;
    drop(store);
    // Its own start event, with what is given here laid over it.
    let given = Given::read(args.input.input.as_deref(), &args.input.args)?.or_base(wire::stored(&before.start));
    let mut options = RunOptions::new().record_internal();
    if let Some(id) = &args.id {
        options = options.run_id(check_id(id)?);
        free_id(app, id)?;
    }
    if !app.json {
        out::note(paint(DIM, format!("{} once more", short(&record.run))));
    }
    start(app, &record.workflow, &given, options, args.manner).await
}
