//! The step that the failures of others lead to, once `on_failure` has let the run go on.

use std::sync::Arc;

use serde_json::{Value, json};
use stepcast_core::{Invocation, Outputs, StepBody, StepCall, StepError, StepFailedEvent, StepParam};
use stepcast_runtime::Context;

use super::document_name;
use super::node::{Nodes, Token};
use super::scope::RunScope;
use crate::events::StepStatus;

pub(super) fn body(nodes: Arc<Nodes>) -> StepBody {
    StepBody::Closure(Arc::new(move |mut call: StepCall<'_>| {
        let extracted = StepFailedEvent::extract(&mut call).and_then(|event| Ok((event, Context::extract(&mut call)?)));
        match extracted {
            Ok((event, ctx)) => Invocation::Ended(go_on(&nodes, &event, &ctx)),
            Err(error) => Invocation::Refused(error),
        }
    }))
}

fn go_on(nodes: &Nodes, failed: &StepFailedEvent, ctx: &Context) -> Result<Outputs, StepError> {
    let Some(&at) = nodes.by_id.get(document_name(&failed.step_name)) else { return Ok(Outputs::default()) };
    let scope = RunScope::of(ctx);
    let joined = failed.step_name != nodes.step(at).id;
    let of = if joined {
        scope.get(&format!("{}.run.parent", nodes.step(at).key)).and_then(|of| of.as_u64())
    } else {
        failed.input_event.as_ref().map(|event| Token::read(&event.value())).and_then(|token| token.of)
    };
    let status = if failed.skipped { StepStatus::Skipped } else { StepStatus::Failed };
    let error = &failed.exception;
    let output = match status {
        StepStatus::Skipped => Value::Null,
        _ => json!({
            "message": error.exception_message,
            "type": error.exception_type,
            "attempts": failed.attempts,
        }),
    };
    match nodes.keep_in_turn(at, ctx, of, status, output)? {
        true => nodes.leave(at, ctx, status, of),
        false => Ok(Outputs::default()),
    }
}
