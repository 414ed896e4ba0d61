//! The trait of typed state cells. In a module of its own, because the step parameter that hands a cell out has the same name.

use serde::{Serialize, de::DeserializeOwned};

/// A type that can be a run's typed state: one cell per type, begun with its default.
///
/// Implemented by `#[derive(State)]`. The name is what snapshots and journals know the cell by, so it should outlive a
/// rename of the type: `#[state(name = "..")]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a state type",
    label = "not a state type",
    note = "write `#[derive(Clone, Default, Serialize, Deserialize, State)]` above the type"
)]
pub trait State: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Stable name of the cell within a run.
    const NAME: &'static str;
}
