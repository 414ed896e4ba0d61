use stepcast::prelude::*;
use std::time::Duration;

#[event(start)] struct Topic { topic: String }
#[event] struct Joke { text: String }
#[event] struct Progress { pct: u32 }
#[event(external)] struct Go { n: u32 }
#[event(stop)] struct Critique { joke: String, verdict: String }
struct JokeFlow { x: u32 }

#[workflow(Topic => Critique)]
impl JokeFlow {
    #[step]
    async fn write(&self, ev: Topic) -> Result<Joke> { Ok(Joke { text: format!("{} {}", ev.topic, self.x) }) }
    #[step(waits(Go))]
    async fn review(&self, joke: Joke, ctx: Context) -> Result<Critique> {
        ctx.write_event_to_stream(Progress { pct: 50 });
        tokio::time::sleep(Duration::from_millis(5)).await;
        let go = ctx.wait_for_event::<Go>().await?;
        Ok(Critique { joke: joke.text, verdict: format!("good {}", go.n) })
    }
}

#[event(start)] struct Begin { n: u32 }
#[event] struct Item { n: u32 }
#[event] struct Piece { n: u32 }
#[event(stop)] struct Sum { all: Vec<u32> }
#[step] async fn split(ev: Begin) -> Vec<Item> { (0..ev.n).map(|n| Item { n }).collect() }
#[step(workers = 2)] async fn work(i: Item) -> Piece { if i.n % 2 == 0 { tokio::task::yield_now().await; } Piece { n: i.n * 2 } }
#[step] async fn join(all: Vec<Piece>) -> Sum { Sum { all: all.into_iter().map(|p| p.n).collect() } }
flow!(Fan: Begin => Sum { split, work, join });

#[tokio::main]
async fn main() {
    let run = JokeFlow { x: 7 }.run(Topic { topic: "pirates".into() });
    let mut events = run.stream_events();
    println!("{:?}", events.next().await);
    run.send_event(Go { n: 3 }).unwrap();
    while let Some(item) = events.next().await { println!("{item:?}"); }
    println!("{:?}", run.await);
    println!("{:?}", Fan.run(Begin { n: 10 }).await);
    println!("{:?}", Fan.run(Begin { n: 0 }).await);
}
