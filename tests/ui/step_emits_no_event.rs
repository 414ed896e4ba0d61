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

struct Plain;

#[step(emits(Joke, Plain))]
async fn write(ev: Topic) -> Done {
    Done
}

fn main() {}
