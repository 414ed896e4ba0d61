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

#[event]
struct Rating;

struct Flow;

#[workflow(Topic => Done)]
impl Flow {
    #[step]
    async fn write(&self, ev: Topic) -> (Vec<Joke>, Rating) {
        (Vec::new(), Rating)
    }

    #[step]
    async fn pair(&self, joke: Joke, rating: Rating) -> Done {
        Done
    }
}

fn main() {}
