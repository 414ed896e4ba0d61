//! `stepcast inputs`: what is asked of people.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use stepcast::backend::{Backend, InputFilter, InputRecord, InputStatus, RunFilter};

use super::Outcome;
use crate::app::App;
use crate::drive::Question;
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{BOLD, DIM, GREEN, PLAIN, Table, YELLOW};
use crate::text::{date, now, relative, short};
use crate::{find, out, wire};

/// How many inputs are read at once.
pub(crate) const PAGE: usize = 500;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of this run and of the runs that it started, or only this one: RUN or RUN/NUMBER
    run: Option<String>,
    /// Only those of this workflow
    #[arg(long, short)]
    workflow: Option<String>,
    /// Answered, expired and withdrawn ones, too
    #[arg(long, short)]
    all: bool,
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let store = app.store.read()?;
    let mut found = match args.run.as_deref().map(|text| (text, text.rsplit_once('/'))) {
        None => of_all(&*store, args.workflow.clone(), !args.all)?,
        Some((text, None)) => of_run(&*store, &find::run(&*store, text)?.run, !args.all)?,
        Some((text, Some(_))) => vec![one(&*store, text)?],
    };
    if let Some(workflow) = &args.workflow {
        found.retain(|record| record.workflow == *workflow);
    }
    if app.json {
        found.iter().try_for_each(|record| out::json(&input_json(record)))?;
        return Ok(Exit::Completed);
    }
    if found.is_empty() {
        out::line(if args.all { "Nothing was asked." } else { "Nothing is asked." })?;
        return Ok(Exit::Completed);
    }
    let now = now();
    let mut titles = vec!["INPUT", "WORKFLOW", "STEP", "ASKED", "QUESTION"];
    if args.all {
        titles.insert(3, "STATUS");
    }
    let mut table = Table::new(&titles);
    for record in &found {
        let mut row = vec![
            (format!("{}/{}", short(&record.run), record.asked.input), BOLD),
            (record.workflow.clone(), PLAIN),
            (record.asked.step.clone(), PLAIN),
            (relative(now, record.opened), DIM),
            (Question::of_stored(record, None).text, PLAIN),
        ];
        if args.all {
            row.insert(3, status(record));
        }
        table.row(row);
    }
    table.print()?;
    if let Some(record) = found.iter().find(|record| record.status == InputStatus::Pending) {
        let question = Question::of_stored(record, None);
        let answer = app.command(&format!("answer {} {}", question.short_id(), question.example()));
        out::line(out::paint(DIM, format!("\nanswer one with: {}", answer.trim_end())))?;
    }
    Ok(Exit::Completed)
}

fn status(record: &InputRecord) -> (String, anstyle::Style) {
    match &record.status {
        InputStatus::Pending => ("pending".to_owned(), YELLOW),
        InputStatus::Answered { by: Some(by), .. } => (format!("answered by {by}"), GREEN),
        InputStatus::Answered { by: None, .. } => ("answered".to_owned(), GREEN),
        InputStatus::Withdrawn { .. } => ("withdrawn".to_owned(), DIM),
        InputStatus::Expired { .. } => ("expired".to_owned(), DIM),
        _ => ("unknown".to_owned(), DIM),
    }
}

/// The inputs of all runs, the oldest first.
pub(crate) fn of_all(
    store: &dyn Backend,
    workflow: Option<String>,
    pending: bool,
) -> Result<Vec<InputRecord>, CliError> {
    read(store, &InputFilter { workflow, pending, ..InputFilter::default() })
}

/// The inputs of a run and of the runs that it started, the oldest first.
pub(crate) fn of_run(store: &dyn Backend, run: &str, pending: bool) -> Result<Vec<InputRecord>, CliError> {
    let (mut found, mut runs) = (Vec::new(), vec![Arc::<str>::from(run)]);
    while let Some(run) = runs.pop() {
        found.extend(read(store, &InputFilter { run: Some(run.clone()), pending, ..InputFilter::default() })?);
        find::each(store, &RunFilter { parent: Some(run), ..RunFilter::default() }, |child| {
            runs.push(child.run);
            true
        })?;
    }
    found.sort_by_key(|record| record.opened);
    Ok(found)
}

/// The input of this id: of a run and a number.
pub(crate) fn one(store: &dyn Backend, text: &str) -> Result<InputRecord, CliError> {
    let unknown = || CliError::new("SC0050", format!("There is no input `{text}` in this store."));
    let (run, number) = text.rsplit_once('/').ok_or_else(unknown)?;
    let number = number.parse().map_err(|_| unknown())?;
    let run = find::run(store, run)?.run;
    let filter = InputFilter { run: Some(run), input: Some(number), ..InputFilter::default() };
    store.inputs(&filter, None, 1)?.pop().ok_or_else(unknown)
}

fn read(store: &dyn Backend, filter: &InputFilter) -> Result<Vec<InputRecord>, CliError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.inputs(filter, after, PAGE)?;
        after = page.last().map(|record| record.cursor);
        let full = page.len() == PAGE;
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}

/// An input for scripts.
pub(crate) fn input_json(record: &InputRecord) -> Value {
    let asked = &record.asked;
    let parsed = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let mut told = json!({
        "input_id": format!("{}/{}", record.run, asked.input),
        "run_id": &*record.run,
        "workflow": record.workflow,
        "step": asked.step,
        "reason": asked.reason,
        "expects": asked.expects,
        "prompt": Question::of_stored(record, None).text,
        "data": asked.data.as_deref().map(wire::stored),
        "choices": parsed(&asked.choices),
        "schema": parsed(&asked.schema),
        "asked_at": date(record.opened),
        "expires_at": asked.expires.map(date),
        "status": "pending",
    });
    let more: HashMap<&str, Value> = match &record.status {
        InputStatus::Answered { answer, by, at } => HashMap::from([
            ("status", json!("answered")),
            ("answer", wire::covered(wire::stored(answer), asked.expects.as_deref().and_then(wire::meta))),
            ("by", json!(by)),
            ("resolved_at", json!(date(*at))),
        ]),
        InputStatus::Withdrawn { at } => {
            HashMap::from([("status", json!("withdrawn")), ("resolved_at", json!(date(*at)))])
        }
        InputStatus::Expired { at } => HashMap::from([("status", json!("expired")), ("resolved_at", json!(date(*at)))]),
        _ => HashMap::new(),
    };
    for (name, value) in more {
        told[name] = value;
    }
    told
}
