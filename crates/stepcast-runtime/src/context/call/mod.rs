//! `ctx.call`: a side effect that is done once, and whose result other runs may share.

mod cache;
mod error;
mod explain;
mod key;
mod lookup;
mod make;
mod spend;

use std::borrow::Cow;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stepcast_core::{BoxFuture, StepError, Usage};

pub use cache::{CacheError, CachePolicy, CallCache, ResultCache};
pub use error::CallError;
pub use explain::ExplainError;
pub(crate) use key::sha256;
pub(crate) use spend::{Ledger, child_ended, set_up, tell_parent};

use super::{Context, SendSet};
use crate::exec::ExecShared;

/// What a call does to the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// It only reads: its result may serve other runs too, if it has a key and the run a cache.
    #[default]
    Read,
    /// It changes something: its result serves this execution alone.
    Write,
}

/// A memoised side effect, made by [`Context::call`]. Await it.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'a, F, U = ()> {
    plan: Plan,
    body: F,
    meter: U,
    /// What the closure may borrow from.
    borrows: PhantomData<&'a ()>,
}

/// How a [`Call`] knows what it used up; see [`Call::usage`].
pub struct Metered<U>(U);

/// Everything of a call but its code.
struct Plan {
    exec: Arc<ExecShared>,
    label: Cow<'static, str>,
    effect: Effect,
    rerun: bool,
    // Boxed: a plain call has none.
    more: Option<Box<More>>,
}

/// What only some calls have.
#[derive(Default)]
struct More {
    key: Option<Result<Value, serde_json::Error>>,
    namespace: Cow<'static, str>,
    policy: Option<CachePolicy>,
    estimate: Option<Usage>,
}

impl<S: SendSet> Context<S> {
    /// Runs a side effect once per execution: its result is recorded, and a repeated execution gets the record instead
    /// of doing it again, whatever made it repeat. Several calls under one label are told apart by their order.
    ///
    /// Between the effect and its record it is at-least-once: use [`call_keyed`](Self::call_keyed) and hand the key to
    /// a service that knows idempotency keys.
    pub fn call<'a, T, E, Fut, F>(
        &self,
        label: impl Into<Cow<'static, str>>,
        body: F,
    ) -> Call<'a, impl FnOnce(String) -> Fut + Send + 'a>
    where
        F: FnOnce() -> Fut + Send + 'a,
        Fut: Future<Output = Result<T, E>> + Send + 'a,
        E: Into<StepError>,
    {
        self.call_keyed(label, move |_| body())
    }

    /// As [`call`](Self::call); the closure gets a key that is the same for every repetition of this call and unlike
    /// that of any other.
    pub fn call_keyed<'a, T, E, Fut, F>(&self, label: impl Into<Cow<'static, str>>, body: F) -> Call<'a, F>
    where
        F: FnOnce(String) -> Fut + Send + 'a,
        Fut: Future<Output = Result<T, E>> + Send + 'a,
        E: Into<StepError>,
    {
        let (exec, label) = (Arc::clone(&self.exec), label.into());
        let plan = Plan { exec, label, effect: Effect::Read, rerun: false, more: None };
        Call { plan, body, meter: (), borrows: PhantomData }
    }
}

impl<'a, F> Call<'a, F> {
    /// Says what the call used up, by its result; counted once, when the result is recorded. A call that failed counts
    /// nothing: let it give what was paid for, and look at that afterwards.
    pub fn usage<T, E, Fut, U>(self, usage: U) -> Call<'a, F, Metered<U>>
    where
        F: FnOnce(String) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        U: FnOnce(&T) -> Usage,
    {
        let Call { plan, body, borrows, .. } = self;
        Call { plan, body, meter: Metered(usage), borrows }
    }
}

impl<F, U> Call<'_, F, U> {
    /// Declares what the call does to the world.
    pub fn effect(mut self, effect: Effect) -> Self {
        self.plan.effect = effect;
        self
    }

    /// Asks for the closure to run again whenever the execution is repeated.
    pub fn rerun(mut self) -> Self {
        self.plan.rerun = true;
        self
    }

    /// The content that identifies the call, for the cache that runs share: calls of one workflow with the same key and
    /// namespace share their result, whatever their labels and steps. Everything that decides the result belongs into
    /// it. Without a key a call is in no cache. Not to be confused with the key that
    /// [`call_keyed`](Context::call_keyed) hands to its closure.
    pub fn key(mut self, content: impl Serialize) -> Self {
        self.more().key = Some(serde_json::to_value(content));
        self
    }

    /// Sets the results of a call apart from those under the same key elsewhere, such as those of an older prompt.
    pub fn namespace(mut self, namespace: impl Into<Cow<'static, str>>) -> Self {
        self.more().namespace = namespace.into();
        self
    }

    /// What the cache is for this call, whatever it is for the run.
    pub fn cache(mut self, policy: CachePolicy) -> Self {
        self.more().policy = Some(policy);
        self
    }

    /// What the call is expected to use up. So much is reserved in the budget while it is made, and the call refused
    /// where so much is not left. Without [`usage`](Call::usage) it also counts as what was used up.
    pub fn estimate(mut self, usage: Usage) -> Self {
        self.more().estimate = Some(usage);
        self
    }

    fn more(&mut self) -> &mut More {
        self.plan.more.get_or_insert_default()
    }
}

impl<'a, T, E, Fut, F> IntoFuture for Call<'a, F>
where
    F: FnOnce(String) -> Fut + Send + 'a,
    Fut: Future<Output = Result<T, E>> + Send + 'a,
    T: Serialize + DeserializeOwned + Send + 'a,
    E: Into<StepError> + 'a,
{
    type Output = Result<T, CallError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        match self.plan.more {
            None => Box::pin(self.plan.make_plain(self.body)),
            Some(_) => Box::pin(self.plan.make(self.body, None::<fn(&T) -> Usage>)),
        }
    }
}

impl<'a, T, E, Fut, F, U> IntoFuture for Call<'a, F, Metered<U>>
where
    F: FnOnce(String) -> Fut + Send + 'a,
    Fut: Future<Output = Result<T, E>> + Send + 'a,
    T: Serialize + DeserializeOwned + Send + 'a,
    E: Into<StepError> + 'a,
    U: FnOnce(&T) -> Usage + Send + 'a,
{
    type Output = Result<T, CallError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.plan.make(self.body, Some(self.meter.0)))
    }
}

impl<F, U> std::fmt::Debug for Call<'_, F, U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("label", &self.plan.label)
            .field("effect", &self.plan.effect)
            .finish_non_exhaustive()
    }
}

impl<U> std::fmt::Debug for Metered<U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metered")
    }
}
