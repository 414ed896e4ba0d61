use super::{OutSpec, Outputs};
use crate::{Event, StepError};

/// A type a step may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a valid step return type",
    label = "not a valid step return type",
    note = "a step returns an event, `Result<_>`, `Option<_>`, `()`, `Either<A, B>`, a `#[derive(Events)]` enum, a tuple for several \
            events at once, or `Vec<_>` to open a batch"
)]
pub trait IntoEvents {
    /// What it can give, for the graph.
    const OUT: OutSpec;

    /// Adds the events to `out`.
    ///
    /// # Errors
    /// The step's own error, for a `Result`.
    fn into_events(self, out: &mut Outputs) -> Result<(), StepError>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> IntoEvents for E {
    const OUT: OutSpec = OutSpec::One(&E::META);

    fn into_events(self, out: &mut Outputs) -> Result<(), StepError> {
        out.push(self);
        Ok(())
    }
}

impl IntoEvents for () {
    const OUT: OutSpec = OutSpec::None;

    fn into_events(self, _: &mut Outputs) -> Result<(), StepError> {
        Ok(())
    }
}

impl<T: IntoEvents> IntoEvents for Option<T> {
    const OUT: OutSpec = OutSpec::Optional(&T::OUT);

    fn into_events(self, out: &mut Outputs) -> Result<(), StepError> {
        self.map_or(Ok(()), |value| value.into_events(out))
    }
}

impl<T: IntoEvents, E: Into<StepError>> IntoEvents for Result<T, E> {
    const OUT: OutSpec = T::OUT;

    fn into_events(self, out: &mut Outputs) -> Result<(), StepError> {
        self.map_err(Into::into)?.into_events(out)
    }
}

impl<T: IntoEvents> IntoEvents for Vec<T> {
    const OUT: OutSpec = OutSpec::Batch(&T::OUT);

    fn into_events(self, out: &mut Outputs) -> Result<(), StepError> {
        out.open_batch(const { T::OUT.kind() }, self.len());
        for member in self {
            out.begin_member();
            member.into_events(out)?;
        }
        out.close_batch();
        Ok(())
    }
}

macro_rules! tuple_returns {
    ($first:ident $(, $rest:ident)+) => {
        impl<$first: IntoEvents, $($rest: IntoEvents),+> IntoEvents for ($first, $($rest),+) {
            const OUT: OutSpec = OutSpec::All(&$first::OUT, &tuple_returns!(@out $($rest),+));

            #[allow(non_snake_case)]
            fn into_events(self, out: &mut Outputs) -> Result<(), StepError> {
                let ($first, $($rest),+) = self;
                $first.into_events(out)?;
                $($rest.into_events(out)?;)+
                Ok(())
            }
        }
    };
    (@out $last:ident) => { $last::OUT };
    (@out $first:ident, $($rest:ident),+) => { OutSpec::All(&$first::OUT, &tuple_returns!(@out $($rest),+)) };
}

tuple_returns!(A, B);
tuple_returns!(A, B, C);
tuple_returns!(A, B, C, D);
tuple_returns!(A, B, C, D, E);
tuple_returns!(A, B, C, D, E, F);
