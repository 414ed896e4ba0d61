//! Steps that end at once in a run that lives in memory alone, which is the common case: without a record of what they did,
//! and with one look at the run for their output, the word of it, and the edge.
//!
//! Whatever is not plain, from a missing path to no edge that applies, is `None` here and leaves no trace: the step is then
//! done as all others are.

use std::sync::Arc;

use serde_json::Value;
use stepcast_core::{
    AnyEvent, CellMap, FieldName, FieldValue, Fields, FlatEvent, Given, Invocation, LateEvent, MakeEvent, OneField,
    Outputs, Payload, StepCall, StepError,
};
use stepcast_runtime::{Direct, Teller, Told};

use super::leave;
use super::node::{Node, Nodes, Out, Token};
use super::scope::{Cells, OUTPUT, With};
use super::work::{CONDITION, PICKED};
use super::{used, work};
use crate::condition::Condition;
use crate::document::Missing;
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

/// The one event that the step leads to, which is nearly always all: it goes from hand to hand in two words. What else the
/// call comes to is in `rare`.
#[inline]
pub(super) fn invoke(
    nodes: &Arc<Nodes>,
    at: usize,
    call: &StepCall<'_>,
    rare: &mut Option<Invocation>,
) -> Option<Payload> {
    let node = &nodes.nodes[at];
    if !node.is_quick || node.outs.len() > MOST_EDGES || !Token::is_plain(call.inputs()) {
        return None;
    }
    let direct = Direct::of(call)?;
    let step = nodes.step(at);
    let Work::Use { spec, input } = &step.work else {
        let mut more = None;
        let settled = direct.write(|cells, told| look(nodes, node, cells, told, &mut more)).flatten();
        return leading(settled, more, rare);
    };
    let event = direct.look(|cells| {
        let known = cells.and_then(|cells| node.source.input(&node.takes, cells));
        known.or_else(|| used::event_of(nodes, at, spec, input, &Cells(cells)).ok())
    })?;
    let inputs = [event];
    let again = || call.with_inputs(call.inputs());
    let said = match (spec.invoke)(call.with_inputs(&inputs)) {
        Invocation::Gave(said) if direct.is_open() => said,
        invoked => {
            *rare = Some(used::go_on(nodes, at, direct.context(), Token::PLAIN, again(), invoked));
            return None;
        }
    };
    match FlatEvent::new(said) {
        Ok(event) => {
            let (mut event, mut more) = (Some(event), None);
            let settled = direct.write(|cells, told| settle(nodes, node, cells, told, &mut event, &mut more)).flatten();
            let settled = leading(settled, more, rare);
            if settled.is_none() && rare.is_none() {
                *rare = Some(kept_the_other_way(nodes, at, &direct, event.map(FlatEvent::into_payload)));
            }
            settled
        }
        Err(said) => settle_value(nodes, at, &direct, said, rare),
    }
}

/// The same for an event that is not flat.
#[inline(never)]
fn settle_value(
    nodes: &Arc<Nodes>,
    at: usize,
    direct: &Direct<'_>,
    said: Payload,
    rare: &mut Option<Invocation>,
) -> Option<Payload> {
    let (mut output, mut more) = match said.as_erased().to_value() {
        Ok(output) => (Some(Given::from(output)), None),
        Err(error) => {
            *rare = Some(Invocation::Ended(Err(error.into())));
            return None;
        }
    };
    let node = &nodes.nodes[at];
    let settled = direct.write(|cells, told| settle(nodes, node, cells, told, &mut output, &mut more)).flatten();
    let settled = leading(settled, more, rare);
    if settled.is_none() && rare.is_none() {
        *rare = Some(kept_the_other_way(nodes, at, direct, Some(said)));
    }
    settled
}

/// The function has run: what it gave is kept as that of a step with a record.
#[cold]
fn kept_the_other_way(nodes: &Nodes, at: usize, direct: &Direct<'_>, said: Option<Payload>) -> Invocation {
    Invocation::Ended(match said.map(|said| said.as_erased().to_value()) {
        Some(Ok(output)) => nodes.complete(at, &direct.context(), Token::PLAIN, output),
        Some(Err(error)) => Err(error.into()),
        None => Err(StepError::msg(format!("The output of `{}` cannot be written.", nodes.step(at).id))),
    })
}

