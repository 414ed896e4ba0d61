//! What a run notes of traces: in its state what has to outlast a pause, in memory what goes on now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use stepcast_core::engine::Time;
use stepcast_core::state_cell::State;
use tracing::Span;

use super::TraceContext;
use crate::run::{RunShared, lock};

/// Contexts that wait to be linked; the latest are kept.
const MOST_WOKEN: usize = 32;

/// A state cell of the run like any other, so that snapshots and journals carry it with what they write anyway. A run that
/// belongs to no trace has none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    /// What started the run; for a run that nothing known started, its first stretch. As text: a damaged one is no
    /// reason for a run to fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    /// The last stretch, in whatever process that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

impl State for Kept {
    const NAME: &'static str = "stepcast.trace";
}

/// What is known in memory.
#[derive(Debug, Default)]
pub(crate) struct RunTrace(Mutex<Inner>);

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// Where the events and answers came from that no stretch is linked to yet.
    pub(super) woken: Vec<TraceContext>,
    /// The one that came last.
    latest: Option<TraceContext>,
    pub(super) stretch: Option<Stretch>,
    /// Where the last stretch was.
    pub(super) last: Option<TraceContext>,
    /// Whether the run has come to its first rest.
    pub(super) rested: bool,
    /// Whether its parent was told of its end.
    told: bool,
}

/// A run while it is awake.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) span: Span,
    pub(super) begun: Time,
    /// Spans of executions, by serial number.
    pub(super) steps: BTreeMap<u64, Span>,
}

impl RunTrace {
    /// Whether something of the run goes on, its end included until its parent knows it.
    pub(super) fn is_awake(&self, has_ended: bool) -> bool {
        self.with(|inner| if has_ended { !inner.told } else { inner.stretch.is_some() || !inner.rested })
    }

    pub(super) fn with<R>(&self, then: impl FnOnce(&mut Inner) -> R) -> R {
        then(&mut lock(&self.0))
    }
}

impl Inner {
    fn note(&mut self, context: TraceContext) {
        self.latest = Some(context.clone());
        if self.woken.len() == MOST_WOKEN {
            self.woken.remove(0);
        }
        self.woken.push(context);
    }
}

impl RunShared {
    pub(super) fn trace(&self) -> &RunTrace {
        self.extra().trace.get_or_init(Box::default)
    }

    /// Whether the run belongs to a trace, or has had spans. Nearly all have not.
    #[inline]
    pub(crate) fn has_trace(&self) -> bool {
        self.trace_if_any().is_some()
    }

    #[inline]
    pub(super) fn trace_if_any(&self) -> Option<&RunTrace> {
        self.extra_if_any()?.trace.get().map(|trace| &**trace)
    }

    /// The trace that a new run belongs to.
    pub(crate) fn started_by(&self, context: Option<&TraceContext>) {
        let Some(context) = context else { return };
        // One that counts as awake from the beginning keeps its parent's stretch open.
        self.trace();
        self.keep_trace(|kept| kept.start = Some(context.to_text()));
    }

    /// Something came from outside.
    pub(crate) fn woken_by(&self, context: Option<TraceContext>) {
        if let Some(context) = context {
            self.trace().with(|inner| inner.note(context));
        }
    }

    /// A child has ended: if the run rests meanwhile, that is what wakes it.
    pub(crate) fn woken_by_child(&self, child: &Arc<RunShared>) {
        let told = |trace: &RunTrace| {
            trace.with(|inner| {
                inner.told = true;
                inner.last.clone()
            })
        };
        let Some(context) = child.trace_if_any().and_then(told) else { return };
        self.trace().with(|inner| {
            if inner.stretch.is_none() {
                inner.note(context);
            }
        });
    }

    /// What started the run, and where its last stretch was.
    pub(super) fn kept_trace(&self) -> (Option<TraceContext>, Option<TraceContext>) {
        let cell = self.data().cell_if_any::<Kept>();
        let kept = cell.map(|cell| lock(&cell.value).clone()).unwrap_or_default();
        let read = |text: Option<String>| TraceContext::from_text(&text?);
        (read(kept.start), read(kept.last))
    }

    fn keep_trace(&self, change: impl FnOnce(&mut Kept)) {
        // One that cannot be read stays as it is.
        let Ok(cell) = self.data().cell::<Kept>() else { return };
        let mut kept = lock(&cell.value);
        change(&mut kept);
        self.changed(&cell);
    }

    /// A new stretch is there, for the next to be linked to.
    pub(super) fn keep_stretch(&self, stretch: &TraceContext) {
        let text = stretch.to_text();
        self.keep_trace(|kept| {
            kept.start.get_or_insert_with(|| text.clone());
            kept.last = Some(text.clone());
        });
    }

    /// What steps hand on where no span is known: what came last from outside, else what started the run.
    pub(crate) fn trace_from_outside(&self) -> Option<TraceContext> {
        let latest = self.trace_if_any()?.with(|inner| inner.latest.clone());
        latest.or_else(|| self.kept_trace().0)
    }
}
