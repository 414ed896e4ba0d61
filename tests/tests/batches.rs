//! Batches: opened by a `Vec`, closed when no member has anything left to do, collected in the producer's order.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::sync::Arc;

use stepcast::prelude::*;
use support::{after, recorded, unhandled, within};

#[event(start)]
pub struct Begin {
    n: u32,
}

#[event]
pub struct Item {
    n: u32,
}

#[event]
pub struct Piece {
    n: u32,
}

#[event]
pub struct Inner {
    n: u32,
    m: u32,
}

#[event]
pub struct Row {
    sum: Vec<u32>,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Sum {
    all: Vec<u32>,
}

fn sum(all: impl IntoIterator<Item = u32>) -> Sum {
    Sum { all: all.into_iter().collect() }
}

fn pieces(all: Vec<Piece>) -> Sum {
    sum(all.into_iter().map(|piece| piece.n))
}

fn items(n: u32) -> Vec<Item> {
    (0..n).map(|n| Item { n }).collect()
}

/// Members that take the longer the earlier they are listed.
mod backwards {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        items(ev.n)
    }

    #[step]
    pub async fn work(item: Item) -> Piece {
        after(1_000 - u64::from(item.n)).await;
        Piece { n: item.n }
    }

    #[step]
    pub async fn join(all: Vec<Piece>) -> Sum {
        pieces(all)
    }

    flow!(pub Backwards: Begin => Sum { split, work, join });
}

