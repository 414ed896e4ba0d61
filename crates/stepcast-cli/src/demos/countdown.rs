//! A step that shows how far it is.

use std::time::Duration;

use stepcast::prelude::*;

/// From where to count.
#[event(start)]
pub(crate) struct From {
    #[serde(default = "three")]
    from: u32,
    /// Milliseconds between two numbers.
    #[serde(default = "half_a_second")]
    millis: u64,
}

/// A number on the way.
#[event]
pub(crate) struct Tick {
    left: u32,
}

#[event(stop)]
pub(crate) struct Liftoff {
    counted: u32,
}

fn three() -> u32 {
    3
}

fn half_a_second() -> u64 {
    500
}

/// Each number is a step of its own, so that an interrupted countdown goes on where it was.
#[step]
async fn start(from: From, ctx: Context) -> Result<Count> {
    ctx.store().set("from", from.from).await?;
    Ok(Count { left: from.from, millis: from.millis })
}

#[event]
pub(crate) struct Count {
    left: u32,
    millis: u64,
}

#[step]
async fn count(count: Count, ctx: Context) -> Result<Either<Count, Liftoff>> {
    if count.left == 0 {
        let counted = ctx.store().get::<u32>("from").await?.unwrap_or_default();
        return Ok(Either::Right(Liftoff { counted }));
    }
    ctx.write_event_to_stream(Tick { left: count.left });
    tokio::time::sleep(Duration::from_millis(count.millis)).await;
    Ok(Either::Left(Count { left: count.left - 1, millis: count.millis }))
}

flow!(
    /// Counts down and shows each number on the stream.
    Countdown: From => Liftoff { start, count }, name = "countdown"
);
