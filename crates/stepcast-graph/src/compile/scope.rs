use std::borrow::Cow;
use std::future::Future;

use futures_util::FutureExt;
use serde_json::Value;
use stepcast_core::{CellMap, FieldValue, LogLevel, StepError, StorePath};
use stepcast_runtime::{Context, Store, StoreEditError};

use crate::condition::{Condition, Mismatch};
use crate::path::{Path, Scope};

/// The field of a step's record that has its output.
pub(super) const OUTPUT: &str = "output";

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
        self.store.look_at_all(|cells| {
            let cells = cells.into_iter().flat_map(CellMap::iter).filter(|(key, _)| *key != crate::path::START);
            let output = |(key, cell): (&str, &Value)| Some((key.to_owned(), cell.get(OUTPUT)?.clone()));
            Value::Object(cells.filter_map(output).collect())
        })
    }
}

impl Scope for RunScope {
    fn look_up(&self, path: &Path) -> Option<Value> {
        path.places().find_map(|place| self.store.look(place, |value| value.cloned()))
    }

    fn look_at(&self, path: &Path, look: &mut dyn FnMut(&Value)) -> bool {
        path.places().any(|place| self.store.look(place, |value| value.map(&mut *look).is_some()))
    }
}

/// The same while the store is at hand.
#[derive(Debug)]
pub(super) struct Cells<'a>(pub(super) Option<&'a CellMap>);

impl Scope for Cells<'_> {
    fn look_up(&self, path: &Path) -> Option<Value> {
        self.find(path).map(Cow::into_owned)
    }

    fn find(&self, path: &Path) -> Option<Cow<'_, Value>> {
        let cells = self.0?;
        path.places().find_map(|place| cells.find(place))
    }

    fn look_at(&self, path: &Path, look: &mut dyn FnMut(&Value)) -> bool {
        let Some(cells) = self.0 else { return false };
        path.places().any(|place| cells.look_at(place, &mut *look).is_some())
    }
}

/// The same with the output of a step that is about to be kept.
pub(super) struct With<'a, O> {
    pub(super) cells: &'a CellMap,
    pub(super) key: &'a str,
    pub(super) output: &'a O,
}

impl<O: FieldValue> Scope for With<'_, O> {
    fn look_up(&self, path: &Path) -> Option<Value> {
        self.find(path).map(Cow::into_owned)
    }

    fn find(&self, path: &Path) -> Option<Cow<'_, Value>> {
        let find = |place: &StorePath| match place.key() == self.key {
            true => self.output.find(OUTPUT, place),
            false => self.cells.find(place),
        };
        path.places().find_map(find)
    }

    fn look_at(&self, path: &Path, look: &mut dyn FnMut(&Value)) -> bool {
        path.places().any(|place| match place.key() == self.key {
            true => self.output.find(OUTPUT, place).map(|value| look(&value)).is_some(),
            false => self.cells.look_at(place, &mut *look).is_some(),
        })
    }
}

/// The store answers at once; its methods are async for the sake of others.
pub(super) fn at_once<T>(answer: impl Future<Output = Result<T, StoreEditError>>) -> Result<T, StoreEditError> {
    answer.now_or_never().unwrap_or(Err(StoreEditError::ExecutionEnded))
}
