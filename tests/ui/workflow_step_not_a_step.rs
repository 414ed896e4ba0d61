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

async fn write(ev: Topic) -> Done {
    Done
}

#[workflow(Topic => Done, steps(write))]
struct Flow;

fn main() {}
