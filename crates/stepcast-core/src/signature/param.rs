use std::any::Any;
use std::sync::Arc;

use super::{EventSet, ParamSpec};
use crate::{Event, EventMeta, InPlace, Payload};

/// A type a step may take as a parameter: an event, a union of events, a batch's events, or something injected.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a valid step parameter",
    label = "not a valid step parameter",
    note = "a step takes events (`#[event]` types, `#[derive(Events)]` enums, `Either<A, B>`), `Vec<E>` or `Take<E, N>` of a batch, \
            and `Context`, `State<S>`, `Res<T>`, `CancelToken`, `Attempt` in any position"
)]
pub trait StepParam: Sized {
    /// What the parameter takes, for the graph.
    const PARAM: ParamSpec;

    /// Takes the parameter out of a call.
    ///
    /// # Errors
    /// When what the call carries does not fit, or what must be supplied is missing.
    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError>;
}

/// One event type or a union of event types, as a step's input.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event or a union of events",
    label = "not an event",
    note = "put `#[event]` above a struct, or `#[derive(Events)]` above an enum whose variants each hold one event"
)]
pub trait EventInput: Sized + Send + 'static {
    /// The event types it can be.
    const SET: EventSet;

    /// A copy of the event, if it is of one of these types.
    fn from_payload(payload: &Payload) -> Option<Self>;
}

/// The call of a step: the events it runs for, the workflow's instance, and what the runtime supplies.
pub struct StepCall<'a> {
    inputs: &'a [Payload],
    next: usize,
    instance: Option<&'a Arc<dyn Any + Send + Sync>>,
    env: &'a dyn Any,
    in_place: Option<InPlace<'a>>,
}

/// A step's parameter could not be taken out of its call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The call carries another event than the parameter takes.
    #[error(
        "The step was called with an event of type `{found}` but its parameter takes {expected}; route the event to a step that takes it."
    )]
    WrongEvent {
        /// Tag of the event at hand.
        found: &'static str,
        /// What the parameter takes.
        expected: String,
    },
    /// The call carries fewer events than the step has parameters.
    #[error("The step was called with {given} events but has more event parameters; give one event per parameter.")]
    TooFewEvents {
        /// Events in the call.
        given: usize,
    },
    /// A method step was called without its workflow.
    #[error(
        "The step is a method of `{expected}` but the run has no value of that type; start the run from the workflow itself."
    )]
    WrongInstance {
        /// The workflow's type.
        expected: &'static str,
    },
    /// The parameter needs a stepcast run around it.
    #[error("A `{what}` parameter exists only inside a run; start the workflow instead of calling its step's body.")]
    OutsideRun {
        /// What was asked for.
        what: &'static str,
    },
    /// Nothing of this type was supplied to the run.
    #[error(
        "The step asks for a resource of type `{type_name}` but none was supplied; add it to the run's `Resources`."
    )]
    MissingResource {
        /// The resource's type.
        type_name: &'static str,
    },
    /// A stored state cell does not fit the type that now asks for it.
    #[error(
        "The stored state `{name}` does not fit its type: {source}. Migrate the snapshot or keep the type readable."
    )]
    State {
        /// Name of the state.
        name: String,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
}

impl<'a> StepCall<'a> {
    /// A call with these events.
    pub fn new(inputs: &'a [Payload], instance: Option<&'a Arc<dyn Any + Send + Sync>>, env: &'a dyn Any) -> Self {
        StepCall { inputs, next: 0, instance, env, in_place: None }
    }

    /// A call with other events, for the body of a step inside that of another one: with the same workflow and the same
    /// of what the runtime supplies, and polled as this one is to be.
    #[must_use]
    pub fn with_inputs<'b>(&self, inputs: &'b [Payload]) -> StepCall<'b>
    where
        'a: 'b,
    {
        StepCall { inputs, next: 0, instance: self.instance, env: self.env, in_place: self.in_place }
    }

    /// The events of the call.
    pub fn inputs(&self) -> &'a [Payload] {
        self.inputs
    }

    /// The same call, whose async body is to be polled once as soon as it is made.
    #[must_use]
    pub fn polled_in_place(mut self, in_place: Option<InPlace<'a>>) -> Self {
        self.in_place = in_place;
        self
    }

    pub(crate) fn in_place(&self) -> Option<InPlace<'a>> {
        self.in_place
    }

    /// The next event, for one event parameter.
    ///
    /// # Errors
    /// When the call has no further event, or one of another type.
    pub fn next_event<T: EventInput>(&mut self) -> Result<T, ExtractError> {
        let Some(payload) = self.inputs.get(self.next) else {
            return Err(ExtractError::TooFewEvents { given: self.inputs.len() });
        };
        self.next += 1;
        T::from_payload(payload).ok_or_else(|| wrong_event::<T>(payload))
    }

    /// All events, for a collecting parameter.
    ///
    /// # Errors
    /// When one of them is of another type.
    pub fn all_events<T: EventInput>(&mut self) -> Result<Vec<T>, ExtractError> {
        let inputs = self.inputs.get(self.next..).unwrap_or_default();
        self.next = self.inputs.len();
        // Collecting `Result`s would not know how many there are.
        let mut events = Vec::with_capacity(inputs.len());
        for payload in inputs {
            events.push(T::from_payload(payload).ok_or_else(|| wrong_event::<T>(payload))?);
        }
        Ok(events)
    }

    /// The workflow whose method the step is.
    ///
    /// # Errors
    /// When the run was not started from a `W`.
    pub fn instance<W: Any + Send + Sync>(&self) -> Result<Arc<W>, ExtractError> {
        self.instance
            .and_then(|instance| Arc::clone(instance).downcast::<W>().ok())
            .ok_or(ExtractError::WrongInstance { expected: std::any::type_name::<W>() })
    }

    /// What the runtime supplies, if it is a `T`.
    pub fn env<T: 'static>(&self) -> Option<&'a T> {
        self.env.downcast_ref()
    }
}

impl std::fmt::Debug for StepCall<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepCall").field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

#[cold]
fn wrong_event<T: EventInput>(payload: &Payload) -> ExtractError {
    let names: Vec<String> = T::SET.to_vec().iter().map(|meta: &&EventMeta| format!("`{}`", meta.tag)).collect();
    ExtractError::WrongEvent { found: payload.meta().tag, expected: names.join(" or ") }
}

impl<E: Event> EventInput for E {
    const SET: EventSet = EventSet::One(&E::META);

    fn from_payload(payload: &Payload) -> Option<Self> {
        payload.downcast_ref::<E>().cloned()
    }
}

#[diagnostic::do_not_recommend]
impl<E: Event> StepParam for E {
    const PARAM: ParamSpec = ParamSpec::Event(EventSet::One(&E::META));

    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError> {
        call.next_event()
    }
}

impl<T: EventInput> StepParam for Vec<T> {
    const PARAM: ParamSpec = ParamSpec::Collect(T::SET);

    fn extract(call: &mut StepCall<'_>) -> Result<Self, ExtractError> {
        call.all_events()
    }
}
