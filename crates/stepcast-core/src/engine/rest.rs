//! A run at rest, without what can be made anew: its queues, the index of its waits, the room of its tables.

use super::exec::{Exec, More};
use super::inputs::Inputs;
use super::state::Phase;
use super::waits::Waiter;
use super::{ExecKey, Filter, OpId, RunState, Time};
use crate::definition::EventIx;

/// A run with more executions rests as it is: to pack it and take it up again is work for each of them.
const FEW: usize = 4;

/// The state of a run that has nothing to do, in little room.
#[derive(Debug)]
pub struct Resting {
    phase: Phase,
    failures: u32,
    next_event: u64,
    next_exec: u64,
    next_id: u64,
    execs: Box<[Option<Exec>]>,
    waiters: Box<[RestingWaiter]>,
    inputs: Option<Box<Inputs>>,
    /// The rest of the state, where there is anything.
    other: Option<Box<RunState>>,
}

/// A waiter, without the room for what most waits do not have.
#[derive(Debug)]
struct RestingWaiter {
    id: u64,
    exec: ExecKey,
    op: OpId,
    event: EventIx,
    shared: bool,
    armed: bool,
    own: bool,
    after: u64,
    rare: Option<Box<Rare>>,
}

/// What few waits have.
#[derive(Debug)]
struct Rare {
    filter: Filter,
    deadline: Option<Time>,
    input: Option<u64>,
}

impl RestingWaiter {
    fn new(id: u64, waiter: Waiter) -> Self {
        let Waiter { exec, op, event, filter, shared, deadline, after, input, armed, own } = waiter;
        let some = filter != Filter::Any || deadline.is_some() || input.is_some();
        let rare = some.then(|| Box::new(Rare { filter, deadline, input }));
        RestingWaiter { id, exec, op, event, shared, armed, own, after, rare }
    }

    fn take_up(self) -> (u64, Waiter) {
        let RestingWaiter { id, exec, op, event, shared, armed, own, after, rare } = self;
        let Rare { filter, deadline, input } =
            rare.map_or(Rare { filter: Filter::Any, deadline: None, input: None }, |rare| *rare);
        (id, Waiter { exec, op, event, filter, shared, deadline, after, input, armed, own })
    }
}

impl RunState {
    /// Takes a small run out that has nothing queued or running; what is left is empty.
    pub fn rest(&mut self) -> Option<Resting> {
        if !self.can_rest() {
            return None;
        }
        let waiters = self.waits.as_deref_mut().map(|waits| waits.waiters.take()).unwrap_or_default();
        let mut execs = self.execs.take_all();
        for exec in execs.iter_mut().flatten() {
            // The waiters know whose they are.
            exec.more = exec.more.take().and_then(More::without_waits);
        }
        let resting = Resting {
            phase: self.phase,
            failures: self.failures,
            next_event: self.next_event,
            next_exec: self.next_exec,
            next_id: self.next_id,
            execs: execs.into(),
            waiters: waiters.into_iter().map(|(id, waiter)| RestingWaiter::new(id, waiter)).collect(),
            inputs: self.inputs.take().filter(|inputs| !inputs.0.is_empty()),
            other: self.other(),
        };
        self.clear();
        Some(resting)
    }

    /// Whether it is a small run that has nothing queued or running.
    pub fn can_rest(&self) -> bool {
        let waits = self.waits.as_ref().map_or(0, |waits| waits.waiters.len());
        !self.is_busy() && self.execs.is_dense(FEW) && waits <= FEW
    }

    /// What few runs have.
    fn other(&mut self) -> Option<Box<RunState>> {
        let waits = self.waits.take().filter(|waits| !waits.kept.is_empty());
        let timers = self.timers.take().filter(|timers| !timers.0.is_empty());
        let other = RunState {
            timers,
            waits,
            scopes: self.scopes.take(),
            joins: self.joins.take(),
            buffers: self.buffers.take(),
            senders: self.senders.take(),
            last_unhandled: self.last_unhandled,
            busy_micros: self.busy_micros,
            last_tick: self.last_tick,
            timeout_micros: self.timeout_micros,
            ..RunState::default()
        };
        let some = other.waits.is_some()
            || other.timers.is_some()
            || other.scopes.is_some()
            || other.joins.is_some()
            || other.buffers.is_some()
            || other.senders.is_some()
            || other.last_unhandled.is_some()
            || (other.busy_micros, other.last_tick, other.timeout_micros) != (0, Time(0), None);
        some.then(|| Box::new(other))
    }

