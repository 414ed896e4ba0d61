//! What a run shows of itself: pending inputs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use stepcast_core::engine::PendingInput;

use crate::run::RunId;

pub(crate) type PendingInputs = Vec<PendingInput>;

/// Names a pending input: the run that asks, and its number within that run. As text: `<run id>/<number>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct InputId {
    /// The run that asks.
    pub run_id: RunId,
    /// The input's number within its run.
    pub number: u64,
}

/// A text is not the id of an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the id of an input; it has the form `<run id>/<number>`.")]
pub struct ParseInputIdError {
    text: String,
}

/// A pending input: a question that a run asks of people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InputRecord {
    /// Its id.
    pub id: InputId,
    /// What is asked, by whom, and what answers it.
    pub input: PendingInput,
}

impl fmt::Display for InputId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run_id, self.number)
    }
}

impl FromStr for InputId {
    type Err = ParseInputIdError;

    fn from_str(text: &str) -> Result<Self, ParseInputIdError> {
        let error = || ParseInputIdError { text: text.to_owned() };
        let (run, number) = text.rsplit_once('/').ok_or_else(error)?;
        Ok(InputId { run_id: RunId::from(run), number: number.parse().map_err(|_| error())? })
    }
}

impl From<InputId> for String {
    fn from(id: InputId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for InputId {
    type Error = ParseInputIdError;

    fn try_from(text: String) -> Result<Self, ParseInputIdError> {
        text.parse()
    }
}
