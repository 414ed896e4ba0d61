//! The spans of runs, steps and calls. No step's span lies in another's: along the events they would nest without bound.
//! None stays open while its run waits for somebody: what follows a pause is new spans that are linked to those before.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use stepcast_core::engine::{ExecKey, Failure, Time};
use stepcast_core::{BoxFuture, StepError, StepIx, StepOutput, Usage};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::notes::Stretch;
use super::{SpanKind, SpanStart, TraceContext, tracer};
use crate::run::{Message, RunEnd, RunError, RunShared};

/// A stretch goes on over a pause that the run itself ends so soon after the stretch began: retries and short timers.
const GOES_ON_FOR: Duration = Duration::from_secs(60);

/// Whether somebody wants spans. All that a run costs where nobody does.
#[inline(always)]
pub(crate) fn is_traced() -> bool {
    tracing::enabled!(target: "stepcast", tracing::Level::DEBUG)
}

impl RunShared {
    /// Begins a stretch unless there is one; either way it is linked to what came from outside meanwhile. For the
    /// dispatcher alone, and only where somebody wants spans.
    #[cold]
    pub(crate) fn wake_trace(&self, now: Time) {
        let (woken, going_on, rested) = self.trace().with(|inner| {
            let going_on = inner.stretch.as_ref().map(|stretch| stretch.span.clone());
            (std::mem::take(&mut inner.woken), going_on, inner.rested)
        });
        if let Some(span) = going_on {
            if let Some(tracer) = tracer() {
                woken.iter().for_each(|context| tracer.link(&span, context));
            }
            return;
        }
        let (start, last) = self.kept_trace();
        let (run, workflow) = (self.id().as_str(), self.def().name());
        let span = tracing::debug_span!(
            target: "stepcast",
            parent: None,
            "run",
            otel.name = Empty,
            workflow.name = workflow,
            workflow.run_id = run,
            workflow.outcome = Empty,
            "error.type" = Empty,
        );
        let own = tracer().and_then(|tracer| {
            let is_first = last.is_none() && !rested;
            // A new stretch belongs to what woke it, or to nobody: one trace for days would be of no use.
            let parent = if is_first { start.as_ref() } else { woken.first() };
            let links = start.iter().chain(&last).chain(&woken).filter(|context| Some(*context) != parent);
            let mut distinct: Vec<TraceContext> = Vec::new();
            for link in links {
                if !distinct.contains(link) {
                    distinct.push(link.clone());
                }
            }
            tracer.begin(&span, SpanStart::new(SpanKind::Run, workflow).parent(parent).links(&distinct));
            tracer.context(&span)
        });
        if let Some(own) = own.as_ref().filter(|_| !self.has_ended()) {
            self.keep_stretch(own);
        }
        self.trace().with(|inner| {
            inner.last = own;
            inner.stretch = Some(Stretch { span, begun: now, steps: Default::default() });
        });
    }

    /// Ends the stretch if the run has ended or waits for something outside; `due` is when it goes on by itself.
    #[cold]
    pub(crate) fn rest_trace(self: &Arc<Self>, ended: bool, due: Option<Time>) {
        let Some(trace) = self.trace_if_any() else { return };
        let goes_on = trace.with(|inner| {
            let stretch = inner.stretch.as_ref()?;
            Some(!ended && due.is_some_and(|due| due <= stretch.begun.after(GOES_ON_FOR)))
        });
        match goes_on {
            Some(false) if ended || !self.has_child_awake() => self.end_stretch(),
            _ => {}
        }
    }

    /// Whether a child is awake in this process: what it does belongs to this stretch.
    fn has_child_awake(&self) -> bool {
        self.children().iter().any(|child| child.trace_if_any().is_some_and(|trace| trace.is_awake(child.has_ended())))
    }

    #[cold]
    fn end_stretch(self: &Arc<Self>) {
        let stretch = self.trace().with(|inner| {
            inner.rested = true;
            inner.stretch.take()
        });
        let Some(Stretch { span, steps, .. }) = stretch else { return };
        let end = self.outcome();
        let left = if end.is_some() { "cancelled" } else { "waiting" };
        for step in steps.into_values() {
            step.record("workflow.outcome", left);
            over(&step);
        }
        let outcome = match end.map(RunEnd::result) {
            None => "waiting",
            Some(Ok(_)) => "completed",
            Some(Err(RunError::Cancelled)) => "cancelled",
            Some(Err(RunError::TimedOut { .. })) => "timed_out",
            Some(Err(RunError::ShuttingDown)) => "waiting",
            Some(Err(_)) => "failed",
        };
        span.record("workflow.outcome", outcome);
        if let (Some(Err(error)), Some(tracer), "failed" | "timed_out") = (end.map(RunEnd::result), tracer(), outcome) {
            let info = StepError::from(error.clone()).info();
            span.record("error.type", info.exception_type.as_str());
            tracer.fail(&span, &info.exception_type, &info.exception_message);
        }
        over(&span);
        // A parent goes on with its stretch only while its children are awake.
        let is_awake =
            |run: &Arc<RunShared>| run.trace_if_any().is_some_and(|trace| trace.with(|inner| inner.stretch.is_some()));
        if let (None, Some(parent)) = (end, self.parent().filter(is_awake)) {
            parent.post(Message::HandleGone);
        }
    }

