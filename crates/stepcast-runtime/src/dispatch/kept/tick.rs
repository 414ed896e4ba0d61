//! A tick of a kept run: its row first, then the reducer, and what that asks for is held until the row is durable.

use stepcast_core::backend::JournalRow;
use stepcast_core::engine::{Command, ExecKey, Failure, Matches, Report, Tick, TickKind, pass_on, reduce};
use stepcast_core::journal::{LabelDelta, RowExtras, WriteRowError, write_gave, write_tick};
use stepcast_core::{Outputs, Payload, StepError};

use super::capture::{New, Take};
use super::journal::{Changes, Held};
use crate::dispatch::attempt::Begun;
use crate::dispatch::place::Entry;
use crate::dispatch::{Dispatch, RunCore};
use crate::durable::Keeping;
use crate::run::{RunEnd, RunError};
use crate::telemetry::is_traced;

impl Dispatch {
    /// As `tick`.
    pub(in crate::dispatch) fn kept_tick(&mut self, core: &mut RunCore, kind: TickKind) {
        if is_traced() {
            // Before the row, so that what is kept of the trace needs none of its own.
            self.env.run.wake_trace(core.now);
        }
        if self.env.run.keeping().is_some_and(Keeping::has_dirt)
            && let Err(error) = self.capture(core, Take::Changes)
        {
            return self.cannot_keep(core, error);
        }
        let ops = match &kind {
            TickKind::Commit(commit) => new_of(core, commit.exec),
            _ => Vec::new(),
        };
        let mut tick = Tick { at: core.now, kind };
        if let Err(error) = self.write_row(core, &tick, &ops) {
            if let (TickKind::Commit(commit), Some(journal)) = (&tick.kind, core.journal.as_deref_mut()) {
                journal.left.push(New { exec: commit.exec, ops });
            }
            match self.unwritable(core, tick.kind, error) {
                Some(kind) => tick.kind = kind,
                None => return,
            }
            if let Err(error) = self.write_row(core, &tick, &[]) {
                return self.cannot_keep(core, RunError::not_kept(error));
            }
        }
        reduce(&self.env.run.program.def, &mut core.state, tick, &mut core.cmds);
        if !core.cmds.is_empty() {
            self.hold(core);
        }
    }

    /// As `pass_on`: the common end of an attempt that began and ended in this look, with a row that is the common one too.
    /// Gives the event back, and has changed nothing, if it is anything else.
    pub(in crate::dispatch) fn kept_pass_on(
        &mut self,
        core: &mut RunCore,
        key: ExecKey,
        event: Payload,
    ) -> Option<Payload> {
        let program = &self.env.run.program;
        let is_watched = core.cmds.observe || core.is_stepped() || is_traced();
        if is_watched || program.has_waits || self.env.run.keeping().is_none_or(Keeping::has_dirt) {
            return Some(event);
        }
        let RunCore { journal: Some(journal), state, cmds, now, .. } = core else { return Some(event) };
        if !journal.began || !journal.changes.is_empty() || program.def.policy().max_fan_out == 0 {
            return Some(event);
        }
        let (mut row, number) = (journal.room(), journal.next_row());
        if !write_gave(&mut row, &program.def, state, number, *now, (key, *now), &event) {
            journal.spent.push(JournalRow { n: number, data: row });
            return Some(event);
        }
        journal.push_changes(row);
        match pass_on(&program.def, state, *now, key, 1, event, cmds) {
            None => cmds.next.take().into_iter().for_each(|next| state.put_back(next)),
            Some(event) => {
                let outcome = Ok(Outputs::from(event));
                let report = Report { exec: key, attempt: 1, started: *now, outcome, matches: Matches::default() };
                reduce(&program.def, state, Tick { at: *now, kind: TickKind::Report(report) }, cmds);
            }
        }
        if !core.cmds.is_empty() {
            self.hold(core);
        }
        None
    }

