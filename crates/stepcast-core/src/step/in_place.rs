//! The first poll of an attempt where its run stands. Most attempts end in it, so their boxes are used again.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::{Invocation, StepOutput};
use crate::Outputs;

/// Larger futures are not kept for the next attempt.
const LARGEST_KEPT: usize = 1_024;

/// A box that a step's last future has left for its next one. Of whatever type: one of another is not used.
#[derive(Default)]
pub struct SpareBox(Cell<Option<Box<dyn Any + Send>>>);

/// The request to poll a step's future as soon as it is made.
#[derive(Clone, Copy, Debug)]
pub struct InPlace<'a> {
    waker: &'a Waker,
    spare: &'a SpareBox,
}

impl SpareBox {
    /// No box yet.
    pub const fn new() -> Self {
        SpareBox(Cell::new(None))
    }
}

impl std::fmt::Debug for SpareBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SpareBox")
    }
}

impl<'a> InPlace<'a> {
    /// Polls with this waker, in this box if it fits.
    pub fn new(waker: &'a Waker, spare: &'a SpareBox) -> Self {
        InPlace { waker, spare }
    }

    pub(super) fn poll<F>(self, future: F) -> Invocation
    where
        F: Future<Output = StepOutput> + Send + 'static,
    {
        let mut cx = Context::from_waker(self.waker);
        if size_of::<F>() > LARGEST_KEPT {
            let mut future = Box::pin(future);
            return match future.as_mut().poll(&mut cx) {
                Poll::Ready(output) => ended(output),
                Poll::Pending => Invocation::Begun(future),
            };
        }
        // The outer box stays here for good; the inner one leaves with a future that goes on.
        let spare = self.spare.0.take().and_then(|spare| spare.downcast::<Option<Pin<Box<F>>>>().ok());
        let mut spare = spare.unwrap_or_default();
        let mut boxed = match spare.take() {
            Some(mut boxed) => {
                boxed.set(future);
                boxed
            }
            None => Box::pin(future),
        };
        let invocation = match boxed.as_mut().poll(&mut cx) {
            Poll::Ready(output) => {
                *spare = Some(boxed);
                ended(output)
            }
            Poll::Pending => Invocation::Begun(boxed),
        };
        self.spare.0.set(Some(spare));
        invocation
    }
}

/// The common output in its small form.
#[inline]
fn ended(output: StepOutput) -> Invocation {
    match output.map(Outputs::into_single) {
        Ok(Ok(event)) => Invocation::Gave(event),
        Ok(Err(outputs)) => Invocation::Ended(Ok(outputs)),
        Err(error) => Invocation::Ended(Err(error)),
    }
}
