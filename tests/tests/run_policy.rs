//! Promise 9: a workflow's own bounds stand where it is declared, however it is declared.

#![allow(clippy::unwrap_used)]

mod support;

use stepcast::prelude::*;
use stepcast::{FanOutTooWide, RunPolicy};
use support::within;

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event(stop)]
#[derive(PartialEq)]
struct Done {
    sum: u32,
}

#[step(retry(attempts = 5, backoff = "1h"))]
async fn split(ev: Begin) -> Vec<Item> {
    (1..=ev.n).map(|n| Item { n }).collect()
}

#[step]
async fn add_up(all: Vec<Item>) -> Done {
    Done { sum: all.iter().map(|item| item.n).sum() }
}

const NARROW: RunPolicy = RunPolicy::new().max_fan_out(3);

flow!(Listed: Begin => Done { split, add_up }, policy = NARROW);

#[workflow(Begin => Done, steps(split, add_up), policy = NARROW)]
struct Attributed;

struct Methods;

#[workflow(Begin => Done, policy = RunPolicy::new().max_fan_out(3))]
impl Methods {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        split(ev).await
    }

    #[step]
    async fn add_up(&self, all: Vec<Item>) -> Done {
        add_up(all).await
    }
}

fn refused(error: RunError) {
    let RunError::StepFailed { step, attempts, source, .. } = &error else { panic!("{error}") };
    // Nothing is gained by another attempt.
    assert_eq!((step.as_str(), *attempts), ("split", 1));
    assert_eq!(source.downcast_ref(), Some(&FanOutTooWide { given: 4, bound: 3 }));
}

#[tokio::test(start_paused = true)]
async fn a_policy_stands_in_every_form_of_a_workflow() {
    assert_eq!(within(Listed.run(Begin { n: 3 })).await.unwrap(), Done { sum: 6 });
    refused(within(Listed.run(Begin { n: 4 })).await.unwrap_err());
    refused(within(Attributed.run(Begin { n: 4 })).await.unwrap_err());
    refused(within(Methods.run(Begin { n: 4 })).await.unwrap_err());
    assert_eq!(within(Methods.run(Begin { n: 3 })).await.unwrap(), Done { sum: 6 });
}
