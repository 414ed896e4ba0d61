//! A workflow that pauses: it asks for an approval, and takes notes meanwhile.

use stepcast::prelude::*;

#[event(start)]
pub(crate) struct Draft {
    pub(crate) text: String,
}

#[event(input_required)]
pub(crate) struct Question {
    text: String,
}

#[event(human_response)]
pub(crate) struct Approval {
    pub(crate) yes: bool,
}

#[event(external)]
pub(crate) struct Note {
    pub(crate) text: String,
}

#[event(stop)]
pub(crate) struct Published {
    pub(crate) yes: bool,
    /// The trace that the step was in when it had its answer.
    pub(crate) traceparent: Option<String>,
}

#[step(waits(Approval))]
pub(crate) async fn review(draft: Draft, ctx: Context) -> Result<Published> {
    let answer = ctx.wait_for_event::<Approval>().announce(Question { text: draft.text }).await?;
    let traceparent = ctx.trace_context().map(|context| context.traceparent());
    Ok(Published { yes: answer.yes, traceparent })
}

#[step]
pub(crate) async fn take(_note: Note) {}

flow!(pub(crate) Review: Draft => Published { review, take });

pub(crate) fn draft() -> Draft {
    Draft { text: "Hello".into() }
}
