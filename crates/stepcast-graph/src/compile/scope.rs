use std::future::Future;

use futures_util::FutureExt;
use serde_json::Value;
use stepcast_core::{LogLevel, StepError};
use stepcast_runtime::{Context, Store, StoreEditError};

use crate::condition::{Condition, Mismatch};
use crate::path::{Path, Scope};

/// The context of a run: what its store holds.
#[derive(Debug)]
pub(super) struct RunScope {
    pub(super) store: Store,
}

impl RunScope {
    pub(super) fn of(ctx: &Context) -> Self {
        RunScope { store: ctx.store() }
    }

    pub(super) fn get(&self, path: &str) -> Option<Value> {
        at_once(self.store.get::<Value>(path)).ok().flatten()
    }

    pub(super) fn set(&self, path: &str, value: Value) -> Result<(), StepError> {
        Ok(at_once(self.store.set(path, value))?)
    }

    /// Whether a condition holds. What could not be compared is written to the run's stream.
    pub(super) fn holds(&self, condition: &Condition, ctx: &Context) -> bool {
        let mut mismatches = Vec::new();
        let holds = condition.holds(self, &mut mismatches);
        for Mismatch { path, op, found, wanted } in mismatches {
            let text = format!("`{path}` is {found}, which `{}` cannot compare with {wanted}: false", op.word());
            ctx.log(LogLevel::Warn, text);
        }
        holds
    }

    /// The whole context: outputs by key.
    pub(super) fn outputs(&self) -> Value {
        let keys = self.store.keys().now_or_never().unwrap_or_default();
        let keys = keys.into_iter().filter(|key| key != crate::path::START);
        let output = |key: String| self.get(&format!("{key}.output")).map(|output| (key, output));
        Value::Object(keys.filter_map(output).collect())
    }
}

impl Scope for RunScope {
    fn look_up(&self, path: &Path) -> Option<Value> {
        path.places().find_map(|place| self.store.look(place, |value| value.cloned()))
    }
}

/// The store answers at once; its methods are async for the sake of others.
pub(super) fn at_once<T>(answer: impl Future<Output = Result<T, StoreEditError>>) -> Result<T, StoreEditError> {
    answer.now_or_never().unwrap_or(Err(StoreEditError::ExecutionEnded))
}
