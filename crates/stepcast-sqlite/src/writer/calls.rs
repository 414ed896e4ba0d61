//! What is asked of the writer besides batches.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::params;
use stepcast_core::backend::{
    Answer, AnswerError, ClaimError, Lease, Letter, MAILBOX_LIMIT, MailKind, Notice, PurgeError, SendError, Sent,
};
use stepcast_core::engine::Time;

use super::work::Work;
use crate::journal;
use crate::sql::{ANSWERED, FIRST_END, PENDING, Stored, all, db, first, input_status, mail_code, run, un};

impl Work<'_> {
    pub(crate) fn claim(&mut self, id: &str) -> Stored<Result<Lease, ClaimError>> {
        let sql = "SELECT id, status, holder, fence FROM runs WHERE run = ?1";
        let found = first(self.conn, sql, [id], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?, un(row.get(3)?)))
        })?;
        let Some((key, status, holder, fence)) = found else {
            return Ok(Err(ClaimError::UnknownRun { run: id.into() }));
        };
        if status >= FIRST_END {
            return Ok(Err(ClaimError::Ended { run: id.into() }));
        }
        if holder.is_some_and(|holder| holder != self.me && self.owners.is_alive(holder)) {
            return Ok(Err(ClaimError::Held { run: id.into() }));
        }
        self.note_for_claim()?;
        let fence = fence + 1;
        run(self.conn, "UPDATE runs SET holder = ?2, fence = ?3 WHERE id = ?1", [key, self.me, db(fence)])?;
        self.go_on(id);
        Ok(Ok(Lease { fence }))
    }

    /// Frees the runs of those who are gone.
    pub(crate) fn reap(&mut self) -> Stored<()> {
        for owner in all(self.conn, "SELECT id FROM owners WHERE id <> ?1", [self.me], |row| row.get(0))? {
            if !self.owners.is_alive(owner) {
                run(self.conn, "UPDATE runs SET holder = NULL WHERE holder = ?1 AND status < 2", [owner])?;
                run(self.conn, "DELETE FROM owners WHERE id = ?1", [owner])?;
                self.owners.bury(owner);
                // Whoever asked for something else would not look again.
                self.notices.push(Notice::Unclaimed);
            }
        }
        Ok(())
    }

    pub(crate) fn answer(&mut self, answer: &Answer) -> Stored<Result<(), AnswerError>> {
        let input = answer.input;
        let sql = "SELECT i.id, i.run, i.status, i.answer, i.answered_by, i.closed \
                   FROM inputs i JOIN runs r ON r.id = i.run WHERE r.run = ?1 AND i.input = ?2";
        let found = first(self.conn, sql, params![&*answer.run, db(input)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, input_status(row, 2)?))
        })?;
        let Some((id, key, code, status)) = found else {
            return Ok(Err(AnswerError::UnknownInput { run: answer.run.clone(), input }));
        };
        if code != PENDING {
            return Ok(Err(AnswerError::Conflict { run: answer.run.clone(), input, status: Box::new(status) }));
        }
        run(
            self.conn,
            "UPDATE inputs SET status = ?2, answer = ?3, answered_by = ?4, closed = ?5 WHERE id = ?1",
            params![id, ANSWERED, answer.answer, answer.by, db(answer.at.0)],
        )?;
        let letter = self.post(&answer.run, key, MailKind::Answer { input }, &answer.answer, None, answer.at)?;
        if let Some(trace) = &answer.trace {
            run(self.conn, "UPDATE mailbox SET trace = ?2 WHERE id = ?1", params![db(letter), trace])?;
        }
        Ok(Ok(()))
    }

    pub(crate) fn send(&mut self, letter: &Letter) -> Stored<Result<Sent, SendError>> {
        let run = &letter.run;
        let sql = "SELECT id, status FROM runs WHERE run = ?1";
        let found = first(self.conn, sql, [&**run], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        let Some((key, status)) = found else { return Ok(Err(SendError::UnknownRun { run: run.clone() })) };
        if status >= FIRST_END {
            return Ok(Err(SendError::Ended { run: run.clone() }));
        }
        if let Some(dedup) = &letter.dedup {
            let sql = "SELECT EXISTS(SELECT 1 FROM taken WHERE run = ?1 AND dedup = ?2) \
                       OR EXISTS(SELECT 1 FROM mailbox WHERE run = ?1 AND dedup = ?2)";
            if first(self.conn, sql, params![key, dedup], |row| row.get(0))? == Some(true) {
                return Ok(Ok(Sent::Duplicate));
            }
        }
        let limit = MAILBOX_LIMIT;
        let sql = "SELECT 1 FROM mailbox WHERE run = ?1 LIMIT 1 OFFSET ?2";
        if letter.kind != MailKind::Wake && first(self.conn, sql, params![key, limit as i64 - 1], |_| Ok(()))?.is_some()
        {
            return Ok(Err(SendError::MailboxFull { run: run.clone(), limit }));
        }
        let id = self.post(run, key, letter.kind, &letter.json, letter.dedup.as_deref(), letter.at)?;
        Ok(Ok(Sent::New(id)))
    }

    /// Puts a letter into a mailbox, and gives its number.
    pub(super) fn post(
        &mut self,
        to: &Arc<str>,
        key: i64,
        kind: MailKind,
        json: &str,
        dedup: Option<&str>,
        at: Time,
    ) -> Stored<u64> {
        let (kind, input) = mail_code(kind);
        let sql = "INSERT INTO mailbox(run, kind, input, json, dedup, at) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
        run(self.conn, sql, params![key, kind, input, json, dedup, db(at.0)])?;
        let letter = un(self.conn.last_insert_rowid());
        self.has_mail(to);
        self.notices.push(Notice::Mail(Arc::clone(to)));
        Ok(letter)
    }

    pub(crate) fn purge(&mut self, id: &str) -> Stored<Result<(), PurgeError>> {
        let sql = "SELECT id, holder FROM runs WHERE run = ?1";
        let found = first(self.conn, sql, [id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))?;
        let Some((key, holder)) = found else { return Ok(Err(PurgeError::UnknownRun { run: id.into() })) };
        if holder.is_some_and(|holder| holder == self.me || self.owners.is_alive(holder)) {
            return Ok(Err(PurgeError::Held { run: id.into() }));
        }
        let description = self.remove(key)?;
        self.drop_descriptions(description)?;
        self.go_on(id);
        Ok(Ok(()))
    }

    pub(crate) fn purge_ended(&mut self, before: Time, limit: usize) -> Stored<usize> {
        let sql = "SELECT id, run FROM runs WHERE status >= 2 AND changed < ?1 ORDER BY changed LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let old = all(self.conn, sql, [db(before.0), limit], |row| Ok((row.get(0)?, row.get::<_, Arc<str>>(1)?)))?;
        let mut descriptions = BTreeSet::new();
        for (key, id) in &old {
            descriptions.extend(self.remove(*key)?);
            self.go_on(id);
        }
        self.drop_descriptions(descriptions)?;
        Ok(old.len())
    }

    /// Gives the run's description, which may now be nobody's.
    fn remove(&mut self, key: i64) -> Stored<Option<i64>> {
        self.settle_events()?;
        self.tail.cut();
        let whole = match journal::end(self.conn, key)? {
            Ok(end) => journal::cut(self.conn, key, end, end.n)?.is_ok(),
            Err(_) => false,
        };
        if !whole {
            // A damaged journal has rows that nothing leads to.
            run(self.conn, "DELETE FROM journal WHERE run = ?1", [key])?;
        }
        let description: Option<i64> =
            first(self.conn, "SELECT description FROM starts WHERE run = ?1", [key], |row| row.get(0))?;
        let definition: Option<i64> =
            first(self.conn, "SELECT definition FROM runs WHERE id = ?1", [key], |row| row.get(0))?.flatten();
        for sql in [
            "DELETE FROM snapshots WHERE run = ?1",
            "DELETE FROM events WHERE run = ?1",
            "DELETE FROM inputs WHERE run = ?1",
            "DELETE FROM mailbox WHERE run = ?1",
            "DELETE FROM taken WHERE run = ?1",
            "DELETE FROM starts WHERE run = ?1",
            "DELETE FROM runs WHERE id = ?1",
        ] {
            run(self.conn, sql, [key])?;
        }
        if let Some(definition) = definition {
            self.drop_definition(definition)?;
        }
        self.tail.remove(key);
        self.vacuum = true;
        Ok(description)
    }

    /// Removes descriptions that no run has. Runs share few, and there is no index of who has which.
    fn drop_descriptions(&mut self, descriptions: impl IntoIterator<Item = i64>) -> Stored<()> {
        for description in descriptions {
            let sql = "DELETE FROM descriptions WHERE id = ?1 AND NOT EXISTS \
                       (SELECT 1 FROM starts WHERE description = ?1)";
            run(self.conn, sql, [description])?;
            self.description = None;
        }
        Ok(())
    }
}
