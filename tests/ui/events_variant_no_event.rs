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
    Joke(Joke),
    Text(String),
}

fn main() {}
