//! `stepcast logs RUN`: the events of a run's stream.

use std::time::Duration;

use serde_json::{Value, json};
use stepcast::backend::{Backend, RunRecord, StreamRow};
use stepcast::engine::Time;

use super::Outcome;
use crate::app::App;
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, BOLD, DIM, paint};
use crate::text::{cut, date, length, now, parse_length};
use crate::{find, wire};

/// How many events are read at once.
const PAGE: usize = 500;
/// How often a followed run is looked at.
const LOOK: Duration = Duration::from_millis(150);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run
    #[arg(default_value = "latest")]
    run: String,
    /// Go on until the run ends; the exit code is that of its end
    #[arg(long, short)]
    follow: bool,
    /// After the event of this number, or only what is younger than this: 120, 10m
    #[arg(long, value_name = "SEQ|TIME", value_parser = parse_since)]
    since: Option<Since>,
    /// Only events of these types
    #[arg(long, short, value_name = "TYPE,..", value_delimiter = ',')]
    types: Vec<String>,
}

/// Where to begin.
#[derive(Clone, Copy, Debug)]
enum Since {
    After(u64),
    Younger(Duration),
}

/// A number is an event's; anything with a unit is a time.
fn parse_since(text: &str) -> Result<Since, String> {
    match text.parse() {
        Ok(seq) => Ok(Since::After(seq)),
        Err(_) => parse_length(text)
            .map(Since::Younger)
            .map_err(|_| format!("`{text}` is neither the number of an event nor a time like 30s, 10m, 2h")),
    }
}

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    let store = app.store.read()?;
    let mut record = find::run(&*store, &args.run)?;
    let (mut after, from) = match args.since {
        None => (0, Time(0)),
        Some(Since::After(seq)) => (seq, Time(0)),
        Some(Since::Younger(time)) => (0, Time(now().0.saturating_sub(time.as_micros() as u64))),
    };
    let wanted = |row: &StreamRow| {
        row.at >= from && (args.types.is_empty() || args.types.iter().any(|name| name.eq_ignore_ascii_case(&row.tag)))
    };
    loop {
        // Read first: what is written before an end is then seen with it.
        let ended = record.status.is_end();
        show_from(app, &*store, &record, &mut after, wanted)?;
        if ended || !args.follow {
            break;
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Interrupted),
            () = tokio::time::sleep(LOOK) => {}
        }
        record = find::run(&*store, &record.run)?;
    }
    Ok(if args.follow { Exit::of_status(record.status) } else { Exit::Completed })
}

/// Shows what comes after an event.
fn show_from(
    app: &App,
    store: &dyn Backend,
    record: &RunRecord,
    after: &mut u64,
    wanted: impl Fn(&StreamRow) -> bool,
) -> Result<(), CliError> {
    loop {
        let rows = store.events(&record.run, *after, PAGE)?;
        for row in rows.iter().filter(|row| wanted(row)) {
            match app.json {
                true => out::json(&row_json(row))?,
                false => out::line(row_line(record, row, out::width()))?,
            }
        }
        match rows.last() {
            Some(last) => *after = last.seq,
            None => return Ok(()),
        }
        if rows.len() < PAGE {
            return Ok(());
        }
    }
}

/// An event of the stream, in a line.
pub(crate) fn row_line(record: &RunRecord, row: &StreamRow, width: usize) -> String {
    let passed = Duration::from_micros(row.at.0.saturating_sub(record.created.0));
    let head = format!("{:>5} {:>7}", row.seq, length(passed));
    let room = width.saturating_sub(head.len() + row.tag.chars().count() + 4);
    let text = wire::line(&row.tag, wire::stored(&row.json));
    let text = format!("{}  {}  {}", paint(DIM, head), paint(BOLD, &row.tag), cut(&text, room.max(20)));
    text.trim_end().to_owned()
}

/// An event of the stream, for scripts: its envelope, its number and its time.
pub(crate) fn row_json(row: &StreamRow) -> Value {
    let value = wire::covered(wire::stored(&row.json), wire::meta(&row.tag));
    json!({ "seq": row.seq, "type": row.tag, "value": value, "kind": "logged", "at": date(row.at) })
}
