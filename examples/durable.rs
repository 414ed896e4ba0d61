//! A durable run: it asks a person, its runtime goes away, and another one on the same file answers and goes on with it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stepcast::backend::InputFilter;
use stepcast::prelude::*;
use stepcast::{RunId, Runtime};
use stepcast_sqlite::SqliteBackend;

/// What was really done, by both runtimes.
static RESERVED: AtomicU32 = AtomicU32::new(0);
static CHARGED: AtomicU32 = AtomicU32::new(0);
static BEGUN: AtomicU32 = AtomicU32::new(0);

#[event(start)]
struct Order {
    book: String,
}

#[event]
struct Reserved {
    book: String,
    shelf: u32,
}

#[event(input_required)]
struct Question {
    prompt: String,
}

#[event(human_response)]
struct Answer {
    gift_wrap: bool,
}

#[event(stop)]
struct Shipped {
    text: String,
}

struct Orders;

#[workflow(Order => Shipped)]
impl Orders {
    /// Finished before the runtime goes away: its report is in the file, so it never runs again.
    #[step]
    async fn reserve(&self, order: Order) -> Reserved {
        RESERVED.fetch_add(1, Ordering::Relaxed);
        Reserved { book: order.book, shelf: 12 }
    }

    /// Under way when the runtime goes away: it runs again, but what is on its record is not done again.
    #[step(waits(Answer))]
    async fn ship(&self, reserved: Reserved, ctx: Context) -> Result<Shipped> {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        let cents: u32 = ctx.call("charge", charge).await?;
        let prompt = format!("Shall \"{}\" be wrapped as a gift?", reserved.book);
        let answer = ctx.wait_for_event::<Answer>().announce(Question { prompt }).await?;
        let wrapped = if answer.gift_wrap { "wrapped" } else { "plain" };
        Ok(Shipped { text: format!("{}, {wrapped}, from shelf {}, {cents} cents", reserved.book, reserved.shelf) })
    }
}

async fn charge() -> Result<u32> {
    CHARGED.fetch_add(1, Ordering::Relaxed);
    Ok(1250)
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("stepcast-durable-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("runs.db");
    begin(&file).await?;
    go_on(&file).await?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

async fn begin(file: &Path) -> Result<()> {
    let runtime = Runtime::on(SqliteBackend::open(file)?);
    let run = runtime.run(Orders, Order { book: "Momo".to_owned() }, RunOptions::new().run_id("order-7"));
    run.recorded().await?;
    println!("[first runtime]  order-7 is recorded");
    let mut events = run.stream_events();
    // A question is seen once it is in the file, with all that led to it.
    while events.next().await.is_some_and(|item| item.get::<Question>().is_none()) {}
    runtime.shutdown(Duration::from_secs(5)).await;
    println!("[first runtime]  gone, while the run waits for a person");
    Ok(())
}

async fn go_on(file: &Path) -> Result<()> {
    let runtime = Runtime::on(SqliteBackend::open(file)?);
    runtime.register(Orders)?;
    for input in runtime.list_inputs(InputFilter { pending: true, ..InputFilter::default() }, None, 10).await? {
        let (run, question) = (RunId::from(input.run), input.asked);
        println!("[second runtime] {run} asks: {}", question.prompt.unwrap_or_default());
        let answer = serde_json::json!({ "gift_wrap": true });
        runtime.answer_input(&run, question.input, answer, Some("Ada".to_owned())).await?;
    }
    let run = runtime.attach(&RunId::from("order-7")).await?;
    let end = run.outcome().await?;
    println!("[second runtime] shipped: {}", end.get::<Shipped>().map_or("", |shipped| &shipped.text));
    let count = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
    println!("reserved: {}, charged: {}, begun to ship: {}", count(&RESERVED), count(&CHARGED), count(&BEGUN));
    runtime.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
