//! A step sends an event that its context does not declare.
use stepcast::prelude::*;

#[event(start)]
struct Topic {
    topic: String,
}

#[event]
struct Declared {
    text: String,
}

#[event]
struct Also {
    text: String,
}

#[event]
struct Other {
    text: String,
}

#[event(stop)]
struct Done {
    text: String,
}

#[step]
async fn write(ev: Topic, ctx: Context<(Declared, Also)>) -> Result<()> {
    ctx.send_event(Other { text: ev.topic })?;
    Ok(())
}

#[step]
async fn end(ev: Declared) -> Done {
    Done { text: ev.text }
}

#[step]
async fn end_too(ev: Also) -> Done {
    Done { text: ev.text }
}

flow!(Flow: Topic => Done { write, end, end_too });

fn main() {}
