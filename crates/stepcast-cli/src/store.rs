//! Where the runs are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stepcast::backend::{Backend, MemoryBackend};
use stepcast_client::Client;
use stepcast_sqlite::{SqliteBackend, SqliteOptions};

use crate::error::CliError;
use crate::remote::ServerStore;

/// A place for runs.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    /// Nothing is kept.
    Memory,
    /// An SQLite file.
    File(PathBuf),
    /// A server, which has a store of its own.
    Server(Client),
    /// There is no folder for the user's data, and no file was named.
    Nowhere,
}

impl Store {
    /// The place that was asked for, or the user's own.
    pub(crate) fn of(asked: Option<&Path>) -> Store {
        match asked {
            Some(name) if name == Path::new("memory") || name == Path::new(":memory:") => Store::Memory,
            Some(file) => Store::File(file.to_owned()),
            None => data_folder().map_or(Store::Nowhere, |folder| Store::File(folder.join("runs.db"))),
        }
    }

    /// To be read only: no file is made, no run is claimed. A file that is not there has no runs.
    pub(crate) fn read(&self) -> Result<Arc<dyn Backend>, CliError> {
        match self {
            Store::File(file) if file.exists() => Ok(Arc::new(SqliteOptions::default().read_only().open(file)?)),
            Store::Server(client) => Ok(Arc::new(ServerStore::new(client.clone()))),
            Store::Nowhere => Err(nowhere()),
            _ => Ok(Arc::new(MemoryBackend::new())),
        }
    }

    /// To be written. `None` for runs that only live in memory.
    pub(crate) fn write(&self) -> Result<Option<Arc<dyn Backend>>, CliError> {
        match self {
            Store::Memory => Ok(None),
            Store::Server(_) => Err(elsewhere()),
            Store::Nowhere => Err(nowhere()),
            Store::File(file) => {
                if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    std::fs::create_dir_all(folder).map_err(|source| no_folder(folder, &source))?;
                }
                Ok(Some(Arc::new(SqliteBackend::open(file)?)))
            }
        }
    }

    /// To be changed by a command that starts no runs: a store that is not there stays so.
    pub(crate) fn change(&self) -> Result<Arc<dyn Backend>, CliError> {
        match self {
            Store::File(file) if file.exists() => Ok(Arc::new(SqliteBackend::open(file)?)),
            _ => self.read(),
        }
    }

    /// For a sentence.
    pub(crate) fn name(&self) -> String {
        match self {
            Store::Memory => "memory".to_owned(),
            Store::File(file) => file.display().to_string(),
            Store::Server(client) => client.address(),
            Store::Nowhere => "nowhere".to_owned(),
        }
    }
}

fn elsewhere() -> CliError {
    CliError::new("SC0112", "This command works on a store of this machine, not on a server.")
}

fn nowhere() -> CliError {
    CliError::new("SC0014", "There is no folder for your data: neither HOME nor XDG_DATA_HOME is set.")
        .help("name the file with `--store FILE` or STEPCAST_STORE")
}

fn no_folder(folder: &Path, source: &std::io::Error) -> CliError {
    CliError::new("SC0014", format!("The folder {folder:?} for the store cannot be made: {source}."))
        .help("name another file with `--store FILE` or STEPCAST_STORE")
}

/// The folder for the user's data of this program.
fn data_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let absolute = |path: &PathBuf| path.is_absolute();
    if let Some(folder) = set("XDG_DATA_HOME").filter(absolute) {
        return Some(folder.join("stepcast"));
    }
    let folder = if cfg!(windows) {
        set("LOCALAPPDATA").or_else(|| set("APPDATA"))
    } else if cfg!(target_os = "macos") {
        set("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        set("HOME").map(|home| home.join(".local/share"))
    };
    folder.map(|folder| folder.join("stepcast"))
}
