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

#[step]
async fn write(ev: Topic) -> Result<Option<Plain>> {
    Ok(None)
}

fn main() {}
