//! Read access to a run's state, for the hosts.

use std::time::Duration;

use super::exec::{Activity, Status};
use super::inputs::{Asked, Input, InputReason, PendingInput};
use super::state::Phase;
use super::{ExecKey, FailureChoice, Filter, RunState, Time};
use crate::definition::{EventIx, StepIx, WorkflowDef};
use crate::{AnyEvent, ErrorInfo, Payload};

/// An execution as the step runner needs it.
#[derive(Debug)]
pub struct ExecView<'a> {
    /// Its step.
    pub step: StepIx,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Commit points so far.
    pub commits: u32,
    /// The events it runs for.
    pub input: &'a [Payload],
    /// Why the attempt before failed, and when.
    pub last_failure: Option<(&'a ErrorInfo, Time)>,
    /// When its first attempt began, once one has failed.
    pub first_started: Option<Time>,
}

/// What an input takes as its answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// Any declared human-response event.
    AnyResponse,
    /// The event a wait is for.
    Wait {
        /// Its type.
        event: EventIx,
        /// The waiter.
        waiter: u64,
        /// Whether its predicate does not exist yet in this process.
        unarmed: bool,
    },
    /// A choice about a failed step.
    Choice,
}

/// How far an execution has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is queued to run, or to go on.
    Queued,
    /// The step runner has it.
    Running,
    /// It waits for something that only its run can bring.
    Parked,
    /// Its next attempt is delayed.
    Delayed,
    /// A person decides what becomes of its failure.
    Asked,
}

impl RunState {
    /// A run that has not begun. `timeout` counts the time in which something is queued or running.
    pub fn new(timeout: Option<Duration>) -> Self {
        let mut state = RunState::default();
        state.limit_time(timeout);
        state
    }

