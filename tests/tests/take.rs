//! `Take<T, N>`: runs at the N-th event of its batch, or at the batch's close with fewer.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
pub struct Offer {
    n: u32,
}

#[event]
pub struct Best {
    offers: Vec<u32>,
}

#[event]
pub struct Closed {
    all: Vec<u32>,
}

#[event(stop)]
#[derive(PartialEq)]
pub struct Done {
    best: Vec<u32>,
    late: u32,
}

#[derive(Default)]
pub struct Market {
    worked: AtomicU32,
    chosen: AtomicU32,
}

#[workflow(Begin => Done)]
impl Market {
    #[step]
    async fn ask(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    /// The later ones answer sooner; the seventh never does.
    #[step]
    async fn offer(&self, item: Item) -> Option<Offer> {
        after(u64::from(100 - item.n)).await;
        self.worked.fetch_add(1, Ordering::Relaxed);
        (item.n != 7).then_some(Offer { n: item.n })
    }

    #[step]
    async fn best(&self, offers: Take<Offer, 3>) -> Best {
        self.chosen.fetch_add(1, Ordering::Relaxed);
        Best { offers: offers.iter().map(|offer| offer.n).collect() }
    }

    /// Runs at the close, so that the run sees every member's end.
    #[step]
    async fn close(&self, all: Vec<Offer>) -> Closed {
        Closed { all: all.into_iter().map(|offer| offer.n).collect() }
    }

    #[step]
    async fn end(&self, best: Best, closed: Closed) -> Done {
        let late = closed.all.len() as u32 - best.offers.len() as u32;
        Done { best: best.offers, late }
    }
}

#[tokio::test(start_paused = true)]
async fn take_runs_at_the_nth_event_and_the_siblings_go_on() {
    let flow = Arc::new(Market::default());
    let run = Arc::clone(&flow).run_with(Begin { n: 10 }, recorded());
    assert_eq!(within(run.result()).await.unwrap(), Done { best: vec![9, 8, 6], late: 6 });
    assert_eq!((flow.worked.load(Ordering::Relaxed), flow.chosen.load(Ordering::Relaxed)), (10, 1));
    // Late events go nowhere, and that is no accident to report.
    assert!(unhandled(&run).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn take_runs_at_the_close_with_fewer() {
    for (n, best) in [(0, vec![]), (1, vec![0]), (2, vec![1, 0]), (3, vec![2, 1, 0])] {
        let flow = Arc::new(Market::default());
        assert_eq!(within(Arc::clone(&flow).run(Begin { n })).await.unwrap(), Done { best, late: 0 }, "{n}");
        assert_eq!(flow.chosen.load(Ordering::Relaxed), 1);
    }
}

/// What `Take` leads to does not wait for the siblings.
mod early {
    use super::*;

    #[step]
    pub async fn ask(ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    pub async fn offer(item: Item) -> Offer {
        if item.n > 0 {
            after(60_000).await;
        }
        Offer { n: item.n }
    }

    #[step]
    pub async fn first(offers: Take<Offer, 1>) -> Done {
        Done { best: offers.into_iter().map(|offer| offer.n).collect(), late: 0 }
    }

    flow!(pub First: Begin => Done { ask, offer, first });
}

#[tokio::test(start_paused = true)]
async fn take_does_not_wait_for_the_slow() {
    let began = tokio::time::Instant::now();
    assert_eq!(within(early::First.run(Begin { n: 5 })).await.unwrap(), Done { best: vec![0], late: 0 });
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
}

/// A `Take` in an inner batch, whose step runs once per member of the outer one.
mod nested {
    use super::*;

    #[event]
    pub struct Group {
        pub n: u32,
    }

    #[step]
    pub async fn groups(ev: Begin) -> Vec<Group> {
        (0..ev.n).map(|n| Group { n }).collect()
    }

    #[step]
    pub async fn ask(group: Group) -> Vec<Item> {
        (0..=group.n).map(|n| Item { n: group.n * 10 + n }).collect()
    }

    #[step]
    pub async fn offer(item: Item) -> Offer {
        after(u64::from(100 - item.n)).await;
        Offer { n: item.n }
    }

    #[step]
    pub async fn best(offers: Take<Offer, 2>) -> Best {
        Best { offers: offers.iter().map(|offer| offer.n).collect() }
    }

    #[step]
    pub async fn end(all: Vec<Best>) -> Done {
        Done { best: all.into_iter().flat_map(|best| best.offers).collect(), late: 0 }
    }

    flow!(pub Nested: Begin => Done { groups, ask, offer, best, end });
}

#[tokio::test(start_paused = true)]
async fn a_nested_take_keeps_the_outer_order() {
    let stop = within(nested::Nested.run(Begin { n: 3 })).await.unwrap();
    assert_eq!(stop.best, [0, 11, 10, 22, 21]);
}

/// The batch's producer lies inside a loop: every round takes anew.
mod again {
    use super::*;

    #[derive(Events)]
    pub enum Next {
        Again(Begin2),
        Done(Done),
    }

    #[event]
    pub struct Begin2 {
        pub n: u32,
    }

    #[step]
    pub async fn begin(ev: Begin) -> Begin2 {
        Begin2 { n: ev.n }
    }

    #[step]
    pub async fn ask(ev: Begin2) -> Vec<Item> {
        (0..4).map(|n| Item { n: ev.n * 10 + n }).collect()
    }

    #[step]
    pub async fn offer(item: Item) -> Offer {
        after(u64::from(item.n % 10) * 100).await;
        Offer { n: item.n }
    }

    #[step]
    pub async fn best(offers: Take<Offer, 2>, ctx: Context) -> Result<Next> {
        let mut seen: Vec<u32> = ctx.store().get("seen").await?.unwrap_or_default();
        seen.extend(offers.iter().map(|offer| offer.n));
        ctx.store().set("seen", &seen).await?;
        let round = offers[0].n / 10;
        Ok(if round == 0 { Done { best: seen, late: 0 }.into() } else { Begin2 { n: round - 1 }.into() })
    }

    flow!(pub Again: Begin => Done { begin, ask, offer, best });
}

#[tokio::test(start_paused = true)]
async fn rounds_do_not_mix() {
    assert_eq!(within(again::Again.run(Begin { n: 2 })).await.unwrap().best, [20, 21, 10, 11, 0, 1]);
}
