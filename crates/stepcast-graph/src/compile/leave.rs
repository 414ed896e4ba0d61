//! What follows when a step is over.

use std::sync::Arc;

use serde_json::Value;
use stepcast_core::{DataEvent, EventMeta, LogLevel, Outputs, Payload, StepError, StopEvent};
use stepcast_runtime::Context;

use super::first;
use super::node::{Exit, Node, Nodes, Out, Token};
use super::scope::RunScope;
use crate::condition::Condition;
use crate::events::{StepOver, StepStatus};
use crate::plan::{When, Work};

/// No edge of a step applies.
#[derive(Debug, thiserror::Error)]
#[error("No edge of `{step}` applies, so that the run cannot go on. Add an edge for `otherwise`.")]
struct NoEdge {
    step: String,
}

impl Nodes {
    /// Keeps a step's output, tells of it, and goes on.
    pub(super) fn complete(&self, at: usize, ctx: &Context, token: Token, output: Value) -> Result<Outputs, StepError> {
        match self.keep_in_turn(at, ctx, token.of, StepStatus::Completed, output)? {
            true => self.leave(at, ctx, StepStatus::Completed, token.of),
            // Others of its parallel step were first, and it is cancelled.
            false => Ok(Outputs::default()),
        }
    }

    /// Keeps the record of a step that is over.
    pub(super) fn keep(&self, at: usize, ctx: &Context, status: StepStatus, output: Value) -> Result<(), StepError> {
        let step = self.step(at);
        let scope = RunScope::of(ctx);
        let run = if matches!(step.work, Work::Parallel { .. } | Work::First(_)) {
            scope.get(&format!("{}.run", step.key))
        } else {
            None
        };
        let mut record = serde_json::Map::new();
        match status {
            StepStatus::Completed => drop(record.insert("output".to_owned(), output.clone())),
            StepStatus::Failed => drop(record.insert("error".to_owned(), output.clone())),
            StepStatus::Skipped | StepStatus::Cancelled => {
                record.insert("status".to_owned(), serde_json::to_value(status)?);
            }
        }
        record.extend(run.map(|run| ("run".to_owned(), run)));
        scope.store.put(&self.nodes[at].cell, Value::Object(record))?;
        self.tell(at, ctx, status, output);
        Ok(())
    }

    pub(super) fn tell(&self, at: usize, ctx: &Context, status: StepStatus, output: Value) {
        let node = &self.nodes[at];
        let (step, key) = (Arc::clone(&node.id), Arc::clone(&node.key));
        ctx.write_event_to_stream(StepOver { step, key, status, output });
    }

    /// The events that follow.
    pub(super) fn leave(
        &self,
        at: usize,
        ctx: &Context,
        status: StepStatus,
        of: Option<u64>,
    ) -> Result<Outputs, StepError> {
        let node = &self.nodes[at];
        let mut outputs = Outputs::default();
        if let Some(child) = &node.child_of {
            let value = serde_json::json!({ "of": of, "child": self.step(at).id, "status": status });
            outputs.push_payload(DataEvent::new(child.meta, value).into_payload());
            return Ok(outputs);
        }
        match &node.exit {
            Some(Exit::Stop) => outputs.push(self.stop(at, ctx)),
            Some(Exit::Event(meta)) => outputs.push_payload(Token::PLAIN.payload(meta)),
            None if node.all => every(node, status, &mut |_, holds| holds_in(ctx, holds), &mut outputs),
            None => match first(node, status, &mut |_, holds| holds_in(ctx, holds)) {
                Some(payload) => outputs.push_payload(payload),
                None if status == StepStatus::Completed => {
                    return Err(StepError::from(NoEdge { step: self.step(at).id.clone() }).fatal());
                }
                // Nothing is said of what failed: the run ends with what there is.
                None => {
                    let text =
                        format!("no edge of `{}` is for a step that did not succeed; the run ends", self.step(at).id);
                    ctx.log(LogLevel::Warn, text);
                    outputs.push(StopEvent::new(RunScope::of(ctx).outputs()));
                }
            },
        }
        Ok(outputs)
    }

