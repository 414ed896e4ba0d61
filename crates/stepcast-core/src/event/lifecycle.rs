//! Events the runtime itself makes: failures handed to `catch` steps, terminal events, and internal frames.

use serde::{Deserialize, Serialize};

use super::AnyEvent;
use super::builtin::builtin_event;

/// An error as it crosses serialization: its type's name, its text, and the texts of its sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// Name of the Rust error type, where known.
    pub exception_type: String,
    /// The error's text.
    pub exception_message: String,
    /// The texts of the errors that caused it, nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

/// Given to a `catch` step when the last attempt of a covered step has failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepFailedEvent {
    /// The step that failed.
    pub step_name: String,
    /// The event it ran for; the first one, for a join or a collector.
    pub input_event: Option<AnyEvent>,
    /// What went wrong in the last attempt.
    pub exception: ErrorInfo,
    /// How many attempts were made.
    pub attempts: u32,
    /// Seconds from the first attempt's start to the last failure.
    pub elapsed_seconds: f64,
    /// When the last attempt failed, in microseconds since the Unix epoch.
    pub failed_at: u64,
    /// A person let the run skip the step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
}

/// The terminal event of a run that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowFailedEvent {
    /// The step that failed, if it was a step.
    pub step_name: Option<String>,
    /// What went wrong.
    pub exception: ErrorInfo,
    /// How many attempts were made, if it was a step.
    #[serde(default)]
    pub attempts: Option<u32>,
    /// Seconds from the first attempt's start to the failure, if it was a step.
    #[serde(default)]
    pub elapsed_seconds: Option<f64>,
}

/// The terminal event of a run that used up its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowTimedOutEvent {
    /// The timeout, in seconds.
    pub timeout: f64,
    /// The steps that were running or queued when it struck.
    pub active_steps: Vec<String>,
}

/// The terminal event of a run that was cancelled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkflowCancelledEvent {}

/// Where an execution of a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepState {
    /// Routed, waiting for a free worker or for its retry.
    Preparing,
    /// An attempt has begun.
    Running,
    /// Parked until an event, an answer or a child's result arrives.
    Waiting,
    /// The execution is over, or its attempt failed and will be repeated.
    NotRunning,
}

/// An internal frame: an execution changed its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepStateChanged {
    /// The step.
    pub name: String,
    /// The new state.
    pub step_state: StepState,
    /// Lane of the execution within the run; lanes are reused.
    pub worker_id: String,
    /// Tag of the event it runs for.
    pub input_event_name: Option<String>,
    /// Tag of the first event it gave, once it is over.
    pub output_event_name: Option<String>,
    /// Serial number of the execution within the run.
    pub execution: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// Serial numbers of the events it runs for.
    pub cause: Vec<u64>,
    /// Serial numbers and tags of the events it gave: once it is over, and at each commit point before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<(u64, String)>,
    /// Why the attempt failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
}

/// An internal frame: nothing is queued, running or delayed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkflowIdleEvent {}

/// An internal frame: an event reached no step, waiter or mailbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnhandledEvent {
    /// Tag of the event.
    pub event_type: String,
    /// Module path and type name of the event.
    pub qualified_name: Option<String>,
    /// The step that the event was addressed to, or that could not use it.
    pub step_name: Option<String>,
    /// Whether the run had nothing else to do.
    pub idle: bool,
}

/// How urgent a [`LogEvent`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For finding faults.
    Debug,
    /// Worth knowing.
    Info,
    /// Unexpected, but the step goes on.
    Warn,
    /// Something went wrong.
    Error,
}

/// A line for people, written by `ctx.log`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEvent {
    /// How urgent it is.
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// Further fields.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// The step that wrote it.
    pub step: String,
}

/// A step enters a phase of its work, written by `ctx.phase`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseEvent {
    /// The phase.
    pub name: String,
    /// The step.
    pub step: String,
}

/// Nobody answered a question before its deadline; the wait that asked it has given up. On the run's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputExpiredEvent {
    /// The input's number in the run.
    pub input: u64,
    /// The step that asked.
    pub step: String,
}

builtin_event!(LogEvent, Runtime, ["level", "message", "fields", "step"]);
builtin_event!(InputExpiredEvent, Runtime, ["input", "step"]);
builtin_event!(PhaseEvent, Runtime, ["name", "step"]);
builtin_event!(
    StepFailedEvent,
    Runtime,
    ["step_name", "input_event", "exception", "attempts", "elapsed_seconds", "failed_at"]
);
builtin_event!(WorkflowFailedEvent, Stop, ["step_name", "exception", "attempts", "elapsed_seconds"]);
builtin_event!(WorkflowTimedOutEvent, Stop, ["timeout", "active_steps"]);
builtin_event!(WorkflowCancelledEvent, Stop, []);
builtin_event!(StepStateChanged, Runtime, ["name", "step_state", "worker_id", "input_event_name", "output_event_name"]);
builtin_event!(WorkflowIdleEvent, Runtime, []);
builtin_event!(UnhandledEvent, Runtime, ["event_type", "qualified_name", "step_name", "idle"]);
