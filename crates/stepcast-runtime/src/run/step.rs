//! What one step of a run that stands still came to.

use stepcast_core::AnyEvent;

use super::{AnyRun, Message};
use tokio::sync::oneshot;

/// What [`AnyRun::step`] came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Stepped {
    /// A step of the workflow ran, to its end or until it waits.
    Ran(Dispatched),
    /// Nothing can run until somebody answers one of the [pending inputs](AnyRun::pending_inputs).
    WaitsForInput,
    /// Nothing can run until an event comes from outside, or something is due.
    Rests,
    /// The run has ended.
    Ended,
}

impl Stepped {
    /// What ran, if anything did.
    pub fn ran(&self) -> Option<&Dispatched> {
        match self {
            Stepped::Ran(dispatched) => Some(dispatched),
            _ => None,
        }
    }
}

/// One dispatch: an execution that ran to the end of an attempt, or until it waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dispatched {
    /// The step.
    pub step: String,
    /// The execution's number in the run. One that waited goes on under its number.
    pub execution: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The events that it runs for.
    pub events: Vec<AnyEvent>,
    /// What became of it.
    pub outcome: DispatchOutcome,
}

/// What became of an attempt that was let run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DispatchOutcome {
    /// It ended, and what it gave is on its way.
    Completed,
    /// It failed; whether there is another attempt is its step's policy.
    Failed,
    /// It waits for an answer, an event or a child.
    Waits,
    /// It was cut short, because the run ended or was read anew from its store.
    Cut,
}

impl AnyRun {
    /// Lets exactly one dispatch of the run happen, and tells what it was: the execution that is next runs until its attempt
    /// ends or it waits for something that only the run can bring; a kept run has it on record by then. What it leads
    /// to stays queued for the next step. A run that was not begun with
    /// [`RunOptions::stepwise`](super::RunOptions::stepwise) stands still from here on; what is under way comes to its
    /// end.
    ///
    /// Events from outside, answers, deadlines and retries still queue what they lead to, a run's timeout still counts, and
    /// children go on by themselves. Calls at the same time take turns. Whoever drops the future leaves the dispatch to
    /// go on, and the next call need not wait for its end: so one gets past a step that waits for another.
    ///
    /// ```
    /// # use stepcast_core::{StartEvent, StopEvent, WorkflowBuilder};
    /// # use stepcast_runtime::{BuiltWorkflow, RunOptions, Stepped};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let def = WorkflowBuilder::new::<StartEvent, StopEvent>("echo")
    /// #     .step_fn("echo", async |_: StartEvent| StopEvent::new(true))
    /// #     .build()?;
    /// # let echo = BuiltWorkflow::<StartEvent, StopEvent>::new(def)?;
    /// let run = echo.run_with(StartEvent::default(), RunOptions::new().stepwise());
    /// while let Stepped::Ran(dispatched) = run.step().await {
    ///     println!("{} took {:?}", dispatched.step, dispatched.events);
    /// }
    /// assert!(run.is_done());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn step(&self) -> Stepped {
        let (reply, told) = oneshot::channel();
        match self.shared().post(Message::Step(reply)) {
            Some(_) => Stepped::Ended,
            None => told.await.unwrap_or(Stepped::Ended),
        }
    }

    /// Lets a run that stands still go on by itself.
    pub fn go_on(&self) {
        self.shared().post(Message::GoOn);
    }
}
