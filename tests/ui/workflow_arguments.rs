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

#[workflow(Topic, Done)]
impl Flow {
    #[step]
    async fn write(&self, ev: Topic) -> Done {
        Done
    }
}

struct Other;

#[workflow(Topic => Done, nam = "x", on_failure = "retry")]
impl Other {
    #[step]
    async fn write(&self, ev: Topic) -> Done {
        Done
    }
}

struct Borrowing<'a>(&'a str);

#[workflow(Topic => Done)]
impl<'a> Borrowing<'a> {
    #[step]
    async fn write(&self, ev: Topic) -> Done {
        Done
    }
}

#[workflow(Topic => Done)]
struct Stepless;

fn main() {}
