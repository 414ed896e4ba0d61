//! Events that wait for room in the run's queue: the attempt that sent one is asked to give up its worker.

use std::task::Waker;

use stepcast_core::engine::{OpId, OpKind};

use super::{Answer, OpLog, Pending};

/// What an operation has to do with room in the run's queue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Nothing.
    Free,
    /// There is none, and the attempt has not been looked at since.
    Asked,
    /// There is none, and the attempt stays where it is: something outside its run may bring it on.
    Stays,
}

impl OpLog {
    /// The attempt is polled with this waker, outside its first poll.
    pub(crate) fn polled_with(&mut self, waker: &Waker) {
        let body = &mut self.more.get_or_insert_default().body;
        if !body.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *body = Some(waker.clone());
        }
    }

    /// The attempt is parked: no waker of its own reaches it.
    pub(crate) fn parks(&mut self) {
        if let Some(more) = &mut self.more {
            more.body = None;
        }
    }

    /// Whether an event that is to be delivered at once is not yet.
    pub(crate) fn is_sending(&self) -> bool {
        self.pending.iter().any(|pending| pending.id.kind == OpKind::SendNow && pending.is_open())
    }

    /// The operation's event has no room. Gives the attempt's waker, so that it is looked at.
    pub(crate) fn ask_to_park(&mut self, id: &OpId) -> Option<Waker> {
        let body = self.more.as_deref().and_then(|more| more.body.clone());
        let pending = self.pending.iter_mut().find(|pending| pending.id == *id)?;
        let (room, waker) = match (&pending.answer, body) {
            // Polled in place, or not yet; in both cases the attempt's next poll is about to come.
            (Answer::Open(None), _) => (Room::Asked, None),
            (Answer::Open(Some(_)), Some(body)) => (Room::Asked, Some(body)),
            // A task of the user's own sends it, and the attempt waits for that one.
            (Answer::Open(Some(_)), None) => (Room::Stays, None),
            (Answer::Come(_), _) => (Room::Free, None),
        };
        pending.room = room;
        waker
    }

    /// The attempt was looked at, and stays where it is. Whether it had been asked to park.
    pub(crate) fn stays(&mut self) -> bool {
        let mut asked = false;
        for pending in self.pending.iter_mut().filter(|pending| pending.room == Room::Asked) {
            pending.room = Room::Stays;
            asked = true;
        }
        asked
    }

    /// Whether the attempt may be about to park.
    pub(crate) fn may_park(&self) -> bool {
        self.pending.iter().any(|pending| pending.room == Room::Asked && pending.is_open())
    }
}

impl Pending {
    /// Whether somebody waits for its result, and that may be long: for an event, a child run, or room.
    pub(super) fn may_be_long(&self) -> bool {
        self.is_open() && (self.room != Room::Free || matches!(self.id.kind, OpKind::Wait | OpKind::Child))
    }

    fn is_open(&self) -> bool {
        !self.has_result() && !self.dropped
    }
}
