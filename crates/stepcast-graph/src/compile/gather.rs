//! The second half of a parallel step: it takes what its steps end with, one after the other.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepcast_core::{DataEvent, Invocation, Outputs, StepBody, StepCall, StepError, StepParam};
use stepcast_runtime::Context;

use super::body::can_lose;
use super::node::Nodes;
use super::scope::{RunScope, at_once};
use crate::document::Wanted;
use crate::events::{BranchOver, StepStatus};
use crate::plan::Work;

/// What is kept of a parallel step under way, as `run` in its record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct UnderWay {
    /// The execution that began it.
    pub(super) of: u64,
    /// That of the parallel step around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<u64>,
    /// Who has ended, and how.
    pub(super) ended: Vec<(String, StepStatus)>,
    pub(super) over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Verdict {
    Wait,
    Won,
    Lost,
}

/// Not enough steps of a parallel one succeeded.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct TooFew {
    text: String,
}

pub(super) fn body(nodes: Arc<Nodes>, at: usize) -> StepBody {
    StepBody::Closure(Arc::new(move |mut call: StepCall<'_>| {
        let value = call.inputs().first().and_then(DataEvent::value_of).cloned().unwrap_or_default();
        match Context::extract(&mut call) {
            Ok(ctx) => Invocation::Ended(gather(&nodes, at, &ctx, &value)),
            Err(error) => Invocation::Refused(error),
        }
    }))
}

fn gather(nodes: &Nodes, at: usize, ctx: &Context, value: &Value) -> Result<Outputs, StepError> {
    let step = nodes.step(at);
    let Work::Parallel { join } = step.work else { return Ok(Outputs::default()) };
    let (Some(of), Some(child)) = (value["of"].as_u64(), value["child"].as_str()) else {
        return Ok(Outputs::default());
    };
    let status: StepStatus = serde_json::from_value(value["status"].clone())?;
    let scope = RunScope::of(ctx);
    let count = step.children.len();
    let wanted = match join {
        Wanted::All => count,
        Wanted::Any => 1,
        Wanted::Count(wanted) => wanted as usize,
    };
    let path = format!("{}.run", step.key);
    let verdict = at_once(scope.store.edit(&path, |run| {
        let mut under_way: UnderWay = serde_json::from_value(run.clone())?;
        if under_way.of != of || under_way.over {
            return Ok::<_, StepError>((Verdict::Wait, under_way));
        }
        under_way.ended.push((child.to_owned(), status));
        let won = under_way.ended.iter().filter(|(_, status)| good(*status, join)).count();
        let left = count.saturating_sub(under_way.ended.len());
        let verdict = if won >= wanted {
            Verdict::Won
        } else if left == 0 || join != Wanted::All && won + left < wanted {
            Verdict::Lost
        } else {
            Verdict::Wait
        };
        under_way.over = verdict != Verdict::Wait;
        *run = serde_json::to_value(&under_way)?;
        Ok((verdict, under_way))
    }))?;
    let (verdict, under_way) = verdict?;
    if verdict == Verdict::Wait {
        return Ok(Outputs::default());
    }
    let ended = |at: usize| under_way.ended.iter().find(|(id, _)| *id == nodes.step(at).id).map(|(_, status)| *status);
    let losers: Vec<usize> = step.children.iter().copied().filter(|child| ended(*child).is_none()).collect();
    for loser in &losers {
        // One that ended in this same instant keeps what it has.
        nodes.keep_in_turn(*loser, ctx, Some(of), StepStatus::Cancelled, Value::Null)?;
    }
    if verdict == Verdict::Lost {
        let failed = step.children.iter().filter(|child| ended(**child) == Some(StepStatus::Failed));
        let texts: Vec<String> = failed
            .map(|child| {
                let child = nodes.step(*child);
                let message = scope.get(&format!("{}.error.message", child.key));
                format!("`{}`: {}", child.id, message.as_ref().and_then(Value::as_str).unwrap_or("it failed"))
            })
            .collect();
        return Err(StepError::from(TooFew { text: texts.join("; ") }).fatal());
    }
    let mut output = Map::new();
    for child in step.children.iter().filter(|child| ended(**child).is_some_and(|status| good(status, join))) {
        let child = nodes.step(*child);
        output.insert(child.id.clone(), scope.get(&format!("{}.output", child.key)).unwrap_or_default());
    }
    let is_first = nodes.keep_in_turn(at, ctx, under_way.parent, StepStatus::Completed, Value::Object(output))?;
    let mut outputs = match is_first {
        true => nodes.leave(at, ctx, StepStatus::Completed, under_way.parent)?,
        false => Outputs::default(),
    };
    if losers.iter().any(|loser| can_lose(&nodes.step(*loser).work)) {
        outputs.push(BranchOver { of });
    }
    Ok(outputs)
}

/// Whether a step that ended so counts: one that was skipped does, where all are waited for.
fn good(status: StepStatus, join: Wanted) -> bool {
    status == StepStatus::Completed || status == StepStatus::Skipped && join == Wanted::All
}
