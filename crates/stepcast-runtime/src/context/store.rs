use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stepcast_core::engine::OpKind;
use stepcast_core::store::{CellMap, EditError, StoreError, StorePath};

use super::op::Gone;
use crate::exec::{ExecShared, Recorded};

/// The run's store: JSON values by dot path, such as `"user.emails.0"`, shared by all its steps.
///
/// Writes run one at a time and are visible to every step when they return. They are recorded with their execution: a
/// repeated one does not do them again. Reads show the present.
#[derive(Clone, Debug)]
pub struct Store {
    exec: Arc<ExecShared>,
}

/// A store operation failed; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreEditError {
    /// The path, or what is at it, does not allow the operation.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The value at the path, or the result of an edit, does not fit its type.
    #[error("The value at `{path}` does not fit the type it is used with: {source}.")]
    Value {
        /// The path.
        path: String,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The execution has recorded as many results as it may.
    #[error(
        "The execution has recorded {bound} results, the most it may; split the step, or let the edit return `()`."
    )]
    RecordFull {
        /// The bound.
        bound: usize,
    },
    /// The run has ended.
    #[error("The run has ended; its store is not changed any more.")]
    RunEnded,
    /// The execution that this context belongs to is over.
    #[error("The execution that this context belongs to is over; use the store inside the step's own body.")]
    ExecutionEnded,
}

impl Store {
    pub(crate) fn new(exec: Arc<ExecShared>) -> Self {
        Store { exec }
    }

