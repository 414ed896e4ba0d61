//! The workflows that are killed. Each effect is a line in a file, made inside a call under a label of its own.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepcast::prelude::*;
use stepcast::{Attempt, Runtime};

/// Their names.
pub const FLOWS: [&str; 6] = ["chain", "fan_out", "wait", "retry", "child", "calls"];

/// Where effects are noted.
#[derive(Clone, Debug)]
pub struct Effects(pub PathBuf);

impl Effects {
    /// Does the effect: a line that is in the file at once.
    fn happen(&self, label: &str) -> std::io::Result<u64> {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.0)?;
        file.write_all(format!("{label}\n").as_bytes())?;
        Ok(label.len() as u64)
    }
}

/// Registers all of them.
pub fn register(runtime: &Runtime, effects: &Effects) {
    runtime.register(Chain(effects.clone())).expect("chain");
    runtime.register(FanOut(effects.clone())).expect("fan_out");
    runtime.register(Wait(effects.clone())).expect("wait");
    runtime.register(Retry(effects.clone())).expect("retry");
    runtime.register(Parent(effects.clone())).expect("child");
    runtime.register(Inner(effects.clone())).expect("inner");
    runtime.register(Calls(effects.clone())).expect("calls");
}

#[event]
pub struct Note {
    pub text: String,
}

fn note(text: impl Into<String>) -> Note {
    Note { text: text.into() }
}

#[event(start)]
pub struct ChainStart {
    pub n: u64,
}
#[event]
pub struct A {
    pub n: u64,
}
#[event]
pub struct B {
    pub n: u64,
}
#[event(stop)]
pub struct ChainStop {
    pub n: u64,
}

/// Three steps in a row, with a typed state and a store.
pub struct Chain(Effects);

#[derive(Clone, Debug, Default, Serialize, Deserialize, State)]
pub struct Tally {
    pub count: u64,
}

#[workflow(ChainStart => ChainStop, name = "chain")]
impl Chain {
    #[step]
    async fn one(&self, ev: ChainStart, ctx: Context, tally: State<Tally>) -> Result<A> {
        let n = ctx.call("one", || async { self.0.happen("one") }).await?;
        tally.edit(|tally| tally.count += 1).await?;
        ctx.write_event_to_stream(note("one"));
        Ok(A { n: ev.n + n })
    }

    #[step]
    async fn two(&self, ev: A, ctx: Context, tally: State<Tally>) -> Result<B> {
        tally.edit(|tally| tally.count += 10).await?;
        ctx.write_event_to_stream(note("two"));
        let n = ctx.call("two", || async { self.0.happen("two") }).await?;
        ctx.store()
            .edit("sum", |sum| {
                *sum = (sum.as_u64().unwrap_or(0) + 5).into();
                Ok::<_, StepError>(())
            })
            .await??;
        ctx.write_event_to_stream(note("two again"));
        Ok(B { n: ev.n + n })
    }

    #[step]
    async fn three(&self, ev: B, ctx: Context, tally: State<Tally>) -> Result<ChainStop> {
        let sum: u64 = ctx.store().get_or("sum", 0).await?;
        Ok(ChainStop { n: ev.n + sum + 100 * tally.get().count })
    }
}

#[event(start)]
pub struct FanOutStart {
    pub width: u64,
}
#[event]
pub struct Item {
    pub n: u64,
}
#[event]
pub struct Worked {
    pub n: u64,
}
#[event(stop)]
pub struct FanOutStop {
    pub sum: u64,
    pub count: u64,
    pub stored: u64,
}

/// A fan-out of 100 whose members all edit one state and one store.
pub struct FanOut(Effects);

#[workflow(FanOutStart => FanOutStop, name = "fan_out")]
impl FanOut {
    #[step]
    async fn open(&self, ev: FanOutStart) -> Vec<Item> {
        (0..ev.width).map(|n| Item { n }).collect()
    }

    #[step(workers = 16)]
    async fn work(&self, ev: Item, ctx: Context, tally: State<Tally>) -> Result<Worked> {
        tally.edit(|tally| tally.count += 1).await?;
        tokio::task::yield_now().await;
        if ev.n.is_multiple_of(10) {
            let label = format!("work-{}", ev.n);
            let effects = self.0.clone();
            let name = label.clone();
            ctx.call(label, move || async move { effects.happen(&name) }).await?;
            ctx.write_event_to_stream(note(format!("worked {}", ev.n)));
        }
        ctx.store()
            .edit("count", |count| {
                *count = (count.as_u64().unwrap_or(0) + 1).into();
                Ok::<_, StepError>(())
            })
            .await??;
        Ok(Worked { n: ev.n })
    }

