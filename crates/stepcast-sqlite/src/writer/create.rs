//! New runs. Those that bring nothing unusual wait for others, and go into their tables together.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, Statement, params};
use stepcast_core::backend::{Batch, Definition, FIRST_FENCE, NewRun, StorageError, WriteError};

use super::FaultPoint;
use super::append::fits;
use super::known::Held;
use super::many::Many;
use super::rows::Misplaced;
use super::work::Work;
use crate::error::storage;
use crate::journal;
use crate::sql::{Stored, db, first, kept, run};

const RUNS: &str = "runs(run, workflow, parent, status, created, changed, holder, fence, definition)";

fn values(at: usize) -> String {
    let [run, workflow, parent, created, holder, definition]: [usize; 6] = std::array::from_fn(|column| at + column);
    format!("(?{run}, ?{workflow}, ?{parent}, 0, ?{created}, ?{created}, ?{holder}, {FIRST_FENCE}, ?{definition})")
}

/// What new runs are written with.
pub(super) struct Creates<'c> {
    /// For a run that may be there already.
    alone: Statement<'c>,
    runs: Many<'c>,
    starts: Many<'c>,
}

impl<'c> Creates<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> Stored<Self> {
        let alone = format!("INSERT INTO {RUNS} VALUES {} ON CONFLICT(run) DO NOTHING", values(1));
        Ok(Creates {
            alone: kept(conn, &alone).map_err(storage)?,
            runs: Many::new(conn, RUNS, 6, values),
            starts: Many::new(conn, "starts(run, description, json)", 3, |at| {
                format!("(?{at}, ?{}, ?{})", at + 1, at + 2)
            }),
        })
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.starts.clear();
    }
}