    /// The timeout of a run that has not begun.
    pub fn limit_time(&mut self, timeout: Option<Duration>) {
        self.timeout_micros = timeout.map(|timeout| u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX));
    }

    /// Gives a restored run another timeout. What it has used up counts; the time until its next tick does not.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout_micros = Some(u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX));
        self.last_tick = Time(u64::MAX);
    }

    /// From now on the time of a run that was brought back counts, if none did since its last tick.
    pub fn start_clock(&mut self, now: Time) {
        if self.last_tick == Time(u64::MAX) {
            self.last_tick = now;
        }
    }

    /// The run's timeout.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_micros.map(Duration::from_micros)
    }

    /// Whether the run has ended.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Whether the run has begun.
    pub fn has_begun(&self) -> bool {
        self.phase != Phase::Created
    }

    /// What beginning an attempt needs of an execution: its step, which attempt it is, and its events.
    pub fn exec_input(&self, key: ExecKey) -> Option<(StepIx, u32, &[Payload])> {
        let exec = self.exec_ref(key)?;
        Some((exec.step, exec.attempt, exec.input.as_slice()))
    }

    /// One execution, if it is still there.
    pub fn exec(&self, key: ExecKey) -> Option<ExecView<'_>> {
        let exec = self.exec_ref(key)?;
        let failed = exec.more.as_deref().and_then(|more| more.failed.as_deref());
        Some(ExecView {
            step: exec.step,
            attempt: exec.attempt,
            commits: exec.commits,
            input: exec.input.as_slice(),
            last_failure: failed.map(|failed| (&failed.last_error, failed.last_failed)),
            first_started: failed.map(|failed| failed.first_started),
        })
    }

    /// How far an execution has come, if it is still there.
    pub fn stage(&self, key: ExecKey) -> Option<Stage> {
        let exec = self.exec_ref(key)?;
        Some(match (exec.status, exec.activity) {
            (Status::Delayed, _) => Stage::Delayed,
            (Status::Asked, _) => Stage::Asked,
            (Status::Active, Activity::Running) => Stage::Running,
            (Status::Active, Activity::Parked) => Stage::Parked,
            (Status::Active, _) => Stage::Queued,
        })
    }

    /// The keys of all executions, by lane.
    pub fn exec_keys(&self) -> impl Iterator<Item = ExecKey> {
        self.execs.iter().map(|(lane, exec)| exec.key(lane))
    }

    /// Executions that are neither delayed nor asked about, by step name: how many are queued, running, parked.
    pub fn activity(&self, def: &WorkflowDef) -> std::collections::BTreeMap<String, [usize; 3]> {
        let mut all = std::collections::BTreeMap::new();
        for (_, exec) in self.execs.iter().filter(|(_, exec)| exec.status == Status::Active) {
            let counts: &mut [usize; 3] = all.entry(def.step(exec.step).name.clone()).or_default();
            match exec.activity {
                Activity::Queued | Activity::Backlog | Activity::Resuming | Activity::ResumingBacklog => counts[0] += 1,
                Activity::Running => counts[1] += 1,
                Activity::Parked => counts[2] += 1,
            }
        }
        all
    }

    /// Microseconds in which something was queued or running, where a timeout counts them.
    pub fn busy_time(&self) -> Duration {
        Duration::from_micros(self.busy_micros)
    }

    /// What an input takes as its answer; `None` if there is no such pending input.
    pub fn expected(&self, input: u64) -> Option<Expected> {
        let input = self.inputs.as_deref()?.0.get(&input)?;
        Some(match &input.asked {
            Asked::Event { .. } => Expected::AnyResponse,
            Asked::Failure { .. } => Expected::Choice,
            Asked::Wait { waiter, .. } => {
                let found = self.waits.as_deref()?.waiters.get(waiter)?;
                let unarmed = found.filter == Filter::Code && !found.armed;
                Expected::Wait { event: found.event, waiter: *waiter, unarmed }
            }
        })
    }

    /// The highest id given to an input so far: a smaller id that is not pending was answered or withdrawn.
    pub fn last_id(&self) -> u64 {
        self.next_id
    }

    /// A pending input, and when it is given up, if a wait with a deadline asks it.
    pub fn pending_input(&self, def: &WorkflowDef, id: u64) -> Option<(PendingInput, Option<Time>)> {
        let input = self.inputs.as_deref()?.0.get(&id)?;
        let deadline = match &input.asked {
            Asked::Wait { waiter, .. } => self.waits.as_deref().and_then(|waits| waits.waiters.get(waiter)?.deadline),
            _ => None,
        };
        Some((self.as_pending(def, id, input), deadline))
    }

    /// All pending inputs, oldest first.
    pub fn pending_inputs(&self, def: &WorkflowDef) -> Vec<PendingInput> {
        let inputs = self.inputs.iter().flat_map(|inputs| inputs.0.iter());
        inputs.map(|(id, input)| self.as_pending(def, *id, input)).collect()
    }

    fn as_pending(&self, def: &WorkflowDef, id: u64, input: &Input) -> PendingInput {
        let (reason, event, expects, choices, error) = match &input.asked {
            Asked::Event { event, .. } => {
                let event = AnyEvent::from_payload(event.clone());
                (InputReason::InputRequired, Some(event), None, vec![], None)
            }
            Asked::Wait { waiter, event } => {
                let waiter = self.waits.as_deref().and_then(|waits| waits.waiters.get(waiter));
                let expects = waiter.map(|waiter| def.event(waiter.event).tag.to_owned());
                (InputReason::InputRequired, Some(event.clone()), expects, vec![], None)
            }
            Asked::Failure { error, .. } => (
                InputReason::StepFailure,
                None,
                None,
                vec![FailureChoice::Retry, FailureChoice::Skip, FailureChoice::Continue, FailureChoice::Fail],
                Some(error.clone()),
            ),
        };
        PendingInput {
            id,
            step: def.step(input.step).name.clone(),
            reason,
            event,
            expects,
            choices,
            error,
            created: input.created,
        }
    }

    /// Gives back room that an idle run does not need.
    pub fn shrink(&mut self) {
        self.execs.shrink();
        self.schedule = super::state::Schedule {
            running: self.schedule.running,
            queued: self.schedule.queued,
            ..Default::default()
        };
    }
}
