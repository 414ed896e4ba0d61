use std::fmt;
use std::ops::Deref;

use stepcast_core::{CallEvent, Event, GraphOverlay, StepStateChanged, UnhandledEvent};

use super::seed::SeedGuard;
use super::sequence::{EventSequence, SequenceItem};
use crate::run::{Run, RunError};
use crate::stream::{EventKind, StreamEvent, StreamItem};
use crate::trace::{ChainLink, Execution, Trace};
use crate::view::InputRecord;

/// A run that has ended, with everything that happened in it. Dereferences to the run's handle, for its state and store.
///
/// ```
/// use stepcast::prelude::*;
/// use stepcast::testing::TestKit;
///
/// #[event(start)]
/// struct Begin { n: u32 }
/// #[event]
/// struct Half { n: u32 }
/// #[event(stop)]
/// struct Done { n: u32 }
///
/// #[step]
/// async fn halve(ev: Begin) -> Half {
///     Half { n: ev.n / 2 }
/// }
/// #[step]
/// async fn finish(ev: Half) -> Done {
///     Done { n: ev.n }
/// }
/// flow!(Halve: Begin => Done { halve, finish });
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let recorded = TestKit::new().run(Halve, Begin { n: 8 }).await;
/// assert_eq!(recorded.stop().n, 4);
/// let chain = recorded.chain_to_stop();
/// let steps: Vec<Option<&str>> = chain.iter().map(|link| link.step.as_deref()).collect();
/// assert_eq!(steps, [None, Some("halve"), Some("finish")]);
/// assert_eq!(recorded.caused_by::<Half>()[0].event, "Done");
/// # }
/// ```
pub struct Recorded<S> {
    run: Run<S>,
    result: Result<S, RunError>,
    items: Vec<StreamItem>,
    asked: Vec<InputRecord>,
    trace: Trace,
    guard: SeedGuard,
}

impl<S: Event> Recorded<S> {
    pub(super) fn new(
        run: Run<S>,
        result: Result<S, RunError>,
        items: Vec<StreamItem>,
        asked: Vec<InputRecord>,
        guard: SeedGuard,
    ) -> Self {
        let trace = Trace::of(items.iter().filter_map(StreamItem::get::<StepStateChanged>));
        Recorded { run, result, items, asked, trace, guard }
    }

    /// How the run ended.
    ///
    /// # Errors
    /// As awaiting the run has it.
    pub fn result(&self) -> Result<&S, &RunError> {
        self.result.as_ref()
    }

    /// The stop event.
    ///
    /// # Panics
    /// When the run ended without one.
    #[track_caller]
    pub fn stop(&self) -> &S {
        match &self.result {
            Ok(stop) => stop,
            Err(error) => panic!("the run gave no stop event: {error}"),
        }
    }

    /// Why the run ended without a stop event.
    ///
    /// # Panics
    /// When it gave one.
    #[track_caller]
    pub fn error(&self) -> &RunError {
        match &self.result {
            Ok(stop) => panic!("the run did not fail; it gave {stop:?}"),
            Err(error) => error,
        }
    }

    /// The seed the run had.
    pub fn seed(&self) -> u64 {
        self.guard.0
    }

    /// Everything the run showed, in order: logged events, ephemeral and internal frames.
    pub fn items(&self) -> &[StreamItem] {
        &self.items
    }

    /// The events on the run's stream: what has a number of its own.
    pub fn stream(&self) -> Vec<StreamEvent> {
        self.of_kind(EventKind::Logged)
    }

    /// The ephemeral events.
    pub fn ephemeral(&self) -> Vec<StreamEvent> {
        self.of_kind(EventKind::Ephemeral)
    }

    /// The events of one type on the stream and among the frames.
    pub fn all<E: Event>(&self) -> Vec<&E> {
        self.items.iter().filter_map(StreamItem::get::<E>).collect()
    }

    /// The frames that tell of executions.
    pub fn frames(&self) -> Vec<&StepStateChanged> {
        self.all()
    }

    /// The events that reached nobody.
    pub fn unhandled(&self) -> Vec<&UnhandledEvent> {
        self.all()
    }

    /// What became of each `ctx.call`.
    pub fn calls(&self) -> Vec<&CallEvent> {
        self.all()
    }

    /// The questions that were answered, in the order of the answers.
    pub fn asked(&self) -> &[InputRecord] {
        &self.asked
    }

    /// Every event that was delivered, in order, with what gave it. Events from outside are known once a step ran for them.
    pub fn events(&self) -> Vec<ChainLink> {
        self.trace.events.values().cloned().collect()
    }

    /// The executions of a step, in the order in which they were queued.
    pub fn executions(&self, step: &str) -> Vec<Execution> {
        self.trace.executions.values().filter(|execution| execution.step == step).cloned().collect()
    }

    /// The way from the start event, or from what came from outside, to the stop event. Of a join's events, the way of
    /// the one that came last. Empty if there was no stop event.
    pub fn chain_to_stop(&self) -> Vec<ChainLink> {
        self.chain_to::<S>()
    }

    /// The way to the first event of this type.
    pub fn chain_to<E: Event>(&self) -> Vec<ChainLink> {
        let found = self.trace.events.values().find(|link| link.event == E::META.tag);
        found.map_or_else(Vec::new, |link| self.trace.chain_to(link.serial))
    }

    /// Everything that events of this type led to, in order.
    pub fn caused_by<E: Event>(&self) -> Vec<ChainLink> {
        self.trace.caused_by(E::META.tag)
    }

    /// What the run did, to be drawn over its workflow's graph.
    pub fn overlay(&self) -> GraphOverlay {
        self.trace.overlay()
    }

    fn of_kind(&self, kind: EventKind) -> Vec<StreamEvent> {
        let event = |item: &StreamItem| match item {
            StreamItem::Event(event) if event.kind == kind => Some(event.clone()),
            _ => None,
        };
        self.items.iter().filter_map(event).collect()
    }
}

impl<S: Event> EventSequence for Recorded<S> {
    fn sequence(&self) -> Vec<SequenceItem> {
        let link = |link: &ChainLink| SequenceItem {
            tag: link.event.clone(),
            origin: link.step.as_ref().map_or_else(|| "from outside".to_owned(), |step| format!("by `{step}`")),
        };
        self.trace.events.values().map(link).collect()
    }
}

impl<S> Deref for Recorded<S> {
    type Target = Run<S>;

    fn deref(&self) -> &Run<S> {
        &self.run
    }
}

impl<S: fmt::Debug> fmt::Debug for Recorded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("seed", &self.guard.0).field("result", &self.result).finish_non_exhaustive()
    }
}
