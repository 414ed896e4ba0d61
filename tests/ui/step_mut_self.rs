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

struct Flow {
    count: u32,
}

#[workflow(Topic => Done)]
impl Flow {
    #[step]
    async fn write(&mut self, ev: Topic) -> Done {
        self.count += 1;
        Done
    }
}

fn main() {}