#[tokio::test(start_paused = true)]
async fn a_collector_gets_the_producers_order_whoever_finishes_first() {
    for n in [0, 1, 2, 7, 300] {
        assert_eq!(within(backwards::Backwards.run(Begin { n })).await.unwrap(), sum(0..n), "{n} members");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_it_does_on_several_threads() {
    for _ in 0..50 {
        assert_eq!(within(quick::Quick.run(Begin { n: 100 })).await.unwrap(), sum(0..100));
    }
}

/// Members that give way several times.
mod quick {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Result<Option<Vec<Item>>> {
        Ok(Some(items(ev.n)))
    }

    #[step]
    pub async fn work(item: Item) -> Piece {
        for _ in 0..item.n % 5 {
            tokio::task::yield_now().await;
        }
        Piece { n: item.n }
    }

    #[step]
    pub async fn join(all: Vec<Piece>) -> Sum {
        pieces(all)
    }

    flow!(pub Quick: Begin => Sum { split, work, join });
}

/// No batch at all, an empty one, and what stands beside one.
mod shapes {
    use super::*;

    /// `None` opens nothing; the other output goes its way.
    #[step]
    pub async fn maybe(ev: Begin) -> (Option<Vec<Item>>, Option<Row>) {
        match ev.n {
            0 => (None, Some(Row { sum: vec![77] })),
            1 => (Some(vec![]), None),
            n => (Some(items(n)), None),
        }
    }

    #[step]
    pub async fn work(item: Item) -> Piece {
        Piece { n: item.n }
    }

    #[step]
    pub async fn join(all: Vec<Piece>) -> Sum {
        pieces(all)
    }

    #[step]
    pub async fn row(row: Row) -> Sum {
        sum(row.sum)
    }

    flow!(pub Maybe: Begin => Sum { maybe, work, join, row });

    /// An event beside a batch is outside it.
    #[step]
    pub async fn beside(ev: Begin) -> (Option<Row>, Vec<Item>) {
        (Some(Row { sum: vec![ev.n] }), items(ev.n))
    }

    #[step]
    pub async fn keep(row: Row, ctx: Context) -> Result<()> {
        ctx.store().set("row", row.sum[0]).await?;
        Ok(())
    }

    flow!(pub Beside: Begin => Sum { beside, work, join, keep });

    /// Either a batch or one event.
    #[step]
    pub async fn either(ev: Begin) -> Either<Vec<Item>, Row> {
        if ev.n < 5 { Either::Left(items(ev.n)) } else { Either::Right(Row { sum: vec![ev.n] }) }
    }

    flow!(pub EitherOf: Begin => Sum { either, work, join, row });

    /// An enum of which two variants open batches.
    #[derive(Events)]
    pub enum Plan {
        Items(Vec<Item>),
        Rows(Vec<Row>),
        One(Piece2),
    }

    #[event]
    pub struct Piece2 {
        pub n: u32,
    }

    #[step]
    pub async fn plan(ev: Begin) -> Plan {
        match ev.n {
            0..5 => Plan::Items(items(ev.n)),
            5..10 => Plan::Rows((0..ev.n).map(|n| Row { sum: vec![n, n] }).collect()),
            n => Plan::One(Piece2 { n }),
        }
    }

    #[step]
    pub async fn rows(rows: Vec<Row>) -> Sum {
        sum(rows.into_iter().flat_map(|row| row.sum))
    }

    #[step]
    pub async fn one(piece: Piece2) -> Sum {
        sum([piece.n])
    }

    flow!(pub Planned: Begin => Sum { plan, work, join, rows, one });
}

#[tokio::test(start_paused = true)]
async fn an_absent_batch_opens_nothing_and_an_empty_one_closes_at_once() {
    assert_eq!(within(shapes::Maybe.run(Begin { n: 0 })).await.unwrap(), sum([77]));
    assert_eq!(within(shapes::Maybe.run(Begin { n: 1 })).await.unwrap(), sum([]));
    assert_eq!(within(shapes::Maybe.run(Begin { n: 3 })).await.unwrap(), sum(0..3));
}

#[tokio::test(start_paused = true)]
async fn an_event_beside_a_batch_is_outside_it() {
    let run = shapes::Beside.run(Begin { n: 3 });
    assert_eq!(within(run.result()).await.unwrap(), sum(0..3));
    assert_eq!(run.store_value("row"), Some(3.into()));
}

#[tokio::test(start_paused = true)]
async fn a_batch_may_be_one_of_several_outcomes() {
    assert_eq!(within(shapes::EitherOf.run(Begin { n: 4 })).await.unwrap(), sum(0..4));
    assert_eq!(within(shapes::EitherOf.run(Begin { n: 9 })).await.unwrap(), sum([9]));
    assert_eq!(within(shapes::Planned.run(Begin { n: 4 })).await.unwrap(), sum(0..4));
    assert_eq!(within(shapes::Planned.run(Begin { n: 5 })).await.unwrap(), sum([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]));
    assert_eq!(within(shapes::Planned.run(Begin { n: 11 })).await.unwrap(), sum([11]));
}

/// Members that give nothing, one event, or several.
mod uneven {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        items(ev.n)
    }

    /// Every third member dies; every third gives two, by return and by context, in this order.
    #[step]
    pub async fn work(item: Item, ctx: Context<(Piece,)>) -> Result<Option<Piece>> {
        after(100 - u64::from(item.n)).await;
        match item.n % 3 {
            0 => Ok(None),
            1 => Ok(Some(Piece { n: item.n })),
            _ => {
                ctx.send_event(Piece { n: item.n })?;
                ctx.send_event(Piece { n: item.n + 100 })?;
                Ok(Some(Piece { n: item.n + 200 }))
            }
        }
    }

    #[step]
    pub async fn join(all: Vec<Piece>) -> Sum {
        pieces(all)
    }

    flow!(pub Uneven: Begin => Sum { split, work, join });

    /// Members that give an optional and a batch of their own options.
    #[step]
    pub async fn options(ev: Begin) -> Vec<Option<Item>> {
        (0..ev.n).map(|n| (n % 2 == 0).then_some(Item { n })).collect()
    }

    #[step]
    pub async fn same(item: Item) -> Piece {
        Piece { n: item.n }
    }

    flow!(pub Options: Begin => Sum { options, same, join });

    /// Members that are pairs: both events belong to one member.
    #[step]
    pub async fn pairs(ev: Begin) -> Vec<(Item, Inner)> {
        (0..ev.n).map(|n| (Item { n }, Inner { n, m: n * 10 })).collect()
    }

    #[step]
    pub async fn slow(item: Item) -> Piece {
        after(50).await;
        Piece { n: item.n }
    }

    #[step]
    pub async fn fast(inner: Inner) -> Piece {
        Piece { n: inner.m }
    }

    flow!(pub Pairs: Begin => Sum { pairs, slow, fast, join });
}

#[tokio::test(start_paused = true)]
async fn members_may_die_or_give_several() {
    let stop = within(uneven::Uneven.run(Begin { n: 6 })).await.unwrap();
    assert_eq!(stop, sum([1, 2, 102, 202, 4, 5, 105, 205]));
    assert_eq!(within(uneven::Uneven.run(Begin { n: 1 })).await.unwrap(), sum([]));
    assert_eq!(within(uneven::Options.run(Begin { n: 5 })).await.unwrap(), sum([0, 2, 4]));
    // Within one member the order is that of arrival.
    assert_eq!(within(uneven::Pairs.run(Begin { n: 3 })).await.unwrap(), sum([0, 0, 10, 1, 20, 2]));
}

/// A batch within each member of a batch.
mod nested {
    use super::*;

    #[step]
    pub async fn outer(ev: Begin) -> Vec<Item> {
        items(ev.n)
    }

    #[step]
    pub async fn inner(item: Item) -> Vec<Inner> {
        after(100 - u64::from(item.n) * 10).await;
        (0..item.n).map(|m| Inner { n: item.n, m }).collect()
    }

    #[step]
    pub async fn work(inner: Inner) -> Piece {
        after(u64::from(50 - inner.m)).await;
        Piece { n: inner.n * 10 + inner.m }
    }

    #[step]
    pub async fn row(all: Vec<Piece>) -> Row {
        Row { sum: all.into_iter().map(|piece| piece.n).collect() }
    }

    #[step]
    pub async fn table(rows: Vec<Row>) -> Sum {
        assert_eq!(rows.iter().map(|row| row.sum.len()).collect::<Vec<_>>(), (0..rows.len()).collect::<Vec<_>>());
        sum(rows.into_iter().flat_map(|row| row.sum))
    }

    flow!(pub Nested: Begin => Sum { outer, inner, work, row, table });

    /// Both levels in one return value.
    #[step]
    pub async fn both(ev: Begin) -> Vec<Vec<Inner>> {
        (0..ev.n).map(|n| (0..n).map(|m| Inner { n, m }).collect()).collect()
    }

    flow!(pub AtOnce: Begin => Sum { both, work, row, table });
}

#[tokio::test(start_paused = true)]
async fn batches_nest() {
    let wanted = |n: u32| sum((0..n).flat_map(|n| (0..n).map(move |m| n * 10 + m)));
    for n in [0, 1, 2, 5] {
        assert_eq!(within(nested::Nested.run(Begin { n })).await.unwrap(), wanted(n), "{n}");
        assert_eq!(within(nested::AtOnce.run(Begin { n })).await.unwrap(), wanted(n), "{n} at once");
    }
}

/// Two collectors of one batch, and a further step behind them.
mod two {
    use super::*;

    #[event]
    pub struct Odd {
        pub n: u32,
    }

    #[event]
    pub struct Odds {
        pub n: Vec<u32>,
    }

    #[event]
    pub struct Evens {
        pub n: Vec<u32>,
    }

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        items(ev.n)
    }

    #[step]
    pub async fn sort(item: Item) -> Either<Piece, Odd> {
        after(u64::from(100 - item.n)).await;
        if item.n.is_multiple_of(2) { Either::Left(Piece { n: item.n }) } else { Either::Right(Odd { n: item.n }) }
    }

    #[step]
    pub async fn evens(all: Vec<Piece>) -> Evens {
        Evens { n: all.into_iter().map(|piece| piece.n).collect() }
    }

    #[step]
    pub async fn odds(all: Vec<Odd>) -> Odds {
        Odds { n: all.into_iter().map(|odd| odd.n).collect() }
    }

    #[step]
    pub async fn both(odds: Odds, evens: Evens) -> Sum {
        sum(evens.n.into_iter().chain(odds.n))
    }

    flow!(pub Two: Begin => Sum { split, sort, evens, odds, both });

    /// The same event to two collectors, and to both at once as a union.
    #[step]
    pub async fn again(all: Vec<Piece>) -> Odds {
        Odds { n: all.into_iter().map(|piece| piece.n + 50).collect() }
    }

    #[step]
    pub async fn even_only(item: Item) -> Piece {
        Piece { n: item.n }
    }

    flow!(pub Same: Begin => Sum { split, even_only, evens, again, both });

    #[step]
    pub async fn mixed(all: Vec<Either<Odd, Piece>>) -> Sum {
        sum(all.into_iter().map(|each| match each {
            Either::Left(odd) => odd.n * 2,
            Either::Right(piece) => piece.n,
        }))
    }

    flow!(pub Mixed: Begin => Sum { split, sort, mixed });
}

