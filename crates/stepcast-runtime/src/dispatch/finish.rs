//! The end of a run, and the grace of what still goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use stepcast_core::StepPanicked;
use stepcast_core::engine::Outcome;

use super::core::RunCore;
use super::place::{self, Place};
use super::{Dispatch, Round};
use crate::clock;
use crate::durable;
use crate::run::{Message, RunEnd, RunError, Task, lock};
use crate::telemetry::is_traced;

/// How long executions may go on after the end, unless the options say otherwise.
const GRACE: Duration = Duration::from_millis(500);

impl Dispatch {
    /// Records the outcome; executions that go on get a cancelled token and a grace.
    pub(crate) fn finish(&mut self, core: &mut RunCore, outcome: Outcome) {
        if is_traced() {
            // One that is cancelled while it rests has a span of that too.
            self.env.run.wake_trace(core.now);
        }
        let error = core.take_final_error(&outcome);
        self.conclude(core, RunEnd::of(outcome, core.now, core.state.timeout(), error));
    }

    pub(crate) fn conclude(&mut self, core: &mut RunCore, end: RunEnd) {
        core.ended = true;
        self.env.run.finish(end);
        core.end_stepping();
        if let Some(rare) = self.env.run.rare_if_any() {
            for child in lock(&rare.children).drain(..).filter_map(|child| child.upgrade()) {
                child.post(Message::Cancel);
            }
        }
        if self.env.run.keeping().is_some()
            && let Some(link) = self.env.run.link()
        {
            link.has_ended(self.env.run.id());
        }
        for entry in core.entries.iter_mut().filter_map(Option::as_deref_mut) {
            if let Some(shared) = &entry.shared {
                let wakers = shared.log().take_wakers();
                wakers.into_iter().for_each(std::task::Waker::wake);
            }
        }
        // What is parked waits for what never comes; it is polled once more to learn that.
        let still: Vec<_> = core
            .entries
            .iter_mut()
            .filter(|slot| slot.as_ref().is_some_and(|entry| matches!(entry.place, Place::Parked(_) | Place::Between)))
            .filter_map(Option::take)
            .collect();
        for entry in still {
            self.keep_to_the_end(core, *entry);
        }
        if core.entries.iter().any(Option::is_some) || core.locals.as_ref().is_some_and(|locals| !locals.is_empty()) {
            let grace = self.env.run.options().and_then(|options| options.grace).unwrap_or(GRACE);
            let until = core.now.after(grace);
            core.more().grace_until = Some(until);
        }
    }

    /// After the end: what still runs may go on for the grace; its results are dropped.
    pub(crate) fn wind_down(&mut self, core: &mut RunCore, cx: &mut Context<'_>) -> Round {
        if core.in_tasks == 0 && core.locals.as_ref().is_none_or(|locals| locals.is_empty()) {
            self.drop_all(core);
            return Round::Dry;
        }
        core.now = clock::now();
        while let Some(locals) = core.locals.as_deref_mut().filter(|locals| !locals.is_empty()) {
            match locals.poll_next_unpin(cx) {
                std::task::Poll::Ready(Some(done)) => {
                    let entry = core.take_entry(done.key);
                    place::drop_quietly((done.end, entry));
                }
                _ => break,
            }
        }
        let until = core.more.as_deref().and_then(|more| more.grace_until);
        let over = until.is_none_or(|until| until <= core.now);
        if over || (core.in_tasks == 0 && core.locals.as_ref().is_none_or(|locals| locals.is_empty())) {
            self.drop_all(core);
            return Round::Dry;
        }
        self.fire_timers(core, cx);
        Round::Dry
    }

    pub(super) fn drop_all(&mut self, core: &mut RunCore) {
        for entry in core.entries.drain(..).flatten() {
            if let Some(shared) = &entry.shared {
                shared.close();
            }
            if let Place::Task(task) = &entry.place {
                task.abort();
            }
            place::drop_quietly(entry);
        }
        place::drop_quietly(core.locals.take());
        core.in_tasks = 0;
        core.more = None;
        core.state.clear();
    }

    /// The `Clone`, `Drop` or `Deserialize` of a user's event panicked under the dispatcher's hands: the run ends with
    /// that as its error instead of hanging.
    #[cold]
    pub(crate) fn broken(&mut self, core: Option<Box<RunCore>>, panic: &(dyn std::any::Any + Send)) -> Poll<()> {
        let error = place::panicked(panic);
        let message =
            error.downcast_ref::<StepPanicked>().map_or_else(String::new, |panicked| panicked.message.clone());
        let run = Arc::clone(&self.env.run);
        let error = RunError::EventPanicked { message };
        match run.keeping() {
            // A kept run is read anew by nobody: the same code would panic again.
            Some(_) if !run.has_ended() => {
                run.ending.store(true, Ordering::Release);
                tokio::spawn(durable::end_in_store(Arc::clone(&run), error));
            }
            _ => run.finish(RunEnd::refused(error, clock::now())),
        }
        if let Some(rare) = run.rare_if_any() {
            for child in lock(&rare.children).drain(..).filter_map(|child| child.upgrade()) {
                child.post(Message::Cancel);
            }
        }
        if let Some(mut core) = core {
            core.ended = true;
            place::quietly(|| self.drop_all(&mut core));
            place::drop_quietly(core);
        }
        lock(&run.inbox).task = Task::Ended;
        Poll::Ready(())
    }

    /// The tokio runtime is being shut down: who waits for the end must not wait for ever.
    pub(crate) fn abandon(&self) {
        self.env.run.finish(RunEnd::refused(RunError::Dropped, clock::now()));
    }
}
