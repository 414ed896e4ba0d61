//! What becomes of inputs in a batch.

use rusqlite::params;
use stepcast_core::backend::{Batch, InputChange, NewInput, WriteError};

use super::FaultPoint;
use super::work::Work;
use crate::sql::{ANSWERED, EXPIRED, PENDING, Stored, WITHDRAWN, db, first, run};

impl Work<'_> {
    pub(super) fn change_inputs(&mut self, key: i64, batch: &Batch) -> Stored<Result<(), WriteError>> {
        for change in &batch.inputs {
            let (input, status, answer, by) = match change {
                InputChange::Opened(asked) => {
                    if !self.open_input(key, asked, db(batch.at.0))? {
                        return Ok(Err(WriteError::InputExists { run: batch.run.clone(), input: asked.input }));
                    }
                    continue;
                }
                InputChange::Reopened { input } => {
                    run(
                        self.conn,
                        "UPDATE inputs SET status = ?3, answer = NULL, answered_by = NULL, closed = NULL \
                         WHERE run = ?1 AND input = ?2 AND status = ?4",
                        params![key, db(*input), PENDING, ANSWERED],
                    )?;
                    self.fault(FaultPoint::Statement);
                    continue;
                }
                InputChange::Answered { input, answer, by } => (*input, ANSWERED, Some(answer), by.as_ref()),
                InputChange::Expired { input } => (*input, EXPIRED, None, None),
                InputChange::Withdrawn { input } => (*input, WITHDRAWN, None, None),
                // A kind that this version does not write: nothing would read it either.
                _ => continue,
            };
            let changed = run(
                self.conn,
                "UPDATE inputs SET status = ?3, answer = ?4, answered_by = ?5, closed = ?6 \
                 WHERE run = ?1 AND input = ?2 AND status = 0",
                params![key, db(input), status, answer, by, db(batch.at.0)],
            )?;
            if changed == 0 && status == EXPIRED {
                let sql = "SELECT status FROM inputs WHERE run = ?1 AND input = ?2";
                let now: Option<i64> = first(self.conn, sql, [key, db(input)], |row| row.get(0))?;
                if now == Some(ANSWERED) {
                    return Ok(Err(WriteError::AnsweredBefore { run: batch.run.clone(), input }));
                }
            }
            self.fault(FaultPoint::Statement);
        }
        Ok(Ok(()))
    }

    fn open_input(&self, key: i64, asked: &NewInput, at: i64) -> Stored<bool> {
        let opened = run(
            self.conn,
            "INSERT INTO inputs(run, input, step, reason, expects, prompt, data, choices, schema, expires, opened, \
             status) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT(run, input) DO NOTHING",
            params![
                key,
                db(asked.input),
                asked.step,
                asked.reason,
                asked.expects,
                asked.prompt,
                asked.data,
                asked.choices,
                asked.schema,
                asked.expires.map(|at| db(at.0)),
                at,
                PENDING
            ],
        )?;
        self.fault(FaultPoint::Statement);
        Ok(opened > 0)
    }
}
