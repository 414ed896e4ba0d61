//! Connections that read, a few of them kept for the next reader.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use stepcast_core::backend::StorageError;

use crate::error::storage;
use crate::open::{SqliteOptions, reader};
use crate::sql::Stored;

/// How many idle connections are kept.
const KEPT: usize = 4;

#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    options: SqliteOptions,
    /// `None` when closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, options: SqliteOptions) -> Self {
        Readers { path, options, idle: Mutex::new(Some(Vec::new())) }
    }

    /// Reads the store as it was at one moment.
    pub(crate) fn read<T, E: From<StorageError>>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut conn = self.take()?;
        let result = {
            let moment = conn.transaction().map_err(storage)?;
            // Dropping the transaction ends it; there is nothing to commit.
            read(&moment)
        };
        if let Some(idle) = self.lock().as_mut()
            && idle.len() < KEPT
        {
            idle.push(conn);
        }
        result
    }

    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn take(&self) -> Stored<Connection> {
        let kept = self.lock().as_mut().ok_or(StorageError::Closed)?.pop();
        match kept {
            Some(conn) => Ok(conn),
            None => reader(&self.path, &self.options).map_err(storage),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
