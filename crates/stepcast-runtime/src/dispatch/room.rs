//! `send_now` at the bound of the run's queue: what is sent waits its turn, as long as others can make room.

use std::collections::{BTreeSet, VecDeque};

use stepcast_core::engine::{ExecKey, Matches, OpId, Operation};
use stepcast_core::{Outputs, Payload};

use super::Dispatch;
use super::core::RunCore;
use super::place::{Entry, Place};

/// Events that wait for room in the run's queue, first come, first served.
pub(crate) type Room = VecDeque<Sending>;

/// One of them.
pub(crate) struct Sending {
    exec: ExecKey,
    attempt: u32,
    id: OpId,
    event: Payload,
}

impl Dispatch {
    /// Delivers at once, or lets the event wait for room.
    pub(crate) fn send_now(&mut self, core: &mut RunCore, exec: ExecKey, attempt: u32, id: OpId, event: Payload) {
        let others = core.more.as_deref().is_some_and(|more| !more.room.is_empty());
        if others || !core.state.has_room(self.env.run.def(), event.meta().hash) {
            // It may hold the worker that its successors need.
            let sender = core.entry_of(exec, attempt).and_then(Entry::movable);
            if let Some(waker) = sender.and_then(|shared| shared.log().ask_to_park(&id)) {
                waker.wake();
            }
            core.more().room.push_back(Sending { exec, attempt, id, event });
        } else {
            self.deliver_now(core, exec, id, event);
        }
    }

    /// Delivers what waits for room, as far as there is some. Whether anything was done.
    pub(crate) fn use_room(&mut self, core: &mut RunCore) -> bool {
        let mut worked = false;
        let first = |core: &RunCore| {
            let first = core.more.as_deref()?.room.front()?;
            Some((first.exec, first.attempt, first.event.meta().hash))
        };
        while let Some((exec, attempt, event)) = first(core) {
            let lives = core.entry_of(exec, attempt).is_some();
            if lives && !core.state.has_room(self.env.run.def(), event) {
                break;
            }
            let Some(Sending { exec, id, event, .. }) = core.more().room.pop_front() else { break };
            if lives {
                worked = true;
                self.deliver_now(core, exec, id, event);
            } else {
                super::place::drop_quietly(event);
            }
        }
        worked
    }

    /// Nothing else in the run goes on. If nothing will, the first sender is told that it would wait for ever.
    pub(crate) fn refuse_room(&mut self, core: &mut RunCore) -> bool {
        let Some(room) = core.more.as_deref_mut().map(|more| std::mem::take(&mut more.room)) else { return false };
        let Some(first) = room.front().map(|first| first.exec) else { return false };
        let senders: BTreeSet<ExecKey> = room.iter().map(|sending| sending.exec).collect();
        let may_park = |core: &mut RunCore, key: ExecKey| {
            core.entry(key).and_then(Entry::movable).is_some_and(|shared| shared.log().may_park())
        };
        if senders.iter().any(|sender| may_park(core, *sender)) {
            core.more().room = room;
            return false;
        }
        // A parked sender holds no worker, so it is not among the running ones.
        let at_work = |core: &mut RunCore, key: ExecKey| {
            core.entry(key).is_some_and(|entry| !matches!(entry.place, Place::Parked(_)))
        };
        let waiting = senders.into_iter().filter(|sender| at_work(core, *sender)).count();
        let others_run = core.state.running() > waiting;
        // One execution's later events may not overtake its first one.
        let (refused, left): (Room, Room) = match others_run {
            true => (Room::new(), room),
            false => room.into_iter().partition(|sending| sending.exec == first),
        };
        core.more().room = left;
        let worked = !refused.is_empty();
        for Sending { exec, id, event, .. } in refused {
            super::place::drop_quietly(event);
            self.commit(core, exec, Outputs::default(), Matches::default(), Operation::Refuse { id });
        }
        worked
    }

    fn deliver_now(&mut self, core: &mut RunCore, exec: ExecKey, id: OpId, event: Payload) {
        let mut outputs = Outputs::default();
        outputs.push_payload(event);
        let matches = self.match_outputs(core, None, &outputs);
        self.commit(core, exec, outputs, matches, Operation::Deliver { id });
    }
}
