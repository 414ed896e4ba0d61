use std::collections::VecDeque;
use std::task::Waker;

use stepcast_core::AnyEvent;
use stepcast_core::engine::Time;

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
    /// When each of them was logged; empty in a run that does not ask for it.
    times: VecDeque<Time>,
    wakers: WakerSet,
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
            Box::new(Kept { begin, events: VecDeque::new(), times: VecDeque::new(), wakers: WakerSet::default() })
        })
    }

    /// Appends an event. A run gives the times of all of its events or of none.
    pub(crate) fn push(&mut self, event: AnyEvent, at: Option<Time>) -> u64 {
        let bound = self.bound;
        let mut dropped = 0;
        let kept = self.kept();
        if kept.events.len() >= bound {
            kept.events.pop_front();
            kept.times.pop_front();
            dropped = 1;
        }
        if kept.events.capacity() == 0 {
            // Many runs log one event; the default growth would reserve four.
            kept.events.reserve_exact(1);
        }
        kept.events.push_back(event);
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

    /// The retained events after `seq`, oldest first.
    pub(crate) fn after(&self, seq: u64) -> impl Iterator<Item = (u64, &AnyEvent)> {
        let skip = usize::try_from(seq.saturating_add(1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        let skip = skip.min(self.kept.as_ref().map_or(0, |kept| kept.events.len()));
        let first = self.first + skip as u64;
        let events = self.kept.iter().flat_map(move |kept| kept.events.range(skip..));
        events.enumerate().map(move |(at, event)| (first + at as u64, event))
    }

    pub(crate) fn listen(&mut self, waker: &Waker) {
        self.kept().wakers.add(waker);
    }

    /// Readers to wake, once the log's lock is free.
    pub(crate) fn take_wakers(&mut self) -> WakerSet {
        self.kept.as_mut().map(|kept| kept.wakers.take()).unwrap_or_default()
    }
}
