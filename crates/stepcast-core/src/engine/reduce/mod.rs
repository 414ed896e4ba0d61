//! The pure reducer: (definition, state, tick) gives the next state and what the host has to do.
//! No clock, no randomness, no executor, no user code; a tick that does not fit is a no-op.

mod batch;
mod begin;
mod commit;
mod end;
mod external;
mod failure;
mod frames;
mod offer;
mod pass_on;
mod report;
mod route;
mod schedule;
mod wait;

use super::{Commands, Report, RunState, Tick, TickKind, Time, state::Phase};
use crate::Outputs;
use crate::definition::WorkflowDef;

pub use begin::begin;
pub use pass_on::pass_on;
pub(crate) use route::Lineage;

/// Applies one tick.
///
/// Changes `state` in place and adds what the host has to do to `out`. Cannot fail: repeated, stale and
/// misdirected ticks change nothing.
pub fn reduce(def: &WorkflowDef, state: &mut RunState, tick: Tick, out: &mut Commands) {
    if state.phase == Phase::Ended {
        return;
    }
    let kind = match tick.kind {
        TickKind::Report(report) => match take_common(def, state, tick.at, report, out) {
            None => return,
            Some(report) => TickKind::Report(report),
        },
        kind => kind,
    };
    let mut engine = Engine { def, state, out, now: tick.at };
    engine.count_time();
    match kind {
        TickKind::Report(report) => engine.report(report),
        TickKind::Start { event } => engine.start(event),
        TickKind::External(external) => engine.external(*external),
        TickKind::Commit(commit) => engine.commit(*commit),
        TickKind::Parked { exec } => engine.parked(exec),
        TickKind::Timers => engine.timers(),
        TickKind::Kept { event, matches } => engine.offer_kept(event, &matches),
        TickKind::Answer { input, answer } => engine.answer(input, answer),
        TickKind::Cancel => engine.cancel(),
        TickKind::SendersGone => engine.senders_gone(),
    }
    engine.settle();
}

/// Does what a report says if it is the common one, and gives it back otherwise.
fn take_common(
    def: &WorkflowDef,
    state: &mut RunState,
    now: Time,
    report: Report,
    out: &mut Commands,
) -> Option<Report> {
    let Report { exec, attempt, started, outcome, matches } = report;
    let outcome = match outcome.map(Outputs::into_single) {
        Ok(Ok(event)) => match pass_on(def, state, now, exec, attempt, event, out) {
            None => {
                out.next.take().into_iter().for_each(|next| state.put_back(next));
                return None;
            }
            Some(event) => Ok(Outputs::from(event)),
        },
        Ok(Err(outputs)) => Ok(outputs),
        Err(failure) => Err(failure),
    };
    Some(Report { exec, attempt, started, outcome, matches })
}

/// One application of a tick: the state, and the way to everything it may use.
pub(crate) struct Engine<'a> {
    pub(crate) def: &'a WorkflowDef,
    pub(crate) state: &'a mut RunState,
    pub(crate) out: &'a mut Commands,
    pub(crate) now: Time,
}

impl Engine<'_> {
    /// The run's timeout counts the time in which something is queued or running, taken from tick times.
    fn count_time(&mut self) {
        let state = &mut *self.state;
        if state.timeout_micros.is_some() {
            if state.is_busy() {
                let passed = self.now.0.saturating_sub(state.last_tick.0);
                state.busy_micros = state.busy_micros.saturating_add(passed);
            }
            state.last_tick = self.now;
        }
    }

    fn start(&mut self, event: crate::Payload) {
        if self.state.phase != Phase::Created {
            return;
        }
        self.state.phase = Phase::Running;
        let lineage = Lineage::root();
        self.deliver(event, &lineage, 0, &super::Matches::default());
    }

    /// After every tick: has the run used up its time, or can it never end?
    fn settle(&mut self) {
        if self.state.phase != Phase::Running {
            return;
        }
        if self.state.execs.is_empty() {
            self.check_stuck();
        }
        if let Some(limit) = self.state.timeout_micros
            && self.state.phase == Phase::Running
            && self.state.busy_micros >= limit
        {
            self.time_out();
        }
    }
}
