use serde::de::DeserializeOwned;
use stepcast_core::StopEvent;

/// Typed access to what the steps of a graph gave, from the stop event of a run.
pub trait GraphOutput {
    /// The output under a step's key: its `output_key`, or its id. `None` if the step gave none, or an end of the graph has
    /// a result of its own.
    ///
    /// # Errors
    /// When the output does not fit the type.
    fn output<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, serde_json::Error>;

    /// The run's whole result.
    ///
    /// # Errors
    /// When it does not fit the type.
    fn typed<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error>;
}

impl GraphOutput for StopEvent {
    fn output<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, serde_json::Error> {
        self.result().and_then(|result| result.get(key)).map(T::deserialize).transpose()
    }

    fn typed<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(self.result().unwrap_or(&serde_json::Value::Null))
    }
}
