//! A workflow whose steps say on its stream which trace they are in.

#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use stepcast::TraceContext;
use stepcast::prelude::*;

#[event(start)]
pub struct Begin {}

#[event(input_required)]
pub struct Wanted {}

#[event(human_response)]
pub struct Given {}

#[event(external)]
pub struct Note {}

/// What a step knows of traces.
#[event]
pub struct Place {
    pub at: String,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
}

#[event(stop)]
pub struct Over {}

fn place(at: &str, ctx: &Context) -> Place {
    let trace = ctx.trace_context();
    let tracestate = trace.as_ref().and_then(|trace| trace.tracestate().map(str::to_owned));
    Place { at: at.to_owned(), traceparent: trace.map(|trace| trace.traceparent()), tracestate }
}

#[step(waits(Given), streams(Place))]
pub async fn ask(_: Begin, ctx: Context) -> Result<Over> {
    ctx.write_event_to_stream(place("start", &ctx));
    ctx.wait_for_event::<Given>().announce(Wanted {}).await?;
    ctx.write_event_to_stream(place("answer", &ctx));
    Ok(Over {})
}

#[step(streams(Place))]
pub async fn note(_: Note, ctx: Context) {
    ctx.write_event_to_stream(place("note", &ctx));
}

flow!(pub Traced: Begin => Over { ask, note });

/// A place in a trace of somebody else's: `n` is in both ids.
pub fn context(n: u8) -> TraceContext {
    TraceContext::from_parts([n; 16], [n; 8], 1).unwrap()
}