    /// Goes on with a run that rested; this state is empty.
    pub fn take_up(&mut self, resting: Resting) {
        if let Some(other) = resting.other {
            self.waits = other.waits;
            self.timers = other.timers;
            self.scopes = other.scopes;
            self.joins = other.joins;
            self.buffers = other.buffers;
            self.senders = other.senders;
            self.last_unhandled = other.last_unhandled;
            (self.busy_micros, self.last_tick, self.timeout_micros) =
                (other.busy_micros, other.last_tick, other.timeout_micros);
        }
        self.phase = resting.phase;
        self.failures = resting.failures;
        (self.next_event, self.next_exec, self.next_id) = (resting.next_event, resting.next_exec, resting.next_id);
        self.execs.put_all(resting.execs.into());
        for waiter in resting.waiters {
            let (id, waiter) = waiter.take_up();
            if let Some(exec) = self.exec_mut(waiter.exec) {
                exec.more().open_waits.push(id);
            }
            self.waits.get_or_insert_default().add(id, waiter);
        }
        self.inputs = resting.inputs;
    }
}

#[cfg(test)]
mod tests {
    use super::super::exec::{Activity, ROOT, Status};
    use super::super::{ExecKey, OpId, OpKind};
    use super::*;
    use crate::engine::exec::Input;

    fn waiting(executions: u64, filter: &Filter) -> RunState {
        let mut state =
            RunState { phase: Phase::Running, next_exec: executions, next_id: executions, ..RunState::default() };
        for serial in 1..=executions {
            let mut exec = Exec {
                serial,
                step: 0,
                scope: ROOT,
                attempt: 1,
                commits: 1,
                status: Status::Active,
                activity: Activity::Parked,
                cause: serial,
                input: Input::Many(Box::default()),
                more: None,
            };
            exec.more().open_waits.push(serial);
            let lane = state.execs.insert(exec);
            let op = OpId { kind: OpKind::Wait, label: "Answer".into(), ordinal: 0 };
            let (deadline, input) = (Some(Time(serial)), Some(serial + 100));
            let exec = ExecKey { lane, serial };
            let filter = filter.clone();
            let waiter = Waiter {
                exec,
                op,
                event: 3,
                filter,
                shared: true,
                deadline,
                after: 7,
                input,
                armed: serial % 2 == 0,
                own: serial % 3 == 0,
            };
            state.waits.get_or_insert_default().add(serial, waiter);
        }
        state
    }

    /// Everything of a state, also what is not serialized.
    fn whole(state: &RunState) -> (String, String) {
        (format!("{state:?}"), serde_json::to_string(state).unwrap_or_default())
    }

    #[test]
    fn a_small_run_is_taken_up_as_it_was() {
        let field = Filter::Field { path: "a.b".to_owned(), value: 1.into() };
        for filter in [Filter::Any, Filter::Code, field] {
            for timeout_micros in [None, Some(9)] {
                let mut state = waiting(FEW as u64, &filter);
                (state.timeout_micros, state.busy_micros, state.failures) = (timeout_micros, 5, 2);
                state.last_unhandled = Some(4);
                state.shrink();
                let before = whole(&state);
                let resting = state.rest();
                assert_eq!(whole(&state).1, whole(&RunState::default()).1);
                assert!(resting.is_some());
                resting.into_iter().for_each(|resting| state.take_up(resting));
                assert_eq!(whole(&state), before);
            }
        }
    }

    #[test]
    fn a_large_or_a_busy_run_stays_as_it_is() {
        let mut large = waiting(FEW as u64 + 1, &Filter::Any);
        let mut busy = waiting(1, &Filter::Any);
        busy.schedule.running = 1;
        for state in [&mut large, &mut busy] {
            let before = whole(state);
            assert!(state.rest().is_none());
            assert_eq!(whole(state), before);
        }
    }
}
