#![allow(unused_variables, dead_code)]

use stepcast::prelude::*;

#[event(start)]
struct Topic {
    topic: String,
}

#[event(stop)]
struct Done;

struct Plain;

struct Flow;

#[workflow(Topic => Done)]
impl Flow {
    #[step]
    async fn write(&self, ev: Topic, plain: Plain) -> Done {
        Done
    }

    #[step]
    async fn review(&self, ev: Topic) -> Either<Done, Plain> {
        Either::Left(Done)
    }
}

fn main() {}