    /// A step that no path leads to any more.
    pub(super) fn pass_over(&self, at: usize, ctx: &Context) -> Outputs {
        let node = &self.nodes[at];
        let mut outputs = Outputs::default();
        match &node.exit {
            Some(Exit::Stop) => outputs.push(self.stop(at, ctx)),
            Some(Exit::Event(meta)) => outputs.push_payload(Token::SKIP.payload(meta)),
            None => every(node, StepStatus::Skipped, &mut |_, _| false, &mut outputs),
        }
        outputs
    }

    /// The result of the run: what its end says, else all outputs.
    pub(super) fn stop(&self, at: usize, ctx: &Context) -> StopEvent {
        let scope = RunScope::of(ctx);
        let said = match &self.step(at).work {
            Work::End { input: Some(_) } => scope.get(&format!("{}.output", self.step(at).key)),
            _ => None,
        };
        StopEvent::new(said.unwrap_or_else(|| scope.outputs()))
    }
}

fn holds_in(ctx: &Context, condition: &Condition) -> bool {
    RunScope::of(ctx).holds(condition, ctx)
}

/// Where a step leads after success whatever its conditions say: of several edges without one, along the last.
pub(super) fn by_default(outs: &[Out]) -> Option<&'static EventMeta> {
    let plain = outs.iter().rfind(|out| matches!(out.whens.first(), Some(When::Plain | When::Success)));
    plain
        .map(|out| out.meta)
        .or_else(|| first_of(outs, |when| matches!(when, When::Always)))
        .or_else(|| first_of(outs, |when| matches!(when, When::Otherwise)))
}

fn first_of(outs: &[Out], wanted: impl Fn(&When) -> bool) -> Option<&'static EventMeta> {
    outs.iter().find(|out| out.whens.first().is_some_and(&wanted)).map(|out| out.meta)
}

/// Tokens for all edges.
pub(super) fn every(
    node: &Node,
    status: StepStatus,
    holds: &mut dyn FnMut(&Out, &Condition) -> bool,
    outputs: &mut Outputs,
) {
    // Each condition is asked once, and told of once.
    let mut held = false;
    let mut applies: Vec<bool> = Vec::with_capacity(node.outs.len());
    for out in &node.outs {
        let mut any = false;
        for when in &out.whens {
            any |= match (when, status) {
                (When::Always, _) => true,
                (When::Plain | When::Success, StepStatus::Completed) | (When::Failure, StepStatus::Failed) => true,
                (When::Holds(condition), StepStatus::Completed) => {
                    let holds = holds(out, condition);
                    held |= holds;
                    holds
                }
                _ => false,
            };
        }
        applies.push(any);
    }
    let rest = status == StepStatus::Completed && !held;
    for (out, applies) in node.outs.iter().zip(applies) {
        let otherwise = rest && out.whens.iter().any(|when| matches!(when, When::Otherwise));
        let token = if applies || otherwise { Token::PLAIN } else { Token::SKIP };
        outputs.push_payload(match out.counted {
            true => first::token(token.skip, &node.id, out.meta),
            false => token.payload(out.meta),
        });
    }
}

/// A token for the first edge that applies.
pub(super) fn first(
    node: &Node,
    status: StepStatus,
    holds: &mut dyn FnMut(&Out, &Condition) -> bool,
) -> Option<Payload> {
    let always = || first_of(&node.outs, |when| matches!(when, When::Always));
    let meta = match status {
        StepStatus::Completed => {
            let holding = node.outs.iter().find(|out| match out.whens.first() {
                Some(When::Holds(condition)) => holds(out, condition),
                _ => false,
            });
            holding.map(|out| out.meta).or(node.by_default)
        }
        StepStatus::Failed => first_of(&node.outs, |when| matches!(when, When::Failure)).or_else(always),
        StepStatus::Skipped | StepStatus::Cancelled => always().or(node.by_default),
    };
    meta.map(|meta| Token::PLAIN.payload(meta))
}
