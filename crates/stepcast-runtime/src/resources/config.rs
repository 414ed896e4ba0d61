use std::any::type_name;
use std::io;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;
use stepcast_core::{StoreError, StorePath};

/// A resource could not be read from its JSON file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("The file `{}` cannot be read: {source}. Check the path and its permissions.", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not JSON.
    #[error("The file `{}` is not JSON: {source}. Correct it at that line.", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// What serde found, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// The selector is not a path.
    #[error("The selector for the file `{}` is no path: {source}", file.display())]
    Selector {
        /// The file.
        file: PathBuf,
        /// What is wrong with the selector.
        #[source]
        source: StoreError,
    },
    /// The file has nothing where the selector points.
    #[error("The file `{}` has nothing at `{selector}`; add it there or select another path.", file.display())]
    NothingThere {
        /// The file.
        file: PathBuf,
        /// The selector.
        selector: String,
    },
    /// What is there does not fit the type.
    #[error("What the file `{}` has at `{selector}` does not fit `{type_name}`: {source}.", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// The selector; empty for the whole file.
        selector: String,
        /// The type asked for.
        type_name: &'static str,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads a part of a JSON file. On the blocking pool, since a file may be on a slow disk or a network.
pub(super) async fn load<T>(file: PathBuf, selector: String) -> Result<T, ConfigFileError>
where
    T: DeserializeOwned + Send + 'static,
{
    let name = file.clone();
    match tokio::task::spawn_blocking(move || read(file, selector)).await {
        Ok(read) => read,
        // The type's own `Deserialize` panicked; whoever resolves reports it as the panic it is.
        Err(stopped) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
        Err(stopped) => Err(ConfigFileError::Read { file: name, source: io::Error::other(stopped) }),
    }
}

fn read<T: DeserializeOwned>(file: PathBuf, selector: String) -> Result<T, ConfigFileError> {
    let path = match selector.as_str() {
        "" => None,
        text => match StorePath::new(text) {
            Ok(path) => Some(path),
            Err(source) => return Err(ConfigFileError::Selector { file, source }),
        },
    };
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(source) => return Err(ConfigFileError::Read { file, source }),
    };
    let value: Value = match serde_json::from_slice(&bytes) {
        Ok(value) => value,
        Err(source) => return Err(ConfigFileError::Syntax { file, source }),
    };
    let selected = match path {
        None => Some(value),
        Some(path) => path.get(&value).cloned(),
    };
    let Some(selected) = selected else {
        return Err(ConfigFileError::NothingThere { file, selector });
    };
    T::deserialize(selected).map_err(|source| ConfigFileError::Shape {
        file,
        selector,
        type_name: type_name::<T>(),
        source,
    })
}