/// What a step leads to, if it is one event; several are left in `rare`.
#[inline]
fn leading(one: Option<Payload>, more: Option<Outputs>, rare: &mut Option<Invocation>) -> Option<Payload> {
    if let Some(outputs) = more {
        *rare = Some(Invocation::Ended(Ok(outputs)));
    }
    one
}

/// Does the work of a step that only looks at the context.
fn look(
    nodes: &Arc<Nodes>,
    node: &Node,
    cells: &mut CellMap,
    told: &mut Told<'_>,
    more: &mut Option<Outputs>,
) -> Option<Payload> {
    let step = nodes.step(node.at);
    let scope = Cells(Some(cells));
    let mut plain = true;
    match &step.work {
        // An event is handed on as it is.
        Work::Transform { transform: Transform::Identity, .. } => {
            if let Some(event) = node.source.event(cells) {
                let event = FlatEvent::new(Payload::from_box(event.clone_boxed())).ok();
                return settle(nodes, node, cells, told, &mut Some(event?), more);
            }
        }
        Work::Template { template: JsonTemplate::Object(fields) } => {
            let mut values = vec![Value::Null; fields.len()];
            for ((_, field), value) in fields.iter().zip(&mut values) {
                match field.as_path() {
                    Some((path, optional)) => {
                        let found = scope.look_at(path, &mut |found| value.clone_from(found));
                        if !found && !optional && step.missing != Missing::Empty {
                            return None;
                        }
                    }
                    None => *value = field.value(&scope, step.missing).ok()?,
                }
            }
            return settle(nodes, node, cells, told, &mut Some(Fields::new(&node.fields, values)), more);
        }
        Work::Pick { path } => {
            let mut output = OneField::new(PICKED, Value::Null);
            scope.look_at(path, &mut |value| output.set(value.clone()));
            return settle(nodes, node, cells, told, &mut Some(output), more);
        }
        Work::Condition { condition } => {
            let holds = holds(condition, &scope, &mut plain);
            let output = plain.then(|| OneField::new(CONDITION, holds.into()));
            return settle(nodes, node, cells, told, &mut Some(output?), more);
        }
        _ => {}
    }
    let output = work::looked_at(nodes, step, &scope, &mut |condition| holds(condition, &scope, &mut plain))?;
    let output = output.ok().filter(|_| plain)?;
    match work::only_field(&step.work) {
        Some(name) => settle(nodes, node, cells, told, &mut Some(OneField::new(name, output)), more),
        None => settle(nodes, node, cells, told, &mut Some(Given::from(output)), more),
    }
}

/// Whether a condition holds; not plain is what it cannot compare.
fn holds(condition: &Condition, scope: &dyn Scope, plain: &mut bool) -> bool {
    let mut mismatches = Vec::new();
    let holds = condition.holds(scope, &mut mismatches);
    *plain &= mismatches.is_empty();
    holds
}

/// The same where what its path leads to is at hand.
fn holds_for(condition: &Condition, output: &impl FieldValue, name: &FieldName, plain: &mut bool) -> Option<bool> {
    let mut mismatches = Vec::new();
    let holds = match output.flat_field(name) {
        Some(found) => Some(condition.holds_for_flat(found, &mut mismatches)),
        None => output.look_at(name, |found| condition.holds_for(found, &mut mismatches)),
    };
    *plain &= mismatches.is_empty();
    holds
}

/// Keeps an output, tells of it, and goes on. The output is left where that cannot be.
fn settle<O: FieldValue>(
    nodes: &Arc<Nodes>,
    node: &Node,
    cells: &mut CellMap,
    told: &mut Told<'_>,
    given: &mut Option<O>,
    more: &mut Option<Outputs>,
) -> Option<Payload> {
    let output = given.as_ref().filter(|output| output.fits())?;
    let mut plain = true;
    let scope = With { cells, key: &node.key, output };
    let mut asked = |out: &Out, condition: &Condition| {
        let at_hand = |name| holds_for(condition, output, name, &mut plain);
        out.own.as_ref().and_then(at_hand).unwrap_or_else(|| holds(condition, &scope, &mut plain))
    };
    let leaving = if node.all {
        let mut outputs = Outputs::default();
        leave::every(node, StepStatus::Completed, &mut asked, &mut outputs);
        outputs.into_single()
    } else {
        Ok(leave::first(node, StepStatus::Completed, &mut asked)?)
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
    if !told.say(nodes, about, |text| keep(text).is_some()) {
        return None;
    }
    leaving.map_err(|outputs| *more = Some(outputs)).ok()
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
