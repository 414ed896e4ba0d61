//! What caused what in a recorded run, from the frames of its executions.

use std::collections::{BTreeMap, BTreeSet};

use stepcast_core::{ErrorInfo, GraphOverlay, StepOverlay, StepState, StepStateChanged};

/// An event of a run, and what gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainLink {
    /// The event's tag.
    pub event: String,
    /// The event's serial number within the run.
    pub serial: u64,
    /// The step that gave it; `None` for the start event and for what came from outside.
    pub step: Option<String>,
    /// Serial number of that step's execution.
    pub execution: Option<u64>,
}

/// One execution of a step in a recorded run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Execution {
    /// Its serial number within the run.
    pub serial: u64,
    /// Its step.
    pub step: String,
    /// Attempts begun.
    pub attempts: u32,
    /// Serial numbers of the events it ran for.
    pub cause: Vec<u64>,
    /// Serial numbers and tags of the events it gave.
    pub outputs: Vec<(u64, String)>,
    /// Why attempts failed, in order.
    pub errors: Vec<ErrorInfo>,
    /// When each attempt began and when it ended, in microseconds; the latter is missing for one the run's end cut off.
    pub times: Vec<(u64, Option<u64>)>,
    /// How often it gave up its worker to wait.
    pub waits: u32,
    /// What it was doing when the record ends.
    pub last_state: StepState,
    busy_micros: u64,
    busy_since: Option<u64>,
}

/// Executions and events of a run, by serial number.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) executions: BTreeMap<u64, Execution>,
    pub(crate) events: BTreeMap<u64, ChainLink>,
}

#[cfg_attr(not(feature = "testing"), allow(dead_code))]
impl Trace {
    pub(crate) fn of<'a>(frames: impl IntoIterator<Item = &'a StepStateChanged>) -> Self {
        let mut trace = Trace::default();
        for frame in frames {
            trace.add(frame);
        }
        trace
    }

    fn add(&mut self, frame: &StepStateChanged) {
        if let (Some(serial), Some(tag)) = (frame.cause.first().filter(|serial| **serial > 0), &frame.input_event_name)
        {
            let unknown = || ChainLink { event: tag.clone(), serial: *serial, step: None, execution: None };
            self.events.entry(*serial).or_insert_with(unknown);
        }
        for (serial, tag) in &frame.outputs {
            let (step, execution) = (Some(frame.name.clone()), Some(frame.execution));
            self.events.insert(*serial, ChainLink { event: tag.clone(), serial: *serial, step, execution });
        }
        self.executions.entry(frame.execution).or_insert_with(|| Execution::new(frame)).add(frame);
    }

    /// The way from the run's start, or from outside, to an event; of several causes, by the one that came last.
    pub(crate) fn chain_to(&self, serial: u64) -> Vec<ChainLink> {
        let mut chain = Vec::new();
        let mut next = Some(serial);
        while let Some(link) = next.and_then(|serial| self.events.get(&serial)) {
            let giver = link.execution.and_then(|execution| self.executions.get(&execution));
            // A cause is always older than what it led to; a damaged record must not lead in a circle.
            next = giver.and_then(|giver| giver.cause.iter().copied().filter(|cause| *cause < link.serial).max());
            chain.push(link.clone());
        }
        chain.reverse();
        chain
    }

    /// The events with this tag, and everything they led to without them.
    pub(crate) fn caused_by(&self, tag: &str) -> Vec<ChainLink> {
        let mut led: BTreeSet<u64> =
            self.events.values().filter(|link| link.event == tag).map(|link| link.serial).collect();
        let roots = led.clone();
        // Serial numbers grow from cause to effect, so one pass in their order finds everything.
        for link in self.events.values() {
            let giver = link.execution.and_then(|execution| self.executions.get(&execution));
            if giver.is_some_and(|giver| giver.cause.iter().any(|cause| led.contains(cause))) {
                led.insert(link.serial);
            }
        }
        led.iter()
            .filter(|serial| !roots.contains(serial))
            .filter_map(|serial| self.events.get(serial))
            .cloned()
            .collect()
    }

    pub(crate) fn overlay(&self) -> GraphOverlay {
        let mut overlay = GraphOverlay::default();
        for execution in self.executions.values() {
            let step: &mut StepOverlay = overlay.steps.entry(execution.step.clone()).or_default();
            step.failures += execution.errors.len() as u64;
            step.total_micros += execution.busy_micros;
            match execution.last_state {
                StepState::NotRunning => step.runs += 1,
                StepState::Running => step.running += 1,
                StepState::Waiting => step.waiting += 1,
                _ => {}
            }
        }
        for link in self.events.values() {
            *overlay.events.entry(link.event.clone()).or_default() += 1;
        }
        overlay
    }
}

impl Execution {
    fn new(frame: &StepStateChanged) -> Self {
        Execution {
            serial: frame.execution,
            step: frame.name.clone(),
            attempts: 0,
            cause: frame.cause.clone(),
            outputs: Vec::new(),
            errors: Vec::new(),
            times: Vec::new(),
            waits: 0,
            last_state: frame.step_state,
            busy_micros: 0,
            busy_since: None,
        }
    }

    fn add(&mut self, frame: &StepStateChanged) {
        if let Some(since) = self.busy_since.take() {
            self.busy_micros += frame.at.saturating_sub(since);
        }
        self.last_state = frame.step_state;
        self.outputs.extend(frame.outputs.iter().cloned());
        self.errors.extend(frame.error.clone());
        match frame.step_state {
            StepState::Running => {
                self.busy_since = Some(frame.at);
                if frame.attempt > self.attempts {
                    self.attempts = frame.attempt;
                    self.times.push((frame.at, None));
                }
            }
            StepState::Waiting => self.waits += 1,
            StepState::NotRunning => {
                if let Some((_, end)) = self.times.last_mut() {
                    end.get_or_insert(frame.at);
                }
            }
            _ => {}
        }
    }
}
