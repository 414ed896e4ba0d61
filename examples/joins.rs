//! Joins: a step with two event parameters runs once one of each has arrived, whatever their order.

use std::time::Duration;

use stepcast::prelude::*;

#[event(start)]
struct Order {
    item: String,
    price: u32,
}

#[event]
struct Payment {
    amount: u32,
}

#[event]
struct Picking {
    item: String,
}

#[event]
struct Paid {
    receipt: String,
}

#[event]
struct Packed {
    parcel: String,
}

#[event(stop)]
struct Shipped {
    note: String,
}

/// A tuple gives both events: the two branches run at the same time.
#[step]
async fn accept(order: Order) -> (Payment, Picking) {
    (Payment { amount: order.price }, Picking { item: order.item })
}

#[step]
async fn charge(payment: Payment) -> Paid {
    tokio::time::sleep(Duration::from_millis(40)).await;
    println!("paid");
    Paid { receipt: format!("receipt over {}", payment.amount) }
}

#[step]
async fn pack(picking: Picking) -> Packed {
    println!("packed");
    Packed { parcel: format!("parcel with {}", picking.item) }
}

/// The join: once for each pair, first in, first out.
#[step]
async fn ship(paid: Paid, packed: Packed) -> Shipped {
    Shipped { note: format!("{} and {}", packed.parcel, paid.receipt) }
}

flow!(Shop: Order => Shipped { accept, charge, pack, ship });

#[tokio::main]
async fn main() -> Result<()> {
    let shipped = Shop.run(Order { item: "a teapot".to_owned(), price: 12 }).await?;
    println!("shipped: {}", shipped.note);
    Ok(())
}
