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
    async fn write(&self, ev: Topic) -> Done {
        Done
    }

    #[step(catch(wrote))]
    async fn rescue(&self, failed: stepcast::StepFailedEvent) -> Done {
        Done
    }
}

fn main() {}
