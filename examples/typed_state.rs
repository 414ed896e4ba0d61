//! Typed state: one cell per type and run, edited by many steps at once, one edit at a time.

use stepcast::prelude::*;

/// Begins with its default, is part of snapshots, and has a stable name there: the type's.
#[derive(Clone, Default, serde::Serialize, serde::Deserialize, State)]
struct Account {
    balance: i64,
    bookings: u32,
}

#[derive(Debug, PartialEq)]
struct Overdrawn {
    missing: i64,
}

#[event(start)]
struct Statement {
    amounts: Vec<i64>,
}

#[event]
struct Booking {
    amount: i64,
}

#[event]
struct Refused {
    amount: i64,
    missing: i64,
}

#[event(stop)]
struct Closed {
    balance: i64,
    bookings: u32,
    refused: Vec<String>,
}

#[step]
async fn open(statement: Statement, account: State<Account>) -> Result<Vec<Booking>> {
    account.edit(|account| account.balance = 100).await?;
    Ok(statement.amounts.into_iter().map(|amount| Booking { amount }).collect())
}

/// Runs for many bookings at once. An edit is visible to all of them when it returns; one that gives `Err` changes
/// nothing.
#[step]
async fn book(booking: Booking, account: State<Account>) -> Result<Option<Refused>> {
    let amount = booking.amount;
    let booked = account
        .try_edit(|account| {
            account.bookings += 1;
            account.balance += amount;
            if account.balance < 0 { Err(Overdrawn { missing: -account.balance }) } else { Ok(()) }
        })
        .await?;
    Ok(booked.err().map(|Overdrawn { missing }| Refused { amount, missing }))
}

#[step]
async fn close(all: Vec<Refused>, account: State<Account>) -> Closed {
    let refused = all.iter().map(|no| format!("{} ({} missing)", no.amount, no.missing)).collect();
    account.read(|account| Closed { balance: account.balance, bookings: account.bookings, refused })
}

flow!(Bank: Statement => Closed { open, book, close });

#[tokio::main]
async fn main() -> Result<()> {
    let run = Bank.run(Statement { amounts: vec![20, -50, -500, 5] });
    let closed = run.result().await?;
    println!("balance {} after {} bookings", closed.balance, closed.bookings);
    println!("refused: {}", closed.refused.join(", "));

    // The state can be looked at from outside, and carried over into another run.
    println!("from outside: {:?}", run.state::<Account>().map(|account| account.balance));
    let next = RunOptions::new().state_from(&run);
    let closed = Bank.run_with(Statement { amounts: vec![1] }, next).await?;
    println!("bookings so far: {}", closed.bookings);
    Ok(())
}
