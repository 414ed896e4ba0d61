//! One batch inside a transaction.

use rusqlite::types::Value;
use rusqlite::{params, params_from_iter};
use stepcast_core::backend::{Batch, Due, REMEMBERED_IDS, SnapshotRow, StatusChange, WriteError};

use super::FaultPoint;
use super::append::{damaged, fits};
use super::known::Held;
use super::work::Work;
use crate::error::storage;
use crate::journal;
use crate::sql::{FIRST_END, Stored, WITHDRAWN, all, db, first, run, status_code, un};

/// A refusal ends the batch with a `return`, as `?` does for a failure of the storage.
macro_rules! allowed {
    ($result:expr) => {
        match $result? {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

impl Work<'_> {
    /// Whether a batch is checked before anything is changed. Of any other the caller takes back what was, if it is refused.
    pub(super) fn is_checked_first(batch: &Batch) -> bool {
        batch.inputs.is_empty() && batch.snapshot.is_none()
    }

    /// Writes a batch and gives the key of its run, or says why it may not be.
    pub(super) fn write_batch(&mut self, batch: &Batch) -> Stored<Result<i64, WriteError>> {
        let mut held = match &batch.created {
            Some(new) => allowed!(Ok(self.check_new(batch, new))),
            None => allowed!(self.find_held(batch)),
        };
        allowed!(self.check_rows(&mut held, batch));
        allowed!(self.check_events(&mut held, batch));
        if let Some(new) = &batch.created {
            held.key = allowed!(self.create(batch, new));
            if let Some(parent) = &new.parent {
                held.plain &= !self.cancel_late_child(held.key, batch, parent)?;
            }
        }
        self.append_rows(&mut held, batch)?;
        if !batch.events.is_empty() {
            self.append_events(&mut held, batch)?;
        }
        if !batch.only_appends() {
            held.plain &= batch.inputs.is_empty() && batch.taken.is_empty();
            held.undue &= !matches!(batch.due, Some(Due::At(_)));
            allowed!(self.change_inputs(held.key, batch));
            self.take_mail(held.key, &batch.taken)?;
            if let Some(snapshot) = &batch.snapshot {
                allowed!(self.put_snapshot(&mut held, batch, snapshot));
            }
            self.change_run(&held, batch)?;
            if batch.ends_children {
                self.cancel_children(batch)?;
            }
            if !batch.letters.is_empty() {
                self.flush_runs()?;
            }
            for letter in &batch.letters {
                // A letter that cannot be delivered is no reason to fail the sender.
                let _ = self.send(letter)?;
                held.plain &= letter.run != batch.run;
                self.fault(FaultPoint::Statement);
            }
        }
        if batch.release || batch.ends() {
            self.held.remove(&batch.run);
        } else {
            self.held.set(&batch.run, held);
        }
        Ok(Ok(held.key))
    }

    /// The run of a batch, if the batch may write it.
    fn find_held(&mut self, batch: &Batch) -> Stored<Result<Held, WriteError>> {
        let id = &batch.run;
        let mut known = self.held.get(id).map(|noted| noted.get());
        if !known.is_some_and(|held| self.is_fresh(&held)) {
            self.flush_runs()?;
            let sql = "SELECT id, status, holder, fence FROM runs WHERE run = ?1";
            let found = first(self.conn, sql, [&**id], |row| {
                let holder: Option<i64> = row.get(2)?;
                Ok((row.get(0)?, row.get::<_, i64>(1)?, holder, un(row.get(3)?)))
            })?;
            let Some((key, status, holder, fence)) = found else {
                return Ok(Err(WriteError::UnknownRun { run: id.clone() }));
            };
            if status >= FIRST_END {
                return Ok(Err(WriteError::Ended { run: id.clone() }));
            }
            if holder != Some(self.me) || fence != batch.fence {
                self.held.remove(id);
                return Ok(Err(WriteError::FencedOff { run: id.clone(), fence: batch.fence, current: fence }));
            }
            let epoch = self.epoch();
            // Only the holder of a lease writes rows and events, so under the same one what is known of them holds.
            known = match known {
                Some(held) if held.key == key && held.fence == fence => Some(Held { epoch, plain: false, ..held }),
                _ => Some(Held { key, fence, end: None, last_seq: None, epoch, plain: false, undue: false }),
            };
        }
        let Some(held) = known else { return Ok(Err(WriteError::UnknownRun { run: id.clone() })) };
        if held.fence != batch.fence {
            let current = held.fence;
            return Ok(Err(WriteError::FencedOff { run: id.clone(), fence: batch.fence, current }));
        }
        if self.is_stopped(id, batch.fence) {
            return Ok(Err(WriteError::Stopped { run: id.clone() }));
        }
        Ok(Ok(held))
    }

    fn take_mail(&self, key: i64, letters: &[u64]) -> Stored<()> {
        let mut remembered = false;
        for letter in letters {
            let sql = "DELETE FROM mailbox WHERE id = ?1 AND run = ?2 RETURNING dedup";
            let taken = all(self.conn, sql, [db(*letter), key], |row| row.get::<_, Option<String>>(0))?;
            for dedup in taken.into_iter().flatten() {
                run(self.conn, "INSERT INTO taken(run, dedup) VALUES(?1, ?2)", params![key, dedup])?;
                remembered = true;
            }
            self.fault(FaultPoint::Statement);
        }
        if remembered {
            run(
                self.conn,
                "DELETE FROM taken WHERE run = ?1 AND id <= \
                 (SELECT id FROM taken WHERE run = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                params![key, REMEMBERED_IDS as i64],
            )?;
        }
        Ok(())
    }

    fn put_snapshot(
        &mut self,
        held: &mut Held,
        batch: &Batch,
        snapshot: &SnapshotRow,
    ) -> Stored<Result<(), WriteError>> {
        let end = allowed!(self.end_of(held, &batch.run));
        let (least, most, covers) = (end.covers, end.n, snapshot.covers);
        if !(least..=most).contains(&covers) {
            return Ok(Err(WriteError::BadSnapshot { run: batch.run.clone(), covers, least, most }));
        }
        if let Err(error) = fits(&batch.run, snapshot.data.len()) {
            return Ok(Err(error));
        }
        run(
            self.conn,
            "INSERT INTO snapshots(run, covers, data) VALUES(?1, ?2, ?3) \
             ON CONFLICT(run) DO UPDATE SET covers = excluded.covers, data = excluded.data",
            params![held.key, db(covers), snapshot.data],
        )?;
        self.fault(FaultPoint::Statement);
        self.flush_run(held.key)?;
        self.flush_rows()?;
        self.tail.cut();
        match journal::cut(self.conn, held.key, end, covers)? {
            Ok(end) => {
                if end.id == 0 {
                    self.tail.remove(held.key);
                }
                held.end = Some(end);
            }
            Err(missing) => return Ok(Err(damaged(&batch.run, missing))),
        }
        self.fault(FaultPoint::Statement);
        Ok(Ok(()))
    }

    /// The run's end: nobody holds it any more, and what was left for it is of no use.
    fn end_run(&mut self, held: &Held, batch: &Batch, change: &StatusChange) -> Stored<()> {
        let (key, at) = (held.key, db(batch.at.0));
        // Its last row is noted here and now, so that nobody comes back for it.
        let head = held.end.filter(|end| end.id != 0).map(|end| end.id);
        match (change, head) {
            (StatusChange::Completed { result, failures: 0 }, Some(head)) if held.undue => {
                self.often.ends.add(key, at, head, result);
                if self.often.ends.is_full() {
                    self.flush_runs()?;
                }
            }
            _ => {
                self.flush_run(key)?;
                let (status, result, error) = change.clone().parts();
                let values = params![key, status_code(status), result, error, at, i64::from(change.failures()), head];
                self.often.end.execute(values).map_err(storage)?;
                self.fault(FaultPoint::Statement);
            }
        }
        if head.is_some() {
            self.tail.remove(key);
        }
        if !held.plain {
            let sql = "UPDATE inputs SET status = ?2, closed = ?3 WHERE run = ?1 AND status = 0";
            run(self.conn, sql, [key, WITHDRAWN, at])?;
            run(self.conn, "DELETE FROM mailbox WHERE run = ?1", [key])?;
            run(self.conn, "DELETE FROM taken WHERE run = ?1", [key])?;
        }
        Ok(())
    }

    /// Deadline, status and lease, in one statement: each would go through the indexes by itself.
    fn change_run(&mut self, held: &Held, batch: &Batch) -> Stored<()> {
        let at = db(batch.at.0);
        let mut sql = String::new();
        let mut values: Vec<Value> = Vec::new();
        if let Some(change) = &batch.status {
            if batch.ends() {
                return self.end_run(held, batch, change);
            }
            let (status, result, error) = change.clone().parts();
            sql.push_str(", status = ?, result = ?, error = ?, changed = ?");
            values.extend([status_code(status).into(), result.into(), error.into(), at.into()]);
        }
        if let Some(due) = batch.due {
            sql.push_str(", due = ?");
            values.push(match due {
                Due::Never => Value::Null,
                Due::At(time) => db(time.0).into(),
            });
        }
        if batch.release {
            sql.push_str(", holder = NULL");
        }
        if let Some(assignments) = sql.get(2..) {
            self.flush_run(held.key)?;
            values.push(held.key.into());
            run(self.conn, &format!("UPDATE runs SET {assignments} WHERE id = ?"), params_from_iter(values))?;
            self.fault(FaultPoint::Statement);
        }
        Ok(())
    }
}
