//! Children end with their parents.

use std::sync::Arc;

use stepcast_core::backend::{Batch, MailKind};
use stepcast_core::engine::Time;

use super::FaultPoint;
use super::work::Work;
use crate::sql::{FIRST_END, Stored, all, first};

impl Work<'_> {
    /// Leaves each child of the batch's run that has not ended a letter that cancels it.
    pub(super) fn cancel_children(&mut self, batch: &Batch) -> Stored<()> {
        self.flush_creates()?;
        // Ends that wait for others only make them fewer: nearly always there are none.
        if self.live_children(&batch.run)?.is_empty() {
            return Ok(());
        }
        self.flush_runs()?;
        for (key, child) in self.live_children(&batch.run)? {
            self.cancel_child(key, &Arc::from(child), batch.at)?;
        }
        Ok(())
    }

    fn live_children(&self, parent: &str) -> Stored<Vec<(i64, String)>> {
        let sql = format!("SELECT id, run FROM runs WHERE parent = ?1 AND status < {FIRST_END}");
        all(self.conn, &sql, [parent], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Cancels a new child whose parent ended before it came. Whether it did.
    pub(super) fn cancel_late_child(&mut self, key: i64, batch: &Batch, parent: &str) -> Stored<bool> {
        // Nothing is noted of a run that has ended.
        if self.held.get(parent).is_some_and(|noted| self.is_fresh(&noted.get())) {
            return Ok(false);
        }
        self.flush_runs()?;
        let status = first(self.conn, "SELECT status FROM runs WHERE run = ?1", [parent], |row| row.get::<_, i64>(0))?;
        let is_late = status.is_some_and(|status| status >= FIRST_END);
        if is_late {
            self.cancel_child(key, &batch.run, batch.at)?;
        }
        Ok(is_late)
    }

    fn cancel_child(&mut self, key: i64, child: &Arc<str>, at: Time) -> Stored<()> {
        self.post(child, key, MailKind::Cancel, "null", None, at)?;
        self.fault(FaultPoint::Statement);
        Ok(())
    }
}
