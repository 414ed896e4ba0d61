use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use stepcast_core::AnyEvent;
use stepcast_core::engine::Time;

use super::word::{Teller, Word, Words};
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
    events: VecDeque<Entry>,
    words: Option<Words>,
    /// When each of them was logged; empty in a run that does not ask for it.
    times: VecDeque<Time>,
    wakers: WakerSet,
}

#[derive(Debug)]
enum Entry {
    Event(AnyEvent),
    /// Becomes an event when it is read.
    Word(Word),
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
        self.first + self.kept.as_ref().map_or(0, |kept| kept.events.len() as u64) - 1
    }

    /// The number of the oldest retained event.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The number with which the log began: the bound has dropped what lies between it and the oldest retained event.
    pub(crate) fn begin(&self) -> u64 {
        self.kept.as_ref().map_or(self.first, |kept| kept.begin)
    }

    fn kept(&mut self) -> &mut Kept {
        let begin = self.first;
        self.kept.get_or_insert_with(|| {
            let (events, times) = (VecDeque::new(), VecDeque::new());
            Box::new(Kept { begin, events, words: None, times, wakers: WakerSet::default() })
        })
    }

    /// Appends an event. A run gives the times of all of its events or of none.
    pub(crate) fn push(&mut self, event: AnyEvent, at: Option<Time>) -> u64 {
        self.add(Entry::Event(event), at)
    }

    /// The same for an event that `teller` makes of what `write` writes. If `write` gives `false`, there is none.
    pub(crate) fn say<T: Teller>(
        &mut self,
        teller: &Arc<T>,
        about: u32,
        at: Option<Time>,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> bool {
        let words = self.kept().words.get_or_insert_with(|| Words::new(Arc::clone(teller) as _));
        let entry = match words.add(teller, about, write) {
            None => return false,
            Some(Ok(word)) => Entry::Word(word),
            Some(Err(event)) => Entry::Event(event),
        };
        self.add(entry, at);
        true
    }

    fn add(&mut self, entry: Entry, at: Option<Time>) -> u64 {
        let bound = self.bound;
        let mut dropped = 0;
        let kept = self.kept();
        if kept.events.len() >= bound {
            if let (Some(Entry::Word(word)), Some(words)) = (kept.events.pop_front(), &mut kept.words) {
                words.forget(&word);
            }
            kept.times.pop_front();
            dropped = 1;
        }
        if kept.events.capacity() == 0 {
            // Many runs log one event; the default growth would reserve four.
            kept.events.reserve_exact(1);
        }
        kept.events.push_back(entry);
        if let Some(at) = at {
            kept.times.push_back(at);
        }
        self.first += dropped;
        self.last()
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
    pub(crate) fn get(&mut self, seq: u64) -> Option<AnyEvent> {
        let place = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        let kept = self.kept.as_deref_mut()?;
        let entry = kept.events.get_mut(place)?;
        if let (Entry::Word(word), Some(words)) = (&*entry, &kept.words) {
            *entry = Entry::Event(words.event(word));
        }
        match entry {
            Entry::Event(event) => Some(event.clone()),
            Entry::Word(_) => None,
        }
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
