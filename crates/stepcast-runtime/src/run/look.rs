//! What a handle shows of its run to whoever shows it to others.

use std::sync::Arc;

use stepcast_core::AnyEvent;

use super::{AnyRun, RunEnd, RunId, RunOptions, Task, lock};
use crate::stream::{EventStream, StreamStart, Wanted};

impl AnyRun {
    /// As [`stream_from`](Self::stream_from), with the runtime's own frames.
    pub fn internal_from(&self, start: StreamStart) -> EventStream {
        EventStream::new(Arc::clone(self.shared()), start, Wanted::All)
    }

    /// The last event of the run's stream, once the run has ended: its stop event, or what says why there is none.
    pub fn terminal_event(&self) -> Option<AnyEvent> {
        self.shared().outcome().map(RunEnd::terminal_event)
    }

    /// Whether nothing of the run is queued or running: it waits for somebody, something or a deadline.
    pub fn is_waiting(&self) -> bool {
        matches!(lock(&self.shared().inbox).task, Task::PutAway(_) | Task::Idle(_) | Task::Away(_))
    }
}

impl RunOptions {
    /// The id that was chosen for the run.
    pub fn id(&self) -> Option<&RunId> {
        self.run_id.as_ref()
    }
}
