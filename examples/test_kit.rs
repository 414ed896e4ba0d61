//! The test kit: a clock that waits for nobody, faults and people from a script, and what caused what.
//!
//! In your own crate these are tests: `#[tokio::test(start_paused = true)]`, with the feature `testing` of stepcast.

use stepcast::prelude::*;
use stepcast::testing::{TestKit, assert_events};

#[event(start)]
struct Order {
    item: String,
    price: u32,
}

#[event]
struct Packed {
    item: String,
}

#[event(input_required)]
struct Approve {
    item: String,
    price: u32,
}

#[event(human_response)]
struct Approval {
    granted: bool,
}

#[event(stop)]
struct Closed {
    shipped: bool,
}

#[step(retry(attempts = 3, backoff = "1h"))]
async fn pack(order: Order) -> Packed {
    Packed { item: order.item }
}

#[step]
async fn approve(order: Order) -> Approve {
    Approve { item: order.item, price: order.price }
}

#[step]
async fn ship(packed: Packed, approval: Approval) -> Closed {
    Closed { shipped: approval.granted && !packed.item.is_empty() }
}

flow!(Shop: Order => Closed { pack, approve, ship });

fn order(price: u32) -> Order {
    Order { item: "a teapot".to_owned(), price }
}

/// Who is asked in the tests: generous up to 100.
fn kit() -> TestKit {
    TestKit::new().answer(|asked: &Approve| Approval { granted: asked.price <= 100 })
}

async fn an_order_is_shipped_if_it_is_approved() {
    let cheap = kit().run(Shop, order(12)).await;
    assert!(cheap.stop().shipped);
    assert_eq!(cheap.asked().len(), 1);

    let dear = kit().run(Shop, order(1200)).await;
    assert!(!dear.stop().shipped);
}

async fn packing_is_tried_again() {
    let begun = tokio::time::Instant::now();
    // The first attempt fails without its body being run; the second one comes an hour later, at once.
    let recorded = kit().fail("pack", 1, StepError::msg("no tape")).run(Shop, order(12)).await;
    assert_eq!(recorded.executions("pack")[0].attempts, 2);
    println!("the run took {} hour", begun.elapsed().as_secs() / 3600);
}

async fn packing_may_fail_for_good() {
    let recorded = kit().fail_always("pack", || StepError::msg("no boxes")).run(Shop, order(12)).await;
    println!("{}", recorded.error());
}

async fn any_order_of_what_is_ready_will_do() {
    // The seed is printed when a test fails, and `STEPCAST_SEED` runs it again.
    for kit in TestKit::seeds(100) {
        let recorded = kit.answer(|_: &Approve| Approval { granted: true }).run(Shop, order(12)).await;
        assert_events!(recorded, [Order, .., Closed]);
    }
}

async fn what_caused_what() {
    let recorded = kit().seed(1).fail("pack", 1, StepError::msg("no tape")).run(Shop, order(12)).await;
    for link in recorded.chain_to_stop() {
        println!("{} by {}", link.event, link.step.as_deref().unwrap_or("whoever started the run"));
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    an_order_is_shipped_if_it_is_approved().await;
    packing_is_tried_again().await;
    packing_may_fail_for_good().await;
    any_order_of_what_is_ready_will_do().await;
    what_caused_what().await;
    println!("all tests passed");
}
