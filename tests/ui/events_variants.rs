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
    Nothing,
    Named { joke: Joke },
    Two(Joke, Done),
    Joke(Joke),
    Again(Joke),
}

#[derive(Events)]
struct NoEnum(Joke);

fn main() {}
