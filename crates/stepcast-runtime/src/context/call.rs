use std::borrow::Cow;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stepcast_core::engine::OpKind;
use stepcast_core::{AnyEvent, BoxFuture, CallEvent, CallStatus, StepError};

use super::op::Gone;
use super::{Context, SendSet};
use crate::exec::{ExecShared, Recorded};
use crate::stream::EventKind;

/// What a call does to the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// It only reads: its result may serve other runs too, where a cache is set up.
    #[default]
    Read,
    /// It changes something: its result serves this execution alone.
    Write,
}

/// A memoised side effect, made by [`Context::call`]. Await it.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'a, F> {
    exec: Arc<ExecShared>,
    label: Cow<'static, str>,
    effect: Effect,
    rerun: bool,
    body: F,
    /// What the closure may borrow from.
    borrows: PhantomData<&'a ()>,
}

/// A call gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The closure failed; nothing is recorded, so a repeated execution calls again.
    #[error("The call `{label}` failed: {source}")]
    Failed {
        /// The call's label.
        label: String,
        /// The closure's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The recorded result does not fit the type it is now asked for, or the result cannot be recorded.
    #[error("The result of the call `{label}` does not fit its type: {source}. Give a changed call a new label.")]
    Result {
        /// The call's label.
        label: String,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The execution has recorded as many results as it may.
    #[error(
        "The execution has recorded {bound} results, the most it may; split the step. The call `{label}` was not made."
    )]
    RecordFull {
        /// The call's label.
        label: String,
        /// The bound.
        bound: usize,
    },
    /// The run has ended.
    #[error("The run has ended; the call `{label}` was not made.")]
    RunEnded {
        /// The call's label.
        label: String,
    },
    /// The execution that this context belongs to is over.
    #[error("The execution that this context belongs to is over; the call `{label}` was not made.")]
    ExecutionEnded {
        /// The call's label.
        label: String,
    },
}

impl<S: SendSet> Context<S> {
    /// Runs a side effect once per execution: its result is recorded, and a repeated execution gets the record instead
    /// of doing it again, whatever made it repeat. Several calls under one label are told apart by their order.
    ///
    /// Between the effect and its record it is at-least-once: use [`call_keyed`](Self::call_keyed) and hand the key to
    /// a service that knows idempotency keys.
    pub fn call<'a, T, E, Fut, F>(
        &self,
        label: impl Into<Cow<'static, str>>,
        body: F,
    ) -> Call<'a, impl FnOnce(String) -> Fut + Send + 'a>
    where
        F: FnOnce() -> Fut + Send + 'a,
        Fut: Future<Output = Result<T, E>> + Send + 'a,
        E: Into<StepError>,
    {
        self.call_keyed(label, move |_| body())
    }

    /// As [`call`](Self::call); the closure gets a key that is the same for every repetition of this call and unlike
    /// that of any other.
    pub fn call_keyed<'a, T, E, Fut, F>(&self, label: impl Into<Cow<'static, str>>, body: F) -> Call<'a, F>
    where
        F: FnOnce(String) -> Fut + Send + 'a,
        Fut: Future<Output = Result<T, E>> + Send + 'a,
        E: Into<StepError>,
    {
        let (exec, label) = (Arc::clone(&self.exec), label.into());
        Call { exec, label, effect: Effect::Read, rerun: false, body, borrows: PhantomData }
    }
}

impl<F> Call<'_, F> {
    /// Declares what the call does to the world.
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Asks for the closure to run again whenever the execution is repeated.
    pub fn rerun(mut self) -> Self {
        self.rerun = true;
        self
    }
}

impl<F> Call<'_, F> {
    async fn run<T, E, Fut>(self) -> Result<T, CallError>
    where
        F: FnOnce(String) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
        E: Into<StepError>,
    {
        let Call { exec, label, effect: _, rerun, body, .. } = self;
        let name = || label.clone().into_owned();
        match Gone::check(&exec) {
            Some(Gone::Run) => return Err(CallError::RunEnded { label: name() }),
            Some(Gone::Execution) => return Err(CallError::ExecutionEnded { label: name() }),
            None => {}
        }
        let bound = exec.run.def().policy().max_records;
        let (ordinal, recorded) = {
            let mut log = exec.log();
            let ordinal = log.next(OpKind::Call, &label);
            let recorded = match log.recorded(OpKind::Call, &label, ordinal) {
                Some(Recorded::Json(value)) => Some(value.clone()),
                _ => None,
            };
            if recorded.is_none() && log.is_full(bound) {
                return Err(CallError::RecordFull { label: name(), bound });
            }
            (ordinal, recorded)
        };
        let had_record = recorded.is_some();
        if let Some(value) = recorded.filter(|_| !rerun) {
            show(&exec, &label, CallStatus::Hit, "an earlier attempt of this execution recorded its result");
            return serde_json::from_value(value).map_err(|source| CallError::Result { label: name(), source });
        }
        let key = format!("{}:{}:{}:{}", exec.run.id(), exec.key.serial, label, ordinal);
        match body(key).await.map_err(Into::<StepError>::into) {
            Ok(result) => {
                let value =
                    serde_json::to_value(&result).map_err(|source| CallError::Result { label: name(), source })?;
                exec.log().record(OpKind::Call, &label, ordinal, Recorded::Json(value), bound);
                exec.kept().await;
                let (status, reason) = match had_record {
                    true => (CallStatus::Bypass, "the call asks to be repeated with its execution"),
                    false => (CallStatus::Miss, "no result was recorded yet"),
                };
                show(&exec, &label, status, reason);
                Ok(result)
            }
            Err(error) => {
                show(&exec, &label, CallStatus::Failed, "the closure failed");
                Err(CallError::Failed { label: name(), source: error.into_source() })
            }
        }
    }
}

fn show(exec: &ExecShared, label: &str, status: CallStatus, reason: &str) {
    if exec.run.wants_internal() {
        let step = exec.step_def().name().to_owned();
        let event =
            CallEvent { label: label.to_owned(), step, execution: exec.key.serial, status, reason: reason.to_owned() };
        exec.run.frame(EventKind::Internal, AnyEvent::new(event));
    }
}

impl<'a, T, E, Fut, F> IntoFuture for Call<'a, F>
where
    F: FnOnce(String) -> Fut + Send + 'a,
    Fut: Future<Output = Result<T, E>> + Send + 'a,
    T: Serialize + DeserializeOwned + Send + 'a,
    E: Into<StepError> + 'a,
{
    type Output = Result<T, CallError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<F> std::fmt::Debug for Call<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("label", &self.label).field("effect", &self.effect).finish_non_exhaustive()
    }
}
