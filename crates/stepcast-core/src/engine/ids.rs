use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Microseconds since the Unix epoch. The engine never reads a clock: every tick brings its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// This time and so much more.
    #[must_use]
    pub fn after(self, duration: std::time::Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it is later.
    pub fn since(self, earlier: Time) -> std::time::Duration {
        std::time::Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Names one execution of a run: its place, and a serial number that is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExecKey {
    /// Place in the run's table; reused.
    pub lane: u32,
    /// Serial number within the run, from 1.
    pub serial: u64,
}

impl fmt::Display for ExecKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.serial)
    }
}

/// Names one operation of an execution: its kind, its label, and its ordinal among those of that kind and label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId {
    /// What it does.
    pub kind: OpKind,
    /// Call label, event tag or wait id, store path or state name.
    pub label: Arc<str>,
    /// 0 for the first of that kind and label.
    pub ordinal: u32,
}

/// The kinds of recorded operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpKind {
    /// `ctx.call`
    Call,
    /// `ctx.wait_for_event`
    Wait,
    /// `ctx.collect_events`
    Collect,
    /// `ctx.run_child`
    Child,
    /// `State::edit` and the store's writes
    Edit,
    /// `ctx.send_event`
    Send,
    /// `ctx.send_now`
    SendNow,
    /// `ctx.write_event_to_stream`, `ctx.log`, `ctx.phase`
    Stream,
}
