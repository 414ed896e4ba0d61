use serde::{Deserialize, Serialize};

use super::{EventInput, EventSet, ExtractError, IntoEvents, OutSpec, Outputs, ParamSpec, StepCall, StepParam};
use crate::{Payload, StepError};

/// One of two: as a parameter, a step runs once per `A` or `B`; as a return value, it gives either.
/// For three or more, derive `Events` on an enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

impl<A: EventInput, B: EventInput> EventInput for Either<A, B> {
    const SET: EventSet = EventSet::Both(&A::SET, &B::SET);

    fn from_payload(payload: &Payload) -> Option<Self> {
        A::from_payload(payload).map(Either::Left).or_else(|| B::from_payload(payload).map(Either::Right))
    }
}

impl<A: EventInput, B: EventInput> StepParam for Either<A, B> {
    const PARAM: ParamSpec = ParamSpec::Event(Self::SET);

    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError> {
        call.next_event()
    }
}

impl<A: IntoEvents, B: IntoEvents> IntoEvents for Either<A, B> {
    const OUT: OutSpec = OutSpec::Either(&A::OUT, &B::OUT);

    fn into_events(self, out: &mut Outputs) -> Result<(), StepError> {
        match self {
            Either::Left(value) => value.into_events(out),
            Either::Right(value) => value.into_events(out),
        }
    }
}