    fn write_row(&self, core: &mut RunCore, tick: &Tick, ops: &[LabelDelta]) -> Result<(), WriteRowError> {
        let def = &self.env.run.program.def;
        let RunCore { journal: Some(journal), state, .. } = core else { return Ok(()) };
        let (mut row, number) = (journal.room(), journal.next_row());
        let written = if journal.changes.is_empty() {
            write_tick(&mut row, def, state, number, tick, &RowExtras { ops, ..RowExtras::default() })
        } else {
            with_extras(&journal.changes, journal.seq, ops, |extras| {
                write_tick(&mut row, def, state, number, tick, extras)
            })
        };
        if written? {
            journal.begin_rows(def, state, tick.at)?;
            journal.push_changes(row);
        }
        Ok(())
    }

    /// What becomes of a tick that cannot be written: another one, or nothing.
    fn unwritable(&mut self, core: &mut RunCore, kind: TickKind, error: WriteRowError) -> Option<TickKind> {
        let text = error.to_string();
        let step_error = StepError::from(error).fatal();
        match kind {
            TickKind::Report(report) => {
                let Report { exec, attempt, started, matches, .. } = report;
                let outcome = Err(Box::new(Failure { error: step_error.info(), retry_after: None }));
                core.more().errors.insert(exec.serial, step_error);
                Some(TickKind::Report(Report { exec, attempt, started, outcome, matches }))
            }
            // The execution that asks for it fails with it.
            TickKind::Commit(commit) => {
                let exec = commit.exec;
                let entry = core.take_entry(exec)?;
                let Entry { key, step, attempt, started, shared, place, .. } = entry;
                self.end_attempt(core, Begun { key, step, attempt, started, shared }, Err(step_error));
                crate::dispatch::place::drop_quietly(place);
                None
            }
            TickKind::External(_) | TickKind::Answer { .. } => {
                tracing::warn!(target: "stepcast", error = text, "an event from outside cannot be kept; it was dropped");
                None
            }
            _ => {
                self.cannot_keep(
                    core,
                    RunError::NotKept { source: crate::run::SharedError::new(step_error.into_source()) },
                );
                None
            }
        }
    }

    /// Keeps what the reducer asks for until it is durable. What kept events are offered is asked at once: it is the next
    /// tick.
    fn hold(&mut self, core: &mut RunCore) {
        let mut cmds = std::mem::take(&mut core.cmds);
        let mut offers = Vec::new();
        for command in cmds.drain() {
            match command {
                Command::OfferKept { event, waiter } => offers.push((event, waiter)),
                Command::Input { id, change } => self.input_changed(core, id, change),
                Command::Publish(event) => {
                    let now = core.now;
                    if let Some(journal) = core.journal.as_deref_mut() {
                        journal.add_event(event, now);
                    }
                }
                Command::Finish(outcome) => {
                    let error = core.take_final_error(&outcome);
                    let end = RunEnd::of(outcome, core.now, core.state.timeout(), error);
                    self.hold_end(core, end);
                }
                command => core.hold(Held::Command(command)),
            }
        }
        core.cmds = cmds;
        for (event, waiter) in offers {
            self.offer_kept(core, event, waiter);
        }
    }
}

impl RunCore {
    pub(in crate::dispatch) fn hold(&mut self, held: Held) {
        if let Some(journal) = self.journal.as_deref_mut() {
            journal.held.push(held);
        }
    }
}

/// What an execution has new on record.
fn new_of(core: &mut RunCore, exec: ExecKey) -> Vec<LabelDelta> {
    let shared = core.entry(exec).and_then(|entry| entry.shared.clone());
    shared.map_or_else(Vec::new, |shared| shared.log().take_new())
}

/// Makes of changes what a row takes.
pub(super) fn with_extras<R>(
    changes: &Changes,
    seq: u64,
    ops: &[LabelDelta],
    then: impl FnOnce(&RowExtras<'_>) -> R,
) -> R {
    let store: Vec<_> = changes.store.iter().map(|(key, value)| (key.as_str(), value.as_ref())).collect();
    let states: Vec<_> = changes.states.iter().map(|(name, value)| (name.as_str(), value)).collect();
    then(&RowExtras { ops, store: &store, states: &states, seq: changes.stream.then_some(seq) })
}
