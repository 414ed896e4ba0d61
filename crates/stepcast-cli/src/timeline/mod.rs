//! What a stored run did, as far as the store still knows: its attempts, waits, calls, events and questions.

mod calls;
mod failure;
mod overlay;
mod spans;

use std::sync::Arc;

use serde_json::Value;
use stepcast::backend::{Backend, InputFilter, InputRecord, RunRecord, StoredRun, StreamRow};
use stepcast::engine::Time;
use stepcast::journal::Entry;

pub(crate) use self::calls::CallRow;
pub(crate) use self::failure::Failure;
pub(crate) use self::overlay::overlay;
pub(crate) use self::spans::{End, Span};
use crate::error::CliError;
use crate::text::now;

/// How many stream events or inputs are read at once.
const PAGE: usize = 1000;

/// Everything that is stored of a run, to be shown.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) record: RunRecord,
    /// Its start event.
    pub(crate) start: Value,
    /// Why it failed, if it did.
    pub(crate) failure: Option<Failure>,
    /// Rows of the journal that a snapshot stands for: what they told is gone.
    pub(crate) covered: u64,
    /// The rows that are left, in order.
    pub(crate) entries: Vec<Entry>,
    /// What keeps the rest of the journal from being read, if something does.
    pub(crate) unreadable: Option<String>,
    /// Attempts, by when they began.
    pub(crate) spans: Vec<Span>,
    pub(crate) calls: Vec<CallRow>,
    pub(crate) events: Vec<StreamRow>,
    pub(crate) inputs: Vec<InputRecord>,
}

impl Story {
    /// Reads a run. A row that cannot be read ends the journal and is told of; everything else is still shown.
    pub(crate) fn read(store: &dyn Backend, run: &str) -> Result<Story, CliError> {
        let StoredRun { record, start, snapshot, rows, .. } = store.load(run)?;
        let covered = snapshot.map_or(0, |snapshot| snapshot.covers);
        let (mut entries, mut unreadable) = (Vec::with_capacity(rows.len()), None);
        for row in rows {
            match Entry::decode(&row.data, row.n.saturating_sub(1)) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    unreadable = Some(error.to_string());
                    break;
                }
            }
        }
        let inputs = inputs(store, &record.run)?;
        let events = events(store, run)?;
        let spans = spans::spans(&entries, &inputs, &record);
        let calls = calls::calls(&entries);
        let failure = record.error.as_deref().and_then(Failure::parse);
        let start = json(&start);
        Ok(Story { record, start, failure, covered, entries, unreadable, spans, calls, events, inputs })
    }

    /// When the run began, or the first that is known of it.
    pub(crate) fn began(&self) -> Time {
        let first = self.spans.iter().map(|span| span.began).min();
        first.map_or(self.record.created, |first| first.min(self.record.created))
    }

    /// When it ended; of one that goes on, the present, but nothing before what is known of it.
    pub(crate) fn ended(&self) -> Time {
        let last = self.entries.last().map_or(self.record.changed, |entry| entry.at.max(self.record.changed));
        if self.record.status.is_end() { last } else { now().max(last) }
    }

    /// What is not shown because it is not stored any more, in sentences.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        match self.covered {
            0 => {}
            1 => gaps.push("The first row of the journal is gone: a snapshot stands for it.".to_owned()),
            many => gaps.push(format!(
                "The first {many} rows of the journal are gone: a snapshot stands for them, so attempts and calls \
                 before it are not shown."
            )),
        }
        gaps.extend(self.unreadable.clone());
        gaps
    }
}

fn events(store: &dyn Backend, run: &str) -> Result<Vec<StreamRow>, CliError> {
    let mut all: Vec<StreamRow> = Vec::new();
    loop {
        let after = all.last().map_or(0, |row| row.seq);
        let page = store.events(run, after, PAGE)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn inputs(store: &dyn Backend, run: &Arc<str>) -> Result<Vec<InputRecord>, CliError> {
    let filter = InputFilter { run: Some(Arc::clone(run)), ..InputFilter::default() };
    let mut all: Vec<InputRecord> = Vec::new();
    loop {
        let page = store.inputs(&filter, all.last().map(|record| record.cursor), PAGE)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Text that should be JSON; any other is shown as it is.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The fields of a stored event, out of its envelope.
pub(crate) fn event_data(row: &StreamRow) -> Value {
    match json(&row.json) {
        Value::Object(mut map) if map.contains_key("type") && map.contains_key("value") => {
            map.remove("value").unwrap_or_default()
        }
        other => other,
    }
}
