//! The workflows that are stopped at every write. Calls are counted, under labels of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stepcast::prelude::*;
use stepcast::{Attempt, Runtime, StepFailedEvent};

use super::families::*;

/// How often each call was made.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<String, u32>>>);

impl Calls {
    pub fn counts(&self) -> BTreeMap<String, u32> {
        self.0.lock().expect("unpoisoned").clone()
    }

    pub(super) async fn make(&self, ctx: &Context, label: impl Into<String>) -> Result<u64> {
        let (calls, label) = (self.clone(), label.into());
        let name = label.clone();
        let made = ctx.call(label, move || async move {
            *calls.0.lock().expect("unpoisoned").entry(name.clone()).or_insert(0) += 1;
            Ok::<_, std::io::Error>(name.len() as u64)
        });
        Ok(made.await?)
    }
}

#[event(start)]
pub struct Begin {
    pub n: u64,
}
#[event]
pub struct Lap {
    pub n: u64,
}
#[event]
pub struct Item {
    pub n: u64,
}
#[event]
pub struct Inner {
    pub n: u64,
}
#[event]
pub struct Part {
    pub n: u64,
}
#[event]
pub struct Row {
    pub sum: Vec<u64>,
}
#[event]
pub struct Best {
    pub sum: Vec<u64>,
}
#[event]
pub struct Left {
    pub n: u64,
}
#[event]
pub struct Right {
    pub n: u64,
}
#[event]
pub struct Note {
    pub text: String,
}
#[event(external)]
pub struct Go {
    pub n: u64,
    pub who: String,
}
#[event(external)]
pub struct Other {
    pub n: u64,
}
#[event(input_required)]
pub struct Question {
    pub prompt: String,
}
#[event(human_response)]
pub struct Reply {
    pub n: u64,
}
#[event(stop)]
pub struct Done {
    pub text: String,
}

pub(super) fn note(text: impl ToString) -> Note {
    Note { text: text.to_string() }
}
pub(super) fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, State)]
pub struct Tally {
    pub count: u64,
    pub list: Vec<u64>,
}

#[derive(Events)]
pub enum Turn {
    Lap(Lap),
    Done(Done),
}

async fn bump(ctx: &Context, key: &str, by: u64) -> Result<u64> {
    ctx.store()
        .edit(key, |value| {
            let next = value.as_u64().unwrap_or(0) + by;
            *value = next.into();
            Ok::<_, StepError>(next)
        })
        .await?
}

/// A chain, a branch and a loop, with edits whose results are used.
pub struct Chain(pub Calls);

#[workflow(Begin => Done)]
impl Chain {
    #[step]
    async fn first(&self, ev: Begin, ctx: Context, tally: State<Tally>) -> Result<Lap> {
        ctx.write_event_to_stream(note("first"));
        let count = tally
            .edit(|tally| {
                tally.count += 1;
                tally.count
            })
            .await?;
        self.0.make(&ctx, "first").await?;
        ctx.write_event_to_stream(note(count));
        Ok(Lap { n: ev.n + count })
    }

    #[step(allow(endless))]
    async fn lap(&self, lap: Lap, ctx: Context, tally: State<Tally>) -> Result<Turn> {
        let sum = bump(&ctx, "sum", 10).await?;
        self.0.make(&ctx, format!("lap {}", lap.n)).await?;
        let list = tally
            .edit(|tally| {
                tally.list.push(sum);
                tally.list.clone()
            })
            .await?;
        ctx.write_event_to_stream(note(format!("lap {}", lap.n)));
        Ok(if lap.n < 4 {
            Turn::Lap(Lap { n: lap.n + 1 })
        } else {
            Turn::Done(done(format!("{list:?} {}", tally.get().count)))
        })
    }
}

/// A fan-out whose members edit one state, one at a time.
pub struct Fan(pub Calls);

