//! The file as a file: what it is, and how it is made smaller.

use rusqlite::{Connection, OpenFlags};
use stepcast_core::backend::StorageError;

use crate::SqliteBackend;
use crate::error::storage;

/// What the file of a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// The version of its format.
    pub format: i64,
    /// Its size in bytes, without what is still in the write-ahead log.
    pub bytes: u64,
    /// How many of these hold nothing any more.
    pub free_bytes: u64,
    /// The version of SQLite that reads it here.
    pub sqlite: &'static str,
}

impl SqliteBackend {
    /// What the file is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file_info(&self) -> Result<FileInfo, StorageError> {
        self.readers.read(|conn| {
            let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(storage);
            let size = |pages: i64, each: i64| u64::try_from(pages.saturating_mul(each)).unwrap_or(0);
            let page = number("page_size")?;
            Ok(FileInfo {
                format: number("user_version")?,
                bytes: size(number("page_count")?, page),
                free_bytes: size(number("freelist_count")?, page),
                sqlite: rusqlite::version(),
            })
        })
    }

    /// Writes the file anew without what is free in it, and empties the write-ahead log. Others may read meanwhile; who
    /// writes waits. It needs as much free room on the disk as the file has content.
    ///
    /// # Errors
    /// When the file cannot be written, or somebody writes for longer than ten seconds.
    pub fn compact(&self) -> Result<(), StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(self.path(), flags).map_err(storage)?;
        conn.busy_timeout(std::time::Duration::from_secs(10)).map_err(storage)?;
        conn.pragma_update(None, "synchronous", "FULL").map_err(storage)?;
        conn.execute_batch("VACUUM").map_err(storage)?;
        // Others that still read keep some of the log; that is no failure.
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(storage)
    }
}
