use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use stepcast_core::BoxFuture;
use stepcast_core::backend::LoadError;
use tokio_stream::Stream;

use super::{EventKind, StreamEvent, StreamItem};
use crate::durable::{self, Older};
use crate::run::{RunData, RunShared};

/// How many items a reader takes out of the log under one lock.
const BATCH: usize = 256;

/// Where a subscriber begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamStart {
    /// With the first event. What the log's bound has dropped of it is a [`StreamItem::Lagged`]; a restored run begins where
    /// its snapshot was taken.
    #[default]
    Beginning,
    /// After the event with this number.
    After(u64),
    /// As `After`, and with those of the runtime's own frames behind that event that are still there: because they are
    /// recorded, or for others who listen. For who was cut off, and knows which of them it saw. 0 is the beginning.
    Again(u64),
    /// With what comes from now on.
    Now,
}

/// A subscription to a run's stream. Ends after the terminal event. Any number may exist, also after the run's end.
///
/// A slow reader slows nobody: it may find a [`StreamItem::Lagged`] where the log's bound has dropped what it had not read.
pub struct EventStream {
    run: Arc<RunShared>,
    cursor: u64,
    frame: u64,
    /// Passing frames before this one are not shown.
    passing: u64,
    frames: Wanted,
    ready: VecDeque<StreamItem>,
    /// Events that are asked of the store: it keeps what the log's bound has dropped.
    older: Option<BoxFuture<'static, Older>>,
    ended: bool,
}

/// Which frames a subscriber wants beside the logged events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Ephemeral,
    All,
}

impl EventStream {
    pub(crate) fn new(run: Arc<RunShared>, start: StreamStart, frames: Wanted) -> Self {
        let (cursor, frame, passing) = {
            let mut data = run.data();
            let cursor = match start {
                StreamStart::Beginning | StreamStart::Again(0) if run.keeping().is_some() => 0,
                StreamStart::Beginning | StreamStart::Again(0) => data.log.begin() - 1,
                // No log is so long that a number is left out.
                StreamStart::After(seq) | StreamStart::Again(seq) => seq.min(u64::MAX - 1),
                StreamStart::Now => data.log.last(),
            };
            let kept = data.frames.get_or_insert_default();
            kept.listeners += 1;
            // A passing frame is for who listens as it passes, even where others keep it alive.
            let frame = match (start, frames) {
                (StreamStart::Beginning, Wanted::All) if kept.record => kept.first(),
                (StreamStart::Again(seq), Wanted::All) => kept.behind(seq),
                _ => kept.end(),
            };
            let passing = if matches!(start, StreamStart::Again(_)) { kept.end() } else { 0 };
            (cursor, frame, passing)
        };
        if frames == Wanted::All {
            run.observe(1);
        }
        EventStream { run, cursor, frame, passing, frames, ready: VecDeque::new(), older: None, ended: false }
    }

    /// The next item; `None` after the terminal event.
    pub async fn next(&mut self) -> Option<StreamItem> {
        std::future::poll_fn(|cx| self.poll_item(cx)).await
    }

