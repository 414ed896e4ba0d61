use std::sync::{Arc, Mutex};

use stepcast_core::StepError;

/// What a test changes about a run: the order in which ready executions start, and faults.
#[derive(Clone, Debug, Default)]
pub struct TestHooks {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    rng: u64,
}

impl TestHooks {
    /// Chooses among so many ready executions.
    pub(crate) fn pick(&self, _ready: usize) -> usize {
        let _ = &self.inner;
        0
    }

    /// The fault to inject into this attempt, if any.
    pub(crate) fn fault(&self, _step: &str, _attempt: u32) -> Option<StepError> {
        None
    }
}
