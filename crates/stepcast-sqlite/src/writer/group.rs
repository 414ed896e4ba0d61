//! One transaction for many jobs.

use std::time::{Duration, Instant};

use stepcast_core::backend::{Receipt, StorageError, Told, WriteError};

use super::work::Work;
use super::{FaultPoint, Job, More, is_final};
use crate::error::storage;
use crate::sql::{Stored, run};

/// What became of a job inside a transaction that is not yet durable.
type Outcome = Result<(), WriteError>;

impl Work<'_> {
    /// Writes the jobs with what comes meanwhile, tells everybody, and says how many they were. A group that fails is
    /// tried again one by one, so that only those fail who cannot be written.
    pub(super) fn write_group(&mut self, jobs: &mut Vec<Job>, more: &mut More<'_>) -> usize {
        let result = self.attempt(jobs, Some(more));
        let many = jobs.len();
        if result.is_err() && many > 1 && self.broken.is_none() {
            for job in std::mem::take(jobs) {
                let mut alone = vec![job];
                let result = self.attempt(&mut alone, None);
                self.tell(&mut alone, result);
            }
        } else {
            self.tell(jobs, result);
        }
        many
    }

    fn tell(&mut self, jobs: &mut Vec<Job>, result: Stored<Vec<Outcome>>) {
        match result {
            Ok(outcomes) => {
                let together = jobs.len() > 1;
                let mut told = Vec::with_capacity(jobs.len());
                for (at, (job, outcome)) in jobs.iter_mut().zip(outcomes).enumerate() {
                    if let (Job::Batch(batch, _), Err(error)) = (&*job, &outcome) {
                        self.stop_after(batch, error);
                    }
                    answer(job, outcome, together, &mut told);
                    self.fault(FaultPoint::Told);
                    // Who hears of the first is woken while the others are answered.
                    if at == 0 {
                        told.clear();
                    }
                }
                drop(told);
            }
            Err(error) => {
                for job in jobs.iter_mut() {
                    if let Job::Batch(batch, _) = &*job {
                        self.stop_after(batch, &WriteError::Storage(error.clone()));
                    }
                    answer(job, Err(WriteError::Storage(error.clone())), false, &mut Vec::new());
                }
            }
        }
        // What is left of them is freed when everybody is told, and at work again.
        jobs.clear();
    }

    /// Writes the jobs in one transaction. If a new run is there already, they are written again, with new runs one by one:
    /// that the batch is refused is then found where it stands.
    fn attempt(&mut self, jobs: &mut Vec<Job>, more: Option<&mut More<'_>>) -> Stored<Vec<Outcome>> {
        let result = self.transaction(jobs, more);
        if !self.one_by_one {
            return result;
        }
        let result = self.transaction(jobs, None);
        self.one_by_one = false;
        result
    }

    fn transaction(&mut self, jobs: &mut Vec<Job>, more: Option<&mut More<'_>>) -> Stored<Vec<Outcome>> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let result = self.begin().and_then(|()| self.fill(jobs, more)).and_then(|outcomes| {
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
    fn fill(&mut self, jobs: &mut Vec<Job>, mut more: Option<&mut More<'_>>) -> Stored<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        loop {
            while let Some(job) = jobs.get_mut(outcomes.len()) {
                outcomes.push(self.put(job)?);
                self.fault(FaultPoint::Job);
            }
            self.flush()?;
            if !more.as_mut().is_some_and(|more| more.join(jobs)) {
                return Ok(outcomes);
            }
        }
    }

    fn put(&mut self, job: &mut Job) -> Stored<Outcome> {
        let outcome = match job {
            Job::Batch(batch, _) if Work::is_checked_first(batch) => self.write_batch(batch)?,
            Job::Batch(batch, _) => self.revocable(|work| {
                let outcome = work.write_batch(batch)?;
                Ok((outcome.is_ok(), outcome))
            })?,
            Job::Call(call) => self.revocable(|work| Ok((call.make(work)?, Ok(()))))?,
            Job::Close(_) | Job::Watched => Ok(()),
        };
        if let (Job::Batch(batch, _), Err(error)) = (&*job, &outcome) {
            self.fail_rest(batch, error);
        }
        Ok(outcome)
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

/// Says what became of a job. A batch goes back to its run, for its room: to free it here would cost more.
fn answer(job: &mut Job, outcome: Outcome, together: bool, told: &mut Vec<Told>) {
    match std::mem::replace(job, Job::Watched) {
        Job::Batch(batch, done) => told.push(done.hand(Receipt { result: outcome, spent: Some(batch), together })),
        Job::Call(call) => call.answer(outcome.map_err(|error| match error {
            WriteError::Storage(error) => error,
            // A call's own refusal is in its answer.
            _ => StorageError::Closed,
        })),
        Job::Close(_) | Job::Watched => {}
    }
}
