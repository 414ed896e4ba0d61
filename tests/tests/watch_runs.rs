//! Who lists the runs of a runtime is told of children and of those that ask, and looks through no others.

#![allow(clippy::expect_used)]

mod support;

use stepcast::prelude::*;
use stepcast::{RunWatch, Runtime};
use support::within;

#[event(start)]
struct Begin {
    /// So many questions.
    asks: u32,
    /// So many runs below.
    below: u32,
}

#[event(input_required)]
struct Ask {
    n: u32,
}

#[event(human_response)]
struct Answer {
    n: u32,
}

#[event(stop)]
struct Done {
    n: u32,
}

#[derive(Clone, Copy, Default)]
struct Nested;

#[workflow(Begin => Done)]
impl Nested {
    #[step(waits(Answer))]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let mut sum = 0;
        if ev.below > 0 {
            sum = ctx.run_child(Nested, Begin { asks: ev.asks, below: ev.below - 1 }).await?.n;
        }
        for n in 0..ev.asks {
            sum += ctx.wait_for_event::<Answer>().announce(Ask { n }).await?.n;
        }
        Ok(Done { n: sum })
    }
}

fn told(watch: &RunWatch) -> Vec<String> {
    watch.take().iter().map(|run| run.run_id().to_string()).collect()
}

#[tokio::test]
async fn children_and_those_that_ask_are_told_of_once_each() {
    let runtime = Runtime::new();
    runtime.register(Nested).expect("it is registered");
    let begin = |id: &str, asks, below| runtime.run(Nested, Begin { asks, below }, RunOptions::new().run_id(id));
    let (watch, other) = (runtime.watch_runs(), runtime.watch_runs());
    let quiet = within(begin("quiet", 0, 0).result()).await.expect("it ends");
    assert_eq!((quiet.n, told(&watch)), (0, Vec::new()), "one that has nothing to tell is not told of");

    let top = begin("top", 2, 2);
    let mut events = top.stream_events();
    let mut asked = async || loop {
        if let Some(ask) = within(events.next()).await.expect("it goes on").get::<Ask>() {
            break ask.n;
        }
    };
    // Who sees the question finds who asks: the innermost, after the two that were begun.
    assert_eq!(asked().await, 0);
    let below = ["top.1.Nested", "top.1.Nested.1.Nested"];
    assert_eq!(told(&watch), below);
    assert_eq!(told(&watch), Vec::<String>::new(), "once");
    let answer = async || {
        let pending = within(top.pending_inputs()).await;
        within(top.respond(&pending[0].id, Answer { n: 1 })).await.expect("it is answered");
    };
    answer().await;
    assert_eq!(asked().await, 1);
    assert_eq!(told(&watch), [below[1]], "and again with its next question");
    // Two that watch do not take from each other; what has ended is gone.
    answer().await;
    assert_eq!(asked().await, 0);
    assert_eq!((told(&watch), told(&other)), (vec![below[0].to_owned()], vec![below[0].to_owned()]));
    for _ in 0..3 {
        answer().await;
        asked().await;
    }
    answer().await;
    assert_eq!(within(top.result()).await.expect("it ends").n, 6);
    assert_eq!(told(&watch), Vec::<String>::new(), "they have ended");
}
