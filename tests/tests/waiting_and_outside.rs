//! Promise 4, for executions that wait for something outside their run too: once that has come, they hold no worker slot.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use stepcast::prelude::*;
use support::{after, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Item {
    n: u32,
}

#[event]
pub struct Found {
    text: String,
}

#[event(external)]
pub struct Go {}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    text: String,
}

fn done(text: impl ToString) -> Done {
    Done { text: text.to_string() }
}

fn found(text: impl ToString) -> Found {
    Found { text: text.to_string() }
}

/// Comes at a poll of its own choice, and wakes whoever asked last now and then.
struct Outside {
    polls: u32,
    comes_at: u32,
    asked: Arc<Mutex<Option<Waker>>>,
}

impl Future for Outside {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<()> {
        self.polls += 1;
        if self.polls >= self.comes_at {
            return Poll::Ready(());
        }
        *self.asked.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Waits for an event and for something outside.
struct Both {
    comes_at: u32,
    asked: Arc<Mutex<Option<Waker>>>,
}

#[workflow(Begin => Done)]
impl Both {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }
    #[step(workers = 1, waits(Go))]
    async fn wait(&self, item: Item, ctx: Context) -> Result<Found> {
        if item.n == 0 {
            let outside = Outside { polls: 0, comes_at: self.comes_at, asked: Arc::clone(&self.asked) };
            let (go, ()) = tokio::join!(ctx.wait_for_event::<Go>(), outside);
            go?;
        } else {
            ctx.write_event_to_stream(found("next"));
        }
        Ok(found(item.n))
    }
    #[step]
    async fn gather(&self, all: Vec<Found>) -> Done {
        done(all.len())
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_from_outside_leaves_a_wait_that_holds_no_worker_slot() {
    // An attempt is polled several times while it is found out what it waits for.
    for comes_at in 1..=12 {
        let asked = Arc::<Mutex<Option<Waker>>>::default();
        let run = Both { comes_at, asked: Arc::clone(&asked) }.run(Begin { n: 2 });
        let waking = tokio::spawn(async move {
            loop {
                after(1).await;
                let asked = asked.lock().unwrap().take();
                asked.into_iter().for_each(Waker::wake);
            }
        });
        let next = tokio::time::timeout(Duration::from_secs(60), run.stream_events().next()).await;
        assert!(next.is_ok(), "it holds its slot after what came at poll {comes_at}");
        run.send_event(Go {}).unwrap();
        assert_eq!(within(run.result()).await.unwrap(), done(2));
        waking.abort();
    }
}