    #[step]
    async fn close(&self, all: Vec<Worked>, ctx: Context, tally: State<Tally>) -> Result<FanOutStop> {
        let stored = ctx.store().get_or("count", 0).await?;
        Ok(FanOutStop { sum: all.iter().map(|worked| worked.n).sum(), count: tally.get().count, stored })
    }
}

#[event(start)]
pub struct WaitStart {}
#[event(input_required)]
pub struct Question {
    pub prompt: String,
}
#[event(human_response)]
pub struct Reply {
    pub yes: bool,
}
#[event(external)]
pub struct Go {
    pub n: u64,
}
#[event(stop)]
pub struct WaitStop {
    pub yes: bool,
    pub n: u64,
    pub late: bool,
}

/// Asks a person, waits for an event, and for one that never comes.
pub struct Wait(Effects);

#[workflow(WaitStart => WaitStop, name = "wait")]
impl Wait {
    #[step(waits(Go, Reply))]
    async fn ask(&self, _ev: WaitStart, ctx: Context) -> Result<WaitStop> {
        ctx.call("before", || async { self.0.happen("before") }).await?;
        let reply = ctx.wait_for_event::<Reply>().announce(Question { prompt: "Go on?".into() }).await?;
        ctx.call("between", || async { self.0.happen("between") }).await?;
        ctx.write_event_to_stream(note("answered"));
        let go = ctx.wait_for_event::<Go>().await?;
        let late = ctx.wait_for_event::<Go>().id("late").timeout(Duration::from_millis(20)).await.is_err();
        Ok(WaitStop { yes: reply.yes, n: go.n, late })
    }
}

#[event(start)]
pub struct RetryStart {}
#[event(stop)]
pub struct RetryStop {
    pub attempts: u32,
    pub edits: u64,
}

/// Fails twice, with a call that was made before.
pub struct Retry(Effects);

#[workflow(RetryStart => RetryStop, name = "retry")]
impl Retry {
    #[step(retry(attempts = 4, backoff = "5ms"))]
    async fn flaky(&self, _ev: RetryStart, ctx: Context, attempt: Attempt, tally: State<Tally>) -> Result<RetryStop> {
        ctx.call("paid", || async { self.0.happen("paid") }).await?;
        let name = format!("attempt-{}", attempt.number());
        let effects = self.0.clone();
        ctx.call("each", move || async move { effects.happen(&name) }).rerun().await?;
        if attempt.number() < 3 {
            return Err(std::io::Error::other("not yet").into());
        }
        tally.edit(|tally| tally.count += 1).await?;
        Ok(RetryStop { attempts: attempt.number(), edits: tally.get().count })
    }
}

#[event(start)]
pub struct ParentStart {
    pub n: u64,
}
#[event(stop)]
pub struct ParentStop {
    pub n: u64,
}
#[event(start)]
pub struct InnerStart {
    pub n: u64,
}
#[event(stop)]
pub struct InnerStop {
    pub n: u64,
}

/// Runs a child twice.
pub struct Parent(Effects);

#[workflow(ParentStart => ParentStop, name = "child")]
impl Parent {
    #[step]
    async fn run(&self, ev: ParentStart, ctx: Context) -> Result<ParentStop> {
        let first = ctx.run_child(Inner(self.0.clone()), InnerStart { n: ev.n }).await?;
        ctx.write_event_to_stream(note("first child"));
        let second = ctx.run_child(Inner(self.0.clone()), InnerStart { n: first.n }).await?;
        Ok(ParentStop { n: second.n })
    }
}

/// The child.
pub struct Inner(Effects);

#[workflow(InnerStart => InnerStop, name = "inner")]
impl Inner {
    #[step]
    async fn work(&self, ev: InnerStart, ctx: Context) -> Result<InnerStop> {
        let label = format!("inner-{}", ev.n);
        let (effects, name) = (self.0.clone(), label.clone());
        ctx.call(label, move || async move { effects.happen(&name) }).await?;
        Ok(InnerStop { n: ev.n * 2 })
    }
}

#[event(start)]
pub struct CallsStart {}
#[event(stop)]
pub struct CallsStop {
    pub sum: u64,
}

/// Ten calls in one step, some at a time.
pub struct Calls(Effects);

#[workflow(CallsStart => CallsStop, name = "calls")]
impl Calls {
    #[step]
    async fn pay(&self, _ev: CallsStart, ctx: Context) -> Result<CallsStop> {
        let mut sum = 0;
        for round in 0..5 {
            let label = |side: &str| format!("pay-{round}-{side}");
            let call = |label: String| {
                let (effects, name) = (self.0.clone(), label.clone());
                ctx.call(label, move || async move { effects.happen(&name) })
            };
            let (left, right) = tokio::join!(call(label("left")).into_future(), call(label("right")).into_future());
            sum += left? + right?;
        }
        Ok(CallsStop { sum })
    }
}
