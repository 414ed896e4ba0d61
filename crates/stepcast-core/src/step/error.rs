use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::ErrorInfo;
use crate::guard::guarded;

/// The result of a step's body, and of anything that fails like one.
pub type Result<T, E = StepError> = std::result::Result<T, E>;

/// Why an attempt of a step failed. Made from any error by `?`; the original stays reachable as the source.
///
/// Like `anyhow::Error` it does not implement `std::error::Error` itself, so that `?` can lift every error.
///
/// ```
/// use stepcast_core::StepError;
///
/// fn parse(text: &str) -> Result<u32, StepError> {
///     Ok(text.parse::<u32>()?)
/// }
/// let error = parse("x").unwrap_err();
/// assert!(error.is::<std::num::ParseIntError>());
/// ```
pub struct StepError(Box<Inner>);

struct Inner {
    source: Box<dyn Error + Send + Sync>,
    type_name: &'static str,
    retryable: bool,
}

impl StepError {
    /// An error that is only a text.
    pub fn msg(text: impl fmt::Display) -> Self {
        StepError::from(Message(text.to_string()))
    }

    /// The same error, marked so that no retry policy repeats the step.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.0.retryable = false;
        self
    }

    /// Whether a retry policy may repeat the step after this error.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Whether the error is a `T`.
    pub fn is<T: Error + 'static>(&self) -> bool {
        self.0.source.is::<T>()
    }

    /// The error, if it is a `T`.
    pub fn downcast_ref<T: Error + 'static>(&self) -> Option<&T> {
        self.0.source.downcast_ref()
    }

    /// The error itself.
    pub fn source(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0.source
    }

    /// Gives the error back.
    pub fn into_source(self) -> Box<dyn Error + Send + Sync> {
        self.0.source
    }

    /// The error and everything that caused it, nearest first.
    pub fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let first: &(dyn Error + 'static) = &*self.0.source;
        std::iter::successors(Some(first), |&error| error.source())
    }

    /// Name of the error's Rust type.
    pub fn type_name(&self) -> &'static str {
        self.0.type_name
    }

    /// The form in which the error crosses serialization. Its texts are a user's code: one that panics is described.
    pub fn info(&self) -> ErrorInfo {
        let texts = guarded(|| (self.to_string(), self.chain().skip(1).map(ToString::to_string).collect()));
        let (exception_message, causes) = texts.unwrap_or_else(|message| {
            (format!("its text could not be made: {}", StepPanicked { message }), Vec::new())
        });
        ErrorInfo { exception_type: self.0.type_name.to_owned(), exception_message, causes }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for StepError {
    fn from(error: E) -> Self {
        StepError(Box::new(Inner { source: Box::new(error), type_name: std::any::type_name::<E>(), retryable: true }))
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.source, f)
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.source, f)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);

/// The step's body panicked. Its attempt failed; the run goes on by the step's policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The step panicked: {message}")]
pub struct StepPanicked {
    /// The panic's message, where it has one.
    pub message: String,
}

/// An attempt gave more events at once than its workflow allows ([`RunPolicy::max_fan_out`](crate::RunPolicy)).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The step gave {given} events at once, but its workflow allows {bound}; give fewer, or raise `max_fan_out` in the workflow's `policy`."
)]
pub struct FanOutTooWide {
    /// Events given.
    pub given: usize,
    /// The bound.
    pub bound: usize,
}

/// An attempt ran longer than its step's timeout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The step ran longer than its timeout of {after:?}.")]
pub struct StepTimedOut {
    /// The timeout.
    pub after: Duration,
}