impl Work<'_> {
    pub(super) fn check_new(&self, batch: &Batch, new: &NewRun) -> Result<Held, WriteError> {
        let (run, fence) = (&batch.run, batch.fence);
        if fence != FIRST_FENCE {
            return Err(WriteError::FencedOff { run: run.clone(), fence, current: FIRST_FENCE });
        }
        let definition = new.definition.as_ref().map_or(0, |definition| definition.json.len());
        fits(run, new.start.len().max(new.description.len()).max(definition))?;
        let (end, last_seq) = (Some(journal::End::default()), Some(0));
        Ok(Held { key: 0, fence, end, last_seq, epoch: self.epoch(), plain: true, undue: true })
    }

    /// Gives the key of the new run.
    pub(super) fn create(&mut self, batch: &Batch, new: &NewRun) -> Stored<Result<i64, WriteError>> {
        let id = &batch.run;
        let definition = match &new.definition {
            Some(definition) => Some(self.definition(definition)?),
            None => None,
        };
        // One that is known is there already, and what is known of it must stay if it is.
        let together = !self.one_by_one && !self.knows(id);
        let key = if together {
            self.create_with_others(batch, new, definition)?
        } else {
            match self.create_alone(batch, new, definition)? {
                Some(key) => key,
                None => return Ok(Err(WriteError::RunExists { run: id.clone() })),
            }
        };
        let description = self.description(&new.description)?;
        self.often.creates.starts.number(key).number(description).text(&new.start);
        if self.often.creates.starts.is_full() || !together {
            self.flush_creates()?;
        }
        self.go_on(id);
        Ok(Ok(key))
    }

    fn create_with_others(&mut self, batch: &Batch, new: &NewRun, definition: Option<i64>) -> Stored<i64> {
        let key = match self.next_key {
            Some(key) => key,
            None => {
                self.flush_creates()?;
                next_key(self.conn)?
            }
        };
        self.next_key = Some(key + 1);
        let runs = &mut self.often.creates.runs;
        runs.text(&batch.run).text(&new.workflow).text_if(new.parent.as_deref());
        runs.number(db(batch.at.0)).number(self.me).number_if(definition);
        Ok(key)
    }

    /// `None` if the run is there.
    fn create_alone(&mut self, batch: &Batch, new: &NewRun, definition: Option<i64>) -> Stored<Option<i64>> {
        self.flush_creates()?;
        let (at, parent) = (db(batch.at.0), new.parent.as_deref());
        let values = params![&*batch.run, new.workflow, parent, at, self.me, definition];
        let created = self.often.creates.alone.execute(values).map_err(storage)?;
        if created == 0 {
            // The table has left a key out for it.
            self.next_key = None;
            if let Some(definition) = definition {
                self.drop_definition(definition)?;
            }
            return Ok(None);
        }
        let key = self.conn.last_insert_rowid();
        self.next_key = Some(key + 1);
        self.fault(FaultPoint::Statement);
        Ok(Some(key))
    }

    /// Puts new runs into the table.
    pub(super) fn flush_creates(&mut self) -> Stored<()> {
        let Creates { runs, starts, .. } = &mut self.often.creates;
        if starts.len() == 0 {
            return Ok(());
        }
        let options = &self.options;
        let mut place = self.next_key.unwrap_or(0) - runs.len() as i64 - 1;
        let mut wrong = None;
        let put = runs.flush(|many| {
            place += many as i64;
            let found = self.conn.last_insert_rowid();
            if found != place && wrong.is_none() {
                wrong = Some(Misplaced { place, found });
            }
            options.fault(FaultPoint::Statement);
        });
        if let Some(wrong) = wrong {
            return Err(StorageError::Corrupt { source: Arc::new(wrong) });
        }
        if let Err(error) = put {
            // A run that is there: which one is only told to whoever comes alone.
            self.one_by_one |= error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation);
            return Err(storage(error));
        }
        starts.flush(|_| options.fault(FaultPoint::Statement)).map_err(storage)
    }

    /// Before a statement that changes the run `key`.
    pub(super) fn flush_run(&mut self, key: i64) -> Stored<()> {
        let waiting = self.often.creates.runs.len() as i64;
        if self.next_key.is_some_and(|next| key >= next - waiting) { self.flush_creates() } else { Ok(()) }
    }

    /// The key of a description, which most runs share with the one before.
    fn description(&mut self, json: &str) -> Stored<i64> {
        if let Some((known, key)) = &self.description
            && known == json
        {
            return Ok(*key);
        }
        let sql = "SELECT id FROM descriptions WHERE json = ?1";
        let key = match first(self.conn, sql, [json], |row| row.get::<_, i64>(0))? {
            Some(key) => key,
            None => {
                run(self.conn, "INSERT INTO descriptions(json) VALUES(?1)", [json])?;
                self.conn.last_insert_rowid()
            }
        };
        self.description = Some((json.to_owned(), key));
        Ok(key)
    }

    /// The key of a document, which most runs share with the one before.
    fn definition(&mut self, definition: &Definition) -> Stored<i64> {
        if let Some((known, key)) = &self.definition
            && *known == definition.hash
        {
            return Ok(*key);
        }
        let sql = "SELECT id FROM definitions WHERE hash = ?1";
        let key = match first(self.conn, sql, [&*definition.hash], |row| row.get::<_, i64>(0))? {
            Some(key) => key,
            None => {
                let values = [&*definition.hash, &*definition.json];
                run(self.conn, "INSERT INTO definitions(hash, json) VALUES(?1, ?2)", values)?;
                self.conn.last_insert_rowid()
            }
        };
        self.definition = Some((Arc::clone(&definition.hash), key));
        Ok(key)
    }

    /// Removes a document that no run was created with.
    pub(super) fn drop_definition(&mut self, definition: i64) -> Stored<()> {
        let sql = "DELETE FROM definitions WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE definition = ?1)";
        run(self.conn, sql, [definition])?;
        self.definition = None;
        Ok(())
    }
}

/// The key that the table gives next: none is given twice.
fn next_key(conn: &Connection) -> Stored<i64> {
    let sql = "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'runs'), 0), \
               coalesce((SELECT max(id) FROM runs), 0))";
    Ok(first(conn, sql, [], |row| row.get::<_, i64>(0))?.unwrap_or(0) + 1)
}
