//! Joins: a step of several event parameters runs once one of each has arrived, first in, first out per slot, within one
//! batch level.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use stepcast::RunError;
use stepcast::engine::StuckReason;
use stepcast::prelude::*;
use support::{after, recorded, rest, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Left {
    n: u32,
}

#[event]
pub struct Right {
    n: u32,
}

#[event]
pub struct Third {
    n: u32,
}

#[event]
pub struct Pair {
    text: String,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    pairs: Vec<String>,
}

fn done(pairs: &[&str]) -> Done {
    Done { pairs: pairs.iter().map(|pair| (*pair).to_owned()).collect() }
}

/// Three slots, filled in every order.
mod three {
    use super::*;

    #[step(emits(Left, Right, Third))]
    pub async fn begin(ev: Begin, ctx: Context) -> Result<()> {
        let order = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][ev.n as usize];
        for slot in order {
            match slot {
                0 => ctx.send_event(Left { n: 1 })?,
                1 => ctx.send_event(Right { n: 2 })?,
                _ => ctx.send_event(Third { n: 3 })?,
            }
        }
        Ok(())
    }

    /// Parameters in another order than the events, with an injected one between them.
    #[step]
    pub async fn join(third: Third, attempt: Attempt, left: Left, right: Right) -> Done {
        done(&[&format!("{}{}{} attempt {}", left.n, right.n, third.n, attempt.number())])
    }

    flow!(pub Three: Begin => Done { begin, join });
}

#[tokio::test(start_paused = true)]
async fn a_join_runs_once_when_every_slot_is_filled() {
    for n in 0..6 {
        assert_eq!(within(three::Three.run(Begin { n })).await.unwrap(), done(&["123 attempt 1"]));
    }
}

/// Several events per slot: the first of each slot make the first pair.
mod fifo {
    use super::*;

    #[step]
    pub async fn begin(ev: Begin, ctx: Context<(Left, Right)>) -> Result<()> {
        for n in 0..ev.n {
            ctx.send_event(Left { n })?;
        }
        for n in 0..ev.n {
            ctx.send_event(Right { n: n + 100 })?;
        }
        Ok(())
    }

    #[step]
    pub async fn join(left: Left, right: Right) -> Pair {
        Pair { text: format!("{}+{}", left.n, right.n) }
    }

    #[step]
    pub async fn end(pair: Pair, ctx: Context) -> Result<Option<Done>> {
        let set = ctx.collect_n(pair, 4).await?;
        Ok(set.map(|all| Done { pairs: all.into_iter().map(|pair| pair.text).collect() }))
    }

    flow!(pub Fifo: Begin => Done { begin, join, end });
}

#[tokio::test(start_paused = true)]
async fn slots_are_first_in_first_out() {
    let stop = within(fifo::Fifo.run(Begin { n: 4 })).await.unwrap();
    assert_eq!(stop, done(&["0+100", "1+101", "2+102", "3+103"]));
}

/// A join whose second slot stays empty.
mod half {
    use super::*;

    #[step]
    pub async fn begin(ev: Begin) -> (Left, Option<Right>) {
        (Left { n: ev.n }, None)
    }

    #[step]
    pub async fn join(left: Left, _right: Right) -> Done {
        done(&[&left.n.to_string()])
    }

    flow!(pub Half: Begin => Done { begin, join });
}

#[tokio::test(start_paused = true)]
async fn a_half_filled_join_is_named_when_the_run_gets_stuck() {
    let error = within(half::Half.run(Begin { n: 1 })).await.unwrap_err();
    assert!(error.to_string().contains("the join `join` still misses `Right`"), "{error}");
    let RunError::Stuck { reason: StuckReason::NoStopEvent { waiting_joins, .. } } = error else { panic!("{error}") };
    assert_eq!(waiting_joins, [("join".to_owned(), vec!["Right".to_owned()])]);
}

/// Joins inside a batch: the events of one member meet, those of different members do not.
mod members {
    use super::*;

    #[event]
    pub struct Item {
        pub n: u32,
    }

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    /// The later members give their left half first, but their right half last.
    #[step]
    pub async fn left(item: Item) -> Left {
        after(u64::from(100 - item.n)).await;
        Left { n: item.n }
    }

    /// Every third member has no right half.
    #[step]
    pub async fn right(item: Item) -> Option<Right> {
        after(u64::from(200 + item.n)).await;
        (item.n % 3 != 2).then_some(Right { n: item.n })
    }

