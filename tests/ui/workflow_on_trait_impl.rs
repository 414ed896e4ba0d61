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

trait Writes {
    async fn write(&self, ev: Topic) -> Done;
}

struct Flow;

#[workflow(Topic => Done)]
impl Writes for Flow {
    #[step]
    async fn write(&self, ev: Topic) -> Done {
        Done
    }
}

fn main() {}
