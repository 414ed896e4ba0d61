//! Steps that call a `#[step]` function.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use stepcast_core::{
    EventInput, EventMeta, EventSet, Invocation, OutToken, Outputs, ParamSpec, Payload, StepCall, StepError, StepSpec,
};
use stepcast_runtime::Context;

use super::body::going_on;
use super::node::{Nodes, Token};
use super::scope::RunScope;
use super::work;
use crate::events::BranchOver;
use crate::path::Scope;
use crate::plan::Input;

/// The input of a step fits none of the events that its function takes.
#[derive(Debug, thiserror::Error)]
#[error("The input of `{step}` does not fit `{event}`, which `{function}` takes: {source}.")]
struct Unfit {
    step: String,
    event: &'static str,
    function: &'static str,
    #[source]
    source: serde_json::Error,
}

/// What a step waits for whose function waits for these, and that may lose a race.
pub(super) fn waits(spec: &'static StepSpec, races: bool) -> EventSet {
    static BOTH: Mutex<Option<HashMap<usize, &'static EventSet>>> = Mutex::new(None);
    match (spec.waits, races) {
        (waits, false) => waits,
        (EventSet::None, true) => BranchOver::SET,
        (_, true) => {
            // Sets are trees of constants; that of a function is made once.
            let mut both = BOTH.lock().unwrap_or_else(PoisonError::into_inner);
            let key = std::ptr::from_ref(spec).addr();
            let set = both
                .get_or_insert_default()
                .entry(key)
                .or_insert_with(|| Box::leak(Box::new(EventSet::Both(&spec.waits, const { &BranchOver::SET }))));
            **set
        }
    }
}

/// The events that a function takes one of.
pub(super) fn takes(spec: &'static StepSpec) -> Vec<&'static EventMeta> {
    let takes = spec.params.iter().find_map(|param| match param {
        ParamSpec::Event(set) => Some(set.to_vec()),
        _ => None,
    });
    takes.unwrap_or_default()
}

pub(super) fn invoke(
    nodes: &Arc<Nodes>,
    at: usize,
    (spec, input): (&'static StepSpec, &Input),
    ctx: Context,
    token: Token,
    call: StepCall<'_>,
) -> Invocation {
    let node = &nodes.nodes[at];
    let scope = RunScope::of(&ctx);
    let known = scope.store.look_at_all(|cells| node.source.input(&node.takes, cells?));
    let event = match known.map_or_else(|| event_of(nodes, at, spec, input, &scope), Ok) {
        Ok(event) => event,
        Err(error) => return Invocation::Ended(Err(error)),
    };
    let inputs = [event];
    // Beside a wait for the end of a race, the body is polled together with that.
    let races = node.child_of.as_ref().is_some_and(|child| child.races);
    let inner = call.with_inputs(&inputs);
    let inner = if races { inner.polled_in_place(None) } else { inner };
    go_on(nodes, at, ctx, token, call, (spec.invoke)(inner))
}

/// Ends the step once its function has.
pub(super) fn go_on(
    nodes: &Arc<Nodes>,
    at: usize,
    ctx: Context,
    token: Token,
    call: StepCall<'_>,
    invoked: Invocation,
) -> Invocation {
    let over = {
        let (nodes, ctx) = (Arc::clone(nodes), ctx.clone());
        move |given: Result<Outputs, StepError>| finish(&nodes, at, &ctx, token, given?)
    };
    match invoked {
        Invocation::Future(body) => {
            let doing = async move { over(body.await) };
            going_on(nodes, at, ctx, token, call, doing)
        }
        Invocation::Begun(body) => Invocation::Begun(Box::pin(async move { over(body.await) })),
        Invocation::Gave(payload) => Invocation::Ended(over(Ok(Outputs::from(payload)))),
        Invocation::Ended(given) => Invocation::Ended(over(given)),
        Invocation::Blocking(body) => Invocation::Blocking(Box::new(move || over(body()))),
        Invocation::Refused(error) => Invocation::Refused(error),
    }
}

/// The event that the function takes, made of the step's input.
pub(super) fn event_of(
    nodes: &Nodes,
    at: usize,
    spec: &'static StepSpec,
    input: &Input,
    scope: &dyn Scope,
) -> Result<Payload, StepError> {
    let step = nodes.step(at);
    let takes = &nodes.nodes[at].takes;
    // Parts that are the event's fields, and nothing else, need not be put together first.
    if let Some(takes) = takes.first()
        && work::parts(input) == Some(takes.fields.len())
        && let Some(event) = takes.made_of(&mut |at| work::part(input, takes.fields.get(at)?, scope, step.missing))
    {
        return Ok(Payload::from_box(event));
    }
    let value = work::input(input, scope, step.missing)?;
    let mut unfit = None;
    // Of several, the first that the input fits.
    for meta in takes {
        match meta.decode_ref(&value) {
            Ok(event) => return Ok(Payload::from_box(event)),
            Err(source) => {
                let known = Unfit { step: step.id.clone(), event: meta.tag, function: spec.name, source };
                unfit.get_or_insert(known);
            }
        }
    }
    // The same input fits no better the next time.
    Err(unfit.map_or_else(|| StepError::msg("The function takes no event."), StepError::from).fatal())
}

fn finish(nodes: &Nodes, at: usize, ctx: &Context, token: Token, given: Outputs) -> Result<Outputs, StepError> {
    let mut values = Vec::new();
    for given in given {
        if let OutToken::Event(event) = given {
            values.push(event.payload.as_erased().to_value()?);
        }
    }
    let output = match values.len() {
        0 => Value::Null,
        1 => values.swap_remove(0),
        _ => Value::Array(values),
    };
    nodes.complete(at, ctx, token, output)
}
