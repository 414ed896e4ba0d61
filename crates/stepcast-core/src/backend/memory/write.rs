//! What changes the store.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::World;
use super::run::{MemoryInput, MemoryRun};
use crate::backend::*;

impl World {
    /// Says to which runs letters went.
    pub(super) fn write(&mut self, me: u64, mut batch: Batch) -> Result<Vec<Arc<str>>, WriteError> {
        let letters = std::mem::take(&mut batch.letters);
        let (run, at, ends_children) = (Arc::clone(&batch.run), batch.at, batch.ends_children);
        let parent = batch.created.as_ref().and_then(|new| new.parent.clone());
        self.write_run(me, batch)?;
        let mut sent = if ends_children { self.children_of(&run) } else { Vec::new() };
        if parent.is_some_and(|parent| self.runs.get(&parent).is_some_and(|parent| parent.status.is_end())) {
            sent.push(run);
        }
        for child in &sent {
            self.leave(Letter::cancel(Arc::clone(child), at));
        }
        for letter in letters {
            let run = letter.run.clone();
            // A letter that cannot be delivered is no reason to fail the sender.
            if let Ok(Sent::New(_)) = self.send(letter) {
                sent.push(run);
            }
        }
        Ok(sent)
    }

    fn write_run(&mut self, me: u64, mut batch: Batch) -> Result<(), WriteError> {
        let id = batch.run.clone();
        if let Some(new) = batch.created.take() {
            if self.runs.contains_key(&id) {
                return Err(WriteError::RunExists { run: id });
            }
            // A new run is not yet in the store while the rest of its batch is checked.
            let mut run = MemoryRun::new(self.number(), *new, me, batch.at);
            check_fence(&run, &batch)?;
            apply(&mut run, batch, &mut self.last)?;
            if let Some(definition) = &mut run.new.definition {
                let known = self.definitions.entry(Arc::clone(&definition.hash));
                let (json, runs) = known.or_insert_with(|| (Arc::clone(&definition.json), 0));
                *runs += 1;
                // All runs hold the same copy.
                definition.json = Arc::clone(json);
            }
            self.order.insert(run.key, id.clone());
            self.runs.insert(id, run);
            return Ok(());
        }
        let Some(run) = self.runs.get_mut(&id) else { return Err(WriteError::UnknownRun { run: id }) };
        if run.status.is_end() {
            return Err(WriteError::Ended { run: id });
        }
        check_fence(run, &batch)?;
        if run.holder != Some(me) {
            return Err(WriteError::FencedOff { run: id, fence: batch.fence, current: run.fence });
        }
        if run.stopped {
            return Err(WriteError::Stopped { run: id });
        }
        let result = apply(run, batch, &mut self.last);
        run.stopped = result.is_err();
        result
    }

    pub(super) fn claim(&mut self, me: u64, id: &str) -> Result<Lease, ClaimError> {
        let Some(run) = self.runs.get_mut(id) else { return Err(ClaimError::UnknownRun { run: id.into() }) };
        if run.status.is_end() {
            return Err(ClaimError::Ended { run: id.into() });
        }
        if run.holder.is_some_and(|holder| holder != me) {
            return Err(ClaimError::Held { run: id.into() });
        }
        run.holder = Some(me);
        run.fence += 1;
        run.stopped = false;
        Ok(Lease { fence: run.fence })
    }

    pub(super) fn answer(&mut self, answer: &Answer) -> Result<(), AnswerError> {
        let unknown = || AnswerError::UnknownInput { run: answer.run.clone(), input: answer.input };
        let letter = self.number();
        let run = self.runs.get_mut(&answer.run).ok_or_else(unknown)?;
        let input = run.inputs.get_mut(&answer.input).ok_or_else(unknown)?;
        if input.status != InputStatus::Pending {
            let status = Box::new(input.status.clone());
            return Err(AnswerError::Conflict { run: answer.run.clone(), input: answer.input, status });
        }
        input.status = InputStatus::Answered { answer: answer.answer.clone(), by: answer.by.clone(), at: answer.at };
        let kind = MailKind::Answer { input: answer.input };
        let (json, trace) = (answer.answer.clone(), answer.trace.clone());
        run.mail.push_back((None, Mail { id: letter, kind, json, at: answer.at, trace }));
        Ok(())
    }

    pub(super) fn send(&mut self, letter: Letter) -> Result<Sent, SendError> {
        let Some(run) = self.runs.get(&letter.run) else {
            return Err(SendError::UnknownRun { run: letter.run });
        };
        if letter.dedup.as_deref().is_some_and(|id| run.knows(id)) {
            return Ok(Sent::Duplicate);
        }
        if run.status.is_end() {
            return Err(SendError::Ended { run: letter.run });
        }
        if run.mail.len() >= MAILBOX_LIMIT && letter.kind != MailKind::Wake {
            return Err(SendError::MailboxFull { run: letter.run, limit: MAILBOX_LIMIT });
        }
        Ok(Sent::New(self.leave(letter)))
    }

