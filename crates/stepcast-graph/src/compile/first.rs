//! Joins that go on with the first of the steps before them: every edge brings one token, which is counted.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepcast_core::{DataEvent, Outputs, Payload, StepError};
use stepcast_runtime::Context;

use super::node::{Nodes, Token};
use super::scope::{RunScope, at_once};

/// What has come to a join, as `run` in its record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Came {
    /// The steps whose edges apply, in the order in which they came.
    joined: Vec<String>,
    /// How many others there were.
    skipped: usize,
    over: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Verdict {
    Wait,
    Enough(Vec<String>),
    TooFew,
}

/// Counts what has come. With enough the join is over; where there cannot be enough any more, it is skipped.
pub(super) fn count(
    nodes: &Nodes,
    at: usize,
    ctx: &Context,
    inputs: &[Payload],
    wanted: usize,
) -> Result<Outputs, StepError> {
    let step = nodes.step(at);
    let value = inputs.first().and_then(DataEvent::value_of).cloned().unwrap_or_default();
    let token = Token::read(&value);
    let path = format!("{}.run", step.key);
    let verdict = at_once(RunScope::of(ctx).store.edit(&path, |run| {
        let mut came: Came = if run.is_null() { Came::default() } else { serde_json::from_value(run.clone())? };
        if came.over {
            return Ok::<_, StepError>(Verdict::Wait);
        }
        match (token.skip, value["from"].as_str()) {
            (false, Some(from)) => came.joined.push(from.to_owned()),
            _ => came.skipped += 1,
        }
        let left = step.before.len().saturating_sub(came.joined.len() + came.skipped);
        let verdict = if came.joined.len() >= wanted {
            Verdict::Enough(came.joined.clone())
        } else if came.joined.len() + left < wanted {
            Verdict::TooFew
        } else {
            Verdict::Wait
        };
        came.over = !matches!(verdict, Verdict::Wait);
        *run = serde_json::to_value(&came)?;
        Ok(verdict)
    }))??;
    match verdict {
        Verdict::Wait => Ok(Outputs::default()),
        Verdict::Enough(joined) => nodes.complete(at, ctx, Token::PLAIN, json!({ "joined": joined })),
        Verdict::TooFew => Ok(nodes.pass_over(at, ctx)),
    }
}

/// The token of an edge to such a join: it says where it comes from.
pub(super) fn token(skip: bool, from: &str, meta: &'static stepcast_core::EventMeta) -> Payload {
    let value: Value = if skip { json!({ "skip": true }) } else { json!({ "from": from }) };
    DataEvent::new(meta, value).into_payload()
}
