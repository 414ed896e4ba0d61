#![allow(unused_variables, dead_code)]

use stepcast::prelude::*;

#[event(start)]
struct Topic {
    topic: String,
}

#[event]
struct Joke {
    text: String,
}

#[event(stop)]
struct Done;

#[step]
async fn write(ev: Topic) -> impl stepcast::IntoEvents {
    Joke { text: ev.topic }
}

#[step]
async fn review(ev: &Joke, other: impl Event) -> Done {
    Done
}

fn main() {}