    /// Moves up to `max` items that are there into `buffer`, waiting for the first. 0 only after the terminal event.
    pub async fn recv_many(&mut self, buffer: &mut Vec<StreamItem>, max: usize) -> usize {
        let before = buffer.len();
        if max == 0 {
            return 0;
        }
        std::future::poll_fn(|cx| {
            if self.ready.is_empty() && !self.ended {
                // Straight into the caller's buffer, under one lock.
                let run = Arc::clone(&self.run);
                let mut data = run.data();
                self.fill(&mut data, max, |item| buffer.push(item));
                if buffer.len() > before {
                    return Poll::Ready(());
                }
            }
            match self.poll_item(cx) {
                Poll::Ready(first) => {
                    buffer.extend(first);
                    let rest = self.ready.len().min(max.saturating_sub(buffer.len() - before));
                    buffer.extend(self.ready.drain(..rest));
                    Poll::Ready(())
                }
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        buffer.len() - before
    }

    /// The number of the last logged event that was handed out: where to go on after a reconnection.
    pub fn last_seq(&self) -> u64 {
        let waiting = self.ready.iter().find_map(|item| match item {
            StreamItem::Lagged { from, .. } | StreamItem::Unreadable { from, .. } => Some(*from),
            item => item.seq(),
        });
        waiting.map_or(self.cursor, |seq| seq - 1)
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<StreamItem>> {
        if let Some(item) = self.ready.pop_front() {
            return Poll::Ready(Some(item));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let run = Arc::clone(&self.run);
        loop {
            if let Some(older) = &mut self.older {
                let Poll::Ready(events) = older.as_mut().poll(cx) else { return Poll::Pending };
                self.older = None;
                self.take_older(events);
            }
            let data = run.data();
            if !self.is_behind(&data) {
                break;
            }
            drop(data);
            if !self.ready.is_empty() {
                return Poll::Ready(self.ready.pop_front());
            }
            self.older = Some(durable::older_events(Arc::clone(&run), self.cursor));
        }
        if let Some(item) = self.ready.pop_front() {
            return Poll::Ready(Some(item));
        }
        let mut data = run.data();
        let mut ready = std::mem::take(&mut self.ready);
        self.fill(&mut data, BATCH, |item| ready.push_back(item));
        self.ready = ready;
        if let Some(item) = self.ready.pop_front() {
            return Poll::Ready(Some(item));
        }
        // The end is recorded under the same lock, after everything else was logged.
        if data.ended {
            self.ended = true;
            return Poll::Ready(self.terminal(&data));
        }
        data.log.listen(cx.waker());
        Poll::Pending
    }

    /// Whether the next event is only in the store.
    fn is_behind(&self, data: &RunData) -> bool {
        self.run.keeping().is_some() && self.cursor + 1 < data.log.first()
    }

    fn take_older(&mut self, older: Older) {
        let oldest = self.run.data().log.first();
        let before = self.cursor;
        let mut unread = None;
        match older {
            Ok(events) => {
                for (seq, at, event) in events.into_iter().filter(|(seq, ..)| *seq > before && *seq < oldest) {
                    self.cursor = seq;
                    self.ready.push_back(match event {
                        Ok(event) => {
                            StreamItem::Event(StreamEvent { seq, kind: EventKind::Logged, at: Some(at), event })
                        }
                        Err(error) => StreamItem::Unreadable { from: seq, to: seq, error },
                    });
                }
            }
            Err(error) => unread = Some(error),
        }
        if self.cursor == before && before + 1 < oldest {
            let error = unread.unwrap_or_else(|| {
                let run = Arc::from(self.run.id().as_str());
                LoadError::EventGap { run, seq: before + 1 }.into()
            });
            self.ready.push_back(StreamItem::Unreadable { from: before + 1, to: oldest - 1, error });
            self.cursor = oldest - 1;
        }
    }

    /// Hands out what is there, at most so many items.
    fn fill(&mut self, data: &mut RunData, max: usize, mut give: impl FnMut(StreamItem)) {
        let mut given = 0;
        let mut give = |item| {
            given += 1;
            give(item);
            given < max
        };
        let oldest = data.log.first();
        if self.is_behind(data) {
            return;
        }
        if self.cursor < oldest - 1 {
            let lagged = StreamItem::Lagged { from: self.cursor + 1, to: oldest - 1 };
            self.cursor = oldest - 1;
            if !give(lagged) {
                return;
            }
        }
        let has_times = data.log.has_times();
        let mut more = true;
        while more {
            let frame = data.frames.as_deref().and_then(|frames| {
                self.frame = self.frame.max(frames.first());
                frames.get(self.frame)
            });
            match frame {
                Some(frame) if frame.after <= self.cursor => {
                    let is_past = self.frame < self.passing && frame.kind == EventKind::Ephemeral;
                    self.frame += 1;
                    if self.wants(frame.kind) && !is_past {
                        let (seq, kind, event) = (frame.after, frame.kind, frame.event.clone());
                        more = give(StreamItem::Event(StreamEvent { seq, kind, at: None, event }));
                    }
                }
                _ => {
                    let seq = self.cursor + 1;
                    let Some(event) = data.log.get(seq) else { break };
                    self.cursor = seq;
                    let at = if has_times { data.log.time(seq) } else { None };
                    let event = StreamEvent { seq, kind: EventKind::Logged, at, event };
                    more = give(StreamItem::Event(event));
                }
            }
        }
    }

    fn wants(&self, kind: EventKind) -> bool {
        kind == EventKind::Ephemeral || self.frames == Wanted::All
    }

    fn terminal(&mut self, data: &RunData) -> Option<StreamItem> {
        let seq = data.log.last() + 1;
        if self.cursor >= seq {
            return None;
        }
        self.cursor = seq;
        let end = self.run.outcome()?;
        let (at, event) = (Some(end.at), end.terminal_event());
        Some(StreamItem::Event(StreamEvent { seq, kind: EventKind::Logged, at, event }))
    }
}

impl Stream for EventStream {
    type Item = StreamItem;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<StreamItem>> {
        self.poll_item(cx)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        let gone = {
            let mut data = self.run.data();
            let unused = data.frames.as_deref_mut().is_some_and(|frames| {
                frames.listeners -= 1;
                frames.listeners == 0 && !frames.record
            });
            if unused { data.frames.take() } else { None }
        };
        // Outside the lock: dropping an event is user code.
        drop(gone);
        if self.frames == Wanted::All {
            self.run.observe(-1);
        }
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("cursor", &self.cursor).field("ended", &self.ended).finish_non_exhaustive()
    }
}
