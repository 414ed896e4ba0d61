use super::graph::{CheckCatch, CheckEdge, CheckEvent, CheckOpener, CheckStep, EdgeKind, Graph, NONE};
use crate::hash::fnv1a;

/// The tables of a graph while they are filled. The storage is lent: arrays in a constant, vectors at run time.
pub(super) struct Tables<'t, 'a> {
    pub(super) steps: &'t mut [CheckStep<'a>],
    pub(super) edges: &'t mut [CheckEdge],
    pub(super) events: &'t mut [CheckEvent<'a>],
    pub(super) openers: &'t mut [CheckOpener],
    /// Open addressing from an event's hash to its index; always longer than `events`.
    pub(super) event_slots: &'t mut [u32],
    /// Open addressing from a step's name to its index; always longer than `steps`.
    pub(super) name_slots: &'t mut [u32],
    pub(super) len: Lengths,
}

/// How much of the tables is in use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths {
    pub(super) steps: usize,
    pub(super) edges: usize,
    pub(super) events: usize,
    pub(super) openers: usize,
}

/// How much room the tables of a graph need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    pub(super) edges: usize,
    pub(super) openers: usize,
}

impl Lengths {
    pub(super) const ZERO: Self = Lengths { steps: 0, edges: 0, events: 0, openers: 0 };
}

impl<'a> Tables<'_, 'a> {
    /// Begins the next step; its edges and openers follow.
    pub(super) const fn begin_step(&mut self, name: &'a str, catch: CheckCatch<'a>) -> usize {
        let at = self.len.steps;
        let mut step = CheckStep::EMPTY;
        step.name = name;
        step.catch = catch;
        step.first_edge = self.len.edges;
        step.first_opener = self.len.openers;
        let mut slot = slot_of(fnv1a(name), self.name_slots.len());
        while self.name_slots[slot] != NONE {
            let earlier = self.name_slots[slot];
            if same(self.steps[earlier as usize].name, name) {
                step.same_name = earlier;
                break;
            }
            slot = next_slot(slot, self.name_slots.len());
        }
        if step.same_name == NONE {
            self.name_slots[slot] = at as u32;
        }
        self.steps[at] = step;
        self.len.steps += 1;
        at
    }

    /// Ends the step that was begun last.
    pub(super) const fn end_step(&mut self) {
        let at = self.len.steps - 1;
        self.steps[at].end_edge = self.len.edges;
        self.steps[at].end_opener = self.len.openers;
    }

    /// Counts one event parameter of the current step; gives its slot.
    pub(super) const fn event_param(&mut self, collecting: bool) -> u32 {
        let step = &mut self.steps[self.len.steps - 1];
        let slot = step.event_params;
        step.event_params += 1;
        if collecting {
            step.collecting_params += 1;
        }
        slot
    }

    /// Notes how the current step uses an event.
    pub(super) const fn edge(&mut self, event: CheckEvent<'a>, kind: EdgeKind) {
        let written = self.event(event);
        let first = self.events[written as usize].first;
        self.edges[self.len.edges] = CheckEdge { step: self.len.steps as u32 - 1, event: first, written, kind };
        self.len.edges += 1;
    }

    /// Notes a batch that the current step opens.
    pub(super) const fn opener(&mut self, parent: u32, kind: u64) -> u32 {
        let at = self.len.openers;
        self.openers[at] = CheckOpener { step: self.len.steps as u32 - 1, parent, kind };
        self.len.openers += 1;
        at as u32
    }

    /// The index of an event type, new or known.
    pub(super) const fn event(&mut self, mut event: CheckEvent<'a>) -> u32 {
        let at = self.len.events as u32;
        event.first = NONE;
        event.collides = NONE;
        let mut slot = slot_of(event.hash, self.event_slots.len());
        while self.event_slots[slot] != NONE {
            let known = self.event_slots[slot];
            let other = self.events[known as usize];
            if other.hash == event.hash {
                if !same(other.tag, event.tag) {
                    event.collides = known;
                } else if other.origin == event.origin || event.origin == 0 {
                    return known;
                } else if other.origin == 0 {
                    // Known by its tag alone until now: the type says the rest.
                    event.first = other.first;
                    event.collides = other.collides;
                    self.events[known as usize] = event;
                    return known;
                } else if event.first == NONE {
                    event.first = other.first;
                }
            }
            slot = next_slot(slot, self.event_slots.len());
        }
        if event.first == NONE {
            event.first = at;
        }
        self.event_slots[slot] = at;
        self.events[at as usize] = event;
        self.len.events += 1;
        at
    }

    /// The filled part of the tables.
    pub(super) const fn graph(&self, start: u32, stop: u32) -> Graph<'_, 'a> {
        Graph {
            steps: self.steps.split_at(self.len.steps).0,
            edges: self.edges.split_at(self.len.edges).0,
            events: self.events.split_at(self.len.events).0,
            openers: self.openers.split_at(self.len.openers).0,
            names: self.name_slots,
            start,
            stop: self.events[stop as usize].first,
            stop_written: stop,
        }
    }
}

impl Graph<'_, '_> {
    /// The step of this name, or `NONE`.
    pub(super) const fn step_named(&self, name: &str) -> u32 {
        let mut slot = slot_of(fnv1a(name), self.names.len());
        while self.names[slot] != NONE {
            if same(self.steps[self.names[slot] as usize].name, name) {
                return self.names[slot];
            }
            slot = next_slot(slot, self.names.len());
        }
        NONE
    }
}

/// FNV's low bits are weak for short texts, so the high ones are folded in.
const fn slot_of(hash: u64, slots: usize) -> usize {
    ((hash ^ (hash >> 32)) % slots as u64) as usize
}

const fn next_slot(slot: usize, slots: usize) -> usize {
    if slot + 1 == slots { 0 } else { slot + 1 }
}

/// Whether two texts are equal; `==` on them is not yet for constants.
pub(super) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