#[workflow(Begin => Done)]
impl Fan {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step(workers = 1)]
    async fn work(&self, item: Item, ctx: Context, tally: State<Tally>) -> Result<Part> {
        tally.edit(|tally| tally.count += 1).await?;
        self.0.make(&ctx, format!("work {}", item.n)).await?;
        tokio::task::yield_now().await;
        bump(&ctx, "sum", item.n).await?;
        ctx.write_event_to_stream(note(item.n));
        Ok(Part { n: item.n })
    }

    #[step]
    async fn close(&self, all: Vec<Part>, ctx: Context, tally: State<Tally>) -> Result<Done> {
        let sum: u64 = ctx.store().get_or("sum", 0).await?;
        let all: Vec<_> = all.into_iter().map(|part| part.n).collect();
        Ok(done(format!("{all:?} {sum} {}", tally.get().count)))
    }
}

/// A batch in a batch.
pub struct Nested(pub Calls);

#[workflow(Begin => Done)]
impl Nested {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }
    #[step]
    async fn again(&self, item: Item) -> Vec<Inner> {
        (0..item.n).map(|n| Inner { n: 10 * item.n + n }).collect()
    }
    #[step]
    async fn work(&self, inner: Inner, ctx: Context) -> Result<Part> {
        self.0.make(&ctx, format!("work {}", inner.n)).await?;
        Ok(Part { n: inner.n })
    }
    #[step]
    async fn row(&self, all: Vec<Part>) -> Row {
        Row { sum: all.into_iter().map(|part| part.n).collect() }
    }
    #[step]
    async fn close(&self, rows: Vec<Row>) -> Done {
        done(format!("{:?}", rows.into_iter().map(|row| row.sum).collect::<Vec<_>>()))
    }
}

/// The first two of a batch, and all of it; then both together.
pub struct Market(pub Calls);

#[workflow(Begin => Done)]
impl Market {
    #[step]
    async fn ask(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }
    #[step]
    async fn offer(&self, item: Item, ctx: Context) -> Result<Option<Part>> {
        tokio::time::sleep(Duration::from_secs(10 * item.n)).await;
        self.0.make(&ctx, format!("offer {}", item.n)).await?;
        Ok((item.n != 1).then_some(Part { n: item.n }))
    }
    #[step]
    async fn best(&self, offers: Take<Part, 2>) -> Best {
        Best { sum: offers.iter().map(|part| part.n).collect() }
    }
    #[step]
    async fn close(&self, all: Vec<Part>) -> Row {
        Row { sum: all.into_iter().map(|part| part.n).collect() }
    }
    #[step]
    async fn end(&self, best: Best, row: Row) -> Done {
        done(format!("{:?} {:?}", best.sum, row.sum))
    }
}

/// A join of what one step sends, before and after a commit point and at once.
pub struct Join(pub Calls);

#[workflow(Begin => Done)]
impl Join {
    #[step(emits(Left, Right), waits(Go))]
    async fn begin(&self, ev: Begin, ctx: Context) -> Result<()> {
        ctx.send_event(Left { n: ev.n })?;
        let go = ctx.wait_for_event::<Go>().await?;
        ctx.send_event(Left { n: go.n })?;
        ctx.send_now(Right { n: 1 }).await?;
        self.0.make(&ctx, "between").await?;
        ctx.send_now(Right { n: 2 }).await?;
        self.0.make(&ctx, "after").await?;
        Ok(())
    }
    #[step]
    async fn join(&self, left: Left, right: Right, ctx: Context, tally: State<Tally>) -> Result<Option<Done>> {
        let list = tally
            .edit(|tally| {
                tally.list.push(left.n * 10 + right.n);
                tally.list.clone()
            })
            .await?;
        ctx.write_event_to_stream(note(left.n));
        Ok((list.len() == 2).then(|| done(format!("{list:?}"))))
    }
}

/// Retries with a call, an edit and a stream write before the failure.
pub struct Retry(pub Calls);

