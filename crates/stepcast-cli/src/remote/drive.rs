//! Starts runs on a server and shows them.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::backend::{InputFilter, InputStatus, RunRecord, RunStatus};
use stepcast_client::{Client, RemoteEvent, RemoteRun, StartOptions, StreamError};

use super::{ServerStore, records};
use crate::app::App;
use crate::commands::{inputs, logs};
use crate::drive::{Interrupts, Manner, Question, ask_all, tell};
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, BOLD, DIM, GREEN, YELLOW, paint};
use crate::text::{between, short};
use crate::wire;

/// How long a run is silent before it is asked whether it waits.
const LOOK: Duration = Duration::from_millis(300);

/// Starts a run on a server and follows it.
pub(crate) async fn start(
    app: &App,
    client: &Client,
    workflow: &str,
    input: Value,
    options: StartOptions,
    manner: Manner,
) -> Result<Exit, CliError> {
    let run = client.start_value(workflow, input, options).await?;
    if app.json {
        out::json(&json!({ "kind": "started", "run_id": run.run_id(), "workflow": workflow }))?;
    } else {
        out::note(format!("{} {}", paint(BOLD, workflow), paint(DIM, run.run_id())));
    }
    follow(app, client, run, manner).await
}

/// Follows a run to its end, or until it waits for somebody who is not here.
pub(crate) async fn follow(app: &App, client: &Client, run: RemoteRun, manner: Manner) -> Result<Exit, CliError> {
    let store = ServerStore::new(client.clone());
    let mut interrupts = Interrupts::listen()?;
    let record = records::run(run.info().await?, 0);
    let mut events = run.stream_after(manner.after);
    let id = short(&record.run).to_owned();
    loop {
        tokio::select! {
            biased;
            () = interrupts.next() => {
                if interrupts.came() > 1 {
                    out::note(paint(YELLOW, "left to the server"));
                    return Ok(Exit::Interrupted);
                }
                out::note(paint(YELLOW, "cancelling the run; Ctrl-C again leaves it to the server"));
                run.cancel().await?;
            }
            item = events.next() => match item {
                None => break,
                Some(Ok(event)) => show(app, &record, &event)?,
                Some(Err(StreamError::Lagged { from, to, .. })) => {
                    out::note(paint(YELLOW, format!("the events {from} to {to} are not kept any more")));
                }
                Some(Err(error)) => return Err(error.into()),
            },
            () = tokio::time::sleep(LOOK) => {
                // Whoever waits for something else than a person is waited for.
                let asked = pending(&store, &record)?;
                if asked.is_empty() || manner.wait {
                    continue;
                }
                if !manner.ask {
                    for question in asked.iter().filter(|_| !app.json) {
                        tell(app, question, Manner { stored: true, ..manner });
                    }
                    return Ok(Exit::Waiting);
                }
                for question in asked {
                    let (number, of) = (question.number, client.run(question.run.as_str()));
                    let Some(answer) = ask_all(question)? else { return Ok(Exit::Waiting) };
                    if let Err(error) = of.answer(number, &answer).await {
                        out::note(paint(YELLOW, error));
                    }
                }
            }
        }
    }
    ended(app, &records::run(run.info().await?, 0), &id, interrupts.came() > 0)
}

fn show(app: &App, record: &RunRecord, event: &RemoteEvent) -> io::Result<()> {
    let Some(row) = records::event(event).filter(|_| !event.is_last()) else { return Ok(()) };
    match app.json {
        true => out::json(&logs::row_json(&row)),
        false => out::line(logs::row_line(record, &row, out::width())),
    }
}

fn pending(store: &ServerStore, record: &RunRecord) -> Result<Vec<Question>, CliError> {
    use stepcast::backend::Backend;
    let filter = InputFilter { run: Some(record.run.clone()), pending: true, ..InputFilter::default() };
    let asked = store.inputs(&filter, None, inputs::PAGE)?;
    let pending = asked.iter().filter(|input| input.status == InputStatus::Pending);
    Ok(pending.map(|input| Question::of_stored(input, None)).collect())
}

fn ended(app: &App, record: &RunRecord, id: &str, interrupted: bool) -> Result<Exit, CliError> {
    if app.json {
        out::json(&crate::commands::runs::record_json(record))?;
        return Ok(Exit::of_status(record.status));
    }
    let passed = between(record.created, record.changed);
    match record.status {
        RunStatus::Completed | RunStatus::CompletedWithFailures => {
            out::note(format!("{} in {passed}", paint(GREEN, "completed")));
            let result = record.result.as_deref().map(wire::stored).unwrap_or_default();
            out::json(&wire::covered(result, wire::ends(&record.workflow).map(|(_, stop)| stop)))?;
            Ok(Exit::Completed)
        }
        RunStatus::Cancelled if interrupted => {
            out::note(format!("{} after {passed}", paint(YELLOW, "cancelled")));
            Ok(Exit::Interrupted)
        }
        status => {
            let why = record.error.as_deref().map(|text| wire::failure(&wire::stored_or_text(text)));
            let code = match status {
                RunStatus::TimedOut => "SC0071",
                RunStatus::Cancelled => "SC0072",
                _ => "SC0070",
            };
            let told = CliError::new(code, why.unwrap_or_else(|| status.name().to_owned()));
            Err(told.exit(Exit::of_status(status)).help(app.command(&format!("rerun {id}"))))
        }
    }
}
