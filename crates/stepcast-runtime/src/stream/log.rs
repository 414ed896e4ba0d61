use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use stepcast_core::AnyEvent;
use stepcast_core::engine::Time;

use super::word::{Place, Teller, Words};
use crate::clock;
use crate::wakers::WakerSet;

/// Whether events are logged with their times, where that is asked for: it costs a look at the clock for each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times(pub(crate) bool);

impl Times {
    /// The time now, where it is asked for.
    pub(crate) fn now(self) -> Option<Time> {
        self.0.then(clock::now)
    }
}

/// The logged events of a run. A bound drops the oldest; numbers go on.
#[derive(Debug)]
pub(crate) struct StreamLog {
    /// Number of the first retained event.
    first: u64,
    bound: usize,
    /// Absent until an event is logged or a reader comes: many a run ends before either.
    kept: Option<Box<Kept>>,
}

#[derive(Debug)]
struct Kept {
    /// Number of the first event that this log ever had room for.
    begin: u64,
    events: VecDeque<AnyEvent>,
    told: Option<Box<Spoken>>,
    /// When each of them was logged; empty in a run that does not ask for it.
    times: VecDeque<Time>,
    wakers: WakerSet,
}

/// What a log has in which not all are events yet.
#[derive(Debug)]
struct Spoken {
    words: Words,
    /// For each number, which event or which word it is.
    places: VecDeque<u32>,
    /// How many events were dropped since there are places.
    dropped: u32,
}

/// In a place: it is an event, and the rest says which.
const EVENT: u32 = 1 << 31;

impl Kept {
    #[cold]
    fn new(begin: u64) -> Box<Self> {
        let (events, times) = (VecDeque::new(), VecDeque::new());
        Box::new(Kept { begin, events, told: None, times, wakers: WakerSet::default() })
    }

    fn len(&self) -> usize {
        self.told.as_ref().map_or(self.events.len(), |told| told.places.len())
    }

    /// What there is for words, with places for the events that were there before the first one.
    fn told<T: Teller>(&mut self, teller: &Arc<T>) -> &mut Spoken {
        let events = self.events.len();
        self.told.get_or_insert_with(|| Spoken::after(events, Arc::clone(teller) as _))
    }

    fn push_event(&mut self, event: AnyEvent) {
        if let Some(told) = &mut self.told {
            told.places.push_back(told.dropped.wrapping_add(self.events.len() as u32) | EVENT);
        }
        if self.events.capacity() == 0 {
            // Many runs log one event; the default growth would reserve four.
            self.events.reserve_exact(1);
        }
        self.events.push_back(event);
    }

    fn drop_first(&mut self) {
        let is_event = self.told.as_mut().is_none_or(|told| told.drop_first());
        if is_event {
            self.events.pop_front();
        }
        self.times.pop_front();
    }

    fn get(&self, at: usize) -> Option<AnyEvent> {
        let Some(told) = &self.told else { return self.events.get(at).cloned() };
        match *told.places.get(at)? {
            place if place & EVENT == 0 => told.words.event(Place(place)),
            place => self.events.get((place.wrapping_sub(told.dropped) & !EVENT) as usize).cloned(),
        }
    }
}

impl Spoken {
    #[cold]
    fn after(events: usize, teller: Arc<dyn Teller>) -> Box<Self> {
        let places = (0..events as u32).map(|at| at | EVENT).collect();
        Box::new(Spoken { words: Words::new(teller), places, dropped: 0 })
    }

    /// Whether it was an event.
    fn drop_first(&mut self) -> bool {
        let is_event = self.places.pop_front().is_some_and(|place| place & EVENT != 0);
        if is_event {
            self.dropped = self.dropped.wrapping_add(1);
        }
        // What the next words need is looked for where one begins the log.
        if let Some(place) = self.places.front().filter(|place| **place & EVENT == 0) {
            self.words.begin_with(Place(*place));
        }
        is_event
    }
}

impl StreamLog {
    pub(crate) fn new(bound: usize) -> Self {
        StreamLog { first: 1, bound, kept: None }
    }

    /// The log of a restored run, whose last event had this number.
    pub(crate) fn begin_after(&mut self, last: u64) {
        self.first = last + 1;
    }

    /// The number of the newest event.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.kept.as_ref().map_or(0, |kept| kept.len() as u64) - 1
    }

    /// The number of the oldest retained event.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number with which the log began: the bound has dropped what lies between it and the oldest retained event.
    pub(crate) fn begin(&self) -> u64 {
        self.kept.as_ref().map_or(self.first, |kept| kept.begin)
    }

    #[inline]
    fn kept(&mut self) -> &mut Kept {
        let begin = self.first;
        self.kept.get_or_insert_with(|| Kept::new(begin))
    }

    /// Appends an event. A run gives the times of all of its events or of none.
    pub(crate) fn push(&mut self, event: AnyEvent, at: Option<Time>) -> u64 {
        self.begin_to_add(at).push_event(event);
        self.last()
    }

    /// The same for an event that `teller` makes of what `write` writes. If `write` gives `false`, there is none.
    pub(crate) fn say<T: Teller>(
        &mut self,
        teller: &Arc<T>,
        about: u32,
        at: Option<Time>,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> bool {
        let bound = self.bound;
        let kept = self.kept();
        match kept.told(teller).words.add(teller, about, write) {
            None => return false,
            Some(Err(event)) => self.begin_to_add(at).push_event(event),
            // As `begin_to_add` does it, without looking for what is at hand.
            Some(Ok(place)) => {
                let is_full = kept.len() >= bound;
                if is_full {
                    kept.drop_first();
                }
                if let Some(told) = &mut kept.told {
                    told.places.push_back(place.0);
                }
                if let Some(at) = at {
                    kept.times.push_back(at);
                }
                self.first += u64::from(is_full);
            }
        }
        true
    }

    /// Makes room for one more, and notes its time.
    fn begin_to_add(&mut self, at: Option<Time>) -> &mut Kept {
        if self.kept.as_ref().is_some_and(|kept| kept.len() >= self.bound) {
            self.first += 1;
            self.kept().drop_first();
        }
        let kept = self.kept();
        kept.times.extend(at);
        kept
    }

    /// Whether it keeps when events were logged.
    pub(crate) fn has_times(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.times.is_empty())
    }

    /// When the event with this number was logged.
    pub(crate) fn time(&self, seq: u64) -> Option<Time> {
        let place = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.kept.as_ref()?.times.get(place).copied()
    }

    /// The event with this number, if it is retained.
    pub(crate) fn get(&self, seq: u64) -> Option<AnyEvent> {
        let place = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.kept.as_ref()?.get(place)
    }

    pub(crate) fn listen(&mut self, waker: &Waker) {
        self.kept().wakers.add(waker);
    }

    /// Whether readers wait for what comes next.
    pub(crate) fn is_awaited(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.wakers.is_empty())
    }

    /// Readers to wake, once the log's lock is free.
    pub(crate) fn take_wakers(&mut self) -> WakerSet {
        self.kept.as_mut().map(|kept| kept.wakers.take()).unwrap_or_default()
    }
}
