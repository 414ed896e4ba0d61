//! One transaction for many jobs.

use std::time::{Duration, Instant};

use stepcast_core::backend::{Owed, StorageError, WriteError};

use super::landed::Landed;
use super::work::Work;
use super::{FaultPoint, Group, Job, More, is_final};
use crate::error::storage;
use crate::sql::{Stored, run};

/// What became of a job inside a transaction that is not yet durable.
type Outcome = Result<(), WriteError>;

impl Work<'_> {
    /// Writes the jobs with what comes meanwhile, tells everybody, and says how many they were. A group that fails is
    /// tried again one by one, so that only those fail who cannot be written.
    pub(super) fn write_group(&mut self, group: &mut Group, more: &mut More<'_>) -> usize {
        let result = self.attempt(group, Some(more));
        let many = group.many();
        if result.is_err() && many > 1 && self.broken.is_none() {
            for job in group.apart() {
                let mut alone = Group::of(job);
                let result = self.attempt(&mut alone, None);
                self.tell(&mut alone, result);
            }
        } else {
            self.tell(group, result);
        }
        group.clear();
        many
    }

    fn tell(&mut self, group: &mut Group, result: Stored<Vec<Outcome>>) {
        match result {
            Ok(outcomes) => self.tell_each(group, outcomes),
            Err(error) => group.apart().into_iter().for_each(|job| self.reply(job, Err(error.clone().into()))),
        }
    }

    fn tell_each(&mut self, group: &mut Group, outcomes: Vec<Outcome>) {
        // One alone is told at once: the way over others is longer.
        let alone = group.many() == 1;
        // From the last one on, so that those before it stay where they are.
        while let Some((piece, at, error)) = group.refused.pop() {
            let owed = group.lines[piece].owed.swap_remove(at);
            self.reply(Job::Batch(owed, None), Err(error));
        }
        let mut landed = Landed::default();
        for lines in &mut group.lines {
            match lines.take_owed() {
                (owed, Some(of_all)) if !alone => landed.add_all(of_all, owed),
                (owed, _) => owed.into_iter().for_each(|owed| self.reply(Job::Batch(owed, None), Ok(()))),
            }
        }
        for (job, outcome) in group.jobs.drain(..).zip(outcomes) {
            match job {
                Job::Batch(owed, Some(of_all)) if !alone && outcome.is_ok() => landed.add(of_all, owed),
                job => self.reply(job, outcome),
            }
        }
        landed.give_back();
        self.fault(FaultPoint::Told);
    }

    /// Says what became of a job. A batch goes back to its run, for its room: to free it here would cost more.
    fn reply(&mut self, job: Job, outcome: Outcome) {
        match job {
            Job::Batch(owed, _) => {
                if let Err(error) = &outcome {
                    self.stop_after(&owed.batch, error);
                }
                owed.settle(outcome);
            }
            Job::Call(call) => call.answer(outcome.map_err(|error| match error {
                WriteError::Storage(error) => error,
                // A call's own refusal is in its answer.
                _ => StorageError::Closed,
            })),
            Job::Lines(_) | Job::Close(_) | Job::Watched => return,
        }
        self.fault(FaultPoint::Told);
    }

    /// Writes the jobs in one transaction. If a new run is there already, they are written again, with new runs one by one:
    /// that the batch is refused is then found where it stands.
    fn attempt(&mut self, group: &mut Group, more: Option<&mut More<'_>>) -> Stored<Vec<Outcome>> {
        let result = self.transaction(group, more);
        if !self.one_by_one {
            return result;
        }
        let result = self.transaction(group, None);
        self.one_by_one = false;
        result
    }

    fn transaction(&mut self, group: &mut Group, more: Option<&mut More<'_>>) -> Stored<Vec<Outcome>> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        group.refused.clear();
        let result = self.begin().and_then(|()| self.fill(group, more)).and_then(|outcomes| {
            self.tidy_up()?;
            self.fault(FaultPoint::BeforeCommit);
            self.often.commit.execute([]).map_err(storage)?;
            Ok(outcomes)
        });
        self.failing.clear();
        match result {
            Ok(outcomes) => {
                self.fault(FaultPoint::Committed);
                if self.vacuum {
                    self.give_room_back();
                }
                Ok(outcomes)
            }
            Err(error) => {
                if !self.conn.is_autocommit() {
                    // Fails only if SQLite rolled back by itself.
                    let _ = run(self.conn, "ROLLBACK", []);
                }
                self.forget();
                if is_final(&error) {
                    self.broken = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    /// Waits for other processes, in steps that are short against a commit at first.
    pub(super) fn begin(&mut self) -> Stored<()> {
        let mut step = Duration::from_micros(100);
        let mut until = None;
        loop {
            let error = match self.often.begin.execute([]) {
                Ok(_) => break,
                Err(error) => storage(error),
            };
            let until = *until.get_or_insert_with(|| Instant::now() + self.options.lock_wait);
            if !matches!(error, StorageError::Locked { .. }) || Instant::now() >= until {
                return Err(error);
            }
            std::thread::sleep(step);
            step = (step * 2).min(Duration::from_millis(5));
        }
        self.fault(FaultPoint::Begun);
        self.see_others()
    }

    /// Jobs are written while others are still on their way.
    fn fill(&mut self, group: &mut Group, mut more: Option<&mut More<'_>>) -> Stored<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(group.jobs.len());
        let mut next = (0, 0);
        loop {
            while let Some(job) = group.jobs.get_mut(outcomes.len()) {
                if let Job::Lines(many) = *job {
                    next = self.put_lines(group, many, next)?;
                    outcomes.push(Ok(()));
                } else {
                    outcomes.push(self.put(job)?);
                    self.fault(FaultPoint::Job);
                }
            }
            self.flush()?;
            if !more.as_mut().is_some_and(|more| more.join(group)) {
                return Ok(outcomes);
            }
        }
    }

    /// Puts so many lines, from a place on, and gives that after them.
    fn put_lines(&mut self, group: &mut Group, many: usize, mut next: (usize, usize)) -> Stored<(usize, usize)> {
        for _ in 0..many {
            let (piece, at) = group.next_line(next);
            let Group { lines, refused, .. } = group;
            let Some(lines) = lines.get(piece) else { break };
            if !self.append_line(lines, at)? {
                let batch = &lines.owed[at].batch;
                if let Err(error) = self.write_batch(batch)? {
                    self.fail_rest(batch, &error);
                    refused.push((piece, at, error));
                }
            }
            self.fault(FaultPoint::Job);
            next = (piece, at + 1);
        }
        Ok(next)
    }

    fn put(&mut self, job: &mut Job) -> Stored<Outcome> {
        match job {
            Job::Batch(Owed { batch, .. }, _) => {
                let outcome = if Work::is_checked_first(batch) {
                    self.write_batch(batch)?
                } else {
                    self.revocable(|work| {
                        let outcome = work.write_batch(batch)?;
                        Ok((outcome.is_ok(), outcome))
                    })?
                };
                match &outcome {
                    Ok(key) => batch.key = key.cast_unsigned(),
                    Err(error) => self.fail_rest(batch, error),
                }
                Ok(outcome.map(drop))
            }
            Job::Call(call) => self.revocable(|work| Ok((call.make(work)?, Ok(())))),
            Job::Lines(_) | Job::Close(_) | Job::Watched => Ok(Ok(())),
        }
    }

    /// Takes back what `change` did if it says `false`.
    fn revocable<T>(&mut self, change: impl FnOnce(&mut Work<'_>) -> Stored<(bool, T)>) -> Stored<T> {
        self.flush()?;
        run(self.conn, "SAVEPOINT job", [])?;
        let (keep, value) = change(self)?;
        if !keep {
            run(self.conn, "ROLLBACK TO job", [])?;
            self.clear_waiting();
            self.tail.doubt();
            self.forget_shared();
            self.count_fresh()?;
        }
        run(self.conn, "RELEASE job", [])?;
        Ok(value)
    }
}
