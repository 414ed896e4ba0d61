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

struct Flow;

#[workflow(Plain => Done)]
impl Flow {
    #[step]
    async fn write(&self, ev: Topic) -> Done {
        Done
    }
}

fn main() {}
