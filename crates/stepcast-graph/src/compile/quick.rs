//! Steps that end at once in a run that lives in memory alone, which is the common case: without a record of what they did,
//! and with one look at the run for their output, the word of it, and the edge.
//!
//! Whatever is not plain, from a missing path to no edge that applies, is `None` here and leaves no trace: the step is then
//! done as all others are.

use std::sync::Arc;

use serde_json::Value;
use stepcast_core::{
    AnyEvent, CellMap, Given, Invocation, LateEvent, MakeEvent, Outputs, Payload, StepCall, StepError,
};
use stepcast_runtime::{Direct, Teller, Told};

use super::leave;
use super::node::{Node, Nodes, Token};
use super::scope::{Cells, OUTPUT, With};
use super::{used, work};
use crate::condition::Condition;
use crate::events::{StepOver, StepStatus};
use crate::path::Scope;
use crate::plan::{Transform, Work};
use crate::template::JsonTemplate;

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
            let output = given(nodes, node, &Cells(Some(cells)))?;
            settle(nodes, node, cells, told, &mut Some(output))
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
    let mut output = match Given::event(said) {
        Ok(output) => Some(output),
        Err(error) => return Some(Invocation::Ended(Err(error.into()))),
    };
    if let Some(settled) = direct.write(|cells, told| settle(nodes, node, cells, told, &mut output)).flatten() {
        return Some(settled);
    }
    // The function has run: what it gave is kept in the other way.
    Some(Invocation::Ended(match output {
        Some(output) => nodes.complete(at, &direct.context(), Token::PLAIN, output.value().clone()),
        None => Err(StepError::msg(format!("The output of `{}` cannot be written.", step.id))),
    }))
}

/// What a step gives that only looks at the context.
fn given(nodes: &Nodes, node: &Node, scope: &dyn Scope) -> Option<Given> {
    let step = nodes.step(node.at);
    match &step.work {
        // An event is handed on as it is.
        Work::Transform { transform: Transform::Identity, input, .. } => {
            if let Some(event) = work::handed_on(input, scope).filter(|event| event.is_flat()) {
                return Given::event(Payload::from_box(event.clone_boxed())).ok();
            }
        }
        Work::Template { template: JsonTemplate::Object(fields) } => {
            let values = fields.iter().map(|(_, value)| value.value(scope, step.missing));
            return Some(Given::fields(&node.fields, values.collect::<Result<_, _>>().ok()?));
        }
        _ => {}
    }
    let mut plain = true;
    let output = work::looked_at(nodes, step, scope, &mut |condition| holds(condition, scope, &mut plain))?;
    let output = output.ok().filter(|_| plain)?;
    Some(match work::only_field(&step.work) {
        Some(name) => Given::field(name, output),
        None => output.into(),
    })
}

/// Whether a condition holds; not plain is what it cannot compare.
fn holds(condition: &Condition, scope: &dyn Scope, plain: &mut bool) -> bool {
    let mut mismatches = Vec::new();
    let holds = condition.holds(scope, &mut mismatches);
    *plain &= mismatches.is_empty();
    holds
}

/// Keeps an output, tells of it, and goes on. The output is left where that cannot be.
fn settle(
    nodes: &Arc<Nodes>,
    node: &Node,
    cells: &mut CellMap,
    told: &mut Told<'_>,
    given: &mut Option<Given>,
) -> Option<Invocation> {
    let output = given.as_ref().filter(|output| output.fits())?;
    let mut plain = true;
    let scope = With { cells, key: &node.key, output };
    let mut asked = |condition: &Condition| holds(condition, &scope, &mut plain);
    let leaving = if node.all {
        let mut outputs = Outputs::default();
        leave::every(node, StepStatus::Completed, &mut asked, &mut outputs);
        outputs.into_single().map_or_else(|outputs| Invocation::Ended(Ok(outputs)), Invocation::Gave)
    } else {
        Invocation::Gave(leave::first(node, StepStatus::Completed, &mut asked)?)
    };
    if !plain {
        return None;
    }
    let about = u32::try_from(node.at).ok()?;
    let mut keep = |text: &mut Vec<u8>| {
        let output = given.take()?;
        output.write_bare(text).ok()?;
        cells.set_field(&node.cell, OUTPUT, output).ok()
    };
    let told = told.say(nodes, about, |text| keep(text).is_some());
    told.then_some(leaving)
}

/// What is said is the output of a step that has ended.
impl Teller for Nodes {
    fn event(self: Arc<Self>, about: u32, text: Box<[u8]>) -> AnyEvent {
        AnyEvent::late(Arc::new(LateEvent::new(Over { nodes: self, at: about as usize, text })))
    }
}

#[derive(Clone)]
struct Over {
    nodes: Arc<Nodes>,
    at: usize,
    text: Box<[u8]>,
}

impl MakeEvent for Over {
    type Event = StepOver;

    fn make(&self) -> StepOver {
        let node = &self.nodes.nodes[self.at];
        // It was written as JSON.
        let bare = serde_json::from_slice(&self.text).unwrap_or_default();
        let work = &self.nodes.step(self.at).work;
        let output = match (work, bare) {
            (Work::Template { template: JsonTemplate::Object(_) }, Value::Array(values)) => {
                Value::Object(node.fields.iter().cloned().zip(values).collect())
            }
            (_, bare) => work::in_field(work, bare),
        };
        StepOver { step: Arc::clone(&node.id), key: Arc::clone(&node.key), status: StepStatus::Completed, output }
    }
}
