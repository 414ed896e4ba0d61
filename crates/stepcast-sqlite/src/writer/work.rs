//! What the writer knows, and how long it may believe it.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use rusqlite::{Connection, Statement};
use stepcast_core::backend::{Batch, Notice, StorageError, WriteError};

use super::FaultPoint;
use super::create::Creates;
use super::ends::Ends;
use super::known::{Held, Known};
use super::many::Many;
use super::rows::{Appends, Waiting};
use super::tail::{Fresh, Tail};
use crate::error::storage;
use crate::open::SqliteOptions;
use crate::owner::Owners;
use crate::sql::{Stored, all, kept, run};

/// The connection and what is known without asking it.
pub(crate) struct Work<'c> {
    pub(super) conn: &'c Connection,
    pub(super) often: Often<'c>,
    pub(super) me: i64,
    pub(super) owners: Owners,
    pub(super) options: SqliteOptions,
    /// Runs that this instance holds.
    pub(super) held: Known,
    /// Runs with a failed write, and the fence under which it failed.
    stopped: HashMap<Arc<str>, u64>,
    /// The same within the transaction that is being filled.
    pub(super) failing: HashSet<(Arc<str>, u64)>,
    /// Grows when another process has written.
    epoch: u64,
    /// What SQLite says of the writes of others; `None` makes everything be read again.
    version: Option<i64>,
    /// What it said when somebody was last told of it.
    told: i64,
    pub(super) tail: Tail,
    pub(super) waiting: Waiting,
    pub(super) fresh: Fresh,
    /// The key of the next new run, if it is known.
    pub(super) next_key: Option<i64>,
    /// Whether new runs go into the table alone, for one of them is there already.
    pub(super) one_by_one: bool,
    pub(super) broken: Option<StorageError>,
    pub(super) notices: Vec<Notice>,
    /// The last description that a new run came with, and its key.
    pub(super) description: Option<(String, i64)>,
    /// The hash of the last document that a new run came with, and its key.
    pub(super) definition: Option<(Arc<str>, i64)>,
    /// Rows were purged: pages can be given back.
    pub(super) vacuum: bool,
    looks: u32,
}

/// Statements of nearly every group and every run; looking one up by its text costs a fifth of a small insert.
pub(crate) struct Often<'c> {
    pub(super) begin: Statement<'c>,
    pub(super) commit: Statement<'c>,
    pub(super) version: Statement<'c>,
    pub(super) appends: Appends<'c>,
    pub(super) events: Many<'c>,
    pub(super) fresh: Many<'c>,
    pub(super) creates: Creates<'c>,
    pub(super) end: Statement<'c>,
    pub(super) ends: Ends<'c>,
}

impl<'c> Often<'c> {
    pub(crate) fn prepare(conn: &'c Connection) -> Stored<Self> {
        let prepare = |sql| kept(conn, sql).map_err(storage);
        let event: fn(usize) -> String = |at| format!("(?{at}, ?{}, ?{}, ?{}, ?{})", at + 1, at + 2, at + 3, at + 4);
        Ok(Often {
            begin: prepare("BEGIN IMMEDIATE")?,
            commit: prepare("COMMIT")?,
            version: prepare("PRAGMA data_version")?,
            appends: Appends::prepare(conn)?,
            events: Many::new(conn, "events(run, seq, tag, at, json)", 5, event),
            fresh: Many::new(conn, "fresh(run, seq, tag, at, json)", 5, event),
            creates: Creates::prepare(conn)?,
            end: prepare(
                "UPDATE runs SET status = ?2, result = ?3, error = ?4, changed = ?5, failures = ?6, due = NULL, \
                 holder = NULL, head = coalesce(?7, head) WHERE id = ?1",
            )?,
            ends: Ends::new(conn),
        })
    }
}

impl<'c> Work<'c> {
    pub(super) fn new(
        conn: &'c Connection,
        often: Often<'c>,
        version: i64,
        me: i64,
        owners: Owners,
        options: SqliteOptions,
    ) -> Self {
        Work {
            conn,
            often,
            me,
            owners,
            options,
            held: Known::default(),
            stopped: HashMap::new(),
            failing: HashSet::new(),
            epoch: 0,
            version: None,
            told: version,
            tail: Tail::default(),
            waiting: Waiting::default(),
            fresh: Fresh::default(),
            next_key: None,
            one_by_one: false,
            broken: None,
            notices: Vec::new(),
            description: None,
            definition: None,
            vacuum: false,
            looks: 0,
        }
    }

