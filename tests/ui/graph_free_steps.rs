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
async fn write(ev: Topic) -> Done {
    Done
}

#[step]
async fn review(joke: Joke) -> Done {
    Done
}

#[workflow(Topic => Done, steps(write, review))]
struct Flow;

fn main() {}
