//! States and commands as text, to compare them byte for byte.

use serde_json::{Value, json};
use stepcast::engine::{Command, OpResult, Outcome, RunFailure, RunState, StuckReason};

use crate::identify;

/// The state's serialized form.
///
/// # Panics
/// When it does not serialize.
pub fn state_text(state: &RunState) -> String {
    serde_json::to_string(state).expect("a state serializes")
}

/// The state's serialized form without what only schedules or informs: a restore forgets the last unhandled event.
///
/// # Panics
/// When it does not serialize.
pub fn lasting_text(state: &RunState) -> String {
    let mut value = serde_json::to_value(state).expect("a state serializes");
    value["last_unhandled"] = Value::Null;
    value.to_string()
}

/// Everything a command says.
pub fn render(command: &Command) -> String {
    let value = match command {
        Command::Publish(event) => json!({ "publish": event }),
        Command::Frame(event) => json!({ "frame": event }),
        Command::Resume { exec, op, result } => {
            let result = match result {
                OpResult::Event(event) => json!({ "event": event }),
                OpResult::Collected(events) => json!({ "collected": events }),
                other => json!(format!("{other:?}")),
            };
            json!({ "resume": exec, "op": op, "result": result })
        }
        Command::Abort { exec } => json!({ "abort": exec }),
        Command::Forget { exec } => json!({ "forget": exec }),
        Command::Finish(outcome) => json!({ "finish": render_outcome(outcome) }),
        other => json!(format!("{other:?}")),
    };
    value.to_string()
}

/// How a run ended, without times and without what only informs: which event nobody took last is a race.
///
/// # Panics
/// When it failed in a way that the pool's workflows cannot.
pub fn essence(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed { .. } => render_outcome(outcome),
        Outcome::Failed(RunFailure::Stuck { reason: StuckReason::NoStopEvent { waiting_joins, failures, .. } }) => {
            format!("stuck {waiting_joins:?} failures {failures}")
        }
        other => panic!("{other:?}"),
    }
}

/// How a run ended.
pub fn render_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed { stop, failures } => format!("completed {:x} failures {failures}", identify(stop).1),
        other => format!("{other:?}"),
    }
}

/// All commands as text.
pub fn render_all(commands: &[Command]) -> Vec<String> {
    commands.iter().map(render).collect()
}
