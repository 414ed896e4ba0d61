//! One subscription to a run's events, wherever the run is.

use std::collections::VecDeque;
use std::time::Duration;

use stepcast::backend::LoadError;
use stepcast::{AnyRun, EventKind, EventStream, RunId, Runtime, StreamEvent, StreamItem, StreamStart};

use super::stored::typed;
use crate::ops::OpenStream;

/// How often a run that another process holds is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How many stored events are read at once.
const PAGE: usize = 256;

/// The events of a run as they come; ends after the last one.
#[derive(Debug)]
pub(crate) struct Follow(Source, Option<OpenStream>);

#[derive(Debug)]
enum Source {
    /// Of a run that is here. The handle keeps it in memory.
    Here { stream: EventStream, run: AnyRun },
    /// Of a run that another process holds, or whose workflow is not registered here: what its store says.
    Elsewhere { runtime: Runtime, run: RunId, after: u64, ready: VecDeque<StreamItem>, ended: bool },
}

impl Follow {
    pub(super) fn run(run: &AnyRun, start: StreamStart, internal: bool) -> Self {
        let stream = match internal {
            true => run.internal_from(start),
            false => run.stream_from(start),
        };
        Follow(Source::Here { stream, run: run.clone() }, None)
    }

    pub(super) fn elsewhere(runtime: Runtime, run: RunId, after: u64) -> Self {
        Follow(Source::Elsewhere { runtime, run, after, ready: VecDeque::new(), ended: false }, None)
    }

    /// Counts itself and what it gives.
    pub(super) fn counted(mut self, open: OpenStream) -> Self {
        self.1 = Some(open);
        self
    }

    /// The run, if it is here.
    pub(crate) fn here(&self) -> Option<&AnyRun> {
        match &self.0 {
            Source::Here { run, .. } => Some(run),
            Source::Elsewhere { .. } => None,
        }
    }

    /// Moves what is there into `items`, at most `max`, waiting for the first. 0 after the last event only.
    pub(crate) async fn next_batch(&mut self, items: &mut Vec<StreamItem>, max: usize) -> usize {
        let given = match &mut self.0 {
            Source::Here { stream, .. } => stream.recv_many(items, max).await,
            Source::Elsewhere { runtime, run, after, ready, ended } => {
                while ready.is_empty() && !*ended {
                    *ended = match read(runtime, run, after, ready).await {
                        Ok(ended) => ended,
                        Err(error) => {
                            tracing::warn!(target: "stepcast", %run, %error, "a run's stream cannot be read");
                            true
                        }
                    };
                    if ready.is_empty() && !*ended {
                        tokio::time::sleep(LOOK).await;
                    }
                }
                let given = max.min(ready.len());
                items.extend(ready.drain(..given));
                given
            }
        };
        if let Some(open) = &self.1 {
            open.streamed(given);
        }
        given
    }
}

/// Reads what is new, and says whether nothing more will come.
async fn read(
    runtime: &Runtime,
    run: &RunId,
    after: &mut u64,
    ready: &mut VecDeque<StreamItem>,
) -> Result<bool, LoadError> {
    // Asked first: what is written before an end is then read with it.
    let record = runtime.find_run(run).await?;
    let rows = runtime.stored_events(run, *after, PAGE).await?;
    let full = rows.len() == PAGE;
    let def = record.as_ref().and_then(|record| runtime.definition(&record.workflow));
    for row in rows {
        *after = row.seq;
        let event = typed(&row, def.as_deref());
        ready.push_back(StreamItem::Event(StreamEvent {
            seq: row.seq,
            kind: EventKind::Logged,
            at: Some(row.at),
            event,
        }));
    }
    Ok(!full && record.is_none_or(|record| record.status.is_end()))
}
