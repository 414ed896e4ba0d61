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

mod other {
    use stepcast::prelude::*;

    #[event]
    pub struct Joke;
}

struct Flow;

#[workflow(Topic => Done)]
impl Flow {
    #[step]
    async fn write(&self, ev: Topic) -> (Joke, other::Joke) {
        (Joke { text: ev.topic }, other::Joke)
    }

    #[step]
    async fn review(&self, joke: Joke) -> Done {
        Done
    }

    #[step]
    async fn reread(&self, joke: other::Joke) -> Done {
        Done
    }
}

fn main() {}
