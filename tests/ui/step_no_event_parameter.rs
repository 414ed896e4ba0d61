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

struct Clock;

impl stepcast::StepParam for Clock {
    const PARAM: stepcast::ParamSpec = stepcast::ParamSpec::Injected(stepcast::Injected::plain("clock"));

    fn extract(_: &mut stepcast::StepCall<'_>) -> std::result::Result<Self, stepcast::ExtractError> {
        Ok(Clock)
    }
}

#[step]
async fn write(clock: Clock) -> Joke {
    Joke { text: String::new() }
}

fn main() {}
