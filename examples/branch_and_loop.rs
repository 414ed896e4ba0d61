//! Branches and loops: a step that returns one of several events, and events that lead back to it.

use stepcast::prelude::*;

#[event(start)]
struct Game {
    secret: u32,
}

#[event]
struct Guess {
    low: u32,
    high: u32,
    tries: u32,
}

#[event]
struct TooLow {
    guess: Guess,
    tried: u32,
}

#[event]
struct TooHigh {
    guess: Guess,
    tried: u32,
}

#[event(stop)]
struct Found {
    secret: u32,
    tries: u32,
}

/// One of three events: each variant is a branch.
#[derive(Events)]
enum Answer {
    Low(TooLow),
    High(TooHigh),
    Found(Found),
}

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, State)]
struct Secret(u32);

#[step]
async fn open(game: Game, secret: State<Secret>) -> Result<Guess> {
    secret.set(Secret(game.secret)).await?;
    Ok(Guess { low: 1, high: 100, tries: 0 })
}

/// The branch: which event it returns decides which step is next.
#[step]
async fn ask(mut guess: Guess, secret: State<Secret>) -> Answer {
    let (tried, secret) = ((guess.low + guess.high) / 2, secret.get().0);
    guess.tries += 1;
    println!("is it {tried}?");
    match tried.cmp(&secret) {
        std::cmp::Ordering::Less => TooLow { guess, tried }.into(),
        std::cmp::Ordering::Greater => TooHigh { guess, tried }.into(),
        std::cmp::Ordering::Equal => Found { secret, tries: guess.tries }.into(),
    }
}

/// The loop: it returns what `ask` takes. A step may take one of several events, too.
#[step]
async fn narrow(answer: Either<TooLow, TooHigh>) -> Guess {
    match answer {
        Either::Left(low) => Guess { low: low.tried + 1, ..low.guess },
        Either::Right(high) => Guess { high: high.tried - 1, ..high.guess },
    }
}

flow!(Guessing: Game => Found { open, ask, narrow });

#[tokio::main]
async fn main() -> Result<()> {
    let found = Guessing.run(Game { secret: 42 }).await?;
    println!("{} it is, after {} tries", found.secret, found.tries);
    Ok(())
}
