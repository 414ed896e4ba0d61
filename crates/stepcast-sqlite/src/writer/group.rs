//! The jobs of one transaction.

use stepcast_core::backend::WriteError;

use super::Job;
use super::lines::Lines;

/// Room for more jobs than these is not kept: a burst is over, and what waits for the next one is not small.
pub(super) const ROOM: usize = 128;
/// So many pieces of lines stay.
const SPARE: usize = 8;

/// Jobs in the order in which they came, and what those among them mean that stand for lines.
#[derive(Default)]
pub(crate) struct Group {
    pub(super) jobs: Vec<Job>,
    /// Those of all `Job::Lines`, one piece after the other.
    pub(super) lines: Vec<Lines>,
    /// Lines that may not be written: the piece, the place in it, and why.
    pub(super) refused: Vec<(usize, usize, WriteError)>,
    spare: Vec<Lines>,
}

impl Group {
    pub(super) fn of(job: Job) -> Self {
        Group { jobs: vec![job], ..Group::default() }
    }

    /// How many batches and other jobs there are.
    pub(super) fn many(&self) -> usize {
        self.jobs.iter().map(Job::many).sum()
    }

    /// Adds lines, of which there are as many as new jobs say, and gives room for other ones.
    pub(super) fn add_lines(&mut self, lines: &mut Lines) {
        if lines.len() > 0 {
            let room = self.spare.pop().unwrap_or_default();
            self.lines.push(std::mem::replace(lines, room));
        }
    }

    /// Without the last jobs, who learn that nobody takes them.
    pub(super) fn truncate(&mut self, jobs: usize) {
        let mut gone: usize = self.jobs.drain(jobs..).map(|job| job.lines()).sum();
        for lines in self.lines.iter_mut().rev() {
            let now = gone.min(lines.len());
            lines.truncate(lines.len() - now);
            gone -= now;
        }
    }

    /// The place of the next line, if the last one had this.
    pub(super) fn next_line(&self, (mut piece, at): (usize, usize)) -> (usize, usize) {
        if self.lines.get(piece).is_some_and(|lines| at < lines.len()) {
            return (piece, at);
        }
        piece += 1;
        (piece, 0)
    }

    /// The jobs, each line as the batch that it is.
    pub(super) fn apart(&mut self) -> Vec<Job> {
        self.refused.clear();
        let mut owed = self.lines.drain(..).flat_map(|mut lines| std::mem::take(&mut lines.owed));
        let mut apart = Vec::new();
        for job in self.jobs.drain(..) {
            match job {
                Job::Lines(many) => {
                    apart.extend(owed.by_ref().take(many).map(|owed| Job::Batch(owed, None)));
                }
                other => apart.push(other),
            }
        }
        apart
    }

    /// All are told. What is left of them is freed when they are at work again.
    pub(super) fn clear(&mut self) {
        self.jobs.clear();
        self.refused.clear();
        if self.jobs.capacity() > ROOM {
            self.jobs = Vec::new();
        }
        let room = SPARE.saturating_sub(self.spare.len());
        self.spare.extend(self.lines.drain(..).take(room).filter_map(Lines::emptied));
    }
}
