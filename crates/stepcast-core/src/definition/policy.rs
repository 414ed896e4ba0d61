use serde::{Deserialize, Serialize};

/// Bounds of a workflow's runs. What lies past one is a typed error or a report, never a silent loss.
///
/// Given by `#[workflow(Start => Stop, policy = ..)]`, `flow!` or [`WorkflowBuilder::policy`](crate::WorkflowBuilder::policy).
///
/// ```
/// # use stepcast_core::RunPolicy;
/// let policy = RunPolicy::new().max_running(64).max_fan_out(1_000);
/// assert_eq!(policy.max_queued, 1_000_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunPolicy {
    /// Executions that may run at the same time in one run. Default 65,536.
    pub max_running: usize,
    /// Executions that may be queued in one run; past it the run fails. Default 1,000,000.
    pub max_queued: usize,
    /// Events that one attempt may give and have undelivered when it ends; past it the attempt fails, and is not
    /// repeated. Default 1,000,000.
    pub max_fan_out: usize,
    /// Early events kept per type until somebody waits for them. Default 1,024; the oldest is dropped and reported.
    pub max_mailbox: usize,
    /// Events kept in one `collect_events` buffer. Default 65,536.
    pub max_collect: usize,
    /// Events that one execution may have sent but not delivered. Default 1,000,000.
    pub max_outbox: usize,
    /// Results that one execution may record. Default 10,000.
    pub max_records: usize,
}

impl Default for RunPolicy {
    fn default() -> Self {
        RunPolicy::new()
    }
}

macro_rules! setters {
    ($($bound:ident)*) => { $(
        #[doc = concat!("Sets [`", stringify!($bound), "`](RunPolicy#structfield.", stringify!($bound), ").")]
        #[must_use]
        pub const fn $bound(mut self, bound: usize) -> Self {
            self.$bound = bound;
            self
        }
    )* };
}

impl RunPolicy {
    /// The default bounds.
    pub const fn new() -> Self {
        RunPolicy {
            max_running: 65_536,
            max_queued: 1_000_000,
            max_fan_out: 1_000_000,
            max_mailbox: 1_024,
            max_collect: 65_536,
            max_outbox: 1_000_000,
            max_records: 10_000,
        }
    }

    setters!(max_running max_queued max_fan_out max_mailbox max_collect max_outbox max_records);
}
