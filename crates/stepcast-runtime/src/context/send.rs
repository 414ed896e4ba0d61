use stepcast_core::engine::{OpId, OpKind};
use stepcast_core::{Event, EventSet, Payload};

use super::Context;
use super::op::{Gone, OpFuture};
use crate::run::Request;

/// The set of a plain `Context`: what `#[step(emits(..))]` declares, checked when it sends.
#[derive(Clone, Copy, Debug)]
pub struct Declared;

/// A set of events that a context may send: [`Declared`], or a tuple of event types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of events for a context",
    note = "write `Context<(A, B)>` for a step that sends `A` and `B`, `Context<(A,)>` for one event, or a plain `Context`"
)]
pub trait SendSet: 'static {
    /// The events.
    const SET: EventSet;
}

/// `E` is one of the events that a context may send. `At` is found by the compiler.
#[diagnostic::on_unimplemented(
    message = "this context does not declare that it sends `{E}`",
    label = "`{E}` is not declared",
    note = "add it to the parameter: `ctx: Context<({E}, ..)>`, or take a plain `Context` with `#[step(emits({E}))]`"
)]
pub trait MaySend<E, At>: SendSet {}

impl SendSet for Declared {
    const SET: EventSet = EventSet::None;
}

impl<E: Event> MaySend<E, Declared> for Declared {}

impl SendSet for () {
    const SET: EventSet = EventSet::None;
}

/// Marks a place in a tuple.
#[derive(Debug)]
pub struct Place<const N: usize>;

macro_rules! send_set {
    ($($name:ident $at:literal),+) => {
        impl<$($name: Event),+> SendSet for ($($name,)+) {
            const SET: EventSet = send_set!(@set $($name),+);
        }
        send_set!(@may ($($name),+) $($name $at),+);
    };
    (@set $last:ident) => { EventSet::One(&$last::META) };
    (@set $first:ident, $($rest:ident),+) => { EventSet::Both(&EventSet::One(&$first::META), &send_set!(@set $($rest),+)) };
    (@may $all:tt $($name:ident $at:literal),+) => { $(send_set!(@one $all $name $at);)+ };
    (@one ($($all:ident),+) $name:ident $at:literal) => {
        impl<$($all: Event),+> MaySend<$name, Place<$at>> for ($($all,)+) {}
    };
}

send_set!(A 0);
send_set!(A 0, B 1);
send_set!(A 0, B 1, C 2);
send_set!(A 0, B 1, C 2, D 3);
send_set!(A 0, B 1, C 2, D 3, E 4);
send_set!(A 0, B 1, C 2, D 3, E 4, F 5);
send_set!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
send_set!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

/// A context could not send an event.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The step does not declare this event.
    #[error("The step `{step}` does not declare that it sends `{event}`; it declares: {}. Add it to `#[step(emits(..))]`.", declared.join(", "))]
    UndeclaredEvent {
        /// The step.
        step: String,
        /// Tag of the event.
        event: &'static str,
        /// Tags of the events it declares.
        declared: Vec<&'static str>,
    },
    /// The execution has sent as much as it may before its next commit point.
    #[error(
        "The execution has sent {bound} events that are not delivered yet, the most it may; use `send_now`, or split the step."
    )]
    OutboxFull {
        /// The bound.
        bound: usize,
    },
    /// The run's queue is full and nothing but this execution could empty it.
    #[error("The run's queue is full and no other execution can make room for `{event}`; it would wait for ever.")]
    WouldDeadlock {
        /// Tag of the event.
        event: &'static str,
    },
    /// The run has ended.
    #[error("The run has ended; `{event}` was not sent.")]
    RunEnded {
        /// Tag of the event.
        event: &'static str,
    },
    /// The execution that this context belongs to is over.
    #[error(
        "The execution that this context belongs to is over; `{event}` was not sent. Send inside the step's own body."
    )]
    ExecutionEnded {
        /// Tag of the event.
        event: &'static str,
    },
}

impl Gone {
    fn emit(self, event: &'static str) -> EmitError {
        match self {
            Gone::Run => EmitError::RunEnded { event },
            Gone::Execution => EmitError::ExecutionEnded { event },
        }
    }
}

impl<S: SendSet> Context<S> {
    /// Sends an event with the step's outputs: it is delivered when the attempt succeeds, or at its next commit point.
    /// A failed attempt delivers nothing. A repeated execution sends nothing twice.
    ///
    /// # Errors
    /// [`EmitError`]; then nothing was sent.
    pub fn send_event<E: Event, At>(&self, event: E) -> Result<(), EmitError>
    where
        S: MaySend<E, At>,
    {
        let tag = E::META.tag;
        self.check_emit(&E::META)?;
        let bound = self.exec.run.def().policy().max_outbox;
        let mut log = self.exec.log();
        if log.outbox().len() >= bound {
            return Err(EmitError::OutboxFull { bound });
        }
        if log.count(OpKind::Send, tag) {
            log.outbox().push(event);
        }
        Ok(())
    }

    /// Delivers an event at once, for long producers: whatever becomes of the attempt, it has been sent, and a
    /// repeated execution does not send it again. Waits for room in the run's queue while other executions can make
    /// some. A future that is dropped while it waits does not take its event back.
    ///
    /// # Errors
    /// [`EmitError`]; then nothing was sent.
    pub async fn send_now<E: Event, At>(&self, event: E) -> Result<(), EmitError>
    where
        S: MaySend<E, At>,
    {
        let tag = E::META.tag;
        self.check_emit(&E::META)?;
        let id = {
            let mut log = self.exec.log();
            let ordinal = log.next(OpKind::SendNow, tag);
            if log.was_done(OpKind::SendNow, tag, ordinal) {
                return Ok(());
            }
            OpId { kind: OpKind::SendNow, label: tag.into(), ordinal }
        };
        let request = Request::SendNow { id: id.clone(), event: Payload::new(event) };
        match OpFuture::begin(&self.exec, id, request).await {
            Ok(stepcast_core::engine::OpResult::Delivered) => Ok(()),
            Ok(_) => {
                self.exec.log().step_back(OpKind::SendNow, tag);
                Err(EmitError::WouldDeadlock { event: tag })
            }
            Err(gone) => Err(gone.emit(tag)),
        }
    }

    fn check_emit(&self, meta: &stepcast_core::EventMeta) -> Result<(), EmitError> {
        if let Some(gone) = Gone::check(&self.exec) {
            return Err(gone.emit(meta.tag));
        }
        let def = self.exec.run.def();
        let step = self.exec.step_def();
        let declared = step.sends().iter().any(|ix| def.event(*ix).hash == meta.hash);
        match declared {
            true => Ok(()),
            false => Err(EmitError::UndeclaredEvent {
                step: step.name().to_owned(),
                event: meta.tag,
                declared: step.sends().iter().map(|ix| def.event(*ix).tag).collect(),
            }),
        }
    }
}
