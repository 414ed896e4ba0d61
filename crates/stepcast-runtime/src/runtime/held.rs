//! Runs whose launcher says when they begin, and may take their first steps himself.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use serde::de::Error;
use serde_json::Value;
use stepcast_core::{EventMeta, Payload};

use super::error::unfit;
use super::{Begin, Registered, Runtime, RuntimeError};
use crate::dispatch::{First, RunTask};
use crate::run::{AnyRun, Held, RunOptions, RunShared, Task, lock};
use crate::telemetry::TraceContext;

/// What a run starts with.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartWith<'a> {
    /// The JSON form of its start event.
    Data(&'a Value),
    /// Its start event.
    Event(Payload),
}

/// A run that was started and does nothing yet. It begins when it is told to, when it gets word from somebody else, or when
/// this is dropped: a run is never held for good.
#[derive(Debug)]
pub struct HeldRun {
    run: AnyRun,
    kept_as: String,
}

impl Runtime {
    /// As [`start`](Self::start), but the run may be held back until its launcher has noted it down, and may then take its
    /// first steps [in the launcher's task](HeldRun::begin_here). One that a backend keeps, that waits for a place among
    /// its workflow's runs or for resources is not held: it is under way when this returns.
    ///
    /// # Errors
    /// As for [`start`](Self::start), and when the event that is given is not the workflow's start event.
    pub fn hold(&self, name: &str, start: StartWith<'_>, mut options: RunOptions) -> Result<HeldRun, RuntimeError> {
        let found = self.find_open(name)?;
        let start = payload(&found, start).map_err(|source| unfit(name, found.start_meta(), source))?;
        let kept_as = found.kept_name(name);
        options.held = true;
        let run = self.launch(&kept_as, found, Begin::Start(start), options, None);
        Ok(HeldRun { run, kept_as })
    }
}

fn payload(found: &Registered, start: StartWith<'_>) -> Result<Payload, serde_json::Error> {
    let wanted = found.start_meta();
    let is_wanted = |meta: &EventMeta| meta.tag == wanted.tag && meta.type_id() == wanted.type_id();
    match start {
        StartWith::Data(data) => wanted.decode_ref(data).map(Payload::from_box),
        StartWith::Event(event) if is_wanted(event.meta()) => Ok(event),
        StartWith::Event(event) => Err(serde_json::Error::custom(format_args!("it is a `{}`", event.meta().tag))),
    }
}

impl HeldRun {
    /// The name that its workflow's runs are kept under.
    pub fn kept_as(&self) -> &str {
        &self.kept_as
    }

    /// Lets the run begin in a task of its own.
    pub fn begin(self) -> AnyRun {
        self.run.clone()
    }

    /// Lets the run begin here, for as long as it has something to do at once; what is left of it gets a task of its own.
    /// For who is going to wait for it and has nothing else to do meanwhile: a short run is over when this returns, and two
    /// switches of tasks are saved. Outside of a task of tokio's, and within a span or a trace of the caller's, which the
    /// run's steps would take for their own, it is as [`begin`](Self::begin).
    pub fn begin_here(self) -> AnyRun {
        if tokio::task::try_id().is_some()
            && tracing::Span::current().is_none()
            && TraceContext::current().is_none()
            && let Some(mut task) = self.run.shared().take_held()
        {
            // Nobody is told by this waker: a task looks at everything anew when it begins.
            if Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                tokio::spawn(task);
            }
        }
        self.begin()
    }
}

impl Deref for HeldRun {
    type Target = AnyRun;

    fn deref(&self) -> &AnyRun {
        &self.run
    }
}

impl Drop for HeldRun {
    fn drop(&mut self) {
        let inbox = lock(&self.run.shared().inbox);
        if let Task::Held(_) = inbox.task {
            self.run.shared().rouse(inbox);
        }
    }
}

impl RunShared {
    /// The task of a run that is held.
    fn take_held(self: &Arc<Self>) -> Option<RunTask> {
        let mut inbox = lock(&self.inbox);
        if !matches!(inbox.task, Task::Held(_)) {
            return None;
        }
        match std::mem::replace(&mut inbox.task, Task::Active) {
            Task::Held(held) => {
                let Held { start, .. } = *held;
                Some(RunTask::new(Arc::clone(self), First::Start(start)))
            }
            other => {
                inbox.task = other;
                None
            }
        }
    }
}
