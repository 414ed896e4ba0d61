use super::fault::{FaultKind, Finding, Findings, Place};
use super::graph::{EdgeKind, Graph, NONE};

/// An event that a step takes.
pub(super) const TAKEN: u8 = 2;
/// An event that a step waits for.
pub(super) const WAITED: u8 = 4;
/// An event that a step writes to the stream.
pub(super) const STREAMED: u8 = 8;

/// How many names may be compared with mistaken ones in one check.
pub(super) const HINTS: u32 = 256;

/// The working memory of the algorithm, lent like the tables.
///
/// Level 0 is the run itself; level `n + 1` is inside the batches of opener `n`. Sets of levels are rows of `words`
/// 64-bit words, so one pass over an edge moves all levels at once.
pub(super) struct Work<'w> {
    pub(super) words: usize,
    /// Per step: the levels it can run at.
    pub(super) step_levels: &'w mut [u64],
    /// Per event: the levels it can occur at.
    pub(super) event_levels: &'w mut [u64],
    /// Per collecting step: the openers whose members reach it.
    pub(super) reached: &'w mut [u64],
    /// The levels at which a person can be asked; an answer occurs there too.
    pub(super) asked: &'w mut [u64],
    /// Steps whose levels grew, as a ring.
    pub(super) queue: &'w mut [u32],
    pub(super) queued: &'w mut [bool],
    pub(super) head: usize,
    pub(super) waiting: usize,
    /// Per event: its first taking edge, and per edge the next of its kind.
    pub(super) first_taker: &'w mut [u32],
    pub(super) first_giver: &'w mut [u32],
    pub(super) next_edge: &'w mut [u32],
    pub(super) uses: &'w mut [u8],
    /// Per event: the number of the last question it was counted for.
    pub(super) stamps: &'w mut [u32],
    pub(super) stamp: u32,
    /// The collecting steps, chained.
    pub(super) first_collector: u32,
    pub(super) next_collector: &'w mut [u32],
    /// Per step: the catch step that takes its failures.
    pub(super) catcher: &'w mut [u32],
    /// Per step: whether it leads out of every loop.
    pub(super) leaves: &'w mut [bool],
    /// Per step and per event: how many edges into it are still part of an endless loop.
    pub(super) step_degree: &'w mut [u32],
    pub(super) event_degree: &'w mut [u32],
    /// How many loop turns and calls the levels have cost so far, about, and how many they may.
    pub(super) spent: u64,
    pub(super) limit: u64,
    /// How many more names may be compared with a mistaken one.
    pub(super) hints: u32,
}

/// The algorithm at work on one graph.
pub(super) struct Check<'t, 'w, 'f, 'a> {
    pub(super) graph: Graph<'t, 'a>,
    pub(super) work: Work<'w>,
    pub(super) findings: Findings<'f, 'a>,
}

impl Work<'_> {
    /// Begins a new question about events.
    pub(super) const fn ask(&mut self) {
        self.stamp += 1;
    }

    /// Whether the event comes up for the first time in the current question.
    pub(super) const fn first_time(&mut self, event: usize) -> bool {
        let first = self.stamps[event] != self.stamp;
        self.stamps[event] = self.stamp;
        first
    }

    /// Adds a step to the work-list, once.
    pub(super) const fn enqueue(&mut self, step: usize) {
        if !self.queued[step] {
            self.queued[step] = true;
            let mut at = self.head + self.waiting;
            if at >= self.queue.len() {
                at -= self.queue.len();
            }
            self.queue[at] = step as u32;
            self.waiting += 1;
        }
    }

    /// Takes the next step off the work-list.
    pub(super) const fn dequeue(&mut self) -> Option<usize> {
        if self.waiting == 0 {
            return None;
        }
        let step = self.queue[self.head] as usize;
        self.head = if self.head + 1 == self.queue.len() { 0 } else { self.head + 1 };
        self.waiting -= 1;
        self.queued[step] = false;
        Some(step)
    }

    /// Whether the levels cost more than they may: then nothing is known.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.spent > self.limit
    }

    /// Whether the step can run.
    pub(super) const fn runs(&self, step: usize) -> bool {
        any(self.step_levels, step, self.words)
    }

    /// Whether the event can occur.
    pub(super) const fn occurs(&self, event: usize) -> bool {
        any(self.event_levels, event, self.words)
    }

    /// Whether the event can occur inside a batch.
    pub(super) const fn occurs_in_batch(&self, event: usize) -> bool {
        let row = event * self.words;
        let mut i = 0;
        while i < self.words {
            let own = if i == 0 { !1 } else { !0 };
            if self.event_levels[row + i] & own != 0 {
                return true;
            }
            i += 1;
        }
        false
    }

    /// Whether members of the opener's batches reach the collecting step.
    pub(super) const fn is_reached(&self, step: usize, opener: usize) -> bool {
        let level = opener + 1;
        self.reached[step * self.words + level / 64] & (1 << (level % 64)) != 0
    }
}

const fn any(rows: &[u64], row: usize, words: usize) -> bool {
    let mut i = 0;
    while i < words {
        if rows[row * words + i] != 0 {
            return true;
        }
        i += 1;
    }
    false
}

impl<'a> Check<'_, '_, '_, 'a> {
    /// Runs every rule. The order is that of the findings of one step: causes before what follows from them.
    pub(super) const fn run(&mut self) {
        if self.graph.steps.is_empty() {
            let start = self.graph.events[self.graph.start as usize].tag;
            self.findings.add(Finding::new(FaultKind::NoSteps, Place::Start).event(start));
            return;
        }
        self.link();
        self.check_names();
        self.check_params();
        self.check_catches();
        self.propagate();
        if self.work.is_exhausted() {
            return;
        }
        self.check_roles();
        self.check_routes();
        self.check_levels();
        self.check_loops();
        self.check_ends();
    }

    /// Chains the edges that take and those that give each event, and the collectors; notes how events are used.
    const fn link(&mut self) {
        let mut step = self.graph.steps.len();
        while step > 0 {
            step -= 1;
            if self.graph.steps[step].is_collector() {
                self.work.next_collector[step] = self.work.first_collector;
                self.work.first_collector = step as u32;
            }
        }
        let mut i = self.graph.edges.len();
        while i > 0 {
            i -= 1;
            let edge = self.graph.edges[i];
            let event = edge.event as usize;
            if edge.kind.takes() {
                self.work.uses[event] |= TAKEN;
                self.work.next_edge[i] = self.work.first_taker[event];
                self.work.first_taker[event] = i as u32;
            } else if edge.kind.gives() {
                self.work.next_edge[i] = self.work.first_giver[event];
                self.work.first_giver[event] = i as u32;
            } else if matches!(edge.kind, EdgeKind::Waits) {
                self.work.uses[event] |= WAITED;
            } else {
                self.work.uses[event] |= STREAMED;
            }
        }
    }

    /// Name of the first step that gives the event; empty if none does.
    pub(super) const fn giver_of(&self, event: usize) -> &'a str {
        let edge = self.work.first_giver[event];
        if edge == NONE { "" } else { self.graph.steps[self.graph.edges[edge as usize].step as usize].name }
    }
}
