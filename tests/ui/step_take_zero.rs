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
async fn vote(jokes: Take<Joke, 0>) -> Done {
    Done
}

fn main() {}
