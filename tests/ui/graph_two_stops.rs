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

#[event(stop)]
struct Other;

struct Flow;

#[workflow(Topic => Done)]
impl Flow {
    #[step]
    async fn write(&self, ev: Topic) -> Either<Done, Other> {
        Either::Left(Done)
    }
}

fn main() {}
