//! What the floors need of typed dynamic events: a box, a dense id and a table of steps.

use std::any::Any;
use std::pin::Pin;

pub trait Event: Any + Send {
    fn id(&self) -> usize;
}

pub type Boxed = Box<dyn Event>;
pub type StepFuture<O> = Pin<Box<dyn Future<Output = O> + Send>>;
type StepFn<O> = Box<dyn Fn(Boxed) -> StepFuture<O> + Send + Sync>;

macro_rules! events {
    ($($id:literal $name:ident { $($field:ident),* })*) => {$(
        pub struct $name {
            $(pub $field: u64,)*
        }

        impl $name {
            pub const ID: usize = $id;
        }

        impl Event for $name {
            fn id(&self) -> usize {
                Self::ID
            }
        }
    )*};
}

events! {
    0 Ping { left, x }
    1 Pong { left, x }
    2 Done { x }
    3 Begin { items }
    4 Item { n }
    5 Piece { x }
    6 Tick { n }
}

const COUNT: usize = 7;

/// Steps by the dense id of the event that they take.
pub struct Table<O>(Vec<Option<StepFn<O>>>);

impl<O> Table<O> {
    pub fn new() -> Self {
        Self((0..COUNT).map(|_| None).collect())
    }

    pub fn step<E, F>(mut self, id: usize, step: impl Fn(E) -> F + Send + Sync + 'static) -> Self
    where
        E: Event,
        F: Future<Output = O> + Send + 'static,
    {
        self.0[id] = Some(Box::new(move |event| Box::pin(step(take::<E>(event)))));
        self
    }

    pub fn start(&self, event: Boxed) -> Result<StepFuture<O>, Boxed> {
        match &self.0[event.id()] {
            Some(step) => Ok(step(event)),
            None => Err(event),
        }
    }
}

/// The typed event out of its box.
pub fn take<E: Event>(event: Boxed) -> E {
    let any: Box<dyn Any> = event;
    *any.downcast().expect("the type of its id")
}
