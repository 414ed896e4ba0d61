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

#[event(start)]
struct Other;

struct Flow;

#[workflow(Topic => Done)]
impl Flow {
    #[step]
    async fn write(&self, ev: Topic) -> Done {
        Done
    }

    #[step]
    async fn begin(&self, ev: Other) -> Done {
        Done
    }
}

fn main() {}
