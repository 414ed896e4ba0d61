//! Results of calls that runs share.

use rusqlite::params;
use stepcast_core::backend::CacheRow;
use stepcast_core::engine::Time;

use super::work::Work;
use crate::sql::{Stored, db, run};

impl Work<'_> {
    pub(crate) fn cache_put(&mut self, row: &CacheRow) -> Stored<()> {
        let sql = "INSERT INTO calls(key, workflow, namespace, run, json, at) VALUES(?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT(key) DO UPDATE SET run = excluded.run, json = excluded.json, at = excluded.at";
        let CacheRow { key, workflow, namespace, run: made_by, json, at } = row;
        run(self.conn, sql, params![key, workflow, namespace, made_by, json, db(at.0)])?;
        Ok(())
    }

    pub(crate) fn cache_purge(&mut self, before: Time, limit: usize) -> Stored<usize> {
        let sql = "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE at < ?1 ORDER BY at LIMIT ?2)";
        let gone = run(self.conn, sql, [db(before.0), i64::try_from(limit).unwrap_or(i64::MAX)])?;
        self.vacuum |= gone > 0;
        Ok(gone)
    }
}
