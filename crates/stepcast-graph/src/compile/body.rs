//! The bodies of the steps.

use std::future::{Future, IntoFuture};
use std::sync::Arc;

use futures_util::future::{Either, select};
use serde_json::{Value, json};
use stepcast_core::{
    BoxFuture, EventMeta, IntoEvents, Invocation, OutSpec, Outputs, StartEvent, StepBody, StepCall, StepError,
    StepParam, StopEvent, run_async,
};
use stepcast_runtime::Context;

use super::first;
use super::gather::UnderWay;
use super::node::{Nodes, Token};
use super::scope::RunScope;
use super::{quick, used, work};
use crate::events::BranchOver;
use crate::plan::Work;

/// The body of a step of the document.
pub(super) fn step(nodes: Arc<Nodes>, at: usize) -> StepBody {
    StepBody::Closure(Arc::new(move |call: StepCall<'_>| {
        let mut rare = None;
        match quick::invoke(&nodes, at, &call, &mut rare) {
            Some(event) => Invocation::Gave(event),
            None => rare.unwrap_or_else(|| with_record(&nodes, at, call)),
        }
    }))
}

/// Calls a step that may be repeated, or may wait, or is not plain.
#[inline(never)]
fn with_record(nodes: &Arc<Nodes>, at: usize, mut call: StepCall<'_>) -> Invocation {
    let ctx = match Context::extract(&mut call) {
        Ok(ctx) => ctx,
        Err(error) => return Invocation::Refused(error),
    };
    if let Work::Start = nodes.step(at).work {
        let begun = begin(&ctx, call.inputs()).and_then(|input| {
            nodes.tell(at, &ctx, crate::events::StepStatus::Completed, input);
            nodes.leave(at, &ctx, crate::events::StepStatus::Completed, None)
        });
        return Invocation::Ended(begun);
    }
    if let Work::First(wanted) = nodes.step(at).work {
        return Invocation::Ended(first::count(nodes, at, &ctx, call.inputs(), wanted));
    }
    let token = Token::of_call(call.inputs());
    if token.skip {
        return Invocation::Ended(Ok(nodes.pass_over(at, &ctx)));
    }
    if let Some(outputs) = lost_already(nodes, at, &ctx, token) {
        return Invocation::Ended(Ok(outputs));
    }
    if let Work::Use { spec, input } = &nodes.step(at).work {
        return used::invoke(nodes, at, (spec, input), ctx, token, call);
    }
    match work::at_once(nodes, at, &ctx, token) {
        Some(done) => Invocation::Ended(done),
        None => {
            let doing = work::later(Arc::clone(nodes), at, ctx.clone(), token);
            going_on(nodes, at, ctx, token, call, doing)
        }
    }
}

/// Drives a step's work, unless others of its parallel step are there first.
pub(super) fn going_on(
    nodes: &Arc<Nodes>,
    at: usize,
    ctx: Context,
    token: Token,
    call: StepCall<'_>,
    doing: impl Future<Output = Result<Outputs, StepError>> + Send + 'static,
) -> Invocation {
    let races = nodes.nodes[at].child_of.as_ref().is_some_and(|child| child.races);
    let Some(of) = token.of.filter(|_| races) else { return run_async(call, work::as_given(doing)) };
    let doing: BoxFuture<'static, Result<Outputs, StepError>> = Box::pin(doing);
    run_async(call, async move {
        let over = ctx.wait_for_event::<BranchOver>().where_field("of", of).shared();
        let over: BoxFuture<'static, _> = Box::pin(over.into_future());
        match select(doing, over).await {
            Either::Left((done, _)) => Given(done),
            // Its parallel step has kept that it was cancelled.
            Either::Right((Ok(_), _)) => Given(Ok(Outputs::default())),
            Either::Right((Err(error), _)) => Given(Err(error.into())),
        }
    })
}

/// What a body gives, whatever it is.
#[derive(Debug)]
pub(super) struct Given(pub(super) Result<Outputs, StepError>);

impl IntoEvents for Given {
    const OUT: OutSpec = OutSpec::None;

    fn into_events(self, out: &mut Outputs) -> Result<(), StepError> {
        out.append(self.0?);
        Ok(())
    }
}

/// Whether steps with this work wait for the end of their parallel step.
pub(super) fn can_lose(work: &Work) -> bool {
    matches!(
        work,
        Work::Use { .. }
            | Work::Run(_)
            | Work::Human(_)
            | Work::Delay { .. }
            | Work::Child { .. }
            | Work::Transform { .. }
    )
}

fn lost_already(nodes: &Nodes, at: usize, ctx: &Context, token: Token) -> Option<Outputs> {
    let child = nodes.nodes[at].child_of.as_ref().filter(|child| child.races)?;
    let run = RunScope::of(ctx).get(&format!("{}.run", child.key))?;
    let run: UnderWay = serde_json::from_value(run).ok()?;
    (run.over || Some(run.of) != token.of).then(Outputs::default)
}

/// Puts the run's input where paths find it.
fn begin(ctx: &Context, inputs: &[stepcast_core::Payload]) -> Result<Value, StepError> {
    let start = inputs.first().and_then(|payload| payload.downcast_ref::<StartEvent>());
    let input = start.map(|start| Value::Object(start.fields().clone())).unwrap_or_default();
    let kept = json!({ "output": { "input": &input } });
    RunScope::of(ctx).set(crate::path::START, kept)?;
    Ok(json!({ "input": input }))
}

/// The step before several first ones.
pub(super) fn start_of(gives: Vec<&'static EventMeta>) -> StepBody {
    StepBody::Closure(Arc::new(move |mut call: StepCall<'_>| match Context::extract(&mut call) {
        Err(error) => Invocation::Refused(error),
        Ok(ctx) => Invocation::Ended(begin(&ctx, call.inputs()).map(|_| {
            let mut outputs = Outputs::default();
            gives.iter().for_each(|meta| outputs.push_payload(Token::PLAIN.payload(meta)));
            outputs
        })),
    }))
}

/// The step after several last ones: the run ends with what its only end says, else with all outputs.
pub(super) fn end_of(nodes: Arc<Nodes>) -> StepBody {
    StepBody::Closure(Arc::new(move |mut call: StepCall<'_>| match Context::extract(&mut call) {
        Err(error) => Invocation::Refused(error),
        Ok(ctx) => {
            let scope = RunScope::of(&ctx);
            let ends = nodes.plan.steps.iter().filter(|step| matches!(step.work, Work::End { input: Some(_) }));
            let mut said = ends.filter_map(|end| scope.get(&format!("{}.output", end.key)));
            let result = match (said.next(), said.next()) {
                (Some(one), None) => one,
                _ => scope.outputs(),
            };
            let mut outputs = Outputs::default();
            outputs.push(StopEvent::new(result));
            Invocation::Ended(Ok(outputs))
        }
    }))
}
