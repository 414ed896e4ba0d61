//! `stepcast inspect RUN`: why a run failed, or what it waits for, in the first line; then what is known of it.

use serde_json::{Value, json};
use stepcast::backend::{Backend, Holder, InputRecord, RunRecord, RunStatus, StreamRow};

use super::runs::{record_json, result};
use super::{Outcome, inputs, logs, status};
use crate::app::App;
use crate::drive::Question;
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, DIM, PLAIN, RED, Table, YELLOW, paint, status_style};
use crate::text::{now, relative, short};
use crate::{find, wire};

/// How many of the last events are shown.
const LAST: u64 = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run
    #[arg(default_value = "latest")]
    run: String,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let store = app.store.read()?;
    let record = find::run(&*store, &args.run)?;
    let asked = inputs::of_run(&*store, &record.run, true)?;
    let stored = store.load(&record.run);
    let last_seq = stored.as_ref().map_or(0, |stored| stored.last_seq);
    let start = stored.as_ref().map_or(Value::Null, |stored| wire::stored(&stored.start));
    let start = wire::covered(start, wire::ends(&record.workflow).map(|(start, _)| start));
    let events = last_events(&*store, &record, last_seq)?;
    let why = verdict(app, &record, &asked);
    if app.json {
        let mut told = record_json(&record);
        told["why"] = json!(why);
        told["start"] = start;
        told["inputs"] = asked.iter().map(inputs::input_json).collect();
        told["last_events"] = events.iter().map(logs::row_json).collect();
        out::json(&told)?;
        return Ok(Exit::Completed);
    }
    let style = match record.status {
        RunStatus::Failed | RunStatus::TimedOut => RED,
        RunStatus::Waiting => YELLOW,
        _ => status_style(record.status),
    };
    out::line(paint(style.bold(), &why))?;
    out::line("")?;
    let now = now();
    let mut table = Table::plain();
    status::rows(&mut table, &record, "  ");
    let mut row = |name: &str, text: String, style| table.row(vec![(format!("  {name}"), DIM), (text, style)]);
    if let Some(parent) = &record.parent {
        row("child of", parent.to_string(), PLAIN);
    }
    if let Some(due) = record.due {
        row("next due", relative(now, due), PLAIN);
    }
    if !record.status.is_end() {
        let driven = if record.holder == Holder::Nobody { "by nobody" } else { "by a process that is alive" };
        row("driven", driven.to_owned(), PLAIN);
    }
    row("start", wire::line("", start), PLAIN);
    if let Some(result) = result(&record) {
        row("result", wire::line("", result), PLAIN);
    }
    table.print()?;
    if let Err(error) = stored {
        out::line(paint(RED, format!("\n{error}")))?;
    }
    show_events(&record, &events, last_seq)?;
    for line in what_next(app, &record, &asked) {
        out::line(line)?;
    }
    Ok(Exit::Completed)
}

/// Why the run failed, what it waits for, or how it stands, in one line.
fn verdict(app: &App, record: &RunRecord, asked: &[InputRecord]) -> String {
    let error = || record.error.as_deref().map_or(String::new(), |text| wire::failure(&wire::stored_or_text(text)));
    let told = |what: &str, why: String| if why.is_empty() { what.to_owned() } else { format!("{what}: {why}") };
    match record.status {
        RunStatus::Failed => match error() {
            // "`publish` failed: .." reads better as "failed at `publish`: ..".
            why if why.starts_with('`') && why.contains("` failed") => {
                format!("failed at {}", why.replacen("` failed", "`", 1))
            }
            why => told("failed", why),
        },
        RunStatus::TimedOut => told("timed out", error().replacen("The run was ", "", 1)),
        RunStatus::Cancelled => "cancelled".to_owned(),
        RunStatus::Completed => "completed".to_owned(),
        RunStatus::CompletedWithFailures => "completed, with executions that failed and were given up".to_owned(),
        _ if !asked.is_empty() => {
            let question = Question::of_stored(&asked[0], None);
            let since = relative(now(), asked[0].opened);
            let more = if asked.len() > 1 { format!(" (and {} more)", asked.len() - 1) } else { String::new() };
            let whom = asked[0].asked.expects.as_deref().map_or("an answer".to_owned(), |tag| format!("`{tag}`"));
            format!("waiting for {whom} since {since}: {}{more}", question.text).replace(" since just now", "")
        }
        RunStatus::Waiting => match record.due {
            Some(due) => format!("waiting for its next deadline, {}", relative(now(), due)),
            None => "waiting for an event from outside".to_owned(),
        },
        RunStatus::Running if record.holder == Holder::Nobody => {
            let resume = app.command(&format!("resume {}", short(&record.run)));
            format!("interrupted: no process drives it; {resume} goes on with it")
        }
        _ => "running".to_owned(),
    }
}

fn last_events(store: &dyn Backend, record: &RunRecord, last: u64) -> Result<Vec<StreamRow>, CliError> {
    Ok(store.events(&record.run, last.saturating_sub(LAST), LAST as usize)?)
}

fn show_events(record: &RunRecord, events: &[StreamRow], last: u64) -> Result<(), CliError> {
    if !events.is_empty() {
        let before = last.saturating_sub(events.len() as u64);
        let title =
            if before > 0 { format!("\n  events, after {before} earlier ones") } else { "\n  events".to_owned() };
        out::line(paint(DIM, title))?;
    }
    events.iter().try_for_each(|row| out::line(logs::row_line(record, row, out::width().min(200))))?;
    Ok(())
}

fn what_next(app: &App, record: &RunRecord, asked: &[InputRecord]) -> Vec<String> {
    let mut lines: Vec<String> = asked
        .iter()
        .take(3)
        .map(|input| {
            let question = Question::of_stored(input, None);
            app.command(&format!("answer {} {}", question.short_id(), question.example()))
        })
        .collect();
    let id = short(&record.run);
    match record.status {
        RunStatus::Failed | RunStatus::TimedOut | RunStatus::Cancelled => {
            lines.push(app.command(&format!("rerun {id}")))
        }
        RunStatus::Running if record.holder == Holder::Nobody => lines.push(app.command(&format!("resume {id}"))),
        _ => {}
    }
    let lines = lines.iter().enumerate();
    lines
        .map(|(at, line)| format!("{}  {}", if at == 0 { "\n" } else { "" }, paint(out::CYAN, line.trim_end())))
        .collect()
}