    #[step]
    pub async fn join(left: Left, right: Right) -> Pair {
        Pair { text: format!("{}+{}", left.n, right.n) }
    }

    #[step]
    pub async fn end(pairs: Vec<Pair>) -> Done {
        Done { pairs: pairs.into_iter().map(|pair| pair.text).collect() }
    }

    flow!(pub Members: Begin => Done { split, left, right, join, end });
}

#[tokio::test(start_paused = true)]
async fn a_join_pairs_within_one_batch_member() {
    let run = members::Members.run_with(Begin { n: 5 }, recorded());
    assert_eq!(within(run.result()).await.unwrap(), done(&["0+0", "1+1", "3+3", "4+4"]));
    // The third member's left half never meets its right one.
    assert_eq!(unhandled(&run).await, ["Left"]);
    let items = rest(run.events_internal()).await;
    let event = items.iter().find_map(|item| item.get::<stepcast::UnhandledEvent>()).unwrap();
    assert_eq!(event.step_name.as_deref(), Some("join"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_it_does_on_several_threads() {
    for _ in 0..30 {
        let stop = within(heavy::Heavy.run(Begin { n: 20 })).await.unwrap();
        assert_eq!(stop.pairs, (0..20).map(|n| format!("{n}+{n}")).collect::<Vec<_>>());
    }
}

/// Halves that keep a core busy, so that they get tasks of their own.
mod heavy {
    use super::*;

    #[event]
    pub struct Item {
        pub n: u32,
    }

    fn spin() {
        let since = std::time::Instant::now();
        while since.elapsed().as_micros() < 150 {
            std::hint::spin_loop();
        }
    }

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    pub async fn left(item: Item) -> Left {
        spin();
        tokio::task::yield_now().await;
        Left { n: item.n }
    }

    #[step]
    pub async fn right(item: Item) -> Right {
        spin();
        Right { n: item.n }
    }

    #[step]
    pub async fn join(left: Left, right: Right) -> Pair {
        Pair { text: format!("{}+{}", left.n, right.n) }
    }

    #[step]
    pub async fn end(pairs: Vec<Pair>) -> Done {
        Done { pairs: pairs.into_iter().map(|pair| pair.text).collect() }
    }

    flow!(pub Heavy: Begin => Done { split, left, right, join, end });
}

/// A join of what two batches led to.
mod two_batches {
    use super::*;

    #[event]
    pub struct A {
        pub n: u32,
    }

    #[event]
    pub struct B {
        pub n: u32,
    }

    #[step]
    pub async fn split(ev: Begin) -> (Vec<A>, Vec<B>) {
        ((0..ev.n).map(|n| A { n }).collect(), (0..ev.n * 2).map(|n| B { n }).collect())
    }

    #[step]
    pub async fn left(all: Vec<A>) -> Left {
        Left { n: all.len() as u32 }
    }

    #[step]
    pub async fn right(all: Vec<B>) -> Right {
        Right { n: all.len() as u32 }
    }

    #[step]
    pub async fn join(left: Left, right: Right) -> Done {
        done(&[&format!("{}+{}", left.n, right.n)])
    }

    flow!(pub TwoBatches: Begin => Done { split, left, right, join });
}

#[tokio::test(start_paused = true)]
async fn what_two_batches_led_to_may_be_joined_outside_them() {
    assert_eq!(within(two_batches::TwoBatches.run(Begin { n: 3 })).await.unwrap(), done(&["3+6"]));
    assert_eq!(within(two_batches::TwoBatches.run(Begin { n: 0 })).await.unwrap(), done(&["0+0"]));
}

/// An event that is both a join's slot and another step's input.
mod shared {
    use super::*;

    #[step]
    pub async fn begin(ev: Begin) -> (Left, Right) {
        (Left { n: ev.n }, Right { n: ev.n })
    }

    #[step]
    pub async fn alone(left: Left, ctx: Context) -> Result<()> {
        ctx.store().set("alone", left.n).await?;
        Ok(())
    }

    #[step]
    pub async fn join(left: Left, right: Right) -> Done {
        done(&[&format!("{}+{}", left.n, right.n)])
    }

    flow!(pub Shared: Begin => Done { begin, alone, join });
}

#[tokio::test(start_paused = true)]
async fn an_event_may_fill_a_slot_and_run_another_step() {
    let run = shared::Shared.run(Begin { n: 4 });
    assert_eq!(within(run.result()).await.unwrap(), done(&["4+4"]));
    assert_eq!(run.store_value("alone"), Some(4.into()));
}
