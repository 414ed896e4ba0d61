//! Pause and resume: a run waits for a person, is written to a file, and goes on in another process.

use std::path::{Path, PathBuf};
use std::process::Command;

use stepcast::RunSnapshot;
use stepcast::prelude::*;

#[event(start)]
struct Trip {
    city: String,
}

#[event]
struct Offer {
    price: u32,
}

#[event(input_required)]
struct Confirm {
    price: u32,
}

#[event(human_response)]
struct Confirmed {
    by: String,
}

#[event(stop)]
struct Booked {
    text: String,
}

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, State)]
struct City(String);

#[step]
async fn search(trip: Trip, city: State<City>) -> Result<Offer> {
    println!("[{}] searching, which is slow and paid for", role());
    city.set(City(trip.city)).await?;
    Ok(Offer { price: 120 })
}

#[step(waits(Confirmed))]
async fn book(offer: Offer, city: State<City>, ctx: Context) -> Result<Booked> {
    // Done once, whoever repeats the step: the result is part of the run.
    let number: u32 = ctx.call("reserve", || reserve(offer.price)).await?;
    let confirmed = ctx.wait_for_event::<Confirmed>().announce(Confirm { price: offer.price }).await?;
    println!("[{}] {} confirmed", role(), confirmed.by);
    Ok(Booked { text: format!("{} for {}, reservation {number}", city.get().0, offer.price) })
}

async fn reserve(price: u32) -> Result<u32> {
    println!("[{}] reserving for {price}", role());
    Ok(4711)
}

flow!(Booking: Trip => Booked { search, book });

fn role() -> &'static str {
    if std::env::args().nth(1).is_some() { "second process" } else { "first process" }
}

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1) {
        None => begin().await,
        Some(file) => resume(&PathBuf::from(file)).await,
    }
}

async fn begin() -> Result<()> {
    let run = Booking.run(Trip { city: "Lisbon".to_owned() });
    let mut events = run.stream_events();
    while let Some(item) = events.next().await {
        let Some(confirm) = item.get::<Confirm>() else { continue };
        println!("[{}] waiting for somebody to confirm {}; pausing", role(), confirm.price);
        let file = std::env::temp_dir().join(format!("stepcast-{}.json", run.run_id()));
        std::fs::write(&file, run.snapshot().await?.to_json()?)?;
        run.cancel();

        let status = Command::new(std::env::current_exe()?).arg(&file).status()?;
        std::fs::remove_file(&file)?;
        return if status.success() { Ok(()) } else { Err(StepError::msg(format!("the second process: {status}"))) };
    }
    run.await.map(drop).map_err(StepError::from)
}

async fn resume(file: &Path) -> Result<()> {
    let snapshot = RunSnapshot::from_json(&std::fs::read_to_string(file)?)?;
    let run = Booking.restore(snapshot)?;
    for input in run.pending_inputs().await {
        println!("[{}] still asked by `{}`", role(), input.input.step);
        run.respond(&input.id, Confirmed { by: "Ada".to_owned() }).await?;
    }
    println!("[{}] booked: {}", role(), run.await?.text);
    Ok(())
}