    /// The value at a path, if there is one.
    ///
    /// # Errors
    /// When the path is malformed or the value does not fit `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, StoreEditError> {
        let parsed = StorePath::new(path)?;
        let data = self.exec.run.data();
        let Some(value) = data.store.as_deref().and_then(|store| store.get(&parsed)) else { return Ok(None) };
        let value = T::deserialize(value);
        value.map(Some).map_err(|source| StoreEditError::Value { path: path.to_owned(), source })
    }

    /// The value at a path, or `default` if there is none.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn get_or<T: DeserializeOwned>(&self, path: &str, default: T) -> Result<T, StoreEditError> {
        Ok(self.get(path).await?.unwrap_or(default))
    }

    /// Puts a value at a path; objects on the way are made.
    ///
    /// # Errors
    /// When the path is malformed or leads through something that is not an object or list, or the value cannot be JSON.
    pub async fn set<T: Serialize>(&self, path: &str, value: T) -> Result<(), StoreEditError> {
        let parsed = StorePath::new(path)?;
        let value =
            serde_json::to_value(value).map_err(|source| StoreEditError::Value { path: path.to_owned(), source })?;
        self.write(path, |store| store.set(&parsed, value).map_err(Into::into))
    }

    /// Looks at the value at a path that was read before, without a copy of it. Do not call back into the store from `look`.
    pub fn look<R>(&self, path: &StorePath, look: impl FnOnce(Option<&Value>) -> R) -> R {
        let data = self.exec.run.data();
        look(data.store.as_deref().and_then(|store| store.get(path)))
    }

    /// Looks at the whole store, without a copy of it. `None` where nothing was ever written. Do not call back into the store
    /// from `look`.
    pub fn look_at_all<R>(&self, look: impl FnOnce(Option<&CellMap>) -> R) -> R {
        look(self.exec.run.data().store.as_deref())
    }

    /// As [`set`](Self::set), for a path that was read before and a value that is JSON.
    ///
    /// # Errors
    /// When the path leads through something that is not an object or list, or the run or the execution is over.
    pub fn put(&self, path: &StorePath, value: Value) -> Result<(), StoreEditError> {
        self.write(path.as_str(), |store| store.set(path, value).map_err(Into::into))
    }

    /// Changes the value at a path in one piece. A missing value is `null`. An `Err` from the closure changes and
    /// records nothing. The closure may run again where a backend finds a conflict, so it does nothing else.
    ///
    /// # Errors
    /// The outer one when the path does not allow it; the inner one is the closure's.
    pub async fn edit<R, E>(
        &self,
        path: &str,
        edit: impl FnMut(&mut Value) -> Result<R, E>,
    ) -> Result<Result<R, E>, StoreEditError>
    where
        R: Serialize + DeserializeOwned,
    {
        let parsed = StorePath::new(path)?;
        let value_error = |source| StoreEditError::Value { path: path.to_owned(), source };
        self.check()?;
        let mut data = self.exec.run.data();
        let mut log = self.exec.log();
        let ordinal = log.next(OpKind::Edit, path);
        if log.was_done(OpKind::Edit, path, ordinal) {
            let recorded = match log.recorded(OpKind::Edit, path, ordinal) {
                Some(Recorded::Json(value)) => value.clone(),
                _ => Value::Null,
            };
            return serde_json::from_value(recorded).map(Ok).map_err(value_error);
        }
        let bound = self.exec.run.def().policy().max_records;
        if size_of::<R>() > 0 && log.is_full(bound) {
            return Err(StoreEditError::RecordFull { bound });
        }
        // The result becomes JSON inside the edit, so that one that cannot be recorded changes nothing.
        let mut edit = edit;
        let mut unfit = None;
        let edited = data.store.get_or_insert_default().edit(&parsed, |value| {
            let result = edit(value).map_err(Some)?;
            let json = serde_json::to_value(&result).map_err(|source| {
                unfit = Some(source);
                None
            })?;
            Ok((result, json))
        });
        match edited {
            Ok((result, json)) => {
                let record = if size_of::<R>() == 0 { Recorded::Done } else { Recorded::Json(json) };
                log.record(OpKind::Edit, path, ordinal, record, bound);
                self.exec.touch(&mut log);
                drop((log, data));
                self.exec.nudge();
                Ok(Ok(result))
            }
            Err(EditError::Closure(Some(error))) => {
                log.step_back(OpKind::Edit, path);
                Ok(Err(error))
            }
            Err(EditError::Closure(None)) => {
                log.step_back(OpKind::Edit, path);
                Err(unfit.map_or(StoreEditError::ExecutionEnded, value_error))
            }
            Err(EditError::Store(error)) => {
                log.step_back(OpKind::Edit, path);
                Err(error.into())
            }
            Err(_) => Err(StoreEditError::ExecutionEnded),
        }
    }

    /// Removes the value at a path and gives it.
    ///
    /// # Errors
    /// When the path is malformed.
    pub async fn delete(&self, path: &str) -> Result<Option<Value>, StoreEditError> {
        let parsed = StorePath::new(path)?;
        let mut removed = None;
        self.write(path, |store| {
            removed = store.delete(&parsed);
            Ok(())
        })?;
        Ok(removed)
    }

    /// Removes everything.
    ///
    /// # Errors
    /// When the run or the execution is over.
    pub async fn clear(&self) -> Result<(), StoreEditError> {
        self.write("", |store| {
            store.clear();
            Ok(())
        })
    }

    /// The top-level keys, sorted.
    pub async fn keys(&self) -> Vec<String> {
        let data = self.exec.run.data();
        data.store.as_deref().map_or_else(Vec::new, |store| store.keys().into_iter().map(str::to_owned).collect())
    }

    fn check(&self) -> Result<(), StoreEditError> {
        match Gone::check(&self.exec) {
            Some(Gone::Run) => Err(StoreEditError::RunEnded),
            Some(Gone::Execution) => Err(StoreEditError::ExecutionEnded),
            None => Ok(()),
        }
    }

    /// A write without a result: only how often it was done is recorded.
    fn write(
        &self,
        path: &str,
        write: impl FnOnce(&mut CellMap) -> Result<(), StoreEditError>,
    ) -> Result<(), StoreEditError> {
        self.check()?;
        let mut data = self.exec.run.data();
        let mut log = self.exec.log();
        if !log.count(OpKind::Edit, path) {
            return Ok(());
        }
        let written = write(data.store.get_or_insert_default());
        match &written {
            Ok(()) => self.exec.touch(&mut log),
            Err(_) => log.uncount(OpKind::Edit, path),
        }
        drop((log, data));
        self.exec.nudge();
        written
    }
}
