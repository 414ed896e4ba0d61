//! What opening can find, and what SQLite's errors mean.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;
use stepcast_core::backend::StorageError;

/// A file that could not be opened as a store.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The storage failed.
    #[error("The store {path:?} could not be opened. {source}")]
    Storage {
        /// The file.
        path: PathBuf,
        /// What failed.
        #[source]
        source: StorageError,
    },
    /// Another version of stepcast wrote the file.
    #[error(
        "The store {path:?} has the format {found}, and this version of stepcast knows {known}; use the version that wrote it."
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The format that is known.
        known: i64,
    },
    /// It is an SQLite file of something else.
    #[error("{path:?} is a database of another program; give a file of its own to the store.")]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The file system cannot hold a store.
    #[error(
        "{path:?} lies where SQLite cannot keep a write-ahead log (its journal mode is `{mode}`); use a local disk."
    )]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
        /// The journal mode that SQLite chose.
        mode: String,
    },
}

/// What an error of SQLite's means for a store.
pub(crate) fn storage(error: rusqlite::Error) -> StorageError {
    let code = match &error {
        rusqlite::Error::SqliteFailure(failure, _) => Some(failure.code),
        _ => None,
    };
    let damaged = matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    );
    let source = Arc::new(error);
    match code {
        Some(ErrorCode::DiskFull) => StorageError::Full { source },
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => StorageError::Io { source },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StorageError::ReadOnly { source },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageError::Locked { source },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StorageError::Corrupt { source },
        _ if damaged => StorageError::Corrupt { source },
        _ => StorageError::Other { source },
    }
}

/// A failure of the file system beside the database.
pub(crate) fn io(error: std::io::Error) -> StorageError {
    match error.kind() {
        std::io::ErrorKind::StorageFull => StorageError::Full { source: Arc::new(error) },
        std::io::ErrorKind::ReadOnlyFilesystem => StorageError::ReadOnly { source: Arc::new(error) },
        _ => StorageError::Io { source: Arc::new(error) },
    }
}
