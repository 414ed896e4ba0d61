use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a run, or many, did on a graph. Names that the graph does not know are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GraphOverlay {
    /// What each step did, by the step's name.
    pub steps: BTreeMap<String, StepOverlay>,
    /// How often each event occurred, by its tag.
    pub events: BTreeMap<String, u64>,
}

/// What a step did in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepOverlay {
    /// Executions that are over.
    pub runs: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Executions under way.
    pub running: u64,
    /// Executions that wait for an event, an answer or a child.
    pub waiting: u64,
    /// Running time of all attempts together, in microseconds.
    pub total_micros: u64,
}

impl StepOverlay {
    /// Whether the step did anything at all.
    pub fn is_visited(&self) -> bool {
        self.runs > 0 || self.failures > 0 || self.running > 0 || self.waiting > 0
    }

    /// The counts and times that there are, for a label.
    pub(super) fn summary(&self) -> String {
        let mut parts = Vec::new();
        match self.runs {
            0 => {}
            1 => parts.push("1 run".to_owned()),
            runs => parts.push(format!("{runs} runs")),
        }
        for (count, what) in [(self.failures, "failed"), (self.running, "running"), (self.waiting, "waiting")] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        if self.total_micros > 0 {
            parts.push(time(self.total_micros));
        }
        parts.join(", ")
    }
}

fn time(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
    }
}