#[workflow(Begin => Done)]
impl Retry {
    #[step(retry(attempts = 3, backoff = "5s"), timeout = "60s")]
    async fn flaky(&self, _ev: Begin, ctx: Context, attempt: Attempt, tally: State<Tally>) -> Result<Done> {
        self.0.make(&ctx, "paid").await?;
        ctx.write_event_to_stream(note("tried"));
        let count = tally
            .edit(|tally| {
                tally.count += 1;
                tally.count
            })
            .await?;
        if attempt.number() < 3 {
            return Err(StepError::msg("not yet"));
        }
        Ok(done(format!("{} {count}", attempt.number())))
    }
}

/// Fails, recovers while the budget lasts, and goes on without.
pub struct Catch(pub Calls);

#[workflow(Begin => Done, on_failure = "continue")]
impl Catch {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (1..=ev.n).map(|n| Item { n }).collect()
    }
    #[step]
    async fn work(&self, item: Item, ctx: Context) -> Result<Part> {
        self.0.make(&ctx, format!("work {}", item.n)).await?;
        match item.n % 10 {
            2 => Err(StepError::msg("rotten")),
            3 if item.n < 10 => Err(StepError::msg("bad")),
            n => Ok(Part { n }),
        }
    }
    #[step(catch, max_recoveries = 2, allow(endless))]
    async fn recover(&self, failed: StepFailedEvent, ctx: Context) -> Result<Item> {
        let item = failed.input_event.as_ref().and_then(|event| event.get::<Item>()).expect("an item");
        self.0.make(&ctx, format!("recover {}", item.n)).await?;
        Ok(Item { n: item.n + 10 })
    }
    #[step]
    async fn close(&self, all: Vec<Part>) -> Done {
        done(format!("{:?}", all.into_iter().map(|part| part.n).collect::<Vec<_>>()))
    }
}

/// Each member fails once and pauses; a person chooses by the order of questions.
pub struct Pause(pub Calls);

#[workflow(Begin => Done)]
impl Pause {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }
    #[step(on_failure = "pause")]
    async fn work(&self, item: Item, ctx: Context, attempt: Attempt) -> Result<Part> {
        self.0.make(&ctx, format!("work {}", item.n)).await?;
        ctx.write_event_to_stream(note(item.n));
        if attempt.number() == 1 { Err(StepError::msg(format!("item {}", item.n))) } else { Ok(Part { n: item.n }) }
    }
    #[step]
    async fn close(&self, all: Vec<Part>) -> Done {
        done(format!("{:?}", all.into_iter().map(|part| part.n).collect::<Vec<_>>()))
    }
}

/// Every kind of wait; what is waited for may be there before.
pub struct Waits(pub Calls);

#[workflow(Begin => Done)]
impl Waits {
    #[step(waits(Go, Other))]
    async fn wait(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        let b = ctx.wait_for_event::<Go>().where_field("who", "b").await?;
        self.0.make(&ctx, "b").await?;
        ctx.write_event_to_stream(note("b"));
        let a = ctx.wait_for_event::<Go>().id("a").matching(|go| go.who == "a").await?;
        self.0.make(&ctx, "a").await?;
        let other = ctx.wait_for_event::<Other>().shared().await?;
        let late = ctx.wait_for_event::<Other>().id("late").timeout(Duration::from_secs(30)).await.is_err();
        ctx.write_event_to_stream(note("late"));
        let (left, right) = tokio::join!(
            ctx.wait_for_event::<Go>().id("left").where_field("who", "c").into_future(),
            ctx.wait_for_event::<Go>()
                .id("right")
                .timeout(Duration::from_secs(5))
                .where_field("who", "d")
                .into_future(),
        );
        Ok(done(format!("{} {} {} {late} {} {}", b.n, a.n, other.n, left?.n, right.is_err())))
    }
}

/// Asks a person twice, after an event that is there before.
pub struct Ask(pub Calls);

#[workflow(Begin => Done)]
impl Ask {
    #[step(waits(Reply))]
    async fn ask(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        self.0.make(&ctx, "before").await?;
        let first = ctx.wait_for_event::<Reply>().announce(Question { prompt: "first".into() }).await?;
        self.0.make(&ctx, "between").await?;
        let second = ctx.wait_for_event::<Reply>().announce(Question { prompt: "second".into() }).await?;
        let none = ctx.wait_for_event::<Reply>().announce(Question { prompt: "nobody".into() });
        let none = none.timeout(Duration::from_secs(60)).await.is_err();
        Ok(done(format!("{} {} {none}", first.n, second.n)))
    }
}

