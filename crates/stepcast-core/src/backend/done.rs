//! The receipt of a batch.

use std::fmt;
use std::sync::Arc;

use super::{Batch, StorageError, WriteError};

/// What is told when a batch is durable or failed: once, also if the backend drops it. It must not block.
pub struct Done(Option<Call>);

enum Call {
    Once(Box<dyn FnOnce(Result<(), WriteError>) + Send>),
    To(Arc<dyn Receiver>),
}

/// Somebody who is told of many batches, one at a time, and asks for no memory for it.
pub trait Receiver: Send + Sync {
    /// Takes what became of the batch that was handed over last, and says who acts on it; nobody if that is somebody who
    /// was named for another receipt, and has yet to act.
    fn receive(self: Arc<Self>, receipt: Receipt) -> Option<Arc<dyn Acts>>;
}

/// Somebody who acts on receipts. Of batches that landed together, all are received before anybody is asked to act.
pub trait Acts: Send + Sync {
    /// Acts on what was received.
    fn act(self: Arc<Self>);
}

/// Somebody who acts on receipts when this is dropped.
#[must_use]
pub struct Told(Option<Arc<dyn Acts>>);

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(acts) = self.0.take() {
            acts.act();
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

/// What became of a batch.
#[derive(Debug)]
pub struct Receipt {
    /// Whether it is durable.
    pub result: Result<(), WriteError>,
    /// The batch, if the backend has no more use for it: its room can be used again. What is in it is of no meaning.
    pub spent: Option<Box<Batch>>,
    /// Whether batches of others landed with it.
    pub together: bool,
}

impl Receipt {
    /// What became of a batch that landed alone.
    pub fn of(result: Result<(), WriteError>) -> Self {
        Receipt { result, spent: None, together: false }
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

    /// Takes it out of its place. Of what is left there nobody is told.
    #[must_use]
    pub fn take(&mut self) -> Self {
        Done(self.0.take())
    }

    /// Says what became of the batch.
    pub fn call(self, result: Result<(), WriteError>) {
        drop(self.hand(Receipt::of(result)));
    }

    /// As [`call`](Self::call), with all that is known. A backend that writes many batches at once hands out their
    /// receipts first, and only then drops what this gives.
    pub fn hand(mut self, receipt: Receipt) -> Told {
        self.tell(receipt)
    }

    fn tell(&mut self, receipt: Receipt) -> Told {
        match self.0.take() {
            Some(Call::Once(call)) => call(receipt.result),
            Some(Call::To(receiver)) => return Told(receiver.receive(receipt)),
            None => {}
        }
        Told(None)
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if self.0.is_some() {
            let result = Err(WriteError::Storage(StorageError::Closed));
            drop(self.tell(Receipt::of(result)));
        }
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}
