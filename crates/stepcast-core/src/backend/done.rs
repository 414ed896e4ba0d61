//! The receipt of a batch.

use std::fmt;
use std::sync::Arc;

use super::{JournalRow, StorageError, WriteError};

/// What is told when a batch is durable or failed: once, also if the backend drops it. It must not block.
pub struct Done(Option<Call>);

enum Call {
    Once(Box<dyn FnOnce(Result<(), WriteError>) + Send>),
    To(Arc<dyn Receiver>),
}

/// Somebody who is told of many batches, one at a time, and asks for no memory for it.
pub trait Receiver: Send + Sync {
    /// What became of the batch that was handed over last.
    fn receive(self: Arc<Self>, receipt: Receipt);
}

/// What became of a batch.
#[derive(Debug)]
pub struct Receipt {
    /// Whether it is durable.
    pub result: Result<(), WriteError>,
    /// The rows of the batch, if the backend has no more use for them: their room can be used again.
    pub spent: Vec<JournalRow>,
    /// Whether batches of others landed with it, of which somebody is told at once.
    pub together: bool,
}

impl Receipt {
    /// What became of a batch that landed alone.
    pub fn of(result: Result<(), WriteError>) -> Self {
        Receipt { result, spent: Vec::new(), together: false }
    }
}

impl Done {
    /// Calls `call` with what became of the batch.
    pub fn new(call: impl FnOnce(Result<(), WriteError>) + Send + 'static) -> Self {
        Done(Some(Call::Once(Box::new(call))))
    }

    /// Tells `receiver` what became of the batch.
    pub fn to(receiver: Arc<dyn Receiver>) -> Self {
        Done(Some(Call::To(receiver)))
    }

    /// Says what became of the batch.
    pub fn call(self, result: Result<(), WriteError>) {
        self.hand(Receipt::of(result));
    }

    /// As [`call`](Self::call), with all that is known.
    pub fn hand(mut self, receipt: Receipt) {
        self.tell(receipt);
    }

    fn tell(&mut self, receipt: Receipt) {
        match self.0.take() {
            Some(Call::Once(call)) => call(receipt.result),
            Some(Call::To(receiver)) => receiver.receive(receipt),
            None => {}
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if self.0.is_some() {
            let result = Err(WriteError::Storage(StorageError::Closed));
            self.tell(Receipt::of(result));
        }
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}