    /// The place of a run's end and its leases are ours to know; whether a lease still holds, others may have changed.
    pub(super) fn is_fresh(&self, held: &Held) -> bool {
        held.epoch == self.epoch
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Called under the write lock, so that what it finds stays so.
    pub(super) fn see_others(&mut self) -> Stored<()> {
        let version = self.data_version()?;
        self.observe(version);
        if self.version != Some(version) {
            self.epoch += 1;
            self.forget_shared();
            self.read_tail()?;
            self.version = Some(version);
        }
        Ok(())
    }

    fn observe(&mut self, version: i64) {
        if self.told != version {
            self.notices.push(Notice::Elsewhere);
            self.told = version;
        }
    }

    fn data_version(&mut self) -> Stored<i64> {
        self.often.version.query_row([], |row| row.get(0)).map_err(storage)
    }

    /// Nothing that was learnt in a transaction holds after it was rolled back.
    pub(super) fn forget(&mut self) {
        self.held.clear();
        self.clear_waiting();
        self.forget_shared();
        self.version = None;
        self.vacuum = false;
        self.notices.retain(|notice| !matches!(notice, Notice::Mail(_)));
    }

    /// The keys of what runs share may be others by now, and that of the next run.
    pub(super) fn forget_shared(&mut self) {
        self.next_key = None;
        self.description = None;
        self.definition = None;
    }

    /// Whether anything is noted of a run.
    pub(super) fn knows(&self, run: &str) -> bool {
        self.held.contains(run) || (!self.stopped.is_empty() && self.stopped.contains_key(run))
    }

    pub(super) fn is_stopped(&self, run: &Arc<str>, fence: u64) -> bool {
        (!self.stopped.is_empty() && self.stopped.get(run) == Some(&fence))
            || (!self.failing.is_empty() && self.failing.contains(&(run.clone(), fence)))
    }

    /// Later batches of a run whose write failed under a lease that holds must fail too.
    pub(super) fn fail_rest(&mut self, batch: &Batch, error: &WriteError) {
        self.held.remove(&batch.run);
        if stops(error) {
            self.failing.insert((batch.run.clone(), batch.fence));
        }
    }

    pub(super) fn stop_after(&mut self, batch: &Batch, error: &WriteError) {
        if stops(error) {
            self.stopped.insert(batch.run.clone(), batch.fence);
        }
    }

    pub(super) fn go_on(&mut self, run: &str) {
        if !self.stopped.is_empty() {
            self.stopped.remove(run);
        }
        self.held.remove(run);
    }

    /// A run has something in its mailbox.
    pub(super) fn has_mail(&mut self, run: &str) {
        if let Some(known) = self.held.get(run) {
            known.set(Held { plain: false, ..known.get() });
        }
    }

    pub(super) fn fault(&self, point: FaultPoint) {
        self.options.fault(point);
    }

    /// Everything that waits goes into its table: before anybody looks there, and before the end of the transaction.
    pub(super) fn flush(&mut self) -> Stored<()> {
        self.flush_runs()?;
        self.flush_rows()?;
        self.flush_events()
    }

    /// What waits is not written.
    pub(super) fn clear_waiting(&mut self) {
        self.waiting.clear();
        self.often.creates.clear();
        self.often.ends.clear();
        self.often.events.clear();
        self.often.fresh.clear();
    }

    /// Whether others wrote or are gone, while there is nothing to write.
    pub(super) fn look_around(&mut self) {
        // An error here is found again by whoever needs an answer.
        if let Ok(version) = self.data_version() {
            self.observe(version);
        }
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(4) && self.anybody_gone() {
            self.notices.push(Notice::Unclaimed);
        }
    }

    fn anybody_gone(&self) -> bool {
        let others = all(self.conn, "SELECT id FROM owners WHERE id <> ?1", [self.me], |row| row.get(0));
        others.is_ok_and(|others| others.into_iter().any(|other| !self.owners.is_alive(other)))
    }

    /// Pages go back to the system, some at a time: the writer is needed.
    pub(super) fn give_room_back(&mut self) {
        self.vacuum = false;
        // What cannot be given back now is used by what is written next.
        let _ = all(self.conn, "PRAGMA incremental_vacuum(16384)", [], |_| Ok(()));
        let _ = all(self.conn, "PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }

    /// Gives all leases back.
    pub(super) fn leave(&mut self) -> Stored<()> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        self.begin()?;
        let me = self.me;
        run(self.conn, "UPDATE runs SET holder = NULL WHERE holder = ?1 AND status < 2", [me])?;
        run(self.conn, "DELETE FROM owners WHERE id = ?1", [me])?;
        self.often.commit.execute([]).map_err(storage)?;
        Ok(())
    }
}

/// Whether a failure concerns the run under its lease, not somebody who has no right to write it.
fn stops(error: &WriteError) -> bool {
    !matches!(
        error,
        WriteError::FencedOff { .. }
            | WriteError::Stopped { .. }
            | WriteError::RunExists { .. }
            | WriteError::UnknownRun { .. }
            | WriteError::Ended { .. }
    )
}
