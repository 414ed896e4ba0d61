use std::time::Duration;

use stepcast_core::Budget;
use stepcast_core::state_cell::State;

use super::{AnyRun, RunId};
use crate::context::{CachePolicy, CallCache, Ledger};
use crate::resources::Resources;
use crate::snapshot::StoreSnapshot;
use crate::telemetry::{Kept, TraceContext};

/// How a run differs from the default one.
///
/// ```
/// use std::time::Duration;
/// use stepcast_runtime::RunOptions;
///
/// let options = RunOptions::new().run_id("order-17").timeout(Duration::from_secs(60));
/// # let _ = options;
/// ```
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    pub(crate) run_id: Option<RunId>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) store: Option<StoreSnapshot>,
    pub(crate) resources: Option<Resources>,
    pub(crate) stream_bound: Option<usize>,
    pub(crate) mailbox: Mailbox,
    pub(crate) record_internal: bool,
    pub(crate) record_times: bool,
    pub(crate) max_running: Option<usize>,
    pub(crate) stepwise: bool,
    /// Its launcher says when it begins.
    pub(crate) held: bool,
    pub(crate) grace: Option<Duration>,
    pub(crate) budget: Option<Budget>,
    pub(crate) call_cache: Option<CallCache>,
    pub(crate) call_policy: Option<CachePolicy>,
    pub(crate) trace: Option<Box<TraceContext>>,
    #[cfg(feature = "testing")]
    pub(crate) test: Option<crate::testing::TestHooks>,
}

/// The bound of what comes from outside, and what happens past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Events that may wait to be routed. Default 65,536.
    pub bound: usize,
    /// What `send_event` does when there is no room: drop the event and report it as unhandled (`true`), or give it
    /// back as an error (`false`, the default). `send_event_wait` waits in either case.
    pub drop_when_full: bool,
}

impl Default for Mailbox {
    fn default() -> Self {
        Mailbox { bound: 65_536, drop_when_full: false }
    }
}

impl RunOptions {
    /// Whether a run without options would do the same.
    pub(crate) fn is_default(&self) -> bool {
        // Every field by name, so that a new one is not forgotten.
        let RunOptions {
            run_id: None,
            timeout: None,
            store: None,
            resources: None,
            stream_bound: None,
            mailbox,
            record_internal: false,
            record_times: false,
            max_running: None,
            stepwise: false,
            held: false,
            grace: None,
            budget: None,
            call_cache: None,
            call_policy: None,
            trace: None,
            #[cfg(feature = "testing")]
                test: None,
        } = self
        else {
            return false;
        };
        *mailbox == Mailbox::default()
    }

    /// The default options.
    pub fn new() -> Self {
        RunOptions::default()
    }

    /// A chosen id; a live run of the same id in the same [`Runtime`](crate::Runtime) is an error of the run.
    #[must_use]
    pub fn run_id(mut self, id: impl Into<RunId>) -> Self {
        self.run_id = Some(id.into());
        self
    }

    /// The run fails once something of it was queued or running for so long. Waiting for a person, an event, a retry
    /// or a deadline does not count. No timeout by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Begins with a copy of another run's store and typed state; what that one has used up is not this one's.
    #[must_use]
    pub fn state_from(mut self, run: &AnyRun) -> Self {
        self.store = Some(run.store_snapshot().without(Ledger::NAME).without(Kept::NAME));
        self
    }

    /// Supplies the `Res<T>` parameters of the steps.
    #[must_use]
    pub fn resources(mut self, resources: Resources) -> Self {
        self.resources = Some(resources);
        self
    }

    /// Logged stream events kept in memory. Default 65,536; a reader that reads too slowly, or asks for older ones, finds
    /// a `Lagged` item.
    #[must_use]
    pub fn stream_bound(mut self, events: usize) -> Self {
        self.stream_bound = Some(events.max(1));
        self
    }

    /// The bound of events that come from outside, and what happens past it.
    #[must_use]
    pub fn mailbox(mut self, mailbox: Mailbox) -> Self {
        self.mailbox = mailbox;
        self
    }

    /// Keeps internal frames from the first moment on, for graphs and causal chains of the whole run. Its
    /// children keep theirs too.
    #[must_use]
    pub fn record_internal(mut self) -> Self {
        self.record_internal = true;
        self
    }

    /// Notes when each event of the stream was logged: [`StreamEvent::at`](crate::StreamEvent::at). It is a look at the clock
    /// for each event; a run that a backend keeps has the times anyway. Its children note theirs too.
    #[must_use]
    pub fn record_times(mut self) -> Self {
        self.record_times = true;
        self
    }

    /// Executions that may run at the same time in the run. Default 65,536.
    #[must_use]
    pub fn max_running(mut self, executions: usize) -> Self {
        self.max_running = Some(executions.max(1));
        self
    }

    /// Stands still from the beginning: a step runs only when [`AnyRun::step`] lets it, until [`AnyRun::go_on`], or until
    /// nobody holds a handle any more and no [`Runtime`](crate::Runtime) has the run. It is not kept with the run: one that
    /// is taken up from its store, as after a crash, or restored from a snapshot without this, goes on by itself.
    #[must_use]
    pub fn stepwise(mut self) -> Self {
        self.stepwise = true;
        self
    }

    /// How long executions may go on after the run's end, their token cancelled. Default 0.5 s.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// What the run may use up, with all of its children, by what calls say of themselves. One that asks for more than
    /// is left is refused before it is made, with `CallError::BudgetExhausted`. A restored run keeps the budget that
    /// it had, unless it is given another.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Where calls with a key share their results with other runs. By default where its parent's
    /// do; else in the backend of the run's runtime, if it has one; else nowhere. It is not kept with the run.
    #[must_use]
    pub fn call_cache(mut self, cache: CallCache) -> Self {
        self.call_cache = Some(cache);
        self
    }

    /// What the cache is for calls that do not say so themselves. Default `CachePolicy::Auto`, or the parent's. A restored
    /// run keeps the policy that it had, unless it is given another.
    #[must_use]
    pub fn call_policy(mut self, policy: CachePolicy) -> Self {
        self.call_policy = Some(policy);
        self
    }

    /// The trace that the run belongs to, kept with it across pauses and processes. By default
    /// [`TraceContext::current`] where the run is started; a restored run keeps the one that it had.
    #[must_use]
    pub fn trace(mut self, context: TraceContext) -> Self {
        self.trace = Some(Box::new(context));
        self
    }
}
