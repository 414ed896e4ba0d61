use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepcast_core::engine::OpResult;
use stepcast_core::{ErrorInfo, Payload};

/// The recorded result of an operation: a repeated execution gets it instead of doing the operation again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Recorded {
    /// A wait's event.
    Event(Payload),
    /// A wait's deadline passed.
    TimedOut,
    /// A collection's full set.
    Set(Vec<Payload>),
    /// A collection that went on.
    Kept,
    /// A collection whose buffer was full.
    Full,
    /// The result of a call or an edit.
    Json(Value),
    /// A child run: its id, and its end once it is known.
    Child { run_id: String, end: Option<Result<Value, ErrorInfo>> },
    /// Done, without a result.
    Done,
}

impl Recorded {
    /// What an operation's result leaves on record.
    pub(crate) fn of(result: &OpResult) -> Option<Self> {
        Some(match result {
            OpResult::Event(event) => Recorded::Event(event.clone()),
            OpResult::TimedOut => Recorded::TimedOut,
            OpResult::Collected(set) => Recorded::Set(set.clone()),
            OpResult::Kept => Recorded::Kept,
            OpResult::BufferFull => Recorded::Full,
            OpResult::Delivered => Recorded::Done,
            _ => return None,
        })
    }

    /// The events inside, whose types a restore has to resolve.
    pub(crate) fn payloads_mut(&mut self) -> &mut [Payload] {
        match self {
            Recorded::Event(event) => std::slice::from_mut(event),
            Recorded::Set(events) => events,
            _ => &mut [],
        }
    }
}
