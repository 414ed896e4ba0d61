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
fn write(ev: Topic) -> Joke {
    Joke { text: ev.topic }
}

fn main() {}
