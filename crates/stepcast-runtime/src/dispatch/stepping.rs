//! Runs that stand still, and are let on one dispatch at a time.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Context;

use stepcast_core::AnyEvent;
use stepcast_core::engine::{ExecKey, Stage};
use tokio::sync::oneshot;

use super::core::RunCore;
use super::{Dispatch, Round, SLICE};
use crate::clock;
use crate::run::{DispatchOutcome, Dispatched, Stepped};

/// Who waits for a step of a run, and the one that is under way.
#[derive(Default)]
pub(crate) struct Stepping {
    asked: VecDeque<oneshot::Sender<Stepped>>,
    current: Option<Current>,
}

/// A dispatch that was let happen.
struct Current {
    key: ExecKey,
    told: Dispatched,
    /// What became of its attempt, once that is over.
    over: Option<DispatchOutcome>,
    /// It is being polled for the first time.
    now: bool,
    reply: oneshot::Sender<Stepped>,
}

impl Dispatch {
    /// Somebody wants the run's next dispatch: it stands still otherwise.
    pub(super) fn stand_still(&self, core: &mut RunCore, reply: oneshot::Sender<Stepped>) {
        self.env.run.extra().still.store(true, Ordering::Relaxed);
        core.slice = 0;
        core.more().stepping.get_or_insert_default().asked.push_back(reply);
    }

    /// The run goes on by itself again.
    pub(super) fn go_free(&self, core: &mut RunCore) {
        if core.slice == 0 {
            self.env.run.extra().still.store(false, Ordering::Relaxed);
            core.slice = SLICE;
        }
    }

    /// Lets the next dispatch happen that somebody waits for, and tells what became of the one before. Called when nothing
    /// else is to be done.
    pub(super) fn step_on(&mut self, core: &mut RunCore, cx: &mut Context<'_>) -> Round {
        if core.is_writing() {
            return Round::Dry;
        }
        self.tell_step(core);
        let free = core.slice > 0;
        let Some(stepping) = core.stepping() else { return Round::Dry };
        stepping.asked.retain(|reply| !reply.is_closed());
        if stepping.current.is_some() {
            return Round::Dry;
        }
        let Some(reply) = stepping.asked.pop_front() else {
            core.forget_stepping();
            return Round::Dry;
        };
        // One that waits for its turn has not begun.
        let waits_for_turn = core.start.is_some() || core.max_running == 0;
        if !free && !waits_for_turn && core.state.running() < core.max_running && core.state.has_ready() {
            return self.let_one_on(core, cx, reply);
        }
        if waits_for_turn || !core.is_quiet() {
            if let Some(stepping) = core.stepping() {
                stepping.asked.push_front(reply);
            }
            return Round::Dry;
        }
        let asks = !core.state.pending_inputs(self.env.run.def()).is_empty();
        // Who asked may be gone.
        let _ = reply.send(if asks { Stepped::WaitsForInput } else { Stepped::Rests });
        Round::Worked
    }

    fn let_one_on(&mut self, core: &mut RunCore, cx: &mut Context<'_>, reply: oneshot::Sender<Stepped>) -> Round {
        // As where a slice of executions is started.
        let spent = pin!(tokio::task::coop::consume_budget()).poll(cx).is_pending();
        let key = if spent { None } else { core.take_ready() };
        let input = key.and_then(|key| Some((key, core.state.exec_input(key)?)));
        let Some((key, (step, attempt, input))) = input else {
            if let Some(stepping) = core.stepping() {
                stepping.asked.push_front(reply);
            }
            return if spent { Round::Yield } else { Round::Worked };
        };
        let told = Dispatched {
            step: self.env.run.def().step(step).name().to_owned(),
            execution: key.serial,
            attempt,
            events: input.iter().map(|event| AnyEvent::from_payload(event.clone())).collect(),
            outcome: DispatchOutcome::Cut,
        };
        if let Some(stepping) = core.stepping() {
            stepping.current = Some(Current { key, told, over: None, now: true, reply });
        }
        core.now = clock::now();
        self.run(core, key);
        if let Some(current) = core.stepping().and_then(|stepping| stepping.current.as_mut()) {
            current.now = false;
        }
        // What it led to is for the next step.
        core.put_back();
        core.now = clock::now();
        Round::Worked
    }

    /// Tells what became of the dispatch under way, if that is over or waits.
    fn tell_step(&self, core: &mut RunCore) {
        let Some(current) = core.stepping().and_then(|stepping| stepping.current.take()) else { return };
        if current.reply.is_closed() {
            return;
        }
        let over = match (current.over, core.state.stage(current.key)) {
            (Some(over), _) => Some(over),
            // A common report is applied without being asked for.
            (None, None) => Some(DispatchOutcome::Completed),
            (None, Some(Stage::Running)) => None,
            (None, Some(_)) => Some(DispatchOutcome::Waits),
        };
        match over {
            Some(over) => current.tell(over),
            None => {
                if let Some(stepping) = core.stepping() {
                    stepping.current = Some(current);
                }
            }
        }
    }
}

impl Current {
    fn tell(self, outcome: DispatchOutcome) {
        let Current { told, reply, .. } = self;
        // Who asked may be gone.
        let _ = reply.send(Stepped::Ran(Dispatched { outcome, ..told }));
    }
}

impl RunCore {
    fn stepping(&mut self) -> Option<&mut Stepping> {
        self.more.as_deref_mut()?.stepping.as_deref_mut()
    }

    fn forget_stepping(&mut self) {
        if let Some(more) = self.more.as_deref_mut() {
            more.stepping = None;
        }
    }

    /// Whether somebody steps the run.
    pub(super) fn is_stepped(&self) -> bool {
        self.more.as_deref().is_some_and(|more| more.stepping.is_some())
    }

    /// An attempt is over.
    pub(super) fn note_step(&mut self, key: ExecKey, completed: bool) {
        if let Some(current) = self.stepping().and_then(|stepping| stepping.current.as_mut())
            && current.key == key
        {
            current.over = Some(if completed { DispatchOutcome::Completed } else { DispatchOutcome::Failed });
        }
    }

    /// The run has ended: nobody waits for a step of it any longer.
    pub(super) fn end_stepping(&mut self) {
        let Some(stepping) = self.more.as_deref_mut().and_then(|more| more.stepping.take()) else { return };
        let Stepping { asked, current } = *stepping;
        if let Some(current) = current {
            // A common report is applied without being asked for.
            let common = if current.now { DispatchOutcome::Completed } else { DispatchOutcome::Cut };
            let over = current.over.unwrap_or(common);
            current.tell(over);
        }
        for reply in asked {
            let _ = reply.send(Stepped::Ended);
        }
    }

    /// The state that the dispatch under way belongs to is given up.
    pub(super) fn cut_step(&mut self) {
        if let Some(current) = self.stepping().and_then(|stepping| stepping.current.take()) {
            current.tell(DispatchOutcome::Cut);
        }
    }

    /// Whether the run stands still with nothing under way.
    pub(super) fn stands_still(&self) -> bool {
        self.slice == 0 && self.state.running() == 0 && self.in_tasks == 0 && self.start.is_none()
    }
}
