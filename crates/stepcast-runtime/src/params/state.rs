use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stepcast_core::engine::OpKind;
use stepcast_core::state_cell::State as StateType;
use stepcast_core::{EventSet, ExtractError, Injected, Need, ParamSpec, StepCall, StepParam};

use crate::dispatch::env_exec;
use crate::exec::{ExecShared, OpLog, Recorded};
use crate::run::{Cell, lock};

/// One typed cell per state type and run, shared by all its steps; it begins with the type's default.
///
/// Edits run one at a time and are visible to every step when they return. An edit is recorded with its execution, so
/// a repeated execution gets its result and does not do it again (after a failed attempt: up to the last commit point).
pub struct State<S> {
    exec: Arc<ExecShared>,
    cell: Arc<Cell<S>>,
}

/// A state cell could not be edited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditStateError {
    /// The run has ended.
    #[error("The run has ended; its state is not edited any more.")]
    RunEnded,
    /// The execution that this handle belongs to is over.
    #[error("The execution that this handle belongs to is over; edit state inside the step's own body.")]
    ExecutionEnded,
    /// The execution has recorded as many results as it may.
    #[error(
        "The execution has recorded {bound} results, the most it may; split the step, or let the edit return `()`."
    )]
    RecordFull {
        /// The bound.
        bound: usize,
    },
    /// The edit's result, or what is recorded of it, does not fit its type. The edit itself was done.
    #[error("The result of an edit of `{state}` could not be recorded or read back: {source}.")]
    Result {
        /// The state.
        state: &'static str,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
}

impl<S: StateType> State<S> {
    /// A copy of the state as it is now. A read is not an operation: it shows the present.
    pub fn get(&self) -> S {
        lock(&self.cell.value).clone()
    }

    /// Looks at the state without copying it. Do not call back into the state from `read`.
    pub fn read<R>(&self, read: impl FnOnce(&S) -> R) -> R {
        read(&lock(&self.cell.value))
    }

    /// Changes the state. `edit` may run again where a backend finds a conflict, so it does nothing else. One that
    /// panics fails the attempt and leaves the state as far as it got: use [`try_edit`](Self::try_edit) to roll back.
    ///
    /// # Errors
    /// When the run or the execution is over, or the record is full.
    pub async fn edit<R>(&self, mut edit: impl FnMut(&mut S) -> R) -> Result<R, EditStateError>
    where
        R: Serialize + DeserializeOwned,
    {
        self.apply(|value| Ok::<R, std::convert::Infallible>(edit(value))).map(|Ok(result)| result)
    }

    /// Changes the state if `edit` gives `Ok`; an `Err` or a panic changes and records nothing. Works on a copy.
    ///
    /// # Errors
    /// The outer one as for [`edit`](Self::edit); the inner one is the closure's.
    pub async fn try_edit<R, E>(
        &self,
        mut edit: impl FnMut(&mut S) -> Result<R, E>,
    ) -> Result<Result<R, E>, EditStateError>
    where
        R: Serialize + DeserializeOwned,
    {
        self.apply(|value| {
            let mut copy = value.clone();
            let result = edit(&mut copy)?;
            *value = copy;
            Ok(result)
        })
    }

    /// Replaces the state.
    ///
    /// # Errors
    /// As for [`edit`](Self::edit).
    pub async fn set(&self, value: S) -> Result<(), EditStateError> {
        self.edit(|state| *state = value.clone()).await
    }

    fn apply<R, E>(&self, edit: impl FnOnce(&mut S) -> Result<R, E>) -> Result<Result<R, E>, EditStateError>
    where
        R: Serialize + DeserializeOwned,
    {
        if self.exec.run.has_ended() {
            return Err(EditStateError::RunEnded);
        }
        if self.exec.is_over() {
            return Err(EditStateError::ExecutionEnded);
        }
        let fail = |source| EditStateError::Result { state: S::NAME, source };
        let mut value = lock(&self.cell.value);
        let mut log = self.exec.log();
        // A result without data needs no record but its count.
        if size_of::<R>() == 0 {
            if let Some(result) = log.count_if(OpKind::Edit, S::NAME, || edit(&mut value)) {
                if self.exec.is_kept {
                    self.edited(&mut log, result.is_ok());
                    drop((log, value));
                    self.exec.nudge();
                }
                return Ok(result);
            }
            return serde_json::from_value(serde_json::Value::Null).map(Ok).map_err(fail);
        }
        let ordinal = log.next(OpKind::Edit, S::NAME);
        if log.was_done(OpKind::Edit, S::NAME, ordinal) {
            let recorded = match log.recorded(OpKind::Edit, S::NAME, ordinal) {
                Some(Recorded::Json(value)) => value.clone(),
                _ => serde_json::Value::Null,
            };
            return serde_json::from_value(recorded).map(Ok).map_err(fail);
        }
        let bound = self.exec.run.def().policy().max_records;
        if log.is_full(bound) {
            return Err(EditStateError::RecordFull { bound });
        }
        match edit(&mut value) {
            Ok(result) => match serde_json::to_value(&result) {
                Ok(json) => {
                    log.record(OpKind::Edit, S::NAME, ordinal, Recorded::Json(json), bound);
                    self.edited(&mut log, true);
                    drop((log, value));
                    self.exec.nudge();
                    Ok(Ok(result))
                }
                // The edit stays, and stays done: undoing it would take a copy of the state for every edit.
                Err(source) => {
                    log.record(OpKind::Edit, S::NAME, ordinal, Recorded::Done, usize::MAX);
                    self.edited(&mut log, true);
                    Err(fail(source))
                }
            },
            Err(error) => {
                log.step_back(OpKind::Edit, S::NAME);
                Ok(Err(error))
            }
        }
    }
}

impl<S> State<S> {
    /// Notes an edit for a journal, while the cell is locked.
    #[cold]
    fn edited(&self, log: &mut OpLog, done: bool) {
        if done && self.exec.is_kept {
            self.cell.changed.store(true, Ordering::Relaxed);
            self.exec.touch(log);
        }
    }
}

impl<S> Clone for State<S> {
    fn clone(&self) -> Self {
        State { exec: Arc::clone(&self.exec), cell: Arc::clone(&self.cell) }
    }
}

impl<S> std::fmt::Debug for State<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl<S: StateType> StepParam for State<S> {
    const PARAM: ParamSpec =
        ParamSpec::Injected(Injected { kind: "state", sends: EventSet::None, needs: Some(Need::of::<S>()) });

    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError> {
        let exec = env_exec(call).ok_or(ExtractError::OutsideRun { what: "State" })?;
        let cell = exec.run.data().cell::<S>();
        let cell = cell.map_err(|source| ExtractError::State { name: S::NAME.to_owned(), source })?;
        Ok(State { exec, cell })
    }
}
