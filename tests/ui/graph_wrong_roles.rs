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

struct Flow;

#[workflow(Joke => Topic)]
impl Flow {
    #[step]
    async fn write(&self, ev: Joke) -> Topic {
        Topic { topic: ev.text }
    }
}

fn main() {}