    /// Puts a letter into the mailbox of a run that takes it, and gives its number.
    fn leave(&mut self, letter: Letter) -> u64 {
        let number = self.number();
        if let Some(run) = self.runs.get_mut(&letter.run) {
            let mail = Mail { id: number, kind: letter.kind, json: letter.json, at: letter.at, trace: None };
            run.mail.push_back((letter.dedup, mail));
        }
        number
    }

    /// Children of a run that have not ended.
    fn children_of(&self, parent: &Arc<str>) -> Vec<Arc<str>> {
        let is_one = |run: &&Arc<str>| {
            self.runs.get(*run).is_some_and(|run| run.new.parent.as_ref() == Some(parent) && !run.status.is_end())
        };
        self.order.values().filter(is_one).cloned().collect()
    }

    pub(super) fn purge(&mut self, id: &str) -> Result<(), PurgeError> {
        match self.runs.get(id) {
            None => Err(PurgeError::UnknownRun { run: id.into() }),
            Some(run) if run.holder.is_some() => Err(PurgeError::Held { run: id.into() }),
            Some(_) => {
                self.remove(id);
                Ok(())
            }
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some(run) = self.runs.remove(id) {
            self.order.remove(&run.key);
            let Some(definition) = run.new.definition else { return };
            if let Entry::Occupied(mut known) = self.definitions.entry(definition.hash) {
                known.get_mut().1 -= 1;
                if known.get().1 == 0 {
                    known.remove();
                }
            }
        }
    }
}

fn check_fence(run: &MemoryRun, batch: &Batch) -> Result<(), WriteError> {
    if batch.fence == run.fence {
        return Ok(());
    }
    Err(WriteError::FencedOff { run: batch.run.clone(), fence: batch.fence, current: run.fence })
}

/// Checks everything, then changes everything.
fn apply(run: &mut MemoryRun, batch: Batch, last: &mut u64) -> Result<(), WriteError> {
    for (row, expected) in batch.rows.iter().zip(run.last_row() + 1..) {
        if row.n != expected {
            return Err(WriteError::RowGap { run: batch.run, expected, found: row.n });
        }
    }
    for (event, expected) in batch.events.iter().zip(run.last_seq() + 1..) {
        if event.seq != expected {
            return Err(WriteError::EventGap { run: batch.run, expected, found: event.seq });
        }
    }
    if let Some(snapshot) = &batch.snapshot {
        let (least, most) = (run.covered(), run.last_row() + batch.rows.len() as u64);
        if !(least..=most).contains(&snapshot.covers) {
            return Err(WriteError::BadSnapshot { run: batch.run, covers: snapshot.covers, least, most });
        }
    }
    let mut inputs = None;
    if !batch.inputs.is_empty() {
        let mut changed = run.inputs.clone();
        for change in batch.inputs {
            apply_input(&mut changed, change, &batch.run, batch.at, last)?;
        }
        inputs = Some(changed);
    }

    run.rows.extend(batch.rows);
    run.events.extend(batch.events);
    if let Some(inputs) = inputs {
        run.inputs = inputs;
    }
    batch.taken.iter().for_each(|letter| run.take(*letter));
    if let Some(snapshot) = batch.snapshot {
        while run.rows.front().is_some_and(|row| row.n <= snapshot.covers) {
            run.rows.pop_front();
        }
        run.snapshot = Some(*snapshot);
    }
    match batch.due {
        Some(Due::At(time)) => run.due = Some(time),
        Some(Due::Never) => run.due = None,
        None => {}
    }
    if let Some(status) = batch.status {
        run.set_status(status, batch.at);
    }
    if batch.release {
        run.holder = None;
    }
    Ok(())
}

fn apply_input(
    inputs: &mut BTreeMap<u64, MemoryInput>,
    change: InputChange,
    run: &Arc<str>,
    at: Time,
    last: &mut u64,
) -> Result<(), WriteError> {
    let (number, status) = match change {
        InputChange::Opened(asked) => {
            let input = asked.input;
            if inputs.contains_key(&input) {
                return Err(WriteError::InputExists { run: run.clone(), input });
            }
            *last += 1;
            let opened = MemoryInput { key: *last, asked: *asked, opened: at, status: InputStatus::Pending };
            inputs.insert(input, opened);
            return Ok(());
        }
        InputChange::Answered { input, answer, by } => (input, InputStatus::Answered { answer, by, at }),
        InputChange::Withdrawn { input } => (input, InputStatus::Withdrawn { at }),
        InputChange::Reopened { input } => {
            let answered = inputs.get_mut(&input).filter(|known| matches!(known.status, InputStatus::Answered { .. }));
            if let Some(known) = answered {
                known.status = InputStatus::Pending;
            }
            return Ok(());
        }
        InputChange::Expired { input } => (input, InputStatus::Expired { at }),
    };
    let Some(input) = inputs.get_mut(&number) else { return Ok(()) };
    match (&input.status, &status) {
        (InputStatus::Pending, _) => input.status = status,
        (InputStatus::Answered { .. }, InputStatus::Expired { .. }) => {
            return Err(WriteError::AnsweredBefore { run: run.clone(), input: number });
        }
        // What came first stays.
        _ => {}
    }
    Ok(())
}
