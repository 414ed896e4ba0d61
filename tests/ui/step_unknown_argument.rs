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

#[step(worker = 3, timeot = "3s", concurrency = 4)]
async fn write(ev: Topic) -> Joke {
    Joke { text: ev.topic }
}

fn main() {}
