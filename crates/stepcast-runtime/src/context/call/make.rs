//! How a call comes by its result.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stepcast_core::backend::CacheRow;
use stepcast_core::engine::{OpKind, Time};
use stepcast_core::journal::CallRecord;
use stepcast_core::{AnyEvent, CallEvent, CallReason, StepError, Usage};

use super::key::cache_key;
use super::lookup::Lookup;
use super::spend::{Refusal, Reservation};
use super::{CallError, Plan};
use crate::clock;
use crate::context::op::Gone;
use crate::exec::{ExecShared, Recorded};
use crate::stream::EventKind;
use crate::telemetry::{is_traced, over_call};

/// One call: whose it is, and what is told of it.
struct Site {
    exec: Arc<ExecShared>,
    label: Cow<'static, str>,
    ordinal: u32,
    key: Option<String>,
    /// When it began, if somebody wants to know.
    begun: Option<Time>,
}

impl Plan {
    /// The recorded result, else what `body` gives: a call without a key and without usage. On its own, so that its
    /// future is small.
    pub(super) async fn make_plain<T, E, Fut>(self, body: impl FnOnce(String) -> Fut) -> Result<T, CallError>
    where
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
        E: Into<StepError>,
    {
        let rerun = self.rerun;
        let mut site = Site::of(self.exec, self.label);
        site.check()?;
        let recorded = site.recorded()?;
        let reason = if recorded.is_some() { CallReason::Rerun } else { CallReason::NotRecorded };
        if let Some(value) = recorded.filter(|_| !rerun) {
            return site.replay(value);
        }
        let made = match is_traced() {
            false => body(site.idempotency_key()).await.map_err(Into::<StepError>::into),
            true => Box::pin(over_call(&site.label, body(site.idempotency_key()), |_| None)).await.map(|made| made.0),
        };
        match made {
            Ok(result) => {
                let value = serde_json::to_value(&result).map_err(|source| site.unfit(source))?;
                site.record(Recorded::Json(value));
                site.exec.kept().await;
                site.tell(reason, None, None);
                Ok(result)
            }
            Err(error) => Err(site.failed(error)),
        }
    }

    /// The recorded result, else the cached one, else what `body` gives, if the budget allows it.
    pub(super) async fn make<T, E, Fut>(
        self,
        body: impl FnOnce(String) -> Fut,
        meter: Option<impl FnOnce(&T) -> Usage>,
    ) -> Result<T, CallError>
    where
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
        E: Into<StepError>,
    {
        let Plan { exec, label, effect, rerun, more } = self;
        let mut site = Site::of(exec, label);
        site.check()?;
        let recorded = site.recorded()?;
        let had_record = recorded.is_some();
        if let Some(value) = recorded.filter(|_| !rerun) {
            return site.replay(value);
        }
        let more = more.map(|more| *more).unwrap_or_default();
        let mut lookup = match more.key {
            None => Lookup::without_key(had_record),
            Some(content) => {
                let content = content.map_err(|source| CallError::Key { label: site.name(), source })?;
                let run = &site.exec.run;
                let key = site.key.insert(cache_key(run.def().name(), &more.namespace, &content));
                // Boxed, and so is what follows a hit: the future of a plain call has no room for it.
                let lookup = Box::pin(Lookup::of(run, key, effect, more.policy, had_record)).await;
                site.check()?;
                lookup
            }
        };
        if let Some(row) = lookup.hit.take() {
            match Box::pin(site.take_cached(row)).await {
                Some(result) => return Ok(result),
                None => lookup.reason = CallReason::Unfit,
            }
        }

        let is_metered = meter.is_some() || more.estimate.is_some();
        let reservation = match is_metered {
            true => Some(Reservation::of(&site.exec.run, more.estimate).map_err(|it| site.refused(it, more.estimate))?),
            false => None,
        };
        let used = |result: &T| meter.map(|meter| meter(result));
        let made = match is_traced() {
            false => body(site.idempotency_key()).await.map_err(Into::<StepError>::into).map(|result| {
                let usage = used(&result);
                (result, usage)
            }),
            true => Box::pin(over_call(&site.label, body(site.idempotency_key()), used)).await,
        };
        let (result, usage) = match made {
            Ok(made) => made,
            Err(error) => {
                drop(reservation);
                return Err(site.failed(error));
            }
        };
        let usage = usage.or(more.estimate);
        let value = serde_json::to_value(&result).map_err(|source| site.unfit(source));
        let shared = lookup.put.as_ref().and_then(|_| Some(value.as_ref().ok()?.to_string()));
        let about = CallRecord { reason: lookup.reason, key: site.key.clone(), usage };
        let value = value.map(|value| Recorded::Call { value, about: Box::new(about) });
        // What was used up is used up, also if the result cannot be recorded.
        let recorded = site.settle(reservation, usage.unwrap_or_default(), value);
        site.exec.kept().await;
        recorded?;
        if let (Some(cache), Some(json), Some(key)) = (lookup.put, shared, site.key.clone()) {
            let run = &site.exec.run;
            let (workflow, made_by) = (run.def().name().to_owned(), run.id().to_string());
            let namespace = more.namespace.into_owned();
            let row = CacheRow { key, workflow, namespace, run: made_by, json, at: clock::now() };
            lookup.error = cache.put(row).await.err();
        }
        if let Some(error) = &lookup.error {
            tracing::warn!(target: "stepcast", call = %site.label, %error, "the cache of calls failed");
        }
        site.tell(lookup.reason, usage, lookup.error.as_ref().map(|error| error as &dyn Display));
        Ok(result)
    }
}

