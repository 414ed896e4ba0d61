use std::ops::Deref;

use super::{EventInput, ExtractError, ParamSpec, StepCall, StepParam};

/// The first `N` events of a batch: the step runs at the `N`-th, or when the batch closes with fewer.
/// The other members go on; what they give later goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take<T, const N: usize>(Vec<T>);

impl<T, const N: usize> Take<T, N> {
    /// Takes these events, for calling a step directly.
    pub fn new(events: impl IntoIterator<Item = T>) -> Self {
        Take(events.into_iter().take(N).collect())
    }

    /// The events, in order of arrival.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const N: usize> Deref for Take<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const N: usize> IntoIterator for Take<T, N> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: EventInput, const N: usize> StepParam for Take<T, N> {
    const PARAM: ParamSpec = ParamSpec::Take(T::SET, N);

    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError> {
        call.all_events().map(Take)
    }
}