#[tokio::test(start_paused = true)]
async fn every_collector_of_a_batch_runs_once() {
    assert_eq!(within(two::Two.run(Begin { n: 5 })).await.unwrap(), sum([0, 2, 4, 1, 3]));
    assert_eq!(within(two::Two.run(Begin { n: 1 })).await.unwrap(), sum([0]));
    assert_eq!(within(two::Two.run(Begin { n: 0 })).await.unwrap(), sum([]));
    assert_eq!(within(two::Same.run(Begin { n: 2 })).await.unwrap(), sum([0, 1, 50, 51]));
    assert_eq!(within(two::Mixed.run(Begin { n: 4 })).await.unwrap(), sum([0, 2, 2, 6]));
}

/// A collector that opens the batch again.
mod rounds {
    use super::*;

    #[event]
    pub struct Round {
        pub left: u32,
    }

    #[derive(Events)]
    pub enum Next {
        Round(Round),
        Done(Sum),
    }

    #[step]
    pub async fn begin(ev: Begin) -> Round {
        Round { left: ev.n }
    }

    #[step]
    pub async fn split(round: Round) -> Vec<Item> {
        (0..=round.left).map(|_| Item { n: round.left }).collect()
    }

    #[step]
    pub async fn work(item: Item) -> Piece {
        after(u64::from(item.n)).await;
        Piece { n: item.n }
    }

