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
    /// Takes what became of the batch that was handed over last.
    fn receive(self: Arc<Self>, receipt: Receipt);

    /// Where its batches are taken back with those of others, if that is better for it than to be told one by one.
    fn of_all(&self) -> Option<Arc<dyn ReceivesAll>> {
        None
    }
}

/// Takes batches back for many receivers: a backend need not look at each of them, nor at what belongs to it.
pub trait ReceivesAll: Send + Sync {
    /// Takes batches that are durable, in as many pieces as they come to hand; it tells each one's [`Done`] with
    /// [`Owed::settle`]. It must not block.
    fn receive_all(self: Arc<Self>, landed: Vec<Vec<Owed>>);
}

/// A batch with the one who is to be told of it.
#[derive(Debug)]
pub struct Owed {
    /// The batch.
    pub batch: Box<Batch>,
    /// Who is told.
    pub done: Done,
}

impl Owed {
    /// Says what became of the batch, and gives it back.
    pub fn settle(self, result: Result<(), WriteError>) {
        self.done.hand(Receipt { result, spent: Some(self.batch) });
    }
}

/// What became of a batch.
#[derive(Debug)]
pub struct Receipt {
    /// Whether it is durable.
    pub result: Result<(), WriteError>,
    /// The batch, if the backend has no more use for it: its room can be used again. Of what is in it only
    /// [`Batch::key`] means anything.
    pub spent: Option<Box<Batch>>,
}

impl Receipt {
    /// What became of a batch that is not given back.
    pub fn of(result: Result<(), WriteError>) -> Self {
        Receipt { result, spent: None }
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

    /// As [`Receiver::of_all`].
    pub fn of_all(&self) -> Option<Arc<dyn ReceivesAll>> {
        match &self.0 {
            Some(Call::To(receiver)) => receiver.of_all(),
            Some(Call::Once(_)) | None => None,
        }
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
