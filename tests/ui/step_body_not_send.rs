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

use std::rc::Rc;

async fn other() {}

#[step]
async fn write(ev: Topic) -> Joke {
    let shared = Rc::new(ev.topic);
    other().await;
    Joke { text: shared.to_string() }
}

struct Flow;

#[workflow(Topic => Done)]
impl Flow {
    #[step]
    async fn finish(&self, ev: Topic) -> Done {
        let shared = Rc::new(ev.topic);
        other().await;
        drop(shared);
        Done
    }
}

fn main() {}