    #[step]
    pub async fn join(all: Vec<Piece>, ctx: Context) -> Result<Next> {
        let left = all[0].n;
        assert_eq!(all.len() as u32, left + 1);
        let rounds = ctx.store().get::<u32>("rounds").await?.unwrap_or(0) + 1;
        ctx.store().set("rounds", rounds).await?;
        Ok(match left {
            0 => sum([rounds]).into(),
            _ => Round { left: left - 1 }.into(),
        })
    }

    flow!(pub Rounds: Begin => Sum { begin, split, work, join });
}

#[tokio::test(start_paused = true)]
async fn a_collector_in_a_loop_closes_a_new_batch_each_round() {
    assert_eq!(within(rounds::Rounds.run(Begin { n: 6 })).await.unwrap(), sum([7]));
}

/// The collected event also comes without a batch.
mod outside {
    use super::*;

    #[step]
    pub async fn split(ev: Begin) -> (Piece, Vec<Item>) {
        (Piece { n: 99 }, items(ev.n))
    }

    #[step]
    pub async fn work(item: Item) -> Piece {
        Piece { n: item.n }
    }

    #[step]
    pub async fn join(all: Vec<Piece>) -> Sum {
        pieces(all)
    }

    flow!(pub Outside: Begin => Sum { split, work, join });
}

#[tokio::test(start_paused = true)]
async fn an_event_outside_any_batch_reaches_no_collector_and_is_reported() {
    let run = outside::Outside.run_with(Begin { n: 2 }, recorded());
    assert_eq!(unhandled(&run).await, ["Piece"]);
    assert_eq!(within(run.result()).await.unwrap(), sum([0, 1]));
}

/// Members that fail.
mod failing {
    use super::*;
    use stepcast::StepFailedEvent;

    #[derive(Default)]
    pub struct Failing {
        pub attempts: std::sync::atomic::AtomicU32,
    }

    #[workflow(Begin => Sum)]
    impl Failing {
        #[step]
        async fn split(&self, ev: Begin) -> Vec<Item> {
            items(ev.n)
        }

        #[step(retry(attempts = 3, backoff = "1s"), on_failure = "continue")]
        async fn work(&self, item: Item, attempt: Attempt) -> Result<Piece> {
            self.attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            match item.n {
                // Succeeds late: the batch waits for its retries.
                1 if attempt.number() < 3 => Err(StepError::msg("not yet")),
                2 => Err(StepError::msg("never")),
                n => Ok(Piece { n }),
            }
        }

        #[step]
        async fn join(&self, all: Vec<Piece>) -> Sum {
            pieces(all)
        }
    }

    #[step]
    pub async fn split(ev: Begin) -> Vec<Item> {
        items(ev.n)
    }

    #[step]
    pub async fn work(item: Item) -> Result<Piece> {
        if item.n == 1 { Err(StepError::msg("one")) } else { Ok(Piece { n: item.n }) }
    }

    #[step(catch(work))]
    pub async fn recover(failed: StepFailedEvent) -> Option<Piece> {
        after(500).await;
        failed.input_event.and_then(|event| event.get::<Item>().map(|item| Piece { n: item.n + 1000 }))
    }

    #[step]
    pub async fn join(all: Vec<Piece>) -> Sum {
        pieces(all)
    }

    flow!(pub Recovered: Begin => Sum { split, work, recover, join });
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_given_up_leaves_its_batch() {
    let flow = Arc::new(failing::Failing::default());
    let run = Arc::clone(&flow).run(Begin { n: 4 });
    assert_eq!(within(run.result()).await.unwrap(), sum([0, 1, 3]));
    assert_eq!(run.failures(), 1);
    assert_eq!(flow.attempts.load(std::sync::atomic::Ordering::Relaxed), 1 + 3 + 3 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_recovered_stays_at_its_place() {
    let run = failing::Recovered.run(Begin { n: 3 });
    assert_eq!(within(run.result()).await.unwrap(), sum([0, 1001, 2]));
    assert_eq!(run.failures(), 0);
}
