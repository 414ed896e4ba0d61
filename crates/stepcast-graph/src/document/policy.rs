use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

use stepcast_core::{OnFailure, RetryPolicy, Stop, Wait};

/// How often a step that fails is tried, and how long is waited in between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How many attempts there are in all, the first one included. 1 to 1,000.
    pub max_attempts: u32,
    /// How long to wait before the second attempt, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_ms: Option<u64>,
    /// What each further wait is longer by. Default 1: all waits are as long as the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// The longest wait, in milliseconds. Default one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backoff_ms: Option<u64>,
}

impl Retry {
    /// The same for the dispatcher; `None` if it is tried once.
    pub(crate) fn policy(&self) -> Option<RetryPolicy> {
        if self.max_attempts <= 1 {
            return None;
        }
        let first = Duration::from_millis(self.backoff_ms.unwrap_or(0));
        let longest = Duration::from_millis(self.max_backoff_ms.unwrap_or(3_600_000));
        let wait = match self.factor {
            None => Wait::fixed(first).at_most(longest),
            Some(factor) => Wait::exponential(first, factor, longest),
        };
        Some(RetryPolicy::new().wait(wait).stop(Stop::after_attempt(self.max_attempts)))
    }

    /// What is wrong with the numbers, if anything is.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if !(1..=1_000).contains(&self.max_attempts) {
            return Some("`max_attempts` is between 1 and 1,000");
        }
        if self.factor.is_some_and(|factor| !(1.0..=100.0).contains(&factor)) {
            return Some("`factor` is between 1 and 100");
        }
        None
    }
}

/// What the final failure of a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// The run fails.
    #[serde(alias = "fail_workflow")]
    Fail,
    /// The run goes on along the edges for `failure` and `always`, and ends `completed_with_failures`.
    #[serde(alias = "continue_best_effort")]
    Continue,
    /// A person is asked: retry, skip, continue or fail.
    #[serde(alias = "pause_for_intervention")]
    Pause,
}

impl From<Failure> for OnFailure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Fail => OnFailure::Fail,
            Failure::Continue => OnFailure::Continue,
            Failure::Pause => OnFailure::Pause,
        }
    }
}

/// How many steps a join waits for: `all`, `any` or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// All of them.
    #[default]
    All,
    /// The first that succeeds.
    Any,
    /// The first so many that succeed.
    Count(u32),
}

impl Serialize for Wanted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Wanted::All => serializer.serialize_str("all"),
            Wanted::Any => serializer.serialize_str("any"),
            Wanted::Count(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let count = value.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
        match (value.as_str(), count) {
            (Some("all"), _) => Ok(Wanted::All),
            (Some("any"), _) => Ok(Wanted::Any),
            (_, Some(count)) => Ok(Wanted::Count(count)),
            _ => Err(serde::de::Error::custom(format_args!("{value} is not `all`, `any` or a number above 0"))),
        }
    }
}

impl schemars::JsonSchema for Wanted {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wanted".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "oneOf": [{ "enum": ["all", "any"] }, { "type": "integer", "minimum": 1 }] })
    }
}
