use super::graph::NONE;
use super::work::{Check, TAKEN};

/// Longest name that is compared with a mistaken one.
const LONGEST: usize = 40;

/// Nearest names. Comparisons are few, so that a graph full of mistakes costs the compiler no more than one of them.
impl<'a> Check<'_, '_, '_, 'a> {
    /// The step whose name is nearest to `name`, if one is near.
    pub(super) const fn nearest_step(&mut self, name: &str, except: usize) -> &'a str {
        let mut best = "";
        let mut least = limit(name);
        let mut step = 0;
        while step < self.graph.steps.len() && self.work.hints > 0 {
            if step != except && !self.graph.steps[step].is_catch() {
                self.work.hints -= 1;
                let distance = distance(name, self.graph.steps[step].name);
                if distance < least {
                    least = distance;
                    best = self.graph.steps[step].name;
                }
            }
            step += 1;
        }
        best
    }

    /// The event nearest by tag that is given and that no step takes, if one is near.
    pub(super) const fn nearest_given(&mut self, event: u32) -> &'a str {
        let tag = self.graph.events[event as usize].tag;
        let mut best = "";
        let mut least = limit(tag);
        let mut other = 0;
        while other < self.graph.events.len() && self.work.hints > 0 {
            if self.work.first_giver[other] != NONE && self.work.uses[other] & TAKEN == 0 {
                self.work.hints -= 1;
                let distance = distance(tag, self.graph.events[other].tag);
                if distance < least {
                    least = distance;
                    best = self.graph.events[other].tag;
                }
            }
            other += 1;
        }
        best
    }
}

/// A name is near if less than a third of it is mistaken, and one letter always may be.
const fn limit(name: &str) -> usize {
    1 + if name.len() < 3 { 1 } else { name.len() / 3 }
}

/// The number of letters to insert, remove or replace; bytes stand for letters.
const fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LONGEST || b.len() > LONGEST || a.len().abs_diff(b.len()) > LONGEST / 3 {
        return usize::MAX;
    }
    let mut row = [0; LONGEST + 1];
    let mut j = 0;
    while j <= b.len() {
        row[j] = j;
        j += 1;
    }
    let mut i = 0;
    while i < a.len() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        j = 0;
        while j < b.len() {
            let replaced = if a[i].eq_ignore_ascii_case(&b[j]) { diagonal } else { diagonal + 1 };
            diagonal = row[j + 1];
            let moved = if row[j] < row[j + 1] { row[j] + 1 } else { row[j + 1] + 1 };
            row[j + 1] = if replaced < moved { replaced } else { moved };
            j += 1;
        }
        i += 1;
    }
    row[b.len()]
}
