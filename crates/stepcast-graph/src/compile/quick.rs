//! Steps that end at once in a run that lives in memory alone, which is the common case: without a record of what they did,
//! and with one look at the run for their output, the word of it, and the edge.
//!
//! Whatever is not plain, from a missing path to no edge that applies, is `None` here and leaves no trace: the step is then
//! done as all others are.

use std::sync::Arc;

use serde_json::Value;
use stepcast_core::{AnyEvent, CellMap, ErasedEvent, Invocation, MakeEvent, Outputs, Payload, StepCall};
use stepcast_runtime::{Direct, Told};

use super::leave;
use super::node::{Node, Nodes, Token};
use super::scope::{Cells, OUTPUT, With};
use super::{used, work};
use crate::condition::Condition;
use crate::events::{StepOver, StepStatus};
use crate::path::Scope;
use crate::plan::{Transform, Work};

/// More edges than that are rare, and might be more than a step may give events.
const MOST_EDGES: usize = 64;

/// Whether a step with this work may end at once, and does nothing else than giving an output.
pub(super) fn can_be(work: &Work) -> bool {
    matches!(
        work,
        Work::Use { .. }
            | Work::Pick { .. }
            | Work::Template { .. }
            | Work::Condition { .. }
            | Work::Join
            | Work::Transform { transform: Transform::Identity | Transform::Content, .. }
    )
}

pub(super) fn invoke(nodes: &Arc<Nodes>, at: usize, call: &StepCall<'_>) -> Option<Invocation> {
    let node = &nodes.nodes[at];
    if !node.is_quick || node.outs.len() > MOST_EDGES || Token::of_call(call.inputs()) != Token::PLAIN {
        return None;
    }
    let direct = Direct::of(call)?;
    let step = nodes.step(at);
    let Work::Use { spec, input } = &step.work else {
        let given = direct.write(|cells, told| {
            let mut plain = true;
            let scope = Cells(Some(cells));
            let output = work::looked_at(nodes, step, &scope, &mut |condition| holds(condition, &scope, &mut plain))?;
            let output = output.ok().filter(|_| plain)?;
            let said = Said::Json(serde_json::to_string(&output).ok()?.into());
            settle(nodes, node, cells, told, output, said)
        });
        return given?;
    };
    let event = direct.look(|cells| used::event_of(nodes, at, spec, input, &Cells(cells)).ok())?;
    let inputs = [event];
    let again = || call.with_inputs(call.inputs());
    let event = match (spec.invoke)(call.with_inputs(&inputs)) {
        Invocation::Gave(event) if direct.is_open() => event.into_arc(),
        invoked => return Some(used::go_on(nodes, at, direct.context(), Token::PLAIN, again(), invoked)),
    };
    let settled = event.to_value().ok().and_then(|output| {
        let said = Said::Event(Arc::clone(&event));
        direct.write(|cells, told| settle(nodes, node, cells, told, output, said))?
    });
    // The function has run: what it gave is kept in the other way.
    Some(settled.unwrap_or_else(|| {
        let gave = Invocation::Gave(Payload::from_arc(event));
        used::go_on(nodes, at, direct.context(), Token::PLAIN, again(), gave)
    }))
}

/// Whether a condition holds; not plain is what it cannot compare.
fn holds(condition: &Condition, scope: &dyn Scope, plain: &mut bool) -> bool {
    let mut mismatches = Vec::new();
    let holds = condition.holds(scope, &mut mismatches);
    *plain &= mismatches.is_empty();
    holds
}

/// Keeps an output, tells of it, and goes on.
fn settle(
    nodes: &Arc<Nodes>,
    node: &Node,
    cells: &mut CellMap,
    told: &mut Told<'_>,
    output: Value,
    said: Said,
) -> Option<Invocation> {
    let mut plain = true;
    let scope = With { cells, key: &node.key, output: &output };
    let mut asked = |condition: &Condition| holds(condition, &scope, &mut plain);
    let given = if node.all {
        let mut outputs = Outputs::default();
        leave::every(node, StepStatus::Completed, &mut asked, &mut outputs);
        outputs.into_single().map_or_else(|outputs| Invocation::Ended(Ok(outputs)), Invocation::Gave)
    } else {
        Invocation::Gave(leave::first(node, StepStatus::Completed, &mut asked)?)
    };
    if !plain {
        return None;
    }
    let event = match &said {
        Said::Event(event) => Some(Arc::clone(event)),
        Said::Json(_) => None,
    };
    cells.set_field(&node.key, OUTPUT, output, event).ok()?;
    told.push(AnyEvent::late(Over { nodes: Arc::clone(nodes), at: node.at, said }));
    Some(given)
}

/// That a step has ended, for those who read the stream.
#[derive(Clone)]
struct Over {
    nodes: Arc<Nodes>,
    at: usize,
    said: Said,
}

/// An output, in as little room as it takes: most are never read again.
#[derive(Clone)]
enum Said {
    Event(Arc<dyn ErasedEvent>),
    Json(Box<str>),
}

impl MakeEvent for Over {
    type Event = StepOver;

    fn make(&self) -> StepOver {
        let node = &self.nodes.nodes[self.at];
        let output = match &self.said {
            Said::Event(event) => event.to_value(),
            Said::Json(text) => serde_json::from_str(text),
        };
        StepOver {
            step: Arc::clone(&node.id),
            key: Arc::clone(&node.key),
            status: StepStatus::Completed,
            // Both were written before.
            output: output.unwrap_or_default(),
        }
    }
}
