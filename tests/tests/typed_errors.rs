//! Invariant 6: what a step or a caller asks in vain is a typed error that names what was wrong; the run goes on.

#![allow(clippy::unwrap_used)]

mod support;

use serde::{Deserialize, Serialize};
use stepcast::prelude::*;
use stepcast::{ChildError, CollectError, EditStateError, RunPolicy, StoreEditError, StoreError, WaitError};
use support::within;

#[event(start)]
struct Begin {}

#[event]
struct Stranger {}

#[event(external)]
struct Go {}

#[event(stop)]
#[derive(PartialEq)]
struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

#[derive(Clone, Default, Serialize, Deserialize, State)]
struct Count(u32);

#[step]
async fn inner(_ev: Begin) -> Done {
    done("inner")
}

flow!(Inner: Begin => Done { inner });

/// The record holds one result, and has it.
#[step(waits(Go))]
async fn full(_ev: Begin, count: State<Count>, ctx: Context) -> Result<Done> {
    ctx.store().edit("kept", |_| Ok::<_, StepError>(1)).await??;
    let error = ctx.store().edit("kept", |_| Ok::<_, StepError>(2)).await.unwrap_err();
    assert!(matches!(error, StoreEditError::RecordFull { bound: 1 }), "{error}");
    let error = count.edit(|count| count.0 + 1).await.unwrap_err();
    assert!(matches!(error, EditStateError::RecordFull { bound: 1 }), "{error}");
    let error = ctx.run_child(Inner, Begin {}).await.unwrap_err();
    assert!(matches!(error, ChildError::RecordFull { bound: 1 }), "{error}");
    let error = ctx.wait_for_event::<Go>().await.unwrap_err();
    assert!(matches!(error, WaitError::RecordFull { bound: 1 }), "{error}");
    // What leaves no result needs no record.
    count.edit(|count| count.0 = 7).await?;
    ctx.store().set("kept", 3).await?;
    Ok(done(format!("{} {}", count.get().0, ctx.store().get::<u32>("kept").await?.unwrap_or_default())))
}

flow!(Full: Begin => Done { full }, policy = RunPolicy::new().max_records(1));

#[tokio::test(start_paused = true)]
async fn every_operation_says_when_the_record_is_full() {
    assert_eq!(within(Full.run(Begin {})).await.unwrap(), done("7 3"));
}

#[step]
async fn wrong(_ev: Begin, ctx: Context) -> Result<Done> {
    ctx.store().set("list", [1, 2]).await?;
    let error = ctx.store().set("list.first", 1).await.unwrap_err();
    let StoreEditError::Store(StoreError::NotAnIndex { .. }) = &error else { return Err(error.into()) };
    assert!(error.to_string().contains("first"), "{error}");
    let error = ctx.collect_n(Stranger {}, 2).await.unwrap_err();
    assert!(matches!(error, CollectError::Undeclared { event: "Stranger" }), "{error}");
    Ok(done("unharmed"))
}

flow!(Wrong: Begin => Done { wrong });

#[tokio::test(start_paused = true)]
async fn what_a_step_asks_in_vain_is_said() {
    assert_eq!(within(Wrong.run(Begin {})).await.unwrap(), done("unharmed"));
}

#[step(waits(Go))]
async fn wait(_ev: Begin, ctx: Context) -> Result<Done> {
    ctx.wait_for_event::<Go>().await?;
    Ok(done("gone"))
}

flow!(Waiting: Begin => Done { wait });

#[test]
fn a_run_whose_tokio_runtime_is_gone_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // It never has its first turn.
    let busy = {
        let _here = runtime.enter();
        Waiting.run(Begin {})
    };
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(async {
        assert!(matches!(within(busy.result()).await, Err(RunError::Dropped)));
    });
}
