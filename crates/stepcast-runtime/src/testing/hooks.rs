use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use stepcast_core::{StepError, StepPanicked};

use super::seed::Rng;
use crate::run::lock;

/// What a test changes about a run: the order in which ready executions start, and faults. Clones share it, so that a
/// restored run goes on with it.
#[derive(Clone, Debug)]
pub(crate) struct TestHooks {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    rng: Rng,
    faults: Vec<Fault>,
    /// Attempts begun so far, by step.
    begun: HashMap<String, u32>,
}

/// A fault to inject.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) step: String,
    pub(super) when: When,
    pub(super) what: What,
}

/// Which attempts of the step a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The step's n-th attempt in the run, whatever execution makes it.
    Nth(u32),
    /// The n-th attempt of each execution.
    Attempt(u32),
    Always,
}

/// What a fault is.
pub(super) enum What {
    Error(Option<StepError>),
    Make(Box<dyn Fn() -> StepError + Send>),
    Panic,
}

impl TestHooks {
    pub(super) fn new(seed: u64, faults: Vec<Fault>) -> Self {
        TestHooks { inner: Arc::new(Mutex::new(Inner { rng: Rng::new(seed), faults, begun: HashMap::new() })) }
    }

    /// Chooses among so many ready executions.
    pub(crate) fn pick(&self, ready: usize) -> usize {
        lock(&self.inner).rng.below(ready)
    }

    /// The fault to inject into this attempt, if any.
    pub(crate) fn fault(&self, step: &str, attempt: u32) -> Option<StepError> {
        let mut inner = lock(&self.inner);
        if inner.faults.is_empty() {
            return None;
        }
        let begun = inner.begun.entry(step.to_owned()).or_insert(0);
        *begun += 1;
        let nth = *begun;
        inner.faults.iter_mut().filter(|fault| fault.step == step && fault.when.strikes(nth, attempt)).find_map(
            |fault| match &mut fault.what {
                What::Error(error) => error.take(),
                What::Make(make) => Some(make()),
                What::Panic => Some(StepPanicked { message: "the test kit made it panic".to_owned() }.into()),
            },
        )
    }

    /// Names of the steps that faults are for.
    pub(super) fn steps(&self) -> Vec<String> {
        lock(&self.inner).faults.iter().map(|fault| fault.step.clone()).collect()
    }
}

impl When {
    fn strikes(self, nth: u32, attempt: u32) -> bool {
        match self {
            When::Nth(wanted) => nth == wanted,
            When::Attempt(wanted) => attempt == wanted,
            When::Always => true,
        }
    }
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Error(error) => f.debug_tuple("Error").field(error).finish(),
            What::Make(_) => f.write_str("Make"),
            What::Panic => f.write_str("Panic"),
        }
    }
}