/// Asks with a returned event; the answer is a step's input.
pub struct Returned(pub Calls);

#[workflow(Begin => Done)]
impl Returned {
    #[step]
    async fn ask(&self, _ev: Begin) -> Question {
        Question { prompt: "well?".into() }
    }
    #[step]
    async fn answered(&self, reply: Reply, ctx: Context) -> Result<Done> {
        self.0.make(&ctx, "answered").await?;
        Ok(done(reply.n))
    }
}

/// Collects three of five from a buffer, twice.
pub struct Collects(pub Calls);

#[workflow(Begin => Done)]
impl Collects {
    #[step(emits(Item))]
    async fn begin(&self, ev: Begin, ctx: Context) -> Result<()> {
        (0..ev.n).try_for_each(|n| ctx.send_event(Item { n }))?;
        Ok(())
    }
    #[step(workers = 1, emits(Row))]
    async fn gather(&self, item: Item, ctx: Context) -> Result<Option<Row>> {
        self.0.make(&ctx, format!("before {}", item.n)).await?;
        let n = item.n;
        let Some(set) = ctx.collect_n(item, 3).await? else { return Ok(None) };
        self.0.make(&ctx, format!("after {n}")).await?;
        ctx.write_event_to_stream(note("set"));
        Ok(Some(Row { sum: set.into_iter().map(|item| item.n).collect() }))
    }
    #[step]
    async fn end(&self, row: Row, tally: State<Tally>) -> Result<Option<Done>> {
        let list = tally
            .edit(|tally| {
                tally.list.extend(row.sum.iter());
                tally.list.clone()
            })
            .await?;
        Ok((list.len() == 6).then(|| done(format!("{list:?}"))))
    }
}

/// Steps on other threads, and steps that block their first poll and get tasks of their own.
pub struct Heavy(pub Calls);

#[workflow(Begin => Done)]
impl Heavy {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }
    #[step]
    async fn spin(&self, item: Item, ctx: Context, tally: State<Tally>) -> Result<Inner> {
        let since = Instant::now();
        while since.elapsed() < Duration::from_micros(300) {
            std::hint::spin_loop();
        }
        tally.edit(|tally| tally.count += 1).await?;
        self.0.make(&ctx, format!("spin {}", item.n)).await?;
        ctx.write_event_to_stream(note(item.n));
        Ok(Inner { n: item.n })
    }
    #[step(blocking)]
    fn block(&self, inner: Inner, ctx: Context) -> Part {
        ctx.write_event_to_stream(note("blocked"));
        Part { n: inner.n }
    }
    #[step]
    async fn close(&self, all: Vec<Part>, tally: State<Tally>) -> Done {
        done(format!("{:?} {}", all.into_iter().map(|part| part.n).collect::<Vec<_>>(), tally.get().count))
    }
}

/// Never ends by itself: its timeout, or a letter, ends it.
pub struct Endless(pub Calls);

#[workflow(Begin => Done)]
impl Endless {
    #[step(waits(Other))]
    async fn sleep(&self, ev: Begin, ctx: Context) -> Result<Done> {
        self.0.make(&ctx, "before").await?;
        ctx.write_event_to_stream(note("asleep"));
        match ev.n {
            0 => {
                ctx.wait_for_event::<Other>().await?;
            }
            _ => tokio::time::sleep(Duration::from_secs(1_000_000)).await,
        }
        Ok(done("never"))
    }
}

/// Registers all of them but one.
pub fn register(runtime: &Runtime, calls: &Calls) {
    macro_rules! all {
        ($($flow:ident)*) => { $(runtime.register($flow(calls.clone())).expect(stringify!($flow));)* };
    }
    all!(Chain Fan Nested Market Join Retry Catch Pause Waits Ask Returned Collects Parent Child Grand BadParent Fails Heavy Endless Guardian Abandons);
}
