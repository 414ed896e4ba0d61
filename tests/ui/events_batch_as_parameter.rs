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

#[derive(Events)]
enum Output {
    Jokes(Vec<Joke>),
    Done(Done),
}

#[step]
async fn write(ev: Output) -> Done {
    Done
}

fn main() {}
