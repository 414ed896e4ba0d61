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

#[workflow(Topic => Done)]
impl Flow {
    #[step]
    async fn write(&self, ev: Topic) -> Either<Joke, Done> {
        Either::Right(Done)
    }
}

fn main() {}
