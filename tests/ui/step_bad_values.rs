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

#[step(timeout = "30sec", workers = 0, on_failure = "stop", catch, max_recoveries = 0, retry(backoff = 200, attempts = 0))]
async fn write(ev: Topic) -> Joke {
    Joke { text: ev.topic }
}

#[step(timeout = 30, timeout = "1.5s", name = "")]
async fn rewrite(ev: Topic) -> Joke {
    Joke { text: ev.topic }
}

fn main() {}