impl Site {
    fn of(exec: Arc<ExecShared>, label: Cow<'static, str>) -> Self {
        let begun = exec.run.wants_internal().then(clock::now);
        Site { exec, label, ordinal: 0, key: None, begun }
    }

    fn name(&self) -> String {
        self.label.clone().into_owned()
    }

    fn check(&self) -> Result<(), CallError> {
        match Gone::check(&self.exec) {
            Some(Gone::Run) => Err(CallError::RunEnded { label: self.name() }),
            Some(Gone::Execution) => Err(CallError::ExecutionEnded { label: self.name() }),
            None => Ok(()),
        }
    }

    /// Takes the call's place in the execution's record, and what is recorded there.
    fn recorded(&mut self) -> Result<Option<Value>, CallError> {
        let bound = self.bound();
        let mut log = self.exec.log();
        self.ordinal = log.next(OpKind::Call, &self.label);
        let recorded = match log.recorded(OpKind::Call, &self.label, self.ordinal) {
            Some(Recorded::Json(value) | Recorded::Call { value, .. }) => Some(value.clone()),
            _ => None,
        };
        if recorded.is_none() && log.is_full(bound) {
            return Err(CallError::RecordFull { label: self.name(), bound });
        }
        Ok(recorded)
    }

    /// Gives what is recorded.
    fn replay<T: DeserializeOwned>(&self, value: Value) -> Result<T, CallError> {
        self.tell(CallReason::Recorded, None, None);
        serde_json::from_value(value).map_err(|source| self.unfit(source))
    }

    fn failed(&self, error: StepError) -> CallError {
        let source = error.into_source();
        self.tell(CallReason::Failed, None, Some(&source));
        CallError::Failed { label: self.name(), source }
    }

    fn bound(&self) -> usize {
        self.exec.run.def().policy().max_records
    }

    fn record(&self, result: Recorded) {
        let mut log = self.exec.log();
        log.record(OpKind::Call, &self.label, self.ordinal, result, self.bound());
        self.exec.touch(&mut log);
    }

    /// The same for each repetition of this call, and unlike that of any other.
    fn idempotency_key(&self) -> String {
        format!("{}:{}:{}:{}", self.exec.run.id(), self.exec.key.serial, self.label, self.ordinal)
    }

    /// The cached result, on record from now on, so that the execution gets the same when it is repeated. `None` if it
    /// does not fit its type: the key was made by other code, which is no reason to fail.
    async fn take_cached<T: DeserializeOwned>(&self, row: CacheRow) -> Option<T> {
        let value: Value = serde_json::from_str(&row.json).ok()?;
        let result = T::deserialize(&value).ok()?;
        let about = CallRecord { reason: CallReason::Cached, key: self.key.clone(), usage: None };
        self.record(Recorded::Call { value, about: Box::new(about) });
        self.exec.kept().await;
        self.tell(CallReason::Cached, None, Some(&format_args!("the run `{}` made the call", row.run)));
        Some(result)
    }

    /// Records the result and, in the same moment, what it used up.
    fn settle(
        &self,
        reservation: Option<Reservation>,
        used: Usage,
        result: Result<Recorded, CallError>,
    ) -> Result<(), CallError> {
        let mut kept = Ok(());
        let record = || match result {
            Ok(result) => self.record(result),
            Err(error) => kept = Err(error),
        };
        match reservation {
            Some(reservation) => reservation.settle(used, record),
            None => record(),
        }
        kept
    }

    fn unfit(&self, source: serde_json::Error) -> CallError {
        CallError::Result { label: self.name(), source }
    }

    fn refused(&self, refusal: Refusal, asked: Option<Usage>) -> CallError {
        let label = self.name();
        match refusal {
            Refusal::Exhausted { run, left } => {
                self.tell(CallReason::OverBudget, asked, Some(&format_args!("what is left is {left}")));
                CallError::BudgetExhausted { label, run, asked, left }
            }
            Refusal::Unreadable(source) => CallError::Spent { label, source },
        }
    }

    fn tell(&self, reason: CallReason, usage: Option<Usage>, detail: Option<&dyn Display>) {
        if !self.exec.run.wants_internal() {
            return;
        }
        let sentence = reason.sentence();
        let event = CallEvent {
            label: self.name(),
            step: self.exec.step_def().name().to_owned(),
            execution: self.exec.key.serial,
            attempt: self.exec.attempt,
            status: reason.status(),
            reason: detail.map_or_else(|| sentence.to_owned(), |detail| format!("{sentence}: {detail}")),
            key: self.key.clone(),
            usage,
            took: self.begun.map_or(0, |begun| clock::now().0.saturating_sub(begun.0)),
        };
        self.exec.run.frame(EventKind::Internal, AnyEvent::new(event));
    }
}
