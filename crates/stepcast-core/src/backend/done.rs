//! The receipt of a batch.

use std::fmt;

use super::{StorageError, WriteError};

type Call = Box<dyn FnOnce(Result<(), WriteError>) + Send>;

/// What is called when a batch is durable or failed: once, also if the backend drops it. It must not block.
pub struct Done(Option<Call>);

impl Done {
    /// Calls `call` with what became of the batch.
    pub fn new(call: impl FnOnce(Result<(), WriteError>) + Send + 'static) -> Self {
        Done(Some(Box::new(call)))
    }

    /// Says what became of the batch.
    pub fn call(mut self, result: Result<(), WriteError>) {
        if let Some(call) = self.0.take() {
            call(result);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call(Err(WriteError::Storage(StorageError::Closed)));
        }
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}
