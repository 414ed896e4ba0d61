//! `stepcast rerun RUN`: starts a run once more.

use serde_json::Value;
use stepcast::RunOptions;

use super::Outcome;
use super::run::{MannerArgs, check_id, free_id, start};
use crate::app::App;
use crate::error::CliError;
use crate::input::InputArgs;
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
        let given = args.input.read()?;
        let input = if given.is_empty() { None } else { Some(given.value()?) };
        let run = client.run(&*record.run).rerun(input).await?;
        return remote::follow(app, client, run, args.manner.here(app, true)).await;
    }
    let before = store.load(&record.run)?;
    app.add_graph_of(&record, &*store)?;
    drop(store);
    // Its own start event, with what is given here laid over it.
    let given = args.input.read()?;
    let given = match wire::stored(&before.start) {
        // Of an event without fields it is all there is; of any other it says that nothing is known.
        Value::Null if given.is_empty() && !takes_nothing(app, &record.workflow)? => {
            let text = format!(
                "The run {} began from a snapshot: what it was started with is not on record.",
                short(&record.run)
            );
            return Err(CliError::new("SC0049", text));
        }
        Value::Null => given,
        start => given.or_base(start),
    };
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

/// Whether the workflow's start event can be made of nothing.
fn takes_nothing(app: &App, workflow: &str) -> Result<bool, CliError> {
    let def = app.linked(workflow)?;
    // What only the binary's own code knows says so itself.
    Ok(def.is_none_or(|def| def.event(def.start()).decode(Value::Null).is_ok()))
}
