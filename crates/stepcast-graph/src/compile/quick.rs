//! Steps that end at once in a run that lives in memory alone, which is the common case: without a record of what they did,
//! and with one look at the run for their output, the word of it, and the edge.
//!
//! Whatever is not plain, from a missing path to no edge that applies, is `None` here and leaves no trace: the step is then
//! done as all others are.

use std::sync::Arc;

use serde_json::Value;
use stepcast_core::{
    AnyEvent, CellMap, ErasedEvent, Given, HoldEvent, Invocation, LateEvent, MakeEvent, Outputs, Payload, StepCall,
};
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
            let said: Box<str> = serde_json::to_string(&output).ok()?.into();
            let over = AnyEvent::late(Arc::new(LateEvent::new(Over { nodes: Arc::clone(nodes), at, said })));
            settle(node, cells, told, output.into(), over)
        });
        return given?;
    };
    let event = direct.look(|cells| used::event_of(nodes, at, spec, input, &Cells(cells)).ok())?;
    let inputs = [event];
    let again = || call.with_inputs(call.inputs());
    let said = match (spec.invoke)(call.with_inputs(&inputs)) {
        Invocation::Gave(said) if direct.is_open() => said,
        invoked => return Some(used::go_on(nodes, at, direct.context(), Token::PLAIN, again(), invoked)),
    };
    let over = Arc::new(LateEvent::new(Over { nodes: Arc::clone(nodes), at, said }));
    let settled = Given::event(Arc::clone(&over) as _).ok().and_then(|output| {
        direct.write(|cells, told| settle(node, cells, told, output, AnyEvent::late(Arc::clone(&over))))?
    });
    // The function has run: what it gave is kept in the other way.
    Some(settled.unwrap_or_else(|| {
        let gave = Invocation::Gave(Payload::from_box(over.held().clone_boxed()));
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
fn settle(node: &Node, cells: &mut CellMap, told: &mut Told<'_>, output: Given, over: AnyEvent) -> Option<Invocation> {
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
    cells.set_field(&node.key, OUTPUT, output).ok()?;
    told.push(over);
    Some(given)
}

/// That a step has ended, for those who read the stream. Most are never read, so they take as little room as can be.
#[derive(Clone)]
struct Over<Said> {
    nodes: Arc<Nodes>,
    at: usize,
    /// The output: the event that the function gave, or JSON.
    said: Said,
}

impl<Said> Over<Said> {
    fn event(&self, output: Result<Value, serde_json::Error>) -> StepOver {
        let node = &self.nodes.nodes[self.at];
        StepOver {
            step: Arc::clone(&node.id),
            key: Arc::clone(&node.key),
            status: StepStatus::Completed,
            // It was written before.
            output: output.unwrap_or_default(),
        }
    }
}

impl MakeEvent for Over<Payload> {
    type Event = StepOver;

    fn make(&self) -> StepOver {
        self.event(self.said.as_erased().to_value())
    }
}

impl AsRef<dyn ErasedEvent> for Over<Payload> {
    fn as_ref(&self) -> &(dyn ErasedEvent + 'static) {
        self.said.as_erased()
    }
}

impl MakeEvent for Over<Box<str>> {
    type Event = StepOver;

    fn make(&self) -> StepOver {
        self.event(serde_json::from_str(&self.said))
    }
}