    /// The span of an execution in this stretch. None after it.
    fn step_span(&self, step: &mut StepSpan) -> Option<Span> {
        let serial = step.key.serial;
        let found = self.trace_if_any()?.with(|inner| {
            let stretch = inner.stretch.as_ref()?;
            Some(stretch.steps.get(&serial).cloned().ok_or_else(|| stretch.span.clone()))
        })?;
        let parent = match found {
            Ok(span) => return Some(span),
            Err(parent) => parent,
        };
        let name = self.def().step(step.step).name();
        let span = tracing::debug_span!(
            target: "stepcast",
            parent: &parent,
            "execution",
            otel.name = Empty,
            workflow.run_id = self.id().as_str(),
            workflow.step = name,
            workflow.execution = i64::try_from(serial).unwrap_or(i64::MAX),
            workflow.attempt = i64::from(step.attempt),
            workflow.outcome = Empty,
            "error.type" = Empty,
        );
        if let Some(tracer) = tracer() {
            let before = step.before.take();
            tracer.begin(&span, SpanStart::new(SpanKind::Step, name).links(before.as_slice()));
            step.before = tracer.context(&span);
        }
        self.trace().with(|inner| {
            let stretch = inner.stretch.as_mut()?;
            stretch.steps.insert(serial, span.clone());
            Some(span)
        })
    }

    /// An attempt is over.
    #[cold]
    pub(crate) fn end_step(&self, key: ExecKey, failure: Option<&Failure>) {
        let Some(span) = self.take_step(key) else { return };
        let outcome = match failure {
            None => "completed",
            Some(Failure { retry_after: Some(_), .. }) => "retried",
            Some(_) => "failed",
        };
        span.record("workflow.outcome", outcome);
        if let Some(Failure { error, .. }) = failure {
            span.record("error.type", error.exception_type.as_str());
            if let Some(tracer) = tracer() {
                tracer.fail(&span, &error.exception_type, &error.exception_message);
            }
        }
        over(&span);
    }

    /// An execution is given up before its end.
    pub(crate) fn drop_step(&self, key: ExecKey) {
        if let Some(span) = self.take_step(key) {
            span.record("workflow.outcome", "withdrawn");
            over(&span);
        }
    }

    fn take_step(&self, key: ExecKey) -> Option<Span> {
        self.trace_if_any()?.with(|inner| inner.stretch.as_mut()?.steps.remove(&key.serial))
    }
}

/// The span is over, also if something in a parked future still holds it.
fn over(span: &Span) {
    if let Some(tracer) = tracer() {
        tracer.end(span);
    }
}

/// Whose span an attempt is polled in. It is looked up at each poll: after a pause it is another one.
pub(crate) struct StepSpan {
    run: Arc<RunShared>,
    key: ExecKey,
    step: StepIx,
    attempt: u32,
    /// Where the last of its spans was.
    before: Option<TraceContext>,
}

impl StepSpan {
    pub(crate) fn new(run: &Arc<RunShared>, key: ExecKey, step: StepIx, attempt: u32) -> Self {
        StepSpan { run: Arc::clone(run), key, step, attempt, before: None }
    }

    fn span(&mut self) -> Span {
        let run = Arc::clone(&self.run);
        run.step_span(self).unwrap_or_else(Span::none)
    }

    /// The same future, polled in its span.
    pub(crate) fn around(self, future: BoxFuture<'static, StepOutput>) -> BoxFuture<'static, StepOutput> {
        Box::pin(InSpan { span: self, future })
    }

    /// The same body, run in its span.
    pub(crate) fn around_body(
        mut self,
        body: Box<dyn FnOnce() -> StepOutput + Send>,
    ) -> Box<dyn FnOnce() -> StepOutput + Send> {
        let span = self.span();
        Box::new(move || span.in_scope(body))
    }
}

struct InSpan {
    span: StepSpan,
    future: BoxFuture<'static, StepOutput>,
}

impl Future for InSpan {
    type Output = StepOutput;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<StepOutput> {
        let this = &mut *self;
        let span = this.span.span();
        let _entered = span.enter();
        this.future.as_mut().poll(cx)
    }
}

/// Makes a call in a span of its own.
pub(crate) async fn over_call<T, E: Into<StepError>>(
    label: &str,
    made: impl Future<Output = Result<T, E>>,
    used: impl FnOnce(&T) -> Option<Usage>,
) -> Result<(T, Option<Usage>), StepError> {
    let span = tracing::debug_span!(
        target: "stepcast",
        "call",
        otel.name = Empty,
        workflow.call = label,
        workflow.outcome = Empty,
        "error.type" = Empty,
    );
    if let Some(tracer) = tracer() {
        tracer.begin(&span, SpanStart::new(SpanKind::Call, label));
    }
    let made = made.instrument(span.clone()).await.map_err(Into::into).map(|result| {
        let usage = used(&result);
        (result, usage)
    });
    match &made {
        Ok((_, usage)) => {
            span.record("workflow.outcome", "completed");
            if let (Some(tracer), Some(usage)) = (tracer(), usage) {
                tracer.used(&span, usage);
            }
        }
        Err(error) => {
            span.record("workflow.outcome", "failed");
            span.record("error.type", error.type_name());
            if let Some(tracer) = tracer() {
                tracer.fail(&span, error.type_name(), &error.info().exception_message);
            }
        }
    }
    over(&span);
    made
}
