//! What a stored run did, as far as the store still knows: its attempts, waits, calls, events and questions.

mod alive;
mod calls;
mod failure;
mod overlay;
mod spans;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stepcast::backend::{Backend, InputRecord, InputStatus, RunFilter, RunRecord, StreamRow};
use stepcast::engine::Time;
use stepcast::journal::Entry;
use stepcast::{Catalogue, EventMeta};

pub(crate) use self::alive::Alive;
pub(crate) use self::calls::CallRow;
pub(crate) use self::failure::Failure;
pub(crate) use self::overlay::overlay;
pub(crate) use self::spans::{End, Span};
use crate::commands::inputs;
use crate::drive::Question;
use crate::error::CliError;
use crate::text::now;
use crate::wire;

/// How many stream events are read at once.
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
    /// Runs that it started, the latest first.
    pub(crate) children: Vec<RunRecord>,
    /// Executions under way, where the run's workflow is linked.
    pub(crate) alive: BTreeMap<u64, Alive>,
    /// Answers and events that nobody has taken yet.
    pub(crate) mail: usize,
}

/// The description of a run whose store shows no journal.
pub(crate) const NO_JOURNAL: &str = "null";

impl Story {
    /// Reads a run. A row that cannot be read ends the journal and is told of; everything else is still shown.
    pub(crate) fn read(store: &dyn Backend, run: &str) -> Result<Story, CliError> {
        let stored = store.load(run)?;
        if stored.description == NO_JOURNAL {
            return Err(CliError::new(
                "SC0112",
                "What a run did step by step is in its journal, which a server does not show.",
            ));
        }
        let covered = stored.snapshot.as_ref().map_or(0, |snapshot| snapshot.covers);
        let (mut entries, mut unreadable) = (Vec::with_capacity(stored.rows.len()), None);
        for row in &stored.rows {
            match Entry::decode(&row.data, row.n.saturating_sub(1)) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    unreadable = Some(error.to_string());
                    break;
                }
            }
        }
        let calls = calls::calls(&stored, &entries).unwrap_or_else(|error| {
            unreadable.get_or_insert(error.to_string());
            Vec::new()
        });
        let linked = Catalogue::global()?.workflow(&stored.record.workflow);
        let def = linked.and_then(|linked| (linked.define)().ok());
        let alive = def.and_then(|def| alive::alive(&def, &stored)).unwrap_or_default();
        let inputs =
            inputs::of_run(store, run, false)?.into_iter().filter(|input| *input.run == *run).collect::<Vec<_>>();
        let events = events(store, run)?;
        let mut children = Vec::new();
        let filter = RunFilter { parent: Some(Arc::clone(&stored.record.run)), ..RunFilter::default() };
        crate::find::each(store, &filter, |child| {
            children.push(child);
            true
        })?;
        let mail = store.mail(run, 0)?.len();
        let record = stored.record;
        let spans = spans::spans(&entries, &inputs, &record);
        let failure = record.error.as_deref().and_then(Failure::parse);
        let start = covered_by(wire::stored_or_text(&stored.start), linked.map(|linked| linked.spec.start));
        Ok(Story {
            record,
            start,
            failure,
            covered,
            entries,
            unreadable,
            spans,
            calls,
            events,
            inputs,
            children,
            alive,
            mail,
        })
    }

    /// The stop event of a run that completed.
    pub(crate) fn result(&self) -> Option<Value> {
        let linked = Catalogue::global().ok().and_then(|all| all.workflow(&self.record.workflow));
        let result = self.record.result.as_deref().map(wire::stored_or_text)?;
        Some(covered_by(result, linked.map(|linked| linked.spec.stop)))
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

/// A value without its secrets.
fn covered_by(value: Value, meta: Option<&'static EventMeta>) -> Value {
    wire::covered(value, meta)
}

/// The fields of a stored event, out of its envelope and without its secrets.
pub(crate) fn event_data(row: &StreamRow) -> Value {
    wire::covered(wire::stored(&row.json), wire::meta(&row.tag))
}

/// What a person was asked, in a line.
pub(crate) fn question(input: &InputRecord) -> String {
    Question::of_stored(input, None).text
}

/// What the person said.
pub(crate) fn answer(input: &InputRecord) -> Option<Value> {
    let InputStatus::Answered { answer, .. } = &input.status else { return None };
    let meta = input.asked.expects.as_deref().and_then(wire::meta);
    Some(wire::covered(wire::stored_or_text(answer), meta))
}
