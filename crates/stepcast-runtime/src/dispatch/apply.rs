//! Ticks go to the reducer here, and what it asks for is done.

use stepcast_core::engine::{Command, ExecKey, InputChange, OpId, OpResult, Tick, TickKind, Time, reduce};
use stepcast_core::{AnyEvent, Role, StepState};

use super::Dispatch;
use super::core::RunCore;
use super::place::{self, Place};
use crate::exec::Recorded;
use crate::stream::EventKind;

impl Dispatch {
    /// Applies a tick, and does what follows from it.
    pub(crate) fn tick(&mut self, core: &mut RunCore, kind: TickKind) {
        if core.journal.is_some() {
            return self.kept_tick(core, kind);
        }
        reduce(&self.env.run.program.def, &mut core.state, Tick { at: core.now, kind }, &mut core.cmds);
        if !core.cmds.is_empty() {
            self.apply(core);
        }
    }

    pub(super) fn apply(&mut self, core: &mut RunCore) {
        let mut cmds = std::mem::take(&mut core.cmds);
        let mut kept = Vec::new();
        for command in cmds.drain() {
            match command {
                Command::OfferKept { event, waiter } => kept.push((event, waiter)),
                command => self.perform(core, command),
            }
        }
        core.cmds = cmds;
        for (event, waiter) in kept {
            self.offer_kept(core, event, waiter);
        }
    }

    /// Does one thing that the reducer asked for.
    pub(super) fn perform(&mut self, core: &mut RunCore, command: Command) {
        match command {
            Command::Publish(event) => self.publish(event, None),
            Command::Frame(event) => {
                if self.env.run.wants_internal() {
                    self.env.run.frame(EventKind::Internal, event);
                } else if let Some(unhandled) = event.get::<stepcast_core::UnhandledEvent>() {
                    tracing::debug!(target: "stepcast", event = unhandled.event_type, "unhandled event");
                }
            }
            Command::Resume { exec, op, result } => self.hand_over(core, exec, op, result),
            Command::Abort { exec } | Command::Forget { exec } => {
                if let Some(more) = core.more.as_deref_mut() {
                    more.errors.remove(&exec.serial);
                }
                if let Some(entry) = core.take_entry(exec) {
                    place::drop_quietly(entry);
                }
                self.env.run.drop_step(exec);
            }
            Command::Finish(outcome) => self.finish(core, outcome),
            Command::Input { change: InputChange::Opened, .. } if core.journal.is_none() => self.env.run.tell_watches(),
            _ => {}
        }
    }

    pub(super) fn publish(&self, event: AnyEvent, at: Option<Time>) {
        // A kept run brings it there with the batch that it is in.
        let is_kept = self.env.run.keeping().is_some();
        let asks = !is_kept && event.meta().is_some_and(|meta| meta.role == Role::InputRequired);
        if asks {
            // Before a reader sees it and looks for it.
            self.env.run.tell_watches();
            // A parent's readers see what its children ask.
            let mut above = self.env.run.parent();
            while let Some(run) = above {
                run.publish(event.clone(), None);
                above = run.parent();
            }
        }
        self.env.run.publish(event, at);
    }

    /// Records an operation's result with its execution and lets it go on.
    fn hand_over(&mut self, core: &mut RunCore, key: ExecKey, op: OpId, result: OpResult) {
        let bound = self.env.run.def().policy().max_records;
        let Some(entry) = core.entry(key) else {
            // An execution of a restored run that has not begun again yet will find the result in its record.
            if let Some(record) = Recorded::of(&result) {
                let log = core.more().restored.entry(key.serial).or_default();
                log.record(op.kind, &op.label, op.ordinal, record, bound.saturating_add(1));
            }
            return;
        };
        let Some(shared) = entry.shared.clone() else { return };
        let waker = {
            let mut log = shared.log();
            if let Some(record) = Recorded::of(&result) {
                log.record(op.kind, &op.label, op.ordinal, record, bound.saturating_add(1));
            }
            log.resolve(&op, result)
        };
        if let Place::Parked(_) = entry.place {
            return;
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn running_frame(&self, core: &RunCore, key: ExecKey) {
        if let Some(frame) = core.state.state_frame(self.env.run.def(), key, StepState::Running, core.now) {
            self.env.run.frame(EventKind::Internal, AnyEvent::new(frame));
        }
    }
}
