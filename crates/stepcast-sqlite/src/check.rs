//! Looking at a whole file for what should not be.

use std::sync::Arc;

use stepcast_core::backend::{LoadError, StorageError};

use crate::SqliteBackend;
use crate::read;
use crate::sql::all;

/// What a check of a store found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// How many runs were read.
    pub runs: usize,
    /// What should not be.
    pub damage: Vec<Damage>,
}

/// Something that should not be.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// SQLite found its file damaged.
    #[error("The file is damaged: {0}.")]
    File(String),
    /// A run cannot be read.
    #[error("{0}")]
    Run(#[source] LoadError),
}

impl SqliteBackend {
    /// Reads everything: the file's structure, and of every run the journal and the stream without a gap.
    pub fn check(&self) -> Result<CheckReport, StorageError> {
        let mut report = CheckReport::default();
        let found =
            self.readers.read(|conn| all(conn, "PRAGMA integrity_check(20)", [], |row| row.get::<_, String>(0)));
        match found {
            Ok(found) => {
                let found = found.into_iter().filter(|line| line != "ok");
                report.damage.extend(found.map(Damage::File));
            }
            Err(error @ StorageError::Corrupt { .. }) => {
                report.damage.push(Damage::File(error.to_string()));
                return Ok(report);
            }
            Err(error) => return Err(error),
        }
        let mut after = 0;
        loop {
            let ids: Vec<(i64, Arc<str>)> = self.readers.read(|conn| read::ids(conn, after, 256))?;
            let Some((last, _)) = ids.last() else { return Ok(report) };
            after = *last;
            for (_, id) in ids {
                report.runs += 1;
                match self.check_run(&id) {
                    // Purged in between.
                    Ok(()) | Err(LoadError::UnknownRun { .. }) => {}
                    Err(error) => report.damage.push(Damage::Run(error)),
                }
            }
        }
    }

    fn check_run(&self, id: &str) -> Result<(), LoadError> {
        self.readers.read(|conn| {
            let run = read::load(conn, id, self.who())?;
            let mut after = 0;
            while after < run.last_seq {
                let events = read::events(conn, id, after, 1024)?;
                after = events.last().map_or(run.last_seq, |event| event.seq);
            }
            Ok(())
        })
    }
}
