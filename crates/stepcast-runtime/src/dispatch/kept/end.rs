//! The end of a kept run: recorded first, then known.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use stepcast_core::ErrorInfo;
use stepcast_core::backend::{StatusChange, WriteError};
use stepcast_core::engine::{Commands, Outcome, RunFailure, Tick, TickKind, reduce};

use super::capture::Take;
use super::journal::Held;
use crate::clock;
use crate::dispatch::{Dispatch, RunCore};
use crate::durable;
use crate::run::{Message, RunEnd, RunError, SharedError, lock};

/// Why a stored run ended without a stop event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredFailure {
    #[serde(flatten)]
    pub(crate) error: ErrorInfo,
    /// The run's timeout in microseconds, if that was used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) active_steps: Vec<String>,
    /// The step that failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attempts: Option<u32>,
}

impl Dispatch {
    /// Puts the run's end into the next batch.
    pub(super) fn hold_end(&mut self, core: &mut RunCore, end: RunEnd) {
        // What steps wrote before is on the stream before the last event; later nothing is.
        if let Err(error) = self.capture(core, Take::Changes) {
            tracing::warn!(target: "stepcast", %error, "the last change of a state is not kept");
        }
        if let Some(keeping) = self.env.run.keeping() {
            let _data = self.env.run.data();
            keeping.seal();
        }
        let now = core.now;
        let Some(journal) = core.journal.as_deref_mut() else { return };
        let last = end.terminal_event();
        let fields = journal.add_event_row(&last, now);
        journal.batch.status = Some(match end.result() {
            // The stream's last event is the stop event, unless that could not be copied.
            Ok(stop) if last.meta().is_some_and(|meta| meta.hash == stop.meta().hash) => completed(&end, fields),
            _ => status_of(&end),
        });
        journal.batch.ends_children =
            self.env.run.keeping().is_some_and(|keeping| keeping.has_children.load(Ordering::Relaxed));
        journal.waits = false;
        journal.wake_parent(now);
        journal.held.push(Held::Finish(Box::new(end)));
    }

    /// Something of the run can never be written: it ends with that.
    pub(super) fn cannot_keep(&mut self, core: &mut RunCore, error: RunError) {
        if core.state.has_ended() {
            return;
        }
        // The reducer cannot fail, so it is told in the only words it has.
        let tick = Tick { at: core.now, kind: TickKind::Cancel };
        reduce(&self.env.run.program.def, &mut core.state, tick, &mut Commands::new(false));
        self.hold_end(core, RunEnd::refused(error, core.now));
    }

    /// The backend did not take a batch: nothing of it happened, and the run goes on from the store when it can.
    pub(super) fn lost(&mut self, core: &mut RunCore, error: WriteError) {
        let id = self.env.run.id();
        let run = id.to_string();
        if let Some(journal) = core.journal.as_deref_mut() {
            journal.held.clear();
            journal.flight = None;
        }
        let error = match error {
            WriteError::RunExists { .. } => RunError::DuplicateRunId { id: run },
            // Another try would come to the same.
            WriteError::TooLarge { .. } => {
                let source = SharedError::new(Box::new(error));
                return self.end_aside(core, RunError::NotKept { source });
            }
            error => {
                tracing::error!(target: "stepcast", run, %error, "a run stopped because it could not be written");
                if let (true, Some(link)) = (leaves_lease(&error), self.env.run.link()) {
                    link.give_back_later(id);
                }
                RunError::Storage { source: Arc::new(error) }
            }
        };
        self.stop(core, error);
    }

    /// What is in memory of the run is of no use any more: it ends with that, as far as the store has it. Its end is known
    /// once it is durable.
    pub(in crate::dispatch) fn end_aside(&mut self, core: &mut RunCore, error: RunError) {
        self.env.run.ending.store(true, Ordering::Release);
        core.ended = true;
        core.journal = None;
        self.drop_all(core);
        tokio::spawn(durable::end_in_store(Arc::clone(&self.env.run), error));
    }

    /// The run goes on no longer here; in the store it stays as it is, and so do its children.
    pub(in crate::dispatch) fn stop(&mut self, core: &mut RunCore, error: RunError) {
        if let Some(rare) = self.env.run.rare_if_any() {
            lock(&rare.children).clear();
        }
        core.let_go(&self.env.run);
        self.conclude(core, RunEnd::refused(error.clone(), clock::now()));
        // A parent in memory is told where it waits.
        if let Some(parent) = self.env.run.parent().filter(|parent| !parent.is_in_memory()) {
            parent.post(Message::Stop(error));
        }
    }
}

impl RunCore {
    /// The original of the error that ended the run, as long as it is there.
    pub(in crate::dispatch) fn take_final_error(&mut self, outcome: &Outcome) -> Option<stepcast_core::StepError> {
        match outcome {
            Outcome::Failed(RunFailure::Step { execution, .. }) => {
                self.more.as_deref_mut().and_then(|more| more.errors.remove(execution))
            }
            _ => None,
        }
    }
}

/// Whether the lease is still ours after this: the store takes nothing more under it, not even that it is given back.
fn leaves_lease(error: &WriteError) -> bool {
    use WriteError::{Ended, FencedOff, RunExists, UnknownRun};
    !matches!(error, FencedOff { .. } | RunExists { .. } | UnknownRun { .. } | Ended { .. })
}

fn completed(end: &RunEnd, result: String) -> StatusChange {
    StatusChange::Completed { result, failures: end.failures }
}

pub(crate) fn status_of(end: &RunEnd) -> StatusChange {
    let error = match end.result() {
        Ok(stop) => {
            return completed(end, stop.as_erased().to_value().unwrap_or_default().to_string());
        }
        Err(error) => error,
    };
    let mut stored =
        StoredFailure { error: end.info(), timeout: None, active_steps: Vec::new(), step: None, attempts: None };
    match error {
        RunError::TimedOut { after, active_steps } => {
            stored.timeout = Some(u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
            stored.active_steps = active_steps.clone();
        }
        RunError::StepFailed { step, attempts, .. } => {
            (stored.step, stored.attempts) = (Some(step.clone()), Some(*attempts));
        }
        _ => {}
    }
    let text = serde_json::to_string(&stored).unwrap_or_default();
    match error {
        RunError::TimedOut { .. } => StatusChange::TimedOut { error: text },
        RunError::Cancelled => StatusChange::Cancelled { error: text },
        _ => StatusChange::Failed { error: text },
    }
}
